//! Uses what the verifier knows: intervals decide comparisons, empty masks and branches.
//!
//! An edge into a block that only computes a condition and branches goes straight on when what is known on that
//! edge decides the branch: tests that a failed pattern has made already are not made again. A difference that is
//! compared becomes a sum on the other side, where neither wraps: sums are what other tests compare.

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{BlockCall, Function, InstData, Origin, Term};
use crate::op::{Effect, Op};
use crate::passes::round::Store;
use crate::passes::{Made, lenders};
use crate::verify::facts::Facts;
use crate::verify::flow::{Analysis, Words};

/// Applies it.
pub(super) fn apply(f: &mut Function, words: Words, store: &mut Store) {
    let mut changes = Vec::new();
    let mut ends = Vec::new();
    store.ask(f, words, |a| {
        let steps = steps_of_loops(f, &a.cfg);
        let lends = lenders(f, &a.cfg.order, Made::Results);
        for &b in &a.cfg.order {
            let Some(facts) = a.at(b) else {
                continue;
            };
            for &inst in &f.blocks[b].insts {
                let data = &f.insts[inst];
                let steps = data.result.is_some_and(|v| steps[v]);
                match instruction(a, facts, data) {
                    None => {}
                    Some(Change::Const(_)) if steps => {}
                    Some(change) => changes.push((inst, change)),
                }
            }
            end(a, &lends, b, &mut ends);
        }
    });
    let mut same: IdMap<Value, Option<Value>> = IdMap::new();
    for (inst, change) in changes {
        change_inst(f, inst, change, &mut same);
    }
    for (b, term) in ends {
        f.blocks[b].term = term;
    }
    f.rename_uses(|mut v| {
        while let Some(other) = same[v] {
            v = other;
        }
        v
    });
}

/// Words that say how loops move. They stay as they are even where only one number is left: a loop
/// is proved by how it moves, and a constant does not.
fn steps_of_loops(f: &Function, cfg: &Cfg) -> IdMap<Value, bool> {
    let mut steps: IdMap<Value, bool> = IdMap::new();
    let mut work = Vec::new();
    for &b in &cfg.order {
        for call in f.blocks[b].term.targets() {
            if cfg.is_back_edge(b, call.block) {
                work.extend(&call.args);
            }
        }
    }
    while let Some(v) = work.pop() {
        if std::mem::replace(&mut steps[v], true) {
            continue;
        }
        match f.values[v].origin {
            Origin::Inst(inst) => work.extend(&f.insts[inst].args),
            Origin::Param(b, at) => {
                for &(pred, edge) in cfg.preds(b) {
                    let call = f.blocks[pred].term.targets().nth(edge);
                    work.extend(call.and_then(|call| call.args.get(at as usize)));
                }
            }
        }
    }
    steps
}

enum Change {
    Const(u32),
    Value(Value),
    Op(Op),
    /// Compare the first word, itself, with the second one and so much more.
    Compare(Value, Value, u32),
}

fn change_inst(
    f: &mut Function,
    inst: Inst,
    change: Change,
    same: &mut IdMap<Value, Option<Value>>,
) {
    let data = &mut f.insts[inst];
    match change {
        Change::Const(number) => {
            data.op = Op::Const;
            data.imm = number;
            data.args.clear();
            data.region = None;
            if let Some(v) = data.result {
                f.values[v].width = 32;
            }
        }
        Change::Value(other) => {
            if let Some(v) = data.result {
                same.set(v, Some(other));
            }
        }
        Change::Op(op) => data.op = op,
        Change::Compare(x, y, more) => {
            let sum = add_before(f, inst, y, more);
            f.insts[inst].args = vec![x, sum];
        }
    }
}

/// The sum of a word and a number, computed in front of an instruction.
fn add_before(f: &mut Function, inst: Inst, x: Value, number: u32) -> Value {
    let home = |&b: &Block| f.blocks[b].insts.contains(&inst);
    let Some(b) = f.layout.iter().copied().find(home) else {
        return x;
    };
    let span = f.insts[inst].span;
    let number = f.compute(b, Op::Const, &[], number);
    let sum = f.compute(b, Op::Add, &[x, number], 0);
    let insts = &mut f.blocks[b].insts;
    let new = insts.split_off(insts.len() - 2);
    for &i in &new {
        f.insts[i].span = span;
    }
    if let Some(at) = insts.iter().position(|&i| i == inst) {
        insts.splice(at..at, new);
    }
    sum
}

fn instruction(a: &Analysis, facts: &Facts, inst: &InstData) -> Option<Change> {
    let v = inst.result?;
    if inst.op == Op::Const || inst.op.spec().effect != Effect::Pure {
        return None;
    }
    let known = a.known();
    if let Some(number) = known.range(facts, v).single() {
        return Some(Change::Const(number));
    }
    let &[x, y] = inst.args.as_slice() else {
        return None;
    };
    let (rx, ry) = (known.range(facts, x), known.range(facts, y));
    let positive = rx.hi <= i32::MAX as u32 && ry.hi <= i32::MAX as u32;
    if let (Op::Ltu | Op::Geu, Some((whole, less))) = (inst.op, difference(a, x)) {
        let (rest, room) = (known.range(facts, whole), u32::MAX - ry.hi);
        // Sums are compared with what other tests compared, differences with nothing.
        if rest.lo >= less && room >= less && a.f.constant(y).is_none() {
            return Some(Change::Compare(whole, y, less));
        }
    }
    match inst.op {
        Op::And if known.is_void_mask(facts, inst) => Some(Change::Value(x)),
        Op::Shr | Op::Sar if ry.single() == Some(16) => {
            second_carry(a.f, x, |v| known.range(facts, v).hi).map(Change::Value)
        }
        // A truth value is what a comparison would say of it.
        Op::Eq if rx.hi <= 1 && ry.single() == Some(1) => Some(Change::Value(x)),
        Op::Ne if rx.hi <= 1 && ry.single() == Some(0) => Some(Change::Value(x)),
        Op::Remu if rx.hi < ry.lo => Some(Change::Value(x)),
        Op::Lt if positive => Some(Change::Op(Op::Ltu)),
        Op::Ge if positive => Some(Change::Op(Op::Geu)),
        Op::Div if positive => Some(Change::Op(Op::Divu)),
        Op::Rem if positive => Some(Change::Op(Op::Remu)),
        Op::Sar if rx.hi <= i32::MAX as u32 => Some(Change::Op(Op::Shr)),
        _ => None,
    }
}

/// A word and the number that was taken from it.
fn difference(a: &Analysis, v: Value) -> Option<(Value, u32)> {
    let def = a.f.def(v)?;
    let &[x, y] = def.args.as_slice() else {
        return None;
    };
    let number = a.f.constant(y)?;
    match def.op {
        Op::Sub => Some((x, number)),
        Op::Add if number > i32::MAX as u32 => Some((x, number.wrapping_neg())),
        _ => None,
    }
}

/// A sum of ones' complement is folded by adding what `(x + (x + 1 >> 16)) >> 16` says: how often it holds 0xffff.
/// Below twice that, the inner shift says it already.
fn second_carry(f: &Function, sum: Value, hi: impl Fn(Value) -> u32) -> Option<Value> {
    const ONCE_AT_MOST: u32 = 2 * 0xffff;
    let sum = f.def(sum).filter(|d| d.op == Op::Add)?;
    let &[x, y] = sum.args.as_slice() else {
        return None;
    };
    [(x, y), (y, x)].into_iter().find_map(|(x, carry)| {
        let shift = f.def(carry).filter(|d| matches!(d.op, Op::Shr | Op::Sar))?;
        if f.constant(shift.args[1]) != Some(16) || hi(x) > ONCE_AT_MOST {
            return None;
        }
        let ((base, low), (same, high)) = (offset_of(f, x), offset_of(f, shift.args[0]));
        (base == same && high.wrapping_sub(low) == 1).then_some(carry)
    })
}

/// A word as another and a constant.
fn offset_of(f: &Function, v: Value) -> (Value, u32) {
    let sum = f.def(v).filter(|d| d.op == Op::Add);
    let number = sum.and_then(|d| f.constant(d.args[1]));
    match sum.zip(number) {
        Some((sum, number)) => (sum.args[0], number),
        None => (v, 0),
    }
}

/// The end of a block, where some of its edges lead elsewhere or nowhere.
fn end(a: &Analysis, lends: &IdMap<Block, bool>, b: Block, ends: &mut Vec<(Block, Term)>) {
    let old = &a.f.blocks[b].term;
    let new = match old {
        Term::Finish { .. } => return,
        Term::Jump(call) => match a.edge(b, 0) {
            Some(facts) => Term::Jump(further(a, lends, b, call, &facts)),
            None => return,
        },
        Term::Branch {
            cond,
            then,
            otherwise,
        } => match (a.edge(b, 0), a.edge(b, 1)) {
            (Some(yes), Some(no)) => Term::Branch {
                cond: *cond,
                then: further(a, lends, b, then, &yes),
                otherwise: further(a, lends, b, otherwise, &no),
            },
            (Some(yes), None) => Term::Jump(further(a, lends, b, then, &yes)),
            (None, Some(no)) => Term::Jump(further(a, lends, b, otherwise, &no)),
            (None, None) => return,
        },
    };
    if new != *old {
        ends.push((b, new));
    }
}

/// Where an edge leads when what is known on it decides the branch it leads to.
fn further(
    a: &Analysis,
    lends: &IdMap<Block, bool>,
    from: Block,
    call: &BlockCall,
    facts: &Facts,
) -> BlockCall {
    let b = call.block;
    let block = &a.f.blocks[b];
    let mut insts = block.insts.iter().map(|&i| &a.f.insts[i]);
    let pure = insts.all(|data| data.op.spec().effect == Effect::Pure);
    let plain = pure && !lends[b] && block.params.is_empty();
    if !plain || a.cfg.loop_at(b).is_some() || a.cfg.is_back_edge(from, b) {
        return call.clone();
    }
    let Term::Branch {
        cond,
        then,
        otherwise,
    } = &block.term
    else {
        return call.clone();
    };
    let target = match a.known().truth(facts, *cond) {
        Some(true) => then,
        Some(false) => otherwise,
        None => return call.clone(),
    };
    // What is known of words that are handed over is known by the branch.
    let hands_over = !block.insts.is_empty() && !target.args.is_empty();
    // Ways back stay as many as they are.
    if a.cfg.is_back_edge(b, target.block) || hands_over {
        return call.clone();
    }
    target.clone()
}
