//! The memory map and the registers of the machine.
//!
//! All addresses are byte addresses as microcode sees them. The packet, the scratch area, the
//! context and the `carried` area have no fixed address: code reaches them through the registers
//! named here and can learn nothing about where they lie.

/// First address of the constants; they are read-only and reach [`CONSTANTS_BYTES`].
pub const CONSTANTS_BASE: u32 = 0x400;
/// Room for constants below the call vector.
pub const CONSTANTS_BYTES: u32 = 0x400;
/// First address of the call vector; slot `k` stands at `CODE_BASE - SLOT_BYTES * (k + 1)`.
pub const VECTOR_BASE: u32 = 0x800;
/// First address of code.
pub const CODE_BASE: u32 = 0x1000;
/// Bytes of a slot of the call vector.
pub const SLOT_BYTES: u32 = 8;
/// Slots of the call vector.
pub const VECTOR_SLOTS: u32 = (CODE_BASE - VECTOR_BASE) / SLOT_BYTES;
/// Bytes of scratch memory from `sp` up; undefined when a handler starts.
pub const SCRATCH_BYTES: u32 = 256;
/// Bytes of the context, of which the words below are defined.
pub const CONTEXT_BYTES: u32 = 32;
/// The largest readable window: bytes from the packet's end up to the window read as zero.
pub const WINDOW_MAX: u32 = 128;
/// The longest packet a node hands to a handler, in bytes.
pub const PACKET_MAX: u32 = 65_535;

/// Registers with a meaning when a handler starts, by number.
pub mod reg {
    /// Link register of host calls and subroutines.
    pub const RA: u8 = 1;
    /// First byte of the scratch area; never written by code.
    pub const SP: u8 = 2;
    /// The context, for good.
    pub const GP: u8 = 3;
    /// The `carried` area, for good.
    pub const TP: u8 = 4;
    /// Link register of subroutines that make host calls.
    pub const T0: u8 = 5;
    /// Address of the packet's first byte at the handler's layer; never written by code.
    pub const S0: u8 = 8;
    /// Length of the packet from `S0` in bytes, at most `PACKET_MAX`; never written by code.
    pub const S1: u8 = 9;
    /// The verdict; zero when a handler starts.
    pub const A0: u8 = 10;
    /// The verdict's operand; zero when a handler starts.
    pub const A1: u8 = 11;
    /// The `carried` area when a handler starts; an ordinary register from then on.
    pub const A4: u8 = 14;
    /// The context when a handler starts; an ordinary register from then on.
    pub const A5: u8 = 15;
}

/// Byte offsets of the words of the context.
pub mod context {
    /// Port on which the packet came in.
    pub const INGRESS_PORT: u32 = 0;
    /// Number of this node.
    pub const NODE_ID: u32 = 4;
    /// Packets waiting in the queue the packet would join.
    pub const QUEUE_DEPTH: u32 = 8;
    /// Offset of the network header from the packet's first byte, 0..63, all ones for none.
    pub const NETWORK_OFFSET: u32 = 12;
    /// Low word of the clock in nanoseconds; zero without the right `Clock`.
    pub const CLOCK_LOW: u32 = 16;
    /// High word of the clock.
    pub const CLOCK_HIGH: u32 = 20;
    /// Next hop of the path.
    pub const NEXT_HOP: u32 = 24;
    /// Handle of the carried flow, or 0.
    pub const FLOW: u32 = 28;
}
