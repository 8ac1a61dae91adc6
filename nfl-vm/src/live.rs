//! Programs that are replaced while packets run, and keep what packets wrote.
//!
//! In: an instance, or a place where workers find their program, and another program. Out: the same with
//! that program, on the same state. Guaranteed: a replacement that does not fit is refused and changes
//! nothing; a packet is run by the old program or by the new one from its beginning to its end, and
//! none waits; no worker runs the old one for a packet that came after it saw the new one.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use nfl_abi::{Image, Role};

use crate::load::{Instance, Loaded};
use crate::state::StateError;

/// Why a program does not take another one's place.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplaceError {
    /// They differ in what this resource is, or only one of them has it.
    Resource(String),
    /// They differ in how many bytes travel with a packet.
    Carried {
        /// The bytes of the program that runs.
        is: usize,
        /// The bytes of the other.
        other: usize,
    },
    /// The other has no handler of this role at the same layer.
    Role(Role),
    /// The state knows one of the resources as something else, from an image of another function.
    State(StateError),
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplaceError::Resource(name) => {
                write!(f, "the programs differ in the resource `{name}`")
            }
            ReplaceError::Carried { is, other } => write!(
                f,
                "{is} bytes travel with a packet of the program and {other} with one of its replacement"
            ),
            ReplaceError::Role(role) => write!(
                f,
                "the replacement has no `{}` handler at the same layer",
                role.text()
            ),
            ReplaceError::State(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReplaceError {}

/// Whether one image may take the place of another between two packets.
fn check(old: &Image, new: &Image) -> Result<(), ReplaceError> {
    let (old, new) = (&old.manifest, &new.manifest);
    for (resources, others) in [
        (&old.resources, &new.resources),
        (&new.resources, &old.resources),
    ] {
        if let Some(alone) = resources.iter().find(|&one| !others.contains(one)) {
            return Err(ReplaceError::Resource(alone.name.clone()));
        }
    }
    let (is, other) = (old.carried.len(), new.carried.len());
    if is != other {
        return Err(ReplaceError::Carried { is, other });
    }
    for entry in &old.entries {
        let mut others = new.entries.iter();
        if !others.any(|other| (other.role, other.layer) == (entry.role, entry.layer)) {
            return Err(ReplaceError::Role(entry.role));
        }
    }
    Ok(())
}

impl Instance {
    /// Puts another program in the place of the one that it runs, and answers that one. The state stays
    /// as it is: entries, counts, registers and flows.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`] when the programs do not have the same resources, the same `carried` area and
    /// handlers for the same roles; then the instance is as before.
    pub fn replace(&mut self, program: &Loaded) -> Result<Loaded, ReplaceError> {
        check(self.loaded().image(), program.image())?;
        self.rebind(program).map_err(ReplaceError::State)
    }
}

/// The program of a role in a data plane: a controller replaces it, workers follow. A copy is the same
/// place.
///
/// ```
/// use nfl_vm::{Live, Loaded, ReplaceError};
///
/// fn node(live: &Live, next: Loaded) -> Result<(), ReplaceError> {
///     let mut worker = live.follow(live.program().instance())?;
///     // On this thread, for each packet or batch:
///     let instance = worker.current();
///     // On another one, at any time:
///     live.replace(next)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Live(Arc<ArcSwap<Loaded>>);

impl Live {
    /// A place with this program.
    pub fn new(program: Loaded) -> Live {
        Live(Arc::new(ArcSwap::from_pointee(program)))
    }

    /// The program that is there now.
    pub fn program(&self) -> Loaded {
        Loaded::clone(&self.0.load())
    }

    /// Puts another program there. Workers run it from their next packet or batch on; this waits for none
    /// of them. Of two replacements at one time one comes after the other.
    ///
    /// # Errors
    ///
    /// As [`Instance::replace`], but that no state is asked.
    pub fn replace(&self, program: Loaded) -> Result<(), ReplaceError> {
        let program = Arc::new(program);
        loop {
            let old = self.0.load_full();
            check(old.image(), program.image())?;
            let seen = self.0.compare_and_swap(&old, Arc::clone(&program));
            if Arc::ptr_eq(&seen, &old) {
                return Ok(());
            }
        }
    }

    /// Makes an instance follow: one worker's, on whatever state it has.
    ///
    /// # Errors
    ///
    /// As [`Instance::replace`] when the instance runs another program than the one that is there.
    pub fn follow(&self, mut instance: Instance) -> Result<Worker, ReplaceError> {
        let seen = self.0.load_full();
        instance.replace(&seen)?;
        Ok(Worker {
            live: self.clone(),
            seen,
            instance,
        })
    }
}

/// An instance that follows a [`Live`] program.
#[derive(Debug)]
pub struct Worker {
    live: Live,
    seen: Arc<Loaded>,
    instance: Instance,
}

impl Worker {
    /// The instance, with the program that is current. Asked once for each packet or batch, it costs a few
    /// nanoseconds while nothing is replaced.
    pub fn current(&mut self) -> &mut Instance {
        let now = self.live.0.load();
        if !Arc::ptr_eq(&now, &self.seen) {
            self.seen = Arc::clone(&now);
            drop(now);
            // It fits what it replaced, so the state knows all its resources as they are.
            let old = self.instance.rebind(&self.seen);
            old.expect("its resources are those of the program before it");
        }
        &mut self.instance
    }
}
