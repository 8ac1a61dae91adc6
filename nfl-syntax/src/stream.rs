//! What the parser is given: tokens without trivia, with literals of one kind, and with the words
//! of Java replaced by what comes nearest, so that parsing goes on behind them.
//!
//! In: the kinds of a file's tokens. Out: the parser's tokens, and a finding for each such word.

use crate::diag::Diagnostic;
use crate::source::SourceMap;
use crate::span::{FileId, Span};
use crate::token::{Class, Token};
use nfl_abi::{Code, codes};
use std::collections::BTreeMap;

/// A token with the number of its first and the number behind its last token of the file.
pub(crate) type Item = (u32, Token, u32);

/// The tokens that matter, and what is wrong with words among them.
pub(crate) fn tokens(
    file: FileId,
    sources: &SourceMap,
    kinds: &[Token],
) -> (Vec<Item>, Vec<Diagnostic>) {
    let plain: Vec<Item> = (0..)
        .zip(kinds)
        .filter(|(_, kind)| kind.class() != Class::Trivia)
        .map(|(i, &kind)| (i, kind, i + 1))
        .collect();
    let text = |item: Item| {
        sources.text(Span {
            file,
            start: item.0,
            end: item.2,
        })
    };
    let shouted = shouted_types(&plain, text);
    let mut words = Words {
        file,
        found: Vec::new(),
        tries: 0,
    };
    let mut items = Vec::with_capacity(plain.len());
    let mut next = 0;
    while let Some(&(start, kind, end)) = plain.get(next) {
        let token = match kind.class() {
            Class::Reserved => {
                let (token, taken) = words.replace(&plain, next, text);
                next += taken;
                token
            }
            Class::Literal if !matches!(kind, Token::Number | Token::Duration) => {
                Some(Token::OtherLiteral)
            }
            _ if kind == Token::Const && shouted.contains_key(text((start, kind, end))) => {
                Some(Token::Upper)
            }
            _ => Some(kind),
        };
        items.extend(token.map(|token| (start, token, end)));
        next += 1;
    }
    let mut found = words.found;
    for (name, places) in shouted {
        found.push(shouted_type(file, name, &places));
    }
    (items, found)
}

/// Types declared in capitals: each name with its places, the declaration first.
fn shouted_types<'s>(
    plain: &[Item],
    text: impl Fn(Item) -> &'s str,
) -> BTreeMap<&'s str, Vec<Item>> {
    let declares = |token| {
        matches!(
            token,
            Token::Function
                | Token::Header
                | Token::Record
                | Token::Enum
                | Token::Interface
                | Token::ClassWord
                | Token::Chain
                | Token::Graph
        )
    };
    // No construct has a name right before a constant, so the word is not a name here.
    let mut types: BTreeMap<&str, Vec<Item>> = plain
        .windows(2)
        .filter(|pair| declares(pair[0].1) && pair[1].1 == Token::Const)
        .map(|pair| (text(pair[1]), vec![pair[1]]))
        .collect();
    if types.is_empty() {
        return types;
    }
    for &item in plain.iter().filter(|item| item.1 == Token::Const) {
        if let Some(places) = types.get_mut(text(item))
            && places[0] != item
        {
            places.push(item);
        }
    }
    types
}

fn shouted_type(file: FileId, name: &str, places: &[Item]) -> Diagnostic {
    let count = match places.len() {
        1 => " (1 place)".to_string(),
        n => format!(" ({n} places)"),
    };
    let places: Vec<Span> = places
        .iter()
        .map(|&(start, _, end)| Span { file, start, end })
        .collect();
    shouted(
        Diagnostic::new(&codes::E104, places[0]),
        name,
        &places,
        &count,
    )
}

/// A finding about a type that is written like a constant, with another name where capitals and
/// small letters make one.
pub(crate) fn shouted(at: Diagnostic, name: &str, places: &[Span], count: &str) -> Diagnostic {
    let camel = camel(name);
    if !camel.contains(|c: char| c.is_ascii_lowercase()) {
        // `A2` stays a constant, however it is written.
        return at
            .message(format!("`{name}` reads as a constant here"))
            .label("two or more characters without a lower-case letter are a constant")
            .help("a type has a lower-case letter, or is one capital alone");
    }
    at.message(format!(
        "`{name}` reads as a constant here; a type is written `{camel}`"
    ))
    .label("two or more capitals without a lower-case letter are a constant")
    .fix(
        format!("rename to `{camel}`{count}"),
        places.iter().map(|&place| (place, camel.clone())),
    )
}

/// `ACL_RULE` as a type: `AclRule`.
pub(crate) fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let (head, tail) = word.split_at(word.len().min(1));
            [head.to_ascii_uppercase(), tail.to_ascii_lowercase()]
        })
        .collect()
}

/// What reserved words become.
struct Words {
    file: FileId,
    found: Vec<Diagnostic>,
    tries: u32,
}

impl Words {
    /// What stands for the word, and how many tokens behind it go with it.
    fn replace<'s>(
        &mut self,
        plain: &[Item],
        at: usize,
        text: impl Fn(Item) -> &'s str,
    ) -> (Option<Token>, usize) {
        let (start, kind, end) = plain[at];
        let before = |n: usize| at.checked_sub(n).map(|i| plain[i].1);
        let after = plain.get(at + 1).copied();
        let word = text(plain[at]);
        let file = self.file;
        let place = Span { file, start, end };
        let finding =
            |code: &'static Code, message: String| Diagnostic::new(code, place).message(message);
        if names_something(before(1), before(2), after.map(|item| item.1)) {
            self.found.push(
                finding(
                    &codes::E108,
                    format!("`{word}` is reserved and cannot be a name"),
                )
                .label("a word of Java without a meaning here")
                .help("choose another name"),
            );
            return (Some(Token::Lower), 0);
        }
        let (finding, token) = match kind {
            Token::New => {
                let said = finding(&codes::E101, codes::E101.title.into())
                    .label("values have no identity, so nothing is allocated");
                let said = match after.filter(|item| item.1 == Token::Upper) {
                    Some(item) => said.fix(
                        format!("{}(...)", text(item)),
                        [(
                            Span {
                                file,
                                start,
                                end: item.0,
                            },
                            String::new(),
                        )],
                    ),
                    None => said.help("a value is made by calling its type: Endpoint(...)"),
                };
                (said, None)
            }
            Token::Null => {
                let said = finding(&codes::E105, codes::E105.title.into())
                    .label("nothing is absent without saying so in its type")
                    .help("match a `Lookup` with `Hit(...)` and `Miss`");
                (said, Some(Token::OtherLiteral))
            }
            Token::Byte | Token::Short | Token::CharWord | Token::Float | Token::Double => {
                let said = finding(&codes::E106, format!("there is no type `{word}` in NFL"));
                let said = match kind {
                    Token::Byte | Token::CharWord => said.instead(place, "u8"),
                    Token::Short => said.instead(place, "u16"),
                    _ => said.help("there are no fractions; scale to a `u32` or `long`"),
                };
                (said, Some(Token::OtherType))
            }
            Token::Try | Token::Catch | Token::Finally | Token::Throw | Token::Throws => {
                let said = finding(&codes::E107, codes::E107.title.into()).label(match kind {
                    Token::Throw => "a failure is a verdict, such as `return Drop(REASON);`",
                    _ => "nothing here can fail at run time",
                });
                return self.exception(said, plain, at);
            }
            _ => java_word(
                finding(&codes::E108, format!("`{word}` has no meaning in NFL")),
                kind,
                place,
                after.map_or(end, |item| item.0),
            ),
        };
        self.found.push(finding);
        let taken = match kind {
            Token::Synchronized => parenthesised(plain, at + 1),
            _ => 0,
        };
        (token, taken)
    }

    /// `try` and its kin: the blocks stay as blocks.
    fn exception(&mut self, said: Diagnostic, plain: &[Item], at: usize) -> (Option<Token>, usize) {
        let kind = plain[at].1;
        let is_tail = matches!(kind, Token::Catch | Token::Finally);
        if !is_tail || self.tries == 0 {
            self.found.push(said);
        }
        self.tries += u32::from(kind == Token::Try);
        match kind {
            Token::Throw => (Some(Token::Return), 0),
            Token::Throws => (Some(Token::Uses), 0),
            _ => (None, parenthesised(plain, at + 1)),
        }
    }
}

/// Words that stand before something, and what they become.
fn java_word(
    finding: Diagnostic,
    kind: Token,
    place: Span,
    next: u32,
) -> (Diagnostic, Option<Token>) {
    // With the white space behind it.
    let with_space = Span { end: next, ..place };
    match kind {
        Token::Synchronized => (
            finding.label("a handler has its state for itself while it runs"),
            None,
        ),
        Token::Super => (finding.label("there is no inheritance"), Some(Token::This)),
        Token::Abstract => (
            finding.help("a method without a body belongs into an `interface`"),
            None,
        ),
        Token::ConstWord => (
            finding.fix(
                "a constant is `static final`",
                [(place, "static final".to_string())],
            ),
            Some(Token::Final),
        ),
        Token::Goto => (
            finding.label("there are `break`, `continue` and `return`"),
            None,
        ),
        _ => (
            finding.fix("leave it out", [(with_space, String::new())]),
            None,
        ),
    }
}

/// Whether a word between these tokens can only be meant as a name.
fn names_something(before: Option<Token>, second: Option<Token>, after: Option<Token>) -> bool {
    let behind_type = match before {
        Some(Token::Upper) => second != Some(Token::At),
        Some(t) => matches!(
            t,
            Token::Dot
                | Token::Var
                | Token::Void
                | Token::Boolean
                | Token::Int
                | Token::Long
                | Token::U8
                | Token::U16
                | Token::U32
                | Token::U64
                | Token::TypeClose
        ),
        None => false,
    };
    let used = matches!(
        after,
        Some(Token::Assign | Token::Dot | Token::PlusPlus | Token::MinusMinus | Token::PlusEq)
    );
    behind_type || (used && matches!(before, Some(Token::Semi | Token::BraceOpen)))
}

/// How many tokens a parenthesised list has that begins here; 0 if none does.
fn parenthesised(plain: &[Item], at: usize) -> usize {
    if plain.get(at).map(|item| item.1) != Some(Token::ParenOpen) {
        return 0;
    }
    let mut depth = 0_u32;
    for (i, item) in plain[at..].iter().enumerate() {
        match item.1 {
            Token::ParenOpen => depth += 1,
            Token::ParenClose => depth -= 1,
            Token::BraceOpen | Token::BraceClose => return i,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    plain.len() - at
}
