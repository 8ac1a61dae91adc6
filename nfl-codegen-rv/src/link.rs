//! From handlers to one image.
//!
//! In: the handlers' code over the machine's registers, and the module they come from. Out: the image with its manifest,
//! still without certificate and bounds. Guaranteed: the manifest asks for what the code uses, and for nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use nfl_abi::host::Service;
use nfl_abi::image::{Claims, Import, Resource, Right, Rights, TargetId, Verdict, VerdictKind};
use nfl_abi::{Entry, Image, LateSlot, Manifest, map};
use nfl_ir::func::{Function, Module, Origin};
use nfl_ir::{ImportId, InstData, Op as IrOp, Region, Term, Value};
use nfl_isa::{Inst, Reg, Target as Isa};
use nfl_syntax::Span;
use nfl_syntax::arena::Id;

use crate::mir::{Block, Code, Program, Target, load_constant};
use crate::order::order;
use crate::relax::{Piece, Step, relax};
use crate::scratch::Constants;
use crate::{Calls, Parts};

/// An image with the source of each instruction.
pub(crate) struct Linked {
    pub(crate) image: Image,
    pub(crate) lines: Vec<(u32, u32, Option<Span>)>,
    /// Where each block of the IR starts, ascending: handler and block, and offset.
    pub(crate) blocks: Vec<((usize, nfl_ir::Block), u32)>,
}

/// Links the handlers of a module.
pub(crate) fn link(module: &Module, code: &Program, parts: &Parts) -> Linked {
    let successors = code.successors();
    let graph = code.graph();
    let mut order = order(&graph, &successors, parts.lay, &parts.order);
    order.retain(|&b| b < code.blocks.len());
    let mut places = vec![0; code.blocks.len()];
    for (at, &b) in order.iter().enumerate() {
        places[b] = at;
    }
    let vector = Vector::new(module, order.iter().map(|&b| &code.blocks[b]));
    let pieces: Vec<Piece> = order
        .iter()
        .map(|&b| {
            let in_loop = graph.innermost[b].is_some();
            piece(&code.blocks[b], &places, (&vector, parts.isa), in_loop)
        })
        .collect();
    let relaxed = relax(&pieces);
    let blocks = order.iter().zip(&relaxed.offsets);
    let blocks = blocks
        .map(|(&b, &at)| (code.blocks[b].source, at))
        .collect();
    let entries = module.functions.iter().zip(&code.entries);
    let entries = entries.map(|(f, &b)| entry(f, relaxed.offsets[places[b]]));
    let manifest = manifest(module, entries.collect(), vector, parts);
    let constants = parts.constants.bytes.clone();
    let image = Image {
        manifest,
        code: relaxed.code,
        constants,
        certificate: Vec::new(),
    };
    Linked {
        image,
        lines: relaxed.lines,
        blocks,
    }
}

/// The call vector: what the code calls, what that works on, and where the calls go.
struct Vector {
    imports: Vec<Import>,
    resources: Vec<Resource>,
    slots: BTreeMap<ImportId, usize>,
}

impl Vector {
    /// The imports that the blocks call, those called most nearest to the code; the resources keep their order.
    fn new<'a>(module: &Module, blocks: impl Iterator<Item = &'a Block<Reg>>) -> Vector {
        let mut counts: BTreeMap<ImportId, usize> = BTreeMap::new();
        for line in blocks.flat_map(|b| &b.lines) {
            if let Code::Call { import, .. } = line.code {
                *counts.entry(import).or_default() += 1;
            }
        }
        let mut order: Vec<ImportId> = counts.keys().copied().collect();
        order.sort_by_key(|import| (Reverse(counts[import]), import.index()));
        let named = |import: &ImportId| module.imports[*import].resource;
        let used: BTreeSet<u8> = order.iter().filter_map(named).collect();
        let import = |&id: &ImportId| {
            let import = module.imports[id];
            let resource = import.resource.map(|old| used.range(..old).count() as u8);
            Import { resource, ..import }
        };
        let resources = used.iter();
        let resources = resources.filter_map(|&at| module.resources.get(usize::from(at)).cloned());
        Vector {
            imports: order.iter().map(import).collect(),
            resources: resources.collect(),
            slots: order.iter().enumerate().map(|(k, &id)| (id, k)).collect(),
        }
    }

    /// Where a slot stands, from the first byte of the code.
    fn target(&self, import: ImportId) -> i32 {
        let before = self.slots[&import] + 1;
        -((before as i32) * map::SLOT_BYTES.cast_signed())
    }
}

/// A block in its place, with its constants written out.
fn piece(
    block: &Block<Reg>,
    places: &[usize],
    (vector, isa): (&Vector, &Isa),
    in_loop: bool,
) -> Piece {
    let mut code = Vec::new();
    let step = |inst: Inst| Step::Inst(inst, isa.compress(&inst));
    for line in &block.lines {
        match line.code {
            Code::Inst(inst) => code.push((step(inst), line.span)),
            Code::Call { import, .. } => code.push((Step::Call(vector.target(import)), line.span)),
            Code::Li { rd, value } => {
                let insts = load_constant(rd, Reg::ZERO, value, isa);
                code.extend(insts.into_iter().map(|inst| (step(inst), line.span)));
            }
        }
    }
    let mut end = block.end;
    end.retarget(|target| match target {
        Target::Block(to) => Target::Block(places[to]),
        Target::Exit => Target::Exit,
    });
    Piece {
        code,
        end,
        span: block.span,
        in_loop,
    }
}

const NO_VERDICT: Verdict = Verdict {
    kind: VerdictKind::Drop,
    operand: 0,
};

fn entry(f: &Function, pc: u32) -> Entry {
    Entry {
        role: f.role,
        layer: f.layer,
        pc,
        need: u16::try_from(f.need).unwrap_or(u16::MAX),
        malformed: f.malformed.unwrap_or(NO_VERDICT),
        steps: 0,
        period_ns: f.period_ns,
    }
}

fn manifest(module: &Module, entries: Vec<Entry>, vector: Vector, parts: &Parts) -> Manifest {
    let verdicts = verdicts(module);
    let rights = rights(module, verdicts, &vector.imports);
    debug_assert_eq!(
        rights.without(module.rights),
        Rights::NONE,
        "the code does what the module does not declare"
    );
    let late = module.late.iter().map(|(id, word)| LateSlot {
        name: word.name.clone(),
        offset: Constants::late(id) as u16,
        width: word.width,
        wire: word.wire,
        lo: word.lo,
        hi: word.hi,
    });
    Manifest {
        name: module.name.clone(),
        version: 1,
        profile: module.profile,
        target: TargetId(parts.isa.id),
        entries,
        imports: vector.imports,
        resources: vector.resources,
        verdicts,
        rights,
        passes: module.passes,
        window: window(module, &parts.calls).max(parts.window),
        carried: module.carried.clone(),
        late: late.collect(),
        reasons: module.reasons.clone(),
        claims: Claims::default(),
    }
}

/// The instructions of a function that can run.
fn instructions_of(f: &Function) -> impl Iterator<Item = &InstData> {
    let insts = f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
    insts.map(|&i| &f.insts[i])
}

/// The mask of the verdicts that a run may end with.
fn verdicts(module: &Module) -> u8 {
    let mut mask = 0;
    for f in &module.functions {
        mask |= bit(f.malformed.unwrap_or(NO_VERDICT).kind);
        for &b in &f.layout {
            if let Term::Finish { kind, .. } = f.blocks[b].term {
                mask |= kinds(f, kind).unwrap_or_else(|| permitted(module.rights));
            }
        }
    }
    mask
}

fn bit(kind: VerdictKind) -> u8 {
    1 << kind.number()
}

/// The verdicts that a function with these rights may give.
fn permitted(rights: Rights) -> u8 {
    let kinds = VerdictKind::ALL.iter().copied();
    let kinds = kinds.filter(|kind| kind.right().is_none_or(|right| rights.has(right)));
    kinds.fold(0, |mask, kind| mask | bit(kind))
}

/// The verdicts a value stands for, if it is one of some constants.
fn kinds(f: &Function, kind: Value) -> Option<u8> {
    let mut mask = 0;
    let mut seen = BTreeSet::from([kind]);
    let mut work = vec![kind];
    while let Some(v) = work.pop() {
        let (block, at) = match f.values[v].origin {
            Origin::Param(block, at) => (block, at as usize),
            Origin::Inst(i) if f.insts[i].op == IrOp::Const => {
                mask |= bit(VerdictKind::from_number(
                    u8::try_from(f.insts[i].imm).ok()?,
                )?);
                continue;
            }
            Origin::Inst(_) => return None,
        };
        let calls = f.layout.iter().flat_map(|&b| f.blocks[b].term.targets());
        for call in calls.filter(|call| call.block == block) {
            work.extend(call.args.get(at).copied().filter(|&arg| seen.insert(arg)));
        }
    }
    Some(mask)
}

/// What the code does that needs a right, its calls included.
fn rights(module: &Module, verdicts: u8, imports: &[Import]) -> Rights {
    let services = imports
        .iter()
        .map(|import| Service::by_number(import.service));
    let called = services.filter_map(|service| service?.right);
    let mut rights = called.fold(Rights::NONE, Rights::with);
    for kind in VerdictKind::ALL
        .iter()
        .filter(|&&kind| verdicts & bit(kind) != 0)
    {
        if let Some(right) = kind.right() {
            rights = rights.with(right);
        }
    }
    for inst in module.functions.iter().flat_map(instructions_of) {
        let reads_clock = inst.op == IrOp::Context
            && matches!(inst.imm, map::context::CLOCK_LOW | map::context::CLOCK_HIGH);
        if reads_clock {
            rights = rights.with(Right::Clock);
        }
        if inst.region == Some(Region::Packet) && !inst.op.has_result() {
            rights = rights.with(Right::Rewrite);
        }
    }
    rights
}

/// The smallest window in which every load from a constant offset lies that `need` does not cover.
///
/// Where services move the packet, `need` says nothing any more.
fn window(module: &Module, calls: &Calls) -> u8 {
    let ends = module.functions.iter().flat_map(|f| {
        let need = if calls.resize(f) { 0 } else { f.need };
        instructions_of(f).filter_map(move |inst| {
            let is_load = inst.op.has_result() && inst.region == Some(Region::Packet);
            let end = inst.imm.checked_add(u32::from(inst.op.spec().bytes))?;
            (is_load && inst.args.is_empty() && end > need && end <= map::WINDOW_MAX).then_some(end)
        })
    });
    ends.max().unwrap_or(0) as u8
}
