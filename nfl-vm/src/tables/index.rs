//! Which cell holds a key: a hash index with two buckets for each key.
//!
//! In: hashes of keys, and cells. Out: the cell of a key. Guaranteed: a lookup reads two buckets of
//! eight places each, and a short list beside them that is nearly always empty; the hash is keyed
//! with chance from the operating system, so nobody can aim at one bucket; nothing that is answered
//! depends on that chance.
//!
//! The hash is NH of UMAC (Black, Halevi, Krawczyk, Krovetz and Rogaway, 1999) on words of 64 bits:
//! two keys of one length collide with a chance of 2^-64 before the result is folded, whoever chose
//! them. A key goes into the emptier of its buckets (Azar, Broder, Karlin and Upfal, 1994), which at
//! half load leaves overflow beyond any practice; what overflows stands in the list, and a list that
//! grows doubles the buckets.

use std::hash::{BuildHasher, RandomState};

/// Places in a bucket.
const PLACES: usize = 8;

/// A bucket that is filled so far shares with the key's other one.
const CROWDED: usize = 6;

/// Entries beside the buckets before there are more buckets.
const ASIDE_MAX: usize = 8;

/// No cell.
pub(crate) const NONE: u32 = u32::MAX;

/// The words that a hash is keyed with.
#[derive(Clone, Debug)]
pub(crate) struct HashKey(Vec<[u64; 2]>);

impl HashKey {
    /// A key for keys of at most so many bytes.
    pub(crate) fn new(key_bytes: usize) -> HashKey {
        let chance = RandomState::new();
        let pairs = key_bytes.div_ceil(16).max(1) as u64;
        let word = |n: u64| chance.hash_one(n);
        HashKey((0..pairs).map(|n| [word(2 * n), word(2 * n + 1)]).collect())
    }

    /// The hash of a key of the one length.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let mut sum = 0u128;
        let (pairs, rest) = key.as_chunks::<16>();
        let mut secrets = self.0.iter();
        for (pair, secret) in pairs.iter().zip(&mut secrets) {
            sum = sum.wrapping_add(product(word(pair), word(&pair[8..]), secret));
        }
        if !rest.is_empty()
            && let Some(secret) = secrets.next()
        {
            let (first, second) = match rest.len() {
                8.. => (word(rest), word(&rest[rest.len() - 8..])),
                _ => (short(rest), 0),
            };
            sum = sum.wrapping_add(product(first, second, secret));
        }
        let folded = sum as u64 ^ (sum >> 64) as u64;
        let mixed = (folded ^ folded >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The lower bits of a product know those of its factors alone, and they choose the bucket.
        mixed ^ mixed >> 32
    }
}

#[inline]
fn product(first: u64, second: u64, secret: &[u64; 2]) -> u128 {
    let (a, b) = (
        first.wrapping_add(secret[0]),
        second.wrapping_add(secret[1]),
    );
    u128::from(a) * u128::from(b)
}

/// The first eight bytes.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |&b| u64::from_le_bytes(b))
}

/// At most seven bytes as one word, another for each content of one length. Of four and more the two
/// halves overlap.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    if let (Some(&low), Some(&high)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << 32;
    }
    bytes
        .iter()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Whether two keys of one length are equal, word by word.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.len() < 8 {
        return short(a) == short(b);
    }
    let ((head, _), (other, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let whole = head.iter().zip(other).all(|(a, b)| a == b);
    whole && a.last_chunk::<8>() == b.last_chunk::<8>()
}

/// One line of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket {
    /// A part of the hash for each place; 0 when it is free.
    tags: [u32; PLACES],
    cells: [u32; PLACES],
}

impl Bucket {
    const FREE: Bucket = Bucket {
        tags: [0; PLACES],
        cells: [0; PLACES],
    };

    /// A bit for each place with this tag.
    #[inline]
    fn with(&self, tag: u32) -> u32 {
        let mut bits = 0;
        for (place, &other) in self.tags.iter().enumerate() {
            bits |= u32::from(other == tag) << place;
        }
        bits
    }

    fn held(&self) -> usize {
        self.tags.iter().filter(|&&tag| tag != 0).count()
    }
}

/// Cells by the hashes of their keys.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    buckets: Vec<Bucket>,
    aside: Vec<(u64, u32)>,
    held: usize,
}

impl Index {
    /// An index for so many cells without growing.
    pub(crate) fn with_room(cells: usize) -> Index {
        Index {
            buckets: vec![Bucket::FREE; buckets_for(cells)],
            aside: Vec::with_capacity(2 * ASIDE_MAX),
            held: 0,
        }
    }

    /// An index for so many cells, to be [made](Index::make) before it is used.
    pub(crate) fn begun(cells: usize) -> Index {
        let whole = Index::with_room(0);
        Index {
            buckets: Vec::with_capacity(buckets_for(cells)),
            ..whole
        }
    }

    /// Makes some more of its buckets; answers whether it has all.
    pub(crate) fn make(&mut self, cells: usize, more: usize) -> bool {
        let (all, made) = (buckets_for(cells), self.buckets.len());
        self.buckets.resize(all.min(made + more), Bucket::FREE);
        self.buckets.len() == all
    }

    /// The cells that it has room for.
    pub(crate) fn room(&self) -> usize {
        self.buckets.len() * (PLACES / 2)
    }

    /// Whether it is three quarters as full as it gets.
    pub(crate) fn fills(&self) -> bool {
        self.held * 4 >= self.room() * 3
    }

    /// Whether one more cell makes it too full.
    pub(crate) fn must_grow(&self) -> bool {
        self.held >= self.room() || self.aside.len() >= ASIDE_MAX
    }

    /// The cell with this hash that holds the key.
    #[inline]
    pub(crate) fn find(&self, hash: u64, holds: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag(hash);
        for at in self.places(hash) {
            let bucket = &self.buckets[at];
            let mut bits = bucket.with(tag);
            while bits != 0 {
                let cell = bucket.cells[bits.trailing_zeros() as usize % PLACES];
                if holds(cell) {
                    return Some(cell);
                }
                bits &= bits - 1;
            }
        }
        let mut aside = self.aside.iter();
        let found = aside.find(|&&(other, cell)| other == hash && holds(cell));
        found.map(|&(_, cell)| cell)
    }

    /// Adds a cell whose key is not there.
    pub(crate) fn insert(&mut self, hash: u64, cell: u32) {
        self.held += 1;
        let [first, second] = self.places(hash);
        let (in_first, in_second) = (self.buckets[first].held(), self.buckets[second].held());
        let at = match in_first < CROWDED || in_first <= in_second {
            true => first,
            false => second,
        };
        let bucket = &mut self.buckets[at];
        match bucket.tags.iter().position(|&tag| tag == 0) {
            Some(place) => {
                bucket.tags[place] = tag(hash);
                bucket.cells[place] = cell;
            }
            None => self.aside.push((hash, cell)),
        }
    }

    /// Takes a cell out.
    pub(crate) fn remove(&mut self, hash: u64, cell: u32) {
        self.held -= 1;
        for at in self.places(hash) {
            let bucket = &mut self.buckets[at];
            let places = bucket.tags.iter().zip(&bucket.cells);
            let mut places = places.map(|(&tag, &cell)| (tag, cell));
            if let Some(place) = places.position(|of| of == (tag(hash), cell)) {
                bucket.tags[place] = 0;
                return;
            }
        }
        self.aside.retain(|&(_, other)| other != cell);
    }

    #[inline]
    fn places(&self, hash: u64) -> [usize; 2] {
        let mask = self.buckets.len() - 1;
        let first = hash as usize & mask;
        let second = (hash >> 24) as usize & mask;
        [first, second]
    }
}

/// The buckets that so many cells fill by halves.
fn buckets_for(cells: usize) -> usize {
    cells.div_ceil(PLACES / 2).next_power_of_two()
}

/// What a bucket keeps of a hash: its upper half, which is never 0.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}
