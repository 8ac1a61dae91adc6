//! What is known in every block of a function.
//!
//! In: a function of sound structure. Out: an interval for each word, facts for each block, and
//! how often each loop may run. The idea: blocks are visited in order and back edges are left out,
//! since facts about words from outside a loop stay true in it. The parameters of a loop's head are
//! guessed (`loops.rs`); after the visit every back edge must bear the guesses out, or the next
//! guess is tried, the last of which is every number. So nothing depends on a guess being clever.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nfl_abi::host;
use nfl_abi::image::{Import, Resource};
use nfl_syntax::arena::{Id, IdMap, IdVec};

use crate::cfg::Cfg;
use crate::entity::{Block, ImportId, Inst, LateId, ParamId, Value};
use crate::func::{Function, InstData, Term, WordInfo};
use crate::op::Op;
use crate::verify::cone::Cone;
use crate::verify::facts::{Facts, Known};
use crate::verify::geometry::Generations;
use crate::verify::loops::Link;
use crate::verify::memo::Memo;
use crate::verify::range::Range;
use crate::verify::signed::Signed;

/// How deep ways that meet are asked.
const JOIN_DEPTH: u8 = 3;

/// What functions name by number.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Late words.
    pub late: &'a IdVec<LateId, WordInfo>,
    /// Words of parameters that are not bound.
    pub params: &'a IdVec<ParamId, WordInfo>,
    /// Services.
    pub imports: &'a IdVec<ImportId, Import>,
    /// State that the services are called on.
    pub resources: &'a [Resource],
}

impl Words<'_> {
    /// The shape of a call; nothing for other instructions.
    pub fn call(self, inst: &InstData) -> Option<host::Call> {
        if inst.op != Op::Call {
            return None;
        }
        let import = self.imports.get(Id::new(inst.imm as usize))?;
        host::call(import, self.resources)
    }

    /// Whether an instruction moves the packet: afterwards its places and its length are others.
    pub fn resizes(self, inst: &InstData) -> bool {
        self.call(inst).is_some_and(|call| call.resizes)
    }
}

/// What is known about a function.
pub struct Analysis<'a> {
    /// The function.
    pub f: &'a Function,
    /// Its control flow.
    pub cfg: Cfg,
    /// The words it names by number.
    pub words: Words<'a>,
    /// What is known of a word wherever it is.
    pub base: IdMap<Value, Range>,
    /// What is known where a block begins; nothing for blocks that nobody comes to.
    entry: IdMap<Block, Option<Facts>>,
    /// What is known where a block ends, for those in which something is learned or lost.
    exit: IdMap<Block, Option<Facts>>,
    /// Which length of the packet is meant where.
    generations: Generations,
    /// For each loop how often it may go back at most.
    pub trips: Vec<Option<u32>>,
    /// The guesses for parameters of loop heads.
    pub(super) guesses: IdMap<Value, Guess>,
    /// Parameters of loop heads whose moves are bounded by another's.
    pub(super) links: IdMap<Value, Option<Link>>,
    /// Words that are another word with its bytes swapped.
    swaps: BTreeMap<Value, Vec<Value>>,
    /// What the interval of each word depends on.
    pub(crate) cones: IdMap<Value, Cone>,
    /// Answers that were given already.
    memo: Memo,
    /// Blocks of which all is known from before.
    pub(super) kept: IdMap<Block, bool>,
}

/// How far guessing has come for a parameter of a loop's head.
#[derive(Clone, Copy, Default)]
pub(super) struct Guess {
    /// Which guess is next.
    pub level: usize,
    /// What came back along the loop so far.
    pub seen: Option<Range>,
    /// The parameter that counts rounds, where this guess relies on one.
    pub clock: Option<Value>,
    /// Whether the width that is claimed of the parameter was looked at.
    pub by_claim: bool,
}

/// What was found out about a function, without the function.
#[derive(Clone)]
pub(crate) struct Findings {
    cfg: Cfg,
    base: IdMap<Value, Range>,
    entry: IdMap<Block, Option<Facts>>,
    exit: IdMap<Block, Option<Facts>>,
    generations: Generations,
    trips: Vec<Option<u32>>,
    guesses: IdMap<Value, Guess>,
    links: IdMap<Value, Option<Link>>,
    swaps: BTreeMap<Value, Vec<Value>>,
    cones: IdMap<Value, Cone>,
    memo: Memo,
}

impl Findings {
    /// The words whose claimed widths were looked at.
    pub(crate) fn claims(&self, f: &Function) -> Vec<Value> {
        let heads = self.cfg.loops.iter().map(|l| l.head);
        let params = heads.flat_map(|head| &f.blocks[head].params);
        params
            .copied()
            .filter(|&param| self.guesses[param].by_claim)
            .collect()
    }
}

impl<'a> Analysis<'a> {
    /// What was found out about this function before.
    pub(crate) fn again(f: &'a Function, words: Words<'a>, found: Findings) -> Analysis<'a> {
        Analysis {
            f,
            words,
            cfg: found.cfg,
            base: found.base,
            entry: found.entry,
            exit: found.exit,
            generations: found.generations,
            trips: found.trips,
            guesses: found.guesses,
            links: found.links,
            swaps: found.swaps,
            cones: found.cones,
            memo: found.memo,
            kept: IdMap::new(),
        }
    }

    /// To be used again for the same function.
    pub(crate) fn into_findings(self) -> Findings {
        Findings {
            cfg: self.cfg,
            base: self.base,
            entry: self.entry,
            exit: self.exit,
            generations: self.generations,
            trips: self.trips,
            guesses: self.guesses,
            links: self.links,
            swaps: self.swaps,
            cones: self.cones,
            memo: self.memo,
        }
    }

    /// Finds out all there is.
    pub fn new(f: &'a Function, words: Words<'a>) -> Analysis<'a> {
        let mut a = Analysis::blank(f, words, Memo::new(f));
        a.find();
        a
    }

    /// The same, with what was found out about the function as it was before; `is_same` says which of its blocks have not
    /// changed.
    pub(crate) fn instead(
        f: &'a Function,
        words: Words<'a>,
        mut found: Findings,
        is_same: impl Fn(Block) -> bool,
    ) -> Analysis<'a> {
        let memo = std::mem::replace(&mut found.memo, Memo::new(f));
        let mut a = Analysis::blank(f, words, memo.renewed(f));
        a.keep(found, is_same);
        a.find();
        debug_assert!(a.says_the_same(&Analysis::new(f, words)));
        a
    }

    fn blank(f: &'a Function, words: Words<'a>, memo: Memo) -> Analysis<'a> {
        let cfg = Cfg::new(f);
        let trips = vec![None; cfg.loops.len()];
        let generations = Generations::new(f, &cfg, words);
        Analysis {
            f,
            cfg,
            words,
            cones: IdMap::sized(f.values.len()),
            base: IdMap::sized(f.values.len()),
            entry: IdMap::sized(f.blocks.len()),
            exit: IdMap::sized(f.blocks.len()),
            generations,
            trips,
            guesses: IdMap::new(),
            links: IdMap::new(),
            swaps: swaps(f),
            memo,
            kept: IdMap::new(),
        }
    }

    fn find(&mut self) {
        let mut next = Some(0);
        while let Some(from) = next {
            self.visit(from);
            next = self.check_guesses();
        }
    }

    /// Keeps what is known of blocks that no change leads to.
    fn keep(&mut self, mut found: Findings, is_same: impl Fn(Block) -> bool) {
        self.kept = self.untouched(&found, is_same);
        for &b in self.cfg.order.iter().filter(|&&b| self.kept[b]) {
            let block = &self.f.blocks[b];
            for &param in &block.params {
                self.guesses.set(param, found.guesses[param]);
                self.links.set(param, found.links[param].take());
            }
            let results = block.insts.iter().filter_map(|&i| self.f.insts[i].result);
            for v in block.params.iter().copied().chain(results) {
                self.base.set(v, found.base[v]);
                self.cones.set(v, found.cones[v]);
            }
            // Words that other blocks make may have the numbers of words from before.
            let renewed = |mut facts: Facts| {
                facts.renew();
                facts
            };
            self.entry.set(b, found.entry[b].take().map(renewed));
            self.exit.set(b, found.exit[b].take().map(renewed));
        }
        for (l, trips) in self.trips.iter_mut().enumerate() {
            let head = self.cfg.loops[l].head;
            if let Some(before) = found.cfg.loop_at(head).filter(|_| self.kept[head]) {
                *trips = found.trips[before];
            }
        }
    }

    /// Blocks of which the same would be found out again: neither they nor what leads to them has changed.
    fn untouched(&self, found: &Findings, is_same: impl Fn(Block) -> bool) -> IdMap<Block, bool> {
        let mut kept = IdMap::sized(self.f.blocks.len());
        // These tell blocks of one another beside the ways between them.
        if self.swaps != found.swaps
            || self.generations != found.generations
            || !self.cfg.irreducible.is_empty()
            || !found.cfg.irreducible.is_empty()
        {
            return kept;
        }
        for &b in &self.cfg.order {
            let stays = found.cfg.reaches(b) && is_same(b) && self.cfg.enters_alike(&found.cfg, b);
            kept.set(b, stays);
        }
        self.narrow_to_ways(&mut kept);
        // How far guessing comes for one loop depends on what was guessed for those before it meanwhile.
        if self.cfg.loops.iter().any(|l| !kept[l.head]) {
            for l in &self.cfg.loops {
                kept.set(l.head, false);
            }
            self.narrow_to_ways(&mut kept);
        }
        kept
    }

    /// Drops blocks to which others lead than these.
    fn narrow_to_ways(&self, kept: &mut IdMap<Block, bool>) {
        let mut changed = true;
        while changed {
            changed = false;
            for &b in &self.cfg.order {
                let mut ways = self.cfg.preds(b).iter().map(|&(pred, _)| pred);
                if kept[b] && ways.any(|pred| !kept[pred]) {
                    kept.set(b, false);
                    changed = true;
                }
            }
        }
    }

    /// Whether all that is known is the same.
    fn says_the_same(&self, other: &Analysis) -> bool {
        let is_same = |&b: &Block| {
            self.entry[b].as_deref() == other.entry[b].as_deref()
                && self.exit[b].as_deref() == other.exit[b].as_deref()
        };
        self.base == other.base && self.trips == other.trips && self.cfg.order.iter().all(is_same)
    }

    /// For questions.
    pub fn known(&self) -> Known<'_> {
        Known {
            f: self.f,
            base: &self.base,
            links: &self.links,
            cones: &self.cones,
            lengths: &self.generations.of_length,
            memo: &self.memo,
        }
    }

    /// What an instruction adds to what is known, and what it makes void.
    pub fn pass(&self, facts: &mut Cow<'_, Facts>, inst: Inst) {
        let data = &self.f.insts[inst];
        if let (true, Some(&cond)) = (data.op.is_assertion(), data.args.first()) {
            let mut more = Facts::clone(facts);
            if self.known().assume(&mut more, cond, true) {
                *facts = Cow::Owned(more);
            }
            return;
        }
        let call = self.words.call(data).filter(|call| call.resizes);
        let Some(call) = call else {
            return;
        };
        let bytes = data.args.first();
        let bytes = bytes.map_or(Range::FULL, |&v| self.known().range(facts, v));
        let import = self.words.imports.get(Id::new(data.imm as usize));
        let param = import.map_or(0, |import| u32::from(import.param));
        let facts = facts.to_mut();
        match call.service.name {
            "packet.push" | "packet.append" => facts.grow(param),
            "packet.pop" => facts.shrink(bytes),
            "packet.cut" => facts.cut(bytes),
            _ => facts.forget_packet(),
        }
        facts.generation = self.generations.after[inst];
    }

    /// What is known where a block begins; nothing when nobody comes there.
    pub fn at(&self, b: Block) -> Option<&Facts> {
        self.entry[b].as_ref()
    }

    /// What is known behind an edge; nothing when nobody takes it.
    pub fn edge(&self, from: Block, edge: usize) -> Option<Facts> {
        let end = self.exit[from].as_ref();
        let mut facts = end.or(self.entry[from].as_ref())?.clone();
        if let Term::Branch { cond, .. } = self.f.blocks[from].term
            && !self.known().assume(&mut facts, cond, edge == 0)
        {
            return None;
        }
        Some(facts)
    }

    /// The words an edge hands over.
    pub(super) fn args(&self, from: Block, edge: usize) -> &'a [Value] {
        let call = self.f.blocks[from].term.targets().nth(edge);
        call.map_or(&[], |call| &call.args)
    }

    /// Visits the blocks from this place of the order on. Nothing that was guessed for them counts for those before.
    fn visit(&mut self, from: usize) {
        let blocks = self.cfg.order[from..].iter().copied();
        let blocks: Vec<Block> = blocks.filter(|&b| !self.kept[b]).collect();
        for &b in &blocks {
            self.entry.set(b, None);
            self.exit.set(b, None);
            let block = &self.f.blocks[b];
            let results = block.insts.iter().filter_map(|&i| self.f.insts[i].result);
            for v in block.params.iter().copied().chain(results) {
                self.base.set(v, Range::default());
                self.cones.set(v, Cone::default());
            }
        }
        for b in blocks {
            let facts = if b == self.f.entry {
                Some(Facts::start(self.f))
            } else {
                self.enter(b)
            };
            if let Some(facts) = &facts
                && let Some(end) = self.define(b, facts)
            {
                self.exit.set(b, Some(end));
            }
            self.entry.set(b, facts);
        }
    }

    /// Joins what comes along the forward edges.
    fn enter(&mut self, b: Block) -> Option<Facts> {
        let mut ways: Vec<Facts> = Vec::new();
        let mut handed: Vec<&[Value]> = Vec::new();
        for &(pred, edge) in self.cfg.preds(b) {
            if self.cfg.is_back_edge(pred, b) {
                continue;
            }
            if let Some(facts) = self.edge(pred, edge) {
                ways.push(facts);
                handed.push(self.args(pred, edge));
            }
        }
        let params = &self.f.blocks[b].params;
        let known = self.known();
        let mut words: Vec<(Value, Range, i64)> = Vec::new();
        for (at, &param) in params.iter().enumerate() {
            let both = ways.iter().zip(&handed).map(|(facts, args)| {
                let arg = args[at];
                (known.range(facts, arg), known.slack(facts, arg))
            });
            let (range, slack) = both.reduce(|a, b| (a.0.hull(b.0), a.1.min(b.1)))?;
            words.push((param, range, slack));
        }
        let mut joined = self.join(ways)?;
        joined.generation = self.generations.at_entry[b];
        if self.generations.moves_around[b] {
            joined.forget_packet();
        }
        for (param, range, slack) in words {
            self.base.set(param, range);
            self.cones.set(param, Cone::of(&[param]));
            if let Ok(slack) = u32::try_from(slack) {
                joined.slack.insert(param, slack);
            }
        }
        let back = |&(pred, _): &(Block, usize)| self.cfg.is_back_edge(pred, b);
        if self.cfg.preds(b).iter().any(back) {
            // They may be bounded by one another's moves.
            let all = Cone::of(params);
            for &param in params {
                joined.slack.remove(&param);
                self.cones.set(param, all);
            }
            self.guess(b, &joined);
            joined.renew();
        }
        Some(joined)
    }

    /// What holds on every way. What one way says and the others only imply is worth keeping too, and so is what all imply
    /// of a word whose bytes are swapped: the swap of an interval is none.
    fn join(&self, mut ways: Vec<Facts>) -> Option<Facts> {
        if ways.len() < 2 {
            return ways.pop();
        }
        let known = self.known();
        let mut words: Vec<Value> = ways.iter().flat_map(|facts| facts.ranges.keys()).collect();
        let swaps = words.iter().filter_map(|v| self.swaps.get(v)).flatten();
        let swaps: Vec<Value> = swaps.copied().collect();
        words.extend(swaps);
        words.sort_unstable();
        words.dedup();
        // One way after the other: answers that follow from one are found together.
        let (first, rest) = ways.split_first()?;
        let mut ranges: Vec<Range> = words.iter().map(|&v| known.range(first, v)).collect();
        for facts in rest {
            for (range, &v) in ranges.iter_mut().zip(&words) {
                *range = range.hull(known.range(facts, v));
            }
        }
        let ranges = words.into_iter().zip(ranges);
        let ranges = ranges.filter(|&(v, range)| range != self.base[v]).collect();
        let mut words: Vec<Value> = ways.iter().flat_map(|facts| facts.slack.keys()).collect();
        words.sort_unstable();
        words.dedup();
        let mut slacks: Vec<i64> = words.iter().map(|&v| known.slack(first, v)).collect();
        for facts in rest {
            for (slack, &v) in slacks.iter_mut().zip(&words) {
                *slack = (*slack).min(known.slack(facts, v));
            }
        }
        let slacks = words.into_iter().zip(slacks);
        let slack = slacks
            .filter_map(|(v, least)| Some((v, u32::try_from(least).ok()?)))
            .collect();
        let mut ways = ways.into_iter();
        let mut joined = ways.next()?;
        joined.ranges = ranges;
        joined.slack = slack;
        for other in &ways.collect::<Vec<Facts>>() {
            joined.beyond.retain(|v, s| {
                let there = other.beyond.get(v);
                *s = there.map_or(0, |there| *there.min(s));
                there.is_some()
            });
            joined.len = joined.len.hull(other.len);
            joined.signed = joined
                .signed
                .iter()
                .map(|(&v, &signed)| (v, signed.hull(known.signed(other, v, JOIN_DEPTH))))
                .filter(|(_, signed)| *signed != Signed::FULL)
                .collect();
            joined.order.retain(|&(a, b), s| {
                let least = known.distance(other, a, b);
                *s = least.map_or(0, |least| least.min(*s));
                least.is_some()
            });
        }
        Some(joined)
    }

    /// Answers what is known at the end, where that is not what was known before.
    fn define(&mut self, b: Block, facts: &Facts) -> Option<Facts> {
        let mut here = Cow::Borrowed(facts);
        for &id in &self.f.blocks[b].insts {
            let inst = &self.f.insts[id];
            if let Some(v) = inst.result {
                let range = self.known().result(&here, inst, self.words);
                self.base.set(v, range);
                let is_fixed = |v: Value| self.base[v].single().is_some();
                let cone = Cone::of_result(inst, v, &self.cones, is_fixed);
                self.cones.set(v, cone);
            }
            self.pass(&mut here, id);
        }
        match here {
            Cow::Borrowed(_) => None,
            Cow::Owned(end) => Some(end),
        }
    }
}

fn swaps(f: &Function) -> BTreeMap<Value, Vec<Value>> {
    let mut swaps = BTreeMap::<Value, Vec<Value>>::new();
    let insts = f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
    for data in insts.map(|&inst| &f.insts[inst]) {
        if let (Op::Bswap16 | Op::Bswap32, Some(&of), Some(swap)) =
            (data.op, data.args.first(), data.result)
        {
            swaps.entry(of).or_default().push(swap);
        }
    }
    swaps
}
