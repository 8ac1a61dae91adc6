//! The memory of a run as services see it: the packet in its buffer, local arrays, constants.
//!
//! In: the packet, the room around it, and the arrays of module and function. Out: what a service reads at
//! an address, and a packet of another length. Guaranteed: a packet never grows beyond its room or
//! [`PACKET_MAX`], and what a pop or a cut takes away is room afterwards.

use nfl_abi::host::Memory;
use nfl_abi::map::{self, CONSTANTS_BASE, PACKET_MAX};

use crate::func::{Function, InstData, Module, Region};
use crate::interp::Room;

/// Where local arrays begin: far above the constants, and where no node has memory.
const SLOTS_BASE: u32 = 0x8000_0000;

/// The largest offset of the network header that the context can tell.
const NETWORK_OFFSET_MAX: u32 = 63;

pub(super) struct Area<'a> {
    m: &'a Module,
    pub(super) packet: &'a mut Vec<u8>,
    /// The words of the context; the network header moves when the packet does.
    pub(super) context: Vec<u32>,
    room: Room,
    /// Bytes of local arrays that were written.
    pub(super) slots: Vec<Vec<Option<u8>>>,
}

impl<'a> Area<'a> {
    pub(super) fn new(
        m: &'a Module,
        f: &Function,
        packet: &'a mut Vec<u8>,
        context: &[u32],
        room: Room,
    ) -> Area<'a> {
        let slots = f.slots.iter().map(|(_, s)| vec![None; s.bytes as usize]);
        Area {
            m,
            packet,
            context: context.to_vec(),
            room,
            slots: slots.collect(),
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.packet.len() as u32
    }

    /// The address of a place in a local array or in constants.
    pub(super) fn address(&self, inst: &InstData) -> u32 {
        let base = match inst.region {
            Some(Region::Data(id)) => {
                let before = self.m.data.iter().take_while(|&(at, _)| at != id);
                CONSTANTS_BASE + before.map(|(_, d)| room_of(d.bytes.len())).sum::<u32>()
            }
            Some(Region::Slot(id)) => {
                let before = self.slots.iter().take(nfl_syntax::arena::Id::index(id));
                SLOTS_BASE + before.map(|s| room_of(s.len())).sum::<u32>()
            }
            _ => 0,
        };
        base.wrapping_add(inst.imm)
    }

    /// The bytes at an address that lie in one array; nothing for those that were never written.
    fn at(&self, address: u32, len: usize) -> Option<Vec<u8>> {
        let (mut base, arrays): (u32, Vec<Vec<Option<u8>>>) = if address >= SLOTS_BASE {
            (SLOTS_BASE, self.slots.clone())
        } else {
            let data = self.m.data.iter();
            let data = data.map(|(_, d)| d.bytes.iter().copied().map(Some).collect());
            (CONSTANTS_BASE, data.collect())
        };
        for array in arrays {
            let inside = address.checked_sub(base).map(|at| at as usize);
            if let Some(at) = inside.filter(|&at| at < array.len()) {
                return array.get(at..at + len)?.iter().copied().collect();
            }
            base += room_of(array.len());
        }
        None
    }

    /// The network header moves when bytes come or go in front of it.
    fn move_network(&mut self, by: i64) {
        let word = self
            .context
            .get_mut(map::context::NETWORK_OFFSET as usize / 4);
        if let Some(word) = word.filter(|word| **word <= NETWORK_OFFSET_MAX) {
            let moved = u32::try_from(i64::from(*word) + by).ok();
            *word = moved
                .filter(|&at| at <= NETWORK_OFFSET_MAX)
                .unwrap_or(u32::MAX);
        }
    }
}

/// Arrays stand at multiples of four.
fn room_of(bytes: usize) -> u32 {
    (bytes as u32).next_multiple_of(4)
}

impl Memory for Area<'_> {
    fn packet(&self) -> &[u8] {
        self.packet
    }

    fn packet_mut(&mut self) -> &mut [u8] {
        self.packet
    }

    fn push(&mut self, bytes: u32) -> bool {
        let fits = bytes <= self.room.head && bytes <= PACKET_MAX.saturating_sub(self.len());
        if fits {
            self.room.head -= bytes;
            self.packet.splice(0..0, vec![0; bytes as usize]);
            self.move_network(i64::from(bytes));
        }
        fits
    }

    fn pop(&mut self, bytes: u32) -> bool {
        let fits = bytes <= self.len();
        if fits {
            self.room.head += bytes;
            self.packet.drain(..bytes as usize);
            self.move_network(-i64::from(bytes));
        }
        fits
    }

    fn append(&mut self, bytes: u32) -> bool {
        let fits = bytes <= self.room.tail && bytes <= PACKET_MAX.saturating_sub(self.len());
        if fits {
            self.room.tail -= bytes;
            self.packet.resize(self.packet.len() + bytes as usize, 0);
        }
        fits
    }

    fn cut(&mut self, bytes: u32) {
        if let Some(gone) = self.len().checked_sub(bytes) {
            self.room.tail += gone;
            self.packet.truncate(bytes as usize);
        }
    }

    fn read(&self, address: u32, into: &mut [u8]) -> bool {
        let found = self.at(address, into.len());
        if let Some(bytes) = &found {
            into.copy_from_slice(bytes);
        }
        found.is_some()
    }
}
