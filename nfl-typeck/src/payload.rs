//! Payloads: `Bytes` and `Cursor`.
//!
//! In: operations on bodies, variable arrays and cursors. Out: the [`Intrinsic`] behind each, its
//! type, and that it may find the packet malformed. Guaranteed: every place that is read lies before
//! the end of what it is read from.

use crate::builtin::Intrinsic;
use crate::check::Checker;
use crate::tables::{Konst, LocalId};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{Arg, ExprId, ExprKind, Ident, Lit};

impl Checker<'_> {
    /// Whether values of this kind are bytes of the payload.
    pub(crate) fn is_bytes(&self, ty: Ty) -> bool {
        matches!(
            self.kind(ty),
            TyKind::Body(_) | TyKind::BodyOfOne(_) | TyKind::Bytes
        )
    }

    /// Whether a variable stands for a place in the packet without being a view of a header.
    pub(crate) fn is_payload_local(&self, local: LocalId) -> bool {
        matches!(
            self.kind(self.t.locals[local].ty),
            TyKind::Bytes | TyKind::Cursor
        )
    }

    /// `body.length`
    pub(crate) fn bytes_length(&mut self, e: ExprId) -> Ty {
        self.may_be_malformed(self.span(e), None);
        self.intrinsic(e, Intrinsic::BytesLength, TyKind::Unsigned(32))
    }

    /// `body.name(args)`
    pub(crate) fn bytes_call(&mut self, e: ExprId, of: Ty, name: Ident, args: &[Arg]) -> Ty {
        let all: Vec<ExprId> = args.iter().map(|a| a.value).collect();
        self.t.args.set(e, Some(all));
        let ty = match (self.text(name.name), args) {
            ("cursor", []) => self.intrinsic(e, Intrinsic::BytesCursor, TyKind::Cursor),
            ("startsWith", [text]) if text.name.is_none() => {
                self.payload_text(text.value);
                self.intrinsic(e, Intrinsic::BytesStartsWith, TyKind::Bool)
            }
            ("find", [text, within])
                if text.name.is_none()
                    && within.name.is_none_or(|n| self.text(n.name) == "within") =>
            {
                self.payload_text(text.value);
                let word = self.ty(TyKind::Unsigned(32));
                let found = self.expr(within.value, Some(word));
                if self.kind(found) != TyKind::Size {
                    self.fit(within.value, found, word);
                }
                self.intrinsic(e, Intrinsic::BytesFind, TyKind::Void);
                let cursor = self.ty(TyKind::Cursor);
                self.lookup_of(cursor)
            }
            ("cursor" | "startsWith" | "find", _) => {
                let finding = self
                    .at(&codes::E213, name.span)
                    .message(format!("`{}` is called otherwise", self.text(name.name)))
                    .label("`cursor()`, `startsWith(text)` or `find(text, within = 512)`");
                self.report(finding);
                return Ty::default();
            }
            _ => {
                let of = self.show(of);
                return self.no_member(name, &of);
            }
        };
        self.may_be_malformed(name.span, None);
        ty
    }

    /// A text that bytes are compared with.
    fn payload_text(&mut self, e: ExprId) {
        let ty = self.ty(TyKind::Text);
        match &self.ast.exprs[self.bare(e)].kind {
            ExprKind::Lit(Lit::Text(text)) if !text.is_empty() && text.len() <= 64 => {
                let text = text.clone();
                self.retype(e, ty);
                self.set_konst(e, Some(Konst::Text(text)));
            }
            _ => {
                let finding = self
                    .at(&codes::E213, self.span(e))
                    .message("bytes are compared with a text of 1 to 64 bytes")
                    .label("like \"GET \"");
                self.report(finding);
                self.set_ty(e, ty);
            }
        }
    }

    /// `cursor.name(args)`
    pub(crate) fn cursor_call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Ty {
        let all: Vec<ExprId> = args.iter().map(|a| a.value).collect();
        self.t.args.set(e, Some(all));
        let (which, ty, params) = match self.text(name.name) {
            "u8" => (Intrinsic::CursorU8, TyKind::Unsigned(8), 0),
            "u16" => (Intrinsic::CursorU16, TyKind::Unsigned(16), 0),
            "u32" => (Intrinsic::CursorU32, TyKind::Unsigned(32), 0),
            "more" => (Intrinsic::CursorMore, TyKind::Bool, 0),
            "skip" => (Intrinsic::CursorSkip, TyKind::Void, 1),
            "take" => (Intrinsic::CursorTake, TyKind::Bytes, 1),
            _ => return self.no_member(name, "Cursor"),
        };
        if args.len() != params {
            self.arity(name, params, args.len());
        }
        for arg in args {
            let word = self.ty(TyKind::Unsigned(32));
            let found = self.expr(arg.value, Some(word));
            if self.kind(found) != TyKind::Size {
                self.fit(arg.value, found, word);
            }
        }
        if !matches!(which, Intrinsic::CursorMore | Intrinsic::CursorSkip) {
            self.may_be_malformed(name.span, None);
        }
        self.intrinsic(e, which, ty)
    }
}
