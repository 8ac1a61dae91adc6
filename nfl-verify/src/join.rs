//! Where ways meet: one state for two.
//!
//! In: two states that reach the same point, and the symbols whose names loops know. Out: a state that covers both.
//! Guaranteed: places share a symbol behind it if they did in both, with constants as far apart. The time is that of looking
//! at every place once, and of a few steps for each symbol that the first state holds and for each place that parts from others;
//! of two states that were one a short while ago, that of a few steps for whatever has changed since.

use alloc::vec::Vec;

use crate::state::{
    FIRST, Fact, Kind, LEN, REGS, State, Sym, UNMARKED, Value, WORDS, ZERO, common_stride,
};

/// Memory for joins, used again each time.
#[derive(Default)]
pub(crate) struct Joiner {
    /// For each symbol of the first state who has its name behind the join: `FREE`, `KEPT`, or one more than the symbol of the
    /// second state that shares it.
    names: Vec<u16>,
    /// For a name that is shared the distance of the constants.
    apart: Vec<i64>,
    /// For each symbol of the first state one more than the index of the pair with it that was met last.
    last: Vec<u8>,
    /// Symbols that keep their names, and of which the states do not know the same.
    kept: Vec<Sym>,
    /// Symbols that share their names with others.
    shared: Vec<Sym>,
    /// Places that hold different values, in their order.
    differing: Vec<u8>,
    /// What did not get a name that it had.
    pairs: Vec<Pair>,
}

/// Nobody has the name yet.
const FREE: u16 = 0;
/// The symbol stands with the same constant in one place of both states.
const KEPT: u16 = u16::MAX;
const _: () = assert!(REGS + WORDS < u8::MAX as usize);

/// A pair of symbols that gets a new name.
struct Pair {
    /// The symbols and the distance of their constants; places with one distance can share a symbol.
    names: (Sym, Sym, i64),
    /// As an entry of `Joiner::last`: the pair before it with the same first symbol.
    before: u8,
    /// What holds of the symbol that stands for both.
    fact: Fact,
}

impl State {
    /// Makes this state cover another that reaches the same point. A symbol that stands with the same
    /// constant in one place of both keeps its name. Every other pair of symbols gets the name of the first, if that is
    /// free and not below `floor`, or a new one.
    pub(crate) fn join(&mut self, other: &State, floor: Sym, joiner: &mut Joiner) {
        if other.void {
            return;
        }
        if self.void {
            self.copy_from(other);
            return;
        }
        self.values.truncate(other.values.len().max(REGS));
        if self.is_near(other) {
            self.written |= other.written;
            joiner.compare_written(self, other);
        } else {
            self.unmark();
            joiner.compare(self, other);
        }
        joiner.differing(self, other, floor.max(FIRST));
        joiner.finish(self, other);
    }

    fn join_length(&mut self, other: &State) {
        let (a, b) = (self.fact(LEN), other.fact(LEN));
        let (lo, hi) = (a.lo.min(b.lo), a.hi.max(b.hi));
        self.update(LEN, Fact { lo, hi, ..a });
    }
}

/// The state that was covered last: others that hold the same values can only differ in what was learned.
#[derive(Default)]
pub(crate) struct Covered {
    mark: u32,
    len_lo: i64,
    learned: Vec<Sym>,
}

impl Covered {
    /// Notes that none has been covered yet.
    pub(crate) fn forget(&mut self) {
        self.mark = UNMARKED;
    }

    /// Notes that a state has just been covered.
    pub(crate) fn note(&mut self, state: &State) {
        self.mark = if state.void {
            UNMARKED
        } else {
            state.clean_mark()
        };
        self.len_lo = state.len_lo();
        self.learned.clone_from(&state.learned);
    }

    /// Whether a state holds the same values, and packets are no shorter there.
    fn is_like(&self, state: &State) -> bool {
        self.mark != UNMARKED
            && self.mark == state.clean_mark()
            && self.len_lo <= state.len_lo()
            && !state.void
    }
}

impl Joiner {
    /// Makes `sa` cover a state where it has covered one like that: each of its symbols stands for the same one as then. False
    /// if that is not so.
    pub(crate) fn join_again(&mut self, sa: &mut State, sb: &State, covered: &Covered) -> bool {
        if sa.void || !covered.is_like(sb) {
            return false;
        }
        self.names.clear();
        self.names.resize(sb.facts.len(), FREE);
        for &sym in covered.learned.iter().chain(&sb.learned) {
            if let Some(name) = self.names.get_mut(usize::from(sym)) {
                *name = KEPT;
            }
        }
        let len_lo = (sa.len_lo(), sb.len_lo());
        for (at, b) in sb.values.iter().enumerate() {
            if self.names.get(usize::from(b.sym())) != Some(&KEPT) {
                continue;
            }
            let Some(&a) = sa.values.get(at).filter(|a| a.has_term()) else {
                // Nothing has a term any more where one has none.
                continue;
            };
            if !a.is_like(*b) || a.sym() < FIRST {
                return false;
            }
            let fact = hull(sa.fact(a.sym()), sb.fact(b.sym()), b.k - a.k, len_lo);
            sa.update(a.sym(), fact);
        }
        sa.join_length(sb);
        true
    }

    /// Finds the places that hold different values, and the symbols that keep their names.
    fn compare(&mut self, sa: &State, sb: &State) {
        self.names.clear();
        self.names.resize(sa.facts.len(), FREE);
        self.kept.clear();
        self.differing.clear();
        for (at, (a, b)) in (0u8..).zip(sa.values.iter().zip(&sb.values)) {
            if a != b {
                self.differing.push(at);
                if !a.has_term_of(*b) {
                    continue;
                }
            }
            let sym = usize::from(a.sym());
            if a.sym() >= FIRST
                && let Some(name) = self.names.get_mut(sym)
                && *name == FREE
            {
                *name = KEPT;
                if sa.facts.get(sym) != sb.facts.get(sym) {
                    self.kept.push(a.sym());
                }
            }
        }
    }

    /// As `compare`, of two states that were one once.
    fn compare_written(&mut self, sa: &State, sb: &State) {
        self.names.clear();
        // A place that was not written may hold an old symbol.
        self.names.resize(sa.first_new.into(), KEPT);
        self.names.resize(sa.facts.len(), FREE);
        self.kept.clear();
        self.kept.extend(sa.learned.iter().chain(&sb.learned));
        self.differing.clear();
        let mut written = sa.written;
        while written != 0 {
            let at = written.trailing_zeros() as u8;
            written &= written - 1;
            let index = usize::from(at);
            let (Some(a), Some(b)) = (sa.values.get(index), sb.values.get(index)) else {
                break;
            };
            if a != b {
                self.differing.push(at);
                if !a.has_term_of(*b) {
                    continue;
                }
            }
            if let Some(name) = self.names.get_mut(usize::from(a.sym()))
                && *name == FREE
            {
                *name = KEPT;
                self.kept.push(a.sym());
            }
        }
    }

    /// Joins the values of the places that differ.
    fn differing(&mut self, sa: &mut State, sb: &State, floor: Sym) {
        for pair in self.pairs.drain(..) {
            if let Some(last) = self.last.get_mut(usize::from(pair.names.0)) {
                *last = 0;
            }
        }
        self.shared.clear();
        if self.apart.len() < self.names.len() {
            self.apart.resize(self.names.len(), 0);
            self.last.resize(self.names.len(), 0);
        }
        let mut values = core::mem::take(&mut sa.values);
        let differing = core::mem::take(&mut self.differing);
        for &at in &differing {
            let (Some(a), Some(&b)) = (
                values.get_mut(usize::from(at)),
                sb.values.get(usize::from(at)),
            ) else {
                break;
            };
            if a.is_like(b) && a.has_term() {
                self.join(sa, a, sb, b, floor);
            } else {
                self.unlike(sa, a, sb, b, floor, usize::from(at) < REGS);
            }
        }
        sa.values = values;
        self.differing = differing;
    }

    /// Joins values of two kinds, or of one without a term.
    fn unlike(
        &mut self,
        sa: &State,
        a: &mut Value,
        sb: &State,
        b: Value,
        floor: Sym,
        in_register: bool,
    ) {
        if let Some((first, second)) = alike(sa, *a, sb, b) {
            *a = first;
            if !first.has_term_of(second) {
                self.join(sa, a, sb, second, floor);
            }
        } else if in_register {
            *a = Value::UNINIT;
        } else {
            *a = Value::bytes(a.number_bytes() & b.number_bytes());
        }
    }

    /// Two terms that differ, as one of the symbol that stands for both. That is as far from the value as the first one is, so
    /// nothing changes in places whose symbol shares its name with one other.
    #[inline]
    fn join(&mut self, sa: &State, a: &mut Value, sb: &State, b: Value, floor: Sym) {
        let at = usize::from(a.sym());
        let by = b.k - a.k;
        let (Some(name), Some(apart)) = (self.names.get_mut(at), self.apart.get_mut(at)) else {
            return;
        };
        if *name == FREE && a.sym() >= floor {
            (*name, *apart) = (b.sym() + 1, by);
            if by != 0 || sa.facts.get(at) != sb.facts.get(usize::from(b.sym())) {
                self.shared.push(a.sym());
            }
        } else if *name != b.sym() + 1 || *apart != by {
            a.rename(self.renamed(sa, sb, (a.sym(), b.sym(), by)));
        }
    }

    /// The name of a pair that cannot have that of its first symbol.
    fn renamed(&mut self, sa: &State, sb: &State, names: (Sym, Sym, i64)) -> Sym {
        let (first, second, apart) = names;
        let Some(last) = self.last.get_mut(usize::from(first)) else {
            return first;
        };
        let mut link = *last;
        while let Some(index) = usize::from(link).checked_sub(1)
            && let Some(pair) = self.pairs.get(index)
        {
            if pair.names == names {
                return sa.symbols() + index as Sym;
            }
            link = pair.before;
        }
        let len_lo = (sa.len_lo(), sb.len_lo());
        let pair = Pair {
            names,
            before: *last,
            fact: hull(sa.fact(first), sb.fact(second), apart, len_lo),
        };
        self.pairs.push(pair);
        *last = self.pairs.len() as u8;
        sa.symbols() + self.pairs.len() as Sym - 1
    }

    /// Notes what is known of the symbols behind the join.
    fn finish(&self, sa: &mut State, sb: &State) {
        let len_lo = (sa.len_lo(), sb.len_lo());
        for &sym in &self.kept {
            let fact = hull(sa.fact(sym), sb.fact(sym), 0, len_lo);
            sa.update(sym, fact);
        }
        for &sym in &self.shared {
            let at = usize::from(sym);
            if let (Some(name), Some(&apart)) = (self.names.get(at), self.apart.get(at))
                && let Some(fact) = sa.facts.get_mut(at)
            {
                *fact = hull(*fact, sb.fact(name.saturating_sub(1)), apart, len_lo);
            }
        }
        sa.join_length(sb);
        sa.facts.extend(self.pairs.iter().map(|pair| pair.fact));
    }
}

/// What holds of a symbol in the first state, and of another in the second when `apart` is added to it. `len_lo` are the
/// shortest packets.
fn hull(a: Fact, b: Fact, apart: i64, len_lo: (i64, i64)) -> Fact {
    let slack_a = a.slack.max(len_lo.0 - a.hi);
    let slack_b = b.slack.max(len_lo.1 - b.hi) - apart;
    Fact {
        lo: a.lo.min(b.lo + apart),
        hi: a.hi.max(b.hi + apart),
        slack: slack_a.min(slack_b),
        stride: common_stride(common_stride(a.stride, b.stride), apart).max(1),
    }
}

/// Two values as values of one kind with a term, where there is one that covers both.
fn alike(sa: &State, a: Value, sb: &State, b: Value) -> Option<(Value, Value)> {
    if a.is_like(b) {
        return a.has_term().then_some((a, b));
    }
    if !a.has_term() || !b.has_term() {
        return None;
    }
    if let (Kind::Value(m), Kind::Value(n)) = (a.kind(), b.kind()) {
        let kind = Kind::Value(m.min(n));
        return Some((a.of(kind), b.of(kind)));
    }
    let ((a, m), (b, n)) = (answer(sa, a)?, answer(sb, b)?);
    let kind = Kind::Answer(m.min(n));
    Some((a.of(kind), b.of(kind)))
}

/// A value as the answer of a lookup, with the bytes that may be read behind it: any number of
/// them behind a 0, which is the address of nothing.
fn answer(state: &State, value: Value) -> Option<(Value, u16)> {
    let is = |n| state.range(value) == (n, n);
    let flag = |k| Value::new(value.kind(), ZERO, k);
    match value.kind() {
        Kind::Answer(bytes) => Some((value, bytes)),
        Kind::Value(bytes) if is(0) => Some((flag(1), bytes)),
        Kind::Number if is(0) => Some((flag(0), u16::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use nfl_isa::Reg;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::{Covered, Joiner};
    use crate::refusal::Place;
    use crate::state::{FIRST, Kind, LEN, REGS, Space, State, Value, WORD_MAX};

    /// A change of a state: what is done, to which places, with which numbers.
    type Change = (u8, u8, u8, i64, i64);

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let number = prop_oneof![0i64..8, 0i64..2000, 0..=WORD_MAX];
        prop::collection::vec((0u8..7, 0u8..12, 0u8..12, number.clone(), number), 0..12)
    }

    /// Some registers and words of scratch.
    fn place(at: u8) -> Place {
        Place(if at < 6 { 10 + at } else { REGS as u8 - 6 + at })
    }

    fn change(state: &mut State, &(what, to, from, a, b): &Change) {
        let value = state.get(place(from));
        let (lo, hi) = (a.min(b), a.max(b));
        match what {
            0 => {
                let value = state.some(Kind::Number, (lo, hi));
                state.note_stride(value.sym(), 4);
                state.set(place(to), value);
            }
            1 => state.set(place(to), value),
            2 if value.has_term() => state.set(place(to), value.moved(4)),
            3 => state.learn_not(value, a),
            4 => state.learn_at_most(value, lo % 64, state.get(place(to))),
            5 => state.learn_at_most(value, lo % 64, state.reg(Reg::S1)),
            6 => state.compact(FIRST, &mut Space::default()),
            _ => {}
        }
    }

    fn all(state: &mut State, changes: &[Change]) {
        changes.iter().for_each(|one| change(state, one));
    }

    fn copy(state: &State) -> State {
        let mut copy = State::default();
        copy.copy_from(state);
        copy
    }

    /// What a state says: of each place its kind, its range, its distance from the packet's end, what divides it, and the first
    /// place with the same symbol.
    fn said(state: &State) -> Vec<impl PartialEq + core::fmt::Debug + use<>> {
        let places = || (0..(REGS + 12) as u8).map(|at| state.get(Place(at)));
        let of = |value: Value| {
            let first =
                places().position(|other| other.sym() == value.sym() && other.kind().has_term());
            let apart = first.map(|first| value.k - state.get(Place(first as u8)).k);
            let term = value.has_term().then(|| {
                let fixed = (value.sym() < FIRST).then_some(value.sym());
                let (slack, stride) = (state.slack(value.sym()) - value.k, state.stride(value));
                (state.range(value), slack, stride, first, apart, fixed)
            });
            (value.kind(), term, value.number_bytes())
        };
        places()
            .map(of)
            .chain([(Kind::Uninit, None, state.range(length()).0)])
            .collect()
    }

    fn length() -> Value {
        Value::new(Kind::Number, LEN, 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

        /// What is known of the past of two states changes nothing but the time of their join.
        #[test]
        fn marks_change_no_join(before in changes(), one in changes(), other in changes(), more in changes()) {
            let (mut marks, mut joiner) = (0, Joiner::default());
            let mut a = State::entry((20, 1500));
            all(&mut a, &before);
            a.mark_anew(&mut marks);
            let (mut b, mut c) = (copy(&a), copy(&a));
            all(&mut a, &one);
            all(&mut b, &other);
            all(&mut c, &more);
            let mut far = copy(&a);
            far.unmark();
            for state in [&b, &c] {
                a.join(state, FIRST, &mut joiner);
                far.join(state, FIRST, &mut joiner);
                prop_assert_eq!(said(&a), said(&far));
            }
        }

        /// A state is covered as it is alone where one that held the same values was covered before.
        #[test]
        fn what_was_covered_changes_no_join(
            before in changes(), one in changes(), other in changes(), learned in changes(), more in changes(),
        ) {
            let (mut marks, mut joiner) = (0, Joiner::default());
            let learned: Vec<Change> = learned.into_iter().filter(|one| (3..6).contains(&one.0)).collect();
            let mut all_ways = State::entry((20, 1500));
            all(&mut all_ways, &before);
            let mut state = copy(&all_ways);
            all(&mut all_ways, &one);
            all(&mut state, &other);
            state.mark_anew(&mut marks);
            let mut next = copy(&state);
            all(&mut state, &learned);
            all(&mut next, &more);
            all_ways.join(&state, FIRST, &mut joiner);
            let mut covered = Covered::default();
            covered.note(&state);
            let mut alone = copy(&all_ways);
            alone.join(&next, FIRST, &mut joiner);
            if joiner.join_again(&mut all_ways, &next, &covered) {
                prop_assert_eq!(said(&all_ways), said(&alone));
            }
        }
    }
}
