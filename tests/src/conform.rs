//! The examples over the captures as conformance vectors.
//!
//! In: `examples`, `tests/captures`, and how many packets of each capture. Out: vectors with what is expected. Guaranteed: the
//! machine and both IR interpreters agree on each run, and the expected answers say the same; tables hold what the packets may ask
//! for, time goes on, and some packets have hardly any room to grow.

use nfl::conform::{Hex, PartLine, Program, Put, Run, Suite, Vector, expect, store};
use nfl_abi::image::{Resource, ResourceKind};
use nfl_abi::{Entry, Role};
use nfl_vm::{Context, HEAD_ROOM, Packet, State, TAIL_ROOM};

use crate::agree::{After, Engines, context_words};
use crate::capture::{Capture, captures};
use crate::examples::EXAMPLES;
use crate::pipeline::Stages;

/// Nanoseconds from packet to packet: entries age within a vector.
const PACE_NS: u64 = 1_700_000_000;
/// Runs of one vector, so that a line stays short.
const RUNS: usize = 40;

/// The vectors of all examples that `wanted` takes by name, with so many packets of each capture.
///
/// # Errors
///
/// What the compiler says, or the first difference between engines.
pub fn programs(most: usize, wanted: impl Fn(&str) -> bool) -> Result<Suite, String> {
    let captures = captures();
    let mut suite = Suite::default();
    for (number, example) in EXAMPLES.iter().enumerate() {
        if !wanted(example.function) {
            continue;
        }
        for stages in example.stages()? {
            let name = format!("{} {number}", stages.image.manifest.name);
            let program = Program::new(&name, &stages.image, true);
            let mut vectors = Vec::new();
            for (at, entry) in stages.image.manifest.entries.iter().enumerate() {
                let wrong = |e: String| format!("{name} on {}: {e}", entry.role.text());
                let starts = over(&captures, entry, most);
                for (part, starts) in starts.chunks(RUNS).enumerate() {
                    let vector = vector(&stages, &program, (at, part), starts);
                    vectors.push(vector.map_err(wrong)?);
                }
            }
            suite.add(program, vectors);
        }
    }
    Ok(suite)
}

/// A packet with what the node adds.
type Start = (Vec<u8>, Context);

fn over(captures: &[Capture], entry: &Entry, most: usize) -> Vec<Start> {
    let starts = captures
        .iter()
        .flat_map(|capture| capture.packets(entry.layer).take(most));
    let starts = starts.enumerate().map(|(at, start)| {
        let context = Context {
            clock_ns: (at as u64 + 1) * PACE_NS,
            ingress_port: at as u32 % 5,
            ..start.context
        };
        match entry.role {
            Role::Every => (Vec::new(), context),
            _ => (start.packet, context),
        }
    });
    starts.collect()
}

fn vector(
    stages: &Stages,
    program: &Program,
    (at, part): (usize, usize),
    starts: &[Start],
) -> Result<Vector, String> {
    let manifest = &stages.image.manifest;
    let entry = &manifest.entries[at];
    let clock = manifest.rights.has(nfl_abi::image::Right::Clock);
    let mut engines = Engines::new(stages)?;
    let (mut runs, mut afters) = (Vec::new(), Vec::<After>::new());
    for (index, (packet, context)) in starts.iter().enumerate() {
        // Some vectors meet empty tables.
        let mut world = Vec::new();
        if part % 4 != 3 {
            for put in fills(&manifest.resources, packet, index) {
                // A table may be full, and then it is so for all engines.
                if store(&mut engines.state().clone(), &put).is_ok() {
                    engines.each_state(|state| put_into(state, &put));
                    world.push(put);
                }
            }
        }
        let room = match index % 3 {
            0 => (3, 3),
            _ => (HEAD_ROOM, TAIL_ROOM),
        };
        let carried = afters
            .last()
            .map_or(&manifest.carried, |after| &after.carried);
        let run = Run {
            world,
            packet: Hex(packet.clone()),
            room: [room.0, room.1],
            context: context_words(context, clock),
            clock_ns: context.clock_ns,
            carried: Hex(carried.clone()),
            answers: Vec::new(),
        };
        let carried = carried.clone();
        let packet = Packet::from(&packet[..]);
        afters.push(engines.run_in(entry.role, packet, context, &carried, room)?);
        runs.push(run);
    }
    let mut vector = Vector {
        name: format!("programs/{} {} {part}", program.name, entry.role.text()),
        group: nfl::conform::Group::Programs,
        program: program.name.clone(),
        entry: at,
        runs,
        expect: None,
    };
    expect(&stages.image, &mut vector).map_err(|e| e.to_string())?;
    let answers = vector.expect.iter().flat_map(|answered| &answered.runs);
    for (index, (answer, after)) in answers.zip(&afters).enumerate() {
        let verdict = after.outcome.verdict;
        let same = answer.verdict == Some([verdict.kind.number().into(), verdict.operand])
            && answer.packet == Some(Hex(after.packet.clone()))
            && answer.carried == Some(Hex(after.carried.clone()))
            && answer.steps == after.outcome.steps;
        if !same {
            return Err(format!(
                "run {index} expects {answer:?}, and there is {after:?}"
            ));
        }
    }
    Ok(vector)
}

fn put_into(state: &mut State, put: &Put) {
    let done = store(state, put);
    done.expect("what one state takes, equal ones take");
}

/// What the controller stores for a packet. Values are bytes of 0 and 1, which booleans and enums have too.
pub fn fills(resources: &[Resource], packet: &[u8], index: usize) -> Vec<Put> {
    let at = |start: usize, len: u16| -> Hex {
        let bytes = packet.iter().copied().skip(start);
        Hex(bytes.chain(std::iter::repeat(0)).take(len.into()).collect())
    };
    let mut puts = Vec::new();
    for resource in resources {
        let &Resource {
            kind,
            key_bytes,
            value_bytes,
            flow_key,
            ..
        } = resource;
        let name = resource.name.clone();
        let value = Hex(vec![(index % 2) as u8; value_bytes.into()]);
        let entry = |key, value| Put::Entry {
            resource: name.clone(),
            key,
            value,
        };
        match kind {
            ResourceKind::Table | ResourceKind::Set if !flow_key => {
                // Addresses of IPv4 and IPv6, and ports.
                let keys = [8, 12, 16, 20, 24].map(|start| at(start, key_bytes));
                puts.extend(keys.map(|key| entry(key, value.clone())));
            }
            ResourceKind::Lpm => puts.push(Put::Prefix {
                resource: name.clone(),
                address: at(16, key_bytes),
                bits: index as u16 % (key_bytes * 8),
                value,
            }),
            ResourceKind::Ternary => puts.push(Put::Rule {
                resource: name.clone(),
                priority: index as u32 % 4,
                parts: vec![PartLine {
                    offset: 0,
                    bytes: 1,
                    big_endian: false,
                    lo: Hex(vec![(index * 20 % 256) as u8]),
                    hi: Hex(vec![255]),
                }],
                value,
            }),
            ResourceKind::Tags => {
                let tag = (index as u32 % 4).to_le_bytes();
                puts.push(entry(Hex(tag.to_vec()), at(24, value_bytes)));
            }
            ResourceKind::Topic => puts.push(entry(at(24, key_bytes), value)),
            ResourceKind::Ring => puts.push(entry(at(12, value_bytes), Hex::default())),
            ResourceKind::Register if index == 0 => puts.push(Put::Register {
                resource: name.clone(),
                index: 0,
                value: Hex(vec![1; value_bytes.into()]),
            }),
            ResourceKind::Meter if index == 0 => puts.push(Put::Rates {
                resource: name.clone(),
                committed_bps: 400,
                committed_burst: 150,
                peak_bps: 800,
                peak_burst: 300,
            }),
            _ => {}
        }
    }
    puts
}
