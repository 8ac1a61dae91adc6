//! A trie over the bits of addresses, a byte to each level.
//!
//! In: prefixes with leaves, which are numbers other than zero. Out: the leaf of the longest prefix that
//! an address begins with. Guaranteed: a lookup reads at most two places for each byte of the
//! address, and an edit changes the nodes on one path; the caller tells which leaf is left where a prefix goes.
//!
//! A node has 256 places, and neighbours that say the same share a run. A node of few runs has them
//! beside its bytes, in the same line of a cache. One of more has bits that mark where runs begin, and
//! counting them finds the run (Degermark, Brodnik, Carlsson and Pink, 1997). Bytes that all addresses below
//! a node share stand in it instead of in nodes of their own (Morrison, 1968). What a level does not
//! know the levels above did, so nothing is pushed down. Larger tables have one array besides for the first
//! two bytes, and where a node has many runs each place has its own, so that an IPv4 prefix of up to 24 bits is
//! found in two reads that depend on nothing else (Gupta, Lin and McKeown, 1998). The largest tables of IPv4 have one for
//! the first three bytes, and most addresses need no other read.

#[cfg(feature = "jit")]
use std::mem::offset_of;
use std::ops::Range;
#[cfg(feature = "jit")]
use std::ptr;

use super::flat::{self, Flat};

/// No prefix, and nothing below.
pub(super) const NOTHING: u32 = 0;

/// What leads to a node, and is no leaf.
const BELOW: u32 = 1 << 31;

/// What leads past a node to its runs, one for each place.
pub(crate) const WIDE: u32 = 1 << 30;

const PLACES: usize = 256;

/// Runs that stand in a node itself.
pub(crate) const FEW: usize = 8;

/// Runs above which each place has its own.
const MANY: usize = 16;

/// Places with one count of the runs before them.
const GROUP: usize = 16;

/// Bytes that a node skips at most.
const PATH: usize = 6;

/// Nodes for which places are kept, at most.
const NODES_AHEAD: usize = 1 << 20;

/// Bytes of the addresses for which larger tables have an array.
const SHORT_BYTES: usize = 2;

/// Where a byte leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    /// A leaf, or a node; the leaf of the place of a node stands there.
    next: u32,
    /// The length of the prefix within this level: 1 to 8, and 0 when there is none.
    bits: u8,
}

const EMPTY: Place = Place {
    next: NOTHING,
    bits: 0,
};

/// One level, and the bytes before it. One line of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Node {
    /// Few runs: where they lead. More: a bit for each place where a run begins; the first always does.
    words: [u32; 8],
    /// Few runs: the places where they begin, and the lengths of their prefixes; what is left repeats the last
    /// at the place 255. More: for each sixteen places the runs that begin before them.
    bytes: [u8; PLACES / GROUP],
    /// The leaf of the place that leads here.
    found: u32,
    /// The first of more runs.
    runs: u32,
    /// The number of runs, less one.
    more: u8,
    /// How many bytes an address must have before the one that chooses the place.
    skip: u8,
    path: [u8; PATH],
}

const NODE: Node = Node {
    words: [NOTHING; 8],
    bytes: [0, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0],
    found: NOTHING,
    runs: 0,
    more: 0,
    skip: 0,
    path: [0; PATH],
};

/// Bytes of a node.
#[cfg(feature = "jit")]
pub(crate) const NODE_BYTES: usize = size_of::<Node>();

/// Where in a node it says in so many bytes where its few runs begin.
#[cfg(feature = "jit")]
pub(crate) const BEGINS: i32 = offset_of!(Node, bytes) as i32;

/// Where in a node a little-endian word of two bytes is less than [`FEW`] if it has few runs and skips nothing.
#[cfg(feature = "jit")]
pub(crate) const KIND: i32 = offset_of!(Node, more) as i32;

/// Where the arrays of a large trie begin. They are there and stay as they are until it is edited; what the first one and nodes
/// lead to lies in the others.
#[cfg(feature = "jit")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Arrays {
    /// Where each two bytes lead: to a leaf or nothing, to a node with the highest bit, past it with [`WIDE`].
    pub(crate) short: *const u32,
    /// Where each three bytes lead, but past no node; null unless the trie has it. What leads to nothing here is looked for above.
    pub(crate) flat: *const u32,
    /// What they find above that.
    pub(crate) short_found: *const u32,
    pub(crate) nodes: *const u8,
    pub(crate) runs: *const u32,
}

/// The node of the first byte.
const ROOT: u32 = 0;

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

/// Prefixes by their bits.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free_nodes: Vec<u32>,
    /// The runs of nodes that have many: where they lead, and the lengths of their prefixes.
    runs: Vec<u32>,
    lengths: Vec<u8>,
    /// Runs that stand together and are free, by the logarithm of how many have room.
    free_runs: [Vec<u32>; 9],
    /// Where each two bytes lead, and what they find, which is read when nothing is found behind them; empty while
    /// the table is small.
    short: Vec<u32>,
    short_found: Vec<u32>,
    /// Where each three bytes lead in nodes that skip nothing; the first array leads to nothing instead of to those.
    flat: Option<Flat>,
}

/// Lookups.
impl Trie {
    pub(super) fn new() -> Trie {
        Trie {
            nodes: vec![NODE],
            free_nodes: Vec::new(),
            runs: Vec::new(),
            lengths: Vec::new(),
            free_runs: Default::default(),
            short: Vec::new(),
            short_found: Vec::new(),
            flat: None,
        }
    }

    /// The leaf of the longest prefix.
    #[inline(always)]
    pub(super) fn find(&self, address: &[u8]) -> u32 {
        match address.try_into() {
            Ok(four) => self.find_four(four),
            Err(_) => self.find_rest(address),
        }
    }

    /// The same for an address of four bytes.
    #[inline(always)]
    fn find_four(&self, address: [u8; 4]) -> u32 {
        if let Some(flat) = &self.flat {
            let [first, second, third, fourth] = address;
            let next = flat.get(u32::from_be_bytes([0, first, second, third]) as usize);
            let rest = Few {
                bytes: fourth.into(),
                left: 1,
            };
            let found = self.find_from(next, rest);
            if found != NOTHING {
                return found;
            }
        }
        self.find_rest(Few {
            bytes: u32::from_le_bytes(address).into(),
            left: 4,
        })
    }

    /// Its arrays, if it is large.
    #[cfg(feature = "jit")]
    pub(super) fn arrays(&self) -> Option<Arrays> {
        (!self.short.is_empty()).then(|| Arrays {
            short: self.short.as_ptr(),
            flat: self.flat.as_ref().map_or(ptr::null(), Flat::as_ptr),
            short_found: self.short_found.as_ptr(),
            nodes: self.nodes.as_ptr().cast(),
            runs: self.runs.as_ptr(),
        })
    }

    #[inline(always)]
    fn find_rest<R: Rest>(&self, address: R) -> u32 {
        if let Some((first, behind)) = address.next()
            && let Some((second, behind)) = behind.next()
        {
            let at = usize::from(first) << 8 | usize::from(second);
            if let Some(&next) = self.short.get(at) {
                let found = match behind.next() {
                    Some((third, behind)) if next & WIDE != 0 => {
                        let run = (next & !WIDE) as usize + usize::from(third);
                        self.find_from(self.runs[run], behind)
                    }
                    _ => self.find_from(next, behind),
                };
                return match found {
                    NOTHING => self.short_found[at],
                    found => found,
                };
            }
        }
        self.find_from(BELOW | ROOT, address)
    }

    /// The leaf that is found here, or behind.
    #[inline(always)]
    fn find_from<R: Rest>(&self, mut next: u32, mut rest: R) -> u32 {
        let mut found = NOTHING;
        while next & BELOW != 0 {
            let node = &self.nodes[(next & !BELOW) as usize];
            if node.found != NOTHING {
                found = node.found;
            }
            let Some((byte, behind)) = rest.behind_path(node) else {
                return found;
            };
            next = self.next(node, byte);
            rest = behind;
        }
        if next == NOTHING { found } else { next }
    }

    /// Where a byte leads from a node.
    #[inline]
    fn next(&self, node: &Node, byte: u8) -> u32 {
        match usize::from(node.more) < FEW {
            true => node.words[node.few(byte)],
            false => self.runs[node.many(byte)],
        }
    }
}

/// The bytes of an address that no level has read yet.
trait Rest: Copy {
    /// The first of them, and those behind it.
    fn next(self) -> Option<(u8, Self)>;

    /// The same behind the path of a node; nothing when something else than the path comes.
    fn behind_path(self, node: &Node) -> Option<(u8, Self)>;
}

impl Rest for &[u8] {
    #[inline(always)]
    fn next(self) -> Option<(u8, Self)> {
        self.split_first().map(|(&byte, behind)| (byte, behind))
    }

    #[inline(always)]
    fn behind_path(self, node: &Node) -> Option<(u8, Self)> {
        let skip = usize::from(node.skip);
        let leads = match self.first_chunk() {
            // Without branches, since those that paths decide are not foreseen.
            Some(&head) => (u64::from_le_bytes(head) ^ node.path_word()) & below(skip) == 0,
            None => skip == 0 || self.iter().zip(node.path()).all(|(a, b)| a == b),
        };
        if leads {
            self.get(skip..)?.next()
        } else {
            None
        }
    }
}

/// At most eight bytes, the first one lowest, with zeros above.
#[derive(Clone, Copy)]
struct Few {
    bytes: u64,
    left: usize,
}

impl Rest for Few {
    #[inline(always)]
    fn next(self) -> Option<(u8, Self)> {
        let behind = Few {
            bytes: self.bytes >> 8,
            left: self.left.checked_sub(1)?,
        };
        Some((self.bytes as u8, behind))
    }

    #[inline(always)]
    fn behind_path(self, node: &Node) -> Option<(u8, Self)> {
        let skip = usize::from(node.skip);
        let leads = (self.bytes ^ node.path_word()) & below(skip) == 0;
        let behind = Few {
            bytes: self.bytes >> (skip % 8 * 8),
            left: self.left.checked_sub(skip)?,
        };
        if leads { behind.next() } else { None }
    }
}

/// Ones in so many of the lower bytes of a word, at most [`PATH`].
#[inline(always)]
fn below(bytes: usize) -> u64 {
    (1 << (bytes % 8 * 8)) - 1
}

impl Node {
    /// The path, its first byte lowest.
    #[inline(always)]
    fn path_word(&self) -> u64 {
        let [a, b, c, d, e, f] = self.path;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    fn path(&self) -> &[u8] {
        &self.path[..usize::from(self.skip)]
    }

    fn set_path(&mut self, path: &[u8]) {
        self.skip = path.len() as u8;
        self.path[..path.len()].copy_from_slice(path);
    }

    /// The run of a byte among few: the last that begins at it or before.
    #[inline]
    fn few(&self, byte: u8) -> usize {
        const EACH: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = EACH << 7;
        let begins = self
            .bytes
            .first_chunk()
            .map_or(0, |&b| u64::from_le_bytes(b));
        let byte = u64::from(byte) * EACH;
        // The high bit of each byte says whether it is at least the other, first of the lower bits and then of all.
        let low = (byte | HIGH) - (begins & !HIGH);
        let begun = (low & !(byte ^ begins) | byte & !begins) & HIGH;
        (((begun >> 7).wrapping_mul(EACH) >> 56) as usize).wrapping_sub(1) % FEW
    }

    /// The run of a byte among more.
    #[inline]
    fn many(&self, byte: u8) -> usize {
        let group = usize::from(byte) / GROUP;
        let begins = (self.words[group / 2] >> (group % 2 * GROUP)) as u16;
        let up_to = u16::MAX >> (15 - byte % 16);
        let [low, high] = (begins & up_to).to_le_bytes();
        let begun = usize::from(ONES[usize::from(low)]) + usize::from(ONES[usize::from(high)]);
        self.runs as usize + usize::from(self.bytes[group]) + begun - 1
    }
}

/// Edits.
impl Trie {
    /// Gives the prefix of no bits a leaf.
    pub(super) fn set_all(&mut self, leaf: u32) {
        self.nodes[ROOT as usize].found = leaf;
        self.shorten(0..self.short.len());
    }

    /// Gives a prefix of at least one bit a leaf. The bits behind it are zero.
    pub(super) fn insert(&mut self, address: &[u8], bits: u16, leaf: u32) {
        let last = (usize::from(bits) - 1) / 8;
        let mut at = ROOT;
        let mut from = 0;
        loop {
            let way = &address[from..last];
            let path = self.nodes[at as usize].path();
            let same = path.iter().zip(way).take_while(|(a, b)| a == b).count();
            if same < path.len() {
                self.split(at, same);
            }
            from += same;
            if from == last {
                break;
            }
            at = match self.place(at, address[from]).next {
                below if below & BELOW != 0 => below & !BELOW,
                _ => self.add_below(at, address[from], from + 1, &address[from + 1..last]),
            };
            from += 1;
        }
        let level_bits = (bits as usize - last * 8) as u8;
        let is = Place {
            next: leaf,
            bits: level_bits,
        };
        self.paint(at, address[last], level_bits, is, |bits| bits <= level_bits);
        self.shorten_prefix(address, bits);
    }

    /// Takes a prefix of at least one bit away, and gives its places to the one that covers it within
    /// its last byte, with its length.
    pub(super) fn remove(&mut self, address: &[u8], bits: u16, cover: Option<(u32, u16)>) {
        let last = (usize::from(bits) - 1) / 8;
        let mut above = Vec::with_capacity(last);
        let mut at = ROOT;
        let mut from = 0;
        loop {
            from += usize::from(self.nodes[at as usize].skip);
            if from >= last {
                break;
            }
            above.push((at, address[from]));
            match self.place(at, address[from]).next {
                below if below & BELOW != 0 => at = below & !BELOW,
                _ => return,
            }
            from += 1;
        }
        let within = |bits: u16| (usize::from(bits) - last * 8) as u8;
        let is = cover.map_or(EMPTY, |(next, bits)| Place {
            next,
            bits: within(bits),
        });
        let level_bits = within(bits);
        self.paint(at, address[last], level_bits, is, |bits| bits == level_bits);
        self.prune(at, &above);
        self.shorten_prefix(address, bits);
    }

    /// Has an array for the first bytes from now on, if addresses have so many, and keeps places for the nodes of
    /// so many prefixes.
    pub(super) fn widen(&mut self, address_bytes: usize, prefixes: u32) {
        if self.short.is_empty() && address_bytes > SHORT_BYTES {
            // Places take memory when they are written. Where there are none the nodes work too, but move now and then.
            let nodes = (prefixes as usize).min(NODES_AHEAD);
            self.nodes.try_reserve(nodes).unwrap_or_default();
            self.runs.try_reserve(nodes * MANY).unwrap_or_default();
            self.lengths.try_reserve(nodes * MANY).unwrap_or_default();
            self.short = vec![NOTHING; 1 << (8 * SHORT_BYTES)];
            self.short_found = self.short.clone();
            self.shorten(0..self.short.len());
        }
    }

    /// Has an array for three bytes from now on, if addresses are those of IPv4.
    pub(super) fn flatten(&mut self, address_bytes: usize) {
        if self.flat.is_none() && address_bytes == flat::BYTES + 1 {
            self.flat = Some(Flat::new());
            for at in 0..self.short.len() {
                self.flatten_places(at, 0..PLACES);
            }
            self.shorten(0..self.short.len());
        }
    }

    /// Changes those places of a node that begin with some bits of a byte and whose prefixes are chosen.
    fn paint(&mut self, at: u32, byte: u8, bits: u8, is: Place, takes: impl Fn(u8) -> bool) {
        let mut places = self.places(at);
        let first = usize::from(byte);
        for place in &mut places[first..first + (PLACES >> bits)] {
            if takes(place.bits) {
                place.bits = is.bits;
                match place.next & BELOW {
                    0 => place.next = is.next,
                    _ => self.nodes[(place.next & !BELOW) as usize].found = is.next,
                }
            }
        }
        self.set_places(at, &places);
    }

    /// Puts the bytes of a path behind the first few, and what they lead to, into a node below.
    fn split(&mut self, at: u32, keep: usize) {
        let whole = self.nodes[at as usize];
        let mut below = Node {
            found: NOTHING,
            ..whole
        };
        below.set_path(&whole.path()[keep + 1..]);
        let below = self.add_node(below);
        let mut above = Node {
            found: whole.found,
            ..NODE
        };
        above.set_path(&whole.path()[..keep]);
        self.nodes[at as usize] = above;
        self.set_next(at, whole.path()[keep], BELOW | below);
    }

    /// Adds a node below a place, for the byte at this one of an address and those on the way.
    fn add_below(&mut self, at: u32, byte: u8, from: usize, way: &[u8]) -> u32 {
        let mut node = Node {
            found: self.place(at, byte).next,
            ..NODE
        };
        // The first bytes always have their nodes, so that most lookups take the same way.
        if from >= SHORT_BYTES {
            node.set_path(&way[..way.len().min(PATH)]);
        }
        let below = self.add_node(node);
        self.set_next(at, byte, BELOW | below);
        below
    }

    fn add_node(&mut self, node: Node) -> u32 {
        if let Some(free) = self.free_nodes.pop() {
            self.nodes[free as usize] = node;
            return free;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    fn set_next(&mut self, at: u32, byte: u8, next: u32) {
        let mut places = self.places(at);
        places[usize::from(byte)].next = next;
        self.set_places(at, &places);
    }

    /// Takes away the nodes at the end of a path that say nothing, and joins the last with the only node
    /// that is left below it.
    fn prune(&mut self, mut at: u32, above: &[(u32, u8)]) {
        for (depth, &(upper, byte)) in above.iter().enumerate().rev() {
            let places = self.places(at);
            let mut used = (0..=u8::MAX)
                .zip(&places)
                .filter(|(_, place)| **place != EMPTY);
            match (used.next(), used.next()) {
                (None, _) => {
                    self.free_nodes.push(at);
                    self.set_next(upper, byte, self.nodes[at as usize].found);
                    at = upper;
                }
                (Some((byte, only)), None) if depth + 1 >= SHORT_BYTES && only.bits == 0 => {
                    return self.join(at, byte, only.next & !BELOW);
                }
                _ => return,
            }
        }
    }

    /// Puts the only node below a place into the one above, if their paths are short enough.
    fn join(&mut self, at: u32, byte: u8, below: u32) {
        let (upper, mut lower) = (self.nodes[at as usize], self.nodes[below as usize]);
        let path = [upper.path(), &[byte], lower.path()].concat();
        if path.len() <= PATH {
            lower.set_path(&path);
            lower.found = upper.found;
            self.nodes[at as usize] = lower;
            self.free_nodes.push(below);
        }
    }

    /// Where one byte leads.
    fn place(&self, at: u32, byte: u8) -> Place {
        let node = &self.nodes[at as usize];
        if usize::from(node.more) < FEW {
            let run = node.few(byte);
            return Place {
                next: node.words[run],
                bits: node.bytes[FEW + run],
            };
        }
        let run = node.many(byte);
        Place {
            next: self.runs[run],
            bits: self.lengths[run],
        }
    }

    /// Where each byte leads.
    fn places(&self, at: u32) -> [Place; PLACES] {
        std::array::from_fn(|byte| self.place(at, byte as u8))
    }

    fn set_places(&mut self, at: u32, places: &[Place; PLACES]) {
        let differs = |byte: usize| byte == 0 || places[byte] != places[byte - 1];
        // What has its own place in the largest array needs no other.
        let most = if self.flat.is_some() { PLACES } else { MANY };
        let are_many = (0..PLACES).filter(|&byte| differs(byte)).count() > most;
        let runs = (0..PLACES).filter(|&byte| are_many || differs(byte));
        let more = (runs.clone().count() - 1) as u8;
        let had = self.nodes[at as usize];
        let (was, is) = (size_class(had.more), size_class(more));
        if was != is {
            self.free_many(at);
        }
        let mut node = Node { more, ..NODE };
        node.found = had.found;
        node.set_path(had.path());
        if usize::from(more) < FEW {
            node.words = [places[PLACES - 1].next; FEW];
            node.bytes[FEW..].fill(places[PLACES - 1].bits);
            for (run, byte) in runs.enumerate() {
                node.bytes[run] = byte as u8;
                node.words[run] = places[byte].next;
                node.bytes[FEW + run] = places[byte].bits;
            }
        } else {
            node.runs = if was == is {
                had.runs
            } else {
                self.take_runs(is)
            };
            node.words = [0; 8];
            node.bytes = [0; PLACES / GROUP];
            for (run, byte) in runs.enumerate() {
                node.words[byte / 32] |= 1 << (byte % 32);
                let to = node.runs as usize + run;
                self.runs[to] = places[byte].next;
                self.lengths[to] = places[byte].bits;
            }
            let mut before = 0;
            for group in 0..PLACES / GROUP {
                // The first group begins a run at once, so 255 are the most before another.
                node.bytes[group] = before as u8;
                let begins = (node.words[group / 2] >> (group % 2 * GROUP)) as u16;
                before += begins.count_ones();
            }
        }
        self.nodes[at as usize] = node;
    }

    /// Frees the runs of a node that has many.
    fn free_many(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        if let Some(class) = size_class(node.more) {
            self.free_runs[class].push(node.runs);
        }
    }

    fn take_runs(&mut self, class: Option<usize>) -> u32 {
        let class = class.unwrap_or_default();
        self.free_runs[class].pop().unwrap_or_else(|| {
            let at = self.runs.len();
            self.runs.resize(at + (1 << class), NOTHING);
            self.lengths.resize(at + (1 << class), 0);
            at as u32
        })
    }
}

/// The arrays of the first two bytes and of three.
impl Trie {
    /// Brings them up to date for the addresses that begin with a prefix.
    fn shorten_prefix(&mut self, address: &[u8], bits: u16) {
        let byte = |n: usize| usize::from(address.get(n).copied().unwrap_or(0));
        let start = byte(0) << 8 | byte(1);
        let led = self.short.get(start).copied();
        self.shorten(start..start + (1usize << 16 >> bits.min(16)));
        if bits > 16 {
            // A node that begins to skip bytes, or ceases to, has or had more places than those of the prefix.
            let thirds = match self.short.get(start).copied() == led {
                true => byte(2)..byte(2) + (PLACES >> (bits - 16).min(8)),
                false => 0..PLACES,
            };
            self.flatten_places(start, thirds);
        }
    }

    /// Brings the array of three bytes up to date for two of them and some of the third.
    fn flatten_places(&mut self, at: usize, thirds: Range<usize>) {
        let Some(mut flat) = self.flat.take() else {
            return;
        };
        let node = self.third(at);
        for third in thirds {
            let next = node.map_or(NOTHING, |node| self.next(node, third as u8));
            flat.set(at << 8 | third, next);
        }
        self.flat = Some(flat);
    }

    /// The node that two bytes lead to, if it skips nothing.
    fn third(&self, at: usize) -> Option<&Node> {
        let [first, second] = (at as u16).to_be_bytes();
        let node = self.below(&self.nodes[ROOT as usize], first)?;
        let node = self.below(node, second)?;
        (node.skip == 0).then_some(node)
    }

    /// The node that a byte leads to.
    fn below(&self, node: &Node, byte: u8) -> Option<&Node> {
        let next = self.next(node, byte);
        (next & BELOW != 0).then(|| &self.nodes[(next & !BELOW) as usize])
    }

    fn shorten(&mut self, range: Range<usize>) {
        if self.short.is_empty() {
            return;
        }
        for at in range {
            let (mut found, mut next) = (self.nodes[ROOT as usize].found, BELOW | ROOT);
            for byte in [(at >> 8) as u8, at as u8] {
                if next & BELOW != 0 {
                    next = self.next(&self.nodes[(next & !BELOW) as usize], byte);
                }
                let leaf = match next & BELOW {
                    0 => std::mem::take(&mut next),
                    _ => self.nodes[(next & !BELOW) as usize].found,
                };
                if leaf != NOTHING {
                    found = leaf;
                }
            }
            if next & BELOW != 0 {
                let node = &self.nodes[(next & !BELOW) as usize];
                if node.skip == 0 && self.flat.is_some() {
                    next = NOTHING;
                } else if node.skip == 0 && usize::from(node.more) == PLACES - 1 {
                    next = WIDE | node.runs;
                }
            }
            self.short[at] = next;
            self.short_found[at] = found;
        }
    }
}

/// The logarithm of the room that the runs of a node take, when they are many.
fn size_class(more: u8) -> Option<usize> {
    let runs = usize::from(more) + 1;
    (runs > FEW).then(|| runs.next_power_of_two().trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Whatever splits and joins there were, all nodes and runs but the root's are free in the end.
    #[test]
    fn an_empty_trie_has_one_node() {
        let mut trie = Trie::new();
        trie.widen(16, 2_000);
        let mut chance = 1u64;
        let mut next = || {
            chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            chance >> 33
        };
        for _ in 0..3 {
            let mut prefixes = BTreeSet::new();
            for _ in 0..2_000 {
                let bits = 1 + next() % 128;
                let bytes: u128 = (0..16).fold(0, |n, _| n << 8 | u128::from(next() % 40 / 38));
                prefixes.insert((bytes & u128::MAX << (128 - bits), bits as u16));
            }
            for (leaf, &(address, bits)) in (1..).zip(&prefixes) {
                trie.insert(&address.to_be_bytes(), bits, leaf);
            }
            assert!(trie.nodes.iter().any(|node| node.skip > 1));
            // In this order no prefix is left that covers one that goes.
            for (leaf, &(address, bits)) in (1..).zip(&prefixes) {
                assert!(trie.find(&address.to_be_bytes()) >= leaf);
                trie.remove(&address.to_be_bytes(), bits, None);
            }
            assert_eq!(trie.free_nodes.len() + 1, trie.nodes.len());
            let free = trie.free_runs.iter().enumerate();
            let free: usize = free.map(|(class, runs)| runs.len() << class).sum();
            assert_eq!(free, trie.runs.len());
            let short = trie.short.iter().chain(&trie.short_found);
            assert!(short.copied().all(|next| next == NOTHING));
        }
    }
}
