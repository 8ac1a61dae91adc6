//! A module as text.

use std::fmt::{self, Write};

use nfl_abi::host::Service;
use nfl_abi::image::{Import, Resource};
use nfl_syntax::arena::IdMap;

use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, InstData, Module, Region, Term, WordInfo};
use crate::op::Fmt;

/// The whole module.
pub fn module(m: &Module) -> String {
    let mut out = String::new();
    write_module(m, &mut out).expect("a string takes all text");
    out
}

/// One handler.
pub fn function(f: &Function) -> String {
    let mut out = String::new();
    write_function(f, &mut out).expect("a string takes all text");
    out
}

fn write_module(m: &Module, out: &mut String) -> fmt::Result {
    let rights: Vec<&str> = m.rights.iter().map(|r| r.text()).collect();
    let profile = m.profile.text();
    writeln!(
        out,
        "module {} {profile} rights [{}] passes {}",
        m.name,
        rights.join(", "),
        m.passes
    )?;
    for (id, word) in m.late.iter() {
        writeln!(out, "{id} {}", word_text(word))?;
    }
    for (id, word) in m.params.iter() {
        writeln!(out, "{id} {}", word_text(word))?;
    }
    for (id, data) in m.data.iter() {
        writeln!(
            out,
            "{id} {} align {}:{}",
            data.name,
            data.align,
            hex(&data.bytes)
        )?;
    }
    if !m.carried.is_empty() {
        writeln!(out, "carried{}", hex(&m.carried))?;
    }
    for (id, field) in m.fields.iter() {
        writeln!(
            out,
            "{id} {} at {}: {} bytes",
            field.name, field.offset, field.bytes
        )?;
    }
    for reason in &m.reasons {
        writeln!(out, "reason {reason}")?;
    }
    for (id, import) in m.imports.iter() {
        writeln!(out, "{id} {}", import_text(import))?;
    }
    for (at, resource) in m.resources.iter().enumerate() {
        writeln!(out, "resource{at} {}", resource_text(resource))?;
    }
    for (at, format) in m.formats.iter().enumerate() {
        writeln!(out, "format{at}{}", hex(format.as_bytes()))?;
    }
    m.functions.iter().try_for_each(|f| write_function(f, out))
}

fn import_text(import: &Import) -> String {
    let service = Service::by_number(import.service);
    // A number that no service has is kept for whoever reads the text.
    let mut text = match service {
        Some(service) => service.name.to_string(),
        None => import.service.to_string(),
    };
    if import.param != 0 {
        text += &format!(" of {}", import.param);
    }
    if let Some(resource) = import.resource {
        text += &format!(" on {resource}");
    }
    text
}

fn resource_text(r: &Resource) -> String {
    let kind = r.kind.text().replace(' ', "-");
    let mut text = format!(
        "{} {kind} key {} value {} capacity {} layout {:08x}",
        r.name, r.key_bytes, r.value_bytes, r.capacity, r.layout
    );
    if r.idle_ns != 0 {
        text += &format!(" idle {}", r.idle_ns);
    }
    if r.first != 0 {
        text += &format!(" first {}", r.first);
    }
    if r.flow_key {
        text += " flow";
    }
    text
}

fn word_text(word: &WordInfo) -> String {
    let wire = if word.wire { " wire" } else { "" };
    let default = word.default.map(|d| format!(" = {d}")).unwrap_or_default();
    let WordInfo {
        name,
        width,
        lo,
        hi,
        ..
    } = word;
    format!("{name}: {width}{wire} in {lo}..{hi}{default}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!(" {b:02x}")).collect()
}

/// The numbers that words and blocks are printed with.
struct Names {
    blocks: IdMap<Block, u32>,
    values: IdMap<Value, u32>,
}

impl Names {
    fn new(f: &Function) -> Names {
        let mut names = Names {
            blocks: IdMap::new(),
            values: IdMap::new(),
        };
        let mut next = 0;
        for (n, &b) in f.layout.iter().enumerate() {
            names.blocks.set(b, n as u32);
            let results = f.blocks[b].insts.iter().filter_map(|&i| f.insts[i].result);
            for v in f.blocks[b].params.iter().copied().chain(results) {
                names.values.set(v, next);
                next += 1;
            }
        }
        names
    }

    fn value(&self, v: Value) -> String {
        format!("v{}", self.values[v])
    }

    fn list(&self, values: &[Value]) -> String {
        let texts: Vec<String> = values.iter().map(|&v| self.value(v)).collect();
        texts.join(", ")
    }

    fn call(&self, call: &BlockCall) -> String {
        let block = self.blocks[call.block];
        if call.args.is_empty() {
            return format!("b{block}");
        }
        format!("b{block}({})", self.list(&call.args))
    }
}

fn write_function(f: &Function, out: &mut String) -> fmt::Result {
    write!(out, "on {} {}", f.role.text(), f.layer.text())?;
    if f.period_ns != 0 {
        write!(out, " period {}", f.period_ns)?;
    }
    if f.need != 0 {
        write!(out, " need {}", f.need)?;
    }
    if let Some(verdict) = f.malformed {
        write!(
            out,
            " malformed {} {}",
            verdict.kind.text(),
            verdict.operand
        )?;
    }
    writeln!(out, " {{")?;
    for (id, slot) in f.slots.iter() {
        let name = if slot.name.is_empty() { "" } else { " " };
        let padding = match slot.padding {
            0 => String::new(),
            bytes => format!(" padding {bytes}"),
        };
        writeln!(
            out,
            "  {id}{name}{}: {} align {}{padding}",
            slot.name, slot.bytes, slot.align
        )?;
    }
    let names = Names::new(f);
    for &b in &f.layout {
        write!(out, "b{}", names.blocks[b])?;
        let params = f.blocks[b].params.iter();
        let params: Vec<String> = params
            .map(|&p| format!("{}: {}", names.value(p), f.values[p].width))
            .collect();
        if !params.is_empty() {
            write!(out, "({})", params.join(", "))?;
        }
        writeln!(out, ":")?;
        for &inst in &f.blocks[b].insts {
            writeln!(out, "  {}", inst_text(f, &names, &f.insts[inst]))?;
        }
        writeln!(out, "  {}", term_text(&names, &f.blocks[b].term))?;
    }
    writeln!(out, "}}")
}

fn inst_text(f: &Function, names: &Names, inst: &InstData) -> String {
    let spec = inst.op.spec();
    let mut text = String::new();
    if let Some(v) = inst.result {
        text += &names.value(v);
        if f.values[v].width != inst.op.natural_width() {
            text += &format!(": {}", f.values[v].width);
        }
        text += " = ";
    }
    text += spec.text;
    if let Some(region) = inst.region {
        text += ".";
        text += &match region {
            Region::Packet => "packet".to_string(),
            Region::Carried => "carried".to_string(),
            Region::Field(id) => id.to_string(),
            Region::Data(id) => id.to_string(),
            Region::Slot(id) => id.to_string(),
            Region::Value => "value".to_string(),
        };
    }
    match spec.fmt {
        Fmt::Nullary => {}
        Fmt::Imm | Fmt::Late | Fmt::Param => text += &format!(" {}", inst.imm),
        Fmt::Unary | Fmt::Binary => text += &format!(" {}", names.list(&inst.args)),
        Fmt::Place => text += &format!(" {}", inst.imm),
        Fmt::Call => {
            text += &format!(" {}", inst.imm);
            for &arg in &inst.args {
                text += &format!(", {}", names.value(arg));
            }
        }
        Fmt::Load | Fmt::Store => {
            let values = usize::from(spec.fmt == Fmt::Store);
            if let Some(&v) = inst.args.first().filter(|_| values == 1) {
                text += &format!(" {},", names.value(v));
            }
            // Where a lookup's value lies, and the variable part of the place.
            for &v in inst.args.iter().skip(values) {
                text += &format!(" {} +", names.value(v));
            }
            text += &format!(" {}", inst.imm);
        }
    }
    text
}

fn term_text(names: &Names, term: &Term) -> String {
    match term {
        Term::Jump(call) => format!("jump {}", names.call(call)),
        Term::Branch {
            cond,
            then,
            otherwise,
        } => format!(
            "branch {}, {}, {}",
            names.value(*cond),
            names.call(then),
            names.call(otherwise)
        ),
        Term::Finish { kind, operand } => {
            format!("finish {}, {}", names.value(*kind), names.value(*operand))
        }
    }
}
