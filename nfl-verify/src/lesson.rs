//! What one outcome of a branch says about the words that it compares.
//!
//! In: a branch, its outcome and the ranges of its operands. Out: up to two lessons, in the order in which they are to be
//! learned, and what a lesson makes of ranges. Guaranteed: every pair of words from the ranges for which the branch comes
//! out this way satisfies the lessons.

use nfl_isa::Op;

use crate::number::Number;
use crate::range::Span;

/// What a lesson speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side<N> {
    First,
    Second,
    Constant(N),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lesson<N> {
    Nothing,
    /// The first and so much is at most the second, as integers.
    AtMost(Side<N>, N, Side<N>),
    /// It is not this number.
    Not(Side<N>, N),
}

/// What it says that a branch on words of two ranges is taken, or is not.
pub(crate) fn lessons<N: Number>(op: Op, taken: bool, a: Span<N>, b: Span<N>) -> [Lesson<N>; 2] {
    use Lesson::{AtMost, Not, Nothing};
    use Side::{First, Second};
    let (zero, one) = (N::of(0), N::of(1));
    match (op, taken) {
        (Op::Beq, true) | (Op::Bne, false) => {
            [AtMost(First, zero, Second), AtMost(Second, zero, First)]
        }
        (Op::Beq, false) | (Op::Bne, true) if b.0 == b.1 => [Not(First, b.0), Nothing],
        (Op::Beq, false) | (Op::Bne, true) if a.0 == a.1 => [Not(Second, a.0), Nothing],
        (Op::Bltu, true) | (Op::Bgeu, false) => [AtMost(First, one, Second), Nothing],
        (Op::Bltu, false) | (Op::Bgeu, true) => [AtMost(Second, zero, First), Nothing],
        (Op::Blt, true) | (Op::Bge, false) => signed(First, a, one, Second, b),
        (Op::Blt, false) | (Op::Bge, true) => signed(Second, b, zero, First, a),
        _ => [Nothing, Nothing],
    }
}

/// `less + by <= more` as signed numbers. If `less` is not negative, `more` is not, and words order them alike; and what is
/// less than 0 is negative.
fn signed<N: Number>(
    less: Side<N>,
    range: Span<N>,
    by: N,
    more: Side<N>,
    above: Span<N>,
) -> [Lesson<N>; 2] {
    let (zero, most) = (N::of(0), N::signed_last());
    if range.1 <= most {
        [
            Lesson::AtMost(more, zero, Side::Constant(most)),
            Lesson::AtMost(less, by, more),
        ]
    } else if by > zero && above == (zero, zero) {
        [
            Lesson::AtMost(Side::Constant(most), by, less),
            Lesson::Nothing,
        ]
    } else {
        [Lesson::Nothing, Lesson::Nothing]
    }
}

/// The ranges of `a` and `b` when `a + by <= b`. Where no pair of numbers satisfies that, one of them is empty.
pub(crate) fn at_most<N: Number>(a: Span<N>, by: N, b: Span<N>) -> (Span<N>, Span<N>) {
    ((a.0, a.1.min(b.1 - by)), (b.0.max(a.0 + by), b.1))
}

/// The range of what is not `c`, unless nothing would be left.
pub(crate) fn without<N: Number>(range: Span<N>, c: N) -> Span<N> {
    if range.0 == range.1 {
        range
    } else if range.0 == c {
        (range.0 + N::of(1), range.1)
    } else if range.1 == c {
        (range.0, range.1 - N::of(1))
    } else {
        range
    }
}
