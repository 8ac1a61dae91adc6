//! The contents of a resource: which changes of a state they are.
//!
//! In: what is written under a resource's name, and the resource's shape. Out: changes, in order. An
//! entry of a table is a map with `key` and `value`, a rule has a `priority` too, members of sets are their
//! keys alone, and elements of arrays have an `index`.

use nfl_abi::image::ResourceKind;
use nfl_vm::{Count, Rates, State, StateError, TernaryRule};

use super::datum::Datum;
use super::read::{Reader, join};
use super::shape::{ResourceShape, Scalar};

/// A change of a state.
#[derive(Debug)]
pub(super) struct Change {
    /// Where it is written.
    pub(super) path: String,
    /// The resource's name.
    pub(super) resource: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Insert(Vec<u8>, Vec<u8>),
    Prefix(Vec<u8>, u16, Vec<u8>),
    Rule(TernaryRule),
    Slot(u32, Vec<u8>),
    Register(u32, Vec<u8>),
    Count(u32, Count),
    CountOf(Vec<u8>, Count),
    Rates(Rates),
}

/// Makes a change.
pub(super) fn change(state: &mut State, change: &Change) -> Result<(), StateError> {
    let name = change.resource.as_str();
    match &change.what {
        What::Insert(key, value) => state.insert(name, key, value),
        What::Prefix(address, bits, value) => state.insert_prefix(name, address, *bits, value),
        What::Rule(rule) => state.insert_rule(name, rule.clone()),
        What::Slot(slot, value) => state.insert_slot(name, *slot, value),
        What::Register(index, value) => state.set_register(name, *index, value),
        What::Count(index, count) => state.set_counter(name, *index, *count),
        What::CountOf(key, count) => state.set_counter_of(name, key, *count),
        What::Rates(rates) => state.set_meter(name, Some(*rates)),
    }
}

/// Reads what is written under a resource's name.
pub(super) fn read(
    reader: &mut Reader,
    path: &str,
    shape: &ResourceShape,
    datum: &Datum,
) -> Vec<Change> {
    let one = match (shape.kind, shape.is_array) {
        (ResourceKind::Register | ResourceKind::Counter, false) | (ResourceKind::Meter, _) => true,
        (ResourceKind::Report, _) => {
            reader.wrong(path, "records are reported, and not kept");
            return Vec::new();
        }
        _ => false,
    };
    let change = |path: String, what: What| Change {
        path,
        resource: shape.name.clone(),
        what,
    };
    if one {
        let what = element(reader, path, shape, datum);
        return what
            .map(|what| change(path.to_string(), what))
            .into_iter()
            .collect();
    }
    let mut changes = Vec::new();
    for (n, item) in reader
        .list(path, datum)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let path = format!("{path}[{n}]");
        if let Some(what) = element(reader, &path, shape, item) {
            changes.push(change(path, what));
        }
    }
    changes
}

/// The value under a name that must be there.
fn need<'d>(reader: &mut Reader, path: &str, datum: &'d Datum, name: &str) -> Option<&'d Datum> {
    let found = datum.get(name);
    if found.is_none() {
        reader.wrong(&join(path, name), "this is missing");
    }
    found
}

fn element(reader: &mut Reader, path: &str, shape: &ResourceShape, datum: &Datum) -> Option<What> {
    let value = |reader: &mut Reader| {
        let value = need(reader, path, datum, "value")?;
        reader.bytes(&join(path, "value"), &shape.value, value)
    };
    let key = |reader: &mut Reader| {
        reader.map(path, datum, &["key", "value"])?;
        need(reader, path, datum, "key")
    };
    match shape.kind {
        ResourceKind::Table
        | ResourceKind::FlowTable
        | ResourceKind::FlowState
        | ResourceKind::Tags => {
            let key = key(reader)?;
            let key = reader.bytes(&join(path, "key"), &shape.key, key);
            let value = value(reader);
            Some(What::Insert(key?, value?))
        }
        ResourceKind::Lpm => {
            let key = key(reader)?;
            let prefix = reader.prefix(&join(path, "key"), &shape.key, key);
            let value = value(reader);
            let (address, bits) = prefix?;
            Some(What::Prefix(address, bits, value?))
        }
        ResourceKind::Ternary => rule(reader, path, shape, datum).map(What::Rule),
        ResourceKind::Set | ResourceKind::FlowSet | ResourceKind::Topic => {
            let key = reader.bytes(path, &shape.key, datum)?;
            Some(What::Insert(key, Vec::new()))
        }
        ResourceKind::Ring => {
            let member = reader.bytes(path, &shape.value, datum)?;
            Some(What::Insert(member, Vec::new()))
        }
        ResourceKind::Slots => {
            reader.map(path, datum, &["slot", "value"])?;
            let slot = need(reader, path, datum, "slot")?;
            let slot = reader.int(&join(path, "slot"), slot, 0, i128::from(u32::MAX));
            let value = value(reader);
            Some(What::Slot(slot? as u32, value?))
        }
        ResourceKind::Register => {
            if !shape.is_array {
                let value = reader.bytes(path, &shape.value, datum)?;
                return Some(What::Register(0, value));
            }
            reader.map(path, datum, &["index", "value"])?;
            let index = index(reader, path, datum);
            let value = value(reader);
            Some(What::Register(index?, value?))
        }
        ResourceKind::Counter => {
            let known: &[&str] = match shape.is_array {
                true => &["index", "packets", "bytes"],
                false => &["packets", "bytes"],
            };
            reader.map(path, datum, known)?;
            let index = match shape.is_array {
                true => index(reader, path, datum),
                false => Some(0),
            };
            let count = count(reader, path, datum);
            Some(What::Count(index?, count?))
        }
        ResourceKind::Counters => {
            reader.map(path, datum, &["key", "packets", "bytes"])?;
            let key = need(reader, path, datum, "key");
            let count = count(reader, path, datum);
            let key = reader.bytes(&join(path, "key"), &shape.key, key?);
            Some(What::CountOf(key?, count?))
        }
        ResourceKind::Meter => rates(reader, path, datum).map(What::Rates),
        ResourceKind::Report => None,
    }
}

fn index(reader: &mut Reader, path: &str, datum: &Datum) -> Option<u32> {
    let index = need(reader, path, datum, "index")?;
    let index = reader.int(&join(path, "index"), index, 0, i128::from(u32::MAX))?;
    Some(index as u32)
}

fn count(reader: &mut Reader, path: &str, datum: &Datum) -> Option<Count> {
    let mut number = |name: &str| {
        let zero = Datum::Int(0);
        let datum = datum.get(name).unwrap_or(&zero);
        reader.int(&join(path, name), datum, 0, i128::from(u64::MAX))
    };
    let (packets, bytes) = (number("packets"), number("bytes"));
    Some(Count {
        packets: packets? as u64,
        bytes: bytes? as u64,
    })
}

/// A rule: what it asks of a key, its value, and its priority, the highest of which is asked first.
fn rule(
    reader: &mut Reader,
    path: &str,
    shape: &ResourceShape,
    datum: &Datum,
) -> Option<TernaryRule> {
    reader.map(path, datum, &["priority", "key", "value"])?;
    let priority = match datum.get("priority") {
        Some(priority) => {
            let most = i128::from(u32::MAX);
            reader.int(&join(path, "priority"), priority, 0, most)
        }
        None => Some(0),
    };
    let parts = match datum.get("key") {
        Some(key) => reader.parts(&join(path, "key"), &shape.key, key),
        // Without a key, a rule takes everything.
        None => Some(Vec::new()),
    };
    let value = need(reader, path, datum, "value")?;
    let value = reader.bytes(&join(path, "value"), &shape.value, value);
    Some(TernaryRule {
        priority: priority? as u32,
        parts: parts?,
        value: value?,
    })
}

/// The rates of a meter; the peak is that of the committed rate where it is left out.
fn rates(reader: &mut Reader, path: &str, datum: &Datum) -> Option<Rates> {
    let known = ["committed", "committed-burst", "peak", "peak-burst"];
    reader.map(path, datum, &known)?;
    let quantity = |reader: &mut Reader, name: &str, scalar: &Scalar| {
        let it = datum.get(name)?;
        reader.scalar(&join(path, name), scalar, it)
    };
    for name in &known[..2] {
        need(reader, path, datum, name);
    }
    let committed = quantity(reader, known[0], &Scalar::Rate);
    let burst = quantity(reader, known[1], &Scalar::Size);
    let peak = quantity(reader, known[2], &Scalar::Rate).or(committed);
    let peak_burst = quantity(reader, known[3], &Scalar::Size).or(burst);
    Some(Rates {
        committed_bps: committed? as u64,
        committed_burst: burst? as u32,
        peak_bps: peak? as u64,
        peak_burst: peak_burst? as u32,
    })
}
