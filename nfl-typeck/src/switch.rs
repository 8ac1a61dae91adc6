//! `switch` over values.
//!
//! In: a value and arms. Out: each pattern's meaning, and what is known behind. Guaranteed: every
//! value finds an arm, and every arm some value (see `exhaust.rs`).

use crate::check::{Checker, Gives};
use crate::exhaust::{Row, Shape};
use crate::flow::State;
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{Arm, ExprId, ExprKind, StmtKind};
use nfl_syntax::{Diagnostic, Span};

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
            let completes = self.layer_arms(e, value, ty, arms, gives_value);
            self.body.barriers.pop();
            return completes;
        }
        let good = self.is_switched(ty);
        if !good || self.body.fields_only {
            if kind != TyKind::Error {
                let span = self.span(value);
                let finding = if self.body.fields_only {
                    self.at(&codes::E236, span)
                        .message("a `switch` cannot stand here")
                        .label("this is about fields and constants only")
                } else {
                    self.at(&codes::E303, span)
                        .message(format!("there is no `switch` over {}", self.show(ty)))
                        .label("its values have no patterns")
                };
                self.report(finding);
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
        let mut rows: Vec<Row> = Vec::new();
        let mut entry = std::mem::take(&mut self.body.state);
        let mut ends: Vec<State> = Vec::new();
        let mut completes = false;
        for arm in arms {
            let scope = self.body.scope.len();
            self.body.state = entry.clone();
            let taken = self.arm_patterns(arm, ty, &rows);
            match arm.guard {
                Some(guard) => entry = self.guarded(guard, entry),
                None => rows.extend(taken),
            }
            completes |= self.arm_body(arm, gives_value, &mut ends);
            self.body.scope.truncate(scope);
        }
        if !self.exhaustive(e, ty, &rows, gives_value) {
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

    /// A guard behind the patterns of an arm. The present state becomes the one where it holds;
    /// answers what the arms behind find, `entry` where the patterns do not match.
    pub(crate) fn guarded(&mut self, guard: ExprId, entry: State) -> State {
        let asked = self.cond(guard);
        self.body.state = asked.yes;
        self.body.scope.extend(asked.binds_yes);
        entry.join(asked.no)
    }

    /// What an arm does; answers whether the end of a statement is reached through it.
    pub(crate) fn arm_body(&mut self, arm: &Arm, gives_value: bool, ends: &mut Vec<State>) -> bool {
        if gives_value {
            self.arm_value(arm);
            return false;
        }
        let completes = self.stmt(arm.body);
        if completes {
            ends.push(std::mem::take(&mut self.body.state));
        }
        completes
    }

    /// The patterns of an arm; answers what they take.
    fn arm_patterns(&mut self, arm: &Arm, ty: Ty, rows: &[Row]) -> Vec<Row> {
        let mut taken: Vec<Row> = Vec::new();
        if arm.pats.is_empty() {
            self.useful(Shape::Any, arm.span, ty, rows, &mut taken);
        }
        for &pat in &arm.pats {
            let span = self.ast.pats[pat].span;
            let mut binds = Vec::new();
            let good = self.value_pattern(pat, ty, arm.pats.len() > 1, &mut binds);
            for (name, local) in binds {
                self.body.state.assigned.insert(local);
                self.body.scope.push((name, local));
            }
            if good {
                let shape = self.shape(pat, ty);
                self.useful(shape, span, ty, rows, &mut taken);
            } else {
                // What it was meant to take is unknown, so nothing is said of what is left.
                taken.push(Row {
                    shape: Shape::Any,
                    span,
                    broken: true,
                });
                self.body.unknown_flow = true;
            }
        }
        taken
    }

    /// Notes what a pattern takes; reports one that takes nothing that is left.
    fn useful(&mut self, shape: Shape, span: Span, ty: Ty, rows: &[Row], taken: &mut Vec<Row>) {
        let before: Vec<&Row> = rows.iter().chain(taken.iter()).collect();
        let broken = before.iter().any(|row| row.broken);
        if let Some(taker) = self.taker(&shape, ty, &before).filter(|_| !broken) {
            let finding = self
                .at(&codes::E302, span)
                .label("all its values are taken before")
                .also(taker, "taken here");
            self.report(finding);
        }
        taken.push(Row {
            shape,
            span,
            broken: false,
        });
    }

    /// Reports values that no arm takes. Answers whether there are none.
    fn exhaustive(&mut self, e: ExprId, ty: Ty, rows: &[Row], gives_value: bool) -> bool {
        let missing = self.missing(ty, rows);
        let Some((first, more)) = missing.split_first() else {
            return true;
        };
        let ExprKind::Switch { value, .. } = &self.ast.exprs[self.bare(e)].kind else {
            return true;
        };
        let named = matches!(
            self.kind(ty),
            TyKind::Record(_) | TyKind::Sealed(_) | TyKind::Enum(..) | TyKind::Verdict
        );
        let mut finding = self
            .at(&codes::E301, self.span(*value))
            .message(if named {
                format!("this switch does not say what happens on `{first}`")
            } else {
                format!("this switch does not say what happens on {first}")
            })
            .label(self.show(ty));
        if named {
            if !more.is_empty() {
                finding = finding.note(format!("also missing: {}", more.join(", ")));
            }
            let cases = format!("case {}", missing.join(", "));
            // A number in it is one of many that are missing.
            let number = cases.contains(|c: char| c.is_ascii_digit());
            finding = match number {
                true => self.with_arm(finding, e, "default", gives_value),
                false => self.with_arm(finding, e, &cases, gives_value),
            };
        } else {
            finding = self.with_arm(finding, e, "default", gives_value);
        }
        self.report(finding);
        false
    }

    /// A `switch` with an arm for what is missing, where there is a safe answer: dropping, or `false`.
    pub(crate) fn with_arm(
        &self,
        finding: Diagnostic,
        e: ExprId,
        label: &str,
        gives_value: bool,
    ) -> Diagnostic {
        let yields = self.body.yields.last().filter(|_| gives_value);
        let given = match self.body.gives {
            _ if gives_value => yields.and_then(|y| y.ty.or(y.want)),
            Gives::Value(ty) => Some(ty),
            _ => None,
        };
        let answer = match given.map(|ty| self.kind(ty)) {
            Some(TyKind::Verdict) => "Drop",
            Some(TyKind::Bool) => "false",
            None if !gives_value && self.body.gives == Gives::Void => "{}",
            _ => return finding.help(format!("{label} -> …")),
        };
        let arm = match answer {
            "{}" => format!("{label} -> {{}}"),
            _ if gives_value => format!("{label} -> {answer};"),
            _ => format!("{label} -> return {answer};"),
        };
        let edit = self.last_in_braces(self.span(self.bare(e)), &arm);
        finding.fix(format!("add `{arm}`"), [edit])
    }

    /// The body of an arm that gives a value.
    fn arm_value(&mut self, arm: &Arm) {
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
            None => Some(self.chosen(value, found)),
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
