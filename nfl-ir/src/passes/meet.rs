//! Joins two tests of one word that both have to hold.
//!
//! Where the upper bits of a word must be a number and the lower ones lie in an interval, the word itself lies in
//! one: version 4 and a header length of at least 5 words is a first byte from 0x45 to 0x4f. The tests may have
//! others between them as long as all fail into the same place and nothing is written on the way: then their order
//! does not matter. Behind them lengths are made from the distance to the interval's start, which needs no mask.

use crate::cfg::Cfg;
use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, Term};
use crate::op::Op;

/// Joins all such tests.
pub(super) fn join(f: &mut Function) {
    while join_one(f) {}
}

/// Upper bits of a word that must be this number: how many bits lie below them.
struct Upper {
    word: Value,
    below: u32,
    number: u32,
}

fn join_one(f: &mut Function) -> bool {
    let cfg = Cfg::new(f);
    for &b in &cfg.order {
        let Term::Branch {
            cond,
            then,
            otherwise,
        } = f.blocks[b].term.clone()
        else {
            continue;
        };
        for (holds, next, goal) in [(true, &then, &otherwise), (false, &otherwise, &then)] {
            let Some(upper) = upper_bits(f, cond, holds) else {
                continue;
            };
            let (next, goal) = (next.clone(), goal.clone());
            let mut at = next.block;
            while let Some((second, on)) = next_test(f, &cfg, at, &goal) {
                let lower = second.and_then(|(cond, holds)| lower_bits(f, &upper, cond, holds));
                if let Some((lo, hi)) = lower {
                    f.blocks[at].term = Term::Jump(on);
                    become_one(f, &cfg, b, &upper, (lo, hi), (next, goal));
                    return true;
                }
                at = on.block;
            }
        }
    }
    false
}

/// A test that its condition must pass or fail, and where it goes on.
type Step = (Option<(Value, bool)>, BlockCall);

/// How a block goes on that is part of a row of tests which fail into the same place.
fn next_test(f: &Function, cfg: &Cfg, b: Block, goal: &BlockCall) -> Option<Step> {
    if !super::is_quiet(f, cfg, b) {
        return None;
    }
    match &f.blocks[b].term {
        Term::Jump(on) => Some((None, on.clone())),
        Term::Branch {
            cond,
            then,
            otherwise,
        } if otherwise == goal => Some((Some((*cond, true)), then.clone())),
        Term::Branch {
            cond,
            then,
            otherwise,
        } if then == goal => Some((Some((*cond, false)), otherwise.clone())),
        _ => None,
    }
}

/// A comparison with a constant as it is when the condition holds, or does not.
fn comparison(f: &Function, cond: Value, holds: bool) -> Option<(Op, Value, u32)> {
    let def = f.def(cond)?;
    let &[x, y] = def.args.as_slice() else {
        return None;
    };
    let op = if holds { def.op } else { def.op.inverse()? };
    Some((op, x, f.constant(y)?))
}

fn upper_bits(f: &Function, cond: Value, holds: bool) -> Option<Upper> {
    let (Op::Eq, x, number) = comparison(f, cond, holds)? else {
        return None;
    };
    let shift = f.def(x).filter(|d| d.op == Op::Shr)?;
    let below = f.constant(shift.args[1]).filter(|n| (1..31).contains(n))?;
    Some(Upper {
        word: shift.args[0],
        below,
        number: number.checked_shl(below).filter(|n| n >> below == number)?,
    })
}

/// The interval in which the bits below lie when the condition holds, or does not.
fn lower_bits(f: &Function, upper: &Upper, cond: Value, holds: bool) -> Option<(u32, u32)> {
    let (op, x, number) = comparison(f, cond, holds)?;
    if !is_lower(f, upper, x) {
        return None;
    }
    let all = (1 << upper.below) - 1;
    let (lo, hi) = match op {
        Op::Geu => (number, all),
        Op::Ltu => (0, number.checked_sub(1)?),
        Op::Eq => (number, number),
        _ => return None,
    };
    (lo <= hi && hi <= all).then_some((lo, hi))
}

/// Whether a word is the bits below.
fn is_lower(f: &Function, upper: &Upper, v: Value) -> bool {
    let mask = f.def(v).filter(|d| d.op == Op::And);
    mask.is_some_and(|d| {
        d.args[0] == upper.word && f.constant(d.args[1]) == Some((1 << upper.below) - 1)
    })
}

fn become_one(
    f: &mut Function,
    cfg: &Cfg,
    b: Block,
    upper: &Upper,
    (lo, hi): (u32, u32),
    (next, goal): (BlockCall, BlockCall),
) {
    let end = f.blocks[b].insts.len();
    let start = insert(f, b, end, Op::Const, &[], upper.number + lo);
    let above = insert(f, b, end + 1, Op::Sub, &[upper.word, start], 0);
    let count = insert(f, b, end + 2, Op::Const, &[], hi - lo + 1);
    let cond = insert(f, b, end + 3, Op::Ltu, &[above, count], 0);
    let inside = next.block;
    f.blocks[b].term = Term::Branch {
        cond,
        then: next,
        otherwise: goal,
    };
    // A length in words becomes one in bytes: the distance does, and the interval's start is added.
    for b in f.layout.clone() {
        let mut at = 0;
        while cfg.dominates(inside, b) && at < f.blocks[b].insts.len() {
            let inst = f.blocks[b].insts[at];
            at += 1;
            let data = &f.insts[inst];
            let shift = data.args.get(1).and_then(|&n| f.constant(n));
            let (Op::Shl, Some(shift @ 0..32)) = (data.op, shift) else {
                continue;
            };
            if !is_lower(f, upper, data.args[0]) {
                continue;
            }
            let by = data.args[1];
            let shifted = insert(f, b, at - 1, Op::Shl, &[above, by], 0);
            let first = insert(f, b, at, Op::Const, &[], lo << shift);
            let data = &mut f.insts[inst];
            data.op = Op::Add;
            data.args = vec![shifted, first];
            at += 2;
        }
    }
}

/// A new instruction before the one at `at`.
fn insert(f: &mut Function, b: Block, at: usize, op: Op, args: &[Value], imm: u32) -> Value {
    let v = f.compute(b, op, args, imm);
    if let Some(inst) = f.blocks[b].insts.pop() {
        f.blocks[b].insts.insert(at, inst);
    }
    v
}
