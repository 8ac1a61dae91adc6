//! The node's verifier: it takes an image from nobody it trusts, and answers *yes, with a bound
//! per entry* or *no, with an address and a reason*.
//!
//! [`prove()`] shows of an image that, entered as the machine's contract says, with any packet at
//! least as long as the entry needs and any contents of packet, context and `carried` area:
//!
//! 1. only instructions of the image's target are executed, each from its first byte, and every
//!    byte of code belongs to one that can be reached;
//! 2. no register or word of scratch is read before it is written, and `s0`, `s1` and `sp` are
//!    never written;
//! 3. every load lies inside the packet or its window, scratch, the context, the `carried` area,
//!    the constants or a value that a lookup has found, and every store inside the packet, scratch
//!    or the `carried` area;
//! 4. addresses are only moved, added to, subtracted within a region, and compared near it, with
//!    each other or with 0; they are stored in scratch alone, so none leaves the handler;
//! 5. packet bytes are written, the clock is read, and services are called only with the right to
//!    do so, and services find in `a0` to `a5` what they take;
//! 6. verdict and operand are numbers when a handler finishes;
//! 7. every run ends within the steps that the manifest promises, which the platform allows;
//! 8. all of this holds for every value that a late parameter may be bound to.
//!
//! The certificate announces loops and subroutines, and what holds at their heads. It is checked and never
//! believed: a wrong one can only make the answer *no*. [`certify()`] proposes one.
//!
//! In: an [`Image`] and the platform's [`Limits`]. Out: a [`Proven`] image or a [`Refusal`].
//! Guaranteed: no panic on any input, no recursion, time near-linear in the code, and memory in
//! proportion to the code alone.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;

mod call;
mod certificate;
mod certify;
mod code;
#[cfg(test)]
mod covering;
mod join;
mod known;
mod lesson;
mod liveness;
mod loops;
mod manifest;
mod memory;
mod number;
mod proposal;
mod prove;
mod range;
mod refine;
mod refusal;
mod report;
mod state;
mod subroutine;
mod sweep;
mod transfer;

use alloc::vec::Vec;
use core::fmt;

use nfl_abi::{Image, Limits};
use nfl_isa::Inst;

use prove::Memory;

pub use known::{Holds, Known};
pub use refusal::{Place, Range, Reason, Refusal, Region};
pub use report::{EntryBound, LoopBound, Measure, Proven, SubroutineBound, Touches};

/// Proves an image, or says what could not be proved.
///
/// # Errors
///
/// The first refusal, in the order: image as a whole, decoding, certificate, then by address.
pub fn prove(image: &Image, limits: &Limits) -> Result<Proven, Refusal> {
    let facts = prove::prove(image, limits, None, &mut Memory::default())?;
    Ok(Proven::new(image.clone(), facts))
}

/// Proves an image as [`prove()`] does, and shows what is known before each instruction, in the
/// order of addresses. Up to a refusal, that explains it.
///
/// # Errors
///
/// As [`prove()`].
pub fn observe(
    image: &Image,
    limits: &Limits,
    visit: &mut dyn FnMut(u32, &Known<'_>),
) -> Result<Proven, Refusal> {
    let facts = prove::prove(image, limits, Some(visit), &mut Memory::default())?;
    Ok(Proven::new(image.clone(), facts))
}

/// Proposes a certificate for the code of an image, whatever certificate it has now. When the
/// code can be proved with claims as this crate finds them, [`prove()`] accepts the image with it.
///
/// # Errors
///
/// What [`prove()`] would refuse whatever the certificate, and loops that nothing seems to bound.
pub fn certify(image: &Image, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    Prover::new().certify(image, limits)
}

/// A verifier that keeps its memory, for those who prove one image after another: a proof takes what those before it have
/// left, as much as the largest of them needed. No answer depends on it.
#[derive(Default)]
pub struct Prover(Memory);

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}

impl Prover {
    /// A verifier that has no memory yet.
    pub fn new() -> Prover {
        Prover::default()
    }

    /// Proves an image, as [`prove()`] does.
    ///
    /// # Errors
    ///
    /// As [`prove()`].
    pub fn prove(&mut self, image: Image, limits: &Limits) -> Result<Proven, Refusal> {
        let facts = prove::prove(&image, limits, None, &mut self.0)?;
        Ok(Proven::new(image, facts))
    }

    /// The instructions of the image that was proved last: where each stands, how many bytes it has, and what it is, in the order
    /// of addresses. None after a refusal. For those who need them next.
    pub fn instructions(&self) -> impl Iterator<Item = (u32, u32, Inst)> {
        let lines = self.0.code.lines.iter();
        lines.map(|line| (line.pc, line.size, line.inst))
    }

    /// Proposes a certificate, as [`certify()`] does.
    ///
    /// # Errors
    ///
    /// As [`certify()`].
    pub fn certify(&mut self, image: &Image, limits: &Limits) -> Result<Vec<u8>, Refusal> {
        certify::certify(image, limits, &mut self.0)
    }
}
