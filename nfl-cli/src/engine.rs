//! `nflc engine`: our engines' side of the conformance protocol.

use std::io::{self, BufRead, Read};

use clap::ValueEnum;
use nfl::abi::codes;
use nfl::conform::{EngineKind, LINE_MAX, Session};

use crate::failure::{Exit, Failure};
use crate::shell::Shell;

/// Answer conformance requests with one of our engines
///
/// Requests are read from standard input and replies written to standard output, one JSON object on a line each, until the input
/// ends. For `nflc conform`, and for whoever builds an engine and wants to see what ours replies.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc conform --engine 'nflc engine'\n  echo '{\"hello\":1}' | nflc engine checked"
)]
pub(crate) struct Args {
    /// Which engine answers
    #[arg(value_enum, default_value_t = Kind::Interp, value_name = "ENGINE")]
    engine: Kind,
}

/// Our engines.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Kind {
    /// The interpreter that checks every rule while it runs
    Checked,
    /// The interpreter for proved images
    Interp,
    /// Host code for proved images
    Jit,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let mut session = Session::new(match args.engine {
        Kind::Checked => EngineKind::Checked,
        Kind::Interp => EngineKind::Interp,
        Kind::Jit => EngineKind::Jit,
    });
    let mut input = io::stdin().lock();
    for number in 1.. {
        let mut line = Vec::new();
        let read = (&mut input)
            .take(LINE_MAX as u64 + 1)
            .read_until(b'\n', &mut line);
        let wrong = |what: String| {
            let message = format!("line {number}: {what}");
            Failure::new(Exit::Usage, &codes::E930, message)
        };
        match read {
            Ok(0) => break,
            Ok(bytes) if bytes > LINE_MAX => {
                return Err(wrong(format!("it is longer than {LINE_MAX} bytes")));
            }
            Ok(_) => {}
            Err(error) => return Err(wrong(error.to_string())),
        }
        let text = String::from_utf8_lossy(&line);
        let reply = session.reply(&text);
        shell.line(reply.map_err(|error| wrong(format!("this is no request: {error}")))?)?;
        // The other side waits for each reply.
        shell.flush()?;
    }
    Ok(())
}
