//! What is known before an instruction, for whoever checks or explains a proof.
//!
//! In: a state of the sweep. Out: ranges. Guaranteed: in every run of a proved image that reaches
//! the instruction, registers and scratch lie within what is said here.

use nfl_isa::Reg;

use crate::refusal::{Place, Range, Region};
use crate::state::{Kind, LEN, REGS, State};

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

    fn holds(&self, place: Place) -> Holds {
        let value = self.0.get(place);
        match value.kind {
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
