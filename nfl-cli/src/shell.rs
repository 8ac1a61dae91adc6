//! The two streams: what was asked for goes to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::process::ExitCode;

use nfl::{Diagnostic, Severity, SourceMap, Style, render};

use crate::args::{Color, ErrorFormat, Global};
use crate::failure::{Exit, Failure};

/// The streams and how to speak on them.
pub(crate) struct Shell {
    out: BufWriter<Stdout>,
    err: Stderr,
    style: Style,
    quiet: bool,
    verbose: bool,
}

impl Shell {
    /// As the global flags say.
    pub(crate) fn new(global: &Global) -> Shell {
        let err = io::stderr();
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => err.is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Shell {
            out: BufWriter::new(io::stdout()),
            err,
            style: match global.error_format {
                ErrorFormat::Human => Style::Human { color },
                ErrorFormat::Short => Style::Short,
                ErrorFormat::Json => Style::Json,
            },
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// What was asked for.
    pub(crate) fn print(&mut self, text: impl Display) -> Result<(), Failure> {
        write!(self.out, "{text}").map_err(|e| Failure::stdout(&e))
    }

    /// What was asked for, and a line break.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(|e| Failure::stdout(&e))
    }

    /// One JSON value on a line of its own.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(|e| Failure::stdout(&e.into()))?;
        self.line("")
    }

    /// A remark that `--quiet` leaves out.
    pub(crate) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// A remark for people: left out where programs read standard error.
    pub(crate) fn prose(&mut self, text: impl Display) {
        if self.style != Style::Json {
            self.note(text);
        }
    }

    /// A remark that only `--verbose` shows.
    pub(crate) fn detail(&mut self, text: impl Display) {
        if self.verbose {
            self.say(text);
        }
    }

    /// Whether a progress bar may be drawn.
    pub(crate) fn draws_progress(&self) -> bool {
        !self.quiet && self.err.is_terminal() && self.style != Style::Json
    }

    /// Whether remarks are left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Findings, with their places.
    pub(crate) fn diagnose(&mut self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        for diagnostic in diagnostics {
            if !self.quiet || diagnostic.code.severity() == Severity::Error {
                let text = render(diagnostic, sources, self.style);
                self.say(text.trim_end());
            }
        }
    }

    /// Sends what is still held back.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|e| Failure::stdout(&e))
    }

    /// The last words and the status of a command that failed.
    pub(crate) fn fail(&mut self, failure: &Failure) -> ExitCode {
        if failure.exit == Exit::Quiet {
            return failure.exit.into();
        }
        // Output before the failure stands; if it cannot be sent, the failure is worth more words.
        let flushed = self.out.flush();
        self.diagnose(&failure.diagnostics, &failure.sources);
        match flushed {
            Err(error) if failure.diagnostics.is_empty() => {
                let lost = Failure::stdout(&error);
                self.diagnose(&lost.diagnostics, &lost.sources);
                failure.exit.into()
            }
            _ => failure.exit.into(),
        }
    }

    /// Standard error has no one to report its own failure to.
    fn say(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{text}");
    }
}
