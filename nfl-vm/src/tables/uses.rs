//! Which entries were used last, and when: a list in the order of their last use.
//!
//! In: entries by number, and times that never go back. Out: the entry that was not used for longest.
//! Guaranteed: each operation takes the same few steps.

use super::index::NONE;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Use {
    used_ns: u64,
    /// The entry's own number when it was taken out.
    older: u32,
    newer: u32,
}

/// Entries by the time of their last use.
#[derive(Clone, Debug)]
pub(crate) struct Uses {
    uses: Vec<Use>,
    oldest: u32,
    newest: u32,
}

impl Uses {
    pub(crate) fn new() -> Uses {
        Uses {
            uses: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Makes room for entries with numbers below this.
    pub(crate) fn reserve(&mut self, entries: usize) {
        self.uses.reserve(entries.saturating_sub(self.uses.len()));
    }

    /// The entry that was not used for longest.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// When an entry was last used, in nanoseconds.
    #[inline]
    pub(crate) fn used_ns(&self, at: u32) -> u64 {
        self.uses[at as usize].used_ns
    }

    /// The entries, the least recently used first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(self.oldest(), |&at| {
            let newer = self.uses[at as usize].newer;
            (newer != NONE).then_some(newer)
        })
    }

    /// Adds an entry that is used now.
    pub(crate) fn add(&mut self, at: u32, used_ns: u64) {
        let of = Use {
            used_ns,
            older: self.newest,
            newer: NONE,
        };
        for older in self.end()..=at {
            self.uses.push(Use { older, ..of });
        }
        self.uses[at as usize] = of;
        match self.newest {
            NONE => self.oldest = at,
            newest => self.uses[newest as usize].newer = at,
        }
        self.newest = at;
    }

    /// Numbers above those of all entries there ever were.
    pub(crate) fn end(&self) -> u32 {
        self.uses.len() as u32
    }

    /// Whether there is an entry with this number.
    pub(crate) fn has(&self, at: u32) -> bool {
        self.uses[at as usize].older != at
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, at: u32) {
        let Use { older, newer, .. } = self.uses[at as usize];
        self.uses[at as usize].older = at;
        match older {
            NONE => self.oldest = newer,
            older => self.uses[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.uses[newer as usize].older = older,
        }
    }

    /// An entry is used now.
    #[inline]
    pub(crate) fn renew(&mut self, at: u32, now_ns: u64) {
        if self.used_ns(at) != now_ns {
            self.remove(at);
            self.add(at, now_ns);
        }
    }
}
