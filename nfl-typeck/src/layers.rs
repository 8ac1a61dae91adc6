//! `switch` over packets, bodies and views of one of several headers.
//!
//! In: a value with layers and arms. Out: each pattern's meaning. Guaranteed: every value finds an
//! arm, and no arm stands behind one that takes all it could. Header kinds are open, so only the
//! members of an interface can be listed completely.

use crate::check::Checker;
use crate::flow::{State, Which};
use crate::tables::{LayerStep, PatInfo};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::ast::{Arm, ExprId, PatKind};

/// What an arm without a guard takes: these layers and whatever follows them; all for none.
struct Taken {
    layers: Vec<(Which, bool)>,
    span: Span,
}

impl Checker<'_> {
    /// The arms of a `switch` over a value with layers; answers whether its end can be reached.
    pub(crate) fn layer_arms(
        &mut self,
        e: ExprId,
        value: ExprId,
        ty: Ty,
        arms: &[Arm],
        gives_value: bool,
    ) -> bool {
        let mut taken: Vec<Taken> = Vec::new();
        let mut entry = std::mem::take(&mut self.body.state);
        let mut ends: Vec<State> = Vec::new();
        let mut completes = false;
        // Whatever its place, `default` is for what no other arm takes.
        let named = arms.iter().filter(|arm| !arm.pats.is_empty());
        let order = named.chain(arms.iter().filter(|arm| arm.pats.is_empty()));
        for arm in order {
            let scope = self.body.scope.len();
            let mut takes = Vec::new();
            entry = self.layer_patterns(value, ty, arm, entry, &taken, &mut takes);
            match arm.guard {
                Some(guard) => entry = self.guarded(guard, entry),
                None => taken.extend(takes),
            }
            completes |= self.arm_body(arm, gives_value, &mut ends);
            self.body.scope.truncate(scope);
        }
        self.all_layers_taken(e, value, ty, &taken, gives_value);
        let mut ends = ends.into_iter();
        self.body.state = match ends.next() {
            Some(first) => ends.fold(first, State::join),
            None => entry.unreachable(),
        };
        completes
    }

    /// The patterns of an arm. The present state becomes the one where it is taken; answers the one
    /// where it is not.
    fn layer_patterns(
        &mut self,
        value: ExprId,
        ty: Ty,
        arm: &Arm,
        entry: State,
        taken: &[Taken],
        takes: &mut Vec<Taken>,
    ) -> State {
        let ast = self.ast;
        let all = |pat: &PatKind| matches!(pat, PatKind::Any);
        if arm.pats.iter().all(|&pat| all(&ast.pats[pat].kind)) {
            let span = arm.pats.first().map_or(arm.span, |&pat| ast.pats[pat].span);
            self.taken_before(&[], ty, span, taken);
            for &pat in &arm.pats {
                self.t.pats.set(pat, PatInfo::Any);
            }
            takes.push(Taken {
                layers: Vec::new(),
                span,
            });
            self.body.state = entry.clone();
            return entry.unreachable();
        }
        let mut yes = entry.unreachable();
        let mut no = entry;
        for &pat in &arm.pats {
            self.body.state = no;
            let asked = self.match_layers(value, ty, pat, arm.pats.len() > 1);
            if let PatInfo::Layers(steps) = self.t.pats[pat].clone() {
                let layers = steps.iter().map(layered).collect::<Vec<_>>();
                let span = ast.pats[pat].span;
                if !layers.is_empty() {
                    self.taken_before(&layers, ty, span, taken);
                    takes.push(Taken { layers, span });
                }
            }
            self.body.scope.extend(asked.binds_yes);
            yes = yes.join(asked.yes);
            no = asked.no;
        }
        self.body.state = yes;
        no
    }

    /// Reports an arm all of whose packets are taken before.
    fn taken_before(&mut self, layers: &[(Which, bool)], ty: Ty, span: Span, taken: &[Taken]) {
        let covers = |earlier: &&Taken| {
            let front = layers.get(..earlier.layers.len());
            front.is_some_and(|front| {
                let mut pairs = earlier.layers.iter().zip(front);
                pairs.all(|(a, b)| !a.1 && !b.1 && self.includes(a.0, b.0))
            })
        };
        let rest = layers
            .is_empty()
            .then(|| self.members_taken(ty, taken))
            .flatten();
        let earlier = taken.iter().find(covers).map(|t| t.span).or(rest);
        if let Some(earlier) = earlier {
            let finding = self
                .at(&codes::E302, span)
                .label("all its packets are taken before")
                .also(earlier, "taken here");
            self.report(finding);
        }
    }

    /// Whether every header of `b` is one of `a`.
    fn includes(&self, a: Which, b: Which) -> bool {
        match (a, b) {
            (Which::OneOf(id), Which::One(h)) => self.t.one_of[id].members.contains(&h),
            _ => a == b,
        }
    }

    /// The last of the arms that together take every member of an interface.
    fn members_taken(&self, ty: Ty, taken: &[Taken]) -> Option<Span> {
        let TyKind::OneOf(id) = self.kind(ty) else {
            return None;
        };
        let members = &self.t.one_of[id].members;
        let whole = |h| {
            taken
                .iter()
                .any(|t| t.layers.as_slice() == [(Which::One(h), false)])
        };
        let all = members.iter().all(|&h| whole(h));
        taken.last().filter(|_| all).map(|t| t.span)
    }

    /// Reports packets that no arm takes.
    fn all_layers_taken(
        &mut self,
        e: ExprId,
        value: ExprId,
        ty: Ty,
        taken: &[Taken],
        gives_value: bool,
    ) {
        if taken.iter().any(|t| t.layers.is_empty()) || self.members_taken(ty, taken).is_some() {
            return;
        }
        let missing = match self.kind(ty) {
            TyKind::OneOf(id) => {
                let members = self.t.one_of[id].members.iter();
                let whole = |h| {
                    taken
                        .iter()
                        .any(|t| t.layers.as_slice() == [(Which::One(h), false)])
                };
                let rest: Vec<&str> = members
                    .filter(|&&h| !whole(h))
                    .map(|&h| self.text(self.t.headers[h].name))
                    .collect();
                rest.join(", ")
            }
            _ => "other packets".to_string(),
        };
        let finding = self
            .at(&codes::E301, self.span(value))
            .message(format!(
                "this switch does not say what happens on {missing}"
            ))
            .label("headers of many kinds may come");
        let finding = self.with_arm(finding, e, "default", gives_value);
        self.report(finding);
        // What follows would be judged as if the missing arms were meant to go on, or not to.
        self.body.unknown_flow = true;
    }
}

fn layered(step: &LayerStep) -> (Which, bool) {
    let which = match step.one_of {
        Some(id) => Which::OneOf(id),
        None => Which::One(step.header),
    };
    (which, step.optional)
}
