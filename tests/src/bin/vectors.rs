//! Writes what the machine does with the examples over the captures, for other engines to repeat.
//!
//! In: `examples` that call no services, `tests/captures`, and in `NFL_PACKETS` how many packets of each capture. Out: JSON
//! lines on standard output. A line with `image` describes an entry of an image: its code, its
//! constants, what to do with packets below `need`. The lines behind it are its runs: packet,
//! context and `carried` bytes before, and verdict, bytes and steps afterwards.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use nfl_abi::{Entry, Role};
use nfl_tests::agree::Engines;
use nfl_tests::capture::{Capture, captures};
use nfl_tests::examples::EXAMPLES;
use nfl_tests::opinion::{head, line};
use nfl_tests::pipeline::Stages;

/// Packets of each capture when nobody asks for more.
const PACKETS: usize = 200;

fn main() -> ExitCode {
    match write_all(&mut BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vectors: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(out: &mut impl Write) -> Result<(), String> {
    let asked = std::env::var("NFL_PACKETS").ok();
    let most = asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(PACKETS);
    let captures = captures();
    for example in EXAMPLES {
        for stages in example.stages()? {
            let manifest = &stages.image.manifest;
            // Other engines have no services, and no timers.
            let entries = manifest
                .entries
                .iter()
                .filter(|_| manifest.imports.is_empty());
            for entry in entries.filter(|entry| entry.role != Role::Every) {
                write_entry(out, &stages, entry, &captures, most)?;
            }
        }
    }
    out.flush().map_err(|e| e.to_string())
}

fn write_entry(
    out: &mut impl Write,
    stages: &Stages,
    entry: &Entry,
    captures: &[Capture],
    most: usize,
) -> Result<(), String> {
    let mut engines = Engines::new(stages)?;
    let manifest = &stages.image.manifest;
    let wrong = |e: io::Error| e.to_string();
    out.write_all(head(&manifest.name, &stages.image, entry).as_bytes())
        .map_err(wrong)?;
    for capture in captures {
        let mut carried = manifest.carried.clone();
        for (index, start) in capture.packets(entry.layer).enumerate().take(most) {
            let after = engines.run(entry.role, &start.packet, &start.context, &carried)?;
            let of = format!("{} {index}", capture.name);
            let line = line(&start.packet, of, &start.context, &carried, &after);
            out.write_all(line.as_bytes()).map_err(wrong)?;
            carried = after.carried;
        }
    }
    Ok(())
}
