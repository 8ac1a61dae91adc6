//! Longest prefix match over addresses of one length.
//!
//! In: prefixes with values, and addresses in wire order. Out: the value of the longest prefix that
//! an address begins with. Guaranteed: host bits do not matter; never more prefixes than the
//! capacity; a lookup reads at most two places for each byte of the address, and an edit changes one
//! node, whatever the table holds.
//!
//! The idea is a trie with a byte to each level. A node has 256 places, and neighbours that say the
//! same share one entry: bits mark where runs begin, and counting them finds the entry (Degermark,
//! Brodnik, Carlsson and Pink, 1997). An entry has the longest prefix of this level and the node
//! below. What a level does not know the levels above did, so nothing is pushed down, and an edit stays
//! within its node. Larger tables have the first two levels in one array besides (Gupta, Lin and
//! McKeown, 1998).

use super::Now;
use super::aged::{Aged, Ageing};
use super::index::NONE;

/// Where a byte leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    /// The prefix, by its cell.
    found: u32,
    /// The node for the next byte.
    below: u32,
}

const NOTHING: Entry = Entry {
    found: NONE,
    below: NONE,
};

const PLACES: usize = 256;

/// Places with one word of bits.
const GROUP: usize = 16;

/// One level: places that say the same as the place before share its entry. One line of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Node {
    /// For each sixteen places, those where a run begins; the first always does.
    begins: [u16; PLACES / GROUP],
    /// For each sixteen places, the runs that begin before them.
    before: [u8; PLACES / GROUP],
    /// The entry of the first run.
    entries: u32,
    /// The number of runs, less one.
    more: u8,
}

/// How many bits of a byte are set.
const ONES: [u8; 256] = {
    let mut ones = [0; 256];
    let mut n = 0;
    while n < 256 {
        ones[n] = (n as u8).count_ones() as u8;
        n += 1;
    }
    ones
};

/// Entries that stand together, by the logarithm of how many have room: those that are free.
type FreeRuns = [Vec<u32>; 9];

/// Prefixes from which on the first two levels have an array.
const LARGE: u32 = 1024;

/// Prefixes by their bits, and a trie over them.
#[derive(Clone, Debug)]
pub(crate) struct Lpm {
    address_bytes: usize,
    /// Values by address and, in two little-endian bytes, length in bits.
    routes: Aged,
    /// The lengths of the prefixes by their cells.
    lengths: Vec<u16>,
    /// The prefix of no bits.
    all: u32,
    nodes: Vec<Node>,
    free_nodes: Vec<u32>,
    entries: Vec<Entry>,
    free_runs: FreeRuns,
    /// For each two bytes where they lead; empty while the table is small.
    short: Vec<Entry>,
}

const NODE: Node = Node {
    begins: {
        let mut begins = [0; PLACES / GROUP];
        begins[0] = 1;
        begins
    },
    before: {
        let mut before = [1; PLACES / GROUP];
        before[0] = 0;
        before
    },
    entries: 0,
    more: 0,
};

/// The node of the first byte.
const ROOT: u32 = 0;

/// Lookups.
impl Lpm {
    pub(crate) fn new(capacity: u32, address_bytes: usize, value_bytes: usize) -> Lpm {
        let ageing = Ageing {
            capacity,
            idle_ns: 0,
        };
        Lpm {
            address_bytes,
            routes: Aged::new(ageing, address_bytes + 2, value_bytes),
            lengths: Vec::new(),
            all: NONE,
            nodes: vec![NODE],
            free_nodes: Vec::new(),
            entries: vec![NOTHING],
            free_runs: FreeRuns::default(),
            short: Vec::new(),
        }
    }

    /// Bytes of an address and of a value.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.address_bytes, self.routes.shape().1)
    }

    /// The cell of the longest prefix.
    #[inline]
    pub(crate) fn find(&self, address: &[u8]) -> Option<u32> {
        let (mut found, mut at, mut rest) = (self.all, ROOT, address);
        if let Some((&[a, b], behind)) = address.split_first_chunk()
            && let Some(entry) = self.short.get(usize::from(a) << 8 | usize::from(b))
        {
            found = entry.found;
            at = entry.below;
            rest = behind;
        }
        for &byte in rest {
            let Some(node) = self.nodes.get(at as usize) else {
                break;
            };
            let entry = self.entries[node.entry(byte)];
            if entry.found != NONE {
                found = entry.found;
            }
            at = entry.below;
        }
        (found != NONE).then_some(found)
    }

    /// The value in a cell.
    #[inline]
    pub(crate) fn value(&self, cell: u32) -> &[u8] {
        self.routes.value(cell)
    }

    /// The value of the longest prefix.
    pub(crate) fn get(&self, address: &[u8]) -> Option<&[u8]> {
        self.find(address).map(|cell| self.value(cell))
    }

    /// Prefixes, shortest first, with their lengths in bits and their values.
    pub(crate) fn entries(&self) -> Vec<(&[u8], u16, &[u8])> {
        let route = |cell: u32| {
            let address = &self.routes.used(cell).0[..self.address_bytes];
            (address, self.lengths[cell as usize], self.value(cell))
        };
        let mut entries: Vec<_> = self.routes.cells().map(route).collect();
        entries.sort_unstable_by_key(|&(address, bits, _)| (bits, address));
        entries
    }
}

impl Node {
    /// The entry for a byte.
    #[inline]
    fn entry(&self, byte: u8) -> usize {
        let group = usize::from(byte) / GROUP;
        let up_to = u16::MAX >> (15 - byte % 16);
        let [low, high] = (self.begins[group] & up_to).to_le_bytes();
        let begun = usize::from(ONES[usize::from(low)]) + usize::from(ONES[usize::from(high)]);
        self.entries as usize + usize::from(self.before[group]) + begun - 1
    }
}

/// Edits.
impl Lpm {
    /// Stores a prefix or replaces its value; answers whether there was room.
    pub(crate) fn insert(&mut self, address: &[u8], bits: u16, value: &[u8], now: Now) -> bool {
        let key = route_key(address, bits);
        let was = self.routes.seek(&key, now.ns);
        let Some(cell) = self.routes.place(&key, value, now) else {
            return false;
        };
        if self.lengths.len() <= cell as usize {
            self.lengths.resize(cell as usize + 1, 0);
        }
        self.lengths[cell as usize] = bits;
        self.paint(&key[..self.address_bytes], bits, was, cell);
        if self.short.is_empty() && self.address_bytes > 2 && self.routes.len() >= LARGE {
            self.short = vec![NOTHING; 1 << 16];
            self.shorten(0..1 << 16);
        }
        true
    }

    /// Removes a prefix; answers whether there was one.
    pub(crate) fn remove(&mut self, address: &[u8], bits: u16, now: Now) -> bool {
        let key = route_key(address, bits);
        let Some(cell) = self.routes.seek(&key, now.ns) else {
            return false;
        };
        self.routes.remove(&key, now);
        let first = bits.saturating_sub(1) / 8 * 8 + 1;
        let shorter = (first..bits).rev();
        let mut covers =
            shorter.filter_map(|bits| self.routes.seek(&route_key(address, bits), now.ns));
        let cover = covers.next().unwrap_or(NONE);
        self.paint(&key[..self.address_bytes], bits, Some(cell), cover);
        true
    }

    /// Gives the places of a prefix to a cell, from those of another one or, where a prefix is new, from
    /// all that are shorter.
    fn paint(&mut self, address: &[u8], bits: u16, was: Option<u32>, is: u32) {
        let Some(last) = usize::from(bits).checked_sub(1).map(|bit| bit / 8) else {
            self.all = is;
            self.shorten(0..self.short.len());
            return;
        };
        let mut path = Vec::with_capacity(last);
        let mut at = ROOT;
        for &byte in &address[..last] {
            path.push((at, byte));
            at = match self.entries[self.nodes[at as usize].entry(byte)].below {
                NONE => self.add_below(at, byte),
                below => below,
            };
        }
        let mut places = self.places(at);
        let first = usize::from(address[last]);
        let many = PLACES >> (usize::from(bits) - last * 8);
        for place in &mut places[first..first + many] {
            let takes = match (was, place.found) {
                (Some(was), found) => found == was,
                (None, NONE) => true,
                (None, found) => self.lengths[found as usize] < bits,
            };
            if takes {
                place.found = is;
            }
        }
        self.set_places(at, &places);
        self.prune(at, &path);
        let two = |n: usize| usize::from(address.get(n).copied().unwrap_or(0));
        let start = two(0) << 8 | two(1);
        self.shorten(start..start + (1usize << 16 >> bits.min(16)));
    }

    /// Adds a node below a place.
    fn add_below(&mut self, at: u32, byte: u8) -> u32 {
        let entries = self.take_runs(0);
        self.entries[entries as usize] = NOTHING;
        let node = Node { entries, ..NODE };
        let below = match self.free_nodes.pop() {
            Some(free) => {
                self.nodes[free as usize] = node;
                free
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.set_below(at, byte, below);
        below
    }

    fn set_below(&mut self, at: u32, byte: u8, below: u32) {
        let mut places = self.places(at);
        places[usize::from(byte)].below = below;
        self.set_places(at, &places);
    }

    /// Takes away the nodes at the end of a path that say nothing.
    fn prune(&mut self, mut at: u32, path: &[(u32, u8)]) {
        for &(above, byte) in path.iter().rev() {
            let node = self.nodes[at as usize];
            if node.more > 0 || self.entries[node.entries as usize] != NOTHING {
                return;
            }
            self.set_below(above, byte, NONE);
            self.free_runs[0].push(node.entries);
            self.free_nodes.push(at);
            at = above;
        }
    }

    /// What each byte finds in a node.
    fn places(&self, at: u32) -> [Entry; PLACES] {
        let node = &self.nodes[at as usize];
        std::array::from_fn(|byte| self.entries[node.entry(byte as u8)])
    }

    fn set_places(&mut self, at: u32, places: &[Entry; PLACES]) {
        let was = self.nodes[at as usize];
        let mut node = NODE;
        let mut runs = 0;
        for (byte, place) in places.iter().enumerate() {
            if byte % GROUP == 0 {
                // The first group begins a run at once, so 255 are the most before another.
                node.before[byte / GROUP] = runs as u8;
            }
            if byte == 0 || *place != places[byte - 1] {
                node.begins[byte / GROUP] |= 1 << (byte % GROUP);
                runs += 1;
            }
        }
        node.more = (runs - 1) as u8;
        let (had, has) = (size_class(was.more), size_class(node.more));
        node.entries = if had == has {
            was.entries
        } else {
            self.free_runs[had].push(was.entries);
            self.take_runs(has)
        };
        let mut to = node.entries as usize;
        for (byte, place) in places.iter().enumerate() {
            if byte == 0 || *place != places[byte - 1] {
                self.entries[to] = *place;
                to += 1;
            }
        }
        self.nodes[at as usize] = node;
    }

    fn take_runs(&mut self, class: usize) -> u32 {
        self.free_runs[class].pop().unwrap_or_else(|| {
            let at = self.entries.len();
            self.entries.resize(at + (1 << class), NOTHING);
            at as u32
        })
    }

    /// Brings the array of the first two levels up to date.
    fn shorten(&mut self, range: std::ops::Range<usize>) {
        if self.short.is_empty() {
            return;
        }
        for at in range {
            let (first, second) = ((at >> 8) as u8, at as u8);
            let level = self.entries[self.nodes[ROOT as usize].entry(first)];
            let next = match self.nodes.get(level.below as usize) {
                Some(node) => self.entries[node.entry(second)],
                None => NOTHING,
            };
            let known = [next.found, level.found, self.all];
            self.short[at] = Entry {
                found: known
                    .into_iter()
                    .find(|&found| found != NONE)
                    .unwrap_or(NONE),
                below: next.below,
            };
        }
    }
}

/// The logarithm of the room that runs take.
fn size_class(more: u8) -> usize {
    (usize::from(more) + 1).next_power_of_two().trailing_zeros() as usize
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

/// Equal tables have the same prefixes.
impl PartialEq for Lpm {
    fn eq(&self, other: &Lpm) -> bool {
        self.routes == other.routes
    }
}

impl Eq for Lpm {}
