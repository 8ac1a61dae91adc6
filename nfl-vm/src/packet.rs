//! What a run works on: the packet from the handler's layer on, and the context of the node.

use nfl_abi::map;

/// The bytes of a packet from the first byte of the handler's layer, and the room around them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    bytes: Vec<u8>,
    head_room: u32,
    tail_room: u32,
}

/// Bytes that a packet may grow by in front, unless a node says otherwise.
pub const HEAD_ROOM: u32 = 128;
/// Bytes that a packet may grow by at its end, unless a node says otherwise.
pub const TAIL_ROOM: u32 = 256;

impl Default for Packet {
    fn default() -> Packet {
        Packet::from(Vec::new())
    }
}

impl From<&[u8]> for Packet {
    fn from(bytes: &[u8]) -> Packet {
        Packet::from(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Packet {
    fn from(bytes: Vec<u8>) -> Packet {
        Packet {
            bytes,
            head_room: HEAD_ROOM,
            tail_room: TAIL_ROOM,
        }
    }
}

impl Packet {
    /// The same bytes with other room around them: in front and at the end, in bytes.
    #[must_use]
    pub fn with_room(self, head: u32, tail: u32) -> Packet {
        Packet {
            bytes: self.bytes,
            head_room: head,
            tail_room: tail,
        }
    }

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

    /// So many zero bytes in front; answers whether there was room.
    pub(crate) fn push(&mut self, bytes: u32) -> bool {
        if bytes > self.head_room || !self.may_grow(bytes) {
            return false;
        }
        self.head_room -= bytes;
        self.bytes
            .splice(0..0, std::iter::repeat_n(0, bytes as usize));
        true
    }

    /// Removes so many bytes in front; answers whether there were as many.
    pub(crate) fn pop(&mut self, bytes: u32) -> bool {
        if bytes as usize > self.bytes.len() {
            return false;
        }
        self.head_room = self.head_room.saturating_add(bytes);
        self.bytes.drain(..bytes as usize);
        true
    }

    /// So many zero bytes at the end; answers whether there was room.
    pub(crate) fn append(&mut self, bytes: u32) -> bool {
        if bytes > self.tail_room || !self.may_grow(bytes) {
            return false;
        }
        self.tail_room -= bytes;
        self.bytes.resize(self.bytes.len() + bytes as usize, 0);
        true
    }

    /// Keeps the first so many bytes; a shorter packet stays as it is.
    pub(crate) fn cut(&mut self, bytes: u32) {
        let gone = self.bytes.len().saturating_sub(bytes as usize);
        self.bytes.truncate(bytes as usize);
        self.tail_room = self.tail_room.saturating_add(gone as u32);
    }

    fn may_grow(&self, bytes: u32) -> bool {
        self.bytes.len() as u64 + u64::from(bytes) <= u64::from(map::PACKET_MAX)
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

/// The furthest network header that handlers are told of, in bytes.
pub(crate) const NETWORK_OFFSET_MAX: u8 = 63;

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
