//! Written types.
//!
//! In: a type as it is written. Out: the type it means; the error type after a report.

use crate::check::{Checker, OwnerKind};
use crate::resolve::TypeName;
use crate::tables::{Konst, Res};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{ConstArg, ExprId, ExprKind, Ident, TypeId, TypeKind};
use nfl_syntax::{Diagnostic, Span};

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
            TypeKind::Named { path, args } => {
                let ty = self.named(path, node.span);
                if !args.is_empty() && self.kind(ty) != TyKind::Error {
                    let finding = self
                        .at(&codes::E226, node.span)
                        .message(format!("`{}` takes no type arguments", self.show(ty)))
                        .label("not a generic type");
                    self.report(finding);
                }
                ty
            }
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

    fn named(&mut self, path: &[Ident], span: Span) -> Ty {
        let [name] = path else {
            self.refuse("nested types are", span);
            return Ty::default();
        };
        let mut stand_ins = self.body.type_args.iter();
        if let Some((_, ty)) = stand_ins.find(|(n, _)| *n == name.name) {
            return *ty;
        }
        if let Some(owners) = self.units[self.body.unit].doubtful.get(&name.name) {
            let [a, b] = owners.map(|o| &self.packages[self.owners[o].package].path);
            let text = self.text(name.name);
            let finding = self
                .at(&codes::E202, span)
                .message(format!("`{text}` is imported from `{a}` and from `{b}`"))
                .label("which of them?");
            let finding = self.import(finding, &format!("{a}.{text}"));
            let finding = self.import(finding, &format!("{b}.{text}"));
            self.report(finding);
            return Ty::default();
        }
        match self.type_name(name.name) {
            TypeName::Builtin(kind) => self.ty(kind),
            TypeName::Owner(owner) => match self.owners[owner].kind {
                OwnerKind::Header(h) => self.ty(TyKind::View(h)),
                OwnerKind::OneOf(id) => self.ty(TyKind::OneOf(id)),
                OwnerKind::Refused => Ty::default(),
                OwnerKind::Resource(_) => {
                    let finding = self
                        .at(&codes::E606, span)
                        .message(format!("{} is no value", self.text(name.name)))
                        .label("a resource is a field of a function, and lives on the node");
                    self.report(finding);
                    Ty::default()
                }
                OwnerKind::Function(_) | OwnerKind::Class => {
                    let finding = self
                        .at(&codes::E226, span)
                        .message(format!("`{}` has no values", self.text(name.name)))
                        .label("neither a function nor a class is the type of a value");
                    self.report(finding);
                    Ty::default()
                }
            },
            TypeName::Later => {
                self.refuse(&format!("`{}` is", self.text(name.name)), span);
                Ty::default()
            }
            TypeName::Refused => Ty::default(),
            TypeName::Unknown => {
                self.unknown_type(*name);
                Ty::default()
            }
        }
    }

    /// `elem[len]`: the length is a constant or a parameter of the function.
    pub(crate) fn array(&mut self, elem: Ty, len: ExprId, span: Span) -> Ty {
        if self.kind(elem) == TyKind::Error {
            return elem;
        }
        if self.t.types.bits(elem).is_none() {
            let finding = self
                .at(&codes::E226, span)
                .message(format!("there are no arrays of {}", self.show(elem)))
                .label("the elements are numbers, booleans or addresses");
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
