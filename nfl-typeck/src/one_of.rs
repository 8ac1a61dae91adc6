//! Sealed interfaces of headers: one pattern for headers that share their first fields.
//!
//! In: `sealed interface` declarations that permit headers. Out: their rows: members, and for each
//! shared field its number in every member. Guaranteed: a shared field has one type and one place in
//! all members.

use crate::check::{Checker, OwnerId, OwnerKind};
use crate::resolve::{TypeName, nearest};
use crate::tables::{HeaderId, LocalId, OneOfDef, OneOfId, Res};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{DeclKind, ExprId, Ident, Modifier, TypeId, TypeKind};
use nfl_syntax::{Name, Span};

impl Checker<'_> {
    /// Tells interfaces of headers by what they permit.
    pub(crate) fn find_one_ofs(&mut self) {
        let ast = self.ast;
        for owner in self.owner_ids() {
            let decl = self.owners[owner].decl;
            let DeclKind::Interface { name, permits, .. } = &ast.decls[decl].kind else {
                continue;
            };
            if !self.has(decl, Modifier::Sealed) {
                continue;
            }
            let body = self.body_of(owner);
            let members: Vec<Option<HeaderId>> = self.within(body, |c| {
                permits.iter().map(|&ty| c.permitted_header(ty)).collect()
            });
            if members.iter().all(Option::is_none) {
                continue;
            }
            let id = self.t.one_of.push(OneOfDef {
                name: name.name,
                decl,
                members: members.iter().copied().flatten().collect(),
                fields: Vec::new(),
            });
            self.owners[owner].kind = OwnerKind::OneOf(id);
            let interface = self.ty(TyKind::OneOf(id));
            for &header in members.iter().flatten() {
                let view = self.ty(TyKind::View(header));
                self.t.types.implement(view, interface);
            }
            for (member, &ty) in members.iter().zip(permits) {
                if member.is_none() {
                    let finding = self
                        .at(&codes::E311, ast.types[ty].span)
                        .message("an interface permits headers or records, not both")
                        .label("this is no header")
                        .also(name.span, "of headers, as its other members are");
                    self.report(finding);
                }
            }
        }
    }

    fn permitted_header(&self, ty: TypeId) -> Option<HeaderId> {
        let TypeKind::Named { path, .. } = &self.ast.types[ty].kind else {
            return None;
        };
        let [name] = path.as_slice() else {
            return None;
        };
        match self.type_name(name.name) {
            TypeName::Owner(owner) => match self.owners[owner].kind {
                OwnerKind::Header(h) => Some(h),
                _ => None,
            },
            _ => None,
        }
    }

    /// Finds the shared fields, and compares `implements` with `permits`.
    pub(crate) fn lay_out_one_ofs(&mut self) {
        for owner in self.owner_ids() {
            match self.owners[owner].kind {
                OwnerKind::OneOf(id) => {
                    let body = self.body_of(owner);
                    self.within(body, |c| c.lay_out_one_of(owner, id));
                }
                OwnerKind::Header(h) => {
                    let body = self.body_of(owner);
                    self.within(body, |c| c.check_implements(h));
                }
                _ => {}
            }
        }
    }

    fn check_implements(&mut self, h: HeaderId) {
        let ast = self.ast;
        let decl = self.t.headers[h].decl;
        let DeclKind::Header {
            name, implements, ..
        } = &ast.decls[decl].kind
        else {
            return;
        };
        let mut implemented = Vec::new();
        for &ty in implements {
            let resolved = self.resolve(ty);
            match self.kind(resolved) {
                TyKind::OneOf(id) if self.t.one_of[id].members.contains(&h) => implemented.push(id),
                TyKind::OneOf(id) => {
                    implemented.push(id);
                    let interface = self.t.one_of[id].name;
                    let finding = self
                        .at(&codes::E311, ast.types[ty].span)
                        .message(format!(
                            "`{}` does not permit `{}`",
                            self.text(interface),
                            self.text(name.name)
                        ))
                        .label("the interface lists its members")
                        .also(self.one_of_span(id), "declared here");
                    self.report(finding);
                }
                TyKind::Error => {}
                _ => {
                    let finding = self
                        .at(&codes::E311, ast.types[ty].span)
                        .message(format!(
                            "{} is no interface of headers",
                            self.show(resolved)
                        ))
                        .label("a header implements a sealed interface that permits it");
                    self.report(finding);
                }
            }
        }
        for id in self.t.one_of.ids().collect::<Vec<_>>() {
            if self.t.one_of[id].members.contains(&h) && !implemented.contains(&id) {
                let interface = self.text(self.t.one_of[id].name);
                let finding = self
                    .at(&codes::E311, name.span)
                    .message(format!(
                        "`{}` does not implement `{interface}`, which permits it",
                        self.text(name.name)
                    ))
                    .label(format!("implements {interface}"));
                self.report(finding);
            }
        }
    }

    fn lay_out_one_of(&mut self, owner: OwnerId, id: OneOfId) {
        let ast = self.ast;
        let DeclKind::Interface { members, .. } = &ast.decls[self.owners[owner].decl].kind else {
            return;
        };
        for &member in members {
            match &ast.decls[member].kind {
                DeclKind::Field { ty, vars } => {
                    let resolved = self.resolve(*ty);
                    for var in vars {
                        self.shared_field(id, var.name, resolved);
                    }
                }
                _ => {
                    let finding = self
                        .at(&codes::E311, ast.decls[member].span)
                        .message("an interface of headers lists fields")
                        .label("not a field");
                    self.report(finding);
                }
            }
        }
    }

    fn shared_field(&mut self, id: OneOfId, name: Ident, ty: Ty) {
        let members = self.t.one_of[id].members.clone();
        let mut numbers = Vec::new();
        let mut place: Option<u32> = None;
        for h in members {
            let header = self.text(self.t.headers[h].name);
            let found = self.field_of(h, name);
            let row = found.map(|field| &self.t.headers[h].fields[field as usize]);
            let problem = match row {
                None => Some((
                    self.header_name_span(h),
                    format!("{header} has no such field"),
                )),
                Some(f) if f.len.is_some() => Some((f.span, "this is an array".to_string())),
                Some(f) if f.ty != ty => {
                    Some((f.span, format!("in {header} it is {}", self.show(f.ty))))
                }
                Some(f) if place.is_some_and(|place| place != f.bit_offset) => Some((
                    f.span,
                    format!("in {header} it begins at bit {}", f.bit_offset),
                )),
                Some(f) if f.derived.is_some() => {
                    Some((f.span, format!("in {header} the compiler keeps it")))
                }
                Some(_) => None,
            };
            if let Some((span, problem)) = problem {
                if self.kind(ty) != TyKind::Error {
                    let finding = self
                        .at(&codes::E311, name.span)
                        .message(format!(
                            "`{}` is not the same field in all members",
                            self.text(name.name)
                        ))
                        .label("all members have it at one place, with one type")
                        .also(span, problem);
                    self.report(finding);
                }
                return;
            }
            place = row.map(|f| f.bit_offset);
            numbers.extend(found);
        }
        self.t.one_of[id].fields.push((name.name, numbers));
    }

    /// The name in an interface's declaration, for messages.
    pub(crate) fn one_of_span(&self, id: OneOfId) -> Span {
        let decl = self.t.one_of[id].decl;
        match &self.ast.decls[decl].kind {
            DeclKind::Interface { name, .. } => name.span,
            _ => self.ast.decls[decl].span,
        }
    }

    /// The headers that a type of views may stand for.
    pub(crate) fn headers_of(&self, ty: Ty) -> Vec<HeaderId> {
        match self.kind(ty) {
            TyKind::View(h) => vec![h],
            TyKind::OneOf(id) => self.t.one_of[id].members.clone(),
            _ => Vec::new(),
        }
    }

    /// `l4.sport`: a field that all members have.
    pub(crate) fn one_of_field(&mut self, e: ExprId, base: ExprId, id: OneOfId, name: Ident) -> Ty {
        let def = &self.t.one_of[id];
        let found = def.fields.iter().position(|(n, _)| *n == name.name);
        if let Some(at) = found {
            let (header, field) = (def.members[0], def.fields[at].1[0]);
            self.set_res(e, Res::Field { header, field });
            if let Some(view) = self.view_local(base) {
                self.t.locals[view].fields_used |= self.shared_bit(id, at, view);
            }
            return self.t.headers[header].fields[field as usize].ty;
        }
        if self.text(name.name) == "body" {
            if let Some(view) = self.view_local(base) {
                self.t.locals[view].behind_used = true;
            }
            return self.ty(TyKind::BodyOfOne(id));
        }
        let (of, declared) = (self.text(def.name), self.one_of_span(id));
        let names: Vec<Name> = def.fields.iter().map(|(n, _)| *n).collect();
        let members = def.members.clone();
        let owner = members
            .into_iter()
            .find(|&h| self.field_of(h, name).is_some());
        let near = nearest(self.text(name.name), names.iter().map(|&n| self.text(n)));
        let mut finding = self
            .at(&codes::E229, name.span)
            .message(format!("{of} has no field `{}`", self.text(name.name)))
            .label("not in all its members")
            .also(declared, "declared here");
        if let Some(h) = owner {
            let header = self.text(self.t.headers[h].name);
            let view = self.source(base);
            finding = finding.help(format!("{view} instanceof {header} …"));
        } else if let Some(near) = near {
            finding = finding.help(format!("did you mean `{near}`?"));
        }
        self.report(finding);
        Ty::default()
    }

    /// The shared field `at` among the used fields of a view, which may be known to be one member.
    fn shared_bit(&self, id: OneOfId, at: usize, view: LocalId) -> u64 {
        let def = &self.t.one_of[id];
        let member = match self.kind(self.t.locals[view].ty) {
            TyKind::View(h) => def.members.iter().position(|&m| m == h),
            _ => None,
        };
        1 << member.map_or(at as u32, |member| def.fields[at].1[member])
    }

    /// The fields of `view` that are used where it is given to the parameter `param`.
    pub(crate) fn used_through(&self, param: LocalId, view: LocalId) -> u64 {
        let used = self.t.locals[param].fields_used;
        match self.kind(self.t.locals[param].ty) {
            TyKind::OneOf(id) => (0..self.t.one_of[id].fields.len())
                .filter(|at| used >> at & 1 == 1)
                .fold(0, |all, at| all | self.shared_bit(id, at, view)),
            _ => used,
        }
    }

    /// The type of a value that is chosen while packets run, which no header is.
    pub(crate) fn chosen(&mut self, e: ExprId, ty: Ty) -> Ty {
        if self.headers_of(ty).is_empty() {
            return ty;
        }
        let finding = self
            .at(&codes::E226, self.span(e))
            .message(format!("{} is not chosen like a value", self.show(ty)))
            .label("a view stands for one place in the packet")
            .help("choose between values of its fields, or write `if`");
        self.report(finding);
        Ty::default()
    }

    /// The fields of each member that a field of a view stands for: one for a plain view.
    pub(crate) fn fields_behind(
        &self,
        ty: Ty,
        (header, field): (HeaderId, u32),
    ) -> Vec<(HeaderId, u32)> {
        let TyKind::OneOf(id) = self.kind(ty) else {
            return vec![(header, field)];
        };
        let def = &self.t.one_of[id];
        let row = def
            .fields
            .iter()
            .find(|(_, numbers)| numbers.first() == Some(&field));
        let numbers = row.map_or(&[][..], |(_, numbers)| numbers);
        def.members
            .iter()
            .copied()
            .zip(numbers.iter().copied())
            .collect()
    }

    /// Whether matching this header can find more than that its fixed part is there.
    pub(crate) fn asks_more(&self, h: HeaderId) -> bool {
        let header = &self.t.headers[h];
        !header.valid.is_empty() || header.fields.iter().any(|f| f.len.is_some())
    }
}
