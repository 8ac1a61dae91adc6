//! Short pieces of code that a table knows shorter ones for.
//!
//! In: a proven image. Out: the image with fewer bytes, proven too, or the same. Guaranteed: where the piece ends, every
//! register that is read later holds the word that it held before; each row of the table is proved for all words.
//!
//! The idea: the rows were found by search over what the compiler makes, so they are what its other stages do not see.
//! All places that a row fits are rewritten at once; where the prover does not follow, they are tried one by one.

pub(crate) mod table;

use std::collections::BTreeSet;

use nfl_abi::Image;
use nfl_isa::{Fmt, Inst, Reg, Target};

use crate::listing::{Item, Listing, To};
use crate::mir::reg_is_constant;
use crate::{Emitted, cost};
use table::{Imm, Last, REWRITES, Rewrite, Step, VARS, Var, When};

/// Rewrites what the table knows. `prove` answers the image with its certificate and bounds.
pub(crate) fn rewrite(
    best: Emitted,
    isa: &'static Target,
    prove: &mut dyn FnMut(Image) -> Option<Image>,
) -> Emitted {
    let Some(listing) = Listing::of(&best, isa) else {
        return best;
    };
    let mut all = listing.clone();
    if !all.rewrite(isa, &mut |_| true) {
        return best;
    }
    match encoded(&all, &best, prove) {
        Some(better) => better,
        None => one_by_one(best, listing, isa, prove),
    }
}

/// The image with this code, if it is proved and no worse.
fn encoded(
    listing: &Listing,
    best: &Emitted,
    prove: &mut dyn FnMut(Image) -> Option<Image>,
) -> Option<Emitted> {
    let (image, lines) = listing.encode(&best.image)?;
    let image = prove(image)?;
    let better = Emitted { image, lines };
    (cost(&better) < cost(best)).then_some(better)
}

fn one_by_one(
    mut best: Emitted,
    mut listing: Listing,
    isa: &'static Target,
    prove: &mut dyn FnMut(Image) -> Option<Image>,
) -> Emitted {
    // Instructions keep their numbers when others are rewritten.
    let mut refused = BTreeSet::new();
    loop {
        let mut next = listing.clone();
        let mut chosen = None;
        next.rewrite(isa, &mut |id| {
            let is_free = chosen.is_none() && !refused.contains(&id);
            if is_free {
                chosen = Some(id);
            }
            is_free
        });
        let Some(id) = chosen else {
            return best;
        };
        match encoded(&next, &best, prove) {
            Some(better) => (best, listing) = (better, next),
            None => {
                refused.insert(id);
            }
        }
    }
}

impl Listing {
    /// Rewrites wherever a row fits and `may` agrees, asked by the number of the first instruction; answers whether it did.
    fn rewrite(&mut self, isa: &Target, may: &mut dyn FnMut(usize) -> bool) -> bool {
        let mut changed = false;
        let (mut live, targets) = (self.live(), self.targets());
        let mut at = 0;
        while at < self.order.len() {
            let fits = |row| self.fits(row, at, isa, &live, &targets);
            let found = REWRITES.iter().find_map(|row| Some((row, fits(row)?)));
            match found.filter(|_| may(self.order[at])) {
                Some((row, insts)) => {
                    self.replace(at, row.from.len(), &insts);
                    live = self.live();
                    changed = true;
                }
                None => at += 1,
            }
        }
        changed
    }

    /// What a row puts in the place of the instructions from `at` on, when they are as it says and that is shorter.
    fn fits(
        &self,
        row: &Rewrite,
        at: usize,
        isa: &Target,
        live: &[u32],
        targets: &BTreeSet<usize>,
    ) -> Option<Vec<Inst>> {
        let ids = self.order.get(at..at + row.from.len())?;
        let mut bound = Bound::default();
        for (step, &id) in row.from.iter().zip(ids) {
            let Item { inst, to, .. } = self.items[id];
            let is_entered = id != ids[0] && targets.contains(&id);
            if to != To::On || is_entered || !bound.take(step, &inst) {
                return None;
            }
        }
        if !bound.allows(row, live[at + ids.len()]) {
            return None;
        }
        let insts = row.to.iter().map(|step| bound.make(step));
        let insts = insts.collect::<Option<Vec<Inst>>>()?;
        let before: u32 = ids.iter().map(|&id| self.bytes(id)).sum();
        let after: u32 = insts.iter().map(|inst| isa.size(inst)).sum();
        let exist = insts
            .iter()
            .all(|inst| isa.allows(inst.op) && nfl_isa::encode(inst).is_ok());
        (exist && after < before).then_some(insts)
    }

    fn replace(&mut self, at: usize, len: usize, insts: &[Inst]) {
        let first = self.order[at];
        let span = self.items[first].span;
        let mut ids = Vec::new();
        for (n, &inst) in insts.iter().enumerate() {
            let item = Item {
                inst,
                to: To::On,
                span,
            };
            // Who goes to the first instruction goes to the new one.
            if n == 0 {
                self.items[first] = item;
                ids.push(first);
            } else {
                self.items.push(item);
                ids.push(self.items.len() - 1);
            }
        }
        self.order.splice(at..at + len, ids);
    }
}

/// What the variables of a row stand for.
#[derive(Clone, Copy, Default)]
struct Bound {
    regs: [Option<Reg>; VARS],
    i: Option<i32>,
    j: Option<i32>,
    k: Option<i32>,
}

impl Bound {
    fn reg(&self, var: Var) -> Option<Reg> {
        match var {
            Var::Zero => Some(Reg::ZERO),
            var => self.regs[var as usize],
        }
    }

    /// Whether an instruction is what a step says; binds what was free.
    fn take(&mut self, step: &Step, inst: &Inst) -> bool {
        let &Step(op, rd, a, last) = step;
        let same = inst.op == op && self.take_reg(a, inst.rs1);
        let same = same
            && match last {
                Last::Reg(b) => self.take_reg(b, inst.rs2),
                Last::Imm(imm) => self.take_imm(imm, inst),
            };
        same && !reg_is_constant(inst.rd) && self.take_reg(rd, inst.rd)
    }

    fn take_reg(&mut self, var: Var, reg: Reg) -> bool {
        match var {
            Var::Zero => reg == Reg::ZERO,
            _ if reg == Reg::ZERO => false,
            var => *self.regs[var as usize].get_or_insert(reg) == reg,
        }
    }

    fn take_imm(&mut self, imm: Imm, inst: &Inst) -> bool {
        let n = inst.imm;
        if inst.op.spec().fmt == Fmt::Shift && n == 0 {
            return false;
        }
        match imm {
            Imm::Is(m) => n == m,
            Imm::I => *self.i.get_or_insert(n) == n,
            Imm::J => *self.j.get_or_insert(n) == n,
            Imm::Ones => {
                let k = n.trailing_ones().cast_signed();
                k > 0 && n > 0 && n.count_ones().cast_signed() == k && {
                    *self.k.get_or_insert(k) == k
                }
            }
            Imm::Sum | Imm::Rest | Imm::Above | Imm::Beyond => false,
        }
    }

    /// Whether the row holds of what is bound, where these registers are live afterwards.
    fn allows(&self, row: &Rewrite, live: u32) -> bool {
        let (i, j) = (self.i.unwrap_or(0), self.j.unwrap_or(0));
        let holds = match row.when {
            When::Always => true,
            When::Opposite => i + j == 0,
            When::Covering => i | j == -1,
        };
        let apart = row.apart.iter().all(|&(a, b)| self.reg(a) != self.reg(b));
        let steps = row.from.iter().chain(row.to);
        let kept: Vec<Option<Reg>> = steps
            .map(|step| step.1)
            .filter(|rd| !row.dies.contains(rd))
            .map(|rd| self.reg(rd))
            .collect();
        let die = row.dies.iter().filter_map(|&var| self.reg(var));
        let is_free = |reg: Reg| live >> reg.index() & 1 == 0 || kept.contains(&Some(reg));
        holds && apart && die.into_iter().all(is_free)
    }

    /// The instruction that a step stands for.
    fn make(&self, step: &Step) -> Option<Inst> {
        let &Step(op, rd, a, last) = step;
        let (rd, a) = (self.reg(rd)?, self.reg(a)?);
        let imm = match last {
            Last::Reg(b) => return Some(Inst::r(op, rd, a, self.reg(b)?)),
            Last::Imm(Imm::Is(n)) => n,
            Last::Imm(Imm::I) => self.i?,
            Last::Imm(Imm::J) => self.j?,
            Last::Imm(Imm::Ones) => (1 << self.k?) - 1,
            Last::Imm(Imm::Sum) => self.i? + self.j?,
            Last::Imm(Imm::Rest) => 32 - self.i?,
            Last::Imm(Imm::Above) => 32 - self.k?,
            Last::Imm(Imm::Beyond) => 32 - self.i? - self.k?,
        };
        // No shift by nothing, and none by more than there is.
        let exists = op.spec().fmt != Fmt::Shift || (1..32).contains(&imm);
        exists.then(|| Inst::i(op, rd, a, imm))
    }
}

#[cfg(test)]
mod tests;
