//! Words of a few bits, and what the machine makes of them.
//!
//! In: a width. Out: numbers of that width, for the rules; and the operations of RV32IM, Zbb and Zbs on words of that width, written from
//! the instruction set's text and not from the verifier: shifts count modulo the width, a quotient by zero is all ones, a
//! remainder by zero is the dividend, and both wrap where the quotient is too large.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Rem, Shl, Shr, Sub};

use nfl_isa::Op;

use crate::number::Number;

/// An integer, with words of so many bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Narrow<const BITS: u32>(pub(crate) i64);

macro_rules! operators {
    ($($name:ident $method:ident $op:tt),*) => {$(
        impl<const BITS: u32> $name for Narrow<BITS> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Narrow(self.0 $op other.0)
            }
        }
    )*};
}

operators!(Add add +, Sub sub -, Mul mul *, Div div /, Rem rem %, BitAnd bitand &, BitOr bitor |, Shl shl <<, Shr shr >>);

impl<const BITS: u32> Number for Narrow<BITS> {
    const WORD_BITS: i64 = BITS as i64;

    fn of(n: i64) -> Self {
        Narrow(n)
    }

    fn word(op: Op, a: Self, b: Self) -> Option<Self> {
        Some(Narrow(machine(op, a.0, b.0, BITS)))
    }

    fn product(self, other: Self) -> Self {
        self * other
    }

    fn high_product(self, other: Self) -> Self {
        Narrow((self.0 * other.0) >> BITS)
    }
}

/// The result of an operation on two words of a width.
pub(crate) fn machine(op: Op, a: i64, b: i64, bits: u32) -> i64 {
    let size = 1i128 << bits;
    let (ua, ub) = (i128::from(a), i128::from(b));
    let signed = |n: i128| if 2 * n >= size { n - size } else { n };
    let (sa, sb) = (signed(ua), signed(ub));
    let amount = (ub % i128::from(bits)) as u32;
    let result = match op {
        Op::Add => ua + ub,
        Op::Sub => ua - ub,
        Op::Slt => i128::from(sa < sb),
        Op::Sltu => i128::from(ua < ub),
        Op::Xor => ua ^ ub,
        Op::Or => ua | ub,
        Op::And => ua & ub,
        Op::Sll => ua << amount,
        Op::Srl => ua >> amount,
        Op::Sra => sa >> amount,
        Op::Mul => ua * ub,
        Op::Mulh => (sa * sb).div_euclid(size),
        Op::Mulhsu => (sa * ub).div_euclid(size),
        Op::Mulhu => (ua * ub).div_euclid(size),
        Op::Div if ub == 0 => -1,
        Op::Div => sa / sb,
        Op::Divu if ub == 0 => -1,
        Op::Divu => ua / ub,
        Op::Rem if ub == 0 => sa,
        Op::Rem => sa % sb,
        Op::Remu if ub == 0 => ua,
        Op::Remu => ua % ub,
        Op::Andn => ua & (size - 1 - ub),
        Op::Orn => ua | (size - 1 - ub),
        Op::Xnor => size - 1 - (ua ^ ub),
        Op::Min => sa.min(sb),
        Op::Minu => ua.min(ub),
        Op::Max => sa.max(sb),
        Op::Maxu => ua.max(ub),
        Op::Rol => ua << amount | ua >> (bits - amount),
        Op::Ror => ua >> amount | ua << (bits - amount),
        Op::Clz => (0..bits)
            .take_while(|n| ua >> (bits - 1 - n) & 1 == 0)
            .count() as i128,
        Op::Ctz => (0..bits).take_while(|n| ua >> n & 1 == 0).count() as i128,
        Op::Cpop => (0..bits).map(|n| ua >> n & 1).sum(),
        Op::Bclr => ua - (ua & 1 << amount),
        Op::Bext => ua >> amount & 1,
        Op::Binv => ua ^ 1 << amount,
        Op::Bset => ua | 1 << amount,
        _ => panic!("{op:?} is no operation on two words"),
    };
    result.rem_euclid(size) as i64
}
