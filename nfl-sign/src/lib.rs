//! Capsules: images signed for the nodes that may run them, and opened there.
//!
//! In: an image, claims and a signer; or foreign bytes, a time and the keys a node trusts. Out: a
//! capsule; or a [`Trusted`] image. Guaranteed: the same image, claims and key give the same
//! bytes; [`TrustStore::open`] accepts nothing but such bytes under a key it holds, and never
//! panics; key material is wiped after use and never printed. There is no input or output here:
//! files, their permissions and the clock are the caller's.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod bundle;
mod capsule;
mod key;
mod trust;

pub use bundle::{Bundle, BundledProgram};
pub use capsule::{SignError, sign};
pub use key::{KeyError, KeyId, PrivateKey, PublicKey, Signer};
pub use trust::{Policy, TrustError, TrustStore, Trusted, peek};
