//! Lets local arrays share memory.
//!
//! A key that does not fit into registers lies in memory from its first store to the call that reads it. Two
//! arrays that are each used within one block only, and not at the same time, become one. What lies in such
//! an array where its block begins is read by nobody, since every byte that is read was written before, on
//! every way.

use nfl_syntax::arena::IdMap;

use crate::entity::{Block, Inst, Slot};
use crate::func::{Function, Region};
use crate::op::Op;

/// Where a local array is used: from one instruction of a block to another.
#[derive(Clone, Copy)]
struct Life {
    home: Block,
    from: usize,
    to: usize,
}

/// Shares them.
pub(super) fn share(f: &mut Function) {
    let lives = lives(f);
    let mut shared: IdMap<Slot, Option<Slot>> = IdMap::new();
    // Arrays that stand for others, with the lives of all of them.
    let mut kept: Vec<(Slot, Vec<Life>)> = Vec::new();
    for (slot, life) in lives {
        let data = &f.slots[slot];
        let fits = |&(other, ref there): &(Slot, Vec<Life>)| {
            let other = &f.slots[other];
            let alike =
                other.bytes - u32::from(other.padding) >= data.bytes && other.align >= data.align;
            alike && !there.iter().any(|l| overlap(*l, life))
        };
        match kept.iter().position(fits) {
            Some(at) => {
                shared.set(slot, Some(kept[at].0));
                kept[at].1.push(life);
            }
            None => kept.push((slot, vec![life])),
        }
    }
    for b in f.layout.clone() {
        for inst in f.blocks[b].insts.clone() {
            if let Some(Region::Slot(slot)) = f.insts[inst].region
                && let Some(other) = shared[slot]
            {
                f.insts[inst].region = Some(Region::Slot(other));
            }
        }
    }
}

fn overlap(a: Life, b: Life) -> bool {
    a.home == b.home && a.from <= b.to && b.from <= a.to
}

/// The arrays that are used in one block each, larger ones first.
fn lives(f: &Function) -> Vec<(Slot, Life)> {
    let mut lives: IdMap<Slot, Option<Life>> = IdMap::new();
    let mut scattered: IdMap<Slot, bool> = IdMap::new();
    for &home in &f.layout {
        for (at, &inst) in f.blocks[home].insts.iter().enumerate() {
            for slot in used(f, inst) {
                match &mut lives[slot] {
                    Some(life) if life.home == home => life.to = at,
                    Some(_) => scattered.set(slot, true),
                    none => {
                        *none = Some(Life {
                            home,
                            from: at,
                            to: at,
                        });
                    }
                }
            }
        }
    }
    let slots = f.slots.ids().filter(|&slot| !scattered[slot]);
    let mut found: Vec<(Slot, Life)> = slots.filter_map(|s| Some((s, lives[s]?))).collect();
    found.sort_by_key(|&(slot, _)| std::cmp::Reverse(f.slots[slot].bytes));
    found
}

/// The arrays that an instruction touches or hands to a service.
fn used(f: &Function, inst: Inst) -> Vec<Slot> {
    let slot = |region: Option<Region>| match region {
        Some(Region::Slot(slot)) => Some(slot),
        _ => None,
    };
    let data = &f.insts[inst];
    let places = data.args.iter().filter_map(|&v| f.def(v));
    let places = places.filter(|def| def.op == Op::Address);
    let handed = places.filter_map(|def| slot(def.region));
    slot(data.region).into_iter().chain(handed).collect()
}
