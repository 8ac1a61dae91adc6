//! Section 3: code as instructions, and where control goes from each.
//!
//! In: an image. Out: its instructions by address. Guaranteed: every byte of the code belongs to one of them, every
//! target is the first byte of one, and every call is of an import.

use std::collections::BTreeMap;

use nfl_abi::Image;
use nfl_abi::map::reg;
use nfl_isa::{Inst, Op, Reg};

use super::{Int, refuse, require};

/// Instructions by the address of their first byte.
pub(super) type Code = BTreeMap<Int, Line>;

/// One instruction.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) inst: Inst,
    /// Address of the byte behind it.
    pub(super) next: Int,
    pub(super) goes: Goes,
}

/// Where control goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    On,
    /// There, or on.
    Branch(Int),
    Jump(Int),
    /// On, after a call of this import.
    Call(usize),
    /// On, after the subroutine there, which returns through this register.
    Own(Int, u8),
    /// To where this register says.
    Back(u8),
    End,
}

impl Line {
    /// The registers that it writes, `x0` left out.
    pub(super) fn writes(&self) -> Vec<u8> {
        match self.goes {
            Goes::Call(_) => vec![reg::RA, reg::A0, reg::A1],
            _ => self.inst.written().map_or(vec![], |rd| {
                [rd.0].into_iter().filter(|&rd| rd != 0).collect()
            }),
        }
    }

    /// The addresses to which control goes.
    pub(super) fn targets(&self) -> Vec<Int> {
        match self.goes {
            Goes::On | Goes::Call(_) | Goes::Own(..) => vec![self.next],
            Goes::Branch(target) => vec![target, self.next],
            Goes::Jump(target) => vec![target],
            Goes::Back(_) | Goes::End => vec![],
        }
    }
}

/// Bytes that a load or a store moves.
pub(super) fn access_bytes(op: Op) -> Int {
    match op {
        Op::Lb | Op::Lbu | Op::Sb => 1,
        Op::Lh | Op::Lhu | Op::Sh => 2,
        _ => 4,
    }
}

pub(super) fn read(image: &Image) -> Result<Code, String> {
    let mut code = Code::new();
    let mut rest = &image.code[..];
    let mut at = 0;
    while !rest.is_empty() {
        let (inst, size) = nfl_isa::decode(rest).map_err(|why| format!("at {at}: {why}"))?;
        targets(image.manifest.target.0, at, &inst, size, rest)?;
        let goes = goes(image, at, &inst)?;
        rest = rest.get(size as usize..).unwrap_or(&[]);
        let next = at + Int::from(size);
        code.insert(at, Line { inst, next, goes });
        at = next;
    }
    for line in code.values() {
        if let Goes::Branch(target) | Goes::Jump(target) | Goes::Own(target, _) = line.goes {
            require(code.contains_key(&target), "a jump to no instruction")?;
        }
    }
    for entry in &image.manifest.entries {
        let pc = Int::from(entry.pc);
        require(code.contains_key(&pc), "an entry at no instruction")?;
    }
    Ok(code)
}

/// The instruction is one that the target has: 0 is RV32IMC, 1 and 3 lack M, and 2 has Zba, Zbb, Zbs and Zcb beside.
fn targets(target: u8, at: Int, inst: &Inst, size: u32, bytes: &[u8]) -> Result<(), String> {
    let word = bytes.iter().take(size as usize).rev();
    let word = word.fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    // What is left of the table's text is all in the opcode, in funct3 and in funct7.
    let (opcode, funct3, funct7) = (word & 0x7f, word >> 12 & 7, word >> 25);
    let (is_m, is_b, is_zcb) = match (size, opcode) {
        (4, 0x33) => (
            funct7 == 1,
            !(matches!(funct7, 0 | 1) || funct7 == 0x20 && matches!(funct3, 0 | 5)),
            false,
        ),
        (4, 0x13) => (
            false,
            matches!(funct3, 1 | 5) && !(funct7 == 0 || (funct7 == 0x20 && funct3 == 5)),
            false,
        ),
        // Quadrant 0 with funct3 4; and what quadrant 1 has behind c.and.
        (2, _) => (
            inst.op == Op::Mul,
            false,
            word & 0xe003 == 0x8000 || word & 0xfc43 == 0x9c41,
        ),
        _ => (false, false, false),
    };
    let has = match target {
        0 => !is_b && !is_zcb,
        2 => true,
        _ => !is_m && !is_b && !is_zcb,
    };
    if has {
        Ok(())
    } else {
        refuse(format!("at {at}: the target has no {inst}"))
    }
}

fn goes(image: &Image, at: Int, inst: &Inst) -> Result<Goes, String> {
    if let Some(rd) = inst.written() {
        let node = [Reg::SP, Reg::S0, Reg::S1].contains(&rd);
        require(!node, "a write to a register of the node")?;
    }
    let target = at + Int::from(inst.imm);
    let is_link = |register: Reg| [reg::RA, reg::T0].contains(&register.0);
    match inst.op {
        Op::Jal if is_link(inst.rd) && target >= 0 => Ok(Goes::Own(target, inst.rd.0)),
        Op::Jalr if inst.rd == Reg::ZERO && inst.imm == 0 && is_link(inst.rs1) => {
            Ok(Goes::Back(inst.rs1.0))
        }
        Op::Auipc | Op::Ecall | Op::Jalr => refuse(format!("at {at}: {inst} is not for microcode")),
        Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => Ok(Goes::Branch(target)),
        Op::Jal if inst.rd == Reg::ZERO => Ok(Goes::Jump(target)),
        Op::Jal if inst.rd == Reg::RA => {
            let slots = 0..image.manifest.imports.len();
            let slot = slots.into_iter().find(|&k| target == -8 * (k as Int + 1));
            slot.map(Goes::Call)
                .ok_or(format!("at {at}: a call of no import"))
        }
        Op::Jal => refuse(format!("at {at}: {inst} links elsewhere")),
        Op::Ebreak => Ok(Goes::End),
        _ => Ok(Goes::On),
    }
}
