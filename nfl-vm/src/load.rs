//! From a proven image to runs of it: what a node allows, loading, and instances.
//!
//! In: a [`Proven`] image and a [`Policy`]. Out: a [`Loaded`] program that threads may share, and
//! an [`Instance`] of it for each worker. Guaranteed: nothing is loaded that asks for more than the
//! policy grants.

use std::fmt;
use std::mem;
use std::sync::{Arc, OnceLock, Weak};

use nfl_abi::host::NoHost;
use nfl_abi::image::{Right, Rights, VerdictKind};
use nfl_abi::{Entry, Image, Role};
use nfl_verify::{Proven, Refusal};

#[cfg(feature = "jit")]
use crate::hot::{Heat, RUNS_TOLD};
use crate::interp::Step;
#[cfg(feature = "jit")]
use crate::jit::Native;
use crate::memory::Word;
use crate::outcome::{Budget, Fault, Outcome, aside};
use crate::packet::{Context, Frame, Packet, View};
use crate::program::Program;
use crate::proved::flat::Code;
use crate::proved::{self, Work};
use crate::run::{Given, admit, allows, constants, outcome, run_entry};
use crate::services::{Bound, Services, Slot};
use crate::state::{Home, SharedState, State, StateError, StateGuard};

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
    /// It is not proved.
    Refused(Refusal),
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
    /// It declares two resources of this name that differ.
    Resource(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Refused(refusal) => refusal.fmt(f),
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
            LoadError::Resource(name) => write!(f, "two resources are named `{name}`"),
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
    /// For runs; nothing for an image that cannot be flattened.
    code: Option<Code>,
    /// For runs that are traced, or have fewer steps than were proved to be enough; decoded when the
    /// first one comes.
    program: OnceLock<Program>,
    /// Host code, once it is compiled.
    #[cfg(feature = "jit")]
    native: OnceLock<Native>,
    #[cfg(feature = "jit")]
    heat: Heat,
}

/// A program that may be gone when all who run it have dropped it.
#[derive(Clone, Debug, Default)]
pub struct WeakLoaded(Weak<Shared>);

impl WeakLoaded {
    /// The program, if anybody has it still.
    pub fn upgrade(&self) -> Option<Loaded> {
        let shared = self.0.upgrade()?;
        Some(Loaded { shared })
    }
}

/// Load a proven image if the policy grants all it asks for.
pub fn load(proven: Proven, policy: &Policy) -> Result<Loaded, LoadError> {
    check(&proven, policy)?;
    let code = Code::new(proven.image());
    Ok(Loaded::new(proven, code))
}

/// Whether an image can be loaded.
pub(crate) fn check(proven: &Proven, policy: &Policy) -> Result<(), LoadError> {
    let manifest = &proven.image().manifest;
    for import in &manifest.imports {
        let slot = Slot::new(import, &manifest.resources);
        slot.ok_or(LoadError::Service(import.service))?;
    }
    if let Err(StateError::Differs(name)) = State::new(&manifest.resources) {
        return Err(LoadError::Resource(name));
    }
    check_policy(proven, policy)
}

/// Whether a policy grants all that an image asks for.
fn check_policy(proven: &Proven, policy: &Policy) -> Result<(), LoadError> {
    let manifest = &proven.image().manifest;
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
    Ok(())
}

impl Loaded {
    /// A program that was checked, with its flat code.
    pub(crate) fn new(proven: Proven, code: Option<Code>) -> Loaded {
        Loaded {
            shared: Arc::new(Shared {
                proven,
                code,
                program: OnceLock::new(),
                #[cfg(feature = "jit")]
                native: OnceLock::new(),
                #[cfg(feature = "jit")]
                heat: Heat::default(),
            }),
        }
    }

    /// The image.
    pub fn image(&self) -> &Image {
        self.shared.proven.image()
    }

    /// Whether a policy grants all that the program asks for, as [`load`] would ask.
    ///
    /// # Errors
    ///
    /// [`LoadError`] with what it does not grant.
    pub fn check(&self, policy: &Policy) -> Result<(), LoadError> {
        check_policy(self.proven(), policy)
    }

    /// The program, without keeping it alive.
    pub fn downgrade(&self) -> WeakLoaded {
        WeakLoaded(Arc::downgrade(&self.shared))
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

    /// Something to run packets through, for one worker, with a state of its own that is empty.
    ///
    /// # Panics
    ///
    /// Never: an image that is loaded agrees with itself about its resources.
    pub fn instance(&self) -> Instance {
        self.worker(State::default())
            .expect("checked when it was loaded")
    }

    /// Something to run packets through, for one worker, with a state that is its own: no run takes a
    /// lock. [`Control::worker`](crate::Control::worker) makes such states.
    ///
    /// # Errors
    ///
    /// [`StateError::Differs`] when the state knows one of the names as something else.
    pub fn worker(&self, mut state: State) -> Result<Instance, StateError> {
        let manifest = &self.image().manifest;
        let bound = state.bind(&manifest.imports, &manifest.resources)?;
        Ok(Instance {
            loaded: self.clone(),
            bound,
            state: Home::Own(Box::new(state)),
            spare: Vec::new(),
            work: None,
        })
    }

    /// Something to run packets through, on a state that others may share. Resources of one name are
    /// one resource.
    ///
    /// # Errors
    ///
    /// [`StateError::Differs`] when another image knows one of the names as something else.
    pub fn instance_on(&self, state: &SharedState) -> Result<Instance, StateError> {
        let manifest = &self.image().manifest;
        let bound = state.lock().bind(&manifest.imports, &manifest.resources)?;
        Ok(Instance {
            loaded: self.clone(),
            bound,
            state: Home::Shared(state.clone()),
            spare: Vec::new(),
            work: None,
        })
    }

    /// Bytes of a packet that loads may reach, however short it is.
    fn window(&self) -> u32 {
        u32::from(self.image().manifest.window)
    }

    /// Whether its instances run host code.
    #[cfg(feature = "jit")]
    pub fn is_compiled(&self) -> bool {
        self.native().get().is_some()
    }

    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn native(&self) -> &OnceLock<Native> {
        &self.shared.native
    }

    #[cfg(feature = "jit")]
    pub(crate) fn heat(&self) -> &Heat {
        &self.shared.heat
    }

    fn position(&self, role: Role) -> Option<usize> {
        let entries = &self.image().manifest.entries;
        entries.iter().position(|e| e.role == role)
    }
}

/// A loaded program with the state it works on. A copy works on the same state if that is shared, and on a
/// copy of it if it is the instance's own.
#[derive(Clone, Debug)]
pub struct Instance {
    loaded: Loaded,
    bound: Bound,
    state: Home,
    /// Takes packets whose buffers end before the window.
    spare: Vec<u8>,
    /// Made for the first run.
    work: Option<Box<Work>>,
}

impl Instance {
    /// The program.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The state it works on, to be shared with other instances; nothing when it is the instance's own.
    pub fn shared_state(&self) -> Option<&SharedState> {
        match &self.state {
            Home::Own(_) => None,
            Home::Shared(state) => Some(state),
        }
    }

    /// The state it works on, to be read and filled. No instance on it runs while this is held.
    pub fn state_mut(&mut self) -> StateGuard<'_> {
        self.state.hold()
    }

    /// Another program on the same state. It answers the one before.
    pub(crate) fn rebind(&mut self, program: &Loaded) -> Result<Loaded, StateError> {
        let manifest = &program.image().manifest;
        let mut state = self.state_mut();
        let bound = state.bind(&manifest.imports, &manifest.resources)?;
        drop(state);
        self.bound = bound;
        Ok(mem::replace(&mut self.loaded, program.clone()))
    }

    /// Run the handler of `role` on a packet. `carried` is as long as the manifest's. Of several
    /// timers it is the first. The clock of the state goes on to the context's, unless the image imports no
    /// service: then the state is not touched.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when the run has no verdict.
    pub fn run(
        &mut self,
        role: Role,
        packet: &mut Packet,
        context: &Context,
        carried: &mut [u8],
        budget: Budget,
    ) -> Result<Outcome, Fault> {
        let index = self.loaded.position(role).ok_or(Fault::NoEntry(role))?;
        self.run_entry(index, packet, context, carried, budget)
    }

    /// Run an entry by its place in the manifest.
    ///
    /// # Errors
    ///
    /// As [`Instance::run`].
    pub fn run_entry(
        &mut self,
        index: usize,
        packet: &mut Packet,
        context: &Context,
        carried: &mut [u8],
        budget: Budget,
    ) -> Result<Outcome, Fault> {
        let view = packet.view(self.loaded.window());
        let (parts, work) = (
            (&self.loaded, &mut self.bound, &mut self.state),
            &mut self.work,
        );
        run_fast(parts, work, index, (view, context, carried), budget)
    }

    /// The same for a packet, its context and its `carried` area, and shows each instruction to
    /// `trace` before it runs. What `trace` writes is as if the code had written it.
    ///
    /// # Errors
    ///
    /// As [`Instance::run`].
    pub fn run_traced(
        &mut self,
        index: usize,
        (packet, context, carried): (&mut Packet, &Context, &mut [u8]),
        budget: Budget,
        trace: impl FnMut(&mut Step<'_>),
    ) -> Result<Outcome, Fault> {
        let view = packet.view(self.loaded.window());
        let parts = (&self.loaded, &mut self.bound, &mut self.state);
        run_view(parts, index, (view, context, carried), budget, trace)
    }

    /// Run the handler of `role` on a packet in a buffer of the caller's, in place.
    ///
    /// # Errors
    ///
    /// As [`Instance::run`].
    #[inline]
    pub fn run_frame(
        &mut self,
        role: Role,
        frame: &mut Frame<'_>,
        context: &Context,
        carried: &mut [u8],
        budget: Budget,
    ) -> Result<Outcome, Fault> {
        #[cfg(feature = "jit")]
        {
            let place = frame.start();
            if let Some(native) = self.loaded.native().get()
                && let Some(start) = native.start_of(role, budget)
                && start.takes(place.1, carried.len())
            {
                let parts = (&self.loaded, &mut self.bound, &mut self.state);
                return native.run_in_place(parts, start, (frame, place), context, carried);
            }
            std::hint::cold_path();
        }
        let work = move |frame: &mut Frame<'_>| {
            self.run_frame_otherwise(role, frame, context, carried, budget)
        };
        aside(frame.apart(work))
    }

    /// What runs need beside the program.
    #[cfg(feature = "jit")]
    pub(crate) fn run_parts(&mut self) -> (&mut Bound, &mut Home) {
        (&mut self.bound, &mut self.state)
    }

    /// The same where a packet or its buffer is short, or the entry does not run for the packet, or is interpreted.
    #[inline(never)]
    pub(crate) fn run_frame_otherwise(
        &mut self,
        role: Role,
        frame: &mut Frame<'_>,
        context: &Context,
        carried: &mut [u8],
        budget: Budget,
    ) -> Result<Outcome, Fault> {
        #[cfg(feature = "jit")]
        if let Some(native) = self.loaded.native().get()
            && let Some(start) = native.start_of(role, budget)
            && start.admits(frame.len(), carried.len())
            && native.open(frame)
        {
            let parts = (&self.loaded, &mut self.bound, &mut self.state);
            return native.run_open(parts, start, frame, context, carried);
        }
        let index = self.loaded.position(role).ok_or(Fault::NoEntry(role))?;
        let view = frame.view(self.loaded.window(), &mut self.spare);
        let (parts, work) = (
            (&self.loaded, &mut self.bound, &mut self.state),
            &mut self.work,
        );
        run_fast(parts, work, index, (view, context, carried), budget)
    }
}

/// A program, where its resources are, and the state.
pub(crate) type Parts<'a> = (&'a Loaded, &'a mut Bound, &'a mut Home);

/// Runs host code where there is some, or flat code: without the checks that the proof made, where the
/// budget is enough.
#[inline(always)]
fn run_fast(
    parts: Parts<'_>,
    work: &mut Option<Box<Work>>,
    index: usize,
    (view, context, carried): (View<'_>, &Context, &mut [u8]),
    budget: Budget,
) -> Result<Outcome, Fault> {
    #[cfg(feature = "jit")]
    let mut view = view;
    #[cfg(feature = "jit")]
    if let Some(native) = parts.0.native().get()
        && let Some(start) = native.start(index, budget)
    {
        return native.run(parts, start, (&mut view, context, carried));
    }
    run_interpreted(parts, work, index, (view, context, carried), budget)
}

#[inline(never)]
fn run_interpreted(
    parts: Parts<'_>,
    work: &mut Option<Box<Work>>,
    index: usize,
    given: (View<'_>, &Context, &mut [u8]),
    budget: Budget,
) -> Result<Outcome, Fault> {
    let Shared { proven, code, .. } = &*parts.0.shared;
    let is_entry = index < proven.image().manifest.entries.len();
    if is_entry
        && budget.covers(proven.steps(index))
        && let Some(code) = code
    {
        let work = work.get_or_insert_default();
        #[cfg(feature = "jit")]
        if work.runs % RUNS_TOLD == RUNS_TOLD - 1 {
            parts.0.heat().warm(parts.0, RUNS_TOLD);
        }
        return with_services(parts, index, given, |given| {
            run_flat(code, proven, index, given, work)
        });
    }
    run_view(parts, index, given, budget, |_| {})
}

/// Runs with the services that the image imports. One that imports none takes no lock.
fn with_services(
    (loaded, bound, state): Parts<'_>,
    index: usize,
    (view, context, carried): (View<'_>, &Context, &mut [u8]),
    run: impl FnOnce(Given<'_>) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    let manifest = &loaded.image().manifest;
    let entry = manifest.entries.get(index);
    let entry = entry.ok_or(Fault::NoSuchEntry(index))?;
    let given = Given {
        view,
        context,
        carried,
        host: &mut NoHost,
    };
    if manifest.imports.is_empty() {
        return run(given);
    }
    let mut state = state.hold();
    let mut services = Services::new(bound, &mut state, entry.layer, context);
    let outcome = run(Given {
        host: &mut services,
        ..given
    })?;
    Ok(Outcome {
        effects: services.into_effects(),
        ..outcome
    })
}

fn run_flat(
    code: &Code,
    proven: &Proven,
    index: usize,
    given: Given<'_>,
    work: &mut Work,
) -> Result<Outcome, Fault> {
    let image = proven.image();
    let manifest = &image.manifest;
    let entry = manifest.entries.get(index);
    let entry = entry.ok_or(Fault::NoSuchEntry(index))?;
    if let Some(outcome) = admit(image, entry, given.view.len(), given.carried.len())? {
        return Ok(outcome);
    }
    let context = given.context;
    let memory = proved::Memory {
        constants: constants(image),
        context: context.to_bytes(manifest.rights.has(Right::Clock)),
        packet: given.view,
        carried: given.carried,
        host: given.host,
    };
    let ended = proved::run(code, index, memory, work, proven.steps(index));
    let ended = ended.map_err(|(place, trap)| Fault::Trap {
        pc: Code::pc(image, place),
        trap,
    })?;
    let words = ended.words;
    let words = words.map(|(a0, a1)| (Word::number(a0), Word::number(a1)));
    let pc = || Code::pc(image, ended.place);
    outcome(image, pc, words, Some(ended.steps))
}

fn run_view(
    parts: Parts<'_>,
    index: usize,
    given: (View<'_>, &Context, &mut [u8]),
    budget: Budget,
    trace: impl FnMut(&mut Step<'_>),
) -> Result<Outcome, Fault> {
    let Shared {
        proven, program, ..
    } = &*parts.0.shared;
    let image = proven.image();
    let entry = image.manifest.entries.get(index);
    let entry = entry.ok_or(Fault::NoSuchEntry(index))?;
    let program = program.get_or_init(|| Program::new(image));
    let steps = match budget {
        Budget::Proven => proven.steps(index),
        Budget::Steps(steps) => steps,
    };
    with_services(parts, index, given, |given| {
        run_entry(image, program, entry, given, steps, trace)
    })
}
