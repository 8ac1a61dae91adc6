//! What names in expressions mean.
//!
//! In: plain names, constants, members of types. Out: their meaning and type. A plain name is, in
//! this order, a variable, a field of the header at hand, a parameter, `carried` memory, a constant.

use crate::check::{Checker, Naming, OwnerId, OwnerKind, Visibility};
use crate::konst;
use crate::resolve::nearest;
use crate::tables::{ConstId, HeaderId, Konst, ReasonId, Res};
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::image::REASONS;
use nfl_abi::{Layer, codes};
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{ExprId, Ident, TypeId, TypeKind};
use nfl_syntax::{Name, Span};

impl Checker<'_> {
    pub(crate) fn name(&mut self, e: ExprId, name: Name) -> Ty {
        let span = self.span(e);
        if let Some(local) = self.in_scope(name) {
            self.set_res(e, Res::Local(local));
            self.use_local(local, span);
            return self.t.locals[local].ty;
        }
        if let Some(this) = self.body.this
            && let TyKind::Record(id) = self.kind(self.t.locals[this].ty)
            && let Some(at) = self.t.records[id]
                .components
                .iter()
                .position(|c| c.name == name)
        {
            let index = at as u32;
            self.set_res(e, Res::OwnComponent { this, index });
            return self.t.records[id].components[at].ty;
        }
        let ident = Ident { name, span };
        match self.body.naming {
            Naming::Own(h) => {
                if let Some(field) = self.field_of(h, ident) {
                    return self.own_field(e, h, field);
                }
            }
            Naming::Edge {
                parent: Some(h), ..
            } => {
                if let Some(field) = self.field_of(h, ident) {
                    return self.parent_field(e, h, field);
                }
            }
            Naming::Edge { parent: None, .. } if self.text(name) == "layer" => {
                self.set_res(e, Res::Layer);
                return self.ty(TyKind::Layer);
            }
            _ => {}
        }
        if let Some(f) = self.function() {
            let function = &self.t.functions[f];
            let templates = &self.t.templates;
            if let Some(&t) = function.params.iter().find(|&&t| templates[t].name == name) {
                self.set_res(e, Res::Template(t));
                return self.t.templates[t].ty;
            }
            let carried = &self.t.carried;
            if let Some(&c) = function.carried.iter().find(|&&c| carried[c].name == name) {
                self.set_res(e, Res::Carried(c));
                self.body.summary.carried.get_or_insert(span);
                return self.t.carried[c].ty;
            }
            let resources = &self.t.resources;
            let mut all = function.resources.iter();
            if let Some(&r) = all.find(|&&r| resources[r].name == name) {
                self.set_res(e, Res::Resource(r));
                return self.resource_ty(r);
            }
        }
        if self.look_up_const(name).is_some() {
            return self.const_name(e, name, None);
        }
        if self.text(name) == "node" && self.body.naming == Naming::Body {
            return self.ty(TyKind::Node);
        }
        let refused = |owner| self.owners[owner].refused.contains(&name);
        if !self.body.owner.is_some_and(refused) {
            self.unknown_name(name, span);
        }
        Ty::default()
    }

    fn unknown_name(&mut self, name: Name, span: Span) {
        let text = self.text(name);
        let mut all: Vec<Name> = self.body.scope.iter().map(|(n, _)| *n).collect();
        if let Some(f) = self.function() {
            let f = &self.t.functions[f];
            all.extend(f.params.iter().map(|&t| self.t.templates[t].name));
            all.extend(f.carried.iter().map(|&c| self.t.carried[c].name));
            all.extend(f.resources.iter().map(|&r| self.t.resources[r].name));
        }
        if let Naming::Own(h)
        | Naming::Edge {
            parent: Some(h), ..
        } = self.body.naming
        {
            all.extend(self.t.headers[h].fields.iter().map(|f| f.name));
        }
        let near = nearest(text, all.into_iter().map(|n| self.text(n)));
        let mut finding = self
            .at(&codes::E201, span)
            .message(format!("there is no `{text}` here"))
            .label("unknown");
        if let Some(near) = near {
            finding = Checker::meant(finding, span, near);
        }
        self.report(finding);
    }

    /// A field of the header whose condition, length or method this is.
    pub(crate) fn own_field(&mut self, e: ExprId, header: HeaderId, field: u32) -> Ty {
        self.set_res(e, Res::OwnField { header, field });
        self.body.summary.own_fields |= 1 << field;
        self.field_value(e, header, field)
    }

    pub(crate) fn parent_field(&mut self, e: ExprId, header: HeaderId, field: u32) -> Ty {
        self.set_res(e, Res::ParentField { header, field });
        self.field_value(e, header, field)
    }

    /// The type of a field that is read; arrays are not read as a whole.
    pub(crate) fn field_value(&mut self, e: ExprId, header: HeaderId, field: u32) -> Ty {
        let field = &self.t.headers[header].fields[field as usize];
        let (ty, array) = (field.ty, field.len.is_some());
        if array {
            if self.body.fields_only {
                let finding = self
                    .at(&codes::E236, self.span(e))
                    .label("made of fields, constants and operators only");
                self.report(finding);
                return Ty::default();
            }
            return self.ty(TyKind::Bytes);
        }
        ty
    }

    pub(crate) fn const_name(&mut self, e: ExprId, name: Name, want: Option<Ty>) -> Ty {
        let span = self.span(e);
        if let Some(id) = self.look_up_const(name) {
            return self.const_ref(e, id, span);
        }
        let text = self.text(name);
        let wanted = want.map(|w| self.kind(w));
        let expected = match wanted {
            Some(TyKind::Enum(id, _)) => Some(id),
            _ => None,
        };
        let around = self.body.owner.map(|o| self.owners[o].kind);
        let own = match around {
            Some(OwnerKind::Enum(id)) => Some(id),
            _ => None,
        };
        for id in expected.into_iter().chain(own) {
            if let Some(ty) = self.enum_const(e, id, Ident { name, span }) {
                return ty;
            }
        }
        if wanted == Some(TyKind::Reason)
            && let Some(number) = REASONS.iter().position(|r| *r == text)
        {
            return self.reason(e, ReasonId::new(number));
        }
        if let (Some(TyKind::Layer), Some(layer)) = (wanted, Layer::from_text(text)) {
            self.set_res(e, Res::LayerConst(layer));
            return self.ty(TyKind::Layer);
        }
        self.find_const(name, span);
        Ty::default()
    }

    fn reason(&mut self, e: ExprId, reason: ReasonId) -> Ty {
        self.set_res(e, Res::Reason(reason));
        self.set_konst(e, Some(Konst::Reason(reason)));
        self.ty(TyKind::Reason)
    }

    fn const_ref(&mut self, e: ExprId, id: ConstId, span: Span) -> Ty {
        self.warn_deprecated_const(id, span);
        let value = self.const_value(id, span);
        let ty = self.t.consts[id].ty;
        if let Some(Konst::Reason(reason)) = value {
            return self.reason(e, reason);
        }
        self.set_res(e, Res::Const(id));
        if value.is_none() {
            // Why it has no value was said where it is declared.
            return Ty::default();
        }
        self.set_konst(e, value);
        ty
    }

    /// `Shared.ADMIN`, `Reason.POLICY`.
    pub(crate) fn static_field(&mut self, e: ExprId, ty: TypeId, name: Ident) -> Ty {
        let TypeKind::Named { path, .. } = &self.ast.types[ty].kind else {
            return Ty::default();
        };
        let text = self.text(name.name);
        match self.find_type(path, self.ast.types[ty].span) {
            None => Ty::default(),
            Some(FoundType::Owner(owner)) => {
                if let OwnerKind::Enum(id) = self.owners[owner].kind
                    && let Some(ty) = self.enum_const(e, id, name)
                {
                    return ty;
                }
                match self.owners[owner].consts.get(&name.name) {
                    Some(&id) => {
                        let declared = self.t.consts[id].span;
                        self.visible(self.const_info[id].visibility, owner, name, declared);
                        self.const_ref(e, id, name.span)
                    }
                    None => self.no_member(name, self.text(self.owners[owner].name.name)),
                }
            }
            Some(FoundType::Ty(ty)) => match self.kind(ty) {
                TyKind::Reason if REASONS.contains(&text) => {
                    let number = REASONS.iter().position(|r| *r == text).unwrap_or(0);
                    self.reason(e, ReasonId::new(number))
                }
                _ if matches!(text, "MIN" | "MAX") => match konst::range(&self.t.types, ty) {
                    Some((lo, hi)) => {
                        let value = if text == "MIN" { lo } else { hi };
                        self.set_res(e, Res::Limit);
                        self.set_konst(e, Some(Konst::Int(value)));
                        ty
                    }
                    None => self.no_member(name, &self.show(ty)),
                },
                _ => self.no_member(name, &self.show(ty)),
            },
        }
    }

    /// The declaration of the file that an owner stands in.
    fn outermost(&self, mut owner: OwnerId) -> OwnerId {
        while let Some(parent) = self.owners[owner].parent {
            owner = parent;
        }
        owner
    }

    /// Reports a member that may not be named here.
    pub(crate) fn visible(
        &mut self,
        visibility: Visibility,
        owner: OwnerId,
        name: Ident,
        declared: Span,
    ) {
        let package = self.units.get(self.body.unit).map(|u| u.package);
        let good = match visibility {
            Visibility::Public => true,
            Visibility::Package => package == Some(self.owners[owner].package),
            Visibility::Private => {
                let own = self.body.owner.map(|own| self.outermost(own));
                own == Some(self.outermost(owner))
            }
        };
        if !good {
            let finding = self
                .at(&codes::E209, name.span)
                .message(format!("`{}` is not visible here", self.text(name.name)))
                .label("used from outside")
                .also(declared, "declared here");
            self.report(finding);
        }
    }
}
