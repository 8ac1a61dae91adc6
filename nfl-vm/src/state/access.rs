//! What the embedding program does with the resources of a state, by their names.
//!
//! In: names, and raw bytes as the resources' layouts say. Out: entries and counts. Guaranteed: an operation
//! that makes no sense changes nothing and says why.

use std::borrow::Cow;
use std::sync::Arc;

use nfl_abi::image::ResourceKind;

use super::{KeyValue, State, StateError};
use crate::flow::{flow_key, flow_of};
use crate::services::topic_group;
use crate::tables::{Count, Filled, PORT_BYTES, Rates, Store, TernaryRule};

/// Bytes of the tuple of a flow over IPv4.
const IPV4_TUPLE_BYTES: usize = 13;

/// The controller's side of the resources.
impl State {
    /// Stores a value under a key: in a table, a flow table or a flow state. In a set the value is
    /// empty; in a ring the key is the member, and the value empty.
    ///
    /// # Errors
    ///
    /// Any but [`StateError::Prefix`] and [`StateError::Index`].
    pub fn insert(&mut self, name: &str, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        let at = self.at_edit(name)?;
        let key = &*self.key(at, key)?;
        let value_bytes = match self.declared[at].kind {
            // What is stored is the key alone, whatever the manifest says of topics.
            ResourceKind::Ring | ResourceKind::Topic => 0,
            _ => self.declared[at].value_bytes,
        };
        self.check_value(at, value, value_bytes)?;
        let now = self.next();
        let room = match &mut self.stores[at] {
            Store::Exact(table) => table.put(key, value, now),
            Store::Filled(filled) => match Arc::make_mut(filled) {
                Filled::Exact(table) => table.put(key, value, now),
                Filled::Ring(ring) => ring.insert(key),
                _ => return Err(self.kind(at)),
            },
            _ => return Err(self.kind(at)),
        };
        self.room(at, room)
    }

    /// Stores a value under the first `bits` bits of an address in wire order.
    ///
    /// # Errors
    ///
    /// Any but [`StateError::Index`].
    pub fn insert_prefix(
        &mut self,
        name: &str,
        address: &[u8],
        bits: u16,
        value: &[u8],
    ) -> Result<(), StateError> {
        let at = self.at_edit(name)?;
        let address = &*self.key(at, address)?;
        self.check_value(at, value, self.declared[at].value_bytes)?;
        let now = self.next();
        if usize::from(bits) > address.len() * 8 {
            return Err(StateError::Prefix(name.to_string()));
        }
        let Some(Filled::Lpm(lpm)) = self.stores[at].filled_mut() else {
            return Err(self.kind(at));
        };
        let room = lpm.insert(address, bits, value, now);
        self.room(at, room)
    }

    /// Adds a rule to a ternary table.
    ///
    /// # Errors
    ///
    /// Any but [`StateError::KeySize`] and [`StateError::Index`].
    pub fn insert_rule(&mut self, name: &str, rule: TernaryRule) -> Result<(), StateError> {
        let at = self.at_edit(name)?;
        self.check_value(at, &rule.value, self.declared[at].value_bytes)?;
        let Some(Filled::Ternary(ternary)) = self.stores[at].filled_mut() else {
            return Err(self.kind(at));
        };
        if !ternary.takes(&rule) {
            return Err(StateError::Prefix(name.to_string()));
        }
        let room = ternary.insert(rule);
        self.run.unsettle();
        self.room(at, room)
    }

    /// Removes a key, a member of a ring, or a slot by its number as four little-endian bytes;
    /// answers whether it was there.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::KeySize`].
    pub fn remove(&mut self, name: &str, key: &[u8]) -> Result<bool, StateError> {
        let at = self.at_edit(name)?;
        let key = &*self.key(at, key)?;
        let now = self.next();
        Ok(match &mut self.stores[at] {
            Store::Exact(table) => table.remove(key, now),
            Store::Filled(filled) => match Arc::make_mut(filled) {
                Filled::Exact(table) => table.remove(key, now),
                Filled::Ring(ring) => ring.remove(key),
                _ => return Err(self.kind(at)),
            },
            Store::Slots(slots) => slots.remove(word(key), now),
            _ => return Err(self.kind(at)),
        })
    }

    /// Removes a prefix; answers whether it was there.
    ///
    /// # Errors
    ///
    /// As [`State::remove`].
    pub fn remove_prefix(
        &mut self,
        name: &str,
        address: &[u8],
        bits: u16,
    ) -> Result<bool, StateError> {
        let at = self.at_edit(name)?;
        let address = &*self.key(at, address)?;
        let now = self.next();
        match self.stores[at].filled_mut() {
            Some(Filled::Lpm(lpm)) => Ok(lpm.remove(address, bits, now)),
            _ => Err(self.kind(at)),
        }
    }

    /// Removes the rules of this priority with these parts; answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn remove_rule(&mut self, name: &str, rule: &TernaryRule) -> Result<bool, StateError> {
        let at = self.at_edit(name)?;
        match self.stores[at].filled_mut() {
            Some(Filled::Ternary(ternary)) => {
                let was = ternary.remove(rule.priority, &rule.parts);
                self.run.unsettle();
                Ok(was)
            }
            _ => Err(self.kind(at)),
        }
    }

    /// Empties a resource: no entries, and all counts and registers zero.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`].
    pub fn clear(&mut self, name: &str) -> Result<(), StateError> {
        let at = self.at_edit(name)?;
        match &mut self.stores[at] {
            Store::Filled(_) => self.stores[at] = Store::new(&self.declared[at]),
            Store::Exact(table) => table.clear(),
            Store::Slots(slots) => slots.clear(),
            Store::Registers(registers) => registers.clear(),
            Store::Counters(counters) => counters.clear(),
            Store::KeyedCounters(counters) => counters.clear(),
            Store::Meter(meter) => meter.clear(),
            Store::Report => {}
        }
        Ok(())
    }

    /// What a lookup with this key finds: empty for members of sets and rings. No entry is renewed.
    /// The key of a slot is its number as four little-endian bytes.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::KeySize`].
    pub fn get(&self, name: &str, key: &[u8]) -> Result<Option<&[u8]>, StateError> {
        let at = self.at(name)?;
        let key = &*self.key(at, key)?;
        Ok(match &self.stores[at] {
            Store::Exact(table) => table.peek(key, self.clock_ns),
            Store::Filled(filled) => filled.get(key),
            Store::Slots(slots) => slots.peek(word(key), self.clock_ns),
            _ => return Err(self.kind(at)),
        })
    }

    /// Keys and values in a fixed order: by key, prefixes from the shortest (a key and the number of
    /// its bits as two little-endian bytes), slots by number. Registers that are zero are left out.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn entries(&self, name: &str) -> Result<Vec<KeyValue>, StateError> {
        let at = self.at(name)?;
        let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        Ok(match &self.stores[at] {
            Store::Exact(table) => self.in_order(at, table.entries(self.clock_ns)),
            Store::Filled(filled) => match &**filled {
                Filled::Exact(table) => self.in_order(at, table.entries(self.clock_ns)),
                Filled::Lpm(lpm) => {
                    let prefixes = lpm.entries().into_iter();
                    let flat = prefixes.map(|(address, bits, value)| {
                        pair(&[address, &bits.to_le_bytes()].concat(), value)
                    });
                    flat.collect()
                }
                Filled::Ring(ring) => ring.members().map(|member| pair(member, &[])).collect(),
                Filled::Ternary(_) => return Err(self.kind(at)),
            },
            Store::Slots(slots) => slots
                .entries(self.clock_ns)
                .map(|(slot, value)| pair(&slot.to_le_bytes(), value))
                .collect(),
            Store::Registers(registers) => registers
                .entries()
                .map(|(index, value)| pair(&index.to_le_bytes(), value))
                .collect(),
            _ => return Err(self.kind(at)),
        })
    }

    /// The number of the group that a topic's members are: what `Multicast` to them has as its operand.
    /// [`State::entries`] lists the members, each the number of a port in two little-endian bytes.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn group(&self, name: &str) -> Result<u16, StateError> {
        let at = self.at(name)?;
        match self.declared[at].kind {
            ResourceKind::Topic => Ok(topic_group(at) as u16),
            _ => Err(self.kind(at)),
        }
    }

    /// The rules of a ternary table, in the order in which they are asked.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn rules(&self, name: &str) -> Result<&[TernaryRule], StateError> {
        let at = self.at(name)?;
        match self.stores[at].filled() {
            Some(Filled::Ternary(ternary)) => Ok(ternary.rules()),
            _ => Err(self.kind(at)),
        }
    }

    /// The bytes of a register; single ones have the index 0.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::Index`].
    pub fn register(&self, name: &str, index: u32) -> Result<Vec<u8>, StateError> {
        let at = self.at(name)?;
        let Store::Registers(registers) = &self.stores[at] else {
            return Err(self.kind(at));
        };
        self.check_index(at, index, registers.len())?;
        Ok(registers.get(index))
    }

    /// Replaces the bytes of a register.
    ///
    /// # Errors
    ///
    /// As [`State::register`], and [`StateError::ValueSize`].
    pub fn set_register(&mut self, name: &str, index: u32, value: &[u8]) -> Result<(), StateError> {
        let at = self.at(name)?;
        self.check_value(at, value, self.declared[at].value_bytes)?;
        let Store::Registers(registers) = &mut self.stores[at] else {
            return Err(self.kind(at));
        };
        let len = registers.len();
        registers.set(index, value);
        self.check_index(at, index, len)
    }

    /// A counter; single ones have the index 0.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::Index`].
    pub fn counter(&self, name: &str, index: u32) -> Result<Count, StateError> {
        let at = self.at(name)?;
        let Store::Counters(counters) = &self.stores[at] else {
            return Err(self.kind(at));
        };
        self.check_index(at, index, counters.len())?;
        Ok(counters.get(index))
    }

    /// The counter of a key; keys that were never counted have zeros.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::KeySize`].
    pub fn counter_of(&self, name: &str, key: &[u8]) -> Result<Count, StateError> {
        let at = self.at(name)?;
        let key = &*self.key(at, key)?;
        match &self.stores[at] {
            Store::KeyedCounters(counters) => Ok(counters.get(key, self.clock_ns)),
            _ => Err(self.kind(at)),
        }
    }

    /// Counters that counted something, by key or by index as four little-endian bytes.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn counters(&self, name: &str) -> Result<Vec<(Vec<u8>, Count)>, StateError> {
        let at = self.at(name)?;
        Ok(match &self.stores[at] {
            Store::Counters(counters) => counters
                .entries()
                .map(|(index, count)| (index.to_le_bytes().to_vec(), count))
                .collect(),
            Store::KeyedCounters(counters) => {
                let entries = counters.entries(self.clock_ns);
                let own = entries.map(|(key, count)| (self.own_key(at, key).to_vec(), count));
                let mut own: Vec<_> = own.collect();
                own.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                own
            }
            _ => return Err(self.kind(at)),
        })
    }

    /// Sets the rates of a meter, for each of its keys; `None` lets everything pass, as at first.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn set_meter(&mut self, name: &str, rates: Option<Rates>) -> Result<(), StateError> {
        let at = self.at(name)?;
        let Store::Meter(meter) = &mut self.stores[at] else {
            return Err(self.kind(at));
        };
        meter.set_rates(rates);
        Ok(())
    }
}

/// Checks.
impl State {
    pub(super) fn at(&self, name: &str) -> Result<usize, StateError> {
        let at = self.by_name.get(name).copied();
        at.ok_or_else(|| StateError::NoSuchResource(name.to_string()))
    }

    /// The place of a resource that is edited here.
    fn at_edit(&self, name: &str) -> Result<usize, StateError> {
        let at = self.at(name)?;
        match self.stores[at] {
            Store::Filled(_) if self.run.reader.is_some() => {
                Err(StateError::Published(name.to_string()))
            }
            _ => Ok(at),
        }
    }

    pub(super) fn name(&self, at: usize) -> String {
        self.declared[at].name.clone()
    }

    pub(super) fn kind(&self, at: usize) -> StateError {
        StateError::Kind {
            name: self.name(at),
            is: self.declared[at].kind,
        }
    }

    /// A key as its store has it.
    pub(super) fn key<'k>(&self, at: usize, key: &'k [u8]) -> Result<Cow<'k, [u8]>, StateError> {
        let resource = &self.declared[at];
        let must = match resource.kind {
            ResourceKind::Ring => usize::from(resource.value_bytes),
            ResourceKind::Slots => 4,
            ResourceKind::Topic => PORT_BYTES,
            // Flows are known by their tuples, which are longer for IPv6.
            _ if resource.flow_key => match flow_key(key) {
                Some(key) => return Ok(Cow::Owned(key.to_vec())),
                None => IPV4_TUPLE_BYTES,
            },
            _ => usize::from(resource.key_bytes),
        };
        if key.len() == must {
            return Ok(Cow::Borrowed(key));
        }
        Err(StateError::KeySize {
            name: self.name(at),
            is: key.len(),
            must,
        })
    }

    /// The key that the controller knows.
    fn own_key<'k>(&self, at: usize, key: &'k [u8]) -> &'k [u8] {
        match self.declared[at].flow_key {
            true => flow_of(key),
            false => key,
        }
    }

    /// Entries with the keys that the controller knows, in their order.
    fn in_order(&self, at: usize, entries: Vec<(&[u8], &[u8])>) -> Vec<KeyValue> {
        let own = |(key, value): (&[u8], &[u8])| (self.own_key(at, key).to_vec(), value.to_vec());
        let mut own: Vec<KeyValue> = entries.into_iter().map(own).collect();
        own.sort_unstable();
        own
    }

    pub(super) fn check_value(&self, at: usize, value: &[u8], must: u16) -> Result<(), StateError> {
        if value.len() == usize::from(must) {
            return Ok(());
        }
        Err(StateError::ValueSize {
            name: self.name(at),
            is: value.len(),
            must: must.into(),
        })
    }

    pub(super) fn check_index(&self, at: usize, is: u32, len: u32) -> Result<(), StateError> {
        if is < len {
            return Ok(());
        }
        let name = self.name(at);
        Err(StateError::Index { name, is, len })
    }

    pub(super) fn room(&self, at: usize, room: bool) -> Result<(), StateError> {
        if room {
            return Ok(());
        }
        Err(StateError::Full {
            name: self.name(at),
            capacity: self.declared[at].capacity,
        })
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |&b| u32::from_le_bytes(b))
}
