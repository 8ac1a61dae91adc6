//! Compact RV32 microcode from the NFL IR.
//!
//! In: a verified module, a target and a platform's limits. Out: the image of the module, proven by the node's own
//! verifier, and the source of each instruction ([`emit`]). Guaranteed: the image computes what the module says, and a
//! node with the same limits accepts it.
//!
//! The stages, in order:
//!
//! 1. `guard` adds tests to the IR, where an earlier try was refused; `sink` moves instructions towards their uses;
//! 2. `select` makes instructions over virtual registers, and `rotate` turns loops around;
//! 3. `regalloc` gives them registers, and `scratch` words to those that find none;
//! 4. `tidy` puts all handlers together, and shares what is equal;
//! 5. `link` places the blocks as `order` says, `relax` sizes branches and encodes;
//! 6. `nfl_verify` proposes the certificate and proves the image.
//!
//! Where it refuses, the code is made once more, with tests that the prover learns more from, and then with a guard where it
//! refused. Small modules are made in several ways, and the smallest image is kept.
#![forbid(unsafe_code)]

mod calls;
mod graph;
mod guard;
mod link;
mod mir;
mod order;
mod regalloc;
mod relax;
pub mod report;
mod rotate;
mod scratch;
mod select;
mod sink;
mod tidy;

use std::collections::BTreeMap;
use std::fmt;

use nfl_abi::{Image, Limits};
use nfl_ir::verify::Verified;
use nfl_ir::{Bounds, Function, Module};
use nfl_isa::{Op, Reg, Target};
use nfl_syntax::Span;
use nfl_verify::{Reason, Refusal};

use calls::Calls;
use guard::Guards;
use link::Linked;
use mir::{Func, Program};
use order::Lay;
use rotate::Rotate;
use scratch::{Constants, Full, Scratch};
use select::Care;

/// What code is made for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The instruction set.
    pub target: &'static Target,
    /// The platform's bounds.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            target: Target::DEFAULT,
            limits: Limits::EDGE,
        }
    }
}

/// An image and what its instructions come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emitted {
    /// The image, proven.
    pub image: Image,
    /// For each instruction its offset in the code, its size in bytes, and its place in the source.
    pub lines: Vec<(u32, u32, Option<Span>)>,
}

/// Why there is no image.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EmitError {
    /// Something takes more room than there is.
    TooLarge {
        /// What.
        what: &'static str,
        /// The bytes, or steps, that it takes.
        needed: usize,
        /// How many there are.
        limit: usize,
    },
    /// The target has no instruction for an operation.
    TargetLacks {
        /// The instruction that would do it.
        op: Op,
        /// The target's name.
        target: &'static str,
        /// Where it is needed.
        span: Option<Span>,
    },
    /// The node's verifier does not accept the code: a mistake of the compiler.
    Unproved {
        /// What it says.
        refusal: Refusal,
        /// Where the instruction comes from.
        span: Option<Span>,
    },
}

impl fmt::Display for EmitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmitError::TooLarge {
                what,
                needed,
                limit,
            } => {
                write!(out, "{what}: {needed} needed, {limit} allowed")
            }
            EmitError::TargetLacks { op, target, .. } => {
                write!(
                    out,
                    "the target `{target}` has no instruction `{}`",
                    op.spec().text
                )
            }
            EmitError::Unproved { refusal, .. } => {
                write!(out, "the code that was made cannot be proved: {refusal}")
            }
        }
    }
}

impl std::error::Error for EmitError {}

/// Makes the image of a module.
///
/// # Errors
///
/// When the image would be too large for the platform or the machine, when the target lacks something, or when the code
/// cannot be proved, which is a mistake of this crate or of `nfl-verify`.
pub fn emit(verified: &Verified, options: &Options) -> Result<Emitted, EmitError> {
    let module = verified.module();
    let functions = module.functions.iter();
    let size: usize = functions.map(|f| f.insts.len()).sum();
    let has_loops = verified
        .bounds()
        .functions
        .iter()
        .any(|f| !f.loops.is_empty());
    let mut best = emit_in_way(verified, options, WAYS[0]);
    // What is tried is worth its time where every byte counts.
    let others = WAYS[1..]
        .iter()
        .filter(|way| has_loops || way.rotate == Rotate::Sure);
    for &way in others.take_while(|_| size <= TRIED_INSTS_MAX) {
        let other = emit_in_way(verified, options, way);
        if cost(&other) < cost(&best) {
            best = other;
        }
    }
    best
}

/// Choices that make some handlers smaller and others larger.
#[derive(Clone, Copy, Debug)]
struct Way {
    sink: bool,
    rotate: Rotate,
    windows: bool,
}

const WAYS: [Way; 8] = [
    Way {
        sink: true,
        rotate: Rotate::Sure,
        windows: true,
    },
    Way {
        sink: true,
        rotate: Rotate::All,
        windows: true,
    },
    Way {
        sink: true,
        rotate: Rotate::None,
        windows: true,
    },
    Way {
        sink: false,
        rotate: Rotate::Sure,
        windows: true,
    },
    Way {
        sink: false,
        rotate: Rotate::All,
        windows: true,
    },
    Way {
        sink: false,
        rotate: Rotate::None,
        windows: true,
    },
    Way {
        sink: true,
        rotate: Rotate::Sure,
        windows: false,
    },
    Way {
        sink: false,
        rotate: Rotate::Sure,
        windows: false,
    },
];

/// Above this many instructions of IR, only the first way is tried.
const TRIED_INSTS_MAX: usize = 1000;

/// Bytes that travel, then steps; what failed costs more than anything.
fn cost(emitted: &Result<Emitted, EmitError>) -> (bool, usize, u64) {
    let Ok(Emitted { image, .. }) = emitted else {
        return (true, 0, 0);
    };
    let bytes = image.code.len() + image.constants.len() + image.certificate.len();
    let steps = image
        .manifest
        .entries
        .iter()
        .map(|entry| u64::from(entry.steps));
    (false, bytes, steps.sum())
}

fn emit_in_way(verified: &Verified, options: &Options, way: Way) -> Result<Emitted, EmitError> {
    let (module, bounds) = (verified.module(), verified.bounds());
    let mut attempt = Attempt::default();
    let refused = loop {
        let guarded = attempt.guards.apply(module, bounds);
        let linked = code(&guarded, options, way, &attempt)?;
        match prove(&linked, options) {
            Ok(image) => {
                return Ok(Emitted {
                    image,
                    lines: linked.lines,
                });
            }
            Err(refusal)
                if attempt.tries < TRIES_MAX && attempt.learn(&refusal, &linked, bounds) => {}
            Err(refusal) => break error_of(refusal, &linked),
        }
    };
    Err(refused)
}

/// How often code is made again.
const TRIES_MAX: u32 = 32;

/// What is done differently because the node did not see why the code is safe.
#[derive(Default)]
struct Attempt {
    tries: u32,
    /// By handler; those that are not named need none.
    care: BTreeMap<usize, Care>,
    guards: Guards,
    lay: Lay,
}

impl Attempt {
    /// Learns from a refusal; false when there is nothing left to do about it.
    fn learn(&mut self, refusal: &Refusal, linked: &Linked, bounds: &Bounds) -> bool {
        self.tries += 1;
        let Some(pc) = refusal.pc else {
            return false;
        };
        if matches!(refusal.reason, Reason::PendingJoins(_)) && self.lay == Lay::Falling {
            self.lay = Lay::Narrow;
            return true;
        }
        let mut before = linked.blocks.iter().rev();
        let Some(&((n, block), _)) = before.find(|&&(_, at)| at <= pc) else {
            return false;
        };
        let care = self.care.entry(n).or_default();
        // Too many steps may be rounds of a loop whose end the node did not see; else care is in vain.
        if let Reason::Steps { limit, .. } = refusal.reason {
            let estimate = bounds.functions.get(n).map_or(u64::MAX, |f| f.steps);
            if estimate > u64::from(limit) || *care == Care::Widths {
                return false;
            }
        }
        *care = match care {
            Care::Short => Care::Ranges,
            Care::Ranges => Care::Widths,
            Care::Widths => return self.guards.note(&refusal.reason, (n, block)),
        };
        true
    }
}

fn code(
    module: &Module,
    options: &Options,
    way: Way,
    attempt: &Attempt,
) -> Result<Linked, EmitError> {
    let constants = Constants::new(module)
        .map_err(|full| too_large("bytes of constants", full, nfl_abi::map::CONSTANTS_BYTES))?;
    let care_of = |n: usize| attempt.care.get(&n).copied().unwrap_or_default();
    let parts = Parts {
        calls: Calls::new(module),
        constants,
        isa: options.target,
        lay: attempt.lay,
    };
    let handlers = module.functions.iter().enumerate();
    let handlers = handlers.map(|(n, f)| handler(n, f, &parts, (way, care_of(n))));
    let mut program = Program::new(handlers.collect::<Result<Vec<_>, _>>()?, options.target);
    tidy::tidy(&mut program, &care_of);
    Ok(link::link(module, &program, &parts))
}

/// A refusal as an error, with the place in the source that the refused instruction comes from.
fn error_of(refusal: Refusal, linked: &Linked) -> EmitError {
    match refusal.reason {
        Reason::TooLarge { what, bytes, limit } => EmitError::TooLarge {
            what,
            needed: bytes,
            limit,
        },
        Reason::TooMany { what, count, limit } => EmitError::TooLarge {
            what,
            needed: count,
            limit,
        },
        Reason::Steps { steps, limit } => EmitError::TooLarge {
            what: "steps of a run",
            needed: usize::try_from(steps).unwrap_or(usize::MAX),
            limit: limit as usize,
        },
        _ => {
            let covers =
                |pc: u32| move |line: &&(u32, u32, _)| (line.0..line.0 + line.1).contains(&pc);
            let line = refusal
                .pc
                .and_then(|pc| linked.lines.iter().find(covers(pc)));
            EmitError::Unproved {
                span: line.and_then(|(_, _, span)| *span),
                refusal,
            }
        }
    }
}

fn too_large(what: &'static str, full: Full, limit: u32) -> EmitError {
    EmitError::TooLarge {
        what,
        needed: full.needed as usize,
        limit: limit as usize,
    }
}

/// What the handlers of a module have in common.
struct Parts {
    calls: Calls,
    constants: Constants,
    isa: &'static Target,
    lay: Lay,
}

/// The code of one handler.
fn handler(
    n: usize,
    function: &Function,
    parts: &Parts,
    (way, care): (Way, Care),
) -> Result<Func<Reg>, EmitError> {
    let full = |full| too_large("bytes of scratch memory", full, nfl_abi::map::SCRATCH_BYTES);
    let mut scratch = Scratch::new(function).map_err(full)?;
    let mut function = function.clone();
    if way.sink {
        let resizes = parts.calls.resize(&function);
        sink::sink(&mut function, resizes);
    }
    let input = select::Input {
        handler: n,
        function: &function,
        calls: &parts.calls,
        constants: &parts.constants,
        scratch: &scratch,
        isa: parts.isa,
        care,
        windows: way.windows,
    };
    let mut selected = select::select(input).map_err(|lacks| EmitError::TargetLacks {
        op: lacks.op,
        target: parts.isa.name,
        span: lacks.span,
    })?;
    rotate::rotate(&mut selected, way.rotate);
    regalloc::allocate(selected, &mut scratch).map_err(full)
}

/// The image with its certificate and its proved bounds.
fn prove(linked: &Linked, options: &Options) -> Result<Image, Refusal> {
    let mut image = linked.image.clone();
    for entry in &mut image.manifest.entries {
        entry.steps = u32::MAX;
    }
    image.certificate = nfl_verify::certify(&image, &options.limits)?;
    let proven = nfl_verify::prove(&image, &options.limits)?;
    for (n, entry) in image.manifest.entries.iter_mut().enumerate() {
        entry.steps = proven.steps(n);
    }
    Ok(image)
}
