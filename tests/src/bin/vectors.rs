//! Writes what the machine does with the examples over the captures, for other engines to repeat.
//!
//! In: `examples` that call no services, `tests/captures`, and in `NFL_PACKETS` how many packets of each capture. Out: JSON
//! lines on standard output. A line with `image` describes an entry of an image: its code, its
//! constants, what to do with packets below `need`. The lines behind it are its runs: packet,
//! context and `carried` bytes before, and verdict, bytes and steps afterwards.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use nfl_abi::{Entry, Role};
use nfl_tests::agree::{Engines, context_words};
use nfl_tests::capture::{Capture, captures};
use nfl_tests::examples::EXAMPLES;
use nfl_tests::packet::digits;
use nfl_tests::pipeline::Stages;
use serde_json::json;

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
    let image = &stages.image;
    let head = json!({
        "image": image.manifest.name,
        "on": entry.role.text(),
        "code": digits(&image.code),
        "constants": digits(&image.constants),
        "pc": entry.pc,
        "need": entry.need,
        "malformed": [entry.malformed.kind.number(), entry.malformed.operand],
        "window": image.manifest.window,
    });
    writeln!(out, "{head}").map_err(|e| e.to_string())?;
    for capture in captures {
        let mut carried = image.manifest.carried.clone();
        for (index, start) in capture.packets(entry.layer).enumerate().take(most) {
            let after = engines.run(entry.role, &start.packet, &start.context, &carried)?;
            let verdict = after.outcome.verdict;
            let run = json!({
                "packet": digits(&start.packet),
                "of": format!("{} {index}", capture.name),
                "context": context_words(&start.context, false),
                "carried": digits(&carried),
                "verdict": [verdict.kind.number(), verdict.operand],
                "packet after": digits(&after.packet),
                "carried after": digits(&after.carried),
                "steps": after.outcome.steps,
            });
            writeln!(out, "{run}").map_err(|e| e.to_string())?;
            carried = after.carried;
        }
    }
    Ok(())
}
