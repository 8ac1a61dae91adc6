//! Programs in, findings out.
//!
//! Each file of `tests/cases` is a program. A mark `//~ E203` says that there is exactly this
//! finding on its line; a program without marks is without findings. What the findings say stands
//! beside it, as `.txt`, and is written anew with `BLESS=1`.

use nfl_abi::codes::CODES;
use nfl_syntax::diag::{Style, render};
use nfl_syntax::{Diags, SourceMap};
use nfl_typeck::{Files, Program};
use shared::{CASES, Disk, LIBRARY, check};
use std::collections::{BTreeMap, BTreeSet};

mod shared;

/// Codes by file and line, from the marks.
fn marks(sources: &SourceMap) -> BTreeMap<(String, usize), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (_, file) in sources.files.iter() {
        for (number, line) in file.text.lines().enumerate() {
            let Some((_, mark)) = line.split_once("//~") else {
                continue;
            };
            let mut codes: Vec<String> = mark.split_whitespace().map(str::to_string).collect();
            codes.sort();
            found.insert((file.name.clone(), number + 1), codes);
        }
    }
    found
}

/// Codes by file and line, from the findings.
fn findings(sources: &SourceMap, diags: &Diags) -> BTreeMap<(String, usize), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for d in diags.iter() {
        let place = match d.labels.first() {
            Some(label) => {
                let (line, _) = sources.line_col(label.span);
                (sources.files[label.span.file].name.clone(), line as usize)
            }
            None => (String::new(), 0),
        };
        let codes = found.entry(place).or_default();
        codes.push(d.code.text.to_string());
        codes.sort();
    }
    found
}

#[test]
fn each_program_has_the_findings_that_it_marks() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in Disk.list(CASES) {
        let (checked, diags) = check(&path);
        let sources = &checked.program.sources;
        let (marks, findings) = (marks(sources), findings(sources, &diags));
        let short = path.rsplit('/').next().unwrap_or_default().to_string();
        let said: String = diags
            .iter()
            .map(|d| render(d, sources, Style::Human { color: false }))
            .collect::<Vec<_>>()
            .join("\n")
            .replace(path.as_str(), &short);
        if marks != findings {
            wrong.push(format!(
                "{short}: marks {marks:?}\nfindings {findings:?}\n{said}"
            ));
            continue;
        }
        assert_eq!(checked.sound().is_some(), !diags.has_errors(), "{short}");
        let beside = path.replace(".nfl", ".txt");
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if bless {
            if said.is_empty() {
                let _ = std::fs::remove_file(&beside);
            } else {
                std::fs::write(&beside, &said).expect("the expectation can be written");
            }
        } else if said != expected {
            wrong.push(format!("{short}: says\n{said}\nexpected\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_code_of_the_checker_has_a_case() {
    let mut seen = BTreeSet::new();
    for path in Disk.list(CASES) {
        let text = std::fs::read_to_string(path).expect("a readable case");
        for line in text.lines() {
            let mark = line.split_once("//~").map_or("", |(_, mark)| mark);
            seen.extend(mark.split_whitespace().map(str::to_string));
        }
    }
    // Values of parameters come from outside of programs; `bind.rs` tests their codes.
    let elsewhere = ["E280", "E282", "E283", "E284"];
    let missing: Vec<&str> = CODES
        .iter()
        .map(|c| c.text)
        .filter(|c| ["E2", "E3", "E4", "E6", "W2", "W3", "W6"].contains(&&c[..2]))
        .filter(|c| !elsewhere.contains(c) && !seen.contains(*c))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn the_library_is_sound() {
    let package = |path: &str| path.rsplit_once('/').map(|(dir, _)| dir.replace('/', "."));
    let packages: BTreeSet<String> = nfl_stdlib::FILES
        .iter()
        .filter_map(|(path, _)| package(path))
        .collect();
    let imports: String = packages
        .iter()
        .map(|p| format!("import {p}.*;\n"))
        .collect();
    for (path, text) in nfl_stdlib::FILES {
        let mut diags = Diags::default();
        let root = format!("package test;\n{imports}// {path}: {} bytes\n", text.len());
        struct One(String);
        impl Files for One {
            fn read(&self, _: &str) -> Option<String> {
                Some(self.0.clone())
            }
            fn list(&self, _: &str) -> Vec<String> {
                Vec::new()
            }
        }
        let program = Program::load("test.nfl", &One(root), &LIBRARY, &mut diags);
        let checked = nfl_typeck::check(program, &mut diags);
        let sources = &checked.program.sources;
        // The file that imports everything uses nothing of it.
        let said: String = diags
            .iter()
            .filter(|d| d.code.text != "W205")
            .map(|d| render(d, sources, Style::Human { color: false }))
            .collect();
        assert_eq!(said, "");
        assert_eq!(sources.files.len(), nfl_stdlib::FILES.len() + 1);
    }
}
