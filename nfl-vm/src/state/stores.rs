//! The stores of a state, and a stamp that tells whether they are where they were.
//!
//! In: stores that are added, edited and replaced. Out: the same, and a [`Stamp`]. Guaranteed: while the stamp of some stores is
//! the same they are the same stores, and each table that only the controller fills stands where it stood; a stamp that someone
//! keeps is never that of other stores, not even of another state.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::tables::Store;

/// What changes with each edit: a place in memory, which is nobody else's as long as someone keeps the stamp.
#[derive(Clone, Default, Debug)]
pub(crate) struct Stamp(Arc<()>);

impl PartialEq for Stamp {
    #[inline]
    fn eq(&self, other: &Stamp) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Stamp {}

impl Stamp {
    /// Is another one from now on than anyone has kept.
    fn renew(&mut self) {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = Stamp::default();
        }
    }
}

/// Stores by their places. Whoever gets them to be changed, changes the stamp.
#[derive(Default, Debug)]
pub(crate) struct Stores {
    all: Vec<Store>,
    stamp: Stamp,
}

impl Stores {
    /// The stamp.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// A store, for a run that writes what packets write, and replaces neither it nor its table.
    #[inline]
    pub(crate) fn in_run(&mut self, at: usize) -> Option<&mut Store> {
        self.all.get_mut(at)
    }
}

impl Clone for Stores {
    fn clone(&self) -> Stores {
        Stores {
            all: self.all.clone(),
            stamp: Stamp::default(),
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
        self.stamp.renew();
        &mut self.all
    }
}
