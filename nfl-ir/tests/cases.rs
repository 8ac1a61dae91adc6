//! Cases as text: `.nir` in, a rendering out, which stands beside it as `.out`.
//!
//! `cases/verify` shows findings or bounds, `cases/passes` the module after the passes. `BLESS=1` writes
//! the renderings.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nfl_abi::Limits;
use nfl_ir::verify::{Scene, explained};
use nfl_ir::{Module, passes, text};
use nfl_syntax::{Diags, SourceMap};

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(kind);
    let entries = std::fs::read_dir(folder).expect("the folder of cases is there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "nir"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn run(kind: &str, render: impl Fn(Module) -> String) {
    let mut failed = Vec::new();
    for path in cases(kind) {
        let source = std::fs::read_to_string(&path).expect("a case can be read");
        let module = text::parse(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let got = render(module);
        let beside = path.with_extension("out");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &got).expect("a rendering can be written");
        }
        let want = std::fs::read_to_string(&beside).unwrap_or_default();
        if got != want {
            failed.push(format!("{}\n{got}", path.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn findings(diags: &Diags) -> String {
    let mut out = String::new();
    for d in diags.iter() {
        writeln!(out, "{}: {}", d.code.text, d.message).expect("a string takes all text");
        let fixes = d.fixes.iter().map(|fix| &fix.title);
        for line in d.notes.iter().chain(fixes).chain(&d.helps) {
            let line = line.replace('\n', "\n    ");
            writeln!(out, "  {line}").expect("a string takes all text");
        }
    }
    out
}

fn bounds(module: Module) -> String {
    let mut diags = Diags::default();
    let scene = Scene {
        sources: &SourceMap::default(),
        arguments: Some("FILE".to_string()),
    };
    let Some(verified) = explained(module, &Limits::EDGE, &scene, &mut diags) else {
        return findings(&diags);
    };
    let mut out = String::new();
    for f in &verified.bounds().functions {
        let trips: Vec<u32> = f.loops.iter().map(|l| l.trips).collect();
        let places = f.packet.iter().map(|p| {
            let does = if p.write { "write" } else { "read" };
            format!("{does} {} at {}..{}", p.bytes, p.offset.lo, p.offset.hi)
        });
        let places: Vec<String> = places.collect();
        writeln!(out, "steps {} trips {trips:?} packet {places:?}", f.steps)
            .expect("a string takes all text");
    }
    out
}

#[test]
fn verify_cases() {
    run("verify", bounds);
}

#[test]
fn pass_cases() {
    run("passes", |mut module| {
        passes::run(&mut module);
        let after = text::module(&module);
        format!("{after}{}", bounds(module))
    });
}
