//! What a run works on: the packet from the handler's layer on, and the context of the node.

use nfl_abi::map;

/// The bytes of a packet from the first byte of the handler's layer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    bytes: Vec<u8>,
}

impl From<&[u8]> for Packet {
    fn from(bytes: &[u8]) -> Packet {
        Packet {
            bytes: bytes.to_vec(),
        }
    }
}

impl From<Vec<u8>> for Packet {
    fn from(bytes: Vec<u8>) -> Packet {
        Packet { bytes }
    }
}

impl Packet {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, for the node to change between two runs.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no byte, as in a timer.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// What a node tells a handler besides the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Context {
    /// Port on which the packet came in.
    pub ingress_port: u32,
    /// Number of this node.
    pub node_id: u32,
    /// Packets waiting in the queue the packet would join.
    pub queue_depth: u32,
    /// Offset of the network header from the packet's first byte. Handlers learn of offsets up to
    /// 63; a larger one counts as none.
    pub network_offset: Option<u8>,
    /// The time in nanoseconds; images without the right `Clock` see zero.
    pub clock_ns: u64,
    /// Next hop of the path.
    pub next_hop: u32,
    /// Handle of the carried flow, or 0.
    pub flow: u32,
}

const NETWORK_OFFSET_MAX: u8 = 63;

impl Context {
    /// The context as code reads it.
    pub(crate) fn to_bytes(self, clock: bool) -> [u8; map::CONTEXT_BYTES as usize] {
        let clock_ns = if clock { self.clock_ns } else { 0 };
        let network = self
            .network_offset
            .filter(|&at| at <= NETWORK_OFFSET_MAX)
            .map_or(u32::MAX, u32::from);
        let mut bytes = [0; map::CONTEXT_BYTES as usize];
        for (at, word) in [
            (map::context::INGRESS_PORT, self.ingress_port),
            (map::context::NODE_ID, self.node_id),
            (map::context::QUEUE_DEPTH, self.queue_depth),
            (map::context::NETWORK_OFFSET, network),
            (map::context::CLOCK_LOW, clock_ns as u32),
            (map::context::CLOCK_HIGH, (clock_ns >> 32) as u32),
            (map::context::NEXT_HOP, self.next_hop),
            (map::context::FLOW, self.flow),
        ] {
            bytes[at as usize..at as usize + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}
