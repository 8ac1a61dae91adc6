//! The command line over case files: what `nflc` prints, the status it leaves with, the files it leaves.
//!
//! In: `tests/suite/cli/*.nfl`. Out: a transcript, compared with the snapshot beside the file. The
//! case is `case.nfl` in a directory of its own, in which its commands run in order.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nfl_tests::case::{Case, cases};
use nfl_tests::{packet, root};

use crate::stage::snapshot;

/// `nflc` of the same profile as the tests, built when it is not there or not new.
fn nflc() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    // The whole workspace has one set of features, with which the tests were built.
    build.args(["build", "--quiet", "--workspace", "--bin", "nflc"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let built = build
        .current_dir(root())
        .status()
        .expect("cargo runs the tests, so it runs");
    assert!(built.success(), "nflc builds");
    let tests = std::env::current_exe().expect("a program knows where it is");
    let profile = tests
        .parent()
        .and_then(Path::parent)
        .expect("tests lie in a profile's `deps`");
    profile.join(format!("nflc{}", std::env::consts::EXE_SUFFIX))
}

#[test]
fn command_line() {
    let nflc = nflc();
    let dir = root().join("tests/suite/cli");
    let cases = cases(&dir);
    assert!(!cases.is_empty(), "there are cases in {}", dir.display());
    for case in &cases {
        assert_eq!(case.get("stage"), Some("cli"), "{}", case.path.display());
        snapshot(&dir, case.name(), &transcript(case, &nflc));
    }
}

fn transcript(case: &Case, nflc: &Path) -> String {
    let place = tempfile::tempdir().expect("there is room for a directory");
    let put = |name: &str, bytes: &[u8]| {
        fs::write(place.path().join(name), bytes).expect("there is room for a file");
    };
    put("case.nfl", case.text.as_bytes());
    let mut out = String::new();
    for (name, value) in case.fields() {
        match name {
            "capture" => {
                let from = root().join("tests/captures").join(value);
                put("in.pcap", &fs::read(from).expect("the capture is there"));
            }
            "hex" => {
                let (name, digits) = value.split_once(' ').expect("a name and digits");
                put(name, &packet::hex(digits).expect("hex digits"));
            }
            "nflc" => {
                let mut command = Command::new(nflc);
                let command = command
                    .args(value.split_whitespace())
                    .current_dir(place.path());
                let command = command.env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
                show(&mut out, value, &command.output().expect("nflc runs"));
            }
            _ => {}
        }
    }
    let entries = fs::read_dir(place.path()).expect("the directory is still there");
    let names = entries.map(|entry| {
        entry
            .expect("a directory can be read to its end")
            .file_name()
    });
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    let _ = writeln!(out, "files: {}", names.join(" "));
    out
}

fn show(out: &mut String, arguments: &str, output: &Output) {
    let _ = writeln!(out, "$ nflc {arguments}");
    for (name, bytes) in [("", &output.stdout), ("! ", &output.stderr)] {
        for line in String::from_utf8_lossy(bytes).lines() {
            let _ = writeln!(out, "{}", format!("{name}{line}").trim_end());
        }
    }
    let _ = writeln!(out, "status {}\n", output.status.code().unwrap_or(-1));
}
