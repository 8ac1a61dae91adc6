//! `nflc size`: what each handler and each source line costs, also against what it cost before.
//!
//! In: source files, images or capsules, or what the project builds; perhaps a baseline. Out: a report, and perhaps a new
//! baseline. Guaranteed: with a baseline the status says whether a handler has grown; what is saved then has not.

mod baseline;
mod lines;

use std::path::PathBuf;

use nfl::abi::codes;
use nfl::isa::Target;
use nfl::{Image, Limits, Party};
use serde::{Deserialize, Serialize};

use crate::args::Format;
use crate::artifact::Artifact;
use crate::failure::Failure;
use crate::shell::Shell;
use crate::source::Choice;
use crate::table::Table;
use crate::{build, output};
use baseline::Baseline;
use lines::Line;

/// Print what each handler costs, in bytes and steps
///
/// Without a file, what the project's `[[build]]` tables name is measured. With `--diff`, a handler that takes more bytes of
/// code and constants than in the baseline makes the status 1.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc size guard.nfl --set port=443\n  nflc size guard.nfl --lines\n  nflc size guard.nfl --save sizes.json\n  nflc size guard.nfl --diff sizes.json --allow-growth 4\n  nflc size Guard.originator.nfi --format json"
)]
pub(crate) struct Args {
    /// Source file, image or capsule; the project's builds if left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Print the bytes of each source line, the largest first
    #[arg(long)]
    lines: bool,
    /// Write the sizes to a file, to compare with later; with --diff only if nothing has grown too much
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Compare with sizes saved before, and fail if a handler has grown
    #[arg(long, value_name = "FILE")]
    diff: Option<PathBuf>,
    /// Bytes by which a handler may grow
    #[arg(
        long,
        value_name = "BYTES",
        requires = "diff",
        default_value_t = 0,
        hide_default_value = true
    )]
    allow_growth: u64,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What a handler costs. `total` is the image's, which all its handlers share.
#[derive(Clone, Serialize, Deserialize)]
struct Row {
    function: String,
    on: String,
    party: String,
    target: String,
    code: u64,
    constants: u64,
    certificate: u64,
    manifest: u64,
    steps: u64,
    imports: u64,
    total: u64,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let before = args.diff.as_deref().map(Baseline::read).transpose()?;
    let artifacts = artifacts(args, shell)?;
    let now = Baseline {
        handlers: handlers(&artifacts)?,
        lines: lines::of(&artifacts),
    };
    if args.lines && now.lines.is_empty() {
        let message = "the source lines of an image are not known";
        return Err(Failure::wrong(&codes::E910, message)
            .help("name the source file that the image was made of"));
    }
    match &before {
        Some(before) => baseline::report(before, &now, args.lines, args.format, shell)?,
        None => report(&now, args, shell)?,
    }
    if let Some(before) = &before {
        baseline::judge(before, &now, args.allow_growth)?;
    }
    if let Some(file) = &args.save {
        output::write(file, &now.bytes())?;
        shell.detail(format!("wrote {}", file.display()));
    }
    Ok(())
}

/// What is measured: a file's images, or all that the project builds.
fn artifacts(args: &Args, shell: &mut Shell) -> Result<Vec<Artifact>, Failure> {
    match &args.file {
        Some(file) => Ok(vec![Artifact::read(file, &args.choice, shell)?]),
        None => {
            let (_, compiled) = build::targets(&args.choice, shell)?;
            let compiled = compiled.into_iter().map(Box::new);
            Ok(compiled.map(Artifact::Source).collect())
        }
    }
}

/// The sizes as they are.
fn report(now: &Baseline, args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    match (args.format, args.lines) {
        (Format::Json, false) => shell.json(&now.handlers),
        (Format::Json, true) => shell.json(&now.lines),
        (Format::Human, false) => shell.print(table(&now.handlers)),
        (Format::Human, true) => shell.print(Line::listing(&now.lines)),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "function",
        "on",
        "party",
        "code",
        "constants",
        "certificate",
        "manifest",
        "total",
        "steps",
    ]);
    for row in rows {
        let numbers = [row.code, row.constants, row.certificate];
        let more = [row.manifest, row.total, row.steps];
        let texts = [&row.function, &row.on, &row.party].map(String::clone);
        let numbers = numbers.into_iter().chain(more).map(|n| n.to_string());
        table.row(texts.into_iter().chain(numbers));
    }
    table
}

/// A row for each handler, in the order of the artifacts.
fn handlers(artifacts: &[Artifact]) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for artifact in artifacts {
        for (image, _) in artifact.images() {
            rows.extend(cost(image)?);
        }
    }
    Ok(rows)
}

/// A row for each handler of an image, with the bounds that its bytes prove.
fn cost(image: &Image) -> Result<Vec<Row>, Failure> {
    let proven = nfl::prove(image, &Limits::EDGE).map_err(|refusal| {
        let error = nfl::EngineError::Refused(refusal);
        Failure::wrong(error.code(), error.to_string())
    })?;
    let manifest = &image.manifest;
    let bounds = proven.entries();
    let rows = manifest
        .entries
        .iter()
        .zip(bounds)
        .map(|(entry, bound)| Row {
            function: Party::function(manifest).to_string(),
            on: entry.role.text().to_string(),
            party: Party::of(manifest).text().to_string(),
            target: target(image).to_string(),
            code: u64::from(bound.code_bytes),
            constants: image.constants.len() as u64,
            certificate: image.certificate.len() as u64,
            manifest: manifest.len_without_claims() as u64,
            steps: u64::from(bound.steps),
            imports: manifest.imports.len() as u64,
            total: image.to_bytes().len() as u64,
        });
    Ok(rows.collect())
}

/// The name of the instruction set that an image is made for.
fn target(image: &Image) -> &'static str {
    Target::by_id(image.manifest.target.0).map_or("?", |t| t.name)
}
