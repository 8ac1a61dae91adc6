//! The timers of an image in the time of a capture.
//!
//! In: an image's entries, and the times of packets. Out: which timer runs when. Guaranteed: each
//! timer runs at every period after the first packet, before any packet of that time or later; timers
//! of one time run in the order of the image's entries.

use nfl::{Image, Role};

/// Runs of one timer between two packets at most. After a longer pause in the capture only the last
/// of them take place.
const RUNS_MAX: u64 = 10_000;

/// A run of a timer that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// The timer's place among the image's entries.
    pub(crate) entry: usize,
    /// When it runs, in nanoseconds since 1970.
    pub(crate) at_ns: u64,
}

/// The timers of an image.
pub(crate) struct Timers {
    timers: Vec<Timer>,
    started: bool,
}

struct Timer {
    entry: usize,
    period_ns: u64,
    next_ns: u64,
}

impl Timers {
    pub(crate) fn of(image: &Image) -> Timers {
        let entries = image.manifest.entries.iter().enumerate();
        let timers = entries.filter(|(_, entry)| entry.role == Role::Every && entry.period_ns > 0);
        let timers = timers.map(|(at, entry)| Timer {
            entry: at,
            period_ns: entry.period_ns,
            next_ns: 0,
        });
        Timers {
            timers: timers.collect(),
            started: false,
        }
    }

    /// The runs that are due before a packet of this time, in order.
    pub(crate) fn due(&mut self, now_ns: u64) -> Vec<Due> {
        if !self.started {
            self.started = true;
            for timer in &mut self.timers {
                timer.next_ns = now_ns.saturating_add(timer.period_ns);
            }
        }
        let mut due = Vec::new();
        for timer in &mut self.timers {
            due.extend(timer.due(now_ns));
        }
        due.sort_by_key(|due: &Due| (due.at_ns, due.entry));
        due
    }
}

impl Timer {
    fn due(&mut self, now_ns: u64) -> Vec<Due> {
        let Some(late_ns) = now_ns.checked_sub(self.next_ns) else {
            return Vec::new();
        };
        let runs = late_ns / self.period_ns + 1;
        let skipped = runs.saturating_sub(RUNS_MAX);
        let due = (skipped..runs).map(|run| Due {
            entry: self.entry,
            at_ns: self.next_ns + run * self.period_ns,
        });
        let due = due.collect();
        self.next_ns = self
            .next_ns
            .saturating_add(runs.saturating_mul(self.period_ns));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Timer, Timers};

    fn timers(periods_ns: &[u64]) -> Timers {
        let timers = periods_ns.iter().enumerate();
        let timers = timers.map(|(entry, &period_ns)| Timer {
            entry,
            period_ns,
            next_ns: 0,
        });
        Timers {
            timers: timers.collect(),
            started: false,
        }
    }

    #[test]
    fn timers_run_in_the_order_of_their_times() {
        let mut timers = timers(&[10, 15]);
        let mut due = |now_ns| {
            let pair = |Due { entry, at_ns }| (entry, at_ns);
            let due = timers.due(now_ns).into_iter();
            due.map(pair).collect::<Vec<_>>()
        };
        assert_eq!(due(100), []);
        assert_eq!(due(109), []);
        assert_eq!(due(110), [(0, 110)]);
        assert_eq!(due(130), [(1, 115), (0, 120), (0, 130), (1, 130)]);
        assert_eq!(due(120), []);
    }

    #[test]
    fn a_long_pause_does_not_take_long() {
        let mut timers = timers(&[1]);
        timers.due(0);
        let due = timers.due(u64::MAX);
        assert_eq!(due.len(), 10_000);
        assert_eq!(due.last().map(|due| due.at_ns), Some(u64::MAX));
    }
}
