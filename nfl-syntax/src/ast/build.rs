//! What the actions of the grammar call: nodes with their spans, into the arenas.
//!
//! In: parts, and the tokens from which to which. Out: ids. Guaranteed: no node is deeper than
//! [`DEPTH_MAX`], so later stages may recurse over the tree; what is deeper becomes an `Error` node
//! and is noted.

use super::walk::{Node, children};
use super::*;
use crate::arena::{Id, SharedVec};
use crate::literal;
use crate::name::Names;
use crate::source::SourceFile;
use crate::span::FileId;
use crate::token::Token;
use std::cell::Cell;

/// How deep a tree may be.
pub const DEPTH_MAX: u16 = 256;

/// Before a declaration: an annotation or a word.
pub(crate) enum Mod {
    Annotation(Annotation),
    Word(Modifier, Span),
}

/// The state of a parse at a place between two declarations of the file.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    /// Index into the parser's tokens of the next one to read.
    pub(crate) next: usize,
    lens: [usize; 6],
    imports: usize,
    decls: usize,
    deep: usize,
}

/// Builds the nodes of one file.
pub(crate) struct Builder<'a> {
    pub(crate) ast: &'a mut Ast,
    names: &'a mut Names,
    source: &'a SourceFile,
    kinds: &'a [Token],
    file: FileId,
    /// How many tokens the parser has taken, the end of the file included.
    pub(crate) taken: &'a Cell<usize>,
    /// The file so far.
    pub(crate) unit: Unit,
    /// Nodes that would have been too deep.
    pub(crate) deep: Vec<Span>,
    /// One for each place to resume at, the start of the file included.
    pub(crate) marks: Vec<Mark>,
    depths: Depths,
}

/// How deep the nodes of this parse are: earlier ones are never asked about.
#[derive(Default)]
struct Depths {
    /// How many nodes of each kind there were before.
    first: [usize; 6],
    exprs: Vec<u16>,
    stmts: Vec<u16>,
    pats: Vec<u16>,
    types: Vec<u16>,
    decls: Vec<u16>,
    params: Vec<u16>,
}

impl Depths {
    fn of(&self, node: Node) -> u16 {
        let [exprs, stmts, pats, types, decls, params] = self.first;
        match node {
            Node::Expr(id) => self.exprs[id.index() - exprs],
            Node::Stmt(id) => self.stmts[id.index() - stmts],
            Node::Pat(id) => self.pats[id.index() - pats],
            Node::Type(id) => self.types[id.index() - types],
            Node::Decl(id) => self.decls[id.index() - decls],
            Node::Param(id) => self.params[id.index() - params],
        }
    }

    /// Forgets the nodes behind these.
    fn truncate(&mut self, lens: [usize; 6]) {
        let first = self.first;
        self.exprs.truncate(lens[0] - first[0]);
        self.stmts.truncate(lens[1] - first[1]);
        self.pats.truncate(lens[2] - first[2]);
        self.types.truncate(lens[3] - first[3]);
        self.decls.truncate(lens[4] - first[4]);
        self.params.truncate(lens[5] - first[5]);
    }
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        ast: &'a mut Ast,
        names: &'a mut Names,
        source: &'a SourceFile,
        kinds: &'a [Token],
        file: FileId,
        taken: &'a Cell<usize>,
    ) -> Builder<'a> {
        let span = Span {
            file,
            start: 0,
            end: kinds.len() as u32,
        };
        let mut builder = Builder {
            ast,
            names,
            source,
            kinds,
            file,
            taken,
            unit: Unit {
                span,
                package: Vec::new(),
                imports: Vec::new(),
                decls: Vec::new(),
                nodes: Nodes::default(),
            },
            deep: Vec::new(),
            marks: Vec::new(),
            depths: Depths::default(),
        };
        let start = builder.mark(0);
        builder.depths.first = start.lens;
        builder.marks.push(start);
        builder
    }

    fn mark(&self, next: usize) -> Mark {
        Mark {
            next,
            lens: [
                self.ast.exprs.len(),
                self.ast.stmts.len(),
                self.ast.pats.len(),
                self.ast.types.len(),
                self.ast.decls.len(),
                self.ast.params.len(),
            ],
            imports: self.unit.imports.len(),
            decls: self.unit.decls.len(),
            deep: self.deep.len(),
        }
    }

    /// Forgets everything built since the mark.
    pub(crate) fn forget(&mut self, mark: Mark) {
        let [exprs, stmts, pats, types, decls, params] = mark.lens;
        self.ast.exprs.truncate(exprs);
        self.ast.stmts.truncate(stmts);
        self.ast.pats.truncate(pats);
        self.ast.types.truncate(types);
        self.ast.decls.truncate(decls);
        self.ast.params.truncate(params);
        self.depths.truncate(mark.lens);
        self.unit.imports.truncate(mark.imports);
        self.unit.decls.truncate(mark.decls);
        self.deep.truncate(mark.deep);
        if mark.next == 0 {
            self.unit.package.clear();
        }
    }

    pub(crate) fn span(&self, start: u32, end: u32) -> Span {
        Span {
            file: self.file,
            start,
            // An empty construct begins at the next token but ends behind the last one.
            end: end.max(start),
        }
    }

    fn text(&self, start: u32, end: u32) -> &'a str {
        let source = self.source;
        let at = |token: u32| source.starts.get(token as usize).map(|&b| b as usize);
        match (at(start), at(end)) {
            (Some(start), Some(end)) => source.text.get(start..end).unwrap_or(""),
            _ => "",
        }
    }

    /// Whether the node fits, and its depth.
    fn fit(&mut self, span: Span, deepest_child: u16) -> (bool, u16) {
        if deepest_child < DEPTH_MAX {
            return (true, deepest_child + 1);
        }
        self.deep.push(span);
        (false, 1)
    }

    pub(crate) fn expr(&mut self, start: u32, kind: ExprKind, end: u32) -> ExprId {
        let span = self.span(start, end);
        let (fits, depth) = self.fit(span, deepest(&self.depths, |f| children::of_expr(&kind, f)));
        let kind = if fits { kind } else { ExprKind::Error };
        let id = push(&mut self.ast.exprs, Expr { span, kind });
        self.depths.exprs.push(depth);
        id
    }

    pub(crate) fn stmt(&mut self, start: u32, kind: StmtKind, end: u32) -> StmtId {
        let span = self.span(start, end);
        let (fits, depth) = self.fit(span, deepest(&self.depths, |f| children::of_stmt(&kind, f)));
        let kind = if fits { kind } else { StmtKind::Error };
        let id = push(&mut self.ast.stmts, Stmt { span, kind });
        self.depths.stmts.push(depth);
        id
    }

    pub(crate) fn pat(&mut self, start: u32, kind: PatKind, end: u32) -> PatId {
        let span = self.span(start, end);
        let (fits, depth) = self.fit(span, deepest(&self.depths, |f| children::of_pat(&kind, f)));
        let kind = if fits { kind } else { PatKind::Error };
        let id = push(&mut self.ast.pats, Pat { span, kind });
        self.depths.pats.push(depth);
        id
    }

    pub(crate) fn ty(&mut self, start: u32, kind: TypeKind, end: u32) -> TypeId {
        let span = self.span(start, end);
        let (fits, depth) = self.fit(span, deepest(&self.depths, |f| children::of_type(&kind, f)));
        let kind = if fits { kind } else { TypeKind::Error };
        let id = push(&mut self.ast.types, TypeNode { span, kind });
        self.depths.types.push(depth);
        id
    }

    pub(crate) fn decl(
        &mut self,
        start: u32,
        mods: Vec<Mod>,
        kind: impl Into<Box<DeclKind>>,
        end: u32,
    ) -> DeclId {
        let (annotations, modifiers) = parted(mods);
        let mut decl = Decl {
            span: self.span(start, end),
            annotations,
            modifiers,
            kind: *kind.into(),
        };
        let (fits, depth) = self.fit(
            decl.span,
            deepest(&self.depths, |f| children::of_decl(&decl, f)),
        );
        if !fits {
            decl.annotations.clear();
            decl.kind = DeclKind::Error;
        }
        let id = push(&mut self.ast.decls, decl);
        self.depths.decls.push(depth);
        id
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a parameter has this many parts, and the grammar names each"
    )]
    pub(crate) fn param(
        &mut self,
        start: u32,
        mods: Vec<Mod>,
        ty: TypeId,
        name: Ident,
        range: Option<ExprId>,
        default: Option<ExprId>,
        end: u32,
    ) -> ParamId {
        let (annotations, modifiers) = parted(mods);
        let param = Param {
            span: self.span(start, end),
            annotations,
            modifiers,
            ty,
            name,
            range,
            default,
        };
        // A parameter is no level of its own: it cannot nest in another without an expression.
        let depth = deepest(&self.depths, |f| children::of_param(&param, f));
        let id = push(&mut self.ast.params, param);
        self.depths.params.push(depth);
        id
    }

    pub(crate) fn package(&mut self, path: Vec<Ident>) {
        self.unit.package = path;
    }

    pub(crate) fn import(&mut self, l: u32, is_static: bool, path: Vec<Ident>, star: bool, r: u32) {
        let span = self.span(l, r);
        self.unit.imports.push(Import {
            span,
            is_static,
            path,
            star,
        });
    }

    /// A declaration of the file is complete; the parser has one token in hand.
    pub(crate) fn top_decl(&mut self, decl: DeclId) {
        self.unit.decls.push(decl);
        let mark = self.mark(self.taken.get().saturating_sub(1));
        self.marks.push(mark);
    }

    pub(crate) fn ident(&mut self, start: u32, end: u32) -> Ident {
        Ident {
            name: self.names.intern(self.text(start, end)),
            span: self.span(start, end),
        }
    }

    pub(crate) fn name(&mut self, start: u32, end: u32) -> ExprId {
        let name = self.ident(start, end).name;
        self.expr(start, ExprKind::Name(name), end)
    }

    pub(crate) fn constant(&mut self, c: Ident) -> ExprId {
        self.expr(c.span.start, ExprKind::Const(c.name), c.span.end)
    }

    /// Broken literals were reported by the lexer.
    fn lit(&self, start: u32, end: u32) -> Option<Lit> {
        let kind = *self.kinds.get(start as usize)?;
        literal::value(kind, self.text(start, end)).ok()
    }

    pub(crate) fn literal(&mut self, start: u32, end: u32) -> ExprId {
        let kind = self.lit(start, end).map_or(ExprKind::Error, ExprKind::Lit);
        self.expr(start, kind, end)
    }

    pub(crate) fn const_number(&mut self, start: u32, end: u32) -> ConstArg {
        let value = match self.lit(start, end) {
            Some(Lit::Int(value)) => value,
            _ => 0,
        };
        ConstArg::Int(value, self.span(start, end))
    }

    pub(crate) fn named(&mut self, start: u32, path: Vec<Ident>, end: u32) -> TypeId {
        let args = Vec::new();
        self.ty(start, TypeKind::Named { path, args }, end)
    }

    pub(crate) fn layers(&mut self, start: u32, layers: Vec<PatId>, end: u32) -> PatId {
        match layers.as_slice() {
            [one] => *one,
            _ => self.pat(start, PatKind::Layers(layers), end),
        }
    }

    /// The statement with its semicolon.
    pub(crate) fn ended(&mut self, stmt: StmtId, end: u32) -> StmtId {
        self.ast.stmts[stmt].span.end = end;
        stmt
    }

    pub(crate) fn branch(
        &mut self,
        start: u32,
        cond: ExprId,
        then: StmtId,
        otherwise: Option<StmtId>,
        end: u32,
    ) -> StmtId {
        let kind = StmtKind::If {
            cond,
            then,
            otherwise,
        };
        self.stmt(start, kind, end)
    }

    pub(crate) fn annotation(&self, l: u32, name: Ident, args: Vec<Arg>, r: u32) -> Annotation {
        let span = self.span(l, r);
        Annotation { span, name, args }
    }

    pub(crate) fn uses(&self, start: u32, names: Vec<TypeId>, end: u32) -> Uses {
        let span = self.span(start, end);
        Uses { span, names }
    }

    pub(crate) fn follow(&self, l: u32, parent: TypeId, when: Option<ExprId>, r: u32) -> Follow {
        let span = self.span(l, r);
        Follow { span, parent, when }
    }

    pub(crate) fn stage(&self, start: u32, ty: TypeId, args: Vec<Arg>, end: u32) -> Stage {
        let span = self.span(start, end);
        Stage { span, ty, args }
    }

    pub(crate) fn limit(&self, l: u32, count: ExprId, otherwise: Option<ExprId>, r: u32) -> Limit {
        Limit {
            span: self.span(l, r),
            count,
            otherwise,
        }
    }

    pub(crate) fn arm(
        &self,
        start: u32,
        pats: Vec<PatId>,
        guard: Option<ExprId>,
        body: StmtId,
        end: u32,
    ) -> Arm {
        Arm {
            span: self.span(start, end),
            pats,
            guard,
            body,
        }
    }

    /// An arm that could not be read.
    pub(crate) fn lost_arm(&mut self, start: u32, end: u32) -> Arm {
        let pat = self.pat(start, PatKind::Error, end);
        let body = self.stmt(start, StmtKind::Error, end);
        self.arm(start, vec![pat], None, body, end)
    }
}

fn push<I: Id, T>(nodes: &mut SharedVec<I, T>, node: T) -> I {
    nodes.push(node)
}

/// The depth of the deepest child.
fn deepest(depths: &Depths, visit: impl FnOnce(&mut dyn FnMut(Node))) -> u16 {
    let mut max = 0;
    visit(&mut |child| max = max.max(depths.of(child)));
    max
}

fn parted(mods: Vec<Mod>) -> (Vec<Annotation>, Vec<(Modifier, Span)>) {
    let (mut annotations, mut words) = (Vec::new(), Vec::new());
    for m in mods {
        match m {
            Mod::Annotation(a) => annotations.push(a),
            Mod::Word(word, span) => words.push((word, span)),
        }
    }
    (annotations, words)
}
