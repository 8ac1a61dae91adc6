//! Section 7: what is known where ways meet.
//!
//! In: two states. Out: what holds in both. A symbol that both name alike keeps its name, which is a matter of taste but
//! for the symbols of claims: ways back to a loop's head ask for those.

use std::collections::BTreeMap;

use super::Int;
use super::state::{Fact, Holds, Kind, Place, State, Symbol, Term, bytes_of, gcd};

/// A symbol of one state, one of the other, and how much further the other's place is.
type Triple = (Symbol, Symbol, Int);

pub(super) fn join(a: &State, b: &State) -> State {
    let mut joined = a.empty();
    let (one, other) = (a.len(), b.len());
    let len = Fact {
        lo: one.lo.min(other.lo),
        hi: one.hi.max(other.hi),
        ..one
    };
    joined.facts.insert(Symbol::Len, len);
    let mut symbols: BTreeMap<Triple, Symbol> = BTreeMap::new();
    for (&place, x) in &a.holds {
        let Some(y) = b.holds.get(&place) else {
            continue;
        };
        if let Some((kind, s, t)) = alike(a, x, b, y) {
            let symbol = match s.symbol {
                Symbol::Zero | Symbol::Len if (s.symbol, s.k) == (t.symbol, t.k) => s.symbol,
                _ => {
                    let triple = (s.symbol, t.symbol, t.k - s.k);
                    let symbol = symbols.entry(triple);
                    *symbol.or_insert_with(|| meet(&mut joined, a, b, triple))
                }
            };
            joined.hold(place, Term::new(kind, symbol, s.k));
        } else if let Place::Word(_) = place {
            let (mut bytes, others) = (bytes_of(Some(x)), bytes_of(Some(y)));
            bytes.retain(|byte| others.contains(byte));
            if !bytes.is_empty() {
                joined.holds.insert(place, Holds::Bytes(bytes));
            }
        }
    }
    joined
}

/// The symbol of a triple, with its fact.
fn meet(joined: &mut State, a: &State, b: &State, (v, w, d): Triple) -> Symbol {
    let (one, other) = (a.fact(v), b.fact(w));
    let fact = Fact {
        lo: one.lo.min(other.lo + d),
        hi: one.hi.max(other.hi + d),
        stored: Some(a.slack(v).min(b.slack(w) - d)),
        stride: gcd(gcd(one.stride, other.stride), d).max(1),
    };
    match v {
        Symbol::Made(_) if v == w && d == 0 => {
            joined.facts.insert(v, fact);
            v
        }
        _ => joined.make(fact),
    }
}

/// The common kind, and both values as they are taken for it.
fn alike(a: &State, x: &Holds, b: &State, y: &Holds) -> Option<(Kind, Term, Term)> {
    let (&Holds::Term(s), &Holds::Term(t)) = (x, y) else {
        return None;
    };
    if s.kind == t.kind {
        return Some((s.kind, s, t));
    }
    if let (Kind::Value(m), Kind::Value(n)) = (s.kind, t.kind) {
        return Some((Kind::Value(m.min(n)), s, t));
    }
    let ((m, s), (n, t)) = (as_answer(a, s)?, as_answer(b, t)?);
    Some((Kind::Answer(m.min(n)), s, t))
}

/// What is an answer, or can be taken for one: a value's first byte, and 0.
fn as_answer(state: &State, term: Term) -> Option<(Int, Term)> {
    let is_start = state.range(term) == (0, 0);
    match term.kind {
        Kind::Answer(bytes) => Some((bytes, term)),
        Kind::Value(bytes) if is_start => Some((bytes, Term::constant(1))),
        Kind::Number if is_start => Some((65_535, Term::constant(0))),
        _ => None,
    }
}
