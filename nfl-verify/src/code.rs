//! From bytes to a list of instructions and where control goes from each.
//!
//! In: the code of an image and its target. Out: the instructions in address order. Guaranteed:
//! every byte belongs to one instruction that the target has and microcode may use, and every jump
//! leads to the start of one.

use alloc::vec::Vec;

use nfl_abi::map;
use nfl_isa::{Inst, Op, Reg, Target};

use crate::call::{self, Import};
use crate::refusal::{Reason, Refusal};
use crate::subroutine::Subroutine;

/// One instruction and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) pc: u32,
    pub(crate) size: u32,
    pub(crate) inst: Inst,
    flow: Flow,
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    Next,
    Branch(u32),
    Jump(u32),
    /// To a slot of the call vector and back.
    Call(u16),
    /// To a subroutine and back.
    Enter(u32),
    /// Behind the call of the subroutine that it ends.
    Return,
    Finish,
}

/// The instructions of an image.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) lines: Vec<Line>,
    /// For every half-word the index of the instruction that starts there.
    starts: Vec<u32>,
    pub(crate) bytes: u32,
    /// Whether an instruction calls a subroutine or returns from one.
    pub(crate) links: bool,
    /// What the slots of the call vector lead to.
    pub(crate) imports: Vec<Import>,
    /// In the order of addresses; none before the certificate is read.
    pub(crate) subroutines: Vec<Subroutine>,
}

const NO_START: u32 = u32::MAX;

impl Line {
    fn new(pc: u32, size: u32, inst: Inst) -> Line {
        let target = i64::from(pc) + i64::from(inst.imm);
        let links = |reg: Reg| matches!(reg, Reg::RA | Reg::T0);
        let flow = match inst.op {
            Op::Jal if links(inst.rd) && target >= 0 => Flow::Enter(target as u32),
            Op::Jalr if links(inst.rs1) && inst.rd == Reg::ZERO && inst.imm == 0 => Flow::Return,
            Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => {
                Flow::Branch(target as u32)
            }
            Op::Jal if inst.rd != Reg::ZERO => Flow::Call(slot(target)),
            Op::Jal => Flow::Jump(target as u32),
            Op::Ebreak => Flow::Finish,
            _ => Flow::Next,
        };
        Line {
            pc,
            size,
            inst,
            flow,
        }
    }

    /// The first address behind the instruction.
    pub(crate) fn end(&self) -> u32 {
        self.pc.saturating_add(self.size)
    }

    fn target(&self) -> i64 {
        i64::from(self.pc) + i64::from(self.inst.imm)
    }

    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    /// The register the instruction itself writes, if any.
    pub(crate) fn writes(&self) -> Option<Reg> {
        let fmt = self.inst.op.spec().fmt;
        (fmt.has_rd() && self.inst.rd != Reg::ZERO).then_some(self.inst.rd)
    }

    /// The words of scratch that a load or store reaches by `sp`, one bit each.
    pub(crate) fn words_by_sp(&self) -> u64 {
        let size = match self.inst.op {
            Op::Lb | Op::Lbu | Op::Sb => 1,
            Op::Lh | Op::Lhu | Op::Sh => 2,
            Op::Lw | Op::Sw => 4,
            _ => return 0,
        };
        if self.inst.rs1 != Reg::SP {
            return 0;
        }
        let imm = self.inst.imm;
        let reached = [imm >> 2, (imm + size - 1) >> 2];
        let inside = reached.into_iter().filter(|word| (0..64).contains(word));
        inside.fold(0, |mask, word| mask | 1 << word)
    }

    /// The registers that have changed when control is at the next instruction, one bit each.
    pub(crate) fn changes(&self) -> u32 {
        match self.flow() {
            Flow::Call(_) => call::WRITES,
            _ => self.writes().map_or(0, |reg| 1 << (reg.0 & 31)),
        }
    }
}

impl Code {
    /// Reads a program that imports what `before` does, in the memory of that one.
    pub(crate) fn read(before: Code, bytes: &[u8], target: &Target) -> Result<Code, Refusal> {
        let mut code = Code {
            bytes: bytes.len() as u32,
            links: false,
            subroutines: Vec::new(),
            ..before
        };
        code.lines.clear();
        code.lines.reserve(bytes.len() / 2);
        code.starts.clear();
        code.starts.resize(bytes.len() / 2 + 1, NO_START);
        let mut pc = 0u32;
        while let Some(rest) = bytes.get(pc as usize..).filter(|rest| !rest.is_empty()) {
            let (inst, size, has) = match target.read(rest) {
                Some((inst, size)) => (inst, size, true),
                None => match nfl_isa::decode(rest) {
                    Ok((inst, size)) => (inst, size, false),
                    Err(why) => return Err(Reason::Decode(why).at(pc)),
                },
            };
            let line = Line::new(pc, size, inst);
            if (!has || is_suspect(&inst))
                && let Some(reason) = refuse(&line, has)
            {
                return Err(reason.at(pc));
            }
            code.links |= matches!(line.flow, Flow::Enter(_) | Flow::Return);
            if let Some(start) = code.starts.get_mut(pc as usize / 2) {
                *start = code.lines.len() as u32;
            }
            code.lines.push(line);
            pc = line.end();
        }
        for line in &code.lines {
            code.check_target(line)
                .map_err(|reason| reason.at(line.pc))?;
        }
        Ok(code)
    }

    /// The index of the instruction that starts at `pc`.
    pub(crate) fn index(&self, pc: u32) -> Option<usize> {
        let start = *self
            .starts
            .get(pc as usize / 2)
            .filter(|_| pc.is_multiple_of(2))?;
        (start != NO_START).then_some(start as usize)
    }

    /// The instructions from `head` up to `end`.
    pub(crate) fn extent(&self, head: u32, end: u32) -> &[Line] {
        let from = self.index(head).unwrap_or(self.lines.len());
        let to = self.index(end).unwrap_or(self.lines.len());
        self.lines.get(from..to).unwrap_or(&[])
    }

    /// Whether `pc` is the start of an instruction or the end of the code.
    pub(crate) fn is_boundary(&self, pc: u32) -> bool {
        pc == self.bytes || self.index(pc).is_some()
    }

    /// The index of the subroutine that starts at `pc`.
    pub(crate) fn subroutine(&self, pc: u32) -> Option<usize> {
        let found = self
            .subroutines
            .binary_search_by_key(&pc, |one| one.claim.entry);
        found.ok()
    }

    /// What a slot of the call vector leads to.
    pub(crate) fn import(&self, slot: u16) -> Option<&Import> {
        self.imports.get(usize::from(slot))
    }

    /// Whether a call moves the packet.
    pub(crate) fn resizes(&self, line: &Line) -> bool {
        match line.flow() {
            Flow::Call(slot) => self.import(slot).is_some_and(|i| i.shape.resizes),
            _ => false,
        }
    }

    fn check_target(&self, line: &Line) -> Result<(), Reason> {
        match line.flow() {
            Flow::Next | Flow::Return | Flow::Finish => return Ok(()),
            Flow::Branch(_) | Flow::Jump(_) | Flow::Enter(_) => {}
            Flow::Call(slot) => {
                return match self.import(slot) {
                    Some(_) => Ok(()),
                    None => Err(Reason::Call(line.inst)),
                };
            }
        }
        let target = line.target();
        if target < 0 || target >= i64::from(self.bytes) {
            return Err(Reason::JumpOutside(target));
        }
        match self.index(target as u32) {
            Some(_) => Ok(()),
            None => Err(Reason::JumpMiddle(target as u32)),
        }
    }
}

/// The slot of the call vector that a jump to `target` leads to; a number that no slot has when it leads to none.
fn slot(target: i64) -> u16 {
    let slot = i64::from(map::SLOT_BYTES);
    match (-target).checked_rem(slot) {
        Some(0) => u16::try_from(-target / slot - 1).unwrap_or(u16::MAX),
        _ => u16::MAX,
    }
}

/// Whether the whitelist has something to say about an instruction of the target.
fn is_suspect(inst: &Inst) -> bool {
    matches!(inst.op, Op::Auipc | Op::Ecall | Op::Jal | Op::Jalr)
        || matches!(inst.rd, Reg::S0 | Reg::S1 | Reg::SP)
}

/// The whitelist beyond decoding: why microcode may not have an instruction.
fn refuse(line: &Line, has: bool) -> Option<Reason> {
    let inst = line.inst;
    match inst.op {
        // Code cannot be read and addresses are small, so nothing needs the program counter.
        Op::Auipc | Op::Ecall => Some(Reason::Forbidden(inst)),
        Op::Jalr if line.flow() != Flow::Return => Some(Reason::Forbidden(inst)),
        Op::Jal if !matches!(inst.rd, Reg::ZERO | Reg::RA | Reg::T0) => Some(Reason::Call(inst)),
        // Services link through `ra`.
        Op::Jal if inst.rd == Reg::T0 && matches!(line.flow(), Flow::Call(_)) => {
            Some(Reason::Call(inst))
        }
        _ if !has => Some(Reason::Target(inst)),
        _ => line
            .writes()
            .filter(|reg| matches!(*reg, Reg::S0 | Reg::S1 | Reg::SP))
            .map(Reason::Reserved),
    }
}
