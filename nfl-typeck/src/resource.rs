//! Resources: state on the node that a function names.
//!
//! In: fields of functions whose type the library declares as a record with methods that have no
//! body. Out: their rows. Guaranteed: keys and values have a fixed size, and every size is a
//! constant or a parameter that is known before the function is deployed.

use crate::check::{Body, Checker, OwnerId, OwnerKind};
use crate::tables::{FunctionId, Res, ResourceDef, ResourceId};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::ResourceKind;
use nfl_syntax::ast::{
    Arg, DeclId, DeclKind, Declarator, ExprId, ExprKind, Ident, Modifier, ParamId, TypeArg, TypeId,
    TypeKind,
};
use nfl_syntax::{Name, Span};

/// The resource types of the library, by qualified name.
const KINDS: &[(&str, ResourceKind)] = &[
    ("nfl.table.Table", ResourceKind::Table),
    ("nfl.table.LpmTable", ResourceKind::Lpm),
    ("nfl.table.TernaryTable", ResourceKind::Ternary),
    ("nfl.table.Set", ResourceKind::Set),
    ("nfl.table.RingSet", ResourceKind::Ring),
    ("nfl.table.Counter", ResourceKind::Counter),
    ("nfl.table.Counters", ResourceKind::Counters),
    ("nfl.table.Meter", ResourceKind::Meter),
    ("nfl.table.Register", ResourceKind::Register),
    ("nfl.flow.FlowTable", ResourceKind::FlowTable),
    ("nfl.flow.FlowSet", ResourceKind::FlowSet),
    ("nfl.flow.FlowState", ResourceKind::FlowState),
    ("nfl.flow.SlotTable", ResourceKind::Slots),
    ("nfl.path.Tags", ResourceKind::Tags),
    ("nfl.path.Topic", ResourceKind::Topic),
];

/// The most resources an image can name.
const RESOURCES_MAX: usize = 64;
/// The most entries a resource may have.
const CAPACITY_MAX: i128 = 1 << 24;

/// What the record of this qualified name is, if it is a resource.
pub(crate) fn kind_of(qualified: &str) -> Option<ResourceKind> {
    KINDS
        .iter()
        .find(|(name, _)| *name == qualified)
        .map(|(_, kind)| *kind)
}

/// A written resource type.
struct Written<'a> {
    owner: OwnerId,
    kind: ResourceKind,
    args: &'a [TypeArg],
    /// `[n]` behind it.
    count: Option<ExprId>,
    span: Span,
}

/// What stands in the parentheses of a resource.
#[derive(Clone, Copy, Default)]
struct Sizes {
    capacity: Option<ExprId>,
    idle: Option<ExprId>,
    slots: Option<ExprId>,
}

impl<'a> Checker<'a> {
    /// Gives the sizes that the library proposes their types.
    pub(crate) fn declare_resource_kinds(&mut self) {
        let ast = self.ast;
        for owner in self.owner_ids() {
            let (OwnerKind::Resource(_), DeclKind::Record { params, .. }) = (
                self.owners[owner].kind,
                &ast.decls[self.owners[owner].decl].kind,
            ) else {
                continue;
            };
            self.within(self.body_of(owner), |c| {
                for &param in params {
                    let p = &ast.params[param];
                    let ty = c.resolve(p.ty);
                    if let Some(default) = p.default {
                        c.coerce(default, ty);
                    }
                }
            });
        }
    }

    /// The resource that a type name means, if it does.
    pub(crate) fn resource_owner(&self, ty: TypeId) -> Option<(OwnerId, ResourceKind)> {
        let TypeKind::Named { path, .. } = &self.ast.types[ty].kind else {
            return None;
        };
        let [name] = path.as_slice() else {
            return None;
        };
        match self.type_name(name.name) {
            crate::resolve::TypeName::Owner(owner) => match self.owners[owner].kind {
                OwnerKind::Resource(kind) => Some((owner, kind)),
                _ => None,
            },
            _ => None,
        }
    }

    fn written_resource(&self, ty: TypeId) -> Option<Written<'a>> {
        let ast = self.ast;
        let (inner, count) = match ast.types[ty].kind {
            TypeKind::Array { elem, len } => (elem, Some(len)),
            _ => (ty, None),
        };
        let (owner, kind) = self.resource_owner(inner)?;
        let TypeKind::Named { args, .. } = &ast.types[inner].kind else {
            return None;
        };
        Some(Written {
            owner,
            kind,
            args,
            count,
            span: ast.types[ty].span,
        })
    }

    /// Declares the resources of a field, if its type is one. Answers whether it is.
    pub(crate) fn declare_resources(
        &mut self,
        f: FunctionId,
        member: DeclId,
        ty: TypeId,
        vars: &[Declarator],
    ) -> bool {
        let Some(written) = self.written_resource(ty) else {
            return false;
        };
        self.warn_deprecated_type(written.owner, written.span);
        self.bad_modifiers(member, &[Modifier::Private, Modifier::Public]);
        let (key, value) = self.resource_types(&written);
        let count = written
            .count
            .and_then(|len| self.resource_count(&written, len));
        for var in vars {
            let sizes = self.sizes(&written, var);
            let function = &self.t.functions[f];
            let earlier = function.resources.iter().map(|&r| &self.t.resources[r]);
            let earlier = earlier
                .map(|r| (r.name, r.span))
                .chain(
                    function
                        .carried
                        .iter()
                        .map(|&c| (self.t.carried[c].name, self.t.carried[c].span)),
                )
                .find(|(name, _)| *name == var.name.name);
            if let Some((_, earlier)) = earlier {
                self.twice(var.name, earlier);
            }
            let qualified = format!(
                "{}.{}",
                self.t.functions[f].qualified,
                self.text(var.name.name)
            );
            let id = self.t.resources.push(ResourceDef {
                name: var.name.name,
                span: var.name.span,
                qualified,
                kind: written.kind,
                key,
                value,
                capacity: sizes.capacity,
                idle: sizes.idle,
                slots: sizes.slots,
                count,
            });
            let all = &mut self.t.functions[f].resources;
            all.push(id);
            if all.len() == RESOURCES_MAX + 1 {
                let finding = self
                    .at(&codes::E606, var.name.span)
                    .message(format!("a function has at most {RESOURCES_MAX} resources"));
                self.report(finding.label("one too many"));
            }
            if let Some(init) = var.init {
                let ty = self.ty(TyKind::Resource(id));
                self.set_ty(init, ty);
            }
        }
        true
    }

    /// The types of keys and values that are written in `<…>`.
    fn resource_types(&mut self, written: &Written<'_>) -> (Option<Ty>, Option<Ty>) {
        let ast = self.ast;
        let DeclKind::Record { type_params, .. } = &ast.decls[self.owners[written.owner].decl].kind
        else {
            return (None, None);
        };
        if type_params.len() != written.args.len() {
            let names: Vec<&str> = type_params.iter().map(|p| self.text(p.name.name)).collect();
            let name = self.text(self.owners[written.owner].name.name);
            let form = match names.as_slice() {
                [] => name.to_string(),
                names => format!("{name}<{}>", names.join(", ")),
            };
            let finding = self
                .at(&codes::E226, written.span)
                .message(format!("this is written `{form}`"))
                .label(format!(
                    "{} type argument{}",
                    written.args.len(),
                    if written.args.len() == 1 { "" } else { "s" }
                ));
            self.report(finding);
        }
        // Where the library leaves no choice, its methods say the types.
        let (mut key, mut value) = match written.kind {
            ResourceKind::Tags => {
                let tag = self.ty(TyKind::Unsigned(32));
                (Some(tag), Some(self.ty(TyKind::Port)))
            }
            ResourceKind::Topic => (Some(self.ty(TyKind::Port)), None),
            _ => (None, None),
        };
        for (index, param) in type_params.iter().enumerate() {
            let is_key = self.text(param.name.name) == "K";
            let ty = match written.args.get(index) {
                Some(TypeArg::Type(ty)) => {
                    let span = ast.types[*ty].span;
                    let ty = self.resolve(*ty);
                    self.keepable(ty, written.kind, is_key, span)
                }
                _ => Ty::default(),
            };
            *(if is_key { &mut key } else { &mut value }) = Some(ty);
        }
        (key, value)
    }

    /// A type whose values can lie in a resource, else the error type after a report.
    fn keepable(&mut self, ty: Ty, kind: ResourceKind, is_key: bool, span: Span) -> Ty {
        let found = self.kind(ty);
        if found == TyKind::Error {
            return ty;
        }
        let why = match (kind, found) {
            (_, TyKind::FlowKey) if is_key => None,
            (_, TyKind::FlowKey) => {
                Some("a flow is known by its key while a packet runs, and cannot be stored")
            }
            (ResourceKind::Lpm, TyKind::Ip4 | TyKind::Ip6) => None,
            (ResourceKind::Lpm, _) if is_key => Some("prefixes are those of `Ip4` and `Ip6`"),
            (ResourceKind::Register, _) if self.stored_size(ty).is_some_and(|n| n > 8) => {
                Some("a register holds at most 8 bytes")
            }
            _ if self.stored_size(ty).is_none() => {
                Some("only numbers, addresses, enums, and records and arrays of them can")
            }
            _ => None,
        };
        let Some(why) = why else { return ty };
        let what = if is_key { "key" } else { "value" };
        let finding = self
            .at(&codes::E606, span)
            .message(format!(
                "{} cannot be the {what} of a resource",
                self.show(ty)
            ))
            .label(why);
        self.report(finding);
        Ty::default()
    }

    /// The bytes that values of a type take in memory; nothing for what cannot lie there.
    /// Where lengths depend on parameters, as if those were 1.
    pub(crate) fn stored_size(&self, ty: Ty) -> Option<u32> {
        match self.kind(ty) {
            TyKind::Array(elem, len) => {
                let count = match len {
                    Len::Known(n) => n,
                    Len::Template(_) => 1,
                };
                Some(self.stored_size(elem)?.saturating_mul(count))
            }
            TyKind::Record(record) => {
                let components = &self.t.records[record].components;
                components.iter().try_fold(0u32, |sum, c| {
                    Some(sum.saturating_add(self.stored_size(c.ty)?))
                })
            }
            TyKind::Mac => Some(6),
            _ => Some(match self.t.types.bits(ty)? {
                0..=8 => 1,
                9..=16 => 2,
                17..=32 => 4,
                33..=64 => 8,
                _ => 16,
            }),
        }
    }

    /// `[n]` behind a register or counter.
    fn resource_count(&mut self, written: &Written<'_>, len: ExprId) -> Option<Len> {
        if !matches!(written.kind, ResourceKind::Register | ResourceKind::Counter) {
            let finding = self
                .at(&codes::E606, written.span)
                .message("only registers and counters come in arrays")
                .label("this has keys of its own");
            self.report(finding);
            return None;
        }
        let word = self.ty(TyKind::Unsigned(32));
        let array = self.array(word, len, written.span);
        match self.kind(array) {
            TyKind::Array(_, known) => Some(known),
            _ => None,
        }
    }

    /// `LpmTable(4096)`, or nothing.
    fn sizes(&mut self, written: &Written<'_>, var: &Declarator) -> Sizes {
        let ast = self.ast;
        let DeclKind::Record { params, .. } = &ast.decls[self.owners[written.owner].decl].kind
        else {
            return Sizes::default();
        };
        let none: &[Arg] = &[];
        let args = match var
            .init
            .map(|init| (init, &ast.exprs[self.bare(init)].kind))
        {
            None => none,
            Some((_, ExprKind::Construct { ty, args })) if self.same_resource(*ty, written) => args,
            Some((_, ExprKind::Type(ty))) if self.same_resource(*ty, written) => none,
            Some((init, _)) => {
                let name = self.text(self.owners[written.owner].name.name);
                let finding = self
                    .at(&codes::E606, self.span(init))
                    .message("a resource is made by its own name")
                    .label("not a resource")
                    .help(format!("{name}(…)"));
                self.report(finding);
                return Sizes::default();
            }
        };
        let span = var.init.map_or(var.name.span, |init| self.span(init));
        let mut given: Vec<Option<ExprId>> = vec![None; params.len()];
        for (at, arg) in args.iter().enumerate() {
            let place = match arg.name {
                None => Some(at).filter(|&at| at < params.len()),
                Some(name) => params
                    .iter()
                    .position(|&p| ast.params[p].name.name == name.name),
            };
            match place {
                Some(place) if given[place].is_none() => given[place] = Some(arg.value),
                _ => {
                    let finding = self
                        .at(&codes::E213, self.span(arg.value))
                        .label(self.made_of(written, params));
                    self.report(finding);
                }
            }
        }
        let mut sizes = Sizes::default();
        for (&param, given) in params.iter().zip(given) {
            let p = &ast.params[param];
            let Some(e) = given.or(p.default) else {
                let finding = self
                    .at(&codes::E213, span)
                    .message(format!("`{}` is missing", self.text(p.name.name)))
                    .label(self.made_of(written, params));
                self.report(finding);
                continue;
            };
            let ty = self.resolve(p.ty);
            match self.text(p.name.name) {
                "capacity" => sizes.capacity = self.size(e, ty, 1, CAPACITY_MAX),
                "idle" => sizes.idle = self.size(e, ty, 1, i128::from(u64::MAX)),
                _ => sizes.slots = self.slot_range(e, ty),
            }
        }
        sizes
    }

    fn same_resource(&self, ty: TypeId, written: &Written<'_>) -> bool {
        self.resource_owner(ty)
            .is_some_and(|(o, _)| o == written.owner)
    }

    /// How a resource is made, for messages.
    fn made_of(&self, written: &Written<'_>, params: &[ParamId]) -> String {
        let name = |p: &ParamId| self.text(self.ast.params[*p].name.name);
        let names: Vec<&str> = params.iter().map(name).collect();
        let of = self.text(self.owners[written.owner].name.name);
        format!("made as `{of}({})`", names.join(", "))
    }

    /// A constant or a parameter that is known when the function is deployed.
    fn size(&mut self, e: ExprId, ty: Ty, lo: i128, hi: i128) -> Option<ExprId> {
        let found = self.coerce(e, ty);
        if self.kind(found) == TyKind::Error {
            return None;
        }
        if let Res::Template(template) = self.t.expr_res[self.bare(e)] {
            if !self.t.templates[template].late {
                return Some(e);
            }
            let declared = self.t.templates[template].span;
            let finding = self
                .at(&codes::E222, self.span(e))
                .label("a resource is made before `late` parameters are filled in")
                .also(declared, "declared `late` here");
            self.report(finding);
            return None;
        }
        match self.t.konst[e].as_ref().and_then(crate::konst::int) {
            Some(n) if (lo..=hi).contains(&n) => Some(e),
            Some(n) => {
                let finding = self
                    .at(&codes::E606, self.span(e))
                    .message(format!("a resource cannot have a size of {n}"))
                    .label(format!("from {lo} to {hi}"));
                self.report(finding);
                None
            }
            None => {
                self.not_constant(e);
                None
            }
        }
    }

    /// `1024..65535`
    fn slot_range(&mut self, e: ExprId, ty: Ty) -> Option<ExprId> {
        let ExprKind::Range { lo, hi } = self.ast.exprs[self.bare(e)].kind else {
            let finding = self
                .at(&codes::E606, self.span(e))
                .message("the numbers of slots are a range")
                .label("like `1024..65535`");
            self.report(finding);
            return None;
        };
        self.set_ty(e, ty);
        let first = self.size(lo, ty, 0, 0xffff)?;
        let last = self.size(hi, ty, 0, 0xffff)?;
        let number = |e: ExprId| self.t.konst[e].as_ref().and_then(crate::konst::int);
        if let (Some(lo), Some(hi)) = (number(first), number(last))
            && lo > hi
        {
            let finding = self
                .at(&codes::E214, self.span(e))
                .label(format!("{lo} is above {hi}"));
            self.report(finding);
            return None;
        }
        Some(e)
    }

    /// The type of a resource's name: itself, or an array of it.
    pub(crate) fn resource_ty(&mut self, id: ResourceId) -> Ty {
        let one = self.ty(TyKind::Resource(id));
        match self.t.resources[id].count {
            Some(len) => self.ty(TyKind::Array(one, len)),
            None => one,
        }
    }

    /// The declaration of a kind of resource.
    pub(crate) fn owner_of_kind(&self, kind: ResourceKind) -> Option<OwnerId> {
        let mut all = self.owners.iter();
        all.find(|(_, o)| o.kind == OwnerKind::Resource(kind))
            .map(|(id, _)| id)
    }

    /// The type parameters of a resource's declaration as its key and value.
    pub(crate) fn resource_args(&self, id: ResourceId, owner: OwnerId) -> Vec<(Name, Ty)> {
        let DeclKind::Record { type_params, .. } = &self.ast.decls[self.owners[owner].decl].kind
        else {
            return Vec::new();
        };
        let resource = &self.t.resources[id];
        let ty = |name: Ident| {
            let is_key = self.text(name.name) == "K";
            let ty = if is_key { resource.key } else { resource.value };
            (name.name, ty.unwrap_or_default())
        };
        type_params.iter().map(|p| ty(p.name)).collect()
    }

    /// The body in which the signatures of a resource's methods are read.
    pub(crate) fn resource_body(&self, id: ResourceId, owner: OwnerId) -> Body {
        Body {
            fields_only: true,
            type_args: self.resource_args(id, owner),
            ..self.body_of(owner)
        }
    }
}
