//! Token buckets by key: the two-rate three-colour marker of RFC 2698, colour-blind.
//!
//! In: a key, a size and a time. Out: a colour. Guaranteed: while no rates are set everything is
//! green; buckets start full; when there is no room, a bucket that is full again makes room for another
//! key, if it is among those that were not charged for longest; a key that finds no room is red. A charge
//! takes a bounded number of steps.

use super::{Aged, Ageing, Now};

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
pub(super) struct Bucket {
    pub(super) committed: u128,
    pub(super) peak: u128,
    pub(super) filled_ns: u64,
}

/// Buckets that a key without one looks at, those first that were not charged for longest.
const LOOKS: usize = 8;

/// Buckets by key.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    rates: Option<Rates>,
    /// The keys, by the time of their last charge.
    keys: Aged,
    /// The buckets of the keys, by their cells.
    buckets: Vec<Bucket>,
}

impl Meter {
    pub(crate) fn new(capacity: u32, key_bytes: usize) -> Meter {
        let ageing = Ageing {
            capacity: capacity.max(1),
            idle_ns: 0,
        };
        Meter {
            rates: None,
            keys: Aged::new(ageing, key_bytes, 0),
            buckets: Vec::new(),
        }
    }

    /// Makes room for all keys now.
    pub(crate) fn reserve(&mut self) {
        let cells = self.keys.reserve();
        self.buckets
            .reserve(cells.saturating_sub(self.buckets.len()));
    }

    /// Sets the rates; all buckets are full again.
    pub(crate) fn set_rates(&mut self, rates: Option<Rates>) {
        self.rates = rates;
        self.clear();
    }

    /// What it lets pass.
    pub(crate) fn rates(&self) -> Option<Rates> {
        self.rates
    }

    /// Bytes of a key.
    pub(super) fn key_bytes(&self) -> usize {
        self.keys.shape().0
    }

    /// The keys with their buckets, those first that were not charged for longest.
    pub(super) fn charged(&self) -> impl Iterator<Item = (&[u8], Bucket)> {
        let cells = self.keys.cells();
        cells.map(|cell| (self.keys.used(cell).0, self.buckets[cell as usize]))
    }

    /// Adds a bucket, which was charged last of all; nothing when its key has one or it holds more
    /// than the rates allow, false when there is no room.
    pub(super) fn put_back(&mut self, key: &[u8], bucket: Bucket) -> Option<bool> {
        let full = Bucket::full(self.rates?, bucket.filled_ns);
        let fits = bucket.committed <= full.committed && bucket.peak <= full.peak;
        if !fits || self.keys.seek(key, 0).is_some() {
            return None;
        }
        if self.keys.is_full() {
            return Some(false);
        }
        let now = Now {
            ns: bucket.filled_ns,
            run: 0,
        };
        let cell = self.keys.place(key, &[], now)? as usize;
        if self.buckets.len() <= cell {
            self.buckets.resize(cell + 1, full);
        }
        self.buckets[cell] = bucket;
        Some(true)
    }

    /// The colour of so many bytes under a key.
    pub(crate) fn charge(&mut self, key: &[u8], bytes: u32, now: Now) -> Colour {
        let Some(rates) = self.rates else {
            return Colour::Green;
        };
        let (cell, mut bucket) = match self.keys.seek(key, now.ns) {
            Some(cell) => {
                self.keys.renew(cell, now.ns);
                (cell, self.buckets[cell as usize].at(rates, now.ns))
            }
            None => match self.place(key, rates, now) {
                Some(cell) => (cell, Bucket::full(rates, now.ns)),
                None => return Colour::Red,
            },
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
        self.buckets[cell as usize] = bucket;
        colour
    }

    /// Full buckets, and no rates changed.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.buckets.clear();
    }

    /// A cell for a new key, if need be that of a bucket that is full again.
    fn place(&mut self, key: &[u8], rates: Rates, now: Now) -> Option<u32> {
        if self.keys.is_full() {
            let full = Bucket::full(rates, now.ns);
            let is_full = |&cell: &u32| self.buckets[cell as usize].at(rates, now.ns) == full;
            let gone = self.keys.cells().take(LOOKS).find(is_full)?;
            self.keys.forget(gone, now);
        }
        let cell = self.keys.place(key, &[], now)?;
        if self.buckets.len() <= cell as usize {
            let full = Bucket::full(rates, now.ns);
            self.buckets.resize(cell as usize + 1, full);
        }
        Some(cell)
    }
}

/// Equal meters have the same rates and buckets.
impl PartialEq for Meter {
    fn eq(&self, other: &Meter) -> bool {
        self.rates == other.rates
            && self.keys == other.keys
            && self.keys.cells().all(|cell| {
                let (key, _) = self.keys.used(cell);
                let at = other.keys.seek(key, 0);
                at.map(|at| other.buckets[at as usize]) == Some(self.buckets[cell as usize])
            })
    }
}

impl Eq for Meter {}

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
