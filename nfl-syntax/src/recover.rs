//! Parsing with mistakes: repair what has an obvious repair, cut out what has none, and go on.
//!
//! In: the parser's tokens. Out: a unit, and one finding for each mistake. Guaranteed: it ends; no
//! mistake costs more than the statement or member it is in unless brackets are missing.
//!
//! When the parser refuses a token, small edits of the tokens are tried in the order of `repair.rs`
//! (insert a semicolon, close a bracket, ...), each by parsing from the last complete declaration of
//! the file to a little behind the mistake. The first that gets there is made for good and said;
//! this is the idea of Burke and Fisher, "A practical method for LR and LL syntactic error diagnosis
//! and recovery" (1987), with the LR parser itself as the judge. If none does, the statement, arm or
//! member around the token becomes a hole, which the grammar accepts in their place.

use crate::ast::DEPTH_MAX;
use crate::ast::Unit;
use crate::ast::build::{Builder, Mark};
use crate::brackets::Braces;
use crate::diag::Diagnostic;
use crate::expected;
use crate::grammar::FileParser;
use crate::repair::{Edit, Repairer};
use crate::source::SourceMap;
use crate::stream::Item;
use crate::token::Token;
use lalrpop_util::ParseError;
use nfl_abi::codes;
use std::ops::Range;

/// How far behind a mistake a repair has to get to be taken at once.
const LOOK_TOKENS: usize = 10;

/// What is the least that a repair has to get beyond the mistake.
const GAIN_TOKENS: usize = 3;

/// How many tokens may be parsed in trials before mistakes become holes untried.
const TRIAL_TOKENS_MAX: usize = 1_000_000;

/// How many mistakes of a file are said.
const MISTAKES_MAX: usize = 50;

/// A token that cannot stand where it does.
pub(crate) struct Refusal {
    /// Its index, or how many tokens there are if the file ends too early.
    pub(crate) at: usize,
    /// What could, as the parser calls it.
    pub(crate) expected: Vec<Token>,
}

/// Parses the tokens of a file.
pub(crate) fn parse(
    builder: Builder<'_>,
    items: Vec<Item>,
    sources: &SourceMap,
    found: &mut Vec<Diagnostic>,
) -> Unit {
    let place = |d: &Diagnostic| d.labels.first().map_or(0, |label| label.span.start);
    let mut known: Vec<u32> = found.iter().map(place).collect();
    let mut r = Recovery {
        parser: FileParser::new(),
        builder,
        items,
        sources,
        trial_tokens: 0,
    };
    let mut mistakes = 0;
    while let Some(refusal) = r.attempt_rest() {
        r.go_back(r.last_mark().next);
        let cut = r.around(&refusal);
        if mistakes >= MISTAKES_MAX {
            r.cut_rest();
            continue;
        }
        // Something was said in the same statement, and this is probably its consequence.
        let statement = r.range(cut.0, cut.1.min(refusal.at + 1));
        let consequence = known.iter().any(|at| statement.contains(at));
        let said = match r.repair(&refusal) {
            Some(said) => Some(said),
            None => r.cut(&refusal, cut),
        };
        if let Some(said) = said.filter(|_| !consequence) {
            known.push(place(&said));
            found.push(said);
        }
        mistakes += 1;
    }
    if let Some(&span) = r.builder.deep.first() {
        found.push(Diagnostic::new(&codes::E116, span).label(format!("level {}", DEPTH_MAX + 1)));
    }
    r.builder.unit
}

struct Recovery<'a> {
    parser: FileParser,
    builder: Builder<'a>,
    items: Vec<Item>,
    sources: &'a SourceMap,
    trial_tokens: usize,
}

impl Recovery<'_> {
    fn last_mark(&self) -> Mark {
        *self.builder.marks.last().expect("the start is marked")
    }

    /// Goes back to the last mark that is not behind a token, and forgets what was built since.
    fn go_back(&mut self, at: usize) {
        while self.last_mark().next > at {
            self.builder.marks.pop();
        }
        self.builder.forget(self.last_mark());
    }

    fn attempt_rest(&mut self) -> Option<Refusal> {
        let items = std::mem::take(&mut self.items);
        let refusal = self.attempt(&items[self.last_mark().next..]);
        self.items = items;
        refusal
    }

    /// Parses tokens that follow the last mark; answers the refusal, if there is one.
    fn attempt(&mut self, window: &[Item]) -> Option<Refusal> {
        let from = self.last_mark().next;
        let taken = self.builder.taken;
        taken.set(from);
        let start = window.first().map_or(0, |item| item.0);
        let resume = (from > 0).then_some((start, Token::Resume, start));
        let mut rest = window.iter();
        let counted = std::iter::from_fn(|| {
            taken.set(taken.get() + 1);
            rest.next().copied()
        });
        let input = resume.into_iter().chain(counted).map(Ok::<_, ()>);
        let expected = match self.parser.parse(&mut self.builder, input) {
            Ok(()) => return None,
            Err(
                ParseError::UnrecognizedEof { expected, .. }
                | ParseError::UnrecognizedToken { expected, .. },
            ) => expected,
            Err(_) => Vec::new(),
        };
        Some(Refusal {
            at: (taken.get() - 1).min(from + window.len()),
            expected: expected.iter().filter_map(|t| expected::token(t)).collect(),
        })
    }

    /// Makes the first edit that works, and answers what to say.
    fn repair(&mut self, refusal: &Refusal) -> Option<Diagnostic> {
        if self.trial_tokens > TRIAL_TOKENS_MAX {
            return None;
        }
        let mut best: Option<(usize, Edit)> = None;
        for edit in self.repairer(refusal).edits() {
            let gain = self.gain(&edit, refusal.at);
            if gain >= GAIN_TOKENS && best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, edit));
            }
            if gain >= LOOK_TOKENS {
                break;
            }
        }
        let (_, edit) = best?;
        self.go_back(edit.changes[0].at());
        edit.apply(&mut self.items, 0);
        Some(edit.said)
    }

    fn repairer<'s>(&'s self, refusal: &'s Refusal) -> Repairer<'s> {
        Repairer {
            file: self.builder.unit.span.file,
            sources: self.sources,
            items: &self.items,
            from: self.last_mark().next,
            refusal,
        }
    }

    /// Tries an edit; answers how many tokens from the refused one on the parser takes then, at
    /// most [`LOOK_TOKENS`].
    fn gain(&mut self, edit: &Edit, refused: usize) -> usize {
        self.go_back(edit.changes[0].at());
        let from = self.last_mark().next;
        let last = edit.changes.last().map_or(refused, |c| c.at());
        let end = (refused.max(last) + LOOK_TOKENS + 1).min(self.items.len());
        let mut window = self.items[from..end].to_vec();
        edit.apply(&mut window, from);
        self.trial_tokens += window.len();
        let marks = self.builder.marks.len();
        let reached = self.attempt(&window);
        self.builder.marks.truncate(marks);
        self.builder.forget(self.last_mark());
        let growth: isize = edit.changes.iter().map(|c| c.growth()).sum();
        match reached {
            None => LOOK_TOKENS,
            // The window ends, but the file does not.
            Some(refusal) if refusal.at == from + window.len() && end < self.items.len() => {
                LOOK_TOKENS
            }
            // The file still ends too early, but with fewer open brackets.
            Some(refusal) if refusal.at == from + window.len() && edit.closes() => LOOK_TOKENS,
            Some(refusal) => refusal
                .at
                .saturating_add_signed(-growth)
                .saturating_sub(refused)
                .min(LOOK_TOKENS),
        }
    }

    /// The range that becomes a hole if nothing else helps: never empty, and never a hole alone.
    fn around(&self, refusal: &Refusal) -> (usize, usize) {
        let from = self.last_mark().next;
        let braces = Braces::new(&self.items, from);
        let mut level = 0;
        loop {
            let (start, end) = braces.around(&self.items, from, refusal.at, level);
            let range = &self.items[start..end];
            let refused_hole = range.iter().all(|item| item.1 == Token::Hole);
            if !refused_hole || (start == from && end == self.items.len()) {
                return (start, end);
            }
            level += 1;
        }
    }

    /// The numbers of the tokens of a range, white space before it included.
    fn range(&self, start: usize, end: usize) -> Range<u32> {
        let before = start.checked_sub(1).map_or(0, |i| self.items[i].2);
        let behind = self.items.get(end.saturating_sub(1));
        before..behind.map_or(u32::MAX, |item| item.2)
    }

    /// Puts a hole in the place of a range; answers what to say if it was not said before.
    fn cut(&mut self, refusal: &Refusal, (start, end): (usize, usize)) -> Option<Diagnostic> {
        let is_hole = |at: Option<usize>| {
            let item = at.and_then(|i| self.items.get(i));
            item.is_some_and(|item| item.1 == Token::Hole)
        };
        // What a hole leaves behind is no mistake of its own.
        let said_before = is_hole(Some(refusal.at)) || is_hole(start.checked_sub(1));
        let said = (!said_before).then(|| self.repairer(refusal).unexpected(refusal.at));
        self.go_back(start);
        let range = &self.items[start..end];
        let hole = match (range.first(), range.last()) {
            // Imports leave nothing behind, for no declaration may come before the next one.
            (Some((_, Token::Import | Token::Package, _)), _) => None,
            // A hole alone that is refused everywhere, or a bracket that closes nothing.
            (Some((_, Token::Hole | Token::BraceClose, _)), _) if end - start == 1 => None,
            (Some(first), Some(last)) => Some((first.0, Token::Hole, last.2)),
            _ => None,
        };
        self.items.splice(start..end, hole);
        said
    }

    /// Gives up the rest of the file.
    fn cut_rest(&mut self) {
        let from = self.last_mark().next;
        let rest = &self.items[from..];
        let hole = rest.first().zip(rest.last());
        let hole = hole.map(|(first, last)| (first.0, Token::Hole, last.2));
        self.items.splice(from.., hole);
    }
}
