//! Why an image is refused.
//!
//! In: nothing. Out: a closed set of reasons, each with a sentence that names what was found and
//! what would have been needed. Guaranteed: the sentence never needs the image to be understood.

use alloc::boxed::Box;
use core::fmt;

use nfl_abi::image::{Right, Role, VerdictKind};
use nfl_isa::{DecodeError, Inst, Reg};

/// The first thing that could not be proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Offset in the code of the instruction at fault; `None` when the image as a whole is.
    pub pc: Option<u32>,
    /// What could not be proved there.
    pub reason: Reason,
}

/// A region of memory that code can name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Region {
    /// The packet, from its first byte at the handler's layer.
    Packet,
    /// The 256 bytes of scratch.
    Scratch,
    /// The words that the node tells a handler.
    Context,
    /// The memory that travels with the packet.
    Carried,
    /// The image's constants.
    Constants,
    /// The value that a lookup found.
    Value,
}

/// A register or a word of scratch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place(pub(crate) u8);

/// Smallest and largest value, both included.
pub type Range = (i64, i64);

/// What a check of a part of the code answers. Reasons are large, so that they are not to be moved about where there is none.
pub(crate) type Checked<T> = Result<T, Box<Reason>>;

/// Why an image is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    // The image as a whole.
    /// A part of the image is larger than the platform allows.
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The platform's bound.
        limit: usize,
    },
    /// No instruction set has this number, or this release does not offer it.
    UnknownTarget(u8),
    /// An image without entries has no use.
    NoEntry,
    /// An entry's role belongs to the other profile.
    ForeignRole(Role),
    /// Two entries for one role.
    DoubleRole(Role),
    /// An entry that is not the start of an instruction.
    EntryAddress(u32),
    /// A timer has no packet, so it cannot need bytes of one.
    TimerNeeds(u16),
    /// A readable window beyond what a node offers.
    Window(u8),
    /// A verdict in the mask needs a right that the manifest does not ask for.
    VerdictRight(VerdictKind, Right),
    /// The verdict for short packets is not in the mask.
    MalformedVerdict(VerdictKind),
    /// A late parameter that is no word of its own among the constants, or has an impossible range.
    LateSlot(usize),
    /// A late parameter whose word is none of its range.
    LateWord(usize),
    /// More imports or resources than an image can name.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An import of no service, or of one that does not work on its resource.
    Import(usize),
    /// An imported service needs a right that the manifest does not ask for.
    ImportRight(&'static str, Right),
    /// A resource whose parts do not fit each other.
    Resource(usize),

    // Decoding and control flow.
    /// Bytes that are no instruction.
    Decode(DecodeError),
    /// An instruction the target does not have.
    Target(Inst),
    /// An instruction that microcode may not use.
    Forbidden(Inst),
    /// A linking jump that leads to no imported service.
    Call(Inst),
    /// A linking jump to what the certificate announces as no subroutine with that link, or not below.
    NoSubroutine(Inst),
    /// A return that ends no subroutine of the certificate.
    Return,
    /// Control comes into a subroutine, or leaves it, other than by call and return.
    SubroutineJump(u32),
    /// A jump out of the code.
    JumpOutside(i64),
    /// A jump into the middle of an instruction.
    JumpMiddle(u32),
    /// Control runs over the last instruction.
    FallsOff,
    /// No path leads here.
    Dead,
    /// A backward jump to an address that is not the head of an enclosing loop of the certificate.
    Backward(u32),
    /// A jump or entry into a loop past its head.
    LoopEntry {
        /// The head of the loop.
        head: u32,
    },
    /// More forward targets open at once than the platform allows.
    PendingJoins(usize),

    // The certificate.
    /// The certificate's bytes are not in form.
    Certificate(&'static str),
    /// A loop that does not begin and end at instructions, or crosses another.
    LoopShape {
        /// The head of the loop.
        head: u32,
        /// The first address behind it.
        end: u32,
    },
    /// A subroutine that does not fit the code, or does what none may do.
    Subroutine {
        /// Its first instruction.
        entry: u32,
        /// The first address behind it.
        end: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A claim that does not hold where a subroutine is called.
    CallClaim {
        /// The first instruction of the subroutine.
        entry: u32,
        /// The register or word.
        place: Place,
        /// What is claimed.
        claimed: Range,
        /// What is known, when it is of the claimed kind at all.
        found: Option<Range>,
    },
    /// A subroutine is called with a packet that may be shorter than it needs.
    CallLength {
        /// The first instruction of the subroutine.
        entry: u32,
        /// The bytes it needs.
        need: i64,
        /// How long the packet is at least.
        len: i64,
    },
    /// Loops nested deeper than the platform allows.
    LoopDepth(usize),
    /// A claim that does not hold when the loop is entered or repeated.
    Claim {
        /// The head of the loop.
        head: u32,
        /// The register or word.
        place: Place,
        /// What is claimed.
        claimed: Range,
        /// What is known, when it is of the claimed kind at all.
        found: Option<Range>,
    },
    /// The measure does not move as announced on a way back to the head.
    Measure {
        /// The head of the loop.
        head: u32,
        /// The register or word that was to move.
        place: Place,
        /// By how much it was to move, at least.
        step: i64,
    },
    /// A loop runs more often than the platform allows.
    LoopTrips {
        /// The head of the loop.
        head: u32,
        /// Its rounds.
        trips: u64,
        /// The platform's bound.
        limit: u32,
    },
    /// A loop stores to words of scratch that its certificate does not mention.
    LoopWords {
        /// The first of them.
        first: Place,
        /// The last of them.
        last: Place,
    },
    /// A subroutine stores to words of scratch other than by `sp`.
    SubroutineWords {
        /// The first of them.
        first: Place,
        /// The last of them.
        last: Place,
    },
    /// The proposer found nothing that bounds the loop.
    NoMeasure {
        /// The head of the loop.
        head: u32,
    },

    // Values.
    /// A register or word of scratch that may not have been written.
    Uninit(Place),
    /// Bytes of scratch that may not have been written, or hold part of a pointer.
    UninitScratch(Range),
    /// A write to `s0`, `s1` or `sp`.
    Reserved(Reg),
    /// Arithmetic on an address beyond adding, subtracting and moving.
    PointerArithmetic(Inst),
    /// Addresses are compared that are of different regions or may lie far from theirs, or an
    /// address and a number other than 0.
    PointerCompare(Inst),
    /// An address stored outside aligned words of scratch.
    PointerStore(Region),
    /// A register that must hold a number at the end holds an address.
    VerdictPointer(Reg),
    /// A service takes a number and is given an address.
    ArgumentAddress(Reg),
    /// A service reads scratch or constants and is given an address elsewhere.
    ArgumentRegion(Reg),

    // Memory.
    /// A number is used as an address and lies in no region.
    NotAddress(Range),
    /// A lookup's answer is used as an address and may be 0.
    MaybeNothing(Reg),
    /// A load or store that is not inside its region.
    Bounds {
        /// The region.
        region: Region,
        /// Where the access may begin.
        at: Range,
        /// Its size in bytes.
        size: u16,
        /// Bytes of the region that are known to be there.
        bytes: i64,
    },
    /// A store to a packet byte that may lie behind the packet's end.
    BeyondPacket {
        /// Where the access may begin.
        at: Range,
        /// Its size in bytes.
        size: u16,
        /// How long the packet is at least.
        len: i64,
    },
    /// A store to a region that is read-only.
    ReadOnly(Region),
    /// The instruction needs a right that the manifest does not ask for.
    NeedsRight(Right),

    // Cost.
    /// An entry's bound exceeds the platform's.
    Steps {
        /// The entry's bound, proved.
        steps: u64,
        /// The platform's.
        limit: u32,
    },
    /// An entry promises fewer steps than it may take.
    StepsPromised {
        /// The entry's bound, proved.
        steps: u64,
        /// What the manifest promises.
        promised: u32,
    },
}

impl Reason {
    pub(crate) fn at(self, pc: u32) -> Refusal {
        Refusal {
            pc: Some(pc),
            reason: self,
        }
    }

    /// As the answer of what checks a part of the code.
    #[cold]
    pub(crate) fn refuse<T>(self) -> Checked<T> {
        Err(Box::new(self))
    }

    pub(crate) fn of_image(self) -> Refusal {
        Refusal {
            pc: None,
            reason: self,
        }
    }
}

impl Region {
    /// Its name in messages.
    pub fn text(self) -> &'static str {
        match self {
            Region::Packet => "packet",
            Region::Scratch => "scratch",
            Region::Context => "context",
            Region::Carried => "carried area",
            Region::Constants => "constants",
            Region::Value => "value",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_sub(32) {
            None => write!(out, "{}", Reg(self.0)),
            Some(word) => write!(out, "{}(sp)", 4 * u32::from(word)),
        }
    }
}

pub(crate) struct Show(pub(crate) Range);

impl fmt::Display for Show {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lo, hi) = self.0;
        if lo == hi {
            write!(out, "{lo}")
        } else {
            write!(out, "{lo}..={hi}")
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pc {
            Some(pc) => write!(out, "at {pc}: {}", self.reason),
            None => write!(out, "{}", self.reason),
        }
    }
}

impl core::error::Error for Refusal {}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.image(out)
            .or_else(|| self.control(out))
            .or_else(|| self.certificate(out))
            .or_else(|| self.value(out))
            .unwrap_or(Ok(()))
    }
}

/// One function per group of reasons; `None` says that the reason is of another group.
impl Reason {
    fn image(&self, out: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Reason::TooLarge { what, bytes, limit } => {
                write!(out, "{what}: {bytes} bytes, and {limit} are allowed")
            }
            Reason::UnknownTarget(n) => write!(out, "target number {n} is not available"),
            Reason::NoEntry => write!(out, "the image has no entry"),
            Reason::ForeignRole(role) => {
                write!(out, "role `{}` belongs to the other profile", role.text())
            }
            Reason::DoubleRole(role) => write!(out, "two entries for role `{}`", role.text()),
            Reason::EntryAddress(pc) => {
                write!(out, "entry {pc} is not the start of an instruction")
            }
            Reason::TimerNeeds(need) => {
                write!(out, "a timer has no packet but needs {need} bytes of one")
            }
            Reason::Window(window) => {
                write!(
                    out,
                    "a window of {window} bytes; a node offers {}",
                    nfl_abi::map::WINDOW_MAX
                )
            }
            Reason::VerdictRight(kind, right) => {
                write!(
                    out,
                    "verdict `{}` needs the right `{}`",
                    kind.text(),
                    right.text()
                )
            }
            Reason::MalformedVerdict(kind) => {
                write!(
                    out,
                    "verdict `{}` for short packets is not among the verdicts",
                    kind.text()
                )
            }
            Reason::LateSlot(index) => {
                write!(
                    out,
                    "late parameter {index} is not an aligned word of its own among the constants with a range of its width"
                )
            }
            Reason::LateWord(index) => {
                write!(
                    out,
                    "the word of late parameter {index} is not within its range"
                )
            }
            Reason::TooMany { what, count, limit } => {
                write!(out, "{count} {what}, and {limit} are allowed")
            }
            Reason::Import(index) => {
                write!(
                    out,
                    "import {index} is of no service, or of one that does not work on its resource"
                )
            }
            Reason::ImportRight(service, right) => {
                write!(
                    out,
                    "service `{service}` needs the right `{}`",
                    right.text()
                )
            }
            Reason::Resource(index) => {
                write!(
                    out,
                    "resource {index} has flow handles for keys of another size"
                )
            }
            Reason::Steps { steps, limit } => {
                write!(
                    out,
                    "a run may take {steps} steps and the platform allows {limit}"
                )
            }
            Reason::StepsPromised { steps, promised } => {
                write!(
                    out,
                    "a run may take {steps} steps and the manifest promises {promised}"
                )
            }
            _ => return None,
        })
    }

    fn control(&self, out: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Reason::Decode(e) => write!(out, "{e}"),
            Reason::Target(inst) => write!(out, "the target has no `{inst}`"),
            Reason::Forbidden(inst) => write!(out, "microcode may not use `{inst}`"),
            Reason::Call(inst) => {
                write!(
                    out,
                    "`{inst}` links, and leads to no slot of an imported service"
                )
            }
            Reason::NoSubroutine(inst) => write!(
                out,
                "`{inst}` links, and leads to no subroutine above it that the certificate announces with this link"
            ),
            Reason::Return => write!(out, "a return, but not of a subroutine of the certificate"),
            Reason::SubroutineJump(target) => write!(
                out,
                "control goes to {target} across the border of a subroutine, by neither call nor return"
            ),
            Reason::JumpOutside(target) => write!(out, "a jump to {target}, outside the code"),
            Reason::JumpMiddle(target) => {
                write!(out, "a jump to {target}, the middle of an instruction")
            }
            Reason::FallsOff => write!(out, "control runs over the end of the code"),
            Reason::Dead => write!(out, "no path leads here"),
            Reason::Backward(target) => {
                write!(
                    out,
                    "a backward jump to {target}, which is no head of an enclosing loop"
                )
            }
            Reason::LoopEntry { head } => {
                write!(out, "control enters the loop at {head} past its head")
            }
            Reason::PendingJoins(limit) => {
                write!(out, "more than {limit} forward targets are open at once")
            }
            _ => return None,
        })
    }

    fn certificate(&self, out: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Reason::Certificate(what) => write!(out, "the certificate is not in form: {what}"),
            Reason::LoopShape { head, end } => {
                write!(
                    out,
                    "a loop from {head} to {end} does not fit the code or crosses another"
                )
            }
            Reason::Subroutine { entry, end, why } => {
                write!(out, "the subroutine from {entry} to {end} {why}")
            }
            Reason::CallClaim {
                entry,
                place,
                claimed,
                found,
            } => write!(
                out,
                "the subroutine at {entry} claims {} for {place}, which ",
                Show(*claimed)
            )
            .and_then(|()| match found {
                Some(range) => write!(out, "is {} here", Show(*range)),
                None => write!(out, "holds nothing of that kind here"),
            }),
            Reason::CallLength { entry, need, len } => write!(
                out,
                "the subroutine at {entry} needs a packet of {need} bytes, of which {len} are known to be there"
            ),
            Reason::LoopDepth(depth) => {
                write!(
                    out,
                    "loops are nested {depth} deep, beyond the platform's limit"
                )
            }
            Reason::Claim {
                head,
                place,
                claimed,
                found: Some(range),
            } => write!(
                out,
                "the loop at {head} claims {} for {place}, which is {} here",
                Show(*claimed),
                Show(*range)
            ),
            Reason::Claim {
                head,
                place,
                claimed,
                found: None,
            } => write!(
                out,
                "the loop at {head} claims {} for {place}, which holds nothing of that kind here",
                Show(*claimed)
            ),
            Reason::Measure { head, place, step } => {
                write!(
                    out,
                    "{place} does not move by {step} or further on this way back to {head}"
                )
            }
            Reason::LoopTrips { head, trips, limit } => {
                write!(
                    out,
                    "the loop at {head} may run {trips} times and the platform allows {limit}"
                )
            }
            Reason::LoopWords { first, last } => write!(
                out,
                "a loop stores to {first} to {last}, and its certificate does not mention all of that"
            ),
            Reason::SubroutineWords { first, last } => write!(
                out,
                "a subroutine stores to {first} to {last} other than by `sp`"
            ),
            Reason::NoMeasure { head } => {
                write!(
                    out,
                    "nothing moves by a constant in every round of the loop at {head}"
                )
            }
            _ => return None,
        })
    }

    fn value(&self, out: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Reason::Uninit(place) => write!(out, "{place} may not have been written"),
            Reason::UninitScratch(at) => {
                write!(
                    out,
                    "scratch bytes {} may not have been written as numbers",
                    Show(*at)
                )
            }
            Reason::Reserved(reg) => write!(out, "{reg} belongs to the node and is written"),
            Reason::PointerArithmetic(inst) => {
                write!(
                    out,
                    "`{inst}` computes with an address; only sums and differences may"
                )
            }
            Reason::PointerCompare(inst) => {
                write!(
                    out,
                    "`{inst}` compares addresses that are not of one region, or may lie far from it"
                )
            }
            Reason::PointerStore(region) => write!(
                out,
                "an address of the {} is stored elsewhere than in an aligned word of scratch",
                region.text()
            ),
            Reason::VerdictPointer(reg) => write!(out, "{reg} holds an address at the end"),
            Reason::ArgumentAddress(reg) => {
                write!(
                    out,
                    "a service takes a number in {reg}, which holds an address"
                )
            }
            Reason::ArgumentRegion(reg) => write!(
                out,
                "a service reads scratch or constants at {reg}, which holds another address"
            ),
            Reason::MaybeNothing(reg) => {
                write!(
                    out,
                    "{reg} may be 0, because the lookup may have found nothing"
                )
            }
            Reason::NotAddress(range) => {
                write!(out, "address {} lies in no region", Show(*range))
            }
            Reason::Bounds {
                region,
                at,
                size,
                bytes,
            } => write!(
                out,
                "an access of {size} at {} of the {}, of which {bytes} bytes are known to be there",
                Show(*at),
                region.text()
            ),
            Reason::BeyondPacket { at, size, len } => write!(
                out,
                "a store of {size} at {} of a packet that is known to have {len} bytes",
                Show(*at)
            ),
            Reason::ReadOnly(region) => {
                write!(out, "a store to the {}, which is read-only", region.text())
            }
            Reason::NeedsRight(right) => write!(out, "this needs the right `{}`", right.text()),
            _ => return None,
        })
    }
}
