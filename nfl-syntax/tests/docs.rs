//! Documentation comments are found again from a declaration's place.

use nfl_syntax::ast::Ast;
use nfl_syntax::{Diags, Names, SourceMap, docs_before, parse};

fn docs(text: &str) -> Vec<String> {
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add("x.nfl", text);
    let unit = parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    let last = ast.units[unit].decls.last().expect("a declaration");
    let docs = docs_before(&sources, ast.decls[*last].span);
    docs.into_iter().map(str::to_string).collect()
}

#[test]
fn comments_right_before_a_declaration() {
    let none: [&str; 0] = [];
    assert_eq!(docs("function F { }"), none);
    assert_eq!(docs("// plain\nfunction F { }"), none);
    assert_eq!(
        docs("/// A.\n///  B\r\n// plain\n@Test function F { }"),
        ["A.", " B"]
    );
    assert_eq!(docs("/** A\n * B */ function F { }"), ["A\n * B"]);
    assert_eq!(docs("/**/ function F { }"), none);
    assert_eq!(
        docs("/// A\nclass C { } // not a doc\n\n/// B\nfunction F { }"),
        ["B"]
    );
    assert_eq!(docs("////////\nfunction F { }"), none);
}
