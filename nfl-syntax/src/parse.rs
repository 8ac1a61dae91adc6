//! A file to a tree.
//!
//! In: a file of the source map. Out: one unit on `ast.units`, and findings in the order of the
//! text. Guaranteed: there is always a unit, whatever the text is.

use crate::ast::build::Builder;
use crate::ast::{Ast, Nodes};
use crate::diag::{Diagnostic, Diags};
use crate::name::Names;
use crate::source::SourceMap;
use crate::span::FileId;
use crate::{lexer, recover, stream};
use nfl_abi::codes;
use std::cell::Cell;
use std::sync::Arc;

/// The longest file that is read.
const FILE_BYTES_MAX: usize = 16 << 20;

/// How many findings of a file are passed on.
const FOUND_MAX: usize = 100;

/// Parses a file; answers the index of its unit.
pub fn parse(
    file: FileId,
    sources: &mut SourceMap,
    ast: &mut Ast,
    names: &mut Names,
    diags: &mut Diags,
) -> usize {
    if sources.files[file].text.len() > FILE_BYTES_MAX {
        let name = &sources.files[file].name;
        let message = format!("`{name}` is longer than {} MiB", FILE_BYTES_MAX >> 20);
        diags.push(Diagnostic::bare(&codes::E119, message));
        sources.file_mut(file).text.clear();
    }
    let (kinds, mut found) = lexer::lex(file, sources);
    let (items, words) = stream::tokens(file, sources, &kinds);
    found.extend(words);
    let before = ast.nodes_from(&Nodes::default());
    let taken = Cell::new(0);
    let source = &sources.files[file];
    let builder = Builder::new(ast, names, source, &kinds, file, &taken);
    let mut unit = recover::parse(builder, items, sources, &mut found);
    unit.nodes = ast.nodes_from(&before);
    found.sort_by_key(|d| d.labels.first().map(|label| label.span));
    found.truncate(FOUND_MAX);
    for diagnostic in found {
        diags.push(diagnostic);
    }
    ast.units.push(Arc::new(unit));
    ast.units.len() - 1
}
