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
mod function;
mod generic;
mod header;
mod konst;
mod layers;
mod member;
mod method;
mod name;
mod one_of;
mod operator;
mod pattern;
mod payload;
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
mod view;
mod within;

pub use bind::Bindings;
pub use builtin::Intrinsic;
pub use program::{Files, Program};
pub use tables::{Konst, Tables};
pub use ty::{Ty, TyKind, Types};

use nfl_syntax::Diags;

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

/// Checks a program.
pub fn check(program: Program, diags: &mut Diags) -> Checked {
    let tables = check::run(&program, diags);
    Checked {
        program,
        tables,
        errors: diags.has_errors(),
    }
}
