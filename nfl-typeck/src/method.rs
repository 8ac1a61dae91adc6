//! Methods of records, enums and sealed interfaces.
//!
//! In: a call on a value. Out: which method is meant. A method that a sealed interface declares
//! without a body is one that each of its members has: a call asks the tag which one. There are no
//! other methods that are chosen while packets run.

use crate::args::Parameter;
use crate::builtin::Intrinsic;
use crate::check::{Checker, OwnerId, OwnerKind};
use crate::tables::{MethodId, Res, SealedId};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{Arg, DeclId, DeclKind, ExprId, Ident, TypeId, TypeKind};
use nfl_syntax::{Diagnostic, Name, Span};

impl Checker<'_> {
    /// The declaration that is an owner.
    pub(crate) fn owner_of_decl(&self, decl: DeclId) -> Option<OwnerId> {
        self.owner_by_decl[decl]
    }

    /// The method that a plain name calls: of a declaration around the body, or imported.
    pub(crate) fn look_up_method(&self, name: Name) -> Option<MethodId> {
        if let Some(this) = self.body.this {
            let own = (self.t.locals[this].ty, name);
            if let Some(&id) = self.generic_methods.get(&own) {
                return Some(id);
            }
        }
        let mut around = self.body.owner;
        while let Some(owner) = around {
            if let Some(&id) = self.owners[owner].methods.get(&name) {
                return Some(id);
            }
            around = self.owners[owner].parent;
        }
        self.units.get(self.body.unit)?.methods.get(&name).copied()
    }

    /// Whether a written type is the name of a record.
    pub(crate) fn names_record(&self, ty: TypeId) -> bool {
        let TypeKind::Named { path, .. } = &self.ast.types[ty].kind else {
            return false;
        };
        let mut found = None;
        for (at, name) in path.iter().enumerate() {
            found = match (at, found) {
                (0, _) => match self.type_name(name.name) {
                    crate::resolve::TypeName::Owner(owner) => Some(owner),
                    _ => None,
                },
                (_, Some(owner)) => {
                    let owner: OwnerId = owner;
                    self.owners[owner].types.get(&name.name).copied()
                }
                _ => None,
            };
        }
        found.is_some_and(|owner| self.owners[owner].kind == OwnerKind::Record)
    }

    /// Judges arguments of something that is not known.
    pub(crate) fn judge_args(&mut self, args: &[Arg]) {
        for arg in args {
            if !self.is_flexible(arg.value) && self.t.expr_ty[arg.value] == Ty::default() {
                self.expr(arg.value, None);
            }
        }
    }

    /// The arguments of a method in order; nothing after a report.
    pub(crate) fn method_args(
        &mut self,
        e: ExprId,
        id: MethodId,
        name: Ident,
        args: &[Arg],
    ) -> Option<Vec<ExprId>> {
        let ast = self.ast;
        let method = self.t.methods[id].clone();
        let DeclKind::Method { params, .. } = &ast.decls[method.decl].kind else {
            return None;
        };
        let all: Vec<Parameter> = params
            .iter()
            .zip(&method.params)
            .map(|(&node, &local)| Parameter {
                name: ast.params[node].name.name,
                ty: self.t.locals[local].ty,
                default: ast.params[node].default,
            })
            .collect();
        let what = self.text(name.name);
        let ordered = self.order_args(e, what, &all, args)?;
        for (&arg, range) in ordered.iter().zip(&method.ranges) {
            let value = self.t.konst[arg].as_ref().and_then(crate::konst::int);
            if let (&Some((lo, hi)), Some(n)) = (range, value)
                && !(lo..=hi).contains(&n)
            {
                let finding = self
                    .at(&codes::E281, self.span(arg))
                    .message(format!("{n} lies outside of {lo}..{hi}"))
                    .label(format!("`{what}` asks for this range"));
                self.report(finding);
            }
        }
        Some(ordered)
    }

    /// `name(args)` in a method: of the same `this` where the callee has one.
    pub(crate) fn call_on_this(
        &mut self,
        e: ExprId,
        id: MethodId,
        name: Ident,
        args: &[Arg],
    ) -> Ty {
        let bodiless = self.is_bodiless(id);
        match (self.t.methods[id].receiver, self.body.this) {
            (Some(receiver), Some(_)) if bodiless => {
                let ty = self.t.locals[receiver].ty;
                match self.kind(ty) {
                    TyKind::Sealed(sealed) => self.dispatch(e, sealed, id, name, args),
                    _ => self.invoke(e, id, name, args, None),
                }
            }
            _ => self.invoke(e, id, name, args, None),
        }
    }

    fn is_bodiless(&self, id: MethodId) -> bool {
        let node = &self.ast.decls[self.t.methods[id].decl].kind;
        matches!(node, DeclKind::Method { body: None, .. })
    }

    /// `base.name(args)` of a record, enum or sealed interface.
    pub(crate) fn value_method(
        &mut self,
        e: ExprId,
        base: ExprId,
        found: Ty,
        name: Ident,
        args: &[Arg],
    ) -> Ty {
        let decl = match self.kind(found) {
            TyKind::Record(id) => self.t.records[id].decl,
            TyKind::Enum(id, _) => self.t.enums[id].decl,
            TyKind::Sealed(id) => self.t.sealed[id].decl,
            _ => return Ty::default(),
        };
        if let TyKind::Sealed(id) = self.kind(found)
            && let Some(value) = self.lookup_value(id)
            && let Some(ty) = self.lookup_method(e, value, name, args)
        {
            return ty;
        }
        let owner = self.owner_of_decl(decl);
        let own = self.generic_methods.get(&(found, name.name)).copied();
        let id =
            own.or_else(|| owner.and_then(|o| self.owners[o].methods.get(&name.name).copied()));
        let (Some(owner), Some(id)) = (owner, id) else {
            self.judge_args(args);
            let refused = owner.is_some_and(|o| self.owners[o].refused.contains(&name.name));
            if refused {
                return Ty::default();
            }
            return match self.kind(found) {
                TyKind::Sealed(id) => self.may_miss(base, id, name),
                _ => self.no_member(name, &self.show(found)),
            };
        };
        let declared = self.owners[owner].name.span;
        self.visible(self.method_info[id].visibility, owner, name, declared);
        if self.method_info[id].is_static {
            let of = self.text(self.owners[owner].name.name);
            let finding = self
                .at(&codes::E229, name.span)
                .message(format!("`{}` is static", self.text(name.name)))
                .label("called on a value")
                .help(format!("{of}.{}(…)", self.text(name.name)));
            self.report(finding);
            return Ty::default();
        }
        match self.kind(found) {
            TyKind::Sealed(sealed) if self.is_bodiless(id) => {
                self.dispatch(e, sealed, id, name, args)
            }
            _ => self.invoke(e, id, name, args, Some(base)),
        }
    }

    /// A call of a method that each member of a sealed interface has for itself.
    fn dispatch(
        &mut self,
        e: ExprId,
        sealed: SealedId,
        id: MethodId,
        name: Ident,
        args: &[Arg],
    ) -> Ty {
        let result = match self.t.methods[id].result {
            Some(ty) => ty,
            None => self.ty(TyKind::Void),
        };
        let declared = self.method_name(id);
        self.warn_deprecated(self.t.methods[id].decl, name, declared.span);
        let members = self.t.sealed[sealed].members.clone();
        let mut chosen = Vec::with_capacity(members.len());
        for member in members {
            match self.implementation(member, id) {
                Some(own) => chosen.push(own),
                None => {
                    // Of types that are not generic this was said where they are declared.
                    let interface = self.method_info[id].owner;
                    let owner = self.owner_of_decl(self.t.records[member].decl);
                    if let (Some(owner), true) = (owner, self.method_info[id].generic.is_some()) {
                        let declared = self.method_name(id);
                        self.lacks(owner, interface, declared);
                    }
                    return result;
                }
            }
        }
        self.method_args(e, id, name, args);
        for &own in &chosen {
            if self.settle_method(own, name.span) {
                self.do_as_callee(own, name, None);
            }
        }
        let known = self.t.dispatches.iter().find(|(_, all)| **all == chosen);
        let dispatch = match known.map(|(id, _)| id) {
            Some(id) => id,
            None => self.t.dispatches.push(chosen),
        };
        self.set_res(e, Res::Dispatch(dispatch));
        result
    }

    /// The method of a member that stands for one of its interface.
    fn implementation(&self, member: crate::tables::RecordId, id: MethodId) -> Option<MethodId> {
        let owner = self.owner_of_decl(self.t.records[member].decl)?;
        let name = self.t.methods[id].name;
        let ty = self.t.types.find(TyKind::Record(member));
        let own = ty.and_then(|ty| self.generic_methods.get(&(ty, name)));
        let own = *own.or_else(|| self.owners[owner].methods.get(&name))?;
        (self.method_signature(own) == self.method_signature(id)).then_some(own)
    }

    fn method_signature(&self, id: MethodId) -> (Vec<Ty>, Option<Ty>) {
        let method = &self.t.methods[id];
        let params = method.params.iter().map(|&p| self.t.locals[p].ty);
        (params.collect(), method.result)
    }

    /// Reports what lacks a method of an interface that it implements. The members of sealed ones
    /// are looked at from there.
    fn check_methods_implemented(&mut self, owner: OwnerId) {
        let ast = self.ast;
        if self.owners[owner].kind == OwnerKind::Interface {
            return;
        }
        let function = matches!(self.owners[owner].kind, OwnerKind::Function(_));
        if let DeclKind::Function { implements, .. } = &ast.decls[self.owners[owner].decl].kind {
            for &clause in implements {
                let body = self.body_of(owner);
                self.within(body, |c| c.plain_interface(clause));
            }
        }
        let mut interfaces = Vec::new();
        self.interfaces(owner, &mut interfaces);
        interfaces.retain(|&i| function || !self.is_sealed(i));
        for interface in interfaces {
            for &member in self.members_of(interface) {
                let DeclKind::Method {
                    name, body: None, ..
                } = &ast.decls[member].kind
                else {
                    continue;
                };
                let id = self.owners[interface].methods.get(&name.name).copied();
                let own = self.owners[owner].methods.get(&name.name).copied();
                let there = match (own, id) {
                    (Some(own), Some(id)) => {
                        self.method_signature(own) == self.method_signature(id)
                    }
                    // With type parameters in it, it is compared by its name.
                    _ => self.members_of(owner).iter().any(|&m| {
                        matches!(&ast.decls[m].kind, DeclKind::Method { name: n, .. } if n.name == name.name)
                    }),
                };
                if !there {
                    self.lacks(owner, interface, *name);
                }
            }
        }
    }

    /// Reports what lacks a method of an interface.
    pub(crate) fn check_implementations(&mut self) {
        for owner in self.owner_ids() {
            self.check_methods_implemented(owner);
        }
        for owner in self.owner_ids() {
            let decl = self.owners[owner].decl;
            let sealed = self.t.sealed.iter().find(|(_, s)| s.decl == decl);
            let Some((sealed, _)) = sealed else { continue };
            let methods: Vec<MethodId> = self.owners[owner].methods.values().copied().collect();
            for id in methods {
                if !self.is_bodiless(id) || self.method_info[id].is_static {
                    continue;
                }
                for member in self.t.sealed[sealed].members.clone() {
                    let own = self.owner_of_decl(self.t.records[member].decl);
                    if let Some(own) = own
                        && self.implementation(member, id).is_none()
                    {
                        let declared = self.method_name(id);
                        self.lacks(own, owner, declared);
                    }
                }
            }
        }
    }

    fn lacks(&mut self, owner: OwnerId, interface: OwnerId, declared: Ident) {
        let method = self.text(declared.name);
        let own = self.owners[owner].methods.get(&declared.name);
        let (label, span) = match own {
            Some(&own) => ("its parameters or its result differ", self.method_span(own)),
            None => (
                match self.owners[owner].kind {
                    OwnerKind::Function(_) => "this function has no such method",
                    OwnerKind::Enum(_) => "this enum has no such method",
                    _ => "this record has no such method",
                },
                self.owners[owner].name.span,
            ),
        };
        let finding = self
            .at(&codes::E244, span)
            .message(format!(
                "`{}` does not have `{method}` of `{}`",
                self.text(self.owners[owner].name.name),
                self.text(self.owners[interface].name.name)
            ))
            .label(label)
            .also(declared.span, "declared here");
        self.report(finding);
    }

    /// A method's name where it is declared.
    fn method_name(&self, id: MethodId) -> Ident {
        Ident {
            name: self.t.methods[id].name,
            span: self.method_span(id),
        }
    }

    pub(crate) fn method_span(&self, id: MethodId) -> Span {
        match &self.ast.decls[self.t.methods[id].decl].kind {
            DeclKind::Method { name, .. } => name.span,
            _ => self.ast.decls[self.t.methods[id].decl].span,
        }
    }

    /// What a `Lookup` holds; nothing when the interface is another.
    pub(crate) fn lookup_value(&self, id: SealedId) -> Option<Ty> {
        let def = &self.t.sealed[id];
        match def.args.as_slice() {
            [value] if def.qualified == "nfl.lang.Lookup" => Some(*value),
            _ => None,
        }
    }

    /// `orElse` and `isHit`.
    fn lookup_method(&mut self, e: ExprId, value: Ty, name: Ident, args: &[Arg]) -> Option<Ty> {
        match self.text(name.name) {
            "isHit" => {
                self.order_args(e, "isHit", &[], args);
                Some(self.intrinsic(e, Intrinsic::LookupIsHit, TyKind::Bool))
            }
            "orElse" => {
                let other = self.ast.decls.iter().find_map(|(_, d)| match &d.kind {
                    DeclKind::Method {
                        name: n, params, ..
                    } if n.name == name.name => {
                        params.first().map(|&p| self.ast.params[p].name.name)
                    }
                    _ => None,
                })?;
                let param = Parameter {
                    name: other,
                    ty: value,
                    default: None,
                };
                self.order_args(e, "orElse", &[param], args);
                self.set_res(e, Res::Intrinsic(Intrinsic::LookupOrElse));
                Some(value)
            }
            _ => None,
        }
    }

    /// Reports a member of a sealed interface's value that only one of its members has.
    pub(crate) fn may_miss(&mut self, base: ExprId, id: SealedId, name: Ident) -> Ty {
        let ty = self.ty(TyKind::Sealed(id));
        let shown = self.show(ty);
        let Some(value) = self.lookup_value(id) else {
            return self.no_member(name, &shown);
        };
        let label = format!("{shown} has no component `{}`", self.text(name.name));
        let finding = self
            .at(&codes::E211, name.span)
            .label(label)
            .also(self.span(base), "the answer of this may be `Miss`");
        let finding = self.matched_first(finding, base, value);
        self.report(finding);
        Ty::default()
    }

    /// An answer of a lookup where its value is needed.
    pub(crate) fn not_matched(&self, e: ExprId, found: Ty, value: Ty) -> Diagnostic {
        let finding = self.at(&codes::E211, self.span(e));
        let finding = finding.label(format!("this is {}", self.show(found)));
        self.matched_first(finding, e, value)
    }

    fn matched_first(&self, finding: Diagnostic, e: ExprId, value: Ty) -> Diagnostic {
        let (of, source) = (self.show(value), self.source(e));
        finding
            .help(format!(
                "if (!({source} instanceof Hit({of} found))) return Drop(NO_ROUTE);"
            ))
            .note("there is no null in NFL, and so no packet that finds one")
    }
}
