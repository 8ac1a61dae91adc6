//! Memory and the words in it: six regions, and for each word what kind of thing it is.
//!
//! An address is a region and an offset in it. Nodes put the regions where they like, and rule 4 of
//! the crate keeps code from learning where: whatever would depend on it is undefined or a fault.

use std::fmt;

use nfl_abi::host::Host;
use nfl_abi::image::Right;
use nfl_abi::map;
use nfl_isa::Reg;

use crate::outcome::Trap;
use crate::packet::{NETWORK_OFFSET_MAX, View};

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
    /// What the so many-th lookup of the run found, counted from 0.
    Value(u16),
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
            Region::Value(_) => "value of a resource",
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
    packet: View<'a>,
    rewrite: bool,
    carried: &'a mut [u8],
    scratch: [u8; map::SCRATCH_BYTES as usize],
    owners: [Owner; map::SCRATCH_BYTES as usize],
    /// The addresses that lookups answered, each once.
    values: Vec<u32>,
}

/// The address of scratch memory as services see it; code cannot learn it.
pub(crate) const SCRATCH_BASE: u32 = 0x8000_0000;

impl<'a> Memory<'a> {
    pub(crate) fn new(
        constants: &'a [u8],
        context: [u8; map::CONTEXT_BYTES as usize],
        packet: View<'a>,
        carried: &'a mut [u8],
        rewrite: bool,
    ) -> Memory<'a> {
        Memory {
            constants,
            context,
            packet,
            rewrite,
            carried,
            scratch: [0; map::SCRATCH_BYTES as usize],
            owners: [NO_OWNER; map::SCRATCH_BYTES as usize],
            values: Vec::new(),
        }
    }

    /// How long the packet is, in bytes.
    pub(crate) fn packet_len(&self) -> u32 {
        self.packet.len() as u32
    }

    /// Load `width` bytes at `base + displacement`, zero-extended.
    pub(crate) fn load(
        &self,
        (base, reg): (Word, Reg),
        displacement: i32,
        width: Width,
        host: &dyn Host,
    ) -> Result<Word, Trap> {
        let (region, start) = region_of(base, reg)?;
        if let Region::Value(number) = region {
            let value = self.value(number, host);
            let at = place((region, start), displacement, width, value.len() as u32)?;
            return Ok(Word::number(read(value, at, width)));
        }
        let limit = match region {
            Region::Constants => self.constants.len() as u32,
            Region::Packet => self.packet.readable().len() as u32,
            Region::Carried => self.carried.len() as u32,
            Region::Context => map::CONTEXT_BYTES,
            Region::Scratch => map::SCRATCH_BYTES,
            Region::Value(_) => 0,
        };
        let at = place((region, start), displacement, width, limit)?;
        match region {
            Region::Constants => Ok(Word::number(read(self.constants, at, width))),
            Region::Context => Ok(Word::number(read(&self.context, at, width))),
            Region::Packet => Ok(Word::number(read(self.packet.readable(), at, width))),
            Region::Carried => Ok(Word::number(read(self.carried, at, width))),
            Region::Scratch => {
                let kind = self.scratch_kind(at, width)?;
                let bits = read(&self.scratch, at, width);
                Ok(Word { bits, kind })
            }
            Region::Value(_) => Ok(Word::UNDEFINED),
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
            Region::Constants | Region::Context | Region::Value(_) => {
                return Err(Trap::ReadOnly(region));
            }
            Region::Packet if !self.rewrite => return Err(Trap::NoRight(Right::Rewrite)),
            Region::Packet => self.packet.bytes_mut(),
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

    /// The address that a lookup answered, as code has it: 0 stays a number.
    pub(crate) fn answered(&mut self, address: u32) -> Result<Word, Trap> {
        if address == 0 {
            return Ok(Word::number(0));
        }
        let known = self.values.iter().position(|&other| other == address);
        let number = known.unwrap_or(self.values.len());
        if known.is_none() {
            self.values.push(address);
        }
        let number = u16::try_from(number).map_err(|_| Trap::Service)?;
        Ok(Region::Value(number).start())
    }

    fn value<'h>(&self, number: u16, host: &'h dyn Host) -> &'h [u8] {
        let address = self.values.get(usize::from(number));
        address.and_then(|&at| host.value(at)).unwrap_or(&[])
    }

    /// The address in an argument as services see it: of scratch memory or of constants.
    pub(crate) fn for_service(word: Word) -> Option<u32> {
        match word.kind {
            Kind::Number => Some(word.bits),
            Kind::Address(Region::Scratch) => Some(SCRATCH_BASE.wrapping_add(word.bits)),
            _ => None,
        }
    }

    /// Nothing in scratch points into the packet any more, since it has moved.
    fn forget_packet(&mut self) {
        for owner in &mut self.owners {
            if owner.kind == Kind::Address(Region::Packet) {
                *owner = NO_OWNER;
            }
        }
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

/// Memory as whoever watches a run sees it; the lifetimes of the regions do not matter to them.
pub(crate) trait Regions {
    /// The bytes of a region.
    fn bytes<'s>(&'s self, region: Region, host: &'s dyn Host) -> &'s [u8];

    /// Writes bytes as a store of them would.
    fn write(&mut self, region: Region, offset: u32, bytes: &[u8]) -> Result<(), Trap>;
}

impl Regions for Memory<'_> {
    fn bytes<'s>(&'s self, region: Region, host: &'s dyn Host) -> &'s [u8] {
        match region {
            Region::Constants => self.constants,
            Region::Context => &self.context,
            Region::Packet => self.packet.bytes(),
            Region::Scratch => &self.scratch,
            Region::Carried => self.carried,
            Region::Value(number) => self.value(number, host),
        }
    }

    fn write(&mut self, region: Region, offset: u32, bytes: &[u8]) -> Result<(), Trap> {
        for (at, &byte) in (offset..).zip(bytes) {
            let base = Word {
                bits: at,
                ..region.start()
            };
            let value = Word::number(u32::from(byte));
            self.store((base, Reg(0)), 0, Width::Byte, value)?;
        }
        Ok(())
    }
}

/// Makes the context tell where the network header is once the packet has grown by so many bytes in
/// front, or shrunk.
fn network_moved(context: &mut [u8; map::CONTEXT_BYTES as usize], by: i64) {
    let at = map::context::NETWORK_OFFSET as usize;
    let word = &mut context[at..at + 4];
    let offset = word.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b));
    let moved = network_offset_after((offset != u32::MAX).then_some(offset), by);
    word.copy_from_slice(&moved.unwrap_or(u32::MAX).to_le_bytes());
}

/// Where the network header is after the packet has grown by so many bytes in front, or shrunk; none
/// when it is gone, or further away than handlers are told.
fn network_offset_after(offset: Option<u32>, by: i64) -> Option<u32> {
    let moved = u32::try_from(i64::from(offset?) + by).ok()?;
    (moved <= u32::from(NETWORK_OFFSET_MAX)).then_some(moved)
}

impl nfl_abi::host::Memory for Memory<'_> {
    fn packet(&self) -> &[u8] {
        self.packet.bytes()
    }

    fn packet_mut(&mut self) -> &mut [u8] {
        self.packet.bytes_mut()
    }

    fn push(&mut self, bytes: u32) -> bool {
        self.forget_packet();
        push(&mut self.packet, &mut self.context, bytes)
    }

    fn pop(&mut self, bytes: u32) -> bool {
        self.forget_packet();
        pop(&mut self.packet, &mut self.context, bytes)
    }

    fn append(&mut self, bytes: u32) -> bool {
        self.forget_packet();
        self.packet.append(bytes)
    }

    fn cut(&mut self, bytes: u32) {
        self.forget_packet();
        self.packet.cut(bytes);
    }

    fn read(&self, address: u32, into: &mut [u8]) -> bool {
        let regions = (&self.scratch[..], self.constants);
        let Some(bytes) = served(regions, address, into.len()) else {
            return false;
        };
        if let Some(start) = address.checked_sub(SCRATCH_BASE) {
            let owners = self.owners.iter().skip(start as usize);
            let mut owners = owners.take(bytes.len());
            if !owners.all(|owner| owner.kind == Kind::Number) {
                return false;
            }
        }
        into.copy_from_slice(bytes);
        true
    }
}

/// Has a packet grow by so many zero bytes in front, and its context tell where the network header is then; answers
/// whether there was room.
pub(crate) fn push(
    packet: &mut View<'_>,
    context: &mut [u8; map::CONTEXT_BYTES as usize],
    bytes: u32,
) -> bool {
    let done = packet.push(bytes);
    if done {
        network_moved(context, i64::from(bytes));
    }
    done
}

/// The same for bytes that are removed in front; answers whether there were as many.
pub(crate) fn pop(
    packet: &mut View<'_>,
    context: &mut [u8; map::CONTEXT_BYTES as usize],
    bytes: u32,
) -> bool {
    let done = packet.pop(bytes);
    if done {
        network_moved(context, -i64::from(bytes));
    }
    done
}

/// So many bytes at an address that a service was given: of scratch memory or of constants.
pub(crate) fn served<'m>(
    (scratch, constants): (&'m [u8], &'m [u8]),
    address: u32,
    len: usize,
) -> Option<&'m [u8]> {
    let (bytes, start) = match address.checked_sub(SCRATCH_BASE) {
        Some(start) => (scratch, start),
        None => (constants, address.checked_sub(map::CONSTANTS_BASE)?),
    };
    bytes.get(start as usize..)?.get(..len)
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
