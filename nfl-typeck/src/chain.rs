//! Chains and graphs: functions made of functions.
//!
//! In: `chain` and `graph` declarations, when all functions are checked. Out: their rows: stages with
//! a value or a parameter for each parameter of the stage; connections as chains of the contract and
//! the services in between. Guaranteed: a stage is a function and never a chain, a chain's handlers
//! are those of its stages, and `uses` covers what all stages do.

use crate::check::{Body, Checker, OwnerId, OwnerKind, Progress, Summary};
use crate::konst;
use crate::resolve::{TypeName, nearest};
use crate::tables::{
    Connection, FunctionDef, FunctionId, GraphDef, Handler, Konst, Res, ServiceDef, StageArg,
    StageDef, Template, TemplateId,
};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::{Layer, Right, Rights, Role};
use nfl_syntax::Span;
use nfl_syntax::ast::{
    Arg, DeclId, DeclKind, ExprId, ExprKind, GraphItem, Ident, Lit, Stage, TypeKind,
};
use std::collections::BTreeMap;

/// A graph's services by name, and the parameters that stand for what is known of them later.
#[derive(Default)]
struct Services {
    all: Vec<ServiceDef>,
    fields: BTreeMap<(u32, &'static str), TemplateId>,
    /// These parameters, in the order of their first use.
    params: Vec<TemplateId>,
}

impl Checker<'_> {
    /// Checks all chains and graphs.
    pub(crate) fn check_chains(&mut self) {
        for owner in self.owner_ids() {
            let decl = self.owners[owner].decl;
            match &self.ast.decls[decl].kind {
                DeclKind::Chain { name, .. } => {
                    self.settle_chain(owner, name.span);
                }
                DeclKind::Graph { .. } => self.check_graph(owner),
                _ => {}
            }
        }
    }

    /// Gives a chain its stages and handlers. Answers whether it has them.
    fn settle_chain(&mut self, owner: OwnerId, from: Span) -> bool {
        let ast = self.ast;
        let OwnerKind::Function(f) = self.owners[owner].kind else {
            return false;
        };
        let DeclKind::Chain {
            name, uses, stages, ..
        } = &ast.decls[self.owners[owner].decl].kind
        else {
            return true;
        };
        match self.chain_progress.get(&f).copied().unwrap_or_default() {
            Progress::Done => return true,
            Progress::Running => {
                let finding = self
                    .at(&codes::E224, from)
                    .message(format!("`{}` is a stage of itself", self.text(name.name)))
                    .label("and so it would never end");
                self.report(finding);
                return false;
            }
            Progress::New => {}
        }
        self.chain_progress.insert(f, Progress::Running);
        let mut services = Services::default();
        for stage in stages {
            self.add_stage(owner, f, stage, &mut services);
        }
        self.settle_stages(f, *name);
        let summary = self.stages_summary(f);
        let passes = self.t.functions[f].passes;
        if let Some(span) = summary.recirculates.filter(|_| passes < 2) {
            let finding = self
                .at(&codes::E602, name.span)
                .message(format!(
                    "`{}` does not say how often a packet may pass",
                    self.text(name.name)
                ))
                .label("a packet passes once here")
                .also(span, "this stage may send it through again")
                .help("passes 2");
            self.report(finding);
        }
        let public = self.owners[owner].public;
        let body = Body {
            summary,
            ..self.body_of(owner)
        };
        let rights = self.within(body, |c| c.check_uses(*name, uses.as_ref(), public));
        self.t.functions[f].uses = rights;
        self.chain_progress.insert(f, Progress::Done);
        true
    }

    /// What the stages of a chain do, by the clauses of their functions.
    fn stages_summary(&self, f: FunctionId) -> Summary {
        let mut summary = Summary::default();
        for stage in &self.t.functions[f].stages {
            let function = &self.t.functions[stage.function];
            for right in function.uses.iter() {
                let deed = format!("`{}` uses {}", self.text(function.name), right.text());
                summary.acts.entry(right).or_insert((stage.span, deed));
            }
            if function.passes > 1 {
                summary.recirculates.get_or_insert(stage.span);
            }
        }
        summary
    }

    /// Adds a stage, or the stages of an inner chain.
    fn add_stage(
        &mut self,
        owner: OwnerId,
        f: FunctionId,
        stage: &Stage,
        services: &mut Services,
    ) -> bool {
        let body = Body {
            fields_only: true,
            ..self.body_of(owner)
        };
        let Some(inner) = self.within(body, |c| c.stage_function(stage)) else {
            return false;
        };
        let inner_owner = self.owner_of(inner);
        if let Some(inner_owner) = inner_owner
            && !self.settle_chain(inner_owner, stage.span)
        {
            return false;
        }
        let body = Body {
            fields_only: true,
            ..self.body_of(owner)
        };
        let args = self.within(body, |c| c.stage_args(inner, stage, services));
        let Some(args) = args else { return false };
        let inner_stages = self.t.functions[inner].stages.clone();
        if inner_stages.is_empty() {
            self.push_stage(f, inner, args, stage.span);
            return true;
        }
        for deeper in inner_stages {
            let resolve = |(param, arg): (TemplateId, StageArg)| match arg {
                StageArg::Param(of_inner) => {
                    let given = args.iter().find(|(t, _)| *t == of_inner);
                    (param, given.map_or(arg, |(_, arg)| arg.clone()))
                }
                known => (param, known),
            };
            let args = deeper.args.into_iter().map(resolve).collect();
            self.push_stage(f, deeper.function, args, stage.span);
        }
        true
    }

    fn push_stage(
        &mut self,
        f: FunctionId,
        function: FunctionId,
        args: Vec<(TemplateId, StageArg)>,
        span: Span,
    ) {
        let stages = &self.t.functions[f].stages;
        let before = stages.iter().filter(|s| s.function == function).count();
        let mut name = self.text(self.t.functions[function].name).to_string();
        if before > 0 {
            name += &(before + 1).to_string();
        }
        self.t.functions[f].stages.push(StageDef {
            function,
            name,
            args,
            span,
        });
    }

    fn owner_of(&self, f: FunctionId) -> Option<OwnerId> {
        let mut owners = self.owners.iter();
        owners
            .find(|(_, o)| o.kind == OwnerKind::Function(f))
            .map(|(id, _)| id)
    }

    /// The function or chain that a stage names.
    fn stage_function(&mut self, stage: &Stage) -> Option<FunctionId> {
        let TypeKind::Named { path, .. } = &self.ast.types[stage.ty].kind else {
            return None;
        };
        let [name] = path.as_slice() else {
            let finding = self
                .at(&codes::E260, stage.span)
                .label("a function or chain of a file is named by its own name");
            self.report(finding);
            return None;
        };
        match self.type_name(name.name) {
            TypeName::Owner(owner) => match self.owners[owner].kind {
                OwnerKind::Function(f) if !self.is_graph(owner) => {
                    self.warn_deprecated_type(owner, name.span);
                    return Some(f);
                }
                OwnerKind::Refused => return None,
                _ => {}
            },
            TypeName::Unknown => {
                self.unknown_type(*name);
                return None;
            }
            _ => {}
        }
        let finding = self
            .at(&codes::E260, name.span)
            .message(format!("`{}` is no function", self.text(name.name)))
            .label("only functions and chains are stages");
        self.report(finding);
        None
    }

    fn is_graph(&self, owner: OwnerId) -> bool {
        matches!(
            self.ast.decls[self.owners[owner].decl].kind,
            DeclKind::Graph { .. }
        )
    }

    /// A value or a parameter for each parameter of a stage.
    fn stage_args(
        &mut self,
        inner: FunctionId,
        stage: &Stage,
        services: &mut Services,
    ) -> Option<Vec<(TemplateId, StageArg)>> {
        let params = self.t.functions[inner].params.clone();
        let mut given: BTreeMap<TemplateId, StageArg> = BTreeMap::new();
        let mut good = true;
        for (at, arg) in stage.args.iter().enumerate() {
            let Some(param) = self.stage_param(inner, &params, at, arg) else {
                good = false;
                continue;
            };
            if given.contains_key(&param) {
                let span = arg.name.map_or(self.span(arg.value), |n| n.span);
                let declared = self.t.templates[param].span;
                let finding = self
                    .at(&codes::E213, span)
                    .message("this parameter is given twice")
                    .label("and here again")
                    .also(declared, "declared here");
                self.report(finding);
                good = false;
                continue;
            }
            match self.stage_arg(param, arg.value, services) {
                Some(value) => {
                    given.insert(param, value);
                }
                None => good = false,
            }
        }
        let mut args = Vec::new();
        for &param in &params {
            let template = &self.t.templates[param];
            let default = template.default.clone().map(StageArg::Value);
            match given.remove(&param).or(default) {
                Some(arg) => args.push((param, arg)),
                None if good => {
                    let finding = self
                        .at(&codes::E213, stage.span)
                        .message(format!("`{}` has no value", self.text(template.name)))
                        .label("an argument is missing")
                        .also(template.span, "declared without a default");
                    self.report(finding);
                    good = false;
                }
                None => {}
            }
        }
        good.then_some(args)
    }

    /// The parameter that an argument is for.
    fn stage_param(
        &mut self,
        inner: FunctionId,
        params: &[TemplateId],
        at: usize,
        arg: &Arg,
    ) -> Option<TemplateId> {
        let Some(name) = arg.name else {
            if let Some(&param) = params.get(at) {
                return Some(param);
            }
            let function = self.text(self.t.functions[inner].name);
            let finding = self
                .at(&codes::E213, self.span(arg.value))
                .message(format!(
                    "`{function}` takes {} arguments and no more",
                    params.len()
                ))
                .label("one too many");
            self.report(finding);
            return None;
        };
        let named = params
            .iter()
            .find(|&&t| self.t.templates[t].name == name.name);
        if named.is_none() {
            let all = params.iter().map(|&t| self.text(self.t.templates[t].name));
            let near = nearest(self.text(name.name), all);
            let mut finding = self
                .at(&codes::E213, name.span)
                .message(format!(
                    "`{}` has no parameter `{}`",
                    self.text(self.t.functions[inner].name),
                    self.text(name.name)
                ))
                .label("unknown");
            if let Some(near) = near {
                finding = finding.help(format!("did you mean `{near}`?"));
            }
            self.report(finding);
        }
        named.copied()
    }

    fn stage_arg(
        &mut self,
        param: TemplateId,
        value: ExprId,
        services: &mut Services,
    ) -> Option<StageArg> {
        let Template {
            ty, range, span, ..
        } = self.t.templates[param].clone();
        if let Some(t) = self.service_field(ty, value, services) {
            return Some(StageArg::Param(t));
        }
        let errors = self.diags.iter().len();
        self.initial(value, ty);
        if self.diags.iter().len() > errors {
            return None;
        }
        if let Res::Template(of_chain) = self.t.expr_res[self.bare(value)] {
            let outer = &self.t.templates[of_chain];
            let widest = outer
                .range
                .or_else(|| konst::range(&self.t.types, outer.ty));
            if let (Some((lo, hi)), Some((a, b))) = (range, widest)
                && (a < lo || b > hi)
            {
                let finding = self
                    .at(&codes::E281, self.span(value))
                    .message(format!(
                        "`{}` may lie outside of {lo}..{hi}",
                        self.source(value)
                    ))
                    .label(format!("{a}..{b} here"))
                    .also(span, "the range is declared here")
                    .help(format!(
                        "give the chain's parameter the range `in {lo}..{hi}`"
                    ));
                self.report(finding);
                return None;
            }
            return Some(StageArg::Param(of_chain));
        }
        let Some(known) = self.t.konst[value].clone() else {
            self.not_constant(value);
            return None;
        };
        if let (Some((lo, hi)), Some(n)) = (range, konst::int(&known))
            && !(lo..=hi).contains(&n)
        {
            let finding = self
                .at(&codes::E281, self.span(value))
                .message(format!("{n} lies outside of {lo}..{hi}"))
                .label("not in the range of the parameter")
                .also(span, "the range is declared here");
            self.report(finding);
            return None;
        }
        Some(StageArg::Value(known))
    }

    /// The handlers of a chain: one for each role that a stage has, and all timers.
    fn settle_stages(&mut self, f: FunctionId, name: Ident) {
        let stages = self.t.functions[f].stages.clone();
        let roles_of = |c: &Self, s: &StageDef| -> Vec<Role> {
            let handlers = &c.t.functions[s.function].handlers;
            handlers.iter().map(|h| h.role).collect()
        };
        let lonely = stages.len() > 1
            && stages.iter().enumerate().all(|(i, a)| {
                let mine = roles_of(self, a);
                let shared = |b: &StageDef| roles_of(self, b).iter().any(|r| mine.contains(r));
                !stages[i + 1..].iter().any(shared)
            });
        if lonely {
            let mut finding = self
                .at(&codes::E261, name.span)
                .message(format!(
                    "the stages of `{}` never see the same packet",
                    self.text(name.name)
                ))
                .label("no two of them have a role in common");
            for stage in &stages {
                let roles: Vec<&str> = roles_of(self, stage).iter().map(|r| r.text()).collect();
                finding = finding.also(stage.span, format!("on {}", roles.join(", ")));
            }
            self.report(finding);
        }
        let mut handlers: Vec<Handler> = Vec::new();
        for (number, stage) in stages.iter().enumerate() {
            for handler in &self.t.functions[stage.function].handlers {
                let earlier = handlers
                    .iter_mut()
                    .find(|h| h.role == handler.role && h.role != Role::Every);
                match earlier {
                    Some(earlier) => {
                        earlier.effects = earlier.effects.union(handler.effects);
                        if handler.layer == Layer::Link {
                            earlier.layer = Layer::Link;
                        }
                    }
                    None => handlers.push(Handler {
                        stage: number as u32,
                        ..handler.clone()
                    }),
                }
            }
        }
        handlers.sort_by_key(|h| h.role);
        self.resizing_stages(&stages, &handlers);
        let function = &mut self.t.functions[f];
        function.handlers = handlers;
    }

    /// Reports stages of the network layer that resize in a chain of the link layer: the link header
    /// would stay where the packet no longer begins.
    fn resizing_stages(&mut self, stages: &[StageDef], handlers: &[Handler]) {
        for stage in stages {
            let function = &self.t.functions[stage.function];
            let behind_link = |own: &&Handler| {
                let whole = handlers.iter().find(|h| h.role == own.role);
                whole.is_some_and(|h| h.layer != own.layer)
            };
            let mut behind = function.handlers.iter().filter(behind_link);
            let Some(own) = behind.find(|h| h.effects.has(Right::Resize)) else {
                continue;
            };
            let role = own.role;
            let linked = |s: &&StageDef| {
                let mut handlers = self.t.functions[s.function].handlers.iter();
                handlers.any(|h| h.role == role && h.layer == Layer::Link)
            };
            let mut finding = self
                .at(&codes::E262, stage.span)
                .message(format!(
                    "`{}` cannot resize behind a link header",
                    stage.name
                ))
                .label(format!(
                    "its `on {}` begins at the network header",
                    role.text()
                ));
            if let Some(link) = stages.iter().find(linked) {
                finding = finding.also(
                    link.span,
                    "and with this stage the chain begins at the link header",
                );
            }
            self.report(finding);
        }
    }

    /// A graph: its services, then its connections.
    fn check_graph(&mut self, owner: OwnerId) {
        let ast = self.ast;
        let OwnerKind::Function(f) = self.owners[owner].kind else {
            return;
        };
        let decl = self.owners[owner].decl;
        let DeclKind::Graph { name, items, .. } = &ast.decls[decl].kind else {
            return;
        };
        let mut services = Services::default();
        for item in items {
            if let GraphItem::Service { name, args, .. } = item {
                self.graph_service(*name, args, &mut services);
            }
        }
        let mut connections: Vec<Connection> = Vec::new();
        for item in items {
            let GraphItem::Connect {
                span,
                from,
                to,
                by,
                via,
                ..
            } = item
            else {
                continue;
            };
            let ends = (
                self.graph_end(*from, &services),
                self.graph_end(*to, &services),
            );
            let (Some(from_at), Some(to_at)) = ends else {
                continue;
            };
            if let Some(earlier) = connections
                .iter()
                .find(|c| (c.from, c.to) == (from_at, to_at))
            {
                let finding = self
                    .at(&codes::E202, *span)
                    .message(format!(
                        "`{}` and `{}` are connected twice",
                        self.text(from.name),
                        self.text(to.name)
                    ))
                    .label("and here again")
                    .also(earlier.span, "connected here");
                self.report(finding);
                continue;
            }
            let qualified = format!(
                "{}.{}-{}",
                self.t.functions[f].qualified,
                self.text(from.name),
                self.text(to.name)
            );
            let contract = self.connection(owner, f, decl, qualified);
            let mut good = true;
            // Every stage is looked at, so that each has its findings.
            for stage in std::iter::once(by).chain(via) {
                good &= self.add_stage(owner, contract, stage, &mut services);
            }
            if good {
                self.settle_stages(
                    contract,
                    Ident {
                        span: *span,
                        ..*name
                    },
                );
                let summary = self.stages_summary(contract);
                self.t.functions[contract].uses = summary.rights();
                let passes = self.t.functions[contract].stages.iter();
                let passes = passes.map(|s| self.t.functions[s.function].passes).max();
                self.t.functions[contract].passes = passes.unwrap_or(1);
            }
            connections.push(Connection {
                from: from_at,
                to: to_at,
                contract,
                span: *span,
            });
        }
        let mut params = self.t.functions[f].params.clone();
        params.append(&mut services.params);
        for connection in &connections {
            self.t.functions[connection.contract]
                .params
                .clone_from(&params);
        }
        self.t.graphs.push(GraphDef {
            name: name.name,
            qualified: self.t.functions[f].qualified.clone(),
            decl,
            params,
            services: services.all,
            connections,
        });
    }

    /// The function that a connection becomes, without stages yet.
    fn connection(
        &mut self,
        owner: OwnerId,
        graph: FunctionId,
        decl: DeclId,
        qualified: String,
    ) -> FunctionId {
        self.t.functions.push(FunctionDef {
            name: self.owners[owner].name.name,
            qualified,
            decl,
            params: self.t.functions[graph].params.clone(),
            carried: Vec::new(),
            resources: Vec::new(),
            handlers: Vec::new(),
            malformed: None,
            exhausted: None,
            uses: Rights::NONE,
            passes: 1,
            budget: None,
            stages: Vec::new(),
        })
    }

    fn graph_service(&mut self, name: Ident, args: &[Arg], services: &mut Services) {
        if let Some(earlier) = services.all.iter().find(|s| s.name == name.name) {
            return self.twice(name, earlier.span);
        }
        if self.text(name.name) == "Any" {
            let finding = self
                .at(&codes::E202, name.span)
                .message("`Any` is everyone who has no name here")
                .label("choose another name");
            return self.report(finding);
        }
        let identity = match args {
            [] => self.text(name.name).to_string(),
            [arg] => match &self.ast.exprs[self.bare(arg.value)].kind {
                ExprKind::Lit(Lit::Text(text)) => {
                    let (text_ty, value) = (self.ty(TyKind::Text), text.clone());
                    self.set_ty(arg.value, text_ty);
                    self.set_konst(arg.value, Some(Konst::Text(value)));
                    String::from_utf8_lossy(text).into_owned()
                }
                _ => return self.service_text(self.span(arg.value)),
            },
            [_, second, ..] => return self.service_text(self.span(second.value)),
        };
        services.all.push(ServiceDef {
            name: name.name,
            identity,
            span: name.span,
        });
    }

    fn service_text(&mut self, span: Span) {
        let finding = self
            .at(&codes::E213, span)
            .message("a service takes one text, its identity")
            .label("like `service Web(\"web.internal\");`");
        self.report(finding);
    }

    /// The service of this name; `Some(None)` for `Any`.
    fn graph_end(&mut self, name: Ident, services: &Services) -> Option<Option<u32>> {
        if self.text(name.name) == "Any" {
            return Some(None);
        }
        let at = services.all.iter().position(|s| s.name == name.name);
        if at.is_none() {
            let all = services.all.iter().map(|s| self.text(s.name));
            let near = nearest(self.text(name.name), all);
            let mut finding = self
                .at(&codes::E263, name.span)
                .message(format!(
                    "there is no service `{}` here",
                    self.text(name.name)
                ))
                .label("unknown");
            if let Some(near) = near {
                finding = finding.help(format!("did you mean `{near}`?"));
            }
            self.report(finding);
        }
        at.map(|at| Some(at as u32))
    }

    /// `Web.prefix` as an argument: a parameter of the graph that is filled in when workloads appear.
    fn service_field(
        &mut self,
        ty: Ty,
        value: ExprId,
        services: &mut Services,
    ) -> Option<TemplateId> {
        let e = self.bare(value);
        let ExprKind::StaticField { ty: written, name } = &self.ast.exprs[e].kind else {
            return None;
        };
        let TypeKind::Named { path, .. } = &self.ast.types[*written].kind else {
            return None;
        };
        let [service] = path.as_slice() else {
            return None;
        };
        let at = services.all.iter().position(|s| s.name == service.name)? as u32;
        let field = match (self.text(name.name), self.kind(ty)) {
            ("prefix", TyKind::Prefix4) => "prefix",
            ("prefix", TyKind::Prefix6) => "prefix6",
            ("address", TyKind::Ip4) => "address",
            ("address", TyKind::Ip6) => "address6",
            _ => return None,
        };
        let id = match services.fields.get(&(at, field)) {
            Some(&id) => id,
            None => {
                let id = self.t.templates.push(Template {
                    name: service.name,
                    member: Some(name.name),
                    span: self.span(e),
                    ty,
                    late: false,
                    range: None,
                    within: Vec::new(),
                    default: None,
                });
                services.fields.insert((at, field), id);
                services.params.push(id);
                id
            }
        };
        self.set_ty(value, ty);
        self.set_res(e, Res::Template(id));
        Some(id)
    }
}
