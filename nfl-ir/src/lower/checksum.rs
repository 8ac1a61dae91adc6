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
use crate::passes::low_zeros;
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
    /// The words that change.
    words: Vec<Word>,
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

/// One or two 16-bit words that change: what they were, and are.
struct Word {
    place: Place,
    bytes: u32,
    old: Value,
    new: Option<Value>,
    /// They lie at an odd distance from the checksum: whether always, never, or by this bit.
    odd: Odd,
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
        let odd = self.distance_parity(&owner.view, at, view);
        let mut next = changed.first & !1;
        while next < changed.end {
            let byte = next;
            // A last byte without a partner counts as a word with zero behind it.
            let bytes = match changed.end - byte {
                4.. if byte >= changed.first => 4,
                _ => (fixed_bytes - byte).min(2),
            };
            next += bytes.max(2);
            let place = match changed.place {
                Some(place) => place.plus(byte.wrapping_sub(changed.first)),
                None => view.base.plus(byte),
            };
            words.push(Word {
                place,
                bytes,
                old: self.b.load(Region::Packet, bytes, place),
                new: None,
                odd,
            });
        }
        covers.push(Cover {
            sum,
            owner: owner.view,
            at,
            optional,
            words,
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
        if low_zeros(&self.b.f, distance, 6) > 0 {
            return Odd::Never;
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

    /// The bytes have changed: moves the checksums, now or where the run of assignments ends.
    pub(super) fn settle(&mut self, covers: Vec<Cover>) {
        // All words are read before the first checksum is stored: at an odd place it shares one with
        // the bytes that have changed, and counts as a change of its own.
        let mut changed = Vec::new();
        for mut cover in covers {
            for word in &mut cover.words {
                word.new = Some(self.b.load(Region::Packet, word.bytes, word.place));
            }
            changed.push(cover);
        }
        let Some(run) = &mut self.run else {
            return changed.into_iter().for_each(|cover| self.move_one(cover));
        };
        for cover in changed {
            let same = |c: &&mut Cover| c.sum == cover.sum && c.when == cover.when;
            match run.iter_mut().find(same) {
                Some(before) => before.words.extend(cover.words),
                None => run.push(cover),
            }
        }
    }

    /// From here on checksums are only noted.
    pub(super) fn open_run(&mut self) {
        self.run = Some(Vec::new());
    }

    /// Moves all checksums that were noted, each once.
    pub(super) fn close_run(&mut self) {
        for cover in self.run.take().unwrap_or_default() {
            self.move_one(cover);
        }
    }

    fn move_one(&mut self, cover: Cover) {
        let Some((tag, number)) = cover.when else {
            return self.move_sum(cover);
        };
        let (here, done) = (self.b.block(), self.b.block());
        self.is_member(tag, number, here, done);
        self.b.enter(here);
        self.move_sum(cover);
        self.b.jump(done);
        self.b.enter(done);
    }

    /// Equation 3 gives the complement of `fold(S)`, where `S` is `F - c` (`F` is 0xffff and `c` the old
    /// checksum), and for each word that changes `F - old + new`. With `n` words, `h = c + Σ(old - new)` is
    /// `(n + 1)·F - S`, a small signed number. `fold(S)` is congruent to `S` modulo `F`, lies in `1..=F`, and is
    /// 0 where `S` is. So its complement is `h` less as many times `F` as brings it into `0..F`, and `F` where
    /// `S` is 0, that is, where `h` is as large as it can be. Subtracting `F` is adding 1 in the low half, and how
    /// often is `(h + (h + n >> 16)) >> 16`: let `S = a·2^16 + b`; then `fold(S)` is the low half of `S + q` with
    /// `q = (S + a) >> 16`, and complements of sums are differences of complements, shifts included.
    ///
    /// A sum that is never 0 (RFC 768) lies in `1..=F`: it is one more than what the same steps make of `h - 1`.
    fn move_sum(&mut self, cover: Cover) {
        let old_sum = self.b.load(Region::Packet, 2, cover.sum);
        let done = self.b.block();
        let never_zero = match cover.optional {
            Optional::Never => None,
            Optional::Always => Some(self.b.constant(1)),
            Optional::When(bit) => Some(bit),
        };
        if let Some(bit) = never_zero {
            let here = self.b.block();
            let absent = self.b.compare(Op::Ltu, old_sum, bit);
            self.b.branch(absent, done, here);
            self.b.enter(here);
        }
        // Words that count in several checksums come first, so that their difference is the same everywhere.
        let mut complements = 0;
        let mut change: Option<Value> = None;
        for word in &cover.words {
            let (odd, halves) = (word.odd, word.bytes.div_ceil(2));
            let gone = self.difference(word);
            let gone = match odd {
                Odd::Never => {
                    complements += halves;
                    gone
                }
                Odd::Always => self.turned_difference(gone, halves, None),
                Odd::When(bit) => self.turned_difference(gone, halves, Some(bit)),
            };
            change = Some(match change {
                Some(before) => self.b.op2(Op::Add, before, gone, 32),
                None => gone,
            });
        }
        let moved = match change {
            Some(change) => self.b.op2(Op::Add, old_sum, change, 32),
            None => old_sum,
        };
        let folded = match never_zero {
            Some(bit) => self.b.op2(Op::Sub, moved, bit, 32),
            None => moved,
        };
        let high = self.b.op2c(Op::Add, folded, complements, 32);
        let high = self.b.op2c(Op::Sar, high, 16, 32);
        let often = self.b.op2(Op::Add, folded, high, 32);
        let often = self.b.op2c(Op::Sar, often, 16, 32);
        let new_sum = self.b.op2(Op::Add, moved, often, 32);
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

    /// The sum of the 16-bit words that a word was, less those that it is. Of two halves: the difference of
    /// the whole holds that of the upper ones 2^16 times, which is to count once.
    fn difference(&mut self, word: &Word) -> Value {
        let (old, new) = (word.old, word.new.unwrap_or(word.old));
        let whole = self.b.op2(Op::Sub, old, new, 32);
        if word.bytes <= 2 {
            return whole;
        }
        let was = self.b.op2c(Op::Shr, old, 16, 16);
        let is = self.b.op2c(Op::Shr, new, 16, 16);
        let upper = self.b.op2(Op::Sub, was, is, 32);
        let above = self.b.op2c(Op::Shl, upper, 16, 32);
        let lower = self.b.op2(Op::Sub, whole, above, 32);
        self.b.op2(Op::Add, lower, upper, 32)
    }

    /// A difference of words that lie with their bytes the other way round: exchanging them is multiplying by
    /// 2^8 modulo 0xffff, here of `F - old + new`, which is 0 only where equation 3 adds 0.
    fn turned_difference(&mut self, difference: Value, halves: u32, bit: Option<Value>) -> Value {
        let all = self.b.constant(0xffff * halves);
        let added = self.b.op2(Op::Sub, all, difference, 32);
        let zero = self.b.constant(0);
        let by = match bit {
            Some(bit) => self.b.op2c(Op::Shl, bit, 3, 4),
            None => self.b.constant(8),
        };
        let added = self.b.op2(Op::Shl, added, by, 32);
        self.b.op2(Op::Sub, zero, added, 32)
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
