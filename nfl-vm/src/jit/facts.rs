//! What the verifier knows before each instruction, kept for the translator.
//!
//! In: a proven image. Out: its instructions in the order of addresses, what their operands hold, and
//! which words of scratch must lie in memory. Guaranteed: nothing here is weaker than the proof, which
//! is made once more from the bytes.

use std::collections::BTreeMap;

use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Arg, Call};
use nfl_abi::image::Right;
use nfl_abi::map;
use nfl_abi::{Image, ImageLimits, Limits};
use nfl_isa::{Inst, Op, Reg};
use nfl_verify::{Holds, Known, Range, Region, SubroutineBound};

use super::Unsupported;
use crate::packet::Context;

/// Where control goes after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    Next,
    Branch(u32),
    Jump(u32),
    /// To a slot of the call vector and back.
    Call(usize),
    /// To a subroutine and back.
    Enter(u32),
    /// Behind a call of the subroutine that starts here.
    Return(u32),
    Finish,
}

/// An instruction and what is known before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) pc: u32,
    pub(super) size: u32,
    pub(super) inst: Inst,
    pub(super) flow: Flow,
    /// What `rs1` holds.
    pub(super) a: Holds,
    /// What `rs2` holds.
    pub(super) b: Holds,
    /// What the word of scratch holds that a load reads whole.
    pub(super) word: Holds,
}

/// What the arguments of a call hold, from `a0` on; of an instruction that finishes, the verdict too.
pub(super) type Words = [Holds; ARGS_MAX];

/// All that the translator needs to know of an image.
pub(super) struct Facts {
    pub(super) lines: Vec<Line>,
    pub(super) words: BTreeMap<u32, Words>,
    /// The words of scratch that something reads or writes otherwise than whole and at a known place, one bit each.
    pub(super) in_memory: u64,
    /// Whether the context must lie in memory as the machine lays it out: something reads otherwise than the words of
    /// [`Context`], or a service changes it.
    pub(super) context_in_bytes: bool,
    reads_clock: bool,
    /// How many jumps lead to an instruction.
    pub(super) jumps: BTreeMap<u32, u32>,
}

/// The image is proved already, so nothing is too large here.
const NO_LIMITS: ImageLimits = ImageLimits {
    steps: u32::MAX,
    content_bytes: u32::MAX,
    certificate_bytes: u32::MAX,
    manifest_bytes: u32::MAX,
    carried_bytes: u32::MAX,
    loop_depth: u8::MAX,
    loop_trips: u32::MAX,
    pending_joins: u16::MAX,
};

impl Facts {
    pub(super) fn of(image: &Image, calls: &[Call]) -> Result<Facts, Unsupported> {
        let mut limits = Limits::EDGE;
        (limits.capsule, limits.resident) = (NO_LIMITS, NO_LIMITS);
        let mut facts = Facts {
            lines: Vec::with_capacity(image.code.len() / 2),
            words: BTreeMap::new(),
            in_memory: 0,
            context_in_bytes: calls.iter().any(|call| call.resizes),
            reads_clock: image.manifest.rights.has(Right::Clock),
            jumps: BTreeMap::new(),
        };
        let mut visit = |pc: u32, known: &Known<'_>| {
            let rest = image.code.get(pc as usize..).unwrap_or(&[]);
            if let Ok((inst, size)) = nfl_isa::decode(rest) {
                facts.note(Line::new(pc, size, inst, known), known, calls);
            }
        };
        let proven = nfl_verify::observe(image, &limits, &mut visit);
        let proven = proven.map_err(|refusal| Unsupported::Proof(refusal.to_string()))?;
        facts.lead_back(proven.subroutines());
        Ok(facts)
    }

    /// The index of the instruction that starts at `pc`.
    pub(super) fn index(&self, pc: u32) -> Option<usize> {
        self.lines.binary_search_by_key(&pc, |line| line.pc).ok()
    }

    /// Where a load of the context finds its word in a [`Context`].
    pub(super) fn context_word(&self, at: Range, bytes: i64) -> Option<i32> {
        let at = whole_word(at, bytes)?;
        let word = Context::word(u32::from(at) * 4, self.reads_clock)?;
        i32::try_from(word).ok()
    }

    fn note(&mut self, line: Line, known: &Known<'_>, calls: &[Call]) {
        if let (Some(bytes), Holds::Address(Region::Context, range)) = (size(line.inst.op), line.a)
        {
            let at = moved(range, line.inst.imm.into());
            self.context_in_bytes |= self.context_word(at, bytes).is_none();
        }
        if let (Some(bytes), Holds::Address(Region::Scratch, range)) = (size(line.inst.op), line.a)
        {
            let at = moved(range, line.inst.imm.into());
            if whole_word(at, bytes).is_none() {
                self.in_memory |= words(at, bytes);
            }
        }
        if matches!(line.flow, Flow::Call(_) | Flow::Finish) {
            let holds = std::array::from_fn(|n| known.reg(Reg(map::reg::A0 + n as u8)));
            self.words.insert(line.pc, holds);
            if let Flow::Call(slot) = line.flow
                && let Some(call) = calls.get(slot)
            {
                self.note_blocks(call, &holds);
            }
        }
        if let Flow::Jump(target) = line.flow {
            *self.jumps.entry(target).or_default() += 1;
        }
        self.lines.push(line);
    }

    /// Services read their blocks from memory.
    fn note_blocks(&mut self, call: &Call, holds: &Words) {
        let mut registers = holds.iter();
        for &arg in call.args() {
            let (bytes, taken) = match arg {
                Arg::Block(bytes) if !call.by_address() => (0, usize::from(bytes).div_ceil(4)),
                Arg::Block(bytes) | Arg::Address(bytes) => (i64::from(bytes), 1),
                Arg::Word => (0, 1),
            };
            for holds in registers.by_ref().take(taken) {
                if let Holds::Address(Region::Scratch, at) = *holds {
                    self.in_memory |= words(at, bytes);
                }
            }
        }
    }

    /// Tells each return which subroutine it ends.
    fn lead_back(&mut self, subroutines: &[SubroutineBound]) {
        for line in &mut self.lines {
            if let Flow::Return(entry) = &mut line.flow {
                let around = |one: &&SubroutineBound| (one.entry..one.end).contains(&line.pc);
                if let Some(one) = subroutines.iter().rfind(around) {
                    *entry = one.entry;
                }
            }
        }
    }
}

impl Line {
    fn new(pc: u32, size: u32, inst: Inst, known: &Known<'_>) -> Line {
        let target = i64::from(pc) + i64::from(inst.imm);
        let to = target as u32;
        let flow = match inst.op {
            Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => Flow::Branch(to),
            Op::Jal if inst.rd == Reg::ZERO => Flow::Jump(to),
            Op::Jal if target < 0 => {
                Flow::Call((-target / i64::from(map::SLOT_BYTES) - 1) as usize)
            }
            Op::Jal => Flow::Enter(to),
            Op::Jalr => Flow::Return(0),
            Op::Ebreak => Flow::Finish,
            _ => Flow::Next,
        };
        let a = known.reg(inst.rs1);
        let word = match a {
            Holds::Address(Region::Scratch, range) if inst.op == Op::Lw => {
                let at = moved(range, inst.imm.into());
                whole_word(at, 4).map_or(Holds::Nothing, |word| known.word(word))
            }
            _ => Holds::Nothing,
        };
        Line {
            pc,
            size,
            inst,
            flow,
            a,
            b: known.reg(inst.rs2),
            word,
        }
    }

    /// The first address behind the instruction.
    pub(super) fn end(&self) -> u32 {
        self.pc + self.size
    }
}

/// How many bytes a load or a store moves.
pub(super) fn size(op: Op) -> Option<i64> {
    match op {
        Op::Lb | Op::Lbu | Op::Sb => Some(1),
        Op::Lh | Op::Lhu | Op::Sh => Some(2),
        Op::Lw | Op::Sw => Some(4),
        _ => None,
    }
}

pub(super) fn moved((lo, hi): Range, by: i64) -> Range {
    (lo + by, hi + by)
}

/// The number of the word of scratch that an access at this place has for itself.
pub(super) fn whole_word(at: Range, bytes: i64) -> Option<u8> {
    let is_word = at.0 == at.1 && bytes == 4 && at.0 % 4 == 0;
    is_word.then(|| u8::try_from(at.0 / 4).ok()).flatten()
}

/// The words that an access may reach, one bit each.
fn words((lo, hi): Range, bytes: i64) -> u64 {
    if bytes == 0 {
        return 0;
    }
    let words = (lo / 4).max(0)..=((hi + bytes - 1) / 4).min(63);
    words.fold(0, |mask, word| mask | 1 << word)
}
