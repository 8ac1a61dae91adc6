//! Passes that run again only where that may be of use.
//!
//! In: passes in their order, round after round. Out: the same module as if each had run each time. The idea: a pass is a
//! function of the function that it changes, so where it has changed nothing and nothing else has, it would
//! change nothing again. Functions are compared by a hash of all that passes look at.

use std::hash::{Hash, Hasher};

use nfl_syntax::arena::{Id, IdMap};

use crate::entity::{Block, Value};
use crate::func::{Function, Module, Term};
use crate::op::Op;
use crate::passes::one;
use crate::text;
use crate::verify::flow::{Analysis, Findings, Words};
use crate::verify::structure;

/// The hash of a function.
type Print = u64;

/// The hashes of what an analysis looks at.
#[derive(Clone, PartialEq)]
struct Prints {
    blocks: IdMap<Block, Print>,
    /// Of what does not stand in blocks.
    rest: Print,
}

impl Prints {
    /// Those of a function, with no widths but those that are claimed of these words.
    fn new(f: &Function, words: Words, claims: &[Value]) -> Prints {
        let mut blocks = IdMap::sized(f.blocks.len());
        for &b in &f.layout {
            let mut hash = Mix(0);
            let block = &f.blocks[b];
            (&block.params, &block.term).hash(&mut hash);
            for param in block.params.iter().filter(|v| claims.contains(v)) {
                f.values[*param].width.hash(&mut hash);
            }
            for inst in block.insts.iter().map(|&inst| &f.insts[inst]) {
                (inst.op, &inst.args, inst.imm, inst.region, inst.result).hash(&mut hash);
                if inst.op == Op::Late {
                    let word = words.late.get(Id::new(inst.imm as usize));
                    word.map(|w| (w.wire, w.lo, w.hi)).hash(&mut hash);
                }
            }
            blocks.set(b, hash.finish());
        }
        let mut rest = Mix(0);
        (f.need, f.entry).hash(&mut rest);
        for (_, slot) in f.slots.iter() {
            slot.hash(&mut rest);
        }
        Prints {
            blocks,
            rest: rest.finish(),
        }
    }
}

/// What was found out about a function as it was when a pass asked last.
#[derive(Clone, Default)]
pub(crate) struct Store {
    last: Option<(Prints, Findings)>,
}

impl Store {
    /// Answers a question about a function, with what was found out before where the function is still the same.
    pub(crate) fn ask<T>(
        &mut self,
        f: &Function,
        words: Words,
        question: impl FnOnce(&Analysis) -> T,
    ) -> T {
        let prints = |found: &Findings| Prints::new(f, words, &found.claims(f));
        let a = match self.last.take() {
            Some((then, found)) => {
                let now = prints(&found);
                if now == then {
                    Analysis::again(f, words, found)
                } else {
                    let is_same =
                        |b: Block| now.rest == then.rest && now.blocks[b] == then.blocks[b];
                    Analysis::instead(f, words, found, is_same)
                }
            }
            None => Analysis::new(f, words),
        };
        let answer = question(&a);
        let found = a.into_findings();
        self.last = Some((prints(&found), found));
        answer
    }
}

/// What passes left as it was.
pub(super) struct Round {
    /// Each function as it is now.
    now: Vec<Print>,
    /// Each function as it was when the round began.
    first: Vec<Print>,
    /// The module as it read then.
    reading: Print,
    /// For each place in a round and each function the one that was left as it was there.
    left: Vec<Vec<Option<Print>>>,
    /// The place in the round that comes next.
    place: usize,
    /// What was found out about each function.
    stores: Vec<Store>,
}

impl Round {
    pub(super) fn new(m: &Module) -> Round {
        let now: Vec<Print> = m.functions.iter().map(print).collect();
        Round {
            first: now.clone(),
            reading: 0,
            now,
            left: Vec::new(),
            place: 0,
            stores: m.functions.iter().map(|_| Store::default()).collect(),
        }
    }

    /// A new round: passes come in the same order again.
    pub(super) fn begin(&mut self, m: &Module) {
        self.place = 0;
        self.reading = reading(m);
        self.first.clone_from(&self.now);
    }

    /// A pass over each function, and what a module's functions name by number.
    pub(super) fn each(&mut self, m: &mut Module, pass: impl Fn(&mut Function, Words)) {
        self.asking(m, |f, words, _| pass(f, words));
    }

    /// The same for a pass that asks what is known.
    pub(super) fn asking(
        &mut self,
        m: &mut Module,
        pass: impl Fn(&mut Function, Words, &mut Store),
    ) {
        self.all(m, |m, at, store| {
            one(m, at, |f, words| pass(f, words, store))
        });
    }

    /// What was found out about each function.
    pub(super) fn into_stores(self) -> Vec<Store> {
        self.stores
    }

    /// A pass over a module, for each function that it may change.
    pub(super) fn all(&mut self, m: &mut Module, pass: impl Fn(&mut Module, usize, &mut Store)) {
        if self.left.len() == self.place {
            self.left.push(vec![None; self.now.len()]);
        }
        let left = &mut self.left[self.place];
        for (at, now) in self.now.iter_mut().enumerate() {
            if left[at] == Some(*now) {
                continue;
            }
            let before = std::mem::replace(now, 0);
            pass(m, at, &mut self.stores[at]);
            debug_assert_eq!(structure::check(m), Ok(()), "{}", text::module(m));
            *now = print(&m.functions[at]);
            if *now == before {
                left[at] = Some(before);
            }
        }
        self.place += 1;
    }

    /// Notes what something else has changed.
    pub(super) fn look(&mut self, m: &Module) {
        self.now = m.functions.iter().map(print).collect();
    }

    /// Whether the module reads as it did when the round began.
    pub(super) fn is_same(&self, m: &Module) -> bool {
        self.now == self.first || self.reading == reading(m)
    }
}

/// The hash of what a module's text says that passes change: words and blocks have other numbers there.
fn reading(m: &Module) -> Print {
    let mut hash = Mix(0);
    for (_, word) in m.late.iter() {
        word.wire.hash(&mut hash);
    }
    for f in &m.functions {
        read_function(f, &mut hash);
    }
    hash.finish()
}

fn read_function(f: &Function, hash: &mut Mix) {
    let mut blocks: IdMap<Block, u32> = IdMap::sized(f.blocks.len());
    let mut values: IdMap<Value, u32> = IdMap::sized(f.values.len());
    let mut next = 0;
    for (n, &b) in f.layout.iter().enumerate() {
        blocks.set(b, n as u32);
        let results = f.blocks[b].insts.iter().filter_map(|&i| f.insts[i].result);
        for v in f.blocks[b].params.iter().copied().chain(results) {
            values.set(v, next);
            next += 1;
        }
    }
    (f.need, f.layout.len()).hash(hash);
    for (_, slot) in f.slots.iter() {
        slot.hash(hash);
    }
    for &b in &f.layout {
        let block = &f.blocks[b];
        (block.params.len(), block.insts.len()).hash(hash);
        for &param in &block.params {
            f.values[param].width.hash(hash);
        }
        for data in block.insts.iter().map(|&inst| &f.insts[inst]) {
            (data.op, data.imm, data.region, data.args.len()).hash(hash);
            let width = data.result.map(|v| f.values[v].width);
            width.hash(hash);
            for &v in &data.args {
                values[v].hash(hash);
            }
        }
        match block.term {
            Term::Jump(_) => hash.add(0),
            Term::Branch { cond, .. } => (1u32, values[cond]).hash(hash),
            Term::Finish { kind, operand } => (2u32, values[kind], values[operand]).hash(hash),
        }
        for call in block.term.targets() {
            (blocks[call.block], call.args.len()).hash(hash);
            for &v in &call.args {
                values[v].hash(hash);
            }
        }
    }
}

fn print(f: &Function) -> Print {
    let mut hash = Mix(0);
    (f.need, &f.layout).hash(&mut hash);
    for &b in &f.layout {
        let block = &f.blocks[b];
        (&block.params, &block.insts, &block.term, block.span).hash(&mut hash);
        for &inst in &block.insts {
            f.insts[inst].hash(&mut hash);
        }
    }
    for (_, v) in f.values.iter() {
        (v.origin, v.width).hash(&mut hash);
    }
    for (_, slot) in f.slots.iter() {
        slot.hash(&mut hash);
    }
    // Removed blocks and instructions stay as they are, but there may be more of them.
    (f.blocks.len(), f.insts.len()).hash(&mut hash);
    hash.finish()
}

/// Fast, and good enough for numbers that nobody chooses to collide.
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.add(byte.into());
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.add(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.add(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.add(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.add(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
