//! Wrong programs: what is said, and what of the tree is kept, stand in the snapshots.

use nfl_syntax::ast::{Ast, print};
use nfl_syntax::diag::fix::apply;
use nfl_syntax::diag::{Style, render};
use nfl_syntax::{Diagnostic, Diags, Names, SourceMap, parse};

/// Files with more than one mistake.
const SEVERAL: &[(&str, usize)] = &[("import-semicolon.nfl", 2), ("two.nfl", 2)];

#[test]
fn one_mistake_is_said_once() {
    let wrong = std::cell::RefCell::new(Vec::new());
    insta::glob!("cases/*.nfl", |path| {
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        let text = std::fs::read_to_string(path).expect("a program is text");
        let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
        let (mut names, mut diags) = (Names::default(), Diags::default());
        let file = sources.add(name, text);
        let unit = parse(file, &mut sources, &mut ast, &mut names, &mut diags);
        let said: String = diags
            .iter()
            .map(|d| render(d, &sources, Style::Human { color: false }))
            .collect();
        let tree = print::print(&ast, &ast.units[unit], &names);
        insta::assert_snapshot!(format!("{said}\n{tree}"));
        let several = SEVERAL.iter().find(|(n, _)| *n == name);
        if diags.iter().len() != several.map_or(1, |&(_, n)| n) {
            wrong.borrow_mut().push(name.to_string());
        }
    });
    assert!(wrong.borrow().is_empty(), "{:?}", wrong.borrow());
}

#[test]
fn corrections_remove_mistakes() {
    let wrong = std::cell::RefCell::new(Vec::new());
    insta::glob!("cases/*.nfl", |path| {
        let text = std::fs::read_to_string(path).expect("a program is text");
        let findings = |text: String| {
            let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
            let (mut names, mut diags) = (Names::default(), Diags::default());
            let file = sources.add("case.nfl", text);
            parse(file, &mut sources, &mut ast, &mut names, &mut diags);
            (sources, diags)
        };
        let (sources, diags) = findings(text);
        for finding in diags.iter() {
            for fix in &finding.fixes {
                let only = Diagnostic {
                    fixes: vec![fix.clone()],
                    ..finding.clone()
                };
                let made = apply([&only], &sources);
                let text = made.texts.into_values().next().expect("a correction edits");
                let (_, left) = findings(text);
                if left.iter().len() >= diags.iter().len() {
                    let at = path.display();
                    wrong.borrow_mut().push(format!("{at}: {}", fix.title));
                }
            }
        }
    });
    assert!(wrong.borrow().is_empty(), "{:?}", wrong.borrow());
}
