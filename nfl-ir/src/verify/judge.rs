//! Whether obligations are met, and what to say when they are not.

use nfl_abi::codes::{E503, E504, E505, E507};
use nfl_syntax::arena::Id;
use nfl_syntax::{Diagnostic, Span};

use crate::entity::Value;
use crate::func::{Function, InstData, Module, Region};
use crate::op::{Fmt, Op};
use crate::verify::calls::value_bytes;
use crate::verify::facts::Facts;
use crate::verify::flow::Analysis;
use crate::verify::obligation::{self, Obligation};
use crate::verify::range::Range;

/// A finding about an instruction, at its place when it has one.
pub(super) fn finding(code: &'static nfl_abi::Code, span: Option<Span>) -> Diagnostic {
    match span {
        Some(span) => Diagnostic::new(code, span),
        None => Diagnostic::bare(code, code.title),
    }
}

/// Adds to the main label, or as a note where there is no place.
pub(super) fn remark(d: Diagnostic, text: String) -> Diagnostic {
    if d.labels.is_empty() {
        d.note(text)
    } else {
        d.label(text)
    }
}

/// Judges an instruction; answers what is wrong with it.
pub(super) fn judge(
    m: &Module,
    a: &Analysis,
    facts: &Facts,
    inst: &InstData,
) -> Option<Diagnostic> {
    let what = obligation::of(inst)?;
    if holds(m, a, facts, what) {
        return None;
    }
    Some(match what {
        Obligation::Divisor(v) => zero_divisor(inst.span, a.known().range(facts, v)),
        Obligation::Assertion(v) => false_assertion(a, facts, inst.span, v),
        Obligation::Inside(v) => index_outside(a, facts, inst.span, v),
        Obligation::Access {
            address: Some(_), ..
        } => nothing_found(inst.span),
        Obligation::Access {
            region: Region::Packet,
            ..
        } => behind_packet(a, facts, inst, what),
        Obligation::Access { .. } => out_of_bounds(m, a, facts, inst, what),
    })
}

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

fn size_of(m: &Module, f: &Function, region: Region) -> i64 {
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

fn zero_divisor(span: Option<Span>, range: Range) -> Diagnostic {
    let text = format!("the divisor may be zero: {}..{} here", range.lo, range.hi);
    remark(finding(&E505, span), text)
        .help("ask for it where it comes from: u32 count in 1..65535")
        .help("or check it: if (count == 0) return Pass;")
}

/// What is asserted, with the ranges of both sides.
fn false_assertion(a: &Analysis, facts: &Facts, span: Option<Span>, cond: Value) -> Diagnostic {
    let text = |v: Value| {
        let Range { lo, hi } = a.known().range(facts, v);
        if lo == hi {
            lo.to_string()
        } else {
            format!("{lo}..{hi}")
        }
    };
    let comparison = a.f.def(cond).filter(|d| d.op.inverse().is_some());
    let sign = comparison.map(|d| match d.op {
        Op::Eq => "==",
        Op::Ne => "!=",
        Op::Ltu | Op::Lt => "<",
        _ => ">=",
    });
    let what = match (comparison.map(|d| d.args.as_slice()), sign) {
        (Some(&[x, y]), Some(sign)) => format!("{} {sign} {} is not proved", text(x), text(y)),
        _ => "the condition may be false".to_string(),
    };
    remark(finding(&E507, span), what).help("compare it before, and answer where it is false")
}

/// An index of state, with the comparison that should hold.
fn index_outside(a: &Analysis, facts: &Facts, span: Option<Span>, cond: Value) -> Diagnostic {
    let comparison = a.f.def(cond).filter(|d| d.op == Op::Ltu);
    let Some(&[index, count]) = comparison.map(|d| d.args.as_slice()) else {
        let text = "there are not so many elements".to_string();
        return remark(finding(&E503, span), text);
    };
    let Range { lo, hi } = a.known().range(facts, index);
    let count = a.known().range(facts, count).lo;
    let plural = if count == 1 { "" } else { "s" };
    let text = format!("the index may be {lo}..{hi}, and there are {count} element{plural}");
    remark(finding(&E503, span), text).help(format!(
        "check it before: if (index < {count}) {{ … }}, or ask for its range where it comes from"
    ))
}

fn nothing_found(span: Option<Span>) -> Diagnostic {
    let text = "a lookup may have found nothing, or a smaller value".to_string();
    remark(finding(&E503, span), text)
        .help("ask first: if (table.get(key) instanceof Hit(var v)) { … }")
}

fn behind_packet(a: &Analysis, facts: &Facts, inst: &InstData, what: Obligation) -> Diagnostic {
    let Obligation::Access {
        index,
        offset,
        bytes,
        write,
        ..
    } = what
    else {
        return finding(&E504, inst.span);
    };
    let does = if write { "writes" } else { "reads" };
    let offset = offset as i32;
    let place = match index {
        None => format!("{offset}"),
        Some(v) => {
            let Range { lo, hi } = a.known().range(facts, v);
            format!("{offset} behind a place that is {lo}..{hi}")
        }
    };
    let text = format!(
        "{does} {bytes} bytes at {place}; the packet is only known to have {} bytes",
        facts.len.lo
    );
    remark(finding(&E504, inst.span), text)
        .help("match a header that reaches this far, or compare with pkt.size first")
}

fn out_of_bounds(
    m: &Module,
    a: &Analysis,
    facts: &Facts,
    inst: &InstData,
    what: Obligation,
) -> Diagnostic {
    let Obligation::Access {
        region,
        index,
        offset,
        ..
    } = what
    else {
        return finding(&E503, inst.span);
    };
    let name = match region {
        Region::Data(id) => format!("`{}`", m.data[id].name),
        Region::Field(id) => format!("`{}`", m.fields[id].name),
        Region::Carried => "the carried memory".to_string(),
        Region::Slot(id) if !a.f.slots[id].name.is_empty() => format!("`{}`", a.f.slots[id].name),
        Region::Slot(id) => format!("local array {}", id.index()),
        Region::Packet => "the packet".to_string(),
        Region::Value => "the value".to_string(),
    };
    let size = size_of(m, a.f, region);
    let Some(index) = index else {
        let text = format!("this is at byte {offset}, and {name} has {size} bytes");
        return remark(finding(&E503, inst.span), text);
    };
    let (element, bytes) = element_index(a.f, index);
    let Range { lo, hi } = a.known().range(facts, element);
    let count = size / i64::from(bytes);
    let plural = if count == 1 { "" } else { "s" };
    let text = format!("the index may be {lo}..{hi}, and {name} has {count} element{plural}");
    let mut d = remark(finding(&E503, inst.span), text);
    let loaded = a.f.def(element).filter(|d| d.op.spec().fmt == Fmt::Load);
    if let Some(Region::Carried | Region::Field(_) | Region::Packet) = loaded.and_then(|d| d.region)
    {
        d = d.note("the index travels in the packet, so anyone may have set it");
    }
    d.help(format!(
        "check it before: if (index < {count}) {{ … }}, or ask for its range where it comes from"
    ))
}

/// The number of the element that a byte offset was made from, and the bytes of an element.
fn element_index(f: &Function, index: Value) -> (Value, u32) {
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
