//! What a campaign has found so far, and the file it is kept in.
//!
//! In: counts and times of blocks. Out: a report that people read, that differs in a line where a count
//! differs, and that a campaign goes on from. Guaranteed: counts depend on seeds and on the code alone;
//! what depends on the machine stands in a section of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// How long something took, in buckets of an eighth of a power of two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    buckets: [u64; Histogram::BUCKETS],
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            buckets: [0; Histogram::BUCKETS],
        }
    }
}

impl Histogram {
    const BUCKETS: usize = 320;

    /// Adds a time in nanoseconds.
    pub fn add(&mut self, ns: u64) {
        let bucket = Histogram::bucket(ns);
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    fn bucket(ns: u64) -> usize {
        let ns = ns.max(8);
        let power = ns.ilog2();
        ((power - 3) * 8 + (ns >> (power - 3) & 7) as u32) as usize
    }

    /// The first number that is above all of a bucket.
    fn above(bucket: usize) -> u64 {
        let (power, part) = (bucket as u32 / 8, bucket as u64 % 8);
        (9 + part) << power
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// A bound for the smallest so many in a thousand.
    pub fn at_most(&self, permille: u64) -> u64 {
        let wanted = (self.count() * permille).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return Histogram::above(bucket);
            }
        }
        0
    }

    fn text(&self) -> String {
        let used = self.buckets.iter().enumerate().filter(|(_, n)| **n > 0);
        let parts: Vec<String> = used.map(|(at, n)| format!("{at}:{n}")).collect();
        parts.join(" ")
    }

    fn parse(text: &str) -> Histogram {
        let mut all = Histogram::default();
        for (at, n) in text.split(' ').filter_map(|part| part.split_once(':')) {
            let slot = at
                .parse()
                .ok()
                .and_then(|at: usize| all.buckets.get_mut(at));
            if let (Some(slot), Ok(n)) = (slot, n.parse()) {
                *slot = n;
            }
        }
        all
    }
}

/// Everything a campaign has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// What the campaign was asked for: its seed and its parts.
    pub asked: BTreeMap<String, String>,
    /// Blocks that are done: all before this one.
    pub blocks: u64,
    /// Counts by name.
    pub counts: BTreeMap<String, u64>,
    /// Times by name.
    pub times: BTreeMap<String, Histogram>,
    /// Other lines that depend on the machine.
    pub machine: BTreeMap<String, String>,
    /// What went wrong, one line each.
    pub violations: Vec<String>,
}

/// Violations that are written down; the others are counted.
const TOLD_MAX: usize = 40;

impl Totals {
    /// Adds to a count.
    pub fn count(&mut self, name: &str, by: u64) {
        match self.counts.get_mut(name) {
            Some(count) => *count += by,
            None => {
                self.counts.insert(name.to_string(), by);
            }
        }
    }

    /// A count.
    pub fn get(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Adds what went wrong.
    pub fn violation(&mut self, oracle: &str, what: String) {
        self.count(&format!("{oracle}.violations"), 1);
        if self.violations.len() < TOLD_MAX {
            // A line of the report, which nobody needs to take apart.
            let line = what.replace('\n', " | ").replace(['"', '\\'], "'");
            self.violations.push(format!("{oracle}: {line}"));
        }
    }

    /// All violations there were.
    pub fn violated(&self) -> u64 {
        let counts = self.counts.iter();
        counts
            .filter(|(name, _)| name.ends_with(".violations"))
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds what another one has found.
    pub fn merge(&mut self, other: Totals) {
        self.blocks += other.blocks;
        for (name, by) in &other.counts {
            self.count(name, *by);
        }
        for (name, times) in &other.times {
            self.times.entry(name.clone()).or_default().merge(times);
        }
        self.machine.extend(other.machine);
        let room = TOLD_MAX.saturating_sub(self.violations.len());
        self.violations
            .extend(other.violations.into_iter().take(room));
    }

    /// The report: a table for people as comments, and what a campaign goes on from, as TOML.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for line in self.table().lines() {
            let _ = writeln!(out, "# {line}");
        }
        let quoted = |out: &mut String, lines: &BTreeMap<String, String>| {
            for (name, value) in lines {
                let _ = writeln!(out, "\"{name}\" = \"{value}\"");
            }
        };
        let _ = writeln!(out, "\n[campaign]\nblocks = {}", self.blocks);
        quoted(&mut out, &self.asked);
        let _ = writeln!(out, "\n[counts]");
        for (name, count) in &self.counts {
            let _ = writeln!(out, "\"{name}\" = {count}");
        }
        let _ = writeln!(out, "\n[violations]");
        for (at, what) in self.violations.iter().enumerate() {
            let _ = writeln!(out, "\"{at}\" = \"{what}\"");
        }
        let _ = writeln!(out, "\n# What follows depends on the machine.\n[times]");
        for (name, times) in &self.times {
            let _ = writeln!(out, "\"{name}\" = \"{}\"", times.text());
        }
        let _ = writeln!(out, "\n[machine]");
        quoted(&mut out, &self.machine);
        out
    }

    /// Reads a report again.
    ///
    /// # Errors
    ///
    /// A sentence when it is not one.
    pub fn parse(text: &str) -> Result<Totals, String> {
        let mut totals = Totals::default();
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = match name {
                    "campaign" | "counts" | "violations" | "times" | "machine" => name,
                    other => return Err(format!("a section `{other}`")),
                };
                continue;
            }
            let (name, value) = line.split_once(" = ").ok_or("a line without a value")?;
            let name = name.trim_matches('"').to_string();
            let number = || value.parse::<u64>().map_err(|e| format!("{name}: {e}"));
            let text = || value.trim_matches('"').to_string();
            match (section, name.as_str()) {
                ("campaign", "blocks") => totals.blocks = number()?,
                ("campaign", _) => {
                    totals.asked.insert(name, text());
                }
                ("counts", _) => {
                    let count = number()?;
                    totals.counts.insert(name, count);
                }
                ("violations", _) => totals.violations.push(text()),
                ("times", _) => {
                    totals.times.insert(name, Histogram::parse(&text()));
                }
                ("machine", _) => {
                    totals.machine.insert(name, text());
                }
                _ => return Err("a line before any section".into()),
            }
        }
        Ok(totals)
    }

    /// Writes the report in one step, so that whoever interrupts it finds the one before.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let beside = path.with_extension("part");
        std::fs::write(&beside, self.text())?;
        std::fs::rename(&beside, path)
    }

    /// What people want to know.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.asked.iter().chain(&self.machine) {
            let _ = writeln!(out, "{name:24} {value}");
        }
        let _ = writeln!(out, "{:24} {}\n", "blocks", self.blocks);
        self.generators(&mut out);
        self.oracles(&mut out);
        self.changes(&mut out);
        for (title, prefix) in [
            ("Programs", "programs."),
            ("Host code", "host."),
            ("The second checker", "second."),
            ("The emulator", "emulator."),
        ] {
            let rows: Vec<_> = self
                .counts
                .iter()
                .filter(|(n, _)| n.starts_with(prefix))
                .collect();
            if !rows.is_empty() {
                let _ = writeln!(out, "{title}");
                for (name, count) in rows {
                    let _ = writeln!(out, "  {:30} {count:>14}", &name[prefix.len()..]);
                }
                out.push('\n');
            }
        }
        self.tightness(&mut out);
        if !self.times.is_empty() {
            let _ = writeln!(
                out,
                "{:30} {:>12} {:>9} {:>9} {:>9}",
                "Time of a proof, µs", "proofs", "p50", "p99", "p99.9"
            );
            for (name, times) in &self.times {
                let us = |permille| times.at_most(permille) as f64 / 1000.0;
                let _ = writeln!(
                    out,
                    "{name:30} {:>12} {:>9.1} {:>9.1} {:>9.1}",
                    times.count(),
                    us(500),
                    us(990),
                    us(999)
                );
            }
            out.push('\n');
        }
        let _ = writeln!(out, "{} violations", self.violated());
        out
    }

    fn generators(&self, out: &mut String) {
        let columns = [
            "tried",
            "discarded",
            "decoded",
            "accepted",
            "run",
            "packets",
            "steps",
            "wrong",
        ];
        let rows: Vec<&str> = ["g1", "g2", "g3", "g4"]
            .into_iter()
            .filter(|g| self.get(&format!("{g}.tried")) > 0)
            .collect();
        if rows.is_empty() {
            return;
        }
        let _ = write!(out, "{:10}", "Generator");
        for column in columns {
            let _ = write!(out, " {column:>14}");
        }
        out.push('\n');
        let mut sums = [0; 8];
        for row in rows {
            let _ = write!(out, "{row:10}");
            for (sum, column) in sums.iter_mut().zip(columns) {
                let count = self.get(&format!("{row}.{column}"));
                *sum += count;
                let _ = write!(out, " {count:>14}");
            }
            out.push('\n');
        }
        let _ = write!(out, "{:10}", "all");
        for sum in sums {
            let _ = write!(out, " {sum:>14}");
        }
        out.push_str("\n\n");
        let run = sums[4];
        if run > 0 && self.violated() == 0 {
            let bound = 3.0 / run as f64;
            let _ = writeln!(
                out,
                "No violation in {run} accepted images that were run: at 95 % fewer than {bound:.1e} of them have one.\n"
            );
        }
    }

    fn oracles(&self, out: &mut String) {
        const ORACLES: [(&str, &str); 9] = [
            ("o1", "no fault"),
            ("o2", "steps within the bound"),
            ("o3", "scratch within its bounds"),
            ("o4", "nothing that was not granted"),
            ("o5", "states within what is known"),
            ("o6", "the verifier answers, in one pass"),
            ("o7", "the second checker agrees"),
            ("o8", "the emulator agrees"),
            ("o9", "host and flat code leave the same"),
        ];
        let _ = writeln!(out, "{:40} {:>16} {:>11}", "Oracle", "checks", "violations");
        for (name, what) in ORACLES {
            let checks = self.get(&format!("{name}.checks"));
            let violations = self.get(&format!("{name}.violations"));
            let _ = writeln!(out, "{name} {what:37} {checks:>16} {violations:>11}");
        }
        out.push('\n');
    }

    fn changes(&self, out: &mut String) {
        let rows = self.counts.iter().filter_map(|(name, count)| {
            let kind = name.strip_prefix("change.")?.strip_suffix(".tried")?;
            Some((kind, count))
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(out, "{:14} {:>14} {:>14}", "Change", "tried", "accepted");
        for (kind, tried) in rows {
            let accepted = self.get(&format!("change.{kind}.accepted"));
            let _ = writeln!(out, "{kind:14} {tried:>14} {accepted:>14}");
        }
        out.push('\n');
    }

    /// The bound of each handler of the examples beside the longest run that was found.
    fn tightness(&self, out: &mut String) {
        let rows = self.counts.iter().filter_map(|(name, bound)| {
            let handler = name.strip_prefix("tight.")?.strip_suffix(".bound")?;
            let seen = self.get(&format!("tight.{handler}.seen")).max(1);
            Some((*bound as f64 / seen as f64, handler, *bound, seen))
        });
        let mut rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return;
        }
        rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let _ = writeln!(
            out,
            "{:62} {:>8} {:>8} {:>6}",
            "Bound and longest run found, in steps", "bound", "run", "ratio"
        );
        for (ratio, handler, bound, seen) in &rows {
            let _ = writeln!(out, "{handler:62} {bound:>8} {seen:>8} {ratio:>6.3}");
        }
        let at = |permille: usize| rows[rows.len() - 1 - (rows.len() - 1) * permille / 1000].0;
        let _ = writeln!(
            out,
            "median {:.3}, nine in ten at most {:.3}\n",
            at(500),
            at(900)
        );
    }
}
