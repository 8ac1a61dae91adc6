//! The two streams: what was asked for goes to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::process::ExitCode;

use nfl::abi::codes;
use nfl::{Diagnostic, Level, Levels, Sarif, Severity, SourceMap, Style, render};

use crate::args::{Color, ErrorFormat, Global};
use crate::failure::{Exit, Failure};

/// The streams and how to speak on them.
pub(crate) struct Shell {
    out: BufWriter<Stdout>,
    err: Stderr,
    form: Form,
    levels: Levels,
    quiet: bool,
    verbose: bool,
}

/// How findings are said.
enum Form {
    /// One after the other.
    Each(Style),
    /// All in one document, at the end.
    Document(Sarif),
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
            form: match global.error_format {
                ErrorFormat::Human => Form::Each(Style::Human { color }),
                ErrorFormat::Short => Form::Each(Style::Short),
                ErrorFormat::Json => Form::Each(Style::Json),
                ErrorFormat::Sarif => Form::Document(Sarif::default()),
            },
            levels: Levels::default(),
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// Takes the wishes about warnings from the command line, or says which of them cannot be.
    pub(crate) fn take_levels(&mut self, global: &Global) -> Result<(), Failure> {
        let Global {
            allow, warn, deny, ..
        } = global;
        let wishes = [
            (allow, Level::Allow),
            (warn, Level::Warn),
            (deny, Level::Deny),
        ];
        for (names, level) in wishes {
            for name in names {
                self.set_level(name, level)?;
            }
        }
        Ok(())
    }

    /// Takes a wish about a warning.
    pub(crate) fn set_level(&mut self, name: &str, level: Level) -> Result<(), Failure> {
        let wish = self.levels.set(name, level);
        wish.map_err(|message| {
            let help = "`nflc explain --list` lists all codes; those of warnings begin with W";
            Failure::usage(&codes::E900, message).help(help)
        })
    }

    /// Takes a wish about a warning that those of the command line go before.
    pub(crate) fn set_default_level(&mut self, name: &str, level: Level) -> Result<(), Failure> {
        let wish = self.levels.set_default(name, level);
        wish.map_err(|message| Failure::usage(&codes::E912, message))
    }

    /// Findings at the levels that are wanted.
    pub(crate) fn judge(&self, findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
        self.levels.apply(findings)
    }

    /// Whether standard error is read by programs.
    fn speaks_to_programs(&self) -> bool {
        !matches!(self.form, Form::Each(Style::Human { .. } | Style::Short))
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

    /// Sends what was asked for so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|e| Failure::stdout(&e))
    }

    /// A remark that `--quiet` leaves out.
    pub(crate) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// A remark for people: left out where programs read standard error.
    pub(crate) fn prose(&mut self, text: impl Display) {
        if !self.speaks_to_programs() {
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
        !self.quiet && self.err.is_terminal() && !self.speaks_to_programs()
    }

    /// Whether remarks are left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Findings, with their places.
    pub(crate) fn diagnose(&mut self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        for diagnostic in diagnostics {
            if self.quiet && diagnostic.severity != Severity::Error {
                continue;
            }
            match &mut self.form {
                Form::Each(style) => {
                    let text = render(diagnostic, sources, *style);
                    self.say(text.trim_end());
                }
                Form::Document(document) => document.add(diagnostic, sources),
            }
        }
    }

    /// Sends what is still held back.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.end_document();
        self.flush()
    }

    /// The last words and the status of a command that failed.
    pub(crate) fn fail(&mut self, failure: &Failure) -> ExitCode {
        if failure.exit == Exit::Quiet {
            self.end_document();
            return failure.exit.into();
        }
        // Output before the failure stands; if it cannot be sent, the failure is worth more words.
        let flushed = self.out.flush();
        self.diagnose(&failure.diagnostics, &failure.sources);
        if let Err(error) = flushed
            && failure.diagnostics.is_empty()
        {
            let lost = Failure::stdout(&error);
            self.diagnose(&lost.diagnostics, &lost.sources);
        }
        self.end_document();
        failure.exit.into()
    }

    /// Says the document of all findings, when they are said as one. It ends what is said.
    fn end_document(&mut self) {
        let Form::Document(document) = &mut self.form else {
            return;
        };
        let text = std::mem::take(document).document(env!("CARGO_PKG_VERSION"));
        self.form = Form::Each(Style::Short);
        self.say(text.trim_end());
    }

    /// Standard error has no one to report its own failure to.
    fn say(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{text}");
    }
}
