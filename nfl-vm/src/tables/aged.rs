//! Exact match with a capacity, and entries that age.
//!
//! In: keys and values as bytes, and the time of each operation. Out: values. Guaranteed: never more
//! entries than the capacity; an entry that was not used for the idle time is as good as gone; such
//! entries make room first, and nothing live is ever displaced.

use std::collections::{BTreeMap, BTreeSet};

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

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    value: Vec<u8>,
    used_ns: u64,
}

/// A table with exact keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Aged {
    ageing: Ageing,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// The keys by the time of their last use, oldest first.
    by_use: BTreeSet<(u64, Vec<u8>)>,
}

impl Aged {
    pub(crate) fn new(ageing: Ageing) -> Aged {
        Aged {
            ageing,
            entries: BTreeMap::new(),
            by_use: BTreeSet::new(),
        }
    }

    /// The value of a key, without touching its age.
    pub(crate) fn peek(&self, key: &[u8], now_ns: u64) -> Option<&[u8]> {
        let entry = self.entries.get(key)?;
        let live = !self.ageing.is_over(entry.used_ns, now_ns);
        live.then_some(&entry.value[..])
    }

    /// The value of a key, which counts as used now.
    pub(crate) fn get(&mut self, key: &[u8], now_ns: u64) -> Option<&[u8]> {
        self.touch(key, now_ns);
        self.peek(key, now_ns)
    }

    /// Renews an entry; answers whether there is one.
    pub(crate) fn touch(&mut self, key: &[u8], now_ns: u64) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        if self.ageing.is_over(entry.used_ns, now_ns) {
            return false;
        }
        if self.ageing.idle_ns > 0 && entry.used_ns != now_ns {
            self.by_use.remove(&(entry.used_ns, key.to_vec()));
            self.by_use.insert((now_ns, key.to_vec()));
            entry.used_ns = now_ns;
        }
        true
    }

    /// Stores a value; answers false, and stores nothing, when there is no room.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], now_ns: u64) -> bool {
        self.remove(key, now_ns);
        if self.entries.len() >= self.ageing.capacity as usize && !self.reclaim(now_ns) {
            return false;
        }
        if self.ageing.idle_ns > 0 {
            self.by_use.insert((now_ns, key.to_vec()));
        }
        let entry = Entry {
            value: value.to_vec(),
            used_ns: now_ns,
        };
        self.entries.insert(key.to_vec(), entry);
        true
    }

    /// Removes an entry; answers whether there was one.
    pub(crate) fn remove(&mut self, key: &[u8], now_ns: u64) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        self.by_use.remove(&(entry.used_ns, key.to_vec()));
        !self.ageing.is_over(entry.used_ns, now_ns)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.by_use.clear();
    }

    /// Keys and values in the order of the keys.
    pub(crate) fn entries(&self, now_ns: u64) -> impl Iterator<Item = (&[u8], &[u8])> {
        let live = self
            .entries
            .iter()
            .filter(move |(_, entry)| !self.ageing.is_over(entry.used_ns, now_ns));
        live.map(|(key, entry)| (&key[..], &entry.value[..]))
    }

    /// Drops the oldest entry if it is over; answers whether it did.
    fn reclaim(&mut self, now_ns: u64) -> bool {
        let oldest = self.by_use.first();
        let over = oldest.is_some_and(|&(used_ns, _)| self.ageing.is_over(used_ns, now_ns));
        if over && let Some((_, key)) = self.by_use.pop_first() {
            self.entries.remove(&key);
        }
        over
    }
}
