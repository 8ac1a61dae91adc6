//! From bytes to an instruction, one function per format.
//!
//! In: any bytes. Out: the instruction and its size, or why it is none. Guaranteed: only rows of the two tables come out.
//! Hints, reserved and custom encodings, fences, atomics, CSR and floating-point instructions are refused, so that a
//! program has one meaning on every engine.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use core::fmt;

use crate::form::Form;
use crate::target::Extensions;
use crate::{Extension, Fmt, Fx, Inst, Op, Reg};

/// Why bytes are no instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The bytes end within the instruction.
    Truncated,
    /// The instruction set gives this encoding no meaning.
    Reserved,
    /// A hint: it does nothing, and engines may differ about it.
    Hint,
    /// A real or custom instruction, but none that microcode may use.
    Unsupported,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DecodeError::Truncated => "truncated instruction",
            DecodeError::Reserved => "reserved encoding",
            DecodeError::Hint => "hint",
            DecodeError::Unsupported => "unsupported instruction",
        })
    }
}

impl core::error::Error for DecodeError {}

/// The instruction at the start of `bytes` and its size, 2 or 4. A 16-bit form comes out as the instruction it stands for.
/// All that any target has is read; [`crate::Target::has`] tells what one of them has.
pub fn decode(bytes: &[u8]) -> Result<(Inst, u32), DecodeError> {
    match *bytes {
        [a, b, ..] if a & 3 != 3 => Ok((decode_half(u16::from_le_bytes([a, b]))?, 2)),
        [a, b, c, d, ..] => Ok((decode_word(u32::from_le_bytes([a, b, c, d]))?, 4)),
        _ => Err(DecodeError::Truncated),
    }
}

/// As [`decode`], for what a target has alone and without the reason. For those who read whole programs: a reason overlaps the
/// fields of an instruction, which then goes through memory in pieces, and that takes longer than finding it.
#[inline]
pub(crate) fn read(bytes: &[u8], extensions: Extensions) -> Option<(Inst, u32)> {
    match *bytes {
        [a, b, ..] if a & 3 != 3 => {
            let half = u16::from_le_bytes([a, b]);
            let form = Form::find(half).filter(|form| form.needs.within(extensions))?;
            let inst = form.inst(half);
            form.instead(half, inst.imm).is_none().then_some((inst, 2))
        }
        [a, b, c, d, ..] => {
            let (row, inst) = find(u32::from_le_bytes([a, b, c, d]))?;
            let fits = extensions.has(row.extension) && !(row.can_hint && inst.is_hint());
            fits.then_some((inst, 4))
        }
        _ => None,
    }
}

/// The instruction a 16-bit form stands for.
pub fn decode_half(half: u16) -> Result<Inst, DecodeError> {
    match Form::find(half) {
        Some(form) => form.unpack(half),
        None if is_float_form(half) || is_custom_shift(half) => Err(DecodeError::Unsupported),
        None => Err(DecodeError::Reserved),
    }
}

/// In quadrants 0 and 2 the odd values of funct3 load and store floating-point registers.
fn is_float_form(half: u16) -> bool {
    half & 0x2001 == 0x2000
}

/// RV32 leaves shift amounts with bit 5 to custom extensions.
fn is_custom_shift(half: u16) -> bool {
    half & 0xf003 == 0x1002 || half & 0xf803 == 0x9001
}

/// The instruction of a 32-bit word.
pub fn decode_word(word: u32) -> Result<Inst, DecodeError> {
    match find(word) {
        Some((_, inst)) if inst.is_hint() => Err(DecodeError::Hint),
        Some((_, inst)) => Ok(inst),
        None => Err(refusal(word)),
    }
}

/// What the row says that claims a word, be it a hint or not.
#[inline]
fn find(word: u32) -> Option<(&'static Row, Inst)> {
    let candidates = CANDIDATES.get(key(word))?.iter();
    let mut rows = candidates.map_while(|op| ROWS.get((*op)? as usize));
    let row = rows.find(|row| word & row.mask == row.bits)?;
    let imm = match row.fmt {
        Fmt::I | Fmt::Load => imm_i(word),
        Fmt::Shift => field(word, 24, 20).cast_signed(),
        Fmt::S => imm_s(word),
        Fmt::B => imm_b(word),
        Fmt::U => (word & 0xffff_f000).cast_signed(),
        Fmt::J => imm_j(word),
        Fmt::R | Fmt::Unary | Fmt::Bare => 0,
    };
    let inst = Inst {
        op: row.op,
        rd: Reg((word >> 7) as u8 & row.rd),
        rs1: Reg((word >> 15) as u8 & row.rs1),
        rs2: Reg((word >> 20) as u8 & row.rs2),
        imm,
    };
    Some((row, inst))
}

/// How a word that no row claims is refused: real instructions outside RV32IMC differ from holes in the encoding space.
fn refusal(word: u32) -> DecodeError {
    match word & 0x7f {
        // Fences; floating point; atomics; CSR access and privileged returns; custom-0 to 3; vectors.
        0x0f | 0x07 | 0x27 | 0x43 | 0x47 | 0x4b | 0x4f | 0x53 | 0x2f | 0x73 => {
            DecodeError::Unsupported
        }
        0x0b | 0x2b | 0x5b | 0x7b | 0x57 => DecodeError::Unsupported,
        _ => DecodeError::Reserved,
    }
}

/// More rows than this share opcode and funct3 in no part of the instruction set.
const SHARED_MAX: usize = 9;

/// What decoding needs of a row of the table.
#[derive(Clone, Copy)]
struct Row {
    /// The bits of a word that the row fixes, and what they are.
    mask: u32,
    bits: u32,
    op: Op,
    fmt: Fmt,
    /// The bits of register numbers, for those that the format names.
    rd: u8,
    rs1: u8,
    rs2: u8,
    extension: Extension,
    /// Whether it may be a hint.
    can_hint: bool,
}

/// The five bits of a register's number, if there is one.
const fn number(has: bool) -> u8 {
    if has { 31 } else { 0 }
}

static ROWS: [Row; Op::ALL.len()] = rows();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated while compiling, over our own table"
)]
const fn rows() -> [Row; Op::ALL.len()] {
    let mut rows = [Row::of(Op::ALL[0]); Op::ALL.len()];
    let mut at = 1;
    while at < Op::ALL.len() {
        rows[at] = Row::of(Op::ALL[at]);
        at += 1;
    }
    rows
}

impl Row {
    const fn of(op: Op) -> Row {
        let spec = op.spec();
        Row {
            mask: spec.mask(),
            bits: spec.bits(),
            op,
            fmt: spec.fmt,
            rd: number(spec.fmt.has_rd()),
            rs1: number(spec.fmt.has_rs1()),
            rs2: number(spec.fmt.has_rs2()),
            extension: spec.extension,
            can_hint: matches!(spec.effects, Fx::PURE),
        }
    }
}

/// The rows that a word can be, by opcode and funct3: decoding compares with few rows, not with all of them.
static CANDIDATES: [[Option<Op>; SHARED_MAX]; 256] = candidates();

/// Opcode without its two constant bits, then funct3.
const fn key(word: u32) -> usize {
    (field(word, 6, 2) << 3 | field(word, 14, 12)) as usize
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated while compiling, over our own table"
)]
const fn candidates() -> [[Option<Op>; SHARED_MAX]; 256] {
    let mut table = [[None; SHARED_MAX]; 256];
    let mut row = 0;
    while row < Op::ALL.len() {
        let spec = Op::ALL[row].spec();
        let mut f3 = 0;
        while f3 < 8 {
            // A format without funct3 fixes none of its bits and is listed under all eight.
            if (f3 << 12 ^ spec.bits()) & spec.mask() & 0x7000 == 0 {
                let slots = &mut table[key(f3 << 12 | spec.opcode as u32)];
                let mut free = 0;
                while slots[free].is_some() {
                    free += 1;
                }
                slots[free] = Some(Op::ALL[row]);
            }
            f3 += 1;
        }
        row += 1;
    }
    table
}

/// Bits `high` to `low` of the word.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the bounds are constants with high >= low, fewer than 32 bits apart"
)]
const fn field(word: u32, high: u32, low: u32) -> u32 {
    (word >> low) & ((1 << (high - low + 1)) - 1)
}

/// The sign bit of every immediate is bit 31: all bits above the named ones.
fn sign(word: u32) -> i32 {
    word.cast_signed() >> 31
}

fn imm_i(word: u32) -> i32 {
    word.cast_signed() >> 20
}

fn imm_s(word: u32) -> i32 {
    (imm_i(word) & !31) | field(word, 11, 7).cast_signed()
}

fn imm_b(word: u32) -> i32 {
    let low = field(word, 7, 7) << 11 | field(word, 30, 25) << 5 | field(word, 11, 8) << 1;
    sign(word) << 12 | low.cast_signed()
}

fn imm_j(word: u32) -> i32 {
    let low = field(word, 19, 12) << 12 | field(word, 20, 20) << 11 | field(word, 30, 21) << 1;
    sign(word) << 20 | low.cast_signed()
}
