//! Text to tokens, losslessly: white space and comments are tokens like any other.
//!
//! In: a file of the source map. Out: the kind of each token; where they stand goes into the file's
//! `starts`. Broken literals, comments and characters are reported here and nowhere else.
//! Guaranteed: the tokens cover the whole text.

use crate::diag::Diagnostic;
use crate::literal;
use crate::source::SourceMap;
use crate::span::{FileId, Span};
use crate::token::{Class, Token};
use logos::Logos;
use nfl_abi::codes;

/// The kind of each token of a file, and what is wrong with single tokens.
pub fn lex(file: FileId, sources: &mut SourceMap) -> (Vec<Token>, Vec<Diagnostic>) {
    let source = sources.file_mut(file);
    let mut found = Vec::new();
    // A token takes three bytes or more, as a rule.
    let tokens = source.text.len() / 3;
    let mut kinds = Vec::with_capacity(tokens);
    source.starts = Vec::with_capacity(tokens);
    let mut brackets = Brackets::default();
    let mut lexer = Token::lexer(&source.text);
    while let Some(token) = lexer.next() {
        let token = token.unwrap_or(Token::Stray);
        let range = lexer.span();
        let span = Span {
            file,
            start: kinds.len() as u32,
            end: kinds.len() as u32 + 1,
        };
        let start = range.start as u32;
        match token {
            Token::OpenComment => {
                // Everything behind it belongs to the comment.
                found.push(
                    Diagnostic::new(&codes::E115, span)
                        .label("`*/` is missing")
                        .help("close the comment with `*/`"),
                );
                kinds.push(token);
                source.starts.push(start);
                break;
            }
            // One diagnostic for a run of strays.
            Token::Stray if kinds.last() == Some(&Token::Stray) => {
                kinds.push(token);
                source.starts.push(start);
            }
            _ => {
                found.extend(check(token, lexer.slice(), span));
                let (token, count) = brackets.apply(token);
                for i in 0..count {
                    kinds.push(token);
                    source.starts.push(start + i);
                }
            }
        }
    }
    source.starts.push(source.text.len() as u32);
    (kinds, found)
}

/// What stands in front of the first word of a text that no `package` and no `import` has.
pub fn head(text: &str) -> &str {
    let mut lexer = Token::lexer(text);
    let mut behind_dot = false;
    while let Some(token) = lexer.next() {
        let fits = token.is_ok_and(|token| match token.class() {
            Class::Trivia | Class::Name => true,
            Class::Soft => behind_dot,
            _ => matches!(
                token,
                Token::Package
                    | Token::Import
                    | Token::Static
                    | Token::Dot
                    | Token::Star
                    | Token::Semi
            ),
        });
        if !fits {
            return &text[..lexer.span().start];
        }
        behind_dot = token == Ok(Token::Dot);
    }
    text
}

/// What is wrong with a single token.
fn check(token: Token, text: &str, span: Span) -> Option<Diagnostic> {
    if token == Token::Stray {
        let message = format!("`{}` is not part of NFL", text.escape_debug());
        let found = Diagnostic::new(&codes::E110, span).message(message);
        return Some(match text {
            "`" | "\u{201c}" | "\u{201d}" => found.help("texts stand in straight double quotes"),
            _ => found,
        });
    }
    if token.class() != Class::Literal {
        return None;
    }
    let flaw = literal::value(token, text).err()?;
    let mut found = Diagnostic::new(flaw.code, span)
        .message(flaw.message)
        .label(flaw.label);
    found.helps = flaw.helps;
    let width = flaw.meant.iter().map(|(text, _)| text.len()).max();
    for (text, remark) in flaw.meant {
        let title = format!("{text:width$}    {remark}", width = width.unwrap_or(0));
        found = found.fix(title, [(span, text)]);
    }
    Some(found)
}

/// Which angle brackets hold type arguments: a `<` right behind a type name opens some, and until
/// they are closed every `>` closes one. A type is never an operand of `<`, so this is exact.
#[derive(Default)]
struct Brackets {
    depth: u32,
    behind_type: bool,
}

impl Brackets {
    /// The token to use instead, and how many of them, each of one byte if there are several.
    fn apply(&mut self, token: Token) -> (Token, u32) {
        if token.class() == Class::Trivia {
            return (token, 1);
        }
        let behind_type = std::mem::take(&mut self.behind_type);
        let closed = match token {
            Token::Less if behind_type => {
                self.depth += 1;
                return (Token::TypeOpen, 1);
            }
            Token::Upper | Token::Bits => {
                self.behind_type = true;
                0
            }
            // Type arguments hold none of these, so an unclosed list ends here.
            Token::Semi | Token::BraceOpen | Token::BraceClose => {
                self.depth = 0;
                0
            }
            Token::Greater => 1,
            Token::Shr => 2,
            Token::Ushr => 3,
            _ => 0,
        };
        if closed == 0 || self.depth == 0 {
            return (token, 1);
        }
        self.depth = self.depth.saturating_sub(closed);
        (Token::TypeClose, closed)
    }
}

/// The documentation comments right before a place, each without its marks, in order.
pub fn docs_before(sources: &SourceMap, span: Span) -> Vec<&str> {
    let mut docs = Vec::new();
    for start in (0..span.start).rev() {
        let token = Span {
            file: span.file,
            start,
            end: start + 1,
        };
        let text = sources.text(token);
        let line = text.strip_prefix("///").filter(|t| !t.starts_with('/'));
        if let Some(doc) = line {
            docs.push(doc.trim_end().strip_prefix(' ').unwrap_or(doc.trim_end()));
        } else if let Some(doc) = text.strip_prefix("/**").and_then(|t| t.strip_suffix("*/")) {
            docs.push(doc.trim());
        } else if !text.trim().is_empty() && !text.starts_with("//") && !text.starts_with("/*") {
            break;
        }
    }
    docs.reverse();
    docs
}
