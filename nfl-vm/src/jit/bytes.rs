//! Bytes that are moved one by one, as one move.
//!
//! In: numbers that instructions compute, and where loaded ones come from. Out: for each what its bytes are: bytes of another
//! number, or zero. Guaranteed: a number that is another with its bytes reversed is made by one instruction, and one that is put
//! together from neighbouring bytes of memory by one load of bytes that were all loaded since memory changed last.
//!
//! Instruction sets without a reversal of bytes write one as a dozen shifts, and fields that lie anywhere as one load for each
//! byte. The host does better; whatever is not used any more is thrown out by the code generator.

use std::collections::BTreeMap;

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use nfl_isa::Op;
use nfl_verify::Range;

use super::translate::Translator;

/// What a byte of a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Byte {
    Zero,
    /// The byte of another number, counted from the lowest.
    Of(Value, u8),
    /// Something that one byte does not say.
    Mixed,
}

/// A byte of memory that was loaded.
#[derive(Clone, Copy, Debug)]
struct Loaded {
    base: Value,
    at: i32,
    flags: MemFlagsData,
    /// How often memory had changed.
    epoch: u32,
}

/// What is known of the bytes of numbers.
#[derive(Default)]
pub(super) struct Bytes {
    known: BTreeMap<Value, [Byte; 4]>,
    loads: BTreeMap<Value, Loaded>,
    epoch: u32,
}

impl Bytes {
    /// Memory may have changed since, or control come from elsewhere.
    pub(super) fn forget_loads(&mut self) {
        self.epoch += 1;
    }

    /// A number was loaded from so many bytes, without a sign.
    pub(super) fn note_load(
        &mut self,
        value: Value,
        bytes: usize,
        base: (Value, i32),
        flags: MemFlagsData,
    ) {
        let of = |n: usize| {
            if n < bytes {
                Byte::Of(value, n as u8)
            } else {
                Byte::Zero
            }
        };
        self.known.insert(value, std::array::from_fn(of));
        let epoch = self.epoch;
        let (base, at) = base;
        self.loads.insert(
            value,
            Loaded {
                base,
                at,
                flags,
                epoch,
            },
        );
    }

    pub(super) fn of(&self, value: Value) -> [Byte; 4] {
        let known = self.known.get(&value).copied();
        known.unwrap_or_else(|| std::array::from_fn(|n| Byte::Of(value, n as u8)))
    }
}

impl Translator<'_, '_> {
    /// The result of an operation whose operands were `x` and `y`, or a shorter way to it.
    pub(super) fn shortened(
        &mut self,
        op: Op,
        x: Value,
        (y, range): (Value, Range),
        result: Value,
    ) -> Value {
        let known = (range.0 == range.1).then_some(range.0);
        let Some(bytes) = moved(op, self.bytes.of(x), self.bytes.of(y), known) else {
            return result;
        };
        self.bytes.known.insert(result, bytes);
        if !matches!(op, Op::Or | Op::Add | Op::Xor) {
            return result;
        }
        let shorter = self.reversed(bytes).or_else(|| self.loaded(bytes));
        if let Some(shorter) = shorter {
            self.bytes.known.insert(shorter, bytes);
        }
        shorter.unwrap_or(result)
    }

    /// All four bytes of a number in the other order, or the low two.
    fn reversed(&mut self, bytes: [Byte; 4]) -> Option<Value> {
        let Byte::Of(source, _) = bytes[0] else {
            return None;
        };
        let of = |n| Byte::Of(source, n);
        if bytes == [of(3), of(2), of(1), of(0)] {
            return Some(self.b.ins().bswap(source));
        }
        if bytes == [of(1), of(0), Byte::Zero, Byte::Zero] {
            return Some(self.swapped(source));
        }
        None
    }

    /// Neighbouring bytes of memory, in either order.
    fn loaded(&mut self, bytes: [Byte; 4]) -> Option<Value> {
        let many = match bytes {
            [Byte::Of(..), Byte::Of(..), Byte::Zero, Byte::Zero] => 2,
            [Byte::Of(..), Byte::Of(..), Byte::Of(..), Byte::Of(..)] => 4,
            _ => return None,
        };
        let mut places = [0; 4];
        let mut first: Option<Loaded> = None;
        for (place, byte) in places.iter_mut().zip(bytes).take(many) {
            let Byte::Of(value, n) = byte else {
                return None;
            };
            let load = *self.bytes.loads.get(&value)?;
            let of = *first.get_or_insert(load);
            if load.epoch != self.bytes.epoch || load.base != of.base || load.flags != of.flags {
                return None;
            }
            *place = load.at.checked_add(i32::from(n))?;
        }
        let Loaded { base, flags, .. } = first?;
        let places = &places[..many];
        let rises = places.is_sorted_by(|a, b| a + 1 == *b);
        let falls = places.is_sorted_by(|a, b| a - 1 == *b);
        let at = *places.iter().min()?;
        if !rises && !falls {
            return None;
        }
        let loaded = match many {
            2 => self.b.ins().uload16(I64, flags, base, at),
            _ => self.b.ins().uload32(flags, base, at),
        };
        let loaded = self.narrow(loaded);
        Some(match (rises, many) {
            (true, _) => loaded,
            (false, 2) => self.swapped(loaded),
            (false, _) => self.b.ins().bswap(loaded),
        })
    }

    /// The low two bytes of a number in the other order. Of all four it is one instruction that leaves none of a register as it was.
    fn swapped(&mut self, number: Value) -> Value {
        let swapped = self.b.ins().bswap(number);
        self.b.ins().ushr_imm_u(swapped, 16)
    }
}

/// The bytes of a result, where the operation moves whole bytes. The second operand may be known.
fn moved(op: Op, x: [Byte; 4], y: [Byte; 4], known: Option<i64>) -> Option<[Byte; 4]> {
    let whole_bytes = |amount: i64| (amount % 8 == 0).then_some((amount & 31) as usize / 8);
    Some(match op {
        Op::Slli | Op::Sll => {
            let by = whole_bytes(known?)?;
            std::array::from_fn(|n| n.checked_sub(by).map_or(Byte::Zero, |n| x[n]))
        }
        Op::Srli | Op::Srl => {
            let by = whole_bytes(known?)?;
            std::array::from_fn(|n| x.get(n + by).copied().unwrap_or(Byte::Zero))
        }
        Op::Andi | Op::And => {
            let mask = (known? as u32).to_le_bytes();
            std::array::from_fn(|n| match mask[n] {
                0 => Byte::Zero,
                0xff => x[n],
                _ => Byte::Mixed,
            })
        }
        Op::Zexth => [x[0], x[1], Byte::Zero, Byte::Zero],
        Op::Or | Op::Add | Op::Xor => {
            let joined = |n: usize| match (x[n], y[n]) {
                (byte, Byte::Zero) | (Byte::Zero, byte) => Some(byte),
                _ => None,
            };
            [joined(0)?, joined(1)?, joined(2)?, joined(3)?]
        }
        _ => return None,
    })
}
