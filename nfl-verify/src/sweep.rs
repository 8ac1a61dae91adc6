//! The single pass over the code.
//!
//! In: instructions, entry states, and a judge for what happens at loop heads. Out: the memory that
//! each instruction touches and what its services cost, or the first refusal. Guaranteed: every edge of control is followed,
//! in address order. A state that goes forward waits at its target and is joined with others; one
//! that goes back must satisfy the judge of its loop. So what holds at each address is inductive.

use alloc::vec::Vec;

use crate::call;
use crate::certificate::Claim;
use crate::code::{Code, Flow, Line};
use crate::join::{Covered, Joiner};
use crate::loops::Loop;
use crate::refine;
use crate::refusal::{Place, Reason, Refusal};
use crate::report::Touches;
use crate::state::{ALL_BYTES, FIRST, Kind, LEN, REGS, Space, State, Sym, UNMARKED, Value, WORDS};
use crate::subroutine::{Subroutine, Summary};
use crate::transfer::{self, Passed, World, step};

/// Decides what holds at the heads of loops. The prover checks a certificate; the proposer makes
/// one.
pub(crate) trait Judge {
    /// The loop with this index in the order of heads.
    fn body(&self, index: usize) -> Option<&Loop>;

    /// Control reaches the head of a loop from outside in `state`.
    fn enter(&mut self, index: usize, state: &State) -> Result<(), Reason>;

    /// Control goes back to the head of a loop in `state`. `first` is the symbol of the first claim
    /// about a range; the others follow it.
    fn repeat(&mut self, index: usize, first: Sym, state: &State) -> Result<(), Reason>;

    /// The subroutine with this index in the order of addresses.
    fn subroutine(&self, index: usize) -> Option<&Subroutine>;

    /// A subroutine is called in `state`.
    fn call(&mut self, index: usize, state: &mut State) -> Result<(), Reason>;

    /// Something could not be proved. The prover refuses; the proposer goes on without it.
    fn object(&mut self, around: &[Open], reason: Reason) -> Result<(), Reason>;

    /// Whether ways that the claims rule out need not be gone yet, because the claims still grow.
    fn is_early(&self) -> bool {
        false
    }

    /// Control is about to pass an instruction.
    fn visit(&mut self, _line: &Line, _state: &State) {}
}

/// A loop around the current instruction.
pub(crate) struct Open {
    /// Its index among the loops.
    pub(crate) index: usize,
    head: u32,
    end: u32,
    /// The symbol of its first claim.
    first: Sym,
    /// Symbols below keep their names inside the loop.
    floor: Sym,
    /// The words that loops around this one expect to change.
    outer_words: u64,
}

/// The subroutine around the current instruction.
struct Inside {
    index: usize,
    /// The symbol of its first claim.
    first: Sym,
    /// Symbols below keep their names in the body.
    floor: Sym,
}

/// A state that waits at a forward target.
struct Pending {
    pc: u32,
    /// The lowest address it comes from; an entry comes from before all code.
    from: Option<u32>,
    state: State,
    /// What came last.
    covered: Covered,
}

pub(crate) struct Sweep<'a, J> {
    pub(crate) code: &'a Code,
    pub(crate) world: World<'a>,
    pub(crate) pending_max: usize,
    pub(crate) judge: &'a mut J,
    open: Vec<Open>,
    next_loop: usize,
    inside: Option<Inside>,
    /// What the subroutines leave that have been passed.
    summaries: Vec<Summary>,
    /// In falling order of addresses.
    pending: Vec<Pending>,
    /// States whose memory can be used again.
    spare: Vec<State>,
    joiner: Joiner,
    space: Space,
    /// Marks that were given to states.
    marks: u32,
}

impl<'a, J: Judge> Sweep<'a, J> {
    pub(crate) fn new(
        code: &'a Code,
        world: World<'a>,
        pending_max: usize,
        judge: &'a mut J,
    ) -> Self {
        let (open, pending, spare) = (Vec::new(), Vec::new(), Vec::new());
        let summaries = Vec::new();
        Sweep {
            code,
            world,
            pending_max,
            judge,
            open,
            next_loop: 0,
            inside: None,
            summaries,
            pending,
            spare,
            joiner: Joiner::default(),
            space: Space::default(),
            marks: 0,
        }
    }

    /// Passes all instructions, starting from the entries.
    pub(crate) fn run(mut self, entries: Vec<(u32, State)>) -> Result<Vec<Passed>, Refusal> {
        for (pc, mut state) in entries {
            self.wait(pc, None, &mut state, Stays::No);
        }
        let mut passed = Vec::with_capacity(self.code.lines.len());
        let mut state = State::default();
        let mut falls = false;
        for line in &self.code.lines {
            let one = self
                .pass(line, &mut state, &mut falls)
                .map_err(|reason| reason.at(line.pc))?;
            passed.push(one);
        }
        match self.code.lines.last() {
            Some(line) if falls => Err(Reason::FallsOff.at(line.pc)),
            _ => Ok(passed),
        }
    }

    /// Passes one instruction. `state` is that with which control falls to it, if it does, and then
    /// that with which control falls to the next one.
    fn pass(&mut self, line: &Line, state: &mut State, falls: &mut bool) -> Result<Passed, Reason> {
        while let Some(open) = self.open.pop_if(|open| open.end <= line.pc) {
            self.world.loop_words = open.outer_words;
        }
        match self.entered(line.pc) {
            Some(subroutine) => self.enter(line.pc, state, *falls, subroutine)?,
            None => self.arrive(line.pc, state, *falls)?,
        }
        if self
            .judge
            .body(self.next_loop)
            .is_some_and(|one| one.claim.head == line.pc)
        {
            self.open_loop(state)?;
        }
        state.tidy(self.floor(), &mut self.space);
        self.judge.visit(line, state);
        *falls = true;
        match line.flow() {
            Flow::Branch(target) => {
                self.branch(line, target, state)?;
                Ok(Passed::default())
            }
            Flow::Jump(target) => {
                *falls = false;
                self.send(line, target, state, Stays::No)?;
                Ok(Passed::default())
            }
            Flow::Call(slot) => self.call(slot, state),
            Flow::Enter(target) => self.call_own(line, target, state),
            Flow::Return => {
                *falls = false;
                self.leave(state);
                Ok(Passed::default())
            }
            Flow::Next => self.step(line, state),
            Flow::Finish => {
                *falls = false;
                self.step(line, state)
            }
        }
    }

    fn floor(&self) -> Sym {
        if let Some(inside) = &self.inside {
            return inside.floor;
        }
        self.open.last().map_or(FIRST, |open| open.floor)
    }

    /// Joins what falls through from above, if anything does, with what waits here.
    fn arrive(&mut self, pc: u32, state: &mut State, falls: bool) -> Result<(), Reason> {
        let Some(waiting) = self.pending.pop_if(|waiting| waiting.pc == pc) else {
            return if falls { Ok(()) } else { Err(Reason::Dead) };
        };
        if let Some(open) = self.open.last()
            && waiting.from.is_none_or(|from| from < open.head)
        {
            return Err(Reason::LoopEntry { head: open.head });
        }
        let above = core::mem::replace(state, waiting.state);
        if falls {
            state.join(&above, self.floor(), &mut self.joiner);
        }
        self.spare.push(above);
        Ok(())
    }

    /// Replaces what changes in the loop by what is claimed about it.
    fn open_loop(&mut self, state: &mut State) -> Result<(), Reason> {
        let index = self.next_loop;
        self.next_loop += 1;
        state.compact(self.floor(), &mut self.space);
        self.judge.enter(index, state)?;
        let Some(one) = self.judge.body(index) else {
            return Ok(());
        };
        if one.resizes {
            state.move_packet(call::ANY_LENGTH);
        }
        for reg in (0..REGS as u8).filter(|reg| one.regs >> reg & 1 != 0) {
            state.set(Place(reg), Value::UNINIT);
        }
        for word in (0..WORDS as u8).filter(|word| one.words >> word & 1 != 0) {
            state.set(Place(REGS as u8 + word), Value::UNINIT);
        }
        let first = assume(state, &one.claim.claims);
        let (head, end) = (one.claim.head, one.claim.end);
        let outer_words = self.world.loop_words;
        self.world.loop_words &= one.words;
        self.open.push(Open {
            index,
            head,
            end,
            first,
            floor: state.symbols(),
            outer_words,
        });
        Ok(())
    }

    /// The index of the subroutine that starts here.
    fn entered(&self, pc: u32) -> Option<usize> {
        let next = self.judge.subroutine(self.summaries.len())?;
        (next.claim.entry == pc).then_some(self.summaries.len())
    }

    /// Starts on the body of a subroutine with what is claimed about all its calls. No loop is open: none has one inside.
    fn enter(
        &mut self,
        pc: u32,
        state: &mut State,
        falls: bool,
        index: usize,
    ) -> Result<(), Reason> {
        if falls || self.pending.last().is_some_and(|waiting| waiting.pc == pc) {
            return Err(Reason::SubroutineJump(pc));
        }
        let Some(one) = self.judge.subroutine(index) else {
            return Ok(());
        };
        let (entered, first) = one.enter();
        let floor = entered.symbols();
        self.world.loop_words = one.words;
        self.inside = Some(Inside {
            index,
            first,
            floor,
        });
        *state = entered;
        Ok(())
    }

    fn leave(&mut self, state: &State) {
        let Some(inside) = self.inside.take() else {
            return;
        };
        self.world.loop_words = u64::MAX;
        if let Some(one) = self.judge.subroutine(inside.index) {
            self.summaries.push(one.leave(state, inside.first));
        }
    }

    fn call_own(&mut self, line: &Line, target: u32, state: &mut State) -> Result<Passed, Reason> {
        let index = self.code.subroutine(target);
        let index = index.ok_or(Reason::NoSubroutine(line.inst))?;
        self.judge.call(index, state)?;
        if let Some(summary) = self.summaries.get(index) {
            summary.apply(state, line.inst.rd);
        }
        Ok(Passed::default())
    }

    fn step(&mut self, line: &Line, state: &mut State) -> Result<Passed, Reason> {
        let touches = step(state, &line.inst, &self.world).or_else(|reason| {
            let reason = match reason {
                Reason::LoopWords { first, last } if self.inside.is_some() => {
                    Reason::SubroutineWords { first, last }
                }
                reason => reason,
            };
            self.judge.object(&self.open, reason)?;
            transfer::assume(state, &line.inst);
            Ok(Touches::NONE)
        })?;
        Ok(Passed { touches, price: 0 })
    }

    fn call(&mut self, slot: u16, state: &mut State) -> Result<Passed, Reason> {
        let Some(import) = self.world.imports.get(usize::from(slot)) else {
            return Ok(Passed::default());
        };
        call::pass(state, import, &self.world).or_else(|reason| {
            self.judge.object(&self.open, reason)?;
            call::assume(state, import);
            Ok(Passed::default())
        })
    }

    /// Sends the state that is narrowed to one way to the target, and leaves that of what falls through.
    fn branch(&mut self, line: &Line, target: u32, state: &mut State) -> Result<(), Reason> {
        state.mark(&mut self.marks);
        let operands = match refine::operands(state, &line.inst) {
            Ok(operands) => operands,
            Err(reason) => {
                self.judge.object(&self.open, reason)?;
                return self.send(line, target, state, Stays::Yes);
            }
        };
        let op = line.inst.op;
        let void = [true, false].map(|taken| {
            let rules_out = self.judge.is_early() && !refine::can_be(state, op, operands, taken);
            state.void || rules_out
        });
        // Nothing else is learned about.
        let known = [operands.0.sym, operands.1.sym, LEN].map(|sym| (sym, state.fact(sym)));
        refine::learn(state, op, operands, true);
        state.void = void[0];
        self.send(line, target, state, Stays::Yes)?;
        for (sym, fact) in known {
            state.update(sym, fact);
        }
        refine::learn(state, op, operands, false);
        state.void = void[1];
        Ok(())
    }

    fn send(
        &mut self,
        line: &Line,
        target: u32,
        state: &mut State,
        stays: Stays,
    ) -> Result<(), Reason> {
        if target > line.pc {
            self.wait(target, Some(line.pc), state, stays);
            return if self.pending.len() > self.pending_max {
                Err(Reason::PendingJoins(self.pending_max))
            } else {
                Ok(())
            };
        }
        let open = self.open.iter().find(|open| open.head == target);
        let open = open.ok_or(Reason::Backward(target))?;
        self.judge.repeat(open.index, open.first, state)
    }

    fn wait(&mut self, pc: u32, from: Option<u32>, state: &mut State, stays: Stays) {
        let at = self.pending.partition_point(|waiting| waiting.pc > pc);
        let floor = self.floor();
        match self.pending.get_mut(at) {
            Some(waiting) if waiting.pc == pc => {
                waiting.from = waiting.from.min(from);
                let Pending {
                    state: all,
                    covered,
                    ..
                } = waiting;
                if !self.joiner.join_again(all, state, covered) {
                    if !all.is_near(state) && state.clean_mark() == UNMARKED {
                        state.mark_anew(&mut self.marks);
                    }
                    all.join(state, floor, &mut self.joiner);
                    all.tidy(floor, &mut self.space);
                }
                covered.note(state);
            }
            _ => {
                let mut sent = self.spare.pop().unwrap_or_default();
                match stays {
                    Stays::Yes => sent.copy_from(state),
                    Stays::No => core::mem::swap(&mut sent, state),
                }
                let covered = Covered::default();
                let waiting = Pending {
                    pc,
                    from,
                    state: sent,
                    covered,
                };
                self.pending.insert(at, waiting);
            }
        }
    }
}

/// Whether a state is of use behind the instruction that sends it elsewhere.
#[derive(Clone, Copy)]
enum Stays {
    Yes,
    No,
}

/// Makes every claimed place hold what is claimed of it, and no more; gives back the symbol of the first claim about a range,
/// which those of the others follow.
pub(crate) fn assume(state: &mut State, claims: &[Claim]) -> Sym {
    let first = state.symbols();
    for claim in claims {
        let value = claimed(state, claim);
        state.set(claim.place, value);
    }
    first
}

/// A value of which only the claim is known.
fn claimed(state: &mut State, claim: &Claim) -> Value {
    match claim.kind {
        Kind::Uninit => Value::UNINIT,
        Kind::Bytes => Value::bytes(ALL_BYTES),
        kind => {
            let base = claim.base();
            let sym = state.fresh((claim.lo - base, claim.hi - base));
            state.note_stride(sym, claim.stride);
            if let Some(slack) = claim.slack {
                state.note_slack(sym, slack + base);
            }
            Value { kind, sym, k: base }
        }
    }
}
