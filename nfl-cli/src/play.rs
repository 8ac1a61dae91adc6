//! What `run`, `profile` and `debug` have in common: a program, a world, and a handler over the packets of a capture.
//!
//! In: the file of a program, a capture, and what a node knows. Out: for each packet what the handler decides. Guaranteed:
//! the program is proved; each packet is a first packet, and meets the state that those before it left.

mod places;
mod timers;

use std::fs::File;
use std::path::{Path, PathBuf};

use nfl::abi::codes;
use nfl::world::{ResourceShape, World};
use nfl::{
    Budget, Built, Context, Engine, Entry, Fault, Image, Instance, Outcome, Packet, Place, Policy,
    Program, Role, Step, Trap, Unit, VerdictKind,
};

pub(crate) use self::places::{Places, SourceLine};
use self::timers::{Due, Timers};
use crate::artifact::{self, Kind};
use crate::capture::{CaptureError, Frame, Reader, locate};
use crate::failure::{Exit, Failure};
use crate::shell::Shell;
use crate::source::{self, Choice, PartyName};
use crate::{key, time, world};

/// Which handler runs over which packets, on what node.
#[derive(clap::Args, Debug)]
pub(crate) struct Input {
    /// Source file, image, or capsule with --key
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// The handler; may be left out where there is one
    #[arg(long, value_name = "ROLE")]
    on: Option<String>,
    /// The capture to read: pcap or pcapng
    #[arg(long, value_name = "IN")]
    pub(crate) pcap: PathBuf,
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

/// A program that is proved and loaded, the handler that is meant, and the world it runs in.
pub(crate) struct Setup {
    pub(crate) image: Image,
    pub(crate) program: Program,
    pub(crate) entry: Entry,
    pub(crate) formats: Vec<String>,
    pub(crate) world: World,
    pub(crate) resources: Vec<ResourceShape>,
    /// Where each instruction comes from, where the source is known.
    source: Option<(Unit, Vec<Place>)>,
    /// The entry's place in the manifest.
    index: usize,
    world_file: Option<PathBuf>,
}

impl Setup {
    /// Reads, proves and loads what is meant.
    pub(crate) fn new(input: &Input, shell: &mut Shell) -> Result<Setup, Failure> {
        let role = input.on.as_deref().map(role).transpose()?;
        let mut world = match &input.world {
            Some(path) => world::read(path)?,
            None => World::default(),
        };
        world.node = input.node.or(world.node);
        world.port = input.port.or(world.port);
        let Runnables {
            unit,
            images,
            resources,
        } = input.images(&world, shell)?;
        let (runnable, index) = handler(images, role)?;
        let Runnable {
            image,
            formats,
            places,
        } = runnable;
        let program = Engine::interp().load_unsigned(image.clone(), &Policy::ALL);
        let program = program.map_err(|error| Failure::wrong(error.code(), error.to_string()))?;
        Ok(Setup {
            entry: image.manifest.entries[index],
            image,
            program,
            formats,
            world,
            resources,
            source: unit.map(|unit| (unit, places)),
            index,
            world_file: input.world.clone(),
        })
    }

    /// The worst case of the handler, in steps.
    pub(crate) fn steps_max(&self) -> u32 {
        let proved = self.program.steps_max(self.entry.role);
        proved.unwrap_or(self.entry.steps)
    }

    /// What each instruction is and where it comes from.
    pub(crate) fn places(&self) -> Places {
        let source = self.source.as_ref();
        let source = source.map(|(unit, places)| (unit.sources(), places.as_slice()));
        Places::new(&self.image, source)
    }

    /// The source files by name, where they are known.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let sources = self.source.iter().map(|(unit, _)| unit.sources());
        let files = sources.flat_map(|sources| sources.files.iter());
        files.map(|(_, file)| (file.name.as_str(), &*file.text))
    }

    /// A node on which the handler runs, with what the world knows.
    pub(crate) fn node(&self) -> Result<Node<'_>, Failure> {
        let mut instance = self.program.instance();
        if let Some(path) = &self.world_file {
            let filled = self.world.fill(&self.resources, &mut instance.state_mut());
            filled.map_err(|errors| world::broken(path, &errors))?;
        }
        Ok(Node {
            timers: Timers::of(&self.image),
            instance,
            setup: self,
            context: self.world.context(),
            clock: Clock::default(),
        })
    }
}

/// A handler on a node.
pub(crate) struct Node<'a> {
    pub(crate) instance: Instance,
    setup: &'a Setup,
    timers: Timers,
    context: Context,
    clock: Clock,
}

/// The time of packets so far.
#[derive(Default)]
struct Clock {
    first_ns: Option<u64>,
    packets: u64,
}

/// What a run works on: the packet from the handler's layer on, the context and what travels with the packet.
type Parts<'p> = (&'p mut Packet, &'p Context, &'p mut [u8]);

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
    pub(crate) fn ports(&mut self, outcome: Option<&Outcome>) -> Vec<u16> {
        let verdict = outcome.map(|outcome| outcome.verdict);
        let verdict = verdict.filter(|verdict| verdict.kind == VerdictKind::Multicast);
        let group = verdict.and_then(|verdict| u16::try_from(verdict.operand).ok());
        let state = self.instance.state_mut();
        let world = &self.setup.world;
        group.map_or(Vec::new(), |group| world.ports(group, &state))
    }

    /// Runs the handler on a frame, which holds the handler's changes afterwards; nothing when the
    /// handler is not run for such frames.
    pub(crate) fn run(&mut self, frame: &mut Frame) -> Result<Option<Outcome>, Failure> {
        let index = self.setup.index;
        let ran = self.play(frame, |instance, (packet, context, carried)| {
            instance.run_entry(index, packet, context, carried, Budget::Proven)
        })?;
        let ran = ran.map(|ran| or_dropped(ran, || format!("packet {}", frame.index)));
        ran.transpose()
    }

    /// The same, and shows each instruction to `trace` before it runs.
    pub(crate) fn run_traced(
        &mut self,
        frame: &mut Frame,
        trace: impl FnMut(&mut Step<'_>),
    ) -> Result<Option<Outcome>, Failure> {
        let ran = self.run_changed(frame, trace)?;
        let ran = ran.map(|ran| or_dropped(ran, || format!("packet {}", frame.index)));
        ran.transpose()
    }

    /// The same for a `trace` that may change what the handler works on, so that it may break a rule.
    pub(crate) fn run_changed(
        &mut self,
        frame: &mut Frame,
        trace: impl FnMut(&mut Step<'_>),
    ) -> Result<Option<Result<Outcome, Fault>>, Failure> {
        let index = self.setup.index;
        self.play(frame, |instance, parts| {
            instance.run_traced(index, parts, Budget::Proven, trace)
        })
    }

    fn play(
        &mut self,
        frame: &mut Frame,
        run: impl FnOnce(&mut Instance, Parts<'_>) -> Result<Outcome, Fault>,
    ) -> Result<Option<Result<Outcome, Fault>>, Failure> {
        let first_ns = *self.clock.first_ns.get_or_insert(frame.timestamp_ns);
        let nth = self.clock.packets;
        self.clock.packets += 1;
        let world = &self.setup.world;
        let clock_ns = world.clock_ns(nth, frame.timestamp_ns, first_ns);
        self.run_timers(clock_ns)?;
        let Some(start) = locate(frame.link, &frame.data, self.setup.entry.layer) else {
            return Ok(None);
        };
        let context = Context {
            network_offset: start.network_offset,
            clock_ns,
            ..self.context
        };
        let mut packet = Packet::from(&frame.data[start.packet_offset..]);
        let mut carried = self.setup.image.manifest.carried.clone();
        let parts = (&mut packet, &context, &mut carried[..]);
        let ran = run(&mut self.instance, parts);
        // What the capture did not keep of the packet is still behind it.
        let missing = frame.orig_len.saturating_sub(frame.data.len() as u32);
        frame.data.truncate(start.packet_offset);
        frame.data.extend_from_slice(packet.bytes());
        frame.orig_len = missing.saturating_add(frame.data.len() as u32);
        Ok(Some(ran))
    }
}

/// The outcome of a run of proved code.
pub(crate) fn or_dropped(
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

/// Opens a capture; answers its size in bytes too.
pub(crate) fn open(path: &Path) -> Result<(Reader<File>, u64), Failure> {
    let file = File::open(path).map_err(|error| Failure::read(path, &error))?;
    let size_bytes = file.metadata().map_or(0, |m| m.len());
    let reader = Reader::new(file).map_err(|error| capture_failure(path, &error))?;
    Ok((reader, size_bytes))
}

pub(crate) fn capture_failure(path: &Path, error: &CaptureError) -> Failure {
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

/// What a file holds: the images, and the resources that they may have.
struct Runnables {
    unit: Option<Unit>,
    images: Vec<Runnable>,
    resources: Vec<ResourceShape>,
}

/// An image, with the texts of its log lines where its source is known.
struct Runnable {
    image: Image,
    formats: Vec<String>,
    places: Vec<Place>,
}

impl From<Image> for Runnable {
    fn from(image: Image) -> Runnable {
        Runnable {
            image,
            formats: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl Input {
    /// The images in the file: several for a contract's source, one otherwise.
    fn images(&self, world: &World, shell: &mut Shell) -> Result<Runnables, Failure> {
        if source::is_source(&self.file) {
            let choice = world::with_settings(&self.choice, world);
            let compiled = source::images(&self.file, &choice, shell);
            let compiled = compiled.map_err(|failure| match &self.world {
                Some(path) => world::blamed(failure, path, &self.choice, world),
                None => failure,
            })?;
            let images = source::of_party(compiled.images, self.party)?;
            let runnable = |built: Built| Runnable {
                formats: built.module().formats.clone(),
                image: built.image,
                places: built.places,
            };
            return Ok(Runnables {
                unit: Some(compiled.unit),
                images: images.into_iter().map(runnable).collect(),
                resources: compiled.resources,
            });
        }
        let mut image = self.image()?;
        if let Some(path) = &self.world {
            let bound = world.bind_late(&mut image);
            bound.map_err(|errors| world::broken(path, &errors))?;
        }
        let resources = image.manifest.resources.iter();
        Ok(Runnables {
            unit: None,
            resources: resources.map(ResourceShape::of_image).collect(),
            images: vec![image.into()],
        })
    }

    /// The image of a file that is no source.
    fn image(&self) -> Result<Image, Failure> {
        let bytes = artifact::read_bytes(&self.file)?;
        match artifact::kind(&self.file, &bytes) {
            Some(Kind::Image) => artifact::read_image(&self.file, &bytes),
            Some(Kind::Capsule) => {
                let Some(public) = &self.key else {
                    return Err(Failure::usage(
                        &codes::E900,
                        "a capsule is run with the public key it must be signed with",
                    )
                    .help("add `--key` and the key's file"));
                };
                let public = key::read_public(public)?;
                let now_s = time::now(self.now)?;
                let audience = self.audience.as_deref();
                let trusted = artifact::open(&self.file, &bytes, public, audience, now_s)?;
                Ok(trusted.into_image())
            }
            Some(Kind::Bundle) => Err(artifact::one_at_a_time(&self.file)),
            None => Err(artifact::unknown(&self.file)),
        }
    }
}

/// The image that has the handler, and the handler's place in it.
fn handler(images: Vec<Runnable>, role: Option<Role>) -> Result<(Runnable, usize), Failure> {
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
        let mut entries = runnable.image.manifest.entries.iter();
        let index = entries.position(|entry| entry.role == role && role != Role::Every)?;
        Some((runnable, index))
    });
    found.ok_or_else(|| {
        let message = format!("the function has no handler `{}`", role.text());
        Failure::usage(&codes::E905, message).help(help)
    })
}
