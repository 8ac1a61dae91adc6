//! Images that differ a little from accepted ones.
//!
//! In: an image and a seed. Out: another image. Guaranteed: nothing about it; most are refused, and
//! the others are where a verifier that forgets something shows it.

use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_isa::{Fmt, Inst, Op, Reg};

use super::program::{is_branch, pick};

/// An image with one to three changes.
pub(crate) fn mutant(rng: &mut Rng, image: &Image, limits: &Limits) -> Image {
    let mut image = image.clone();
    for _ in 0..=rng.below(6) / 4 {
        match rng.below(16) {
            0 => flip(rng, &mut image.code),
            1..=8 => instruction(rng, &mut image.code),
            9..=12 => certificate(rng, &mut image.certificate),
            13 => flip(rng, &mut image.constants),
            _ => manifest(rng, &mut image),
        }
    }
    // With the old certificate nearly every loop that was touched is refused.
    if rng.below(3) == 0
        && let Ok(certificate) = nfl_verify::certify(&image, limits)
    {
        image.certificate = certificate;
    }
    image
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    let at = rng.below(bytes.len() as u32) as usize;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

fn manifest(rng: &mut Rng, image: &mut Image) {
    let manifest = &mut image.manifest;
    let entry = rng.below(manifest.entries.len() as u32) as usize;
    let near = |rng: &mut Rng, n: u32| match rng.below(4) {
        0 => n + 1,
        1 => n.saturating_sub(1),
        2 => n / 2,
        _ => n + 4,
    };
    match rng.below(8) {
        6 => {
            let at = rng.below(manifest.resources.len().max(1) as u32) as usize;
            if let Some(resource) = manifest.resources.get_mut(at) {
                match rng.below(2) {
                    0 => resource.key_bytes = near(rng, resource.key_bytes.into()) as u16,
                    _ => resource.value_bytes = near(rng, resource.value_bytes.into()) as u16,
                }
            }
        }
        7 => {
            let at = rng.below(manifest.imports.len().max(1) as u32) as usize;
            if let Some(import) = manifest.imports.get_mut(at) {
                import.param = near(rng, import.param.into()) as u16;
            }
        }
        0 | 1 => {
            if let Some(entry) = manifest.entries.get_mut(entry) {
                entry.need = near(rng, entry.need.into()) as u16;
            }
        }
        2 => manifest.window = near(rng, manifest.window.into()) as u8,
        3 => {
            let bytes = near(rng, manifest.carried.len() as u32);
            manifest.carried.resize(bytes as usize, 3);
        }
        4 => {
            let late = rng.below(manifest.late.len() as u32) as usize;
            if let Some(slot) = manifest.late.get_mut(late) {
                match rng.below(4) {
                    0 => slot.lo = near(rng, slot.lo),
                    1 => slot.hi = near(rng, slot.hi),
                    2 => slot.width = near(rng, slot.width.into()) as u8,
                    _ => slot.wire = !slot.wire,
                }
            }
        }
        _ => {
            if let Some(entry) = manifest.entries.get_mut(entry) {
                entry.pc = near(rng, entry.pc) & !1;
            }
        }
    }
}

/// Changes one instruction into another of the same size.
fn instruction(rng: &mut Rng, code: &mut [u8]) {
    let lines = nfl_isa::disassemble(code, 0);
    let at = rng.below(lines.len() as u32) as usize;
    let Some((line, mut inst)) = lines.get(at).and_then(|line| Some((line, line.inst.ok()?)))
    else {
        return;
    };
    let spec = inst.op.spec();
    match rng.below(8) {
        0 | 1 => inst.op = pick(rng, &alike(inst.op)),
        2 => inst.imm = immediate(rng, inst.imm, is_branch(&inst)),
        3 | 4 if is_branch(&inst) => {
            let target = rng.below(lines.len() as u32) as usize;
            let target = lines.get(target).map_or(line.pc, |target| target.pc);
            inst.imm = target.cast_signed() - line.pc.cast_signed();
        }
        3 | 4 => inst.imm = immediate(rng, inst.imm, false),
        5 if spec.fmt.has_rd() => inst.rd = register(rng, &lines),
        6 if spec.fmt.has_rs2() => inst.rs2 = register(rng, &lines),
        7 => {
            let other = rng.below(lines.len() as u32) as usize;
            inst = lines
                .get(other)
                .and_then(|line| line.inst.ok())
                .unwrap_or(inst);
        }
        _ => inst.rs1 = register(rng, &lines),
    }
    put(code, line.pc as usize, line.size, &inst);
}

fn put(code: &mut [u8], at: usize, size: u32, inst: &Inst) {
    let word = if size == 2 {
        nfl_isa::compress(inst).map(u32::from)
    } else {
        nfl_isa::encode(inst).ok()
    };
    let place = code.get_mut(at..at + size as usize);
    if let (Some(word), Some(place)) = (word, place) {
        place.copy_from_slice(&word.to_le_bytes()[..size as usize]);
    }
}

/// Operations of the same format.
fn alike(op: Op) -> Vec<Op> {
    let fmt = op.spec().fmt;
    let ops = Op::ALL.iter().copied();
    ops.filter(|op| op.spec().fmt == fmt).collect()
}

fn immediate(rng: &mut Rng, imm: i32, is_branch: bool) -> i32 {
    let by = if is_branch {
        pick(rng, &[2, 4, -2, -4])
    } else {
        pick(rng, &[1, 1, 2, 4, -1, -1, -2, -4])
    };
    match rng.below(8) {
        0 => imm.wrapping_neg(),
        1 => 0,
        2 => imm.wrapping_mul(2),
        _ => imm.wrapping_add(by),
    }
}

/// A register that some instruction names, or any.
fn register(rng: &mut Rng, lines: &[nfl_isa::Line]) -> Reg {
    let line = rng.below(lines.len() as u32) as usize;
    let inst = lines.get(line).and_then(|line| line.inst.ok());
    let any = Reg(rng.below(16) as u8);
    let inst = inst.filter(|inst| !matches!(inst.op.spec().fmt, Fmt::Bare));
    inst.map_or(any, |inst| {
        pick(rng, &[inst.rd, inst.rs1, inst.rs2, inst.rs1, any])
    })
}

/// Numbers at the ends of what certificates say; the large ones are widths of ranges that hold
/// every word, and every offset.
const BORDERS: &[u64] = &[
    0,
    1,
    2,
    3,
    8,
    64,
    127,
    128,
    65_535 * 2,
    u32::MAX as u64,
    u32::MAX as u64 * 2,
    1 << 33,
    1 << 34,
];

/// Changes one of the numbers that a certificate is a list of.
fn certificate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let mut numbers = numbers(bytes);
    // The first two are the version and how many loops there are.
    if numbers.len() <= 2 {
        return;
    }
    let at = 2 + rng.below(numbers.len() as u32 - 2) as usize;
    let number = numbers[at];
    match rng.below(12) {
        0 => numbers.insert(at, pick(rng, BORDERS)),
        1 => {
            numbers.remove(at);
        }
        2 | 3 => numbers[at] = pick(rng, BORDERS),
        4 => numbers[at] = number ^ 1 << rng.below(9),
        // From a claim of a range to one with a distance to the packet's end, and that distance.
        5 | 6 if at + 3 <= numbers.len() => {
            numbers[at] = number.wrapping_add(1);
            numbers.insert(at + 3, rng.below(12).into());
        }
        5..=8 => numbers[at] = number.wrapping_add(pick(rng, &[1, 2, 4, 8])),
        _ => numbers[at] = number.saturating_sub(pick(rng, &[1, 2, 4, 8])),
    }
    *bytes = numbers.into_iter().flat_map(leb).collect();
}

fn numbers(bytes: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0, 0);
    for &byte in bytes {
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte < 0x80 {
            numbers.push(number);
            (number, shift) = (0, 0);
        }
    }
    numbers
}

fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
