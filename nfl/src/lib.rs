#![doc = include_str!("../ARCHITECTURE.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub use nfl_abi as abi;
pub use nfl_isa as isa;

pub use nfl_abi::image::{Claims, Right, Rights, Verdict, VerdictKind};
pub use nfl_abi::{
    Code, Entry, Image, ImageError, LateSlot, Layer, Limits, Profile, Role, Severity,
};

#[cfg(feature = "compiler")]
mod advice;
#[cfg(feature = "compiler")]
mod budget;
#[cfg(feature = "compiler")]
mod compiler;
#[cfg(feature = "conform")]
pub mod conform;
#[cfg(feature = "compiler")]
mod doc;
#[cfg(feature = "vm")]
mod engine;
mod error;
#[cfg(feature = "compiler")]
mod files;
#[cfg(feature = "compiler")]
mod graph;
mod party;
#[cfg(feature = "vm")]
mod programs;
#[cfg(feature = "compiler")]
mod replay;
#[cfg(feature = "test")]
pub mod test;
#[cfg(feature = "compiler")]
mod unit;
#[cfg(feature = "world")]
pub mod world;

pub use error::UnknownTarget;
pub use party::Party;

#[cfg(feature = "compiler")]
pub use {
    compiler::{Build, Compiler},
    doc::{Documentation, Item, ItemKind, document},
    error::{BindError, BuildFailed, NoSuchFunction},
    files::{MemoryFiles, Roots},
    graph::{GraphConnection, GraphUnit},
    nfl_codegen_rv::OptLevel,
    nfl_stdlib::FILES as LIBRARY,
    nfl_syntax::diag::fix::{Fixed, apply as apply_fixes},
    nfl_syntax::diag::level::{Level, Levels},
    nfl_syntax::diag::render::{Style, render},
    nfl_syntax::diag::sarif::Sarif,
    nfl_syntax::fmt::{Refused, format},
    nfl_syntax::{Diagnostic, Fix, Label, SourceMap, Span},
    nfl_typeck::{Checked, program::Files},
    replay::{Replay, ReplayError, Replayed},
    unit::{Bound, Built, FunctionUnit, Handler, HandlerBounds, Parameter, Place, Unit},
};

#[cfg(feature = "fs")]
pub use files::DirFiles;

#[cfg(feature = "sign")]
pub use nfl_sign::{
    Bundle, BundledProgram, KeyError, KeyId, Policy as TrustPolicy, PrivateKey, PublicKey,
    SignError, Signer, TrustError, TrustStore, Trusted, peek, sign,
};

#[cfg(feature = "vm")]
pub use {
    engine::Engine,
    error::EngineError,
    nfl_verify::{
        EntryBound, Holds, Known, LoopBound, Measure, Proven, Prover, Refusal, Region,
        SubroutineBound, Touches, observe, prove,
    },
    nfl_vm::{
        Budget, Chain, ChainError, Colour, Context, Control, Count, Decided, Done, Edits, Effects,
        Fault, FlowTuple, Frame, Instance, Job, Live, Loaded as Program, Logged, Mirror, Outcome,
        Packet, Part, Policy, Rates, Region as MemoryRegion, Registers, ReplaceError, Reported,
        SharedState, State, StateError, StateGuard, Step, TernaryRule, Trap, Worker,
    },
};
#[cfg(feature = "jit")]
pub use {
    engine::{HOT_AFTER, background::CompilerThread},
    nfl_vm::{Jit, Unsupported},
};
