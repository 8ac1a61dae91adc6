//! The optimiser: the same meaning in fewer bytes.
//!
//! In: a module as lowering made it. Out: the same module, smaller. Guaranteed: a run that does not trap
//! gives the same verdict, packet and `carried` bytes; what the verifier could prove before, it can
//! prove afterwards. Every pass is a function of its own and is free to leave dead code to `dce`.

mod adjacent;
mod bits;
mod blocks;
mod bytes;
mod chains;
mod counter;
mod dce;
mod decide;
mod fold;
mod forward;
mod gvn;
mod late;
mod meet;
mod need;
mod ranges;
mod round;
mod slots;
mod ways;

#[cfg(feature = "testing")]
pub(crate) use dce::ONLY_ANSWER;

pub(crate) use bytes::{low_zeros, width};
pub(crate) use round::Store;

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{Function, InstData, Module};
use crate::op::{Effect, Op};
use crate::text;
use crate::verify::flow::Words;
use crate::verify::{claim_widths, proved_widths, structure};

use round::Round;

/// Rounds after which even a module that still changes is left alone.
const ROUNDS_MAX: usize = 16;

/// Runs all passes. Where a proof gets lost on the way, the module stays as it was: a program that is
/// accepted must not be refused for having been improved.
pub fn run(m: &mut Module) {
    run_and_tell(m);
}

/// The same; answers for each function what was found out about it.
pub(crate) fn run_and_tell(m: &mut Module) -> Vec<Store> {
    let before = m.clone();
    let mut stores = improve(m);
    let is_open = |(at, store): (usize, &mut Store)| !need::is_proved(m, at, store);
    if stores.iter_mut().enumerate().any(is_open)
        && let Some(then) = better(m, &mut stores, before)
    {
        *m = then;
        each(m, |f, _| blocks::prune(f));
        stores = finish(m, stores);
    }
    stores
}

/// The module as it was or as cleaning leaves it, where a function of it can be proved that cannot be any more.
fn better(now: &Module, stores: &mut [Store], before: Module) -> Option<Module> {
    let mut is_lost = |then: &Module| {
        stores.iter_mut().enumerate().any(|(at, store)| {
            let was_proved = || need::is_proved(then, at, &mut Store::default());
            !need::is_proved(now, at, store) && was_proved()
        })
    };
    if is_lost(&before) {
        return Some(before);
    }
    let mut cleaned = before;
    clean(&mut cleaned);
    is_lost(&cleaned).then_some(cleaned)
}

/// What needs no proof and makes one easier: what lowering repeats goes.
pub(crate) fn clean(m: &mut Module) {
    each(m, |f, _| blocks::simplify(f));
    each(m, |f, _| fold::fold(f));
    late::to_wire(m);
    each(m, gvn::number_by_widths);
    each(m, dce::sweep);
}

/// Removes assertions, which have been proved, and what only they looked at.
pub(crate) fn drop_assertions(m: &mut Module) {
    each(m, |f, words| {
        let is_assertion = |f: &Function, inst: Inst| f.insts[inst].op.is_assertion();
        let insts = f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
        if !insts.copied().any(|inst| is_assertion(f, inst)) {
            return;
        }
        for b in f.layout.clone() {
            let mut insts = std::mem::take(&mut f.blocks[b].insts);
            insts.retain(|&inst| !is_assertion(f, inst));
            f.blocks[b].insts = insts;
        }
        dce::sweep(f, words);
    });
}

/// All passes until nothing changes. Answers what was found out on the way.
fn improve(m: &mut Module) -> Vec<Store> {
    let mut round = Round::new(m);
    for n in 0..ROUNDS_MAX {
        round.begin(m);
        round.each(m, |f, _| blocks::simplify(f));
        round.each(m, |f, _| fold::fold(f));
        late::to_wire(m);
        if n == 0 {
            // What is known is worth finding out when most of what lowering repeats is gone.
            each(m, gvn::number_by_widths);
        }
        round.look(m);
        round.asking(m, settle_widths);
        round.asking(m, gvn::number);
        round.asking(m, forward::replace_loads);
        round.asking(m, ranges::apply);
        round.each(m, |f, _| blocks::simplify(f));
        round.each(m, dce::sweep);
        if round.is_same(m) {
            // Costly, and of use only where nothing else is.
            round.each(m, |f, _| fold::unswap(f));
            round.all(m, need::drop_early_exits);
            round.asking(m, need::raise);
            round.each(m, |f, _| chains::join(f));
            round.all(m, decide::decide);
            round.each(m, |f, _| meet::join(f));
            round.each(m, |f, _| ways::join(f));
            round.each(m, dce::sweep);
            if round.is_same(m) {
                break;
            }
        }
        debug_assert_eq!(structure::check(m), Ok(()), "{}", text::module(m));
    }
    finish(m, round.into_stores())
}

/// What every module needs at last.
fn finish(m: &mut Module, mut stores: Vec<Store>) -> Vec<Store> {
    for (at, store) in stores.iter_mut().enumerate() {
        one(m, at, |f, words| {
            counter::add(f, words, store);
            bits::drop_unseen(f);
            adjacent::join(f, words, store);
            slots::share(f);
            blocks::simplify(f);
            gvn::number(f, words, store);
            dce::sweep(f, words);
            settle_widths(f, words, store);
        });
    }
    debug_assert_eq!(structure::check(m), Ok(()));
    stores
}

fn each(m: &mut Module, pass: impl Fn(&mut Function, Words)) {
    for at in 0..m.functions.len() {
        one(m, at, &pass);
    }
}

/// A pass over one of the functions.
fn one(m: &mut Module, at: usize, pass: impl FnOnce(&mut Function, Words)) {
    let words = Words {
        late: &m.late,
        params: &m.params,
        imports: &m.imports,
        resources: &m.resources,
    };
    pass(&mut m.functions[at], words);
}

/// Claims of each word the width that is known of it.
fn settle_widths(f: &mut Function, words: Words, store: &mut Store) {
    let widths = store.ask(f, words, proved_widths);
    claim_widths(f, &widths);
}

/// Whether a block is entered from one place, takes no words and writes nothing.
fn is_quiet(f: &Function, cfg: &Cfg, b: Block) -> bool {
    let block = &f.blocks[b];
    let quiet = |data: &InstData| matches!(data.op.spec().effect, Effect::Pure | Effect::Read);
    cfg.preds(b).len() == 1
        && block.params.is_empty()
        && block.insts.iter().all(|&i| quiet(&f.insts[i]))
}

/// At the end of a block the condition that a word, which is `max` at most, lies between two numbers, both included.
fn within(f: &mut Function, b: Block, x: Value, (lo, hi): (u32, u32), max: u32) -> Value {
    let mut with = |op: Op, x: Value, number: u32| {
        let number = f.compute(b, Op::Const, &[], number);
        f.compute(b, op, &[x, number], 0)
    };
    if lo == hi {
        with(Op::Eq, x, lo)
    } else if hi == max {
        with(Op::Geu, x, lo)
    } else if lo == 0 {
        with(Op::Ltu, x, hi + 1)
    } else {
        let above = with(Op::Sub, x, lo);
        with(Op::Ltu, above, hi - lo + 1)
    }
}

/// Which of a block's words are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Its parameters.
    Params,
    /// What its instructions make.
    Results,
    /// Both.
    All,
}

/// Of these blocks, those whose words another of them uses.
fn lenders(f: &Function, blocks: &[Block], made: Made) -> IdMap<Block, bool> {
    let mut home: IdMap<Value, Option<Block>> = IdMap::sized(f.values.len());
    for &b in blocks {
        if made != Made::Results {
            for &v in &f.blocks[b].params {
                home.set(v, Some(b));
            }
        }
        if made != Made::Params {
            for v in f.blocks[b].insts.iter().filter_map(|&i| f.insts[i].result) {
                home.set(v, Some(b));
            }
        }
    }
    let mut lends = IdMap::sized(f.blocks.len());
    for &b in blocks {
        let args = f.blocks[b].insts.iter().flat_map(|&i| &f.insts[i].args);
        for v in args.copied().chain(f.blocks[b].term.uses()) {
            if let Some(home) = home[v].filter(|&home| home != b) {
                lends.set(home, true);
            }
        }
    }
    lends
}
