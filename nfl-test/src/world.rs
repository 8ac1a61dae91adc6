//! The world of a test: instances of functions, handlers, the clock.
//!
//! In: the forms that only tests have. Out: what they do. Guaranteed: a handler runs on the machine,
//! once on the packet itself and, on a copy of the state, on each of the packet's truncations.

use std::rc::Rc;

use nfl_abi::image::{Verdict, VerdictKind};
use nfl_abi::{Layer, Role};
use nfl_syntax::ast::{Arg, BinOp, ExprId, ExprKind};
use nfl_typeck::Bindings;
use nfl_typeck::tables::FunctionId;
use nfl_typeck::test::{Control, TestOp};
use nfl_typeck::ty::{Ty, TyKind};
use nfl_vm::{Context, FlowTuple};

use crate::control::Named;
use crate::eval::packet;
use crate::node::{Node, Ran};
use crate::run::{Eval, Run, Stop, stop};
use crate::value::{Content, Mirror, Operand, Outcome, Packet, Part, Value, konst};

/// A function with its parameters on a node.
pub(crate) struct Instance {
    pub(crate) function: FunctionId,
    pub(crate) bindings: Bindings,
    pub(crate) node: Node,
    /// Its timers: period and when it is due next, in nanoseconds.
    pub(crate) timers: Vec<(u64, u64)>,
}

/// EtherTypes (IEEE 802.3, RFC 894, RFC 8200) and tags (IEEE 802.1Q, 802.1ad).
mod ether {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const TAG: u16 = 0x8100;
    pub(super) const SERVICE_TAG: u16 = 0x88a8;
    /// Where the type of an Ethernet header lies.
    pub(super) const TYPE_AT: usize = 12;
    /// Bytes of an Ethernet header.
    pub(super) const HEADER: usize = 14;
}

/// Where the network header of a frame begins: behind Ethernet, one tag of either kind and any number
/// of inner ones. Nothing when the frame does not carry IPv4 or IPv6.
fn network_offset(frame: &[u8]) -> Option<usize> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let mut kind = word(ether::TYPE_AT)?;
    let mut at = ether::HEADER;
    let mut outer = true;
    while kind == ether::TAG || (outer && kind == ether::SERVICE_TAG) {
        kind = word(at + 2)?;
        at += 4;
        outer = false;
    }
    (kind == ether::IPV4 || kind == ether::IPV6).then_some(at)
}

impl Run<'_> {
    /// What only tests may say.
    pub(crate) fn test_op(&mut self, e: ExprId, op: TestOp) -> Eval<Value> {
        let ast = self.ast;
        let (base, args): (Option<ExprId>, &[Arg]) = match &ast.exprs[e].kind {
            ExprKind::Construct { args, .. } | ExprKind::StaticCall { args, .. } => (None, args),
            ExprKind::MethodCall { base, args, .. } => (Some(*base), args),
            ExprKind::Field { base, .. } => (Some(*base), &[]),
            ExprKind::Index { base, .. } => (Some(*base), &[]),
            _ => (None, &[]),
        };
        match (op, base) {
            (TestOp::Instance(function), _) => self.instance(function, args),
            (TestOp::Header(header), _) => {
                let mut fields = Vec::new();
                for (at, arg) in args.iter().enumerate() {
                    let rows = &self.t.headers[header].fields;
                    let named = arg.name.map(|n| n.name);
                    let field = match named {
                        Some(name) => rows.iter().position(|f| f.name == name),
                        None => Some(at),
                    };
                    let field = field.unwrap_or(at) as u32;
                    fields.push((field, self.eval(arg.value)?));
                }
                Ok(parts(vec![Part::Header(header, fields)]))
            }
            (TestOp::Payload, _) => {
                let bytes = match args.first().map(|arg| self.eval(arg.value)).transpose()? {
                    Some(Value::Text(text)) => text,
                    Some(Value::Int(n)) if (0..=65_535).contains(&n) => vec![0; n as usize],
                    _ => return stop("a payload has at most 65535 bytes"),
                };
                Ok(parts(vec![Part::Bytes(bytes)]))
            }
            (TestOp::Behind, _) => {
                let ExprKind::Binary {
                    op: BinOp::Div,
                    left,
                    right,
                } = ast.exprs[e].kind
                else {
                    return stop("two packets stand behind each other");
                };
                let (a, b) = (self.packet(left)?, self.packet(right)?);
                let (Content::Parts(a), Content::Parts(b)) = (&a.content, &b.content) else {
                    return stop("only headers that were just built take more behind them");
                };
                Ok(parts([a.clone(), b.clone()].concat()))
            }
            (TestOp::DnsQuery(header), _) => {
                let name = match args.first().map(|arg| self.eval(arg.value)).transpose()? {
                    Some(Value::Text(name)) => name,
                    _ => return stop("a query asks for a name"),
                };
                self.dns_query(header, &name)
            }
            (TestOp::Advance, _) => {
                let by = match args.first() {
                    Some(arg) => self.number(arg.value)?,
                    None => 0,
                };
                self.advance(u64::try_from(by).unwrap_or(u64::MAX))?;
                Ok(Value::Void)
            }
            (TestOp::LogsLength, _) => Ok(self.logs_length()),
            (TestOp::ReportsLength, _) => Ok(self.reports_length()),
            (TestOp::Report, _) => match ast.exprs[e].kind {
                ExprKind::Index { index, .. } => self.report(index),
                _ => stop("a report has a number"),
            },
            (TestOp::Control(Control::Where(record)), _) => self.ranges(record, args),
            (_, Some(base)) => self.on_value(e, op, base, args),
            _ => stop("this is not known to tests"),
        }
    }

    /// What is done with a value that stands in front of the dot.
    fn on_value(&mut self, e: ExprId, op: TestOp, base: ExprId, args: &[Arg]) -> Eval<Value> {
        let value = self.eval(base)?;
        let first = args.first().map(|arg| arg.value);
        match (op, value) {
            (TestOp::At, Value::Instance { at, .. }) => {
                let node = first.map_or(Ok(0), |arg| self.number(arg))?;
                let node = node as u32;
                Ok(Value::Instance { at, node })
            }
            (TestOp::Handler(role), Value::Instance { at, node }) => {
                let Some(arg) = first else {
                    return stop("a handler takes a packet");
                };
                let given = self.packet(arg)?;
                self.handle(at, node, role, &given)
            }
            (TestOp::Carried(field), Value::Instance { at, .. }) => self.carried(at, field),
            (TestOp::From, Value::Packet(given)) => {
                let port = first.map_or(Ok(0), |arg| self.number(arg))? as u32;
                let mut given = Packet::clone(&given);
                given.port = port;
                Ok(packet(given))
            }
            (TestOp::Towards, Value::Packet(given)) => {
                let mut given = Packet::clone(&given);
                given.next_hop = first.map_or(Ok(0), |arg| self.number(arg))? as u32;
                Ok(packet(given))
            }
            (TestOp::Cut, Value::Packet(given)) => {
                let keep = first.map_or(Ok(0), |arg| self.number(arg))?;
                let (bytes, layer) = self.bytes(&given)?;
                let keep = usize::try_from(keep).unwrap_or(0).min(bytes.len());
                Ok(packet(Packet {
                    content: Content::Bytes(Rc::new(bytes[..keep].to_vec()), layer),
                    port: given.port,
                    next_hop: given.next_hop,
                }))
            }
            (TestOp::ChecksumsAreGood, Value::Packet(given)) => {
                Ok(Value::Bool(self.checksums_are_good(&given)?))
            }
            (_, Value::Outcome(outcome)) => of_outcome(op, &outcome),
            (TestOp::MirrorsLength, Value::Mirrors(outcome)) => {
                Ok(Value::Int(outcome.mirrors.len() as i128))
            }
            (TestOp::Mirror, Value::Mirrors(outcome)) => {
                let ExprKind::Index { index, .. } = self.ast.exprs[e].kind else {
                    return stop("a mirrored packet has a number");
                };
                let index = usize::try_from(self.number(index)?).unwrap_or(usize::MAX);
                let count = outcome.mirrors.len();
                match outcome.mirrors.get(index) {
                    Some(mirror) => Ok(Value::Mirror(mirror.clone())),
                    None => stop(format!(
                        "there is no mirrored packet {index}: the list has {count}"
                    )),
                }
            }
            (TestOp::MirrorPort, Value::Mirror(mirror)) => Ok(Value::Int(i128::from(mirror.port))),
            (TestOp::MirrorPacket, Value::Mirror(mirror)) => Ok(Value::Packet(mirror.packet)),
            (TestOp::Resource(id), Value::Instance { at, .. }) => {
                let index = 0;
                Ok(Value::Resource(Named { at, id, index }))
            }
            (TestOp::Control(Control::Element), Value::Resource(named)) => {
                let ExprKind::Index { index, .. } = self.ast.exprs[e].kind else {
                    return stop("an element has a number");
                };
                let index = self.number(index)? as u32;
                Ok(Value::Resource(Named { index, ..named }))
            }
            (TestOp::Control(control), Value::Resource(named)) => {
                self.controlled(control, named, args)
            }
            _ => stop("this is not known to tests"),
        }
    }

    fn packet(&mut self, e: ExprId) -> Eval<Rc<Packet>> {
        match self.eval(e)? {
            Value::Packet(packet) => Ok(packet),
            _ => stop("a packet is needed here"),
        }
    }

    /// A function with values for its parameters, on a node of its own.
    fn instance(&mut self, function: FunctionId, args: &[Arg]) -> Eval<Value> {
        let def = &self.t.functions[function];
        let mut bindings = Bindings::default();
        for (at, arg) in args.iter().enumerate() {
            let value = self.initial(arg.value)?;
            let named = arg.name.map(|n| n.name);
            let place = match named {
                Some(name) => {
                    let mut params = def.params.iter();
                    params.position(|&p| self.t.templates[p].name == name)
                }
                None => Some(at),
            };
            let Some(&param) = place.and_then(|place| def.params.get(place)) else {
                return stop("there is no such parameter");
            };
            let Some(value) = konst(&value) else {
                return stop("this is no value of a parameter");
            };
            let range = self.t.templates[param].range;
            if let (Some((lo, hi)), nfl_typeck::Konst::Int(n)) = (range, &value)
                && !(lo..=hi).contains(n)
            {
                return stop(format!("{n} lies outside of {lo}..{hi}"));
            }
            bindings.values.set(param, Some(value));
        }
        for &param in &def.params {
            if bindings.values[param].is_none() {
                let default = self.t.templates[param].default.clone();
                bindings.values.set(param, default);
            }
        }
        let images = (self.images)(function, &bindings);
        let node = images.and_then(|images| Node::new(&images));
        let node = node.map_err(Stop::Sentence)?;
        let periods = def.handlers.iter().filter(|h| h.role == Role::Every);
        let timers = periods
            .filter(|h| h.period_ns > 0)
            .map(|h| (h.period_ns, self.clock_ns.saturating_add(h.period_ns)));
        self.instances.push(Instance {
            function,
            bindings,
            node,
            timers: timers.collect(),
        });
        let at = self.instances.len() - 1;
        Ok(Value::Instance { at, node: 0 })
    }

    /// Runs a handler on a packet, and on all its truncations.
    fn handle(&mut self, at: usize, node: u32, role: Role, given: &Packet) -> Eval<Value> {
        let (bytes, layer) = self.bytes(given)?;
        let function = self.instances[at].function;
        let handlers = &self.t.functions[function].handlers;
        let wanted = handlers.iter().find(|h| h.role == role).map(|h| h.layer);
        let offset = match layer {
            Layer::Link => network_offset(&bytes),
            Layer::Network => Some(0),
        };
        let front = match (wanted, layer) {
            (Some(Layer::Link), Layer::Network) => {
                return stop(format!(
                    "`on {}` runs at the link layer, and this packet begins with its network header",
                    role.text()
                ));
            }
            (Some(Layer::Network), Layer::Link) => match offset {
                Some(offset) => offset,
                // The node hands only IPv4 and IPv6 packets to a handler of the network layer.
                None => {
                    let verdict = Value::Verdict(VerdictKind::Pass, Operand::None);
                    let same = given.clone();
                    return Ok(Value::Outcome(Rc::new(Outcome {
                        verdict,
                        packet: Rc::new(same),
                        priority: 0,
                        mirrors: Vec::new(),
                    })));
                }
            },
            _ => 0,
        };
        let context = Context {
            ingress_port: given.port,
            node_id: node,
            next_hop: given.next_hop,
            network_offset: offset
                .map(|offset| offset - front)
                .and_then(|n| u8::try_from(n).ok()),
            clock_ns: self.clock_ns,
            ..Context::default()
        };
        let packet = &bytes[front..];
        self.try_truncations(at, role, packet, &context)?;
        let mut after = packet.to_vec();
        let instance = &mut self.instances[at];
        let ran = instance.node.run(role, &mut after, &context);
        let ran = ran.map_err(|fault| {
            Stop::Sentence(format!(
                "`on {}` broke a rule of the machine: {fault}",
                role.text()
            ))
        })?;
        // What a handler of the network layer leaves has the link header again.
        let whole = |after: &[u8]| {
            let whole = [&bytes[..front], after].concat();
            Rc::new(Packet {
                content: Content::Bytes(Rc::new(whole), layer),
                port: given.port,
                next_hop: given.next_hop,
            })
        };
        let mirrors = ran.effects.mirrors.iter().map(|mirror| Mirror {
            port: mirror.port,
            packet: whole(&mirror.packet),
        });
        Ok(Value::Outcome(Rc::new(Outcome {
            verdict: verdict(&ran),
            packet: whole(&after),
            priority: ran.effects.priority.unwrap_or(0),
            mirrors: mirrors.collect(),
        })))
    }

    /// Runs a handler on each truncation of a packet, and forgets what that did.
    fn try_truncations(
        &mut self,
        at: usize,
        role: Role,
        packet: &[u8],
        context: &Context,
    ) -> Eval<()> {
        let broken = self.instances[at].node.try_out(|node| {
            (0..packet.len()).find_map(|len| {
                let mut cut = packet[..len].to_vec();
                let offset = context.network_offset;
                let context = Context {
                    network_offset: offset.filter(|&at| usize::from(at) <= len),
                    ..*context
                };
                let ran = node.run(role, &mut cut, &context);
                ran.err().map(|fault| (len, fault))
            })
        });
        match broken {
            None => Ok(()),
            Some((len, fault)) => stop(format!(
                "`on {}` broke a rule of the machine on the first {len} bytes of the packet: {fault}",
                role.text()
            )),
        }
    }

    /// Lets time pass; timers run when they are due, in the order of time and of instances.
    fn advance(&mut self, by: u64) -> Eval<()> {
        let until = self.clock_ns.saturating_add(by);
        loop {
            let due = self.instances.iter().enumerate().flat_map(|(at, i)| {
                i.timers
                    .iter()
                    .enumerate()
                    .map(move |(timer, (_, due))| (*due, at, timer))
            });
            let Some((due, at, timer)) = due.min().filter(|(due, ..)| *due <= until) else {
                break;
            };
            self.step()?;
            self.clock_ns = due;
            let context = Context {
                clock_ns: due,
                ..Context::default()
            };
            let instance = &mut self.instances[at];
            let (period, next) = &mut instance.timers[timer];
            *next = due.saturating_add(*period);
            let ran = instance.node.run(Role::Every, &mut Vec::new(), &context);
            ran.map_err(|fault| {
                Stop::Sentence(format!("`on every` broke a rule of the machine: {fault}"))
            })?;
        }
        self.clock_ns = until;
        // What the controller sees has grown as old as what packets see.
        for instance in &self.instances {
            instance.node.with_state(|state| state.set_clock(until));
        }
        Ok(())
    }

    /// The flow of a packet: its five-tuple.
    pub(crate) fn flow(&mut self, packet: &Packet) -> Eval<Value> {
        let (bytes, layer) = self.bytes(packet)?;
        let network = match layer {
            Layer::Link => network_offset(&bytes),
            Layer::Network => Some(0),
        };
        let packet = network.and_then(|at| bytes.get(at..)).unwrap_or(&[]);
        Ok(Value::Flow(FlowTuple::of(packet)))
    }

    /// The answer of a lookup: a `Hit` with the value, or a `Miss`.
    pub(crate) fn hit(&self, found: Option<Value>, lookup: Ty) -> Eval<Value> {
        let TyKind::Sealed(id) = self.t.types.kind(lookup) else {
            return stop("a lookup answers a `Lookup`");
        };
        let place = usize::from(found.is_none());
        match self.t.sealed[id].members.get(place) {
            Some(&member) => Ok(Value::Record(member, found.into_iter().collect())),
            None => stop("a `Lookup` is a `Hit` or a `Miss`"),
        }
    }

    /// A question about one name of type A (RFC 1035 section 4).
    fn dns_query(&mut self, header: nfl_typeck::tables::HeaderId, name: &[u8]) -> Eval<Value> {
        const LABEL_MAX: usize = 63;
        let mut body = Vec::new();
        for label in name.split(|&c| c == b'.').filter(|label| !label.is_empty()) {
            if label.len() > LABEL_MAX {
                return stop("a label of a name has at most 63 bytes");
            }
            body.push(label.len() as u8);
            body.extend_from_slice(label);
        }
        // The root, type A, class IN.
        body.extend_from_slice(&[0, 0, 1, 0, 1]);
        let field = |word: &str| {
            let fields = self.t.headers[header].fields.iter();
            let names = &self.sound.program().names;
            fields
                .map(|f| names.text(f.name))
                .position(|text| text == word)
        };
        let mut fields = Vec::new();
        if let Some(at) = field("questions") {
            fields.push((at as u32, Value::Int(1)));
        }
        if let Some(at) = field("recursionDesired") {
            fields.push((at as u32, Value::Bool(true)));
        }
        Ok(parts(vec![Part::Header(header, fields), Part::Bytes(body)]))
    }
}

fn parts(parts: Vec<Part>) -> Value {
    packet(Packet {
        content: Content::Parts(parts),
        port: 0,
        next_hop: 0,
    })
}

/// A member of what a handler answered.
fn of_outcome(op: TestOp, outcome: &Rc<Outcome>) -> Eval<Value> {
    match op {
        TestOp::OutcomeVerdict => Ok(outcome.verdict.clone()),
        TestOp::OutcomePacket => Ok(Value::Packet(outcome.packet.clone())),
        TestOp::OutcomePriority => Ok(Value::Int(i128::from(outcome.priority))),
        TestOp::OutcomeMirrors => Ok(Value::Mirrors(outcome.clone())),
        _ => stop("this is not known to tests"),
    }
}

/// What a handler decided, as a value.
fn verdict(ran: &Ran) -> Value {
    let Verdict { kind, operand } = ran.verdict;
    let operand = match kind {
        VerdictKind::Drop | VerdictKind::Punt => Operand::Reason(ran.reason.clone()),
        VerdictKind::Forward | VerdictKind::Multicast | VerdictKind::Steer => {
            Operand::Number(operand)
        }
        VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate => Operand::None,
    };
    Value::Verdict(kind, operand)
}
