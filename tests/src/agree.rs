//! One packet on all engines: the IR interpreter before and after the passes, and the machine, interpreted with and
//! without the checks that a proof makes and as host code.
//!
//! In: an image with its modules, a packet and what the node adds. Out: what the machine did.
//! Guaranteed: all engines came to the same verdict and left the same bytes, or the first
//! difference is told.

use std::sync::LazyLock;

use nfl_abi::image::Right;
use nfl_abi::{Image, Limits, Profile, Role, map};
use nfl_ir::Module;
use nfl_ir::interp::{self, Inputs, Room};
use nfl_vm::{
    Bound, Budget, Context, Effects, HEAD_ROOM, Instance, Jit, Outcome, Packet, Policy, Services,
    SharedState, State, TAIL_ROOM, Unsupported,
};

use crate::pipeline::Stages;

/// An image that is loaded, beside the modules it was made of, each on a state of its own.
#[derive(Debug)]
pub struct Engines<'s> {
    stages: &'s Stages,
    instance: Instance,
    /// The same under the interpreter that checks each instruction.
    checked: Instance,
    /// The same as host code.
    native: Instance,
    lowered: Node,
    optimised: Node,
    late: Vec<u32>,
}

/// A node that interprets a module.
#[derive(Debug)]
struct Node {
    state: State,
    bound: Bound,
}

/// What a run left behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct After {
    /// The verdict and the steps.
    pub outcome: Outcome,
    /// The packet.
    pub packet: Vec<u8>,
    /// The `carried` area.
    pub carried: Vec<u8>,
}

impl<'s> Engines<'s> {
    /// Proves and loads an image, with empty states.
    ///
    /// # Errors
    ///
    /// A sentence when the image cannot be proved or loaded.
    pub fn new(stages: &'s Stages) -> Result<Engines<'s>, String> {
        let proven = nfl_verify::prove(&stages.image, &Limits::EDGE).map_err(|e| e.to_string())?;
        let loaded = nfl_vm::load(proven, &Policy::ALL).map_err(|e| e.to_string())?;
        let late = stages.lowered.late.iter();
        let late = late
            .map(|(_, word)| word.default.unwrap_or(word.lo))
            .collect();
        // The image lists what it still uses; all states list what the source has.
        let state = State::new(&stages.lowered.resources).map_err(|e| e.to_string())?;
        let node = |module: &Module| {
            let mut state = state.clone();
            let imports: Vec<_> = module.imports.iter().map(|(_, &import)| import).collect();
            let bound = state.bind(&imports, &module.resources);
            let bound = bound.map_err(|e| e.to_string())?;
            Ok::<Node, String>(Node { state, bound })
        };
        let (lowered, optimised) = (node(&stages.lowered)?, node(&stages.optimised)?);
        let instance = |state| {
            let instance = loaded.instance_on(&SharedState::new(state));
            instance.map_err(|e| e.to_string())
        };
        Ok(Engines {
            stages,
            instance: instance(state.clone())?,
            checked: instance(state.clone())?,
            native: native(&stages.image, state)?,
            lowered,
            optimised,
            late,
        })
    }

    /// Does the same to all states.
    pub fn each_state(&mut self, mut change: impl FnMut(&mut State)) {
        change(&mut self.instance.state_mut());
        change(&mut self.checked.state_mut());
        change(&mut self.native.state_mut());
        change(&mut self.lowered.state);
        change(&mut self.optimised.state);
    }

    /// The state, which is the same for all engines.
    pub fn state(&self) -> &State {
        &self.lowered.state
    }

    /// Runs a handler on a packet. `carried` is what the packet brings along.
    ///
    /// # Errors
    ///
    /// A sentence when an engine faults or two disagree.
    pub fn run(
        &mut self,
        role: Role,
        bytes: &[u8],
        context: &Context,
        carried: &[u8],
    ) -> Result<After, String> {
        let packet = Packet::from(bytes);
        self.run_in(role, packet, context, carried, (HEAD_ROOM, TAIL_ROOM))
    }

    /// The same for a packet with other room around it: in front and at the end, in bytes.
    ///
    /// # Errors
    ///
    /// As [`Engines::run`].
    pub fn run_in(
        &mut self,
        role: Role,
        packet: Packet,
        context: &Context,
        carried: &[u8],
        (head, tail): (u32, u32),
    ) -> Result<After, String> {
        let bytes = packet.bytes().to_vec();
        let mut packet = packet.with_room(head, tail);
        let mut area = carried.to_vec();
        let outcome = self
            .instance
            .run(role, &mut packet, context, &mut area, Budget::Proven);
        let outcome = outcome.map_err(|fault| format!("the machine faults: {fault}"))?;
        let after = After {
            outcome,
            packet: packet.bytes().to_vec(),
            carried: area,
        };
        let room = Room { head, tail };
        // An image without imports does not touch the state, the interpreters of modules do.
        for instance in [&mut self.instance, &mut self.checked, &mut self.native] {
            instance.state_mut().set_clock(context.clock_ns);
        }
        self.compare_checked(role, (&bytes, context, carried), room, &after)?;
        self.compare_native(role, (&bytes, context, carried), room, &after)?;
        let given = Given {
            role,
            bytes: &bytes,
            context,
            clock: self.stages.image.manifest.rights.has(Right::Clock),
            carried,
            late: &self.late,
            room,
        };
        let state = self.instance.state_mut();
        for (name, module, node) in [
            ("lowered", &self.stages.lowered, &mut self.lowered),
            ("optimised", &self.stages.optimised, &mut self.optimised),
        ] {
            let oracle = interpret(module, node, &given);
            let oracle = oracle.map_err(|trap| format!("the {name} module traps: {trap}"))?;
            let machine = Answer {
                kind: u32::from(after.outcome.verdict.kind.number()),
                operand: after.outcome.verdict.operand,
                packet: after.packet.clone(),
                carried: after.carried.clone(),
                effects: after.outcome.effects.clone(),
            };
            if machine != oracle {
                return Err(format!(
                    "the {name} module answers {oracle:x?}, the machine {machine:x?}"
                ));
            }
            if node.state != *state {
                let is = &node.state;
                return Err(format!(
                    "the {name} module leaves {is:x?}, the machine {state:x?}"
                ));
            }
        }
        Ok(after)
    }

    /// With each instruction checked, the interpreter leaves the same.
    fn compare_checked(
        &mut self,
        role: Role,
        (bytes, context, carried): (&[u8], &Context, &[u8]),
        room: Room,
        after: &After,
    ) -> Result<(), String> {
        let entries = &self.stages.image.manifest.entries;
        let index = entries.iter().position(|entry| entry.role == role);
        let index = index.ok_or("there is no such handler")?;
        let mut packet = Packet::from(bytes).with_room(room.head, room.tail);
        let mut area = carried.to_vec();
        let given = (&mut packet, context, &mut area[..]);
        let outcome = self
            .checked
            .run_traced(index, given, Budget::Proven, |_| {});
        let checked = After {
            outcome: outcome.map_err(|fault| format!("the machine faults: {fault}"))?,
            packet: packet.bytes().to_vec(),
            carried: area,
        };
        if checked != *after {
            return Err(format!(
                "checked, the machine answers {checked:x?}, and else {after:x?}"
            ));
        }
        if *self.checked.state_mut() != *self.instance.state_mut() {
            return Err("checked, the machine leaves another state".to_owned());
        }
        Ok(())
    }

    /// Host code leaves what the interpreter leaves.
    fn compare_native(
        &mut self,
        role: Role,
        (bytes, context, carried): (&[u8], &Context, &[u8]),
        room: Room,
        after: &After,
    ) -> Result<(), String> {
        let mut packet = Packet::from(bytes).with_room(room.head, room.tail);
        let mut area = carried.to_vec();
        let outcome = self
            .native
            .run(role, &mut packet, context, &mut area, Budget::Proven);
        let outcome = outcome.map_err(|fault| format!("host code faults: {fault}"))?;
        let counted = Outcome {
            steps: after.outcome.steps,
            ..outcome
        };
        let native = After {
            outcome: counted,
            packet: packet.bytes().to_vec(),
            carried: area,
        };
        if native != *after {
            return Err(format!(
                "host code answers {native:x?}, the machine {after:x?}"
            ));
        }
        // Host code without services leaves the clock alone.
        self.native.state_mut().set_clock(context.clock_ns);
        let (is, must) = (self.native.state_mut(), self.instance.state_mut());
        if *is != *must {
            return Err(format!("host code leaves {is:x?}, the machine {must:x?}"));
        }
        Ok(())
    }
}

/// The compiler of host code; none where the host has none.
///
/// # Errors
///
/// A sentence when the host has one that does not work.
pub fn jit() -> Result<Option<&'static Jit>, String> {
    static JIT: LazyLock<Result<Jit, Unsupported>> = LazyLock::new(Jit::new);
    match &*JIT {
        Ok(jit) => Ok(Some(jit)),
        Err(Unsupported::Host) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// An image as host code. All that the compiler emits can be compiled. Other hosts interpret.
fn native(image: &Image, state: State) -> Result<Instance, String> {
    let proven = nfl_verify::prove(image, &Limits::EDGE).map_err(|e| e.to_string())?;
    let loaded = nfl_vm::load(proven, &Policy::ALL).map_err(|e| e.to_string())?;
    if let Some(jit) = jit()? {
        jit.compile(&loaded).map_err(|e| e.to_string())?;
    }
    let instance = loaded.instance_on(&SharedState::new(state));
    instance.map_err(|e| e.to_string())
}

#[derive(PartialEq, Debug)]
struct Answer {
    kind: u32,
    operand: u32,
    packet: Vec<u8>,
    carried: Vec<u8>,
    effects: Effects,
}

/// What a run is given.
struct Given<'a> {
    role: Role,
    bytes: &'a [u8],
    context: &'a Context,
    clock: bool,
    carried: &'a [u8],
    late: &'a [u32],
    room: Room,
}

fn interpret(module: &Module, node: &mut Node, given: &Given<'_>) -> Result<Answer, String> {
    let function = module.functions.iter().position(|f| f.role == given.role);
    let function = function.ok_or("there is no such handler")?;
    let mut packet = given.bytes.to_vec();
    let mut carried = given.carried.to_vec();
    let layer = module.functions[function].layer;
    let mut services = Services::new(&node.bound, &mut node.state, layer, given.context);
    let mut inputs = Inputs {
        context: &context_words(given.context, given.clock),
        carried: &mut carried,
        late: given.late,
        params: &[],
        host: &mut services,
        room: given.room,
    };
    let (kind, operand) = interp::run(module, function, &mut packet, &mut inputs)
        .map_err(|trap| format!("{trap:?}"))?;
    let operand = match module.functions[function].role.profile() {
        // A capsule has one `Drop`.
        Profile::Capsule if kind == 0 => 0,
        _ => operand,
    };
    Ok(Answer {
        kind,
        operand,
        packet,
        carried,
        effects: services.into_effects(),
    })
}

/// The words of the context as the machine shows them to code, with the right `Clock` or without.
pub fn context_words(context: &Context, clock: bool) -> [u32; (map::CONTEXT_BYTES / 4) as usize] {
    let clock_ns = if clock { context.clock_ns } else { 0 };
    let mut words = [0; (map::CONTEXT_BYTES / 4) as usize];
    for (at, word) in [
        (map::context::INGRESS_PORT, context.ingress_port),
        (map::context::NODE_ID, context.node_id),
        (map::context::QUEUE_DEPTH, context.queue_depth),
        (
            map::context::NETWORK_OFFSET,
            context.network_offset.map_or(u32::MAX, u32::from),
        ),
        (map::context::CLOCK_LOW, clock_ns as u32),
        (map::context::CLOCK_HIGH, (clock_ns >> 32) as u32),
        (map::context::NEXT_HOP, context.next_hop),
        (map::context::FLOW, context.flow),
    ] {
        words[at as usize / 4] = word;
    }
    words
}
