//! Makes equal words the same word.
//!
//! An operation on the same words that a dominating block has already made is not made again. Loads count
//! as equal when no store that may touch their bytes lies between, on any path; a load behind a store of the
//! same bytes is the stored word. A service that moves the packet touches all of it, and its length. Values
//! that lookups found do not change during a run, and a hash of the same words is the same.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use nfl_abi::host::Arg;
use nfl_abi::map::context::NETWORK_OFFSET;
use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{Function, InstData, Region};
use crate::op::{Effect, Op};
use crate::passes::round::Store;
use crate::verify::flow::Words;
use crate::verify::range::Range;

/// What makes two words equal: operation, the first operands, all others, immediate, region, epoch of the memory.
type Key = (Op, [Option<Value>; 2], Vec<Value>, u32, Option<Region>, u32);

/// A place in memory: region, variable part, constant part, bytes.
type Place = (Region, Option<Value>, u32, u8);

/// Stands for what the node tells of the packet as a whole: no store touches it.
const GEOMETRY: Place = (Region::Packet, None, u32::MAX, 0);

/// Stands for all bytes of the packet, of which a flow is made.
const WHOLE: Place = (Region::Packet, None, u32::MAX - 1, 0);

/// Numbers all words.
pub(super) fn number(f: &mut Function, words: Words, store: &mut Store) {
    let cfg = Cfg::new(f);
    let memory = Memory::new(f, &cfg, words, store);
    number_with(f, words, &cfg, &memory);
}

/// Numbers all words, with no more known of where accesses are than widths say.
pub(super) fn number_by_widths(f: &mut Function, words: Words) {
    let cfg = Cfg::new(f);
    let memory = Memory::with(f, &cfg, words, |v| Range::of_width(f.values[v].width));
    number_with(f, words, &cfg, &memory);
}

fn number_with(f: &mut Function, words: Words, cfg: &Cfg, memory: &Memory) {
    let mut same: IdMap<Value, Option<Value>> = IdMap::new();
    let mut made = Made::default();
    for &b in &cfg.order {
        let mut epochs = memory.at_entry[b].clone();
        for inst in f.blocks[b].insts.clone() {
            for arg in &mut f.insts[inst].args {
                *arg = same[*arg].unwrap_or(*arg);
            }
            let data = &f.insts[inst];
            memory.store(inst, &mut epochs);
            if data.op.spec().effect == Effect::Write {
                if let Some((key, v)) = stored(f, memory, inst, &epochs) {
                    made.note(key, b, v);
                }
                continue;
            }
            let Some(v) = data.result.filter(|_| may_repeat(data, words)) else {
                continue;
            };
            let epoch = memory.place_of[inst].map_or(0, |place| epochs[place]);
            let key = key_of(data, epoch);
            match made.find(cfg, b, &key) {
                Some(first) => same.set(v, Some(first)),
                None => made.note(key, b, v),
            }
        }
    }
    f.rename_uses(|v| same[v].unwrap_or(v));
}

/// Whether two of these with equal operands give the same word.
fn may_repeat(data: &InstData, words: Words) -> bool {
    words.call(data).is_none_or(|call| {
        // Bytes behind an address may be others by then.
        let by_words = call.args().iter().all(|a| !matches!(a, Arg::Address(_)));
        let hashes = matches!(
            call.service.name,
            "hash.crc32c" | "hash.siphash" | "flow.reverse" | "flow.hash" | "packet.flow"
        );
        hashes && by_words && !call.by_address()
    })
}

fn key_of(data: &InstData, epoch: u32) -> Key {
    let mut key = key(data.op, &data.args, data.imm, data.region, epoch);
    if data.op.commutes() {
        key.1.sort_unstable();
    }
    key
}

fn key(op: Op, args: &[Value], imm: u32, region: Option<Region>, epoch: u32) -> Key {
    let first = [args.first().copied(), args.get(1).copied()];
    let others = args.get(2..).unwrap_or_default().to_vec();
    (op, first, others, imm, region, epoch)
}

/// The words that blocks made, in the order of the blocks.
#[derive(Default)]
struct Made {
    /// The place of the last of those that are made so.
    last: BTreeMap<Key, usize>,
    /// Each with its block, and the place of the one before that is made so.
    words: Vec<(Value, Block, Option<usize>)>,
}

impl Made {
    fn note(&mut self, key: Key, b: Block, v: Value) {
        let before = self.last.insert(key, self.words.len());
        self.words.push((v, b, before));
    }

    /// The word that is made so in the nearest block on every way to this one.
    fn find(&self, cfg: &Cfg, b: Block, key: &Key) -> Option<Value> {
        let mut at = self.last.get(key).copied();
        while let Some((v, home, before)) = at.map(|at| self.words[at]) {
            // Of two that dominate a block the nearer one comes later in the order.
            if cfg.dominates(home, b) {
                return Some(v);
            }
            at = before;
        }
        None
    }
}

/// The load that would answer with what was just stored.
fn stored(f: &Function, memory: &Memory, inst: Inst, epochs: &[u32]) -> Option<(Key, Value)> {
    let data = &f.insts[inst];
    let v = data.args[0];
    let (load, bits) = match data.op {
        Op::Store8 => (Op::Load8, 8),
        Op::Store16 => (Op::Load16, 16),
        _ => (Op::Load32, 32),
    };
    // A wider word was cut by the store.
    if f.values[v].width > bits {
        return None;
    }
    let place = memory.place_of[inst]?;
    let key = key(load, &data.args[1..], data.imm, data.region, epochs[place]);
    Some((key, v))
}

/// Which epoch each place of a function's memory is in. A store that may touch a place starts a new one.
pub(super) struct Memory {
    places: Vec<Place>,
    /// Where the bytes of each place may lie: from, and up to.
    spans: Vec<(i64, i64)>,
    /// The place of each load and store.
    pub(super) place_of: IdMap<Inst, Option<usize>>,
    /// For each block the epochs of all places where it begins.
    pub(super) at_entry: IdMap<Block, Vec<u32>>,
    /// The epoch that a store starts, or a service that moves the packet.
    started_by: IdMap<Inst, u32>,
}

impl Memory {
    pub(super) fn new(f: &Function, cfg: &Cfg, words: Words, store: &mut Store) -> Memory {
        // Only places that vary need to be known.
        let ranges = LazyCell::new(|| store.ask(f, words, |a| a.base.clone()));
        Memory::with(f, cfg, words, |v| ranges[v])
    }

    fn with(f: &Function, cfg: &Cfg, words: Words, known: impl Fn(Value) -> Range) -> Memory {
        let mut memory = Memory {
            places: Vec::new(),
            spans: Vec::new(),
            place_of: IdMap::new(),
            at_entry: IdMap::new(),
            started_by: IdMap::new(),
        };
        let mut next = 1;
        for &b in &cfg.order {
            for &inst in &f.blocks[b].insts {
                let data = &f.insts[inst];
                let resizes = words.resizes(data);
                if let Some(place) = place(data, words) {
                    let there = memory.places.iter().position(|p| *p == place);
                    let at = there.unwrap_or_else(|| {
                        memory.places.push(place);
                        memory.spans.push(span(&known, &place));
                        memory.places.len() - 1
                    });
                    memory.place_of.set(inst, Some(at));
                }
                if data.op.spec().effect == Effect::Write || resizes {
                    memory.started_by.set(inst, next);
                    next += 1;
                }
            }
        }
        memory.find_epochs(f, cfg, next);
        memory
    }

    fn find_epochs(&mut self, f: &Function, cfg: &Cfg, mut next: u32) {
        let mut at_exit: IdMap<Block, Vec<u32>> = IdMap::new();
        for &b in &cfg.order {
            let mut epochs: Option<Vec<u32>> = None;
            for &(pred, _) in cfg.preds(b) {
                if cfg.is_back_edge(pred, b) {
                    continue;
                }
                let there = &at_exit[pred];
                let Some(here) = &mut epochs else {
                    epochs = Some(there.clone());
                    continue;
                };
                for (here, there) in here.iter_mut().zip(there) {
                    if here != there {
                        *here = next;
                        next += 1;
                    }
                }
            }
            let mut epochs = epochs.unwrap_or_else(|| vec![0; self.places.len()]);
            if let Some(l) = cfg.loop_at(b) {
                // What any round stores may have been stored before this one.
                for &inside in &cfg.loops[l].blocks {
                    for &inst in &f.blocks[inside].insts {
                        self.touch(inst, &mut epochs, next);
                    }
                }
                next += 1;
            }
            self.at_entry.set(b, epochs.clone());
            for &inst in &f.blocks[b].insts {
                self.store(inst, &mut epochs);
            }
            at_exit.set(b, epochs);
        }
    }

    /// Starts new epochs of the places that a store may touch.
    pub(super) fn store(&self, inst: Inst, epochs: &mut [u32]) {
        self.touch(inst, epochs, self.started_by[inst]);
    }

    fn touch(&self, inst: Inst, epochs: &mut [u32], epoch: u32) {
        if self.started_by[inst] == 0 {
            return;
        }
        let Some(at) = self.place_of[inst] else {
            for (place, here) in self.places.iter().zip(epochs) {
                if place.0 == Region::Packet {
                    *here = epoch;
                }
            }
            return;
        };
        if self.places[at].0 == Region::Packet
            && let Some(whole) = self.places.iter().position(|place| *place == WHOLE)
        {
            epochs[whole] = epoch;
        }
        let (from, to) = self.spans[at];
        for (other, here) in epochs.iter_mut().enumerate() {
            let (low, high) = self.spans[other];
            let near = from < high && low < to;
            if near && overlaps(&self.places[at], &self.places[other]) {
                *here = epoch;
            }
        }
    }
}

fn place(data: &InstData, words: Words) -> Option<Place> {
    match data.op {
        Op::Call => {
            let call = words.call(data)?;
            return (call.service.name == "packet.flow").then_some(WHOLE);
        }
        Op::Len => return Some(GEOMETRY),
        Op::Context if data.imm == NETWORK_OFFSET => return Some(GEOMETRY),
        _ => {}
    }
    let bytes = data.op.spec().bytes;
    // Places for services are no accesses, and what a lookup found is never written.
    if bytes == 0 || data.region == Some(Region::Value) {
        return None;
    }
    Some((data.region?, data.index(), data.imm, bytes))
}

fn span(known: impl Fn(Value) -> Range, place: &Place) -> (i64, i64) {
    let &(_, index, offset, bytes) = place;
    if [GEOMETRY, WHOLE].contains(place) {
        return (i64::MAX, i64::MAX);
    }
    let Some(index) = index else {
        return (i64::from(offset), i64::from(offset) + i64::from(bytes));
    };
    // A place may go down from its index.
    let offset = i64::from(offset as i32);
    let Range { lo, hi } = known(index);
    let end = i64::from(hi) + offset + i64::from(bytes);
    (i64::from(lo) + offset, end)
}

fn overlaps(a: &Place, b: &Place) -> bool {
    let apart = a.1 == b.1
        && (b.2.wrapping_sub(a.2) >= u32::from(a.3) && a.2.wrapping_sub(b.2) >= u32::from(b.3));
    a.0 == b.0 && !apart
}
