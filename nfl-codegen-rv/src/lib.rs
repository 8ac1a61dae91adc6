//! Compact RV32 microcode from the NFL IR.
//!
//! In: a verified module, a target and a platform's limits. Out: the image of the module, proven by the node's own
//! verifier, and the source of each instruction ([`emit`]). Guaranteed: the image computes what the module says, and a
//! node with the same limits accepts it.
//!
//! The stages, in order: [`select`](mod@select) makes instructions over virtual registers; [`regalloc`] gives them
//! registers, and [`scratch`] the words that find none; [`tidy`](mod@tidy) removes blocks that became empty or equal;
//! [`link`](mod@link) puts the blocks of all handlers in [`order`](mod@order), [`relax`](mod@relax) sizes branches and encodes;
//! at last `nfl_verify` proposes the certificate and proves the image. Where that fails, the code is made once more
//! with tests that the prover learns more from.
#![forbid(unsafe_code)]

mod graph;
mod link;
mod mir;
mod order;
mod regalloc;
mod relax;
pub mod report;
mod scratch;
mod select;
mod tidy;

use std::fmt;

use nfl_abi::{Image, Limits};
use nfl_ir::verify::Verified;
use nfl_ir::{Function, Module};
use nfl_isa::{Op, Reg, Target};
use nfl_syntax::Span;
use nfl_verify::Refusal;

use link::Linked;
use mir::Func;
use scratch::{Constants, Full, Scratch};

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
    /// The target is known by name, and this release makes no code for it.
    TargetUnavailable {
        /// The target's name.
        target: &'static str,
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
            EmitError::TargetUnavailable { target } => {
                write!(out, "this release makes no code for the target `{target}`")
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
    if !options.target.available {
        return Err(EmitError::TargetUnavailable {
            target: options.target.name,
        });
    }
    match attempt(module, options, false) {
        Err(EmitError::Unproved { .. }) => attempt(module, options, true),
        done => done,
    }
}

fn attempt(module: &Module, options: &Options, explicit: bool) -> Result<Emitted, EmitError> {
    let constants = Constants::new(module)
        .map_err(|full| too_large("bytes of constants", full, nfl_abi::map::CONSTANTS_BYTES))?;
    let handlers = module.functions.iter();
    let handlers = handlers.map(|f| handler(f, &constants, options.target, explicit));
    let handlers = handlers.collect::<Result<Vec<_>, _>>()?;
    let linked = link::link(module, &handlers, &constants, options.target);
    prove(linked, options)
}

fn too_large(what: &'static str, full: Full, limit: u32) -> EmitError {
    EmitError::TooLarge {
        what,
        needed: full.needed as usize,
        limit: limit as usize,
    }
}

/// The code of one handler.
fn handler(
    function: &Function,
    constants: &Constants,
    isa: &'static Target,
    explicit: bool,
) -> Result<Func<Reg>, EmitError> {
    let full = |full| too_large("bytes of scratch memory", full, nfl_abi::map::SCRATCH_BYTES);
    let mut scratch = Scratch::new(function).map_err(full)?;
    let input = select::Input {
        function,
        constants,
        scratch: &scratch,
        isa,
        explicit,
    };
    let selected = select::select(input).map_err(|lacks| EmitError::TargetLacks {
        op: lacks.op,
        target: isa.name,
        span: lacks.span,
    })?;
    let mut allocated = regalloc::allocate(selected, &mut scratch).map_err(full)?;
    tidy::tidy(&mut allocated);
    Ok(allocated)
}

/// Fills in the certificate and the proved bounds.
fn prove(linked: Linked, options: &Options) -> Result<Emitted, EmitError> {
    let Linked { mut image, lines } = linked;
    let limits = options.limits.of(image.manifest.profile);
    let needed = image.content_len();
    if needed > limits.content_bytes as usize {
        let limit = limits.content_bytes as usize;
        return Err(EmitError::TooLarge {
            what: "bytes of code and data",
            needed,
            limit,
        });
    }
    for entry in &mut image.manifest.entries {
        entry.steps = u32::MAX;
    }
    let unproved = |refusal: Refusal| EmitError::Unproved {
        span: refusal.pc.and_then(|pc| {
            let line = lines
                .iter()
                .find(|(at, size, _)| (*at..at + size).contains(&pc));
            line.and_then(|(_, _, span)| *span)
        }),
        refusal,
    };
    image.certificate = nfl_verify::certify(&image, &options.limits).map_err(unproved)?;
    let proven = nfl_verify::prove(&image, &options.limits).map_err(unproved)?;
    let steps: Vec<u32> = (0..image.manifest.entries.len())
        .map(|entry| proven.steps(entry))
        .collect();
    for (entry, steps) in image.manifest.entries.iter_mut().zip(steps) {
        entry.steps = steps;
    }
    Ok(Emitted { image, lines })
}
