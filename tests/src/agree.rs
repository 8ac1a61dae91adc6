//! One packet on all engines: the IR interpreter before and after the passes, and the machine.
//!
//! In: an image with its modules, a packet and what the node adds. Out: what the machine did.
//! Guaranteed: all engines came to the same verdict and left the same bytes, or the first
//! difference is told.

use nfl_abi::host::NoHost;
use nfl_abi::{Limits, Role, map};
use nfl_ir::Module;
use nfl_ir::interp::{self, Inputs};
use nfl_vm::{Budget, Context, Instance, Outcome, Packet, Policy};

use crate::pipeline::Stages;

/// An image that is loaded, beside the modules it was made of.
#[derive(Debug)]
pub struct Engines<'s> {
    stages: &'s Stages,
    instance: Instance,
    late: Vec<u32>,
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
    /// Proves and loads an image.
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
        Ok(Engines {
            stages,
            instance: loaded.instance(),
            late,
        })
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
        let mut packet = Packet::from(bytes);
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
        for (name, module) in [
            ("lowered", &self.stages.lowered),
            ("optimised", &self.stages.optimised),
        ] {
            let oracle = interpret(module, role, bytes, context, carried, &self.late);
            let oracle = oracle.map_err(|trap| format!("the {name} module traps: {trap}"))?;
            let machine = (
                u32::from(after.outcome.verdict.kind.number()),
                after.outcome.verdict.operand,
                &after.packet[..],
                &after.carried[..],
            );
            if machine != (oracle.0, oracle.1, &oracle.2[..], &oracle.3[..]) {
                return Err(format!(
                    "the {name} module answers {oracle:x?}, the machine {machine:x?}"
                ));
            }
        }
        Ok(after)
    }
}

type Answer = (u32, u32, Vec<u8>, Vec<u8>);

fn interpret(
    module: &Module,
    role: Role,
    bytes: &[u8],
    context: &Context,
    carried: &[u8],
    late: &[u32],
) -> Result<Answer, String> {
    let function = module.functions.iter().position(|f| f.role == role);
    let function = function.ok_or("there is no such handler")?;
    let mut packet = bytes.to_vec();
    let mut area = carried.to_vec();
    let context = context_words(context);
    let mut inputs = Inputs {
        context: &context,
        carried: &mut area,
        late,
        host: &mut NoHost,
        room: interp::Room::default(),
    };
    let (kind, operand) = interp::run(module, function, &mut packet, &mut inputs)
        .map_err(|trap| format!("{trap:?}"))?;
    Ok((kind, operand, packet, area))
}

/// The words of the context as the machine shows them to code without the right `Clock`.
pub fn context_words(context: &Context) -> [u32; (map::CONTEXT_BYTES / 4) as usize] {
    let mut words = [0; (map::CONTEXT_BYTES / 4) as usize];
    for (at, word) in [
        (map::context::INGRESS_PORT, context.ingress_port),
        (map::context::NODE_ID, context.node_id),
        (map::context::QUEUE_DEPTH, context.queue_depth),
        (
            map::context::NETWORK_OFFSET,
            context.network_offset.map_or(u32::MAX, u32::from),
        ),
        (map::context::NEXT_HOP, context.next_hop),
        (map::context::FLOW, context.flow),
    ] {
        words[at as usize / 4] = word;
    }
    words
}
