//! Bytes: header fields bit by bit, checksums from sums, `carried` memory.
//!
//! In: places and values. Out: values and changed bytes. Guaranteed: a store changes the bits of its
//! field and the checksums that cover them (RFC 1624 equation 3), and nothing else.

use nfl_typeck::tables::{CarriedId, Derived, Field, HeaderId};
use nfl_typeck::ty::{Ty, TyKind};

use super::{Eval, Run, Stop, Value, View, wrong};

/// A number of one's complement arithmetic.
const ONES: i128 = 0xffff;

impl Run<'_> {
    fn field_of(&self, header: HeaderId, field: u32) -> &Field {
        &self.t.headers[header].fields[field as usize]
    }

    /// The places of a field's bits in the packet, most significant first.
    fn places(&self, base: usize, field: &Field) -> Vec<usize> {
        let first = base * 8 + field.bit_offset as usize;
        let bits = field.bits as usize;
        // Numbers are, addresses are not: those have no order but that of their bytes.
        let number = matches!(
            self.t.types.kind(field.ty),
            TyKind::Unsigned(_) | TyKind::Signed(_) | TyKind::Port | TyKind::Group | TyKind::NodeId
        );
        let whole = field.bit_offset.is_multiple_of(8) && bits.is_multiple_of(8);
        if field.little_endian && number && whole {
            let bytes = bits / 8;
            let bit = |at: usize| first + (bytes - 1 - at / 8) * 8 + at % 8;
            return (0..bits).map(bit).collect();
        }
        (first..first + bits).collect()
    }

    /// Reads a field. What lies behind the packet is only asked for by a look ahead.
    pub(super) fn load(&self, header: HeaderId, base: usize, field: u32) -> Eval<Value> {
        let field = self.field_of(header, field);
        let mut number: u128 = 0;
        for place in self.places(base, field) {
            let Some(byte) = self.packet.get(place / 8) else {
                return Err(Stop::Malformed);
            };
            number = number << 1 | u128::from(byte >> (7 - place % 8) & 1);
        }
        Ok(self.value(number, field.ty))
    }

    /// The value of a type that has these bits.
    fn value(&self, number: u128, ty: Ty) -> Value {
        match self.t.types.kind(ty) {
            TyKind::Bool => Value::Bool(number & 1 == 1),
            TyKind::Ip6 => Value::Ip6(number),
            _ => Value::Int(self.wrap_plain(number as i128, ty)),
        }
    }

    fn wrap_plain(&self, number: i128, ty: Ty) -> i128 {
        let bits = self.t.types.bits(ty).unwrap_or(64);
        let low = number & ((1 << bits) - 1);
        if self.t.types.is_signed(ty) && low >> (bits - 1) == 1 {
            low - (1 << bits)
        } else {
            low
        }
    }

    fn bits_of(value: &Value) -> Eval<u128> {
        match value {
            Value::Bool(b) => Ok(u128::from(*b)),
            Value::Int(n) => Ok(*n as u128),
            Value::Ip6(n) => Ok(*n),
            other => wrong(format!("{other:?} is stored")),
        }
    }

    /// Assigns a field through a view.
    pub(super) fn store(&mut self, view: &View, field: u32, value: &Value) -> Eval<()> {
        let field = self.field_of(view.header, field).clone();
        let before = self.packet.clone();
        let number = Self::bits_of(value)?;
        let places = self.places(view.base, &field);
        let mut touched: Vec<usize> = places.iter().map(|place| place / 8).collect();
        touched.dedup();
        for (at, &place) in places.iter().rev().enumerate() {
            let Some(byte) = self.packet.get_mut(place / 8) else {
                return wrong("a store behind the packet");
            };
            let mask = 1 << (7 - place % 8);
            if number >> at & 1 == 1 {
                *byte |= mask;
            } else {
                *byte &= !mask;
            }
        }
        // From the inside out, because a checksum is itself covered by those around it.
        if matches!(self.t.types.kind(field.ty), TyKind::Ip4 | TyKind::Ip6) {
            let address = touched.clone();
            for transport in self.transports.clone() {
                if transport.fronts.last() == Some(&(view.header, view.base)) {
                    let place = (transport.header, transport.base);
                    let first = address[0];
                    let in_pseudo = |kind| kind == Derived::ChecksumWithPseudoHeader;
                    self.settle(place, in_pseudo, first, &address, &before, &mut touched)?;
                }
            }
        }
        let own = (view.header, view.base);
        let any = |kind| !matches!(kind, Derived::LengthAfter | Derived::LengthFrom);
        let stored = touched.clone();
        self.settle(own, any, view.base, &stored, &before, &mut touched)?;
        for &front in view.fronts.iter().rev() {
            let stored = touched.clone();
            self.settle(front, any, front.1, &stored, &before, &mut touched)?;
        }
        Ok(())
    }

    /// Brings the checksums of a header up to date after the bytes of `stored` have changed; words
    /// are counted from `origin`. The checksums' own bytes join `touched`.
    fn settle(
        &mut self,
        (header, base): (HeaderId, usize),
        covers: impl Fn(Derived) -> bool,
        origin: usize,
        stored: &[usize],
        before: &[u8],
        touched: &mut Vec<usize>,
    ) -> Eval<()> {
        let fields = self.t.headers[header].fields.clone();
        let end = self.end_of_header(header, base)?;
        let is_udp = self.sound.program().names.text(self.t.headers[header].name) == "Udp";
        for field in fields.iter().filter(|f| f.derived.is_some_and(&covers)) {
            let at = base + (field.bit_offset / 8) as usize;
            let old = i128::from(u16::from_be_bytes([before[at], before[at + 1]]));
            if is_udp && old == 0 {
                continue;
            }
            let odd = (at - base) % 2 == 1;
            let turn = |n: i128| {
                if odd {
                    i128::from((n as u16).swap_bytes())
                } else {
                    n
                }
            };
            // `Checksum.of` covers the header, the others everything behind its start as well.
            let of_header = field.derived == Some(Derived::ChecksumOf);
            let covered = |b: &&usize| !of_header || **b < end;
            let covered: Vec<usize> = stored.iter().filter(covered).copied().collect();
            let words = words_touched(&covered, origin);
            let sum = |bytes: &[u8]| -> i128 { words.iter().map(|&w| word(bytes, w)).sum() };
            let (was, is) = (sum(before), sum(&self.packet));
            // Equation 3 adds the complement of the old checksum, complements of old words and new
            // words. That sum is zero only if all of its parts are.
            let rest = ONES - turn(old);
            let all_zero = rest == 0 && words.iter().all(|&w| word(before, w) == ONES) && is == 0;
            let residue = (rest - was + is).rem_euclid(ONES);
            let folded = match (all_zero, residue) {
                (true, _) => 0,
                (false, 0) => ONES,
                (false, residue) => residue,
            };
            let mut new = turn(ONES - folded);
            if is_udp && new == 0 {
                new = ONES;
            }
            self.packet[at..at + 2].copy_from_slice(&(new as u16).to_be_bytes());
            touched.extend([at, at + 1]);
        }
        Ok(())
    }

    /// Reads an element of a `carried` field.
    pub(super) fn recall(&self, id: CarriedId, index: usize) -> Eval<Value> {
        let (elem, count) = self.elements(self.t.carried[id].ty);
        let size = self.stored_bytes(elem);
        let at = self.carried_at[&id] + index * size;
        match self.carried.get(at..at + size) {
            Some(bytes) if index < count => {
                let mut bytes = bytes.to_vec();
                if !self.stored_in_wire_order(elem) {
                    bytes.reverse();
                }
                let number = bytes
                    .iter()
                    .fold(0u128, |n, &byte| n << 8 | u128::from(byte));
                Ok(self.value(number, elem))
            }
            _ => wrong("an index lies outside of a `carried` array"),
        }
    }

    /// Assigns an element of a `carried` field.
    pub(super) fn remember(&mut self, id: CarriedId, index: usize, value: &Value) -> Eval<()> {
        let (elem, count) = self.elements(self.t.carried[id].ty);
        let size = self.stored_bytes(elem);
        let at = self.carried_at[&id] + index * size;
        let mut number = Self::bits_of(value)?.to_le_bytes();
        if self.stored_in_wire_order(elem) {
            number[..size].reverse();
        }
        match self.carried.get_mut(at..at + size) {
            Some(bytes) if index < count => bytes.copy_from_slice(&number[..size]),
            _ => return wrong("an index lies outside of a `carried` array"),
        }
        Ok(())
    }
}

/// The first bytes of the words that have a byte of `stored`, words counted from `origin`.
fn words_touched(stored: &[usize], origin: usize) -> Vec<usize> {
    let mut words: Vec<usize> = stored.iter().map(|&b| b - (b - origin) % 2).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The word at a place; what lies behind the packet counts as zero.
fn word(bytes: &[u8], at: usize) -> i128 {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    i128::from(u16::from_be_bytes([byte(at), byte(at + 1)]))
}
