//! Whether a module is well formed: what every other part takes for granted.
//!
//! In: a module. Out: nothing, or the first thing that is wrong, which is always our own mistake.
//! Guaranteed of a well-formed module: the layout begins with the entry, which nobody jumps to; every
//! target is in the layout and gets as many words as it takes; operations have the operands that
//! the table says; numbers of data, slots, late words and parameters exist; every use is
//! dominated by its definition; loops have one entry; calls are as `calls.rs` says.

use nfl_syntax::arena::{Id, IdMap};

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{Function, InstData, Module, Origin, Region};
use crate::op::Fmt;
use crate::verify::calls;

/// Checks a module.
pub fn check(m: &Module) -> Result<(), String> {
    for (id, data) in m.data.iter() {
        if !matches!(data.align, 1 | 2 | 4) {
            return Err(format!("{id} has alignment {}", data.align));
        }
    }
    for (at, f) in m.functions.iter().enumerate() {
        check_function(m, f).map_err(|what| format!("handler {at} of {}: {what}", m.name))?;
    }
    Ok(())
}

/// Checks one handler of a module.
pub fn check_function(m: &Module, f: &Function) -> Result<(), String> {
    if f.layout.first() != Some(&f.entry) {
        return Err("the entry is not the first block".into());
    }
    if f.need > 0 && f.malformed.is_none() {
        return Err("a needed length without a verdict for shorter packets".into());
    }
    let mut in_layout: IdMap<Block, bool> = IdMap::new();
    for &b in &f.layout {
        if std::mem::replace(&mut in_layout[b], true) {
            return Err(format!("{b} stands twice in the layout"));
        }
    }
    let mut placed: IdMap<Inst, Option<Block>> = IdMap::new();
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            if placed[inst].replace(b).is_some() {
                return Err(format!("{inst} stands twice"));
            }
            check_inst(m, f, inst)?;
        }
        check_edges(f, b, &in_layout)?;
    }
    let cfg = Cfg::new(f);
    check_dominance(f, &cfg, &placed)?;
    calls::check(m, f, &cfg)
}

fn check_inst(m: &Module, f: &Function, inst: Inst) -> Result<(), String> {
    let data = &f.insts[inst];
    let (spec, count) = (data.op.spec(), data.args.len());
    let counts = match spec.fmt {
        Fmt::Nullary | Fmt::Imm | Fmt::Late | Fmt::Param => 0..=0,
        Fmt::Unary => 1..=1,
        Fmt::Binary => 2..=2,
        Fmt::Load if data.region == Some(Region::Value) => 1..=2,
        Fmt::Load => 0..=1,
        Fmt::Store => 1..=2,
        Fmt::Place => 0..=0,
        Fmt::Call => match m.words().call(data) {
            Some(call) => call.registers()..=call.registers(),
            None => return Err(format!("{inst} calls what nobody offers")),
        },
    };
    if !counts.contains(&count) {
        return Err(format!("{inst} {} has {count} operands", spec.text));
    }
    if data.result.is_some() != data.op.has_result() {
        return Err(format!("{inst} {} and its result", spec.text));
    }
    if let Some(v) = data.result {
        let here = f.values[v];
        if here.origin != Origin::Inst(inst) || !(1..=32).contains(&here.width) {
            return Err(format!("{v} does not say that {inst} makes it"));
        }
    }
    let number = data.imm as usize;
    let exists = match spec.fmt {
        Fmt::Late => number < m.late.len(),
        Fmt::Param => number < m.params.len(),
        Fmt::Load | Fmt::Store => region_exists(m, f, data),
        Fmt::Place => {
            let has_address = matches!(data.region, Some(Region::Data(_) | Region::Slot(_)));
            has_address && region_exists(m, f, data)
        }
        _ if data.op == crate::Op::Context => number.is_multiple_of(4) && number < CONTEXT_BYTES,
        _ => true,
    };
    if !exists || data.region.is_some() != matches!(spec.fmt, Fmt::Load | Fmt::Store | Fmt::Place) {
        return Err(format!("{inst} {} names what is not there", spec.text));
    }
    Ok(())
}

const CONTEXT_BYTES: usize = nfl_abi::map::CONTEXT_BYTES as usize;

fn region_exists(m: &Module, f: &Function, data: &InstData) -> bool {
    match data.region {
        None => false,
        Some(Region::Packet | Region::Carried) => true,
        Some(Region::Field(id)) => m.fields.get(id).is_some_and(|field| {
            u64::from(field.offset) + u64::from(field.bytes) <= m.carried.len() as u64
        }),
        Some(Region::Data(id)) => id.index() < m.data.len() && data.op.has_result(),
        Some(Region::Slot(id)) => id.index() < f.slots.len(),
        Some(Region::Value) => data.op.spec().fmt == Fmt::Load,
    }
}

fn check_edges(f: &Function, b: Block, in_layout: &IdMap<Block, bool>) -> Result<(), String> {
    for (at, &param) in f.blocks[b].params.iter().enumerate() {
        let here = f.values[param];
        if here.origin != Origin::Param(b, at as u32) || !(1..=32).contains(&here.width) {
            return Err(format!("{param} does not say that {b} takes it"));
        }
    }
    if b == f.entry && !f.blocks[b].params.is_empty() {
        return Err("the entry takes words".into());
    }
    for call in f.blocks[b].term.targets() {
        if !in_layout[call.block] || call.block == f.entry {
            return Err(format!("{b} goes to {}", call.block));
        }
        let (given, taken) = (call.args.len(), f.blocks[call.block].params.len());
        if given != taken {
            return Err(format!(
                "{b} hands {given} words to {}, which takes {taken}",
                call.block
            ));
        }
    }
    Ok(())
}

fn check_dominance(
    f: &Function,
    cfg: &Cfg,
    placed: &IdMap<Inst, Option<Block>>,
) -> Result<(), String> {
    if let Some((from, to)) = cfg.irreducible.first() {
        return Err(format!("{from} enters the loop at {to} from aside"));
    }
    for &b in &cfg.order {
        let mut made: IdMap<Value, bool> = IdMap::new();
        for &param in &f.blocks[b].params {
            made.set(param, true);
        }
        let dominated = |v: Value, made: &IdMap<Value, bool>| {
            let home = match f.values[v].origin {
                Origin::Param(home, _) => Some(home),
                Origin::Inst(inst) => placed[inst],
            };
            made[v] || home.is_some_and(|home| home != b && cfg.dominates(home, b))
        };
        for &inst in &f.blocks[b].insts {
            if let Some(v) = f.insts[inst].args.iter().find(|&&v| !dominated(v, &made)) {
                return Err(format!("{inst} in {b} uses {v}, which is not made there"));
            }
            if let Some(v) = f.insts[inst].result {
                made.set(v, true);
            }
        }
        if let Some(v) = f.blocks[b].term.uses().find(|&v| !dominated(v, &made)) {
            return Err(format!("the end of {b} uses {v}, which is not made there"));
        }
    }
    Ok(())
}
