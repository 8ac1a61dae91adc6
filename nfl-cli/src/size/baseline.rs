//! Sizes that were saved, and what has changed since.
//!
//! In: a file that `--save` wrote, and the sizes now. Out: what each handler, and each line, takes more or less; a failure when
//! a handler takes too many more. Guaranteed: handlers are told apart by function, role, party and target, and where all these
//! are equal by their order; lines by their file and text, so that a line which only moves has not changed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use nfl::Diagnostic;
use nfl::abi::codes;
use serde::{Deserialize, Serialize};

use super::Row;
use super::lines::Line;
use crate::args::Format;
use crate::failure::{Exit, Failure};
use crate::shell::Shell;
use crate::table::Table;

/// The sizes of some images.
#[derive(Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) handlers: Vec<Row>,
    /// None of images that are not made of source.
    pub(super) lines: Vec<Line>,
}

impl Baseline {
    /// Reads what `--save` wrote.
    pub(super) fn read(file: &Path) -> Result<Baseline, Failure> {
        let bytes = std::fs::read(file).map_err(|error| Failure::read(file, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("`{}` holds no sizes: {error}", file.display());
            Failure::wrong(&codes::E910, message).help("`nflc size --save FILE` writes such files")
        })
    }

    /// The text of the file, with a line for each number, for reviews.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        bytes.push(b'\n');
        bytes
    }
}

impl Row {
    /// What a handler takes of a packet or a node: code and constants.
    fn bytes(&self) -> u64 {
        self.code + self.constants
    }
}

/// A handler before and now.
#[derive(Serialize)]
struct Change<'a> {
    function: &'a str,
    on: &'a str,
    party: &'a str,
    target: &'a str,
    /// Bytes of code and constants in the baseline; nothing for a new handler.
    before: Option<u64>,
    /// The same now; nothing for a handler that is gone.
    now: Option<u64>,
    steps_before: Option<u64>,
    steps_now: Option<u64>,
}

/// A line before and now.
#[derive(Serialize)]
struct LineChange<'a> {
    function: &'a str,
    party: &'a str,
    target: &'a str,
    file: &'a Option<String>,
    /// Where the line is now, or was.
    line: Option<u32>,
    text: &'a Option<String>,
    before: u64,
    now: u64,
}

/// The handlers in the order they are in now, then those that are gone.
fn changes<'a>(before: &'a Baseline, now: &'a Baseline) -> Vec<Change<'a>> {
    let old = keyed(&before.handlers);
    let new = keyed(&now.handlers);
    let mut keys: Vec<Key> = new.iter().map(|(key, _)| *key).collect();
    let gone = old.iter().map(|(key, _)| *key);
    let gone: Vec<Key> = gone.filter(|key| !keys.contains(key)).collect();
    keys.extend(gone);
    let [old, new] = [old, new].map(|rows| rows.into_iter().collect::<BTreeMap<_, _>>());
    let change = |key: Key<'a>| {
        let ([function, on, party, target], _) = key;
        let [was, is] = [&old, &new].map(|rows| rows.get(&key).copied());
        Change {
            function,
            on,
            party,
            target,
            before: was.map(Row::bytes),
            now: is.map(Row::bytes),
            steps_before: was.map(|row| row.steps),
            steps_now: is.map(|row| row.steps),
        }
    };
    keys.into_iter().map(change).collect()
}

/// Function, role, party and target, and how many of these went before.
type Key<'a> = ([&'a str; 4], usize);

fn keyed(rows: &[Row]) -> Vec<(Key<'_>, &Row)> {
    let mut seen: BTreeMap<[&str; 4], usize> = BTreeMap::new();
    let keyed = rows.iter().map(|row| {
        let key = [&row.function, &row.on, &row.party, &row.target].map(String::as_str);
        let count = seen.entry(key).or_default();
        *count += 1;
        ((key, *count), row)
    });
    keyed.collect()
}

/// The lines whose bytes are not what they were, those that grew most first.
fn line_changes<'a>(before: &'a Baseline, now: &'a Baseline) -> Vec<LineChange<'a>> {
    let mut sums: BTreeMap<_, LineChange> = BTreeMap::new();
    let sides = [(&before.lines, false), (&now.lines, true)];
    for (line, is_now) in sides
        .into_iter()
        .flat_map(|(lines, is_now)| lines.iter().map(move |line| (line, is_now)))
    {
        let image = [&line.function, &line.party, &line.target];
        let change = sums
            .entry((image, &line.file, &line.text))
            .or_insert(LineChange {
                function: &line.function,
                party: &line.party,
                target: &line.target,
                file: &line.file,
                line: line.line,
                text: &line.text,
                before: 0,
                now: 0,
            });
        match is_now {
            true => {
                change.line = line.line;
                change.now += line.bytes;
            }
            false => change.before += line.bytes,
        }
    }
    let mut changes: Vec<LineChange> = sums.into_values().filter(|c| c.before != c.now).collect();
    changes.sort_by_key(|change| {
        let grown = difference(change.before, change.now);
        (std::cmp::Reverse(grown), change.line)
    });
    changes
}

fn difference(before: u64, now: u64) -> i128 {
    i128::from(now) - i128::from(before)
}

/// Prints what has changed.
pub(super) fn report(
    before: &Baseline,
    now: &Baseline,
    lines: bool,
    format: Format,
    shell: &mut Shell,
) -> Result<(), Failure> {
    match (format, lines) {
        (Format::Json, false) => shell.json(&changes(before, now)),
        (Format::Json, true) => shell.json(&line_changes(before, now)),
        (Format::Human, false) => shell.print(table(&changes(before, now))),
        (Format::Human, true) => {
            shell.print(table(&changes(before, now)))?;
            shell.print(listing(&line_changes(before, now)))
        }
    }
}

fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(&[
        "function", "on", "party", "before", "now", "change", "steps", "now", "change",
    ]);
    let signed = |before: Option<u64>, now: Option<u64>| match (before, now) {
        (Some(before), Some(now)) if before == now => "=".to_string(),
        (Some(before), Some(now)) => format!("{:+}", difference(before, now)),
        (None, _) => "new".to_string(),
        (_, None) => "gone".to_string(),
    };
    let number = |n: Option<u64>| n.map_or("-".to_string(), |n| n.to_string());
    for change in changes {
        let texts = [change.function, change.on, change.party].map(str::to_string);
        let bytes = (change.before, change.now);
        let steps = (change.steps_before, change.steps_now);
        let numbers = [bytes, steps]
            .into_iter()
            .flat_map(|(before, now)| [number(before), number(now), signed(before, now)]);
        table.row(texts.into_iter().chain(numbers));
    }
    table
}

fn listing(changes: &[LineChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let grown = difference(change.before, change.now);
        let place = match (change.file, change.line, change.text) {
            (Some(file), Some(line), Some(text)) => format!("{file}:{line} | {text}"),
            _ => "-".to_string(),
        };
        let image = format!("{}.{}", change.function, change.party);
        let _ = writeln!(text, "{grown:+6}  {image}  {place}");
    }
    text
}

/// Fails when a handler takes more bytes than before, and more of them than may be.
pub(super) fn judge(before: &Baseline, now: &Baseline, allowed: u64) -> Result<(), Failure> {
    let changes = changes(before, now).into_iter();
    let grown = changes.filter_map(|change| {
        let (before, now) = (change.before?, change.now?);
        let growth = now.checked_sub(before)?;
        (growth > allowed).then(|| {
            let Change { function, on, .. } = change;
            let message =
                format!("`{function}` on {on} takes {now} bytes, {growth} more than before");
            Diagnostic::bare(&codes::E915, message)
        })
    });
    let mut grown: Vec<Diagnostic> = grown.collect();
    let Some(last) = grown.pop() else {
        return Ok(());
    };
    let help = "allow it once with --allow-growth BYTES, or write a new baseline with --save alone";
    grown.push(last.help(help));
    Err(Failure {
        diagnostics: grown,
        ..Failure::said(Exit::Wrong)
    })
}
