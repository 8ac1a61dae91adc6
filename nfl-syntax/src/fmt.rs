//! The one way to lay out a file.
//!
//! In: a text without syntax errors. Out: the same tokens and comments with the white space of the
//! style. Guaranteed: nothing but white space changes, and formatting the result changes nothing.
//!
//! The style: four blanks for each level and eight for what continues a line; lines of at most 120
//! columns where there is a place to break them; one blank line at most; one blank around operators.
//! Line breaks inside a statement are the author's, and so is whether a short body stands on one
//! line. Names of plain header fields stand in one column, and trailing comments that stood in one
//! column still do. A block of statements that was broken anywhere has one statement on each line.

mod align;
mod layout;
mod shape;
mod space;

use crate::ast::Ast;
use crate::diag::{Diagnostic, Diags};
use crate::name::Names;
use crate::source::SourceMap;
use crate::token::{Class, Token};
use nfl_abi::Severity;

/// How wide a line is at most, where it can be broken.
const WIDTH_COLUMNS: usize = 120;

/// The text has syntax errors.
#[derive(Debug)]
pub struct Refused {
    /// The text, under the name it was given.
    pub sources: SourceMap,
    /// What is wrong with it.
    pub findings: Vec<Diagnostic>,
}

/// A token or comment, and the white space before it.
#[derive(Clone, Copy, Debug)]
struct Word<'t> {
    token: Token,
    text: &'t str,
    /// How many line breaks stand before it.
    breaks: usize,
    /// How many blanks stand before it on its line.
    gap: usize,
    /// Where its line begins: its column is counted from there.
    column: usize,
}

impl Word<'_> {
    fn is_comment(&self) -> bool {
        self.token.class() == Class::Trivia
    }

    fn is_line_comment(&self) -> bool {
        self.token == Token::LineComment
    }
}

/// The text in the style.
///
/// # Errors
///
/// [`Refused`] when the text has syntax errors.
pub fn format(name: &str, text: &str) -> Result<String, Refused> {
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add(name, text);
    crate::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    let findings = diags.into_vec();
    if findings.iter().any(|d| d.severity == Severity::Error) {
        return Err(Refused { sources, findings });
    }
    let old = words(text);
    let new = layout::lay_out(&old);
    let kept = words(&new);
    let same = old.len() == kept.len()
        && old
            .iter()
            .zip(&kept)
            .all(|(a, b)| a.token == b.token && (a.text == b.text || same_comment(a.text, b.text)));
    assert!(same, "the formatter changes nothing but white space");
    Ok(new)
}

/// Comments of several lines are indented anew.
fn same_comment(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.lines().map(str::trim), b.lines().map(str::trim));
    a.by_ref().eq(b.by_ref())
}

/// The tokens and comments of a text.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut sources = SourceMap::default();
    let file = sources.add("", text);
    let (kinds, _) = crate::lex(file, &mut sources);
    let starts = &sources.files[file].starts;
    let mut words = Vec::with_capacity(kinds.len());
    let (mut breaks, mut gap, mut line) = (0, 0, 0);
    for (i, &token) in kinds.iter().enumerate() {
        let (start, end) = (starts[i] as usize, starts[i + 1] as usize);
        let piece = &text[start..end];
        if token == Token::Space {
            breaks = piece.matches('\n').count();
            gap = piece.chars().count();
        } else {
            words.push(Word {
                token,
                text: piece.trim_end(),
                breaks,
                gap: if breaks == 0 { gap } else { 0 },
                column: text[line..start].chars().count(),
            });
            (breaks, gap) = (0, 0);
        }
        if let Some(at) = piece.rfind('\n') {
            line = start + at + 1;
        }
    }
    words
}
