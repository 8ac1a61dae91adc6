//! Packets and bytes, counted by index or by key.
//!
//! In: which counter, and the length of a packet. Out: counts. Guaranteed: counts wrap at 64 bits; an index
//! behind the end and a key without room are not counted.

use std::collections::BTreeMap;

use super::{Aged, Ageing};

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of these packets from the handler's layer on.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: u32) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(u64::from(bytes));
    }

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

/// An array of counters, or one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Counters {
    len: u32,
    counts: BTreeMap<u32, Count>,
}

impl Counters {
    pub(crate) fn new(len: u32) -> Counters {
        Counters {
            len: len.max(1),
            counts: BTreeMap::new(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn count(&mut self, index: u32, bytes: u32) {
        if index < self.len {
            self.counts.entry(index).or_default().add(bytes);
        }
    }

    pub(crate) fn get(&self, index: u32) -> Count {
        self.counts.get(&index).copied().unwrap_or_default()
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
    }

    /// Those that counted something, in the order of their indices.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, Count)> {
        self.counts.iter().map(|(&index, &count)| (index, count))
    }
}

/// Counters by key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyedCounters(Aged);

impl KeyedCounters {
    pub(crate) fn new(ageing: Ageing) -> KeyedCounters {
        KeyedCounters(Aged::new(ageing))
    }

    pub(crate) fn count(&mut self, key: &[u8], bytes: u32, now_ns: u64) {
        let mut count = self.get(key, now_ns);
        count.add(bytes);
        self.0.put(key, &count.to_bytes(), now_ns);
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
        let entries = self.0.entries(now_ns);
        entries.map(|(key, value)| (key, Count::from_bytes(value)))
    }
}
