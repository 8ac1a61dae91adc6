//! What brackets are for, and what stands in which.
//!
//! In: the words of a file. Out: for each word its partner, the brace it stands in, and how deep in
//! other brackets within that brace. Guaranteed: unbalanced brackets, which the parser refuses, have
//! no partners.

use super::Word;
use crate::token::Token;

/// What a pair of braces holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Brace {
    /// Statements, members or arms.
    Block,
    /// The body of a `do`.
    Do,
    /// Members of a header.
    Header,
    /// Constants of an enum, and then members.
    Enum,
    /// Values.
    List,
}

/// The brackets of a file.
#[derive(Debug)]
pub(super) struct Shape {
    /// The other end of a bracket.
    pub(super) partner: Vec<Option<usize>>,
    /// The brace that a word stands in; braces themselves stand in the one around them.
    pub(super) parent: Vec<Option<usize>>,
    /// How many brackets are open around a word within its block.
    pub(super) depth: Vec<u32>,
    /// What an opening brace holds.
    pub(super) brace: Vec<Option<Brace>>,
    /// Whether a closing parenthesis ends a cast.
    pub(super) cast: Vec<bool>,
    /// Whether a word stands in a list of the headers that one follows.
    pub(super) edges: Vec<bool>,
    /// How many words before this one begin a line of their own.
    broken: Vec<u32>,
}

impl Shape {
    pub(super) fn new(words: &[Word<'_>]) -> Shape {
        let n = words.len();
        let mut shape = Shape {
            partner: vec![None; n],
            parent: vec![None; n],
            depth: vec![0; n],
            brace: vec![None; n],
            cast: vec![false; n],
            edges: vec![false; n],
            broken: Vec::with_capacity(n + 1),
        };
        let mut sum = 0;
        shape.broken.push(0);
        for word in words {
            sum += u32::from(word.breaks > 0);
            shape.broken.push(sum);
        }
        shape.pair(words);
        shape
    }

    fn pair(&mut self, words: &[Word<'_>]) {
        let mut open: Vec<usize> = Vec::new();
        let mut braces: Vec<usize> = Vec::new();
        let mut depths = vec![0_u32];
        let mut last: Option<usize> = None;
        // The declaration whose body comes next.
        let mut declares = Brace::Block;
        let mut in_edges = false;
        for (i, word) in words.iter().enumerate() {
            let closes = matches!(
                word.token,
                Token::ParenClose | Token::BracketClose | Token::TypeClose | Token::BraceClose
            );
            if closes && let Some(opener) = open.pop() {
                self.partner[i] = Some(opener);
                self.partner[opener] = Some(i);
                if word.token == Token::BraceClose {
                    braces.pop();
                }
                if word.token == Token::BraceClose && self.brace[opener] != Some(Brace::List) {
                    depths.pop();
                } else if let Some(depth) = depths.last_mut() {
                    *depth -= 1;
                }
                self.cast[i] = word.token == Token::ParenClose && is_cast(&words[opener..=i]);
            }
            self.parent[i] = braces.last().copied();
            self.depth[i] = depths.last().copied().unwrap_or(0);
            match word.token {
                Token::ParenOpen | Token::BracketOpen | Token::TypeOpen => {
                    open.push(i);
                    deepen(&mut depths);
                }
                Token::BraceOpen => {
                    let before = last.map(|p| words[p].token);
                    let outer = braces.last().and_then(|&b| self.brace[b]);
                    let kind = brace(before, outer, declares);
                    if kind != Brace::List {
                        in_edges = false;
                        declares = Brace::Block;
                    }
                    self.brace[i] = Some(kind);
                    open.push(i);
                    braces.push(i);
                    if kind == Brace::List {
                        deepen(&mut depths);
                    } else {
                        depths.push(0);
                    }
                }
                Token::Enum => declares = Brace::Enum,
                Token::Header if words.get(i + 1).is_some_and(|w| w.token == Token::Upper) => {
                    declares = Brace::Header;
                }
                Token::Semi => (declares, in_edges) = (Brace::Block, false),
                Token::Follows | Token::Before => {
                    in_edges |= words.get(i + 1).is_some_and(|w| w.token == Token::Upper);
                }
                _ => {}
            }
            self.edges[i] = in_edges;
            if !word.is_comment() {
                last = Some(i);
            }
        }
    }

    /// Whether the author broke a line inside a pair of brackets.
    pub(super) fn is_broken(&self, open: usize) -> bool {
        let close = self.partner[open].unwrap_or(open);
        self.broken[close + 1] > self.broken[open + 1]
    }
}

fn deepen(depths: &mut [u32]) {
    if let Some(depth) = depths.last_mut() {
        *depth += 1;
    }
}

/// What a brace behind this token holds.
fn brace(before: Option<Token>, outer: Option<Brace>, declared: Brace) -> Brace {
    match before {
        Some(Token::In | Token::Assign | Token::ParenOpen) => Brace::List,
        Some(Token::Comma) => Brace::List,
        Some(Token::BraceOpen) if outer == Some(Brace::List) => Brace::List,
        Some(Token::Do) => Brace::Do,
        _ => declared,
    }
}

/// `(u8)`
fn is_cast(words: &[Word<'_>]) -> bool {
    let inner = &words[1..words.len() - 1];
    match inner {
        [one] => matches!(
            one.token,
            Token::U8
                | Token::U16
                | Token::U32
                | Token::U64
                | Token::Int
                | Token::Long
                | Token::Boolean
        ),
        [bits, ..] => bits.token == Token::Bits,
        [] => false,
    }
}
