//! The command line as a whole: global flags and the list of subcommands.

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use nfl::abi::codes;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The NFL compiler: network functions as proved, signed microcode.
#[derive(Parser, Debug)]
#[command(
    name = "nflc",
    version,
    styles = STYLES,
    disable_help_subcommand = false,
    infer_subcommands = true,
    after_help = "Exit status:\n  0    well\n  1    the input is wrong, or the answer is no\n  2    usage, settings or files\n  101  an internal error\n\nExamples:\n  nflc new guard\n  cd guard && nflc test\n  nflc run src/guard/Guard.nfl --on originator --pcap in.pcap --set port=443"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every subcommand takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// How errors and warnings are shown
    #[arg(long, global = true, value_enum, default_value_t = ErrorFormat::Human, value_name = "FORMAT", help_heading = "Global options", hide_possible_values = false)]
    pub(crate) error_format: ErrorFormat,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = "Global options")]
    pub(crate) color: Color,
    /// Do not say this warning, or any with `warnings`; may be repeated
    #[arg(
        short = 'A',
        long = "allow",
        global = true,
        value_name = "CODE",
        help_heading = "Global options"
    )]
    pub(crate) allow: Vec<String>,
    /// Say this warning, though all others are allowed or denied
    #[arg(
        short = 'W',
        long = "warn",
        global = true,
        value_name = "CODE",
        help_heading = "Global options"
    )]
    pub(crate) warn: Vec<String>,
    /// Make this warning an error, or all with `warnings`
    #[arg(
        short = 'D',
        long = "deny",
        global = true,
        value_name = "CODE",
        help_heading = "Global options"
    )]
    pub(crate) deny: Vec<String>,
    /// Say nothing but errors and what was asked for
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub(crate) quiet: bool,
    /// Say what is done
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
}

/// How errors and warnings are shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum ErrorFormat {
    /// With the source, for people
    Human,
    /// One line each, for editors
    Short,
    /// One JSON object each, for programs
    Json,
    /// One SARIF 2.1.0 document, for services that collect findings
    Sarif,
}

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How a report is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum Format {
    /// A table, for people
    Human,
    /// JSON, for programs
    Json,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    New(crate::new::Args),
    Check(crate::check::Args),
    Build(crate::build::Args),
    Test(crate::test::Args),
    Run(crate::run::Args),
    Profile(crate::profile::Args),
    Debug(crate::debug::Args),
    World(crate::world::Args),
    Inspect(crate::inspect::Args),
    Disasm(crate::disasm::Args),
    Size(crate::size::Args),
    Sign(crate::sign::Args),
    Verify(crate::verify::Args),
    Key(crate::key::Args),
    Conform(crate::conform::Args),
    Engine(crate::engine::Args),
    Doc(crate::doc::Args),
    Fmt(crate::fmt::Args),
    Fix(crate::fix::Args),
    Explain(crate::explain::Args),
}

/// Shows help and versions, and says what is wrong with a command line in the form of all errors.
pub(crate) fn explain_usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(2),
            _ => ExitCode::SUCCESS,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            eprint!("{}", error.render());
            ExitCode::from(2)
        }
        _ => {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let arguments: Vec<String> = std::env::args().collect();
            if arguments.iter().any(|a| a == "--error-format=json")
                || arguments
                    .windows(2)
                    .any(|w| w == ["--error-format", "json"])
            {
                let (message, usage) = text.split_once("\n\n").unwrap_or((text, ""));
                let finding = nfl::Diagnostic::bare(&codes::E900, message).note(usage.trim_end());
                let sources = nfl::SourceMap::default();
                eprint!("{}", nfl::render(&finding, &sources, nfl::Style::Json));
            } else {
                eprint!("error[{}]: {text}", codes::E900.text);
            }
            ExitCode::from(2)
        }
    }
}
