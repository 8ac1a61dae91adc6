//! Any text is checked to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfl::{Compiler, Limits, MemoryFiles};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let files = MemoryFiles::from([("fuzz.nfl", text)]);
    Compiler::new(Limits::EDGE).check(&files, "fuzz.nfl");
});
