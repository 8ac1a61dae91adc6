//! `nflc explain`: a diagnostic code at length.

use nfl::abi::codes::{self, Code};

use crate::failure::Failure;
use crate::shell::Shell;

/// Explain a diagnostic code, with a wrong and a right program
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  nflc explain E503\n  nflc explain --list")]
pub(crate) struct Args {
    /// The code, as in `error[E503]`
    #[arg(required_unless_present = "list", value_name = "CODE")]
    code: Option<String>,
    /// List all codes
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    if args.list {
        return codes::CODES
            .iter()
            .try_for_each(|code| shell.line(format!("{}  {}", code.text, code.title)));
    }
    let text = args.code.as_deref().unwrap_or_default();
    let Some(code) = Code::find(text) else {
        let message = format!("there is no diagnostic `{text}`");
        let failure = Failure::usage(&codes::E908, message);
        return Err(failure.help("`nflc explain --list` lists all codes"));
    };
    shell.line(format!("{}: {}\n", code.text, code.title))?;
    shell.line(code.explanation.trim_end())
}
