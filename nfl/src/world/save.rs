//! From a state to what people write.
//!
//! In: shapes, and a state. Out: the contents that fill an empty state with the same entries. What is not
//! kept: when an entry was last used, and how full the buckets of a meter are.

use std::net::{Ipv4Addr, Ipv6Addr};

use nfl_abi::image::ResourceKind;
use nfl_vm::{Count, Part, State, StateError, TernaryRule};

use super::World;
use super::datum::Datum;
use super::shape::{Layout, ResourceShape, Scalar, Shape};

impl World {
    /// This world with the contents that a state has now, its time and its random numbers. The capture goes on in
    /// the next run, so the time between its packets is as it was.
    #[must_use]
    pub fn save(&self, shapes: &[ResourceShape], state: &State) -> World {
        let saved = shapes.iter().filter_map(|shape| {
            let datum = contents(shape, state).ok()??;
            Some((shape.name.clone(), datum))
        });
        let step_ns = self.step_ns.unwrap_or(0);
        World {
            seed: state.random_seed(),
            start_ns: Some(state.clock_ns().saturating_add(step_ns)),
            resources: saved.collect(),
            ..self.clone()
        }
    }

    /// This world as it is written.
    pub fn datum(&self) -> Datum {
        let mut top = Vec::new();
        let mut put = |name: &str, datum: Datum| top.push((name.to_string(), datum));
        if let Some(node) = self.node {
            put("node", node.into());
        }
        if let Some(port) = self.port {
            put("port", port.into());
        }
        for (name, word) in [
            ("next-hop", u64::from(self.next_hop)),
            ("queue-depth", u64::from(self.queue_depth)),
            ("seed", self.seed),
        ] {
            if word != 0 {
                put(name, word.into());
            }
        }
        let times = [("start", self.start_ns), ("step", self.step_ns)];
        let times = times
            .into_iter()
            .filter_map(|(name, ns)| Some((name.to_string(), Datum::text(duration(ns?)))));
        let times: Vec<(String, Datum)> = times.collect();
        if !times.is_empty() {
            put("clock", Datum::Map(times));
        }
        if !self.set.is_empty() {
            let set = self.set.iter();
            let set = set.map(|(name, text)| (name.clone(), Datum::text(text)));
            put("set", Datum::Map(set.collect()));
        }
        if !self.groups.is_empty() {
            let groups = self.groups.iter().map(|(number, ports)| {
                let ports = ports.iter().map(|&port| port.into()).collect();
                (number.to_string(), Datum::List(ports))
            });
            put("groups", Datum::Map(groups.collect()));
        }
        if !self.resources.is_empty() {
            put("resources", Datum::Map(self.resources.clone()));
        }
        Datum::Map(top)
    }
}

/// What is written under a resource's name, if there is anything to write.
fn contents(shape: &ResourceShape, state: &State) -> Result<Option<Datum>, StateError> {
    let name = shape.name.as_str();
    let (key, value) = (&shape.key, &shape.value);
    let keyed = |(k, v): (Vec<u8>, Vec<u8>)| {
        Datum::map([("key", of_bytes(key, &k)), ("value", of_bytes(value, &v))])
    };
    let indexed = |place: &str, (k, v): (Vec<u8>, Vec<u8>)| {
        Datum::map([(place, word(&k).into()), ("value", of_bytes(value, &v))])
    };
    let items: Vec<Datum> = match shape.kind {
        ResourceKind::Table
        | ResourceKind::FlowTable
        | ResourceKind::FlowState
        | ResourceKind::Tags => state.entries(name)?.into_iter().map(keyed).collect(),
        ResourceKind::Lpm => {
            let entries = state.entries(name)?.into_iter();
            let prefix = |(mut k, v): (Vec<u8>, Vec<u8>)| {
                let bits = k.split_off(k.len().saturating_sub(2));
                let bits = bits.first_chunk().map_or(0, |&b| u16::from_le_bytes(b));
                let address = match (&key.shape, of_bytes(key, &k)) {
                    (_, Datum::Text(text)) => text,
                    _ => String::new(),
                };
                let key = Datum::text(format!("{address}/{bits}"));
                Datum::map([("key", key), ("value", of_bytes(value, &v))])
            };
            entries.map(prefix).collect()
        }
        ResourceKind::Ternary => {
            let rules = state.rules(name)?.iter();
            rules.map(|rule| of_rule(shape, rule)).collect()
        }
        ResourceKind::Set | ResourceKind::FlowSet | ResourceKind::Topic => {
            let entries = state.entries(name)?.into_iter();
            entries.map(|(k, _)| of_bytes(key, &k)).collect()
        }
        ResourceKind::Ring => {
            let entries = state.entries(name)?.into_iter();
            entries
                .map(|(member, _)| of_bytes(value, &member))
                .collect()
        }
        ResourceKind::Slots => {
            let entries = state.entries(name)?.into_iter();
            entries.map(|entry| indexed("slot", entry)).collect()
        }
        ResourceKind::Register if shape.is_array => {
            let entries = state.entries(name)?.into_iter();
            entries.map(|entry| indexed("index", entry)).collect()
        }
        ResourceKind::Register => {
            let bytes = state.register(name, 0)?;
            let is_zero = bytes.iter().all(|&byte| byte == 0);
            return Ok((!is_zero).then(|| of_bytes(value, &bytes)));
        }
        ResourceKind::Counter | ResourceKind::Counters => {
            let counted = |(k, count): (Vec<u8>, Count)| {
                let mut entry = match (shape.kind, shape.is_array) {
                    (ResourceKind::Counters, _) => vec![("key".to_string(), of_bytes(key, &k))],
                    (_, true) => vec![("index".to_string(), word(&k).into())],
                    _ => Vec::new(),
                };
                entry.push(("packets".to_string(), count.packets.into()));
                entry.push(("bytes".to_string(), count.bytes.into()));
                Datum::Map(entry)
            };
            let mut counts = state.counters(name)?.into_iter().map(counted);
            if shape.kind == ResourceKind::Counter && !shape.is_array {
                return Ok(counts.next());
            }
            counts.collect()
        }
        ResourceKind::Meter => {
            return Ok(state.meter(name)?.map(|rates| {
                Datum::map([
                    ("committed", Datum::text(rate(rates.committed_bps))),
                    ("committed-burst", Datum::text(size(rates.committed_burst))),
                    ("peak", Datum::text(rate(rates.peak_bps))),
                    ("peak-burst", Datum::text(size(rates.peak_burst))),
                ])
            }));
        }
        ResourceKind::Report => Vec::new(),
    };
    Ok((!items.is_empty()).then_some(Datum::List(items)))
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |&b| u32::from_le_bytes(b))
}

/// A key or value as it is written.
fn of_bytes(layout: &Layout, bytes: &[u8]) -> Datum {
    match &layout.shape {
        Shape::Flow => of_flow(bytes),
        Shape::Bytes | Shape::Nothing => hex(bytes),
        shape => of_shape(shape, bytes),
    }
}

fn hex(bytes: &[u8]) -> Datum {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Datum::text(format!("0x{digits}"))
}

fn of_shape(shape: &Shape, bytes: &[u8]) -> Datum {
    match shape {
        Shape::Scalar(scalar, leaf) => of_number(scalar, leaf.read(bytes).unwrap_or(0)),
        Shape::Record(components) => {
            let components = components.iter();
            let parts = components.map(|c| (c.name.clone(), of_shape(&c.shape, bytes)));
            Datum::Map(parts.collect())
        }
        Shape::Array(items) => {
            Datum::List(items.iter().map(|item| of_shape(item, bytes)).collect())
        }
        Shape::Nothing | Shape::Flow | Shape::Bytes => hex(bytes),
    }
}

/// A number as it is written.
pub(super) fn of_number(scalar: &Scalar, n: u128) -> Datum {
    match scalar {
        Scalar::Bool => Datum::Bool(n != 0),
        Scalar::Number { bits, signed } => {
            let unused = 128 - (*bits).clamp(1, 128);
            Datum::Int(match signed {
                true => (n << unused) as i128 >> unused,
                false => (n << unused >> unused) as i128,
            })
        }
        Scalar::Ip4 => Datum::text(Ipv4Addr::from_bits(n as u32).to_string()),
        Scalar::Ip6 => Datum::text(Ipv6Addr::from_bits(n).to_string()),
        Scalar::Mac => {
            let bytes = n.to_be_bytes();
            let bytes: Vec<String> = bytes[10..].iter().map(|b| format!("{b:02x}")).collect();
            Datum::text(bytes.join(":"))
        }
        Scalar::Duration => Datum::text(duration(n as u64)),
        Scalar::Size => Datum::text(size(n as u32)),
        Scalar::Rate => Datum::text(rate(n as u64)),
        Scalar::Enum(names) => {
            let found = names.iter().find(|&&(_, number)| number as u128 == n);
            match found {
                Some((name, _)) => Datum::text(name),
                None => Datum::Int(n as i128),
            }
        }
    }
}

/// A quantity in the largest unit that gives a whole number.
fn in_units(n: u64, units: &[(u64, &str)]) -> String {
    let fits = |(of, _): &&(u64, &str)| *of == 1 || n != 0 && n.is_multiple_of(*of);
    match units.iter().find(fits) {
        Some((of, unit)) => format!("{}{unit}", n / of),
        None => n.to_string(),
    }
}

fn duration(ns: u64) -> String {
    let units = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    in_units(ns, &units)
}

fn size(bytes: u32) -> String {
    let units = [
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
        (1, "B"),
    ];
    in_units(bytes.into(), &units)
}

fn rate(bps: u64) -> String {
    let units = [
        (1_000_000_000, "Gbps"),
        (1_000_000, "Mbps"),
        (1_000, "kbps"),
        (1, "bps"),
    ];
    in_units(bps, &units)
}

/// The five-tuple of a flow: 13 bytes with IPv4 addresses, 37 with IPv6.
fn of_flow(bytes: &[u8]) -> Datum {
    let Some((addresses, &[a, b, c, d, protocol])) = bytes.split_last_chunk() else {
        return hex(bytes);
    };
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    let address = |bytes: &[u8]| match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(four), _) => Some(Datum::text(Ipv4Addr::from(four).to_string())),
        (_, Ok(sixteen)) => Some(Datum::text(Ipv6Addr::from(sixteen).to_string())),
        _ => None,
    };
    let (Some(source), Some(destination)) = (address(source), address(destination)) else {
        return hex(bytes);
    };
    Datum::map([
        ("source", source),
        ("destination", destination),
        ("sourcePort", u16::from_be_bytes([a, b]).into()),
        ("destinationPort", u16::from_be_bytes([c, d]).into()),
        ("protocol", protocol.into()),
    ])
}

fn of_rule(shape: &ResourceShape, rule: &TernaryRule) -> Datum {
    let mut entry = Vec::new();
    if let Some(key) = of_parts(&shape.key.shape, &rule.parts) {
        entry.push(("key".to_string(), key));
    }
    entry.push(("value".to_string(), of_bytes(&shape.value, &rule.value)));
    if rule.priority != 0 {
        entry.push(("priority".to_string(), rule.priority.into()));
    }
    Datum::Map(entry)
}

/// What a rule asks of this part of a key, if it asks anything.
fn of_parts(shape: &Shape, parts: &[Part]) -> Option<Datum> {
    match shape {
        Shape::Scalar(scalar, leaf) => {
            let mut here = parts.iter();
            let part = here.find(|part| usize::from(part.offset) == leaf.offset)?;
            Some(of_interval(scalar, part.lo, part.hi))
        }
        Shape::Record(components) => {
            let asked = components.iter().filter_map(|c| {
                let datum = of_parts(&c.shape, parts)?;
                Some((c.name.clone(), datum))
            });
            let asked: Vec<(String, Datum)> = asked.collect();
            (!asked.is_empty()).then_some(Datum::Map(asked))
        }
        Shape::Array(items) => {
            // A list has no place for what is not asked, so all elements are.
            let items = items.iter().map(|item| of_parts(item, parts));
            items.collect::<Option<Vec<Datum>>>().map(Datum::List)
        }
        Shape::Nothing | Shape::Flow | Shape::Bytes => None,
    }
}

fn of_interval(scalar: &Scalar, lo: u128, hi: u128) -> Datum {
    let text = |n: u128| match of_number(scalar, n) {
        Datum::Text(text) => text,
        Datum::Bool(it) => it.to_string(),
        Datum::Int(n) => n.to_string(),
        Datum::List(_) | Datum::Map(_) => String::new(),
    };
    if lo == hi {
        return of_number(scalar, lo);
    }
    let width = match scalar {
        Scalar::Ip4 => 32,
        Scalar::Ip6 => 128,
        _ => 0,
    };
    let host = lo ^ hi;
    let is_prefix = width > 0 && host & host.wrapping_add(1) == 0 && lo & host == 0;
    match is_prefix {
        true => Datum::text(format!("{}/{}", text(lo), width - host.count_ones())),
        false => Datum::text(format!("{}..{}", text(lo), text(hi))),
    }
}
