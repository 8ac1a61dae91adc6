//! The packets that a search begins with: usual headers, and lengths that the code asks for.
//!
//! In: a handler. Out: inputs in a fixed order, none shorter than the handler's needed length.

use std::collections::BTreeSet;

use nfl_abi::Layer;

use crate::func::{Function, Module};
use crate::op::Op;
use crate::replay::Input;

/// Longest packet that a length in the code leads to.
const LENGTH_MAX: u32 = 1600;

/// How many lengths are tried.
const LENGTHS: usize = 24;

/// From 10.0.0.1 to 10.0.0.2, with the protocol and what follows to be set. RFC 791.
const IPV4: &[u8] = &[
    0x45, 0, 0, 40, 0, 1, 0, 0, 64, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
];
/// The same with one word of options.
const IPV4_OPTIONS: &[u8] = &[
    0x46, 0, 0, 44, 0, 1, 0, 0, 64, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 0,
];
/// From 2001:db8::1 to 2001:db8::2. RFC 8200.
const IPV6: &[u8] = &[
    0x60, 0, 0, 0, 0, 20, 0, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1,
    0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
];
/// From port 1024 to port 80, 20 bytes of header. RFC 9293.
const TCP: &[u8] = &[
    4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
];
/// From port 1024 to port 53, 12 bytes of data. RFC 768.
const UDP: &[u8] = &[4, 0, 0, 53, 0, 20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// An echo request. RFC 792.
const ICMP: &[u8] = &[8, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Addresses of a frame.
const ETH: &[u8] = &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/// The inputs to begin with.
pub(super) fn inputs(m: &Module, f: &Function) -> Vec<Input> {
    let usual = Input::new(m, f);
    let mut packets = vec![vec![0; 64], Vec::new()];
    for (ip, at, number) in [
        (IPV4, 9, [6, 17, 1]),
        (IPV4_OPTIONS, 9, [6, 17, 1]),
        (IPV6, 6, [6, 17, 58]),
    ] {
        for (protocol, next) in number.into_iter().zip([TCP, UDP, ICMP]) {
            let mut packet = ip.to_vec();
            packet[at] = protocol;
            sum(&mut packet);
            packet.extend_from_slice(next);
            packets.push(match f.layer {
                Layer::Network => packet,
                Layer::Link => framed(&packet, &[]),
            });
        }
    }
    if f.layer == Layer::Link {
        let tagged: Vec<Vec<u8>> = packets
            .iter()
            .filter_map(|packet| packet.get(14..))
            .map(|packet| framed(packet, &[0x81, 0, 0, 1]))
            .collect();
        packets.extend(tagged);
    }
    for len in lengths(f) {
        let mut packet = packets.get(2).cloned().unwrap_or_default();
        packet.resize(len, 0);
        packets.push(packet);
    }
    let enough = |mut packet: Vec<u8>| {
        let len = packet.len().max(f.need as usize);
        packet.resize(len, 0);
        packet
    };
    let inputs = packets.into_iter().map(|packet| Input {
        packet: enough(packet),
        ..usual.clone()
    });
    inputs.collect()
}

/// In a frame, behind a tag where there is one.
fn framed(packet: &[u8], tag: &[u8]) -> Vec<u8> {
    let kind: &[u8] = match packet.first() {
        Some(0x60..=0x6f) => &[0x86, 0xdd],
        _ => &[8, 0],
    };
    [ETH, tag, kind, packet].concat()
}

/// Sets the checksum of an IPv4 header. RFC 1071.
fn sum(header: &mut [u8]) {
    if header[0] >> 4 != 4 {
        return;
    }
    let words = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !(sum as u16);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Lengths at constants of the code, one below and one above.
fn lengths(f: &Function) -> Vec<usize> {
    let insts = f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
    let consts = insts.map(|&inst| &f.insts[inst]);
    let consts = consts.filter(|d| d.op == Op::Const && d.imm <= LENGTH_MAX);
    let lengths = consts.flat_map(|d| [d.imm.saturating_sub(1), d.imm, d.imm + 1]);
    let lengths: BTreeSet<u32> = lengths.filter(|&len| len >= f.need).collect();
    lengths
        .into_iter()
        .take(LENGTHS)
        .map(|n| n as usize)
        .collect()
}
