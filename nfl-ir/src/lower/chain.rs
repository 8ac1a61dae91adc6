//! Chains: several functions as one handler.
//!
//! In: a chain's stages. Out: one function for each role, in which a stage that answers `Pass` goes on
//! to the next. Guaranteed: a stage sees its own parameters, memory and tails; a stage without a
//! handler for the role is skipped; a stage of the network layer in a chain of the link layer starts
//! at the offset that the node's context gives, and passes what has none.

use super::ssa::{Builder, Place};
use super::{ImageState, Lower};
use crate::entity::{Block, Value};
use crate::func::Function;
use crate::op::Op;
use nfl_abi::Role;
use nfl_abi::image::VerdictKind;
use nfl_abi::map::context;
use nfl_typeck::bind::Bindings;
use nfl_typeck::tables::{FunctionDef, Handler, StageArg, StageDef, TemplateId};
use std::rc::Rc;

/// The largest offset of a network header that a context gives.
const NETWORK_OFFSET_MAX: u32 = 63;

impl<'a> ImageState<'a> {
    /// The parameter that a name means: in a stage it may be one of the chain's.
    pub(super) fn param(&self, template: TemplateId) -> TemplateId {
        match self.args.iter().find(|(t, _)| *t == template) {
            Some((_, StageArg::Param(of_chain))) => *of_chain,
            _ => template,
        }
    }

    /// Whether a parameter is a word that is filled in after compilation. One that a chain gives a
    /// value has it for good.
    pub(super) fn is_late(&self, template: TemplateId) -> bool {
        let given = self.args.iter().any(|(t, _)| *t == template);
        self.sound.tables().templates[template].late && !given
    }

    /// Nanoseconds from run to run of a timer.
    pub(super) fn period_ns(&self, handler: &Handler) -> u64 {
        match handler.period {
            Some(template) => self.bound(template, 1).max(1),
            None => handler.period_ns,
        }
    }

    /// The stages of the function; a plain function is one stage of its own.
    pub(super) fn stage_defs(&self) -> Vec<&'a FunctionDef> {
        let tables = self.sound.tables();
        match self.whole.stages.as_slice() {
            [] => vec![self.whole],
            stages => stages
                .iter()
                .map(|s| &tables.functions[s.function])
                .collect(),
        }
    }

    /// Turns to a stage: its function, its memory, its parameters.
    pub(super) fn enter_stage(&mut self, number: usize) {
        let tables = self.sound.tables();
        let Some(stage) = self.whole.stages.get(number) else {
            return;
        };
        self.stage = number as u32;
        self.def = &tables.functions[stage.function];
        self.args = &stage.args;
        self.bindings = Rc::new(stage_bindings(&self.outer, stage));
    }
}

/// The values of a stage's parameters, beside those of the chain's.
fn stage_bindings(outer: &Bindings, stage: &StageDef) -> Bindings {
    let mut bindings = outer.clone();
    for (param, arg) in &stage.args {
        if let StageArg::Value(value) = arg {
            bindings.values.set(*param, Some(value.clone()));
        }
    }
    bindings
}

impl<'i, 'a> Lower<'i, 'a> {
    /// The handler of a chain for a role.
    pub(super) fn chain(image: &'i mut ImageState<'a>, handler: &'a Handler) -> Function
    where
        'a: 'i,
    {
        let tables = image.sound.tables();
        let own = |stage: &'a StageDef| {
            let handlers = tables.functions[stage.function].handlers.iter();
            handlers.filter(|h| h.role == handler.role)
        };
        let stages = &image.whole.stages;
        let timer = handler.role == Role::Every;
        let running: Vec<(usize, &'a Handler)> = match timer {
            true => vec![(handler.stage as usize, handler)],
            false => (0..stages.len())
                .flat_map(|n| own(&stages[n]).map(move |h| (n, h)))
                .collect(),
        };
        let mut f = Function::new(handler.role, handler.layer);
        if timer {
            image.enter_stage(handler.stage as usize);
            f.period_ns = image.period_ns(handler);
        }
        let mut b = Builder::new(f);
        let first = (b.block(), b.block());
        let mut lower = Lower::new(image, b, handler.layer, first);
        for (at, &(number, stage)) in running.iter().enumerate() {
            if at > 0 {
                (lower.malformed, lower.exhausted) = (lower.b.block(), lower.b.block());
            }
            lower.next_stage = (at + 1 < running.len()).then(|| lower.b.block());
            lower.image.enter_stage(number);
            lower.layer = stage.layer;
            lower.start = Place::at(0);
            if stage.layer != handler.layer && !timer {
                lower.start = lower.network_start();
            }
            lower.body_and_tails(stage);
            let Some(next) = lower.next_stage.take() else {
                break;
            };
            lower.b.enter(next);
            if !lower.b.reachable() {
                break;
            }
        }
        lower.close(first.0)
    }

    /// Where the network header begins in a frame; what has none passes this stage.
    fn network_start(&mut self) -> Place {
        let offset = self
            .b
            .inst(Op::Context, &[], context::NETWORK_OFFSET, None, 32);
        let most = self.b.constant(NETWORK_OFFSET_MAX + 1);
        let there = self.b.op2(Op::Ltu, offset, most, 1);
        let (yes, no) = (self.b.block(), self.b.block());
        self.b.branch(there, yes, no);
        self.b.enter(no);
        let pass = self.b.constant(u32::from(VerdictKind::Pass.number()));
        let zero = self.b.constant(0);
        self.answer(pass, zero);
        self.b.enter(yes);
        Place {
            index: Some(offset),
            offset: 0,
        }
    }

    /// A verdict of a handler: the end of the run, or on to the next stage.
    pub(super) fn answer(&mut self, kind: Value, operand: Value) {
        let Some(next) = self.next_stage else {
            return self.b.finish(kind, operand);
        };
        let pass = u32::from(VerdictKind::Pass.number());
        match self.b.as_constant(kind) {
            Some(known) if known == pass => self.b.jump(next),
            Some(_) => self.b.finish(kind, operand),
            None => {
                let end: Block = self.b.block();
                let passes = self.b.op2c(Op::Eq, kind, pass, 1);
                self.b.branch(passes, next, end);
                self.b.enter(end);
                self.b.finish(kind, operand);
            }
        }
    }

    /// Bytes of the packet from the stage's layer on.
    pub(super) fn packet_size(&mut self) -> Value {
        let len = self.b.inst(Op::Len, &[], 0, None, 32);
        match self.start.index {
            Some(offset) => self.b.op2(Op::Sub, len, offset, 32),
            None => len,
        }
    }
}
