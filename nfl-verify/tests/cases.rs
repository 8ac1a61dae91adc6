//! Directed cases: assembler text in, verdict out.
//!
//! A file in `cases` holds cases, each a line `== title`, the text of an image, and after a line
//! `--` what the verifier says. `BLESS=1` writes what it says now.
//!
//! Each text has a mark that does not depend on the verifier: `.safe`, when no run of the image breaks a rule of the
//! machine; `.unsafe`, when some run does; `.wrong`, when the image itself is not as the contract wants it, in its bytes,
//! its layout, its manifest or its certificate, or goes beyond a limit, whatever its runs do. Lines `.packet HEX` give
//! packets on which an unsafe image breaks a rule, followed by zeros up to what its entry needs. The tests of the
//! workspace try the marks on the machine.

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

/// Cases of which the verifier's say is known beforehand.
const CASES_MIN: usize = 520;
/// The share of safe images that must be proved, in percent.
const PROVED_MIN: usize = 95;

#[test]
fn what_is_not_safe_is_refused_and_nearly_all_else_is_proved() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut proved, mut refused, mut others) = (0, Vec::new(), 0);
    for entry in std::fs::read_dir(&folder).expect("the folder of cases") {
        let path = entry.expect("a readable folder").path();
        let text = std::fs::read_to_string(&path).expect("a readable case file");
        for case in text.split("== ").filter(|case| !case.trim().is_empty()) {
            let (source, said) = case.split_once("\n--\n").expect("what the verifier says");
            let (title, image) = source.split_once('\n').unwrap_or((source, ""));
            let marks = [".safe", ".unsafe", ".wrong"];
            let found: Vec<_> = image.lines().filter(|line| marks.contains(line)).collect();
            match (found.as_slice(), said.starts_with("proved")) {
                ([".safe"], true) => proved += 1,
                ([".safe"], false) => refused.push(title.to_string()),
                ([_], false) => others += 1,
                (found, _) => panic!("{}: {title}: {found:?}, {said}", path.display()),
            }
        }
    }
    let safe = proved + refused.len();
    assert!(safe + others >= CASES_MIN, "{safe} and {others} cases");
    assert!(
        proved * 100 >= safe * PROVED_MIN,
        "{proved} of {safe} safe images are proved; these are not: {refused:?}"
    );
    eprintln!("{proved} of {safe} safe images are proved, {others} others refused");
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
