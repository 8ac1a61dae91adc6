//! Expressions: literals, names, members, casts.
//!
//! In: an expression and the type that its context would like. Out: its type, meaning and constant
//! value in the tables. The wish only serves literals and bare constants, which have no type of
//! their own; `coerce` is the one that insists.

use crate::builtin::Intrinsic;
use crate::check::{Checker, Naming};
use crate::konst;
use crate::resolve::nearest;
use crate::tables::{HeaderId, Konst, LocalId, Res};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::ast::{BinOp, ExprId, ExprKind, Ident, Lit, TypeId, UnOp};

/// Whether values of this kind are numbers.
pub(crate) fn is_number(kind: TyKind) -> bool {
    matches!(kind, TyKind::Unsigned(_) | TyKind::Signed(_))
}

/// Whether values of this kind have a dimension.
pub(crate) fn is_quantity(kind: TyKind) -> bool {
    matches!(
        kind,
        TyKind::Size | TyKind::Rate | TyKind::Duration | TyKind::Instant
    )
}

/// How many bits the number has that a port, a node or an address is made of.
fn made_of(kind: TyKind) -> u8 {
    match kind {
        TyKind::Port | TyKind::Group => 16,
        TyKind::Mac => 64,
        _ => 32,
    }
}

/// A type's name with its article.
pub(crate) fn article(name: &str) -> String {
    let vowel = name.starts_with(['i', 'I', 'E']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

impl Checker<'_> {
    /// Checks an expression and insists on a type.
    pub(crate) fn coerce(&mut self, e: ExprId, want: Ty) -> Ty {
        let found = self.expr(e, Some(want));
        self.fit(e, found, want)
    }

    /// Insists that an expression of type `found` serves as a `want`.
    pub(crate) fn fit(&mut self, e: ExprId, found: Ty, want: Ty) -> Ty {
        let (from, to) = (self.kind(found), self.kind(want));
        if from == TyKind::Error || to == TyKind::Error {
            return found;
        }
        if let (true, true, Some(Konst::Int(n))) =
            (is_number(from), is_number(to), &self.t.konst[e])
        {
            let n = *n;
            let range = konst::range(&self.t.types, want);
            if range.is_some_and(|(lo, hi)| (lo..=hi).contains(&n)) {
                self.retype(e, want);
            } else {
                self.out_of_range(self.span(e), n, want);
            }
            return want;
        }
        if !self.t.types.fits(found, want) {
            self.mismatch(e, found, want);
        }
        found
    }

    /// Gives a constant another number type.
    pub(crate) fn retype(&mut self, mut e: ExprId, ty: Ty) {
        self.set_ty(e, ty);
        while let ExprKind::Paren(inner) = self.ast.exprs[e].kind {
            e = inner;
            self.set_ty(e, ty);
        }
    }

    pub(crate) fn out_of_range(&mut self, span: Span, n: i128, ty: Ty) {
        let mut finding = self
            .at(&codes::E204, span)
            .message(format!("{n} is not {}", article(&self.show(ty))))
            .label("out of range");
        if let Some((lo, hi)) = konst::range(&self.t.types, ty) {
            finding = finding.note(format!("{} holds {lo}..{hi}", article(&self.show(ty))));
        }
        self.report(finding);
    }

    /// Reports an expression of the wrong type.
    pub(crate) fn mismatch(&mut self, e: ExprId, found: Ty, want: Ty) {
        let (from, to) = (self.kind(found), self.kind(want));
        let (f, w) = (self.show(found), self.show(want));
        let source = self.source(e);
        let operand = self.operand(e);
        let at = self.span(e);
        let of_lookup = match from {
            TyKind::Sealed(id) => self.lookup_value(id),
            _ => None,
        };
        let finding = if let Some(value) = of_lookup.filter(|&v| self.t.types.fits(v, want)) {
            self.not_matched(e, found, value)
        } else if is_number(from) && is_number(to) {
            self.at(&codes::E203, at)
                .message(format!(
                    "{} does not always fit into {}",
                    article(&f),
                    article(&w)
                ))
                .label(f)
                .help(format!("to keep the low bits: ({w}) {operand}"))
        } else if is_quantity(from) && is_quantity(to) {
            self.at(&codes::E208, at)
                .message(format!("{} is not {}", article(&f), article(&w)))
                .label(f)
        } else {
            let finding = self
                .at(&codes::E210, at)
                .message(format!("{w} is needed here"))
                .label(format!("this is {f}"));
            match to {
                TyKind::Port | TyKind::Group | TyKind::NodeId | TyKind::Ip4 | TyKind::Mac if matches!(from, TyKind::Unsigned(bits) if bits <= made_of(to)) => {
                    finding.instead(at, format!("{w}({source})"))
                }
                // A cast that cuts off would compile, and would hardly be what is meant.
                TyKind::Unsigned(_) | TyKind::Signed(_)
                    if self.t.types.bits(found) <= self.t.types.bits(want)
                        && self.t.types.bits(found).is_some() =>
                {
                    finding.instead(at, format!("({w}) {operand}"))
                }
                TyKind::Bool if is_number(from) => finding.instead(at, format!("{source} != 0")),
                _ => finding,
            }
        };
        self.report(finding);
    }

    /// The source text of an expression as the operand of a cast.
    pub(crate) fn operand(&self, e: ExprId) -> String {
        let source = self.source(e);
        match self.ast.exprs[e].kind {
            ExprKind::Binary { .. }
            | ExprKind::Cond { .. }
            | ExprKind::In { .. }
            | ExprKind::InstanceOf { .. }
            | ExprKind::Switch { .. } => format!("({source})"),
            _ => source.to_string(),
        }
    }

    /// Whether an expression has no type of its own, so that the context gives it one.
    pub(crate) fn is_flexible(&self, e: ExprId) -> bool {
        match &self.ast.exprs[e].kind {
            ExprKind::Lit(Lit::Int(_)) => true,
            ExprKind::Paren(a)
            | ExprKind::Unary {
                op: UnOp::Neg | UnOp::BitNot,
                arg: a,
            } => self.is_flexible(*a),
            ExprKind::Binary { op, left, right } => match op {
                BinOp::Shl | BinOp::Shr | BinOp::Ushr => self.is_flexible(*left),
                BinOp::BitOr
                | BinOp::BitXor
                | BinOp::BitAnd
                | BinOp::Add
                | BinOp::Sub
                | BinOp::SatAdd
                | BinOp::SatSub
                | BinOp::Mul
                | BinOp::Div
                | BinOp::Rem => self.is_flexible(*left) && self.is_flexible(*right),
                _ => false,
            },
            ExprKind::Cond {
                then, otherwise, ..
            } => self.is_flexible(*then) && self.is_flexible(*otherwise),
            _ => false,
        }
    }

    /// The value of an expression made of number literals alone.
    pub(crate) fn literal_value(&self, e: ExprId) -> Option<i128> {
        match &self.ast.exprs[e].kind {
            ExprKind::Lit(Lit::Int(n)) => i128::try_from(*n).ok(),
            ExprKind::Paren(a) => self.literal_value(*a),
            ExprKind::Unary {
                op: UnOp::Neg,
                arg: a,
            } => self.literal_value(*a)?.checked_neg(),
            ExprKind::Binary { op, left, right } => {
                let (a, b) = (self.literal_value(*left)?, self.literal_value(*right)?);
                konst::arithmetic(&self.t.types, *op, a, b, None)
            }
            _ => None,
        }
    }

    /// Gives an expression of literals, and all in it, a type.
    fn set_literal(&mut self, e: ExprId, ty: Ty) {
        self.set_ty(e, ty);
        let value = self.literal_value(e);
        self.set_konst(e, value.map(Konst::Int));
        match self.ast.exprs[e].kind {
            ExprKind::Paren(a) | ExprKind::Unary { arg: a, .. } => self.set_literal(a, ty),
            ExprKind::Binary { left, right, .. } => {
                self.set_literal(left, ty);
                self.set_literal(right, ty);
            }
            _ => {}
        }
    }

    /// A number made of literals: it has the type that is wanted.
    fn number(&mut self, e: ExprId, n: i128, want: Option<Ty>) -> Ty {
        let span = self.span(e);
        let Some(want) = want else {
            let finding = self
                .at(&codes::E205, span)
                .label(format!("{n} may have any number type"))
                .help("write the type: `u32 x = …`, or a cast: `(u32) …`");
            self.report(finding);
            self.set_literal(e, Ty::default());
            return Ty::default();
        };
        let kind = self.kind(want);
        if kind == TyKind::Error {
            self.set_literal(e, want);
            return want;
        }
        if !is_number(kind) {
            let w = self.show(want);
            let mut finding = self
                .at(&codes::E210, span)
                .message(format!("{w} is needed here"))
                .label("this is a number");
            finding = match kind {
                TyKind::Port | TyKind::Group | TyKind::NodeId => {
                    finding.instead(span, format!("{w}({n})"))
                }
                TyKind::Size => finding.instead(span, format!("{n}B")),
                TyKind::Duration => finding.instead(span, format!("{n}ms")),
                TyKind::Rate => finding.instead(span, format!("{n}Mbps")),
                _ => finding,
            };
            self.report(finding);
            self.set_literal(e, Ty::default());
            return Ty::default();
        }
        let range = konst::range(&self.t.types, want);
        if !range.is_some_and(|(lo, hi)| (lo..=hi).contains(&n)) {
            self.out_of_range(span, n, want);
            self.set_literal(e, Ty::default());
            return Ty::default();
        }
        self.set_literal(e, want);
        want
    }

    /// Checks an expression; `want` is what literals in it become.
    pub(crate) fn expr(&mut self, e: ExprId, want: Option<Ty>) -> Ty {
        if let Some(n) = self.literal_value(e) {
            return self.number(e, n, want);
        }
        let ty = self.expr_kind(e, want);
        self.set_ty(e, ty)
    }

    fn expr_kind(&mut self, e: ExprId, want: Option<Ty>) -> Ty {
        let ast = self.ast;
        let span = self.span(e);
        if self.body.test
            && let Some(ty) = self.test_expr(e)
        {
            return ty;
        }
        match &ast.exprs[e].kind {
            ExprKind::Error => Ty::default(),
            ExprKind::Lit(lit) => self.literal(e, lit, want),
            ExprKind::Name(name) => self.name(e, *name),
            ExprKind::Const(name) => self.const_name(e, *name, want),
            ExprKind::This => {
                if let Some(this) = self.body.this {
                    self.set_res(e, Res::Local(this));
                    return self.t.locals[this].ty;
                }
                let finding = self
                    .at(&codes::E236, span)
                    .message("`this` stands in front of a field of a header")
                    .label("not a value of its own");
                self.report(finding);
                Ty::default()
            }
            ExprKind::Type(ty) => self.bare_type(e, *ty, want),
            ExprKind::Call { name, args } => self.call(e, *name, args),
            ExprKind::Construct { ty, args } => self.construct(e, *ty, args, want),
            ExprKind::StaticField { ty, name } => self.static_field(e, *ty, *name),
            ExprKind::StaticCall { ty, name, args } => self.static_call(e, *ty, *name, args),
            ExprKind::Field { base, name } => self.field(e, *base, *name),
            ExprKind::MethodCall { base, name, args } => self.method_call(e, *base, *name, args),
            ExprKind::Index { base, index } => self.index(e, *base, *index),
            ExprKind::Cast { ty, arg } => self.cast(e, *ty, *arg),
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => self.conditional(e, *cond, *then, *otherwise, want),
            ExprKind::InstanceOf { .. }
            | ExprKind::Unary { op: UnOp::Not, .. }
            | ExprKind::Binary {
                op: BinOp::And | BinOp::Or,
                ..
            } => {
                let cond = self.cond(e);
                self.body.state = cond.yes.join(cond.no);
                self.boolean()
            }
            ExprKind::Unary { op, arg } => self.unary(e, *op, *arg, want),
            ExprKind::Binary { op, left, right } => self.binary(e, *op, *left, *right, want),
            ExprKind::In { value, set } => self.membership(*value, *set),
            ExprKind::Paren(inner) => {
                let ty = self.expr(*inner, want);
                let value = self.t.konst[*inner].clone();
                self.set_konst(e, value);
                ty
            }
            ExprKind::Switch { value, arms } => self.switch_value(e, *value, arms, want),
            ExprKind::Range { .. } | ExprKind::Set(_) => {
                let finding = self
                    .at(&codes::E212, span)
                    .message("a range or set is not a value")
                    .label("it stands behind `in`");
                self.report(finding);
                Ty::default()
            }
            ExprKind::List(_) => {
                let finding = self
                    .at(&codes::E210, span)
                    .message("a list is the initial value of an array")
                    .label("not a value of its own");
                self.report(finding);
                Ty::default()
            }
        }
    }

    fn literal(&mut self, e: ExprId, lit: &Lit, want: Option<Ty>) -> Ty {
        let (kind, value) = match lit {
            Lit::Int(_) => {
                // Too large even for the compiler's own integers.
                let finding = self.at(&codes::E204, self.span(e)).label("out of range");
                self.report(finding);
                return Ty::default();
            }
            Lit::Bool(b) => (TyKind::Bool, Konst::Bool(*b)),
            Lit::Char(c) => (TyKind::Unsigned(8), Konst::Int(i128::from(*c))),
            Lit::Text(text) => {
                if want.is_none_or(|w| self.kind(w) != TyKind::Text) {
                    let finding = self
                        .at(&codes::E226, self.span(e))
                        .message("a text is not a value")
                        .label("texts stand in `Reason(\"…\")` only");
                    self.report(finding);
                    return Ty::default();
                }
                (TyKind::Text, Konst::Text(text.clone()))
            }
            Lit::Ip4(a) => (TyKind::Ip4, Konst::Int(i128::from(*a))),
            Lit::Ip6(a) => (TyKind::Ip6, Konst::Ip6(*a)),
            Lit::Mac(a) => (TyKind::Mac, Konst::Int(i128::from(*a))),
            Lit::Prefix4 { addr, len } => (
                TyKind::Prefix4,
                Konst::Prefix4 {
                    addr: *addr,
                    len: *len,
                },
            ),
            Lit::Prefix6 { addr, len } => (
                TyKind::Prefix6,
                Konst::Prefix6 {
                    addr: *addr,
                    len: *len,
                },
            ),
            Lit::Duration(n) => (TyKind::Duration, Konst::Int(i128::from(*n))),
            Lit::Rate { per_second, .. } => (TyKind::Rate, Konst::Int(i128::from(*per_second))),
            Lit::Size(n) => (TyKind::Size, Konst::Int(i128::from(*n))),
        };
        let ty = self.ty(kind);
        if let (Konst::Int(n), Some((_, hi))) = (&value, konst::range(&self.t.types, ty))
            && *n > hi
        {
            self.out_of_range(self.span(e), *n, ty);
            return Ty::default();
        }
        self.set_konst(e, Some(value));
        ty
    }

    /// Reports a member that does not exist.
    pub(crate) fn no_member(&mut self, name: Ident, of: &str) -> Ty {
        let finding = self
            .at(&codes::E229, name.span)
            .message(format!("{of} has no `{}`", self.text(name.name)))
            .label("no such member");
        self.report(finding);
        Ty::default()
    }

    /// `base.name`
    fn field(&mut self, e: ExprId, base: ExprId, name: Ident) -> Ty {
        if matches!(self.ast.exprs[base].kind, ExprKind::This) && self.body.this.is_none() {
            return self.this_field(e, base, name);
        }
        if let ExprKind::Name(of) = self.ast.exprs[self.bare(base)].kind {
            self.body.member = self.in_scope(of).map(|local| (local, name.name));
        }
        let assigned = std::mem::take(&mut self.body.assigned);
        let found = self.expr(base, None);
        self.body.member = None;
        if self.body.test
            && let Some(ty) = self.test_field(e, found, name)
        {
            return ty;
        }
        let text = self.text(name.name);
        match (self.kind(found), text) {
            (TyKind::Error, _) => Ty::default(),
            (TyKind::View(h), _) => self.view_field(e, base, h, name),
            (TyKind::OneOf(id), _) => self.one_of_field(e, base, id, name),
            (TyKind::Record(id), _) => self.component(e, base, id, name),
            (TyKind::Sealed(id), _) => self.may_miss(base, id, name),
            (TyKind::Body(_) | TyKind::BodyOfOne(_) | TyKind::Bytes, "length") => {
                self.bytes_length(e)
            }
            (TyKind::Packet, "size") => self.intrinsic(e, Intrinsic::PacketSize, TyKind::Size),
            (TyKind::Packet, "port") => self.intrinsic(e, Intrinsic::PacketPort, TyKind::Port),
            (TyKind::Packet, "nextHop") => {
                self.intrinsic(e, Intrinsic::PacketNextHop, TyKind::NodeId)
            }
            (TyKind::Packet, "queue") => {
                self.intrinsic(e, Intrinsic::PacketQueue, TyKind::Unsigned(32))
            }
            (TyKind::Packet, "flow") => self.intrinsic(e, Intrinsic::PacketFlow, TyKind::FlowKey),
            (TyKind::Unsigned(_), "depth") if self.is_queue(base) => self.queue_depth(e),
            (TyKind::Packet, "priority") if assigned => {
                self.intrinsic(e, Intrinsic::PacketPriority, TyKind::Unsigned(8))
            }
            (TyKind::Node, "id") => self.intrinsic(e, Intrinsic::NodeIdent, TyKind::NodeId),
            (TyKind::Ip6, "high" | "low") => {
                let high = text == "high";
                if let Some(Konst::Ip6(a)) = self.t.konst[base] {
                    let half = if high {
                        a >> 64
                    } else {
                        a & u128::from(u64::MAX)
                    };
                    self.set_konst(e, i128::try_from(half).ok().map(Konst::Int));
                }
                let which = if high {
                    Intrinsic::Ip6High
                } else {
                    Intrinsic::Ip6Low
                };
                self.intrinsic(e, which, TyKind::Unsigned(64))
            }
            (TyKind::Array(_, len), "length") => {
                let n = Self::known_len(len);
                self.set_konst(e, n.map(|n| Konst::Int(i128::from(n))));
                self.intrinsic(e, Intrinsic::ArrayLength, TyKind::Unsigned(32))
            }
            _ => {
                let of = self.show(found);
                self.no_member(name, &of)
            }
        }
    }

    pub(crate) fn intrinsic(&mut self, e: ExprId, which: Intrinsic, ty: TyKind) -> Ty {
        self.set_res(e, Res::Intrinsic(which));
        self.ty(ty)
    }

    fn this_field(&mut self, e: ExprId, base: ExprId, name: Ident) -> Ty {
        let header = match self.body.naming {
            Naming::Own(h)
            | Naming::Edge { child: Some(h), .. }
            | Naming::Edge {
                parent: Some(h),
                child: None,
            } => Some(h),
            _ => None,
        };
        let Some(h) = header else {
            return self.expr(base, None);
        };
        let view = self.ty(TyKind::View(h));
        self.set_ty(base, view);
        match (self.field_of(h, name), self.body.naming) {
            (Some(field), Naming::Edge { child: None, .. }) => self.parent_field(e, h, field),
            (Some(field), _) => self.own_field(e, h, field),
            (None, _) => {
                let of = self.text(self.t.headers[h].name);
                self.no_member(name, of)
            }
        }
    }

    fn view_field(&mut self, e: ExprId, base: ExprId, h: HeaderId, name: Ident) -> Ty {
        let view = self.view_local(base);
        if let Some(field) = self.field_of(h, name) {
            self.warn_deprecated_field(h, name);
            self.set_res(e, Res::Field { header: h, field });
            if let Some(view) = view {
                self.t.locals[view].fields_used |= 1 << field;
                if self.t.headers[h].fields[field as usize].len.is_some() {
                    self.t.locals[view].behind_used = true;
                }
            }
            return self.field_value(e, h, field);
        }
        if self.text(name.name) == "body" {
            if let Some(view) = view {
                self.t.locals[view].behind_used = true;
            }
            return self.ty(TyKind::Body(h));
        }
        let header = self.text(self.t.headers[h].name);
        let fields = self.t.headers[h].fields.iter().map(|f| self.text(f.name));
        let near = nearest(self.text(name.name), fields);
        let mut finding = self
            .at(&codes::E229, name.span)
            .message(format!("{header} has no field `{}`", self.text(name.name)))
            .label("no such field")
            .also(self.header_name_span(h), "declared here");
        if let Some(near) = near {
            finding = Checker::meant(finding, name.span, near);
        }
        self.report(finding);
        Ty::default()
    }

    /// The variable behind an expression that is a view.
    pub(crate) fn view_local(&self, base: ExprId) -> Option<LocalId> {
        match self.t.expr_res[self.bare(base)] {
            Res::Local(local) => Some(self.body.aliases.get(&local).copied().unwrap_or(local)),
            _ => None,
        }
    }

    fn index(&mut self, e: ExprId, base: ExprId, index: ExprId) -> Ty {
        let found = self.expr(base, None);
        let word = self.ty(TyKind::Unsigned(32));
        let by = self.expr(index, Some(word));
        // An index is one word; a wider one would have to be cut, and cutting is said by a cast.
        let fits = match self.kind(by) {
            TyKind::Unsigned(bits) | TyKind::Signed(bits) => bits <= 32,
            kind => is_number(kind) || kind == TyKind::Error,
        };
        if !fits {
            self.mismatch(index, by, word);
        }
        if self.body.test
            && let Some(ty) = self.test_index(e, found)
        {
            return ty;
        }
        match self.kind(found) {
            TyKind::Array(elem, _) => {
                if let (Some(Konst::Array(all)), Some(Konst::Int(n))) =
                    (&self.t.konst[base], &self.t.konst[index])
                {
                    let value = usize::try_from(*n).ok().and_then(|n| all.get(n)).cloned();
                    self.set_konst(e, value);
                }
                elem
            }
            TyKind::Body(_) | TyKind::BodyOfOne(_) | TyKind::Bytes => {
                self.may_be_malformed(self.span(e), None);
                self.ty(TyKind::Unsigned(8))
            }
            TyKind::Error => Ty::default(),
            _ => {
                let finding = self
                    .at(&codes::E210, self.span(base))
                    .message("only arrays have elements")
                    .label(format!("this is {}", self.show(found)));
                self.report(finding);
                Ty::default()
            }
        }
    }

    fn cast(&mut self, e: ExprId, ty: TypeId, arg: ExprId) -> Ty {
        let to = self.resolve(ty);
        let hint = match self.literal_value(arg) {
            Some(n) => {
                let fits =
                    konst::range(&self.t.types, to).is_some_and(|(lo, hi)| (lo..=hi).contains(&n));
                match (fits, n < 0) {
                    (true, _) => to,
                    (false, true) => self.ty(TyKind::Signed(64)),
                    (false, false) => self.ty(TyKind::Unsigned(64)),
                }
            }
            None => to,
        };
        let from = self.expr(arg, Some(hint));
        let kind = self.kind(from);
        if !is_number(self.kind(to)) {
            if self.kind(to) != TyKind::Error {
                let finding = self
                    .at(&codes::E210, self.ast.types[ty].span)
                    .message(format!("there is no cast to {}", self.show(to)))
                    .label("casts go to number types");
                self.report(finding);
            }
            return Ty::default();
        }
        let good = self.t.types.bits(from).is_some_and(|bits| bits <= 64);
        if !good {
            if kind != TyKind::Error {
                let mut finding = self
                    .at(&codes::E210, self.span(arg))
                    .message(format!("{} is not a number", self.show(from)))
                    .label("cannot be cast");
                if kind == TyKind::Ip6 {
                    let source = self.source(arg);
                    finding =
                        finding.help(format!("its halves are {source}.high and {source}.low"));
                }
                self.report(finding);
            }
            return to;
        }
        if let Some(n) = self.t.konst[arg].as_ref().and_then(konst::int) {
            let value = konst::wrap(&self.t.types, to, n);
            self.set_konst(e, value.map(Konst::Int));
        }
        to
    }

    fn conditional(
        &mut self,
        e: ExprId,
        cond: ExprId,
        then: ExprId,
        otherwise: ExprId,
        want: Option<Ty>,
    ) -> Ty {
        let asked = self.cond(cond);
        let scope = self.body.scope.len();
        let flexible = self.is_flexible(then);
        // The branch that knows its type goes first, so that a literal in the other can follow it.
        let first_yes = !flexible || self.is_flexible(otherwise);
        let mut types = [Ty::default(); 2];
        let mut states = [crate::flow::State::default(), Default::default()];
        let mut hint = want;
        for yes in [first_yes, !first_yes] {
            let (state, binds, branch) = if yes {
                (asked.yes.clone(), asked.binds_yes.clone(), then)
            } else {
                (asked.no.clone(), asked.binds_no.clone(), otherwise)
            };
            self.body.state = state;
            self.body.scope.extend(binds);
            let ty = self.expr(branch, hint);
            self.body.scope.truncate(scope);
            types[usize::from(yes)] = ty;
            states[usize::from(yes)] = std::mem::take(&mut self.body.state);
            hint = hint.or(Some(ty));
        }
        let [no, yes] = states;
        self.body.state = yes.join(no);
        if let (Some(Konst::Bool(c)), true) = (&self.t.konst[cond], types[0] == types[1]) {
            let value = self.t.konst[if *c { then } else { otherwise }].clone();
            self.set_konst(e, value);
        }
        match self.common(types[1], types[0], want) {
            Some(ty) => self.chosen(e, ty),
            None => {
                let finding = self
                    .at(&codes::E207, self.span(otherwise))
                    .message(format!(
                        "{} and {} are not values of one type",
                        self.show(types[1]),
                        self.show(types[0])
                    ))
                    .label(self.show(types[0]))
                    .also(self.span(then), self.show(types[1]));
                self.report(finding);
                Ty::default()
            }
        }
    }

    /// The type of a value that may be of one or the other type.
    pub(crate) fn common(&self, a: Ty, b: Ty, want: Option<Ty>) -> Option<Ty> {
        let types = &self.t.types;
        let error = |t| types.kind(t) == TyKind::Error;
        if error(a) || error(b) {
            return Some(if error(a) { b } else { a });
        }
        types
            .wider(a, b)
            .or_else(|| {
                // `u8` and `int` meet in neither, but both may serve as a `long` that is asked for.
                want.filter(|&w| types.fits(a, w) && types.fits(b, w))
            })
            .or_else(|| {
                let mut all = types.sealed_of(a).filter(|&s| types.fits(b, s));
                let first = all.next();
                first.filter(|_| all.next().is_none())
            })
    }

    /// The length of an array as lowering reads it.
    pub(crate) fn elements(&self, ty: Ty) -> Option<(Ty, Len)> {
        match self.kind(ty) {
            TyKind::Array(elem, len) => Some((elem, len)),
            _ => None,
        }
    }
}
