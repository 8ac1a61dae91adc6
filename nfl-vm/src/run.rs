//! One run of an image: what it is given, whether it may begin, and what its end means.
//!
//! In: an image, an entry, a packet and the node's services. Out: an outcome, or the rule that was broken.
//! Guaranteed: images that nobody proved run here too, under the interpreter that checks each
//! instruction.

use std::fmt;

use nfl_abi::host::Host;
use nfl_abi::image::{REASON_FAULT, REASONS, Right, Verdict, VerdictKind};
use nfl_abi::{Entry, Image, Profile, Role, map};
use nfl_isa::Reg;

use crate::interp::{self, Finish, Step};
use crate::memory::{Kind, Memory, Word};
use crate::outcome::{Effects, Fault, Outcome, Trap};
use crate::packet::{Context, Packet, View};
use crate::program::Program;

/// What a run is given.
pub struct Inputs<'a> {
    /// The packet from the handler's layer on.
    pub packet: &'a mut Packet,
    /// What the node tells.
    pub context: &'a Context,
    /// Memory that travels with the packet, as long as the manifest's.
    pub carried: &'a mut [u8],
    /// The node's services.
    pub host: &'a mut dyn Host,
}

impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("packet", &self.packet)
            .field("context", &self.context)
            .field("carried", &self.carried)
            .finish_non_exhaustive()
    }
}

impl<'a> Inputs<'a> {
    fn viewed(self, image: &Image) -> Given<'a> {
        Given {
            view: self.packet.view(u32::from(image.manifest.window)),
            context: self.context,
            carried: self.carried,
            host: self.host,
        }
    }
}

/// The same with the packet as a run works on it.
pub(crate) struct Given<'a> {
    pub(crate) view: View<'a>,
    pub(crate) context: &'a Context,
    pub(crate) carried: &'a mut [u8],
    pub(crate) host: &'a mut dyn Host,
}

/// Run an entry of an image that nobody proved, for at most `steps_max` steps, and show each
/// instruction to `trace` before it runs. What the run does beside its verdict is the host's to
/// know, so the outcome has no effects.
///
/// # Errors
///
/// A [`Fault`] when the run has no verdict.
pub fn run_unverified(
    image: &Image,
    entry: &Entry,
    inputs: Inputs<'_>,
    steps_max: u32,
    trace: impl FnMut(&mut Step<'_>),
) -> Result<Outcome, Fault> {
    let program = Program::new(image);
    run_entry(
        image,
        &program,
        entry,
        inputs.viewed(image),
        steps_max,
        trace,
    )
}

/// An image that nobody proved, decoded once for many runs.
#[derive(Clone, Debug)]
pub struct Unproved {
    image: Image,
    program: Program,
}

impl Unproved {
    /// Decodes an image.
    pub fn new(image: Image) -> Unproved {
        let program = Program::new(&image);
        Unproved { image, program }
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The image's constants, for the node to bind late parameters between two runs.
    pub fn constants_mut(&mut self) -> &mut [u8] {
        &mut self.image.constants
    }

    /// Does what [`run_unverified`] does, without decoding again.
    ///
    /// # Errors
    ///
    /// As [`run_unverified`].
    pub fn run(
        &self,
        entry: &Entry,
        inputs: Inputs<'_>,
        steps_max: u32,
        trace: impl FnMut(&mut Step<'_>),
    ) -> Result<Outcome, Fault> {
        let Unproved { image, program } = self;
        run_entry(
            image,
            program,
            entry,
            inputs.viewed(image),
            steps_max,
            trace,
        )
    }
}

pub(crate) fn run_entry(
    image: &Image,
    program: &Program,
    entry: &Entry,
    given: Given<'_>,
    steps_max: u32,
    trace: impl FnMut(&mut Step<'_>),
) -> Result<Outcome, Fault> {
    let manifest = &image.manifest;
    let Given {
        view,
        context,
        carried,
        host,
    } = given;
    if let Some(outcome) = admit(image, entry, view.len(), carried.len())? {
        return Ok(outcome);
    }
    let memory = Memory::new(
        constants(image),
        context.to_bytes(manifest.rights.has(Right::Clock)),
        view,
        carried,
        manifest.rights.has(Right::Rewrite),
    );
    let finish = interp::run(program, entry.pc, memory, host, steps_max, trace)?;
    let Finish { pc, words, steps } = finish;
    outcome(image, || pc, words, Some(steps))
}

/// The constants that code may reach.
pub(crate) fn constants(image: &Image) -> &[u8] {
    let bytes = image.constants.len().min(map::CONSTANTS_BYTES as usize);
    &image.constants[..bytes]
}

/// Whether a run may begin: it may, or the packet is too short for the entry and this is the outcome.
pub(crate) fn admit(
    image: &Image,
    entry: &Entry,
    len: usize,
    carried: usize,
) -> Result<Option<Outcome>, Fault> {
    let manifest = &image.manifest;
    if entry.role == Role::Every && len > 0 {
        return Err(Fault::TimerPacket { len });
    }
    if len > map::PACKET_MAX as usize {
        return Err(Fault::PacketTooLong { len });
    }
    if carried != manifest.carried.len() {
        return Err(Fault::CarriedSize {
            is: carried,
            must: manifest.carried.len(),
        });
    }
    Ok((len < usize::from(entry.need)).then(|| Outcome {
        verdict: as_profile_has_it(manifest.profile, entry.malformed),
        steps: Some(0),
        by_need: true,
        no_room: false,
        effects: Effects::default(),
    }))
}

/// The outcome of a run that finished at `pc` with these words, or found no room.
pub(crate) fn outcome(
    image: &Image,
    pc: impl Fn() -> u32,
    words: Option<(Word, Word)>,
    steps: Option<u32>,
) -> Result<Outcome, Fault> {
    let verdict = match words {
        Some(words) => verdict(image, words).map_err(|trap| Fault::Trap { pc: pc(), trap })?,
        None => as_profile_has_it(image.manifest.profile, no_room()),
    };
    Ok(Outcome {
        verdict,
        steps,
        by_need: false,
        no_room: words.is_none(),
        effects: Effects::default(),
    })
}

/// The verdict when the packet has no room to grow. Nodes drop on their own account too, so no
/// manifest needs to allow it.
fn no_room() -> Verdict {
    let reason = REASONS.iter().position(|&reason| reason == "NO_ROOM");
    Verdict {
        kind: VerdictKind::Drop,
        operand: reason.map_or(u32::from(REASON_FAULT), |number| number as u32),
    }
}

/// The verdict in `a0` and `a1`, if the manifest allows it.
fn verdict(image: &Image, (a0, a1): (Word, Word)) -> Result<Verdict, Trap> {
    let kind = match a0.kind {
        Kind::Number => kind_of(a0.bits)
            .filter(|&kind| allows(image.manifest.verdicts, kind))
            .ok_or_else(|| not_allowed(a0.bits))?,
        _ => return Err(Trap::NotANumber(Reg(map::reg::A0))),
    };
    let operand = match kind {
        VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate => 0,
        VerdictKind::Drop if image.manifest.profile == Profile::Capsule => 0,
        VerdictKind::Drop
        | VerdictKind::Forward
        | VerdictKind::Multicast
        | VerdictKind::Steer
        | VerdictKind::Punt => match a1.kind {
            Kind::Number => a1.bits,
            _ => return Err(Trap::NotANumber(Reg(map::reg::A1))),
        },
    };
    Ok(Verdict { kind, operand })
}

fn kind_of(verdict: u32) -> Option<VerdictKind> {
    VerdictKind::from_number(u8::try_from(verdict).ok()?)
}

/// The rule that a verdict broke which is not allowed.
pub(crate) fn not_allowed(verdict: u32) -> Trap {
    kind_of(verdict).map_or(Trap::UnknownVerdict(verdict), Trap::ForbiddenVerdict)
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

pub(crate) fn allows(mask: u8, kind: VerdictKind) -> bool {
    mask >> kind.number() & 1 != 0
}
