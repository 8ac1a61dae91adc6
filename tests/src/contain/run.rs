//! One image: proved, observed, and run on packets of border lengths.
//!
//! In: an image and a seed. Out: how much was run, or the first thing that the proof did not cover.
//! Guaranteed: every step of every run is compared with what the verifier knows at its address:
//! registers, words of scratch and the packet's length; and rounds and steps with their bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nfl_abi::image::LateSlot;
use nfl_abi::{Entry, Image, Limits, Role};
use nfl_ir::testing::Rng;
use nfl_isa::{Fmt, Reg};
use nfl_verify::{Holds, LoopBound, Proven, Refusal, observe};
use nfl_vm::{Context, Fault, Inputs, Packet, Registers, Step, Trap, run_unverified};

use super::node::Node;
use super::scratch::{Scratch, Word};

/// What was run.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) images: u64,
    pub(crate) with_loops: u64,
    pub(crate) with_calls: u64,
    pub(crate) packets: u64,
    pub(crate) steps: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.images += other.images;
        self.with_loops += other.with_loops;
        self.with_calls += other.with_calls;
        self.packets += other.packets;
        self.steps += other.steps;
    }
}

/// What is known before one instruction: places that hold something, and the packet's lengths.
struct Point {
    holds: Vec<(u8, Holds)>,
    len: (i64, i64),
}

/// An accepted image with everything that is known about it.
pub(crate) struct Contained {
    proven: Proven,
    points: BTreeMap<u32, Point>,
    lengths: Vec<usize>,
}

impl Contained {
    /// Proves an image.
    pub(crate) fn new(image: &Image, limits: &Limits) -> Result<Contained, Refusal> {
        let mut points = BTreeMap::new();
        let proven = observe(image, limits, &mut |pc, known| {
            let regs = (0..32).map(|n| (n, known.reg(Reg(n))));
            let words = (0..64).map(|n| (n + 32, known.word(n)));
            let holds = regs
                .chain(words)
                .filter(|(_, holds)| *holds != Holds::Nothing);
            let point = Point {
                holds: holds.collect(),
                len: known.packet_len(),
            };
            points.insert(pc, point);
        })?;
        let lengths = lengths(&proven, &points);
        Ok(Contained {
            proven,
            points,
            lengths,
        })
    }

    pub(crate) fn image(&self) -> &Image {
        self.proven.image()
    }

    /// Runs every entry on `packets` packets.
    pub(crate) fn run(&self, rng: &mut Rng, packets: u32) -> Result<Tally, String> {
        let mut tally = Tally {
            images: 1,
            with_loops: u64::from(!self.proven.loops().is_empty()),
            with_calls: u64::from(!self.image().manifest.imports.is_empty()),
            ..Tally::default()
        };
        for (index, entry) in self.image().manifest.entries.iter().enumerate() {
            for number in 0..packets {
                let len = match (entry.role, number) {
                    (Role::Every, _) => 0,
                    (_, 0) => entry.need.into(),
                    _ => self.lengths[rng.below(self.lengths.len() as u32) as usize],
                };
                tally.packets += 1;
                let ran = self.one(rng, index, entry, len);
                tally.steps +=
                    ran.map_err(|why| format!("{why}, packet of {len}\n{}", self.listing()))?;
            }
        }
        Ok(tally)
    }

    /// One packet; gives back the steps.
    fn one(&self, rng: &mut Rng, index: usize, entry: &Entry, len: usize) -> Result<u64, String> {
        let mut image = self.image().clone();
        for slot in &self.image().manifest.late {
            bind(&mut image, slot, rng);
        }
        let bytes = bytes(rng, len, &image);
        let mut packet = Packet::from(&bytes[..]);
        let mut carried = image.manifest.carried.clone();
        fill(rng, &mut carried);
        let context = context(rng);
        let mut node = Node::new(&image, rng.number());
        let mut watch = Watch::new(self);
        let budget = self.proven.steps(index);
        let result = run_unverified(
            &image,
            entry,
            Inputs {
                packet: &mut packet,
                context: &context,
                carried: &mut carried,
                host: &mut node,
            },
            budget,
            |step| watch.see(step),
        );
        if let Some(wrong) = watch.wrong {
            return Err(wrong);
        }
        match result {
            // A node drops on a verdict that the manifest does not allow; nobody proves that.
            Ok(_)
            | Err(Fault::Trap {
                trap: Trap::UnknownVerdict(_) | Trap::ForbiddenVerdict(_),
                ..
            }) => Ok(watch.steps),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// The image as text, for whoever has to find out what is wrong.
    pub(crate) fn listing(&self) -> String {
        let Image {
            manifest,
            code,
            constants,
            certificate,
        } = self.image();
        let mut out = format!(
            "imports {:?}\nresources {:?}\nwindow {} carried {} late {:?}\nconstants {constants:02x?}\ncertificate {certificate:02x?}\n",
            manifest.imports,
            manifest.resources,
            manifest.window,
            manifest.carried.len(),
            manifest.late
        );
        for (entry, bound) in manifest.entries.iter().zip(self.proven.entries()) {
            let role = entry.role.text();
            let _ = writeln!(
                out,
                "{role} at {} need {} in {} steps",
                entry.pc, entry.need, bound.steps
            );
        }
        for line in nfl_isa::disassemble(code, 0) {
            let _ = writeln!(out, "  {line}");
        }
        out
    }
}

/// Lengths near everything that the code or the proof compares a length with.
fn lengths(proven: &Proven, points: &BTreeMap<u32, Point>) -> Vec<usize> {
    let manifest = &proven.image().manifest;
    let mut near: BTreeSet<i64> = [1, i64::from(manifest.window), 1500, 65_534].into();
    near.extend(manifest.entries.iter().map(|entry| i64::from(entry.need)));
    near.extend(points.values().flat_map(|point| [point.len.0, point.len.1]));
    let lines = nfl_isa::disassemble(&proven.image().code, 0);
    near.extend(
        lines
            .iter()
            .filter_map(|line| line.inst.ok().map(|inst| i64::from(inst.imm))),
    );
    let around: BTreeSet<i64> = near
        .iter()
        .flat_map(|len| [len - 1, *len, len + 1])
        .collect();
    around
        .into_iter()
        .filter(|len| (0..=65_535).contains(len))
        .map(|len| len as usize)
        .collect()
}

fn bind(image: &mut Image, slot: &LateSlot, rng: &mut Rng) {
    let span = u64::from(slot.hi - slot.lo) + 1;
    let value = match rng.below(3) {
        0 => slot.lo,
        1 => slot.hi,
        _ => slot.lo + (rng.number() % span) as u32,
    };
    image
        .bind_late(&slot.name, value)
        .expect("a value of a proved slot");
}

/// A packet in one of several styles; one of them repeats bytes that the code compares with.
fn bytes(rng: &mut Rng, len: usize, image: &Image) -> Vec<u8> {
    let style = rng.below(6);
    let byte = |_| match style {
        0 => rng.number() as u8,
        1 => 0,
        2 => 0xff,
        3 => rng.below(24) as u8,
        4 => (len as u8).wrapping_sub(rng.below(4) as u8),
        _ => {
            let at = rng.below(image.code.len() as u32) as usize;
            image.code[at] >> rng.below(5)
        }
    };
    // What lies behind the first bytes is seldom looked at, and random numbers take time.
    let mut bytes: Vec<u8> = (0..len.min(200)).map(byte).collect();
    bytes.resize(len, bytes.last().copied().unwrap_or(0));
    bytes
}

fn fill(rng: &mut Rng, bytes: &mut [u8]) {
    let style = rng.below(3);
    for byte in bytes {
        *byte = match style {
            0 => rng.number() as u8,
            1 => 0xff,
            _ => rng.below(5) as u8,
        };
    }
}

fn context(rng: &mut Rng) -> Context {
    let mut word = || match rng.below(3) {
        0 => rng.number() as u32,
        1 => rng.below(9),
        _ => u32::MAX,
    };
    Context {
        ingress_port: word(),
        node_id: word(),
        queue_depth: word(),
        network_offset: (word() & 1 == 0).then_some(14),
        clock_ns: u64::from(word()) << 32 | u64::from(word()),
        next_hop: word(),
        flow: word(),
    }
}

/// Compares a run with the proof, step after step.
struct Watch<'a> {
    contained: &'a Contained,
    scratch: Scratch,
    /// Rounds of each loop since it was entered.
    rounds: Vec<u32>,
    before: Option<u32>,
    steps: u64,
    wrong: Option<String>,
}

impl<'a> Watch<'a> {
    fn new(contained: &'a Contained) -> Watch<'a> {
        Watch {
            contained,
            scratch: Scratch::default(),
            rounds: vec![0; contained.proven.loops().len()],
            before: None,
            steps: 0,
            wrong: None,
        }
    }

    fn see(&mut self, step: &Step<'_>) {
        self.steps += 1;
        if self.wrong.is_none()
            && let Err(wrong) = self.check(step)
        {
            self.wrong = Some(format!("at {}: {wrong}", step.pc));
        }
        self.scratch.follow(step);
        self.before = Some(step.pc);
    }

    fn check(&mut self, step: &Step<'_>) -> Result<(), String> {
        let point = self.contained.points.get(&step.pc);
        let point = point.ok_or("control is where the verifier never was")?;
        let len = step.registers.number(Reg::S1);
        if len.is_none_or(|len| !(point.len.0..=point.len.1).contains(&len.into())) {
            return Err(format!("the length {len:?} is not in {:?}", point.len));
        }
        for &(place, holds) in &point.holds {
            let word = match place.checked_sub(32) {
                None => register(step.registers, Reg(place)),
                Some(word) => self.scratch.word(word),
            };
            if !is_covered(word, holds) {
                return Err(format!("place {place} holds {word:?}, not {holds:?}"));
            }
        }
        check_compare(step)?;
        for (rounds, one) in self.rounds.iter_mut().zip(self.contained.proven.loops()) {
            let LoopBound {
                head, end, trips, ..
            } = *one;
            if step.pc == head {
                let inside = self.before.is_some_and(|pc| (head..end).contains(&pc));
                *rounds = if inside { *rounds + 1 } else { 1 };
                if *rounds > trips {
                    return Err(format!("round {rounds} of {trips}"));
                }
            }
        }
        Ok(())
    }
}

/// An address is compared only where it cannot have run over the end of the address space, be it
/// with zero.
fn check_compare(step: &Step<'_>) -> Result<(), String> {
    if step.inst.op.spec().fmt != Fmt::B {
        return Ok(());
    }
    for reg in [step.inst.rs1, step.inst.rs2] {
        if let Some((region, offset)) = step.registers.address(reg)
            && !(0..=65_536).contains(&offset)
        {
            return Err(format!("address {offset} of the {region} is compared"));
        }
    }
    Ok(())
}

fn register(registers: &Registers, reg: Reg) -> Word {
    if let Some(number) = registers.number(reg) {
        Word::Number(number)
    } else if let Some((region, offset)) = registers.address(reg) {
        Word::Address(region, offset)
    } else {
        Word::Other
    }
}

fn is_covered(word: Word, holds: Holds) -> bool {
    match (word, holds) {
        (_, Holds::Nothing) => true,
        (Word::Number(n), Holds::Number((lo, hi))) => (lo..=hi).contains(&i64::from(n)),
        // Offsets are integers to the verifier and words to the machine.
        (Word::Address(is, offset), Holds::Address(region, (lo, hi))) => {
            let apart = (i64::from(offset) - lo).rem_euclid(1 << 32);
            same(is, region) && apart <= hi - lo
        }
        (Word::Number(0) | Word::Address(nfl_vm::Region::Value(_), 0), Holds::Answer) => true,
        _ => false,
    }
}

fn same(is: nfl_vm::Region, known: nfl_verify::Region) -> bool {
    use nfl_verify::Region as Known;
    use nfl_vm::Region as Is;
    matches!(
        (is, known),
        (Is::Packet, Known::Packet)
            | (Is::Scratch, Known::Scratch)
            | (Is::Context, Known::Context)
            | (Is::Value(_), Known::Value)
            | (Is::Carried, Known::Carried)
            | (Is::Constants, Known::Constants)
    )
}
