//! The single pass over the code.
//!
//! In: instructions, entry states, and a judge for what happens at loop heads. Out: the memory that
//! each instruction touches and what its services cost, or the first refusal. Guaranteed: every edge of control is followed,
//! in address order. A state that goes forward waits at its target and is joined with others; one
//! that goes back must satisfy the judge of its loop. So what holds at each address is inductive.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::call;
use crate::certificate::Claim;
use crate::code::{Code, Flow, Line};
use crate::join::{Covered, Joiner};
use crate::loops::Loop;
use crate::refine;
use crate::refusal::{Checked, Place, Range, Reason, Refusal};
use crate::state::{ALL_BYTES, FIRST, Kind, LEN, REGS, Space, State, Sym, UNMARKED, Value, WORDS};
use crate::subroutine::{Subroutine, Summary};
use crate::transfer::{self, Passed, World, step};

/// Decides what holds at the heads of loops. The prover checks a certificate; the proposer makes
/// one.
pub(crate) trait Judge {
    /// The loop with this index in the order of heads.
    fn body(&self, index: usize) -> Option<&Loop>;

    /// Control reaches the head of a loop from outside in `state`.
    fn enter(&mut self, index: usize, state: &State) -> Checked<()>;

    /// Control goes back to the head of a loop in `state`. `first` is the symbol of the first claim
    /// about a range; the others follow it.
    fn repeat(&mut self, index: usize, first: Sym, state: &State) -> Checked<()>;

    /// The subroutine with this index in the order of addresses.
    fn subroutine(&self, index: usize) -> Option<&Subroutine>;

    /// A subroutine is called in `state`.
    fn call(&mut self, index: usize, state: &mut State) -> Checked<()>;

    /// Something could not be proved. The prover refuses; the proposer goes on without it.
    fn object(&mut self, around: &[Open], reason: Box<Reason>) -> Checked<()>;

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
#[derive(Default)]
struct Pending {
    pc: u32,
    /// The lowest address it comes from; an entry comes from before all code.
    from: Option<u32>,
    state: State,
    /// What came last.
    covered: Covered,
}

/// What a sweep needs room for, used again by the next one.
#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "states are large, and their order changes all the time"
)]
pub(crate) struct Memory {
    open: Vec<Open>,
    /// In falling order of addresses.
    pending: Vec<Box<Pending>>,
    /// Those that wait no more.
    spare: Vec<Box<Pending>>,
    joiner: Joiner,
    space: Space,
}

impl Memory {
    /// Forgets what a sweep left that was given up.
    fn clear(&mut self) {
        self.open.clear();
        self.spare.append(&mut self.pending);
    }
}

pub(crate) struct Sweep<'a, J> {
    pub(crate) code: &'a Code,
    pub(crate) world: World<'a>,
    pub(crate) pending_max: usize,
    pub(crate) judge: &'a mut J,
    memory: &'a mut Memory,
    next_loop: usize,
    inside: Option<Inside>,
    /// What the subroutines leave that have been passed.
    summaries: Vec<Summary>,
    /// Marks that were given to states.
    marks: u32,
}

impl<'a, J: Judge> Sweep<'a, J> {
    pub(crate) fn new(
        code: &'a Code,
        world: World<'a>,
        pending_max: usize,
        judge: &'a mut J,
        memory: &'a mut Memory,
    ) -> Self {
        memory.clear();
        Sweep {
            code,
            world,
            pending_max,
            judge,
            memory,
            next_loop: 0,
            inside: None,
            summaries: Vec::new(),
            marks: 0,
        }
    }

    /// Passes all instructions, starting from the entries, which are called for packets of these lengths.
    pub(crate) fn run(mut self, entries: &[(u32, Range)]) -> Result<Vec<Passed>, Refusal> {
        let mut falling = self.memory.spare.pop().unwrap_or_default();
        let state = &mut falling.state;
        for &(pc, len) in entries {
            state.start(len);
            self.wait(pc, None, state, Stays::No);
        }
        let mut passed = Vec::with_capacity(self.code.lines.len());
        let mut falls = false;
        for line in &self.code.lines {
            match self.pass(line, state, &mut falls) {
                Ok(one) => passed.push(one),
                Err(reason) => return Err(reason.at(line.pc)),
            }
        }
        self.memory.spare.push(falling);
        match self.code.lines.last() {
            Some(line) if falls => Err(Reason::FallsOff.at(line.pc)),
            _ => Ok(passed),
        }
    }

    /// Passes one instruction. `state` is that with which control falls to it, if it does, and then
    /// that with which control falls to the next one.
    fn pass(&mut self, line: &Line, state: &mut State, falls: &mut bool) -> Checked<Passed> {
        while let Some(open) = self.memory.open.pop_if(|open| open.end <= line.pc) {
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
        let floor = self.floor();
        state.tidy(floor, &mut self.memory.space);
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
        self.memory.open.last().map_or(FIRST, |open| open.floor)
    }

    /// Joins what falls through from above, if anything does, with what waits here.
    fn arrive(&mut self, pc: u32, state: &mut State, falls: bool) -> Checked<()> {
        let waiting = self.memory.pending.pop_if(|waiting| waiting.pc == pc);
        let Some(mut waiting) = waiting else {
            return if falls { Ok(()) } else { Reason::Dead.refuse() };
        };
        if let Some(open) = self.memory.open.last()
            && waiting.from.is_none_or(|from| from < open.head)
        {
            return Reason::LoopEntry { head: open.head }.refuse();
        }
        core::mem::swap(state, &mut waiting.state);
        if falls {
            let floor = self.floor();
            state.join(&waiting.state, floor, &mut self.memory.joiner);
        }
        self.memory.spare.push(waiting);
        Ok(())
    }

    /// Replaces what changes in the loop by what is claimed about it.
    fn open_loop(&mut self, state: &mut State) -> Checked<()> {
        let index = self.next_loop;
        self.next_loop += 1;
        let floor = self.floor();
        state.compact(floor, &mut self.memory.space);
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
        self.memory.open.push(Open {
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
    fn enter(&mut self, pc: u32, state: &mut State, falls: bool, index: usize) -> Checked<()> {
        if falls
            || self
                .memory
                .pending
                .last()
                .is_some_and(|waiting| waiting.pc == pc)
        {
            return Reason::SubroutineJump(pc).refuse();
        }
        let Some(one) = self.judge.subroutine(index) else {
            return Ok(());
        };
        let first = one.enter(state);
        let floor = state.symbols();
        self.world.loop_words = one.words;
        self.inside = Some(Inside {
            index,
            first,
            floor,
        });
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

    fn call_own(&mut self, line: &Line, target: u32, state: &mut State) -> Checked<Passed> {
        let index = self.code.subroutine(target);
        let index = index.ok_or(Reason::NoSubroutine(line.inst))?;
        self.judge.call(index, state)?;
        if let Some(summary) = self.summaries.get(index) {
            summary.apply(state, line.inst.rd);
        }
        Ok(Passed::default())
    }

    fn step(&mut self, line: &Line, state: &mut State) -> Checked<Passed> {
        match step(state, &line.inst, &self.world) {
            Ok(touches) => Ok(Passed { touches, price: 0 }),
            Err(reason) => self.step_without_proof(line, state, reason),
        }
    }

    #[cold]
    fn step_without_proof(
        &mut self,
        line: &Line,
        state: &mut State,
        mut reason: Box<Reason>,
    ) -> Checked<Passed> {
        if let Reason::LoopWords { first, last } = *reason
            && self.inside.is_some()
        {
            *reason = Reason::SubroutineWords { first, last };
        }
        self.judge.object(&self.memory.open, reason)?;
        transfer::assume(state, &line.inst);
        Ok(Passed::default())
    }

    fn call(&mut self, slot: u16, state: &mut State) -> Checked<Passed> {
        let Some(import) = self.world.imports.get(usize::from(slot)) else {
            return Ok(Passed::default());
        };
        match call::pass(state, import, &self.world) {
            Ok(passed) => Ok(passed),
            Err(reason) => {
                self.judge.object(&self.memory.open, reason)?;
                call::assume(state, import);
                Ok(Passed::default())
            }
        }
    }

    /// Sends the state that is narrowed to one way to the target, and leaves that of what falls through.
    fn branch(&mut self, line: &Line, target: u32, state: &mut State) -> Checked<()> {
        state.mark(&mut self.marks);
        let operands = match refine::operands(state, &line.inst) {
            Ok(operands) => operands,
            Err(reason) => {
                self.judge.object(&self.memory.open, reason)?;
                return self.send(line, target, state, Stays::Yes);
            }
        };
        let op = line.inst.op;
        let early = self.judge.is_early();
        let void = |taken| state.void || early && !refine::can_be(state, op, operands, taken);
        let (void_there, void_here) = (void(true), void(false));
        // Nothing else is learned about.
        let (a, b) = (operands.0.sym(), operands.1.sym());
        let known = (state.fact(a), state.fact(b), state.fact(LEN));
        refine::learn(state, op, operands, true);
        state.void = void_there;
        self.send(line, target, state, Stays::Yes)?;
        state.update(a, known.0);
        state.update(b, known.1);
        state.update(LEN, known.2);
        refine::learn(state, op, operands, false);
        state.void = void_here;
        Ok(())
    }

    fn send(&mut self, line: &Line, target: u32, state: &mut State, stays: Stays) -> Checked<()> {
        if target > line.pc {
            self.wait(target, Some(line.pc), state, stays);
            return if self.memory.pending.len() > self.pending_max {
                Reason::PendingJoins(self.pending_max).refuse()
            } else {
                Ok(())
            };
        }
        let open = self.memory.open.iter().find(|open| open.head == target);
        let open = open.ok_or(Reason::Backward(target))?;
        self.judge.repeat(open.index, open.first, state)
    }

    fn wait(&mut self, pc: u32, from: Option<u32>, state: &mut State, stays: Stays) {
        let floor = self.floor();
        let Memory {
            pending,
            spare,
            joiner,
            space,
            ..
        } = &mut *self.memory;
        let at = pending.partition_point(|waiting| waiting.pc > pc);
        let found = pending.get_mut(at).filter(|waiting| waiting.pc == pc);
        let Some(waiting) = found else {
            let mut waiting = spare.pop().unwrap_or_default();
            (waiting.pc, waiting.from) = (pc, from);
            waiting.covered.forget();
            match stays {
                Stays::Yes => waiting.state.copy_from(state),
                Stays::No => core::mem::swap(&mut waiting.state, state),
            }
            pending.insert(at, waiting);
            return;
        };
        waiting.from = waiting.from.min(from);
        let Pending {
            state: all,
            covered,
            ..
        } = &mut **waiting;
        if !joiner.join_again(all, state, covered) {
            if !all.is_near(state) && state.clean_mark() == UNMARKED {
                state.mark_anew(&mut self.marks);
            }
            all.join(state, floor, joiner);
            all.tidy(floor, space);
        }
        covered.note(state);
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
            Value::new(kind, sym, base)
        }
    }
}
