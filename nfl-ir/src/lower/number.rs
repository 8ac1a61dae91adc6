//! Arithmetic on numbers of any width: words, least significant first.
//!
//! In: words of one width. Out: words of that width, zero above it (signed ones have 32 or 64 bits
//! and fill their words). Guaranteed: the meaning of the language's operators: wrapping at the width,
//! counts modulo 32 or 64.

use super::ssa::Builder;
use crate::entity::Value;
use crate::op::Op;

/// The width of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Width {
    pub(super) bits: u32,
    pub(super) signed: bool,
}

impl Width {
    pub(super) const U32: Width = Width {
        bits: 32,
        signed: false,
    };

    pub(super) fn words(self) -> usize {
        self.bits.div_ceil(32) as usize
    }

    /// How many bits of word `index` are used.
    pub(super) fn word_bits(self, index: usize) -> u8 {
        (self.bits - 32 * index as u32).min(32) as u8
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX >> (32 - u32::from(bits))
}

impl Builder {
    pub(super) fn number(&mut self, number: u128, w: Width) -> Vec<Value> {
        (0..w.words())
            .map(|i| self.constant((number >> (32 * i)) as u32 & mask(w.word_bits(i))))
            .collect()
    }

    /// A number of one width as one of another: extended by its sign, or cut.
    pub(super) fn resize(&mut self, mut words: Vec<Value>, from: Width, to: Width) -> Vec<Value> {
        if to.bits > from.bits {
            if from.signed {
                let sign = self.op2c(Op::Sar, words[from.words() - 1], 31, 32);
                words.resize(to.words(), sign);
                // The sign may reach further than an unsigned number of odd width does.
                self.cut(words, to)
            } else {
                while words.len() < to.words() {
                    words.push(self.constant(0));
                }
                words
            }
        } else {
            words.truncate(to.words());
            if to.bits < from.bits {
                self.cut(words, to)
            } else {
                words
            }
        }
    }

    /// Clears what stands above the width.
    fn cut(&mut self, mut words: Vec<Value>, w: Width) -> Vec<Value> {
        let top = w.words() - 1;
        let bits = w.word_bits(top);
        if bits < 32 {
            words[top] = self.op2c(Op::And, words[top], mask(bits), bits);
        }
        words
    }

    pub(super) fn add(&mut self, a: &[Value], b: &[Value], w: Width) -> Vec<Value> {
        let low = self.op2(Op::Add, a[0], b[0], 32);
        let mut words = vec![low];
        if w.words() == 2 {
            let carry = self.compare(Op::Ltu, low, a[0]);
            let high = self.op2(Op::Add, a[1], b[1], 32);
            words.push(self.op2(Op::Add, high, carry, 32));
        }
        self.cut(words, w)
    }

    pub(super) fn sub(&mut self, a: &[Value], b: &[Value], w: Width) -> Vec<Value> {
        let mut words = vec![self.op2(Op::Sub, a[0], b[0], 32)];
        if w.words() == 2 {
            let borrow = self.compare(Op::Ltu, a[0], b[0]);
            let high = self.op2(Op::Sub, a[1], b[1], 32);
            words.push(self.op2(Op::Sub, high, borrow, 32));
        }
        self.cut(words, w)
    }

    pub(super) fn mul(&mut self, a: &[Value], b: &[Value], w: Width) -> Vec<Value> {
        let mut words = vec![self.op2(Op::Mul, a[0], b[0], 32)];
        if w.words() == 2 {
            let carry = self.op2(Op::Mulhu, a[0], b[0], 32);
            let cross = self.op2(Op::Mul, a[0], b[1], 32);
            let other = self.op2(Op::Mul, a[1], b[0], 32);
            let high = self.op2(Op::Add, carry, cross, 32);
            words.push(self.op2(Op::Add, high, other, 32));
        }
        self.cut(words, w)
    }

    pub(super) fn bitwise(&mut self, op: Op, a: &[Value], b: &[Value], w: Width) -> Vec<Value> {
        (0..w.words())
            .map(|i| self.op2(op, a[i], b[i], w.word_bits(i)))
            .collect()
    }

    pub(super) fn complement(&mut self, a: &[Value], w: Width) -> Vec<Value> {
        (0..w.words())
            .map(|i| self.op2c(Op::Xor, a[i], mask(w.word_bits(i)), w.word_bits(i)))
            .collect()
    }

    pub(super) fn negate(&mut self, a: &[Value], w: Width) -> Vec<Value> {
        let zero = self.number(0, w);
        self.sub(&zero, a, w)
    }

    pub(super) fn shift_left(&mut self, a: &[Value], n: Value, w: Width) -> Vec<Value> {
        if w.words() == 1 {
            let word = self.op2(Op::Shl, a[0], n, 32);
            return self.cut(vec![word], w);
        }
        let far = self.far_mask(n);
        let near = self.op2c(Op::Xor, far, u32::MAX, 32);
        let low = self.op2(Op::Shl, a[0], n, 32);
        let high = self.op2(Op::Shl, a[1], n, 32);
        let spill = self.op2c(Op::Shr, a[0], 1, 31);
        let spill = self.shift_by_rest(Op::Shr, spill, n);
        let high = self.op2(Op::Or, high, spill, 32);
        let kept = self.op2(Op::And, high, near, 32);
        let moved = self.op2(Op::And, low, far, 32);
        let words = vec![
            self.op2(Op::And, low, near, 32),
            self.op2(Op::Or, kept, moved, 32),
        ];
        self.cut(words, w)
    }

    pub(super) fn shift_right(
        &mut self,
        a: &[Value],
        n: Value,
        w: Width,
        arithmetic: bool,
    ) -> Vec<Value> {
        let op = if arithmetic { Op::Sar } else { Op::Shr };
        if w.words() == 1 {
            return vec![self.op2(op, a[0], n, w.word_bits(0))];
        }
        let far = self.far_mask(n);
        let near = self.op2c(Op::Xor, far, u32::MAX, 32);
        let low = self.op2(Op::Shr, a[0], n, 32);
        let high = self.op2(op, a[1], n, 32);
        let spill = self.op2c(Op::Shl, a[1], 1, 32);
        let spill = self.shift_by_rest(Op::Shl, spill, n);
        let low = self.op2(Op::Or, low, spill, 32);
        let fill = if arithmetic {
            self.op2c(Op::Sar, a[1], 31, 32)
        } else {
            self.constant(0)
        };
        let mut pick = |when_near: Value, when_far: Value| {
            let x = self.op2(Op::And, when_near, near, 32);
            let y = self.op2(Op::And, when_far, far, 32);
            self.op2(Op::Or, x, y, 32)
        };
        let words = vec![pick(low, high), pick(high, fill)];
        self.cut(words, w)
    }

    /// All ones when a count modulo 64 is 32 or more, else zero.
    fn far_mask(&mut self, n: Value) -> Value {
        let bit = self.op2c(Op::Shl, n, 26, 32);
        self.op2c(Op::Sar, bit, 31, 32)
    }

    /// Shifts by 31 minus the count modulo 32.
    fn shift_by_rest(&mut self, op: Op, a: Value, n: Value) -> Value {
        let rest = self.op2c(Op::Xor, n, 31, 32);
        self.op2(op, a, rest, 32)
    }

    pub(super) fn saturating_add(&mut self, a: &[Value], b: &[Value], w: Width) -> Vec<Value> {
        let sum = self.add(a, b, w);
        if w.signed {
            // The sum of two numbers of one sign has it too, unless it is too large.
            let top = w.words() - 1;
            let with_a = self.op2(Op::Xor, sum[top], a[top], 32);
            let with_b = self.op2(Op::Xor, sum[top], b[top], 32);
            let over = self.op2(Op::And, with_a, with_b, 32);
            return self.limit_where(over, sum, a[top]);
        }
        let over = self.less(&sum, a, w);
        let zero = self.constant(0);
        let all = self.op2(Op::Sub, zero, over, 32);
        let words: Vec<Value> = sum
            .into_iter()
            .map(|word| self.op2(Op::Or, word, all, 32))
            .collect();
        self.cut(words, w)
    }

    pub(super) fn saturating_sub(&mut self, a: &[Value], b: &[Value], w: Width) -> Vec<Value> {
        let difference = self.sub(a, b, w);
        if w.signed {
            // The difference of two numbers of different signs has that of the first.
            let top = w.words() - 1;
            let with_a = self.op2(Op::Xor, difference[top], a[top], 32);
            let apart = self.op2(Op::Xor, a[top], b[top], 32);
            let over = self.op2(Op::And, with_a, apart, 32);
            return self.limit_where(over, difference, a[top]);
        }
        let under = self.less(a, b, w);
        let keep = self.op2c(Op::Sub, under, 1, 32);
        difference
            .into_iter()
            .enumerate()
            .map(|(i, word)| self.op2(Op::And, word, keep, w.word_bits(i)))
            .collect()
    }

    /// Where the highest bit of `over` is set the signed limit on the side of `like`, else `words`.
    fn limit_where(&mut self, over: Value, words: Vec<Value>, like: Value) -> Vec<Value> {
        let over = self.op2c(Op::Sar, over, 31, 32);
        let sign = self.op2c(Op::Sar, like, 31, 32);
        let top = words.len() - 1;
        words
            .into_iter()
            .enumerate()
            .map(|(i, word)| {
                let most = if i == top { i32::MAX as u32 } else { u32::MAX };
                let limit = self.op2c(Op::Xor, sign, most, 32);
                let apart = self.op2(Op::Xor, word, limit, 32);
                let change = self.op2(Op::And, apart, over, 32);
                self.op2(Op::Xor, word, change, 32)
            })
            .collect()
    }

    pub(super) fn equal(&mut self, a: &[Value], b: &[Value]) -> Value {
        match (a, b) {
            ([a], [b]) => return self.compare(Op::Eq, *a, *b),
            // Values without words are all the same.
            ([], _) | (_, []) => return self.constant(1),
            _ => {}
        }
        let difference = self.difference(a, b);
        let zero = self.constant(0);
        self.compare(Op::Eq, difference, zero)
    }

    pub(super) fn unequal(&mut self, a: &[Value], b: &[Value]) -> Value {
        match (a, b) {
            ([a], [b]) => return self.compare(Op::Ne, *a, *b),
            ([], _) | (_, []) => return self.constant(0),
            _ => {}
        }
        let difference = self.difference(a, b);
        let zero = self.constant(0);
        self.compare(Op::Ne, difference, zero)
    }

    /// Zero when all words are equal.
    fn difference(&mut self, a: &[Value], b: &[Value]) -> Value {
        let first = self.op2(Op::Xor, a[0], b[0], 32);
        a.iter().zip(b).skip(1).fold(first, |sum, (&a, &b)| {
            let word = self.op2(Op::Xor, a, b, 32);
            self.op2(Op::Or, sum, word, 32)
        })
    }

    /// Whether `a < b`.
    pub(super) fn less(&mut self, a: &[Value], b: &[Value], w: Width) -> Value {
        let mut result = None;
        for i in 0..w.words() {
            let op = if w.signed && i + 1 == w.words() {
                Op::Lt
            } else {
                Op::Ltu
            };
            let here = self.compare(op, a[i], b[i]);
            result = Some(match result {
                None => here,
                Some(below) => {
                    let same = self.compare(Op::Eq, a[i], b[i]);
                    let tie = self.op2(Op::And, same, below, 1);
                    self.op2(Op::Or, here, tie, 1)
                }
            });
        }
        result.expect("a number has a word")
    }

    /// The opposite of a truth value.
    pub(super) fn not(&mut self, a: Value) -> Value {
        self.op2c(Op::Xor, a, 1, 1)
    }
}
