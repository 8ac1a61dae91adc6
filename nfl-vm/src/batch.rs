//! Many packets in one call.
//!
//! In: packets in buffers of the caller's, each with its context and its `carried` area. Out: what a run
//! of each one alone comes to, in the same order. Guaranteed: nothing is asked of memory but room for
//! the outcomes, which the caller keeps.

use nfl_abi::Role;

use crate::load::Instance;
use crate::outcome::{Budget, Fault, Outcome};
use crate::packet::{Context, Frame};

/// One packet of a batch.
#[derive(Debug)]
pub struct Job<'a> {
    /// The packet from the handler's layer on, in a buffer of the caller's.
    pub frame: Frame<'a>,
    /// What the node tells.
    pub context: Context,
    /// Memory that travels with the packet, as long as the manifest's; often none.
    pub carried: &'a mut [u8],
}

impl Instance {
    /// Runs the handler of `role` on each packet, in order, and puts the outcomes into `outcomes`, whose
    /// former contents go. What one packet writes to tables, the next one reads.
    ///
    /// A run without a verdict leaves its [`Fault`] in its place; the others run all the same.
    pub fn run_batch(
        &mut self,
        role: Role,
        jobs: &mut [Job<'_>],
        budget: Budget,
        outcomes: &mut Vec<Result<Outcome, Fault>>,
    ) {
        outcomes.clear();
        outcomes.reserve(jobs.len());
        #[cfg(feature = "jit")]
        if self.run_batch_compiled(role, jobs, budget, outcomes) {
            return;
        }
        for job in jobs {
            let Job {
                frame,
                context,
                carried,
            } = job;
            outcomes.push(self.run_frame(role, frame, context, carried, budget));
        }
    }

    /// The same by host code; answers whether there is some. What all runs have in common is found once.
    #[cfg(feature = "jit")]
    fn run_batch_compiled(
        &mut self,
        role: Role,
        jobs: &mut [Job<'_>],
        budget: Budget,
        outcomes: &mut Vec<Result<Outcome, Fault>>,
    ) -> bool {
        let loaded = self.loaded().clone();
        let Some(native) = loaded.native().get() else {
            return false;
        };
        let Some(start) = native.start_of(role, budget) else {
            return false;
        };
        for job in jobs {
            let Job {
                frame,
                context,
                carried,
            } = job;
            let outcome = match start.takes(frame.len(), carried.len()) {
                true => {
                    let (bound, state) = self.run_parts();
                    let (parts, place) = ((&loaded, bound, state), frame.start());
                    native.run_in_place(parts, start, (frame, place), context, carried)
                }
                false => self.run_frame_otherwise(role, frame, context, carried, budget),
            };
            outcomes.push(outcome);
        }
        true
    }
}
