//! Tests that need not be made.
//!
//! `raise` moves a test of the packet's length to the node: when every run on a packet shorter than
//! `e` does nothing but answer the malformed verdict, the handler needs `e` bytes.
//! `drop_early_exits` removes a test whose failure leads to a verdict that the rest of the handler
//! would reach anyway, since a later and stronger test comes to the same.

use std::borrow::Cow;

use nfl_abi::map::WINDOW_MAX;
use nfl_syntax::arena::IdMap;

use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, Module, Term};
use crate::op::{Effect, Op};
use crate::passes::round::Store;
use crate::verify::cone::Cone;
use crate::verify::facts::{Facts, Known};
use crate::verify::flow::{Analysis, Words};
use crate::verify::memo::Memo;
use crate::verify::range::Range;
use crate::verify::{judge, obligation};

/// Steps after which a question counts as open.
const STEPS_MAX: u32 = 400;

/// Raises the length that a handler needs as far as possible.
pub(super) fn raise(f: &mut Function, words: Words, store: &mut Store) {
    let Some(malformed) = f.malformed else {
        return;
    };
    let verdict = (u32::from(malformed.kind.number()), malformed.operand);
    let mut lengths: Vec<u32> = Vec::new();
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            let &[len, bound] = data.args.as_slice() else {
                continue;
            };
            if f.def(len).is_none_or(|d| d.op != Op::Len) {
                continue;
            }
            match data.op {
                Op::Ltu | Op::Geu => lengths.extend(f.constant(bound)),
                // `length == 0` is `length < 1`.
                Op::Eq | Op::Ne => lengths.extend(f.constant(bound).map(|n| n.saturating_add(1))),
                _ => {}
            }
        }
    }
    lengths.retain(|&e| e > f.need && e <= WINDOW_MAX);
    if lengths.is_empty() {
        return;
    }
    lengths.sort_unstable();
    let most = store.ask(f, words, |a| {
        let ways = ways_to(a, verdict);
        let memo = a.known().memo.beside();
        lengths.into_iter().rev().find(|&e| {
            let mut facts = Facts::start(f);
            facts.len = Range::new(f.need, e - 1);
            let mut walk = Walk::new(a, &memo, None, verdict, &ways);
            walk.ends_so(f.entry, &[], facts)
        })
    });
    if let Some(need) = most {
        f.need = need;
    }
}

/// Removes tests of one of the functions that change nothing, one at a time.
pub(super) fn drop_early_exits(m: &mut Module, at: usize, store: &mut Store) {
    let mut tried = Vec::new();
    while drop_one(m, at, &mut tried, store) {}
}

/// A change on trial.
#[derive(Default)]
pub(super) struct Trial {
    /// What was found out about the function with the change that was tried last.
    store: Option<Store>,
}

impl Trial {
    /// Whether everything can be proved of a handler with a change. `store` is of the handler without it, and of the one
    /// with it if it can.
    pub(super) fn is_proved(&mut self, m: &Module, at: usize, store: &mut Store) -> bool {
        let trial = self.store.get_or_insert_with(|| store.clone());
        let holds = is_proved(m, at, trial);
        if holds && let Some(trial) = self.store.take() {
            *store = trial;
        }
        holds
    }
}

/// Removes one test, if one can be removed.
fn drop_one(m: &mut Module, at: usize, tried: &mut Vec<(Block, usize)>, store: &mut Store) -> bool {
    let mut trial = Trial::default();
    for (b, edge) in early_exits(m, at, store) {
        if tried.contains(&(b, edge)) {
            continue;
        }
        tried.push((b, edge));
        let old = m.functions[at].blocks[b].term.clone();
        if let Some(rest) = old.targets().nth(1 - edge) {
            m.functions[at].blocks[b].term = Term::Jump(rest.clone());
        }
        if trial.is_proved(m, at, store) {
            return true;
        }
        m.functions[at].blocks[b].term = old;
    }
    false
}

/// Branches, and which of their edges leads to a verdict that the other leads to as well.
fn early_exits(m: &Module, at: usize, store: &mut Store) -> Vec<(Block, usize)> {
    let f = &m.functions[at];
    let is_exit = |call: &BlockCall| quiet_verdict(f, call.block).is_some();
    let has_exit = |&b: &Block| f.blocks[b].term.targets().any(is_exit);
    if !f.layout.iter().any(has_exit) {
        return Vec::new();
    }
    store.ask(f, m.words(), early_exits_of)
}

fn early_exits_of(a: &Analysis) -> Vec<(Block, usize)> {
    let f = a.f;
    let mut found = Vec::new();
    // Few verdicts are those of many exits.
    let mut ways: Vec<((u32, u32), IdMap<Block, bool>)> = Vec::new();
    let memo = a.known().memo.beside();
    for &b in &a.cfg.order {
        let targets: Vec<_> = f.blocks[b].term.targets().collect();
        for edge in 0..targets.len() {
            if targets.len() != 2 {
                continue;
            }
            // On the way to the verdict nothing may be written either.
            let verdict = quiet_verdict(f, targets[edge].block);
            let (Some(verdict), Some(facts)) = (verdict, a.edge(b, edge)) else {
                continue;
            };
            let rest = targets[1 - edge];
            let known = ways.iter().position(|(other, _)| *other == verdict);
            let at = known.unwrap_or_else(|| {
                ways.push((verdict, ways_to(a, verdict)));
                ways.len() - 1
            });
            let mut walk = Walk::new(a, &memo, Some(b), verdict, &ways[at].1);
            if walk.ends_so(rest.block, &rest.args, facts) {
                found.push((b, edge));
            }
        }
    }
    found
}

/// Blocks from which some way may lead to a verdict.
fn ways_to(a: &Analysis, verdict: (u32, u32)) -> IdMap<Block, bool> {
    let mut leads = IdMap::sized(a.f.blocks.len());
    let is_end = |&b: &Block| match a.f.verdict(b) {
        Some(end) => end == verdict,
        // What is handed over may be it.
        None => matches!(a.f.blocks[b].term, Term::Finish { .. }),
    };
    let mut work: Vec<Block> = a.cfg.order.iter().copied().filter(is_end).collect();
    while let Some(b) = work.pop() {
        if !std::mem::replace(&mut leads[b], true) {
            work.extend(a.cfg.preds(b).iter().map(|&(pred, _)| pred));
        }
    }
    leads
}

/// The constant verdict of a block that writes nothing.
fn quiet_verdict(f: &Function, b: Block) -> Option<(u32, u32)> {
    let mut insts = f.blocks[b].insts.iter();
    let quiet = insts.all(|&i| {
        let effect = f.insts[i].op.spec().effect;
        matches!(effect, Effect::Pure | Effect::Read)
    });
    f.verdict(b).filter(|_| quiet)
}

/// Whether everything that must be proved of a handler can be.
pub(super) fn is_proved(m: &Module, at: usize, store: &mut Store) -> bool {
    store.ask(&m.functions[at], m.words(), |a| is_all_proved(m, a))
}

fn is_all_proved(m: &Module, a: &Analysis) -> bool {
    let f = a.f;
    if !a.cfg.irreducible.is_empty() {
        return false;
    }
    let bounded = a.cfg.loops.iter().zip(&a.trips);
    if bounded
        .into_iter()
        .any(|(l, trips)| a.at(l.head).is_some() && trips.is_none())
    {
        return false;
    }
    a.cfg.order.iter().all(|&b| {
        let Some(facts) = a.at(b) else {
            return true;
        };
        let mut facts = Cow::Borrowed(facts);
        f.blocks[b].insts.iter().all(|&i| {
            let what = obligation::of(&f.insts[i]);
            let holds = what.is_none_or(|what| judge::holds(m, a, &facts, what));
            a.pass(&mut facts, i);
            holds
        })
    })
}

/// All runs from a block, to see whether they come to one verdict and write nothing.
struct Walk<'a> {
    a: &'a Analysis<'a>,
    /// Intervals of words made before the walk. Others depend on the way, which may be one that
    /// the function never takes, so they stand among the facts.
    base: IdMap<Value, Range>,
    /// What those depend on.
    cones: IdMap<Value, Cone>,
    /// Answers that were given already, in this walk or in others under facts of theirs.
    memo: &'a Memo,
    verdict: (u32, u32),
    /// Blocks from which some way may lead to that.
    leads: &'a IdMap<Block, bool>,
    steps: u32,
}

impl<'a> Walk<'a> {
    fn new(
        a: &'a Analysis<'a>,
        memo: &'a Memo,
        from: Option<Block>,
        verdict: (u32, u32),
        leads: &'a IdMap<Block, bool>,
    ) -> Walk<'a> {
        let mut base = IdMap::sized(a.f.values.len());
        let mut cones = IdMap::sized(a.f.values.len());
        let mut above = from;
        while let Some(b) = above {
            let results = a.f.blocks[b].insts.iter();
            let results = results.filter_map(|&i| a.f.insts[i].result);
            for v in a.f.blocks[b].params.iter().copied().chain(results) {
                base.set(v, a.base[v]);
                cones.set(v, a.cones[v]);
            }
            above = a.cfg.idom(b);
        }
        Walk {
            a,
            base,
            cones,
            memo,
            verdict,
            leads,
            steps: 0,
        }
    }

    fn known(&self) -> Known<'_> {
        Known {
            base: &self.base,
            cones: &self.cones,
            memo: self.memo,
            ..self.a.known()
        }
    }

    /// Whether they do from where an edge leads that hands over these words, under these facts.
    fn ends_so(&mut self, to: Block, args: &[Value], mut facts: Facts) -> bool {
        let f = self.a.f;
        // Other walks know other intervals.
        facts.renew();
        let mut work = vec![(to, self.enter(facts, to, args))];
        while let Some((b, mut facts)) = work.pop() {
            self.steps += 1;
            // A loop could go on for ever, and then there is no verdict.
            if self.steps > STEPS_MAX || self.a.cfg.loop_of[b].is_some() || !self.leads[b] {
                return false;
            }
            let known = self.known();
            for inst in f.blocks[b].insts.iter().map(|&i| &f.insts[i]) {
                let Some(v) = inst.result.filter(|_| inst.op != Op::Call) else {
                    return false;
                };
                let range = known.result(&facts, inst, self.a.words);
                facts.ranges.insert(v, range);
            }
            match &f.blocks[b].term {
                Term::Finish { kind, operand } => {
                    let kind = known.range(&facts, *kind).single();
                    let operand = known.range(&facts, *operand).single();
                    if (kind, operand) != (Some(self.verdict.0), Some(self.verdict.1)) {
                        return false;
                    }
                }
                Term::Jump(call) => {
                    work.push((call.block, self.enter(facts, call.block, &call.args)));
                }
                Term::Branch { cond, .. } => {
                    for (edge, call) in f.blocks[b].term.targets().enumerate() {
                        let mut facts = facts.clone();
                        if known.assume(&mut facts, *cond, edge == 0) {
                            if !self.leads[call.block] {
                                return false;
                            }
                            let facts = self.enter(facts, call.block, &call.args);
                            work.push((call.block, facts));
                        }
                    }
                }
            }
        }
        true
    }

    /// Facts behind an edge, with the words it hands over.
    fn enter(&self, mut facts: Facts, b: Block, args: &[Value]) -> Facts {
        let known = self.known();
        let ranges: Vec<Range> = args.iter().map(|&arg| known.range(&facts, arg)).collect();
        for (&param, range) in self.a.f.blocks[b].params.iter().zip(ranges) {
            facts.ranges.insert(param, range);
        }
        facts
    }
}
