//! The example programs parse without a finding, and into the trees that stand beside them.

use nfl_syntax::ast::{Ast, print};
use nfl_syntax::{Diags, Names, SourceMap, parse};

#[test]
fn every_program_parses_into_its_tree() {
    insta::glob!("programs/*.nfl", |path| {
        let text = std::fs::read_to_string(path).expect("a program is text");
        let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
        let (mut names, mut diags) = (Names::default(), Diags::default());
        let file = sources.add(path.to_string_lossy(), text);
        let unit = parse(file, &mut sources, &mut ast, &mut names, &mut diags);
        let found: Vec<_> = diags
            .iter()
            .map(|d| (sources.line_col(d.labels[0].span), &d.message))
            .collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        insta::assert_snapshot!(print::print(&ast, &ast.units[unit], &names));
    });
}
