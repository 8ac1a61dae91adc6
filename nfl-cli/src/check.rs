//! `nflc check`: all findings about source files, and what was proved of them.

use std::ops::Range;
use std::path::PathBuf;

use nfl::{HandlerBounds, Severity};

use crate::failure::{Exit, Failure};
use crate::project;
use crate::replay;
use crate::shell::Shell;
use crate::source::{self, Findings};
use crate::table::Table;

/// Check source files without making anything
///
/// Parameters without a value are taken at their whole range, so that a program that checks is
/// right for every binding that its parameters allow.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc check guard.nfl\n  nflc check --bounds *.nfl\n  nflc check --replay 45000014 --on ingress guard.nfl\n  nflc check --error-format json guard.nfl"
)]
pub(crate) struct Args {
    /// Source files, or directories with source files; the project's if left out
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print what is proved of each handler: steps, rounds of its loops, the bytes of the packet that it may
    /// read and write, and the bytes of its arrays
    #[arg(long)]
    bounds: bool,
    /// The instruction set that code will be made for: rv32imc if neither this nor the project says
    #[arg(long, visible_alias = "march", value_name = "TARGET")]
    target: Option<String>,
    #[command(flatten)]
    replay: replay::Given,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let work = project::work(&args.files, shell)?;
    let compiler = source::compiler(args.target.as_deref(), work.project.as_ref())?;
    if let Some(packet) = &args.replay.replay {
        return replay::run(packet, &args.replay, &work.files, &compiler, shell);
    }
    let mut findings = Findings::default();
    let mut bounds = Table::new(&[
        "handler",
        "steps (estimate)",
        "loops",
        "reads",
        "writes",
        "arrays",
    ]);
    for file in &work.files {
        let build = source::build(file, &compiler, &mut findings, shell)?;
        let misplaced = work
            .project
            .as_ref()
            .and_then(|p| p.misplaced(file, &build));
        let misplaced = findings.add(misplaced, build.sources());
        shell.diagnose(&misplaced, build.sources());
        shell.detail(format!("checked {}", file.display()));
        for handler in build.bounds() {
            bounds.row(cells(handler));
        }
    }
    source::summarise(&findings.list, shell);
    if findings.list.iter().any(|d| d.severity == Severity::Error) {
        return Err(Failure::said(Exit::Wrong));
    }
    if args.bounds {
        shell.print(bounds)?;
    }
    Ok(())
}

fn cells(handler: &HandlerBounds) -> [String; 6] {
    let trips = handler.loops.iter();
    let trips: Vec<String> = trips.map(|(_, trips)| format!("<= {trips}")).collect();
    let extent = |bytes: &Option<Range<u32>>| match bytes {
        Some(bytes) => format!("{}..{}", bytes.start, bytes.end),
        None => "-".to_string(),
    };
    [
        format!("{} on {}", handler.name, handler.role.text()),
        format!("<= {}", handler.steps),
        match trips.is_empty() {
            true => "-".to_string(),
            false => trips.join(", "),
        },
        extent(&handler.reads),
        extent(&handler.writes),
        match handler.scratch {
            0 => "-".to_string(),
            bytes => bytes.to_string(),
        },
    ]
}
