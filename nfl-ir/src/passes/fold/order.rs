//! Rules about the order and the place of bytes.
//!
//! A packet field is a load, maybe a swap, maybe a shift and a mask. What is asked of it in the end is
//! often one byte, or an equality, and then the swap disappears into a constant and the load shrinks.

use super::rules::low;
use super::{Edit, Folder};
use crate::entity::{Inst, Value};
use crate::func::{Origin, Region};
use crate::op::{Effect, Op};
use crate::passes::bytes::{narrower, swapped};

/// Words that are looked through for a bit.
const WORDS_MAX: usize = 8;

impl Folder<'_> {
    pub(super) fn is_swap(&self, v: Value) -> bool {
        matches!(self.def_op(v), Some((Op::Bswap16 | Op::Bswap32, _)))
    }

    /// A swap of `a`.
    pub(super) fn swap(&mut self, inst: Inst, op: Op, a: Value) -> Option<Edit> {
        if let Some((below, w)) = self.def_op(a)
            && below == op
        {
            return match op {
                Op::Bswap32 => Some(Edit::Value(w)),
                _ if self.width(w) <= 16 => Some(Edit::Value(w)),
                _ => self.becomes(inst, Op::And, w, 0xffff),
            };
        }
        if let Some((Op::And, w, mask)) = self.by_constant(a)
            && op == Op::Bswap16
            && mask & 0xffff == 0xffff
        {
            return Some(Edit::Op(op, vec![w]));
        }
        None
    }

    /// `v op number` where `v` is made from bytes.
    pub(super) fn bytes_of(&mut self, inst: Inst, op: Op, v: Value, number: u32) -> Option<Edit> {
        let def = self.f.def(v)?;
        // Loads from fixed places have no operand.
        let (below, w) = (def.op, def.args.first().copied().unwrap_or(v));
        match (op, below) {
            (Op::Eq | Op::Ne, Op::Bswap16 | Op::Bswap32) => {
                self.swapped_equality(inst, op, below, w, number)
            }
            (Op::Eq | Op::Ne, _) => self.shifted_equality(inst, op, v, number),
            (Op::Shr, Op::Bswap16 | Op::Bswap32) => self.shifted_swap(inst, below, w, number),
            (Op::And, Op::Bswap16 | Op::Bswap32) => self.masked_swap(inst, v, below, w, number),
            (Op::Or | Op::Xor, Op::Bswap16 | Op::Bswap32)
                if self.used_once(v) && (below == Op::Bswap32 || number <= 0xffff) =>
            {
                let inner = self.with(inst, op, w, swapped(below, number));
                Some(Edit::Op(below, vec![inner]))
            }
            (Op::Shr, _) => {
                let load = self.narrow(v, u32::MAX << number)?;
                self.becomes(inst, Op::Shr, v, number - 8 * load)
            }
            (Op::And, _) => self.masked_bytes(inst, v, number),
            _ => None,
        }
    }

    /// `swap(w) == number`.
    fn swapped_equality(
        &mut self,
        inst: Inst,
        op: Op,
        swap: Op,
        w: Value,
        number: u32,
    ) -> Option<Edit> {
        let number = swapped(swap, number);
        if swap == Op::Bswap32 || self.width(w) <= 16 {
            return self.becomes(inst, op, w, number);
        }
        let w = self.with(inst, Op::And, w, 0xffff);
        self.becomes(inst, op, w, number)
    }

    /// For `(swap(x) | swap(y) ^ n | ...) == 0` the same bits in another order: whether there is one does not depend on it.
    /// Words that are numbers too stay as they are: what this says of them would be lost.
    pub(super) fn any_bit(&mut self, inst: Inst) -> Option<Value> {
        let &[v, zero] = self.f.insts[inst].args.as_slice() else {
            return None;
        };
        let is_zero = self.f.constant(zero) == Some(0);
        self.pair(v).filter(|(op, _)| is_zero && *op == Op::Or)?;
        let mut words: Vec<(Value, Option<u32>)> = Vec::new();
        let mut swapped = false;
        let mut work = vec![v];
        while let Some(v) = work.pop() {
            let room = words.len() + work.len() + 2 <= WORDS_MAX;
            if let Some((Op::Or, [a, b])) = self.pair(v).filter(|_| room) {
                work.extend([b, a]);
                continue;
            }
            let word = self.bits_of(v);
            swapped |= word.is_some();
            words.push(word.unwrap_or((v, None)));
        }
        if !swapped {
            return None;
        }
        let words = words.into_iter().map(|(w, number)| match number {
            Some(number) => self.with(inst, Op::Xor, w, number),
            None => w,
        });
        let words: Vec<Value> = words.collect();
        let mut words = words.into_iter();
        let first = words.next()?;
        Some(words.fold(first, |all, w| self.emit(inst, Op::Or, vec![all, w], 0)))
    }

    /// A word, and a number to combine it with, which have the bits of this one in another order.
    fn bits_of(&self, v: Value) -> Option<(Value, Option<u32>)> {
        let (v, number) = match self.by_constant(v) {
            Some((Op::Xor, v, number)) => (v, Some(number)),
            _ => (v, None),
        };
        let (swap, w) = self.def_op(v).filter(|_| !self.counted[v])?;
        let fits = match swap {
            Op::Bswap32 => true,
            Op::Bswap16 => self.width(w) <= 16 && number.is_none_or(|n| n <= 0xffff),
            _ => false,
        };
        fits.then(|| (w, number.map(|n| swapped(swap, n))))
    }

    /// `(swap(w) >> n & mask) == number`: as a mask the shift can move into the swap.
    fn shifted_equality(&mut self, inst: Inst, op: Op, v: Value, number: u32) -> Option<Edit> {
        let (v, mask) = match self.by_constant(v)? {
            (Op::And, v, mask) => (v, mask),
            _ => (v, u32::MAX),
        };
        let (Op::Shr, w, n) = self.by_constant(v)? else {
            return None;
        };
        if !self.is_swap(w) || n > 31 || number > u32::MAX >> n {
            return None;
        }
        let all = low(u32::from(self.width(w)));
        let masked = self.with(inst, Op::And, w, all & mask << n);
        self.becomes(inst, op, masked, number << n)
    }

    /// `swap(w) >> n` where what remains lies in the upper half.
    fn shifted_swap(&mut self, inst: Inst, swap: Op, w: Value, n: u32) -> Option<Edit> {
        match (swap, n) {
            (Op::Bswap16, 8..16) => {
                let byte = self.with(inst, Op::And, w, 0xff);
                self.becomes(inst, Op::Shr, byte, n - 8)
            }
            (Op::Bswap32, 24..32) => {
                let byte = self.with(inst, Op::And, w, 0xff);
                self.becomes(inst, Op::Shr, byte, n - 24)
            }
            (Op::Bswap32, 16..24) => {
                let half = self.emit(inst, Op::Bswap16, vec![w], 0);
                self.becomes(inst, Op::Shr, half, n - 16)
            }
            _ => None,
        }
    }

    /// `swap(w) & mask`.
    fn masked_swap(&mut self, inst: Inst, v: Value, swap: Op, w: Value, mask: u32) -> Option<Edit> {
        let (byte, half) = match swap {
            Op::Bswap16 => (8, None),
            _ => (24, Some(16)),
        };
        if mask <= 0xff && (swap == Op::Bswap32 || self.width(w) <= 16) {
            let byte = self.with(inst, Op::Shr, w, byte);
            return self.becomes(inst, Op::And, byte, mask);
        }
        if let Some(half) = half.filter(|_| mask <= 0xffff) {
            let half = self.with(inst, Op::Shr, w, half);
            let half = self.emit(inst, Op::Bswap16, vec![half], 0);
            return self.becomes(inst, Op::And, half, mask);
        }
        if !self.used_once(v) || swap == Op::Bswap16 && mask > 0xffff {
            return None;
        }
        let inner = self.with(inst, Op::And, w, swapped(swap, mask));
        Some(Edit::Op(swap, vec![inner]))
    }

    /// `v & mask` where `v` is a load, a shifted load, or a swap that was shifted.
    fn masked_bytes(&mut self, inst: Inst, v: Value, mask: u32) -> Option<Edit> {
        if mask <= 0xff && self.narrow(v, 0xff).is_some()
            || mask <= 0xffff && self.narrow(v, 0xffff).is_some()
        {
            return self.becomes(inst, Op::And, v, mask);
        }
        let (Op::Shr, w, n) = self.by_constant(v)? else {
            return None;
        };
        let bits = mask.checked_shl(n).filter(|bits| bits >> n == mask)?;
        if let Some((swap @ (Op::Bswap16 | Op::Bswap32), x)) = self.def_op(w) {
            // One byte of the swapped word is one byte of the word.
            let bytes = if swap == Op::Bswap16 { 2 } else { 4 };
            let byte = bits.trailing_zeros() / 8;
            if bits & !(0xff << (8 * byte)) != 0 || byte >= bytes {
                return None;
            }
            let there = self.with(inst, Op::Shr, x, 8 * (bytes - 1 - byte));
            let there = self.with(inst, Op::And, there, 0xff);
            let shifted = self.shifted(inst, there, n, 8 * byte);
            return self.becomes(inst, Op::And, shifted, mask);
        }
        if !self.used_once(v) {
            return None;
        }
        let skipped = self.narrow(w, bits)?;
        let shifted = self.shifted(inst, w, n, 8 * skipped);
        self.becomes(inst, Op::And, shifted, mask)
    }

    /// `v >> n` when `v` lacks its lowest bits already, maybe more than are to go.
    fn shifted(&mut self, inst: Inst, v: Value, n: u32, gone: u32) -> Value {
        match n.checked_sub(gone) {
            Some(n) => self.with(inst, Op::Shr, v, n),
            None => self.with(inst, Op::Shl, v, gone - n),
        }
    }

    /// `(load & mask) == number`: only the bytes under the mask are needed.
    pub(super) fn narrow_equality(
        &mut self,
        inst: Inst,
        op: Op,
        v: Value,
        number: u32,
    ) -> Option<Edit> {
        if !self.used_once(v) {
            return None;
        }
        let (w, mask) = match self.by_constant(v)? {
            (Op::And, w, mask) => (w, mask),
            (Op::Shl, w, n @ 0..32) => {
                self.narrow(w, u32::MAX >> n)
                    .filter(|&skipped| skipped == 0)?;
                return self.becomes(inst, op, w, number >> n);
            }
            _ => return None,
        };
        let skipped = self.narrow(w, mask)?;
        let masked = self.with(inst, Op::And, w, mask >> (8 * skipped));
        self.becomes(inst, op, masked, number >> (8 * skipped))
    }

    /// `low | high << 16` of half-words that lie one behind the other is the word that they are.
    pub(super) fn halves(&mut self, inst: Inst, low: Value, high: Value) -> Option<Edit> {
        let (Op::Shl, high, 16) = self.by_constant(high)? else {
            return None;
        };
        let (first, second) = (self.recent_load(low)?, self.recent_load(high)?);
        let (a, b) = (&self.f.insts[first], &self.f.insts[second]);
        let adjacent = a.region == b.region && a.args == b.args && b.imm == a.imm.wrapping_add(2);
        if !adjacent || !matches!(a.region, Some(Region::Packet | Region::Value)) {
            return None;
        }
        let (region, imm, args) = (a.region, a.imm, a.args.clone());
        let data = &mut self.f.insts[inst];
        data.op = Op::Load32;
        data.region = region;
        data.imm = imm;
        data.args = args;
        Some(Edit::Again)
    }

    /// The load of a half-word that is used once, if it stands in this block and nothing was written since.
    fn recent_load(&self, v: Value) -> Option<Inst> {
        let Origin::Inst(load) = self.f.values[v].origin else {
            return None;
        };
        let at = self.out.iter().rposition(|&i| i == load)?;
        let reads = |&i: &Inst| {
            matches!(
                self.f.insts[i].op.spec().effect,
                Effect::Pure | Effect::Read
            )
        };
        let quiet = self.out[at..].iter().all(reads);
        (quiet && self.used_once(v) && self.f.insts[load].op == Op::Load16).then_some(load)
    }

    /// Shrinks a load that is used once to the bytes that hold these bits; answers how many bytes
    /// are skipped. The load stays where it is, so no store comes between.
    fn narrow(&mut self, v: Value, bits: u32) -> Option<u32> {
        let Origin::Inst(load) = self.f.values[v].origin else {
            return None;
        };
        let data = &self.f.insts[load];
        // Bytes of local arrays and of the carried area are loaded as they were stored.
        let packet = matches!(
            data.region,
            Some(Region::Packet | Region::Data(_) | Region::Value)
        );
        if !data.op.has_result() || !packet || !self.used_once(v) {
            return None;
        }
        let bits = bits & low(8 * u32::from(data.op.spec().bytes));
        let (op, skipped) = narrower(data.op, bits)?;
        let data = &mut self.f.insts[load];
        data.op = op;
        data.imm = data.imm.wrapping_add(skipped);
        self.f.values[v].width = op.natural_width();
        Some(skipped)
    }
}
