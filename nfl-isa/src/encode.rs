//! From an instruction to its 32-bit word, one function per format.
//!
//! In: an [`Inst`], perhaps with impossible operands. Out: the word, or what does not fit. Guaranteed: a word that comes
//! out decodes to the same instruction. Fields a format has no place for are not read.

use core::fmt;

use crate::{Fmt, Inst, Op, Reg};

/// Why an instruction has no word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// The immediate is too large, or not a multiple of what the format can hold.
    Immediate { op: Op, imm: i32 },
    /// There is no such register.
    Register { op: Op, reg: Reg },
    /// The word would be a hint, which no decoder here accepts.
    Hint { op: Op },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Immediate { op, imm } => {
                write!(f, "`{}` cannot hold the immediate {imm}", op.spec().text)
            }
            EncodeError::Register { op, reg } => {
                write!(f, "`{}` cannot name a register {}", op.spec().text, reg.0)
            }
            EncodeError::Hint { op } => {
                write!(
                    f,
                    "`{}` into register zero is a hint, not an instruction",
                    op.spec().text
                )
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// The 32-bit form.
pub fn encode(inst: &Inst) -> Result<u32, EncodeError> {
    let spec = inst.op.spec();
    for reg in inst
        .written()
        .into_iter()
        .chain(inst.read().into_iter().flatten())
    {
        if reg.0 > 31 {
            return Err(EncodeError::Register { op: inst.op, reg });
        }
    }
    if inst.is_hint() {
        return Err(EncodeError::Hint { op: inst.op });
    }
    let operands = match spec.fmt {
        Fmt::R => Some(r(inst)),
        Fmt::Unary => Some(rd(inst) | rs1(inst)),
        Fmt::I | Fmt::Load => i(inst),
        Fmt::Shift => shift(inst),
        Fmt::S => s(inst),
        Fmt::B => b(inst),
        Fmt::U => u(inst),
        Fmt::J => j(inst),
        Fmt::Bare => Some(0),
    };
    match operands {
        Some(operands) => Ok(spec.bits() | operands),
        None => Err(EncodeError::Immediate {
            op: inst.op,
            imm: inst.imm,
        }),
    }
}

fn rd(inst: &Inst) -> u32 {
    u32::from(inst.rd.0) << 7
}

fn rs1(inst: &Inst) -> u32 {
    u32::from(inst.rs1.0) << 15
}

fn rs2(inst: &Inst) -> u32 {
    u32::from(inst.rs2.0) << 20
}

/// The immediate as bits, if a two's complement field of `width` bits can hold it.
fn signed(imm: i32, width: u32) -> Option<u32> {
    let limit = 1_i32 << (width - 1);
    (-limit..limit)
        .contains(&imm)
        .then_some(imm.cast_unsigned())
}

/// Bits `high` to `low` of `value`, moved to start at bit `at`.
const fn place(value: u32, high: u32, low: u32, at: u32) -> u32 {
    ((value >> low) & ((1 << (high - low + 1)) - 1)) << at
}

fn r(inst: &Inst) -> u32 {
    rd(inst) | rs1(inst) | rs2(inst)
}

fn i(inst: &Inst) -> Option<u32> {
    Some(rd(inst) | rs1(inst) | place(signed(inst.imm, 12)?, 11, 0, 20))
}

fn shift(inst: &Inst) -> Option<u32> {
    let amount = u32::try_from(inst.imm).ok().filter(|amount| *amount < 32)?;
    Some(rd(inst) | rs1(inst) | amount << 20)
}

fn s(inst: &Inst) -> Option<u32> {
    let imm = signed(inst.imm, 12)?;
    Some(rs1(inst) | rs2(inst) | place(imm, 11, 5, 25) | place(imm, 4, 0, 7))
}

fn b(inst: &Inst) -> Option<u32> {
    let imm = signed(inst.imm, 13).filter(|imm| imm % 2 == 0)?;
    let high = place(imm, 12, 12, 31) | place(imm, 10, 5, 25);
    let low = place(imm, 4, 1, 8) | place(imm, 11, 11, 7);
    Some(rs1(inst) | rs2(inst) | high | low)
}

fn u(inst: &Inst) -> Option<u32> {
    let imm = inst.imm.cast_unsigned();
    (imm & 0xfff == 0).then_some(rd(inst) | imm)
}

fn j(inst: &Inst) -> Option<u32> {
    let imm = signed(inst.imm, 21).filter(|imm| imm % 2 == 0)?;
    let high = place(imm, 20, 20, 31) | place(imm, 10, 1, 21);
    let low = place(imm, 11, 11, 20) | place(imm, 19, 12, 12);
    Some(rd(inst) | high | low)
}
