//! Values of a test.

use std::rc::Rc;

use nfl_abi::Layer;
use nfl_abi::image::VerdictKind;
use nfl_typeck::Konst;
use nfl_typeck::tables::{HeaderId, ReasonId, RecordId};
use nfl_vm::FlowTuple;

use crate::control::Named;
use crate::payload::{Cursor, Slice};

/// A value while a test runs.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// No value: what a `void` method answers.
    Void,
    Bool(bool),
    /// A number, quantity, enum constant, or address of at most 64 bits.
    Int(i128),
    Ip6(u128),
    Prefix4(u32, u8),
    Prefix6(u128, u8),
    Text(Vec<u8>),
    Array(Vec<Value>),
    Reason(ReasonId),
    Verdict(VerdictKind, Operand),
    Layer(Layer),
    /// `node`, `clock`: something that only has members.
    Word,
    Packet(Rc<Packet>),
    View(View),
    Body(View),
    Instance {
        at: usize,
        /// On which node its handlers run.
        node: u32,
    },
    Outcome(Rc<Outcome>),
    /// `out.mirrors`
    Mirrors(Rc<Outcome>),
    Mirror(Mirror),
    /// A record and its components.
    Record(RecordId, Vec<Value>),
    Resource(Named),
    /// A rule of a ternary table: for each number that it asks for its place among those of the key,
    /// the smallest and the largest value.
    Rule(Vec<(usize, u128, u128)>),
    Flow(FlowTuple),
    Bytes(Slice),
    Cursor(Cursor),
}

/// What a handler answered.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Value,
    pub(crate) packet: Rc<Packet>,
    /// The priority that was set last, else 0.
    pub(crate) priority: u32,
    /// The copies that were sent, in order.
    pub(crate) mirrors: Vec<Mirror>,
}

/// A copy of the packet as it was when it was mirrored.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Mirror {
    /// The port it leaves by.
    pub(crate) port: u32,
    pub(crate) packet: Rc<Packet>,
}

/// What a verdict says beside its kind.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// Nothing.
    None,
    /// A port, group or node.
    Number(u32),
    /// The name of a reason; a capsule's single `Drop` keeps none, and equals each.
    Reason(Option<String>),
}

impl PartialEq for Operand {
    fn eq(&self, other: &Operand) -> bool {
        match (self, other) {
            (Operand::None, Operand::None) => true,
            (Operand::Number(a), Operand::Number(b)) => a == b,
            (Operand::Reason(a), Operand::Reason(b)) => a.is_none() || b.is_none() || a == b,
            _ => false,
        }
    }
}

/// A packet: headers that are still to be laid out, or bytes.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) content: Content,
    /// The port on which it comes in.
    pub(crate) port: u32,
    /// The next node on its path; 0 when nobody says.
    pub(crate) next_hop: u32,
}

/// What a packet consists of.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Parts from the outside in, to which more may be added.
    Parts(Vec<Part>),
    /// Bytes that begin at a layer.
    Bytes(Rc<Vec<u8>>, Layer),
}

/// A part of a packet under construction.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A header with the fields that were given a value.
    Header(HeaderId, Vec<(u32, Value)>),
    /// Bytes behind the headers.
    Bytes(Vec<u8>),
}

impl PartialEq for Packet {
    fn eq(&self, other: &Packet) -> bool {
        match (&self.content, &other.content) {
            (Content::Bytes(a, _), Content::Bytes(b, _)) => a == b,
            _ => false,
        }
    }
}

/// A header that was matched.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) packet: Rc<Vec<u8>>,
    pub(crate) header: HeaderId,
    /// Where it begins, in bytes.
    pub(crate) base: usize,
    /// The headers in front of it with their places, from the outside in.
    pub(crate) fronts: Rc<Vec<(HeaderId, usize)>>,
}

impl PartialEq for View {
    fn eq(&self, other: &View) -> bool {
        (self.header, self.base, &self.packet) == (other.header, other.base, &other.packet)
    }
}

/// The value of a constant.
pub(crate) fn constant(konst: &Konst) -> Value {
    match konst {
        Konst::Bool(b) => Value::Bool(*b),
        Konst::Int(n) => Value::Int(*n),
        Konst::Ip6(n) => Value::Ip6(*n),
        Konst::Prefix4 { addr, len } => Value::Prefix4(*addr, *len),
        Konst::Prefix6 { addr, len } => Value::Prefix6(*addr, *len),
        Konst::Array(items) => Value::Array(items.iter().map(constant).collect()),
        Konst::Record(id, parts) => Value::Record(*id, parts.iter().map(constant).collect()),
        Konst::Text(text) => Value::Text(text.clone()),
        Konst::Reason(id) => Value::Reason(*id),
    }
}

/// A value as a parameter of a function takes it.
pub(crate) fn konst(value: &Value) -> Option<Konst> {
    Some(match value {
        Value::Bool(b) => Konst::Bool(*b),
        Value::Int(n) => Konst::Int(*n),
        Value::Ip6(n) => Konst::Ip6(*n),
        Value::Prefix4(addr, len) => Konst::Prefix4 {
            addr: *addr,
            len: *len,
        },
        Value::Prefix6(addr, len) => Konst::Prefix6 {
            addr: *addr,
            len: *len,
        },
        Value::Array(items) => Konst::Array(items.iter().map(konst).collect::<Option<Vec<_>>>()?),
        Value::Record(id, parts) => {
            Konst::Record(*id, parts.iter().map(konst).collect::<Option<Vec<_>>>()?)
        }
        Value::Text(text) => Konst::Text(text.clone()),
        Value::Reason(id) => Konst::Reason(*id),
        _ => return None,
    })
}
