//! One image: proved, observed, and run on packets of border lengths.
//!
//! In: an image and a seed. Out: how much was run and checked, or the first thing that the proof did not
//! cover. Guaranteed: every step of every run is compared with what the verifier knows at its address:
//! registers, words of scratch and the packet's length; and rounds and steps with their bounds.

use std::fmt::{self, Write as _};

use nfl_abi::{Entry, Image, Limits, Role};
use nfl_ir::testing::Rng;
use nfl_isa::Reg;
use nfl_verify::{Holds, Proven, Refusal, observe};
use nfl_vm::{Fault, Inputs, Packet, Trap, Unproved};

use super::input::{Clues, Start, lengths};
use super::native::Native;
use super::node::Node;
use super::watch::Watch;

/// What was run, and what was compared while it ran.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Images.
    pub images: u64,
    /// Images with loops.
    pub with_loops: u64,
    /// Images that call services.
    pub with_calls: u64,
    /// Packets that code saw.
    pub packets: u64,
    /// Packets that were too short for code to see them, or that a verdict made no run of.
    pub discarded: u64,
    /// Instructions.
    pub steps: u64,
    /// Accesses to scratch, each within its bounds.
    pub scratch: u64,
    /// Accesses and calls, each granted.
    pub granted: u64,
    /// Registers and words that were compared with what is known of them.
    pub places: u64,
    /// What was run as host code too.
    pub native: Native,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Tally) {
        self.images += other.images;
        self.with_loops += other.with_loops;
        self.with_calls += other.with_calls;
        self.packets += other.packets;
        self.discarded += other.discarded;
        self.steps += other.steps;
        self.scratch += other.scratch;
        self.granted += other.granted;
        self.places += other.places;
        self.native.add(other.native);
    }
}

/// What happened that a proof rules out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// The oracle that saw it.
    pub oracle: &'static str,
    /// What happened, with the image.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

/// What is known before one instruction: places that hold something, and the packet's lengths.
#[derive(Clone, Copy)]
pub struct Point {
    /// Where its places begin among all.
    from: u32,
    /// And end.
    to: u32,
    /// The packet's lengths.
    pub len: (i64, i64),
}

/// What no instruction stands at.
const NOWHERE: Point = Point {
    from: 0,
    to: 0,
    len: (1, 0),
};

/// Everything that is known, by addresses.
#[derive(Default)]
pub struct Points {
    points: Vec<Point>,
    holds: Vec<(u8, Holds)>,
}

impl Points {
    /// What is known at an address where control may be.
    pub fn at(&self, pc: u32) -> Option<(Point, &[(u8, Holds)])> {
        let point = self.points.get(pc as usize / 2)?;
        let holds = self.holds.get(point.from as usize..point.to as usize)?;
        (pc.is_multiple_of(2) && point.len.0 <= point.len.1).then_some((*point, holds))
    }

    /// The lengths that are known anywhere.
    pub fn lengths(&self) -> impl Iterator<Item = i64> {
        let known = self
            .points
            .iter()
            .filter(|point| point.len.0 <= point.len.1);
        known.flat_map(|point| [point.len.0, point.len.1])
    }
}

/// An accepted image with everything that is known about it.
pub struct Contained {
    /// What is proved.
    pub proven: Proven,
    points: Points,
    lengths: Vec<usize>,
    clues: Clues,
}

impl Contained {
    /// Proves an image.
    ///
    /// # Errors
    ///
    /// What the verifier says.
    pub fn new(image: &Image, limits: &Limits) -> Result<Contained, Refusal> {
        let mut points = Points {
            points: vec![NOWHERE; image.code.len() / 2 + 1],
            holds: Vec::new(),
        };
        let proven = observe(image, limits, &mut |pc, known| {
            let from = points.holds.len() as u32;
            let regs = (0..32).map(|n| (n, known.reg(Reg(n))));
            let words = (0..64).map(|n| (n + 32, known.word(n)));
            let holds = regs.chain(words);
            points
                .holds
                .extend(holds.filter(|(_, holds)| *holds != Holds::Nothing));
            if let Some(point) = points.points.get_mut(pc as usize / 2) {
                *point = Point {
                    from,
                    to: points.holds.len() as u32,
                    len: known.packet_len(),
                };
            }
        })?;
        let lengths = lengths(&proven, &points);
        Ok(Contained {
            proven,
            points,
            lengths,
            clues: Clues::new(image),
        })
    }

    /// The image.
    pub fn image(&self) -> &Image {
        self.proven.image()
    }

    /// What is known.
    pub fn points(&self) -> &Points {
        &self.points
    }

    /// Runs every entry on `packets` packets.
    ///
    /// # Errors
    ///
    /// What happened that the proof rules out.
    pub fn run(&self, rng: &mut Rng, packets: u32) -> Result<Tally, Wrong> {
        let mut tally = Tally {
            images: 1,
            with_loops: u64::from(!self.proven.loops().is_empty()),
            with_calls: u64::from(!self.image().manifest.imports.is_empty()),
            ..Tally::default()
        };
        let mut program = Unproved::new(self.image().clone());
        for (index, entry) in self.image().manifest.entries.iter().enumerate() {
            for number in 0..packets {
                let len = match entry.role {
                    Role::Every => 0,
                    _ => self.length(rng, entry, number),
                };
                let start = self.start(rng, len);
                let ran = self.one(&mut program, index, entry, start, &mut tally);
                ran.map_err(|Wrong { oracle, what }| {
                    let what = format!("{what}, packet of {len}\n{}", self.listing());
                    Wrong { oracle, what }
                })?;
            }
        }
        Ok(tally)
    }

    /// The so many-th length: what an entry needs, then the usual borders, then those of the image.
    pub fn length(&self, rng: &mut Rng, entry: &Entry, number: u32) -> usize {
        const USUAL: [usize; 8] = [0, 1, 13, 14, 33, 34, 1500, 65_535];
        let need = usize::from(entry.need);
        let usual = (number as usize).checked_sub(1);
        match usual.and_then(|at| USUAL.get(at)) {
            Some(&len) if len >= need => len,
            _ if number == 0 => need,
            _ => {
                let near = self.lengths[rng.below(self.lengths.len() as u32) as usize];
                // One that is too short shows nothing but the node's own test.
                if near < need { need + near % 64 } else { near }
            }
        }
    }

    /// One packet.
    fn one(
        &self,
        program: &mut Unproved,
        index: usize,
        entry: &Entry,
        start: Start,
        tally: &mut Tally,
    ) -> Result<(), Wrong> {
        let ran = self.steps(program, index, entry, start, tally)?;
        match ran {
            Some(_) => tally.packets += 1,
            None => tally.discarded += 1,
        }
        Ok(())
    }

    /// Runs one packet; answers the steps with the prices of services, unless there was no run.
    ///
    /// # Errors
    ///
    /// What happened that the proof rules out.
    pub fn steps(
        &self,
        program: &mut Unproved,
        index: usize,
        entry: &Entry,
        start: Start,
        tally: &mut Tally,
    ) -> Result<Option<u32>, Wrong> {
        let image = self.image();
        start.bind(image, program.constants_mut());
        let Start {
            packet,
            context,
            mut carried,
            node_seed,
            tables,
            room,
            ..
        } = start;
        let mut packet = Packet::from(packet).with_room(room.0, room.1);
        let mut node = Node::new(image, node_seed, tables);
        let mut watch = Watch::new(self, tally);
        let inputs = Inputs {
            packet: &mut packet,
            context: &context,
            carried: &mut carried,
            host: &mut node,
        };
        let budget = self.proven.steps(index);
        let result = program.run(entry, inputs, budget, |step| watch.see(step));
        if let Some(wrong) = watch.finish(self.proven.entries().get(index)) {
            return Err(wrong);
        }
        let wrong = |oracle, what| Err(Wrong { oracle, what });
        match result {
            Ok(outcome) if outcome.steps.is_none_or(|steps| steps > budget) => {
                wrong("o2", format!("{:?} steps of {budget}", outcome.steps))
            }
            Ok(outcome) if outcome.by_need => Ok(None),
            Ok(outcome) => Ok(outcome.steps),
            // A node drops on a verdict that the manifest does not allow; nobody proves that.
            Err(Fault::Trap {
                trap: Trap::UnknownVerdict(_) | Trap::ForbiddenVerdict(_),
                ..
            }) => Ok(Some(0)),
            Err(
                fault @ Fault::Trap {
                    trap: Trap::StepLimit(_),
                    ..
                },
            ) => wrong("o2", fault.to_string()),
            Err(fault) => wrong("o1", fault.to_string()),
        }
    }

    /// One of the starts of a run, with a packet of this length.
    pub fn start(&self, rng: &mut Rng, len: usize) -> Start {
        Start::new(rng, self.image(), &self.clues, len)
    }

    /// What its code compares with, and where it looks.
    pub fn clues(&self) -> &Clues {
        &self.clues
    }

    /// The lengths of packets that matter to the image.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The image as text, for whoever has to find out what is wrong.
    pub fn listing(&self) -> String {
        listing(self.image(), Some(&self.proven))
    }
}

/// An image as text, with the bounds of its entries where they are known.
pub fn listing(image: &Image, proven: Option<&Proven>) -> String {
    let Image {
        manifest,
        code,
        constants,
        certificate,
    } = image;
    let mut out = format!(
        "imports {:?}\nresources {:?}\nrights {:?}\nwindow {} carried {} late {:?}\nconstants {constants:02x?}\ncertificate {certificate:02x?}\n",
        manifest.imports,
        manifest.resources,
        manifest.rights,
        manifest.window,
        manifest.carried.len(),
        manifest.late
    );
    for (index, entry) in manifest.entries.iter().enumerate() {
        let role = entry.role.text();
        let steps = proven.map_or(0, |proven| proven.steps(index));
        let _ = writeln!(
            out,
            "{role} at {} need {} in {steps} steps",
            entry.pc, entry.need
        );
    }
    for line in nfl_isa::disassemble(code, 0) {
        let _ = writeln!(out, "  {line}");
    }
    out
}
