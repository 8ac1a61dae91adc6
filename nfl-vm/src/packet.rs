//! What a run works on: the packet from the handler's layer on, and the context of the node.
//!
//! In: a packet with room around it, in a buffer of its own ([`Packet`]) or of the caller's
//! ([`Frame`]). Guaranteed: a run copies no packet whose buffer reaches up to the image's window;
//! services that move the packet move its ends only; the bytes from the packet's end up to the window
//! are zero at every instruction.

use std::fmt;
use std::mem;
use std::ops::Range;

use nfl_abi::map;

/// Bytes that a packet may grow by in front, unless a node says otherwise.
pub const HEAD_ROOM: u32 = 128;
/// Bytes that a packet may grow by at its end, unless a node says otherwise.
pub const TAIL_ROOM: u32 = 256;

/// Where a packet lies in its buffer: from `start`, so many bytes, and it may grow up to `end`.
#[derive(Clone, Copy, Debug)]
struct Ends {
    start: usize,
    len: usize,
    end: usize,
}

impl Ends {
    fn bytes(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// A packet in a buffer of its own: the bytes from the first of the handler's layer on, and the room
/// around them.
#[derive(Clone)]
pub struct Packet {
    /// Behind the room at the end are as many bytes as the largest window has.
    buffer: Vec<u8>,
    ends: Ends,
}

impl Default for Packet {
    fn default() -> Packet {
        Packet::from(Vec::new())
    }
}

impl From<&[u8]> for Packet {
    fn from(bytes: &[u8]) -> Packet {
        Packet::with(bytes, HEAD_ROOM, TAIL_ROOM)
    }
}

impl From<Vec<u8>> for Packet {
    fn from(bytes: Vec<u8>) -> Packet {
        Packet::from(&bytes[..])
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Packet) -> bool {
        let room = |packet: &Packet| (packet.head_room(), packet.tail_room());
        self.bytes() == other.bytes() && room(self) == room(other)
    }
}

impl Eq for Packet {}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("bytes", &self.bytes())
            .field("head_room", &self.head_room())
            .field("tail_room", &self.tail_room())
            .finish()
    }
}

impl Packet {
    fn with(bytes: &[u8], head: u32, tail: u32) -> Packet {
        let room = |bytes: u32| bytes.min(map::PACKET_MAX) as usize;
        let start = room(head);
        let end = start + bytes.len() + room(tail);
        let mut buffer = vec![0; end + map::WINDOW_MAX as usize];
        let len = bytes.len();
        let ends = Ends { start, len, end };
        buffer[ends.bytes()].copy_from_slice(bytes);
        Packet { buffer, ends }
    }

    /// The same bytes with other room around them: in front and at the end, in bytes. More than the
    /// longest packet has counts as that many.
    #[must_use]
    pub fn with_room(self, head: u32, tail: u32) -> Packet {
        Packet::with(self.bytes(), head, tail)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.ends.bytes()]
    }

    /// The bytes, for the node to change between two runs.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.ends.bytes()]
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.ends.len
    }

    /// Whether there is no byte, as in a timer.
    pub fn is_empty(&self) -> bool {
        self.ends.len == 0
    }

    /// Bytes that it may grow by in front.
    pub fn head_room(&self) -> usize {
        self.ends.start
    }

    /// Bytes that it may grow by at its end.
    pub fn tail_room(&self) -> usize {
        self.ends.end - self.ends.bytes().end
    }

    /// The packet as a run works on it, with so many bytes open to loads at least.
    pub(crate) fn view(&mut self, window: u32) -> View<'_> {
        View::new(&mut self.buffer, &mut self.ends, window, None)
    }
}

/// A packet in a buffer of the caller's, which runs work on in place: a run moves the ends only, and
/// what lies around the packet is room for it to grow. Runs leave the bytes in front of the packet
/// as they were and may overwrite those behind it.
///
/// Loads may reach behind the end of a short packet, up to the image's window (128 bytes at most). A
/// buffer that ends before that is no error: the packet is then copied, once, for the run.
pub struct Frame<'a> {
    buffer: &'a mut [u8],
    ends: Ends,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("bytes", &self.bytes())
            .field("head_room", &self.head_room())
            .field("tail_room", &self.tail_room())
            .finish()
    }
}

impl<'a> Frame<'a> {
    /// The packet that lies in `buffer` from byte `start` on and has `len` bytes; nothing when that
    /// is not inside the buffer. What is in front of it and behind it is room.
    #[inline]
    pub fn new(buffer: &'a mut [u8], start: usize, len: usize) -> Option<Frame<'a>> {
        let end = buffer.len();
        if start > end || len > end - start {
            return None;
        }
        let ends = Ends { start, len, end };
        Some(Frame { buffer, ends })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.ends.bytes()]
    }

    /// The bytes, for the node to change between two runs.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.ends.bytes()]
    }

    /// Where the packet begins in the buffer; this is the room in front of it, in bytes.
    pub fn head_room(&self) -> usize {
        self.ends.start
    }

    /// Bytes of the buffer behind the packet.
    pub fn tail_room(&self) -> usize {
        self.ends.end - self.ends.bytes().end
    }

    /// How many bytes the packet has.
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len
    }

    /// Whether it has none, as in a timer.
    pub fn is_empty(&self) -> bool {
        self.ends.len == 0
    }

    /// The packet without its first bytes, in the same buffer; nothing when it has not so many. What is cut
    /// off does not belong to its room.
    pub(crate) fn behind(&mut self, bytes: usize) -> Option<Frame<'_>> {
        let len = self.ends.len.checked_sub(bytes)?;
        let from = self.ends.start + bytes;
        Frame::new(&mut self.buffer[from..], 0, len)
    }

    /// Makes zeros of what lies behind a short packet up to the window, for host code that does not resize it; answers whether
    /// the buffer reaches there.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn open(&mut self, window: usize) -> bool {
        self.ends.len >= window || self.open_short(window)
    }

    #[cfg(feature = "jit")]
    #[inline(never)]
    fn open_short(&mut self, window: usize) -> bool {
        let Ends { start, len, .. } = self.ends;
        let behind = self.buffer.get_mut(start + len..start + window);
        behind.map(|behind| behind.fill(0)).is_some()
    }

    /// The same packet, in a place of its own: for what leaves it where it is.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> Frame<'_> {
        Frame {
            buffer: self.buffer,
            ends: self.ends,
        }
    }

    /// Works on it in another place, so that this one may stay in registers.
    #[inline(always)]
    pub(crate) fn apart<R>(&mut self, work: impl FnOnce(&mut Frame<'_>) -> R) -> R {
        let mut other = self.again();
        let result = work(&mut other);
        self.ends = other.ends;
        result
    }

    /// The address of the first byte, and how many there are.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn start(&mut self) -> (*mut u8, usize) {
        let Ends { start, len, .. } = self.ends;
        (self.buffer[start..].as_mut_ptr(), len)
    }

    /// The packet as a run works on it; `spare` takes it where the buffer is too short.
    #[inline]
    pub(crate) fn view<'v>(&'v mut self, window: u32, spare: &'v mut Vec<u8>) -> View<'v> {
        View::new(self.buffer, &mut self.ends, window, Some(spare))
    }
}

/// A packet during a run. The bytes from its end up to the window are there and zero.
#[derive(Debug)]
pub(crate) struct View<'a> {
    buffer: &'a mut [u8],
    ends: &'a mut Ends,
    window: usize,
    /// Where the packet goes when its buffer ends before the window, which that of a [`Packet`]
    /// never does.
    spare: Option<&'a mut Vec<u8>>,
    /// The buffer it came from when it went there.
    home: Option<&'a mut [u8]>,
}

impl<'a> View<'a> {
    #[inline]
    fn new(
        buffer: &'a mut [u8],
        ends: &'a mut Ends,
        window: u32,
        spare: Option<&'a mut Vec<u8>>,
    ) -> View<'a> {
        let mut view = View {
            buffer,
            ends,
            window: window.min(map::WINDOW_MAX) as usize,
            spare,
            home: None,
        };
        view.open_window();
        view
    }

    /// The bytes of the packet.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.ends.bytes()]
    }

    /// The same, to be written.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.ends.bytes()]
    }

    /// How many bytes the packet has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ends.len
    }

    /// What loads may read: the packet and, behind a short one, zeros up to the window.
    #[inline]
    pub(crate) fn readable(&self) -> &[u8] {
        let start = self.ends.start;
        &self.buffer[start..start + self.ends.len.max(self.window)]
    }

    /// The address of the first byte of what loads may read.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn start(&mut self) -> *mut u8 {
        self.buffer[self.ends.start..].as_mut_ptr()
    }

    /// The same, for loads and stores; stores are below the packet's length.
    #[inline]
    pub(crate) fn readable_mut(&mut self) -> &mut [u8] {
        let start = self.ends.start;
        &mut self.buffer[start..start + self.ends.len.max(self.window)]
    }

    /// So many zero bytes in front; answers whether there was room.
    pub(crate) fn push(&mut self, bytes: u32) -> bool {
        let many = bytes as usize;
        if many > self.ends.start || !self.may_grow(bytes) {
            return false;
        }
        let behind = self.ends.start;
        self.ends.start -= many;
        self.ends.len += many;
        self.buffer[self.ends.start..behind].fill(0);
        true
    }

    /// Removes so many bytes in front; answers whether there were as many.
    pub(crate) fn pop(&mut self, bytes: u32) -> bool {
        let many = bytes as usize;
        if many > self.ends.len {
            return false;
        }
        self.ends.start += many;
        self.ends.len -= many;
        self.open_window();
        true
    }

    /// So many zero bytes at the end; answers whether there was room.
    pub(crate) fn append(&mut self, bytes: u32) -> bool {
        let many = bytes as usize;
        let behind = self.ends.bytes().end;
        if many > self.ends.end - behind || !self.may_grow(bytes) {
            return false;
        }
        self.buffer[behind..behind + many].fill(0);
        self.ends.len += many;
        true
    }

    /// Keeps the first so many bytes; a shorter packet stays as it is.
    pub(crate) fn cut(&mut self, bytes: u32) {
        self.ends.len = self.ends.len.min(bytes as usize);
        self.open_window();
    }

    fn may_grow(&self, bytes: u32) -> bool {
        self.ends.len as u64 + u64::from(bytes) <= u64::from(map::PACKET_MAX)
    }

    /// Zeroes what is open to loads behind the packet.
    #[inline]
    fn open_window(&mut self) {
        if self.ends.len >= self.window {
            return;
        }
        let open = self.ends.start + self.window;
        if open > self.buffer.len() {
            self.move_to_spare();
        }
        self.buffer[self.ends.bytes().end..open].fill(0);
    }

    /// Packets keep their offsets there, so that they can come back.
    #[cold]
    fn move_to_spare(&mut self) {
        let Some(spare) = self.spare.take() else {
            return;
        };
        // Wherever the packet moves to within its room, the window has place behind it.
        let needed = self.ends.end + self.window;
        if spare.len() < needed {
            spare.resize(needed, 0);
        }
        let at = self.ends.bytes();
        spare[at.clone()].copy_from_slice(&self.buffer[at]);
        self.home = Some(mem::replace(&mut self.buffer, spare));
    }
}

impl Drop for View<'_> {
    /// The packet goes home, whatever ended the run.
    fn drop(&mut self) {
        if let Some(home) = &mut self.home {
            let at = self.ends.bytes();
            home[at.clone()].copy_from_slice(&self.buffer[at]);
        }
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
    /// Where in memory of a little-endian host the word lies that code reads at this offset; nothing for one that is made
    /// only when the context is told as bytes.
    #[cfg(feature = "jit")]
    pub(crate) fn word(offset: u32, clock: bool) -> Option<usize> {
        Some(match offset {
            map::context::INGRESS_PORT => mem::offset_of!(Context, ingress_port),
            map::context::NODE_ID => mem::offset_of!(Context, node_id),
            map::context::QUEUE_DEPTH => mem::offset_of!(Context, queue_depth),
            map::context::CLOCK_LOW if clock => mem::offset_of!(Context, clock_ns),
            map::context::CLOCK_HIGH if clock => mem::offset_of!(Context, clock_ns) + 4,
            map::context::NEXT_HOP => mem::offset_of!(Context, next_hop),
            map::context::FLOW => mem::offset_of!(Context, flow),
            _ => return None,
        })
    }

    /// The context as code reads it.
    #[inline]
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
