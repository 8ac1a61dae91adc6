//! Section 8, "Ranges": where the result of an operation on numbers lies.
//!
//! In: an operation, and the ranges of its operands. Out: the range of its result.

use nfl_isa::Op;

use super::{Int, M};

type Range = (Int, Int);

const ANY: Range = (0, M);
const HALF: Int = 1 << 31;

/// The largest power of two that divides `n`, at most that one.
pub(super) fn power_of_two_below(n: Int, most: u32) -> Int {
    1 << n.trailing_zeros().min(most)
}

/// The word as a number with a sign.
fn signed(word: Int) -> Int {
    if word >= HALF { word - (M + 1) } else { word }
}

/// What the machine computes from two words.
pub(super) fn exact_result(op: Op, a: Int, b: Int) -> Int {
    let (sa, sb) = (signed(a), signed(b));
    let result = match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::Sll => a << (b % 32),
        Op::Srl => a >> (b % 32),
        Op::Sra => sa >> (b % 32),
        Op::Slt => Int::from(sa < sb),
        Op::Sltu => Int::from(a < b),
        Op::Mul => a * b,
        Op::Mulh => (sa * sb) >> 32,
        Op::Mulhsu => (sa * b) >> 32,
        Op::Mulhu => (a * b) >> 32,
        Op::Div | Op::Divu if b == 0 => M,
        Op::Rem | Op::Remu if b == 0 => a,
        Op::Div => sa / sb,
        Op::Divu => a / b,
        Op::Rem => sa % sb,
        Op::Remu => a % b,
        Op::Andn => a & (M - b),
        Op::Orn => a | (M - b),
        Op::Xnor => M - (a ^ b),
        Op::Min => sa.min(sb),
        Op::Minu => a.min(b),
        Op::Max => sa.max(sb),
        Op::Maxu => a.max(b),
        Op::Rol => a << (b % 32) | a >> (32 - b % 32),
        Op::Ror => a >> (b % 32) | a << (32 - b % 32),
        Op::Clz => (0..32).take_while(|n| a >> (31 - n) == 0).count() as Int,
        Op::Ctz => (1..=32).take_while(|n| a % (1 << n) == 0).count() as Int,
        Op::Cpop => a.count_ones().into(),
        Op::Orcb => bytes(a)
            .map(|(n, byte)| (255 * byte.signum()) << (8 * n))
            .sum(),
        Op::Rev8 => bytes(a).map(|(n, byte)| byte << (24 - 8 * n)).sum(),
        Op::Bclr => a & !(1 << (b % 32)),
        Op::Bext => a >> (b % 32) & 1,
        Op::Binv => a ^ 1 << (b % 32),
        Op::Bset => a | 1 << (b % 32),
        _ => panic!("{op:?} is done by others"),
    };
    result.rem_euclid(M + 1)
}

/// The bytes of a word with their numbers, the lowest first.
fn bytes(word: Int) -> impl Iterator<Item = (u32, Int)> {
    (0..4).map(move |n| (n, word >> (8 * n) & 255))
}

/// Where the result lies, unless both operands are exact.
pub(super) fn range(op: Op, a: Range, b: Range) -> Range {
    let small = a.1 < HALF && b.1 < HALF;
    match op {
        Op::Add => add(a, b),
        Op::Slt if !small => (0, 1),
        Op::Slt | Op::Sltu if a.1 < b.0 => (1, 1),
        Op::Slt | Op::Sltu if a.0 >= b.1 => (0, 0),
        Op::Slt | Op::Sltu => (0, 1),
        Op::And => and(a, b),
        Op::Andn => and(a, (M - b.1, M - b.0)),
        Op::Orn => range(Op::Or, a, (M - b.1, M - b.0)),
        Op::Or => (a.0.max(b.0), (a.1 + b.1).min(all_bits(a.1 | b.1))),
        Op::Xor if b == (M, M) => (M - a.1, M - a.0),
        Op::Xor => (0, (a.1 + b.1).min(all_bits(a.1 | b.1))),
        Op::Sll if b.1 < 32 && a.1 << b.1 <= M => (a.0 << b.0, a.1 << b.1),
        Op::Sra if a.1 >= HALF => match b.0 == b.1 && a.0 >= HALF {
            true => (exact_result(op, a.0, b.0), exact_result(op, a.1, b.0)),
            false => ANY,
        },
        Op::Srl | Op::Sra if b.1 < 32 => (a.0 >> b.1, a.1 >> b.0),
        Op::Srl | Op::Sra => (0, a.1),
        Op::Mul if a.1 * b.1 <= M => (a.0 * b.0, a.1 * b.1),
        Op::Mulhu => ((a.0 * b.0) >> 32, (a.1 * b.1) >> 32),
        Op::Mulh | Op::Mulhsu if small => ((a.0 * b.0) >> 32, (a.1 * b.1) >> 32),
        Op::Divu if b.0 > 0 => (a.0 / b.1, a.1 / b.0),
        Op::Div if small && b.0 > 0 => (a.0 / b.1, a.1 / b.0),
        Op::Remu => remainder(a, b),
        Op::Rem if small => remainder(a, b),
        Op::Minu => (a.0.min(b.0), a.1.min(b.1)),
        Op::Min if small => (a.0.min(b.0), a.1.min(b.1)),
        Op::Maxu => (a.0.max(b.0), a.1.max(b.1)),
        Op::Max if small => (a.0.max(b.0), a.1.max(b.1)),
        Op::Clz | Op::Ctz | Op::Cpop => (0, 32),
        Op::Bext => (0, 1),
        _ => ANY,
    }
}

fn add(a: Range, b: Range) -> Range {
    let (lo, hi) = (a.0 + b.0, a.1 + b.1);
    match (lo > M, hi > M) {
        (false, false) => (lo, hi),
        (true, true) => (lo - M - 1, hi - M - 1),
        _ => ANY,
    }
}

/// The least number of ones that is not less than `n`.
fn all_bits(n: Int) -> Int {
    (1 << (Int::BITS - n.leading_zeros())) - 1
}

fn and(a: Range, b: Range) -> Range {
    let (x, mask) = match (a.0 == a.1, b.0 == b.1) {
        (_, true) => (a, Some(b.0)),
        (true, false) => (b, Some(a.0)),
        _ => (a, None),
    };
    // Ones, and behind them zeros.
    let clears_low_bits = |mask: Int| (M - mask + 1).count_ones() == 1;
    match mask.filter(|&mask| clears_low_bits(mask)) {
        Some(mask) => (x.0 & mask, x.1 & mask),
        None => (0, a.1.min(b.1)),
    }
}

fn remainder(a: Range, b: Range) -> Range {
    if b.0 > a.1 {
        a
    } else if b.0 > 0 {
        (0, a.1.min(b.1 - 1))
    } else {
        (0, a.1)
    }
}
