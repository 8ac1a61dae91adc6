//! Loads of words of which a part was changed by a known amount.
//!
//! A byte that goes up or down by a constant changes the half-word around it by that constant, shifted.
//! When the half-word was loaded before the store, it need not be loaded again, and a checksum that
//! takes one and gives the other becomes a constant (the lifetime field of every router).

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Inst, Value};
use crate::func::{Function, InstData, Origin, ValueData};
use crate::op::Op;
use crate::passes::gvn::Memory;

/// Replaces those loads.
pub(super) fn replace_loads(f: &mut Function) {
    let cfg = Cfg::new(f);
    let memory = Memory::new(f, &cfg);
    let mut loaded_at: IdMap<Inst, u32> = IdMap::new();
    for &b in &cfg.order {
        let mut epochs = memory.at_entry[b].clone();
        let mut out: Vec<Inst> = Vec::new();
        // Loads of this block that stand for what lies there, as it is or less or more.
        let mut loads: Vec<(Inst, Option<u32>)> = Vec::new();
        for inst in std::mem::take(&mut f.blocks[b].insts) {
            let data = f.insts[inst].clone();
            let Some(place) = memory.place_of[inst] else {
                out.push(inst);
                continue;
            };
            if data.op.has_result() {
                loaded_at.set(inst, epochs[place]);
                let known = loads.iter().find(|&&(l, _)| same_place(&f.insts[l], &data));
                match known {
                    Some(&(old, Some(amount))) => become_sum(f, &mut out, inst, old, amount),
                    _ => loads.push((inst, None)),
                }
            } else {
                let unchanged = |load: Inst| {
                    let place = memory.place_of[load];
                    place.is_some_and(|place| epochs[place] == loaded_at[load])
                };
                let amount = amount_of(f, &data, unchanged);
                loads = after_store(f, &data, amount, &loads);
                memory.store(inst, &mut epochs);
            }
            out.push(inst);
        }
        f.blocks[b].insts = out;
    }
}

fn same_place(a: &InstData, b: &InstData) -> bool {
    a.op == b.op && a.region == b.region && a.imm == b.imm && a.args == b.args
}

/// What loads stand for after a store: those it touches for nothing, or for so much less or more.
fn after_store(
    f: &Function,
    store: &InstData,
    amount: Option<u32>,
    loads: &[(Inst, Option<u32>)],
) -> Vec<(Inst, Option<u32>)> {
    let (index, at) = (store.args.get(1), store.imm);
    let bytes = u32::from(store.op.spec().bytes);
    let after = |&(load, changed): &(Inst, Option<u32>)| {
        let there = &f.insts[load];
        if there.region != store.region {
            return Some((load, changed));
        }
        let same_base = there.args.first() == index;
        let width = u32::from(there.op.spec().bytes);
        let behind = at.wrapping_sub(there.imm);
        if same_base && behind >= width && there.imm.wrapping_sub(at) >= bytes {
            return Some((load, changed));
        }
        let inside = same_base && behind < width && behind + bytes <= width && bytes < width;
        let amount = amount.filter(|_| inside && changed.is_none())?;
        Some((load, Some(amount << (8 * behind))))
    };
    loads.iter().filter_map(after).collect()
}

/// By how much a store changes what lies there: what it stores is the sum of that and a constant, and
/// fits without a carry.
fn amount_of(f: &Function, store: &InstData, unchanged: impl Fn(Inst) -> bool) -> Option<u32> {
    let stored = store.args[0];
    let sum = f.def(stored).filter(|d| d.op == Op::Add)?;
    let amount = f.constant(sum.args[1])?;
    if f.values[stored].width > 8 * store.op.spec().bytes {
        return None;
    }
    let Origin::Inst(load) = f.values[sum.args[0]].origin else {
        return None;
    };
    let old = &f.insts[load];
    let wanted = match store.op {
        Op::Store8 => Op::Load8,
        Op::Store16 => Op::Load16,
        _ => return None,
    };
    let is_it = old.op == wanted
        && old.region == store.region
        && old.imm == store.imm
        && old.args.first() == store.args.get(1);
    (is_it && unchanged(load)).then_some(amount)
}

/// The load becomes the old word plus the amount.
fn become_sum(f: &mut Function, out: &mut Vec<Inst>, inst: Inst, old: Inst, amount: u32) {
    let Some(word) = f.insts[old].result else {
        return;
    };
    let number: Value = {
        let id = f.insts.next_id();
        let v = f.values.push(ValueData {
            origin: Origin::Inst(id),
            width: 32,
        });
        f.insts.push(InstData {
            op: Op::Const,
            args: Vec::new(),
            imm: amount,
            region: None,
            result: Some(v),
            span: f.insts[inst].span,
        });
        out.push(id);
        v
    };
    let data = &mut f.insts[inst];
    data.op = Op::Add;
    data.args = vec![word, number];
    data.imm = 0;
    data.region = None;
    if let Some(v) = data.result {
        f.values[v].width = 32;
    }
}
