//! Proposes a certificate.
//!
//! In: an image without one. Out: claims that the prover can check. Nothing here is trusted: a
//! poor proposal is refused like anybody else's.
//!
//! The idea: sweep the code as the prover does, but collect what reaches the loop heads instead of
//! checking it. Claims start as what holds on entry, grow by what comes back, and bounds that
//! still grow are given up. At first, ways that the claims rule out are not gone: a loop that
//! counts down from what an earlier loop counts up to waits until that has grown. From there they shrink again to what is really seen, as long as what
//! is seen stays within what was claimed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nfl_abi::image::Image;
use nfl_abi::{ImageLimits, Limits};
use nfl_isa::Reg;

use crate::certificate::{self, Claim, Claims, LoopClaim, SubClaim};
use crate::code::{Code, Flow, Line};
use crate::liveness;
use crate::loops::{self, Loop};
use crate::proposal::{self, Called};
use crate::prove::{self, Memory};
use crate::refusal::{Checked, Place, Range, Reason, Refusal};
use crate::state::{ALL_BYTES, Kind, REGS, State, Sym, WORD_MAX, WORDS, common_stride};
use crate::subroutine::{self, Subroutine};
use crate::sweep::{self, Judge, Open, Sweep};
use crate::transfer::distance_to_end;

/// Rounds in which claims grow by exactly what is seen.
const GROWING_ROUNDS: usize = 3;
/// Rounds after which bounds are given up that grow beyond every number they are compared with.
const STEPPING_ROUNDS: usize = 30;
/// Rounds until everything that moves must have been given up.
const WIDENING_ROUNDS: usize = 40;
/// More rounds for each loop: what one leaves behind reaches those after it a little later.
const ROUNDS_OF_A_LOOP: usize = 2;
/// Rounds in which claims shrink.
const NARROWING_ROUNDS: usize = 8;
/// An address that wanders further than this is useless.
const FAR: i64 = 1 << 32;

pub(crate) fn certify(
    image: &Image,
    limits: &Limits,
    memory: &mut Memory,
) -> Result<Vec<u8>, Refusal> {
    let limits = limits.of(image.manifest.profile);
    let mut code = prove::read(image, limits, core::mem::take(&mut memory.code))?;
    let extents = extents(&code, limits)?;
    code.subroutines = proposal::subroutines(&code);
    if extents.is_empty() && code.subroutines.is_empty() {
        memory.code = code;
        return written(&Claims::default());
    }
    let live = liveness::of(&code);
    let loops = extents.into_iter().map(|(head, end)| {
        let live = code.index(head).and_then(|index| live.get(index));
        Proposal::new(&code, head, end, live.copied().unwrap_or(0))
    });
    let own = code.subroutines.iter();
    let own = own.map(|one| Called::new(&code, one, &live)).collect();
    let mut proposer = Proposer {
        loops: loops.collect(),
        own,
        operands: Vec::new(),
        surprised: false,
        early: true,
    };
    settle(image, limits, &code, &mut proposer, &mut memory.sweep)?;
    let claims = proposer.claims()?;
    let ways = WAYS
        .iter()
        .filter(|way| !way.numbers || !claims.subroutines.is_empty());
    memory.code = code;
    let chosen = ways
        .map(|way| fewer(&claims, *way))
        .find(|fewer| is_proved(image, limits, memory, fewer.clone()));
    written(&chosen.unwrap_or(claims))
}

fn written(claims: &Claims) -> Result<Vec<u8>, Refusal> {
    let written = certificate::write(claims);
    written.ok_or_else(|| Reason::Certificate("a claim without a form").of_image())
}

/// What to leave out of a certificate if it can be proved without.
#[derive(Clone, Copy)]
struct Way {
    /// How large the numbers are that subroutines take.
    numbers: bool,
    slacks: bool,
    strides: bool,
}

const WAYS: [Way; 4] = [
    Way {
        numbers: true,
        slacks: true,
        strides: true,
    },
    Way {
        numbers: false,
        slacks: true,
        strides: true,
    },
    Way {
        numbers: false,
        slacks: false,
        strides: true,
    },
    Way {
        numbers: false,
        slacks: true,
        strides: false,
    },
];

fn is_proved(image: &Image, limits: &ImageLimits, memory: &mut Memory, claims: Claims) -> bool {
    let Memory { code, sweep, .. } = memory;
    let Ok(own) = subroutine::prepare(code, image, &claims.loops, claims.subroutines) else {
        return false;
    };
    code.subroutines = own;
    let loops = loops::prepare(code, claims.loops, limits);
    loops
        .and_then(|loops| prove::check(image, limits, code, &loops, None, sweep))
        .is_ok()
}

fn fewer(claims: &Claims, way: Way) -> Claims {
    let loops = claims.loops.iter().map(|one| LoopClaim {
        claims: without(&one.claims, way, false),
        ..*one
    });
    let subroutines = claims.subroutines.iter().map(|one| SubClaim {
        claims: without(&one.claims, way, way.numbers),
        ..*one
    });
    Claims {
        loops: loops.collect(),
        subroutines: subroutines.collect(),
    }
}

fn without(claims: &[Claim], way: Way, numbers: bool) -> Vec<Claim> {
    let without = |claim: &Claim| {
        if numbers && claim.kind == Kind::Number {
            return Claim {
                kind: Kind::Number,
                hi: WORD_MAX,
                stride: 1,
                ..Claim::nothing(claim.place)
            };
        }
        Claim {
            slack: claim.slack.filter(|_| !way.slacks),
            stride: if way.strides {
                claim.stride.min(1)
            } else {
                claim.stride
            },
            ..*claim
        }
    };
    claims.iter().map(without).collect()
}

/// Heads and ends of loops, found from backward jumps. A loop that would cross another one is
/// made longer.
fn extents(code: &Code, limits: &ImageLimits) -> Result<Vec<(u32, u32)>, Refusal> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for line in &code.lines {
        if let Flow::Branch(target) | Flow::Jump(target) = line.flow()
            && target <= line.pc
        {
            found.push((target, line.end()));
        }
    }
    // The longest extent of each head comes first and is the one that stays.
    found.sort_by_key(|&(head, end)| (head, core::cmp::Reverse(end)));
    found.dedup_by_key(|&mut (head, _)| head);
    let mut around: Vec<usize> = Vec::new();
    for index in 0..found.len() {
        let Some(&(head, end)) = found.get(index) else {
            continue;
        };
        around.retain(|&outer| found.get(outer).is_some_and(|outer| outer.1 > head));
        for &outer in &around {
            if let Some(outer) = found.get_mut(outer) {
                outer.1 = outer.1.max(end);
            }
        }
        around.push(index);
        if around.len() > usize::from(limits.loop_depth) {
            return Err(Reason::LoopDepth(around.len()).at(head));
        }
    }
    Ok(found)
}

/// Sweeps until the claims hold, and then while they get better.
fn settle(
    image: &Image,
    limits: &ImageLimits,
    code: &Code,
    proposer: &mut Proposer,
    memory: &mut sweep::Memory,
) -> Result<(), Refusal> {
    let mut sweep = |proposer: &mut Proposer| {
        proposer.start();
        let entries = prove::entries(image, code)?;
        Sweep::new(
            code,
            prove::world(image, code),
            limits.pending_joins.into(),
            proposer,
            memory,
        )
        .run(&entries)
    };
    // A subroutine that is called behind another one is met a round later.
    let more = proposer.loops.len() * ROUNDS_OF_A_LOOP + proposer.own.len();
    for early in [true, false] {
        proposer.early = early;
        for round in 0..WIDENING_ROUNDS + more {
            sweep(proposer)?;
            let pace = match round {
                0..GROWING_ROUNDS => Pace::Seen,
                _ if round >= STEPPING_ROUNDS + more => Pace::Extreme,
                // What lies just beyond a number that is compared often holds when it is met again.
                _ if round % 2 == 1 => Pace::Compared,
                _ => Pace::Seen,
            };
            if !proposer.grow(pace) {
                break;
            }
        }
    }
    for _ in 0..NARROWING_ROUNDS {
        let before = proposer.save();
        if !proposer.shrink() {
            break;
        }
        sweep(proposer)?;
        if !proposer.holds() {
            proposer.restore(before);
            sweep(proposer)?;
            break;
        }
    }
    Ok(())
}

/// How far a claim grows that does not hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// To what was seen.
    Seen,
    /// To the next number that something is compared with in the loop.
    Compared,
    /// To the end of what can be said.
    Extreme,
}

/// An operand of a branch: where it stood, and what was known about it.
struct Operand {
    pc: u32,
    reg: Reg,
    range: Range,
}

/// What is going to be said about a place at the head of a loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Not met yet.
    Open,
    Claim(Claim),
    /// Nothing holds of it.
    Given,
}

/// One loop in the making.
struct Proposal {
    body: Loop,
    /// Places whose value at the head is read later, one bit each.
    live: u128,
    /// Words of scratch that the loop stores to by `sp`, which need not be mentioned.
    sp_words: u64,
    /// One for each place.
    words: Vec<Word>,
    /// What reached the head in this sweep.
    seen: Vec<Option<Claim>>,
    /// What reached it from outside the loop.
    entered: Vec<Option<Claim>>,
    /// By how much the place of each claim moved, on all ways back of this sweep.
    moves: Vec<Move>,
    /// The shortest packet on entry.
    len_lo: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Unseen,
    By(i64),
    Lost,
}

struct Proposer {
    loops: Vec<Proposal>,
    /// The subroutines.
    own: Vec<Called>,
    /// What was compared in this sweep.
    operands: Vec<Operand>,
    /// More words turned out to change, so the sweep was not of the whole truth.
    surprised: bool,
    /// The sweep leaves out ways that the claims so far rule out.
    early: bool,
}

impl Proposal {
    fn new(code: &Code, head: u32, end: u32, live: u128) -> Proposal {
        let claim = LoopClaim {
            head,
            end,
            measure: Place(0),
            step: 1,
            claims: Vec::new(),
        };
        let body = Loop::new(code, claim, 1);
        Proposal {
            live,
            sp_words: body.words,
            body,
            words: alloc::vec![Word::Open; REGS + WORDS],
            seen: alloc::vec![None; REGS + WORDS],
            entered: alloc::vec![None; REGS + WORDS],
            moves: alloc::vec![Move::Unseen; REGS + WORDS],
            len_lo: i64::MAX,
        }
    }

    /// Places that the loop changes and that are read after its head.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let changed = u128::from(self.body.regs) | u128::from(self.body.words) << REGS;
        let mut wanted = changed & self.live & ((1 << (REGS + WORDS)) - 1);
        core::iter::from_fn(move || {
            let at = (wanted != 0).then(|| wanted.trailing_zeros())?;
            wanted &= wanted - 1;
            Some(Place(at as u8))
        })
    }

    fn word(&self, place: Place) -> Word {
        self.words
            .get(usize::from(place.0))
            .copied()
            .unwrap_or(Word::Given)
    }

    /// Numbers where a place of the loop may stop growing: what is compared in the loop with
    /// something that stays the same, and a step from there.
    fn stops(&self, operands: &[Operand], place: Place) -> Vec<i64> {
        let step = match self.moves.get(usize::from(place.0)) {
            Some(Move::By(step)) => step.abs().max(1),
            _ => 1,
        };
        let (head, end) = (self.body.claim.head, self.body.claim.end);
        let stays = |operand: &&Operand| {
            let same = operand.range.0 == operand.range.1
                || self.body.regs >> (operand.reg.0 & 31) & 1 == 0;
            (head..end).contains(&operand.pc) && same
        };
        let near = |operand: &Operand| {
            let ends = [operand.range.0, operand.range.1];
            let near = |at| [at - step, at - 1, at, at + 1, at + step];
            ends.into_iter().flat_map(near)
        };
        operands.iter().filter(stays).flat_map(near).collect()
    }

    fn set_word(&mut self, place: Place, word: Word) {
        if let Some(slot) = self.words.get_mut(usize::from(place.0)) {
            *slot = word;
        }
    }

    fn seen(&self, place: Place) -> Option<Claim> {
        self.seen.get(usize::from(place.0)).copied().flatten()
    }

    /// A claim grown by what enters the loop. That grows because of loops before and around, and no further than they do.
    fn entry(&self, place: Place, claim: Claim) -> Claim {
        let entered = self.entered.get(usize::from(place.0)).copied().flatten();
        entered.map_or(claim, |entered| hull(claim, entered))
    }

    fn see(&mut self, state: &State) {
        for place in self.places() {
            let found = observe(state, place);
            if let Some(slot) = self.seen.get_mut(usize::from(place.0)) {
                *slot = Some(slot.map_or(found, |before| hull(before, found)));
            }
        }
    }

    /// Puts what the words say into the form the sweep uses.
    fn publish(&mut self) {
        let mut claims = core::mem::take(&mut self.body.claim.claims);
        claims.clear();
        claims.extend(self.places().filter_map(|place| match self.word(place) {
            Word::Claim(claim) => Some(claim),
            _ => None,
        }));
        self.body.claim.claims = claims;
    }
}

/// What is known about a place, as a claim; kind `Uninit` says that nothing is.
pub(crate) fn observe(state: &State, place: Place) -> Claim {
    let value = state.get(place);
    let nothing = Claim::nothing(place);
    match value.kind() {
        Kind::Number | Kind::Packet | Kind::Scratch | Kind::Carried => {
            let (lo, hi) = state.range(value);
            let near = matches!(value.kind(), Kind::Number | Kind::Packet);
            let slack = near.then(|| distance_to_end(state, value));
            Claim {
                place,
                kind: value.kind(),
                lo,
                hi,
                stride: state.spacing(value),
                slack,
            }
        }
        Kind::Context => {
            let (lo, hi) = state.range(value);
            let claim = Claim {
                kind: value.kind(),
                lo,
                hi,
                ..nothing
            };
            // Claims know addresses in the context by one offset.
            if lo == hi && lo >= 0 { claim } else { nothing }
        }
        Kind::Bytes if value.number_bytes() == ALL_BYTES => Claim {
            kind: Kind::Bytes,
            ..nothing
        },
        _ => nothing,
    }
}

/// A claim that covers both.
pub(crate) fn hull(a: Claim, b: Claim) -> Claim {
    let slack = a.slack.zip(b.slack).map(|(a, b)| a.min(b));
    let is_number = |claim: Claim| matches!(claim.kind, Kind::Number | Kind::Bytes);
    if a.kind == b.kind {
        let stride = common_stride(common_stride(a.stride, b.stride), a.lo - b.lo);
        let (lo, hi) = (a.lo.min(b.lo), a.hi.max(b.hi));
        Claim {
            lo,
            hi,
            stride,
            slack,
            ..a
        }
    } else {
        let numbers = is_number(a) && is_number(b);
        let kind = if numbers { Kind::Bytes } else { Kind::Uninit };
        Claim {
            kind,
            ..Claim::nothing(a.place)
        }
    }
}

/// A claim that covers both, where a bound that does not hold yet grows to the next of the `stops`.
pub(crate) fn widen(claim: Claim, seen: Claim, stops: &[i64]) -> Claim {
    let wide = hull(claim, seen);
    if wide.kind != claim.kind {
        return wide;
    }
    let (least, most) = if claim.kind == Kind::Number {
        (0, WORD_MAX)
    } else {
        (-FAR, FAR)
    };
    if wide.lo < least || wide.hi > most {
        return Claim::nothing(claim.place);
    }
    let stops = || stops.iter().copied();
    let below = stops()
        .filter(|stop| (least..=wide.lo).contains(stop))
        .max();
    let above = stops().filter(|stop| (wide.hi..=most).contains(stop)).min();
    let lo = if wide.lo < claim.lo {
        below.unwrap_or(least)
    } else {
        wide.lo
    };
    let hi = if wide.hi > claim.hi {
        above.unwrap_or(most)
    } else {
        wide.hi
    };
    let slack = wide.slack.filter(|_| wide.slack == claim.slack);
    // Bounds stay whole strides from the values seen.
    let stride = wide.stride.max(1);
    let lo = wide.lo - (wide.lo - lo) / stride * stride;
    let hi = wide.hi + (hi - wide.hi) / stride * stride;
    Claim {
        lo,
        hi,
        slack,
        ..wide
    }
}

pub(crate) fn covers(claim: Claim, seen: Claim) -> bool {
    hull(claim, seen) == claim
}

impl Proposer {
    fn start(&mut self) {
        self.surprised = false;
        for one in &mut self.loops {
            one.seen.fill(None);
            one.entered.fill(None);
            one.moves.fill(Move::Unseen);
            one.len_lo = i64::MAX;
            one.publish();
        }
        for one in &mut self.own {
            one.start();
        }
        self.operands.clear();
    }

    /// Makes every claim cover what was seen. True when one had to change.
    fn grow(&mut self, pace: Pace) -> bool {
        let mut changed = self.surprised;
        for one in &mut self.loops {
            for place in one.places() {
                let (Word::Claim(claim), Some(seen)) = (one.word(place), one.seen(place)) else {
                    continue;
                };
                if covers(claim, seen) {
                    continue;
                }
                changed = true;
                let grown = match pace {
                    Pace::Seen => hull(claim, seen),
                    Pace::Compared => widen(
                        one.entry(place, claim),
                        seen,
                        &one.stops(&self.operands, place),
                    ),
                    Pace::Extreme => widen(one.entry(place, claim), seen, &[]),
                };
                let word = if grown.kind == Kind::Uninit {
                    Word::Given
                } else {
                    Word::Claim(grown)
                };
                one.set_word(place, word);
            }
        }
        for one in &mut self.own {
            changed |= one.grow(pace);
        }
        changed
    }

    /// Makes every claim no more than what was seen. True when one changed.
    fn shrink(&mut self) -> bool {
        let mut changed = false;
        for one in &mut self.loops {
            for place in one.places() {
                let (Word::Claim(claim), Some(seen)) = (one.word(place), one.seen(place)) else {
                    continue;
                };
                if seen != claim && seen.kind == claim.kind {
                    changed = true;
                    one.set_word(place, Word::Claim(seen));
                }
            }
        }
        for one in &mut self.own {
            changed |= one.shrink();
        }
        changed
    }

    fn holds(&self) -> bool {
        let holds = |one: &Proposal| {
            one.places()
                .all(|place| match (one.word(place), one.seen(place)) {
                    (Word::Claim(claim), Some(seen)) => covers(claim, seen),
                    _ => true,
                })
        };
        !self.surprised && self.loops.iter().all(holds) && self.own.iter().all(Called::holds)
    }

    fn save(&self) -> Vec<Vec<Word>> {
        let loops = self.loops.iter().map(|one| one.words.clone());
        let own = self.own.iter().map(|one| one.words.clone());
        loops.chain(own).collect()
    }

    fn restore(&mut self, saved: Vec<Vec<Word>>) {
        let loops = self.loops.iter_mut().map(|one| &mut one.words);
        let own = self.own.iter_mut().map(|one| &mut one.words);
        for (kept, words) in loops.chain(own).zip(saved) {
            *kept = words;
        }
    }

    /// The claims in the form of certificates, with the measure that bounds each loop best.
    fn claims(&self) -> Result<Claims, Refusal> {
        let loops = self.loops.iter().map(Proposal::claims);
        Ok(Claims {
            loops: loops.collect::<Result<_, _>>()?,
            subroutines: self.own.iter().map(Called::claim).collect(),
        })
    }
}

impl Proposal {
    fn claims(&self) -> Result<LoopClaim, Refusal> {
        let claim = &self.body.claim;
        let measures =
            claim
                .claims
                .iter()
                .filter_map(|c| match self.moves.get(usize::from(c.place.0)) {
                    Some(&Move::By(step)) if step != 0 => {
                        Some(((c.hi - c.lo) / step.abs(), c.place, step))
                    }
                    _ => None,
                });
        let best = measures.min_by_key(|&(rounds, place, _)| (rounds, place));
        let Some((_, measure, step)) = best else {
            return Err(Reason::NoMeasure { head: claim.head }.at(claim.head));
        };
        let mut claims: Vec<Claim> = claim.claims.iter().map(|c| self.terse(*c)).collect();
        // Words that change other than by `sp` must be mentioned even when nothing holds of them.
        let other = self.body.words & !self.sp_words;
        for word in (0..WORDS as u8).filter(|word| other >> word & 1 != 0) {
            let place = Place(REGS as u8 + word);
            if claims.iter().all(|claim| claim.place != place) {
                claims.push(Claim::nothing(place));
            }
        }
        claims.sort_by_key(|claim| claim.place);
        Ok(LoopClaim {
            measure,
            step,
            claims,
            ..*claim
        })
    }

    /// Without the distance to the packet's end where the range says as much.
    fn terse(&self, claim: Claim) -> Claim {
        let telling = |slack: &i64| *slack > self.len_lo - claim.hi;
        Claim {
            slack: claim.slack.filter(telling),
            ..claim
        }
    }
}

impl Judge for Proposer {
    fn body(&self, index: usize) -> Option<&Loop> {
        self.loops.get(index).map(|one| &one.body)
    }

    fn enter(&mut self, index: usize, state: &State) -> Checked<()> {
        let Some(one) = self.loops.get_mut(index) else {
            return Ok(());
        };
        one.len_lo = one.len_lo.min(state.len_lo());
        if state.void {
            return Ok(());
        }
        for place in one.places() {
            if one.word(place) == Word::Open {
                let found = observe(state, place);
                let word = if found.kind == Kind::Uninit {
                    Word::Given
                } else {
                    Word::Claim(found)
                };
                one.set_word(place, word);
            }
        }
        one.publish();
        one.see(state);
        // Each head is entered once in a sweep: all ways there are joined before.
        one.entered.clone_from(&one.seen);
        Ok(())
    }

    fn repeat(&mut self, index: usize, first: Sym, state: &State) -> Checked<()> {
        let Some(one) = self.loops.get_mut(index) else {
            return Ok(());
        };
        if state.void {
            return Ok(());
        }
        one.see(state);
        let ranges = one
            .body
            .claim
            .claims
            .iter()
            .filter(|claim| claim.kind.has_term());
        for (sym, claim) in (first..).zip(ranges) {
            let value = state.get(claim.place);
            let here = if value.kind() == claim.kind && value.sym() == sym {
                Move::By(value.k - claim.base())
            } else {
                Move::Lost
            };
            if let Some(slot) = one.moves.get_mut(usize::from(claim.place.0)) {
                *slot = slot.and(here);
            }
        }
        Ok(())
    }

    fn subroutine(&self, index: usize) -> Option<&Subroutine> {
        self.own.get(index).map(|one| &one.body)
    }

    fn call(&mut self, index: usize, state: &mut State) -> Checked<()> {
        if let Some(one) = self.own.get_mut(index) {
            one.see(state);
        }
        Ok(())
    }

    fn is_early(&self) -> bool {
        self.early
    }

    fn visit(&mut self, line: &Line, state: &State) {
        if matches!(line.flow(), Flow::Branch(_)) {
            for reg in line.inst.read().into_iter().flatten() {
                let value = state.reg(reg);
                if value.has_term() {
                    self.operands.push(Operand {
                        pc: line.pc,
                        reg,
                        range: state.range(value),
                    });
                }
            }
        }
    }

    fn object(&mut self, around: &[Open], reason: Box<Reason>) -> Checked<()> {
        let Reason::LoopWords { first, last } = *reason else {
            return Ok(());
        };
        let words = (first.0..=last.0).filter_map(|place| usize::from(place).checked_sub(REGS));
        let mask = words.fold(0u64, |mask, word| mask | 1 << (word & 63));
        self.surprised = true;
        for open in around {
            if let Some(one) = self.loops.get_mut(open.index) {
                one.body.words |= mask;
            }
        }
        Ok(())
    }
}

impl Move {
    /// The smaller of two moves the same way.
    fn and(self, other: Move) -> Move {
        match (self, other) {
            (Move::Unseen, one) | (one, Move::Unseen) => one,
            (Move::By(a), Move::By(b)) if a.signum() == b.signum() => {
                Move::By(if a.abs() < b.abs() { a } else { b })
            }
            _ => Move::Lost,
        }
    }
}
