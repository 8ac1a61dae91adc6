//! `nflc key`: Ed25519 keys in the files that OpenSSL writes and reads.

use std::io;
use std::path::{Path, PathBuf};

use nfl::abi::codes;
use nfl::{PrivateKey, PublicKey};

use crate::failure::Failure;
use crate::output;
use crate::shell::Shell;

/// Make keys and show their public halves
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make a private key, and its public half beside it as NAME.pub.pem
    #[command(after_help = "Example:\n  nflc key new -o controller.pem")]
    New {
        /// The private key's file, readable by you only; it must not exist yet
        #[arg(short, long, value_name = "NAME.pem")]
        output: PathBuf,
    },
    /// Print the public half of a private key
    #[command(
        after_help = "Examples:\n  nflc key public controller.pem\n  nflc key public controller.pem -o controller.pub.pem"
    )]
    Public {
        /// The private key's file
        #[arg(value_name = "KEY")]
        key: PathBuf,
        /// The file to write instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    match &args.command {
        Command::New { output } => {
            let public = public_path(output);
            for path in [output, &public] {
                if path.exists() {
                    let message = format!("`{}` exists already", path.display());
                    return Err(Failure::usage(&codes::E909, message)
                        .help("a key is never replaced; choose another name"));
                }
            }
            let key = PrivateKey::generate()
                .map_err(|error| Failure::usage(error.code(), error.to_string()))?;
            write_private(output, &key)?;
            output::write(&public, key.public().to_pem().as_bytes())?;
            shell.note(format!(
                "wrote {} and {}, key id {}",
                output.display(),
                public.display(),
                key.public().kid()
            ));
            Ok(())
        }
        Command::Public { key, output } => {
            let pem = read_private(key)?.public().to_pem();
            match output {
                Some(path) => output::write(path, pem.as_bytes()),
                None => shell.print(pem),
            }
        }
    }
}

/// `a.pub.pem` for `a.pem`.
fn public_path(private: &Path) -> PathBuf {
    private.with_extension("pub.pem")
}

/// A private key's file, which only its owner may read.
pub(crate) fn read_private(path: &Path) -> Result<PrivateKey, Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let meta = std::fs::metadata(path).map_err(|error| Failure::read(path, &error))?;
        let mode = meta.permissions().mode();
        if meta.is_file() && mode & 0o077 != 0 {
            let message = format!(
                "`{}` may be read by others (mode {:03o})",
                path.display(),
                mode & 0o777
            );
            let help = format!("chmod 600 {}", path.display());
            return Err(Failure::usage(&codes::E907, message).help(help));
        }
    }
    PrivateKey::from_pem(&read_text(path)?).map_err(|error| wrong(path, error))
}

/// A public key's file.
pub(crate) fn read_public(path: &Path) -> Result<PublicKey, Failure> {
    PublicKey::from_pem(&read_text(path)?).map_err(|error| wrong(path, error))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::wrong(
            &codes::E804,
            format!("`{}` is not PEM text", path.display()),
        )),
        other => other.map_err(|error| Failure::read(path, &error)),
    }
}

fn wrong(path: &Path, error: nfl::KeyError) -> Failure {
    Failure::wrong(error.code(), format!("`{}`: {error}", path.display()))
}

/// Makes the file with its mode in one step, so that nobody can open it in between.
fn write_private(path: &Path, key: &PrivateKey) -> Result<(), Failure> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let pem = key.to_pem();
    // Temporary files are for their owner only from the start.
    let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| {
        io::Write::write_all(&mut file, pem.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)
    });
    written
        .map(drop)
        .map_err(|error| Failure::write(path, &error))
}
