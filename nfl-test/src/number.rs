//! Arithmetic of the language on unbounded integers.
//!
//! In: an operator, operands in the ranges of their types, and the type of the result. Out: the
//! result, in the range of its type. Guaranteed: nothing is cut before it is computed.

use nfl_syntax::ast::BinOp;
use nfl_typeck::ty::{Ty, TyKind, Types};

use crate::value::Value;

/// The smallest and the largest value of a type.
pub(crate) fn range(types: &Types, ty: Ty) -> (i128, i128) {
    let bits = types.bits(ty).unwrap_or(64).min(64);
    if types.is_signed(ty) {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    }
}

/// The value of the type that is congruent to `n`.
pub(crate) fn wrap(types: &Types, n: i128, ty: Ty) -> i128 {
    let (lo, hi) = range(types, ty);
    n.wrapping_sub(lo).rem_euclid(hi - lo + 1) + lo
}

/// `a op b` for operands whose result has type `ty`; a sentence when there is none.
pub(crate) fn arithmetic(
    types: &Types,
    op: BinOp,
    a: i128,
    b: i128,
    ty: Ty,
) -> Result<i128, String> {
    let (lo, hi) = range(types, ty);
    let saturates = matches!(
        types.kind(ty),
        TyKind::Size | TyKind::Rate | TyKind::Duration | TyKind::Instant
    );
    let exact = match op {
        BinOp::Add | BinOp::SatAdd => a + b,
        BinOp::Sub | BinOp::SatSub => a - b,
        // Of two numbers of 64 bits the product may have 128, and only the lower half counts.
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::Div | BinOp::Rem if b == 0 => return Err("the divisor is zero".to_string()),
        BinOp::Div => a / b,
        BinOp::Rem => a % b,
        BinOp::BitAnd => a & b,
        BinOp::BitOr => a | b,
        BinOp::BitXor => a ^ b,
        _ => return Err(format!("`{}` is no arithmetic", op.text())),
    };
    if saturates || matches!(op, BinOp::SatAdd | BinOp::SatSub) {
        return Ok(exact.clamp(lo, hi));
    }
    if op == BinOp::Mul {
        return Ok(wrap(types, i128::from(exact as u64), ty));
    }
    Ok(wrap(types, exact, ty))
}

/// `a op count`, where `ty` is the type of `a`.
pub(crate) fn shift(types: &Types, op: BinOp, a: i128, count: i128, ty: Ty) -> i128 {
    let bits = types.bits(ty).unwrap_or(64).min(64);
    let count = count.rem_euclid(if bits > 32 { 64 } else { 32 }) as u32;
    match op {
        BinOp::Shl => {
            let low = (a.rem_euclid(1 << bits) as u128) << count;
            wrap(types, i128::from(low as u64), ty)
        }
        BinOp::Ushr => wrap(types, a.rem_euclid(1 << bits) >> count, ty),
        _ => a.div_euclid(1 << count),
    }
}

/// `a op b` for a comparison; a sentence when the two have no order.
pub(crate) fn compare(op: BinOp, a: &Value, b: &Value) -> Result<bool, String> {
    match op {
        BinOp::Eq => return Ok(a == b),
        BinOp::Ne => return Ok(a != b),
        _ => {}
    }
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Ip6(a), Value::Ip6(b)) => a.cmp(b),
        _ => return Err("these have no order".to_string()),
    };
    Ok(match op {
        BinOp::Lt => order.is_lt(),
        BinOp::Le => order.is_le(),
        BinOp::Gt => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// Whether an address begins with a prefix.
pub(crate) fn in_prefix(address: u128, prefix: u128, len: u8, bits: u8) -> bool {
    let low = u32::from(bits.saturating_sub(len));
    address.checked_shr(low).unwrap_or(0) == prefix.checked_shr(low).unwrap_or(0)
}
