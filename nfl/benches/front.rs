//! How long the front end takes: lexing and parsing 1 MB, and checking a file of 2,000 lines.
//!
//! In: the library and the examples of the repository, put together into one file, with what they
//! declare renamed where it would be declared twice. Out: the median, least and greatest time of
//! several runs, for people to read: `cargo bench -p nfl --bench front`, with a part of a line's name
//! for that line alone. Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nfl::{Compiler, Limits, MemoryFiles};
use nfl_abi::Severity;
use nfl_syntax::ast::Ast;
use nfl_syntax::{Diags, Names, SourceMap};

const RUNS: usize = 21;
const PARSED_BYTES: usize = 1_000_000;
const CHECKED_LINES: usize = 2_000;

/// Words that a name of a type stands behind where it is declared.
const DECLARES: [&str; 8] = [
    "function",
    "header",
    "record",
    "enum",
    "interface",
    "class",
    "chain",
    "graph",
];

/// One source without its package, its imports apart.
struct Source {
    imports: BTreeSet<String>,
    text: String,
}

fn sources(dir: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the repository has this directory")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "nfl") {
            let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
            let (head, body): (Vec<&str>, Vec<&str>) = text
                .lines()
                .partition(|line| line.starts_with("package ") || line.starts_with("import "));
            // Constants of one's own are not imported from the same file.
            if head
                .iter()
                .any(|line| line.starts_with("import static acme."))
            {
                continue;
            }
            let library = head
                .into_iter()
                .filter(|l| l.starts_with("import ") && l.contains(" nfl."));
            found.push(Source {
                imports: library.map(str::to_string).collect(),
                text: body.join("\n"),
            });
        }
    }
    found
}

/// The words of a text and what stands between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c| is_word(c) != is_word(first));
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        Some(word)
    })
}

/// What the lines declare that do not lie within another declaration.
fn declared(text: &str) -> BTreeSet<&str> {
    let outer = text.lines().filter(|line| !line.starts_with([' ', '/']));
    let names = outer.filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        words.find(|word| DECLARES.contains(word))?;
        let name = words.next()?;
        name.split(|c: char| !c.is_ascii_alphanumeric()).next()
    });
    names.collect()
}

/// Copies of sources as one file. A name that is declared again has a number behind it.
fn joined(copies: &[&[Source]]) -> String {
    let mut out = String::new();
    let all = copies.iter().flat_map(|sources| sources.iter());
    let imports: BTreeSet<&String> = all.flat_map(|s| &s.imports).collect();
    for import in imports {
        let _ = writeln!(out, "{import}");
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for sources in copies {
        let mut own: Vec<BTreeMap<&str, String>> = Vec::new();
        let mut first: BTreeMap<&str, String> = BTreeMap::new();
        for source in *sources {
            let mut names = BTreeMap::new();
            for name in declared(&source.text) {
                let count = times.entry(name).or_default();
                *count += 1;
                let new = match *count {
                    1 => name.to_string(),
                    n => format!("{name}{n}"),
                };
                first.entry(name).or_insert_with(|| new.clone());
                names.insert(name, new);
            }
            own.push(names);
        }
        for (source, names) in sources.iter().zip(&own) {
            for word in words(&source.text) {
                let new = names.get(word).or_else(|| first.get(word));
                out.push_str(new.map_or(word, String::as_str));
            }
            out.push('\n');
        }
    }
    out
}

/// How long this thread has run on a processor, which other programs on the machine change little; the
/// time of day where the system does not tell.
fn now(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    ran.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Runs something and prints how long it took, if an argument asks for it or nothing is asked for.
fn measure(name: &str, mut run: impl FnMut()) {
    let mut asked = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .peekable();
    if asked.peek().is_some() && !asked.any(|part| name.contains(&part)) {
        return;
    }
    run();
    let start = Instant::now();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let before = now(start);
            run();
            now(start).saturating_sub(before)
        })
        .collect();
    times.sort();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    let (median, least, most) = (ms(RUNS / 2), ms(0), ms(RUNS - 1));
    let line = format!("{name}: {median:.1} ms, {least:.1} to {most:.1} in {RUNS} runs\n");
    std::io::stdout()
        .write_all(line.as_bytes())
        .expect("the output is open");
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let examples = sources(&root.join("examples"));
    let mut all = sources(&root.join("stdlib/nfl"));
    all.extend(sources(&root.join("examples")));

    let once = joined(&[&all]).len();
    let mut text = joined(&vec![all.as_slice(); PARSED_BYTES / once + 1]);
    text.truncate(text.floor_char_boundary(PARSED_BYTES));
    let parse = || {
        let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
        let (mut names, mut diags) = (Names::default(), Diags::default());
        let file = sources.add("bench.nfl", text.clone());
        nfl_syntax::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
        diags.into_vec()
    };
    // The text is cut off within a declaration, which is the one thing that is wrong with it.
    let wrong = parse().len();
    assert!(wrong <= 2, "the sources have no mistakes: {wrong}");
    measure("lexing 1 MB", || {
        let mut sources = SourceMap::default();
        let file = sources.add("bench.nfl", text.clone());
        drop(nfl_syntax::lex(file, &mut sources));
    });
    measure("lexing and parsing 1 MB", || drop(parse()));

    let text = (0..=examples.len())
        .map(|more| joined(&[&examples, &examples[..more]]))
        .find(|text| text.lines().count() >= CHECKED_LINES)
        .expect("the examples have half as many lines");
    let lines = text.lines().count();
    let files = MemoryFiles::from([("bench.nfl", text.as_str())]);
    let compiler = Compiler::new(Limits::EDGE);
    let (_, found) = compiler.check(&files, "bench.nfl");
    let errors: Vec<&str> = found
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| d.message.as_str())
        .collect();
    assert!(
        errors.is_empty(),
        "the examples have no mistakes: {errors:?}"
    );
    measure(&format!("checking {lines} lines"), || {
        drop(compiler.check(&files, "bench.nfl"));
    });
}
