//! What many entries and many programs cost.
//!
//! In: nothing. Out: the router over ten thousand and over a million routes, in C and in NFL, under uniform and Zipf traffic; and the memory
//! of a loaded capsule.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use nfl::{Engine, Image, Policy};

use crate::first;
use crate::measure::{Samples, Side, in_turns};
use crate::native::{self, Native};
use crate::ours::{self, Ours};
use crate::traffic::{Dice, Pick, Traffic, router};

/// Packets of a pass: more than caches hold lines of a table for.
pub(crate) const PACKETS: usize = 1 << 15;
/// Capsules that are loaded together.
const CAPSULES: usize = 100_000;

/// What was found.
pub(crate) struct Scale {
    pub(crate) routes: Vec<Routes>,
    pub(crate) capsules: Capsules,
}

/// One table under one traffic, in nanoseconds a packet.
pub(crate) struct Routes {
    pub(crate) entries: usize,
    pub(crate) traffic: &'static str,
    pub(crate) native: Samples,
    pub(crate) ours: Samples,
}

/// Many programs at once.
pub(crate) struct Capsules {
    pub(crate) count: usize,
    pub(crate) image_bytes: usize,
    /// Memory of one, in bytes.
    pub(crate) bytes: f64,
    /// The longest processor time that one took to be proved and loaded, and the middle one.
    pub(crate) longest: Duration,
    pub(crate) median: Duration,
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Routes {
            entries,
            traffic,
            native,
            ours,
        } in &self.routes
        {
            writeln!(
                f,
                "{entries:9} routes, {traffic:8} native {:8.1} ours {:8.1} ns",
                native.median(),
                ours.median()
            )?;
        }
        let Capsules {
            count,
            image_bytes,
            bytes,
            longest,
            median,
        } = &self.capsules;
        writeln!(
            f,
            "{count} capsules of {image_bytes} bytes: {bytes:.0} bytes each, load {median:?}, at most {longest:?}"
        )
    }
}

/// Measures both.
pub(crate) fn measure(place: &Path) -> Scale {
    // Before anything else, since what large tables leave is tidied up by whoever asks for memory next.
    let capsules = capsules(place);
    let mut routes = Vec::new();
    for entries in [10_000, 1_000_000] {
        for (name, pick) in [("uniform", Pick::Uniform), ("Zipf", Pick::Zipf)] {
            routes.push(lookups(entries, name, pick, place));
        }
    }
    Scale { routes, capsules }
}

/// The router of the baselines with a table of this capacity.
fn router_of(capacity: usize, place: &Path) -> Image {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/baselines/Router.nfl");
    let text = std::fs::read_to_string(path).expect("the repository has it");
    let text = text.replace("LpmTable(32768)", &format!("LpmTable({capacity})"));
    first::image(&text, "Router", place)
}

fn lookups(entries: usize, name: &'static str, pick: Pick, place: &Path) -> Routes {
    let traffic = router(&mut Dice::new(9), entries, PACKETS, pick);
    let nothing = Traffic {
        packets: traffic.packets.clone(),
        entries: Vec::new(),
    };
    native::fill(&traffic.entries);
    let (_, engine) = ours::engines().pop().expect("there is an engine");
    let mut native = Native::new("router", &traffic);
    let mut empty = Native::new("empty", &nothing);
    let image = router_of(entries.next_power_of_two(), place);
    let mut ours = Ours::of(&engine, image, &traffic).expect("it holds so many");
    let mut ours_empty = Ours::new(&engine, "empty", &nothing).expect("it is proved");
    assert!(native.ends() == ours.ends(), "{entries} routes");
    let mut sides: [&mut dyn Side; 4] = [&mut native, &mut empty, &mut ours, &mut ours_empty];
    let samples = in_turns(&mut sides, Duration::from_millis(10));
    Routes {
        entries,
        traffic: name,
        native: samples[0].without(&samples[1]),
        ours: samples[2].without(&samples[3]),
    }
}

/// What the allocator gave out and did not get back, in bytes.
fn in_use() -> usize {
    // SAFETY: it only reads the allocator's counts.
    let counts = unsafe { libc::mallinfo2() };
    counts.uordblks + counts.hblkhd
}

/// Processor time of this thread, which does not count while others run.
fn own_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes to the structure alone.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0, "this clock is everywhere");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn capsules(place: &Path) -> Capsules {
    let engine = Engine::interp();
    let one = first::image(&first::long_guard(), "Guard", place);
    // Each has a name of its own, so that no two programs are equal.
    let images: Vec<Vec<u8>> = (0..CAPSULES)
        .map(|number| {
            let mut image = one.clone();
            image.manifest.name = format!("Guard{:06}.originator", number + CAPSULES);
            image.to_bytes()
        })
        .collect();
    let mut times = Vec::with_capacity(CAPSULES);
    let mut programs = Vec::with_capacity(CAPSULES);
    let before = in_use();
    for bytes in &images {
        let start = own_time();
        let image = Image::from_bytes(bytes).expect("it is sound");
        programs.push(
            engine
                .load_unsigned(image, &Policy::ALL)
                .expect("it is proved"),
        );
        times.push(own_time() - start);
    }
    let bytes = (in_use() - before) as f64 / CAPSULES as f64;
    times.sort();
    Capsules {
        count: programs.len(),
        image_bytes: images[0].len(),
        bytes,
        longest: times[CAPSULES - 1],
        median: times[CAPSULES / 2],
    }
}
