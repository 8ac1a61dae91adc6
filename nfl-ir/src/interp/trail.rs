//! What a run did: for whoever looks for a run that does something else.
//!
//! In: bounds of a run. Out: afterwards the last value of each word, where parameters of blocks came from,
//! what was last stored in local arrays, the edges that were taken, and where it stopped.

use std::collections::{BTreeMap, BTreeSet};

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Slot, Value};
use crate::func::{BlockCall, Function};

/// How often loops may go round.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// The edges that go back, with the heads they go to.
    back: BTreeSet<(Block, Block)>,
    /// The heads of all loops.
    heads: BTreeSet<Block>,
    most: u32,
}

impl Rounds {
    /// At most so many rounds each time a loop of this function is entered.
    pub fn new(cfg: &Cfg, most: u32) -> Rounds {
        let back = cfg.loops.iter();
        let back = back.flat_map(|l| l.latches.iter().map(|&from| (from, l.head)));
        Rounds {
            back: back.collect(),
            heads: cfg.loops.iter().map(|l| l.head).collect(),
            most,
        }
    }
}

/// The trail of a run.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The instructions it may take.
    pub steps_max: u32,
    /// The instructions it took.
    pub steps: u32,
    /// The instruction at which it stopped; nothing between blocks.
    pub at: Option<Inst>,
    /// The head of the loop that went round too often.
    pub endless: Option<Block>,
    /// The last value of each word.
    pub values: IdMap<Value, u32>,
    /// The word that a parameter of a block got last.
    pub came: IdMap<Value, Option<Value>>,
    /// The word that was last stored at an offset of a local array.
    pub stored: BTreeMap<(Slot, u32), Value>,
    /// The edges it took: a block, and which of its targets.
    pub edges: BTreeSet<(Block, usize)>,
    /// Whether it keeps more than where the run stopped.
    keeps: bool,
    rounds: Option<Rounds>,
    counts: IdMap<Block, u32>,
}

impl Trail {
    /// Of a run of at most so many instructions.
    pub fn new(steps_max: u32) -> Trail {
        Trail {
            steps_max,
            steps: 0,
            at: None,
            endless: None,
            values: IdMap::new(),
            came: IdMap::new(),
            stored: BTreeMap::new(),
            edges: BTreeSet::new(),
            keeps: false,
            rounds: None,
            counts: IdMap::new(),
        }
    }

    /// The same, which keeps everything.
    #[must_use]
    pub fn keeping(mut self) -> Trail {
        self.keeps = true;
        self
    }

    /// The same with a bound of the rounds of each loop.
    #[must_use]
    pub fn with_rounds(mut self, rounds: Rounds) -> Trail {
        self.rounds = Some(rounds);
        self
    }

    /// How often each loop may go round.
    pub fn rounds_max(&self) -> Option<u32> {
        self.rounds.as_ref().map(|rounds| rounds.most)
    }

    /// Follows an edge; answers whether the loops allow it.
    pub(super) fn go(&mut self, f: &Function, from: Block, edge: usize, call: &BlockCall) -> bool {
        let to = call.block;
        if let Some(rounds) = &self.rounds
            && rounds.heads.contains(&to)
        {
            let is_back = rounds.back.contains(&(from, to));
            let count = if is_back { self.counts[to] + 1 } else { 0 };
            self.counts.set(to, count);
            if count > rounds.most {
                self.endless = Some(to);
                return false;
            }
        }
        if self.keeps {
            self.edges.insert((from, edge));
        }
        // All words move at once: an argument may be a parameter of the same block.
        let words: Vec<u32> = call.args.iter().map(|&v| self.values[v]).collect();
        let params = f.blocks[to].params.iter().zip(&call.args);
        for ((&param, &arg), word) in params.zip(words) {
            self.values.set(param, word);
            if self.keeps {
                self.came.set(param, Some(arg));
            }
        }
        true
    }

    pub(super) fn store(&mut self, slot: Slot, at: u32, v: Value) {
        if self.keeps {
            self.stored.insert((slot, at), v);
        }
    }
}
