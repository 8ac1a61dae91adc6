//! Memory and the words in it: five regions, and for each word what kind of thing it is.
//!
//! An address is a region and an offset in it. Nodes put the regions where they like, and rule 4 of
//! the crate keeps code from learning where: whatever would depend on it is undefined or a fault.

use std::fmt;

use nfl_abi::image::Right;
use nfl_abi::map;
use nfl_isa::Reg;

use crate::outcome::Trap;

/// A part of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Region {
    /// The image's constants; the only region with addresses that code may know.
    Constants,
    /// What the node tells.
    Context,
    /// The packet from the handler's layer on.
    Packet,
    /// Memory for one run.
    Scratch,
    /// Memory that travels with the packet.
    Carried,
}

impl Region {
    /// The address of the first byte.
    pub(crate) const fn start(self) -> Word {
        Word {
            bits: 0,
            kind: Kind::Address(self),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Region::Constants => "constants",
            Region::Context => "context",
            Region::Packet => "packet",
            Region::Scratch => "scratch memory",
            Region::Carried => "carried area",
        })
    }
}

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Nothing wrote it, or what wrote it has no defined result.
    Undefined,
    /// A number.
    Number,
    /// The address behind a call.
    Return,
    /// An address; the bits are the offset from the start of the region.
    Address(Region),
}

/// A word and what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    pub(crate) bits: u32,
    pub(crate) kind: Kind,
}

impl Word {
    pub(crate) const UNDEFINED: Word = Word {
        bits: 0,
        kind: Kind::Undefined,
    };

    pub(crate) const fn number(bits: u32) -> Word {
        Word {
            bits,
            kind: Kind::Number,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        self.kind == Kind::Number
    }

    /// Rule 4 for sums. A return address may be copied, which is a sum with zero.
    pub(crate) fn plus(self, other: Word) -> Word {
        let kind = match (self.kind, other.kind) {
            (Kind::Number, Kind::Number) => Kind::Number,
            (Kind::Address(region), Kind::Number) | (Kind::Number, Kind::Address(region)) => {
                Kind::Address(region)
            }
            (Kind::Return, Kind::Number) if other.bits == 0 => Kind::Return,
            (Kind::Number, Kind::Return) if self.bits == 0 => Kind::Return,
            _ => return Word::UNDEFINED,
        };
        Word {
            bits: self.bits.wrapping_add(other.bits),
            kind,
        }
    }

    /// Rule 4 for differences.
    pub(crate) fn minus(self, other: Word) -> Word {
        let kind = match (self.kind, other.kind) {
            (Kind::Number, Kind::Number) => Kind::Number,
            (Kind::Address(region), Kind::Number) => Kind::Address(region),
            (Kind::Address(a), Kind::Address(b)) if a == b => Kind::Number,
            _ => return Word::UNDEFINED,
        };
        Word {
            bits: self.bits.wrapping_sub(other.bits),
            kind,
        }
    }

    /// Rule 4 for comparisons: two numbers in the unsigned order of the words, if they have one.
    /// Zero lies below every address. Addresses far from their region have no order, because
    /// there the end of the address space may lie between them.
    pub(crate) fn order(self, other: Word) -> Option<(u32, u32)> {
        match (self.kind, other.kind) {
            (Kind::Number, Kind::Number) => Some((self.bits, other.bits)),
            (Kind::Address(a), Kind::Address(b)) if a == b => {
                (self.bits.max(other.bits) <= ORDERED_MAX).then_some((self.bits, other.bits))
            }
            (Kind::Address(_), Kind::Number) => (other.bits == 0).then_some((1, 0)),
            (Kind::Number, Kind::Address(_)) => (self.bits == 0).then_some((0, 1)),
            _ => None,
        }
    }
}

/// Addresses are compared up to the byte behind the longest packet.
const ORDERED_MAX: u32 = map::PACKET_MAX + 1;

/// How a load or a store sees memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    Byte,
    Half,
    Word,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Width::Byte => 1,
            Width::Half => 2,
            Width::Word => 4,
        }
    }
}

/// What a byte of scratch belongs to. Bytes of an address are of use only as the word they were.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner {
    kind: Kind,
    /// Which byte of the word, for other kinds than numbers.
    index: u8,
}

const NO_OWNER: Owner = Owner {
    kind: Kind::Undefined,
    index: 0,
};

/// The regions during one run.
pub(crate) struct Memory<'a> {
    constants: &'a [u8],
    context: [u8; map::CONTEXT_BYTES as usize],
    pub(crate) packet: &'a mut [u8],
    /// Bytes of the packet that may be read.
    readable: u32,
    rewrite: bool,
    carried: &'a mut [u8],
    scratch: [u8; map::SCRATCH_BYTES as usize],
    owners: [Owner; map::SCRATCH_BYTES as usize],
}

impl<'a> Memory<'a> {
    pub(crate) fn new(
        constants: &'a [u8],
        context: [u8; map::CONTEXT_BYTES as usize],
        packet: &'a mut [u8],
        carried: &'a mut [u8],
        window: u32,
        rewrite: bool,
    ) -> Memory<'a> {
        let readable = (packet.len() as u32).max(window.min(map::WINDOW_MAX));
        Memory {
            constants,
            context,
            packet,
            readable,
            rewrite,
            carried,
            scratch: [0; map::SCRATCH_BYTES as usize],
            owners: [NO_OWNER; map::SCRATCH_BYTES as usize],
        }
    }

    /// Load `width` bytes at `base + displacement`, zero-extended.
    pub(crate) fn load(
        &self,
        (base, reg): (Word, Reg),
        displacement: i32,
        width: Width,
    ) -> Result<Word, Trap> {
        let (region, start) = region_of(base, reg)?;
        let limit = match region {
            Region::Constants => self.constants.len() as u32,
            Region::Packet => self.readable,
            Region::Carried => self.carried.len() as u32,
            Region::Context => map::CONTEXT_BYTES,
            Region::Scratch => map::SCRATCH_BYTES,
        };
        let at = place((region, start), displacement, width, limit)?;
        match region {
            Region::Constants => Ok(Word::number(read(self.constants, at, width))),
            Region::Context => Ok(Word::number(read(&self.context, at, width))),
            Region::Packet => Ok(Word::number(read(self.packet, at, width))),
            Region::Carried => Ok(Word::number(read(self.carried, at, width))),
            Region::Scratch => {
                let kind = self.scratch_kind(at, width)?;
                let bits = read(&self.scratch, at, width);
                Ok(Word { bits, kind })
            }
        }
    }

    /// Store the low `width` bytes of `value` at `base + displacement`.
    pub(crate) fn store(
        &mut self,
        (base, reg): (Word, Reg),
        displacement: i32,
        width: Width,
        value: Word,
    ) -> Result<(), Trap> {
        let (region, start) = region_of(base, reg)?;
        let target = match region {
            Region::Constants | Region::Context => return Err(Trap::ReadOnly(region)),
            Region::Packet if !self.rewrite => return Err(Trap::NoRight(Right::Rewrite)),
            Region::Packet => &mut *self.packet,
            Region::Carried => &mut *self.carried,
            Region::Scratch => &mut self.scratch[..],
        };
        let at = place((region, start), displacement, width, target.len() as u32)?;
        if region == Region::Scratch {
            for (index, owner) in (0..).zip(&mut self.owners[at..at + width.bytes()]) {
                let kind = match value.kind {
                    Kind::Address(_) | Kind::Return if width != Width::Word => Kind::Undefined,
                    kind => kind,
                };
                *owner = Owner { kind, index };
            }
        } else if !value.is_number() {
            return Err(Trap::AddressStored(region));
        }
        let bytes = value.bits.to_le_bytes();
        target[at..at + width.bytes()].copy_from_slice(&bytes[..width.bytes()]);
        Ok(())
    }

    fn scratch_kind(&self, at: usize, width: Width) -> Result<Kind, Trap> {
        let owners = &self.owners[at..at + width.bytes()];
        let kind = owners[0].kind;
        let whole = match kind {
            Kind::Undefined => false,
            Kind::Number => owners.iter().all(|o| o.kind == kind),
            Kind::Return | Kind::Address(_) => {
                width == Width::Word
                    && (0..)
                        .zip(owners)
                        .all(|(index, &o)| o == Owner { kind, index })
            }
        };
        if whole {
            Ok(kind)
        } else {
            Err(Trap::UndefinedScratch { offset: at as u32 })
        }
    }
}

/// The region that an access through `base` must stay in, and where in it `base` points.
fn region_of(base: Word, reg: Reg) -> Result<(Region, u32), Trap> {
    match base.kind {
        Kind::Address(region) => Ok((region, base.bits)),
        Kind::Number => {
            let offset = base.bits.wrapping_sub(map::CONSTANTS_BASE);
            Ok((Region::Constants, offset))
        }
        Kind::Return | Kind::Undefined => Err(Trap::NotAnAddress(reg)),
    }
}

/// Where in its region an access begins, if all of it lies below `limit`.
fn place(
    (region, start): (Region, u32),
    displacement: i32,
    width: Width,
    limit: u32,
) -> Result<usize, Trap> {
    let offset = start.wrapping_add_signed(displacement);
    let size = width.bytes() as u32;
    if offset.checked_add(size).is_some_and(|end| end <= limit) {
        Ok(offset as usize)
    } else {
        Err(Trap::OutOfBounds {
            region,
            offset: offset as i32,
            size: size as u8,
            limit,
        })
    }
}

/// The little-endian word at `at`; bytes behind the end, as in the packet's window, are zero.
fn read(bytes: &[u8], at: usize, width: Width) -> u32 {
    let byte = |k: usize| u32::from(bytes.get(at + k).copied().unwrap_or(0));
    match width {
        Width::Byte => byte(0),
        Width::Half => byte(0) | byte(1) << 8,
        Width::Word => byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24,
    }
}
