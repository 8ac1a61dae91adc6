//! An independent check of an allocation.
//!
//! In: code before and after allocation. Out: nothing, or what is wrong. Guaranteed, when it is silent: on every path, each
//! instruction finds in its registers the words of the virtual registers that it named before.
//!
//! The idea (Rideau and Leroy 2010): walk both in step and keep, for each register and each word of scratch, the set of
//! virtual registers whose word it holds on all paths. It knows nothing of liveness, interference or colours.

use std::collections::{BTreeMap, BTreeSet};

use nfl_isa::{Inst, Op, Reg};

use super::spill::constants;
use crate::mir::{A0, A1, Block, Code, End, Func, Tag, Target, VReg, reg_is_constant};

/// A register of the machine or a word of scratch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Reg(u8),
    Word(i32),
}

/// What a place is known to hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fact {
    Word(VReg),
    Constant(u32),
}

/// What all places are known to hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct State {
    places: BTreeMap<Place, BTreeSet<Fact>>,
}

/// What is wrong with an allocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    block: usize,
    line: usize,
    what: &'static str,
}

/// Compares code before and after allocation.
pub(super) fn check(before: &Func<VReg>, after: &Func<Reg>) -> Result<(), Wrong> {
    let known = constants(before);
    let mut entry = State::default();
    entry.set(Place::Reg(Reg::A0.0), BTreeSet::from([Fact::Word(A0)]));
    entry.set(Place::Reg(Reg::A1.0), BTreeSet::from([Fact::Word(A1)]));
    for (&v, given) in &before.given {
        for reg in given {
            entry.set(Place::Reg(reg.0), BTreeSet::from([Fact::Word(v)]));
        }
    }
    let mut states: Vec<Option<State>> = vec![None; before.blocks.len()];
    states[0] = Some(entry);
    let mut work = vec![0];
    while let Some(b) = work.pop() {
        let state = states[b].clone().unwrap_or_default();
        let walk = Walk {
            block: b,
            before: &before.blocks[b],
            constants: &known,
            state,
        };
        let state = walk.block(&after.blocks[b])?;
        for target in before.blocks[b].end.targets() {
            let Target::Block(to) = target else { continue };
            let joined = match &states[to] {
                None => state.clone(),
                Some(old) => old.meet(&state),
            };
            if states[to].as_ref() != Some(&joined) {
                states[to] = Some(joined);
                work.push(to);
            }
        }
    }
    Ok(())
}

impl State {
    fn set(&mut self, place: Place, facts: BTreeSet<Fact>) {
        self.places.insert(place, facts);
    }

    fn get(&self, place: Place) -> BTreeSet<Fact> {
        self.places.get(&place).cloned().unwrap_or_default()
    }

    fn forget(&mut self, v: VReg) {
        for facts in self.places.values_mut() {
            facts.remove(&Fact::Word(v));
        }
    }

    /// What holds on both ways.
    fn meet(&self, other: &State) -> State {
        let places = self.places.iter().filter_map(|(place, facts)| {
            let both = facts & other.places.get(place)?;
            Some((*place, both))
        });
        State {
            places: places.collect(),
        }
    }
}

struct Walk<'a> {
    block: usize,
    before: &'a Block<VReg>,
    constants: &'a BTreeMap<VReg, Option<u32>>,
    state: State,
}

impl Walk<'_> {
    fn block(mut self, after: &Block<Reg>) -> Result<State, Wrong> {
        let mut next = 0;
        for line in &after.lines {
            match (line.tag, line.code) {
                (Tag::Selected(n), code) => {
                    let n = n as usize;
                    self.dropped(next, n)?;
                    self.selected(n, &code)?;
                    next = n + 1;
                }
                (
                    Tag::Spill,
                    Code::Inst(Inst {
                        op: Op::Sw,
                        rs1: Reg::SP,
                        rs2,
                        imm,
                        ..
                    }),
                ) => {
                    let facts = self.state.get(Place::Reg(rs2.0));
                    self.state.set(Place::Word(imm), facts);
                }
                (
                    Tag::Reload,
                    Code::Inst(Inst {
                        op: Op::Lw,
                        rd,
                        rs1: Reg::SP,
                        imm,
                        ..
                    }),
                ) => {
                    let facts = self.state.get(Place::Word(imm));
                    self.write(next, rd, facts)?;
                }
                (Tag::Again, Code::Li { rd, value }) => {
                    self.write(next, rd, BTreeSet::from([Fact::Constant(value)]))?;
                }
                _ => return self.wrong(next, "a line that no part of the allocator makes"),
            }
        }
        let lines = self.before.lines.len();
        self.dropped(next, lines)?;
        self.end(lines, &after.end)?;
        Ok(self.state)
    }

    fn wrong<T>(&self, line: usize, what: &'static str) -> Result<T, Wrong> {
        Err(Wrong {
            block: self.block,
            line,
            what,
        })
    }

    fn write(&mut self, line: usize, rd: Reg, facts: BTreeSet<Fact>) -> Result<(), Wrong> {
        if reg_is_constant(rd) {
            return self.wrong(line, "it writes a register of the node");
        }
        self.state.set(Place::Reg(rd.0), facts);
        Ok(())
    }

    /// Lines that are not there any more: copies between places that became one, and constants that are made again.
    fn dropped(&mut self, from: usize, to: usize) -> Result<(), Wrong> {
        for n in from..to {
            let code = self.before.lines[n].code;
            match (code.as_move(), code) {
                (Some((rd, rs)), _) => {
                    self.state.forget(rd);
                    for facts in self.state.places.values_mut() {
                        if facts.contains(&Fact::Word(rs)) {
                            facts.insert(Fact::Word(rd));
                        }
                    }
                }
                (None, Code::Li { rd, .. }) => self.state.forget(rd),
                _ => return self.wrong(n, "it is missing"),
            }
        }
        Ok(())
    }

    fn selected(&mut self, n: usize, after: &Code<Reg>) -> Result<(), Wrong> {
        let before = self.before.lines[n].code;
        let is_same = match (before, after) {
            (Code::Inst(a), Code::Inst(b)) => a.op == b.op && a.imm == b.imm,
            (Code::Li { value: a, .. }, Code::Li { value: b, .. }) => a == *b,
            (Code::Call { .. }, Code::Call { .. }) => before == after.map(VReg::fixed),
            _ => false,
        };
        if !is_same {
            return self.wrong(n, "it is another instruction");
        }
        for (v, reg) in before.uses().zip(after.uses()) {
            self.reads(n, v, reg)?;
        }
        for (v, reg) in before.defs().zip(after.defs()) {
            let mut facts = match (after.as_move(), *after) {
                (Some((_, rs)), _) => self.state.get(Place::Reg(rs.0)),
                (None, Code::Li { value, .. }) => BTreeSet::from([Fact::Constant(value)]),
                _ => BTreeSet::new(),
            };
            self.state.forget(v);
            facts.remove(&Fact::Word(v));
            facts.insert(Fact::Word(v));
            self.write(n, reg, facts)?;
        }
        Ok(())
    }

    fn reads(&self, n: usize, v: VReg, reg: Reg) -> Result<(), Wrong> {
        let holds = match v.as_fixed().filter(|&fixed| reg_is_constant(fixed)) {
            Some(fixed) => fixed == reg,
            None => {
                let facts = self.state.get(Place::Reg(reg.0));
                let constant = self
                    .constants
                    .get(&v)
                    .copied()
                    .flatten()
                    .map(Fact::Constant);
                facts.contains(&Fact::Word(v)) || constant.is_some_and(|c| facts.contains(&c))
            }
        };
        if holds {
            Ok(())
        } else {
            self.wrong(n, "it reads another word")
        }
    }

    fn end(&self, n: usize, after: &End<Reg>) -> Result<(), Wrong> {
        let before = &self.before.end;
        let is_same = match (before, after) {
            (End::Branch { test: a, .. }, End::Branch { test: b, .. }) => a.op == b.op,
            (End::Jump(_), End::Jump(_)) => true,
            _ => false,
        };
        if !is_same || !before.targets().eq(after.targets()) {
            return self.wrong(n, "the block ends in another way");
        }
        for (v, reg) in before.uses().zip(after.uses()) {
            self.reads(n, v, reg)?;
        }
        if before.targets().any(|target| target == Target::Exit) {
            self.reads(n, A0, Reg::A0)?;
            self.reads(n, A1, Reg::A1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mir::{Line, PACKET};
    use crate::noise::Noise;
    use crate::regalloc::allocate;
    use crate::scratch::Scratch;
    use nfl_abi::{Layer, Role};
    use nfl_ir::func::Function;
    use nfl_syntax::arena::Id;

    /// Loads `count` bytes of the packet, then adds them up, the last first.
    fn sum_of_bytes(count: u32) -> Func<VReg> {
        let reg = |n: u32| VReg(32 + n);
        let inst = |op, rd, rs1, rs2, imm| {
            Code::Inst(Inst {
                op,
                rd,
                rs1,
                rs2,
                imm,
            })
        };
        let zero = VReg::fixed(Reg::ZERO);
        let mut codes = Vec::new();
        for n in 0..count {
            codes.push(inst(Op::Lbu, reg(n), PACKET, zero, n.cast_signed()));
        }
        for n in (0..count - 1).rev() {
            codes.push(inst(Op::Add, reg(count - 1), reg(count - 1), reg(n), 0));
        }
        codes.push(inst(Op::Addi, A1, reg(count - 1), zero, 0));
        let lines = codes.into_iter().enumerate().map(|(n, code)| Line {
            code,
            tag: Tag::Selected(n as u32),
            span: None,
        });
        let block = Block {
            lines: lines.collect(),
            end: End::Jump(Target::Exit),
            source: (0, Id::new(0)),
            span: None,
        };
        Func {
            isa: nfl_isa::Target::DEFAULT,
            blocks: vec![block],
            vregs: 32 + count,
            given: BTreeMap::new(),
        }
    }

    /// Every register that is named wrongly in one place is found, with words in scratch and without.
    #[test]
    fn wrong_registers_are_found() {
        for count in [4, 40] {
            let before = sum_of_bytes(count);
            let mut scratch = Scratch::new(&Function::new(Role::Ingress, Layer::Network))
                .expect("no arrays take no room");
            let after =
                allocate(before.clone(), &mut scratch, &Noise::default()).expect("there is room");
            assert_eq!(check(&before, &after), Ok(()));
            let wrong = Reg::T6;
            for at in 0..after.blocks[0].lines.len() {
                let mut changed = after.clone();
                let line = &mut changed.blocks[0].lines[at];
                let reads = line
                    .code
                    .uses()
                    .any(|reg| !reg_is_constant(reg) && reg != wrong);
                if reads {
                    line.code = line
                        .code
                        .map_uses(|reg| if reg_is_constant(reg) { reg } else { wrong });
                    // Where the wrong register happens to hold the word, there is nothing to find.
                    if line.code != after.blocks[0].lines[at].code && count == 4 {
                        assert!(check(&before, &changed).is_err(), "line {at} of {count}");
                    }
                }
            }
            let mut changed = after.clone();
            changed.blocks[0].lines.remove(0);
            assert!(check(&before, &changed).is_err());
        }
    }
}
