//! Loads of words of which a part was changed by a known amount.
//!
//! A byte that goes up or down by some amount changes the half-word around it by that amount, shifted.
//! When the half-word was loaded before the store, it need not be loaded again, and a checksum that
//! takes one and gives the other keeps the amount alone: a constant for the lifetime field of every
//! router.

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{Function, InstData, Origin, Region, ValueData};
use crate::op::Op;
use crate::passes::gvn::Memory;
use crate::passes::round::Store;
use crate::verify::flow::Words;

/// Replaces those loads.
pub(super) fn replace_loads(f: &mut Function, words: Words, store: &mut Store) {
    if !stores_parts(f) {
        return;
    }
    let cfg = Cfg::new(f);
    let memory = Memory::new(f, &cfg, words, store);
    let sums = checksum_words(f);
    let mut loaded_at: IdMap<Inst, Option<(u32, Block)>> = IdMap::new();
    for &b in &cfg.order {
        let mut epochs = memory.at_entry[b].clone();
        let mut out: Vec<Inst> = Vec::new();
        // Loads of this block that stand for what lies there, as it is or less or more.
        let mut loads: Vec<(Inst, Option<Change>)> = Vec::new();

        for inst in std::mem::take(&mut f.blocks[b].insts) {
            let data = f.insts[inst].clone();
            if words.resizes(&data) {
                memory.store(inst, &mut epochs);
                loads.retain(|&(load, _)| f.insts[load].region != Some(Region::Packet));
            }
            let place = memory.place_of[inst].filter(|_| data.region.is_some());
            let Some(place) = place else {
                out.push(inst);
                continue;
            };
            if data.op.has_result() {
                loaded_at.set(inst, Some((epochs[place], b)));
                let known = loads.iter().find(|&&(l, _)| same_place(&f.insts[l], &data));
                match known {
                    Some(&(old, Some(change))) if change.pays(&sums, f, old, inst) => {
                        become_sum(f, &mut out, inst, old, change);
                    }
                    _ => loads.push((inst, None)),
                }
            } else {
                let unchanged = |load: Inst| {
                    let (Some(place), Some((epoch, home))) =
                        (memory.place_of[load], loaded_at[load])
                    else {
                        return false;
                    };
                    epochs[place] == epoch && cfg.dominates(home, b)
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

/// Whether some store writes less than some load reads.
fn stores_parts(f: &Function) -> bool {
    let insts = f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
    let insts = insts.map(|&inst| &f.insts[inst]);
    let accesses = insts.filter(|data| data.op.spec().bytes > 0 && data.op != Op::Call);
    let (mut least, mut most) = (u8::MAX, 0);
    for data in accesses {
        match data.op.has_result() {
            true => most = most.max(data.op.spec().bytes),
            false => least = least.min(data.op.spec().bytes),
        }
    }
    least < most
}

/// By how much a store changes what lies there.
#[derive(Clone, Copy)]
enum Amount {
    /// By a constant.
    Constant(u32),
    /// By the first less the second.
    Difference(Value, Value),
}

/// What a store to a part does to the whole.
#[derive(Clone, Copy)]
struct Change {
    amount: Amount,
    shift: u32,
}

impl Change {
    /// A difference is worth it only where it is all that remains of two words of a checksum.
    fn pays(self, sums: &IdMap<Value, bool>, f: &Function, old: Inst, new: Inst) -> bool {
        let summed = |inst: Inst| f.insts[inst].result.is_some_and(|v| sums[v]);
        matches!(self.amount, Amount::Constant(_)) || summed(old) && summed(new)
    }
}

/// Words whose only use is in a difference.
fn checksum_words(f: &Function) -> IdMap<Value, bool> {
    let mut uses: IdMap<Value, u32> = IdMap::new();
    let mut sums: IdMap<Value, bool> = IdMap::new();
    for &b in &f.layout {
        for v in f.blocks[b].term.uses() {
            uses[v] += 1;
        }
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            for &v in &data.args {
                uses[v] += 1;
                sums[v] |= data.op == Op::Sub;
            }
        }
    }
    for v in f.values.ids() {
        if uses[v] != 1 && sums[v] {
            sums.set(v, false);
        }
    }
    sums
}

fn same_place(a: &InstData, b: &InstData) -> bool {
    a.op == b.op && a.region == b.region && a.imm == b.imm && a.args == b.args
}

/// What loads stand for after a store: those it touches for nothing, or for so much less or more.
fn after_store(
    f: &Function,
    store: &InstData,
    amount: Option<Amount>,
    loads: &[(Inst, Option<Change>)],
) -> Vec<(Inst, Option<Change>)> {
    let (index, at) = (store.args.get(1), store.imm);
    let bytes = u32::from(store.op.spec().bytes);
    let after = |&(load, changed): &(Inst, Option<Change>)| {
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
        let shift = 8 * behind;
        Some((load, Some(Change { amount, shift })))
    };
    loads.iter().filter_map(after).collect()
}

/// By how much a store changes what lies there: what it stores is the sum of that and a constant, and
/// fits without a carry.
fn amount_of(f: &Function, store: &InstData, unchanged: impl Fn(Inst) -> bool) -> Option<Amount> {
    let stored = store.args[0];
    if f.values[stored].width > 8 * store.op.spec().bytes {
        return None;
    }
    let wanted = match store.op {
        Op::Store8 => Op::Load8,
        Op::Store16 => Op::Load16,
        _ => return None,
    };
    let is_old = |v: Value| {
        let Origin::Inst(load) = f.values[v].origin else {
            return false;
        };
        let old = &f.insts[load];
        old.op == wanted
            && old.region == store.region
            && old.imm == store.imm
            && old.args.first() == store.args.get(1)
            && unchanged(load)
    };
    let sum = f.def(stored).filter(|d| d.op == Op::Add);
    if let Some(&[old, amount]) = sum.map(|d| d.args.as_slice())
        && let Some(amount) = f.constant(amount)
        && is_old(old)
    {
        return Some(Amount::Constant(amount));
    }
    let old = f.values.ids().find(|&v| is_old(v))?;
    Some(Amount::Difference(stored, old))
}

/// The load becomes the old word plus the amount.
fn become_sum(f: &mut Function, out: &mut Vec<Inst>, inst: Inst, old: Inst, change: Change) {
    let Some(word) = f.insts[old].result else {
        return;
    };
    let span = f.insts[inst].span;
    let mut emit = |op: Op, args: Vec<Value>, imm: u32| {
        let id = f.insts.next_id();
        let v = f.values.push(ValueData {
            origin: Origin::Inst(id),
            width: 32,
        });
        f.insts.push(InstData {
            op,
            args,
            imm,
            region: None,
            result: Some(v),
            span,
        });
        out.push(id);
        v
    };
    let amount = match change.amount {
        Amount::Constant(number) => emit(Op::Const, Vec::new(), number << change.shift),
        Amount::Difference(new, old) => {
            let difference = emit(Op::Sub, vec![new, old], 0);
            let shift = emit(Op::Const, Vec::new(), change.shift);
            emit(Op::Shl, vec![difference, shift], 0)
        }
    };
    let data = &mut f.insts[inst];
    data.op = Op::Add;
    data.args = vec![word, amount];
    data.imm = 0;
    data.region = None;
    if let Some(v) = data.result {
        f.values[v].width = 32;
    }
}
