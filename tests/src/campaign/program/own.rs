//! Subroutines in generated code.
//!
//! In: the code so far. Out: the same with a subroutine, or a call of one. Guaranteed: branches of a body stay in it.

use nfl_isa::{Inst, Op, Reg};

use super::{Writer, pick};

impl Writer<'_> {
    /// A few instructions that end with a return.
    pub(super) fn subroutine(&mut self) {
        let link = pick(self.rng, &[Reg::RA, Reg::RA, Reg::T0]);
        self.own.push((self.code.len(), link));
        for _ in 0..=self.rng.below(4) {
            match self.rng.below(10) {
                0..=2 => self.number(),
                3..=5 => self.shape(),
                6 => self.spill(),
                7 => self.perhaps_store(),
                8 if link == Reg::T0 => self.call(),
                _ => self.any(),
            }
        }
        let end = self.code.len();
        // Ways that leave for the end of the code leave for the return here.
        let exits = std::mem::take(&mut self.exits);
        let skips = std::mem::take(&mut self.skips);
        let skips = skips.into_iter().map(|(at, by)| (at, (at + by).min(end)));
        for (at, target) in exits.into_iter().map(|at| (at, end)).chain(skips) {
            self.code[at].imm = 4 * (target - at) as i32;
        }
        self.put(Inst::i(Op::Jalr, Reg::ZERO, link, 0));
    }

    pub(super) fn call_own(&mut self) {
        if self.own.is_empty() {
            return self.any();
        }
        let at = self.rng.below(self.own.len() as u32) as usize;
        self.call_this(at);
    }

    pub(super) fn call_this(&mut self, at: usize) {
        let (to, link) = self.own[at];
        let here = self.code.len();
        self.put(Inst::u(Op::Jal, link, 4 * (to as i32 - here as i32)));
    }
}
