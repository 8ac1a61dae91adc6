//! Looking for smaller code (`-Oz`).
//!
//! In: a module, and the ways in which its code was made and proved. Out: the smallest image that was found, proven. Guaranteed: no
//! larger than the best of those ways; the result depends on the module and the options alone.
//!
//! The idea: choices that are all right are made anew, a few at a time, and what is no larger is kept, because from there other
//! choices may lead on. What is measured are the bytes of the whole code, with its tails shared and its branches sized. Only
//! what got smaller is proved, the smallest first.

use std::rc::Rc;

use nfl_ir::verify::Verified;
use nfl_isa::Reg;
use nfl_verify::Prover;

use crate::link::Linked;
use crate::made::{Made, Selected, Source};
use crate::mir::Func;
use crate::noise::{Noise, mix};
use crate::{Attempt, Emitted, Options, Way, assemble, cost, prove};

/// Work for all candidates together: blocks and instructions of a candidate count once each.
const WORK_MAX: usize = 150_000;
/// Candidates of one way, whatever their size.
const CANDIDATES_MAX: usize = 600;
/// Ways that are searched, the best first.
const WAYS_MAX: usize = 2;
/// Every so many candidates have another order of blocks, the others other registers.
const ORDER_EVERY: usize = 2;
/// Candidates that are proved at most.
const PROOFS_MAX: usize = 12;

/// A way that led to a proven image, with what was learned on it.
pub(crate) struct Found {
    pub(crate) emitted: Emitted,
    pub(crate) way: Way,
    pub(crate) attempt: Attempt,
}

/// The smallest image that the search finds, from what was found without it.
pub(crate) fn search(
    verified: &Verified,
    options: &Options,
    mut found: Vec<Found>,
    prover: &mut Prover,
) -> Option<Emitted> {
    found.sort_by_key(|f| cost(&f.emitted));
    let mut best: Option<Emitted> = None;
    for Found {
        emitted,
        way,
        attempt,
    } in found.into_iter().take(WAYS_MAX)
    {
        let mut candidates = Vec::new();
        if let Some(mut start) = Start::new(verified, options, way, attempt) {
            candidates = start.climb();
        }
        let proven = candidates.iter().rev().take(PROOFS_MAX);
        let proven = proven.filter_map(|linked| {
            let image = prove(linked.image.clone(), options, prover).ok()?;
            let lines = linked.lines.clone();
            Some(Emitted { image, lines })
        });
        let all = proven.chain([emitted]);
        // What was found last is smallest; equal bytes are told apart by their steps.
        best = all.chain(best).min_by_key(cost);
    }
    best
}

/// Where a search begins.
struct Start {
    source: Source,
    attempt: Attempt,
    selected: Vec<Rc<Selected>>,
    rounds: usize,
}

/// A candidate: its choices, and what is made of them so far.
struct Candidate {
    registers: Vec<Noise>,
    order: Noise,
    allocated: Vec<Func<Reg>>,
    bytes: usize,
}

impl Start {
    fn new(
        verified: &Verified,
        options: &Options,
        way: Way,
        mut attempt: Attempt,
    ) -> Option<Start> {
        let mut made = Made::new(verified, options);
        let (_, selected) = made.select(way, &mut attempt).ok()?;
        let blocks = selected.iter().flat_map(|one| &one.code.blocks);
        let weight: usize = blocks.map(|b| b.lines.len() + 1).sum();
        let rounds = (WORK_MAX / weight.max(1)).min(CANDIDATES_MAX);
        Some(Start {
            source: made.into_source()?,
            attempt,
            selected,
            rounds,
        })
    }

    fn allocate(&self, n: usize, noise: &Noise) -> Option<Func<Reg>> {
        self.selected[n].allocate(noise).ok()
    }

    fn link(&mut self, allocated: &[Func<Reg>], order: &Noise) -> Linked {
        let Source { module, parts, .. } = &mut self.source;
        parts.order.clone_from(order);
        assemble(module, allocated.to_vec(), parts, &self.attempt)
    }

    /// The images on the way down, each smaller than the one before.
    fn climb(&mut self) -> Vec<Linked> {
        let usual = Noise::default();
        let handlers = self.selected.len();
        let allocated = (0..handlers).map(|n| self.allocate(n, &usual));
        let Some(allocated) = allocated.collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let bytes = self.link(&allocated, &usual).image.code.len();
        let mut now = Candidate {
            registers: vec![usual.clone(); handlers],
            order: usual,
            allocated,
            bytes,
        };
        let mut smaller = Vec::new();
        for round in 0..self.rounds {
            let Some((next, linked)) = self.change(&now, round) else {
                continue;
            };
            if next.bytes < now.bytes {
                smaller.push(linked);
            }
            if next.bytes <= now.bytes {
                now = next;
            }
        }
        smaller
    }

    /// A candidate with some other choices.
    fn change(&mut self, now: &Candidate, round: usize) -> Option<(Candidate, Linked)> {
        let layer = mix(round as u64);
        let mut next = Candidate {
            registers: now.registers.clone(),
            order: now.order.clone(),
            allocated: now.allocated.clone(),
            bytes: now.bytes,
        };
        if round.is_multiple_of(ORDER_EVERY) {
            next.order = next.order.with(layer);
        } else {
            let n = (round / ORDER_EVERY) % self.selected.len().max(1);
            let noise = next.registers.get(n)?.with(layer);
            next.allocated[n] = self.allocate(n, &noise)?;
            next.registers[n] = noise;
        }
        let linked = self.link(&next.allocated, &next.order);
        next.bytes = linked.image.code.len();
        Some((next, linked))
    }
}
