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
//! 6. `nfl_verify` proposes the certificate and proves the image;
//! 7. `rewrite` replaces short pieces by shorter ones that are proved to do the same;
//! 8. at `-Oz`, `outline` makes subroutines of what is repeated, as far as that can be proved.
//!
//! Where it refuses, the code is made once more, with tests that the prover learns more from, then with a guard where it
//! refused, and then with a wider window. At `-Os` the first way that leads to an image is the last; at `-Oz` small modules are
//! made in all ways, and `search` goes on from the smallest images. What ways and tries have in common is in `made`.
#![forbid(unsafe_code)]

mod calls;
mod graph;
mod guard;
mod held;
mod hoist;
mod link;
mod listing;
mod made;
mod mir;
mod noise;
mod order;
mod outline;
mod reform;
mod regalloc;
mod relax;
pub mod report;
mod rewrite;
mod rotate;
mod scratch;
mod search;
mod select;
mod share;
mod sink;
mod tidy;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use nfl_abi::{Image, Limits, map};
use nfl_ir::verify::Verified;
use nfl_ir::{Bounds, Module};
use nfl_isa::{Op, Reg, Target};
use nfl_syntax::Span;
use nfl_verify::{Prover, Reason, Refusal, Region};

use calls::Calls;
use guard::Guards;
use link::Linked;
use made::{Made, Selected, Source};
use mir::{Func, Program};
use noise::Noise;
use order::Lay;
use rotate::Rotate;
use scratch::{Constants, Full};
use search::Found;
use select::Care;

/// What code is made for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The instruction set.
    pub target: &'static Target,
    /// The platform's bounds.
    pub limits: Limits,
    /// How long to look for smaller code.
    pub level: OptLevel,
}

/// How long to look for smaller code. The result depends on the input alone at each level.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OptLevel {
    /// `-Os`: not at all.
    #[default]
    S,
    /// `-Oz`: many ways, and a fixed number of candidates besides, which takes up to some seconds.
    Z,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            target: Target::DEFAULT,
            limits: Limits::EDGE,
            level: OptLevel::default(),
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
    let ways = ways()
        .filter(|way| has_loops || way.rotate == Rotate::Sure)
        .filter(|way| options.level == OptLevel::Z || way.is_usual());
    let tried = match size {
        0..=TRIED_INSTS_MAX => usize::MAX,
        _ => 1,
    };
    let mut refused = None;
    let mut found = Vec::new();
    let mut made = Made::new(verified, options);
    let mut trials = Vec::new();
    let mut prover = Prover::new();
    for way in ways.take(tried) {
        match emit_in_way(&mut made, way, &mut trials, &mut prover) {
            Ok(Some((emitted, attempt))) => {
                found.push(Found {
                    emitted,
                    way,
                    attempt,
                });
                // The first way is the smallest for nearly all modules.
                if options.level == OptLevel::S {
                    break;
                }
            }
            // It led to the same code as another.
            Ok(None) => {}
            // Code that can be proved and has no room says more than code that cannot.
            Err(error) => {
                let is_unproved = |error: &EmitError| matches!(error, EmitError::Unproved { .. });
                if refused
                    .as_ref()
                    .is_none_or(|first| is_unproved(first) && !is_unproved(&error))
                {
                    refused = Some(error);
                }
            }
        }
    }
    let isa = options.target;
    let best = match options.level {
        OptLevel::S => found.pop().map(|f| f.emitted),
        OptLevel::Z => search::search(verified, options, found, &mut prover),
    };
    let mut proved = |image| prove(image, options, &mut prover).ok();
    let best = best.map(|best| rewrite::rewrite(best, isa, &mut proved));
    let best = match options.level {
        OptLevel::S => best,
        OptLevel::Z => best.map(|best| outline::outline(best, isa, &mut proved)),
    };
    best.ok_or_else(|| refused.expect("a way that is not refused leads to an image"))
}

/// Choices that make some handlers smaller and others larger.
#[derive(Clone, Copy, Debug)]
struct Way {
    sink: bool,
    /// Constants of so many bytes are made once for all blocks.
    share_bytes: u32,
    rotate: Rotate,
    windows: bool,
}

impl Way {
    /// Whether it is tried when there is little time.
    fn is_usual(self) -> bool {
        self.share_bytes == USUAL_BYTES
    }
}

/// Constants that are worth a register for all blocks, as a rule.
const USUAL_BYTES: u32 = 2;

/// All ways, the best guess first.
fn ways() -> impl Iterator<Item = Way> {
    let shapes = [
        (true, Rotate::Sure, true),
        (true, Rotate::All, true),
        (true, Rotate::None, true),
        (false, Rotate::Sure, true),
        (false, Rotate::All, true),
        (false, Rotate::None, true),
        (true, Rotate::Sure, false),
        (false, Rotate::Sure, false),
    ];
    // Four bytes are those of a constant that takes more than 16 bits to load; nine are never reached.
    let shares = [USUAL_BYTES, 4, 9].into_iter();
    shares.flat_map(move |share_bytes| {
        shapes.map(|(sink, rotate, windows)| Way {
            sink,
            share_bytes,
            rotate,
            windows,
        })
    })
}

/// Above this many instructions of IR, only the first way is tried.
const TRIED_INSTS_MAX: usize = 1000;

/// Bytes that travel, then steps.
fn cost(emitted: &Emitted) -> (usize, u64) {
    let image = &emitted.image;
    let bytes = image.code.len() + image.constants.len() + image.certificate.len();
    let steps = image
        .manifest
        .entries
        .iter()
        .map(|entry| u64::from(entry.steps));
    (bytes, steps.sum())
}

/// Code that was made, and what the prover said of it.
struct Trial {
    selected: Vec<Rc<Selected>>,
    manner: Manner,
    /// Nothing when it was proved.
    refused: Option<(Refusal, Linked)>,
}

/// What says, with the selected instructions, how code comes out: the handlers whose care keeps accesses apart, last.
type Manner = (Lay, bool, u8, Vec<usize>);

/// The image that a way leads to; nothing when it is that of a trial before.
fn emit_in_way(
    made: &mut Made<'_>,
    way: Way,
    trials: &mut Vec<Trial>,
    prover: &mut Prover,
) -> Result<Option<(Emitted, Attempt)>, EmitError> {
    let (options, bounds) = (made.options, made.verified.bounds());
    let mut attempt = Attempt::default();
    loop {
        let (source, selected) = made.select(way, &mut attempt)?;
        let manner = attempt.manner();
        let is_same = |trial: &Trial| {
            let mut pairs = trial.selected.iter().zip(&selected);
            trial.manner == manner && pairs.all(|(a, b)| Rc::ptr_eq(a, b))
        };
        let known = trials.iter().position(is_same);
        let at = match known {
            Some(at) => at,
            None => {
                let linked = code(source, &selected, &attempt)?;
                let proved = prove(linked.image.clone(), options, prover);
                let (image, refused) = match proved {
                    Ok(image) => (Some((image, linked.lines)), None),
                    Err(refusal) => (None, Some((refusal, linked))),
                };
                trials.push(Trial {
                    selected,
                    manner,
                    refused,
                });
                if let Some((image, lines)) = image {
                    return Ok(Some((Emitted { image, lines }, attempt)));
                }
                trials.len() - 1
            }
        };
        let Some((refusal, linked)) = &trials[at].refused else {
            return Ok(None);
        };
        if attempt.tries >= TRIES_MAX || !attempt.learn(refusal, linked, bounds) {
            return Err(error_of(refusal.clone(), linked));
        }
    }
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
    /// The prover does not take words for written that a test found to be equal.
    is_literal: bool,
    /// Bytes of the packet that may be read in any case.
    window: u8,
}

impl Attempt {
    fn manner(&self) -> Manner {
        let careful = self.care.iter().filter(|&(_, &care)| care != Care::Short);
        let careful = careful.map(|(&n, _)| n).collect();
        (self.lay, self.is_literal, self.window, careful)
    }

    fn care_of(&self, n: usize) -> Care {
        self.care.get(&n).copied().unwrap_or_default()
    }

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
        if matches!(refusal.reason, Reason::Uninit(_)) && !self.is_literal {
            self.is_literal = true;
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
            Care::Widths => {
                return self.guards.note(&refusal.reason, (n, block))
                    || self.widen(&refusal.reason);
            }
        };
        true
    }

    /// Has the node offer what a load reaches near the start of the packet: it learns nothing more of lengths where what it knows
    /// excludes itself, because nothing ever comes there. False when the load reaches further, or is none.
    fn widen(&mut self, reason: &Reason) -> bool {
        let end = match *reason {
            Reason::Bounds {
                region: Region::Packet,
                at: (0.., last),
                size,
                ..
            } => last + i64::from(size),
            _ => return false,
        };
        let end = u8::try_from(end).ok().filter(|&end| end > self.window);
        let end = end.filter(|&end| u32::from(end) <= map::WINDOW_MAX);
        end.inspect(|&end| self.window = end).is_some()
    }
}

fn code(
    source: &Source,
    selected: &[Rc<Selected>],
    attempt: &Attempt,
) -> Result<Linked, EmitError> {
    let allocated = selected.iter().map(|one| one.allocated());
    let allocated = allocated.collect::<Result<Vec<_>, _>>();
    let allocated = allocated.map_err(no_scratch)?;
    Ok(assemble(&source.module, allocated, &source.parts, attempt))
}

/// One image of the code of all handlers.
fn assemble(module: &Module, handlers: Vec<Func<Reg>>, parts: &Parts, attempt: &Attempt) -> Linked {
    let mut program = Program::new(handlers, parts.isa);
    let care_of = |n: usize| attempt.care_of(n);
    tidy::tidy(&mut program, &care_of, !attempt.is_literal);
    link::link(module, &program, parts)
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
    /// Bytes of the packet that may be read in any case, at least.
    window: u8,
    /// Other choices of the order of blocks.
    order: Noise,
}

impl Parts {
    fn new(module: &Module, options: &Options) -> Result<Parts, EmitError> {
        let constants = Constants::new(module)
            .map_err(|full| too_large("bytes of constants", full, map::CONSTANTS_BYTES))?;
        Ok(Parts {
            calls: Calls::new(module),
            constants,
            isa: options.target,
            lay: Lay::default(),
            window: 0,
            order: Noise::default(),
        })
    }
}

fn no_scratch(full: Full) -> EmitError {
    too_large("bytes of scratch memory", full, map::SCRATCH_BYTES)
}

/// The image with its certificate and its proved bounds.
fn prove(mut image: Image, options: &Options, prover: &mut Prover) -> Result<Image, Refusal> {
    for entry in &mut image.manifest.entries {
        entry.steps = u32::MAX;
    }
    image.certificate = prover.certify(&image, &options.limits)?;
    let proven = prover.prove(image, &options.limits)?;
    let steps: Vec<u32> = proven.entries().iter().map(|entry| entry.steps).collect();
    let mut image = proven.into_image();
    for (entry, steps) in image.manifest.entries.iter_mut().zip(steps) {
        entry.steps = steps;
    }
    Ok(image)
}
