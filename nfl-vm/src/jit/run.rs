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
use nfl_abi::map;
use nfl_abi::{Image, Role};

use super::call::{Frame, GOING, Held, NO_ROOM, NOTHING_TOLD};
use super::{Native, Start, VERDICTS};
use crate::load::{Loaded, Parts};
use crate::memory::Word;
use crate::outcome::{Budget, Effects, Fault, Outcome, Trap, aside};
use crate::packet::{self, Context, View};
use crate::run::{admit, outcome};
use crate::services::{Bound, Services};
use crate::state::{Home, State};

/// Where a packet begins and how long it is, with zeros behind a short one up to the window.
pub(crate) type Place = (*mut u8, usize);

/// The verdict that two words are, if the image may have it.
pub(super) fn verdict(image: &Image, a0: u32, a1: u32) -> Option<Verdict> {
    Some(finished(image, (a0, a1), 0).ok()?.verdict)
}

#[cold]
fn finished(image: &Image, (a0, a1): (u32, u32), pc: u32) -> Result<Outcome, Fault> {
    outcome(
        image,
        || pc,
        Some((Word::number(a0), Word::number(a1))),
        None,
    )
}

/// How a run ended that has no verdict, or none of its own.
#[cold]
fn stopped(image: &Image, frame: &Frame<'_, '_>) -> Result<Outcome, Fault> {
    if frame.told[0] == NO_ROOM {
        return outcome(image, || 0, None, None);
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

    /// The same, where the packet is one that runs leave where it is, and so long that it is [open](Native::open).
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

    /// The same for the first entry of a role.
    #[inline]
    pub(crate) fn start_of(&self, role: Role, budget: Budget) -> Option<&Start> {
        let start = self.firsts.get(usize::from(role.number()))?.as_ref()?;
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
        &self,
        loaded: &Loaded,
        start: &Start,
        (packet, len): Place,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let bytes: [u8; map::CONTEXT_BYTES as usize];
        let context = match start.context_in_bytes {
            true => {
                cold_path();
                bytes = context.to_bytes(self.reads_clock);
                bytes.as_ptr()
            }
            false => ptr::from_ref(context).cast(),
        };
        let mut frame = MaybeUninit::uninit();
        Frame::alone(
            &mut frame,
            context,
            carried.as_mut_ptr(),
            self.constants.as_ptr(),
        );
        let function = start.function;
        let words = function(frame.as_mut_ptr().cast(), packet, len as u32, ptr::null());
        self.decided(loaded, words, || Frame::finished_at(&frame))
    }

    /// Runs an entry.
    #[inline]
    pub(crate) fn run(
        &self,
        parts: Parts<'_>,
        start: &Start,
        (view, context, carried): (&mut View<'_>, &Context, &mut [u8]),
    ) -> Result<Outcome, Fault> {
        let len = view.len();
        match start.admits(len, carried.len()) {
            true if self.is_alone() => {
                let packet = (view.start(), len);
                self.run_alone(parts.0, start, packet, context, carried)
            }
            true => self.run_view(parts, start, view, context, carried),
            false => self.refuse(parts, start, (len, context, carried)),
        }
    }

    /// Opens a packet that runs leave where it is up to the window; answers whether it did: not where they may move it, or its
    /// buffer ends before the window.
    pub(crate) fn open(&self, frame: &mut packet::Frame<'_>) -> bool {
        !self.resizes && frame.open(self.window)
    }

    /// Runs an entry that admits the packet, which is [open](Native::open).
    #[inline(always)]
    pub(crate) fn run_in_place(
        &self,
        loaded: &Loaded,
        (bound, state): (&mut Bound, &mut Home),
        start: &Start,
        (frame, place): (&mut packet::Frame<'_>, Place),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        if self.is_alone() {
            return self.run_alone(loaded, start, place, context, carried);
        }
        let Home::Own(state) = state else {
            cold_path();
            let parts = (loaded, bound, state);
            return aside(self.run_shared(parts, start, frame, context, carried));
        };
        let parts = (loaded, bound, &mut **state);
        self.run_on(parts, start, (Held::Still(frame), place), context, carried)
    }

    #[inline(never)]
    fn run_shared(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        frame: &mut packet::Frame<'_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let mut state = state.hold();
        let parts = (loaded, bound, &mut *state);
        let place = frame.start();
        self.run_on(parts, start, (Held::Still(frame), place), context, carried)
    }

    #[inline(never)]
    fn run_view(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        view: &mut View<'_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let mut state = state.hold();
        let parts = (loaded, bound, &mut *state);
        let place = (view.start(), view.len());
        self.run_on(parts, start, (Held::Moving(view), place), context, carried)
    }

    /// Runs an entry that admits the packet. All that a run needs is made where it stays: what is moved just after it
    /// was written makes the processor wait.
    #[inline(always)]
    fn run_on(
        &self,
        (loaded, bound, state): (&Loaded, &mut Bound, &mut State),
        start: &Start,
        (held, place): (Held<'_, '_>, Place),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        state.begin(context.clock_ns);
        bound.follow(state);
        let services = Services::begun(bound, state, start.layer, context);
        let mut frame = Frame::new(self, services, (held, place), carried.as_mut_ptr());
        let words = match start.context_in_bytes {
            true => {
                cold_path();
                frame.call_with_bytes(start.function, context)
            }
            false => frame.call(start.function, ptr::from_ref(context).cast()),
        };
        if frame.told != NOTHING_TOLD {
            return aside(self.told(loaded, frame, words));
        }
        self.decided(loaded, words, || frame.pc)
    }

    /// What a run came to that a service ended, or that did more than change the packet.
    #[cold]
    fn told(&self, loaded: &Loaded, frame: Frame<'_, '_>, words: u64) -> Result<Outcome, Fault> {
        let outcome = match frame.told[0] {
            GOING => self.decided(loaded, words, || frame.pc)?,
            _ => stopped(loaded.image(), &frame)?,
        };
        Ok(Outcome {
            effects: frame.services.into_effects(),
            ..outcome
        })
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

    /// Makes of the words that a function answered an outcome without effects.
    #[inline(always)]
    fn decided(
        &self,
        loaded: &Loaded,
        words: u64,
        pc: impl FnOnce() -> u32,
    ) -> Result<Outcome, Fault> {
        let (a0, a1) = (words as u32, (words >> 32) as u32);
        let Some(&Some(kind)) = self.verdicts.get(a0 as usize) else {
            return aside(finished(loaded.image(), (a0, a1), pc()));
        };
        Ok(Outcome {
            verdict: Verdict {
                kind,
                operand: a1 & self.operands[a0 as usize % VERDICTS],
            },
            steps: None,
            by_need: false,
            no_room: false,
            effects: Effects::default(),
        })
    }
}
