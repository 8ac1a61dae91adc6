//! Written types.
//!
//! In: a type as it is written. Out: the type it means; the error type after a report.

use crate::check::{Checker, OwnerId, OwnerKind, Visibility};
use crate::resolve::TypeName;
use crate::tables::{Konst, Res};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{ConstArg, ExprId, ExprKind, Ident, TypeArg, TypeId, TypeKind};
use nfl_syntax::{Diagnostic, Span};

/// What a type name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FoundType {
    /// A type.
    Ty(Ty),
    /// A declaration.
    Owner(OwnerId),
}

/// The most elements an array may have.
const ARRAY_MAX: i128 = 65_535;

impl Checker<'_> {
    /// The type that is written here.
    pub(crate) fn resolve(&mut self, ty: TypeId) -> Ty {
        let ast = self.ast;
        let node = &ast.types[ty];
        match &node.kind {
            TypeKind::Error | TypeKind::Var => Ty::default(),
            TypeKind::Boolean => self.boolean(),
            TypeKind::Int => self.ty(TyKind::Signed(32)),
            TypeKind::Long => self.ty(TyKind::Signed(64)),
            TypeKind::Unsigned(bits) => self.ty(TyKind::Unsigned(*bits)),
            TypeKind::Bits(width) => self.bits(*width, node.span),
            TypeKind::Named { path, args } => self.named(path, args, node.span),
            TypeKind::Array { elem, len } => {
                let elem = self.resolve(*elem);
                self.array(elem, *len, node.span)
            }
        }
    }

    fn bits(&mut self, width: ConstArg, span: Span) -> Ty {
        let Some(bits) = self.const_arg(width) else {
            return Ty::default();
        };
        match u8::try_from(bits) {
            Ok(bits @ 1..=64) => self.ty(TyKind::Unsigned(bits)),
            _ => {
                let finding = self
                    .at(&codes::E226, span)
                    .message(format!("there are no numbers of {bits} bits"))
                    .label("from 1 to 64");
                self.report(finding);
                Ty::default()
            }
        }
    }

    /// A number or a constant where a number must stand.
    pub(crate) fn const_arg(&mut self, arg: ConstArg) -> Option<i128> {
        match arg {
            ConstArg::Int(n, _) => i128::try_from(n).ok(),
            ConstArg::Const(name) => {
                let id = self.find_const(name.name, name.span)?;
                self.warn_deprecated_const(id, name.span);
                match self.const_value(id, name.span) {
                    Some(Konst::Int(n)) => Some(n),
                    Some(_) => {
                        let finding = self.at(&codes::E210, name.span).label("not a number");
                        self.report(finding);
                        None
                    }
                    None => None,
                }
            }
        }
    }

    /// What a type name means; nothing after a report.
    pub(crate) fn find_type(&mut self, path: &[Ident], span: Span) -> Option<FoundType> {
        let (first, rest) = path.split_first()?;
        if let Some(owners) = self.units[self.body.unit].doubtful.get(&first.name) {
            let [a, b] = owners.map(|o| &self.packages[self.owners[o].package].path);
            let text = self.text(first.name);
            let finding = self
                .at(&codes::E202, span)
                .message(format!("`{text}` is imported from `{a}` and from `{b}`"))
                .label("which of them?");
            let finding = self.import(finding, &format!("{a}.{text}"));
            let finding = self.import(finding, &format!("{b}.{text}"));
            self.report(finding);
            return None;
        }
        let mut found = match self.type_name(first.name) {
            TypeName::Builtin(kind) => FoundType::Ty(self.ty(kind)),
            TypeName::Param(ty) => FoundType::Ty(ty),
            TypeName::Owner(owner) => {
                self.warn_deprecated_type(owner, first.span);
                FoundType::Owner(owner)
            }
            TypeName::Later => {
                self.refuse(&format!("`{}` is", self.text(first.name)), span);
                return None;
            }
            TypeName::Refused => return None,
            TypeName::Unknown => {
                self.unknown_type(*first);
                return None;
            }
        };
        for name in rest {
            let nested = match found {
                FoundType::Owner(owner) => self.owners[owner].types.get(&name.name).copied(),
                FoundType::Ty(_) => None,
            };
            let Some(nested) = nested else {
                let of = match found {
                    FoundType::Owner(owner) => self.text(self.owners[owner].name.name).to_string(),
                    FoundType::Ty(ty) => self.show(ty),
                };
                self.no_member(*name, &of);
                return None;
            };
            self.nested_visible(nested, *name);
            self.warn_deprecated_type(nested, name.span);
            found = FoundType::Owner(nested);
        }
        match found {
            FoundType::Owner(owner) if self.owners[owner].kind == OwnerKind::Refused => None,
            found => Some(found),
        }
    }

    /// Reports a nested type that may not be named here.
    fn nested_visible(&mut self, nested: OwnerId, name: Ident) {
        let o = &self.owners[nested];
        let visibility = match (o.public, o.private) {
            (true, _) => Visibility::Public,
            (_, true) => Visibility::Private,
            _ => Visibility::Package,
        };
        let declared = o.name.span;
        self.visible(visibility, nested, name, declared);
    }

    fn named(&mut self, path: &[Ident], args: &[TypeArg], span: Span) -> Ty {
        let ty = match self.find_type(path, span) {
            None => return Ty::default(),
            Some(FoundType::Owner(owner)) => return self.owner_type(owner, args, span),
            Some(FoundType::Ty(ty)) => ty,
        };
        if !args.is_empty() && self.kind(ty) != TyKind::Error {
            self.not_generic(&self.show(ty), span);
        }
        ty
    }

    fn not_generic(&mut self, name: &str, span: Span) {
        let finding = self
            .at(&codes::E226, span)
            .message(format!("`{name}` takes no type arguments"))
            .label("not a generic type");
        self.report(finding);
    }

    /// A declaration as the type of a value.
    fn owner_type(&mut self, owner: OwnerId, args: &[TypeArg], span: Span) -> Ty {
        let name = self.text(self.owners[owner].name.name);
        if let OwnerKind::Resource(_) = self.owners[owner].kind {
            let finding = self
                .at(&codes::E606, span)
                .message(format!("{name} is no value"))
                .label("a resource is a field of a function, and lives on the node");
            self.report(finding);
            return Ty::default();
        }
        let generic = !self.type_params(owner).is_empty();
        match self.owners[owner].kind {
            OwnerKind::Record | OwnerKind::Interface if generic => {
                match self.type_args(owner, args, span) {
                    Some(args) => self.instance(owner, args, span),
                    None => Ty::default(),
                }
            }
            kind => {
                if !args.is_empty() {
                    self.not_generic(name, span);
                }
                match kind {
                    OwnerKind::Header(h) => self.ty(TyKind::View(h)),
                    OwnerKind::OneOf(id) => self.ty(TyKind::OneOf(id)),
                    OwnerKind::Enum(id) => self.enum_type(id),
                    OwnerKind::Record | OwnerKind::Interface => {
                        self.instance(owner, Vec::new(), span)
                    }
                    OwnerKind::Refused | OwnerKind::Resource(_) => Ty::default(),
                    OwnerKind::Function(_) | OwnerKind::Class => {
                        let finding = self
                            .at(&codes::E226, span)
                            .message(format!("`{name}` has no values"))
                            .label("neither a function nor a class is the type of a value");
                        self.report(finding);
                        Ty::default()
                    }
                }
            }
        }
    }

    /// `elem[len]`: the length is a constant or a parameter of the function.
    pub(crate) fn array(&mut self, elem: Ty, len: ExprId, span: Span) -> Ty {
        if self.kind(elem) == TyKind::Error {
            return elem;
        }
        let nested = matches!(self.kind(elem), TyKind::Array(..));
        if !self.is_stored(elem) || nested {
            let finding = self
                .at(&codes::E226, span)
                .message(format!("there are no arrays of {}", self.show(elem)))
                .label("the elements are numbers, booleans, addresses or records");
            self.report(finding);
            return Ty::default();
        }
        let want = self.ty(TyKind::Unsigned(32));
        let found = self.coerce(len, want);
        if let Res::Template(template) = self.t.expr_res[self.bare(len)] {
            let lowest = self.t.templates[template].range.map_or(0, |(lo, _)| lo);
            if lowest < 1 || self.t.templates[template].late {
                let declared = self.t.templates[template].span;
                let finding = self
                    .at(&codes::E227, self.span(len))
                    .label("the length of an array is at least 1 and known to the compiler")
                    .also(declared, "this may be zero, or is filled in late")
                    .help("give the parameter a range: `u8 hops in 1..16`");
                self.report(finding);
                return Ty::default();
            }
            return self.ty(TyKind::Array(elem, Len::Template(template)));
        }
        match self.t.konst[len] {
            Some(Konst::Int(n @ 1..=ARRAY_MAX)) => {
                self.ty(TyKind::Array(elem, Len::Known(n as u32)))
            }
            Some(Konst::Int(n)) => {
                let finding = self
                    .at(&codes::E227, self.span(len))
                    .message(format!("an array cannot have {n} elements"))
                    .label("from 1 to 65535");
                self.report(finding);
                Ty::default()
            }
            _ if self.kind(found) == TyKind::Error => Ty::default(),
            _ => {
                self.not_constant(len);
                Ty::default()
            }
        }
    }

    /// Reports an expression that should be constant.
    pub(crate) fn not_constant(&mut self, e: ExprId) {
        let finding = Diagnostic::new(&codes::E222, self.span(e))
            .label("not known when the program is compiled");
        self.report(finding);
    }

    /// An expression without its parentheses.
    pub(crate) fn bare(&self, mut e: ExprId) -> ExprId {
        while let ExprKind::Paren(inner) = self.ast.exprs[e].kind {
            e = inner;
        }
        e
    }
}
