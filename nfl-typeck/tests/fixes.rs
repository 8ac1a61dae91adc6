//! Each correction that a finding of the cases offers is made, and the finding is gone.

use nfl_syntax::diag::fix::apply;
use nfl_syntax::{Diagnostic, Diags, SourceMap};
use nfl_typeck::{Files, Program};
use shared::{CASES, Disk, check};

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

/// The codes of syntax, and how often this code is found.
fn judged(diags: &Diags, finding: &Diagnostic) -> (usize, usize) {
    let syntax = diags.iter().filter(|d| d.code.text.starts_with("E1"));
    let same = diags.iter().filter(|d| d.code == finding.code);
    (syntax.count(), same.count())
}

fn fixed(path: &str, finding: &Diagnostic, sources: &SourceMap) -> Diags {
    let made = apply([finding], sources);
    let (_, text) = made.texts.into_iter().next().expect("a correction edits");
    let files = Instead {
        path: path.to_string(),
        text,
    };
    let mut diags = Diags::default();
    let program = Program::load(path, &files, nfl_stdlib::FILES, &mut diags);
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
                let (syntax_before, same_before) = judged(&diags, finding);
                let (syntax, same) = judged(&after, finding);
                tried += 1;
                if same >= same_before || syntax > syntax_before {
                    wrong.push(format!("{path}: {}: {}", finding.code.text, fix.title));
                }
            }
        }
    }
    assert!(tried > 20, "only {tried} corrections");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
