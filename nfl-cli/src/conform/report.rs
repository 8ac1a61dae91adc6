//! What came of the vectors, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use nfl::abi::ABI_VERSION;
use nfl::conform::{Group, Hello, Suite, VERSION};
use serde::Serialize;

use crate::table::Table;

/// Differences that are told; all are counted.
const SHOWN: usize = 10;

/// What came of one vector.
pub(super) enum Judged {
    Passed,
    Failed(Different),
    /// Why it was not tried.
    Skipped(String),
}

/// A vector that failed.
#[derive(Serialize)]
pub(super) struct Different {
    pub(super) vector: String,
    pub(super) what: String,
    /// Where the engine goes another way, when it says which way it went.
    pub(super) control: Option<String>,
}

/// The report on an engine.
#[derive(Serialize)]
pub(super) struct Report {
    engine: String,
    version: String,
    command: String,
    targets: Vec<String>,
    nflc: &'static str,
    /// The version of the machine.
    machine: u32,
    /// The version of the vectors and of the protocol.
    conformance: u32,
    vectors: usize,
    /// CRC-32C of the file of the vectors.
    crc32c: String,
    passed: u64,
    pub(super) failed: u64,
    skipped: u64,
    groups: Vec<Count>,
    /// Reasons, with the number of vectors that were not tried.
    reasons: BTreeMap<String, u64>,
    /// The first vectors that failed.
    differences: Vec<Different>,
}

#[derive(Serialize)]
struct Count {
    #[serde(skip)]
    group: Group,
    name: &'static str,
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Report {
    /// A report without results.
    pub(super) fn new(hello: &Hello, command: &str, suite: &Suite, crc32c: u32) -> Report {
        let there = |group: &Group| suite.vectors.iter().any(|v| v.group == *group);
        let groups = Group::ALL.iter().copied().filter(there);
        Report {
            engine: hello.engine.clone(),
            version: hello.version.clone(),
            command: command.to_string(),
            targets: hello.targets.clone(),
            nflc: env!("CARGO_PKG_VERSION"),
            machine: ABI_VERSION,
            conformance: VERSION,
            vectors: suite.vectors.len(),
            crc32c: format!("{crc32c:08x}"),
            passed: 0,
            failed: 0,
            skipped: 0,
            groups: groups
                .map(|group| Count {
                    group,
                    name: group.text(),
                    passed: 0,
                    failed: 0,
                    skipped: 0,
                })
                .collect(),
            reasons: BTreeMap::new(),
            differences: Vec::new(),
        }
    }

    /// Adds what came of a vector.
    pub(super) fn add(&mut self, group: Group, judged: Judged) {
        let count = self.groups.iter_mut().find(|count| count.group == group);
        let (all, of_group) = match &judged {
            Judged::Passed => (&mut self.passed, count.map(|count| &mut count.passed)),
            Judged::Failed(_) => (&mut self.failed, count.map(|count| &mut count.failed)),
            Judged::Skipped(_) => (&mut self.skipped, count.map(|count| &mut count.skipped)),
        };
        *all += 1;
        if let Some(of_group) = of_group {
            *of_group += 1;
        }
        match judged {
            Judged::Passed => {}
            Judged::Failed(different) if self.differences.len() < SHOWN => {
                self.differences.push(different);
            }
            Judged::Failed(_) => {}
            Judged::Skipped(reason) => *self.reasons.entry(reason).or_default() += 1,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "engine   {} {}", self.engine, self.version)?;
        writeln!(out, "targets  {}", self.targets.join(", "))?;
        writeln!(
            out,
            "vectors  {} of version {}, machine {}, CRC-32C {}",
            self.vectors, self.conformance, self.machine, self.crc32c
        )?;
        let mut table = Table::new(&["group", "passed", "failed", "skipped"]);
        for count in &self.groups {
            let numbers = [count.passed, count.failed, count.skipped];
            let cells = numbers.map(|number| number.to_string());
            table.row([vec![count.name.to_string()], cells.to_vec()].concat());
        }
        write!(out, "{table}")?;
        for (reason, vectors) in &self.reasons {
            writeln!(out, "skipped: {vectors} vectors: {reason}")?;
        }
        for different in &self.differences {
            writeln!(out, "FAILED {}: {}", different.vector, different.what)?;
            if let Some(control) = &different.control {
                writeln!(out, "  {control}")?;
            }
        }
        let told = self.differences.len() as u64;
        if self.failed > told {
            writeln!(out, "and {} more", self.failed - told)?;
        }
        Ok(())
    }
}
