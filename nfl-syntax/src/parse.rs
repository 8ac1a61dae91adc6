//! Tokens to a tree.
//!
//! In: a file. Out: one unit on `ast.units`, and findings. Guaranteed: there is always a unit.

use crate::ast::Ast;
use crate::ast::build::Builder;
use crate::diag::{Diagnostic, Diags};
use crate::grammar::FileParser;
use crate::lexer;
use crate::name::Names;
use crate::source::SourceMap;
use crate::span::FileId;
use crate::stream;
use nfl_abi::codes;
use std::cell::Cell;

/// Parses a file; answers the index of its unit.
pub fn parse(
    file: FileId,
    sources: &mut SourceMap,
    ast: &mut Ast,
    names: &mut Names,
    diags: &mut Diags,
) -> usize {
    let kinds = lexer::lex(file, sources, diags);
    let tokens = stream::tokens(&kinds);
    let taken = Cell::new(0);
    let source = &sources.files[file];
    let mut builder = Builder::new(ast, names, source, &kinds, file, &taken);
    let parser = FileParser::new();
    let input = tokens
        .iter()
        .copied()
        .inspect(|_| taken.set(taken.get() + 1));
    let result = parser.parse(&mut builder, input.map(Ok::<_, ()>));
    if let Err(e) = result {
        let span = builder.span(taken.get() as u32, taken.get() as u32 + 1);
        diags.push(Diagnostic::new(&codes::E100, span).message(format!("{e:?}")));
    }
    let unit = builder.unit;
    ast.units.push(unit);
    ast.units.len() - 1
}
