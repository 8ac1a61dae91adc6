//! The bytes of a capsule, profile NFL-COSE-1: how they are made and how they are taken apart.
//!
//! In: an image, claims and a signer; or foreign bytes. Out: a capsule; or its three parts, still
//! in doubt. Guaranteed: there is one byte form, `18([ {1: -8, 4: kid}, {}, image, signature ])` of
//! RFC 9052 in deterministic encoding, and [`Parts::read`] takes no other. The signature is over
//! the Sig_structure with the external data `NFL1`, so it stands for nothing else.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use alloc::vec::Vec;
use core::fmt;

use nfl_abi::cbor::{Malformed, Map, Reader, Writer};
use nfl_abi::codes::{self, Code};
use nfl_abi::image::Claims;
use nfl_abi::{Image, ImageError};

use crate::key::{KeyId, Signer};

/// The tag of COSE_Sign1.
const TAG: u64 = 18;
/// Header label of the algorithm, and EdDSA's number; our keys are all Ed25519.
const ALGORITHM: i64 = 1;
const EDDSA: i64 = -8;
/// Header label of the key id.
const KID: i64 = 4;
/// What is signed beside the capsule: the purpose.
const EXTERNAL: &[u8] = b"NFL1";

/// Signs `image` with `claims` in the place of those it has.
///
/// # Errors
///
/// [`SignError::Image`] when no node could read the image back, [`SignError::Claims`], or what the
/// signer says. A signature that does not verify is never handed out.
pub fn sign(image: &Image, claims: &Claims, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    if let (Some(from), Some(to)) = (claims.not_before, claims.expires)
        && from >= to
    {
        return Err(SignError::Claims);
    }
    let mut image = image.clone();
    image.manifest.claims = claims.clone();
    let payload = image.to_bytes();
    // The fields of an image are open, so it may say what the byte form cannot.
    Image::from_bytes(&payload).map_err(SignError::Image)?;

    sign_payload(&payload, EXTERNAL, signer)
}

/// A COSE_Sign1 message with this payload, for this purpose.
pub(crate) fn sign_payload(
    payload: &[u8],
    external: &[u8],
    signer: &dyn Signer,
) -> Result<Vec<u8>, SignError> {
    let kid = signer.public().kid();
    let message = signed_message_for(kid, payload, external);
    let signature = signer.sign(&message)?;
    if !signer.public().verifies(&message, &signature) {
        return Err(SignError::Signer);
    }
    let mut w = Writer::new();
    w.tag(TAG);
    w.array(4);
    w.bytes(&protected(kid));
    w.map(Map::new());
    w.bytes(payload);
    w.bytes(&signature);
    Ok(w.into_bytes())
}

/// The protected header.
fn protected(kid: KeyId) -> Vec<u8> {
    let mut header = Map::new();
    header.field(ALGORITHM).int(EDDSA);
    header.field(KID).bytes(&kid.0);
    let mut w = Writer::new();
    w.map(header);
    w.into_bytes()
}

/// The Sig_structure of a capsule.
pub(crate) fn signed_message(kid: KeyId, payload: &[u8]) -> Vec<u8> {
    signed_message_for(kid, payload, EXTERNAL)
}

/// The Sig_structure (RFC 9052 section 4.4).
pub(crate) fn signed_message_for(kid: KeyId, payload: &[u8], external: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(4);
    w.text("Signature1");
    w.bytes(&protected(kid));
    w.bytes(external);
    w.bytes(payload);
    w.into_bytes()
}

/// What a capsule consists of. Nothing of it is proven.
pub(crate) struct Parts<'a> {
    pub(crate) kid: KeyId,
    pub(crate) payload: &'a [u8],
    pub(crate) signature: [u8; 64],
}

impl<'a> Parts<'a> {
    /// Takes a capsule apart.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Parts<'a>, Malformed> {
        let mut r = Reader::new(bytes);
        let at = r.at();
        if r.tag()? != TAG {
            return Reader::refuse(at, "the tag is not that of COSE_Sign1");
        }
        r.array_of(4)?;
        let mut header = r.nested()?;
        let kid = read_protected(&mut header)?;
        let at = r.at();
        let mut unprotected = r.map()?;
        if r.field(&mut unprotected)?.is_some() {
            return Reader::refuse(at, "there are unprotected header fields");
        }
        let payload = r.bytes()?;
        let signature = fixed(&mut r, "the signature has not 64 bytes")?;
        r.end()?;
        Ok(Parts {
            kid,
            payload,
            signature,
        })
    }
}

fn read_protected(r: &mut Reader<'_>) -> Result<KeyId, Malformed> {
    let start = r.at();
    let mut fields = r.map()?;
    let mut kid = None;
    let mut eddsa = false;
    loop {
        let at = r.at();
        match r.field(&mut fields)? {
            None => break,
            Some(ALGORITHM) => eddsa = r.int()? == EDDSA,
            Some(KID) => kid = Some(KeyId(fixed(r, "the key id has not 8 bytes")?)),
            Some(_) => return Reader::refuse(at, "a header field is unknown"),
        }
    }
    r.end()?;
    match kid {
        Some(kid) if eddsa => Ok(kid),
        _ => Reader::refuse(start, "the header does not say EdDSA and name a key"),
    }
}

fn fixed<const N: usize>(r: &mut Reader<'_>, what: &'static str) -> Result<[u8; N], Malformed> {
    let at = r.at();
    <[u8; N]>::try_from(r.bytes()?).or(Reader::refuse(at, what))
}

/// Why there is no capsule.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SignError {
    /// The image has no byte form.
    Image(ImageError),
    /// It would expire before it becomes valid.
    Claims,
    /// There is no signature, or one that does not verify with the signer's own public key.
    Signer,
}

impl SignError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        match self {
            SignError::Image(error) => error.code(),
            SignError::Claims => &codes::E809,
            SignError::Signer => &codes::E808,
        }
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignError::Image(error) => error.fmt(out),
            SignError::Claims => write!(out, "the capsule would expire before it becomes valid"),
            SignError::Signer => write!(out, "the signer gave no signature of its key"),
        }
    }
}

impl core::error::Error for SignError {}
