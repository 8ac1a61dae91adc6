//! Any text is refused or laid out; what is laid out stays as it is when it is laid out again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfl_syntax::fmt::format;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // That nothing but white space changes, the formatter itself makes sure of.
    let Ok(once) = format("fuzz.nfl", text) else {
        return;
    };
    match format("fuzz.nfl", &once) {
        Ok(twice) => assert_eq!(once, twice),
        Err(refused) => panic!("refused afterwards: {:?}", refused.findings),
    }
});
