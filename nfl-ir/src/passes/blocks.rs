//! Simplifies the control flow.
//!
//! Known branches become jumps, edges lead past blocks that do nothing, a block that only one edge
//! leads to joins its predecessor, and blocks that do the same become one. Loops keep one head and
//! their number of ways back, since the proof on the node counts them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use nfl_syntax::arena::{Id, IdMap};

use crate::cfg::{Cfg, reachable};
use crate::entity::{Block, Inst, Value};
use crate::func::{BlockCall, Function, Origin, Region, Term};
use crate::op::Op;
use crate::passes::{Made, lenders};

/// Simplifies until nothing changes.
pub(super) fn simplify(f: &mut Function) {
    // Each change removes an edge, a block or a step on the way; the bound is for peace of mind.
    for _ in 0..64 {
        prune(f);
        let mut changed = fold_ends(f) | split_conditions(f);
        let mut known = None;
        for pass in [thread, join_chains, merge_twins] {
            let cfg = known.take().unwrap_or_else(|| Cfg::new(f));
            if pass(f, &cfg) {
                changed = true;
                prune(f);
            } else {
                known = Some(cfg);
            }
        }
        if !changed {
            break;
        }
    }
    prune(f);
}

/// Takes blocks that nobody reaches out of the layout.
pub(super) fn prune(f: &mut Function) {
    let reaches = reachable(f);
    f.layout.retain(|&b| reaches[b]);
}

/// Decides branches on constants, and looks through negations.
fn fold_ends(f: &mut Function) -> bool {
    let mut changed = false;
    for b in f.layout.clone() {
        let Term::Branch {
            cond,
            then,
            otherwise,
        } = f.blocks[b].term.clone()
        else {
            continue;
        };
        let new = if then == otherwise {
            Term::Jump(then)
        } else if let Some(number) = f.constant(cond) {
            Term::Jump(if number == 0 { otherwise } else { then })
        } else if let Some(cond) = negated(f, cond) {
            Term::Branch {
                cond,
                then: otherwise,
                otherwise: then,
            }
        } else {
            continue;
        };
        f.blocks[b].term = new;
        changed = true;
    }
    changed
}

/// Branches twice instead of joining two truth values first: a branch can compare by itself.
fn split_conditions(f: &mut Function) -> bool {
    prune(f);
    let joins = |&b: &Block| match f.blocks[b].term {
        Term::Branch { cond, .. } => f.def(cond).is_some_and(|d| is_junction(d.op)),
        _ => false,
    };
    if !f.layout.iter().any(joins) {
        return false;
    }
    let cfg = Cfg::new(f);
    let mut uses: IdMap<Value, u32> = IdMap::new();
    for &b in &f.layout {
        let args = f.blocks[b].insts.iter().flat_map(|&i| &f.insts[i].args);
        for v in args.copied().chain(f.blocks[b].term.uses()) {
            uses[v] += 1;
        }
    }
    let mut changed = false;
    for b in f.layout.clone() {
        let Term::Branch {
            cond,
            then,
            otherwise,
        } = f.blocks[b].term.clone()
        else {
            continue;
        };
        let Some((op, first, second)) = joined(f, cond, &uses) else {
            continue;
        };
        let twice = if op == Op::And { &otherwise } else { &then };
        if cfg.is_back_edge(b, twice.block) {
            continue;
        }
        let next = f.add_block();
        let at = f.layout.iter().position(|&x| x == b);
        f.layout
            .insert(at.map_or(f.layout.len(), |at| at + 1), next);
        move_definition(f, second, b, next);
        // It would use what is made behind it now.
        remove_definition(f, cond, b);
        let to_next = BlockCall {
            block: next,
            args: Vec::new(),
        };
        let (yes, no) = if op == Op::And {
            (to_next, otherwise.clone())
        } else {
            (then.clone(), to_next)
        };
        f.blocks[b].term = Term::Branch {
            cond: first,
            then: yes,
            otherwise: no,
        };
        f.blocks[next].term = Term::Branch {
            cond: second,
            then,
            otherwise,
        };
        f.blocks[next].span = f.blocks[b].span;
        changed = true;
    }
    changed
}

/// The comparisons that a condition joins, when nothing else uses any of the three.
fn joined(f: &Function, cond: Value, uses: &IdMap<Value, u32>) -> Option<(Op, Value, Value)> {
    let once = |v: Value| uses[v] == 1;
    let def = f.def(cond).filter(|_| once(cond))?;
    let &[a, b] = def.args.as_slice() else {
        return None;
    };
    let test = |v: Value| {
        let op = f.def(v).map(|d| d.op);
        once(v) && op.is_some_and(|op| op.inverse().is_some() || is_junction(op))
    };
    let bits = |v: Value| super::bytes::width(f, v, 4) == 1;
    let both = test(a) && test(b) && bits(a) && bits(b);
    (both && is_junction(def.op)).then_some((def.op, a, b))
}

fn is_junction(op: Op) -> bool {
    matches!(op, Op::And | Op::Or)
}

/// Takes the instruction that makes a word from the end of one block to that of another.
fn move_definition(f: &mut Function, v: Value, from: Block, to: Block) {
    let inst = remove_definition(f, v, from);
    f.blocks[to].insts.extend(inst);
}

/// Takes the instruction that makes a word out of a block, if it stands there.
fn remove_definition(f: &mut Function, v: Value, from: Block) -> Option<Inst> {
    let Origin::Inst(inst) = f.values[v].origin else {
        return None;
    };
    let at = f.blocks[from].insts.iter().position(|&i| i == inst)?;
    Some(f.blocks[from].insts.remove(at))
}

/// The word that a condition negates.
fn negated(f: &Function, cond: Value) -> Option<Value> {
    let def = f.def(cond).filter(|d| d.op == Op::Xor)?;
    let one = f.constant(def.args[1]) == Some(1);
    let bit = super::bytes::width(f, def.args[0], 4) == 1;
    (one && bit).then_some(def.args[0])
}

/// Leads edges past blocks that decide nothing for them.
fn thread(f: &mut Function, cfg: &Cfg) -> bool {
    let transparent = transparent_blocks(f, cfg);
    let mut changed = false;
    for from in f.layout.clone() {
        for edge in 0..f.blocks[from].term.targets().count() {
            for _ in 0..8 {
                let Some(call) = f.blocks[from].term.targets().nth(edge) else {
                    break;
                };
                let Some(next) = next_of(f, cfg, &transparent, call) else {
                    break;
                };
                let next = match next {
                    Next::Call(call) => call,
                    Next::Finish(kind, operand) => finish_block(f, kind, operand),
                };
                if let Some(call) = f.blocks[from].term.targets_mut().nth(edge) {
                    *call = next;
                }
                changed = true;
            }
        }
    }
    changed
}

/// Where an edge leads in the end.
enum Next {
    Call(BlockCall),
    Finish(u32, u32),
}

/// Blocks without instructions whose parameters only their own ends use; heads of loops and
/// shared ways back stay.
fn transparent_blocks(f: &Function, cfg: &Cfg) -> IdMap<Block, bool> {
    let lends = lenders(f, &cfg.order, Made::Params);
    let mut transparent = IdMap::new();
    for &b in &cfg.order {
        let mut targets = f.blocks[b].term.targets();
        let shared = cfg.preds(b).len() > 1;
        let back = targets.any(|c| shared && cfg.is_back_edge(b, c.block));
        let empty = f.blocks[b].insts.is_empty() && b != f.entry;
        let own = empty && !back && cfg.loop_at(b).is_none();
        transparent.set(b, own && !lends[b]);
    }
    transparent
}

fn next_of(
    f: &Function,
    cfg: &Cfg,
    transparent: &IdMap<Block, bool>,
    call: &BlockCall,
) -> Option<Next> {
    if !transparent[call.block] || !cfg.reaches(call.block) {
        return None;
    }
    let block = &f.blocks[call.block];
    let given = |v: Value| {
        let at = block.params.iter().position(|&p| p == v);
        at.map_or(v, |at| call.args[at])
    };
    let target = match &block.term {
        Term::Jump(next) => next,
        Term::Branch {
            cond,
            then,
            otherwise,
        } => match f.constant(given(*cond))? {
            0 => otherwise,
            _ => then,
        },
        Term::Finish { .. } if block.params.is_empty() => return None,
        Term::Finish { kind, operand } => {
            let (kind, operand) = (f.constant(given(*kind))?, f.constant(given(*operand))?);
            return Some(Next::Finish(kind, operand));
        }
    };
    (target.block != call.block).then(|| {
        Next::Call(BlockCall {
            block: target.block,
            args: target.args.iter().map(|&v| given(v)).collect(),
        })
    })
}

/// A new block that ends with a constant verdict.
fn finish_block(f: &mut Function, kind: u32, operand: u32) -> BlockCall {
    let b = f.add_block();
    f.layout.push(b);
    let kind = f.compute(b, Op::Const, &[], kind);
    let operand = f.compute(b, Op::Const, &[], operand);
    f.blocks[b].term = Term::Finish { kind, operand };
    BlockCall {
        block: b,
        args: Vec::new(),
    }
}

/// Joins a block with the only one that leads to it and to nothing else.
fn join_chains(f: &mut Function, cfg: &Cfg) -> bool {
    let mut same: IdMap<Value, Option<Value>> = IdMap::new();
    let mut gone: IdMap<Block, bool> = IdMap::new();
    let mut changed = false;
    for &b in &cfg.order {
        if gone[b] {
            continue;
        }
        while let Term::Jump(call) = f.blocks[b].term.clone() {
            let next = call.block;
            if cfg.preds(next).len() != 1 || next == b {
                break;
            }
            for (&param, &arg) in f.blocks[next].params.iter().zip(&call.args) {
                same.set(param, Some(arg));
            }
            let mut insts = std::mem::take(&mut f.blocks[next].insts);
            f.blocks[b].insts.append(&mut insts);
            f.blocks[b].term = f.blocks[next].term.clone();
            f.blocks[b].span = f.blocks[b].span.or(f.blocks[next].span);
            gone.set(next, true);
            changed = true;
        }
    }
    if changed {
        f.layout.retain(|&b| !gone[b]);
        f.rename_uses(|mut v| {
            while let Some(first) = same[v] {
                v = first;
            }
            v
        });
    }
    changed
}

/// Makes blocks that do the same one block.
fn merge_twins(f: &mut Function, cfg: &Cfg) -> bool {
    let private = private_blocks(f);
    let mut first: BTreeMap<Vec<u32>, Block> = BTreeMap::new();
    let mut twin: IdMap<Block, Option<Block>> = IdMap::new();
    for &b in &f.layout.clone() {
        let to_head = |call: &BlockCall| cfg.loop_at(call.block).is_some();
        let fixed = b == f.entry || !private[b] || cfg.loop_at(b).is_some();
        if fixed || f.blocks[b].term.targets().any(to_head) {
            continue;
        }
        match first.entry(signature(f, b)) {
            Entry::Occupied(other) => {
                keep_constants_inside(f, *other.get());
                twin.set(b, Some(*other.get()));
            }
            Entry::Vacant(place) => {
                place.insert(b);
            }
        }
    }
    let mut changed = false;
    for b in f.layout.clone() {
        for call in f.blocks[b].term.targets_mut() {
            if let Some(other) = twin[call.block] {
                call.block = other;
                changed = true;
            }
        }
    }
    changed
}

/// Blocks whose words nobody else uses.
fn private_blocks(f: &Function) -> IdMap<Block, bool> {
    let lends = lenders(f, &f.layout, Made::All);
    let mut private = IdMap::new();
    for &b in &f.layout {
        private.set(b, !lends[b]);
    }
    private
}

/// What a block does, as numbers, with its own words numbered from 0 and constants by their numbers.
fn signature(f: &Function, b: Block) -> Vec<u32> {
    let block = &f.blocks[b];
    let mut own = block.params.clone();
    let mut out = vec![own.len() as u32];
    let name = |own: &[Value], out: &mut Vec<u32>, v: Value| {
        let here = own.iter().position(|&o| o == v);
        out.extend(match (f.constant(v), here) {
            (Some(number), _) => [0, number],
            (None, Some(at)) => [1, at as u32],
            (None, None) => [2, v.index() as u32],
        });
    };
    for data in block.insts.iter().map(|&inst| &f.insts[inst]) {
        if data.op == Op::Const {
            continue;
        }
        let region = match data.region {
            None => [0, 0],
            Some(Region::Packet) => [1, 0],
            Some(Region::Carried) => [2, 0],
            Some(Region::Value) => [3, 0],
            Some(Region::Field(id)) => [4, id.index() as u32],
            Some(Region::Data(id)) => [5, id.index() as u32],
            Some(Region::Slot(id)) => [6, id.index() as u32],
        };
        out.extend([data.op as u32, data.imm, data.args.len() as u32]);
        out.extend(region);
        data.args.iter().for_each(|&v| name(&own, &mut out, v));
        own.extend(data.result);
    }
    out.push(match block.term {
        Term::Jump(_) => END,
        Term::Branch { .. } => END - 1,
        Term::Finish { .. } => END - 2,
    });
    out.extend(block.term.targets().map(|call| call.block.index() as u32));
    block.term.uses().for_each(|v| name(&own, &mut out, v));
    out
}

/// Stands for an end where the number of an operation could stand.
const END: u32 = u32::MAX;

/// Gives a block its own copies of the constants it uses, so that others may jump to it.
fn keep_constants_inside(f: &mut Function, b: Block) {
    let mut insts = std::mem::take(&mut f.blocks[b].insts);
    let used = insts.iter().flat_map(|&i| f.insts[i].args.clone());
    let used: Vec<Value> = used.chain(f.blocks[b].term.uses()).collect();
    let mut copies: BTreeMap<Value, Value> = BTreeMap::new();
    for v in used {
        let outside = f.values[v].origin;
        let inside = matches!(outside, Origin::Inst(i) if insts.contains(&i));
        if let Some(number) = f.constant(v).filter(|_| !inside)
            && !copies.contains_key(&v)
        {
            copies.insert(v, f.compute(b, Op::Const, &[], number));
        }
    }
    let rename = |v: &mut Value| *v = copies.get(v).copied().unwrap_or(*v);
    for &inst in &insts {
        f.insts[inst].args.iter_mut().for_each(rename);
    }
    f.blocks[b].term.uses_mut().for_each(rename);
    f.blocks[b].insts.append(&mut insts);
}
