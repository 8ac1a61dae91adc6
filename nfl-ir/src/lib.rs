//! The SSA form of NFL: what a handler does to 32-bit words, packet bytes and control.
//!
//! In: a sound program. Out: one [`Module`] for each image, and after [`verify`](mod@verify) a
//! `Verified` module with its bounds. Guaranteed: a `Verified` module reads and writes in bounds,
//! divides by nothing but non-zero numbers, and ends.
//!
//! All values are 32-bit words; wider ones are several words, least significant first. A value
//! has a `width`: its number is below `2^width`. Packet fields are loaded as they lie (little-endian
//! loads), and `bswap16`/`bswap32` turn them into numbers, so that byte order can move into constants.
#![forbid(unsafe_code)]

pub mod cfg;
pub mod entity;
pub mod func;
pub mod interp;
pub mod lower;
pub mod op;
pub mod passes;
pub mod replay;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod verify;

pub use entity::{Block, DataId, FieldId, ImportId, Inst, LateId, ParamId, Slot, Value};
pub use func::{
    BlockCall, BlockData, CarriedField, Function, InstData, Module, Region, Term, WordInfo,
};
pub use op::{Effect, Fmt, Op};
pub use verify::{Bounds, Verified, verify};
