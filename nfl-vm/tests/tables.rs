//! Every store against a model that is too simple to be wrong, over long runs of chance.
//!
//! `NFL_TABLE_OPS` is the number of operations for each store; without it there are a few thousand.

use std::collections::{BTreeMap, BTreeSet};

use nfl_abi::Layer;
use nfl_abi::host::call::{service, takes};
use nfl_abi::host::{Host, Memory, Return, SERVICES};
use nfl_abi::image::{Import, Resource, ResourceKind};
use nfl_vm::{Bound, Context, Part, Services, State, TernaryRule};
use prefix_trie::PrefixMap;

fn operations() -> u64 {
    let wanted = std::env::var("NFL_TABLE_OPS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

fn resource(kind: ResourceKind, key_bytes: u16, value_bytes: u16, capacity: u32) -> Resource {
    Resource {
        name: "it".to_owned(),
        kind,
        key_bytes,
        value_bytes,
        capacity,
        idle_ns: 0,
        first: 0,
        flow_key: false,
        layout: 0,
    }
}

fn state(resource: Resource) -> State {
    State::new(&[resource]).expect("one resource")
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A key of this length for a number: short ones hold it all, long ones differ at their ends.
fn key(number: u64, len: usize) -> Vec<u8> {
    let mut key = vec![0x5a; len];
    let (low, high) = (number as u8, (number >> 8) as u8);
    key[0] ^= low;
    key[len - 1] ^= high;
    key
}

#[test]
fn tables_of_all_key_lengths_hold_what_was_stored() {
    let each = operations() / 64 + 1;
    for len in 1..=64 {
        let mut chance = Chance(len as u64);
        let capacity = 200;
        let mut state = state(resource(ResourceKind::Table, len as u16, 8, capacity));
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for _ in 0..each {
            let key = key(chance.below(400), len);
            match chance.below(4) {
                0 | 1 => {
                    let value = chance.next().to_le_bytes();
                    let room = model.contains_key(&key) || model.len() < capacity as usize;
                    assert_eq!(state.insert("it", &key, &value).is_ok(), room);
                    if room {
                        model.insert(key, value.to_vec());
                    }
                }
                2 => {
                    let was = model.remove(&key).is_some();
                    assert_eq!(state.remove("it", &key), Ok(was));
                }
                _ => {
                    let found = state.get("it", &key).expect("a table");
                    assert_eq!(found, model.get(&key).map(Vec::as_slice));
                }
            }
        }
        let copy = state.clone();
        assert_eq!(copy, state);
        let entries = copy.entries("it").expect("a table");
        assert_eq!(entries, model.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_table_holds_its_capacity_and_not_one_more() {
    let mut state = state(resource(ResourceKind::Table, 4, 4, 20_000));
    state.reserve();
    for n in 0..20_000u32 {
        let done = state.insert("it", &n.to_le_bytes(), &n.to_be_bytes());
        done.expect("room");
    }
    assert!(state.insert("it", &[0xff; 4], &[0; 4]).is_err());
    for n in 0..20_000u32 {
        let found = state.get("it", &n.to_le_bytes());
        assert_eq!(found, Ok(Some(&n.to_be_bytes()[..])));
    }
}

#[test]
fn the_longest_prefix_of_four_bytes_is_that_of_another_trie() {
    let mut chance = Chance(4);
    let mut state = state(resource(ResourceKind::Lpm, 4, 4, 3_000));
    let mut model: PrefixMap<(u32, u8), [u8; 4]> = PrefixMap::new();
    for n in 0..operations() {
        // Few first bytes, so that prefixes lie within each other.
        let mut address = [10, 0, 0, 0];
        address[1] = chance.below(4) as u8;
        address[2] = chance.next() as u8;
        address[3] = chance.next() as u8;
        let bits = chance.below(33) as u8;
        let prefix = (u32::from_be_bytes(address), bits);
        match chance.below(8) {
            0..=3 => {
                let value = (n as u32).to_le_bytes();
                let room = model.get(&prefix).is_some() || model.len() < 3_000;
                let done = state.insert_prefix("it", &address, bits.into(), &value);
                assert_eq!(done.is_ok(), room);
                if room {
                    model.insert(prefix, value);
                }
            }
            4 => {
                let was = model.remove(&prefix).is_some();
                assert_eq!(state.remove_prefix("it", &address, bits.into()), Ok(was));
            }
            _ => {
                let whole = (u32::from_be_bytes(address), 32);
                let expected = model.get_lpm(&whole).map(|(_, value)| &value[..]);
                assert_eq!(state.get("it", &address), Ok(expected));
            }
        }
    }
    assert_eq!(state.clone(), state);
    let prefixes = state.entries("it").expect("a table").len();
    assert_eq!(prefixes, model.len());
}

#[test]
fn the_longest_prefix_of_sixteen_bytes_is_that_of_another_trie() {
    let mut chance = Chance(6);
    let mut state = state(resource(ResourceKind::Lpm, 16, 2, 2_000));
    let mut model: PrefixMap<(u128, u8), [u8; 2]> = PrefixMap::new();
    for n in 0..operations() {
        let mut address = [0u8; 16];
        address[0] = 0x20;
        // Bytes of few values, so that prefixes lie within each other.
        for byte in &mut address[1..] {
            *byte = (chance.below(2) * 0x80) as u8;
        }
        let bits = chance.below(129) as u8;
        let prefix = (u128::from_be_bytes(address), bits);
        match chance.below(8) {
            0..=3 => {
                let value = (n as u16).to_le_bytes();
                let room = model.get(&prefix).is_some() || model.len() < 2_000;
                let done = state.insert_prefix("it", &address, bits.into(), &value);
                assert_eq!(done.is_ok(), room);
                if room {
                    model.insert(prefix, value);
                }
            }
            4 => {
                let was = model.remove(&prefix).is_some();
                assert_eq!(state.remove_prefix("it", &address, bits.into()), Ok(was));
            }
            _ => {
                let whole = (u128::from_be_bytes(address), 128);
                let expected = model.get_lpm(&whole).map(|(_, value)| &value[..]);
                assert_eq!(state.get("it", &address), Ok(expected));
            }
        }
    }
}

/// When all prefixes are gone, a table is like one that never had any, and takes as many again.
#[test]
fn prefixes_that_are_removed_leave_nothing() {
    let mut chance = Chance(7);
    let mut state = state(resource(ResourceKind::Lpm, 4, 1, 2_000));
    for _ in 0..3 {
        let mut prefixes = BTreeSet::new();
        while prefixes.len() < 1_500 {
            let bits = 1 + chance.below(32) as u32;
            let address = chance.next() as u32 & u32::MAX << (32 - bits);
            prefixes.insert((address, bits as u16));
        }
        for &(address, bits) in &prefixes {
            let done = state.insert_prefix("it", &address.to_be_bytes(), bits, &[bits as u8]);
            done.expect("room");
        }
        for &(address, bits) in &prefixes {
            let address = address.to_be_bytes();
            assert_eq!(state.remove_prefix("it", &address, bits), Ok(true));
        }
        for _ in 0..500 {
            assert_eq!(state.get("it", &chance.bytes(4)), Ok(None));
        }
    }
}

#[test]
fn a_member_that_leaves_a_ring_moves_no_other_share() {
    let mut chance = Chance(9);
    let mut ring = state(resource(ResourceKind::Ring, 0, 4, 100));
    let mut members = BTreeSet::new();
    for _ in 0..operations() / 20 {
        let member = (chance.below(150) as u32).to_le_bytes();
        match chance.below(3) {
            0 => {
                let was = members.remove(&member);
                assert_eq!(ring.remove("it", &member), Ok(was));
            }
            _ => {
                let room = members.contains(&member) || members.len() < 100;
                assert_eq!(ring.insert("it", &member, &[]).is_ok(), room);
                if room {
                    members.insert(member);
                }
            }
        }
    }
    let is: Vec<_> = ring.entries("it").expect("a ring");
    let expected: Vec<_> = members.iter().map(|m| (m.to_vec(), Vec::new())).collect();
    assert_eq!(is, expected);
    // The order in which they came and went does not matter.
    let mut again = state(resource(ResourceKind::Ring, 0, 4, 100));
    for member in members.iter().rev() {
        again.insert("it", member, &[]).expect("room");
    }
    assert_eq!(again, ring);
}

/// Rules over numbers of both byte orders, prefixes, ranges and empty ones, against asking one after another.
#[test]
fn the_first_rule_that_fits_is_found_among_many() {
    let mut chance = Chance(10);
    let mut rules = Node::new(resource(ResourceKind::Ternary, 8, 4, 300));
    let mut model: Vec<TernaryRule> = Vec::new();
    for n in 0..operations() / 8 {
        let part = |chance: &mut Chance| {
            let bytes = [1, 2, 4][chance.below(3) as usize];
            let offset = chance.below(2) as u16 * 4;
            let big_endian = chance.below(2) == 0;
            // The key's bytes are small, so that the middle of the numbers matters.
            let number = |chance: &mut Chance| {
                let bytes: Vec<u8> = (0..bytes).map(|_| chance.below(4) as u8).collect();
                bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b))
            };
            let (lo, hi) = match chance.below(8) {
                0 => (0, u128::MAX),
                1 => (number(chance), number(chance)),
                2 => (0, number(chance)),
                3..=5 => (number(chance), u128::MAX),
                _ => {
                    let one = number(chance);
                    (one, one)
                }
            };
            Part {
                offset,
                bytes,
                big_endian,
                lo,
                hi,
            }
        };
        let parts = (0..chance.below(4)).map(|_| part(&mut chance)).collect();
        let rule = TernaryRule {
            priority: 1 + chance.below(5) as u32,
            parts,
            value: (n as u32).to_le_bytes().to_vec(),
        };
        // Those with no parts end every search, so they are rare.
        if !rule.parts.is_empty() || chance.below(50) == 0 {
            let room = model.len() < 300;
            assert_eq!(rules.state.insert_rule("it", rule.clone()).is_ok(), room);
            if room {
                let before = |other: &TernaryRule| other.priority >= rule.priority;
                model.insert(model.partition_point(before), rule);
            }
        }
        if chance.below(3) == 0 && !model.is_empty() {
            let gone = model[chance.below(model.len() as u64) as usize].clone();
            assert_eq!(rules.state.remove_rule("it", &gone), Ok(true));
            model.retain(|r| (r.priority, &r.parts) != (gone.priority, &gone.parts));
        }
        let keys: Vec<Vec<u8>> = (0..16)
            .map(|_| (0..8).map(|_| chance.below(4) as u8).collect())
            .collect();
        let fits = |rule: &TernaryRule, key: &[u8]| {
            rule.parts.iter().all(|part| {
                let start = usize::from(part.offset);
                let mut bytes = key[start..start + usize::from(part.bytes)].to_vec();
                if !part.big_endian {
                    bytes.reverse();
                }
                let number = bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b));
                part.lo <= number && number <= part.hi
            })
        };
        for key in &keys {
            let expected = model.iter().find(|rule| fits(rule, key));
            let expected = expected.map(|rule| &rule.value[..]);
            // Between the edits and the next run, and in it.
            assert_eq!(rules.state.get("it", key), Ok(expected));
        }
        rules.run(|services| {
            for key in &keys {
                let expected = model.iter().find(|rule| fits(rule, key));
                assert_eq!(
                    services.lookup(0, key),
                    expected.map(|rule| &rule.value[..])
                );
            }
        });
    }
}

/// Each word's place and each member's weight as the book has them.
#[test]
fn a_ring_chooses_as_the_book_says() {
    const G: u64 = 0x9e37_79b9_7f4a_7c15;
    for (capacity, many) in [(3, 3u32), (100, 60)] {
        let mut ring = Node::new(resource(ResourceKind::Ring, 0, 4, capacity));
        let members: Vec<[u8; 4]> = (0..many).map(u32::to_be_bytes).collect();
        for member in &members {
            ring.state.insert("it", member, &[]).expect("room");
        }
        let places = u64::from(capacity * 128).max(1024).next_power_of_two();
        ring.run(|services| {
            for word in (0..500u32).map(|n| n.wrapping_mul(0x0101_6b35)) {
                let place = ((u64::from(word).wrapping_mul(G) >> 32) * places) >> 32;
                let weight = |member: &&[u8; 4]| {
                    let hash = nfl_abi::hash::siphash24([0; 2], &member[..]);
                    // One step of SplitMix64 whose state becomes this.
                    let state = hash ^ place.wrapping_mul(G);
                    (Chance(state.wrapping_sub(G)).next(), **member)
                };
                let heaviest = members.iter().max_by_key(weight).expect("some");
                let Return::Words(address, _) =
                    services.call(0, [word, 0, 0, 0, 0, 0], &mut Nothing)
                else {
                    panic!("it answers words");
                };
                assert_eq!(services.value(address), Some(&heaviest[..]));
            }
        });
    }
}

/// A state with one resource, and its first service.
struct Node {
    state: State,
    bound: Bound,
}

impl Node {
    fn new(resource: Resource) -> Node {
        let import = Import {
            service: SERVICES
                .iter()
                .find(|service| takes(service, resource.kind))
                .expect("each kind has a service")
                .number,
            param: 0,
            resource: Some(0),
        };
        let mut state = state(resource.clone());
        let bound = state.bind(&[import], &[resource]);
        Node {
            state,
            bound: bound.expect("it makes sense"),
        }
    }

    fn run(&mut self, calls: impl FnOnce(&mut Services<'_>)) {
        let context = Context {
            clock_ns: self.state.clock_ns(),
            ..Context::default()
        };
        calls(&mut Services::new(
            &self.bound,
            &mut self.state,
            Layer::Network,
            &context,
        ));
    }
}

/// Ageing at the corners of the clock: the first nanosecond and the last.
#[test]
fn entries_age_at_the_ends_of_time_too() {
    for idle_ns in [1, 10, u64::MAX] {
        let mut flows = Node::new(Resource {
            idle_ns,
            ..resource(ResourceKind::FlowTable, 1, 1, 2)
        });
        flows.state.insert("it", &[1], &[1]).expect("room");
        flows.run(|services| assert_eq!(services.lookup(0, &[1]), Some(&[1][..])));
        flows.state.advance(idle_ns - 1);
        flows.run(|services| assert_eq!(services.lookup(0, &[1]), Some(&[1][..])));
        flows.state.set_clock(u64::MAX);
        let since = u64::MAX - (idle_ns - 1);
        let lives = since < idle_ns;
        flows.run(|services| assert_eq!(services.lookup(0, &[1]).is_some(), lives));
        flows.state.insert("it", &[2], &[2]).expect("room");
        // The clock stands, so nothing ages any more.
        flows.state.advance(u64::MAX);
        flows.run(|services| assert_eq!(services.lookup(0, &[2]), Some(&[2][..])));
        let room = flows.state.insert("it", &[3], &[3]);
        assert_eq!(room.is_ok(), !lives, "an old one gives way");
        let full = flows.state.insert("it", &[4], &[4]).is_err();
        assert!(full, "and two do");
    }
}

/// What a run found stays, whatever it then puts there, and however often.
#[test]
fn values_stay_while_a_run_replaces_them() {
    let mut table = resource(ResourceKind::FlowTable, 4, 4, 3);
    table.idle_ns = 1_000;
    let imports = ["flow.get", "flow.put", "flow.remove"].map(|name| Import {
        service: service(name).expect("a service").number,
        param: 0,
        resource: Some(0),
    });
    let mut state = state(table.clone());
    let bound = state.bind(&imports, &[table]).expect("they make sense");
    for _ in 0..3 {
        let context = Context::default();
        let mut services = Services::new(&bound, &mut state, Layer::Network, &context);
        let mut call = |import, args: [u32; 2]| {
            let [key, value] = args;
            match services.call(import, [key, value, 0, 0, 0, 0], &mut Nothing) {
                Return::Words(word, _) => word,
                other => panic!("it answers {other:?}"),
            }
        };
        let mut found = Vec::new();
        for n in 0..500u32 {
            assert_eq!(call(1, [n % 3, n]), 1);
            found.push((n, call(0, [n % 3, 0])));
            if n % 7 == 0 {
                assert_eq!(call(2, [n % 3, 0]), 1);
            }
        }
        for (n, address) in found {
            assert_eq!(services.value(address), Some(&n.to_le_bytes()[..]));
        }
    }
}

struct Nothing;

impl Memory for Nothing {
    fn packet(&self) -> &[u8] {
        &[]
    }
    fn packet_mut(&mut self) -> &mut [u8] {
        &mut []
    }
    fn push(&mut self, _: u32) -> bool {
        false
    }
    fn pop(&mut self, _: u32) -> bool {
        false
    }
    fn append(&mut self, _: u32) -> bool {
        false
    }
    fn cut(&mut self, _: u32) {}
    fn read(&self, _: u32, _: &mut [u8]) -> bool {
        false
    }
}
