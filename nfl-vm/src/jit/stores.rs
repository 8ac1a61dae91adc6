//! Bytes of one number that are stored one by one, as one store.
//!
//! In: stores of single bytes, in order, and what else may see memory. Out: for neighbouring bytes of one number one store in
//! the place of the last. Guaranteed: nothing that reads or writes memory lies between the stores that become one.

use cranelift_codegen::ir::types::I16;
use cranelift_codegen::ir::{Inst, InstBuilder, MemFlagsData, Value};

use super::bytes::Byte;
use super::translate::Translator;

/// A byte that was stored, and by which instruction.
#[derive(Clone, Copy)]
struct Stored {
    inst: Inst,
    base: Value,
    at: i32,
    flags: MemFlagsData,
    /// The number that it is a byte of, and which, from the lowest.
    of: (Value, u8),
}

/// The bytes that were stored since anything else saw memory.
#[derive(Default)]
pub(super) struct Stores(Vec<Stored>);

impl Stores {
    /// Memory is seen, or control comes from elsewhere.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Translator<'_, '_> {
    /// The low byte of a number was stored.
    pub(super) fn note_store(
        &mut self,
        inst: Inst,
        value: Value,
        (base, at): (Value, i32),
        flags: MemFlagsData,
    ) {
        let Byte::Of(source, n) = self.bytes.of(value)[0] else {
            self.stores.forget();
            return;
        };
        self.stores.0.push(Stored {
            inst,
            base,
            at,
            flags,
            of: (source, n),
        });
        if !self.join::<4>() {
            self.join::<2>();
        }
    }

    /// Makes one store of the last few if they are neighbours; answers whether they were.
    fn join<const N: usize>(&mut self) -> bool {
        let Some((before, &last)) = self.stores.0.split_last_chunk::<N>() else {
            return false;
        };
        // What has one store already stays together.
        if before
            .last()
            .is_some_and(|stored| stored.inst == last[0].inst)
        {
            return false;
        }
        let mut bytes = last;
        bytes.sort_by_key(|stored| stored.at);
        let Stored {
            base,
            at,
            flags,
            of,
            ..
        } = bytes[0];
        let is_next = |n: usize, stored: &Stored| {
            stored.at == at.wrapping_add(n as i32)
                && (stored.base, stored.flags, stored.of.0) == (base, flags, of.0)
        };
        let along = |n: usize, stored: &Stored| usize::from(stored.of.1) == usize::from(of.1) + n;
        let against = |n: usize, stored: &Stored| usize::from(stored.of.1) + n == usize::from(of.1);
        let all =
            |is: &dyn Fn(usize, &Stored) -> bool| bytes.iter().enumerate().all(|(n, s)| is(n, s));
        let is_reversed = all(&against);
        if !all(&is_next) || !(is_reversed || all(&along)) {
            return false;
        }
        let inst = match (N, is_reversed) {
            (4, false) => self.b.ins().store(flags, of.0, base, at),
            (4, true) => {
                let value = self.b.ins().bswap(of.0);
                self.b.ins().store(flags, value, base, at)
            }
            _ => {
                let lowest = bytes.iter().map(|stored| stored.of.1).min().unwrap_or(0);
                let value = self.b.ins().ushr_imm_u(of.0, i64::from(lowest) * 8);
                let mut value = self.b.ins().ireduce(I16, value);
                if is_reversed {
                    value = self.b.ins().bswap(value);
                }
                self.b.ins().store(flags, value, base, at)
            }
        };
        let first = self.stores.0.len() - N;
        for stored in &mut self.stores.0[first..] {
            let before = std::mem::replace(&mut stored.inst, inst);
            // Two bytes may have had one store already.
            if self.b.func.layout.inst_block(before).is_some() {
                self.b.func.layout.remove_inst(before);
            }
        }
        true
    }
}
