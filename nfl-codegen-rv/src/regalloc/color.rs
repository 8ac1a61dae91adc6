//! Colours: a register of the machine for each node.
//!
//! In: code and its interference graph. Out: a colouring, or the nodes that found no colour. Guaranteed: neighbours have
//! different colours, and each node one that it may have.
//!
//! The idea: hard nodes first, in the order of Briggs; then the others, those first whose size depends most on their
//! register. Afterwards registers are exchanged as long as the code shrinks.

use std::collections::BTreeSet;

use nfl_isa::Reg;

use super::ORDER;
use super::interference::Interference;
use super::sites::Sites;
use crate::graph::Edges;
use crate::mir::{Func, VReg};
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

struct Painter<'a> {
    f: &'a Func<VReg>,
    graph: &'a Interference,
    /// The virtual registers that must have other colours.
    neighbours: Edges,
    /// The colours that each node may have, whatever its neighbours get.
    allowed: Vec<u32>,
    colors: Vec<Option<u8>>,
    sites: Sites,
    noise: &'a Noise,
}

impl<'a> Painter<'a> {
    fn new(f: &'a Func<VReg>, graph: &'a Interference, noise: &'a Noise) -> Painter<'a> {
        let all = || (0..f.vregs).map(VReg);
        let virtual_only = |&n: &VReg| n.as_fixed().is_none();
        let near = |v| graph.neighbours(v).filter(virtual_only).map(VReg::index);
        Painter {
            f,
            graph,
            neighbours: all().map(near).collect(),
            allowed: all().map(|v| graph.allowed(v)).collect(),
            colors: all().map(|v| v.as_fixed().map(|reg| reg.0)).collect(),
            sites: Sites::new(f, graph),
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
        let sites = self.sites.of(node).iter();
        let stakes = sites.map(|&site| {
            let bytes = |color: Reg| self.sites.bytes(site, |v| self.guess(v, node, color.0));
            i64::from(bytes(Reg::S11)) - i64::from(bytes(Reg::A2))
        });
        stakes.sum()
    }

    /// Removes nodes with few neighbours, and where there is none the cheapest to put aside; last removed, first coloured.
    fn briggs(&self, nodes: Vec<VReg>, pinned: &BTreeSet<VReg>) -> Vec<VReg> {
        let mut is_left = vec![false; self.colors.len()];
        nodes.iter().for_each(|v| is_left[v.index()] = true);
        let mut degree = vec![0_u32; self.colors.len()];
        for v in &nodes {
            let near = self.neighbours[v.index()].iter();
            degree[v.index()] = near.filter(|&&n| is_left[n]).count() as u32;
        }
        let mut left = nodes;
        let mut removed = Vec::new();
        while !left.is_empty() {
            let is_simple = |v: &VReg| degree[v.index()] < self.allowed[v.index()].count_ones();
            let simple = left.iter().position(is_simple);
            let cheapest = || {
                (0..left.len()).max_by_key(|&at| {
                    let v = left[at];
                    let named = self.sites.of(v).len() as u64 + 1;
                    let gain = u64::from(degree[v.index()]) * 1000 / named;
                    (!pinned.contains(&v), gain)
                })
            };
            let Some(at) = simple.or_else(cheapest) else {
                break;
            };
            let v = left.remove(at);
            removed.push(v);
            for &n in &self.neighbours[v.index()] {
                degree[n] = degree[n].saturating_sub(1);
            }
        }
        removed.reverse();
        removed
    }

    /// The colour with the smallest code around it.
    fn best(&self, node: VReg) -> Option<u8> {
        let free = self.free(node);
        let colors = ORDER.iter().copied().filter(|&c| free >> c & 1 != 0);
        let sites = self.sites.of(node);
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
        let near = self.neighbours[node.index()].iter();
        let taken = near.filter_map(|&n| self.colors[n]);
        taken.fold(self.allowed[node.index()], |set, color| set & !(1 << color))
    }

    /// A node's colour if `node` had this one; hopeful for those that have none yet.
    fn guess(&self, v: VReg, node: VReg, color: u8) -> u8 {
        if v == node {
            return color;
        }
        self.colors[v.index()].unwrap_or(color)
    }

    /// Bytes of the code at some places, unless they are more than so many.
    fn cost_within(&self, sites: &[usize], most: u32, color: impl Fn(VReg) -> u8) -> Option<u32> {
        // What is to come takes its least.
        let mut cost: u32 = sites.iter().map(|&site| self.sites.least(site)).sum();
        for &site in sites {
            if cost > most {
                return None;
            }
            cost += self.sites.bytes(site, &color) - self.sites.least(site);
        }
        (cost <= most).then_some(cost)
    }

    /// Bytes at a place as the nodes are coloured.
    fn cost_now(&self, site: usize) -> u32 {
        self.sites.bytes(site, |v| {
            let color = self.colors[v.index()];
            color.expect("every node that code names has a colour")
        })
    }

    /// The colours of nodes that instructions name together with this one, and its own.
    fn named_near(&self, node: VReg) -> u32 {
        let sites = self.sites.of(node).iter();
        let named = sites.flat_map(|&site| self.sites.named_together(site));
        let colors = named.filter_map(|v| self.colors[v.index()]);
        colors.fold(0, |set, color| set | 1 << color)
    }

    /// Exchanges registers while that makes the code smaller.
    fn improve(&mut self) {
        let nodes = self.graph.nodes();
        let nodes: Vec<VReg> = nodes.filter(|&v| !self.sites.of(v).is_empty()).collect();
        let mut swaps = Swaps {
            with_chains: nodes.len() <= CHAIN_NODES_MAX,
            now: (0..self.sites.len())
                .map(|site| self.cost_now(site))
                .collect(),
            barren: vec![0; self.colors.len()],
            chain: Chain::new(self.colors.len(), self.sites.len()),
            best: Vec::new(),
        };
        // Nodes that were looked at since the last change.
        let mut settled = 0;
        for _ in 0..ROUNDS {
            for &node in &nodes {
                settled = match self.improve_node(node, &mut swaps) {
                    true => 0,
                    false => settled + 1,
                };
                if settled == nodes.len() {
                    return;
                }
            }
        }
    }

    fn improve_node(&mut self, node: VReg, swaps: &mut Swaps) -> bool {
        let Some(from) = self.colors[node.index()] else {
            return false;
        };
        let named = self.named_near(node);
        // Compact registers can make a difference, and those of nodes that instructions name together.
        let promising = (COMPACT | named) & self.allowed[node.index()] & !(1 << from);
        let free = self.free(node);
        let mut best: Option<(u32, u8)> = None;
        let mut seen_other = false;
        for to in ORDER.into_iter().filter(|&c| promising >> c & 1 != 0) {
            let is_free = free >> to & 1 != 0;
            if is_free && named >> to & 1 == 0 {
                // One compact register that nothing around names is as good as another.
                if std::mem::replace(&mut seen_other, true) {
                    continue;
                }
            }
            if (!is_free && !swaps.with_chains) || swaps.barren[node.index()] >> to & 1 != 0 {
                continue;
            }
            let least = best.map_or(0, |(gain, _)| gain) + 1;
            let gain = match self.find_chain(&mut swaps.chain, node, (from, to)) {
                true => self.gain(swaps, (from, to), least),
                false => None,
            };
            match gain {
                Some(gain) => {
                    best = Some((gain, to));
                    std::mem::swap(&mut swaps.best, &mut swaps.chain.nodes);
                }
                // The same exchange is no better when it starts at another of its nodes.
                None if least == 1 => {
                    for v in &swaps.chain.nodes {
                        swaps.barren[v.index()] |= 1 << from | 1 << to;
                    }
                }
                None => {}
            }
        }
        let Some((_, to)) = best else {
            return false;
        };
        swaps.barren.fill(0);
        for &v in &swaps.best {
            let color = &mut self.colors[v.index()];
            *color = if *color == Some(from) {
                Some(to)
            } else {
                Some(from)
            };
        }
        for &site in swaps.best.iter().flat_map(|&v| self.sites.of(v)) {
            swaps.now[site] = self.cost_now(site);
        }
        true
    }

    /// The nodes that must change places when `node` changes from one colour to another (Kempe); false when they cannot.
    fn find_chain(&self, chain: &mut Chain, node: VReg, (from, to): (u8, u8)) -> bool {
        chain.start(node);
        let mut next = 0;
        while let Some(&v) = chain.nodes.get(next) {
            next += 1;
            let becomes = match self.colors[v.index()] {
                Some(is) if is == from => to,
                _ => from,
            };
            if self.allowed[v.index()] >> becomes & 1 == 0 {
                return false;
            }
            for &n in &self.neighbours[v.index()] {
                if self.colors[n] == Some(becomes) {
                    chain.add(VReg(n as u32));
                }
            }
        }
        true
    }

    /// How many bytes less there are when the nodes of the chain change places, if there are so many.
    fn gain(&self, swaps: &mut Swaps, (from, to): (u8, u8), gain_min: u32) -> Option<u32> {
        let Swaps { now, chain, .. } = swaps;
        chain.find_sites(&self.sites);
        let exchanged = |v: VReg| match self.colors[v.index()].unwrap_or(from) {
            color if !chain.has(v) => color,
            color if color == from => to,
            _ => from,
        };
        let now: u32 = chain.sites.iter().map(|&site| now[site]).sum();
        let most = now.checked_sub(gain_min)?;
        let cost = self.cost_within(&chain.sites, most, exchanged)?;
        Some(now - cost)
    }
}

/// What is known while registers are exchanged.
struct Swaps {
    with_chains: bool,
    /// The bytes of each place as the nodes are coloured.
    now: Vec<u32>,
    /// For each node the colours that it gains nothing by exchanging its own for, as far as that is known.
    barren: Vec<u32>,
    chain: Chain,
    /// The nodes of the best chain so far.
    best: Vec<VReg>,
}

/// Nodes that change places.
struct Chain {
    nodes: Vec<VReg>,
    /// The places that name them.
    sites: Vec<usize>,
    /// Of each node and of each place the chain that it was in last.
    nodes_in: Vec<u32>,
    sites_in: Vec<u32>,
    /// Counts the chains.
    number: u32,
}

impl Chain {
    fn new(nodes: usize, sites: usize) -> Chain {
        Chain {
            nodes: Vec::new(),
            sites: Vec::new(),
            nodes_in: vec![0; nodes],
            sites_in: vec![0; sites],
            number: 0,
        }
    }

    /// A new one, of one node.
    fn start(&mut self, node: VReg) {
        self.number += 1;
        self.nodes.clear();
        self.add(node);
    }

    fn add(&mut self, node: VReg) {
        if std::mem::replace(&mut self.nodes_in[node.index()], self.number) != self.number {
            self.nodes.push(node);
        }
    }

    fn has(&self, node: VReg) -> bool {
        self.nodes_in[node.index()] == self.number
    }

    fn find_sites(&mut self, all: &Sites) {
        self.sites.clear();
        for &site in self.nodes.iter().flat_map(|&v| all.of(v)) {
            if std::mem::replace(&mut self.sites_in[site], self.number) != self.number {
                self.sites.push(site);
            }
        }
    }
}

fn is_compact(color: u8) -> bool {
    COMPACT >> color & 1 != 0
}
