//! The campaign that tries to break the byte verifier.
//!
//! In: a seed, how long, and how many threads. Out: a report. Guaranteed: work is cut into blocks that
//! depend on the seed and their number alone, so the totals are those of the blocks before one number,
//! whoever did them and however often the campaign was interrupted.
//!
//! A block makes images with one of four generators ([`block::Generator`]), asks the verifier about each,
//! and runs what is accepted beside its proof ([`run`], [`watch`]), a part of it as host code too ([`native`]).

pub mod block;
pub mod corpus;
pub mod directed;
pub mod input;
pub mod mutant;
pub mod native;
pub mod node;
pub mod program;
pub mod run;
pub mod scratch;
#[path = "../../nfl-verify/tests/support/mod.rs"]
mod support;
pub mod tight;
pub mod times;
pub mod totals;
pub mod vectors;
pub mod watch;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use block::{Generator, Setting, block};
use totals::Totals;

/// When a campaign is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// So many images were tried, all generators together.
    Tried(u64),
    /// So much time has passed.
    Time(Duration),
}

/// What workers share.
struct Shared {
    /// The next block.
    next: AtomicU64,
    stop: AtomicBool,
    done: Mutex<Done>,
}

struct Done {
    totals: Totals,
    /// Blocks behind one that is not done yet.
    ahead: BTreeMap<u64, Totals>,
    saved: Instant,
}

/// How often progress is kept.
const SAVE_EACH: Duration = Duration::from_secs(20);

/// Does blocks from where `totals` ends, and hands the totals to `save` now and then.
pub fn blocks(
    setting: &Setting,
    totals: Totals,
    until: Until,
    only: &[Generator],
    threads: usize,
    save: &(dyn Fn(&Totals) + Sync),
) -> Totals {
    let start = Instant::now();
    let shared = Shared {
        next: AtomicU64::new(totals.blocks),
        stop: AtomicBool::new(is_over(&totals, until, start)),
        done: Mutex::new(Done {
            totals,
            ahead: BTreeMap::new(),
            saved: start,
        }),
    };
    let work = || {
        while !shared.stop.load(Ordering::Relaxed) {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            let found = match only.contains(&Generator::of_block(number)) {
                true => block(setting, number),
                false => Totals {
                    blocks: 1,
                    ..Totals::default()
                },
            };
            shared.take(number, found, until, start, save);
        }
    };
    std::thread::scope(|around| {
        let watch = setting
            .host
            .as_ref()
            .map(|host| (host, around.spawn(|| host.watch())));
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(work);
            }
        });
        if let Some((host, watch)) = watch {
            host.end();
            watch.thread().unpark();
        }
    });
    let done = shared.done.into_inner();
    done.unwrap_or_else(std::sync::PoisonError::into_inner)
        .totals
}

impl Shared {
    /// Adds a block, when all before it are there. What comes behind the end is left out.
    fn take(
        &self,
        number: u64,
        found: Totals,
        until: Until,
        start: Instant,
        save: &(dyn Fn(&Totals) + Sync),
    ) {
        let done = self.done.lock();
        let mut done = done.unwrap_or_else(std::sync::PoisonError::into_inner);
        done.ahead.insert(number, found);
        loop {
            let next = done.totals.blocks;
            let counted = matches!(until, Until::Tried(_)) && is_over(&done.totals, until, start);
            let Some(found) = done.ahead.remove(&next).filter(|_| !counted) else {
                break;
            };
            done.totals.merge(found);
        }
        if is_over(&done.totals, until, start) {
            self.stop.store(true, Ordering::Relaxed);
        }
        if done.saved.elapsed() > SAVE_EACH {
            save(&done.totals);
            done.saved = Instant::now();
        }
    }
}

/// Images that were tried.
pub fn tried(totals: &Totals) -> u64 {
    let each = Generator::ALL.map(|g| totals.get(&format!("{}.tried", g.name())));
    each.iter().sum()
}

fn is_over(totals: &Totals, until: Until, start: Instant) -> bool {
    match until {
        Until::Tried(images) => tried(totals) >= images,
        Until::Time(time) => start.elapsed() >= time,
    }
}
