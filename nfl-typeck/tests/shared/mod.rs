//! What the tests share: programs from the directory of cases.

use nfl_syntax::Diags;
use nfl_typeck::program::Library;
use nfl_typeck::{Checked, Files, Program};
use std::sync::LazyLock;

/// The standard library.
pub(crate) static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::new(nfl_stdlib::FILES));

/// Where the cases are.
pub(crate) const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

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
    let program = Program::load(path, &Disk, &LIBRARY, &mut diags);
    let checked = nfl_typeck::check(program, &mut diags);
    (checked, diags)
}
