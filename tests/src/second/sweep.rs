//! Section 6: every instruction once, in the order of addresses.
//!
//! In: code, loops and calls. Out: the price of each call. Guaranteed: every instruction is checked in a state that
//! holds whenever control comes to it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use nfl_abi::limits::ImageLimits;
use nfl_abi::map::reg;
use nfl_abi::{Entry, Image};
use nfl_isa::Fx;

use super::certificate::{Loop, Subroutine};
use super::code::{Code, Goes, Line};
use super::join::join;
use super::loops::Open;
use super::service::Call;
use super::state::State;
use super::subroutine::{Body, around};
use super::{Int, branch, compute, memory, refuse, require, service};

/// Ways to an address that is not reached yet.
struct Waiting {
    state: State,
    /// The lowest address from which one of them comes.
    from: Int,
}

struct Sweep<'i> {
    image: &'i Image,
    limits: &'i ImageLimits,
    code: &'i Code,
    loops: &'i [Loop],
    own: &'i [Subroutine],
    /// By their entries.
    bodies: BTreeMap<Int, Body>,
    calls: &'i [Call],
    names: Rc<Cell<u64>>,
    /// Ways by branches and jumps.
    waiting: BTreeMap<Int, Waiting>,
    open: Vec<Open<'i>>,
    /// By the address of the call.
    prices: BTreeMap<Int, Int>,
}

/// The price of each call, by its address, when the code is accepted.
pub(super) fn sweep(
    image: &Image,
    limits: &ImageLimits,
    code: &Code,
    (loops, own): (&[Loop], &[Subroutine]),
    calls: &[Call],
) -> Result<BTreeMap<Int, Int>, String> {
    let mut sweep = Sweep {
        image,
        limits,
        code,
        loops,
        own,
        bodies: BTreeMap::new(),
        calls,
        names: Rc::new(Cell::new(0)),
        waiting: BTreeMap::new(),
        open: Vec::new(),
        prices: BTreeMap::new(),
    };
    let mut behind = None;
    for (&pc, line) in code {
        let at = |why: String| format!("at {pc}: {why}");
        let state = sweep.arrive(pc, behind.take()).map_err(at)?;
        behind = sweep.pass(pc, line, state).map_err(at)?;
    }
    require(behind.is_none(), "control runs over the end")?;
    Ok(sweep.prices)
}

impl Sweep<'_> {
    /// What is known at `pc`, where `behind` is what is known behind the instruction before.
    fn arrive(&mut self, pc: Int, behind: Option<State>) -> Result<State, String> {
        self.open.retain(|open| open.shape.end != pc);
        if let Some(one) = self.own.iter().find(|one| one.entry == pc) {
            require(behind.is_none(), "control runs into a subroutine")?;
            let (body, state) = Body::new(one, self.code, &self.names);
            self.bodies.insert(pc, body);
            return Ok(state);
        }
        let waiting = self.waiting.remove(&pc);
        let from = waiting.as_ref().map(|waiting| waiting.from);
        let entries: Vec<State> = self.entries(pc).collect();
        let enters = !entries.is_empty();
        for open in &self.open {
            let outside = enters || from.is_some_and(|from| from < open.shape.head);
            require(!outside, "a way into a loop past its head")?;
        }
        let waiting = waiting.map(|waiting| waiting.state);
        let states = entries.into_iter().chain(waiting).chain(behind);
        let mut state = states
            .reduce(|a, b| join(&a, &b))
            .ok_or("nothing leads here")?;
        if let Some(shape) = self.loops.iter().find(|one| one.head == pc) {
            let open = Open::new(shape, self.code, (self.calls, self.own), &mut state)?;
            self.open.push(open);
        }
        state.forget_unheld();
        Ok(state)
    }

    fn entries(&self, pc: Int) -> impl Iterator<Item = State> {
        let here = move |entry: &&Entry| Int::from(entry.pc) == pc;
        let entries = self.image.manifest.entries.iter().filter(here);
        entries.map(|entry| State::at_entry(&self.names, entry.role, entry.need))
    }

    /// Checks an instruction; gives back what is known behind it, if control goes on there.
    fn pass(&mut self, pc: Int, line: &Line, mut state: State) -> Result<Option<State>, String> {
        let inst = &line.inst;
        match line.goes {
            Goes::Branch(target) => {
                let (taken, not) = branch::ways(&state, inst)?;
                self.go(pc, target, taken)?;
                return Ok(Some(not));
            }
            Goes::Jump(target) => {
                self.go(pc, target, state)?;
                return Ok(None);
            }
            Goes::Call(k) => {
                let price = service::pass(&mut state, self.image, &self.calls[k])?;
                self.prices.insert(pc, price);
            }
            Goes::Own(to, _) => {
                let one = self.own.iter().find(|one| one.entry == to);
                let body = self.bodies.get(&to);
                let (one, body) = one.zip(body).ok_or("a call of no subroutine")?;
                body.call(one, &mut state)?;
            }
            Goes::Back(_) => {
                let one = around(self.own, pc).ok_or("a return from nowhere")?;
                if let Some(body) = self.bodies.get_mut(&one.entry) {
                    body.end(state);
                }
                return Ok(None);
            }
            Goes::End => {
                for register in [reg::A0, reg::A1] {
                    let number = state.read(register)?.is_number();
                    require(number, "an address at the end")?;
                }
                return Ok(None);
            }
            Goes::On => match inst.op.spec().effects {
                Fx::READ => {
                    let loaded = memory::load(&mut state, self.image, inst)?;
                    state.write(inst.rd.0, loaded);
                }
                Fx::WRITE => {
                    let body = around(self.own, pc).and_then(|one| self.bodies.get(&one.entry));
                    let body = body.map(Body::words);
                    let loops = self.open.iter().map(|open| &open.words);
                    let words: Vec<&BTreeSet<Int>> = loops.chain(&body).collect();
                    memory::store(&mut state, self.image, inst, &words)?;
                }
                _ => {
                    let result = compute::result(&mut state, inst)?;
                    state.write(inst.rd.0, result);
                }
            },
        }
        Ok(Some(state))
    }

    /// A branch or jump to `target`.
    fn go(&mut self, pc: Int, target: Int, mut state: State) -> Result<(), String> {
        if target <= pc {
            let open = self.open.iter().find(|open| open.shape.head == target);
            return match open {
                Some(open) => open.goes_back(&state),
                None => refuse(format!("a jump back to {target}")),
            };
        }
        state.forget_unheld();
        let (state, from) = match self.waiting.remove(&target) {
            Some(other) => (join(&other.state, &state), other.from.min(pc)),
            None => (state, pc),
        };
        self.waiting.insert(target, Waiting { state, from });
        let entries = self.image.manifest.entries.iter();
        let ahead = entries
            .map(|entry| Int::from(entry.pc))
            .filter(|&at| at > pc);
        let open: BTreeSet<Int> = self.waiting.keys().copied().chain(ahead).collect();
        let most = usize::from(self.limits.pending_joins);
        require(open.len() <= most, "too many ways are open")
    }
}
