//! What a world may say: as a JSON schema for editors, and as a skeleton for people.
//!
//! In: the shapes of a program's resources, or nothing for worlds of any program. Out: a schema of JSON Schema
//! draft 2020-12, and a TOML text that is a world, with an example of each entry as a comment.

use std::fmt::Write as _;

use nfl_abi::image::ResourceKind;

use super::datum::Datum;
use super::save::of_number;
use super::shape::{Layout, ResourceShape, Scalar, Shape};

/// The JSON schema of worlds: of those for a program with these resources, or of all.
pub fn schema(shapes: Option<&[ResourceShape]>) -> Datum {
    let resources = match shapes {
        Some(shapes) => {
            let resources = shapes.iter().filter(|s| s.kind != ResourceKind::Report);
            closed(
                resources.map(|s| (s.name.clone(), s.schema())).collect(),
                &[],
            )
        }
        None => typed("object"),
    };
    let word = || integer(0, u32::MAX.into());
    let value = Datum::map([(
        "type",
        Datum::List(
            ["string", "integer", "boolean", "array"]
                .map(Datum::text)
                .to_vec(),
        ),
    )]);
    let port = integer(0, u16::MAX.into());
    let ports = list(port.clone());
    let clock = [
        ("start", of_scalar(&Scalar::Duration)),
        ("step", of_scalar(&Scalar::Duration)),
    ];
    let top = [
        ("node", word()),
        ("port", port),
        ("next-hop", word()),
        ("queue-depth", word()),
        (
            "seed",
            of_scalar(&Scalar::Number {
                bits: 64,
                signed: false,
            }),
        ),
        ("clock", closed(named(clock), &[])),
        (
            "set",
            Datum::map([
                ("type", Datum::text("object")),
                ("additionalProperties", value),
            ]),
        ),
        (
            "groups",
            Datum::map([
                ("type", Datum::text("object")),
                ("additionalProperties", ports),
            ]),
        ),
        ("resources", resources),
    ];
    let Datum::Map(mut whole) = closed(named(top), &[]) else {
        return Datum::Map(Vec::new());
    };
    let head = [
        (
            "$schema",
            Datum::text("https://json-schema.org/draft/2020-12/schema"),
        ),
        (
            "title",
            Datum::text("What a node knows before a program runs"),
        ),
    ];
    whole.splice(0..0, named(head));
    Datum::Map(whole)
}

fn named<const N: usize>(entries: [(&str, Datum); N]) -> Vec<(String, Datum)> {
    let entries = entries.into_iter();
    entries.map(|(name, it)| (name.to_string(), it)).collect()
}

fn typed(ty: &str) -> Datum {
    Datum::map([("type", Datum::text(ty))])
}

fn integer(lo: i128, hi: i128) -> Datum {
    Datum::map([
        ("type", Datum::text("integer")),
        ("minimum", Datum::Int(lo)),
        ("maximum", Datum::Int(hi)),
    ])
}

fn any_of(choices: Vec<Datum>) -> Datum {
    Datum::map([("anyOf", Datum::List(choices))])
}

fn list(items: Datum) -> Datum {
    Datum::map([("type", Datum::text("array")), ("items", items)])
}

/// An object with these properties and no others.
fn closed(properties: Vec<(String, Datum)>, required: &[&str]) -> Datum {
    let mut object = named([
        ("type", Datum::text("object")),
        ("properties", Datum::Map(properties)),
        ("additionalProperties", Datum::Bool(false)),
    ]);
    if !required.is_empty() {
        let required = required.iter().map(|&name| Datum::text(name)).collect();
        object.push(("required".to_string(), Datum::List(required)));
    }
    Datum::Map(object)
}

fn pattern(pattern: &str) -> Datum {
    Datum::map([
        ("type", Datum::text("string")),
        ("pattern", Datum::text(pattern)),
    ])
}

fn of_scalar(scalar: &Scalar) -> Datum {
    match scalar {
        Scalar::Bool => typed("boolean"),
        Scalar::Number { .. } => {
            let (lo, hi) = scalar.range();
            any_of(vec![
                integer(lo, hi),
                pattern("^-?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9_]+)$"),
            ])
        }
        Scalar::Ip4 => Datum::map([
            ("type", Datum::text("string")),
            ("format", Datum::text("ipv4")),
        ]),
        Scalar::Ip6 => Datum::map([
            ("type", Datum::text("string")),
            ("format", Datum::text("ipv6")),
        ]),
        Scalar::Mac => pattern("^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"),
        Scalar::Duration => pattern("^[0-9]+(ns|us|ms|s|min|h)$"),
        Scalar::Size => pattern("^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)$"),
        Scalar::Rate => pattern("^[0-9]+[kMGT]?bps$"),
        Scalar::Enum(names) => {
            let names = names.iter().map(|(name, _)| Datum::text(name)).collect();
            Datum::map([("enum", Datum::List(names))])
        }
    }
}

fn of_layout(layout: &Layout) -> Datum {
    match &layout.shape {
        Shape::Bytes => pattern(&format!("^0x[0-9a-fA-F]{{{}}}$", layout.size * 2)),
        shape => of_shape(shape),
    }
}

fn of_shape(shape: &Shape) -> Datum {
    match shape {
        Shape::Scalar(scalar, _) => of_scalar(scalar),
        Shape::Record(components) => {
            let properties = components.iter();
            let properties = properties
                .map(|c| (c.name.clone(), of_shape(&c.shape)))
                .collect();
            let needed = components.iter().filter(|c| c.default.is_none());
            let needed: Vec<&str> = needed.map(|c| c.name.as_str()).collect();
            closed(properties, &needed)
        }
        Shape::Array(items) => match items.first() {
            Some(first) => list(of_shape(first)),
            None => typed("array"),
        },
        Shape::Flow => {
            let address = || {
                let address = [of_scalar(&Scalar::Ip4), of_scalar(&Scalar::Ip6)];
                any_of(address.to_vec())
            };
            let properties = [
                ("source", address()),
                ("destination", address()),
                ("sourcePort", integer(0, u16::MAX.into())),
                ("destinationPort", integer(0, u16::MAX.into())),
                ("protocol", integer(0, u8::MAX.into())),
            ];
            closed(named(properties), &["source", "destination"])
        }
        Shape::Bytes => pattern("^0x([0-9a-fA-F]{2})*$"),
        Shape::Nothing => typed("null"),
    }
}

/// What a rule may ask of a key.
fn of_rule(shape: &Shape) -> Datum {
    match shape {
        Shape::Scalar(scalar, _) => any_of(vec![of_scalar(scalar), pattern("\\.\\.|/|&")]),
        Shape::Record(components) => {
            let properties = components.iter();
            closed(
                properties
                    .map(|c| (c.name.clone(), of_rule(&c.shape)))
                    .collect(),
                &[],
            )
        }
        Shape::Array(items) => match items.first() {
            Some(first) => list(of_rule(first)),
            None => typed("array"),
        },
        other => of_shape(other),
    }
}

impl ResourceShape {
    fn schema(&self) -> Datum {
        let entry = |properties: Vec<(&str, Datum)>, needed: &[&str]| {
            let properties = properties.into_iter().map(|(n, it)| (n.to_string(), it));
            closed(properties.collect(), needed)
        };
        let value = || ("value", of_layout(&self.value));
        let word = || integer(0, u32::MAX.into());
        let number = || integer(0, u64::MAX.into());
        let counts = || vec![("packets", number()), ("bytes", number())];
        match self.kind {
            ResourceKind::Table
            | ResourceKind::FlowTable
            | ResourceKind::FlowState
            | ResourceKind::Tags => {
                let key = ("key", of_layout(&self.key));
                list(entry(vec![key, value()], &["key", "value"]))
            }
            ResourceKind::Lpm => {
                let key = ("key", typed("string"));
                list(entry(vec![key, value()], &["key", "value"]))
            }
            ResourceKind::Ternary => {
                let key = ("key", of_rule(&self.key.shape));
                list(entry(vec![key, value(), ("priority", word())], &["value"]))
            }
            ResourceKind::Set | ResourceKind::FlowSet | ResourceKind::Topic => {
                list(of_layout(&self.key))
            }
            ResourceKind::Ring => list(of_layout(&self.value)),
            ResourceKind::Slots => list(entry(vec![("slot", word()), value()], &["slot", "value"])),
            ResourceKind::Register if self.is_array => {
                list(entry(vec![("index", word()), value()], &["index", "value"]))
            }
            ResourceKind::Register => of_layout(&self.value),
            ResourceKind::Counter if self.is_array => {
                let properties = [vec![("index", word())], counts()].concat();
                list(entry(properties, &["index"]))
            }
            ResourceKind::Counter => entry(counts(), &[]),
            ResourceKind::Counters => {
                let properties = [vec![("key", of_layout(&self.key))], counts()].concat();
                list(entry(properties, &["key"]))
            }
            ResourceKind::Meter => {
                let (rate, size) = (of_scalar(&Scalar::Rate), of_scalar(&Scalar::Size));
                let properties = vec![
                    ("committed", rate.clone()),
                    ("committed-burst", size.clone()),
                    ("peak", rate),
                    ("peak-burst", size),
                ];
                entry(properties, &["committed", "committed-burst"])
            }
            ResourceKind::Report => typed("null"),
        }
    }

    /// An entry as it may be written, and whether it stands in a list.
    fn example(&self) -> (Datum, bool) {
        let (key, value) = (|| of_zero(&self.key), || of_zero(&self.value));
        let counts = [("packets", Datum::Int(0)), ("bytes", Datum::Int(0))];
        match self.kind {
            ResourceKind::Table
            | ResourceKind::FlowTable
            | ResourceKind::FlowState
            | ResourceKind::Tags => (Datum::map([("key", key()), ("value", value())]), true),
            ResourceKind::Lpm => {
                let prefix = match key() {
                    Datum::Text(address) => Datum::text(format!("{address}/0")),
                    other => other,
                };
                (Datum::map([("key", prefix), ("value", value())]), true)
            }
            ResourceKind::Ternary => {
                let priority = Datum::Int(1);
                let rule = [("key", key()), ("value", value()), ("priority", priority)];
                (Datum::map(rule), true)
            }
            ResourceKind::Set | ResourceKind::FlowSet | ResourceKind::Topic => (key(), true),
            ResourceKind::Ring => (value(), true),
            ResourceKind::Slots => (
                Datum::map([("slot", Datum::Int(0)), ("value", value())]),
                true,
            ),
            ResourceKind::Register if self.is_array => (
                Datum::map([("index", Datum::Int(0)), ("value", value())]),
                true,
            ),
            ResourceKind::Register => (value(), false),
            ResourceKind::Counter if self.is_array => {
                let [packets, bytes] = counts;
                (Datum::map([("index", Datum::Int(0)), packets, bytes]), true)
            }
            ResourceKind::Counters => {
                let [packets, bytes] = counts;
                (Datum::map([("key", key()), packets, bytes]), true)
            }
            ResourceKind::Counter | ResourceKind::Report => (Datum::map(counts), false),
            ResourceKind::Meter => {
                let rates = [
                    ("committed", Datum::text("10Mbps")),
                    ("committed-burst", Datum::text("64KiB")),
                    ("peak", Datum::text("20Mbps")),
                    ("peak-burst", Datum::text("128KiB")),
                ];
                (Datum::map(rates), false)
            }
        }
    }
}

fn of_zero(layout: &Layout) -> Datum {
    match &layout.shape {
        Shape::Bytes => Datum::text(format!("0x{}", "00".repeat(layout.size))),
        shape => zero(shape),
    }
}

/// A value whose numbers are zero, and names their first.
fn zero(shape: &Shape) -> Datum {
    match shape {
        Shape::Scalar(Scalar::Enum(names), _) => match names.first() {
            Some((name, _)) => Datum::text(name),
            None => Datum::Int(0),
        },
        Shape::Scalar(scalar, _) => of_number(scalar, 0),
        Shape::Record(components) => {
            let components = components.iter();
            Datum::Map(
                components
                    .map(|c| (c.name.clone(), zero(&c.shape)))
                    .collect(),
            )
        }
        Shape::Array(items) => Datum::List(items.iter().map(zero).collect()),
        Shape::Flow => Datum::map([
            ("source", of_number(&Scalar::Ip4, 0)),
            ("destination", of_number(&Scalar::Ip4, 0)),
            ("sourcePort", Datum::Int(0)),
            ("destinationPort", Datum::Int(0)),
            ("protocol", Datum::Int(6)),
        ]),
        Shape::Bytes | Shape::Nothing => Datum::text("0x"),
    }
}

/// A world for a function, with comments that show what else it may say: a TOML text.
pub fn skeleton(function: &str, parameters: &[String], shapes: &[ResourceShape]) -> String {
    let mut out = format!("# A world for {function}: what its node knows before it runs.\n");
    out.push_str("node = 0\nport = 0\nseed = 0\n");
    out.push_str("# clock = { start = \"0ns\", step = \"1ms\" }\n");
    out.push_str("# groups = { 1 = [2, 3] }\n");
    if !parameters.is_empty() {
        out.push_str("\n[set]\n");
        for name in parameters {
            let _ = writeln!(out, "# {} = …", Datum::key(name));
        }
    }
    out.push_str("\n[resources]\n");
    for shape in shapes.iter().filter(|s| s.kind != ResourceKind::Report) {
        let name = Datum::key(&shape.name);
        let (example, is_list) = shape.example();
        let example = example.to_toml();
        let _ = match is_list {
            true => writeln!(
                out,
                "{name} = [    # {}\n    # {example},\n]",
                shape.kind.text()
            ),
            false => writeln!(out, "# {name} = {example}    # {}", shape.kind.text()),
        };
    }
    out
}
