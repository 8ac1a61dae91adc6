//! A map of few entries, in the order of their keys.
//!
//! In: keys and values. Out: the values by key, and all entries, ascending. What is known at a point of a function is copied
//! along every edge: one vector is copied faster than a tree.

use nfl_syntax::arena::Id;

use crate::entity::Value;

/// Entries in the order of their keys, each of which is there once.
#[derive(Debug)]
pub struct Sorted<K, V> {
    entries: Vec<(K, V)>,
    /// For each key that was ever set the bit of its number, modulo the bits there are: most that are asked for were not.
    seen: u128,
}

/// A key with a number, which need not be its own alone.
pub trait Numbered: Copy + Ord {
    /// The number.
    fn number(self) -> u32;
}

impl Numbered for Value {
    fn number(self) -> u32 {
        self.index() as u32
    }
}

impl Numbered for (Value, Value) {
    fn number(self) -> u32 {
        self.0
            .number()
            .wrapping_mul(31)
            .wrapping_add(self.1.number())
    }
}

/// The bit that stands for a key's number.
pub fn bit<K: Numbered>(key: K) -> u128 {
    1 << (key.number() % u128::BITS)
}

impl<K: Numbered, V> Sorted<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        if self.seen & bit(*key) == 0 {
            return None;
        }
        let at = self.find(key).ok()?;
        Some(&self.entries[at].1)
    }

    /// The keys that may be there, as bits of their numbers.
    pub fn seen(&self) -> u128 {
        self.seen
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        self.seen |= bit(key);
        match self.find(&key) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (key, value)),
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &K) {
        if let Ok(at) = self.find(key) {
            self.entries.remove(at);
        }
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.seen = 0;
    }

    /// Keeps those entries that the function says, which may change values.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.entries.iter().map(|&(key, _)| key)
    }

    /// All values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

/// Entries that a copy has room for beside those that it has: copies are made to be added to.
const ROOM: usize = 4;

impl<K: Copy, V: Copy> Clone for Sorted<K, V> {
    fn clone(&self) -> Sorted<K, V> {
        let room = match self.entries.is_empty() {
            true => 0,
            false => self.entries.len() + ROOM,
        };
        let mut entries = Vec::with_capacity(room);
        entries.extend_from_slice(&self.entries);
        Sorted {
            entries,
            seen: self.seen,
        }
    }
}

/// Maps are equal when their entries are, whatever keys were forgotten.
impl<K: PartialEq, V: PartialEq> PartialEq for Sorted<K, V> {
    fn eq(&self, other: &Sorted<K, V>) -> bool {
        self.entries == other.entries
    }
}

impl<K: Eq, V: Eq> Eq for Sorted<K, V> {}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Sorted<K, V> {
        Sorted {
            entries: Vec::new(),
            seen: 0,
        }
    }
}

/// From entries of which each has another key.
impl<K: Numbered, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Sorted<K, V> {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        entries.sort_by_key(|&(key, _)| key);
        let seen = entries.iter().fold(0, |seen, &(key, _)| seen | bit(key));
        Sorted { entries, seen }
    }
}
