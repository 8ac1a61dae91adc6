//! Tables that a controller edits while packets run.
//!
//! In: the resources of the images of a node, and edits of what only the controller fills: tables,
//! sets, tags, prefixes, rules and rings. Out: states for workers, one for each. Guaranteed: a worker
//! takes no lock; it sees the edits of one call together, from the beginning of its next run, and what a
//! run has found stays as it is until the run is over; an edit costs as much as the edit, not as much as the
//! table.
//!
//! The idea is left and right: of each table there are two copies. Workers read one, an edit is made in
//! the other, which is then published whole; what the first lacks is repeated there before the next
//! edit, when no worker reads it any more. A worker that stands still keeps its old copy, and the
//! controller does not wait for it for long: it makes a third one. Publishing is `arc-swap`'s, and the
//! controllers take turns by a mutex. A number beside what is published tells workers when to look, and no more: whoever reads it
//! early or late finds what was published then, whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use nfl_abi::image::Resource;

use super::{State, StateError};
use crate::tables::{Count, CountCells, Filled, Store, TernaryRule};

/// How often the controller looks whether workers have left a copy, before it makes another.
const LOOKS: usize = 1_000;

/// What one call published: the tables by the places of their resources.
#[derive(Debug)]
pub(crate) struct Published {
    version: u64,
    pub(super) tables: Vec<Option<Arc<Filled>>>,
}

/// What is published, and what workers look at before each run.
#[derive(Debug)]
struct Current {
    published: ArcSwap<Published>,
    /// The version that is published, or was just before.
    version: AtomicU64,
}

/// The controller's side of the tables of a node. Copies are the same controller; threads may share it.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    current: Arc<Current>,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    /// The tables as they are published, or about to be.
    state: State,
    /// For each table that is being edited what is published of it, and the edits.
    touched: BTreeMap<usize, (Arc<Filled>, Vec<Edit>)>,
    spare: BTreeMap<usize, Spare>,
    version: u64,
    copies: u64,
    counts: Vec<Vec<Option<Arc<CountCells>>>>,
}

/// The copy of a table that is not published.
#[derive(Debug)]
struct Spare {
    table: Arc<Filled>,
    /// The edits that it lacks.
    lacks: Vec<Edit>,
}

/// An edit, to be made twice.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Vec<u8>, Vec<u8>),
    InsertPrefix(Vec<u8>, u16, Vec<u8>),
    InsertRule(TernaryRule),
    Remove(Vec<u8>),
    RemovePrefix(Vec<u8>, u16),
    RemoveRule(TernaryRule),
    Clear,
}

impl Edit {
    fn make(&self, state: &mut State, name: &str) -> Result<bool, StateError> {
        match self {
            Edit::Insert(key, value) => state.insert(name, key, value).map(|()| true),
            Edit::InsertPrefix(address, bits, value) => {
                let done = state.insert_prefix(name, address, *bits, value);
                done.map(|()| true)
            }
            Edit::InsertRule(rule) => state.insert_rule(name, rule.clone()).map(|()| true),
            Edit::Remove(key) => state.remove(name, key),
            Edit::RemovePrefix(address, bits) => state.remove_prefix(name, address, *bits),
            Edit::RemoveRule(rule) => state.remove_rule(name, rule),
            Edit::Clear => state.clear(name).map(|()| true),
        }
    }
}

/// Edits that become visible together.
#[derive(Debug)]
pub struct Edits<'a> {
    writer: &'a mut Writer,
}

impl Control {
    /// A controller of these resources, all empty.
    ///
    /// # Errors
    ///
    /// As [`State::declare`].
    pub fn new(resources: &[Resource]) -> Result<Control, StateError> {
        Ok(Control::over(State::new(resources)?))
    }

    /// A controller of tables that were filled before. Workers begin with what the state has of flows,
    /// slots, registers and counts.
    pub fn over(mut state: State) -> Control {
        state.settle();
        let published = Published {
            version: 0,
            tables: state.filled(),
        };
        Control(Arc::new(Shared {
            current: Arc::new(Current {
                published: ArcSwap::from_pointee(published),
                version: AtomicU64::new(0),
            }),
            writer: Mutex::new(Writer {
                state,
                touched: BTreeMap::new(),
                spare: BTreeMap::new(),
                version: 0,
                copies: 0,
                counts: Vec::new(),
            }),
        }))
    }

    /// A state for one more worker: with these tables, and with flows, slots, registers, counters and
    /// meters of its own, all memory for them taken.
    pub fn worker(&self) -> State {
        let mut writer = self.writer();
        // What is published stays shared, and the rest is empty in the controller's state.
        let mut state = writer.state.clone();
        state.follow(Reader::new(&self.0.current));
        state.reserve();
        let cells = |store: &Store| match store {
            Store::Counters(counters) => Some(counters.cells()),
            _ => None,
        };
        writer.counts.push(state.stores.iter().map(cells).collect());
        state
    }

    /// Makes edits that workers see together, each from its next run on. When `edits` fails, nothing
    /// is changed. Other controllers wait meanwhile, and workers do not.
    ///
    /// # Errors
    ///
    /// Those of `edits`.
    pub fn edit<T, E>(&self, edits: impl FnOnce(&mut Edits<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut writer = self.writer();
        let answer = edits(&mut Edits {
            writer: &mut writer,
        })?;
        writer.publish(&self.0.current);
        Ok(answer)
    }

    /// The tables as they are published now, to be read.
    pub fn with_tables<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.writer().state)
    }

    /// How often something was published.
    pub fn version(&self) -> u64 {
        self.0.current.published.load().version
    }

    /// How often a table had to be copied because a worker stood still on the old one.
    pub fn copies(&self) -> u64 {
        self.writer().copies
    }

    /// A counter, summed over all workers there ever were, while they count.
    ///
    /// # Errors
    ///
    /// [`StateError::NoSuchResource`], [`StateError::Kind`], [`StateError::Index`].
    pub fn counter(&self, name: &str, index: u32) -> Result<Count, StateError> {
        let writer = self.writer();
        writer.state.counter(name, index)?;
        let at = writer.state.at(name)?;
        let cells = writer
            .counts
            .iter()
            .filter_map(|worker| worker.get(at)?.as_ref());
        Ok(cells.fold(Count::default(), |sum, cells| sum.plus(cells.get(index))))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Edits that failed or panicked were not published.
        writer.roll_back();
        writer
    }
}

impl Writer {
    /// Shows workers the tables that were touched, and keeps what they had for the next edits.
    fn publish(&mut self, current: &Current) {
        if self.touched.is_empty() {
            return;
        }
        self.version += 1;
        for &at in self.touched.keys() {
            if let Some(table) = self.state.stores[at].filled_mut() {
                table.settle();
            }
        }
        self.state.run.unsettled = false;
        current.published.store(Arc::new(Published {
            version: self.version,
            tables: self.state.filled(),
        }));
        // Who reads the new number finds at least these tables.
        current.version.store(self.version, Ordering::Release);
        for (at, (table, lacks)) in std::mem::take(&mut self.touched) {
            self.spare.insert(at, Spare { table, lacks });
        }
    }

    /// Takes back what was not published.
    fn roll_back(&mut self) {
        for (at, (published, edits)) in std::mem::take(&mut self.touched) {
            let tried = std::mem::replace(&mut self.state.stores[at], Store::Filled(published));
            // A copy that was only brought up to date is good for the next edit.
            if let (Store::Filled(table), true) = (tried, edits.is_empty()) {
                let lacks = Vec::new();
                self.spare.insert(at, Spare { table, lacks });
            }
        }
    }

    /// The copy of a table that may be edited, as far as the published one.
    fn spare(&mut self, at: usize, name: &str, published: &Arc<Filled>) -> Result<(), StateError> {
        let spare = self.spare.remove(&at);
        let Some(Spare { table, lacks }) = spare.and_then(Spare::left) else {
            self.copies += 1;
            self.state.stores[at] = Store::Filled(Arc::new(Filled::clone(published)));
            return Ok(());
        };
        self.state.stores[at] = Store::Filled(table);
        for edit in lacks {
            edit.make(&mut self.state, name)?;
        }
        Ok(())
    }
}

impl Spare {
    /// The copy, when all workers have left it.
    fn left(mut self) -> Option<Spare> {
        for _ in 0..LOOKS {
            if Arc::get_mut(&mut self.table).is_some() {
                return Some(self);
            }
            std::thread::yield_now();
        }
        None
    }
}

impl Edits<'_> {
    /// As [`State::insert`], of tables, sets, tags and rings.
    ///
    /// # Errors
    ///
    /// As [`State::insert`].
    pub fn insert(&mut self, name: &str, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        let edit = Edit::Insert(key.to_vec(), value.to_vec());
        self.make(name, edit).map(drop)
    }

    /// As [`State::insert_prefix`].
    ///
    /// # Errors
    ///
    /// As [`State::insert_prefix`].
    pub fn insert_prefix(
        &mut self,
        name: &str,
        address: &[u8],
        bits: u16,
        value: &[u8],
    ) -> Result<(), StateError> {
        let edit = Edit::InsertPrefix(address.to_vec(), bits, value.to_vec());
        self.make(name, edit).map(drop)
    }

    /// As [`State::insert_rule`].
    ///
    /// # Errors
    ///
    /// As [`State::insert_rule`].
    pub fn insert_rule(&mut self, name: &str, rule: TernaryRule) -> Result<(), StateError> {
        self.make(name, Edit::InsertRule(rule)).map(drop)
    }

    /// As [`State::remove`], of tables, sets, tags and rings.
    ///
    /// # Errors
    ///
    /// As [`State::remove`].
    pub fn remove(&mut self, name: &str, key: &[u8]) -> Result<bool, StateError> {
        self.make(name, Edit::Remove(key.to_vec()))
    }

    /// As [`State::remove_prefix`].
    ///
    /// # Errors
    ///
    /// As [`State::remove_prefix`].
    pub fn remove_prefix(
        &mut self,
        name: &str,
        address: &[u8],
        bits: u16,
    ) -> Result<bool, StateError> {
        self.make(name, Edit::RemovePrefix(address.to_vec(), bits))
    }

    /// As [`State::remove_rule`].
    ///
    /// # Errors
    ///
    /// As [`State::remove_rule`].
    pub fn remove_rule(&mut self, name: &str, rule: TernaryRule) -> Result<bool, StateError> {
        self.make(name, Edit::RemoveRule(rule))
    }

    /// Takes everything out of a table.
    ///
    /// # Errors
    ///
    /// As [`State::clear`].
    pub fn clear(&mut self, name: &str) -> Result<(), StateError> {
        self.make(name, Edit::Clear).map(drop)
    }

    /// The tables with the edits so far, to be read.
    pub fn tables(&self) -> &State {
        &self.writer.state
    }

    fn make(&mut self, name: &str, edit: Edit) -> Result<bool, StateError> {
        let writer = &mut *self.writer;
        let at = writer.state.at(name)?;
        // What packets write is each worker's own.
        let Store::Filled(published) = &writer.state.stores[at] else {
            return Err(writer.state.kind(at));
        };
        if !writer.touched.contains_key(&at) {
            let published = Arc::clone(published);
            writer.spare(at, name, &published)?;
            writer.touched.insert(at, (published, Vec::new()));
        }
        let done = edit.make(&mut writer.state, name)?;
        if let Some((_, edits)) = writer.touched.get_mut(&at) {
            edits.push(edit);
        }
        Ok(done)
    }
}

/// A worker's view of what is published.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    current: Arc<Current>,
    /// What was read last; none at first.
    version: Option<u64>,
}

impl Reader {
    fn new(current: &Arc<Current>) -> Reader {
        Reader {
            current: Arc::clone(current),
            version: None,
        }
    }

    /// Whether the tables are those that were read last. Costs one load.
    #[inline(always)]
    pub(crate) fn is_current(&self) -> bool {
        self.version == Some(self.current.version.load(Ordering::Acquire))
    }

    /// The tables, if they are others than before.
    pub(crate) fn news(&mut self) -> Option<Arc<Published>> {
        if self.is_current() {
            return None;
        }
        let published = self.current.published.load_full();
        self.version = Some(published.version);
        Some(published)
    }
}
