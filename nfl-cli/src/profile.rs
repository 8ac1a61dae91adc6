//! `nflc profile`: where a handler spends its steps over a capture.
//!
//! In: a program, a world and a capture. Out: steps by source line, the hottest first, as a listing of the source, as JSON,
//! or as folded stacks for flame graphs; by instruction where the source is not known. Guaranteed: the steps of all lines add up to those
//! of all packets that `nflc run` shows; a service is part of its call.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum;
use nfl::Party;
use nfl::abi::map::CODE_BASE;
use serde::Serialize;

use crate::failure::Failure;
use crate::play::{self, Input, Places, Setup};
use crate::shell::Shell;

/// Show where a handler spends its steps over the packets of a capture
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc profile guard.nfl --pcap in.pcap\n  nflc profile router.nfl --world router.toml --pcap in.pcap --format listing\n  nflc profile guard.nfl --pcap in.pcap --format folded | flamegraph.pl > guard.svg"
)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Form::Human)]
    format: Form,
}

/// How a profile is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Form {
    /// Lines, the hottest first
    Human,
    /// The source with the steps of each line
    Listing,
    /// JSON, for programs
    Json,
    /// A line for each stack, for flame graphs
    Folded,
}

/// What is counted of a line or an instruction.
#[derive(Clone, Copy, Default)]
struct Cost {
    steps: u64,
    /// How often an instruction of it ran.
    instructions: u64,
}

/// A profile in JSON.
#[derive(Serialize)]
struct Report<'a> {
    function: &'a str,
    party: &'a str,
    on: &'a str,
    packets: u64,
    skipped: u64,
    steps: u64,
    lines: Vec<Row>,
}

/// A source line, or an instruction where the source is not known.
#[derive(Serialize)]
struct Row {
    file: Option<String>,
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pc: Option<u32>,
    text: Option<String>,
    steps: u64,
    instructions: u64,
}

impl Row {
    fn place(&self) -> String {
        match (&self.file, self.line, self.pc, &self.text) {
            (Some(file), Some(line), _, Some(text)) => format!("{file}:{line} | {text}"),
            (_, _, Some(pc), Some(text)) => format!("{pc:#x} | {text}"),
            _ => "-".to_string(),
        }
    }
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let setup = Setup::new(&args.input, shell)?;
    let places = setup.places();
    let mut node = setup.node()?;
    let pcap = &args.input.pcap;
    let (reader, _) = play::open(pcap)?;
    let mut costs: BTreeMap<u32, Cost> = BTreeMap::new();
    let (mut packets, mut skipped, mut steps) = (0, 0, 0);
    for frame in reader {
        let mut frame = frame.map_err(|error| play::capture_failure(pcap, &error))?;
        let mut last: Option<(u32, u32)> = None;
        let mut count = |last: Option<(u32, u32)>, now: u32| {
            let Some((pc, before)) = last else { return };
            let cost = costs.entry(pc).or_default();
            cost.steps += u64::from(now.saturating_sub(before));
            cost.instructions += 1;
        };
        let outcome = node.run_traced(&mut frame, |step| {
            count(last.replace((step.pc, step.steps)), step.steps);
        })?;
        match outcome {
            Some(outcome) => {
                // A run that is traced is interpreted, and the interpreter counts.
                let taken = outcome.steps.unwrap_or(0);
                count(last, taken);
                packets += 1;
                steps += u64::from(taken);
            }
            None => skipped += 1,
        }
        // What was told is of no interest here, and must not fill the node.
        let mut state = node.instance.state_mut();
        state.take_logs();
        state.take_reports();
    }
    let report = Report {
        function: Party::function(&setup.image.manifest),
        party: Party::of(&setup.image.manifest).text(),
        on: setup.entry.role.text(),
        packets,
        skipped,
        steps,
        lines: rows(&costs, &places),
    };
    match args.format {
        Form::Human => shell.print(report.table()),
        Form::Listing => shell.print(report.listing(&setup, &places)),
        Form::Json => shell.json(&report),
        Form::Folded => shell.print(report.folded()),
    }
}

/// The lines, the hottest first, then those further up.
fn rows(costs: &BTreeMap<u32, Cost>, places: &Places) -> Vec<Row> {
    let mut by_place: BTreeMap<_, (Cost, u32)> = BTreeMap::new();
    for (&pc, cost) in costs {
        let line = places.line(pc);
        let alone = (!places.has_source()).then_some(pc);
        let (sum, _) = by_place
            .entry((line, alone))
            .or_insert((Cost::default(), pc));
        sum.steps += cost.steps;
        sum.instructions += cost.instructions;
    }
    let row = |((line, alone), (cost, _)): ((Option<&play::SourceLine>, Option<u32>), _)| {
        let Cost {
            steps,
            instructions,
        }: Cost = cost;
        Row {
            file: line.map(|l| l.file.clone()),
            line: line.map(|l| l.line),
            pc: alone.map(|pc| pc + CODE_BASE),
            text: line
                .map(|l| l.text.clone())
                .or_else(|| alone.map(|pc| places.text(pc).to_string())),
            steps,
            instructions,
        }
    };
    let mut rows: Vec<Row> = by_place.into_iter().map(row).collect();
    rows.sort_by_key(|row| Reverse(row.steps));
    rows
}

impl Report<'_> {
    fn head(&self) -> String {
        let Report {
            function,
            party,
            on,
            packets,
            skipped,
            steps,
            ..
        } = self;
        let skipped = match skipped {
            0 => String::new(),
            n => format!(", {n} skipped"),
        };
        format!("{function}.{party}, on {on}: {packets} packets{skipped}, {steps} steps\n")
    }

    /// So many steps, as a part of all.
    fn share(&self, steps: u64) -> String {
        match self.steps {
            0 => "-".to_string(),
            all => format!("{:.1} %", steps as f64 * 100.0 / all as f64),
        }
    }

    fn table(&self) -> String {
        let mut out = self.head() + "\n";
        let _ = writeln!(out, "{:>10} {:>8}  line", "steps", "share");
        for row in &self.lines {
            let share = self.share(row.steps);
            let _ = writeln!(out, "{:>10} {share:>8}  {}", row.steps, row.place());
        }
        out
    }

    /// The source files that the handler ran through, with the steps of each line. Without source: its code.
    fn listing(&self, setup: &Setup, places: &Places) -> String {
        let mut out = self.head();
        if !places.has_source() {
            let _ = writeln!(out);
            let mut rows: Vec<&Row> = self.lines.iter().collect();
            rows.sort_by_key(|row| row.pc);
            for row in rows {
                let _ = writeln!(out, "{:>10}  {}", row.steps, row.place());
            }
            return out;
        }
        for (name, text) in setup.files() {
            let steps: BTreeMap<u32, u64> = self
                .lines
                .iter()
                .filter(|row| row.file.as_deref() == Some(name))
                .filter_map(|row| Some((row.line?, row.steps)))
                .collect();
            if steps.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n{name}:");
            for (number, line) in (1..).zip(text.lines()) {
                let spent = steps.get(&number).map_or(String::new(), u64::to_string);
                let line = format!("{spent:>10} {number:>5} | {line}");
                let _ = writeln!(out, "{}", line.trim_end());
            }
        }
        if let Some(row) = self.lines.iter().find(|row| row.file.is_none()) {
            let _ = writeln!(out, "\n{:>10}       | of no one line", row.steps);
        }
        out
    }

    /// `Guard;ingress;guard.nfl:7 120`, in the order of the lines.
    fn folded(&self) -> String {
        let mut lines: Vec<String> = self
            .lines
            .iter()
            .map(|row| {
                let place = match (&row.file, row.line, row.pc) {
                    (Some(file), Some(line), _) => format!("{file}:{line}"),
                    (_, _, Some(pc)) => format!("{pc:#x}"),
                    _ => "-".to_string(),
                };
                format!("{};{};{place} {}\n", self.function, self.on, row.steps)
            })
            .collect();
        lines.sort();
        lines.concat()
    }
}
