//! Type parameters and what they stand for.
//!
//! In: generic records and interfaces, written type arguments, values for components. Out: lists of
//! types, one for each parameter. Generic types are monomorphised: a list of arguments makes a type
//! of its own, so nothing generic is left for the stages behind.

use crate::check::{Body, Checker, MethodInfo, OwnerId, Progress, Summary};
use crate::tables::{Method, MethodId};
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::codes;
use nfl_abi::image::Rights;
use nfl_syntax::ast::{DeclId, DeclKind, Modifier, TypeArg, TypeId, TypeKind, TypeParam};
use nfl_syntax::{Name, Span};

impl<'a> Checker<'a> {
    /// The type parameters of a declaration.
    pub(crate) fn type_params(&self, owner: OwnerId) -> &'a [TypeParam] {
        match &self.ast.decls[self.owners[owner].decl].kind {
            DeclKind::Record { type_params, .. }
            | DeclKind::Interface { type_params, .. }
            | DeclKind::Class { type_params, .. } => type_params,
            _ => &[],
        }
    }

    /// A body in which the type parameters of the owner stand for these types.
    pub(crate) fn body_with(&self, owner: OwnerId, args: &[Ty]) -> Body {
        let params = self.type_params(owner).iter();
        Body {
            type_args: params
                .map(|p| p.name.name)
                .zip(args.iter().copied())
                .collect(),
            ..self.body_of(owner)
        }
    }

    /// Written type arguments, as many as there are parameters; nothing after a report.
    pub(crate) fn type_args(
        &mut self,
        owner: OwnerId,
        args: &[TypeArg],
        span: Span,
    ) -> Option<Vec<Ty>> {
        let params = self.type_params(owner);
        if params.len() != args.len() {
            let name = self.text(self.owners[owner].name.name);
            let names: Vec<&str> = params.iter().map(|p| self.text(p.name.name)).collect();
            let finding = self
                .at(&codes::E226, span)
                .message(format!("`{name}` takes {} type arguments", params.len()))
                .label(format!("{} given", args.len()))
                .help(format!("{name}<{}>", names.join(", ")));
            self.report(finding);
            return None;
        }
        let mut types = Vec::with_capacity(args.len());
        let mut spans = Vec::with_capacity(args.len());
        for arg in args {
            let TypeArg::Type(written) = *arg else {
                let finding = self
                    .at(&codes::E226, span)
                    .message("a type argument is a type")
                    .label("this is a number");
                self.report(finding);
                return None;
            };
            let ty = self.resolve(written);
            let at = self.ast.types[written].span;
            spans.push(at);
            // The answer of `find` is the one type that holds a cursor, and it is matched at once.
            let package = self.units[self.body.unit].package;
            let language = self.packages[package].path == crate::program::LANGUAGE;
            if language && self.kind(ty) == TyKind::Cursor {
                types.push(ty);
            } else {
                types.push(self.valued(ty, at, "a type argument"));
            }
        }
        if types.iter().any(|&t| self.kind(t) == TyKind::Error) {
            return None;
        }
        self.within_bounds(owner, &types, &spans).then_some(types)
    }

    /// Whether values of a type are flat: they can be stored, given and taken anywhere.
    pub(crate) fn is_value(&self, ty: Ty) -> bool {
        match self.kind(ty) {
            TyKind::Record(id) => !self.holds_cursor(&self.t.records[id].args),
            TyKind::Sealed(id) => !self.holds_cursor(&self.t.sealed[id].args),
            TyKind::Verdict
            | TyKind::Reason
            | TyKind::Prefix4
            | TyKind::Prefix6
            | TyKind::FlowKey
            | TyKind::Array(..)
            | TyKind::Error => true,
            _ => self.t.types.bits(ty).is_some(),
        }
    }

    fn holds_cursor(&self, args: &[Ty]) -> bool {
        args.iter().any(|&ty| self.kind(ty) == TyKind::Cursor)
    }

    /// Whether values of a type may lie in memory: in arrays, tables and `carried`.
    pub(crate) fn is_stored(&self, ty: Ty) -> bool {
        match self.kind(ty) {
            TyKind::Verdict | TyKind::Reason | TyKind::Sealed(_) => false,
            TyKind::Record(id) => {
                let components = &self.t.records[id].components;
                components.iter().all(|c| self.is_stored(c.ty))
            }
            TyKind::Array(elem, _) => self.is_stored(elem),
            _ => self.is_value(ty),
        }
    }

    /// A type of values, else the error type after a report.
    pub(crate) fn valued(&mut self, ty: Ty, span: Span, place: &str) -> Ty {
        if self.is_value(ty) {
            return ty;
        }
        self.only(ty, span, place, |_| false)
    }

    /// Finds what type parameters stand for if a written type is to mean `ty`. Answers whether they
    /// can; what is found is noted in `solved`.
    pub(crate) fn unify(
        &mut self,
        written: TypeId,
        ty: Ty,
        params: &[Name],
        solved: &mut [Option<Ty>],
    ) -> bool {
        let ast = self.ast;
        match (&ast.types[written].kind, self.kind(ty)) {
            (TypeKind::Named { path, args }, kind) => {
                if let ([name], []) = (path.as_slice(), args.as_slice())
                    && let Some(at) = params.iter().position(|p| *p == name.name)
                {
                    return match solved[at] {
                        None => {
                            solved[at] = Some(ty);
                            true
                        }
                        Some(known) => known == ty || self.t.types.fits(ty, known),
                    };
                }
                let (decl, inner) = match kind {
                    TyKind::Record(id) => {
                        (self.t.records[id].decl, self.t.records[id].args.clone())
                    }
                    TyKind::Sealed(id) => (self.t.sealed[id].decl, self.t.sealed[id].args.clone()),
                    _ => return args.is_empty(),
                };
                let found = self.find_type(path, ast.types[written].span);
                let same =
                    matches!(found, Some(FoundType::Owner(o)) if self.owners[o].decl == decl);
                same && args.iter().zip(inner).all(|(arg, ty)| match arg {
                    TypeArg::Type(written) => self.unify(*written, ty, params, solved),
                    TypeArg::Const(_) => false,
                })
            }
            (TypeKind::Array { elem, .. }, TyKind::Array(ty, _)) => {
                self.unify(*elem, ty, params, solved)
            }
            _ => true,
        }
    }

    /// Gives a generic type with these arguments its methods; asks for nodes where there are none yet.
    pub(crate) fn methods_of_instance(&mut self, owner: OwnerId, ty: Ty, args: &[Ty]) {
        if args.is_empty() || self.qualified_owner(owner) == "nfl.lang.Lookup" {
            return;
        }
        let of = self.owners[owner].decl;
        let own = |c: &Self, member: DeclId| {
            let method = matches!(c.ast.decls[member].kind, DeclKind::Method { .. });
            method && !c.has(member, Modifier::Static)
        };
        if !self.members_of(owner).iter().any(|&m| own(self, m)) {
            return;
        }
        let texts: Vec<String> = args.iter().map(|&arg| self.show(arg)).collect();
        let program = self.program;
        let mut copies = program.copies.iter();
        let Some(copy) = copies.find(|c| c.of == of && c.args == texts) else {
            if !self.wanted.contains(&(of, texts.clone())) {
                self.wanted.push((of, texts));
            }
            return;
        };
        let (DeclKind::Record { members, .. } | DeclKind::Interface { members, .. }) =
            &self.ast.decls[copy.decl].kind
        else {
            return;
        };
        for &member in members {
            let DeclKind::Method { name, .. } = &self.ast.decls[member].kind else {
                continue;
            };
            if !own(self, member) {
                continue;
            }
            let id = self.t.methods.push(Method {
                name: name.name,
                decl: member,
                this: None,
                receiver: None,
                params: Vec::new(),
                ranges: Vec::new(),
                result: None,
                effects: Rights::NONE,
            });
            self.method_info.push(MethodInfo {
                owner,
                visibility: self.visibility(member),
                is_static: false,
                generic: Some((ty, args.to_vec())),
                declared: false,
                progress: Progress::New,
                summary: Summary::default(),
            });
            self.generic_methods.insert((ty, name.name), id);
            self.declare_once(id);
        }
    }

    /// The body in which a method is read.
    pub(crate) fn method_body(&self, id: MethodId) -> Body {
        let info = &self.method_info[id];
        match &info.generic {
            Some((_, args)) => self.body_with(info.owner, args),
            None => self.body_of(info.owner),
        }
    }
}
