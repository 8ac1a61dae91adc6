//! How values lie in memory: keys and values of tables, `carried` memory, constants, local arrays,
//! reports.
//!
//! In: a type. Out: its [`Layout`]: the numbers in it, in the order of their words, and its size.
//! Components lie in order, each at its natural alignment (at most 4). Numbers are little-endian in
//! 1, 2, 4 or 8 bytes, but for components that the checker found to be better off in wire order (`u16be`);
//! addresses lie in wire order (4, 16 and 6 bytes); prefixes are network and mask.
//! A record larger than two bytes takes a multiple of 4 in all. The layout has a text, which says the
//! same to those that fill tables, and whose CRC-32C tells one layout from another.

use super::ImageState;
use super::value::Memory;
use nfl_typeck::tables::Konst;
use nfl_typeck::{Ty, TyKind};

/// A number at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scalar {
    /// Bytes from the start of the value.
    pub(super) offset: u32,
    /// How many bytes it takes.
    pub(super) bytes: u32,
    /// How many of its bits are used.
    pub(super) bits: u32,
    /// Whether the most significant byte comes first.
    pub(super) wire: bool,
}

/// Where the numbers of a value lie.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Layout {
    /// The numbers in order.
    pub(super) scalars: Vec<Scalar>,
    /// Bytes in all.
    pub(super) size: u32,
    /// Alignment of the whole.
    pub(super) align: u32,
    /// The components for people: `src:ip4@0 port:u16@4`.
    pub(super) text: String,
}

impl ImageState<'_> {
    /// How values of a type lie in memory.
    pub(super) fn layout(&self, ty: Ty) -> Layout {
        let mut layout = Layout {
            align: 1,
            ..Layout::default()
        };
        let mut parts = Vec::new();
        self.place(ty, "", &mut layout, &mut parts);
        // What a value of one or two bytes takes is a power of two already.
        if layout.size > 2 && self.is_whole(ty) {
            layout.size = layout.size.next_multiple_of(4);
        }
        layout.text = parts.join(" ");
        layout
    }

    /// How a value lies at its place.
    pub(super) fn layout_at(&self, memory: &Memory) -> Layout {
        let mut layout = self.layout(memory.ty);
        for scalar in &mut layout.scalars {
            scalar.wire |= memory.wire;
        }
        layout
    }

    /// Whether a value of this type is rounded up to whole words: records are.
    fn is_whole(&self, ty: Ty) -> bool {
        matches!(self.sound.tables().types.kind(ty), TyKind::Record(_))
    }

    fn place(&self, ty: Ty, name: &str, layout: &mut Layout, parts: &mut Vec<String>) {
        let tables = self.sound.tables();
        match tables.types.kind(ty) {
            TyKind::Record(id) => {
                let names = &self.sound.program().names;
                // A record starts where its widest component may.
                let own = self.alignment(ty);
                layout.size = layout.size.next_multiple_of(own);
                layout.align = layout.align.max(own);
                let start = layout.size;
                for component in &tables.records[id].components {
                    let text = names.text(component.name);
                    let path = if name.is_empty() {
                        text.to_string()
                    } else {
                        format!("{name}.{text}")
                    };
                    if component.wire {
                        let ((bytes, bits, _, align), text) =
                            self.number(component.ty, tables.types.kind(component.ty));
                        let shape = (bytes, bits, true, align);
                        scalar(layout, parts, shape, &path, &format!("{text}be"));
                    } else {
                        self.place(component.ty, &path, layout, parts);
                    }
                }
                if layout.size - start > 2 {
                    layout.size = start + (layout.size - start).next_multiple_of(own);
                }
            }
            TyKind::Array(..) => {
                let (elem, count) = self.elements(ty);
                let stride = self.stride(elem);
                let own = self.alignment(elem);
                layout.size = layout.size.next_multiple_of(own);
                layout.align = layout.align.max(own);
                let start = layout.size;
                for i in 0..count {
                    layout.size = start + i * stride;
                    self.place(elem, &format!("{name}[{i}]"), layout, parts);
                }
                layout.size = start + count * stride;
            }
            TyKind::Prefix4 => {
                for half in ["net", "mask"] {
                    scalar(
                        layout,
                        parts,
                        (4, 32, true, 4),
                        &format!("{name}.{half}"),
                        "ip4",
                    );
                }
            }
            TyKind::Prefix6 => {
                for half in ["net", "mask"] {
                    let shape = (16, 128, true, 4);
                    scalar(layout, parts, shape, &format!("{name}.{half}"), "ip6");
                }
            }
            kind => {
                let (shape, text) = self.number(ty, kind);
                scalar(layout, parts, shape, name, &text);
            }
        }
    }

    /// Bytes, bits, wire order and alignment of a number, and its type for people.
    fn number(&self, ty: Ty, kind: TyKind) -> ((u32, u32, bool, u32), String) {
        match kind {
            TyKind::Ip4 => ((4, 32, true, 4), "ip4".to_string()),
            TyKind::Ip6 => ((16, 128, true, 4), "ip6".to_string()),
            TyKind::Mac => ((6, 48, true, 2), "mac".to_string()),
            TyKind::FlowKey => ((4, 32, false, 4), "flow".to_string()),
            _ => {
                let w = self.width(ty);
                let bytes = match w.bits {
                    0..=8 => 1,
                    9..=16 => 2,
                    17..=32 => 4,
                    _ => 8,
                };
                let text = match kind {
                    TyKind::Bool => "bool".to_string(),
                    _ if w.signed => format!("i{}", w.bits),
                    _ => format!("u{}", w.bits),
                };
                ((bytes, w.bits, false, bytes.min(4)), text)
            }
        }
    }

    /// Where values of a type may begin.
    pub(super) fn alignment(&self, ty: Ty) -> u32 {
        let tables = self.sound.tables();
        match tables.types.kind(ty) {
            TyKind::Record(id) => {
                let components = tables.records[id].components.iter();
                components.map(|c| self.alignment(c.ty)).max().unwrap_or(1)
            }
            TyKind::Array(..) => self.alignment(self.elements(ty).0),
            TyKind::Prefix4 | TyKind::Prefix6 => 4,
            kind => self.number(ty, kind).0.3,
        }
    }

    /// Bytes from one element of an array to the next.
    pub(super) fn stride(&self, elem: Ty) -> u32 {
        self.layout(elem).size
    }

    /// Whether the numbers of a type fill all its bytes.
    pub(super) fn is_packed(&self, ty: Ty) -> bool {
        let layout = self.layout(ty);
        layout.size == layout.scalars.iter().map(|s| s.bytes).sum::<u32>()
    }

    /// Bytes from the start of a record to a component.
    pub(super) fn offset_of(&self, record: nfl_typeck::tables::RecordId, index: usize) -> u32 {
        let components = &self.sound.tables().records[record].components;
        let mut layout = Layout {
            align: 1,
            ..Layout::default()
        };
        for component in &components[..index] {
            self.place(component.ty, "", &mut layout, &mut Vec::new());
        }
        layout
            .size
            .next_multiple_of(self.alignment(components[index].ty))
    }

    /// The bytes of a constant.
    pub(super) fn bytes_of(&self, konst: Option<&Konst>, ty: Ty) -> Vec<u8> {
        let layout = self.layout(ty);
        let mut bytes = vec![0; layout.size as usize];
        let mut numbers = Vec::new();
        if let Some(konst) = konst {
            self.numbers_of(konst, ty, &mut numbers);
        }
        for (scalar, number) in layout.scalars.iter().zip(numbers) {
            let at = scalar.offset as usize;
            let len = scalar.bytes as usize;
            let little = number.to_le_bytes();
            for i in 0..len {
                let from = if scalar.wire { len - 1 - i } else { i };
                bytes[at + i] = little[from];
            }
        }
        bytes
    }

    /// The numbers of a constant in the order of its layout.
    pub(super) fn numbers_of(&self, konst: &Konst, ty: Ty, numbers: &mut Vec<u128>) {
        let tables = self.sound.tables();
        match konst {
            Konst::Record(id, values) => {
                let components = &tables.records[*id].components;
                for (component, value) in components.iter().zip(values) {
                    self.numbers_of(value, component.ty, numbers);
                }
            }
            Konst::Array(items) => {
                let (elem, count) = self.elements(ty);
                for item in items.iter().take(count as usize) {
                    self.numbers_of(item, elem, numbers);
                }
            }
            Konst::Prefix4 { addr, len } => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*len)).unwrap_or(0);
                numbers.extend([u128::from(*addr), u128::from(mask)]);
            }
            Konst::Prefix6 { addr, len } => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*len)).unwrap_or(0);
                numbers.extend([*addr, mask]);
            }
            other => {
                let bits = super::bits_of(other);
                let kind = tables.types.kind(ty);
                let width = match kind {
                    TyKind::Reason | TyKind::Layer => 8,
                    _ => tables.types.bits(ty).unwrap_or(128),
                };
                numbers.push(bits & (u128::MAX >> (128 - width.clamp(1, 128))));
            }
        }
    }
}

/// Adds a number of so many bytes and bits at the next place where it may lie.
fn scalar(
    layout: &mut Layout,
    parts: &mut Vec<String>,
    (bytes, bits, wire, align): (u32, u32, bool, u32),
    name: &str,
    ty: &str,
) {
    let offset = layout.size.next_multiple_of(align);
    layout.scalars.push(Scalar {
        offset,
        bytes,
        bits,
        wire,
    });
    layout.size = offset + bytes;
    layout.align = layout.align.max(align);
    let name = if name.is_empty() { "value" } else { name };
    parts.push(format!("{name}:{ty}@{offset}"));
}
