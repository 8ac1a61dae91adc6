//! Instructions move towards their uses.
//!
//! In: a handler. Out: the same handler, where an instruction stands in the block that all its uses have in common. Guaranteed:
//! no instruction moves into a loop, and no load past a store or past a call that moves the packet.
//!
//! A value that is made late finds its operands with no other use left, and takes their register: two bytes less. Runs that
//! end before do not make it at all.

use nfl_ir::func::{Function, Origin};
use nfl_ir::{Block, Effect, Inst, Op, Region, Term, Value};
use nfl_syntax::arena::{Id, IdMap};

use crate::graph::{Edges, Graph};

/// Moves what can move, the last instruction first; true when something moved. `resizes` says whether calls move the packet.
pub(crate) fn sink(f: &mut Function, resizes: bool) -> bool {
    let blocks = f.blocks.iter();
    let successors: Edges = blocks
        .map(|(_, b)| b.term.targets().map(|call| call.block.index()))
        .collect();
    let graph = Graph::new(&successors, f.entry.index());
    let mut users = users(f, &graph);
    let mut stored = stored(f, &graph);
    if resizes {
        stored.push(Region::Packet);
    }
    let mut moved = false;
    let mut at_end = vec![0; f.blocks.len()];
    for &from in graph.order.iter().rev() {
        for i in f.blocks[Block::new(from)].insts.clone().into_iter().rev() {
            let Some(v) = f.insts[i]
                .result
                .filter(|_| may_move(f, i, &stored, resizes))
            else {
                continue;
            };
            let all = users[v].iter().copied();
            let Some(to) = all.reduce(|a, b| graph.common_dominator(a, b)) else {
                continue;
            };
            if to != from && graph.innermost[to] == graph.innermost[from] {
                moved = true;
                relocate(f, i, Block::new(from), Block::new(to), &mut at_end[to]);
                for &arg in &f.insts[i].args {
                    let place = users[arg].iter().position(|&b| b == from);
                    users[arg][place.expect("an operand's users are known")] = to;
                }
            }
        }
    }
    moved
}

/// For each word the blocks that use it, as often as they do.
fn users(f: &Function, graph: &Graph) -> IdMap<Value, Vec<usize>> {
    let mut users: IdMap<Value, Vec<usize>> = IdMap::new();
    for &b in &graph.order {
        let data = &f.blocks[Block::new(b)];
        let operands = data.insts.iter().flat_map(|&i| &f.insts[i].args);
        let passed = data.term.targets().flat_map(|call| &call.args);
        operands
            .chain(passed)
            .chain(own(&data.term))
            .for_each(|&v| users[v].push(b));
    }
    users
}

/// The words that the end of a block itself uses.
fn own(term: &Term) -> impl Iterator<Item = &Value> {
    let own = match term {
        Term::Jump(_) => [None, None],
        Term::Branch { cond, .. } => [Some(cond), None],
        Term::Finish { kind, operand } => [Some(kind), Some(operand)],
    };
    own.into_iter().flatten()
}

/// The regions that some store changes.
fn stored(f: &Function, graph: &Graph) -> Vec<Region> {
    let insts = graph
        .order
        .iter()
        .flat_map(|&b| &f.blocks[Block::new(b)].insts);
    let stores = insts
        .map(|&i| &f.insts[i])
        .filter(|inst| !inst.op.has_result());
    stores.filter_map(|inst| inst.region).collect()
}

fn may_move(f: &Function, i: Inst, stored: &[Region], resizes: bool) -> bool {
    let inst = &f.insts[i];
    match inst.op.spec().effect {
        // Where the packet moves, its length and the place of its header are not the same everywhere.
        Effect::Pure if matches!(inst.op, Op::Len | Op::Context) => !resizes,
        Effect::Pure => !matches!(inst.op, Op::Const | Op::Second),
        Effect::Read => inst.region.is_some_and(|region| !stored.contains(&region)),
        Effect::Write | Effect::Call | Effect::Check => false,
    }
}

/// Puts an instruction before its first use in another block, or at the end, where it keeps its place among its like.
fn relocate(f: &mut Function, i: Inst, from: Block, to: Block, at_end: &mut usize) {
    f.blocks[from].insts.retain(|&other| other != i);
    let is_user = |&other: &Inst| {
        let uses = |&v: &Value| f.values[v].origin == Origin::Inst(i);
        f.insts[other].args.iter().any(uses)
    };
    let first_use = f.blocks[to].insts.iter().position(is_user);
    let last = f.blocks[to].insts.len() - *at_end;
    let at = first_use.unwrap_or(last);
    if at >= last {
        *at_end += 1;
    }
    f.blocks[to].insts.insert(at, i);
}
