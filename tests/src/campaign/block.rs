//! One block of seeds: images from one generator, asked about, run, and counted.
//!
//! In: the number of a block, and images to start from. Out: counts, times and violations. Guaranteed: what
//! is counted depends on the seed and the number alone, so blocks may be done in any order by anyone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_verify::{Prover, Reason, Refusal, prove};

use super::corpus::{self, Compiled, emit, limits};
use super::directed;
use super::mutant::{Base, Change, change};
use super::native::Host;
use super::program;
use super::run::{Contained, Tally, listing};
use super::totals::{Histogram, Totals};
use crate::generate;

/// Packets for each entry of an image that is run.
const PACKETS: u32 = 16;

/// Where images come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generator {
    /// The compiler, from generated programs.
    Compiler,
    /// Generated code near the border of what is accepted.
    Code,
    /// Changes of accepted images.
    Mutants,
    /// Variations of known mistakes.
    Directed,
}

impl Generator {
    /// All of them, in the order of their names.
    pub const ALL: [Generator; 4] = [
        Generator::Compiler,
        Generator::Code,
        Generator::Mutants,
        Generator::Directed,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Generator::Compiler => "g1",
            Generator::Code => "g2",
            Generator::Mutants => "g3",
            Generator::Directed => "g4",
        }
    }

    /// The generator of a block: of twenty, sixteen change images.
    pub fn of_block(number: u64) -> Generator {
        match number % 20 {
            0 => Generator::Compiler,
            1 | 11 => Generator::Code,
            2 => Generator::Directed,
            _ => Generator::Mutants,
        }
    }
}

/// How large blocks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Programs of a block for the compiler.
    pub programs: u64,
    /// Images of a block of code.
    pub codes: u64,
    /// Changes of a block.
    pub mutants: u64,
    /// Directed programs of a block.
    pub directed: u64,
}

impl Size {
    /// About a second each.
    pub const WHOLE: Size = Size {
        programs: 160,
        codes: 400,
        mutants: 10_000,
        directed: 600,
    };
    /// For builds without optimisation.
    pub const SMALL: Size = Size {
        programs: 2,
        codes: 4,
        mutants: 100,
        directed: 10,
    };
}

/// Images that changes start from.
pub struct Corpus {
    small: Vec<Base>,
    large: Vec<Base>,
    described: Vec<Base>,
    generated: Vec<Base>,
}

/// Generated modules among the images to start from.
const MODULES: u64 = 300;

/// Instructions of an image that is proved in a few microseconds.
const SMALL_MAX: usize = 120;

impl Corpus {
    /// Compiles and assembles them, with modules from these seeds.
    pub fn new(compiled: Vec<(String, Image)>, modules: std::ops::Range<u64>) -> Corpus {
        let compiled = bases(compiled);
        let is_small = |base: &Base| base.len() <= SMALL_MAX;
        let (small, large) = compiled.into_iter().partition(is_small);
        let module = |seed: u64| match seed % 2 {
            0 => nfl_ir::testing::module(seed),
            _ => nfl_ir::testing::calling_module(seed),
        };
        let generated = modules.filter_map(|seed| Some(("".into(), emit(module(seed))?)));
        let mut generated = bases(generated.collect());
        generated.retain(is_small);
        Corpus {
            small,
            large,
            described: bases(corpus::described()),
            generated,
        }
    }

    /// All there are: examples, suite, cases and modules.
    pub fn whole() -> Corpus {
        Corpus::new(corpus::compiled(), 0..MODULES)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.small.len() + self.large.len() + self.described.len() + self.generated.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, or a fresh one from a generator.
    pub fn base(&self, rng: &mut Rng, limits: &Limits) -> Base {
        let one = |rng: &mut Rng, list: &[Base]| {
            let at = rng.below(list.len() as u32) as usize;
            list.get(at).cloned()
        };
        let base = match rng.below(32) {
            0 => one(rng, &self.large),
            1..=11 => one(rng, &self.small),
            12..=19 => one(rng, &self.described),
            20..=23 => one(rng, &self.generated),
            24..=26 => {
                let (_, text) = directed::text(rng);
                corpus::from_text(&text).ok().map(Base::new)
            }
            _ => program::image(rng, limits).map(Base::new),
        };
        let accepted = base.filter(|base| !base.is_empty() && prove(&base.image, limits).is_ok());
        accepted.unwrap_or_else(|| self.any(rng))
    }

    /// One of those that need no work.
    fn any(&self, rng: &mut Rng) -> Base {
        let lists = [
            &self.described,
            &self.small,
            &self.generated,
            &self.described,
        ];
        let list = lists[rng.below(4) as usize];
        let list = if list.is_empty() {
            &self.described
        } else {
            list
        };
        list[rng.below(list.len() as u32) as usize].clone()
    }
}

/// The accepted ones among images, taken apart.
fn bases(images: Vec<(String, Image)>) -> Vec<Base> {
    let accepted = images.into_iter().filter_map(|(_, image)| {
        let proven = prove(&image, &limits()).ok()?;
        Some(Base::new(proven.into_image())).filter(|base| !base.is_empty())
    });
    accepted.collect()
}

/// A second opinion on images: the bound of each entry, or why there is none.
pub type Opinion = fn(&Image, &Limits) -> Result<Vec<u32>, String>;

/// What all blocks of a campaign share.
pub struct Setting {
    /// The seed of the campaign.
    pub seed: u64,
    /// How large blocks are.
    pub size: Size,
    /// Images to change.
    pub corpus: Corpus,
    /// The second checker, and that it is asked about one image in so many.
    pub second: Option<(Opinion, u64)>,
    /// Host code.
    pub host: Option<Host>,
}

/// One image in so many of those accepted changes is run. Changes of images that hardly differ are
/// accepted alike, and a run takes as long as dozens of proofs.
const RUN_ONE_IN: u32 = 16;

/// A block that is being done.
struct Block<'s> {
    setting: &'s Setting,
    limits: Limits,
    /// Its memory is that of all images before: what it accepts is proved again without, beside the run.
    prover: Prover,
    rng: Rng,
    number: u64,
    place: String,
    tried: u64,
    discarded: u64,
    decoded: u64,
    accepted: u64,
    violations: u64,
    ran: Tally,
    opinions: u64,
    times: Histogram,
    changes: [(u64, u64); Change::COUNT],
    totals: Totals,
}

/// Does one block.
pub fn block(setting: &Setting, number: u64) -> Totals {
    let generator = Generator::of_block(number);
    let mut mixed = Rng::new(setting.seed.wrapping_mul(0x1_0000_0001) ^ number);
    let mut block = Block {
        setting,
        limits: limits(),
        prover: Prover::new(),
        rng: Rng::new(mixed.number()),
        number,
        place: format!("seed {} block {number}", setting.seed),
        tried: 0,
        discarded: 0,
        decoded: 0,
        accepted: 0,
        violations: 0,
        ran: Tally::default(),
        opinions: 0,
        times: Histogram::default(),
        changes: [(0, 0); Change::COUNT],
        totals: Totals::default(),
    };
    match generator {
        Generator::Compiler => block.programs(),
        Generator::Code => block.codes(),
        Generator::Mutants => block.mutants(),
        Generator::Directed => block.directed(),
    }
    block.finish(generator)
}

impl Block<'_> {
    fn finish(mut self, generator: Generator) -> Totals {
        let name = generator.name();
        let ran = self.ran;
        for (column, count) in [
            ("tried", self.tried),
            ("discarded", self.discarded),
            ("decoded", self.decoded),
            ("accepted", self.accepted),
            ("wrong", self.violations),
            ("run", ran.images),
            ("run with loops", ran.with_loops),
            ("run with calls", ran.with_calls),
            ("packets", ran.packets),
            ("packets too short", ran.discarded),
            ("steps", ran.steps),
        ] {
            self.totals.count(&format!("{name}.{column}"), count);
        }
        for (oracle, checks) in [
            ("o1", ran.packets),
            ("o2", ran.packets),
            ("o3", ran.scratch),
            ("o4", ran.granted),
            ("o5", ran.places),
            ("o6", self.tried),
            ("o7", self.opinions),
            ("o9", ran.native.packets),
        ] {
            self.totals.count(&format!("{oracle}.checks"), checks);
        }
        for (name, count) in [
            ("compiled", ran.native.images),
            ("of which too little is known", ran.native.unsupported),
        ] {
            self.totals.count(&format!("host.images {name}"), count);
        }
        if let Some(host) = &self.setting.host {
            host.done(self.number);
        }
        for (kind, (tried, accepted)) in Change::NAMES.iter().zip(self.changes) {
            if tried > 0 {
                self.totals.count(&format!("change.{kind}.tried"), tried);
                self.totals
                    .count(&format!("change.{kind}.accepted"), accepted);
            }
        }
        self.totals.times.insert(format!("of {name}"), self.times);
        self.totals.blocks = 1;
        self.totals
    }

    fn violation(&mut self, oracle: &str, what: &str) {
        self.violations += 1;
        self.totals
            .violation(oracle, format!("{}: {what}", self.place));
    }

    /// Asks the verifier about an image, and answers whether it is accepted.
    fn ask(&mut self, image: &Image) -> bool {
        self.tried += 1;
        let (prover, asked, start) = (&mut self.prover, image.clone(), Instant::now());
        let verdict = catch_unwind(AssertUnwindSafe(|| prover.prove(asked, &self.limits)));
        self.times.add(start.elapsed().as_nanos() as u64);
        let Ok(verdict) = verdict else {
            self.violation(
                "o6",
                &format!("the verifier panics\n{}", listing(image, None)),
            );
            return false;
        };
        if let Some((opinion, one_in)) = self.setting.second
            && self.tried.is_multiple_of(one_in)
        {
            self.opinions += 1;
            let first = verdict.as_ref().map(|proven| {
                let bounds = proven.entries().iter();
                bounds.map(|bound| bound.steps).collect::<Vec<u32>>()
            });
            let second = opinion(image, &self.limits);
            let agree = match (&first, &second) {
                (Ok(one), Ok(other)) => one == other,
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !agree {
                let said = format!("{first:?} and {second:?}\n{}", listing(image, None));
                self.violation("o7", &said);
            }
        }
        match verdict {
            Ok(_) => {
                self.decoded += 1;
                self.accepted += 1;
                true
            }
            Err(Refusal { pc, reason }) => {
                let decoded = pc.is_some() && !matches!(reason, Reason::Decode(_));
                self.decoded += u64::from(decoded);
                false
            }
        }
    }

    /// Runs an accepted image.
    fn run(&mut self, image: &Image) {
        let contained = match Contained::new(image, &self.limits) {
            Ok(contained) => contained,
            Err(refusal) => {
                let said = format!(
                    "accepted, then refused: {refusal}\n{}",
                    listing(image, None)
                );
                return self.violation("o6", &said);
            }
        };
        match contained.run(&mut self.rng, PACKETS) {
            Ok(tally) => self.ran.add(tally),
            Err(wrong) => return self.violation(wrong.oracle, &wrong.what),
        }
        if let Some(host) = &self.setting.host
            && self.ran.images.is_multiple_of(host.one_in)
        {
            match host.compare(self.number, &contained, &self.limits, PACKETS) {
                Ok(native) => self.ran.native.add(native),
                Err(what) => self.violation("o9", &what),
            }
        }
    }

    fn programs(&mut self) {
        for _ in 0..self.setting.size.programs {
            let seed = self.rng.number();
            let text = generate::program(seed).text;
            let compiled = catch_unwind(|| corpus::compile(&text));
            self.totals.count("programs.generated", 1);
            let outcome = match compiled {
                Ok(Compiled::Images(images)) => {
                    for image in images {
                        if self.ask(&image) {
                            self.run(&image);
                        } else {
                            self.violation(
                                "g1",
                                &format!("program {seed} is compiled and refused"),
                            );
                        }
                    }
                    "programs.accepted by the compiler and the node"
                }
                Ok(Compiled::TooMuch) => "programs.too large or too long",
                Ok(Compiled::Refused(_)) => "programs.refused by the compiler",
                Ok(Compiled::Unproved(said)) => {
                    self.violation("g1", &format!("program {seed}: {said}"));
                    "programs.refused by the node alone"
                }
                Err(_) => {
                    self.violation("g1", &format!("the compiler panics on program {seed}"));
                    "programs.panics"
                }
            };
            self.totals.count(outcome, 1);
        }
    }

    fn codes(&mut self) {
        for _ in 0..self.setting.size.codes {
            let mut asked = 0;
            let image = program::repaired(&mut self.rng, &self.limits, &mut asked);
            self.tried += asked;
            match image {
                Some(image) => {
                    if self.ask(&image) {
                        self.run(&image);
                    }
                }
                None => self.discarded += 1,
            }
        }
    }

    fn directed(&mut self) {
        for _ in 0..self.setting.size.directed {
            let (_, text) = directed::text(&mut self.rng);
            match corpus::from_text(&text) {
                Ok(image) => {
                    if self.ask(&image) {
                        self.run(&image);
                    }
                }
                // No certificate can help it.
                Err(_) => {
                    self.tried += 1;
                    self.decoded += 1;
                }
            }
        }
    }

    fn mutants(&mut self) {
        let mut left = self.setting.size.mutants;
        while left > 0 {
            let start = self.setting.corpus.base(&mut self.rng, &self.limits);
            let other = self.setting.corpus.any(&mut self.rng);
            // Large images take long and show little more.
            let share = if start.len() > SMALL_MAX { 50 } else { 500 };
            let tries = left.min(share);
            self.family(start, &other, tries);
            left -= tries;
        }
    }

    /// So many changes of an image, of those that are accepted, and so on.
    fn family(&mut self, start: Base, other: &Base, tries: u64) {
        let mut base = start;
        let mut image = base.image.clone();
        for _ in 0..tries {
            let kind = change(&mut self.rng, &base, other, &mut image, &self.limits);
            if image == base.image {
                self.discarded += 1;
                continue;
            }
            let accepted = self.ask(&image);
            if let Some((tried, fine)) = self.changes.get_mut(kind as usize) {
                *tried += 1;
                *fine += u64::from(accepted);
            }
            if accepted && self.rng.below(RUN_ONE_IN) == 0 {
                self.run(&image);
            }
            if accepted && self.rng.below(8) == 0 && !image.code.is_empty() {
                base = Base::new(image.clone());
            } else {
                base.restore(&mut image, kind);
            }
        }
    }
}
