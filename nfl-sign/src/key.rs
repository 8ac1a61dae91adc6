//! Ed25519 keys in the files OpenSSL writes.
//!
//! In: PEM texts, or the system's random numbers. Out: keys, and PEM texts again. Guaranteed: a
//! [`PublicKey`] is a canonical point of large order; a private key is wiped when dropped and its
//! `Debug` shows the id of its public half only.

use alloc::string::String;
use core::fmt;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use nfl_abi::codes::{self, Code};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::capsule::SignError;

/// How a capsule names its key: the first 8 bytes of the SHA-256 of the public key's 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(out, "{b:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyId({self})")
    }
}

/// A key that signatures are verified with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    point: VerifyingKey,
    kid: KeyId,
}

impl PublicKey {
    /// The key in an SPKI PEM text.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAKey`] or [`KeyError::Weak`].
    pub fn from_pem(pem: &str) -> Result<PublicKey, KeyError> {
        let point = VerifyingKey::from_public_key_pem(pem);
        PublicKey::judge(point.map_err(|_| KeyError::NotAKey("public key (SPKI PEM)"))?)
    }

    /// The key with these 32 bytes (RFC 8032).
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAKey`] or [`KeyError::Weak`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let point = VerifyingKey::from_bytes(bytes);
        PublicKey::judge(point.map_err(|_| KeyError::NotAKey("point of the curve"))?)
    }

    /// Some points have a second encoding, which other implementations refuse; accepting it would
    /// make nodes disagree.
    fn judge(point: VerifyingKey) -> Result<PublicKey, KeyError> {
        let canonical = point.to_edwards().compress().to_bytes() == point.to_bytes();
        if point.is_weak() || !canonical {
            return Err(KeyError::Weak);
        }
        Ok(PublicKey::new(point))
    }

    fn new(point: VerifyingKey) -> PublicKey {
        let hash: [u8; 32] = Sha256::digest(point.as_bytes()).into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        PublicKey {
            point,
            kid: KeyId([a, b, c, d, e, f, g, h]),
        }
    }

    /// The SPKI PEM text, as `openssl pkey -pubout` writes it.
    pub fn to_pem(&self) -> String {
        let pem = self.point.to_public_key_pem(LineEnding::LF);
        pem.expect("a point of 32 bytes fits its fixed form")
    }

    /// The 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.point.to_bytes()
    }

    /// What capsules name this key by.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// Whether `signature` is this key's over `message`; the strict rule, so that what holds here
    /// holds in every other implementation.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.point.verify_strict(message, &signature).is_ok()
    }
}

/// Whoever signs: a key in memory, or a device behind a wire.
pub trait Signer {
    /// The key that the signatures verify with.
    fn public(&self) -> &PublicKey;

    /// The Ed25519 signature over `message`.
    ///
    /// # Errors
    ///
    /// [`SignError::Signer`] when there is none.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// A key that signs.
pub struct PrivateKey {
    pair: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandom`] when the system gives none.
    pub fn generate() -> Result<PrivateKey, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| KeyError::NoRandom)?;
        Ok(PrivateKey::new(SigningKey::from_bytes(&seed)))
    }

    /// The key in a PKCS#8 PEM text, of version 1 or 2; the public key of version 2 must match.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAKey`].
    pub fn from_pem(pem: &str) -> Result<PrivateKey, KeyError> {
        match SigningKey::from_pkcs8_pem(pem) {
            Ok(pair) => Ok(PrivateKey::new(pair)),
            Err(_) => Err(KeyError::NotAKey("unencrypted private key (PKCS#8 PEM)")),
        }
    }

    fn new(pair: SigningKey) -> PrivateKey {
        let public = PublicKey::new(pair.verifying_key());
        PrivateKey { pair, public }
    }

    /// The PKCS#8 PEM text of version 1, as `openssl genpkey` writes it; OpenSSL reads no other.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let bytes = KeypairBytes {
            secret_key: self.pair.to_bytes(),
            public_key: None,
        };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF);
        pem.expect("a seed of 32 bytes fits its fixed form")
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl Signer for PrivateKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        use ed25519_dalek::Signer as _;
        let signature = self.pair.try_sign(message);
        Ok(signature.map_err(|_| SignError::Signer)?.to_bytes())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PrivateKey({})", self.public.kid)
    }
}

/// Why there is no key, or a store does not take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// The text or the bytes are not a key of the form that was due.
    NotAKey(&'static str),
    /// The public key is of small order or not canonical.
    Weak,
    /// The store holds another key with this id.
    SameId(KeyId),
    /// The system gives no random numbers.
    NoRandom,
}

impl KeyError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        match self {
            KeyError::NotAKey(_) => &codes::E804,
            KeyError::Weak => &codes::E805,
            KeyError::SameId(_) => &codes::E806,
            KeyError::NoRandom => &codes::E807,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::NotAKey(form) => write!(out, "this is not an Ed25519 {form}"),
            KeyError::Weak => write!(out, "the public key is weak: nothing signed with it counts"),
            KeyError::SameId(kid) => write!(out, "another trusted key has the id {kid}"),
            KeyError::NoRandom => write!(out, "the system gives no random numbers"),
        }
    }
}

impl core::error::Error for KeyError {}
