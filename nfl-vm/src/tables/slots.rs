//! Numbered entries that packets take, and that age.
//!
//! In: values, slot numbers and the time of each operation. Out: the lowest slot that is free.
//! Guaranteed: slots lie from the first number up, as many as the capacity; a slot is free when
//! nobody took it, when it was removed, or when it was not used for the idle time.

use std::collections::{BTreeMap, BTreeSet};

use super::Ageing;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    value: Vec<u8>,
    used_ns: u64,
}

/// Slots with values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Slots {
    first: u32,
    ageing: Ageing,
    taken: BTreeMap<u32, Entry>,
    /// The slots that are taken by the time of their last use, oldest first.
    by_use: BTreeSet<(u64, u32)>,
    /// Free slots below `fresh`.
    freed: BTreeSet<u32>,
    /// How many slots, from the first up, were ever taken.
    fresh: u32,
}

impl Slots {
    pub(crate) fn new(first: u32, ageing: Ageing) -> Slots {
        Slots {
            first,
            ageing,
            taken: BTreeMap::new(),
            by_use: BTreeSet::new(),
            freed: BTreeSet::new(),
            fresh: 0,
        }
    }

    /// The value in a slot, without touching its age.
    pub(crate) fn peek(&self, slot: u32, now_ns: u64) -> Option<&[u8]> {
        let entry = self.taken.get(&slot)?;
        let live = !self.ageing.is_over(entry.used_ns, now_ns);
        live.then_some(&entry.value[..])
    }

    /// The value in a slot, which counts as used now.
    pub(crate) fn get(&mut self, slot: u32, now_ns: u64) -> Option<&[u8]> {
        self.touch(slot, now_ns);
        self.peek(slot, now_ns)
    }

    /// Renews a slot; answers whether it is taken.
    pub(crate) fn touch(&mut self, slot: u32, now_ns: u64) -> bool {
        let Some(entry) = self.taken.get_mut(&slot) else {
            return false;
        };
        if self.ageing.is_over(entry.used_ns, now_ns) {
            return false;
        }
        self.by_use.remove(&(entry.used_ns, slot));
        self.by_use.insert((now_ns, slot));
        entry.used_ns = now_ns;
        true
    }

    /// Puts a value into the lowest slot that is free, if there is one.
    pub(crate) fn take(&mut self, value: &[u8], now_ns: u64) -> Option<u32> {
        while let Some(&(used_ns, slot)) = self.by_use.first()
            && self.ageing.is_over(used_ns, now_ns)
        {
            self.free(slot);
        }
        let slot = match self.freed.pop_first() {
            Some(slot) => slot,
            None if self.fresh < self.ageing.capacity => {
                let slot = self.first.checked_add(self.fresh)?;
                self.fresh += 1;
                slot
            }
            None => return None,
        };
        self.by_use.insert((now_ns, slot));
        let entry = Entry {
            value: value.to_vec(),
            used_ns: now_ns,
        };
        self.taken.insert(slot, entry);
        Some(slot)
    }

    /// Frees a slot; answers whether it was taken.
    pub(crate) fn remove(&mut self, slot: u32, now_ns: u64) -> bool {
        let live = self.peek(slot, now_ns).is_some();
        self.free(slot);
        live
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Slots::new(self.first, self.ageing);
    }

    /// The slots that are taken, with their values, in the order of their numbers.
    pub(crate) fn entries(&self, now_ns: u64) -> impl Iterator<Item = (u32, &[u8])> {
        let live = self
            .taken
            .iter()
            .filter(move |(_, entry)| !self.ageing.is_over(entry.used_ns, now_ns));
        live.map(|(&slot, entry)| (slot, &entry.value[..]))
    }

    fn free(&mut self, slot: u32) {
        if let Some(entry) = self.taken.remove(&slot) {
            self.by_use.remove(&(entry.used_ns, slot));
            self.freed.insert(slot);
        }
    }
}
