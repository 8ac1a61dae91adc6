//! Runs of host code.
//!
//! In: a compiled program, an entry, a packet and what the node adds. Out: the outcome. Guaranteed: the function is called with
//! what it was compiled for, and what is not a verdict that the manifest allows is the fault that it is for the interpreter.
//!
//! A program without services needs the packet's bytes and nothing else that a run could move, so its runs have a way of their
//! own, which is short enough to become part of the caller's loop.

use std::mem::MaybeUninit;
use std::ptr;

use nfl_abi::image::Verdict;
use nfl_abi::map;
use nfl_abi::{Image, Role};

use super::call::{Frame, GOING, Held, NO_ROOM, Run};
use super::{Native, Start};
use crate::load::{Loaded, Parts};
use crate::memory::Word;
use crate::outcome::{Budget, Effects, Fault, Outcome, Trap};
use crate::packet::{self, Context, View};
use crate::run::{admit, outcome};
use crate::services::{Bound, Services};
use crate::state::{Home, State};

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
    if frame.status == NO_ROOM {
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
        let start = self.entries.iter().find(|start| start.role == role)?;
        budget.covers(start.steps).then_some(start)
    }

    /// Whether the program calls no services.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.calls.is_empty()
    }

    /// Bytes of a packet that loads may reach, however short it is.
    #[inline]
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Runs an entry of a program without services that admits the packet: its bytes, open up to the window, and its length.
    #[inline]
    pub(crate) fn run_alone(
        &self,
        loaded: &Loaded,
        start: &Start,
        (packet, len): (&mut [u8], usize),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let bytes: [u8; map::CONTEXT_BYTES as usize];
        let context = match start.reads_context {
            true => {
                bytes = context.to_bytes(self.reads_clock);
                bytes.as_ptr()
            }
            // Code may still ask whether the address is zero, which it never is.
            false => ptr::dangling(),
        };
        let mut frame = MaybeUninit::uninit();
        Frame::alone(
            &mut frame,
            context,
            carried.as_mut_ptr(),
            self.constants.as_ptr(),
        );
        let function = start.function;
        let words = function(frame.as_mut_ptr().cast(), packet.as_mut_ptr(), len as u32);
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
                let packet = (view.readable_mut(), len);
                self.run_alone(parts.0, start, packet, context, carried)
            }
            true => self.run_on(parts, start, Held::Moving(view), context, carried),
            false => self.refuse(parts, start, (len, context, carried)),
        }
    }

    /// Runs an entry of a program with services on a packet in a buffer of the caller's, which it admits.
    pub(crate) fn run_frame(
        &self,
        parts: Parts<'_>,
        start: &Start,
        (frame, spare): (&mut packet::Frame<'_>, &mut Vec<u8>),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        if !self.resizes && frame.open(self.window).is_some() {
            return self.run_on(parts, start, Held::Still(frame), context, carried);
        }
        self.run_moving(parts, start, (frame, spare), context, carried)
    }

    #[inline(never)]
    fn run_moving(
        &self,
        parts: Parts<'_>,
        start: &Start,
        (frame, spare): (&mut packet::Frame<'_>, &mut Vec<u8>),
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let mut view = frame.view(self.window as u32, spare);
        self.run_on(parts, start, Held::Moving(&mut view), context, carried)
    }

    #[inline(always)]
    fn run_on(
        &self,
        (loaded, bound, state): Parts<'_>,
        start: &Start,
        packet: Held<'_, '_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        match state {
            Home::Own(state) => {
                self.run_with_services((loaded, bound, state), start, packet, context, carried)
            }
            Home::Shared(state) => {
                let mut state = state.lock();
                let parts = (loaded, bound, &mut *state);
                self.run_locked(parts, start, packet, context, carried)
            }
        }
    }

    /// Runs an entry while others wait for the state.
    #[inline(never)]
    fn run_locked(
        &self,
        parts: (&Loaded, &Bound, &mut State),
        start: &Start,
        packet: Held<'_, '_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        self.run_with_services(parts, start, packet, context, carried)
    }

    /// Runs an entry that admits the packet. All that a run needs is made where it stays: what is moved just after it
    /// was written makes the processor wait.
    #[inline(always)]
    fn run_with_services(
        &self,
        (loaded, bound, state): (&Loaded, &Bound, &mut State),
        start: &Start,
        packet: Held<'_, '_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Outcome, Fault> {
        let mut run = Run {
            services: Services::new(bound, state, start.layer, context),
            context: match start.reads_context {
                true => context.to_bytes(self.reads_clock),
                false => [0; map::CONTEXT_BYTES as usize],
            },
            packet,
            native: self,
        };
        let packet = match &mut run.packet {
            Held::Still(frame) => frame.start(),
            Held::Moving(view) => (view.start(), view.len()),
        };
        let mut frame = Frame::new(
            packet,
            run.context.as_ptr(),
            carried.as_mut_ptr(),
            self.constants.as_ptr(),
            &raw mut run,
        );
        let (packet, len) = (frame.packet, frame.len);
        let words = (start.function)((&raw mut frame).cast(), packet, len);
        if frame.status != GOING || run.services.has_effects() {
            let outcome = match frame.status {
                GOING => self.decided(loaded, words, || frame.pc)?,
                _ => stopped(loaded.image(), &frame)?,
            };
            return Ok(Outcome {
                effects: run.services.into_effects(),
                ..outcome
            });
        }
        self.decided(loaded, words, || frame.pc)
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
        if !self.calls.is_empty() {
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
            return finished(loaded.image(), (a0, a1), pc());
        };
        Ok(Outcome {
            verdict: Verdict {
                kind,
                operand: if self.operands >> a0 & 1 != 0 { a1 } else { 0 },
            },
            steps: None,
            by_need: false,
            no_room: false,
            effects: Effects::default(),
        })
    }
}
