//! What lookups answer, as words.
//!
//! In: the address of a value, or 0. Out: the words of a `Lookup`: its tag and the value.

use super::layout::Layout;
use super::{Lower, pack};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_typeck::Ty;

impl Lower<'_, '_> {
    /// The tag and payload of a lookup that answered this address: 0 and the value, or 1.
    pub(super) fn found_words(&mut self, address: Value, value: Ty) -> Vec<Value> {
        let layout = self.image.layout(value);
        let tag = self.b.var(1);
        let payload: Vec<super::Var> = layout
            .scalars
            .iter()
            .flat_map(|s| (0..pack::width(s).words()).map(|i| pack::width(s).word_bits(i)))
            .collect::<Vec<u8>>()
            .into_iter()
            .map(|bits| self.b.var(bits))
            .collect();
        let (hit, miss, join) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(address, hit, miss);
        self.b.enter(hit);
        let zero = self.b.constant(0);
        self.b.write(tag, zero);
        let words = self.load_found(&layout, address);
        for (&var, word) in payload.iter().zip(words) {
            self.b.write(var, word);
        }
        self.b.jump(join);
        self.b.enter(miss);
        let (zero, one) = (self.b.constant(0), self.b.constant(1));
        self.b.write(tag, one);
        for &var in &payload {
            self.b.write(var, zero);
        }
        self.b.jump(join);
        self.b.enter(join);
        std::iter::once(tag)
            .chain(payload)
            .map(|var| self.b.read(var))
            .collect()
    }

    /// The words of a value behind an address that a lookup answered.
    fn load_found(&mut self, layout: &Layout, address: Value) -> Vec<Value> {
        let mut words = Vec::new();
        for scalar in &layout.scalars {
            for piece in pack::pieces(scalar) {
                let op = match piece.bytes {
                    1 => Op::Load8,
                    2 => Op::Load16,
                    _ => Op::Load32,
                };
                let bits = (8 * piece.bytes) as u8;
                let region = Some(Region::Value);
                let word = self.b.inst(op, &[address], piece.offset, region, bits);
                let bits = u32::from(pack::width(scalar).word_bits(piece.word));
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
