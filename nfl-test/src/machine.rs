//! What a test asks of the world outside: images of functions, and runs of their handlers.
//!
//! The compiler and the machine stand behind these traits, so that tests depend on neither.

use nfl_abi::Role;
use nfl_abi::image::Verdict;
use nfl_typeck::Bindings;
use nfl_typeck::tables::FunctionId;

/// Makes nodes that run a function.
pub trait Machine: Sync {
    /// A node with the images of a function whose parameters have these values, each proved by the
    /// byte verifier.
    ///
    /// # Errors
    ///
    /// What the compiler or the verifier has to say, when there is no such image.
    fn start(&self, function: FunctionId, bindings: &Bindings) -> Result<Box<dyn Node>, String>;
}

/// What a node tells a handler besides the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct World {
    /// Port on which the packet came in.
    pub port: u32,
    /// Number of the node.
    pub node: u32,
    /// Offset of the network header from the packet's first byte, if there is one.
    pub network_offset: Option<u8>,
    /// The time in nanoseconds.
    pub clock_ns: u64,
}

/// What a handler decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The name of the reason, where there is one: capsules have a single `Drop`.
    pub reason: Option<String>,
}

/// A node with the images of one function and their state.
pub trait Node {
    /// Runs the handler of a role on the bytes from its layer on.
    ///
    /// # Errors
    ///
    /// What the code did wrong.
    fn run(&mut self, role: Role, packet: &mut Vec<u8>, world: &World) -> Result<Ran, String>;

    /// A node in the same state, to try something on.
    fn fork(&self) -> Box<dyn Node>;

    /// The memory that travels with the packets.
    fn carried(&self) -> &[u8];
}
