//! Loops test at their ends.
//!
//! In: a handler over virtual registers. Out: the same handler, where the test at the head of a loop stands behind its last
//! block instead, and before the loop only if it can fail there. Guaranteed: on every path the same instructions run,
//! but for jumps and tests that have one outcome.
//!
//! A round then takes one jump less, and a loop that surely runs once is two bytes shorter.

use std::collections::{BTreeMap, BTreeSet};

use nfl_isa::{Fx, Op, Reg};

use crate::graph::Graph;
use crate::mir::{Block, Code, End, Func, Target, Test, VReg, ZERO, bytes_of, successors};

/// Which loops turn around.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rotate {
    /// Those that surely run once.
    Sure,
    /// All that have a short test at the head and one way back.
    All,
    /// None.
    None,
}

/// The most bytes of code at the head of a loop that are worth a copy.
const HEAD_BYTES_MAX: u32 = 12;

/// Turns loops around.
pub(crate) fn rotate(f: &mut Func<VReg>, which: Rotate) {
    if which == Rotate::None {
        return;
    }
    let mut seen = BTreeSet::new();
    loop {
        // Every turn changes the graph, so it is looked at again.
        let graph = Graph::new(&successors(&f.blocks), 0);
        let next = (0..graph.loops.len())
            .rev()
            .find(|&l| seen.insert(graph.loops[l].head));
        let Some(l) = next else { return };
        if let Some(turn) = find(f, &graph, l) {
            apply(f, &turn, which);
        }
    }
}

/// A loop that can turn around.
struct Turn {
    head: usize,
    latch: usize,
    body: usize,
    /// Whether the test at the head holds when the loop is entered.
    is_sure: bool,
}

fn find(f: &Func<VReg>, graph: &Graph, l: usize) -> Option<Turn> {
    let head = graph.loops[l].head;
    let End::Branch {
        test,
        then,
        otherwise,
    } = f.blocks[head].end
    else {
        return None;
    };
    let inside = |target: Target| match target {
        Target::Block(b) => Some(b).filter(|&b| graph.is_within(b, Some(l))),
        Target::Exit => None,
    };
    let (body, wanted) = match (inside(then), inside(otherwise)) {
        (Some(body), None) => (body, true),
        (None, Some(body)) => (body, false),
        _ => return None,
    };
    let from = graph.predecessors[head].iter();
    let (latches, entries): (Vec<usize>, Vec<usize>) =
        from.partition(|&&p| graph.is_within(p, Some(l)));
    let [latch] = latches[..] else { return None };
    let lines = &f.blocks[head].lines;
    let bytes: u32 = lines
        .iter()
        .map(|line| bytes_of(&line.code.map(stand_in), f.isa))
        .sum();
    let goes_back = f.blocks[latch].end == End::Jump(Target::Block(head));
    let is_plain = lines.iter().all(|line| is_pure(&line.code)) && bytes <= HEAD_BYTES_MAX;
    if latch == head || graph.predecessors[body] != [head] || !goes_back || !is_plain {
        return None;
    }
    let is_sure = match entries[..] {
        [entry] if matches!(f.blocks[entry].end, End::Jump(_)) => {
            decide(&f.blocks[entry], &f.blocks[head], test) == Some(wanted)
        }
        _ => false,
    };
    Some(Turn {
        head,
        latch,
        body,
        is_sure,
    })
}

fn apply(f: &mut Func<VReg>, turn: &Turn, which: Rotate) {
    if which == Rotate::Sure && !turn.is_sure {
        return;
    }
    let lines = f.blocks[turn.head].lines.clone();
    f.blocks[turn.latch].lines.extend(lines);
    f.blocks[turn.latch].end = f.blocks[turn.head].end;
    if turn.is_sure {
        f.blocks[turn.head].end = End::Jump(Target::Block(turn.body));
    }
}

/// Any compact register for a virtual one; sizes depend on little more.
fn stand_in(v: VReg) -> Reg {
    v.as_fixed().unwrap_or(Reg::A2)
}

fn is_pure(code: &Code<VReg>) -> bool {
    match code {
        Code::Inst(inst) => inst.op.spec().effects == Fx::PURE,
        Code::Li { .. } => true,
        Code::Call { .. } => false,
    }
}

/// The outcome of a test at the head of a loop, when the constants that the block before it loads decide it.
fn decide(entry: &Block<VReg>, head: &Block<VReg>, test: Test<VReg>) -> Option<bool> {
    let mut known = BTreeMap::from([(ZERO, 0)]);
    for line in entry.lines.iter().chain(&head.lines) {
        let value = evaluate(&line.code, &known);
        for d in line.code.defs() {
            match value {
                Some(value) => known.insert(d, value),
                None => known.remove(&d),
            };
        }
    }
    let (a, b) = (*known.get(&test.rs1)?, *known.get(&test.rs2)?);
    Some(match test.op {
        Op::Beq => a == b,
        Op::Bne => a != b,
        Op::Blt => a.cast_signed() < b.cast_signed(),
        Op::Bge => a.cast_signed() >= b.cast_signed(),
        Op::Bltu => a < b,
        _ => a >= b,
    })
}

/// The result of the few instructions that heads of loops are made of.
fn evaluate(code: &Code<VReg>, known: &BTreeMap<VReg, u32>) -> Option<u32> {
    let inst = match code {
        Code::Li { value, .. } => return Some(*value),
        Code::Inst(inst) => inst,
        Code::Call { .. } => return None,
    };
    let a = *known.get(&inst.rs1)?;
    let imm = inst.imm.cast_unsigned();
    match inst.op {
        Op::Addi => Some(a.wrapping_add(imm)),
        Op::Andi => Some(a & imm),
        Op::Sltiu => Some(u32::from(a < imm)),
        Op::Slli => Some(a << (imm & 31)),
        Op::Srli => Some(a >> (imm & 31)),
        _ => None,
    }
}
