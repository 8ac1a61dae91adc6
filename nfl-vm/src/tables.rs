//! Resident state: one store for each resource of an image.
//!
//! In: a resource's declaration, and operations with raw bytes. Out: values and counts. Guaranteed:
//! a store never holds more than its capacity; what it answers depends on the operations and the
//! times given with them alone; lists come in a fixed order.

mod aged;
mod counter;
mod lpm;
mod meter;
mod register;
mod ring;
mod slots;
mod ternary;

use nfl_abi::image::{Resource, ResourceKind};

pub(crate) use aged::{Aged, Ageing};
pub use counter::Count;
pub(crate) use counter::{Counters, KeyedCounters};
pub(crate) use lpm::Lpm;
pub(crate) use meter::Meter;
pub use meter::{Colour, Rates};
pub(crate) use register::Registers;
pub(crate) use ring::Ring;
pub(crate) use slots::Slots;
pub(crate) use ternary::{PART_MAX, Ternary};
pub use ternary::{Part, TernaryRule};

/// The state of one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    /// Exact match; sets have empty values, and tables that packets do not write do not age.
    Exact(Aged),
    /// Longest prefix match.
    Lpm(Lpm),
    /// First match by priority.
    Ternary(Ternary),
    /// Members by consistent hash.
    Ring(Ring),
    /// Numbered entries.
    Slots(Slots),
    /// Values that packets read and write in place.
    Registers(Registers),
    /// Packets and bytes by index.
    Counters(Counters),
    /// Packets and bytes by key.
    KeyedCounters(KeyedCounters),
    /// Token buckets by key.
    Meter(Meter),
    /// Nothing is kept here: reports leave at once.
    Report,
}

impl Store {
    /// An empty store for a resource.
    pub(crate) fn new(resource: &Resource) -> Store {
        let &Resource {
            kind,
            value_bytes,
            capacity,
            idle_ns,
            first,
            ..
        } = resource;
        let ageing = Ageing { capacity, idle_ns };
        let lasting = Ageing {
            capacity,
            idle_ns: 0,
        };
        match kind {
            ResourceKind::Table | ResourceKind::Set | ResourceKind::Tags => {
                Store::Exact(Aged::new(lasting))
            }
            ResourceKind::FlowTable
            | ResourceKind::FlowSet
            | ResourceKind::FlowState
            | ResourceKind::Topic => Store::Exact(Aged::new(ageing)),
            ResourceKind::Lpm => Store::Lpm(Lpm::new(capacity)),
            ResourceKind::Ternary => Store::Ternary(Ternary::new(capacity)),
            ResourceKind::Ring => Store::Ring(Ring::new(capacity)),
            ResourceKind::Slots => Store::Slots(Slots::new(first, ageing)),
            ResourceKind::Register => Store::Registers(Registers::new(value_bytes, capacity)),
            ResourceKind::Counter => Store::Counters(Counters::new(capacity)),
            ResourceKind::Counters => Store::KeyedCounters(KeyedCounters::new(ageing)),
            ResourceKind::Meter => Store::Meter(Meter::new(capacity)),
            ResourceKind::Report => Store::Report,
        }
    }
}
