//! Headers: layout, conditions, and the parse graph.
//!
//! In: `header` declarations. Out: their rows: fields with their places, edges from both ends,
//! conjuncts, and the fields on which a shape depends.

use crate::check::{Body, Checker, Naming, OwnerId, OwnerKind};
use crate::resolve::TypeName;
use crate::tables::{Conjunct, Derived, Edge, Field, HeaderId, Res};
use crate::ty::{Ty, TyKind};
use nfl_abi::{Layer, codes};
use nfl_syntax::Span;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::walk::{Node, children};
use nfl_syntax::ast::{
    BinOp, DeclId, DeclKind, Declarator, ExprId, ExprKind, Follow, Ident, Modifier, TypeId,
    TypeKind,
};
use std::collections::VecDeque;

/// Fields are sets of bits in the tables.
const FIELDS_MAX: usize = 64;

impl Checker<'_> {
    fn each_header(&mut self, pass: fn(&mut Self, OwnerId, HeaderId)) {
        for owner in self.owner_ids() {
            if let OwnerKind::Header(h) = self.owners[owner].kind {
                let body = Body {
                    naming: Naming::Own(h),
                    fields_only: true,
                    ..self.body_of(owner)
                };
                self.within(body, |c| pass(c, owner, h));
            }
        }
    }

    /// Gives all headers their fields.
    pub(crate) fn lay_out_headers(&mut self) {
        self.each_header(Self::lay_out);
    }

    /// Checks lengths, conditions, defaults and edges.
    pub(crate) fn settle_headers(&mut self) {
        self.each_header(Self::settle_header);
        self.each_header(Self::settle_edges);
    }

    fn lay_out(&mut self, owner: OwnerId, h: HeaderId) {
        let ast = self.ast;
        let node = &ast.decls[self.owners[owner].decl];
        for annotation in &node.annotations {
            if self.text(annotation.name.name) == "LittleEndian" {
                self.t.headers[h].little_endian = true;
            }
        }
        let mut bits = 0;
        for &member in self.members_of(owner) {
            if let DeclKind::Field { ty, vars } = &ast.decls[member].kind
                && !self.has(member, Modifier::Static)
            {
                self.lay_out_field(h, member, *ty, vars, &mut bits);
            }
        }
        if bits % 8 != 0 {
            let name = self.owners[owner].name;
            let finding = self
                .at(&codes::E233, name.span)
                .message(format!(
                    "`{}` has {bits} bits, which is no whole number of bytes",
                    self.text(name.name)
                ))
                .label(format!("{} bits are missing", 8 - bits % 8));
            self.report(finding);
        }
        self.t.headers[h].fixed_bytes = bits.div_ceil(8);
        for field in &mut self.t.headers[h].fields {
            if field.len.is_some() {
                field.bit_offset = bits.div_ceil(8) * 8;
            }
        }
    }

    fn lay_out_field(
        &mut self,
        h: HeaderId,
        member: DeclId,
        ty: TypeId,
        vars: &[Declarator],
        bits: &mut u32,
    ) {
        let ast = self.ast;
        self.bad_modifiers(
            member,
            &[Modifier::Derived, Modifier::Public, Modifier::Private],
        );
        let (elem, len) = match &ast.types[ty].kind {
            TypeKind::Array { elem, len } => (*elem, Some(*len)),
            _ => (ty, None),
        };
        let span = ast.types[elem].span;
        let resolved = self.resolve(elem);
        let resolved = self.only(resolved, span, "a field of a header", |k| {
            matches!(
                k,
                TyKind::Bool
                    | TyKind::Unsigned(_)
                    | TyKind::Signed(_)
                    | TyKind::Ip4
                    | TyKind::Ip6
                    | TyKind::Mac
                    | TyKind::Port
                    | TyKind::Group
                    | TyKind::NodeId
            )
        });
        for var in vars {
            self.place_field(h, member, var, resolved, len, bits);
        }
    }

    fn place_field(
        &mut self,
        h: HeaderId,
        member: DeclId,
        var: &Declarator,
        ty: Ty,
        len: Option<ExprId>,
        bits: &mut u32,
    ) {
        let width = self.t.types.bits(ty).unwrap_or(8);
        let fields = &self.t.headers[h].fields;
        if let Some(earlier) = fields.iter().find(|f| f.name == var.name.name) {
            let earlier = earlier.span;
            self.twice(var.name, earlier);
        }
        let fields = &self.t.headers[h].fields;
        let behind_array = len.is_none() && fields.iter().any(|f| f.len.is_some());
        let problem = if fields.len() >= FIELDS_MAX {
            Some("more than 64 fields")
        } else if behind_array {
            Some("this stands behind an array, whose length the packet decides")
        } else if len.is_some() && !width.is_multiple_of(8) {
            Some("the elements of an array are whole bytes")
        } else {
            None
        };
        if let Some(problem) = problem {
            let finding = self.at(&codes::E234, var.name.span).label(problem);
            return self.report(finding);
        }
        let derived = if self.has(member, Modifier::Derived) {
            self.derived(var, ty)
        } else {
            None
        };
        let annotations = &self.ast.decls[member].annotations;
        let own = annotations
            .iter()
            .any(|a| self.text(a.name.name) == "LittleEndian");
        let little_endian = own || self.t.headers[h].little_endian;
        self.t.headers[h].fields.push(Field {
            name: var.name.name,
            span: var.name.span,
            ty,
            bit_offset: *bits,
            bits: if len.is_some() { 0 } else { width },
            len,
            derived,
            little_endian,
            default: var.init.filter(|_| derived.is_none()),
        });
        if len.is_none() {
            *bits += width;
        }
    }

    fn derived(&mut self, var: &Declarator, ty: Ty) -> Option<Derived> {
        let ast = self.ast;
        let kind = var.init.and_then(|e| match &ast.exprs[e].kind {
            ExprKind::StaticCall { ty, name, args } => {
                let [arg] = args.as_slice() else { return None };
                let this = matches!(ast.exprs[arg.value].kind, ExprKind::This);
                let TypeKind::Named { path, .. } = &ast.types[*ty].kind else {
                    return None;
                };
                let class = path.last().map_or("", |p| self.text(p.name));
                match (class, self.text(name.name)) {
                    _ if !this => None,
                    ("Length", "from") => Some(Derived::LengthFrom),
                    ("Length", "after") => Some(Derived::LengthAfter),
                    ("Checksum", "of") => Some(Derived::ChecksumOf),
                    ("Checksum", "withPseudoHeader") => Some(Derived::ChecksumWithPseudoHeader),
                    ("Checksum", "over") => Some(Derived::ChecksumOver),
                    _ => None,
                }
            }
            _ => None,
        });
        let checksum = !matches!(
            kind,
            Some(Derived::LengthFrom | Derived::LengthAfter) | None
        );
        let good = match self.kind(ty) {
            TyKind::Error => true,
            TyKind::Unsigned(n) => n == 16 || !checksum,
            _ => false,
        };
        if kind.is_none() || !good {
            let finding = self
                .at(&codes::E235, var.name.span)
                .label(if kind.is_none() {
                    "needs a value such as `Length.from(this)` or `Checksum.of(this)`"
                } else if checksum {
                    "a checksum is a u16"
                } else {
                    "a length is an unsigned number"
                });
            self.report(finding);
        }
        kind
    }

    fn settle_header(&mut self, owner: OwnerId, h: HeaderId) {
        let ast = self.ast;
        let count = self.t.headers[h].fields.len();
        for index in 0..count {
            let field = self.t.headers[h].fields[index].clone();
            if let Some(default) = field.default {
                self.constant(default, field.ty);
            }
            if let Some(len) = field.len {
                self.settle_len(h, len);
            }
        }
        for &member in self.members_of(owner) {
            if let DeclKind::Valid { cond } = &ast.decls[member].kind {
                self.settle_valid(h, *cond);
            }
        }
        let row = &mut self.t.headers[h];
        row.shape |= row.valid.iter().fold(row.placing, |all, c| all | c.fields);
    }

    /// The length of a variable array: over fixed fields, in `u32`.
    fn settle_len(&mut self, h: HeaderId, len: ExprId) {
        self.body.summary.own_fields = 0;
        let word = self.ty(TyKind::Unsigned(32));
        let found = self.expr(len, Some(word));
        if !matches!(self.kind(found), TyKind::Unsigned(_) | TyKind::Error) {
            self.mismatch(len, found, word);
        }
        self.t.headers[h].placing |= self.body.summary.own_fields;
    }

    /// A condition in a header, by conjuncts.
    fn settle_valid(&mut self, h: HeaderId, cond: ExprId) {
        if let ExprKind::Binary {
            op: BinOp::And,
            left,
            right,
        } = self.ast.exprs[self.bare(cond)].kind
        {
            self.settle_valid(h, left);
            self.settle_valid(h, right);
            // The conjunction itself is nobody's to compute, but every expression has a type.
            let boolean = self.boolean();
            self.set_ty(cond, boolean);
            let bare = self.bare(cond);
            self.set_ty(bare, boolean);
            return;
        }
        self.body.summary.own_fields = 0;
        let boolean = self.boolean();
        self.coerce(cond, boolean);
        let fields = self.body.summary.own_fields;
        self.t.headers[h].valid.push(Conjunct { cond, fields });
    }

    fn settle_edges(&mut self, owner: OwnerId, h: HeaderId) {
        let ast = self.ast;
        if let DeclKind::Header { follows, .. } = &ast.decls[self.owners[owner].decl].kind {
            for follow in follows {
                if let Some(parent) = self.other_end(follow, true) {
                    self.settle_edge(follow, parent, h, false);
                }
            }
        }
        for &member in self.members_of(owner) {
            if let DeclKind::Before { follows } = &ast.decls[member].kind {
                for follow in follows {
                    if let Some(Some(child)) = self.other_end(follow, false) {
                        self.settle_edge(follow, Some(h), child, true);
                    }
                }
            }
        }
    }

    /// The header that an edge names; `Some(None)` for the packet itself.
    fn other_end(&mut self, follow: &Follow, may_be_packet: bool) -> Option<Option<HeaderId>> {
        let node = &self.ast.types[follow.parent];
        let TypeKind::Named { path, .. } = &node.kind else {
            return None;
        };
        if let [name] = path.as_slice()
            && self.type_name(name.name) == TypeName::Builtin(TyKind::Packet)
            && may_be_packet
        {
            return Some(None);
        }
        let ty = self.resolve(follow.parent);
        match self.kind(ty) {
            TyKind::View(h) => Some(Some(h)),
            TyKind::Error => None,
            _ => {
                let finding = self
                    .at(&codes::E226, node.span)
                    .message(format!("{} is not a header", self.show(ty)))
                    .label("only headers follow each other");
                self.report(finding);
                None
            }
        }
    }

    fn settle_edge(
        &mut self,
        follow: &Follow,
        parent: Option<HeaderId>,
        child: HeaderId,
        before: bool,
    ) {
        let mut layer = None;
        if let Some(when) = follow.when {
            self.body.naming = Naming::Edge {
                parent,
                // Behind `before`, `this` is the header in front, whose fields are plain names.
                child: (!before).then_some(child),
            };
            let boolean = self.boolean();
            self.coerce(when, boolean);
            layer = self.edge_layer(when);
        }
        let mut found = Vec::new();
        if let Some(when) = follow.when {
            self.edge_fields(when, &mut found);
        }
        let of = |header| {
            let fields = found.iter().filter(move |(h, _)| Some(*h) == header);
            fields.fold(0, |all, (_, field)| all | 1 << field)
        };
        let row = &mut self.t.headers[child];
        row.shape |= of(Some(child));
        row.edges.push(Edge {
            parent,
            when: follow.when,
            layer,
            asks: of(parent),
            span: follow.span,
        });
    }

    /// The layer that a condition names: a conjunct `layer == LINK`.
    fn edge_layer(&self, when: ExprId) -> Option<Layer> {
        match self.ast.exprs[self.bare(when)].kind {
            ExprKind::Binary {
                op: BinOp::And,
                left,
                right,
            } => self.edge_layer(left).or_else(|| self.edge_layer(right)),
            ExprKind::Binary {
                op: BinOp::Eq,
                left,
                right,
            } => {
                let res = |e| self.t.expr_res[self.bare(e)];
                match (res(left), res(right)) {
                    (Res::Layer, Res::LayerConst(layer)) | (Res::LayerConst(layer), Res::Layer) => {
                        Some(layer)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The fields that a condition mentions.
    fn edge_fields(&self, e: ExprId, found: &mut Vec<(HeaderId, u32)>) {
        if let Res::ParentField { header, field } | Res::OwnField { header, field } =
            self.t.expr_res[e]
        {
            found.push((header, field));
        }
        children::of_expr(&self.ast.exprs[e].kind, &mut |child| {
            if let Node::Expr(child) = child {
                self.edge_fields(child, found);
            }
        });
    }

    /// Whether it hinges on these fields of a header that another stands somewhere behind it, where it
    /// was matched: by their lengths and validity, or by the edge between the two.
    pub(crate) fn hinges(&self, child: HeaderId, parent: HeaderId, fields: u64) -> bool {
        let edges = &self.t.headers[child].edges;
        self.t.headers[parent].shape & fields != 0
            || edges
                .iter()
                .any(|e| e.parent == Some(parent) && e.asks & fields != 0)
    }

    /// Whether one header may stand right behind another (`None`: begin the packet).
    pub(crate) fn follows(&self, parent: Option<HeaderId>, child: HeaderId) -> bool {
        let edges = &self.t.headers[child].edges;
        edges.iter().any(|e| e.parent == parent)
    }

    /// The shortest way from one header to another, without the first.
    pub(crate) fn path(&self, from: Option<HeaderId>, to: HeaderId) -> Option<Vec<HeaderId>> {
        let count = self.t.headers.len();
        let mut came: Vec<Option<Option<HeaderId>>> = vec![None; count];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for next in self.t.headers.ids() {
                if came[next.index()].is_none() && Some(next) != at && self.follows(at, next) {
                    came[next.index()] = Some(at);
                    queue.push_back(Some(next));
                }
            }
        }
        let mut path = vec![to];
        let mut at = to;
        for _ in 0..count {
            match came[at.index()]? {
                before if before == from => {
                    path.reverse();
                    return Some(path);
                }
                Some(before) => {
                    path.push(before);
                    at = before;
                }
                None => return None,
            }
        }
        None
    }

    /// The field of a header with this name.
    pub(crate) fn field_of(&self, h: HeaderId, name: Ident) -> Option<u32> {
        let fields = &self.t.headers[h].fields;
        let at = fields.iter().position(|f| f.name == name.name)?;
        u32::try_from(at).ok()
    }

    /// The places of a header's declaration, for messages.
    pub(crate) fn header_name_span(&self, h: HeaderId) -> Span {
        match &self.ast.decls[self.t.headers[h].decl].kind {
            DeclKind::Header { name, .. } => name.span,
            _ => self.ast.decls[self.t.headers[h].decl].span,
        }
    }
}
