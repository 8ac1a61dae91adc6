//! Branches around one instruction, as a choice between what a register held and holds.
//!
//! In: a branch over an instruction that only computes, and maybe a jump to the same place. Out: the instruction, done in any case, and a choice of what its
//! register holds. Guaranteed: such an instruction neither traps nor sees memory, so nobody can tell that it was done; where
//! it is not, the register holds what it held.
//!
//! Bytes of packets decide such branches, and a processor does not foresee them.

use cranelift_codegen::ir::{InstBuilder, Value};
use nfl_isa::{Op, Reg};
use nfl_verify::Holds;

use super::facts::{Flow, Line};
use super::translate::{Translator, place};

/// What a register holds if the branch around the next instruction is taken.
pub(super) struct Choice {
    taken: Value,
    reg: Reg,
    old: Value,
}

impl Translator<'_, '_> {
    /// Whether a branch leads around one instruction that may be done in any case.
    pub(super) fn is_choice(&self, line: &Line, target: u32) -> bool {
        let next = self.facts.index(line.end());
        let Some(next) = next.and_then(|at| self.facts.lines.get(at)) else {
            return false;
        };
        let computes = matches!(next.inst.op, Op::Addi | Op::Ori | Op::Andi | Op::Xori);
        computes
            && next.flow == Flow::Next
            && (next.end() == target || self.jumps(next.end(), target))
            && next.inst.rd == next.inst.rs1
            && next.inst.rd != Reg::ZERO
            && matches!(next.a, Holds::Number(_))
            && self.edges.get(&next.pc) == Some(&1)
    }

    /// Whether an instruction does nothing but jump there.
    fn jumps(&self, pc: u32, target: u32) -> bool {
        let line = self.facts.index(pc);
        let line = line.and_then(|at| self.facts.lines.get(at));
        line.is_some_and(|line| line.flow == Flow::Jump(target))
    }

    /// Goes on to the instruction behind a branch, whether it is taken or not.
    pub(super) fn choose(&mut self, line: &Line, taken: Value) {
        let next = self.facts.index(line.end());
        if let Some(next) = next.and_then(|at| self.facts.lines.get(at)) {
            let reg = next.inst.rd;
            let old = self.held(place(reg));
            self.choice = Some(Choice { taken, reg, old });
        }
    }

    /// Behind that instruction: its register holds what it would on the way that was taken.
    pub(super) fn chosen(&mut self) {
        if let Some(Choice { taken, reg, old }) = self.choice.take() {
            let new = self.held(place(reg));
            let either = self.b.ins().select(taken, old, new);
            self.set(reg, either);
        }
    }
}
