//! What computes nothing.
//!
//! In: a checked program without errors. Out: warnings about casts to a type that the value has
//! anyway, comparisons that have one outcome, and variables that are assigned to themselves. Of other files than the root nothing is
//! said, nor of generic declarations: with other type arguments it may be otherwise.

use crate::check::Checker;
use crate::konst;
use crate::tables::Konst;
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{BinOp, DeclId, DeclKind, ExprId, ExprKind, StmtKind, TypeKind};
use std::collections::BTreeSet;

/// What a comparison says of all values of a type: `lo` and `hi` are the smallest and the largest.
fn outcome(op: BinOp, (lo, hi): (i128, i128), n: i128) -> Option<bool> {
    let (all, none) = match op {
        BinOp::Lt => (hi < n, lo >= n),
        BinOp::Le => (hi <= n, lo > n),
        BinOp::Gt => (lo > n, hi <= n),
        BinOp::Ge => (lo >= n, hi < n),
        BinOp::Eq => (false, n < lo || n > hi),
        BinOp::Ne => (n < lo || n > hi, false),
        _ => (false, false),
    };
    (all || none).then_some(all)
}

/// The operator with its sides exchanged.
fn mirrored(op: BinOp) -> BinOp {
    match op {
        BinOp::Lt => BinOp::Gt,
        BinOp::Le => BinOp::Ge,
        BinOp::Gt => BinOp::Lt,
        BinOp::Ge => BinOp::Le,
        other => other,
    }
}

impl Checker<'_> {
    /// Warns of everything that computes nothing.
    pub(crate) fn warn_pointless(&mut self) {
        let ast = self.ast;
        let generic = self.generic_spans();
        let inside = |span: Span| {
            let mut all = generic.iter();
            all.any(|g| g.file == span.file && g.start <= span.start && span.end <= g.end)
        };
        for e in self.program.root_exprs() {
            if inside(self.span(e)) || self.t.expr_ty[e] == Ty::default() {
                continue;
            }
            match ast.exprs[e].kind {
                ExprKind::Cast { arg, .. } => self.cast_to_itself(e, arg),
                ExprKind::Binary { op, left, right } => self.one_outcome(e, op, left, right),
                ExprKind::In { value, set } => self.all_or_none(e, value, set),
                _ => {}
            }
        }
        let mut seen = BTreeSet::new();
        for s in self.program.root_stmts() {
            let span = ast.stmts[s].span;
            if inside(span) || !seen.insert(span) {
                continue;
            }
            match &ast.stmts[s].kind {
                StmtKind::Assign {
                    place,
                    op: None,
                    value,
                } => {
                    self.assigned_to_itself(span, *place, *value);
                    self.cast_where_it_widens(*value);
                }
                StmtKind::Local { ty, vars, .. }
                    if !matches!(ast.types[*ty].kind, TypeKind::Var) =>
                {
                    for init in vars.iter().filter_map(|v| v.init) {
                        self.cast_where_it_widens(init);
                    }
                }
                _ => {}
            }
        }
    }

    /// The places of declarations with type parameters.
    fn generic_spans(&self) -> Vec<Span> {
        let root = self.ast.units.iter().take(1);
        let decls = root.flat_map(|unit| unit.nodes.decls.clone());
        let decls = decls.map(|at| &self.ast.decls[DeclId::new(at)]);
        let generic = decls.filter(|d| match &d.kind {
            DeclKind::Record { type_params, .. }
            | DeclKind::Interface { type_params, .. }
            | DeclKind::Class { type_params, .. } => !type_params.is_empty(),
            _ => false,
        });
        generic.map(|d| d.span).collect()
    }

    fn cast_to_itself(&mut self, e: ExprId, arg: ExprId) {
        let (from, to) = (self.t.expr_ty[arg], self.t.expr_ty[e]);
        if from == to && !self.is_flexible(arg) {
            self.needless(e, arg, from);
        }
    }

    /// A cast of a value that would be widened anyway. Of a sum the cast may say with how many bits it
    /// is computed, so only what is read as it is counts.
    fn cast_where_it_widens(&mut self, e: ExprId) {
        let e = self.bare(e);
        let ExprKind::Cast { arg, .. } = self.ast.exprs[e].kind else {
            return;
        };
        let (from, to) = (self.t.expr_ty[arg], self.t.expr_ty[e]);
        let plain = matches!(
            self.ast.exprs[self.bare(arg)].kind,
            ExprKind::Name(_) | ExprKind::Field { .. } | ExprKind::Index { .. }
        );
        let number = matches!(self.kind(from), TyKind::Unsigned(_) | TyKind::Signed(_));
        if plain && number && from != to && self.t.types.fits(from, to) {
            self.needless(e, arg, from);
        }
    }

    fn needless(&mut self, e: ExprId, arg: ExprId, from: Ty) {
        let (from, to) = (self.show(from), self.show(self.t.expr_ty[e]));
        let finding = self
            .at(&codes::W206, self.span(e))
            .message(format!("the cast to {to} changes nothing"))
            .label(match from == to {
                true => format!("this is a {from} anyway"),
                false => format!("a {from} becomes a {to} by itself"),
            })
            .instead(self.span(e), self.source(arg));
        self.warn_once(finding);
    }

    fn one_outcome(&mut self, e: ExprId, op: BinOp, left: ExprId, right: ExprId) {
        let same = matches!(
            op,
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge
        ) && self.is_name(left)
            && self.is_name(right)
            && self.source(left) == self.source(right);
        if same {
            let holds = matches!(op, BinOp::Eq | BinOp::Le | BinOp::Ge);
            return self.one_answer(e, holds, "both sides are the same variable".to_string());
        }
        let int = |e: ExprId| self.t.konst[e].as_ref().and_then(konst::int);
        let (value, op, n) = match (int(left), int(right)) {
            (None, Some(n)) => (left, op, n),
            (Some(n), None) => (right, mirrored(op), n),
            _ => return,
        };
        let ty = self.t.expr_ty[value];
        if !matches!(self.kind(ty), TyKind::Unsigned(_) | TyKind::Signed(_)) {
            return;
        }
        let Some((lo, hi)) = konst::range(&self.t.types, ty) else {
            return;
        };
        if let Some(holds) = outcome(op, (lo, hi), n) {
            let why = format!(
                "`{}` is a {}: {lo}..{hi}",
                self.source(value),
                self.show(ty)
            );
            self.one_answer(e, holds, why);
        }
    }

    /// `value in set` where the set holds every value of the type.
    fn all_or_none(&mut self, e: ExprId, value: ExprId, set: ExprId) {
        let ty = self.t.expr_ty[value];
        let range = match self.kind(ty) {
            TyKind::Unsigned(_) | TyKind::Signed(_) => konst::range(&self.t.types, ty),
            _ => None,
        };
        let parts = match &self.ast.exprs[self.bare(set)].kind {
            ExprKind::Set(parts) => parts.clone(),
            _ => vec![set],
        };
        for part in parts {
            let all = match &self.ast.exprs[self.bare(part)].kind {
                ExprKind::Range { lo, hi } => {
                    let int = |e: ExprId| self.t.konst[e].as_ref().and_then(konst::int);
                    int(*lo)
                        .zip(int(*hi))
                        .zip(range)
                        .is_some_and(|((lo, hi), (least, most))| lo <= least && hi >= most)
                }
                _ => matches!(
                    self.t.konst[part],
                    Some(Konst::Prefix4 { len: 0, .. } | Konst::Prefix6 { len: 0, .. })
                ),
            };
            if all {
                let why = format!("every {} lies in {}", self.show(ty), self.source(part));
                return self.one_answer(e, true, why);
            }
        }
    }

    fn one_answer(&mut self, e: ExprId, holds: bool, why: String) {
        let finding = self
            .at(&codes::W207, self.span(e))
            .message(format!("`{}` is always {holds}", self.source(e)))
            .label(why);
        self.warn_once(finding);
    }

    /// `a = a`
    fn assigned_to_itself(&mut self, span: Span, place: ExprId, value: ExprId) {
        if self.is_path(place) && self.is_path(value) && self.source(place) == self.source(value) {
            let finding = self
                .at(&codes::W208, span)
                .message(format!("`{}` is assigned to itself", self.source(place)))
                .label("this changes nothing");
            self.warn_once(finding);
        }
    }

    /// Whether an expression is a name, or a field of one.
    fn is_path(&self, e: ExprId) -> bool {
        match self.ast.exprs[e].kind {
            ExprKind::Name(_) | ExprKind::This => true,
            ExprKind::Field { base, .. } => self.is_path(base),
            _ => false,
        }
    }

    /// Warns of a place for which there may be several nodes.
    fn warn_once(&mut self, finding: nfl_syntax::Diagnostic) {
        let place = |d: &nfl_syntax::Diagnostic| d.labels.first().map(|l| l.span);
        let known = |d: &nfl_syntax::Diagnostic| {
            d.code.text == finding.code.text && place(d) == place(&finding)
        };
        if !self.warnings.iter().any(known) {
            self.warnings.push(finding);
        }
    }
}
