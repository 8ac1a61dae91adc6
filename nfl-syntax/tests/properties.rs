//! Whatever the text is: no panic, one unit, spans that nest, and a tree that is not too deep.

use nfl_syntax::ast::walk::{Node, children};
use nfl_syntax::ast::{Ast, DEPTH_MAX, DeclKind, ExprKind, PatKind, StmtKind, TypeKind};
use nfl_syntax::diag::{Style, render};
use nfl_syntax::token::Token;
use nfl_syntax::{Diags, Names, SourceMap, Span, parse};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;

fn span(ast: &Ast, node: Node) -> Span {
    match node {
        Node::Expr(id) => ast.exprs[id].span,
        Node::Stmt(id) => ast.stmts[id].span,
        Node::Pat(id) => ast.pats[id].span,
        Node::Type(id) => ast.types[id].span,
        Node::Decl(id) => ast.decls[id].span,
        Node::Param(id) => ast.params[id].span,
    }
}

fn children(ast: &Ast, node: Node) -> Vec<Node> {
    let mut list = Vec::new();
    let f = &mut |child| list.push(child);
    match node {
        Node::Expr(id) => children::of_expr(&ast.exprs[id].kind, f),
        Node::Stmt(id) => children::of_stmt(&ast.stmts[id].kind, f),
        Node::Pat(id) => children::of_pat(&ast.pats[id].kind, f),
        Node::Type(id) => children::of_type(&ast.types[id].kind, f),
        Node::Decl(id) => children::of_decl(&ast.decls[id], f),
        Node::Param(id) => children::of_param(&ast.params[id], f),
    }
    list
}

fn check(text: &str) {
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add("x.nfl", text);
    let unit = parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    assert_eq!((unit, ast.units.len()), (0, 1));
    let starts = &sources.files[file].starts;
    assert!(starts.is_sorted() && starts.iter().all(|&s| text.is_char_boundary(s as usize)));
    assert_eq!(sources.text(ast.units[0].span), text);
    let mut seen = BTreeSet::new();
    let roots = ast.units[0].decls.iter();
    let mut open: Vec<(Node, Span, u16)> = roots
        .map(|&d| (Node::Decl(d), ast.units[0].span, 1))
        .collect();
    while let Some((node, outer, depth)) = open.pop() {
        let inner = span(&ast, node);
        assert!(seen.insert(node), "{node:?} has two parents in {text:?}");
        assert!(
            outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end,
            "{node:?} {inner:?} is not in {outer:?} in {text:?}"
        );
        let is_param = matches!(node, Node::Param(_));
        assert!(depth <= DEPTH_MAX + u16::from(is_param), "{text:?}");
        let below = depth + u16::from(!is_param);
        let list = children(&ast, node);
        open.extend(list.into_iter().map(|child| (child, inner, below)));
    }
    let is_hole = |&node: &Node| match node {
        Node::Expr(id) => matches!(ast.exprs[id].kind, ExprKind::Error),
        Node::Stmt(id) => matches!(ast.stmts[id].kind, StmtKind::Error),
        Node::Pat(id) => matches!(ast.pats[id].kind, PatKind::Error),
        Node::Type(id) => matches!(ast.types[id].kind, TypeKind::Error),
        Node::Decl(id) => matches!(ast.decls[id].kind, DeclKind::Error),
        Node::Param(_) => false,
    };
    let is_whole = !seen.iter().any(is_hole) && names.find("").is_none();
    assert!(is_whole || diags.has_errors(), "a silent hole in {text:?}");
    for (i, diagnostic) in diags.iter().enumerate() {
        let style = [Style::Human { color: i == 0 }, Style::Short, Style::Json][i % 3];
        assert!(!render(diagnostic, &sources, style).is_empty());
    }
}

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let result = TestRunner::new_with_rng(config, rng).run(strategy, |value| {
        test(value);
        Ok(())
    });
    assert!(result.is_ok(), "{}", result.expect_err("a failure"));
}

/// How many cases there are for each of so many; `NFL_CASES` multiplies them.
fn cases(count: u32) -> u32 {
    let factor = std::env::var("NFL_CASES").ok();
    count * factor.and_then(|f| f.parse().ok()).unwrap_or(1)
}

#[test]
fn any_bytes() {
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    run(cases(100), &bytes, |b| check(&String::from_utf8_lossy(&b)));
}

#[test]
fn any_tokens() {
    let fixed = Token::ALL.iter().filter_map(|t| t.text());
    let shaped = [
        "a",
        "b1",
        "Foo",
        "Bar",
        "MAX",
        "TCP",
        "7",
        "0x1f",
        "10ms",
        "10.0.0.1",
        "10.0.0.1/8",
        "::1",
        "1.5",
        "'a'",
        "\"b\"",
        "\"c",
        "//",
        "/*d*/",
        "\n",
        "\n    ",
        "#",
    ];
    let texts: Vec<&str> = fixed.chain(shaped).collect();
    let some = proptest::collection::vec(proptest::sample::select(texts), 0..80);
    run(cases(300), &some, |t| check(&t.join(" ")));
}

fn programs() -> Vec<String> {
    let mut texts = Vec::new();
    for folder in ["programs", "cases"] {
        let path = format!("{}/tests/{folder}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(path).expect("the programs are here");
        let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
        paths.sort();
        texts.extend(paths.iter().filter_map(|p| std::fs::read_to_string(p).ok()));
    }
    texts
}

/// What may happen to a program while it is being written.
#[derive(Clone, Debug)]
enum Change {
    Cut(usize, usize),
    Copy(usize, usize, usize),
    End(usize),
    Put(usize, &'static str),
}

fn changed(text: &str, change: &Change) -> String {
    let at = |i: usize| text.floor_char_boundary(i % (text.len() + 1));
    let part = |i, len| at(i)..text.floor_char_boundary(at(i) + len);
    match *change {
        Change::Cut(i, len) => [&text[..part(i, len).start], &text[part(i, len).end..]].concat(),
        Change::Copy(i, len, to) => {
            [&text[..at(to)], &text[part(i, len)], &text[at(to)..]].concat()
        }
        Change::End(i) => text[..at(i)].to_string(),
        Change::Put(i, what) => [&text[..at(i)], what, &text[at(i)..]].concat(),
    }
}

#[test]
fn any_change_of_a_program() {
    let marks = proptest::sample::select(vec![
        "{", "}", "(", ")", "[", "]", ";", ",", "<", ">", "=", "on ", "new ", "\"", "/*", "é", "->",
    ]);
    let i = any::<usize>;
    let change = prop_oneof![
        (i(), 1..30_usize).prop_map(|(i, len)| Change::Cut(i, len)),
        (i(), 1..60_usize, i()).prop_map(|(i, len, to)| Change::Copy(i, len, to)),
        i().prop_map(Change::End),
        (i(), marks).prop_map(|(i, what)| Change::Put(i, what)),
    ];
    let changes = proptest::collection::vec(change, 1..4);
    let texts = proptest::sample::select(programs());
    run(cases(150), &(texts, changes), |(text, changes)| {
        check(&changes.iter().fold(text, |t, c| changed(&t, c)));
    });
}

#[test]
fn no_depth_is_too_deep() {
    for (open, close) in [
        ("(", ")"),
        ("-", ""),
        ("(u8) ", ""),
        ("1 + ", ""),
        ("a ? b : ", ""),
        ("a[", "]"),
        ("f(", ")"),
        ("F(", ")"),
        ("x instanceof A / A && ", ""),
        ("switch (a) { case _ -> ", "; }"),
    ] {
        let expr = format!("{}1{}", open.repeat(2000), close.repeat(2000));
        check(&format!("function F {{ on a(P p) {{ b = {expr}; }} }}"));
    }
    for (open, close) in [
        ("{", "}"),
        ("if (a) {", "}"),
        ("if (a) { } else ", "{ }"),
        ("do {", "} while (a);"),
    ] {
        let body = format!("{}{}", open.repeat(2000), close.repeat(2000));
        check(&format!("function F {{ on a(P p) {{ {body} }} }}"));
    }
    check(&"class A { ".repeat(2000));
    check(&format!(
        "class A {{ {}u8{} a; }}",
        "T<".repeat(2000),
        ">".repeat(2000)
    ));
    check(&format!("class A {{ a(P{}) }}", "[1]".repeat(2000)));
    check(&"}".repeat(2000));
    check(&"(".repeat(2000));
    check(&"@A(".repeat(2000));
    check(&"a.".repeat(2000));
}
