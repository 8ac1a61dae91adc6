//! All tests that look at more than one crate.

mod captures;
mod codes;
mod docs;
mod prop;
mod stage;
mod tidy;
