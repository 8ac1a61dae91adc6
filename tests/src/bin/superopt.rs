//! Looks for shorter code for short pieces of what the compiler makes.
//!
//! In: `[--programs N] [--target NAME]`. Out: on standard output, for each piece of at most [`LINES_MAX`] instructions of
//! the examples, of the six baselines and of so many generated programs, code of at most two instructions and fewer bytes
//! that leaves the same words on all samples. It is a proposal: what is worth a row in the compiler's table of rewrites
//! is proved there for all words.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::ExitCode;

use nfl_codegen_rv::Options;
use nfl_isa::{Fmt, Fx, Inst, Op, Reg, Target};
use nfl_tests::baseline::SIX;
use nfl_tests::examples::EXAMPLES;
use nfl_tests::generate::Dice;
use nfl_tests::pipeline::{Stages, check_text};

/// Instructions of a piece.
const LINES_MAX: usize = 5;
/// Samples of words for all registers: a few that most wrong code fails on, then the rest.
const SAMPLES: usize = 200;

type Words = [u32; 32];

/// A piece of straight code, perhaps with a branch at its end.
#[derive(Clone, Debug)]
struct Piece {
    insts: Vec<Inst>,
    /// Registers whose words are used afterwards, one bit each.
    live: u32,
}

fn main() -> ExitCode {
    let (mut programs, mut target) = (200, Target::DEFAULT);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        match (arg.as_str(), value.parse::<u64>(), Target::find(&value)) {
            ("--programs", Ok(n), _) => programs = n,
            ("--target", _, Ok(found)) => target = found,
            _ => {
                eprintln!("superopt: `{arg} {value}` makes no sense");
                return ExitCode::from(2);
            }
        }
    }
    let mut out = std::io::stdout().lock();
    let pieces = corpus(programs, target);
    let _ = writeln!(out, "{} pieces", pieces.len());
    for (piece, count) in pieces.values() {
        if let Some(better) = shorter(piece, target) {
            let saved = bytes(&piece.insts, target) - bytes(&better, target);
            let _ = writeln!(out, "{count:4} x {saved} bytes, live {:08x}:", piece.live);
            let _ = writeln!(out, "    {}", text(&piece.insts));
            let _ = writeln!(out, " => {}", text(&better));
        }
    }
    ExitCode::SUCCESS
}

fn text(insts: &[Inst]) -> String {
    let lines: Vec<String> = insts.iter().map(|inst| inst.to_string()).collect();
    lines.join("; ")
}

fn bytes(insts: &[Inst], target: &Target) -> u32 {
    insts.iter().map(|inst| target.size(inst)).sum()
}

/// The pieces of all images, with how often each occurs.
fn corpus(programs: u64, target: &'static Target) -> BTreeMap<String, (Piece, u32)> {
    let options = Options {
        target,
        ..Options::default()
    };
    let mut pieces = BTreeMap::new();
    let mut add = |stages: Result<Vec<Stages>, String>| {
        for stages in stages.into_iter().flatten() {
            cut(&stages.image.code, &mut pieces);
        }
    };
    for example in EXAMPLES {
        let checking = example.check();
        let id = checking.function(Some(example.function));
        add(id.and_then(|id| checking.stages_for(id, &example.settings(), &options)));
    }
    for function in SIX {
        let checking = function.check();
        let id = checking.function(Some(function.function));
        add(id.and_then(|id| checking.stages_for(id, &[], &options)));
    }
    for seed in 0..programs {
        let text = nfl_tests::generate::program(seed).text;
        let checking = check_text("g.nfl", &text);
        let id = checking.function(None);
        add(id.and_then(|id| checking.stages_for(id, &[], &options)));
    }
    pieces
}

/// Cuts code into pieces.
fn cut(code: &[u8], pieces: &mut BTreeMap<String, (Piece, u32)>) {
    let mut insts = Vec::new();
    let mut at = 0;
    while let Ok((inst, size)) = nfl_isa::decode(&code[at..]) {
        insts.push((at as u32, inst));
        at += size as usize;
        if at >= code.len() {
            break;
        }
    }
    let place: BTreeMap<u32, usize> = insts.iter().enumerate().map(|(n, i)| (i.0, n)).collect();
    let next = |n: usize| {
        let (at, inst) = insts[n];
        let to = place.get(&at.wrapping_add_signed(inst.imm)).copied();
        let fall = (n + 1 < insts.len()).then_some(n + 1);
        match inst.op.spec().effects {
            Fx::BRANCH => [fall, to],
            Fx::JUMP if inst.rd == Reg::ZERO && inst.op == Op::Jal => [to, None],
            Fx::SYSTEM => [None, None],
            _ => [fall, None],
        }
    };
    let mut live = vec![0u32; insts.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for n in (0..insts.len()).rev() {
            let after = next(n).into_iter().flatten();
            let after = after.fold(0, |all, to| all | live[to]);
            let before = step_back(&insts[n].1, after);
            changed |= live[n] != before;
            live[n] = before;
        }
    }
    let targets: BTreeSet<usize> = (0..insts.len()).filter_map(|n| next(n)[1]).collect();
    for from in 0..insts.len() {
        for to in from + 1..=(from + LINES_MAX).min(insts.len()) {
            let last = insts[to - 1].1;
            let effects = last.op.spec().effects;
            let is_end = effects == Fx::BRANCH;
            if !(is_pure(&last) || is_end) || (to - 1 > from && targets.contains(&(to - 1))) {
                break;
            }
            let after = next(to - 1).into_iter().flatten();
            let live = after.fold(0, |all, to| all | live[to]);
            if to - from > 1 {
                let insts = insts[from..to].iter().map(|(_, inst)| *inst);
                let piece = renamed(&insts.collect::<Vec<_>>(), live);
                let key = format!("{} {:x}", text(&piece.insts), piece.live);
                pieces.entry(key).or_insert((piece, 0)).1 += 1;
            }
            if is_end {
                break;
            }
        }
    }
}

/// Only arithmetic on what may be numbers.
fn is_pure(inst: &Inst) -> bool {
    let uses = inst.read().into_iter().flatten().chain(inst.written());
    let is_fixed = |reg: Reg| matches!(reg, Reg::SP | Reg::S0 | Reg::S1);
    inst.op.spec().effects == Fx::PURE && inst.op != Op::Auipc && !uses.into_iter().any(is_fixed)
}

fn step_back(inst: &Inst, after: u32) -> u32 {
    const VERDICT: u32 = 0b11 << 10;
    const ARGUMENTS: u32 = 0b11_1111 << 10;
    if inst.op == Op::Ebreak {
        return VERDICT;
    }
    if inst.op == Op::Jalr || (inst.op == Op::Jal && inst.rd != Reg::ZERO) {
        return after & !(1 << 1) | ARGUMENTS;
    }
    let bit = |reg: Reg| 1u32 << reg.index();
    let written = inst.written().map_or(0, bit);
    let read = inst.read().into_iter().flatten().map(bit);
    (after & !written | read.fold(0, |a, b| a | b)) & !1
}

/// With registers numbered in the order of their use, the compact ones among themselves.
fn renamed(insts: &[Inst], live: u32) -> Piece {
    let mut names: BTreeMap<Reg, Reg> = BTreeMap::new();
    let (mut compact, mut other) = (10..16, 16..32);
    let mut rename = |reg: Reg| {
        if matches!(reg, Reg::ZERO | Reg::SP | Reg::S0 | Reg::S1) {
            return reg;
        }
        *names.entry(reg).or_insert_with(|| {
            let range = if reg.is_compact() {
                &mut compact
            } else {
                &mut other
            };
            Reg(range.next().unwrap_or(31))
        })
    };
    let insts: Vec<Inst> = insts.iter().map(|inst| inst.map(&mut rename)).collect();
    let written = insts.iter().filter_map(Inst::written);
    let written: BTreeSet<Reg> = written.collect();
    let is_live = |new: &&Reg| {
        names
            .iter()
            .any(|(old, n)| n == *new && live >> old.index() & 1 != 0)
    };
    let live = written
        .iter()
        .filter(is_live)
        .fold(0, |all, reg| all | 1 << reg.index());
    Piece { insts, live }
}

/// What one instruction does to the words of the registers; a branch answers whether it is taken.
fn run(insts: &[Inst], words: &mut Words) -> bool {
    let mut taken = false;
    for inst in insts {
        let a = words[inst.rs1.index()];
        let fmt = inst.op.spec().fmt;
        let b = if fmt.has_rs2() {
            words[inst.rs2.index()]
        } else {
            inst.imm as u32
        };
        let word = compute(inst.op, a, b);
        match fmt {
            Fmt::B => taken = word != 0,
            _ if inst.rd != Reg::ZERO => words[inst.rd.index()] = word,
            _ => {}
        }
    }
    taken
}

fn compute(op: Op, a: u32, b: u32) -> u32 {
    let (sa, sb, by) = (a as i32, b as i32, b & 31);
    match op {
        Op::Lui => b,
        Op::Addi | Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Slti | Op::Slt | Op::Blt => u32::from(sa < sb),
        Op::Sltiu | Op::Sltu | Op::Bltu => u32::from(a < b),
        Op::Bge => u32::from(sa >= sb),
        Op::Bgeu => u32::from(a >= b),
        Op::Beq => u32::from(a == b),
        Op::Bne => u32::from(a != b),
        Op::Xori | Op::Xor => a ^ b,
        Op::Ori | Op::Or => a | b,
        Op::Andi | Op::And => a & b,
        Op::Slli | Op::Sll => a << by,
        Op::Srli | Op::Srl => a >> by,
        Op::Srai | Op::Sra => (sa >> by) as u32,
        Op::Mul => a.wrapping_mul(b),
        Op::Mulhu => ((u64::from(a) * u64::from(b)) >> 32) as u32,
        Op::Divu => a.checked_div(b).unwrap_or(u32::MAX),
        Op::Remu => a.checked_rem(b).unwrap_or(a),
        Op::Sh1add => (a << 1).wrapping_add(b),
        Op::Sh2add => (a << 2).wrapping_add(b),
        Op::Sh3add => (a << 3).wrapping_add(b),
        Op::Andn => a & !b,
        Op::Orn => a | !b,
        Op::Xnor => !(a ^ b),
        Op::Min => sa.min(sb) as u32,
        Op::Minu => a.min(b),
        Op::Max => sa.max(sb) as u32,
        Op::Maxu => a.max(b),
        Op::Rol => a.rotate_left(by),
        Op::Ror | Op::Rori => a.rotate_right(by),
        Op::Clz => a.leading_zeros(),
        Op::Ctz => a.trailing_zeros(),
        Op::Cpop => a.count_ones(),
        Op::Sextb => a as i8 as u32,
        Op::Sexth => a as i16 as u32,
        Op::Zexth => a & 0xffff,
        Op::Rev8 => a.swap_bytes(),
        Op::Bclr | Op::Bclri => a & !(1 << by),
        Op::Bext | Op::Bexti => a >> by & 1,
        Op::Binv | Op::Binvi => a ^ 1 << by,
        Op::Bset | Op::Bseti => a | 1 << by,
        // What is never part of a piece that is looked at is told apart from everything else.
        _ => a ^ b.rotate_left(7) ^ 0x5bd1_e995 ^ op as u32,
    }
}

/// Operations that candidates are made of.
fn operations(target: &Target) -> Vec<Op> {
    let all = Op::ALL.iter().copied();
    let pure = all.filter(|op| op.spec().effects == Fx::PURE && target.allows(*op));
    let slow = |op: &Op| {
        matches!(
            op,
            Op::Auipc
                | Op::Lui
                | Op::Div
                | Op::Divu
                | Op::Rem
                | Op::Remu
                | Op::Mulh
                | Op::Mulhsu
                | Op::Mulhu
        )
    };
    pure.filter(|op| !slow(op)).collect()
}

/// Immediates that are worth a try, from those of the piece.
fn immediates(piece: &Piece) -> Vec<i32> {
    let mut all: BTreeSet<i32> =
        [-1, 0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 63, 127, 255, -2, -256].into();
    let given: Vec<i32> = piece
        .insts
        .iter()
        .filter(|i| i.op.spec().fmt.has_imm() && i.op.spec().fmt != Fmt::B)
        .map(|i| i.imm)
        .collect();
    for &a in &given {
        all.extend([
            a,
            a.wrapping_neg(),
            a.wrapping_add(1),
            a.wrapping_sub(1),
            !a,
            32 - a,
        ]);
        if (0..32).contains(&a) {
            all.extend([1 << a, (1i32 << a).wrapping_sub(1)]);
        }
        for &b in &given {
            all.extend([a.wrapping_add(b), a.wrapping_sub(b), a & b, a | b, a ^ b]);
            if (0..32).contains(&b) {
                all.extend([a << b, a >> b]);
            }
        }
    }
    all.retain(|n| (-2048..2048).contains(n));
    all.into_iter().collect()
}

/// All instructions over these sources and destinations.
fn candidates(ops: &[Op], sources: &[Reg], dests: &[Reg], immediates: &[i32]) -> Vec<Inst> {
    let mut all = Vec::new();
    for &op in ops {
        for &rd in dests {
            for &a in sources {
                match op.spec().fmt {
                    Fmt::R => all.extend(sources.iter().map(|&b| Inst::r(op, rd, a, b))),
                    Fmt::I => all.extend(immediates.iter().map(|&n| Inst::i(op, rd, a, n))),
                    Fmt::Shift if a != Reg::ZERO => {
                        all.extend((1..32).map(|n| Inst::i(op, rd, a, n)))
                    }
                    Fmt::Unary if a != Reg::ZERO => all.push(Inst::i(op, rd, a, 0)),
                    _ => {}
                }
            }
        }
    }
    all
}

fn branches(end: &Inst, sources: &[Reg]) -> Vec<Inst> {
    let mut all = Vec::new();
    for op in [Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu] {
        for &a in sources {
            all.extend(sources.iter().map(|&b| Inst::b(op, a, b, end.imm)));
        }
    }
    all
}

/// Words for all registers: any, and those that the piece makes on its way, because equal words are what differs least.
fn samples(piece: &Piece) -> Vec<Words> {
    let mut dice = Dice::new(7);
    let mut corners: Vec<u32> = vec![0, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0xff, 0xffff];
    corners.extend(piece.insts.iter().map(|inst| inst.imm as u32));
    let mut samples: Vec<Words> = Vec::new();
    for n in 0..SAMPLES {
        let mut words = [0; 32];
        let same = dice.pick(&corners);
        for word in words.iter_mut().skip(1) {
            let any = dice.any() as u32;
            *word = match dice.below(6) {
                _ if n < 4 => any,
                0 => any,
                1 => any >> dice.below(32),
                2 => same,
                3 => dice.pick(&corners),
                _ => dice
                    .pick(&corners)
                    .wrapping_add(dice.below(3) as u32)
                    .wrapping_sub(1),
            };
        }
        samples.push(words);
        for inst in &piece.insts {
            run(&[*inst], &mut words);
            corners.push(words[inst.rd.index()]);
        }
    }
    samples
}

/// What a piece must leave, sample by sample.
struct Goal {
    samples: Vec<Words>,
    results: Vec<(Words, bool)>,
    live: u32,
}

impl Goal {
    fn holds(&self, insts: &[Inst]) -> bool {
        (0..self.samples.len()).all(|n| self.holds_on(n, insts))
    }

    fn holds_on(&self, n: usize, insts: &[Inst]) -> bool {
        let mut words = self.samples[n];
        let taken = run(insts, &mut words);
        self.agrees(n, &words, taken)
    }

    fn agrees(&self, n: usize, words: &Words, taken: bool) -> bool {
        let (right, goes) = &self.results[n];
        let mut live = self.live;
        while live != 0 {
            let reg = live.trailing_zeros() as usize;
            if words[reg] != right[reg] {
                return false;
            }
            live &= live - 1;
        }
        taken == *goes
    }
}

fn shorter(piece: &Piece, target: &Target) -> Option<Vec<Inst>> {
    let ops = operations(target);
    let samples = samples(piece);
    let results = samples.iter().map(|words| {
        let mut words = *words;
        let taken = run(&piece.insts, &mut words);
        (words, taken)
    });
    let goal = Goal {
        results: results.collect(),
        samples,
        live: piece.live,
    };
    let limit = bytes(&piece.insts, target);
    let end = piece.insts.last().filter(|i| i.op.spec().fmt == Fmt::B);
    let mut dests: BTreeSet<Reg> = piece.insts.iter().filter_map(Inst::written).collect();
    dests.remove(&Reg::ZERO);
    let dests: Vec<Reg> = dests.into_iter().collect();
    let mut sources: Vec<Reg> = vec![Reg::ZERO];
    let mut made = BTreeSet::new();
    for inst in &piece.insts {
        let read = inst.read().into_iter().flatten();
        for reg in read {
            if !made.contains(&reg) && !sources.contains(&reg) {
                sources.push(reg);
            }
        }
        made.extend(inst.written());
    }
    let immediates = immediates(piece);
    let first = candidates(&ops, &sources, &dests, &immediates);
    let mut best: Option<(u32, Vec<Inst>)> = None;
    let mut propose = |insts: Vec<Inst>| {
        let size = bytes(&insts, target);
        if size < best.as_ref().map_or(limit, |(size, _)| *size) && goal.holds(&insts) {
            best = Some((size, insts));
        }
    };
    match end {
        None => first.iter().for_each(|&a| propose(vec![a])),
        Some(end) => branches(end, &sources)
            .into_iter()
            .for_each(|a| propose(vec![a])),
    }
    if piece.insts.len() > 2 || limit > 6 {
        for &a in &first {
            let mut more = sources.clone();
            if !more.contains(&a.rd) {
                more.push(a.rd);
            }
            let size = target.size(&a);
            if size + 2 >= limit {
                continue;
            }
            let mut words = goal.samples[0];
            run(&[a], &mut words);
            let mut try_second = |b: Inst| {
                let mut words = words;
                let taken = run(&[b], &mut words);
                if goal.agrees(0, &words, taken) && goal.holds_on(1, &[a, b]) {
                    propose(vec![a, b]);
                }
            };
            match end {
                Some(end) => branches(end, &more).into_iter().for_each(&mut try_second),
                None => {
                    // The second instruction makes what the first did not, of what that made.
                    let rest = piece.live & !(1 << a.rd.index());
                    let dests: Vec<Reg> = dests
                        .iter()
                        .copied()
                        .filter(|d| match rest.count_ones() {
                            0 => *d == a.rd,
                            _ => rest >> d.index() & 1 != 0,
                        })
                        .collect();
                    for b in candidates(&ops, &more, &dests, &immediates) {
                        try_second(b);
                    }
                }
            }
        }
    }
    best.map(|(_, insts)| insts)
}
