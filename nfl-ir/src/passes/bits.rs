//! Drops what only changes bits that nobody looks at.
//!
//! A store of two bytes looks at 16 bits, a mask at those it keeps, a shift at those it leaves. Where
//! no use of a word looks at more, masks before it go, and a complement within those bits becomes
//! the complement of the whole word, which is an instruction without a constant.

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Inst, Value};
use crate::func::{Function, InstData};
use crate::op::{Fmt, Op};

/// Drops it.
pub(super) fn drop_unseen(f: &mut Function) {
    let seen = seen_bits(f);
    let mut same: IdMap<Value, Option<Value>> = IdMap::new();
    let mut complements = Vec::new();
    for &b in &f.layout {
        for &inst in &f.blocks[b].insts {
            let data = &f.insts[inst];
            let (Some(v), &[x, y]) = (data.result, data.args.as_slice()) else {
                continue;
            };
            let (seen, Some(number)) = (seen[v], f.constant(y)) else {
                continue;
            };
            match data.op {
                Op::And if number & seen == seen => same.set(v, Some(x)),
                Op::Or | Op::Xor if number & seen == 0 => same.set(v, Some(x)),
                Op::Xor if number & seen == seen && number != u32::MAX => complements.push(inst),
                _ => {}
            }
        }
    }
    for inst in complements {
        complement(f, inst);
    }
    f.rename_uses(|mut v| {
        while let Some(other) = same[v] {
            v = other;
        }
        v
    });
}

fn complement(f: &mut Function, inst: Inst) {
    let home = f.layout.iter().copied();
    let home = home
        .into_iter()
        .find(|&b| f.blocks[b].insts.contains(&inst));
    let Some(b) = home else {
        return;
    };
    let v = f.compute(b, Op::Const, &[], u32::MAX);
    f.insts[inst].args[1] = v;
    if let (Some(new), Some(at)) = (
        f.blocks[b].insts.pop(),
        f.blocks[b].insts.iter().position(|&i| i == inst),
    ) {
        f.insts[new].span = f.insts[inst].span;
        f.blocks[b].insts.insert(at, new);
    }
}

/// For each word the bits that some use looks at. Words only change from unseen to seen, and users stand
/// behind what they use but for the ways of loops, so a few rounds from the end settle it.
fn seen_bits(f: &Function) -> IdMap<Value, u32> {
    let cfg = Cfg::new(f);
    let mut seen: IdMap<Value, u32> = IdMap::new();
    loop {
        let before = seen.clone();
        for &b in cfg.order.iter().rev() {
            let term = &f.blocks[b].term;
            // Verdicts and conditions are looked at as a whole.
            let handed: usize = term.targets().map(|call| call.args.len()).sum();
            let uses = term.uses().count();
            for v in term.uses().take(uses - handed) {
                seen.set(v, u32::MAX);
            }
            for call in term.targets() {
                for (&param, &arg) in f.blocks[call.block].params.iter().zip(&call.args) {
                    let bits = seen[param];
                    seen[arg] |= bits;
                }
            }
            for &inst in f.blocks[b].insts.iter().rev() {
                let data = &f.insts[inst];
                for (at, &arg) in data.args.iter().enumerate() {
                    let bits = looked_at(f, data, at, data.result.map_or(0, |v| seen[v]));
                    seen[arg] |= bits;
                }
            }
        }
        if seen == before {
            return seen;
        }
    }
}

/// The bits of an operand that matter when these bits of the result do.
fn looked_at(f: &Function, data: &InstData, at: usize, result: u32) -> u32 {
    // Lower bits of a sum depend on nothing above.
    let up_to = u32::MAX.checked_shr(result.leading_zeros()).unwrap_or(0);
    let number = data.args.get(1).and_then(|&y| f.constant(y));
    match (data.op, number) {
        (Op::Store8, _) if at == 0 => 0xff,
        (Op::Store16, _) if at == 0 => 0xffff,
        (Op::Add | Op::Sub | Op::Mul, _) => up_to,
        (Op::And, Some(mask)) if at == 0 => result & mask,
        (Op::And | Op::Or | Op::Xor, _) => result,
        (Op::Shl, Some(n @ 0..32)) if at == 0 => result >> n,
        (Op::Shr, Some(n @ 0..32)) if at == 0 => result << n,
        (Op::Bswap16, _) => u32::from((result as u16).swap_bytes()),
        (Op::Bswap32, _) => result.swap_bytes(),
        (op, _) if op.spec().fmt == Fmt::Unary || result != 0 || !op.has_result() => u32::MAX,
        // A word that nobody looks at looks at nothing, but a division must still be possible.
        (Op::Divu | Op::Remu | Op::Div | Op::Rem, _) => u32::MAX,
        (op, _) if matches!(op.spec().fmt, Fmt::Load | Fmt::Call) => u32::MAX,
        _ => 0,
    }
}
