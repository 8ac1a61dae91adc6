//! The scratch area of a run, rebuilt from its stores.
//!
//! In: the steps of a run. Out: what each word holds. Guaranteed: nothing is taken from the machine
//! but registers, so it is a second opinion on scratch.

use nfl_isa::Op;
use nfl_vm::{Region, Step};

/// What a register or word of scratch holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// A number.
    Number(u32),
    /// An address: a region and an offset in it.
    Address(Region, i32),
    /// Nothing defined.
    Other,
}

#[derive(Clone, Copy)]
struct Cell {
    bytes: [Option<u8>; 4],
    address: Option<(Region, i32)>,
}

const EMPTY: Cell = Cell {
    bytes: [None; 4],
    address: None,
};

/// All words.
pub struct Scratch([Cell; 64]);

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch([EMPTY; 64])
    }
}

impl Scratch {
    /// What a word holds.
    pub fn word(&self, index: u8) -> Word {
        let cell = self.0.get(usize::from(index)).copied().unwrap_or(EMPTY);
        match (cell.address, cell.bytes) {
            (Some((region, offset)), _) => Word::Address(region, offset),
            (None, [Some(a), Some(b), Some(c), Some(d)]) => {
                Word::Number(u32::from_le_bytes([a, b, c, d]))
            }
            _ => Word::Other,
        }
    }

    /// Does to the words what the step is about to do.
    pub fn follow(&mut self, step: &Step<'_>) {
        let inst = step.inst;
        let size = match inst.op {
            Op::Sb => 1,
            Op::Sh => 2,
            Op::Sw => 4,
            _ => return,
        };
        let Some((Region::Scratch, base)) = step.registers.address(inst.rs1) else {
            return;
        };
        let number = step.registers.number(inst.rs2).map(u32::to_le_bytes);
        let first = base.wrapping_add(inst.imm);
        for at in 0..size {
            let Ok(place) = usize::try_from(first.wrapping_add(at as i32)) else {
                continue;
            };
            if let Some(cell) = self.0.get_mut(place / 4) {
                cell.address = None;
                cell.bytes[place % 4] = number.map(|bytes| bytes[at]);
            }
        }
        let whole = size == 4 && first % 4 == 0;
        if let Some(address) = step.registers.address(inst.rs2).filter(|_| whole)
            && let Some(cell) = usize::try_from(first / 4)
                .ok()
                .and_then(|word| self.0.get_mut(word))
        {
            cell.address = Some(address);
        }
    }
}
