//! What folding knows about bytes: how wide words are, and where in a load a bit comes from.

use crate::entity::Value;
use crate::func::Function;
use crate::op::Op;

/// Bits that a word has at most, by the operations that made it; at least 1.
pub(crate) fn width(f: &Function, v: Value, depth: u8) -> u8 {
    let Some(def) = f.def(v) else {
        return 32;
    };
    let arg = |at: usize| match depth.checked_sub(1) {
        Some(depth) => width(f, def.args[at], depth),
        None => 32,
    };
    let by = def.args.get(1).and_then(|&n| f.constant(n));
    match (def.op, by) {
        (Op::Const, _) => (32 - def.imm.leading_zeros()).max(1) as u8,
        (Op::And, _) => arg(0).min(arg(1)),
        (Op::Or | Op::Xor, _) => arg(0).max(arg(1)),
        (Op::Shr, Some(n @ 0..32)) => arg(0).saturating_sub(n as u8).max(1),
        (Op::Shl, Some(n @ 0..32)) => (arg(0) + n as u8).min(32),
        (Op::Shr | Op::Divu, _) => arg(0),
        (Op::Remu, _) => arg(0).min(arg(1)),
        (op, _) => op.natural_width(),
    }
}

/// Low bits of a word that are 0, by the operations that made it: header lengths are multiples of four.
pub(crate) fn low_zeros(f: &Function, v: Value, depth: u8) -> u32 {
    let Some(def) = f.def(v) else {
        return 0;
    };
    let arg = |at: usize| match depth.checked_sub(1) {
        Some(depth) => low_zeros(f, def.args[at], depth),
        None => 0,
    };
    let by = def.args.get(1).and_then(|&n| f.constant(n));
    match (def.op, by) {
        (Op::Const, _) => def.imm.trailing_zeros(),
        (Op::Shl, Some(n @ 0..32)) => (arg(0) + n).min(32),
        (Op::Add | Op::Sub | Op::Or | Op::Xor, _) => arg(0).min(arg(1)),
        (Op::And, _) => arg(0).max(arg(1)),
        (Op::Mul, _) => (arg(0) + arg(1)).min(32),
        _ => 0,
    }
}

/// The narrowest load that covers some bits of a wider one: operation, offset from it in bytes.
pub(super) fn narrower(load: Op, bits: u32) -> Option<(Op, u32)> {
    let bytes = u32::from(load.spec().bytes);
    if bits == 0 || bytes == 0 {
        return None;
    }
    let first = bits.trailing_zeros() / 8;
    let last = (31 - bits.leading_zeros()) / 8;
    let op = match last - first {
        0 => Op::Load8,
        1 => Op::Load16,
        _ => return None,
    };
    (last < bytes && u32::from(op.spec().bytes) < bytes).then_some((op, first))
}

/// The mask that stands in the swapped word for `mask` in the word.
pub(super) fn swapped(swap: Op, mask: u32) -> u32 {
    swap.eval(mask, 0).unwrap_or(mask)
}
