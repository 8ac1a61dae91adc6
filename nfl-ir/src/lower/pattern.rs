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
use nfl_typeck::TyKind;
use nfl_typeck::tables::{Derived, HeaderId, LayerStep, PatInfo, Res};
use std::rc::Rc;

/// Layers matched so far on one path.
#[derive(Clone)]
struct Path {
    views: Vec<View>,
    /// The step each of the views belongs to; none for those around a body.
    steps: Vec<Option<usize>>,
}

/// Where several ways through a pattern meet.
struct Meet {
    /// The plain layer at which they do; none for the pattern's end.
    target: Option<usize>,
    join: Block,
    /// Where that layer begins.
    base: super::Var,
    no: Block,
    /// The layers before it that are one of several headers.
    one_ofs: Vec<OneOfVars>,
}

/// A layer that is one of several headers, on each way to it.
struct OneOfVars {
    step: usize,
    tag: super::Var,
    base: super::Var,
    sum: super::Var,
    places: Vec<Place>,
}

impl Lower<'_, '_> {
    /// `value instanceof pattern`.
    pub(super) fn instance_of(&mut self, value: ExprId, pat: PatId, yes: Block, no: Block) {
        let ty = self.ty(value);
        if self.kind(ty) == TyKind::Cursor {
            return self.match_cursor(value, pat, yes, no);
        }
        self.binds_read_like(pat, value);
        let value = self.expr(value);
        if !matches!(self.image.sound.tables().pats[pat], PatInfo::Layers(_)) {
            return self.take(pat, &value, ty, yes, no);
        }
        let start = self.start_of(&value);
        self.match_layers(&value, start, pat, yes, no);
    }

    /// The headers in front of a value's layers.
    pub(super) fn start_of(&mut self, value: &Val) -> Vec<View> {
        let Val::Body(view) = value else {
            return Vec::new();
        };
        self.check_length_fields(view);
        let mut around = view.outer.to_vec();
        around.push(view.clone());
        around
    }

    /// Branches on whether a value, whose layers begin behind `start`, matches a layer pattern.
    pub(super) fn match_layers(
        &mut self,
        value: &Val,
        start: Vec<View>,
        pat: PatId,
        yes: Block,
        no: Block,
    ) {
        let sound = self.image.sound;
        let PatInfo::Layers(steps) = &sound.tables().pats[pat] else {
            unreachable!("the checker lets only layer patterns here");
        };
        if let Val::View(view) = value {
            return self.narrow(view, steps, yes, no);
        }
        // Behind a resize a packet may begin at another layer than at first.
        let layer = sound.tables().pat_layer[pat].unwrap_or(self.layer);
        let layer = std::mem::replace(&mut self.layer, layer);
        let path = Path {
            steps: vec![None; start.len()],
            views: start,
        };
        self.layers(steps, 0, path, yes, no);
        self.layer = layer;
    }

    /// A view of one of several headers is this one, and so on behind it.
    fn narrow(&mut self, view: &View, steps: &[LayerStep], yes: Block, no: Block) {
        let Some(first) = steps.first() else { return };
        self.b.span = Some(first.span);
        let wanted = |c: &super::one_of::Candidate| c.view.header == first.header;
        let Some(candidate) = self.candidates(view).into_iter().find(wanted) else {
            return self.b.jump(no);
        };
        if let Some((tag, number)) = candidate.when {
            let matched = self.b.block();
            self.is_member(tag, number, matched, no);
            self.b.enter(matched);
            self.all_there(view, &candidate.view);
        }
        let mut path = Path {
            steps: vec![None; view.outer.len()],
            views: view.outer.to_vec(),
        };
        path.views.push(candidate.view);
        path.steps.push(Some(0));
        self.layers(steps, 1, path, yes, no);
    }

    /// The first layer stands where `view` says; matches the others behind it.
    pub(super) fn layers_behind(&mut self, steps: &[LayerStep], view: View, yes: Block, no: Block) {
        let path = Path {
            views: vec![view],
            steps: vec![Some(0)],
        };
        self.layers(steps, 1, path, yes, no);
    }

    /// Matches the steps from `at` on; layers that may be absent or one of several make more than one
    /// way to the next plain one.
    fn layers(&mut self, steps: &[LayerStep], at: usize, path: Path, yes: Block, no: Block) {
        let Some(step) = steps.get(at) else {
            self.finish_match(steps, path);
            return self.b.jump(yes);
        };
        if step.optional || step.one_of.is_some() {
            return self.several(steps, at, path, yes, no);
        }
        let matched = self.b.block();
        self.edge(step, step.header, &path, matched, no);
        self.b.enter(matched);
        if !self.b.reachable() {
            return;
        }
        let path = self.enter_layer(steps, at, step.header, path, None);
        self.layers(steps, at + 1, path, yes, no);
    }

    /// Layers with more than one way to the plain one behind them: every way there ends at one place,
    /// with the base as a word that depends on the way.
    fn several(&mut self, steps: &[LayerStep], at: usize, mut path: Path, yes: Block, no: Block) {
        let plain = |i: &usize| !steps[*i].optional && steps[*i].one_of.is_none();
        let target = (at..steps.len()).find(plain);
        let mut meet = Meet {
            target,
            join: self.b.block(),
            base: self.b.var(32),
            no,
            one_ofs: Vec::new(),
        };
        for (index, step) in steps
            .iter()
            .enumerate()
            .take(target.unwrap_or(steps.len()))
            .skip(at)
        {
            if step.one_of.is_some() && !step.optional {
                meet.one_ofs.push(OneOfVars {
                    step: index,
                    tag: self.b.var(8),
                    base: self.b.var(32),
                    sum: self.b.var(32),
                    places: Vec::new(),
                });
            }
        }
        self.ways(steps, at, path.clone(), &mut meet);
        self.b.enter(meet.join);
        if !self.b.reachable() {
            return;
        }
        for vars in &meet.one_ofs {
            self.join_one_of(steps, vars, &mut path);
        }
        let Some(target) = target else {
            self.finish_match(steps, path);
            return self.b.jump(yes);
        };
        let place = Place {
            index: Some(self.b.read(meet.base)),
            offset: 0,
        };
        let path = self.enter_layer(steps, target, steps[target].header, path, Some(place));
        self.layers(steps, target + 1, path, yes, no);
    }

    /// Adds the view of one of several headers where the ways to it have met.
    fn join_one_of(&mut self, steps: &[LayerStep], vars: &OneOfVars, path: &mut Path) {
        let step = &steps[vars.step];
        let Some(id) = step.one_of else { return };
        let same = vars.places.windows(2).all(|two| two[0] == two[1]);
        let base = match vars.places.first() {
            Some(&place) if same => place,
            _ => Place {
                index: Some(self.b.read(vars.base)),
                offset: 0,
            },
        };
        let chosen = super::Chosen {
            id,
            tag: self.b.read(vars.tag),
            sum: self.b.read(vars.sum),
        };
        let mut view = View {
            header: step.header,
            base,
            outer: path.views.clone().into(),
            one_of: Some(chosen),
            within: false,
        };
        if !same {
            // What each way has asked was about its own base.
            self.each_member(&view, |lower, member| {
                let fixed = lower.image.sound.tables().headers[member.header].fixed_bytes;
                lower.require(member.base.plus(fixed));
                let sum = lower.sum_value(member.header, member.base);
                lower.b.write(vars.sum, sum);
            });
            let sum = self.b.read(vars.sum);
            view.one_of = Some(super::Chosen { sum, ..chosen });
        }
        path.views.push(view);
        path.steps.push(Some(vars.step));
    }

    /// Lowers every way from step `at` to the next plain one, or to the pattern's end.
    fn ways(&mut self, steps: &[LayerStep], at: usize, path: Path, meet: &mut Meet) {
        let step = steps.get(at);
        let Some(step) = step.filter(|_| Some(at) != meet.target) else {
            return self.end_way(steps, step, path, meet);
        };
        let place = step.one_of.map(|_| self.behind(&path));
        for (header, number) in self.step_headers(step).into_iter().zip(0..) {
            let (with, without) = (self.b.block(), self.b.block());
            self.edge(step, header, &path, with, without);
            self.b.enter(with);
            if self.b.reachable() {
                let longer = self.enter_layer(steps, at, header, path.clone(), place);
                if let (Some(vars), Some(place)) =
                    (meet.one_ofs.iter_mut().find(|v| v.step == at), place)
                {
                    let (tag, base) = (self.b.constant(number), self.place_value(place));
                    let sum = self.sum_value(header, place);
                    self.b.write(vars.tag, tag);
                    self.b.write(vars.base, base);
                    self.b.write(vars.sum, sum);
                    vars.places.push(place);
                }
                self.ways(steps, at + 1, longer, meet);
            }
            self.b.enter(without);
            if !self.b.reachable() {
                return;
            }
        }
        if step.optional {
            self.ways(steps, at + 1, path, meet);
        } else {
            self.b.jump(meet.no);
        }
    }

    /// The end of a way: the next plain layer, or nothing more.
    fn end_way(&mut self, steps: &[LayerStep], next: Option<&LayerStep>, path: Path, meet: &Meet) {
        let last = path.views.last().cloned();
        let last = last.zip(path.steps.last().copied().flatten());
        let Some(step) = next else {
            if let Some((view, from)) = last {
                let step = &steps[from];
                let local = step.one_of.map(|_| step.local);
                let behind = local.is_some_and(|l| self.image.sound.tables().locals[l].behind_used);
                self.ask_valid(step, &view, behind);
                if behind && self.is_variable(&view) {
                    let end = self.end_of(&view);
                    self.require(end);
                }
            }
            let zero = self.b.constant(0);
            self.b.write(meet.base, zero);
            return self.b.jump(meet.join);
        };
        let matched = self.b.block();
        self.edge(step, step.header, &path, matched, meet.no);
        self.b.enter(matched);
        if let Some((view, from)) = last {
            self.ask_valid(&steps[from], &view, true);
        }
        let place = self.behind(&path);
        let value = self.place_value(place);
        self.b.write(meet.base, value);
        self.b.jump(meet.join);
    }

    /// Whether `step` comes next: the condition of the edge from the last layer.
    fn edge(&mut self, step: &LayerStep, header: HeaderId, path: &Path, yes: Block, no: Block) {
        let sound = self.image.sound;
        self.b.span = Some(step.span);
        let parent = path.views.last().cloned();
        let edge = sound.tables().headers[header].edges.iter().find(|e| {
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
            header,
            base,
            outer: Rc::default(),
            one_of: None,
            within: false,
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
        header: HeaderId,
        mut path: Path,
        base: Option<Place>,
    ) -> Path {
        let step = &steps[at];
        self.b.span = Some(step.span);
        if let (Some(last), Some(&Some(from))) = (path.views.last(), path.steps.last())
            && last.one_of.is_none()
        {
            self.ask_valid(&steps[from], last, true);
        }
        let base = base.unwrap_or_else(|| self.behind(&path));
        let fixed_bytes = self.image.sound.tables().headers[header].fixed_bytes;
        self.require(base.plus(fixed_bytes));
        let outer: Rc<[View]> = path.views.clone().into();
        path.views.push(View {
            header,
            base,
            outer,
            one_of: None,
            within: false,
        });
        path.steps.push(Some(at));
        path
    }

    /// The whole pattern matches: asks what is left to ask about the last layer, and sets the names.
    fn finish_match(&mut self, steps: &[LayerStep], path: Path) {
        let sound = self.image.sound;
        // One of several headers was asked on each way to it.
        if let (Some(last), Some(&Some(from))) = (path.views.last(), path.steps.last())
            && last.one_of.is_none()
        {
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
        let header = &sound.tables().headers[view.header];
        let used = self.fields_used(step, view.header) | if behind { header.placing } else { 0 };
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
            None => self.start,
        }
    }

    /// The first byte behind a header, its variable fields included.
    pub(super) fn end_of(&mut self, view: &View) -> Place {
        let ends = self.ends_of(view);
        ends.last().copied().unwrap_or(view.base)
    }

    /// Where the fixed part of a header ends, and each variable field behind it.
    pub(super) fn ends_of(&mut self, view: &View) -> Vec<Place> {
        let sound = self.image.sound;
        let header = &sound.tables().headers[view.header];
        let mut end = view.base.plus(header.fixed_bytes);
        let mut ends = vec![end];
        for field in header.fields.iter() {
            let Some(len) = field.len else { continue };
            let mut bytes = self.in_header(view.clone(), None, |lower| lower.u32_of(len));
            let elem = super::stored_bytes(self.image.width(field.ty).bits);
            if elem > 1 {
                bytes = self.b.op2c(Op::Mul, bytes, elem, 32);
            }
            let index = match end.index {
                Some(index) => self.b.op2(Op::Add, index, bytes, 32),
                None => bytes,
            };
            end.index = Some(index);
            // A sum keeps its constant where a subtraction in a length would make the word negative.
            let sum = self.b.op2c(Op::Add, index, end.offset, 32);
            ends.push(Place {
                index: Some(sum),
                offset: 0,
            });
        }
        ends
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
    pub(super) fn check_length_fields(&mut self, view: &View) -> Option<Value> {
        let mut around = view.outer.to_vec();
        around.push(view.clone());
        let mut bound = None;
        for view in &around {
            bound = self.check_length_field(view, bound).or(bound);
        }
        bound
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

    pub(super) fn malformed_if_less(&mut self, a: Value, b: Value) {
        let ok = self.b.block();
        let less = self.b.compare(Op::Ltu, a, b);
        self.b.branch(less, self.malformed, ok);
        self.b.enter(ok);
    }
}
