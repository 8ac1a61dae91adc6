//! `switch` over numbers, addresses and booleans.
//!
//! In: a value and arms. Out: each pattern's meaning. Guaranteed: every value finds an arm, and
//! every arm some value. The idea: a pattern is an interval, so covering is a matter of intervals;
//! a prefix is one too.

use crate::check::Checker;
use crate::expr::{article, is_number, is_quantity};
use crate::flow::State;
use crate::konst;
use crate::tables::{Konst, PatInfo};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::ast::{Arm, BinOp, ExprId, ExprKind, PatId, PatKind, StmtKind, TypeKind};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A `switch` around the present point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Barrier {
    /// How many loops were around it.
    pub(crate) loops: usize,
    /// Whether its value is used.
    pub(crate) gives_value: bool,
}

/// What the arms of a `switch` with a value have given so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Yielding {
    want: Option<Ty>,
    ty: Option<Ty>,
    states: Vec<State>,
}

/// Values that arms take.
#[derive(Clone, Default, Debug)]
struct Covered {
    /// Intervals in the order of the arms.
    parts: Vec<(u128, u128, Span)>,
    /// The same, from the lowest to the highest value, those that touch joined.
    joined: BTreeMap<u128, u128>,
    /// An arm that takes everything.
    all: Option<Span>,
}

/// The highest bit, which moves signed numbers into the order of unsigned ones.
const SIGN: u128 = 1 << 127;

/// A value's place in the order of its type.
fn key(value: &Konst) -> Option<u128> {
    match value {
        Konst::Bool(b) => Some(u128::from(*b) ^ SIGN),
        Konst::Int(n) => Some((*n as u128) ^ SIGN),
        Konst::Ip6(a) => Some(*a),
        _ => None,
    }
}

/// The interval that a constant of a pattern stands for.
fn interval(value: &Konst) -> Option<(u128, u128)> {
    match *value {
        Konst::Prefix4 { addr, len } => {
            let host = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
            Some((u128::from(addr) ^ SIGN, u128::from(addr | host) ^ SIGN))
        }
        Konst::Prefix6 { addr, len } => {
            let host = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
            Some((addr, addr | host))
        }
        ref other => key(other).map(|k| (k, k)),
    }
}

impl Covered {
    /// Adds the values from `lo` to `hi`.
    fn add(&mut self, lo: u128, hi: u128, span: Span) {
        self.parts.push((lo, hi, span));
        let (mut lo, mut hi) = (lo, hi);
        while let Some((&a, &b)) = self.joined.range(..=hi.saturating_add(1)).next_back() {
            if b < lo.saturating_sub(1) {
                break;
            }
            self.joined.remove(&a);
            lo = lo.min(a);
            hi = hi.max(b);
        }
        self.joined.insert(lo, hi);
    }

    /// The highest value up to which everything from `at` on is taken.
    fn reach(&self, at: u128) -> Option<u128> {
        let (_, &hi) = self.joined.range(..=at).next_back()?;
        (hi >= at).then_some(hi)
    }

    /// The first value from `lo` to `hi` that neither takes.
    fn gap(&self, other: &Covered, lo: u128, hi: u128) -> Option<u128> {
        if self.all.is_some() || other.all.is_some() {
            return None;
        }
        let mut next = lo;
        while let Some(end) = self.reach(next).or_else(|| other.reach(next)) {
            if end >= hi {
                return None;
            }
            next = end + 1;
        }
        Some(next)
    }

    /// The arm that takes the first of these values.
    fn taker(&self, lo: u128) -> Option<Span> {
        let part = self.parts.iter().find(|p| p.0 <= lo && lo <= p.1);
        part.map(|p| p.2).or(self.all)
    }
}

impl Checker<'_> {
    /// A `switch` whose value is used.
    pub(crate) fn switch_value(
        &mut self,
        e: ExprId,
        value: ExprId,
        arms: &[Arm],
        want: Option<Ty>,
    ) -> Ty {
        self.body.yields.push(Yielding {
            want,
            ..Yielding::default()
        });
        self.switch(e, value, arms, true);
        let yielded = self.body.yields.pop().unwrap_or_default();
        let mut states = yielded.states.into_iter();
        if let Some(first) = states.next() {
            self.body.state = states.fold(first, State::join);
        }
        yielded.ty.unwrap_or_default()
    }

    /// A `switch` as a statement; answers whether its end can be reached.
    pub(crate) fn switch_statement(&mut self, e: ExprId) -> bool {
        let ast = self.ast;
        let ExprKind::Switch { value, arms } = &ast.exprs[e].kind else {
            self.expr(e, None);
            self.body.unknown_flow = true;
            return true;
        };
        let void = self.ty(TyKind::Void);
        self.set_ty(e, void);
        self.switch(e, *value, arms, false)
    }

    fn switch(&mut self, e: ExprId, value: ExprId, arms: &[Arm], gives_value: bool) -> bool {
        let ty = self.expr(value, None);
        let kind = self.kind(ty);
        if self.has_layers(ty) && !self.body.fields_only {
            self.body.barriers.push(Barrier {
                loops: self.body.loops.len(),
                gives_value,
            });
            let completes = self.layer_arms(value, ty, arms, gives_value);
            self.body.barriers.pop();
            return completes;
        }
        let good = is_number(kind)
            || is_quantity(kind)
            || matches!(
                kind,
                TyKind::Bool
                    | TyKind::Ip4
                    | TyKind::Ip6
                    | TyKind::Mac
                    | TyKind::Port
                    | TyKind::Group
                    | TyKind::NodeId
            );
        if !good || self.body.fields_only {
            if kind != TyKind::Error {
                let what = match kind {
                    TyKind::Packet | TyKind::Body(_) => "a `switch` over packets is".to_string(),
                    _ if good => "a `switch` outside of methods and handlers is".to_string(),
                    _ => format!("a `switch` over {} is", self.show(ty)),
                };
                self.refuse(&what, self.span(value));
            }
            self.body.unknown_flow = true;
            return true;
        }
        self.body.barriers.push(Barrier {
            loops: self.body.loops.len(),
            gives_value,
        });
        let completes = self.arms(e, ty, arms, gives_value);
        self.body.barriers.pop();
        completes
    }

    fn arms(&mut self, e: ExprId, ty: Ty, arms: &[Arm], gives_value: bool) -> bool {
        let mut covered = Covered::default();
        let mut entry = std::mem::take(&mut self.body.state);
        let mut ends: Vec<State> = Vec::new();
        let mut completes = false;
        for arm in arms {
            let scope = self.body.scope.len();
            self.body.state = entry.clone();
            let taken = self.arm_patterns(arm, ty, &covered);
            if let Some(guard) = arm.guard {
                let asked = self.cond(guard);
                self.body.state = asked.yes;
                self.body.scope.extend(asked.binds_yes);
                entry = entry.join(asked.no);
            } else {
                for (lo, hi, span) in taken.parts {
                    covered.add(lo, hi, span);
                }
                covered.all = covered.all.or(taken.all);
            }
            if gives_value {
                self.arm_value(arm);
            } else if self.arm_statement(arm) {
                completes = true;
                ends.push(std::mem::take(&mut self.body.state));
            }
            self.body.scope.truncate(scope);
        }
        if !self.exhaustive(e, ty, &covered) {
            // What follows would be judged as if the missing arms were meant to go on, or not to.
            self.body.unknown_flow = true;
        }
        let mut ends = ends.into_iter();
        self.body.state = match ends.next() {
            Some(first) => ends.fold(first, State::join),
            None => entry.unreachable(),
        };
        completes
    }

    /// The patterns of an arm; answers what they take.
    fn arm_patterns(&mut self, arm: &Arm, ty: Ty, covered: &Covered) -> Covered {
        let mut taken = Covered::default();
        if arm.pats.is_empty() {
            let domain = self.domain(ty);
            if domain.is_some_and(|(lo, hi)| covered.gap(&taken, lo, hi).is_none()) {
                let taker = covered.all.or(covered.parts.last().map(|p| p.2));
                self.useless(arm.span, taker);
            }
            taken.all = Some(arm.span);
        }
        for &pat in &arm.pats {
            let span = self.ast.pats[pat].span;
            let info = self.value_pattern(pat, ty, arm.pats.len() > 1);
            let all = matches!(info, PatInfo::Any | PatInfo::Bind(_));
            let part = match &info {
                PatInfo::Any | PatInfo::Bind(_) => self.domain(ty),
                PatInfo::Const(value) => interval(value),
                PatInfo::Range(lo, hi) => key(lo).zip(key(hi)),
                _ => None,
            };
            if let Some((lo, hi)) = part {
                if covered.gap(&taken, lo, hi).is_none() {
                    let taker = covered.taker(lo).or_else(|| taken.taker(lo));
                    self.useless(span, taker);
                }
                if !all {
                    taken.add(lo, hi, span);
                }
            }
            if all {
                taken.all = Some(span);
            }
            self.t.pats.set(pat, info);
        }
        taken
    }

    fn useless(&mut self, span: Span, taker: Option<Span>) {
        let mut finding = self
            .at(&codes::E302, span)
            .label("all its values are taken before");
        if let Some(taker) = taker {
            finding = finding.also(taker, "taken here");
        }
        self.report(finding);
    }

    fn value_pattern(&mut self, pat: PatId, ty: Ty, one_of_several: bool) -> PatInfo {
        let ast = self.ast;
        let span = ast.pats[pat].span;
        match &ast.pats[pat].kind {
            PatKind::Error => PatInfo::None,
            PatKind::Any => PatInfo::Any,
            PatKind::Bind { ty: written, name } => {
                let node = &ast.types[*written];
                if !matches!(node.kind, TypeKind::Var) {
                    let resolved = self.resolve(*written);
                    if resolved != ty && self.kind(resolved) != TyKind::Error {
                        let finding = self
                            .at(&codes::E303, node.span)
                            .message(format!("the value is {}", article(&self.show(ty))))
                            .label(format!("this is {}", self.show(resolved)));
                        self.report(finding);
                    }
                }
                if one_of_several {
                    let finding = self
                        .at(&codes::E304, name.span)
                        .message(format!(
                            "`{}` might stand for nothing",
                            self.text(name.name)
                        ))
                        .label("only one of several patterns matches");
                    self.report(finding);
                }
                let local = self.new_local(Some(name.name), name.span, ty);
                self.body.finals.insert(local);
                self.body.state.assigned.insert(local);
                self.declare(*name, local);
                PatInfo::Bind(local)
            }
            PatKind::Const(e) => self.const_pattern(*e, ty),
            PatKind::Range(lo, hi) => {
                let (a, b) = (self.constant(*lo, ty), self.constant(*hi, ty));
                let (Some(a), Some(b)) = (a, b) else {
                    return PatInfo::None;
                };
                if konst::compare(BinOp::Gt, &a, &b) == Some(true) {
                    let (lo, hi) = (self.source(*lo), self.source(*hi));
                    let finding = self
                        .at(&codes::E214, span)
                        .label(format!("{lo} is above {hi}"));
                    self.report(finding);
                    return PatInfo::None;
                }
                PatInfo::Range(a, b)
            }
            PatKind::Type { .. }
            | PatKind::Record { .. }
            | PatKind::Optional(_)
            | PatKind::Layers(_) => {
                let finding = self
                    .at(&codes::E303, span)
                    .message(format!(
                        "{} is no header or record",
                        article(&self.show(ty))
                    ))
                    .label("a constant, a range or `_` is needed");
                self.report(finding);
                PatInfo::None
            }
        }
    }

    fn const_pattern(&mut self, e: ExprId, ty: Ty) -> PatInfo {
        let errors = self.diags.iter().len();
        let found = self.expr(e, Some(ty));
        let prefix = matches!(
            (self.kind(found), self.kind(ty)),
            (TyKind::Prefix4, TyKind::Ip4) | (TyKind::Prefix6, TyKind::Ip6)
        );
        if !prefix {
            self.fit(e, found, ty);
        }
        let reported = self.diags.iter().len() > errors;
        match self.t.konst[e].clone() {
            Some(value) if !reported => PatInfo::Const(value),
            None if !reported => {
                self.not_constant(e);
                PatInfo::None
            }
            _ => PatInfo::None,
        }
    }

    /// The smallest and largest value of a type, in its order.
    fn domain(&self, ty: Ty) -> Option<(u128, u128)> {
        match self.kind(ty) {
            TyKind::Ip6 => Some((0, u128::MAX)),
            _ => {
                let (lo, hi) = konst::range(&self.t.types, ty)?;
                Some((lo as u128 ^ SIGN, hi as u128 ^ SIGN))
            }
        }
    }

    /// Reports values that no arm takes. Answers whether there are none.
    fn exhaustive(&mut self, e: ExprId, ty: Ty, covered: &Covered) -> bool {
        let Some((lo, hi)) = self.domain(ty) else {
            return true;
        };
        let Some(gap) = covered.gap(&Covered::default(), lo, hi) else {
            return true;
        };
        let ExprKind::Switch { value, .. } = &self.ast.exprs[self.bare(e)].kind else {
            return true;
        };
        let at = self.span(*value);
        let number = gap ^ SIGN;
        let missing = match self.kind(ty) {
            TyKind::Ip6 => Ipv6Addr::from(gap).to_string(),
            TyKind::Ip4 => Ipv4Addr::from(number as u32).to_string(),
            TyKind::Bool => (number != 0).to_string(),
            TyKind::Mac => {
                let bytes = (number as u64).to_be_bytes();
                let pairs: Vec<String> = bytes[2..].iter().map(|b| format!("{b:02x}")).collect();
                pairs.join(":")
            }
            _ => (number as i128).to_string(),
        };
        let finding = self
            .at(&codes::E301, at)
            .message(format!(
                "this switch does not say what happens on {missing}"
            ))
            .label(self.show(ty))
            .help("default -> …");
        self.report(finding);
        false
    }

    /// The body of an arm whose value is not used; answers whether its end can be reached.
    pub(crate) fn arm_statement(&mut self, arm: &Arm) -> bool {
        self.stmt(arm.body)
    }

    /// The body of an arm that gives a value.
    pub(crate) fn arm_value(&mut self, arm: &Arm) {
        let ast = self.ast;
        match &ast.stmts[arm.body].kind {
            StmtKind::Expr(value) => self.give(*value),
            StmtKind::Block(stmts) => {
                let completes = self.block(stmts);
                if completes && !self.body.unknown_flow {
                    let finding = self
                        .at(&codes::E218, arm.span)
                        .message("this arm gives no value on some path")
                        .label("a `yield` is missing");
                    self.report(finding);
                }
            }
            StmtKind::Error => self.body.unknown_flow = true,
            _ => {
                let finding = self
                    .at(&codes::E221, ast.stmts[arm.body].span)
                    .message("this arm must give a value")
                    .label("the value of the `switch` is used");
                self.report(finding);
            }
        }
    }

    /// The value of the innermost `switch` that gives one.
    fn give(&mut self, value: ExprId) {
        let Some(yielding) = self.body.yields.last() else {
            return;
        };
        let (want, before) = (yielding.want, yielding.ty);
        let found = self.expr(value, want.or(before));
        let ty = match before {
            None => Some(found),
            Some(before) => self.common(before, found, want),
        };
        if ty.is_none() {
            let before = before.map(|t| self.show(t)).unwrap_or_default();
            let finding = self
                .at(&codes::E207, self.span(value))
                .message(format!(
                    "{before} and {} are not values of one type",
                    self.show(found)
                ))
                .label(format!("the arms before give {before}"));
            self.report(finding);
        }
        let state = std::mem::take(&mut self.body.state);
        self.body.state = state.unreachable();
        if let Some(yielding) = self.body.yields.last_mut() {
            yielding.ty = ty.or(before);
            yielding.states.push(state);
        }
    }

    /// `yield value;`
    pub(crate) fn yield_statement(&mut self, span: Span, value: ExprId) {
        if self.body.yields.is_empty() {
            let finding = self
                .at(&codes::E221, span)
                .label("no `switch` around this gives a value");
            return self.report(finding);
        }
        self.give(value);
    }
}
