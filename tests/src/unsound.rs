//! Seeded unsound edits of the byte verifier, to see whether its tests notice.
//!
//! In: the files of `tests/unsound`, one for each source file of the verifier. Out: [`Edit`]s. Each takes something away
//! that a lemma of the soundness argument rests on: a test, a case, one number of a bound. Guaranteed: an edit is applied in
//! one place, or not at all.
//!
//! A file holds edits, each a line `== title`, a line `.breaks` with the lemma, the text that is looked for after `- `, and
//! what stands there afterwards behind `+ `. Blanks and line ends are the same, so that edits survive the formatter.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::root;

/// A change of one place of the verifier.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What it does.
    pub title: String,
    /// What it breaks.
    pub lemma: String,
    /// The file it changes, from the root.
    pub path: String,
    old: String,
    new: String,
}

/// All edits, in the order of their files.
///
/// # Panics
///
/// When the files cannot be read, or an edit has no form.
pub fn edits() -> Vec<Edit> {
    let files = fs::read_dir(root().join("tests/unsound")).expect("there are edits");
    let paths: BTreeSet<PathBuf> = files
        .map(|file| file.expect("a directory can be read to its end").path())
        .collect();
    let mut all = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("edits can be read");
        let name = path.file_stem().unwrap_or_default().display();
        let source = format!("nfl-verify/src/{name}.rs");
        let text = format!("\n{text}");
        let cases = text.split("\n== ").filter(|case| !case.trim().is_empty());
        all.extend(cases.map(|case| {
            let (title, rest) = case.split_once('\n').unwrap_or((case, ""));
            let line = |mark: &str| {
                let found = rest.lines().find_map(|line| line.strip_prefix(mark));
                found
                    .unwrap_or_else(|| panic!("{title}: no line with `{mark}`"))
                    .trim()
                    .to_string()
            };
            Edit {
                title: title.trim().to_string(),
                lemma: line(".breaks "),
                path: source.clone(),
                old: line("-"),
                new: line("+"),
            }
        }));
    }
    all
}

impl Edit {
    /// The source with the edit in it, or in how many places it could be.
    ///
    /// # Errors
    ///
    /// When that is not one.
    pub fn apply(&self, source: &str) -> Result<String, usize> {
        let (text, places) = squeezed(source);
        let (old, _) = squeezed(&self.old);
        let mut found = text.match_indices(&old);
        match (found.next(), found.count()) {
            (Some((at, _)), 0) => {
                let (from, to) = (places[at], places[at + old.len() - 1] + 1);
                Ok(format!("{}{}{}", &source[..from], self.new, &source[to..]))
            }
            (None, _) => Err(0),
            (Some(_), more) => Err(more + 1),
        }
    }
}

/// A text with one blank for each run of blanks and line ends, and for each of its bytes where it was.
fn squeezed(text: &str) -> (String, Vec<usize>) {
    let (mut out, mut places) = (String::new(), Vec::new());
    for (at, c) in text.char_indices() {
        let blank = c.is_whitespace();
        if blank && out.ends_with(' ') {
            continue;
        }
        out.push(if blank { ' ' } else { c });
        places.resize(out.len(), at);
    }
    (out, places)
}
