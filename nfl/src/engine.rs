//! From an image to a program that runs: prove the bytes, then load what the policy grants.

use nfl_abi::{Image, Limits};
use nfl_vm::{Loaded, Policy};

use crate::error::EngineError;

/// What runs programs, within a platform's limits.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    limits: Limits,
}

impl Engine {
    /// The reference interpreter, with the limits of an edge node.
    pub fn interp() -> Engine {
        Engine {
            limits: Limits::EDGE,
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Engine {
        Engine { limits }
    }

    /// Proves and loads an image that somebody trusted has signed.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the first thing that is not proved, or [`EngineError::Policy`].
    #[cfg(feature = "sign")]
    pub fn load(&self, image: &nfl_sign::Trusted, policy: &Policy) -> Result<Loaded, EngineError> {
        self.load_unsigned(image.image().clone(), policy)
    }

    /// Proves and loads an image that nobody signed. For compilers, tools and tests: a node that
    /// takes images from the network asks its trust store first.
    ///
    /// # Errors
    ///
    /// As [`Engine::load`].
    pub fn load_unsigned(&self, image: Image, policy: &Policy) -> Result<Loaded, EngineError> {
        let proven = nfl_verify::prove(&image, &self.limits).map_err(EngineError::Refused)?;
        nfl_vm::load(proven, policy).map_err(EngineError::Policy)
    }
}
