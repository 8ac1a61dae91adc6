//! Output files: all of a command's files appear together, or none of them does.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Files that are written but not yet in their places.
#[derive(Default)]
pub(crate) struct Outputs {
    staged: Vec<(PathBuf, Staged)>,
    /// They can be made again, so nobody waits until they have reached the disk.
    are_made: bool,
}

enum Staged {
    /// Beside its place, to be renamed.
    Temporary(NamedTempFile),
    /// For what is no regular file, such as a pipe or a device, which a rename would replace.
    Direct(Vec<u8>),
}

impl Outputs {
    /// Files that can be made again.
    pub(crate) fn made() -> Outputs {
        Outputs {
            are_made: true,
            ..Outputs::default()
        }
    }

    /// Writes a file beside its place.
    pub(crate) fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        // Through a symbolic link to what it names, so that the link survives.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let staged = stage(&place, bytes, !self.are_made).map_err(|e| Failure::write(path, &e))?;
        self.staged.push((place, staged));
        Ok(())
    }

    /// Puts all files into their places.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        for (path, staged) in self.staged {
            let done = match staged {
                Staged::Temporary(file) => file.persist(&path).map(drop).map_err(|e| e.error),
                Staged::Direct(bytes) => write_directly(&path, &bytes),
            };
            done.map_err(|e| Failure::write(&path, &e))?;
        }
        Ok(())
    }
}

/// Writes one file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut outputs = Outputs::default();
    outputs.add(path, bytes)?;
    outputs.commit()
}

fn stage(path: &Path, bytes: &[u8], waits: bool) -> io::Result<Staged> {
    if path.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a directory",
        ));
    }
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Ok(Staged::Direct(bytes.to_vec()));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = temporary_in(directory)?;
    file.write_all(bytes)?;
    if waits {
        file.as_file().sync_all()?;
    }
    Ok(Staged::Temporary(file))
}

fn temporary_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nflc-");
    // Outputs are ordinary files: what the umask leaves, and not private as temporary files are.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

fn write_directly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.flush()
}

/// Makes a directory and those above it.
pub(crate) fn make_dir(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| Failure::write(path, &e))
}
