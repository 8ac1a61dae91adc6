//! Token buckets by key: the two-rate three-colour marker of RFC 2698, colour-blind.
//!
//! In: a key, a size and a time. Out: a colour. Guaranteed: while no rates are set everything is
//! green; buckets start full; a bucket that is full again makes room for another key, and a key that
//! finds no room is red.

use std::collections::BTreeMap;

/// What a meter lets pass. For a single bucket set both pairs to the same numbers: then nothing is
/// yellow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rates {
    /// Committed rate, in bits per second; what exceeds it is yellow.
    pub committed_bps: u64,
    /// Bytes that may pass at once within the committed rate.
    pub committed_burst: u32,
    /// Peak rate, in bits per second; what exceeds it is red.
    pub peak_bps: u64,
    /// Bytes that may pass at once within the peak rate.
    pub peak_burst: u32,
}

/// What a meter says of a packet; the numbers are what the service answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Colour {
    /// Within the committed rate.
    Green = 0,
    /// Within the peak rate only.
    Yellow = 1,
    /// Above the peak rate.
    Red = 2,
}

/// Bits times nanoseconds in a byte-second: tokens are kept in this unit, so that no time is lost
/// to rounding.
const UNITS_PER_BYTE: u128 = 8 * 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bucket {
    committed: u128,
    peak: u128,
    filled_ns: u64,
}

/// Buckets by key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Meter {
    capacity: u32,
    rates: Option<Rates>,
    buckets: BTreeMap<Vec<u8>, Bucket>,
}

impl Meter {
    pub(crate) fn new(capacity: u32) -> Meter {
        Meter {
            capacity: capacity.max(1),
            rates: None,
            buckets: BTreeMap::new(),
        }
    }

    /// Sets the rates; all buckets are full again.
    pub(crate) fn set_rates(&mut self, rates: Option<Rates>) {
        self.rates = rates;
        self.buckets.clear();
    }

    /// The colour of so many bytes under a key.
    pub(crate) fn charge(&mut self, key: &[u8], bytes: u32, now_ns: u64) -> Colour {
        let Some(rates) = self.rates else {
            return Colour::Green;
        };
        let mut bucket = match self.buckets.get(key).copied() {
            Some(bucket) => bucket.at(rates, now_ns),
            None if self.has_room(rates, now_ns) => Bucket::full(rates, now_ns),
            None => return Colour::Red,
        };
        let cost = u128::from(bytes) * UNITS_PER_BYTE;
        let colour = match (
            bucket.peak.checked_sub(cost),
            bucket.committed.checked_sub(cost),
        ) {
            (None, _) => Colour::Red,
            (Some(peak), None) => {
                bucket.peak = peak;
                Colour::Yellow
            }
            (Some(peak), Some(committed)) => {
                bucket.peak = peak;
                bucket.committed = committed;
                Colour::Green
            }
        };
        self.buckets.insert(key.to_vec(), bucket);
        colour
    }

    /// Full buckets, and no rates changed.
    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
    }

    /// Whether a new key has room, if need be in the place of buckets that are full again.
    fn has_room(&mut self, rates: Rates, now_ns: u64) -> bool {
        if self.buckets.len() >= self.capacity as usize {
            let full = Bucket::full(rates, now_ns);
            self.buckets
                .retain(|_, bucket| bucket.at(rates, now_ns) != full);
        }
        self.buckets.len() < self.capacity as usize
    }
}

impl Bucket {
    fn full(rates: Rates, now_ns: u64) -> Bucket {
        Bucket {
            committed: u128::from(rates.committed_burst) * UNITS_PER_BYTE,
            peak: u128::from(rates.peak_burst) * UNITS_PER_BYTE,
            filled_ns: now_ns,
        }
    }

    /// The bucket at a later time.
    fn at(self, rates: Rates, now_ns: u64) -> Bucket {
        let full = Bucket::full(rates, now_ns.max(self.filled_ns));
        let elapsed_ns = u128::from(now_ns.saturating_sub(self.filled_ns));
        let fill = |tokens: u128, bps: u64, most: u128| {
            let more = elapsed_ns.saturating_mul(u128::from(bps));
            tokens.saturating_add(more).min(most)
        };
        Bucket {
            committed: fill(self.committed, rates.committed_bps, full.committed),
            peak: fill(self.peak, rates.peak_bps, full.peak),
            ..full
        }
    }
}
