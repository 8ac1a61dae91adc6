//! Any text lexes and parses: the tokens cover it, every finding lies in it and can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfl_syntax::ast::Ast;
use nfl_syntax::diag::{Style, fix, render};
use nfl_syntax::{Diags, Names, SourceMap};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add("fuzz.nfl", text);
    nfl_syntax::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    let starts = &sources.files[file].starts;
    assert_eq!(starts.last(), Some(&(text.len() as u32)));
    assert!(starts.is_sorted());
    for finding in diags.iter() {
        render(finding, &sources, Style::Human { color: true });
        render(finding, &sources, Style::Json);
    }
    fix::apply(diags.iter(), &sources);
});
