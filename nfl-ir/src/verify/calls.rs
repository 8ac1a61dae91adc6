//! Whether calls of services are well formed, and how large the values are that they find.
//!
//! In: a handler of which operands and dominance are checked. Out: nothing, or the first thing that
//! is wrong, which is always our own mistake. Guaranteed of well-formed calls: an argument behind an
//! address is a place in constants or in a local array with as many bytes, all written on every way
//! there; places go nowhere but into calls; a second word is asked of a call of the same block that
//! has one; the address of a value is only compared with 0, handed on, and loaded from.

use std::collections::BTreeSet;

use nfl_abi::host::{Answer, Arg, Call};
use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Slot, Value};
use crate::func::{Function, InstData, Module, Origin, Region, Term};
use crate::op::{Effect, Fmt, Op};
use crate::verify::flow::Words;

/// Checks all calls of a handler.
pub(super) fn check(m: &Module, f: &Function, cfg: &Cfg) -> Result<(), String> {
    let words = m.words();
    for &b in &f.layout {
        let mut called: IdMap<Value, bool> = IdMap::new();
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            if data.op == Op::Second && !data.args.iter().all(|&v| called[v]) {
                return Err(format!("{inst} asks no call of {b} for a second word"));
            }
            let Some(call) = words.call(data) else {
                continue;
            };
            if let (Answer::Two(..), Some(v)) = (call.answer, data.result) {
                called.set(v, true);
            }
            check_places(m, f, data, &call).map_err(|what| format!("{inst} {what}"))?;
        }
    }
    check_uses_of_places(f, words)?;
    check_pointers(f, words)?;
    check_written(f, cfg, words)
}

/// The registers of a call that hold addresses, with the bytes behind each.
fn address_registers(call: &Call) -> Vec<(usize, u32)> {
    let by_address = call.by_address();
    let mut register = 0;
    let mut found = Vec::new();
    for &arg in call.args() {
        let (words, behind) = match arg {
            Arg::Word => (1, None),
            Arg::Address(bytes) => (1, Some(bytes)),
            Arg::Block(bytes) if by_address => (1, Some(bytes)),
            Arg::Block(bytes) => (usize::from(bytes).div_ceil(4), None),
        };
        if let Some(bytes) = behind {
            found.push((register, u32::from(bytes)));
        }
        register += words;
    }
    found
}

fn check_places(m: &Module, f: &Function, data: &InstData, call: &Call) -> Result<(), String> {
    for (register, bytes) in address_registers(call) {
        let place = data.args.get(register).and_then(|&v| f.def(v));
        let Some(place) = place.filter(|d| d.op == Op::Address) else {
            return Err(format!("takes in a{register} what is no place"));
        };
        let size = match place.region {
            Some(Region::Data(id)) => m.data.get(id).map_or(0, |d| d.bytes.len() as u64),
            Some(Region::Slot(id)) => f.slots.get(id).map_or(0, |s| u64::from(s.bytes)),
            _ => 0,
        };
        if u64::from(place.imm) + u64::from(bytes) > size {
            return Err(format!(
                "reads {bytes} bytes in a{register} beyond an array"
            ));
        }
    }
    Ok(())
}

/// Places stand only where a call takes an address.
fn check_uses_of_places(f: &Function, words: Words) -> Result<(), String> {
    let is_place = |v: Value| f.def(v).is_some_and(|d| d.op == Op::Address);
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            let taken = words.call(data).map(|call| address_registers(&call));
            let taken = taken.unwrap_or_default();
            let takes = |at: usize| taken.iter().any(|&(register, _)| register == at);
            let args = data.args.iter().enumerate();
            if args.into_iter().any(|(at, &v)| is_place(v) && !takes(at)) {
                return Err(format!("{inst} takes a place for a number"));
            }
        }
        if f.blocks[b].term.uses().any(is_place) {
            return Err(format!("the end of {b} takes a place for a number"));
        }
    }
    Ok(())
}

/// Words that may be addresses of values.
fn pointers(f: &Function, words: Words) -> IdMap<Value, bool> {
    let mut pointer: IdMap<Value, bool> = IdMap::new();
    let mut work = Vec::new();
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            let answer = words.call(data).map(|call| call.answer);
            if let (Some(Answer::Value(_)), Some(v)) = (answer, data.result) {
                work.push(v);
            }
        }
    }
    if work.is_empty() {
        return pointer;
    }
    let mut handed: IdMap<Value, Vec<Value>> = IdMap::new();
    for &b in &f.layout {
        for call in f.blocks[b].term.targets() {
            for (&param, &arg) in f.blocks[call.block].params.iter().zip(&call.args) {
                handed[arg].push(param);
            }
        }
    }
    while let Some(v) = work.pop() {
        if !std::mem::replace(&mut pointer[v], true) {
            work.extend(&handed[v]);
        }
    }
    pointer
}

fn check_pointers(f: &Function, words: Words) -> Result<(), String> {
    let pointer = pointers(f, words);
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            let zero = |at: usize| data.args.get(at).and_then(|&v| f.constant(v)) == Some(0);
            for (at, &v) in data.args.iter().enumerate().filter(|&(_, &v)| pointer[v]) {
                let fine = match data.op {
                    Op::Eq | Op::Ne => zero(1 - at.min(1)),
                    op => {
                        op.spec().fmt == Fmt::Load && data.region == Some(Region::Value) && at == 0
                    }
                };
                if !fine {
                    return Err(format!("{inst} takes the address {v} for a number"));
                }
            }
        }
        if let Term::Finish { kind, operand } = f.blocks[b].term
            && (pointer[kind] || pointer[operand])
        {
            return Err(format!("{b} ends with an address"));
        }
    }
    Ok(())
}

/// Bytes of local arrays that were written on every way to where a block begins.
type Written = BTreeSet<(Slot, u32)>;

fn check_written(f: &Function, cfg: &Cfg, words: Words) -> Result<(), String> {
    let mut at_exit: IdMap<Block, Written> = IdMap::new();
    for &b in &cfg.order {
        // What was written before a loop is written in it.
        let preds = cfg.preds(b).iter().map(|&(pred, _)| pred);
        let ways = preds.filter(|&pred| !cfg.is_back_edge(pred, b));
        let ways = ways.map(|pred| at_exit[pred].clone());
        let mut written = ways.reduce(|a, b| &a & &b).unwrap_or_default();
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            if let Some(Region::Slot(slot)) = data.region
                && data.op.spec().effect == Effect::Write
                && data.index().is_none()
            {
                let bytes = u32::from(data.op.spec().bytes);
                written.extend((0..bytes).map(|at| (slot, data.imm.wrapping_add(at))));
            }
            let Some(call) = words.call(data) else {
                continue;
            };
            for (register, bytes) in address_registers(&call) {
                let Some(place) = data.args.get(register).and_then(|&v| f.def(v)) else {
                    continue;
                };
                let Some(Region::Slot(slot)) = place.region else {
                    continue;
                };
                let mut read = (0..bytes).map(|at| (slot, place.imm + at));
                if !read.all(|byte| written.contains(&byte)) {
                    return Err(format!(
                        "{inst} reads bytes of {slot} that may not be written"
                    ));
                }
            }
        }
        at_exit.set(b, written);
    }
    Ok(())
}

/// The bytes that surely lie at the address of a value: those of the smallest value that a lookup behind it
/// may have found. Nothing when it may come from elsewhere.
pub(super) fn value_bytes(f: &Function, cfg: &Cfg, words: Words, address: Value) -> Option<u16> {
    let mut seen: IdMap<Value, bool> = IdMap::new();
    let mut work = vec![address];
    let mut least = None;
    while let Some(v) = work.pop() {
        if std::mem::replace(&mut seen[v], true) {
            continue;
        }
        match f.values[v].origin {
            Origin::Param(b, at) => {
                for &(pred, edge) in cfg.preds(b) {
                    let call = f.blocks[pred].term.targets().nth(edge)?;
                    work.push(*call.args.get(at as usize)?);
                }
            }
            Origin::Inst(inst) => {
                let data = &f.insts[inst];
                // A lookup that was not made found nothing.
                if data.op == Op::Const && data.imm == 0 {
                    continue;
                }
                match words.call(data)?.answer {
                    Answer::Value(bytes) => {
                        least = Some(least.map_or(bytes, |least: u16| least.min(bytes)));
                    }
                    _ => return None,
                }
            }
        }
    }
    least
}
