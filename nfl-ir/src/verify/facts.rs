//! What is known at a point of a function.
//!
//! In: facts and a branch that was taken. Out: more facts, or that nobody comes this way.
//! Words never change once they are made, so a fact about a word holds from where it was learned
//! for as long as that word lives; only the joins of paths lose facts. What is known of a word is
//! asked through its operands again, so learning about `x` also tells about an earlier `x + 4`.

use std::ops::{Deref, DerefMut};

use nfl_abi::host::Answer;
use nfl_syntax::arena::{Id, IdMap};

use crate::entity::Value;
use crate::func::{Function, InstData, WordInfo};
use crate::op::{Fmt, Op};
use crate::verify::cone::Cone;
use crate::verify::flow::Words;
use crate::verify::geometry::Generation;
use crate::verify::known_bits::{self, Bits};
use crate::verify::loops::Link;
use crate::verify::memo::{Memo, Stamp};
use crate::verify::range::{self, Range};
use crate::verify::signed::Signed;
use crate::verify::sorted::Sorted;

/// How many definitions deep questions and facts travel.
const DEPTH: u8 = 6;

/// How deep questions go that ask for several words each.
const SHALLOW: u8 = 3;

/// What is known beyond what definitions say.
#[derive(Clone, Debug)]
pub struct Facts {
    said: Said,
    /// Under which number answers that follow from these facts are remembered; changing facts take it away.
    stamp: Stamp,
}

/// What facts say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Narrower intervals.
    pub ranges: Sorted<Value, Range>,
    /// For a word `v` the largest known `s` with `v + s <= packet length`.
    pub slack: Sorted<Value, u32>,
    /// For a word `v` the largest known `s` with `packet length + s <= v`.
    pub beyond: Sorted<Value, u32>,
    /// Narrower signed intervals.
    pub signed: Sorted<Value, Signed>,
    /// For two words `a` and `b` the largest known `s` with `a + s <= b`.
    pub order: Sorted<(Value, Value), u32>,
    /// Of words that are in `order` the bits of their numbers, modulo the bits there are: most words are not in it.
    pub(super) ordered: u128,
    /// The packet's length in bytes.
    pub len: Range,
    /// Which length that is: what is said of places in the packet is said of this one.
    pub(crate) generation: Generation,
}

impl Deref for Facts {
    type Target = Said;
    fn deref(&self) -> &Said {
        &self.said
    }
}

impl DerefMut for Facts {
    fn deref_mut(&mut self) -> &mut Said {
        self.stamp = Stamp::default();
        &mut self.said
    }
}

impl Facts {
    /// What is known where a handler starts.
    pub fn start(f: &Function) -> Facts {
        let len = Range::new(f.need.min(65_535), nfl_abi::map::PACKET_MAX);
        let said = Said {
            ranges: Sorted::default(),
            slack: Sorted::default(),
            beyond: Sorted::default(),
            signed: Sorted::default(),
            order: Sorted::default(),
            ordered: 0,
            len,
            generation: 0,
        };
        Facts {
            said,
            stamp: Stamp::default(),
        }
    }

    /// The same facts where what was known of words has changed: answers from before do not count.
    pub(crate) fn renew(&mut self) {
        self.stamp = Stamp::default();
    }
}

/// A function with an interval for each of its words.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The function.
    pub f: &'a Function,
    /// What is known of a word wherever it is.
    pub base: &'a IdMap<Value, Range>,
    /// Parameters of loop heads whose moves are bounded by another's.
    pub(crate) links: &'a IdMap<Value, Option<Link>>,
    /// What a word's interval depends on.
    pub(crate) cones: &'a IdMap<Value, Cone>,
    /// Which length a word that asks for it means.
    pub(crate) lengths: &'a IdMap<Value, Generation>,
    /// Answers that were given already.
    pub(crate) memo: &'a Memo,
}

impl<'a> Known<'a> {
    fn def(self, v: Value) -> Option<&'a InstData> {
        self.f.def(v)
    }

    /// Whether a word is the packet's length as it is here.
    fn is_len(self, facts: &Facts, v: Value) -> bool {
        let is_length = self.def(v).is_some_and(|d| d.op == Op::Len);
        is_length && self.lengths[v] == facts.generation
    }

    /// The numbers that a word may be.
    pub fn range(self, facts: &Facts, v: Value) -> Range {
        self.range_within(facts, v, DEPTH)
    }

    pub(super) fn range_within(self, facts: &Facts, v: Value, depth: u8) -> Range {
        // Of one number there is nothing more to know.
        let known = self.base[v];
        if known.single().is_some() {
            return known;
        }
        if !self.cones[v].meets(facts) {
            debug_assert_eq!(self.find_range(facts, v, depth), known);
            return known;
        }
        if depth == 0 {
            return self.find_range(facts, v, depth);
        }
        let ask = (self.stamp(facts), v, depth);
        self.memo.range(ask, || self.find_range(facts, v, depth))
    }

    fn find_range(self, facts: &Facts, v: Value, depth: u8) -> Range {
        let mut known = self.base[v];
        if let Some(&fact) = facts.ranges.get(&v) {
            known = known.meet(fact).unwrap_or(known);
        }
        if depth > SHALLOW && known.single().is_none() {
            known = self.between(facts, v, known, SHALLOW);
        }
        if let Some(words) = facts.signed.get(&v).and_then(|signed| signed.words()) {
            known = known.meet(words).unwrap_or(known);
        }
        if depth > 0
            && let Some(link) = &self.links[v]
        {
            let clock = self.range_within(facts, link.clock.param, depth - 1);
            known = known.meet(link.at(clock)).unwrap_or(known);
        }
        let Some(def) = self
            .def(v)
            .filter(|_| depth > 0 && known.single().is_none())
        else {
            return known;
        };
        let again = match def.op.spec().fmt {
            Fmt::Nullary if self.is_len(facts, v) => facts.len,
            Fmt::Imm if def.op == Op::Const => Range::exactly(def.imm),
            Fmt::Unary | Fmt::Binary => self.eval(facts, def, depth - 1),
            _ => known,
        };
        known.meet(again).unwrap_or(known)
    }

    /// The numbers that an instruction may give.
    pub fn result(self, facts: &Facts, inst: &InstData, words: Words) -> Range {
        match inst.op {
            Op::Const => Range::exactly(inst.imm),
            Op::Len => facts.len,
            Op::Late => word_range(words.late.get(Id::new(inst.imm as usize))),
            Op::Param => word_range(words.params.get(Id::new(inst.imm as usize))),
            Op::Call => match words.call(inst).map(|call| call.answer) {
                Some(Answer::Word(most) | Answer::Two(most, _)) => Range::new(0, most),
                _ => Range::FULL,
            },
            op => match op.spec().fmt {
                Fmt::Unary | Fmt::Binary => self.eval(facts, inst, DEPTH - 1),
                _ => range::eval(op, Range::FULL, Range::FULL),
            },
        }
    }

    /// The numbers that an operation on numbers may give.
    pub fn eval(self, facts: &Facts, def: &InstData, depth: u8) -> Range {
        if let Some(folded) = self.folded_sum(facts, def, depth) {
            return folded;
        }
        let args = self.operands(facts, def, depth);
        let result = range::eval(def.op, args[0], args[1]);
        let truth = self.compare_with_length(facts, def, depth);
        let truth = truth.or_else(|| self.related_truth(facts, def));
        let truth = truth.or_else(|| self.signed_truth(facts, def, depth.min(SHALLOW)));
        if let Some(truth) = truth {
            return Range::exactly(u32::from(truth));
        }
        // What is left of the packet behind a place in it.
        if def.op == Op::Sub && self.is_len(facts, def.args[0]) && depth > 0 {
            let slack = self.slack_within(facts, def.args[1], depth - 1);
            if let Ok(slack) = u32::try_from(slack) {
                let left = facts.len.hi.saturating_sub(args[1].lo);
                return Range::new(slack.min(left), left);
            }
        }
        let other = match def.op {
            Op::Sub => self.difference(facts, def, args),
            Op::And | Op::Or | Op::Xor if depth > 0 => self
                .made_bits(facts, def, known_bits::DEPTH)
                .map(Bits::range),
            _ => None,
        };
        let result = other.and_then(|other| result.meet(other)).unwrap_or(result);
        if result != Range::FULL || !matches!(def.op, Op::Add | Op::Sub) {
            return result;
        }
        // Where words wrap, signed numbers may not.
        let sum = self.signed_sum(facts, def, depth.min(SHALLOW));
        sum.and_then(Signed::words).unwrap_or(result)
    }

    /// The numbers that an operation's two operands may be.
    fn operands(self, facts: &Facts, def: &InstData, depth: u8) -> [Range; 2] {
        [0, 1].map(|at| {
            let v = def.args.get(at);
            v.map_or(Range::FULL, |&v| self.range_within(facts, v, depth))
        })
    }

    /// The lower half of a word plus its upper half: the carry of a checksum comes around. Both halves
    /// are large together only in words that are larger still.
    fn folded_sum(self, facts: &Facts, def: &InstData, depth: u8) -> Option<Range> {
        let (Op::Add, &[low, high]) = (def.op, def.args.as_slice()) else {
            return None;
        };
        let (low, high) = (self.def(low)?, self.def(high)?);
        let halves = (low.op, high.op) == (Op::And, Op::Shr)
            && low.args[0] == high.args[0]
            && self.f.constant(low.args[1]) == Some(0xffff)
            && self.f.constant(high.args[1]) == Some(16);
        if !halves || depth == 0 {
            return None;
        }
        let Range { lo, hi } = self.range_within(facts, low.args[0], depth - 1);
        let top = hi >> 16;
        let below = top.checked_sub(1).map_or(0, |top| 0xffff + top);
        Some(Range::new(
            u32::from(lo > 0),
            (hi & 0xffff).saturating_add(top).max(below),
        ))
    }

    /// Whether the length is below a word, where that is known.
    fn compare_with_length(self, facts: &Facts, def: &InstData, depth: u8) -> Option<bool> {
        let (inverted, len, v) = match (def.op, def.args.as_slice()) {
            (Op::Ltu, &[len, v]) => (false, len, v),
            (Op::Geu, &[len, v]) => (true, len, v),
            _ => return None,
        };
        let depth = depth.checked_sub(1).filter(|_| self.is_len(facts, len))?;
        if self.slack_within(facts, v, depth) >= 0 {
            return Some(inverted);
        }
        (self.beyond(facts, v, depth) >= 1).then_some(!inverted)
    }

    /// The largest known `s` with `packet length + s <= v`.
    fn beyond(self, facts: &Facts, v: Value, depth: u8) -> i64 {
        let range = self.range_within(facts, v, depth);
        let mut best = i64::from(range.lo) - i64::from(facts.len.hi);
        if let Some(&fact) = facts.beyond.get(&v) {
            best = best.max(i64::from(fact));
        }
        let def = self.def(v).filter(|d| depth > 0 && d.op == Op::Add);
        if let Some(&[a, b]) = def.map(|d| d.args.as_slice()) {
            let (ra, rb) = (
                self.range_within(facts, a, depth - 1),
                self.range_within(facts, b, depth - 1),
            );
            if exact_sum(ra, rb) {
                let a = self.beyond(facts, a, depth - 1) + i64::from(rb.lo);
                let b = self.beyond(facts, b, depth - 1) + i64::from(ra.lo);
                best = best.max(a).max(b);
            }
        }
        best
    }

    /// The largest known `s` with `v + s <= packet length`; negative where `v` may lie behind it.
    pub fn slack(self, facts: &Facts, v: Value) -> i64 {
        self.slack_within(facts, v, DEPTH)
    }

    fn slack_within(self, facts: &Facts, v: Value, depth: u8) -> i64 {
        let ask = (self.stamp(facts), v, depth);
        self.memo.slack(ask, || self.find_slack(facts, v, depth))
    }

    fn find_slack(self, facts: &Facts, v: Value, depth: u8) -> i64 {
        let range = self.range_within(facts, v, depth);
        let mut best = i64::from(facts.len.lo) - i64::from(range.hi);
        if let Some(&fact) = facts.slack.get(&v) {
            best = best.max(i64::from(fact));
        }
        let Some(def) = self.def(v).filter(|_| depth > 0) else {
            return best;
        };
        let args = match def.op {
            Op::Add | Op::Sub => self.operands(facts, def, depth - 1),
            _ => [Range::FULL; 2],
        };
        let slack = |at: usize| self.slack_within(facts, def.args[at], depth - 1);
        match def.op {
            Op::Len if self.is_len(facts, v) => best.max(0),
            Op::Add if back_step(args[0], args[1]) > 0 => {
                best.max(slack(0) + i64::from(back_step(args[0], args[1])))
            }
            Op::Add if exact_sum(args[0], args[1]) => best
                .max(slack(0) - i64::from(args[1].hi))
                .max(slack(1) - i64::from(args[0].hi)),
            Op::Sub if args[0].lo >= args[1].hi => best.max(slack(0) + i64::from(args[1].lo)),
            Op::And => best.max(slack(0)).max(slack(1)),
            Op::Shr | Op::Remu | Op::Divu => best.max(slack(0)),
            _ => best,
        }
    }

    /// The number under which answers that follow from facts are remembered.
    pub(super) fn stamp(self, facts: &Facts) -> u64 {
        self.memo.number(&facts.stamp)
    }

    /// Whether a condition is true, where that is known.
    pub fn truth(self, facts: &Facts, cond: Value) -> Option<bool> {
        let mut yes = facts.clone();
        let mut no = facts.clone();
        let yes = self.assume(&mut yes, cond, true);
        let no = self.assume(&mut no, cond, false);
        (yes != no).then_some(yes)
    }

    /// Learns that a condition is true, or false; answers whether that can be.
    pub fn assume(self, facts: &mut Facts, cond: Value, truth: bool) -> bool {
        self.assume_within(facts, cond, truth, DEPTH)
    }

    fn assume_within(self, facts: &mut Facts, cond: Value, truth: bool, depth: u8) -> bool {
        let want = if truth {
            Range::new(1, u32::MAX)
        } else {
            Range::exactly(0)
        };
        if !self.narrow(facts, cond, want, DEPTH) {
            return false;
        }
        let Some(def) = self.def(cond).filter(|_| depth > 0) else {
            return true;
        };
        match def.op {
            Op::And if truth => def
                .args
                .iter()
                .all(|&v| self.assume_within(facts, v, true, depth - 1)),
            Op::Or if !truth => def
                .args
                .iter()
                .all(|&v| self.assume_within(facts, v, false, depth - 1)),
            Op::Xor if self.f.constant(def.args[1]) == Some(1) => {
                let bit = self.range(facts, def.args[0]).hi <= 1;
                !bit || self.assume_within(facts, def.args[0], !truth, depth - 1)
            }
            op => {
                let op = if truth { Some(op) } else { op.inverse() };
                op.is_none_or(|op| self.compare(facts, op, def, depth - 1))
            }
        }
    }

    /// Learns that a comparison holds.
    fn compare(self, facts: &mut Facts, op: Op, def: &InstData, depth: u8) -> bool {
        let &[a, b] = def.args.as_slice() else {
            return true;
        };
        let (ra, rb) = (self.range(facts, a), self.range(facts, b));
        match op {
            Op::Ltu => self.order(facts, a, b, 1),
            Op::Geu => self.order(facts, b, a, 0),
            Op::Eq => {
                self.order(facts, a, b, 0)
                    && self.order(facts, b, a, 0)
                    && (rb != Range::exactly(0) || self.assume_within(facts, a, false, depth))
            }
            Op::Ne => {
                let zero = rb == Range::exactly(0);
                self.differ(facts, a, rb)
                    && self.differ(facts, b, ra)
                    && (!zero || self.assume_within(facts, a, true, depth))
            }
            // A number that is at least one that is not negative is not negative.
            Op::Ge if rb.hi <= POSITIVE.hi => {
                self.narrow(facts, a, POSITIVE, DEPTH) && self.order(facts, b, a, 0)
            }
            Op::Lt if ra.hi <= POSITIVE.hi => {
                self.narrow(facts, b, POSITIVE, DEPTH) && self.order(facts, a, b, 1)
            }
            Op::Ge => self.signed_order(facts, b, a, 0),
            Op::Lt => self.signed_order(facts, a, b, 1),
            _ => true,
        }
    }

    /// Learns `a + s <= b` of signed numbers; `s` is 0 or 1.
    fn signed_order(self, facts: &mut Facts, a: Value, b: Value, s: i32) -> bool {
        let lo = self.signed(facts, a, SHALLOW).lo.checked_add(s);
        let hi = self.signed(facts, b, SHALLOW).hi.checked_sub(s);
        let (Some(lo), Some(hi)) = (lo, hi) else {
            return false;
        };
        let above = Signed { lo, hi: i32::MAX };
        let below = Signed { lo: i32::MIN, hi };
        self.narrow_signed(facts, b, above, SHALLOW) && self.narrow_signed(facts, a, below, SHALLOW)
    }

    /// Learns `v != other`; an interval can only lose an end.
    fn differ(self, facts: &mut Facts, v: Value, other: Range) -> bool {
        let Some(n) = other.single() else {
            return true;
        };
        let Range { lo, hi } = self.range(facts, v);
        if lo == n && hi == n {
            return false;
        }
        let trimmed = Range::new(lo + u32::from(lo == n), hi - u32::from(hi == n));
        self.narrow(facts, v, trimmed, DEPTH)
    }

    /// Learns `a + s <= b`.
    fn order(self, facts: &mut Facts, a: Value, b: Value, s: u32) -> bool {
        self.relate(facts, a, b, s);
        let Some(lo) = self.range(facts, a).lo.checked_add(s) else {
            return false;
        };
        if !self.narrow(facts, b, Range::new(lo, u32::MAX), DEPTH) {
            return false;
        }
        let Some(hi) = self.range(facts, b).hi.checked_sub(s) else {
            return false;
        };
        if !self.narrow(facts, a, Range::new(0, hi), DEPTH) {
            return false;
        }
        if self.is_len(facts, b) {
            return self.note_slack(facts, a, s, DEPTH);
        }
        if self.is_len(facts, a) && facts.beyond.get(&b).is_none_or(|&known| known < s) {
            facts.beyond.insert(b, s);
        }
        // What lies before a place in the packet is in the packet: a header within a body that ends there.
        if self.def(b).is_none_or(|d| d.op != Op::Const)
            && let Ok(behind) = u32::try_from(self.slack(facts, b))
            && !self.note_slack(facts, a, s.saturating_add(behind), DEPTH)
        {
            return false;
        }
        // `a + s <= length - x` is a fact about both.
        if let Some(def) = self.def(b).filter(|d| d.op == Op::Sub)
            && self.is_len(facts, def.args[0])
            && self.slack(facts, def.args[1]) >= 0
        {
            let x = def.args[1];
            let behind_a = s.saturating_add(self.range(facts, x).lo);
            let behind_x = s.saturating_add(self.range(facts, a).lo);
            return self.note_slack(facts, a, behind_a, DEPTH)
                && self.note_slack(facts, x, behind_x, DEPTH);
        }
        true
    }

    /// Learns `v + s <= packet length`.
    fn note_slack(self, facts: &mut Facts, v: Value, s: u32, depth: u8) -> bool {
        if facts.slack.get(&v).is_none_or(|&known| known < s) {
            facts.slack.insert(v, s);
        }
        let Some(most) = facts.len.hi.checked_sub(s) else {
            return false;
        };
        if !self.narrow(facts, v, Range::new(0, most), DEPTH) {
            return false;
        }
        let least = self.range(facts, v).lo.saturating_add(s);
        if facts.len.lo < least {
            facts.len.lo = least;
        }
        if facts.len.lo > facts.len.hi {
            return false;
        }
        let Some(def) = self.def(v).filter(|_| depth > 0) else {
            return true;
        };
        let args = match def.op {
            Op::Add | Op::Sub => self.operands(facts, def, DEPTH),
            _ => [Range::FULL; 2],
        };
        let note = |facts: &mut Facts, at: usize, s: u32| {
            self.note_slack(facts, def.args[at], s, depth - 1)
        };
        match def.op {
            Op::Add if back_step(args[0], args[1]) > 0 => {
                let back = back_step(args[0], args[1]);
                s < back || note(facts, 0, s - back)
            }
            Op::Add if exact_sum(args[0], args[1]) => {
                note(facts, 0, s.saturating_add(args[1].lo))
                    && note(facts, 1, s.saturating_add(args[0].lo))
            }
            Op::Sub if args[0].lo >= args[1].hi && s >= args[1].hi => {
                note(facts, 0, s - args[1].hi)
            }
            Op::And if self.is_void_mask(facts, def) => note(facts, 0, s),
            _ => true,
        }
    }

    /// Whether an `and` with a constant changes nothing.
    pub fn is_void_mask(self, facts: &Facts, def: &InstData) -> bool {
        let mask = def.args.get(1).and_then(|&m| self.f.constant(m));
        let low = mask.filter(|m| m & m.wrapping_add(1) == 0);
        def.op == Op::And && low.is_some_and(|m| self.range(facts, def.args[0]).hi <= m)
    }

    /// Learns that a word is in an interval.
    pub(super) fn narrow(self, facts: &mut Facts, v: Value, want: Range, depth: u8) -> bool {
        let old = self.range(facts, v);
        let Some(new) = old.meet(want) else {
            return false;
        };
        if new == old {
            return true;
        }
        facts.ranges.insert(v, new);
        if self.is_len(facts, v) {
            facts.len = facts.len.meet(new).unwrap_or(new);
        }
        let Some(def) = self.def(v).filter(|_| depth > 0) else {
            return true;
        };
        let mut operands = self.operands_of(facts, def, new).into_iter().flatten();
        operands.all(|(v, want)| self.narrow(facts, v, want, depth - 1))
    }

    /// What an operation's result tells about its operands.
    fn operands_of(
        self,
        facts: &Facts,
        def: &InstData,
        result: Range,
    ) -> [Option<(Value, Range)>; 2] {
        use Op::{Add, And, Bswap16, Bswap32, Shl, Shr, Sub};
        let (Add | Sub | And | Shr | Shl | Bswap16 | Bswap32, Some(&a), Some(&b)) =
            (def.op, def.args.first(), def.args.last())
        else {
            return [None; 2];
        };
        let (ra, rb) = (self.range(facts, a), self.range(facts, b));
        let constant = rb.single();
        let one = match (def.op, constant) {
            (Add, Some(_)) => (a, range::eval(Sub, result, rb)),
            (Add, None) if exact_sum(ra, rb) => {
                let below = |other: Range| Range::new(0, result.hi.saturating_sub(other.lo));
                return [Some((a, below(rb))), Some((b, below(ra)))];
            }
            (Sub, Some(_)) => (a, range::eval(Add, result, rb)),
            (Sub, None) if ra.single().is_some() => (b, range::eval(Sub, ra, result)),
            (And, _) if self.is_void_mask(facts, def) => (a, result),
            (And, _) => (a, Range::new(result.lo, u32::MAX)),
            (Shr, Some(n @ 0..32)) => {
                let low = (1 << n) - 1;
                let (lo, hi) = (u64::from(result.lo) << n, u64::from(result.hi) << n | low);
                let Ok(lo) = u32::try_from(lo) else {
                    return [None; 2];
                };
                (a, Range::new(lo, u32::try_from(hi).unwrap_or(u32::MAX)))
            }
            (Shl, Some(n @ 0..32)) if ra.hi <= u32::MAX >> n => {
                let lo = result.lo.div_ceil(1 << n);
                (a, Range::new(lo.min(result.hi >> n), result.hi >> n))
            }
            (Bswap32, _) if result.single().is_some() => {
                (a, Range::exactly(result.lo.swap_bytes()))
            }
            (Bswap16, _) if result.single().is_some() && ra.hi <= 0xffff => {
                let swapped = (result.lo as u16).swap_bytes();
                (a, Range::exactly(u32::from(swapped)))
            }
            _ => return [None; 2],
        };
        [Some(one), None]
    }
}

const POSITIVE: Range = Range {
    lo: 0,
    hi: i32::MAX as u32,
};

fn word_range(word: Option<&WordInfo>) -> Range {
    match word {
        Some(word) if word.wire => Range::of_width(word.width),
        Some(word) if word.lo <= word.hi => Range::new(word.lo, word.hi),
        _ => Range::FULL,
    }
}

/// By how much adding `b` surely goes down from `a`, when `b` is a small negative constant.
fn back_step(a: Range, b: Range) -> u32 {
    let back = b.single().map_or(0, u32::wrapping_neg);
    if back <= i32::MAX as u32 && back <= a.lo {
        back
    } else {
        0
    }
}

fn exact_sum(a: Range, b: Range) -> bool {
    a.hi.checked_add(b.hi).is_some()
}
