//! `nflc run`: a handler over the packets of a capture.

mod told;
mod trace;

use std::path::PathBuf;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use nfl::{Jit, Mirror, Outcome, VerdictKind};
use serde::Serialize;

use self::told::{Report, Told};
use self::trace::{By, Packets, Trace, Traced, Tracing};
use crate::args::Format;
use crate::capture::{CaptureError, Frame, Writer};
use crate::failure::Failure;
use crate::play::{self, Input, Node, Setup};
use crate::shell::Shell;
use crate::stats::{self, Stats};
use crate::world;

/// Captures below this size are done before a progress bar can be seen, in bytes.
const PROGRESS_FROM: u64 = 1_000_000;

/// Run a handler over the packets of a capture
///
/// The program is proved before it runs. Each packet is a first packet: memory that travels with
/// packets starts afresh, and the clock is the packet's time. Tables are as the world says, or empty
/// at first, and kept from packet to packet; timers run when their time has come.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc run guard.nfl --on originator --pcap in.pcap --set port=443\n  nflc run mark.nfl --on ingress --pcap in.pcap --write out.pcap --format json\n  nflc run guard.nfc --key controller.pub.pem --on originator --pcap in.pcap\n  nflc run router.nfl --world router.toml --save-world after.toml --pcap in.pcap\n  nflc run mark.nfl --pcap in.pcap --trace=instructions --packet 3"
)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// A capture to write, of the packets that were not dropped
    #[arg(long, value_name = "OUT.pcap")]
    write: Option<PathBuf>,
    /// What runs the code
    #[arg(long, value_enum, default_value_t = EngineName::Interp)]
    engine: EngineName,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// A file to write what the node knows behind the last packet
    #[arg(long, value_name = "OUT")]
    save_world: Option<PathBuf>,
    /// Show what the handler does with each packet: its source lines, or its instructions with the
    /// registers that they change
    #[arg(long, value_enum, value_name = "BY", num_args = 0..=1, require_equals = true, default_missing_value = "lines")]
    trace: Option<By>,
    /// The packets to trace, counted from 0: N, or N..M, the last one included
    #[arg(long, value_name = "N[..M]", requires = "trace")]
    packet: Option<Packets>,
}

/// What runs the code.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum EngineName {
    /// The reference interpreter, which counts steps
    Interp,
    /// Host code, which counts none; the interpreter where there is no host code
    Jit,
}

/// A packet in the JSON report.
#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    verdict: &'a str,
    operand: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<u16>,
    reason: Option<String>,
    steps: Option<u32>,
    out: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trace: Vec<Traced>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mirrors: Vec<MirrorLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reports: Vec<Report>,
}

/// A copy of a packet in the JSON report.
#[derive(Serialize)]
struct MirrorLine {
    port: u32,
    out: String,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let setup = Setup::new(&args.input, shell)?;
    if args.engine == EngineName::Jit
        && let Err(why) = Jit::new().and_then(|jit| jit.compile(&setup.program))
    {
        shell.note(format_args!("the program is interpreted: {why}"));
    }
    let tracing = args.trace.map(|by| Tracing::new(&setup, by, args.packet));
    let tracing = tracing.transpose()?;
    let mut node = setup.node()?;
    let stats = over_capture(args, (&setup, &mut node), tracing.as_ref(), shell)?;
    if let Some(path) = &args.save_world {
        let saved = setup
            .world
            .save(&setup.resources, &node.instance.state_mut());
        world::write(path, &saved.datum())?;
    }
    if args.format == Format::Human {
        let counters = told::counters(&node.instance.state_mut());
        let report = stats.report(&setup.image, &setup.entry, setup.steps_max());
        shell.print(report + &counters)?;
    }
    Ok(())
}

fn over_capture(
    args: &Args,
    (setup, node): (&Setup, &mut Node<'_>),
    tracing: Option<&Tracing>,
    shell: &mut Shell,
) -> Result<Stats, Failure> {
    let pcap = &args.input.pcap;
    let broken = |error: CaptureError| play::capture_failure(pcap, &error);
    let (mut reader, size_bytes) = play::open(pcap)?;
    let mut writer = match &args.write {
        Some(path) => {
            let writer = Writer::create(path, reader.link());
            Some(writer.map_err(|error| play::capture_failure(path, &error))?)
        }
        None => None,
    };
    let progress = progress(size_bytes, shell);
    let mut stats = Stats::default();
    while let Some(frame) = reader.next() {
        let mut frame = frame.map_err(broken)?;
        progress.set_position(reader.position());
        let tracing = tracing.filter(|tracing| tracing.takes(frame.index));
        let mut trace = tracing.map(Trace::new);
        let outcome = match &mut trace {
            Some(trace) => node.run_traced(&mut frame, |step| trace.see(step))?,
            None => node.run(&mut frame)?,
        };
        let trace = trace.map_or(Vec::new(), |trace| trace.finish(outcome.as_ref()));
        let reason = outcome.as_ref();
        let reason = reason.and_then(|o| stats::reason(&setup.image.manifest, o));
        match &outcome {
            Some(outcome) => stats.count(outcome, reason.as_deref()),
            None => stats.skip(),
        }
        if let (Some(writer), Some(path)) = (&mut writer, &args.write)
            && outcome
                .as_ref()
                .is_none_or(|o| o.verdict.kind != VerdictKind::Drop)
        {
            let Frame {
                link,
                timestamp_ns,
                ref data,
                orig_len,
                ..
            } = frame;
            writer
                .write(link, timestamp_ns, data, orig_len)
                .map_err(|error| play::capture_failure(path, &error))?;
        }
        let told = Told::take(&mut node.instance.state_mut(), &setup.formats);
        match args.format {
            Format::Json => {
                let ports = node.ports(outcome.as_ref());
                let line = line(&frame, outcome.as_ref(), reason, told);
                shell.json(&Line {
                    ports,
                    trace,
                    ..line
                })?;
            }
            Format::Human => {
                if let Some(tracing) = tracing {
                    shell.print(tracing.text(
                        &frame,
                        outcome.as_ref(),
                        reason.as_deref(),
                        &trace,
                    ))?;
                }
                for text in &told.log {
                    shell.print(format!("packet {}: {text}\n", frame.index))?;
                }
            }
        }
    }
    progress.finish_and_clear();
    if let (Some(writer), Some(path)) = (writer, &args.write) {
        writer
            .finish()
            .map_err(|error| play::capture_failure(path, &error))?;
    }
    Ok(stats)
}

fn line(
    frame: &Frame,
    outcome: Option<&Outcome>,
    reason: Option<String>,
    told: Told,
) -> Line<'static> {
    let operand = outcome.and_then(|o| match o.verdict.kind {
        VerdictKind::Forward | VerdictKind::Steer | VerdictKind::Multicast => {
            Some(o.verdict.operand)
        }
        _ => None,
    });
    Line {
        index: frame.index,
        verdict: outcome.map_or("Skip", |o| o.verdict.kind.text()),
        operand,
        ports: Vec::new(),
        reason,
        steps: outcome.and_then(|o| o.steps),
        out: hex(&frame.data),
        trace: Vec::new(),
        priority: outcome.and_then(|o| o.effects.priority),
        mirrors: outcome.map_or(Vec::new(), mirrors),
        log: told.log,
        reports: told.reports,
    }
}

/// The copies that were sent, from the handler's layer on.
fn mirrors(outcome: &Outcome) -> Vec<MirrorLine> {
    let mirrors = outcome.effects.mirrors.iter();
    let line = |mirror: &Mirror| MirrorLine {
        port: mirror.port,
        out: hex(&mirror.packet),
    };
    mirrors.map(line).collect()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    nibbles
        .map(|n| char::from(DIGITS[usize::from(n)]))
        .collect()
}

fn progress(size_bytes: u64, shell: &Shell) -> ProgressBar {
    if size_bytes < PROGRESS_FROM || !shell.draws_progress() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3} % of {total_bytes}, {eta} left");
    let bar = ProgressBar::new(size_bytes);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
