//! Packets and bytes, counted by index or by key.
//!
//! In: which counter, and the length of a packet. Out: counts. Guaranteed: counts wrap at 64 bits; an index
//! behind the end and a key without room are not counted.

use super::pages::Pages;
use super::{Aged, Ageing, Now};

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of these packets from the handler's layer on.
    pub bytes: u64,
}

impl Count {
    fn to_bytes(self) -> [u8; 16] {
        let both = u128::from(self.packets) | u128::from(self.bytes) << 64;
        both.to_le_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Count {
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

/// Counts a packet of so many bytes.
#[inline]
fn add(count: &mut [u8], bytes: u32) {
    let Count {
        packets,
        bytes: so_far,
    } = Count::from_bytes(count);
    let count_now = Count {
        packets: packets.wrapping_add(1),
        bytes: so_far.wrapping_add(u64::from(bytes)),
    };
    count.copy_from_slice(&count_now.to_bytes());
}

/// An array of counters, or one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Counters(Pages);

impl Counters {
    pub(crate) fn new(len: u32) -> Counters {
        Counters(Pages::new(COUNT_BYTES, len))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.0.len()
    }

    /// Takes all memory now.
    pub(crate) fn reserve(&mut self) {
        self.0.reserve();
    }

    #[inline]
    pub(crate) fn count(&mut self, index: u32, bytes: u32) {
        if let Some(count) = self.0.get_mut(index) {
            add(count, bytes);
        }
    }

    pub(crate) fn set(&mut self, index: u32, count: Count) {
        if let Some(place) = self.0.get_mut(index) {
            place.copy_from_slice(&count.to_bytes());
        }
    }

    pub(crate) fn get(&self, index: u32) -> Count {
        self.0
            .get(index)
            .map_or(Count::default(), Count::from_bytes)
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those that counted something, in the order of their indices.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, Count)> {
        let counts = self.0.entries();
        counts.map(|(index, count)| (index, Count::from_bytes(count)))
    }
}

/// Counters by key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyedCounters(Aged);

impl KeyedCounters {
    pub(crate) fn new(ageing: Ageing, key_bytes: usize) -> KeyedCounters {
        KeyedCounters(Aged::new(ageing, key_bytes, COUNT_BYTES))
    }

    /// Makes room for all keys now.
    pub(crate) fn reserve(&mut self) {
        self.0.reserve();
    }

    pub(crate) fn count(&mut self, key: &[u8], bytes: u32, now: Now) {
        let known = self.0.find(key, now);
        let zero = [0; COUNT_BYTES];
        if let Some(cell) = known.or_else(|| self.0.place(key, &zero, now)) {
            add(self.0.value_mut(cell), bytes);
        }
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
