//! Simplifies instructions by what their operands are.
//!
//! Constants fold, algebra shrinks, comparisons lose what both sides share, and swaps of byte order
//! and wide loads move into constants. Every rule looks at an instruction and the definitions of its
//! operands; `rules.rs` holds those for numbers, `order.rs` those for bytes of the packet.

mod order;
mod rules;

use nfl_syntax::arena::IdMap;

use crate::cfg::Cfg;
use crate::entity::{Inst, Value};
use crate::func::{Function, InstData};
use crate::op::{Fmt, Op};

/// Folds until no rule applies.
pub(super) fn fold(f: &mut Function) {
    let cfg = Cfg::new(f);
    let mut folder = Folder::new(f);
    for &b in &cfg.order {
        for inst in std::mem::take(&mut folder.f.blocks[b].insts) {
            folder.visit(inst);
        }
        folder.f.blocks[b].insts = std::mem::take(&mut folder.out);
    }
    let same = folder.same;
    f.rename_uses(|v| resolve(&same, v));
}

/// Looks at words as they lie in the packet where several tests ask only for their bits. For functions in which equal words
/// are the same words, so that all uses are seen.
pub(super) fn unswap(f: &mut Function) {
    let tests_bits = |data: &InstData| matches!(data.op, Op::Eq | Op::Ne);
    let is_swap = |data: &InstData| matches!(data.op, Op::Bswap16 | Op::Bswap32);
    let insts = || f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
    if !insts().any(|&inst| is_swap(&f.insts[inst])) {
        return;
    }
    let mut folder = Folder::new(f);
    for b in folder.f.layout.clone() {
        for inst in std::mem::take(&mut folder.f.blocks[b].insts) {
            if tests_bits(&folder.f.insts[inst])
                && let Some(bits) = folder.any_bit(inst)
            {
                folder.f.insts[inst].args[0] = bits;
            }
            folder.out.push(inst);
        }
        folder.f.blocks[b].insts = std::mem::take(&mut folder.out);
    }
}

fn resolve(same: &IdMap<Value, Option<Value>>, mut v: Value) -> Value {
    while let Some(other) = same[v] {
        v = other;
    }
    v
}

/// How often each word is used, and which are used as numbers.
fn count_uses(f: &Function) -> (IdMap<Value, u32>, IdMap<Value, bool>) {
    let mut uses: IdMap<Value, u32> = IdMap::new();
    let mut counted: IdMap<Value, bool> = IdMap::new();
    for &b in &f.layout {
        for inst in f.blocks[b].insts.iter().map(|&i| &f.insts[i]) {
            for &v in &inst.args {
                uses[v] += 1;
                counted[v] |= !is_of_bits(inst.op);
            }
        }
        for v in f.blocks[b].term.uses() {
            uses[v] += 1;
            counted.set(v, true);
        }
    }
    (uses, counted)
}

/// Whether an operation does the same to a word whose bytes are in another order.
fn is_of_bits(op: Op) -> bool {
    matches!(op, Op::And | Op::Or | Op::Xor | Op::Eq | Op::Ne)
}

/// What becomes of an instruction.
enum Edit {
    /// Its result is this word.
    Value(Value),
    /// Its result is this number.
    Const(u32),
    /// It becomes this operation.
    Op(Op, Vec<Value>),
    /// It was changed in place.
    Again,
}

struct Folder<'a> {
    f: &'a mut Function,
    /// For each word at least as many uses as there are.
    uses: IdMap<Value, u32>,
    /// Words that more is done to than [`is_of_bits`] says.
    counted: IdMap<Value, bool>,
    same: IdMap<Value, Option<Value>>,
    /// The new instructions of the block so far.
    out: Vec<Inst>,
}

impl<'a> Folder<'a> {
    fn new(f: &'a mut Function) -> Folder<'a> {
        let (uses, counted) = count_uses(f);
        Folder {
            f,
            uses,
            counted,
            same: IdMap::new(),
            out: Vec::new(),
        }
    }

    fn visit(&mut self, inst: Inst) {
        // Rules make an instruction smaller each time; the bound is for peace of mind.
        for _ in 0..32 {
            for at in 0..self.f.insts[inst].args.len() {
                let v = resolve(&self.same, self.f.insts[inst].args[at]);
                self.f.insts[inst].args[at] = v;
            }
            let edit = match self.f.insts[inst].op.spec().fmt {
                Fmt::Unary | Fmt::Binary => self.operation(inst),
                Fmt::Load | Fmt::Store => self.memory(inst),
                _ => None,
            };
            match edit {
                None => break,
                Some(Edit::Value(v)) => {
                    if let Some(result) = self.f.insts[inst].result {
                        self.uses[v] += self.uses[result];
                        self.counted[v] |= self.counted[result];
                        self.same.set(result, Some(v));
                    }
                    return;
                }
                Some(Edit::Const(number)) => {
                    let data = &mut self.f.insts[inst];
                    data.op = Op::Const;
                    data.imm = number;
                    data.args.clear();
                }
                Some(Edit::Op(op, args)) => {
                    self.use_all(op, &args);
                    let data = &mut self.f.insts[inst];
                    data.op = op;
                    data.args = args;
                }
                Some(Edit::Again) => {}
            }
            self.widen_claim(inst);
        }
        self.out.push(inst);
    }

    /// A changed instruction claims no more than its operation gives.
    fn widen_claim(&mut self, inst: Inst) {
        let data = &self.f.insts[inst];
        if let Some(v) = data.result {
            self.f.values[v].width = data.op.natural_width();
        }
    }

    fn use_all(&mut self, op: Op, args: &[Value]) {
        for &v in args {
            self.uses[v] += 1;
            self.counted[v] |= !is_of_bits(op);
        }
    }

    /// A new instruction before the present one.
    fn emit(&mut self, like: Inst, op: Op, args: Vec<Value>, imm: u32) -> Value {
        self.use_all(op, &args);
        let inst = self.f.insts.next_id();
        let v = self.f.values.push(crate::func::ValueData {
            origin: crate::func::Origin::Inst(inst),
            width: op.natural_width(),
        });
        self.f.insts.push(InstData {
            op,
            args,
            imm,
            region: None,
            result: Some(v),
            span: self.f.insts[like].span,
        });
        self.out.push(inst);
        v
    }

    fn number(&mut self, like: Inst, number: u32) -> Value {
        self.emit(like, Op::Const, Vec::new(), number)
    }

    /// `op(v, number)` as a new word.
    fn with(&mut self, like: Inst, op: Op, v: Value, number: u32) -> Value {
        let number = self.number(like, number);
        self.emit(like, op, vec![v, number], 0)
    }

    /// The present instruction becomes `op(v, number)`.
    fn becomes(&mut self, like: Inst, op: Op, v: Value, number: u32) -> Option<Edit> {
        let number = self.number(like, number);
        Some(Edit::Op(op, vec![v, number]))
    }

    /// A word's operation with a constant right operand.
    fn by_constant(&self, v: Value) -> Option<(Op, Value, u32)> {
        let def = self.f.def(v)?;
        match *def.args.as_slice() {
            [a, b] => Some((def.op, a, self.f.constant(b)?)),
            _ => None,
        }
    }

    fn def_op(&self, v: Value) -> Option<(Op, Value)> {
        let def = self.f.def(v)?;
        Some((def.op, *def.args.first()?))
    }

    fn width(&self, v: Value) -> u8 {
        super::bytes::width(self.f, v, 4)
    }

    fn used_once(&self, v: Value) -> bool {
        self.uses[v] <= 1
    }

    fn memory(&mut self, inst: Inst) -> Option<Edit> {
        let data = &self.f.insts[inst];
        let at = data.index_at();
        if let Some(&index) = data.args.get(at) {
            if let Some(number) = self.f.constant(index) {
                let data = &mut self.f.insts[inst];
                data.imm = data.imm.wrapping_add(number);
                data.args.truncate(at);
                return Some(Edit::Again);
            }
            if let Some((Op::Add, base, number)) = self.by_constant(index) {
                let data = &mut self.f.insts[inst];
                data.imm = data.imm.wrapping_add(number);
                data.args[at] = base;
                self.uses[base] += 1;
                return Some(Edit::Again);
            }
        }
        let cut = match data.op {
            Op::Store8 => 0xff,
            Op::Store16 => 0xffff,
            _ => return None,
        };
        // The store drops what a mask would.
        let stored = data.args[0];
        if let Some((Op::And, v, mask)) = self.by_constant(stored)
            && mask & cut == cut
        {
            self.f.insts[inst].args[0] = v;
            self.uses[v] += 1;
            return Some(Edit::Again);
        }
        None
    }

    fn operation(&mut self, inst: Inst) -> Option<Edit> {
        let data = &self.f.insts[inst];
        let (op, a) = (data.op, *data.args.first()?);
        let number = self.f.constant(a);
        let Some(&b) = data.args.get(1) else {
            if let Some(result) = number.and_then(|n| op.eval(n, 0)) {
                return Some(Edit::Const(result));
            }
            return self.swap(inst, op, a);
        };
        let (x, y) = (number, self.f.constant(b));
        if let (Some(x), Some(y)) = (x, y)
            && let Some(result) = op.eval(x, y)
        {
            return Some(Edit::Const(result));
        }
        if x.is_some() && y.is_none() {
            if op.commutes() {
                return Some(Edit::Op(op, vec![b, a]));
            }
            return self.constant_left(inst, op, x?, b);
        }
        if a == b {
            return Folder::same_operands(op, a);
        }
        match y {
            Some(number) => self
                .constant_right(inst, op, a, number)
                .or_else(|| self.bytes_of(inst, op, a, number)),
            None => self.two_words(inst, op, a, b),
        }
    }
}
