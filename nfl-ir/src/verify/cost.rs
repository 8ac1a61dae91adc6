//! How many IR instructions a run takes at most: an estimate of steps, for advice and messages.
//!
//! In: a function with a bound for each loop. Out: the longest path, each loop counted as the
//! longest path of a round times its rounds, each call at its price. The bytes have their own, exact count.

use std::collections::BTreeMap;

use crate::entity::Block;
use crate::verify::flow::Analysis;

/// The most instructions of a run.
pub(super) fn steps(a: &Analysis) -> u64 {
    longest(a, None)
}

/// The longest path through a loop's round, or through the function: blocks of inner loops stand
/// for one step of their loop's whole cost.
fn longest(a: &Analysis, around: Option<usize>) -> u64 {
    let blocks = around.map_or(&a.cfg.order, |l| &a.cfg.loops[l].blocks);
    let mut paid: BTreeMap<Block, u64> = BTreeMap::new();
    let mut most = 0;
    for &b in blocks {
        let inner = outermost_within(a, b, around);
        let is_head = inner.is_none_or(|l| a.cfg.loops[l].head == b);
        if !is_head {
            continue;
        }
        let preds = a.cfg.preds(b).iter().map(|&(pred, _)| pred);
        let before = preds.filter(|&p| !a.cfg.is_back_edge(p, b)).map(|pred| {
            // A way out of an inner loop costs what the loop costs.
            let stands_for = outermost_within(a, pred, around).map(|l| a.cfg.loops[l].head);
            let payer = stands_for.unwrap_or(pred);
            paid.get(&payer).copied().unwrap_or(0)
        });
        let before = before.max().unwrap_or(0);
        let own = match inner {
            None => own_steps(a, b),
            Some(l) => {
                let rounds = a.trips[l].map_or(u64::MAX, |t| u64::from(t) + 1);
                longest(a, Some(l)).saturating_mul(rounds)
            }
        };
        let total = before.saturating_add(own);
        most = total.max(most);
        paid.insert(b, total);
    }
    most
}

/// A block's instructions, and the prices of its calls.
fn own_steps(a: &Analysis, b: Block) -> u64 {
    let insts = a.f.blocks[b].insts.iter().map(|&inst| &a.f.insts[inst]);
    let prices = insts.filter_map(|data| {
        let call = a.words.call(data)?;
        let unit = call
            .unit_register
            .and_then(|at| data.args.get(usize::from(at)));
        let most = unit.zip(a.at(b));
        let most = most.map_or(u32::MAX, |(&v, facts)| a.known().range(facts, v).hi);
        Some(u64::from(call.price(most)))
    });
    a.f.blocks[b].insts.len() as u64 + 1 + prices.sum::<u64>()
}

/// The outermost loop around a block that lies within `around`.
fn outermost_within(a: &Analysis, b: Block, around: Option<usize>) -> Option<usize> {
    let mut at = a.cfg.loop_of[b];
    while let Some(l) = at {
        if Some(l) == around {
            return None;
        }
        if a.cfg.loops[l].parent == around {
            return Some(l);
        }
        at = a.cfg.loops[l].parent;
    }
    None
}
