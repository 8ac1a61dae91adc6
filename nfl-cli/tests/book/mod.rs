//! What the README and the book tell people to type runs to its end, page by page.
//!
//! In: blocks that are marked as `sh`. What they need besides is a repository around them, and a capture. A program that stands
//! before a block is what the project's file then holds, as the page says.
#![cfg(unix)]

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::Place;

const PAGES: &[&str] = &[
    "README.md",
    "examples/README.md",
    "docs/src/getting-started.md",
    "docs/src/tour-java.md",
    "docs/src/tour-p4.md",
    "docs/src/worlds.md",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of a page as one script. What `cargo` does has its own tests.
fn script(page: &str) -> String {
    let mut script = String::from("set -eu\n");
    for block in page.split("\n```").skip(1).step_by(2) {
        let (mark, text) = block.split_once('\n').unwrap_or((block, ""));
        match mark {
            "sh" => {
                let joined = text.replace("\\\n", "");
                let lines = joined.lines().filter(|line| !line.starts_with("cargo "));
                lines.for_each(|line| script.extend([line, "\n"]));
            }
            "nfl" => {
                let file = "src/guard/Guard.nfl";
                let _ = write!(
                    script,
                    "[ ! -f {file} ] || cat > {file} <<'END'\npackage guard;\n{text}\nEND\n"
                );
            }
            _ => {}
        }
    }
    script
}

#[test]
fn what_pages_say_to_type_runs() {
    let nflc = Path::new(env!("CARGO_BIN_EXE_nflc"));
    let beside = nflc.parent().expect("a directory of programs");
    let path = std::env::var("PATH").expect("programs are found");
    let path = format!("{}:{path}", beside.display());
    let capture = repository().join("tests/captures/zeek__web.pcap");
    for page in PAGES {
        let place = Place::new();
        for shared in ["examples", "tests"] {
            symlink(repository().join(shared), place.path(shared)).expect("a link");
        }
        let text = std::fs::read_to_string(repository().join(page)).expect("a page");
        let script = script(&text).replace(" capture.pcap", &format!(" {}", capture.display()));
        assert!(script.contains("nflc "), "{page} has commands");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(place.path(""));
        let ran = shell.env("PATH", &path).output().expect("a shell");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{page}:\n{script}\n{said}");
    }
}
