//! The example programs parse without a finding.

use nfl_syntax::{Diags, Names, SourceMap, ast::Ast, parse};

#[test]
fn every_program_parses() {
    let mut count = 0;
    for entry in std::fs::read_dir("tests/programs").expect("the programs are here") {
        let path = entry.expect("a directory can be read").path();
        let text = std::fs::read_to_string(&path).expect("a program is text");
        let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
        let (mut names, mut diags) = (Names::default(), Diags::default());
        let file = sources.add(path.to_string_lossy(), text);
        parse(file, &mut sources, &mut ast, &mut names, &mut diags);
        let found: Vec<_> = diags
            .iter()
            .map(|d| (sources.line_col(d.labels[0].span), &d.message))
            .collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        count += 1;
    }
    assert_eq!(count, 17);
}
