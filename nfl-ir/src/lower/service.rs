//! Calls of services: keys and values packed as the contract says, answers taken apart.
//!
//! In: a builtin that asks the node. Out: its value. Guaranteed: arguments lie in registers or behind
//! addresses as `nfl_abi::host::call` says, and every byte of a block is written.

use super::layout::Layout;
use super::{Lower, Val};
use crate::entity::{ImportId, Value};
use crate::func::{Region, SlotData};
use crate::op::Op;
use nfl_abi::host;
use nfl_abi::image::Import;
use nfl_abi::map::context;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{ExprId, ExprKind};
use nfl_typeck::builtin::Intrinsic;
use nfl_typeck::tables::{Konst, Res, ResourceId};
use nfl_typeck::{Ty, TyKind};

/// An argument: a number, or a value of this layout.
pub(super) enum Arg {
    Word(Value),
    Block(Vec<Value>),
}

impl Lower<'_, '_> {
    /// A builtin that asks the node; one arm for each.
    pub(super) fn service(&mut self, e: ExprId, which: Intrinsic) -> Val {
        let words = match which {
            Intrinsic::PacketFlow => vec![self.ask("packet.flow", 0, None, Vec::new())],
            Intrinsic::FlowReverse => {
                let flow = self.receiver_words(e);
                vec![self.ask("flow.reverse", 0, None, vec![Arg::Word(flow[0])])]
            }
            Intrinsic::FlowHash => {
                let args = self.ordered(e);
                let flow = self.words(args[0]);
                let hash = self.ask("flow.hash", 0, None, vec![Arg::Word(flow[0])]);
                match &args[1..] {
                    [] => vec![hash],
                    more => vec![self.hash_behind(hash, more)],
                }
            }
            Intrinsic::Hash => {
                let args = self.ordered(e);
                let (bytes, block) = self.hashed_block(&args);
                vec![self.ask("hash.crc32c", bytes, None, vec![block])]
            }
            Intrinsic::SipHash => {
                let args = self.ordered(e);
                let key = self.words(args[0]);
                let (bytes, block) = self.hashed_block(&args[1..]);
                let all = vec![Arg::Word(key[0]), Arg::Word(key[1]), block];
                vec![self.ask("hash.siphash", bytes, None, all)]
            }
            Intrinsic::RandomNext => vec![self.ask("random", 0, None, Vec::new())],
            Intrinsic::ClockNow => self.clock().to_vec(),
            Intrinsic::ClockNanos => self.clock()[..1].to_vec(),
            Intrinsic::ClockMinutes => vec![self.minutes()],
            Intrinsic::QueueDepth => vec![self.queue_depth()],
            Intrinsic::Swap | Intrinsic::Exchange => {
                self.swap(e, which == Intrinsic::Swap);
                return Val::Unit;
            }
            Intrinsic::Log => {
                self.log(e);
                return Val::Unit;
            }
            Intrinsic::Report => {
                self.report(e);
                return Val::Unit;
            }
            // Texts are hashed by the checker.
            Intrinsic::HashOf | Intrinsic::NameHashOf => vec![self.b.constant(0)],
            _ => return self.resource_operation(e, which),
        };
        Val::Words(words)
    }

    /// The arguments in the order of the parameters.
    pub(super) fn ordered(&self, e: ExprId) -> Vec<ExprId> {
        let args = &self.image.sound.tables().args[e];
        args.clone().unwrap_or_default()
    }

    fn receiver_words(&mut self, e: ExprId) -> Vec<Value> {
        match self.image.sound.program().ast.exprs[e].kind {
            ExprKind::MethodCall { base, .. } | ExprKind::Field { base, .. } => self.words(base),
            _ => vec![self.b.constant(0)],
        }
    }

    /// Calls a service and answers what is in `a0`.
    pub(super) fn ask(
        &mut self,
        name: &str,
        param: u32,
        resource: Option<u8>,
        args: Vec<Arg>,
    ) -> Value {
        if self.image.overfull() {
            return self.b.constant(0);
        }
        let service = host::call::service(name).expect("a service of the contract");
        let import = Import {
            service: service.number,
            param: param as u16,
            resource,
        };
        let call = host::call(&import, &self.image.module.resources)
            .expect("the checker lets only operations of its kind on a resource");
        let by_address = call.by_address();
        let mut words = Vec::new();
        for arg in args {
            match arg {
                Arg::Word(word) => words.push(word),
                Arg::Block(block) if by_address => words.push(self.in_slot(&block)),
                Arg::Block(block) => words.extend(block),
            }
        }
        let import = self.import(import);
        let width = match call.answer {
            host::Answer::Word(most) | host::Answer::Two(most, _) => {
                (32 - most.leading_zeros()).max(1) as u8
            }
            host::Answer::Nothing | host::Answer::Value(_) => 32,
        };
        self.b
            .inst(Op::Call, &words, import.index() as u32, None, width)
    }

    /// The number of an import, which stands in the module once.
    fn import(&mut self, import: Import) -> ImportId {
        let all = &mut self.image.module.imports;
        let known = all.iter().find(|(_, i)| **i == import).map(|(id, _)| id);
        known.unwrap_or_else(|| all.push(import))
    }

    /// The address of a local array that holds these words.
    fn in_slot(&mut self, block: &[Value]) -> Value {
        let slot = self.b.f.slots.push(SlotData {
            name: String::new(),
            bytes: 4 * block.len() as u32,
            padding: 0,
            align: 4,
        });
        for (i, &word) in block.iter().enumerate() {
            let place = super::Place::at(4 * i as u32);
            self.b.store(Region::Slot(slot), 4, place, word);
        }
        self.b
            .inst(Op::Address, &[], 0, Some(Region::Slot(slot)), 32)
    }

    /// The words of an expression as a value of type `ty`.
    fn words_of(&mut self, e: ExprId, ty: Ty) -> Vec<Value> {
        match self.image.sound.tables().types.bits(ty) {
            Some(_) => self.words_as(e, ty),
            None => self.words(e),
        }
    }

    /// A value as the block of a key or value.
    fn block(&mut self, e: ExprId, ty: Ty, layout: &Layout) -> Arg {
        let words = self.words_of(e, ty);
        Arg::Block(self.pack(layout, &words))
    }

    fn hashed_block(&mut self, args: &[ExprId]) -> (u32, Arg) {
        let types: Vec<Ty> = args.iter().map(|&arg| self.ty(arg)).collect();
        let layout = self.image.hashed(&types);
        let mut words = Vec::new();
        for (&arg, &ty) in args.iter().zip(&types) {
            words.extend(self.words_of(arg, ty));
        }
        (layout.size, Arg::Block(self.pack(&layout, &words)))
    }

    /// The CRC of bytes that are known by their own CRC, and of further ones behind them.
    ///
    /// The service begins with all ones and inverts what it answers, so what it would have reached behind
    /// the bytes before differs from its beginning by their CRC: that much is added to the first four bytes.
    /// Of fewer bytes the rest of the CRC has not come in yet and stands in the answer, moved down.
    fn hash_behind(&mut self, before: Value, args: &[ExprId]) -> Value {
        let (bytes, block) = self.hashed_block(args);
        let Arg::Block(mut words) = block else {
            return before;
        };
        if let Some(first) = words.first_mut() {
            *first = self.b.op2(Op::Xor, *first, before, 32);
            if bytes < 4 {
                *first = self
                    .b
                    .op2c(Op::And, *first, (1 << (8 * bytes)) - 1, 8 * bytes as u8);
            }
        }
        let hash = self.ask("hash.crc32c", bytes, None, vec![Arg::Block(words)]);
        if bytes >= 4 {
            return hash;
        }
        let rest = self
            .b
            .op2c(Op::Shr, before, 8 * bytes, 32 - 8 * bytes as u8);
        self.b.op2(Op::Xor, hash, rest, 32)
    }

    /// `swap(a, b)`; fields that keep their header's sums are written as they are.
    fn swap(&mut self, e: ExprId, keeps_sums: bool) {
        let args = self.ordered(e);
        let [a, b] = args[..] else { return };
        let (x, y) = (self.words(a), self.words(b));
        for (place, words) in [(a, y), (b, x)] {
            match self.raw_field(place).filter(|_| keeps_sums) {
                Some((view, field)) => self.write_field(&view, field, &words),
                None => self.update(place, |_, _, _| words),
            }
        }
    }

    /// The view and the number of a field that is written as a place.
    fn raw_field(&mut self, place: ExprId) -> Option<(super::View, u32)> {
        let sound = self.image.sound;
        let mut place = place;
        while let ExprKind::Paren(inner) = sound.program().ast.exprs[place].kind {
            place = inner;
        }
        let ExprKind::Field { base, .. } = sound.program().ast.exprs[place].kind else {
            return None;
        };
        let Res::Field { field, .. } = sound.tables().expr_res[place] else {
            return None;
        };
        let Val::View(view) = self.expr(base) else {
            return None;
        };
        let field = self.field_in(&view, base, field);
        Some((view, field))
    }

    fn clock(&mut self) -> [Value; 2] {
        [context::CLOCK_LOW, context::CLOCK_HIGH]
            .map(|word| self.b.inst(Op::Context, &[], word, None, 32))
    }

    /// Nanoseconds divided by 60·10⁹, that is `n = ns >> 11` divided by `d = 29296875`: the high word times
    /// `2^53 / d` is at most 2 below the quotient, and the remainder, below 3·d, says how much.
    fn minutes(&mut self) -> Value {
        const D: u32 = 29_296_875;
        const RECIPROCAL: u32 = ((1u64 << 53) / D as u64) as u32;
        let [low, high] = self.clock();
        let reciprocal = self.b.constant(RECIPROCAL);
        let quotient = self.b.op2(Op::Mulhu, high, reciprocal, 32);
        let n = self.b.op2c(Op::Shr, low, 11, 32);
        let spill = self.b.op2c(Op::Shl, high, 21, 32);
        let n = self.b.op2(Op::Or, n, spill, 32);
        let product = self.b.op2c(Op::Mul, quotient, D, 32);
        let rest = self.b.op2(Op::Sub, n, product, 32);
        [D, 2 * D].into_iter().fold(quotient, |quotient, most| {
            let most = self.b.constant(most);
            let more = self.b.compare(Op::Geu, rest, most);
            self.b.op2(Op::Add, quotient, more, 32)
        })
    }

    /// The queue's depth, at most 65535.
    fn queue_depth(&mut self) -> Value {
        let depth = self
            .b
            .inst(Op::Context, &[], context::QUEUE_DEPTH, None, 32);
        let high = self.b.op2c(Op::Shr, depth, 16, 16);
        let zero = self.b.constant(0);
        let over = self.b.compare(Op::Ltu, zero, high);
        let all = self.b.op2(Op::Sub, zero, over, 32);
        let depth = self.b.op2(Op::Or, depth, all, 32);
        self.b.op2c(Op::And, depth, 0xffff, 16)
    }

    /// `log("…{}", x)`: the format says the type of each value.
    fn log(&mut self, e: ExprId) {
        let args = self.ordered(e);
        let Some((&text, values)) = args.split_first() else {
            return;
        };
        let Some(Konst::Text(text)) = self.konst(text) else {
            return;
        };
        let mut format = String::new();
        let mut rest = &*String::from_utf8_lossy(&text).into_owned();
        let mut words = Vec::new();
        for &value in values {
            let ty = self.ty(value);
            let layout = self.image.layout(ty);
            let name = layout.text.split([':', '@']).nth(1).unwrap_or_default();
            let (before, behind) = rest.split_once("{}").unwrap_or((rest, ""));
            format += &format!("{before}{{{name}}}");
            rest = behind;
            words.extend(self.words_of(value, ty));
        }
        format += rest;
        let formats = &mut self.image.module.formats;
        let number = match formats.iter().position(|f| *f == format) {
            Some(number) => number,
            None => {
                formats.push(format);
                formats.len() - 1
            }
        };
        let param = (words.len() as u32) << 8 | number as u32 & 0xff;
        self.ask("log", param, None, vec![Arg::Block(words)]);
    }

    fn report(&mut self, e: ExprId) {
        let args = self.ordered(e);
        let Some(&arg) = args.first() else { return };
        let ty = self.ty(arg);
        let TyKind::Record(record) = self.image.sound.tables().types.kind(ty) else {
            return;
        };
        let layout = self.image.layout(ty);
        let resource = self.image.report_resource(record, &layout);
        let block = self.block(arg, ty, &layout);
        self.ask("report", 0, Some(resource), vec![block]);
    }

    /// The resource that a call is on, and the words of its index.
    fn resource_receiver(&mut self, e: ExprId) -> Option<(ResourceId, Vec<Arg>)> {
        let sound = self.image.sound;
        let ExprKind::MethodCall { mut base, .. } = sound.program().ast.exprs[e].kind else {
            return None;
        };
        loop {
            match sound.program().ast.exprs[base].kind {
                ExprKind::Paren(inner) => base = inner,
                ExprKind::Index { base: array, index } => {
                    let Res::Resource(id) = sound.tables().expr_res[array] else {
                        return None;
                    };
                    let index = self.words(index);
                    let len = sound.tables().resources[id].count;
                    let count = len.map_or(1, |len| self.image.count(len));
                    let most = self.b.constant(count);
                    self.b.inside(index[0], most);
                    // An array of one element is called like the element itself.
                    let many = count > 1;
                    let index = many.then(|| Arg::Word(index[0])).into_iter().collect();
                    return Some((id, index));
                }
                _ => {
                    let Res::Resource(id) = sound.tables().expr_res[base] else {
                        return None;
                    };
                    return Some((id, Vec::new()));
                }
            }
        }
    }

    fn resource_operation(&mut self, e: ExprId, which: Intrinsic) -> Val {
        let Some((id, mut all)) = self.resource_receiver(e) else {
            return Val::Unit;
        };
        let args = self.ordered(e);
        let def = &self.image.sound.tables().resources[id];
        let (key_ty, value_ty) = (def.key.unwrap_or_default(), def.value.unwrap_or_default());
        let (key, value) = self.image.resource_layouts(id);
        let at = Some(self.image.resource(id));
        use Intrinsic as I;
        match which {
            I::TableGet
            | I::LpmGet
            | I::TernaryMatch
            | I::FlowGet
            | I::SetContains
            | I::FlowContains
            | I::FlowAdd
            | I::FlowRemove
            | I::FlowTouch
            | I::CountersCount
            | I::TagLookup
            | I::FlowPut
            | I::MeterCharge => all.push(self.block(args[0], key_ty, &key)),
            I::RingPick | I::SlotGet | I::SlotTouch | I::SlotRemove => {
                all.push(Arg::Word(self.words(args[0])[0]));
            }
            I::SlotTake | I::RegisterSet | I::RegisterAdd => {
                all.push(self.block(args[0], value_ty, &value));
            }
            _ => {}
        }
        match which {
            I::FlowPut => all.push(self.block(args[1], value_ty, &value)),
            I::MeterCharge => all.push(Arg::Word(self.words(args[1])[0])),
            _ => {}
        }
        let name = service_name(which);
        let answer = self.ask(name, 0, at, all);
        let words = match which {
            I::TableGet | I::LpmGet | I::TernaryMatch | I::RingPick | I::FlowGet | I::SlotGet => {
                return Val::Found {
                    address: answer,
                    value: value_ty,
                };
            }
            I::SlotTake | I::TagLookup => {
                // Slots and ports have 16 bits, and the contract says so.
                let number = self.b.inst(Op::Second, &[answer], 0, None, 16);
                vec![self.b.not(answer), number]
            }
            I::RegisterGet | I::RegisterAdd => {
                let mut packed = vec![answer];
                if value.size > 4 {
                    packed.push(self.b.inst(Op::Second, &[answer], 0, None, 32));
                }
                self.unpack(&value, &packed)
            }
            I::RegisterSet | I::CounterCount | I::CountersCount => return Val::Unit,
            _ => vec![answer],
        };
        Val::Words(words)
    }

    /// `x in set`, where the set is a resource; the words of `x` are evaluated.
    pub(super) fn in_resource(&mut self, x: &[Value], id: ResourceId) -> Value {
        let (key, _) = self.image.resource_layouts(id);
        let kind = self.image.sound.tables().resources[id].kind;
        let name = match kind {
            nfl_abi::image::ResourceKind::Set => "set.contains",
            _ => "flow.get",
        };
        let at = Some(self.image.resource(id));
        let block = Arg::Block(self.pack(&key, x));
        self.ask(name, 0, at, vec![block])
    }
}

/// The service behind an operation on a resource.
fn service_name(which: Intrinsic) -> &'static str {
    match which {
        Intrinsic::TableGet => "table.get",
        Intrinsic::LpmGet => "lpm.get",
        Intrinsic::TernaryMatch => "ternary.match",
        Intrinsic::SetContains => "set.contains",
        Intrinsic::RingPick => "ring.pick",
        Intrinsic::FlowGet | Intrinsic::FlowContains => "flow.get",
        Intrinsic::FlowPut | Intrinsic::FlowAdd => "flow.put",
        Intrinsic::FlowRemove => "flow.remove",
        Intrinsic::FlowTouch => "flow.touch",
        Intrinsic::SlotGet => "slot.get",
        Intrinsic::SlotTake => "slot.take",
        Intrinsic::SlotTouch => "slot.touch",
        Intrinsic::SlotRemove => "slot.remove",
        Intrinsic::RegisterGet => "register.get",
        Intrinsic::RegisterSet => "register.set",
        Intrinsic::RegisterAdd => "register.add",
        Intrinsic::CounterCount | Intrinsic::CountersCount => "counter.count",
        Intrinsic::TagLookup => "tag.lookup",
        Intrinsic::TopicJoin => "topic.join",
        Intrinsic::TopicMembers => "topic.members",
        _ => "meter.charge",
    }
}
