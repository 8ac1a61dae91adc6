//! The order of blocks in memory.
//!
//! In: control flow. Out: its blocks in order, the entry first. Guaranteed: loops are contiguous with their head first,
//! and only branches to the head of a loop go backward, because the node proves code in one ascending sweep.
//!
//! The idea: sort each loop by its forward edges, with inner loops as single items, and continue after a block with one
//! of its own successors where that is possible, so that the branch between them falls through. The node keeps a state for
//! each forward target that is open at once, and has room for so many; where that is not enough, the side of a branch that
//! less belongs to goes first, so that a tree of branches leaves no more targets open than it is deep.

use std::collections::BTreeMap;

use crate::graph::{Edges, Graph};
use crate::noise::Noise;

/// Which side of a branch comes behind it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Lay {
    /// The one that is not branched to.
    #[default]
    Falling,
    /// The one that less belongs to.
    Narrow,
}

/// The reachable blocks in order.
///
/// Noise makes other choices among the blocks that may come next.
pub(crate) fn order(graph: &Graph, successors: &Edges, lay: Lay, noise: &Noise) -> Vec<usize> {
    let mut placed = Vec::with_capacity(graph.order.len());
    let belongings = match lay {
        Lay::Falling => vec![0; successors.len()],
        Lay::Narrow => graph.belongings(),
    };
    let wishes = Wishes {
        successors,
        belongings: &belongings,
        noise,
    };
    place(graph, &wishes, None, &mut placed);
    placed
}

/// What decides which block comes next.
struct Wishes<'a> {
    successors: &'a Edges,
    belongings: &'a [usize],
    noise: &'a Noise,
}

/// Appends the blocks of a loop, or of the whole handler.
fn place(graph: &Graph, wishes: &Wishes<'_>, region: Option<usize>, placed: &mut Vec<usize>) {
    let items = Items::new(graph, wishes.successors, region);
    let mut waits = items.waits.clone();
    let mut ready = vec![items.first];
    while let Some(item) = next(wishes, &items, &mut ready, placed) {
        match graph.innermost[item] {
            inner if inner == region => placed.push(item),
            // The item stands for the whole loop that it is the head of.
            inner => {
                let child = child_of(graph, inner, region);
                place(graph, wishes, child, placed);
            }
        }
        for &to in &items.edges[&item] {
            let wait = waits.get_mut(&to).expect("edges lead to items");
            *wait -= 1;
            if *wait == 0 {
                ready.push(to);
            }
        }
    }
}

/// The ready item to go on with: one that the last block falls into, that with the fewest belongings if there are two, else
/// the one that became ready last.
fn next(
    wishes: &Wishes<'_>,
    items: &Items,
    ready: &mut Vec<usize>,
    placed: &[usize],
) -> Option<usize> {
    let last = placed.last().map_or(0, |&last| last as u64 + 1);
    if let Some(n) = wishes.noise.of(last).filter(|_| !ready.is_empty()) {
        return Some(ready.remove(n as usize % ready.len()));
    }
    let preferred = placed.last().and_then(|&last| {
        let wanted = wishes.successors[last].iter().rev();
        wanted
            .copied()
            .filter(|&to| items.edges.contains_key(&to) && ready.contains(&to))
            .min_by_key(|&to| wishes.belongings[to])
    });
    match preferred {
        Some(item) => {
            ready.retain(|&other| other != item);
            Some(item)
        }
        None => ready.pop(),
    }
}

/// A region's own blocks and the heads of the loops directly in it.
struct Items {
    first: usize,
    /// Where each item leads, within the region and forward.
    edges: BTreeMap<usize, Vec<usize>>,
    /// How many edges lead to each item.
    waits: BTreeMap<usize, usize>,
}

impl Items {
    fn new(graph: &Graph, successors: &Edges, region: Option<usize>) -> Items {
        let first = region.map_or(graph.order[0], |l| graph.loops[l].head);
        let mut items = Items {
            first,
            edges: BTreeMap::new(),
            waits: BTreeMap::new(),
        };
        for &b in graph.order.iter().filter(|&&b| graph.is_within(b, region)) {
            let item = item_of(graph, b, region);
            let edges = items.edges.entry(item).or_default();
            for &to in &successors[b] {
                if to == first || !graph.is_within(to, region) {
                    continue;
                }
                let to = item_of(graph, to, region);
                if to != item {
                    edges.push(to);
                    *items.waits.entry(to).or_default() += 1;
                }
            }
        }
        items
    }
}

/// The item of a region that a block belongs to.
fn item_of(graph: &Graph, b: usize, region: Option<usize>) -> usize {
    let inner = graph.innermost[b];
    if inner == region {
        return b;
    }
    let child = child_of(graph, inner, region).expect("the block is within the region");
    graph.loops[child].head
}

/// The loop directly in `region` that `inner` is or lies in.
fn child_of(graph: &Graph, inner: Option<usize>, region: Option<usize>) -> Option<usize> {
    let mut child = inner?;
    while graph.loops[child].parent != region {
        child = graph.loops[child].parent?;
    }
    Some(child)
}
