//! The stores of a state, and a stamp that tells whether they are where they were.
//!
//! In: stores that are added, edited and replaced. Out: the same, and a [`Stamp`]. Guaranteed: while the stamp of some stores is
//! the same they are the same stores, and each table that only the controller fills stands where it stood; no two stamps that
//! differ in this are equal, not even those of two states.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::tables::Store;

/// What changes with each edit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// One that no stores have.
    #[cfg(feature = "jit")]
    pub(crate) const NONE: Stamp = Stamp(0);

    /// One that nobody had.
    fn new() -> Stamp {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Stamp(NEXT.fetch_add(1, Relaxed))
    }
}

/// Stores by their places. Whoever gets them to be changed, changes the stamp.
#[derive(Debug)]
pub(crate) struct Stores {
    all: Vec<Store>,
    stamp: Stamp,
}

impl Stores {
    /// The stamp.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// A store, for a run that writes what packets write, and replaces neither it nor its table.
    #[inline]
    pub(crate) fn in_run(&mut self, at: usize) -> Option<&mut Store> {
        self.all.get_mut(at)
    }
}

impl Default for Stores {
    fn default() -> Stores {
        Stores {
            all: Vec::new(),
            stamp: Stamp::new(),
        }
    }
}

impl Clone for Stores {
    fn clone(&self) -> Stores {
        Stores {
            all: self.all.clone(),
            stamp: Stamp::new(),
        }
    }
}

impl PartialEq for Stores {
    fn eq(&self, other: &Stores) -> bool {
        self.all == other.all
    }
}

impl Eq for Stores {}

impl Deref for Stores {
    type Target = Vec<Store>;

    #[inline]
    fn deref(&self) -> &Vec<Store> {
        &self.all
    }
}

impl DerefMut for Stores {
    fn deref_mut(&mut self) -> &mut Vec<Store> {
        self.stamp = Stamp::new();
        &mut self.all
    }
}
