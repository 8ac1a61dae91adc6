//! The verifier in the compiler.
//!
//! In: a module of sound structure. Out: the same module as [`Verified`] with its bounds, or
//! findings that say what could not be proved. Proved of a `Verified` module:
//!
//! 1. its structure is sound (`structure.rs`);
//! 2. every loop ends, within a number of rounds that the limits allow (`loops.rs`);
//! 3. every access to packet, `carried` memory, constants and local arrays is in bounds, the packet's
//!    within its known length (`obligation.rs`, `judge.rs`);
//! 4. the value of a lookup is read where the lookup found one, and within it;
//! 5. no divisor is zero, and every assertion holds; assertions are gone from a `Verified` module;
//! 6. every word fits the width that its `ValueData` claims.
//!
//! What cannot be proved is explained (`explain.rs`), with a branch that lost what was known (`lost.rs`) and a
//! packet for which it fails (`witness.rs`), where there is one.
//!
//! Facts come from intervals (`range.rs`), of signed numbers as well (`signed.rs`), known bits
//! (`known_bits.rs`) and relations of words (`order.rs`) that are narrowed by the branches on the way
//! (`facts.rs`), block by block (`flow.rs`).

mod calls;
pub(crate) mod cone;
mod cost;
mod explain;
pub mod facts;
pub mod flow;
pub(crate) mod geometry;
pub(crate) mod judge;
mod known_bits;
mod loops;
mod lost;
pub(crate) mod memo;
pub mod obligation;
mod order;
pub mod range;
pub mod signed;
pub mod sorted;
pub mod structure;
mod witness;

use std::borrow::Cow;

pub use explain::Scene;

use nfl_abi::Limits;
use nfl_abi::codes::{E501, E502, E506};
use nfl_syntax::arena::IdMap;
use nfl_syntax::{Diagnostic, Diags, Span};

use crate::cfg::Loop;
use crate::entity::{Block, Value};
use crate::func::{Function, Module};
use crate::passes::{self, Store};
use crate::replay;
use crate::verify::explain::{Explain, finding, remark};
use crate::verify::flow::Analysis;
use crate::verify::obligation::Obligation;
use crate::verify::range::Range;
use crate::verify::witness::Target;

/// A module that was proved, with its bounds. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    module: Module,
    bounds: Bounds,
}

impl Verified {
    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// What was proved about it in numbers.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

/// Bounds of a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// For each handler, in the module's order.
    pub functions: Vec<FunctionBounds>,
}

/// Bounds of a handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionBounds {
    /// IR instructions of the longest run: an estimate of steps.
    pub steps: u64,
    /// Its loops, outer before inner.
    pub loops: Vec<LoopBound>,
    /// Where it reads and writes the packet, in the order of its blocks.
    pub packet: Vec<Access>,
}

/// Bound of a loop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoopBound {
    /// Where it stands in the source.
    pub span: Option<Span>,
    /// How often it goes back at most.
    pub trips: u32,
    /// 1 for outermost loops.
    pub depth: u8,
}

/// A load from the packet or a store to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// Where it stands in the source.
    pub span: Option<Span>,
    /// Offset of its first byte.
    pub offset: Range,
    /// How many bytes.
    pub bytes: u8,
    /// Whether they are written.
    pub write: bool,
}

/// Proves a module, or says why not.
pub fn verify(module: Module, limits: &Limits, diags: &mut Diags) -> Option<Verified> {
    prove(module, Vec::new(), limits, None, diags)
}

/// Whether a module can be proved as it is, or when what lowering repeats is gone: whatever passes run then, it can be
/// proved behind them too. Nothing may be worth a finding.
pub fn holds(mut module: Module, limits: &Limits) -> bool {
    let holds = |module: Module| {
        let mut found = Diags::default();
        verify(module, limits, &mut found);
        found.into_vec().is_empty()
    };
    holds(module.clone()) || {
        passes::clean(&mut module);
        holds(module)
    }
}

/// The same in the words of the source, and with packets for which it fails, where some are found.
pub fn explained(
    module: Module,
    limits: &Limits,
    scene: &Scene,
    diags: &mut Diags,
) -> Option<Verified> {
    prove(module, Vec::new(), limits, Some(scene), diags)
}

/// Runs all passes and proves what comes out, with what they have found out: as if one came after the other. Says why it
/// cannot be proved in the words of the source where there is a scene.
pub fn improved(
    mut module: Module,
    limits: &Limits,
    scene: Option<&Scene>,
    diags: &mut Diags,
) -> Option<Verified> {
    let stores = passes::run_and_tell(&mut module);
    prove(module, stores, limits, scene, diags)
}

fn prove(
    mut module: Module,
    mut stores: Vec<Store>,
    limits: &Limits,
    scene: Option<&Scene>,
    diags: &mut Diags,
) -> Option<Verified> {
    if let Err(what) = structure::check(&module) {
        panic!("the compiler made unsound IR: {what}");
    }
    let mut functions = Vec::new();
    let mut proved = true;
    let mut widths: Vec<IdMap<Value, u8>> = Vec::new();
    stores.resize_with(module.functions.len(), Store::default);
    for ((at, f), store) in module.functions.iter().enumerate().zip(&mut stores) {
        let found = store.ask(f, module.words(), |a| {
            let mut found = Vec::new();
            check_loops(&module, a, limits, &mut found);
            let accesses = check_accesses(&module, a, scene, &mut found);
            let sound = accesses && found.is_empty();
            proved &= sound;
            if sound {
                functions.push(bounds(a));
                widths.push(proved_widths(a));
            }
            if let Some(arguments) = scene.and_then(|scene| scene.arguments.as_deref()) {
                show_witnesses(&module, at, a, limits, arguments, &mut found);
            }
            found
        });
        for (_, finding) in found {
            diags.push(finding);
        }
    }
    if !proved {
        return None;
    }
    for (f, widths) in module.functions.iter_mut().zip(widths) {
        claim_widths(f, &widths);
    }
    passes::drop_assertions(&mut module);
    let bounds = Bounds { functions };
    Some(Verified { module, bounds })
}

/// What was found, with what should fail in a run; nothing for what no run shows.
type Found = (Option<Target>, Diagnostic);

/// Adds to each finding an input for which it happens, or says that there is none.
fn show_witnesses(
    m: &Module,
    at: usize,
    a: &Analysis,
    limits: &Limits,
    arguments: &str,
    found: &mut [Found],
) {
    let targets: Vec<Target> = found.iter().filter_map(|(target, _)| *target).collect();
    if targets.is_empty() {
        return;
    }
    let most = replay::rounds_most(limits.of(m.profile));
    let inputs = witness::search(m, at, &a.cfg, &targets, most);
    let none = match inputs.iter().any(Option::is_some) {
        true => "no packet was found whose run fails here before it fails elsewhere",
        false => "no packet was found whose run fails here: it is the proof that is missing",
    };
    let mut inputs = inputs.into_iter();
    for (_, finding) in found.iter_mut().filter(|(target, _)| target.is_some()) {
        let text = match inputs.next().flatten() {
            None => none.to_string(),
            Some(input) => {
                let flags = input.flags(m, a.f);
                let shown = match replay::replay(m, at, &input, limits.of(m.profile)) {
                    replay::Replayed::Fault(fault) => fault.text,
                    _ => continue,
                };
                format!("counter-example: {shown}\nnflc check {flags} {arguments}")
            }
        };
        finding.notes.push(text);
    }
}

/// The width that is proved of each word.
pub(crate) fn proved_widths(a: &Analysis) -> IdMap<Value, u8> {
    let mut widths = IdMap::new();
    for &b in &a.f.layout {
        let results = a.f.blocks[b].insts.iter();
        let results = results.filter_map(|&inst| a.f.insts[inst].result);
        for v in a.f.blocks[b].params.iter().copied().chain(results) {
            let reached = a.at(b).is_some();
            widths.set(v, if reached { a.base[v].width() } else { 32 });
        }
    }
    widths
}

/// Takes proved widths for claims.
pub(crate) fn claim_widths(f: &mut Function, widths: &IdMap<Value, u8>) {
    for (v, value) in f.values.iter_mut() {
        if widths[v] != 0 {
            value.width = widths[v];
        }
    }
}

fn check_loops(m: &Module, a: &Analysis, limits: &Limits, found: &mut Vec<Found>) {
    let limits = limits.of(m.profile);
    for (l, trips) in a.cfg.loops.iter().zip(&a.trips) {
        if a.at(l.head).is_none() {
            continue;
        }
        let span = loop_span(a.f, l);
        let runs = Some(Target::Loop(l.head));
        match trips {
            None => {
                let d = remark(
                    finding(&E501, span),
                    "nothing here moves by a constant towards a known bound".into(),
                );
                let d = d.help("say how often it may run at most: `limit`");
                found.push((runs, d));
            }
            Some(trips) if *trips > replay::rounds_most(limits) => {
                let most = replay::rounds_most(limits);
                let text = format!("up to {trips} rounds, and {most} are allowed");
                let d = remark(finding(&E502, span), text);
                let d = d.help("say how often it may run at most: `limit`");
                found.push((runs, d));
            }
            Some(_) if l.depth > limits.loop_depth => {
                let text = format!(
                    "this is loop {} within loops, and {} are allowed",
                    l.depth, limits.loop_depth
                );
                found.push((None, remark(finding(&E506, span), text)));
            }
            Some(_) => {}
        }
    }
}

/// Where a loop stands: its head, or the first place behind it that is known.
pub(crate) fn loop_span(f: &Function, l: &Loop) -> Option<Span> {
    let spans = l.blocks.iter().map(|&b| f.blocks[b].span);
    spans.flatten().next()
}

/// Answers whether all obligations are met.
fn check_accesses(m: &Module, a: &Analysis, scene: Option<&Scene>, found: &mut Vec<Found>) -> bool {
    let mut sound = true;
    let mut last = None;
    let explain = Explain { m, a, scene };
    for &b in &a.cfg.order {
        let Some(facts) = a.at(b).filter(|_| !behind_endless_loop(a, b)) else {
            continue;
        };
        let mut facts = Cow::Borrowed(facts);
        for &id in &a.f.blocks[b].insts {
            let inst = &a.f.insts[id];
            let finding = explain.judge(b, &facts, id);
            a.pass(&mut facts, id);
            let Some(finding) = finding else {
                continue;
            };
            sound = false;
            // One place that takes several accesses is one mistake.
            if inst.span.is_none() || inst.span != last {
                found.push((Some(Target::Inst(id)), finding));
            }
            last = inst.span;
        }
    }
    sound
}

/// Whether a block stands in or behind a loop without a bound: what is known there is little, and the
/// loop is the mistake.
fn behind_endless_loop(a: &Analysis, b: Block) -> bool {
    let mut loops = a.cfg.loops.iter().zip(&a.trips);
    loops.any(|(l, trips)| trips.is_none() && a.cfg.dominates(l.head, b))
}

fn bounds(a: &Analysis) -> FunctionBounds {
    let loops = a.cfg.loops.iter().zip(&a.trips);
    let loops = loops.map(|(l, trips)| LoopBound {
        span: loop_span(a.f, l),
        trips: trips.unwrap_or(0),
        depth: l.depth,
    });
    let mut packet = Vec::new();
    for &b in &a.cfg.order {
        let Some(facts) = a.at(b) else {
            continue;
        };
        let mut facts = Cow::Borrowed(facts);
        for &inst in &a.f.blocks[b].insts {
            let data = &a.f.insts[inst];
            a.pass(&mut facts, inst);
            let Some(Obligation::Access {
                region: crate::Region::Packet,
                index,
                offset,
                bytes,
                write,
                ..
            }) = obligation::of(data)
            else {
                continue;
            };
            let at = index.map_or(Range::exactly(0), |v| a.known().range(&facts, v));
            packet.push(Access {
                span: data.span,
                offset: range::eval(crate::Op::Add, at, Range::exactly(offset)),
                bytes,
                write,
            });
        }
    }
    FunctionBounds {
        steps: cost::steps(a),
        loops: loops.collect(),
        packet,
    }
}
