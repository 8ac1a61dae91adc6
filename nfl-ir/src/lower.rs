//! Lowering: a sound function with its parameters bound becomes modules, one for each image.
//!
//! In: a [`Sound`] program, a function, values for its parameters. Out: a module for each party of
//! a contract and one for the resident handlers; an image that has more of something than there are
//! numbers for is left out after a finding, and nothing else can fail. Guaranteed: methods are
//! inlined (there is no recursion), every loop with a `limit` carries its counter, every packet
//! access stands behind the length test that its pattern asks for.

mod call;
mod chain;
mod checksum;
mod cond;
mod expr;
mod field;
mod layers;
mod layout;
mod limits;
mod method;
mod number;
mod one_of;
mod pack;
mod pattern;
mod payload;
mod resize;
mod resource;
mod run;
mod service;
mod ssa;
mod stmt;
mod take;
mod value;
mod wide;

use crate::entity::{Block, DataId, FieldId, LateId, ParamId, Value};
use crate::func::{CarriedField, Data, Function, Module, WordInfo};
use nfl_abi::image::{OWN_REASONS, REASONS, Right, Verdict, VerdictKind};
use nfl_abi::{Layer, Profile, Role};
use nfl_syntax::Diags;
use nfl_syntax::arena::{Id, IdVec};
use nfl_syntax::ast::{DeclKind, ExprId};
use nfl_typeck::bind::Bindings;
use nfl_typeck::tables::{
    CarriedId, ConstId, FunctionDef, FunctionId, Handler, HeaderId, Initial, Konst, LocalId,
    OneOfId, ReasonId, ResourceId, StageArg, Tail, TemplateId,
};
use nfl_typeck::ty::Len;
use nfl_typeck::{Sound, Ty, TyKind};
use number::Width;
use ssa::{Builder, Place, Var};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The modules of a function, contracts first.
pub fn lower(
    sound: Sound<'_>,
    function: FunctionId,
    bindings: &Bindings,
    diags: &mut Diags,
) -> Vec<Module> {
    let def = &sound.tables().functions[function];
    let has = |role| def.handlers.iter().any(|h| h.role == role);
    let parties: Vec<Role> = [Role::Originator, Role::Responder]
        .into_iter()
        .filter(|&r| has(r))
        .collect();
    let shared = |h: &&Handler| matches!(h.role, Role::Transit | Role::Arrival);
    let mut modules = Vec::new();
    let mut image = |handlers: &[&Handler], party| {
        modules.extend(lower_image(sound, def, bindings, (handlers, party), diags));
    };
    for &party in &parties {
        let handlers: Vec<&Handler> = def
            .handlers
            .iter()
            .filter(|h| h.role == party || shared(h))
            .collect();
        image(&handlers, Some(party));
    }
    let rest: Vec<&Handler> = def.handlers.iter().filter(shared).collect();
    if parties.is_empty() && !rest.is_empty() {
        image(&rest, None);
    }
    let resident: Vec<&Handler> = def
        .handlers
        .iter()
        .filter(|h| h.role.profile() == Profile::Resident)
        .collect();
    if !resident.is_empty() {
        image(&resident, None);
    }
    modules
}

fn lower_image(
    sound: Sound<'_>,
    def: &FunctionDef,
    bindings: &Bindings,
    (handlers, party): (&[&Handler], Option<Role>),
    diags: &mut Diags,
) -> Option<Module> {
    let profile = handlers[0].role.profile();
    let name = match party {
        Some(party) => format!("{}.{}", def.qualified, party.text()),
        None => def.qualified.clone(),
    };
    let tables = sound.tables();
    let stages = def.stages.iter().map(|s| &tables.functions[s.function]);
    let tails = std::iter::once(def)
        .chain(stages)
        .flat_map(|f| [&f.malformed, &f.exhausted])
        .flatten();
    let rights = handlers
        .iter()
        .map(|h| h.effects)
        .chain(tails.map(|t| t.effects))
        .fold(Default::default(), nfl_abi::image::Rights::union);
    // New headers are written, and lengths around them.
    let rights = match rights.has(Right::Resize) {
        true => rights.with(Right::Rewrite),
        false => rights,
    };
    let module = Module {
        name,
        profile,
        rights,
        passes: def.passes,
        data: IdVec::new(),
        late: IdVec::new(),
        params: IdVec::new(),
        carried: Vec::new(),
        fields: IdVec::new(),
        reasons: Vec::new(),
        imports: IdVec::new(),
        resources: Vec::new(),
        formats: Vec::new(),
        functions: Vec::new(),
    };
    let mut image = ImageState {
        sound,
        whole: def,
        outer: bindings.clone(),
        def,
        stage: 0,
        args: &[],
        bindings: Rc::new(bindings.clone()),
        module,
        carried: BTreeMap::new(),
        fields: BTreeMap::new(),
        data: BTreeMap::new(),
        late: BTreeMap::new(),
        params: BTreeMap::new(),
        resources: BTreeMap::new(),
        largest: 0,
        written: stmt::written(sound),
    };
    if profile == Profile::Capsule {
        image.place_carried();
    }
    for handler in handlers {
        let f = match def.stages.is_empty() {
            true => Lower::handler(&mut image, handler),
            false => Lower::chain(&mut image, handler),
        };
        image.module.functions.push(f);
    }
    image.fits(diags).then_some(image.module)
}

/// What the handlers of one image share.
struct ImageState<'a> {
    sound: Sound<'a>,
    /// The function or chain that the image is made of, and the values of its parameters.
    whole: &'a FunctionDef,
    outer: Bindings,
    /// The stage that is being lowered: its function, its number, its parameters and their values.
    def: &'a FunctionDef,
    stage: u32,
    args: &'a [(TemplateId, StageArg)],
    bindings: Rc<Bindings>,
    module: Module,
    carried: BTreeMap<(u32, CarriedId), u32>,
    fields: BTreeMap<(u32, CarriedId), FieldId>,
    data: BTreeMap<ConstId, DataId>,
    late: BTreeMap<(TemplateId, usize), LateId>,
    params: BTreeMap<(TemplateId, usize), ParamId>,
    /// Places in the module.
    resources: BTreeMap<(u32, ResourceId), u8>,
    /// Bytes of the largest key or value.
    largest: u32,
    /// Variables that are assigned somewhere, or whose elements are.
    written: BTreeSet<LocalId>,
}

impl ImageState<'_> {
    /// Lays the `carried` fields one after another and writes their first bytes.
    fn place_carried(&mut self) {
        for (number, def) in self.stage_defs().into_iter().enumerate() {
            self.enter_stage(number);
            self.place_fields(&def.carried);
        }
    }

    fn place_fields(&mut self, fields: &[CarriedId]) {
        for &id in fields {
            let carried = &self.sound.tables().carried[id];
            let place = (self.stage, id);
            self.carried.insert(place, self.module.carried.len() as u32);
            let first = match &carried.init {
                Some(Initial::Known(konst)) => Some(konst.clone()),
                Some(Initial::Parameter(t)) => self.bindings.values[self.param(*t)].clone(),
                None => None,
            };
            let bytes = self.bytes_of(first.as_ref(), carried.ty);
            self.module.carried.extend_from_slice(&bytes);
            if let TyKind::Array(..) = self.sound.tables().types.kind(carried.ty) {
                let field = self.module.fields.push(CarriedField {
                    name: self.sound.program().names.text(carried.name).to_string(),
                    offset: self.carried[&place],
                    bytes: bytes.len() as u32,
                });
                self.fields.insert(place, field);
            }
        }
    }

    /// An array's element type and length; a plain type is one element.
    fn elements(&self, ty: Ty) -> (Ty, u32) {
        match self.sound.tables().types.kind(ty) {
            TyKind::Array(elem, Len::Known(n)) => (elem, n),
            TyKind::Array(elem, Len::Template(t)) => match &self.bindings.values[self.param(t)] {
                Some(Konst::Int(n)) => (elem, u32::try_from(*n).unwrap_or(0)),
                _ => (elem, 0),
            },
            _ => (ty, 1),
        }
    }

    fn width(&self, ty: Ty) -> Width {
        let types = &self.sound.tables().types;
        let bits = match types.kind(ty) {
            TyKind::Layer => 1,
            TyKind::Reason => 8,
            TyKind::FlowKey => 32,
            _ => types.bits(ty).expect("the checker lets only numbers here"),
        };
        Width {
            bits,
            signed: types.is_signed(ty),
        }
    }

    /// The number that stands for a reason in this image.
    fn reason(&mut self, reason: ReasonId) -> u32 {
        let index = reason.index();
        if self.module.profile == Profile::Capsule {
            return 0;
        }
        if index < REASONS.len() {
            return index as u32;
        }
        let name = &self.sound.tables().reasons[reason].name;
        let own = match self.module.reasons.iter().position(|r| r == name) {
            Some(own) => own,
            None => {
                self.module.reasons.push(name.clone());
                self.module.reasons.len() - 1
            }
        };
        u32::from(OWN_REASONS) + own as u32
    }

    fn data(&mut self, id: ConstId) -> DataId {
        if let Some(&data) = self.data.get(&id) {
            return data;
        }
        let tables = self.sound.tables();
        let def = &tables.consts[id];
        let bytes = self.bytes_of(def.value.as_ref(), def.ty);
        let name = self.sound.program().names.text(def.name).to_string();
        let data = self.module.data.push(Data {
            name,
            bytes,
            align: self.alignment(def.ty) as u8,
        });
        self.data.insert(id, data);
        data
    }

    /// What is known of a word of a parameter.
    fn word_info(&self, template: TemplateId, at: usize, width: u8) -> WordInfo {
        let tables = self.sound.tables();
        let def = &tables.templates[template];
        let all = u32::MAX >> (32 - u32::from(width));
        let clamp = |n: i128| {
            u32::try_from(n)
                .unwrap_or(if n < 0 { 0 } else { u32::MAX })
                .min(all)
        };
        let shape = self.shape(def.ty);
        let signed = tables.types.is_signed(def.ty);
        let (lo, hi) = match def.range {
            Some((lo, hi)) if shape.len() == 1 && !signed => (clamp(lo), clamp(hi)),
            // The upper word of a wide number has the upper part of its range.
            Some((lo, hi)) if shape.len() == 2 && !signed && at == 1 => {
                (clamp(lo >> 32), clamp(hi >> 32))
            }
            Some((lo, hi)) if shape.len() == 2 && !signed && lo >> 32 == hi >> 32 => {
                (clamp(lo & 0xffff_ffff), clamp(hi & 0xffff_ffff))
            }
            _ => (0, all),
        };
        let default = self.bindings.values[template].as_ref().map(|konst| {
            let mut numbers = Vec::new();
            self.numbers_of(konst, def.ty, &mut numbers);
            let words: Vec<u32> = self
                .layout(def.ty)
                .scalars
                .iter()
                .zip(numbers)
                .flat_map(|(scalar, number)| {
                    (0..scalar.bits.div_ceil(32)).map(move |i| (number >> (32 * i)) as u32)
                })
                .collect();
            words.get(at).copied().unwrap_or(0) & all
        });
        let name = self.sound.program().names.text(def.name);
        WordInfo {
            // The upper words of a wide value have numbers behind the name.
            name: match at {
                0 => name.to_string(),
                _ => format!("{name}.{at}"),
            },
            width,
            wire: false,
            lo,
            hi,
            default,
        }
    }
}

/// How many bytes a number of this width takes in memory other than packets.
fn stored_bytes(bits: u32) -> u32 {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        33..=64 => 8,
        _ => 16,
    }
}

/// The bits of a constant, least significant first.
fn bits_of(konst: &Konst) -> u128 {
    match konst {
        Konst::Bool(b) => u128::from(*b),
        Konst::Int(n) => *n as u128,
        Konst::Ip6(addr) | Konst::Prefix6 { addr, .. } => *addr,
        Konst::Prefix4 { addr, .. } => u128::from(*addr),
        Konst::Array(_) | Konst::Text(_) | Konst::Reason(_) | Konst::Record(..) => 0,
    }
}

/// A header at a place in the packet.
#[derive(Clone, Debug)]
struct View {
    /// The header; of several, the first.
    header: HeaderId,
    base: Place,
    /// The views around it, outermost first.
    outer: Rc<[View]>,
    /// Which of several headers it is, where only the packet knows.
    one_of: Option<Chosen>,
    /// Whether it lies in a variable array of the innermost view around it, and not behind that.
    within: bool,
}

/// One of the headers of a sealed interface.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    id: OneOfId,
    /// Its place among the members.
    tag: Value,
    /// Where its checksum lies, which is at least two bytes before the packet's end.
    sum: Value,
}

/// The value of an expression.
#[derive(Clone, Debug)]
enum Val {
    /// None: after `void` calls and in unreachable places.
    Unit,
    /// A number, address, boolean, record or sealed value.
    Words(Vec<Value>),
    /// A lookup's answer: the address of a value of this type, or 0 for a miss.
    Found { address: Value, value: Ty },
    /// What becomes of the packet.
    Verdict { kind: Value, operand: Value },
    /// A header.
    View(View),
    /// What lies behind a header.
    Body(View),
    /// The packet.
    Packet,
    /// What lies in memory: arrays, and records that are read component by component.
    Memory(value::Memory),
}

/// A local variable.
#[derive(Clone, Debug)]
enum Local {
    /// Numbers and verdicts: one variable a word.
    Vars(Vec<Var>),
    /// Views, the packet, arrays: never assigned.
    Fixed(Val),
}

/// A value that several places write, and where they go then.
#[derive(Clone)]
struct Out {
    vars: Vec<Var>,
    ty: Ty,
    end: Block,
}

/// Where `return`, `break`, `continue` and `yield` go.
#[derive(Default)]
struct Exits {
    /// Inside an inlined method: its result and where it returns to. The handler itself finishes.
    result: Option<Out>,
    /// `break` and `continue` of the loops around, innermost last.
    loops: Vec<(Block, Block)>,
    /// Results and ends of the expression switches around, innermost last.
    yields: Vec<Out>,
}

/// One handler under construction.
struct Lower<'i, 'a> {
    image: &'i mut ImageState<'a>,
    b: Builder,
    layer: Layer,
    locals: BTreeMap<LocalId, Local>,
    /// The header whose declaration is being read: `this` and the header before.
    this: Option<View>,
    parent: Option<View>,
    /// Inside a method of a record, enum or sealed interface: its `this`.
    own: Option<LocalId>,
    /// Inside a header's declaration, code belongs to the pattern that asked for it.
    in_header: bool,
    exits: Exits,
    malformed: Block,
    exhausted: Block,
    /// The views around what a cursor or bytes read: their checksums cover what is stored there.
    around: BTreeMap<LocalId, payload::Around>,
    /// In a run of assignments: the checksums that move where it ends.
    run: Option<Vec<checksum::Cover>>,
    /// Where the packet begins for the stage.
    start: Place,
    /// In a chain: where `Pass` goes on.
    next_stage: Option<Block>,
}

impl<'i, 'a> Lower<'i, 'a> {
    fn handler(image: &'i mut ImageState<'a>, handler: &'a Handler) -> Function
    where
        'a: 'i,
    {
        let mut f = Function::new(handler.role, handler.layer);
        f.period_ns = image.period_ns(handler);
        let mut b = Builder::new(f);
        let tails = (b.block(), b.block());
        let mut lower = Lower::new(image, b, handler.layer, tails);
        lower.body_and_tails(handler);
        lower.close(tails.0)
    }

    fn new(
        image: &'i mut ImageState<'a>,
        b: Builder,
        layer: Layer,
        (malformed, exhausted): (Block, Block),
    ) -> Lower<'i, 'a> {
        Lower {
            image,
            b,
            layer,
            locals: BTreeMap::new(),
            this: None,
            parent: None,
            own: None,
            in_header: false,
            exits: Exits::default(),
            malformed,
            exhausted,
            around: BTreeMap::new(),
            run: None,
            start: Place::at(0),
            next_stage: None,
        }
    }

    /// A handler's body, then where it goes when a loop is exhausted or the packet malformed.
    fn body_and_tails(&mut self, handler: &'a Handler) {
        self.whole_body(handler.decl, handler.packet);
        let def = self.image.def;
        self.tail(self.exhausted, &def.exhausted, "EXHAUSTED");
        self.tail(self.malformed, &def.malformed, "MALFORMED");
    }

    /// A body that ends in a verdict, or, for timers, at its end.
    fn whole_body(&mut self, decl: nfl_syntax::ast::DeclId, packet: Option<LocalId>) {
        if let Some(packet) = packet {
            self.locals.insert(packet, Local::Fixed(Val::Packet));
        }
        let ast = &self.image.sound.program().ast;
        let body = match &ast.decls[decl].kind {
            DeclKind::Handler { body, .. } | DeclKind::Every { body, .. } => body,
            _ => unreachable!("the checker notes handlers only"),
        };
        self.b.span = Some(ast.decls[decl].span);
        self.stmts(body);
        if self.b.reachable() {
            let zero = self.b.constant(0);
            self.answer(zero, zero);
        }
    }

    /// `on malformed` and `on exhausted`, or their defaults.
    fn tail(&mut self, block: Block, tail: &'a Option<Tail>, reason: &str) {
        self.b.enter(block);
        if !self.b.reachable() {
            return;
        }
        if let Some(tail) = tail {
            self.whole_body(tail.decl, tail.packet);
            return;
        }
        let index = REASONS
            .iter()
            .position(|&r| r == reason)
            .expect("a standard reason");
        let number = self.image.reason(ReasonId::new(index));
        let kind = self.b.constant(u32::from(VerdictKind::Drop.number()));
        let operand = self.b.constant(number);
        self.answer(kind, operand);
    }

    /// The finished function; notes the malformed verdict where it is a constant.
    fn close(self, malformed: Block) -> Function {
        let verdict = |b: &Builder| {
            let block = &b.f.blocks[malformed];
            let crate::func::Term::Finish { kind, operand } = block.term else {
                return None;
            };
            let pure = block
                .insts
                .iter()
                .all(|&i| b.f.insts[i].op == crate::op::Op::Const);
            let kind = VerdictKind::from_number(u8::try_from(b.as_constant(kind)?).ok()?)?;
            pure.then_some(Verdict {
                kind,
                operand: b.as_constant(operand)?,
            })
        };
        let verdict = verdict(&self.b);
        let mut f = self.b.done();
        f.malformed = verdict;
        f
    }

    /// Reads expressions of a header's declaration, with `this` as its view.
    fn in_header<T>(
        &mut self,
        this: View,
        parent: Option<View>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let saved = (
            self.this.replace(this),
            std::mem::replace(&mut self.parent, parent),
            std::mem::replace(&mut self.in_header, true),
        );
        let result = read(self);
        (self.this, self.parent, self.in_header) = saved;
        result
    }

    /// The constant value of an expression, parameters that are bound included.
    fn konst(&self, e: ExprId) -> Option<Konst> {
        self.image.sound.tables().konst[e].clone()
    }
}
