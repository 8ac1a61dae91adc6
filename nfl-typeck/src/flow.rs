//! What is known at a point of a body.
//!
//! In: the steps of the checker. Out: [`State`], joined where paths meet. The idea: a state only
//! holds what may be wrong (variables without a value, views that are over, a store that was made)
//! joined by union, and what is surely right (what was matched), joined by intersection. The state
//! behind a jump is vacuous: it joins as if it were not there (JLS 16, "V is assigned after `true`
//! when false").

use crate::tables::{HeaderId, LocalId, OneOfId};
use nfl_syntax::{Name, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What a layer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Which {
    /// This header.
    One(HeaderId),
    /// A header of this sealed interface.
    OneOf(OneOfId),
}

/// One layer of a chain of headers: what it is, and whether it may be absent.
pub(crate) type Layered = (Which, bool);

/// Why a view is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    /// The place that ends it.
    pub(crate) span: Span,
    /// What happens there.
    pub(crate) why: Why,
}

/// What ends a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// A field of this header is assigned.
    Field(HeaderId),
    /// The packet is resized, for the body's so many-th time.
    Resized(usize),
}

/// What is known at a point.
#[derive(Clone, Default, Debug)]
pub(crate) struct State {
    /// No path leads here.
    pub(crate) vacuous: bool,
    /// Variables without a value on some path.
    pub(crate) unassigned: BTreeSet<LocalId>,
    /// `final` variables that have a value on some path.
    pub(crate) assigned: BTreeSet<LocalId>,
    /// Views that are over on some path.
    pub(crate) ended: BTreeMap<LocalId, Ended>,
    /// Views whose pattern matched on every path.
    pub(crate) matched: BTreeSet<LocalId>,
    /// Chains of headers, from the packet on, that matched on every path.
    pub(crate) proven: BTreeSet<Vec<Layered>>,
    /// A store to the packet on some path.
    pub(crate) stored: Option<Span>,
    /// The packet was resized on some path.
    pub(crate) resized: bool,
}

impl State {
    /// The state where two paths meet.
    pub(crate) fn join(mut self, other: State) -> State {
        if self.vacuous {
            return other;
        }
        if other.vacuous {
            return self;
        }
        self.unassigned.extend(other.unassigned);
        self.assigned.extend(other.assigned);
        for (view, why) in other.ended {
            self.ended.entry(view).or_insert(why);
        }
        self.matched.retain(|view| other.matched.contains(view));
        self.proven.retain(|chain| other.proven.contains(chain));
        self.stored = self.stored.or(other.stored);
        self.resized |= other.resized;
        self
    }

    /// The same point of a loop, in any round and not only the first: what a round may spoil is
    /// spoilt. `entry` is the state in front of the loop, `back` the one where it begins anew. That a
    /// round assigns variables does not count, as in Java.
    pub(crate) fn in_any_round(mut self, entry: &State, back: &State) -> State {
        if self.vacuous || back.vacuous {
            return self;
        }
        for (&view, &why) in &back.ended {
            self.ended.entry(view).or_insert(why);
        }
        self.assigned.extend(back.assigned.iter().copied());
        self.matched
            .retain(|view| back.matched.contains(view) || !entry.matched.contains(view));
        self.proven
            .retain(|chain| back.proven.contains(chain) || !entry.proven.contains(chain));
        self.stored = self.stored.or(back.stored);
        self.resized |= back.resized;
        self
    }

    /// The state that no path reaches.
    pub(crate) fn unreachable(&self) -> State {
        State {
            vacuous: true,
            ..self.clone()
        }
    }
}

/// What a condition leaves behind.
#[derive(Clone, Default, Debug)]
pub(crate) struct Cond {
    /// The state where it is true.
    pub(crate) yes: State,
    /// The state where it is false.
    pub(crate) no: State,
    /// What it binds when true.
    pub(crate) binds_yes: Vec<(Name, LocalId)>,
    /// What it binds when false.
    pub(crate) binds_no: Vec<(Name, LocalId)>,
}

/// A loop around the present point.
#[derive(Clone, Default, Debug)]
pub(crate) struct LoopFrame {
    /// States at `break`.
    pub(crate) breaks: Vec<State>,
    /// States at `continue`.
    pub(crate) continues: Vec<State>,
    /// Variables declared so far when the loop began.
    pub(crate) locals_before: usize,
    /// Patterns and calls that may find the packet malformed, with the chain that a pattern asks for.
    pub(crate) matches: Vec<(Span, Option<Vec<Layered>>)>,
    /// Uses of views from outside the loop.
    pub(crate) view_uses: Vec<(LocalId, Span)>,
}

impl LoopFrame {
    /// What is known behind the loop, which is left at `end` and at each `break`.
    pub(crate) fn end(self, end: State, entry: &State, back: &State) -> State {
        self.breaks
            .into_iter()
            .map(|state| state.in_any_round(entry, back))
            .fold(end, State::join)
    }
}
