//! What both sides of a branch do is done before it.
//!
//! In: the code of all handlers. Out: the same with fewer bytes: equal first lines of both sides stand before the branch, and
//! where the sides are two ways of filling the same registers, one of them is done before the branch and the other
//! overwrites what it did. Guaranteed: the branch tests what it tested, and no access to memory moves.

use nfl_isa::{Fx, Reg};

use crate::mir::{Block, Code, End, Line, Program, Target};

/// Moves what may stand before branches, over all reachable blocks; true when something moved.
pub(crate) fn hoist(p: &mut Program) -> bool {
    let graph = p.graph();
    let mut moved = false;
    let blocks = p.blocks.len();
    // From the last block to the first, so that what moves up can move on.
    for &b in graph.order.iter().rev().filter(|&&b| b < blocks) {
        let End::Branch {
            test,
            then: Target::Block(x),
            otherwise: Target::Block(y),
        } = p.blocks[b].end
        else {
            continue;
        };
        let is_own = |side: usize| graph.predecessors[side].len() == 1;
        if x == y || !is_own(x) || !is_own(y) {
            continue;
        }
        let tested = [test.rs1, test.rs2];
        moved |= hoist_equal(p, b, (x, y), tested);
        moved |= hoist_side(p, b, (x, y), tested);
    }
    moved
}

/// Moves the first lines of both sides while they are equal.
fn hoist_equal(p: &mut Program, b: usize, (x, y): (usize, usize), tested: [Reg; 2]) -> bool {
    let pairs = p.blocks[x].lines.iter().zip(&p.blocks[y].lines);
    let count = pairs
        .take_while(|(x, y)| x.code == y.code && may_move(&x.code, tested))
        .count();
    let lines: Vec<Line<Reg>> = p.blocks[x].lines.drain(..count).collect();
    p.blocks[y].lines.drain(..count);
    p.blocks[b].lines.extend(lines);
    count > 0
}

/// Does one of two ways to fill the same registers before the branch; that saves the jump or the end between them.
fn hoist_side(p: &mut Program, b: usize, (x, y): (usize, usize), tested: [Reg; 2]) -> bool {
    if p.blocks[x].end != p.blocks[y].end || !matches!(p.blocks[x].end, End::Jump(_)) {
        return false;
    }
    let sides = [(x, y), (y, x)];
    let side = sides.into_iter().find(|&(first, other)| {
        let lines = &p.blocks[first].lines;
        let defs: Vec<Reg> = lines.iter().flat_map(|l| l.code.defs()).collect();
        let is_plain = lines
            .iter()
            .all(|l| l.code.uses().next().is_none() && may_move(&l.code, tested));
        is_plain && overwrites(&p.blocks[other], &defs)
    });
    let Some((first, _)) = side else { return false };
    let lines = std::mem::take(&mut p.blocks[first].lines);
    let moved = !lines.is_empty();
    p.blocks[b].lines.extend(lines);
    moved
}

/// Whether a line may stand before the test of these registers.
fn may_move(code: &Code<Reg>, tested: [Reg; 2]) -> bool {
    let is_pure = match code {
        Code::Inst(inst) => inst.op.spec().effects == Fx::PURE,
        Code::Li { .. } => true,
        Code::Call { .. } => false,
    };
    is_pure && code.defs().all(|reg| !tested.contains(&reg))
}

/// Whether a block writes all these registers, and before it reads them.
fn overwrites(block: &Block<Reg>, regs: &[Reg]) -> bool {
    regs.iter().all(|reg| {
        let mut lines = block.lines.iter().map(|line| line.code);
        let names = |code: &Code<Reg>| code.defs().chain(code.uses()).any(|r| r == *reg);
        let first = lines.find(names);
        first.is_some_and(|code| code.uses().all(|r| r != *reg))
    })
}
