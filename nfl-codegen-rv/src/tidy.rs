//! Control flow once registers are chosen.
//!
//! In: a handler over the machine's registers. Out: the same with fewer blocks: those that became empty are stepped over,
//! and equal ones are one. Guaranteed: loops keep their single heads.

use std::collections::BTreeMap;

use nfl_isa::Reg;

use crate::graph::Graph;
use crate::mir::{Block, End, Func, Target};

/// Removes what costs bytes and does nothing; blocks that nothing leads to stay, unreached.
pub(crate) fn tidy(f: &mut Func<Reg>) {
    loop {
        let before = f.blocks.len() + count_targets(f);
        step_over_empty(f);
        merge_equal(f);
        if before == f.blocks.len() + count_targets(f) {
            return;
        }
    }
}

/// Falls with every change: the targets that differ, over all reachable blocks.
fn count_targets(f: &Func<Reg>) -> usize {
    let graph = Graph::new(&f.successors());
    let ends = graph
        .order
        .iter()
        .map(|&b| f.blocks[b].end.targets().count() + 1);
    ends.sum()
}

fn step_over_empty(f: &mut Func<Reg>) {
    let through: Vec<Target> = (0..f.blocks.len()).map(|b| destination(f, b)).collect();
    for block in &mut f.blocks {
        block.end.retarget(|target| match target {
            Target::Block(b) => through[b],
            Target::Exit => Target::Exit,
        });
        if let End::Branch {
            then, otherwise, ..
        } = block.end
            && then == otherwise
        {
            block.end = End::Jump(then);
        }
    }
}

/// Where control ends up that goes to a block, over blocks that do nothing.
fn destination(f: &Func<Reg>, from: usize) -> Target {
    let mut at = from;
    for _ in 0..f.blocks.len() {
        match &f.blocks[at] {
            Block {
                lines,
                end: End::Jump(target),
                ..
            } if lines.is_empty() => match *target {
                Target::Exit => return Target::Exit,
                Target::Block(to) => at = to,
            },
            _ => break,
        }
    }
    Target::Block(at)
}

/// Only blocks of one loop merge, so that no loop gets a second way in.
fn merge_equal(f: &mut Func<Reg>) {
    let graph = Graph::new(&f.successors());
    let is_head = |b: usize| graph.loops.iter().any(|l| l.head == b);
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut same: Vec<usize> = (0..f.blocks.len()).collect();
    for &b in graph.order.iter().filter(|&&b| b != 0 && !is_head(b)) {
        let Block { lines, end, .. } = &f.blocks[b];
        let codes: Vec<_> = lines.iter().map(|line| line.code).collect();
        let key = format!("{:?} {codes:?} {end:?}", graph.innermost[b]);
        same[b] = *known.entry(key).or_insert(b);
    }
    for block in &mut f.blocks {
        block.end.retarget(|target| match target {
            Target::Block(b) => Target::Block(same[b]),
            Target::Exit => Target::Exit,
        });
    }
}
