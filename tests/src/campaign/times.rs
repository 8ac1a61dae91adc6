//! How long the verifier takes at worst.
//!
//! In: a seed. Out: times of proofs of code that is as bad as a capsule can be, by shape and after a
//! search for worse, how the time grows with the size of resident code, and how long proofs of images
//! take that are given. Guaranteed: nothing here is a verdict: times depend on the machine.

use std::time::Instant;

use nfl_abi::image::{Profile, Role};
use nfl_abi::{Image, Limits};
use nfl_ir::testing::Rng;
use nfl_isa::{Inst, Op, Reg};
use nfl_verify::{Prover, certify, observe, prove};

use super::mutant::{Base, change};
use super::program::{manifest, pick};
use super::totals::{Histogram, Totals};

/// Shapes of code that a verifier may take long for.
const SHAPES: &[(&str, Shape)] = &[
    ("many branches to one place", fan_in),
    ("many joins of many words", diamonds),
    ("many open branches", open_branches),
    ("branches behind many words", words_then_branches),
    ("many loops in one another", loops),
    ("one loop with many exits", exits),
    ("a straight line", straight),
    ("loads and stores of scratch", scratch),
];

/// Writes about so many instructions.
type Shape = fn(&mut Rng, usize) -> Vec<Inst>;

const SP: Reg = Reg::SP;
const A2: Reg = Reg(12);
const A3: Reg = Reg(13);
const A4: Reg = Reg(14);

fn load(rd: Reg, at: usize) -> Inst {
    Inst::i(Op::Lw, rd, Reg::S0, 4 * (at % 2) as i32)
}

fn store(rs: Reg, word: usize) -> Inst {
    Inst::s(Op::Sw, rs, SP, 4 * (word % 64) as i32)
}

fn branch(to: i32) -> Inst {
    Inst::b(Op::Beq, A2, Reg::ZERO, 4 * to)
}

fn end(mut code: Vec<Inst>) -> Vec<Inst> {
    code.push(Inst::bare(Op::Ebreak));
    code
}

/// Words of scratch with a symbol each.
fn words(code: &mut Vec<Inst>, many: usize) {
    for word in 0..many {
        code.push(load(A2, word));
        code.push(store(A2, word));
    }
}

fn fan_in(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    let share = 2 + rng.below(3) as usize;
    // Branches reach four KiB, so larger code has several groups.
    while code.len() + 40 < many {
        let size = (many - code.len()).min(800);
        let last = code.len() + size - 1;
        words(&mut code, (size / (2 * share)).min(64));
        let first = code.len();
        code.push(branch(0));
        words(&mut code, (size / (2 * share)).min(64));
        while code.len() < last {
            code.push(branch(0));
        }
        for (at, inst) in code.iter_mut().enumerate().skip(first) {
            if inst.op == Op::Beq {
                inst.imm = 4 * (last - at) as i32;
            }
        }
    }
    end(code)
}

fn diamonds(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    words(&mut code, (many / 6).min(64));
    let side = 1 + rng.below(6) as usize;
    while code.len() + 2 + side < many {
        code.push(load(A2, code.len()));
        code.push(branch(side as i32 + 1));
        for _ in 0..side {
            code.push(store(A2, rng.below(64) as usize));
        }
    }
    end(code)
}

fn open_branches(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    words(&mut code, (many / 8).min(48));
    let group = 8 + rng.below(24) as usize;
    while code.len() + 2 * group < many {
        for _ in 0..group {
            code.push(branch(group as i32));
        }
        for at in 0..group {
            code.push(if at % 2 == 0 { load(A2, at) } else { Inst::NOP });
        }
    }
    end(code)
}

fn words_then_branches(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    words(
        &mut code,
        1 + rng.below((many as u32 / 3).clamp(1, 63)) as usize,
    );
    while code.len() + 2 < many {
        code.push(branch(1 + rng.below(2) as i32));
    }
    code.push(Inst::NOP);
    end(code)
}

fn loops(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    words(
        &mut code,
        rng.below((many as u32 / 4).clamp(1, 64)) as usize,
    );
    let depth = 1 + rng.below(4) as usize;
    let inside = 1 + rng.below(6) as usize;
    while code.len() + depth * (inside + 3) + inside < many {
        let mut heads = Vec::new();
        for level in 0..depth {
            code.push(Inst::i(Op::Addi, Reg(28 + level as u8), Reg::ZERO, 3));
            heads.push(code.len());
            for _ in 0..inside {
                code.push(load(A2, code.len()));
            }
        }
        for level in (0..depth).rev() {
            let counter = Reg(28 + level as u8);
            code.push(Inst::i(Op::Addi, counter, counter, -1));
            let by = heads[level] as i32 - code.len() as i32;
            code.push(Inst::b(Op::Bne, counter, Reg::ZERO, 4 * by));
        }
    }
    end(code)
}

fn exits(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    let filled = rng.below((many as u32 / 4).clamp(1, 64)) as usize;
    while code.len() + 40 < many {
        let size = (many - code.len()).min(800);
        let last = code.len() + size - 2;
        words(&mut code, filled.min(size / 4));
        code.push(Inst::i(Op::Addi, A4, Reg::ZERO, 3));
        let head = code.len();
        while code.len() + 4 < last {
            code.push(load(A2, code.len()));
            code.push(branch((last - code.len()) as i32));
        }
        code.push(Inst::i(Op::Addi, A4, A4, -1));
        let by = head as i32 - code.len() as i32;
        code.push(Inst::b(Op::Bne, A4, Reg::ZERO, 4 * by));
        while code.len() <= last {
            code.push(Inst::NOP);
        }
    }
    end(code)
}

fn straight(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = vec![load(A2, 0), load(A3, 1)];
    while code.len() + 1 < many {
        let op = pick(
            rng,
            &[
                Op::Add,
                Op::Sub,
                Op::And,
                Op::Or,
                Op::Xor,
                Op::Mul,
                Op::Divu,
                Op::Remu,
                Op::Sltu,
            ],
        );
        code.push(Inst::r(op, A3, A2, A3));
    }
    end(code)
}

fn scratch(rng: &mut Rng, many: usize) -> Vec<Inst> {
    let mut code = Vec::new();
    words(&mut code, (many / 4).min(64));
    let filled = (many as u32 / 4).clamp(1, 64);
    while code.len() + 2 < many {
        code.push(Inst::i(Op::Lw, A2, SP, 4 * rng.below(filled) as i32));
        code.push(store(A2, rng.below(filled) as usize));
    }
    end(code)
}

fn image(code: &[Inst], profile: Profile) -> Image {
    let bytes = |inst: &Inst| nfl_isa::encode(inst).unwrap_or(0).to_le_bytes();
    let role = match profile {
        Profile::Capsule => Role::Originator,
        Profile::Resident => Role::Ingress,
    };
    let long = Image {
        manifest: manifest("test.Shape.entry", profile, role, 8),
        code: code.iter().flat_map(bytes).collect(),
        constants: Vec::new(),
        certificate: vec![1, 0],
    };
    Base::new(long).compressed()
}

/// An image of a shape that fills a capsule.
fn capsule(rng: &mut Rng, shape: Shape, limits: &Limits) -> Image {
    let most = limits.capsule.content_bytes as usize;
    let mut many = most / 2 - rng.below(12) as usize;
    loop {
        let mut image = image(&shape(rng, many), Profile::Capsule);
        if image.content_len() <= most || many < 40 {
            if let Ok(certificate) = certify(&image, limits) {
                image.certificate = certificate;
            }
            return image;
        }
        many = many * most / image.content_len() - 2;
    }
}

/// The time of one proof, in nanoseconds, and whether the image is accepted. The memory is that of proofs before, as on a node.
fn time(prover: &mut Prover, image: &Image, limits: &Limits) -> (u64, bool) {
    let image = image.clone();
    let start = Instant::now();
    let proven = prover.prove(image, limits);
    (start.elapsed().as_nanos() as u64, proven.is_ok())
}

/// The least time of several: what others do on the machine only adds to it.
fn least(prover: &mut Prover, image: &Image, limits: &Limits, times: usize) -> u64 {
    let times = (0..times).map(|_| time(prover, image, limits).0);
    times.min().unwrap_or(0)
}

/// Images that are kept to look for worse ones near them.
const KEPT_MAX: usize = 24;

/// A search for slow images of a capsule's size.
struct Search {
    prover: Prover,
    limits: Limits,
    rng: Rng,
    kept: Vec<(u64, Base)>,
    all: Histogram,
    accepted: u64,
}

/// Looks for slow images, with so many proofs.
pub fn worst(seed: u64, proofs: u64) -> Totals {
    let limits = Limits::EDGE;
    let mut totals = Totals::default();
    let mut search = Search {
        prover: Prover::new(),
        limits,
        rng: Rng::new(seed ^ 0x71_3e5),
        kept: Vec::new(),
        all: Histogram::default(),
        accepted: 0,
    };
    for (name, shape) in SHAPES {
        let mut times = Histogram::default();
        for _ in 0..proofs / 40 {
            let image = capsule(&mut search.rng, *shape, &limits);
            times.add(search.look(image));
        }
        totals.times.insert(format!("shape: {name}"), times);
    }
    while search.all.count() < proofs {
        search.again();
    }
    let worst = format!("{:.1} µs", search.slowest() as f64 / 1000.0);
    totals.machine.insert("slowest capsule".into(), worst);
    totals.count("slow.proofs", search.all.count());
    totals
        .times
        .insert("capsules, searched for slow ones".into(), search.all);
    totals
        .machine
        .insert("slow.accepted".into(), search.accepted.to_string());
    totals
}

impl Search {
    /// Proves one image, and keeps it when it is among the slowest; answers its time.
    fn look(&mut self, image: Image) -> u64 {
        let (mut ns, accepted) = time(&mut self.prover, &image, &self.limits);
        self.accepted += u64::from(accepted);
        let last = self.kept.last().map_or(0, |kept| kept.0);
        if ns > last || self.kept.len() < KEPT_MAX {
            ns = ns.min(least(&mut self.prover, &image, &self.limits, 9));
            if ns > last || self.kept.len() < KEPT_MAX {
                let at = self.kept.partition_point(|kept| kept.0 > ns);
                self.kept.insert(at, (ns, Base::new(image)));
                self.kept.truncate(KEPT_MAX);
            }
        }
        self.all.add(ns);
        ns
    }

    /// The time of the slowest image. Those that were kept are proved again: what slowed the machine for a while slowed all
    /// proofs of an image then.
    fn slowest(&mut self) -> u64 {
        let Search {
            prover,
            limits,
            kept,
            ..
        } = self;
        let again = kept
            .iter()
            .map(|(ns, base)| least(prover, &base.image, limits, 20).min(*ns));
        again.max().unwrap_or(0)
    }

    /// Changes one of the slowest images.
    fn again(&mut self) {
        let many = self.kept.len() as u32;
        let (one, other) = (self.rng.below(many) as usize, self.rng.below(many) as usize);
        let base = self.kept[one].1.clone();
        let other = self.kept[other].1.clone();
        let mut image = base.image.clone();
        change(&mut self.rng, &base, &other, &mut image, &self.limits);
        // Only capsules that are full show the worst.
        if image.content_len() > self.limits.capsule.content_bytes as usize {
            image
                .code
                .truncate(self.limits.capsule.content_bytes as usize & !3);
        }
        self.look(image);
    }
}

/// Sizes of resident code, in instructions.
const SIZES: [usize; 7] = [250, 500, 1000, 2000, 4000, 8000, 15_000];

/// How the time grows with the size of the code, by shape.
pub fn growth(seed: u64) -> Totals {
    let limits = Limits::EDGE;
    let mut totals = Totals::default();
    let mut prover = Prover::new();
    for (name, shape) in SHAPES {
        let points: Vec<(f64, f64)> = SIZES
            .iter()
            .map(|&size| {
                let mut rng = Rng::new(seed);
                let mut image = image(&shape(&mut rng, size), Profile::Resident);
                if let Ok(certificate) = certify(&image, &limits) {
                    image.certificate = certificate;
                }
                let ns = least(&mut prover, &image, &limits, 15);
                let many = size as f64;
                let fate = match prove(&image, &limits) {
                    Ok(_) => String::new(),
                    Err(refusal) => format!(", refused: {refusal}"),
                };
                let line = format!("{:.1} ns an instruction of {many}{fate}", ns as f64 / many);
                totals
                    .machine
                    .insert(format!("growth: {name}, {size:05}"), line);
                (many, ns as f64)
            })
            .collect();
        let (slope, fit) = line(&points);
        let fit = format!("{slope:.1} ns an instruction, R² {fit:.4}");
        totals.machine.insert(format!("growth: {name}"), fit);
    }
    totals
}

/// How long proofs of the resident images among these take.
pub fn residents(images: &[(String, Image)]) -> Totals {
    let limits = Limits::EDGE;
    let mut totals = Totals::default();
    let mut prover = Prover::new();
    let mut rates = Vec::new();
    let (mut time, mut instructions) = (0, 0);
    for (name, image) in images {
        let mut many = 0u32;
        let proven = observe(image, &limits, &mut |_, _| many += 1);
        if image.manifest.profile != Profile::Resident || proven.is_err() {
            continue;
        }
        let ns = least(&mut prover, image, &limits, 200);
        (time, instructions) = (time + ns, instructions + u64::from(many));
        let rate = ns as f64 / f64::from(many);
        rates.push(rate);
        let line = format!("{rate:.1} ns an instruction of {many}");
        totals.machine.insert(format!("resident: {name}"), line);
    }
    rates.sort_by(f64::total_cmp);
    if let Some(most) = rates.last() {
        let middle = rates[rates.len() / 2];
        let all = time as f64 / instructions as f64;
        let line = format!(
            "{all:.1} ns an instruction of all, {middle:.1} in the median, {most:.1} at most"
        );
        totals.machine.insert("resident".into(), line);
    }
    totals
}

/// The slope of the line that fits best, and how much of the spread it explains.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |f: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
    let xy = sum(&|p| (p.0 - mx) * (p.1 - my));
    let (xx, yy) = (sum(&|p| (p.0 - mx).powi(2)), sum(&|p| (p.1 - my).powi(2)));
    (xy / xx, xy * xy / (xx * yy))
}
