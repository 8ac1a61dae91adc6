//! Times in turns: each side runs for a while, then the next, many times over.
//!
//! In: sides that do the same work. Out: for each the nanoseconds per packet of each round. Guaranteed: what restores packets is outside of
//! the clock, and each round visits all sides, so that a ratio within a round compares neighbours in time.

use std::time::{Duration, Instant};

/// Rounds of a measurement; odd, for the median.
pub(crate) const ROUNDS: usize = 15;

/// A side: one function on one engine.
pub(crate) trait Side {
    /// Packets of a pass.
    fn packets(&self) -> usize;
    /// Puts the packets back as they were.
    fn restore(&mut self);
    /// Runs all packets once; answers how long that took, if it has a clock of its own.
    fn pass(&mut self) -> Option<Duration>;
    /// What became of each packet in a pass over restored packets: verdict, port, bytes.
    fn ends(&mut self) -> Vec<End>;
}

/// What became of a packet: the verdict as the C numbers it, the port of a redirected one, the bytes.
pub(crate) type End = (u32, u32, Vec<u8>);

/// Nanoseconds per packet, one for each round.
#[derive(Clone, Debug)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    pub(crate) fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2]
    }

    pub(crate) fn least(&self) -> f64 {
        self.sorted()[0]
    }

    pub(crate) fn most(&self) -> f64 {
        self.sorted()[self.0.len() - 1]
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// Round by round without what another side took.
    pub(crate) fn without(&self, other: &Samples) -> Samples {
        Samples(self.0.iter().zip(&other.0).map(|(a, b)| a - b).collect())
    }
}

/// Runs the sides in turns.
pub(crate) fn in_turns(sides: &mut [&mut dyn Side], each: Duration) -> Vec<Samples> {
    let mut samples = vec![Samples(Vec::new()); sides.len()];
    // One round warms up and is not counted.
    for round in 0..=ROUNDS {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            let sample = sample(*side, each);
            if round > 0 {
                samples.0.push(sample);
            }
        }
    }
    samples
}

fn sample(side: &mut dyn Side, each: Duration) -> f64 {
    let (mut spent, mut passes) = (Duration::ZERO, 0);
    while spent < each {
        side.restore();
        let start = Instant::now();
        let own = side.pass();
        spent += own.unwrap_or_else(|| start.elapsed());
        passes += 1;
    }
    spent.as_secs_f64() * 1e9 / (passes * side.packets()) as f64
}

/// Something that is done once per pass, with its name.
pub(crate) type Action<'a> = (String, Box<dyn FnMut() + 'a>);

struct Once<'a, 'b>(&'b mut Action<'a>);

impl Side for Once<'_, '_> {
    fn packets(&self) -> usize {
        1
    }

    fn restore(&mut self) {}

    fn pass(&mut self) -> Option<Duration> {
        (self.0.1)();
        None
    }

    fn ends(&mut self) -> Vec<End> {
        Vec::new()
    }
}

/// What each action takes, in nanoseconds, in turns.
pub(crate) fn actions(actions: &mut [Action<'_>], each: Duration) -> Vec<(String, Samples)> {
    let names: Vec<String> = actions.iter().map(|action| action.0.clone()).collect();
    let mut sides: Vec<Once<'_, '_>> = actions.iter_mut().map(Once).collect();
    let mut sides: Vec<&mut dyn Side> = sides.iter_mut().map(|s| s as &mut dyn Side).collect();
    let samples = in_turns(&mut sides, each);
    names.into_iter().zip(samples).collect()
}
