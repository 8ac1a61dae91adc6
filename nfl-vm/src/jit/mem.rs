//! Loads and stores: each is one of the host, or none at all.
//!
//! In: a load or a store and what its base holds. Out: the host's instruction. Guaranteed: the access is the one that was
//! proved to lie inside its region; a constant that is known becomes an immediate unless it is bound later.

use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use nfl_abi::map;
use nfl_isa::Op;
use nfl_verify::{Holds, Range, Region};

use super::Unsupported;
use super::call::Frame;
use super::facts::{Line, moved, size, whole_word};
use super::translate::{Translator, word_place};

/// A host address: a base and what is added to it.
type Place = (Value, i32);

impl Translator<'_, '_> {
    /// Translates a load or a store.
    pub(super) fn access(&mut self, line: &Line) -> Result<(), Unsupported> {
        let inst = &line.inst;
        let bytes = size(inst.op).ok_or(Unsupported::Fact(line.pc))?;
        let (region, base) = match line.a {
            Holds::Address(region, base) => (region, base),
            Holds::Number(base) => (
                Region::Constants,
                moved(base, -i64::from(map::CONSTANTS_BASE)),
            ),
            Holds::Answer | Holds::Nothing => return Err(Unsupported::Fact(line.pc)),
        };
        let at = moved(base, inst.imm.into());
        let is_load = inst.op.spec().fmt.has_rd();
        match (region, whole_word(at, bytes)) {
            (Region::Scratch, Some(word)) if is_load => return self.load_word(line, word),
            (Region::Scratch, Some(word)) => return self.store_word(line, word),
            (Region::Constants, _) => {
                if let Some(n) = self.constant(at, bytes, inst.op) {
                    let n = self.b.ins().iconst(I32, i64::from(n));
                    self.set_number(inst.rd, n);
                    return Ok(());
                }
            }
            _ => {}
        }
        let place = match self.facts.context_word(at, bytes) {
            Some(word) if region == Region::Context && !self.facts.context_in_bytes => {
                (self.start(region), word)
            }
            _ => self.host_place(line, region, at)?,
        };
        let flags = self.flags(region);
        if is_load {
            let value = self.load(inst.op, flags, place);
            self.set_number(inst.rd, value);
        } else {
            let value = self.number(line, inst.rs2, line.b)?;
            self.store(inst.op, flags, value, place);
        }
        Ok(())
    }

    /// Where a byte lies whose distance from the start of its region is known to be `at`.
    fn host_place(&mut self, line: &Line, region: Region, at: Range) -> Result<Place, Unsupported> {
        let known = (at.0 == at.1).then(|| i32::try_from(at.0).ok()).flatten();
        Ok(match (region, known) {
            (Region::Scratch, Some(at)) => (self.frame, Frame::SCRATCH + at),
            (Region::Context | Region::Carried | Region::Constants, Some(at)) => {
                (self.start(region), at)
            }
            (Region::Packet, Some(at)) => (self.held(usize::from(map::reg::S0)), at),
            (Region::Constants, None) => {
                let start = self.start(region);
                let number = self.wide_number(line, line.inst.rs1, line.a)?;
                let base = self.b.ins().iadd(start, number);
                (base, line.inst.imm - map::CONSTANTS_BASE as i32)
            }
            _ => (self.address(line, line.inst.rs1, line.a)?, line.inst.imm),
        })
    }

    fn load(&mut self, op: Op, flags: MemFlagsData, (base, at): Place) -> Value {
        self.stores.forget();
        let ins = self.b.ins();
        let (wide, bytes) = match op {
            Op::Lb => return ins.sload8(I32, flags, base, at),
            Op::Lh => return ins.sload16(I32, flags, base, at),
            Op::Lbu => (ins.uload8(I64, flags, base, at), 1),
            Op::Lhu => (ins.uload16(I64, flags, base, at), 2),
            _ => (ins.uload32(flags, base, at), 4),
        };
        let value = self.narrow(wide);
        self.bytes.note_load(value, bytes, (base, at), flags);
        value
    }

    fn store(&mut self, op: Op, flags: MemFlagsData, value: Value, (base, at): Place) {
        self.bytes.forget_loads();
        let ins = self.b.ins();
        let stored = match op {
            Op::Sb => ins.istore8(flags, value, base, at),
            Op::Sh => ins.istore16(flags, value, base, at),
            _ => ins.store(flags, value, base, at),
        };
        match op {
            Op::Sb => self.note_store(stored, value, (base, at), flags),
            _ => self.stores.forget(),
        }
    }

    fn load_word(&mut self, line: &Line, word: u8) -> Result<(), Unsupported> {
        let (rd, place) = (line.inst.rd, word_place(word));
        match line.word {
            // An answer that is known to be nothing is a number whose word holds an address.
            Holds::Number((lo, hi)) if lo == hi => {
                let number = self.b.ins().iconst(I32, lo);
                self.set_number(rd, number);
            }
            Holds::Address(..) | Holds::Answer => {
                let address = self.held(place);
                self.set(rd, address);
            }
            _ if self.is_in_memory(word) => {
                let at = (self.frame, Frame::SCRATCH + i32::from(word) * 4);
                let number = self.load(Op::Lw, self.flags(Region::Scratch), at);
                self.set_number(rd, number);
            }
            Holds::Number(_) => {
                let number = self.held(place);
                self.set(rd, number);
            }
            Holds::Nothing => return Err(Unsupported::Fact(line.pc)),
        }
        Ok(())
    }

    fn store_word(&mut self, line: &Line, word: u8) -> Result<(), Unsupported> {
        let (rs2, place) = (line.inst.rs2, word_place(word));
        if !matches!(line.b, Holds::Number(_)) {
            let address = self.address(line, rs2, line.b)?;
            self.hold(place, address);
            return Ok(());
        }
        let number = self.number(line, rs2, line.b)?;
        let wide = self.wide(number);
        self.hold(place, wide);
        if self.is_in_memory(word) {
            let at = (self.frame, Frame::SCRATCH + i32::from(word) * 4);
            self.store(Op::Sw, self.flags(Region::Scratch), number, at);
        }
        Ok(())
    }

    /// What a load of constants gives that no binding changes.
    fn constant(&self, at: Range, bytes: i64, op: Op) -> Option<u32> {
        let is_late = self.image.manifest.late.iter().any(|slot| {
            let offset = i64::from(slot.offset);
            at.0 < offset + 4 && at.0 + bytes > offset
        });
        if at.0 != at.1 || is_late {
            return None;
        }
        let start = usize::try_from(at.0).ok()?;
        let bytes = self.image.constants.get(start..start + bytes as usize)?;
        let bits = bytes
            .iter()
            .rev()
            .fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
        Some(match op {
            Op::Lb => bits as u8 as i8 as u32,
            Op::Lh => bits as u16 as i16 as u32,
            _ => bits,
        })
    }
}
