//! Bytes: header fields bit by bit, and sums.
//!
//! In: bytes and places. Out: values and changed bytes. Guaranteed: a store changes the bits of its
//! field and nothing else; what lies behind the packet is not there.

use nfl_typeck::Tables;
use nfl_typeck::tables::{Field, HeaderId};
use nfl_typeck::ty::{Ty, TyKind};

use crate::value::Value;

/// The places of a field's bits, most significant first.
fn places(t: &Tables, base: usize, field: &Field) -> Vec<usize> {
    let first = base * 8 + field.bit_offset as usize;
    let bits = field.bits as usize;
    // Numbers are, addresses are not: those have no order but that of their bytes.
    let number = !matches!(
        t.types.kind(field.ty),
        TyKind::Ip4 | TyKind::Ip6 | TyKind::Mac
    );
    let whole = field.bit_offset.is_multiple_of(8) && bits.is_multiple_of(8);
    if field.little_endian && number && whole {
        let bytes = bits / 8;
        let bit = |at: usize| first + (bytes - 1 - at / 8) * 8 + at % 8;
        return (0..bits).map(bit).collect();
    }
    (first..first + bits).collect()
}

/// Reads a field, if all of it is there.
pub(crate) fn load(
    t: &Tables,
    bytes: &[u8],
    header: HeaderId,
    base: usize,
    field: u32,
) -> Option<Value> {
    let field = &t.headers[header].fields[field as usize];
    let mut number: u128 = 0;
    for place in places(t, base, field) {
        let byte = bytes.get(place / 8)?;
        number = number << 1 | u128::from(byte >> (7 - place % 8) & 1);
    }
    Some(value(t, number, field.ty))
}

/// The value of a type that has these bits.
pub(crate) fn value(t: &Tables, number: u128, ty: Ty) -> Value {
    match t.types.kind(ty) {
        TyKind::Bool => Value::Bool(number & 1 == 1),
        TyKind::Ip6 => Value::Ip6(number),
        _ => Value::Int(crate::number::wrap(
            &t.types,
            (number & u128::from(u64::MAX)) as i128,
            ty,
        )),
    }
}

/// The bits of a value, if it is one that can be stored.
pub(crate) fn bits_of(value: &Value) -> Option<u128> {
    match value {
        Value::Bool(b) => Some(u128::from(*b)),
        Value::Int(n) => Some(*n as u128),
        Value::Ip6(n) => Some(*n),
        _ => None,
    }
}

/// Writes a field; bits that lie behind the bytes are lost.
pub(crate) fn store(
    t: &Tables,
    bytes: &mut [u8],
    header: HeaderId,
    base: usize,
    field: u32,
    number: u128,
) {
    let field = &t.headers[header].fields[field as usize];
    let places = places(t, base, field);
    for (at, &place) in places.iter().rev().enumerate() {
        let Some(byte) = bytes.get_mut(place / 8) else {
            continue;
        };
        let mask = 1 << (7 - place % 8);
        if number >> at & 1 == 1 {
            *byte |= mask;
        } else {
            *byte &= !mask;
        }
    }
}

/// The ones'-complement sum of bytes (RFC 1071), not complemented.
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let mut total: u64 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            total += u64::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}
