//! All tests that look at more than one crate.

mod captures;
mod cli;
mod codes;
mod docs;
mod prop;
mod stage;
mod tidy;
