//! The numbers that the rules about ranges compute with.
//!
//! In: nothing. Out: what a number must be able to do, and the numbers that the verifier uses. The rules are written for any
//! width of words, so that they can be tried on all words of a few bits; and for any kind of number, so that the same rules
//! can be written down for a solver. Here stands the width of the machine, and it costs nothing.

use core::ops::{Add, BitAnd, BitOr, Div, Mul, Rem, Shl, Shr, Sub};

use nfl_isa::Op;

/// An integer that is wide enough for sums of words, with the width of a word.
pub(crate) trait Number:
    Copy
    + Ord
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + Shl<Output = Self>
    + Shr<Output = Self>
{
    /// Bits of a word.
    const WORD_BITS: i64;

    /// An integer as such a number.
    fn of(n: i64) -> Self;

    /// The result of an operation on two words, as the machine computes it. An immediate counts as
    /// the second operand.
    fn word(op: Op, a: Self, b: Self) -> Option<Self>;

    /// The product of two words, or a number beyond all words if it is beyond all integers.
    fn product(self, other: Self) -> Self;

    /// The product of two words without its lowest word.
    fn high_product(self, other: Self) -> Self;

    /// The largest word.
    fn last() -> Self {
        Self::of((1 << Self::WORD_BITS) - 1)
    }

    /// The largest word that is not negative as a signed number.
    fn signed_last() -> Self {
        Self::of((1 << (Self::WORD_BITS - 1)) - 1)
    }
}

impl Number for i64 {
    const WORD_BITS: i64 = 32;

    fn of(n: i64) -> i64 {
        n
    }

    fn word(op: Op, a: i64, b: i64) -> Option<i64> {
        word(op, a as u32, b as u32).map(i64::from)
    }

    fn product(self, other: i64) -> i64 {
        self.saturating_mul(other)
    }

    fn high_product(self, other: i64) -> i64 {
        let product = self.cast_unsigned().wrapping_mul(other.cast_unsigned());
        (product >> Self::WORD_BITS).cast_signed()
    }
}

fn word(op: Op, a: u32, b: u32) -> Option<u32> {
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
        Op::Andn => a & !b,
        Op::Orn => a | !b,
        Op::Xnor => !(a ^ b),
        Op::Min => sa.min(sb).cast_unsigned(),
        Op::Minu => a.min(b),
        Op::Max => sa.max(sb).cast_unsigned(),
        Op::Maxu => a.max(b),
        Op::Rol => a.rotate_left(amount),
        Op::Ror | Op::Rori => a.rotate_right(amount),
        Op::Clz => a.leading_zeros(),
        Op::Ctz => a.trailing_zeros(),
        Op::Cpop => a.count_ones(),
        Op::Orcb => u32::from_le_bytes(a.to_le_bytes().map(|byte| if byte == 0 { 0 } else { 255 })),
        Op::Rev8 => a.swap_bytes(),
        Op::Bclr | Op::Bclri => a & !(1 << amount),
        Op::Bext | Op::Bexti => a >> amount & 1,
        Op::Binv | Op::Binvi => a ^ 1 << amount,
        Op::Bset | Op::Bseti => a | 1 << amount,
        _ => return None,
    })
}
