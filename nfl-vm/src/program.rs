//! Code decoded once: the instruction at each even offset, or why there is none.
//!
//! Every even offset is decoded, not only those that a straight reading meets, so that a jump into
//! the middle of an instruction has its RV32C meaning and not one of our own.

use nfl_isa::{DecodeError, Inst};

/// What stands at one even offset: an instruction and its size in bytes.
pub(crate) type Slot = Result<(Inst, u32), DecodeError>;

/// The code of an image, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    slots: Vec<Slot>,
}

impl Program {
    /// Decode at each even offset.
    pub(crate) fn new(code: &[u8]) -> Program {
        let slots = (0..code.len())
            .step_by(2)
            .map(|at| nfl_isa::decode(&code[at..]))
            .collect();
        Program { slots }
    }

    /// What stands at an offset; nothing stands at odd ones and behind the end.
    pub(crate) fn at(&self, pc: u32) -> Option<&Slot> {
        if !pc.is_multiple_of(2) {
            return None;
        }
        self.slots.get((pc / 2) as usize)
    }
}
