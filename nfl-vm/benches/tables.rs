//! How long lookups take, by the kind of a table, its size and the traffic.
//!
//! In: tables with entries of chance: a hundred, ten thousand and a million (rules: a hundred, a thousand and
//! ten thousand), with uniform and with Zipf traffic over their keys. Out: nanoseconds a lookup, the
//! median and the outer tenths of many samples taken in turns over all sizes in one process, and how many
//! times the middle size's median that is, for people to read: `cargo bench -p nfl-vm --bench tables`. Every
//! lookup is checked to find something before any time counts; nothing is judged here.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use nfl_abi::Layer;
use nfl_abi::image::{Resource, ResourceKind};
use nfl_vm::{Bound, Context, Part, Services, State, TernaryRule};

use common::{Chance, bind, resource};

#[path = "../tests/common/state.rs"]
#[expect(dead_code, reason = "tests of tables use the rest")]
mod common;

const TURNS: usize = 5;
/// Lookups that are timed together.
const PART: usize = 1 << 11;
/// Values that prefixes have between them, unless each has its own: a router has few neighbours.
const NEXT_HOPS: u32 = 256;
/// Lookups in a turn.
const LOOKUPS: usize = 1 << 19;

/// A number in 0..1.
fn unit(chance: &mut Chance) -> f64 {
    (chance.next() >> 11) as f64 / (1u64 << 53) as f64
}

/// Keys, and how they come.
struct Traffic {
    key_bytes: usize,
    keys: Vec<u8>,
}

/// A table with the keys that it has.
struct Filled {
    state: State,
    bound: Bound,
    keys: Vec<Vec<u8>>,
}

fn empty(kind: ResourceKind, service: &str, key_bytes: u16, capacity: u32) -> (State, Bound) {
    let resource = Resource {
        idle_ns: 1_000_000_000,
        ..resource(kind, key_bytes, 4, capacity)
    };
    let mut state = State::new(&[resource]).expect("one resource");
    let bound = bind(&mut state, &[service]);
    (state, bound)
}

fn exact(kind: ResourceKind, service_name: &str, key_bytes: u16, entries: u32) -> Filled {
    let (mut state, bound) = empty(kind, service_name, key_bytes, entries);
    state.reserve();
    let mut chance = Chance(1);
    let mut keys = Vec::new();
    for n in 0..entries {
        let mut key: Vec<u8> = (0..key_bytes).map(|_| chance.next() as u8).collect();
        key[..4].copy_from_slice(&n.to_be_bytes());
        state.insert("it", &key, &n.to_le_bytes()).expect("room");
        keys.push(key);
    }
    Filled { state, bound, keys }
}

/// Prefixes with so many values, of the lengths that the Internet has: for each length the share of all, in percent.
fn prefixes(address_bytes: u16, entries: u32, hops: u32, lengths: &[(u16, u64)]) -> Filled {
    let (mut state, bound) = empty(ResourceKind::Lpm, "lpm.get", address_bytes, entries);
    let mut chance = Chance(2);
    let mut keys = Vec::new();
    for n in 0..entries {
        let mut at = chance.next() % 100;
        let length = lengths.iter().find(|(_, share)| {
            let here = at < *share;
            at = at.saturating_sub(*share);
            here
        });
        let &(bits, _) = length.unwrap_or(&lengths[0]);
        let mut address: Vec<u8> = (0..address_bytes).map(|_| chance.next() as u8).collect();
        // Unicast: 1.0.0.0 to 223.255.255.255, and 2000::/3.
        address[0] = match address_bytes {
            4 => 1 + address[0] % 223,
            _ => 0x20 | (address[0] % 0x20),
        };
        let done = state.insert_prefix("it", &address, bits, &(n % hops).to_le_bytes());
        done.expect("room");
        keys.push(address);
    }
    Filled { state, bound, keys }
}

/// Rules over source, destination and port, some of them ranges.
fn rules(entries: u32) -> Filled {
    let (mut state, bound) = empty(ResourceKind::Ternary, "ternary.match", 10, entries);
    let mut chance = Chance(3);
    let mut keys = Vec::new();
    for n in 0..entries {
        let mut key: Vec<u8> = (0..10).map(|_| chance.next() as u8).collect();
        key[0] = 10;
        let prefix = |offset: u16, bits: u32, key: &[u8]| {
            let at = usize::from(offset);
            let number = key[at..at + 4]
                .iter()
                .fold(0, |n, &b| n << 8 | u128::from(b));
            let host = (1u128 << (32 - bits)) - 1;
            let (lo, hi) = (number & !host, number | host);
            Part {
                offset,
                bytes: 4,
                big_endian: true,
                lo,
                hi,
            }
        };
        let source = prefix(0, 8 + (chance.next() % 25) as u32, &key);
        let destination = prefix(4, 16 + (chance.next() % 17) as u32, &key);
        let port = u128::from(key[8]) << 8 | u128::from(key[9]);
        let wide = u128::from(chance.next() % 2 * 1000);
        let port = Part {
            offset: 8,
            bytes: 2,
            big_endian: true,
            lo: port.saturating_sub(wide),
            hi: port + wide,
        };
        let rule = TernaryRule {
            priority: n / 4,
            parts: vec![source, destination, port],
            value: n.to_le_bytes().to_vec(),
        };
        state.insert_rule("it", rule).expect("room");
        keys.push(key);
    }
    Filled { state, bound, keys }
}

fn traffic(keys: &[Vec<u8>], zipf: bool) -> Traffic {
    let mut chance = Chance(4);
    let many = keys.len() as f64;
    let mut all = Vec::new();
    for _ in 0..LOOKUPS {
        // The inverse of the distribution with exponent one.
        let rank = match zipf {
            true => many.powf(unit(&mut chance)) - 1.0,
            false => many * unit(&mut chance),
        };
        all.extend_from_slice(&keys[(rank as usize).min(keys.len() - 1)]);
    }
    Traffic {
        key_bytes: keys[0].len(),
        keys: all,
    }
}

/// Nanoseconds a lookup for each part of the traffic, the loop over its keys taken off. The parts are so short
/// that few of them wait for other programs.
fn sample(filled: &mut Filled, traffic: &Traffic, samples: &mut Vec<f64>) {
    let context = Context::default();
    let mut services = Services::new(&filled.bound, &mut filled.state, Layer::Network, &context);
    for part in traffic.keys.chunks_exact(traffic.key_bytes * PART) {
        let keys = || part.chunks_exact(traffic.key_bytes);
        let start = Instant::now();
        for key in keys() {
            black_box(key[0]);
        }
        let idle = start.elapsed();
        let start = Instant::now();
        for key in keys() {
            black_box(services.lookup(0, key).map(|value| value[0]));
        }
        let net = start.elapsed().saturating_sub(idle);
        samples.push(net.as_nanos() as f64 / PART as f64);
    }
}

fn report(name: &str, mut sizes: Vec<Filled>) {
    for filled in &mut sizes {
        let context = Context::default();
        let mut services =
            Services::new(&filled.bound, &mut filled.state, Layer::Network, &context);
        assert!(
            filled
                .keys
                .iter()
                .all(|key| services.lookup(0, key).is_some())
        );
    }
    for zipf in [false, true] {
        let traffic: Vec<Traffic> = sizes.iter().map(|f| traffic(&f.keys, zipf)).collect();
        let mut samples = vec![Vec::new(); sizes.len()];
        for _ in 0..TURNS {
            for ((filled, traffic), samples) in sizes.iter_mut().zip(&traffic).zip(&mut samples) {
                sample(filled, traffic, samples);
            }
        }
        let mut out = std::io::stdout();
        let middle = {
            samples[1].sort_by(f64::total_cmp);
            samples[1][samples[1].len() / 2]
        };
        for (filled, samples) in sizes.iter().zip(&mut samples) {
            samples.sort_by(f64::total_cmp);
            let at = |share: usize| samples[samples.len() * share / 10];
            let (least, median, most) = (at(1), at(5), at(9));
            let kind = if zipf { "Zipf" } else { "uniform" };
            writeln!(
                out,
                "{name:<22} {:>8} {kind:<8} {median:>7.1} ns ({least:.1} to {most:.1}) {:>6.2} x",
                filled.keys.len(),
                median / middle
            )
            .expect("it can be written");
        }
    }
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let is_wanted = |name: &str| wanted.starts_with('-') || name.contains(&wanted);
    let sizes = [100, 10_000, 1_000_000];
    if is_wanted("table, 4 bytes") {
        let of = |n| exact(ResourceKind::Table, "table.get", 4, n);
        report("table, 4 bytes", sizes.map(of).into());
    }
    if is_wanted("table, 13 bytes") {
        let of = |n| exact(ResourceKind::Table, "table.get", 13, n);
        report("table, 13 bytes", sizes.map(of).into());
    }
    if is_wanted("flow table, 13 bytes") {
        let of = |n| exact(ResourceKind::FlowTable, "flow.get", 13, n);
        report("flow table, 13 bytes", sizes.map(of).into());
    }
    if is_wanted("prefixes of IPv4") {
        let lengths = [
            (24, 60),
            (23, 10),
            (22, 12),
            (21, 5),
            (20, 5),
            (19, 3),
            (18, 1),
            (16, 4),
        ];
        let of = |hops| sizes.map(|n| prefixes(4, n, hops, &lengths)).into();
        report("prefixes of IPv4", of(NEXT_HOPS));
        report("prefixes of IPv4, own", of(u32::MAX));
    }
    if is_wanted("prefixes of IPv6") {
        let lengths = [
            (48, 48),
            (32, 13),
            (44, 10),
            (40, 10),
            (36, 6),
            (46, 5),
            (29, 4),
            (64, 4),
        ];
        report(
            "prefixes of IPv6",
            sizes.map(|n| prefixes(16, n, NEXT_HOPS, &lengths)).into(),
        );
    }
    if is_wanted("rules of three parts") {
        report(
            "rules of three parts",
            [100, 1_000, 10_000].map(rules).into(),
        );
    }
}
