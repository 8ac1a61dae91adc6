//! Rules about numbers.

use super::{Edit, Folder};
use crate::entity::{Inst, Value};
use crate::op::Op;
use crate::passes::bytes::low_zeros;

impl Folder<'_> {
    pub(super) fn same_operands(op: Op, v: Value) -> Option<Edit> {
        match op {
            Op::Sub | Op::Xor | Op::Ne | Op::Ltu | Op::Lt => Some(Edit::Const(0)),
            Op::Eq | Op::Geu | Op::Ge => Some(Edit::Const(1)),
            Op::And | Op::Or => Some(Edit::Value(v)),
            _ => None,
        }
    }

    /// `number op v` for operations whose operands cannot be exchanged.
    pub(super) fn constant_left(
        &mut self,
        inst: Inst,
        op: Op,
        number: u32,
        v: Value,
    ) -> Option<Edit> {
        match (op, number.checked_add(1)) {
            (Op::Ltu, None) => Some(Edit::Const(0)),
            (Op::Geu, None) => Some(Edit::Const(1)),
            (Op::Ltu, Some(next)) => self.becomes(inst, Op::Geu, v, next),
            (Op::Geu, Some(next)) => self.becomes(inst, Op::Ltu, v, next),
            (Op::Shl | Op::Shr | Op::Sar, _) if number == 0 => Some(Edit::Const(0)),
            _ => None,
        }
    }

    /// `v op number`.
    pub(super) fn constant_right(
        &mut self,
        inst: Inst,
        op: Op,
        v: Value,
        number: u32,
    ) -> Option<Edit> {
        if let Some(edit) = Folder::neutral(op, v, number) {
            return Some(edit);
        }
        let power = number.is_power_of_two().then(|| number.trailing_zeros());
        match (op, power) {
            (Op::Sub, _) => return self.becomes(inst, Op::Add, v, number.wrapping_neg()),
            (Op::Mul, Some(n)) => return self.becomes(inst, Op::Shl, v, n),
            (Op::Divu, Some(n)) => return self.becomes(inst, Op::Shr, v, n),
            (Op::Remu, Some(_)) => return self.becomes(inst, Op::And, v, number - 1),
            (Op::Shl | Op::Shr | Op::Sar, _) if number > 31 => {
                return self.becomes(inst, op, v, number & 31);
            }
            (Op::Ltu, _) if number == 1 => return self.becomes(inst, Op::Eq, v, 0),
            (Op::Geu, _) if number == 1 => return self.becomes(inst, Op::Ne, v, 0),
            (Op::Eq | Op::Ne, _) => {
                if let Some(edit) = self.equality(inst, op, v, number) {
                    return Some(edit);
                }
            }
            (Op::Xor, _) if number == 1 => {
                if let Some((inverse, args)) = self.inverse(v) {
                    return Some(Edit::Op(inverse, args));
                }
            }
            (Op::And, _) if covers(number, self.width(v)) => return Some(Edit::Value(v)),
            (Op::And, _) if number & !low(low_zeros(self.f, v, 4)) == 0 => {
                return Some(Edit::Const(0));
            }
            (Op::Shr, _) if u32::from(self.width(v)) <= number => return Some(Edit::Const(0)),
            _ => {}
        }
        self.chained(inst, op, v, number)
    }

    fn neutral(op: Op, v: Value, number: u32) -> Option<Edit> {
        match (op, number) {
            (Op::Add | Op::Sub | Op::Or | Op::Xor | Op::Shl | Op::Shr | Op::Sar, 0)
            | (Op::Mul | Op::Divu | Op::Div, 1)
            | (Op::And, u32::MAX) => Some(Edit::Value(v)),
            (Op::And | Op::Mul | Op::Mulhu | Op::Ltu, 0) | (Op::Remu | Op::Rem | Op::Mulhu, 1) => {
                Some(Edit::Const(0))
            }
            (Op::Geu, 0) => Some(Edit::Const(1)),
            (Op::Or, u32::MAX) => Some(Edit::Const(number)),
            _ => None,
        }
    }

    /// `(w op' inner) op number`.
    fn chained(&mut self, inst: Inst, op: Op, v: Value, number: u32) -> Option<Edit> {
        let (below, w, inner) = self.by_constant(v)?;
        // The complement of a word is a difference, and one constant is less than two.
        if (op, below) == (Op::Add, Op::Xor)
            && inner & inner.wrapping_add(1) == 0
            && inner >= low(u32::from(self.width(w)))
        {
            let all = self.number(inst, inner.wrapping_add(number));
            return Some(Edit::Op(Op::Sub, vec![all, w]));
        }
        let joined = match (op, below) {
            (Op::Add, Op::Add) => inner.wrapping_add(number),
            (Op::And, Op::And) => inner & number,
            (Op::Or, Op::Or) => inner | number,
            (Op::Xor, Op::Xor) => inner ^ number,
            (Op::Mul, Op::Mul) => inner.wrapping_mul(number),
            (Op::Shl, Op::Shl) | (Op::Shr, Op::Shr) => {
                if inner + number > 31 {
                    return Some(Edit::Const(0));
                }
                inner + number
            }
            // Places are sums of a word and a constant, and shifted lengths stand in them.
            (Op::Shl, Op::Add)
                if self.used_once(v) && (inner as i32).unsigned_abs() << number < 1024 =>
            {
                let shifted = self.with(inst, Op::Shl, w, number);
                return self.becomes(inst, Op::Add, shifted, inner << number);
            }
            // Bits that are set anyway pass the mask or not; the others can be masked first.
            (Op::And, Op::Or) if self.used_once(v) => {
                let masked = self.with(inst, Op::And, w, number);
                return self.becomes(inst, Op::Or, masked, inner & number);
            }
            // The mask keeps all that the shift leaves.
            (Op::And, Op::Shl) if inner < 32 => {
                let possible = low(u32::from(self.width(w))) << inner;
                return (number & possible == possible).then_some(Edit::Value(v));
            }
            // A shift forth and back keeps the upper or lower bits.
            (Op::Shr, Op::Shl) if inner == number => {
                return self.becomes(inst, Op::And, w, u32::MAX >> number);
            }
            (Op::Shl, Op::Shr) if inner == number => {
                return self.becomes(inst, Op::And, w, u32::MAX << number);
            }
            _ => return None,
        };
        self.becomes(inst, op, w, joined)
    }

    /// The comparison that is 1 where `v`, a comparison, is 0.
    fn inverse(&self, v: Value) -> Option<(Op, Vec<Value>)> {
        let def = self.f.def(v)?;
        Some((def.op.inverse()?, def.args.clone()))
    }

    /// `v == number` or `v != number`.
    fn equality(&mut self, inst: Inst, op: Op, v: Value, number: u32) -> Option<Edit> {
        let never = Some(Edit::Const(u32::from(op == Op::Ne)));
        if !covers_number(self.width(v), number) {
            return never;
        }
        if self.width(v) == 1 {
            // `v` is a truth value itself.
            if (op == Op::Ne) == (number == 0) {
                return Some(Edit::Value(v));
            }
            if let Some((inverse, args)) = self.inverse(v) {
                return Some(Edit::Op(inverse, args));
            }
            if number == 1 {
                return self.becomes(inst, op.inverse()?, v, 0);
            }
        }
        if let Some((below, [a, b])) = self.pair(v)
            && number == 0
            && matches!(below, Op::Sub | Op::Xor)
        {
            return Some(Edit::Op(op, vec![a, b]));
        }
        let (below, w, inner) = self.by_constant(v)?;
        match below {
            Op::Add => self.becomes(inst, op, w, number.wrapping_sub(inner)),
            Op::Xor => self.becomes(inst, op, w, number ^ inner),
            Op::And if number & !inner != 0 => never,
            Op::Or if inner & !number != 0 => never,
            Op::And if number == inner && inner.is_power_of_two() => {
                self.becomes(inst, op.inverse()?, v, 0)
            }
            Op::And => self
                .narrow_equality(inst, op, v, number)
                .or_else(|| self.masked_equality(inst, op, w, inner, number)),
            Op::Shl if inner < 32 && number & low(inner) != 0 => never,
            Op::Shl if inner < 32 && u32::from(self.width(w)) + inner <= 32 => {
                self.becomes(inst, op, w, number >> inner)
            }
            Op::Shl => self.narrow_equality(inst, op, v, number),
            _ => None,
        }
    }

    /// `(w & mask) == number`, where the mask is the upper bits that `w` can have, or the lower ones:
    /// shifts take fewer bytes than masks.
    fn masked_equality(
        &mut self,
        inst: Inst,
        op: Op,
        w: Value,
        mask: u32,
        number: u32,
    ) -> Option<Edit> {
        let width = u32::from(self.width(w));
        let all = u32::MAX >> (32 - width);
        let skip = mask.trailing_zeros();
        if self.is_swap(w) || mask == 0 {
            return None;
        }
        if skip > 0 && mask & all == all & !low(skip) && !mask.is_power_of_two() {
            let shifted = self.with(inst, Op::Shr, w, skip);
            return self.becomes(inst, op, shifted, number >> skip);
        }
        let kept = mask.trailing_ones();
        if mask == low(kept) && kept > 11 && kept < width {
            let shifted = self.with(inst, Op::Shl, w, 32 - kept);
            return self.becomes(inst, op, shifted, number << (32 - kept));
        }
        None
    }

    /// A difference in which a word meets itself, as in a checksum that a changed field moves.
    fn difference(&mut self, inst: Inst, a: Value, b: Value) -> Option<Edit> {
        if let Some((Op::Add, [x, y])) = self.pair(a) {
            if x == b {
                return Some(Edit::Value(y));
            }
            if y == b {
                return Some(Edit::Value(x));
            }
        }
        let (Op::Add, [x, y]) = self.pair(b)? else {
            return None;
        };
        let rest = match a {
            _ if a == x => y,
            _ if a == y => x,
            _ => return None,
        };
        let zero = self.number(inst, 0);
        Some(Edit::Op(Op::Sub, vec![zero, rest]))
    }

    /// `a + (0 - x)` is `a - x`.
    fn sum_with_negative(&self, a: Value, b: Value) -> Option<Edit> {
        let negative = |v: Value| match self.pair(v)? {
            (Op::Sub, [zero, x]) if self.f.constant(zero) == Some(0) => Some(x),
            _ => None,
        };
        let (kept, x) = match (negative(a), negative(b)) {
            (_, Some(x)) => (a, x),
            (Some(x), None) => (b, x),
            (None, None) => return None,
        };
        Some(Edit::Op(Op::Sub, vec![kept, x]))
    }

    pub(super) fn pair(&self, v: Value) -> Option<(Op, [Value; 2])> {
        let def = self.f.def(v)?;
        Some((def.op, def.args.as_slice().try_into().ok()?))
    }

    /// Rules for two words of which none is constant.
    pub(super) fn two_words(&mut self, inst: Inst, op: Op, a: Value, b: Value) -> Option<Edit> {
        let edit = match op {
            Op::Add => self.sum_with_negative(a, b),
            Op::Sub => self.difference(inst, a, b),
            Op::Or => self.halves(inst, a, b).or_else(|| self.halves(inst, b, a)),
            _ => None,
        };
        if edit.is_some() {
            return edit;
        }
        let (swap_a, x) = self.def_op(a)?;
        let (swap_b, y) = self.def_op(b)?;
        if swap_a != swap_b || !self.is_swap(a) {
            return None;
        }
        let whole = swap_a == Op::Bswap32 || (self.width(x) <= 16 && self.width(y) <= 16);
        match op {
            Op::Eq | Op::Ne if whole => Some(Edit::Op(op, vec![x, y])),
            Op::And | Op::Or | Op::Xor if self.used_once(a) && self.used_once(b) => {
                let joined = self.emit(inst, op, vec![x, y], 0);
                Some(Edit::Op(swap_a, vec![joined]))
            }
            _ => None,
        }
    }
}

/// The lowest `n` bits.
pub(super) fn low(n: u32) -> u32 {
    1_u32.checked_shl(n).map_or(u32::MAX, |bit| bit - 1)
}

/// Whether a mask keeps all of so many bits.
fn covers(mask: u32, width: u8) -> bool {
    let all = low(u32::from(width));
    mask & all == all
}

fn covers_number(width: u8, number: u32) -> bool {
    number & !low(u32::from(width)) == 0
}
