//! Runs of host code.
//!
//! In: a compiled program, an entry, a packet and what the node adds. Out: the outcome. Guaranteed: the function is called with
//! what it was compiled for, and what is not a verdict that the manifest allows is the fault that it is for the interpreter.
//!
//! A run that leaves its packet where it is becomes part of the caller's loop: it needs the packet's bytes and, for services, a
//! [`Frame`] on the stack.

use std::hint::cold_path;
use std::mem::MaybeUninit;
use std::ptr;

use nfl_abi::image::Verdict;
use nfl_abi::{Image, Role};

use super::call::{ContextBytes, Frame, GOING, Held, NO_ROOM, NOTHING_TOLD, context_bytes};
use super::finish::decided;
use super::{Native, Start};
use crate::load::{Loaded, Parts};
use crate::memory::Word;
use crate::outcome::{Budget, Effects, Fault, Outcome, Trap, aside};
use crate::packet::{self, Context, View};
use crate::run::{admit, not_allowed, outcome};
use crate::services::{Bound, Services};
use crate::state::{Home, State};

/// Where a packet begins and how long it is, with zeros behind a short one up to the window.
pub(crate) type Place = (*mut u8, usize);

/// The verdict that two words are, if the image may have it.
pub(super) fn verdict(image: &Image, a0: u32, a1: u32) -> Option<Verdict> {
    let words = (Word::number(a0), Word::number(a1));
    let outcome = outcome(image, || 0, Some(words), None);
    Some(outcome.ok()?.verdict)
}

/// What a run comes to that did nothing but change the packet.
#[inline(always)]
fn without_effects(verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        steps: None,
        by_need: false,
        no_room: false,
        effects: Effects::default(),
    }
}

/// What a run comes to that host code left undecided and no service has ended.
#[cold]
#[inline(never)]
fn undecided(frame: *const Frame<'_, '_>) -> Result<Outcome, Fault> {
    // SAFETY: this is called for such runs, behind the call of host code.
    let (verdict, pc) = unsafe { Frame::said(frame) };
    let trap = not_allowed(verdict);
    Err(Fault::Trap { pc, trap })
}

/// What a run comes to that a service ended, or that did more than change the packet, or is undecided.
#[cold]
#[inline(never)]
fn told(frame: &mut Frame<'_, '_>, answer: u64) -> Result<Outcome, Fault> {
    let outcome = match (frame.told[0], decided(answer)) {
        (GOING, Some(verdict)) => without_effects(verdict),
        (GOING, None) => undecided(frame)?,
        _ => stopped(frame)?,
    };
    Ok(Outcome {
        effects: frame.services.take_effects(),
        ..outcome
    })
}

/// How a run ended that has no verdict, or none of its own.
fn stopped(frame: &Frame<'_, '_>) -> Result<Outcome, Fault> {
    if frame.told[0] == NO_ROOM {
        return outcome(frame.loaded.image(), || 0, None, None);
    }
    Err(Fault::Trap {
        pc: frame.pc,
        trap: Trap::Service,
    })
}

impl Start {
    /// Whether it runs for a packet and a `carried` area of so many bytes.
    #[inline]
    pub(crate) fn admits(&self, packet: usize, carried: usize) -> bool {
        let (least, most) = self.lengths;
        packet >= least && packet <= most && carried == self.carried_bytes
    }

    /// The same, where the packet is one that runs leave where it is, and so long that it is [open](Native::open), and the context
    /// is read as it is.
    #[inline(always)]
    pub(crate) fn takes(&self, packet: usize, carried: usize) -> bool {
        let (least, more) = self.taken;
        packet.wrapping_sub(least) <= more && carried == self.carried_bytes
    }
}

impl Native {
    /// The entry at a place, if all its runs stay within a budget, which host code does not count.
    #[inline]
    pub(crate) fn start(&self, index: usize, budget: Budget) -> Option<&Start> {
        let start = self.entries.get(index)?;
        budget.covers(start.steps).then_some(start)
    }

    /// The same for the first entry of a role; one that admits no packet where there is none.
    #[inline]
    pub(crate) fn start_of(&self, role: Role, budget: Budget) -> Option<&Start> {
        let start = self.firsts.get(usize::from(role.number()))?;
        budget.covers(start.steps).then_some(start)
    }

    /// Whether the program calls no services.
    #[inline]
    fn is_alone(&self) -> bool {
        self.calls.is_empty()
    }

    /// Runs an entry of a program without services that admits the packet: where it begins, open up to the window, and its length.
    #[inline(always)]
    fn run_alone(
        start: &Start,
        (packet, len): Place,
        context: *const u8,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let mut frame = MaybeUninit::uninit();
        Frame::alone(&mut frame, carried.as_mut_ptr());
        let (function, frame) = (start.function, frame.as_mut_ptr());
        let answer = function(frame.cast(), packet, len, ptr::null(), context);
        if let Some(verdict) = decided(answer) {
            return Ok(without_effects(verdict));
        }
        aside(undecided(frame))
    }

    /// Runs an entry.
    #[inline]
    pub(crate) fn run(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        (view, context, carried): (&mut View<'_>, &Context, &mut [u8]),
    ) -> Result<Outcome, Fault> {
        let len = view.len();
        if !start.admits(len, carried.len()) {
            return self.refuse((loaded, bound, state), start, (len, context, carried));
        }
        let (on, held) = ((bound, state), Held::Moving(view));
        self.run_held(loaded, on, start, held, context, carried)
    }

    /// Opens a packet that runs leave where it is up to the window; answers whether it did: not where they may move it, or its
    /// buffer ends before the window.
    pub(crate) fn open(&self, frame: &mut packet::Frame<'_>) -> bool {
        !self.resizes && frame.open(self.window)
    }

    /// Runs an entry that admits the packet, which is [open](Native::open).
    pub(crate) fn run_open(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        frame: &mut packet::Frame<'_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let (on, held) = ((bound, state), Held::Still(frame));
        self.run_held(loaded, on, start, held, context, carried)
    }

    /// Runs an entry that [takes](Start::takes) the packet.
    #[inline(always)]
    pub(crate) fn run_in_place(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        (frame, place): (&mut packet::Frame<'_>, Place),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let words = ptr::from_ref(context).cast();
        if self.is_alone() {
            return Native::run_alone(start, place, words, carried);
        }
        // The caller's may stay in registers, since it is not handed on where there are no services.
        let mut frame = frame.again();
        let place = frame.start();
        if let Home::Own(own) = &mut *state
            && own.is_ready()
            && bound.follows(own)
        {
            own.begin_ready(context.clock_ns);
            let parts = (loaded, &*bound, &mut **own);
            let held = (Held::Still(&mut frame), place);
            return Native::run_on::<false>(parts, start, held, context, carried);
        }
        cold_path();
        let (on, held) = ((bound, state), Held::Still(&mut frame));
        aside(self.run_held(loaded, on, start, held, context, carried))
    }

    /// Runs an entry that admits the packet, which is [open](Native::open) or moves.
    #[inline(never)]
    fn run_held(
        &self,
        loaded: &Loaded,
        (bound, state): (&mut Bound, &mut Home),
        start: &Start,
        mut held: Held<'_, '_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let place = held.start();
        if self.is_alone() {
            let bytes: ContextBytes;
            let context = match start.context_in_bytes {
                true => {
                    bytes = context_bytes(loaded, context);
                    bytes.as_ptr()
                }
                false => ptr::from_ref(context).cast(),
            };
            return Native::run_alone(start, place, context, carried);
        }
        let mut state = state.hold();
        state.begin(context.clock_ns);
        bound.follow(&state);
        let parts = (loaded, &*bound, &mut *state);
        match start.context_in_bytes {
            true => Native::run_on::<true>(parts, start, (held, place), context, carried),
            false => Native::run_on::<false>(parts, start, (held, place), context, carried),
        }
    }

    /// Runs an entry that admits the packet on a state where the run has begun, and reads the context in bytes or not. All that a
    /// run needs is made where it stays: what is moved just after it was written makes the processor wait.
    #[inline(always)]
    fn run_on<const IN_BYTES: bool>(
        (loaded, bound, state): (&Loaded, &Bound, &mut State),
        start: &Start,
        (held, place): (Held<'_, '_>, Place),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let services = Services::begun(bound, state, start.layer, context);
        let mut frame = Frame::new(loaded, services, (held, place), carried.as_mut_ptr());
        let answer = match IN_BYTES {
            true => frame.call_with_bytes(start.function, context),
            false => frame.call(start.function, ptr::from_ref(context).cast()),
        };
        if frame.told == NOTHING_TOLD
            && let Some(verdict) = decided(answer)
        {
            return Ok(without_effects(verdict));
        }
        aside(told(&mut frame, answer))
    }

    /// What becomes of a packet that an entry does not run for; the clock goes on all the same.
    #[cold]
    fn refuse(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        (len, context, carried): (usize, &Context, &mut [u8]),
    ) -> Result<Outcome, Fault> {
        let image = loaded.image();
        let entry = image.manifest.entries.get(start.index);
        let entry = entry.ok_or(Fault::NoSuchEntry(start.index))?;
        if !self.is_alone() {
            Services::new(bound, &mut state.hold(), start.layer, context);
        }
        let outcome = admit(image, entry, len, carried.len())?;
        outcome.ok_or(Fault::NoSuchEntry(start.index))
    }
}
