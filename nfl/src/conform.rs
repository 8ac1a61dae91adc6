//! Conformance of engines: vectors as data, what an engine answers, and who differs.
//!
//! In: nothing, images, or lines of text. Out: a [`Suite`] of vectors with expected answers, the engine's side of the
//! line protocol ([`Session`]), and the first difference between two answers ([`difference`]). Guaranteed: the same version
//! makes the same vectors; what is expected is what the checked interpreter does; no panic on any line.
//!
//! A *program* is an image. A *vector* is a program and runs of one of its entries, one after the other on one state. A
//! *run* is a packet with what the node adds, and the answers of the services that it calls, so that an engine without
//! services can replay them. `docs/src/conformance.md` has the form of the lines.

mod engine;
mod judge;
mod make;
mod node;
mod suite;
mod vector;

pub use engine::{EngineKind, Session};
pub use judge::{Difference, difference};
pub use make::{all, expect};
pub use node::{NodeError, answer, store, trace};
pub use suite::{Suite, SuiteError, Writer};
pub use vector::{
    Answer, Answered, ArgumentLine, Call, CallAnswer, Count, EntryLine, Group, Hello, Hex,
    ImportLine, Kept, Mirrored, PartLine, Program, Put, Reply, Report, Request, Run, Stop, Told,
    Vector,
};

/// The version of the vectors and of the protocol.
pub const VERSION: u32 = 1;
/// The longest line of the protocol, in bytes.
pub const LINE_MAX: usize = 16 << 20;
