//! Control flow of a handler: order, dominators and loops.
//!
//! In: for each block the blocks it may go to, and the entry. Out: [`Graph`]. Guaranteed for reducible graphs,
//! which are all that verified modules have: each loop has one head, which dominates it.

use std::ops::Index;

/// For each block other blocks; those of one block behind those of the other.
#[derive(Clone, Default, Debug)]
pub(crate) struct Edges {
    blocks: Vec<usize>,
    /// Where those of each block end.
    ends: Vec<usize>,
}

impl Edges {
    /// How many blocks there are that may have some.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds those of one more block.
    pub(crate) fn push(&mut self, blocks: impl IntoIterator<Item = usize>) {
        self.blocks.extend(blocks);
        self.ends.push(self.blocks.len());
    }

    /// The same edges from their other ends, of which there are so many, in this order of their first ones.
    pub(crate) fn turned(&self, order: impl Iterator<Item = usize> + Clone, ends: usize) -> Edges {
        let mut next = vec![0; ends + 1];
        for &to in order.clone().flat_map(|b| &self[b]) {
            next[to + 1] += 1;
        }
        for b in 0..ends {
            next[b + 1] += next[b];
        }
        let mut blocks = vec![0; next[ends]];
        for b in order {
            for &to in &self[b] {
                blocks[next[to]] = b;
                next[to] += 1;
            }
        }
        next.pop();
        Edges { blocks, ends: next }
    }
}

impl Index<usize> for Edges {
    type Output = [usize];
    fn index(&self, b: usize) -> &[usize] {
        let start = b.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.blocks[start..self.ends[b]]
    }
}

impl<B: IntoIterator<Item = usize>> FromIterator<B> for Edges {
    fn from_iter<I: IntoIterator<Item = B>>(all: I) -> Edges {
        let mut edges = Edges::default();
        all.into_iter().for_each(|blocks| edges.push(blocks));
        edges
    }
}

/// What is known about a control-flow graph.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// The blocks that can be reached, each before the blocks it dominates.
    pub(crate) order: Vec<usize>,
    /// For each block, its place in `order`; `usize::MAX` for those that cannot be reached.
    pub(crate) rank: Vec<usize>,
    /// Where control may come from.
    pub(crate) predecessors: Edges,
    /// The closest block that every way to a block passes; the entry's is itself.
    dominator: Vec<usize>,
    /// The loops, outer before inner.
    pub(crate) loops: Vec<Loop>,
    /// For each block the innermost loop it is in.
    pub(crate) innermost: Vec<Option<usize>>,
}

/// A natural loop.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    /// Where every round starts.
    pub(crate) head: usize,
    /// The loop around it.
    pub(crate) parent: Option<usize>,
}

impl Graph {
    /// Looks at a graph.
    pub(crate) fn new(successors: &Edges, entry: usize) -> Graph {
        let order = reverse_postorder(successors, entry);
        let mut rank = vec![usize::MAX; successors.len()];
        for (at, &b) in order.iter().enumerate() {
            rank[b] = at;
        }
        let predecessors = successors.turned(order.iter().copied(), successors.len());
        let mut graph = Graph {
            dominator: vec![usize::MAX; successors.len()],
            innermost: vec![None; successors.len()],
            loops: Vec::new(),
            order,
            rank,
            predecessors,
        };
        graph.find_dominators();
        graph.find_loops();
        graph
    }

    /// The closest block that dominates both.
    pub(crate) fn common_dominator(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            if self.rank[a] > self.rank[b] {
                a = self.dominator[a];
            } else {
                b = self.dominator[b];
            }
        }
        a
    }

    /// For each block how many blocks it dominates, itself among them.
    pub(crate) fn belongings(&self) -> Vec<usize> {
        let mut belongings = vec![1; self.rank.len()];
        for &b in self.order.iter().rev() {
            let above = self.dominator[b];
            if above != b {
                belongings[above] += belongings[b];
            }
        }
        belongings
    }

    /// Whether every way to `b` passes `a`.
    pub(crate) fn dominates(&self, a: usize, mut b: usize) -> bool {
        while self.rank[b] > self.rank[a] {
            b = self.dominator[b];
        }
        a == b
    }

    /// Whether a block is in a loop or in one within it.
    pub(crate) fn is_within(&self, b: usize, within: Option<usize>) -> bool {
        let mut at = self.innermost[b];
        loop {
            if at == within {
                return true;
            }
            match at {
                Some(inner) => at = self.loops[inner].parent,
                None => return false,
            }
        }
    }

    /// Whether all loops have single heads: every edge that goes back goes to a block that dominates its origin.
    pub(crate) fn is_reducible(&self) -> bool {
        self.order.iter().all(|&b| {
            let from = self.predecessors[b].iter();
            let mut back = from.filter(|&&p| self.rank[p] >= self.rank[b]);
            back.all(|&p| self.dominates(b, p))
        })
    }

    /// Iterates to a fixed point over the order (Cooper, Harvey and Kennedy 2001).
    fn find_dominators(&mut self) {
        let Some(&entry) = self.order.first() else {
            return;
        };
        self.dominator[entry] = entry;
        // Where all that leads to a block is before it, once is enough.
        let mut has_loops = false;
        loop {
            let mut changed = false;
            for at in 1..self.order.len() {
                let b = self.order[at];
                let known = self.predecessors[b].iter().copied();
                let known = known.filter(|&p| {
                    has_loops |= self.rank[p] >= at;
                    self.dominator[p] != usize::MAX
                });
                let closest = known.reduce(|a, p| self.common_dominator(a, p));
                let closest = closest.expect("the order visits a predecessor first");
                changed |= self.dominator[b] != closest;
                self.dominator[b] = closest;
            }
            if !changed || !has_loops {
                return;
            }
        }
    }

    /// Heads come in order, so an outer loop is found before those within it.
    fn find_loops(&mut self) {
        for at in 0..self.order.len() {
            let head = self.order[at];
            let latches = self.predecessors[head].iter().copied();
            let latches = latches.filter(|&p| self.rank[p] >= at && self.dominates(head, p));
            let mut work: Vec<usize> = latches.collect();
            if work.is_empty() {
                continue;
            }
            let parent = self.innermost[head];
            let this = self.loops.len();
            self.loops.push(Loop { head, parent });
            self.innermost[head] = Some(this);
            while let Some(b) = work.pop() {
                if self.innermost[b] != Some(this) {
                    self.innermost[b] = Some(this);
                    work.extend(self.predecessors[b].iter().copied());
                }
            }
        }
    }
}

/// The blocks that `entry` reaches, each before those it dominates.
pub(crate) fn reverse_postorder(successors: &Edges, entry: usize) -> Vec<usize> {
    let mut seen = vec![false; successors.len()];
    let mut order = Vec::with_capacity(successors.len());
    let mut stack = vec![(entry, 0)];
    seen[entry] = true;
    while let Some((b, next)) = stack.pop() {
        let Some(&to) = successors[b].get(next) else {
            order.push(b);
            continue;
        };
        stack.push((b, next + 1));
        if !seen[to] {
            seen[to] = true;
            stack.push((to, 0));
        }
    }
    order.reverse();
    order
}
