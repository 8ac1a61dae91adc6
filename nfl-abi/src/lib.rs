//! The contract between the compiler and the nodes: every fact on which both must agree.
//!
//! In: nothing. Out: constants, tables and the [`Image`] with its one byte form. Guaranteed: no
//! dependency, no unsafe code, no panic on foreign bytes. The compiler side and the runtime side
//! both stand on this crate and never on each other.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod cbor;
pub mod codes;
pub mod hash;
pub mod host;
pub mod image;
pub mod limits;
pub mod map;

pub use codes::{Code, Severity};
pub use image::{Entry, Image, ImageError, LateSlot, Layer, Manifest, Profile, Role};
pub use limits::{ImageLimits, Limits};

/// Version of everything in this crate that a node can observe. A changed service row, memory
/// map, verdict number or manifest key raises it.
pub const ABI_VERSION: u32 = 2;
