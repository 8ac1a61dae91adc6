//! The state of a node: what its images keep between runs, and what they told the controller.
//!
//! In: the resources that images declare; from the embedding program, names and raw bytes as the
//! resources' layouts say. Out: entries, counts, reports and log lines. Guaranteed: bounded by the
//! resources' capacities; equal states after equal operations; a state can be copied and compared.

mod error;
mod restore;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nfl_abi::image::{Import, Resource, ResourceKind};

use crate::flow::{flow_key, flow_of};
use crate::services::{Bound, RunMemory, Slot, topic_group};
use crate::tables::{Count, Now, PART_MAX, PORT_BYTES, Rates, Store, TernaryRule};

pub use error::StateError;

/// Bytes of the tuple of a flow over IPv4.
const IPV4_TUPLE_BYTES: usize = 13;

/// Reports that a state keeps at most, and log lines.
pub const TOLD_MAX: usize = 65_536;

/// The bytes of a key, and of its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// A record that an image reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reported {
    /// The record's name.
    pub record: String,
    /// Its bytes, as its layout says.
    pub bytes: Vec<u8>,
}

/// A line that an image logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// The number of the text, which the compiler gave out.
    pub format: u8,
    /// The words for its places.
    pub words: Vec<u32>,
}

/// All state of a node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    clock_ns: u64,
    random: u64,
    declared: Vec<Resource>,
    pub(crate) stores: Vec<Store>,
    by_name: BTreeMap<String, usize>,
    reports: Vec<Reported>,
    logs: Vec<Logged>,
    /// Reports and lines that found no room.
    lost: u64,
    pub(crate) run: Run,
}

/// What belongs to the run that goes on, or was the last. Equal states may differ in it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The runs and edits so far.
    pub(crate) number: u64,
    /// Memory that runs use one after another.
    pub(crate) memory: RunMemory,
}

impl Clone for Run {
    fn clone(&self) -> Run {
        Run {
            number: self.number,
            memory: RunMemory::default(),
        }
    }
}

impl PartialEq for Run {
    fn eq(&self, _: &Run) -> bool {
        true
    }
}

impl Eq for Run {}

/// Images and the places of their resources.
impl State {
    /// The state for these resources, all empty, at time 0.
    ///
    /// # Errors
    ///
    /// As [`State::declare`].
    pub fn new(resources: &[Resource]) -> Result<State, StateError> {
        let mut state = State::default();
        state.declare(resources)?;
        Ok(state)
    }

    /// Adds the resources of an image. Those whose names are known are shared.
    ///
    /// # Errors
    ///
    /// [`StateError::Differs`] when a name is known and stands for something else; then nothing is
    /// added.
    pub fn declare(&mut self, resources: &[Resource]) -> Result<(), StateError> {
        for (n, resource) in resources.iter().enumerate() {
            let known = self
                .by_name
                .get(&resource.name)
                .map(|&at| &self.declared[at]);
            let before = resources[..n].iter().find(|r| r.name == resource.name);
            if known.or(before).is_some_and(|other| other != resource) {
                return Err(StateError::Differs(resource.name.clone()));
            }
        }
        for resource in resources {
            if !self.by_name.contains_key(&resource.name) {
                let name = resource.name.clone();
                self.by_name.insert(name, self.stores.len());
                self.stores.push(Store::new(resource));
                self.declared.push(resource.clone());
            }
        }
        Ok(())
    }

    /// Takes the memory that the resources need when they are full, so that packets never wait for it.
    /// Without it memory grows with what is stored. Entries of tables that only the controller fills
    /// take theirs when they are stored.
    pub fn reserve(&mut self) {
        self.stores.iter_mut().for_each(Store::reserve);
    }

    /// The resources, in the order in which they were declared.
    pub fn resources(&self) -> &[Resource] {
        &self.declared
    }

    /// Declares the resources of an image and finds the service behind each of its imports.
    ///
    /// # Errors
    ///
    /// As [`State::declare`], and [`StateError::Service`].
    pub fn bind(
        &mut self,
        imports: &[Import],
        resources: &[Resource],
    ) -> Result<Bound, StateError> {
        let slots = imports.iter().map(|import| {
            let slot = Slot::new(import, resources);
            slot.ok_or(StateError::Service(import.service))
        });
        let mut slots = slots.collect::<Result<Vec<Slot>, StateError>>()?;
        self.declare(resources)?;
        let stores: Vec<usize> = resources.iter().map(|r| self.by_name[&r.name]).collect();
        for slot in &mut slots {
            let store = slot.resource.and_then(|at| stores.get(usize::from(at)));
            slot.store = store.copied();
        }
        Ok(Bound { slots })
    }
}

/// Time and chance.
impl State {
    /// The node's clock, in nanoseconds.
    pub fn clock_ns(&self) -> u64 {
        self.clock_ns
    }

    /// Sets the clock; it never goes back.
    pub fn set_clock(&mut self, now_ns: u64) {
        self.clock_ns = self.clock_ns.max(now_ns);
    }

    /// Lets so many nanoseconds pass.
    pub fn advance(&mut self, ns: u64) {
        self.clock_ns = self.clock_ns.saturating_add(ns);
    }

    /// When something happens that is no part of a run that went before.
    pub(crate) fn next(&mut self) -> Now {
        self.run.number += 1;
        self.now()
    }

    /// The time of the run.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        Now {
            ns: self.clock_ns,
            run: self.run.number,
        }
    }

    /// Starts the random numbers anew: the same seed gives the same numbers.
    pub fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// The next random word: SplitMix64 (Steele, Lea and Flood, 2014), its high half.
    pub(crate) fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 32) as u32
    }
}

/// What images told.
impl State {
    /// The reports since they were last taken.
    pub fn reports(&self) -> &[Reported] {
        &self.reports
    }

    /// The log lines since they were last taken.
    pub fn logs(&self) -> &[Logged] {
        &self.logs
    }

    /// Reports and lines that found no room among [`TOLD_MAX`].
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes the reports away.
    pub fn take_reports(&mut self) -> Vec<Reported> {
        std::mem::take(&mut self.reports)
    }

    /// Takes the log lines away.
    pub fn take_logs(&mut self) -> Vec<Logged> {
        std::mem::take(&mut self.logs)
    }

    pub(crate) fn report(&mut self, store: usize, bytes: &[u8]) {
        if self.reports.len() < TOLD_MAX {
            let record = self.declared[store].name.clone();
            let bytes = bytes.to_vec();
            self.reports.push(Reported { record, bytes });
        } else {
            self.lost += 1;
        }
    }

    pub(crate) fn log(&mut self, format: u8, words: Vec<u32>) {
        if self.logs.len() < TOLD_MAX {
            self.logs.push(Logged { format, words });
        } else {
            self.lost += 1;
        }
    }
}

/// The controller's side of the resources.
impl State {
    /// Stores a value under a key: in a table, a flow table or a flow state. In a set the value is
    /// empty; in a ring the key is the member, and the value empty.
    ///
    /// # Errors
    ///
    /// Any but [`StateError::Prefix`] and [`StateError::Index`].
    pub fn insert(&mut self, name: &str, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        let at = self.at(name)?;
        let key = &*self.key(at, key)?;
        let is_ring = self.declared[at].kind == ResourceKind::Ring;
        let value_bytes = if is_ring {
            0
        } else {
            self.declared[at].value_bytes
        };
        self.check_value(at, value, value_bytes)?;
        let now = self.next();
        let room = match &mut self.stores[at] {
            Store::Exact(table) => table.put(key, value, now),
            Store::Ring(ring) => ring.insert(key),
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
        let at = self.at(name)?;
        let address = &*self.key(at, address)?;
        self.check_value(at, value, self.declared[at].value_bytes)?;
        let now = self.next();
        if usize::from(bits) > address.len() * 8 {
            return Err(StateError::Prefix(name.to_string()));
        }
        let Store::Lpm(lpm) = &mut self.stores[at] else {
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
        let at = self.at(name)?;
        self.check_value(at, &rule.value, self.declared[at].value_bytes)?;
        let key_bytes = u32::from(self.declared[at].key_bytes);
        let within = rule.parts.iter().all(|part| {
            let end = u32::from(part.offset) + u32::from(part.bytes);
            part.bytes <= PART_MAX && end <= key_bytes
        });
        if !within {
            return Err(StateError::Prefix(name.to_string()));
        }
        let Store::Ternary(ternary) = &mut self.stores[at] else {
            return Err(self.kind(at));
        };
        let room = ternary.insert(rule);
        self.room(at, room)
    }

    /// Removes a key, a member of a ring, or a slot by its number as four little-endian bytes;
    /// answers whether it was there.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::KeySize`].
    pub fn remove(&mut self, name: &str, key: &[u8]) -> Result<bool, StateError> {
        let at = self.at(name)?;
        let key = &*self.key(at, key)?;
        let now = self.next();
        Ok(match &mut self.stores[at] {
            Store::Exact(table) => table.remove(key, now),
            Store::Ring(ring) => ring.remove(key),
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
        let at = self.at(name)?;
        let address = &*self.key(at, address)?;
        let now = self.next();
        match &mut self.stores[at] {
            Store::Lpm(lpm) => Ok(lpm.remove(address, bits, now)),
            _ => Err(self.kind(at)),
        }
    }

    /// Removes the rules of this priority with these parts; answers whether there was one.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`].
    pub fn remove_rule(&mut self, name: &str, rule: &TernaryRule) -> Result<bool, StateError> {
        let at = self.at(name)?;
        match &mut self.stores[at] {
            Store::Ternary(ternary) => Ok(ternary.remove(rule.priority, &rule.parts)),
            _ => Err(self.kind(at)),
        }
    }

    /// Empties a resource: no entries, and all counts and registers zero.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`].
    pub fn clear(&mut self, name: &str) -> Result<(), StateError> {
        let at = self.at(name)?;
        match &mut self.stores[at] {
            Store::Exact(table) => table.clear(),
            Store::Lpm(lpm) => lpm.clear(),
            Store::Ternary(ternary) => ternary.clear(),
            Store::Ring(ring) => ring.clear(),
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
            Store::Lpm(lpm) => lpm.get(key),
            Store::Ternary(ternary) => ternary.get(key),
            Store::Ring(ring) => ring.contains(key).then_some(&[]),
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
            Store::Lpm(lpm) => lpm
                .entries()
                .into_iter()
                .map(|(key, bits, value)| pair(&[key, &bits.to_le_bytes()].concat(), value))
                .collect(),
            Store::Ring(ring) => ring.members().map(|member| pair(member, &[])).collect(),
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
        match &self.stores[at] {
            Store::Ternary(ternary) => Ok(ternary.rules()),
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
    fn at(&self, name: &str) -> Result<usize, StateError> {
        let at = self.by_name.get(name).copied();
        at.ok_or_else(|| StateError::NoSuchResource(name.to_string()))
    }

    fn name(&self, at: usize) -> String {
        self.declared[at].name.clone()
    }

    fn kind(&self, at: usize) -> StateError {
        StateError::Kind {
            name: self.name(at),
            is: self.declared[at].kind,
        }
    }

    /// A key as its store has it.
    fn key<'k>(&self, at: usize, key: &'k [u8]) -> Result<Cow<'k, [u8]>, StateError> {
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

    fn check_value(&self, at: usize, value: &[u8], must: u16) -> Result<(), StateError> {
        if value.len() == usize::from(must) {
            return Ok(());
        }
        Err(StateError::ValueSize {
            name: self.name(at),
            is: value.len(),
            must: must.into(),
        })
    }

    fn check_index(&self, at: usize, is: u32, len: u32) -> Result<(), StateError> {
        if is < len {
            return Ok(());
        }
        let name = self.name(at);
        Err(StateError::Index { name, is, len })
    }

    fn room(&self, at: usize, room: bool) -> Result<(), StateError> {
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

/// A state that several instances work on, one run at a time.
#[derive(Clone, Debug, Default)]
pub struct SharedState(Arc<Mutex<State>>);

impl SharedState {
    /// Shares a state.
    pub fn new(state: State) -> SharedState {
        SharedState(Arc::new(Mutex::new(state)))
    }

    /// The state, for as long as no instance runs.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two whole operations leaves a state that is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
