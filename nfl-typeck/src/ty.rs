//! Types: interned, so that equal types are equal numbers.

use crate::tables::{
    EnumId, FunctionId, HeaderId, OneOfId, RecordId, ResourceId, SealedId, TemplateId,
};
use nfl_syntax::Names;
use nfl_syntax::arena::{SharedMap, SharedVec};
use nfl_syntax::hash::Seed;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

nfl_syntax::entity! {
    /// A type; `Ty::default()` is the error type.
    pub struct Ty = "ty";
}

impl Default for Ty {
    fn default() -> Ty {
        nfl_syntax::arena::Id::new(0)
    }
}

/// What a type is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TyKind {
    /// After an error that was reported; compatible with everything.
    Error,
    /// No value.
    Void,
    /// `boolean`
    Bool,
    /// `u8`, `u16`, `u32`, `u64` and `bits<N>`: unsigned of 1 to 64 bits. `u8` and `bits<8>` are one type.
    Unsigned(u8),
    /// `int` (32) and `long` (64).
    Signed(u8),
    /// An IPv4 address.
    Ip4,
    /// An IPv6 address.
    Ip6,
    /// An Ethernet address.
    Mac,
    /// An IPv4 prefix.
    Prefix4,
    /// An IPv6 prefix.
    Prefix6,
    /// A port of the node, 16 bits.
    Port,
    /// A multicast group, 16 bits.
    Group,
    /// A node of the fabric, 32 bits.
    NodeId,
    /// A length of time in nanoseconds, 64 bits.
    Duration,
    /// A point in time in nanoseconds, 64 bits.
    Instant,
    /// Bits or packets per second, 64 bits.
    Rate,
    /// Bytes, 32 bits.
    Size,
    /// Why a packet was dropped.
    Reason,
    /// What becomes of a packet.
    Verdict,
    /// The packet of a handler.
    Packet,
    /// The node.
    Node,
    /// `LINK` or `NETWORK`.
    Layer,
    /// A constant text.
    Text,
    /// A view of a header.
    View(HeaderId),
    /// What lies behind a header: `ip.body`.
    Body(HeaderId),
    /// What lies behind one of several headers.
    BodyOfOne(OneOfId),
    /// A fixed number of elements.
    Array(Ty, Len),
    /// A record with its type arguments.
    Record(RecordId),
    /// An enum and the width of its numbers in bits.
    Enum(EnumId, u8),
    /// A sealed interface of records with its type arguments: a member and its components.
    Sealed(SealedId),
    /// A view of one of several headers: a sealed interface of headers.
    OneOf(OneOfId),
    /// Bytes of the payload.
    Bytes,
    /// A place in the payload that moves forward.
    Cursor,
    /// A flow: its five-tuple.
    FlowKey,
    /// State on the node: a table, register, counter or meter.
    Resource(ResourceId),
    /// Headers under construction, outermost first.
    Stack,
    /// A function with its parameters, in tests.
    Instance(FunctionId),
    /// What a handler answered, in tests.
    Outcome,
    /// The copies that a handler sent, in tests.
    Mirrors,
    /// One of them: a port and a packet.
    Mirror,
    /// A record that was reported, in tests. Which one is known when it is made.
    Report,
}

/// How many elements an array has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Len {
    /// So many.
    Known(u32),
    /// As many as a parameter says.
    Template(TemplateId),
}

/// All types of a program.
#[derive(Clone)]
pub struct Types {
    kinds: SharedVec<Ty, TyKind>,
    /// The types by what they are. Only asked, never gone through, so its order does not matter.
    numbers: HashMap<TyKind, Ty, Seed>,
    /// The same for those that are shared.
    first: Arc<HashMap<TyKind, Ty, Seed>>,
    /// How declared types are written.
    labels: SharedMap<Ty, Option<String>>,
    /// Records and headers, and the sealed interfaces that they are members of.
    members: BTreeSet<(Ty, Ty)>,
}

impl Default for Types {
    fn default() -> Types {
        let mut kinds = SharedVec::default();
        let error = kinds.push(TyKind::Error);
        Types {
            kinds,
            numbers: HashMap::from_iter([(TyKind::Error, error)]),
            first: Arc::default(),
            labels: SharedMap::default(),
            members: BTreeSet::new(),
        }
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut types = f.debug_struct("Types");
        types.field("kinds", &self.kinds);
        types.field("labels", &self.labels);
        types.field("members", &self.members).finish()
    }
}

impl Types {
    /// The type of this kind.
    pub fn intern(&mut self, kind: TyKind) -> Ty {
        if let Some(&ty) = self.first.get(&kind) {
            return ty;
        }
        let new = || self.kinds.push(kind);
        *self.numbers.entry(kind).or_insert_with(new)
    }

    /// Shares all types that there are: copies have them too, and take no time.
    pub(crate) fn share(&mut self) {
        self.kinds.share();
        self.labels.share();
        let mut all = Arc::unwrap_or_clone(std::mem::take(&mut self.first));
        all.extend(std::mem::take(&mut self.numbers));
        self.first = Arc::new(all);
    }

    /// The type of this kind, if the program has it.
    pub fn find(&self, kind: TyKind) -> Option<Ty> {
        let own = self.numbers.get(&kind);
        own.or_else(|| self.first.get(&kind)).copied()
    }

    /// Notes how a declared type is written.
    pub(crate) fn name(&mut self, ty: Ty, label: String) {
        self.labels.set(ty, Some(label));
    }

    /// Notes that the values of a record, or the views of a header, are values of a sealed interface.
    pub(crate) fn implement(&mut self, record: Ty, sealed: Ty) {
        self.members.insert((record, sealed));
    }

    /// The sealed interfaces that a record is a member of.
    pub(crate) fn sealed_of(&self, record: Ty) -> impl Iterator<Item = Ty> + '_ {
        let all = self.members.iter();
        all.filter(move |(r, _)| *r == record).map(|(_, s)| *s)
    }

    /// What a type is.
    pub fn kind(&self, ty: Ty) -> TyKind {
        self.kinds[ty]
    }

    /// Its width in bits, for types whose values are numbers or addresses.
    pub fn bits(&self, ty: Ty) -> Option<u32> {
        Some(match self.kind(ty) {
            TyKind::Bool => 1,
            TyKind::Unsigned(n) | TyKind::Signed(n) | TyKind::Enum(_, n) => u32::from(n),
            TyKind::Ip4 | TyKind::NodeId | TyKind::Size => 32,
            TyKind::Ip6 => 128,
            TyKind::Mac => 48,
            TyKind::Port | TyKind::Group => 16,
            TyKind::Duration | TyKind::Instant | TyKind::Rate => 64,
            _ => return None,
        })
    }

    /// Whether its numbers are signed.
    pub fn is_signed(&self, ty: Ty) -> bool {
        matches!(self.kind(ty), TyKind::Signed(_))
    }

    /// Whether every value of `a` is a value of `b` (⊑ of the language).
    pub fn fits(&self, a: Ty, b: Ty) -> bool {
        if a == b {
            return true;
        }
        match (self.kind(a), self.kind(b)) {
            (TyKind::Error, _) | (_, TyKind::Error) => true,
            // What lies behind a header is bytes.
            (TyKind::Body(_) | TyKind::BodyOfOne(_), TyKind::Bytes) => true,
            (TyKind::Unsigned(n), TyKind::Unsigned(m)) => n <= m,
            (TyKind::Unsigned(n), TyKind::Signed(m)) => n < m,
            (TyKind::Signed(n), TyKind::Signed(m)) => n <= m,
            (TyKind::Record(_), TyKind::Sealed(_)) | (TyKind::View(_), TyKind::OneOf(_)) => {
                self.members.contains(&(a, b))
            }
            _ => false,
        }
    }

    /// The wider of two types one of which fits into the other.
    pub fn wider(&self, a: Ty, b: Ty) -> Option<Ty> {
        if self.fits(a, b) && self.kind(b) != TyKind::Error {
            Some(b)
        } else if self.fits(b, a) {
            Some(a)
        } else {
            None
        }
    }

    /// The type as it is written.
    pub fn show(
        &self,
        ty: Ty,
        names: &Names,
        header_name: &dyn Fn(HeaderId) -> nfl_syntax::Name,
    ) -> String {
        if let Some(label) = &self.labels[ty] {
            return label.clone();
        }
        match self.kind(ty) {
            TyKind::Error => "?".to_string(),
            TyKind::Void => "void".to_string(),
            TyKind::Bool => "boolean".to_string(),
            TyKind::Unsigned(n @ (8 | 16 | 32 | 64)) => format!("u{n}"),
            TyKind::Unsigned(n) => format!("bits<{n}>"),
            TyKind::Signed(32) => "int".to_string(),
            TyKind::Signed(_) => "long".to_string(),
            TyKind::Text => "String".to_string(),
            TyKind::Instance(_) => "a function with its parameters".to_string(),
            TyKind::View(h) => names.text(header_name(h)).to_string(),
            TyKind::Body(h) => format!("{}.body", names.text(header_name(h))),
            TyKind::Array(elem, Len::Known(n)) => {
                format!("{}[{n}]", self.show(elem, names, header_name))
            }
            TyKind::Array(elem, Len::Template(_)) => {
                format!("{}[…]", self.show(elem, names, header_name))
            }
            other => format!("{other:?}"),
        }
    }
}
