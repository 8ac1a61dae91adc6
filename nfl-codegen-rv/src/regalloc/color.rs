//! Colours: a register of the machine for each node.
//!
//! In: code and its interference graph. Out: a colouring, or the nodes that found no colour. Guaranteed: neighbours have
//! different colours, and each node one that it may have.
//!
//! The idea: hard nodes first, in the order of Briggs; then the others, those first whose size depends most on their
//! register. Afterwards registers are exchanged as long as the code shrinks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use nfl_isa::{Reg, Target as Isa};

use super::ORDER;
use super::interference::Interference;
use crate::mir::{Code, End, Func, VReg, bytes_of};
use crate::noise::Noise;

/// A register for each virtual register.
pub(super) struct Coloring {
    regs: Vec<Option<Reg>>,
}

impl Coloring {
    pub(super) fn reg(&self, v: VReg) -> Reg {
        let reg = v.as_fixed().or(self.regs[v.index()]);
        reg.expect("every register that code names was coloured")
    }
}

/// Above this many nodes, registers are not exchanged in whole chains.
const CHAIN_NODES_MAX: usize = 1500;
/// The registers that all 16-bit forms can name, one bit each.
const COMPACT: u32 = 0xff00;
/// Tells choices of the sequence from choices of colours.
const STAKE: u64 = 1 << 41;
/// Bytes that a node seems to be worth more, below this.
const SHIFT_MAX: u64 = 8;
/// How often all nodes are looked at once more.
const ROUNDS: usize = 8;

/// Colours the nodes, or answers the virtual registers to put aside.
pub(super) fn color(
    f: &Func<VReg>,
    graph: &Interference,
    pinned: &BTreeSet<VReg>,
    noise: &Noise,
) -> Result<Coloring, BTreeSet<VReg>> {
    let mut painter = Painter::new(f, graph, noise);
    let mut crowded = BTreeSet::new();
    for node in painter.sequence(pinned) {
        match painter.best(node) {
            Some(color) => painter.colors[node.index()] = Some(color),
            None => {
                crowded.insert(node);
            }
        }
    }
    if !crowded.is_empty() {
        let all = (0..f.vregs).map(VReg);
        return Err(all
            .filter(|&v| crowded.contains(&graph.leader(v)))
            .collect());
    }
    painter.improve();
    let regs = (0..f.vregs).map(|v| painter.colors[graph.leader(VReg(v)).index()].map(Reg));
    Ok(Coloring {
        regs: regs.collect(),
    })
}

/// A line of a block, or its end.
type Site = (usize, usize);

struct Painter<'a> {
    f: &'a Func<VReg>,
    graph: &'a Interference,
    colors: Vec<Option<u8>>,
    /// Where each node is named, in order.
    sites: Vec<Vec<Site>>,
    /// For each block the bytes that its lines, and its end, take at least.
    least: Vec<Vec<u32>>,
    /// The bytes that they take as the nodes are coloured, once all are.
    now: Vec<Vec<u32>>,
    noise: &'a Noise,
}

impl<'a> Painter<'a> {
    fn new(f: &'a Func<VReg>, graph: &'a Interference, noise: &'a Noise) -> Painter<'a> {
        let mut sites: Vec<Vec<Site>> = vec![Vec::new(); f.vregs as usize];
        let mut note = |v: VReg, site| {
            let sites = &mut sites[graph.leader(v).index()];
            if sites.last() != Some(&site) {
                sites.push(site);
            }
        };
        for (b, block) in f.blocks.iter().enumerate() {
            for (n, line) in block.lines.iter().enumerate() {
                line.code
                    .uses()
                    .chain(line.code.defs())
                    .for_each(|v| note(v, (b, n)));
            }
            block
                .end
                .uses()
                .for_each(|v| note(v, (b, block.lines.len())));
        }
        let colors = (0..f.vregs)
            .map(|v| VReg(v).as_fixed().map(|reg| reg.0))
            .collect();
        let least = f.blocks.iter().map(|block| {
            let lines = block
                .lines
                .iter()
                .map(|line| least_bytes(&line.code, f.isa));
            lines.chain([least_end_bytes(&block.end)]).collect()
        });
        Painter {
            f,
            graph,
            colors,
            sites,
            least: least.collect(),
            now: Vec::new(),
            noise,
        }
    }

    /// The order in which to colour.
    fn sequence(&self, pinned: &BTreeSet<VReg>) -> Vec<VReg> {
        let graph = self.graph;
        let (given, free): (Vec<VReg>, Vec<VReg>) =
            graph.nodes().partition(|v| self.f.given.contains_key(v));
        let (mut easy, hard): (Vec<VReg>, Vec<VReg>) =
            free.into_iter().partition(|&v| graph.is_easy(v));
        let shift = |v: VReg| {
            self.noise
                .of(STAKE ^ u64::from(v.0))
                .map_or(0, |n| n % SHIFT_MAX)
        };
        easy.sort_by_cached_key(|&v| std::cmp::Reverse(self.stake(v) + shift(v).cast_signed()));
        let mut sequence = given;
        sequence.extend(self.briggs(hard, pinned));
        sequence.extend(easy);
        sequence
    }

    /// How much the size depends on whether a node gets a compact register.
    fn stake(&self, node: VReg) -> i64 {
        let cost = |color: u8| self.cost(self.sites_of(node), |v| self.guess(v, node, color));
        i64::from(cost(Reg::S11.0)) - i64::from(cost(Reg::A2.0))
    }

    /// Removes nodes with few neighbours, and where there is none the cheapest to put aside; last removed, first coloured.
    fn briggs(&self, nodes: Vec<VReg>, pinned: &BTreeSet<VReg>) -> Vec<VReg> {
        let mut left: BTreeSet<VReg> = nodes.into_iter().collect();
        let mut degree: BTreeMap<VReg, u32> = BTreeMap::new();
        for &v in &left {
            let near = self
                .graph
                .virtual_neighbours(v)
                .filter(|n| left.contains(n))
                .count();
            degree.insert(v, near as u32);
        }
        let mut removed = Vec::new();
        while !left.is_empty() {
            let simple = left.iter().copied();
            let simple = simple
                .filter(|v| degree[v] < self.graph.allowed(*v).count_ones())
                .find(|_| true);
            let cheapest = || {
                left.iter().copied().max_by_key(|v| {
                    let named = self.sites_of(*v).len() as u64 + 1;
                    let gain = u64::from(degree[v]) * 1000 / named;
                    (!pinned.contains(v), gain)
                })
            };
            let Some(v) = simple.or_else(cheapest) else {
                break;
            };
            left.remove(&v);
            removed.push(v);
            for n in self.graph.virtual_neighbours(v) {
                if let Some(d) = degree.get_mut(&n) {
                    *d = d.saturating_sub(1);
                }
            }
        }
        removed.reverse();
        removed
    }

    /// The colour with the smallest code around it.
    fn best(&self, node: VReg) -> Option<u8> {
        let free = self.free(node);
        let colors = ORDER.iter().copied().filter(|&c| free >> c & 1 != 0);
        let sites = self.sites_of(node);
        let noise = self.noise.of(u64::from(node.0));
        let turn = |color: u8| noise.map_or(0, |n| (u64::from(color) ^ n) % 8);
        let named = self.named_near(node);
        // Colours that no instruction around names differ only in whether all 16-bit forms can name them.
        let mut others = [None; 2];
        let mut best: Option<((u32, u64), u8)> = None;
        for color in colors {
            let most = best.map_or(u32::MAX, |((cost, _), _)| cost);
            let find = || self.cost_within(sites, most, |v| self.guess(v, node, color));
            let cost = if named >> color & 1 != 0 {
                find()
            } else {
                *others[usize::from(is_compact(color))].get_or_insert_with(find)
            };
            let Some(cost) = cost else { continue };
            let here = ((cost, turn(color)), color);
            if best.is_none_or(|best| here.0 < best.0) {
                best = Some(here);
            }
        }
        best.map(|(_, color)| color)
    }

    /// The colours that no neighbour has.
    fn free(&self, node: VReg) -> u32 {
        let taken = self
            .graph
            .virtual_neighbours(node)
            .filter_map(|n| self.colors[n.index()]);
        taken.fold(self.graph.allowed(node), |set, color| set & !(1 << color))
    }

    fn sites_of(&self, node: VReg) -> &[Site] {
        &self.sites[node.index()]
    }

    /// Where nodes of a chain are named, in order.
    fn sites_of_chain(&self, chain: &Chain) -> Cow<'_, [Site]> {
        if let &[node] = chain.nodes.as_slice() {
            return Cow::Borrowed(self.sites_of(node));
        }
        let sites = chain.nodes.iter().flat_map(|&v| self.sites_of(v));
        let mut sites: Vec<Site> = sites.copied().collect();
        sites.sort_unstable();
        sites.dedup();
        Cow::Owned(sites)
    }

    /// A register's colour if `node` had this one; hopeful for those that have none yet.
    fn guess(&self, v: VReg, node: VReg, color: u8) -> u8 {
        let leader = self.graph.leader(v);
        if leader == node {
            return color;
        }
        self.colors[leader.index()].unwrap_or(color)
    }

    /// Bytes of the code at some places.
    fn cost(&self, sites: &[Site], color: impl Fn(VReg) -> u8) -> u32 {
        sites.iter().map(|&site| self.cost_at(site, &color)).sum()
    }

    /// The same, unless it is more than so many bytes.
    fn cost_within(&self, sites: &[Site], most: u32, color: impl Fn(VReg) -> u8) -> Option<u32> {
        // What is to come takes its least.
        let mut cost = self.least_of(sites);
        for &site in sites {
            if cost > most {
                return None;
            }
            cost += self.cost_at(site, &color) - self.least_at(site);
        }
        (cost <= most).then_some(cost)
    }

    fn cost_at(&self, (b, n): Site, color: impl Fn(VReg) -> u8) -> u32 {
        let reg = |v: VReg| Reg(color(v));
        match self.f.blocks[b].lines.get(n) {
            Some(line) => bytes_of(&line.code.map(reg), self.f.isa),
            None => match self.f.blocks[b].end.map(reg) {
                End::Branch { test, .. } => nfl_isa::size(&test.inst(NEAR, Reg::ZERO)),
                End::Jump(_) => 0,
            },
        }
    }

    /// Bytes at a place as the nodes are coloured.
    fn cost_now(&self, site: Site) -> u32 {
        self.cost_at(site, |v| {
            let color = self.colors[self.graph.leader(v).index()];
            color.expect("every node that code names has a colour")
        })
    }

    /// The same of all places, as `least` has them.
    fn costs_now(&self) -> Vec<Vec<u32>> {
        let blocks = self.least.iter().enumerate();
        let sites = |(b, least): (usize, &Vec<u32>)| (0..least.len()).map(move |n| (b, n));
        let costs = blocks.map(|block| sites(block).map(|site| self.cost_now(site)).collect());
        costs.collect()
    }

    fn least_at(&self, (b, n): Site) -> u32 {
        self.least[b][n]
    }

    fn least_of(&self, sites: &[Site]) -> u32 {
        sites.iter().map(|&site| self.least_at(site)).sum()
    }

    /// Exchanges registers while that makes the code smaller.
    fn improve(&mut self) {
        let nodes: Vec<VReg> = self
            .graph
            .nodes()
            .filter(|&v| !self.sites_of(v).is_empty())
            .collect();
        let with_chains = nodes.len() <= CHAIN_NODES_MAX;
        self.now = self.costs_now();
        // Nodes that were looked at since the last change.
        let mut settled = 0;
        for _ in 0..ROUNDS {
            for &node in &nodes {
                settled = match self.improve_node(node, with_chains) {
                    true => 0,
                    false => settled + 1,
                };
                if settled == nodes.len() {
                    return;
                }
            }
        }
    }

    fn improve_node(&mut self, node: VReg, with_chains: bool) -> bool {
        let Some(from) = self.colors[node.index()] else {
            return false;
        };
        let allowed = self.graph.allowed(node);
        let mut best: Option<(u32, Chain, u8)> = None;
        let named = self.named_near(node);
        // Compact registers can make a difference, and those of nodes that instructions name together.
        let promising = (COMPACT | named) & allowed & !(1 << from);
        let free = self.free(node);
        let mut seen_other = false;
        for to in ORDER.into_iter().filter(|&c| promising >> c & 1 != 0) {
            let is_free = free >> to & 1 != 0;
            if is_free && named >> to & 1 == 0 {
                // One compact register that nothing around names is as good as another.
                if std::mem::replace(&mut seen_other, true) {
                    continue;
                }
            }
            let chain = match (is_free, with_chains) {
                (true, _) => Chain::of(node, self.colors.len()),
                (false, true) => match self.chain(node, from, to) {
                    Some(chain) => chain,
                    None => continue,
                },
                (false, false) => continue,
            };
            let sites = self.sites_of_chain(&chain);
            let exchanged = |v: VReg| {
                let leader = self.graph.leader(v);
                match self.colors[leader.index()].unwrap_or(from) {
                    c if !chain.has(leader) => c,
                    c if c == from => to,
                    _ => from,
                }
            };
            let least = best.as_ref().map_or(0, |(gain, ..)| *gain) + 1;
            let now: u32 = sites.iter().map(|&(b, n)| self.now[b][n]).sum();
            let Some(most) = now.checked_sub(least) else {
                continue;
            };
            if let Some(cost) = self.cost_within(&sites, most, exchanged) {
                best = Some((now - cost, chain, to));
            }
        }
        let Some((_, chain, to)) = best else {
            return false;
        };
        for &v in &chain.nodes {
            let color = &mut self.colors[v.index()];
            *color = if *color == Some(from) {
                Some(to)
            } else {
                Some(from)
            };
        }
        for (b, n) in self.sites_of_chain(&chain).into_owned() {
            self.now[b][n] = self.cost_now((b, n));
        }
        true
    }

    /// The colours of nodes that instructions name together with this one, and its own. Branches have no forms for equal
    /// registers.
    fn named_near(&self, node: VReg) -> u32 {
        let mut colors = 0;
        for &(b, n) in self.sites_of(node) {
            let Some(line) = self.f.blocks[b].lines.get(n) else {
                continue;
            };
            let named = line.code.uses().chain(line.code.defs());
            let named = named.filter_map(|v| self.colors[self.graph.leader(v).index()]);
            colors = named.fold(colors, |set, color| set | 1 << color);
        }
        colors
    }

    /// The nodes that must change places when `node` changes from one colour to another (Kempe).
    fn chain(&self, node: VReg, from: u8, to: u8) -> Option<Chain> {
        let mut chain = Chain::of(node, self.colors.len());
        let mut next = 0;
        while let Some(&v) = chain.nodes.get(next) {
            next += 1;
            let is = self.colors[v.index()]?;
            let becomes = if is == from { to } else { from };
            if self.graph.allowed(v) >> becomes & 1 == 0 {
                return None;
            }
            for &n in self.graph.neighbours(v) {
                if self.colors[n.index()] == Some(becomes) {
                    chain.add(n);
                }
            }
        }
        Some(chain)
    }
}

/// Nodes that change places.
struct Chain {
    nodes: Vec<VReg>,
    is_in: Vec<bool>,
}

impl Chain {
    /// One of so many nodes.
    fn of(node: VReg, nodes: usize) -> Chain {
        let mut chain = Chain {
            nodes: Vec::new(),
            is_in: vec![false; nodes],
        };
        chain.add(node);
        chain
    }

    fn add(&mut self, node: VReg) {
        if !std::mem::replace(&mut self.is_in[node.index()], true) {
            self.nodes.push(node);
        }
    }

    fn has(&self, node: VReg) -> bool {
        self.is_in[node.index()]
    }
}

/// Bytes that a step takes at least, whatever its registers are.
fn least_bytes(code: &Code<VReg>, isa: &Isa) -> u32 {
    match code {
        _ if code.as_move().is_some() => 0,
        Code::Inst(inst) if !isa.may_compress(inst.op) => 4,
        _ => 2,
    }
}

/// The same for an end.
fn least_end_bytes(end: &End<VReg>) -> u32 {
    match end {
        End::Jump(_) => 0,
        End::Branch { .. } => 2,
    }
}

fn is_compact(color: u8) -> bool {
    COMPACT >> color & 1 != 0
}

/// A displacement that every branch form reaches.
const NEAR: i32 = 32;
