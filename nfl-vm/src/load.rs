//! From a proven image to runs of it: what a node allows, loading, and instances.
//!
//! In: a [`Proven`] image and a [`Policy`]. Out: a [`Loaded`] program that threads may share, and
//! an [`Instance`] of it for each worker. Guaranteed: nothing is loaded that asks for more than the
//! policy grants.

use std::fmt;
use std::sync::Arc;

use nfl_abi::image::{Right, Rights, Verdict, VerdictKind};
use nfl_abi::{Entry, Image, Profile, Role, map};
use nfl_isa::Reg;
use nfl_verify::Proven;

use crate::interp::{self, Finish, Step};
use crate::memory::{Kind, Memory};
use crate::outcome::{Budget, Fault, Outcome, Trap};
use crate::packet::{Context, Packet};
use crate::program::Program;

/// What a node grants to an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Rights it may use.
    pub rights: Rights,
    /// Bit `n` is set when verdict number `n` may be the outcome.
    pub verdicts: u8,
    /// The worst case of an entry, in steps.
    pub steps_max: u32,
}

impl Policy {
    /// Whatever the language can ask for.
    pub const ALL: Policy = Policy {
        rights: Rights((1 << Right::ALL.len()) - 1),
        verdicts: u8::MAX,
        steps_max: u32::MAX,
    };
}

/// Why a node does not load an image.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// It asks for rights that the policy does not grant; all of them.
    Rights(Rights),
    /// It may answer with a verdict that the policy does not allow.
    Verdict(VerdictKind),
    /// The worst case of an entry is above the policy's.
    Steps {
        /// The entry's role.
        role: Role,
        /// Its worst case.
        steps: u32,
        /// The policy's.
        max: u32,
    },
    /// It imports a service, by number, that this machine does not offer.
    Service(u8),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Rights(rights) => {
                write!(f, "the policy does not grant")?;
                for (n, right) in rights.iter().enumerate() {
                    write!(f, "{} `{}`", if n == 0 { "" } else { "," }, right.text())?;
                }
                Ok(())
            }
            LoadError::Verdict(kind) => {
                write!(f, "the policy does not allow the verdict `{}`", kind.text())
            }
            LoadError::Steps { role, steps, max } => write!(
                f,
                "the `{}` handler may take {steps} steps and the policy allows {max}",
                role.text()
            ),
            LoadError::Service(number) => match nfl_abi::host::Service::by_number(*number) {
                Some(service) => write!(f, "this machine does not offer `{}`", service.name),
                None => write!(f, "there is no service number {number}"),
            },
        }
    }
}

impl std::error::Error for LoadError {}

/// A program that may run here.
#[derive(Clone, Debug)]
pub struct Loaded {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    proven: Proven,
    program: Program,
}

/// Load a proven image if the policy grants all it asks for.
pub fn load(proven: Proven, policy: &Policy) -> Result<Loaded, LoadError> {
    let manifest = &proven.image().manifest;
    if let Some(import) = manifest.imports.first() {
        return Err(LoadError::Service(import.service));
    }
    for &kind in VerdictKind::ALL {
        if allows(manifest.verdicts & !policy.verdicts, kind) {
            return Err(LoadError::Verdict(kind));
        }
    }
    let excess = manifest.rights.without(policy.rights);
    if excess != Rights::NONE {
        return Err(LoadError::Rights(excess));
    }
    for (n, entry) in manifest.entries.iter().enumerate() {
        let steps = proven.steps(n);
        if steps > policy.steps_max {
            return Err(LoadError::Steps {
                role: entry.role,
                steps,
                max: policy.steps_max,
            });
        }
    }
    let program = Program::new(&proven.image().code);
    Ok(Loaded {
        shared: Arc::new(Shared { proven, program }),
    })
}

impl Loaded {
    /// The image.
    pub fn image(&self) -> &Image {
        self.shared.proven.image()
    }

    /// The image with the facts that were proved of it.
    pub fn proven(&self) -> &Proven {
        &self.shared.proven
    }

    /// The handler of a role, if the image has one.
    pub fn entry(&self, role: Role) -> Option<&Entry> {
        self.image()
            .manifest
            .entries
            .iter()
            .find(|e| e.role == role)
    }

    /// The worst case of the handler of a role, as it was proved.
    pub fn steps_max(&self, role: Role) -> Option<u32> {
        Some(self.shared.proven.steps(self.position(role)?))
    }

    /// Something to run packets through, for one worker.
    pub fn instance(&self) -> Instance {
        Instance {
            loaded: self.clone(),
        }
    }

    fn position(&self, role: Role) -> Option<usize> {
        let entries = &self.image().manifest.entries;
        entries.iter().position(|e| e.role == role)
    }
}

/// A loaded program with the state that one worker needs.
#[derive(Clone, Debug)]
pub struct Instance {
    loaded: Loaded,
}

impl Instance {
    /// The program.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Run the handler of `role` on a packet. `carried` is as long as the manifest's.
    pub fn run(
        &mut self,
        role: Role,
        packet: &mut Packet,
        context: &Context,
        carried: &mut [u8],
        budget: Budget,
    ) -> Result<Outcome, Fault> {
        let index = self.loaded.position(role).ok_or(Fault::NoEntry(role))?;
        let Shared { proven, program } = &*self.loaded.shared;
        let steps = match budget {
            Budget::Proven => proven.steps(index),
            Budget::Steps(steps) => steps,
        };
        let image = proven.image();
        let entry = &image.manifest.entries[index];
        let inputs = Inputs {
            packet,
            context,
            carried,
        };
        run_entry(image, program, entry, inputs, steps, |_| {})
    }
}

/// Run an entry of an image that nobody proved, for at most `steps_max` steps, and show each
/// instruction to `trace` before it runs.
pub fn run_unverified(
    image: &Image,
    entry: &Entry,
    packet: &mut Packet,
    context: &Context,
    carried: &mut [u8],
    steps_max: u32,
    trace: impl FnMut(&Step<'_>),
) -> Result<Outcome, Fault> {
    let program = Program::new(&image.code);
    let inputs = Inputs {
        packet,
        context,
        carried,
    };
    run_entry(image, &program, entry, inputs, steps_max, trace)
}

struct Inputs<'a> {
    packet: &'a mut Packet,
    context: &'a Context,
    carried: &'a mut [u8],
}

fn run_entry(
    image: &Image,
    program: &Program,
    entry: &Entry,
    inputs: Inputs<'_>,
    steps_max: u32,
    trace: impl FnMut(&Step<'_>),
) -> Result<Outcome, Fault> {
    let manifest = &image.manifest;
    let Inputs {
        packet,
        context,
        carried,
    } = inputs;
    if packet.len() > map::PACKET_MAX as usize {
        return Err(Fault::PacketTooLong { len: packet.len() });
    }
    if carried.len() != manifest.carried.len() {
        return Err(Fault::CarriedSize {
            is: carried.len(),
            must: manifest.carried.len(),
        });
    }
    if packet.len() < usize::from(entry.need) {
        return Ok(Outcome {
            verdict: as_profile_has_it(manifest.profile, entry.malformed),
            steps: 0,
            by_need: true,
        });
    }
    let constants = image.constants.len().min(map::CONSTANTS_BYTES as usize);
    let memory = Memory::new(
        &image.constants[..constants],
        context.to_bytes(manifest.rights.has(Right::Clock)),
        packet.bytes_mut(),
        carried,
        u32::from(manifest.window),
        manifest.rights.has(Right::Rewrite),
    );
    let finish = interp::run(program, entry.pc, memory, steps_max, trace)?;
    let stop = |trap| Fault::Trap {
        pc: finish.pc,
        trap,
    };
    Ok(Outcome {
        verdict: verdict(image, &finish).map_err(stop)?,
        steps: finish.steps,
        by_need: false,
    })
}

/// The verdict in `a0` and `a1`, if the manifest allows it.
fn verdict(image: &Image, finish: &Finish) -> Result<Verdict, Trap> {
    let kind = match finish.a0.kind {
        Kind::Number => u8::try_from(finish.a0.bits)
            .ok()
            .and_then(VerdictKind::from_number)
            .ok_or(Trap::UnknownVerdict(finish.a0.bits))?,
        _ => return Err(Trap::NotANumber(Reg::A0)),
    };
    if !allows(image.manifest.verdicts, kind) {
        return Err(Trap::ForbiddenVerdict(kind));
    }
    let operand = match kind {
        VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate => 0,
        VerdictKind::Drop if image.manifest.profile == Profile::Capsule => 0,
        VerdictKind::Drop
        | VerdictKind::Forward
        | VerdictKind::Multicast
        | VerdictKind::Steer
        | VerdictKind::Punt => match finish.a1.kind {
            Kind::Number => finish.a1.bits,
            _ => return Err(Trap::NotANumber(Reg::A1)),
        },
    };
    Ok(Verdict { kind, operand })
}

/// Capsules have a single `Drop`.
fn as_profile_has_it(profile: Profile, verdict: Verdict) -> Verdict {
    match (profile, verdict.kind) {
        (Profile::Capsule, VerdictKind::Drop) => Verdict {
            operand: 0,
            ..verdict
        },
        _ => verdict,
    }
}

fn allows(mask: u8, kind: VerdictKind) -> bool {
    mask >> kind.number() & 1 != 0
}
