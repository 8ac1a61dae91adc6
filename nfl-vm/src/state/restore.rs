//! What a controller puts back: the contents that packets otherwise make themselves.
//!
//! In: slots, counts and rates as they were read before. Out: a state that answers as the one did from which they
//! were read. Ages are not put back: an entry counts as used when it is put.

use crate::tables::{Count, Rates, Store};

use super::{State, StateError};

impl State {
    /// Takes a slot by its number, or replaces its value.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::ValueSize`], and
    /// [`StateError::Index`] for numbers that are no slots.
    pub fn insert_slot(&mut self, name: &str, slot: u32, value: &[u8]) -> Result<(), StateError> {
        let at = self.at(name)?;
        self.check_value(at, value, self.declared[at].value_bytes)?;
        let now = self.next();
        let Store::Slots(slots) = &mut self.stores[at] else {
            return Err(self.kind(at));
        };
        if slots.put(slot, value, now) {
            return Ok(());
        }
        let len = self.declared[at].capacity;
        Err(StateError::Index {
            name: self.name(at),
            is: slot,
            len: self.declared[at].first.saturating_add(len),
        })
    }

    /// Sets a counter; single ones have the index 0.
    ///
    /// # Errors
    ///
    /// As [`State::counter`].
    pub fn set_counter(&mut self, name: &str, index: u32, count: Count) -> Result<(), StateError> {
        let at = self.at(name)?;
        let Store::Counters(counters) = &mut self.stores[at] else {
            return Err(self.kind(at));
        };
        counters.set(index, count);
        let len = counters.len();
        self.check_index(at, index, len)
    }

    /// Sets the counter of a key.
    ///
    /// # Errors
    ///
    /// As [`State::counter_of`], and [`StateError::Full`].
    pub fn set_counter_of(
        &mut self,
        name: &str,
        key: &[u8],
        count: Count,
    ) -> Result<(), StateError> {
        let at = self.at(name)?;
        let key = &*self.key(at, key)?;
        let now = self.next();
        let Store::KeyedCounters(counters) = &mut self.stores[at] else {
            return Err(self.kind(at));
        };
        let room = counters.set(key, count, now);
        self.room(at, room)
    }

    /// The rates of a meter, if it has any.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn meter(&self, name: &str) -> Result<Option<Rates>, StateError> {
        let at = self.at(name)?;
        match &self.stores[at] {
            Store::Meter(meter) => Ok(meter.rates()),
            _ => Err(self.kind(at)),
        }
    }

    /// What the next random numbers come from: [`State::seed`] with it gives the same ones.
    pub fn random_seed(&self) -> u64 {
        self.random
    }
}
