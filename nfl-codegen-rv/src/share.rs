//! Constants and addresses that several blocks need are made once.
//!
//! In: a handler over virtual registers. Out: the same, where a long constant stands in the block that its users have in
//! common, and words of the packet that the short loads do not reach are reached from a base nearby. Guaranteed: every
//! instruction reads what it read before.

use std::collections::{BTreeMap, BTreeSet};

use nfl_isa::{Inst, Op, Reg};

use crate::graph::Graph;
use crate::mir::{
    Code, End, Func, Line, PACKET, Tag, Test, VReg, ZERO, constant_bytes, successors,
};

/// Makes constants once that take so many bytes and stand in several blocks.
pub(crate) fn constants(f: &mut Func<VReg>, bytes_min: u32) {
    let mut of: BTreeMap<u32, Vec<(usize, VReg)>> = BTreeMap::new();
    let defs = definitions(f);
    for (b, block) in f.blocks.iter().enumerate() {
        for line in &block.lines {
            if let Code::Li { rd, value } = line.code
                && rd.as_fixed().is_none()
                && defs.get(&rd) == Some(&1)
                && constant_bytes(value, f.isa) >= bytes_min
            {
                of.entry(value).or_default().push((b, rd));
            }
        }
    }
    of.retain(|_, places| places.iter().any(|&(b, _)| b != places[0].0));
    if of.is_empty() {
        return;
    }
    let graph = Graph::new(&successors(&f.blocks), 0);
    let mut names = BTreeMap::new();
    for (value, places) in of {
        let reached = places.iter().filter(|(b, _)| graph.rank[*b] != usize::MAX);
        let home = reached.map(|&(b, _)| b);
        let Some(home) = home.reduce(|a, b| graph.common_dominator(a, b)) else {
            continue;
        };
        let shared = f.fresh();
        names.extend(places.iter().map(|&(_, rd)| (rd, shared)));
        let made = Code::Li { rd: shared, value };
        let is_made = |line: &Line<VReg>| matches!(line.code, Code::Li { rd, .. } if places.iter().any(|&(_, other)| other == rd));
        let at = f.blocks[home].lines.iter().position(is_made);
        for &(b, _) in &places {
            f.blocks[b].lines.retain(|line| !is_made(line));
        }
        insert(f, home, at, made);
    }
    rename(f, &names);
}

/// How often each virtual register is written.
fn definitions(f: &Func<VReg>) -> BTreeMap<VReg, u32> {
    let mut defs = BTreeMap::new();
    for line in f.blocks.iter().flat_map(|b| &b.lines) {
        line.code
            .defs()
            .for_each(|d| *defs.entry(d).or_default() += 1);
    }
    defs
}

/// Puts a line at a place of a block, else at its end.
fn insert(f: &mut Func<VReg>, home: usize, at: Option<usize>, code: Code<VReg>) {
    let block = &mut f.blocks[home];
    let at = at.unwrap_or(block.lines.len()).min(block.lines.len());
    let span = block.lines.get(at).map_or(block.span, |line| line.span);
    let tag = Tag::Selected(0);
    block.lines.insert(at, Line { code, tag, span });
    // Places in a block are numbered through.
    for (n, line) in block.lines.iter_mut().enumerate() {
        line.tag = Tag::Selected(n as u32);
    }
}

fn rename(f: &mut Func<VReg>, names: &BTreeMap<VReg, VReg>) {
    let name = |v: VReg| names.get(&v).copied().unwrap_or(v);
    for block in &mut f.blocks {
        for line in &mut block.lines {
            line.code = line.code.map_uses(name);
        }
        if let End::Branch { test, .. } = &mut block.end {
            *test = Test {
                rs1: name(test.rs1),
                rs2: name(test.rs2),
                ..*test
            };
        }
    }
}

/// The furthest that a short load or store of a word reaches.
const SHORT_REACH: i32 = 124;
/// Accesses that pay for an addition: it takes as many bytes as two of them save.
const ACCESSES_MIN: usize = 3;

/// Reaches words of the packet from bases off which the accesses are short.
pub(crate) fn bases(f: &mut Func<VReg>) {
    while let Some((base, reached)) = best_base(f) {
        let graph = Graph::new(&successors(&f.blocks), 0);
        let places = reached.iter().map(|&(b, _)| b);
        let places = places.filter(|&b| graph.rank[b] != usize::MAX);
        let Some(home) = places.reduce(|a, b| graph.common_dominator(a, b)) else {
            return;
        };
        let at = reached.iter().filter(|(b, _)| *b == home).map(|&(_, n)| n);
        let at = at.min();
        let rd = f.fresh();
        for (b, n) in reached {
            if let Code::Inst(inst) = &mut f.blocks[b].lines[n].code {
                *inst = Inst {
                    rs1: rd,
                    imm: inst.imm - base,
                    ..*inst
                };
            }
        }
        let made = Inst {
            op: Op::Addi,
            rd,
            rs1: PACKET,
            rs2: ZERO,
            imm: base,
        };
        insert(f, home, at, Code::Inst(made));
    }
}

/// The base that most accesses gain by, and their places.
fn best_base(f: &Func<VReg>) -> Option<(i32, BTreeSet<(usize, usize)>)> {
    let mut long: BTreeMap<i32, Vec<(usize, usize)>> = BTreeMap::new();
    for (b, block) in f.blocks.iter().enumerate() {
        for (n, line) in block.lines.iter().enumerate() {
            if let Code::Inst(inst) = line.code
                && matches!(inst.op, Op::Lw | Op::Sw)
                && inst.rs1 == PACKET
                && f.isa.size(&inst.map(compact)) > 2
            {
                long.entry(inst.imm).or_default().push((b, n));
            }
        }
    }
    let reached = |base: i32| {
        let near = long.range(base..=base + SHORT_REACH);
        let near = near.filter(move |(offset, _)| (*offset - base) % 4 == 0);
        near.flat_map(|(_, places)| places.iter().copied())
            .collect::<BTreeSet<_>>()
    };
    let all = long.keys().map(|&base| (base, reached(base)));
    let paying = all.filter(|(_, reached)| reached.len() >= ACCESSES_MIN);
    paying.max_by_key(|(base, reached)| (reached.len(), -base))
}

/// A compact register for each virtual one.
fn compact(v: VReg) -> Reg {
    v.as_fixed().unwrap_or(Reg::A2)
}
