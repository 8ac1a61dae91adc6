//! Tests of numbers that are needed in another form afterwards.
//!
//! In: a handler. Out: the same handler, where a test stands behind what is made of its number anyhow, and tests that: `x - 1 < 1`
//! over signed numbers for `x < 2`, and `x << k < c << k` for `x < c`, where another test has that constant already.
//! Guaranteed: it computes the same; only numbers are tested this way that stay below 2^31.
//!
//! Every hop does the first with the packet's hop limit, and every reader of an IPv4 header the second with its length. The
//! test then needs no constant of its own, and the number is there anyhow.

use std::collections::BTreeSet;

use nfl_ir::cfg::Cfg;
use nfl_ir::func::Function;
use nfl_ir::{Block, Inst, InstData, Op, Term, Value};

/// Brings tests into the form that needs the fewest constants.
pub(crate) fn reform(f: &mut Function) {
    let bounds = bounds(f);
    for b in f.layout.clone() {
        let Term::Branch { cond, .. } = f.blocks[b].term else {
            continue;
        };
        let Some(new) = decremented(f, b, cond).or_else(|| scaled(f, b, cond, &bounds)) else {
            continue;
        };
        if new.from != b {
            f.blocks[new.from].insts.retain(|&other| other != new.inst);
            f.blocks[b].insts.push(new.inst);
        }
        let bound = f.compute(b, Op::Const, &[], new.bound);
        let tested = f.compute(b, new.op, &[new.value, bound], 0);
        if let Term::Branch { cond, .. } = &mut f.blocks[b].term {
            *cond = tested;
        }
    }
}

/// A test in another form: of the result of an instruction, which stands in some block.
struct Form {
    from: Block,
    inst: Inst,
    value: Value,
    op: Op,
    bound: u32,
}

/// A number compared with a constant: whether it is below, or is not.
fn bounded(f: &Function, cond: Value) -> Option<(Value, bool, u32)> {
    let inst = f.def(cond)?;
    let (&a, &b) = (inst.args.first()?, inst.args.get(1)?);
    match (inst.op, f.constant(a), f.constant(b)) {
        (Op::Ltu, None, Some(c)) => Some((a, true, c)),
        (Op::Geu, None, Some(c)) => Some((a, false, c)),
        (Op::Geu, Some(c), None) => Some((b, true, c.checked_add(1)?)),
        (Op::Ltu, Some(c), None) => Some((b, false, c.checked_add(1)?)),
        _ => None,
    }
}

/// `x < 2` where one side needs `x - 1`.
fn decremented(f: &Function, b: Block, cond: Value) -> Option<Form> {
    let (x, below, bound) = bounded(f, cond)?;
    if bound != 2 || f.values[x].width >= 32 {
        return None;
    }
    let (from, inst, value) = find(f, b, |inst| {
        let by = match inst.op {
            Op::Sub => 1,
            Op::Add => u32::MAX,
            _ => return false,
        };
        let (a, b) = (inst.args.first(), inst.args.get(1));
        a == Some(&x) && b.and_then(|&b| f.constant(b)) == Some(by)
    })?;
    let op = if below { Op::Lt } else { Op::Ge };
    (from != b).then_some(Form {
        from,
        inst,
        value,
        op,
        bound: 1,
    })
}

/// `x < c` where `x << k` is needed anyhow, and some test has `c << k`.
fn scaled(f: &Function, b: Block, cond: Value, bounds: &BTreeSet<u32>) -> Option<Form> {
    let (x, below, bound) = bounded(f, cond)?;
    let amount = |inst: &InstData| {
        let is_shift = inst.op == Op::Shl && inst.args.first() == Some(&x);
        let amount = inst.args.get(1).filter(|_| is_shift)?;
        f.constant(*amount)
            .filter(|&k| u32::from(f.values[x].width) + k < 32)
    };
    let (from, inst, value) = find(f, b, |inst| amount(inst).is_some())?;
    let bound = u64::from(bound) << amount(&f.insts[inst])?;
    let bound = u32::try_from(bound).ok().filter(|c| bounds.contains(c))?;
    let op = if below { Op::Ltu } else { Op::Geu };
    Some(Form {
        from,
        inst,
        value,
        op,
        bound,
    })
}

/// The constants that numbers are compared with.
fn bounds(f: &Function) -> BTreeSet<u32> {
    let mut bounds = BTreeSet::new();
    for &b in &f.layout {
        if let Term::Branch { cond, .. } = f.blocks[b].term
            && let Some((_, _, bound)) = bounded(f, cond)
        {
            bounds.insert(bound);
        }
    }
    bounds
}

/// An instruction with a result in this block or in one that it dominates.
fn find(
    f: &Function,
    b: Block,
    is_wanted: impl Fn(&InstData) -> bool,
) -> Option<(Block, Inst, Value)> {
    let blocks = f.layout.iter().copied();
    let insts = blocks.flat_map(|from| f.blocks[from].insts.iter().map(move |&i| (from, i)));
    let mut wanted = insts
        .filter(|&(_, i)| is_wanted(&f.insts[i]))
        .filter_map(|(from, i)| Some((from, i, f.insts[i].result?)))
        .peekable();
    // Dominators are looked for where they matter.
    wanted.peek()?;
    let cfg = Cfg::new(f);
    wanted.find(|&(from, ..)| cfg.dominates(b, from))
}
