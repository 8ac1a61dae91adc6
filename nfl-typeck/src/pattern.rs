//! Layer patterns.
//!
//! In: `value instanceof pattern`. Out: the layers with their bindings, and what is known where the
//! pattern matches. Guaranteed: each layer may follow the one before it.

use crate::check::{Checker, ViewInfo};
use crate::flow::{Cond, Layered};
use crate::tables::{HeaderId, LayerStep, LocalId, PatInfo};
use crate::ty::TyKind;
use nfl_abi::{Layer, codes};
use nfl_syntax::ast::{ExprId, ExprKind, Ident, PatId, PatKind};
use nfl_syntax::{Name, Span};

/// Where a pattern begins.
#[derive(Clone, Debug)]
struct Base {
    /// The header in front; `None` for the packet.
    parent: Option<HeaderId>,
    /// The view of that header.
    view: Option<LocalId>,
    /// The headers up to there, if known.
    chain: Option<Vec<Layered>>,
}

impl Checker<'_> {
    /// `value instanceof pat`
    pub(crate) fn instance_of(&mut self, value: ExprId, pat: PatId) -> Cond {
        let errors = self.diags.iter().len();
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
        if self.body.test
            && self.kind(ty) == TyKind::Verdict
            && let Some(cond) = self.test_verdict_pattern(pat)
        {
            return cond;
        }
        let base = match self.kind(ty) {
            TyKind::Packet => Base {
                parent: None,
                view: None,
                chain: Some(Vec::new()),
            },
            TyKind::Body(h) => {
                let view = match self.ast.exprs[self.bare(value)].kind {
                    ExprKind::Field { base, .. } => self.view_local(base),
                    _ => None,
                };
                let info = view.and_then(|view| self.body.views.get(&view));
                Base {
                    parent: Some(h),
                    view,
                    chain: info.and_then(|info| info.chain.clone()),
                }
            }
            TyKind::Error => {
                self.bind_nothing(pat);
                return self.nothing_bound();
            }
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
                self.report(finding);
                self.bind_nothing(pat);
                return self.nothing_bound();
            }
        };
        let mut binds = Vec::new();
        let mut steps = Vec::new();
        self.layers(pat, false, &mut steps, &mut binds);
        if self.diags.iter().len() == errors {
            self.check_edges(&base, &steps);
        } else {
            self.body.unknown_flow = true;
        }
        self.t.pats.set(pat, PatInfo::Layers(steps.clone()));
        self.matched(span, base, &steps, binds)
    }

    /// A condition after an error: nothing is known.
    fn nothing_bound(&mut self) -> Cond {
        let state = std::mem::take(&mut self.body.state);
        Cond {
            yes: state.clone(),
            no: state,
            binds_yes: std::mem::take(&mut self.body.unknown_binds),
            binds_no: Vec::new(),
        }
    }

    /// Binds the names of a pattern that cannot be judged, so that their uses are no second mistake.
    fn bind_nothing(&mut self, pat: PatId) {
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
        optional: bool,
        steps: &mut Vec<LayerStep>,
        binds: &mut Vec<(Name, LocalId)>,
    ) {
        let ast = self.ast;
        let span = ast.pats[pat].span;
        match &ast.pats[pat].kind {
            PatKind::Error => {}
            PatKind::Layers(parts) => {
                for &part in parts {
                    self.layers(part, optional, steps, binds);
                }
            }
            PatKind::Optional(inner) => self.layers(*inner, true, steps, binds),
            PatKind::Type { ty, name } => {
                let resolved = self.resolve(*ty);
                let header = match self.kind(resolved) {
                    TyKind::View(h) => Some(h),
                    TyKind::Error => None,
                    _ => {
                        let finding = self
                            .at(&codes::E303, ast.types[*ty].span)
                            .message(format!("{} is not a header", self.show(resolved)))
                            .label("layers are headers");
                        self.report(finding);
                        None
                    }
                };
                let local = self.new_local(
                    name.map(|n| n.name),
                    name.map_or(span, |n| n.span),
                    resolved,
                );
                if let Some(name) = name {
                    self.bind(*name, local, optional, binds);
                }
                if let Some(header) = header {
                    steps.push(LayerStep {
                        header,
                        optional,
                        local,
                        span,
                    });
                }
            }
            PatKind::Record { .. } => {
                self.bind_nothing(pat);
                binds.append(&mut self.body.unknown_binds);
                self.refuse("taking values apart in a pattern is", span);
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

    fn bind(
        &mut self,
        name: Ident,
        local: LocalId,
        optional: bool,
        binds: &mut Vec<(Name, LocalId)>,
    ) {
        if optional {
            let finding = self
                .at(&codes::E304, name.span)
                .message(format!(
                    "`{}` might stand for nothing",
                    self.text(name.name)
                ))
                .label("a layer in brackets may be absent");
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

    /// Each layer must be able to follow the one before it, with and without those that may be absent.
    fn check_edges(&mut self, base: &Base, steps: &[LayerStep]) {
        let mut fronts: Vec<Option<HeaderId>> = vec![base.parent];
        for step in steps {
            let missing = fronts
                .iter()
                .find(|&&front| !self.follows(front, step.header));
            if let Some(&front) = missing {
                self.never_meet(front, step, steps);
                return;
            }
            if !step.optional {
                fronts.clear();
            }
            fronts.push(Some(step.header));
        }
        if base.parent.is_none() {
            self.note_layer(steps);
        }
    }

    /// The layer at which a pattern on the packet begins.
    fn note_layer(&mut self, steps: &[LayerStep]) {
        for step in steps {
            let edges = &self.t.headers[step.header].edges;
            let layers: Vec<Layer> = edges
                .iter()
                .filter(|e| e.parent.is_none())
                .filter_map(|e| e.layer)
                .collect();
            if let [layer] = layers.as_slice() {
                self.begins_at(*layer, step.span);
            }
            if !step.optional {
                return;
            }
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
        let child = self.text(self.t.headers[step.header].name);
        let parent = front.map(|h| self.text(self.t.headers[h].name));
        let parents = self.parents_text(step.header);
        let mut finding = self
            .at(&codes::E305, step.span)
            .message(match parent {
                Some(parent) => format!("{child} never comes right after {parent}"),
                None => format!("no packet begins with {child}"),
            })
            .label(format!("{child} follows {parents}"));
        if let Some(path) = self.path(front, step.header) {
            let mut words: Vec<&str> = parent.into_iter().collect();
            words.extend(path.iter().map(|&h| self.text(self.t.headers[h].name)));
            let title = words.join(" / ");
            // Optional layers in front stay what they are.
            let layers = path.iter().map(|&h| self.text(self.t.headers[h].name));
            let missing: String = layers
                .take(path.len() - 1)
                .map(|l| format!("{l} / "))
                .collect();
            finding = finding.fix(title, [(self.front(step.span), missing)]);
        } else if steps.len() > 1 && parent.is_some() {
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
        if let Some(view) = base.view {
            if let Some(info) = self.body.views.get(&view) {
                fronts.clone_from(&info.fronts);
            }
            fronts.push(view);
        }
        let mut prefixes = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(chain) = &mut chain {
                chain.push((step.header, step.optional));
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
        self.may_be_malformed(span, chain);
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
