//! Images that differ a little from accepted ones.
//!
//! In: an image and a seed. Out: another image. Guaranteed: nothing about it; most are refused, and
//! the others are where a verifier that forgets something shows it. A change of an instruction that
//! keeps its size is made in place; all others write the code anew, with its jumps where they were.

use nfl_abi::image::Right;
use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_isa::{Fmt, Inst, Op, Reg, Target};

use super::program::{is_branch, pick};

/// Kinds of changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A bit of the code.
    Bit,
    /// Another operation on the same operands.
    Operation,
    /// An immediate, a little or by a power of two.
    Immediate,
    /// Another register.
    Register,
    /// A branch that leads elsewhere.
    Target,
    /// An instruction left out.
    Delete,
    /// An instruction twice.
    Duplicate,
    /// Two neighbours exchanged.
    Swap,
    /// An instruction instead of another one.
    Copy,
    /// The start of one program and the end of another.
    Splice,
    /// A number of the certificate.
    Certificate,
    /// Something that the manifest says.
    Manifest,
    /// A bit of the constants.
    Constants,
}

impl Change {
    /// How many kinds there are.
    pub const COUNT: usize = 13;
    /// Their names, in their order.
    pub const NAMES: [&'static str; Change::COUNT] = [
        "bit",
        "operation",
        "immediate",
        "register",
        "target",
        "delete",
        "duplicate",
        "swap",
        "copy",
        "splice",
        "certificate",
        "manifest",
        "constants",
    ];

    /// As often as each is tried.
    const WEIGHTED: [Change; 32] = {
        use Change::*;
        [
            Bit,
            Bit,
            Operation,
            Operation,
            Operation,
            Operation,
            Immediate,
            Immediate,
            Immediate,
            Immediate,
            Immediate,
            Register,
            Register,
            Register,
            Register,
            Target,
            Target,
            Target,
            Delete,
            Delete,
            Duplicate,
            Swap,
            Swap,
            Copy,
            Splice,
            Certificate,
            Certificate,
            Certificate,
            Certificate,
            Certificate,
            Manifest,
            Constants,
        ]
    };
}

/// An instruction of a program and where it leads.
#[derive(Clone, Copy, Debug)]
struct Piece {
    inst: Inst,
    size: u32,
    /// The piece a branch leads to.
    target: Option<usize>,
    /// The address a call leads to, below the code.
    slot: Option<i32>,
}

/// An image in pieces.
#[derive(Clone, Debug)]
pub struct Base {
    /// The image.
    pub image: Image,
    pieces: Vec<Piece>,
    pcs: Vec<u32>,
    /// The pieces that entries begin with.
    entries: Vec<usize>,
    has_claims: bool,
}

impl Base {
    /// Takes an image apart.
    pub fn new(image: Image) -> Base {
        let lines = nfl_isa::disassemble(&image.code, 0);
        let lines: Vec<_> = lines
            .iter()
            .map_while(|line| Some((line.pc, line.size, line.inst.ok()?)))
            .collect();
        let pcs: Vec<u32> = lines.iter().map(|line| line.0).collect();
        let place = |pc: i32| pcs.binary_search(&u32::try_from(pc).ok()?).ok();
        let piece = |&(pc, size, inst): &(u32, u32, Inst)| {
            let jumps = is_branch(&inst) || inst.op == Op::Jal;
            let to = pc.cast_signed().wrapping_add(inst.imm);
            Piece {
                inst,
                size,
                target: place(to).filter(|_| jumps),
                slot: (inst.op == Op::Jal && to < 0).then_some(to),
            }
        };
        let pieces = lines.iter().map(piece).collect();
        let entries = image.manifest.entries.iter();
        let entries = entries
            .map(|entry| place(entry.pc.cast_signed()).unwrap_or(0))
            .collect();
        // Without claims it is a version and no loops.
        let has_claims = image.certificate.len() > 2;
        Base {
            image,
            pieces,
            pcs,
            entries,
            has_claims,
        }
    }

    /// How many instructions it has.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The image with every instruction in its shortest form.
    pub fn compressed(&self) -> Image {
        let short = |piece: &Piece| Piece { size: 2, ..*piece };
        let mut image = self.image.clone();
        write(
            &mut image,
            self.pieces.iter().map(short).collect(),
            &self.entries,
        );
        image
    }

    /// Makes `image` what this is, in the memory it has. Only one in few changes touches the manifest.
    pub fn restore(&self, image: &mut Image, change: Change) {
        image.code.clone_from(&self.image.code);
        image.certificate.clone_from(&self.image.certificate);
        image.constants.clone_from(&self.image.constants);
        if change == Change::Manifest || self.image.manifest.entries != image.manifest.entries {
            image.manifest.clone_from(&self.image.manifest);
        }
    }
}

/// An image with one to three changes.
pub fn mutant(rng: &mut Rng, image: &Image, limits: &Limits) -> Image {
    let base = Base::new(image.clone());
    let mut image = image.clone();
    change(rng, &base, &base, &mut image, limits);
    image
}

/// Changes `image`, which is that of `base`, and says what was changed first. Now and then more is changed.
pub fn change(
    rng: &mut Rng,
    base: &Base,
    other: &Base,
    image: &mut Image,
    limits: &Limits,
) -> Change {
    let mut first = pick(rng, &Change::WEIGHTED);
    if first == Change::Certificate && !base.has_claims {
        first = Change::Immediate;
    }
    one(rng, first, base, other, image);
    let moved = image.code.len() != base.image.code.len();
    if !moved && rng.below(4) == 0 {
        let more = pick(rng, &Change::WEIGHTED);
        // The second one is made in place, whatever it is.
        match more {
            Change::Certificate if base.has_claims => certificate(rng, &mut image.certificate),
            Change::Manifest if first == Change::Manifest => manifest(rng, image),
            _ => {
                let at = rng.below(base.len() as u32) as usize;
                let kind = pick(rng, &INSIDE);
                if let Some(inst) = altered(rng, kind, base, at) {
                    base.patch(image, at, &inst);
                }
            }
        }
    }
    // With the old certificate nearly every loop that was touched is refused.
    let recertify = base.has_claims && first != Change::Certificate && rng.below(4) == 0;
    if recertify && let Ok(certificate) = nfl_verify::certify(image, limits) {
        image.certificate = certificate;
    }
    first
}

/// Changes within an instruction.
const INSIDE: [Change; 4] = [
    Change::Operation,
    Change::Immediate,
    Change::Register,
    Change::Target,
];

fn one(rng: &mut Rng, kind: Change, base: &Base, other: &Base, image: &mut Image) {
    let at = rng.below(base.len() as u32) as usize;
    if base.is_empty() {
        return flip(rng, &mut image.code);
    }
    let with = |change: &dyn Fn(&mut Vec<Piece>, &mut Vec<usize>)| {
        let (mut pieces, mut entries) = (base.pieces.clone(), base.entries.clone());
        change(&mut pieces, &mut entries);
        (pieces, entries)
    };
    match kind {
        Change::Bit => flip(rng, &mut image.code),
        Change::Constants => flip(rng, &mut image.constants),
        Change::Certificate => certificate(rng, &mut image.certificate),
        Change::Manifest => manifest(rng, image),
        Change::Operation | Change::Immediate | Change::Register | Change::Target => {
            // Not every instruction has what is to be changed.
            let places = (0..8).map(|more| (at + more) % base.len());
            for at in places {
                if let Some(inst) = altered(rng, kind, base, at) {
                    return base.replace(image, at, inst);
                }
            }
        }
        Change::Copy => {
            let from = rng.below(base.len() as u32) as usize;
            if let Some(piece) = base.pieces.get(from) {
                base.replace(image, at, piece.inst);
            }
        }
        Change::Delete => {
            let (pieces, entries) = with(&|pieces, entries| {
                pieces.remove(at);
                shift(pieces, entries, |to| if to > at { to - 1 } else { to });
            });
            write(image, pieces, &entries);
        }
        Change::Duplicate => {
            let (pieces, entries) = with(&|pieces, entries| {
                shift(pieces, entries, |to| if to > at { to + 1 } else { to });
                pieces.insert(at, pieces[at]);
            });
            write(image, pieces, &entries);
        }
        Change::Swap => {
            let (pieces, entries) = with(&|pieces, _| {
                let other = (at + 1).min(pieces.len() - 1);
                pieces.swap(at, other);
            });
            write(image, pieces, &entries);
        }
        Change::Splice => splice(rng, base, other, at, image),
    }
}

/// The start of one program and the end of another.
fn splice(rng: &mut Rng, base: &Base, other: &Base, at: usize, image: &mut Image) {
    let from = rng.below(other.len() as u32) as usize;
    let mut pieces: Vec<Piece> = base.pieces[..at].to_vec();
    pieces.extend(other.pieces[from..].iter().map(|piece| Piece {
        target: piece.target.map(|to| to.saturating_sub(from) + at),
        ..*piece
    }));
    let last = pieces.len().saturating_sub(1);
    let mut entries = base.entries.clone();
    shift(&mut pieces, &mut entries, |to| to.min(last));
    write(image, pieces, &entries);
}

fn shift(pieces: &mut [Piece], entries: &mut [usize], to: impl Fn(usize) -> usize) {
    for target in pieces.iter_mut().filter_map(|piece| piece.target.as_mut()) {
        *target = to(*target);
    }
    entries.iter_mut().for_each(|entry| *entry = to(*entry));
}

/// Writes the code of an image anew. Nothing changes when it has no form.
fn write(image: &mut Image, mut pieces: Vec<Piece>, entries: &[usize]) {
    let mut pcs = vec![0; pieces.len()];
    let made_for = target(image);
    // A branch that leads further may need more room, which moves others.
    for _ in 0..9 {
        let mut pc = 0u32;
        for (place, piece) in pcs.iter_mut().zip(&pieces) {
            *place = pc;
            pc += piece.size;
        }
        let mut code = Vec::with_capacity(pc as usize);
        let mut fits = true;
        for (piece, &pc) in pieces.iter_mut().zip(&pcs) {
            let target = piece.target.and_then(|to| pcs.get(to).copied());
            if let Some(to) = piece.slot.or(target.map(u32::cast_signed)) {
                piece.inst.imm = to - pc.cast_signed();
            }
            let short = (piece.size == 2).then(|| made_for.compress(&piece.inst));
            match short {
                Some(Some(half)) => code.extend(half.to_le_bytes()),
                _ => {
                    fits &= piece.size == 4;
                    piece.size = 4;
                    let Ok(word) = nfl_isa::encode(&piece.inst) else {
                        return;
                    };
                    code.extend(word.to_le_bytes());
                }
            }
        }
        if fits {
            image.code = code;
            for (entry, &place) in image.manifest.entries.iter_mut().zip(entries) {
                entry.pc = pcs.get(place).copied().unwrap_or(0);
            }
            return;
        }
    }
}

/// What the code of an image is made for.
fn target(image: &Image) -> &'static Target {
    Target::by_id(image.manifest.target.0).unwrap_or(Target::DEFAULT)
}

impl Base {
    /// Writes an instruction over the one at a place, if it has a form of that size.
    fn patch(&self, image: &mut Image, at: usize, inst: &Inst) -> bool {
        let (Some(&pc), Some(piece)) = (self.pcs.get(at), self.pieces.get(at)) else {
            return false;
        };
        let word = match piece.size {
            2 => target(image).compress(inst).map(u32::from),
            _ => nfl_isa::encode(inst).ok(),
        };
        let (pc, size) = (pc as usize, piece.size as usize);
        let (Some(word), Some(place)) = (word, image.code.get_mut(pc..pc + size)) else {
            return false;
        };
        place.copy_from_slice(&word.to_le_bytes()[..size]);
        true
    }

    /// Does so, and where there is no such form writes the code anew with a longer one.
    fn replace(&self, image: &mut Image, at: usize, inst: Inst) {
        if self.patch(image, at, &inst) {
            return;
        }
        let mut pieces = self.pieces.clone();
        let pc = self.pcs.get(at).copied().unwrap_or(0).cast_signed();
        if let Some(piece) = pieces.get_mut(at) {
            let to = u32::try_from(pc.wrapping_add(inst.imm)).ok();
            let to = to.and_then(|to| self.pcs.binary_search(&to).ok());
            *piece = Piece {
                inst,
                size: 4,
                target: to.filter(|_| is_branch(&inst) || inst.op == Op::Jal),
                slot: piece.slot.filter(|_| inst.op == Op::Jal),
            };
        }
        write(image, pieces, &self.entries);
    }
}

/// The instruction at a place with one change, if it has what is to be changed.
fn altered(rng: &mut Rng, kind: Change, base: &Base, at: usize) -> Option<Inst> {
    let piece = base.pieces.get(at)?;
    let mut inst = piece.inst;
    let fmt = inst.op.spec().fmt;
    match kind {
        Change::Operation => {
            let alike = alike(fmt);
            inst.op = pick(rng, alike);
        }
        Change::Immediate if !matches!(fmt, Fmt::R | Fmt::Bare) && piece.slot.is_none() => {
            inst.imm = immediate(rng, inst.imm, fmt);
        }
        Change::Target if piece.target.is_some() => {
            let to = rng.below(base.len() as u32) as usize;
            let (from, to) = (base.pcs.get(at)?, base.pcs.get(to)?);
            inst.imm = to.cast_signed() - from.cast_signed();
        }
        Change::Register => match rng.below(3) {
            0 if fmt.has_rd() => inst.rd = register(rng, base),
            1 if fmt.has_rs2() => inst.rs2 = register(rng, base),
            _ if fmt.has_rs1() => inst.rs1 = register(rng, base),
            _ => return None,
        },
        _ => return None,
    }
    (inst != piece.inst).then_some(inst)
}

/// Operations of a format.
fn alike(fmt: Fmt) -> &'static [Op] {
    use std::sync::OnceLock;
    static ALIKE: OnceLock<Vec<(Fmt, Vec<Op>)>> = OnceLock::new();
    let all = ALIKE.get_or_init(|| {
        let mut all: Vec<(Fmt, Vec<Op>)> = Vec::new();
        for &op in Op::ALL {
            let fmt = op.spec().fmt;
            match all.iter_mut().find(|(other, _)| *other == fmt) {
                Some((_, ops)) => ops.push(op),
                None => all.push((fmt, vec![op])),
            }
        }
        all
    });
    let ops = all.iter().find(|(other, _)| *other == fmt);
    ops.map_or(&[], |(_, ops)| ops)
}

fn immediate(rng: &mut Rng, imm: i32, fmt: Fmt) -> i32 {
    let unit = match fmt {
        Fmt::B | Fmt::J => 2,
        Fmt::U => 0x1000,
        _ => 1,
    };
    let sign = pick(rng, &[1, -1]);
    match rng.below(10) {
        0 => imm.wrapping_neg(),
        1 => 0,
        2 => imm.wrapping_mul(2),
        3..=5 => imm.wrapping_add(sign * unit),
        _ => imm.wrapping_add((sign * unit) << rng.below(11)),
    }
}

/// A register that some instruction names, or any.
fn register(rng: &mut Rng, base: &Base) -> Reg {
    let any = Reg(rng.below(16) as u8);
    let at = rng.below(base.len() as u32) as usize;
    match base.pieces.get(at) {
        Some(Piece { inst, .. }) if !matches!(inst.op.spec().fmt, Fmt::Bare) => {
            pick(rng, &[inst.rd, inst.rs1, inst.rs2, inst.rs1, any])
        }
        _ => any,
    }
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    let at = rng.below(bytes.len() as u32) as usize;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

fn near(rng: &mut Rng, n: u32) -> u32 {
    match rng.below(4) {
        0 => n.saturating_add(1),
        1 => n.saturating_sub(1),
        2 => n / 2,
        _ => n.saturating_add(4),
    }
}

fn manifest(rng: &mut Rng, image: &mut Image) {
    let manifest = &mut image.manifest;
    let entry = rng.below(manifest.entries.len() as u32) as usize;
    let entry = manifest.entries.get_mut(entry);
    match (rng.below(14), entry) {
        (0..=3, Some(entry)) => entry.need = near(rng, entry.need.into()) as u16,
        (4, Some(entry)) => entry.pc = near(rng, entry.pc) & !1,
        (5, Some(entry)) => {
            let steps = if entry.steps == u32::MAX {
                40
            } else {
                entry.steps
            };
            entry.steps = near(rng, steps);
        }
        (6 | 7, _) => manifest.window = near(rng, manifest.window.into()) as u8,
        (8, _) => {
            let bytes = near(rng, manifest.carried.len() as u32);
            manifest.carried.resize(bytes as usize, 3);
        }
        (9, _) => manifest.rights.0 ^= 1 << rng.below(Right::ALL.len() as u32),
        (10, _) => manifest.verdicts ^= 1 << rng.below(8),
        (11, _) => {
            let at = rng.below(manifest.resources.len() as u32) as usize;
            if let Some(resource) = manifest.resources.get_mut(at) {
                match rng.below(2) {
                    0 => resource.key_bytes = near(rng, resource.key_bytes.into()) as u16,
                    _ => resource.value_bytes = near(rng, resource.value_bytes.into()) as u16,
                }
            }
        }
        (12, _) => {
            let at = rng.below(manifest.imports.len() as u32) as usize;
            if let Some(import) = manifest.imports.get_mut(at) {
                import.param = near(rng, import.param.into()) as u16;
            }
        }
        _ => {
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
    }
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
