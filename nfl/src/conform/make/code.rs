//! Code, instruction by instruction.

use nfl_isa::{Inst, Op, Reg, encode};

/// Bytes of code that grow.
#[derive(Clone, Default)]
pub(super) struct Code {
    bytes: Vec<u8>,
}

impl Code {
    /// An instruction in 32 bits.
    pub(super) fn put(&mut self, inst: Inst) {
        let word = encode(&inst).unwrap_or_else(|error| panic!("{inst}: {error:?}"));
        self.bytes.extend(word.to_le_bytes());
    }

    /// An instruction in 16 bits.
    pub(super) fn half(&mut self, half: u16) {
        self.bytes.extend(half.to_le_bytes());
    }

    /// What stands in assembly.
    pub(super) fn text(&mut self, text: &str) {
        let bytes = nfl_isa::assemble(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.bytes.extend(bytes);
    }

    /// A word of the packet into a register.
    pub(super) fn load(&mut self, rd: Reg, offset: i32) {
        self.put(Inst::i(Op::Lw, rd, Reg::S0, offset));
    }

    /// A register into a word of the packet.
    pub(super) fn store(&mut self, rs: Reg, offset: i32) {
        self.put(Inst::s(Op::Sw, rs, Reg::S0, offset));
    }

    /// A number that has twelve bits into a register.
    pub(super) fn number(&mut self, rd: Reg, number: i32) {
        self.put(Inst::i(Op::Addi, rd, Reg::ZERO, number));
    }

    /// So many bytes of instructions that count in a register.
    pub(super) fn filler(&mut self, counter: Reg, mut bytes: usize) {
        if bytes % 4 == 2 {
            self.half(add_one(counter));
            bytes -= 2;
        }
        for _ in 0..bytes / 4 {
            self.put(Inst::i(Op::Addi, counter, counter, 1));
        }
    }

    /// A call of an import.
    pub(super) fn call(&mut self, slot: usize) {
        let behind = (self.bytes.len() + 8 * (slot + 1)) as i32;
        self.put(Inst {
            op: Op::Jal,
            rd: Reg::RA,
            rs1: Reg::ZERO,
            rs2: Reg::ZERO,
            imm: -behind,
        });
    }

    /// `Pass`, with an operand that has a value too.
    pub(super) fn pass(mut self) -> Vec<u8> {
        self.text("addi a0, zero, 1\n addi a1, zero, 0\n c.ebreak");
        self.bytes
    }

    /// What stands in other code.
    pub(super) fn append(&mut self, other: Code) {
        self.bytes.extend(other.bytes);
    }

    /// As it is.
    pub(super) fn done(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// `c.addi rd, 1`
fn add_one(rd: Reg) -> u16 {
    0x0005 | u16::from(rd.0) << 7
}
