//! What the proposer says about subroutines.
//!
//! In: the code, and the states in which a subroutine is called. Out: its extent and claims that cover them all. Nothing here
//! is trusted. Until a call was seen nothing is known in the body, so control does not come back from calls: that shows in
//! the next sweep.

use alloc::vec::Vec;

use crate::certificate::{Claim, SubClaim};
use crate::certify::{Pace, Word, covers, hull, observe, widen};
use crate::code::{Code, Flow};
use crate::refusal::Place;
use crate::state::{Kind, REGS, State, WORDS};
use crate::subroutine::Subroutine;

/// The subroutines that calls lead to, up to the first return behind their entries, still without claims.
pub(crate) fn subroutines(code: &Code) -> Vec<Subroutine> {
    let mut found: Vec<SubClaim> = Vec::new();
    for line in &code.lines {
        if let Flow::Enter(entry) = line.flow() {
            found.push(SubClaim {
                entry,
                end: entry,
                link: line.inst.rd,
                need: 0,
                claims: Vec::new(),
            });
        }
    }
    found.sort_by_key(|one| one.entry);
    found.dedup_by_key(|one| one.entry);
    let mut ends = code
        .lines
        .iter()
        .filter(|line| line.flow() == Flow::Return)
        .peekable();
    for one in &mut found {
        while ends.next_if(|line| line.pc < one.entry).is_some() {}
        one.end = ends.peek().map_or(code.bytes, |line| line.end());
    }
    found
        .into_iter()
        .map(|claim| Subroutine::new(code, claim))
        .collect()
}

/// A subroutine in the making.
pub(crate) struct Called {
    pub(crate) body: Subroutine,
    /// One for each place.
    pub(crate) words: Vec<Word>,
    /// Places whose value at a call is read in the body, one bit each.
    live: u128,
    /// What calls showed in this sweep.
    seen: Vec<Option<Claim>>,
    /// The shortest packet of all calls, in this sweep and in the one before.
    need: Option<i64>,
    is_met: bool,
}

impl Called {
    pub(crate) fn new(code: &Code, one: &Subroutine, live: &[u128]) -> Called {
        let claim = one.claim.clone();
        let at = code.index(claim.entry);
        let live = at.and_then(|at| live.get(at)).copied().unwrap_or(0);
        // What never changes is known; the link cannot be claimed, and no more words than the body names by `sp`.
        let known = [0, 2, 8, 9, claim.link.0]
            .iter()
            .fold(0u128, |mask, reg| mask | 1 << (reg & 31));
        let named = u128::from(named_words(code, &claim)) << REGS | u128::from(u32::MAX);
        Called {
            live: live & !known & named,
            body: Subroutine::new(code, claim),
            words: alloc::vec![Word::Open; REGS + WORDS],
            seen: alloc::vec![None; REGS + WORDS],
            need: None,
            is_met: false,
        }
    }

    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let live = self.live;
        (0..(REGS + WORDS) as u8)
            .filter(move |at| live >> at & 1 != 0)
            .map(Place)
    }

    fn word(&self, place: Place) -> Word {
        let word = self.words.get(usize::from(place.0));
        word.copied().unwrap_or(Word::Given)
    }

    fn set_word(&mut self, place: Place, word: Word) {
        if let Some(slot) = self.words.get_mut(usize::from(place.0)) {
            *slot = word;
        }
    }

    fn seen(&self, place: Place) -> Option<Claim> {
        self.seen.get(usize::from(place.0)).copied().flatten()
    }

    /// Before a sweep.
    pub(crate) fn start(&mut self) {
        let claims = self.places().filter_map(|place| match self.word(place) {
            Word::Claim(claim) => Some(claim),
            _ => None,
        });
        self.body.claim.claims = claims.collect();
        self.body.claim.need = self.need.unwrap_or(0);
        self.is_met = self.need.is_some();
        self.seen.fill(None);
    }

    /// Looks at a call.
    pub(crate) fn see(&mut self, state: &mut State) {
        if state.void {
            return;
        }
        let len = state.len_lo();
        self.need = Some(self.need.map_or(len, |need| need.min(len)));
        for place in self.places() {
            let found = observe(state, place);
            if let Some(slot) = self.seen.get_mut(usize::from(place.0)) {
                *slot = Some(slot.map_or(found, |before| hull(before, found)));
            }
        }
        state.void = !self.is_met;
    }

    /// Makes every claim cover what was seen. True when one had to change.
    pub(crate) fn grow(&mut self, pace: Pace) -> bool {
        let mut changed = self.need.is_some() != self.is_met
            || self.is_met && self.need != Some(self.body.claim.need);
        for place in self.places() {
            let Some(seen) = self.seen(place) else {
                continue;
            };
            let grown = match self.word(place) {
                Word::Given => continue,
                Word::Open => seen,
                Word::Claim(claim) if covers(claim, seen) => continue,
                Word::Claim(claim) if pace == Pace::Seen => hull(claim, seen),
                Word::Claim(claim) => widen(claim, seen, &[]),
            };
            changed = true;
            let word = if grown.kind == Kind::Uninit {
                Word::Given
            } else {
                Word::Claim(grown)
            };
            self.set_word(place, word);
        }
        changed
    }

    /// Makes every claim no more than what was seen. True when one changed.
    pub(crate) fn shrink(&mut self) -> bool {
        let mut changed = false;
        for place in self.places() {
            if let (Word::Claim(claim), Some(seen)) = (self.word(place), self.seen(place))
                && seen != claim
                && seen.kind == claim.kind
            {
                changed = true;
                self.set_word(place, Word::Claim(seen));
            }
        }
        changed
    }

    /// Whether the claims cover what was seen.
    pub(crate) fn holds(&self) -> bool {
        let mut places = self.places();
        self.need.unwrap_or(0) >= self.body.claim.need
            && places.all(|place| match (self.word(place), self.seen(place)) {
                (Word::Claim(claim), Some(seen)) => covers(claim, seen),
                _ => true,
            })
    }

    /// What the certificate says.
    pub(crate) fn claim(&self) -> SubClaim {
        let need = self.body.claim.need;
        // Where the range says as much, the distance to the packet's end is not needed.
        let terse = |claim: &Claim| Claim {
            slack: claim.slack.filter(|&slack| slack > need - claim.hi),
            ..*claim
        };
        let claims = self.body.claim.claims.iter().map(terse);
        SubClaim {
            claims: claims.collect(),
            ..self.body.claim
        }
    }
}

/// The words of scratch that loads and stores of the body reach by `sp`, one bit each.
fn named_words(code: &Code, claim: &SubClaim) -> u64 {
    let lines = code.extent(claim.entry, claim.end).iter();
    lines.fold(0, |mask, line| mask | line.words_by_sp())
}
