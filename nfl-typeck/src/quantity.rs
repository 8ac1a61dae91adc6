//! Quantities: what their products and quotients are.
//!
//! In: an operator and the kinds of its operands. Out: the kind of the result, and for constants its
//! value. Sizes are bytes, rates bits (or packets) per second, durations and instants nanoseconds;
//! results round towards zero, and saturate.

use crate::expr::{is_number, is_quantity};
use crate::ty::TyKind;
use nfl_syntax::ast::BinOp;

/// Nanoseconds of a second times bits of a byte: what a rate times a duration is divided by.
const BIT_NANOS: i128 = 8_000_000_000;

/// The kind of `x op y` where at least one of them is a quantity; nothing when there is no such.
pub(crate) fn scaled(op: BinOp, x: TyKind, y: TyKind) -> Option<TyKind> {
    use TyKind::{Duration, Instant, Rate, Size, Unsigned};
    let counts = |kind| matches!(kind, Unsigned(_));
    match (op, x, y) {
        (BinOp::Mul, Rate, Duration) | (BinOp::Mul, Duration, Rate) => Some(Size),
        (BinOp::Div, Size, Rate) => Some(Duration),
        (BinOp::Div, Size, Duration) => Some(Rate),
        (_, Instant, _) | (_, _, Instant) => None,
        (BinOp::Mul | BinOp::Div, x, y) if is_quantity(x) && counts(y) => Some(x),
        (BinOp::Mul, x, y) if counts(x) && is_quantity(y) => Some(y),
        (BinOp::Div, x, y) if x == y && is_quantity(x) => Some(match x {
            Size => Unsigned(32),
            _ => Unsigned(64),
        }),
        (BinOp::Rem, x, y) if x == y && is_quantity(x) => Some(x),
        _ => None,
    }
}

/// `a op b` for constants of these kinds; nothing when there is no value.
pub(crate) fn fold(op: BinOp, (x, a): (TyKind, i128), (y, b): (TyKind, i128)) -> Option<i128> {
    use TyKind::{Duration, Rate, Size};
    match (op, x, y) {
        (BinOp::Mul, Rate, Duration) | (BinOp::Mul, Duration, Rate) => {
            Some(a.checked_mul(b)? / BIT_NANOS)
        }
        (BinOp::Div, Size, Rate | Duration) => a.checked_mul(BIT_NANOS)?.checked_div(b),
        (BinOp::Mul, ..) => a.checked_mul(b),
        (BinOp::Div, ..) => a.checked_div(b),
        (BinOp::Rem, ..) => a.checked_rem(b),
        _ => None,
    }
}

/// Whether a product or quotient of these is one of quantities.
pub(crate) fn is_scaling(op: BinOp, x: TyKind, y: TyKind) -> bool {
    matches!(op, BinOp::Mul | BinOp::Div | BinOp::Rem)
        && (is_quantity(x) || is_quantity(y))
        && (is_quantity(x) || is_number(x))
        && (is_quantity(y) || is_number(y))
}

/// What a quantity is counted in, for messages.
pub(crate) fn unit(kind: TyKind) -> &'static str {
    match kind {
        TyKind::Size => "bytes",
        TyKind::Rate => "bits per second",
        TyKind::Duration => "a length of time",
        _ => "a point in time",
    }
}
