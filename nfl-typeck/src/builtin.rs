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
    PacketQueue => "queue", Packet, None, "u32 queue", "Packets waiting in the queue it would join.";
    NodeIdent => "id", Node, None, "NodeId id", "The number of this node.";
    MacIsMulticast => "isMulticast", Mac, Some(0), "boolean isMulticast()", "Whether the group bit is set.";
    MacIsLocal => "isLocal", Mac, Some(0), "boolean isLocal()", "Whether the address is locally administered.";
    Ip6High => "high", Ip6, None, "u64 high", "The upper half of the address as a number.";
    Ip6Low => "low", Ip6, None, "u64 low", "The lower half of the address as a number.";
    ArrayLength => "length", Array, None, "u32 length", "How many elements there are.";
}
