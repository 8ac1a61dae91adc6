//! Worlds: what a node knows before a program runs, as people write it.
//!
//! In: a [`Datum`], which is what JSON and TOML have in common, and the shapes of a program's resources.
//! Out: a [`World`], and a state filled with its contents; or everything that is wrong, each with the path of
//! its key. Guaranteed: a state is filled with all of a world or with nothing of it; what
//! [`World::save`] writes is read back as the same contents.

mod contents;
mod datum;
mod read;
mod save;
mod schema;
mod shape;

use std::collections::BTreeMap;
use std::fmt;

use nfl_abi::Image;
use nfl_abi::codes::{self, Code};
use nfl_vm::{Context, State};

use nfl_typeck::Bindings;

use crate::unit::{Bound, FunctionUnit};
use contents::{Change, change};
use read::{Reader, join};
use shape::Scalar;

pub use datum::Datum;
pub use schema::{schema, skeleton};
pub use shape::ResourceShape;

/// What a node knows before a program runs.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct World {
    /// The number of the node.
    pub node: Option<u32>,
    /// The port on which packets come in.
    pub port: Option<u32>,
    /// The next node on the packets' path.
    pub next_hop: u32,
    /// Packets waiting in the queue that a packet would join.
    pub queue_depth: u32,
    /// What random numbers begin with.
    pub seed: u64,
    /// The time of the first packet, in nanoseconds since 1970; else its own.
    pub start_ns: Option<u64>,
    /// From packet to packet, in nanoseconds; else as long as between the packets themselves.
    pub step_ns: Option<u64>,
    /// Values of parameters, each as the source would spell it.
    pub set: Vec<(String, String)>,
    /// The ports of multicast groups.
    pub groups: BTreeMap<u16, Vec<u16>>,
    /// The contents of resources by their names.
    pub resources: Vec<(String, Datum)>,
}

/// Something in a world that cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WorldError {
    /// Where it stands: `resources.fib4[2].value.port`; empty for the whole.
    pub path: String,
    /// What is wanted there.
    pub what: String,
}

impl WorldError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        &codes::E916
    }
}

impl fmt::Display for WorldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => out.write_str(&self.what),
            path => write!(out, "`{path}`: {}", self.what),
        }
    }
}

impl std::error::Error for WorldError {}

/// The names at the top of a world.
const NAMES: [&str; 9] = [
    "node",
    "port",
    "next-hop",
    "queue-depth",
    "seed",
    "clock",
    "set",
    "groups",
    "resources",
];

impl World {
    /// Reads all but the contents of resources, which need their shapes.
    ///
    /// # Errors
    ///
    /// All that is wrong.
    pub fn read(datum: &Datum) -> Result<World, Vec<WorldError>> {
        let mut reader = Reader::default();
        let mut world = World::default();
        for (name, datum) in reader.map("", datum, &NAMES).unwrap_or_default() {
            world.take(&mut reader, name, datum);
        }
        match reader.errors.is_empty() {
            true => Ok(world),
            false => Err(reader.errors),
        }
    }

    fn take(&mut self, reader: &mut Reader, name: &str, datum: &Datum) {
        let mut word = || {
            let n = reader.int(name, datum, 0, i128::from(u32::MAX));
            n.map(|n| n as u32)
        };
        match name {
            "node" => self.node = word(),
            "port" => {
                let port = reader.int(name, datum, 0, i128::from(u16::MAX));
                self.port = port.map(|n| n as u32);
            }
            "next-hop" => self.next_hop = word().unwrap_or(0),
            "queue-depth" => self.queue_depth = word().unwrap_or(0),
            "seed" => {
                let seed = reader.int(name, datum, 0, i128::from(u64::MAX));
                self.seed = seed.unwrap_or(0) as u64;
            }
            "clock" => {
                for (key, datum) in reader
                    .map(name, datum, &["start", "step"])
                    .unwrap_or_default()
                {
                    let ns = reader.scalar(&join(name, key), &Scalar::Duration, datum);
                    let place = match key.as_str() {
                        "start" => &mut self.start_ns,
                        _ => &mut self.step_ns,
                    };
                    *place = ns.map(|ns| ns as u64);
                }
            }
            "set" => self.set = settings(reader, name, datum),
            "groups" => self.groups = groups(reader, name, datum),
            "resources" => match datum {
                Datum::Map(entries) => self.resources.clone_from(entries),
                _ => reader.wrong(name, "a table is wanted, with a name for each resource"),
            },
            // What is not known was reported.
            _ => {}
        }
    }

    /// What handlers are told at the time of the `nth` packet, which the capture has at `captured_ns`,
    /// and the first one at `first_ns`.
    pub fn clock_ns(&self, nth: u64, captured_ns: u64, first_ns: u64) -> u64 {
        let start_ns = self.start_ns.unwrap_or(first_ns);
        let since_ns = match self.step_ns {
            Some(step_ns) => step_ns.saturating_mul(nth),
            None => captured_ns.saturating_sub(first_ns),
        };
        match (self.start_ns, self.step_ns) {
            // Captures may go back in time, and then so does what they say.
            (None, None) => captured_ns,
            _ => start_ns.saturating_add(since_ns),
        }
    }

    /// The context of packets, but for the time and the packet's own words.
    pub fn context(&self) -> Context {
        Context {
            ingress_port: self.port.unwrap_or(0),
            node_id: self.node.unwrap_or(0),
            next_hop: self.next_hop,
            queue_depth: self.queue_depth,
            ..Context::default()
        }
    }

    /// Fills a state with the contents of the resources. Those that no handler needs have no place in the
    /// state; they are read, and forgotten.
    ///
    /// # Errors
    ///
    /// All that is wrong; the state is as it was.
    pub fn fill(&self, shapes: &[ResourceShape], state: &mut State) -> Result<(), Vec<WorldError>> {
        let mut reader = Reader::default();
        let mut changes: Vec<Change> = Vec::new();
        for (name, datum) in &self.resources {
            let path = join("resources", name);
            match shapes.iter().find(|shape| shape.name == *name) {
                Some(shape) => changes.extend(contents::read(&mut reader, &path, shape, datum)),
                None => {
                    let names: Vec<&str> = shapes.iter().map(|s| s.name.as_str()).collect();
                    let what = match names.as_slice() {
                        [] => "the program has no resources".to_string(),
                        names => format!(
                            "there is no such resource; the program has {}",
                            names.join(", ")
                        ),
                    };
                    reader.wrong(&path, what);
                }
            }
        }
        changes.retain(|change| {
            let resources = state.resources().iter();
            resources.into_iter().any(|r| r.name == change.resource)
        });
        // What does not fit is found on a state that nobody needs.
        let mut trial = State::default();
        if trial.declare(state.resources()).is_ok() {
            for step in &changes {
                if let Err(error) = change(&mut trial, step) {
                    reader.wrong(&step.path, error.to_string());
                }
            }
        }
        if !reader.errors.is_empty() {
            return Err(reader.errors);
        }
        state.seed(self.seed);
        if let Some(start_ns) = self.start_ns {
            state.set_clock(start_ns);
        }
        let failed = changes.iter().filter_map(|step| {
            let error = change(state, step).err()?;
            Some(WorldError {
                path: step.path.clone(),
                what: error.to_string(),
            })
        });
        match failed.collect::<Vec<_>>() {
            failed if failed.is_empty() => Ok(()),
            // Only a state that was not empty has less room than the trial.
            failed => Err(failed),
        }
    }
}

impl World {
    /// Gives the late parameters of an image without its source the values that `set` has for them.
    ///
    /// # Errors
    ///
    /// All that is wrong; then some parameters may have their values.
    pub fn bind_late(&self, image: &mut Image) -> Result<(), Vec<WorldError>> {
        let mut reader = Reader::default();
        for (name, text) in &self.set {
            let path = join("set", name);
            let address = read::scalar_of(&Scalar::Ip4, &Datum::text(text));
            let number = match address {
                Some(address) => Some(address as i128),
                None => reader.int(&path, &Datum::text(text), 0, i128::from(u32::MAX)),
            };
            if let Some(number) = number
                && let Err(error) = image.bind_late(name, number as u32)
            {
                reader.wrong(&path, error.to_string());
            }
        }
        match reader.errors.is_empty() {
            true => Ok(()),
            false => Err(reader.errors),
        }
    }

    /// The ports of a multicast group: those of this world, or of a topic in the state.
    pub fn ports(&self, group: u16, state: &State) -> Vec<u16> {
        if let Some(ports) = self.groups.get(&group) {
            return ports.clone();
        }
        let topics = state.resources().iter();
        let mut topics = topics.filter(|r| state.group(&r.name) == Ok(group));
        let Some(topic) = topics.next() else {
            return Vec::new();
        };
        let members = state.entries(&topic.name).unwrap_or_default().into_iter();
        let port = |(key, _): (Vec<u8>, Vec<u8>)| Some(u16::from_le_bytes(*key.first_chunk()?));
        members.filter_map(port).collect()
    }
}

/// Values of parameters in the spelling of the source.
fn settings(reader: &mut Reader, path: &str, datum: &Datum) -> Vec<(String, String)> {
    let Datum::Map(entries) = datum else {
        reader.wrong(path, "a table is wanted, with a name for each parameter");
        return Vec::new();
    };
    let mut settings = Vec::new();
    for (name, datum) in entries {
        match spelled(datum) {
            Some(text) => settings.push((name.clone(), text)),
            None => reader.wrong(&join(path, name), "a value as in the source is wanted"),
        }
    }
    settings
}

fn spelled(datum: &Datum) -> Option<String> {
    Some(match datum {
        Datum::Bool(it) => it.to_string(),
        Datum::Int(n) => n.to_string(),
        Datum::Text(text) => text.clone(),
        Datum::List(items) => {
            let items = items.iter().map(spelled).collect::<Option<Vec<_>>>()?;
            format!("{{{}}}", items.join(", "))
        }
        Datum::Map(_) => return None,
    })
}

/// Ports by the numbers of their groups.
fn groups(reader: &mut Reader, path: &str, datum: &Datum) -> BTreeMap<u16, Vec<u16>> {
    let mut groups = BTreeMap::new();
    let Datum::Map(entries) = datum else {
        reader.wrong(path, "a table is wanted, with the number of each group");
        return groups;
    };
    let most = i128::from(u16::MAX);
    for (name, datum) in entries {
        let path = join(path, name);
        let number = reader.int(&path, &Datum::text(name), 0, most);
        let ports = reader.list(&path, datum).unwrap_or_default();
        let ports = ports.iter().enumerate();
        let ports = ports
            .filter_map(|(n, port)| reader.int(&format!("{path}[{n}]"), port, 0, most))
            .map(|port| port as u16)
            .collect();
        if let Some(number) = number {
            groups.insert(number as u16, ports);
        }
    }
    groups
}

impl Bound<'_> {
    /// The shapes of its resources, those of a chain's stages among them.
    pub fn resources(&self) -> Vec<ResourceShape> {
        shape::shapes(self.checked(), self.function_id(), self.bindings())
    }
}

impl FunctionUnit<'_> {
    /// The shapes of its resources while its parameters are open.
    pub fn resources(&self) -> Vec<ResourceShape> {
        let checked = self.unit.checked();
        shape::shapes(checked, self.id, &Bindings::unbound(checked, self.id))
    }
}
