//! The table of builtins: what is not written in NFL.
//!
//! Read by the checker (signature), by lowering (one arm each) and by the reference page.

/// What kind of thing carries the builtin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receiver {
    /// Called by its name alone: `min(a, b)`.
    None,
    /// On the packet: `pkt.size`.
    Packet,
    /// On `node`: `node.id`.
    Node,
    /// On an Ethernet address.
    Mac,
    /// On an IPv6 address.
    Ip6,
    /// On an array.
    Array,
    /// On `pkt.queue`.
    Queue,
    /// On bytes of the payload.
    Bytes,
    /// On a place in the payload.
    Cursor,
    /// On a flow.
    Flow,
    /// On a resource; the library declares it.
    Resource,
    /// Static; the library declares it.
    Class,
    /// On the answer of a table.
    Lookup,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// What it is called on.
    pub receiver: Receiver,
    /// How many arguments it takes; `None` for a field.
    pub args: Option<u8>,
    /// The signature for people.
    pub signature: &'static str,
    /// One sentence for the reference page.
    pub doc: &'static str,
}

macro_rules! builtins {
    ($($name:ident => $text:literal, $receiver:ident, $args:expr, $signature:literal, $doc:literal;)*) => {
        /// A builtin.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Intrinsic { $(#[doc = $doc] $name),* }

        impl Intrinsic {
            /// Every builtin in the order of the table.
            pub const ALL: &'static [Intrinsic] = &[$(Intrinsic::$name),*];

            /// Its row.
            pub fn spec(self) -> &'static Spec {
                const SPECS: &[Spec] = &[$(Spec {
                    name: $text, receiver: Receiver::$receiver, args: $args, signature: $signature, doc: $doc,
                }),*];
                &SPECS[self as usize]
            }
        }
    };
}

builtins! {
    Min => "min", None, Some(2), "T min(T a, T b)", "The smaller of two numbers.";
    Max => "max", None, Some(2), "T max(T a, T b)", "The larger of two numbers.";
    PacketSize => "size", Packet, None, "Size size", "Bytes of the packet from the handler's layer on.";
    PacketPort => "port", Packet, None, "Port port", "The port on which the packet came in.";
    PacketNextHop => "nextHop", Packet, None, "NodeId nextHop", "The next node on the path of the packet's flow.";
    PacketQueue => "queue", Packet, None, "u32 queue", "Packets waiting in the queue it would join.";
    BytesLength => "length", Bytes, None, "u32 length", "How many bytes there are, up to the end of the body.";
    BytesStartsWith => "startsWith", Bytes, Some(1), "boolean startsWith(text)", "Whether the first bytes are these.";
    BytesFind => "find", Bytes, Some(2), "Lookup<Cursor> find(text, u32 within)", "The place behind the first such text among so many bytes.";
    BytesCursor => "cursor", Bytes, Some(0), "Cursor cursor()", "A cursor at the first byte.";
    CursorU8 => "u8", Cursor, Some(0), "u8 u8()", "The next byte; malformed at the end, as are the others.";
    CursorU16 => "u16", Cursor, Some(0), "u16 u16()", "The next two bytes, big-endian.";
    CursorU32 => "u32", Cursor, Some(0), "u32 u32()", "The next four bytes, big-endian.";
    CursorSkip => "skip", Cursor, Some(1), "void skip(u32 bytes)", "Moves on, to the end at most; what is read then must be there.";
    CursorMore => "more", Cursor, Some(0), "boolean more()", "Whether a byte is left.";
    CursorTake => "take", Cursor, Some(1), "Bytes take(u32 bytes)", "The next bytes, as many as this.";
    PacketPush => "push", Packet, Some(1), "void push(headers)", "Puts headers in front; lengths and checksums are computed. `Drop(NO_ROOM)` when there is no room.";
    PacketPop => "pop", Packet, Some(1), "void pop(header)", "Removes everything up to and including this header.";
    PacketAppend => "append", Packet, Some(1), "void append(record)", "Adds a record or headers behind the last byte. `Drop(NO_ROOM)` when there is no room.";
    PacketCut => "cut", Packet, Some(1), "void cut(u32 bytes)", "Keeps at most so many bytes of the packet.";
    PacketMirror => "mirror", Packet, Some(1), "void mirror(Port port)", "Sends a copy of the packet, as it is now, out of a port.";
    PacketPriority => "priority", Packet, None, "u8 priority", "The priority in the node's queues; it can be assigned only.";
    NodeIdent => "id", Node, None, "NodeId id", "The number of this node.";
    MacIsMulticast => "isMulticast", Mac, Some(0), "boolean isMulticast()", "Whether the group bit is set.";
    MacIsLocal => "isLocal", Mac, Some(0), "boolean isLocal()", "Whether the address is locally administered.";
    Ip6High => "high", Ip6, None, "u64 high", "The upper half of the address as a number.";
    Ip6Low => "low", Ip6, None, "u64 low", "The lower half of the address as a number.";
    ArrayLength => "length", Array, None, "u32 length", "How many elements there are.";
    QueueDepth => "depth", Queue, None, "u16 depth", "Packets waiting in the queue it would join, at most 65535.";
    PacketFlow => "flow", Packet, None, "FlowKey flow", "Its flow: addresses, protocol and ports, which are 0 for later fragments and protocols without ports.";
    FlowReverse => "reverse", Flow, Some(0), "FlowKey reverse()", "The flow of the answers.";
    FlowHash => "hash", None, Some(1), "u32 hash(FlowKey flow, …)", "CRC-32C over the five-tuple and what follows it, in wire order.";
    Hash => "hash", None, None, "u32 hash(…)", "CRC-32C (RFC 3720, appendix B.4) over the arguments in wire order, each as whole bytes; the same on every node.";
    SipHash => "siphash", None, None, "u32 siphash(u64 key, …)", "The low 32 bits of SipHash-2-4, for keys that an attacker may choose.";
    Swap => "swap", None, Some(2), "void swap(a, b)", "Exchanges two fields of a header that keep its sums, such as its addresses: no checksum moves.";
    Exchange => "swap", None, Some(2), "void swap(a, b)", "Exchanges the values of two places of one type.";
    Log => "log", None, None, "void log(text, …)", "Writes to the node's log: the text with a value for each `{}`.";
    Report => "report", None, Some(1), "void report(record)", "Sends a record to the controller.";
    ClockNow => "now", Class, Some(0), "Instant Clock.now()", "The present time, which stands still while a handler runs.";
    ClockNanos => "nanos", Class, Some(0), "u32 Clock.nanos()", "The low 32 bits of the present time.";
    ClockMinutes => "minutes", Class, Some(0), "u32 Clock.minutes()", "Whole minutes of the present time, modulo 2^32.";
    RandomNext => "next", Class, Some(0), "u32 Random.next()", "A number that nobody can predict.";
    HashOf => "of", Class, Some(1), "u32 Hash.of(String text)", "FNV-1a of a text, computed by the compiler.";
    NameHashOf => "of", Class, Some(1), "u32 NameHash.of(String name)", "The hash of a domain name, computed by the compiler.";
    TableGet => "get", Resource, Some(1), "Lookup<V> get(K key)", "The value of a key in a table.";
    LpmGet => "get", Resource, Some(1), "Lookup<V> get(K key)", "The value of the longest prefix that holds an address.";
    TernaryMatch => "match", Resource, Some(1), "Lookup<V> match(K key)", "The value of the first rule that matches.";
    SetContains => "contains", Resource, Some(1), "boolean contains(K key)", "Whether a key is in a set.";
    RingPick => "pick", Resource, Some(1), "Lookup<T> pick(u32 number)", "The member of a ring that a number belongs to.";
    FlowGet => "get", Resource, Some(1), "Lookup<V> get(K key)", "The value of a key; reading counts as use.";
    FlowPut => "put", Resource, Some(2), "boolean put(K key, V value)", "Stores a value; false when there is no room.";
    FlowContains => "contains", Resource, Some(1), "boolean contains(K key)", "Whether a key is in a set; asking counts as use.";
    FlowAdd => "add", Resource, Some(1), "boolean add(K key)", "Adds a key; false when there is no room.";
    FlowRemove => "remove", Resource, Some(1), "boolean remove(K key)", "Forgets a key; answers whether it was there.";
    FlowTouch => "touch", Resource, Some(1), "boolean touch(K key)", "Makes an entry young again; answers whether it was there.";
    SlotGet => "get", Resource, Some(1), "Lookup<T> get(u16 slot)", "The value of a number.";
    SlotTake => "take", Resource, Some(1), "Lookup<u16> take(T value)", "Takes a free number.";
    SlotTouch => "touch", Resource, Some(1), "boolean touch(u16 slot)", "Makes a number young again.";
    SlotRemove => "remove", Resource, Some(1), "boolean remove(u16 slot)", "Gives a number back.";
    RegisterGet => "get", Resource, Some(0), "T get()", "The value of a register.";
    RegisterSet => "set", Resource, Some(1), "void set(T value)", "Replaces the value of a register.";
    RegisterAdd => "add", Resource, Some(1), "T add(T value)", "Adds to a register, wrapping; answers the new value.";
    CounterCount => "count", Resource, Some(1), "void count(Packet pkt)", "Counts a packet and its bytes.";
    CountersCount => "count", Resource, Some(2), "void count(K key, Packet pkt)", "Counts a packet and its bytes for a key.";
    MeterCharge => "charge", Resource, Some(2), "Color charge(K key, Size bytes)", "Takes bytes from a token bucket.";
    TagLookup => "lookup", Resource, Some(1), "Lookup<Port> lookup(u32 tag)", "The connection of the node that has a tag.";
    TopicJoin => "join", Resource, Some(0), "boolean join()", "Adds the port on which the packet came in to the members.";
    TopicMembers => "members", Resource, Some(0), "Group members()", "The group of the members.";
    LookupIsHit => "isHit", Lookup, Some(0), "boolean isHit()", "Whether there is a value.";
    LookupOrElse => "orElse", Lookup, Some(1), "V orElse(V other)", "The value that was found, or another one.";
}
