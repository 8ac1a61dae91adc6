//! Where the state of an instance is: with the instance, or with others.
//!
//! In: a state. Out: the state while no run works on it. Guaranteed: an instance's own is reached without a
//! lock.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::{SharedState, State};

/// Where the state of an instance is.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// With the instance: no run takes a lock.
    Own(Box<State>),
    /// With others, one run at a time.
    Shared(SharedState),
}

/// The state of an instance, while no instance on it runs.
#[derive(Debug)]
pub struct StateGuard<'a>(Held<'a>);

#[derive(Debug)]
enum Held<'a> {
    Own(&'a mut State),
    Locked(MutexGuard<'a, State>),
}

impl Home {
    /// The state, for one run or for the embedding program.
    #[inline]
    pub(crate) fn hold(&mut self) -> StateGuard<'_> {
        StateGuard(match self {
            Home::Own(state) => Held::Own(state),
            Home::Shared(state) => Held::Locked(state.lock()),
        })
    }
}

impl Deref for StateGuard<'_> {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        match &self.0 {
            Held::Own(state) => state,
            Held::Locked(state) => state,
        }
    }
}

impl DerefMut for StateGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        match &mut self.0 {
            Held::Own(state) => state,
            Held::Locked(state) => state,
        }
    }
}
