//! Where lookups of host code begin: the tables behind the imports of an image, found once and not for each packet.
//!
//! In: the places of the image's resources in a state, and the stores of the state. Out: for each import the table that only a
//! controller fills, or the place of counters by key. Guaranteed: what is found is what the stores have, as long as they are not edited: each run asks first
//! whether they were, by their stamp.

use std::mem::offset_of;
use std::ptr;

use crate::state::{Stamp, Stores};
use crate::tables::{Aged, Arrays, Filled, HashedKeys, Lpm, Store};

/// The tables behind the imports of an image.
#[derive(Debug)]
pub(crate) struct Roots {
    tables: Vec<Root>,
    /// Where the chunks of cells begin of the tables of keys among them, one after the other.
    chunks: Vec<*const u8>,
    /// That of the stores that have them.
    stamp: Stamp,
}

/// Where lookups of an import begin.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Root {
    table: Table,
    /// Of larger tables of IPv4; null where there are none.
    arrays: Arrays,
    /// Where the value of the leaf 0 would stand, and the bytes of each.
    values: *const u8,
    value_bytes: usize,
    /// Of tables of keys; without buckets where there is none.
    keys: HashedKeys,
    /// How many chunks of cells those have.
    chunks: usize,
}

/// A table, or none that lookups begin at.
#[derive(Clone, Copy, Debug)]
enum Table {
    Nothing,
    Exact(*const Aged),
    Lpm(*const Lpm),
    /// Counters by key, which packets write: their place among the stores.
    Counters(u32),
}

// SAFETY: the addresses are followed in runs alone, each of which has the stores whose stamp was found here; threads share what
// stands there in any case.
unsafe impl Send for Roots {}

// SAFETY: as above.
unsafe impl Sync for Roots {}

impl Roots {
    /// Those of so many imports, to be found.
    pub(crate) fn new(imports: usize) -> Roots {
        Roots {
            tables: Vec::with_capacity(imports),
            chunks: Vec::new(),
            stamp: Stamp::default(),
        }
    }

    /// Finds the tables at these places, if the stores are not those of the time before, or were edited since.
    pub(crate) fn follow(&mut self, places: &[u32], stores: &Stores) {
        if !self.are_of(stores) {
            self.find(places, stores);
        }
    }

    /// Whether these stores are those of the time before, and were not edited since.
    #[inline(always)]
    pub(crate) fn are_of(&self, stores: &Stores) -> bool {
        self.stamp == *stores.stamp()
    }

    #[cold]
    fn find(&mut self, places: &[u32], stores: &Stores) {
        let Roots { tables, chunks, .. } = self;
        tables.clear();
        chunks.clear();
        let table = |&place: &u32| match stores.get(place as usize) {
            Some(Store::KeyedCounters(_)) => Root::of(Table::Counters(place)),
            Some(Store::Filled(filled)) => match &**filled {
                Filled::Exact(table) => Root::of_keys(table, chunks),
                Filled::Lpm(table) => Root::of_prefixes(table),
                _ => Root::of(Table::Nothing),
            },
            _ => Root::of(Table::Nothing),
        };
        tables.extend(places.iter().map(table));
        let mut rest = chunks.as_slice();
        for root in tables {
            root.keys.chunks = rest.as_ptr();
            rest = rest.get(root.chunks..).unwrap_or_default();
        }
        self.stamp = stores.stamp().clone();
    }

    /// The first of them.
    #[inline(always)]
    pub(super) fn start(&self) -> *const Root {
        self.tables.as_ptr()
    }

    /// The import that one of them is of.
    pub(super) fn import(&self, root: *const Root) -> usize {
        (root.addr() - self.start().addr()) / size_of::<Root>()
    }
}

/// A copy finds its tables anew: what it has of chunks is its own.
impl Clone for Roots {
    fn clone(&self) -> Roots {
        Roots::new(self.tables.len())
    }
}

impl Root {
    pub(super) const SHORT: i32 = Root::array(offset_of!(Arrays, short));
    pub(super) const SHORT_FOUND: i32 = Root::array(offset_of!(Arrays, short_found));
    pub(super) const FLAT: i32 = Root::array(offset_of!(Arrays, flat));
    pub(super) const NODES: i32 = Root::array(offset_of!(Arrays, nodes));
    pub(super) const RUNS: i32 = Root::array(offset_of!(Arrays, runs));
    pub(super) const VALUES: i32 = offset_of!(Root, values) as i32;
    pub(super) const VALUE_BYTES: i32 = offset_of!(Root, value_bytes) as i32;

    pub(super) const FIRST_SECRET: i32 = Root::key(offset_of!(HashedKeys, secrets));
    pub(super) const SECOND_SECRET: i32 = Root::FIRST_SECRET + 8;
    pub(super) const BUCKETS: i32 = Root::key(offset_of!(HashedKeys, buckets));
    pub(super) const SHIFT: i32 = Root::key(offset_of!(HashedKeys, shift));
    pub(super) const CHUNKS: i32 = Root::key(offset_of!(HashedKeys, chunks));
    pub(super) const CHUNK_SHIFT: i32 = Root::key(offset_of!(HashedKeys, chunk_shift));
    pub(super) const CHUNK_MASK: i32 = Root::key(offset_of!(HashedKeys, chunk_mask));
    pub(super) const CELL_BYTES: i32 = Root::key(offset_of!(HashedKeys, cell_bytes));

    const fn key(at: usize) -> i32 {
        (offset_of!(Root, keys) + at) as i32
    }

    const fn array(at: usize) -> i32 {
        (offset_of!(Root, arrays) + at) as i32
    }

    /// A table that host code asks functions for.
    fn of(table: Table) -> Root {
        Root {
            table,
            arrays: Arrays {
                short: ptr::null(),
                flat: ptr::null(),
                short_found: ptr::null(),
                nodes: ptr::null(),
                runs: ptr::null(),
            },
            values: ptr::null(),
            value_bytes: 0,
            keys: HashedKeys {
                secrets: [0; 2],
                buckets: ptr::null(),
                shift: 0,
                chunks: ptr::null(),
                chunk_shift: 0,
                chunk_mask: 0,
                cell_bytes: 0,
            },
            chunks: 0,
        }
    }

    /// A table of keys, whose chunks come behind those of others.
    fn of_keys(table: &Aged, chunks: &mut Vec<*const u8>) -> Root {
        let ((keys, begin), before) = (table.keys(), chunks.len());
        chunks.extend(begin);
        Root {
            keys,
            chunks: chunks.len() - before,
            ..Root::of(Table::Exact(ptr::from_ref(table)))
        }
    }

    fn of_prefixes(table: &Lpm) -> Root {
        let root = Root::of(Table::Lpm(ptr::from_ref(table)));
        match table.arrays() {
            Some((arrays, values, value_bytes)) => Root {
                arrays,
                values,
                value_bytes,
                ..root
            },
            None => root,
        }
    }

    /// The table of exact keys that it is.
    ///
    /// # Safety
    ///
    /// The stores were [followed](Roots::follow), and are not edited while the answer is in use.
    #[inline(always)]
    pub(super) unsafe fn exact<'t>(self) -> Option<&'t Aged> {
        match self.table {
            // SAFETY: the table stands there, on the heap, since the stores share it and were not edited; who shares it reads it too.
            Table::Exact(table) => Some(unsafe { &*table }),
            _ => None,
        }
    }

    /// The prefixes that it is.
    ///
    /// # Safety
    ///
    /// As of [`Root::exact`].
    #[inline(always)]
    pub(super) unsafe fn lpm<'t>(self) -> Option<&'t Lpm> {
        match self.table {
            // SAFETY: as above.
            Table::Lpm(table) => Some(unsafe { &*table }),
            _ => None,
        }
    }

    /// The place of the counters by key that it is.
    #[inline(always)]
    pub(super) fn counters(self) -> Option<u32> {
        match self.table {
            Table::Counters(place) => Some(place),
            _ => None,
        }
    }
}
