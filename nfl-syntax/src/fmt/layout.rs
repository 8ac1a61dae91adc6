//! Words to lines: where lines break, and how far they are indented.
//!
//! In: the words of a file. Out: its text. Each line is decided from its first word on: a body on
//! one line that does not fit is opened, and then the line is broken at its outermost place.

use super::align::{self, Line, Trailing};
use super::shape::{Brace, Shape};
use super::{WIDTH_COLUMNS, Word, space};
use crate::token::{Class, Token};

/// Blanks for each level.
const LEVEL_COLUMNS: usize = 4;

/// Blanks for what continues a line.
const CONTINUED_COLUMNS: usize = 8;

/// An open brace whose content stands on lines of its own.
#[derive(Clone, Copy)]
struct Level {
    base: usize,
    content: usize,
}

struct Layout<'w, 't> {
    words: &'w [Word<'t>],
    shape: Shape,
    /// Whether the content of a brace stands on lines of its own.
    open: Vec<bool>,
    /// Breaks that the width asks for.
    split: Vec<bool>,
    levels: Vec<Level>,
    /// Whether the next word begins a statement, member, arm or constant.
    start: bool,
    /// Up to which word an annotation in front of a declaration goes.
    annotation: usize,
    /// Whether a clause of a declaration has begun a line.
    clause: bool,
}

/// The text of a file.
pub(super) fn lay_out(words: &[Word<'_>]) -> String {
    let shape = Shape::new(words);
    let mut open = vec![false; words.len()];
    for (i, open) in open.iter_mut().enumerate() {
        let empty = shape.partner[i] == Some(i + 1);
        *open = match shape.brace[i] {
            None => false,
            _ if empty => false,
            Some(Brace::List) => words.get(i + 1).is_some_and(|w| w.breaks > 0),
            Some(_) => shape.is_broken(i),
        };
    }
    let mut layout = Layout {
        words,
        shape,
        open,
        split: vec![false; words.len()],
        levels: Vec::new(),
        start: true,
        annotation: 0,
        clause: false,
    };
    let mut lines = Vec::new();
    let mut next = 0;
    while next < words.len() {
        let (line, end) = layout.line(next);
        lines.push(line);
        next = end;
    }
    align::text(lines)
}

impl Layout<'_, '_> {
    /// The line that begins with a word, and the word behind it.
    fn line(&mut self, first: usize) -> (Line, usize) {
        let word = self.words[first];
        let indent = self.indent(first);
        let end = self.fit(first, indent);
        let after_brace = first
            .checked_sub(1)
            .filter(|&p| self.shape.brace[p].is_some());
        let allowed = match after_brace {
            Some(brace) => self.shape.parent[brace].is_none(),
            None => true,
        };
        let mut line = Line {
            blank: first > 0
                && word.breaks > 1
                && self.start
                && allowed
                && word.token != Token::BraceClose,
            code: " ".repeat(indent),
            field: None,
            ..Line::default()
        };
        let name = self.field_name(first);
        for at in first..end {
            let word = self.words[at];
            if at > first && word.is_line_comment() {
                line.comment = Some(Trailing {
                    text: word.text.to_string(),
                    gap: word.gap,
                    column: word.column,
                });
                continue;
            }
            if at > first && space::apart(self.words, &self.shape, at) {
                line.code.push(' ');
            }
            if name.is_some_and(|(_, name)| name == at) {
                line.field = name.map(|(header, _)| (header, line.code.len()));
            }
            if word.is_comment() && word.text.contains('\n') {
                line.tall = true;
                line.code.push_str(&reindented(word.text, indent));
            } else {
                line.code.push_str(word.text);
            }
            self.pass(at, indent);
        }
        (line, end)
    }

    /// How far a line that begins with this word is indented.
    fn indent(&mut self, first: usize) -> usize {
        let word = self.words[first];
        let closes = self.shape.partner[first].is_some_and(|open| self.open[open]);
        let level = self.levels.last().copied();
        if word.token == Token::BraceClose && closes {
            return level.map_or(0, |level| level.base);
        }
        let content = level.map_or(0, |level| level.content);
        if self.start || word.token == Token::Else {
            self.clause = false;
            return content;
        }
        let behind_comma = self.words[first - 1].token == Token::Comma;
        if self.clause && behind_comma && self.shape.depth[first] == 0 {
            return content + 2 * CONTINUED_COLUMNS;
        }
        self.clause |= begins_clause(word.token);
        content + CONTINUED_COLUMNS
    }

    /// Takes note of a word that was written.
    fn pass(&mut self, at: usize, indent: usize) {
        let word = self.words[at];
        let content = self.levels.last().map_or(0, |level| level.content);
        if self.open[at] {
            let in_line = self.shape.brace[at] == Some(Brace::List) || self.shape.depth[at] > 0;
            let base = if in_line { indent } else { content };
            self.levels.push(Level {
                base,
                content: base + LEVEL_COLUMNS,
            });
        }
        if word.token == Token::BraceClose && self.shape.partner[at].is_some_and(|o| self.open[o]) {
            self.levels.pop();
        }
        if word.is_comment() || (self.start && at < self.annotation) {
            return;
        }
        if self.start && word.token == Token::At {
            let name = at + 1;
            let behind = self.words.get(name + 1).map(|w| w.token);
            self.annotation = match (behind, self.shape.partner.get(name + 1)) {
                (Some(Token::ParenOpen), Some(&Some(close))) => close + 1,
                _ => name + 1,
            };
            return;
        }
        let parent = self.shape.parent[at];
        let depth = self.shape.depth[at];
        self.start = match word.token {
            Token::Semi => depth == 0,
            Token::BraceOpen => self.shape.brace[at] != Some(Brace::List) || self.open[at],
            Token::BraceClose => self.ends_block(at) && !self.follows_block(at + 1),
            Token::Comma => parent.is_some_and(|parent| match self.shape.brace[parent] {
                Some(Brace::Enum) => depth == 0,
                Some(Brace::List) => self.open[parent] && depth == self.shape.depth[parent] + 1,
                _ => false,
            }),
            _ => false,
        };
    }

    /// Whether a closing brace ends something that statements stand in.
    fn ends_block(&self, at: usize) -> bool {
        let open = self.shape.partner[at];
        let kind = open.and_then(|open| self.shape.brace[open]);
        self.words[at].token == Token::BraceClose && kind != Some(Brace::List)
    }

    /// Whether a word goes on with what a block before it belongs to.
    fn follows_block(&self, at: usize) -> bool {
        let Some(word) = self.words.get(at) else {
            return false;
        };
        let open = self.shape.partner[at - 1];
        match word.token {
            Token::Else | Token::InstanceOf | Token::In => true,
            Token::While => open.is_some_and(|o| self.shape.brace[o] == Some(Brace::Do)),
            Token::At
            | Token::BraceOpen
            | Token::BraceClose
            | Token::ParenOpen
            | Token::Not
            | Token::Tilde => false,
            token => token.class() == Class::Mark,
        }
    }

    /// Whether a line begins before a word.
    fn breaks(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else {
            return false;
        };
        let (a, b) = (&self.words[before], &self.words[at]);
        if a.is_line_comment() || self.split[at] {
            return true;
        }
        if b.is_line_comment() {
            return b.breaks > 0;
        }
        if b.token == Token::BraceClose && self.shape.partner[at].is_some_and(|o| self.open[o]) {
            return true;
        }
        let closes = |w: &Word<'_>| w.token == Token::BraceClose;
        let next = self.words.get(at + 1);
        let next_breaks = next.is_none_or(|w| w.breaks > 0 || closes(w));
        let trails = b.is_comment() && b.breaks == 0 && next_breaks;
        if !trails && (self.open[before] || self.ends_statement(before)) {
            return true;
        }
        b.breaks > 0 && self.keeps(at)
    }

    /// Whether what follows a word stands on a line of its own.
    fn ends_statement(&self, at: usize) -> bool {
        let on_lines = self.shape.parent[at].is_none_or(|parent| self.open[parent]);
        on_lines
            && self.shape.depth[at] == 0
            && match self.words[at].token {
                Token::Semi => true,
                Token::BraceClose => self.ends_block(at) && !self.follows_block(at + 1),
                _ => false,
            }
    }

    /// Whether a line may break before a word.
    fn keeps(&self, at: usize) -> bool {
        let (a, b) = (&self.words[at - 1], &self.words[at]);
        if a.is_comment() || b.is_comment() {
            return true;
        }
        let joined = match b.token {
            Token::Semi
            | Token::Comma
            | Token::ParenClose
            | Token::BracketClose
            | Token::BraceClose
            | Token::TypeOpen
            | Token::TypeClose
            | Token::DotDot
            | Token::PlusPlus
            | Token::MinusMinus => true,
            Token::Else => a.token == Token::BraceClose,
            Token::While => self.follows_block(at) && a.token == Token::BraceClose,
            Token::BraceOpen => {
                let bare = matches!(a.token, Token::Semi | Token::BraceOpen | Token::BraceClose);
                self.shape.brace[at] != Some(Brace::List) && !bare
            }
            _ => match a.token {
                Token::At
                | Token::Not
                | Token::Tilde
                | Token::Dot
                | Token::DotDot
                | Token::TypeOpen
                | Token::BraceOpen
                | Token::BracketOpen => true,
                Token::Minus => space::is_sign(self.words, &self.shape, at - 1),
                _ => false,
            },
        };
        !joined
    }

    /// Decides the breaks of a line that begins with a word; answers the word behind it.
    fn fit(&mut self, first: usize, indent: usize) -> usize {
        loop {
            let mut best: Option<(Rank, usize)> = None;
            let mut column = indent;
            let mut at = first;
            let mut body = None;
            while at < self.words.len() && !(at > first && self.breaks(at)) {
                let word = &self.words[at];
                if word.is_line_comment() {
                    at += 1;
                    continue;
                }
                if at > first {
                    if let Some(rank) = self.rank(at)
                        && (column <= WIDTH_COLUMNS || best.is_none())
                        && best.as_ref().is_none_or(|(other, _)| rank <= *other)
                    {
                        best = Some((rank, at));
                    }
                    column += usize::from(space::apart(self.words, &self.shape, at));
                }
                let is_body = matches!(self.shape.brace[at], Some(kind) if kind != Brace::List);
                let empty = self.shape.partner[at] == Some(at + 1);
                if is_body && !empty && !self.open[at] && column <= WIDTH_COLUMNS {
                    body = body.or(Some(at));
                }
                if !word.text.contains('\n') {
                    column += word.text.chars().count();
                }
                at += 1;
                if column > WIDTH_COLUMNS && (body.is_some() || best.is_some()) {
                    break;
                }
            }
            match (body, best) {
                _ if column <= WIDTH_COLUMNS => return at,
                (Some(body), _) => self.open[body] = true,
                (None, Some((_, place))) => self.split[place] = true,
                (None, None) => return at,
            }
        }
    }

    /// How good a place before a word is for a break; the least is the best.
    fn rank(&self, at: usize) -> Option<Rank> {
        let (a, b) = (&self.words[at - 1], &self.words[at]);
        if a.is_comment() || b.is_comment() || !self.keeps(at) {
            return None;
        }
        let kind = match (a.token, b.token) {
            // Headers are told apart before the conditions under which they follow.
            (_, Token::AndAnd | Token::OrOr) if self.shape.edges[at] => Kind::Operator,
            (_, Token::AndAnd | Token::OrOr | Token::Question | Token::Colon) => Kind::Clause,
            (_, token) if begins_clause(token) && ends_head(a.token) => Kind::Clause,
            (Token::Comma, _) => Kind::Item,
            (Token::Assign, _) => Kind::Late(0),
            (Token::Arrow, _) => Kind::Late(1),
            (_, Token::Dot) => Kind::Late(2),
            (Token::ParenOpen, _) => Kind::Late(3),
            (_, token) if is_operator(token) => Kind::Operator,
            _ => return None,
        };
        let depth = self.shape.depth[at];
        Some(match kind {
            Kind::Late(order) => (1, u32::from(order), Kind::Late(order), depth),
            kind => (0, depth, kind, 0),
        })
    }
}

/// Whether it is a last resort, then depth and kind, or for last resorts kind and depth.
type Rank = (u8, u32, Kind, u32);

/// What stands at a break.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A clause of a declaration or of a condition.
    Clause,
    /// An element of a list.
    Item,
    /// An operator.
    Operator,
    /// Places that are taken when there is no other.
    Late(u8),
}

fn begins_clause(token: Token) -> bool {
    matches!(
        token,
        Token::Uses
            | Token::Passes
            | Token::Implements
            | Token::Permits
            | Token::Follows
            | Token::Limit
            | Token::Via
            | Token::By
    )
}

/// Whether a clause of a declaration may stand behind this token.
fn ends_head(token: Token) -> bool {
    matches!(
        token,
        Token::ParenClose | Token::Upper | Token::TypeClose | Token::Const | Token::Number
    )
}

fn is_operator(token: Token) -> bool {
    matches!(
        token,
        Token::Plus
            | Token::Minus
            | Token::Star
            | Token::Slash
            | Token::Percent
            | Token::And
            | Token::Or
            | Token::Caret
            | Token::Shl
            | Token::Shr
            | Token::Ushr
            | Token::EqEq
            | Token::NotEq
            | Token::Less
            | Token::LessEq
            | Token::Greater
            | Token::GreaterEq
            | Token::SatAdd
            | Token::SatSub
            | Token::InstanceOf
            | Token::In
            | Token::Arrow
    )
}

impl Layout<'_, '_> {
    /// For a plain field of a header at the start of a line: the header, and the word of its name.
    fn field_name(&self, first: usize) -> Option<(usize, usize)> {
        let header = self.shape.parent[first]?;
        let in_header = self.shape.brace[header] == Some(Brace::Header);
        if !in_header || !self.start || self.shape.depth[first] > 0 {
            return None;
        }
        let is_type = matches!(
            self.words[first].token,
            Token::Bits
                | Token::Upper
                | Token::Boolean
                | Token::U8
                | Token::U16
                | Token::U32
                | Token::U64
        );
        let behind = self.words.get(first + 1).map(|w| w.token);
        let name = match (behind, self.shape.partner.get(first + 1)) {
            (Some(Token::TypeOpen), Some(&Some(close))) => close + 1,
            _ => first + 1,
        };
        let is_name = |w: &Word<'_>| w.token == Token::Lower || w.token.class() == Class::Soft;
        let ends = |w: &Word<'_>| matches!(w.token, Token::Semi | Token::Comma | Token::Assign);
        let plain =
            self.words.get(name).is_some_and(is_name) && self.words.get(name + 1).is_some_and(ends);
        (is_type && plain).then_some((header, name))
    }
}

/// A comment of several lines, with its stars below each other.
fn reindented(text: &str, indent: usize) -> String {
    let mut lines = text.lines();
    let mut new = lines.next().unwrap_or_default().trim_end().to_string();
    for line in lines {
        new.push('\n');
        let inner = line.trim();
        if inner.starts_with('*') {
            new.extend(std::iter::repeat_n(' ', indent + 1));
            new.push_str(inner);
        } else {
            new.push_str(line.trim_end());
        }
    }
    new
}
