//! `nflc check --replay`: what a handler does with one packet, proved or not.

use std::path::{Path, PathBuf};

use nfl::abi::codes;
use nfl::{Compiler, Replay, Replayed};

use crate::failure::{Exit, Failure};
use crate::play::role;
use crate::project;
use crate::shell::Shell;
use crate::source;

/// What a run takes beside the packet.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Replay")]
pub(crate) struct Given {
    /// Run a handler on this packet, in hex digits from the handler's layer on, and say what fails
    #[arg(long, value_name = "HEX")]
    pub(crate) replay: Option<String>,
    /// The function that is run; may be left out where the file has one
    #[arg(long, value_name = "NAME", requires = "replay")]
    function: Option<String>,
    /// The handler that is run; may be left out where there is one
    #[arg(long, value_name = "ROLE", requires = "replay")]
    on: Option<String>,
    /// Memory that travels with the packet, in hex digits; as the function says if left out
    #[arg(long, value_name = "HEX", requires = "replay")]
    carried: Option<String>,
    /// A word of the context, by its byte offset; may be repeated
    #[arg(long, value_name = "OFFSET=NUMBER", requires = "replay")]
    context: Vec<String>,
    /// A parameter's number; may be repeated
    #[arg(long, value_name = "NAME=NUMBER", requires = "replay")]
    set: Vec<String>,
}

/// Runs the handler and says how it ends; a fault is a failure.
pub(crate) fn run(
    packet: &str,
    args: &Given,
    files: &[PathBuf],
    compiler: &Compiler,
    shell: &mut Shell,
) -> Result<(), Failure> {
    let [file] = files else {
        let message = "`--replay` takes one file";
        return Err(Failure::usage(&codes::E900, message));
    };
    let wanted = Replay {
        function: args.function.clone(),
        role: args.on.as_deref().map(role).transpose()?,
        packet: hex(packet)?,
        carried: args.carried.as_deref().map(hex).transpose()?,
        context: pairs(&args.context)?
            .into_iter()
            .map(|(offset, word)| Ok((number(offset)?, word)))
            .collect::<Result<_, Failure>>()?,
        set: pairs(&args.set)?
            .into_iter()
            .map(|(name, word)| (name.to_string(), word))
            .collect(),
    };
    ends(file, &wanted, compiler, shell)
}

fn ends(
    file: &Path,
    wanted: &Replay,
    compiler: &Compiler,
    shell: &mut Shell,
) -> Result<(), Failure> {
    source::text(file)?;
    let files = project::files(file)?;
    let build = compiler.build(&files, &file.to_string_lossy());
    let ended = build.replay(wanted).map_err(|error| {
        Failure::usage(error.code(), error.to_string()).help("see `nflc check --help`")
    })?;
    match ended {
        Replayed::Verdict(kind, operand) => {
            shell.line(format!("nothing fails: {}({operand})", kind.text()))
        }
        Replayed::Fault(finding) => {
            shell.diagnose(&[finding], build.sources());
            Err(Failure::said(Exit::Wrong))
        }
        _ => {
            let message = "a service answers what a node without state does not know";
            Err(Failure::usage(&codes::E921, message).note("nothing failed before that call"))
        }
    }
}

fn hex(text: &str) -> Result<Vec<u8>, Failure> {
    let wrong = || Failure::usage(&codes::E900, format!("`{text}` are no bytes in hex digits"));
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    let (pairs, []) = digits.as_chunks() else {
        return Err(wrong());
    };
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn pairs(texts: &[String]) -> Result<Vec<(&str, u32)>, Failure> {
    let pairs = source::settings(texts)?.into_iter();
    pairs
        .map(|(name, text)| Ok((name, number(text)?)))
        .collect()
}

fn number(text: &str) -> Result<u32, Failure> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| Failure::usage(&codes::E906, format!("`{text}` is no number of a word")))
}
