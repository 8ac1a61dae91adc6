//! Arithmetic of the language on unbounded integers.
//!
//! In: an operator, operands in the ranges of their types, and the type of the result. Out: the
//! result, in the range of its type. Guaranteed: nothing is cut before it is computed.

use nfl_syntax::ast::BinOp;
use nfl_typeck::ty::{Ty, TyKind};

use super::{Eval, Run, Value, wrong};

impl Run<'_> {
    /// The smallest and the largest value of a type.
    pub(super) fn range(&self, ty: Ty) -> (i128, i128) {
        if self.layout {
            return (0, i128::from(u32::MAX));
        }
        let bits = self.t.types.bits(ty).unwrap_or(64);
        if self.t.types.is_signed(ty) {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            (0, (1 << bits) - 1)
        }
    }

    /// The value of the type that is congruent to `n`.
    pub(super) fn wrap(&self, n: i128, ty: Ty) -> i128 {
        let (lo, hi) = self.range(ty);
        (n - lo).rem_euclid(hi - lo + 1) + lo
    }

    /// `a op b` for operands whose common type is `ty`.
    pub(super) fn arithmetic(&self, op: BinOp, a: i128, b: i128, ty: Ty) -> Eval<i128> {
        let (lo, hi) = self.range(ty);
        let saturates = matches!(
            self.t.types.kind(ty),
            TyKind::Size | TyKind::Rate | TyKind::Duration | TyKind::Instant
        );
        let exact = match op {
            BinOp::Add | BinOp::SatAdd => a + b,
            BinOp::Sub | BinOp::SatSub => a - b,
            // Of two numbers of 64 bits the product may have 128, and only the lower half counts.
            BinOp::Mul => a.wrapping_mul(b),
            BinOp::Div | BinOp::Rem if b == 0 => return wrong("a divisor is zero"),
            BinOp::Div => a / b,
            BinOp::Rem => a % b,
            BinOp::BitAnd => a & b,
            BinOp::BitOr => a | b,
            BinOp::BitXor => a ^ b,
            _ => return wrong(format!("{op:?} is no arithmetic")),
        };
        if saturates || matches!(op, BinOp::SatAdd | BinOp::SatSub) {
            return Ok(exact.clamp(lo, hi));
        }
        if op == BinOp::Mul {
            let low = i128::from(exact as u64);
            return Ok(self.wrap(low, ty));
        }
        Ok(self.wrap(exact, ty))
    }

    /// `a op count`, where `ty` is the type of `a`.
    pub(super) fn shift(&self, op: BinOp, a: i128, count: i128, ty: Ty) -> Eval<i128> {
        let bits = if self.layout {
            32
        } else {
            self.t.types.bits(ty).unwrap_or(64)
        };
        let count = count.rem_euclid(if bits > 32 { 64 } else { 32 }) as u32;
        Ok(match op {
            BinOp::Shl => {
                let low = (a.rem_euclid(1 << bits) as u128) << count;
                self.wrap(i128::from(low as u64), ty)
            }
            BinOp::Shr => a.div_euclid(1 << count),
            BinOp::Ushr => self.wrap(a.rem_euclid(1 << bits) >> count, ty),
            _ => return wrong(format!("{op:?} is no shift")),
        })
    }

    /// `a op b` for a comparison.
    pub(super) fn compare(&self, op: BinOp, a: &Value, b: &Value) -> Eval<bool> {
        let order = match (a, b) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Ip6(a), Value::Ip6(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Layer(a), Value::Layer(b)) => a.cmp(b),
            _ => {
                return match op {
                    BinOp::Eq => Ok(a == b),
                    BinOp::Ne => Ok(a != b),
                    _ => wrong(format!("{a:?} is compared with {b:?}")),
                };
            }
        };
        Ok(match op {
            BinOp::Eq => order.is_eq(),
            BinOp::Ne => order.is_ne(),
            BinOp::Lt => order.is_lt(),
            BinOp::Le => order.is_le(),
            BinOp::Gt => order.is_gt(),
            BinOp::Ge => order.is_ge(),
            _ => return wrong(format!("{op:?} is no comparison")),
        })
    }
}

/// Whether an address begins with a prefix: bit by bit.
pub(super) fn in_prefix(address: u128, prefix: u128, len: u8, bits: u32) -> bool {
    (0..u32::from(len)).all(|bit| {
        let at = bits - 1 - bit;
        address >> at & 1 == prefix >> at & 1
    })
}
