//! The reference machine: what a handler's microcode means.
//!
//! In: a proven image, a packet, a context and the `carried` area. Out: a verdict, the steps it
//! took, and the packet and `carried` bytes afterwards. Guaranteed: every rule of the machine is
//! checked while it runs, so [`run_unverified`] is safe on any bytes too, which is how verifiers
//! are tested; no panic on any code, packet or image; the outcome depends on these inputs alone.
//!
//! The rules, beyond RV32IMC itself:
//!
//! 1. Memory is six regions: constants, context, packet, scratch, `carried`, and the values that
//!    lookups found. An access stays within the region its base register points into, of values
//!    within the one value; a plain number reaches constants only. Any alignment is allowed.
//! 2. The packet is readable up to its length or the image's window, whichever is more, and zero
//!    from its length on; it is writable below its length, by images with the right `Rewrite`.
//! 3. Registers and scratch bytes that nothing wrote are undefined, and reading one is a fault.
//! 4. An address plus or minus a number is an address, the difference of two addresses in one
//!    region is a number, and any other arithmetic on an address is undefined. Addresses are
//!    compared with zero, which none of them is, or with others in their region, and are stored to
//!    scratch words only.
//! 5. Code never writes `s0`, `s1` or `sp`.
//! 6. A subroutine is called by `jal` through `ra` or `t0` at a lower address than the call, and
//!    returns by `jr` on the address that the call left.
//! 7. A service is called by `jal` through `ra` to a slot of the call vector that the image imports.
//!    Its arguments are numbers in `a0` to `a5`, or addresses of defined scratch bytes or constants
//!    where the contract says so. Afterwards `a0` and `a1` hold its answers, `ra` and whatever it
//!    does not answer are undefined, and every other register is as it was. A lookup answers 0 or
//!    the address of a value that is read-only and does not change until the run is over. After a
//!    service that moves the packet `s0` and `s1` are new, addresses in the packet from before are
//!    undefined, and the context tells where the network header went.
//! 8. A run ends at `ebreak` with a verdict that the manifest allows, within its budget of steps;
//!    or with `Drop(NO_ROOM)` in a service that finds no room for the packet to grow.
#![cfg_attr(not(feature = "jit"), forbid(unsafe_code))]
#![warn(missing_docs)]

mod batch;
mod chain;
mod flow;
#[cfg(feature = "jit")]
mod hot;
mod interp;
#[cfg(feature = "jit")]
mod jit;
mod live;
mod load;
mod loader;
mod memory;
mod outcome;
mod packet;
mod program;
mod proved;
mod run;
mod services;
mod state;
mod tables;

pub use batch::Job;
pub use chain::{Chain, ChainError, Decided};
pub use flow::FlowTuple;
#[cfg(feature = "jit")]
pub use hot::Hot;
pub use interp::{Registers, Step};
#[cfg(feature = "jit")]
pub use jit::{Jit, Unsupported};
pub use live::{Live, ReplaceError, Worker};
pub use load::{Instance, LoadError, Loaded, Policy, WeakLoaded, load};
pub use loader::Loader;
pub use memory::Region;
pub use outcome::{Budget, Done, Effects, Fault, Mirror, Outcome, Trap};
pub use packet::{Context, Frame, HEAD_ROOM, Packet, TAIL_ROOM};
pub use run::{Inputs, Unproved, run_unverified};
pub use services::{Bound, Services};
pub use state::{
    Control, Edits, KeyValue, Logged, Reported, SharedState, State, StateError, StateGuard,
    TOLD_MAX,
};
pub use tables::{Colour, Count, Part, Rates, TernaryRule};
