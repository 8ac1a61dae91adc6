//! Tests in NFL: those of the examples and the library, and the runner of mutants over a program whose
//! tests are known to be good, and one whose are not.

use std::path::{Path, PathBuf};

use nfl::{Compiler, DirFiles, Limits};
use nfl_tests::mutants::{Tally, fate, has_tests, mutants};
use nfl_tests::root;

const GOOD: &str = "package lab;

import nfl.net.*;

public function Limit() {
    on ingress(Packet pkt) {
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        return ip.ttl < 3 ? Drop(HOP_LIMIT) : Pass;
    }

    @Test void edges() {
        var limit = Limit();
        assert limit.ingress(Ipv4(ttl = 2)).verdict == Drop(HOP_LIMIT);
        assert limit.ingress(Ipv4(ttl = 3)).verdict == Pass;
        assert limit.ingress(Ipv6()).verdict == Pass;
    }
}
";

fn tally(text: &str) -> Tally {
    let place = tempfile::tempdir().expect("there is room for a directory");
    let path = place.path().join("Limit.nfl");
    std::fs::write(&path, text).expect("there is room for a file");
    let mut tally = Tally::default();
    for mutant in mutants(&path) {
        tally.count(fate(&mutant));
    }
    tally
}

#[test]
fn tests_that_look_at_each_edge_kill_every_mutant() {
    let tally = tally(GOOD);
    assert_eq!((tally.survived, tally.percent()), (0, 100), "{tally:?}");
    assert!(tally.killed >= 5, "{tally:?}");
}

#[test]
fn tests_that_look_at_little_let_mutants_live() {
    let (head, tail) = GOOD
        .split_once("        assert")
        .expect("there are assertions");
    let text = format!(
        "{head}{}",
        tail.split_once("}\n").map_or("", |_| "    }\n}\n")
    );
    let tally = tally(&text);
    assert_eq!((tally.killed, tally.percent()), (0, 0), "{tally:?}");
}

/// The source files below a directory of the repository, in the order of their paths.
fn sources(dir: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
        let entries = std::fs::read_dir(dir).expect("directories of the repository can be read");
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
    let mut files = Vec::new();
    walk(&root().join(dir), &mut files);
    files
}

#[test]
fn examples_and_library_pass_their_own_tests() {
    let mut failures = Vec::new();
    let mut count = 0;
    let files = [sources("examples"), sources("stdlib")].concat();
    for file in files.iter().filter(|file| has_tests(file)) {
        let build = Compiler::new(Limits::EDGE).build(&DirFiles::new(""), &file.to_string_lossy());
        let unit = build
            .finish()
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for report in unit.run_tests("", 2) {
            count += 1;
            if let Some(failure) = report.failure {
                let said = nfl::render(&failure.diagnostic(), unit.sources(), nfl::Style::Short);
                failures.push(format!("{}\n{said}", report.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 0, "there are tests");
}
