//! Answers that are remembered.
//!
//! In: a question about a word, under facts. Out: the answer that was given before, or a new one. The idea: questions about
//! words ask for their operands again, and definitions share operands, so that one question leads to the same ones over
//! and over. Facts have a stamp, a number that no other facts have; what changes them takes it away. An answer
//! counts for the stamp it was given under.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use nfl_syntax::arena::Id;

use crate::entity::Value;
use crate::func::Function;
use crate::verify::known_bits::Bits;
use crate::verify::range::Range;

/// The number of facts; 0 until it is asked for.
#[derive(Clone, Default, Debug)]
pub(super) struct Stamp(Cell<u64>);

/// A question: under which stamp, of which word, and how many definitions deep.
pub(super) type Ask = (u64, Value, u8);

/// Definitions that the deepest question follows, and one: questions of a word.
const DEPTHS: usize = 7;

/// An answer and its stamp, for each word and depth.
type Table<T> = OnceCell<Vec<Cell<(u64, T)>>>;

/// The answers about a function's words, whose widest intervals are given.
pub(crate) struct Memo {
    stamps: Rc<Cell<u64>>,
    words: usize,
    ranges: Table<Range>,
    slacks: Table<i64>,
    bits: Table<Bits>,
}

/// A copy answers the same, but remembers nothing yet.
impl Clone for Memo {
    fn clone(&self) -> Memo {
        self.beside()
    }
}

impl Memo {
    /// For questions about a function.
    pub(super) fn new(f: &Function) -> Memo {
        Memo::with(Rc::default(), f.values.len())
    }

    /// For questions about the same function and maybe the same facts, where other intervals are given.
    pub(crate) fn beside(&self) -> Memo {
        Memo::with(self.stamps.clone(), self.words)
    }

    /// For questions about a function that is another one now. No stamp is given twice, so no answer from before counts.
    pub(super) fn renewed(mut self, f: &Function) -> Memo {
        self.words = f.values.len();
        resize(&mut self.ranges, self.words);
        resize(&mut self.slacks, self.words);
        resize(&mut self.bits, self.words);
        self
    }

    fn with(stamps: Rc<Cell<u64>>, words: usize) -> Memo {
        Memo {
            stamps,
            words,
            ranges: Table::new(),
            slacks: Table::new(),
            bits: Table::new(),
        }
    }

    /// The number of a stamp, which is a new one for facts that have none.
    #[inline]
    pub(super) fn number(&self, stamp: &Stamp) -> u64 {
        if stamp.0.get() == 0 {
            self.stamps.set(self.stamps.get() + 1);
            stamp.0.set(self.stamps.get());
        }
        stamp.0.get()
    }

    #[inline]
    pub(super) fn range(&self, ask: Ask, find: impl FnOnce() -> Range) -> Range {
        self.answer(&self.ranges, ask, find)
    }

    #[inline]
    pub(super) fn slack(&self, ask: Ask, find: impl FnOnce() -> i64) -> i64 {
        self.answer(&self.slacks, ask, find)
    }

    #[inline]
    pub(super) fn bits(&self, ask: Ask, find: impl FnOnce() -> Bits) -> Bits {
        self.answer(&self.bits, ask, find)
    }

    #[inline]
    fn answer<T: Copy + Default>(
        &self,
        table: &Table<T>,
        (stamp, v, depth): Ask,
        find: impl FnOnce() -> T,
    ) -> T {
        let answers = || vec![Cell::default(); self.words * DEPTHS];
        let table = table.get_or_init(answers);
        let Some(cell) = table.get(v.index() * DEPTHS + usize::from(depth)) else {
            return find();
        };
        let (then, answer) = cell.get();
        if then == stamp {
            return answer;
        }
        let answer = find();
        cell.set((stamp, answer));
        answer
    }
}

/// Makes room for more words in a table that is there.
fn resize<T: Copy + Default>(table: &mut Table<T>, words: usize) {
    if let Some(answers) = table.get_mut()
        && answers.len() < words * DEPTHS
    {
        answers.resize(words * DEPTHS, Cell::default());
    }
}
