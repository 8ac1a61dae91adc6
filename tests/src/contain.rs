//! State containment: what the byte verifier knows at each address holds in every run.
//!
//! Images come from the examples and the suite, from generated modules, from the verifier's own
//! cases, and from generated code; and all of them change a little, over and over. Whatever is
//! accepted is run, unverified and step by step, on packets of border lengths.
//!
//! Seeds are fixed; `NFL_SEEDS` says how many in a release build.

mod mutant;
mod program;
mod run;
mod scratch;
#[expect(dead_code, reason = "the verifier's own tests use more of it")]
#[path = "../../nfl-verify/tests/support/mod.rs"]
mod support;

use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_tests::case::cases;
use nfl_tests::examples::EXAMPLES;
use nfl_tests::pipeline::{Stages, check_text};
use nfl_tests::root;

use mutant::mutant;
use run::{Contained, Tally};

/// Seeds in a debug build.
const SEEDS: u64 = 60;
/// Packets for each entry of an image.
const PACKETS: u32 = 12;
/// Changes that are tried before an image is left as it is.
const TRIES: u32 = 20;
/// Accepted images that follow from one another.
const GENERATIONS: u32 = 8;

fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("NFL_SEEDS").ok();
    0..asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(SEEDS)
}

/// Longer runs than a platform allows, so that generated loops may be nested.
fn limits() -> Limits {
    let mut limits = Limits::EDGE;
    limits.capsule.steps = 20_000;
    limits
}

/// Runs an image that must be accepted.
fn accepted(name: &str, image: &Image, packets: u32) -> Tally {
    let contained = Contained::new(image, &Limits::EDGE);
    let contained = contained.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    let ran = contained.run(&mut Rng::new(1), packets);
    ran.unwrap_or_else(|wrong| panic!("{name}: {wrong}"))
}

/// Runs an image and those that follow from it.
fn family(name: &str, image: &Image, rng: &mut Rng) -> Tally {
    let limits = limits();
    let mut tally = Tally::default();
    let Ok(mut contained) = Contained::new(image, &limits) else {
        return tally;
    };
    for generation in 0..=GENERATIONS {
        let ran = contained.run(rng, PACKETS);
        tally.add(ran.unwrap_or_else(|wrong| panic!("{name}, generation {generation}: {wrong}")));
        let mut tries =
            (0..TRIES).map(|_| Contained::new(&mutant(rng, contained.image(), &limits), &limits));
        match tries.find_map(Result::ok) {
            Some(next) => contained = next,
            None => break,
        }
    }
    tally
}

fn compiled() -> Vec<(String, Stages)> {
    let mut all = Vec::new();
    for example in EXAMPLES {
        let stages = example
            .stages()
            .unwrap_or_else(|e| panic!("{}: {e}", example.path));
        all.extend(
            stages
                .into_iter()
                .map(|stages| (example.path.to_string(), stages)),
        );
    }
    for case in cases(&root().join("tests/suite/run")) {
        let checking = check_text("case.nfl", &case.text);
        let stages = checking
            .function(case.get("function"))
            .and_then(|function| checking.stages(function, &case.sets()));
        let stages = stages.unwrap_or_else(|e| panic!("{}: {e}", case.name()));
        all.extend(
            stages
                .into_iter()
                .map(|stages| (case.name().to_string(), stages)),
        );
    }
    all
}

#[test]
fn compiled_images_stay_within_their_proofs() {
    let mut tally = Tally::default();
    for (name, stages) in compiled() {
        tally.add(accepted(&name, &stages.image, 40));
    }
    assert!(tally.images > 20, "{tally:?}");
}

#[test]
fn changed_compiled_images_stay_within_their_proofs() {
    let images = compiled();
    for seed in seeds() {
        let mut rng = Rng::new(seed);
        let (name, stages) = program::pick_one(&mut rng, &images);
        family(name, &stages.image, &mut rng);
    }
}

#[test]
fn generated_modules_stay_within_their_proofs() {
    for seed in seeds() {
        let stages = crate::prop::emit(nfl_ir::testing::module(seed));
        let stages = stages.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let Some(stages) = stages else { continue };
        let name = format!("module {seed}");
        accepted(&name, &stages.image, PACKETS);
        family(&name, &stages.image, &mut Rng::new(seed));
    }
}

/// Programs of the verifier's own cases, of which each is the smallest that shows something.
#[test]
fn changed_cases_stay_within_their_proofs() {
    let mut images: Vec<(String, Image)> = Vec::new();
    for file in [
        "certificate",
        "control",
        "image",
        "loops",
        "memory",
        "packet",
        "values",
    ] {
        let path = root().join(format!("nfl-verify/tests/cases/{file}.txt"));
        let text = std::fs::read_to_string(path).expect("the verifier has cases");
        for case in text.split("== ").filter(|case| !case.trim().is_empty()) {
            let source = case.split("\n--\n").next().unwrap_or(case);
            let (name, source) = source.split_once('\n').unwrap_or((source, ""));
            if let Ok(image) = support::certified(source) {
                images.push((name.to_string(), image));
            }
        }
    }
    assert!(images.len() > 100, "{} cases", images.len());
    for seed in seeds() {
        for (name, image) in &images {
            family(&format!("{name}, seed {seed}"), image, &mut Rng::new(seed));
            if std::env::var_os("NFL_SEEDS").is_none() && seed > 0 {
                break;
            }
        }
    }
}

#[test]
fn generated_code_stays_within_its_proofs() {
    let limits = limits();
    let mut tally = Tally::default();
    for seed in seeds() {
        let mut rng = Rng::new(seed ^ 0xc0de);
        if let Some(image) = program::image(&mut rng, &limits) {
            tally.add(family(&format!("seed {seed}"), &image, &mut rng));
        }
    }
    assert!(tally.with_loops > 0, "{tally:?}");
}
