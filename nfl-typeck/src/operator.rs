//! Operators and conditions.
//!
//! In: operator expressions. Out: their types and values; for conditions also what is known where
//! they are true and where they are false (JLS 6.3 and 16).

use crate::check::Checker;
use crate::expr::{article, is_number, is_quantity};
use crate::flow::Cond;
use crate::konst;
use crate::quantity;
use crate::tables::Konst;
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{BinOp, ExprId, ExprKind, UnOp};

impl Checker<'_> {
    /// Checks a condition.
    pub(crate) fn cond(&mut self, e: ExprId) -> Cond {
        let boolean = self.boolean();
        let cond = match &self.ast.exprs[e].kind {
            ExprKind::Paren(inner) => {
                let inner = *inner;
                let cond = self.cond(inner);
                let value = self.t.konst[inner].clone();
                self.set_konst(e, value);
                self.set_ty(e, boolean);
                return cond;
            }
            ExprKind::Unary { op: UnOp::Not, arg } => {
                let arg = *arg;
                let cond = self.cond(arg);
                if let Some(Konst::Bool(b)) = self.t.konst[arg] {
                    self.set_konst(e, Some(Konst::Bool(!b)));
                }
                Cond {
                    yes: cond.no,
                    no: cond.yes,
                    binds_yes: cond.binds_no,
                    binds_no: cond.binds_yes,
                }
            }
            ExprKind::Binary {
                op: op @ (BinOp::And | BinOp::Or),
                left,
                right,
            } => self.junction(e, *op == BinOp::And, *left, *right),
            ExprKind::InstanceOf { value, pat } => self.instance_of(*value, *pat),
            _ => {
                self.coerce(e, boolean);
                self.plain_cond(e)
            }
        };
        self.set_ty(e, boolean);
        cond
    }

    /// A condition that binds nothing; a constant one has only one outcome.
    fn plain_cond(&mut self, e: ExprId) -> Cond {
        let state = std::mem::take(&mut self.body.state);
        let (yes, no) = match self.t.konst[e] {
            Some(Konst::Bool(true)) => (state.clone(), state.unreachable()),
            Some(Konst::Bool(false)) => (state.unreachable(), state),
            _ => (state.clone(), state),
        };
        Cond {
            yes,
            no,
            ..Cond::default()
        }
    }

    /// `left && right` or `left || right`.
    fn junction(&mut self, e: ExprId, and: bool, left: ExprId, right: ExprId) -> Cond {
        let a = self.cond(left);
        let scope = self.body.scope.len();
        let (go_on, binds) = if and {
            (a.yes.clone(), &a.binds_yes)
        } else {
            (a.no.clone(), &a.binds_no)
        };
        self.body.state = go_on;
        self.body.scope.extend(binds.iter().copied());
        let b = self.cond(right);
        self.body.scope.truncate(scope);
        if let (Some(Konst::Bool(x)), Some(Konst::Bool(y))) =
            (&self.t.konst[left], &self.t.konst[right])
        {
            let value = if and { *x && *y } else { *x || *y };
            self.set_konst(e, Some(Konst::Bool(value)));
        }
        if and {
            Cond {
                yes: b.yes,
                no: a.no.join(b.no),
                binds_yes: [a.binds_yes, b.binds_yes].concat(),
                binds_no: Vec::new(),
            }
        } else {
            Cond {
                yes: a.yes.join(b.yes),
                no: b.no,
                binds_yes: Vec::new(),
                binds_no: [a.binds_no, b.binds_no].concat(),
            }
        }
    }

    pub(crate) fn unary(&mut self, e: ExprId, op: UnOp, arg: ExprId, want: Option<Ty>) -> Ty {
        let ty = self.expr(arg, want);
        let kind = self.kind(ty);
        if !is_number(kind) {
            if kind != TyKind::Error {
                let finding = self
                    .at(&codes::E207, self.span(arg))
                    .message(format!("{} is not a number", self.show(ty)))
                    .label("the operator takes numbers");
                self.report(finding);
            }
            return Ty::default();
        }
        if let Some(Konst::Int(n)) = self.t.konst[arg] {
            let value = match op {
                UnOp::BitNot => konst::wrap(&self.t.types, ty, !n),
                _ => n.checked_neg(),
            };
            return self.folded(e, value, ty);
        }
        ty
    }

    /// Notes a computed value, which must be one of its type.
    fn folded(&mut self, e: ExprId, value: Option<i128>, ty: Ty) -> Ty {
        let Some(n) = value else {
            return ty;
        };
        if let Some((lo, hi)) = konst::range(&self.t.types, ty)
            && !(lo..=hi).contains(&n)
        {
            self.out_of_range(self.span(e), n, ty);
            return Ty::default();
        }
        self.set_konst(e, Some(Konst::Int(n)));
        ty
    }

    pub(crate) fn binary(
        &mut self,
        e: ExprId,
        op: BinOp,
        left: ExprId,
        right: ExprId,
        want: Option<Ty>,
    ) -> Ty {
        match op {
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
                self.body.comparing += 1;
                self.comparison(e, op, left, right);
                self.body.comparing -= 1;
                self.boolean()
            }
            BinOp::Shl | BinOp::Shr | BinOp::Ushr => self.shift(e, op, left, right, want),
            _ => self.arithmetic(e, op, left, right, want),
        }
    }

    /// Whether an expression takes its type from the other side.
    fn follows_other(&self, e: ExprId) -> bool {
        match self.ast.exprs[self.bare(e)].kind {
            ExprKind::Const(name) => self.look_up_const(name).is_none(),
            // `Miss` and `Hit(80)` leave open what they are a record of.
            ExprKind::Type(ty) | ExprKind::Construct { ty, .. } => self
                .test_owner(ty)
                .is_some_and(|owner| !self.type_params(owner).is_empty()),
            _ => self.is_flexible(e),
        }
    }

    /// Checks both operands; the one with a type of its own first, so that the other can follow.
    fn operands(&mut self, op: BinOp, left: ExprId, right: ExprId, want: Option<Ty>) -> (Ty, Ty) {
        match (self.follows_other(left), self.follows_other(right)) {
            (true, false) => {
                let b = self.expr(right, want);
                let hint = self.hint(op, left, b, want);
                (self.expr(left, Some(hint)), b)
            }
            (false, true) => {
                let a = self.expr(left, want);
                let hint = self.hint(op, right, a, want);
                (a, self.expr(right, Some(hint)))
            }
            _ => (self.expr(left, want), self.expr(right, want)),
        }
    }

    /// The type for a literal beside a value of type `ty`: that one, or a wider one that is wanted
    /// anyway; a factor of a quantity is a number.
    fn hint(&mut self, op: BinOp, e: ExprId, ty: Ty, want: Option<Ty>) -> Ty {
        let scales = matches!(op, BinOp::Mul | BinOp::Div | BinOp::Rem);
        if scales && is_quantity(self.kind(ty)) {
            return self.ty(TyKind::Unsigned(64));
        }
        let holds = |ty: Ty, n: i128| {
            konst::range(&self.t.types, ty).is_some_and(|(lo, hi)| (lo..=hi).contains(&n))
        };
        match (self.literal_value(e), want) {
            (Some(n), Some(want))
                if is_number(self.kind(ty))
                    && !holds(ty, n)
                    && holds(want, n)
                    && self.t.types.fits(ty, want) =>
            {
                want
            }
            _ => ty,
        }
    }

    /// Lets a constant number take the type of the other side, if its value allows that.
    fn agree(&mut self, left: ExprId, a: Ty, right: ExprId, b: Ty) -> Option<Ty> {
        if let Some(ty) = self.t.types.wider(a, b) {
            return Some(ty);
        }
        if !is_number(self.kind(a)) || !is_number(self.kind(b)) {
            return None;
        }
        for (e, other) in [(right, a), (left, b)] {
            if let Some(Konst::Int(n)) = self.t.konst[e]
                && konst::range(&self.t.types, other).is_some_and(|(lo, hi)| (lo..=hi).contains(&n))
            {
                self.retype(e, other);
                return Some(other);
            }
        }
        None
    }

    fn comparison(&mut self, e: ExprId, op: BinOp, left: ExprId, right: ExprId) {
        let both = self.literal_value(left).zip(self.literal_value(right));
        let want = both.map(|(a, b)| {
            let signed = a < 0 || b < 0;
            self.ty(if signed {
                TyKind::Signed(64)
            } else {
                TyKind::Unsigned(64)
            })
        });
        let (a, b) = self.operands(op, left, right, want);
        let (x, y) = (self.kind(a), self.kind(b));
        if x == TyKind::Error || y == TyKind::Error {
            return;
        }
        let ordered =
            is_number(x) || is_quantity(x) || matches!(x, TyKind::Ip4 | TyKind::Ip6 | TyKind::Mac);
        let equal = ordered
            || matches!(
                x,
                TyKind::Bool
                    | TyKind::Port
                    | TyKind::Group
                    | TyKind::NodeId
                    | TyKind::Layer
                    | TyKind::Verdict
                    | TyKind::Reason
                    | TyKind::Prefix4
                    | TyKind::Prefix6
                    | TyKind::Record(_)
                    | TyKind::Enum(..)
                    | TyKind::Sealed(_)
                    | TyKind::FlowKey
            );
        let good = match op {
            BinOp::Eq | BinOp::Ne => equal,
            _ => ordered,
        };
        let reported = matches!(
            (x, y),
            (TyKind::Report, TyKind::Report | TyKind::Record(_))
                | (TyKind::Record(_), TyKind::Report)
        );
        if reported && matches!(op, BinOp::Eq | BinOp::Ne) {
            return;
        }
        if self.agree(left, a, right, b).is_none() {
            return self.apart(op, left, a, right, b);
        }
        if self.body.test && x == TyKind::Packet && matches!(op, BinOp::Eq | BinOp::Ne) {
            return;
        }
        if !good {
            let finding = self
                .at(&codes::E207, self.span(e))
                .message(format!(
                    "values of {} have no `{}`",
                    self.show(a),
                    op.text()
                ))
                .label(format!("these are {}", self.show(a)));
            return self.report(finding);
        }
        if let (Some(p), Some(q)) = (&self.t.konst[left], &self.t.konst[right]) {
            let value = konst::compare(op, p, q);
            self.set_konst(e, value.map(Konst::Bool));
        }
    }

    /// Reports operands that do not go together.
    fn apart(&mut self, op: BinOp, left: ExprId, a: Ty, right: ExprId, b: Ty) {
        let (x, y) = (self.kind(a), self.kind(b));
        let (ta, tb) = (self.show(a), self.show(b));
        let code = if is_quantity(x) && is_quantity(y) {
            &codes::E208
        } else {
            &codes::E207
        };
        let what = match op {
            BinOp::Add | BinOp::SatAdd => "added".to_string(),
            BinOp::Sub | BinOp::SatSub => "subtracted".to_string(),
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
                "compared".to_string()
            }
            BinOp::Mul => "multiplied".to_string(),
            BinOp::Div | BinOp::Rem => "divided".to_string(),
            _ => format!("joined by `{}`", op.text()),
        };
        let quantities = is_quantity(x) && is_quantity(y);
        let mut finding = self.at(code, self.span(right));
        finding = if quantities {
            finding
                .message(format!("a {tb} and a {ta} cannot be {what}"))
                .label(format!("{tb}: {}", quantity::unit(y)))
                .also(self.span(left), format!("{ta}: {}", quantity::unit(x)))
        } else {
            finding
                .message(format!("{ta} and {tb} cannot be {what}"))
                .label(tb.clone())
                .also(self.span(left), ta.clone())
        };
        let logic = match op {
            BinOp::BitAnd => Some("&&"),
            BinOp::BitOr => Some("||"),
            BinOp::BitXor => Some("!="),
            _ => None,
        };
        let (l, r) = (self.source(left), self.source(right));
        let whole = self.span(left).to(self.span(right));
        let time = match (x, y) {
            (TyKind::Size, TyKind::Rate) => Some(format!("{l} {} {r} * elapsed", op.text())),
            (TyKind::Rate, TyKind::Size) => Some(format!("{l} * elapsed {} {r}", op.text())),
            _ => None,
        };
        if let Some(time) = time {
            finding = finding.help(format!("a rate becomes a size over a time: {time}"));
        }
        if is_number(x) && is_number(y) {
            finding = finding
                .help(format!("({tb}) {} {} {r}", self.operand(left), op.text()))
                .help(format!("{l} {} ({ta}) {}", op.text(), self.operand(right)));
        } else if let (TyKind::Bool, TyKind::Bool, Some(logic)) = (x, y, logic) {
            finding = finding.instead(whole, format!("{l} {logic} {r}"));
        } else if matches!(
            (x, y),
            (TyKind::Ip4, TyKind::Prefix4) | (TyKind::Ip6, TyKind::Prefix6)
        ) {
            finding = finding.instead(whole, format!("{l} in {r}"));
        }
        self.report(finding);
    }

    fn shift(&mut self, e: ExprId, op: BinOp, left: ExprId, right: ExprId, want: Option<Ty>) -> Ty {
        let ty = self.expr(left, want);
        let word = self.ty(TyKind::Unsigned(32));
        let by = self.expr(right, Some(word));
        let (x, y) = (self.kind(ty), self.kind(by));
        if x == TyKind::Error || y == TyKind::Error {
            return ty;
        }
        if !is_number(x) {
            self.apart(op, left, ty, right, by);
            return Ty::default();
        }
        if !matches!(y, TyKind::Unsigned(_)) {
            self.mismatch(right, by, word);
            return ty;
        }
        let width = self.t.types.bits(ty).unwrap_or(64);
        match (&self.t.konst[left], &self.t.konst[right]) {
            (_, Some(Konst::Int(n))) if *n >= i128::from(width) => {
                let n = *n;
                let finding = self
                    .at(&codes::E228, self.span(right))
                    .message(format!(
                        "a shift by {n} moves every bit out of a {}",
                        self.show(ty)
                    ))
                    .label(format!("at most {}", width - 1));
                self.report(finding);
                ty
            }
            (Some(Konst::Int(a)), Some(Konst::Int(b))) => {
                let value = konst::arithmetic(&self.t.types, op, *a, *b, Some(ty));
                self.folded(e, value, ty)
            }
            _ => ty,
        }
    }

    fn arithmetic(
        &mut self,
        e: ExprId,
        op: BinOp,
        left: ExprId,
        right: ExprId,
        want: Option<Ty>,
    ) -> Ty {
        let (a, b) = self.operands(op, left, right, want);
        let ty = self.arithmetic_type(op, left, a, right, b);
        if let (Some(Konst::Int(x)), Some(Konst::Int(y))) =
            (&self.t.konst[left], &self.t.konst[right])
        {
            let (from, to) = (self.kind(a), self.kind(b));
            let scaling = quantity::is_scaling(op, from, to);
            let value = if scaling {
                quantity::fold(op, (from, *x), (to, *y))
            } else {
                konst::arithmetic(&self.t.types, op, *x, *y, Some(ty))
            };
            if scaling || is_quantity(self.kind(ty)) {
                // Quantities saturate.
                let range = konst::range(&self.t.types, ty);
                let value = value.zip(range).map(|(v, (lo, hi))| v.clamp(lo, hi));
                self.set_konst(e, value.map(Konst::Int));
            } else if self.kind(ty) != TyKind::Error {
                return self.folded(e, value, ty);
            }
        }
        ty
    }

    /// The type of `left op right` for operands of the types `a` and `b`.
    pub(crate) fn arithmetic_type(
        &mut self,
        op: BinOp,
        left: ExprId,
        a: Ty,
        right: ExprId,
        b: Ty,
    ) -> Ty {
        let (x, y) = (self.kind(a), self.kind(b));
        if x == TyKind::Error || y == TyKind::Error {
            return if x == TyKind::Error { b } else { a };
        }
        if is_number(x) && is_number(y) {
            return self.agree(left, a, right, b).unwrap_or_else(|| {
                self.apart(op, left, a, right, b);
                Ty::default()
            });
        }
        let sum = matches!(op, BinOp::Add | BinOp::Sub | BinOp::SatAdd | BinOp::SatSub);
        let minus = matches!(op, BinOp::Sub | BinOp::SatSub);
        match (x, y) {
            (TyKind::Instant, TyKind::Instant) if minus => self.ty(TyKind::Duration),
            (TyKind::Instant, TyKind::Duration) if sum => a,
            (TyKind::Duration, TyKind::Instant) if sum && !minus => b,
            _ if sum && x == y && is_quantity(x) && x != TyKind::Instant => a,
            _ if quantity::is_scaling(op, x, y) && quantity::scaled(op, x, y).is_some() => {
                let result = quantity::scaled(op, x, y);
                result.map_or(Ty::default(), |kind| self.ty(kind))
            }
            _ => {
                self.apart(op, left, a, right, b);
                Ty::default()
            }
        }
    }

    /// `value in set`
    pub(crate) fn membership(&mut self, value: ExprId, set: ExprId) -> Ty {
        let ty = self.expr(value, None);
        match &self.ast.exprs[set].kind {
            ExprKind::Range { .. } => self.element(set, ty),
            ExprKind::Set(items) => {
                self.set_ty(set, ty);
                for &item in items {
                    self.element(item, ty);
                }
            }
            _ => {
                let found = self.expr(set, Some(ty));
                if self.resource_membership(value, ty, set, found) {
                    return self.boolean();
                }
                if !self.is_prefix_for(found, ty) && self.kind(found) != TyKind::Error {
                    self.not_a_set(set, found, ty);
                }
            }
        }
        self.boolean()
    }

    fn is_prefix_for(&self, prefix: Ty, of: Ty) -> bool {
        matches!(
            (self.kind(prefix), self.kind(of)),
            (TyKind::Prefix4, TyKind::Ip4 | TyKind::Error)
                | (TyKind::Prefix6, TyKind::Ip6 | TyKind::Error)
        )
    }

    fn not_a_set(&mut self, set: ExprId, found: Ty, of: Ty) {
        let (f, source) = (self.show(found), self.source(set));
        let mut finding = self.at(&codes::E212, self.span(set));
        if matches!(self.kind(found), TyKind::Prefix4 | TyKind::Prefix6) {
            finding = finding
                .message(format!("{} is never in a {f}", article(&self.show(of))))
                .label("a prefix of the other kind of address");
        } else {
            finding = finding.label(format!("this is {f}"));
            if self.kind(of) == self.kind(found) {
                finding = finding.fix(
                    format!("in {{{source}}}"),
                    [(self.span(set), format!("{{{source}}}"))],
                );
            }
        }
        self.report(finding);
    }

    /// An element of a set: a range, a prefix, or a value of the type.
    pub(crate) fn element(&mut self, e: ExprId, ty: Ty) {
        if let ExprKind::Range { lo, hi } = self.ast.exprs[e].kind {
            self.set_ty(e, ty);
            self.coerce(lo, ty);
            self.coerce(hi, ty);
            let empty = match (&self.t.konst[lo], &self.t.konst[hi]) {
                (Some(a), Some(b)) => konst::compare(BinOp::Gt, a, b) == Some(true),
                _ => false,
            };
            if empty {
                let (lo, hi) = (self.source(lo), self.source(hi));
                let finding = self
                    .at(&codes::E214, self.span(e))
                    .label(format!("{lo} is above {hi}"))
                    .instead(self.span(e), format!("{hi}..{lo}"));
                self.report(finding);
            }
            return;
        }
        let found = self.expr(e, Some(ty));
        if self.is_prefix_for(found, ty) {
            return;
        }
        self.fit(e, found, ty);
    }
}
