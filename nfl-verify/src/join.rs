//! Where ways meet: one state for two.
//!
//! In: two states that reach the same point, and the symbols whose names loops know. Out: a state that covers both.
//! Guaranteed: places share a symbol behind it if they did in both, with constants as far apart. The time is that of looking
//! at every place once, and of a few steps for each that differs.

use alloc::vec::Vec;

use crate::state::{FIRST, Fact, Kind, LEN, REGS, State, Sym, Value, WORDS, ZERO, common_stride};

/// Memory for joins, used again each time.
#[derive(Default)]
pub(crate) struct Joiner {
    /// For each symbol of the first state what became of its name: `FREE`, `KEPT`, or one more than the index of the pair
    /// that was met last.
    names: Vec<u8>,
    /// Symbols that keep their names, and of which the states do not know the same.
    kept: Vec<Sym>,
    pairs: Vec<Pair>,
}

/// No pair has the symbol yet.
const FREE: u8 = 0;
/// The symbol stands with the same constant in one place of both states.
const KEPT: u8 = u8::MAX;
const _: () = assert!(REGS + WORDS < KEPT as usize);

/// A pair of symbols that a join has met, with the symbol that stands for both.
struct Pair {
    /// The symbols and the distance of their constants; places with one distance can share a symbol.
    names: (Sym, Sym, i64),
    /// The symbol that stands for both.
    sym: Sym,
    /// As an entry of `Joiner::names`: the pair before it with the same first symbol.
    before: u8,
    /// What to take from the constant of the first state: the new symbol is the value in the first
    /// place, less what keeps it from being a multiple of its stride.
    less: i64,
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
        let differing = joiner.compare(self, other);
        joiner.pair(self, other, floor.max(FIRST), differing);
        for &sym in &joiner.kept {
            let joined = joined_fact(sym, self, other);
            self.update(sym, joined);
        }
        let (a, b) = (self.fact(LEN), other.fact(LEN));
        self.update(
            LEN,
            Fact {
                lo: a.lo.min(b.lo),
                hi: a.hi.max(b.hi),
                ..a
            },
        );
        for pair in &joiner.pairs {
            match self.facts.get_mut(usize::from(pair.sym)) {
                Some(fact) => *fact = pair.fact,
                None => self.facts.push(pair.fact),
            }
        }
    }
}

/// What holds of a symbol in either state. Joining twice changes nothing more.
fn joined_fact(sym: Sym, sa: &State, sb: &State) -> Fact {
    let (a, b) = (sa.fact(sym), sb.fact(sym));
    Fact {
        lo: a.lo.min(b.lo),
        hi: a.hi.max(b.hi),
        slack: sa.slack(sym).min(sb.slack(sym)),
        stride: common_stride(a.stride, b.stride),
    }
}

impl Joiner {
    /// Finds the places that hold different values, one bit each, and the symbols that keep their names.
    fn compare(&mut self, sa: &State, sb: &State) -> u128 {
        self.names.clear();
        self.names.resize(sa.facts.len(), FREE);
        self.kept.clear();
        let mut differing = 0;
        for (at, (a, b)) in sa.values.iter().zip(&sb.values).enumerate() {
            if a != b {
                differing |= 1 << at;
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
        differing
    }

    /// Joins the values of the places that differ.
    fn pair(&mut self, sa: &mut State, sb: &State, floor: Sym, mut differing: u128) {
        self.pairs.clear();
        let mut next = sa.symbols();
        while differing != 0 {
            let at = differing.trailing_zeros() as usize;
            differing &= differing - 1;
            let (Some(&a), Some(&b)) = (sa.values.get(at), sb.values.get(at)) else {
                return;
            };
            let joined = if let Some((a, b)) = alike(sa, a, sb, b) {
                if a.has_term_of(b) {
                    a
                } else {
                    self.join(sa, a, sb, b, floor, &mut next)
                }
            } else if at >= REGS {
                Value::bytes(a.number_bytes() & b.number_bytes())
            } else {
                Value::UNINIT
            };
            if let Some(slot) = sa.values.get_mut(at) {
                *slot = joined;
            }
        }
    }

    /// Two terms that differ, as one of the symbol that stands for both.
    fn join(
        &mut self,
        sa: &State,
        a: Value,
        sb: &State,
        b: Value,
        floor: Sym,
        next: &mut Sym,
    ) -> Value {
        let names = (a.sym, b.sym, b.k - a.k);
        let head = self.names.get(usize::from(a.sym)).copied().unwrap_or(KEPT);
        let mut link = head;
        let known = loop {
            let index = match link {
                FREE | KEPT => break None,
                _ => usize::from(link) - 1,
            };
            let Some(pair) = self.pairs.get(index) else {
                break None;
            };
            if pair.names == names {
                break Some(pair);
            }
            link = pair.before;
        };
        let (sym, less) = match known {
            Some(pair) => (pair.sym, pair.less),
            None => {
                let sym = if head == FREE && a.sym >= floor {
                    a.sym
                } else {
                    *next += 1;
                    *next - 1
                };
                let pair = Pair::of(sa, a, sb, b, sym, head);
                let less = pair.less;
                self.pairs.push(pair);
                if let Some(name) = self.names.get_mut(usize::from(a.sym)) {
                    *name = self.pairs.len() as u8;
                }
                (sym, less)
            }
        };
        Value {
            kind: a.kind,
            sym,
            k: a.k - less,
        }
    }
}

impl Pair {
    fn of(sa: &State, a: Value, sb: &State, b: Value, sym: Sym, before: u8) -> Pair {
        let apart = b.k - a.k;
        let stride = common_stride(sa.fact(a.sym).stride, sb.fact(b.sym).stride);
        let stride = common_stride(stride, apart);
        let rest = if stride > 1 {
            a.k.rem_euclid(stride)
        } else {
            0
        };
        let (ra, rb) = (sa.range(a), sb.range(b));
        let fact = Fact {
            lo: ra.0.min(rb.0) - rest,
            hi: ra.1.max(rb.1) - rest,
            slack: (sa.slack(a.sym) - a.k).min(sb.slack(b.sym) - b.k) + rest,
            stride: stride.max(1),
        };
        Pair {
            names: (a.sym, b.sym, apart),
            sym,
            before,
            less: a.k - rest,
            fact,
        }
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
