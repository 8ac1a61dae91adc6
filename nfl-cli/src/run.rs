//! `nflc run`: a handler over the packets of a capture.

mod timers;
mod told;

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use nfl::abi::codes;
use nfl::world::{ResourceShape, World};
use nfl::{
    Budget, Built, Context, Engine, Entry, Fault, Image, Instance, Jit, Mirror, Outcome, Packet,
    Policy, Role, Trap, VerdictKind,
};
use serde::Serialize;

use self::timers::{Due, Timers};
use self::told::{Report, Told};
use crate::args::Format;
use crate::artifact::{self, Kind};
use crate::capture::{CaptureError, Frame, Reader, Writer, locate};
use crate::failure::{Exit, Failure};
use crate::shell::Shell;
use crate::source::{self, Choice, PartyName};
use crate::stats::{self, Stats};
use crate::{key, time, world};

/// Captures below this size are done before a progress bar can be seen, in bytes.
const PROGRESS_FROM: u64 = 1_000_000;

/// Run a handler over the packets of a capture
///
/// The program is proved before it runs. Each packet is a first packet: memory that travels with
/// packets starts afresh, and the clock is the packet's time. Tables are as the world says, or empty
/// at first, and kept from packet to packet; timers run when their time has come.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc run guard.nfl --on originator --pcap in.pcap --set port=443\n  nflc run mark.nfl --on ingress --pcap in.pcap --write out.pcap --format json\n  nflc run guard.nfc --key controller.pub.pem --on originator --pcap in.pcap\n  nflc run router.nfl --world router.toml --save-world after.toml --pcap in.pcap"
)]
pub(crate) struct Args {
    /// Source file, image, or capsule with --key
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// The handler; may be left out where there is one
    #[arg(long, value_name = "ROLE")]
    on: Option<String>,
    /// The capture to read: pcap or pcapng
    #[arg(long, value_name = "IN")]
    pcap: PathBuf,
    /// A capture to write, of the packets that were not dropped
    #[arg(long, value_name = "OUT.pcap")]
    write: Option<PathBuf>,
    /// What runs the code
    #[arg(long, value_enum, default_value_t = EngineName::Interp)]
    engine: EngineName,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Whose image, where both have the handler
    #[arg(long, value_enum, value_name = "PARTY")]
    party: Option<PartyName>,
    /// The port on which packets come in: the world's, or 0
    #[arg(long, value_name = "N")]
    port: Option<u32>,
    /// The number of the node: the world's, or 0
    #[arg(long, value_name = "N")]
    node: Option<u32>,
    /// What the node knows before the first packet: a TOML or JSON file
    #[arg(long, value_name = "WORLD")]
    world: Option<PathBuf>,
    /// A file to write what the node knows behind the last packet
    #[arg(long, value_name = "OUT")]
    save_world: Option<PathBuf>,
    /// The public key that a capsule must be signed with
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
    /// The group of nodes to open a capsule for
    #[arg(long, value_name = "GROUP", requires = "key")]
    audience: Option<String>,
    /// The time to open a capsule at, in seconds since 1970, instead of the clock's
    #[arg(long, value_name = "SECONDS", requires = "key")]
    now: Option<u64>,
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
    let role = args.on.as_deref().map(role).transpose()?;
    let mut world = match &args.world {
        Some(path) => world::read(path)?,
        None => World::default(),
    };
    world.node = args.node.or(world.node);
    world.port = args.port.or(world.port);
    let Runnables { images, resources } = images(args, &world, shell)?;
    let (Runnable { image, formats }, entry) = handler(images, role)?;
    let program = Engine::interp().load_unsigned(image.clone(), &Policy::ALL);
    let program = program.map_err(|error| Failure::wrong(error.code(), error.to_string()))?;
    if args.engine == EngineName::Jit
        && let Err(why) = Jit::new().and_then(|jit| jit.compile(&program))
    {
        shell.note(format_args!("the program is interpreted: {why}"));
    }
    let steps_max = program.steps_max(entry.role).unwrap_or(entry.steps);
    let mut node = Node {
        timers: Timers::of(&image),
        instance: program.instance(),
        image: &image,
        formats: &formats,
        entry,
        context: world.context(),
        clock: Clock::default(),
        world: &world,
    };
    if let Some(path) = &args.world {
        let filled = world.fill(&resources, &mut node.instance.state_mut());
        filled.map_err(|errors| world::broken(path, &errors))?;
    }
    let stats = over_capture(args, &mut node, shell)?;
    if let Some(path) = &args.save_world {
        let saved = world.save(&resources, &node.instance.state_mut());
        world::write(path, &saved.datum())?;
    }
    if args.format == Format::Human {
        let counters = told::counters(&node.instance.state_mut());
        shell.print(stats.report(&image, &entry, steps_max) + &counters)?;
    }
    Ok(())
}

/// A handler on a node.
struct Node<'a> {
    timers: Timers,
    instance: Instance,
    image: &'a Image,
    formats: &'a [String],
    entry: Entry,
    context: Context,
    clock: Clock,
    world: &'a World,
}

/// The time of packets so far.
#[derive(Default)]
struct Clock {
    first_ns: Option<u64>,
    packets: u64,
}

/// What a file holds: the images, and the resources that they may have.
struct Runnables {
    images: Vec<Runnable>,
    resources: Vec<ResourceShape>,
}

/// An image, with the texts of its log lines where its source is known.
struct Runnable {
    image: Image,
    formats: Vec<String>,
}

impl From<Image> for Runnable {
    fn from(image: Image) -> Runnable {
        Runnable {
            image,
            formats: Vec::new(),
        }
    }
}

impl Node<'_> {
    /// Runs the timers whose time has come. What they answer does not matter.
    fn run_timers(&mut self, now_ns: u64) -> Result<(), Failure> {
        for Due { entry, at_ns } in self.timers.due(now_ns) {
            let context = Context {
                clock_ns: at_ns,
                ..self.context
            };
            let ran = self.instance.run_entry(
                entry,
                &mut Packet::default(),
                &context,
                &mut [],
                Budget::Proven,
            );
            or_dropped(ran, || "a timer".to_string())?;
        }
        Ok(())
    }

    /// The ports that a copy of the packet goes to, if the world knows the group.
    fn ports(&mut self, outcome: Option<&Outcome>) -> Vec<u16> {
        let verdict = outcome.map(|outcome| outcome.verdict);
        let verdict = verdict.filter(|verdict| verdict.kind == VerdictKind::Multicast);
        let group = verdict.and_then(|verdict| u16::try_from(verdict.operand).ok());
        let state = self.instance.state_mut();
        group.map_or(Vec::new(), |group| self.world.ports(group, &state))
    }

    /// Runs the handler on a frame, which holds the handler's changes afterwards; nothing when the
    /// handler is not run for such frames.
    fn run(&mut self, frame: &mut Frame) -> Result<Option<Outcome>, Failure> {
        let first_ns = *self.clock.first_ns.get_or_insert(frame.timestamp_ns);
        let nth = self.clock.packets;
        self.clock.packets += 1;
        let clock_ns = self.world.clock_ns(nth, frame.timestamp_ns, first_ns);
        self.run_timers(clock_ns)?;
        let Some(start) = locate(frame.link, &frame.data, self.entry.layer) else {
            return Ok(None);
        };
        let context = Context {
            network_offset: start.network_offset,
            clock_ns,
            ..self.context
        };
        let mut packet = Packet::from(&frame.data[start.packet_offset..]);
        let mut carried = self.image.manifest.carried.clone();
        let role = self.entry.role;
        let budget = Budget::Proven;
        let ran = self
            .instance
            .run(role, &mut packet, &context, &mut carried, budget);
        let outcome = or_dropped(ran, || format!("packet {}", frame.index))?;
        // What the capture did not keep of the packet is still behind it.
        let missing = frame.orig_len.saturating_sub(frame.data.len() as u32);
        frame.data.truncate(start.packet_offset);
        frame.data.extend_from_slice(packet.bytes());
        frame.orig_len = missing.saturating_add(frame.data.len() as u32);
        Ok(Some(outcome))
    }
}

/// The outcome of a run of proved code.
fn or_dropped(
    ran: Result<Outcome, Fault>,
    what: impl FnOnce() -> String,
) -> Result<Outcome, Failure> {
    match ran {
        Ok(outcome) => Ok(outcome),
        // Which verdict comes out is not proved, and a node drops what has none.
        Err(Fault::Trap {
            trap: Trap::UnknownVerdict(_) | Trap::ForbiddenVerdict(_),
            ..
        }) => Ok(Outcome::from_fault()),
        Err(fault) => {
            // Nothing else can happen to proved code: the verifier or the machine is wrong.
            let message = format!("{}: proved code faulted: {fault}", what());
            Err(Failure::new(Exit::Internal, &codes::E999, message))
        }
    }
}

fn over_capture(args: &Args, node: &mut Node<'_>, shell: &mut Shell) -> Result<Stats, Failure> {
    let broken = |error: CaptureError| capture_failure(&args.pcap, &error);
    let file = File::open(&args.pcap).map_err(|error| Failure::read(&args.pcap, &error))?;
    let size_bytes = file.metadata().map_or(0, |m| m.len());
    let mut reader = Reader::new(file).map_err(broken)?;
    let mut writer = match &args.write {
        Some(path) => Some(
            Writer::create(path, reader.link()).map_err(|error| capture_failure(path, &error))?,
        ),
        None => None,
    };
    let progress = progress(size_bytes, shell);
    let mut stats = Stats::default();
    while let Some(frame) = reader.next() {
        let mut frame = frame.map_err(broken)?;
        progress.set_position(reader.position());
        let outcome = node.run(&mut frame)?;
        let reason = outcome.as_ref();
        let reason = reason.and_then(|o| stats::reason(&node.image.manifest, o));
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
                .map_err(|error| capture_failure(path, &error))?;
        }
        let told = Told::take(&mut node.instance.state_mut(), node.formats);
        match args.format {
            Format::Json => {
                let ports = node.ports(outcome.as_ref());
                let line = line(&frame, outcome.as_ref(), reason, told);
                shell.json(&Line { ports, ..line })?;
            }
            Format::Human => {
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
            .map_err(|error| capture_failure(path, &error))?;
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

fn capture_failure(path: &Path, error: &CaptureError) -> Failure {
    match error {
        CaptureError::Unread(error) => Failure::read(path, error),
        CaptureError::Unwritten(error) => Failure::write(path, error),
        other => Failure::wrong(other.code(), format!("`{}`: {other}", path.display())),
    }
}

/// The role of this name.
pub(crate) fn role(text: &str) -> Result<Role, Failure> {
    Role::from_text(text).ok_or_else(|| {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.text()).collect();
        Failure::usage(&codes::E905, format!("there is no role `{text}`"))
            .help(format!("roles are: {}", names.join(", ")))
    })
}

/// The images in the file: several for a contract's source, one otherwise.
fn images(args: &Args, world: &World, shell: &mut Shell) -> Result<Runnables, Failure> {
    if source::is_source(&args.file) {
        let choice = world::with_settings(&args.choice, world);
        let compiled = source::images(&args.file, &choice, shell)?;
        let images = source::of_party(compiled.images, args.party)?;
        let runnable = |built: Built| Runnable {
            formats: built.module().formats.clone(),
            image: built.image,
        };
        return Ok(Runnables {
            images: images.into_iter().map(runnable).collect(),
            resources: compiled.resources,
        });
    }
    let mut image = image(args)?;
    if let Some(path) = &args.world {
        let bound = world.bind_late(&mut image);
        bound.map_err(|errors| world::broken(path, &errors))?;
    }
    let resources = image.manifest.resources.iter();
    Ok(Runnables {
        resources: resources.map(ResourceShape::of_image).collect(),
        images: vec![image.into()],
    })
}

/// The image of a file that is no source.
fn image(args: &Args) -> Result<Image, Failure> {
    let bytes = artifact::read_bytes(&args.file)?;
    match artifact::kind(&args.file, &bytes) {
        Some(Kind::Image) => artifact::read_image(&args.file, &bytes),
        Some(Kind::Capsule) => {
            let Some(public) = &args.key else {
                return Err(Failure::usage(
                    &codes::E900,
                    "a capsule is run with the public key it must be signed with",
                )
                .help("add `--key` and the key's file"));
            };
            let public = key::read_public(public)?;
            let now_s = time::now(args.now)?;
            let audience = args.audience.as_deref();
            let trusted = artifact::open(&args.file, &bytes, public, audience, now_s)?;
            Ok(trusted.into_image())
        }
        Some(Kind::Bundle) => Err(artifact::one_at_a_time(&args.file)),
        None => Err(artifact::unknown(&args.file)),
    }
}

/// The image that has the handler, and the handler.
fn handler(images: Vec<Runnable>, role: Option<Role>) -> Result<(Runnable, Entry), Failure> {
    let mut roles: Vec<Role> = images
        .iter()
        .flat_map(|runnable| runnable.image.manifest.entries.iter().map(|e| e.role))
        // Timers run by themselves.
        .filter(|&role| role != Role::Every)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let names: Vec<&str> = roles.iter().map(|role| role.text()).collect();
    let help = format!("the function has handlers for: {}", names.join(", "));
    let role = match (role, roles.as_slice()) {
        (Some(role), _) => role,
        (None, [one]) => *one,
        (None, _) => {
            let message = "the function has several handlers; choose one with --on";
            return Err(Failure::usage(&codes::E905, message).help(help));
        }
    };
    let found = images.into_iter().find_map(|runnable| {
        let mut entries = runnable.image.manifest.entries.iter().copied();
        let entry = entries.find(|entry| entry.role == role && role != Role::Every)?;
        Some((runnable, entry))
    });
    found.ok_or_else(|| {
        let message = format!("the function has no handler `{}`", role.text());
        Failure::usage(&codes::E905, message).help(help)
    })
}
