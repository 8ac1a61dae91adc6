//! The rules of the repository as ordinary tests.
//!
//! In: every file that is under version control or about to be. Out: one list of findings for each
//! rule. Guaranteed: a rule that fails names the file and the line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use nfl_abi::image::{REASONS, Right, Role, VerdictKind};
use nfl_abi::{ABI_VERSION, codes::CODES, host::SERVICES, map};
use nfl_typeck::builtin::Intrinsic;

use nfl_tests::root;

/// Longest Rust file, in lines.
const LINES_MAX: usize = 800;

/// Which of our crates a crate may name under `[dependencies]`.
const WALLS: &[(&str, &[&str])] = &[
    ("nfl-abi", &[]),
    ("nfl-isa", &[]),
    ("nfl-stdlib", &[]),
    ("nfl-verify", &["nfl-abi", "nfl-isa"]),
    ("nfl-vm", &["nfl-abi", "nfl-isa", "nfl-verify"]),
    ("nfl-sign", &["nfl-abi"]),
    ("nfl-syntax", &["nfl-abi"]),
    ("nfl-typeck", &["nfl-abi", "nfl-syntax"]),
    ("nfl-ir", &["nfl-abi", "nfl-syntax", "nfl-typeck"]),
    (
        "nfl-codegen-rv",
        &["nfl-abi", "nfl-isa", "nfl-ir", "nfl-syntax", "nfl-verify"],
    ),
    (
        "nfl-test",
        &["nfl-abi", "nfl-ir", "nfl-syntax", "nfl-typeck", "nfl-vm"],
    ),
    (
        "nfl",
        &[
            "nfl-abi",
            "nfl-isa",
            "nfl-syntax",
            "nfl-typeck",
            "nfl-ir",
            "nfl-codegen-rv",
            "nfl-stdlib",
            "nfl-verify",
            "nfl-vm",
            "nfl-sign",
            "nfl-test",
        ],
    ),
    ("nfl-cli", &["nfl"]),
];

/// Crates that never panic on foreign bytes and hold no unsafe code.
const NO_UNSAFE: &[&str] = &["nfl-abi", "nfl-isa", "nfl-verify", "nfl-vm", "nfl-sign"];

/// Every file of the repository, by its path from the root.
fn files() -> Vec<String> {
    fn walk(dir: &Path, prefix: &str, into: &mut Vec<String>) {
        let entries = fs::read_dir(dir).expect("directories of the repository can be read");
        for entry in entries {
            let entry = entry.expect("directories of the repository can be read");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let skipped = [".git", "target", "book"].contains(&name.as_str());
            if entry.path().is_dir() {
                if !skipped {
                    walk(&entry.path(), &format!("{path}/"), into);
                }
            } else if !skipped && !name.ends_with(".snap.new") {
                into.push(path);
            }
        }
    }
    let mut into = Vec::new();
    walk(&root(), "", &mut into);
    into.sort();
    into
}

fn is_data(path: &str) -> bool {
    path.starts_with("tests/captures/") || path.ends_with(".snap")
}

/// Texts of the files that people write, by their paths.
fn sources() -> BTreeMap<String, String> {
    let texts = files().into_iter().filter(|path| !is_data(path));
    let read = |path: String| {
        fs::read_to_string(root().join(&path))
            .ok()
            .map(|t| (path, t))
    };
    texts.filter_map(read).collect()
}

fn report(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// The names under a table of a manifest, `[dependencies]` for one.
fn names_under<'t>(manifest: &'t str, table: &str) -> Vec<&'t str> {
    let head = format!("[{table}]");
    let lines = manifest.lines().skip_while(|line| line.trim() != head);
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| line.contains('=') && !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .collect()
}

fn manifests() -> BTreeMap<String, PathBuf> {
    let paths = files().into_iter();
    let paths = paths.filter(|p| p.ends_with("/Cargo.toml") && p.matches('/').count() == 1);
    // The benches are a workspace of their own.
    let paths = paths.filter(|p| !p.starts_with("benches/"));
    paths
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).expect("manifests can be read");
            let name = text.lines().find_map(|line| line.strip_prefix("name = "));
            let name = name.expect("a package has a name").trim_matches('"');
            (name.to_string(), root().join(path))
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let mut findings = Vec::new();
    let manifests = manifests();
    let walls: BTreeMap<&str, &[&str]> = WALLS.iter().copied().collect();
    for name in walls.keys() {
        if !manifests.contains_key(*name) {
            findings.push(format!("there is no crate `{name}`"));
        }
    }
    for (name, path) in &manifests {
        if name == "nfl-tests" {
            continue;
        }
        let Some(allowed) = walls.get(name.as_str()) else {
            findings.push(format!("`{name}` has no row in the table of walls"));
            continue;
        };
        let text = fs::read_to_string(path).expect("manifests can be read");
        for table in ["dependencies", "build-dependencies"] {
            for on in names_under(&text, table) {
                if manifests.contains_key(on) && !allowed.contains(&on) {
                    findings.push(format!("`{name}` must not depend on `{on}`"));
                }
            }
        }
        // A crate may name itself, to switch a feature on for its own tests.
        let other = |line: &&str| line.starts_with("nfl") && !line.contains("path = \".\"");
        for line in text.lines().filter(other) {
            if line.contains("path") {
                findings.push(format!(
                    "`{name}` bypasses the workspace's dependencies: {line}"
                ));
            }
        }
    }
    report("crate walls", findings);
}

#[test]
fn crates_facing_foreign_bytes_forbid_unsafe_code() {
    let mut findings = Vec::new();
    for name in NO_UNSAFE {
        let text = fs::read_to_string(root().join(name).join("src/lib.rs"));
        // Host code cannot do without; the rule below says where it may stand.
        let forbids = match *name {
            "nfl-vm" => "#![cfg_attr(not(feature = \"jit\"), forbid(unsafe_code))]",
            _ => "#![forbid(unsafe_code)]",
        };
        if !text.unwrap_or_default().contains(forbids) {
            findings.push(name.to_string());
        }
    }
    report("no `#![forbid(unsafe_code)]`", findings);
}

/// The lint forbids unsafe code but where a file lifts it: in the module of host code, which says why.
#[test]
fn host_code_alone_is_unsafe() {
    let lifted = |line: &str| line.contains("(unsafe_code") && !line.contains("forbid");
    let mut findings = Vec::new();
    for path in files() {
        let is_host_code = path == "nfl-vm/src/jit.rs" || path == "tests/src/tidy.rs";
        let is_apart = path.starts_with("benches/");
        if !path.ends_with(".rs") || is_host_code || is_apart {
            continue;
        }
        let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
        findings.extend(text.lines().any(lifted).then_some(path));
    }
    report("unsafe code is allowed", findings);
}

/// Words that must not stand in the repository. They are in pieces, so that this file may hold them.
fn forbidden() -> Vec<String> {
    let pieces: &[&[&str]] = &[
        &["to", "do!"],
        &["unimple", "mented!"],
        &["db", "g!("],
        &["TO", "DO"],
        &["FIX", "ME"],
        &["#[ig", "nore]"],
        &["/wo", "rk/"],
        &["/ro", "ot/"],
        &["/fa", "rm/"],
        &["../sha", "red"],
        &["crates", ".io"],
        &["py", "pi.org"],
        &["registry.", "npmjs"],
        &["deb.", "debian.org"],
    ];
    pieces.iter().map(|pieces| pieces.concat()).collect()
}

#[test]
fn words_that_do_not_belong_here_are_not_here() {
    let forbidden = forbidden();
    let mut findings = Vec::new();
    for (path, text) in sources() {
        if path.ends_with("Cargo.lock") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let lint = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
            let excused = text
                .lines()
                .skip(number)
                .take(10)
                .any(|l| l.contains("reason ="));
            if path.ends_with(".rs")
                && lint.iter().any(|l| line.trim_start().starts_with(l))
                && !excused
            {
                findings.push(format!(
                    "{path}:{}: an exception without a reason",
                    number + 1
                ));
            }
            for word in &forbidden {
                // The lints name two of the words as what they are.
                if line.contains(word.as_str()) && path != "Cargo.toml" {
                    findings.push(format!("{path}:{}: {word}", number + 1));
                }
            }
        }
    }
    report("words that do not belong here", findings);
}

#[test]
fn rust_files_say_what_they_are_and_stay_short() {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        if !path.ends_with(".rs") {
            continue;
        }
        if !text.starts_with("//!") && !text.starts_with("#![doc") {
            findings.push(format!("{path}: does not begin with `//!`"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
    }
    report("shape of Rust files", findings);
}

#[test]
fn files_have_content_and_end_with_a_line_end() {
    let mut findings = Vec::new();
    for path in files() {
        let bytes = fs::read(root().join(&path)).expect("files of the repository can be read");
        if bytes.is_empty() {
            findings.push(format!("{path}: is empty"));
        }
        let is_text = std::str::from_utf8(&bytes).is_ok();
        if !is_text && !is_data(&path) {
            findings.push(format!("{path}: is no text, and data stands elsewhere"));
        }
        if is_text
            && !is_data(&path)
            && bytes.last() != Some(&b'\n')
            && !path.contains("/tests/")
            && !path.contains("suite/")
        {
            findings.push(format!("{path}: the last line does not end"));
        }
    }
    report("content of files", findings);
}

#[test]
fn the_changelog_has_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).expect("there is a changelog");
    let head = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&head), "CHANGELOG.md lacks `{head}`");
}

#[test]
fn what_the_readme_promises_is_what_continuous_integration_runs() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let ci = fs::read_to_string(root().join(".ci/run")).expect("there is a CI script");
    assert!(readme.contains("\ncargo test --workspace\n"));
    assert!(ci.contains("cargo test --workspace"));
    let command = readme
        .split("```")
        .nth(1)
        .expect("the README has a command");
    let command = command.trim_start_matches("sh\n").trim();
    assert!(
        ci.contains(command),
        "CI runs the README's first command:\n{command}"
    );
}

/// Links, and paths in code that begin with a directory of the repository.
#[test]
fn documents_name_files_that_are_there() {
    let files = files();
    let directories = files
        .iter()
        .filter_map(|path| Some(path.split_once('/')?.0));
    let directories: BTreeSet<&str> = directories.collect();
    let is_path = |text: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let top = text.split_once('/').map_or("", |(top, _)| top);
        directories.contains(top) && text.chars().all(is_plain)
    };
    let mut findings = Vec::new();
    for (path, text) in sources() {
        if !path.ends_with(".md") {
            continue;
        }
        let here = root().join(&path);
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split(['#', ')']).next());
        let links = links.filter(|link| !link.contains(':') && !here.with_file_name(link).exists());
        let named = text.split('`').filter(is_path);
        let named = named.filter(|name| !root().join(name).exists());
        findings.extend(links.chain(named).map(|name| format!("{path}: {name}")));
    }
    report("documents name files that are there", findings);
}

#[test]
fn diagnostic_codes_are_in_order_and_explained() {
    let mut findings = Vec::new();
    let mut before = "";
    for code in CODES {
        // `W` stands behind `E` in the alphabet as in the table.
        if code.text <= before {
            findings.push(format!("{} does not come behind {before}", code.text));
        }
        before = code.text;
        let digits = &code.text[1..];
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            findings.push(format!("{} is not a letter and three digits", code.text));
        }
        if code.title.is_empty() || code.title.ends_with('.') {
            findings.push(format!(
                "{}: a title is a sentence without its full stop",
                code.text
            ));
        }
        if code.explanation.len() < 40 || !code.explanation.ends_with('\n') {
            findings.push(format!("{}: is not explained", code.text));
        }
    }
    report("table of diagnostic codes", findings);
}

/// Texts of everything that is a test: cases, their expectations, and files with test functions.
fn test_texts() -> String {
    let mut all = String::new();
    for path in files() {
        let case = path.contains("tests/") && !path.starts_with("tests/captures/");
        if (case || path.ends_with(".rs")) && path != "tests/src/tidy.rs" {
            let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
            if case {
                all.push_str(&text);
            } else if let Some((_, tests)) = text.split_once("#[cfg(test)]") {
                all.push_str(tests);
            }
        }
    }
    all
}

#[test]
fn every_diagnostic_code_has_a_case() {
    let texts = test_texts();
    // What stands here is our mistake, so no input is known that leads to it.
    const UNREACHED: &[&str] = &["E703", "E999"];
    let has = |code: &str| texts.contains(code) || texts.contains(&code.to_lowercase());
    let missing = CODES.iter().map(|code| code.text);
    let missing = missing.filter(|code| !UNREACHED.contains(code) && !has(code));
    report(
        "codes without a case",
        missing.map(str::to_string).collect(),
    );
}

#[test]
fn every_builtin_has_a_run_case() {
    let mut named = BTreeSet::new();
    for (path, text) in sources() {
        if path.starts_with("tests/suite/run/") {
            let heads = text
                .lines()
                .filter_map(|line| line.strip_prefix("//@ builtin: "));
            named.extend(
                heads
                    .flat_map(|names| names.split(", "))
                    .map(str::to_string),
            );
        }
    }
    let names: BTreeSet<String> = Intrinsic::ALL
        .iter()
        .map(|i| i.spec().name.to_string())
        .collect();
    assert_eq!(names, named, "builtins and the run cases that name them");
}

/// What nodes can observe of the contract, as text.
fn contract() -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        out.write_fmt(text).expect("strings take text");
        out.push('\n');
    };
    for s in SERVICES {
        let right = s.right.map_or("-", Right::text);
        line(format_args!(
            "service {} {} {} + {}/{} {:?} {right}",
            s.number, s.name, s.base, s.per, s.div, s.unit
        ));
    }
    for verdict in VerdictKind::ALL {
        let right = verdict.right().map_or("-", Right::text);
        line(format_args!(
            "verdict {} {} {right}",
            verdict.number(),
            verdict.text()
        ));
    }
    for role in Role::ALL {
        line(format_args!("role {} {}", role.number(), role.text()));
    }
    for right in Right::ALL {
        line(format_args!("right {} {}", right.number(), right.text()));
    }
    for (number, reason) in REASONS.iter().enumerate() {
        line(format_args!("reason {number} {reason}"));
    }
    for (name, value) in [
        ("constants at", map::CONSTANTS_BASE),
        ("constants bytes", map::CONSTANTS_BYTES),
        ("call vector at", map::VECTOR_BASE),
        ("code at", map::CODE_BASE),
        ("scratch bytes", map::SCRATCH_BYTES),
        ("context bytes", map::CONTEXT_BYTES),
        ("window at most", map::WINDOW_MAX),
        ("packet at most", map::PACKET_MAX),
        ("context: ingress port", map::context::INGRESS_PORT),
        ("context: node id", map::context::NODE_ID),
        ("context: queue depth", map::context::QUEUE_DEPTH),
        ("context: network offset", map::context::NETWORK_OFFSET),
        ("context: clock low", map::context::CLOCK_LOW),
        ("context: clock high", map::context::CLOCK_HIGH),
        ("context: next hop", map::context::NEXT_HOP),
        ("context: flow", map::context::FLOW),
    ] {
        line(format_args!("{name} {value:#x}"));
    }
    out
}

#[test]
fn the_contract_changes_with_its_version_only() {
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../suite/abi", omit_expression => true }, {
        insta::assert_snapshot!(format!("version-{ABI_VERSION}"), contract());
    });
}
