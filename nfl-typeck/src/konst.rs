//! Computing at compile time.
//!
//! In: values and an operator. Out: the value, in unbounded integers (128 bits serve); `None` when
//! there is none. Guaranteed: no panic.

use crate::tables::Konst;
use crate::ty::{Ty, TyKind, Types};
use nfl_syntax::ast::BinOp;
use std::cmp::Ordering;

/// The smallest and the largest value of a type whose values are integers.
pub(crate) fn range(types: &Types, ty: Ty) -> Option<(i128, i128)> {
    let bits = types.bits(ty)?;
    if bits > 64 {
        return None;
    }
    Some(match types.kind(ty) {
        TyKind::Signed(n) => (-(1i128 << (n - 1)), (1i128 << (n - 1)) - 1),
        _ => (0, (1i128 << bits) - 1),
    })
}

/// The low bits of a value, read as a value of the type.
pub(crate) fn wrap(types: &Types, ty: Ty, value: i128) -> Option<i128> {
    let bits = types.bits(ty).filter(|&b| b <= 64)?;
    let low = value & ((1i128 << bits) - 1);
    Some(if types.is_signed(ty) && low >> (bits - 1) & 1 == 1 {
        low - (1i128 << bits)
    } else {
        low
    })
}

/// An integer as the type keeps it for calculation.
pub(crate) fn int(value: &Konst) -> Option<i128> {
    match value {
        Konst::Int(n) => Some(*n),
        Konst::Bool(b) => Some(i128::from(*b)),
        _ => None,
    }
}

/// `a op b` on integers. `ty` is the type of the operands, where it matters.
pub(crate) fn arithmetic(
    types: &Types,
    op: BinOp,
    a: i128,
    b: i128,
    ty: Option<Ty>,
) -> Option<i128> {
    let bits = ty.and_then(|t| types.bits(t)).unwrap_or(64);
    let modulus = if bits > 32 { 64 } else { 32 };
    let count = || u32::try_from(b).ok().map(|c| c % modulus);
    let clamp = |v: i128| match ty.and_then(|t| range(types, t)) {
        Some((lo, hi)) => v.clamp(lo, hi),
        None => v,
    };
    match op {
        BinOp::BitOr => Some(a | b),
        BinOp::BitXor => Some(a ^ b),
        BinOp::BitAnd => Some(a & b),
        BinOp::Shl => a.checked_mul(1i128 << count()?),
        BinOp::Shr => Some(a >> count()?),
        BinOp::Ushr if a >= 0 => Some(a >> count()?),
        BinOp::Ushr => Some((a & ((1i128 << bits.min(64)) - 1)) >> count()?),
        BinOp::Add => a.checked_add(b),
        BinOp::Sub => a.checked_sub(b),
        BinOp::SatAdd => a.checked_add(b).map(clamp),
        BinOp::SatSub => a.checked_sub(b).map(clamp),
        BinOp::Mul => a.checked_mul(b),
        BinOp::Div => a.checked_div(b),
        BinOp::Rem => a.checked_rem(b),
        _ => None,
    }
}

/// `a op b` for a comparison.
pub(crate) fn compare(op: BinOp, a: &Konst, b: &Konst) -> Option<bool> {
    let order = match (a, b) {
        (Konst::Int(a), Konst::Int(b)) => a.cmp(b),
        (Konst::Ip6(a), Konst::Ip6(b)) => a.cmp(b),
        (Konst::Bool(a), Konst::Bool(b)) => a.cmp(b),
        (Konst::Reason(a), Konst::Reason(b)) => a.cmp(b),
        _ => {
            return match op {
                BinOp::Eq => Some(a == b),
                BinOp::Ne => Some(a != b),
                _ => None,
            };
        }
    };
    Some(match op {
        BinOp::Eq => order == Ordering::Equal,
        BinOp::Ne => order != Ordering::Equal,
        BinOp::Lt => order == Ordering::Less,
        BinOp::Le => order != Ordering::Greater,
        BinOp::Gt => order == Ordering::Greater,
        BinOp::Ge => order != Ordering::Less,
        _ => return None,
    })
}
