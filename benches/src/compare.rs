//! One function on all sides.
//!
//! In: its name. Out: a [`Row`]: for each side what a packet costs. Guaranteed: each side that is timed came to the native results on all packets
//! first.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::kernel::{self, Kernel};
use crate::measure::{End, Samples, Side, in_turns};
use crate::native::{self, Native};
use crate::ours::{self, Ours};
use crate::peers;
use crate::traffic::{Traffic, traffic};

/// The native side, to which others are compared.
pub(crate) const NATIVE: &str = "native gcc -O2";

/// The same where one packet runs many times in a row, as in the kernel.
pub(crate) const NATIVE_ROW: &str = "native, one packet in a row";
/// Ours where one packet runs many times in a row.
pub(crate) const JIT_ROW: &str = "NFL JIT, one packet in a row";
/// The kernel.
pub(crate) const KERNEL: &str = "kernel eBPF";

/// Time for one side in one round.
const EACH: Duration = Duration::from_millis(3);

/// One function on all sides.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) cells: Vec<Cell>,
    /// Sides that could not be timed, with the reason.
    pub(crate) skipped: Vec<(&'static str, String)>,
}

/// What a packet costs on a side, in nanoseconds.
pub(crate) struct Cell {
    pub(crate) side: &'static str,
    /// With the call.
    pub(crate) gross: Samples,
    /// Without what the empty function costs on this side.
    pub(crate) net: Samples,
}

impl Row {
    pub(crate) fn cell(&self, side: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.side == side)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for Cell { side, gross, net } in &self.cells {
            writeln!(
                f,
                "  {side:22} net {:8.1} ({:.1} to {:.1})  with call {:8.1} ({:.1} to {:.1}) ns",
                net.median(),
                net.least(),
                net.most(),
                gross.median(),
                gross.least(),
                gross.most()
            )?;
        }
        for (side, why) in &self.skipped {
            writeln!(f, "  {side:22} skipped: {why}")?;
        }
        Ok(())
    }
}

/// A side with its empty function.
struct Pair {
    side: &'static str,
    run: Box<dyn Side>,
    empty: Box<dyn Side>,
}

/// What comes out when a side is made: the function and the empty one.
pub(crate) type Made = Result<(Box<dyn Side>, Box<dyn Side>), String>;

fn both(run: impl Side + 'static, empty: impl Side + 'static) -> Made {
    Ok((Box::new(run), Box::new(empty)))
}

/// Measures a function.
pub(crate) fn row(name: &'static str, place: &Path) -> Row {
    let traffic = traffic(name);
    native::fill(&traffic.entries);
    let mut row = Row {
        name,
        cells: Vec::new(),
        skipped: Vec::new(),
    };
    let mut pairs = Vec::new();
    let mut expected = None;
    for (side, made) in sides(name, &traffic, place) {
        match made.and_then(|(run, empty)| checked(side, name, run, empty, &mut expected)) {
            Ok(pair) => pairs.push(pair),
            Err(why) => row.skipped.push((side, why)),
        }
    }
    let mut sides: Vec<&mut dyn Side> = Vec::new();
    for pair in &mut pairs {
        sides.push(&mut *pair.run);
        sides.push(&mut *pair.empty);
    }
    let samples = in_turns(&mut sides, EACH);
    for (pair, samples) in pairs.iter().zip(samples.chunks(2)) {
        row.cells.push(Cell {
            side: pair.side,
            net: samples[0].without(&samples[1]),
            gross: samples[0].clone(),
        });
    }
    row
}

/// Runs all packets once and compares with the native results, which come first.
fn checked(
    side: &'static str,
    name: &str,
    mut run: Box<dyn Side>,
    empty: Box<dyn Side>,
    expected: &mut Option<Vec<End>>,
) -> Result<Pair, String> {
    let ends = run.ends();
    let expected = expected.get_or_insert_with(|| ends.clone());
    let in_kernel = side == KERNEL;
    let equal = |(a, b): (&End, &End)| match name {
        // The node of a kernel has another number and its own time.
        "telemetry" if in_kernel => a.0 == b.0,
        // What a kernel redirects goes to a port that is not told.
        _ if in_kernel => (a.0, &a.2) == (b.0, &b.2),
        _ => a == b,
    };
    let wrong = ends.iter().zip(&*expected).position(|pair| !equal(pair));
    match wrong {
        None if ends.len() == expected.len() => Ok(Pair { side, run, empty }),
        at => Err(format!("its result differs at packet {at:?}")),
    }
}

fn sides(name: &str, traffic: &Traffic, place: &Path) -> Vec<(&'static str, Made)> {
    let nothing = Traffic {
        packets: traffic.packets.clone(),
        entries: Vec::new(),
    };
    let changes = kernel::mutates(name);
    let native = || Native::new(name, traffic);
    let empty = || Native::new("empty", &nothing);
    let mut sides = vec![(NATIVE, both(native(), empty()))];
    for (side, engine) in ours::engines() {
        let made = || {
            let mut run = Ours::new(&engine, name, traffic)?;
            if side == ours::JIT && !run.is_compiled() {
                return Err("there is no host code for it".to_string());
            }
            counted(name, &mut run, traffic)?;
            Ok((run, Ours::new(&engine, "empty", &nothing)?))
        };
        sides.push((side, made().and_then(|(run, empty)| both(run, empty))));
        if side == ours::JIT {
            let row = made()
                .and_then(|(run, empty)| both(run.in_a_row(changes), empty.in_a_row(changes)));
            sides.push((JIT_ROW, row));
        }
    }
    sides.push((
        NATIVE_ROW,
        both(native().in_a_row(changes), empty().in_a_row(changes)),
    ));
    let kernel = Kernel::new(name, name, traffic, place)
        .and_then(|run| both(run, Kernel::new("empty", name, &nothing, place)?));
    sides.push((KERNEL, kernel));
    sides.extend(peers::sides(name, &nothing, place));
    sides
}

/// Whether packets counted the same in C and in NFL; both start with nothing counted, and go on from there.
fn counted(name: &str, ours: &mut Ours, traffic: &Traffic) -> Result<(), String> {
    if name != "synguard" {
        return Ok(());
    }
    native::fill(&traffic.entries);
    Native::new(name, traffic).ends();
    ours.ends();
    if native::counts() != ours.counts("nets") {
        return Err("it counts otherwise".to_string());
    }
    Ok(())
}
