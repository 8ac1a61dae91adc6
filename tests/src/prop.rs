//! Properties across crates, over generated programs with fixed seeds.
//!
//! A generated module is printed and read, optimised, emitted, proved and run: every form of it must
//! come to the same verdict and leave the same bytes.

use nfl_abi::{Layer, Limits, Profile, Role};
use nfl_codegen_rv::Options;
use nfl_ir::Module;
use nfl_ir::testing::Rng;
use nfl_syntax::Diags;
use nfl_tests::agree::Engines;
use nfl_tests::case::cases;
use nfl_tests::packet;
use nfl_tests::pipeline::Stages;
use nfl_tests::root;
use nfl_vm::Context;

use crate::stage::stages;

/// Programs in a debug build, unless `NFL_SEEDS` says otherwise.
const SEEDS: u64 = 150;
const PACKETS: u64 = 8;

fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("NFL_SEEDS").ok();
    0..asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(SEEDS)
}

fn emit(lowered: Module) -> Result<Option<Stages>, String> {
    let mut module = lowered.clone();
    nfl_ir::passes::run(&mut module);
    let mut diags = Diags::default();
    let verified = nfl_ir::verify::verify(module, &Limits::EDGE, &mut diags);
    let verified = verified.ok_or("the passes lost what the verifier needs")?;
    let emitted = match nfl_codegen_rv::emit(&verified, &Options::default()) {
        Ok(emitted) => emitted,
        // A generated program may be too large for an image; that is no difference.
        Err(nfl_codegen_rv::EmitError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let optimised = verified.module().clone();
    Ok(Some(Stages {
        lowered,
        optimised,
        image: emitted.image,
        lines: emitted.lines,
    }))
}

#[test]
fn generated_modules_print_and_parse() {
    for seed in seeds() {
        let module = nfl_ir::testing::module(seed);
        let text = nfl_ir::text::module(&module);
        let again =
            nfl_ir::text::parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {e:?}\n{text}"));
        assert_eq!(text, nfl_ir::text::module(&again), "seed {seed}");
    }
}

#[test]
fn engines_agree_on_generated_programs() {
    let mut ran = 0;
    for seed in seeds() {
        let stages =
            emit(nfl_ir::testing::module(seed)).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let Some(stages) = stages else { continue };
        let mut engines = Engines::new(&stages).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let roles: Vec<Role> = stages
            .image
            .manifest
            .entries
            .iter()
            .map(|entry| entry.role)
            .collect();
        for role in roles {
            let mut carried = stages.image.manifest.carried.clone();
            for number in 0..PACKETS {
                let packet = nfl_ir::testing::packet(seed * PACKETS + number);
                let context = Context {
                    ingress_port: number as u32,
                    ..Context::default()
                };
                let after = engines.run(role, &packet, &context, &carried);
                carried = after
                    .unwrap_or_else(|e| panic!("seed {seed} packet {number}: {e}"))
                    .carried;
                ran += 1;
            }
        }
        assert!(stages.image.manifest.profile == Profile::Capsule || carried_is_empty(&stages));
    }
    assert!(ran > 100, "most generated programs were run");
}

fn carried_is_empty(stages: &Stages) -> bool {
    stages.image.manifest.carried.is_empty()
}

#[test]
fn images_depend_on_their_modules_alone() {
    for seed in seeds().take(20) {
        let bytes = || {
            let stages =
                emit(nfl_ir::testing::module(seed)).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            stages.map(|s| s.image.to_bytes())
        };
        assert_eq!(bytes(), bytes(), "seed {seed}");
    }
}

/// Broken packets for each packet of the suite, as a part of the seeds.
const VARIANTS_OF_SEEDS: u64 = 6;

/// A packet of the suite with a few bytes changed, its end cut off, or something behind it.
fn broken(packet: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut packet = packet.to_vec();
    match rng.below(4) {
        0 => packet.truncate(rng.below(packet.len() as u32 + 1) as usize),
        1 => packet.extend((0..rng.below(9)).map(|_| rng.number() as u8)),
        _ => {}
    }
    for _ in 0..rng.below(4) {
        let Some(at) = (rng.number() as usize).checked_rem(packet.len()) else {
            break;
        };
        packet[at] = match rng.below(3) {
            0 => rng.number() as u8,
            1 => packet[at] ^ 1 << rng.below(8),
            _ => [0, 0xff, 0x45, 0x60, 1][rng.below(5) as usize],
        };
    }
    packet
}

#[test]
fn engines_agree_on_broken_packets_of_the_suite() {
    let mut ran = 0;
    for case in cases(&root().join("tests/suite/run")) {
        let stages = stages(&case).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
        let mut role = None;
        let mut context = Context::default();
        for (name, value) in case.fields() {
            match name {
                "on" => role = Role::from_text(value),
                "port" => context.ingress_port = value.parse().unwrap_or(0),
                _ => {}
            }
            let (Some(role), "packet") = (role, name) else {
                continue;
            };
            let whole = packet::parse(value).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
            for image in &stages {
                let entries = image.image.manifest.entries.iter();
                let Some(entry) = entries.clone().find(|entry| entry.role == role) else {
                    continue;
                };
                let link = entry.layer == Layer::Link;
                context.network_offset = (!link).then_some(0);
                let mut engines =
                    Engines::new(image).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
                let mut carried = image.image.manifest.carried.clone();
                for seed in 0..seeds().end.div_ceil(VARIANTS_OF_SEEDS) {
                    let bytes = broken(&whole, seed);
                    let place = || format!("{}: {value}: seed {seed}: {bytes:02x?}", case.name());
                    let after = engines.run(role, &bytes, &context, &carried);
                    let after = after.unwrap_or_else(|e| panic!("{}: {e}", place()));
                    // Stores behind the end that a length field gives are not covered by its sum, and
                    // the compiler does not look there: only packets without such bytes are judged.
                    // A resized packet has other headers, so other sums.
                    if bytes.len() <= whole.len() && bytes.len() == after.packet.len() {
                        let sums = |bytes: &[u8]| packet::sums(bytes, link);
                        assert_eq!(sums(&bytes), sums(&after.packet), "{}", place());
                    }
                    carried = after.carried;
                    ran += 1;
                }
            }
        }
    }
    assert!(ran > 1_000, "most packets of the suite were run");
}
