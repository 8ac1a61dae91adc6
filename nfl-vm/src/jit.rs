//! Host code for proved images: [`Jit`] compiles, and instances run the code from then on.
//!
//! In: a loaded program. Out: functions of the host that do what its entries do. Guaranteed: every observable is that of the
//! interpreter but for the count of steps, which host code does not keep; where the host or a fact is missing, the
//! answer is [`Unsupported`] and the program stays with the interpreter.
//!
//! # Why this is sound
//!
//! This module and its children are the only ones with `unsafe`. It comes down to five claims:
//!
//! 1. *Accesses.* Host code reads and writes memory only where the microcode it comes from does. The proof, made anew from
//!    the bytes when they are compiled, says of each access that it lies inside the packet, its window, the context, the
//!    `carried` area, the constants, a value that a lookup has found, or scratch; and the translator refuses what the proof does
//!    not say. Host addresses are those regions' plus the same offset: sums of 64 bits are as exact as those of the proof.
//! 2. *Regions.* For the time of a call all of them are there: the packet with zeros up to the window (a `View` or an open
//!    `Frame` of the caller's keeps them); the context in the node's words or, as the machine lays it out, in the
//!    [frame](call::Frame), which has the scratch and the host's services too; `carried` by a borrow that outlives the call; the
//!    constants in the image, which the program owns as it does the code. A value stays put until the run is over, because
//!    services keep what they answered. Tables that lookups begin at stand where they stood when they were [found](roots),
//!    because nothing may move one without a new stamp on its stores, for which a run looks before it begins; during a run its
//!    services have the stores alone. What host code reads of [keys] and [prefixes] lies where the table itself says, whose tests walk the
//!    same arrays with bounds.
//! 3. *Control.* Host code leaves a function by its return or into those of [`call`] and [`direct`], which catch panics. A run
//!    ends because the proof bounds its steps.
//! 4. *Code.* What is called is what was compiled for these arguments; it is never written again before it is dropped, and it
//!    is dropped with the program that owns it, which a run borrows.
//! 5. *Threads.* Host code has no memory of its own, so any number of threads may run it.
#![expect(
    unsafe_code,
    reason = "host code is called, and is handed memory, in this module alone"
)]

mod arena;
mod bytes;
mod call;
mod choose;
mod copies;
mod dead;
mod direct;
mod facts;
mod finish;
mod keys;
mod mem;
mod ops;
mod prefixes;
mod roots;
mod run;
mod stores;
mod translate;

use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserFuncName};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use nfl_abi::host::{self, Call};
use nfl_abi::map;
use nfl_abi::{Image, Layer, Role};
use nfl_verify::{EntryBound, Proven, Touches};

use self::arena::{Arena, Code};
use self::facts::Facts;
use crate::load::Loaded;
use roots::Root;
pub(crate) use roots::Roots;

/// Why a program stays with the interpreter.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unsupported {
    /// No host code is made for this processor or operating system.
    Host,
    /// The operating system gives no memory for code.
    Memory(String),
    /// The image cannot be proved again: the refusal.
    Proof(String),
    /// The proof says too little of the instruction at this offset in the code.
    Fact(u32),
    /// The code generator gives up.
    Compiler(String),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::Host => write!(
                f,
                "no host code is made for this processor and operating system"
            ),
            Unsupported::Memory(error) => write!(f, "there is no memory for host code: {error}"),
            Unsupported::Proof(refusal) => write!(f, "the image cannot be proved: {refusal}"),
            Unsupported::Fact(pc) => {
                write!(f, "too little is proved of the instruction at {pc:#06x}")
            }
            Unsupported::Compiler(error) => write!(f, "the code generator gives up: {error}"),
        }
    }
}

impl std::error::Error for Unsupported {}

/// Compiles programs. Threads may share it; they compile one after another.
pub struct Jit {
    arena: Arc<Arena>,
    compiler: Mutex<Compiler>,
}

impl fmt::Debug for Jit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jit")
            .field("arena", &self.arena)
            .finish_non_exhaustive()
    }
}

/// The code generator and the memory that it uses again.
struct Compiler {
    isa: OwnedTargetIsa,
    context: Context,
    builders: FunctionBuilderContext,
}

/// Host code of one program, and what a run asks of its image.
#[derive(Debug)]
pub(crate) struct Native {
    entries: Vec<Start>,
    /// The first entry of each role, by its number; one that admits no packet where there is none.
    firsts: [Start; ROLES],
    calls: Vec<Call>,
    /// Whether one of the calls moves the packet.
    resizes: bool,
    /// Bytes of a packet that loads may reach, however short it is.
    window: usize,
    /// Where the functions are.
    code: Code,
}

/// How many numbers roles have.
const ROLES: usize = Role::ALL.len();

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    function: Entry,
    /// Its place in the manifest.
    index: usize,
    role: Role,
    layer: Layer,
    steps: u32,
    /// The lengths of packets that it runs for.
    lengths: (usize, usize),
    /// The least length of packets that it [takes](Start::takes), and how many more than that they may have.
    taken: (usize, usize),
    carried_bytes: usize,
    /// Whether it reads the context as the machine lays it out, and not the words of a
    /// [`Context`](crate::packet::Context).
    context_in_bytes: bool,
}

impl Start {
    /// An entry that is not there.
    const NOWHERE: Start = Start {
        function: nothing,
        index: usize::MAX,
        role: Role::Every,
        layer: Layer::Network,
        steps: 0,
        lengths: (usize::MAX, 0),
        taken: (usize::MAX, 0),
        carried_bytes: usize::MAX,
        context_in_bytes: false,
    };
}

/// What host code is called as: frame, packet, the packet's length, where lookups begin, and the context, to verdict and operand.
type Entry = extern "C" fn(*mut c_void, *mut u8, usize, *const Root, *const u8) -> u64;

/// That of an entry that is not there.
extern "C" fn nothing(_: *mut c_void, _: *mut u8, _: usize, _: *const Root, _: *const u8) -> u64 {
    finish::UNDECIDED as u64
}

impl Jit {
    /// A compiler for this host.
    ///
    /// # Errors
    ///
    /// [`Unsupported::Host`] and [`Unsupported::Memory`].
    pub fn new() -> Result<Jit, Unsupported> {
        let arena = Arc::new(Arena::default());
        // An arena that gives no room is found out here and not when the first program is hot.
        arena
            .add(&[0])
            .map_err(|error| Unsupported::Memory(error.to_string()))?;
        Ok(Jit {
            arena,
            compiler: Mutex::new(Compiler::new()?),
        })
    }

    /// Compiles a program; its instances run host code from now on, in all threads. Compiling it again changes nothing.
    ///
    /// # Errors
    ///
    /// Why it stays with the interpreter.
    pub fn compile(&self, loaded: &Loaded) -> Result<(), Unsupported> {
        if loaded.native().get().is_some() {
            return Ok(());
        }
        let native = self.translate(loaded.proven())?;
        // Another thread may have been faster; its code does the same.
        let _ = loaded.native().set(native);
        Ok(())
    }

    /// Compiles a program if it is not, and brings its host code into memory, so that its first packet waits for neither.
    ///
    /// # Errors
    ///
    /// As [`Jit::compile`].
    pub fn warm_up(&self, loaded: &Loaded) -> Result<(), Unsupported> {
        self.compile(loaded)?;
        if let Some(native) = loaded.native().get() {
            native.code.touch();
        }
        Ok(())
    }

    fn translate(&self, proven: &Proven) -> Result<Native, Unsupported> {
        let image = proven.image();
        let manifest = &image.manifest;
        let calls = manifest
            .imports
            .iter()
            .map(|import| host::call(import, &manifest.resources));
        let calls: Vec<Call> = calls
            .collect::<Option<_>>()
            .ok_or(Unsupported::Proof("an import makes no sense".into()))?;
        let resizes = calls.iter().any(|call| call.resizes);
        let facts = Facts::of(image, &calls)?;
        let mut compiler = self.compiler.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut code, mut entries) = (Vec::new(), Vec::new());
        for entry in &manifest.entries {
            code.resize(code.len().next_multiple_of(FUNCTION_ALIGNMENT), 0);
            entries.push(code.len());
            compiler.function(image, &facts, &calls, entry.pc, &mut code)?;
        }
        let code = self
            .arena
            .add(&code)
            .map_err(|error| Unsupported::Memory(error.to_string()))?;
        let start =
            |(index, ((at, bound), entry)): (usize, ((usize, &EntryBound), &nfl_abi::Entry))| {
                let lengths: (usize, usize) = match entry.role {
                    Role::Every => (entry.need.into(), 0),
                    _ => (entry.need.into(), map::PACKET_MAX as usize),
                };
                let least = lengths.0.max(usize::from(manifest.window));
                let context_in_bytes =
                    facts.context_in_bytes && bound.touches.has(Touches::CONTEXT);
                Start {
                    // SAFETY: a function of this type was put there; it stays as long as `code`, which is dropped with it.
                    function: unsafe { std::mem::transmute::<*const u8, Entry>(code.address(at)) },
                    index,
                    role: entry.role,
                    layer: entry.layer,
                    steps: bound.steps,
                    lengths,
                    taken: match lengths.1.checked_sub(least) {
                        Some(more) if !resizes && !context_in_bytes => (least, more),
                        // No packet is so long.
                        _ => (usize::MAX, 0),
                    },
                    carried_bytes: manifest.carried.len(),
                    context_in_bytes,
                }
            };
        let bounds = entries.into_iter().zip(proven.entries());
        let entries: Vec<Start> = bounds
            .zip(&manifest.entries)
            .enumerate()
            .map(start)
            .collect();
        Ok(Native {
            firsts: std::array::from_fn(|n| {
                let mut all = entries.iter();
                let first = all.find(|start| usize::from(start.role.number()) == n);
                first.copied().unwrap_or(Start::NOWHERE)
            }),
            entries,
            resizes,
            calls,
            window: manifest.window.into(),
            code,
        })
    }
}

const FUNCTION_ALIGNMENT: usize = 32;

impl Compiler {
    fn new() -> Result<Compiler, Unsupported> {
        Ok(Compiler {
            isa: isa()?,
            context: Context::new(),
            builders: FunctionBuilderContext::new(),
        })
    }

    /// Compiles an entry and puts its function behind what is in `code`.
    fn function(
        &mut self,
        image: &Image,
        facts: &Facts,
        calls: &[Call],
        pc: u32,
        code: &mut Vec<u8>,
    ) -> Result<(), Unsupported> {
        self.context.clear();
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend([I64; 5].map(AbiParam::new));
        signature.returns.push(AbiParam::new(I64));
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature);
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builders);
        let built = translate::entry(builder, image, facts, calls, pc, self.isa.frontend_config());
        if built.is_err() {
            // What was begun must not leak into the next function.
            self.builders = FunctionBuilderContext::new();
        }
        built?;
        dead::remove(&mut self.context.func);
        let compiled = self
            .context
            .compile(&*self.isa, &mut ControlPlane::default());
        let compiled = compiled.map_err(|error| Unsupported::Compiler(error.inner.to_string()))?;
        if !compiled.buffer.relocs().is_empty() {
            return Err(Unsupported::Compiler(
                "the code is not independent of its place".into(),
            ));
        }
        code.extend_from_slice(compiled.buffer.data());
        Ok(())
    }
}

/// Processors whose caches of instructions follow what is written, and systems that map memory twice.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn isa() -> Result<OwnedTargetIsa, Unsupported> {
    let failed = |error: String| Unsupported::Compiler(error);
    let mut shared = settings::builder();
    for (name, value) in [
        ("opt_level", "speed"),
        ("is_pic", "true"),
        ("unwind_info", "false"),
        (
            "enable_verifier",
            if cfg!(debug_assertions) {
                "true"
            } else {
                "false"
            },
        ),
    ] {
        shared
            .set(name, value)
            .map_err(|error| failed(error.to_string()))?;
    }
    let mut builder = cranelift_codegen::isa::lookup_by_name("x86_64-unknown-linux-gnu")
        .map_err(|_| Unsupported::Host)?;
    for (name, has) in [
        ("has_sse3", is_x86_feature_detected!("sse3")),
        ("has_ssse3", is_x86_feature_detected!("ssse3")),
        ("has_sse41", is_x86_feature_detected!("sse4.1")),
        ("has_sse42", is_x86_feature_detected!("sse4.2")),
        ("has_popcnt", is_x86_feature_detected!("popcnt")),
        ("has_bmi1", is_x86_feature_detected!("bmi1")),
        ("has_bmi2", is_x86_feature_detected!("bmi2")),
        ("has_lzcnt", is_x86_feature_detected!("lzcnt")),
    ] {
        if has {
            builder
                .enable(name)
                .map_err(|error| failed(error.to_string()))?;
        }
    }
    let flags = settings::Flags::new(shared);
    builder
        .finish(flags)
        .map_err(|error| failed(error.to_string()))
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn isa() -> Result<OwnedTargetIsa, Unsupported> {
    Err(Unsupported::Host)
}
