//! What an instruction makes of a state.
//!
//! In: a state, an instruction and what is known about the image. Out: the state behind the
//! instruction, and the memory it touches. Guaranteed: when this accepts, the instruction does not
//! fault in any machine state that the abstract one covers, and the new state covers its effect.
//! When it refuses, the state is as it was.

use nfl_abi::image::{LateSlot, Rights};
use nfl_isa::{Inst, Op, Reg};

use crate::call::Import;
use crate::memory;
use crate::range::{self, turn};
use crate::refusal::{Checked, Place, Reason};
use crate::report::Touches;
use crate::state::{
    Kind, LEN, OFFSET_MAX, SIGNED_MAX, State, Value, WORD_MAX, ZERO, common_stride,
};

/// What instructions are judged by besides the state.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) window: i64,
    pub(crate) rights: Rights,
    pub(crate) carried: i64,
    pub(crate) constants: &'a [u8],
    pub(crate) late: &'a [LateSlot],
    pub(crate) imports: &'a [Import],
    /// Words of scratch that every loop around the instruction expects to change, one bit each.
    pub(crate) loop_words: u64,
}

/// What is noted of an instruction that was passed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) touches: Touches,
    /// Steps that a service takes, beside that of the jump to it.
    pub(crate) price: u32,
}

/// Passes one instruction that is not a jump or a branch.
pub(crate) fn step(state: &mut State, inst: &Inst, world: &World) -> Checked<Touches> {
    match inst.op {
        Op::Lb | Op::Lh | Op::Lw | Op::Lbu | Op::Lhu => memory::load(state, inst, world),
        Op::Sb | Op::Sh | Op::Sw => memory::store(state, inst, world),
        Op::Ebreak => finish(state),
        Op::Lui => {
            state.set_reg(inst.rd, immediate(inst));
            Ok(Touches::NONE)
        }
        _ => compute(state, inst),
    }
}

/// What holds behind an instruction of which nothing was proved: most results are numbers. What the proposer takes for
/// true too early, such as an index that has not grown yet, must not spoil what is computed from it.
pub(crate) fn assume(state: &mut State, inst: &Inst) {
    if inst.op.spec().fmt.has_rd() {
        let value = state.some(Kind::Number, memory::width(inst.op));
        state.set_reg(inst.rd, value);
    }
}

/// What a register holds that is about to be read.
pub(crate) fn operand(state: &State, reg: Reg) -> Checked<Value> {
    let value = state.reg(reg);
    match value.kind() {
        Kind::Uninit | Kind::Bytes => Reason::Uninit(Place(reg.0)).refuse(),
        Kind::Answer(bytes) => Ok(match state.range(value) {
            // It has been looked at.
            (1, _) => Value::new(Kind::Value(bytes), ZERO, 0),
            (_, 0) => Value::constant(0),
            _ => value,
        }),
        _ => Ok(value),
    }
}

/// Verdict and operand leave the handler, so no address may.
fn finish(state: &State) -> Checked<Touches> {
    for reg in [Reg::A0, Reg::A1] {
        if operand(state, reg)?.kind() != Kind::Number {
            return Reason::VerdictPointer(reg).refuse();
        }
    }
    Ok(Touches::NONE)
}

fn immediate(inst: &Inst) -> Value {
    Value::constant(i64::from(inst.imm.cast_unsigned()))
}

fn compute(state: &mut State, inst: &Inst) -> Checked<Touches> {
    let a = operand(state, inst.rs1)?;
    let b = if inst.op.spec().fmt.has_rs2() {
        operand(state, inst.rs2)?
    } else {
        immediate(inst)
    };
    let value = match (inst.op, a.kind(), b.kind()) {
        (op, Kind::Answer(_), _) | (op, _, Kind::Answer(_)) => match look(state, op, a, b) {
            Some(value) => value,
            None => return Reason::PointerArithmetic(*inst).refuse(),
        },
        (Op::Add | Op::Addi, Kind::Number, Kind::Number) => add(state, a, b),
        (Op::Sub, Kind::Number, Kind::Number) => subtract(state, a, b),
        (Op::Sh1add, Kind::Number, _) => scaled(state, a, 1, b),
        (Op::Sh2add, Kind::Number, _) => scaled(state, a, 2, b),
        (Op::Sh3add, Kind::Number, _) => scaled(state, a, 3, b),
        (_, Kind::Number, Kind::Number) => number(state, inst.op, a, b),
        (Op::Add | Op::Addi, _, Kind::Number) => move_by(state, a, b, 1),
        (Op::Add, Kind::Number, _) => move_by(state, b, a, 1),
        (Op::Sub, _, Kind::Number) => move_by(state, a, b, -1),
        // Two values are not one region, even where they are of one size.
        (Op::Sub, Kind::Value(_), _) => return Reason::PointerArithmetic(*inst).refuse(),
        (Op::Sub, ka, kb) if ka == kb => distance(state, a, b),
        _ => return Reason::PointerArithmetic(*inst).refuse(),
    };
    if !is_in_reach(state, value) {
        return Reason::PointerArithmetic(*inst).refuse();
    }
    state.set_reg(inst.rd, value);
    Ok(Touches::NONE)
}

/// What can be done with an answer that may be 0: it is copied, or compared with 0.
fn look(state: &mut State, op: Op, a: Value, b: Value) -> Option<Value> {
    match (op, exact(state, a), exact(state, b)) {
        (Op::Add | Op::Addi, _, Some(0)) if b.is_number() => Some(a),
        (Op::Add, Some(0), _) if a.is_number() => Some(b),
        // 1 when there is a value.
        (Op::Sltu, Some(0), _) if a.is_number() => Some(b.of(Kind::Number)),
        (Op::Sltiu, _, Some(1)) if b.is_number() => Some(state.some(Kind::Number, (0, 1))),
        _ => None,
    }
}

/// The number, when there is only one it can be.
pub(crate) fn exact(state: &State, value: Value) -> Option<i64> {
    let (lo, hi) = state.range(value);
    (lo == hi).then_some(lo)
}

/// The same symbol, `by` further, as a word; if only some of its values wrap, any number.
fn shifted(state: &mut State, value: Value, by: i64) -> Value {
    let (lo, hi) = state.range(value);
    match turn((lo + by, hi + by)) {
        Some(turn) => value.of(Kind::Number).moved(by + turn),
        None => state.some(Kind::Number, range::any()),
    }
}

fn add(state: &mut State, a: Value, b: Value) -> Value {
    if let Some(by) = exact(state, b) {
        return shifted(state, a, by);
    }
    if let Some(by) = exact(state, a) {
        return shifted(state, b, by);
    }
    let (ra, rb) = (state.range(a), state.range(b));
    let range = range::apply(Op::Add, ra, rb);
    let slack = (distance_to_end(state, a) - rb.1).max(distance_to_end(state, b) - ra.1);
    let sum = state.some(Kind::Number, range);
    if ra.1 + rb.1 == range.1 {
        state.note_slack(sum.sym(), slack);
        state.note_stride(sum.sym(), common_stride(state.stride(a), state.stride(b)));
    }
    sum
}

fn subtract(state: &mut State, a: Value, b: Value) -> Value {
    if a.sym() == b.sym() {
        return shifted(state, Value::constant(0), a.k - b.k);
    }
    if let Some(by) = exact(state, b) {
        return shifted(state, a, -by);
    }
    let (ra, rb) = (state.range(a), state.range(b));
    // `length - b` is no less than what is known to lie between `b` and the packet's end.
    let least = if a.sym() == LEN {
        distance_to_end(state, b) + a.k
    } else {
        ra.0 - rb.1
    };
    let difference = (least.max(ra.0 - rb.1), ra.1 - rb.0);
    let Some(turn) = turn(difference).filter(|_| difference.0 <= difference.1) else {
        return state.some(Kind::Number, range::any());
    };
    let slack = distance_to_end(state, a) + rb.0;
    let value = state.some(Kind::Number, (difference.0 + turn, difference.1 + turn));
    if turn == 0 {
        state.note_slack(value.sym(), slack);
    }
    value
}

/// The largest known `s` with `value + s <= length of the packet`.
pub(crate) fn distance_to_end(state: &State, value: Value) -> i64 {
    state.slack(value.sym()) - value.k
}

/// An element's place: a number that is shifted, added to a number or an address.
fn scaled(state: &mut State, index: Value, shift: i64, base: Value) -> Value {
    let by = combine(state, Op::Slli, index, Value::constant(shift));
    match base.kind() {
        Kind::Number => add(state, by, base),
        _ => move_by(state, base, by, 1),
    }
}

/// All other operations on numbers. Those that are one or two of the others with constants follow their rules.
fn number(state: &mut State, op: Op, a: Value, b: Value) -> Value {
    let bit = || exact(state, b).map(|amount| 1 << (amount & 31));
    let same = match op {
        Op::Zexth => Some((Op::And, 0xffff)),
        Op::Bclr | Op::Bclri => bit().map(|bit| (Op::And, WORD_MAX - bit)),
        Op::Bset | Op::Bseti => bit().map(|bit| (Op::Or, bit)),
        Op::Binv | Op::Binvi => bit().map(|bit| (Op::Xor, bit)),
        Op::Sextb => return extended(state, a, 24),
        Op::Sexth => return extended(state, a, 16),
        _ => None,
    };
    let (op, b) = same.map_or((op, b), |(op, n)| (op, Value::constant(n)));
    combine(state, op, a, b)
}

/// The low bits of a number as a signed one: those above them are shifted out and come back as signs.
fn extended(state: &mut State, a: Value, shift: i64) -> Value {
    let high = combine(state, Op::Slli, a, Value::constant(shift));
    combine(state, Op::Srai, high, Value::constant(shift))
}

/// Operations that have a rule for their range.
fn combine(state: &mut State, op: Op, a: Value, b: Value) -> Value {
    let (ra, rb) = (state.range(a), state.range(b));
    if matches!(op, Op::Andi | Op::And) {
        if range::is_kept(ra, rb) {
            return a;
        }
        if range::is_kept(rb, ra) {
            return b;
        }
    }
    let range = range::apply(op, ra, rb);
    let slack = match op {
        // No more than either.
        Op::Minu => distance_to_end(state, a).max(distance_to_end(state, b)),
        _ => distance_to_end(state, a),
    };
    let stride = range::stride(op, ra, state.stride(a), rb);
    let result = state.some(Kind::Number, range);
    if range::lowers(op, rb) && range.1 <= ra.1 {
        state.note_slack(result.sym(), slack);
    }
    state.note_stride(result.sym(), stride);
    result
}

/// An address moved forward or back by a number. A number that stands for a negative one moves it
/// the other way.
fn move_by(state: &mut State, address: Value, by: Value, sign: i64) -> Value {
    if let Some(by) = exact(state, by) {
        let by = if by > SIGNED_MAX {
            by - (WORD_MAX + 1)
        } else {
            by
        };
        return address.moved(sign * by);
    }
    if address.sym() == ZERO && sign > 0 {
        return by.of(address.kind()).moved(address.k);
    }
    let (from, by_range) = (state.range(address), state.range(by));
    let (range, slack) = if sign > 0 {
        let slack =
            (distance_to_end(state, address) - by_range.1).max(distance_to_end(state, by) - from.1);
        ((from.0 + by_range.0, from.1 + by_range.1), slack)
    } else {
        (
            (from.0 - by_range.1, from.1 - by_range.0),
            distance_to_end(state, address) + by_range.0,
        )
    };
    let stride = common_stride(state.stride(address), state.stride(by));
    let moved = state.some(address.kind(), range);
    state.note_slack(moved.sym(), slack);
    state.note_stride(moved.sym(), stride);
    moved
}

/// How far two addresses of one region are apart, as a word.
fn distance(state: &mut State, a: Value, b: Value) -> Value {
    if a.sym() == b.sym() {
        return shifted(state, Value::constant(0), a.k - b.k);
    }
    if let Some(by) = exact(state, b) {
        return shifted(state, a, -by);
    }
    let (ra, rb) = (state.range(a), state.range(b));
    let difference = (ra.0 - rb.1, ra.1 - rb.0);
    match turn(difference) {
        Some(turn) => state.some(Kind::Number, (difference.0 + turn, difference.1 + turn)),
        None => state.some(Kind::Number, range::any()),
    }
}

/// Addresses stay near their region, so that their sums never leave the integers used here.
fn is_in_reach(state: &State, value: Value) -> bool {
    let (lo, hi) = state.range(value);
    lo >= -OFFSET_MAX && hi <= OFFSET_MAX
}
