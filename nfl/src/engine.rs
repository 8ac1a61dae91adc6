//! From an image to a program that runs: prove the bytes, then load what the policy grants.

#[cfg(feature = "jit")]
use std::sync::Arc;

use nfl_abi::{Image, Limits};
#[cfg(feature = "jit")]
use nfl_vm::{Jit, Unsupported};
use nfl_vm::{Loaded, Policy};

use crate::error::EngineError;

/// What runs programs, within a platform's limits.
#[derive(Clone, Debug)]
pub struct Engine {
    limits: Limits,
    #[cfg(feature = "jit")]
    jit: Option<Arc<Jit>>,
}

impl Engine {
    /// The reference interpreter, with the limits of an edge node.
    pub fn interp() -> Engine {
        Engine {
            limits: Limits::EDGE,
            #[cfg(feature = "jit")]
            jit: None,
        }
    }

    /// Host code, with the same limits: faster by an order of magnitude, and without a count of steps. A program for
    /// which there is no host code is interpreted; [`Loaded::is_compiled`] tells.
    ///
    /// # Errors
    ///
    /// Why this host has none at all.
    #[cfg(feature = "jit")]
    pub fn jit() -> Result<Engine, Unsupported> {
        let jit = Some(Arc::new(Jit::new()?));
        Ok(Engine {
            jit,
            ..Engine::interp()
        })
    }

    /// The same with other limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Engine {
        Engine { limits, ..self }
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
        let loaded = nfl_vm::load(proven, policy).map_err(EngineError::Policy)?;
        #[cfg(feature = "jit")]
        if let Some(jit) = &self.jit {
            // What cannot be compiled runs all the same.
            let _ = jit.compile(&loaded);
        }
        Ok(loaded)
    }
}
