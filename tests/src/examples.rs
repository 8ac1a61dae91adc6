//! The functions of `examples/`, with values for their parameters.
//!
//! Guaranteed: every function of every example file is there; a test compares the list with the
//! directory.

use std::fs;
use std::path::Path;

use crate::pipeline::{Checking, Stages, Texts, check_files};
use crate::root;

/// A function of an example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Its file, below `examples`.
    pub path: &'static str,
    /// Its name.
    pub function: &'static str,
    /// Values for parameters.
    pub sets: &'static [(&'static str, &'static str)],
}

const fn example(
    path: &'static str,
    function: &'static str,
    sets: &'static [(&'static str, &'static str)],
) -> Example {
    Example {
        path,
        function,
        sets,
    }
}

/// All of them.
pub const EXAMPLES: &[Example] = &[
    example(
        "acme/contracts/Segment.nfl",
        "Segment",
        &[
            ("clients", "10.1.0.0/16"),
            ("servers", "10.2.0.0/16"),
            ("port", "5432"),
        ],
    ),
    // Parameters that fit the traffic of the captures better.
    example(
        "acme/contracts/Segment.nfl",
        "Segment",
        &[
            ("clients", "0.0.0.0/0"),
            ("servers", "0.0.0.0/0"),
            ("port", "80"),
        ],
    ),
    example("acme/edge/HopLimit.nfl", "HopLimit", &[]),
    example(
        "acme/edge/Marker.nfl",
        "Marker",
        &[("voice", "192.168.0.0/16")],
    ),
    example("acme/edge/Services.nfl", "Services", &[]),
    example("acme/iot/Reading.nfl", "Readings", &[]),
    example("acme/lan/Voice.nfl", "Voice", &[]),
    example("acme/paths/Hops.nfl", "Hops", &[("most", "3")]),
    example("acme/paths/Trace.nfl", "Trace", &[]),
];

/// Every file of the examples, by its path below `examples`.
pub fn texts() -> Texts {
    fn walk(dir: &Path, prefix: &str, into: &mut Texts) {
        for entry in fs::read_dir(dir).expect("there is a directory of examples") {
            let entry = entry.expect("a directory can be read to its end");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), into);
            } else if name.ends_with(".nfl") {
                let text = fs::read_to_string(entry.path()).expect("examples can be read");
                into.0.insert(name, text);
            }
        }
    }
    let mut into = Texts::default();
    walk(&root().join("examples"), "", &mut into);
    into
}

impl Example {
    /// The program it is part of.
    pub fn check(&self) -> Checking {
        check_files(&texts(), self.path)
    }

    /// Its images.
    ///
    /// # Errors
    ///
    /// What the compiler says.
    pub fn stages(&self) -> Result<Vec<Stages>, String> {
        let checking = self.check();
        let function = checking.function(Some(self.function))?;
        let sets: Vec<(String, String)> = self
            .sets
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        checking.stages(function, &sets)
    }
}
