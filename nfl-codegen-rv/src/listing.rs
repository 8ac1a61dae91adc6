//! The code of an image as a list, to be changed after it was made.
//!
//! In: a proven image with the sources of its instructions. Out: a [`Listing`], whose instructions can be replaced and moved, and
//! again an image. Guaranteed: branches go where they went, however long they become.

use std::collections::BTreeSet;

use nfl_abi::Image;
use nfl_isa::{Inst, Op, Reg, Target};
use nfl_syntax::Span;

use crate::Emitted;
use crate::mir::ARGUMENTS;

/// Bytes of a call while the vector is near.
pub(crate) const CALL_BYTES: u32 = 2;

/// Where control goes from an instruction, other than on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    On,
    /// To an instruction.
    Item(usize),
    /// To a slot of the call vector, at an offset from the code's first byte.
    Slot(i32),
}

#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) inst: Inst,
    pub(crate) to: To,
    pub(crate) span: Option<Span>,
}

impl Item {
    /// What makes two instructions equal wherever they stand; none for those that do not simply go on.
    pub(crate) fn key(&self) -> Option<u64> {
        match self.to {
            To::Slot(slot) => Some(1 << 32 | u64::from(slot.cast_unsigned())),
            To::On if !matches!(self.inst.op, Op::Ebreak | Op::Jalr) => {
                nfl_isa::encode(&self.inst).ok().map(u64::from)
            }
            _ => None,
        }
    }

    pub(crate) fn reads(&self, reg: Reg) -> bool {
        self.inst.read().contains(&Some(reg))
    }

    pub(crate) fn writes(&self, reg: Reg) -> bool {
        self.inst.written() == Some(reg)
    }
}

/// The code of an image as a list.
#[derive(Clone)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Item>,
    /// The items in the order of addresses.
    pub(crate) order: Vec<usize>,
    /// Of these the first ones belong to subroutines.
    pub(crate) own: usize,
    entries: Vec<usize>,
    isa: &'static Target,
}

impl Listing {
    /// Of an image whose code has no subroutines.
    pub(crate) fn of(emitted: &Emitted, isa: &'static Target) -> Option<Listing> {
        let Emitted { image, lines } = emitted;
        let entries = image.manifest.entries.iter().map(|entry| entry.pc);
        Listing::new(&image.code, lines, entries, isa)
    }

    /// Of code, its instructions, and the places where it is entered.
    pub(crate) fn new(
        code: &[u8],
        lines: &Lines,
        entries: impl Iterator<Item = u32>,
        isa: &'static Target,
    ) -> Option<Listing> {
        let place = |pc: u32| lines.binary_search_by_key(&pc, |line| line.0).ok();
        let item = |&(pc, _, span): &(u32, u32, Option<Span>)| {
            let (inst, _) = nfl_isa::decode(code.get(pc as usize..)?).ok()?;
            let to = pc.cast_signed() + inst.imm;
            let to = match inst.op {
                Op::Jal if to < 0 => To::Slot(to),
                Op::Jal | Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => {
                    To::Item(place(to.cast_unsigned())?)
                }
                _ => To::On,
            };
            Some(Item { inst, to, span })
        };
        let items: Vec<Item> = lines.iter().map(item).collect::<Option<_>>()?;
        Some(Listing {
            order: (0..items.len()).collect(),
            own: 0,
            entries: entries.map(place).collect::<Option<_>>()?,
            items,
            isa,
        })
    }

    /// Bytes of an instruction that goes on; those of a call while the vector is near.
    pub(crate) fn bytes(&self, id: usize) -> u32 {
        let item = &self.items[id];
        match item.to {
            To::Slot(_) => CALL_BYTES,
            _ => self.isa.size(&item.inst),
        }
    }

    /// The instructions that control may go to from elsewhere.
    pub(crate) fn targets(&self) -> BTreeSet<usize> {
        let mut targets: BTreeSet<usize> = self.entries.iter().copied().collect();
        targets.extend(self.items.iter().filter_map(|item| match item.to {
            To::Item(to) => Some(to),
            _ => None,
        }));
        targets
    }

    /// For each place in the order, and for the end, the registers that some way from there reads before it writes them, one
    /// bit each. Who returns may be waited for by a reader of any register but the links.
    pub(crate) fn live(&self) -> Vec<u32> {
        let mut places = vec![0; self.items.len()];
        for (at, &id) in self.order.iter().enumerate() {
            places[id] = at;
        }
        let bit = |reg: Reg| 1u32 << reg.index();
        let arguments = ARGUMENTS.into_iter().fold(0, |all, reg| all | bit(reg));
        let links = bit(Reg::RA) | bit(Reg::T0);
        let mut live = vec![0; self.order.len() + 1];
        loop {
            let mut changed = false;
            for (at, &id) in self.order.iter().enumerate().rev() {
                let item = &self.items[id];
                let on = live[at + 1];
                let behind = match (item.to, item.inst.op) {
                    (To::Item(to), Op::Jal) if item.inst.rd == Reg::ZERO => live[places[to]],
                    // To the other side of a branch, or to a subroutine and back.
                    (To::Item(to), _) => on | live[places[to]],
                    (To::Slot(_), _) => on | arguments,
                    (To::On, Op::Ebreak) => bit(Reg::A0) | bit(Reg::A1),
                    (To::On, Op::Jalr) => !links,
                    (To::On, _) => on,
                };
                let read = item.inst.read().into_iter().flatten();
                let read = read.fold(0, |all, reg| all | bit(reg));
                let written = item.inst.written().map_or(0, bit);
                let now = read | behind & !written;
                changed |= now != live[at];
                live[at] = now;
            }
            if !changed {
                return live;
            }
        }
    }

    /// The image with this code, without certificate and bounds; none when a branch does not reach.
    pub(crate) fn encode(&self, like: &Image) -> Option<(Image, Lines)> {
        let mut offsets = vec![0u32; self.items.len()];
        let mut sizes = vec![2u32; self.items.len()];
        let inst = |id: usize, offsets: &[u32]| {
            let item = &self.items[id];
            let to = match item.to {
                To::On => return item.inst,
                To::Item(to) => offsets[to].cast_signed(),
                To::Slot(to) => to,
            };
            Inst {
                imm: to - offsets[id].cast_signed(),
                ..item.inst
            }
        };
        // Sizes only grow, so that ends.
        loop {
            let mut pc = 0;
            for &id in &self.order {
                offsets[id] = pc;
                pc += sizes[id];
            }
            let mut grown = false;
            for &id in &self.order {
                let size = self.isa.size(&inst(id, &offsets)).max(sizes[id]);
                grown |= size > sizes[id];
                sizes[id] = size;
            }
            if !grown {
                break;
            }
        }
        let (mut code, mut lines) = (Vec::new(), Lines::new());
        for &id in &self.order {
            let inst = inst(id, &offsets);
            lines.push((offsets[id], sizes[id], self.items[id].span));
            match self.isa.compress(&inst).filter(|_| sizes[id] == 2) {
                Some(half) => code.extend(half.to_le_bytes()),
                None => code.extend(nfl_isa::encode(&inst).ok()?.to_le_bytes()),
            }
        }
        let mut image = Image {
            code,
            certificate: Vec::new(),
            ..like.clone()
        };
        for (entry, &id) in image.manifest.entries.iter_mut().zip(&self.entries) {
            entry.pc = offsets[id];
        }
        Some((image, lines))
    }
}

pub(crate) type Lines = Vec<(u32, u32, Option<Span>)>;
