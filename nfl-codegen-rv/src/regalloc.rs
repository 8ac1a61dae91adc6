//! Registers for virtual registers.
//!
//! In: a handler over virtual registers. Out: the same over the machine's registers, with words put aside in scratch
//! where registers do not suffice. Guaranteed: every instruction reads what it read before; a checker that knows
//! nothing of the allocator says so in builds with debug assertions.
//!
//! The idea is graph colouring (Chaitin and Briggs), and the choice among possible colours is made by size: the encoder is
//! asked how many bytes the code around a register has with each. Two registers that a copy joins, or that a
//! two-operand form could join, become one node first where that cannot cost a colour.

mod check;
mod color;
mod interference;
mod live;
mod sites;
mod spill;

use std::collections::BTreeSet;

use nfl_isa::Reg;

use crate::mir::{Func, Tag, VReg, reg_is_constant};
use crate::noise::Noise;
use crate::scratch::{Full, Scratch};
use color::Coloring;
use interference::Interference;
use live::Live;

/// The registers that code may use, the shortest to name first.
const ORDER: [u8; 28] = [
    12, 13, 14, 15, 10, 11, 16, 17, 5, 6, 7, 28, 29, 30, 31, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 1, 3, 4,
];

/// Chooses registers; noise makes other choices among those that seem as good.
pub(crate) fn allocate(
    mut f: Func<VReg>,
    scratch: &mut Scratch,
    noise: &Noise,
) -> Result<Func<Reg>, Full> {
    let mut live = remove_dead(&mut f);
    let selected = cfg!(debug_assertions).then(|| f.clone());
    let mut pinned = BTreeSet::new();
    let coloring = loop {
        let mut graph = Interference::new(&f, &live);
        graph.coalesce(&f, noise);
        match color::color(&f, &graph, &pinned, noise) {
            Ok(coloring) => break coloring,
            Err(crowded) => spill::spill(&mut f, &crowded, scratch, &mut pinned)?,
        }
        live = Live::new(&f);
    };
    let allocated = apply(&f, &coloring);
    if let Some(selected) = selected {
        let checked = check::check(&selected, &allocated);
        assert!(checked.is_ok(), "the allocation is wrong: {checked:?}");
    }
    Ok(allocated)
}

/// Drops instructions whose result nothing reads, and numbers the others; what is live then.
fn remove_dead(f: &mut Func<VReg>) -> Live {
    loop {
        let live = Live::new(f);
        let mut changed = false;
        for b in 0..f.blocks.len() {
            let mut now = live.at_end(f, b);
            let lines = std::mem::take(&mut f.blocks[b].lines);
            let mut kept = Vec::with_capacity(lines.len());
            for line in lines.into_iter().rev() {
                let mut defs = line.code.defs().peekable();
                let is_dead = defs.peek().is_some()
                    && defs.all(|d| d.is_variable() && !now.has(d))
                    && !line.code.is_call();
                if is_dead {
                    changed = true;
                    continue;
                }
                now.step(&line.code);
                kept.push(line);
            }
            kept.reverse();
            for (n, line) in kept.iter_mut().enumerate() {
                line.tag = Tag::Selected(n as u32);
            }
            f.blocks[b].lines = kept;
        }
        if !changed {
            return live;
        }
    }
}

/// Names the machine's registers, and drops copies that became copies to themselves.
fn apply(f: &Func<VReg>, coloring: &Coloring) -> Func<Reg> {
    let reg = |v: VReg| coloring.reg(v);
    let blocks = f.blocks.iter().map(|block| {
        let lines = block.lines.iter().map(|line| crate::mir::Line {
            code: line.code.map(reg),
            tag: line.tag,
            span: line.span,
        });
        let lines = lines
            .filter(|line| line.code.as_move().is_none_or(|(rd, rs)| rd != rs))
            .collect();
        crate::mir::Block {
            lines,
            end: block.end.map(reg),
            source: block.source,
            span: block.span,
        }
    });
    Func {
        isa: f.isa,
        blocks: blocks.collect(),
        vregs: f.vregs,
        given: f.given.clone(),
    }
}

/// The set of registers that code may use, one bit each.
fn usable() -> u32 {
    ORDER
        .iter()
        .filter(|&&n| !reg_is_constant(Reg(n)))
        .fold(0, |set, &n| set | 1 << n)
}
