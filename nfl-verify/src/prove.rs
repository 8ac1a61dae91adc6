//! The proof of one image, stage after stage.
//!
//! In: an image and limits. Out: the proved image. Guaranteed: nothing is taken from the
//! certificate or the manifest that was not checked.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nfl_abi::image::{Image, TargetId};
use nfl_abi::{ImageLimits, Limits};
use nfl_isa::Target;

use crate::call;
use crate::certificate::{self, Claim, Claims};
use crate::code::{Code, Flow, Line};
use crate::known::Known;
use crate::loops::{self, Costs, Loop};
use crate::manifest;
use crate::refusal::{Checked, Range, Reason, Refusal};
use crate::report::{EntryBound, Facts, LoopBound, Measure, SubroutineBound, Touches};
use crate::state::{ALL_BYTES, Kind, State, Sym};
use crate::subroutine::{self, Subroutine};
use crate::sweep::{self, Judge, Open, Sweep};
use crate::transfer::{Passed, World, distance_to_end};

/// Called before each instruction with what is known there, if anyone wants to know.
pub(crate) type Visit<'a> = Option<&'a mut dyn FnMut(u32, &Known<'_>)>;

/// What proofs need room for, used again by the next one.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) code: Code,
    pub(crate) sweep: sweep::Memory,
    costs: Costs,
}

pub(crate) fn prove(
    image: &Image,
    limits: &Limits,
    visit: Visit<'_>,
    memory: &mut Memory,
) -> Result<Facts, Refusal> {
    let limits = limits.of(image.manifest.profile);
    let mut code = read(image, limits, core::mem::take(&mut memory.code))?;
    let claims = claims(&image.certificate, limits).map_err(Reason::of_image)?;
    code.subroutines = subroutine::prepare(&code, image, &claims.loops, claims.subroutines)?;
    let loops = loops::prepare(&code, claims.loops, limits)?;
    let mut passed = check(image, limits, &code, &loops, visit, &mut memory.sweep)?;
    let steps = subroutine::price(&code, &mut passed);
    memory.costs.find(&code, &loops, &passed);
    let entries = bounds(image, limits, &code, &memory.costs, &passed)?;
    let loops = loops.iter().filter_map(loop_bound).collect();
    let bounded = code.subroutines.iter().zip(steps);
    let subroutines = bounded.map(|(one, steps)| subroutine_bound(one, steps));
    let subroutines = subroutines.collect();
    memory.code = code;
    Ok(Facts {
        entries,
        loops,
        subroutines,
    })
}

/// A loop has a measure, or `prepare` has refused it.
fn loop_bound(one: &Loop) -> Option<LoopBound> {
    let claim = &one.claim;
    let measure = claim.measured()?;
    Some(LoopBound {
        head: claim.head,
        end: claim.end,
        trips: one.trips,
        measure: Measure {
            place: claim.measure,
            region: measure.kind.region(),
            range: (measure.lo, measure.hi),
            step: claim.step,
        },
    })
}

fn subroutine_bound(one: &Subroutine, steps: u64) -> SubroutineBound {
    let claim = &one.claim;
    SubroutineBound {
        entry: claim.entry,
        end: claim.end,
        link: claim.link,
        steps: u32::try_from(steps).unwrap_or(u32::MAX),
    }
}

/// Sweeps the code and checks every claim; gives back what each instruction touches and costs.
pub(crate) fn check(
    image: &Image,
    limits: &ImageLimits,
    code: &Code,
    loops: &[Loop],
    visit: Visit<'_>,
    memory: &mut sweep::Memory,
) -> Result<Vec<Passed>, Refusal> {
    let mut checker = Checker {
        loops,
        subroutines: &code.subroutines,
        visit,
    };
    let entries = entries(image, code)?;
    Sweep::new(
        code,
        world(image, code),
        limits.pending_joins.into(),
        &mut checker,
        memory,
    )
    .run(&entries)
}

fn claims(certificate: &[u8], limits: &ImageLimits) -> Result<Claims, Reason> {
    let limit = limits.certificate_bytes as usize;
    if certificate.len() > limit {
        return Err(Reason::TooLarge {
            what: "the certificate",
            bytes: certificate.len(),
            limit,
        });
    }
    certificate::read(certificate)
}

/// The code of an image whose manifest is in order, in the memory of another one.
pub(crate) fn read(image: &Image, limits: &ImageLimits, mut before: Code) -> Result<Code, Refusal> {
    manifest::check(image, limits).map_err(Reason::of_image)?;
    let TargetId(target) = image.manifest.target;
    let known = Target::by_id(target).ok_or_else(|| Reason::UnknownTarget(target).of_image())?;
    manifest::room(image, known).map_err(Reason::of_image)?;
    call::imports(&image.manifest, &mut before.imports).map_err(Reason::of_image)?;
    Code::read(before, &image.code, known)
}

pub(crate) fn world<'a>(image: &'a Image, code: &'a Code) -> World<'a> {
    World {
        window: image.manifest.window.into(),
        rights: image.manifest.rights,
        carried: image.manifest.carried.len() as i64,
        constants: &image.constants,
        late: &image.manifest.late,
        imports: &code.imports,
        loop_words: u64::MAX,
    }
}

/// Where control starts, and for packets of which lengths.
pub(crate) fn entries(image: &Image, code: &Code) -> Result<Vec<(u32, Range)>, Refusal> {
    let start = |entry: &nfl_abi::Entry| match code.index(entry.pc) {
        Some(_) => Ok((entry.pc, manifest::packet_length(entry.role, entry.need))),
        None => Err(Reason::EntryAddress(entry.pc).of_image()),
    };
    image.manifest.entries.iter().map(start).collect()
}

fn bounds(
    image: &Image,
    limits: &ImageLimits,
    code: &Code,
    costs: &Costs,
    passed: &[Passed],
) -> Result<Vec<EntryBound>, Refusal> {
    let bound = |entry: &nfl_abi::Entry| {
        let start = code.index(entry.pc).unwrap_or(0);
        let steps = costs.steps(start);
        if steps > u64::from(limits.steps) {
            return Err(Reason::Steps {
                steps,
                limit: limits.steps,
            }
            .at(entry.pc));
        }
        if steps > u64::from(entry.steps) {
            return Err(Reason::StepsPromised {
                steps,
                promised: entry.steps,
            }
            .at(entry.pc));
        }
        let (code_bytes, touches) = reach(code, start, passed, image.manifest.entries.len() == 1);
        Ok(EntryBound {
            steps: steps as u32,
            code_bytes,
            touches,
        })
    };
    image.manifest.entries.iter().map(bound).collect()
}

/// What can be reached from an instruction. Ways back lead to heads that were passed already.
fn reach(code: &Code, start: usize, passed: &[Passed], is_only: bool) -> (u32, Touches) {
    if is_only {
        // No instruction is dead.
        let touched = passed.iter().map(|one| one.touches);
        return (code.bytes, touched.fold(Touches::NONE, Touches::union));
    }
    let mut reached = alloc::vec![false; code.lines.len()];
    let mark = |reached: &mut Vec<bool>, index: Option<usize>| {
        if let Some(cell) = index.and_then(|index| reached.get_mut(index)) {
            *cell = true;
        }
    };
    mark(&mut reached, Some(start));
    let (mut bytes, mut touched) = (0, Touches::NONE);
    let mut called = alloc::vec![false; code.subroutines.len()];
    for (index, line) in code.lines.iter().enumerate().skip(start) {
        if !reached.get(index).is_some_and(|&reached| reached) {
            continue;
        }
        bytes += line.size;
        touched = touched.union(passed.get(index).map_or(Touches::NONE, |one| one.touches));
        match line.flow() {
            Flow::Next | Flow::Call(_) => mark(&mut reached, Some(index + 1)),
            Flow::Branch(target) => {
                mark(&mut reached, Some(index + 1));
                mark(&mut reached, code.index(target));
            }
            Flow::Jump(target) => mark(&mut reached, code.index(target)),
            Flow::Enter(target) => {
                mark(&mut reached, Some(index + 1));
                if let Some(called) = code.subroutine(target).and_then(|at| called.get_mut(at)) {
                    *called = true;
                }
            }
            Flow::Finish | Flow::Return => {}
        }
    }
    let called = code.subroutines.iter().zip(called);
    for (one, _) in called.filter(|(_, called)| *called) {
        let (entry, end) = (one.claim.entry, one.claim.end);
        bytes += end - entry;
        let from = code.index(entry).unwrap_or(passed.len());
        let touches = passed.iter().skip(from).take(code.extent(entry, end).len());
        touched = touches.fold(touched, |touched, one| touched.union(one.touches));
    }
    (bytes, touched)
}

/// The judge that checks a certificate.
struct Checker<'a, 'v> {
    loops: &'a [Loop],
    subroutines: &'a [Subroutine],
    visit: Visit<'v>,
}

impl Judge for Checker<'_, '_> {
    fn body(&self, index: usize) -> Option<&Loop> {
        self.loops.get(index)
    }

    fn enter(&mut self, index: usize, state: &State) -> Checked<()> {
        let Some(one) = self.loops.get(index) else {
            return Ok(());
        };
        check_claims(one, state)
    }

    fn repeat(&mut self, index: usize, first: Sym, state: &State) -> Checked<()> {
        let Some(one) = self.loops.get(index) else {
            return Ok(());
        };
        check_claims(one, state)?;
        let claim = &one.claim;
        let mut ranges = (first..).zip(claim.claims.iter().filter(|claim| claim.kind.has_term()));
        let measure = ranges.find(|(_, other)| other.place == claim.measure);
        if let Some((sym, measure)) = measure {
            let value = state.get(measure.place);
            let by = value.k - measure.base();
            let moved = if claim.step > 0 {
                by >= claim.step
            } else {
                by <= claim.step
            };
            if value.kind() == measure.kind && value.sym() == sym && moved {
                return Ok(());
            }
        }
        Reason::Measure {
            head: claim.head,
            place: claim.measure,
            step: claim.step,
        }
        .refuse()
    }

    fn subroutine(&self, index: usize) -> Option<&Subroutine> {
        self.subroutines.get(index)
    }

    fn call(&mut self, index: usize, state: &mut State) -> Checked<()> {
        let Some(one) = self.subroutines.get(index) else {
            return Ok(());
        };
        let (entry, need) = (one.claim.entry, one.claim.need);
        if state.len_lo() < need {
            let len = state.len_lo();
            return Reason::CallLength { entry, need, len }.refuse();
        }
        let wrong = one.claim.claims.iter().find(|claim| !holds(claim, state));
        let Some(claim) = wrong else { return Ok(()) };
        let value = state.get(claim.place);
        Reason::CallClaim {
            entry,
            place: claim.place,
            claimed: (claim.lo, claim.hi),
            found: (value.kind() == claim.kind).then(|| state.range(value)),
        }
        .refuse()
    }

    fn object(&mut self, _around: &[Open], reason: Box<Reason>) -> Checked<()> {
        Err(reason)
    }

    fn visit(&mut self, line: &Line, state: &State) {
        if let Some(visit) = &mut self.visit {
            visit(line.pc, &Known(state));
        }
    }
}

fn check_claims(one: &Loop, state: &State) -> Checked<()> {
    let wrong = one.claim.claims.iter().find(|claim| !holds(claim, state));
    let Some(claim) = wrong else { return Ok(()) };
    let value = state.get(claim.place);
    Reason::Claim {
        head: one.claim.head,
        place: claim.place,
        claimed: (claim.lo, claim.hi),
        found: (value.kind() == claim.kind).then(|| state.range(value)),
    }
    .refuse()
}

fn holds(claim: &Claim, state: &State) -> bool {
    let value = state.get(claim.place);
    match claim.kind {
        Kind::Uninit => true,
        Kind::Bytes => value.number_bytes() == ALL_BYTES,
        kind => {
            let (lo, hi) = state.range(value);
            let near = claim
                .slack
                .is_none_or(|slack| distance_to_end(state, value) >= slack);
            let spaced = claim.stride <= 1 || state.is_spaced(value, claim.lo, claim.stride);
            value.kind() == kind && claim.lo <= lo && hi <= claim.hi && near && spaced
        }
    }
}
