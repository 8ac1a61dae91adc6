//! Memory layout: how a value lies in tables, reports and constants.
//!
//! In: a type. Out: its [`Layout`], one part for each number or address in it. Guaranteed: the parts
//! stand in the order of the value's words, without overlap, each at its natural alignment, which is
//! its size up to 4 (addresses: `Ip4` and `Ip6` 4, `Mac` 2). Numbers are little-endian in 1, 2, 4 or
//! 8 bytes, addresses in wire order, enums as their numbers, booleans one byte, nested records in
//! place, arrays element by element. Sizes above 2 bytes are rounded up to a multiple of 4.

use super::number::Width;
use super::ssa::Place;
use super::{ImageState, Lower, stored_bytes};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_typeck::{Ty, TyKind};

/// How the parts of a value lie in memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Layout {
    pub(super) parts: Vec<Part>,
    pub(super) bytes: u32,
    pub(super) align: u32,
}

/// A number or address in a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// Its name with those of the records around it; empty for a value that is no record.
    pub(super) path: String,
    /// Its type's name.
    pub(super) ty: String,
    /// Its first byte.
    pub(super) offset: u32,
    /// How many bytes it takes.
    pub(super) bytes: u32,
    /// Its number.
    pub(super) width: Width,
    /// Whether the most significant byte comes first.
    pub(super) wire: bool,
}

/// Bytes of one word of a part, in memory order: the first lies at `offset`.
struct Piece {
    offset: u32,
    bytes: u32,
    word: usize,
    wire: bool,
}

impl Part {
    /// The part word by word, in the order of its words.
    fn pieces(&self) -> Vec<Piece> {
        (0..self.width.words())
            .map(|word| {
                let before = 4 * word as u32;
                let bytes = (self.bytes - before).min(4);
                let offset = if self.wire {
                    self.offset + self.bytes - before - bytes
                } else {
                    self.offset + before
                };
                Piece {
                    offset,
                    bytes,
                    word,
                    wire: self.wire,
                }
            })
            .collect()
    }
}

impl Layout {
    /// The layout as text: `src:ip4@0 port:u16@4`.
    pub(super) fn text(&self) -> String {
        let part = |p: &Part| format!("{}:{}@{}", p.path, p.ty, p.offset);
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        parts.join(" ")
    }

    fn push(&mut self, align: u32, part: Part) {
        self.align = self.align.max(align);
        let offset = self.bytes.next_multiple_of(align);
        self.bytes = offset + part.bytes;
        self.parts.push(Part { offset, ..part });
    }
}

impl ImageState<'_> {
    /// How values of a type lie in memory.
    pub(super) fn layout(&self, ty: Ty) -> Layout {
        let mut layout = Layout::default();
        self.lay_out(ty, "", &mut layout);
        if layout.bytes > 2 {
            layout.bytes = layout.bytes.next_multiple_of(4);
        }
        layout
    }

    fn lay_out(&self, ty: Ty, path: &str, layout: &mut Layout) {
        let tables = self.sound.tables();
        let join = |name: &str| match path {
            "" => name.to_string(),
            _ => format!("{path}.{name}"),
        };
        match tables.types.kind(ty) {
            TyKind::Record(record) => {
                for component in &tables.records[record].components {
                    let name = self.sound.program().names.text(component.name);
                    self.lay_out(component.ty, &join(name), layout);
                }
            }
            TyKind::Array(..) => {
                let (elem, count) = self.elements(ty);
                for index in 0..count {
                    self.lay_out(elem, &format!("{path}[{index}]"), layout);
                }
            }
            kind => {
                let width = self.width(ty);
                let (bytes, align, wire) = match kind {
                    TyKind::Ip4 => (4, 4, true),
                    TyKind::Ip6 => (16, 4, true),
                    TyKind::Mac => (6, 2, true),
                    _ => {
                        let bytes = stored_bytes(width.bits);
                        (bytes, bytes.min(4), false)
                    }
                };
                let part = Part {
                    path: path.to_string(),
                    ty: self.part_type(ty),
                    offset: 0,
                    bytes,
                    width,
                    wire,
                };
                layout.push(align, part);
            }
        }
    }

    /// The name of a number or address in a layout's text.
    fn part_type(&self, ty: Ty) -> String {
        let tables = self.sound.tables();
        match tables.types.kind(ty) {
            TyKind::FlowKey => "flow".to_string(),
            TyKind::Enum(id, _) => {
                let consts = tables.enums[id].consts.iter();
                let names = &self.sound.program().names;
                let all: Vec<String> = consts
                    .map(|(name, number)| format!("{}={number}", names.text(*name)))
                    .collect();
                format!("enum({})", all.join(","))
            }
            _ => {
                let names = &self.sound.program().names;
                let headers = &tables.headers;
                let shown = tables.types.show(ty, names, &|header| headers[header].name);
                shown.to_lowercase()
            }
        }
    }

    /// The bytes of arguments of `hash`: one after another, each in wire order as whole bytes.
    pub(super) fn hashed(&self, types: &[Ty]) -> Layout {
        let mut layout = Layout::default();
        for &ty in types {
            for part in self.layout(ty).parts {
                let bytes = part.width.bits.div_ceil(8);
                layout.push(
                    1,
                    Part {
                        bytes,
                        wire: true,
                        ..part
                    },
                );
            }
        }
        layout
    }
}

impl Lower<'_, '_> {
    /// The bytes of a value as words in memory order, least significant byte first.
    pub(super) fn pack(&mut self, layout: &Layout, words: &[Value]) -> Vec<Value> {
        let zero = self.b.constant(0);
        let mut packed: Vec<Option<Value>> = vec![None; layout.bytes.div_ceil(4) as usize];
        let mut rest = words;
        for part in &layout.parts {
            let (own, others) = rest.split_at(part.width.words().min(rest.len()));
            rest = others;
            for piece in part.pieces() {
                let Some(&word) = own.get(piece.word) else {
                    continue;
                };
                let word = if piece.wire {
                    self.reversed(word, piece.bytes)
                } else {
                    word
                };
                self.put_piece(&mut packed, &piece, word);
            }
        }
        packed.into_iter().map(|w| w.unwrap_or(zero)).collect()
    }

    /// The low `bytes` bytes in the other order.
    fn reversed(&mut self, word: Value, bytes: u32) -> Value {
        match bytes {
            3 => {
                let all = self.b.swap(word, 4);
                self.b.op2c(Op::Shr, all, 8, 24)
            }
            _ => self.b.swap(word, bytes),
        }
    }

    fn put_piece(&mut self, packed: &mut [Option<Value>], piece: &Piece, word: Value) {
        let (at, shift) = ((piece.offset / 4) as usize, piece.offset % 4 * 8);
        let mut put = |b: &mut super::Builder, at: usize, word: Value| {
            packed[at] = Some(match packed[at] {
                Some(before) => b.op2(Op::Or, before, word, 32),
                None => word,
            });
        };
        let low = match shift {
            0 => word,
            _ => self.b.op2c(Op::Shl, word, shift, 32),
        };
        put(&mut self.b, at, low);
        if shift + 8 * piece.bytes > 32 {
            let high = self.b.op2c(Op::Shr, word, 32 - shift, 32);
            put(&mut self.b, at + 1, high);
        }
    }

    /// The words of a value from the words of its bytes, as a service answers them.
    pub(super) fn unpack(&mut self, layout: &Layout, packed: &[Value]) -> Vec<Value> {
        let mut words = Vec::new();
        for part in &layout.parts {
            for piece in part.pieces() {
                let (at, shift) = ((piece.offset / 4) as usize, piece.offset % 4 * 8);
                let mut word = match shift {
                    0 => packed[at],
                    _ => self.b.op2c(Op::Shr, packed[at], shift, 32),
                };
                if shift + 8 * piece.bytes > 32 {
                    let high = self.b.op2c(Op::Shl, packed[at + 1], 32 - shift, 32);
                    word = self.b.op2(Op::Or, word, high, 32);
                }
                words.push(self.number_of(part, &piece, word));
            }
        }
        words
    }

    /// A word of a part from its bytes, which may have others above them.
    fn number_of(&mut self, part: &Part, piece: &Piece, word: Value) -> Value {
        let word = if piece.wire {
            let word = match piece.bytes {
                1 | 2 => self.b.op2c(Op::And, word, (1 << (8 * piece.bytes)) - 1, 16),
                _ => word,
            };
            self.reversed(word, piece.bytes)
        } else {
            word
        };
        let bits = part.width.word_bits(piece.word);
        match bits {
            32 => word,
            _ => self
                .b
                .op2c(Op::And, word, u32::MAX >> (32 - u32::from(bits)), bits),
        }
    }

    /// The words of a value that lies in memory: at `place` in a region, or behind an address that
    /// a lookup answered.
    pub(super) fn load_value(
        &mut self,
        layout: &Layout,
        region: Region,
        address: Option<Value>,
        place: Place,
    ) -> Vec<Value> {
        let mut words = Vec::new();
        for part in &layout.parts {
            for piece in part.pieces() {
                let op = match piece.bytes {
                    1 => Op::Load8,
                    2 => Op::Load16,
                    _ => Op::Load32,
                };
                let args: Vec<Value> = address.into_iter().chain(place.index).collect();
                let offset = place.offset + piece.offset;
                let width = (8 * piece.bytes) as u8;
                let word = self.b.inst(op, &args, offset, Some(region), width);
                let bits = u32::from(part.width.word_bits(piece.word));
                words.push(if piece.wire {
                    self.reversed(word, piece.bytes)
                } else if bits < 8 * piece.bytes {
                    self.b
                        .op2c(Op::And, word, u32::MAX >> (32 - bits), bits as u8)
                } else {
                    word
                });
            }
        }
        words
    }
}
