//! `nflc run --trace`: what a handler does with a packet, by source line or by instruction.
//!
//! In: the steps of a run. Out: one row for each source line as control comes to it, or for each instruction with the
//! registers that it changed. Guaranteed: the steps of a packet's rows add up to the steps of its run; a service is part of its call.

use std::fmt::Write as _;
use std::str::FromStr;

use clap::ValueEnum;
use nfl::abi::codes;
use nfl::abi::map::CODE_BASE;
use nfl::isa::Reg;
use nfl::{MemoryRegion, Outcome, Registers, Step, VerdictKind};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::capture::Frame;
use crate::failure::Failure;
use crate::play::{Places, Setup};

/// What the rows of a trace are.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(super) enum By {
    /// Source lines, with the steps spent in them
    Lines,
    /// Instructions, with the registers that they change
    Instructions,
}

/// Some packets of a capture, by their numbers: the first and the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packets {
    first: u64,
    last: u64,
}

impl FromStr for Packets {
    type Err = String;

    fn from_str(text: &str) -> Result<Packets, String> {
        let number = |text: &str| text.trim().parse().ok();
        let packets = match text.split_once("..") {
            Some((first, last)) => number(first).zip(number(last)),
            None => number(text).map(|n| (n, n)),
        };
        match packets {
            Some((first, last)) if first <= last => Ok(Packets { first, last }),
            _ => Err("a number is wanted, or two with `..` between them".to_string()),
        }
    }
}

/// What is traced, and how.
pub(super) struct Tracing {
    by: By,
    packets: Option<Packets>,
    places: Places,
    role: &'static str,
}

/// A row of a trace.
#[derive(Serialize)]
pub(super) struct Traced {
    /// The address of the instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pc: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<String>,
    /// Null for code that comes from no one place.
    file: Option<String>,
    line: Option<u32>,
    text: Option<String>,
    steps: u32,
    /// Numbers, `region+offset` for addresses, and null for what is undefined now.
    #[serde(skip_serializing_if = "Option::is_none")]
    registers: Option<Map<String, Value>>,
}

impl Tracing {
    pub(super) fn new(setup: &Setup, by: By, packets: Option<Packets>) -> Result<Tracing, Failure> {
        let places = setup.places();
        if by == By::Lines && !places.has_source() {
            let message = "source lines are known of source files only";
            return Err(Failure::wrong(&codes::E910, message)
                .help("`--trace=instructions` shows what an image does"));
        }
        Ok(Tracing {
            by,
            packets,
            places,
            role: setup.entry.role.text(),
        })
    }

    /// Whether this packet is traced.
    pub(super) fn takes(&self, index: u64) -> bool {
        let packets = self.packets;
        packets.is_none_or(|packets| (packets.first..=packets.last).contains(&index))
    }

    /// The trace of a packet for people.
    pub(super) fn text(
        &self,
        frame: &Frame,
        outcome: Option<&Outcome>,
        reason: Option<&str>,
        rows: &[Traced],
    ) -> String {
        let mut out = format!("packet {}, on {}:\n", frame.index, self.role);
        let mut shown = None;
        for row in rows {
            let place = match (&row.file, row.line, &row.text) {
                (Some(file), Some(line), Some(text)) => format!("{file}:{line} | {text}"),
                _ => "-".to_string(),
            };
            let (Some(pc), Some(instruction)) = (row.pc, &row.instruction) else {
                let _ = writeln!(out, "{:>7}  {place}", row.steps);
                continue;
            };
            if self.places.has_source() && shown.as_ref() != Some(&place) {
                let _ = writeln!(out, "  {place}");
                shown = Some(place);
            }
            let changes = row.registers.iter().flatten();
            let changes: Vec<String> = changes
                .map(|(name, value)| match value {
                    Value::Number(n) => format!("{name}={:#x}", n.as_u64().unwrap_or(0)),
                    Value::String(address) => format!("{name}={address}"),
                    _ => format!("{name}=?"),
                })
                .collect();
            let line = format!("{pc:6x}:  {instruction:<28}  {}", changes.join(" "));
            let _ = writeln!(out, "{}", line.trim_end());
        }
        let Some(outcome) = outcome else {
            return out + "  the handler is not run for such packets\n";
        };
        let kind = outcome.verdict.kind.text();
        let operand = match outcome.verdict.kind {
            VerdictKind::Forward | VerdictKind::Multicast | VerdictKind::Steer => {
                Some(outcome.verdict.operand.to_string())
            }
            _ => reason.map(str::to_string),
        };
        let operand = operand.map_or(String::new(), |operand| format!("({operand})"));
        let steps = outcome.steps.unwrap_or(0);
        let _ = writeln!(out, "{steps:>7}  {kind}{operand}");
        out
    }
}

/// The trace of one packet.
pub(super) struct Trace<'t> {
    tracing: &'t Tracing,
    rows: Vec<Traced>,
    /// Where the last instruction was, what had been counted before it, and the registers before it.
    last: Option<(u32, u32, Registers)>,
}

impl<'t> Trace<'t> {
    pub(super) fn new(tracing: &'t Tracing) -> Trace<'t> {
        Trace {
            tracing,
            rows: Vec::new(),
            last: None,
        }
    }

    /// Takes an instruction that is about to run.
    pub(super) fn see(&mut self, step: &Step<'_>) {
        self.done(step.steps, Some(step.registers));
        self.last = Some((step.pc, step.steps, step.registers.clone()));
    }

    /// The rows, once the run has ended.
    pub(super) fn finish(mut self, outcome: Option<&Outcome>) -> Vec<Traced> {
        if let Some(outcome) = outcome {
            self.done(outcome.steps.unwrap_or(0), None);
        }
        self.rows
    }

    /// The last instruction is done: so many steps are counted, and these are the registers.
    fn done(&mut self, steps: u32, registers: Option<&Registers>) {
        let Some((pc, before, old)) = self.last.take() else {
            return;
        };
        let places = &self.tracing.places;
        let steps = steps.saturating_sub(before);
        let line = places.line(pc);
        let (file, number) = (line.map(|l| l.file.clone()), line.map(|l| l.line));
        if self.tracing.by == By::Lines
            && let Some(row) = self.rows.last_mut()
            && (&row.file, row.line) == (&file, number)
        {
            row.steps += steps;
            return;
        }
        let mut row = Traced {
            pc: None,
            instruction: None,
            file,
            line: number,
            text: line.map(|l| l.text.clone()),
            steps,
            registers: None,
        };
        if self.tracing.by == By::Instructions {
            row.pc = Some(pc + CODE_BASE);
            row.instruction = Some(places.text(pc).to_string());
            row.registers = Some(registers.map_or(Map::new(), |new| changed(&old, new)));
        }
        self.rows.push(row);
    }
}

/// The registers that differ, with what they hold now.
fn changed(old: &Registers, new: &Registers) -> Map<String, Value> {
    let seen = |registers: &Registers, reg: Reg| match registers.number(reg) {
        Some(number) => Value::from(number),
        None => match registers.address(reg) {
            Some((region, offset)) => Value::from(format!("{}{offset:+}", short(region))),
            None => Value::Null,
        },
    };
    let all = (0..32).map(Reg);
    let changed = all.filter_map(|reg| {
        let now = seen(new, reg);
        (now != seen(old, reg)).then(|| (reg.to_string(), now))
    });
    changed.collect()
}

/// A region in one word.
fn short(region: MemoryRegion) -> String {
    match region {
        MemoryRegion::Constants => "constants".to_string(),
        MemoryRegion::Context => "context".to_string(),
        MemoryRegion::Packet => "packet".to_string(),
        MemoryRegion::Scratch => "scratch".to_string(),
        MemoryRegion::Carried => "carried".to_string(),
        MemoryRegion::Value(n) => format!("value{n}"),
    }
}
