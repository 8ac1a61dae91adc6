//! RV32IMC, with Zba, Zbb, Zbs and Zcb, in one table.
//!
//! In: bytes, instructions or assembly text. Out: the other two. Every instruction is one row of [`SPECS`]; the 16-bit
//! forms are one row each of [`FORMS`]. Decoder, encoder, printer, assembler and the compression of instructions read
//! these rows and repeat none of them.
//!
//! Guaranteed: no input makes a function here panic; what [`encode()`] accepts, [`decode()`] gives back; what [`decode()`]
//! accepts of 16 bits, [`compress()`] gives back in the same or an equal form.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod asm;
mod compress;
mod decode;
mod encode;
mod form;
mod march;
mod reg;
mod shape;
mod table;
mod target;
mod text;

pub use asm::{AsmError, assemble};
pub use compress::{compress, size};
pub use decode::{DecodeError, decode, decode_half, decode_word};
pub use encode::{EncodeError, encode};
pub use form::{FORMS, Form};
pub use march::{MarchError, MarchFault};
pub use reg::Reg;
pub use shape::Shape;
pub use table::{Extension, Fmt, Fx, Inst, Op, SPECS, Spec};
pub use target::{Room, TARGETS, Target};
pub use text::{Line, disassemble};
