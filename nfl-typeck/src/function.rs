//! Functions: parameters, carried memory, handlers.
//!
//! In: `function` declarations. Out: their rows. Guaranteed: a role has one handler, a handler one
//! layer, and `uses` covers what all handlers do.

use crate::check::{Body, Checker, Gives, OwnerId, OwnerKind, Summary};
use crate::konst;
use crate::tables::{
    Carried, FunctionId, Handler, Initial, Konst, LocalId, Res, Tail, Template, TemplateId,
};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::{Profile, Right, Rights};
use nfl_abi::{Layer, Role};
use nfl_syntax::Span;
use nfl_syntax::ast::{
    DeclId, DeclKind, Declarator, ExprId, Ident, Modifier, ParamId, StmtId, TypeId, Uses,
};

/// A handler as it is declared.
struct HandlerNode<'a> {
    decl: DeclId,
    /// The word behind `on`, or the whole of `every`.
    name: Ident,
    params: &'a [ParamId],
    uses: Option<&'a Uses>,
    body: &'a [StmtId],
}

impl Checker<'_> {
    /// Gives all functions their parameters and `carried` fields.
    pub(crate) fn declare_functions(&mut self) {
        for owner in self.owner_ids() {
            if let OwnerKind::Function(f) = self.owners[owner].kind {
                let body = Body {
                    fields_only: true,
                    ..self.body_of(owner)
                };
                self.within(body, |c| c.declare_function(owner, f));
            }
        }
    }

    fn declare_function(&mut self, owner: OwnerId, f: FunctionId) {
        let ast = self.ast;
        let (params, passes) = match &ast.decls[self.owners[owner].decl].kind {
            DeclKind::Function { params, passes, .. } => (params, passes),
            DeclKind::Chain { params, passes, .. } => (params, passes),
            DeclKind::Graph { params, .. } => (params, &None),
            _ => return,
        };
        for &param in params {
            self.declare_template(f, param);
        }
        if let Some(passes) = passes
            && let Some(n) = self.const_arg(*passes)
        {
            match u8::try_from(n) {
                Ok(n @ 1..) => self.t.functions[f].passes = n,
                _ => {
                    let span = self.owners[owner].name.span;
                    let finding = self
                        .at(&codes::E204, span)
                        .message(format!("`passes {n}` is out of range"))
                        .label("from 1 to 255");
                    self.report(finding);
                }
            }
        }
        for &member in self.members_of(owner) {
            if let DeclKind::Field { ty, vars } = &ast.decls[member].kind
                && !self.has(member, Modifier::Static)
            {
                self.declare_field(owner, f, member, *ty, vars);
            }
        }
    }

    fn declare_template(&mut self, f: FunctionId, param: ParamId) {
        let ast = self.ast;
        let p = &ast.params[param];
        let type_span = ast.types[p.ty].span;
        let written = self.resolve(p.ty);
        let mut ty = self.only(written, type_span, "a parameter of a function", |k| {
            !matches!(
                k,
                TyKind::View(_)
                    | TyKind::Packet
                    | TyKind::Verdict
                    | TyKind::Reason
                    | TyKind::Text
                    | TyKind::Sealed(_)
            )
        });
        let late = p.modifiers.iter().any(|(m, _)| *m == Modifier::Late);
        let kind = self.kind(ty);
        let words = self.t.types.bits(ty).is_some()
            || matches!(kind, TyKind::Prefix4 | TyKind::Prefix6 | TyKind::Error);
        if late && !words {
            let finding = self
                .at(&codes::E226, type_span)
                .message(format!("{} cannot be filled in late", self.show(ty)))
                .label("only numbers, addresses, prefixes and enums can");
            self.report(finding);
            ty = Ty::default();
        }
        let name = p.name;
        let earlier = self.t.functions[f].params.iter();
        let earlier = earlier
            .map(|&t| &self.t.templates[t])
            .find(|t| t.name == name.name);
        if let Some(earlier) = earlier.map(|t| t.span) {
            self.twice(name, earlier);
        }
        let within = p
            .range
            .map_or(Vec::new(), |range| self.within_of(range, ty));
        let range = Self::hull(&within);
        if let Some(e) = p.range.filter(|_| late && !within.is_empty())
            && (within.len() > 1 || range.is_none())
        {
            let finding = self
                .at(&codes::E212, self.span(e))
                .message("what is filled in late lies in one range")
                .label("the node can test two ends, not a set");
            self.report(finding);
        }
        let default = p.default.and_then(|e| self.constant(e, ty));
        let id = self.t.templates.push(Template {
            name: name.name,
            member: None,
            span: name.span,
            ty,
            late,
            range,
            within,
            default: None,
        });
        self.t.functions[f].params.push(id);
        if let (Some(value), Some(e)) = (default, p.default) {
            self.template_default(id, value, e);
        }
    }

    fn template_default(&mut self, id: TemplateId, value: Konst, e: ExprId) {
        let template = &self.t.templates[id];
        if let Some(outside) = template.outside(&value, &self.t.types) {
            let finding = self
                .at(&codes::E281, self.span(e))
                .message(format!(
                    "the default {} lies outside of {outside}",
                    self.source(e)
                ))
                .label("not in the range of the parameter")
                .also(self.t.templates[id].span, "declared here");
            return self.report(finding);
        }
        self.t.templates[id].default = Some(value);
    }

    /// A field of a function that is no constant.
    fn declare_field(
        &mut self,
        owner: OwnerId,
        f: FunctionId,
        member: DeclId,
        ty: TypeId,
        vars: &[Declarator],
    ) {
        if self.declare_resources(f, member, ty, vars) {
            return;
        }
        if !self.has(member, Modifier::Carried) {
            let names = vars.iter().map(|v| v.name.name);
            self.owners[owner].refused.extend(names);
            return self.homeless(ty, vars);
        }
        self.bad_modifiers(
            member,
            &[Modifier::Carried, Modifier::Private, Modifier::Public],
        );
        let span = self.ast.types[ty].span;
        let resolved = self.resolve(ty);
        let bits = self.t.types.bits(resolved).is_some();
        let resolved = self.only(resolved, span, "carried", |k| {
            bits || matches!(k, TyKind::Array(..))
        });
        for var in vars {
            let earlier = self.t.functions[f].carried.iter();
            let earlier = earlier
                .map(|&c| &self.t.carried[c])
                .find(|c| c.name == var.name.name)
                .map(|c| c.span);
            if let Some(earlier) = earlier {
                self.twice(var.name, earlier);
            }
            let init = var.init.and_then(|init| self.first_value(init, resolved));
            let id = self.t.carried.push(Carried {
                name: var.name.name,
                span: var.name.span,
                ty: resolved,
                init,
            });
            self.t.functions[f].carried.push(id);
        }
    }

    /// What a `carried` field holds at first: a constant, or a parameter that is known before the code is made.
    fn first_value(&mut self, init: ExprId, ty: Ty) -> Option<Initial> {
        let errors = self.diags.iter().len();
        self.initial(init, ty);
        if let Some(konst) = self.t.konst[init].clone() {
            return Some(Initial::Known(konst));
        }
        match self.t.expr_res[self.bare(init)] {
            Res::Template(t) if !self.t.templates[t].late => Some(Initial::Parameter(t)),
            _ => {
                if self.diags.iter().len() == errors {
                    self.not_constant(init);
                }
                None
            }
        }
    }

    /// A field that is neither constant, carried nor a resource.
    fn homeless(&mut self, ty_node: TypeId, vars: &[Declarator]) {
        let errors = self.diags.iter().len();
        let resolved = self.resolve(ty_node);
        let refused = self.diags.iter().len() > errors || self.kind(resolved) == TyKind::Error;
        let Some(var) = vars.first().filter(|_| !refused) else {
            return;
        };
        let (name, ty) = (self.text(var.name.name), self.show(resolved));
        let value = var
            .init
            .map_or(String::new(), |init| format!(" = {}", self.source(init)));
        let constant = name.to_uppercase();
        let homes = [
            (
                format!("carried {ty} {name}{value};"),
                "in the packet, from node to node",
            ),
            (
                format!("Register<{ty}> {name};"),
                "on the node, for all packets",
            ),
            (
                format!("FlowState<FlowKey, {ty}> {name};"),
                "on the node, for each flow",
            ),
            (
                format!("static final {ty} {constant}{value};"),
                "nowhere: it is a constant",
            ),
        ];
        let widest = homes.iter().map(|(form, _)| form.len()).max().unwrap_or(0);
        let mut finding = self
            .at(&codes::E604, var.name.span)
            .message(format!("where does `{name}` live?"))
            .label("a function has no memory of its own between packets");
        for (index, (form, place)) in homes.iter().enumerate() {
            let line = format!("{form:widest$}   {place}");
            finding = match (index, self.stored_size(resolved)) {
                (0, Some(bytes)) => finding.fix(
                    format!(
                        "{line}        {bytes} byte{} per packet",
                        if bytes == 1 { "" } else { "s" }
                    ),
                    [(
                        self.front(self.ast.types[ty_node].span),
                        "carried ".to_string(),
                    )],
                ),
                _ => finding.help(line),
            };
        }
        self.report(finding);
    }

    /// Checks all handlers of all functions.
    pub(crate) fn check_functions(&mut self) {
        for owner in self.owner_ids() {
            if let OwnerKind::Function(f) = self.owners[owner].kind {
                self.check_function(owner, f);
            }
        }
    }

    fn check_function(&mut self, owner: OwnerId, f: FunctionId) {
        let ast = self.ast;
        let decl = self.owners[owner].decl;
        if !matches!(ast.decls[decl].kind, DeclKind::Function { .. }) {
            return;
        }
        let mut all = Summary::default();
        for &member in self.members_of(owner) {
            let node = &ast.decls[member];
            match &node.kind {
                DeclKind::Handler {
                    role,
                    params,
                    uses,
                    body,
                } => {
                    let node = HandlerNode {
                        decl: member,
                        name: *role,
                        params,
                        uses: uses.as_ref(),
                        body,
                    };
                    self.check_handler(owner, f, &node, &mut all);
                }
                DeclKind::Every { period, uses, body } => {
                    let name = Ident {
                        name: self.owners[owner].name.name,
                        span: self.span(*period),
                    };
                    let node = HandlerNode {
                        decl: member,
                        name,
                        params: &[],
                        uses: uses.as_ref(),
                        body,
                    };
                    self.check_timer(owner, f, *period, &node, &mut all);
                }
                _ => {}
            }
        }
        self.t.functions[f].handlers.sort_by_key(|h| h.role);
        let DeclKind::Function { name, uses, .. } = &ast.decls[self.owners[owner].decl].kind else {
            return;
        };
        let behind = match uses {
            Some(uses) => Span {
                start: uses.span.end,
                ..uses.span
            },
            None => self.behind_parameters(name.span),
        };
        if let Some(span) = all.recirculates.filter(|_| self.t.functions[f].passes < 2) {
            let finding = self
                .at(&codes::E602, span)
                .message(format!(
                    "`{}` does not say how often a packet may pass",
                    self.text(name.name)
                ))
                .label("this sends the packet through it again")
                .also(name.span, "a packet passes once here")
                .fix("passes 2", [(behind, " passes 2".to_string())]);
            self.report(finding);
        }
        let public = self.owners[owner].public;
        let body = Body {
            summary: all,
            ..self.body_of(owner)
        };
        let rights = self.within(body, |c| c.check_uses(*name, uses.as_ref(), public));
        self.t.functions[f].uses = rights;
    }

    fn check_handler(
        &mut self,
        owner: OwnerId,
        f: FunctionId,
        node: &HandlerNode<'_>,
        all: &mut Summary,
    ) {
        let text = self.text(node.name.name);
        let role = Role::from_text(text).filter(|r| *r != Role::Every);
        let only_answers = match text {
            "malformed" => Some("malformed"),
            "exhausted" => Some("exhausted"),
            _ => None,
        };
        if role.is_none() && only_answers.is_none() {
            let finding = self
                .at(&codes::E230, node.name.span)
                .message(format!("there is no role `{text}`"))
                .label("unknown")
                .help(
                    "one of originator, responder, transit, arrival, ingress, egress, malformed, exhausted",
                );
            return self.report(finding);
        }
        let function = &self.t.functions[f];
        let earlier = match only_answers {
            Some("malformed") => function.malformed.as_ref().map(|t| t.decl),
            Some(_) => function.exhausted.as_ref().map(|t| t.decl),
            None => function
                .handlers
                .iter()
                .find(|h| Some(h.role) == role)
                .map(|h| h.decl),
        };
        if let Some(earlier) = earlier {
            let earlier = match &self.ast.decls[earlier].kind {
                DeclKind::Handler { role, .. } => role.span,
                _ => self.ast.decls[earlier].span,
            };
            self.twice(node.name, earlier);
        }
        let mut body = self.body_of(owner);
        let verdict = self.ty(TyKind::Verdict);
        body.gives = Gives::Value(verdict);
        body.only_answers = only_answers;
        let (packet, summary) = self.within(body, |c| {
            let packet = c.handler_packet(node);
            (packet, c.handler_body(node))
        });
        let resident = role.is_some_and(|r| r.profile() == Profile::Resident);
        self.no_carried(&summary, resident, text);
        let effects = summary.rights();
        match (role, only_answers) {
            (Some(role), _) => self.t.functions[f].handlers.push(Handler {
                role,
                layer: summary.layer.map_or(Layer::Network, |(layer, _)| layer),
                decl: node.decl,
                packet,
                stage: 0,
                period_ns: 0,
                period: None,
                effects,
            }),
            (None, which) => {
                let tail = Some(Tail {
                    decl: node.decl,
                    packet,
                    effects,
                });
                match which {
                    Some("malformed") => self.t.functions[f].malformed = tail,
                    _ => self.t.functions[f].exhausted = tail,
                }
            }
        }
        merge(all, summary);
    }

    /// The packet of a handler, in scope.
    fn handler_packet(&mut self, node: &HandlerNode<'_>) -> Option<LocalId> {
        let ast = self.ast;
        let [param] = node.params else {
            let finding = self
                .at(&codes::E230, node.name.span)
                .message("a handler takes one parameter, the packet")
                .label("like `(Packet pkt)`");
            self.report(finding);
            return None;
        };
        let p = &ast.params[*param];
        let ty = self.resolve(p.ty);
        let packet = self.ty(TyKind::Packet);
        if ty != packet && self.kind(ty) != TyKind::Error {
            let finding = self
                .at(&codes::E230, ast.types[p.ty].span)
                .message("a handler takes one parameter, the packet")
                .label(format!("this is {}", self.show(ty)))
                .instead(p.span, format!("Packet {}", self.text(p.name.name)));
            self.report(finding);
        }
        let local = self.new_local(Some(p.name.name), p.name.span, packet);
        self.declare(p.name, local);
        Some(local)
    }

    fn handler_body(&mut self, node: &HandlerNode<'_>) -> Summary {
        self.body_block(node.body, node.name.span);
        if node.uses.is_some() {
            self.check_uses(node.name, node.uses, false);
        }
        std::mem::take(&mut self.body.summary)
    }

    fn check_timer(
        &mut self,
        owner: OwnerId,
        f: FunctionId,
        period: ExprId,
        node: &HandlerNode<'_>,
        all: &mut Summary,
    ) {
        let duration = self.ty(TyKind::Duration);
        let mut body = self.body_of(owner);
        body.gives = Gives::Void;
        let (value, mut summary) = self.within(body, |c| {
            c.coerce(period, duration);
            (c.t.konst[period].clone(), c.handler_body(node))
        });
        let template = match self.t.expr_res[self.bare(period)] {
            Res::Template(template) => Some(template),
            _ => None,
        };
        let late = template.filter(|&t| self.t.templates[t].late);
        let period_ns = match value.as_ref().and_then(konst::int) {
            Some(0) => {
                let finding = self
                    .at(&codes::E230, self.span(period))
                    .message("a period of 0 never passes")
                    .label("at least 1ns");
                self.report(finding);
                0
            }
            Some(n) => u64::try_from(n).unwrap_or(0),
            None => {
                let known = template.is_some() && late.is_none();
                if !known && self.kind(self.t.expr_ty[period]) != TyKind::Error {
                    self.not_constant(period);
                }
                0
            }
        };
        summary
            .acts
            .entry(Right::Clock)
            .or_insert_with(|| (node.name.span, "a timer needs Clock".to_string()));
        self.no_carried(&summary, true, "every");
        self.t.functions[f].handlers.push(Handler {
            role: Role::Every,
            layer: Layer::Network,
            decl: node.decl,
            packet: None,
            stage: 0,
            period_ns,
            period: template.filter(|_| period_ns == 0),
            effects: summary.rights().union(Rights::NONE.with(Right::Clock)),
        });
        merge(all, summary);
    }

    /// Reports `carried` memory in a handler that lives on the node.
    fn no_carried(&mut self, summary: &Summary, resident: bool, role: &str) {
        if let Some(span) = summary.carried.filter(|_| resident) {
            let finding = self
                .at(&codes::E605, span)
                .message(format!("`on {role}` has no `carried` memory"))
                .label("this travels in the packets of a contract");
            self.report(finding);
        }
    }

    /// How many elements an array has, if that does not depend on a parameter.
    pub(crate) fn known_len(len: Len) -> Option<u32> {
        match len {
            Len::Known(n) => Some(n),
            Len::Template(_) => None,
        }
    }

    /// Notes where the patterns of the present body begin; two layers in one body are refused.
    pub(crate) fn begins_at(&mut self, layer: Layer, span: Span) {
        // Each packet of a test begins where it begins.
        if self.body.test {
            return;
        }
        match self.body.summary.layer {
            None => self.body.summary.layer = Some((layer, span)),
            Some((other, _)) if other == layer => {}
            Some((other, earlier)) => {
                let finding = self
                    .at(&codes::E306, span)
                    .message("the patterns of a handler begin at one layer")
                    .label(format!("this begins at {}", layer.text()))
                    .also(earlier, format!("and this at {}", other.text()));
                self.report(finding);
            }
        }
    }
}

/// Adds what one handler does to what all of them do.
fn merge(all: &mut Summary, one: Summary) {
    for (right, act) in one.acts {
        all.acts.entry(right).or_insert(act);
    }
    all.recirculates = all.recirculates.or(one.recirculates);
}
