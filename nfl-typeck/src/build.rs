//! Headers under construction: `Ipv4(src = a, dst = b) / Udp(dport = 53)`.
//!
//! In: the argument of `push` or `append`. Out: its headers from the outside in, with a value for each field that
//! is not zero: as written, else as the first equation of the edge to the next header says, else the
//! declared default. Guaranteed: each header may follow the one before it; fields that the compiler
//! keeps are not among them.

use crate::check::{Checker, OwnerKind};
use crate::flow::Which;
use crate::resolve::TypeName;
use crate::tables::{Built, BuiltField, HeaderId, Konst, Res};
use crate::ty::TyKind;
use nfl_abi::codes;
use nfl_syntax::Span;
use nfl_syntax::ast::{Arg, BinOp, ExprId, ExprKind, TypeId, TypeKind};

impl Checker<'_> {
    /// Whether an expression is written as headers under construction.
    pub(crate) fn is_stack(&self, e: ExprId) -> bool {
        match &self.ast.exprs[self.bare(e)].kind {
            ExprKind::Binary {
                op: BinOp::Div,
                left,
                ..
            } => self.is_stack(*left),
            ExprKind::Construct { ty, .. } | ExprKind::Type(ty) => self.header_named(*ty).is_some(),
            _ => false,
        }
    }

    fn header_named(&self, ty: TypeId) -> Option<HeaderId> {
        let TypeKind::Named { path, args } = &self.ast.types[ty].kind else {
            return None;
        };
        let [name] = path.as_slice() else {
            return None;
        };
        match self.type_name(name.name) {
            TypeName::Owner(owner) if args.is_empty() => match self.owners[owner].kind {
                OwnerKind::Header(h) => Some(h),
                _ => None,
            },
            _ => None,
        }
    }

    /// Checks headers under construction in front of the packet (`pushed`) or behind it.
    pub(crate) fn stack(&mut self, e: ExprId, pushed: bool) {
        let mut built = Vec::new();
        self.build(e, &mut built);
        let mut front = None;
        for (at, one) in built.iter().enumerate() {
            let first = at == 0 && !pushed;
            if !first && !self.follows(front, one.header) {
                self.never_follows(front, one.header, one.span);
                break;
            }
            front = Some(one.header);
        }
        let behind = if pushed { self.first_header() } else { None };
        for at in 0..built.len() {
            let next = built.get(at + 1).map(|b| b.header).or(behind);
            let found = match next {
                Some(next) if at + 1 < built.len() || behind.is_some() => {
                    self.equations(built[at].header, next)
                }
                _ => Vec::new(),
            };
            self.fill(&mut built[at], found);
        }
        let ty = self.ty(TyKind::Stack);
        self.set_ty(e, ty);
        self.t.stacks.set(e, Some(built));
    }

    /// The header with which the packet surely begins.
    fn first_header(&self) -> Option<HeaderId> {
        let mut firsts = self.body.state.proven.iter().map(|chain| chain.first());
        match firsts.next()?? {
            &(Which::One(h), false) => firsts
                .all(|first| first == Some(&(Which::One(h), false)))
                .then_some(h),
            _ => None,
        }
    }

    /// Collects the headers of a stack.
    fn build(&mut self, e: ExprId, built: &mut Vec<Built>) {
        let ast = self.ast;
        let ty = self.ty(TyKind::Stack);
        self.set_ty(e, ty);
        match &ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.build(*inner, built),
            ExprKind::Binary {
                op: BinOp::Div,
                left,
                right,
            } => {
                self.build(*left, built);
                self.build(*right, built);
            }
            ExprKind::Construct { ty, args } => self.build_one(e, *ty, args, built),
            ExprKind::Type(ty) => self.build_one(e, *ty, &[], built),
            _ => self.not_built(e),
        }
    }

    fn not_built(&mut self, e: ExprId) {
        if !self.is_flexible(e) {
            let ty = self.expr(e, None);
            // What has no type has its finding already.
            if self.kind(ty) == TyKind::Error {
                return;
            }
        }
        let finding = self
            .at(&codes::E312, self.span(e))
            .message("only headers stand here")
            .label("not a header under construction");
        self.report(finding);
    }

    fn build_one(&mut self, e: ExprId, ty: TypeId, args: &[Arg], built: &mut Vec<Built>) {
        let Some(header) = self.header_named(ty) else {
            return self.not_built(e);
        };
        let declared = self.owner_of_decl(self.t.headers[header].decl);
        if let Some(owner) = declared {
            self.warn_deprecated_type(owner, self.ast.types[ty].span);
        }
        self.set_res(e, Res::Built(header));
        let mut one = Built {
            header,
            span: self.span(e),
            fields: Vec::new(),
        };
        for (at, arg) in args.iter().enumerate() {
            let field = match arg.name {
                Some(named) => {
                    let found = self.field_of(header, named);
                    if found.is_none() {
                        let of = self.text(self.t.headers[header].name);
                        self.no_member(named, of);
                    }
                    found
                }
                None => u32::try_from(at).ok(),
            };
            match field {
                Some(field) => self.build_field(&mut one, field, arg),
                None if self.is_flexible(arg.value) => {}
                None => {
                    self.expr(arg.value, None);
                }
            }
        }
        built.push(one);
    }

    fn build_field(&mut self, one: &mut Built, field: u32, arg: &Arg) {
        let header = &self.t.headers[one.header];
        let of = self.text(header.name);
        let span = arg.name.map_or(self.span(arg.value), |n| n.span);
        let Some(row) = header.fields.get(field as usize).cloned() else {
            let finding = self
                .at(&codes::E213, span)
                .message(format!("{of} has fewer fields"))
                .label("one too many");
            return self.report(finding);
        };
        let places = header.placing >> field & 1 == 1;
        if row.derived.is_some() {
            let finding = self
                .at(&codes::E405, span)
                .message(format!(
                    "`{}` is derived; the compiler keeps it",
                    self.text(row.name)
                ))
                .label("given here")
                .also(row.span, "declared `derived` here");
            return self.report(finding);
        }
        if row.len.is_some() {
            let finding = self
                .at(&codes::E312, span)
                .message(format!("{of} is built without `{}`", self.text(row.name)))
                .label("an array whose length the packet decides");
            return self.report(finding);
        }
        if one.fields.iter().any(|(f, _)| *f == field) {
            let finding = self
                .at(&codes::E213, span)
                .message(format!("`{}` is given twice", self.text(row.name)))
                .label("and here again");
            return self.report(finding);
        }
        self.coerce(arg.value, row.ty);
        let default = row.default.and_then(|d| self.t.konst[d].clone());
        if places && (default.is_none() || self.t.konst[arg.value] != default) {
            let finding = self
                .at(&codes::E312, span)
                .message(format!(
                    "`{}` says how long {of} is, and it is built with its fixed part only",
                    self.text(row.name)
                ))
                .label("leave it out");
            return self.report(finding);
        }
        one.fields.push((field, BuiltField::Expr(arg.value)));
    }

    /// Adds what the next header asks for, and the defaults, where nothing is written.
    fn fill(&self, one: &mut Built, equations: Vec<(u32, Konst)>) {
        let fields = &self.t.headers[one.header].fields;
        let defaults = fields.iter().zip(0..).filter_map(|(f, number)| {
            let value = self.t.konst[f.default?].clone()?;
            Some((number, value))
        });
        for (field, value) in equations.into_iter().chain(defaults) {
            if !one.fields.iter().any(|(f, _)| *f == field) {
                one.fields.push((field, BuiltField::Konst(value)));
            }
        }
        one.fields.sort_by_key(|(field, _)| *field);
    }

    /// What the fields of `parent` are in front of `child`.
    fn equations(&self, parent: HeaderId, child: HeaderId) -> Vec<(u32, Konst)> {
        let mut found = Vec::new();
        let mut edges = self.t.headers[child].edges.iter();
        if let Some(when) = edges
            .find(|e| e.parent == Some(parent))
            .and_then(|e| e.when)
        {
            self.equation(when, parent, &mut found);
        }
        found
    }

    fn equation(&self, e: ExprId, parent: HeaderId, found: &mut Vec<(u32, Konst)>) {
        let field_of = |e: ExprId| match self.t.expr_res[self.bare(e)] {
            Res::ParentField { header, field } if header == parent => Some(field),
            _ => None,
        };
        match &self.ast.exprs[self.bare(e)].kind {
            ExprKind::Binary {
                op: BinOp::And,
                left,
                right,
            } => {
                self.equation(*left, parent, found);
                self.equation(*right, parent, found);
            }
            ExprKind::Binary {
                op: BinOp::Or,
                left,
                ..
            } => self.equation(*left, parent, found),
            ExprKind::Binary {
                op: BinOp::Eq,
                left,
                right,
            } => {
                for (field, value) in [(left, right), (right, left)] {
                    if let (Some(field), Some(value)) = (field_of(*field), &self.t.konst[*value]) {
                        found.push((field, value.clone()));
                    }
                }
            }
            ExprKind::In { value, set } => {
                let first = match &self.ast.exprs[self.bare(*set)].kind {
                    ExprKind::Set(all) => all.first().copied(),
                    _ => Some(*set),
                };
                let first = first.map(|e| match self.ast.exprs[self.bare(e)].kind {
                    ExprKind::Range { lo, .. } => lo,
                    _ => e,
                });
                let value_of = first.and_then(|e| self.t.konst[e].clone());
                if let (Some(field), Some(value)) = (field_of(*value), value_of) {
                    found.push((field, value));
                }
            }
            ExprKind::Name(_) if matches!(self.t.expr_res[e], Res::ParentField { .. }) => {
                found.extend(field_of(e).map(|field| (field, Konst::Bool(true))));
            }
            _ => {}
        }
    }

    fn never_follows(&mut self, front: Option<HeaderId>, header: HeaderId, span: Span) {
        let child = self.text(self.t.headers[header].name).to_string();
        self.never_meet_at(front, (header, &child), span, true);
    }
}
