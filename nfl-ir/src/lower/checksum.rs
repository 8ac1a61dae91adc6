//! Derived checksums: every store moves them by the difference (RFC 1624, equation 3).
//!
//! In: bytes of a header that are about to change. Out: the checksums that cover them, moved once
//! the bytes have changed. Guaranteed: what was right stays right and what was wrong stays wrong by
//! as much; sums of 16-bit words do not depend on byte order (RFC 1071), so nothing is swapped but
//! words at odd distances.

use super::one_of::Candidate;
use super::ssa::Place;
use super::{Lower, View};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_typeck::TyKind;
use nfl_typeck::tables::{Derived, HeaderId};

/// Checksums that cover what lies behind their header.
const AROUND: [Derived; 2] = [Derived::ChecksumOver, Derived::ChecksumWithPseudoHeader];
/// All checksums.
const CHECKSUMS: [Derived; 3] = [
    Derived::ChecksumOf,
    Derived::ChecksumOver,
    Derived::ChecksumWithPseudoHeader,
];

/// A header that an owner may be, and its checksum's place there and whether it is optional.
type Found = (Candidate, Option<(u32, bool)>);

/// A checksum that covers some bytes, and those bytes before the change.
pub(super) struct Cover {
    /// Where the checksum lies.
    sum: Place,
    /// The header that has it, for the sums around it, and its place in there.
    owner: View,
    at: u32,
    optional: Optional,
    /// The 16-bit words that change.
    words: Vec<Word>,
    /// The words lie at an odd distance: whether always, never, or by this bit.
    odd: Odd,
    /// It is there only when this word is this number: the owner is one of several headers.
    when: Option<(Value, u32)>,
}

/// Whether a checksum of zero means that there is none, and a sum of zero is written as all ones (RFC 768).
#[derive(Clone, Copy)]
enum Optional {
    Never,
    Always,
    /// Where this bit is set.
    When(Value),
}

/// Bytes that are about to change.
struct Changed<'v> {
    view: &'v View,
    /// Within the header: the first byte and the one behind the last.
    first: u32,
    end: u32,
    /// Where the first byte lies, if the header alone does not say.
    place: Option<Place>,
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
        let changed = Changed {
            view,
            first,
            end,
            place: None,
        };
        self.cover(view, &CHECKSUMS, &changed, &mut covers);
        self.cover_around(&changed, &mut covers);
        if let Some(transport) = transport.filter(|t| self.holds_addresses_of(view, t)) {
            let kinds = [Derived::ChecksumWithPseudoHeader];
            self.cover(&transport, &kinds, &changed, &mut covers);
        }
        covers
    }

    /// Adds the checksums of the headers around that cover the bytes.
    fn cover_around(&mut self, changed: &Changed<'_>, covers: &mut Vec<Cover>) {
        let outer = &changed.view.outer;
        for (at, owner) in outer.iter().enumerate() {
            // A header's own sum covers what lies in its variable arrays.
            let within = outer.get(at + 1).unwrap_or(changed.view).within;
            let kinds: &[Derived] = if within { &CHECKSUMS } else { &AROUND };
            self.cover(owner, kinds, changed, covers);
        }
    }

    /// The place of a header's checksum of one of these kinds, and whether it is optional.
    fn checksum_of(&self, header: HeaderId, kinds: &[Derived]) -> Option<(u32, bool)> {
        let header = &self.image.sound.tables().headers[header];
        let mut fields = header.fields.iter();
        let field = fields.find(|f| f.derived.is_some_and(|d| kinds.contains(&d)))?;
        Some((field.bit_offset / 8, header.qualified == "nfl.net.Udp"))
    }

    /// Where the checksum of a header at `base` lies; the header itself where it has none.
    pub(super) fn sum_value(&mut self, header: HeaderId, base: Place) -> Value {
        let at = self.checksum_of(header, &CHECKSUMS).map_or(0, |(at, _)| at);
        self.place_value(base.plus(at))
    }

    /// Adds the checksum of `owner`, or of each header that it may be, if it is one of these kinds.
    fn cover(
        &mut self,
        owner: &View,
        kinds: &[Derived],
        changed: &Changed<'_>,
        covers: &mut Vec<Cover>,
    ) {
        let mut found = Vec::new();
        for candidate in self.candidates(owner) {
            // Of two checksums of one header the first is known by its place.
            let first = self.checksum_of(candidate.view.header, &CHECKSUMS);
            let field = self.checksum_of(candidate.view.header, kinds);
            let field = field.filter(|_| owner.one_of.is_none() || field == first);
            found.push((candidate, field));
        }
        let Some(chosen) = owner.one_of else {
            if let Some((candidate, Some((at, optional)))) = found.pop() {
                let sum = owner.base.plus(at);
                let optional = if optional {
                    Optional::Always
                } else {
                    Optional::Never
                };
                self.cover_one(candidate, (sum, at), optional, changed, covers);
            }
            return;
        };
        let sum = Place {
            index: Some(chosen.sum),
            offset: 0,
        };
        let own = AROUND.iter().any(|kind| kinds.contains(kind));
        if let (true, Some((at, optional))) = (own, self.alike(owner, &found)) {
            // All members have one, and it moves by the same difference.
            let candidate = Candidate {
                view: owner.clone(),
                when: None,
            };
            return self.cover_one(candidate, (sum, at), optional, changed, covers);
        }
        for (candidate, field) in found {
            if let Some((at, optional)) = field {
                let optional = if optional {
                    Optional::Always
                } else {
                    Optional::Never
                };
                self.cover_one(candidate, (sum, at), optional, changed, covers);
            }
        }
    }

    /// Where all members of an interface have a checksum that can be moved by one piece of code: the place
    /// of the first one's, and for which of them it is optional.
    fn alike(&mut self, owner: &View, found: &[Found]) -> Option<(u32, Optional)> {
        let tag = owner.one_of?.tag;
        let fields: Option<Vec<(u32, bool)>> = found.iter().map(|(_, field)| *field).collect();
        let fields = fields?;
        let (first, _) = *fields.first()?;
        let covered = |outer: &View| {
            self.candidates(outer)
                .iter()
                .any(|c| self.checksum_of(c.view.header, &AROUND).is_some())
        };
        if fields.iter().any(|(at, _)| (at ^ first) & 1 == 1) || owner.outer.iter().any(covered) {
            return None;
        }
        let which: Vec<u32> = fields
            .iter()
            .zip(0..)
            .filter(|((_, o), _)| *o)
            .map(|(_, i)| i)
            .collect();
        let optional = match which.as_slice() {
            [] => Optional::Never,
            &[one] => {
                let number = self.b.constant(one);
                Optional::When(self.b.compare(Op::Eq, tag, number))
            }
            all if all.len() == fields.len() => Optional::Always,
            _ => return None,
        };
        Some((first, optional))
    }

    fn cover_one(
        &mut self,
        owner: Candidate,
        (sum, at): (Place, u32),
        optional: Optional,
        changed: &Changed<'_>,
        covers: &mut Vec<Cover>,
    ) {
        // Words are counted from the owner's start; a header's own start is even for itself.
        let mut words = Vec::new();
        let view = changed.view;
        let fixed_bytes = self.image.sound.tables().headers[view.header].fixed_bytes;
        for byte in (changed.first & !1..changed.end).step_by(2) {
            // A last byte without a partner counts as a word with zero behind it.
            let bytes = (fixed_bytes - byte).min(2);
            let place = match changed.place {
                Some(place) => place.plus(byte.wrapping_sub(changed.first)),
                None => view.base.plus(byte),
            };
            words.push(Word {
                place,
                bytes,
                old: self.b.load(Region::Packet, bytes, place),
            });
        }
        let odd = self.distance_parity(&owner.view, at, view);
        covers.push(Cover {
            sum,
            owner: owner.view,
            at,
            optional,
            words,
            odd,
            when: owner.when,
        });
    }

    /// Notes the checksums of the headers around that cover a header's own one at byte `at`.
    pub(super) fn with_checksums_around(&mut self, view: &View, at: u32) -> Vec<Cover> {
        let mut covers = Vec::new();
        let changed = Changed {
            view,
            first: at,
            end: at + 2,
            place: None,
        };
        self.cover_around(&changed, &mut covers);
        covers
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
        let fields = |c: &Candidate| tables.headers[c.view.header].fields.iter();
        self.candidates(view)
            .iter()
            .flat_map(fields)
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
        nearest.is_some_and(|n| {
            let mut headers = self.candidates(n).into_iter().map(|c| c.view.header);
            headers.any(|header| header == view.header) && n.base == view.base
        })
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
            let Some((tag, number)) = cover.when else {
                self.move_sum(cover, &new);
                continue;
            };
            let (here, done) = (self.b.block(), self.b.block());
            self.is_member(tag, number, here, done);
            self.b.enter(here);
            self.move_sum(cover, &new);
            self.b.jump(done);
            self.b.enter(done);
        }
    }

    fn move_sum(&mut self, cover: Cover, new: &[Value]) {
        let old_sum = self.b.load(Region::Packet, 2, cover.sum);
        let done = self.b.block();
        let present = match cover.optional {
            Optional::Never => None,
            Optional::Always => Some(old_sum),
            Optional::When(bit) => {
                let needed = self.b.not(bit);
                Some(self.b.op2(Op::Or, old_sum, needed, 16))
            }
        };
        if let Some(present) = present {
            let here = self.b.block();
            self.b.branch(present, here, done);
            self.b.enter(here);
        }
        let whole = self.b.op2c(Op::Xor, old_sum, 0xffff, 16);
        // Addresses have several words and count in several checksums, so their difference comes first.
        let mut sum = (cover.words.len() == 1).then_some(whole);
        for (word, &new) in cover.words.iter().zip(new) {
            let gone = self.b.op2c(Op::Xor, word.old, 0xffff, 16);
            let gone = self.align(gone, cover.odd);
            let came = self.align(new, cover.odd);
            let before = match sum {
                Some(sum) => self.b.op2(Op::Add, sum, gone, 32),
                None => gone,
            };
            sum = Some(self.b.op2(Op::Add, before, came, 32));
        }
        let mut sum = match sum {
            Some(sum) if cover.words.len() == 1 => sum,
            Some(difference) => self.b.op2(Op::Add, whole, difference, 32),
            None => whole,
        };
        for _ in 0..2 {
            let low = self.b.op2c(Op::And, sum, 0xffff, 16);
            let high = self.b.op2c(Op::Shr, sum, 16, 16);
            sum = self.b.op2(Op::Add, low, high, 17);
        }
        let mut new_sum = self.b.op2c(Op::Xor, sum, 0xffff, 17);
        // All ones where the sum is zero: 0 - 1 has its high half set, nothing else has.
        let below = |lower: &mut Self| {
            let below = lower.b.op2c(Op::Sub, new_sum, 1, 32);
            lower.b.op2c(Op::Shr, below, 16, 16)
        };
        let ones = match cover.optional {
            Optional::Never => None,
            Optional::Always => Some(below(self)),
            Optional::When(bit) => {
                let ones = below(self);
                let zero = self.b.constant(0);
                let mask = self.b.op2(Op::Sub, zero, bit, 32);
                Some(self.b.op2(Op::And, ones, mask, 16))
            }
        };
        if let Some(ones) = ones {
            new_sum = self.b.op2(Op::Or, new_sum, ones, 17);
        }
        // The checksum itself may be covered by those around its header.
        let owner = cover.owner;
        let mut around = Vec::new();
        let changed = Changed {
            view: &owner,
            first: cover.at,
            end: cover.at + 2,
            place: (cover.when.is_some() && cover.at & 1 == 0).then_some(cover.sum),
        };
        self.cover_around(&changed, &mut around);
        self.b.store(Region::Packet, 2, cover.sum, new_sum);
        self.settle(around);
        self.b.jump(done);
        self.b.enter(done);
    }

    /// A 16-bit word as it counts at its distance.
    fn align(&mut self, word: Value, odd: Odd) -> Value {
        match odd {
            Odd::Never => word,
            Odd::Always => self.b.swap(word, 2),
            Odd::When(bit) => self.turned(word, bit),
        }
    }

    /// A 16-bit word, its bytes exchanged where the bit is set.
    pub(super) fn turned(&mut self, word: Value, bit: Value) -> Value {
        let by = self.b.op2c(Op::Shl, bit, 3, 4);
        let sixteen = self.b.constant(16);
        let back = self.b.op2(Op::Sub, sixteen, by, 5);
        let left = self.b.op2(Op::Shl, word, by, 32);
        let right = self.b.op2(Op::Shr, word, back, 16);
        let both = self.b.op2(Op::Or, left, right, 32);
        self.b.op2c(Op::And, both, 0xffff, 16)
    }
}
