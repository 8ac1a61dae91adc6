//! The state of a node: what its images keep between runs, and what they told the controller.
//!
//! In: the resources that images declare; from the embedding program, names and raw bytes as the
//! resources' layouts say. Out: entries, counts, reports and log lines. Guaranteed: bounded by the
//! resources' capacities; equal states after equal operations; a state can be copied and compared.

mod access;
mod control;
mod error;
mod home;
mod restore;
mod saved;
mod stores;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nfl_abi::image::{Import, Resource};

use crate::services::{Bound, RunMemory, Slot};
use crate::tables::{Filled, Now, Store};
use control::Reader;

pub use control::{Control, Edits};
pub use error::StateError;
pub(crate) use home::Home;
pub use home::StateGuard;
pub(crate) use saved::Input;
#[cfg(feature = "jit")]
pub(crate) use stores::Stamp;
pub(crate) use stores::Stores;

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
    pub(crate) stores: Stores,
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
    /// What a controller publishes, if there is one.
    reader: Option<Reader>,
    /// Whether rules were edited since the last run.
    unsettled: bool,
    /// Whether the next run begins with more than its time: memory was used, or rules were edited.
    pub(crate) pending: bool,
}

impl Run {
    /// Rules were edited.
    fn unsettle(&mut self) {
        (self.unsettled, self.pending) = (true, true);
    }
}

impl Clone for Run {
    fn clone(&self) -> Run {
        Run {
            number: self.number,
            memory: RunMemory::default(),
            reader: self.reader.clone(),
            unsettled: self.unsettled,
            pending: self.pending,
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
        let slots = slots.collect::<Result<Vec<Slot>, StateError>>()?;
        self.declare(resources)?;
        let stores: Vec<usize> = resources.iter().map(|r| self.by_name[&r.name]).collect();
        Ok(Bound::new(slots, &stores))
    }
}

/// Time and chance.
impl State {
    /// The node's clock, in nanoseconds.
    pub fn clock_ns(&self) -> u64 {
        self.clock_ns
    }

    /// Sets the clock; it never goes back.
    #[inline]
    pub fn set_clock(&mut self, now_ns: u64) {
        self.clock_ns = self.clock_ns.max(now_ns);
    }

    /// Lets so many nanoseconds pass.
    pub fn advance(&mut self, ns: u64) {
        self.clock_ns = self.clock_ns.saturating_add(ns);
    }

    /// Begins a run: its time, and what the controller published meanwhile.
    #[inline(always)]
    pub(crate) fn begin(&mut self, clock_ns: u64) {
        if !self.is_ready() {
            self.prepare();
        }
        self.begin_ready(clock_ns);
    }

    /// Begins a run that [may begin at once](State::is_ready).
    #[inline(always)]
    pub(crate) fn begin_ready(&mut self, clock_ns: u64) {
        self.set_clock(clock_ns);
        self.run.number += 1;
    }

    /// Whether a run may begin at once.
    #[inline(always)]
    pub(crate) fn is_ready(&self) -> bool {
        let Run {
            pending, reader, ..
        } = &self.run;
        !*pending && reader.as_ref().is_none_or(Reader::is_current)
    }

    #[inline(never)]
    fn prepare(&mut self) {
        self.run.memory.clear();
        self.catch_up();
        self.run.pending = false;
    }

    fn catch_up(&mut self) {
        if self.run.unsettled {
            self.settle();
        }
        let Some(news) = self.run.reader.as_mut().and_then(Reader::news) else {
            return;
        };
        for (store, table) in self.stores.iter_mut().zip(&news.tables) {
            if let (Store::Filled(old), Some(new)) = (store, table)
                && !Arc::ptr_eq(old, new)
            {
                *old = Arc::clone(new);
            }
        }
    }

    /// Prepares lookups after edits of rules.
    #[cold]
    fn settle(&mut self) {
        self.run.unsettled = false;
        for store in self.stores.iter_mut() {
            // Making one that others share one's own would copy it.
            if store.filled().is_some_and(|table| !table.is_settled())
                && let Some(table) = store.filled_mut()
            {
                table.settle();
            }
        }
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

/// What controllers share with workers.
impl State {
    /// From the next run on the tables are those that a controller publishes.
    fn follow(&mut self, reader: Reader) {
        self.run.reader = Some(reader);
        self.catch_up();
    }

    /// The tables that only a controller fills, by the places of their resources.
    fn filled(&self) -> Vec<Option<Arc<Filled>>> {
        let filled = |store: &Store| match store {
            Store::Filled(filled) => Some(Arc::clone(filled)),
            _ => None,
        };
        self.stores.iter().map(filled).collect()
    }
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
