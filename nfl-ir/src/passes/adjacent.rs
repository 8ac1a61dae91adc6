//! Makes one change of a word from the changes of two of its parts.
//!
//! A byte or half-word that goes up or down by a constant without a carry changes the word around it by that
//! amount, shifted; a checksum in the upper half of the word that moves by a constant changes it by another,
//! and by one more where it runs over. So a hop limit and the checksum behind it are one load, one sum and one
//! store. What lies between the two is written as it was.
//!
//! Runs when folding is done: the constant that is taken off is the one that the word is compared with.

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{Function, InstData, Origin, Region};
use crate::op::{Effect, Op};
use crate::passes::gvn::Memory;
use crate::passes::round::Store;
use crate::verify::flow::Words;

/// Where each load was made, and in which epoch of its place.
type Loaded = IdMap<Inst, Option<(u32, Block)>>;

/// Joins all such changes.
pub(super) fn join(f: &mut Function, words: Words, store: &mut Store) {
    let cfg = Cfg::new(f);
    let memory = Memory::new(f, &cfg, words, store);
    let mut loaded = Loaded::new();
    for &b in &cfg.order {
        let mut epochs = memory.at_entry[b].clone();
        // Bytes that change by a constant, and nothing near was looked at since.
        let mut parts: Vec<(Inst, u32)> = Vec::new();
        for inst in f.blocks[b].insts.clone() {
            let data = &f.insts[inst];
            if let (Some(place), true) = (memory.place_of[inst], data.op.has_result()) {
                loaded.set(inst, Some((epochs[place], b)));
            }
            let is_store = data.op.spec().effect == Effect::Write;
            let unchanged = |load: Inst| {
                let at = memory.place_of[load].zip(loaded[load]);
                at.is_some_and(|(place, (epoch, home))| {
                    epochs[place] == epoch && cfg.dominates(home, b)
                })
            };
            let sum = is_store.then(|| checksum(f, inst, &unchanged)).flatten();
            if let Some(step) = sum
                && let Some(at) = parts.iter().position(|&(part, _)| is_below(f, part, inst))
            {
                let (part, amount) = parts.remove(at);
                become_one(f, b, (part, inst), amount, step);
            } else {
                let near = |part: Inst| near(&f.insts[part], data);
                parts.retain(|&(part, _)| !near(part));
                if let Some(amount) = is_store.then(|| change(f, inst, &unchanged)).flatten() {
                    parts.push((inst, amount));
                }
            }
            memory.store(inst, &mut epochs);
        }
    }
}

/// Whether an instruction may look at a byte that changes, or may move it.
fn near(part: &InstData, other: &InstData) -> bool {
    match other.op.spec().effect {
        Effect::Call => true,
        _ if other.region != Some(Region::Packet) => false,
        _ if other.index() != part.index() => true,
        _ => part.imm.wrapping_sub(other.imm) < u32::from(other.op.spec().bytes),
    }
}

/// A load of this place.
fn load_of(f: &Function, v: Value, op: Op, store: &InstData) -> Option<Inst> {
    let Origin::Inst(load) = f.values[v].origin else {
        return None;
    };
    let old = &f.insts[load];
    let same = old.op == op
        && old.region == Some(Region::Packet)
        && store.region == old.region
        && old.imm == store.imm
        && old.index() == store.index();
    same.then_some(load)
}

fn sum(f: &Function, v: Value) -> Option<[Value; 2]> {
    let sum = f.def(v).filter(|d| d.op == Op::Add)?;
    sum.args.as_slice().try_into().ok()
}

/// By how much the byte at this place changes, where it does not run over.
fn change(f: &Function, inst: Inst, unchanged: &impl Fn(Inst) -> bool) -> Option<u32> {
    let store = &f.insts[inst];
    let stored = *store.args.first()?;
    if store.op != Op::Store8 || f.values[stored].width > 8 {
        return None;
    }
    let [old, amount] = sum(f, stored)?;
    load_of(f, old, Op::Load8, store).filter(|&load| unchanged(load))?;
    f.constant(amount)
}

/// By how much the checksum at this place changes: a constant below 0xffff, and one more where it reaches 0xffff.
fn checksum(f: &Function, inst: Inst, unchanged: &impl Fn(Inst) -> bool) -> Option<u32> {
    let store = &f.insts[inst];
    if store.op != Op::Store16 {
        return None;
    }
    let [x, y] = sum(f, *store.args.first()?)?;
    [(x, y), (y, x)].into_iter().find_map(|(moved, carry)| {
        let [old, step] = sum(f, moved)?;
        let step = f.constant(step).filter(|&step| step < 0xffff)?;
        load_of(f, old, Op::Load16, store).filter(|&load| unchanged(load))?;
        let shift = f.def(carry).filter(|d| matches!(d.op, Op::Shr | Op::Sar))?;
        let [same, more] = sum(f, shift.args[0])?;
        let carries = f.constant(shift.args[1]) == Some(16)
            && same == old
            && f.constant(more) == Some(step + 1);
        carries.then_some(step)
    })
}

/// Whether a byte is one of the two below a half-word.
fn is_below(f: &Function, part: Inst, half: Inst) -> bool {
    let (part, half) = (&f.insts[part], &f.insts[half]);
    part.index() == half.index() && matches!(half.imm.wrapping_sub(part.imm), 1 | 2)
}

/// The word with the byte and the half-word: less what it must lack for the checksum to run over, and less one
/// in the half-word where it does lack that.
fn become_one(f: &mut Function, b: Block, (part, half): (Inst, Inst), amount: u32, step: u32) {
    let (store, byte) = (f.insts[half].clone(), f.insts[part].imm);
    let at = store.imm.wrapping_sub(2);
    let index: Vec<Value> = store.index().into_iter().collect();
    let tail = f.blocks[b].insts.iter().position(|&i| i == half);
    let tail = tail.map_or_else(Vec::new, |at| f.blocks[b].insts.split_off(at));
    f.blocks[b].insts.retain(|&i| i != part);
    let mut emit = |op: Op, args: &[Value], imm: u32, region: Option<Region>| {
        let data = InstData {
            op,
            args: args.to_vec(),
            imm,
            region,
            result: None,
            span: store.span,
        };
        f.append(b, data, op.natural_width())
            .expect("loads and sums have results")
    };
    let word = emit(Op::Load32, &index, at, Some(Region::Packet));
    let limit = emit(Op::Const, &[], (0xffff - step) << 16, None);
    let lacks = emit(Op::Ltu, &[word, limit], 0, None);
    let sixteen = emit(Op::Const, &[], 16, None);
    let less = emit(Op::Shl, &[lacks, sixteen], 0, None);
    let over = emit(Op::Sub, &[word, limit], 0, None);
    let moved = emit(Op::Sub, &[over, less], 0, None);
    let amount = amount << (8 * byte.wrapping_sub(at));
    let amount = emit(Op::Const, &[], amount, None);
    let new = emit(Op::Add, &[moved, amount], 0, None);
    let data = &mut f.insts[half];
    data.op = Op::Store32;
    data.imm = at;
    data.args[0] = new;
    f.blocks[b].insts.extend(tail);
}
