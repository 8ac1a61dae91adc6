//! Joins tests of one word that lead to the same place.
//!
//! `x == 0` or else `x == 1` is one comparison, `x < 2`; a set bit or else another is one mask. Where a
//! test fails into a block that only tests the same word again and goes to the same place, the two
//! become one.

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, Term};
use crate::op::{Effect, Op};
use crate::passes::{Made, lenders};

/// Joins all such tests.
pub(super) fn join(f: &mut Function) {
    while join_one(f) {
        super::blocks::prune(f);
    }
}

/// What a test says of a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Test {
    /// It is one of these numbers, first and last.
    Within(Value, u32, u32),
    /// One of these bits is set.
    AnyOf(Value, u32),
}

fn join_one(f: &mut Function) -> bool {
    let cfg = Cfg::new(f);
    let outside = lenders(f, &cfg.order, Made::Results);
    for &b in &cfg.order {
        let Term::Branch {
            cond,
            then,
            otherwise,
        } = f.blocks[b].term.clone()
        else {
            continue;
        };
        for (truth, next, goal) in [(false, &then, &otherwise), (true, &otherwise, &then)] {
            // `truth` is what the condition is on the way to the common goal.
            let Some((second_truth, rest)) = second_test(f, &cfg, &outside, next, goal) else {
                continue;
            };
            let Term::Branch { cond: second, .. } = f.blocks[next.block].term else {
                continue;
            };
            let first = test_of(f, cond, truth);
            let second = test_of(f, second, second_truth);
            let Some(joined) = first.zip(second).and_then(|(a, b)| union(a, b)) else {
                continue;
            };
            let goal = goal.clone();
            let cond = emit(f, b, joined);
            f.blocks[b].term = Term::Branch {
                cond,
                then: goal,
                otherwise: rest,
            };
            return true;
        }
    }
    false
}

/// Whether a block only tests, and goes to the goal: when its condition is this, and else there.
fn second_test(
    f: &Function,
    cfg: &Cfg,
    outside: &IdMap<Block, bool>,
    next: &BlockCall,
    goal: &BlockCall,
) -> Option<(bool, BlockCall)> {
    let b = next.block;
    let block = &f.blocks[b];
    let mut insts = block.insts.iter().map(|&i| &f.insts[i]);
    let only_tests = insts.all(|data| data.op.spec().effect == Effect::Pure);
    let alone = cfg.preds(b).len() == 1 && block.params.is_empty() && cfg.loop_at(b).is_none();
    if !only_tests || !alone || outside[b] || cfg.loop_at(goal.block).is_some() {
        return None;
    }
    let Term::Branch {
        then, otherwise, ..
    } = &block.term
    else {
        return None;
    };
    let (truth, rest) = if then == goal {
        (true, otherwise)
    } else if otherwise == goal {
        (false, then)
    } else {
        return None;
    };
    let own = |v: &Value| {
        let mut made = block.insts.iter().map(|&i| f.insts[i].result);
        made.any(|made| made == Some(*v))
    };
    let to_head = cfg.loop_at(rest.block).is_some();
    (!to_head && !rest.args.iter().chain(&goal.args).any(own)).then(|| (truth, rest.clone()))
}

/// What it says of a word that a condition is true, or false.
fn test_of(f: &Function, cond: Value, truth: bool) -> Option<Test> {
    let def = f.def(cond)?;
    let &[x, y] = def.args.as_slice() else {
        return None;
    };
    let number = f.constant(y)?;
    if def.op == Op::And && truth {
        return Some(Test::AnyOf(x, number));
    }
    let op = if truth { def.op } else { def.op.inverse()? };
    let masked = f.def(x).filter(|d| d.op == Op::And);
    if op == Op::Ne
        && number == 0
        && let Some(&[word, mask]) = masked.map(|d| d.args.as_slice())
        && let Some(mask) = f.constant(mask)
    {
        return Some(Test::AnyOf(word, mask));
    }
    match op {
        Op::Eq => Some(Test::Within(x, number, number)),
        Op::Ltu => Some(Test::Within(x, 0, number.checked_sub(1)?)),
        Op::Geu => Some(Test::Within(x, number, u32::MAX)),
        _ => None,
    }
}

fn union(a: Test, b: Test) -> Option<Test> {
    match (a, b) {
        (Test::AnyOf(x, m), Test::AnyOf(y, n)) if x == y => Some(Test::AnyOf(x, m | n)),
        (Test::Within(x, lo, hi), Test::Within(y, low, high)) if x == y => {
            let touch = low <= hi.saturating_add(1) && lo <= high.saturating_add(1);
            touch.then(|| Test::Within(x, lo.min(low), hi.max(high)))
        }
        _ => None,
    }
}

/// The test as a condition at the end of a block.
fn emit(f: &mut Function, b: Block, test: Test) -> Value {
    let mut with = |op: Op, x: Value, number: u32| {
        let number = f.compute(b, Op::Const, &[], number);
        f.compute(b, op, &[x, number], 0)
    };
    match test {
        Test::AnyOf(x, mask) => {
            let bits = with(Op::And, x, mask);
            with(Op::Ne, bits, 0)
        }
        Test::Within(x, lo, hi) => super::within(f, b, x, (lo, hi), u32::MAX),
    }
}
