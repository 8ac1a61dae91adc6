//! Code decoded once: the instruction at each even offset, or why there is none, and the shapes of
//! the services it calls.
//!
//! Every even offset is decoded, not only those that a straight reading meets, so that a jump into
//! the middle of an instruction has its RV32C meaning and not one of our own.

use nfl_abi::Image;
use nfl_abi::host::{self, Call};
use nfl_isa::{DecodeError, Inst};

/// What stands at one even offset: an instruction and its size in bytes.
pub(crate) type Slot = Result<(Inst, u32), DecodeError>;

/// The code of an image, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    slots: Vec<Slot>,
    calls: Vec<Option<Call>>,
}

impl Program {
    /// Decode at each even offset.
    pub(crate) fn new(image: &Image) -> Program {
        let Image { code, manifest, .. } = image;
        let slots = (0..code.len())
            .step_by(2)
            .map(|at| nfl_isa::decode(&code[at..]))
            .collect();
        let imports = manifest.imports.iter();
        let calls = imports
            .map(|import| host::call(import, &manifest.resources))
            .collect();
        Program { slots, calls }
    }

    /// The shape of an import, by its slot.
    pub(crate) fn call(&self, slot: usize) -> Option<&Call> {
        self.calls.get(slot)?.as_ref()
    }

    /// What stands at an offset; nothing stands at odd ones and behind the end.
    pub(crate) fn at(&self, pc: u32) -> Option<&Slot> {
        if !pc.is_multiple_of(2) {
            return None;
        }
        self.slots.get((pc / 2) as usize)
    }
}
