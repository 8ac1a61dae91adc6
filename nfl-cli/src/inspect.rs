//! `nflc inspect`: what an image says about itself.

use std::path::PathBuf;

use nfl::abi::image::Resource;
use nfl::isa::Target;
use nfl::{Claims, Entry, Image, LateSlot, Profile, Verdict, VerdictKind};
use serde::Serialize;

use crate::args::Format;
use crate::artifact::{self, Artifact, Kind};
use crate::failure::Failure;
use crate::imports;
use crate::shell::Shell;
use crate::source::{self, Choice};
use crate::table::Table;

/// Print what an image says about itself
///
/// Nothing of it is proved or believed; `nflc verify` does that.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc inspect Guard.originator.nfi\n  nflc inspect guard.nfc --format json\n  nflc inspect guard.nfl --set port=443"
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

#[derive(Serialize)]
struct Report {
    name: String,
    version: u32,
    profile: &'static str,
    target: &'static str,
    rights: Vec<&'static str>,
    verdicts: Vec<&'static str>,
    passes: u8,
    window: u8,
    carried: usize,
    reasons: Vec<String>,
    imports: Vec<String>,
    resources: Vec<ResourceReport>,
    key: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    expires: Option<u64>,
    not_before: Option<u64>,
    entries: Vec<EntryReport>,
    late: Vec<LateReport>,
    sizes: Sizes,
}

#[derive(Serialize)]
struct EntryReport {
    on: &'static str,
    layer: &'static str,
    pc: u32,
    need: u16,
    malformed: String,
    steps: u32,
}

#[derive(Serialize)]
struct LateReport {
    #[serde(flatten)]
    slot: LateWord,
    value: Option<u32>,
}

/// A word that may be bound later.
#[derive(Serialize)]
pub(crate) struct LateWord {
    pub(crate) name: String,
    pub(crate) offset: u16,
    width: u8,
    pub(crate) wire: bool,
    pub(crate) lo: u32,
    pub(crate) hi: u32,
}

impl From<&LateSlot> for LateWord {
    fn from(slot: &LateSlot) -> LateWord {
        LateWord {
            name: slot.name.clone(),
            offset: slot.offset,
            width: slot.width,
            wire: slot.wire,
            lo: slot.lo,
            hi: slot.hi,
        }
    }
}

#[derive(Serialize)]
struct ResourceReport {
    name: String,
    kind: &'static str,
    key_bytes: u16,
    value_bytes: u16,
    capacity: u32,
    idle_ns: u64,
    layout: u32,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
struct Sizes {
    code: usize,
    constants: usize,
    certificate: usize,
    manifest: usize,
    total: usize,
}

#[derive(Serialize)]
struct BundleReport {
    name: String,
    services: Vec<ServiceReport>,
    programs: Vec<ProgramReport>,
}

#[derive(Serialize)]
struct ServiceReport {
    service: String,
    identity: String,
}

#[derive(Serialize)]
struct ProgramReport {
    /// Empty for anyone.
    from: String,
    to: String,
    program: String,
    bytes: usize,
}

/// What a bundle says about itself.
fn bundle(args: &Args, bytes: &[u8], shell: &mut Shell) -> Result<(), Failure> {
    let bundle = artifact::read_bundle(&args.file, bytes)?;
    let mut report = BundleReport {
        name: bundle.name,
        services: Vec::new(),
        programs: Vec::new(),
    };
    for (service, identity) in bundle.services {
        report.services.push(ServiceReport { service, identity });
    }
    for program in bundle.programs {
        let (_, image) = nfl::peek(&program.capsule)
            .map_err(|error| Failure::wrong(error.code(), error.to_string()))?;
        report.programs.push(ProgramReport {
            from: program.from,
            to: program.to,
            program: image.manifest.name,
            bytes: program.capsule.len(),
        });
    }
    if args.format == Format::Json {
        return shell.json(&report);
    }
    shell.line(&report.name)?;
    let mut services = Table::new(&["service", "identity"]);
    for row in report.services {
        services.row([row.service, row.identity]);
    }
    shell.print(services)?;
    let mut programs = Table::new(&["from", "to", "program", "bytes"]);
    let end = |name: String| {
        if name.is_empty() {
            "Any".to_string()
        } else {
            name
        }
    };
    for row in report.programs {
        programs.row([
            end(row.from),
            end(row.to),
            row.program,
            row.bytes.to_string(),
        ]);
    }
    shell.print(programs)
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    if !source::is_source(&args.file) {
        let bytes = artifact::read_bytes(&args.file)?;
        if artifact::kind(&args.file, &bytes) == Some(Kind::Bundle) {
            return bundle(args, &bytes, shell);
        }
    }
    let artifact = Artifact::read(&args.file, &args.choice, shell)?;
    let key = match &artifact {
        Artifact::Capsule { kid, .. } => Some(kid.to_string()),
        _ => None,
    };
    let images = artifact.images();
    let reports: Vec<Report> = images
        .iter()
        .map(|(image, _)| report(image, key.clone()))
        .collect();
    if args.format == Format::Json {
        return shell.json(&reports);
    }
    for (n, report) in reports.iter().enumerate() {
        if n > 0 {
            shell.line("")?;
        }
        print(report, shell)?;
    }
    Ok(())
}

fn report(image: &Image, key: Option<String>) -> Report {
    let manifest = &image.manifest;
    let Claims {
        issuer,
        audience,
        expires,
        not_before,
    } = manifest.claims.clone();
    let allowed = |kind: &&VerdictKind| manifest.verdicts >> kind.number() & 1 != 0;
    Report {
        name: manifest.name.clone(),
        version: manifest.version,
        profile: manifest.profile.text(),
        target: Target::by_id(manifest.target.0).map_or("unknown", |t| t.name),
        rights: manifest.rights.iter().map(nfl::Right::text).collect(),
        verdicts: VerdictKind::ALL
            .iter()
            .filter(allowed)
            .map(|kind| kind.text())
            .collect(),
        passes: manifest.passes,
        window: manifest.window,
        carried: manifest.carried.len(),
        reasons: manifest.reasons.clone(),
        imports: manifest
            .imports
            .iter()
            .map(|import| imports::import(manifest, import))
            .collect(),
        resources: manifest.resources.iter().map(resource_report).collect(),
        key,
        issuer,
        audience,
        expires,
        not_before,
        entries: manifest
            .entries
            .iter()
            .map(|entry| entry_report(entry, image))
            .collect(),
        late: manifest
            .late
            .iter()
            .map(|slot| late_report(slot, image))
            .collect(),
        sizes: Sizes {
            code: image.code.len(),
            constants: image.constants.len(),
            certificate: image.certificate.len(),
            manifest: manifest.len_without_claims(),
            total: image.to_bytes().len(),
        },
    }
}

fn entry_report(entry: &Entry, image: &Image) -> EntryReport {
    EntryReport {
        on: entry.role.text(),
        layer: entry.layer.text(),
        pc: entry.pc,
        need: entry.need,
        malformed: verdict_text(image, entry.malformed),
        steps: entry.steps,
    }
}

fn resource_report(resource: &Resource) -> ResourceReport {
    ResourceReport {
        name: resource.name.clone(),
        kind: resource.kind.text(),
        key_bytes: resource.key_bytes,
        value_bytes: resource.value_bytes,
        capacity: resource.capacity,
        idle_ns: resource.idle_ns,
        layout: resource.layout,
        text: imports::resource(resource),
    }
}

/// The word among the constants, read the way round that `LateSlot::word` wrote it.
fn late_report(slot: &LateSlot, image: &Image) -> LateReport {
    let word = image.constants.get(usize::from(slot.offset)..);
    let word = word.and_then(|bytes| bytes.first_chunk());
    LateReport {
        slot: slot.into(),
        value: word.map(|bytes| slot.word(u32::from_le_bytes(*bytes))),
    }
}

/// `Drop(MALFORMED)`, `Forward(3)`, `Pass`
fn verdict_text(image: &Image, verdict: Verdict) -> String {
    let kind = verdict.kind.text();
    match verdict.kind {
        VerdictKind::Drop if image.manifest.profile == Profile::Capsule => kind.to_string(),
        VerdictKind::Drop | VerdictKind::Punt => {
            let reason = crate::stats::reason_name(&image.manifest, verdict.operand);
            format!("{kind}({reason})")
        }
        VerdictKind::Forward | VerdictKind::Multicast | VerdictKind::Steer => {
            format!("{kind}({})", verdict.operand)
        }
        VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate => kind.to_string(),
    }
}

fn print(report: &Report, shell: &mut Shell) -> Result<(), Failure> {
    let list = |words: &[&str]| match words.is_empty() {
        true => "none".to_string(),
        false => words.join(", "),
    };
    shell.line(format!("{}, version {}", report.name, report.version))?;
    let mut facts = vec![
        ("profile", report.profile.to_string()),
        ("target", report.target.to_string()),
        ("rights", list(&report.rights)),
        ("verdicts", list(&report.verdicts)),
        ("passes", report.passes.to_string()),
        ("window", format!("{} bytes", report.window)),
        ("carried", format!("{} bytes", report.carried)),
    ];
    let reasons: Vec<&str> = report.reasons.iter().map(String::as_str).collect();
    if !reasons.is_empty() {
        facts.push(("own reasons", list(&reasons)));
    }
    let texts = [
        ("key", &report.key),
        ("issuer", &report.issuer),
        ("audience", &report.audience),
    ];
    facts.extend(texts.map(|(name, text)| (name, text.clone().unwrap_or_default())));
    let times = [
        ("expires", report.expires),
        ("not before", report.not_before),
    ];
    facts.extend(times.map(|(name, t)| (name, t.map_or(String::new(), crate::time::show))));
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        shell.line(format!("  {name:<12}  {fact}"))?;
    }
    for entry in &report.entries {
        let need = match entry.need {
            0 => String::new(),
            need => format!(", shorter than {need} bytes: {}", entry.malformed),
        };
        shell.line(format!(
            "  on {:<9}  {}, at offset {}, at most {} steps{need}",
            entry.on, entry.layer, entry.pc, entry.steps
        ))?;
    }
    for late in &report.late {
        let value = late.value.map_or("?".to_string(), |v| v.to_string());
        let late = &late.slot;
        let order = if late.wire { ", wire order" } else { "" };
        shell.line(format!(
            "  late {:<7}  {} bits{order}, {}..{}, now {value}",
            late.name, late.width, late.lo, late.hi
        ))?;
    }
    for resource in &report.resources {
        shell.line(format!("  state {:<6}  {}", resource.name, resource.text))?;
    }
    for (slot, import) in report.imports.iter().enumerate() {
        shell.line(format!("  import {slot:<5}  {import}"))?;
    }
    let sizes = &report.sizes;
    shell.line(format!(
        "  {:<12}  code {}, constants {}, certificate {}, manifest {}, total {}",
        "bytes", sizes.code, sizes.constants, sizes.certificate, sizes.manifest, sizes.total
    ))
}
