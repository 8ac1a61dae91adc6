//! Numbered entries that packets take, and that age.
//!
//! In: values, slot numbers and the time of each operation. Out: the lowest slot that is free.
//! Guaranteed: slots lie from the first number up, as many as the capacity; a slot is free when
//! nobody took it, when it was removed, or when it was not used for the idle time. Each operation takes a
//! bounded number of steps, but for `take`, which frees what is over: at most one slot for each that was
//! taken before. What was found stays where it is until the run is over.

use std::collections::BTreeMap;

use super::index::NONE;
use super::lowest::Lowest;
use super::records::Records;
use super::uses::Uses;
use super::{Ageing, Now};

/// Slots with values.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    first: u32,
    ageing: Ageing,
    value_bytes: usize,
    values: Records,
    /// The values of the slots that were ever taken, from the first up.
    cells: Vec<u32>,
    uses: Uses,
    /// Those of them that are free.
    freed: Lowest,
}

impl Slots {
    pub(crate) fn new(first: u32, ageing: Ageing, value_bytes: usize) -> Slots {
        Slots {
            first,
            ageing,
            value_bytes,
            values: Records::new(value_bytes, ageing.capacity),
            cells: Vec::new(),
            uses: Uses::new(),
            freed: Lowest::default(),
        }
    }

    /// Makes room for all slots now.
    pub(crate) fn reserve(&mut self) {
        let slots = self.ageing.capacity as usize;
        self.values.reserve(self.ageing.capacity);
        self.uses.reserve(slots);
        self.cells.reserve(slots.saturating_sub(self.cells.len()));
    }

    /// Bytes of a value.
    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// How many slots, from the first up, were ever taken.
    pub(crate) fn fresh(&self) -> u32 {
        self.cells.len() as u32
    }

    /// The slots that are taken, those that are over among them, with the times of their last use and
    /// their values, the least recently used first.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (u32, u64, &[u8])> {
        self.uses.iter().map(|at| {
            let value = self.value(self.cells[at as usize]);
            (self.first + at, self.uses.used_ns(at), value)
        })
    }

    /// Takes these slots, in the order of their last use, and frees the rest of the first `fresh`; nothing
    /// when they are no such slots, false when there is no room.
    pub(crate) fn put_back(&mut self, fresh: u32, taken: &[(u32, u64, &[u8])]) -> Option<bool> {
        if fresh > self.ageing.capacity {
            return Some(false);
        }
        let mut last = self.first;
        if fresh > 0 {
            last = self.first.checked_add(fresh - 1)?;
        }
        let mut cells = BTreeMap::new();
        for &(slot, used_ns, value) in taken {
            if fresh == 0 || !(self.first..=last).contains(&slot) {
                return None;
            }
            let cell = self.values.take(0);
            self.values.get_mut(cell)[..self.value_bytes].copy_from_slice(value);
            if cells.insert(slot - self.first, cell).is_some() {
                return None;
            }
            self.uses.add(slot - self.first, used_ns);
        }
        for at in 0..fresh {
            let cell = cells.get(&at).copied();
            self.cells.push(cell.unwrap_or(NONE));
            if cell.is_none() {
                self.freed.insert(at);
            }
        }
        Some(true)
    }

    /// The cell of a slot, without touching its age.
    pub(crate) fn seek(&self, slot: u32, now_ns: u64) -> Option<u32> {
        let at = slot.checked_sub(self.first)?;
        let &cell = self.cells.get(at as usize)?;
        let live = cell != NONE && !self.ageing.is_over(self.uses.used_ns(at), now_ns);
        live.then_some(cell)
    }

    /// The cell of a slot, which counts as used now.
    pub(crate) fn find(&mut self, slot: u32, now: Now) -> Option<u32> {
        let cell = self.seek(slot, now.ns)?;
        self.uses.renew(slot - self.first, now.ns);
        Some(cell)
    }

    /// The value in a cell.
    pub(crate) fn value(&self, cell: u32) -> &[u8] {
        &self.values.get(cell)[..self.value_bytes]
    }

    /// The value in a slot, without touching its age.
    pub(crate) fn peek(&self, slot: u32, now_ns: u64) -> Option<&[u8]> {
        self.seek(slot, now_ns).map(|cell| self.value(cell))
    }

    /// Renews a slot; answers whether it is taken.
    pub(crate) fn touch(&mut self, slot: u32, now: Now) -> bool {
        self.find(slot, now).is_some()
    }

    /// Puts a value into the lowest slot that is free, if there is one.
    pub(crate) fn take(&mut self, value: &[u8], now: Now) -> Option<u32> {
        while let Some(at) = self.uses.oldest()
            && self.ageing.is_over(self.uses.used_ns(at), now.ns)
        {
            self.free(at, now.run);
        }
        let fresh = self.cells.len() as u32;
        let at = match self.freed.pop() {
            Some(at) => at,
            None if fresh < self.ageing.capacity => {
                self.first.checked_add(fresh)?;
                self.cells.push(NONE);
                fresh
            }
            None => return None,
        };
        let cell = self.values.take(now.run);
        self.values.get_mut(cell)[..self.value_bytes].copy_from_slice(value);
        self.cells[at as usize] = cell;
        self.uses.add(at, now.ns);
        Some(self.first + at)
    }

    /// Puts a value into a slot of this number; answers whether there is such a slot.
    pub(crate) fn put(&mut self, slot: u32, value: &[u8], now: Now) -> bool {
        let at = slot.checked_sub(self.first);
        let Some(at) = at.filter(|&at| at < self.ageing.capacity) else {
            return false;
        };
        while self.cells.len() as u32 <= at {
            self.freed.insert(self.cells.len() as u32);
            self.cells.push(NONE);
        }
        if self.cells[at as usize] != NONE {
            self.free(at, now.run);
        }
        self.freed.remove(at);
        let cell = self.values.take(now.run);
        self.values.get_mut(cell)[..self.value_bytes].copy_from_slice(value);
        self.cells[at as usize] = cell;
        self.uses.add(at, now.ns);
        true
    }

    /// Frees a slot; answers whether it was taken.
    pub(crate) fn remove(&mut self, slot: u32, now: Now) -> bool {
        let live = self.seek(slot, now.ns).is_some();
        if let Some(at) = slot.checked_sub(self.first)
            && self
                .cells
                .get(at as usize)
                .is_some_and(|&cell| cell != NONE)
        {
            self.free(at, now.run);
        }
        live
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Slots::new(self.first, self.ageing, self.value_bytes);
    }

    /// The slots that are taken, with their values, in the order of their numbers.
    pub(crate) fn entries(&self, now_ns: u64) -> impl Iterator<Item = (u32, &[u8])> {
        let slots = (0..self.cells.len() as u32).map(|at| self.first + at);
        slots.filter_map(move |slot| Some((slot, self.peek(slot, now_ns)?)))
    }

    fn free(&mut self, at: u32, run: u64) {
        self.uses.remove(at);
        self.values.free(self.cells[at as usize], run);
        self.cells[at as usize] = NONE;
        self.freed.insert(at);
    }
}

/// Equal slots are taken with the same values at the same times, and take the same ones next.
impl PartialEq for Slots {
    fn eq(&self, other: &Slots) -> bool {
        let shape = |of: &Slots| (of.first, of.ageing, of.value_bytes, of.cells.len());
        let at = |of: &Slots, at: usize| match of.cells[at] {
            NONE => None,
            cell => Some((of.uses.used_ns(at as u32), of.value(cell).to_vec())),
        };
        shape(self) == shape(other) && (0..self.cells.len()).all(|n| at(self, n) == at(other, n))
    }
}

impl Eq for Slots {}
