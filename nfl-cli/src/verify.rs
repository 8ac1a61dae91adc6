//! `nflc verify`: does a node accept this, and what does it know then?

use std::path::PathBuf;

use nfl::abi::codes;
use nfl::abi::map::CODE_BASE;
use nfl::isa::{Fx, Inst, Reg, disassemble};
use nfl::{
    EngineError, Image, KeyId, Limits, LoopBound, Proven, Refusal, SubroutineBound, Trusted,
};
use serde::Serialize;

use crate::args::Format;
use crate::artifact;
use crate::failure::{Exit, Failure};
use crate::imports;
use crate::inspect::LateWord;
use crate::key;
use crate::shell::Shell;
use crate::time;

/// Verify a capsule as a node does: signature, claims, then the bytes
///
/// With --image or --capsule only the bytes are proved, and nobody asks who signed them. What is proved is shown: the
/// bound of each entry and the memory it touches, the loops with what ends them, the services, and the words that may be
/// bound later. A refusal shows the instruction at fault and what was known before it.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc verify guard.nfc --key controller.pub.pem\n  nflc verify guard.nfc --key controller.pub.pem --audience edge --now 1800000000\n  nflc verify --image Guard.originator.nfi"
)]
pub(crate) struct Args {
    /// The capsule
    #[arg(
        value_name = "FILE",
        required_unless_present_any = ["image", "capsule"],
        conflicts_with_all = ["image", "capsule"],
        requires = "key"
    )]
    file: Option<PathBuf>,
    /// The public key that is trusted
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
    /// An image without a signature, instead of a capsule
    #[arg(long, value_name = "IMAGE", conflicts_with = "capsule")]
    image: Option<PathBuf>,
    /// A capsule whose signature is not checked
    #[arg(long, value_name = "CAPSULE")]
    capsule: Option<PathBuf>,
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
    /// Whether the key's signature was checked.
    signed: bool,
    issuer: Option<String>,
    audience: Option<String>,
    expires: Option<u64>,
    not_before: Option<u64>,
    entries: Vec<EntryReport>,
    loops: Vec<LoopReport>,
    subroutines: Vec<SubroutineReport>,
    imports: Vec<String>,
    late: Vec<LateWord>,
}

#[derive(Serialize)]
struct EntryReport {
    on: &'static str,
    steps: u32,
    code: u32,
    touches: String,
}

#[derive(Serialize)]
struct SubroutineReport {
    entry: u32,
    end: u32,
    link: String,
    steps: u32,
}

#[derive(Serialize)]
struct LoopReport {
    head: u32,
    end: u32,
    trips: u32,
    /// The register or word of scratch that moves, what it can be at the head, and how far it moves.
    measure: String,
    region: Option<&'static str>,
    lo: i64,
    hi: i64,
    step: i64,
}

/// Why an image is refused.
#[derive(Serialize)]
struct RefusalReport {
    name: String,
    refused: String,
    pc: Option<u32>,
    instruction: Option<String>,
    /// What was known before the instruction, when the verifier came to it.
    known: Vec<Fact>,
}

#[derive(Serialize)]
struct Fact {
    of: String,
    is: String,
}

/// Who answers for a capsule.
enum Signed {
    /// Nobody: it is an image.
    Nobody,
    /// The capsule names a key, and nothing was checked.
    Unchecked(KeyId),
    Trusted(Box<Trusted>),
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let (image, signed) = match (&args.file, &args.key, &args.image, &args.capsule) {
        (Some(file), Some(public), ..) => {
            let public = key::read_public(public)?;
            let bytes = artifact::read_bytes(file)?;
            let now_s = time::now(args.now)?;
            let trusted = artifact::open(file, &bytes, public, args.audience.as_deref(), now_s)?;
            (trusted.image().clone(), Signed::Trusted(Box::new(trusted)))
        }
        (_, _, Some(file), _) => {
            let image = artifact::read_image(file, &artifact::read_bytes(file)?)?;
            (image, Signed::Nobody)
        }
        (.., Some(file)) => {
            let bytes = artifact::read_bytes(file)?;
            let (kid, image) = artifact::peek(file, &bytes)?;
            (image, Signed::Unchecked(kid))
        }
        _ => {
            let message = "a capsule needs `--key`";
            return Err(Failure::usage(&codes::E900, message));
        }
    };
    match nfl::prove(&image, &Limits::EDGE) {
        Ok(proven) => {
            let report = report(&proven, &signed);
            match args.format {
                Format::Json => shell.json(&report),
                Format::Human => print(&report, shell),
            }
        }
        Err(refusal) => refuse(&image, refusal, args.format, shell),
    }
}

fn report(proven: &Proven, signed: &Signed) -> Report {
    let manifest = &proven.image().manifest;
    let entries = manifest.entries.iter().zip(proven.entries());
    let (key, claims) = match signed {
        Signed::Nobody => (None, nfl::Claims::default()),
        Signed::Unchecked(kid) => (Some(kid.to_string()), nfl::Claims::default()),
        Signed::Trusted(trusted) => (Some(trusted.kid().to_string()), trusted.claims().clone()),
    };
    Report {
        name: manifest.name.clone(),
        key,
        signed: matches!(signed, Signed::Trusted(_)),
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
        loops: proven.loops().iter().map(loop_report).collect(),
        subroutines: proven.subroutines().iter().map(subroutine_report).collect(),
        imports: manifest
            .imports
            .iter()
            .map(|import| imports::import(manifest, import))
            .collect(),
        late: manifest.late.iter().map(LateWord::from).collect(),
    }
}

fn loop_report(one: &LoopBound) -> LoopReport {
    LoopReport {
        head: one.head,
        end: one.end,
        trips: one.trips,
        measure: one.measure.place.to_string(),
        region: one.measure.region.map(nfl::Region::text),
        lo: one.measure.range.0,
        hi: one.measure.range.1,
        step: one.measure.step,
    }
}

fn subroutine_report(one: &SubroutineBound) -> SubroutineReport {
    SubroutineReport {
        entry: one.entry,
        end: one.end,
        link: one.link.to_string(),
        steps: one.steps,
    }
}

/// Says why, with the instruction at fault and what was known before it.
fn refuse(
    image: &Image,
    refusal: Refusal,
    format: Format,
    shell: &mut Shell,
) -> Result<(), Failure> {
    let line = refusal.pc.and_then(|pc| {
        let at = CODE_BASE.checked_add(pc)?;
        let lines = disassemble(&image.code, CODE_BASE);
        lines.into_iter().find(|line| line.pc == at)
    });
    let inst = line.as_ref().and_then(|line| line.inst.as_ref().ok());
    let known = match (inst, refusal.pc) {
        (Some(inst), Some(pc)) => known(image, pc, inst),
        _ => Vec::new(),
    };
    if matches!(format, Format::Json) {
        shell.json(&RefusalReport {
            name: image.manifest.name.clone(),
            refused: refusal.reason.to_string(),
            pc: refusal.pc,
            instruction: inst.map(ToString::to_string),
            known,
        })?;
        return Err(Failure::said(Exit::Wrong));
    }
    let error = EngineError::Refused(refusal);
    let mut failure = Failure::wrong(error.code(), error.to_string());
    if let Some(line) = line {
        failure = failure.note(format!("the instruction is {}", line.to_string().trim()));
    }
    for fact in known {
        failure = failure.note(format!("before it, {} is {}", fact.of, fact.is));
    }
    Err(failure)
}

/// What was known of the registers that the instruction reads, and of the packet where it may be accessed.
fn known(image: &Image, pc: u32, inst: &Inst) -> Vec<Fact> {
    let mut facts = Vec::new();
    let is_access = matches!(inst.op.spec().effects, Fx::READ | Fx::WRITE);
    let is_call = inst.written() == Some(Reg::RA) && inst.op.spec().effects == Fx::JUMP;
    let arguments = (Reg::A0.0..=Reg::A5.0).filter(|_| is_call);
    let mut regs: Vec<Reg> = inst.read().into_iter().flatten().collect();
    regs.dedup();
    regs.retain(|&reg| reg != Reg::ZERO);
    regs.extend(arguments.map(Reg));
    let mut see = |at: u32, state: &nfl::Known<'_>| {
        if at != pc {
            return;
        }
        for &reg in &regs {
            let mut is = state.reg(reg).to_string();
            if let Some(room) = state.room(reg).filter(|&room| is_access && room > 0) {
                is += &format!(", and {room} or more before the packet's end");
            }
            let of = reg.to_string();
            facts.push(Fact { of, is });
        }
        if is_access {
            let (lo, hi) = state.packet_len();
            facts.push(Fact {
                of: "the packet's length".into(),
                is: format!("{lo}..={hi}"),
            });
        }
    };
    // The answer is known already.
    let _ = nfl::observe(image, &Limits::EDGE, &mut see);
    facts
}

fn print(report: &Report, shell: &mut Shell) -> Result<(), Failure> {
    match &report.key {
        Some(kid) if !report.signed => shell.line(format!(
            "{}: proved; nobody checked the signature of key {kid}",
            report.name
        ))?,
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
        let region = l
            .region
            .map_or(String::new(), |region| format!("{region} + "));
        shell.line(format!(
            "  loop at {:#06x}..{:#06x}: at most {} rounds; {} is {region}{}..={} at its head and {} by {} or more in each",
            CODE_BASE + l.head,
            CODE_BASE + l.end,
            l.trips,
            l.measure,
            l.lo,
            l.hi,
            if l.step > 0 { "rises" } else { "falls" },
            l.step.abs()
        ))?;
    }
    for one in &report.subroutines {
        shell.line(format!(
            "  subroutine at {:#06x}..{:#06x}: returns through {} after at most {} steps",
            CODE_BASE + one.entry,
            CODE_BASE + one.end,
            one.link,
            one.steps
        ))?;
    }
    for (slot, import) in report.imports.iter().enumerate() {
        shell.line(format!("  calls {import} through slot {slot}"))?;
    }
    for late in &report.late {
        let order = if late.wire { ", in wire order" } else { "" };
        shell.line(format!(
            "  holds for any `{}` in {}..={}, the word at {} of the constants{order}",
            late.name, late.lo, late.hi, late.offset
        ))?;
    }
    Ok(())
}
