//! All tests that look at more than one crate.

mod baselines;
mod captures;
mod cli;
mod codes;
mod conformed;
mod contain;
mod docs;
mod explain;
mod filled;
mod ledger;
mod marked;
mod messages;
mod mutated;
mod opinions;
mod patterns;
mod prop;
mod protocols;
mod seeded;
mod stage;
mod sums;
mod tidy;
mod witness;
mod world;
