//! What a branch teaches on either way.
//!
//! In: a branch and the state before it. Out: the state narrowed to the machine states that go one
//! way. Guaranteed: no machine state that goes that way is lost. Only orders that the state can
//! express are learned: of numbers, and of addresses of one region.

use nfl_isa::{Inst, Op};

use crate::lesson::{Lesson, Side, lessons};
use crate::refusal::{Checked, Reason};
use crate::state::{Kind, State, Value};
use crate::transfer::{exact, operand};

/// Addresses this far from the start of their region compare as their offsets do.
const COMPARABLE_MAX: i64 = 1 << 16;

/// The operands of a branch, if they may be compared.
pub(crate) fn operands(state: &State, inst: &Inst) -> Checked<(Value, Value)> {
    let (a, b) = (operand(state, inst.rs1)?, operand(state, inst.rs2)?);
    let equality = matches!(inst.op, Op::Beq | Op::Bne);
    let comparable = match (a.kind(), b.kind()) {
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
        Reason::PointerCompare(*inst).refuse()
    }
}

fn ordered(state: &State, value: Value) -> bool {
    let (lo, hi) = state.range(value);
    lo >= 0 && hi <= COMPARABLE_MAX
}

/// Narrows `state` to what holds when the branch on `a` and `b` is taken, or is not.
pub(crate) fn learn(state: &mut State, op: Op, (a, b): (Value, Value), taken: bool) {
    if let (Kind::Answer(_), other) | (other, Kind::Answer(_)) = (a.kind(), b.kind()) {
        let answer = if other == b.kind() { a } else { b };
        let is_nothing = (op == Op::Beq) == taken;
        state.learn_not(answer, if is_nothing { 1 } else { 0 });
        return;
    }
    if !a.is_like(b) {
        return;
    }
    let value = |side: Side<i64>| match side {
        Side::First => a,
        Side::Second => b,
        Side::Constant(n) => Value::constant(n),
    };
    for lesson in lessons(op, taken, state.range(a), state.range(b)) {
        match lesson {
            Lesson::Nothing => {}
            Lesson::AtMost(less, by, more) => state.learn_at_most(value(less), by, value(more)),
            Lesson::Not(side, c) => state.learn_not(value(side), c),
        }
    }
}

/// Whether the ranges of `a` and `b` let the branch be taken, or not taken.
pub(crate) fn can_be(state: &State, op: Op, (a, b): (Value, Value), taken: bool) -> bool {
    let ((al, ah), (bl, bh)) = (state.range(a), state.range(b));
    !a.is_like(b)
        || match (op, taken) {
            (Op::Beq, true) | (Op::Bne, false) => al <= bh && bl <= ah,
            (Op::Beq, false) | (Op::Bne, true) => al != ah || (al, ah) != (bl, bh),
            (Op::Bltu, true) | (Op::Bgeu, false) => al < bh,
            (Op::Bltu, false) | (Op::Bgeu, true) => bl <= ah,
            _ => true,
        }
}
