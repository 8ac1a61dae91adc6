//! Writes what the machine does with the examples over the captures, for other engines to repeat.
//!
//! In: `examples` that call no services, `tests/captures`, and in `NFL_PACKETS` how many packets of each capture. Out: JSON
//! lines on standard output. With `--conform` they are conformance vectors of all examples, which `nflc conform` takes, and a packet of
//! each capture when nobody asks for more. Else, a line with `image` describes an entry of an image: its code, its
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
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match std::env::args().nth(1).as_deref() {
        None => write_all(&mut out),
        Some("--conform") => conform(&mut out),
        Some(other) => Err(format!("there is no option `{other}`")),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vectors: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many packets of each capture are asked for.
fn packets() -> Option<usize> {
    let asked = std::env::var("NFL_PACKETS").ok();
    asked.and_then(|number| number.parse().ok())
}

fn conform(out: &mut impl Write) -> Result<(), String> {
    let suite = nfl_tests::conform::programs(packets().unwrap_or(1), |_| true)?;
    let text = suite.to_text();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| e.to_string())
}

fn write_all(out: &mut impl Write) -> Result<(), String> {
    let most = packets().unwrap_or(PACKETS);
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
