//! From an image to a program that runs: prove the bytes, then load what the policy grants.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nfl_abi::{Image, Limits};
#[cfg(feature = "jit")]
use nfl_vm::{Hot, Jit, Unsupported};
use nfl_vm::{LoadError, Loaded, Loader, Policy};

use crate::error::EngineError;
use crate::programs::Programs;

/// What runs programs, within a platform's limits. A copy is the same engine: it knows the same
/// programs. Threads may share it.
///
/// Images with the same bytes become one program for as long as anybody has it: flows by the hundred
/// thousand share the code of a few capsules. An engine remembers 131,072 programs at most, and loads
/// those beyond for each flow anew.
#[derive(Clone, Debug)]
pub struct Engine {
    limits: Limits,
    programs: Arc<Programs>,
    loaders: Arc<Loaders>,
    #[cfg(feature = "jit")]
    code: HostCode,
}

/// Loaders with the memory of the images before, as many as threads have loaded at the same time.
#[derive(Default, Debug)]
struct Loaders(Mutex<Vec<Loader>>);

impl Loaders {
    fn load(&self, image: Image, limits: &Limits, policy: &Policy) -> Result<Loaded, LoadError> {
        let mut loader = self.kept().pop().unwrap_or_default();
        let answer = loader.load(image, limits, policy);
        self.kept().push(loader);
        answer
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Loader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When host code is made.
#[cfg(feature = "jit")]
#[derive(Clone, Debug)]
enum HostCode {
    Never,
    /// Before the first packet.
    AtOnce(Arc<Jit>),
    /// For programs that run often.
    WhenHot(Arc<Jit>, Arc<Hot>),
}

/// Runs of a program after which [`Engine::tiered`] has it compiled: about as many as it takes until the
/// time that the compilation costs is won back.
#[cfg(feature = "jit")]
pub const HOT_AFTER: u32 = 2_048;

impl Engine {
    /// The interpreter, with the limits of an edge node.
    pub fn interp() -> Engine {
        Engine {
            limits: Limits::EDGE,
            programs: Arc::default(),
            loaders: Arc::default(),
            #[cfg(feature = "jit")]
            code: HostCode::Never,
        }
    }

    /// Host code, with the same limits: several times as fast, and without a count of steps. A program for
    /// which there is no host code is interpreted; [`Loaded::is_compiled`] tells.
    ///
    /// # Errors
    ///
    /// Why this host has none at all.
    #[cfg(feature = "jit")]
    pub fn jit() -> Result<Engine, Unsupported> {
        Ok(Engine {
            code: HostCode::AtOnce(Arc::new(Jit::new()?)),
            ..Engine::interp()
        })
    }

    /// The interpreter first, so that a new program runs at once, and host code for programs that ran
    /// [`HOT_AFTER`] times. This library starts no thread by itself: call [`Engine::compile_hot`] on one of yours now
    /// and then, or [`Engine::spawn_compiler`] once. Instances switch from one packet to the next.
    ///
    /// # Errors
    ///
    /// Why this host has no host code at all.
    #[cfg(feature = "jit")]
    pub fn tiered() -> Result<Engine, Unsupported> {
        let hot = Arc::new(Hot::new(HOT_AFTER));
        Ok(Engine {
            code: HostCode::WhenHot(Arc::new(Jit::new()?), hot),
            ..Engine::interp()
        })
    }

    /// The same with other limits, and without the programs that were loaded before.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Engine {
        self.limits = limits;
        // What was proved within other limits was not proved within these.
        self.programs = Arc::default();
        self
    }

    /// Proves and loads an image that somebody trusted has signed.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the first thing that is not proved, or [`EngineError::Policy`].
    #[cfg(feature = "sign")]
    pub fn load(&self, image: &nfl_sign::Trusted, policy: &Policy) -> Result<Loaded, EngineError> {
        self.load_unsigned(image.image().clone(), policy)
    }

    /// Proves and loads an image that nobody signed. For compilers, tools and tests: a node that
    /// takes images from the network asks its trust store first.
    ///
    /// # Errors
    ///
    /// As [`Engine::load`].
    pub fn load_unsigned(&self, image: Image, policy: &Policy) -> Result<Loaded, EngineError> {
        let hash = Programs::hash(&image);
        if let Some(program) = self.programs.get(&hash) {
            program.check(policy).map_err(EngineError::Policy)?;
            return Ok(program);
        }
        let loaded = self.loaders.load(image, &self.limits, policy);
        let loaded = loaded.map_err(|error| match error {
            LoadError::Refused(refusal) => EngineError::Refused(refusal),
            error => EngineError::Policy(error),
        })?;
        #[cfg(feature = "jit")]
        match &self.code {
            HostCode::Never => {}
            HostCode::AtOnce(jit) => {
                // What cannot be compiled runs all the same.
                let _ = jit.compile(&loaded);
            }
            HostCode::WhenHot(_, hot) => hot.watch(&loaded),
        }
        Ok(self.programs.keep(hash, loaded))
    }

    /// Does now what the first packets of a program would wait for: its host code is made, hot or not, and brought into
    /// memory. Answers whether host code runs from now on, which [`Engine::interp`] has none of. What tables need is taken by
    /// [`State::reserve`](nfl_vm::State::reserve).
    #[cfg(feature = "jit")]
    pub fn warm_up(&self, program: &Loaded) -> bool {
        match &self.code {
            HostCode::Never => false,
            HostCode::AtOnce(jit) | HostCode::WhenHot(jit, _) => jit.warm_up(program).is_ok(),
        }
    }

    /// Compiles the programs that became hot since the last time, on this thread, and answers how many now
    /// run as host code; 0 for engines that are not [`Engine::tiered`]. A program of 100 instructions takes
    /// about 100 µs.
    #[cfg(feature = "jit")]
    pub fn compile_hot(&self) -> usize {
        match &self.code {
            HostCode::WhenHot(jit, hot) => hot.compile(jit),
            HostCode::Never | HostCode::AtOnce(_) => 0,
        }
    }

    /// Starts a thread that compiles programs when they become hot, until the answer is dropped. The thread
    /// sleeps while there is none.
    ///
    /// # Errors
    ///
    /// What the operating system says when it gives no thread.
    #[cfg(feature = "jit")]
    pub fn spawn_compiler(&self) -> std::io::Result<background::CompilerThread> {
        background::spawn(self.clone())
    }
}

#[cfg(feature = "jit")]
pub(crate) mod background {
    //! The thread that compiles, for embedding programs that want one.

    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, JoinHandle};

    use super::{Engine, HostCode};

    /// Compiles hot programs until it is dropped; dropping it waits for the program that is being compiled.
    #[derive(Debug)]
    pub struct CompilerThread {
        engine: Engine,
        is_over: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    }

    pub(super) fn spawn(engine: Engine) -> io::Result<CompilerThread> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (compiler, over) = (engine.clone(), Arc::clone(&is_over));
        let thread = thread::Builder::new().name("nfl-compiler".to_owned());
        let thread = thread.spawn(move || {
            let HostCode::WhenHot(jit, hot) = &compiler.code else {
                return;
            };
            while !over.load(Ordering::Relaxed) {
                hot.wait(|| over.load(Ordering::Relaxed));
                hot.compile(jit);
            }
        })?;
        Ok(CompilerThread {
            engine,
            is_over,
            thread: Some(thread),
        })
    }

    impl Drop for CompilerThread {
        fn drop(&mut self) {
            if let HostCode::WhenHot(_, hot) = &self.engine.code {
                hot.wake(|| self.is_over.store(true, Ordering::Relaxed));
            }
            if let Some(thread) = self.thread.take() {
                // A compiler that gave up took nothing with it that anybody needs.
                let _ = thread.join();
            }
        }
    }
}
