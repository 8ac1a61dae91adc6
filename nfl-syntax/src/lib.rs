//! The front of the compiler: source text to a syntax tree, and the diagnostics of all stages.
//!
//! In: text. Out: an [`ast::Ast`] with holes for what could not be read, and findings. Guaranteed:
//! there is always a tree, every span lies in its file, and no input panics.
#![forbid(unsafe_code)]

pub mod arena;
pub mod ast;
mod brackets;
pub mod diag;
mod expected;
pub mod fmt;
pub mod hash;
mod lexer;
mod literal;
pub mod name;
mod parse;
mod recover;
mod repair;
pub mod source;
pub mod span;
mod stream;
pub mod token;

lalrpop_util::lalrpop_mod!(
    #[allow(
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        unreachable_pub,
        unused,
        reason = "generated from grammar.lalrpop"
    )]
    grammar
);

pub use diag::{Diagnostic, Diags, Fix, Label, Levels};
pub use lexer::{docs_before, head, lex};
pub use name::{Name, Names};
pub use parse::parse;
pub use source::SourceMap;
pub use span::{FileId, Span};
