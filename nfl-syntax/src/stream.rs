//! What the parser is given: tokens without trivia, with literals of one kind.

use crate::token::{Class, Token};

/// A token with the number of its first and the number behind its last token of the file.
pub(crate) type Item = (u32, Token, u32);

/// The tokens that matter.
pub(crate) fn tokens(kinds: &[Token]) -> Vec<Item> {
    let mut items = Vec::new();
    for (i, &kind) in kinds.iter().enumerate() {
        let token = match (kind, kind.class()) {
            (_, Class::Trivia) => continue,
            (Token::Number | Token::Duration, _) => kind,
            (_, Class::Literal) => Token::OtherLiteral,
            _ => kind,
        };
        items.push((i as u32, token, i as u32 + 1));
    }
    items
}
