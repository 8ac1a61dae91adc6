//! A run beside its proof, step after step.
//!
//! In: the steps of a run. Out: the first thing that the proof does not cover. Guaranteed: nothing is
//! taken from the machine but registers: where scratch ends, what was granted, and what a word holds
//! are worked out here once more.

use nfl_abi::host::Service;
use nfl_abi::image::Right;
use nfl_abi::{Image, map};
use nfl_isa::{Fmt, Op, Reg};
use nfl_verify::{EntryBound, Holds, LoopBound, Touches};
use nfl_vm::{Region, Registers, Step};

use super::run::{Contained, Tally, Wrong};
use super::scratch::{Scratch, Word};

/// Compares a run with the proof.
pub struct Watch<'a> {
    contained: &'a Contained,
    image: &'a Image,
    tally: &'a mut Tally,
    scratch: Scratch,
    /// Rounds of each loop since it was entered.
    rounds: Vec<u32>,
    before: Option<u32>,
    touched: Touches,
    wrong: Option<Wrong>,
}

impl<'a> Watch<'a> {
    /// Before the first step of an entry.
    pub fn new(contained: &'a Contained, tally: &'a mut Tally) -> Watch<'a> {
        Watch {
            contained,
            image: contained.image(),
            tally,
            scratch: Scratch::default(),
            rounds: vec![0; contained.proven.loops().len()],
            before: None,
            touched: Touches::NONE,
            wrong: None,
        }
    }

    /// Looks at a step before it is done.
    pub fn see(&mut self, step: &Step<'_>) {
        self.tally.steps += 1;
        if self.wrong.is_none()
            && let Err(Wrong { oracle, what }) = self.check(step)
        {
            let what = format!("at {}: {what}", step.pc);
            self.wrong = Some(Wrong { oracle, what });
        }
        self.scratch.follow(step);
        self.before = Some(step.pc);
    }

    /// What was wrong, when the run is over.
    pub fn finish(self, bound: Option<&EntryBound>) -> Option<Wrong> {
        let told = bound.map_or(Touches::NONE, |bound| bound.touches);
        let hidden = (!told.has(self.touched))
            .then(|| format!("it touched {}, and only {told} was proved", self.touched));
        self.wrong
            .or(hidden.map(|what| Wrong { oracle: "o4", what }))
    }

    fn check(&mut self, step: &Step<'_>) -> Result<(), Wrong> {
        self.check_state(step)
            .map_err(|what| Wrong { oracle: "o5", what })?;
        self.check_granted(step)
            .map_err(|what| Wrong { oracle: "o4", what })?;
        check_compare(step).map_err(|what| Wrong { oracle: "o1", what })?;
        self.check_rounds(step.pc)
            .map_err(|what| Wrong { oracle: "o2", what })
    }

    fn check_state(&mut self, step: &Step<'_>) -> Result<(), String> {
        let known = self.contained.points().at(step.pc);
        let (point, holds) = known.ok_or("control is where the verifier never was")?;
        let len = step.registers.number(Reg::S1);
        if len.is_none_or(|len| !(point.len.0..=point.len.1).contains(&len.into())) {
            return Err(format!("the length {len:?} is not in {:?}", point.len));
        }
        self.tally.places += 1 + holds.len() as u64;
        for &(place, holds) in holds {
            let word = match place.checked_sub(32) {
                None => register(step.registers, Reg(place)),
                Some(word) => self.scratch.word(word),
            };
            if !is_covered(word, holds) {
                return Err(format!("place {place} holds {word:?}, not {holds:?}"));
            }
        }
        Ok(())
    }

    fn check_rounds(&mut self, pc: u32) -> Result<(), String> {
        for (rounds, one) in self.rounds.iter_mut().zip(self.contained.proven.loops()) {
            let LoopBound {
                head, end, trips, ..
            } = *one;
            if pc == head {
                let inside = self.before.is_some_and(|pc| (head..end).contains(&pc));
                *rounds = if inside { *rounds + 1 } else { 1 };
                if *rounds > trips {
                    return Err(format!("round {rounds} of {trips}"));
                }
            }
        }
        Ok(())
    }

    /// Memory and services are touched as far as the manifest grants it, and as was proved.
    fn check_granted(&mut self, step: &Step<'_>) -> Result<(), String> {
        let (store, size) = match step.inst.op {
            Op::Lb | Op::Lbu => (false, 1),
            Op::Lh | Op::Lhu => (false, 2),
            Op::Lw => (false, 4),
            Op::Sb => (true, 1),
            Op::Sh => (true, 2),
            Op::Sw => (true, 4),
            Op::Jal if step.inst.rd != Reg::ZERO => return self.check_call(step),
            _ => return Ok(()),
        };
        self.tally.granted += 1;
        let address = step.registers.address(step.inst.rs1);
        let Some((region, base)) = address else {
            self.touched = self.touched.union(Touches::CONSTANTS);
            return match store {
                true => Err("a store to a number's address".into()),
                false => Ok(()),
            };
        };
        let first = i64::from(base.wrapping_add(step.inst.imm));
        let rights = self.image.manifest.rights;
        let touched = match (region, store) {
            (Region::Packet, false) => Touches::PACKET_READ,
            (Region::Packet, true) if rights.has(Right::Rewrite) => Touches::PACKET_WRITE,
            (Region::Carried, false) => Touches::CARRIED_READ,
            (Region::Carried, true) => Touches::CARRIED_WRITE,
            (Region::Context, false) => {
                let clock =
                    i64::from(map::context::CLOCK_LOW)..i64::from(map::context::CLOCK_HIGH) + 4;
                if first < clock.end && first + size > clock.start && !rights.has(Right::Clock) {
                    return Err("the clock is read without the right".into());
                }
                Touches::CONTEXT
            }
            (Region::Value(_), false) => Touches::VALUES,
            (Region::Constants, false) => Touches::CONSTANTS,
            (Region::Scratch, _) => {
                self.tally.scratch += 1;
                if first < 0 || first + size > i64::from(map::SCRATCH_BYTES) {
                    return Err(format!("scratch at {first}"));
                }
                Touches::SCRATCH
            }
            (region, _) => return Err(format!("a store to the {region}")),
        };
        self.touched = self.touched.union(touched);
        Ok(())
    }

    /// A call of a subroutine leads to the first instruction of one, and links through its register.
    fn check_own(&self, step: &Step<'_>) -> Result<(), String> {
        let to = i64::from(step.pc) + i64::from(step.inst.imm);
        let mut own = self.contained.proven.subroutines().iter();
        let known = own.any(|one| i64::from(one.entry) == to && one.link == step.inst.rd);
        known
            .then_some(())
            .ok_or_else(|| format!("a call of no subroutine at {to}"))
    }

    fn check_call(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.tally.granted += 1;
        let below = -(i64::from(step.pc) + i64::from(step.inst.imm));
        if below <= 0 {
            return self.check_own(step);
        }
        let slot = below / i64::from(map::SLOT_BYTES) - 1;
        let manifest = &self.image.manifest;
        let import = usize::try_from(slot)
            .ok()
            .and_then(|slot| manifest.imports.get(slot));
        let import = import.ok_or_else(|| format!("a call of slot {slot}"))?;
        let service = Service::by_number(import.service).ok_or("a call of no service")?;
        if let Some(right) = service.right
            && !manifest.rights.has(right)
        {
            return Err(format!("a call of {} without the right", service.name));
        }
        self.touched = self.touched.union(Touches::SERVICES);
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
        (Word::Number(0) | Word::Address(Region::Value(_), 0), Holds::Answer) => true,
        _ => false,
    }
}

fn same(is: Region, known: nfl_verify::Region) -> bool {
    use nfl_verify::Region as Known;
    matches!(
        (is, known),
        (Region::Packet, Known::Packet)
            | (Region::Scratch, Known::Scratch)
            | (Region::Context, Known::Context)
            | (Region::Value(_), Known::Value)
            | (Region::Carried, Known::Carried)
            | (Region::Constants, Known::Constants)
    )
}
