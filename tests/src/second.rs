//! A second checker of images: slow, clear, and written from the page that defines what a node accepts.
//!
//! In: an image and a platform's limits. Out: *W* of each entry, or why the image is refused. Guaranteed: it follows
//! "The byte verifier, exactly" section by section, numbers are wide integers, states are maps, and it shares nothing
//! with `nfl-verify` but the decoder and the types of images. Which of several faults a refusal names is its own affair.

mod branch;
mod certificate;
mod code;
mod compute;
mod cost;
mod join;
mod loops;
mod manifest;
mod memory;
mod range;
mod service;
mod state;
mod subroutine;
mod sweep;

use nfl_abi::{Image, Limits};

/// Wide enough for every sum, product and shift of words.
type Int = i128;

/// The largest word.
const M: Int = u32::MAX as Int;

/// How far an address may be said to lie from its region.
const FAR: Int = 1 << 33;

/// Says no, for a reason.
fn refuse<T>(why: impl Into<String>) -> Result<T, String> {
    Err(why.into())
}

/// Says no unless something holds.
fn require(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { refuse(why) }
}

/// *W* of each entry in the manifest's order.
///
/// # Errors
///
/// Why the image is refused.
pub fn prove(image: &Image, limits: &Limits) -> Result<Vec<u32>, String> {
    let limits = limits.of(image.manifest.profile);
    manifest::check(image, limits)?;
    let calls = service::calls(&image.manifest)?;
    let code = code::read(image)?;
    let (loops, own) = certificate::read(&image.certificate, limits)?;
    certificate::shape(&loops, &code, limits)?;
    subroutine::shape(&own, &loops, image, &code, &calls)?;
    let mut prices = sweep::sweep(image, limits, &code, (&loops, &own), &calls)?;
    subroutine::prices(&own, &code, &mut prices);
    cost::bounds(image, limits, &code, &loops, &prices)
}
