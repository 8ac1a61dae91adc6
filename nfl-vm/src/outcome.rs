//! How a run ends: with an outcome, or with a fault that says what the code did wrong.
//!
//! A node turns every fault into `Drop` with reason 255 ([`Outcome::from_fault`]); whoever tests
//! code wants to know which fault it was, so `run` keeps the two apart. After a fault the packet
//! and the `carried` area hold what was written before it.

use std::fmt;
use std::ops::Deref;

use nfl_abi::image::{REASON_FAULT, Right, Verdict, VerdictKind};
use nfl_abi::{Code, Role, codes, map};
use nfl_isa::{DecodeError, Reg};

use crate::memory::Region;

/// How many steps a run may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Budget {
    /// As many as the verifier proved to be enough.
    Proven,
    /// At most this many.
    Steps(u32),
}

impl Budget {
    /// Whether a run that takes at most so many steps stays within it.
    #[inline]
    pub(crate) fn covers(self, steps: u32) -> bool {
        match self {
            Budget::Proven => true,
            Budget::Steps(budget) => steps <= budget,
        }
    }
}

/// What a handler decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What becomes of the packet. A capsule has one `Drop`, so its operand is 0 there.
    pub verdict: Verdict,
    /// Instructions that ran, and the prices of services; nothing when nobody counted, as in host code.
    pub steps: Option<u32>,
    /// Whether the packet was shorter than the entry's `need`, so that no code ran.
    pub by_need: bool,
    /// Whether the run ended because the packet had no room to grow.
    pub no_room: bool,
    /// What it did to the packet beside its bytes.
    pub effects: Effects,
}

/// What a way of running answers that is seldom taken, part by part: so what the usual way answers need not lie in memory.
#[inline(always)]
pub(crate) fn aside(answer: Result<Outcome, Fault>) -> Result<Outcome, Fault> {
    let Outcome {
        verdict,
        steps,
        by_need,
        no_room,
        effects,
    } = answer?;
    Ok(Outcome {
        verdict,
        steps,
        by_need,
        no_room,
        effects,
    })
}

/// What a run does with the packet beside changing its bytes: most do nothing, which is [read](Deref) as no copies and no
/// priority, and takes no memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Effects(Option<Box<Done>>);

/// What there is to read of [`Effects`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// Copies that were sent, in order.
    pub mirrors: Vec<Mirror>,
    /// The priority that was set last.
    pub priority: Option<u32>,
}

const NOTHING: &Done = &Done {
    mirrors: Vec::new(),
    priority: None,
};

impl Effects {
    pub(crate) fn new(done: Done) -> Effects {
        Effects((done != *NOTHING).then(|| Box::new(done)))
    }

    pub(crate) fn into_done(mut self) -> Done {
        self.0.take().map_or_else(Done::default, |done| *done)
    }
}

/// Whoever drops an outcome has no more code for it than a look whether there is something.
impl Drop for Effects {
    #[inline(always)]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn forget(_: Box<Done>) {}

        if let Some(done) = self.0.take() {
            forget(done);
        }
    }
}

impl Deref for Effects {
    type Target = Done;

    fn deref(&self) -> &Done {
        self.0.as_deref().unwrap_or(NOTHING)
    }
}

/// A copy of the packet as it was when it was mirrored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mirror {
    /// The port it leaves by.
    pub port: u32,
    /// Its bytes from the handler's layer on.
    pub packet: Vec<u8>,
}

impl Outcome {
    /// What a node does with a packet whose handler faulted: `Drop`, reason 255.
    pub fn from_fault() -> Outcome {
        Outcome {
            verdict: Verdict {
                kind: VerdictKind::Drop,
                operand: u32::from(REASON_FAULT),
            },
            steps: Some(0),
            by_need: false,
            no_room: false,
            effects: Effects::default(),
        }
    }
}

/// Why there is no verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The image has no handler of this role.
    NoEntry(Role),
    /// The image has no entry at this place.
    NoSuchEntry(usize),
    /// A timer was handed a packet.
    TimerPacket {
        /// Its length in bytes.
        len: usize,
    },
    /// The packet is longer than any that a node hands to a handler.
    PacketTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The `carried` area is not of the size that the manifest says.
    CarriedSize {
        /// Its size in bytes.
        is: usize,
        /// The manifest's.
        must: usize,
    },
    /// The code broke a rule.
    Trap {
        /// Offset in the code of the instruction that did.
        pc: u32,
        /// The rule.
        trap: Trap,
    },
}

/// The rule that an instruction broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// There is no instruction of the machine at this place.
    Undecodable(DecodeError),
    /// The instruction has no meaning in microcode.
    Instruction,
    /// Control left the code.
    OutsideCode,
    /// An access left its region.
    OutOfBounds {
        /// The region that its base register points into.
        region: Region,
        /// First byte of the access, from the start of the region.
        offset: i32,
        /// Bytes of the access.
        size: u8,
        /// Bytes of the region that may be accessed this way.
        limit: u32,
    },
    /// The base register of an access holds no address.
    NotAnAddress(Reg),
    /// A store to a region that code cannot write.
    ReadOnly(Region),
    /// A use of something that the manifest lacks the right for.
    NoRight(Right),
    /// A register was read that has no defined value.
    UndefinedRegister(Reg),
    /// The handler finished with something else than a number in this register.
    NotANumber(Reg),
    /// Bytes of scratch were read together that no one store defined.
    UndefinedScratch {
        /// First byte of the access, from `sp`.
        offset: u32,
    },
    /// A register was written that belongs to the node.
    NodeRegister(Reg),
    /// An address was stored outside scratch.
    AddressStored(Region),
    /// An address was compared with something other than zero or its own region.
    AddressCompared,
    /// A subroutine was called through another register than `ra` or `t0`, or at a higher address;
    /// or a slot that the image does not import, or through another register than `ra`.
    Call,
    /// A jump to something else than the address a call left in `ra` or `t0`.
    Return,
    /// An argument of a service holds neither a number nor the address of scratch memory.
    Argument(Reg),
    /// A service refused its arguments, or a node without services was asked for one.
    Service,
    /// More steps than the budget.
    StepLimit(u32),
    /// What was proved of the instruction does not hold: the proof is wrong.
    Unproved,
    /// `a0` holds no verdict.
    UnknownVerdict(u32),
    /// The manifest does not allow this verdict.
    ForbiddenVerdict(VerdictKind),
}

impl Fault {
    /// The diagnostic code.
    pub fn code(&self) -> &'static Code {
        &codes::E833
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoEntry(role) => write!(f, "the image has no `{}` handler", role.text()),
            Fault::NoSuchEntry(index) => write!(f, "the image has no entry number {index}"),
            Fault::TimerPacket { len } => {
                write!(f, "a timer has no packet, and was handed {len} bytes")
            }
            Fault::PacketTooLong { len } => write!(
                f,
                "the packet has {len} bytes and a handler takes at most {}",
                map::PACKET_MAX
            ),
            Fault::CarriedSize { is, must } => write!(
                f,
                "the carried area has {is} bytes and the image wants {must}"
            ),
            Fault::Trap { pc, trap } => write!(f, "at {pc:#06x}: {trap}"),
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::Undecodable(error) => write!(f, "{error}"),
            Trap::Instruction => write!(f, "an instruction that microcode does not have"),
            Trap::OutsideCode => write!(f, "control left the code"),
            Trap::OutOfBounds {
                region,
                offset,
                size,
                limit,
            } => write!(
                f,
                "an access of {size} at offset {offset} of the {region}, where {limit} bytes are open to it"
            ),
            Trap::NotAnAddress(reg) => {
                write!(f, "an access through `{reg}`, which holds no address")
            }
            Trap::ReadOnly(region) => write!(f, "a store to the {region}, which is read-only"),
            Trap::NoRight(right) => write!(f, "needs the right `{}`", right.text()),
            Trap::UndefinedRegister(reg) => write!(f, "`{reg}` is read and has no defined value"),
            Trap::NotANumber(reg) => write!(f, "the verdict needs a number in `{reg}`"),
            Trap::UndefinedScratch { offset } => {
                write!(
                    f,
                    "scratch at offset {offset} is read and has no defined value"
                )
            }
            Trap::NodeRegister(reg) => write!(f, "`{reg}` belongs to the node and is written"),
            Trap::AddressStored(region) => write!(f, "an address is stored to the {region}"),
            Trap::AddressCompared => write!(
                f,
                "an address is compared with neither zero nor another in its region"
            ),
            Trap::Call => write!(
                f,
                "a call of neither a lower address through `ra` or `t0` nor an import through `ra`"
            ),
            Trap::Return => write!(f, "a jump to something that no call left in `ra` or `t0`"),
            Trap::Argument(reg) => write!(f, "`{reg}` holds no argument of the service"),
            Trap::Service => write!(f, "the service refuses the call"),
            Trap::StepLimit(steps) => write!(f, "the budget of {steps} steps is used up"),
            Trap::Unproved => write!(f, "what was proved of the instruction does not hold"),
            Trap::UnknownVerdict(a0) => write!(f, "`a0` is {a0}, which is no verdict"),
            Trap::ForbiddenVerdict(kind) => {
                write!(
                    f,
                    "the manifest does not allow the verdict `{}`",
                    kind.text()
                )
            }
        }
    }
}

impl std::error::Error for Fault {}
