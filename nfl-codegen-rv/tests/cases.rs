//! Cases as text: `.nir` in, the disassembly with its sizes out, which stands beside it as `.rv`.
//!
//! `BLESS=1` writes the renderings, so that growth of code shows in review.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nfl_abi::Limits;
use nfl_codegen_rv::{EmitError, Emitted, OptLevel, Options, emit, report};
use nfl_ir::{Verified, text, verify};
use nfl_isa::{Target, disassemble};
use nfl_syntax::Diags;

fn verified(source: &str) -> Verified {
    let module = text::parse(source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let mut diags = Diags::default();
    let verified = verify(module, &Limits::EDGE, &mut diags);
    let findings: Vec<&String> = diags.iter().map(|d| &d.message).collect();
    verified.unwrap_or_else(|| panic!("{findings:?}\n{source}"))
}

fn render(emitted: &Emitted) -> String {
    let image = &emitted.image;
    let mut out = String::new();
    writeln!(
        out,
        "{} bytes of code, {} of constants, {} of certificate",
        image.code.len(),
        image.constants.len(),
        image.certificate.len()
    )
    .expect("a string takes all text");
    let manifest = &image.manifest;
    let rights: Vec<&str> = manifest.rights.iter().map(|right| right.text()).collect();
    writeln!(
        out,
        "window {}, verdicts {:#04x}, rights {rights:?}",
        manifest.window, manifest.verdicts
    )
    .expect("a string takes all text");
    let lines = disassemble(&image.code, 0);
    for (n, entry) in manifest.entries.iter().enumerate() {
        let bytes = report::reachable_bytes(image, n);
        writeln!(
            out,
            "{} at {:#06x}: {bytes} bytes, {} steps",
            entry.role.text(),
            entry.pc,
            entry.steps
        )
        .expect("a string takes all text");
    }
    for line in lines {
        writeln!(out, "{line}").expect("a string takes all text");
    }
    out
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(folder).expect("the folder of cases is there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "nir"))
        .collect();
    paths.sort();
    paths
}

/// The target that a case's file name has behind a dot, else the default; and whether it has `oz` there.
fn options(path: &Path) -> Options {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let parts = || stem.split('.').skip(1);
    let target = parts().find_map(|part| Target::find(part).ok());
    let level = match parts().any(|part| part == "oz") {
        true => OptLevel::Z,
        false => OptLevel::S,
    };
    Options {
        target: target.unwrap_or(Target::DEFAULT),
        level,
        ..Options::default()
    }
}

#[test]
fn code_is_as_it_was() {
    let mut failed = Vec::new();
    for path in cases() {
        let source = std::fs::read_to_string(&path).expect("a case can be read");
        let got = match emit(&verified(&source), &options(&path)) {
            Ok(emitted) => render(&emitted),
            Err(error) => format!("{error}\n"),
        };
        let beside = path.with_extension("rv");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &got).expect("a rendering can be written");
        }
        if got != std::fs::read_to_string(&beside).unwrap_or_default() {
            failed.push(format!("{}\n{got}", path.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn targets_and_limits_are_kept() {
    let source = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/segment-originator.nir"),
    );
    let verified = verified(&source.expect("the case is there"));
    let target = Target::find("nme-2017").expect("a known target");
    let small = emit(
        &verified,
        &Options {
            target,
            ..Options::default()
        },
    );
    assert!(small.is_ok_and(|made| made.image.manifest.target.0 == target.id));
    let mut limits = Limits::EDGE;
    limits.capsule.content_bytes = 60;
    let large = emit(
        &verified,
        &Options {
            limits,
            ..Options::default()
        },
    );
    assert!(
        matches!(large, Err(EmitError::TooLarge { limit: 60, .. })),
        "{large:?}"
    );
}
