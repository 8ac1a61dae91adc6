//! Known bits: bits of a word that are the same in every run.
//!
//! In: facts and a word. Out: which of its bits are surely 0 and which are surely 1. They follow from masks, from
//! shifts, from the width of an interval, and from the low bits of sums and products.

use crate::entity::Value;
use crate::func::InstData;
use crate::op::Op;
use crate::verify::facts::{Facts, Known};
use crate::verify::range::Range;

/// What is known of the bits of a word.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Bits {
    /// Those that are surely 0.
    zeros: u32,
    /// Those that are surely 1.
    ones: u32,
}

impl Bits {
    fn exactly(n: u32) -> Bits {
        Bits { zeros: !n, ones: n }
    }

    /// The high bits that all numbers of an interval have.
    fn of(range: Range) -> Bits {
        let differ = range.lo ^ range.hi;
        let same = match differ {
            0 => u32::MAX,
            _ => !(u32::MAX >> differ.leading_zeros()),
        };
        Bits {
            zeros: same & !range.lo,
            ones: same & range.lo,
        }
    }

    /// The numbers that have these bits.
    pub(super) fn range(self) -> Range {
        Range::new(self.ones, !self.zeros)
    }

    fn and(self, other: Bits) -> Bits {
        Bits {
            zeros: self.zeros | other.zeros,
            ones: self.ones & other.ones,
        }
    }

    fn or(self, other: Bits) -> Bits {
        Bits {
            zeros: self.zeros & other.zeros,
            ones: self.ones | other.ones,
        }
    }

    fn xor(self, other: Bits) -> Bits {
        let known = (self.zeros | self.ones) & (other.zeros | other.ones);
        let bits = self.ones ^ other.ones;
        Bits {
            zeros: known & !bits,
            ones: known & bits,
        }
    }

    /// The low bits that are all known.
    fn low(self) -> u32 {
        let unknown = !(self.zeros | self.ones);
        match unknown.trailing_zeros() {
            32 => u32::MAX,
            n => (1 << n) - 1,
        }
    }

    /// Of a result whose low bits follow from the low bits of the operands.
    fn by_low(self, other: Bits, f: impl Fn(u32, u32) -> u32) -> Bits {
        let low = self.low() & other.low();
        let bits = f(self.ones, other.ones);
        Bits {
            zeros: low & !bits,
            ones: low & bits,
        }
    }

    /// With the bytes in the other order, of a word or of its lower half.
    fn swapped(self, op: Op) -> Bits {
        let half = |bits: u32| u32::from((bits as u16).swap_bytes());
        match op {
            Op::Bswap16 => Bits {
                zeros: half(self.zeros) | 0xffff_0000,
                ones: half(self.ones),
            },
            _ => Bits {
                zeros: self.zeros.swap_bytes(),
                ones: self.ones.swap_bytes(),
            },
        }
    }

    /// Both say the truth.
    fn both(self, other: Bits) -> Bits {
        Bits {
            zeros: self.zeros | other.zeros,
            ones: self.ones | other.ones,
        }
    }
}

/// How many definitions deep bits are asked for.
pub(super) const DEPTH: u8 = 5;

impl Known<'_> {
    /// What is known of the bits of a word.
    pub(super) fn bits(self, facts: &Facts, v: Value, depth: u8) -> Bits {
        let ask = (self.stamp(facts), v, depth);
        self.memo.bits(ask, || self.find_bits(facts, v, depth))
    }

    fn find_bits(self, facts: &Facts, v: Value, depth: u8) -> Bits {
        // Intervals that ask for operands would ask for bits again.
        let said = facts.ranges.get(&v).copied().unwrap_or(Range::FULL);
        let known = Bits::of(self.base[v].meet(said).unwrap_or(said));
        let Some(less) = depth.checked_sub(1) else {
            return known;
        };
        let made = self
            .f
            .def(v)
            .and_then(|def| self.made_bits(facts, def, less));
        let bits = made.map(|made| known.both(made));
        // Where both cannot be true nobody comes.
        bits.filter(|bits| bits.zeros & bits.ones == 0)
            .unwrap_or(known)
    }

    /// What follows from the operation that makes a word.
    pub(super) fn made_bits(self, facts: &Facts, def: &InstData, depth: u8) -> Option<Bits> {
        if def.op == Op::Const {
            return Some(Bits::exactly(def.imm));
        }
        if let (Op::Bswap16 | Op::Bswap32, &[a]) = (def.op, def.args.as_slice()) {
            return Some(self.bits(facts, a, depth).swapped(def.op));
        }
        let &[a, b] = def.args.as_slice() else {
            return None;
        };
        let is_known = matches!(
            def.op,
            Op::And | Op::Or | Op::Xor | Op::Add | Op::Sub | Op::Mul | Op::Shl | Op::Shr
        );
        if !is_known {
            return None;
        }
        let left = self.bits(facts, a, depth);
        let by = self.f.constant(b).filter(|&n| n < 32);
        let right = || self.bits(facts, b, depth);
        Some(match def.op {
            Op::And => left.and(right()),
            Op::Or => left.or(right()),
            Op::Xor => left.xor(right()),
            Op::Add => left.by_low(right(), u32::wrapping_add),
            Op::Sub => left.by_low(right(), u32::wrapping_sub),
            Op::Mul => left.by_low(right(), u32::wrapping_mul),
            Op::Shl => {
                let n = by?;
                Bits {
                    zeros: left.zeros << n | !(u32::MAX << n),
                    ones: left.ones << n,
                }
            }
            _ => {
                let n = by?;
                Bits {
                    zeros: left.zeros >> n | !(u32::MAX >> n),
                    ones: left.ones >> n,
                }
            }
        })
    }
}
