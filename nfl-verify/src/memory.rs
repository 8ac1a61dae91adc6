//! Loads and stores: each is proved to stay inside its region.
//!
//! In: a state and a load or store. Out: the state behind it, and the region touched. Guaranteed:
//! what is accepted lies inside the packet or its window, the scratch area, the context, the
//! `carried` area or the constants, and is stored only where the image may store.

use nfl_abi::image::{LateSlot, Right};
use nfl_abi::map;
use nfl_isa::{Inst, Op};

use crate::refusal::{Checked, Place, Range, Reason, Region};
use crate::report::Touches;
use crate::state::{ALL_BYTES, Kind, REGS, State, Value};
use crate::transfer::{World, distance_to_end, operand};

/// Where an access begins, with its base as the state knows it.
pub(crate) struct Access {
    base: Value,
    imm: i64,
    at: Range,
    size: i64,
}

impl Access {
    fn of(state: &State, inst: &Inst, size: i64) -> Checked<Access> {
        let base = operand(state, inst.rs1)?;
        let imm = i64::from(inst.imm);
        let (lo, hi) = state.range(base);
        Ok(Access {
            base,
            imm,
            at: (lo + imm, hi + imm),
            size,
        })
    }

    /// So many bytes from an address on.
    pub(crate) fn of_block(state: &State, base: Value, bytes: u16) -> Access {
        Access {
            base,
            imm: 0,
            at: state.range(base),
            size: bytes.into(),
        }
    }

    /// The first byte behind the last one that the access can reach.
    fn end(&self) -> i64 {
        self.at.1 + self.size
    }

    fn exact(&self) -> Option<i64> {
        (self.at.0 == self.at.1).then_some(self.at.0)
    }

    fn is_before_packet_end(&self, state: &State) -> bool {
        distance_to_end(state, self.base) >= self.imm + self.size
    }

    fn within(&self, region: Region, bytes: i64) -> Checked<()> {
        if self.at.0 >= 0 && self.end() <= bytes {
            Ok(())
        } else {
            self.outside(region, bytes).refuse()
        }
    }

    fn outside(&self, region: Region, bytes: i64) -> Reason {
        Reason::Bounds {
            region,
            at: self.at,
            size: self.size as u16,
            bytes,
        }
    }

    /// Whether it lies in scratch, and all bytes it can reach are parts of numbers.
    pub(crate) fn check_written(&self, state: &State) -> Checked<()> {
        self.within(Region::Scratch, map::SCRATCH_BYTES.into())?;
        let written = |(place, mask)| state.get(place).number_bytes() & mask == mask;
        if self.words().all(written) {
            Ok(())
        } else {
            Reason::UninitScratch((self.at.0, self.end() - 1)).refuse()
        }
    }

    /// Where among the constants an access by a plain number begins.
    pub(crate) fn in_constants(&self, world: &World) -> Checked<Range> {
        let base = i64::from(map::CONSTANTS_BASE);
        let room = i64::from(map::CONSTANTS_BYTES);
        if self.at.1 < base || self.at.0 >= base + room {
            return Reason::NotAddress(self.at).refuse();
        }
        let at = (self.at.0 - base, self.at.1 - base);
        let inside = Access { at, ..*self };
        inside.within(Region::Constants, world.constants.len() as i64)?;
        Ok(at)
    }

    /// The words of scratch that the access can reach.
    fn words(&self) -> impl Iterator<Item = (Place, i64)> + use<> {
        let (lo, end) = (self.at.0, self.end());
        (lo / 4..=(end - 1) / 4).map(move |word| {
            let bytes = (0..4).filter(|byte| (lo..end).contains(&(4 * word + byte)));
            (
                Place((REGS as i64 + word) as u8),
                bytes.fold(0, |mask, byte| mask | 1 << byte),
            )
        })
    }
}

/// What an instruction can give, whatever it reads.
pub(crate) fn width(op: Op) -> Range {
    match op {
        Op::Lbu => (0, 0xff),
        Op::Lhu => (0, 0xffff),
        _ => crate::range::any(),
    }
}

pub(crate) fn load(state: &mut State, inst: &Inst, world: &World) -> Checked<Touches> {
    let size = match inst.op {
        Op::Lb | Op::Lbu => 1,
        Op::Lh | Op::Lhu => 2,
        _ => 4,
    };
    let width = width(inst.op);
    let access = Access::of(state, inst, size)?;
    let (value, touches) = match access.base.kind() {
        Kind::Packet => {
            let known = world.window.max(state.len_lo());
            let readable = access.end() <= world.window || access.is_before_packet_end(state);
            if access.at.0 < 0 || !readable {
                return access.outside(Region::Packet, known).refuse();
            }
            (state.some(Kind::Number, width), Touches::PACKET_READ)
        }
        Kind::Scratch => (load_scratch(state, &access, width)?, Touches::SCRATCH),
        Kind::Context => {
            access.within(Region::Context, map::CONTEXT_BYTES.into())?;
            let clock = i64::from(map::context::CLOCK_LOW)..i64::from(map::context::NEXT_HOP);
            if access.at.0 < clock.end
                && access.end() > clock.start
                && !world.rights.has(Right::Clock)
            {
                return Reason::NeedsRight(Right::Clock).refuse();
            }
            (state.some(Kind::Number, width), Touches::CONTEXT)
        }
        Kind::Carried => {
            access.within(Region::Carried, world.carried)?;
            (state.some(Kind::Number, width), Touches::CARRIED_READ)
        }
        Kind::Value(bytes) => {
            access.within(Region::Value, bytes.into())?;
            (state.some(Kind::Number, width), Touches::VALUES)
        }
        Kind::Answer(_) => return Reason::MaybeNothing(inst.rs1).refuse(),
        _ => {
            let at = access.in_constants(world)?;
            let range = constant(at, size, inst.op, width, world);
            (state.some(Kind::Number, range), Touches::CONSTANTS)
        }
    };
    state.set_reg(inst.rd, value);
    Ok(touches)
}

pub(crate) fn store(state: &mut State, inst: &Inst, world: &World) -> Checked<Touches> {
    let size = match inst.op {
        Op::Sb => 1,
        Op::Sh => 2,
        _ => 4,
    };
    let access = Access::of(state, inst, size)?;
    let value = operand(state, inst.rs2)?;
    let pointer = value.kind().region();
    match (access.base.kind(), pointer) {
        (Kind::Scratch, _) => {
            store_scratch(state, &access, value, world)?;
            Ok(Touches::SCRATCH)
        }
        (Kind::Context, _) => Reason::ReadOnly(Region::Context).refuse(),
        (Kind::Value(_) | Kind::Answer(_), _) => Reason::ReadOnly(Region::Value).refuse(),
        (Kind::Packet | Kind::Carried, Some(region)) => Reason::PointerStore(region).refuse(),
        (Kind::Packet, None) => {
            if !world.rights.has(Right::Rewrite) {
                return Reason::NeedsRight(Right::Rewrite).refuse();
            }
            if access.at.0 < 0 || !access.is_before_packet_end(state) {
                return Reason::BeyondPacket {
                    at: access.at,
                    size: size as u16,
                    len: state.len_lo(),
                }
                .refuse();
            }
            Ok(Touches::PACKET_WRITE)
        }
        (Kind::Carried, None) => {
            access.within(Region::Carried, world.carried)?;
            Ok(Touches::CARRIED_WRITE)
        }
        _ => {
            access.in_constants(world)?;
            Reason::ReadOnly(Region::Constants).refuse()
        }
    }
}

/// A whole aligned word gives back what was stored; everything else gives a number, if all bytes
/// it can come from are parts of numbers.
fn load_scratch(state: &mut State, access: &Access, width: Range) -> Checked<Value> {
    access.within(Region::Scratch, map::SCRATCH_BYTES.into())?;
    if let Some(place) = whole_word(access) {
        let value = state.get(place);
        if value.kind() == Kind::Uninit {
            return Reason::Uninit(place).refuse();
        }
        if value.has_term() {
            return Ok(value);
        }
        if value.k == ALL_BYTES {
            let number = state.some(Kind::Number, width);
            state.set(place, number);
            return Ok(number);
        }
    }
    access.check_written(state)?;
    Ok(state.some(Kind::Number, width))
}

fn store_scratch(state: &mut State, access: &Access, value: Value, world: &World) -> Checked<()> {
    access.within(Region::Scratch, map::SCRATCH_BYTES.into())?;
    let (first, last) = (access.at.0 / 4, (access.end() - 1) / 4);
    let reached = u64::MAX >> (63 - (last - first)) << first;
    if world.loop_words & reached != reached {
        let place = |word: i64| Place((REGS as i64 + word) as u8);
        return Reason::LoopWords {
            first: place(first),
            last: place(last),
        }
        .refuse();
    }
    if let Some(place) = whole_word(access) {
        state.set(place, value);
        return Ok(());
    }
    if let Some(region) = value.kind().region() {
        return Reason::PointerStore(region).refuse();
    }
    if access.exact().is_none() {
        // A store to one of several words writes none of them for certain. Words behind the last one written hold nothing.
        let reached = state.words_mut().iter_mut().take(last as usize + 1);
        for word in reached.skip(first as usize) {
            *word = Value::bytes(word.number_bytes());
        }
        return Ok(());
    }
    for (place, mask) in access.words() {
        let written = state.get(place).number_bytes() | mask;
        state.set(place, Value::bytes(written));
    }
    Ok(())
}

fn whole_word(access: &Access) -> Option<Place> {
    let at = access
        .exact()
        .filter(|at| access.size == 4 && at % 4 == 0)?;
    Some(Place((REGS as i64 + at / 4) as u8))
}

/// What a load from the constants can give. A late parameter counts as any value of its range,
/// so that one proof serves every binding.
fn constant(at: Range, size: i64, op: Op, width: Range, world: &World) -> Range {
    if at.0 != at.1 {
        return width;
    }
    let overlaps = |slot: &&LateSlot| {
        at.0 < i64::from(slot.offset) + 4 && at.0 + size > i64::from(slot.offset)
    };
    let late = world.late.iter().find(overlaps);
    let bytes = world
        .constants
        .get(at.0 as usize..(at.0 + size) as usize)
        .unwrap_or(&[]);
    let word = bytes
        .iter()
        .rev()
        .fold(0u32, |word, &byte| word << 8 | u32::from(byte));
    let known = match late {
        None => (word.into(), word.into()),
        Some(slot) if i64::from(slot.offset) == at.0 => late_range(slot),
        Some(_) => return width,
    };
    // A narrow or sign-extending load gives the word itself only when all of it is read.
    let sign = match op {
        Op::Lb => 1 << 7,
        Op::Lh => 1 << 15,
        _ => 1i64 << (8 * size),
    };
    if known.1 < sign { known } else { width }
}

/// What the word of a late parameter can be.
fn late_range(slot: &LateSlot) -> Range {
    if slot.wire {
        (0, slot.word(slot.largest()).into())
    } else {
        (slot.lo.into(), slot.hi.into())
    }
}
