//! Calls and constructors.
//!
//! In: calls of methods and builtins, verdicts, conversions. Out: what they mean and give; what a
//! callee does is done here too.

use crate::builtin::Intrinsic;
use crate::check::{Checker, Naming, OwnerKind};
use crate::deconstruct::operand_of;
use crate::expr::{is_number, is_quantity};
use crate::flow::{Ended, Why};
use crate::resolve::{TypeName, nearest};
use crate::tables::{HeaderId, Konst, MethodId, Res};
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::codes;
use nfl_abi::image::{Right, VerdictKind};
use nfl_syntax::Span;
use nfl_syntax::ast::{Arg, DeclKind, ExprId, ExprKind, Ident, TypeId, TypeKind};

impl Checker<'_> {
    /// Reports a call where only operators may stand. Answers whether it did.
    fn operators_only(&mut self, span: Span) -> bool {
        if !self.body.fields_only {
            return false;
        }
        let finding = match self.body.naming {
            Naming::Body => self
                .at(&codes::E222, span)
                .label("a call is not known when the program is compiled"),
            _ => self
                .at(&codes::E236, span)
                .label("made of fields, constants and operators only"),
        };
        self.report(finding);
        true
    }

    /// `name(args)`
    pub(crate) fn call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Ty {
        let text = self.text(name.name);
        if let Some(id) = self.look_up_method(name.name) {
            if self.operators_only(name.span) {
                return Ty::default();
            }
            if self.t.methods[id].this.is_some() && !matches!(self.body.naming, Naming::Own(_)) {
                return self.no_member(name, "a static method");
            }
            if self.t.methods[id].receiver.is_some() && self.body.this.is_none() {
                return self.no_member(name, "a static method");
            }
            return self.call_on_this(e, id, name, args);
        }
        let which = match text {
            "min" => Intrinsic::Min,
            "max" => Intrinsic::Max,
            "hash" | "siphash" | "log" | "report" | "swap" => {
                if self.operators_only(name.span) {
                    return Ty::default();
                }
                return match text {
                    "swap" => self.swap_call(e, name, args),
                    "log" => self.log_call(e, name, args),
                    "report" => self.report_call(e, name, args),
                    _ => self.hash_call(e, text == "siphash", name, args),
                };
            }
            _ => {
                let own = self.body.owner.map(|o| &self.owners[o].methods);
                let all = own
                    .into_iter()
                    .flat_map(|m| m.keys().map(|&n| self.text(n)));
                let near = nearest(
                    text,
                    all.chain(["min", "max", "hash", "siphash", "log", "report", "swap"]),
                );
                let mut finding = self
                    .at(&codes::E201, name.span)
                    .message(format!("there is no method `{text}` here"))
                    .label("unknown");
                if let Some(near) = near {
                    finding = Checker::meant(finding, name.span, near);
                }
                self.report(finding);
                return Ty::default();
            }
        };
        let [a, b] = args else {
            self.arity(name, 2, args.len());
            return Ty::default();
        };
        self.smaller_or_larger(e, which, a.value, b.value, name.span)
    }

    fn smaller_or_larger(
        &mut self,
        e: ExprId,
        which: Intrinsic,
        a: ExprId,
        b: ExprId,
        span: Span,
    ) -> Ty {
        self.set_res(e, Res::Intrinsic(which));
        let (a, b) = if self.is_flexible(a) { (b, a) } else { (a, b) };
        let first = self.expr(a, None);
        let second = self.expr(b, Some(first));
        let (x, y) = (self.kind(first), self.kind(second));
        if x == TyKind::Error || y == TyKind::Error {
            return if x == TyKind::Error { second } else { first };
        }
        let good = is_number(x) || is_quantity(x);
        match self.t.types.wider(first, second).filter(|_| good) {
            Some(ty) => {
                if let (Some(Konst::Int(p)), Some(Konst::Int(q))) =
                    (&self.t.konst[a], &self.t.konst[b])
                {
                    let n = match which {
                        Intrinsic::Min => *p.min(q),
                        _ => *p.max(q),
                    };
                    self.set_konst(e, Some(Konst::Int(n)));
                }
                ty
            }
            None => {
                let finding = self
                    .at(&codes::E207, span)
                    .message(format!(
                        "{} and {} have no smaller and larger one",
                        self.show(first),
                        self.show(second)
                    ))
                    .label("two numbers or two quantities are compared");
                self.report(finding);
                Ty::default()
            }
        }
    }

    pub(crate) fn arity(&mut self, name: Ident, params: usize, args: usize) {
        let finding = self
            .at(&codes::E213, name.span)
            .message(format!(
                "`{}` takes {params} argument{}, not {args}",
                self.text(name.name),
                if params == 1 { "" } else { "s" }
            ))
            .label("called here");
        self.report(finding);
    }

    /// Calls a method; `receiver` is the view it is called on.
    pub(crate) fn invoke(
        &mut self,
        e: ExprId,
        id: MethodId,
        name: Ident,
        args: &[Arg],
        receiver: Option<ExprId>,
    ) -> Ty {
        self.set_res(e, Res::Method(id));
        let method = self.t.methods[id].clone();
        if let DeclKind::Method { name: declared, .. } = &self.ast.decls[method.decl].kind {
            self.warn_deprecated(method.decl, name, declared.span);
        }
        let result = match method.result {
            Some(ty) => ty,
            None => self.ty(TyKind::Void),
        };
        let Some(args) = self.method_args(e, id, name, args) else {
            return result;
        };
        if !self.settle_method(id, name.span) {
            return result;
        }
        for (&arg, &param) in args.iter().zip(&method.params) {
            if let Some(view) = self.view_local(arg) {
                let fields = self.used_through(param, view);
                let behind = self.t.locals[param].behind_used;
                let view = &mut self.t.locals[view];
                view.fields_used |= fields;
                view.behind_used |= behind;
            }
        }
        self.do_as_callee(id, name, receiver);
        if let Some(which) = self.native(id) {
            self.native_call(e, which, &args);
        }
        result
    }

    /// What the callee does happens here.
    pub(crate) fn do_as_callee(&mut self, id: MethodId, name: Ident, receiver: Option<ExprId>) {
        let summary = self.method_info[id].summary.clone();
        let effects = self.t.methods[id].effects;
        match receiver.and_then(|r| self.view_local(r)) {
            Some(view) => {
                self.t.locals[view].fields_used |= summary.own_fields;
            }
            None => self.body.summary.own_fields |= summary.own_fields,
        }
        for right in effects.iter() {
            let deed = format!("`{}` uses {}", self.text(name.name), right.text());
            self.act(right, name.span, deed);
        }
        if let Some((layer, _)) = summary.layer {
            self.begins_at(layer, name.span);
        }
        if summary.matches.is_some() {
            self.may_be_malformed(name.span, None);
        }
        if effects.has(Right::Rewrite) {
            self.note_store(name.span);
        }
        if summary.resizes.is_some() {
            self.body.state.proven.clear();
            self.end_views(name.span, Vec::new());
        }
        for (header, fields) in summary.reshapes {
            self.reshape(
                (header, fields),
                None,
                Ended {
                    span: name.span,
                    why: Why::Field(header),
                },
            );
        }
        let own = &mut self.body.summary;
        own.carried = own.carried.or(summary.carried.map(|_| name.span));
        own.recirculates = own.recirculates.or(summary.recirculates.map(|_| name.span));
        own.depth = own.depth.max(summary.depth + 1);
        if own.depth > crate::check::NESTING_MAX {
            own.depth = 0;
            self.too_deep(name.span);
        }
    }

    /// `base.name(args)`
    pub(crate) fn method_call(&mut self, e: ExprId, base: ExprId, name: Ident, args: &[Arg]) -> Ty {
        if self.operators_only(name.span) {
            return Ty::default();
        }
        if let (ExprKind::This, Naming::Own(h)) = (&self.ast.exprs[base].kind, self.body.naming) {
            let view = self.ty(TyKind::View(h));
            self.set_ty(base, view);
            return self.header_method(e, h, name, args, None);
        }
        let found = self.expr(base, None);
        if self.body.test
            && let Some(ty) = self.test_method(e, found, name, args)
        {
            return ty;
        }
        let text = self.text(name.name);
        match (self.kind(found), text) {
            // What is wrong with the receiver was said, and nothing is known of its parameters.
            (TyKind::Error, _) => Ty::default(),
            (TyKind::View(h), _) => self.header_method(e, h, name, args, Some(base)),
            (TyKind::Resource(id), _) => self.resource_call(e, id, name, args),
            (TyKind::FlowKey, _) => self.flow_call(e, name, args),
            (TyKind::Record(_) | TyKind::Enum(..) | TyKind::Sealed(_), _) => {
                self.value_method(e, base, found, name, args)
            }
            (TyKind::Packet, _) => match self.packet_call(e, name, args) {
                Some(ty) => ty,
                None => self.no_member(name, "Packet"),
            },
            (TyKind::Mac, "isMulticast" | "isLocal") => {
                if !args.is_empty() {
                    self.arity(name, 0, args.len());
                }
                let which = if text == "isLocal" {
                    Intrinsic::MacIsLocal
                } else {
                    Intrinsic::MacIsMulticast
                };
                self.intrinsic(e, which, TyKind::Bool)
            }
            (TyKind::Body(_) | TyKind::BodyOfOne(_) | TyKind::Bytes, _) => {
                self.bytes_call(e, found, name, args)
            }
            (TyKind::Cursor, _) => self.cursor_call(e, name, args),
            _ => {
                let of = self.show(found);
                self.no_member(name, &of)
            }
        }
    }

    fn header_method(
        &mut self,
        e: ExprId,
        h: HeaderId,
        name: Ident,
        args: &[Arg],
        receiver: Option<ExprId>,
    ) -> Ty {
        let owner = self
            .owners
            .iter()
            .find(|(_, o)| o.kind == OwnerKind::Header(h))
            .map(|(id, o)| (id, o.methods.get(&name.name).copied()));
        let Some((owner, Some(id))) = owner else {
            let of = self.text(self.t.headers[h].name);
            return self.no_member(name, of);
        };
        if self.method_info[id].is_static {
            let of = self.text(self.t.headers[h].name);
            let finding = self
                .at(&codes::E229, name.span)
                .message(format!("`{}` is static", self.text(name.name)))
                .label("called on a view")
                .help(format!("{of}.{}(…)", self.text(name.name)));
            self.report(finding);
            return Ty::default();
        }
        let declared = self.header_name_span(h);
        self.visible(self.method_info[id].visibility, owner, name, declared);
        self.invoke(e, id, name, args, receiver)
    }

    /// `Class.name(args)`
    pub(crate) fn static_call(&mut self, e: ExprId, ty: TypeId, name: Ident, args: &[Arg]) -> Ty {
        if self.operators_only(name.span) {
            return Ty::default();
        }
        let TypeKind::Named { path, .. } = &self.ast.types[ty].kind else {
            return Ty::default();
        };
        if let [class] = path.as_slice()
            && matches!(self.text(class.name), "Length" | "Checksum")
            && self.type_name(class.name) == TypeName::Unknown
        {
            let finding = self
                .at(&codes::E235, self.span(e))
                .label("this stands behind a `derived` field");
            self.report(finding);
            return Ty::default();
        }
        let owner = match self.find_type(path, self.ast.types[ty].span) {
            None => return Ty::default(),
            Some(FoundType::Ty(ty)) => return self.no_member(name, &self.show(ty)),
            Some(FoundType::Owner(owner)) => owner,
        };
        let method = self.owners[owner].methods.get(&name.name).copied();
        match method.filter(|&id| self.method_info[id].is_static) {
            Some(id) => {
                let declared = self.owners[owner].name.span;
                self.visible(self.method_info[id].visibility, owner, name, declared);
                self.invoke(e, id, name, args, None)
            }
            None => {
                let class = self.text(self.owners[owner].name.name);
                let of = format!("the static part of {class}");
                self.no_member(name, &of)
            }
        }
    }

    /// The verdict that a written type names.
    pub(crate) fn verdict_kind(&self, ty: TypeId) -> Option<VerdictKind> {
        match &self.ast.types[ty].kind {
            TypeKind::Named { path, args } if args.is_empty() => match path.as_slice() {
                [name] => VerdictKind::from_text(self.text(name.name)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A type as a value: a verdict without arguments.
    pub(crate) fn bare_type(&mut self, e: ExprId, ty: TypeId, want: Option<Ty>) -> Ty {
        if let Some(kind) = self.verdict_kind(ty) {
            return self.verdict(e, kind, &[]);
        }
        if self.names_record(ty) {
            return match self.record_to_make(e, ty, None, want) {
                Some(id) => self.make_record(e, id, &[]),
                None => Ty::default(),
            };
        }
        let resolved = self.resolve(ty);
        if self.kind(resolved) != TyKind::Error {
            let finding = self
                .at(&codes::E210, self.span(e))
                .message(format!(
                    "{} is a type, and a value is needed",
                    self.show(resolved)
                ))
                .label("not a value");
            self.report(finding);
        }
        Ty::default()
    }

    /// `Type(args)`
    pub(crate) fn construct(
        &mut self,
        e: ExprId,
        ty: TypeId,
        args: &[Arg],
        want: Option<Ty>,
    ) -> Ty {
        if let Some(kind) = self.verdict_kind(ty) {
            return self.verdict(e, kind, args);
        }
        if self.names_record(ty) {
            return match self.record_to_make(e, ty, Some(args), want) {
                Some(id) => self.make_record(e, id, args),
                None => {
                    self.judge_args(args);
                    Ty::default()
                }
            };
        }
        let resolved = match &self.ast.types[ty].kind {
            TypeKind::Named { path, .. } => match path.as_slice() {
                [name] => match self.type_name(name.name) {
                    TypeName::Owner(owner)
                        if matches!(self.owners[owner].kind, OwnerKind::Function(_)) =>
                    {
                        let finding = self
                            .at(&codes::E226, self.span(e))
                            .message("a function is not called from another one")
                            .label("functions run one after another in a chain")
                            .help("chain Both = First() -> Second();");
                        self.report(finding);
                        return Ty::default();
                    }
                    _ => self.resolve(ty),
                },
                _ => self.resolve(ty),
            },
            _ => self.resolve(ty),
        };
        let from = match self.kind(resolved) {
            TyKind::Error => return resolved,
            TyKind::Port | TyKind::Group => TyKind::Unsigned(16),
            TyKind::NodeId | TyKind::Ip4 => TyKind::Unsigned(32),
            TyKind::Mac => TyKind::Unsigned(64),
            TyKind::Ip6 => return self.ip6_of_halves(e, args),
            TyKind::View(_) => {
                let finding = self
                    .at(&codes::E312, self.span(e))
                    .message("headers are built where they are pushed or appended")
                    .label("not a value of its own")
                    .help("pkt.push(…)");
                self.report(finding);
                return Ty::default();
            }
            TyKind::Reason => {
                let finding = self
                    .at(&codes::E222, self.span(e))
                    .message("a reason is declared as a constant")
                    .label("not made while packets run")
                    .help("static final Reason NOT_PLANNED = Reason(\"…\");");
                self.report(finding);
                return Ty::default();
            }
            _ => {
                let finding = self
                    .at(&codes::E213, self.span(e))
                    .message(format!("{} has no constructor", self.show(resolved)))
                    .label("written as a literal");
                self.report(finding);
                return Ty::default();
            }
        };
        self.set_res(e, Res::Convert);
        let [arg] = args else {
            let finding = self
                .at(&codes::E213, self.span(e))
                .message(format!("`{}` takes one argument", self.show(resolved)))
                .label(format!("{} given", args.len()));
            self.report(finding);
            return resolved;
        };
        let from = self.ty(from);
        self.coerce(arg.value, from);
        if let Some(Konst::Int(n)) = self.t.konst[arg.value] {
            let value = crate::konst::wrap(&self.t.types, resolved, n);
            self.set_konst(e, value.map(Konst::Int));
        }
        resolved
    }

    /// `Ip6(high, low)`: an address of its two halves, as `address.high` and `address.low` give them.
    fn ip6_of_halves(&mut self, e: ExprId, args: &[Arg]) -> Ty {
        let address = self.ty(TyKind::Ip6);
        let [high, low] = args else {
            let finding = self
                .at(&codes::E213, self.span(e))
                .message("`Ip6` takes two arguments, the upper and the lower 64 bits")
                .label(format!("{} given", args.len()));
            self.report(finding);
            return address;
        };
        self.set_res(e, Res::Convert);
        let half = self.ty(TyKind::Unsigned(64));
        self.coerce(high.value, half);
        self.coerce(low.value, half);
        let value = |arg: &Arg| match self.t.konst[arg.value] {
            Some(Konst::Int(n)) => u64::try_from(n).ok(),
            _ => None,
        };
        let known = value(high).zip(value(low));
        let known = known.map(|(high, low)| Konst::Ip6(u128::from(high) << 64 | u128::from(low)));
        self.set_konst(e, known);
        address
    }

    fn verdict(&mut self, e: ExprId, kind: VerdictKind, args: &[Arg]) -> Ty {
        self.set_res(e, Res::Verdict(kind));
        let span = self.span(e);
        let component = match kind {
            VerdictKind::Drop | VerdictKind::Punt => "reason",
            VerdictKind::Forward => "port",
            VerdictKind::Multicast => "group",
            _ => "next",
        };
        // A reason may be left out.
        let operand = operand_of(kind).map(|ty| (ty, ty != TyKind::Reason));
        match (operand, args) {
            (Some((want, _)), [arg]) => {
                if let Some(named) = arg.name
                    && self.text(named.name) != component
                {
                    let finding = self
                        .at(&codes::E213, named.span)
                        .message(format!(
                            "`{}` has no `{}`",
                            kind.text(),
                            self.text(named.name)
                        ))
                        .label(format!("it has `{component}`"));
                    self.report(finding);
                }
                let want = self.ty(want);
                self.coerce(arg.value, want);
            }
            (None | Some((_, false)), []) => {}
            _ => {
                let takes = match operand {
                    None => "takes no argument".to_string(),
                    Some((want, true)) => format!("takes a {want:?}"),
                    Some((want, false)) => format!("takes a {want:?} or nothing"),
                };
                let finding = self
                    .at(&codes::E213, span)
                    .message(format!("`{}` {takes}", kind.text()))
                    .label(format!("{} given", args.len()));
                self.report(finding);
            }
        }
        if self.body.comparing == 0 {
            if let Some(right) = kind.right() {
                self.act(right, span, format!("this may answer `{}`", kind.text()));
            }
            if kind == VerdictKind::Recirculate {
                self.body.summary.recirculates.get_or_insert(span);
            }
        }
        self.ty(TyKind::Verdict)
    }
}
