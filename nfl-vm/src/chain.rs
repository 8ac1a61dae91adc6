//! Programs that run one after another over one packet, where the compiler has not fused them.
//!
//! In: instances in the order of their stages, and a packet. Out: the verdict of the stage that decided.
//! Guaranteed: role by role, a stage that answers anything but `Pass` decides, and the ones behind it do
//! not run; a stage without a handler of the role is stepped over; the bytes and effects of the stages
//! that ran are those of one run after another.
//!
//! A chain with a handler at LINK is handed packets from the link header on. Its stages at NETWORK then
//! begin at the network header, and count as `Pass` for frames that are not IP.

use std::fmt;

use nfl_abi::image::{Right, VerdictKind};
use nfl_abi::{Layer, Role};

use crate::batch::Job;
use crate::flow::network_offset;
use crate::load::Instance;
use crate::outcome::{Budget, Done, Effects, Fault, Outcome};
use crate::packet::{Context, Frame};

/// Why instances make no chain.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no stage.
    Empty,
    /// The stages have no role in common.
    NoRole,
    /// This stage, counted from 0, runs at NETWORK in a chain that runs at LINK, and resizes packets.
    Resizes(usize),
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainError::Empty => write!(f, "a chain has at least one stage"),
            ChainError::NoRole => write!(f, "the stages of the chain share no role"),
            ChainError::Resizes(stage) => write!(
                f,
                "stage {stage} resizes packets behind a link header that it does not see"
            ),
        }
    }
}

impl std::error::Error for ChainError {}

/// What a chain decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// The stage that decided, counted from 0; the last one that ran when all said `Pass`.
    pub stage: usize,
    /// Its verdict, with the steps and the effects of all stages that ran.
    pub outcome: Outcome,
}

/// Instances that run one after another.
#[derive(Debug)]
pub struct Chain {
    stages: Vec<Instance>,
}

impl Chain {
    /// A chain of these stages, in order.
    ///
    /// # Errors
    ///
    /// [`ChainError`].
    pub fn new(stages: Vec<Instance>) -> Result<Chain, ChainError> {
        let first = stages.first().ok_or(ChainError::Empty)?;
        let has = |stage: &Instance, role| stage.loaded().entry(role).is_some();
        let shared = |role| stages.iter().all(|stage| has(stage, role));
        let mut roles = first.loaded().image().manifest.entries.iter();
        if !roles.any(|entry| shared(entry.role)) {
            return Err(ChainError::NoRole);
        }
        let chain = Chain { stages };
        for (n, stage) in chain.stages.iter().enumerate() {
            let manifest = &stage.loaded().image().manifest;
            let mut entries = manifest.entries.iter();
            let behind_link = entries
                .any(|e| e.layer == Layer::Network && chain.layer(e.role) == Some(Layer::Link));
            if behind_link && manifest.rights.has(Right::Resize) {
                return Err(ChainError::Resizes(n));
            }
        }
        Ok(chain)
    }

    /// The stages.
    pub fn stages_mut(&mut self) -> &mut [Instance] {
        &mut self.stages
    }

    /// Where packets begin that are handed to a role: at LINK if a stage's handler does; nothing for a
    /// role that no stage has.
    pub fn layer(&self, role: Role) -> Option<Layer> {
        let entries = self.stages.iter();
        let mut layers = entries.filter_map(|stage| Some(stage.loaded().entry(role)?.layer));
        let first = layers.next()?;
        let link = first == Layer::Link || layers.any(|layer| layer == Layer::Link);
        Some(if link { Layer::Link } else { Layer::Network })
    }

    /// Bytes that travel with a packet: those of the stages, one after another.
    pub fn carried_len(&self) -> usize {
        let stages = self.stages.iter();
        stages
            .map(|stage| stage.loaded().image().manifest.carried.len())
            .sum()
    }

    /// Runs the handlers of `role` on a packet, from the first byte of the chain's layer on. `carried` has
    /// [`Chain::carried_len`] bytes.
    ///
    /// # Errors
    ///
    /// The [`Fault`] of the stage that has no verdict, or that no stage has the role.
    pub fn run_frame(
        &mut self,
        role: Role,
        frame: &mut Frame<'_>,
        context: &Context,
        carried: &mut [u8],
    ) -> Result<Decided, Fault> {
        let layer = self.layer(role).ok_or(Fault::NoEntry(role))?;
        let must = self.carried_len();
        if carried.len() != must {
            let is = carried.len();
            return Err(Fault::CarriedSize { is, must });
        }
        let mut context = *context;
        let mut rest = carried;
        let mut decision: Option<Decided> = None;
        for (n, stage) in self.stages.iter_mut().enumerate() {
            let manifest = &stage.loaded().image().manifest;
            let resizes = manifest.rights.has(Right::Resize);
            let (own, behind) = rest.split_at_mut(manifest.carried.len());
            rest = behind;
            let Some(entry) = stage.loaded().entry(role) else {
                continue;
            };
            let inner = layer == Layer::Link && entry.layer == Layer::Network;
            let outcome = if inner {
                run_inner(stage, role, frame, &context, own)?
            } else {
                let budget = Budget::Proven;
                Some(stage.run_frame(role, frame, &context, own, budget)?)
            };
            if resizes && layer == Layer::Link {
                let at = network_offset(frame.bytes());
                context.network_offset = at.and_then(|at| u8::try_from(at).ok());
            }
            if let Some(outcome) = outcome {
                let before = decision.take().map(|before| before.outcome);
                let outcome = behind_others(before, outcome);
                let decided = outcome.verdict.kind != VerdictKind::Pass;
                decision = Some(Decided { stage: n, outcome });
                if decided {
                    break;
                }
            }
        }
        Ok(decision.unwrap_or_else(passed))
    }

    /// Runs the handlers of `role` on each packet, in order, and puts what was decided into `decided`, whose former
    /// contents go. What one packet writes to tables, the next one reads; its `carried` area has
    /// [`Chain::carried_len`] bytes.
    ///
    /// A packet without a verdict leaves its [`Fault`] in its place; the others run all the same.
    pub fn run_batch(
        &mut self,
        role: Role,
        jobs: &mut [Job<'_>],
        decided: &mut Vec<Result<Decided, Fault>>,
    ) {
        decided.clear();
        decided.reserve(jobs.len());
        for job in jobs {
            let Job {
                frame,
                context,
                carried,
            } = job;
            decided.push(self.run_frame(role, frame, context, carried));
        }
    }
}

/// Runs a stage at NETWORK on what follows the link header; nothing for frames that are not IP.
fn run_inner(
    stage: &mut Instance,
    role: Role,
    frame: &mut Frame<'_>,
    context: &Context,
    carried: &mut [u8],
) -> Result<Option<Outcome>, Fault> {
    let Some(at) = context.network_offset.map(usize::from) else {
        return Ok(None);
    };
    let Some(mut inner) = frame.behind(at) else {
        return Ok(None);
    };
    let context = Context {
        network_offset: Some(0),
        ..*context
    };
    let outcome = stage.run_frame(role, &mut inner, &context, carried, Budget::Proven)?;
    Ok(Some(outcome))
}

/// A stage's outcome, with what the stages before it did.
fn behind_others(before: Option<Outcome>, outcome: Outcome) -> Outcome {
    let Some(before) = before else {
        return outcome;
    };
    let (mut done, own) = (before.effects.into_done(), outcome.effects.into_done());
    done.mirrors.extend(own.mirrors);
    Outcome {
        steps: before
            .steps
            .zip(outcome.steps)
            .map(|(before, own)| before.saturating_add(own)),
        effects: Effects::new(Done {
            priority: own.priority.or(done.priority),
            ..done
        }),
        ..outcome
    }
}

/// What becomes of a packet that no stage is for.
fn passed() -> Decided {
    Decided {
        stage: 0,
        outcome: Outcome {
            verdict: nfl_abi::image::Verdict {
                kind: VerdictKind::Pass,
                operand: 0,
            },
            steps: Some(0),
            by_need: false,
            no_room: false,
            effects: Effects::default(),
        },
    }
}
