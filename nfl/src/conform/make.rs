//! Vectors that need nothing but this crate: instructions, the contract, services and faults.
//!
//! In: nothing. Out: a [`Suite`] with expected answers. Guaranteed: the same version makes the same vectors; every image but those
//! of the faults is proved.

mod code;
mod contract;
mod faults;
mod forms;
mod instructions;
mod services;

use nfl_abi::image::{
    Claims, Import, Manifest, Resource, ResourceKind, Right, Rights, Verdict, VerdictKind,
};
use nfl_abi::{Entry, Image, Layer, Limits, Profile, Role, host};
use nfl_isa::Target;

use super::node::{self, NodeError};
use super::suite::Suite;
use super::vector::{Group, Hex, Program, Run, Vector};

/// All of them.
pub fn all() -> Suite {
    let mut suite = Suite::default();
    instructions::add(&mut suite);
    contract::add(&mut suite);
    services::add(&mut suite);
    faults::add(&mut suite);
    suite
}

/// All rights there are.
fn every_right() -> Rights {
    Right::ALL
        .iter()
        .fold(Rights::NONE, |all, &right| all.with(right))
}

/// An image with one handler for frames, which may do anything.
fn blank(target: &Target, need: u16, code: Vec<u8>) -> Image {
    let entry = Entry {
        role: Role::Ingress,
        layer: Layer::Link,
        pc: 0,
        need,
        malformed: Verdict {
            kind: VerdictKind::Drop,
            operand: 1,
        },
        steps: Limits::EDGE.resident.steps,
        period_ns: 0,
    };
    Image {
        manifest: Manifest {
            name: "conformance.Vector".to_string(),
            version: 1,
            profile: Profile::Resident,
            target: nfl_abi::image::TargetId(target.id),
            entries: vec![entry],
            imports: Vec::new(),
            resources: Vec::new(),
            verdicts: u8::MAX,
            rights: every_right(),
            passes: 1,
            window: 0,
            carried: Vec::new(),
            late: Vec::new(),
            reasons: Vec::new(),
            claims: Claims::default(),
        },
        code,
        constants: Vec::new(),
        certificate: Vec::new(),
    }
}

/// The same for a capsule, which has memory of its own.
fn capsule(target: &Target, role: Role, need: u16, carried: Vec<u8>, code: Vec<u8>) -> Image {
    let mut image = blank(target, need, code);
    let manifest = &mut image.manifest;
    manifest.profile = Profile::Capsule;
    manifest.carried = carried;
    for entry in &mut manifest.entries {
        entry.role = role;
        entry.steps = Limits::EDGE.capsule.steps;
    }
    image
}

/// A resource without ages.
fn resource(
    name: &str,
    kind: ResourceKind,
    key_bytes: u16,
    value_bytes: u16,
    capacity: u32,
) -> Resource {
    Resource {
        name: name.to_string(),
        kind,
        key_bytes,
        value_bytes,
        capacity,
        idle_ns: 0,
        first: 0,
        flow_key: false,
        layout: 0,
    }
}

/// An import of a service by its name, with its constant and the place of its resource.
fn import(name: &str, param: u16, resource: Option<u8>) -> Import {
    let service = host::call::service(name).expect("a service of the contract");
    Import {
        service: service.number,
        param,
        resource,
    }
}

/// An image with the certificate that it needs and the bound that is proved. The tests see to it that there is a proof.
fn proved(name: &str, mut image: Image) -> Program {
    image.certificate = nfl_verify::certify(&image, &Limits::EDGE).unwrap_or_default();
    let proof = nfl_verify::prove(&image, &Limits::EDGE);
    for (at, entry) in image.manifest.entries.iter_mut().enumerate() {
        entry.steps = proof
            .as_ref()
            .map_or(entry.steps, |proven| proven.steps(at));
    }
    Program::new(name, &image, proof.is_ok())
}

/// A run with nothing but a packet.
fn run(packet: Vec<u8>) -> Run {
    Run {
        world: Vec::new(),
        packet: Hex(packet),
        room: [nfl_vm::HEAD_ROOM, nfl_vm::TAIL_ROOM],
        context: [0, 0, 0, u32::MAX, 0, 0, 0, 0],
        clock_ns: 0,
        carried: Hex::default(),
        answers: Vec::new(),
    }
}

/// A vector with what is expected, from the checked interpreter.
fn vector(program: &Program, group: Group, entry: usize, runs: Vec<Run>) -> Vector {
    let mut vector = Vector {
        name: format!("{}/{}", group.text(), program.name),
        group,
        program: program.name.clone(),
        entry,
        runs,
        expect: None,
    };
    let image = program.image().expect("an image reads what it wrote");
    if let Err(error) = expect(&image, &mut vector) {
        panic!("`{}`: {error}", vector.name);
    }
    vector
}

/// Writes into a vector what the checked interpreter does, and what services answer.
///
/// # Errors
///
/// When the vector cannot be run.
pub fn expect(image: &Image, vector: &mut Vector) -> Result<(), NodeError> {
    let ran = node::run(image, vector, false)?;
    for (run, answers) in vector.runs.iter_mut().zip(ran.answers) {
        run.answers = answers;
    }
    vector.expect = Some(ran.answered);
    Ok(())
}

/// A program with one vector of its own.
fn single(suite: &mut Suite, group: Group, program: Program, runs: Vec<Run>) {
    let vector = vector(&program, group, 0, runs);
    suite.add(program, vec![vector]);
}
