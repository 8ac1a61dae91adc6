//! Breaks the examples, one mistake at a time, and says which mistakes their tests do not notice.
//!
//! In: `examples`, or the files and directories that are named. Out: a line for each mutant that
//! survives, and the shares. The status is 1 when less than nine in ten are killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nfl_tests::mutants::{Fate, Tally, fate, has_tests, mutants};
use nfl_tests::root;

/// The share of mutants that tests must kill, in percent.
const BAR: usize = 90;

fn main() -> ExitCode {
    let named: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let places = if named.is_empty() {
        vec![root().join("examples")]
    } else {
        named
    };
    let mut files = Vec::new();
    places.iter().for_each(|place| walk(place, &mut files));
    let mut all = Tally::default();
    for file in files.iter().filter(|file| has_tests(file)) {
        let tally = run(file);
        say(&format!(
            "{:3} % of {:3} mutants killed, {:3} do not compile: {}",
            tally.percent(),
            tally.killed + tally.survived,
            tally.stillborn,
            file.display()
        ));
        all.killed += tally.killed;
        all.survived += tally.survived;
        all.stillborn += tally.stillborn;
    }
    say(&format!(
        "{} % of {} mutants killed, {} do not compile",
        all.percent(),
        all.killed + all.survived,
        all.stillborn
    ));
    ExitCode::from(u8::from(all.percent() < BAR))
}

/// A line on standard output; who closed it does not want to know.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The source files at a place, in the order of their paths.
fn walk(place: &Path, into: &mut Vec<PathBuf>) {
    if !place.is_dir() {
        into.push(place.to_path_buf());
        return;
    }
    let entries = std::fs::read_dir(place).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|e| e == "nfl") {
            into.push(path);
        }
    }
}

/// Runs the mutants of a file on all cores, and shows the survivors in the order of the source.
fn run(file: &Path) -> Tally {
    let mutants = mutants(file);
    let next = AtomicUsize::new(0);
    let fates: Vec<Mutex<Option<Fate>>> = mutants.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some((mutant, slot)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    mutants.get(at).zip(fates.get(at))
                } {
                    let found = fate(mutant);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(found);
                    }
                }
            });
        }
    });
    let mut tally = Tally::default();
    for (mutant, fate) in mutants.iter().zip(fates) {
        let Some(fate) = fate.into_inner().ok().flatten() else {
            continue;
        };
        tally.count(fate);
        if fate == Fate::Survived {
            let (line, column) = mutant.place;
            say(&format!(
                "  {}:{line}:{column}: {}",
                mutant.path, mutant.change
            ));
        }
    }
    tally
}
