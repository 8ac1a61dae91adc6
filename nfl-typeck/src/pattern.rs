//! Layer patterns.
//!
//! In: `value instanceof pattern`. Out: the layers with their bindings, and what is known where the
//! pattern matches. Guaranteed: each layer may follow the one before it.

use crate::check::{Checker, ViewInfo};
use crate::flow::{Cond, Layered, Which};
use crate::tables::{HeaderId, LayerStep, LocalId, OneOfId, PatInfo};
use crate::ty::{Ty, TyKind};
use nfl_abi::{Layer, codes};
use nfl_syntax::ast::{ExprId, ExprKind, Ident, PatId, PatKind, TypeId};
use nfl_syntax::{Name, Span};

/// Where a pattern begins.
#[derive(Clone, Debug)]
struct Base {
    start: Start,
    /// The view in front, or the one that is looked at.
    view: Option<LocalId>,
    /// The headers up to there, if known.
    chain: Option<Vec<Layered>>,
}

/// What a pattern is matched against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Start {
    /// The packet.
    Packet,
    /// What lies behind a header.
    Body(HeaderId),
    /// A view of one of several headers.
    OneOf(OneOfId),
    /// Where a cursor stands: the layout alone counts.
    Cursor,
}

impl Checker<'_> {
    /// `value instanceof pat`
    pub(crate) fn instance_of(&mut self, value: ExprId, pat: PatId) -> Cond {
        let span = self.ast.pats[pat].span;
        if self.body.fields_only {
            let finding = self
                .at(&codes::E236, span)
                .message("a pattern cannot stand here")
                .label("this is about fields and constants only");
            self.report(finding);
            return self.nothing_bound();
        }
        let ty = self.expr(value, None);
        if self.is_taken_apart(ty) || self.kind(ty) == TyKind::Report {
            return self.instance_of_value(value, ty, pat);
        }
        self.match_layers(value, ty, pat, false)
    }

    /// Whether values of this kind are matched with layers.
    pub(crate) fn has_layers(&self, ty: Ty) -> bool {
        matches!(
            self.kind(ty),
            TyKind::Packet | TyKind::Body(_) | TyKind::OneOf(_)
        )
    }

    /// Matches a value of this type with layers; one of `several` patterns binds nothing.
    pub(crate) fn match_layers(
        &mut self,
        value: ExprId,
        ty: Ty,
        pat: PatId,
        several: bool,
    ) -> Cond {
        let errors = self.diags.iter().len();
        let span = self.ast.pats[pat].span;
        let Some(base) = self.base_of(value, ty, span) else {
            self.bind_nothing(pat);
            return self.nothing_bound();
        };
        let mut binds = Vec::new();
        let mut steps = Vec::new();
        let refused = several.then_some("only one of several patterns matches");
        self.layers(pat, refused, &mut steps, &mut binds);
        if self.diags.iter().len() == errors {
            self.check_edges(&base, &steps);
        } else {
            self.body.unknown_flow = true;
        }
        if base.start == Start::Packet && self.body.state.resized {
            let layer = steps.first().and_then(|first| self.only_layer(first));
            self.t.pat_layer.set(pat, layer);
        }
        self.t.pats.set(pat, PatInfo::Layers(steps.clone()));
        self.matched(span, base, &steps, binds)
    }

    /// Where a pattern on this value begins; nothing after a report.
    fn base_of(&mut self, value: ExprId, ty: Ty, span: Span) -> Option<Base> {
        let known = |c: &Self, view: Option<LocalId>| {
            let info = view.and_then(|view| c.body.views.get(&view));
            info.and_then(|info| info.chain.clone())
        };
        match self.kind(ty) {
            TyKind::Packet => Some(Base {
                start: Start::Packet,
                view: None,
                chain: Some(Vec::new()),
            }),
            TyKind::Body(h) => {
                let view = match self.ast.exprs[self.bare(value)].kind {
                    ExprKind::Field { base, .. } => self.view_local(base),
                    _ => None,
                };
                Some(Base {
                    start: Start::Body(h),
                    view,
                    chain: known(self, view),
                })
            }
            TyKind::OneOf(id) => {
                let view = self.view_local(value);
                let mut chain = known(self, view);
                if let Some(chain) = &mut chain {
                    chain.pop();
                }
                Some(Base {
                    start: Start::OneOf(id),
                    view,
                    chain,
                })
            }
            TyKind::Cursor => Some(Base {
                start: Start::Cursor,
                view: None,
                chain: None,
            }),
            TyKind::Error => None,
            kind => {
                let mut finding = self
                    .at(&codes::E303, span)
                    .message(format!(
                        "{} is not matched with `instanceof`",
                        self.show(ty)
                    ))
                    .label("a packet or the body of a header is")
                    .also(self.span(value), self.show(ty));
                if let TyKind::View(_) = kind {
                    let value = self.span(value);
                    let behind = Span {
                        start: value.end,
                        ..value
                    };
                    let title = format!("{}.body instanceof …", self.program.sources.text(value));
                    finding = finding.fix(title, [(behind, ".body".to_string())]);
                }
                if let (TyKind::BodyOfOne(id), ExprKind::Field { base, .. }) =
                    (kind, &self.ast.exprs[self.bare(value)].kind)
                {
                    let member = self.t.headers[self.t.one_of[id].members[0]].name;
                    let (view, member) = (self.source(*base), self.text(member));
                    finding =
                        finding.help(format!("ask which it is: {view} instanceof {member} …"));
                }
                self.report(finding);
                None
            }
        }
    }

    /// A condition after an error: nothing is known.
    pub(crate) fn nothing_bound(&mut self) -> Cond {
        let state = std::mem::take(&mut self.body.state);
        Cond {
            yes: state.clone(),
            no: state,
            binds_yes: std::mem::take(&mut self.body.unknown_binds),
            binds_no: Vec::new(),
        }
    }

    /// Binds the names of a pattern that cannot be judged, so that their uses are no second mistake.
    pub(crate) fn bind_nothing(&mut self, pat: PatId) {
        let ast = self.ast;
        match &ast.pats[pat].kind {
            PatKind::Bind { name, .. }
            | PatKind::Type {
                name: Some(name), ..
            } => self.bind_unknown(*name),
            PatKind::Record { args, name, .. } => {
                for &arg in args {
                    self.bind_nothing(arg);
                }
                if let Some(name) = name {
                    self.bind_unknown(*name);
                }
            }
            PatKind::Optional(inner) => self.bind_nothing(*inner),
            PatKind::Layers(parts) => {
                for &part in parts {
                    self.bind_nothing(part);
                }
            }
            _ => {}
        }
    }

    fn bind_unknown(&mut self, name: Ident) {
        let local = self.new_local(Some(name.name), name.span, Default::default());
        self.body.unknown_binds.push((name.name, local));
    }

    /// Collects the layers of a pattern.
    fn layers(
        &mut self,
        pat: PatId,
        refused: Option<&'static str>,
        steps: &mut Vec<LayerStep>,
        binds: &mut Vec<(Name, LocalId)>,
    ) {
        let ast = self.ast;
        let span = ast.pats[pat].span;
        match &ast.pats[pat].kind {
            PatKind::Error => {}
            PatKind::Layers(parts) => {
                for &part in parts {
                    self.layers(part, refused, steps, binds);
                }
            }
            PatKind::Optional(inner) => {
                let first = steps.len();
                let absent = Some("a layer in brackets may be absent");
                self.layers(*inner, absent, steps, binds);
                for step in steps.iter_mut().skip(first) {
                    step.optional = true;
                }
            }
            PatKind::Type { ty, name } => self.layer(*ty, *name, span, refused, steps, binds),
            PatKind::Record { .. } => {
                self.bind_nothing(pat);
                binds.append(&mut self.body.unknown_binds);
                let finding = self
                    .at(&codes::E303, span)
                    .message("the fields of a header are not matched one by one")
                    .label("a layer is a header, maybe with a name")
                    .help("name it, and ask: `Tcp tcp && tcp.dport == 80`");
                self.report(finding);
            }
            PatKind::Any | PatKind::Bind { .. } => {
                self.bind_nothing(pat);
                binds.append(&mut self.body.unknown_binds);
                let finding = self
                    .at(&codes::E303, span)
                    .message("a layer is a header")
                    .label("this would match anything");
                self.report(finding);
            }
            PatKind::Const(_) | PatKind::Range(..) => {
                let finding = self
                    .at(&codes::E303, span)
                    .message("a layer is a header")
                    .label("this is a number or address");
                self.report(finding);
            }
        }
    }

    /// One layer: a header, or any of a sealed interface.
    fn layer(
        &mut self,
        ty: TypeId,
        name: Option<Ident>,
        span: Span,
        refused: Option<&'static str>,
        steps: &mut Vec<LayerStep>,
        binds: &mut Vec<(Name, LocalId)>,
    ) {
        let resolved = self.resolve(ty);
        let headers = self.headers_of(resolved);
        if headers.is_empty() && self.kind(resolved) != TyKind::Error {
            let finding = self
                .at(&codes::E303, self.ast.types[ty].span)
                .message(format!("{} is not a header", self.show(resolved)))
                .label("layers are headers");
            self.report(finding);
        }
        let local = self.new_local(
            name.map(|n| n.name),
            name.map_or(span, |n| n.span),
            resolved,
        );
        if let Some(name) = name {
            self.bind(name, local, refused, binds);
        }
        if let Some(&header) = headers.first() {
            steps.push(LayerStep {
                header,
                one_of: match self.kind(resolved) {
                    TyKind::OneOf(id) => Some(id),
                    _ => None,
                },
                optional: false,
                local,
                span,
            });
        }
    }

    pub(crate) fn bind(
        &mut self,
        name: Ident,
        local: LocalId,
        refused: Option<&'static str>,
        binds: &mut Vec<(Name, LocalId)>,
    ) {
        if let Some(why) = refused {
            let finding = self
                .at(&codes::E304, name.span)
                .message(format!(
                    "`{}` might stand for nothing",
                    self.text(name.name)
                ))
                .label(why);
            self.report(finding);
        }
        let twice = binds.iter().find(|(n, _)| *n == name.name);
        let earlier = twice.map(|(_, l)| *l).or_else(|| self.in_scope(name.name));
        if let Some(earlier) = earlier {
            let earlier = self.t.locals[earlier].span;
            self.twice(name, earlier);
        }
        binds.push((name.name, local));
    }

    /// The headers that may stand where a step is.
    fn step_headers(&self, step: &LayerStep) -> Vec<HeaderId> {
        match step.one_of {
            Some(id) => self.t.one_of[id].members.clone(),
            None => vec![step.header],
        }
    }

    /// Each layer must be able to follow the one before it, with and without those that may be absent.
    fn check_edges(&mut self, base: &Base, steps: &[LayerStep]) {
        let mut rest = steps;
        // What may stand in front: for each way to come here the headers that it may end with.
        let mut fronts: Vec<Vec<Option<HeaderId>>> = match base.start {
            Start::Packet => vec![vec![None]],
            Start::Body(h) => vec![vec![Some(h)]],
            Start::OneOf(id) => {
                let Some((first, behind)) = steps.split_first() else {
                    return;
                };
                if !self.narrows(id, first) {
                    return;
                }
                rest = behind;
                vec![vec![Some(first.header)]]
            }
            Start::Cursor => {
                let Some((first, behind)) = steps.split_first() else {
                    return;
                };
                if first.optional || first.one_of.is_some() {
                    let finding = self
                        .at(&codes::E303, first.span)
                        .message("a cursor does not say what stands there")
                        .label("one header is needed, which is there or malformed");
                    return self.report(finding);
                }
                rest = behind;
                vec![vec![Some(first.header)]]
            }
        };
        for step in rest {
            let headers = self.step_headers(step);
            let meets = |front: &Vec<Option<HeaderId>>| {
                let mut pairs = front
                    .iter()
                    .flat_map(|&f| headers.iter().map(move |&h| (f, h)));
                pairs.any(|(front, header)| self.follows(front, header))
            };
            if let Some(front) = fronts.iter().find(|front| !meets(front)) {
                let front = front.first().copied().flatten();
                self.never_meet(front, step, steps);
                return;
            }
            if !step.optional {
                fronts.clear();
            }
            fronts.push(headers.into_iter().map(Some).collect());
        }
        if base.start == Start::Packet && !self.body.state.resized {
            self.note_layer(steps);
        }
    }

    /// The first layer of a pattern on one of several headers is one of them.
    fn narrows(&mut self, id: OneOfId, first: &LayerStep) -> bool {
        let def = &self.t.one_of[id];
        if first.one_of.is_none() && !first.optional && def.members.contains(&first.header) {
            return true;
        }
        let (name, declared) = (self.text(def.name), self.one_of_span(id));
        let members: Vec<&str> = def
            .members
            .iter()
            .map(|&h| self.text(self.t.headers[h].name))
            .collect();
        let finding = self
            .at(&codes::E303, first.span)
            .message(format!("{name} is never this"))
            .label(format!("one of {}", members.join(", ")))
            .also(declared, "declared here");
        self.report(finding);
        false
    }

    /// The layer at which a pattern on the packet begins.
    fn note_layer(&mut self, steps: &[LayerStep]) {
        for step in steps {
            if let Some(layer) = self.only_layer(step) {
                self.begins_at(layer, step.span);
            }
            if !step.optional {
                return;
            }
        }
    }

    /// The layer at which a packet that begins with this is looked at, if there is only one.
    fn only_layer(&self, step: &LayerStep) -> Option<Layer> {
        let mut layers: Vec<Layer> = Vec::new();
        for header in self.step_headers(step) {
            let edges = self.t.headers[header].edges.iter();
            let begins = edges.filter(|e| e.parent.is_none());
            layers.extend(begins.filter_map(|e| e.layer));
        }
        layers.dedup();
        match layers.as_slice() {
            [layer] => Some(*layer),
            _ => None,
        }
    }

    /// What a header follows, its own declaration's edges first.
    fn parents_text(&self, child: HeaderId) -> String {
        const MOST: usize = 4;
        let header = &self.t.headers[child];
        let own = self.ast.decls[header.decl].span;
        let mut edges: Vec<_> = header.edges.iter().collect();
        edges.sort_by_key(|e| {
            !(e.span.file == own.file && own.start <= e.span.start && e.span.end <= own.end)
        });
        let mut parents: Vec<&str> = Vec::new();
        for edge in edges {
            let name = match edge.parent {
                Some(h) => self.text(self.t.headers[h].name),
                None => "the start of a packet",
            };
            if !parents.contains(&name) {
                parents.push(name);
            }
        }
        match parents.len() {
            0 => "nothing".to_string(),
            n if n > MOST + 1 => format!("{} and {} more", parents[..MOST].join(", "), n - MOST),
            _ => parents.join(", "),
        }
    }

    fn never_meet(&mut self, front: Option<HeaderId>, step: &LayerStep, steps: &[LayerStep]) {
        let child = self.show(self.t.locals[step.local].ty);
        self.never_meet_at(front, (step.header, &child), step.span, steps.len() > 1);
    }

    /// Reports that a header does not stand behind another; `several` layers are written here.
    pub(crate) fn never_meet_at(
        &mut self,
        front: Option<HeaderId>,
        (header, child): (HeaderId, &str),
        span: Span,
        several: bool,
    ) {
        let parent = front.map(|h| self.text(self.t.headers[h].name));
        let parents = self.parents_text(header);
        let mut finding = self
            .at(&codes::E305, span)
            .message(match parent {
                Some(parent) => format!("{child} never comes right after {parent}"),
                None => format!("no packet begins with {child}"),
            })
            .label(format!("{child} follows {parents}"));
        if let Some(path) = self.path(front, header) {
            let mut words: Vec<&str> = parent.into_iter().collect();
            words.extend(path.iter().map(|&h| self.text(self.t.headers[h].name)));
            // The last one is what is written: maybe one of several headers.
            words.pop();
            words.push(child);
            let title = words.join(" / ");
            // Optional layers in front stay what they are.
            let layers = path.iter().map(|&h| self.text(self.t.headers[h].name));
            let missing: String = layers
                .take(path.len() - 1)
                .map(|l| format!("{l} / "))
                .collect();
            finding = finding.fix(title, [(self.front(span), missing)]);
        } else if several && parent.is_some() {
            finding = finding.note(format!(
                "no `follows` or `before` leads from {} to {child}",
                parent.unwrap_or("the packet")
            ));
        }
        self.report(finding);
    }

    /// What is known where the pattern matches.
    fn matched(
        &mut self,
        span: Span,
        base: Base,
        steps: &[LayerStep],
        binds: Vec<(Name, LocalId)>,
    ) -> Cond {
        let mut chain = base.chain;
        let mut fronts = Vec::new();
        let narrowed = matches!(base.start, Start::OneOf(_));
        if let Some(view) = base.view {
            if let Some(info) = self.body.views.get(&view) {
                fronts.clone_from(&info.fronts);
            }
            if !narrowed {
                fronts.push(view);
            }
        }
        let mut prefixes = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(chain) = &mut chain {
                let which = match step.one_of {
                    Some(id) => Which::OneOf(id),
                    None => Which::One(step.header),
                };
                chain.push((which, step.optional));
                prefixes.push(chain.clone());
            }
            self.body.views.insert(
                step.local,
                ViewInfo {
                    chain: chain.clone(),
                    fronts: fronts.clone(),
                    optional: step.optional,
                },
            );
            fronts.push(step.local);
            self.t.locals[step.local].behind_used |= index + 1 < steps.len();
        }
        let known_whole = match steps {
            [only] => narrowed && !self.asks_more(only.header),
            _ => false,
        };
        if !known_whole {
            self.may_be_malformed(span, chain);
        }
        let no = std::mem::take(&mut self.body.state);
        let mut yes = no.clone();
        yes.proven.extend(prefixes);
        yes.matched.extend(steps.iter().map(|s| s.local));
        Cond {
            yes,
            no,
            binds_yes: binds,
            binds_no: Vec::new(),
        }
    }
}
