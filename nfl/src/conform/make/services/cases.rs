//! What the services are tried with: resources, calls and runs.

use nfl_abi::image::ResourceKind as K;

use super::{ARGUMENTS, Asked, BYTE_MAX, Case, FRAME, LEN, NETWORK};
use crate::conform::make::instructions::pattern;
use crate::conform::make::{resource, run};
use crate::conform::vector::{Hex, PartLine, Put, Run};

/// A frame with these arguments, at a time.
fn asked(arguments: &[u8], clock_ms: u64) -> Run {
    let mut packet = frame();
    packet.extend(arguments);
    assert!(
        packet.len() <= FRAME + ARGUMENTS,
        "arguments have their room"
    );
    packet.resize(LEN, 0xee);
    let mut one = run(packet);
    one.context = [5, 77, 0, NETWORK, 0, 0, 0, 0];
    one.clock_ns = clock_ms * 1_000_000;
    one.context[4] = one.clock_ns as u32;
    one.context[5] = (one.clock_ns >> 32) as u32;
    one
}

/// The same behind what a controller stores.
fn stored(world: Vec<Put>, arguments: &[u8], clock_ms: u64) -> Run {
    Run {
        world,
        ..asked(arguments, clock_ms)
    }
}

/// 192.0.2.1:4660 to 198.51.100.2:443.
fn frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 46, 0, 1, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([192, 0, 2, 1, 198, 51, 100, 2]);
    frame.extend([0x12, 0x34, 0x01, 0xbb]);
    frame.extend(pattern(FRAME - frame.len(), 8));
    frame
}

fn entry(key: &[u8], value: &[u8]) -> Put {
    Put::Entry {
        resource: "r".to_string(),
        key: key.into(),
        value: value.into(),
    }
}

/// Calls of one resource.
fn one(name: &'static str, calls: &[&'static str], of: (K, u16, u16), runs: Vec<Run>) -> Case {
    let (kind, key, value) = of;
    Case {
        name,
        resources: vec![resource("r", kind, key, value, 8)],
        calls: calls
            .iter()
            .map(|call| (*call, 0, Some(0), false))
            .collect(),
        runs,
    }
}

/// Prefixes of IPv4 and of IPv6.
fn prefixes() -> Vec<Case> {
    let prefix = |address: &[u8], bits, value: u8| Put::Prefix {
        resource: "r".to_string(),
        address: address.into(),
        bits,
        value: Hex(vec![value; 4]),
    };
    let wide = |first: u8, last: u8| [&[0x20, first][..], &[0; 13], &[last]].concat();
    let lpm = vec![
        prefix(&[10, 0, 0, 0], 8, 1),
        prefix(&[10, 1, 0, 0], 16, 2),
        prefix(&[10, 1, 2, 3], 32, 3),
        prefix(&[10, 1, 2, 128], 25, 4),
    ];
    let addresses = [
        [10, 2, 0, 0],
        [10, 1, 2, 2],
        [10, 1, 2, 3],
        [10, 1, 2, 200],
        [11, 0, 0, 0],
        [0; 4],
    ];
    let mut runs: Vec<Run> = addresses.iter().map(|address| asked(address, 0)).collect();
    runs[0].world = lpm;
    let mut default = asked(&[11, 0, 0, 0], 0);
    default.world = vec![prefix(&[0; 4], 0, 9)];
    runs.push(default);
    let lpm6 = vec![
        prefix(&wide(1, 0), 16, 1),
        prefix(&wide(1, 0), 127, 2),
        prefix(&wide(1, 1), 128, 3),
    ];
    let mut runs6 = [wide(1, 9), wide(1, 0), wide(1, 1), wide(2, 0)].map(|key| asked(&key, 0));
    runs6[0].world = lpm6;
    vec![
        one("lpm.get", &["lpm.get"], (K::Lpm, 4, 4), runs),
        one(
            "lpm.get of IPv6",
            &["lpm.get"],
            (K::Lpm, 16, 4),
            runs6.to_vec(),
        ),
    ]
}

/// Rules over numbers in either order of bytes.
fn rules() -> Case {
    let rule = |priority, offset, bytes, big_endian, lo: &[u8], hi: &[u8], value: u8| Put::Rule {
        resource: "r".to_string(),
        priority,
        parts: vec![PartLine {
            offset,
            bytes,
            big_endian,
            lo: lo.into(),
            hi: hi.into(),
        }],
        value: Hex(vec![value; 4]),
    };
    let rules = vec![
        rule(1, 0, 2, true, &[0x01, 0x00], &[0x02, 0x00], 1),
        rule(2, 0, 2, false, &[0x01, 0x00], &[0x02, 0x00], 2),
        rule(0, 4, 1, false, &[7], &[9], 3),
    ];
    let keys = [
        [1, 0x10, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 8, 0],
        [9, 9, 9, 9, 10, 9],
        [2, 0, 0, 0, 0, 0],
        [2, 1, 0, 0, 0, 0],
    ];
    let mut ternary = keys.map(|key| asked(&key, 0)).to_vec();
    ternary[0].world = rules;
    one(
        "ternary.match",
        &["ternary.match"],
        (K::Ternary, 6, 4),
        ternary,
    )
}

/// Tables that the controller fills.
pub(super) fn tables() -> Vec<Case> {
    let table = |name, bytes, value: u16| {
        let key = pattern(bytes, 1);
        let world = vec![
            entry(&key, &pattern(value.into(), 2)),
            entry(&pattern(bytes, 3), &pattern(value.into(), 4)),
        ];
        Case {
            name,
            resources: vec![resource("r", K::Table, bytes as u16, value, 4)],
            calls: vec![("table.get", 0, Some(0), false)],
            runs: vec![
                stored(world, &key, 0),
                asked(&pattern(bytes, 3), 0),
                asked(&pattern(bytes, 5), 0),
            ],
        }
    };
    let mut ring = [0, 1, 0x8000_0000, u32::MAX, 0x1234_5678]
        .map(|word: u32| asked(&word.to_le_bytes(), 0))
        .to_vec();
    ring.insert(0, asked(&[0; 4], 0));
    ring[1].world = (1..=5).map(|n| entry(&[n, 0, 0, n], &[])).collect();
    let mut cases = vec![
        table("table.get", 4, 8),
        table("table.get through scratch", 40, 3),
        one(
            "set.contains",
            &["set.contains"],
            (K::Set, 6, 0),
            vec![
                asked(&[1; 6], 0),
                stored(vec![entry(&[1; 6], &[])], &[1; 6], 0),
                asked(&[2; 6], 0),
            ],
        ),
        one("ring.pick", &["ring.pick"], (K::Ring, 0, 4), ring),
        one(
            "tag.lookup",
            &["tag.lookup"],
            (K::Tags, 4, 2),
            vec![
                stored(vec![entry(&[3, 0, 0, 0], &[9, 1])], &[3, 0, 0, 0], 0),
                asked(&[4, 0, 0, 0], 0),
            ],
        ),
        one(
            "topic.join and topic.members",
            &["topic.members", "topic.join", "topic.members"],
            (K::Topic, 2, 0),
            vec![asked(&[], 0), stored(vec![entry(&[8, 0], &[])], &[], 1)],
        ),
    ];
    cases.extend(prefixes());
    cases.push(rules());
    cases
}

/// What packets write, by key.
pub(super) fn flows() -> Vec<Case> {
    let mut aged = resource("r", K::FlowTable, 4, 4, 2);
    aged.idle_ns = 10_000_000;
    let four = |get: u8, put: u8, touch: u8, last: u8, value: u8| {
        let keys = [[get; 4], [put; 4], [value; 4], [touch; 4], [last; 4]];
        keys.concat()
    };
    let runs = vec![
        asked(&four(1, 1, 1, 1, 0x11), 0),
        asked(&four(1, 2, 2, 2, 0x22), 4),
        asked(&four(2, 3, 3, 1, 0x33), 6),
        asked(&four(1, 1, 9, 1, 0x44), 12),
        asked(&four(2, 3, 3, 3, 0x55), 17),
        asked(&four(1, 4, 4, 4, 0x66), 1_000),
    ];
    let removed = vec![
        asked(&[1, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0, 0], 0),
        asked(&[1, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0], 1),
        asked(&[3, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0], 2),
    ];
    let mut by_flow = resource("r", K::FlowState, 4, 8, 4);
    by_flow.flow_key = true;
    let mut set = resource("r", K::FlowSet, 12, 0, 2);
    set.idle_ns = 5_000_000;
    let key = |n: u8| vec![n; 12];
    vec![
        Case {
            name: "flow.get, flow.put and flow.touch, aged and full",
            resources: vec![aged],
            calls: ["flow.get", "flow.put", "flow.touch", "flow.get"]
                .map(|service| (service, 0, Some(0), false))
                .to_vec(),
            runs,
        },
        Case {
            name: "flow.remove",
            resources: vec![resource("r", K::FlowTable, 4, 1, 4)],
            calls: vec![
                ("flow.put", 0, Some(0), false),
                ("flow.remove", 0, Some(0), false),
                ("flow.get", 0, Some(0), false),
            ],
            runs: removed,
        },
        Case {
            name: "flows as members",
            resources: vec![set],
            calls: vec![
                ("flow.get", 0, Some(0), false),
                ("flow.put", 0, Some(0), false),
            ],
            runs: vec![
                asked(&[key(1), key(1)].concat(), 0),
                asked(&[key(1), key(2)].concat(), 3),
                asked(&[key(2), key(3)].concat(), 4),
                asked(&[key(1), key(3)].concat(), 9),
            ],
        },
        Case {
            name: "packet.flow and flow.reverse as keys",
            resources: vec![by_flow],
            calls: vec![
                ("packet.flow", 0, None, false),
                ("flow.put", 0, Some(0), true),
                ("packet.flow", 0, None, false),
                ("flow.reverse", 0, None, true),
                ("flow.get", 0, Some(0), true),
                ("packet.flow", 0, None, false),
                ("flow.get", 0, Some(0), true),
            ],
            runs: vec![asked(&pattern(8, 1), 0), reversed(asked(&pattern(8, 2), 0))],
        },
        Case {
            name: "packet.flow, flow.reverse and flow.hash",
            resources: Vec::new(),
            calls: vec![
                ("packet.flow", 0, None, false),
                ("flow.hash", 0, None, true),
                ("packet.flow", 0, None, false),
                ("flow.reverse", 0, None, true),
                ("flow.hash", 0, None, true),
            ],
            runs: vec![
                asked(&[], 0),
                reversed(asked(&[], 0)),
                fragment(asked(&[], 0)),
                no_network(asked(&[], 0)),
            ],
        },
    ]
}

/// The same packet in the other direction.
fn reversed(mut run: Run) -> Run {
    let packet = &mut run.packet.0;
    for (at, bytes) in [
        (26, [198, 51, 100, 2]),
        (30, [192, 0, 2, 1]),
        (34, [0x01, 0xbb, 0x12, 0x34]),
    ] {
        packet[at..at + 4].copy_from_slice(&bytes);
    }
    run
}

/// A later fragment, which has no ports.
fn fragment(mut run: Run) -> Run {
    run.packet.0[21] = 5;
    run
}

/// A frame that is not IP.
fn no_network(mut run: Run) -> Run {
    run.context[3] = u32::MAX;
    run
}

/// Slots that are taken, aged and removed.
fn slots() -> Vec<Case> {
    let mut slots = resource("r", K::Slots, 0, 4, 2);
    slots.first = 100;
    slots.idle_ns = 10_000_000;
    let slot = |value: u8, touched: u32, got: u32| {
        [
            vec![value; 4],
            touched.to_le_bytes().into(),
            got.to_le_bytes().into(),
        ]
        .concat()
    };
    vec![
        Case {
            name: "slot.take, slot.touch, slot.get and slot.remove",
            resources: vec![slots],
            calls: ["slot.take", "slot.touch", "slot.get"]
                .map(|service| (service, 0, Some(0), false))
                .to_vec(),
            runs: vec![
                asked(&slot(1, 100, 100), 0),
                asked(&slot(2, 101, 100), 2),
                asked(&slot(3, 100, 101), 4),
                asked(&slot(4, 99, 102), 5),
                asked(&slot(5, 100, 100), 13),
                asked(&slot(6, 100, 0), 60),
            ],
        },
        Case {
            name: "slot.remove",
            resources: vec![resource("r", K::Slots, 0, 4, 2)],
            calls: vec![
                ("slot.take", 0, Some(0), false),
                ("slot.remove", 0, Some(0), false),
                ("slot.get", 0, Some(0), false),
            ],
            runs: vec![
                asked(&slot(1, 5, 0), 0),
                asked(&slot(2, 0, 0), 0),
                asked(&slot(3, 1, 1), 0),
            ],
        },
    ]
}

/// A register, or an array of them, read and written.
fn register(name: &'static str, value: u16, many: u32) -> Case {
    let calls: Vec<Asked> = [
        "register.get",
        "register.set",
        "register.get",
        "register.add",
        "register.get",
    ]
    .map(|service| (service, 0, Some(0), false))
    .to_vec();
    let block = usize::from(value).div_ceil(4) * 4;
    let arguments = |seed: u32| {
        // Some places of an array lie behind its end.
        let index = if many > 1 {
            (seed % 6).to_le_bytes().to_vec()
        } else {
            Vec::new()
        };
        let value = |seed| pattern(block, seed);
        let parts = [
            &index,
            &index,
            &value(seed),
            &index,
            &index,
            &value(seed + 1),
            &index,
        ];
        parts.into_iter().flatten().copied().collect::<Vec<u8>>()
    };
    let world = vec![Put::Register {
        resource: "r".to_string(),
        index: 0,
        value: Hex(vec![0xff; value.into()]),
    }];
    Case {
        name,
        resources: vec![resource("r", K::Register, 0, value, many)],
        calls,
        runs: vec![
            stored(world, &arguments(0), 0),
            asked(&arguments(1), 0),
            asked(&arguments(4), 0),
        ],
    }
}

/// Slots, registers, counters and meters.
pub(super) fn places() -> Vec<Case> {
    let count = |name, kind, key: u16, many, runs: Vec<Run>| Case {
        name,
        resources: vec![resource("r", kind, key, 0, many)],
        calls: vec![("counter.count", 0, Some(0), false)],
        runs,
    };
    let rates = Put::Rates {
        resource: "r".to_string(),
        committed_bps: 8_000,
        committed_burst: 150,
        peak_bps: 16_000,
        peak_burst: 300,
    };
    let charged = |key: u8, bytes: u32| [vec![key; 4], bytes.to_le_bytes().into()].concat();
    let mut cases = vec![
        register("registers of 4 bytes", 4, 1),
        register("registers of 2 bytes", 2, 1),
        register("registers of 8 bytes", 8, 1),
        register(
            "register.get, register.set and register.add of an array",
            4,
            4,
        ),
        count(
            "counter.count",
            K::Counter,
            0,
            1,
            vec![asked(&[], 0), asked(&[], 0)],
        ),
        count(
            "counter.count of an array",
            K::Counter,
            0,
            3,
            [0u32, 2, 2, 3, u32::MAX]
                .map(|at| asked(&at.to_le_bytes(), 0))
                .to_vec(),
        ),
        count(
            "counter.count by key",
            K::Counters,
            6,
            2,
            [1, 2, 1, 3].map(|key| asked(&[key; 6], 0)).to_vec(),
        ),
        Case {
            name: "meter.charge",
            resources: vec![resource("r", K::Meter, 4, 0, 4)],
            calls: vec![("meter.charge", 0, Some(0), false)],
            runs: vec![
                asked(&charged(1, 5_000), 0),
                stored(vec![rates], &charged(1, 150), 0),
                asked(&charged(1, 100), 0),
                asked(&charged(1, 100), 0),
                asked(&charged(2, 301), 0),
                asked(&charged(2, 150), 0),
                asked(&charged(1, 50), 50),
                asked(&charged(1, 200), 5_000),
            ],
        },
    ];
    cases.extend(slots());
    cases
}

/// Services that read, copy or move the packet.
pub(super) fn packets() -> Vec<Case> {
    let one = |name, calls: &[Asked], runs| Case {
        name,
        resources: Vec::new(),
        calls: calls.to_vec(),
        runs,
    };
    let tight = |mut run: Run, head, tail| {
        run.room = [head, tail];
        run
    };
    let word = |word: usize| asked(&(word as u32).to_le_bytes(), 0);
    let region = |start: u8, len: u8, pattern: &[u8]| {
        asked(&[&[start, 0, 0, 0, len, 0, 0, 0][..], pattern].concat(), 0)
    };
    vec![
        one(
            "packet.push",
            &[
                ("packet.push", 8, None, false),
                ("packet.flow", 0, None, false),
            ],
            vec![
                asked(&[], 0),
                tight(asked(&[], 0), 8, 0),
                tight(asked(&[], 0), 7, 99),
                no_network(asked(&[], 0)),
            ],
        ),
        one(
            "packet.push behind the largest offset of the network header",
            &[("packet.push", 50, None, false)],
            vec![asked(&[], 0)],
        ),
        one(
            "packet.append",
            &[
                ("packet.append", 12, None, false),
                ("bytes.sum", 0, None, false),
            ],
            vec![
                region(0, 255, &[]),
                tight(asked(&[], 0), 0, 12),
                tight(asked(&[], 0), 99, 11),
            ],
        ),
        one(
            "packet.pop",
            &[("packet.pop", 0, None, false)],
            [0, 1, 14, 20, BYTE_MAX].map(word).to_vec(),
        ),
        one(
            "packet.cut",
            &[("packet.cut", 0, None, false)],
            [0, 1, 60, BYTE_MAX].map(word).to_vec(),
        ),
        one(
            "packet.pop, then packet.push",
            &[
                ("packet.pop", 0, None, false),
                ("packet.push", 4, None, false),
            ],
            [0, 4, 14].map(|bytes| tight(word(bytes), 0, 0)).to_vec(),
        ),
        one(
            "packet.mirror and packet.priority",
            &[
                ("packet.mirror", 0, None, false),
                ("packet.priority", 0, None, false),
                ("packet.mirror", 0, None, false),
            ],
            vec![asked(&[7, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0], 0)],
        ),
        one(
            "bytes.find",
            &[("bytes.find", 3, None, false)],
            vec![
                region(14, 20, &[192, 0, 2]),
                region(14, 12, &[192, 0, 2]),
                region(14, 15, &[192, 0, 2]),
                region(0, 255, &[1, 2, 3]),
                region(255, 255, &[0xee, 0xee, 0xee]),
            ],
        ),
        one(
            "bytes.sum",
            &[("bytes.sum", 0, None, false)],
            vec![
                region(14, 20, &[]),
                region(0, 0, &[]),
                region(1, 1, &[]),
                region(14, 19, &[]),
                region(250, 255, &[]),
            ],
        ),
    ]
}

/// Services that need nothing but their arguments.
pub(super) fn words() -> Vec<Case> {
    let hash = |name, service, bytes: u16, keyed: usize| Case {
        name,
        resources: Vec::new(),
        calls: vec![(service, bytes, None, false)],
        runs: [0, 1, 7]
            .map(|seed| asked(&pattern(keyed + usize::from(bytes), seed), 0))
            .to_vec(),
    };
    let report = |name, bytes: u16| Case {
        name,
        resources: vec![resource("Sample", K::Report, 0, bytes, 0)],
        calls: vec![("report", 0, Some(0), false), ("report", 0, Some(0), false)],
        runs: vec![asked(&pattern(usize::from(bytes).div_ceil(4) * 8, 3), 0)],
    };
    let mut drawn = vec![asked(&[], 0), asked(&[], 0)];
    drawn[1].world = vec![Put::Seed(42)];
    vec![
        hash("hash.crc32c of 4 bytes", "hash.crc32c", 4, 0),
        hash("hash.crc32c of 13 bytes", "hash.crc32c", 13, 0),
        hash("hash.crc32c through scratch", "hash.crc32c", 37, 0),
        hash("hash.siphash of 4 bytes", "hash.siphash", 4, 8),
        hash("hash.siphash of 15 bytes", "hash.siphash", 15, 8),
        hash("hash.siphash through scratch", "hash.siphash", 37, 8),
        Case {
            name: "random",
            resources: Vec::new(),
            calls: vec![("random", 0, None, false), ("random", 0, None, false)],
            runs: drawn,
        },
        report("report", 8),
        report("report through scratch", 30),
        Case {
            name: "log",
            resources: Vec::new(),
            calls: vec![("log", 0x0203, None, false), ("log", 4, None, false)],
            runs: vec![asked(&pattern(8, 3), 0)],
        },
    ]
}
