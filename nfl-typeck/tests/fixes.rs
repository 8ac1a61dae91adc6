//! Each correction that a finding of the cases offers is made: the finding is gone, and no other
//! error has come.

use nfl_syntax::diag::fix::apply;
use nfl_syntax::{Diagnostic, Diags, SourceMap};
use nfl_typeck::{Files, Program};
use shared::{CASES, Disk, LIBRARY, check};
use std::collections::BTreeMap;

mod shared;

/// A file with another text than on the disk.
struct Instead {
    path: String,
    text: String,
}

impl Files for Instead {
    fn read(&self, path: &str) -> Option<String> {
        if path == self.path {
            return Some(self.text.clone());
        }
        Disk.read(path)
    }

    fn list(&self, dir: &str) -> Vec<String> {
        Disk.list(dir)
    }
}

/// How often each code of an error is found.
fn errors(diags: &Diags) -> BTreeMap<&'static str, usize> {
    let mut found = BTreeMap::new();
    for d in diags.iter() {
        *found.entry(d.code.text).or_default() += 1;
    }
    // What is unused, or pointless, is said of programs without errors alone.
    found.retain(|code, _| code.starts_with('E') || !diags.has_errors());
    found
}

fn fixed(path: &str, finding: &Diagnostic, sources: &SourceMap) -> Diags {
    let made = apply([finding], sources);
    let (_, text) = made.texts.into_iter().next().expect("a correction edits");
    let files = Instead {
        path: path.to_string(),
        text,
    };
    let mut diags = Diags::default();
    let program = Program::load(path, &files, &LIBRARY, &mut diags);
    nfl_typeck::check(program, &mut diags);
    diags
}

#[test]
fn corrections_remove_what_they_correct() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for path in Disk.list(CASES) {
        let (checked, diags) = check(&path);
        for finding in diags.iter() {
            for fix in &finding.fixes {
                let only = Diagnostic {
                    fixes: vec![fix.clone()],
                    ..finding.clone()
                };
                let after = fixed(&path, &only, &checked.program.sources);
                let code = finding.code.text;
                let (before, after) = (errors(&diags), errors(&after));
                let count =
                    |found: &BTreeMap<_, usize>, code| found.get(code).copied().unwrap_or(0);
                let gone = count(&after, code) < count(&before, code);
                let brought = after
                    .iter()
                    .find(|&(other, &n)| other.starts_with('E') && n > count(&before, other));
                tried += 1;
                if !gone || brought.is_some() {
                    wrong.push(format!("{path}: {code}: {}: {brought:?}", fix.title));
                }
            }
        }
    }
    assert!(tried > 20, "only {tried} corrections");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
