//! Removes what nothing depends on: instructions, and words handed from block to block.
//!
//! Stores, calls that do more than answer, assertions and the ends of blocks are what counts; a block's
//! parameter counts only when it is used by something that counts. Stores to local arrays that nobody
//! reads do not count.

use nfl_syntax::arena::IdMap;

use crate::entity::{Block, Slot, Value};
use crate::func::{Function, InstData, Origin, Region, Term};
use crate::op::{Effect, Op};
use crate::verify::flow::Words;

/// Removes it.
pub(super) fn sweep(f: &mut Function, words: Words) {
    drop_overwritten(f);
    let live = live_values(f, words);
    let read = slots_read(f, &live);
    for b in f.layout.clone() {
        let mut insts = std::mem::take(&mut f.blocks[b].insts);
        insts.retain(|&inst| {
            let data = &f.insts[inst];
            match data.result {
                Some(v) => live[v] || counts(data, words),
                None => !is_dead_store(data, &read) && !is_true(f, data),
            }
        });
        f.blocks[b].insts = insts;
    }
    drop_params(f, &live);
}

/// Whether an instruction does more than make its word.
fn counts(data: &InstData, words: Words) -> bool {
    match data.op.spec().effect {
        Effect::Pure | Effect::Read => false,
        Effect::Write | Effect::Check => true,
        Effect::Call => words
            .call(data)
            .is_none_or(|call| !ONLY_ANSWER.contains(&call.service.name)),
    }
}

/// Services that leave no trace: a flow table, which notes the use of an entry, is none of them.
pub(crate) const ONLY_ANSWER: &[&str] = &[
    "table.get",
    "lpm.get",
    "ternary.match",
    "set.contains",
    "ring.pick",
    "tag.lookup",
    "topic.members",
    "register.get",
    "packet.flow",
    "hash.crc32c",
    "hash.siphash",
    "bytes.find",
    "bytes.sum",
    "flow.reverse",
    "flow.hash",
];

/// Whether it asserts what is plain.
fn is_true(f: &Function, data: &InstData) -> bool {
    let number = data.args.first().and_then(|&v| f.constant(v));
    data.op.is_assertion() && number.is_some_and(|n| n != 0)
}

/// Drops stores whose bytes are stored anew on every way on before anyone could read them.
fn drop_overwritten(f: &mut Function) {
    for b in f.layout.clone() {
        for at in (0..f.blocks[b].insts.len()).rev() {
            let inst = f.blocks[b].insts[at];
            let is_store = f.insts[inst].op.spec().effect == Effect::Write;
            if is_store && is_overwritten(f, b, at) {
                f.blocks[b].insts.remove(at);
            }
        }
    }
}

fn is_overwritten(f: &Function, b: Block, at: usize) -> bool {
    let store = &f.insts[f.blocks[b].insts[at]];
    let mut seen: IdMap<Block, bool> = IdMap::new();
    let mut work = vec![(b, at + 1)];
    while let Some((b, from)) = work.pop() {
        let mut again = false;
        for &inst in f.blocks[b].insts.iter().skip(from) {
            let data = &f.insts[inst];
            if data.op == Op::Call && call_reads(f, data, store.region) {
                return false;
            }
            if data.region != store.region {
                continue;
            }
            if data.op.has_result() {
                return false;
            }
            let covers = data.op.spec().bytes >= store.op.spec().bytes;
            if covers && data.imm == store.imm && data.args.get(1) == store.args.get(1) {
                again = true;
                break;
            }
        }
        if again {
            continue;
        }
        let term = &f.blocks[b].term;
        // In a loop the place may be another one in the next round.
        if matches!(term, Term::Finish { .. }) || store.args.len() > 1 {
            return false;
        }
        for call in term.targets() {
            if !std::mem::replace(&mut seen[call.block], true) {
                work.push((call.block, 0));
            }
        }
    }
    true
}

/// Whether a service may see what lies in a region: the packet always, a local array by its address.
fn call_reads(f: &Function, call: &InstData, region: Option<Region>) -> bool {
    let Some(Region::Slot(_)) = region else {
        return true;
    };
    let mut places = call.args.iter().filter_map(|&v| f.def(v));
    places.any(|place| place.op == Op::Address && place.region == region)
}

fn is_dead_store(inst: &InstData, read: &IdMap<Slot, bool>) -> bool {
    matches!(inst.region, Some(Region::Slot(slot)) if !read[slot])
}

fn slots_read(f: &Function, live: &IdMap<Value, bool>) -> IdMap<Slot, bool> {
    let mut read = IdMap::new();
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let inst = &f.insts[inst];
            if let (Some(Region::Slot(slot)), Some(v)) = (inst.region, inst.result)
                && live[v]
            {
                read.set(slot, true);
            }
        }
    }
    read
}

fn live_values(f: &Function, words: Words) -> IdMap<Value, bool> {
    let mut live: IdMap<Value, bool> = IdMap::new();
    let mut work = Vec::new();
    let mut given: IdMap<Value, Vec<Value>> = IdMap::new();
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let inst = &f.insts[inst];
            if counts(inst, words) {
                work.extend(&inst.args);
            }
        }
        match f.blocks[b].term {
            Term::Jump(_) => {}
            Term::Branch { cond, .. } => work.push(cond),
            Term::Finish { kind, operand } => work.extend([kind, operand]),
        }
        for call in f.blocks[b].term.targets() {
            for (&param, &arg) in f.blocks[call.block].params.iter().zip(&call.args) {
                given[param].push(arg);
            }
        }
    }
    while let Some(v) = work.pop() {
        if std::mem::replace(&mut live[v], true) {
            continue;
        }
        match f.values[v].origin {
            Origin::Inst(inst) => work.extend(&f.insts[inst].args),
            Origin::Param(..) => work.extend(&given[v]),
        }
    }
    live
}

fn drop_params(f: &mut Function, live: &IdMap<Value, bool>) {
    let kept: Vec<(Block, Vec<bool>)> = f
        .layout
        .iter()
        .map(|&b| (b, f.blocks[b].params.iter().map(|&p| live[p]).collect()))
        .collect();
    for (b, kept) in kept {
        if !kept.contains(&false) {
            continue;
        }
        for from in f.layout.clone() {
            for call in f.blocks[from].term.targets_mut().filter(|c| c.block == b) {
                let mut keep = kept.iter();
                call.args.retain(|_| keep.next() == Some(&true));
            }
        }
        let mut params = std::mem::take(&mut f.blocks[b].params);
        params.retain(|&p| live[p]);
        for (at, &p) in params.iter().enumerate() {
            f.values[p].origin = Origin::Param(b, at as u32);
        }
        f.blocks[b].params = params;
    }
}
