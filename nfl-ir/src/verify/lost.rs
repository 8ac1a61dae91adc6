//! Where enough was known, and was lost.
//!
//! In: an obligation that is not met. Out: the branch behind which it would be, on one of its ways only. The
//! idea: blocks where ways meet, the nearest first, are entered by each way alone, with what is known of
//! that way and of the tests behind the block.

use std::borrow::Cow;

use nfl_syntax::Span;

use crate::entity::{Block, Inst};
use crate::func::{Module, Term};
use crate::verify::facts::Facts;
use crate::verify::flow::Analysis;
use crate::verify::judge::holds;
use crate::verify::loop_span;
use crate::verify::obligation::Obligation;

/// The place at which enough was known on one way only, and what to say there.
pub(super) fn branch(
    m: &Module,
    a: &Analysis,
    b: Block,
    inst: Inst,
    what: Obligation,
) -> Option<(Span, String)> {
    let mut chain = vec![b];
    // What is complained about shows its own branches.
    let own = a.f.insts[inst].span;
    let is_own = |at: Span| {
        own.is_some_and(|own| own.file == at.file && own.start <= at.start && at.end <= own.end)
    };
    loop {
        let here = *chain.last()?;
        if let Some(found) = at_join(m, a, &chain, inst, what) {
            return Some(found).filter(|(at, _)| !is_own(*at));
        }
        chain.push(a.cfg.idom(here)?);
    }
}

/// The same for the last block of a chain of dominators that begins where the obligation is.
fn at_join(
    m: &Module,
    a: &Analysis,
    chain: &[Block],
    inst: Inst,
    what: Obligation,
) -> Option<(Span, String)> {
    let (&b, &join) = (chain.first()?, chain.last()?);
    if a.at(b)?.generation != a.at(join)?.generation {
        return None;
    }
    let ways = a.cfg.preds(join).iter().copied();
    let ways = ways.filter(|&(pred, _)| !a.cfg.is_back_edge(pred, join));
    let ways: Vec<(Block, usize)> = ways.collect();
    let is_loop = a.cfg.loop_at(join);
    if ways.len() < 2 && is_loop.is_none() {
        return None;
    }
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for way in ways {
        match facts_along(a, chain, way, inst) {
            Some(facts) if holds(m, a, &facts, what) => good.push(way),
            // The obligation is not reached on this way.
            None => {}
            Some(_) => bad.push(way),
        }
    }
    if let (Some(l), true, true) = (is_loop, bad.is_empty(), !good.is_empty()) {
        let span = loop_span(a.f, &a.cfg.loops[l])?;
        return Some((span, "known in the first round only".to_string()));
    }
    if good.is_empty() || bad.is_empty() {
        return None;
    }
    let from = a.cfg.idom(join)?;
    let Term::Branch {
        cond,
        then,
        otherwise,
    } = &a.f.blocks[from].term
    else {
        return None;
    };
    let span = a.f.def(*cond).and_then(|d| d.span);
    let span = span.or(a.f.blocks[from].span)?;
    let through = |to: Block, edge: usize| {
        move |&(pred, at): &(Block, usize)| {
            (pred == from && at == edge) || (to != join && a.cfg.dominates(to, pred))
        }
    };
    let (yes, no) = (through(then.block, 0), through(otherwise.block, 1));
    let text = if good.iter().all(&yes) && bad.iter().all(&no) {
        "known only where this is true"
    } else if good.iter().all(&no) && bad.iter().all(&yes) {
        "known only where this is false"
    } else {
        "known on some of the ways from here only"
    };
    Some((span, text.to_string()))
}

/// What is known before an instruction for those who came to the last block of a chain on one way.
fn facts_along(
    a: &Analysis,
    chain: &[Block],
    (pred, edge): (Block, usize),
    inst: Inst,
) -> Option<Facts> {
    let join = *chain.last()?;
    let mut facts = a.edge(pred, edge)?;
    facts.generation = a.at(join)?.generation;
    let known = a.known();
    let params = a.f.blocks[join].params.iter().zip(a.args(pred, edge));
    let words: Vec<_> = params
        .map(|(&param, &arg)| (param, known.range(&facts, arg), known.slack(&facts, arg)))
        .collect();
    for (param, range, slack) in words {
        facts.ranges.insert(param, range);
        if let Ok(slack) = u32::try_from(slack) {
            facts.slack.insert(param, slack);
        }
    }
    let mut facts: Cow<Facts> = Cow::Owned(facts);
    for (at, &b) in chain.iter().enumerate().rev() {
        if b != join
            && let [(pred, edge)] = *a.cfg.preds(b)
            && let Term::Branch { cond, .. } = a.f.blocks[pred].term
            && !a.known().assume(facts.to_mut(), cond, edge == 0)
        {
            return None;
        }
        for &here in &a.f.blocks[b].insts {
            if at == 0 && here == inst {
                break;
            }
            a.pass(&mut facts, here);
        }
    }
    Some(facts.into_owned())
}
