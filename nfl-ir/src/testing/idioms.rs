//! Forms that single passes look for, in generated modules.
//!
//! Versions before lengths, flags in all kinds of trees, tests that two ways share, hop limits with a checksum
//! behind them, half-words that are one word: each also with something in it that the pass must respect.

use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use crate::testing::{Generator, NEED};

impl Generator {
    pub(super) fn idiom(&mut self) {
        match self.rng.below(6) {
            0 => self.version(),
            1 => self.flags(),
            2 => self.kinds(),
            3 => self.hop_limit(),
            4 => self.halves(),
            _ => self.word_in_two_parts(),
        }
    }

    fn packet(&mut self, op: Op, at: u32) -> Value {
        self.load(op, Region::Packet, None, at)
    }

    /// Upper bits of a byte that are a number, and lower ones in an interval.
    fn version(&mut self) {
        let at = self.rng.below(NEED);
        let byte = self.packet(Op::Load8, at);
        let below = 1 + self.rng.below(6);
        let upper = self.with(Op::Shr, byte, below);
        let number = self.rng.below(256 >> below);
        let is = self.with(Op::Eq, upper, number);
        let (out, between, next, on) = (self.block(), self.block(), self.block(), self.block());
        self.branch(is, between, out);
        self.here = between;
        let other = self.field_condition();
        self.branch(other, next, out);
        self.here = next;
        let lower = self.with(Op::And, byte, (1 << below) - 1);
        let limit = self.rng.below(1 << below);
        let op = self.rng.one_of(&[Op::Ltu, Op::Geu, Op::Eq]);
        let within = self.with(op, lower, limit);
        if self.rng.chance(50) {
            self.branch(within, on, out);
        } else {
            self.branch(within, out, on);
        }
        self.here = out;
        self.scoped(|g| g.finish());
        self.here = on;
        let shifted = self.with(Op::Shl, lower, 2);
        self.words.extend([lower, shifted]);
    }

    /// Bits of a byte, asked about in any order, that lead to one of two places.
    fn flags(&mut self) {
        let at = self.rng.below(NEED);
        let byte = self.packet(Op::Load8, at);
        let below = self.rng.below(4);
        let span = if self.rng.chance(80) { 5 } else { 8 - below };
        let (out, on) = (self.block(), self.block());
        let tests: Vec<_> = (0..3 + self.rng.below(4)).map(|_| self.block()).collect();
        self.jump(tests[0], &[]);
        for (n, &test) in tests.iter().enumerate() {
            self.here = test;
            let bit = below + self.rng.below(span);
            let cond = match self.rng.below(3) {
                0 => self.with(Op::And, byte, 1 << bit),
                1 => {
                    let moved = self.with(Op::Shr, byte, bit);
                    self.with(Op::And, moved, 1)
                }
                _ => {
                    let two = self.with(Op::And, byte, 3 << bit);
                    self.with(Op::Eq, two, 1 << bit)
                }
            };
            // The next test is reached for sure, later ones and the places maybe.
            let next = tests.get(n + 1).copied().unwrap_or(on);
            let further = self.rng.below((tests.len() - n) as u32 + 2) as usize;
            let other = tests.get(n + 1 + further).copied();
            let other = other.unwrap_or(if further & 1 == 0 { out } else { on });
            if self.rng.chance(50) {
                self.branch(cond, next, other);
            } else {
                self.branch(cond, other, next);
            }
        }
        if !tests.iter().any(|&b| self.leads(b, out)) {
            self.here = tests[tests.len() - 1];
            let cond = self.with(Op::And, byte, 1 << below);
            self.branch(cond, out, on);
        }
        self.here = out;
        self.scoped(|g| g.finish());
        self.here = on;
    }

    fn leads(&self, from: crate::entity::Block, to: crate::entity::Block) -> bool {
        let mut targets = self.f.blocks[from].term.targets();
        targets.any(|call| call.block == to)
    }

    /// Two kinds that ask the same, one of them maybe after a test of its own.
    fn kinds(&mut self) {
        let kind = self.packet(Op::Load8, 9);
        let first = self.with(Op::Eq, kind, 6);
        let (out, x, q, y) = (self.block(), self.block(), self.block(), self.block());
        let (x_on, y_on, on) = (self.block(), self.block(), self.block());
        let own_test = self.rng.chance(60);
        self.branch(first, x, if own_test { q } else { y });
        self.here = q;
        if own_test {
            let second = self.with(Op::Eq, kind, 17);
            self.branch(second, y, out);
        }
        let (at, mask) = (
            self.rng.below(NEED - 1),
            self.rng.one_of(&[0xff1f, 0xff, 0x1ff]),
        );
        let turned = self.rng.chance(50);
        for (b, next) in [(x, x_on), (y, y_on)] {
            self.here = b;
            let half = self.packet(Op::Load16, at);
            let some = self.with(Op::And, half, mask);
            let none = self.with(Op::Eq, some, 0);
            if turned {
                self.branch(none, out, next);
            } else {
                self.branch(none, next, out);
            }
        }
        for b in [x_on, y_on] {
            self.here = b;
            self.rewrite();
            self.jump(on, &[]);
        }
        self.here = out;
        self.scoped(|g| g.finish());
        self.here = on;
    }

    /// A byte that moves by a constant, and a checksum near it that moves by another.
    fn hop_limit(&mut self) {
        let at = self.rng.below(NEED - 4);
        let byte = self.packet(Op::Load8, at);
        let (out, on) = (self.block(), self.block());
        self.branch(byte, on, out);
        self.here = out;
        self.scoped(|g| g.finish());
        self.here = on;
        let less = self.with(Op::Add, byte, u32::MAX);
        self.store(Op::Store8, Region::Packet, less, None, at);
        match self.rng.below(4) {
            0 => self.rewrite(),
            1 => self.field(),
            _ => {}
        }
        let behind = at + self.rng.one_of(&[2, 2, 2, 1, 0]);
        let sum = self.packet(Op::Load16, behind);
        let step = self.rng.one_of(&[1, 1, 0x100, 0xfffe, 0, 0xffff]);
        let moved = self.with(Op::Add, sum, step);
        let more = self.with(Op::Add, sum, step + 1);
        let carry = self.with(Op::Sar, more, 16);
        let carry = if self.rng.chance(50) {
            let again = self.op(Op::Add, &[moved, carry], 0);
            self.with(Op::Sar, again, 16)
        } else {
            carry
        };
        let new = self.op(Op::Add, &[moved, carry], 0);
        self.store(Op::Store16, Region::Packet, new, None, behind);
    }

    /// Half-words side by side, or nearly so.
    fn halves(&mut self) {
        let at = self.rng.below(NEED - 5);
        let low = self.packet(Op::Load16, at);
        if self.rng.chance(20) {
            self.rewrite();
        }
        let behind = self.rng.one_of(&[2, 2, 2, 1, 3]);
        let high = self.packet(Op::Load16, at + behind);
        let high = self.with(Op::Shl, high, 16);
        let both = self.op(Op::Or, &[low, high], 0);
        self.words.push(both);
    }

    /// The ones' complement difference of a word that is assigned, as a checksum takes it.
    fn word_in_two_parts(&mut self) {
        let at = self.rng.below(NEED - 4);
        let old = self.packet(Op::Load32, at);
        let part = self.rng.one_of(&[Op::Store8, Op::Store16, Op::Store32]);
        let v = self.word();
        self.store(part, Region::Packet, v, None, at);
        let new = self.packet(Op::Load32, at);
        let whole = self.op(Op::Sub, &[old, new], 0);
        let (was, is) = (self.with(Op::Shr, old, 16), self.with(Op::Shr, new, 16));
        let upper = self.op(Op::Sub, &[was, is], 0);
        let above = self.with(Op::Shl, upper, 16);
        let lower = self.op(Op::Sub, &[whole, above], 0);
        let sum = self.op(Op::Add, &[lower, upper], 0);
        self.words.push(sum);
    }
}
