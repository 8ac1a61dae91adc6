//! Packets and bytes, counted by index or by key.
//!
//! In: which counter, and the length of a packet. Out: counts. Guaranteed: counts wrap at 64 bits; an index
//! behind the end and a key without room are not counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::{Aged, Ageing, Now, Sought};

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of these packets from the handler's layer on.
    pub bytes: u64,
}

impl Count {
    /// One packet more, of so many bytes.
    #[inline]
    fn counted(self, bytes: u32) -> Count {
        Count {
            packets: self.packets.wrapping_add(1),
            bytes: self.bytes.wrapping_add(u64::from(bytes)),
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Count) -> Count {
        Count {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }

    #[inline]
    pub(super) fn to_bytes(self) -> [u8; COUNT_BYTES] {
        let both = u128::from(self.packets) | u128::from(self.bytes) << 64;
        both.to_le_bytes()
    }

    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Count {
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
            word.map_or(0, |&word| u64::from_le_bytes(word))
        };
        Count {
            packets: word(0),
            bytes: word(8),
        }
    }
}

/// Bytes of a count in memory.
const COUNT_BYTES: usize = 16;

/// An array of counters, or one. A copy counts on its own.
#[derive(Debug)]
pub(crate) struct Counters(Arc<CountCells>);

/// Counters that one thread counts in while others read. Those who read see the packets and bytes of
/// some moment each, not always of the same.
#[derive(Debug)]
pub(crate) struct CountCells {
    len: u32,
    /// The logarithm of the counters in a page.
    shift: u32,
    /// Packets and bytes, one behind the other; pages without any have no memory.
    pages: Box<[OnceLock<Page>]>,
}

/// Packets and bytes of each of its counters.
type Page = Box<[[AtomicU64; 2]]>;

/// Counters in a page at most.
const PAGE_MAX: u32 = 1 << 14;

impl CountCells {
    fn new(len: u32) -> CountCells {
        let len = len.max(1);
        let shift = len.min(PAGE_MAX).next_power_of_two().ilog2();
        let pages = (len as usize).div_ceil(1 << shift);
        CountCells {
            len,
            shift,
            pages: (0..pages).map(|_| OnceLock::new()).collect(),
        }
    }

    /// What one counted so far.
    pub(crate) fn get(&self, index: u32) -> Count {
        let page = self.pages.get((index >> self.shift) as usize);
        let page = page.and_then(OnceLock::get);
        let cells = page.and_then(|page| page.get(self.within(index)));
        cells.map_or(Count::default(), |[packets, bytes]| Count {
            packets: packets.load(Relaxed),
            bytes: bytes.load(Relaxed),
        })
    }

    /// Writes a count. One thread does so at a time, which owns the counters.
    fn set(&self, index: u32, count: Count) {
        if index >= self.len {
            return;
        }
        let page = self.page(index >> self.shift);
        if let Some([packets, bytes]) = page.get(self.within(index)) {
            packets.store(count.packets, Relaxed);
            bytes.store(count.bytes, Relaxed);
        }
    }

    fn page(&self, page: u32) -> &[[AtomicU64; 2]] {
        let zeros = || (0..1 << self.shift).map(|_| Default::default()).collect();
        self.pages[page as usize].get_or_init(zeros)
    }

    fn within(&self, index: u32) -> usize {
        index as usize & ((1 << self.shift) - 1)
    }
}

impl Counters {
    pub(crate) fn new(len: u32) -> Counters {
        Counters(Arc::new(CountCells::new(len)))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.0.len
    }

    /// Takes all memory now.
    pub(crate) fn reserve(&mut self) {
        (0..self.0.pages.len() as u32).for_each(|page| {
            self.0.page(page);
        });
    }

    /// The counters, for others to read.
    pub(crate) fn cells(&self) -> Arc<CountCells> {
        Arc::clone(&self.0)
    }

    #[inline]
    pub(crate) fn count(&mut self, index: u32, bytes: u32) {
        self.0.set(index, self.get(index).counted(bytes));
    }

    /// Replaces a count; nothing behind the end.
    pub(crate) fn set(&mut self, index: u32, count: Count) {
        self.0.set(index, count);
    }

    pub(crate) fn get(&self, index: u32) -> Count {
        self.0.get(index)
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        let counted: Vec<u32> = self.entries().map(|(index, _)| index).collect();
        for index in counted {
            self.0.set(index, Count::default());
        }
    }

    /// Those that counted something, in the order of their indices.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, Count)> {
        let made = (0..self.0.pages.len() as u32)
            .filter(|&page| self.0.pages[page as usize].get().is_some());
        let each = made.flat_map(|page| page << self.0.shift..(page + 1) << self.0.shift);
        let counts = each.map(|index| (index, self.get(index)));
        counts.filter(|&(_, count)| count != Count::default())
    }
}

impl Clone for Counters {
    fn clone(&self) -> Counters {
        let copy = CountCells::new(self.len());
        self.entries()
            .for_each(|(index, count)| copy.set(index, count));
        Counters(Arc::new(copy))
    }
}

impl PartialEq for Counters {
    fn eq(&self, other: &Counters) -> bool {
        self.len() == other.len() && self.entries().eq(other.entries())
    }
}

impl Eq for Counters {}

/// One packet more in a count as it lies in memory; answers whether there is one.
#[inline(always)]
fn count_in(count: Option<&mut [u8]>, bytes: u32) -> bool {
    let Some(count) = count.and_then(|count| count.first_chunk_mut()) else {
        return false;
    };
    *count = Count::from_bytes(&*count).counted(bytes).to_bytes();
    true
}

/// Counters by key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyedCounters(Aged);

impl KeyedCounters {
    pub(crate) fn new(ageing: Ageing, key_bytes: usize) -> KeyedCounters {
        KeyedCounters(Aged::new(ageing, key_bytes, COUNT_BYTES))
    }

    /// The counts by their keys.
    pub(super) fn table(&self) -> &Aged {
        &self.0
    }

    /// The same, to be filled.
    pub(super) fn table_mut(&mut self) -> &mut Aged {
        &mut self.0
    }

    /// Makes room for all keys now.
    pub(crate) fn reserve(&mut self) {
        self.0.reserve();
    }

    #[inline]
    pub(crate) fn count(&mut self, key: &[u8], bytes: u32, now: Now) {
        if !self.count_known(key, bytes, now) {
            let first = Count::default().counted(bytes);
            self.0.put(key, &first.to_bytes(), now);
        }
    }

    /// Counts for a key that was counted before; answers whether it was.
    #[inline(always)]
    pub(crate) fn count_known(&mut self, key: impl Sought, bytes: u32, now: Now) -> bool {
        count_in(self.0.find_mut(key, now), bytes)
    }

    /// The same where counters stay, and the key is seen at once.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn glance(&mut self, key: impl Sought, bytes: u32) -> bool {
        count_in(self.0.glance_mut(key), bytes)
    }

    /// Sets the counter of a key; answers whether there was room.
    pub(crate) fn set(&mut self, key: &[u8], count: Count, now: Now) -> bool {
        self.0.put(key, &count.to_bytes(), now)
    }

    pub(crate) fn get(&self, key: &[u8], now_ns: u64) -> Count {
        self.0
            .peek(key, now_ns)
            .map_or(Count::default(), Count::from_bytes)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Keys and their counts in the order of the keys.
    pub(crate) fn entries(&self, now_ns: u64) -> impl Iterator<Item = (&[u8], Count)> {
        let entries = self.0.entries(now_ns).into_iter();
        entries.map(|(key, value)| (key, Count::from_bytes(value)))
    }
}
