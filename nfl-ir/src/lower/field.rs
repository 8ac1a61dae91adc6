//! Header fields: bits of the packet as numbers, and back.
//!
//! In: a view and a field. Out: loads and stores of whole bytes, swapped, shifted and masked.
//! Guaranteed: only bytes of the header's fixed part are touched, and every stored bit moves the
//! checksums that cover it.

use super::ssa::Place;
use super::{Lower, View};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_typeck::TyKind;
use nfl_typeck::tables::{Field, HeaderId};

/// Bits of a header: `[start, start + bits)` counted from its first byte's most significant bit.
#[derive(Clone, Copy)]
struct Bits {
    start: u32,
    bits: u32,
}

/// The bytes that are loaded to reach some bits: 1, 2 or 4 of them, inside the header.
#[derive(Clone, Copy)]
struct Container {
    byte: u32,
    bytes: u32,
    /// How far the bits lie above the container's least significant bit.
    shift: u32,
}

fn container(bits: Bits, fixed_bytes: u32) -> Option<Container> {
    let first = bits.start / 8;
    let last = (bits.start + bits.bits - 1) / 8;
    let span = last - first + 1;
    let (byte, bytes) = match span {
        1 | 2 | 4 => (first, span),
        3 if first + 4 <= fixed_bytes => (first, 4),
        3 if last >= 3 => (last - 3, 4),
        _ => return None,
    };
    Some(Container {
        byte,
        bytes,
        shift: (byte + bytes) * 8 - (bits.start + bits.bits),
    })
}

fn low_mask(bits: u32) -> u32 {
    if bits >= 32 {
        u32::MAX
    } else {
        (1 << bits) - 1
    }
}

impl Lower<'_, '_> {
    fn field(&self, header: HeaderId, field: u32) -> &Field {
        &self.image.sound.tables().headers[header].fields[field as usize]
    }

    /// How many bytes surely belong to a header.
    pub(super) fn fixed_bytes(&self, view: &View) -> u32 {
        let headers = &self.image.sound.tables().headers;
        let sizes = self.candidates(view).into_iter();
        let sizes = sizes.map(|c| headers[c.view.header].fixed_bytes);
        sizes.min().unwrap_or(0)
    }

    /// Bits of each word of a field, least significant word first, and whether they lie little-endian.
    fn field_words(&self, header: HeaderId, field: u32) -> (Vec<Bits>, bool) {
        let f = self.field(header, field);
        // Addresses are no numbers: their bytes have one order everywhere.
        let kind = self.image.sound.tables().types.kind(f.ty);
        let number = !matches!(kind, TyKind::Ip4 | TyKind::Ip6 | TyKind::Mac);
        let whole = f.bit_offset.is_multiple_of(8) && f.bits.is_multiple_of(8);
        let little = f.little_endian && number && whole;
        let mut words = Vec::new();
        let mut rest = f.bits;
        let mut low_byte_first = f.bit_offset;
        while rest > 0 {
            let bits = rest.min(32);
            rest -= bits;
            words.push(Bits {
                start: if little {
                    low_byte_first
                } else {
                    f.bit_offset + rest
                },
                bits,
            });
            low_byte_first += bits;
        }
        (words, little)
    }

    /// First bit and width of each piece of a field, least significant piece first, and whether they lie
    /// little-endian.
    pub(super) fn field_bits(&self, header: HeaderId, field: u32) -> (Vec<(u32, u32)>, bool) {
        let (words, little) = self.field_words(header, field);
        (words.iter().map(|b| (b.start, b.bits)).collect(), little)
    }

    /// The value of a field.
    pub(super) fn load_field(&mut self, view: &View, field: u32) -> Vec<Value> {
        let (words, little) = self.field_words(view.header, field);
        words
            .into_iter()
            .map(|bits| self.load_bits(view, bits, little))
            .collect()
    }

    fn load_bits(&mut self, view: &View, bits: Bits, little: bool) -> Value {
        if little && bits.bits == 24 {
            // No load has three bytes: two, and the one above them.
            let place = view.base.plus(bits.start / 8);
            let low = self.b.load(Region::Packet, 2, place);
            let high = self.b.load(Region::Packet, 1, place.plus(2));
            let high = self.b.op2c(Op::Shl, high, 16, 24);
            return self.b.op2(Op::Or, low, high, 24);
        }
        let Some(c) = container(bits, self.fixed_bytes(view)) else {
            return self.load_split(view, bits);
        };
        let raw = self.b.load(Region::Packet, c.bytes, view.base.plus(c.byte));
        let mut value = if little {
            raw
        } else {
            self.b.swap(raw, c.bytes)
        };
        let above = c.bytes * 8 - bits.bits - c.shift;
        if c.shift > 0 {
            value = self
                .b
                .op2c(Op::Shr, value, c.shift, (c.bytes * 8 - c.shift) as u8);
        }
        if above > 0 {
            value = self
                .b
                .op2c(Op::And, value, low_mask(bits.bits), bits.bits as u8);
        }
        value
    }

    /// Bits that no container of four bytes holds: the last eight apart.
    fn load_split(&mut self, view: &View, bits: Bits) -> Value {
        let high = self.load_bits(
            view,
            Bits {
                start: bits.start,
                bits: bits.bits - 8,
            },
            false,
        );
        let low = self.load_bits(
            view,
            Bits {
                start: bits.start + bits.bits - 8,
                bits: 8,
            },
            false,
        );
        let high = self.b.op2c(Op::Shl, high, 8, bits.bits as u8);
        self.b.op2(Op::Or, high, low, bits.bits as u8)
    }

    /// Assigns a field and moves the checksums that cover it; `transport` has an address in its
    /// pseudo-header.
    pub(super) fn store_field(
        &mut self,
        view: &View,
        field: u32,
        transport: Option<View>,
        value: &[Value],
    ) {
        let (start, bits) = (
            self.field(view.header, field).bit_offset,
            self.field(view.header, field).bits,
        );
        let first = start / 8;
        let end = (start + bits).div_ceil(8);
        let pairs = self.with_checksums(view, transport, first, end);
        self.write_field(view, field, value);
        self.settle(pairs);
    }

    /// Writes a field without a thought to checksums.
    pub(super) fn write_field(&mut self, view: &View, field: u32, value: &[Value]) {
        let (words, little) = self.field_words(view.header, field);
        for (bits, &word) in words.into_iter().zip(value) {
            self.store_bits(view, bits, little, word);
        }
    }

    fn store_bits(&mut self, view: &View, bits: Bits, little: bool, value: Value) {
        if little && bits.bits == 24 {
            let place = view.base.plus(bits.start / 8);
            self.b.store(Region::Packet, 2, place, value);
            let high = self.b.op2c(Op::Shr, value, 16, 8);
            return self.b.store(Region::Packet, 1, place.plus(2), high);
        }
        let Some(c) = container(bits, self.fixed_bytes(view)) else {
            let high = self.b.op2c(Op::Shr, value, 8, (bits.bits - 8) as u8);
            let low = self.b.op2c(Op::And, value, 0xff, 8);
            self.store_bits(
                view,
                Bits {
                    start: bits.start,
                    bits: bits.bits - 8,
                },
                false,
                high,
            );
            self.store_bits(
                view,
                Bits {
                    start: bits.start + bits.bits - 8,
                    bits: 8,
                },
                false,
                low,
            );
            return;
        };
        let place: Place = view.base.plus(c.byte);
        let mut word = value;
        if c.shift > 0 {
            word = self
                .b
                .op2c(Op::Shl, word, c.shift, (bits.bits + c.shift) as u8);
        }
        if bits.bits < c.bytes * 8 {
            let keep = !(low_mask(bits.bits) << c.shift) & low_mask(c.bytes * 8);
            let raw = self.b.load(Region::Packet, c.bytes, place);
            let old = self.b.swap(raw, c.bytes);
            let kept = self.b.op2c(Op::And, old, keep, (c.bytes * 8) as u8);
            word = self.b.op2(Op::Or, kept, word, (c.bytes * 8) as u8);
        }
        let wire = if little {
            word
        } else {
            self.b.swap(word, c.bytes)
        };
        self.b.store(Region::Packet, c.bytes, place, wire);
    }
}
