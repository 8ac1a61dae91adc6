//! Breaks the byte verifier, one seeded edit at a time, and says which edits its tests do not notice.
//!
//! In: the edits of `tests/unsound`, or those whose titles or files contain one of the words that are named. Out: a line
//! for each edit, and the share that is killed. The status is 1 when that is less than 95 in a hundred, or when an edit does
//! not apply or build, or when the verifier as it is fails a test. The tests run in copies of the workspace below `target`:
//! first those of the verifier's crate; an edit that survives them is handed to the campaign of state containment, for a few
//! minutes. `--quick` leaves that out.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nfl_tests::root;
use nfl_tests::unsound::{Edit, edits};

/// The share of edits that tests must kill, in percent.
const BAR: usize = 95;

/// A name, arguments of `cargo`, and minutes until it counts as a failure.
type Test = (&'static str, &'static [&'static str], u64);

/// What is run over an edited verifier.
const TESTS: &[Test] = &[
    ("cases", &["test", "-p", "nfl-verify", "--test", "cases"], 5),
    ("random states", &["test", "-p", "nfl-verify", "--lib"], 5),
    (
        "small words",
        &["test", "-p", "nfl-verify", "--test", "transfer"],
        5,
    ),
    (
        "properties",
        &["test", "-p", "nfl-verify", "--test", "properties"],
        5,
    ),
    (
        "containment",
        &[
            "test",
            "-p",
            "nfl-tests",
            "--test",
            "all",
            "--",
            "contain",
            "marked",
        ],
        20,
    ),
];

/// So many of them are of the verifier's own crate, and take little time.
const QUICK: usize = 4;

/// Minutes for the verifier as it is.
const FIRST: u64 = 60;

/// Seeds of the campaign.
const SEEDS: &str = "400";

/// Copies of the workspace in which edits are tried at the same time.
const COPIES: usize = 2;

fn main() -> ExitCode {
    let (options, words): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with("--"));
    let tests = match options.as_slice() {
        [] => TESTS,
        [option] if option == "--quick" => &TESTS[..QUICK],
        _ => {
            say("usage: unsound [--quick] [WORD…]");
            return ExitCode::from(2);
        }
    };
    let named = |edit: &Edit| {
        words.is_empty()
            || words
                .iter()
                .any(|word| edit.title.contains(word) || edit.path.contains(word))
    };
    let mut edits = edits();
    edits.retain(named);
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    let as_it_is = std::thread::scope(|scope| {
        let copies = (0..COPIES.min(edits.len())).map(|number| {
            let tree = root().join(format!("target/unsound/{number}"));
            scope.spawn({
                let (edits, next, tally) = (&edits, &next, &tally);
                move || work(&tree, tests, edits, next, tally)
            })
        });
        let copies: Vec<_> = copies.collect();
        copies
            .into_iter()
            .all(|copy| copy.join().is_ok_and(|passed| passed))
    });
    let Ok(tally) = tally.into_inner() else {
        return ExitCode::FAILURE;
    };
    let all = tally.killed + tally.survived;
    let percent = (tally.killed * 100).checked_div(all).unwrap_or(0);
    say(&format!(
        "{} of {all} edits killed, {percent} %; {} do not apply or build",
        tally.killed, tally.broken
    ));
    ExitCode::from(u8::from(!as_it_is || percent < BAR || tally.broken > 0))
}

/// How many edits came to which end.
#[derive(Default)]
struct Tally {
    killed: usize,
    survived: usize,
    broken: usize,
}

/// Tries edits in one copy until none is left; gives back whether the verifier passes as it is.
fn work(
    tree: &Path,
    tests: &[Test],
    edits: &[Edit],
    next: &AtomicUsize,
    tally: &Mutex<Tally>,
) -> bool {
    copy(&root(), tree);
    // All that the tests need is built first, which takes longer than any edit.
    if let Some((name, ..)) = tests.iter().find(|test| !passes(tree, test.1, FIRST)) {
        say(&format!("the verifier as it is fails: {name}"));
        return false;
    }
    while let Some(edit) = edits.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = Instant::now();
        let fate = fate(edit, tree, tests);
        let after = start.elapsed().as_secs();
        let Ok(mut tally) = tally.lock() else {
            return false;
        };
        let what = match fate {
            Fate::Killed(by) => {
                tally.killed += 1;
                format!("killed by {by}")
            }
            Fate::Survived => {
                tally.survived += 1;
                "SURVIVED".to_string()
            }
            Fate::Broken(why) => {
                tally.broken += 1;
                format!("NO EDIT: {why}")
            }
        };
        say(&format!(
            "{what:24} {after:4} s  {}: {} ({})",
            edit.path, edit.title, edit.lemma
        ));
    }
    true
}

/// A line on standard output; who closed it does not want to know.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// What became of an edit.
enum Fate {
    Killed(&'static str),
    Survived,
    /// It says nothing about the tests.
    Broken(String),
}

/// Applies an edit, runs the tests until one fails, and takes the edit back.
fn fate(edit: &Edit, tree: &Path, tests: &[Test]) -> Fate {
    let path = tree.join(&edit.path);
    let Ok(source) = fs::read_to_string(&path) else {
        return Fate::Broken("there is no such file".to_string());
    };
    let changed = match edit.apply(&source) {
        Ok(changed) => changed,
        Err(places) => return Fate::Broken(format!("{places} places")),
    };
    if fs::write(&path, changed).is_err() {
        return Fate::Broken("the copy cannot be written".to_string());
    }
    let build = ["test", "--no-run", "-p", "nfl-verify", "--test", "cases"];
    let fate = if passes(tree, &build, 5) {
        let failing = tests
            .iter()
            .find(|(_, arguments, minutes)| !passes(tree, arguments, *minutes));
        failing.map_or(Fate::Survived, |(name, ..)| Fate::Killed(name))
    } else {
        Fate::Broken("it does not build".to_string())
    };
    match fs::write(&path, source) {
        Ok(()) => fate,
        Err(_) => Fate::Broken("the copy cannot be restored".to_string()),
    }
}

/// Whether `cargo` succeeds in the copy within some minutes.
fn passes(tree: &Path, arguments: &[&str], minutes: u64) -> bool {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(tree)
        .args(["--quiet", "--offline"])
        .args(arguments)
        .env("CARGO_TARGET_DIR", tree.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("NFL_SEEDS", SEEDS)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let end = Instant::now() + Duration::from_mins(minutes);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Copies every file of the workspace that has another text than its copy. Times of the others stay, so that little is built
/// again.
fn copy(from: &Path, to: &Path) {
    let skipped = [".git", "target", "book"];
    let entries = fs::read_dir(from).into_iter().flatten().flatten();
    fs::create_dir_all(to).expect("the copy's directory can be made");
    for entry in entries {
        let name = entry.file_name();
        let (from, to): (PathBuf, PathBuf) = (entry.path(), to.join(&name));
        if skipped.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if from.is_dir() {
            copy(&from, &to);
        } else {
            let text = fs::read(&from).expect("files of the workspace can be read");
            if fs::read(&to).ok().as_ref() != Some(&text) {
                fs::write(&to, text).expect("the copy can be written");
            }
        }
    }
}
