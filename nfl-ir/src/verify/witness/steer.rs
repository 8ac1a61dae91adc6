//! How an input is to be changed so that a word becomes a number.
//!
//! In: the trail of a run, a word of it, the number it should have had. Out: inputs that may do it, found
//! by going back through the operations that made the word to the bytes it came from. Nothing is
//! guaranteed: whoever asks runs the inputs.

use nfl_syntax::arena::Id;

use crate::entity::Value;
use crate::func::{Function, InstData, Module, Origin, Region};
use crate::interp::Trail;
use crate::op::{Fmt, Op};
use crate::replay::Input;

/// How many operations deep it goes.
const DEPTH: u8 = 16;

/// How many inputs one wish gives at most.
const WAYS: usize = 4;

/// Longest packet that is tried.
const PACKET_MAX: u32 = 2048;

/// A run that may be changed.
#[derive(Clone, Copy)]
pub(super) struct Steer<'a> {
    pub(super) m: &'a Module,
    pub(super) f: &'a Function,
    pub(super) trail: &'a Trail,
}

impl<'a> Steer<'a> {
    /// Inputs in which a word is not 0, or is.
    pub(super) fn truth(self, v: Value, truth: bool, from: &Input) -> Vec<Input> {
        if !truth {
            return self.set(v, 0, from);
        }
        let mask = self
            .f
            .def(v)
            .filter(|d| d.op == Op::And)
            .and_then(|d| self.f.constant(*d.args.get(1)?));
        let most = u32::MAX >> (32 - u32::from(self.f.values[v].width.clamp(1, 32)));
        let mut ways = self.set(v, mask.unwrap_or(1), from);
        ways.extend(self.set(v, most, from));
        ways.truncate(WAYS);
        ways
    }

    /// Inputs in which a word is a number.
    pub(super) fn set(self, v: Value, want: u32, from: &Input) -> Vec<Input> {
        let mut ways = self.ways(v, want, from, DEPTH);
        ways.truncate(WAYS);
        ways
    }

    /// Inputs with a packet of so many bytes.
    pub(super) fn resize(self, bytes: i64, from: &Input) -> Option<Input> {
        let bytes = u32::try_from(bytes).ok()?;
        let fits = (self.f.need..=PACKET_MAX).contains(&bytes);
        fits.then(|| {
            let mut input = from.clone();
            input.packet.resize(bytes as usize, 0);
            input
        })
    }

    fn ways(self, v: Value, want: u32, from: &Input, depth: u8) -> Vec<Input> {
        if self.now(v, from, DEPTH) == want {
            return vec![from.clone()];
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let def = match self.f.values[v].origin {
            Origin::Inst(inst) => &self.f.insts[inst],
            Origin::Param(..) => {
                let came = self.trail.came[v];
                return came.map_or(Vec::new(), |v| self.ways(v, want, from, depth));
            }
        };
        match (def.op, def.op.spec().fmt) {
            (Op::Const | Op::Call | Op::Second | Op::Address, _) => Vec::new(),
            (Op::Late | Op::Param | Op::Context, _) => self.word(def, want, from),
            (Op::Len, _) => self.resize(want.into(), from).into_iter().collect(),
            (_, Fmt::Load) => self.load(def, want, from, depth),
            (Op::Bswap16, _) if want <= 0xffff => {
                let want = u32::from((want as u16).swap_bytes());
                self.ways(def.args[0], want, from, depth)
            }
            (Op::Bswap32, _) => self.ways(def.args[0], want.swap_bytes(), from, depth),
            (op, Fmt::Binary) if op.inverse().is_some() => match want {
                0 | 1 => self.comparison(def, want == 1, from, depth),
                _ => Vec::new(),
            },
            (_, Fmt::Binary) => self.binary(def, want, from, depth),
            _ => Vec::new(),
        }
    }

    fn word(self, def: &InstData, want: u32, from: &Input) -> Vec<Input> {
        let mut input = from.clone();
        let at = def.imm as usize;
        let (info, words) = match def.op {
            Op::Late => (self.m.late.get(Id::new(at)), &mut input.late),
            Op::Param => (self.m.params.get(Id::new(at)), &mut input.params),
            _ => {
                // Where the network header lies follows from the packet.
                let is_free = def.imm != nfl_abi::map::context::NETWORK_OFFSET;
                return match input.context.get_mut(at / 4).filter(|_| is_free) {
                    Some(word) => {
                        *word = want;
                        vec![input]
                    }
                    None => Vec::new(),
                };
            }
        };
        let number = match info {
            Some(info) if info.wire && info.width == 16 => u32::from((want as u16).swap_bytes()),
            Some(info) if info.wire => want.swap_bytes(),
            _ => want,
        };
        let allowed = info.is_some_and(|info| (info.lo..=info.hi).contains(&number));
        match words.get_mut(at).filter(|_| allowed) {
            Some(word) => {
                *word = number;
                vec![input]
            }
            None => Vec::new(),
        }
    }

    fn load(self, def: &InstData, want: u32, from: &Input, depth: u8) -> Vec<Input> {
        let bytes = usize::from(def.op.spec().bytes);
        let index = def.index().map_or(0, |v| self.now(v, from, DEPTH));
        let place = def.imm.wrapping_add(index);
        let at = place as usize;
        if bytes < 4 && want >> (8 * bytes) != 0 {
            return Vec::new();
        }
        let mut input = from.clone();
        let cells = match def.region {
            Some(Region::Packet) if at + bytes <= PACKET_MAX as usize => {
                let len = input.packet.len().max(at + bytes);
                input.packet.resize(len, 0);
                input.packet.get_mut(at..at + bytes)
            }
            Some(Region::Carried) => input.carried.get_mut(at..at + bytes),
            Some(Region::Field(id)) => {
                let at = self.m.fields[id].offset as usize + at;
                input.carried.get_mut(at..at + bytes)
            }
            Some(Region::Slot(id)) => {
                let stored = self.trail.stored.get(&(id, place));
                return stored.map_or(Vec::new(), |&v| self.ways(v, want, from, depth));
            }
            Some(Region::Data(id)) => {
                let Some(index) = def.index() else {
                    return Vec::new();
                };
                let data = &self.m.data[id].bytes;
                let wanted = want.to_le_bytes();
                let starts = (0..data.len()).step_by(bytes);
                let place = starts.into_iter().find(|&at| {
                    let element = data.get(at + def.imm as usize..);
                    element.is_some_and(|element| element.starts_with(&wanted[..bytes]))
                });
                return place.map_or(Vec::new(), |at| self.ways(index, at as u32, from, depth));
            }
            _ => None,
        };
        match cells {
            Some(cells) => {
                cells.copy_from_slice(&want.to_le_bytes()[..bytes]);
                vec![input]
            }
            None => Vec::new(),
        }
    }

    fn binary(self, def: &InstData, want: u32, from: &Input, depth: u8) -> Vec<Input> {
        let (a, b) = (def.args[0], def.args[1]);
        let (va, vb) = (self.now(a, from, DEPTH), self.now(b, from, DEPTH));
        let fixed = self.f.constant(b);
        let left = |want: u32| self.ways(a, want, from, depth);
        let either = |x: u32, y: u32| {
            let mut ways = self.ways(a, x, from, depth);
            ways.extend(self.ways(b, y, from, depth));
            ways
        };
        match (def.op, fixed) {
            (Op::Add, _) => either(want.wrapping_sub(vb), want.wrapping_sub(va)),
            (Op::Sub, _) => either(want.wrapping_add(vb), va.wrapping_sub(want)),
            (Op::Xor, _) => either(want ^ vb, want ^ va),
            (Op::And, Some(mask)) if want & !mask == 0 => {
                let mut ways = left(va & !mask | want);
                ways.extend(left(want));
                ways
            }
            (Op::And, None) if want == 0 => either(0, 0),
            (Op::And, None) => self.both((a, want), (b, want), from, depth),
            (Op::Or, Some(set)) if want & set == set => left(want & !set),
            (Op::Or, None) => {
                let (ma, mb) = (self.bits(a, 8), self.bits(b, 8));
                if ma & mb == 0 {
                    self.both((a, want & ma), (b, want & mb), from, depth)
                } else if want == 0 {
                    self.both((a, 0), (b, 0), from, depth)
                } else {
                    either(want, want)
                }
            }
            (Op::Shl, Some(n @ 0..32)) if want >> n << n == want => left(want >> n),
            (Op::Shr, Some(n @ 0..32)) if u64::from(want) << n <= u64::from(u32::MAX) => {
                let low = (1_u32 << n) - 1;
                left(want << n | va & low)
            }
            // The next product does where more is wanted.
            (Op::Mul, Some(by @ 1..)) => left(want.div_ceil(by)),
            (Op::Divu, Some(by @ 1..)) => want.checked_mul(by).map_or(Vec::new(), left),
            (Op::Divu, None) if want == 0 => left(0),
            (Op::Remu, Some(by @ 1..)) if want < by => left(va - va % by + want),
            _ => Vec::new(),
        }
    }

    /// Inputs in which two words are numbers.
    fn both(self, a: (Value, u32), b: (Value, u32), from: &Input, depth: u8) -> Vec<Input> {
        let first = self.ways(a.0, a.1, from, depth);
        let first = first.iter().take(WAYS);
        first
            .flat_map(|from| self.ways(b.0, b.1, from, depth))
            .collect()
    }

    fn comparison(self, def: &InstData, truth: bool, from: &Input, depth: u8) -> Vec<Input> {
        let (a, b) = (def.args[0], def.args[1]);
        let (va, vb) = (self.now(a, from, DEPTH), self.now(b, from, DEPTH));
        let op = if truth {
            Some(def.op)
        } else {
            def.op.inverse()
        };
        let most = |v: Value| u32::MAX >> (32 - u32::from(self.f.values[v].width.clamp(1, 32)));
        // Numbers for the left side and for the right side, the nearest first.
        let (left, right): (Vec<u32>, Vec<u32>) = match op {
            Some(Op::Eq) => (vec![vb], vec![va]),
            Some(Op::Ne) => {
                let near = |n: u32| vec![n.wrapping_add(1), n.wrapping_sub(1)];
                (near(vb), near(va))
            }
            Some(Op::Ltu) => {
                let below = vb.checked_sub(1);
                let above = [1, 2].map(|times: u32| va.checked_mul(times)?.checked_add(1));
                (
                    below.into_iter().flat_map(|n| [n, 0]).collect(),
                    above.into_iter().flatten().chain([most(b)]).collect(),
                )
            }
            Some(Op::Geu) => (vec![vb, most(a)], vec![va, 0]),
            Some(Op::Lt) => (vec![vb.wrapping_sub(1)], vec![va.wrapping_add(1)]),
            Some(Op::Ge) => (vec![vb], vec![va]),
            _ => return Vec::new(),
        };
        let mut ways = Vec::new();
        for (v, wants) in [(a, left), (b, right)] {
            for want in wants {
                ways.extend(self.ways(v, want, from, depth));
            }
        }
        ways.truncate(2 * WAYS);
        ways
    }

    /// The number of a word in a changed input, as far as the change reaches.
    pub(super) fn now(self, v: Value, input: &Input, depth: u8) -> u32 {
        let old = self.trail.values[v];
        let Some(depth) = depth.checked_sub(1) else {
            return old;
        };
        let def = match self.f.values[v].origin {
            Origin::Inst(inst) => &self.f.insts[inst],
            Origin::Param(..) => {
                let came = self.trail.came[v];
                return came.map_or(old, |v| self.now(v, input, depth));
            }
        };
        match (def.op, def.op.spec().fmt) {
            (Op::Const, _) => def.imm,
            (Op::Len, _) => input.packet.len() as u32,
            (op, Fmt::Load) if def.region == Some(Region::Packet) => {
                let index = def.index().map_or(0, |v| self.now(v, input, depth));
                let at = def.imm.wrapping_add(index) as usize;
                let cells = input.packet.get(at..at + usize::from(op.spec().bytes));
                cells.map_or(old, |cells| {
                    let cells = cells.iter().rev();
                    cells.fold(0, |word, &byte| word << 8 | u32::from(byte))
                })
            }
            (op, Fmt::Unary | Fmt::Binary) => {
                let arg = |at: usize| def.args.get(at).map_or(0, |&v| self.now(v, input, depth));
                op.eval(arg(0), arg(1)).unwrap_or(old)
            }
            _ => old,
        }
    }

    /// The bits that a word may have.
    fn bits(self, v: Value, depth: u8) -> u32 {
        let all = u32::MAX >> (32 - u32::from(self.f.values[v].width.clamp(1, 32)));
        let Some(def) = self.f.def(v).filter(|_| depth > 0) else {
            return all;
        };
        let by = def.args.get(1).and_then(|&v| self.f.constant(v));
        let first = |depth| self.bits(def.args[0], depth);
        all & match (def.op, by) {
            (Op::Const, _) => def.imm,
            (Op::Load8, _) => 0xff,
            (Op::Load16 | Op::Bswap16, _) => 0xffff,
            (Op::Shl, Some(n @ 0..32)) => first(depth - 1) << n,
            (Op::Shr, Some(n @ 0..32)) => first(depth - 1) >> n,
            (Op::And, Some(mask)) => first(depth - 1) & mask,
            (Op::Or, None) => first(depth - 1) | self.bits(def.args[1], depth - 1),
            _ => u32::MAX,
        }
    }
}
