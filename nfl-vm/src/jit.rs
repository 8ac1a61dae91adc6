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
//! 2. *Regions.* For the time of a call all of them are there: the packet with zeros up to the window (a `View` keeps them), the
//!    context and the host's services in [`Run`](call::Run), `carried` and the constants by borrows that outlive the call, and
//!    scratch in the [`Frame`]. A value stays put until the run is over, because services keep what they answered.
//! 3. *Control.* Host code leaves a function by its return or into [`call::serve`], which catches panics. A run ends because the
//!    proof bounds its steps.
//! 4. *Code.* What is called is what was compiled for these arguments; it is never written again before it is dropped, and it
//!    is dropped with the program that owns it, which a run borrows.
//! 5. *Threads.* Host code has no memory of its own, so any number of threads may run it.
#![expect(
    unsafe_code,
    reason = "host code is called, and is handed memory, in this module alone"
)]

mod arena;
mod call;
mod direct;
mod facts;
mod mem;
mod ops;
mod translate;

use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserFuncName};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use nfl_abi::Image;
use nfl_abi::host::{self, Call};
use nfl_abi::map;
use nfl_verify::{EntryBound, Proven, Touches};

use self::arena::{Arena, Code};
pub(crate) use self::call::Run;
use self::call::{Frame, GOING, NO_ROOM};
use self::facts::Facts;
use crate::load::Loaded;
use crate::outcome::{Fault, Trap};
use crate::packet::View;

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

/// Host code of one program.
#[derive(Debug)]
pub(crate) struct Native {
    entries: Vec<Start>,
    calls: Vec<Call>,
    constants: Vec<u8>,
    /// Where the functions are.
    #[expect(dead_code, reason = "it is here to be dropped with the functions")]
    code: Code,
}

/// The function of an entry.
#[derive(Clone, Copy, Debug)]
struct Start {
    function: Entry,
    reads_context: bool,
}

/// What host code is called as: frame, packet and the packet's length to verdict and operand.
type Entry = extern "C" fn(*mut c_void, *mut u8, u32) -> u64;

/// How a run of host code ends.
pub(crate) enum Ended {
    /// With these words in `a0` and `a1`. Where the first is no verdict that is allowed, this instruction finished.
    Finished { a0: u32, a1: u32, pc: u32 },
    /// In a service that found no room.
    NoRoom,
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
        let function = |(at, bound): (usize, &EntryBound)| Start {
            // SAFETY: a function of this type was put there; it stays as long as `code`, which is dropped with it.
            function: unsafe { std::mem::transmute::<*const u8, Entry>(code.address(at)) },
            reads_context: bound.touches.has(Touches::CONTEXT),
        };
        Ok(Native {
            entries: entries
                .into_iter()
                .zip(proven.entries())
                .map(function)
                .collect(),
            calls,
            constants: image.constants.clone(),
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
        signature.params.extend([I64, I64, I32].map(AbiParam::new));
        signature.returns.push(AbiParam::new(I64));
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature);
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builders);
        let built = translate::entry(builder, image, facts, calls, pc, self.isa.frontend_config());
        if built.is_err() {
            // What was begun must not leak into the next function.
            self.builders = FunctionBuilderContext::new();
        }
        built?;
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

impl Native {
    /// Whether the entry with this index reads what the node tells.
    pub(crate) fn reads_context(&self, index: usize) -> bool {
        self.entries
            .get(index)
            .is_some_and(|entry| entry.reads_context)
    }

    /// Runs the entry with this index. The packet is at least as long as the entry needs, and `carried` as the manifest says.
    pub(crate) fn run(
        &self,
        index: usize,
        run: &mut Run<'_>,
        carried: &mut [u8],
    ) -> Result<Ended, Fault> {
        let mut frame = Frame::new(
            (run.packet.start(), run.packet.len()),
            run.context.as_ptr(),
            carried.as_mut_ptr(),
            self.constants.as_ptr(),
            run,
        );
        self.enter(index, &mut frame)
    }

    /// The same where the image imports nothing.
    #[inline]
    pub(crate) fn run_alone(
        &self,
        index: usize,
        mut packet: View<'_>,
        context: Option<[u8; map::CONTEXT_BYTES as usize]>,
        carried: &mut [u8],
    ) -> Result<Ended, Fault> {
        let mut frame = Frame::new(
            (packet.start(), packet.len()),
            context
                .as_ref()
                .map_or(std::ptr::null(), |context| context.as_ptr()),
            carried.as_mut_ptr(),
            self.constants.as_ptr(),
            std::ptr::null_mut(),
        );
        self.enter(index, &mut frame)
    }

    #[inline]
    fn enter(&self, index: usize, frame: &mut Frame<'_>) -> Result<Ended, Fault> {
        let entry = self.entries.get(index).ok_or(Fault::NoSuchEntry(index))?;
        let (packet, len) = (frame.packet, frame.len);
        let words = (entry.function)((&raw mut *frame).cast(), packet, len);
        let pc = frame.pc;
        match frame.status {
            GOING => Ok(Ended::Finished {
                a0: words as u32,
                a1: (words >> 32) as u32,
                pc,
            }),
            NO_ROOM => Ok(Ended::NoRoom),
            _ => Err(Fault::Trap {
                pc,
                trap: Trap::Service,
            }),
        }
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
