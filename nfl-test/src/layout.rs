//! How values lie in memory: keys and values of resources, `carried` memory, reports.
//!
//! In: a type. Out: its numbers in order, each with its place, and its size. Written from the contract
//! beside the compiler's own, so that a table filled by a test is one that a stranger could have filled:
//! components lie in order, each at its natural alignment (at most 4); numbers are little-endian in 1, 2,
//! 4 or 8 bytes; addresses lie in wire order, and so do components whose uses agree on it; a record larger than two bytes takes a multiple of 4.

use nfl_typeck::tables::TemplateId;
use nfl_typeck::ty::{Len, Ty, TyKind};
use nfl_typeck::{Bindings, Konst, Tables};

use crate::value::Value;
use crate::wire;

/// A number at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Bytes from the start of the value.
    pub offset: usize,
    /// How many bytes it takes.
    pub bytes: usize,
    /// Whether the most significant byte comes first.
    pub wire: bool,
}

impl Leaf {
    /// The number that lies here, if there are enough bytes.
    pub fn read(&self, bytes: &[u8]) -> Option<u128> {
        let place = bytes.get(self.offset..self.offset + self.bytes)?;
        let join = |n: u128, &byte: &u8| n << 8 | u128::from(byte);
        Some(if self.wire {
            place.iter().fold(0, join)
        } else {
            place.iter().rev().fold(0, join)
        })
    }

    /// Puts the low bits of a number here, if there are enough bytes.
    pub fn write(&self, bytes: &mut [u8], number: u128) -> Option<()> {
        let place = bytes.get_mut(self.offset..self.offset + self.bytes)?;
        if self.wire {
            place.copy_from_slice(&number.to_be_bytes()[16 - self.bytes..]);
        } else {
            place.copy_from_slice(&number.to_le_bytes()[..self.bytes]);
        }
        Some(())
    }
}

/// Where the numbers of a value lie.
#[derive(Clone, Default, Debug)]
pub struct Layout {
    /// The numbers in order.
    pub leaves: Vec<Leaf>,
    /// Bytes in all.
    pub size: usize,
}

/// Layouts of one instance, whose parameters say how long some arrays are.
#[derive(Clone, Copy, Debug)]
pub struct Layouts<'a> {
    /// The types.
    pub t: &'a Tables,
    /// The values of the parameters.
    pub bindings: &'a Bindings,
}

impl Layouts<'_> {
    /// Where the numbers of a type lie.
    pub fn of(self, ty: Ty) -> Layout {
        let mut layout = Layout::default();
        self.place(ty, &mut layout);
        if layout.size > 2 && matches!(self.t.types.kind(ty), TyKind::Record(_)) {
            layout.size = layout.size.next_multiple_of(4);
        }
        layout
    }

    /// How many elements an array has.
    pub fn count(self, len: Len) -> usize {
        match len {
            Len::Known(n) => n as usize,
            Len::Template(id) => self.template(id),
        }
    }

    fn template(self, id: TemplateId) -> usize {
        match &self.bindings.values[id] {
            Some(Konst::Int(n)) => usize::try_from(*n).unwrap_or(0),
            _ => 0,
        }
    }

    fn place(self, ty: Ty, layout: &mut Layout) {
        match self.t.types.kind(ty) {
            TyKind::Record(id) => {
                let align = self.alignment(ty);
                layout.size = layout.size.next_multiple_of(align);
                let start = layout.size;
                for component in &self.t.records[id].components {
                    let first = layout.leaves.len();
                    self.place(component.ty, layout);
                    for leaf in &mut layout.leaves[first..] {
                        leaf.wire |= component.wire;
                    }
                }
                if layout.size - start > 2 {
                    layout.size = start + (layout.size - start).next_multiple_of(align);
                }
            }
            TyKind::Array(elem, len) => {
                let (stride, count) = (self.of(elem).size, self.count(len));
                layout.size = layout.size.next_multiple_of(self.alignment(elem));
                let start = layout.size;
                for index in 0..count {
                    layout.size = start + index * stride;
                    self.place(elem, layout);
                }
                layout.size = start + count * stride;
            }
            TyKind::Prefix4 => (0..2).for_each(|_| leaf(layout, (4, 4), true)),
            TyKind::Prefix6 => (0..2).for_each(|_| leaf(layout, (16, 4), true)),
            _ => {
                let (bytes, align, wire) = self.number(ty);
                leaf(layout, (bytes, align), wire);
            }
        }
    }

    /// Bytes and alignment of a number, and whether it lies in wire order.
    fn number(self, ty: Ty) -> (usize, usize, bool) {
        match self.t.types.kind(ty) {
            TyKind::Ip4 => (4, 4, true),
            TyKind::Ip6 => (16, 4, true),
            TyKind::Mac => (6, 2, true),
            TyKind::FlowKey => (4, 4, false),
            _ => match self.t.types.bits(ty).unwrap_or(32) {
                0..=8 => (1, 1, false),
                9..=16 => (2, 2, false),
                17..=32 => (4, 4, false),
                _ => (8, 4, false),
            },
        }
    }

    fn alignment(self, ty: Ty) -> usize {
        match self.t.types.kind(ty) {
            TyKind::Record(id) => {
                let components = self.t.records[id].components.iter();
                components.map(|c| self.alignment(c.ty)).max().unwrap_or(1)
            }
            TyKind::Array(elem, _) => self.alignment(elem),
            TyKind::Prefix4 | TyKind::Prefix6 => 4,
            _ => self.number(ty).1,
        }
    }

    /// The bytes of a value, if it is one of this type.
    pub(crate) fn encode(self, ty: Ty, value: &Value) -> Option<Vec<u8>> {
        let layout = self.of(ty);
        let mut numbers = Vec::new();
        self.flatten(ty, value, &mut numbers)?;
        if numbers.len() != layout.leaves.len() {
            return None;
        }
        let mut bytes = vec![0; layout.size];
        for (leaf, number) in layout.leaves.iter().zip(numbers) {
            leaf.write(&mut bytes, number)?;
        }
        Some(bytes)
    }

    /// The value that lies in these bytes, if there are enough.
    pub(crate) fn decode(self, ty: Ty, bytes: &[u8]) -> Option<Value> {
        let leaves = self.of(ty).leaves;
        let numbers = leaves.iter().map(|leaf| leaf.read(bytes));
        let numbers = numbers.collect::<Option<Vec<u128>>>()?;
        self.gather(ty, &mut numbers.into_iter())
    }

    fn flatten(self, ty: Ty, value: &Value, into: &mut Vec<u128>) -> Option<()> {
        match (self.t.types.kind(ty), value) {
            (TyKind::Record(id), Value::Record(of, items)) if *of == id => {
                for (component, item) in self.t.records[id].components.iter().zip(items) {
                    self.flatten(component.ty, item, into)?;
                }
            }
            (TyKind::Array(elem, _), Value::Array(items)) => {
                for item in items {
                    self.flatten(elem, item, into)?;
                }
            }
            (TyKind::Prefix4, Value::Prefix4(address, len)) => {
                let host = u32::MAX.checked_shr(u32::from(*len)).unwrap_or(0);
                into.extend([u128::from(*address), u128::from(!host)]);
            }
            (TyKind::Prefix6, Value::Prefix6(address, len)) => {
                let host = u128::MAX.checked_shr(u32::from(*len)).unwrap_or(0);
                into.extend([*address, !host]);
            }
            _ => into.push(wire::bits_of(value)?),
        }
        Some(())
    }

    fn gather(self, ty: Ty, from: &mut impl Iterator<Item = u128>) -> Option<Value> {
        Some(match self.t.types.kind(ty) {
            TyKind::Record(id) => {
                let components = self.t.records[id].components.iter();
                let items = components.map(|c| self.gather(c.ty, from));
                Value::Record(id, items.collect::<Option<Vec<Value>>>()?)
            }
            TyKind::Array(elem, len) => {
                let items = (0..self.count(len)).map(|_| self.gather(elem, from));
                Value::Array(items.collect::<Option<Vec<Value>>>()?)
            }
            TyKind::Prefix4 => {
                let (address, mask) = (from.next()?, from.next()?);
                Value::Prefix4(address as u32, (mask as u32).leading_ones() as u8)
            }
            TyKind::Prefix6 => {
                let (address, mask) = (from.next()?, from.next()?);
                Value::Prefix6(address, mask.leading_ones() as u8)
            }
            _ => wire::value(self.t, from.next()?, ty),
        })
    }
}

fn leaf(layout: &mut Layout, (bytes, align): (usize, usize), wire: bool) {
    let offset = layout.size.next_multiple_of(align);
    layout.leaves.push(Leaf {
        offset,
        bytes,
        wire,
    });
    layout.size = offset + bytes;
}
