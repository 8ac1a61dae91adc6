//! The image: what the compiler emits, what is signed, what a node proves and runs.
//!
//! In: the parts of an image. Out: the same parts and their one byte form (deterministic CBOR, RFC
//! 8949 section 4.2): an array of four byte strings, manifest, code, constants and certificate.
//! Guaranteed: `from_bytes` accepts only what `to_bytes` writes, never panics, and bounds every
//! allocation by the length of its input.

mod codec;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::codes::{self, Code};

/// Bytes of `carried` that the carrier's header can count: one byte of four-byte units.
pub const CARRIED_MAX: usize = 255 * 4;

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant = $number),* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The number that stands in images.
            pub fn number(self) -> u8 {
                self as u8
            }

            /// The one with this number.
            pub fn from_number(number: u8) -> Option<$name> {
                match number { $($number => Some($name::$variant),)* _ => None }
            }

            /// The spelling in source, messages and manifests.
            pub fn text(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The one with this spelling.
            pub fn from_text(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

closed_set! {
    /// Where an image lives.
    Profile {
        /// In the packets of a flow.
        Capsule = 0, "capsule";
        /// On the node.
        Resident = 1, "resident";
    }
}

closed_set! {
    /// When a handler runs.
    Role {
        /// In packets of the originator, where they enter the fabric.
        Originator = 0, "originator";
        /// In packets of the responder, where they enter the fabric.
        Responder = 1, "responder";
        /// At the nodes in between, for packets of either party.
        Transit = 2, "transit";
        /// At the receiver's node, for packets of either party.
        Arrival = 3, "arrival";
        /// Resident, for packets entering the node.
        Ingress = 4, "ingress";
        /// Resident, for packets leaving the node.
        Egress = 5, "egress";
        /// Resident, on a timer.
        Every = 6, "every";
    }
}

impl Role {
    /// The profile of the image that holds handlers of this role.
    pub fn profile(self) -> Profile {
        match self {
            Role::Originator | Role::Responder | Role::Transit | Role::Arrival => Profile::Capsule,
            Role::Ingress | Role::Egress | Role::Every => Profile::Resident,
        }
    }
}

closed_set! {
    /// Where the packet begins for a handler.
    Layer {
        /// At the link header.
        Link = 0, "LINK";
        /// At the network header; only IPv4 and IPv6 packets.
        Network = 1, "NETWORK";
    }
}

closed_set! {
    /// What becomes of a packet: the word in `a0` when a handler finishes.
    VerdictKind {
        /// Gone; the operand is the reason.
        Drop = 0, "Drop";
        /// To the next stage, then the node's own forwarding.
        Pass = 1, "Pass";
        /// Out of the port in the operand.
        Forward = 2, "Forward";
        /// One copy for each member of the group in the operand.
        Multicast = 3, "Multicast";
        /// Towards the node in the operand.
        Steer = 4, "Steer";
        /// Back where it came from.
        Reply = 5, "Reply";
        /// To the controller; the operand is the reason.
        Punt = 6, "Punt";
        /// Once more through this function.
        Recirculate = 7, "Recirculate";
    }
}

closed_set! {
    /// What a function may do beyond reading its packet and answering `Pass` or `Drop`.
    Right {
        /// Assign header fields and packet priority.
        Rewrite = 0, "Rewrite";
        /// Push, pop, append, cut.
        Resize = 1, "Resize";
        /// `Forward`, `Steer`, `Reply`, `Recirculate`.
        Route = 2, "Route";
        /// `Multicast` and mirror.
        Replicate = 3, "Replicate";
        /// `Punt`.
        Control = 4, "Control";
        /// Write flow tables and registers.
        State = 5, "State";
        /// Read the time.
        Clock = 6, "Clock";
        /// Draw random numbers.
        Random = 7, "Random";
        /// `log` and `report`.
        Report = 8, "Report";
    }
}

impl VerdictKind {
    /// The right a verdict needs; `Pass` and `Drop` need none.
    pub fn right(self) -> Option<Right> {
        match self {
            VerdictKind::Drop | VerdictKind::Pass => None,
            VerdictKind::Forward
            | VerdictKind::Steer
            | VerdictKind::Reply
            | VerdictKind::Recirculate => Some(Right::Route),
            VerdictKind::Multicast => Some(Right::Replicate),
            VerdictKind::Punt => Some(Right::Control),
        }
    }
}

/// The instruction set an image is written in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TargetId(pub u8);

/// A set of [`Right`]s, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rights(pub u16);

impl Rights {
    /// No right at all.
    pub const NONE: Rights = Rights(0);

    /// This set and one more right.
    #[must_use]
    pub fn with(self, right: Right) -> Rights {
        Rights(self.0 | 1 << right.number())
    }

    /// The rights in either set.
    #[must_use]
    pub fn union(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// The rights of this set that `other` lacks.
    #[must_use]
    pub fn without(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }

    /// Whether the set holds `right`.
    pub fn has(self, right: Right) -> bool {
        self.0 >> right.number() & 1 != 0
    }

    /// The rights in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.iter().copied().filter(move |&r| self.has(r))
    }
}

/// Standard drop and punt reasons, by number; a program's own start at [`OWN_REASONS`].
pub const REASONS: &[&str] = &[
    "POLICY",
    "MALFORMED",
    "EXHAUSTED",
    "HOP_LIMIT",
    "NO_ROUTE",
    "UNKNOWN_PROTOCOL",
    "RATE",
    "OFF_PATH",
    "NO_ROOM",
];
/// First number of a reason that a program declares itself.
pub const OWN_REASONS: u8 = 16;
/// The reason that the machine reports for a fault.
pub const REASON_FAULT: u8 = 255;
/// How many reasons of its own a program may have.
pub const OWN_REASONS_MAX: u8 = REASON_FAULT - OWN_REASONS;
/// How many resources an image may have: imports name them by one byte.
pub const RESOURCES_MAX: u32 = 255;

/// The four parts of a program that a node runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// What the code needs and promises.
    pub manifest: Manifest,
    /// Instructions, from `map::CODE_BASE` up.
    pub code: Vec<u8>,
    /// Constants, from `map::CONSTANTS_BASE` up; late words first.
    pub constants: Vec<u8>,
    /// Claims about loops, for the byte verifier.
    pub certificate: Vec<u8>,
}

/// What an image declares about itself. Nothing in it is believed without proof or grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// Qualified name of the function, with the party behind a dot in capsules.
    pub name: String,
    /// Rising counter of the program's versions.
    pub version: u32,
    /// Where the image lives.
    pub profile: Profile,
    /// Its instruction set.
    pub target: TargetId,
    /// Where it may be entered.
    pub entries: Vec<Entry>,
    /// Services it calls; slot `k` of the vector is the `k`-th.
    pub imports: Vec<Import>,
    /// State that the imports name.
    pub resources: Vec<Resource>,
    /// Bit `n` is set when verdict number `n` may be the outcome.
    pub verdicts: u8,
    /// What it does to the network beyond `Pass` and `Drop`.
    pub rights: Rights,
    /// How often a packet may run through it.
    pub passes: u8,
    /// Bytes from the packet's start that are always readable, at most `map::WINDOW_MAX`.
    pub window: u8,
    /// Memory that travels with the packet: its bytes when a flow's first packet starts.
    pub carried: Vec<u8>,
    /// Parameters that are filled in after compilation.
    pub late: Vec<LateSlot>,
    /// Names of a program's own reasons, from number [`OWN_REASONS`] up.
    pub reasons: Vec<String>,
    /// Who signed it, for whom and for how long; filled by the signer.
    pub claims: Claims,
}

/// One way into an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When it runs.
    pub role: Role,
    /// Where the packet begins.
    pub layer: Layer,
    /// Offset of its first instruction in the code, in bytes.
    pub pc: u32,
    /// The node calls it only for packets of at least this many bytes; shorter ones get `malformed`.
    pub need: u16,
    /// The verdict for packets shorter than `need`.
    pub malformed: Verdict,
    /// Proved bound of a run, in steps.
    pub steps: u32,
    /// For timers: nanoseconds from run to run; otherwise 0.
    pub period_ns: u64,
}

/// A verdict with its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What becomes of the packet.
    pub kind: VerdictKind,
    /// Reason, port, group or node; 0 where the kind takes none.
    pub operand: u32,
}

/// A service that an image calls, and what it calls it on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Import {
    /// Number of the service in `host::SERVICES`.
    pub service: u8,
    /// A constant that the service takes, most often a number of bytes; see `host::call`.
    pub param: u16,
    /// The resource, by its place in [`Manifest::resources`], where the service needs one.
    pub resource: Option<u8>,
}

closed_set! {
    /// What a resource is.
    ResourceKind {
        /// Exact match; packets read it.
        Table = 0, "table";
        /// Longest prefix match over addresses.
        Lpm = 1, "lpm";
        /// First match by priority over values, prefixes and ranges.
        Ternary = 2, "ternary";
        /// Exact membership.
        Set = 3, "set";
        /// Members by consistent hash.
        Ring = 4, "ring";
        /// Exact match that packets write; entries age.
        FlowTable = 5, "flow table";
        /// Membership that packets write; entries age.
        FlowSet = 6, "flow set";
        /// A value for each key that packets write; entries age.
        FlowState = 7, "flow state";
        /// Numbered entries that packets take; entries age.
        Slots = 8, "slots";
        /// One value or an array of them.
        Register = 9, "register";
        /// Packets and bytes.
        Counter = 10, "counter";
        /// Packets and bytes for each key.
        Counters = 11, "counters";
        /// Token buckets for each key.
        Meter = 12, "meter";
        /// A record that is reported to the controller.
        Report = 13, "report";
        /// Connections of the node by tag; packets read it.
        Tags = 14, "tags";
        /// The ports behind which a topic has members; entries age.
        Topic = 15, "topic";
    }
}

/// State on the node that an image uses. Its bytes are opaque to the node: what they mean is in
/// `layout`, whose text the compiler hands to whoever fills the resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// The field's name, in chains behind the name of its stage. With the function's qualified name in
    /// front it is the name under which a node publishes what capsules import.
    pub name: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Bytes of a key, 0 without keys; 4 when `flow_key`.
    pub key_bytes: u16,
    /// Bytes of a value, 0 without values.
    pub value_bytes: u16,
    /// Entries, slots or elements it holds at most.
    pub capacity: u32,
    /// Nanoseconds after which an entry that is not used is gone; 0 when entries do not age.
    pub idle_ns: u64,
    /// The number of the first slot of [`ResourceKind::Slots`]; otherwise 0.
    pub first: u32,
    /// Keys are flow handles (`packet.flow`), and stand for the five-tuple.
    pub flow_key: bool,
    /// CRC-32C of the layout's text.
    pub layout: u32,
}

/// A parameter that is a word (or two) among the constants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateSlot {
    /// The parameter's name.
    pub name: String,
    /// Offset of the word in the constants, in bytes.
    pub offset: u16,
    /// Width of the value in bits, 1..=32.
    pub width: u8,
    /// Whether the value is stored in wire order: its `width / 8` bytes, most significant first.
    pub wire: bool,
    /// Smallest value allowed.
    pub lo: u32,
    /// Largest value allowed.
    pub hi: u32,
}

/// What a signer says about an image (CWT claims, RFC 8392). Absent ones are not written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claims {
    /// Who signed.
    pub issuer: Option<String>,
    /// Which group of nodes may run it.
    pub audience: Option<String>,
    /// Seconds since 1970 from which it is void.
    pub expires: Option<u64>,
    /// Seconds since 1970 before which it is void.
    pub not_before: Option<u64>,
}

/// Why bytes are not an image, or a value not a binding.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes are not the one deterministic form; what is wrong, and where.
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Offset of the first byte that is.
        at: usize,
    },
    /// There is no late parameter of this name.
    NoSuchSlot(String),
    /// The value lies outside the range of a late parameter.
    OutOfRange {
        /// The slot's name.
        name: String,
        /// Smallest value allowed.
        lo: u32,
        /// Largest value allowed.
        hi: u32,
    },
}

impl Image {
    /// Bytes that `ImageLimits::content_bytes` bounds: code, constants and `carried`.
    pub fn content_len(&self) -> usize {
        let carried = self.manifest.carried.len();
        self.code.len() + self.constants.len() + carried
    }

    /// Gives the late parameter `name` its value.
    ///
    /// # Errors
    ///
    /// [`ImageError::NoSuchSlot`], [`ImageError::OutOfRange`], or [`ImageError::Malformed`] when
    /// the parameter's word does not lie among the constants.
    pub fn bind_late(&mut self, name: &str, value: u32) -> Result<(), ImageError> {
        let Some(slot) = self.manifest.late.iter().find(|slot| slot.name == name) else {
            return Err(ImageError::NoSuchSlot(name.into()));
        };
        if value < slot.lo || value > slot.hi {
            return Err(ImageError::OutOfRange {
                name: name.into(),
                lo: slot.lo,
                hi: slot.hi,
            });
        }
        let at = usize::from(slot.offset);
        let word = self.constants.get_mut(at..).and_then(|c| c.get_mut(..4));
        let Some(word) = word else {
            return Err(ImageError::Malformed {
                what: "a late parameter lies outside the constants",
                at,
            });
        };
        word.copy_from_slice(&slot.word(value).to_le_bytes());
        Ok(())
    }
}

impl ImageError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        match self {
            ImageError::Malformed { .. } => &codes::E801,
            ImageError::NoSuchSlot(_) => &codes::E802,
            ImageError::OutOfRange { .. } => &codes::E803,
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Malformed { what, at } => {
                write!(out, "these bytes are not an image: {what} (byte {at})")
            }
            ImageError::NoSuchSlot(name) => {
                write!(out, "the image has no late parameter `{name}`")
            }
            ImageError::OutOfRange { name, lo, hi } => {
                write!(out, "`{name}` takes a value from {lo} to {hi}")
            }
        }
    }
}

impl core::error::Error for ImageError {}

impl LateSlot {
    /// The largest value of its width.
    pub fn largest(&self) -> u32 {
        u32::MAX >> 32u32.saturating_sub(u32::from(self.width)).min(31)
    }

    /// Whether this word among the constants stands for a value of the range.
    pub fn holds(&self, word: u32) -> bool {
        // Exchanging bytes twice changes nothing.
        let value = self.word(word);
        self.word(value) == word && (self.lo..=self.hi).contains(&value)
    }

    /// The word among the constants that stands for `value`, as the code loads it.
    pub fn word(&self, value: u32) -> u32 {
        if !self.wire {
            return value;
        }
        match self.width {
            0..=8 => value,
            9..=16 => u32::from((value as u16).swap_bytes()),
            _ => value.swap_bytes(),
        }
    }
}
