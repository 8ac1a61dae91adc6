//! Products and quotients of more than one word, and those of quantities.
//!
//! In: words, least significant first. Out: words. Guaranteed: the whole product; quotients towards
//! zero. A constant divisor of few bits costs no loop: the number is divided digit by digit, with
//! digits so short that a remainder and a digit fit into a word. Others are divided bit by bit in a
//! loop. A divisor that may be zero is refused as for numbers of one word.

use super::Lower;
use super::number::Width;
use super::ssa::Builder;
use crate::entity::Value;
use crate::op::Op;
use nfl_syntax::ast::BinOp;
use nfl_typeck::{Ty, TyKind};

/// Nanoseconds of a second times bits of a byte.
const BIT_NANOS: u128 = 8_000_000_000;
/// The twos in it, and what is left.
const TWOS: u32 = 12;
const ODD: u32 = 1_953_125;
/// The most bits of a divisor that is divided by in digits.
const DIGIT_DIVISOR_BITS: u32 = 24;

const U64: Width = Width {
    bits: 64,
    signed: false,
};

impl Builder {
    /// The whole product.
    fn product(&mut self, a: &[Value], b: &[Value]) -> Vec<Value> {
        let mut sum: Vec<Option<Value>> = vec![None; a.len() + b.len()];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                if self.as_constant(x) == Some(0) || self.as_constant(y) == Some(0) {
                    continue;
                }
                let low = self.op2(Op::Mul, x, y, 32);
                let high = self.op2(Op::Mulhu, x, y, 32);
                self.add_at(&mut sum, i + j, low);
                self.add_at(&mut sum, i + j + 1, high);
            }
        }
        let zero = self.constant(0);
        sum.into_iter().map(|word| word.unwrap_or(zero)).collect()
    }

    /// Adds a word at a place, and what it carries to the places above.
    fn add_at(&mut self, sum: &mut [Option<Value>], at: usize, word: Value) {
        let mut word = word;
        for place in sum.iter_mut().skip(at) {
            let Some(before) = *place else {
                *place = Some(word);
                return;
            };
            let after = self.op2(Op::Add, before, word, 32);
            *place = Some(after);
            word = self.compare(Op::Ltu, after, word);
        }
    }

    /// All ones where one of the words is not zero.
    fn ones_if_any(&mut self, words: &[Value]) -> Value {
        let zero = self.constant(0);
        let any = words
            .iter()
            .fold(zero, |any, &word| self.op2(Op::Or, any, word, 32));
        let some = self.compare(Op::Ne, any, zero);
        self.op2(Op::Sub, zero, some, 32)
    }

    /// The low words, or all ones where the others are not zero.
    fn saturated(&mut self, words: &[Value], count: usize) -> Vec<Value> {
        if words[count..]
            .iter()
            .all(|&word| self.as_constant(word) == Some(0))
        {
            return words[..count].to_vec();
        }
        let ones = self.ones_if_any(&words[count..]);
        words[..count]
            .iter()
            .map(|&word| self.op2(Op::Or, word, ones, 32))
            .collect()
    }

    /// The product of unsigned numbers in so many words, or the largest number where it is larger.
    fn saturating_product(&mut self, a: &[Value], b: &[Value], count: usize) -> Vec<Value> {
        let product = self.product(a, b);
        self.saturated(&product, count)
    }

    /// A rate times a duration in bytes.
    fn rate_times_duration(&mut self, rate: &[Value], duration: &[Value]) -> Vec<Value> {
        let product = self.product(rate, duration);
        let shifted: Vec<Value> = (0..4)
            .map(|i| {
                let low = self.op2c(Op::Shr, product[i], TWOS, 32);
                match product.get(i + 1) {
                    Some(&high) => {
                        let spill = self.op2c(Op::Shl, high, 32 - TWOS, 32);
                        self.op2(Op::Or, low, spill, 32)
                    }
                    None => low,
                }
            })
            .collect();
        let odd = self.constant(ODD);
        let wide = self.ones_if_any(&shifted[2..]);
        let above = self.compare(Op::Ltu, shifted[1], odd);
        let above = self.not(above);
        let zero = self.constant(0);
        let above = self.op2(Op::Sub, zero, above, 32);
        let over = self.op2(Op::Or, wide, above, 32);
        // Below the limit the upper word is a remainder already: 21 bits, so digits have 11.
        let mut rest = shifted[1];
        let mut quotient = over;
        for (at, bits) in [(21, 11), (10, 11), (0, 10)] {
            (quotient, rest) = self.digit(shifted[0], at, bits, rest, odd, quotient);
        }
        vec![quotient]
    }

    /// One digit of a division: `bits` bits of a word from `at` on behind the rest so far.
    fn digit(
        &mut self,
        word: Value,
        at: u32,
        bits: u32,
        rest: Value,
        divisor: Value,
        quotient: Value,
    ) -> (Value, Value) {
        let moved = self.op2c(Op::Shl, rest, bits, 32);
        let own = self.op2c(Op::Shr, word, at, 32);
        let own = self.op2c(Op::And, own, (1 << bits) - 1, bits as u8);
        let number = self.op2(Op::Or, moved, own, 32);
        let digit = self.op2(Op::Divu, number, divisor, 32);
        let rest = self.op2(Op::Remu, number, divisor, 32);
        let placed = self.op2c(Op::Shl, digit, at, 32);
        (self.op2(Op::Or, quotient, placed, 32), rest)
    }

    /// Quotient or remainder of numbers of one width.
    pub(super) fn divide(
        &mut self,
        a: &[Value],
        b: &[Value],
        w: Width,
        remainder: bool,
    ) -> Vec<Value> {
        if w.words() == 1 {
            let op = match (w.signed, remainder) {
                (false, false) => Op::Divu,
                (false, true) => Op::Remu,
                (true, false) => Op::Div,
                (true, true) => Op::Rem,
            };
            self.divisor(b[0]);
            return vec![self.op2(op, a[0], b[0], w.word_bits(0))];
        }
        self.not_zero(b);
        if !w.signed {
            let words = self.divide_unsigned(a, b, remainder);
            return self.resize(words, U64, w);
        }
        // Magnitudes are divided; the quotient is negative when one of them was, the remainder when the
        // first was.
        let sign = |b: &mut Builder, words: &[Value]| b.op2c(Op::Sar, words[1], 31, 32);
        let (sa, sb) = (sign(self, a), sign(self, b));
        let (x, y) = (self.negated_if(a, sa), self.negated_if(b, sb));
        let words = self.divide_unsigned(&x, &y, remainder);
        let sign = if remainder {
            sa
        } else {
            self.op2(Op::Xor, sa, sb, 32)
        };
        self.negated_if(&words, sign)
    }

    /// The opposite number where a mask is all ones.
    fn negated_if(&mut self, words: &[Value], mask: Value) -> Vec<Value> {
        let turned: Vec<Value> = words
            .iter()
            .map(|&word| self.op2(Op::Xor, word, mask, 32))
            .collect();
        self.sub(&turned, &[mask, mask], U64)
    }

    fn divide_unsigned(&mut self, a: &[Value], b: &[Value], remainder: bool) -> Vec<Value> {
        let zero = self.constant(0);
        let small = |lower: &Builder, words: &[Value]| lower.as_constant(words[1]) == Some(0);
        if small(self, a) && small(self, b) {
            let op = if remainder { Op::Remu } else { Op::Divu };
            return vec![self.op2(op, a[0], b[0], 32), zero];
        }
        if let (Some(low), Some(high)) = (self.as_constant(b[0]), self.as_constant(b[1]))
            && let Some(quotient) =
                self.divide_by_constant(a, u64::from(high) << 32 | u64::from(low))
        {
            if !remainder {
                return quotient;
            }
            let product = self.mul(&quotient, b, U64);
            return self.sub(a, &product, U64);
        }
        let (quotient, rest) = self.divide_in_loop(a, b);
        if remainder { rest } else { quotient }
    }

    /// Asks for the proof that a number of several words is not zero.
    fn not_zero(&mut self, words: &[Value]) {
        if self.is_not_zero(words) {
            return;
        }
        let any = words[1..].iter().fold(words[0], |any, &word| {
            if self.as_constant(word) == Some(0) {
                any
            } else {
                self.op2(Op::Or, any, word, 32)
            }
        });
        self.divisor(any);
    }

    /// The quotient by a constant of few bits beside twos; nothing for others.
    fn divide_by_constant(&mut self, a: &[Value], divisor: u64) -> Option<Vec<Value>> {
        if divisor == 0 {
            return None;
        }
        let twos = divisor.trailing_zeros();
        let odd = divisor >> twos;
        let count = self.constant(twos);
        let shifted = self.shift_right(a, count, U64, false);
        if odd == 1 {
            return Some(shifted);
        }
        let bits = 64 - odd.leading_zeros();
        if bits > DIGIT_DIVISOR_BITS {
            return None;
        }
        let odd = self.constant(odd as u32);
        let (zero, most) = (self.constant(0), 32 - bits);
        let (mut rest, mut quotient) = (zero, vec![zero; 2]);
        for word in [1, 0] {
            let mut at: u32 = if word == 1 {
                32u32.saturating_sub(twos)
            } else {
                32
            };
            while at > 0 {
                let digit = at.min(most);
                at -= digit;
                (quotient[word], rest) =
                    self.digit(shifted[word], at, digit, rest, odd, quotient[word]);
            }
        }
        Some(quotient)
    }

    /// Quotient and remainder bit by bit: one round for each bit of `a`. The quotient has as many words
    /// as `a`, the remainder two.
    fn divide_in_loop(&mut self, a: &[Value], b: &[Value]) -> (Vec<Value>, Vec<Value>) {
        let number: Vec<_> = a.iter().map(|_| self.var(32)).collect();
        let rest = [self.var(32), self.var(32)];
        let round = self.var(32);
        let zero = self.constant(0);
        for (&var, &word) in number.iter().zip(a) {
            self.write(var, word);
        }
        for var in [rest[0], rest[1], round] {
            self.write(var, zero);
        }
        let (head, inside, exit) = (self.block(), self.block(), self.block());
        self.jump(head);
        self.open(head);
        let i = self.read(round);
        let end = self.constant(32 * a.len() as u32);
        let more = self.compare(Op::Ltu, i, end);
        self.branch(more, inside, exit);
        self.enter(inside);
        let mut carry = zero;
        for &var in number.iter().chain(&rest) {
            let word = self.read(var);
            let moved = self.op2c(Op::Shl, word, 1, 32);
            let moved = self.op2(Op::Or, moved, carry, 32);
            carry = self.op2c(Op::Shr, word, 31, 1);
            self.write(var, moved);
        }
        let now = [self.read(rest[0]), self.read(rest[1])];
        let below = self.less(&now, b, U64);
        let enough = self.not(below);
        let enough = self.op2(Op::Or, enough, carry, 1);
        let mask = self.op2(Op::Sub, zero, enough, 32);
        let taken: Vec<Value> = b
            .iter()
            .map(|&word| self.op2(Op::And, word, mask, 32))
            .collect();
        let left = self.sub(&now, &taken, U64);
        self.write(rest[0], left[0]);
        self.write(rest[1], left[1]);
        let low = self.read(number[0]);
        let low = self.op2(Op::Or, low, enough, 32);
        self.write(number[0], low);
        let i = self.read(round);
        let i = self.op2c(Op::Add, i, 1, 32);
        self.write(round, i);
        self.jump(head);
        self.seal(head);
        self.enter(exit);
        let quotient = number.iter().map(|&var| self.read(var)).collect();
        let rest = rest.iter().map(|&var| self.read(var)).collect();
        (quotient, rest)
    }

    /// Bytes as nanoseconds at a rate, or as a rate over nanoseconds.
    fn size_over(&mut self, size: &[Value], divisor: &[Value]) -> Vec<Value> {
        let scale = self.number(BIT_NANOS, U64);
        let bits = self.product(size, &scale);
        self.not_zero(divisor);
        let (quotient, _) = self.divide_in_loop(&bits, divisor);
        self.saturated(&quotient, 2)
    }
}

impl Lower<'_, '_> {
    /// A product or quotient with a quantity in it.
    pub(super) fn scaled(
        &mut self,
        op: BinOp,
        (x, a): (Ty, &[Value]),
        (y, b): (Ty, &[Value]),
        result: Ty,
    ) -> Vec<Value> {
        let (from, to) = (self.kind(x), self.kind(y));
        let w = self.image.width(result);
        match (op, from, to) {
            (BinOp::Mul, TyKind::Rate, TyKind::Duration)
            | (BinOp::Mul, TyKind::Duration, TyKind::Rate) => self.b.rate_times_duration(a, b),
            (BinOp::Mul, ..) => self.b.saturating_product(a, b, w.words()),
            (BinOp::Div, TyKind::Size, TyKind::Rate | TyKind::Duration) => self.b.size_over(a, b),
            _ => {
                let (xw, yw) = (self.image.width(x), self.image.width(y));
                let wide = if xw.bits > 32 || yw.bits > 32 {
                    U64
                } else {
                    Width::U32
                };
                let a = self.b.resize(a.to_vec(), xw, wide);
                let b = self.b.resize(b.to_vec(), yw, wide);
                let words = self.b.divide(&a, &b, wide, op == BinOp::Rem);
                self.b.resize(words, wide, w)
            }
        }
    }
}
