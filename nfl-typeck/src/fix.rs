//! Places in the source text that corrections change.
//!
//! In: spans of the tree. Out: spans of tokens around them, found by reading the text. Guaranteed:
//! a correction at such a place leaves the tokens around it as they are.

use crate::check::Checker;
use nfl_syntax::{Diagnostic, Span};

impl Checker<'_> {
    /// The text of a token of the span's file.
    fn token_text(&self, at: Span, token: u32) -> &str {
        self.program.sources.text(Span {
            start: token,
            end: token + 1,
            ..at
        })
    }

    fn is_trivia(&self, at: Span, token: u32) -> bool {
        let text = self.token_text(at, token);
        text.starts_with("//") || text.starts_with("/*") || text.trim().is_empty()
    }

    /// The place right before a span.
    pub(crate) fn front(&self, span: Span) -> Span {
        Span {
            end: span.start,
            ..span
        }
    }

    /// The span with the white space before it.
    pub(crate) fn with_space(&self, span: Span) -> Span {
        let before = span.start.checked_sub(1);
        let blank = before.filter(|&t| self.token_text(span, t).trim().is_empty());
        Span {
            start: blank.unwrap_or(span.start),
            ..span
        }
    }

    /// The edit that adds something as the last in the braces that end a span, on a line of its own
    /// where the closing brace has one.
    pub(crate) fn last_in_braces(&self, span: Span, text: &str) -> (Span, String) {
        let brace = span.end.saturating_sub(1);
        let place = Span {
            start: brace,
            end: brace,
            ..span
        };
        let before = brace
            .checked_sub(1)
            .map_or("", |t| self.token_text(span, t));
        let text = match before.rsplit_once('\n') {
            Some((_, indent)) => format!("    {text}\n{indent}"),
            None if before.trim().is_empty() => format!("{text} "),
            None => format!(" {text} "),
        };
        (place, text)
    }

    /// Whether the statement that an expression is stands last in its braces.
    pub(crate) fn is_last(&self, span: Span) -> bool {
        let rest = span.end..self.tokens(span);
        let mut rest = rest.filter(|&t| !self.is_trivia(span, t));
        let mut next = || rest.next().map_or("", |t| self.token_text(span, t));
        (next(), next()) == (";", "}")
    }

    /// How many tokens the span's file has.
    fn tokens(&self, span: Span) -> u32 {
        self.program.sources.files[span.file].starts.len() as u32 - 1
    }

    /// The place behind a name and its list of parameters, if it has one.
    pub(crate) fn behind_parameters(&self, name: Span) -> Span {
        let behind = |end| Span {
            start: end,
            end,
            ..name
        };
        let mut depth = 0_u32;
        for token in name.end..self.tokens(name) {
            match self.token_text(name, token) {
                "(" => depth += 1,
                ")" if depth <= 1 => return behind(token + 1),
                ")" => depth -= 1,
                _ if depth == 0 && !self.is_trivia(name, token) => break,
                _ => {}
            }
        }
        behind(name.end)
    }

    /// The assignment that begins with this place, with its line's indentation; nothing where it is
    /// the body of an `if` without braces, which cannot lose it.
    pub(crate) fn whole_statement(&self, place: Span) -> Option<Span> {
        let first = (0..place.start)
            .rev()
            .find(|&t| !self.is_trivia(place, t))?;
        if !matches!(self.token_text(place, first), ";" | "{" | "}") {
            return None;
        }
        let rest = place.end..self.tokens(place);
        let last = rest
            .into_iter()
            .find(|&t| self.token_text(place, t) == ";")?;
        Some(self.with_space(Span {
            end: last + 1,
            ..place
        }))
    }

    /// Adds the import of a type, behind the imports that the file has.
    pub(crate) fn import(&self, finding: Diagnostic, path: &str) -> Diagnostic {
        let line = format!("import {path};");
        let file = self.units[self.body.unit].file;
        let mut units = self.ast.units.iter();
        let Some(unit) = units.find(|unit| unit.span.file == file) else {
            return finding;
        };
        let package = unit.package.last().map(|name| Span {
            end: name.span.end + 1,
            ..name.span
        });
        let above = unit.imports.last().map(|import| import.span);
        let (Some(above), blank) = (above.or(package), above.is_none()) else {
            return finding.help(line);
        };
        let behind = Span {
            start: above.end,
            ..above
        };
        let breaks = if blank { "\n\n" } else { "\n" };
        finding.fix(line.clone(), [(behind, format!("{breaks}{line}"))])
    }
}
