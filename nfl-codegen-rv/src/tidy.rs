//! Control flow once registers are chosen.
//!
//! In: a handler over the machine's registers. Out: the same in fewer bytes: blocks that became empty are stepped over, equal
//! ones are one, and so are equal ends of blocks. Guaranteed: loops keep their single heads.

use std::collections::BTreeMap;

use nfl_isa::{Fx, Reg};

use crate::graph::Graph;
use crate::mir::{Block, Code, End, Func, Line, Target, bytes_of};
use crate::select::Care;

/// Removes what costs bytes and does nothing; blocks that nothing leads to stay, unreached.
pub(crate) fn tidy(f: &mut Func<Reg>, care: Care) {
    straighten(f);
    while share_tail(f, care) {
        straighten(f);
    }
}

fn straighten(f: &mut Func<Reg>) {
    loop {
        let before = count_targets(f);
        step_over_empty(f);
        merge_equal(f);
        if before == count_targets(f) {
            return;
        }
    }
}

/// Falls with every change: the places where control may go on, over all reachable blocks.
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

/// The reachable blocks that may merge with others of the same group: only blocks of one loop do, and no heads, so that no
/// loop gets a second way in.
fn mergeable(f: &Func<Reg>) -> Vec<(usize, Option<usize>)> {
    let graph = Graph::new(&f.successors());
    let is_head = |b: usize| graph.loops.iter().any(|l| l.head == b);
    let blocks = graph.order.iter().filter(|&&b| b != 0 && !is_head(b));
    blocks.map(|&b| (b, graph.innermost[b])).collect()
}

fn merge_equal(f: &mut Func<Reg>) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut same: Vec<usize> = (0..f.blocks.len()).collect();
    for (b, group) in mergeable(f) {
        let Block { lines, end, .. } = &f.blocks[b];
        let codes: Vec<_> = lines.iter().map(|line| line.code).collect();
        let key = format!("{group:?} {codes:?} {end:?}");
        same[b] = *known.entry(key).or_insert(b);
    }
    for block in &mut f.blocks {
        block.end.retarget(|target| match target {
            Target::Block(b) => Target::Block(same[b]),
            Target::Exit => Target::Exit,
        });
    }
}

/// Two blocks with the same last lines and the same end.
struct Shared {
    a: usize,
    b: usize,
    lines: usize,
    saved: u32,
}

/// Gives the longest equal ends of two blocks a block of their own; false when there is nothing to gain.
fn share_tail(f: &mut Func<Reg>, care: Care) -> bool {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (b, group) in mergeable(f) {
        let Block { lines, end, .. } = &f.blocks[b];
        let last = lines.last().map(|line| line.code);
        let key = format!("{group:?} {last:?} {end:?}");
        groups.entry(key).or_default().push(b);
    }
    let mut best: Option<Shared> = None;
    for group in groups.values() {
        for (at, &a) in group.iter().enumerate() {
            for &b in &group[at + 1..] {
                let shared = shared(f, a, b, care);
                let more = best.as_ref().map_or(0, |best| best.saved);
                if let Some(shared) = shared.filter(|shared| shared.saved > more) {
                    best = Some(shared);
                }
            }
        }
    }
    let Some(Shared { a, b, lines, .. }) = best else {
        return false;
    };
    let from = f.blocks[a].lines.len() - lines;
    let tail = f.blocks[a].lines.split_off(from);
    let keep = f.blocks[b].lines.len() - lines;
    f.blocks[b].lines.truncate(keep);
    let Block {
        end, source, span, ..
    } = f.blocks[a];
    f.blocks.push(Block {
        lines: tail,
        end,
        source,
        span,
    });
    let to = End::Jump(Target::Block(f.blocks.len() - 1));
    f.blocks[a].end = to;
    f.blocks[b].end = to;
    true
}

const JUMP_BYTES: u32 = 2;

fn shared(f: &Func<Reg>, a: usize, b: usize, care: Care) -> Option<Shared> {
    let (x, y) = (&f.blocks[a], &f.blocks[b]);
    let pairs = x.lines.iter().rev().zip(y.lines.iter().rev());
    let equal = pairs.take_while(|(x, y)| x.code == y.code && may_share(x, care));
    let (mut lines, mut bytes) = (0, end_bytes(&x.end));
    for (line, _) in equal {
        lines += 1;
        bytes += bytes_of(&line.code);
    }
    let saved = bytes.saturating_sub(JUMP_BYTES);
    (saved > 0).then_some(Shared { a, b, lines, saved })
}

/// What is known on one path is not known where it joins another, so careful code keeps accesses apart.
fn may_share(line: &Line<Reg>, care: Care) -> bool {
    let touches_memory = match line.code {
        Code::Inst(inst) => matches!(inst.op.spec().effects, Fx::READ | Fx::WRITE),
        Code::Li { .. } => false,
    };
    care == Care::Short || !touches_memory
}

/// Bytes that the end of a block takes; one of the places it goes to follows.
fn end_bytes(end: &End<Reg>) -> u32 {
    match end {
        End::Jump(_) => JUMP_BYTES,
        End::Branch { test, .. } => nfl_isa::size(&test.inst(JUMP_BYTES.cast_signed(), Reg::ZERO)),
    }
}
