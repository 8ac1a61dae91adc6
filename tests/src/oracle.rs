//! A second opinion on what a program means: an interpreter of checked source.
//!
//! In: a checked program, values for its parameters, a handler's role, a packet and what the node
//! adds. Out: the verdict, the packet's bytes and the `carried` area. Guaranteed: it is written from
//! the definition of the language and shares nothing with lowering: numbers are unbounded integers
//! cut to their types, fields are read bit by bit, patterns walk the parse graph, and checksums
//! follow from the sums of the covered bytes before and after.

mod eval;
mod exec;
mod number;
mod pattern;
mod payload;
mod wire;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use nfl_abi::image::{Manifest, OWN_REASONS, Profile, REASONS, VerdictKind};
use nfl_abi::{Layer, Role};
use nfl_syntax::arena::{Id, IdMap};
use nfl_syntax::ast::{Ast, DeclId, DeclKind};
use nfl_typeck::tables::{CarriedId, FunctionId, HeaderId, LocalId, ReasonId, RecordId};
use nfl_typeck::ty::{Len, Ty, TyKind};
use nfl_typeck::{Bindings, Konst, Sound, Tables};
use nfl_vm::Context;

use crate::agree::After;
use crate::packet::digits;
use exec::Flow;

/// How a run ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What becomes of the packet; `None` for timers.
    pub verdict: Option<(VerdictKind, Operand)>,
    /// The packet.
    pub packet: Vec<u8>,
    /// The `carried` area.
    pub carried: Vec<u8>,
}

/// What a verdict says beside its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operand {
    /// A port, group or node; 0 where there is none.
    Number(u32),
    /// Why.
    Reason(ReasonId),
}

/// A value while a program runs.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    /// No value: what a `void` method answers.
    Void,
    Bool(bool),
    /// A number, quantity, or address of at most 64 bits.
    Int(i128),
    Ip6(u128),
    Prefix4(u32, u8),
    Prefix6(u128, u8),
    Array(Vec<Value>),
    /// A record, also as a member of a sealed interface, and its components.
    Record(RecordId, Vec<Value>),
    Reason(ReasonId),
    Verdict(VerdictKind, Operand),
    Layer(Layer),
    Packet,
    Node,
    View(View),
    Body(View),
    /// Bytes of the payload: the first and the one behind the last, and the headers around them.
    Bytes(usize, usize, Fronts),
    /// A place in the payload, which all its names share, the end that bounds it, and the headers around.
    Cursor(Rc<Cell<usize>>, usize, Fronts),
}

/// Headers with their places, from the outside in.
type Fronts = Rc<Vec<(HeaderId, usize)>>;

/// A header that was matched.
#[derive(Clone, PartialEq, Eq, Debug)]
struct View {
    header: HeaderId,
    /// Where it begins, in bytes.
    base: usize,
    /// The headers in front of it with their places, from the outside in.
    fronts: Fronts,
}

/// Why evaluation does not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stop {
    /// The packet is shorter or other than it claims.
    Malformed,
    /// A `limit` without `else`.
    Exhausted,
    /// A `limit` with `else`: this is what the method or handler answers.
    Limit(Value),
    /// The program did what no checked program does.
    Wrong(String),
}

type Eval<T> = Result<T, Stop>;

fn wrong<T>(what: impl Into<String>) -> Eval<T> {
    Err(Stop::Wrong(what.into()))
}

/// Statements and rounds of a run.
const STEPS_MAX: u32 = 2_000_000;

/// A function with values for its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Oracle<'a> {
    sound: Sound<'a>,
    function: FunctionId,
    bindings: &'a Bindings,
}

/// A run.
struct Run<'a> {
    ast: &'a Ast,
    t: &'a Tables,
    sound: Sound<'a>,
    bindings: &'a Bindings,
    layer: Layer,
    context: Context,
    packet: Vec<u8>,
    carried: Vec<u8>,
    carried_at: BTreeMap<CarriedId, usize>,
    locals: IdMap<LocalId, Option<Value>>,
    /// What `OwnField` means: a header that is looked at or whose method runs.
    own: Option<(HeaderId, usize)>,
    /// What `ParentField` means.
    parent: Option<(HeaderId, usize)>,
    /// Whether numbers are those of a layout, which have 32 bits.
    layout: bool,
    /// Headers that were matched and whose checksums cover addresses in front of them.
    transports: Vec<View>,
    steps: u32,
    /// The `this` of the method of a value that is being evaluated.
    this: Option<LocalId>,
}

impl<'a> Oracle<'a> {
    /// A function and its parameters.
    pub fn new(sound: Sound<'a>, function: FunctionId, bindings: &'a Bindings) -> Oracle<'a> {
        Oracle {
            sound,
            function,
            bindings,
        }
    }

    /// Runs the handler of a role.
    ///
    /// # Errors
    ///
    /// A sentence when the program does what no sound program does.
    pub fn run(
        &self,
        role: Role,
        packet: &[u8],
        context: &Context,
        carried: &[u8],
    ) -> Result<Answer, String> {
        let t = self.sound.tables();
        let def = &t.functions[self.function];
        let handler = def.handlers.iter().find(|h| h.role == role);
        let handler = handler.ok_or("there is no such handler")?;
        let mut run = Run {
            ast: &self.sound.program().ast,
            t,
            sound: self.sound,
            bindings: self.bindings,
            layer: handler.layer,
            context: *context,
            packet: packet.to_vec(),
            carried: carried.to_vec(),
            carried_at: BTreeMap::new(),
            locals: IdMap::new(),
            own: None,
            this: None,
            parent: None,
            layout: false,
            transports: Vec::new(),
            steps: 0,
        };
        let mut at = 0;
        for &id in &def.carried {
            run.carried_at.insert(id, at);
            let (elem, count) = run.elements(t.carried[id].ty);
            at += count * run.stored_bytes(elem);
        }
        let verdict = match run.handler(handler.decl, handler.packet) {
            Err(Stop::Malformed) => {
                run.tail(def.malformed.as_ref().map(|m| (m.decl, m.packet)), 1)?
            }
            Err(Stop::Exhausted) => {
                run.tail(def.exhausted.as_ref().map(|m| (m.decl, m.packet)), 2)?
            }
            other => other.map_err(|stop| format!("{stop:?}"))?,
        };
        let verdict = match verdict {
            Value::Verdict(kind, operand) => Some((kind, operand)),
            Value::Void if role == Role::Every => None,
            other => return Err(format!("a handler answers {other:?}")),
        };
        Ok(Answer {
            verdict,
            packet: run.packet,
            carried: run.carried,
        })
    }

    /// Compares an answer with that of the machine.
    ///
    /// # Errors
    ///
    /// A sentence that shows both.
    pub fn compare(
        &self,
        answer: &Answer,
        manifest: &Manifest,
        after: &After,
    ) -> Result<(), String> {
        let machine = after.outcome.verdict;
        let verdict = match &answer.verdict {
            None => (machine.kind, machine.operand),
            Some((kind, Operand::Number(n))) => (*kind, *n),
            Some((kind, Operand::Reason(_))) if manifest.profile == Profile::Capsule => (*kind, 0),
            Some((kind, Operand::Reason(reason))) => (*kind, self.reason(*reason, manifest)),
        };
        if verdict == (machine.kind, machine.operand)
            && answer.packet == after.packet
            && answer.carried == after.carried
        {
            return Ok(());
        }
        let (kind, operand) = verdict;
        Err(format!(
            "the source means {kind:?} {operand}, the machine answers {:?} {}\n  packet {}\n      or {}\n carried {}\n      or {}",
            machine.kind,
            machine.operand,
            digits(&answer.packet),
            digits(&after.packet),
            digits(&answer.carried),
            digits(&after.carried)
        ))
    }

    fn reason(&self, reason: ReasonId, manifest: &Manifest) -> u32 {
        if reason.index() < REASONS.len() {
            return reason.index() as u32;
        }
        let name = &self.sound.tables().reasons[reason].name;
        let own = manifest.reasons.iter().position(|r| r == name);
        own.map_or(u32::MAX, |at| at as u32 + u32::from(OWN_REASONS))
    }
}

impl Run<'_> {
    fn handler(&mut self, decl: DeclId, packet: Option<LocalId>) -> Eval<Value> {
        let body = match &self.ast.decls[decl].kind {
            DeclKind::Handler { body, .. } | DeclKind::Every { body, .. } => body,
            _ => return wrong("a handler is no handler"),
        };
        if let Some(local) = packet {
            self.locals.set(local, Some(Value::Packet));
        }
        match self.block(body) {
            Ok(Flow::Return(value)) | Err(Stop::Limit(value)) => Ok(value),
            Ok(Flow::Next) => Ok(Value::Void),
            Ok(other) => wrong(format!("a body ends in {other:?}")),
            Err(stop) => Err(stop),
        }
    }

    /// `on malformed`, `on exhausted`, or the `Drop` in their place.
    fn tail(
        &mut self,
        tail: Option<(DeclId, Option<LocalId>)>,
        reason: usize,
    ) -> Result<Value, String> {
        match tail {
            Some((decl, packet)) => self
                .handler(decl, packet)
                .map_err(|stop| format!("{stop:?}")),
            None => Ok(Value::Verdict(
                VerdictKind::Drop,
                Operand::Reason(Id::new(reason)),
            )),
        }
    }

    /// An array's element type and length; any other type is one element.
    fn elements(&self, ty: Ty) -> (Ty, usize) {
        match self.t.types.kind(ty) {
            TyKind::Array(elem, Len::Known(n)) => (elem, n as usize),
            TyKind::Array(elem, Len::Template(template)) => match &self.bindings.values[template] {
                Some(Konst::Int(n)) => (elem, *n as usize),
                _ => (elem, 0),
            },
            _ => (ty, 1),
        }
    }

    /// Whether the bytes of a type lie most significant first in the `carried` area.
    fn stored_in_wire_order(&self, ty: Ty) -> bool {
        matches!(
            self.t.types.kind(ty),
            TyKind::Ip4 | TyKind::Ip6 | TyKind::Mac
        )
    }

    /// Bytes of a number in the `carried` area: the next power of two, and 6 for Ethernet addresses.
    fn stored_bytes(&self, ty: Ty) -> usize {
        if self.t.types.kind(ty) == TyKind::Mac {
            return 6;
        }
        let bits = self.t.types.bits(ty).unwrap_or(8) as usize;
        bits.div_ceil(8).next_power_of_two()
    }
}
