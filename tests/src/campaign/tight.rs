//! How near the bounds of the examples are to runs.
//!
//! In: the images of the examples. Out: for each handler its bound and the longest run that a search
//! finds. Guaranteed: depends on the seed alone; a run is one that a node may see, with the answers that
//! services may give.

use nfl_abi::{Entry, Limits, Role};
use nfl_ir::testing::Rng;
use nfl_vm::{Inputs, Packet, Unproved};

use super::corpus;
use super::input::Start;
use super::node::{Node, Tables};
use super::program::pick;
use super::run::Contained;
use super::totals::Totals;
use crate::capture::captures;

/// Packets of captures that each handler sees first.
const CAPTURED: usize = 40;
/// Starts that are kept: one for each number of steps that was seen.
const KEPT_MAX: usize = 64;

/// The search of one handler.
struct Search<'a> {
    contained: &'a Contained,
    program: Unproved,
    index: usize,
    entry: Entry,
    rng: Rng,
    /// Starts by their steps, the longest last.
    kept: Vec<(u32, Start)>,
}

/// Looks for long runs of every handler, with so many packets each.
pub fn tightness(seed: u64, packets: u64) -> Totals {
    let mut totals = Totals::default();
    let captures = captures();
    for (name, image) in corpus::examples() {
        let Ok(contained) = Contained::new(&image, &Limits::EDGE) else {
            totals.violation("tight", format!("{name} is refused"));
            continue;
        };
        for (index, entry) in image.manifest.entries.iter().enumerate() {
            let mut search = Search {
                contained: &contained,
                program: Unproved::new(image.clone()),
                index,
                entry: *entry,
                rng: Rng::new(seed ^ index as u64),
                kept: Vec::new(),
            };
            for capture in &captures {
                for start in capture.packets(entry.layer).take(CAPTURED) {
                    let mut first = contained.start(&mut search.rng, 0);
                    first.packet.clone_from(&start.packet);
                    first.context = start.context;
                    search.look(first);
                }
            }
            (0..packets).for_each(|_| search.again());
            let seen = search.kept.last().map_or(0, |kept| kept.0);
            let bound = contained.proven.steps(index);
            // Two sets of parameters make two images of one function.
            let (kind, path) = (entry.role.text(), name.trim_start_matches("acme/"));
            let handler = format!("{path} {kind}");
            let name = (1..).map(|n| match n {
                1 => handler.clone(),
                n => format!("{handler} ({n})"),
            });
            let mut free = name.filter(|name| totals.get(&format!("tight.{name}.bound")) == 0);
            let handler = free.next().unwrap_or(handler);
            totals.count(&format!("tight.{handler}.bound"), bound.into());
            totals.count(&format!("tight.{handler}.seen"), seen.into());
            if seen > bound {
                totals.violation("o2", format!("{handler}: {seen} steps of {bound}"));
            }
        }
    }
    totals
}

impl Search<'_> {
    /// Runs one more packet, most often a change of one that was kept.
    fn again(&mut self) {
        let lengths = self.contained.lengths();
        let rng = &mut self.rng;
        let len = match self.entry.role {
            Role::Every => 0,
            _ => lengths[rng.below(lengths.len() as u32) as usize].min(2000),
        };
        if self.kept.is_empty() || rng.below(16) == 0 {
            let start = self.contained.start(rng, len);
            return self.look(start);
        }
        // The longer ones more often.
        let many = self.kept.len() as u32;
        let at = rng.below(many).max(rng.below(many)) as usize;
        let mut start = self.kept[at].1.clone();
        let fresh = self.contained.start(rng, len.min(4));
        for _ in 0..=rng.below(4) {
            match rng.below(16) {
                0 => start.context = fresh.context,
                1 => start.carried.clone_from(&fresh.carried),
                2 => start.late.clone_from(&fresh.late),
                3 | 4 => start.node_seed = fresh.node_seed,
                5 => start.tables = pick(rng, &[Tables::Empty, Tables::Filled, Tables::Mixed]),
                6 if self.entry.role != Role::Every => start.packet.resize(len, 1),
                7 => self.contained.clues().agree(rng, &mut start.packet),
                10..=12 => self.contained.clues().anywhere(rng, &mut start.packet),
                8 => {
                    let many = start.carried.len() as u32;
                    if let Some(byte) = start.carried.get_mut(rng.below(many) as usize) {
                        *byte = rng.number() as u8;
                    }
                }
                9 => start.room = (128, 256),
                _ => {
                    let many = (start.packet.len() as u32).min(160);
                    let at = rng.below(many) as usize;
                    let value = match rng.below(4) {
                        0 => rng.below(16) as u8,
                        1 => pick(
                            rng,
                            &[
                                0, 1, 0xff, 0x45, 0x46, 0x4f, 0x60, 6, 17, 0x81, 0x86, 0xdd, 8,
                            ],
                        ),
                        _ => rng.number() as u8,
                    };
                    if let Some(byte) = start.packet.get_mut(at) {
                        *byte = value;
                    }
                }
            }
        }
        self.look(start);
    }

    /// Runs one packet, and keeps it when no other takes as many steps.
    fn look(&mut self, start: Start) {
        let image = self.contained.image();
        if self.entry.role == Role::Every && !start.packet.is_empty() {
            return;
        }
        start.bind(image, self.program.constants_mut());
        let mut packet = Packet::from(&start.packet[..]).with_room(start.room.0, start.room.1);
        let mut carried = start.carried.clone();
        let mut node = Node::new(image, start.node_seed, start.tables);
        let inputs = Inputs {
            packet: &mut packet,
            context: &start.context,
            carried: &mut carried,
            host: &mut node,
        };
        let budget = self.contained.proven.steps(self.index);
        let ran = self.program.run(&self.entry, inputs, budget, |_| {});
        let Some(steps) = ran.ok().and_then(|outcome| outcome.steps) else {
            return;
        };
        let at = self.kept.partition_point(|kept| kept.0 < steps);
        match self.kept.get_mut(at) {
            Some(kept) if kept.0 == steps => kept.1 = start,
            _ => {
                self.kept.insert(at, (steps, start));
                if self.kept.len() > KEPT_MAX {
                    self.kept.remove(0);
                }
            }
        }
    }
}
