//! What is measured: packets, and what the tables hold.
//!
//! In: the name of a function. Out: 1,024 packets and 10,000 entries per table. Guaranteed: the same on every run, and one packet in
//! eight leaves the main path, so that each way through a function is taken.

use std::collections::BTreeSet;

/// Packets of one pass.
pub(crate) const PACKETS: usize = 1024;
/// Entries of each table.
pub(crate) const ENTRIES: usize = 10_000;
/// What the node tells.
pub(crate) const NODE: u32 = 0x0102_0304;
pub(crate) const QUEUE: u32 = 77;
pub(crate) const NOW_NS: u64 = 0x1_2345_6789;

/// The numbers of the maps in `nf.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Map {
    Routes = 1,
    Nat = 2,
    Block = 4,
    Names = 6,
}

/// An entry as both sides want it: key and value.
pub(crate) struct Entry {
    pub(crate) map: Map,
    pub(crate) resource: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) c: Vec<u8>,
    pub(crate) nfl: Vec<u8>,
    /// Of a prefix.
    pub(crate) bits: Option<u16>,
}

/// Packets and entries of one function.
pub(crate) struct Traffic {
    pub(crate) packets: Vec<Vec<u8>>,
    pub(crate) entries: Vec<Entry>,
}

/// Numbers that look random and are the same each time (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.any() % end as u64) as usize
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.fill_with(|| self.any() as u8);
        bytes
    }
}

/// The traffic of a function, by its name in C.
pub(crate) fn traffic(name: &str) -> Traffic {
    let mut dice = Dice::new(6);
    match name {
        "microseg" => microseg(&mut dice),
        "router" => router(&mut dice, ENTRIES, PACKETS, Pick::Uniform),
        "nat44" => nat44(&mut dice),
        "synguard" => synguard(&mut dice),
        "telemetry" => telemetry(&mut dice),
        "dnsguard" => dnsguard(&mut dice),
        "csum1500" => frames(&mut dice, 1514),
        "fnv64" => frames(&mut dice, 78),
        _ => segments(&mut dice),
    }
}

/// An Ethernet frame with an IPv4 packet.
fn frame(src: [u8; 4], dst: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let length = (20 + payload.len()) as u16;
    let mut ip = [0; 20];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&length.to_be_bytes());
    ip[8] = 64;
    ip[9] = protocol;
    ip[12..16].copy_from_slice(&src);
    ip[16..20].copy_from_slice(&dst);
    let sum: u32 = ip
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    out.extend(ip);
    out.extend(payload);
    out
}

fn tcp(sport: u16, dport: u16, flags: u8) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend([
        0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0x20, 0, 0x12, 0x34, 0, 0,
    ]);
    out.extend([0x61; 12]);
    out
}

fn udp(sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend((8 + payload.len() as u16).to_be_bytes());
    out.extend([0x43, 0x21]);
    out.extend(payload);
    out
}

/// So many packets; one in eight is told to leave the main path.
fn packets(count: usize, mut one: impl FnMut(bool) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(8);
    (0..count).map(|_| one(dice.below(8) != 0)).collect()
}

fn microseg(dice: &mut Dice) -> Traffic {
    let packets = packets(PACKETS, |main| {
        let src = [
            10,
            1,
            if main { 2 } else { dice.below(4) as u8 },
            dice.any() as u8,
        ];
        let port = if main {
            [443, 8443][dice.below(2)]
        } else {
            [443, 80][dice.below(2)]
        };
        frame(src, [10, 9, 0, 5], 6, &tcp(40_000, port, 0x10))
    });
    Traffic {
        packets,
        entries: Vec::new(),
    }
}

/// Which entry a packet asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pick {
    /// Each as often as another.
    Uniform,
    /// Entry `n` of the order of popularity 1/n times as often as the first.
    Zipf,
}

impl Pick {
    fn of(self, dice: &mut Dice, count: usize) -> usize {
        match self {
            Pick::Uniform => dice.below(count),
            Pick::Zipf => {
                let unit = (dice.any() >> 11) as f64 / (1u64 << 53) as f64;
                let rank = (count as f64).powf(unit) as usize;
                // Popular ones are not neighbours.
                rank.wrapping_mul(2_654_435_761) % count
            }
        }
    }
}

/// Neighbours of the router: as many next hops as the routes have between them.
pub(crate) const NEXT_HOPS: usize = 256;

/// Routes of lengths as in a table of the Internet, most of them /24, and packets to them.
pub(crate) fn router(dice: &mut Dice, count: usize, size: usize, pick: Pick) -> Traffic {
    let mut routes = BTreeSet::new();
    while routes.len() < count {
        let bits = match dice.below(100) {
            0..=2 => 12 + dice.below(4),
            3..=34 => 16 + dice.below(8),
            35..=96 => 24,
            _ => 25 + dice.below(8),
        };
        let address = (dice.any() as u32 % 0xdf00_0000) & (u32::MAX << (32 - bits));
        routes.insert((address, bits as u16));
    }
    let all: Vec<(u32, u16)> = routes.into_iter().collect();
    let macs: Vec<[u8; 12]> = (0..NEXT_HOPS)
        .map(|_| {
            let mut macs = dice.bytes::<12>();
            macs[0] &= 0xfe;
            macs
        })
        .collect();
    let entries = all.iter().map(|&(address, bits)| {
        let hop = dice.below(NEXT_HOPS);
        let (port, macs) = ((hop % 64) as u16 + 1, macs[hop]);
        Entry {
            map: Map::Routes,
            resource: "routes",
            key: address.to_be_bytes().to_vec(),
            c: [&u32::from(port).to_le_bytes()[..], &macs].concat(),
            nfl: [&macs[..], &port.to_le_bytes(), &[0, 0]].concat(),
            bits: Some(bits),
        }
    });
    let entries = entries.collect();
    let packets = packets(size, |main| {
        let (address, bits) = all[pick.of(dice, all.len())];
        let host = (dice.any() as u32)
            .checked_shr(u32::from(bits))
            .unwrap_or(0);
        let dst = if main {
            address | host
        } else {
            dice.any() as u32
        };
        frame(
            [10, 1, 2, 3],
            dst.to_be_bytes(),
            17,
            &udp(5000, 6000, &[7; 26]),
        )
    });
    Traffic { packets, entries }
}

fn nat44(dice: &mut Dice) -> Traffic {
    let flows: Vec<[u8; 13]> = (0..ENTRIES)
        .map(|_| {
            let mut flow = dice.bytes::<13>();
            flow[0] = 10;
            flow[12] = [6, 17][dice.below(2)];
            flow
        })
        .collect();
    let entries = flows.iter().enumerate().map(|(index, flow)| {
        let port = (index as u16).wrapping_mul(7).to_be_bytes();
        let address = [198, 51, (index >> 8) as u8, index as u8];
        let value = [&address[..], &port, &[0, 0]].concat();
        Entry {
            map: Map::Nat,
            resource: "nat",
            key: [&flow[..], &[0, 0, 0]].concat(),
            c: value.clone(),
            nfl: value,
            bits: None,
        }
    });
    let entries = entries.collect();
    let packets = packets(PACKETS, |main| {
        let mut flow = flows[dice.below(flows.len())];
        if !main {
            flow[3] ^= 0x80;
        }
        let port = |at: usize| u16::from_be_bytes([flow[at], flow[at + 1]]);
        let payload = match flow[12] {
            6 => tcp(port(8), port(10), 0x10),
            _ => udp(port(8), port(10), &[7; 26]),
        };
        let address = |at: usize| [0, 1, 2, 3].map(|i| flow[at + i]);
        frame(address(0), address(4), flow[12], &payload)
    });
    Traffic { packets, entries }
}

fn synguard(dice: &mut Dice) -> Traffic {
    let blocked: BTreeSet<[u8; 4]> = (0..ENTRIES).map(|_| dice.bytes()).collect();
    let all: Vec<[u8; 4]> = blocked.iter().copied().collect();
    let entry = |address: &[u8; 4]| Entry {
        map: Map::Block,
        resource: "block",
        key: address.to_vec(),
        c: vec![1, 0, 0, 0],
        nfl: Vec::new(),
        bits: None,
    };
    let entries = all.iter().map(entry).collect();
    let packets = packets(PACKETS, |main| {
        let src = if main {
            dice.bytes()
        } else {
            all[dice.below(all.len())]
        };
        let flags = [2, 0x10, 0x18, 0x11][dice.below(4)];
        frame(src, [10, 9, 0, 5], 6, &tcp(40_000, 443, flags))
    });
    Traffic { packets, entries }
}

fn telemetry(dice: &mut Dice) -> Traffic {
    let packets = packets(PACKETS, |main| {
        let hop = if main { dice.below(4) as u8 } else { 4 };
        let mut payload = vec![1, hop, 4, 3, 0, 0, 0, 1];
        payload.extend([0; 48]);
        frame(
            [10, 1, 2, 3],
            [10, 9, 0, 5],
            17,
            &udp(5000, 0x5450, &payload),
        )
    });
    Traffic {
        packets,
        entries: Vec::new(),
    }
}

/// A name as a message carries it.
fn name(dice: &mut Dice) -> Vec<u8> {
    let mut out = vec![3];
    out.extend(b"www");
    let length = 6 + dice.below(9);
    out.push(length as u8);
    for _ in 0..length {
        let letter = b'a' + dice.below(26) as u8;
        out.push(if dice.below(16) == 0 {
            letter ^ 0x20
        } else {
            letter
        });
    }
    out.push(3);
    out.extend([*b"com", *b"org", *b"net"][dice.below(3)]);
    out.push(0);
    out
}

fn dnsguard(dice: &mut Dice) -> Traffic {
    let names: Vec<Vec<u8>> = (0..ENTRIES).map(|_| name(dice)).collect();
    let hash = |name: &Vec<u8>| {
        let step = |hash: u32, byte: &u8| {
            (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        };
        name[..name.len() - 1].iter().fold(0x811c_9dc5, step)
    };
    let hashes: BTreeSet<u32> = names.iter().map(hash).collect();
    let entry = |hash: u32| Entry {
        map: Map::Names,
        resource: "blocked",
        key: hash.to_le_bytes().to_vec(),
        c: vec![1, 0, 0, 0],
        nfl: Vec::new(),
        bits: None,
    };
    let entries = hashes.into_iter().map(entry).collect();
    let packets = packets(PACKETS, |main| {
        let name = if main {
            name(dice)
        } else {
            names[dice.below(names.len())].clone()
        };
        let query = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let payload = [&query[..], &name, &[0, 1, 0, 1]].concat();
        frame([10, 1, 2, 3], [10, 9, 0, 53], 17, &udp(5000, 53, &payload))
    });
    Traffic { packets, entries }
}

/// For `parse`: seven in eight are from 10/8.
fn segments(dice: &mut Dice) -> Traffic {
    let packets = packets(PACKETS, |main| {
        let mut src = dice.bytes();
        src[0] = if main { 10 } else { 11 };
        frame(
            src,
            dice.bytes(),
            6,
            &tcp(dice.any() as u16, dice.any() as u16, 0x10),
        )
    });
    Traffic {
        packets,
        entries: Vec::new(),
    }
}

/// Frames of a length, 64 of them, since what is read of each is long.
fn frames(dice: &mut Dice, length: usize) -> Traffic {
    let frame = |_| (0..length).map(|_| dice.any() as u8).collect();
    let packets = (0..64).map(frame).collect();
    Traffic {
        packets,
        entries: Vec::new(),
    }
}
