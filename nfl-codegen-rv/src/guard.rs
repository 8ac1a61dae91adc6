//! Tests for what the IR's verifier proved and the node's does not see.
//!
//! In: a module, its bounds, and the places where the node refused. Out: the same module with a counter in those loops,
//! with comparisons before the memory accesses of those blocks, or with their local arrays zero from the start. Guaranteed: it
//! computes the same, because those zeros are never read, and none of these tests ever fails; a failed one would drop the packet.

use std::collections::{BTreeMap, BTreeSet};

use nfl_abi::host::Answer;
use nfl_abi::map;
use nfl_ir::cfg::Cfg;
use nfl_ir::func::{BlockCall, Function, InstData, Module, Origin};
use nfl_ir::{Block, Bounds, Inst, Op, Region, Slot, Term, Value};
use nfl_syntax::arena::Id;
use nfl_verify::Reason;

use crate::calls::Calls;

/// A handler by its number, and a block.
type At = (usize, Block);

/// Where to test.
#[derive(Clone, Default, Debug)]
pub(crate) struct Guards {
    /// Loops that get a counter, by a block in them.
    loops: BTreeSet<At>,
    /// Blocks whose accesses get a comparison.
    accesses: BTreeSet<At>,
    /// Blocks whose local arrays are zero from the start.
    filled: BTreeSet<At>,
    /// For each block that the last `apply` made, the block of the module that it was made for.
    made: BTreeMap<At, Block>,
}

impl Guards {
    /// Notes a refusal; false when no test would help against it.
    pub(crate) fn note(&mut self, reason: &Reason, (n, b): At) -> bool {
        let at = (n, self.made.get(&(n, b)).copied().unwrap_or(b));
        match reason {
            Reason::NoMeasure { .. }
            | Reason::Measure { .. }
            | Reason::LoopTrips { .. }
            | Reason::Claim { .. } => self.loops.insert(at),
            Reason::Bounds { .. }
            | Reason::BeyondPacket { .. }
            | Reason::NotAddress(_)
            | Reason::MaybeNothing(_) => self.accesses.insert(at),
            // The place could lie in another array, or bytes of its own one are known as written one by one, which loops forget.
            Reason::UninitScratch(_) => self.accesses.insert(at) || self.filled.insert(at),
            Reason::Uninit(_) => self.filled.insert(at),
            _ => false,
        }
    }

    /// Whether the same places are tested.
    pub(crate) fn are_where(&self, others: &Guards) -> bool {
        (&self.loops, &self.accesses, &self.filled)
            == (&others.loops, &others.accesses, &others.filled)
    }

    /// The module with its tests.
    pub(crate) fn apply(&mut self, module: &Module, bounds: &Bounds) -> Module {
        let mut module = module.clone();
        self.made.clear();
        if self.loops.is_empty() && self.accesses.is_empty() && self.filled.is_empty() {
            return module;
        }
        for n in 0..module.functions.len() {
            let areas = Areas::of(&module, n);
            let calls = Calls::new(&module);
            let f = &mut module.functions[n];
            let mut guarded = Guarded {
                f,
                made: Vec::new(),
            };
            guarded.fill(self.filled.iter().filter(|&&(of, _)| of == n));
            let cfg = Cfg::new(guarded.f);
            let mut wanted = BTreeSet::new();
            for &(_, b) in self.loops.iter().filter(|&&(of, _)| of == n) {
                wanted.extend(cfg.loop_of[b]);
            }
            for l in wanted {
                let trips = bounds.functions.get(n).and_then(|f| f.loops.get(l));
                guarded.count(&cfg, l, trips.map_or(u32::MAX - 1, |l| l.trips));
            }
            for &(_, b) in self.accesses.iter().filter(|&&(of, _)| of == n) {
                guarded.compare(b, &areas, &calls);
            }
            self.made.extend(
                guarded
                    .made
                    .into_iter()
                    .map(|(made, like)| ((n, made), like)),
            );
        }
        module
    }
}

/// Bytes of a word of scratch.
const WORD: u8 = 4;

/// A handler that gets tests.
struct Guarded<'a> {
    f: &'a mut Function,
    /// The blocks that were made, each with the one it was made for.
    made: Vec<(Block, Block)>,
}

impl Guarded<'_> {
    fn emit(&mut self, b: Block, op: Op, args: Vec<Value>, imm: u32) -> Value {
        self.f.compute(b, op, &args, imm)
    }

    fn constant(&mut self, b: Block, imm: u32) -> Value {
        self.emit(b, Op::Const, Vec::new(), imm)
    }

    fn block(&mut self, like: Block) -> Block {
        let b = self.f.add_block();
        self.f.blocks[b].span = self.f.blocks[like].span;
        self.f.layout.push(b);
        let known = self.made.iter().find(|&&(made, _)| made == like);
        self.made.push((b, known.map_or(like, |&(_, like)| like)));
        b
    }

    /// A block that drops the packet.
    fn trap(&mut self, like: Block) -> Block {
        let b = self.block(like);
        let zero = self.constant(b, 0);
        self.f.blocks[b].term = Term::Finish {
            kind: zero,
            operand: zero,
        };
        b
    }

    /// Gives a loop a counter that reaches zero one round later than the loop can end, but counts once at least: the node
    /// does not know of ways back that no run takes.
    fn count(&mut self, cfg: &Cfg, l: usize, trips: u32) {
        let (head, latches) = (cfg.loops[l].head, &cfg.loops[l].latches);
        let left = self.f.add_param(head, 32);
        for b in self.f.layout.clone() {
            let mut term = self.f.blocks[b].term.clone();
            for call in term.targets_mut().filter(|call| call.block == head) {
                if latches.contains(&b) {
                    let again = self.block(b);
                    let one = self.constant(again, 1);
                    let less = self.emit(again, Op::Sub, vec![left, one], 0);
                    let mut back = std::mem::replace(call, to(again));
                    back.args.push(less);
                    let otherwise = to(self.trap(b));
                    self.f.blocks[again].term = Term::Branch {
                        cond: less,
                        then: back,
                        otherwise,
                    };
                } else {
                    call.args
                        .push(self.constant(b, trips.saturating_add(1).max(2)));
                }
            }
            self.f.blocks[b].term = term;
        }
    }

    /// Writes zero to the local arrays that some blocks touch, word by word, before all else.
    fn fill<'b>(&mut self, blocks: impl Iterator<Item = &'b At>) {
        let insts = blocks.flat_map(|&(_, b)| &self.f.blocks[b].insts);
        let regions = insts.flat_map(|&i| {
            let inst = &self.f.insts[i];
            let given = inst.args.iter().filter_map(|&v| self.f.def(v)?.region);
            inst.region.into_iter().chain(given)
        });
        let slots: BTreeSet<Slot> = regions
            .filter_map(|region| match region {
                Region::Slot(slot) => Some(slot),
                _ => None,
            })
            .collect();
        if slots.is_empty() {
            return;
        }
        let entry = self.f.entry;
        let first = std::mem::take(&mut self.f.blocks[entry].insts);
        let zero = self.constant(entry, 0);
        for slot in slots {
            // What is behind it in its last word may be written, too.
            let data = &mut self.f.slots[slot];
            data.align = data.align.max(WORD);
            data.bytes = data.bytes.next_multiple_of(WORD.into());
            let bytes = data.bytes;
            for at in (0..bytes).step_by(WORD.into()) {
                let store = InstData {
                    op: Op::Store32,
                    args: vec![zero],
                    imm: at,
                    region: Some(Region::Slot(slot)),
                    result: None,
                    span: None,
                };
                self.f.append(entry, store, 0);
            }
        }
        self.f.blocks[entry].insts.extend(first);
    }

    /// Puts a comparison before each access of a block that could lie elsewhere for all that the node knows.
    fn compare(&mut self, b: Block, areas: &Areas, calls: &Calls) {
        let mut at = b;
        // What is known of the length is gone where a service moves the packet.
        let need = if calls.resize(self.f) { 0 } else { self.f.need };
        let insts = std::mem::take(&mut self.f.blocks[b].insts);
        let found: Vec<_> = insts.iter().map(|&i| access(self.f, i, need)).collect();
        let mut tested = BTreeSet::new();
        for (n, &i) in insts.iter().enumerate() {
            if self.f.insts[i].op == Op::Call {
                tested.clear();
            }
            if let Some(access) = found[n]
                && tested.insert(access.place())
            {
                // One test serves all accesses by the same variable up to the next call, which may end the run.
                let rest = insts[n..].iter().zip(&found[n..]);
                let rest = rest.take_while(|&(&i, _)| self.f.insts[i].op != Op::Call);
                let all = rest.filter_map(|(_, access)| *access);
                let all = all.filter(|other| other.place() == access.place());
                at = self.test(at, all.fold(access, Access::with), areas, calls);
            }
            self.f.blocks[at].insts.push(i);
        }
    }

    /// Ends a block with the comparisons of an access, and answers the block behind them.
    fn test(&mut self, at: Block, access: Access, areas: &Areas, calls: &Calls) -> Block {
        let mut at = at;
        let Access {
            region,
            found,
            index,
            offset,
            bytes,
        } = access;
        if let Some(found) = found {
            let nothing = self.constant(at, 0);
            at = self.split(at, Op::Eq, found, nothing);
        }
        let Some(index) = index else {
            if region == Region::Packet {
                let len = self.emit(at, Op::Len, Vec::new(), 0);
                let end = self.constant(at, offset.wrapping_add(bytes));
                at = self.split(at, Op::Ltu, len, end);
            }
            return at;
        };
        if offset.cast_signed() < 0 {
            let least = self.constant(at, offset.wrapping_neg());
            at = self.split(at, Op::Ltu, index, least);
        }
        let end = offset.wrapping_add(bytes);
        let size = match region {
            Region::Packet => {
                // First without the sum, which could wrap around for all that the node knows.
                let len = self.emit(at, Op::Len, Vec::new(), 0);
                at = self.split(at, Op::Ltu, len, index);
                let end = self.constant(at, end);
                let end = self.emit(at, Op::Add, vec![index, end], 0);
                return self.split(at, Op::Ltu, len, end);
            }
            Region::Carried => areas.carried,
            Region::Field(id) => areas.fields[id.index()],
            Region::Data(id) => areas.data[id.index()],
            Region::Slot(slot) => areas.slots[slot.index()],
            Region::Value => match found.and_then(|v| value_bytes(self.f, v, calls)) {
                Some(bytes) => bytes,
                None => return at,
            },
        };
        let bound = self.constant(at, size.wrapping_sub(end).wrapping_add(1));
        self.split(at, Op::Geu, index, bound)
    }

    /// Moves the end of a block to a new one, which is reached unless the comparison holds.
    fn split(&mut self, at: Block, op: Op, a: Value, b: Value) -> Block {
        let fails = self.emit(at, op, vec![a, b], 0);
        let next = self.block(at);
        let then = to(self.trap(at));
        let branch = Term::Branch {
            cond: fails,
            then,
            otherwise: to(next),
        };
        self.f.blocks[next].term = std::mem::replace(&mut self.f.blocks[at].term, branch);
        next
    }
}

fn to(block: Block) -> BlockCall {
    BlockCall {
        block,
        args: Vec::new(),
    }
}

/// Sizes of the regions whose sizes do not vary.
struct Areas {
    carried: u32,
    fields: Vec<u32>,
    data: Vec<u32>,
    slots: Vec<u32>,
}

impl Areas {
    fn of(module: &Module, n: usize) -> Areas {
        Areas {
            carried: module.carried.len() as u32,
            fields: module.fields.iter().map(|(_, field)| field.bytes).collect(),
            data: module
                .data
                .iter()
                .map(|(_, data)| data.bytes.len() as u32)
                .collect(),
            slots: module.functions[n]
                .slots
                .iter()
                .map(|(_, slot)| slot.bytes)
                .collect(),
        }
    }
}

/// A variable, what is added to it, and how many bytes are touched there.
#[derive(Clone, Copy)]
struct Access {
    region: Region,
    /// The address of the value that it lies in, for [`Region::Value`].
    found: Option<Value>,
    index: Option<Value>,
    offset: u32,
    bytes: u32,
}

impl Access {
    /// What accesses have in common that one test can serve.
    fn place(&self) -> (Region, Option<Value>, Option<Value>) {
        (self.region, self.found, self.index)
    }

    /// From the first byte of two accesses to the last one.
    fn with(self, other: Access) -> Access {
        let first = |access: &Access| i64::from(access.offset.cast_signed());
        let end = |access: &Access| first(access) + i64::from(access.bytes);
        let offset = first(&self).min(first(&other));
        Access {
            offset: offset as u32,
            bytes: (end(&self).max(end(&other)) - offset) as u32,
            ..self
        }
    }
}

/// The size of the value that a call answered the address of.
fn value_bytes(f: &Function, v: Value, calls: &Calls) -> Option<u32> {
    let call = f.def(v).filter(|def| def.op == Op::Call)?;
    match calls.shape(Id::new(call.imm as usize))?.answer {
        Answer::Value(bytes) => Some(bytes.into()),
        _ => None,
    }
}

/// What an instruction accesses, unless it lies for certain where it may; `need` bytes of the packet are there in any case.
fn access(f: &Function, i: Inst, need: u32) -> Option<Access> {
    let inst = &f.insts[i];
    let region = inst.region?;
    let bytes = u32::from(inst.op.spec().bytes);
    let found = inst.args.first().filter(|_| region == Region::Value);
    let index = if inst.op.has_result() && found.is_none() {
        inst.args.first()
    } else {
        inst.args.get(1)
    };
    let given = if inst.op.has_result() {
        need.max(map::WINDOW_MAX)
    } else {
        need
    };
    let is_beyond = || region == Region::Packet && inst.imm.saturating_add(bytes) > given;
    let varies = found.is_some() || index.is_some();
    if bytes == 0 || !varies && !is_beyond() {
        return None;
    }
    let mut access = Access {
        region,
        found: found.copied(),
        index: index.copied(),
        offset: inst.imm,
        bytes,
    };
    // As selection will see it: constants that are added belong to the offset.
    while let Some((rest, c)) = access.index.and_then(|v| added_constant(f, v)) {
        access.index = Some(rest);
        access.offset = access.offset.wrapping_add(c);
    }
    Some(access)
}

fn added_constant(f: &Function, v: Value) -> Option<(Value, u32)> {
    let def = |v: Value| match f.values[v].origin {
        Origin::Inst(i) => Some(&f.insts[i]),
        Origin::Param(..) => None,
    };
    let sum = def(v).filter(|inst| inst.op == Op::Add)?;
    let constant = |v: Value| {
        def(v)
            .filter(|inst| inst.op == Op::Const)
            .map(|inst| inst.imm)
    };
    let (a, b) = (sum.args[0], sum.args[1]);
    match (constant(a), constant(b)) {
        (None, Some(c)) => Some((a, c)),
        (Some(c), None) => Some((b, c)),
        _ => None,
    }
}
