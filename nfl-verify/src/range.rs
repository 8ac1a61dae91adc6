//! Arithmetic on ranges of words.
//!
//! In: an operation and the ranges of its operands, as unsigned words. Out: a range that holds
//! every result. Guaranteed: exact for single values, sound for all.

use nfl_isa::Op;

use crate::refusal::Range;
use crate::state::WORD_MAX;

/// Any word.
pub(crate) const ANY: Range = (0, WORD_MAX);
/// Words that are not negative as signed numbers.
pub(crate) const SIGNED_MAX: i64 = i32::MAX as i64;

/// The result of an operation on two words, as the machine computes it. An immediate counts as the
/// second operand.
pub(crate) fn word(op: Op, a: u32, b: u32) -> Option<u32> {
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    let amount = b & 31;
    Some(match op {
        Op::Addi | Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Slti | Op::Slt => u32::from(sa < sb),
        Op::Sltiu | Op::Sltu => u32::from(a < b),
        Op::Xori | Op::Xor => a ^ b,
        Op::Ori | Op::Or => a | b,
        Op::Andi | Op::And => a & b,
        Op::Slli | Op::Sll => a << amount,
        Op::Srli | Op::Srl => a >> amount,
        Op::Srai | Op::Sra => (sa >> amount).cast_unsigned(),
        Op::Mul => a.wrapping_mul(b),
        Op::Mulh => ((i64::from(sa) * i64::from(sb)) >> 32) as u32,
        Op::Mulhsu => ((i64::from(sa) * i64::from(b)) >> 32) as u32,
        Op::Mulhu => ((u64::from(a) * u64::from(b)) >> 32) as u32,
        Op::Div if b == 0 => u32::MAX,
        Op::Div => sa.wrapping_div(sb).cast_unsigned(),
        Op::Divu => a.checked_div(b).unwrap_or(u32::MAX),
        Op::Rem if b == 0 => a,
        Op::Rem => sa.wrapping_rem(sb).cast_unsigned(),
        Op::Remu => a.checked_rem(b).unwrap_or(a),
        _ => return None,
    })
}

/// All results of an operation on words of two ranges.
pub(crate) fn apply(op: Op, a: Range, b: Range) -> Range {
    if a.0 == a.1
        && b.0 == b.1
        && let Some(exact) = word(op, a.0 as u32, b.0 as u32)
    {
        return (i64::from(exact), i64::from(exact));
    }
    let small = a.1 <= SIGNED_MAX && b.1 <= SIGNED_MAX;
    match op {
        Op::Addi | Op::Add => wrap((a.0 + b.0, a.1 + b.1)),
        Op::Sub => wrap((a.0 - b.1, a.1 - b.0)),
        Op::Slti | Op::Slt if !small => (0, 1),
        Op::Slti | Op::Slt | Op::Sltiu | Op::Sltu => less(a, b),
        Op::Andi | Op::And => and(a, b),
        Op::Ori | Op::Or => (a.0.max(b.0), (a.1 + b.1).min(below_power(a.1 | b.1))),
        Op::Xori | Op::Xor if b == (WORD_MAX, WORD_MAX) => (WORD_MAX - a.1, WORD_MAX - a.0),
        Op::Xori | Op::Xor => (0, (a.1 + b.1).min(below_power(a.1 | b.1))),
        Op::Slli | Op::Sll if b.1 < 32 && a.1 << b.1 <= WORD_MAX => (a.0 << b.0, a.1 << b.1),
        Op::Srai | Op::Sra if a.1 > SIGNED_MAX => shift_signed(a, b),
        Op::Srli | Op::Srl | Op::Srai | Op::Sra if b.1 < 32 => (a.0 >> b.1, a.1 >> b.0),
        Op::Srli | Op::Srl | Op::Srai | Op::Sra => (0, a.1),
        Op::Mul if a.1.saturating_mul(b.1) <= WORD_MAX => (a.0 * b.0, a.1 * b.1),
        Op::Mulhu => (high(a.0, b.0), high(a.1, b.1)),
        Op::Mulh | Op::Mulhsu if small => (high(a.0, b.0), high(a.1, b.1)),
        Op::Div if small && b.0 > 0 => (a.0 / b.1, a.1 / b.0),
        Op::Divu if b.0 > 0 => (a.0 / b.1, a.1 / b.0),
        Op::Rem if small => remainder(a, b),
        Op::Remu => remainder(a, b),
        _ => ANY,
    }
}

/// What to add to every integer of a range to make it a word, if that is the same for all of them.
pub(crate) fn turn((lo, hi): Range) -> Option<i64> {
    let size = WORD_MAX + 1;
    let turns = lo.div_euclid(size);
    (turns == hi.div_euclid(size)).then_some(-turns * size)
}

/// Brings a range of sums back into words.
fn wrap((lo, hi): Range) -> Range {
    turn((lo, hi)).map_or(ANY, |by| (lo + by, hi + by))
}

fn less(a: Range, b: Range) -> Range {
    if a.1 < b.0 {
        (1, 1)
    } else if a.0 >= b.1 {
        (0, 0)
    } else {
        (0, 1)
    }
}

fn and(a: Range, b: Range) -> Range {
    let (values, mask) = if b.0 == b.1 { (a, b.0) } else { (b, a.0) };
    let clears_low_bits = (a.0 == a.1 || b.0 == b.1)
        && (mask ^ WORD_MAX).count_ones() == (mask ^ WORD_MAX).trailing_ones();
    if clears_low_bits {
        return (values.0 & mask, values.1 & mask);
    }
    (0, a.1.min(b.1))
}

/// The largest number with as many bits as `n`.
fn below_power(n: i64) -> i64 {
    let bits = 64 - n.leading_zeros();
    (1i64 << bits.min(62)) - 1
}

/// Arithmetic shift of words that are all negative.
fn shift_signed(a: Range, b: Range) -> Range {
    if a.0 <= SIGNED_MAX || b.0 != b.1 {
        return ANY;
    }
    let shift = |n: i64| i64::from((((n as u32).cast_signed()) >> (b.0 & 31)).cast_unsigned());
    (shift(a.0), shift(a.1))
}

fn high(a: i64, b: i64) -> i64 {
    let product = a.cast_unsigned().wrapping_mul(b.cast_unsigned());
    (product >> 32).cast_signed()
}

/// A remainder never exceeds the dividend, and stays below a divisor that cannot be 0.
fn remainder(a: Range, b: Range) -> Range {
    if b.0 > 0 && a.1 < b.0 {
        a
    } else if b.0 > 0 {
        (0, a.1.min(b.1 - 1))
    } else {
        (0, a.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPS: &[Op] = &[
        Op::Add,
        Op::Sub,
        Op::Slt,
        Op::Sltu,
        Op::Xor,
        Op::Or,
        Op::And,
        Op::Sll,
        Op::Srl,
        Op::Sra,
        Op::Mul,
        Op::Mulh,
        Op::Mulhsu,
        Op::Mulhu,
        Op::Div,
        Op::Divu,
        Op::Rem,
        Op::Remu,
    ];

    /// Words near the places where something changes.
    fn edge() -> impl Strategy<Value = u32> {
        let near = (0u32..33, 0u32..5).prop_map(|(shift, by)| {
            1u32.checked_shl(shift)
                .unwrap_or(0)
                .wrapping_add(by)
                .wrapping_sub(2)
        });
        prop_oneof![near, any::<u32>(), 0u32..70]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_result_lies_in_the_range(a in (edge(), edge()), b in (edge(), edge()), x in 0.0..=1.0f64, y in 0.0..=1.0f64) {
            let (a, b) = ((a.0.min(a.1), a.0.max(a.1)), (b.0.min(b.1), b.0.max(b.1)));
            let pick = |(lo, hi): (u32, u32), at: f64| lo + ((hi - lo) as f64 * at) as u32;
            let (va, vb) = (pick(a, x), pick(b, y));
            for &op in OPS {
                let range = apply(op, (a.0.into(), a.1.into()), (b.0.into(), b.1.into()));
                for (va, vb) in [(va, vb), a, b, (a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)] {
                    if va < a.0 || va > a.1 || vb < b.0 || vb > b.1 {
                        continue;
                    }
                    let result = i64::from(word(op, va, vb).expect("an operation on words"));
                    prop_assert!(range.0 <= result && result <= range.1, "{op:?} {a:?} {b:?}: {va} {vb} gives {result}, not in {range:?}");
                    prop_assert!(range.0 >= 0 && range.1 <= WORD_MAX && range.0 <= range.1);
                }
            }
        }
    }

    /// Four-bit operands, all ranges, all words: no operation loses a result.
    #[test]
    fn small_ranges_exhaustively() {
        for &op in OPS {
            for lo in 0..9i64 {
                for hi in lo..9 {
                    for bl in 0..5i64 {
                        for bh in bl..5 {
                            let range = apply(op, (lo, hi), (bl, bh));
                            for a in lo..=hi {
                                for b in bl..=bh {
                                    let result = i64::from(
                                        word(op, a as u32, b as u32)
                                            .expect("an operation on words"),
                                    );
                                    assert!(
                                        range.0 <= result && result <= range.1,
                                        "{op:?} {lo}..={hi} {bl}..={bh}"
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
