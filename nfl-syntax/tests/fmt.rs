//! The style, on the programs of this repository and on one that has everything.

use nfl_syntax::fmt::format;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "nfl") {
            found.push(path);
        }
    }
}

/// Every program of the repository, right or wrong.
fn programs() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let text = |path: PathBuf| Some((path.clone(), std::fs::read_to_string(path).ok()?));
    paths.into_iter().filter_map(text).collect()
}

/// A program with other white space: all on as few lines as comments allow.
fn squeezed(text: &str) -> String {
    let (mut squeezed, mut comment) = (String::new(), false);
    for line in text.lines() {
        squeezed.push_str(line.trim());
        comment = line.contains("//");
        squeezed.push(if comment { '\n' } else { ' ' });
    }
    let _ = comment;
    squeezed
}

#[test]
fn formatting_twice_is_formatting_once() {
    let mut formatted = 0;
    for (path, text) in programs() {
        for text in [squeezed(&text), text.replace(' ', "\n"), text] {
            let Ok(once) = format("case.nfl", &text) else {
                continue;
            };
            formatted += 1;
            let twice = format("case.nfl", &once).expect("what is formatted parses");
            assert_eq!(once, twice, "{}", path.display());
        }
    }
    assert!(formatted > 300, "only {formatted} programs");
}

#[test]
fn examples_and_the_library_are_in_the_style() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for dir in ["examples", "stdlib"] {
        sources(&root.join(dir), &mut paths);
    }
    assert!(paths.len() > 30, "only {} files", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a program is text");
        let formatted = format("case.nfl", &text);
        let same = formatted.is_ok_and(|formatted| formatted == text);
        assert!(same, "{}: `nflc fmt` lays it out", path.display());
    }
}

#[test]
fn style() {
    insta::glob!("fmt/*.nfl", |path| {
        let text = std::fs::read_to_string(path).expect("a program is text");
        let formatted = format("case.nfl", &text).expect("the case has no syntax errors");
        insta::assert_snapshot!(formatted);
    });
}

#[test]
fn broken_files_are_refused() {
    let refused = format(
        "case.nfl",
        "function F { on ingress(Packet pkt) { return Pass } }",
    );
    let refused = refused.expect_err("a semicolon is missing");
    let codes: Vec<&str> = refused.findings.iter().map(|d| d.code.text).collect();
    assert_eq!(codes, ["E102"]);
}
