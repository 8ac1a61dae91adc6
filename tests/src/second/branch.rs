//! Section 8, "Branches": what may be compared, and what each way teaches.
//!
//! In: a branch and the state before it. Out: the states on its two ways.

use nfl_isa::{Inst, Op};

use super::state::{Fact, Kind, State, Symbol, Term};
use super::{Int, require};

/// The largest number without a sign.
const POSITIVE: Int = (1 << 31) - 1;

/// What holds between the operands on one way.
enum Relation {
    Equal,
    Different,
    Less,
    NotLess,
    SignedLess,
    SignedNotLess,
}

/// The states where the branch is taken, and where it is not.
pub(super) fn ways(state: &State, inst: &Inst) -> Result<(State, State), String> {
    let (a, b) = (state.read(inst.rs1.0)?, state.read(inst.rs2.0)?);
    let (taken, not) = match inst.op {
        Op::Beq => (Relation::Equal, Relation::Different),
        Op::Bne => (Relation::Different, Relation::Equal),
        Op::Bltu => (Relation::Less, Relation::NotLess),
        Op::Bgeu => (Relation::NotLess, Relation::Less),
        Op::Blt => (Relation::SignedLess, Relation::SignedNotLess),
        _ => (Relation::SignedNotLess, Relation::SignedLess),
    };
    require(
        may_compare(state, inst.op, a, b),
        "a comparison of addresses",
    )?;
    let learn = |relation| {
        let mut way = state.clone();
        way.learn(&relation, a, b);
        way
    };
    Ok((learn(taken), learn(not)))
}

fn may_compare(state: &State, op: Op, a: Term, b: Term) -> bool {
    let is_near = |x: Term| {
        let (lo, hi) = state.range(x);
        lo >= 0 && hi <= 65_536
    };
    let is_zero = |x: Term| x.is_number() && state.exact(x) == Some(0);
    let may_be_zero = |x: Term| match x.kind {
        Kind::Number => false,
        Kind::Answer(_) => true,
        _ => is_near(x),
    };
    if a.is_number() && b.is_number() {
        return true;
    }
    if matches!(op, Op::Beq | Op::Bne)
        && (is_zero(a) && may_be_zero(b) || is_zero(b) && may_be_zero(a))
    {
        return true;
    }
    let is_region = matches!(
        a.kind,
        Kind::Packet | Kind::Scratch | Kind::Context | Kind::Carried
    );
    let same = is_region && a.kind == b.kind && is_near(a) && is_near(b);
    same && !matches!(op, Op::Blt | Op::Bge)
}

impl State {
    fn learn(&mut self, relation: &Relation, a: Term, b: Term) {
        if a.is_number() != b.is_number() {
            let address = if a.is_number() { b } else { a };
            if matches!(address.kind, Kind::Answer(_)) {
                let is_not = Int::from(matches!(relation, Relation::Equal));
                self.is_not(address, is_not);
            }
            return;
        }
        let ((_, a_hi), (_, b_hi)) = (self.range(a), self.range(b));
        let positive = Term::constant(POSITIVE);
        match relation {
            Relation::Equal => {
                self.order(a, 0, b);
                self.order(b, 0, a);
            }
            Relation::Different => {
                if let Some(n) = self.exact(b) {
                    self.is_not(a, n);
                } else if let Some(n) = self.exact(a) {
                    self.is_not(b, n);
                }
            }
            Relation::Less => self.order(a, 1, b),
            Relation::NotLess => self.order(b, 0, a),
            Relation::SignedLess if a_hi <= POSITIVE => {
                self.order(b, 0, positive);
                self.order(a, 1, b);
            }
            Relation::SignedLess if self.exact(b) == Some(0) => self.order(positive, 1, a),
            Relation::SignedLess => {}
            Relation::SignedNotLess if b_hi <= POSITIVE => {
                self.order(a, 0, positive);
                self.order(b, 0, a);
            }
            Relation::SignedNotLess => {}
        }
    }

    /// Learns that `x` is not `c`.
    fn is_not(&mut self, x: Term, c: Int) {
        let mut fact = self.fact(x.symbol);
        if x.symbol == Symbol::Zero || fact.lo == fact.hi {
            return;
        }
        if fact.lo == c - x.k {
            fact.lo += 1;
        } else if fact.hi == c - x.k {
            fact.hi -= 1;
        }
        if let Some(fact) = fact.rounded() {
            self.facts.insert(x.symbol, fact);
        }
    }

    /// Learns that `a + n <= b`.
    fn order(&mut self, a: Term, n: Int, b: Term) {
        let (v, w) = (a.symbol, b.symbol);
        if v == w {
            return;
        }
        let gap = a.k + n - b.k;
        let slack = self.slack(v).max(self.slack(w) + gap);
        let (below, above) = (self.fact(v), self.fact(w));
        let lower = Fact {
            hi: below.hi.min(above.hi - gap),
            ..below
        };
        let upper = Fact {
            lo: above.lo.max(below.lo + gap),
            ..above
        };
        let (Some(lower), Some(upper)) = (lower.rounded(), upper.rounded()) else {
            return;
        };
        if v != Symbol::Len && lower.lo + slack > self.len().hi {
            return;
        }
        match v {
            Symbol::Zero => self.note_length(slack),
            Symbol::Len => {
                self.facts.insert(v, lower);
            }
            Symbol::Made(_) => {
                let fact = Fact {
                    stored: Some(slack),
                    ..lower
                };
                self.facts.insert(v, fact);
                self.note_length(lower.lo + slack);
            }
        }
        match w {
            Symbol::Zero => {}
            Symbol::Len => self.note_length(upper.lo),
            Symbol::Made(_) => {
                self.facts.insert(w, upper);
                if let Some(stored) = upper.stored {
                    self.note_length(upper.lo + stored);
                }
            }
        }
    }
}
