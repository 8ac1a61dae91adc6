//! Section 5: what is known at a point.
//!
//! In: facts as they are learned. Out: ranges, distances to the packet's end, and divisors. Symbols are named once
//! for all states of a check, so that a symbol that two states name alike is the same one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use nfl_abi::Role;
use nfl_abi::map::reg;

use super::{Int, M, refuse};

/// An integer that is fixed in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Symbol {
    /// Z: 0.
    Zero,
    /// L: the packet's length.
    Len,
    Made(u64),
}

/// What is known about a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fact {
    pub(super) lo: Int,
    pub(super) hi: Int,
    /// None is less than every number.
    pub(super) stored: Option<Int>,
    pub(super) stride: Int,
}

/// What kind of word a place holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Number,
    Packet,
    Scratch,
    Context,
    Carried,
    Value(Int),
    Answer(Int),
}

/// A kind and `symbol + k`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Term {
    pub(super) kind: Kind,
    pub(super) symbol: Symbol,
    pub(super) k: Int,
}

/// What a place holds; a place that holds nothing that may be read is in no map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Holds {
    Term(Term),
    /// These bytes of the word, of 0 to 3, are parts of numbers.
    Bytes(BTreeSet<Int>),
}

/// A register, or a word of scratch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    Register(u8),
    Word(Int),
}

/// Everything that is known at a point.
#[derive(Clone, Debug)]
pub(super) struct State {
    names: Rc<Cell<u64>>,
    /// Of all symbols but Z.
    pub(super) facts: BTreeMap<Symbol, Fact>,
    pub(super) holds: BTreeMap<Place, Holds>,
}

impl Place {
    pub(super) fn numbered(number: Int) -> Option<Place> {
        match number {
            0..=31 => Some(Place::Register(number as u8)),
            32..=95 => Some(Place::Word(number - 32)),
            _ => None,
        }
    }

    /// The number of a word.
    pub(super) fn word(self) -> Option<Int> {
        match self {
            Place::Word(word) => Some(word),
            Place::Register(_) => None,
        }
    }

    /// All but the registers that code cannot write.
    pub(super) fn may_change(self) -> bool {
        !matches!(self, Place::Register(0 | reg::SP | reg::S0 | reg::S1))
    }
}

impl Term {
    pub(super) fn new(kind: Kind, symbol: Symbol, k: Int) -> Term {
        Term { kind, symbol, k }
    }

    /// A number that is known.
    pub(super) fn constant(number: Int) -> Term {
        Term::new(Kind::Number, Symbol::Zero, number)
    }

    /// The same number as another kind.
    pub(super) fn of(self, kind: Kind) -> Term {
        Term { kind, ..self }
    }

    /// The same, moved.
    pub(super) fn plus(self, by: Int) -> Term {
        Term {
            k: self.k + by,
            ..self
        }
    }

    pub(super) fn is_number(self) -> bool {
        self.kind == Kind::Number
    }
}

impl Fact {
    pub(super) fn range(lo: Int, hi: Int) -> Fact {
        Fact {
            lo,
            hi,
            stored: None,
            stride: 1,
        }
    }

    /// Both ends moved to multiples of the stride; nothing, when there is none between them.
    pub(super) fn rounded(self) -> Option<Fact> {
        let up = |n: Int| -((-n).div_euclid(self.stride) * self.stride);
        let down = |n: Int| n.div_euclid(self.stride) * self.stride;
        let (lo, hi) = match self.stride {
            0 | 1 => (self.lo, self.hi),
            _ => (up(self.lo), down(self.hi)),
        };
        (lo <= hi).then_some(Fact { lo, hi, ..self })
    }
}

pub(super) fn gcd(a: Int, b: Int) -> Int {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl State {
    /// What holds where a node enters code.
    pub(super) fn at_entry(names: &Rc<Cell<u64>>, role: Role, need: u16) -> State {
        let (lo, hi) = match role {
            Role::Every => (0, 0),
            _ => (Int::from(need), 65_535),
        };
        let len = Fact {
            stored: Some(0),
            ..Fact::range(lo, hi)
        };
        let mut state = State {
            names: Rc::clone(names),
            facts: BTreeMap::from([(Symbol::Len, len)]),
            holds: BTreeMap::new(),
        };
        let zero = |kind| Term::new(kind, Symbol::Zero, 0);
        for (register, term) in [
            (0, zero(Kind::Number)),
            (reg::A0, zero(Kind::Number)),
            (reg::A1, zero(Kind::Number)),
            (reg::SP, zero(Kind::Scratch)),
            (reg::GP, zero(Kind::Context)),
            (reg::A5, zero(Kind::Context)),
            (reg::TP, zero(Kind::Carried)),
            (reg::A4, zero(Kind::Carried)),
            (reg::S0, zero(Kind::Packet)),
            (reg::S1, Term::new(Kind::Number, Symbol::Len, 0)),
        ] {
            state.hold(Place::Register(register), term);
        }
        state
    }

    /// A state that knows nothing yet but shares the names.
    pub(super) fn empty(&self) -> State {
        State {
            names: Rc::clone(&self.names),
            facts: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    pub(super) fn hold(&mut self, place: Place, term: Term) {
        self.holds.insert(place, Holds::Term(term));
    }

    /// The term of a place, as it is.
    pub(super) fn term(&self, place: Place) -> Option<Term> {
        match self.holds.get(&place) {
            Some(&Holds::Term(term)) => Some(term),
            _ => None,
        }
    }

    /// What an instruction that reads the register gets.
    pub(super) fn read(&self, register: u8) -> Result<Term, String> {
        let Some(term) = self.term(Place::Register(register)) else {
            return refuse(format!("x{register} may not have been written"));
        };
        let Kind::Answer(bytes) = term.kind else {
            return Ok(term);
        };
        Ok(match self.range(term) {
            (1, _) => Term::new(Kind::Value(bytes), Symbol::Zero, 0),
            (_, 0) => Term::constant(0),
            _ => term,
        })
    }

    pub(super) fn write(&mut self, register: u8, term: Term) {
        if register != 0 {
            self.hold(Place::Register(register), term);
        }
    }

    pub(super) fn fact(&self, symbol: Symbol) -> Fact {
        match symbol {
            Symbol::Zero => Fact {
                stride: 0,
                ..Fact::range(0, 0)
            },
            _ => self.facts[&symbol],
        }
    }

    pub(super) fn len(&self) -> Fact {
        self.fact(Symbol::Len)
    }

    /// A symbol that no state has named yet.
    pub(super) fn make(&mut self, fact: Fact) -> Symbol {
        let name = self.names.get();
        self.names.set(name + 1);
        let symbol = Symbol::Made(name);
        self.facts.insert(symbol, fact);
        symbol
    }

    pub(super) fn range(&self, term: Term) -> (Int, Int) {
        let fact = self.fact(term.symbol);
        (fact.lo + term.k, fact.hi + term.k)
    }

    pub(super) fn exact(&self, term: Term) -> Option<Int> {
        let (lo, hi) = self.range(term);
        (lo == hi).then_some(lo)
    }

    pub(super) fn slack(&self, symbol: Symbol) -> Int {
        let fact = self.fact(symbol);
        let by_ranges = self.len().lo - fact.hi;
        fact.stored
            .map_or(by_ranges, |stored| stored.max(by_ranges))
    }

    pub(super) fn dist(&self, term: Term) -> Int {
        self.slack(term.symbol) - term.k
    }

    pub(super) fn div(&self, term: Term) -> Int {
        gcd(self.fact(term.symbol).stride, term.k)
    }

    /// Anything of a kind within a range.
    pub(super) fn some(&mut self, kind: Kind, (lo, hi): (Int, Int)) -> Term {
        if lo == hi {
            return Term::new(kind, Symbol::Zero, lo);
        }
        let symbol = self.make(Fact::range(lo, hi));
        Term::new(kind, symbol, 0)
    }

    pub(super) fn note_length(&mut self, n: Int) {
        if let Some(len) = self.facts.get_mut(&Symbol::Len)
            && len.lo < n
            && n <= len.hi
        {
            len.lo = n;
        }
    }

    pub(super) fn note_slack(&mut self, symbol: Symbol, slack: Int) {
        if let (Symbol::Made(_), Some(fact)) = (symbol, self.facts.get_mut(&symbol))
            && Some(slack) > fact.stored
        {
            fact.stored = Some(slack);
            let n = fact.lo + slack;
            self.note_length(n);
        }
    }

    pub(super) fn note_stride(&mut self, symbol: Symbol, stride: Int) {
        if let (Symbol::Made(_), Some(fact)) = (symbol, self.facts.get_mut(&symbol))
            && (2..=M).contains(&stride)
            && let Some(rounded) = (Fact { stride, ..*fact }).rounded()
        {
            *fact = rounded;
        }
    }

    /// The bytes of a word of scratch that are parts of numbers.
    pub(super) fn bytes(&self, word: Int) -> BTreeSet<Int> {
        bytes_of(self.holds.get(&Place::Word(word)))
    }

    /// The packet moves, to a length in a range.
    pub(super) fn move_packet(&mut self, lo: Int, hi: Int) {
        let before = self.len();
        let old = self.make(Fact::range(before.lo, before.hi));
        self.holds.retain(|_, holds| !is_packet(holds));
        for holds in self.holds.values_mut() {
            if let Holds::Term(term) = holds
                && term.symbol == Symbol::Len
            {
                term.symbol = old;
            }
        }
        for fact in self.facts.values_mut() {
            fact.stored = None;
        }
        let len = Fact {
            stored: Some(0),
            ..Fact::range(lo, hi)
        };
        self.facts.insert(Symbol::Len, len);
        let start = Term::new(Kind::Packet, Symbol::Zero, 0);
        self.hold(Place::Register(reg::S0), start);
        let length = Term::new(Kind::Number, Symbol::Len, 0);
        self.hold(Place::Register(reg::S1), length);
    }

    /// Forgets the symbols that no place holds.
    pub(super) fn forget_unheld(&mut self) {
        let mut held = BTreeSet::from([Symbol::Len]);
        for holds in self.holds.values() {
            if let Holds::Term(term) = holds {
                held.insert(term.symbol);
            }
        }
        self.facts.retain(|symbol, _| held.contains(symbol));
    }
}

fn is_packet(holds: &Holds) -> bool {
    matches!(holds, Holds::Term(term) if term.kind == Kind::Packet)
}

/// The bytes of a word that are parts of numbers.
pub(super) fn bytes_of(holds: Option<&Holds>) -> BTreeSet<Int> {
    match holds {
        Some(Holds::Term(term)) if term.is_number() => (0..4).collect(),
        Some(Holds::Bytes(bytes)) => bytes.clone(),
        _ => BTreeSet::new(),
    }
}
