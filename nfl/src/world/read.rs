//! From what people write to the bytes that lie in resources.
//!
//! In: a value and the shape that it must have. Out: its bytes, or what is wrong, with the path of the key.
//! Guaranteed: everything that is wrong is found at once; a value outside of its range is never cut.

use std::net::{Ipv4Addr, Ipv6Addr};

use nfl_syntax::ast::Lit;
use nfl_test::Leaf;
use nfl_typeck::bind::{Literal, literal};
use nfl_vm::Part;

use super::WorldError;
use super::datum::Datum;
use super::shape::{Component, Layout, Scalar, Shape};

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) errors: Vec<WorldError>,
}

/// A number at its place.
type Placed = (Leaf, u128);

impl Reader {
    /// Notes what should stand at a path.
    pub(super) fn wrong(&mut self, path: &str, what: impl Into<String>) {
        self.errors.push(WorldError {
            path: path.to_string(),
            what: what.into(),
        });
    }

    fn instead<T>(&mut self, path: &str, wanted: &str, is: &Datum) -> Option<T> {
        self.wrong(
            path,
            format!("{wanted} is wanted, and this is {}", is.what()),
        );
        None
    }

    /// The elements of a list.
    pub(super) fn list<'d>(&mut self, path: &str, datum: &'d Datum) -> Option<&'d [Datum]> {
        match datum {
            Datum::List(items) => Some(items),
            other => self.instead(path, "a list", other),
        }
    }

    /// The values by name, none of which is unknown or there twice.
    pub(super) fn map<'d>(
        &mut self,
        path: &str,
        datum: &'d Datum,
        known: &[&str],
    ) -> Option<&'d [(String, Datum)]> {
        let Datum::Map(entries) = datum else {
            let wanted = format!("a table with {}", known.join(", "));
            return self.instead(path, &wanted, datum);
        };
        for (name, _) in entries {
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                self.wrong(&join(path, name), format!("this is not known; {known} are"));
            }
        }
        Some(entries)
    }

    /// A whole number within these bounds.
    pub(super) fn int(&mut self, path: &str, datum: &Datum, lo: i128, hi: i128) -> Option<i128> {
        let n = match datum {
            Datum::Int(n) => Some(*n),
            Datum::Text(text) => int_of(text),
            _ => None,
        };
        match n {
            Some(n) if (lo..=hi).contains(&n) => Some(n),
            _ => self.instead(path, &format!("a number in {lo}..{hi}"), datum),
        }
    }

    /// A quantity: a size, rate or length of time.
    pub(super) fn scalar(&mut self, path: &str, scalar: &Scalar, datum: &Datum) -> Option<u128> {
        match scalar_of(scalar, datum) {
            Some(bits) => Some(bits),
            None => self.instead(path, &scalar.wanted(), datum),
        }
    }

    /// The bytes of a value.
    pub(super) fn bytes(&mut self, path: &str, layout: &Layout, datum: &Datum) -> Option<Vec<u8>> {
        match &layout.shape {
            Shape::Nothing => Some(Vec::new()),
            Shape::Flow => self.flow(path, datum),
            Shape::Bytes => self.raw(path, layout.size, datum),
            shape => {
                let mut numbers = Vec::new();
                self.numbers(path, shape, datum, &mut numbers)?;
                let mut bytes = vec![0; layout.size];
                for (leaf, number) in numbers {
                    leaf.write(&mut bytes, number)?;
                }
                Some(bytes)
            }
        }
    }

    /// The numbers of a value, each at its place.
    fn numbers(
        &mut self,
        path: &str,
        shape: &Shape,
        datum: &Datum,
        into: &mut Vec<Placed>,
    ) -> Option<()> {
        match shape {
            Shape::Scalar(scalar, leaf) => {
                let number = self.scalar(path, scalar, datum)?;
                into.push((*leaf, number));
                Some(())
            }
            Shape::Record(components) => {
                let known: Vec<&str> = components.iter().map(|c| c.name.as_str()).collect();
                self.map(path, datum, &known)?;
                let mut good = Some(());
                for component in components {
                    let Component {
                        name,
                        shape,
                        default,
                    } = component;
                    let path = join(path, name);
                    match (datum.get(name), shape, default) {
                        (Some(datum), ..) => {
                            good = self.numbers(&path, shape, datum, into).and(good);
                        }
                        (None, Shape::Scalar(_, leaf), Some(number)) => into.push((*leaf, *number)),
                        (None, ..) => {
                            self.wrong(&path, format!("this is missing: {}", wanted(shape)));
                            good = None;
                        }
                    }
                }
                good
            }
            Shape::Array(shapes) => {
                let items = self.list(path, datum)?;
                if items.len() != shapes.len() {
                    let (is, must) = (items.len(), shapes.len());
                    self.wrong(
                        path,
                        format!("{must} elements are wanted, and these are {is}"),
                    );
                    return None;
                }
                let mut good = Some(());
                for (n, (shape, item)) in shapes.iter().zip(items).enumerate() {
                    let path = format!("{path}[{n}]");
                    good = self.numbers(&path, shape, item, into).and(good);
                }
                good
            }
            Shape::Nothing | Shape::Flow | Shape::Bytes => self.instead(path, "nothing", datum),
        }
    }

    /// `"0x0a000001"`
    fn raw(&mut self, path: &str, size: usize, datum: &Datum) -> Option<Vec<u8>> {
        match raw_of(datum).filter(|bytes| bytes.len() == size) {
            Some(bytes) => Some(bytes),
            None => {
                let wanted = format!("`0x` and the {} hex digits of {size} bytes", size * 2);
                self.instead(path, &wanted, datum)
            }
        }
    }

    /// Addresses, ports and protocol in wire order.
    fn flow(&mut self, path: &str, datum: &Datum) -> Option<Vec<u8>> {
        let names = [
            "source",
            "destination",
            "sourcePort",
            "destinationPort",
            "protocol",
        ];
        self.map(path, datum, &names)?;
        let address = |reader: &mut Reader, name: &str| {
            let path = join(path, name);
            let Some(datum) = datum.get(name) else {
                reader.wrong(&path, "this is missing: an address");
                return None;
            };
            let four = scalar_of(&Scalar::Ip4, datum).map(|n| (n as u32).to_be_bytes().to_vec());
            let found =
                four.or_else(|| Some(scalar_of(&Scalar::Ip6, datum)?.to_be_bytes().to_vec()));
            match found {
                Some(bytes) => Some(bytes),
                None => reader.instead(&path, "an address", datum),
            }
        };
        let number = |reader: &mut Reader, name: &str, hi: i128| {
            let zero = Datum::Int(0);
            let datum = datum.get(name).unwrap_or(&zero);
            reader.int(&join(path, name), datum, 0, hi)
        };
        let (source, destination) = (address(self, names[0]), address(self, names[1]));
        let source_port = number(self, names[2], 0xffff);
        let destination_port = number(self, names[3], 0xffff);
        let protocol = number(self, names[4], 0xff);
        let (source, destination) = (source?, destination?);
        if source.len() != destination.len() {
            self.wrong(path, "both addresses of a flow are IPv4, or both are IPv6");
            return None;
        }
        // The five-tuple as flow tables know it: addresses, ports and protocol in wire order.
        let mut flow = [source, destination].concat();
        flow.extend_from_slice(&(source_port? as u16).to_be_bytes());
        flow.extend_from_slice(&(destination_port? as u16).to_be_bytes());
        flow.push(protocol? as u8);
        Some(flow)
    }

    /// A prefix: its address in wire order, and how many bits count.
    pub(super) fn prefix(
        &mut self,
        path: &str,
        layout: &Layout,
        datum: &Datum,
    ) -> Option<(Vec<u8>, u16)> {
        let scalar = match &layout.shape {
            Shape::Scalar(scalar, _) => scalar,
            _ => &Scalar::Ip4,
        };
        let (wanted, most) = match (&layout.shape, scalar) {
            (Shape::Bytes, _) => ("a prefix such as \"0x0a000000/8\"", layout.size * 8),
            (_, Scalar::Ip6) => ("a prefix such as \"2001:db8::/32\"", 128),
            _ => ("a prefix such as \"10.0.0.0/8\"", 32),
        };
        let Datum::Text(text) = datum else {
            return self.instead(path, wanted, datum);
        };
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let bits = match (bits, text.contains('/')) {
            ("", false) => Some(most),
            _ => bits.parse().ok().filter(|&bits| bits <= most),
        };
        let address = Datum::text(address);
        let bytes = match &layout.shape {
            Shape::Bytes => raw_of(&address).filter(|bytes| bytes.len() == layout.size),
            _ => scalar_of(scalar, &address).map(|n| match scalar {
                Scalar::Ip6 => n.to_be_bytes().to_vec(),
                _ => (n as u32).to_be_bytes().to_vec(),
            }),
        };
        let (Some(bytes), Some(bits)) = (bytes, bits) else {
            return self.instead(path, wanted, datum);
        };
        let host = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1 == 1;
        if (bits..most).any(host) {
            self.wrong(
                path,
                format!("`{text}` has bits behind its length of {bits}"),
            );
            return None;
        }
        Some((bytes, bits as u16))
    }

    /// What a rule of a ternary table asks of a key.
    pub(super) fn parts(
        &mut self,
        path: &str,
        layout: &Layout,
        datum: &Datum,
    ) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        self.rule(path, &layout.shape, datum, &mut parts)?;
        Some(parts)
    }

    fn rule(
        &mut self,
        path: &str,
        shape: &Shape,
        datum: &Datum,
        into: &mut Vec<Part>,
    ) -> Option<()> {
        match shape {
            Shape::Scalar(scalar, leaf) => {
                let Some((lo, hi)) = interval_of(scalar, datum) else {
                    let wanted = format!(
                        "{}, or an interval `lo..hi`{}",
                        scalar.wanted(),
                        match scalar {
                            Scalar::Ip4 | Scalar::Ip6 => ", or a prefix, or `address & mask`",
                            _ => ", or `value & mask` with a mask of leading ones",
                        }
                    );
                    return self.instead(path, &wanted, datum);
                };
                into.push(Part {
                    offset: leaf.offset as u16,
                    bytes: leaf.bytes as u8,
                    big_endian: leaf.wire,
                    lo,
                    hi,
                });
                Some(())
            }
            Shape::Record(components) => {
                let known: Vec<&str> = components.iter().map(|c| c.name.as_str()).collect();
                self.map(path, datum, &known)?;
                let mut good = Some(());
                for component in components {
                    if let Some(datum) = datum.get(&component.name) {
                        let path = join(path, &component.name);
                        good = self.rule(&path, &component.shape, datum, into).and(good);
                    }
                }
                good
            }
            Shape::Array(shapes) => {
                let items = self.list(path, datum)?;
                let mut good = Some(());
                for (n, (shape, item)) in shapes.iter().zip(items).enumerate() {
                    good = self
                        .rule(&format!("{path}[{n}]"), shape, item, into)
                        .and(good);
                }
                good
            }
            Shape::Bytes => {
                self.wrong(
                    path,
                    "rules are written over the source, and this is an image",
                );
                None
            }
            Shape::Nothing | Shape::Flow => self.instead(path, "nothing", datum),
        }
    }
}

/// What a part of a value must be.
fn wanted(shape: &Shape) -> String {
    match shape {
        Shape::Scalar(scalar, _) => scalar.wanted(),
        Shape::Record(components) => {
            let names: Vec<&str> = components.iter().map(|c| c.name.as_str()).collect();
            format!("a table with {}", names.join(", "))
        }
        Shape::Array(items) => format!("a list of {}", items.len()),
        Shape::Flow => "a flow".to_string(),
        Shape::Bytes => "bytes".to_string(),
        Shape::Nothing => "nothing".to_string(),
    }
}

/// The path of a value within another.
pub(super) fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_string(),
        _ => format!("{path}.{name}"),
    }
}

fn int_of(text: &str) -> Option<i128> {
    let text = text.trim();
    match text.parse() {
        Ok(n) => Some(n),
        Err(_) => match literal(text) {
            Ok(Literal::Int(n)) => Some(n),
            _ => None,
        },
    }
}

fn raw_of(datum: &Datum) -> Option<Vec<u8>> {
    let Datum::Text(text) = datum else {
        return None;
    };
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() % 2 != 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| str::from_utf8(pair).ok());
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

/// The bits of a number or address, if this is how one is written.
pub(super) fn scalar_of(scalar: &Scalar, datum: &Datum) -> Option<u128> {
    let text = match (scalar, datum) {
        (Scalar::Bool, Datum::Bool(it)) => return Some(u128::from(*it)),
        (Scalar::Number { .. }, Datum::Int(n)) => {
            let (lo, hi) = scalar.range();
            return (lo..=hi).contains(n).then_some(*n as u128);
        }
        (Scalar::Number { .. }, Datum::Text(text)) => {
            return scalar_of(scalar, &Datum::Int(int_of(text)?));
        }
        (_, Datum::Text(text)) => text.trim(),
        _ => return None,
    };
    match scalar {
        Scalar::Ip4 => text
            .parse::<Ipv4Addr>()
            .ok()
            .map(|a| u128::from(a.to_bits())),
        Scalar::Ip6 => text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits),
        Scalar::Mac => mac_of(text),
        Scalar::Enum(names) => {
            let found = names.iter().find(|(name, _)| name == text);
            found.map(|&(_, n)| n as u128)
        }
        Scalar::Bool | Scalar::Number { .. } => None,
        Scalar::Duration | Scalar::Size | Scalar::Rate => match (scalar, literal(text).ok()?) {
            (Scalar::Duration, Literal::Lit(Lit::Duration(ns))) => Some(u128::from(ns)),
            (Scalar::Size, Literal::Lit(Lit::Size(bytes))) => {
                u32::try_from(bytes).ok().map(u128::from)
            }
            (
                Scalar::Rate,
                Literal::Lit(Lit::Rate {
                    per_second,
                    packets: false,
                }),
            ) => Some(u128::from(per_second)),
            _ => None,
        },
    }
}

fn mac_of(text: &str) -> Option<u128> {
    let mut bytes = text.split(':').map(|byte| {
        let hex = byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(byte, 16).ok().filter(|_| hex)
    });
    let mut address = 0;
    for _ in 0..6 {
        address = address << 8 | u128::from(bytes.next()??);
    }
    bytes.next().is_none().then_some(address)
}

/// The smallest and the largest number that a rule takes.
fn interval_of(scalar: &Scalar, datum: &Datum) -> Option<(u128, u128)> {
    if let Some(bits) = scalar_of(scalar, datum) {
        return Some((bits, bits));
    }
    let Datum::Text(text) = datum else {
        return None;
    };
    let one = |text: &str| scalar_of(scalar, &Datum::text(text));
    let width = match scalar {
        Scalar::Ip4 => 32,
        Scalar::Ip6 => 128,
        Scalar::Mac => 48,
        Scalar::Number {
            bits,
            signed: false,
        } => *bits,
        _ => 0,
    };
    if let Some((lo, hi)) = text.split_once("..") {
        let (lo, hi) = (one(lo)?, one(hi)?);
        return (lo <= hi).then_some((lo, hi));
    }
    if width == 0 {
        return None;
    }
    let all = u128::MAX >> (128 - width);
    let (address, mask) = match (text.split_once('/'), text.split_once('&')) {
        (Some((address, bits)), _) if matches!(scalar, Scalar::Ip4 | Scalar::Ip6) => {
            let bits: u32 = bits.parse().ok().filter(|&bits| bits <= width)?;
            (one(address)?, all & !all.checked_shr(bits).unwrap_or(0))
        }
        (_, Some((address, mask))) => (one(address)?, one(mask)?),
        _ => return None,
    };
    // What a mask leaves open is an interval only where its ones lead.
    let host = all & !mask;
    let leads = host & host.wrapping_add(1) == 0;
    (leads && address & host == 0).then_some((address, address | host))
}
