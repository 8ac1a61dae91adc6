//! Where statements, arms and members begin and end, found by brackets alone.
//!
//! In: the parser's tokens, maybe wrong ones. Out: ranges of them, for what cannot be parsed.

use crate::stream::Item;
use crate::token::Token;

/// Which brace closes which.
pub(crate) struct Braces {
    /// For each token that is a brace, the index of its partner.
    partners: Vec<Option<usize>>,
}

impl Braces {
    /// The braces among the tokens from `from` on.
    pub(crate) fn new(items: &[Item], from: usize) -> Braces {
        let mut partners = vec![None; items.len()];
        let mut open = Vec::new();
        for (i, item) in items.iter().enumerate().skip(from) {
            match item.1 {
                Token::BraceOpen => open.push(i),
                Token::BraceClose => {
                    if let Some(o) = open.pop() {
                        partners[o] = Some(i);
                        partners[i] = Some(o);
                    }
                }
                _ => {}
            }
        }
        Braces { partners }
    }

    /// The range around a token that a hole can replace: its statement, arm or member; `level` says
    /// how many blocks further out.
    pub(crate) fn around(
        &self,
        items: &[Item],
        from: usize,
        at: usize,
        level: usize,
    ) -> (usize, usize) {
        let (mut place, mut end_from) = (at, at);
        let (mut start, mut opener, mut inside) = self.start(items, from, place);
        for _ in 0..level {
            let Some(brace) = opener else {
                return (from, items.len());
            };
            place = brace;
            end_from = self.partners[brace].unwrap_or(items.len()).max(at);
            (start, opener, inside) = self.start(items, from, place);
        }
        let stray = items.get(at).map(|item| item.1) == Some(Token::BraceClose)
            && self.partners[at].is_none();
        let end = if stray {
            at + 1
        } else if place == at {
            self.end(items, start, at, inside)
        } else {
            (end_from + 1).min(items.len())
        };
        (start, end)
    }

    /// Where the statement of a token begins, the brace it stands in, and whether it is in parentheses.
    fn start(&self, items: &[Item], from: usize, at: usize) -> (usize, Option<usize>, bool) {
        let (mut start, mut depth, mut inside) = (None, 0_u32, false);
        let mut i = at;
        while i > from {
            i -= 1;
            match items[i].1 {
                Token::BraceClose => {
                    let partner = self.partners[i];
                    if depth == 0 && !partner.is_some_and(|o| is_list(items, o)) {
                        start = start.or(Some(i + 1));
                    }
                    match partner {
                        Some(open) => i = open,
                        None => return (start.unwrap_or(i + 1), None, inside),
                    }
                }
                Token::BraceOpen if is_list(items, i) => (start, inside) = (None, true),
                Token::BraceOpen => return (start.unwrap_or(i + 1), Some(i), inside),
                Token::Semi | Token::Hole if depth == 0 => start = start.or(Some(i + 1)),
                Token::ParenClose | Token::BracketClose => depth += 1,
                Token::ParenOpen | Token::BracketOpen if depth > 0 => depth -= 1,
                // What looked like the end of a statement stands in parentheses, as in `for`.
                Token::ParenOpen | Token::BracketOpen => (start, inside) = (None, true),
                _ => {}
            }
        }
        (start.unwrap_or(from), None, inside)
    }

    /// Where the statement of a token ends.
    fn end(&self, items: &[Item], start: usize, at: usize, inside: bool) -> usize {
        let in_for = items.get(start).map(|item| item.1) == Some(Token::For) && inside;
        let mut parens = i32::from(in_for);
        let mut i = at;
        while i < items.len() {
            match items[i].1 {
                Token::BraceClose => return i,
                Token::BraceOpen => {
                    let Some(close) = self.partners[i] else {
                        return items.len();
                    };
                    let next = items.get(close + 1).map(|item| item.1);
                    i = close;
                    let goes_on = matches!(
                        next,
                        Some(Token::Else | Token::Semi | Token::Comma | Token::ParenClose)
                    );
                    if !goes_on {
                        return close + 1;
                    }
                }
                Token::Semi if parens <= 0 => return i + 1,
                Token::ParenOpen if in_for => parens += 1,
                Token::ParenClose if in_for => parens -= 1,
                Token::Public | Token::Private | Token::Import if i > at => return i,
                _ => {}
            }
            i += 1;
        }
        items.len()
    }

    /// The open brackets at a place, the innermost last.
    pub(crate) fn open_at(items: &[Item], from: usize, at: usize) -> Vec<usize> {
        let mut open: Vec<usize> = Vec::new();
        for i in from..at.min(items.len()) {
            let opener = match items[i].1 {
                Token::ParenOpen | Token::BracketOpen | Token::BraceOpen | Token::TypeOpen => {
                    open.push(i);
                    continue;
                }
                Token::ParenClose => Token::ParenOpen,
                Token::BracketClose => Token::BracketOpen,
                Token::BraceClose => Token::BraceOpen,
                Token::TypeClose => Token::TypeOpen,
                _ => continue,
            };
            if let Some(p) = open.iter().rposition(|&o| items[o].1 == opener) {
                open.truncate(p);
            }
        }
        open
    }
}

/// Whether a brace opens a list or set instead of a block.
fn is_list(items: &[Item], open: usize) -> bool {
    let mut i = open;
    while i > 0 && items[i - 1].1 == Token::BraceOpen {
        i -= 1;
    }
    let before = i.checked_sub(1).map(|i| items[i].1);
    matches!(
        before,
        Some(Token::Assign | Token::In | Token::Comma | Token::ParenOpen)
    )
}
