//! What lies where: constants in the image, local arrays and put-aside words in scratch.
//!
//! In: a module, or a handler. Out: addresses and offsets. Guaranteed: areas do not overlap, keep their alignment, and
//! end within the machine's room for them, or there is a [`Full`].

use nfl_abi::map;
use nfl_ir::func::{Data, Function, Module, WordInfo};
use nfl_ir::{DataId, FieldId, LateId, Op, Region, Slot};
use nfl_syntax::arena::{Id, IdMap};

/// There is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full {
    pub(crate) needed: u32,
}

const WORD: u32 = 4;

/// The constants of an image: late words first, then the arrays that code reads, the most aligned first.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    pub(crate) bytes: Vec<u8>,
    data: IdMap<DataId, u32>,
    fields: IdMap<FieldId, u32>,
}

impl Constants {
    /// Lays out the constants of a module.
    pub(crate) fn new(module: &Module) -> Result<Constants, Full> {
        let mut bytes = Vec::new();
        for (_, word) in module.late.iter() {
            bytes.extend(late_word(word).to_le_bytes());
        }
        let mut arrays: Vec<(DataId, &Data)> = module.data.iter().collect();
        arrays.retain(|&(id, _)| is_read(module, id));
        arrays.sort_by_key(|(id, data)| (std::cmp::Reverse(data.align), id.index()));
        let mut data = IdMap::new();
        for (id, array) in arrays {
            let at = bytes
                .len()
                .next_multiple_of(usize::from(array.align.max(1)));
            bytes.resize(at, 0);
            data.set(id, at as u32);
            bytes.extend(&array.bytes);
        }
        let needed = bytes.len() as u32;
        if needed > map::CONSTANTS_BYTES {
            return Err(Full { needed });
        }
        let mut fields = IdMap::new();
        for (id, field) in module.fields.iter() {
            fields.set(id, field.offset);
        }
        Ok(Constants {
            bytes,
            data,
            fields,
        })
    }

    /// The address of an array.
    pub(crate) fn array(&self, id: DataId) -> u32 {
        map::CONSTANTS_BASE + self.data[id]
    }

    /// The offset of an array in the `carried` area, which the contract fixes as it fixes addresses.
    pub(crate) fn field(&self, id: FieldId) -> u32 {
        self.fields[id]
    }

    /// The offset of a late word.
    pub(crate) fn late(id: LateId) -> u32 {
        id.index() as u32 * WORD
    }
}

/// The word that stands for the default of a late parameter, or for its smallest value.
fn late_word(word: &WordInfo) -> u32 {
    let value = word.default.unwrap_or(word.lo);
    match (word.wire, word.width) {
        (true, 16) => u32::from((value as u16).swap_bytes()),
        (true, 32) => value.swap_bytes(),
        _ => value,
    }
}

fn is_read(module: &Module, id: DataId) -> bool {
    module.functions.iter().any(|f| {
        let blocks = f.layout.iter().map(|&b| &f.blocks[b]);
        blocks
            .flat_map(|b| &b.insts)
            .any(|&i| f.insts[i].region == Some(Region::Data(id)))
    })
}

/// The scratch area of a handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scratch {
    slots: IdMap<Slot, u32>,
    used: u32,
}

impl Scratch {
    /// Lays out the local arrays that a handler touches.
    pub(crate) fn new(f: &Function) -> Result<Scratch, Full> {
        let mut touched = IdMap::<Slot, bool>::new();
        for &b in &f.layout {
            for &i in &f.blocks[b].insts {
                if let Some(Region::Slot(slot)) = f.insts[i].region {
                    touched.set(slot, true);
                }
            }
        }
        let mut scratch = Scratch {
            slots: IdMap::new(),
            used: 0,
        };
        for (slot, data) in f.slots.iter().filter(|&(slot, _)| touched[slot]) {
            let at = scratch.take(data.bytes, u32::from(data.align))?;
            scratch.slots.set(slot, at);
        }
        Ok(scratch)
    }

    /// The offset of a local array.
    pub(crate) fn slot(&self, slot: Slot) -> u32 {
        self.slots[slot]
    }

    /// Room for one more word.
    pub(crate) fn word(&mut self) -> Result<u32, Full> {
        self.take(WORD, WORD)
    }

    fn take(&mut self, bytes: u32, align: u32) -> Result<u32, Full> {
        let at = self.used.next_multiple_of(align.max(1));
        let needed = at.saturating_add(bytes);
        if needed > map::SCRATCH_BYTES {
            return Err(Full { needed });
        }
        self.used = needed;
        Ok(at)
    }
}

/// Whether an operation reads or writes memory.
pub(crate) fn touches_memory(op: Op) -> bool {
    op.spec().bytes != 0
}
