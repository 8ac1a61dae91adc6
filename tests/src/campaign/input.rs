//! What a run starts with: packets of border lengths, and everything else that a node may choose.
//!
//! In: an image and a seed. Out: a packet, a context, the `carried` area, values of late parameters, and
//! how the node answers. Guaranteed: all of it is allowed by the contract.

use std::collections::BTreeSet;

use nfl_abi::Image;
use nfl_abi::image::LateSlot;
use nfl_ir::testing::Rng;
use nfl_isa::Op;
use nfl_verify::Proven;
use nfl_vm::{Context, HEAD_ROOM, TAIL_ROOM};

use super::node::Tables;
use super::program::pick;
use super::run::Points;

/// The start of one run.
#[derive(Clone, Debug)]
pub struct Start {
    /// The packet.
    pub packet: Vec<u8>,
    /// What the node tells.
    pub context: Context,
    /// The area that travels along.
    pub carried: Vec<u8>,
    /// Values of the late parameters.
    pub late: Vec<u32>,
    /// What the node's answers follow from.
    pub node_seed: u64,
    /// What lookups find.
    pub tables: Tables,
    /// Room in front of the packet and behind it.
    pub room: (u32, u32),
}

impl Start {
    /// One of so many for an image, with a packet of this length.
    pub fn new(rng: &mut Rng, image: &Image, clues: &Clues, len: usize) -> Start {
        let mut carried = image.manifest.carried.clone();
        fill(rng, &mut carried);
        let late = image.manifest.late.iter();
        let late = late.map(|slot| late_value(rng, slot)).collect();
        Start {
            packet: bytes(rng, len, image, clues),
            context: context(rng),
            carried,
            late,
            node_seed: rng.number(),
            tables: pick(rng, &[Tables::Empty, Tables::Filled, Tables::Mixed]),
            room: pick(
                rng,
                &[(HEAD_ROOM, TAIL_ROOM), (HEAD_ROOM, TAIL_ROOM), (3, 3)],
            ),
        }
    }

    /// Writes the late parameters into an image's constants.
    pub fn bind(&self, image: &Image, constants: &mut [u8]) {
        for (slot, &value) in image.manifest.late.iter().zip(&self.late) {
            let at = usize::from(slot.offset);
            if let Some(word) = constants.get_mut(at..at + 4) {
                word.copy_from_slice(&slot.word(value).to_le_bytes());
            }
        }
    }
}

fn late_value(rng: &mut Rng, slot: &LateSlot) -> u32 {
    let span = u64::from(slot.hi - slot.lo) + 1;
    match rng.below(3) {
        0 => slot.lo,
        1 => slot.hi,
        _ => slot.lo + (rng.number() % span) as u32,
    }
}

/// Lengths near everything that the code or the proof compares a length with.
pub fn lengths(proven: &Proven, points: &Points) -> Vec<usize> {
    let image = proven.image();
    let manifest = &image.manifest;
    let mut near: BTreeSet<i64> = [1, i64::from(manifest.window), 1500, 65_534].into();
    near.extend(manifest.entries.iter().map(|entry| i64::from(entry.need)));
    near.extend(points.lengths());
    near.extend(instructions(&image.code).map(|inst| i64::from(inst.imm)));
    let around = near.iter().flat_map(|len| [len - 1, *len, len + 1]);
    let around: BTreeSet<i64> = around.filter(|len| (0..=65_535).contains(len)).collect();
    around.into_iter().map(|len| len as usize).collect()
}

/// The instructions of code that decodes.
fn instructions(code: &[u8]) -> impl Iterator<Item = nfl_isa::Inst> {
    let mut rest = code;
    std::iter::from_fn(move || {
        let (inst, size) = nfl_isa::decode(rest).ok()?;
        rest = rest.get(size as usize..)?;
        Some(inst)
    })
}

/// Starts of packets as they are on links.
const HEADERS: [&[u8]; 5] = [
    // Ethernet, IPv4, TCP with SYN.
    &[
        0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0,
        0, 10, 1, 0, 1, 10, 2, 0, 1, 0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0,
        0, 0, 0, 0,
    ],
    // IPv4 with options, UDP to port 53.
    &[
        0x46, 0, 0, 60, 0, 1, 0, 0, 1, 17, 0, 0, 192, 168, 0, 9, 8, 8, 8, 8, 1, 1, 1, 1, 0x13,
        0x88, 0, 53, 0, 36, 0, 0, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, b'w', b'w', b'w', 0,
        0, 1, 0, 1,
    ],
    // IPv6 with a hop-by-hop header, UDP.
    &[
        0x60, 0, 0, 0, 0, 24, 0, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20,
        1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 17, 0, 1, 4, 0, 0, 0, 0, 0x1b, 0x58,
        0x1b, 0x58, 0, 16, 0xff, 0xff,
    ],
    // Ethernet, two VLAN tags, ARP.
    &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 0x88, 0xa8, 0, 5, 0x81, 0, 0x20, 7,
        8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ],
    // IPv4, fragment of ICMP.
    &[
        0x45, 0, 0, 28, 0, 1, 0x20, 3, 255, 1, 0, 0, 172, 16, 0, 1, 224, 0, 0, 251, 8, 0, 0, 0, 0,
        1, 0, 1,
    ],
];

/// What lies behind the first bytes is seldom looked at, and random numbers take time.
const LOOKED_AT: usize = 200;

/// A packet in one of several styles.
fn bytes(rng: &mut Rng, len: usize, image: &Image, clues: &Clues) -> Vec<u8> {
    let style = rng.below(9);
    let mut bytes = match style {
        6 => {
            let header = pick(rng, &HEADERS);
            header[..header.len().min(len)].to_vec()
        }
        _ => Vec::with_capacity(len),
    };
    while bytes.len() < len.min(LOOKED_AT) {
        let byte = match style {
            1 => 0,
            2 => 0xff,
            3 => rng.below(24) as u8,
            4 => (len as u8).wrapping_sub(rng.below(4) as u8),
            5 => {
                let at = rng.below(image.code.len() as u32) as usize;
                image.code[at] >> rng.below(5)
            }
            _ => rng.number() as u8,
        };
        bytes.push(byte);
    }
    bytes.resize(len, bytes.last().copied().unwrap_or(0));
    if style >= 6 {
        clues.agree(rng, &mut bytes);
    }
    bytes
}

/// What code compares with, and where it looks.
#[derive(Clone, Debug, Default)]
pub struct Clues {
    numbers: Vec<u32>,
    /// Offsets of loads, and their sizes.
    places: Vec<(usize, usize)>,
}

impl Clues {
    /// Those of an image.
    pub fn new(image: &Image) -> Clues {
        let mut clues = Clues::default();
        let mut upper = [0i32; 32];
        for inst in instructions(&image.code) {
            let (rd, rs1) = (usize::from(inst.rd.0 & 31), usize::from(inst.rs1.0 & 31));
            match inst.op {
                Op::Lui => {
                    upper[rd] = inst.imm;
                    clues.numbers.push(inst.imm as u32);
                }
                // The lower half of a large number, or a number by itself.
                Op::Addi => clues.numbers.push(upper[rs1].wrapping_add(inst.imm) as u32),
                Op::Andi | Op::Sltiu | Op::Xori => clues.numbers.push(inst.imm as u32),
                Op::Lb | Op::Lbu => clues.places.push((inst.imm as usize, 1)),
                Op::Lh | Op::Lhu => clues.places.push((inst.imm as usize, 2)),
                Op::Lw => clues.places.push((inst.imm as usize, 4)),
                _ => {}
            }
        }
        let words = image.constants.chunks_exact(4);
        let words = words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        clues.numbers.extend(words);
        clues
    }

    /// Puts numbers that the code compares with where the code looks, without asking what is compared
    /// with what.
    pub fn agree(&self, rng: &mut Rng, bytes: &mut [u8]) {
        for &(at, size) in &self.places {
            if rng.below(4) > 0 {
                self.place(rng, bytes, at, size);
            }
        }
    }

    /// Puts one of the numbers anywhere near the start.
    pub fn anywhere(&self, rng: &mut Rng, bytes: &mut [u8]) {
        let size = pick(rng, &[1, 2, 2, 4]);
        let at = rng.below((bytes.len() as u32).min(160)) as usize;
        self.place(rng, bytes, at, size);
    }

    fn place(&self, rng: &mut Rng, bytes: &mut [u8], at: usize, size: usize) {
        if self.numbers.is_empty() {
            return;
        }
        let number = pick(rng, &self.numbers);
        let word = match (rng.below(3), size) {
            (0, 2) => [(number >> 8) as u8, number as u8, 0, 0],
            (0, _) => number.to_be_bytes(),
            _ => number.to_le_bytes(),
        };
        if let Some(place) = bytes.get_mut(at..at.saturating_add(size)) {
            place.copy_from_slice(&word[..size]);
        }
    }
}

fn fill(rng: &mut Rng, bytes: &mut [u8]) {
    let style = rng.below(3);
    for byte in bytes {
        *byte = match style {
            0 => rng.number() as u8,
            1 => 0xff,
            _ => rng.below(5) as u8,
        };
    }
}

fn context(rng: &mut Rng) -> Context {
    let mut word = || match rng.below(3) {
        0 => rng.number() as u32,
        1 => rng.below(9),
        _ => u32::MAX,
    };
    Context {
        ingress_port: word(),
        node_id: word(),
        queue_depth: word(),
        network_offset: (word() & 1 == 0).then_some(14),
        clock_ns: u64::from(word()) << 32 | u64::from(word()),
        next_hop: word(),
        flow: word(),
    }
}
