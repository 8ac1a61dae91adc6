//! Stores late words in wire order where that saves the swap.
//!
//! A late word of 16 or 32 bits that the module only ever compares for equality with swapped words
//! (or constants) is stored swapped, and the other side is compared as it lies.

use nfl_syntax::arena::Id;

use crate::entity::{Inst, LateId, Value};
use crate::func::{Function, Module};
use crate::op::Op;

/// Changes all words of a module for which it pays.
pub(super) fn to_wire(m: &mut Module) {
    for id in m.late.ids() {
        let swap = match m.late[id].width {
            16 => Op::Bswap16,
            32 => Op::Bswap32,
            _ => continue,
        };
        if m.late[id].wire {
            continue;
        }
        let users: Option<Vec<Vec<Comparison>>> = m
            .functions
            .iter()
            .map(|f| comparisons(f, id, swap))
            .collect();
        let Some(users) = users else {
            continue;
        };
        let swaps = users.iter().flatten().any(|c| c.swapped.is_some());
        if !swaps {
            continue;
        }
        m.late[id].wire = true;
        for (f, users) in m.functions.iter_mut().zip(users) {
            for user in users {
                change(f, user, swap);
            }
        }
    }
}

/// A comparison of a late word.
struct Comparison {
    inst: Inst,
    /// Which operand is the other side.
    side: usize,
    /// The word that the other side is the swap of; otherwise it is a constant.
    swapped: Option<Value>,
}

/// All uses of a late word, if each is a comparison that can be swapped.
fn comparisons(f: &Function, id: LateId, swap: Op) -> Option<Vec<Comparison>> {
    let is_late = |v: Value| {
        let def = f.def(v);
        def.is_some_and(|d| d.op == Op::Late && d.imm as usize == id.index())
    };
    let mut found = Vec::new();
    for &b in &f.layout {
        if f.blocks[b].term.uses().any(is_late) {
            return None;
        }
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            let Some(at) = data.args.iter().position(|&v| is_late(v)) else {
                continue;
            };
            if !matches!(data.op, Op::Eq | Op::Ne) {
                return None;
            }
            let side = 1 - at;
            let other = f.def(data.args[side])?;
            let swapped = match other.op {
                Op::Const => None,
                op if op == swap && fits(f, other.args[0], swap) => Some(other.args[0]),
                _ => return None,
            };
            found.push(Comparison {
                inst,
                side,
                swapped,
            });
        }
    }
    Some(found)
}

/// Whether a word is all that the swap looks at.
fn fits(f: &Function, v: Value, swap: Op) -> bool {
    swap == Op::Bswap32 || super::bytes::width(f, v, 4) <= 16
}

fn change(f: &mut Function, user: Comparison, swap: Op) {
    if let Some(v) = user.swapped {
        f.insts[user.inst].args[user.side] = v;
        return;
    }
    let number = f.constant(f.insts[user.inst].args[user.side]).unwrap_or(0);
    // A constant that the word can never be has no swap of its width.
    if swap == Op::Bswap16 && number > 0xffff {
        return;
    }
    let swapped = swap.eval(number, 0).unwrap_or(number);
    let mut constant = f.insts[user.inst].clone();
    constant.op = Op::Const;
    constant.imm = swapped;
    constant.args.clear();
    let home = f
        .layout
        .iter()
        .copied()
        .find(|&b| f.blocks[b].insts.contains(&user.inst));
    let Some(home) = home else {
        return;
    };
    let at = f.blocks[home].insts.iter().position(|&i| i == user.inst);
    let v = f.append(home, constant, 32);
    if let (Some(at), Some(v), Some(new)) = (at, v, f.blocks[home].insts.pop()) {
        f.blocks[home].insts.insert(at, new);
        f.insts[user.inst].args[user.side] = v;
    }
}
