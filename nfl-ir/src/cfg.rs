//! What the control flow of a function looks like.
//!
//! In: a function whose layout names every block it can reach. Out: predecessors, a reverse
//! postorder, dominators and loops. Guaranteed: blocks that cannot be reached are in none of them.
//! Dominators are found as in Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm".

use nfl_syntax::arena::{Id, IdMap};

use crate::entity::Block;
use crate::func::Function;

/// The control flow of one function.
#[derive(Clone, Debug)]
pub struct Cfg {
    /// Reachable blocks; every block but loop heads stands behind its predecessors.
    pub order: Vec<Block>,
    /// Position in `order`, plus one; 0 for blocks that cannot be reached.
    rank: IdMap<Block, usize>,
    /// The edges to all blocks, one block's behind the other's: predecessor, and which of its targets.
    edges: Vec<(Block, usize)>,
    /// Where in `edges` those of each block begin, and at last how many there are.
    edges_of: Vec<usize>,
    /// The nearest block that is on every way to a block; none for the entry.
    idom: IdMap<Block, Option<Block>>,
    /// Outer loops before inner ones.
    pub loops: Vec<Loop>,
    /// The innermost loop around a block, as an index into `loops`.
    pub loop_of: IdMap<Block, Option<usize>>,
    /// Edges that go back to a block which does not dominate their start: loops with two entries.
    pub irreducible: Vec<(Block, Block)>,
}

/// A loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The one block through which it is entered.
    pub head: Block,
    /// Its blocks in the order of the function, `head` first.
    pub blocks: Vec<Block>,
    /// The blocks that jump back to `head`.
    pub latches: Vec<Block>,
    /// The loop around it.
    pub parent: Option<usize>,
    /// 1 for outermost loops.
    pub depth: u8,
}

impl Cfg {
    /// Looks at a function.
    pub fn new(f: &Function) -> Cfg {
        let order = reverse_postorder(f);
        let mut rank = IdMap::sized(f.blocks.len());
        for (at, &b) in order.iter().enumerate() {
            rank.set(b, at + 1);
        }
        let mut edges_of = vec![0; f.blocks.len() + 1];
        for call in order.iter().flat_map(|&b| f.blocks[b].term.targets()) {
            edges_of[call.block.index() + 1] += 1;
        }
        for at in 1..edges_of.len() {
            edges_of[at] += edges_of[at - 1];
        }
        let mut edges = vec![(f.entry, 0); edges_of[f.blocks.len()]];
        let mut next = edges_of.clone();
        for &b in &order {
            for (edge, call) in f.blocks[b].term.targets().enumerate() {
                let place = &mut next[call.block.index()];
                edges[*place] = (b, edge);
                *place += 1;
            }
        }
        let mut cfg = Cfg {
            order,
            rank,
            edges,
            edges_of,
            idom: IdMap::sized(f.blocks.len()),
            loops: Vec::new(),
            loop_of: IdMap::sized(f.blocks.len()),
            irreducible: Vec::new(),
        };
        cfg.find_dominators();
        cfg.find_loops();
        cfg
    }

    /// The edges to a block: predecessor, and which of its targets.
    pub fn preds(&self, b: Block) -> &[(Block, usize)] {
        &self.edges[self.edges_of[b.index()]..self.edges_of[b.index() + 1]]
    }

    /// Whether any path leads there.
    pub fn reaches(&self, b: Block) -> bool {
        self.rank[b] != 0
    }

    /// Position of a reachable block in `order`.
    pub fn rank(&self, b: Block) -> usize {
        self.rank[b] - 1
    }

    /// The nearest block that is on every path to `b`.
    pub fn idom(&self, b: Block) -> Option<Block> {
        self.idom[b]
    }

    /// Whether every path to `b` leads through `a`.
    pub fn dominates(&self, a: Block, b: Block) -> bool {
        let mut at = Some(b);
        while let Some(here) = at {
            if here == a {
                return true;
            }
            at = self.idom[here];
        }
        false
    }

    /// Whether the edge leads back to the head of a loop.
    pub fn is_back_edge(&self, from: Block, to: Block) -> bool {
        self.rank(to) <= self.rank(from)
    }

    /// Whether `b` lies in loop `l`.
    pub fn in_loop(&self, b: Block, l: usize) -> bool {
        let mut at = self.loop_of[b];
        while let Some(inner) = at {
            if inner == l {
                return true;
            }
            at = self.loops[inner].parent;
        }
        false
    }

    /// The loop with this head.
    pub fn loop_at(&self, head: Block) -> Option<usize> {
        self.loop_of[head].filter(|&l| self.loops[l].head == head)
    }

    /// Whether a block that both reach is entered as in another control flow: from the same blocks in the same order, round
    /// the same loop.
    pub(crate) fn enters_alike(&self, other: &Cfg, b: Block) -> bool {
        let around = |cfg: &Cfg| cfg.loop_at(b).map(|l| cfg.loops[l].blocks.clone());
        let is_alike =
            |&(pred, _): &(Block, usize)| self.is_back_edge(pred, b) == other.is_back_edge(pred, b);
        self.preds(b) == other.preds(b)
            && self.preds(b).iter().all(is_alike)
            && around(self) == around(other)
    }

    fn find_dominators(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for at in 1..self.order.len() {
                let b = self.order[at];
                let mut common: Option<Block> = None;
                for &(pred, _) in self.preds(b) {
                    if pred != self.order[0] && self.idom[pred].is_none() {
                        continue;
                    }
                    common = Some(common.map_or(pred, |other| self.meet(pred, other)));
                }
                if self.idom[b] != common {
                    self.idom.set(b, common);
                    changed = true;
                }
            }
        }
    }

    /// The nearest common dominator.
    fn meet(&self, mut a: Block, mut b: Block) -> Block {
        while a != b {
            let (low, high) = if self.rank[a] > self.rank[b] {
                (&mut a, b)
            } else {
                (&mut b, a)
            };
            // Only the entry has no dominator, and it has the least rank.
            *low = self.idom[*low].unwrap_or(high);
        }
        a
    }

    fn find_loops(&mut self) {
        for head in self.order.clone() {
            let back = self.preds(head).iter().map(|&(pred, _)| pred);
            let back: Vec<Block> = back.filter(|&p| self.is_back_edge(p, head)).collect();
            let (mut latches, strays): (Vec<_>, Vec<_>) =
                back.into_iter().partition(|&p| self.dominates(head, p));
            self.irreducible
                .extend(strays.into_iter().map(|p| (p, head)));
            latches.dedup();
            if !latches.is_empty() {
                self.add_loop(head, latches);
            }
        }
    }

    /// Heads come in order, so outer loops come before inner ones.
    fn add_loop(&mut self, head: Block, latches: Vec<Block>) {
        let mut inside = vec![head];
        let mut work = latches.clone();
        while let Some(b) = work.pop() {
            if !inside.contains(&b) {
                inside.push(b);
                work.extend(self.preds(b).iter().map(|&(pred, _)| pred));
            }
        }
        inside.sort_by_key(|&b| self.rank[b]);
        let parent = self.loop_of[head];
        let depth = parent.map_or(1, |p| self.loops[p].depth.saturating_add(1));
        for &b in &inside {
            self.loop_of.set(b, Some(self.loops.len()));
        }
        self.loops.push(Loop {
            head,
            blocks: inside,
            latches,
            parent,
            depth,
        });
    }
}

/// Whether each block can be reached.
pub(crate) fn reachable(f: &Function) -> IdMap<Block, bool> {
    let mut seen: IdMap<Block, bool> = IdMap::sized(f.blocks.len());
    let mut work = vec![f.entry];
    seen.set(f.entry, true);
    while let Some(b) = work.pop() {
        for call in f.blocks[b].term.targets() {
            if !std::mem::replace(&mut seen[call.block], true) {
                work.push(call.block);
            }
        }
    }
    seen
}

fn reverse_postorder(f: &Function) -> Vec<Block> {
    let mut seen: IdMap<Block, bool> = IdMap::sized(f.blocks.len());
    let mut order = Vec::with_capacity(f.layout.len());
    let mut stack = Vec::with_capacity(f.layout.len());
    stack.push((f.entry, 0));
    seen.set(f.entry, true);
    while let Some((b, edge)) = stack.pop() {
        match f.blocks[b].term.targets().nth(edge) {
            None => order.push(b),
            Some(call) => {
                stack.push((b, edge + 1));
                if !seen[call.block] {
                    seen.set(call.block, true);
                    stack.push((call.block, 0));
                }
            }
        }
    }
    order.reverse();
    order
}
