//! Packets that change their size: `push`, `pop`, `append`, `cut`.
//!
//! In: the calls in the order of the program. Out: the [`Intrinsic`] behind each and what it needs.
//! Guaranteed: behind a resize no view of before is used, and only what was matched before may be
//! matched again, at its new place.

use crate::builtin::Intrinsic;
use crate::check::Checker;
use crate::flow::{Ended, Layered, Which, Why};
use crate::tables::{HeaderId, LocalId};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::Right;
use nfl_syntax::Span;
use nfl_syntax::ast::{Arg, ExprId, Ident};

/// What a resize does to the headers in front.
enum Front {
    /// These come before all others.
    Pushed(Vec<HeaderId>),
    /// The headers up to here are gone, if it is known which.
    Popped(Option<Vec<Layered>>),
    /// They stay.
    Kept,
    /// Nobody knows how much of them is left.
    Unknown,
}

impl Checker<'_> {
    /// A method of the packet that changes or copies it; nothing for others.
    pub(crate) fn packet_call(&mut self, e: ExprId, name: Ident, args: &[Arg]) -> Option<Ty> {
        let which = match self.text(name.name) {
            "push" => Intrinsic::PacketPush,
            "pop" => Intrinsic::PacketPop,
            "append" => Intrinsic::PacketAppend,
            "cut" => Intrinsic::PacketCut,
            "mirror" => Intrinsic::PacketMirror,
            _ => return None,
        };
        let ty = self.intrinsic(e, which, TyKind::Void);
        let [arg] = args else {
            self.arity(name, 1, args.len());
            return Some(ty);
        };
        if let Some(named) = arg.name {
            self.no_member(named, &format!("`{}`", self.text(name.name)));
        }
        self.t.args.set(e, Some(vec![arg.value]));
        match which {
            Intrinsic::PacketPush => self.push(arg.value, name.span),
            Intrinsic::PacketPop => self.pop(arg.value, name.span),
            Intrinsic::PacketAppend => self.append(e, arg.value, name.span),
            Intrinsic::PacketCut => {
                let word = self.ty(TyKind::Unsigned(32));
                let found = self.expr(arg.value, Some(word));
                if self.kind(found) != TyKind::Size {
                    self.fit(arg.value, found, word);
                }
                self.keep_lengths(e);
                self.resized(name.span, Front::Unknown);
            }
            _ => {
                let port = self.ty(TyKind::Port);
                self.coerce(arg.value, port);
                self.act(Right::Replicate, name.span, "this copies the packet");
            }
        }
        Some(ty)
    }

    fn push(&mut self, arg: ExprId, span: Span) {
        self.stack(arg, true);
        let built = self.t.stacks[arg].clone().unwrap_or_default();
        let headers = built.iter().map(|one| one.header).collect();
        self.resized(span, Front::Pushed(headers));
    }

    fn pop(&mut self, arg: ExprId, span: Span) {
        let ty = self.expr(arg, None);
        let view = self.view_local(arg);
        let good = !self.headers_of(ty).is_empty();
        if !good && self.kind(ty) != TyKind::Error {
            let finding = self
                .at(&codes::E210, self.span(arg))
                .message("`pop` takes the last header that is to go")
                .label(format!("this is {}", self.show(ty)));
            self.report(finding);
        }
        let chain = view.and_then(|view| {
            self.t.locals[view].behind_used = true;
            self.body.views.get(&view)?.chain.clone()
        });
        self.resized(span, Front::Popped(chain));
    }

    fn append(&mut self, e: ExprId, arg: ExprId, span: Span) {
        if self.is_stack(arg) {
            self.stack(arg, false);
        } else {
            let ty = self.expr(arg, None);
            if !matches!(self.kind(ty), TyKind::Record(_) | TyKind::Error) {
                let finding = self
                    .at(&codes::E210, self.span(arg))
                    .message("`append` takes a record or headers")
                    .label(format!("this is {}", self.show(ty)));
                self.report(finding);
            }
        }
        self.keep_lengths(e);
        self.resized(span, Front::Kept);
    }

    /// Notes the headers whose lengths follow: those that are matched on every path.
    fn keep_lengths(&mut self, e: ExprId) {
        let state = &self.body.state;
        let matched = state.matched.iter().copied();
        let live = matched.filter(|local| {
            let info = self.body.views.get(local);
            let known = info.is_some_and(|info| !info.optional && info.chain.is_some());
            known && !state.ended.contains_key(local)
        });
        let mut kept: Vec<LocalId> = Vec::new();
        let mut chains: Vec<&Vec<Layered>> = Vec::new();
        for local in live {
            let Some(chain) = self.body.views.get(&local).and_then(|v| v.chain.as_ref()) else {
                continue;
            };
            if !chains.contains(&chain) {
                chains.push(chain);
                kept.push(local);
            }
        }
        self.t.kept.set(e, Some(kept));
    }

    /// The packet is resized here: what was known of places in it is over.
    fn resized(&mut self, span: Span, front: Front) {
        self.act(Right::Resize, span, "this resizes the packet");
        let pushed = match &front {
            Front::Pushed(headers) => headers.clone(),
            _ => Vec::new(),
        };
        let proven = std::mem::take(&mut self.body.state.proven);
        self.body.state.proven = match front {
            Front::Kept => proven,
            Front::Unknown | Front::Popped(None) => Default::default(),
            Front::Pushed(headers) => {
                let new: Vec<Layered> = headers.iter().map(|&h| (Which::One(h), false)).collect();
                let fronts = (1..=new.len()).map(|n| new[..n].to_vec());
                let moved = proven
                    .iter()
                    .map(|chain| new.iter().chain(chain).copied().collect());
                fronts.chain(moved).collect()
            }
            Front::Popped(Some(gone)) => proven
                .iter()
                .filter_map(|chain| chain.strip_prefix(gone.as_slice()))
                .filter(|rest| !rest.is_empty())
                .map(<[Layered]>::to_vec)
                .collect(),
        };
        self.end_views(span, pushed);
    }

    /// Ends every view, as a resize does.
    pub(crate) fn end_views(&mut self, span: Span, pushed: Vec<HeaderId>) {
        self.note_store(span);
        self.body.state.resized = true;
        self.body.resizes.push(pushed);
        let ended = Ended {
            span,
            why: Why::Resized(self.body.resizes.len() - 1),
        };
        let views = self.body.views.keys().copied();
        let scope = self.body.scope.iter().map(|(_, local)| *local);
        let payload = scope.filter(|&local| self.is_payload_local(local));
        let all: Vec<LocalId> = views.chain(payload).collect();
        for view in all {
            self.body.state.ended.entry(view).or_insert(ended);
        }
        self.body.summary.resizes.get_or_insert(span);
    }

    /// Reports the use of a view that a resize has ended.
    pub(crate) fn over_resized(&mut self, local: LocalId, span: Span, at: Span, resize: usize) {
        let name = self.t.locals[local].name;
        let text = name.map_or("_", |name| self.names.text(name));
        let mut finding = self
            .at(&codes::E402, span)
            .message(format!("`{text}` ended when the packet was resized"))
            .label("and this would read the old place")
            .also(self.t.locals[local].span, "it was matched here")
            .also(at, "this moves every header");
        if let Some(member) = self.body.member.filter(|(base, _)| *base == local) {
            let member = self.text(member.1);
            if member != "body" {
                finding = finding.help(format!(
                    "take the value before: var {member} = {text}.{member};"
                ));
            }
        }
        let pushed = self.body.resizes.get(resize).cloned().unwrap_or_default();
        let chain = self.body.views.get(&local).and_then(|v| v.chain.clone());
        if let Some(chain) = chain.filter(|_| !pushed.is_empty()) {
            let mut words: Vec<String> = pushed
                .iter()
                .map(|&h| self.text(self.t.headers[h].name).to_string())
                .collect();
            for (which, optional) in chain {
                let word = match which {
                    Which::One(h) => self.text(self.t.headers[h].name),
                    Which::OneOf(id) => self.text(self.t.one_of[id].name),
                };
                words.push(if optional {
                    format!("[{word}]")
                } else {
                    word.to_string()
                });
            }
            finding = finding.help(format!(
                "or match again: pkt instanceof {} {text}",
                words.join(" / ")
            ));
        }
        self.report(finding);
    }
}
