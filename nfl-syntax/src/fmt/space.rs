//! Which words stand apart on a line.

use super::Word;
use super::shape::{Brace, Shape};
use crate::token::{Class, Token};

/// Whether a blank stands before a word that follows another on its line.
pub(super) fn apart(words: &[Word<'_>], shape: &Shape, at: usize) -> bool {
    let (a, b) = (&words[at - 1], &words[at]);
    if a.is_comment() || b.is_comment() {
        return !matches!(a.token, Token::ParenOpen | Token::BracketOpen);
    }
    let list = |at: usize| shape.brace[at] == Some(Brace::List);
    match (a.token, b.token) {
        (Token::BraceOpen, Token::BraceClose) => false,
        (Token::BraceOpen, _) if list(at - 1) => false,
        (_, Token::BraceClose) if shape.partner[at].is_some_and(list) => false,
        (_, Token::Semi | Token::Comma | Token::ParenClose | Token::BracketClose)
        | (Token::ParenOpen | Token::BracketOpen | Token::At | Token::Not | Token::Tilde, _)
        | (Token::Dot | Token::DotDot | Token::TypeOpen, _)
        | (_, Token::Dot | Token::DotDot | Token::TypeOpen | Token::TypeClose)
        | (_, Token::PlusPlus | Token::MinusMinus) => false,
        (Token::Minus, _) => !is_sign(words, shape, at - 1),
        (_, Token::ParenOpen) => !is_called(words, shape, at - 1),
        (_, Token::BracketOpen) => !is_indexed(a.token),
        _ => true,
    }
}

/// Whether a minus turns the sign of what follows it.
pub(super) fn is_sign(words: &[Word<'_>], shape: &Shape, at: usize) -> bool {
    let before = (0..at).rev().find(|&i| !words[i].is_comment());
    before.is_none_or(|i| !ends_operand(words[i].token) || shape.cast[i])
}

/// Whether a value may end with this token.
fn ends_operand(token: Token) -> bool {
    matches!(token.class(), Class::Name | Class::Soft | Class::Literal)
        || matches!(
            token,
            Token::ParenClose
                | Token::BracketClose
                | Token::BraceClose
                | Token::TypeClose
                | Token::PlusPlus
                | Token::MinusMinus
                | Token::True
                | Token::False
                | Token::This
                | Token::U8
                | Token::U16
                | Token::U32
                | Token::U64
        )
}

/// Whether a parenthesis behind this word holds its arguments or parameters.
fn is_called(words: &[Word<'_>], shape: &Shape, at: usize) -> bool {
    let before = at.checked_sub(1).map(|i| words[i].token);
    match words[at].token {
        Token::Limit => before != Some(Token::ParenClose),
        Token::ParenClose => false,
        Token::TypeClose => true,
        Token::U8 | Token::U16 | Token::U32 | Token::U64 => before == Some(Token::Dot),
        token => matches!(token.class(), Class::Name | Class::Soft) && shape.brace[at].is_none(),
    }
}

/// Whether a bracket behind this token is an index or the length of an array.
fn is_indexed(token: Token) -> bool {
    ends_operand(token) || matches!(token, Token::Boolean | Token::Int | Token::Long)
}
