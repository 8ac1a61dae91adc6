//! States and the machine states they cover, at random.
//!
//! In: seeds. Out: a state about which something is known, with numbers for its symbols that agree with it. Guaranteed to
//! be found wrong: an operation, a branch or a join after which the state no longer covers what the machine makes of the
//! numbers.

use alloc::vec::Vec;

use nfl_abi::image::Rights;
use nfl_isa::{Inst, Op, Reg};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::join::Joiner;
use crate::number::Number;
use crate::refine;
use crate::state::{FIRST, Kind, LEN, State, Sym, Value, WORD_MAX};
use crate::transfer::{World, step};

const A: Reg = Reg(5);
const B: Reg = Reg(6);
const RESULT: Reg = Reg(7);

/// What is known about one symbol: how far its bounds and its distance are from the number it is, and what divides it.
#[derive(Clone, Debug)]
struct Known {
    number: i64,
    below: i64,
    above: i64,
    stride: i64,
    /// Less than the distance to the packet's end by so much, where that is known at all.
    short: Option<i64>,
}

/// Two registers as symbols and constants, with a packet.
#[derive(Clone, Debug)]
struct Scene {
    len: i64,
    len_below: i64,
    len_above: i64,
    symbols: Vec<Known>,
    /// Which symbol a register holds, and what is added to it.
    registers: [(usize, i64); 2],
}

/// A number near the places where something changes.
fn edge() -> impl Strategy<Value = i64> {
    let near =
        (0u32..33, -2i64..3).prop_map(|(shift, by)| ((1i64 << shift) + by).clamp(0, WORD_MAX));
    prop_oneof![near, 0..=WORD_MAX, 0i64..70, 0i64..1600]
}

fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(0), 0i64..9, edge()]
}

fn known() -> impl Strategy<Value = Known> {
    let stride = prop_oneof![Just(1i64), Just(2), Just(4), Just(12), Just(20)];
    (edge(), gap(), gap(), stride, prop::option::of(gap())).prop_map(
        |(number, below, above, stride, short)| Known {
            number: number / stride * stride,
            below,
            above,
            stride,
            short,
        },
    )
}

fn scene() -> impl Strategy<Value = Scene> {
    let register = || (0usize..3, prop_oneof![Just(0i64), -8i64..9, Just(1 << 16)]);
    let len = prop_oneof![0i64..70, 0i64..=65_535];
    (
        (len, gap(), gap()),
        prop::collection::vec(known(), 2..3),
        [register(), register()],
    )
        .prop_map(|((len, len_below, len_above), symbols, registers)| Scene {
            len,
            len_below,
            len_above,
            symbols,
            registers,
        })
}

impl Scene {
    /// The state, and a number for each of its symbols.
    fn build(&self) -> (State, Vec<i64>) {
        let len = (
            (self.len - self.len_below).max(0),
            (self.len + self.len_above).min(65_535),
        );
        let mut state = State::entry(len);
        let mut numbers = alloc::vec![0, self.len];
        for known in &self.symbols {
            let sym = state.fresh((
                (known.number - known.below).max(0),
                (known.number + known.above).min(WORD_MAX),
            ));
            state.note_stride(sym, known.stride);
            if let Some(short) = known.short {
                state.note_slack(sym, self.len - known.number - short);
            }
            numbers.push(known.number);
        }
        for (reg, (which, k)) in [A, B].into_iter().zip(self.registers) {
            let sym = [LEN, FIRST, FIRST + 1][which];
            let kind = Kind::Number;
            let (lo, hi) = state.range(Value::new(kind, sym, 0));
            // A register never holds what may be no word.
            let k = if lo + k >= 0 && hi + k <= WORD_MAX {
                k
            } else {
                0
            };
            state.set_reg(reg, Value::new(kind, sym, k));
        }
        (state, numbers)
    }
}

/// What a register holds when the symbols are these numbers.
fn number(state: &State, numbers: &[i64], reg: Reg) -> i64 {
    let value = state.reg(reg);
    numbers[usize::from(value.sym())] + value.k
}

/// Whether everything that is known of the symbols is true of the numbers.
fn check(state: &State, numbers: &[i64]) -> Result<(), TestCaseError> {
    let len = numbers[usize::from(LEN)];
    for (sym, &n) in numbers.iter().enumerate() {
        let sym = sym as Sym;
        let value = Value::new(Kind::Number, sym, 0);
        let (lo, hi) = state.range(value);
        prop_assert!(
            lo <= n && n <= hi,
            "symbol {sym} is {n}, not in {lo}..={hi}"
        );
        let slack = state.slack(sym);
        prop_assert!(
            n + slack <= len,
            "symbol {sym} is {n}, and not {slack} before {len}"
        );
        let stride = state.stride(value);
        let divides = if stride == 0 { n == 0 } else { n % stride == 0 };
        prop_assert!(divides, "symbol {sym} is {n}, no multiple of {stride}");
    }
    Ok(())
}

const WORLD: World<'_> = World {
    window: 0,
    rights: Rights::NONE,
    carried: 0,
    constants: &[],
    late: &[],
    imports: &[],
    loop_words: u64::MAX,
};

/// What the machine makes of two words; what no rule for ranges is asked about is written down here.
fn computed(op: Op, a: i64, b: i64) -> i64 {
    let low = |bits: u32| a & ((1 << bits) - 1);
    let signed = |bits: u32| low(bits) - ((low(bits) >> (bits - 1)) << bits);
    let result = match op {
        Op::Sh1add => 2 * a + b,
        Op::Sh2add => 4 * a + b,
        Op::Sh3add => 8 * a + b,
        Op::Sextb => signed(8),
        Op::Sexth => signed(16),
        Op::Zexth => low(16),
        op => i64::word(op, a, b).expect("an operation on words"),
    };
    result & WORD_MAX
}

/// The word that operations in two steps have in between.
fn between(op: Op, a: i64) -> i64 {
    let shift = match op {
        Op::Sh1add => 1,
        Op::Sh2add => 2,
        Op::Sh3add => 3,
        Op::Sextb => 24,
        _ => 16,
    };
    a << shift & WORD_MAX
}

/// Passes an instruction on both sides: the new symbol, if there is one, gets the number that the machine computes.
fn pass(scene: &Scene, inst: &Inst, second: i64) -> Result<(), TestCaseError> {
    let (mut state, mut numbers) = scene.build();
    check(&state, &numbers)?;
    let first = number(&state, &numbers, A);
    let result = computed(inst.op, first, second);
    prop_assert!(step(&mut state, inst, &WORLD).is_ok());
    let value = state.reg(RESULT);
    let (lo, hi) = state.range(value);
    prop_assert!(
        lo <= result && result <= hi,
        "{:?} of {first} and {second} gives {result}, not in {lo}..={hi}",
        inst.op
    );
    for sym in numbers.len() as Sym..state.symbols() {
        numbers.push(if sym == value.sym() {
            result - value.k
        } else {
            between(inst.op, first)
        });
    }
    check(&state, &numbers)?;
    prop_assert_eq!(number(&state, &numbers, RESULT), result);
    Ok(())
}

const REGISTER: &[Op] = &[
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
    Op::Mulhu,
    Op::Div,
    Op::Divu,
    Op::Rem,
    Op::Remu,
    Op::Sh1add,
    Op::Sh2add,
    Op::Sh3add,
    Op::Andn,
    Op::Orn,
    Op::Xnor,
    Op::Min,
    Op::Minu,
    Op::Max,
    Op::Maxu,
    Op::Rol,
    Op::Ror,
    Op::Bclr,
    Op::Bext,
    Op::Binv,
    Op::Bset,
];

const IMMEDIATE: &[Op] = &[Op::Addi, Op::Slti, Op::Sltiu, Op::Xori, Op::Ori, Op::Andi];

const SHIFT: &[Op] = &[
    Op::Slli,
    Op::Srli,
    Op::Srai,
    Op::Rori,
    Op::Bclri,
    Op::Bexti,
    Op::Binvi,
    Op::Bseti,
];

const UNARY: &[Op] = &[
    Op::Clz,
    Op::Ctz,
    Op::Cpop,
    Op::Sextb,
    Op::Sexth,
    Op::Zexth,
    Op::Orcb,
    Op::Rev8,
];

const BRANCHES: &[Op] = &[Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu];

fn inst(op: Op, rs2: Reg, imm: i32) -> Inst {
    Inst {
        op,
        rd: RESULT,
        rs1: A,
        rs2,
        imm,
    }
}

fn goes(op: Op, a: i64, b: i64) -> bool {
    let (sa, sb) = ((a as u32).cast_signed(), (b as u32).cast_signed());
    match op {
        Op::Beq => a == b,
        Op::Bne => a != b,
        Op::Blt => sa < sb,
        Op::Bge => sa >= sb,
        Op::Bltu => a < b,
        _ => a >= b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn operations_cover_what_the_machine_computes(scene in scene()) {
        let (state, numbers) = scene.build();
        for &op in REGISTER {
            pass(&scene, &inst(op, B, 0), number(&state, &numbers, B))?;
        }
    }

    #[test]
    fn immediates_cover_what_the_machine_computes(scene in scene(), imm in prop_oneof![-2048i32..2048, -9i32..20], amount in 0i32..32) {
        for &op in IMMEDIATE {
            pass(&scene, &inst(op, Reg::ZERO, imm), imm.cast_unsigned().into())?;
        }
        for &op in SHIFT {
            pass(&scene, &inst(op, Reg::ZERO, amount), amount.into())?;
        }
        for &op in UNARY {
            pass(&scene, &inst(op, Reg::ZERO, 0), 0)?;
        }
    }

    #[test]
    fn a_branch_keeps_what_goes_its_way(scene in scene()) {
        for &op in BRANCHES {
            let (mut state, numbers) = scene.build();
            let branch = inst(op, B, 8);
            let taken = goes(op, number(&state, &numbers, A), number(&state, &numbers, B));
            let operands = refine::operands(&state, &branch);
            prop_assert!(operands.is_ok());
            if let Ok(operands) = operands {
                prop_assert!(refine::can_be(&state, op, operands, taken));
                refine::learn(&mut state, op, operands, taken);
            }
            check(&state, &numbers)?;
        }
    }

    /// Registers keep their numbers, whatever names their symbols have afterwards.
    #[test]
    fn a_join_covers_both(one in scene(), other in scene()) {
        let sides = [one.build(), other.build()];
        for (first, second) in [(0, 1), (1, 0)] {
            let mut joined = sides[first].0.clone();
            joined.join(&sides[second].0, FIRST, &mut Joiner::default());
            for (state, numbers) in &sides {
                let mut named: Vec<Option<i64>> = alloc::vec![None; joined.symbols().into()];
                named[0] = Some(0);
                named[usize::from(LEN)] = Some(numbers[usize::from(LEN)]);
                for reg in [A, B] {
                    let value = joined.reg(reg);
                    prop_assert_eq!(value.kind(), Kind::Number);
                    let n = number(state, numbers, reg) - value.k;
                    let name = &mut named[usize::from(value.sym())];
                    prop_assert!(name.is_none_or(|known| known == n), "{reg:?} is no {n} with the others");
                    *name = Some(n);
                }
                for (sym, n) in named.into_iter().enumerate() {
                    let Some(n) = n else { continue };
                    let value = Value::new(Kind::Number, sym as Sym, 0);
                    let (lo, hi) = joined.range(value);
                    prop_assert!(lo <= n && n <= hi);
                    prop_assert!(n + joined.slack(value.sym()) <= numbers[usize::from(LEN)]);
                    let stride = joined.stride(value);
                    let divides = if stride == 0 { n == 0 } else { n % stride == 0 };
                    prop_assert!(divides);
                }
            }
        }
    }
}
