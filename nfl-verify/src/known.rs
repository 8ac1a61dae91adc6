//! What is known before an instruction, for whoever checks or explains a proof.
//!
//! In: a state of the sweep. Out: ranges. Guaranteed: in every run of a proved image that reaches
//! the instruction, registers and scratch lie within what is said here.

use core::fmt;

use nfl_isa::Reg;

use crate::refusal::{Place, Range, Region, Show};
use crate::state::{Kind, LEN, REGS, State};
use crate::transfer::distance_to_end;

/// What is known about the machine before an instruction.
pub struct Known<'a>(pub(crate) &'a State);

/// What a register or word of scratch holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// Nothing that may be read.
    Nothing,
    /// A number in this range.
    Number(Range),
    /// An address so many bytes from the start of a region.
    Address(Region, Range),
    /// What a lookup answered: the address of the first byte of a value, or 0.
    Answer,
}

impl Known<'_> {
    /// What a register holds.
    pub fn reg(&self, reg: Reg) -> Holds {
        self.holds(Place(reg.0))
    }

    /// What the word of scratch `4 * index` bytes from `sp` holds.
    pub fn word(&self, index: u8) -> Holds {
        self.holds(Place(index.saturating_add(REGS as u8)))
    }

    /// The lengths that the packet can have.
    pub fn packet_len(&self) -> Range {
        let fact = self.0.fact(LEN);
        (fact.lo, fact.hi)
    }

    /// How many bytes of the packet lie behind the address in a register for certain, if it holds one of the packet.
    pub fn room(&self, reg: Reg) -> Option<i64> {
        let value = self.0.reg(reg);
        (value.kind() == Kind::Packet).then(|| distance_to_end(self.0, value))
    }

    fn holds(&self, place: Place) -> Holds {
        let value = self.0.get(place);
        match value.kind() {
            Kind::Number => Holds::Number(self.0.range(value)),
            Kind::Answer(_) => match self.0.range(value) {
                (1, _) => Holds::Address(Region::Value, (0, 0)),
                (_, 0) => Holds::Number((0, 0)),
                _ => Holds::Answer,
            },
            kind => match kind.region() {
                Some(region) => Holds::Address(region, self.0.range(value)),
                None => Holds::Nothing,
            },
        }
    }
}

impl fmt::Display for Holds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holds::Nothing => write!(out, "nothing that may be read"),
            Holds::Number(range) => write!(out, "{}", Show(*range)),
            Holds::Address(region, range) => write!(out, "{} + {}", region.text(), Show(*range)),
            Holds::Answer => write!(out, "a value that was found, or 0"),
        }
    }
}
