//! `nflc verify`: does a node accept this, and what does it know then?

use std::path::PathBuf;

use nfl::abi::codes;
use nfl::{EngineError, Image, Limits, Proven, Trusted};
use serde::Serialize;

use crate::args::Format;
use crate::artifact;
use crate::failure::Failure;
use crate::key;
use crate::shell::Shell;
use crate::time;

/// Verify a capsule as a node does: signature, claims, then the bytes
///
/// With --image, the file is an image that nobody signed, and only its bytes are proved.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc verify guard.nfc --key controller.pub.pem\n  nflc verify guard.nfc --key controller.pub.pem --audience edge --now 1800000000\n  nflc verify --image Guard.originator.nfi"
)]
pub(crate) struct Args {
    /// The capsule
    #[arg(
        value_name = "FILE",
        required_unless_present = "image",
        conflicts_with = "image",
        requires = "key"
    )]
    file: Option<PathBuf>,
    /// The public key that is trusted
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
    /// An image without a signature, instead of a capsule
    #[arg(long, value_name = "IMAGE")]
    image: Option<PathBuf>,
    /// The group of nodes to ask for
    #[arg(long, value_name = "GROUP")]
    audience: Option<String>,
    /// The time, in seconds since 1970, instead of the clock's
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    name: String,
    key: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    expires: Option<u64>,
    not_before: Option<u64>,
    entries: Vec<EntryReport>,
    loops: Vec<LoopReport>,
}

#[derive(Serialize)]
struct EntryReport {
    on: &'static str,
    steps: u32,
    code: u32,
    touches: String,
}

#[derive(Serialize)]
struct LoopReport {
    head: u32,
    end: u32,
    trips: u32,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let report = match (&args.file, &args.key, &args.image) {
        (Some(file), Some(public), _) => {
            let public = key::read_public(public)?;
            let bytes = artifact::read_bytes(file)?;
            let now_s = time::now(args.now)?;
            let trusted = artifact::open(file, &bytes, public, args.audience.as_deref(), now_s)?;
            report(&prove(trusted.image())?, Some(&trusted))
        }
        (_, _, Some(file)) => {
            let image = artifact::read_image(file, &artifact::read_bytes(file)?)?;
            report(&prove(&image)?, None)
        }
        _ => {
            let message = "a capsule needs `--key`";
            return Err(Failure::usage(&codes::E900, message));
        }
    };
    match args.format {
        Format::Json => shell.json(&report),
        Format::Human => print(&report, shell),
    }
}

fn prove(image: &Image) -> Result<Proven, Failure> {
    nfl::prove(image, &Limits::EDGE).map_err(|refusal| {
        let error = EngineError::Refused(refusal);
        Failure::wrong(error.code(), error.to_string())
    })
}

fn report(proven: &Proven, trusted: Option<&Trusted>) -> Report {
    let manifest = &proven.image().manifest;
    let entries = manifest.entries.iter().zip(proven.entries());
    let claims = trusted.map(|t| t.claims().clone()).unwrap_or_default();
    Report {
        name: manifest.name.clone(),
        key: trusted.map(|t| t.kid().to_string()),
        issuer: claims.issuer,
        audience: claims.audience,
        expires: claims.expires,
        not_before: claims.not_before,
        entries: entries
            .map(|(entry, bound)| EntryReport {
                on: entry.role.text(),
                steps: bound.steps,
                code: bound.code_bytes,
                touches: bound.touches.to_string(),
            })
            .collect(),
        loops: proven
            .loops()
            .iter()
            .map(|l| LoopReport {
                head: l.head,
                end: l.end,
                trips: l.trips,
            })
            .collect(),
    }
}

fn print(report: &Report, shell: &mut Shell) -> Result<(), Failure> {
    match &report.key {
        Some(kid) => shell
            .line(format!("{}: signed and proved", report.name))
            .and_then(|()| {
                let issuer = report
                    .issuer
                    .as_deref()
                    .map_or(String::new(), |i| format!(" ({i})"));
                shell.line(format!("  signed by  key {kid}{issuer}"))
            })?,
        None => shell.line(format!("{}: proved, and signed by nobody", report.name))?,
    }
    if let Some(audience) = &report.audience {
        shell.line(format!("  for        {audience}"))?;
    }
    if let Some(not_before) = report.not_before {
        shell.line(format!("  valid from {}", time::show(not_before)))?;
    }
    if let Some(expires) = report.expires {
        shell.line(format!("  until      {}", time::show(expires)))?;
    }
    for entry in &report.entries {
        shell.line(format!(
            "  on {}: ends after at most {} steps; {} bytes of code; touches {}",
            entry.on, entry.steps, entry.code, entry.touches
        ))?;
    }
    for l in &report.loops {
        shell.line(format!(
            "  loop at {:#06x}..{:#06x}: at most {} rounds",
            l.head, l.end, l.trips
        ))?;
    }
    Ok(())
}
