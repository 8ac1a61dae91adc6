//! What holds of every program: a sound one is known completely, and no text brings the checker down.

use nfl_syntax::ast::walk::{Node, children};
use nfl_syntax::ast::{Ast, DeclKind, Expr, ExprKind, PatKind};
use nfl_syntax::{Diags, Names};
use nfl_typeck::tables::{PatInfo, Res};
use nfl_typeck::{Files, Program, Ty};
use shared::{CASES, Disk, LIBRARY, check};

mod shared;

/// The children of a node, without what no image holds: tests, annotations, and the constructors of
/// `derived` fields and of reasons, which are words of the declaration.
fn parts(ast: &Ast, names: &Names, node: Node) -> Vec<Node> {
    let mut list = Vec::new();
    let f = &mut |child| list.push(child);
    match node {
        Node::Expr(id) => match &ast.exprs[id].kind {
            ExprKind::Construct { ty, .. } => {
                children::of_expr(&ast.exprs[id].kind, f);
                list.retain(|n| *n != Node::Type(*ty));
            }
            kind => children::of_expr(kind, f),
        },
        Node::Stmt(id) => children::of_stmt(&ast.stmts[id].kind, f),
        Node::Pat(id) => children::of_pat(&ast.pats[id].kind, f),
        Node::Type(id) => children::of_type(&ast.types[id].kind, f),
        Node::Param(id) => children::of_param(&ast.params[id], f),
        Node::Decl(id) => {
            let decl = &ast.decls[id];
            let test = decl
                .annotations
                .iter()
                .any(|a| names.text(a.name.name) == "Test");
            if !test {
                children::of_decl(decl, f);
            }
            if let DeclKind::Field { vars, .. } = &decl.kind {
                let derived = |n: &Node| match n {
                    Node::Expr(e) => matches!(ast.exprs[*e].kind, ExprKind::StaticCall { .. }),
                    _ => false,
                };
                let inits: Vec<Node> = vars.iter().filter_map(|v| v.init.map(Node::Expr)).collect();
                list.retain(|n| !(inits.contains(n) && derived(n)));
            }
        }
    }
    list
}

/// What an expression must have in the tables, and has not.
fn lacks(e: &Expr, ty: Ty, res: Res, names: &Names) -> Option<&'static str> {
    let word = |name| matches!(names.text(name), "node");
    match &e.kind {
        ExprKind::Range { .. } | ExprKind::Set(_) | ExprKind::List(_) if ty == Ty::default() => {
            Some("the type of its elements")
        }
        _ if ty == Ty::default() => Some("a type"),
        ExprKind::Name(name) if res == Res::None && !word(*name) => Some("a meaning"),
        ExprKind::Const(_)
        | ExprKind::Type(_)
        | ExprKind::Call { .. }
        | ExprKind::MethodCall { .. }
        | ExprKind::StaticCall { .. }
        | ExprKind::StaticField { .. }
            if res == Res::None =>
        {
            Some("a meaning")
        }
        _ => None,
    }
}

#[test]
fn a_sound_program_is_known_completely() {
    let mut sound = 0;
    for path in Disk.list(CASES) {
        let (checked, _) = check(&path);
        if checked.sound().is_none() {
            continue;
        }
        sound += 1;
        let (p, tables) = (&checked.program, &checked.tables);
        let mut todo: Vec<Node> = p
            .ast
            .units
            .iter()
            .flat_map(|u| u.decls.iter().map(|&d| Node::Decl(d)))
            .collect();
        while let Some(node) = todo.pop() {
            match node {
                Node::Expr(id) => {
                    let e = &p.ast.exprs[id];
                    let lacking = lacks(e, tables.expr_ty[id], tables.expr_res[id], &p.names);
                    let (line, column) = p.sources.line_col(e.span);
                    let name = &p.sources.files[e.span.file].name;
                    assert_eq!(
                        lacking,
                        None,
                        "{name}:{line}:{column} {}",
                        p.sources.text(e.span)
                    );
                }
                Node::Pat(id) => {
                    // The parts of a layer pattern are known through the whole.
                    if matches!(p.ast.pats[id].kind, PatKind::Layers(_) | PatKind::Range(..)) {
                        assert_ne!(tables.pats[id], PatInfo::None);
                    }
                }
                _ => {}
            }
            todo.extend(parts(&p.ast, &p.names, node));
        }
    }
    assert!(sound > 25, "{sound}");
}

/// One text as the only file.
struct One(String);

impl Files for One {
    fn read(&self, _: &str) -> Option<String> {
        Some(self.0.clone())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// The words and signs of a text.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in text.chars() {
        let joins = |w: &String| {
            let last = w.chars().next_back();
            last.is_some_and(|l| {
                (l.is_alphanumeric() && (c.is_alphanumeric() || c == '_' || c == '.'))
                    || (l.is_whitespace() && c.is_whitespace())
            })
        };
        match words.last_mut() {
            Some(w) if joins(w) => w.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words
}

/// Numbers that look random and are the same in every run (Steele, Lea and Flood: SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

#[test]
fn no_text_brings_the_checker_down() {
    let texts: Vec<Vec<String>> = Disk
        .list(CASES)
        .iter()
        .map(|p| words(&std::fs::read_to_string(p).expect("a readable case")))
        .filter(|w| w.len() > 8)
        .collect();
    let mut numbers = Numbers(7);
    for round in 0..600 {
        let mut text = texts[numbers.below(texts.len())].clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(text.len());
            let other = &texts[numbers.below(texts.len())];
            let from = numbers.below(other.len());
            match numbers.below(4) {
                0 => {
                    text.remove(at);
                }
                1 => text[at].clone_from(&other[from]),
                2 => text.insert(at, other[from].clone()),
                _ => {
                    let to = numbers.below(text.len());
                    text.swap(at, to);
                }
            }
        }
        let source = text.concat();
        let run = std::panic::catch_unwind(|| {
            let mut diags = Diags::default();
            let program = Program::load("x.nfl", &One(source.clone()), &LIBRARY, &mut diags);
            let checked = nfl_typeck::check(program, &mut diags);
            assert_eq!(checked.sound().is_some(), !diags.has_errors());
        });
        assert!(run.is_ok(), "round {round}:\n{source}");
    }
}
