//! Layer patterns: the parser that a program asks for.
//!
//! In: a pattern and where it starts. Out: branches to "matches", "does not match" and the
//! malformed exit, and views for the names. Guaranteed: a step asks, in this order, the `follows`
//! condition, the length of the fixed part, and the conjuncts of `valid` that are used; what places
//! a header is valid before anything behind it is read.

use super::ssa::Place;
use super::{Local, Lower, Val, View};
use crate::entity::{Block, Value};
use crate::op::Op;
use nfl_syntax::ast::{ExprId, ExprKind, PatId};
use nfl_typeck::tables::{Derived, LayerStep, PatInfo, Res};
use std::rc::Rc;

/// Layers matched so far on one path.
#[derive(Clone)]
struct Path {
    views: Vec<View>,
    /// The step each of the views belongs to; none for those around a body.
    steps: Vec<Option<usize>>,
}

impl Lower<'_, '_> {
    /// `value instanceof pattern`.
    pub(super) fn instance_of(&mut self, value: ExprId, pat: PatId, yes: Block, no: Block) {
        let sound = self.image.sound;
        let PatInfo::Layers(steps) = &sound.tables().pats[pat] else {
            unreachable!("the checker lets only layer patterns here");
        };
        let start = match self.expr(value) {
            Val::Body(view) => {
                self.check_length_fields(&view);
                let mut around = view.outer.to_vec();
                around.push(view);
                around
            }
            _ => Vec::new(),
        };
        let path = Path {
            steps: vec![None; start.len()],
            views: start,
        };
        self.layers(steps, 0, path, yes, no);
    }

    /// Matches the steps from `at` on; optional layers make two ways to the next named one.
    fn layers(&mut self, steps: &[LayerStep], at: usize, path: Path, yes: Block, no: Block) {
        let Some(step) = steps.get(at) else {
            self.finish_match(steps, path);
            return self.b.jump(yes);
        };
        if step.optional {
            return self.optional(steps, at, path, yes, no);
        }
        let matched = self.b.block();
        self.edge(step, &path, matched, no);
        self.b.enter(matched);
        if !self.b.reachable() {
            return;
        }
        let path = self.enter_layer(steps, at, path, None);
        self.layers(steps, at + 1, path, yes, no);
    }

    /// One or more layers in brackets and the layer behind them: every way there ends at one place,
    /// with the base as a word that depends on the way.
    fn optional(&mut self, steps: &[LayerStep], at: usize, path: Path, yes: Block, no: Block) {
        let target = (at..steps.len()).find(|&i| !steps[i].optional);
        let join = self.b.block();
        let base = self.b.var(32);
        self.ways(steps, at, target, path.clone(), join, base, no);
        self.b.enter(join);
        if !self.b.reachable() {
            return;
        }
        let Some(target) = target else {
            self.finish_match(steps, path);
            return self.b.jump(yes);
        };
        let place = Place {
            index: Some(self.b.read(base)),
            offset: 0,
        };
        let path = self.enter_layer(steps, target, path, Some(place));
        self.layers(steps, target + 1, path, yes, no);
    }

    /// Lowers every way from step `at` to `target` (or to the pattern's end).
    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one recursive walk; a struct would be built for each call"
    )]
    fn ways(
        &mut self,
        steps: &[LayerStep],
        at: usize,
        target: Option<usize>,
        path: Path,
        join: Block,
        base: super::Var,
        no: Block,
    ) {
        if Some(at) == target || at == steps.len() {
            let Some(step) = steps.get(at) else {
                let zero = self.b.constant(0);
                self.b.write(base, zero);
                return self.b.jump(join);
            };
            let matched = self.b.block();
            self.edge(step, &path, matched, no);
            self.b.enter(matched);
            if let (Some(last), Some(&Some(from))) = (path.views.last(), path.steps.last()) {
                self.ask_valid(&steps[from], last, true);
            }
            let place = self.behind(&path);
            let value = self.place_value(place);
            self.b.write(base, value);
            return self.b.jump(join);
        }
        let (with, without) = (self.b.block(), self.b.block());
        self.edge(&steps[at], &path, with, without);
        self.b.enter(with);
        if self.b.reachable() {
            let longer = self.enter_layer(steps, at, path.clone(), None);
            self.ways(steps, at + 1, target, longer, join, base, no);
        }
        self.b.enter(without);
        if self.b.reachable() {
            self.ways(steps, at + 1, target, path, join, base, no);
        }
    }

    /// Whether `step` comes next: the condition of the edge from the last layer.
    fn edge(&mut self, step: &LayerStep, path: &Path, yes: Block, no: Block) {
        let sound = self.image.sound;
        self.b.span = Some(step.span);
        let parent = path.views.last().cloned();
        let header = &sound.tables().headers[step.header];
        let edge = header.edges.iter().find(|e| {
            e.parent == parent.as_ref().map(|p| p.header) && e.layer.is_none_or(|l| l == self.layer)
        });
        let Some(edge) = edge else {
            return self.b.jump(no);
        };
        let Some(when) = edge.when else {
            return self.b.jump(yes);
        };
        let base = self.behind(path);
        let this = View {
            header: step.header,
            base,
            outer: Rc::default(),
        };
        if let Some(end) = self.look_ahead(when) {
            self.require(base.plus(end));
        }
        self.in_header(this, parent, |lower| lower.cond(when, yes, no));
    }

    /// How many bytes of the new header an edge's condition looks at.
    fn look_ahead(&self, e: ExprId) -> Option<u32> {
        let tables = self.image.sound.tables();
        let below = |ids: &[ExprId]| ids.iter().filter_map(|&id| self.look_ahead(id)).max();
        match &self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Binary { left, right, .. } => below(&[*left, *right]),
            ExprKind::Unary { arg, .. } | ExprKind::Cast { arg, .. } | ExprKind::Paren(arg) => {
                below(&[*arg])
            }
            ExprKind::In { value, set } => below(&[*value, *set]),
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => below(&[*cond, *then, *otherwise]),
            _ => match tables.expr_res[e] {
                Res::OwnField { header, field } => {
                    let f = &tables.headers[header].fields[field as usize];
                    Some((f.bit_offset + f.bits).div_ceil(8))
                }
                _ => None,
            },
        }
    }

    /// The layer is there: asks for its length, then for what is valid about the layer before,
    /// and adds its view. `base` is given where several ways meet.
    fn enter_layer(
        &mut self,
        steps: &[LayerStep],
        at: usize,
        mut path: Path,
        base: Option<Place>,
    ) -> Path {
        let step = &steps[at];
        self.b.span = Some(step.span);
        if let (Some(last), Some(&Some(from))) = (path.views.last(), path.steps.last()) {
            self.ask_valid(&steps[from], last, true);
        }
        let base = base.unwrap_or_else(|| self.behind(&path));
        let header = &self.image.sound.tables().headers[step.header];
        self.require(base.plus(header.fixed_bytes));
        let outer: Rc<[View]> = path.views.clone().into();
        path.views.push(View {
            header: step.header,
            base,
            outer,
        });
        path.steps.push(Some(at));
        path
    }

    /// The whole pattern matches: asks what is left to ask about the last layer, and sets the names.
    fn finish_match(&mut self, steps: &[LayerStep], path: Path) {
        let sound = self.image.sound;
        if let (Some(last), Some(&Some(from))) = (path.views.last(), path.steps.last()) {
            let step = &steps[from];
            let behind = sound.tables().locals[step.local].behind_used;
            self.ask_valid(step, last, behind);
            if behind && self.is_variable(last) {
                let end = self.end_of(last);
                self.require(end);
            }
        }
        for (view, step) in path.views.iter().zip(&path.steps) {
            let Some(step) = *step else { continue };
            let local = steps[step].local;
            self.locals
                .insert(local, Local::Fixed(Val::View(view.clone())));
        }
    }

    /// The conjuncts of `valid` that are used: of fields that are read, and, with something behind,
    /// of fields that place it.
    fn ask_valid(&mut self, step: &LayerStep, view: &View, behind: bool) {
        let sound = self.image.sound;
        let header = &sound.tables().headers[step.header];
        let used =
            sound.tables().locals[step.local].fields_used | if behind { header.placing } else { 0 };
        for conjunct in header.valid.iter().filter(|c| c.fields & used != 0) {
            let ok = self.b.block();
            let malformed = self.malformed;
            self.in_header(view.clone(), None, |lower| {
                lower.cond(conjunct.cond, ok, malformed)
            });
            self.b.enter(ok);
        }
    }

    fn is_variable(&self, view: &View) -> bool {
        self.image.sound.tables().headers[view.header]
            .fields
            .iter()
            .any(|f| f.len.is_some())
    }

    /// Where the next header would start.
    fn behind(&mut self, path: &Path) -> Place {
        match path.views.last().cloned() {
            Some(view) => self.end_of(&view),
            None => Place::at(0),
        }
    }

    /// The first byte behind a header, its variable fields included.
    pub(super) fn end_of(&mut self, view: &View) -> Place {
        let sound = self.image.sound;
        let header = &sound.tables().headers[view.header];
        let mut end = view.base.plus(header.fixed_bytes);
        for field in header.fields.iter() {
            let Some(len) = field.len else { continue };
            let mut bytes = self.in_header(view.clone(), None, |lower| lower.u32_of(len));
            let elem = super::stored_bytes(self.image.width(field.ty).bits);
            if elem > 1 {
                bytes = self.b.op2c(Op::Mul, bytes, elem, 32);
            }
            end.index = Some(match end.index {
                Some(index) => self.b.op2(Op::Add, index, bytes, 32),
                None => bytes,
            });
        }
        // A sum keeps its constant where a subtraction in a length would make the word negative.
        if let (Some(index), true) = (end.index, header.fields.iter().any(|f| f.len.is_some())) {
            let sum = self.b.op2c(Op::Add, index, end.offset, 32);
            end = Place {
                index: Some(sum),
                offset: 0,
            };
        }
        end
    }

    /// A place as one word.
    pub(super) fn place_value(&mut self, place: Place) -> Value {
        match place.index {
            None => self.b.constant(place.offset),
            Some(index) if place.offset == 0 => index,
            Some(index) => self.b.op2c(Op::Add, index, place.offset, 32),
        }
    }

    /// Malformed unless the packet has a byte before each place up to `end`.
    pub(super) fn require(&mut self, end: Place) {
        if !self.b.reachable() {
            return;
        }
        let end = self.place_value(end);
        let len = self.b.inst(Op::Len, &[], 0, None, 32);
        let short = self.b.compare(Op::Ltu, len, end);
        let ok = self.b.block();
        self.b.branch(short, self.malformed, ok);
        self.b.enter(ok);
    }

    /// A length field that claims more than is there, or less than its own header, is malformed
    /// where the body is taken. What is there ends with the body of the header around.
    fn check_length_fields(&mut self, view: &View) {
        let mut around = view.outer.to_vec();
        around.push(view.clone());
        let mut bound = None;
        for view in &around {
            bound = self.check_length_field(view, bound).or(bound);
        }
    }

    /// Checks one header within `bound`, or else within the packet; answers where its body ends, if
    /// it says so.
    fn check_length_field(&mut self, view: &View, bound: Option<Value>) -> Option<Value> {
        let sound = self.image.sound;
        let header = &sound.tables().headers[view.header];
        let (index, field) =
            header.fields.iter().enumerate().find(|(_, f)| {
                matches!(f.derived, Some(Derived::LengthFrom | Derived::LengthAfter))
            })?;
        let length = self.load_field(view, index as u32)[0];
        let start = self.place_value(view.base);
        let mut end = self.b.op2(Op::Add, start, length, 32);
        if field.derived == Some(Derived::LengthAfter) {
            end = self.b.op2c(Op::Add, end, header.fixed_bytes, 32);
        } else {
            let behind = self.end_of(view);
            let behind = self.place_value(behind);
            self.malformed_if_less(end, behind);
        }
        match bound {
            Some(bound) => self.malformed_if_less(bound, end),
            None => self.require(Place {
                index: Some(end),
                offset: 0,
            }),
        }
        Some(end)
    }

    fn malformed_if_less(&mut self, a: Value, b: Value) {
        let ok = self.b.block();
        let less = self.b.compare(Op::Ltu, a, b);
        self.b.branch(less, self.malformed, ok);
        self.b.enter(ok);
    }
}
