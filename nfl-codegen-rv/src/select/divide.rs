//! Products and quotients with constants, where the target has no multiplier and no divider.
//!
//! In: a register, the largest number it can hold, and a constant. Out: shifts, additions and subtractions. Guaranteed: the
//! results are exact for every number up to the largest.
//!
//! The idea: a quotient is a product with the reciprocal, rounded up, and a shift, when the product fits a word (Granlund and
//! Montgomery 1994). Else the number is shifted by each place of the binary fraction `1/c`, which gives a little too little,
//! and what is left over is divided once more.

use nfl_ir::{InstData, Op as IrOp, Value};
use nfl_isa::Op;

use super::Select;
use super::value::width_mask;
use crate::mir::{Code, VReg};

/// `x / c` is `x * factor >> shift`.
#[derive(Clone, Copy)]
struct Reciprocal {
    factor: u32,
    shift: u32,
}

/// The smallest reciprocal that is exact up to `most`, when its products fit a word.
fn reciprocal(c: u32, most: u32) -> Option<Reciprocal> {
    (0..32).find_map(|shift| {
        let power = 1u64 << shift;
        let factor = power.div_ceil(c.into());
        let over = factor * u64::from(c) - power;
        let is_exact = over * u64::from(most) < power;
        let fits = factor * u64::from(most) <= u64::from(u32::MAX);
        (is_exact && fits).then_some(Reciprocal {
            factor: factor as u32,
            shift,
        })
    })
}

/// The places of `1/c` behind the binary point that matter for numbers up to `most`.
fn places(c: u32, most: u32) -> Vec<u32> {
    let fraction = (1u64 << 32) / u64::from(c);
    let counts = |place: &u32| fraction >> (32 - place) & 1 != 0 && most >> place != 0;
    (1..32).filter(counts).collect()
}

/// The most that is left of a number when `c` was taken from it as often as the places say: each of them, and those
/// that are left out together, may be one too few.
fn left_over(c: u32, most: u32, places: &[u32]) -> u32 {
    let times = places.len() as u64 + 2;
    let left = times * u64::from(c) - 1;
    u32::try_from(left).map_or(most, |left| left.min(most))
}

impl Select<'_> {
    /// Multiplies by shifts and additions where the target has no multiplier.
    pub(super) fn multiply(&mut self, rd: VReg, a: Value, c: u32) -> bool {
        if self.input.isa.allows(Op::Mul) {
            return false;
        }
        let rs1 = self.reg(a);
        self.product(rd, rs1, c);
        true
    }

    /// Divides an unsigned number by a constant where the target has no divider.
    pub(super) fn divide(&mut self, rd: VReg, inst: &InstData, c: u32) -> bool {
        if self.input.isa.allows(Op::Divu) || c == 0 {
            return false;
        }
        let a = inst.args[0];
        let most = width_mask(u32::from(self.f.values[a].width).clamp(1, 32));
        let rs1 = self.reg(a);
        if inst.op == IrOp::Divu {
            self.quotient(rd, rs1, (c, most));
            return true;
        }
        let quotient = self.out.fresh();
        self.quotient(quotient, rs1, (c, most));
        let times = self.out.fresh();
        self.product(times, quotient, c);
        self.r(Op::Sub, rd, rs1, times);
        true
    }

    /// From the highest bit down, as one would evaluate a number that is written out (Horner).
    fn product(&mut self, rd: VReg, rs1: VReg, c: u32) {
        if c == 0 {
            self.pending.push(Code::Li { rd, value: 0 });
            return;
        }
        let mut so_far = rs1;
        let mut at = 31 - c.leading_zeros();
        let mut rest = c & !(1 << at);
        while rest != 0 {
            let next = 31 - rest.leading_zeros();
            let (moved, sum) = (self.out.fresh(), self.out.fresh());
            self.i(Op::Slli, moved, so_far, (at - next).cast_signed());
            self.r(Op::Add, sum, moved, rs1);
            (so_far, at) = (sum, next);
            rest &= !(1 << next);
        }
        self.shift(Op::Slli, rd, so_far, at);
    }

    fn shift(&mut self, op: Op, rd: VReg, rs1: VReg, by: u32) {
        let op = if by == 0 { Op::Addi } else { op };
        self.i(op, rd, rs1, by.cast_signed());
    }

    /// The quotient of a number up to `most`.
    fn quotient(&mut self, rd: VReg, rs1: VReg, (c, most): (u32, u32)) {
        if let Some(Reciprocal { factor, shift }) = reciprocal(c, most) {
            let product = self.out.fresh();
            self.product(product, rs1, factor);
            self.shift(Op::Srli, rd, product, shift);
            return;
        }
        let places = places(c, most);
        let first = self.out.fresh();
        self.pending.push(Code::Li {
            rd: first,
            value: 0,
        });
        let mut sum = first;
        for &place in &places {
            let (part, next) = (self.out.fresh(), self.out.fresh());
            self.i(Op::Srli, part, rs1, place.cast_signed());
            self.r(Op::Add, next, sum, part);
            sum = next;
        }
        let (times, left) = (self.out.fresh(), self.out.fresh());
        self.product(times, sum, c);
        self.r(Op::Sub, left, rs1, times);
        let most = left_over(c, most, &places);
        if reciprocal(c, most).is_some() {
            let more = self.out.fresh();
            self.quotient(more, left, (c, most));
            self.r(Op::Add, rd, sum, more);
        } else {
            self.take_away(rd, sum, left, (c, most));
        }
    }

    /// Adds to `sum` how often `c` goes into what is left, from the highest place down.
    fn take_away(&mut self, rd: VReg, sum: VReg, left: VReg, (c, most): (u32, u32)) {
        let (mut sum, mut left) = (sum, left);
        let highest = (most / c).checked_ilog2();
        for place in (0..highest.map_or(0, |place| place + 1)).rev() {
            let amount = self.constant(c << place);
            let below = self.out.fresh();
            self.r(Op::Sltu, below, left, amount);
            // All ones when it goes into it.
            let goes = self.out.fresh();
            self.i(Op::Addi, goes, below, -1);
            let (part, rest) = (self.out.fresh(), self.out.fresh());
            self.r(Op::And, part, goes, amount);
            self.r(Op::Sub, rest, left, part);
            let (once, more) = (self.out.fresh(), self.out.fresh());
            self.i(Op::Andi, once, goes, 1 << place);
            self.r(Op::Add, more, sum, once);
            (sum, left) = (more, rest);
        }
        self.i(Op::Addi, rd, sum, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIVISORS: [u32; 14] = [
        3,
        5,
        7,
        10,
        60,
        100,
        641,
        1000,
        4001,
        65_537,
        1_000_000,
        0x7fff_ffff,
        0x8000_0001,
        u32::MAX,
    ];

    /// The numbers where a quotient changes, near the middle and at the end.
    fn numbers(c: u32, most: u32) -> impl Iterator<Item = u32> {
        let steps = [0, 1, 2, most / c / 2, most / c / 3, most / c];
        let near = move |times: u32| {
            let at = times.saturating_mul(c);
            [at.saturating_sub(1), at, at.saturating_add(1), most]
        };
        steps.into_iter().flat_map(near).filter(move |&x| x <= most)
    }

    #[test]
    fn reciprocals_are_exact() {
        for c in DIVISORS {
            for most in [0xff, 1500, 0xffff, 0xf_ffff, u32::MAX] {
                let Some(Reciprocal { factor, shift }) = reciprocal(c, most) else {
                    continue;
                };
                let all = 0..=most.min(0xffff);
                for x in all.chain(numbers(c, most)) {
                    assert_eq!((x * factor) >> shift, x / c, "{x} / {c}");
                }
            }
        }
        assert!(reciprocal(10, 0xffff).is_some() && reciprocal(10, u32::MAX).is_none());
    }

    #[test]
    fn little_is_left_over() {
        for c in DIVISORS {
            for most in [1500, 0xffff, u32::MAX] {
                let places = places(c, most);
                for x in numbers(c, most) {
                    let sum: u32 = places.iter().map(|place| x >> place).sum();
                    assert!(sum <= x / c, "{x} / {c}");
                    assert!(x - sum * c <= left_over(c, most, &places), "{x} / {c}");
                }
            }
        }
    }
}
