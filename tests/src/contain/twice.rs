//! Two checkers that share no code: what one accepts the other accepts, with the same bound for each entry.
//!
//! In: the verifier's own cases, images of programs, generated code, and all of them changed a little.
//! Out: the first image about which the two differ. Why an image is refused need not agree.

use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_tests::campaign::corpus;
use nfl_tests::second;

use super::mutant::mutant;
use super::program;
use super::{compiled, emit, has_subroutines, limits, pick_one, seeds, written};

/// Images that follow from one another, for each seed.
const STEPS: u32 = 40;

/// How often the two agreed, by what they said.
#[derive(Clone, Copy, Default, Debug)]
struct Agreed {
    accepted: u64,
    refused: u64,
}

impl Agreed {
    /// Asks both about one image, and says whether they accept it.
    fn ask(&mut self, name: &str, image: &Image, limits: &Limits) -> bool {
        let first = nfl_verify::prove(image, limits);
        let first = first.map(|proven| {
            let bounds = proven.entries().iter();
            bounds.map(|bound| bound.steps).collect::<Vec<u32>>()
        });
        let second = second::prove(image, limits);
        match (&first, &second) {
            (Ok(one), Ok(other)) if one == other => self.accepted += 1,
            (Err(_), Err(_)) => self.refused += 1,
            _ => panic!("{name}: {first:?} and {second:?}\n{}", listing(image)),
        }
        first.is_ok()
    }

    /// Asks about an image and those that follow from it; what is accepted is followed.
    fn family(&mut self, name: &str, image: &Image, rng: &mut Rng) {
        let limits = near(rng, limits());
        let mut at = image.clone();
        for step in 0..STEPS {
            let next = mutant(rng, &at, &limits);
            if self.ask(&format!("{name}, step {step}"), &next, &limits) {
                at = next;
            }
        }
    }
}

/// Limits that images reach: half of the time those that are given, else some of them lowered.
fn near(rng: &mut Rng, mut limits: Limits) -> Limits {
    if rng.below(2) == 0 {
        return limits;
    }
    for limits in [&mut limits.capsule, &mut limits.resident] {
        match rng.below(6) {
            0 => limits.steps = 8 + rng.below(200),
            1 => limits.loop_trips = 1 + rng.below(20),
            2 => limits.loop_depth = rng.below(3) as u8,
            3 => limits.content_bytes = 64 + rng.below(512),
            4 => limits.certificate_bytes = 2 + rng.below(40),
            _ => limits.pending_joins = rng.below(6) as u16,
        }
    }
    limits
}

/// What a certificate without loops says.
const NO_LOOPS: &[u8] = &[1, 0];

/// The images of the verifier's own cases; where no certificate can be proposed, with one that claims nothing.
fn cases() -> Vec<(String, Image)> {
    let image = |text: &str| {
        let mut image = corpus::described_by(text);
        if image.certificate.is_empty() {
            let proposed = nfl_verify::certify(&image, &Limits::EDGE);
            image.certificate = proposed.unwrap_or_else(|_| NO_LOOPS.to_vec());
        }
        image
    };
    let cases = written().into_iter();
    cases.map(|(name, text)| (name, image(&text))).collect()
}

/// What whoever looks into a difference needs to repeat it.
fn listing(image: &Image) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let lines = nfl_isa::disassemble(&image.code, 0);
    let code: String = lines
        .iter()
        .map(|line| match line.inst {
            Ok(inst) => format!("{:5}  {inst}\n", line.pc),
            Err(why) => format!("{:5}  {why}\n", line.pc),
        })
        .collect();
    format!(
        "certificate {}\nconstants {}\n{:?}\n{code}",
        hex(&image.certificate),
        hex(&image.constants),
        image.manifest
    )
}

#[test]
fn both_checkers_agree_on_the_cases() {
    let mut agreed = Agreed::default();
    for (name, image) in cases() {
        agreed.ask(&name, &image, &Limits::EDGE);
    }
    assert!(agreed.accepted > 200 && agreed.refused > 300, "{agreed:?}");
    eprintln!("cases: {agreed:?}");
}

#[test]
fn both_checkers_agree_on_changed_cases() {
    let images = cases();
    let mut agreed = Agreed::default();
    for seed in seeds(40) {
        let mut rng = Rng::new(seed ^ 0x2ca5e);
        let (name, image) = pick_one(&mut rng, &images);
        agreed.family(&format!("{name}, seed {seed}"), image, &mut rng);
    }
    assert!(agreed.accepted > 100 && agreed.refused > 100, "{agreed:?}");
    eprintln!("changed cases: {agreed:?}");
}

#[test]
fn both_checkers_agree_on_programs_and_changed_ones() {
    let images = compiled();
    let mut agreed = Agreed::default();
    for (name, image) in &images {
        assert!(agreed.ask(name, image, &Limits::EDGE), "{name}");
    }
    assert!(agreed.accepted > 20, "{agreed:?}");
    for seed in seeds(10) {
        let mut rng = Rng::new(seed ^ 0x29109);
        let (name, image) = pick_one(&mut rng, &images);
        agreed.family(&format!("{name}, seed {seed}"), image, &mut rng);
    }
    assert!(agreed.refused > 20, "{agreed:?}");
    eprintln!("programs: {agreed:?}");
}

#[test]
fn both_checkers_agree_on_generated_modules() {
    let mut agreed = Agreed::default();
    for seed in seeds(10) {
        let module = match seed % 2 {
            0 => nfl_ir::testing::module(seed),
            _ => nfl_ir::testing::calling_module(seed),
        };
        // Some are too large for an image.
        if let Some(image) = emit(module) {
            agreed.ask(&format!("module {seed}"), &image, &limits());
            let mut rng = Rng::new(seed ^ 0x20d);
            agreed.family(&format!("module {seed}"), &image, &mut rng);
        }
    }
    assert!(agreed.accepted > 20 && agreed.refused > 20, "{agreed:?}");
    eprintln!("modules: {agreed:?}");
}

#[test]
fn both_checkers_agree_on_generated_code() {
    let limits = limits();
    let mut agreed = Agreed::default();
    for seed in seeds(40) {
        let mut rng = Rng::new(seed ^ 0x2c0de);
        if let Some(image) = program::image(&mut rng, &limits) {
            agreed.ask(&format!("code {seed}"), &image, &limits);
            agreed.family(&format!("code {seed}"), &image, &mut rng);
        }
    }
    assert!(agreed.accepted > 100 && agreed.refused > 100, "{agreed:?}");
    eprintln!("code: {agreed:?}");
}

#[test]
fn both_checkers_agree_on_subroutines_and_changed_ones() {
    let images: Vec<_> = cases()
        .into_iter()
        .filter(|(_, image)| has_subroutines(image))
        .collect();
    assert!(images.len() > 30, "{} cases", images.len());
    let limits = limits();
    let mut agreed = Agreed::default();
    for seed in seeds(30) {
        let mut rng = Rng::new(seed ^ 0x25b);
        let (name, image) = pick_one(&mut rng, &images);
        agreed.family(&format!("{name}, seed {seed}"), image, &mut rng);
        let code = program::image(&mut rng, &limits).filter(has_subroutines);
        if let Some(image) = code {
            agreed.ask(&format!("code {seed}"), &image, &limits);
            agreed.family(&format!("code {seed}"), &image, &mut rng);
        }
    }
    assert!(agreed.accepted > 100 && agreed.refused > 100, "{agreed:?}");
    eprintln!("subroutines: {agreed:?}");
}
