//! Relations of words: facts of the form `x + c <= y`.
//!
//! In: comparisons of words of which neither is known. Out: by how much one is surely below another. They
//! bound differences, and carry what is learned of one word to the other.

use crate::entity::Value;
use crate::func::InstData;
use crate::op::Op;
use crate::verify::facts::{Facts, Known};
use crate::verify::range::Range;
use crate::verify::sorted::bit;

/// Relations that are remembered at one point. More would cost more than they are worth.
const RELATIONS_MAX: usize = 32;

impl Known<'_> {
    /// Remembers `a + s <= b`.
    pub(super) fn relate(self, facts: &mut Facts, a: Value, b: Value, s: u32) {
        let is_fixed = |v: Value| self.base[v].single().is_some();
        if a == b || is_fixed(a) || is_fixed(b) {
            return;
        }
        match facts.order.get(&(a, b)) {
            Some(&known) if known >= s => {}
            None if facts.order.len() >= RELATIONS_MAX => {}
            _ => {
                facts.order.insert((a, b), s);
                facts.ordered |= bit(a) | bit(b);
            }
        }
    }

    /// The largest `s` with `a + s <= b` that was said.
    fn said(self, facts: &Facts, a: Value, b: Value) -> Option<u32> {
        facts.order.get(&(a, b)).copied()
    }

    /// The largest known `s` with `a + s <= b`, said or by what both may be.
    pub(super) fn distance(self, facts: &Facts, a: Value, b: Value) -> Option<u32> {
        let apart = self.range(facts, b).lo.checked_sub(self.range(facts, a).hi);
        apart.max(self.said(facts, a, b))
    }

    /// What a difference of related words may be.
    pub(super) fn difference(
        self,
        facts: &Facts,
        def: &InstData,
        args: [Range; 2],
    ) -> Option<Range> {
        let (Op::Sub, &[a, b]) = (def.op, def.args.as_slice()) else {
            return None;
        };
        let least = self.said(facts, b, a)?;
        let most = args[0].hi.checked_sub(args[1].lo)?;
        (least <= most).then(|| Range::new(least, most))
    }

    /// Whether a comparison of related words is true, where that follows.
    pub(super) fn related_truth(self, facts: &Facts, def: &InstData) -> Option<bool> {
        let (Op::Ltu | Op::Geu | Op::Eq | Op::Ne, &[a, b]) = (def.op, def.args.as_slice()) else {
            return None;
        };
        let above = self.said(facts, a, b);
        let below = self.said(facts, b, a);
        let is_less = match (above, below) {
            (Some(1..), _) => Some(true),
            (_, Some(_)) => Some(false),
            _ => None,
        };
        match def.op {
            Op::Ltu => is_less,
            Op::Geu => is_less.map(|less| !less),
            Op::Eq if matches!(above, Some(1..)) || matches!(below, Some(1..)) => Some(false),
            Op::Ne if matches!(above, Some(1..)) || matches!(below, Some(1..)) => Some(true),
            _ => None,
        }
    }

    /// What the words that a word is related to say of it.
    pub(super) fn between(self, facts: &Facts, v: Value, mut known: Range, depth: u8) -> Range {
        if facts.ordered & bit(v) == 0 {
            return known;
        }
        for (&(a, b), &s) in facts.order.iter() {
            let want = if a == v {
                let hi = self.range_within(facts, b, depth).hi;
                hi.checked_sub(s).map(|hi| Range::new(0, hi))
            } else if b == v {
                let lo = self.range_within(facts, a, depth).lo;
                lo.checked_add(s).map(|lo| Range::new(lo, u32::MAX))
            } else {
                continue;
            };
            known = want.and_then(|want| known.meet(want)).unwrap_or(known);
        }
        known
    }
}
