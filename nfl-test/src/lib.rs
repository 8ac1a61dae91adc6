//! In-language tests: what `@Test` methods mean.
//!
//! In: a checked program and a [`Machine`] that runs handlers. Out: a [`Report`] for each test.
//! Guaranteed: a test is evaluated by walking its tree, within a bounded number of steps; handlers run
//! as microcode on the machine and nowhere else; each handler that a test calls also runs over all
//! truncations of the packet it is given, and none of them may break a rule of the machine.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod build;
mod decode;
mod eval;
mod machine;
mod number;
mod pattern;
mod report;
mod run;
mod show;
mod value;
mod wire;
mod world;

pub use machine::{Machine, Node, Ran, World};
pub use report::{Failure, Part, Report};

use nfl_typeck::Sound;
use nfl_typeck::test::TestDef;

/// Runs one test.
pub fn run(sound: Sound<'_>, test: &TestDef, machine: &dyn Machine) -> Report {
    Report {
        name: test.qualified.clone(),
        span: test.span,
        failure: run::run(sound, test, machine).err(),
    }
}
