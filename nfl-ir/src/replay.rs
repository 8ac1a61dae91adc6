//! Runs of modules that may not be proved, and what fails in them.
//!
//! In: a module, a handler, and all that a run of it takes. Out: the verdict, or the first thing that
//! must hold and does not. Nothing has to be proved of the module before.

use nfl_abi::codes::{E502, E503, E504, E505, E507};
use nfl_abi::limits::ImageLimits;
use nfl_abi::{Code, Layer, map};
use nfl_syntax::Span;
use nfl_syntax::arena::{Id, IdVec};

use crate::cfg::Cfg;
use crate::func::{Function, InstData, Module, Region, WordInfo};
use crate::interp::{self, EmptyNode, Inputs, Room, Rounds, Trail, Trap};
use crate::op::Op;
use crate::verify::judge::{element_index, size_of};
use crate::verify::obligation::{self, Obligation};

/// Words of the context.
const CONTEXT_WORDS: usize = (map::CONTEXT_BYTES / 4) as usize;

/// Where a packet may grow.
const ROOM: Room = Room {
    head: 128,
    tail: 128,
};

/// What a run takes. The node is one on which nothing happened yet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Input {
    /// The packet from the handler's layer on.
    pub packet: Vec<u8>,
    /// The memory that travels with it.
    pub carried: Vec<u8>,
    /// The words of the context.
    pub context: [u32; CONTEXT_WORDS],
    /// Numbers of the late words.
    pub late: Vec<u32>,
    /// Numbers of the words of parameters that are not bound.
    pub params: Vec<u32>,
}

impl Input {
    /// An empty packet, with defaults for all else.
    pub fn new(m: &Module, f: &Function) -> Input {
        let mut context = [0; CONTEXT_WORDS];
        context[map::context::NETWORK_OFFSET as usize / 4] = match f.layer {
            Layer::Network => 0,
            Layer::Link => u32::MAX,
        };
        Input {
            packet: Vec::new(),
            carried: m.carried.clone(),
            context,
            late: m.late.iter().map(|(_, word)| usual(word)).collect(),
            params: m.params.iter().map(|(_, word)| usual(word)).collect(),
        }
    }

    /// Sets the words of a parameter; answers whether there is one and may have this number.
    pub fn set(&mut self, m: &Module, name: &str, number: u32) -> bool {
        let mut set = false;
        let infos = m.late.iter().map(|(_, info)| info);
        let infos = infos.chain(m.params.iter().map(|(_, info)| info));
        for (info, word) in infos.zip(self.late.iter_mut().chain(&mut self.params)) {
            if info.name == name && (info.lo..=info.hi).contains(&number) {
                *word = number;
                set = true;
            }
        }
        set
    }

    /// The flags of `nflc check` that give this input to this handler.
    pub fn flags(&self, m: &Module, f: &Function) -> String {
        let bare = Input::new(m, f);
        let packet = match self.packet.is_empty() {
            true => "--replay=".to_string(),
            false => format!("--replay {}", hex(&self.packet)),
        };
        let mut flags = format!("{packet} --on {}", f.role.text());
        if self.carried != bare.carried {
            flags.push_str(&format!(" --carried {}", hex(&self.carried)));
        }
        let context = self.context.iter().zip(bare.context);
        for (at, (word, usual)) in context.enumerate() {
            if *word != usual {
                flags.push_str(&format!(" --context {}={word}", at * 4));
            }
        }
        flags.push_str(&sets(&m.late, &self.late));
        flags.push_str(&sets(&m.params, &self.params));
        flags
    }
}

/// The number of a word that nobody sets.
fn usual(word: &WordInfo) -> u32 {
    word.default.unwrap_or(word.lo)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sets<I: Id>(infos: &IdVec<I, WordInfo>, words: &[u32]) -> String {
    let other = infos.iter().zip(words);
    let other = other.filter(|((_, info), word)| usual(info) != **word);
    let sets = other.map(|((_, info), word)| format!(" --set {}={word}", info.name));
    sets.collect()
}

/// The rounds that a loop may take.
pub(crate) fn rounds_most(limits: &ImageLimits) -> u32 {
    limits.loop_trips.min(limits.steps)
}

/// A run.
#[derive(Debug)]
pub struct Run {
    /// Number and operand of the verdict, or why it stopped.
    pub end: Result<(u32, u32), Trap>,
    /// What it did.
    pub trail: Trail,
    /// The packet's length where it stopped.
    pub len: u32,
}

/// Runs a handler of a module that may not be proved.
pub fn run(m: &Module, at: usize, input: &Input, rounds: Rounds, steps_max: u32) -> Run {
    let mut trail = Trail::new(steps_max).with_rounds(rounds).keeping();
    let (mut packet, mut carried) = (input.packet.clone(), input.carried.clone());
    let mut inputs = Inputs {
        context: &input.context,
        carried: &mut carried,
        late: &input.late,
        params: &input.params,
        host: &mut EmptyNode::new(m),
        room: ROOM,
    };
    let end = interp::follow(m, at, &mut packet, &mut inputs, &mut trail);
    Run {
        end,
        trail,
        len: packet.len() as u32,
    }
}

/// Something that must hold and does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What kind of thing.
    pub code: &'static Code,
    /// Where in the source.
    pub span: Option<Span>,
    /// The numbers that are wrong there.
    pub text: String,
}

/// How a replayed run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replayed {
    /// Number and operand of the verdict.
    Verdict(u32, u32),
    /// What failed.
    Fault(Fault),
    /// It cannot be told: a service answers what nobody knows, or a word is missing.
    Unknown,
}

/// Runs a handler within limits, and says what fails.
pub fn replay(m: &Module, at: usize, input: &Input, limits: &ImageLimits) -> Replayed {
    let Some(f) = m.functions.get(at) else {
        return Replayed::Unknown;
    };
    let rounds = Rounds::new(&Cfg::new(f), rounds_most(limits));
    let run = run(m, at, input, rounds, interp::STEPS_MAX);
    match run.end {
        Ok((kind, operand)) => Replayed::Verdict(kind, operand),
        Err(_) => fault(m, f, &run).map_or(Replayed::Unknown, Replayed::Fault),
    }
}

/// What failed where a run stopped; nothing when it was no fault of the program.
pub(crate) fn fault(m: &Module, f: &Function, run: &Run) -> Option<Fault> {
    let trail = &run.trail;
    if let Some(head) = trail.endless {
        let blocks = Cfg::new(f);
        let l = blocks.loop_at(head)?;
        return Some(Fault {
            code: &E502,
            span: crate::verify::loop_span(f, &blocks.loops[l]),
            text: format!(
                "the loop goes round more than {} times",
                trail.rounds_max().unwrap_or(0)
            ),
        });
    }
    let trap = run.end.err()?;
    let inst = &f.insts[trail.at?];
    let what = obligation::of(inst)?;
    let (code, text) = match (trap, what) {
        (Trap::DivideByZero, Obligation::Divisor(_)) => (&E505, "the divisor is 0".to_string()),
        (Trap::Asserted, Obligation::Assertion(v)) => (&E507, compared(f, trail, v)),
        (Trap::Asserted, Obligation::Inside(v)) => (&E503, compared(f, trail, v)),
        (Trap::OutOfBounds, Obligation::Access { region, .. }) => {
            let code = match region {
                Region::Packet => &E504,
                _ => &E503,
            };
            (code, outside(m, f, run, inst, what))
        }
        _ => return None,
    };
    Some(Fault {
        code,
        span: inst.span,
        text,
    })
}

/// The numbers of a comparison that is false.
fn compared(f: &Function, trail: &Trail, cond: crate::Value) -> String {
    let sign = |op| match op {
        Op::Eq => "==",
        Op::Ne => "!=",
        Op::Ltu | Op::Lt => "<",
        _ => ">=",
    };
    let number = |op: Op, v| match op {
        Op::Lt | Op::Ge => (trail.values[v] as i32).to_string(),
        _ => trail.values[v].to_string(),
    };
    match f.def(cond).map(|d| (d, d.op.inverse(), d.args.as_slice())) {
        Some((def, Some(_), &[a, b])) => {
            let (a, b) = (number(def.op, a), number(def.op, b));
            format!("{a} {} {b} is false", sign(def.op))
        }
        _ => "the condition is false".to_string(),
    }
}

fn outside(m: &Module, f: &Function, run: &Run, inst: &InstData, what: Obligation) -> String {
    let Obligation::Access {
        region,
        index,
        offset,
        ..
    } = what
    else {
        return String::new();
    };
    let element = index.map(|v| element_index(f, v));
    let index = index.map_or(0, |v| run.trail.values[v]);
    let at = i64::from(index) + i64::from(offset as i32);
    let does = format!("{} at {at}", what.deed());
    match region {
        Region::Packet => format!("{does}, and the packet has {} bytes", run.len),
        Region::Value if run.trail.values[inst.args[0]] == 0 => {
            "the lookup found nothing".to_string()
        }
        _ => match element {
            Some((element, each)) => format!(
                "the index is {}, and the number of elements {}",
                run.trail.values[element],
                size_of(m, f, region) / i64::from(each)
            ),
            None => format!("{does}, and there are {} bytes", size_of(m, f, region)),
        },
    }
}
