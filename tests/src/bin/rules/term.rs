//! Numbers that are terms of SMT-LIB.
//!
//! In: a rule, and a theory: integers, or words of 64 bits. Out: for each way through the rule its conditions and its result.
//! The idea: a rule is run as it stands, on numbers that write down what is done with them. Where it compares, the run takes
//! one way and notes the condition; further runs take the other ways, until all are gone.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Rem, Shl, Shr, Sub};

use nfl_isa::Op;

use crate::number::Number;

/// What numbers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Theory {
    Integers,
    Words,
}

/// One run of a rule.
#[derive(Default)]
struct Run {
    /// The terms made so far, each by the ones before it.
    terms: Vec<String>,
    /// Which way comparisons go; behind its end they come out true.
    ways: Vec<bool>,
    compared: usize,
    conditions: Vec<String>,
    words: bool,
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::default();
}

/// A number, by its place among the terms of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term(usize);

/// A way through a rule.
pub(crate) struct Way<T> {
    /// Definitions of the terms.
    pub(crate) terms: Vec<String>,
    pub(crate) conditions: Vec<String>,
    pub(crate) result: T,
}

impl Theory {
    /// The sort of its numbers.
    pub(crate) fn sort(self) -> &'static str {
        match self {
            Theory::Integers => "Int",
            Theory::Words => "(_ BitVec 64)",
        }
    }

    /// An integer.
    pub(crate) fn number(self, n: i64) -> String {
        match self {
            Theory::Integers if n < 0 => format!("(- {})", n.unsigned_abs()),
            Theory::Integers => n.to_string(),
            Theory::Words => format!("#x{:016x}", n.cast_unsigned()),
        }
    }

    /// The name of an operation or relation.
    pub(crate) fn name(self, of_integers: &'static str) -> &'static str {
        let names = [
            ("+", "bvadd"),
            ("-", "bvsub"),
            ("*", "bvmul"),
            ("div", "bvudiv"),
            ("mod", "bvurem"),
            ("<=", "bvsle"),
            ("<", "bvslt"),
        ];
        let of_words = names.iter().find(|(name, _)| *name == of_integers);
        match (self, of_words) {
            (Theory::Words, Some((_, name))) => name,
            _ => of_integers,
        }
    }
}

/// All ways through a rule.
pub(crate) fn ways<T>(theory: Theory, rule: impl Fn() -> T) -> Vec<Way<T>> {
    let mut found = Vec::new();
    let mut next = Some(Vec::new());
    while let Some(ways) = next {
        RUN.set(Run {
            ways,
            words: theory == Theory::Words,
            ..Run::default()
        });
        let result = rule();
        let run = RUN.take();
        let terms = run.terms.iter().enumerate();
        let sort = theory.sort();
        found.push(Way {
            terms: terms
                .map(|(n, term)| format!("(define-fun t{n} () {sort} {term})"))
                .collect(),
            conditions: run.conditions,
            result,
        });
        let mut ways = run.ways;
        while ways.pop_if(|way| !*way).is_some() {}
        next = ways.pop().map(|_| {
            ways.push(false);
            ways
        });
    }
    found
}

fn theory() -> Theory {
    if RUN.with_borrow(|run| run.words) {
        Theory::Words
    } else {
        Theory::Integers
    }
}

fn make(text: String) -> Term {
    RUN.with_borrow_mut(|run| {
        run.terms.push(text);
        Term(run.terms.len() - 1)
    })
}

/// Which way a comparison goes in this run.
fn decide(condition: String) -> bool {
    RUN.with_borrow_mut(|run| {
        let at = run.compared;
        run.compared += 1;
        if at == run.ways.len() {
            run.ways.push(true);
        }
        let way = run.ways[at];
        run.conditions.push(if way {
            condition
        } else {
            format!("(not {condition})")
        });
        way
    })
}

impl Term {
    /// A number that is given from outside.
    pub(crate) fn given(name: &str) -> Term {
        make(name.to_string())
    }

    /// What it is called in the definitions.
    pub(crate) fn name(self) -> String {
        format!("t{}", self.0)
    }

    fn with(self, name: &str, other: Term) -> String {
        format!("({name} {} {})", self.name(), other.name())
    }

    fn compare(self, relation: &'static str, other: Term) -> String {
        self.with(theory().name(relation), other)
    }

    fn choose(self, first: &str, other: Term) -> Term {
        make(format!("(ite {first} {} {})", self.name(), other.name()))
    }
}

macro_rules! operators {
    ($($name:ident $method:ident $op:literal),*) => {$(
        impl $name for Term {
            type Output = Term;
            fn $method(self, other: Term) -> Term {
                make(self.with(theory().name($op), other))
            }
        }
    )*};
}

operators!(Add add "+", Sub sub "-", Mul mul "*", Div div "div", Rem rem "mod",
    BitAnd bitand "bvand", BitOr bitor "bvor");

impl Term {
    /// A shift. Integers are shifted by constants alone.
    fn shift(self, of_words: &str, of_integers: &str, amount: Term) -> Term {
        if theory() == Theory::Words {
            return make(self.with(of_words, amount));
        }
        let amount = RUN.with_borrow(|run| run.terms[amount.0].parse::<u32>());
        let factor = 1u64 << amount.expect("a constant");
        make(format!("({of_integers} {} {factor})", self.name()))
    }
}

impl Shl for Term {
    type Output = Term;
    fn shl(self, amount: Term) -> Term {
        self.shift("bvshl", "*", amount)
    }
}

impl Shr for Term {
    type Output = Term;
    fn shr(self, amount: Term) -> Term {
        self.shift("bvashr", "div", amount)
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Term) -> bool {
        decide(self.with("=", *other))
    }
}

impl Eq for Term {}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    fn lt(&self, other: &Term) -> bool {
        decide(self.compare("<", *other))
    }

    fn le(&self, other: &Term) -> bool {
        decide(self.compare("<=", *other))
    }

    fn gt(&self, other: &Term) -> bool {
        other < self
    }

    fn ge(&self, other: &Term) -> bool {
        other <= self
    }
}

impl Ord for Term {
    fn cmp(&self, other: &Term) -> Ordering {
        if self < other {
            Ordering::Less
        } else if self == other {
            Ordering::Equal
        } else {
            Ordering::Greater
        }
    }

    fn min(self, other: Term) -> Term {
        self.choose(&self.compare("<=", other), other)
    }

    fn max(self, other: Term) -> Term {
        self.choose(&other.compare("<=", self), other)
    }
}

impl Number for Term {
    const WORD_BITS: i64 = 32;

    fn of(n: i64) -> Term {
        make(theory().number(n))
    }

    fn word(_op: Op, a: Term, b: Term) -> Option<Term> {
        Some(make(a.with("machine", b)))
    }

    fn product(self, other: Term) -> Term {
        self * other
    }

    fn high_product(self, other: Term) -> Term {
        self * other / Term::of(1 << Term::WORD_BITS)
    }
}
