//! In-language tests: what `@Test` methods mean.
//!
//! In: a checked program and a way to make [`Images`] of its functions. Out: a [`Report`] for each test.
//! Guaranteed: a test is evaluated by walking its tree, within a bounded number of steps; handlers run
//! as microcode on the machine and nowhere else; each handler that a test calls also runs over all
//! truncations of the packet it is given, and none of them may break a rule of the machine.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod build;
mod control;
mod decode;
mod eval;
mod layout;
mod node;
mod number;
mod pattern;
mod payload;
mod report;
mod run;
mod show;
mod value;
mod wire;
mod world;

pub use layout::{Layout, Layouts, Leaf};
pub use node::Images;
pub use report::{Failure, Part, Report};

use nfl_typeck::Sound;
use nfl_typeck::test::TestDef;

/// Runs one test.
pub fn run(sound: Sound<'_>, test: &TestDef, images: &Images<'_>) -> Report {
    Report {
        name: test.qualified.clone(),
        span: test.span,
        failure: run::run(sound, test, images).err(),
    }
}
