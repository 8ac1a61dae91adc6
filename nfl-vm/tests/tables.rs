//! Every table that a controller fills against a model that is too simple to be wrong, over long runs of chance.
//!
//! `NFL_TABLE_OPS` is the number of operations on each; without it there are a few thousand.

use std::collections::{BTreeMap, BTreeSet};

use nfl_abi::host::Host as _;
use nfl_abi::image::{Resource, ResourceKind};
use nfl_vm::{Part, State, TernaryRule};
use prefix_trie::{Prefix, PrefixMap};

use common::{Chance, Node, call, operations, resource};

#[path = "common/state.rs"]
mod common;

fn state(resource: Resource) -> State {
    State::new(&[resource]).expect("one resource")
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
    longest_prefixes(3_000, 0, u32::from_be_bytes, |chance| {
        // Few first bytes, so that prefixes lie within each other.
        let second = chance.below(4) as u8;
        [10, second, chance.next() as u8, chance.next() as u8]
    });
}

/// The same where there are so many others that each three bytes have a place of their own.
#[test]
fn the_longest_prefix_among_very_many_is_that_of_another_trie() {
    let others = 1 << 18;
    longest_prefixes(others + 3_000, others, u32::from_be_bytes, |chance| {
        // Some lie among the others, and some third bytes are few, so that nodes come and go whole.
        let [first, second] = [chance.below(4), chance.below(16)];
        let third = chance.below(1 << (8 * (second & 1)));
        [first * 3, second, third, chance.next()].map(|byte| byte as u8)
    });
}

#[test]
fn the_longest_prefix_of_sixteen_bytes_is_that_of_another_trie() {
    longest_prefixes(2_000, 0, u128::from_be_bytes, |chance| {
        let mut address = [0x20; 16];
        // Bytes of few values, so that prefixes lie within each other.
        for byte in &mut address[1..] {
            *byte = (chance.below(2) * 0x80) as u8;
        }
        address
    });
}

/// After a while there are so many others of three bytes, from 4.0.0 on.
fn longest_prefixes<N: Copy, const BYTES: usize>(
    capacity: u32,
    others: u32,
    number: fn([u8; BYTES]) -> N,
    address: impl Fn(&mut Chance) -> [u8; BYTES],
) where
    (N, u8): Prefix,
{
    let mut chance = Chance(BYTES as u64);
    let mut state = state(resource(ResourceKind::Lpm, BYTES as u16, 2, capacity));
    let mut model: PrefixMap<(N, u8), [u8; 2]> = PrefixMap::new();
    let most = BYTES as u64 * 8;
    let mut copy = None;
    for n in 0..operations() {
        if n == 1_000 {
            for other in 0..others {
                let mut address = [0; BYTES];
                address[..4].copy_from_slice(&(0x0400_0000 + other * 256).to_be_bytes());
                let value = (other as u16).to_le_bytes();
                let done = state.insert_prefix("it", &address, 24, &value);
                done.expect("there is room");
                model.insert((number(address), 24), value);
            }
        }
        if n == operations() / 4 * 3 {
            // From the next edit on there are two tables.
            copy = Some((state.clone(), state.entries("it").expect("a table")));
        }
        let address = address(&mut chance);
        let bits = chance.below(most + 1) as u8;
        let prefix = (number(address), bits);
        match chance.below(8) {
            0..=3 => {
                // Some values are those of many prefixes, and some of one.
                let value = (n as u16 % 7 * (n as u16 & 0xff8)).to_le_bytes();
                let room = model.get(&prefix).is_some() || model.len() < capacity as usize;
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
                let whole = (number(address), most as u8);
                let expected = model.get_lpm(&whole).map(|(_, value)| &value[..]);
                assert_eq!(state.get("it", &address), Ok(expected));
            }
        }
    }
    assert_eq!(state.clone(), state);
    let prefixes = state.entries("it").expect("a table").len();
    assert_eq!(prefixes, model.len());
    let (copy, entries) = copy.expect("there are so many operations");
    assert!(copy != state && copy.entries("it") == Ok(entries));
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

/// Each word's place and each member's weight as the book has them, while members come and go.
#[test]
fn a_ring_chooses_as_the_book_says() {
    const G: u64 = 0x9e37_79b9_7f4a_7c15;
    const PICKS: u64 = 20;
    for capacity in [3, 100] {
        let mut chance = Chance(9);
        let mut ring = Node::new(resource(ResourceKind::Ring, 0, 4, capacity), &["ring.pick"]);
        let mut members: BTreeMap<[u8; 4], u64> = BTreeMap::new();
        let places = u64::from(capacity * 128).max(1024).next_power_of_two();
        for _ in 0..operations() / 2 / PICKS {
            let member = (chance.below(u64::from(capacity) * 3 / 2) as u32).to_le_bytes();
            match chance.below(3) {
                0 => {
                    let was = members.remove(&member).is_some();
                    assert_eq!(ring.state.remove("it", &member), Ok(was));
                }
                _ => {
                    let room = members.contains_key(&member) || members.len() < capacity as usize;
                    assert_eq!(ring.state.insert("it", &member, &[]).is_ok(), room);
                    if room {
                        let hash = nfl_abi::hash::siphash24([0; 2], &member);
                        members.insert(member, hash);
                    }
                }
            }
            ring.run(|services| {
                for _ in 0..PICKS {
                    let word = chance.next() as u32;
                    let place = ((u64::from(word).wrapping_mul(G) >> 32) * places) >> 32;
                    let weight = |(member, hash): &(&[u8; 4], &u64)| {
                        // One step of SplitMix64 whose state becomes this.
                        let state = **hash ^ place.wrapping_mul(G);
                        (Chance(state.wrapping_sub(G)).next(), **member)
                    };
                    let heaviest = members.iter().max_by_key(weight);
                    let [address, _] = call(services, 0, &[word]);
                    let expected = heaviest.map(|(member, _)| &member[..]);
                    assert_eq!(services.value(address), expected);
                }
            });
        }
        let is: Vec<_> = ring.state.entries("it").expect("a ring");
        let expected: Vec<_> = members.keys().map(|m| (m.to_vec(), Vec::new())).collect();
        assert_eq!(is, expected);
        // The order in which they came and went does not matter.
        let mut again = Node::new(resource(ResourceKind::Ring, 0, 4, capacity), &["ring.pick"]);
        for member in members.keys().rev() {
            again.state.insert("it", member, &[]).expect("room");
        }
        assert_eq!(again.state.entries("it"), ring.state.entries("it"));
        for word in 0..100u32 {
            let pick = |node: &mut Node| {
                node.run(|services| {
                    let [address, _] = call(services, 0, &[word << 25]);
                    services.value(address).map(<[u8]>::to_vec)
                })
            };
            assert_eq!(pick(&mut again), pick(&mut ring));
        }
    }
}

/// Rules over numbers of both byte orders, prefixes, ranges and empty ones, against asking one after another.
#[test]
fn the_first_rule_that_fits_is_found_among_many() {
    let mut chance = Chance(10);
    let mut rules = Node::new(
        resource(ResourceKind::Ternary, 8, 4, 300),
        &["ternary.match"],
    );
    let mut model: Vec<TernaryRule> = Vec::new();
    // Each time there are about as many lookups.
    for n in 0..operations() / 32 {
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

/// Ageing at the corners of the clock: the first nanosecond and the last.
#[test]
fn entries_age_at_the_ends_of_time_too() {
    for idle_ns in [1, 10, u64::MAX] {
        let table = Resource {
            idle_ns,
            ..resource(ResourceKind::FlowTable, 1, 1, 2)
        };
        let mut flows = Node::new(table, &["flow.get"]);
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
    let table = Resource {
        idle_ns: 1_000,
        ..resource(ResourceKind::FlowTable, 4, 4, 3)
    };
    let mut flows = Node::new(table, &["flow.get", "flow.put", "flow.remove"]);
    for _ in 0..3 {
        flows.run(|services| {
            let mut found = Vec::new();
            for n in 0..500u32 {
                assert_eq!(call(services, 1, &[n % 3, n])[0], 1);
                found.push((n, call(services, 0, &[n % 3])[0]));
                if n % 7 == 0 {
                    assert_eq!(call(services, 2, &[n % 3])[0], 1);
                }
            }
            for (n, address) in found {
                assert_eq!(services.value(address), Some(&n.to_le_bytes()[..]));
            }
        });
    }
}
