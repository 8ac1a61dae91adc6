//! Whether obligations are met. What to say when they are not is said in `explain.rs`.

use crate::entity::Value;
use crate::func::{Function, Module, Region};
use crate::op::Op;
use crate::verify::calls::value_bytes;
use crate::verify::facts::Facts;
use crate::verify::flow::Analysis;
use crate::verify::obligation::Obligation;
use crate::verify::range::Range;

/// Whether an obligation is met.
pub(crate) fn holds(m: &Module, a: &Analysis, facts: &Facts, what: Obligation) -> bool {
    match what {
        Obligation::Divisor(v) | Obligation::Assertion(v) | Obligation::Inside(v) => {
            a.known().range(facts, v).lo > 0
        }
        Obligation::Access { .. } => access_holds(m, a, facts, what),
    }
}

/// Whether a place is proved to lie in its region. Packet bytes must be known to be there, and not
/// only readable: a load behind the packet's end is safe and means nothing.
fn access_holds(m: &Module, a: &Analysis, facts: &Facts, what: Obligation) -> bool {
    let Obligation::Access {
        region,
        address,
        index,
        offset,
        bytes,
        write,
    } = what
    else {
        return false;
    };
    if address.is_some_and(|v| a.known().range(facts, v).lo == 0) {
        return false;
    }
    let bytes = i64::from(bytes);
    let range = index.map_or(Range::exactly(0), |v| a.known().range(facts, v));
    // A place may go down from the index; two's complement says by how much.
    let offset = match index {
        Some(_) => i64::from(offset as i32),
        None => i64::from(offset),
    };
    if i64::from(range.lo) + offset < 0 {
        return false;
    }
    if region == Region::Packet {
        return match index {
            Some(v) => a.known().slack(facts, v) >= offset + bytes,
            None => i64::from(facts.len.lo) >= offset + bytes,
        };
    }
    let size = match address {
        Some(v) => value_bytes(a.f, &a.cfg, a.words, v).map_or(0, i64::from),
        None => size_of(m, a.f, region),
    };
    let whole = match region {
        // A store to the last elements may be one of a whole word.
        Region::Slot(id) if index.is_none() && write && offset < size => {
            a.f.slots.get(id).map_or(0, |s| i64::from(s.bytes))
        }
        _ => size,
    };
    i64::from(range.hi) + offset + bytes <= whole
}

/// Bytes of a region that may be read; 0 where the type does not say it.
pub(crate) fn size_of(m: &Module, f: &Function, region: Region) -> i64 {
    match region {
        Region::Packet => 0,
        Region::Carried => m.carried.len() as i64,
        Region::Field(id) => m.fields.get(id).map_or(0, |field| field.bytes.into()),
        Region::Data(id) => m.data.get(id).map_or(0, |d| d.bytes.len() as i64),
        Region::Slot(id) => f
            .slots
            .get(id)
            .map_or(0, |s| i64::from(s.bytes) - i64::from(s.padding)),
        Region::Value => 0,
    }
}

/// The number of the element that a byte offset was made from, and the bytes of an element.
pub(crate) fn element_index(f: &Function, index: Value) -> (Value, u32) {
    let scaled = f.def(index).and_then(|d| {
        let by = f.constant(*d.args.get(1)?)?;
        let bytes = match d.op {
            Op::Shl => 1_u32.checked_shl(by)?,
            Op::Mul if by > 0 => by,
            _ => return None,
        };
        Some((d.args[0], bytes))
    });
    scaled.unwrap_or((index, 1))
}
