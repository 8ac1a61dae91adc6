//! What must hold before an instruction. Nothing is judged here.

use crate::entity::Value;
use crate::func::{InstData, Region};
use crate::op::{Fmt, Op};

/// Something that must be proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obligation {
    /// The word is not 0.
    Divisor(Value),
    /// The word is not 0, which the program says.
    Assertion(Value),
    /// The word is not 0: it tells whether an index is below the number of elements.
    Inside(Value),
    /// `bytes` bytes from `index + offset` lie in the region, and the region is there.
    Access {
        /// The memory.
        region: Region,
        /// Where the region lies, when a lookup says so.
        address: Option<Value>,
        /// The variable part of the place.
        index: Option<Value>,
        /// The constant part, to be added modulo 2^32.
        offset: u32,
        /// How many bytes.
        bytes: u8,
        /// Whether they are written.
        write: bool,
    },
}

impl Obligation {
    /// What the instruction does to memory, as in `reads 4 bytes`; nothing where it touches none.
    pub(crate) fn deed(self) -> String {
        let Obligation::Access { bytes, write, .. } = self else {
            return String::new();
        };
        let plural = if bytes == 1 { "" } else { "s" };
        let does = if write { "writes" } else { "reads" };
        format!("{does} {bytes} byte{plural}")
    }
}

/// What must hold before this instruction.
pub fn of(inst: &InstData) -> Option<Obligation> {
    let spec = inst.op.spec();
    match (inst.op, spec.fmt) {
        (Op::Divu | Op::Remu | Op::Div | Op::Rem, _) => Some(Obligation::Divisor(inst.args[1])),
        (Op::Divisor, _) => Some(Obligation::Divisor(*inst.args.first()?)),
        (Op::Inside, _) => Some(Obligation::Inside(*inst.args.first()?)),
        (Op::Assert, _) => Some(Obligation::Assertion(*inst.args.first()?)),
        (_, Fmt::Load | Fmt::Store) => Some(Obligation::Access {
            region: inst.region?,
            address: inst
                .args
                .first()
                .copied()
                .filter(|_| inst.region == Some(Region::Value)),
            index: inst.index(),
            offset: inst.imm,
            bytes: spec.bytes,
            write: spec.fmt == Fmt::Store,
        }),
        _ => None,
    }
}
