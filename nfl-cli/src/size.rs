//! `nflc size`: what each handler costs, in bytes and steps.

use std::path::PathBuf;

use nfl::isa::Target;
use nfl::{Image, Limits, Party};
use serde::Serialize;

use crate::args::Format;
use crate::artifact::Artifact;
use crate::failure::Failure;
use crate::shell::Shell;
use crate::source::Choice;
use crate::table::Table;

/// Print what each handler costs, in bytes and steps
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc size guard.nfl --set port=443\n  nflc size guard.nfl --format json\n  nflc size Guard.originator.nfi"
)]
pub(crate) struct Args {
    /// Source file, image or capsule
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What a handler costs. `total` is the image's, which all its handlers share.
#[derive(Serialize)]
struct Row<'a> {
    function: &'a str,
    on: &'static str,
    party: &'static str,
    target: &'static str,
    code: u32,
    constants: usize,
    certificate: usize,
    manifest: usize,
    steps: u32,
    imports: usize,
    total: usize,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let artifact = Artifact::read(&args.file, &args.choice, shell)?;
    let mut rows = Vec::new();
    for (image, _) in artifact.images() {
        rows.extend(cost(image)?);
    }
    match args.format {
        Format::Json => shell.json(&rows),
        Format::Human => {
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
            for row in &rows {
                let numbers = [row.code as usize, row.constants, row.certificate];
                let more = [row.manifest, row.total, row.steps as usize];
                let texts = [row.function, row.on, row.party].map(str::to_string);
                let numbers = numbers.into_iter().chain(more).map(|n| n.to_string());
                table.row(texts.into_iter().chain(numbers));
            }
            shell.print(table)
        }
    }
}

/// A row for each handler of an image, with the bounds that its bytes prove.
fn cost(image: &Image) -> Result<Vec<Row<'_>>, Failure> {
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
            function: Party::function(manifest),
            on: entry.role.text(),
            party: Party::of(manifest).text(),
            target: Target::by_id(manifest.target.0).map_or("?", |t| t.name),
            code: bound.code_bytes,
            constants: image.constants.len(),
            certificate: image.certificate.len(),
            manifest: manifest.len_without_claims(),
            steps: bound.steps,
            imports: manifest.imports.len(),
            total: image.to_bytes().len(),
        });
    Ok(rows.collect())
}
