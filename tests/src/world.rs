//! What a `run` case does to the state of a node, and what it asks of it.
//!
//! In: fields of a case's head. Out: changed states, and lines that show them. The bytes of keys and
//! values are hex digits, as the resources' layouts say.

use std::fmt::Write as _;

use nfl_abi::image::ResourceKind;
use nfl_tests::packet::hex;
use nfl_vm::{Effects, Part, Rates, State, StateError, TernaryRule};

/// Does what the field `name` says to a state; answers whether there is such a field.
pub(crate) fn change(state: &mut State, name: &str, value: &str) -> Result<bool, String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let done = match (name, &words[..]) {
        ("entry", [resource, key]) => entry(state, resource, key, ""),
        ("entry", [resource, key, value]) => entry(state, resource, key, value),
        ("remove", [resource, key]) => state.remove(resource, &hex(key)?).map(|_| ()),
        ("rule", [resource, priority, parts, value]) => {
            let rule = TernaryRule {
                priority: number(priority)? as u32,
                parts: parts.split(',').map(part).collect::<Result<_, _>>()?,
                value: hex(value)?,
            };
            state.insert_rule(resource, rule)
        }
        ("register", [resource, value]) => {
            let (resource, index) = match resource.trim_end_matches(']').split_once('[') {
                Some((resource, index)) => (resource, number(index)? as u32),
                None => (*resource, 0),
            };
            state.set_register(resource, index, &hex(value)?)
        }
        ("rates", [resource, rates @ ..]) => {
            let rates = rates.iter().map(|rate| number(rate));
            let rates = rates.collect::<Result<Vec<u128>, String>>()?;
            let &[committed_bps, committed_burst, peak_bps, peak_burst] = &rates[..] else {
                return Err("`rates` has a name and four numbers".to_string());
            };
            let rates = Rates {
                committed_bps: committed_bps as u64,
                committed_burst: committed_burst as u32,
                peak_bps: peak_bps as u64,
                peak_burst: peak_burst as u32,
            };
            state.set_meter(resource, Some(rates))
        }
        ("entry" | "remove" | "rule" | "register" | "rates", _) => {
            return Err(format!("`{name}: {value}` lacks something"));
        }
        _ => return Ok(false),
    };
    done.map_err(|e| format!("{name}: {value}: {e}"))?;
    Ok(true)
}

/// `table KEY [VALUE]`, and `lpm ADDRESS/BITS VALUE`.
fn entry(state: &mut State, resource: &str, key: &str, value: &str) -> Result<(), StateError> {
    let bytes = |text: &str| hex(text).unwrap_or_default();
    match key.split_once('/') {
        Some((address, bits)) => {
            let bits = bits.parse().unwrap_or(u16::MAX);
            state.insert_prefix(resource, &bytes(address), bits, &bytes(value))
        }
        None => state.insert(resource, &bytes(key), &bytes(value)),
    }
}

/// `OFFSET+BYTES=LO..HI`, with `be` behind the bytes for numbers in wire order.
fn part(text: &str) -> Result<Part, String> {
    let wrong = || format!("`{text}` is no part of a rule");
    let (place, interval) = text.split_once('=').ok_or_else(wrong)?;
    let (offset, bytes) = place.split_once('+').ok_or_else(wrong)?;
    let (lo, hi) = interval.split_once("..").ok_or_else(wrong)?;
    let big_endian = bytes.ends_with("be");
    Ok(Part {
        offset: number(offset)? as u16,
        bytes: number(bytes.trim_end_matches("be"))? as u8,
        big_endian,
        lo: number(lo)?,
        hi: number(hi)?,
    })
}

fn number(text: &str) -> Result<u128, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is no number"))
}

/// A line for each entry of a resource.
pub(crate) fn show(state: &State, resource: &str) -> Result<String, String> {
    let mut out = format!("{resource}\n");
    let found = state.resources().iter().find(|r| r.name == resource);
    let kind = found.ok_or(format!("there is no `{resource}`"))?.kind;
    let wrong = |e: StateError| e.to_string();
    match kind {
        ResourceKind::Counter | ResourceKind::Counters => {
            for (key, count) in state.counters(resource).map_err(wrong)? {
                let (packets, bytes) = (count.packets, count.bytes);
                let _ = writeln!(out, "  {}: {packets} packets, {bytes} bytes", shown(&key));
            }
        }
        _ => {
            for (key, value) in state.entries(resource).map_err(wrong)? {
                let value = shown(&value);
                let between = if value.is_empty() { "" } else { ": " };
                let _ = writeln!(out, "  {}{between}{value}", shown(&key));
            }
        }
    }
    Ok(out)
}

/// What a run did beside its verdict and its bytes, and what it told.
pub(crate) fn effects(effects: &Effects, state: &mut State) -> String {
    let mut out = String::new();
    for mirror in &effects.mirrors {
        let _ = write!(out, ", mirrored to {}", mirror.port);
    }
    if let Some(priority) = effects.priority {
        let _ = write!(out, ", priority {priority}");
    }
    for report in state.take_reports() {
        let _ = write!(out, ", report {} {}", report.record, shown(&report.bytes));
    }
    for line in state.take_logs() {
        let _ = write!(out, ", log {} {:x?}", line.format, line.words);
    }
    out
}

fn shown(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
