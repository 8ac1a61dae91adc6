//! A node that runs vectors on the checked interpreter and writes down what services are asked and answer.
//!
//! In: an image and a vector. Out: what came of it, and the answers of the services for engines that replay them.
//! Guaranteed: every rule of the machine is checked, so any image may be run; the same vector has the same answer.

use std::fmt;

use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{self, Answer as Shape, Arg, Host, Memory, Return};
use nfl_abi::image::ResourceKind;
use nfl_abi::{Image, map};
use nfl_vm::{
    Bound, Context, Effects, Fault, Inputs, Outcome, Packet, Part, Rates, Services, State,
    StateError, TernaryRule, Trap, Unproved,
};

use super::vector::{
    Answer, Answered, Call, CallAnswer, Count, Hex, Kept, Mirrored, Put, Report, Run, Stop, Told,
    Vector,
};

/// Why a vector cannot be run at all.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeError {
    /// The program has no such entry.
    Entry(usize),
    /// What the controller stores does not fit.
    State(StateError),
    /// A part of a ternary rule has more than 16 bytes.
    Part,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeError::Entry(at) => write!(f, "the program has no entry number {at}"),
            NodeError::State(error) => write!(f, "{error}"),
            NodeError::Part => write!(f, "a part of a rule has more than 16 bytes"),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<StateError> for NodeError {
    fn from(error: StateError) -> NodeError {
        NodeError::State(error)
    }
}

/// What came of a vector, and for each run what its services answered.
pub(super) struct Ran {
    pub(super) answered: Answered,
    pub(super) answers: Vec<Vec<CallAnswer>>,
}

/// What the checked interpreter makes of a vector.
///
/// # Errors
///
/// When the vector cannot be run.
pub fn answer(image: &Image, vector: &Vector) -> Result<Answered, NodeError> {
    run(image, vector, false).map(|ran| ran.answered)
}

/// The same, with the instructions that ran.
///
/// # Errors
///
/// As [`answer`].
pub fn trace(image: &Image, vector: &Vector) -> Result<Answered, NodeError> {
    run(image, vector, true).map(|ran| ran.answered)
}

pub(super) fn run(image: &Image, vector: &Vector, traced: bool) -> Result<Ran, NodeError> {
    let manifest = &image.manifest;
    let entry = manifest.entries.get(vector.entry);
    let entry = entry.ok_or(NodeError::Entry(vector.entry))?;
    let mut state = State::new(&manifest.resources)?;
    let bound = state.bind(&manifest.imports, &manifest.resources)?;
    let imports = manifest.imports.iter();
    let shapes: Vec<Option<host::Call>> = imports
        .map(|import| host::call(import, &manifest.resources))
        .collect();
    let program = Unproved::new(image.clone());
    let mut ran = Ran {
        answered: Answered::default(),
        answers: Vec::new(),
    };
    for run in &vector.runs {
        let (mut answer, answers) =
            one(&program, entry, run, (&bound, &mut state, &shapes), traced)?;
        if let Some(told) = &mut answer.told {
            heard(told, &mut state);
        }
        ran.answered.runs.push(answer);
        ran.answers.push(answers);
    }
    ran.answered.state = Some(kept(&state)?);
    Ok(ran)
}

fn one(
    program: &Unproved,
    entry: &nfl_abi::Entry,
    run: &Run,
    (bound, state, shapes): (&Bound, &mut State, &[Option<host::Call>]),
    traced: bool,
) -> Result<(Answer, Vec<CallAnswer>), NodeError> {
    for put in &run.world {
        store(state, put)?;
    }
    let context = context(run);
    let mut packet = packet(run);
    let mut carried = run.carried.0.clone();
    let mut pcs = Vec::new();
    let mut services = Services::new(bound, state, entry.layer, &context);
    let mut recorder = Recorder {
        host: &mut services,
        shapes,
        network: run.context[map::context::NETWORK_OFFSET as usize / 4],
        calls: Vec::new(),
        answers: Vec::new(),
    };
    let inputs = Inputs {
        packet: &mut packet,
        context: &context,
        carried: &mut carried,
        host: &mut recorder,
    };
    let result = program.run(entry, inputs, entry.steps, |step| {
        if traced {
            pcs.push(step.pc);
        }
    });
    let Recorder { calls, answers, .. } = recorder;
    let effects = services.into_effects();
    let mut answer = answer_of(result, &packet, &carried, effects);
    answer.calls = Some(calls);
    answer.pcs = traced.then_some(pcs);
    Ok((answer, answers))
}

/// The packet of a run.
pub(super) fn packet(run: &Run) -> Packet {
    let [head, tail] = run.room;
    Packet::from(&run.packet.0[..]).with_room(head, tail)
}

/// What came of one run, but for what the state was told.
pub(super) fn answer_of(
    result: Result<Outcome, Fault>,
    packet: &Packet,
    carried: &[u8],
    effects: Effects,
) -> Answer {
    match result {
        Ok(outcome) => Answer {
            verdict: Some([
                outcome.verdict.kind.number().into(),
                outcome.verdict.operand,
            ]),
            packet: Some(packet.bytes().into()),
            carried: Some(carried.into()),
            steps: outcome.steps,
            told: Some(Told {
                mirrors: effects
                    .mirrors
                    .iter()
                    .map(|mirror| Mirrored {
                        port: mirror.port,
                        packet: Hex(mirror.packet.clone()),
                    })
                    .collect(),
                priority: effects.priority,
                ..Told::default()
            }),
            ..Answer::default()
        },
        Err(fault) => Answer {
            fault: Some(stop(&fault)),
            told: Some(Told::default()),
            ..Answer::default()
        },
    }
}

/// Adds what the state was told, and takes it away there.
pub(super) fn heard(told: &mut Told, state: &mut State) {
    let reports = state.take_reports().into_iter();
    told.reports = reports
        .map(|report| Report {
            record: report.record,
            bytes: Hex(report.bytes),
        })
        .collect();
    let logs = state.take_logs().into_iter();
    told.logs = logs.map(|line| (line.format, line.words)).collect();
}

/// The context of a run. An offset that no handler is told of counts as none.
pub(super) fn context(run: &Run) -> Context {
    let word = |at: u32| run.context[at as usize / 4];
    Context {
        ingress_port: word(map::context::INGRESS_PORT),
        node_id: word(map::context::NODE_ID),
        queue_depth: word(map::context::QUEUE_DEPTH),
        network_offset: u8::try_from(word(map::context::NETWORK_OFFSET)).ok(),
        clock_ns: run.clock_ns,
        next_hop: word(map::context::NEXT_HOP),
        flow: word(map::context::FLOW),
    }
}

/// Does what a controller does.
///
/// # Errors
///
/// What the state says.
pub fn store(state: &mut State, put: &Put) -> Result<(), NodeError> {
    match put {
        Put::Entry {
            resource,
            key,
            value,
        } => state.insert(resource, &key.0, &value.0)?,
        Put::Prefix {
            resource,
            address,
            bits,
            value,
        } => state.insert_prefix(resource, &address.0, *bits, &value.0)?,
        Put::Rule {
            resource,
            priority,
            parts,
            value,
        } => {
            let number = |hex: &Hex| {
                let wide = hex.0.len() > 16;
                let number = hex.0.iter().fold(0, |n: u128, &b| n << 8 | u128::from(b));
                (!wide).then_some(number).ok_or(NodeError::Part)
            };
            let parts = parts.iter().map(|part| {
                Ok(Part {
                    offset: part.offset,
                    bytes: part.bytes,
                    big_endian: part.big_endian,
                    lo: number(&part.lo)?,
                    hi: number(&part.hi)?,
                })
            });
            let rule = TernaryRule {
                priority: *priority,
                parts: parts.collect::<Result<_, NodeError>>()?,
                value: value.0.clone(),
            };
            state.insert_rule(resource, rule)?;
        }
        Put::Register {
            resource,
            index,
            value,
        } => state.set_register(resource, *index, &value.0)?,
        &Put::Rates {
            ref resource,
            committed_bps,
            committed_burst,
            peak_bps,
            peak_burst,
        } => {
            let rates = Rates {
                committed_bps,
                committed_burst,
                peak_bps,
                peak_burst,
            };
            state.set_meter(resource, Some(rates))?;
        }
        Put::Seed(seed) => state.seed(*seed),
    }
    Ok(())
}

/// What the resources hold that packets write.
pub(super) fn kept(state: &State) -> Result<Vec<Kept>, NodeError> {
    use ResourceKind as K;
    let mut all = Vec::new();
    for resource in state.resources() {
        let name = &resource.name;
        let mut kept = Kept {
            resource: name.clone(),
            entries: Vec::new(),
            counts: Vec::new(),
        };
        match resource.kind {
            K::FlowTable | K::FlowSet | K::FlowState | K::Slots | K::Register | K::Topic => {
                let entries = state.entries(name)?.into_iter();
                kept.entries = entries.map(|(key, value)| (Hex(key), Hex(value))).collect();
            }
            K::Counter | K::Counters => {
                let counts = state.counters(name)?.into_iter();
                kept.counts = counts
                    .map(|(key, count)| Count {
                        key: Hex(key),
                        packets: count.packets,
                        bytes: count.bytes,
                    })
                    .collect();
            }
            K::Table | K::Lpm | K::Ternary | K::Set | K::Ring | K::Meter | K::Report | K::Tags => {
                continue;
            }
        }
        all.push(kept);
    }
    Ok(all)
}

/// A fault as vectors name it.
fn stop(fault: &Fault) -> Stop {
    let (kind, pc) = match fault {
        Fault::NoEntry(_) | Fault::NoSuchEntry(_) => ("no-entry", None),
        Fault::TimerPacket { .. } => ("timer-packet", None),
        Fault::PacketTooLong { .. } => ("packet-too-long", None),
        Fault::CarriedSize { .. } => ("carried-size", None),
        Fault::Trap { pc, trap } => (rule(trap), Some(*pc)),
    };
    Stop {
        kind: kind.to_string(),
        pc,
    }
}

fn rule(trap: &Trap) -> &'static str {
    match trap {
        Trap::Undecodable(_) => "undecodable",
        Trap::Instruction => "instruction",
        Trap::OutsideCode => "outside-code",
        Trap::OutOfBounds { .. } => "out-of-bounds",
        Trap::NotAnAddress(_) => "not-an-address",
        Trap::ReadOnly(_) => "read-only",
        Trap::NoRight(_) => "no-right",
        Trap::UndefinedRegister(_) => "undefined-register",
        Trap::NotANumber(_) => "not-a-number",
        Trap::UndefinedScratch { .. } => "undefined-scratch",
        Trap::NodeRegister(_) => "node-register",
        Trap::AddressStored(_) => "address-stored",
        Trap::AddressCompared => "address-compared",
        Trap::Call => "call",
        Trap::Return => "return",
        Trap::Argument(_) => "argument",
        Trap::Service => "service",
        Trap::StepLimit(_) => "step-limit",
        Trap::UnknownVerdict(_) => "unknown-verdict",
        Trap::ForbiddenVerdict(_) => "forbidden-verdict",
        Trap::Unproved => "unproved",
    }
}

/// Services with somebody who writes down what is said.
struct Recorder<'a> {
    host: &'a mut dyn Host,
    shapes: &'a [Option<host::Call>],
    /// Word 12 of the context.
    network: u32,
    calls: Vec<Call>,
    answers: Vec<CallAnswer>,
}

/// The furthest network header that handlers are told of, in bytes.
const NETWORK_MAX: i64 = 63;

impl Recorder<'_> {
    /// How far the first byte of the packet moves away from the network header.
    fn moves(shape: &host::Call, given: &Call, param: usize) -> i64 {
        match shape.service.name {
            "packet.push" => param as i64,
            "packet.pop" => -i64::from(given.words.first().copied().unwrap_or(0)),
            _ => 0,
        }
    }

    fn moved(&self, by: i64) -> u32 {
        let at = (self.network != u32::MAX).then_some(i64::from(self.network) + by);
        let at = at.filter(|at| (0..=NETWORK_MAX).contains(at));
        at.map_or(u32::MAX, |at| at as u32)
    }
}

impl Host for Recorder<'_> {
    fn call(&mut self, slot: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        let shape = self.shapes.get(slot).copied().flatten();
        let len = memory.packet().len();
        let given = shape.map(|shape| given(&shape, slot, args, memory));
        let answer = self.host.call(slot, args, memory);
        let (Some(shape), Some(given)) = (shape, given) else {
            return answer;
        };
        let words = match answer {
            Return::Words(first, second) => [first, second],
            Return::NoRoom | Return::Fault => [0, 0],
        };
        let value = match shape.answer {
            Shape::Value(bytes) if words[0] != 0 => self.host.value(words[0]).map(|found| {
                let len = found.len().min(bytes.into());
                Hex::from(&found[..len])
            }),
            _ => None,
        };
        let resized = shape.resizes && matches!(answer, Return::Words(..));
        if resized {
            let grown = memory.packet().len().saturating_sub(len);
            self.network = self.moved(Self::moves(&shape, &given, grown));
        }
        self.answers.push(CallAnswer {
            slot,
            words: match (shape.answer, value.is_some()) {
                (Shape::Nothing, _) | (_, true) => [0, 0],
                (Shape::Two(..), _) => words,
                _ => [words[0], 0],
            },
            price: shape.price(price_unit(&shape, args)),
            value,
            packet: resized.then(|| memory.packet().into()),
            network: resized.then_some(self.network),
            no_room: matches!(answer, Return::NoRoom),
        });
        self.calls.push(given);
        answer
    }

    fn value(&self, address: u32) -> Option<&[u8]> {
        self.host.value(address)
    }
}

/// The number that the price of a call goes by.
fn price_unit(shape: &host::Call, args: [u32; ARGS_MAX]) -> u32 {
    let unit = shape.unit_register.and_then(|at| args.get(usize::from(at)));
    unit.copied().unwrap_or(0)
}

/// The arguments of a call. What lies behind a block in its last word is nobody's business.
fn given(shape: &host::Call, slot: usize, args: [u32; ARGS_MAX], memory: &dyn Memory) -> Call {
    let mut registers = args.into_iter();
    let mut call = Call {
        slot,
        words: Vec::new(),
        blocks: Vec::new(),
    };
    for &arg in shape.args() {
        match arg {
            Arg::Word => call.words.extend(registers.next()),
            Arg::Block(bytes) if !shape.by_address() => {
                let many = usize::from(bytes).div_ceil(4);
                let packed = registers.by_ref().take(many).flat_map(u32::to_le_bytes);
                let mut block: Vec<u8> = packed.collect();
                block.truncate(bytes.into());
                call.blocks.push(Hex(block));
            }
            Arg::Block(bytes) | Arg::Address(bytes) => {
                let mut block = vec![0; bytes.into()];
                let address = registers.next().unwrap_or(0);
                // What cannot be read is the service's to refuse.
                memory.read(address, &mut block);
                call.blocks.push(Hex(block));
            }
        }
    }
    call
}
