//! The machine beside native code and other sandboxes, on the same packets, in one run.
//!
//! In: the sources of the functions, in C and in NFL. Out: `report.md` and `report.svg` in this directory. Guaranteed: a side whose results
//! differ from the native ones is not timed but named, and what could not run is named with its reason.

mod chart;
mod compare;
mod first;
#[expect(dead_code, reason = "the sandboxes use the rest")]
mod frames;
mod kernel;
mod measure;
mod native;
mod ours;
mod peers;
mod report;
mod scale;
mod traffic;

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

/// The functions of `tests/baselines`.
pub(crate) const SIX: [&str; 6] = [
    "microseg",
    "router",
    "nat44",
    "synguard",
    "telemetry",
    "dnsguard",
];
/// What sandboxes without tables run too; `empty` is what a call costs.
pub(crate) const KERNELS: [&str; 4] = ["empty", "parse", "csum1500", "fnv64"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let place = std::env::temp_dir().join(format!("nfl-benches-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let mut rows = Vec::new();
    for name in KERNELS.iter().chain(&SIX) {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            let row = compare::row(name, &place);
            write!(out, "{row}")?;
            rows.push(row);
        }
    }
    if wanted.iter().any(|w| w == "scale") {
        write!(out, "{}", scale::measure(&place))?;
    }
    if !wanted.is_empty() {
        return Ok(std::fs::remove_dir_all(&place)?);
    }
    let first = first::measure(&place);
    write!(out, "{first}")?;
    let scale = scale::measure(&place);
    write!(out, "{scale}")?;
    let report = report::text(&rows, &first, &scale);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(root.join("report.md"), report)?;
    std::fs::write(root.join("report.svg"), chart::svg(&rows))?;
    Ok(std::fs::remove_dir_all(&place)?)
}
