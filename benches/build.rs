//! Compiles the C functions and their tables for this machine, each function under a name of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

const BASELINES: [&str; 6] = [
    "microseg",
    "router",
    "nat44",
    "synguard",
    "telemetry",
    "dnsguard",
];
const KERNELS: [&str; 4] = ["empty", "parse", "csum1500", "fnv64"];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let header = root.join("../tests/baselines");
    let mut objects = vec![compile(
        &root.join("native/tables.c"),
        "tables",
        &header,
        &out,
    )];
    for name in BASELINES {
        let source = header.join("nf").join(format!("{name}.c"));
        objects.push(compile(&source, name, &header, &out));
    }
    for name in KERNELS {
        let source = root.join("kernels").join(format!("{name}.c"));
        objects.push(compile(&source, name, &header, &out));
    }
    let archive = out.join("libnative.a");
    let status = Command::new("ar")
        .arg("crs")
        .arg(&archive)
        .args(&objects)
        .status();
    assert!(status.is_ok_and(|s| s.success()), "`ar` packs the objects");
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=native");
    println!("cargo:rerun-if-changed={}", header.join("nf.h").display());
}

fn compile(source: &Path, name: &str, header: &Path, out: &Path) -> PathBuf {
    println!("cargo:rerun-if-changed={}", source.display());
    let object = out.join(format!("{name}.o"));
    let status = Command::new("gcc")
        .args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-parameter",
            "-c",
        ])
        .arg(format!("-Dnf=nf_{name}"))
        .arg("-I")
        .arg(header)
        .arg(source)
        .arg("-o")
        .arg(&object)
        .status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "gcc compiles {}",
        source.display()
    );
    object
}
