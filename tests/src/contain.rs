//! State containment: what the byte verifier knows at each address holds in every run.
//!
//! Images come from the examples and the suite, from generated modules, from the verifier's own
//! cases, and from generated code; and all of them change a little, over and over. Whatever is
//! accepted is run, unverified and step by step, on packets of border lengths; and a part of it as host code.
//!
//! Seeds are fixed; `NFL_SEEDS` says how many in a release build.

mod twice;

use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_tests::agree::jit;
use nfl_tests::campaign::block::{Corpus, Generator, Setting, Size};
use nfl_tests::campaign::corpus::{compiled, described, emit, limits, written};
use nfl_tests::campaign::mutant::{self, mutant};
use nfl_tests::campaign::native::{self, Host, Native};
use nfl_tests::campaign::program;
use nfl_tests::campaign::run::{Contained, Tally};
use nfl_tests::campaign::totals::Totals;
use nfl_tests::campaign::{Until, blocks, tried};

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

/// Runs an image that must be accepted.
fn accepted(name: &str, image: &Image, packets: u32) -> Tally {
    let contained = Contained::new(image, &Limits::EDGE);
    let contained = contained.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    let ran = contained.run(&mut Rng::new(1), packets);
    let mut tally = ran.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    let native = native::compare(&contained, &Limits::EDGE, packets);
    tally.native = native.unwrap_or_else(|what| panic!("{name}: {what}"));
    tally
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
        // To compile takes longer than to run.
        if generation % 4 == 0 {
            let native = native::compare(&contained, &limits, PACKETS);
            let native =
                native.unwrap_or_else(|what| panic!("{name}, generation {generation}: {what}"));
            tally.native.add(native);
        }
        let mut tries =
            (0..TRIES).map(|_| Contained::new(&mutant(rng, contained.image(), &limits), &limits));
        match tries.find_map(Result::ok) {
            Some(next) => contained = next,
            None => break,
        }
    }
    tally
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

#[test]
fn cases_agree_as_host_code() {
    let mut done = Native::default();
    for (name, image) in described() {
        let Ok(contained) = Contained::new(&image, &Limits::EDGE) else {
            continue;
        };
        let native = native::compare(&contained, &Limits::EDGE, PACKETS);
        done.add(native.unwrap_or_else(|what| panic!("{name}: {what}")));
    }
    let skipped = jit().expect("it works where there is one").is_none();
    assert!(skipped || done.images > 100, "{done:?}");
    eprintln!("cases as host code: {done:?}");
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

/// Whether the certificate announces subroutines.
fn has_subroutines(image: &Image) -> bool {
    image.certificate.first() == Some(&2)
}

#[test]
fn subroutines_stay_within_their_proofs() {
    let mut images = described();
    images.retain(|(_, image)| has_subroutines(image));
    assert!(images.len() > 20, "{} cases", images.len());
    let limits = limits();
    let mut tally = Tally::default();
    let mut generated = 0;
    for seed in seeds(40) {
        let mut rng = Rng::new(seed ^ 0x5ab);
        let (name, image) = pick_one(&mut rng, &images);
        tally.add(family(&format!("{name}, seed {seed}"), image, &mut rng));
        if let Some(image) = program::image(&mut rng, &limits).filter(has_subroutines) {
            generated += 1;
            tally.add(family(&format!("code {seed}"), &image, &mut rng));
        }
    }
    assert!(
        tally.with_loops > 0 && generated > 0,
        "{generated} {tally:?}"
    );
    show("subroutines", tally);
}

/// A campaign comes to the same totals however many do it, and whether it was interrupted or not.
#[test]
fn campaigns_find_nothing_and_are_resumed() {
    let setting = Setting {
        seed: 3,
        size: Size::SMALL,
        corpus: Corpus::new(Vec::new(), 0..8),
        second: None,
        host: Some(Host::new(3, None)),
    };
    let whole = Until::Tried(1_000);
    let quiet = |_: &Totals| {};
    let all = &Generator::ALL;
    let once = blocks(&setting, Totals::default(), whole, all, 2, &quiet);
    assert_eq!(once.violations, Vec::<String>::new());
    assert!(
        once.get("g3.run") > 10 && once.get("o5.checks") > 1_000,
        "{}",
        once.table()
    );
    let half = blocks(
        &setting,
        Totals::default(),
        Until::Tried(500),
        all,
        1,
        &quiet,
    );
    assert!(tried(&half) >= 500 && half.blocks < once.blocks);
    let half = Totals::parse(&half.text()).expect("a report can be read again");
    let twice = blocks(&setting, half, whole, all, 1, &quiet);
    assert_eq!(
        (once.blocks, once.counts),
        (twice.blocks, twice.counts),
        "however it was interrupted"
    );
}
