//! The rules about ranges, on all words of a few bits.
//!
//! In: the rules themselves, compiled here for words of five and of six bits. Out: for every operation and every pair of
//! ranges, whether each result of the machine lies in the range that the rule gives; for every branch, whether each pair of
//! words that goes one way is kept. Words of 32 bits are tried at their edges, and proved by a solver in `tests/smt`.

mod narrow;

#[path = "../src/lesson.rs"]
mod lesson;
#[path = "../src/number.rs"]
mod number;
#[path = "../src/range.rs"]
mod range;

use nfl_isa::Op;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use lesson::{Lesson, Side, at_most, lessons, without};
use narrow::{Narrow, machine};
use number::Number;
use range::Span;

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
    Op::Andn,
    Op::Orn,
    Op::Xnor,
    Op::Min,
    Op::Minu,
    Op::Max,
    Op::Maxu,
    Op::Rol,
    Op::Ror,
    Op::Clz,
    Op::Ctz,
    Op::Cpop,
    Op::Bclr,
    Op::Bext,
    Op::Binv,
    Op::Bset,
];

/// Operations with an immediate, each with the one that takes it from a register.
const IMMEDIATE: &[(Op, Op)] = &[
    (Op::Addi, Op::Add),
    (Op::Slti, Op::Slt),
    (Op::Sltiu, Op::Sltu),
    (Op::Xori, Op::Xor),
    (Op::Ori, Op::Or),
    (Op::Andi, Op::And),
    (Op::Slli, Op::Sll),
    (Op::Srli, Op::Srl),
    (Op::Srai, Op::Sra),
    (Op::Rori, Op::Ror),
    (Op::Bclri, Op::Bclr),
    (Op::Bexti, Op::Bext),
    (Op::Binvi, Op::Binv),
    (Op::Bseti, Op::Bset),
];

const BRANCHES: &[Op] = &[Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu];

/// All ranges of words.
fn spans(words: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..words).flat_map(move |lo| (lo..words).map(move |hi| (lo, hi)))
}

fn span<const BITS: u32>((lo, hi): (i64, i64)) -> Span<Narrow<BITS>> {
    (Narrow(lo), Narrow(hi))
}

/// Calls `see` with every pair of ranges, and the least and the greatest result of any pair of words from them. Those are found from
/// the results for ranges that are shorter by one, so that each word is looked at once.
fn hulls(words: i64, result: impl Fn(i64, i64) -> i64, mut see: impl FnMut([i64; 4], (i64, i64))) {
    for al in 0..words {
        // For each range of second operands, the hull over the first operands so far.
        let mut hull = vec![(i64::MAX, i64::MIN); (words * words) as usize];
        for ah in al..words {
            for bl in 0..words {
                let mut row = (i64::MAX, i64::MIN);
                for bh in bl..words {
                    let one = result(ah, bh);
                    row = (row.0.min(one), row.1.max(one));
                    let cell = &mut hull[(bl * words + bh) as usize];
                    *cell = (cell.0.min(row.0), cell.1.max(row.1));
                    see([al, ah, bl, bh], *cell);
                }
            }
        }
    }
}

/// Tries every operation on every pair of ranges; gives back how many pairs there were.
fn operations<const BITS: u32>() -> u64 {
    let words = 1i64 << BITS;
    let mut tried = 0;
    for &op in OPS {
        let table: Vec<i64> = (0..words * words)
            .map(|at| machine(op, at / words, at % words, BITS))
            .collect();
        let result = |a: i64, b: i64| table[(a * words + b) as usize];
        hulls(words, result, |[al, ah, bl, bh], (least, most)| {
            let (lo, hi) = range::apply(op, span::<BITS>((al, ah)), span((bl, bh)));
            assert!(
                lo.0 <= least && most <= hi.0,
                "{op:?} of {al}..={ah} and {bl}..={bh} gives {least}..={most}, not {lo:?}..={hi:?}"
            );
            assert!(
                0 <= lo.0 && hi.0 < words,
                "{op:?} of {al}..={ah} and {bl}..={bh} is no word: {lo:?}..={hi:?}"
            );
            tried += 1;
        });
    }
    tried
}

/// Tries what is said of an operation beside the range of its results: that it lowers its first operand, and that a mask keeps it.
fn other_rules<const BITS: u32>() {
    let words = 1i64 << BITS;
    for &op in OPS {
        let above = |a: i64, b: i64| i64::from(machine(op, a, b, BITS) > a);
        hulls(words, above, |[al, ah, bl, bh], (_, above)| {
            let lowers = range::lowers(op, span::<BITS>((bl, bh)));
            assert!(
                !lowers || above == 0,
                "{op:?} by {bl}..={bh} raises one of {al}..={ah}"
            );
        });
    }
    let changes = |a: i64, b: i64| i64::from(a & b != a);
    hulls(words, changes, |[al, ah, bl, bh], (_, changed)| {
        let kept = range::is_kept(span::<BITS>((al, ah)), span((bl, bh)));
        assert!(
            !kept || changed == 0,
            "a mask of {bl}..={bh} changes one of {al}..={ah}"
        );
    });
}

/// Tries what divides the results of an operation on multiples. A 0 says that the only result is 0.
fn strides<const BITS: u32>() {
    let words = 1i64 << BITS;
    for &op in OPS {
        for (al, ah) in spans(words) {
            for step in 0..words {
                let multiples = |n: &i64| if step == 0 { *n == 0 } else { n % step == 0 };
                let firsts: Vec<i64> = (al..=ah).filter(multiples).collect();
                if firsts.is_empty() {
                    continue;
                }
                for b in 0..words {
                    let (first, second) = (span::<BITS>((al, ah)), span((b, b)));
                    let stride = range::stride(op, first, Narrow(step), second).0;
                    for &a in &firsts {
                        let result = machine(op, a, b, BITS);
                        let divides = if stride == 0 {
                            result == 0
                        } else {
                            result % stride == 0
                        };
                        assert!(
                            divides,
                            "{op:?} of {a}, a multiple of {step} in {al}..={ah}, and {b} gives {result}, no multiple of {stride}"
                        );
                    }
                }
            }
        }
    }
}

/// Ranges after a lesson. One that no pair of words satisfies teaches nothing.
fn learn<N: Number>(lesson: Lesson<N>, pair: [Span<N>; 2]) -> [Span<N>; 2] {
    let [a, b] = pair;
    let range = |side: Side<N>| match side {
        Side::First => a,
        Side::Second => b,
        Side::Constant(n) => (n, n),
    };
    let mut after = pair;
    let mut narrow = |side: Side<N>, to: Span<N>| match side {
        Side::First => after[0] = to,
        Side::Second => after[1] = to,
        Side::Constant(_) => {}
    };
    match lesson {
        Lesson::Nothing => {}
        Lesson::AtMost(less, by, more) => {
            let (below, above) = at_most(range(less), by, range(more));
            if below.0 <= below.1 && above.0 <= above.1 {
                narrow(less, below);
                narrow(more, above);
            }
        }
        Lesson::Not(side, c) => narrow(side, without(range(side), c)),
    }
    after
}

fn goes<const BITS: u32>(op: Op, a: i64, b: i64) -> bool {
    let signed = |n: i64| {
        if n >> (BITS - 1) & 1 == 1 {
            n - (1 << BITS)
        } else {
            n
        }
    };
    match op {
        Op::Beq => a == b,
        Op::Bne => a != b,
        Op::Bltu => a < b,
        Op::Bgeu => a >= b,
        Op::Blt => signed(a) < signed(b),
        _ => signed(a) >= signed(b),
    }
}

/// Tries every branch on every pair of ranges. The words that go one way, and their least and greatest, are found as above.
fn branches<const BITS: u32>() -> u64 {
    let words = 1i64 << BITS;
    let mut tried = 0;
    for &op in BRANCHES {
        for taken in [true, false] {
            for (al, ah) in spans(words) {
                for (bl, bh) in spans(words) {
                    let before = [span::<BITS>((al, ah)), span((bl, bh))];
                    let mut after = before;
                    for lesson in lessons(op, taken, before[0], before[1]) {
                        after = learn(lesson, after);
                    }
                    tried += 1;
                    // Only words that were cut off can be wrong.
                    let cut = |[before, after]: [Span<Narrow<BITS>>; 2]| {
                        (before.0.0..=before.1.0)
                            .filter(move |n| !(after.0.0..=after.1.0).contains(n))
                    };
                    let kept_out = cut([before[0], after[0]])
                        .flat_map(|a| (bl..=bh).map(move |b| (a, b)))
                        .chain(
                            cut([before[1], after[1]]).flat_map(|b| (al..=ah).map(move |a| (a, b))),
                        )
                        .find(|&(a, b)| goes::<BITS>(op, a, b) == taken);
                    assert_eq!(
                        kept_out, None,
                        "{op:?} taken {taken} on {al}..={ah} and {bl}..={bh} gives {after:?}"
                    );
                }
            }
        }
    }
    tried
}

#[test]
fn operations_on_all_words_of_five_bits() {
    assert_eq!(operations::<5>(), 34 * 528 * 528);
}

#[test]
fn other_rules_on_all_words_of_five_bits() {
    other_rules::<5>();
}

#[test]
fn strides_on_all_words_of_four_bits() {
    strides::<4>();
}

#[test]
fn branches_on_all_words_of_four_bits() {
    assert_eq!(branches::<4>(), 12 * 136 * 136);
}

/// Takes minutes without optimisation.
#[cfg(not(debug_assertions))]
#[test]
fn all_rules_on_all_words_of_six_bits() {
    assert_eq!(operations::<6>(), 34 * 2080 * 2080);
    other_rules::<6>();
    strides::<5>();
    assert_eq!(branches::<5>(), 12 * 528 * 528);
    assert_eq!(branches::<6>(), 12 * 2080 * 2080);
}

/// An operation with an immediate is that with a register.
#[test]
fn immediates_follow_the_rules_of_registers() {
    let words = [0, 1, 7, 0x7ff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff_i64];
    let mut spans = words
        .iter()
        .flat_map(|lo| words.iter().map(move |hi| (*lo, *hi)));
    let spans: Vec<Span<i64>> = spans.by_ref().filter(|(lo, hi)| lo <= hi).collect();
    for &(immediate, register) in IMMEDIATE {
        for &a in &spans {
            for &b in &spans {
                assert_eq!(range::apply(immediate, a, b), range::apply(register, a, b));
                assert_eq!(range::lowers(immediate, b), range::lowers(register, b));
                assert_eq!(
                    range::stride(immediate, a, 4, b),
                    range::stride(register, a, 4, b)
                );
            }
        }
    }
}

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

/// A range, and a word in it.
fn word_in_range() -> impl Strategy<Value = (Span<i64>, i64)> {
    (edge(), edge(), 0..6u8, any::<u32>()).prop_map(|(a, b, which, at)| {
        let (lo, hi) = (a.min(b), a.max(b));
        let word = match which {
            0 => lo,
            1 => hi,
            2 => lo + u32::from(lo < hi),
            3 => hi - u32::from(lo < hi),
            _ => lo + ((u64::from(at) * u64::from(hi - lo)) >> 32) as u32,
        };
        ((lo.into(), hi.into()), word.into())
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    /// The machine of the small words, at 32 bits, is that of the verifier.
    #[test]
    fn small_machines_are_like_the_large_one(a in edge(), b in edge()) {
        for &op in OPS {
            let (a, b) = (a.into(), b.into());
            prop_assert_eq!(i64::word(op, a, b), Some(machine(op, a, b, 32)), "{:?}", op);
        }
    }

    #[test]
    fn operations_on_words_of_the_machine((a, va) in word_in_range(), (b, vb) in word_in_range()) {
        for &op in OPS {
            let (lo, hi) = range::apply(op, a, b);
            let result = machine(op, va, vb, 32);
            prop_assert!(lo <= result && result <= hi, "{op:?} {a:?} {b:?}: {va} {vb} gives {result}, not in {lo}..={hi}");
            prop_assert!(0 <= lo && hi <= i64::last());
        }
    }

    #[test]
    fn branches_on_words_of_the_machine((a, va) in word_in_range(), (b, vb) in word_in_range()) {
        for &op in BRANCHES {
            let taken = goes::<32>(op, va, vb);
            let mut after = [a, b];
            for lesson in lessons(op, taken, a, b) {
                after = learn(lesson, after);
            }
            let inside = |(lo, hi): Span<i64>, n: i64| lo <= n && n <= hi;
            prop_assert!(inside(after[0], va) && inside(after[1], vb), "{op:?} {taken} {a:?} {b:?}: {va} {vb} not in {after:?}");
        }
    }
}
