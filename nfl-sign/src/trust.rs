//! What a node believes: the keys it was given, and the images they vouch for.
//!
//! In: public keys and a policy when the node is set up; then foreign bytes and the time. Out: a
//! [`Trusted`] image, or why not. Guaranteed: only [`TrustStore::open`] makes a `Trusted`; it asks
//! in the order form, key, signature, image, time, audience, so that strangers cost a look-up and
//! the image is not even parsed before somebody trusted has signed it. Trust says who stands for
//! the image. What the image does is still for the byte verifier to prove.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use nfl_abi::cbor::Malformed;
use nfl_abi::codes::{self, Code};
use nfl_abi::image::Claims;
use nfl_abi::{Image, ImageError};

use crate::capsule::{Parts, signed_message};
use crate::key::{KeyError, KeyId, PublicKey};

/// How a node judges claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// How far a clock may be off, in seconds.
    pub clock_skew_s: u64,
    /// The group this node is in. A capsule must name the same one; a node without a group takes
    /// only capsules that name none (RFC 7519 section 4.1.3).
    pub audience: Option<String>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            clock_skew_s: 60,
            audience: None,
        }
    }
}

/// The keys a node trusts, and its policy.
#[derive(Clone, Default, Debug)]
pub struct TrustStore {
    keys: BTreeMap<KeyId, PublicKey>,
    policy: Policy,
}

impl TrustStore {
    /// A store that trusts nobody yet.
    pub fn new(policy: Policy) -> TrustStore {
        TrustStore {
            keys: BTreeMap::new(),
            policy,
        }
    }

    /// Trusts what this key signs. Trusting a key twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`KeyError::SameId`] when another key has its id.
    pub fn add_key(&mut self, key: PublicKey) -> Result<(), KeyError> {
        let kid = key.kid();
        match self.keys.get(&kid) {
            Some(held) if *held != key => Err(KeyError::SameId(kid)),
            _ => {
                self.keys.insert(kid, key);
                Ok(())
            }
        }
    }

    /// The key with this id, if it is trusted.
    pub(crate) fn key(&self, kid: KeyId) -> Option<&PublicKey> {
        self.keys.get(&kid)
    }

    /// The image in a capsule, when a trusted key has signed it for this node and this time.
    ///
    /// # Errors
    ///
    /// The first doubt in the order that [`TrustError`] lists them.
    pub fn open(&self, bytes: &[u8], now_s: u64) -> Result<Trusted, TrustError> {
        let parts = Parts::read(bytes)?;
        let kid = parts.kid;
        let key = self.key(kid).ok_or(TrustError::UnknownKey(kid))?;
        if !key.verifies(&signed_message(kid, parts.payload), &parts.signature) {
            return Err(TrustError::BadSignature(kid));
        }
        let image = Image::from_bytes(parts.payload).map_err(TrustError::Image)?;
        self.judge(&image.manifest.claims, now_s)?;
        Ok(Trusted { image, kid })
    }

    fn judge(&self, claims: &Claims, now_s: u64) -> Result<(), TrustError> {
        let Policy {
            clock_skew_s,
            ref audience,
        } = self.policy;
        if let Some(end_s) = claims.expires
            && now_s.saturating_sub(clock_skew_s) >= end_s
        {
            return Err(TrustError::Expired { end_s, now_s });
        }
        if let Some(start_s) = claims.not_before
            && now_s.saturating_add(clock_skew_s) < start_s
        {
            return Err(TrustError::NotYetValid { start_s, now_s });
        }
        if claims.audience != *audience {
            return Err(TrustError::WrongAudience {
                meant: claims.audience.clone(),
                ours: audience.clone(),
            });
        }
        Ok(())
    }
}

/// The key id and the image of a capsule that nobody has judged: for tools that show what is in
/// it, and never for one that runs it.
///
/// # Errors
///
/// [`TrustError::NotACapsule`] or [`TrustError::Image`].
pub fn peek(bytes: &[u8]) -> Result<(KeyId, Image), TrustError> {
    let parts = Parts::read(bytes)?;
    let image = Image::from_bytes(parts.payload).map_err(TrustError::Image)?;
    Ok((parts.kid, image))
}

/// An image that somebody trusted has signed for this node and this time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trusted {
    image: Image,
    kid: KeyId,
}

impl Trusted {
    /// The image, as it was signed.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The image, for the byte verifier.
    pub fn into_image(self) -> Image {
        self.image
    }

    /// What the signer says about it.
    pub fn claims(&self) -> &Claims {
        &self.image.manifest.claims
    }

    /// The key it was signed with.
    pub fn kid(&self) -> KeyId {
        self.kid
    }
}

/// Why a capsule is not trusted, in the order in which a node asks.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TrustError {
    /// The bytes are not the one form of a capsule.
    NotACapsule {
        /// What is wrong.
        what: &'static str,
        /// Offset of the first byte that is.
        at: usize,
    },
    /// It is signed with a key that the store does not hold.
    UnknownKey(KeyId),
    /// The signature is not this key's over these bytes.
    BadSignature(KeyId),
    /// What was signed is not an image; offsets count from the image's first byte.
    Image(ImageError),
    /// Its time is over.
    Expired {
        /// The end of its time, in seconds since 1970.
        end_s: u64,
        /// The time on this node.
        now_s: u64,
    },
    /// Its time has not come.
    NotYetValid {
        /// The beginning of its time, in seconds since 1970.
        start_s: u64,
        /// The time on this node.
        now_s: u64,
    },
    /// It is for other nodes.
    WrongAudience {
        /// The group it is for.
        meant: Option<String>,
        /// The group this node is in.
        ours: Option<String>,
    },
}

impl From<Malformed> for TrustError {
    fn from(Malformed { what, at }: Malformed) -> TrustError {
        TrustError::NotACapsule { what, at }
    }
}

impl TrustError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        match self {
            TrustError::NotACapsule { .. } => &codes::E811,
            TrustError::UnknownKey(_) => &codes::E812,
            TrustError::BadSignature(_) => &codes::E813,
            TrustError::Image(error) => error.code(),
            TrustError::Expired { .. } => &codes::E814,
            TrustError::NotYetValid { .. } => &codes::E815,
            TrustError::WrongAudience { .. } => &codes::E816,
        }
    }
}

impl fmt::Display for TrustError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustError::NotACapsule { what, at } => {
                write!(out, "these bytes are not a capsule: {what} (byte {at})")
            }
            TrustError::UnknownKey(kid) => {
                write!(out, "the capsule is signed with the unknown key {kid}")
            }
            TrustError::BadSignature(kid) => {
                write!(out, "the signature is not that of the key {kid}")
            }
            TrustError::Image(error) => error.fmt(out),
            TrustError::Expired { end_s, now_s } => {
                write!(out, "the capsule expired at {end_s} and it is {now_s}")
            }
            TrustError::NotYetValid { start_s, now_s } => {
                write!(out, "the capsule is valid from {start_s} and it is {now_s}")
            }
            TrustError::WrongAudience { meant, ours } => {
                out.write_str("the capsule is for ")?;
                write_group(out, meant.as_deref())?;
                out.write_str(" and this node is in ")?;
                write_group(out, ours.as_deref())
            }
        }
    }
}

fn write_group(out: &mut fmt::Formatter<'_>, group: Option<&str>) -> fmt::Result {
    match group {
        Some(group) => write!(out, "the group `{group}`"),
        None => out.write_str("no group"),
    }
}

impl core::error::Error for TrustError {}
