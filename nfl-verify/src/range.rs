//! Arithmetic on ranges of words.
//!
//! In: an operation and the ranges of its operands, as unsigned words. Out: a range that holds
//! every result. Guaranteed: exact for single values, sound for all.

use nfl_isa::Op;

use crate::number::Number;

/// Smallest and largest value, both included.
pub(crate) type Span<N> = (N, N);

/// Any word.
pub(crate) fn any<N: Number>() -> Span<N> {
    (N::of(0), N::last())
}

/// All results of an operation on words of two ranges.
pub(crate) fn apply<N: Number>(op: Op, a: Span<N>, b: Span<N>) -> Span<N> {
    if a.0 == a.1
        && b.0 == b.1
        && let Some(exact) = N::word(op, a.0, b.0)
    {
        return (exact, exact);
    }
    let (zero, bits, last) = (N::of(0), N::of(N::WORD_BITS), N::last());
    let small = a.1 <= N::signed_last() && b.1 <= N::signed_last();
    match op {
        Op::Addi | Op::Add => wrap((a.0 + b.0, a.1 + b.1)),
        Op::Sub => wrap((a.0 - b.1, a.1 - b.0)),
        Op::Slti | Op::Slt if !small => (zero, N::of(1)),
        Op::Slti | Op::Slt | Op::Sltiu | Op::Sltu => less(a, b),
        Op::Andi | Op::And => and(a, b),
        Op::Ori | Op::Or => or(a, b),
        Op::Xori | Op::Xor if b == (last, last) => complement(a),
        Op::Xori | Op::Xor => (zero, (a.1 + b.1).min(below_power(a.1 | b.1))),
        Op::Slli | Op::Sll if b.1 < bits && a.1 << b.1 <= last => (a.0 << b.0, a.1 << b.1),
        Op::Srai | Op::Sra if a.1 > N::signed_last() => shift_signed(a, b),
        Op::Srli | Op::Srl | Op::Srai | Op::Sra if b.1 < bits => (a.0 >> b.1, a.1 >> b.0),
        Op::Srli | Op::Srl | Op::Srai | Op::Sra => (zero, a.1),
        Op::Mul if a.1.product(b.1) <= last => (a.0 * b.0, a.1 * b.1),
        Op::Mulhu => (a.0.high_product(b.0), a.1.high_product(b.1)),
        Op::Mulh | Op::Mulhsu if small => (a.0.high_product(b.0), a.1.high_product(b.1)),
        Op::Div if small && b.0 > zero => (a.0 / b.1, a.1 / b.0),
        Op::Divu if b.0 > zero => (a.0 / b.1, a.1 / b.0),
        Op::Rem if small => remainder(a, b),
        Op::Remu => remainder(a, b),
        Op::Andn => and(a, complement(b)),
        Op::Orn => or(a, complement(b)),
        Op::Min | Op::Max if !small => any(),
        Op::Min | Op::Minu => (a.0.min(b.0), a.1.min(b.1)),
        Op::Max | Op::Maxu => (a.0.max(b.0), a.1.max(b.1)),
        Op::Clz | Op::Ctz | Op::Cpop => (zero, bits),
        Op::Bext | Op::Bexti => (zero, N::of(1)),
        _ => any(),
    }
}

/// What to add to every integer of a range to make it a word, if that is the same for all of them.
pub(crate) fn turn<N: Number>((lo, hi): Span<N>) -> Option<N> {
    let bits = N::of(N::WORD_BITS);
    let turns = lo >> bits;
    (turns == hi >> bits).then(|| N::of(0) - (turns << bits))
}

/// Brings a range of sums back into words.
fn wrap<N: Number>((lo, hi): Span<N>) -> Span<N> {
    turn((lo, hi)).map_or(any(), |by| (lo + by, hi + by))
}

fn less<N: Number>(a: Span<N>, b: Span<N>) -> Span<N> {
    if a.1 < b.0 {
        (N::of(1), N::of(1))
    } else if a.0 >= b.1 {
        (N::of(0), N::of(0))
    } else {
        (N::of(0), N::of(1))
    }
}

fn or<N: Number>(a: Span<N>, b: Span<N>) -> Span<N> {
    (a.0.max(b.0), (a.1 + b.1).min(below_power(a.1 | b.1)))
}

fn complement<N: Number>(a: Span<N>) -> Span<N> {
    (N::last() - a.1, N::last() - a.0)
}

fn and<N: Number>(a: Span<N>, b: Span<N>) -> Span<N> {
    let (values, mask) = if b.0 == b.1 { (a, b.0) } else { (b, a.0) };
    let cleared = N::last() - mask;
    let clears_low_bits = (a.0 == a.1 || b.0 == b.1) && cleared & (cleared + N::of(1)) == N::of(0);
    if clears_low_bits {
        return (values.0 & mask, values.1 & mask);
    }
    (N::of(0), a.1.min(b.1))
}

/// The largest number with as many bits as `n`, which is a word.
fn below_power<N: Number>(n: N) -> N {
    [1, 2, 4, 8, 16]
        .into_iter()
        .fold(n, |n, by| n | n >> N::of(by))
}

/// Arithmetic shift of words that are all negative.
fn shift_signed<N: Number>(a: Span<N>, b: Span<N>) -> Span<N> {
    if a.0 <= N::signed_last() || b.0 != b.1 {
        return any();
    }
    let size = N::last() + N::of(1);
    let shift = |n: N| ((n - size) >> (b.0 % N::of(N::WORD_BITS))) + size;
    (shift(a.0), shift(a.1))
}

/// A remainder never exceeds the dividend, and stays below a divisor that cannot be 0.
fn remainder<N: Number>(a: Span<N>, b: Span<N>) -> Span<N> {
    let zero = N::of(0);
    if b.0 > zero && a.1 < b.0 {
        a
    } else if b.0 > zero {
        (zero, a.1.min(b.1 - N::of(1)))
    } else {
        (zero, a.1)
    }
}

/// Whether no result of an operation is above its first operand.
pub(crate) fn lowers<N: Number>(op: Op, b: Span<N>) -> bool {
    match op {
        Op::Andi | Op::And | Op::Andn | Op::Srli | Op::Srl | Op::Remu | Op::Minu => true,
        // A quotient by zero is all ones.
        Op::Divu => b.0 > N::of(0),
        _ => false,
    }
}

/// Whether a mask leaves every word of a range as it is.
pub(crate) fn is_kept<N: Number>(values: Span<N>, mask: Span<N>) -> bool {
    mask.0 == mask.1 && mask.0 & (mask.0 + N::of(1)) == N::of(0) && values.1 <= mask.0
}

/// What divides the result of a multiplication, a shift or a mask, when `stride` divides the first operand. Where the result
/// can wrap only a power of two still divides it.
pub(crate) fn stride<N: Number>(op: Op, a: Span<N>, stride: N, b: Span<N>) -> N {
    let (zero, one) = (N::of(0), N::of(1));
    let lowest_bit = |n: N| n & (zero - n);
    if b.0 != b.1 {
        return one;
    }
    let factor = match op {
        Op::Slli | Op::Sll => one << (b.0 % N::of(N::WORD_BITS)),
        Op::Mul => b.0,
        Op::Andi | Op::And if b.0 > zero => return lowest_bit(b.0),
        _ => return one,
    };
    if a.1.product(factor) <= N::last() {
        stride.product(factor)
    } else {
        let product = lowest_bit(stride).product(lowest_bit(factor));
        product.min(one << N::of(N::WORD_BITS - 1))
    }
}
