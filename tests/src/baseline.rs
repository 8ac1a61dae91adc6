//! The six functions that exist in C and in NFL, with the sizes that C compilers reach.
//!
//! In: `tests/baselines`. Out: images, and the figures that they are measured by. Guaranteed: the
//! figures of the C are those of the same meaning; a test compares the results on the same packets.

use std::fs;
use std::path::PathBuf;

use crate::pipeline::{Checking, check_text};
use crate::root;

/// A function in both languages.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// The function in NFL, and its file's name without the ending.
    pub function: &'static str,
    /// The file in C, without the ending.
    pub c: &'static str,
    /// Bytes of code and constants of the smallest C for RV32IMC, of clang 19, clang 22 (`-Oz`, `-Os`,
    /// `-O2`) and gcc 12 (`-Os`).
    pub smallest: u32,
    /// The same for the best instruction set that these compilers know: Zb, Zcb and Zcmp on top.
    pub smallest_of_any: u32,
}

const fn baseline(
    function: &'static str,
    c: &'static str,
    smallest: u32,
    smallest_of_any: u32,
) -> Baseline {
    Baseline {
        function,
        c,
        smallest,
        smallest_of_any,
    }
}

/// All six.
pub const SIX: &[Baseline] = &[
    baseline("Microseg", "microseg", 148, 144),
    baseline("Router", "router", 150, 146),
    baseline("Nat44", "nat44", 342, 288),
    baseline("SynGuard", "synguard", 184, 182),
    baseline("Telemetry", "telemetry", 230, 164),
    baseline("DnsGuard", "dnsguard", 234, 230),
];

/// Where the files are.
pub fn directory() -> PathBuf {
    root().join("tests/baselines")
}

impl Baseline {
    /// The program in NFL.
    pub fn check(&self) -> Checking {
        let name = format!("{}.nfl", self.function);
        let text = fs::read_to_string(directory().join(&name));
        check_text(
            &name,
            &text.expect("there is a file for each of the functions"),
        )
    }
}
