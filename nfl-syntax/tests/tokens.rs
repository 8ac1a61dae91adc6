//! The table of tokens agrees with the scanner and with the grammar.

use logos::Logos;
use nfl_syntax::token::{Class, Token};

fn lexed(text: &str) -> Vec<(Result<Token, ()>, &str)> {
    let lexer = Token::lexer(text).spanned();
    lexer.map(|(token, at)| (token, &text[at])).collect()
}

#[test]
fn each_text_lexes_as_its_token() {
    for &token in Token::ALL {
        if let Some(text) = token.text() {
            assert_eq!(lexed(text), [(Ok(token), text)]);
        }
    }
}

#[test]
fn the_grammar_names_each_token_once() {
    let grammar = include_str!("../src/grammar.lalrpop");
    let start = grammar.find("enum Token {").expect("the block of tokens");
    let block = &grammar[start..start + grammar[start..].find("\n    }\n}").expect("its end")];
    for &token in Token::ALL {
        let name = format!("Token::{token:?}");
        let count = block
            .match_indices(&name)
            .filter(|(at, _)| {
                let behind = block[at + name.len()..].chars().next();
                !behind.is_some_and(char::is_alphanumeric)
            })
            .count();
        let parsed = match token.class() {
            Class::Trivia | Class::Reserved => false,
            Class::Literal => matches!(token, Token::Number | Token::Duration),
            _ => true,
        };
        assert_eq!(count, usize::from(parsed), "{name}");
        if let (true, Some(text)) = (parsed, token.text()) {
            assert!(block.contains(&format!("\"{text}\" => {name}")), "{name}");
        }
    }
}

#[test]
fn tricky_texts() {
    let lines = [
        "fe80::1 fe80 fe80::1/64 :: ::1 a::b 1:2:3:4:5:6:7:8 2001:db8::/32 ::/0",
        "02:00:5e:10:00:01 12:34 c ? 1:2 deadbeef:1 x:y",
        "10.0.0.1 10.0.0.0/8 10.0.0.0 /8 1..5 10.0.0.1..10.0.0.9 10.0.0 1.5 10.0.0.1.2",
        "250us 10ms 5min 3h 10Mbps 1kpps 64KiB 1500B 10x 0x0800 0b1010 65_535 0xg",
        "MAX X25 X Tcp TCP_1 _ _a __ a_B9 K",
        "a |+| b |-| c || d | e |= f ->-- > >= >> >>= >>> >>>=",
        "'G' '\\'' \"a\\\"b\" \"\" '' \"a",
        "/**/ /* a * b */ // c",
        "#é\u{1F600}`",
    ];
    let text: Vec<String> = lines
        .iter()
        .flat_map(|line| lexed(line))
        .filter(|(token, _)| *token != Ok(Token::Space))
        .map(|(token, text)| match token {
            Ok(token) => format!("{token:?} {text}"),
            Err(()) => format!("- {text}"),
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}
