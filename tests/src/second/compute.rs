//! Section 8, "Computing": results of sums, differences and other operations.
//!
//! In: an instruction and a state. Out: what it writes, and what the state knows about that.

use nfl_isa::{Fmt, Inst, Op};

use super::range::{exact_result, power_of_two_below, range};
use super::state::{Kind, State, Symbol, Term, gcd};
use super::{FAR, Int, M, refuse, require};

/// One more than the largest word.
const WORDS: Int = M + 1;

/// What an instruction that computes writes.
pub(super) fn result(state: &mut State, inst: &Inst) -> Result<Term, String> {
    let imm = Int::from(inst.imm).rem_euclid(WORDS);
    if inst.op == Op::Lui {
        return Ok(Term::constant(imm));
    }
    let a = state.read(inst.rs1.0)?;
    let b = match inst.op.spec().fmt {
        Fmt::R => state.read(inst.rs2.0)?,
        _ => Term::constant(imm),
    };
    of(state, plain(inst.op), a, b, inst.op)
}

/// The operation that an instruction with an immediate does.
fn plain(op: Op) -> Op {
    match op {
        Op::Addi => Op::Add,
        Op::Slti => Op::Slt,
        Op::Sltiu => Op::Sltu,
        Op::Xori => Op::Xor,
        Op::Ori => Op::Or,
        Op::Andi => Op::And,
        Op::Slli => Op::Sll,
        Op::Srli => Op::Srl,
        Op::Srai => Op::Sra,
        Op::Rori => Op::Ror,
        Op::Bclri => Op::Bclr,
        Op::Bexti => Op::Bext,
        Op::Binvi => Op::Binv,
        Op::Bseti => Op::Bset,
        op => op,
    }
}

fn of(state: &mut State, op: Op, a: Term, b: Term, named: Op) -> Result<Term, String> {
    let is_answer = |x: Term| matches!(x.kind, Kind::Answer(_));
    let is = |state: &State, x: Term, n| x.is_number() && state.exact(x) == Some(n);
    if is_answer(a) || is_answer(b) {
        return match named {
            Op::Add | Op::Addi if is_answer(a) && is(state, b, 0) => Ok(a),
            Op::Add if is(state, a, 0) => Ok(b),
            Op::Sltu if is(state, a, 0) => Ok(b.of(Kind::Number)),
            Op::Sltiu if is(state, b, 1) => Ok(state.some(Kind::Number, (0, 1))),
            _ => refuse("a sum with what may be no address"),
        };
    }
    let result = match (op, a.is_number(), b.is_number()) {
        (Op::Add, true, true) => return Ok(sum(state, a, b)),
        (Op::Sub, true, true) => return Ok(difference(state, a, b)),
        (Op::Sh1add | Op::Sh2add | Op::Sh3add, true, is_number) => {
            let by = match op {
                Op::Sh1add => 1,
                Op::Sh2add => 2,
                _ => 3,
            };
            let index = operation(state, Op::Sll, a, Term::constant(by));
            if is_number {
                return Ok(sum(state, index, b));
            }
            moved_up(state, b, index)
        }
        (_, true, true) => return Ok(numbers(state, op, a, b)),
        (Op::Add, false, true) => moved_up(state, a, b),
        (Op::Add, true, false) => moved_up(state, b, a),
        (Op::Sub, false, true) => moved_down(state, a, b),
        (Op::Sub, false, false) if a.kind == b.kind && !matches!(a.kind, Kind::Value(_)) => {
            distance(state, a, b)
        }
        _ => return refuse(format!("{op:?} of an address")),
    };
    let (lo, hi) = state.range(result);
    require(-FAR <= lo && hi <= FAR, "an address too far away")?;
    Ok(result)
}

/// What has to be added so that a range becomes one of words.
fn turn((lo, hi): (Int, Int)) -> Option<Int> {
    let turns = lo.div_euclid(WORDS);
    (turns == hi.div_euclid(WORDS)).then_some(-turns * WORDS)
}

fn any_number(state: &mut State) -> Term {
    state.some(Kind::Number, (0, M))
}

fn shifted(state: &mut State, x: Term, n: Int) -> Term {
    let (lo, hi) = state.range(x);
    match turn((lo + n, hi + n)) {
        Some(t) => x.of(Kind::Number).plus(n + t),
        None => any_number(state),
    }
}

fn sum(state: &mut State, a: Term, b: Term) -> Term {
    if let Some(n) = state.exact(b) {
        return shifted(state, a, n);
    }
    if let Some(n) = state.exact(a) {
        return shifted(state, b, n);
    }
    let ((_, a_hi), (_, b_hi)) = (state.range(a), state.range(b));
    let slack = (state.dist(a) - b_hi).max(state.dist(b) - a_hi);
    let stride = gcd(state.div(a), state.div(b));
    let range = range(Op::Add, state.range(a), state.range(b));
    let result = state.some(Kind::Number, range);
    if a_hi + b_hi <= M {
        state.note_slack(result.symbol, slack);
        state.note_stride(result.symbol, stride);
    }
    result
}

fn difference(state: &mut State, a: Term, b: Term) -> Term {
    if a.symbol == b.symbol {
        return Term::constant((a.k - b.k).rem_euclid(WORDS));
    }
    if let Some(n) = state.exact(b) {
        return shifted(state, a, -n);
    }
    let ((a_lo, a_hi), (b_lo, b_hi)) = (state.range(a), state.range(b));
    let by_ranges = a_lo - b_hi;
    let least = match a.symbol {
        Symbol::Len => by_ranges.max(state.dist(b) + a.k),
        _ => by_ranges,
    };
    let most = a_hi - b_lo;
    let slack = state.dist(a) + b_lo;
    match turn((least, most)) {
        Some(t) if least <= most => {
            let result = state.some(Kind::Number, (least + t, most + t));
            if t == 0 {
                state.note_slack(result.symbol, slack);
            }
            result
        }
        _ => any_number(state),
    }
}

/// How far one address is behind another.
fn distance(state: &mut State, a: Term, b: Term) -> Term {
    if a.symbol == b.symbol {
        return Term::constant((a.k - b.k).rem_euclid(WORDS));
    }
    if let Some(n) = state.exact(b) {
        return shifted(state, a, -n);
    }
    let ((a_lo, a_hi), (b_lo, b_hi)) = (state.range(a), state.range(b));
    let (least, most) = (a_lo - b_hi, a_hi - b_lo);
    match turn((least, most)) {
        Some(t) => state.some(Kind::Number, (least + t, most + t)),
        None => any_number(state),
    }
}

/// A number as a displacement with a sign.
fn signed(n: Int) -> Int {
    if n > M / 2 { n - WORDS } else { n }
}

fn moved_up(state: &mut State, p: Term, n: Term) -> Term {
    if let Some(by) = state.exact(n) {
        return p.plus(signed(by));
    }
    if p.symbol == Symbol::Zero {
        return n.of(p.kind).plus(p.k);
    }
    let ((p_lo, p_hi), (n_lo, n_hi)) = (state.range(p), state.range(n));
    let slack = (state.dist(p) - n_hi).max(state.dist(n) - p_hi);
    let range = (p_lo + n_lo, p_hi + n_hi);
    displaced(state, (p, n), range, slack)
}

fn moved_down(state: &mut State, p: Term, n: Term) -> Term {
    if let Some(by) = state.exact(n) {
        return p.plus(-signed(by));
    }
    let ((p_lo, p_hi), (n_lo, n_hi)) = (state.range(p), state.range(n));
    let slack = state.dist(p) + n_lo;
    let range = (p_lo - n_hi, p_hi - n_lo);
    displaced(state, (p, n), range, slack)
}

fn displaced(state: &mut State, (p, n): (Term, Term), range: (Int, Int), slack: Int) -> Term {
    let stride = gcd(state.div(p), state.div(n));
    let result = state.some(p.kind, range);
    state.note_slack(result.symbol, slack);
    state.note_stride(result.symbol, stride);
    result
}

/// Whether a mask of the lowest bits leaves a number as it is.
fn is_kept(state: &State, x: Term, mask: Term) -> bool {
    let (_, hi) = state.range(x);
    let mask = state.exact(mask);
    mask.is_some_and(|mask| (mask + 1).count_ones() == 1 && hi <= mask)
}

/// Operations that are told by others, and those others.
fn numbers(state: &mut State, op: Op, a: Term, b: Term) -> Term {
    let one = |op, n| (op, Term::constant(n));
    let bit = state.exact(b).map(|n| 1 << (n % 32));
    let (op, b) = match (op, bit) {
        (Op::Sextb | Op::Sexth, _) => {
            let by = Term::constant(if op == Op::Sextb { 24 } else { 16 });
            let high = operation(state, Op::Sll, a, by);
            return operation(state, Op::Sra, high, by);
        }
        (Op::Zexth, _) => one(Op::And, 0xffff),
        (Op::Bclr, Some(bit)) => one(Op::And, M - bit),
        (Op::Bset, Some(bit)) => one(Op::Or, bit),
        (Op::Binv, Some(bit)) => one(Op::Xor, bit),
        _ => (op, b),
    };
    operation(state, op, a, b)
}

fn operation(state: &mut State, op: Op, a: Term, b: Term) -> Term {
    if op == Op::And && is_kept(state, a, b) {
        return a;
    }
    if op == Op::And && is_kept(state, b, a) {
        return b;
    }
    let ((_, a_hi), (b_lo, _)) = (state.range(a), state.range(b));
    let both = state.exact(a).zip(state.exact(b));
    let (lo, hi) = match both {
        Some((a, b)) => {
            let result = exact_result(op, a, b);
            (result, result)
        }
        None => range(op, state.range(a), state.range(b)),
    };
    let slack = match op {
        Op::Minu => state.dist(a).max(state.dist(b)),
        _ => state.dist(a),
    };
    let stride = stride(state, op, a, b);
    let result = state.some(Kind::Number, (lo, hi));
    let lessens = match op {
        Op::And | Op::Andn | Op::Srl | Op::Remu | Op::Minu => true,
        Op::Divu => b_lo > 0,
        _ => false,
    };
    if lessens && hi <= a_hi {
        state.note_slack(result.symbol, slack);
    }
    state.note_stride(result.symbol, stride);
    result
}

fn stride(state: &State, op: Op, a: Term, b: Term) -> Int {
    let Some(n) = state.exact(b) else {
        return 1;
    };
    let factor = match op {
        Op::And if n != 0 => return power_of_two_below(n, 31),
        Op::Sll => 1 << (n % 32),
        Op::Mul => n,
        _ => return 1,
    };
    let (_, hi) = state.range(a);
    let multiple = state.div(a) * factor;
    if hi * factor <= M {
        multiple
    } else {
        power_of_two_below(multiple, 31)
    }
}
