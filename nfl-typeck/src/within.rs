//! What the values of a parameter lie in: `in 1..9`, `in {80, 443}`, `in 10.0.0.0/8`.
//!
//! In: the expression behind `in` and the parameter's type. Out: the parts that it is made of, and
//! the interval around them, which is what the verifier relies on.

use crate::check::Checker;
use crate::konst;
use crate::tables::{Konst, Template, Within};
use crate::ty::{Ty, TyKind, Types};
use nfl_abi::codes;
use nfl_syntax::ast::{ExprId, ExprKind};
use std::net::{Ipv4Addr, Ipv6Addr};

impl Within {
    /// Whether a value lies in it; a prefix lies in another when all its addresses do.
    fn holds(&self, value: &Konst) -> bool {
        match (self, value) {
            (Within::Range(lo, hi), value) => {
                konst::int(value).is_some_and(|n| (*lo..=*hi).contains(&n))
            }
            (Within::Under { addr, len }, Konst::Ip6(a)) => under(*a, *addr, *len),
            (Within::Under { addr, len }, Konst::Prefix6 { addr: a, len: n }) => {
                n >= len && under(*a, *addr, *len)
            }
            (Within::Under { addr, len }, Konst::Prefix4 { addr: a, len: n }) => {
                u32::from(*n) + 96 >= u32::from(*len) && under(u128::from(*a), *addr, *len)
            }
            _ => false,
        }
    }

    /// As the source would write it, for values of this kind.
    fn show(&self, kind: TyKind) -> String {
        let number = |n: i128| match kind {
            TyKind::Ip4 => Ipv4Addr::from(n as u32).to_string(),
            _ => n.to_string(),
        };
        match self {
            Within::Range(lo, hi) if lo == hi => number(*lo),
            Within::Range(lo, hi) => format!("{}..{}", number(*lo), number(*hi)),
            Within::Under { addr, len } if kind == TyKind::Prefix4 => {
                let len = len.saturating_sub(96);
                format!("{}/{len}", Ipv4Addr::from(*addr as u32))
            }
            Within::Under { addr, len } => format!("{}/{len}", Ipv6Addr::from(*addr)),
        }
    }
}

impl Template {
    /// What a value should lie in, and does not.
    pub(crate) fn outside(&self, value: &Konst, types: &Types) -> Option<String> {
        if self.within.is_empty() || self.within.iter().any(|part| part.holds(value)) {
            return None;
        }
        let kind = types.kind(self.ty);
        let parts: Vec<String> = self.within.iter().map(|part| part.show(kind)).collect();
        Some(match parts.as_slice() {
            [one] => one.clone(),
            all => format!("{{{}}}", all.join(", ")),
        })
    }
}

fn under(a: u128, network: u128, len: u8) -> bool {
    let host = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
    a & !host == network
}

impl Checker<'_> {
    /// The parts of what stands behind `in` of a parameter; empty after a report.
    pub(crate) fn within_of(&mut self, range: ExprId, ty: Ty) -> Vec<Within> {
        let kind = self.kind(ty);
        if kind == TyKind::Error {
            return Vec::new();
        }
        let ast = self.ast;
        match &ast.exprs[self.bare(range)].kind {
            ExprKind::Set(items) => {
                self.set_ty(range, ty);
                let parts = items.iter().filter_map(|&item| self.within_part(item, ty));
                parts.collect()
            }
            _ => self.within_part(range, ty).into_iter().collect(),
        }
    }

    fn within_part(&mut self, e: ExprId, ty: Ty) -> Option<Within> {
        let kind = self.kind(ty);
        let numeric = konst::range(&self.t.types, ty).is_some();
        if let ExprKind::Range { lo, hi } = self.ast.exprs[self.bare(e)].kind
            && numeric
        {
            self.set_ty(e, ty);
            let (lo, hi) = (self.constant(lo, ty), self.constant(hi, ty));
            let (lo, hi) = (konst::int(&lo?)?, konst::int(&hi?)?);
            if lo > hi {
                let finding = self
                    .at(&codes::E214, self.span(e))
                    .label(format!("{lo} is above {hi}"));
                self.report(finding);
                return None;
            }
            return Some(Within::Range(lo, hi));
        }
        let found = self.expr(e, Some(ty));
        let value = self.t.konst[e].clone();
        let part = match (self.kind(found), kind, &value) {
            (TyKind::Error, ..) => return None,
            (TyKind::Prefix4, TyKind::Ip4, Some(Konst::Prefix4 { addr, len })) => {
                let host = u32::MAX.checked_shr(u32::from(*len)).unwrap_or(0);
                Some(Within::Range(i128::from(*addr), i128::from(addr | host)))
            }
            (TyKind::Prefix4, TyKind::Prefix4, Some(Konst::Prefix4 { addr, len })) => {
                Some(Within::Under {
                    addr: u128::from(*addr),
                    len: len + 96,
                })
            }
            (
                TyKind::Prefix6,
                TyKind::Ip6 | TyKind::Prefix6,
                Some(Konst::Prefix6 { addr, len }),
            ) => Some(Within::Under {
                addr: *addr,
                len: *len,
            }),
            (_, TyKind::Ip6, Some(Konst::Ip6(addr))) => Some(Within::Under {
                addr: *addr,
                len: 128,
            }),
            _ => None,
        };
        if part.is_some() {
            return part;
        }
        if let Some(value) = value.as_ref().and_then(konst::int).filter(|_| numeric) {
            self.fit(e, found, ty);
            // A single value is written in braces, as behind `in` everywhere.
            return Some(Within::Range(value, value));
        }
        let finding = self
            .at(&codes::E212, self.span(e))
            .message(format!("{} does not lie in this", self.show(ty)))
            .label("a range, a prefix, or a set of them in braces");
        self.report(finding);
        None
    }

    /// The interval around all parts, where they are numbers.
    pub(crate) fn hull(within: &[Within]) -> Option<(i128, i128)> {
        let ends = within.iter().map(|part| match part {
            Within::Range(lo, hi) => Some((*lo, *hi)),
            Within::Under { .. } => None,
        });
        let ends: Option<Vec<(i128, i128)>> = ends.collect();
        let ends = ends?;
        let lo = ends.iter().map(|(lo, _)| *lo).min()?;
        let hi = ends.iter().map(|(_, hi)| *hi).max()?;
        Some((lo, hi))
    }
}
