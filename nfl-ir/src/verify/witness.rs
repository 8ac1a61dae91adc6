//! Packets for which a program fails: found by running it, and never made up.
//!
//! In: a handler and what could not be proved in it. Out: for each such thing an input whose run stops
//! there, as small as it could be made, or nothing. The idea: packets of usual headers are run, and each run
//! tells how to change its input so that another branch is taken, or that what must hold does not
//! (`steer.rs`). Guaranteed: the same module gives the same inputs; the effort is bounded by the constants
//! below; every input that is answered was run and stopped where it should.

mod seeds;
mod steer;

use std::collections::{BTreeSet, VecDeque};

use crate::cfg::{Cfg, Loop};
use crate::entity::{Block, Inst};
use crate::func::{Function, Module, Region, Term};
use crate::interp::{Rounds, Trap};
use crate::replay::{self, Input, Run};
use crate::verify::judge::size_of;
use crate::verify::obligation::{self, Obligation};
use crate::verify::witness::steer::Steer;

/// Runs of a search.
const RUNS_MAX: u32 = 600;

/// Instructions of all runs of a search.
const STEPS_MAX: u32 = 400_000;

/// Runs to make an input small.
const SHRINKS_MAX: u32 = 200;

/// Instructions that one round of a loop is thought to take.
const ROUND_STEPS: u32 = 12;

/// What should fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// What must hold before an instruction.
    Inst(Inst),
    /// The bound of the loop with this head.
    Loop(Block),
}

/// An input for each target, where one was found.
pub(super) fn search(
    m: &Module,
    at: usize,
    cfg: &Cfg,
    targets: &[Target],
    rounds_most: u32,
) -> Vec<Option<Input>> {
    let f = &m.functions[at];
    let of_loops = targets.iter().any(|t| matches!(t, Target::Loop(_)));
    let long = if of_loops {
        rounds_most.saturating_mul(ROUND_STEPS)
    } else {
        0
    };
    let mut search = Search {
        m,
        at,
        f,
        cfg,
        targets,
        rounds: Rounds::new(cfg, rounds_most),
        steps_max: STEPS_MAX + 2 * long,
        steps: 0,
        found: vec![None; targets.len()],
        covered: BTreeSet::new(),
        seen: BTreeSet::new(),
        queue: VecDeque::new(),
    };
    for input in seeds::inputs(m, f) {
        search.add(input, false);
    }
    search.all();
    for (at, &target) in targets.iter().enumerate() {
        if let Some(input) = search.found[at].take() {
            search.found[at] = Some(search.small(input, target));
        }
    }
    search.found
}

struct Search<'a> {
    m: &'a Module,
    at: usize,
    f: &'a Function,
    cfg: &'a Cfg,
    targets: &'a [Target],
    rounds: Rounds,
    steps_max: u32,
    steps: u32,
    found: Vec<Option<Input>>,
    covered: BTreeSet<(Block, usize)>,
    seen: BTreeSet<Input>,
    queue: VecDeque<Input>,
}

impl Search<'_> {
    fn add(&mut self, input: Input, first: bool) {
        if !self.seen.insert(input.clone()) {
            return;
        }
        match first {
            true => self.queue.push_front(input),
            false => self.queue.push_back(input),
        }
    }

    fn run(&mut self, input: &Input) -> Run {
        let left = self.steps_max.saturating_sub(self.steps);
        let run = replay::run(self.m, self.at, input, self.rounds.clone(), left);
        self.steps = self.steps.saturating_add(run.trail.steps).saturating_add(8);
        run
    }

    fn all(&mut self) {
        for _ in 0..RUNS_MAX {
            if self.steps >= self.steps_max || self.found.iter().all(Option::is_some) {
                return;
            }
            let Some(input) = self.queue.pop_front() else {
                return;
            };
            let run = self.run(&input);
            if let Some(at) = self.targets.iter().position(|&t| hits(self.f, &run, t))
                && self.found[at].is_none()
            {
                self.found[at] = Some(input.clone());
            }
            let before = self.covered.len();
            self.covered.extend(run.trail.edges.iter().copied());
            let is_new = self.covered.len() > before;
            self.next(&input, &run, is_new);
        }
    }

    /// The inputs that a run suggests.
    fn next(&mut self, input: &Input, run: &Run, is_new: bool) {
        let steer = Steer {
            m: self.m,
            f: self.f,
            trail: &run.trail,
        };
        let mut blocks: BTreeSet<Block> = [self.f.entry].into();
        for &(from, edge) in &run.trail.edges {
            let to = self.f.blocks[from].term.targets().nth(edge);
            blocks.extend(to.map(|call| call.block));
        }
        let mut later = Vec::new();
        let mut sooner = Vec::new();
        for &b in &blocks {
            for &inst in &self.f.blocks[b].insts {
                if self.is_open(Target::Inst(inst)) {
                    sooner.extend(self.failing(steer, inst, input, run.len));
                }
            }
            if let Term::Branch { cond, .. } = self.f.blocks[b].term {
                for edge in [0, 1] {
                    if !self.covered.contains(&(b, edge)) && (is_new || blocks.len() < 3) {
                        later.extend(steer.truth(cond, edge == 0, input));
                    }
                }
            }
        }
        for l in &self.cfg.loops {
            if blocks.contains(&l.head) && self.is_open(Target::Loop(l.head)) {
                sooner.extend(self.staying(steer, l, input));
            }
        }
        // What stops a run hides what is behind it.
        if let Some(inst) = run.trail.at {
            later.extend(self.holding(steer, inst, input));
        }
        for input in sooner {
            self.add(input, true);
        }
        for input in later {
            self.add(input, false);
        }
    }

    fn is_open(&self, target: Target) -> bool {
        let at = self.targets.iter().position(|&t| t == target);
        at.is_some_and(|at| self.found[at].is_none())
    }

    /// Inputs in which a loop goes on where it was left.
    fn staying(&self, steer: Steer, l: &Loop, from: &Input) -> Vec<Input> {
        let mut ways = Vec::new();
        for &b in &l.blocks {
            let Term::Branch { cond, .. } = self.f.blocks[b].term else {
                continue;
            };
            for (edge, call) in self.f.blocks[b].term.targets().enumerate() {
                if l.blocks.contains(&call.block) {
                    ways.extend(steer.truth(cond, edge == 0, from));
                }
            }
        }
        ways
    }

    /// Inputs in which what must hold does not.
    fn failing(&self, steer: Steer, inst: Inst, from: &Input, len: u32) -> Vec<Input> {
        match obligation::of(&self.f.insts[inst]) {
            Some(Obligation::Divisor(v) | Obligation::Assertion(v) | Obligation::Inside(v)) => {
                steer.truth(v, false, from)
            }
            Some(Obligation::Access {
                region,
                index,
                offset,
                bytes,
                ..
            }) => {
                let offset = match index {
                    Some(_) => i64::from(offset as i32),
                    None => i64::from(offset),
                };
                let mut ways = Vec::new();
                let size = match region {
                    Region::Packet => {
                        let place = index.map_or(0, |v| i64::from(steer.now(v, from, 16)));
                        let end = place + offset + i64::from(bytes);
                        // What came in front or went from there moves places.
                        let moved = i64::from(len) - from.packet.len() as i64;
                        for len in [end - 1, place + offset, end - 1 - moved] {
                            ways.extend(steer.resize(len, from));
                        }
                        from.packet.len() as i64
                    }
                    _ => size_of(self.m, self.f, region),
                };
                if let Some(index) = index {
                    let last = size - offset - i64::from(bytes);
                    let most =
                        u32::MAX >> (32 - u32::from(self.f.values[index].width.clamp(1, 32)));
                    let wants = [size - offset, last + 1, 0, i64::from(most)];
                    for want in wants.into_iter().filter_map(|n| u32::try_from(n).ok()) {
                        ways.extend(steer.set(index, want, from));
                    }
                }
                ways
            }
            None => Vec::new(),
        }
    }

    /// Inputs in which what must hold does.
    fn holding(&self, steer: Steer, inst: Inst, from: &Input) -> Vec<Input> {
        match obligation::of(&self.f.insts[inst]) {
            Some(Obligation::Divisor(v) | Obligation::Assertion(v) | Obligation::Inside(v)) => {
                steer.truth(v, true, from)
            }
            Some(Obligation::Access {
                region,
                index,
                offset,
                bytes,
                ..
            }) => {
                let place = index.map_or(0, |v| i64::from(steer.now(v, from, 16)));
                let end = place + i64::from(offset as i32) + i64::from(bytes);
                let mut ways = Vec::new();
                if region == Region::Packet {
                    ways.extend(steer.resize(end, from));
                }
                if let Some(index) = index {
                    ways.extend(steer.set(index, 0, from));
                }
                ways
            }
            None => Vec::new(),
        }
    }

    /// The same with less in it: a shorter packet, more zeros, more defaults.
    fn small(&mut self, mut input: Input, target: Target) -> Input {
        let usual = Input::new(self.m, self.f);
        self.steps = 0;
        let mut tries = SHRINKS_MAX;
        let mut take = |search: &mut Self, input: &mut Input, other: Input| {
            if *input == other || tries == 0 {
                return false;
            }
            tries -= 1;
            let run = search.run(&other);
            let same = hits(search.f, &run, target);
            if same {
                *input = other;
            }
            same
        };
        for field in 0..4 {
            let mut other = input.clone();
            match field {
                0 => other.carried.clone_from(&usual.carried),
                1 => other.context = usual.context,
                2 => other.late.clone_from(&usual.late),
                _ => other.params.clone_from(&usual.params),
            }
            take(self, &mut input, other);
        }
        for len in self.f.need as usize..input.packet.len() {
            let mut other = input.clone();
            other.packet.truncate(len);
            if take(self, &mut input, other) {
                break;
            }
        }
        for at in 0..input.packet.len() {
            let mut other = input.clone();
            other.packet[at] = 0;
            take(self, &mut input, other);
        }
        for at in 0..input.carried.len() {
            let mut other = input.clone();
            other.carried[at] = usual.carried[at];
            take(self, &mut input, other);
        }
        input
    }
}

/// Whether a run stopped for this.
fn hits(f: &Function, run: &Run, target: Target) -> bool {
    match target {
        Target::Loop(head) => run.trail.endless == Some(head),
        Target::Inst(inst) => {
            let failed = matches!(
                run.end,
                Err(Trap::OutOfBounds | Trap::DivideByZero | Trap::Asserted)
            );
            failed && run.trail.at == Some(inst) && obligation::of(&f.insts[inst]).is_some()
        }
    }
}
