//! Control flow once registers are chosen.
//!
//! In: the code of all handlers. Out: the same in fewer bytes: blocks that became empty are stepped over, equal pieces of
//! control flow are one, whole loops too, and so are equal ends of blocks, whichever handler they belong to.
//! Guaranteed: loops keep their single heads. Blocks that nothing leads to any more stay, unreached.

use std::collections::BTreeMap;

use nfl_isa::{Fx, Reg};

use crate::graph::{Graph, reverse_postorder};
use crate::held::drop_held;
use crate::hoist::hoist;
use crate::mir::{Block, Code, End, Line, Program, Target, bytes_of};
use crate::select::Care;

/// Removes what costs bytes and does nothing.
///
/// `learns` says whether a register counts as written that a test found to be equal to a constant.
pub(crate) fn tidy(p: &mut Program, care: &dyn Fn(usize) -> Care, learns: bool) {
    step_over_empty(p);
    drop_held(p, learns);
    straighten(p, care);
    while hoist(p) {
        straighten(p, care);
    }
    while share_tail(p, care) {
        straighten(p, care);
    }
    drop_held(p, learns);
    step_over_empty(p);
}

fn straighten(p: &mut Program, care: &dyn Fn(usize) -> Care) {
    let mut before = count_targets(p);
    loop {
        step_over_empty(p);
        if !merge_equal(p, care, Merge::Loops) {
            merge_equal(p, care, Merge::Blocks);
        }
        let after = count_targets(p);
        if std::mem::replace(&mut before, after) == after {
            return;
        }
    }
}

/// Falls with every change: the places where control may go on, over all reachable blocks.
fn count_targets(p: &Program) -> usize {
    let blocks = reachable(p);
    let ends = blocks
        .iter()
        .map(|&b| p.blocks[b].end.targets().count() + 1);
    ends.sum()
}

fn reachable(p: &Program) -> Vec<usize> {
    let mut order = reverse_postorder(&p.successors(), p.blocks.len());
    order.retain(|&b| b < p.blocks.len());
    order
}

fn step_over_empty(p: &mut Program) {
    let through: Vec<Target> = (0..p.blocks.len()).map(|b| destination(p, b)).collect();
    for block in &mut p.blocks {
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
    for entry in &mut p.entries {
        // A handler that only drops still needs its own `ebreak` to start at.
        if let Target::Block(b) = through[*entry] {
            *entry = b;
        }
    }
}

/// Where control ends up that goes to a block, over blocks that do nothing.
fn destination(p: &Program, from: usize) -> Target {
    let mut at = from;
    for _ in 0..p.blocks.len() {
        match &p.blocks[at] {
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

/// What may become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// Equal pieces of control flow of any shape, if loops keep single heads.
    Loops,
    /// Blocks of one loop that are no heads.
    Blocks,
}

/// Merges blocks that do the same from here to the end of the run; false when loops would lose their single heads.
///
/// The classes are those of a minimal automaton (Moore): blocks are taken for equal until their code differs, or they lead to
/// blocks that are not equal.
fn merge_equal(p: &mut Program, care: &dyn Fn(usize) -> Care, merge: Merge) -> bool {
    let blocks = reachable(p);
    let (mut class, mut classes) = alike(p, &blocks, care, merge);
    while classes < blocks.len() {
        let mut names: BTreeMap<(usize, [Option<usize>; 2]), usize> = BTreeMap::new();
        let mut finer = class.clone();
        for &b in &blocks {
            let mut ways = p.blocks[b].end.targets().map(|target| match target {
                Target::Block(to) => Some(class[to]),
                Target::Exit => None,
            });
            let ways = [(); 2].map(|()| ways.next().flatten());
            let count = names.len();
            finer[b] = *names.entry((class[b], ways)).or_insert(count);
        }
        class = finer;
        if names.len() == classes {
            break;
        }
        classes = names.len();
    }
    // What has only loops of single heads, and stays as it is, has them still.
    if classes == blocks.len() {
        return true;
    }
    let mut first = vec![None; classes];
    let mut same: Vec<usize> = (0..p.blocks.len()).collect();
    for &b in &blocks {
        same[b] = *first[class[b]].get_or_insert(b);
    }
    let before: Vec<End<Reg>> = p.blocks.iter().map(|block| block.end).collect();
    let entries = p.entries.clone();
    for block in &mut p.blocks {
        block.end.retarget(|target| match target {
            Target::Block(b) => Target::Block(same[b]),
            Target::Exit => Target::Exit,
        });
    }
    for entry in &mut p.entries {
        *entry = same[*entry];
    }
    let is_sound = p.graph().is_reducible();
    if !is_sound {
        let blocks = p.blocks.iter_mut().zip(before);
        blocks.for_each(|(block, end)| block.end = end);
        p.entries = entries;
    }
    is_sound
}

/// The blocks in classes of those that may be the same, wherever they lead: for each block its class, and how many there are.
fn alike(
    p: &Program,
    blocks: &[usize],
    care: &dyn Fn(usize) -> Care,
    merge: Merge,
) -> (Vec<usize>, usize) {
    let graph = (merge == Merge::Blocks).then(|| p.graph());
    let mut class: Vec<usize> = vec![0; p.blocks.len()];
    let mut firsts: Vec<usize> = Vec::new();
    for &b in blocks {
        let mut known = firsts.iter();
        let known = known.position(|&first| are_alike(p, first, b, care, graph.as_ref()));
        class[b] = known.unwrap_or(firsts.len());
        if known.is_none() {
            firsts.push(b);
        }
    }
    (class, firsts.len())
}

/// Whether two blocks may be the same, wherever they lead; with a graph, only those of one loop that are no heads.
fn are_alike(
    p: &Program,
    a: usize,
    b: usize,
    care: &dyn Fn(usize) -> Care,
    graph: Option<&Graph>,
) -> bool {
    let (x, y) = (&p.blocks[a], &p.blocks[b]);
    let test = |end: &End<Reg>| match *end {
        End::Jump(_) => None,
        End::Branch { test, .. } => Some(test),
    };
    let same_code = x.lines.len() == y.lines.len()
        && test(&x.end) == test(&y.end)
        && x.lines.iter().zip(&y.lines).all(|(x, y)| x.code == y.code);
    let may_merge = |b: usize| {
        let Block { lines, source, .. } = &p.blocks[b];
        let care = care(source.0);
        lines.iter().all(|line| may_share(line, care))
    };
    let same_loop = |graph: &Graph| {
        let is_head = |b: usize| graph.loops.iter().any(|l| l.head == b);
        graph.innermost[a] == graph.innermost[b] && !is_head(a) && !is_head(b)
    };
    same_code && graph.is_none_or(same_loop) && may_merge(a) && may_merge(b)
}

/// Two blocks with the same last lines and the same end.
struct Shared {
    a: usize,
    b: usize,
    lines: usize,
    saved: u32,
}

/// Gives the longest equal ends of two blocks a block of their own; false when there is nothing to gain.
fn share_tail(p: &mut Program, care: &dyn Fn(usize) -> Care) -> bool {
    let graph = p.graph();
    let is_head = |b: usize| graph.loops.iter().any(|l| l.head == b);
    let key = |b: usize| {
        let Block { lines, end, .. } = &p.blocks[b];
        (graph.innermost[b], lines.last().map(|line| line.code), *end)
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for b in reachable(p).into_iter().filter(|&b| !is_head(b)) {
        match groups.iter_mut().find(|group| key(group[0]) == key(b)) {
            Some(group) => group.push(b),
            None => groups.push(vec![b]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups.sort_by_cached_key(|group| {
        let (group, last, end) = key(group[0]);
        format!("{group:?} {last:?} {end:?}")
    });
    let mut best: Option<Shared> = None;
    for group in &groups {
        for (at, &a) in group.iter().enumerate() {
            for &b in &group[at + 1..] {
                let shared = shared(p, a, b, care);
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
    let from = p.blocks[a].lines.len() - lines;
    let tail = p.blocks[a].lines.split_off(from);
    let keep = p.blocks[b].lines.len() - lines;
    p.blocks[b].lines.truncate(keep);
    let Block {
        end, source, span, ..
    } = p.blocks[a];
    p.blocks.push(Block {
        lines: tail,
        end,
        source,
        span,
    });
    let to = End::Jump(Target::Block(p.blocks.len() - 1));
    p.blocks[a].end = to;
    p.blocks[b].end = to;
    true
}

const JUMP_BYTES: u32 = 2;

fn shared(p: &Program, a: usize, b: usize, care: &dyn Fn(usize) -> Care) -> Option<Shared> {
    let (x, y) = (&p.blocks[a], &p.blocks[b]);
    let care = care(x.source.0).max(care(y.source.0));
    let pairs = x.lines.iter().rev().zip(y.lines.iter().rev());
    let equal = pairs.take_while(|(x, y)| x.code == y.code && may_share(x, care));
    let (mut lines, mut bytes) = (0, end_bytes(&x.end));
    for (line, _) in equal {
        lines += 1;
        bytes += bytes_of(&line.code, p.isa);
    }
    let saved = bytes.saturating_sub(JUMP_BYTES);
    (saved > 0).then_some(Shared { a, b, lines, saved })
}

/// What is known on one path is not known where it joins another, so careful code keeps accesses apart.
fn may_share(line: &Line<Reg>, care: Care) -> bool {
    let touches_memory = match line.code {
        Code::Inst(inst) => matches!(inst.op.spec().effects, Fx::READ | Fx::WRITE),
        Code::Li { .. } => false,
        Code::Call { .. } => true,
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
