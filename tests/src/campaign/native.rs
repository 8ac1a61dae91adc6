//! One more opinion on accepted images: that of the engines which trust the proof.
//!
//! In: an image with its proof. Out: how many packets were compared, or the first difference. Guaranteed: on the same packets
//! and equal states, whose tables hold something, host code and flat code leave what the interpreter leaves that checks
//! each instruction: outcome, packet, `carried` area and state. All of it follows from the image alone.
//!
//! Host code is not checked while it runs, so a mistake may end the process or never come back. Therefore what runs is written
//! down before ([`Host::compare`]), and a run that takes too long ends the process ([`Host::watch`]).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nfl::conform::store;
use nfl_abi::hash::crc32c;
use nfl_abi::image::ResourceKind;
use nfl_abi::{Image, Limits, Role};
use nfl_ir::testing::Rng;
use nfl_verify::prove;
use nfl_vm::{
    Budget, Fault, Frame, Instance, Jit, Outcome, Packet, Policy, State, Unsupported, load,
};

use super::input::Start;
use super::run::Contained;
use crate::agree::jit;
use crate::conform::fills;

/// How many images and packets were compared.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Native {
    /// Images that were compiled.
    pub images: u64,
    /// Images of which too little is known to compile them; they stay with the interpreter.
    pub unsupported: u64,
    /// Packets that were compared.
    pub packets: u64,
}

impl Native {
    /// Adds another one.
    pub fn add(&mut self, other: Native) {
        self.images += other.images;
        self.unsupported += other.unsupported;
        self.packets += other.packets;
    }
}

/// Compares host code with the interpreter on so many packets for each entry.
///
/// # Errors
///
/// The first difference, with the image.
pub fn compare(contained: &Contained, limits: &Limits, packets: u32) -> Result<Native, String> {
    let Some(jit) = jit()? else {
        return Ok(Native::default());
    };
    // A panic of the translator is a finding like others.
    let compared = catch_unwind(AssertUnwindSafe(|| over(jit, contained, limits, packets)));
    let compared = compared.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| text.to_string()));
        Err(format!("there is a panic: {}", text.unwrap_or_default()))
    });
    compared.map_err(|what| format!("{what}\n{}", contained.listing()))
}

fn over(jit: &Jit, contained: &Contained, limits: &Limits, packets: u32) -> Result<Native, String> {
    let mut image = contained.image().clone();
    let mut rng = Rng::new(crc32c(&image.to_bytes()).into());
    let mut constants = image.constants.clone();
    contained.start(&mut rng, 0).bind(&image, &mut constants);
    image.constants = constants;
    // A node knows resources by their names, which say nothing to the code.
    for (n, resource) in image.manifest.resources.iter_mut().enumerate() {
        resource.name = format!("r{n}");
    }
    let loaded = || {
        let proven = prove(&image, limits);
        let proven = proven.map_err(|refusal| format!("bound, it is refused: {refusal}"))?;
        load(proven, &Policy::ALL).map_err(|error| error.to_string())
    };
    let (native, interpreted) = (loaded()?, loaded()?);
    match jit.compile(&native) {
        Ok(()) => {}
        Err(Unsupported::Fact(_)) => {
            return Ok(Native {
                unsupported: 1,
                ..Native::default()
            });
        }
        Err(error) => return Err(error.to_string()),
    }
    let mut engines = Engines {
        native: native.instance(),
        flat: interpreted.instance(),
        checked: interpreted.instance(),
    };
    let mut done = Native {
        images: 1,
        ..Native::default()
    };
    for (index, entry) in image.manifest.entries.iter().enumerate() {
        for number in 0..packets {
            let len = match entry.role {
                Role::Every => 0,
                _ => contained.length(&mut rng, entry, number),
            };
            let start = contained.start(&mut rng, len);
            fill(&mut engines, &start.packet, number as usize);
            let place = |what| {
                let role = entry.role.text();
                format!("{role}, packet {number} of {len}: {what}")
            };
            engines.run(&image, index, &start, number).map_err(place)?;
            done.packets += 1;
        }
    }
    Ok(done)
}

/// Tables get what this packet may ask for.
fn fill(engines: &mut Engines, packet: &[u8], index: usize) {
    for instance in [&mut engines.native, &mut engines.flat, &mut engines.checked] {
        let mut state = instance.state_mut();
        let resources = state.resources().to_vec();
        for put in fills(&resources, packet, index) {
            // What a mutant declares need not take it.
            let _ = store(&mut state, &put);
        }
        for resource in &resources {
            let key_bytes = usize::from(resource.key_bytes);
            if !matches!(resource.kind, ResourceKind::Table | ResourceKind::Set) {
                continue;
            }
            for start in [0, 1, 2, 4] {
                let bytes = packet.iter().copied().skip(start);
                let key: Vec<u8> = bytes.chain(std::iter::repeat(0)).take(key_bytes).collect();
                let value = packet.iter().rev().copied().chain(std::iter::repeat(7));
                let value: Vec<u8> = value.take(resource.value_bytes.into()).collect();
                let _ = state.insert(&resource.name, &key, &value);
            }
        }
    }
}

/// The same program on all engines, each on a state of its own.
struct Engines {
    native: Instance,
    /// Flat code, which the interpreter runs without the checks that were proved.
    flat: Instance,
    checked: Instance,
}

/// The outcome without its steps, which host code does not count, the packet and the `carried` area.
type After = (Result<Outcome, Fault>, Vec<u8>, Vec<u8>);

impl Engines {
    fn run(
        &mut self,
        image: &Image,
        index: usize,
        start: &Start,
        number: u32,
    ) -> Result<(), String> {
        let checked = in_packet(start, |packet, carried| {
            let given = (packet, &start.context, carried);
            let budget = Budget::Proven;
            self.checked.run_traced(index, given, budget, |_| {})
        });
        let entries = &image.manifest.entries;
        let role = entries.get(index).map(|entry| entry.role);
        let first = entries.iter().position(|entry| Some(entry.role) == role);
        let in_frame_of = role.filter(|_| first == Some(index) && number % 2 == 1);
        for (name, instance) in [
            ("host code", &mut self.native),
            ("flat code", &mut self.flat),
        ] {
            let after = match in_frame_of {
                Some(role) => in_frame(instance, role, start),
                None => in_packet(start, |packet, carried| {
                    instance.run_entry(index, packet, &start.context, carried, Budget::Proven)
                }),
            };
            if after != checked {
                return Err(format!(
                    "{name} leaves {after:x?}, the machine {checked:x?}"
                ));
            }
            let (is, must) = (instance.state_mut(), self.checked.state_mut());
            if *is != *must {
                let (is, must): (&State, &State) = (&is, &must);
                return Err(format!("{name} leaves {is:x?}, the machine {must:x?}"));
            }
        }
        Ok(())
    }
}

fn uncounted(outcome: Result<Outcome, Fault>) -> Result<Outcome, Fault> {
    outcome.map(|outcome| Outcome {
        steps: None,
        ..outcome
    })
}

/// In a packet with a buffer of its own.
fn in_packet(
    start: &Start,
    run: impl FnOnce(&mut Packet, &mut [u8]) -> Result<Outcome, Fault>,
) -> After {
    let mut packet = Packet::from(&start.packet[..]).with_room(start.room.0, start.room.1);
    let mut carried = start.carried.clone();
    let outcome = run(&mut packet, &mut carried);
    (uncounted(outcome), packet.bytes().to_vec(), carried)
}

/// In a buffer that ends with the packet's room, and so maybe before the window.
fn in_frame(instance: &mut Instance, role: Role, start: &Start) -> After {
    let (head, tail) = (start.room.0 as usize, start.room.1 as usize);
    let mut buffer = vec![0xa5; head + start.packet.len() + tail];
    buffer[head..head + start.packet.len()].copy_from_slice(&start.packet);
    let mut frame =
        Frame::new(&mut buffer, head, start.packet.len()).expect("the buffer is as long as this");
    let mut carried = start.carried.clone();
    let context = &start.context;
    let outcome = instance.run_frame(role, &mut frame, context, &mut carried, Budget::Proven);
    (uncounted(outcome), frame.bytes().to_vec(), carried)
}

/// Longer than any run takes, by far.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Host code in a campaign.
#[derive(Debug)]
pub struct Host {
    /// It is asked about one image in so many of those that are run.
    pub one_in: u64,
    /// Where images lie while they run, if anywhere.
    notes: Option<PathBuf>,
    /// The blocks that run host code, and since when.
    running: Mutex<BTreeMap<u64, Instant>>,
    over: AtomicBool,
}

impl Host {
    /// Asked about one image in so many. Images are written into a directory before they run.
    pub fn new(one_in: u64, notes: Option<PathBuf>) -> Host {
        Host {
            one_in,
            notes,
            running: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    fn file(&self, block: u64) -> Option<PathBuf> {
        let dir = self.notes.as_ref()?;
        Some(dir.join(format!("block-{block}.image")))
    }

    /// Compares an image of a block, with a note of it for whoever finds the process dead.
    ///
    /// # Errors
    ///
    /// As [`compare`].
    pub fn compare(
        &self,
        block: u64,
        contained: &Contained,
        limits: &Limits,
        packets: u32,
    ) -> Result<Native, String> {
        if let Some(file) = self.file(block) {
            let written = std::fs::write(&file, contained.image().to_bytes());
            written.map_err(|e| format!("{}: {e}", file.display()))?;
        }
        self.running().insert(block, Instant::now());
        let compared = compare(contained, limits, packets);
        self.running().remove(&block);
        compared
    }

    /// Forgets a block that is done.
    pub fn done(&self, block: u64) {
        if let Some(file) = self.file(block) {
            // There is none when the block ran no host code.
            let _ = std::fs::remove_file(file);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process when a block takes too long, until the campaign is over.
    pub fn watch(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let running = self.running();
            let late = running.iter().find(|(_, since)| since.elapsed() > TOO_LONG);
            if let Some((&block, _)) = late {
                let file = self.file(block).unwrap_or_default();
                eprintln!(
                    "host code of block {block} does not end: {}",
                    file.display()
                );
                std::process::abort();
            }
            drop(running);
            std::thread::park_timeout(Duration::from_secs(1));
        }
    }

    /// Nothing needs to be watched any more.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(dir) = &self.notes {
            // Another campaign may use it.
            let _ = std::fs::remove_dir(dir);
        }
    }
}
