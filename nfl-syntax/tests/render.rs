//! How a finding looks in each form.

use nfl_abi::codes;
use nfl_syntax::diag::{Style, render};
use nfl_syntax::{Diagnostic, Diags, Names, SourceMap, Span, ast::Ast, parse};
use std::fmt::Write;

fn all_forms(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let plain = Style::Human { color: false };
    let mut text = String::new();
    for style in [plain, Style::Short, Style::Json] {
        let _ = writeln!(text, "{}", render(diagnostic, sources, style));
    }
    text
}

#[test]
fn a_finding_in_two_files() {
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let first = sources.add("a.nfl", "function F {\r\n\tu8 größe = x + 300;\r\n}");
    let second = sources.add("b.nfl", "/// Tafel\nfunction G { u32 x = 300; }\n");
    for file in [first, second] {
        parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    }
    let span = |file, start, end| Span { file, start, end };
    let finding = Diagnostic::new(&codes::E100, span(first, 15, 18))
        .message("a u32 does not always fit into a u8")
        .label("u32")
        .also(span(first, 6, 7), "u8")
        .also(span(second, 6, 16), "`x` is declared here")
        .note("a remark")
        .help("first line\nsecond line")
        .help("another");
    insta::assert_snapshot!("two_files", all_forms(&finding, &sources));
    let at_end = Diagnostic::new(&codes::E102, span(first, 99, 99)).label("behind everything");
    insta::assert_snapshot!("at_end", all_forms(&at_end, &sources));
    let bare = Diagnostic::bare(&codes::E119, "there is no file `c.nfl`").help("look elsewhere");
    insta::assert_snapshot!("bare", all_forms(&bare, &sources));
}
