//! Runs of host code.
//!
//! In: a compiled program, an entry, a packet and what the node adds. Out: the outcome. Guaranteed: the function is called with
//! what it was compiled for, and what is not a verdict that the manifest allows is the fault that it is for the interpreter.

use nfl_abi::Image;
use nfl_abi::image::Verdict;
use nfl_abi::map;

use super::Native;
use super::call::{Frame, GOING, NO_ROOM, Run};
use crate::load::Parts;
use crate::memory::Word;
use crate::outcome::{Budget, Effects, Fault, Outcome, Trap};
use crate::packet::{Context, View};
use crate::run::{admit, outcome};
use crate::services::Services;

/// The verdict that two words are, if the image may have it.
pub(super) fn verdict(image: &Image, a0: u32, a1: u32) -> Option<Verdict> {
    Some(finished(image, (a0, a1), 0).ok()?.verdict)
}

fn finished(image: &Image, (a0, a1): (u32, u32), pc: u32) -> Result<Outcome, Fault> {
    outcome(
        image,
        || pc,
        Some((Word::number(a0), Word::number(a1))),
        None,
    )
}

impl Native {
    /// Whether runs of an entry stay within a budget, which host code does not count.
    #[inline]
    pub(crate) fn covers(&self, index: usize, budget: Budget) -> bool {
        self.entries
            .get(index)
            .is_some_and(|entry| budget.covers(entry.steps))
    }

    /// Runs an entry.
    pub(crate) fn run(
        &self,
        (loaded, bound, state): Parts<'_>,
        index: usize,
        (mut view, context, carried): (View<'_>, &Context, &mut [u8]),
    ) -> Result<Outcome, Fault> {
        let start = self.entries.get(index).ok_or(Fault::NoSuchEntry(index))?;
        let (least, most) = start.lengths;
        let len = view.len();
        let is_admitted = len >= least && len <= most && carried.len() == self.carried_bytes;
        // Who imports nothing has no use for the state.
        if bound.slots.is_empty() && is_admitted {
            let bytes: [u8; map::CONTEXT_BYTES as usize];
            let context = match start.reads_context {
                true => {
                    bytes = context.to_bytes(self.reads_clock);
                    bytes.as_ptr()
                }
                // Code may still ask whether the address is zero, which it never is.
                false => std::ptr::dangling(),
            };
            let mut frame = Frame::new(
                (view.start(), len),
                context,
                carried.as_mut_ptr(),
                self.constants.as_ptr(),
                std::ptr::null_mut(),
            );
            return self.enter(loaded.image(), index, &mut frame);
        }
        let mut state = state.hold();
        let services = Services::new(bound, &mut state, start.layer, context);
        let image = loaded.image();
        if !is_admitted
            && let Some(entry) = image.manifest.entries.get(index)
            && let Some(outcome) = admit(image, entry, len, carried.len())?
        {
            return Ok(outcome);
        }
        let mut run = Run {
            services,
            packet: view,
            context: context.to_bytes(self.reads_clock),
            native: self,
        };
        let mut frame = Frame::new(
            (run.packet.start(), len),
            run.context.as_ptr(),
            carried.as_mut_ptr(),
            self.constants.as_ptr(),
            &raw mut run,
        );
        let mut outcome = self.enter(image, index, &mut frame)?;
        outcome.effects = run.services.into_effects();
        Ok(outcome)
    }

    /// Calls the function of an entry, and makes of its words an outcome without effects.
    #[inline(always)]
    fn enter(&self, image: &Image, index: usize, frame: &mut Frame<'_>) -> Result<Outcome, Fault> {
        let start = self.entries.get(index).ok_or(Fault::NoSuchEntry(index))?;
        let (packet, len) = (frame.packet, frame.len);
        let words = (start.function)((&raw mut *frame).cast(), packet, len);
        let (a0, a1) = (words as u32, (words >> 32) as u32);
        match (frame.status, self.verdicts.get(a0 as usize)) {
            (GOING, Some(&Some(kind))) => Ok(Outcome {
                verdict: Verdict {
                    kind,
                    operand: if self.operands >> a0 & 1 != 0 { a1 } else { 0 },
                },
                steps: None,
                by_need: false,
                no_room: false,
                effects: Effects::default(),
            }),
            (GOING, _) => finished(image, (a0, a1), frame.pc),
            (NO_ROOM, _) => outcome(image, || 0, None, None),
            _ => Err(Fault::Trap {
                pc: frame.pc,
                trap: Trap::Service,
            }),
        }
    }
}
