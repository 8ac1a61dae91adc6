//! The checker: what names mean, what types values have, what a program may do.
//!
//! In: source files. Out: [`Checked`], the tree with its [`Tables`]; holes are allowed, so that the
//! editor can use it as it is. Guaranteed of a [`Sound`] program: every expression has a type and
//! every name a meaning; locals are assigned before use; every path answers; views are used where
//! their match holds; `uses` says what is done.
#![forbid(unsafe_code)]

mod annotation;
mod args;
pub mod bind;
mod bound;
mod build;
pub mod builtin;
mod call;
mod chain;
mod check;
mod deconstruct;
mod effect;
mod enums;
mod exhaust;
mod expr;
mod fix;
mod flow;
mod fragments;
mod function;
mod generic;
mod group;
mod header;
mod konst;
mod layers;
mod member;
mod method;
mod name;
mod one_of;
mod operator;
mod order;
mod pattern;
mod payload;
mod pointless;
pub mod program;
mod quantity;
mod record;
mod resize;
mod resolve;
mod resource;
mod sealed;
mod service;
mod stmt;
mod swap;
mod switch;
pub mod tables;
pub mod test;
pub mod ty;
mod types;
mod unused;
mod view;
mod within;

pub use bind::Bindings;
pub use builtin::Intrinsic;
pub use program::{Files, Program};
pub use tables::{Konst, Tables};
pub use ty::{Ty, TyKind, Types};

use std::collections::BTreeSet;

use nfl_abi::Severity;
use nfl_syntax::{Diagnostic, Diags, SourceMap};

/// A program with what is known about it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The tree.
    pub program: Program,
    /// What its nodes mean.
    pub tables: Tables,
    errors: bool,
}

impl Checked {
    /// The program as one without errors, if it is.
    pub fn sound(&self) -> Option<Sound<'_>> {
        (!self.errors).then_some(Sound(self))
    }
}

/// A program without errors.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a>(&'a Checked);

impl<'a> Sound<'a> {
    /// The tree.
    pub fn program(self) -> &'a Program {
        &self.0.program
    }

    /// What its nodes mean.
    pub fn tables(self) -> &'a Tables {
        &self.0.tables
    }

    /// The program with its holes, of which it has none.
    pub fn checked(self) -> &'a Checked {
        self.0
    }
}

/// How often generic types may need further ones in their methods.
const GENERIC_ROUNDS_MAX: u32 = 8;

/// Checks a program. Where methods of generic types are called with type arguments that nobody has
/// seen yet, their declarations are copied and the program is checked once more.
pub fn check(mut program: Program, diags: &mut Diags) -> Checked {
    let mut rounds = 0;
    let tables = loop {
        let mut found = Diags::default();
        let (tables, wanted) = check::run(&program, &mut found);
        if let Some((decl, _)) = wanted.first().filter(|_| rounds == GENERIC_ROUNDS_MAX) {
            let span = program.ast.decls[*decl].span;
            found = Diags::default();
            found.push(
                Diagnostic::new(&nfl_abi::codes::E225, span)
                    .message("the methods of this type need ever more types")
                    .label("with type arguments made of its own"),
            );
        }
        if wanted.is_empty() || rounds == GENERIC_ROUNDS_MAX {
            keep_sound(&program.sources, found, diags);
            break tables;
        }
        for (decl, args) in wanted {
            program.copy(decl, args);
        }
        rounds += 1;
    };
    Checked {
        program,
        tables,
        errors: diags.has_errors(),
    }
}

/// Mistakes of the syntax that leave no doubt about what was meant: a `new`, a type in capitals, a prefix
/// with bits of a host, an `else` without braces, a variable with a capital.
const CLEAR: [&str; 5] = ["E101", "E104", "E112", "E117", "E118"];

/// Passes findings on. A line where the parser had to guess is judged no further, and a program with
/// such a line has no warnings, since what is unused may be used there.
fn keep_sound(sources: &SourceMap, found: Diags, diags: &mut Diags) {
    let line = |d: &Diagnostic| {
        let span = d.labels.first()?.span;
        Some((span.file, sources.line_col(span).0))
    };
    let guessed: BTreeSet<_> = diags
        .iter()
        .filter(|d| d.code.text.starts_with("E1") && !CLEAR.contains(&d.code.text))
        .filter_map(line)
        .collect();
    for finding in found.into_vec() {
        let told = line(&finding).is_some_and(|place| guessed.contains(&place));
        if guessed.is_empty() || (finding.severity == Severity::Error && !told) {
            diags.push(finding);
        }
    }
}
