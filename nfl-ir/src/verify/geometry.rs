//! Which length of the packet is meant where.
//!
//! In: a function. Out: a generation for each point, for the words that ask for the length, and for what
//! a call leaves behind. A service that moves the packet starts a generation, and so does a block where
//! different ones meet. Two words of one generation are the same length; what is known of places in
//! the packet is known of one generation only.

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::Function;
use crate::op::Op;
use crate::verify::facts::Facts;
use crate::verify::flow::Words;
use crate::verify::range::Range;

/// A stretch of a run in which the packet stays where it is; 0 from the start.
pub(crate) type Generation = u32;

/// The generations of a function.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Generations {
    /// Where a block begins.
    pub(super) at_entry: IdMap<Block, Generation>,
    /// Of words that ask for the length.
    pub(super) of_length: IdMap<Value, Generation>,
    /// Behind a call that moves the packet.
    pub(super) after: IdMap<Inst, Generation>,
    /// Heads of loops in which the packet moves.
    pub(super) moves_around: IdMap<Block, bool>,
}

impl Generations {
    pub(super) fn new(f: &Function, cfg: &Cfg, words: Words) -> Generations {
        let mut all = Generations::default();
        let moves = |&inst: &Inst| words.resizes(&f.insts[inst]);
        if !cfg
            .order
            .iter()
            .any(|&b| f.blocks[b].insts.iter().any(moves))
        {
            return all;
        }
        let mut next = 1..;
        let mut fresh = || next.next().unwrap_or(Generation::MAX);
        let mut at_exit: IdMap<Block, Generation> = IdMap::new();
        for &b in &cfg.order {
            let ways = cfg.preds(b).iter().map(|&(pred, _)| pred);
            let ways = ways.filter(|&pred| !cfg.is_back_edge(pred, b));
            let mut ways = ways.map(|pred| at_exit[pred]);
            let first = ways.next().unwrap_or(0);
            let mut here = if ways.all(|other| other == first) {
                first
            } else {
                fresh()
            };
            let inside = cfg.loop_at(b).map(|l| &cfg.loops[l].blocks);
            let mut inside = inside.into_iter().flatten();
            if inside.any(|&b| f.blocks[b].insts.iter().any(moves)) {
                here = fresh();
                all.moves_around.set(b, true);
            }
            all.at_entry.set(b, here);
            for &inst in &f.blocks[b].insts {
                let data = &f.insts[inst];
                if let (Op::Len, Some(v)) = (data.op, data.result) {
                    all.of_length.set(v, here);
                }
                if moves(&inst) {
                    here = fresh();
                    all.after.set(inst, here);
                }
            }
            at_exit.set(b, here);
        }
        all
    }
}

impl Facts {
    /// Forgets what is known of the packet's length, and of places in the packet.
    pub(super) fn forget_packet(&mut self) {
        self.slack.clear();
        self.beyond.clear();
        self.len = Range::new(0, nfl_abi::map::PACKET_MAX);
    }

    /// The packet has become longer in front or behind by so many bytes.
    pub(super) fn grow(&mut self, bytes: u32) {
        let grown = |n: u32| n.saturating_add(bytes).min(nfl_abi::map::PACKET_MAX);
        self.len = Range::new(grown(self.len.lo), grown(self.len.hi));
        for s in self.slack.values_mut() {
            *s = s.saturating_add(bytes);
        }
        self.beyond.retain(|_, s| {
            *s = s.saturating_sub(bytes);
            *s > 0
        });
    }

    /// The packet has lost so many bytes in front.
    pub(super) fn shrink(&mut self, bytes: Range) {
        let Range { lo, hi } = self.len;
        let hi = hi.saturating_sub(bytes.lo);
        self.len = Range::new(lo.saturating_sub(bytes.hi).min(hi), hi);
        self.slack.retain(|_, s| {
            let left = s.checked_sub(bytes.hi);
            *s = left.unwrap_or(0);
            left.is_some()
        });
        for s in self.beyond.values_mut() {
            *s = s.saturating_add(bytes.lo);
        }
    }

    /// The packet has at most so many bytes left.
    pub(super) fn cut(&mut self, bytes: Range) {
        let Range { lo, hi } = self.len;
        self.len = Range::new(lo.min(bytes.lo), hi.min(bytes.hi));
        self.slack.clear();
    }
}
