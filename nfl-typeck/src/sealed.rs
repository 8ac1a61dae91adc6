//! Sealed interfaces of records, and interfaces as bounds.
//!
//! In: `interface` declarations and what implements them. Out: a row for each sealed interface with
//! its type arguments: its members in the order of `permits`. Guaranteed: `permits` and `implements`
//! say the same.

use crate::check::{Body, Checker, OwnerId, OwnerKind};
use crate::tables::{RecordId, SealedDef};
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::ast::{DeclKind, Modifier, TypeArg, TypeId, TypeKind};

impl Checker<'_> {
    /// Whether an interface is `sealed`.
    pub(crate) fn is_sealed(&self, owner: OwnerId) -> bool {
        self.has(self.owners[owner].decl, Modifier::Sealed)
    }

    /// The members that an interface permits, as they are written.
    pub(crate) fn permitted(&self, owner: OwnerId) -> &[TypeId] {
        match &self.ast.decls[self.owners[owner].decl].kind {
            DeclKind::Interface { permits, .. } => permits,
            _ => &[],
        }
    }

    /// The type of a sealed interface's values.
    pub(crate) fn sealed(&mut self, owner: OwnerId, args: Vec<Ty>, span: Span) -> Ty {
        if !self.is_sealed(owner) {
            let name = self.text(self.owners[owner].name.name);
            let finding = self
                .at(&codes::E226, span)
                .message(format!("`{name}` is not sealed, so it has no values"))
                .label("an open interface is a bound of a type parameter");
            self.report(finding);
            return Ty::default();
        }
        let decl = self.owners[owner].decl;
        let same = |s: &SealedDef| s.decl == decl && s.args == args;
        let known = self.t.sealed.iter().find(|(_, s)| same(s));
        if let Some(id) = known.map(|(id, _)| id) {
            return self.ty(TyKind::Sealed(id));
        }
        let id = self.t.sealed.push(SealedDef {
            name: self.owners[owner].name.name,
            qualified: self.qualified_owner(owner),
            decl,
            args: args.clone(),
            members: Vec::new(),
        });
        let ty = self.ty(TyKind::Sealed(id));
        let label = self.label(owner, &args);
        self.t.types.name(ty, label);
        let body = Body {
            fields_only: true,
            ..self.body_with(owner, &args)
        };
        self.within(body, |c| {
            let mut members = Vec::new();
            for &written in c.permitted(owner).to_vec().iter() {
                if let Some(member) = c.member(owner, &args, written) {
                    let record = c.ty(TyKind::Record(member));
                    c.t.types.implement(record, ty);
                    members.push(member);
                }
            }
            c.t.sealed[id].members = members.clone();
            c.no_part_of_itself(ty, &members);
        });
        self.methods_of_instance(owner, ty, &args);
        ty
    }

    /// Reports members that hold values of their own interface.
    fn no_part_of_itself(&mut self, sealed: Ty, members: &[RecordId]) {
        for &member in members {
            for index in 0..self.t.records[member].components.len() {
                let component = &self.t.records[member].components[index];
                let span = component.span;
                if self.contains(component.ty, sealed) {
                    self.part_of_itself(sealed, span);
                    self.t.records[member].components[index].ty = Ty::default();
                }
            }
        }
    }

    /// A member of a sealed interface with these type arguments.
    fn member(&mut self, interface: OwnerId, args: &[Ty], written: TypeId) -> Option<RecordId> {
        let ast = self.ast;
        let span = ast.types[written].span;
        let TypeKind::Named { path, .. } = &ast.types[written].kind else {
            return None;
        };
        let FoundType::Owner(owner) = self.find_type(path, span)? else {
            self.only(Ty::default(), span, "a member", |_| true);
            return None;
        };
        let DeclKind::Record { implements, .. } = &ast.decls[self.owners[owner].decl].kind else {
            let finding = self
                .at(&codes::E241, span)
                .message("the members of a sealed interface are records")
                .label("this is none");
            self.report(finding);
            return None;
        };
        let names: Vec<_> = self
            .type_params(owner)
            .iter()
            .map(|p| p.name.name)
            .collect();
        let mut solved: Vec<Option<Ty>> = vec![None; names.len()];
        let body = self.body_of(owner);
        let clause = self.within(body, |c| {
            for &clause in implements {
                let TypeKind::Named { path, args: given } = &ast.types[clause].kind else {
                    continue;
                };
                let found = c.find_type(path, ast.types[clause].span);
                if found != Some(FoundType::Owner(interface)) {
                    continue;
                }
                for (arg, &ty) in given.iter().zip(args) {
                    if let TypeArg::Type(arg) = *arg {
                        c.unify(arg, ty, &names, &mut solved);
                    }
                }
                return true;
            }
            false
        });
        let (record, sealed) = (
            self.text(self.owners[owner].name.name),
            self.text(self.owners[interface].name.name),
        );
        if !clause {
            let finding = self
                .at(&codes::E241, span)
                .message(format!("`{record}` does not implement `{sealed}`"))
                .label("permitted here")
                .also(
                    self.owners[owner].name.span,
                    format!("`implements {sealed}` is missing"),
                );
            self.report(finding);
            return None;
        }
        let known: Option<Vec<Ty>> = solved.into_iter().collect();
        let Some(types) = known else {
            let finding = self
                .at(&codes::E241, span)
                .message(format!(
                    "the type arguments of `{record}` do not follow from those of `{sealed}`"
                ))
                .label("a member takes its type arguments from the interface");
            self.report(finding);
            return None;
        };
        let spans = vec![span; types.len()];
        if !self.within_bounds(owner, &types, &spans) {
            return None;
        }
        match self.instance(owner, types, span) {
            ty if self.kind(ty) == TyKind::Error => None,
            ty => match self.kind(ty) {
                TyKind::Record(id) => Some(id),
                _ => None,
            },
        }
    }

    /// What a record implements; makes its sealed interfaces, so that its values serve as theirs.
    pub(crate) fn implement(&mut self, owner: OwnerId, record: Ty) {
        let ast = self.ast;
        let DeclKind::Record { implements, .. } = &ast.decls[self.owners[owner].decl].kind else {
            return;
        };
        for &clause in implements {
            let Some(interface) = self.plain_interface(clause) else {
                continue;
            };
            if !self.is_sealed(interface) {
                continue;
            }
            let permits = self.permitted(interface).to_vec();
            let body = self.body_of(interface);
            let permitted = self.within(body, |c| {
                permits.iter().any(|&p| match &ast.types[p].kind {
                    TypeKind::Named { path, .. } => {
                        c.find_type(path, ast.types[p].span) == Some(FoundType::Owner(owner))
                    }
                    _ => false,
                })
            });
            if !permitted {
                let (name, sealed) = (
                    self.show(record),
                    self.text(self.owners[interface].name.name),
                );
                let finding = self
                    .at(&codes::E241, ast.types[clause].span)
                    .message(format!("`{sealed}` does not permit `{name}`"))
                    .label("implemented here")
                    .also(
                        self.owners[interface].name.span,
                        format!("`permits {name}` is missing"),
                    );
                self.report(finding);
                continue;
            }
            self.resolve(clause);
        }
    }

    /// The interface that an `implements` names.
    pub(crate) fn plain_interface(&mut self, clause: TypeId) -> Option<OwnerId> {
        let ast = self.ast;
        let span = ast.types[clause].span;
        let TypeKind::Named { path, .. } = &ast.types[clause].kind else {
            return None;
        };
        match self.find_type(path, span)? {
            FoundType::Owner(owner) if self.owners[owner].kind == OwnerKind::Interface => {
                Some(owner)
            }
            _ => {
                let finding = self
                    .at(&codes::E241, span)
                    .message("only interfaces are implemented")
                    .label("this is none");
                self.report(finding);
                None
            }
        }
    }

    /// The answer of a lookup of such values.
    pub(crate) fn lookup_of(&mut self, value: Ty) -> Ty {
        let lang = self
            .packages
            .iter()
            .find(|p| p.path == crate::program::LANGUAGE);
        let owner = lang.and_then(|p| {
            let mut types = p.types.iter();
            types.find(|(name, _)| self.text(**name) == "Lookup")
        });
        match owner.map(|(_, o)| *o) {
            Some(owner) => {
                let span = self.owners[owner].name.span;
                self.instance(owner, vec![value], span)
            }
            None => Ty::default(),
        }
    }
}
