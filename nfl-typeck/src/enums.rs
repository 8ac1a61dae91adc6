//! Enums: named numbers.
//!
//! In: `enum` declarations. Out: rows with the numbers of the constants. Guaranteed: the numbers of
//! an enum differ and fit into its width.

use crate::check::{Body, Checker, OwnerId};
use crate::konst;
use crate::tables::{EnumId, Konst, Res};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{DeclKind, ExprId, Ident};
use nfl_syntax::{Name, Span};

/// The width of an enum that states none.
const DEFAULT_BITS: u8 = 8;

impl Checker<'_> {
    /// The type of an enum's values.
    pub(crate) fn enum_type(&mut self, id: EnumId) -> Ty {
        let ast = self.ast;
        let def = &self.t.enums[id];
        let rep = match &ast.decls[def.decl].kind {
            DeclKind::Enum { rep, .. } => *rep,
            _ => None,
        };
        let name = self.text(def.name).to_string();
        let rep_ty = rep.map(|rep| self.resolve(rep));
        let bits = match rep_ty.map(|ty| self.kind(ty)) {
            Some(TyKind::Unsigned(bits)) => bits,
            _ => DEFAULT_BITS,
        };
        let ty = self.ty(TyKind::Enum(id, bits));
        self.t.types.name(ty, name);
        ty
    }

    /// Computes the numbers of an enum's constants.
    pub(crate) fn declare_enum(&mut self, owner: OwnerId, id: EnumId) {
        let body = Body {
            fields_only: true,
            ..self.body_of(owner)
        };
        self.within(body, |c| c.enum_numbers(id));
    }

    fn enum_numbers(&mut self, id: EnumId) {
        let ast = self.ast;
        let DeclKind::Enum {
            rep,
            consts,
            implements,
            ..
        } = &ast.decls[self.t.enums[id].decl].kind
        else {
            return;
        };
        for &implemented in implements {
            self.plain_interface(implemented);
        }
        let number = match rep {
            Some(rep) => {
                let ty = self.resolve(*rep);
                let span = ast.types[*rep].span;
                self.only(ty, span, "the number type of an enum", |k| {
                    matches!(k, TyKind::Unsigned(_))
                })
            }
            None => self.ty(TyKind::Unsigned(DEFAULT_BITS)),
        };
        let mut known: Vec<(Name, i128)> = Vec::with_capacity(consts.len());
        let mut spans: Vec<Span> = Vec::with_capacity(consts.len());
        let mut next = 0;
        for node in consts {
            let value = match node.value {
                Some(value) => match self.constant(value, number) {
                    Some(Konst::Int(n)) => n,
                    _ => next,
                },
                None => next,
            };
            let range = konst::range(&self.t.types, number);
            if node.value.is_none() && range.is_some_and(|(_, hi)| value > hi) {
                self.out_of_range(node.name.span, value, number);
            }
            if let Some(at) = known.iter().position(|(name, _)| *name == node.name.name) {
                self.twice(node.name, spans[at]);
            } else if let Some(at) = known.iter().position(|(_, n)| *n == value) {
                let finding = self
                    .at(&codes::E243, node.name.span)
                    .message(format!(
                        "`{}` and `{}` have the same number",
                        self.text(known[at].0),
                        self.text(node.name.name)
                    ))
                    .label(format!("this is {value}"))
                    .also(spans[at], "and so is this");
                self.report(finding);
            }
            known.push((node.name.name, value));
            spans.push(node.name.span);
            next = value.saturating_add(1);
        }
        self.t.enums[id].consts = known;
    }

    /// The number of an enum's constant.
    pub(crate) fn enum_number(&self, id: EnumId, name: Name) -> Option<i128> {
        let consts = &self.t.enums[id].consts;
        consts.iter().find(|(n, _)| *n == name).map(|(_, n)| *n)
    }

    /// `Color.RED`, or `RED` where a `Color` is expected; nothing when there is no such constant.
    pub(crate) fn enum_const(&mut self, e: ExprId, id: EnumId, name: Ident) -> Option<Ty> {
        let number = self.enum_number(id, name.name)?;
        self.warn_deprecated_member(id, name.name, name.span);
        self.set_res(e, Res::EnumConst(id));
        self.set_konst(e, Some(Konst::Int(number)));
        Some(self.enum_type(id))
    }
}
