//! Records: flat values with named components.
//!
//! In: `record` declarations, with type arguments where they are generic. Out: a row for each list
//! of arguments, made when it is first asked for. Guaranteed: a record is not part of itself, so
//! every value has a size.

use crate::args::Parameter;
use crate::check::{Body, Checker, NESTING_MAX, OwnerId, OwnerKind};
use crate::tables::{Component, Konst, RecordDef, RecordId, Res};
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::ast::{Arg, DeclKind, ExprId, Ident, TypeId, TypeKind};

impl Checker<'_> {
    /// Makes the rows of everything that is not generic, so that each declaration is checked.
    pub(crate) fn declare_types(&mut self) {
        for owner in self.owner_ids() {
            if let OwnerKind::Enum(id) = self.owners[owner].kind {
                self.declare_enum(owner, id);
            }
        }
        for owner in self.owner_ids() {
            let span = self.owners[owner].name.span;
            let plain = self.type_params(owner).is_empty();
            match self.owners[owner].kind {
                OwnerKind::Record if plain => {
                    self.instance(owner, Vec::new(), span);
                }
                OwnerKind::Interface if plain && self.is_sealed(owner) => {
                    self.instance(owner, Vec::new(), span);
                }
                _ => {}
            }
        }
    }

    /// The type that a record or sealed interface is with these type arguments.
    pub(crate) fn instance(&mut self, owner: OwnerId, args: Vec<Ty>, span: Span) -> Ty {
        if self.waiting > NESTING_MAX {
            self.too_deep(span);
            return Ty::default();
        }
        match self.owners[owner].kind {
            OwnerKind::Record => {
                let id = self.record(owner, args);
                self.ty(TyKind::Record(id))
            }
            _ => self.sealed(owner, args, span),
        }
    }

    /// A type as it is written with its arguments.
    pub(crate) fn label(&self, owner: OwnerId, args: &[Ty]) -> String {
        let name = self.text(self.owners[owner].name.name).to_string();
        if args.is_empty() {
            return name;
        }
        let args: Vec<String> = args.iter().map(|&ty| self.show(ty)).collect();
        format!("{name}<{}>", args.join(", "))
    }

    /// The row of a record with these type arguments.
    fn record(&mut self, owner: OwnerId, args: Vec<Ty>) -> RecordId {
        let decl = self.owners[owner].decl;
        let same = |r: &RecordDef| r.decl == decl && r.args == args;
        let known = self.t.records.iter().find(|(_, r)| same(r));
        if let Some((id, _)) = known {
            return id;
        }
        let id = self.t.records.push(RecordDef {
            name: self.owners[owner].name.name,
            qualified: self.qualified_owner(owner),
            decl,
            args: args.clone(),
            components: Vec::new(),
        });
        let ty = self.ty(TyKind::Record(id));
        let label = self.label(owner, &args);
        self.t.types.name(ty, label);
        let body = Body {
            fields_only: true,
            ..self.body_with(owner, &args)
        };
        self.within(body, |c| {
            c.components(id, ty);
            c.implement(owner, ty);
        });
        self.methods_of_instance(owner, ty, &args);
        id
    }

    fn components(&mut self, id: RecordId, own: Ty) {
        let ast = self.ast;
        let DeclKind::Record { params, .. } = &ast.decls[self.t.records[id].decl].kind else {
            return;
        };
        let mut components: Vec<Component> = Vec::with_capacity(params.len());
        for &param in params {
            let p = &ast.params[param];
            let at = ast.types[p.ty].span;
            let mut ty = self.resolve(p.ty);
            if !self.is_type_param(p.ty) {
                ty = self.valued(ty, at, "a component of a record");
            }
            if self.contains(ty, own) {
                self.part_of_itself(own, at);
                ty = Ty::default();
            }
            if let Some(&(_, span)) = p.modifiers.first() {
                let finding = self
                    .at(&codes::E231, span)
                    .message("the components of a record are always final")
                    .label("not in this place");
                self.report(finding);
            }
            if let Some(earlier) = components.iter().find(|c| c.name == p.name.name) {
                self.twice(p.name, earlier.span);
            }
            if let Some(default) = p.default {
                self.constant(default, ty);
            }
            components.push(Component {
                name: p.name.name,
                span: p.name.span,
                ty,
                default: p.default,
                wire: false,
            });
        }
        self.t.records[id].components = components;
    }

    /// Whether a written type is a type parameter.
    fn is_type_param(&self, written: TypeId) -> bool {
        match &self.ast.types[written].kind {
            TypeKind::Named { path, .. } => match path.as_slice() {
                [name] => self.body.type_args.iter().any(|(p, _)| *p == name.name),
                _ => false,
            },
            _ => false,
        }
    }

    /// Reports a type whose values would hold values of the type itself.
    pub(crate) fn part_of_itself(&mut self, own: Ty, at: Span) {
        let name = self.show(own);
        let finding = self
            .at(&codes::E240, at)
            .message(format!("`{name}` would be part of itself"))
            .label("and so it would never end");
        self.report(finding);
    }

    /// Whether values of `whole` hold values of `part`.
    pub(crate) fn contains(&self, whole: Ty, part: Ty) -> bool {
        if whole == part {
            return true;
        }
        match self.kind(whole) {
            TyKind::Record(id) => {
                let components = &self.t.records[id].components;
                components.iter().any(|c| self.contains(c.ty, part))
            }
            TyKind::Sealed(id) => {
                let members = &self.t.sealed[id].members;
                members.iter().any(|&m| {
                    let components = &self.t.records[m].components;
                    components.iter().any(|c| self.contains(c.ty, part))
                })
            }
            TyKind::Array(elem, _) => self.contains(elem, part),
            _ => false,
        }
    }

    /// The record that `Name(…)` makes, its type arguments found from what is wanted or given.
    pub(crate) fn record_to_make(
        &mut self,
        e: ExprId,
        ty: TypeId,
        args: Option<&[Arg]>,
        want: Option<Ty>,
    ) -> Option<RecordId> {
        let ast = self.ast;
        let TypeKind::Named {
            path,
            args: written,
        } = &ast.types[ty].kind
        else {
            return None;
        };
        let span = ast.types[ty].span;
        let FoundType::Owner(owner) = self.find_type(path, span)? else {
            return None;
        };
        let params = self.type_params(owner);
        let types = if params.is_empty() || !written.is_empty() {
            if params.is_empty() && !written.is_empty() {
                self.resolve(ty);
            }
            if params.is_empty() {
                Vec::new()
            } else {
                self.type_args(owner, written, span)?
            }
        } else if let Some(id) = want.and_then(|want| self.wanted(owner, want)) {
            return Some(id);
        } else if want.is_some_and(|want| self.kind(want) == TyKind::Error) {
            // What was wanted is a mistake that was reported.
            return None;
        } else {
            self.infer(e, owner, args.unwrap_or_default())?
        };
        match self.instance(owner, types, span) {
            ty if self.kind(ty) == TyKind::Error => None,
            ty => match self.kind(ty) {
                TyKind::Record(id) => Some(id),
                _ => None,
            },
        }
    }

    /// The instance of a record that serves as a `want`.
    fn wanted(&self, owner: OwnerId, want: Ty) -> Option<RecordId> {
        let decl = self.owners[owner].decl;
        let is = |&id: &RecordId| self.t.records[id].decl == decl;
        match self.kind(want) {
            TyKind::Record(id) => Some(id).filter(is),
            TyKind::Sealed(id) => self.t.sealed[id].members.iter().copied().find(is),
            _ => None,
        }
    }

    /// Type arguments from the types of what a constructor is given.
    fn infer(&mut self, e: ExprId, owner: OwnerId, args: &[Arg]) -> Option<Vec<Ty>> {
        let ast = self.ast;
        let DeclKind::Record { params, .. } = &ast.decls[self.owners[owner].decl].kind else {
            return None;
        };
        let names: Vec<_> = self
            .type_params(owner)
            .iter()
            .map(|p| p.name.name)
            .collect();
        let mut solved = vec![None; names.len()];
        for (index, arg) in args.iter().enumerate() {
            let param = match arg.name {
                Some(name) => params
                    .iter()
                    .find(|&&p| ast.params[p].name.name == name.name),
                None => params.get(index),
            };
            let Some(&param) = param else { continue };
            if self.is_flexible(arg.value) {
                continue;
            }
            let found = self.expr(arg.value, None);
            if self.kind(found) == TyKind::Error {
                return None;
            }
            let body = self.body_of(owner);
            self.within(body, |c| {
                c.unify(ast.params[param].ty, found, &names, &mut solved)
            });
        }
        if let Some(at) = solved.iter().position(Option::is_none) {
            let name = self.text(self.owners[owner].name.name);
            let open = self.text(names[at]);
            let finding = self
                .at(&codes::E242, self.span(e))
                .message(format!("nothing says what `{open}` of `{name}` is"))
                .label("its type arguments are not known here")
                .help(format!(
                    "write them: {name}<…>(…), or give the variable a type"
                ));
            self.report(finding);
            return None;
        }
        let types: Vec<Ty> = solved.into_iter().flatten().collect();
        let spans = vec![self.span(e); types.len()];
        self.within_bounds(owner, &types, &spans).then_some(types)
    }

    /// `Name(args)`, or `Name` alone.
    pub(crate) fn make_record(&mut self, e: ExprId, id: RecordId, args: &[Arg]) -> Ty {
        let ty = self.ty(TyKind::Record(id));
        self.set_res(e, Res::Record(id));
        let def = self.t.records[id].clone();
        let params: Vec<Parameter> = def
            .components
            .iter()
            .map(|c| Parameter {
                name: c.name,
                ty: c.ty,
                default: c.default,
            })
            .collect();
        let what = self.show(ty);
        let Some(args) = self.order_args(e, &what, &params, args) else {
            return ty;
        };
        let values: Option<Vec<Konst>> = args.iter().map(|&a| self.t.konst[a].clone()).collect();
        self.set_konst(e, values.map(|values| Konst::Record(id, values)));
        ty
    }

    /// `base.name` of a record.
    pub(crate) fn component(&mut self, e: ExprId, base: ExprId, id: RecordId, name: Ident) -> Ty {
        let components = &self.t.records[id].components;
        let Some(index) = components.iter().position(|c| c.name == name.name) else {
            let ty = self.ty(TyKind::Record(id));
            return self.no_member(name, &self.show(ty));
        };
        let ty = components[index].ty;
        self.set_res(e, Res::Component(index as u32));
        if let Some(Konst::Record(_, values)) = &self.t.konst[base] {
            let value = values.get(index).cloned();
            self.set_konst(e, value);
        }
        ty
    }
}
