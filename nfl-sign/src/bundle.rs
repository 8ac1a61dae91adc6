//! Bundles: the programs of a service graph with the identities that they are bound to, signed as one.
//!
//! In: a [`Bundle`] and a signer; or foreign bytes and the keys a controller trusts. Out: bytes; or the
//! bundle. Guaranteed: there is one byte form, a COSE_Sign1 message as for capsules whose payload is
//! `[ name, [ + [ service, identity ] ], [ + [ from, to, capsule ] ] ]` in deterministic encoding; the
//! signature is over the external data `NFL1-BUNDLE`, so it stands for no capsule. The capsules in it
//! are judged each for itself, by the node that runs them.

use alloc::string::String;
use alloc::vec::Vec;

use nfl_abi::cbor::{Malformed, Reader, Writer};

use crate::capsule::{Parts, SignError, sign_payload, signed_message_for};
use crate::key::Signer;
use crate::trust::{TrustError, TrustStore};

/// What is signed beside the bundle: the purpose.
const EXTERNAL: &[u8] = b"NFL1-BUNDLE";

/// What a service graph became.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// Qualified name of the graph.
    pub name: String,
    /// Services and their identities.
    pub services: Vec<(String, String)>,
    /// The programs of all connections.
    pub programs: Vec<BundledProgram>,
}

/// A program of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundledProgram {
    /// The service that opens flows; empty for anyone.
    pub from: String,
    /// The service that it opens them to; empty for anyone.
    pub to: String,
    /// The program, signed by itself.
    pub capsule: Vec<u8>,
}

impl Bundle {
    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3);
        w.text(&self.name);
        w.array(self.services.len());
        for (service, identity) in &self.services {
            w.array(2);
            w.text(service);
            w.text(identity);
        }
        w.array(self.programs.len());
        for program in &self.programs {
            w.array(3);
            w.text(&program.from);
            w.text(&program.to);
            w.bytes(&program.capsule);
        }
        w.into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Bundle, Malformed> {
        let mut r = Reader::new(bytes);
        r.array_of(3)?;
        let name = r.text()?.into();
        let services = r.array()?;
        // Lengths are claims, so the vectors grow with what is really there.
        let services = (0..services).map(|_| {
            r.array_of(2)?;
            Ok((r.text()?.into(), r.text()?.into()))
        });
        let services = services.collect::<Result<_, Malformed>>()?;
        let programs = r.array()?;
        let programs = (0..programs).map(|_| {
            r.array_of(3)?;
            Ok(BundledProgram {
                from: r.text()?.into(),
                to: r.text()?.into(),
                capsule: r.bytes()?.to_vec(),
            })
        });
        let programs = programs.collect::<Result<_, Malformed>>()?;
        r.end()?;
        Ok(Bundle {
            name,
            services,
            programs,
        })
    }

    /// The bundle, signed.
    ///
    /// # Errors
    ///
    /// [`SignError::Signer`] when the signer gives no signature of its key.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
        sign_payload(&self.to_bytes(), EXTERNAL, signer)
    }

    /// The bundle in these bytes, for tools that show what is in it; nobody has judged it.
    ///
    /// # Errors
    ///
    /// [`TrustError::NotACapsule`] when the bytes are not the one form.
    pub fn peek(bytes: &[u8]) -> Result<Bundle, TrustError> {
        let parts = Parts::read(bytes)?;
        Ok(Bundle::from_bytes(parts.payload)?)
    }
}

impl TrustStore {
    /// The bundle in these bytes, when a trusted key has signed it.
    ///
    /// # Errors
    ///
    /// The first doubt in the order that [`TrustError`] lists them.
    pub fn open_bundle(&self, bytes: &[u8]) -> Result<Bundle, TrustError> {
        let parts = Parts::read(bytes)?;
        let kid = parts.kid;
        let key = self.key(kid).ok_or(TrustError::UnknownKey(kid))?;
        let message = signed_message_for(kid, parts.payload, EXTERNAL);
        if !key.verifies(&message, &parts.signature) {
            return Err(TrustError::BadSignature(kid));
        }
        Ok(Bundle::from_bytes(parts.payload)?)
    }
}
