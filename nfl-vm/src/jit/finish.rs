//! How host code tells what it decided.
//!
//! In: an instruction that finishes a run, and what its registers hold. Out: host code that answers a verdict and its operand, as
//! the low and the high half of a number. Guaranteed: the verdict is one that the manifest allows, and an operand that it does
//! not have is 0; whatever else the code says is [`UNDECIDED`], and the frame says what it was.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{InstBuilder, Value};
use nfl_abi::Image;
use nfl_abi::image::{Verdict, VerdictKind};
use nfl_isa::Reg;
use nfl_verify::Holds;

use super::Unsupported;
use super::call::Frame;
use super::facts::Line;
use super::run;
use super::translate::{FRAME, Translator};

/// How many numbers verdicts have.
const VERDICTS: i64 = VerdictKind::ALL.len() as i64;

/// The answer of a run that has no verdict, or none that is allowed.
pub(super) const UNDECIDED: i64 = VERDICTS;

/// The verdict that an answer is, if it is one.
#[inline(always)]
pub(super) fn decided(answer: u64) -> Option<Verdict> {
    Some(Verdict {
        kind: VerdictKind::from_number(answer as u8)?,
        operand: (answer >> 32) as u32,
    })
}

/// The verdicts of an image, a bit each by their numbers.
#[derive(Clone, Copy)]
pub(super) struct Verdicts {
    allowed: u32,
    with_operand: u32,
}

impl Verdicts {
    pub(super) fn of(image: &Image) -> Verdicts {
        let bits = |is: &dyn Fn(Verdict) -> bool| {
            let numbers =
                (0..VERDICTS as u32).filter(|&n| run::verdict(image, n, 1).is_some_and(is));
            numbers.fold(0, |bits, n| bits | 1 << n)
        };
        Verdicts {
            allowed: bits(&|_| true),
            with_operand: bits(&|verdict| verdict.operand != 0),
        }
    }
}

impl Translator<'_, '_> {
    /// Ends the run with verdict and operand.
    pub(super) fn finish(&mut self, line: &Line) -> Result<(), Unsupported> {
        let [a0, a1, ..] = self.facts.words[&line.pc];
        let is_among = |bits: u32| match a0 {
            Holds::Number((lo, hi)) if lo >= 0 && hi < VERDICTS => {
                (lo..=hi).all(|n| bits >> n & 1 != 0)
            }
            _ => false,
        };
        let Verdicts {
            allowed,
            with_operand,
        } = self.verdicts;
        let verdict = self.number(line, Reg::A0, a0)?;
        let mut operand = self.number(line, Reg::A1, a1)?;
        if !is_among(allowed) {
            self.allow(line, verdict);
        }
        if !is_among(with_operand) {
            let bit = self.is_in(with_operand, verdict);
            let mask = self.b.ins().ineg(bit);
            operand = self.b.ins().band(operand, mask);
        }
        let (verdict, operand) = (self.wide(verdict), self.wide(operand));
        let operand = self.b.ins().ishl_imm_u(operand, 32);
        let both = self.b.ins().bor(verdict, operand);
        self.b.ins().return_(&[both]);
        Ok(())
    }

    /// Goes on if the verdict is allowed, and else notes which instruction says which.
    fn allow(&mut self, line: &Line, verdict: Value) {
        let [known, allowed, refused] = [(); 3].map(|()| self.b.create_block());
        self.b.set_cold_block(refused);
        let most = self.b.ins().iconst(I32, VERDICTS);
        let is_known = self.b.ins().icmp(IntCC::UnsignedLessThan, verdict, most);
        self.b.ins().brif(is_known, known, &[], refused, &[]);
        self.b.switch_to_block(known);
        let is_allowed = self.is_in(self.verdicts.allowed, verdict);
        self.b.ins().brif(is_allowed, allowed, &[], refused, &[]);
        self.b.switch_to_block(refused);
        let pc = self.b.ins().iconst(I32, i64::from(line.pc));
        for (word, at) in [(pc, Frame::PC), (verdict, Frame::ARGS)] {
            self.b.ins().store(FRAME, word, self.frame, at);
        }
        self.stop();
        self.b.switch_to_block(allowed);
        for block in [known, allowed, refused] {
            self.b.seal_block(block);
        }
    }

    /// The bit of a number among some, 1 or 0.
    fn is_in(&mut self, bits: u32, number: Value) -> Value {
        let bits = self.b.ins().iconst(I32, i64::from(bits));
        let bits = self.b.ins().ushr(bits, number);
        self.b.ins().band_imm_u(bits, 1)
    }
}
