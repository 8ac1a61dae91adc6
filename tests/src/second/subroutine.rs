//! Section 12: subroutines.
//!
//! In: subroutines of the certificate, and the states at their ends and calls. Out: the state behind a call, and what the
//! call costs; or why a subroutine is none.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use nfl_abi::map::reg;
use nfl_abi::{Image, Role};

use super::certificate::{Claim, Loop, Subroutine};
use super::code::{Code, Goes, Line};
use super::loops::{assume_all, claims_hold, stored_words};
use super::service::Call;
use super::state::{Fact, Holds, Place, State, Symbol, Term};
use super::{Int, require};

/// The places that a body changes.
pub(super) fn changed(one: &Subroutine, code: &Code) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for (_, line) in code.range(one.entry..one.end) {
        places.extend(line.writes().into_iter().map(Place::Register));
    }
    places.extend(
        stored_words(code, one.entry, one.end)
            .into_iter()
            .map(Place::Word),
    );
    places
}

/// The subroutine around an address.
pub(super) fn around(all: &[Subroutine], pc: Int) -> Option<&Subroutine> {
    all.iter().find(|one| (one.entry..one.end).contains(&pc))
}

/// Whether code keeps to the shape of its subroutines.
pub(super) fn shape(
    all: &[Subroutine],
    loops: &[Loop],
    image: &Image,
    code: &Code,
    calls: &[Call],
) -> Result<(), String> {
    let behind = code.last_key_value().map_or(0, |(_, line)| line.next);
    for one in all {
        let fits =
            code.contains_key(&one.entry) && (code.contains_key(&one.end) || one.end == behind);
        require(fits, "a subroutine within an instruction")?;
        let apart = loops
            .iter()
            .all(|other| other.end <= one.entry || one.end <= other.head);
        require(apart, "a subroutine and a loop with common code")?;
        let mut entries = image
            .manifest
            .entries
            .iter()
            .map(|entry| Int::from(entry.pc));
        require(
            !entries.any(|pc| (one.entry..one.end).contains(&pc)),
            "an entry in a subroutine",
        )?;
        let last = code.range(one.entry..one.end).next_back();
        require(
            last.is_some_and(|(_, line)| line.goes == Goes::Back(one.link)),
            "a subroutine without its return",
        )?;
        for (_, line) in code.range(one.entry..one.end) {
            let fits = match line.goes {
                Goes::End | Goes::Own(..) => false,
                Goes::Back(_) => line.next == one.end,
                Goes::Call(k) => !calls[k].resizes(),
                _ => true,
            };
            require(
                fits && !line.writes().contains(&one.link),
                "what no subroutine may do",
            )?;
        }
    }
    let home = |pc: Int| around(all, pc).map(|one| one.entry);
    let mut called = BTreeSet::new();
    for (&pc, line) in code {
        match line.goes {
            Goes::Branch(to) | Goes::Jump(to) => require(
                home(pc) == home(to),
                "a jump across the border of a subroutine",
            )?,
            Goes::Back(_) => require(home(pc).is_some(), "a return from nowhere")?,
            Goes::Own(to, link) => {
                let known = all
                    .iter()
                    .find(|one| one.entry == to && one.link == link && one.end <= pc);
                require(known.is_some(), "a call of no subroutine")?;
                called.insert(to);
            }
            _ => {}
        }
    }
    require(called.len() == all.len(), "a subroutine that is not called")
}

/// A body that is being checked, or has been.
pub(super) struct Body {
    /// The symbols of its claims, with where they are from and what they are less than that.
    claimed: BTreeMap<Symbol, (Place, Int)>,
    changed: BTreeSet<Place>,
    /// What is known at its end.
    end: Option<State>,
}

impl Body {
    /// The state in which a body begins.
    pub(super) fn new(one: &Subroutine, code: &Code, names: &Rc<Cell<u64>>) -> (Body, State) {
        let fresh = State::at_entry(names, Role::Transit, 0);
        let mut state = fresh.empty();
        for register in [0, reg::SP, reg::S0, reg::S1] {
            let place = Place::Register(register);
            if let Some(term) = fresh.term(place) {
                state.hold(place, term);
            }
        }
        let len = Fact {
            stored: Some(0),
            ..Fact::range(one.need, 65_535)
        };
        state.facts.insert(Symbol::Len, len);
        let symbols = assume_all(&mut state, &one.claims);
        let mut claimed = BTreeMap::new();
        for (place, symbol) in symbols {
            if let Some(Claim::Range(range)) = one.claims.get(&place) {
                claimed.insert(symbol, (place, range.base()));
            }
        }
        let changed = changed(one, code);
        (
            Body {
                claimed,
                changed,
                end: None,
            },
            state,
        )
    }

    /// The words that stores in the body may reach.
    pub(super) fn words(&self) -> BTreeSet<Int> {
        self.changed
            .iter()
            .filter_map(|place| place.word())
            .collect()
    }

    /// The state before the return.
    pub(super) fn end(&mut self, state: State) {
        self.end = Some(state);
    }

    /// What a call makes of a state.
    pub(super) fn call(&self, one: &Subroutine, state: &mut State) -> Result<(), String> {
        claims_hold(&one.claims, state)?;
        require(
            state.len().lo >= one.need,
            "a packet too short for a subroutine",
        )?;
        let end = self.end.as_ref().ok_or("a subroutine without an end")?;
        let before = state.clone();
        let mut made: BTreeMap<Symbol, Symbol> = BTreeMap::new();
        for &place in &self.changed {
            state.holds.remove(&place);
            match end.holds.get(&place) {
                None => {}
                Some(Holds::Bytes(bytes)) => {
                    state.holds.insert(place, Holds::Bytes(bytes.clone()));
                }
                Some(&Holds::Term(term)) => {
                    let term = self.renamed(term, end, &before, state, &mut made)?;
                    state.hold(place, term);
                }
            }
        }
        state.holds.remove(&Place::Register(one.link));
        Ok(())
    }

    fn renamed(
        &self,
        term: Term,
        end: &State,
        before: &State,
        state: &mut State,
        made: &mut BTreeMap<Symbol, Symbol>,
    ) -> Result<Term, String> {
        if let Symbol::Zero | Symbol::Len = term.symbol {
            return Ok(term);
        }
        if let Some(&(place, base)) = self.claimed.get(&term.symbol) {
            let held = before.term(place).ok_or("a claim about nothing")?;
            return Ok(Term::new(term.kind, held.symbol, term.k + held.k - base));
        }
        let symbol = *made.entry(term.symbol).or_insert_with(|| {
            let fact = Fact {
                stored: Some(end.slack(term.symbol)),
                ..end.fact(term.symbol)
            };
            state.make(fact)
        });
        Ok(Term { symbol, ..term })
    }
}

/// The price of each call of a subroutine, by the call's address.
pub(super) fn prices(all: &[Subroutine], code: &Code, prices: &mut BTreeMap<Int, Int>) {
    for one in all {
        let mut ways: BTreeMap<Int, Int> = BTreeMap::new();
        for (&pc, line) in code.range(one.entry..one.end).rev() {
            let behind = line.targets().iter().filter_map(|to| ways.get(to)).max();
            let price = prices.get(&pc).copied().unwrap_or(0);
            ways.insert(pc, 1 + price + behind.copied().unwrap_or(0));
        }
        let calls = code.iter().filter(|(_, line)| is_call(line, one));
        prices.extend(calls.map(|(&pc, _)| (pc, ways[&one.entry])));
    }
}

fn is_call(line: &Line, one: &Subroutine) -> bool {
    matches!(line.goes, Goes::Own(to, _) if to == one.entry)
}
