//! Services of the node: methods without a body, and the functions of the language that ask the node.
//!
//! In: calls on resources, on the packet's flow, of `hash`, `log` and `report`, and methods that the
//! library declares without a body. Out: the [`Intrinsic`] behind each, its arguments in the order
//! of the parameters, its type. What a call does is what the library's `uses` says.

use crate::builtin::Intrinsic;
use crate::check::Checker;
use crate::resolve::nearest;
use crate::tables::{Konst, MethodId, Res, ResourceId};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::{ResourceKind, Right, Rights};
use nfl_syntax::Name;
use nfl_syntax::ast::{Arg, DeclKind, ExprId, ExprKind, Ident, Lit, ParamId, TypeId};

/// Methods of the library without a body, by qualified name.
const NATIVE: &[(&str, Intrinsic)] = &[
    ("nfl.time.Clock.now", Intrinsic::ClockNow),
    ("nfl.time.Clock.nanos", Intrinsic::ClockNanos),
    ("nfl.time.Clock.minutes", Intrinsic::ClockMinutes),
    ("nfl.lang.Random.next", Intrinsic::RandomNext),
    ("nfl.text.Hash.of", Intrinsic::HashOf),
    ("nfl.text.NameHash.of", Intrinsic::NameHashOf),
];

/// The most bytes that one hash takes.
const HASHED_MAX: u32 = 128;
/// The most words that one `log` takes.
const LOGGED_MAX: u32 = 6;

/// What the method of a resource does.
fn operation(kind: ResourceKind, method: &str) -> Option<Intrinsic> {
    use ResourceKind as K;
    Some(match (kind, method) {
        (K::Table, "get") => Intrinsic::TableGet,
        (K::Lpm, "get") => Intrinsic::LpmGet,
        (K::Ternary, "match") => Intrinsic::TernaryMatch,
        (K::Set, "contains") => Intrinsic::SetContains,
        (K::Ring, "pick") => Intrinsic::RingPick,
        (K::FlowTable | K::FlowState, "get") => Intrinsic::FlowGet,
        (K::FlowTable | K::FlowState, "put") => Intrinsic::FlowPut,
        (K::FlowSet, "contains") => Intrinsic::FlowContains,
        (K::FlowSet, "add") => Intrinsic::FlowAdd,
        (K::FlowTable | K::FlowState | K::FlowSet, "remove") => Intrinsic::FlowRemove,
        (K::FlowTable | K::FlowState | K::FlowSet, "touch") => Intrinsic::FlowTouch,
        (K::Slots, "get") => Intrinsic::SlotGet,
        (K::Slots, "take") => Intrinsic::SlotTake,
        (K::Slots, "touch") => Intrinsic::SlotTouch,
        (K::Slots, "remove") => Intrinsic::SlotRemove,
        (K::Register, "get") => Intrinsic::RegisterGet,
        (K::Register, "set") => Intrinsic::RegisterSet,
        (K::Register, "add") => Intrinsic::RegisterAdd,
        (K::Counter, "count") => Intrinsic::CounterCount,
        (K::Counters, "count") => Intrinsic::CountersCount,
        (K::Meter, "charge") => Intrinsic::MeterCharge,
        (K::Tags, "lookup") => Intrinsic::TagLookup,
        (K::Topic, "join") => Intrinsic::TopicJoin,
        (K::Topic, "members") => Intrinsic::TopicMembers,
        _ => return None,
    })
}

/// The signature of a method of a resource, with the resource's types for its type parameters.
struct Signature {
    params: Vec<(Ident, Ty, Option<ExprId>)>,
    result: Ty,
    rights: Rights,
}

impl Checker<'_> {
    /// The builtin behind a method without a body.
    pub(crate) fn native(&self, id: MethodId) -> Option<Intrinsic> {
        let owner = &self.owners[self.method_info[id].owner];
        let package = &self.packages[owner.package].path;
        if !package.starts_with("nfl.") {
            return None;
        }
        let name = self.text(self.t.methods[id].name);
        let qualified = format!("{package}.{}.{name}", self.text(owner.name.name));
        NATIVE
            .iter()
            .find(|(text, _)| *text == qualified)
            .map(|(_, which)| *which)
    }

    /// What a call of such a method is, beside the type that its declaration says.
    pub(crate) fn native_call(&mut self, e: ExprId, which: Intrinsic, args: &[ExprId]) {
        self.set_res(e, Res::Intrinsic(which));
        let text = args.first().and_then(|&a| self.t.konst[a].clone());
        let value = match (which, text) {
            (Intrinsic::HashOf, Some(Konst::Text(text))) => fnv(FNV_BASIS, &text),
            (Intrinsic::NameHashOf, Some(Konst::Text(text))) => name_hash(&text),
            _ => return,
        };
        self.set_konst(e, Some(Konst::Int(i128::from(value))));
    }

    /// `resource.name(args)`
    pub(crate) fn resource_call(
        &mut self,
        e: ExprId,
        id: ResourceId,
        name: Ident,
        args: &[Arg],
    ) -> Ty {
        let kind = self.t.resources[id].kind;
        let text = self.text(name.name);
        let Some((which, signature)) = operation(kind, text).zip(self.signature(id, name.name))
        else {
            return self.no_operation(id, name);
        };
        self.set_res(e, Res::Intrinsic(which));
        let params = &signature.params;
        let ordered = self.in_order(name, params, args);
        for (arg, (_, ty, _)) in ordered.iter().zip(params) {
            if let Some(arg) = arg {
                self.coerce(*arg, *ty);
            }
        }
        if which == Intrinsic::RegisterAdd {
            let value = self.t.resources[id].value.unwrap_or_default();
            if !matches!(
                self.kind(value),
                TyKind::Error | TyKind::Unsigned(_) | TyKind::Signed(_)
            ) {
                let finding = self
                    .at(&codes::E207, name.span)
                    .message(format!("{} cannot be added to", self.show(value)))
                    .label("not a number")
                    .also(self.t.resources[id].span, "declared here");
                self.report(finding);
            }
        }
        let all: Option<Vec<ExprId>> = ordered.into_iter().collect();
        if let Some(args) = &all {
            self.note_race(e, id, which, name, args);
        }
        self.t.args.set(e, all);
        let resource = self.text(self.t.resources[id].name);
        for right in signature.rights.iter() {
            self.act(right, name.span, format!("this writes `{resource}`"));
        }
        signature.result
    }

    /// Warns of a value that is read and written back, where another core may write in between: on a key
    /// that is not the flow, which nodes pin to a core.
    fn note_race(
        &mut self,
        e: ExprId,
        id: ResourceId,
        which: Intrinsic,
        name: Ident,
        args: &[ExprId],
    ) {
        let resource = &self.t.resources[id];
        let flow = resource
            .key
            .is_some_and(|key| self.kind(key) == TyKind::FlowKey);
        let ExprKind::MethodCall { base, .. } = self.ast.exprs[e].kind else {
            return;
        };
        let read = match (which, args) {
            (Intrinsic::FlowGet, &[key]) if !flow => {
                let read = (id, self.source(key), name.span);
                return self.body.reads.push((read.0, read.1.to_string(), read.2));
            }
            (Intrinsic::FlowPut, &[key, _]) if !flow => {
                let key = self.source(key);
                let mut reads = self.body.reads.iter();
                reads
                    .find(|(r, text, _)| *r == id && text == key)
                    .map(|(.., span)| *span)
            }
            (Intrinsic::RegisterSet, &[value]) => {
                let get = format!("{}.get(", self.source(base));
                let own = self.span(value);
                self.source(value).contains(&get).then_some(own)
            }
            _ => None,
        };
        let Some(read) = read else { return };
        let resource = self.text(resource.name);
        let mut finding = self
            .at(&codes::W602, name.span)
            .message(format!(
                "another packet may change `{resource}` between this and the read before it"
            ))
            .label("written back here")
            .also(read, "read here");
        finding = match which {
            Intrinsic::RegisterSet => finding.help(format!("{resource}.add(…) is one step")),
            _ => finding
                .note("nodes keep the packets of a flow on one core: a `FlowKey` as the key, or a `Meter`, has no such gap"),
        };
        self.warnings.push(finding);
    }

    fn no_operation(&mut self, id: ResourceId, name: Ident) -> Ty {
        let kind = self.t.resources[id].kind;
        let Some(owner) = self.owner_of_kind(kind) else {
            return Ty::default();
        };
        let of = self.text(self.owners[owner].name.name);
        let methods = self.resource_methods(owner);
        let near = nearest(self.text(name.name), methods.iter().map(|n| self.text(*n)));
        let all: Vec<&str> = methods.iter().map(|n| self.text(*n)).collect();
        let mut finding = self
            .at(&codes::E229, name.span)
            .message(format!("{of} has no `{}`", self.text(name.name)))
            .label(format!("it has {}", all.join(", ")));
        if let Some(near) = near {
            finding = Checker::meant(finding, name.span, near);
        }
        self.report(finding);
        Ty::default()
    }

    fn resource_methods(&self, owner: crate::check::OwnerId) -> Vec<Name> {
        let DeclKind::Record { members, .. } = &self.ast.decls[self.owners[owner].decl].kind else {
            return Vec::new();
        };
        let method = |decl: &nfl_syntax::ast::DeclId| match &self.ast.decls[*decl].kind {
            DeclKind::Method { name, .. } => Some(name.name),
            _ => None,
        };
        members.iter().filter_map(method).collect()
    }

    /// What the library says of a resource's method.
    fn signature(&mut self, id: ResourceId, name: Name) -> Option<Signature> {
        let ast = self.ast;
        let owner = self.owner_of_kind(self.t.resources[id].kind)?;
        let DeclKind::Record { members, .. } = &ast.decls[self.owners[owner].decl].kind else {
            return None;
        };
        let body = self.resource_body(id, owner);
        members
            .iter()
            .find_map(|&member| match &ast.decls[member].kind {
                DeclKind::Method {
                    name: own,
                    result,
                    params,
                    uses,
                    ..
                } if own.name == name => Some(self.within(body.clone(), |c| {
                    let param = |c: &mut Self, p: &ParamId| {
                        let p = &ast.params[*p];
                        (p.name, c.resolve(p.ty), p.default)
                    };
                    Signature {
                        params: params.iter().map(|p| param(c, p)).collect(),
                        result: c.result_ty(*result),
                        rights: uses.as_ref().map_or(Rights::NONE, |uses| c.listed(uses)),
                    }
                })),
                _ => None,
            })
    }

    fn result_ty(&mut self, result: Option<TypeId>) -> Ty {
        match result {
            Some(ty) => self.resolve(ty),
            None => self.ty(TyKind::Void),
        }
    }

    /// Arguments by position and name in the order of the parameters; `None` where one is missing,
    /// after a report.
    fn in_order(
        &mut self,
        call: Ident,
        params: &[(Ident, Ty, Option<ExprId>)],
        args: &[Arg],
    ) -> Vec<Option<ExprId>> {
        let mut given: Vec<Option<ExprId>> = vec![None; params.len()];
        let mut wrong = args.len() > params.len();
        for (at, arg) in args.iter().enumerate() {
            let place = match arg.name {
                None => Some(at),
                Some(name) => params.iter().position(|(p, ..)| p.name == name.name),
            };
            match place.and_then(|place| given.get_mut(place)) {
                Some(slot @ None) => *slot = Some(arg.value),
                _ => wrong = true,
            }
        }
        for (slot, (_, _, default)) in given.iter_mut().zip(params) {
            *slot = slot.or(*default);
        }
        if wrong || given.contains(&None) {
            let names: Vec<&str> = params.iter().map(|(p, ..)| self.text(p.name)).collect();
            let finding = self
                .at(&codes::E213, call.span)
                .message(format!(
                    "`{}` takes ({})",
                    self.text(call.name),
                    names.join(", ")
                ))
                .label("called here");
            self.report(finding);
        }
        given
    }

    /// `value in set`, where the set is a resource. Answers whether it is one.
    pub(crate) fn resource_membership(
        &mut self,
        value: ExprId,
        ty: Ty,
        set: ExprId,
        found: Ty,
    ) -> bool {
        let TyKind::Resource(id) = self.kind(found) else {
            return false;
        };
        let resource = &self.t.resources[id];
        match (resource.kind, resource.key) {
            (ResourceKind::Set | ResourceKind::FlowSet, Some(key)) => {
                self.fit(value, ty, key);
            }
            _ => {
                let finding = self
                    .at(&codes::E212, self.span(set))
                    .message("only sets of keys stand behind `in`")
                    .label("this has values");
                self.report(finding);
            }
        }
        true
    }

    /// `hash(a, b)` and `siphash(key, a, b)`
    pub(crate) fn hash_call(&mut self, e: ExprId, keyed: bool, name: Ident, args: &[Arg]) -> Ty {
        let word = self.ty(TyKind::Unsigned(32));
        let mut rest = args;
        let mut all = Vec::new();
        if keyed && let Some((first, others)) = args.split_first() {
            let key = self.ty(TyKind::Unsigned(64));
            self.coerce(first.value, key);
            all.push(first.value);
            rest = others;
        }
        if rest.is_empty() {
            let finding = self
                .at(&codes::E213, name.span)
                .message(format!("`{}` takes values to hash", self.text(name.name)))
                .label("nothing is given");
            self.report(finding);
            return word;
        }
        let mut bytes = 0u32;
        let mut flow = false;
        for (at, arg) in rest.iter().enumerate() {
            self.no_name(arg);
            let ty = self.expr(arg.value, None);
            all.push(arg.value);
            match (self.kind(ty), self.stored_size(ty)) {
                (TyKind::Error, _) => {}
                (TyKind::FlowKey, _) if at == 0 && !keyed => flow = true,
                (TyKind::FlowKey, _) => {
                    let finding = self
                        .at(&codes::E213, self.span(arg.value))
                        .message("a flow is the first that `hash` takes")
                        .label("its five-tuple is with the node");
                    self.report(finding);
                }
                (_, Some(size)) => bytes = bytes.saturating_add(size),
                _ => self.not_passable(arg.value, ty, "hashed"),
            }
        }
        if bytes > HASHED_MAX {
            let finding = self
                .at(&codes::E213, name.span)
                .message(format!("at most {HASHED_MAX} bytes are hashed at once"))
                .label(format!("these are {bytes} bytes"));
            self.report(finding);
        }
        let which = match (flow, keyed) {
            (true, _) => Intrinsic::FlowHash,
            (_, true) => Intrinsic::SipHash,
            _ => Intrinsic::Hash,
        };
        self.set_res(e, Res::Intrinsic(which));
        self.t.args.set(e, Some(all));
        word
    }

    fn no_name(&mut self, arg: &Arg) {
        if let Some(named) = arg.name {
            let finding = self
                .at(&codes::E213, named.span)
                .message("these arguments have no names")
                .label("by position only");
            self.report(finding);
        }
    }

    fn not_passable(&mut self, e: ExprId, ty: Ty, how: &str) {
        let finding = self
            .at(&codes::E226, self.span(e))
            .message(format!("{} cannot be {how}", self.show(ty)))
            .label("only numbers, addresses, enums and records of them can");
        self.report(finding);
    }

    /// `log("reported {} -> {}", a, b)`
    pub(crate) fn log_call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Ty {
        let void = self.ty(TyKind::Void);
        self.set_res(e, Res::Intrinsic(Intrinsic::Log));
        self.act(Right::Report, name.span, "this writes to the node's log");
        let text = args.first().map(|a| self.bare(a.value));
        let (Some(text), Some(ExprKind::Lit(Lit::Text(bytes)))) =
            (text, text.map(|t| &self.ast.exprs[t].kind))
        else {
            let finding = self
                .at(&codes::E213, name.span)
                .message("`log` takes a text first")
                .label("like `log(\"port {}\", tcp.dport)`");
            self.report(finding);
            return void;
        };
        let ty = self.ty(TyKind::Text);
        self.set_ty(text, ty);
        self.set_konst(text, Some(Konst::Text(bytes.clone())));
        let rest = &args[1..];
        let mut words = 0u32;
        for arg in rest {
            self.no_name(arg);
            let ty = self.expr(arg.value, None);
            match self.kind(ty) {
                TyKind::Error => {}
                TyKind::Array(..) | TyKind::Record(_) | TyKind::FlowKey => {
                    self.not_passable(arg.value, ty, "written to a log");
                }
                _ => match self.t.types.bits(ty) {
                    Some(bits) => words += bits.div_ceil(32),
                    None => self.not_passable(arg.value, ty, "written to a log"),
                },
            }
        }
        let holes = holes(bytes);
        if holes != rest.len() {
            let finding = self
                .at(&codes::E213, self.span(text))
                .message(format!(
                    "the text has {holes} place{} `{{}}` for {} value{}",
                    if holes == 1 { "" } else { "s" },
                    rest.len(),
                    if rest.len() == 1 { "" } else { "s" }
                ))
                .label("one place for each value");
            self.report(finding);
        }
        if words > LOGGED_MAX {
            let finding = self
                .at(&codes::E213, name.span)
                .message(format!("at most {LOGGED_MAX} words are logged at once"))
                .label(format!("these are {words} words of 32 bits"));
            self.report(finding);
        }
        let all = args.iter().map(|a| a.value).collect();
        self.t.args.set(e, Some(all));
        void
    }

    /// `report(record)`
    pub(crate) fn report_call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Ty {
        let void = self.ty(TyKind::Void);
        self.set_res(e, Res::Intrinsic(Intrinsic::Report));
        self.act(Right::Report, name.span, "this reports to the controller");
        let [arg] = args else {
            let finding = self
                .at(&codes::E213, name.span)
                .message("`report` takes one record")
                .label(format!("{} given", args.len()));
            self.report(finding);
            return void;
        };
        self.no_name(arg);
        let ty = self.expr(arg.value, None);
        match (self.kind(ty), self.stored_size(ty)) {
            (TyKind::Error, _) => {}
            (TyKind::Record(_), Some(_)) => self.t.args.set(e, Some(vec![arg.value])),
            _ => {
                let finding = self
                    .at(&codes::E226, self.span(arg.value))
                    .message(format!("{} cannot be reported", self.show(ty)))
                    .label("only records of numbers and addresses can");
                self.report(finding);
            }
        }
        void
    }

    /// `pkt.queue.depth`
    pub(crate) fn queue_depth(&mut self, e: ExprId) -> Ty {
        self.intrinsic(e, Intrinsic::QueueDepth, TyKind::Unsigned(16))
    }

    /// Whether an expression is `pkt.queue`.
    pub(crate) fn is_queue(&self, e: ExprId) -> bool {
        self.t.expr_res[self.bare(e)] == Res::Intrinsic(Intrinsic::PacketQueue)
    }

    /// `flow.name(args)`
    pub(crate) fn flow_call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Ty {
        match (self.text(name.name), args) {
            ("reverse", []) => self.intrinsic(e, Intrinsic::FlowReverse, TyKind::FlowKey),
            _ => self.no_member(name, "a flow"),
        }
    }
}

/// How many `{}` a text has.
fn holes(text: &[u8]) -> usize {
    text.windows(2).filter(|pair| pair == b"{}").count()
}

const FNV_BASIS: u32 = 0x811C_9DC5;
const FNV_PRIME: u32 = 0x0100_0193;

/// FNV-1a, 32 bits.
fn fnv(basis: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(basis, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(FNV_PRIME)
    })
}

/// The hash of a domain name: over the hashes of its labels in lower case, the last label first.
fn name_hash(name: &[u8]) -> u32 {
    let labels = name.split(|&c| c == b'.').filter(|label| !label.is_empty());
    let hashes: Vec<u32> = labels
        .map(|label| fnv(FNV_BASIS, &label.to_ascii_lowercase()))
        .collect();
    hashes.iter().rev().fold(FNV_BASIS, |hash, label| {
        (hash ^ label).wrapping_mul(FNV_PRIME)
    })
}
