//! `nflc fmt`: source files in the one style.

use std::io::Read;
use std::path::{Path, PathBuf};

use nfl::format;

use crate::difference;
use crate::failure::{Exit, Failure};
use crate::output::Outputs;
use crate::project;
use crate::shell::Shell;
use crate::source;

/// Lay out source files in the one style
///
/// Files with syntax errors are refused and stay as they are, and so do all others then.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc fmt guard.nfl\n  nflc fmt --check *.nfl\n  nflc fmt --diff guard.nfl\n  nflc fmt - < guard.nfl"
)]
pub(crate) struct Args {
    /// Source files, directories with source files, or `-` for standard input; the project's if left out
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say which files would change, change nothing, and fail if there are any
    #[arg(long)]
    check: bool,
    /// Print the difference, and change nothing
    #[arg(long)]
    diff: bool,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let mut outputs = Outputs::default();
    let mut changed = 0;
    let mut refused = false;
    for path in &project::work(&args.files, shell)?.files {
        let is_stdin = path.as_os_str() == "-";
        let old = if is_stdin {
            stdin()?
        } else {
            source::text(path)?
        };
        let name = if is_stdin {
            "<stdin>".to_string()
        } else {
            path.display().to_string()
        };
        let new = match format(&name, &old) {
            Ok(new) => new,
            Err(found) => {
                shell.diagnose(&found.findings, &found.sources);
                refused = true;
                continue;
            }
        };
        let same = new == old;
        changed += usize::from(!same);
        if args.diff {
            shell.print(difference::unified(Path::new(&name), &old, &new))?;
        } else if args.check {
            if !same {
                shell.line(&name)?;
            }
        } else if is_stdin {
            shell.print(new)?;
        } else if !same {
            outputs.add(path, new.as_bytes())?;
            shell.detail(format!("laid out {name}"));
        }
    }
    if refused {
        return Err(Failure::said(Exit::Wrong));
    }
    outputs.commit()?;
    if args.check && changed > 0 {
        let (are, it) = if changed == 1 {
            (" is", "it")
        } else {
            ("s are", "them")
        };
        shell.prose(format!(
            "{changed} file{are} not in the style; `nflc fmt` lays {it} out"
        ));
        return Err(Failure::said(Exit::Wrong));
    }
    Ok(())
}

fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::read(Path::new("-"), &error))?;
    Ok(text)
}
