//! Programs with one mistake each, to see whether their tests notice.
//!
//! In: a source file with tests. Out: [`Mutant`]s, and for each whether it is killed. The idea: in every
//! handler, method and header condition one operator, condition, number or verdict is exchanged, or one
//! call left out; a mutant that compiles and passes all tests of its file survives. Guaranteed: the same
//! files give the same mutants in the same order.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nfl::{Compiler, DirFiles, Files, Limits};
use nfl_syntax::ast::walk::{Node, children};
use nfl_syntax::ast::{
    Ast, BinOp, DeclId, DeclKind, ExprId, ExprKind, Lit, StmtId, StmtKind, TypeKind,
};
use nfl_syntax::{Diags, Names, SourceMap, Span};

/// A change of a file.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file.
    pub path: String,
    /// Where, line and column from 1.
    pub place: (u32, u32),
    /// What it was, and what it is now.
    pub change: String,
    /// The whole text of the changed file.
    pub text: String,
}

/// What became of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The compiler refuses it, so it tells nothing about the tests.
    Stillborn,
    /// A test fails.
    Killed,
    /// No test notices.
    Survived,
}

/// The mutants of a file, in the order of the source.
pub fn mutants(path: &Path) -> Vec<Mutant> {
    let name = path.to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap_or_default();
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add(name.as_str(), text.as_str());
    nfl_syntax::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    let mut finder = Finder {
        ast: &ast,
        names: &names,
        sources: &sources,
        edits: Vec::new(),
    };
    let roots: Vec<DeclId> = ast.units.iter().flat_map(|u| u.decls.clone()).collect();
    for decl in roots {
        finder.decl(decl);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    finder.edits.sort_by_key(|(span, _)| (span.start, span.end));
    for (span, new) in finder.edits {
        let range = sources.bytes(span);
        let old = &text[range.clone()];
        if old == new || !seen.insert((range.start, range.end, new.clone())) {
            continue;
        }
        found.push(Mutant {
            path: name.clone(),
            place: sources.line_col(span),
            change: format!(
                "{} => {new}",
                old.split_whitespace().collect::<Vec<_>>().join(" ")
            ),
            text: format!("{}{new}{}", &text[..range.start], &text[range.end..]),
        });
    }
    found
}

/// Files of a directory, one of which has another text.
struct Changed<'m> {
    below: DirFiles,
    mutant: &'m Mutant,
}

impl Files for Changed<'_> {
    fn read(&self, path: &str) -> Option<String> {
        if path == self.mutant.path {
            Some(self.mutant.text.clone())
        } else {
            self.below.read(path)
        }
    }

    fn list(&self, dir: &str) -> Vec<String> {
        self.below.list(dir)
    }
}

/// Compiles a mutant and runs the tests of its file.
pub fn fate(mutant: &Mutant) -> Fate {
    let files = Changed {
        below: DirFiles::new(""),
        mutant,
    };
    let build = Compiler::new(Limits::EDGE).build(&files, &mutant.path);
    let Ok(unit) = build.finish() else {
        return Fate::Stillborn;
    };
    let reports = unit.run_tests("", 1);
    let broken = reports.iter().any(|report| report.failure.is_some());
    if broken { Fate::Killed } else { Fate::Survived }
}

/// Whether a file has tests.
pub fn has_tests(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains("@Test"))
}

struct Finder<'a> {
    ast: &'a Ast,
    names: &'a Names,
    sources: &'a SourceMap,
    edits: Vec<(Span, String)>,
}

impl Finder<'_> {
    fn decl(&mut self, decl: DeclId) {
        let ast = self.ast;
        let node = &ast.decls[decl];
        let is_test = |a: &nfl_syntax::ast::Annotation| self.names.text(a.name.name) == "Test";
        if node.annotations.iter().any(is_test) {
            return;
        }
        match &node.kind {
            DeclKind::Handler { body, .. } | DeclKind::Every { body, .. } => {
                body.iter().for_each(|&stmt| self.stmt(stmt));
            }
            DeclKind::Method { body, .. } => {
                let body = body.as_deref().unwrap_or_default();
                body.iter().for_each(|&stmt| self.stmt(stmt));
            }
            DeclKind::Function { members, .. }
            | DeclKind::Record { members, .. }
            | DeclKind::Class { members, .. }
            | DeclKind::Enum { members, .. }
            | DeclKind::Header { members, .. } => {
                members.iter().for_each(|&member| self.decl(member));
            }
            _ => {}
        }
    }

    fn text(&self, e: ExprId) -> String {
        self.sources.text(self.ast.exprs[e].span).to_string()
    }

    fn edit(&mut self, e: ExprId, new: String) {
        self.edits.push((self.ast.exprs[e].span, new));
    }

    fn stmt(&mut self, stmt: StmtId) {
        let ast = self.ast;
        let node = &ast.stmts[stmt];
        match &node.kind {
            StmtKind::Assert { .. } => return,
            StmtKind::If { cond, .. } => self.negate(*cond),
            StmtKind::Expr(_) => self.edits.push((node.span, ";".to_string())),
            StmtKind::Assign {
                place,
                op: Some(op @ (BinOp::Add | BinOp::Sub)),
                value,
            } => {
                let other = if *op == BinOp::Add { "-=" } else { "+=" };
                let new = format!("{} {other} {}", self.text(*place), self.text(*value));
                let (first, last) = (ast.exprs[*place].span, ast.exprs[*value].span);
                let span = Span {
                    end: last.end,
                    ..first
                };
                self.edits.push((span, new));
            }
            _ => {}
        }
        let mut below = Vec::new();
        children::of_stmt(&node.kind, &mut |child| below.push(child));
        self.nodes(below);
    }

    fn nodes(&mut self, nodes: Vec<Node>) {
        for node in nodes {
            match node {
                Node::Expr(e) => self.expr(e),
                Node::Stmt(s) => self.stmt(s),
                _ => {}
            }
        }
    }

    /// The opposite of a condition.
    fn negate(&mut self, cond: ExprId) {
        let new = match &self.ast.exprs[cond].kind {
            ExprKind::Unary {
                op: nfl_syntax::ast::UnOp::Not,
                arg,
            } => self.text(*arg),
            _ => format!("!({})", self.text(cond)),
        };
        self.edit(cond, new);
    }

    fn expr(&mut self, e: ExprId) {
        let ast = self.ast;
        match &ast.exprs[e].kind {
            ExprKind::Binary { op, left, right } => {
                if let Some(other) = exchanged(*op) {
                    let new = format!("{} {other} {}", self.text(*left), self.text(*right));
                    self.edit(e, new);
                }
            }
            ExprKind::In { .. } => self.negate_in_place(e),
            ExprKind::Lit(Lit::Int(n)) => self.edit(e, (n + 1).to_string()),
            ExprKind::Lit(Lit::Bool(b)) => self.edit(e, (!b).to_string()),
            ExprKind::Type(ty) | ExprKind::Construct { ty, .. } => {
                if let TypeKind::Named { path, .. } = &ast.types[*ty].kind
                    && let [name] = path.as_slice()
                {
                    match self.names.text(name.name) {
                        "Pass" => self.edit(e, "Drop".to_string()),
                        "Drop" | "Forward" | "Steer" | "Reply" | "Punt" | "Multicast" => {
                            self.edit(e, "Pass".to_string());
                        }
                        _ => {}
                    }
                }
            }
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => {
                let (cond, then, otherwise) =
                    (self.text(*cond), self.text(*then), self.text(*otherwise));
                self.edit(e, format!("{cond} ? {otherwise} : {then}"));
            }
            _ => {}
        }
        let mut below = Vec::new();
        children::of_expr(&ast.exprs[e].kind, &mut |child| below.push(child));
        self.nodes(below);
    }

    /// `x in S` as `!(x in S)`.
    fn negate_in_place(&mut self, e: ExprId) {
        let new = format!("!({})", self.text(e));
        self.edit(e, new);
    }
}

/// The operator in whose place a mistake would put another one.
fn exchanged(op: BinOp) -> Option<&'static str> {
    Some(match op {
        BinOp::Eq => "!=",
        BinOp::Ne => "==",
        BinOp::Lt => ">=",
        BinOp::Le => ">",
        BinOp::Gt => "<=",
        BinOp::Ge => "<",
        BinOp::And => "||",
        BinOp::Or => "&&",
        BinOp::Add => "-",
        BinOp::Sub => "+",
        BinOp::SatAdd => "|-|",
        BinOp::SatSub => "|+|",
        BinOp::BitAnd => "|",
        BinOp::BitOr => "&",
        BinOp::Shl => ">>",
        BinOp::Shr => "<<",
        BinOp::Mul => "+",
        _ => return None,
    })
}

/// Every `n`-th of a list, at least one of it.
pub fn every<T>(n: usize, all: Vec<T>) -> Vec<T> {
    all.into_iter().step_by(n.max(1)).collect()
}

/// How many mutants came to which end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Refused by the compiler.
    pub stillborn: usize,
    /// Noticed by a test.
    pub killed: usize,
    /// Noticed by none.
    pub survived: usize,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Stillborn => self.stillborn += 1,
            Fate::Killed => self.killed += 1,
            Fate::Survived => self.survived += 1,
        }
    }

    /// The share of those that compile and are noticed, in percent, rounded down.
    pub fn percent(&self) -> usize {
        let all = self.killed + self.survived;
        (self.killed * 100).checked_div(all).unwrap_or(100)
    }
}
