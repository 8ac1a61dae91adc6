//! The functions as XDP programs in the kernel, run by `BPF_PROG_TEST_RUN`.
//!
//! In: the name of a function, its traffic. Out: a [`Side`], or why the kernel refuses. One call of the kernel runs one packet many times, so
//! branches are predicted better than in a mix; the programs put the first 64 bytes back themselves, and so does the empty one that is
//! subtracted. The clock is the kernel's, since a call waits for other processors before and after its runs.

mod sys;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};

use crate::measure::{End, Side};
use crate::peers;
use crate::traffic::{Entry, Map, Traffic};
use sys::{Fd, MapKind};

/// Runs of each packet in one call of the kernel, whose answer is a mean in whole nanoseconds.
const REPEAT: u32 = 100_000;
/// From the packet of one pass to that of the next.
const STEP: usize = 67;

/// A function in the kernel.
pub(crate) struct Kernel {
    /// Restores the packet itself, for times.
    timed: Fd,
    /// Leaves the packet changed, for results.
    checked: Fd,
    packets: Vec<Vec<u8>>,
    passes: usize,
    /// They hold what the programs look up.
    _maps: Vec<Maps>,
}

type Maps = BTreeMap<String, Fd>;

impl Kernel {
    /// A function. `like` is the one whose packets are put back, if this is the empty one.
    pub(crate) fn new(
        name: &str,
        like: &str,
        traffic: &Traffic,
        place: &Path,
    ) -> Result<Kernel, String> {
        let timed = build(name, like, true, place)?;
        let checked = build(name, like, false, place)?;
        for maps in [&timed.1, &checked.1] {
            fill(maps, &traffic.entries)?;
        }
        Ok(Kernel {
            timed: timed.0,
            checked: checked.0,
            packets: traffic.packets.clone(),
            passes: 0,
            _maps: vec![timed.1, checked.1],
        })
    }
}

/// Whether the C says that it changes packets.
pub(crate) fn mutates(name: &str) -> bool {
    matches!(name, "router" | "nat44" | "telemetry")
}

fn build(name: &str, like: &str, timed: bool, place: &Path) -> Result<(Fd, Maps), String> {
    let mut options = vec!["--target=bpf", "-mcpu=v3", "-c"];
    if timed {
        options.push("-DNF_BENCH");
    }
    if mutates(like) && !mutates(name) {
        options.push("-DNF_MUTATES");
    }
    let out = place.join(format!("{name}-xdp.o"));
    load(&peers::compile(name, &options, &out)?)
}

/// The maps of `nf.h` by the names of their symbols.
fn map_kind(symbol: &str) -> Option<MapKind> {
    let hash = |key, value| Some(MapKind::Hash { key, value });
    match symbol {
        "map_routes" => Some(MapKind::Lpm { key: 8, value: 16 }),
        "map_nat" => hash(16, 8),
        "map_block" | "map_cnt24" | "map_dnsbl" => hash(4, 4),
        _ => None,
    }
}

/// A program of an object file, with its maps made and put into its instructions.
fn load(bytes: &[u8]) -> Result<(Fd, Maps), String> {
    let file = object::File::parse(bytes).map_err(|e| e.to_string())?;
    let section = file.section_by_name("xdp").ok_or("no program")?;
    let mut code = section.data().map_err(|e| e.to_string())?.to_vec();
    let mut maps = Maps::new();
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            return Err("a relocation without a symbol".to_string());
        };
        let symbol = file.symbol_by_index(index).map_err(|e| e.to_string())?;
        let name = symbol.name().map_err(|e| e.to_string())?;
        let at = offset as usize;
        let kind = map_kind(name);
        // The second half of a wide load of what the file keeps in memory is an offset there.
        let (key, kind, pseudo) = match kind {
            Some(kind) => (name, kind, 1),
            None => {
                let section = symbol.section_index().ok_or("an unknown symbol")?;
                let section = file.section_by_index(section).map_err(|e| e.to_string())?;
                let value = section.size() as u32;
                let base = u32::from_le_bytes([0, 1, 2, 3].map(|i| code[at + 4 + i]));
                let inner = base + symbol.address() as u32;
                code[at + 12..at + 16].copy_from_slice(&inner.to_le_bytes());
                (".bss", MapKind::Array { value }, 2)
            }
        };
        if !maps.contains_key(key) {
            maps.insert(key.to_string(), sys::map(kind)?);
        }
        code[at + 1] = code[at + 1] & 15 | pseudo << 4;
        code[at + 4..at + 8].copy_from_slice(&maps[key].number().to_le_bytes());
    }
    Ok((sys::program(&code)?, maps))
}

fn fill(maps: &Maps, entries: &[Entry]) -> Result<(), String> {
    for Entry {
        map, key, c, bits, ..
    } in entries
    {
        let (name, key) = match map {
            Map::Routes => {
                let bits = u32::from(bits.unwrap_or(32)).to_le_bytes();
                ("map_routes", [&bits[..], key].concat())
            }
            Map::Nat => ("map_nat", key.clone()),
            Map::Block => ("map_block", key.clone()),
            Map::Names => ("map_dnsbl", key.clone()),
        };
        // The empty program has no maps.
        if let Some(map) = maps.get(name) {
            sys::update(map, &key, c)?;
        }
    }
    Ok(())
}

impl Side for Kernel {
    fn packets(&self) -> usize {
        REPEAT as usize
    }

    fn restore(&mut self) {}

    /// One packet: each call waits for other processors before and after its runs.
    fn pass(&mut self) -> Option<Duration> {
        let packet = &self.packets[self.passes * STEP % self.packets.len()];
        self.passes += 1;
        let run = sys::run(&self.timed, packet, REPEAT).expect("it ran before");
        Some(Duration::from_nanos(run.nanos.into()) * REPEAT)
    }

    fn ends(&mut self) -> Vec<End> {
        let run = |packet: &Vec<u8>| {
            let run = sys::run(&self.checked, packet, 1).expect("the kernel runs it");
            (run.verdict - 1, 0, run.bytes)
        };
        self.packets.iter().map(run).collect()
    }
}
