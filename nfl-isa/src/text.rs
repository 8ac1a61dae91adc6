//! Instructions as text.
//!
//! In: an instruction, or bytes and the address they lie at. Out: assembly that [`crate::assemble`] reads back to the same
//! instruction. A 16-bit form prints as the instruction it stands for; displacements print as `.+8`, relative to the
//! instruction itself.

use alloc::vec::Vec;
use core::fmt;

use crate::{DecodeError, Fmt, Inst, decode};

impl<R: fmt::Display> fmt::Display for Inst<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inst {
            op,
            rd,
            rs1,
            rs2,
            imm,
        } = self;
        let text = op.spec().text;
        match op.spec().fmt {
            Fmt::R => write!(f, "{text} {rd}, {rs1}, {rs2}"),
            Fmt::Unary => write!(f, "{text} {rd}, {rs1}"),
            Fmt::I | Fmt::Shift => write!(f, "{text} {rd}, {rs1}, {imm}"),
            Fmt::Load => write!(f, "{text} {rd}, {imm}({rs1})"),
            Fmt::S => write!(f, "{text} {rs2}, {imm}({rs1})"),
            Fmt::B => write!(f, "{text} {rs1}, {rs2}, .{imm:+}"),
            Fmt::U => write!(f, "{text} {rd}, {:#x}", imm.cast_unsigned() >> 12),
            Fmt::J => write!(f, "{text} {rd}, .{imm:+}"),
            Fmt::Bare => f.write_str(text),
        }
    }
}

/// One line of a disassembly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    pub pc: u32,
    /// 2 or 4, less only where the bytes end within an instruction.
    pub size: u32,
    /// The bytes, read as a little-endian number.
    pub raw: u32,
    pub inst: Result<Inst, DecodeError>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line {
            pc,
            size,
            raw,
            inst,
        } = self;
        let digits = *size as usize * 2;
        write!(f, "{pc:6x}:  {raw:0digits$x}{:gap$}", "", gap = 10 - digits)?;
        match inst {
            Ok(inst) => write!(f, "{inst}"),
            Err(why) => write!(f, "<{why}>"),
        }
    }
}

/// All instructions of `bytes`, which lie at address `base`. What is no instruction is one line too, as long as its first
/// bits say an instruction there would be.
pub fn disassemble(bytes: &[u8], base: u32) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    let mut pc = base;
    while let Some(first) = rest.first() {
        let length = if first & 3 == 3 { 4 } else { 2 };
        let (here, after) = rest.split_at(length.min(rest.len()));
        let raw = here
            .iter()
            .rev()
            .fold(0, |raw, byte| raw << 8 | u32::from(*byte));
        let size = here.len() as u32;
        lines.push(Line {
            pc,
            size,
            raw,
            inst: decode(here).map(|(inst, _)| inst),
        });
        pc = pc.wrapping_add(size);
        rest = after;
    }
    lines
}
