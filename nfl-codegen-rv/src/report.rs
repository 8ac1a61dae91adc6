//! What an image is made of, for those who look at sizes.
//!
//! In: an image. Out: numbers. Guaranteed: no panic on any image.

use std::collections::BTreeSet;

use nfl_abi::Image;
use nfl_isa::{Fx, Reg};

/// Bytes of code that a run from an entry can reach; entries may share some. 0 when there is no such entry.
pub fn reachable_bytes(image: &Image, entry: usize) -> u32 {
    let Some(entry) = image.manifest.entries.get(entry) else {
        return 0;
    };
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    let mut work = vec![entry.pc];
    while let Some(pc) = work.pop() {
        let decoded = image.code.get(pc as usize..).map(nfl_isa::decode);
        let Some(Ok((inst, size))) = decoded else {
            continue;
        };
        if !seen.insert(pc) {
            continue;
        }
        bytes += size;
        let effects = inst.op.spec().effects;
        // A jump that links comes back.
        let is_call = effects == Fx::JUMP && inst.rd != Reg::ZERO;
        if matches!(effects, Fx::BRANCH | Fx::JUMP) && !is_call {
            work.extend(pc.checked_add_signed(inst.imm));
        }
        if (effects != Fx::JUMP || is_call) && inst.op != nfl_isa::Op::Ebreak {
            work.extend(pc.checked_add(size));
        }
    }
    bytes
}
