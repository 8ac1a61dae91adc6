//! The functions in NFL on an engine of ours.
//!
//! In: the name of a function, its traffic, an engine. Out: a [`Side`].

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nfl::{Budget, Context, Engine, Frame, Image, Instance, Policy, Role, Verdict, VerdictKind};

use crate::frames::{Frames, Row};
use crate::measure::{End, Side};
use crate::traffic::{Entry, NODE, NOW_NS, QUEUE, Traffic};

/// The interpreter.
pub(crate) const INTERPRETER: &str = "NFL interpreter";
/// The compiler of the machine.
pub(crate) const JIT: &str = "NFL JIT";

/// Where the source of a function lies, and its name in NFL.
pub(crate) fn source(name: &str) -> (&'static str, &'static str) {
    match name {
        "microseg" => ("../tests/baselines", "Microseg"),
        "router" => ("../tests/baselines", "Router"),
        "nat44" => ("../tests/baselines", "Nat44"),
        "synguard" => ("../tests/baselines", "SynGuard"),
        "telemetry" => ("../tests/baselines", "Telemetry"),
        "dnsguard" => ("../tests/baselines", "DnsGuard"),
        "parse" => ("kernels", "Parse"),
        "csum1500" => ("kernels", "Csum1500"),
        "fnv64" => ("kernels", "Fnv64"),
        _ => ("kernels", "Empty"),
    }
}

/// The compiler as a command: what the environment names as `NFLC`.
pub(crate) fn nflc() -> PathBuf {
    PathBuf::from(std::env::var_os("NFLC").unwrap_or_default())
}

/// The image of a function, for the default target.
pub(crate) fn image(name: &str) -> Image {
    let (place, function) = source(name);
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    build(&place.join(format!("{function}.nfl")))
}

/// The one image of a source, for the default target.
pub(crate) fn build(source: &Path) -> Image {
    let out = std::env::temp_dir().join(format!("nfl-image-{}", std::process::id()));
    let output = Command::new(nflc())
        .arg("build")
        .arg(source)
        .arg("--out-dir")
        .arg(&out)
        .output()
        .expect("there is an `nflc`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let mut files = fs::read_dir(&out).expect("it was just written");
    let file = files
        .next()
        .expect("there is one image")
        .expect("it can be listed");
    let bytes = fs::read(file.path()).expect("it can be read");
    fs::remove_dir_all(&out).expect("it is ours");
    Image::from_bytes(&bytes).expect("the compiler writes images")
}

/// The engines there are; the fastest is the last.
pub(crate) fn engines() -> Vec<(&'static str, Engine)> {
    let mut engines = vec![(INTERPRETER, Engine::interp())];
    engines.extend(Engine::jit().ok().map(|engine| (JIT, engine)));
    engines
}

/// What the node tells all functions.
pub(crate) fn context() -> Context {
    Context {
        node_id: NODE,
        queue_depth: QUEUE,
        clock_ns: NOW_NS,
        network_offset: Some(14),
        ..Context::default()
    }
}

/// A function of ours over its packets.
pub(crate) struct Ours {
    instance: Instance,
    frames: Frames,
    row: Option<Row>,
}

impl Ours {
    pub(crate) fn new(engine: &Engine, name: &str, traffic: &Traffic) -> Result<Ours, String> {
        Ours::of(engine, image(name), traffic)
    }

    /// The same for an image.
    pub(crate) fn of(engine: &Engine, image: Image, traffic: &Traffic) -> Result<Ours, String> {
        let program = engine.load_unsigned(image, &Policy::ALL);
        let program = program.map_err(|e| e.to_string())?;
        let mut instance = program.instance();
        fill(&mut instance, &traffic.entries)?;
        Ok(Ours {
            instance,
            frames: Frames::new(&traffic.packets),
            row: None,
        })
    }

    /// The same that runs one packet many times in a row; whether the function changes packets.
    pub(crate) fn in_a_row(self, changes: bool) -> Ours {
        Ours {
            row: Some(Row { first: 0, changes }),
            ..self
        }
    }

    /// Whether host code runs, and not the interpreter.
    pub(crate) fn is_compiled(&self) -> bool {
        self.instance.loaded().is_compiled()
    }

    /// What was counted by key.
    pub(crate) fn counts(&mut self, resource: &str) -> Vec<([u8; 4], u64)> {
        let counters = self.instance.state_mut().counters(resource);
        let counters = counters.expect("there are counters");
        let count = |(key, count): (Vec<u8>, nfl::Count)| {
            let key = key.try_into().expect("keys have four bytes");
            (key, count.packets)
        };
        counters.into_iter().map(count).collect()
    }
}

/// Puts the entries into the tables.
fn fill(instance: &mut Instance, entries: &[Entry]) -> Result<(), String> {
    let mut state = instance.state_mut();
    for Entry {
        resource,
        key,
        nfl,
        bits,
        ..
    } in entries
    {
        let done = match bits {
            Some(bits) => state.insert_prefix(resource, key, *bits, nfl),
            None => state.insert(resource, key, nfl),
        };
        done.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The verdict as the C numbers it.
fn number(kind: VerdictKind) -> u32 {
    match kind {
        VerdictKind::Drop => 0,
        VerdictKind::Pass => 1,
        VerdictKind::Reply => 2,
        VerdictKind::Forward => 3,
        _ => 255,
    }
}

fn run(instance: &mut Instance, room: &mut [u8], at: (usize, usize), context: &Context) -> Verdict {
    let mut frame = Frame::new(room, at.0, at.1).expect("the packet lies in its room");
    let run = instance.run_frame(Role::Ingress, &mut frame, context, &mut [], Budget::Proven);
    run.expect("a proved image does not fault").verdict
}

impl Side for Ours {
    fn packets(&self) -> usize {
        match self.row {
            Some(_) => self.frames.runs_in_a_row(),
            None => self.frames.len(),
        }
    }

    fn restore(&mut self) {
        self.frames.restore();
    }

    fn pass(&mut self) -> Option<Duration> {
        let context = black_box(context());
        let Ours {
            instance,
            frames,
            row,
        } = self;
        let run = |room: &mut [u8], start, length| {
            u32::from(run(instance, room, (start, length), &context).kind.number())
        };
        black_box(match row {
            Some(row) => {
                row.next();
                frames.in_a_row(*row, run)
            }
            None => frames.each_in_room(run),
        });
        None
    }

    fn ends(&mut self) -> Vec<End> {
        self.restore();
        let context = context();
        let mut ends = Vec::new();
        let Ours {
            instance, frames, ..
        } = self;
        frames.each_in_room(|room, start, length| {
            let verdict = run(instance, room, (start, length), &context);
            let kind = number(verdict.kind);
            let port = if kind == 3 { verdict.operand } else { 0 };
            ends.push((kind, port, room[start..start + length].to_vec()));
            kind
        });
        ends
    }
}
