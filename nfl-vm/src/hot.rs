//! Which programs run often enough to be worth compiling.
//!
//! In: programs that are watched, and the runs of their instances. Out: those that were interpreted so
//! often that host code repays, once each, for whatever thread compiles. Guaranteed: a run counts in its
//! instance alone but for every 64th, and waits for no compilation; a program that is dropped meanwhile
//! is not compiled.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::jit::Jit;
use crate::load::{Loaded, WeakLoaded};

/// Runs of an instance between two times that it tells of them.
pub(crate) const RUNS_TOLD: u32 = 64;

/// The programs that became hot.
#[derive(Debug)]
pub struct Hot {
    after: u32,
    queue: Mutex<Vec<WeakLoaded>>,
    /// Told of each program in the queue, and of whatever else those who wait should look at.
    changed: Condvar,
}

/// How warm a program is, for all its instances.
#[derive(Debug, Default)]
pub(crate) struct Heat {
    runs: AtomicU32,
    watched: OnceLock<Arc<Hot>>,
}

impl Heat {
    /// So many more runs.
    pub(crate) fn warm(&self, program: &Loaded, runs: u32) {
        let Some(hot) = self.watched.get() else {
            return;
        };
        // Only the count itself matters, so no order with other memory does.
        let before = self.runs.fetch_add(runs, Ordering::Relaxed);
        if (before..before.saturating_add(runs)).contains(&hot.after) {
            hot.queue().push(program.downgrade());
            hot.changed.notify_one();
        }
    }
}

impl Hot {
    /// Programs become hot with this many interpreted runs, or up to 64 for each instance later.
    pub fn new(after: u32) -> Hot {
        Hot {
            after,
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Watches a program from now on; one that is watched already stays where it is.
    pub fn watch(self: &Arc<Hot>, program: &Loaded) {
        let _ = program.heat().watched.set(Arc::clone(self));
    }

    /// Compiles the programs that became hot since the last time, on this thread; answers how many now run
    /// as host code. Those that cannot be compiled stay with the interpreter.
    pub fn compile(&self, jit: &Jit) -> usize {
        let programs = mem::take(&mut *self.queue());
        let alive = programs.iter().filter_map(WeakLoaded::upgrade);
        alive.filter(|program| jit.compile(program).is_ok()).count()
    }

    /// Waits until a program is hot or `is_over` says so, which is asked again after [`Hot::wake`].
    pub fn wait(&self, is_over: impl Fn() -> bool) {
        let mut queue = self.queue();
        while queue.is_empty() && !is_over() {
            let changed = self.changed.wait(queue);
            queue = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes those who wait, to ask whether it is over. `over` is called while none of them is asking.
    pub fn wake(&self, over: impl FnOnce()) {
        let queue = self.queue();
        over();
        drop(queue);
        self.changed.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Vec<WeakLoaded>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
