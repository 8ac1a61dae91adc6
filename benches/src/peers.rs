//! Other sandboxes, each a [`Side`] over the same packets.
//!
//! In: a function in C that calls nothing, its traffic. Out: a side, or why there is none. The packets lie in the guest's memory before the
//! clock starts, which spares these peers the copy that a node would have to make; eBPF machines take the host's address.

mod library;

use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection};

use crate::compare::Made;
use crate::measure::{Action, Side};
use crate::traffic::Traffic;
use library::Library;

/// The compiler for the guests.
pub(crate) const CLANG: &str = "clang-19";

/// The source of a function in C.
fn source(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kernel = root.join("kernels").join(format!("{name}.c"));
    if kernel.exists() {
        return kernel;
    }
    root.join("../tests/baselines/nf").join(format!("{name}.c"))
}

/// Compiles a function for a guest and answers the file.
pub(crate) fn compile(name: &str, options: &[&str], out: &Path) -> Result<Vec<u8>, String> {
    compile_file(&source(name), options, out)
}

fn compile_file(source: &Path, options: &[&str], out: &Path) -> Result<Vec<u8>, String> {
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/baselines");
    let output = Command::new(CLANG)
        .args(["-O2", "-ffreestanding"])
        .args(options)
        .arg("-I")
        .arg(headers)
        .arg(source)
        .arg("-o")
        .arg(out)
        .output()
        .map_err(|e| format!("{CLANG}: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::read(out).map_err(|e| e.to_string())
}

/// The sandboxes: what is shown, and the number in the library.
const SANDBOXES: [(&str, u32); 7] = [
    ("wasmtime", 7),
    ("polkavm JIT", 5),
    ("polkavm interpreter", 4),
    ("solana-sbpf JIT", 3),
    ("solana-sbpf interpreter", 2),
    ("rbpf JIT", 1),
    ("rbpf interpreter", 0),
];

/// Functions that call nothing.
fn plain(name: &str) -> bool {
    matches!(name, "empty" | "parse" | "csum1500" | "fnv64" | "microseg")
}

/// The sandboxes that can run this function.
pub(crate) fn sides(name: &str, traffic: &Traffic, place: &Path) -> Vec<(&'static str, Made)> {
    let library = match Library::open() {
        Ok(library) => library,
        Err(why) => return vec![("other sandboxes", Err(why))],
    };
    // All packets of what these run are equally long.
    let length = traffic.packets[0].len();
    let mut sides = Vec::new();
    for (side, number) in SANDBOXES {
        if plain(name) || name == "telemetry" && side == "wasmtime" {
            let make = |name: &str| -> Result<Box<dyn Side>, String> {
                let program = library.prepare(number, &program(number, name, length, place)?)?;
                Ok(Box::new(library.side(
                    number,
                    &program,
                    &traffic.packets,
                )?))
            };
            let made = make(name).and_then(|run| Ok((run, make("empty")?)));
            sides.push((side, made));
        }
    }
    sides
}

/// From the bytes of `parse` to its first result, with engine objects made before.
pub(crate) fn cold<'a>(packet: &'a [u8], place: &Path) -> Vec<Action<'a>> {
    let mut list: Vec<Action<'a>> = Vec::new();
    let Ok(library) = Library::open() else {
        return list;
    };
    for (side, number) in SANDBOXES {
        let made = program(number, "parse", packet.len(), place).and_then(|program| {
            let program = library.prepare(number, &program)?;
            library.side(number, &program, &[packet.to_vec()])?;
            Ok(program)
        });
        if let Ok(program) = made {
            let (library, mut packet) = (library.clone(), packet.to_vec());
            let run = move || assert_eq!(library.cold(number, &program, &mut packet), 1);
            list.push((side.to_string(), Box::new(run)));
        }
    }
    list
}

/// The program of a function for a sandbox, and for packets of this length.
fn program(number: u32, name: &str, length: usize, place: &Path) -> Result<Vec<u8>, String> {
    match number / 2 {
        0 => fixed_ebpf(name, length, place),
        1 => ebpf(name, place),
        2 => riscv(name, place),
        _ => wasm(name, place),
    }
}

/// The instructions of a function that takes a packet and its length.
fn ebpf(name: &str, place: &Path) -> Result<Vec<u8>, String> {
    let out = place.join(format!("{name}-v2.o"));
    let options = ["--target=bpf", "-U__bpf__", "-mcpu=v2", "-c"];
    section(&compile(name, &options, &out)?, ".text")
}

/// The instructions of a function that takes a packet alone, since rbpf does not tell a length.
fn fixed_ebpf(name: &str, length: usize, place: &Path) -> Result<Vec<u8>, String> {
    let path = place.join(format!("{name}-fixed.c"));
    let text = format!(
        "#include \"{}\"\n__attribute__((section(\"entry\"))) u32 fixed(u8 *packet)\n{{\n\treturn nf_body(packet, packet + {length}, 0);\n}}\n",
        source(name).display()
    );
    std::fs::write(&path, text).map_err(|e| e.to_string())?;
    let out = place.join(format!("{name}-fixed.o"));
    let options = ["--target=bpf", "-U__bpf__", "-mcpu=v3", "-c"];
    section(&compile_file(&path, &options, &out)?, "entry")
}

/// The instructions in a section that needs nothing else.
fn section(object: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let file = object::File::parse(object).map_err(|e| e.to_string())?;
    let text = file.section_by_name(name).ok_or("no code")?;
    if text.relocations().next().is_some() {
        return Err("it calls the host".to_string());
    }
    Ok(text.data().map_err(|e| e.to_string())?.to_vec())
}

/// A module of WebAssembly with the function `nf` and its memory.
fn wasm(name: &str, place: &Path) -> Result<Vec<u8>, String> {
    let options = [
        "--target=wasm32",
        "-nostdlib",
        "-Wl,--no-entry",
        "-Wl,--export=nf",
        "-Wl,--allow-undefined",
    ];
    compile(name, &options, &place.join(format!("{name}.wasm")))
}

/// An executable for the linker of polkavm.
fn riscv(name: &str, place: &Path) -> Result<Vec<u8>, String> {
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
    compile(name, &options, &place.join(format!("{name}.elf")))
}
