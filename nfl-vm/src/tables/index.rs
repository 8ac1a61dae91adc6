//! Which cell holds a key: a hash index with two buckets for each key.
//!
//! In: hashes of keys, and cells. Out: the cell of a key. Guaranteed: a lookup reads one bucket of eight
//! places or, where keys did not find room in theirs, a second one, and a short list beside them that is
//! nearly always empty; the hash is keyed with chance from the operating system, so nobody can aim at one
//! bucket; nothing that is answered depends on that chance.
//!
//! The hash is NH of UMAC (Black, Halevi, Krawczyk, Krovetz and Rogaway, 1999) on words of 64 bits:
//! two keys of one length collide with a chance of 2^-64 before the result is folded, whoever chose
//! them. A key goes into the emptier of its buckets (Azar, Broder, Karlin and Upfal, 1994), which at
//! this load leaves overflow beyond any practice; what overflows stands in the list, and a list that
//! grows doubles the buckets.

use std::hash::{BuildHasher, RandomState};
#[cfg(feature = "jit")]
use std::mem::offset_of;

/// Places in a bucket.
const PLACES: usize = 8;

/// Entries in a bucket when an index is as full as it gets, on average.
const LOAD: usize = 4;

/// A bucket that is filled so far shares with the key's other one.
const CROWDED: usize = 6;

/// Entries beside the buckets before there are more buckets.
const ASIDE_MAX: usize = 8;

/// No cell.
pub(crate) const NONE: u32 = u32::MAX;

/// The words that a hash is keyed with.
#[derive(Clone, Debug)]
pub(crate) struct HashKey {
    /// For the first two words of a key.
    first: [u64; 2],
    /// For the two words that follow, and so on.
    rest: Vec<[u64; 2]>,
}

impl HashKey {
    /// A key for keys of at most so many bytes.
    pub(crate) fn new(key_bytes: usize) -> HashKey {
        let chance = RandomState::new();
        let pair = |n: u64| [chance.hash_one(2 * n), chance.hash_one(2 * n + 1)];
        HashKey {
            first: pair(0),
            rest: (1..key_bytes.div_ceil(PAIR) as u64).map(pair).collect(),
        }
    }

    /// The hash of a key of the one length, of at most two words.
    #[cfg(feature = "jit")]
    #[inline(always)]
    fn of_words(&self, words: [u64; 2]) -> u64 {
        folded(product(words, &self.first))
    }

    /// The words for keys of at most two.
    #[cfg(feature = "jit")]
    pub(crate) fn first(&self) -> [u64; 2] {
        self.first
    }

    #[inline]
    fn of_bytes(&self, key: &[u8]) -> u64 {
        let mut pairs = key.chunks(PAIR).map(pair);
        let mut sum = product(pairs.next().unwrap_or_default(), &self.first);
        for (words, secret) in pairs.zip(&self.rest) {
            sum = sum.wrapping_add(product(words, secret));
        }
        folded(sum)
    }
}

/// What is looked for in a table: a key of its one length.
pub(crate) trait Sought: Copy {
    /// Its hash.
    fn hash(self, key: &HashKey) -> u64;

    /// What a cell has behind it, if the cell holds it: a key of so many bytes stands first there, with zeros up to the next
    /// multiple of eight.
    fn behind(self, cell: &[u8], key_bytes: usize) -> Option<&[u8]>;
}

impl Sought for &[u8] {
    #[inline]
    fn hash(self, key: &HashKey) -> u64 {
        key.of_bytes(self)
    }

    #[inline]
    fn behind(self, cell: &[u8], key_bytes: usize) -> Option<&[u8]> {
        let held = cell.get(..key_bytes)?;
        match same(held, self) {
            true => cell.get(key_bytes.next_multiple_of(8)..),
            false => None,
        }
    }
}

/// A key of at most eight bytes in wire order, as a little-endian word with zeros above it; or one of up to sixteen as two.
#[cfg(feature = "jit")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<const N: usize>(pub(crate) [u64; N]);

#[cfg(feature = "jit")]
impl<const N: usize> Sought for Words<N> {
    #[inline(always)]
    fn hash(self, key: &HashKey) -> u64 {
        key.of_words(std::array::from_fn(|n| self.0.get(n).copied().unwrap_or(0)))
    }

    #[inline(always)]
    fn behind(self, cell: &[u8], _: usize) -> Option<&[u8]> {
        let (held, behind) = cell.split_at_checked(8 * N)?;
        let mut held = held.as_chunks().0.iter().zip(self.0);
        held.all(|(&held, word)| u64::from_le_bytes(held) == word)
            .then_some(behind)
    }
}

/// Bytes of two words.
const PAIR: usize = 16;

/// At most sixteen bytes as two little-endian words, with zeros above.
#[inline]
fn pair(bytes: &[u8]) -> [u64; 2] {
    match bytes.split_first_chunk() {
        Some((&first, rest)) => [u64::from_le_bytes(first), short(rest)],
        None => [short(bytes), 0],
    }
}

/// 2^64 divided by the golden ratio, which spreads what it multiplies (Knuth, 1973).
pub(crate) const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn folded(sum: u128) -> u64 {
    // The upper bits of a product know all bits of its factors, and they choose the bucket.
    (sum as u64 ^ (sum >> 64) as u64).wrapping_mul(MIXER)
}

#[inline]
fn product(words: [u64; 2], secret: &[u64; 2]) -> u128 {
    let a = words[0].wrapping_add(secret[0]);
    let b = words[1].wrapping_add(secret[1]);
    u128::from(a) * u128::from(b)
}

/// At most eight bytes as a little-endian word, with zeros above. Of four and more the two halves overlap.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    if let Some(&word) = bytes.first_chunk() {
        return u64::from_le_bytes(word);
    }
    if let (Some(&low), Some(&high)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let above = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << above;
    }
    let bytes = bytes.iter().rev();
    bytes.fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Whether two keys of one length are equal, word by word.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
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
#[repr(C, align(64))]
struct Bucket {
    cells: [u32; PLACES],
    /// A byte of the hash for each place, the first lowest; 0 when it is free.
    tags: u64,
    /// Keys whose first bucket this is that stand elsewhere.
    elsewhere: u32,
}

/// Bytes of a bucket.
#[cfg(feature = "jit")]
pub(crate) const BUCKET_BYTES: usize = size_of::<Bucket>();

/// Where the tags are in a bucket, and the number of keys elsewhere; the cells stand first.
#[cfg(feature = "jit")]
pub(crate) const TAGS: i32 = offset_of!(Bucket, tags) as i32;
#[cfg(feature = "jit")]
pub(crate) const ELSEWHERE: i32 = offset_of!(Bucket, elsewhere) as i32;

/// One in each byte of a word.
pub(crate) const EACH: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each.
pub(crate) const HIGH: u64 = EACH << 7;

impl Bucket {
    const FREE: Bucket = Bucket {
        cells: [0; PLACES],
        tags: 0,
        elsewhere: 0,
    };

    /// A bit for each place with this tag; [`place_of`] tells which. There may be one too many above another, where the tag differs
    /// in the lowest bit: keys decide. A free place is none of them, since no tag is 1: its cell may still hold a key that went.
    #[inline(always)]
    fn with(&self, tag: u8) -> u64 {
        let differ = self.tags ^ (u64::from(tag) * EACH);
        differ.wrapping_sub(EACH) & !differ & HIGH
    }

    fn tags(&self) -> impl Iterator<Item = u8> {
        self.tags.to_le_bytes().into_iter()
    }

    fn set_tag(&mut self, place: usize, tag: u8) {
        let mut tags = self.tags.to_le_bytes();
        tags[place] = tag;
        self.tags = u64::from_le_bytes(tags);
    }

    fn held(&self) -> usize {
        self.tags().filter(|&tag| tag != 0).count()
    }

    fn free(&self) -> Option<usize> {
        self.tags().position(|tag| tag == 0)
    }

    /// Frees the place of a cell; answers whether it was here.
    fn take(&mut self, hash: u64, cell: u32) -> bool {
        let place = self
            .tags()
            .zip(self.cells)
            .position(|of| of == (tag(hash), cell));
        if let Some(place) = place {
            self.set_tag(place, 0);
        }
        place.is_some()
    }

    /// What the key's cell has, among those with this tag.
    fn find<T>(&self, tag: u8, of: impl Fn(u32) -> Option<T>) -> Option<T> {
        let mut bits = self.with(tag);
        while bits != 0 {
            let found = of(self.cells[place_of(bits) % PLACES]);
            if found.is_some() {
                return found;
            }
            bits &= bits - 1;
        }
        None
    }
}

/// The place of the lowest bit.
#[inline(always)]
fn place_of(bits: u64) -> usize {
    bits.trailing_zeros() as usize / 8
}

/// Cells by the hashes of their keys.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// When all are made, two to the power of as many bits as `shift` leaves of a hash.
    buckets: Vec<Bucket>,
    shift: u32,
    aside: Vec<(u64, u32)>,
    held: usize,
}

impl Index {
    /// An index for so many cells without growing.
    pub(crate) fn with_room(cells: usize) -> Index {
        let buckets = buckets_for(cells);
        Index {
            buckets: vec![Bucket::FREE; buckets],
            shift: u64::BITS - buckets.ilog2(),
            aside: Vec::with_capacity(2 * ASIDE_MAX),
            held: 0,
        }
    }

    /// An index for so many cells, to be [made](Index::make) before it is used.
    pub(crate) fn begun(cells: usize) -> Index {
        let buckets = buckets_for(cells);
        Index {
            buckets: Vec::with_capacity(buckets),
            shift: u64::BITS - buckets.ilog2(),
            ..Index::with_room(0)
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
        self.buckets.len() * LOAD
    }

    /// Where its buckets begin, and how far to the right the number of a key's first one stands in a hash.
    #[cfg(feature = "jit")]
    pub(crate) fn buckets(&self) -> (*const u8, u32) {
        (self.buckets.as_ptr().cast(), self.shift)
    }

    /// Whether it is three quarters as full as it gets.
    pub(crate) fn fills(&self) -> bool {
        self.held * 4 >= self.room() * 3
    }

    /// Whether one more cell makes it too full.
    pub(crate) fn must_grow(&self) -> bool {
        self.held >= self.room() || self.aside.len() >= ASIDE_MAX
    }

    /// What `of` has of the one cell with this hash of which it has something: that of the key.
    #[inline(always)]
    pub(crate) fn find<T>(&self, hash: u64, of: impl Fn(u32) -> Option<T>) -> Option<T> {
        match self.glance(hash, &of) {
            Some(seen) => seen,
            None => self.find_anywhere(hash, of),
        }
    }

    /// The same as far as it is seen at once; nothing when it takes longer. The first cell with the tag in the first bucket nearly
    /// always is the key's, and where no cell has the tag there nearly always is none.
    #[inline(always)]
    pub(crate) fn glance<T>(&self, hash: u64, of: impl Fn(u32) -> Option<T>) -> Option<Option<T>> {
        let bucket = self.buckets.get(self.first(hash))?;
        match bucket.with(tag(hash)) {
            0 if bucket.elsewhere == 0 => Some(None),
            0 => None,
            bits => of(bucket.cells[place_of(bits) % PLACES]).map(Some),
        }
    }

    /// The same, wherever it stands.
    #[cold]
    #[inline(never)]
    fn find_anywhere<T>(&self, hash: u64, of: impl Fn(u32) -> Option<T>) -> Option<T> {
        let mut buckets = self.places(hash).into_iter();
        let found = buckets.find_map(|at| self.buckets.get(at)?.find(tag(hash), &of));
        let mut aside = self.aside.iter().filter(|&&(other, _)| other == hash);
        found.or_else(|| aside.find_map(|&(_, cell)| of(cell)))
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
        let free = bucket.free();
        match free {
            Some(place) => {
                bucket.set_tag(place, tag(hash));
                bucket.cells[place] = cell;
            }
            None => self.aside.push((hash, cell)),
        }
        if at != first || free.is_none() {
            self.buckets[first].elsewhere += 1;
        }
    }

    /// Takes a cell out.
    pub(crate) fn remove(&mut self, hash: u64, cell: u32) {
        self.held -= 1;
        let [first, second] = self.places(hash);
        if self.buckets[first].take(hash, cell) {
            return;
        }
        self.buckets[first].elsewhere -= 1;
        if !self.buckets[second].take(hash, cell) {
            self.aside.retain(|&(_, other)| other != cell);
        }
    }

    /// The first bucket for a hash.
    #[inline(always)]
    fn first(&self, hash: u64) -> usize {
        (hash >> (self.shift & 63)) as usize
    }

    /// Both.
    fn places(&self, hash: u64) -> [usize; 2] {
        let other = (hash ^ hash >> 32).wrapping_mul(MIXER);
        [hash, other].map(|hash| self.first(hash))
    }
}

/// The buckets that so many cells fill by halves: at least two.
fn buckets_for(cells: usize) -> usize {
    cells.div_ceil(LOAD).next_power_of_two().max(2)
}

/// The bits of a hash that a tag is.
pub(crate) const TAG_SHIFT: u8 = 24;

/// The least tag.
pub(crate) const LEAST_TAG: u8 = 2;

/// What a bucket keeps of a hash: bits that choose none. It is never 0, nor what may be taken for it: see [`Bucket::with`].
#[inline]
fn tag(hash: u64) -> u8 {
    ((hash >> TAG_SHIFT) as u8).max(LEAST_TAG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_tells_where_a_tag_is() {
        let mut bucket = Bucket::FREE;
        for place in 0..PLACES {
            bucket.set_tag(place, [0xff, 9, 1, 0x81][place % 4]);
        }
        for tag in [1, 9, 0x81, 0xff, 11, 0x7f] {
            let mut bits = bucket.with(tag);
            let mut places = Vec::new();
            while bits != 0 {
                places.push(place_of(bits));
                bits &= bits - 1;
            }
            let tags = bucket.tags().enumerate();
            let with = tags.filter(|&(_, of)| of == tag).map(|(place, _)| place);
            let with: Vec<usize> = with.collect();
            assert_eq!(places.first(), with.first(), "{tag}");
            assert!(with.iter().all(|place| places.contains(place)), "{tag}");
        }
    }

    #[test]
    fn a_free_place_has_no_tag() {
        for hash in 0..=255 {
            let mut bucket = Bucket::FREE;
            let tag = tag(hash << 24);
            bucket.set_tag(0, tag);
            assert_eq!(bucket.with(tag), 1 << 7, "{tag}");
        }
    }

    #[cfg(feature = "jit")]
    #[test]
    fn a_key_is_the_same_in_bytes_and_in_words() {
        let bytes: [u8; 16] = std::array::from_fn(|n| (n as u8).wrapping_mul(37) ^ 0xa5);
        for len in 1..=bytes.len() {
            let secret = HashKey::new(len);
            let key = &bytes[..len];
            let mut cell = [0; 16];
            cell[..len].copy_from_slice(key);
            let (words, _) = cell.as_chunks();
            let two = Words([words[0], words[1]].map(u64::from_le_bytes));
            assert_eq!(key.hash(&secret), two.hash(&secret), "{len} bytes");
            let of_bytes = key.behind(&cell, len).map(<[u8]>::len);
            assert_eq!(of_bytes, Some(16 - len.next_multiple_of(8)));
            assert_eq!(two.behind(&cell, len), Some(&[][..]));
            if len <= 8 {
                let one = Words([u64::from_le_bytes(words[0])]);
                assert_eq!(key.hash(&secret), one.hash(&secret), "{len} bytes");
                assert_eq!(one.behind(&cell, len), key.behind(&cell, len));
            }
            cell[len - 1] ^= 1;
            assert!(key.behind(&cell, len).or(two.behind(&cell, len)).is_none());
        }
    }
}
