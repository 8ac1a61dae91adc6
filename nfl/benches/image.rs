//! How long it takes from a source file to its images, for each handler, at `-Os` and at `-Oz`.
//!
//! In: the examples of the repository that need no values for parameters. Out: for each the median, least and greatest time of
//! several runs of one compiler, divided by the number of handlers, and the bytes of code and constants, and at last
//! the median, least and greatest of all, for people to read. Before each run the file is changed, those beside it are not:
//! `cargo bench -p nfl --bench image`, with a part of a name for those examples alone, and with `-Os` or `-Oz` for that level alone. Nothing is
//! judged here.

use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nfl::{Compiler, DirFiles, Files, Limits, OptLevel};

/// Runs at `-Os`; there are fewer at `-Oz`, which takes longer.
const RUNS: usize = 21;
const SEARCHES: usize = 3;

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the repository has this directory")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "nfl") {
            found.push(path);
        }
    }
    found
}

/// Files of which one changes each time it is read: a comment with a number comes behind it.
struct Edited<'a> {
    files: &'a DirFiles,
    root: &'a str,
    edits: Cell<u32>,
}

impl Files for Edited<'_> {
    fn read(&self, path: &str) -> Option<String> {
        let mut text = self.files.read(path)?;
        if path == self.root {
            self.edits.set(self.edits.get() + 1);
            text.push_str(&format!("// {}\n", self.edits.get()));
        }
        Some(text)
    }

    fn list(&self, dir: &str) -> Vec<String> {
        self.files.list(dir)
    }
}

/// Handlers, and bytes of code and constants, of all functions of a file that need no values.
fn compile(compiler: &Compiler, files: &Edited<'_>, root: &str) -> (usize, usize) {
    let Ok(unit) = compiler.build(files, root).finish() else {
        return (0, 0);
    };
    let (mut handlers, mut bytes) = (0, 0);
    for function in unit.functions() {
        let Ok(images) = function.bind(&[]).and_then(|bound| bound.images()) else {
            continue;
        };
        for built in images {
            handlers += built.image.manifest.entries.len();
            bytes += built.image.code.len() + built.image.constants.len();
        }
    }
    (handlers, bytes)
}

fn time(runs: usize, run: impl Fn()) -> Vec<Duration> {
    // A compiler is warm when it has seen the same files twice.
    run();
    run();
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn main() {
    let args = || std::env::args().skip(1);
    let wanted = args().find(|arg| !arg.starts_with('-'));
    let levels = [("-Os", OptLevel::S, RUNS), ("-Oz", OptLevel::Z, SEARCHES)];
    let level = args().find(|arg| levels.iter().any(|(name, ..)| arg == name));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut out = std::io::stdout().lock();
    let mut medians: Vec<(&str, f64)> = Vec::new();
    for path in sources(&examples) {
        let path = path.strip_prefix(&examples).expect("it was found there");
        let root = path.to_string_lossy().into_owned();
        if wanted.as_ref().is_some_and(|wanted| !root.contains(wanted)) {
            continue;
        }
        let files = Edited {
            files: &DirFiles::new(&examples),
            root: &root,
            edits: Cell::new(0),
        };
        let levels = levels.iter();
        for &(name, level, runs) in
            levels.filter(|l| level.as_ref().is_none_or(|level| level == l.0))
        {
            let compiler = Compiler::new(Limits::EDGE).level(level);
            let (handlers, bytes) = compile(&compiler, &files, &root);
            if handlers == 0 {
                continue;
            }
            let times = time(runs, || {
                compile(&compiler, &files, &root);
            });
            let each = |at: usize| times[at].as_secs_f64() * 1e3 / handlers as f64;
            let (median, least, most) = (each(times.len() / 2), each(0), each(times.len() - 1));
            medians.push((name, median));
            let line = format!(
                "{root:36} {name} {handlers:2} handlers {bytes:5} bytes {median:9.2} ms per handler ({least:.2} to {most:.2})"
            );
            writeln!(out, "{line}").expect("the output takes text");
        }
    }
    for (name, ..) in levels {
        let all = medians.iter().filter(|(level, _)| *level == name);
        let mut all: Vec<f64> = all.map(|(_, median)| *median).collect();
        all.sort_by(f64::total_cmp);
        let Some((&least, &most)) = all.first().zip(all.last()) else {
            continue;
        };
        let median = all[all.len() / 2];
        let line = format!(
            "all {name}: {median:.2} ms per handler in the median of files ({least:.2} to {most:.2})"
        );
        writeln!(out, "{line}").expect("the output takes text");
    }
}
