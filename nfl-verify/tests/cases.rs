//! Directed cases: assembler text in, verdict out.
//!
//! A file in `cases` holds cases, each a line `== title`, the text of an image, and after a line
//! `--` what the verifier says. `BLESS=1` writes what it says now.

mod support;

use std::fmt::Write;
use std::path::Path;

use nfl_abi::Limits;
use nfl_verify::{Proven, prove};

#[test]
fn the_verifier_says_what_the_cases_expect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a readable case file");
        let written = rewrite(&text);
        if text == written {
            continue;
        }
        if bless {
            std::fs::write(&path, written).expect("a writable case file");
        } else {
            for (old, new) in text.split("== ").zip(written.split("== ")) {
                if old != new {
                    let _ = write!(wrong, "{}: == {old}\n  now:\n{new}\n", path.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The file with every expectation replaced by what the verifier says.
fn rewrite(text: &str) -> String {
    let mut out = String::new();
    for case in text.split("== ").filter(|case| !case.trim().is_empty()) {
        let source = case.split("\n--\n").next().unwrap_or(case).trim_end();
        let (_, image) = source.split_once('\n').unwrap_or((source, ""));
        let _ = write!(out, "== {source}\n--\n{}\n\n", judge(image));
    }
    out
}

fn judge(text: &str) -> String {
    let image = match support::certified(text) {
        Ok(image) => image,
        Err(refusal) => return format!("not certified: {refusal}"),
    };
    match prove(&image, &Limits::EDGE) {
        Ok(proven) => accepted(&proven),
        Err(refusal) => format!("refused: {refusal}"),
    }
}

fn accepted(proven: &Proven) -> String {
    let mut out = String::from("proved");
    for (entry, bound) in proven.image().manifest.entries.iter().zip(proven.entries()) {
        let _ = write!(
            out,
            "\n  {}: {} steps, {} bytes, touches {}",
            entry.role.text(),
            bound.steps,
            bound.code_bytes,
            bound.touches
        );
    }
    for one in proven.loops() {
        let _ = write!(
            out,
            "\n  loop {}..{}: {} trips",
            one.head, one.end, one.trips
        );
    }
    if !proven.loops().is_empty() {
        let _ = write!(
            out,
            "\n  certificate of {} bytes",
            proven.image().certificate.len()
        );
    }
    out
}
