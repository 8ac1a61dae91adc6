//! Longest prefix match over addresses of one length.
//!
//! In: prefixes with values, and addresses in wire order. Out: the value of the longest prefix that
//! an address begins with. Guaranteed: host bits do not matter; never more prefixes than the
//! capacity; a lookup reads at most two places for each byte of the address and then the value, and an
//! edit changes one path, whatever the table holds.
//!
//! There are three parts: the prefixes as they were given, each with the number of its value; the values,
//! each once by which it is known again and once by its number, however many prefixes have it; and a trie
//! from addresses to the numbers of values. A lookup reads the trie and the values by their numbers, and
//! host code may do so by itself.

mod flat;
pub(crate) mod trie;

use super::Now;
use super::aged::{Aged, Ageing};
#[cfg(feature = "jit")]
pub(crate) use trie::Arrays;
use trie::{NOTHING, Trie};

/// Prefixes from which on the trie has an array for the first bytes.
const LARGE: u32 = 1024;

/// Prefixes from which on it has one for three bytes, if they are of IPv4: enough to fill that.
const VAST: u32 = 1 << 18;

/// Bytes of the length of a prefix behind its address.
const LENGTH_BYTES: usize = 2;

const LEAF_BYTES: usize = 4;

/// Prefixes with their values, and a trie over them.
#[derive(Clone, Debug)]
pub(crate) struct Lpm {
    address_bytes: usize,
    /// Leaves by address and, in two little-endian bytes, length in bits.
    routes: Aged,
    /// The values. A leaf is the cell of one, and one more.
    values: Aged,
    /// How many routes have each, by its cell.
    shares: Vec<u32>,
    /// The values once more, one behind the other by their cells and each in so many bytes, so that a product tells where one is.
    spread: Vec<u8>,
    spread_bytes: usize,
    trie: Trie,
}

/// Lookups.
impl Lpm {
    pub(crate) fn new(capacity: u32, address_bytes: usize, value_bytes: usize) -> Lpm {
        let ageing = |capacity| Ageing {
            capacity,
            idle_ns: 0,
        };
        Lpm {
            address_bytes,
            routes: Aged::new(ageing(capacity), address_bytes + LENGTH_BYTES, LEAF_BYTES),
            // A new value comes before the old one goes.
            values: Aged::new(ageing(capacity.saturating_add(1)), value_bytes, 0),
            shares: Vec::new(),
            spread: Vec::new(),
            spread_bytes: value_bytes.next_multiple_of(8),
            trie: Trie::new(),
        }
    }

    /// Bytes of an address and of a value.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.address_bytes, self.values.shape().0)
    }

    /// Where the value of the longest prefix is.
    #[inline(always)]
    pub(crate) fn find(&self, address: &[u8]) -> Option<u32> {
        self.trie.find(address).checked_sub(1)
    }

    /// Where the arrays begin of a larger table of IPv4, and where the value of the leaf 0 would stand, with the bytes that each
    /// takes. As it is, all of it stays until the table is edited.
    #[cfg(feature = "jit")]
    pub(crate) fn arrays(&self) -> Option<(Arrays, *const u8, usize)> {
        let arrays = self.trie.arrays().filter(|_| self.address_bytes == 4)?;
        let first = self.spread.as_ptr().wrapping_sub(self.spread_bytes);
        Some((arrays, first, self.spread_bytes))
    }

    /// The value there.
    #[inline]
    pub(crate) fn value(&self, cell: u32) -> &[u8] {
        let (value_bytes, _) = self.values.shape();
        &self.spread[cell as usize * self.spread_bytes..][..value_bytes]
    }

    /// The value of the longest prefix.
    pub(crate) fn get(&self, address: &[u8]) -> Option<&[u8]> {
        self.find(address).map(|cell| self.value(cell))
    }

    /// Prefixes, shortest first, with their lengths in bits and their values.
    pub(crate) fn entries(&self) -> Vec<(&[u8], u16, &[u8])> {
        let route = |cell: u32| {
            let (address, length) = self.routes.key(cell).split_at(self.address_bytes);
            let bits = length.first_chunk().map_or(0, |&b| u16::from_le_bytes(b));
            (address, bits, self.value(self.leaf(cell) - 1))
        };
        let mut entries: Vec<_> = self.routes.cells().map(route).collect();
        entries.sort_unstable_by_key(|&(address, bits, _)| (bits, address));
        entries
    }

    /// The leaf of a route.
    fn leaf(&self, cell: u32) -> u32 {
        let leaf = self.routes.value(cell).first_chunk();
        leaf.map_or(NOTHING, |&b| u32::from_le_bytes(b))
    }
}

/// Edits.
impl Lpm {
    /// Stores a prefix or replaces its value; answers whether there was room.
    pub(crate) fn insert(&mut self, address: &[u8], bits: u16, value: &[u8], now: Now) -> bool {
        let key = route_key(address, bits);
        let was = self
            .routes
            .seek(&key[..], now.ns)
            .map(|cell| self.leaf(cell));
        if was.is_none() && self.routes.is_full() {
            return false;
        }
        let Some(leaf) = self.share(value, now) else {
            return false;
        };
        self.routes.put(&key, &leaf.to_le_bytes(), now);
        match bits {
            0 => self.trie.set_all(leaf),
            _ => self.trie.insert(&key[..self.address_bytes], bits, leaf),
        }
        if let Some(was) = was {
            self.leave(was, now);
        }
        if self.routes.len() >= LARGE {
            let prefixes = self.routes.capacity();
            self.trie.widen(self.address_bytes, prefixes);
        }
        if self.routes.len() >= VAST {
            self.trie.flatten(self.address_bytes);
        }
        true
    }

    /// Removes a prefix; answers whether there was one.
    pub(crate) fn remove(&mut self, address: &[u8], bits: u16, now: Now) -> bool {
        let key = route_key(address, bits);
        let Some(cell) = self.routes.seek(&key[..], now.ns) else {
            return false;
        };
        let leaf = self.leaf(cell);
        self.routes.remove(&key, now);
        if bits == 0 {
            self.trie.set_all(NOTHING);
        } else {
            let shorter = ((bits - 1) / 8 * 8 + 1..bits).rev();
            let mut covers = shorter.filter_map(|bits| {
                let cell = self.routes.seek(&route_key(address, bits)[..], now.ns)?;
                Some((self.leaf(cell), bits))
            });
            let cover = covers.next();
            self.trie.remove(&key[..self.address_bytes], bits, cover);
        }
        self.leave(leaf, now);
        true
    }

    /// The leaf of a value that one more route has.
    fn share(&mut self, value: &[u8], now: Now) -> Option<u32> {
        let cell = match self.values.seek(value, now.ns) {
            Some(cell) => cell,
            None => self.new_value(value, now)?,
        };
        let at = cell as usize;
        self.shares[at] += 1;
        Some(cell + 1)
    }

    /// The cell of a value that no route has had.
    fn new_value(&mut self, value: &[u8], now: Now) -> Option<u32> {
        let cell = self.values.place(value, &[], now)?;
        let at = cell as usize;
        if self.shares.len() <= at {
            self.shares.resize(at + 1, 0);
            self.spread.resize(self.shares.len() * self.spread_bytes, 0);
        }
        self.spread[at * self.spread_bytes..][..value.len()].copy_from_slice(value);
        Some(cell)
    }

    /// One route less has the value of a leaf.
    fn leave(&mut self, leaf: u32, now: Now) {
        let cell = leaf - 1;
        self.shares[cell as usize] -= 1;
        if self.shares[cell as usize] == 0 {
            self.values.forget(cell, now);
        }
    }
}

/// The address with all bits behind the first `bits` cleared, and `bits` behind it.
fn route_key(address: &[u8], bits: u16) -> Vec<u8> {
    let kept = usize::from(bits);
    let byte = |(n, &byte): (usize, &u8)| match kept.saturating_sub(n * 8) {
        0 => 0,
        kept @ 1..=7 => byte & !(0xff >> kept),
        _ => byte,
    };
    let masked = address.iter().enumerate().map(byte);
    masked.chain(bits.to_le_bytes()).collect()
}

/// Equal tables have the same prefixes with the same values.
impl PartialEq for Lpm {
    fn eq(&self, other: &Lpm) -> bool {
        let same_value = |cell: u32| {
            let at = other.routes.seek(self.routes.key(cell), 0)?;
            Some(other.value(other.leaf(at) - 1) == self.value(self.leaf(cell) - 1))
        };
        let shape = |of: &Lpm| (of.shape(), of.routes.capacity(), of.routes.len());
        let mut routes = self.routes.cells();
        shape(self) == shape(other) && routes.all(|cell| same_value(cell) == Some(true))
    }
}

impl Eq for Lpm {}
