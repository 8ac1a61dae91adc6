//! Which places are read later, for the proposer: it need not claim anything about the others.
//!
//! In: instructions. Out: for each the registers and words of scratch that some way from it reads
//! before writing them, one bit each.

use alloc::vec::Vec;

use nfl_isa::{Op, Reg};

use crate::call;
use crate::code::{Code, Flow, Line};
use crate::state::REGS;

/// Words of scratch, all of them.
const ALL_WORDS: u128 = (u64::MAX as u128) << REGS;

pub(crate) fn of(code: &Code) -> Vec<u128> {
    // When the address of scratch goes elsewhere than into loads and stores, words can be read in
    // ways not seen here.
    let hidden = code.lines.iter().any(lets_scratch_escape);
    let mut live = alloc::vec![0u128; code.lines.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (index, line) in code.lines.iter().enumerate().rev() {
            let at = |index: usize| live.get(index).copied().unwrap_or(0);
            let target = |pc: u32| code.index(pc).map_or(0, at);
            let after = match line.flow() {
                Flow::Next | Flow::Call(_) => at(index + 1),
                // What the subroutine writes may be what was there before: that is left to its own code.
                Flow::Enter(pc) => at(index + 1) | target(pc),
                Flow::Return => returned(code, line),
                Flow::Branch(pc) => at(index + 1) | target(pc),
                Flow::Jump(pc) => target(pc),
                Flow::Finish => bit(Reg::A0) | bit(Reg::A1),
            };
            let (reads, writes) = effects(code, line);
            let before = after & !writes | reads | if hidden { ALL_WORDS } else { 0 };
            if let Some(slot) = live.get_mut(index)
                && *slot != before
            {
                *slot = before;
                changed = true;
            }
        }
    }
    live
}

/// What a subroutine changes, as if all of it were read behind its calls.
fn returned(code: &Code, line: &Line) -> u128 {
    let ends = |at: usize| {
        code.subroutines
            .get(at)
            .filter(|one| one.claim.end == line.end())
    };
    let at = code
        .subroutines
        .partition_point(|one| one.claim.end < line.end());
    ends(at).map_or(0, |one| {
        u128::from(one.regs) | u128::from(one.words) << REGS
    })
}

fn bit(reg: Reg) -> u128 {
    1 << (reg.0 & 31)
}

fn lets_scratch_escape(line: &Line) -> bool {
    let inst = &line.inst;
    let is_access = matches!(
        inst.op,
        Op::Lb | Op::Lh | Op::Lw | Op::Lbu | Op::Lhu | Op::Sb | Op::Sh | Op::Sw
    );
    let [rs1, rs2] = inst.read();
    rs2 == Some(Reg::SP) || (rs1 == Some(Reg::SP) && !is_access)
}

/// What an instruction reads, and what it writes for certain.
fn effects(code: &Code, line: &Line) -> (u128, u128) {
    if let Flow::Call(slot) = line.flow() {
        let reads = code.import(slot).map_or(0, |import| import.reads());
        return (reads.into(), call::WRITES.into());
    }
    let inst = &line.inst;
    let mut reads = inst
        .read()
        .into_iter()
        .flatten()
        .fold(0, |mask, reg| mask | bit(reg));
    let mut writes = line.writes().map_or(0, bit);
    if inst.rs1 == Reg::SP {
        let words = |size: i32| {
            let reached = [inst.imm >> 2, (inst.imm + size - 1) >> 2];
            let inside = reached.into_iter().filter(|word| (0..64).contains(word));
            inside.fold(0u128, |mask, word| mask | 1 << (REGS as i32 + word))
        };
        match inst.op {
            Op::Lb | Op::Lbu => reads |= words(1),
            Op::Lh | Op::Lhu => reads |= words(2),
            Op::Lw => reads |= words(4),
            // A narrow store leaves the rest of the word as it was.
            Op::Sb => reads |= words(1),
            Op::Sh => reads |= words(2),
            Op::Sw if inst.imm % 4 == 0 => writes |= words(4),
            Op::Sw => reads |= words(4),
            _ => {}
        }
    }
    (reads, writes)
}
