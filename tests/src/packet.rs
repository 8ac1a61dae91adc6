//! Packets from one line of text, and the checksums of packets.
//!
//! In: `ip4 ttl=3 src=10.0.0.1 / udp dport=53 / 0102 / cut 20`, layers from the outside in, their
//! fields by name, payload as hex digits. Out: bytes, with lengths, next protocols and checksums as
//! the RFCs want them wherever the text does not say otherwise. And the other way: which checksums
//! of a packet are right ([`sums`]). Guaranteed: nothing here is shared with the compiler, so it
//! judges the checksums that compiled code keeps.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A layer of the text: its name and fields.
struct Layer<'t> {
    kind: &'t str,
    fields: BTreeMap<&'t str, &'t str>,
}

impl Layer<'_> {
    fn number(&self, name: &str, default: u64) -> Result<u64, String> {
        match self.fields.get(name) {
            None => Ok(default),
            Some(text) => number(text).ok_or_else(|| format!("`{text}` is no number")),
        }
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.fields.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("`{text}` is no {name}")),
        }
    }

    fn mac(&self, name: &str, default: [u8; 6]) -> Result<[u8; 6], String> {
        match self.fields.get(name) {
            None => Ok(default),
            Some(text) => {
                let bytes = hex(&text.replace(':', ""))?;
                bytes
                    .try_into()
                    .map_err(|_| format!("`{text}` is no address"))
            }
        }
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Bytes from hex digits; blanks do not count.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return Err(format!("`{text}` is half a byte"));
    }
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    let bytes = digits.chunks(2).map(byte).collect::<Result<Vec<u8>, _>>();
    bytes.map_err(|_| format!("`{text}` is neither a layer nor hex digits"))
}

/// Bytes as hex digits, which [`hex`] reads.
pub fn digits(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// The bytes of a packet in the text form.
///
/// # Errors
///
/// A sentence when the text is none.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut pieces: Vec<&str> = text.split(" / ").map(str::trim).collect();
    let cut = pieces.last().and_then(|last| last.strip_prefix("cut "));
    let cut = cut
        .map(|n| n.trim().parse::<usize>().map_err(|e| e.to_string()))
        .transpose()?;
    if cut.is_some() {
        pieces.pop();
    }
    // From the inside out, because a layer's length and sums are those of what it carries.
    let mut packet = Vec::new();
    let mut inner = "";
    for (at, piece) in pieces.iter().enumerate().rev() {
        let mut words = piece.split_whitespace();
        let kind = words.next().unwrap_or("");
        let fields = words.filter_map(|word| word.split_once('=')).collect();
        let layer = Layer { kind, fields };
        let outer = at.checked_sub(1).map(|at| pieces[at]);
        packet = match wrap(&layer, packet, inner, outer)? {
            Some(wrapped) => wrapped,
            None if inner.is_empty() => hex(piece)?,
            None => return Err(format!("`{piece}` is no layer")),
        };
        inner = kind;
    }
    if let Some(cut) = cut {
        packet.truncate(cut);
    }
    Ok(packet)
}

fn wrap(
    layer: &Layer<'_>,
    body: Vec<u8>,
    inner: &str,
    outer: Option<&str>,
) -> Result<Option<Vec<u8>>, String> {
    let header = match layer.kind {
        "eth" => ethernet(layer, inner)?,
        "vlan" => vlan(layer, inner)?,
        "ip4" => ipv4(layer, inner, body.len())?,
        "ip6" => ipv6(layer, inner, body.len())?,
        "tcp" => tcp(layer)?,
        "udp" => udp(layer, body.len())?,
        "icmp" => vec![
            layer.number("type", 8)? as u8,
            layer.number("code", 0)? as u8,
            0,
            0,
            0,
            0,
            0,
            0,
        ],
        _ => return Ok(None),
    };
    let mut packet = header;
    packet.extend(body);
    let sum_at = match layer.kind {
        "tcp" => 16,
        "udp" => 6,
        "icmp" => 2,
        _ => return Ok(Some(packet)),
    };
    let given = layer
        .fields
        .get("sum")
        .map(|text| number(text).ok_or("no number"))
        .transpose()?;
    let sum = match given {
        Some(sum) => sum as u16,
        None => {
            let pseudo = match outer {
                Some(outer) if layer.kind != "icmp" => {
                    pseudo_of_text(outer, packet.len())? + protocol(layer.kind)
                }
                _ => 0,
            };
            let sum = !fold(pseudo + words(&packet));
            if sum == 0 && layer.kind == "udp" {
                0xffff
            } else {
                sum
            }
        }
    };
    packet[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
    Ok(Some(packet))
}

fn ethernet(layer: &Layer<'_>, inner: &str) -> Result<Vec<u8>, String> {
    let mut out = layer.mac("dst", [2, 0, 0, 0, 0, 2])?.to_vec();
    out.extend(layer.mac("src", [2, 0, 0, 0, 0, 1])?);
    out.extend((layer.number("type", ethertype(inner))? as u16).to_be_bytes());
    Ok(out)
}

fn vlan(layer: &Layer<'_>, inner: &str) -> Result<Vec<u8>, String> {
    let tag =
        layer.number("prio", 0)? << 13 | layer.number("dei", 0)? << 12 | layer.number("id", 1)?;
    let mut out = (tag as u16).to_be_bytes().to_vec();
    out.extend((layer.number("type", ethertype(inner))? as u16).to_be_bytes());
    Ok(out)
}

fn ethertype(inner: &str) -> u64 {
    match inner {
        "ip4" => 0x0800,
        "ip6" => 0x86dd,
        "vlan" => 0x8100,
        _ => 0x88b5,
    }
}

fn protocol(inner: &str) -> u64 {
    match inner {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "ip4" => 4,
        "ip6" => 41,
        _ => 253,
    }
}

const IP4_SRC: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const IP4_DST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
const IP6_SRC: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const IP6_DST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn ipv4(layer: &Layer<'_>, inner: &str, body: usize) -> Result<Vec<u8>, String> {
    let options = hex(layer.fields.get("options").copied().unwrap_or(""))?;
    let ihl = layer.number("ihl", 5 + options.len() as u64 / 4)?;
    let length = layer.number("length", (20 + options.len() + body) as u64)?;
    let fragment =
        layer.number("df", 0)? << 14 | layer.number("mf", 0)? << 13 | layer.number("frag", 0)?;
    let mut out = vec![(layer.number("version", 4)? << 4 | ihl) as u8];
    out.push((layer.number("dscp", 0)? << 2 | layer.number("ecn", 0)?) as u8);
    out.extend((length as u16).to_be_bytes());
    out.extend((layer.number("id", 0x1234)? as u16).to_be_bytes());
    out.extend((fragment as u16).to_be_bytes());
    out.push(layer.number("ttl", 64)? as u8);
    out.push(layer.number("proto", protocol(inner))? as u8);
    out.extend([0, 0]);
    out.extend(layer.parsed("src", IP4_SRC)?.octets());
    out.extend(layer.parsed("dst", IP4_DST)?.octets());
    out.extend(options);
    let sum = layer.number("sum", u64::from(!fold(words(&out))))?;
    out[10..12].copy_from_slice(&(sum as u16).to_be_bytes());
    Ok(out)
}

fn ipv6(layer: &Layer<'_>, inner: &str, body: usize) -> Result<Vec<u8>, String> {
    let class = layer.number("dscp", 0)? << 2 | layer.number("ecn", 0)?;
    let first = layer.number("version", 6)? << 28 | class << 20 | layer.number("flow", 0)?;
    let mut out = (first as u32).to_be_bytes().to_vec();
    out.extend((layer.number("length", body as u64)? as u16).to_be_bytes());
    out.push(layer.number("next", protocol(inner))? as u8);
    out.push(layer.number("hops", 64)? as u8);
    out.extend(layer.parsed("src", IP6_SRC)?.octets());
    out.extend(layer.parsed("dst", IP6_DST)?.octets());
    Ok(out)
}

fn tcp(layer: &Layer<'_>) -> Result<Vec<u8>, String> {
    let options = hex(layer.fields.get("options").copied().unwrap_or(""))?;
    let mut out = (layer.number("sport", 40_000)? as u16)
        .to_be_bytes()
        .to_vec();
    out.extend((layer.number("dport", 80)? as u16).to_be_bytes());
    out.extend((layer.number("seq", 1)? as u32).to_be_bytes());
    out.extend((layer.number("ack", 0)? as u32).to_be_bytes());
    out.push((layer.number("offset", 5 + options.len() as u64 / 4)? << 4) as u8);
    let flags = layer.fields.get("flags").copied().unwrap_or("");
    out.push(flags.chars().try_fold(0, |bits, flag| {
        let bit = "FSRPAUEC"
            .find(flag)
            .ok_or(format!("`{flag}` is no flag"))?;
        Ok::<u8, String>(bits | 1 << bit)
    })?);
    out.extend((layer.number("window", 65_535)? as u16).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(options);
    Ok(out)
}

fn udp(layer: &Layer<'_>, body: usize) -> Result<Vec<u8>, String> {
    let mut out = (layer.number("sport", 40_000)? as u16)
        .to_be_bytes()
        .to_vec();
    out.extend((layer.number("dport", 53)? as u16).to_be_bytes());
    out.extend((layer.number("length", 8 + body as u64)? as u16).to_be_bytes());
    out.extend([0, 0]);
    Ok(out)
}

/// The pseudo-header's words but for the protocol, from the text of the layer around.
fn pseudo_of_text(outer: &str, length: usize) -> Result<u64, String> {
    let mut pieces = outer.split_whitespace();
    let kind = pieces.next().unwrap_or("");
    let fields = pieces.filter_map(|word| word.split_once('=')).collect();
    let layer = Layer { kind, fields };
    let mut addresses = match kind {
        "ip4" => layer.parsed("src", IP4_SRC)?.octets().to_vec(),
        "ip6" => layer.parsed("src", IP6_SRC)?.octets().to_vec(),
        _ => return Ok(0),
    };
    match kind {
        "ip4" => addresses.extend(layer.parsed("dst", IP4_DST)?.octets()),
        _ => addresses.extend(layer.parsed("dst", IP6_DST)?.octets()),
    }
    Ok(words(&addresses) + length as u64)
}

/// The sum of 16-bit words, an odd byte at the end being the upper half of its word.
fn words(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u64::from(low));
    bytes.chunks(2).map(word).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Which of the checksums in a packet are right, by name; those that are not there are left out.
/// The packet begins at its network header, or behind an Ethernet header and tags.
pub fn sums(packet: &[u8], link: bool) -> BTreeMap<&'static str, bool> {
    let mut found = BTreeMap::new();
    let mut packet = packet;
    if link {
        let mut at = 12;
        while packet
            .get(at..at + 2)
            .is_some_and(|tag| [[0x81, 0], [0x88, 0xa8]].iter().any(|t| t == tag))
        {
            at += 4;
        }
        packet = packet.get(at + 2..).unwrap_or(&[]);
    }
    let (protocol, addresses, body) = match packet.first().map(|byte| byte >> 4) {
        Some(4) => {
            let header = usize::from(packet[0] & 15) * 4;
            if header < 20 || packet.len() < header {
                return found;
            }
            found.insert("ip4", fold(words(&packet[..header])) == 0xffff);
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
            if fragment || total < header || total > packet.len() {
                return found;
            }
            (packet[9], &packet[12..20], &packet[header..total])
        }
        Some(6) if packet.len() >= 40 => {
            let total = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            if total > packet.len() {
                return found;
            }
            (packet[6], &packet[8..40], &packet[40..total])
        }
        _ => return found,
    };
    let pseudo = words(addresses) + u64::from(protocol) + body.len() as u64;
    let good = |sum: u64| fold(sum) == 0xffff;
    match protocol {
        6 if body.len() >= 20 => {
            found.insert("tcp", good(pseudo + words(body)));
        }
        1 if body.len() >= 8 => {
            found.insert("icmp", good(words(body)));
        }
        // A UDP checksum of zero says that there is none.
        17 if body.len() >= 8 && body[6..8] != [0, 0] => {
            found.insert("udp", good(pseudo + words(body)));
        }
        _ => {}
    }
    found
}
