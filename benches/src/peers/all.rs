//! All of them, for the comparison.

use std::path::Path;

use object::{Object, ObjectSection};

use super::{compile, polka, rbpf, sbpf, wasm};
use crate::compare::Made;
use crate::measure::{Action, Side};
use crate::traffic::Traffic;

/// The instructions of a function for eBPF machines outside of a kernel.
fn ebpf(name: &str, version: &str, place: &Path) -> Result<Vec<u8>, String> {
    let cpu = format!("-mcpu={version}");
    let out = place.join(format!("{name}-{version}.o"));
    let bytes = compile(name, &["--target=bpf", "-U__bpf__", &cpu, "-c"], &out)?;
    let file = object::File::parse(&*bytes).map_err(|e| e.to_string())?;
    let text = file.section_by_name(".text").ok_or("no code")?;
    if text.relocations().next().is_some() {
        return Err("it calls the host".to_string());
    }
    Ok(text.data().map_err(|e| e.to_string())?.to_vec())
}

/// A module of WebAssembly with the function `nf` and its memory.
fn module(name: &str, place: &Path) -> Result<Vec<u8>, String> {
    let options = [
        "--target=wasm32",
        "-nostdlib",
        "-Wl,--no-entry",
        "-Wl,--export=nf",
        "-Wl,--allow-undefined",
    ];
    compile(name, &options, &place.join(format!("{name}.wasm")))
}

/// Functions that call nothing but the clock.
fn plain(name: &str) -> bool {
    matches!(name, "empty" | "parse" | "csum1500" | "fnv64" | "microseg")
}

/// A program for polkavm.
fn relinked(name: &str, place: &Path) -> Result<Vec<u8>, String> {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("native/polkavm.h");
    let header = header.to_string_lossy();
    let options = [
        "--target=riscv32",
        "-march=rv32emac_zbb",
        "-mabi=ilp32e",
        "-nostdlib",
        "-fuse-ld=lld-19",
        "-Wl,--emit-relocs,--no-relax,--entry=nf",
        "-include",
        &header,
    ];
    polka::link(&compile(
        name,
        &options,
        &place.join(format!("{name}.elf")),
    )?)
}

/// The sandboxes that can run this function.
pub(crate) fn sides(name: &str, traffic: &Traffic, place: &Path) -> Vec<(&'static str, Made)> {
    let mut sides = Vec::new();
    if plain(name) {
        for (side, jit) in [("rbpf JIT", true), ("rbpf interpreter", false)] {
            sides.push((
                side,
                pair(
                    |name| rbpf::Rbpf::new(&ebpf(name, "v3", place)?, jit, traffic),
                    name,
                ),
            ));
        }
        for (side, jit) in [
            ("solana-sbpf JIT", true),
            ("solana-sbpf interpreter", false),
        ] {
            sides.push((
                side,
                pair(
                    |name| sbpf::Sbpf::new(&ebpf(name, "v2", place)?, jit, traffic),
                    name,
                ),
            ));
        }
    }
    if plain(name) {
        for (side, jit) in [("polkavm JIT", true), ("polkavm interpreter", false)] {
            let made = polka::engine(jit).and_then(|engine| {
                pair(
                    |name| polka::Polka::new(&engine, &relinked(name, place)?, traffic),
                    name,
                )
            });
            sides.push((side, made));
        }
    }
    if plain(name) || name == "telemetry" {
        let made = wasm::engine().and_then(|engine| {
            pair(
                |name| wasm::Wasm::new(&engine, &module(name, place)?, traffic),
                name,
            )
        });
        sides.push(("wasmtime", made));
    }
    sides
}

fn pair<S: Side + 'static>(make: impl Fn(&str) -> Result<S, String>, name: &str) -> Made {
    Ok((Box::new(make(name)?), Box::new(make("empty")?)))
}

/// From the bytes of `parse` to its first result.
pub(crate) fn cold<'a>(packet: &'a [u8], place: &Path) -> Vec<Action<'a>> {
    let mut list: Vec<Action<'a>> = Vec::new();
    for (version, mode) in [("v3", "rbpf"), ("v2", "solana-sbpf")] {
        let Ok(code) = ebpf("parse", version, place) else {
            continue;
        };
        for jit in [false, true] {
            let (code, mut packet) = (code.clone(), packet.to_vec());
            let name = format!("{mode} {}", if jit { "JIT" } else { "interpreter" });
            let run = move || {
                let verdict = match mode {
                    "rbpf" => rbpf::cold(&code, jit, &mut packet),
                    _ => sbpf::cold(&code, jit, &mut packet),
                };
                assert_eq!(verdict, 1);
            };
            list.push((name, Box::new(run)));
        }
    }
    for jit in [false, true] {
        if let (Ok(engine), Ok(program)) = (polka::engine(jit), relinked("parse", place)) {
            let name = format!("polkavm {}", if jit { "JIT" } else { "interpreter" });
            let run = move || assert_eq!(polka::cold(&engine, &program, packet), 1);
            list.push((name, Box::new(run)));
        }
    }
    if let (Ok(engine), Ok(module)) = (wasm::engine(), module("parse", place)) {
        let run = move || assert_eq!(wasm::cold(&engine, &module, packet), 1);
        list.push(("wasmtime".to_string(), Box::new(run)));
    }
    list
}
