//! What could have stood in a place, in words.
//!
//! In: the tokens the parser would have taken. Out: "`;`, a name or an expression".

use crate::token::{Class, Token};
use std::collections::BTreeSet;

/// The token that the grammar calls so: `"->"`, `UPPER`.
pub(crate) fn token(terminal: &str) -> Option<Token> {
    let named = match terminal {
        "UPPER" => Token::Upper,
        "CONST" => Token::Const,
        "LOWER" => Token::Lower,
        "INT" => Token::Number,
        "DURATION" => Token::Duration,
        "LITERAL" => Token::OtherLiteral,
        "\"T<\"" => Token::TypeOpen,
        "\"T>\"" => Token::TypeClose,
        "TYPE" => Token::OtherType,
        quoted => {
            let text = quoted.trim_matches('"');
            let all = Token::ALL.iter().copied();
            return all.into_iter().find(|t| t.text() == Some(text));
        }
    };
    Some(named)
}

/// A set of tokens that has a name when two of its members are expected.
struct Group {
    name: &'static str,
    signs: [Token; 2],
    members: &'static [Token],
    with_names: bool,
}

const EXPRESSION: &[Token] = &[
    Token::Number,
    Token::Duration,
    Token::OtherLiteral,
    Token::True,
    Token::False,
    Token::This,
    Token::ParenOpen,
    Token::Minus,
    Token::Tilde,
    Token::Not,
    Token::Switch,
    Token::Const,
    Token::Upper,
    Token::Lower,
    Token::BraceOpen,
];

const TYPE: &[Token] = &[
    Token::Boolean,
    Token::Int,
    Token::Long,
    Token::U8,
    Token::U16,
    Token::U32,
    Token::U64,
    Token::Bits,
    Token::Upper,
    Token::OtherType,
];

/// From the largest to the smallest.
const GROUPS: &[Group] = &[
    Group {
        name: "a statement",
        signs: [Token::Return, Token::While],
        members: &[
            Token::Return,
            Token::Break,
            Token::Continue,
            Token::Yield,
            Token::Assert,
            Token::If,
            Token::While,
            Token::Do,
            Token::For,
            Token::Final,
            Token::Var,
            Token::Semi,
            Token::Boolean,
            Token::Int,
            Token::Long,
            Token::U8,
            Token::U16,
            Token::U32,
            Token::U64,
            Token::Bits,
            Token::OtherType,
        ],
        with_names: true,
    },
    Group {
        name: "a declaration",
        signs: [Token::Function, Token::ClassWord],
        members: &[
            Token::Public,
            Token::Private,
            Token::Static,
            Token::Final,
            Token::At,
            Token::ClassWord,
            Token::Interface,
            Token::Enum,
            Token::Void,
        ],
        with_names: true,
    },
    Group {
        name: "an expression",
        signs: [Token::This, Token::Number],
        members: EXPRESSION,
        with_names: true,
    },
    Group {
        name: "a type",
        signs: [Token::U8, Token::Boolean],
        members: TYPE,
        with_names: false,
    },
    Group {
        name: "an operator",
        signs: [Token::Star, Token::EqEq],
        members: &[
            Token::Star,
            Token::Slash,
            Token::Percent,
            Token::Plus,
            Token::Minus,
            Token::SatAdd,
            Token::SatSub,
            Token::Shl,
            Token::Shr,
            Token::Ushr,
            Token::And,
            Token::Caret,
            Token::Or,
            Token::Less,
            Token::LessEq,
            Token::Greater,
            Token::GreaterEq,
            Token::EqEq,
            Token::NotEq,
            Token::AndAnd,
            Token::OrOr,
            Token::InstanceOf,
            Token::In,
            Token::Question,
            Token::Dot,
            Token::DotDot,
            Token::BracketOpen,
            Token::ParenOpen,
        ],
        with_names: false,
    },
    Group {
        name: "`=`",
        signs: [Token::Assign, Token::PlusEq],
        members: &[
            Token::Assign,
            Token::PlusEq,
            Token::MinusEq,
            Token::StarEq,
            Token::SlashEq,
            Token::PercentEq,
            Token::AndEq,
            Token::OrEq,
            Token::CaretEq,
            Token::ShlEq,
            Token::ShrEq,
            Token::UshrEq,
            Token::PlusPlus,
            Token::MinusMinus,
        ],
        with_names: false,
    },
    Group {
        name: "a name",
        signs: [Token::Lower, Token::Limit],
        members: &[Token::Lower],
        with_names: true,
    },
];

/// The tokens in words.
pub(crate) fn describe(expected: &[Token]) -> String {
    let mut left: BTreeSet<Token> = expected.iter().copied().collect();
    let mut words = Vec::new();
    for group in GROUPS {
        if !group.signs.iter().all(|sign| left.contains(sign)) {
            continue;
        }
        words.push(group.name.to_string());
        left.retain(|t| {
            let is_name = group.with_names && t.class() == Class::Soft;
            !is_name && !group.members.contains(t)
        });
        // A statement or declaration may begin with an expression or a type.
        if group.members.contains(&Token::Final) {
            left.retain(|t| !EXPRESSION.contains(t) && !TYPE.contains(t));
        }
    }
    left.remove(&Token::OtherType);
    words.extend(left.iter().map(|t| t.describe()));
    const SHOWN_MAX: usize = 5;
    if words.len() > SHOWN_MAX {
        words.truncate(SHOWN_MAX);
        words.push("others".to_string());
    }
    match words.split_last() {
        None => "something else".to_string(),
        Some((one, [])) => one.clone(),
        Some((last, most)) => format!("{} or {last}", most.join(", ")),
    }
}
