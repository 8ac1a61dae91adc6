//! `swap(a, b)`: two places exchange their values.
//!
//! In: two places of one type. Out: which of the two forms it is. Fields of one view that lie alike in
//! its 16-bit words keep every sum of it, so that no checksum moves and no transport need be known.

use crate::builtin::Intrinsic;
use crate::check::Checker;
use crate::tables::Res;
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::ast::{Arg, ExprId, ExprKind, Ident};

impl Checker<'_> {
    pub(crate) fn swap_call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Ty {
        let void = self.ty(TyKind::Void);
        let [a, b] = args else {
            self.arity(name, 2, args.len());
            return void;
        };
        if let Some(named) = a.name.or(b.name) {
            let finding = self
                .at(&codes::E213, named.span)
                .message("these arguments have no names")
                .label("by position only");
            self.report(finding);
        }
        let places = [a.value, b.value];
        let together = self.of_one_view(a.value, b.value);
        let outer = std::mem::replace(&mut self.body.keeps_sums, together);
        let types = places.map(|place| self.place(place, true));
        self.body.keeps_sums = outer;
        let keeps = together && self.lie_alike(a.value, b.value);
        if together && !keeps {
            // Once more, now that each store moves the checksums by itself.
            for place in places {
                self.place(place, true);
            }
        }
        self.set_res(
            e,
            Res::Intrinsic(if keeps {
                Intrinsic::Swap
            } else {
                Intrinsic::Exchange
            }),
        );
        self.t.args.set(e, Some(places.to_vec()));
        if let [Some(x), Some(y)] = types
            && x != y
            && ![x, y].iter().any(|&ty| self.kind(ty) == TyKind::Error)
        {
            let finding = self
                .at(&codes::E207, name.span)
                .message(format!(
                    "{} and {} cannot be exchanged",
                    self.show(x),
                    self.show(y)
                ))
                .label("two places of one type");
            self.report(finding);
        }
        for place in places {
            self.commit_store(place);
        }
        void
    }

    /// Whether two places are fields that are written behind the same name.
    fn of_one_view(&self, a: ExprId, b: ExprId) -> bool {
        let base = |e: ExprId| match self.ast.exprs[self.bare(e)].kind {
            ExprKind::Field { base, .. } => match self.ast.exprs[self.bare(base)].kind {
                ExprKind::Name(name) => Some(name),
                _ => None,
            },
            _ => None,
        };
        base(a).is_some() && base(a) == base(b)
    }

    /// Whether two fields are made of whole 16-bit words, or lie at the same place in theirs.
    fn lie_alike(&self, a: ExprId, b: ExprId) -> bool {
        let place = |e: ExprId| match self.t.expr_res[self.bare(e)] {
            Res::Field { header, field } => {
                let row = &self.t.headers[header].fields[field as usize];
                row.len
                    .is_none()
                    .then_some((row.bit_offset % 16, row.bits, header))
            }
            _ => None,
        };
        place(a).is_some() && place(a) == place(b)
    }
}
