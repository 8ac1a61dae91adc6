//! Proving and loading one image after another.
//!
//! In: images, and what a node grants. Out: programs. Guaranteed: what [`load()`](crate::load()) answers for an image that
//! [`nfl_verify::prove()`] proves; no answer depends on the images before.

use std::fmt;

use nfl_abi::{Image, Limits};
use nfl_verify::Prover;

use crate::load::{LoadError, Loaded, Policy, check};
use crate::proved::flat::Flattener;

/// Proves and loads with the memory that the images before have left, and reads the code of each once.
#[derive(Default)]
pub struct Loader {
    prover: Prover,
    flattener: Flattener,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl Loader {
    /// Proves an image, and loads it if the policy grants all it asks for.
    ///
    /// # Errors
    ///
    /// [`LoadError::Refused`] with the first thing that is not proved, else as [`load()`](crate::load()).
    pub fn load(
        &mut self,
        image: Image,
        limits: &Limits,
        policy: &Policy,
    ) -> Result<Loaded, LoadError> {
        let proven = self.prover.prove(image, limits);
        let proven = proven.map_err(LoadError::Refused)?;
        check(&proven, policy)?;
        let code = self
            .flattener
            .code(proven.image(), self.prover.instructions());
        Ok(Loaded::new(proven, code))
    }
}
