//! Keys and values as the words of a call: packed into bytes, and taken apart again.
//!
//! In: the words of a value and its layout. Out: the words of its bytes, the first byte lowest, and
//! the way back.

use super::layout::{Layout, Scalar};
use super::number::Width;
use super::{ImageState, Lower};
use crate::entity::Value;
use crate::op::Op;
use nfl_typeck::Ty;

/// One word of a number: its bytes lie at `offset`.
pub(super) struct Piece {
    pub(super) offset: u32,
    pub(super) bytes: u32,
    pub(super) word: usize,
    pub(super) wire: bool,
}

pub(super) fn width(scalar: &Scalar) -> Width {
    Width {
        bits: scalar.bits,
        signed: false,
    }
}

/// A number word by word, in the order of its words.
pub(super) fn pieces(scalar: &Scalar) -> Vec<Piece> {
    (0..width(scalar).words())
        .map(|word| {
            let before = 4 * word as u32;
            let bytes = (scalar.bytes - before).min(4);
            let offset = if scalar.wire {
                scalar.offset + scalar.bytes - before - bytes
            } else {
                scalar.offset + before
            };
            Piece {
                offset,
                bytes,
                word,
                wire: scalar.wire,
            }
        })
        .collect()
}

impl ImageState<'_> {
    /// The bytes of arguments of `hash`: one after another, each in wire order as whole bytes.
    pub(super) fn hashed(&self, types: &[Ty]) -> Layout {
        let mut all = Layout::default();
        for &ty in types {
            for scalar in self.layout(ty).scalars {
                let bytes = scalar.bits.div_ceil(8);
                all.scalars.push(Scalar {
                    offset: all.size,
                    bytes,
                    wire: true,
                    ..scalar
                });
                all.size += bytes;
            }
        }
        all
    }
}

impl Lower<'_, '_> {
    /// The bytes of a value as words in memory order, least significant byte first.
    pub(super) fn pack(&mut self, layout: &Layout, words: &[Value]) -> Vec<Value> {
        let zero = self.b.constant(0);
        let mut packed: Vec<Option<Value>> = vec![None; layout.size.div_ceil(4) as usize];
        let mut rest = words;
        for scalar in &layout.scalars {
            let (own, others) = rest.split_at(width(scalar).words().min(rest.len()));
            rest = others;
            for piece in pieces(scalar) {
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
    pub(super) fn reversed(&mut self, word: Value, bytes: u32) -> Value {
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
        for scalar in &layout.scalars {
            for piece in pieces(scalar) {
                let (at, shift) = ((piece.offset / 4) as usize, piece.offset % 4 * 8);
                let mut word = match shift {
                    0 => packed[at],
                    _ => self.b.op2c(Op::Shr, packed[at], shift, 32),
                };
                if shift + 8 * piece.bytes > 32 {
                    let high = self.b.op2c(Op::Shl, packed[at + 1], 32 - shift, 32);
                    word = self.b.op2(Op::Or, word, high, 32);
                }
                words.push(self.number_of(scalar, &piece, word));
            }
        }
        words
    }

    /// A word of a number from its bytes, which may have others above them.
    fn number_of(&mut self, scalar: &Scalar, piece: &Piece, word: Value) -> Value {
        let word = if piece.wire {
            let word = match piece.bytes {
                1 | 2 => self.b.op2c(Op::And, word, (1 << (8 * piece.bytes)) - 1, 16),
                _ => word,
            };
            self.reversed(word, piece.bytes)
        } else {
            word
        };
        let bits = width(scalar).word_bits(piece.word);
        match bits {
            32 => word,
            _ => self
                .b
                .op2c(Op::And, word, u32::MAX >> (32 - u32::from(bits)), bits),
        }
    }
}
