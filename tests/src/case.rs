//! A case file: what its head says, and what its marks expect.
//!
//! In: the text of a file of `tests/suite`. Out: the fields of its head (`//@ name: value`, in
//! order), and for each line the diagnostic codes that its mark (`//~ E503`) names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of the suite.
#[derive(Debug)]
pub struct Case {
    /// Where it lies.
    pub path: PathBuf,
    /// The whole text; head and marks are comments of the language.
    pub text: String,
    /// Names and values of the head, in order.
    head: Vec<(String, String)>,
}

impl Case {
    /// Reads a case.
    pub fn read(path: &Path) -> Case {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let heads = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("//@ "));
        let head = heads.filter_map(|line| line.split_once(':'));
        let head = head.map(|(name, value)| (name.trim().to_string(), value.trim().to_string()));
        Case {
            path: path.to_path_buf(),
            head: head.collect(),
            text,
        }
    }

    /// Its name without directory and ending.
    pub fn name(&self) -> &str {
        self.path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("?")
    }

    /// The value of a field of the head.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.head.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The values of a field that may stand there more than once.
    pub fn all<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c str> {
        let fields = self.head.iter().filter(move |(field, _)| field == name);
        fields.map(|(_, value)| value.as_str())
    }

    /// All fields of the head, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Values for parameters, from `//@ set: name=value`.
    pub fn sets(&self) -> Vec<(String, String)> {
        let pairs = self.all("set").filter_map(|set| set.split_once('='));
        pairs
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// The codes that the marks name, with their lines from 1.
    pub fn marks(&self) -> BTreeSet<(u32, String)> {
        let mut marks = BTreeSet::new();
        for (number, line) in self.text.lines().enumerate() {
            let Some((_, mark)) = line.split_once("//~ ") else {
                continue;
            };
            for code in mark.split_whitespace().take_while(|word| is_code(word)) {
                marks.insert((number as u32 + 1, code.trim_end_matches(',').to_string()));
            }
        }
        marks
    }
}

fn is_code(word: &str) -> bool {
    let word = word.trim_end_matches(',');
    word.len() == 4
        && word.starts_with(['E', 'W'])
        && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The cases of a directory, by their paths.
pub fn cases(dir: &Path) -> Vec<Case> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|entry| entry.expect("a directory can be read to its end").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "nfl"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}
