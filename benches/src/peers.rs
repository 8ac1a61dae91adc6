//! Other sandboxes, each a [`Side`] over the same packets.
//!
//! In: a function in C that calls nothing, its traffic. Out: a side, or why there is none. The packets lie in the guest's memory before the
//! clock starts, which spares these peers the copy that a node would have to make; eBPF machines take the host's address.

#[cfg(feature = "peers")]
mod all;
#[cfg(feature = "peers")]
mod polka;
#[cfg(feature = "peers")]
mod rbpf;
#[cfg(feature = "peers")]
mod sbpf;
#[cfg(feature = "peers")]
mod wasm;

#[cfg(feature = "peers")]
pub(crate) use all::{cold, sides};
#[cfg(not(feature = "peers"))]
pub(crate) use none::{cold, sides};

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler for the guests.
pub(crate) const CLANG: &str = "clang-19";

/// The source of a function in C.
fn source(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kernel = root.join("kernels").join(format!("{name}.c"));
    if kernel.exists() {
        return kernel;
    }
    root.join("../tests/baselines/nf").join(format!("{name}.c"))
}

/// Compiles a function for a guest and answers the file.
pub(crate) fn compile(name: &str, options: &[&str], out: &Path) -> Result<Vec<u8>, String> {
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/baselines");
    let output = Command::new(CLANG)
        .args(["-O2", "-ffreestanding"])
        .args(options)
        .arg("-I")
        .arg(headers)
        .arg(source(name))
        .arg("-o")
        .arg(out)
        .output()
        .map_err(|e| format!("{CLANG}: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::read(out).map_err(|e| e.to_string())
}

/// Without the feature there are none.
#[cfg(not(feature = "peers"))]
mod none {
    use std::path::Path;

    use crate::compare::Made;
    use crate::measure::Action;
    use crate::traffic::Traffic;

    pub(crate) fn sides(_: &str, _: &Traffic, _: &Path) -> Vec<(&'static str, Made)> {
        Vec::new()
    }

    pub(crate) fn cold<'a>(_: &'a [u8], _: &Path) -> Vec<Action<'a>> {
        Vec::new()
    }
}
