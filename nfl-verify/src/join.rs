//! Where ways meet: one state for two.
//!
//! In: two states that reach the same point, and the symbols whose names loops know. Out: a state that covers both.
//! Guaranteed: places share a symbol behind it if they did in both, with constants as far apart. The time is that of looking
//! at every place once, and of a few steps for each symbol that the first state holds and for each place that parts from others.

use alloc::vec::Vec;

use crate::state::{FIRST, Fact, Kind, LEN, REGS, State, Sym, Value, WORDS, ZERO, common_stride};

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
        joiner.compare(self, other);
        joiner.differing(self, other, floor.max(FIRST));
        joiner.finish(self, other);
    }
}

impl Joiner {
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
            let sym = usize::from(a.sym);
            if a.sym >= FIRST
                && let Some(name) = self.names.get_mut(sym)
                && *name == FREE
            {
                *name = KEPT;
                if sa.facts.get(sym) != sb.facts.get(sym) {
                    self.kept.push(a.sym);
                }
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
            if a.kind == b.kind && a.kind.has_term() {
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
        let at = usize::from(a.sym);
        let by = b.k - a.k;
        let (Some(name), Some(apart)) = (self.names.get_mut(at), self.apart.get_mut(at)) else {
            return;
        };
        if *name == FREE && a.sym >= floor {
            (*name, *apart) = (b.sym + 1, by);
            if by != 0 || sa.facts.get(at) != sb.facts.get(usize::from(b.sym)) {
                self.shared.push(a.sym);
            }
        } else if *name != b.sym + 1 || *apart != by {
            a.sym = self.renamed(sa, sb, (a.sym, b.sym, by));
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
        let (a, b) = (sa.fact(LEN), sb.fact(LEN));
        let (lo, hi) = (a.lo.min(b.lo), a.hi.max(b.hi));
        sa.update(LEN, Fact { lo, hi, ..a });
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
    let with = |value: Value, kind| Value { kind, ..value };
    if a.kind == b.kind {
        return a.kind.has_term().then_some((a, b));
    }
    if !a.kind.has_term() || !b.kind.has_term() {
        return None;
    }
    if let (Kind::Value(m), Kind::Value(n)) = (a.kind, b.kind) {
        let kind = Kind::Value(m.min(n));
        return Some((with(a, kind), with(b, kind)));
    }
    let ((a, m), (b, n)) = (answer(sa, a)?, answer(sb, b)?);
    let kind = Kind::Answer(m.min(n));
    Some((with(a, kind), with(b, kind)))
}

/// A value as the answer of a lookup, with the bytes that may be read behind it: any number of
/// them behind a 0, which is the address of nothing.
fn answer(state: &State, value: Value) -> Option<(Value, u16)> {
    let is = |n| state.range(value) == (n, n);
    let flag = |k| Value {
        kind: value.kind,
        sym: ZERO,
        k,
    };
    match value.kind {
        Kind::Answer(bytes) => Some((value, bytes)),
        Kind::Value(bytes) if is(0) => Some((flag(1), bytes)),
        Kind::Number if is(0) => Some((flag(0), u16::MAX)),
        _ => None,
    }
}
