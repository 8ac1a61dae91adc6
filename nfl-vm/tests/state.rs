//! State against models that are too simple to be wrong.
//!
//! Packets reach state through services only, so the tests call these, as code would.

use nfl_abi::Layer;
use nfl_abi::hash::crc32c;
use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Host, Return};
use nfl_abi::image::{Import, Resource, ResourceKind};
use nfl_vm::{Context, Effects, FlowTuple, Part, Rates, Services, State, TernaryRule};
use proptest::prelude::*;

use common::{Plain, bind_with};

#[path = "common/state.rs"]
#[expect(dead_code, reason = "tests of tables use the rest")]
mod common;

const IDLE_NS: u64 = 10;

/// What is searched for.
const NEEDLE: &[u8] = b"needle";

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

fn resource(kind: ResourceKind, key_bytes: u16, value_bytes: u16, capacity: u32) -> Resource {
    Resource {
        idle_ns: IDLE_NS,
        ..common::resource(kind, key_bytes, value_bytes, capacity)
    }
}

/// A node with one resource, or none.
struct Node {
    state: State,
    memory: Plain,
}

/// What a call answered: words, and the bytes behind the first if that is an address.
type Answer = (u32, u32, Option<Vec<u8>>);

impl Node {
    fn new(resources: &[Resource]) -> Node {
        Node {
            state: State::new(resources).expect("the resources agree"),
            memory: Plain {
                packet: Vec::new(),
                block: NEEDLE,
            },
        }
    }

    /// One run with these calls; an argument of `None` is the last answer.
    fn run(
        &mut self,
        layer: Layer,
        calls: &[(&str, u16, &[Option<u32>])],
    ) -> (Vec<Answer>, Effects) {
        let names: Vec<(&str, u16)> = calls
            .iter()
            .map(|&(name, param, _)| (name, param))
            .collect();
        let bound = bind_with(&mut self.state, &names);
        let context = Context {
            network_offset: Some(14),
            clock_ns: self.state.clock_ns(),
            ..Context::default()
        };
        let mut services = Services::new(&bound, &mut self.state, layer, &context);
        let mut answers: Vec<Answer> = Vec::new();
        for (at, &(name, _, given)) in calls.iter().enumerate() {
            let mut args = [0; ARGS_MAX];
            for (to, word) in args.iter_mut().zip(given) {
                *to = word.unwrap_or_else(|| answers.last().map_or(0, |answer| answer.0));
            }
            let answer = match services.call(at, args, &mut self.memory) {
                Return::Words(first, second) => {
                    (first, second, services.value(first).map(<[u8]>::to_vec))
                }
                other => panic!("{name} answers {other:?}"),
            };
            answers.push(answer);
        }
        (answers, services.into_effects())
    }

    fn call(&mut self, name: &str, args: &[u32]) -> Answer {
        self.with_param(name, 0, args)
    }

    fn with_param(&mut self, name: &str, param: u16, args: &[u32]) -> Answer {
        let args: Vec<Option<u32>> = args.iter().copied().map(Some).collect();
        let (mut answers, _) = self.run(Layer::Network, &[(name, param, &args)]);
        answers.remove(0)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_longest_prefix_wins(
        prefixes in prop::collection::vec((prop::array::uniform4(0u8..4), 0u16..33), 0..12),
        address in prop::array::uniform4(0u8..4),
    ) {
        let mut node = Node::new(&[resource(ResourceKind::Lpm, 4, 1, 12)]);
        let bits_of = |bytes: [u8; 4]| u32::from_be_bytes(bytes);
        let mut best: Option<(u16, u8)> = None;
        for (n, &(prefix, bits)) in prefixes.iter().enumerate() {
            let added = node.state.insert_prefix("it", &prefix, bits, &[n as u8]);
            prop_assert!(added.is_ok());
            let differ = u64::from(bits_of(prefix) ^ bits_of(address));
            if differ >> (32 - bits) == 0 && best.is_none_or(|(longest, _)| bits >= longest) {
                best = Some((bits, n as u8));
            }
        }
        let (.., found) = node.call("lpm.get", &[u32::from_le_bytes(address)]);
        prop_assert_eq!(found, best.map(|(_, n)| vec![n]));
    }

    #[test]
    fn the_first_rule_by_priority_wins(
        rules in prop::collection::vec((0u32..4, 0u128..300, 0u128..300, 0u128..4, any::<bool>()), 0..12),
        (high, low, port) in (0u8..2, any::<u8>(), 0u8..4),
    ) {
        let mut node = Node::new(&[resource(ResourceKind::Ternary, 3, 1, 12)]);
        let mut expected: Option<(u32, u8)> = None;
        for (n, (priority, lo, hi, value, wire)) in rules.into_iter().enumerate() {
            let wide = Part { offset: 0, bytes: 2, big_endian: wire, lo, hi };
            let exact = Part { offset: 2, bytes: 1, big_endian: false, lo: value, hi: value };
            let rule = TernaryRule { priority, parts: vec![wide, exact], value: vec![n as u8] };
            prop_assert!(node.state.insert_rule("it", rule).is_ok());
            let number = match wire {
                true => u128::from(high) << 8 | u128::from(low),
                false => u128::from(low) << 8 | u128::from(high),
            };
            let fits = (lo..=hi).contains(&number) && value == u128::from(port);
            if fits && expected.is_none_or(|(best, _)| priority > best) {
                expected = Some((priority, n as u8));
            }
        }
        let key = u32::from_le_bytes([high, low, port, 0xff]);
        let (.., found) = node.call("ternary.match", &[key]);
        prop_assert_eq!(found, expected.map(|(_, n)| vec![n]));
    }

    /// Over any time a bucket lets through what its rate gives in it, and its burst: not more, and
    /// not much less when more is offered.
    #[test]
    fn a_meter_keeps_its_rate(
        rate_bytes in 1u64..1000,
        burst in 1u32..2000,
        offers in prop::collection::vec((0u64..50_000_000, 1u32..400), 1..60),
    ) {
        let mut node = Node::new(&[resource(ResourceKind::Meter, 1, 0, 4)]);
        let rates = Rates {
            committed_bps: rate_bytes * 8,
            committed_burst: burst,
            peak_bps: rate_bytes * 8,
            peak_burst: burst,
        };
        node.state.set_meter("it", Some(rates)).expect("a meter");
        // Tokens in billionths of a byte.
        let full = u128::from(burst) * 1_000_000_000;
        let mut tokens = full;
        for (later, bytes) in offers {
            node.state.advance(later);
            tokens = full.min(tokens + u128::from(later) * u128::from(rate_bytes));
            let cost = u128::from(bytes) * 1_000_000_000;
            let (colour, ..) = node.call("meter.charge", &[7, bytes]);
            prop_assert_eq!(colour, if cost <= tokens { 0 } else { 2 });
            if cost <= tokens {
                tokens -= cost;
            }
        }
    }

    #[test]
    fn searches_and_sums_stay_within_the_packet(
        packet in prop::collection::vec(prop::sample::select(b"nedl".to_vec()), 0..40),
        start in 0u32..50,
        len in prop_oneof![0u32..50, Just(u32::MAX)],
        pattern in 0u16..4,
    ) {
        let mut node = Node::new(&[]);
        let end = packet.len().min((start as usize).saturating_add(len as usize));
        let region = packet.get(start as usize..end).unwrap_or(&[]).to_vec();
        node.memory.packet = packet;
        let (sum, ..) = node.call("bytes.sum", &[start, len]);
        // Mathematics: the sum modulo 2^16 - 1, and zero only for zeros.
        let word = |pair: &[u8]| u64::from(pair[0]) | u64::from(*pair.get(1).unwrap_or(&0)) << 8;
        let total: u64 = region.chunks(2).map(word).sum();
        let expected = if total == 0 { 0 } else { (total - 1) % 0xffff + 1 };
        prop_assert_eq!(u64::from(sum), expected);
        let (behind, ..) = node.with_param("bytes.find", pattern, &[start, len, 1]);
        let pattern = &NEEDLE[..usize::from(pattern)];
        let first = (0..=region.len()).find(|&at| region[at..].starts_with(pattern));
        let expected = first.map_or(0, |at| start + (at + pattern.len()) as u32);
        prop_assert_eq!(behind, expected);
    }
}

#[test]
fn removing_a_member_moves_its_own_words_only() {
    let mut node = Node::new(&[resource(ResourceKind::Ring, 0, 4, 128)]);
    for member in 0..100u32 {
        let added = node.state.insert("it", &member.to_le_bytes(), &[]);
        added.expect("room");
    }
    let picks = |node: &mut Node| -> Vec<Option<Vec<u8>>> {
        let words = (0..5000u32).map(|n| n.wrapping_mul(0x9e37_79b9));
        words
            .map(|word| node.call("ring.pick", &[word]).2)
            .collect()
    };
    let before = picks(&mut node);
    let gone = 42u32.to_le_bytes();
    assert!(node.state.remove("it", &gone).expect("a ring"));
    let after = picks(&mut node);
    let its_own = |pick: &Option<Vec<u8>>| pick.as_deref() == Some(&gone[..]);
    let moved = before.iter().zip(&after).filter(|(was, is)| was != is);
    assert!(moved.clone().all(|(was, _)| its_own(was)));
    let share = before.iter().filter(|pick| its_own(pick)).count();
    assert_eq!(moved.count(), share);
    assert!(
        (20..100).contains(&share),
        "about one in a hundred: {share}"
    );
}

fn udp4(source: [u8; 4], destination: [u8; 4], ports: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet.extend_from_slice(&ports);
    packet.extend_from_slice(&[0, 8, 0, 0]);
    packet
}

#[test]
fn tuples_are_those_of_the_packet() {
    let packet = udp4([10, 0, 0, 1], [10, 0, 0, 2], [0x12, 0x34, 0, 53]);
    let tuple = FlowTuple::of(&packet);
    assert_eq!(
        tuple.to_bytes(),
        [10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 53, 17]
    );
    assert_eq!(tuple.reversed().destination_port, 0x1234);
    assert_eq!(tuple.reversed().reversed(), tuple);

    let mut later = packet.clone();
    later[7] = 1;
    assert_eq!(FlowTuple::of(&later).source_port, 0, "a later fragment");
    let mut icmp = packet.clone();
    icmp[9] = 1;
    assert_eq!(FlowTuple::of(&icmp).destination_port, 0, "no ports");
    assert_eq!(FlowTuple::of(&packet[..23]).source_port, 0, "cut short");
    assert_eq!(FlowTuple::of(&packet[..19]), FlowTuple::default());
    assert_eq!(FlowTuple::of(&[]), FlowTuple::default());

    // IPv6: hop-by-hop options, a fragment header, then UDP.
    let mut six = vec![0x60, 0, 0, 0, 0, 24, 0, 64];
    six.extend([0x20; 16]);
    six.extend([0x30; 16]);
    six.extend([44, 0, 0, 0, 0, 0, 0, 0]);
    six.extend([17, 0, 0, 1, 0, 0, 0, 9]);
    six.extend([0, 7, 0, 9, 0, 8, 0, 0]);
    let tuple = FlowTuple::of(&six);
    let ports = (tuple.source_port, tuple.destination_port);
    assert_eq!((tuple.protocol, ports), (17, (7, 9)), "a first fragment");
    six[51] = 8;
    assert_eq!(FlowTuple::of(&six).source_port, 0, "a later one");
    assert_eq!(FlowTuple::of(&six).protocol, 17);
}

#[test]
fn flows_have_handles_for_one_run_and_tuples_for_good() {
    let mut table = resource(ResourceKind::FlowTable, 4, 4, 8);
    table.flow_key = true;
    let mut node = Node::new(&[table]);
    node.memory.packet = udp4([10, 0, 0, 1], [10, 0, 0, 2], [0, 7, 0, 9]);
    let flow: (&str, u16, &[Option<u32>]) = ("packet.flow", 0, &[]);
    let (answers, _) = node.run(
        Layer::Network,
        &[
            flow,
            ("flow.put", 0, &[None, Some(99)]),
            flow,
            ("flow.hash", 0, &[None]),
            flow,
            ("flow.reverse", 0, &[None]),
            ("flow.reverse", 0, &[None]),
        ],
    );
    let tuple = FlowTuple::of(&node.memory.packet);
    assert_ne!(answers[0].0, 0);
    assert_eq!(answers[1].0, 1);
    assert_eq!(answers[3].0, crc32c(&tuple.to_bytes()));
    assert_ne!(answers[5].0, answers[0].0);
    assert_eq!(answers[6].0, answers[0].0, "one flow has one handle");
    let entries = node.state.entries("it").expect("a table");
    assert_eq!(entries, [(tuple.to_bytes(), vec![99, 0, 0, 0])]);

    // The same flow in a later run, and a handle that stands for nothing.
    let get = |arg| ("flow.get", 0, [arg]);
    let (_, _, none) = get(Some(1));
    let (answers, _) = node.run(Layer::Network, &[("flow.get", 0, &none)]);
    assert_eq!(answers[0].0, 0);
    let (answers, _) = node.run(Layer::Network, &[flow, ("flow.get", 0, &get(None).2)]);
    assert_eq!(answers[1].2.as_deref(), Some(&[99, 0, 0, 0][..]));
}

#[test]
fn the_flow_is_that_of_the_first_network_header() {
    let mut node = Node::new(&[]);
    let inner = udp4([10, 0, 0, 1], [10, 0, 0, 2], [0, 7, 0, 9]);
    let frame = [&[0; 12][..], &[8, 0], &inner].concat();
    let flow: (&str, u16, &[Option<u32>]) = ("packet.flow", 0, &[]);
    let hash: (&str, u16, &[Option<u32>]) = ("flow.hash", 0, &[None]);
    let expected = crc32c(&FlowTuple::of(&inner).to_bytes());
    let nothing = crc32c(&FlowTuple::default().to_bytes());

    node.memory.packet = frame.clone();
    let (answers, _) = node.run(Layer::Link, &[flow, hash]);
    assert_eq!(answers[1].0, expected);
    let pop: (&str, u16, &[Option<u32>]) = ("packet.pop", 0, &[Some(14)]);
    let (answers, _) = node.run(Layer::Link, &[pop, flow, hash]);
    assert_eq!(answers[2].0, expected, "behind the link header");
    node.memory.packet = frame;
    let push: (&str, u16, &[Option<u32>]) = ("packet.push", 18, &[]);
    let (answers, _) = node.run(Layer::Link, &[push, flow, hash]);
    assert_eq!(answers[2].0, nothing, "the new header is empty yet");
}

#[test]
fn meters_know_three_colours() {
    let mut node = Node::new(&[resource(ResourceKind::Meter, 1, 0, 1)]);
    let charge = |node: &mut Node, key, bytes| node.call("meter.charge", &[key, bytes]).0;
    assert_eq!(charge(&mut node, 1, u32::MAX), 0, "no rates yet");
    let rates = Rates {
        committed_bps: 8000,
        committed_burst: 1000,
        peak_bps: 16000,
        peak_burst: 1500,
    };
    node.state.set_meter("it", Some(rates)).expect("a meter");
    assert_eq!(charge(&mut node, 1, 1000), 0);
    assert_eq!(charge(&mut node, 1, 500), 1);
    assert_eq!(charge(&mut node, 1, 1), 2);
    assert_eq!(charge(&mut node, 2, 1), 2, "one key only has room");
    node.state.advance(500_000_000);
    assert_eq!(charge(&mut node, 1, 500), 0);
    assert_eq!(charge(&mut node, 1, 500), 1);
    node.state.advance(1_000_000_000);
    assert_eq!(charge(&mut node, 2, 1), 0, "a full bucket makes room");
}

#[test]
fn what_packets_tell_is_kept_in_order() {
    let report = resource(ResourceKind::Report, 0, 6, 0);
    let mut node = Node::new(&[report]);
    let (_, effects) = node.run(
        Layer::Network,
        &[
            ("report", 0, &[Some(0x0403_0201), Some(0xffff_0605)]),
            ("log", 2 << 8 | 5, &[Some(7), Some(8)]),
            ("packet.priority", 0, &[Some(3)]),
            ("packet.mirror", 0, &[Some(9)]),
        ],
    );
    assert_eq!(node.state.reports()[0].record, "it");
    assert_eq!(node.state.take_reports()[0].bytes, [1, 2, 3, 4, 5, 6]);
    assert_eq!(node.state.logs()[0].format, 5);
    assert_eq!(node.state.take_logs()[0].words, [7, 8]);
    assert_eq!(effects.priority, Some(3));
    assert_eq!(effects.mirrors[0].port, 9);
    assert!(node.state.reports().is_empty() && node.state.logs().is_empty());
}

#[test]
fn chance_depends_on_the_seed_alone() {
    let draw = |seed| {
        let mut node = Node::new(&[]);
        node.state.seed(seed);
        [0; 4].map(|_| node.call("random", &[]).0)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    // SplitMix64 from 0, as its authors publish it: e220a8397b1dcdaf, 6e789e6aa1b965f4.
    assert_eq!(draw(0)[..2], [0xe220_a839, 0x6e78_9e6a]);
}

#[test]
fn operations_that_make_no_sense_say_why() {
    let mut node = Node::new(&[resource(ResourceKind::Table, 2, 1, 1)]);
    let state = &mut node.state;
    let said = |result: Result<(), nfl_vm::StateError>| {
        result
            .err()
            .map_or(String::new(), |error| error.to_string())
    };
    let key = [1, 2];
    assert_eq!(
        said(state.insert("that", &key, &[1])),
        "there is no resource `that`"
    );
    assert_eq!(
        said(state.insert("it", &[1], &[1])),
        "a key of `it` has 2 bytes, and this has 1"
    );
    assert_eq!(
        said(state.insert("it", &key, &[])),
        "a value of `it` has 1 bytes, and this has 0"
    );
    assert_eq!(said(state.insert("it", &key, &[1])), "");
    assert_eq!(
        said(state.insert("it", &[3, 4], &[1])),
        "`it` holds 1 entries, and all are taken"
    );
    assert_eq!(
        said(state.insert_prefix("it", &key, 8, &[1])),
        "`it` is a table, which cannot do this"
    );
    assert_eq!(
        said(state.insert_prefix("it", &key, 17, &[1])),
        "this reaches behind the end of a key of `it`"
    );
    let other = resource(ResourceKind::Table, 2, 2, 1);
    assert_eq!(
        said(state.declare(&[other])),
        "two images declare `it`, and differ in how"
    );
    assert_eq!(state.get("it", &key), Ok(Some(&[1][..])));
    let missing = Import {
        service: 31,
        param: 0,
        resource: None,
    };
    let refused = state.bind(&[missing], &[]).err();
    assert_eq!(
        refused.map(|error| error.to_string()).as_deref(),
        Some("this machine does not offer `topic.join`")
    );
}

#[test]
fn what_packets_make_can_be_put_back() {
    let kinds = [
        (ResourceKind::Slots, 0, 1, 4),
        (ResourceKind::Counter, 0, 0, 2),
        (ResourceKind::Counters, 2, 0, 1),
        (ResourceKind::Meter, 2, 0, 1),
    ];
    let resources = kinds.map(|(kind, key, value, capacity)| Resource {
        name: kind.text().to_owned(),
        first: 8,
        ..resource(kind, key, value, capacity)
    });
    let mut state = State::new(&resources).expect("they differ in name");
    let said = |result: Result<(), nfl_vm::StateError>| result.err().map(|e| e.to_string());
    assert_eq!(said(state.insert_slot("slots", 9, &[7])), None);
    assert_eq!(said(state.insert_slot("slots", 9, &[6])), None);
    assert!(said(state.insert_slot("slots", 7, &[7])).is_some());
    assert!(said(state.insert_slot("slots", 12, &[7])).is_some());
    assert_eq!(
        state.entries("slots"),
        Ok(vec![(9u32.to_le_bytes().to_vec(), vec![6])])
    );
    let count = nfl_vm::Count {
        packets: 3,
        bytes: 900,
    };
    assert_eq!(said(state.set_counter("counter", 1, count)), None);
    assert_eq!(state.counter("counter", 1), Ok(count));
    assert!(said(state.set_counter("counter", 2, count)).is_some());
    assert_eq!(said(state.set_counter_of("counters", &[1, 2], count)), None);
    assert_eq!(state.counter_of("counters", &[1, 2]), Ok(count));
    assert!(said(state.set_counter_of("counters", &[1, 3], count)).is_some());
    assert_eq!(state.meter("meter"), Ok(None));
    let rates = Rates {
        committed_bps: 8,
        committed_burst: 1,
        peak_bps: 16,
        peak_burst: 2,
    };
    assert_eq!(said(state.set_meter("meter", Some(rates))), None);
    assert_eq!(state.meter("meter"), Ok(Some(rates)));
    state.seed(77);
    assert_eq!(state.random_seed(), 77);
}

#[test]
fn slots_around_one_that_was_put_back_are_taken_in_order() {
    let mut slots = Node::new(&[resource(ResourceKind::Slots, 0, 1, 3)]);
    slots
        .state
        .insert_slot("it", 1, &[9])
        .expect("there is such a slot");
    let mut take = || {
        let (found, slot, _) = slots.call("slot.take", &[5]);
        (found == 1).then_some(slot)
    };
    assert_eq!([take(), take(), take()], [Some(0), Some(2), None]);
}
