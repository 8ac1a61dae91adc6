//! Every store that packets write against a model that is too simple to be wrong, over long runs of chance.
//!
//! `NFL_TABLE_OPS` is the number of operations on each; without it there are a few thousand.

use std::collections::BTreeMap;

use nfl_abi::host::Host as _;
use nfl_abi::image::{Resource, ResourceKind};
use nfl_vm::{Count, Rates, Services, State};

use common::{Chance, Node, PACKET_BYTES, call, operations, resource};

#[path = "common/state.rs"]
#[expect(dead_code, reason = "tests of tables use the rest")]
mod common;

const IDLE_NS: u64 = 100;

/// Those of flow tables and slots: full at once, soon, and now and then.
const CAPACITIES: [u32; 3] = [1, 4, 50];

/// Operations in a run at most.
const AT_ONCE: u64 = 20;

/// All operations on a node, some in each run, and some time between runs; `check` sees the state now and then.
fn operate(
    node: &mut Node,
    later_ns: u64,
    mut operation: impl FnMut(&mut Services<'_>, &mut Chance, u64),
    mut check: impl FnMut(&State),
) {
    let mut chance = Chance(1);
    let mut left = operations();
    while left > 0 {
        let many = (1 + chance.below(AT_ONCE)).min(left);
        left -= many;
        node.state.advance(chance.below(later_ns));
        let now_ns = node.state.clock_ns();
        node.run(|services| {
            for _ in 0..many {
                operation(services, &mut chance, now_ns);
            }
        });
        if left.is_multiple_of(64) {
            check(&node.state);
        }
    }
    check(&node.state);
    assert_eq!(node.state.clone(), node.state);
}

/// Entries with the times of their last use.
struct Model<V> {
    entries: BTreeMap<u32, (V, u64)>,
    capacity: usize,
}

impl<V> Model<V> {
    fn new(capacity: u32) -> Model<V> {
        Model {
            entries: BTreeMap::new(),
            capacity: capacity as usize,
        }
    }

    /// What is live under a key, used now.
    fn touch(&mut self, key: u32, now_ns: u64) -> Option<&mut V> {
        self.forget(now_ns);
        let (value, used_ns) = self.entries.get_mut(&key)?;
        *used_ns = now_ns;
        Some(value)
    }

    fn put(&mut self, key: u32, value: V, now_ns: u64) -> bool {
        self.forget(now_ns);
        let room = self.entries.contains_key(&key) || self.entries.len() < self.capacity;
        if room {
            self.entries.insert(key, (value, now_ns));
        }
        room
    }

    fn forget(&mut self, now_ns: u64) {
        let lives = |_: &u32, entry: &mut (V, u64)| now_ns - entry.1 < IDLE_NS;
        self.entries.retain(lives);
    }
}

#[test]
fn a_flow_table_forgets_what_is_idle_and_nothing_else() {
    CAPACITIES.into_iter().for_each(flows);
}

fn flows(capacity: u32) {
    let table = Resource {
        idle_ns: IDLE_NS,
        ..resource(ResourceKind::FlowTable, 4, 4, capacity)
    };
    let services = ["flow.get", "flow.put", "flow.touch", "flow.remove"];
    let mut node = Node::new(table, &services);
    let model = std::cell::RefCell::new(Model::new(capacity));
    let operation = |services: &mut Services<'_>, chance: &mut Chance, now_ns: u64| {
        let mut model = model.borrow_mut();
        let key = chance.below(u64::from(capacity) * 2) as u32;
        match chance.below(8) {
            0..=2 => {
                let value = chance.next() as u32;
                let done = call(services, 1, &[key, value])[0] == 1;
                assert_eq!(done, model.put(key, value, now_ns));
            }
            3 => {
                let done = call(services, 2, &[key])[0] == 1;
                assert_eq!(done, model.touch(key, now_ns).is_some());
            }
            4 => {
                let done = call(services, 3, &[key])[0] == 1;
                assert_eq!(done, model.touch(key, now_ns).is_some());
                model.entries.remove(&key);
            }
            _ => {
                let [found, _] = call(services, 0, &[key]);
                let expected = model.touch(key, now_ns).map(|value| value.to_le_bytes());
                assert_eq!(services.value(found), expected.as_ref().map(|v| &v[..]));
            }
        }
    };
    let check = |state: &State| {
        let mut model = model.borrow_mut();
        model.forget(state.clock_ns());
        let entry = |(key, (value, _)): (&u32, &(u32, u64))| {
            (key.to_le_bytes().to_vec(), value.to_le_bytes().to_vec())
        };
        let expected: Vec<_> = model.entries.iter().map(entry).collect();
        let mut entries = state.entries("it").expect("a table");
        entries.sort_by_key(|(key, _)| key.iter().rev().copied().collect::<Vec<u8>>());
        assert_eq!(entries, expected);
    };
    operate(&mut node, 8, operation, check);
}

#[test]
fn the_lowest_free_slot_is_taken() {
    CAPACITIES.into_iter().for_each(slots);
}

fn slots(capacity: u32) {
    const FIRST: u32 = 1024;
    let slots = Resource {
        first: FIRST,
        idle_ns: IDLE_NS,
        ..resource(ResourceKind::Slots, 0, 4, capacity)
    };
    let services = ["slot.get", "slot.take", "slot.touch", "slot.remove"];
    let mut node = Node::new(slots, &services);
    let mut model = Model::new(capacity);
    let operation = |services: &mut Services<'_>, chance: &mut Chance, now_ns: u64| {
        let slot = FIRST + chance.below(u64::from(capacity) + 2) as u32;
        match chance.below(8) {
            0..=3 => {
                let value = chance.next() as u32;
                let [done, taken] = call(services, 1, &[value]);
                model.forget(now_ns);
                let mut slots = FIRST..FIRST + capacity;
                let free = slots.find(|slot| !model.entries.contains_key(slot));
                assert_eq!((done == 1).then_some(taken), free);
                assert_eq!(
                    free.is_some_and(|free| model.put(free, value, now_ns)),
                    done == 1
                );
            }
            4 => {
                let done = call(services, 2, &[slot])[0] == 1;
                assert_eq!(done, model.touch(slot, now_ns).is_some());
            }
            5 => {
                let done = call(services, 3, &[slot])[0] == 1;
                assert_eq!(done, model.touch(slot, now_ns).is_some());
                model.entries.remove(&slot);
            }
            _ => {
                let [found, _] = call(services, 0, &[slot]);
                let expected = model.touch(slot, now_ns).map(|value| value.to_le_bytes());
                assert_eq!(services.value(found), expected.as_ref().map(|v| &v[..]));
            }
        }
    };
    operate(&mut node, 8, operation, |_| {});
}

#[test]
fn registers_add_at_their_width() {
    const MANY: u32 = 70;
    for bytes in [1u16, 2, 4, 8] {
        let registers = resource(ResourceKind::Register, 0, bytes, MANY);
        let services = ["register.get", "register.set", "register.add"];
        let mut node = Node::new(registers, &services);
        let mask = u64::MAX >> (64 - u32::from(bytes) * 8);
        let mut model = vec![0u64; MANY as usize];
        let operation = |services: &mut Services<'_>, chance: &mut Chance, _: u64| {
            let index = chance.below(u64::from(MANY) + 2) as u32;
            let number = chance.next();
            let words = [index, number as u32, (number >> 32) as u32];
            let known = model.get_mut(index as usize);
            match chance.below(4) {
                0 => {
                    call(services, 1, &words);
                    known.into_iter().for_each(|known| *known = number & mask);
                }
                1 => {
                    let sum = known.map_or(0, |known| {
                        *known = known.wrapping_add(number) & mask;
                        *known
                    });
                    let [low, high] = call(services, 2, &words);
                    assert_eq!(u64::from(low) | u64::from(high) << 32, sum);
                }
                _ => {
                    let [low, high] = call(services, 0, &[index]);
                    let is = u64::from(low) | u64::from(high) << 32;
                    assert_eq!(is, known.map_or(0, |known| *known));
                }
            }
        };
        operate(&mut node, 2, operation, |_| {});
    }
}

#[test]
fn counters_count_packets_and_bytes() {
    const MANY: u32 = 70;
    let mut node = Node::new(
        resource(ResourceKind::Counter, 0, 0, MANY),
        &["counter.count"],
    );
    let model = std::cell::RefCell::new(vec![0u64; MANY as usize]);
    let operation = |services: &mut Services<'_>, chance: &mut Chance, _: u64| {
        let index = chance.below(u64::from(MANY) + 2) as u32;
        call(services, 0, &[index]);
        let mut model = model.borrow_mut();
        let known = model.get_mut(index as usize);
        known.into_iter().for_each(|packets| *packets += 1);
    };
    let check = |state: &State| {
        for (index, &packets) in (0..).zip(model.borrow().iter()) {
            assert_eq!(state.counter("it", index), Ok(count(packets)));
        }
    };
    operate(&mut node, 2, operation, check);
}

#[test]
fn counters_by_key_forget_what_is_idle() {
    const CAPACITY: u32 = 50;
    let counters = Resource {
        idle_ns: IDLE_NS,
        ..resource(ResourceKind::Counters, 4, 0, CAPACITY)
    };
    let mut node = Node::new(counters, &["counter.count"]);
    let model = std::cell::RefCell::new(Model::new(CAPACITY));
    let operation = |services: &mut Services<'_>, chance: &mut Chance, now_ns: u64| {
        let key = chance.below(80) as u32;
        call(services, 0, &[key]);
        let mut model = model.borrow_mut();
        let packets = model.touch(key, now_ns).copied().unwrap_or(0u64);
        model.put(key, packets + 1, now_ns);
    };
    let check = |state: &State| {
        let mut model = model.borrow_mut();
        model.forget(state.clock_ns());
        for key in 0..80u32 {
            let packets = model.entries.get(&key).map_or(0, |(packets, _)| *packets);
            let counted = state.counter_of("it", &key.to_le_bytes());
            assert_eq!(counted, Ok(count(packets)));
        }
    };
    operate(&mut node, 8, operation, check);
}

/// The packets, all of one length.
fn count(packets: u64) -> Count {
    Count {
        packets,
        bytes: packets * PACKET_BYTES as u64,
    }
}

/// A bucket of two rates, in billionths of a byte.
struct Bucket {
    key: u32,
    committed: u128,
    peak: u128,
    filled_ns: u64,
}

#[test]
fn a_meter_keeps_its_rates_for_each_key() {
    const CAPACITY: u32 = 20;
    /// Buckets among which a new key looks for a full one.
    const LOOKS: usize = 8;
    let rates = Rates {
        committed_bps: 8_000,
        committed_burst: 700,
        peak_bps: 16_000,
        peak_burst: 900,
    };
    let full = [rates.committed_burst, rates.peak_burst].map(|n| u128::from(n) * 1_000_000_000);
    let mut node = Node::new(
        resource(ResourceKind::Meter, 4, 0, CAPACITY),
        &["meter.charge"],
    );
    node.state.set_meter("it", Some(rates)).expect("a meter");
    // Those first that were not charged for longest.
    let mut model: Vec<Bucket> = Vec::new();
    let operation = |services: &mut Services<'_>, chance: &mut Chance, now_ns: u64| {
        let key = chance.below(30) as u32;
        let bytes = chance.below(300) as u32;
        let [colour, _] = call(services, 0, &[key, bytes]);
        let filled = |bucket: &Bucket| {
            let later = u128::from(now_ns - bucket.filled_ns);
            [
                full[0].min(bucket.committed + later * 1_000),
                full[1].min(bucket.peak + later * 2_000),
            ]
        };
        let known = model.iter().position(|bucket| bucket.key == key);
        // What is charged twice at a time keeps its place.
        let place = known.filter(|&at| model[at].filled_ns == now_ns);
        let mut tokens = match known {
            Some(at) => Some(filled(&model.remove(at))),
            None if model.len() < CAPACITY as usize => Some(full),
            None => {
                let gone = model[..LOOKS].iter().position(|b| filled(b) == full);
                gone.map(|at| {
                    model.remove(at);
                    full
                })
            }
        };
        let cost = u128::from(bytes) * 1_000_000_000;
        let expected = match &mut tokens {
            None => 2,
            Some([_, peak]) if *peak < cost => 2,
            Some([committed, peak]) => {
                *peak -= cost;
                let green = *committed >= cost;
                *committed -= if green { cost } else { 0 };
                u32::from(!green)
            }
        };
        assert_eq!(colour, expected);
        if let Some([committed, peak]) = tokens {
            let bucket = Bucket {
                key,
                committed,
                peak,
                filled_ns: now_ns,
            };
            model.insert(place.unwrap_or(model.len()), bucket);
        }
    };
    operate(&mut node, 100_000_000, operation, |_| {});
}
