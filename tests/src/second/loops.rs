//! Section 9: what a loop claims, changes and shows.
//!
//! In: a loop of the certificate and the state at its head or on a way back to it. Out: the state in which its
//! instructions are checked, or why a claim does not hold.

use std::collections::{BTreeMap, BTreeSet};

use nfl_isa::{Fmt, Reg};

use super::certificate::{Claim, Loop, Range, Subroutine};
use super::code::{Code, Goes, Line, access_bytes};
use super::service::Call;
use super::state::{Fact, Holds, Place, State, Symbol, Term, gcd};
use super::subroutine::changed;
use super::{Int, require};

/// A loop while its instructions are checked.
pub(super) struct Open<'l> {
    pub(super) shape: &'l Loop,
    /// The symbol of each claim of a range.
    symbols: BTreeMap<Place, Symbol>,
    /// The words of scratch that it may change.
    pub(super) words: BTreeSet<Int>,
}

impl<'l> Open<'l> {
    /// Opens a loop at its head, and leaves what holds there in every round.
    pub(super) fn new(
        shape: &'l Loop,
        code: &Code,
        (calls, own): (&[Call], &[Subroutine]),
        state: &mut State,
    ) -> Result<Open<'l>, String> {
        claims_hold(&shape.claims, state)?;
        let words = words(shape, code, own);
        if resizes(shape, code, calls) {
            state.move_packet(0, 65_535);
        }
        for (_, line) in code.range(shape.head..shape.end) {
            for register in line.writes() {
                state.holds.remove(&Place::Register(register));
            }
            for place in called(line, code, own) {
                state.holds.remove(&place);
            }
        }
        for &word in &words {
            state.holds.remove(&Place::Word(word));
        }
        let symbols = assume_all(state, &shape.claims);
        Ok(Open {
            shape,
            symbols,
            words,
        })
    }

    /// Whether a way back to the head shows what the loop claims, and moves its measure.
    pub(super) fn goes_back(&self, state: &State) -> Result<(), String> {
        claims_hold(&self.shape.claims, state)?;
        let (measure, step) = (self.shape.measure, self.shape.step);
        let range = self.shape.range().ok_or("a measure without a range")?;
        let moves = state.term(measure).is_some_and(|term| {
            let by = term.k - range.base();
            let same = Some(&term.symbol) == self.symbols.get(&measure);
            let far = if step > 0 { by >= step } else { by <= step };
            term.kind == range.kind && same && far
        });
        require(moves, "a measure that does not move")
    }
}

/// Makes all places hold what is claimed of them; gives back the symbols of claims about ranges.
pub(super) fn assume_all(
    state: &mut State,
    claims: &BTreeMap<Place, Claim>,
) -> BTreeMap<Place, Symbol> {
    let mut symbols = BTreeMap::new();
    for (&place, claim) in claims {
        match claim {
            Claim::Nothing => {
                state.holds.remove(&place);
            }
            Claim::Bytes => {
                state.holds.insert(place, Holds::Bytes((0..4).collect()));
            }
            Claim::Range(range) => {
                symbols.insert(place, assume(state, place, range));
            }
        }
    }
    symbols
}

/// Makes a place hold what is claimed of it; gives back the claim's symbol.
fn assume(state: &mut State, place: Place, range: &Range) -> Symbol {
    let base = range.base();
    let symbol = state.make(Fact::range(range.lo - base, range.hi - base));
    state.note_stride(symbol, range.stride);
    if let Some(slack) = range.slack {
        state.note_slack(symbol, slack + base);
    }
    state.hold(place, Term::new(range.kind, symbol, base));
    symbol
}

pub(super) fn claims_hold(claims: &BTreeMap<Place, Claim>, state: &State) -> Result<(), String> {
    for (&place, claim) in claims {
        let holds = match claim {
            Claim::Nothing => true,
            Claim::Bytes => match state.holds.get(&place) {
                Some(Holds::Term(term)) => term.is_number(),
                Some(Holds::Bytes(bytes)) => bytes.len() == 4,
                None => false,
            },
            Claim::Range(range) => state
                .term(place)
                .is_some_and(|term| range_holds(state, range, term)),
        };
        require(holds, &format!("the claim about {place:?} does not hold"))?;
    }
    Ok(())
}

fn range_holds(state: &State, range: &Range, x: Term) -> bool {
    let (lo, hi) = state.range(x);
    let steps = match state.exact(x) {
        Some(n) => n - range.lo,
        None => gcd(state.fact(x.symbol).stride, x.k - range.lo),
    };
    x.kind == range.kind
        && range.lo <= lo
        && hi <= range.hi
        && range.slack.is_none_or(|slack| state.dist(x) >= slack)
        && (range.stride < 2 || steps % range.stride == 0)
}

fn resizes(shape: &Loop, code: &Code, calls: &[Call]) -> bool {
    code.range(shape.head..shape.end)
        .any(|(_, line)| matches!(line.goes, Goes::Call(k) if calls[k].resizes()))
}

/// The loop words: those with a claim, and those to which the extent stores through `sp`.
fn words(shape: &Loop, code: &Code, own: &[Subroutine]) -> BTreeSet<Int> {
    let mut words = stored_words(code, shape.head, shape.end);
    for place in shape.claims.keys() {
        if let &Place::Word(word) = place {
            words.insert(word);
        }
    }
    for (_, line) in code.range(shape.head..shape.end) {
        words.extend(called(line, code, own).into_iter().filter_map(Place::word));
    }
    words
}

/// The places that a call of a subroutine changes, if the instruction is one.
fn called(line: &Line, code: &Code, own: &[Subroutine]) -> BTreeSet<Place> {
    let called = own
        .iter()
        .find(|one| matches!(line.goes, Goes::Own(to, _) if to == one.entry));
    called.map_or(BTreeSet::new(), |one| changed(one, code))
}

/// The words to which instructions store through `sp`.
pub(super) fn stored_words(code: &Code, from: Int, to: Int) -> BTreeSet<Int> {
    let mut words = BTreeSet::new();
    for (_, line) in code.range(from..to) {
        let inst = &line.inst;
        if inst.op.spec().fmt == Fmt::S && inst.rs1 == Reg::SP {
            let at = Int::from(inst.imm);
            let last = at + access_bytes(inst.op) - 1;
            words.extend([at.div_euclid(4), last.div_euclid(4)]);
        }
    }
    words.retain(|word| (0..64).contains(word));
    words
}
