//! State containment: what the byte verifier knows at each address holds in every run.
//!
//! Images come from the examples and the suite, from generated modules, from the verifier's own
//! cases, and from generated code; and all of them change a little, over and over. Whatever is
//! accepted is run, unverified and step by step, on packets of border lengths.
//!
//! Seeds are fixed; `NFL_SEEDS` says how many in a release build.

mod mutant;
pub(crate) mod node;
mod program;
mod run;
mod scratch;
#[path = "../../nfl-verify/tests/support/mod.rs"]
pub(crate) mod support;
mod twice;

use std::collections::BTreeSet;
use std::path::PathBuf;

use nfl_abi::{Image, Limits};
use nfl_codegen_rv::Options;
use nfl_ir::Module;
use nfl_ir::testing::Rng;
use nfl_syntax::Diags;
use nfl_tests::case::cases;
use nfl_tests::examples::EXAMPLES;
use nfl_tests::pipeline::check_text;
use nfl_tests::root;

use mutant::mutant;
use run::{Contained, Tally};

/// Packets for each entry of an image.
const PACKETS: u32 = 12;
/// Changes that are tried before an image is left as it is.
const TRIES: u32 = 20;
/// Accepted images that follow from one another.
const GENERATIONS: u32 = 8;

/// As many seeds as `NFL_SEEDS` says, or a few that do not take long in a debug build.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("NFL_SEEDS").ok();
    0..asked.and_then(|number| number.parse().ok()).unwrap_or(few)
}

/// Says what was run, for whoever asks to see it.
fn show(what: &str, tally: Tally) {
    eprintln!("{what}: {tally:?}");
}

fn pick_one<'t, T>(rng: &mut Rng, list: &'t [T]) -> &'t T {
    &list[rng.below(list.len() as u32) as usize]
}

/// Longer runs than a platform allows, so that generated loops may be nested, and room for the manifests of many
/// imports.
fn limits() -> Limits {
    let mut limits = Limits::EDGE;
    limits.capsule.steps = 20_000;
    limits.capsule.manifest_bytes = 1024;
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

fn compiled() -> Vec<(String, Image)> {
    let mut all = Vec::new();
    for example in EXAMPLES {
        let stages = example
            .stages()
            .unwrap_or_else(|e| panic!("{}: {e}", example.path));
        all.extend(
            stages
                .into_iter()
                .map(|stages| (example.path.to_string(), stages.image)),
        );
    }
    for case in cases(&root().join("tests/suite/run")) {
        let checking = check_text("case.nfl", &case.text);
        let stages = checking
            .function(case.get("function"))
            .and_then(|function| checking.stages(function, &case.sets()));
        // A case that has no image is a finding of the suite, not of this test.
        let stages = stages.into_iter().flatten();
        all.extend(stages.map(|stages| (case.name().to_string(), stages.image)));
    }
    all
}

fn emit(module: Module) -> Option<Image> {
    let mut module = module;
    nfl_ir::passes::run(&mut module);
    let verified = nfl_ir::verify::verify(module, &Limits::EDGE, &mut Diags::default());
    // Some are too large for an image.
    let emitted = nfl_codegen_rv::emit(&verified?, &Options::default()).ok();
    emitted.map(|emitted| emitted.image)
}

/// Name and text of each of the verifier's own cases.
fn written() -> Vec<(String, String)> {
    let dir = root().join("nfl-verify/tests/cases");
    let files = std::fs::read_dir(dir).expect("the verifier has cases");
    let paths: BTreeSet<PathBuf> = files
        .map(|file| file.expect("a directory can be read to its end").path())
        .collect();
    let mut texts = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).expect("cases can be read");
        for case in text.split("== ").filter(|case| !case.trim().is_empty()) {
            let source = case.split("\n--\n").next().unwrap_or(case);
            let (name, source) = source.split_once('\n').unwrap_or((source, ""));
            texts.push((name.to_string(), source.to_string()));
        }
    }
    texts
}

/// The images that the verifier's own cases describe, where a certificate can be proposed.
fn described() -> Vec<(String, Image)> {
    let cases = written().into_iter();
    let images = cases.map(|(name, text)| Some((name, support::certified(&text).ok()?)));
    images.flatten().collect()
}

#[test]
fn compiled_images_stay_within_their_proofs() {
    let images = compiled();
    let mut tally = Tally::default();
    for (name, image) in &images {
        tally.add(accepted(name, image, 6));
    }
    assert!(tally.images > 20, "{tally:?}");
    show("compiled", tally);
    let mut tally = Tally::default();
    for seed in seeds(10) {
        let mut rng = Rng::new(seed);
        let (name, image) = pick_one(&mut rng, &images);
        tally.add(family(&format!("{name}, seed {seed}"), image, &mut rng));
    }
    show("compiled and changed", tally);
}

#[test]
fn generated_modules_stay_within_their_proofs() {
    let mut tally = Tally::default();
    for seed in seeds(16) {
        let calls = seed % 2 == 1;
        let module = match calls {
            true => nfl_ir::testing::calling_module(seed),
            false => nfl_ir::testing::module(seed),
        };
        let Some(image) = emit(module) else {
            continue;
        };
        let name = format!("module {seed}");
        tally.add(accepted(&name, &image, PACKETS));
        tally.add(family(&name, &image, &mut Rng::new(seed)));
    }
    assert!(tally.images > 10 && tally.with_calls > 0, "{tally:?}");
    show("modules", tally);
}

/// Each case of the verifier is the smallest program that shows something.
#[test]
fn changed_cases_stay_within_their_proofs() {
    let images = described();
    assert!(images.len() > 100, "{} cases", images.len());
    let mut tally = Tally::default();
    for seed in seeds(60) {
        let mut rng = Rng::new(seed ^ 0xca5e);
        let (name, image) = pick_one(&mut rng, &images);
        tally.add(family(&format!("{name}, seed {seed}"), image, &mut rng));
    }
    show("cases", tally);
}

#[test]
fn generated_code_stays_within_its_proofs() {
    let limits = limits();
    let mut tally = Tally::default();
    for seed in seeds(60) {
        let mut rng = Rng::new(seed ^ 0xc0de);
        if let Some(image) = program::image(&mut rng, &limits) {
            tally.add(family(&format!("code {seed}"), &image, &mut rng));
        }
    }
    assert!(tally.with_loops > 0 && tally.with_calls > 0, "{tally:?}");
    show("code", tally);
}
