//! Bounds of type parameters, and what implementations may do.
//!
//! In: `K extends Sized` with the types that stand for `K`; methods of interfaces beside the methods
//! that implement them. Out: reports. Guaranteed: a type argument implements the bound of its
//! parameter, and whoever calls a method through an interface reads in its `uses` all it may do.

use crate::check::{Checker, OwnerId, OwnerKind};
use crate::tables::MethodId;
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::codes;
use nfl_abi::image::{Right, Rights};
use nfl_syntax::ast::{DeclId, DeclKind, Modifier, TypeArg, TypeId, TypeKind, Uses};
use nfl_syntax::{Name, Span};

impl Checker<'_> {
    /// Reports bounds that are no interfaces.
    pub(crate) fn check_bounds(&mut self) {
        for owner in self.owner_ids() {
            let params = self.type_params(owner);
            let unknown = vec![Ty::default(); params.len()];
            for bound in params.iter().filter_map(|p| p.bound) {
                let body = self.body_with(owner, &unknown);
                self.within(body, |c| c.check_bound(bound));
            }
        }
    }

    fn check_bound(&mut self, bound: TypeId) {
        let node = &self.ast.types[bound];
        let found = match &node.kind {
            TypeKind::Named { path, .. } => match self.find_type(path, node.span) {
                Some(found) => Some(found),
                None => return,
            },
            _ => None,
        };
        let interface = matches!(found, Some(FoundType::Owner(owner))
            if self.owners[owner].kind == OwnerKind::Interface);
        if !interface {
            let finding = self
                .at(&codes::E245, node.span)
                .message("the bound of a type parameter is an interface")
                .label("this is none");
            self.report(finding);
        }
    }

    /// Reports types that do not implement the bounds of the parameters they stand for. Answers
    /// whether all do.
    pub(crate) fn within_bounds(&mut self, owner: OwnerId, types: &[Ty], spans: &[Span]) -> bool {
        let params = self.type_params(owner);
        let mut good = true;
        for ((param, &ty), &span) in params.iter().zip(types).zip(spans) {
            let Some(bound) = param.bound else { continue };
            let body = self.body_with(owner, types);
            let keeps = self.within(body, |c| match c.interface_of(bound) {
                Some((interface, args)) => c.implements(ty, interface, &args),
                // What is wrong with the bound is said where it stands.
                None => true,
            });
            if keeps {
                continue;
            }
            good = false;
            let (name, written) = (self.text(param.name.name), self.ast.types[bound].span);
            let bound = self.program.sources.text(written);
            let finding = self
                .at(&codes::E245, span)
                .message(format!(
                    "`{}` is not within the bound of `{name}`",
                    self.show(ty)
                ))
                .label(format!("this does not implement `{bound}`"))
                .also(
                    param.name.span.to(written),
                    format!("`{name}` stands for what does"),
                );
            self.report(finding);
        }
        good
    }

    /// The interface that a clause names, with its type arguments.
    fn interface_of(&mut self, clause: TypeId) -> Option<(OwnerId, Vec<Ty>)> {
        let node = &self.ast.types[clause];
        let TypeKind::Named { path, args } = &node.kind else {
            return None;
        };
        let Some(FoundType::Owner(owner)) = self.find_type(path, node.span) else {
            return None;
        };
        let types = args.iter().map(|arg| match *arg {
            TypeArg::Type(ty) => self.resolve(ty),
            TypeArg::Const(_) => Ty::default(),
        });
        let types = types.collect();
        (self.owners[owner].kind == OwnerKind::Interface).then_some((owner, types))
    }

    /// Whether the values of a type are those of an interface with these type arguments.
    fn implements(&mut self, ty: Ty, interface: OwnerId, args: &[Ty]) -> bool {
        let (decl, own) = match self.kind(ty) {
            TyKind::Error => return true,
            TyKind::Record(id) => (self.t.records[id].decl, self.t.records[id].args.clone()),
            TyKind::Sealed(id) => (self.t.sealed[id].decl, self.t.sealed[id].args.clone()),
            TyKind::Enum(id, _) => (self.t.enums[id].decl, Vec::new()),
            _ => return false,
        };
        match self.owner_of_decl(decl) {
            Some(owner) => self.reaches(owner, &own, interface, args, &mut Vec::new()),
            None => false,
        }
    }

    /// Whether a declaration is an interface, implements it or extends it.
    fn reaches(
        &mut self,
        owner: OwnerId,
        own: &[Ty],
        interface: OwnerId,
        args: &[Ty],
        seen: &mut Vec<OwnerId>,
    ) -> bool {
        if owner == interface && own == args {
            return true;
        }
        if seen.contains(&owner) {
            return false;
        }
        seen.push(owner);
        self.clauses(owner).iter().any(|&clause| {
            let body = self.body_with(owner, own);
            let above = self.within(body, |c| c.interface_of(clause));
            above.is_some_and(|(above, given)| self.reaches(above, &given, interface, args, seen))
        })
    }

    /// What a declaration implements or extends, as it is written.
    fn clauses(&self, owner: OwnerId) -> Vec<TypeId> {
        match &self.ast.decls[self.owners[owner].decl].kind {
            DeclKind::Record { implements, .. }
            | DeclKind::Enum { implements, .. }
            | DeclKind::Function { implements, .. } => implements.clone(),
            DeclKind::Interface { extends, .. } => extends.clone(),
            _ => Vec::new(),
        }
    }

    /// The interfaces around a declaration, without their type arguments.
    pub(crate) fn interfaces(&mut self, owner: OwnerId, found: &mut Vec<OwnerId>) {
        for clause in self.clauses(owner) {
            let unknown = vec![Ty::default(); self.type_params(owner).len()];
            let body = self.body_with(owner, &unknown);
            let node = &self.ast.types[clause].kind;
            let TypeKind::Named { path, .. } = node else {
                continue;
            };
            let span = self.ast.types[clause].span;
            let above = self.within(body, |c| c.find_type(path, span));
            let Some(FoundType::Owner(above)) = above else {
                continue;
            };
            if self.owners[above].kind == OwnerKind::Interface && !found.contains(&above) {
                found.push(above);
                self.interfaces(above, found);
            }
        }
    }

    /// Reports methods that need more than the methods of interfaces that they implement say.
    pub(crate) fn check_authority(&mut self) {
        for owner in self.owner_ids() {
            if self.owners[owner].kind == OwnerKind::Interface {
                continue;
            }
            let mut interfaces = Vec::new();
            self.interfaces(owner, &mut interfaces);
            for interface in interfaces {
                for &member in self.members_of(interface) {
                    self.compare_authority(owner, interface, member);
                }
            }
        }
    }

    fn compare_authority(&mut self, owner: OwnerId, interface: OwnerId, member: DeclId) {
        let ast = self.ast;
        let DeclKind::Method {
            name: declared,
            uses,
            body: None,
            ..
        } = &ast.decls[member].kind
        else {
            return;
        };
        if self.has(member, Modifier::Static) {
            return;
        }
        let allowed = uses.as_ref().map_or(Rights::NONE, |u| self.rights_of(u));
        let Some(own) = self.implementing(owner, declared.name) else {
            return;
        };
        let excess = self.declared_rights(own).without(allowed);
        if excess == Rights::NONE {
            return;
        }
        let texts = |rights: Rights| {
            let all: Vec<&str> = rights.iter().map(Right::text).collect();
            all.join(", ")
        };
        let method = self.text(declared.name);
        let finding = self
            .at(&codes::E607, self.method_span(own))
            .message(format!(
                "`{method}` of `{}` uses {}, and `{}` does not say so",
                self.text(self.owners[owner].name.name),
                texts(excess),
                self.text(self.owners[interface].name.name),
            ))
            .label("more than the interface declares")
            .also(
                declared.span,
                match allowed {
                    Rights::NONE => "declared without `uses`".to_string(),
                    some => format!("declared with `uses {}`", texts(some)),
                },
            );
        let clause = format!("uses {}", texts(allowed.union(excess)));
        let finding = match uses {
            Some(uses) => finding.instead(uses.span, clause),
            None => {
                let place = self.behind_parameters(declared.span);
                finding.fix(clause.clone(), [(place, format!(" {clause}"))])
            }
        };
        self.report(finding);
    }

    /// The method of a declaration that implements one of this name.
    fn implementing(&self, owner: OwnerId, name: Name) -> Option<MethodId> {
        let mut methods = self.t.methods.iter().map(|(id, _)| id);
        let of_owner = |id: &MethodId| {
            let info = &self.method_info[*id];
            info.owner == owner && !info.is_static && self.t.methods[*id].name == name
        };
        methods.find(of_owner)
    }

    /// The rights that a clause lists; names that are none are left out.
    fn rights_of(&self, uses: &Uses) -> Rights {
        let names = uses
            .names
            .iter()
            .filter_map(|&ty| match &self.ast.types[ty].kind {
                TypeKind::Named { path, .. } => path.last(),
                _ => None,
            });
        names
            .filter_map(|name| Right::from_text(self.text(name.name)))
            .fold(Rights::NONE, Rights::with)
    }

    /// What a method says that it does, or is seen doing where it need not say it.
    fn declared_rights(&self, id: MethodId) -> Rights {
        match &self.ast.decls[self.t.methods[id].decl].kind {
            DeclKind::Method {
                uses: Some(uses), ..
            } => self.rights_of(uses),
            // A clause that is missing on a public method is a finding of its own.
            _ if self.has(self.t.methods[id].decl, Modifier::Public) => Rights::NONE,
            _ => self.t.methods[id].effects,
        }
    }
}
