//! Exact match with a capacity, and entries that age.
//!
//! In: keys and values as bytes, and the time of each operation. Out: values. Guaranteed: never more
//! entries than the capacity; an entry that was not used for the idle time is as good as gone; such
//! entries make room first, and nothing live is ever displaced. Every operation takes a bounded number of
//! steps, whatever the table holds, once it was [reserved](Aged::reserve); before that it also grows
//! now and then. What was found stays where it is until the run is over, even when the entry is
//! replaced or removed meanwhile.
//!
//! Times never go back, so the entries stand in one list by the time of their last use, and the oldest
//! tells whether there is one to displace.

use super::index::{HashKey, Index, Sought};
use super::records::Records;
use super::uses::Uses;
use super::{KeyAndValue, Now};

/// How much a store holds, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ageing {
    /// Entries at most.
    pub(crate) capacity: u32,
    /// Nanoseconds without use after which an entry is gone; 0 when entries stay.
    pub(crate) idle_ns: u64,
}

impl Ageing {
    /// Whether an entry last used at `used_ns` is gone.
    pub(crate) fn is_over(self, used_ns: u64, now_ns: u64) -> bool {
        self.idle_ns > 0 && now_ns.saturating_sub(used_ns) >= self.idle_ns
    }
}

/// A table with exact keys of one length.
#[derive(Clone, Debug)]
pub(crate) struct Aged {
    ageing: Ageing,
    key_bytes: usize,
    /// Where in a record its value begins: keys have zeros behind them up to the next multiple of eight bytes.
    value_at: usize,
    value_bytes: usize,
    hash: HashKey,
    index: Index,
    /// Keys with their values behind them.
    records: Records,
    uses: Uses,
    len: u32,
    /// A larger index in the making.
    growing: Option<Growing>,
}

/// What host code reads of a table where entries stay.
#[cfg(feature = "jit")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct HashedKeys {
    /// What the hash is keyed with.
    pub(crate) secrets: [u64; 2],
    pub(crate) buckets: *const u8,
    /// How far to the right the number of a key's first bucket stands in its hash.
    pub(crate) shift: u64,
    /// Where each chunk of cells begins, by its number: that of a cell has it behind this shift, and the cell in the chunk in
    /// the bits of the mask.
    pub(crate) chunks: *const *const u8,
    pub(crate) chunk_shift: u64,
    pub(crate) chunk_mask: u64,
    pub(crate) cell_bytes: u64,
}

/// An index that will be the next. A few buckets and cells with each entry that comes, it is there before the
/// other one is full, so that no entry waits for all that came before.
#[derive(Clone, Debug)]
struct Growing {
    index: Index,
    room: usize,
    /// The cells below this number are in it, when all buckets are made.
    cells: u32,
}

/// Buckets that are made at a time, and cells that are put into them.
const BUCKETS_AT_ONCE: usize = 8;
const CELLS_AT_ONCE: u32 = 16;

/// Entries from which on an index grows step by step.
const LARGE: usize = 1 << 10;

impl Aged {
    pub(crate) fn new(ageing: Ageing, key_bytes: usize, value_bytes: usize) -> Aged {
        let value_at = key_bytes.next_multiple_of(8);
        Aged {
            ageing,
            key_bytes,
            value_at,
            value_bytes,
            hash: HashKey::new(key_bytes),
            index: Index::with_room(0),
            records: Records::new(value_at + value_bytes, ageing.capacity),
            uses: Uses::new(),
            len: 0,
            growing: None,
        }
    }

    /// Makes room for all entries now, so that no operation has to; answers how many cells that are.
    pub(crate) fn reserve(&mut self) -> usize {
        let capacity = self.ageing.capacity;
        let cells = self.records.reserve(capacity);
        self.uses.reserve(cells);
        if self.index.room() < capacity as usize {
            self.index_again(capacity as usize);
        }
        cells
    }

    /// How many entries it holds at most.
    pub(crate) fn capacity(&self) -> u32 {
        self.ageing.capacity
    }

    /// Whether as many entries are there as it holds, those among them that are over.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.ageing.capacity
    }

    /// The entry in a cell is used now, though entries may not age.
    pub(crate) fn renew(&mut self, cell: u32, now_ns: u64) {
        self.uses.renew(cell, now_ns);
    }

    /// Removes the entry in a cell.
    pub(crate) fn forget(&mut self, cell: u32, now: Now) {
        let hash = self.used(cell).0.hash(&self.hash);
        self.drop_cell(hash, cell, now.run);
    }

    /// Bytes of a key and of a value.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.key_bytes, self.value_bytes)
    }

    /// How many entries there are, those among them that are over.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The cell of a key, without touching its age.
    #[inline(always)]
    pub(crate) fn seek(&self, key: impl Sought, now_ns: u64) -> Option<u32> {
        let cell = self.cell(key)?;
        (!self.is_over(cell, now_ns)).then_some(cell)
    }

    /// The cell of a key, which counts as used now.
    #[inline(always)]
    pub(crate) fn find(&mut self, key: impl Sought, now: Now) -> Option<u32> {
        let cell = self.cell(key)?;
        match self.ageing.idle_ns {
            0 => Some(cell),
            _ => self.find_live(cell, now),
        }
    }

    #[inline(never)]
    fn find_live(&mut self, cell: u32, now: Now) -> Option<u32> {
        if self.is_over(cell, now.ns) {
            return None;
        }
        self.uses.renew(cell, now.ns);
        Some(cell)
    }

    /// The value of a key, to be changed in place by those who hand out no values, with more bytes behind it; the
    /// key counts as used now.
    #[inline(always)]
    pub(crate) fn find_mut(&mut self, key: impl Sought, now: Now) -> Option<&mut [u8]> {
        let cell = self.find(key, now)?;
        let at = self.records.place(cell).further(self.value_at);
        self.records.at_mut(at)
    }

    /// The same where entries stay, and the key is seen at once.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn glance_mut(&mut self, key: impl Sought) -> Option<&mut [u8]> {
        if self.ageing.idle_ns > 0 {
            return None;
        }
        let (records, key_bytes) = (&self.records, self.key_bytes);
        let at = self.index.glance(key.hash(&self.hash), |cell| {
            let at = records.place(cell);
            let record = records.at(at)?;
            let behind = key.behind(record, key_bytes)?;
            Some(at.further(record.len() - behind.len()))
        });
        self.records.at_mut(at??)
    }

    /// The value of a key where entries stay, with more bytes behind it.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn lookup(&self, key: impl Sought) -> Option<&[u8]> {
        self.index
            .find(key.hash(&self.hash), |cell| self.value_of(cell, key))
    }

    /// Where lookups of keys of at most two words begin. As it is, all of it stays until the table is edited.
    #[cfg(feature = "jit")]
    pub(crate) fn keys(&self) -> (HashedKeys, impl Iterator<Item = *const u8>) {
        let (buckets, shift) = self.index.buckets();
        let (chunk_shift, chunk_mask, cell_bytes) = self.records.layout();
        let keys = HashedKeys {
            secrets: self.hash.first(),
            buckets,
            shift: shift.into(),
            chunks: std::ptr::null(),
            chunk_shift: chunk_shift.into(),
            chunk_mask: chunk_mask.into(),
            cell_bytes: cell_bytes as u64,
        };
        (keys, self.records.chunks())
    }

    /// The key in a cell.
    #[inline]
    pub(crate) fn key(&self, cell: u32) -> &[u8] {
        &self.records.get(cell)[..self.key_bytes]
    }

    /// The value in a cell.
    #[inline]
    pub(crate) fn value(&self, cell: u32) -> &[u8] {
        &self.records.get(cell)[self.value_at..]
    }

    /// The value of a key, without touching its age.
    pub(crate) fn peek(&self, key: &[u8], now_ns: u64) -> Option<&[u8]> {
        Some(self.value(self.seek(key, now_ns)?))
    }

    /// Renews an entry; answers whether there is one.
    pub(crate) fn touch(&mut self, key: &[u8], now: Now) -> bool {
        self.find(key, now).is_some()
    }

    /// Stores a value; answers false, and stores nothing, when there is no room.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], now: Now) -> bool {
        self.place(key, value, now).is_some()
    }

    /// The same; answers the cell.
    pub(crate) fn place(&mut self, key: &[u8], value: &[u8], now: Now) -> Option<u32> {
        let hash = key.hash(&self.hash);
        if let Some(cell) = self.cell_of(hash, key) {
            self.drop_cell(hash, cell, now.run);
        } else if self.is_full() && !self.reclaim(now) {
            return None;
        }
        self.make_room();
        let cell = self.records.take(now.run);
        let record = self.records.get_mut(cell);
        record[..self.key_bytes].copy_from_slice(key);
        record[self.key_bytes..self.value_at].fill(0);
        record[self.value_at..].copy_from_slice(value);
        self.index.insert(hash, cell);
        if let Some(growing) = self.growing_with(cell) {
            growing.insert(hash, cell);
        }
        self.uses.add(cell, now.ns);
        self.len += 1;
        Some(cell)
    }

    /// Removes an entry; answers whether there was one.
    pub(crate) fn remove(&mut self, key: &[u8], now: Now) -> bool {
        let hash = key.hash(&self.hash);
        let Some(cell) = self.cell_of(hash, key) else {
            return false;
        };
        let live = !self.is_over(cell, now.ns);
        self.drop_cell(hash, cell, now.run);
        live
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Aged::new(self.ageing, self.key_bytes, self.value_bytes);
    }

    /// The entries that are not over, in the order of their keys.
    pub(crate) fn entries(&self, now_ns: u64) -> Vec<KeyAndValue<'_>> {
        let live = self.cells().filter(|&cell| !self.is_over(cell, now_ns));
        let mut entries: Vec<_> = live
            .map(|cell| (self.used(cell).0, self.value(cell)))
            .collect();
        entries.sort_unstable();
        entries
    }

    /// The cells of all entries, the least recently used first.
    pub(crate) fn cells(&self) -> impl Iterator<Item = u32> {
        self.uses.iter()
    }

    /// The key in a cell, and when it was last used.
    pub(crate) fn used(&self, cell: u32) -> (&[u8], u64) {
        (
            &self.records.get(cell)[..self.key_bytes],
            self.uses.used_ns(cell),
        )
    }

    #[inline(always)]
    fn cell(&self, key: impl Sought) -> Option<u32> {
        self.cell_of(key.hash(&self.hash), key)
    }

    /// The cell of a key with this hash.
    #[inline(always)]
    fn cell_of(&self, hash: u64, key: impl Sought) -> Option<u32> {
        self.index
            .find(hash, |cell| self.value_of(cell, key).map(|_| cell))
    }

    /// The value in a cell that holds a key, with more bytes behind it.
    #[inline(always)]
    fn value_of(&self, cell: u32, key: impl Sought) -> Option<&[u8]> {
        let record = self.records.at(self.records.place(cell))?;
        key.behind(record, self.key_bytes)
    }

    #[inline]
    fn is_over(&self, cell: u32, now_ns: u64) -> bool {
        self.ageing.idle_ns > 0 && self.ageing.is_over(self.uses.used_ns(cell), now_ns)
    }

    /// Drops the oldest entry if it is over; answers whether it did.
    fn reclaim(&mut self, now: Now) -> bool {
        let oldest = self.uses.oldest();
        let oldest = oldest.filter(|&cell| self.is_over(cell, now.ns));
        if let Some(oldest) = oldest {
            self.forget(oldest, now);
        }
        oldest.is_some()
    }

    fn drop_cell(&mut self, hash: u64, cell: u32, run: u64) {
        self.index.remove(hash, cell);
        if let Some(growing) = self.growing_with(cell) {
            growing.remove(hash, cell);
        }
        self.uses.remove(cell);
        self.records.free(cell, run);
        self.len -= 1;
    }

    /// The index in the making, if a cell belongs there already.
    fn growing_with(&mut self, cell: u32) -> Option<&mut Index> {
        let growing = self.growing.as_mut().filter(|next| cell < next.cells);
        growing.map(|next| &mut next.index)
    }

    /// Has the index grow in time for one more entry.
    fn make_room(&mut self) {
        let room = self.index.room();
        if self.index.must_grow() {
            self.index_again(room * 2);
        } else if let Some(mut next) = self.growing.take() {
            if !self.grow(&mut next) {
                self.growing = Some(next);
            } else {
                self.index = next.index;
            }
        } else if room >= LARGE && room < self.ageing.capacity as usize && self.index.fills() {
            self.growing = Some(Growing {
                index: Index::begun(room * 2),
                room: room * 2,
                cells: 0,
            });
        }
    }

    /// Goes on with the next index; answers whether all is in it.
    fn grow(&self, next: &mut Growing) -> bool {
        if !next.index.make(next.room, BUCKETS_AT_ONCE) {
            return false;
        }
        let from = next.cells;
        next.cells = self.uses.end().min(from + CELLS_AT_ONCE);
        for cell in (from..next.cells).filter(|&cell| self.uses.has(cell)) {
            next.index.insert(self.key(cell).hash(&self.hash), cell);
        }
        next.cells == self.uses.end()
    }

    /// Builds the index anew for so many entries.
    fn index_again(&mut self, room: usize) {
        self.growing = None;
        let mut index = Index::with_room(room);
        for cell in self.cells() {
            index.insert(self.used(cell).0.hash(&self.hash), cell);
        }
        self.index = index;
    }
}

/// Equal tables have the same entries and ages.
impl PartialEq for Aged {
    fn eq(&self, other: &Aged) -> bool {
        let shape = |of: &Aged| (of.ageing, of.key_bytes, of.value_bytes, of.len);
        shape(self) == shape(other)
            && self.cells().all(|cell| {
                let (key, used_ns) = self.used(cell);
                other.cell(key).is_some_and(|at| {
                    let ages = self.ageing.idle_ns > 0;
                    (!ages || other.used(at).1 == used_ns) && other.value(at) == self.value(cell)
                })
            })
    }
}

impl Eq for Aged {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// While it grows a table has all its keys and no others, and no entry makes more of the next index than
    /// its share.
    #[test]
    fn a_table_grows_step_by_step() {
        const CAPACITY: u32 = 100_000;
        let ageing = Ageing {
            capacity: CAPACITY,
            idle_ns: 0,
        };
        let mut table = Aged::new(ageing, 4, 0);
        let mut model = BTreeSet::new();
        let (mut chance, mut steps) = (1u32, 0);
        while table.len() < CAPACITY {
            chance = chance.wrapping_mul(0x915f_77f5).wrapping_add(1);
            let (key, now) = ((chance >> 12).to_le_bytes(), Now { ns: 0, run: 0 });
            let (room, made) = (table.index.room(), table.growing.as_ref().map(|g| g.cells));
            if chance.is_multiple_of(4) {
                assert_eq!(table.remove(&key, now), model.remove(&key));
            } else {
                assert!(table.put(&key, &[], now));
                model.insert(key);
            }
            let is_new = table.index.room() > room && room >= LARGE;
            steps += u32::from(is_new);
            let before = if is_new { made } else { None };
            let left = before.map(|made| table.uses.end() - 1 - made);
            assert!(left.is_none_or(|left| left <= CELLS_AT_ONCE), "{left:?}");
            assert!(!is_new || before.is_some(), "all at once");
            let probe = (chance >> 7).to_le_bytes();
            assert_eq!(table.peek(&probe, 0).is_some(), model.contains(&probe));
            #[cfg(feature = "jit")]
            for probe in [key, probe].map(|key| (key, u32::from_le_bytes(key).into())) {
                let value = table.lookup(super::super::Words([probe.1]));
                assert_eq!(value.is_some(), model.contains(&probe.0), "{probe:?}");
            }
        }
        assert!(steps > 5);
        let keys = table.entries(0).into_iter().map(|(key, _)| key.to_vec());
        assert!(keys.eq(model.iter().map(|key| key.to_vec())));
        assert!(model.iter().all(|key| table.peek(key, 0).is_some()));
    }

    /// Keys that follow each other, or a pattern, spread as those of chance do: none is over that makes the
    /// index of a table grow for which there is room.
    #[test]
    fn a_reserved_table_never_grows() {
        const CAPACITY: u32 = 1 << 16;
        let patterns: [fn(u32) -> u32; 5] = [
            |n| n,
            u32::swap_bytes,
            |n| n << 10 | n >> 12,
            |n| n << 16,
            |n| n.wrapping_mul(0x9e37_79b1),
        ];
        for (key_bytes, pattern) in [4, 7, 8, 13, 24, 40]
            .into_iter()
            .flat_map(|bytes| patterns.map(|pattern| (bytes, pattern)))
        {
            let ageing = Ageing {
                capacity: CAPACITY,
                idle_ns: 0,
            };
            let mut table = Aged::new(ageing, key_bytes, 0);
            table.reserve();
            let room = table.index.room();
            let mut key = vec![0x5a; key_bytes];
            for n in 0..CAPACITY {
                key[..4].copy_from_slice(&pattern(n).to_le_bytes());
                assert!(table.put(&key, &[], Now { ns: 0, run: 0 }));
            }
            assert_eq!(table.index.room(), room, "{key_bytes} bytes");
        }
    }
}
