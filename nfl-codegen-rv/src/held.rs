//! Words that registers hold already.
//!
//! In: the code of all handlers over the machine's registers. Out: the same without constants and copies that their
//! registers hold anyhow, and without words that nothing reads. Guaranteed: every instruction that stays reads what it read before.
//!
//! The idea: go forward over all ways at once and keep for each register a constant, or the place that its word was made at. A branch
//! on equality says more on one of its sides: behind `beqz a0` the register holds 0, and the first word of a drop is there.

use std::num::NonZeroU64;

use nfl_isa::{Fx, Inst, Op, Reg, Target as Isa};

use crate::graph::reverse_postorder;
use crate::mir::{Block, Code, End, Program, Target, bytes_of, reg_is_constant};

/// What a register holds: a constant, or what a line of a block made when it ran last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Word(NonZeroU64);

impl Word {
    /// Set in all constants, and in no number of a block and a line.
    const CONSTANT: u64 = 1 << 63;

    fn constant(value: u32) -> Word {
        Word(NonZeroU64::MIN | Word::CONSTANT | u64::from(value) << 1)
    }

    fn made(b: usize, n: usize) -> Word {
        Word(NonZeroU64::MIN | (b as u64) << 32 | (n as u64) << 1)
    }

    fn as_constant(self) -> Option<u32> {
        let word = self.0.get();
        (word & Word::CONSTANT != 0).then_some((word >> 1) as u32)
    }

    fn is_made_in(self, b: usize) -> bool {
        self.0.get() >> 32 == b as u64
    }
}

const REGS: usize = 32;

/// What each register holds, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held([Option<Word>; REGS]);

/// Drops what registers hold already; `learns` says whether branches count.
pub(crate) fn drop_held(p: &mut Program, learns: bool) {
    let isa = p.isa;
    let mut order = reverse_postorder(&p.successors(), p.blocks.len());
    order.retain(|&b| b < p.blocks.len());
    let starts = starts(p, &order, learns);
    for (b, start) in starts.iter().enumerate() {
        let Some(mut held) = *start else { continue };
        let block = &mut p.blocks[b];
        let comes_again = held.comes_again(b);
        for (n, line) in block.lines.iter_mut().enumerate() {
            if let Some(shorter) = shorter(&line.code, &held, isa) {
                line.code = shorter;
            }
            held.step(&line.code, Word::made(b, n), comes_again);
        }
        block.lines.retain(|line| bytes_of(&line.code, isa) > 0);
    }
    drop_unread(p, &order);
}

/// What is known at the start of each block; nothing for those that nothing leads to.
fn starts(p: &Program, order: &[usize], learns: bool) -> Vec<Option<Held>> {
    let mut starts = vec![None; p.blocks.len()];
    // The blocks whose start changed since they were looked at.
    let mut is_new = vec![false; p.blocks.len()];
    for &entry in &p.entries {
        starts[entry] = Some(Held::at_entry());
        is_new[entry] = true;
    }
    while is_new.contains(&true) {
        for &b in order {
            if !std::mem::take(&mut is_new[b]) {
                continue;
            }
            let Some(mut held) = starts[b] else { continue };
            let block = &p.blocks[b];
            let comes_again = held.comes_again(b);
            for (n, line) in block.lines.iter().enumerate() {
                held.step(&line.code, Word::made(b, n), comes_again);
            }
            for (target, held) in ways(block, held, learns) {
                let changed = match &mut starts[target] {
                    Some(known) => known.join(&held),
                    unknown => unknown.replace(held).is_none(),
                };
                is_new[target] |= changed;
            }
        }
    }
    starts
}

/// Where a block leads, with what is known there.
fn ways(block: &Block<Reg>, held: Held, learns: bool) -> impl Iterator<Item = (usize, Held)> {
    let way = |target, held| match target {
        Target::Block(to) => Some((to, held)),
        Target::Exit => None,
    };
    let ways = match block.end {
        End::Jump(target) => [way(target, held), None],
        End::Branch {
            test,
            then,
            otherwise,
        } => {
            let mut equal = held;
            if learns {
                equal.learn_equal(test.rs1, test.rs2);
            }
            let (on_then, on_otherwise) = match test.op {
                Op::Beq => (equal, held),
                Op::Bne => (held, equal),
                _ => (held, held),
            };
            [way(then, on_then), way(otherwise, on_otherwise)]
        }
    };
    ways.into_iter().flatten()
}

impl Held {
    /// The machine's promise: both words of the verdict are 0.
    fn at_entry() -> Held {
        let mut held = Held([None; REGS]);
        held.set(Reg::A0, Some(Word::constant(0)));
        held.set(Reg::A1, Some(Word::constant(0)));
        held
    }

    fn get(&self, reg: Reg) -> Option<Word> {
        match reg {
            Reg::ZERO => Some(Word::constant(0)),
            _ => self.0[usize::from(reg.0)],
        }
    }

    fn constant(&self, reg: Reg) -> Option<u32> {
        self.get(reg).and_then(Word::as_constant)
    }

    fn set(&mut self, reg: Reg, word: Option<Word>) {
        self.0[usize::from(reg.0)] = word;
    }

    /// Keeps what holds in both; true when that is less.
    fn join(&mut self, other: &Held) -> bool {
        let mut changed = false;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            if word != other {
                changed |= word.is_some();
                *word = None;
            }
        }
        changed
    }

    /// Whether a block finds what it made in an earlier round.
    fn comes_again(&self, b: usize) -> bool {
        self.0.iter().flatten().any(|word| word.is_made_in(b))
    }

    /// Behind a line, which makes this word.
    fn step(&mut self, code: &Code<Reg>, made: Word, comes_again: bool) {
        // What the line made in an earlier round is another word.
        for word in self.0.iter_mut().filter(|_| comes_again) {
            if *word == Some(made) {
                *word = None;
            }
        }
        let word = match *code {
            Code::Li { value, .. } => Some(Word::constant(value)),
            Code::Inst(inst) => match (code.as_move(), self.sum(&inst)) {
                (_, Some(value)) => Some(Word::constant(value)),
                (Some((_, rs)), None) => {
                    let known = self.get(rs).unwrap_or(made);
                    if !reg_is_constant(rs) {
                        self.set(rs, Some(known));
                    }
                    Some(known)
                }
                (None, None) => Some(made),
            },
            Code::Call { .. } => None,
        };
        // The packet may move with a call, so a copy of its base or length is no name for it.
        let word = word.filter(|_| {
            code.as_move()
                .is_none_or(|(_, rs)| !reg_is_constant(rs) || rs == Reg::ZERO)
        });
        for rd in code.defs() {
            self.set(rd, word);
        }
    }

    /// The result of an addition of a constant, where it is known.
    fn sum(&self, inst: &Inst) -> Option<u32> {
        (inst.op == Op::Addi)
            .then(|| self.constant(inst.rs1))
            .flatten()
            .map(|value| value.wrapping_add(inst.imm.cast_unsigned()))
    }

    /// Two registers hold the same.
    fn learn_equal(&mut self, a: Reg, b: Reg) {
        for (known, other) in [(a, b), (b, a)] {
            let constant = self.constant(known);
            if constant.is_some() && !reg_is_constant(other) {
                self.set(other, constant.map(Word::constant));
            }
        }
    }
}

/// A shorter line with the same effect; a copy of a register to itself where there is nothing to do.
fn shorter(code: &Code<Reg>, held: &Held, isa: &Isa) -> Option<Code<Reg>> {
    let copy = |rd, rs| Code::Inst(Inst::i(Op::Addi, rd, rs, 0));
    if let Some((rd, rs)) = code.as_move() {
        let same = held.get(rs).is_some() && held.get(rs) == held.get(rd);
        return same.then(|| copy(rd, rd));
    }
    let Code::Li { rd, value } = *code else {
        return None;
    };
    if held.constant(rd) == Some(value) {
        return Some(copy(rd, rd));
    }
    let others = (1..REGS as u8)
        .map(Reg)
        .filter(|&reg| held.constant(reg).is_some());
    let ways = others.flat_map(|rs| {
        let from = held.constant(rs).unwrap_or_default();
        let step = value.wrapping_sub(from).cast_signed();
        let sum = Code::Inst(Inst::i(Op::Addi, rd, rs, step));
        Some(sum).filter(|_| (-2048..=2047).contains(&step))
    });
    let best = ways.min_by_key(|way| bytes_of(way, isa))?;
    (bytes_of(&best, isa) < bytes_of(code, isa)).then_some(best)
}

/// One bit for each register that something still reads.
fn live_at_end(block: &Block<Reg>, starts: &[u32]) -> u32 {
    let verdict = 1 << Reg::A0.0 | 1 << Reg::A1.0;
    let targets = block.end.targets().map(|target| match target {
        Target::Block(to) => starts[to],
        Target::Exit => verdict,
    });
    let after = targets.fold(0, |live, more| live | more);
    block.end.uses().fold(after, |live, reg| live | 1 << reg.0)
}

fn live_before(code: &Code<Reg>, live: u32) -> u32 {
    let kept = code.defs().fold(live, |live, reg| live & !(1 << reg.0));
    code.uses().fold(kept, |live, reg| live | 1 << reg.0)
}

/// Drops lines that make words which nothing reads any more.
fn drop_unread(p: &mut Program, order: &[usize]) {
    // What a block reads of what is not read behind it, and of what is.
    let through = p.blocks.iter().map(|block| {
        let lines = || block.lines.iter().rev();
        [0, u32::MAX].map(|end| lines().fold(end, |live, line| live_before(&line.code, live)))
    });
    let through: Vec<[u32; 2]> = through.collect();
    let mut starts = vec![0; p.blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for &b in order.iter().rev() {
            let [read, kept] = through[b];
            let start = read | kept & live_at_end(&p.blocks[b], &starts);
            changed |= starts[b] != start;
            starts[b] = start;
        }
    }
    for &b in order {
        let mut live = live_at_end(&p.blocks[b], &starts);
        let mut is_kept = Vec::with_capacity(p.blocks[b].lines.len());
        for line in p.blocks[b].lines.iter().rev() {
            let is_read = line.code.defs().any(|reg| live >> reg.0 & 1 != 0);
            let kept = is_read || has_effect(&line.code);
            if kept {
                live = live_before(&line.code, live);
            }
            is_kept.push(kept);
        }
        // They are asked in the other order.
        p.blocks[b].lines.retain(|_| is_kept.pop() == Some(true));
    }
}

fn has_effect(code: &Code<Reg>) -> bool {
    match code {
        Code::Inst(inst) => !matches!(inst.op.spec().effects, Fx::PURE | Fx::READ),
        Code::Li { .. } => false,
        Code::Call { .. } => true,
    }
}
