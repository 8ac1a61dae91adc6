//! Views: where they hold, and what may be stored through them.
//!
//! In: uses of views, matches and stores in the order of the program. Out: reports of views that
//! are over, of matches after a store, and of stores that nobody can put right.

use crate::builtin::Intrinsic;
use crate::check::Checker;
use crate::flow::{Ended, Layered, Which, Why};
use crate::tables::{Derived, HeaderId, LocalId, Res};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::Right;
use nfl_syntax::Span;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{ExprId, ExprKind};

impl Checker<'_> {
    /// A variable or view is used.
    pub(crate) fn use_local(&mut self, local: LocalId, span: Span) {
        if self.body.state.unassigned.remove(&local) {
            let name = self.local_name(local);
            let finding = self
                .at(&codes::E216, span)
                .message(format!("`{name}` may not have a value here"))
                .label("not assigned on every path")
                .also(self.t.locals[local].span, "declared without a value");
            self.report(finding);
        }
        if !self.body.views.contains_key(&local) && !self.is_payload_local(local) {
            return;
        }
        for frame in &mut self.body.loops {
            if local.index() < frame.locals_before {
                frame.view_uses.push((local, span));
            }
        }
        if let Some(ended) = self.body.state.ended.remove(&local) {
            self.over(local, span, ended);
        }
    }

    fn local_name(&self, local: LocalId) -> &str {
        let name = self.t.locals[local].name;
        name.map_or("_", |name| self.names.text(name))
    }

    /// Reports a view that is over.
    pub(crate) fn over(&mut self, local: LocalId, span: Span, ended: Ended) {
        let header = match ended.why {
            Why::Field(header) => header,
            Why::Resized(resize) => return self.over_resized(local, span, ended.span, resize),
        };
        let name = self.local_name(local).to_string();
        let header = self.text(self.t.headers[header].name);
        let finding = self
            .at(&codes::E403, span)
            .message(format!("`{name}` is over"))
            .label("nobody knows what lies there now")
            .also(self.t.locals[local].span, "matched here")
            .also(
                ended.span,
                format!("this changes what follows the {header} header"),
            )
            .help("take the value before, into a variable");
        self.report(finding);
    }

    /// A pattern or call here may find the packet malformed, unless `chain` is proven already.
    pub(crate) fn may_be_malformed(&mut self, span: Span, chain: Option<Vec<Layered>>) {
        if self.body.test {
            return;
        }
        self.body.summary.matches.get_or_insert(span);
        if let Some(role) = self.body.only_answers {
            let finding = self
                .at(&codes::E407, span)
                .message(format!("`on {role}` only answers"))
                .label("this matches the packet");
            return self.report(finding);
        }
        let proven = chain
            .as_ref()
            .is_some_and(|chain| self.body.state.proven.contains(chain));
        if let Some(store) = self.body.state.stored.filter(|_| !proven) {
            return self.late_match(span, store);
        }
        for frame in &mut self.body.loops {
            frame.matches.push((span, chain.clone()));
        }
    }

    /// Reports a match after a store.
    pub(crate) fn late_match(&mut self, span: Span, store: Span) {
        let finding = self
            .at(&codes::E404, span)
            .message("this may find the packet malformed after it was changed")
            .label("matched here")
            .also(store, "changed here")
            .help("match first, then write");
        self.report(finding);
    }

    /// The packet is changed here.
    pub(crate) fn note_store(&mut self, span: Span) {
        self.body.state.stored.get_or_insert(span);
        if let Some(role) = self.body.only_answers {
            let finding = self
                .at(&codes::E407, span)
                .message(format!("`on {role}` only answers"))
                .label("this changes the packet");
            self.report(finding);
        }
    }

    /// These fields of a header are assigned, through `view` if that is known: what hinges on them is over.
    pub(crate) fn reshape(
        &mut self,
        (header, fields): (HeaderId, u64),
        view: Option<LocalId>,
        ended: Ended,
    ) {
        let views = &self.body.views;
        let known = view.and_then(|view| views.get(&view)?.chain.as_ref());
        let changed = |front: LocalId| {
            let same_header = self.headers_of(self.t.locals[front].ty).contains(&header);
            let elsewhere = match (known, views.get(&front).and_then(|v| v.chain.as_ref())) {
                (Some(here), Some(there)) => !self.same_place(here, there),
                _ => false,
            };
            Some(front) == view || (same_header && !elsewhere)
        };
        let over: Vec<LocalId> = views
            .iter()
            .filter(|&(&local, info)| {
                info.fronts.iter().enumerate().any(|(at, &front)| {
                    let mut behind = info.fronts[at + 1..].iter().chain([&local]);
                    changed(front)
                        && behind.any(|&l| {
                            let children = self.headers_of(self.t.locals[l].ty);
                            let mut each = children.iter();
                            children.is_empty() || each.any(|&h| self.hinges(h, header, fields))
                        })
                })
            })
            .map(|(&local, _)| local)
            .collect();
        let hinge = |rest: &[Layered]| {
            rest.iter()
                .any(|&(w, _)| self.hinges_any(w, header, fields))
        };
        let behind = |chain: &Vec<Layered>| match known {
            Some(here) => {
                let within = chain.get(..here.len());
                within.is_some_and(|front| self.same_place(front, here))
                    && hinge(&chain[here.len()..])
            }
            None => (0..chain.len())
                .any(|at| self.stands_for(chain[at].0, header) && hinge(&chain[at + 1..])),
        };
        let proven = self.body.state.proven.iter();
        let proven = proven.filter(|chain| !behind(chain)).cloned().collect();
        self.body.state.proven = proven;
        for local in over {
            self.body.state.ended.entry(local).or_insert(ended);
        }
        *self.body.summary.reshapes.entry(header).or_default() |= fields;
    }

    /// Whether two chains of headers may end at the same header of one packet.
    fn same_place(&self, a: &[Layered], b: &[Layered]) -> bool {
        let meet = |(a, b): (&Layered, &Layered)| match (a.0, b.0) {
            (Which::One(h), which) | (which, Which::One(h)) => self.stands_for(which, h),
            (Which::OneOf(a), Which::OneOf(b)) => a == b,
        };
        a.len() == b.len() && a.iter().zip(b).all(meet)
    }

    fn hinges_any(&self, which: Which, header: HeaderId, fields: u64) -> bool {
        match which {
            Which::One(h) => self.hinges(h, header, fields),
            Which::OneOf(id) => {
                let mut members = self.t.one_of[id].members.iter();
                members.any(|&h| self.hinges(h, header, fields))
            }
        }
    }

    fn stands_for(&self, which: Which, header: HeaderId) -> bool {
        match which {
            Which::One(h) => h == header,
            Which::OneOf(id) => self.t.one_of[id].members.contains(&header),
        }
    }

    /// A place of the form `view.field` is to be assigned; its type, if it may be.
    pub(crate) fn store_type(&mut self, place: ExprId, read: bool) -> Option<Ty> {
        self.body.assigned = !read;
        let ty = self.expr(place, None);
        self.body.assigned = false;
        let ExprKind::Field { base, name } = self.ast.exprs[self.bare(place)].kind else {
            return None;
        };
        let span = self.span(place);
        if self.t.expr_res[self.bare(place)] == Res::Intrinsic(Intrinsic::PacketPriority) {
            self.act(Right::Rewrite, span, "this sets the packet's priority");
            return Some(ty);
        }
        let Res::Field { header, field } = self.t.expr_res[self.bare(place)] else {
            if self.kind(ty) != TyKind::Error {
                self.no_place(place);
            }
            return None;
        };
        let row = &self.t.headers[header].fields[field as usize];
        let declared = row.span;
        if row.derived.is_some() {
            let finding = self
                .at(&codes::E405, span)
                .message(format!(
                    "`{}` is derived; the compiler keeps it",
                    self.text(name.name)
                ))
                .label("assigned here")
                .also(declared, "declared `derived` here");
            let finding = match self.whole_statement(span) {
                Some(line) => finding.fix("delete this line", [(line, String::new())]),
                None => finding.help("delete this line"),
            };
            self.report(finding);
            return None;
        }
        if self.kind(ty) == TyKind::Error {
            return None;
        }
        let view = self.view_local(base);
        self.address_needs_transport(place, (header, field), view);
        Some(ty)
    }

    /// The store to a field happens, after its value was computed.
    pub(crate) fn commit_store(&mut self, place: ExprId) {
        let place = self.bare(place);
        let (Res::Field { header, field }, ExprKind::Field { base, .. }) =
            (self.t.expr_res[place], &self.ast.exprs[place].kind)
        else {
            return;
        };
        let span = self.span(place);
        self.act(Right::Rewrite, span, "this assigns a header field");
        self.note_store(span);
        let view = self.view_local(*base);
        let of = self.t.expr_ty[*base];
        for (header, field) in self.fields_behind(of, (header, field)) {
            self.reshape(
                (header, 1 << field),
                view,
                Ended {
                    span,
                    why: Why::Field(header),
                },
            );
        }
    }

    /// Reports an expression that is no place.
    pub(crate) fn no_place(&mut self, place: ExprId) {
        let finding = self
            .at(&codes::E215, self.span(place))
            .message(format!("`{}` cannot be assigned", self.source(place)))
            .label("not a variable, element, `carried` memory or header field");
        self.report(finding);
    }

    fn has_pseudo_header(&self, header: HeaderId) -> bool {
        let kept = Some(Derived::ChecksumWithPseudoHeader);
        let fields = &self.t.headers[header].fields;
        fields.iter().any(|f| f.derived == kept)
    }

    fn has_addresses(&self, header: HeaderId) -> bool {
        let fields = &self.t.headers[header].fields;
        let address = |ty| matches!(self.kind(ty), TyKind::Ip4 | TyKind::Ip6);
        fields.iter().any(|f| address(f.ty))
    }

    /// Whether no pseudo-header of what lies behind this header holds addresses from before it: it
    /// has addresses of its own, or nothing that follows it has a pseudo-header.
    fn excludes_transport(&self, header: HeaderId) -> bool {
        let (mut open, mut seen) = (vec![header], vec![header]);
        while let Some(at) = open.pop() {
            if self.has_pseudo_header(at) {
                return false;
            }
            if self.has_addresses(at) {
                continue;
            }
            for next in self.t.headers.ids() {
                if !seen.contains(&next) && self.follows(Some(at), next) {
                    seen.push(next);
                    open.push(next);
                }
            }
        }
        true
    }

    /// An address that a pseudo-header covers is only assigned where the checksum behind it is known.
    fn address_needs_transport(
        &mut self,
        place: ExprId,
        (header, field): (HeaderId, u32),
        view: Option<LocalId>,
    ) {
        let span = self.span(place);
        let kind = self.kind(self.t.headers[header].fields[field as usize].ty);
        if self.body.keeps_sums || !matches!(kind, TyKind::Ip4 | TyKind::Ip6) {
            return;
        }
        let pseudo = |h: HeaderId| self.has_pseudo_header(h);
        let behind: Vec<HeaderId> = self.t.headers.ids().filter(|&h| pseudo(h)).collect();
        let covered: Vec<HeaderId> = behind
            .into_iter()
            .filter(|&h| self.follows(Some(header), h))
            .collect();
        let Some(&first) = covered.first() else {
            return;
        };
        let matched = |wanted: &dyn Fn(HeaderId) -> bool| {
            let is_known = |local: &&LocalId| {
                let info = &self.body.views[*local];
                let in_front = view.is_some_and(|view| info.fronts.contains(&view));
                let over = self.body.state.ended.contains_key(*local);
                let headers = self.headers_of(self.t.locals[**local].ty);
                let known = !headers.is_empty() && headers.into_iter().all(wanted);
                in_front && !info.optional && !over && known
            };
            self.body.state.matched.iter().find(is_known).copied()
        };
        let known = matched(&pseudo).or_else(|| matched(&|h| self.excludes_transport(h)));
        if let Some(transport) = known {
            self.t.transport.set(self.bare(place), Some(transport));
            // The checksum is kept through this view, so that is a use of it.
            for frame in &mut self.body.loops {
                if transport.index() < frame.locals_before {
                    frame.view_uses.push((transport, span));
                }
            }
            return;
        }
        if self.body.unknown_flow {
            return;
        }
        let ip = self.text(self.t.headers[header].name);
        let names: Vec<&str> = covered
            .iter()
            .map(|&h| self.text(self.t.headers[h].name))
            .collect();
        let finding = self
            .at(&codes::E406, span)
            .message(format!(
                "the checksum of {} covers this address, and is not known here",
                names.join(" and ")
            ))
            .label("this would leave it wrong")
            .help(format!(
                "match the transport in the same pattern: {ip} ip / {}",
                self.text(self.t.headers[first].name)
            ));
        self.report(finding);
    }
}
