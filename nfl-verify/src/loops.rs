//! The loops of an image: their nesting, what changes in them, and what they cost.
//!
//! In: the instructions and the claims of the certificate. Out: the loops, checked for shape, and
//! after the sweep the longest run from every entry. Guaranteed: loops are contiguous and nested,
//! and the bound is the exact maximum over the paths of the code, with every loop at its trips.

use alloc::vec::Vec;

use nfl_abi::ImageLimits;
use nfl_isa::Op;

use crate::certificate::LoopClaim;
use crate::code::{Code, Flow, Line};
use crate::refusal::{Reason, Refusal};
use crate::state::REGS;
use crate::transfer::Passed;

/// One loop, ready for the sweep.
pub(crate) struct Loop {
    pub(crate) claim: LoopClaim,
    /// How often control passes the head for each time the loop is entered.
    pub(crate) trips: u32,
    /// Registers that instructions and services of the loop write, one bit each.
    pub(crate) regs: u32,
    /// Words of scratch that the loop may store to, one bit each: by `sp`, or as claimed.
    pub(crate) words: u64,
    /// Whether a service in the loop moves the packet.
    pub(crate) resizes: bool,
}

impl Loop {
    pub(crate) fn new(code: &Code, claim: LoopClaim, trips: u32) -> Loop {
        let (regs, mut words) = changes(code, claim.head, claim.end);
        for claim in &claim.claims {
            if let Some(word) = usize::from(claim.place.0).checked_sub(REGS) {
                words |= 1u64 << (word & 63);
            }
        }
        let lines = code.extent(claim.head, claim.end);
        Loop {
            resizes: lines.iter().any(|line| code.resizes(line)),
            claim,
            trips,
            regs,
            words,
        }
    }
}

/// Checks the shape of the loops and finds what changes in them.
pub(crate) fn prepare(
    code: &Code,
    claims: Vec<LoopClaim>,
    limits: &ImageLimits,
) -> Result<Vec<Loop>, Refusal> {
    let mut open: Vec<u32> = Vec::new();
    let mut loops = Vec::with_capacity(claims.len());
    for claim in claims {
        let (head, end) = (claim.head, claim.end);
        while open.last().is_some_and(|&outer| outer <= head) {
            open.pop();
        }
        let fits = code.index(head).is_some() && code.is_boundary(end) && end <= code.bytes;
        if !fits || open.last().is_some_and(|&outer| end > outer) {
            return Err(Reason::LoopShape { head, end }.at(head));
        }
        open.push(end);
        if open.len() > usize::from(limits.loop_depth) {
            return Err(Reason::LoopDepth(open.len()).at(head));
        }
        let trips = trips(&claim, limits).map_err(|reason| reason.at(head))?;
        loops.push(Loop::new(code, claim, trips));
    }
    Ok(loops)
}

/// The measure's range at the head holds all values it can take there, and each is at least a
/// step from the one before.
pub(crate) fn trips(claim: &LoopClaim, limits: &ImageLimits) -> Result<u32, Reason> {
    let head = claim.head;
    let Some(measure) = claim.measured() else {
        return Err(Reason::Certificate("a measure without a range"));
    };
    let trips = ((measure.hi - measure.lo) / claim.step.abs()).unsigned_abs() + 1;
    if trips > u64::from(limits.loop_trips) {
        return Err(Reason::LoopTrips {
            head,
            trips,
            limit: limits.loop_trips,
        });
    }
    Ok(trips as u32)
}

/// The registers that the instructions from `head` up to `end` change, and the words of scratch that they reach by `sp`.
pub(crate) fn changes(code: &Code, head: u32, end: u32) -> (u32, u64) {
    let (mut regs, mut words) = (0, 0);
    for line in code.extent(head, end) {
        regs |= line.changes();
        if let Flow::Enter(target) = line.flow()
            && let Some(called) = code
                .subroutine(target)
                .and_then(|at| code.subroutines.get(at))
        {
            regs |= called.regs;
            words |= called.words;
        }
        if matches!(line.inst.op, Op::Sb | Op::Sh | Op::Sw) {
            words |= line.words_by_sp();
        }
    }
    (regs, words)
}

/// "No path": smaller than every cost.
const NONE: u64 = 0;

/// The longest runs from every instruction, in steps.
///
/// One pass from the last instruction to the first. A row has a cell for the way to a finish and
/// one for the way back to the head of each loop around the instruction. At a head the loop is
/// complete: all rounds but the last cost the longest way back, and the row is then as if the
/// loop were one long instruction.
#[derive(Default)]
pub(crate) struct Costs {
    cells: Vec<u64>,
    width: usize,
}

impl Costs {
    /// Finds them for code whose instructions cost this.
    pub(crate) fn find(&mut self, code: &Code, loops: &[Loop], passed: &[Passed]) {
        let depth = deepest(loops);
        let width = depth + 1;
        self.width = width;
        self.cells.clear();
        self.cells.resize(code.lines.len() * width, NONE);
        if loops.is_empty() {
            return self.straight(code, passed);
        }
        // Loops around the current instruction, outermost first, found from their ends.
        let mut by_end: Vec<usize> = (0..loops.len()).collect();
        by_end.sort_by_key(|&i| {
            loops
                .get(i)
                .map(|one| (one.claim.end, core::cmp::Reverse(one.claim.head)))
        });
        let mut around: Vec<&Loop> = Vec::with_capacity(depth);
        for (index, line) in code.lines.iter().enumerate().rev() {
            while let Some(one) = by_end
                .last()
                .and_then(|&i| loops.get(i))
                .filter(|one| one.claim.end > line.pc)
            {
                around.push(one);
                by_end.pop();
            }
            let price = passed.get(index).map_or(0, |one| one.price);
            if around.is_empty() {
                let steps = |index: usize| self.steps(index);
                let steps = longest(code, line, steps(index + 1), price, steps);
                raise(self.cells.get_mut(index * width), steps);
                continue;
            }
            let (rows, behind) = self.cells.split_at_mut((index + 1) * width);
            let (_, row) = rows.split_at_mut(index * width);
            let row = row.get_mut(..=around.len()).unwrap_or_default();
            let way = |row: &mut [u64], target: u32| {
                if target <= line.pc {
                    let level = around.iter().position(|one| one.claim.head == target);
                    raise(level.and_then(|level| row.get_mut(level + 1)), 1);
                } else if let Some(further) = code.index(target) {
                    let from = further.saturating_sub(index + 1) * width;
                    add_ways(row, behind.get(from..).unwrap_or(&[]));
                }
            };
            match line.flow() {
                Flow::Next | Flow::Call(_) | Flow::Enter(_) => add_ways(row, behind),
                Flow::Branch(target) => {
                    way(row, target);
                    add_ways(row, behind);
                }
                Flow::Jump(target) => way(row, target),
                Flow::Finish | Flow::Return => raise(row.first_mut(), 1),
            }
            if price > 0 {
                for cell in row.iter_mut().filter(|cell| **cell != NONE) {
                    *cell = cell.saturating_add(price.into());
                }
            }
            while around.last().is_some_and(|one| one.claim.head == line.pc) {
                collapse(row, around.len(), around.last().map_or(1, |one| one.trips));
                around.pop();
            }
        }
    }

    /// As `find`, where there is no loop.
    fn straight(&mut self, code: &Code, passed: &[Passed]) {
        let mut next = NONE;
        for (index, (line, one)) in code.lines.iter().zip(passed).enumerate().rev() {
            next = longest(code, line, next, one.price, |index| self.steps(index));
            if let Some(cell) = self.cells.get_mut(index) {
                *cell = next;
            }
        }
    }

    /// The longest run from the instruction with this index.
    pub(crate) fn steps(&self, index: usize) -> u64 {
        self.cells.get(index * self.width).copied().unwrap_or(NONE)
    }
}

/// The longest run from an instruction in no loop, when the next one has one of `next` steps: all its ways lead forward.
fn longest(code: &Code, line: &Line, next: u64, price: u32, steps: impl Fn(usize) -> u64) -> u64 {
    let target = |target: u32| code.index(target).map_or(NONE, &steps);
    let behind = match line.flow() {
        Flow::Next | Flow::Call(_) | Flow::Enter(_) => next,
        Flow::Branch(to) => next.max(target(to)),
        Flow::Jump(to) => target(to),
        Flow::Finish | Flow::Return => 0,
    };
    behind.saturating_add(1).saturating_add(price.into())
}

/// Adds to a row the ways of the instruction that `cells` begin with, one step behind it.
fn add_ways(row: &mut [u64], cells: &[u64]) {
    for (cell, &cost) in row.iter_mut().zip(cells) {
        let longer = if cost == NONE {
            NONE
        } else {
            cost.saturating_add(1)
        };
        *cell = longer.max(*cell);
    }
}

fn raise(cell: Option<&mut u64>, cost: u64) {
    if let Some(cell) = cell {
        *cell = (*cell).max(cost);
    }
}

fn collapse(row: &mut [u64], depth: usize, trips: u32) {
    let Some(round) = row
        .get_mut(depth)
        .map(|cell| core::mem::replace(cell, NONE))
    else {
        return;
    };
    let rounds = round.saturating_mul(u64::from(trips.saturating_sub(1)));
    for cell in row.iter_mut().filter(|cell| **cell != NONE) {
        *cell = cell.saturating_add(rounds);
    }
}

fn deepest(loops: &[Loop]) -> usize {
    let mut open: Vec<u32> = Vec::new();
    let mut deepest = 0;
    for one in loops {
        while open.last().is_some_and(|&end| end <= one.claim.head) {
            open.pop();
        }
        open.push(one.claim.end);
        deepest = deepest.max(open.len());
    }
    deepest
}
