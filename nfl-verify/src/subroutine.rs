//! The subroutines of an image: their shape, what is known in them and behind their calls, and what they cost.
//!
//! In: the instructions and the claims of the certificate. Out: the subroutines, checked for shape; what a call needs, and
//! what it leaves. Guaranteed: control enters a subroutine by its calls alone, at its first instruction, and leaves it by its last
//! one, which returns behind the call; so one look at the body, before all calls, says what each of them does.

use alloc::vec::Vec;

use nfl_abi::Image;
use nfl_isa::Reg;

use crate::call::ANY_LENGTH;
use crate::certificate::{Claim, LoopClaim, SubClaim};
use crate::code::{Code, Flow, Line};
use crate::loops;
use crate::refusal::{Place, Reason, Refusal};
use crate::state::{FIRST, Fact, Kind, REGS, State, Sym, Value, WORDS};
use crate::sweep;
use crate::transfer::Passed;

/// A subroutine, ready for the sweep.
pub(crate) struct Subroutine {
    pub(crate) claim: SubClaim,
    /// Registers that instructions and services of the body write, one bit each.
    pub(crate) regs: u32,
    /// Words of scratch that it stores to, all by `sp`, one bit each.
    pub(crate) words: u64,
}

impl Subroutine {
    pub(crate) fn new(code: &Code, claim: SubClaim) -> Subroutine {
        let (regs, words) = loops::changes(code, claim.entry, claim.end);
        Subroutine { claim, regs, words }
    }

    /// Makes of a state what holds at the first instruction, whoever calls. Gives back the symbol of the first claim about a range.
    pub(crate) fn enter(&self, state: &mut State) -> Sym {
        state.start((self.claim.need, ANY_LENGTH.1));
        for reg in [Reg::A0, Reg::A1, Reg::A4, Reg::A5, Reg::GP, Reg::TP] {
            state.set_reg(reg, Value::UNINIT);
        }
        sweep::assume(state, &self.claim.claims)
    }

    /// What the body leaves, in the state before its return.
    pub(crate) fn leave(&self, state: &State, first: Sym) -> Summary {
        let regs = (0..REGS as u8).filter(|reg| self.regs >> reg & 1 != 0);
        let words = (0..WORDS as u8).filter(|word| self.words >> word & 1 != 0);
        let changed = regs.chain(words.map(|word| REGS as u8 + word)).map(Place);
        let ranges = self
            .claim
            .claims
            .iter()
            .filter(|claim| claim.kind.has_term());
        let ranges: Vec<Claim> = ranges.copied().collect();
        let last = first.saturating_add(ranges.len() as Sym);
        let leave = |place: Place| {
            let value = state.get(place);
            let (sym, kind, k) = (value.sym(), value.kind(), value.k);
            let from = if !kind.has_term() || sym < FIRST {
                Source::Same
            } else if (first..last).contains(&sym) {
                let claim = ranges.get(usize::from(sym - first));
                claim.map_or(Source::Same, |claim| {
                    Source::Claimed(claim.place, claim.base())
                })
            } else {
                Source::New(sym, state.told(sym))
            };
            Left {
                place,
                kind,
                sym,
                k,
                from,
            }
        };
        Summary {
            left: changed.map(leave).collect(),
        }
    }
}

/// What a subroutine leaves in the places that it changes.
pub(crate) struct Summary {
    left: Vec<Left>,
}

/// What a place holds behind a call.
struct Left {
    place: Place,
    kind: Kind,
    sym: Sym,
    k: i64,
    from: Source,
}

/// Where the symbol of a place comes from.
enum Source {
    /// It is 0, or the packet's length, or there is none.
    Same,
    /// It stands for what a place held at the call, less so much.
    Claimed(Place, i64),
    /// The body made it, and this is known of it.
    New(Sym, Fact),
}

impl Summary {
    /// Makes of the state before a call that has been checked the one behind it.
    pub(crate) fn apply(&self, state: &mut State, link: Reg) {
        let mut made: Vec<(Sym, Sym)> = Vec::new();
        // All are read before any is written: a place that changes may be what another comes from.
        let values: Vec<(Place, Value)> = self
            .left
            .iter()
            .map(|left| (left.place, left.value(state, &mut made)))
            .collect();
        for (place, value) in values {
            state.set(place, value);
        }
        // Where the call came from is of no use any more.
        state.set_reg(link, Value::UNINIT);
    }
}

impl Left {
    fn value(&self, state: &mut State, made: &mut Vec<(Sym, Sym)>) -> Value {
        let Left { kind, k, .. } = *self;
        match self.from {
            Source::Same => Value::new(kind, self.sym, k),
            Source::Claimed(place, base) => {
                let held = state.get(place);
                Value::new(kind, held.sym(), k + held.k - base)
            }
            Source::New(old, fact) => {
                let known = made.iter().find(|(of, _)| *of == old);
                let sym = known.map(|&(_, sym)| sym).unwrap_or_else(|| {
                    let sym = state.adopt(fact);
                    made.push((old, sym));
                    sym
                });
                Value::new(kind, sym, k)
            }
        }
    }
}

/// Checks the shape of the subroutines, and that every call and return belongs to one.
pub(crate) fn prepare(
    code: &Code,
    image: &Image,
    loops: &[LoopClaim],
    claims: Vec<SubClaim>,
) -> Result<Vec<Subroutine>, Refusal> {
    if claims.is_empty() && !code.links {
        return Ok(Vec::new());
    }
    let mut behind = 0;
    for claim in &claims {
        let SubClaim { entry, end, .. } = *claim;
        let refuse = |why| Err(Reason::Subroutine { entry, end, why }.at(entry));
        if code.index(entry).is_none() || !code.is_boundary(end) || entry < behind {
            return refuse("does not fit the code, or lies in another");
        }
        behind = end;
        if loops.iter().any(|one| one.head < end && entry < one.end) {
            return refuse("lies in a loop, or has one");
        }
        if image
            .manifest
            .entries
            .iter()
            .any(|one| (entry..end).contains(&one.pc))
        {
            return refuse("holds an entry of the image");
        }
        body(code, claim)?;
    }
    let mut called = alloc::vec![false; claims.len()];
    for line in &code.lines {
        check(line, &claims, &mut called).map_err(|reason| reason.at(line.pc))?;
    }
    if let Some((claim, _)) = claims.iter().zip(&called).find(|(_, called)| !**called) {
        return Err(Reason::Dead.at(claim.entry));
    }
    Ok(claims
        .into_iter()
        .map(|claim| Subroutine::new(code, claim))
        .collect())
}

/// Nothing in a body ends the run, calls another one, moves the packet or changes the link; it ends with its only return.
fn body(code: &Code, claim: &SubClaim) -> Result<(), Refusal> {
    let SubClaim {
        entry, end, link, ..
    } = *claim;
    let lines = code.extent(entry, end);
    let returns = lines
        .last()
        .is_some_and(|last| last.flow() == Flow::Return && last.inst.rs1 == link);
    if !returns {
        return Err(Reason::Subroutine {
            entry,
            end,
            why: "does not end with its return",
        }
        .at(entry));
    }
    for line in lines {
        let why = match line.flow() {
            Flow::Finish => "ends the run",
            Flow::Enter(_) => "calls a subroutine",
            Flow::Return if line.end() != end => "returns in its middle",
            _ if code.resizes(line) => "moves the packet",
            _ if line.changes() >> (link.0 & 31) & 1 != 0 => "changes its link",
            _ => continue,
        };
        return Err(Reason::Subroutine { entry, end, why }.at(line.pc));
    }
    Ok(())
}

/// Whether an instruction keeps to the one way into and out of subroutines.
fn check(line: &Line, claims: &[SubClaim], called: &mut [bool]) -> Result<(), Reason> {
    let around = |pc: u32| {
        let at = claims.partition_point(|claim| claim.end <= pc);
        claims.get(at).filter(|claim| claim.entry <= pc).map(|_| at)
    };
    match line.flow() {
        Flow::Branch(target) | Flow::Jump(target) if around(target) != around(line.pc) => {
            Err(Reason::SubroutineJump(target))
        }
        Flow::Return if around(line.pc).is_none() => Err(Reason::Return),
        Flow::Enter(target) => {
            let at = around(target);
            let claim = at.and_then(|at| claims.get(at));
            let fits = claim.is_some_and(|claim| {
                claim.entry == target && claim.link == line.inst.rd && claim.end <= line.pc
            });
            if let Some(called) = at.and_then(|at| called.get_mut(at)).filter(|_| fits) {
                *called = true;
                return Ok(());
            }
            Err(Reason::NoSubroutine(line.inst))
        }
        _ => Ok(()),
    }
}

/// The longest way through each subroutine, in steps; it is the price of each of its calls.
pub(crate) fn price(code: &Code, passed: &mut [Passed]) -> Vec<u64> {
    let steps: Vec<u64> = code
        .subroutines
        .iter()
        .map(|one| longest(code, one, passed))
        .collect();
    for (line, passed) in code.lines.iter().zip(passed) {
        if let Flow::Enter(target) = line.flow()
            && let Some(&steps) = code.subroutine(target).and_then(|at| steps.get(at))
        {
            passed.price = u32::try_from(steps).unwrap_or(u32::MAX);
        }
    }
    steps
}

fn longest(code: &Code, one: &Subroutine, passed: &[Passed]) -> u64 {
    let SubClaim { entry, end, .. } = one.claim;
    let first = code.index(entry).unwrap_or(0);
    let lines = code.extent(entry, end);
    let mut ways = alloc::vec![0u64; lines.len() + 1];
    for (at, line) in lines.iter().enumerate().rev() {
        let way = |at: usize| ways.get(at).copied().unwrap_or(0);
        let to = |pc: u32| {
            code.index(pc)
                .and_then(|index| index.checked_sub(first))
                .map_or(0, way)
        };
        let behind = match line.flow() {
            Flow::Branch(target) => way(at + 1).max(to(target)),
            Flow::Jump(target) => to(target),
            Flow::Return => 0,
            _ => way(at + 1),
        };
        let price = passed.get(first + at).map_or(0, |one| one.price);
        if let Some(slot) = ways.get_mut(at) {
            *slot = behind.saturating_add(1).saturating_add(price.into());
        }
    }
    ways.first().copied().unwrap_or(0)
}
