//! Signed intervals: what is known of words as numbers of two's complement.
//!
//! In: facts and a word. Out: the signed numbers that it may be. The idea: an interval of words is one of signed
//! numbers where it does not cross the sign, sums and differences are taken exactly and hold where they
//! do not overflow, and signed comparisons are remembered beside the unsigned ones.

use crate::entity::Value;
use crate::func::InstData;
use crate::op::Op;
use crate::verify::facts::{Facts, Known};
use crate::verify::range::Range;

/// All signed numbers from `lo` to `hi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signed {
    /// Smallest number.
    pub lo: i32,
    /// Largest number; not below `lo`.
    pub hi: i32,
}

impl Signed {
    /// Every number.
    pub(super) const FULL: Signed = Signed {
        lo: i32::MIN,
        hi: i32::MAX,
    };

    /// The same words as signed numbers.
    pub(super) fn of(range: Range) -> Signed {
        let (lo, hi) = (range.lo as i32, range.hi as i32);
        if lo <= hi {
            Signed { lo, hi }
        } else {
            Signed::FULL
        }
    }

    /// The same numbers as words; nothing where they have both signs.
    pub(super) fn words(self) -> Option<Range> {
        let same = (self.lo < 0) == (self.hi < 0);
        same.then(|| Range::new(self.lo as u32, self.hi as u32))
    }

    /// The numbers in both, if there are any.
    pub(super) fn meet(self, other: Signed) -> Option<Signed> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Signed { lo, hi })
    }

    /// The smallest interval around both.
    pub(super) fn hull(self, other: Signed) -> Signed {
        Signed {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// From exact arithmetic; nothing when a result may overflow.
    fn exact(lo: i64, hi: i64) -> Option<Signed> {
        Some(Signed {
            lo: i32::try_from(lo).ok()?,
            hi: i32::try_from(hi).ok()?,
        })
    }

    fn wide(self) -> (i64, i64) {
        (self.lo.into(), self.hi.into())
    }
}

impl Known<'_> {
    /// The signed numbers that a word may be.
    pub(super) fn signed(self, facts: &Facts, v: Value, depth: u8) -> Signed {
        let mut known = Signed::of(self.range_within(facts, v, depth.saturating_sub(1)));
        if let Some(&fact) = facts.signed.get(&v) {
            known = known.meet(fact).unwrap_or(known);
        }
        let Some(def) = self.f.def(v).filter(|_| depth > 0) else {
            return known;
        };
        let sum = self.signed_sum(facts, def, depth - 1);
        sum.and_then(|sum| known.meet(sum)).unwrap_or(known)
    }

    /// The signed numbers that a sum or a difference may be, where it does not overflow.
    pub(super) fn signed_sum(self, facts: &Facts, def: &InstData, depth: u8) -> Option<Signed> {
        let &[a, b] = def.args.as_slice() else {
            return None;
        };
        if !matches!(def.op, Op::Add | Op::Sub) {
            return None;
        }
        let (al, ah) = self.signed(facts, a, depth).wide();
        let (bl, bh) = self.signed(facts, b, depth).wide();
        match def.op {
            Op::Add => Signed::exact(al + bl, ah + bh),
            _ => Signed::exact(al - bh, ah - bl),
        }
    }

    /// Whether a signed comparison is true, where that is known.
    pub(super) fn signed_truth(self, facts: &Facts, def: &InstData, depth: u8) -> Option<bool> {
        let (a, b) = match (def.op, def.args.as_slice()) {
            (Op::Lt | Op::Ge, &[a, b]) => (a, b),
            _ => return None,
        };
        let (a, b) = (self.signed(facts, a, depth), self.signed(facts, b, depth));
        let less = if a.hi < b.lo {
            true
        } else if a.lo >= b.hi {
            false
        } else {
            return None;
        };
        Some(less == (def.op == Op::Lt))
    }

    /// Learns that a word is in a signed interval; answers whether that can be.
    pub(super) fn narrow_signed(
        self,
        facts: &mut Facts,
        v: Value,
        want: Signed,
        depth: u8,
    ) -> bool {
        let old = self.signed(facts, v, depth);
        let Some(new) = old.meet(want) else {
            return false;
        };
        if new == old {
            return true;
        }
        facts.signed.insert(v, new);
        if let Some(words) = new.words()
            && !self.narrow(facts, v, words, depth)
        {
            return false;
        }
        let Some(def) = self.f.def(v).filter(|_| depth > 0) else {
            return true;
        };
        let (Some(&a), Some(c)) = (
            def.args.first(),
            def.args.get(1).and_then(|&v| self.f.constant(v)),
        ) else {
            return true;
        };
        let c = i64::from(c as i32);
        let by = match def.op {
            Op::Add => -c,
            Op::Sub => c,
            _ => return true,
        };
        // Backwards only where the sum itself does not overflow.
        if self.signed_sum(facts, def, depth - 1).is_none() {
            return true;
        }
        let (lo, hi) = new.wide();
        match Signed::exact(lo + by, hi + by) {
            Some(want) => self.narrow_signed(facts, a, want, depth - 1),
            None => true,
        }
    }
}
