//! What the tests share: programs from the directory of cases.

use nfl_syntax::Diags;
use nfl_typeck::{Checked, Files, Program};
use std::path::{Path, PathBuf};

/// The files of the test directory.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let mut paths: Vec<String> = std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().to_string_lossy().into_owned())
            .filter(|path| path.ends_with(".nfl"))
            .collect();
        paths.sort();
        paths
    }
}

/// Loads and checks a program.
pub(crate) fn check(path: &str) -> (Checked, Diags) {
    let mut diags = Diags::default();
    let program = Program::load(path, &Disk, nfl_stdlib::FILES, &mut diags);
    let checked = nfl_typeck::check(program, &mut diags);
    (checked, diags)
}

/// All cases, in order.
pub(crate) fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the cases are beside this file")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "nfl"))
        .collect();
    paths.sort();
    paths
}
