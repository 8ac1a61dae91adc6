//! Tests that two ways both make are made once, before the ways part.
//!
//! Where both sides of a branch begin with the same test and fail into the same place, the test stands before the
//! branch. Where one side has another test first that fails into that place too, both come to the common test
//! and part behind it: TCP or else UDP is asked, then that the packet is no later fragment, and then which of them
//! it was. Nothing is written in such blocks, so the order of their tests does not matter.

use crate::cfg::Cfg;
use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, Term};
use crate::op::Effect;
use crate::passes::{Made, lenders};

/// Joins all such tests.
pub(super) fn join(f: &mut Function) {
    while join_one(f) {
        super::blocks::prune(f);
    }
}

/// A block that only tests.
struct Test {
    cond: Value,
    then: BlockCall,
    otherwise: BlockCall,
}

fn join_one(f: &mut Function) -> bool {
    let cfg = Cfg::new(f);
    let lends = lenders(f, &cfg.order, Made::Results);
    for &b in &cfg.order {
        let Some(fork) = branch(f, b) else {
            continue;
        };
        let (x, y) = (fork.then.block, fork.otherwise.block);
        if x == y || !super::is_quiet(f, &cfg, x) || !super::is_quiet(f, &cfg, y) {
            continue;
        }
        let to_head = |c: &Common| cfg.loop_at(c.exit.block).is_some();
        if let Some(common) = common_test(f, x, y).filter(|c| !to_head(c)) {
            hoist(f, b, &fork, common);
            return true;
        }
        for (near, other) in [(x, y), (y, x)] {
            let Some(test) = branch(f, other).filter(|_| !lends[other]) else {
                continue;
            };
            for (behind, exit) in [(&test.then, &test.otherwise), (&test.otherwise, &test.then)] {
                let far = behind.block;
                if far == near || !super::is_quiet(f, &cfg, far) || !is_worth_it(f, near) {
                    continue;
                }
                let common = common_test(f, near, far);
                let common = common.filter(|c| c.exit == *exit && !to_head(c));
                if let Some(common) = common {
                    sink(f, (other, far), &fork, common, near == x);
                    return true;
                }
            }
        }
    }
    false
}

fn branch(f: &Function, b: Block) -> Option<Test> {
    match &f.blocks[b].term {
        Term::Branch {
            cond,
            then,
            otherwise,
        } => Some(Test {
            cond: *cond,
            then: then.clone(),
            otherwise: otherwise.clone(),
        }),
        _ => None,
    }
}

/// Parting a second time takes a branch, which a test without a load would not save.
fn is_worth_it(f: &Function, b: Block) -> bool {
    let mut insts = f.blocks[b].insts.iter();
    insts.any(|&i| f.insts[i].op.spec().effect == Effect::Read)
}

/// The same test in two blocks: where it fails into, and where each goes on.
struct Common {
    /// The block that stays.
    block: Block,
    exit: BlockCall,
    /// Whether it goes on when its condition holds.
    holds: bool,
    own: BlockCall,
    others: BlockCall,
    /// Words of the other block and those of this one.
    same: Vec<(Value, Value)>,
}

fn common_test(f: &Function, x: Block, y: Block) -> Option<Common> {
    let (a, b) = (&f.blocks[x].insts, &f.blocks[y].insts);
    let mut same: Vec<(Value, Value)> = Vec::new();
    if a.len() != b.len() {
        return None;
    }
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (&f.insts[a], &f.insts[b]);
        let args = b.args.iter().map(|&v| renamed(&same, v));
        if (a.op, a.imm, a.region) != (b.op, b.imm, b.region) || !args.eq(a.args.iter().copied()) {
            return None;
        }
        same.extend(b.result.zip(a.result));
    }
    let (first, second) = (branch(f, x)?, branch(f, y)?);
    if first.cond != renamed(&same, second.cond) {
        return None;
    }
    let made = |v: &Value| same.iter().any(|(theirs, ours)| theirs == v || ours == v);
    let (exit, holds, own, others) = if first.otherwise == second.otherwise {
        (first.otherwise, true, first.then, second.then)
    } else if first.then == second.then {
        (first.then, false, first.otherwise, second.otherwise)
    } else {
        return None;
    };
    (!exit.args.iter().any(made)).then_some(Common {
        block: x,
        exit,
        holds,
        own,
        others,
        same,
    })
}

fn renamed(same: &[(Value, Value)], v: Value) -> Value {
    let found = same.iter().find(|(theirs, _)| *theirs == v);
    found.map_or(v, |&(_, ours)| ours)
}

/// A block that parts the ways again, behind another in the layout.
fn parting(f: &mut Function, behind: Block, cond: Value, ways: (BlockCall, BlockCall)) -> Block {
    let part = f.add_block();
    f.blocks[part].span = f.blocks[behind].span;
    f.blocks[part].term = Term::Branch {
        cond,
        then: ways.0,
        otherwise: ways.1,
    };
    let at = f.layout.iter().position(|&b| b == behind);
    f.layout
        .insert(at.map_or(f.layout.len(), |at| at + 1), part);
    part
}

/// The end of the common test, which goes on to `on`.
fn end(f: &Function, common: &Common, on: Block) -> Term {
    let on = BlockCall {
        block: on,
        args: Vec::new(),
    };
    let cond = branch(f, common.block).map(|test| test.cond);
    let (then, otherwise) = if common.holds {
        (on, common.exit.clone())
    } else {
        (common.exit.clone(), on)
    };
    Term::Branch {
        cond: cond.expect("the common test ends in a branch"),
        then,
        otherwise,
    }
}

/// Both sides of `b` begin with the test: it moves to the end of `b`.
fn hoist(f: &mut Function, b: Block, fork: &Test, common: Common) {
    let ways = (common.own.clone(), common.others.clone());
    let part = parting(f, b, fork.cond, ways);
    let insts = f.blocks[common.block].insts.clone();
    f.blocks[b].insts.extend(insts);
    f.blocks[b].term = end(f, &common, part);
    f.blocks[common.block].insts.clear();
    f.rename_uses(|v| renamed(&common.same, v));
}

/// One side of `b` begins with the test, and the other when it has passed a test of its own.
fn sink(
    f: &mut Function,
    (other, far): (Block, Block),
    fork: &Test,
    common: Common,
    near_is_then: bool,
) {
    let ways = if near_is_then {
        (common.own.clone(), common.others.clone())
    } else {
        (common.others.clone(), common.own.clone())
    };
    let part = parting(f, common.block, fork.cond, ways);
    f.blocks[common.block].term = end(f, &common, part);
    for call in f.blocks[other].term.targets_mut() {
        if call.block == far {
            call.block = common.block;
        }
    }
    f.rename_uses(|v| renamed(&common.same, v));
}
