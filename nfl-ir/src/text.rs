//! The text form of the IR, `.nir`.
//!
//! In: a module, or text. Out: the text, or a module. Guaranteed: printing numbers words and blocks
//! densely in the order of the layout, so printing what was parsed from a printed module gives the
//! same text. Source places are not part of the text.
//!
//! ```text
//! module acme.Segment.originator capsule rights [Rewrite] passes 1
//! late0 port: 16 wire in 0..65535 = 443
//! data0 WEB align 2: 50 00 bb 01
//! carried 00 00
//! reason TOO_DEEP
//! import0 table.get on 0
//! import1 hash.crc32c of 8
//! resource0 routes table key 4 value 8 capacity 64 layout 1edc6f41
//! on originator NETWORK need 20 malformed Drop 0 {
//!   slot0: 16 align 4
//! b0:
//!   v0 = load8.packet 0
//!   v1 = const 15
//!   v2: 4 = and v0, v1
//!   branch v2, b1(v0), b1(v2)
//! b1(v3: 8):
//!   store8.packet v0, v3 + 4
//!   v4 = call 0, v0
//!   branch v4, b2, b3
//! b2:
//!   v5 = load16.value v4 + 4
//!   v6 = load8.value v4 + v3 + 0
//!   v7 = address.slot0 8
//!   assert v6
//!   finish v1, v5
//! b3:
//!   finish v1, v1
//! }
//! ```

mod parse;
mod print;

pub use parse::{TextError, parse};
pub use print::{function, module};
