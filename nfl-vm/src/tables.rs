//! Resident state: one store for each resource of an image.
//!
//! In: a resource's declaration, and operations with raw bytes. Out: values and counts. Guaranteed:
//! a store never holds more than its capacity; what it answers depends on the operations and the
//! times given with them alone; lists come in a fixed order.

mod aged;
mod counter;
pub(crate) mod index;
mod lowest;
mod lpm;
mod meter;
mod pages;
mod records;
mod register;
mod ring;
mod rules;
mod saved;
mod slots;
mod ternary;
mod uses;

use std::sync::Arc;

use nfl_abi::image::{Resource, ResourceKind};

use crate::flow::FLOW_KEY_BYTES;

#[cfg(feature = "jit")]
pub(crate) use aged::HashedKeys;
pub(crate) use aged::{Aged, Ageing};
pub use counter::Count;
pub(crate) use counter::{CountCells, Counters, KeyedCounters};
pub(crate) use index::Sought;
#[cfg(feature = "jit")]
pub(crate) use index::Words;
pub(crate) use lpm::Lpm;
#[cfg(feature = "jit")]
pub(crate) use lpm::{Arrays, trie as prefixes};
pub(crate) use meter::Meter;
pub use meter::{Colour, Rates};
pub(crate) use register::Registers;
pub(crate) use ring::Ring;
pub(crate) use slots::Slots;
pub(crate) use ternary::Ternary;
pub use ternary::{Part, TernaryRule};

/// The bytes of a key, and of its value.
pub(crate) type KeyAndValue<'a> = (&'a [u8], &'a [u8]);

/// When an operation happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// The node's clock, in nanoseconds.
    pub(crate) ns: u64,
    /// The run. What is found in a run stays where it is until the next begins.
    pub(crate) run: u64,
}

/// Bytes of the keys of topics: the numbers of ports.
pub(crate) const PORT_BYTES: usize = 2;

/// The state of one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    /// What only the controller fills. Copies share it until one is edited.
    Filled(Arc<Filled>),
    /// Exact match that packets write.
    Exact(Aged),
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

/// A table that packets only read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "each stands on the heap, where a box would be one more step of every lookup"
)]
pub(crate) enum Filled {
    /// Exact match without ages; sets have empty values.
    Exact(Aged),
    /// Longest prefix match.
    Lpm(Lpm),
    /// First match by priority.
    Ternary(Ternary),
    /// Members by consistent hash.
    Ring(Ring),
}

impl Filled {
    /// What a lookup with this key finds: empty for members of sets and rings.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        match self {
            Filled::Exact(table) => table.peek(key, 0),
            Filled::Lpm(lpm) => lpm.get(key),
            Filled::Ternary(ternary) => ternary.get(key),
            Filled::Ring(ring) => ring.contains(key).then_some(&[]),
        }
    }

    /// Whether lookups are prepared.
    pub(crate) fn is_settled(&self) -> bool {
        match self {
            Filled::Ternary(ternary) => ternary.is_settled(),
            _ => true,
        }
    }

    /// Prepares lookups after edits, as far as there is something to prepare.
    pub(crate) fn settle(&mut self) {
        if let Filled::Ternary(ternary) = self {
            ternary.settle();
        }
    }

    /// The member of a ring for a word.
    pub(crate) fn pick(&self, word: u32) -> Option<u32> {
        match self {
            Filled::Ring(ring) => ring.find(word),
            _ => None,
        }
    }

    /// The bytes of what a lookup found.
    #[inline]
    fn value(&self, at: u32) -> &[u8] {
        match self {
            Filled::Exact(table) => table.value(at),
            Filled::Lpm(lpm) => lpm.value(at),
            Filled::Ternary(ternary) => ternary.value(at),
            Filled::Ring(ring) => ring.value(at),
        }
    }
}

impl Store {
    /// An empty store for a resource.
    pub(crate) fn new(resource: &Resource) -> Store {
        let &Resource {
            kind,
            key_bytes,
            value_bytes,
            capacity,
            idle_ns,
            first,
            flow_key,
            ..
        } = resource;
        let ageing = Ageing { capacity, idle_ns };
        let lasting = Ageing {
            capacity,
            idle_ns: 0,
        };
        let key = match flow_key {
            true => FLOW_KEY_BYTES,
            false => usize::from(key_bytes),
        };
        let value = usize::from(value_bytes);
        let filled = |table| Store::Filled(Arc::new(table));
        match kind {
            ResourceKind::Table | ResourceKind::Set | ResourceKind::Tags => {
                filled(Filled::Exact(Aged::new(lasting, key, value)))
            }
            ResourceKind::FlowTable | ResourceKind::FlowSet | ResourceKind::FlowState => {
                Store::Exact(Aged::new(ageing, key, value))
            }
            ResourceKind::Topic => Store::Exact(Aged::new(ageing, PORT_BYTES, 0)),
            ResourceKind::Lpm => filled(Filled::Lpm(Lpm::new(capacity, key, value))),
            ResourceKind::Ternary => filled(Filled::Ternary(Ternary::new(capacity, key, value))),
            ResourceKind::Ring => filled(Filled::Ring(Ring::new(capacity, value))),
            ResourceKind::Slots => Store::Slots(Slots::new(first, ageing, value)),
            ResourceKind::Register => Store::Registers(Registers::new(value_bytes, capacity)),
            ResourceKind::Counter => Store::Counters(Counters::new(capacity)),
            ResourceKind::Counters => Store::KeyedCounters(KeyedCounters::new(ageing, key)),
            ResourceKind::Meter => Store::Meter(Meter::new(capacity, key)),
            ResourceKind::Report => Store::Report,
        }
    }

    /// A table that packets only read.
    pub(crate) fn filled(&self) -> Option<&Filled> {
        match self {
            Store::Filled(filled) => Some(filled),
            _ => None,
        }
    }

    /// The same, to be edited; one that is shared is copied first.
    pub(crate) fn filled_mut(&mut self) -> Option<&mut Filled> {
        match self {
            Store::Filled(filled) => Some(Arc::make_mut(filled)),
            _ => None,
        }
    }

    /// Makes room for all that this store may hold, so that no packet has to wait for it.
    pub(crate) fn reserve(&mut self) {
        match self {
            Store::Exact(table) => {
                table.reserve();
            }
            Store::Slots(slots) => slots.reserve(),
            Store::Registers(registers) => registers.reserve(),
            Store::Counters(counters) => counters.reserve(),
            Store::KeyedCounters(counters) => counters.reserve(),
            Store::Meter(meter) => meter.reserve(),
            Store::Filled(_) | Store::Report => {}
        }
    }

    /// The bytes of what a lookup found.
    #[inline]
    pub(crate) fn value(&self, at: u32) -> &[u8] {
        match self {
            Store::Filled(filled) => filled.value(at),
            Store::Exact(table) => table.value(at),
            Store::Slots(slots) => slots.value(at),
            _ => &[],
        }
    }
}
