//! What the tests of the workspace share.
//!
//! In: NFL sources, packets and captures. Out: modules, images and outcomes, each run on all engines
//! there are. Guaranteed: everything depends on the files of the repository alone.

use std::path::PathBuf;

pub mod agree;
pub mod baseline;
pub mod campaign;
pub mod capture;
pub mod case;
pub mod conform;
pub mod examples;
pub mod generate;
pub mod mutants;
pub mod opinion;
pub mod oracle;
pub mod packet;
pub mod pipeline;
pub mod second;
pub mod unsound;

/// The captures of `nflc`, whose crate is a program and so cannot be named.
#[path = "../../nfl-cli/src"]
mod cli {
    #[expect(
        dead_code,
        unused_imports,
        reason = "the tests read captures and write none"
    )]
    pub(crate) mod capture;
}

/// The repository's root directory.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("the crate lies in the workspace")
        .to_path_buf()
}
