//! What a branch teaches on either way.
//!
//! In: a branch and the state before it. Out: the state narrowed to the machine states that go one
//! way. Guaranteed: no machine state that goes that way is lost. Only orders that the state can
//! express are learned: of numbers, and of addresses of one region.

use nfl_isa::{Inst, Op};

use crate::range::SIGNED_MAX;
use crate::refusal::Reason;
use crate::state::{Kind, State, Value};
use crate::transfer::{exact, operand};

/// Addresses this far from the start of their region compare as their offsets do.
const COMPARABLE_MAX: i64 = 1 << 16;

/// The operands of a branch, if they may be compared.
pub(crate) fn operands(state: &State, inst: &Inst) -> Result<(Value, Value), Reason> {
    let (a, b) = (operand(state, inst.rs1)?, operand(state, inst.rs2)?);
    let equality = matches!(inst.op, Op::Beq | Op::Bne);
    let comparable = match (a.kind, b.kind) {
        (Kind::Number, Kind::Number) => true,
        // Nothing found, or something.
        (Kind::Answer(_), Kind::Number) => equality && exact(state, b) == Some(0),
        (Kind::Number, Kind::Answer(_)) => equality && exact(state, a) == Some(0),
        // An address near its region differs from 0, but this teaches nothing new.
        (Kind::Number, _) => equality && exact(state, a) == Some(0) && ordered(state, b),
        (_, Kind::Number) => equality && exact(state, b) == Some(0) && ordered(state, a),
        (Kind::Value(_) | Kind::Answer(_), _) => false,
        (ka, kb) => {
            ka == kb
                && !matches!(inst.op, Op::Blt | Op::Bge)
                && ordered(state, a)
                && ordered(state, b)
        }
    };
    if comparable {
        Ok((a, b))
    } else {
        Err(Reason::PointerCompare(*inst))
    }
}

fn ordered(state: &State, value: Value) -> bool {
    let (lo, hi) = state.range(value);
    lo >= 0 && hi <= COMPARABLE_MAX
}

/// Narrows `state` to what holds when the branch on `a` and `b` is taken, or is not.
pub(crate) fn learn(state: &mut State, op: Op, (a, b): (Value, Value), taken: bool) {
    if let (Kind::Answer(_), other) | (other, Kind::Answer(_)) = (a.kind, b.kind) {
        let answer = if other == b.kind { a } else { b };
        let is_nothing = (op == Op::Beq) == taken;
        state.learn_not(answer, if is_nothing { 1 } else { 0 });
        return;
    }
    if a.kind != b.kind {
        return;
    }
    match (op, taken) {
        (Op::Beq, true) | (Op::Bne, false) => {
            state.learn_at_most(a, 0, b);
            state.learn_at_most(b, 0, a);
        }
        (Op::Beq, false) | (Op::Bne, true) => {
            if let Some(c) = exact(state, b) {
                state.learn_not(a, c);
            } else if let Some(c) = exact(state, a) {
                state.learn_not(b, c);
            }
        }
        (Op::Bltu, true) | (Op::Bgeu, false) => state.learn_at_most(a, 1, b),
        (Op::Bltu, false) | (Op::Bgeu, true) => state.learn_at_most(b, 0, a),
        (Op::Blt, true) | (Op::Bge, false) => signed_less(state, a, b),
        (Op::Blt, false) | (Op::Bge, true) => signed_at_most(state, b, a),
        _ => {}
    }
}

/// Whether the ranges of `a` and `b` let the branch be taken, or not taken.
pub(crate) fn can_be(state: &State, op: Op, (a, b): (Value, Value), taken: bool) -> bool {
    let ((al, ah), (bl, bh)) = (state.range(a), state.range(b));
    a.kind != b.kind
        || match (op, taken) {
            (Op::Beq, true) | (Op::Bne, false) => al <= bh && bl <= ah,
            (Op::Beq, false) | (Op::Bne, true) => al != ah || (al, ah) != (bl, bh),
            (Op::Bltu, true) | (Op::Bgeu, false) => al < bh,
            (Op::Bltu, false) | (Op::Bgeu, true) => bl <= ah,
            _ => true,
        }
}

/// `a < b` as signed numbers. If `a` is not negative, `b` is not, and words order them alike.
fn signed_less(state: &mut State, a: Value, b: Value) {
    if state.range(a).1 <= SIGNED_MAX {
        state.learn_at_most(b, 0, Value::constant(SIGNED_MAX));
        state.learn_at_most(a, 1, b);
    } else if exact(state, b) == Some(0) {
        state.learn_at_most(Value::constant(SIGNED_MAX), 1, a);
    }
}

/// `a <= b` as signed numbers.
fn signed_at_most(state: &mut State, a: Value, b: Value) {
    if state.range(a).1 <= SIGNED_MAX {
        state.learn_at_most(b, 0, Value::constant(SIGNED_MAX));
        state.learn_at_most(a, 0, b);
    }
}
