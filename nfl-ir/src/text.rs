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
//! on originator NETWORK need 20 malformed Drop 0 {
//!   slot0: 16 align 4
//! b0:
//!   v0 = load8.packet 0
//!   v1 = const 15
//!   v2: 4 = and v0, v1
//!   branch v2, b1(v0), b1(v2)
//! b1(v3: 8):
//!   store8.packet v0, v3 + 4
//!   finish v1, v1
//! }
//! ```

mod parse;
mod print;

pub use parse::{TextError, parse};
pub use print::{function, module};
