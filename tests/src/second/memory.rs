//! Section 8, "Loads" and "Stores": accesses within regions, and what they leave.
//!
//! In: an access and a state. Out: what a load gives, or what scratch holds after a store.

use std::collections::BTreeSet;

use nfl_abi::Image;
use nfl_abi::image::{LateSlot, Right};
use nfl_isa::{Inst, Op};

use super::code::access_bytes;
use super::state::{Holds, Kind, Place, State, Term};
use super::{Int, M, refuse, require};

/// An access: through which address, and which bytes of the region it can reach.
struct Access {
    base: Term,
    at: Int,
    to: Int,
    size: Int,
    /// What `dist` of the base must be for an access within the packet.
    reach: Int,
}

impl Access {
    fn of(state: &State, inst: &Inst) -> Result<Access, String> {
        let base = state.read(inst.rs1.0)?;
        let (imm, size) = (Int::from(inst.imm), access_bytes(inst.op));
        let (lo, hi) = state.range(base);
        Ok(Access {
            base,
            at: lo + imm,
            to: hi + imm,
            size,
            reach: imm + size,
        })
    }

    fn end(&self) -> Int {
        self.to + self.size
    }

    fn is_exact(&self) -> bool {
        self.at == self.to
    }

    /// The one word of scratch that is read or written as a whole.
    fn whole_word(&self) -> Option<Int> {
        let whole = self.is_exact() && self.size == 4 && self.at % 4 == 0;
        whole.then_some(self.at / 4)
    }

    fn within(&self, bytes: Int) -> Result<(), String> {
        let inside = self.at >= 0 && self.end() <= bytes;
        let Access { at, size, .. } = self;
        require(inside, &format!("{size} bytes at {at} of {bytes}"))
    }
}

/// What a load gives, when it may load.
pub(super) fn load(state: &mut State, image: &Image, inst: &Inst) -> Result<Term, String> {
    let access = Access::of(state, inst)?;
    let widest = match inst.op {
        Op::Lbu => 255,
        Op::Lhu => 65_535,
        _ => M,
    };
    let mut range = (0, widest);
    match access.base.kind {
        Kind::Packet => {
            let window = access.end() <= Int::from(image.manifest.window);
            let inside = window || state.dist(access.base) >= access.reach;
            require(access.at >= 0 && inside, "a load outside the packet")?;
        }
        Kind::Scratch => return load_scratch(state, &access, range),
        Kind::Context => {
            access.within(32)?;
            let clock = access.at < 24 && access.end() > 16;
            let granted = !clock || image.manifest.rights.has(Right::Clock);
            require(granted, "a look at the clock")?;
        }
        Kind::Carried => access.within(image.manifest.carried.len() as Int)?,
        Kind::Value(bytes) => access.within(bytes)?,
        Kind::Answer(_) => return refuse("a load from what may be no address"),
        Kind::Number => {
            let outside = access.at < 0x400 || access.to >= 0x800;
            require(!outside, "a load from a number")?;
            let end = access.end() - 0x400;
            require(
                end <= image.constants.len() as Int,
                "a load behind constants",
            )?;
            if access.is_exact() {
                range = constant(image, inst.op, access.at - 0x400, range);
            }
        }
    }
    Ok(state.some(Kind::Number, range))
}

fn load_scratch(state: &mut State, access: &Access, range: (Int, Int)) -> Result<Term, String> {
    access.within(256)?;
    if let Some(word) = access.whole_word() {
        let place = Place::Word(word);
        if let Some(term) = state.term(place) {
            return Ok(term);
        }
        require(state.bytes(word).len() == 4, "a word that was not written")?;
        let term = state.some(Kind::Number, (0, M));
        state.hold(place, term);
        return Ok(term);
    }
    written(state, access.at, access.end())?;
    Ok(state.some(Kind::Number, range))
}

/// Whether all bytes of scratch from one address up to another are parts of numbers.
pub(super) fn written(state: &State, from: Int, end: Int) -> Result<(), String> {
    for at in from..end {
        let byte = state.bytes(at / 4).contains(&(at % 4));
        require(byte, "a byte of scratch that was not written")?;
    }
    Ok(())
}

/// What is known of a load from the constants at offset `at`.
fn constant(image: &Image, op: Op, at: Int, width: (Int, Int)) -> (Int, Int) {
    let size = access_bytes(op);
    let bytes = image.constants.iter().skip(at as usize).take(size as usize);
    let n = bytes.rev().fold(0, |n, &byte| n << 8 | Int::from(byte));
    let overlaps = |slot: &&LateSlot| {
        let offset = Int::from(slot.offset);
        offset < at + size && at < offset + 4
    };
    let known = match image.manifest.late.iter().find(overlaps) {
        None => (n, n),
        Some(slot) if Int::from(slot.offset) != at => return width,
        Some(slot) => stored(slot),
    };
    let bits = match op {
        Op::Lb => 7,
        Op::Lh => 15,
        _ => 8 * size,
    };
    if known.1 < 1 << bits { known } else { width }
}

/// The range of the word that stands for a late parameter.
fn stored(slot: &LateSlot) -> (Int, Int) {
    let largest = u32::MAX >> (32 - u32::from(slot.width));
    let hi = match slot.width {
        _ if !slot.wire => return (slot.lo.into(), slot.hi.into()),
        0..=8 => largest,
        9..=16 => u32::from((largest as u16).swap_bytes()),
        _ => largest.swap_bytes(),
    };
    (0, hi.into())
}

/// Whether a store may store, and what scratch holds afterwards. `loops` are the words that each open loop may change.
pub(super) fn store(
    state: &mut State,
    image: &Image,
    inst: &Inst,
    loops: &[&BTreeSet<Int>],
) -> Result<(), String> {
    let access = Access::of(state, inst)?;
    let x = state.read(inst.rs2.0)?;
    match access.base.kind {
        Kind::Packet => {
            let inside = access.at >= 0 && state.dist(access.base) >= access.reach;
            require(inside, "a store outside the packet")?;
            let granted = image.manifest.rights.has(Right::Rewrite);
            require(granted, "a store to the packet")?;
            require(x.is_number(), "an address in the packet")
        }
        Kind::Carried => {
            access.within(image.manifest.carried.len() as Int)?;
            require(x.is_number(), "an address in the carried area")
        }
        Kind::Scratch => {
            access.within(256)?;
            let words = access.at / 4..=(access.end() - 1) / 4;
            for word in words.clone() {
                let allowed = loops.iter().all(|changed| changed.contains(&word));
                require(allowed, "a word that an open loop does not own up to")?;
            }
            if let Some(word) = access.whole_word() {
                state.hold(Place::Word(word), x);
                return Ok(());
            }
            require(x.is_number(), "an address in pieces")?;
            for word in words {
                overwrite(state, &access, word);
            }
            Ok(())
        }
        _ => refuse("a store to what is read-only"),
    }
}

/// A word that a store can reach, and does not fill for certain, is bytes afterwards.
fn overwrite(state: &mut State, access: &Access, word: Int) {
    let mut bytes = state.bytes(word);
    if access.is_exact() {
        let stored = access.at..access.end();
        bytes.extend((0..4).filter(|byte| stored.contains(&(4 * word + byte))));
    }
    let place = Place::Word(word);
    if bytes.is_empty() {
        state.holds.remove(&place);
    } else {
        state.holds.insert(place, Holds::Bytes(bytes));
    }
}
