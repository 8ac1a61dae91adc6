//! The table of rewrites: short pieces of code, and shorter ones that leave the same words.
//!
//! In: nothing. Out: [`REWRITES`]. Guaranteed: of each row a solver proves, for all words, for all immediates and for all ways in which
//! its registers may be one, that it is right (`tests/smt/run`). What stands here was found by search over the code of all
//! examples (`superopt`), and is written down once.

use nfl_isa::Op;

/// A register of a row. Two may be the same one, unless the row says that they are apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Var {
    A,
    B,
    C,
    D,
    T,
    U,
    /// The machine's `zero`; none of the others is.
    Zero,
}

/// Registers of a row other than [`Var::Zero`].
pub(crate) const VARS: usize = 6;

/// An immediate of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Imm {
    /// This number.
    Is(i32),
    /// Any number that the instruction takes; an amount is from 1 to 31.
    I,
    /// Another one.
    J,
    /// So many ones: `2^k - 1`.
    Ones,
    /// `i + j`.
    Sum,
    /// `32 - i`.
    Rest,
    /// `32 - k`.
    Above,
    /// `32 - i - k`.
    Beyond,
}

/// The last operand of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Last {
    Reg(Var),
    Imm(Imm),
}

/// An instruction of a row: operation, destination, first and last operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step(
    pub(crate) Op,
    pub(crate) Var,
    pub(crate) Var,
    pub(crate) Last,
);

/// What the immediates of a row must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    Always,
    /// `i + j = 0`.
    Opposite,
    /// `i | j = -1`.
    Covering,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Rewrite {
    #[allow(dead_code, reason = "proofs and tests call a row by its name")]
    pub(crate) name: &'static str,
    pub(crate) from: &'static [Step],
    pub(crate) to: &'static [Step],
    /// Registers that nobody reads afterwards; every other one holds the same word.
    pub(crate) dies: &'static [Var],
    /// Registers that are not the same one.
    pub(crate) apart: &'static [(Var, Var)],
    pub(crate) when: When,
}

const fn r(op: Op, rd: Var, a: Var, b: Var) -> Step {
    Step(op, rd, a, Last::Reg(b))
}

const fn i(op: Op, rd: Var, a: Var, imm: Imm) -> Step {
    Step(op, rd, a, Last::Imm(imm))
}

const fn row(
    name: &'static str,
    from: &'static [Step],
    to: &'static [Step],
    dies: &'static [Var],
) -> Rewrite {
    Rewrite {
        name,
        from,
        to,
        dies,
        apart: &[],
        when: When::Always,
    }
}

impl Rewrite {
    const fn apart(self, apart: &'static [(Var, Var)]) -> Rewrite {
        Rewrite { apart, ..self }
    }

    const fn when(self, when: When) -> Rewrite {
        Rewrite { when, ..self }
    }
}

use Imm::{Above, Beyond, I, Is, J, Ones, Rest, Sum};
use Op::{Add, Addi, Andi, Ori, Slli, Slt, Slti, Sltiu, Sltu, Srli, Sub, Xori};
use Var::{A, B, C, D, T, U, Zero};

/// All rows; the first that fits is taken.
#[rustfmt::skip] // a row reads from left to right
pub(crate) const REWRITES: &[Rewrite] = &[
    row("low bits by a difference",
        &[i(Srli, T, A, I), i(Slli, T, T, I), r(Sub, D, A, T)],
        &[i(Slli, D, A, Rest), i(Srli, D, D, Rest)], &[T]).apart(&[(T, A)]),
    row("low bits by a difference of a shift that stays",
        &[i(Srli, B, A, I), i(Slli, T, B, I), r(Sub, D, A, T)],
        &[i(Srli, B, A, I), i(Slli, D, A, Rest), i(Srli, D, D, Rest)], &[T])
        .apart(&[(T, A), (T, B), (A, B), (B, D)]),
    row("the same upper bits twice",
        &[i(Srli, B, A, I), i(Srli, C, A, I)],
        &[i(Srli, B, A, I), i(Addi, C, B, Is(0))], &[]).apart(&[(A, B)]),
    row("the same lower bits twice",
        &[i(Andi, B, A, I), i(Andi, C, A, I)],
        &[i(Andi, B, A, I), i(Addi, C, B, Is(0))], &[]).apart(&[(A, B)]),
    row("upper bits of upper bits",
        &[i(Srli, T, A, I), i(Andi, D, T, Ones)],
        &[i(Slli, D, A, Beyond), i(Srli, D, D, Above)], &[T]),
    row("there and back",
        &[i(Addi, T, A, I), r(Add, T, T, B), i(Addi, D, T, J)],
        &[r(Add, D, A, B)], &[T]).apart(&[(T, B)]).when(When::Opposite),
    row("there and further",
        &[i(Addi, T, A, I), r(Add, T, T, B), i(Addi, D, T, J)],
        &[r(Add, D, A, B), i(Addi, D, D, Sum)], &[T]).apart(&[(T, B)]),
    row("a sum of differences",
        &[r(Sub, T, A, B), r(Add, D, D, T), r(Sub, U, B, C), r(Add, D, D, U)],
        &[r(Add, D, D, A), r(Sub, D, D, C)], &[T, U])
        .apart(&[(T, B), (T, C), (T, D), (U, D), (D, A), (D, B), (D, C)]),
    row("set again what was cleared",
        &[i(Andi, T, A, I), i(Ori, D, T, J)],
        &[i(Ori, D, A, J)], &[T]).when(When::Covering),
    row("a mask where one is not below the other",
        &[r(Sltu, T, A, B), i(Xori, T, T, Is(1)), r(Sub, D, Zero, T)],
        &[r(Sltu, D, A, B), i(Addi, D, D, Is(-1))], &[T]),
    row("a mask where one is not below a constant",
        &[i(Sltiu, T, A, I), i(Xori, T, T, Is(1)), r(Sub, D, Zero, T)],
        &[i(Sltiu, D, A, I), i(Addi, D, D, Is(-1))], &[T]),
    row("a mask where one is not less than the other",
        &[r(Slt, T, A, B), i(Xori, T, T, Is(1)), r(Sub, D, Zero, T)],
        &[r(Slt, D, A, B), i(Addi, D, D, Is(-1))], &[T]),
    row("a mask where one is not less than a constant",
        &[i(Slti, T, A, I), i(Xori, T, T, Is(1)), r(Sub, D, Zero, T)],
        &[i(Slti, D, A, I), i(Addi, D, D, Is(-1))], &[T]),
    row("a mask where a word is not zero",
        &[r(Sltu, T, Zero, A), r(Sub, D, Zero, T)],
        &[i(Sltiu, D, A, Is(1)), i(Addi, D, D, Is(-1))], &[T]),
];
