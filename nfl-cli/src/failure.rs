//! How a command fails: what to say, and which status to leave with.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use nfl::{Code, Diagnostic, SourceMap, abi::codes};

/// The exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Nobody reads the output any more, so there is nothing to do.
    Quiet,
    /// The input is wrong, or the answer is no.
    Wrong,
    /// The command line, a setting or a file.
    Usage,
    /// Our mistake.
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Quiet => 0,
            Exit::Wrong => 1,
            Exit::Usage => 2,
            Exit::Internal => 101,
        })
    }
}

/// Why a command stops.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What is still to be said; empty when the command has said it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The texts that the findings point into.
    pub(crate) sources: SourceMap,
}

impl Failure {
    /// With one finding that has no place in a source.
    pub(crate) fn new(exit: Exit, code: &'static Code, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            diagnostics: vec![Diagnostic::bare(code, message)],
            sources: SourceMap::default(),
        }
    }

    /// The input is wrong, or the answer is no.
    pub(crate) fn wrong(code: &'static Code, message: impl Into<String>) -> Failure {
        Failure::new(Exit::Wrong, code, message)
    }

    /// The command line, a setting or a file.
    pub(crate) fn usage(code: &'static Code, message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, code, message)
    }

    /// With a status and nothing more to say.
    pub(crate) fn said(exit: Exit) -> Failure {
        Failure {
            exit,
            diagnostics: Vec::new(),
            sources: SourceMap::default(),
        }
    }

    /// Adds what to type.
    #[must_use]
    pub(crate) fn help(mut self, text: impl Into<String>) -> Failure {
        if let Some(last) = self.diagnostics.pop() {
            self.diagnostics.push(last.help(text));
        }
        self
    }

    /// Adds something to know.
    #[must_use]
    pub(crate) fn note(mut self, text: impl Into<String>) -> Failure {
        if let Some(last) = self.diagnostics.pop() {
            self.diagnostics.push(last.note(text));
        }
        self
    }

    /// A file cannot be read.
    pub(crate) fn read(path: &Path, error: &io::Error) -> Failure {
        let message = format!("cannot read `{}`: {}", path.display(), reason(error));
        Failure::usage(&codes::E901, message)
    }

    /// A file cannot be written.
    pub(crate) fn write(path: &Path, error: &io::Error) -> Failure {
        let message = format!("cannot write `{}`: {}", path.display(), reason(error));
        Failure::usage(&codes::E902, message)
    }

    /// Standard output cannot be written.
    pub(crate) fn stdout(error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::said(Exit::Quiet);
        }
        let message = format!("cannot write the output: {}", reason(error));
        Failure::usage(&codes::E902, message)
    }
}

/// The system's words, without its number and in our style.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(a), Some(b)) if a.is_uppercase() && b.is_lowercase() => {
            let rest = &text[a.len_utf8()..];
            format!("{}{rest}", a.to_lowercase())
        }
        _ => text.to_string(),
    }
}

/// Makes a panic say what to report; the process then leaves with 101.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let args: Vec<String> = std::env::args().collect();
        let what = panic
            .payload()
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.payload().downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let place = panic.location().map(|at| format!(" ({at})"));
        let code = codes::E999.text;
        eprintln!(
            "error[{code}]: internal error: {what}{}",
            place.unwrap_or_default()
        );
        eprintln!("  version: nflc {}", env!("CARGO_PKG_VERSION"));
        eprintln!("  command: {}", args.join(" "));
        eprintln!("  please report this with the command and its input");
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            eprintln!("{trace}");
        }
    }));
}
