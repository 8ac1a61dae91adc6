//! Gives a counter to loops that have none.
//!
//! The node proves a loop by a word that moves by the same constant in every round. A loop that ends
//! for another reason which the compiler can see, such as a shift, gets such a word: it starts
//! above the proved number of rounds and ends the handler where it reaches 0, which never happens.

use crate::cfg::Cfg;
use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, Term};
use crate::op::Op;
use crate::passes::round::Store;
use crate::verify::flow::Words;

/// Adds the counters.
pub(super) fn add(f: &mut Function, words: Words, store: &mut Store) {
    if Cfg::new(f).loops.is_empty() {
        return;
    }
    let wanted = store.ask(f, words, |a| {
        let loops = a.cfg.loops.iter().enumerate();
        let wanted = loops.filter_map(|(l, data)| {
            let trips = a.trips[l].filter(|&trips| trips > 0 && !a.has_counter(l))?;
            let edges = a.cfg.preds(data.head).to_vec();
            let back = edges.iter().map(|&(b, _)| a.cfg.is_back_edge(b, data.head));
            let back: Vec<bool> = back.collect();
            Some((data.head, trips, edges, back))
        });
        wanted.collect::<Vec<_>>()
    });
    for (head, trips, edges, back) in wanted {
        let counter = f.add_param(head, 32);
        for ((pred, edge), back) in edges.into_iter().zip(back) {
            if back {
                count_down(f, pred, edge, counter);
            } else {
                // An edge hands over what its block has made.
                let start = constant(f, pred, trips.saturating_add(1));
                give(f, pred, edge, start);
            }
        }
    }
}

fn constant(f: &mut Function, b: Block, number: u32) -> Value {
    f.compute(b, Op::Const, &[], number)
}

fn give(f: &mut Function, pred: Block, edge: usize, v: Value) {
    if let Some(call) = f.blocks[pred].term.targets_mut().nth(edge) {
        call.args.push(v);
    }
}

/// On the way back: one less, and on only while it is not 0.
fn count_down(f: &mut Function, pred: Block, edge: usize, counter: Value) {
    let (test, end) = (f.add_block(), f.add_block());
    let at = f.layout.iter().position(|&b| b == pred);
    f.layout
        .insert(at.map_or(f.layout.len(), |at| at + 1), test);
    f.layout.push(end);
    let Some(call) = f.blocks[pred].term.targets_mut().nth(edge) else {
        return;
    };
    let old = std::mem::replace(
        call,
        BlockCall {
            block: test,
            args: Vec::new(),
        },
    );
    let one = constant(f, test, 1);
    let next = f.compute(test, Op::Sub, &[counter, one], 0);
    let mut then = old;
    then.args.push(next);
    f.blocks[test].term = Term::Branch {
        cond: next,
        then,
        otherwise: BlockCall {
            block: end,
            args: Vec::new(),
        },
    };
    let zero = constant(f, end, 0);
    f.blocks[end].term = Term::Finish {
        kind: zero,
        operand: zero,
    };
}
