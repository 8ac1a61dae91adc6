//! Fragments that pass by accident.
//!
//! In: a checked program without errors. Out: warnings about filters that hand on what their pattern
//! does not match, where later fragments of the same protocol are among it: only the first fragment
//! of a datagram has a transport header (RFC 791 section 3.2). Guaranteed: a function that looks at
//! fragments anywhere is taken to mean what it does, and so is one that drops nothing for the sake
//! of what stands in the transport header.

use crate::check::{Checker, OwnerKind};
use crate::tables::{HeaderId, LayerStep, LocalId, PatInfo, Res};
use crate::ty::TyKind;
use nfl_abi::codes;
use nfl_abi::image::VerdictKind;
use nfl_syntax::ast::walk::{Node, children};
use nfl_syntax::ast::{BinOp, DeclId, DeclKind, ExprId, ExprKind, StmtId, StmtKind, UnOp};
use std::collections::BTreeSet;

/// What a program says that has fragments in mind.
const READS: [&str; 3] = ["fragment", "moreFragments", "isFragment"];

/// The view of the transport, and variables made of it.
type Views = BTreeSet<LocalId>;

/// A pattern that later fragments do not match, and every first one does.
struct Miss {
    pattern: ExprId,
    front: HeaderId,
    /// The headers that only first fragments have.
    behind: Vec<HeaderId>,
    views: Views,
}

impl Checker<'_> {
    /// Warns of fragments that pass by accident.
    pub(crate) fn warn_fragments(&mut self) {
        let ast = self.ast;
        for owner in self.owner_ids() {
            let function = matches!(self.owners[owner].kind, OwnerKind::Function(_));
            let members = self.members_of(owner);
            if !function
                || !self.is_of_root(owner)
                || members.iter().any(|&m| self.minds_fragments(m))
            {
                continue;
            }
            for &member in members {
                if let DeclKind::Handler { body, .. } = &ast.decls[member].kind {
                    self.fragments_in(body);
                }
            }
        }
    }

    /// Everything below a node, itself included.
    fn below(&self, root: Node) -> Vec<Node> {
        let ast = self.ast;
        let mut found = vec![root];
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            next += 1;
            let mut add = |child| found.push(child);
            match node {
                Node::Expr(e) => children::of_expr(&ast.exprs[e].kind, &mut add),
                Node::Stmt(s) => children::of_stmt(&ast.stmts[s].kind, &mut add),
                Node::Pat(p) => children::of_pat(&ast.pats[p].kind, &mut add),
                Node::Decl(d) => children::of_decl(&ast.decls[d], &mut add),
                Node::Type(_) | Node::Param(_) => {}
            }
        }
        found
    }

    fn exprs_below(&self, root: Node) -> impl Iterator<Item = ExprId> {
        let nodes = self.below(root).into_iter();
        nodes.filter_map(|node| match node {
            Node::Expr(e) => Some(e),
            _ => None,
        })
    }

    fn minds_fragments(&self, member: DeclId) -> bool {
        self.exprs_below(Node::Decl(member)).any(|e| {
            let name = match &self.ast.exprs[e].kind {
                ExprKind::Field { name, .. } | ExprKind::MethodCall { name, .. } => name,
                _ => return false,
            };
            READS.contains(&self.text(name.name))
        })
    }

    /// Looks at the statements of a handler, one after the other.
    fn fragments_in(&mut self, stmts: &[StmtId]) {
        let ast = self.ast;
        for (at, &stmt) in stmts.iter().enumerate() {
            let StmtKind::If {
                cond,
                then,
                otherwise: None,
            } = ast.stmts[stmt].kind
            else {
                continue;
            };
            let Some(pass) = self.plain_pass(then) else {
                continue;
            };
            let Some(mut miss) = self.miss(cond) else {
                continue;
            };
            if stmts[at + 1..]
                .iter()
                .any(|&s| self.drops_by(s, &mut miss.views))
            {
                self.passes_fragments(&miss, pass);
            }
        }
    }

    /// The statement that does nothing but `return Pass`, if this is one.
    fn plain_pass(&self, stmt: StmtId) -> Option<StmtId> {
        match &self.ast.stmts[stmt].kind {
            StmtKind::Block(stmts) => match stmts.as_slice() {
                [only] => self.plain_pass(*only),
                _ => None,
            },
            StmtKind::Return(Some(e)) => {
                let pass = self.t.expr_res[self.bare(*e)] == Res::Verdict(VerdictKind::Pass);
                pass.then_some(stmt)
            }
            _ => None,
        }
    }

    /// The pattern of `!(… && …)` that later fragments do not match. Where more is asked of its
    /// transport, or of what follows, others of its packets are meant to pass as well.
    fn miss(&self, cond: ExprId) -> Option<Miss> {
        let ExprKind::Unary { op: UnOp::Not, arg } = self.ast.exprs[self.bare(cond)].kind else {
            return None;
        };
        let mut conjuncts = vec![arg];
        let mut missed: Option<Miss> = None;
        while let Some(e) = conjuncts.pop() {
            let e = self.bare(e);
            match self.ast.exprs[e].kind {
                ExprKind::Binary {
                    op: BinOp::And,
                    left,
                    right,
                } => conjuncts.extend([right, left]),
                ExprKind::InstanceOf { value, pat } => {
                    if let PatInfo::Layers(steps) = &self.t.pats[pat] {
                        missed = missed.or_else(|| self.missed(e, value, steps));
                    }
                }
                _ if missed.as_ref().is_some_and(|m| self.reads_one(e, &m.views)) => return None,
                _ => {}
            }
        }
        missed
    }

    fn missed(&self, pattern: ExprId, value: ExprId, steps: &[LayerStep]) -> Option<Miss> {
        let mut front = self.header_around(value);
        for (at, step) in steps.iter().enumerate() {
            let last = at + 1 == steps.len();
            let all = match step.one_of {
                Some(id) => self.t.one_of[id].members.clone(),
                None => vec![step.header],
            };
            let behind: Vec<HeaderId> = front.map_or_else(Vec::new, |front| {
                let unfragmented = |&h: &HeaderId| self.asks_for_first(front, h);
                all.into_iter().filter(unfragmented).collect()
            });
            if let (Some(front), false, true) = (front, behind.is_empty(), last) {
                let views = Views::from([step.local]);
                return Some(Miss {
                    pattern,
                    front,
                    behind,
                    views,
                });
            }
            front = (step.one_of.is_none() && !step.optional).then_some(step.header);
        }
        None
    }

    /// The header whose body a value is.
    fn header_around(&self, value: ExprId) -> Option<HeaderId> {
        let ExprKind::Field { base, .. } = self.ast.exprs[self.bare(value)].kind else {
            return None;
        };
        match self.kind(self.t.expr_ty[base]) {
            TyKind::View(h) => Some(h),
            _ => None,
        }
    }

    /// Whether a header follows another only in what is no later fragment.
    fn asks_for_first(&self, front: HeaderId, header: HeaderId) -> bool {
        let fields = &self.t.headers[front].fields;
        let Some(at) = fields.iter().position(|f| self.text(f.name) == "fragment") else {
            return false;
        };
        let edges = &self.t.headers[header].edges;
        let mut edges = edges.iter().filter(|edge| edge.parent == Some(front));
        edges.any(|edge| edge.asks >> at & 1 == 1)
    }

    /// Whether a statement drops for the sake of what these views hold. Variables that are made of
    /// them are added.
    fn drops_by(&self, stmt: StmtId, views: &mut Views) -> bool {
        let ast = self.ast;
        match &ast.stmts[stmt].kind {
            StmtKind::Local { vars, .. } => {
                for var in vars {
                    if var.init.is_some_and(|init| self.reads_one(init, views)) {
                        let made = self.t.locals.iter();
                        let made = made.filter(|(_, local)| local.span == var.name.span);
                        views.extend(made.map(|(id, _)| id).collect::<Vec<_>>());
                    }
                }
                false
            }
            StmtKind::Block(stmts) => stmts.iter().any(|&s| self.drops_by(s, views)),
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                let branches = [Some(*then), *otherwise];
                let mut branches = branches.into_iter().flatten();
                match self.reads_one(*cond, views) {
                    true => branches.any(|s| self.drops(Node::Stmt(s))),
                    false => branches.any(|s| self.drops_by(s, views)),
                }
            }
            StmtKind::Switch(e) | StmtKind::Return(Some(e)) => {
                self.reads_one(*e, views) && self.drops(Node::Expr(*e))
            }
            _ => false,
        }
    }

    fn reads_one(&self, e: ExprId, views: &Views) -> bool {
        let mut names = self.exprs_below(Node::Expr(e));
        names.any(|e| matches!(self.t.expr_res[e], Res::Local(local) if views.contains(&local)))
    }

    fn drops(&self, root: Node) -> bool {
        let mut exprs = self.exprs_below(root);
        exprs.any(|e| self.t.expr_res[e] == Res::Verdict(VerdictKind::Drop))
    }

    fn passes_fragments(&mut self, miss: &Miss, pass: StmtId) {
        let name = |h: HeaderId| self.text(self.t.headers[h].name);
        let behind: Vec<&str> = miss.behind.iter().map(|&h| name(h)).collect();
        let (behind, front) = (behind.join(" and "), name(miss.front));
        let follow = match miss.behind.len() {
            1 => "follows",
            _ => "follow",
        };
        let pass = self.ast.stmts[pass].span;
        let (line, _) = self.program.sources.line_col(pass);
        let finding = self
            .at(&codes::W312, self.span(miss.pattern))
            .message(format!(
                "after this pattern fails, later fragments of {behind} also arrive here, and line {line} passes them"
            ))
            .label(format!("{behind} {follow} {front} when fragment == 0"))
            .also(pass, "this passes them")
            .help(format!(
                "ask for {front} first, and say what becomes of them: `ip.fragment != 0`"
            ));
        self.warnings.push(finding);
    }
}
