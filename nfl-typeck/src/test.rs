//! Tests: `@Test` methods, and what only they may say.
//!
//! In: the tests of the root file. Out: their rows, and the meaning of functions as instances, packets
//! that are built, outcomes, the clock and what the controller does to resources. The idea: a test is a
//! body like any other, with a few more forms, each of which is asked for before the ordinary rule.

use crate::check::{Body, Checker, Gives, OwnerId, OwnerKind};
use crate::resolve::TypeName;
use crate::tables::{CarriedId, FunctionId, HeaderId, RecordId, Res, ResourceId};
use crate::ty::{Ty, TyKind};
use nfl_abi::image::ResourceKind;
use nfl_abi::{Role, codes};
use nfl_syntax::Span;
use nfl_syntax::ast::{
    Arg, BinOp, DeclId, DeclKind, ExprId, ExprKind, Ident, StmtId, TypeId, TypeKind,
};

/// What has no components yet.
const REPORT: &str = "a report, before `instanceof` tells its record,";

/// A test of the root file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestDef {
    /// With package and owner: `acme.edge.Nat44.thereAndBackAgain`.
    pub qualified: String,
    /// Its declaration, with the body.
    pub decl: DeclId,
    /// Its name.
    pub span: Span,
}

/// What only tests may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TestOp {
    /// `Router(routes = 16)`: a function with its parameters.
    Instance(FunctionId),
    /// `router.ingress(pkt)`: a handler on a packet, giving an `Outcome`.
    Handler(Role),
    /// `path.at(NodeId(3))`: the same instance on another node.
    At,
    /// `Ipv4(src = a)`: a header to be built.
    Header(HeaderId),
    /// `Payload("text")`, `Payload(472B)`: bytes behind the headers.
    Payload,
    /// `a / b`: one behind the other.
    Behind,
    /// `Dns.query("name")`: a header with its body.
    DnsQuery(HeaderId),
    /// `pkt.from(Port(1))`: the same packet from another port.
    From,
    /// `pkt.towards(NodeId(5))`: the same packet with another next hop on its path.
    Towards,
    /// `pkt.cut(23)`: its first bytes.
    Cut,
    /// `pkt.checksumsAreGood()`
    ChecksumsAreGood,
    /// `out.verdict`
    OutcomeVerdict,
    /// `out.packet`
    OutcomePacket,
    /// `out.priority`
    OutcomePriority,
    /// `out.mirrors`: the copies that were sent.
    OutcomeMirrors,
    /// `out.mirrors.length`
    MirrorsLength,
    /// `out.mirrors[i]`
    Mirror,
    /// `out.mirrors[i].port`
    MirrorPort,
    /// `out.mirrors[i].packet`
    MirrorPacket,
    /// `clock.advance(1s)`
    Advance,
    /// `reports.length`
    ReportsLength,
    /// `logs.length`
    LogsLength,
    /// `reports[i]`
    Report,
    /// `probe.used`: what travels with the packets of an instance.
    Carried(CarriedId),
    /// `router.fib4`: a resource of an instance.
    Resource(ResourceId),
    /// What the controller does to a resource.
    Control(Control),
}

/// What the controller does to a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// `acl.add(key, value)`
    Add,
    /// `servers.remove(key)`
    Remove,
    /// `blocked.contains(key)`
    Contains,
    /// `blocked.clear()`
    Clear,
    /// `denied.packets`
    Packets,
    /// `denied.bytes`
    Bytes,
    /// `ring[3]`
    Element,
    /// `AclKey.where(src = 10.0.0.0/8)`: a rule over the components of a record.
    Where(RecordId),
}

impl Checker<'_> {
    /// Checks the tests of the root file.
    pub(crate) fn check_tests(&mut self) {
        for owner in self.owner_ids() {
            if !self.is_of_root(owner) {
                continue;
            }
            for &member in self.members_of(owner) {
                if self.is_test(member) {
                    self.check_test(owner, member);
                }
            }
        }
    }

    fn check_test(&mut self, owner: OwnerId, member: DeclId) {
        let ast = self.ast;
        let DeclKind::Method {
            result,
            name,
            params,
            uses,
            body,
        } = &ast.decls[member].kind
        else {
            return;
        };
        let shape = result.is_none() && params.is_empty() && uses.is_none();
        let (true, Some(body)) = (shape, body) else {
            let finding = self
                .at(&codes::E270, name.span)
                .label("a test takes nothing and answers nothing")
                .help(format!("@Test void {}() {{ … }}", self.text(name.name)));
            return self.report(finding);
        };
        let o = &self.owners[owner];
        let path = &self.packages[o.package].path;
        let dot = if path.is_empty() { "" } else { "." };
        let qualified = format!(
            "{path}{dot}{}.{}",
            self.text(o.name.name),
            self.text(name.name)
        );
        if let Some(earlier) = self.t.tests.iter().find(|t| t.qualified == qualified) {
            let earlier = earlier.span;
            self.twice(*name, earlier);
        }
        let of = Body {
            gives: Gives::Void,
            test: true,
            ..self.body_of(owner)
        };
        self.within(of, |c| c.body_block(body, name.span));
        self.t.tests.push(TestDef {
            qualified,
            decl: member,
            span: name.span,
        });
    }

    /// Notes what a form of tests means, and gives its type.
    fn test_op(&mut self, e: ExprId, op: TestOp, ty: TyKind) -> Ty {
        self.set_res(e, Res::Test(op));
        self.ty(ty)
    }

    /// An expression that only a test may say, if it is one.
    pub(crate) fn test_expr(&mut self, e: ExprId) -> Option<Ty> {
        let ast = self.ast;
        match &ast.exprs[e].kind {
            ExprKind::Construct { ty, args } => self.test_construct(e, *ty, args),
            ExprKind::Type(ty) => {
                let owner = self.test_owner(*ty)?;
                self.warn_deprecated_type(owner, ast.types[*ty].span);
                match self.owners[owner].kind {
                    OwnerKind::Header(h) => {
                        Some(self.test_op(e, TestOp::Header(h), TyKind::Packet))
                    }
                    _ => None,
                }
            }
            ExprKind::Binary {
                op: BinOp::Div,
                left,
                right,
            } if self.is_packet(*left) => {
                for side in [*left, *right] {
                    let packet = self.ty(TyKind::Packet);
                    self.coerce(side, packet);
                }
                Some(self.test_op(e, TestOp::Behind, TyKind::Packet))
            }
            ExprKind::StaticCall { ty, name, args } => self.test_static(e, *ty, *name, args),
            ExprKind::MethodCall { base, name, args } if self.is_word(*base, "clock") => {
                if self.text(name.name) != "advance" {
                    return Some(self.no_member(*name, "the clock"));
                }
                self.test_args(*name, args, &[TyKind::Duration]);
                Some(self.test_op(e, TestOp::Advance, TyKind::Void))
            }
            ExprKind::Field { base, name } if self.is_word(*base, "reports") => {
                if self.text(name.name) != "length" {
                    return Some(self.no_member(*name, "the list of reports"));
                }
                Some(self.test_op(e, TestOp::ReportsLength, TyKind::Unsigned(32)))
            }
            ExprKind::Field { base, name } if self.is_word(*base, "logs") => {
                if self.text(name.name) != "length" {
                    return Some(self.no_member(*name, "the list of log lines"));
                }
                Some(self.test_op(e, TestOp::LogsLength, TyKind::Unsigned(32)))
            }
            ExprKind::Index { base, index } if self.is_word(*base, "reports") => {
                let word = self.ty(TyKind::Unsigned(32));
                self.coerce(*index, word);
                Some(self.test_op(e, TestOp::Report, TyKind::Report))
            }
            ExprKind::Name(name) => {
                self.outside_of_instances(e, *name);
                None
            }
            _ => None,
        }
    }

    /// Whether an expression is a plain name that no variable hides.
    fn is_word(&self, e: ExprId, word: &str) -> bool {
        matches!(self.ast.exprs[e].kind, ExprKind::Name(name)
            if self.text(name) == word && self.in_scope(name).is_none())
    }

    /// A parameter, carried field or resource of the function around a test belongs to no instance.
    fn outside_of_instances(&mut self, e: ExprId, name: nfl_syntax::Name) {
        let Some(f) = self.function().filter(|_| self.in_scope(name).is_none()) else {
            return;
        };
        let function = &self.t.functions[f];
        let it = |n: nfl_syntax::Name| n == name;
        let member = function
            .params
            .iter()
            .any(|&p| it(self.t.templates[p].name))
            || function.carried.iter().any(|&c| it(self.t.carried[c].name))
            || function
                .resources
                .iter()
                .any(|&r| it(self.t.resources[r].name));
        if member {
            let text = self.text(name);
            let finding = self
                .at(&codes::E271, self.span(e))
                .message(format!("`{text}` belongs to an instance of the function"))
                .label("a test stands outside of every instance")
                .help(format!(
                    "var it = {}(…);  it.{text}",
                    self.text(function.name)
                ));
            self.report(finding);
        }
    }

    /// The declaration that a written type names, if it names one.
    pub(crate) fn test_owner(&self, ty: TypeId) -> Option<OwnerId> {
        let TypeKind::Named { path, args } = &self.ast.types[ty].kind else {
            return None;
        };
        let [name] = path.as_slice() else {
            return None;
        };
        match self.type_name(name.name) {
            TypeName::Owner(owner) if args.is_empty() => Some(owner),
            _ => None,
        }
    }

    fn is_payload(&self, ty: TypeId) -> bool {
        matches!(&self.ast.types[ty].kind, TypeKind::Named { path, .. }
            if matches!(path.as_slice(), [name] if self.text(name.name) == "Payload"))
            && self.test_owner(ty).is_none()
    }

    /// Whether an expression is a packet, as far as that can be seen without checking it.
    fn is_packet(&self, e: ExprId) -> bool {
        match &self.ast.exprs[self.bare(e)].kind {
            ExprKind::Construct { ty, .. } | ExprKind::Type(ty) => {
                let header = |o: OwnerId| matches!(self.owners[o].kind, OwnerKind::Header(_));
                self.is_payload(*ty) || self.test_owner(*ty).is_some_and(header)
            }
            ExprKind::StaticCall { ty, name, .. } => {
                let header = |o: OwnerId| matches!(self.owners[o].kind, OwnerKind::Header(_));
                self.text(name.name) == "query" && self.test_owner(*ty).is_some_and(header)
            }
            ExprKind::Binary {
                op: BinOp::Div,
                left,
                ..
            } => self.is_packet(*left),
            ExprKind::MethodCall { base, name, .. } => {
                matches!(self.text(name.name), "from" | "towards" | "cut") && self.is_packet(*base)
            }
            ExprKind::Field { name, .. } => self.text(name.name) == "packet",
            ExprKind::Name(name) => {
                let local = self.in_scope(*name);
                local.is_some_and(|l| self.kind(self.t.locals[l].ty) == TyKind::Packet)
            }
            _ => false,
        }
    }

    fn test_construct(&mut self, e: ExprId, ty: TypeId, args: &[Arg]) -> Option<Ty> {
        if self.is_payload(ty) {
            let [arg] = args else {
                let finding = self
                    .at(&codes::E213, self.span(e))
                    .message("a payload is a text or a number of bytes")
                    .label("like `Payload(\"GET /\")` or `Payload(472B)`");
                self.report(finding);
                return Some(self.ty(TyKind::Packet));
            };
            let text = matches!(
                self.ast.exprs[arg.value].kind,
                ExprKind::Lit(nfl_syntax::ast::Lit::Text(_))
            );
            let want = self.ty(if text { TyKind::Text } else { TyKind::Size });
            self.coerce(arg.value, want);
            return Some(self.test_op(e, TestOp::Payload, TyKind::Packet));
        }
        let owner = self.test_owner(ty)?;
        self.warn_deprecated_type(owner, self.ast.types[ty].span);
        match self.owners[owner].kind {
            OwnerKind::Function(f) => Some(self.test_instance(e, f, args)),
            OwnerKind::Header(h) => Some(self.test_header(e, h, args)),
            _ => None,
        }
    }

    /// `Router(routes = 16)`
    fn test_instance(&mut self, e: ExprId, f: FunctionId, args: &[Arg]) -> Ty {
        let params = self.t.functions[f].params.clone();
        let mut given = vec![false; params.len()];
        for (at, arg) in args.iter().enumerate() {
            let place = match arg.name {
                None => Some(at).filter(|&at| at < params.len()),
                Some(named) => params
                    .iter()
                    .position(|&p| self.t.templates[p].name == named.name),
            };
            let Some(place) = place else {
                let of = self.text(self.t.functions[f].name);
                match arg.name {
                    Some(named) => {
                        self.no_member(named, of);
                    }
                    None => {
                        let finding = self
                            .at(&codes::E213, self.span(arg.value))
                            .message(format!("`{of}` takes {} parameters", params.len()))
                            .label("one too many");
                        self.report(finding);
                    }
                }
                continue;
            };
            if std::mem::replace(&mut given[place], true) {
                let finding = self
                    .at(&codes::E284, self.span(arg.value))
                    .label("and here again");
                self.report(finding);
            }
            let want = self.t.templates[params[place]].ty;
            self.initial(arg.value, want);
            self.in_template_range(params[place], arg.value);
        }
        for (at, &param) in params.iter().enumerate() {
            let template = &self.t.templates[param];
            if !given[at] && template.default.is_none() {
                let finding = self
                    .at(&codes::E282, self.span(e))
                    .message(format!("`{}` has no value", self.text(template.name)))
                    .label("not given here")
                    .also(template.span, "declared without a default");
                self.report(finding);
            }
        }
        self.test_op(e, TestOp::Instance(f), TyKind::Instance(f))
    }

    fn in_template_range(&mut self, param: crate::tables::TemplateId, value: ExprId) {
        let template = &self.t.templates[param];
        let known = self.t.konst[value].as_ref().and_then(crate::konst::int);
        if let (Some((lo, hi)), Some(n)) = (template.range, known)
            && !(lo..=hi).contains(&n)
        {
            let finding = self
                .at(&codes::E281, self.span(value))
                .message(format!("{n} lies outside of {lo}..{hi}"))
                .label("not in the range of the parameter")
                .also(template.span, "declared here");
            self.report(finding);
        }
    }

    /// `Ipv4(src = 10.0.0.1)`
    fn test_header(&mut self, e: ExprId, h: HeaderId, args: &[Arg]) -> Ty {
        for (at, arg) in args.iter().enumerate() {
            let field = match arg.name {
                Some(named) => match self.field_of(h, named) {
                    Some(field) => field,
                    None => {
                        let of = self.text(self.t.headers[h].name);
                        self.no_member(named, of);
                        continue;
                    }
                },
                None => match u32::try_from(at) {
                    Ok(at) if (at as usize) < self.t.headers[h].fields.len() => at,
                    _ => {
                        let finding = self.at(&codes::E213, self.span(arg.value)).message(format!(
                            "{} has fewer fields",
                            self.text(self.t.headers[h].name)
                        ));
                        self.report(finding);
                        continue;
                    }
                },
            };
            let row = self.t.headers[h].fields[field as usize].clone();
            if row.len.is_some() {
                let text = self.ty(TyKind::Text);
                self.coerce(arg.value, text);
            } else {
                self.coerce(arg.value, row.ty);
            }
        }
        self.test_op(e, TestOp::Header(h), TyKind::Packet)
    }

    fn test_static(&mut self, e: ExprId, ty: TypeId, name: Ident, args: &[Arg]) -> Option<Ty> {
        if self.text(name.name) == "where" {
            return self.test_rule(e, ty, args);
        }
        let owner = self.test_owner(ty)?;
        let (OwnerKind::Header(h), "query") = (self.owners[owner].kind, self.text(name.name))
        else {
            return None;
        };
        self.test_args(name, args, &[TyKind::Text]);
        Some(self.test_op(e, TestOp::DnsQuery(h), TyKind::Packet))
    }

    /// `AclKey.where(src = 10.0.0.0/8, dport = 1024..65535)`
    fn test_rule(&mut self, e: ExprId, ty: TypeId, args: &[Arg]) -> Option<Ty> {
        let record_ty = self.resolve(ty);
        let TyKind::Record(record) = self.kind(record_ty) else {
            return None;
        };
        for arg in args {
            let named = arg.name.map(|n| n.name);
            let components = &self.t.records[record].components;
            let component = components.iter().find(|c| Some(c.name) == named);
            let Some(component) = component.map(|c| c.ty) else {
                match arg.name {
                    Some(named) => {
                        let of = self.show(record_ty);
                        self.no_member(named, &of);
                    }
                    None => {
                        let finding = self
                            .at(&codes::E213, self.span(arg.value))
                            .message("each part of a rule names a component")
                            .label("which one?");
                        self.report(finding);
                    }
                }
                continue;
            };
            self.element(arg.value, component);
        }
        self.set_res(e, Res::Test(TestOp::Control(Control::Where(record))));
        Some(record_ty)
    }

    /// What the controller does to a resource, where handlers have no such operation.
    fn test_control(&mut self, e: ExprId, r: ResourceId, name: Ident, args: &[Arg]) -> Option<Ty> {
        use ResourceKind as K;
        let def = &self.t.resources[r];
        let (kind, key, value) = (def.kind, def.key, def.value);
        let with_key = |value: Option<Ty>| -> Vec<Ty> { key.into_iter().chain(value).collect() };
        let (control, want) = match (self.text(name.name), kind) {
            ("add", K::Tags) => (Control::Add, with_key(value)),
            ("add" | "remove" | "contains", K::Topic) => {
                let control = match self.text(name.name) {
                    "add" => Control::Add,
                    "remove" => Control::Remove,
                    _ => Control::Contains,
                };
                (control, with_key(None))
            }
            ("remove", K::Tags) => (Control::Remove, with_key(None)),
            ("add" | "put", K::Table | K::Lpm | K::FlowTable | K::FlowState) => {
                (Control::Add, with_key(value))
            }
            ("add", K::Ternary) => {
                let mut want = with_key(value);
                if args.len() > want.len() {
                    want.push(self.ty(TyKind::Unsigned(32)));
                }
                (Control::Add, want)
            }
            ("add", K::Set) => (Control::Add, with_key(None)),
            ("add", K::Ring) => (Control::Add, value.into_iter().collect()),
            ("remove", K::Ring) => (Control::Remove, value.into_iter().collect()),
            ("remove", K::Table | K::Lpm | K::Ternary | K::Set) => {
                (Control::Remove, with_key(None))
            }
            ("contains", K::Ring) => (Control::Contains, value.into_iter().collect()),
            ("contains", K::Table | K::Lpm | K::Ternary | K::FlowTable | K::FlowState) => {
                (Control::Contains, with_key(None))
            }
            ("clear", _) => (Control::Clear, Vec::new()),
            ("packets", K::Counters) => (Control::Packets, with_key(None)),
            ("bytes", K::Counters) => (Control::Bytes, with_key(None)),
            _ => return None,
        };
        if args.len() != want.len() {
            self.arity(name, want.len(), args.len());
        }
        for (at, (arg, ty)) in args.iter().zip(want).enumerate() {
            if at == 0 && kind == K::Lpm && matches!(control, Control::Add | Control::Remove) {
                self.element(arg.value, ty);
            } else {
                self.coerce(arg.value, ty);
            }
        }
        let result = match control {
            Control::Contains => TyKind::Bool,
            Control::Packets | Control::Bytes => TyKind::Unsigned(64),
            _ => TyKind::Void,
        };
        Some(self.test_op(e, TestOp::Control(control), result))
    }

    /// `ring[3]`: one of an array of registers or counters. `out.mirrors[0]`: one of the copies.
    pub(crate) fn test_index(&mut self, e: ExprId, found: Ty) -> Option<Ty> {
        match self.kind(found) {
            TyKind::Resource(r) => {
                Some(self.test_op(e, TestOp::Control(Control::Element), TyKind::Resource(r)))
            }
            TyKind::Mirrors => Some(self.test_op(e, TestOp::Mirror, TyKind::Mirror)),
            _ => None,
        }
    }

    /// Checks arguments that have no names.
    pub(crate) fn test_args(&mut self, name: Ident, args: &[Arg], want: &[TyKind]) {
        if args.len() != want.len() {
            self.arity(name, want.len(), args.len());
        }
        for (arg, &kind) in args.iter().zip(want) {
            let ty = self.ty(kind);
            self.coerce(arg.value, ty);
        }
    }

    /// `base.name` on what only tests have.
    pub(crate) fn test_field(&mut self, e: ExprId, found: Ty, name: Ident) -> Option<Ty> {
        let text = self.text(name.name);
        match (self.kind(found), text) {
            (TyKind::Outcome, "verdict") => {
                Some(self.test_op(e, TestOp::OutcomeVerdict, TyKind::Verdict))
            }
            (TyKind::Outcome, "packet") => {
                Some(self.test_op(e, TestOp::OutcomePacket, TyKind::Packet))
            }
            (TyKind::Outcome, "priority") => {
                Some(self.test_op(e, TestOp::OutcomePriority, TyKind::Unsigned(8)))
            }
            (TyKind::Outcome, "mirrors") => {
                Some(self.test_op(e, TestOp::OutcomeMirrors, TyKind::Mirrors))
            }
            (TyKind::Outcome, _) => Some(self.no_member(name, "an outcome")),
            (TyKind::Report, _) => Some(self.no_member(name, REPORT)),
            (TyKind::Mirrors, "length") => {
                Some(self.test_op(e, TestOp::MirrorsLength, TyKind::Unsigned(32)))
            }
            (TyKind::Mirrors, _) => Some(self.no_member(name, "the list of mirrored packets")),
            (TyKind::Mirror, "port") => Some(self.test_op(e, TestOp::MirrorPort, TyKind::Port)),
            (TyKind::Mirror, "packet") => {
                Some(self.test_op(e, TestOp::MirrorPacket, TyKind::Packet))
            }
            (TyKind::Mirror, _) => Some(self.no_member(name, "a mirrored packet")),
            (TyKind::Instance(f), _) => {
                let function = &self.t.functions[f];
                // What belongs to the stages of a chain belongs to the chain.
                let stages = function
                    .stages
                    .iter()
                    .map(|s| &self.t.functions[s.function]);
                let all: Vec<_> = std::iter::once(function).chain(stages).collect();
                let mut carried = all.iter().flat_map(|f| &f.carried).copied();
                if let Some(c) = carried.find(|&c| self.t.carried[c].name == name.name) {
                    let ty = self.t.carried[c].ty;
                    self.set_res(e, Res::Test(TestOp::Carried(c)));
                    return Some(ty);
                }
                let mut resources = all.iter().flat_map(|f| &f.resources).copied();
                if let Some(r) = resources.find(|&r| self.t.resources[r].name == name.name) {
                    return Some(self.test_op(e, TestOp::Resource(r), TyKind::Resource(r)));
                }
                let of = self.text(function.name);
                Some(self.no_member(name, of))
            }
            (TyKind::Resource(_), "packets") => {
                Some(self.test_op(e, TestOp::Control(Control::Packets), TyKind::Unsigned(64)))
            }
            (TyKind::Resource(_), "bytes") => {
                Some(self.test_op(e, TestOp::Control(Control::Bytes), TyKind::Unsigned(64)))
            }
            _ => None,
        }
    }

    /// `base.name(args)` on what only tests have.
    pub(crate) fn test_method(
        &mut self,
        e: ExprId,
        found: Ty,
        name: Ident,
        args: &[Arg],
    ) -> Option<Ty> {
        let text = self.text(name.name);
        match (self.kind(found), text) {
            (TyKind::Packet, "from") => {
                self.test_args(name, args, &[TyKind::Port]);
                Some(self.test_op(e, TestOp::From, TyKind::Packet))
            }
            (TyKind::Packet, "towards") => {
                self.test_args(name, args, &[TyKind::NodeId]);
                Some(self.test_op(e, TestOp::Towards, TyKind::Packet))
            }
            (TyKind::Packet, "cut") => {
                self.test_args(name, args, &[TyKind::Unsigned(32)]);
                Some(self.test_op(e, TestOp::Cut, TyKind::Packet))
            }
            (TyKind::Packet, "checksumsAreGood") => {
                self.test_args(name, args, &[]);
                Some(self.test_op(e, TestOp::ChecksumsAreGood, TyKind::Bool))
            }
            (TyKind::Resource(r), _) => self.test_control(e, r, name, args),
            (TyKind::Instance(f), "at") => {
                self.test_args(name, args, &[TyKind::NodeId]);
                Some(self.test_op(e, TestOp::At, TyKind::Instance(f)))
            }
            (TyKind::Instance(f), _) => {
                let role = Role::from_text(text).filter(|&role| {
                    let mut handlers = self.t.functions[f].handlers.iter();
                    handlers.any(|h| h.role == role) && role != Role::Every
                });
                let Some(role) = role else {
                    let of = self.text(self.t.functions[f].name);
                    return Some(self.no_member(name, of));
                };
                self.test_args(name, args, &[TyKind::Packet]);
                Some(self.test_op(e, TestOp::Handler(role), TyKind::Outcome))
            }
            _ => None,
        }
    }

    /// `assert c : why;`: what it binds is in scope behind it.
    pub(crate) fn assertion(&mut self, cond: ExprId, why: Option<ExprId>) {
        let asked = self.cond(cond);
        self.body.state = asked.yes;
        self.body.scope.extend(asked.binds_yes);
        if let Some(why) = why {
            let text = self.ty(TyKind::Text);
            self.coerce(why, text);
        }
    }

    /// The statements of a body with the tests' own forms first; answers whether it was one of them.
    pub(crate) fn test_stmt(&mut self, stmt: StmtId) -> bool {
        let nfl_syntax::ast::StmtKind::Assert { cond, why } = &self.ast.stmts[stmt].kind else {
            return false;
        };
        let (cond, why) = (*cond, *why);
        self.assertion(cond, why);
        true
    }
}
