//! Derived checksums: every store moves them by the difference (RFC 1624, equation 3).
//!
//! In: bytes of a header that are about to change. Out: the checksums that cover them, moved once
//! the bytes have changed. Guaranteed: what was right stays right and what was wrong stays wrong by
//! as much; sums of 16-bit words do not depend on byte order (RFC 1071), so nothing is swapped but
//! words at odd distances.

use super::ssa::Place;
use super::{Lower, View};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_typeck::TyKind;
use nfl_typeck::tables::Derived;

/// A checksum that covers some bytes, and those bytes before the change.
pub(super) struct Cover {
    /// Where the checksum lies.
    sum: Place,
    /// The header that has it, for the sums around it.
    owner: View,
    /// Zero means that there is none, and a sum of zero is written as all ones (RFC 768).
    optional: bool,
    /// The 16-bit words that change.
    words: Vec<Word>,
    /// The words lie at an odd distance: whether always, never, or by this bit.
    odd: Odd,
}

/// A 16-bit word that changes, and what it was.
struct Word {
    place: Place,
    bytes: u32,
    old: Value,
}

#[derive(Clone, Copy)]
enum Odd {
    Never,
    Always,
    When(Value),
}

impl Lower<'_, '_> {
    /// Notes the checksums that cover bytes `first..end` of a header, and the bytes as they are.
    /// `transport` is the header behind it whose pseudo-header may hold them.
    pub(super) fn with_checksums(
        &mut self,
        view: &View,
        transport: Option<View>,
        first: u32,
        end: u32,
    ) -> Vec<Cover> {
        let mut covers = Vec::new();
        let own = [
            Derived::ChecksumOf,
            Derived::ChecksumOver,
            Derived::ChecksumWithPseudoHeader,
        ];
        self.cover(view, &own, view, first, end, &mut covers);
        let around = [Derived::ChecksumOver, Derived::ChecksumWithPseudoHeader];
        for outer in view.outer.iter() {
            self.cover(outer, &around, view, first, end, &mut covers);
        }
        if let Some(transport) = transport.filter(|t| self.holds_addresses_of(view, t)) {
            let kinds = [Derived::ChecksumWithPseudoHeader];
            self.cover(&transport, &kinds, view, first, end, &mut covers);
        }
        covers
    }

    /// Adds the checksum of `owner`, if it is one of these kinds.
    fn cover(
        &mut self,
        owner: &View,
        kinds: &[Derived],
        view: &View,
        first: u32,
        end: u32,
        covers: &mut Vec<Cover>,
    ) {
        let header = &self.image.sound.tables().headers[owner.header];
        let Some(field) = header
            .fields
            .iter()
            .find(|f| f.derived.is_some_and(|d| kinds.contains(&d)))
        else {
            return;
        };
        let (at, optional) = (field.bit_offset / 8, header.qualified == "nfl.net.Udp");
        // Words are counted from the owner's start; a header's own start is even for itself.
        let mut words = Vec::new();
        let fixed_bytes = self.image.sound.tables().headers[view.header].fixed_bytes;
        for byte in (first & !1..end).step_by(2) {
            // A last byte without a partner counts as a word with zero behind it.
            let bytes = (fixed_bytes - byte).min(2);
            let place = view.base.plus(byte);
            words.push(Word {
                place,
                bytes,
                old: self.b.load(Region::Packet, bytes, place),
            });
        }
        let odd = self.distance_parity(owner, at, view);
        covers.push(Cover {
            sum: owner.base.plus(at),
            owner: owner.clone(),
            optional,
            words,
            odd,
        });
    }

    /// Whether `view` starts at an odd distance from `owner`. A sum that itself lies at an odd place
    /// has its bytes the other way round.
    fn distance_parity(&mut self, owner: &View, at: u32, view: &View) -> Odd {
        let constant = view.base.offset.wrapping_sub(owner.base.offset);
        let constant = constant.wrapping_add(at);
        if owner.base.index == view.base.index {
            return if constant & 1 == 1 {
                Odd::Always
            } else {
                Odd::Never
            };
        }
        let mut distance = self.b.constant(constant);
        if let Some(index) = view.base.index {
            distance = self.b.op2(Op::Add, distance, index, 32);
        }
        if let Some(index) = owner.base.index {
            distance = self.b.op2(Op::Sub, distance, index, 32);
        }
        Odd::When(self.b.op2c(Op::And, distance, 1, 1))
    }

    fn has_addresses(&self, view: &View) -> bool {
        let tables = self.image.sound.tables();
        tables.headers[view.header]
            .fields
            .iter()
            .any(|f| matches!(tables.types.kind(f.ty), TyKind::Ip4 | TyKind::Ip6))
    }

    /// Whether the pseudo-header of `transport` takes its addresses from `view`: the nearest header
    /// before it that has any.
    fn holds_addresses_of(&self, view: &View, transport: &View) -> bool {
        let nearest = transport
            .outer
            .iter()
            .rev()
            .find(|outer| self.has_addresses(outer));
        nearest.is_some_and(|n| n.header == view.header && n.base == view.base)
    }

    /// The bytes have changed: moves the checksums.
    pub(super) fn settle(&mut self, covers: Vec<Cover>) {
        // All words are read before the first checksum is stored: at an odd place it shares one with
        // the bytes that have changed, and counts as a change of its own.
        let mut changed = Vec::new();
        for cover in covers {
            let load = |word: &Word| self.b.load(Region::Packet, word.bytes, word.place);
            let new: Vec<Value> = cover.words.iter().map(load).collect();
            changed.push((cover, new));
        }
        for (cover, new) in changed {
            self.move_sum(cover, &new);
        }
    }

    fn move_sum(&mut self, cover: Cover, new: &[Value]) {
        let old_sum = self.b.load(Region::Packet, 2, cover.sum);
        let done = self.b.block();
        if cover.optional {
            let present = self.b.block();
            self.b.branch(old_sum, present, done);
            self.b.enter(present);
        }
        let mut sum = self.b.op2c(Op::Xor, old_sum, 0xffff, 16);
        for (word, &new) in cover.words.iter().zip(new) {
            let gone = self.b.op2c(Op::Xor, word.old, 0xffff, 16);
            let gone = self.align(gone, cover.odd);
            let came = self.align(new, cover.odd);
            sum = self.b.op2(Op::Add, sum, gone, 32);
            sum = self.b.op2(Op::Add, sum, came, 32);
        }
        for _ in 0..2 {
            let low = self.b.op2c(Op::And, sum, 0xffff, 16);
            let high = self.b.op2c(Op::Shr, sum, 16, 16);
            sum = self.b.op2(Op::Add, low, high, 17);
        }
        let mut new_sum = self.b.op2c(Op::Xor, sum, 0xffff, 17);
        if cover.optional {
            // All ones where the sum is zero: 0 - 1 has its high half set, nothing else has.
            let below = self.b.op2c(Op::Sub, new_sum, 1, 32);
            let ones = self.b.op2c(Op::Shr, below, 16, 16);
            new_sum = self.b.op2(Op::Or, new_sum, ones, 17);
        }
        // The checksum itself may be covered by those around its header.
        let owner = cover.owner;
        let byte = cover.sum.offset - owner.base.offset;
        let around = self.covers_around(&owner, byte);
        self.b.store(Region::Packet, 2, cover.sum, new_sum);
        self.settle(around);
        self.b.jump(done);
        self.b.enter(done);
    }

    /// The checksums of the headers around `view` that cover its own one at `byte`.
    fn covers_around(&mut self, view: &View, byte: u32) -> Vec<Cover> {
        let mut covers = Vec::new();
        for outer in view.outer.iter() {
            let kinds = [Derived::ChecksumOver, Derived::ChecksumWithPseudoHeader];
            self.cover(outer, &kinds, view, byte, byte + 2, &mut covers);
        }
        covers
    }

    /// A 16-bit word as it counts at its distance.
    fn align(&mut self, word: Value, odd: Odd) -> Value {
        match odd {
            Odd::Never => word,
            Odd::Always => self.b.swap(word, 2),
            Odd::When(bit) => {
                let by = self.b.op2c(Op::Shl, bit, 3, 4);
                let sixteen = self.b.constant(16);
                let back = self.b.op2(Op::Sub, sixteen, by, 5);
                let left = self.b.op2(Op::Shl, word, by, 32);
                let right = self.b.op2(Op::Shr, word, back, 16);
                let both = self.b.op2(Op::Or, left, right, 32);
                self.b.op2c(Op::And, both, 0xffff, 16)
            }
        }
    }
}
