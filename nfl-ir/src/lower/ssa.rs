//! SSA while lowering: variables that are written in many places become words and block parameters.
//!
//! In: writes and reads of variables, block by block. Out: a function in SSA form. Guaranteed: a
//! block is sealed once all its predecessors are known, and only then are its parameters final.
//! After "Simple and Efficient Construction of Static Single Assignment Form" (Braun et al., 2013).

use crate::entity::{Block, Value};
use crate::func::{BlockCall, Function, InstData, Origin, Region, Term};
use crate::op::Op;
use nfl_syntax::Span;
use std::collections::{BTreeMap, BTreeSet};

nfl_syntax::entity! {
    /// A variable of one word.
    pub(super) struct Var = "x";
}

/// A function under construction.
pub(super) struct Builder {
    pub(super) f: Function,
    /// The block that instructions go to; `None` behind a jump.
    here: Option<Block>,
    /// What the instructions to come stand for in the source.
    pub(super) span: Option<Span>,
    widths: nfl_syntax::arena::IdVec<Var, u8>,
    defs: BTreeMap<(Block, Var), Value>,
    sealed: BTreeSet<Block>,
    open_reads: BTreeMap<Block, Vec<(Var, Value)>>,
    preds: BTreeMap<Block, Vec<Block>>,
    /// Low words of numbers of several words that are not 0 by the range of their parameter.
    not_zero: BTreeSet<Value>,
}

impl Builder {
    pub(super) fn new(f: Function) -> Builder {
        let entry = f.entry;
        Builder {
            f,
            here: Some(entry),
            span: None,
            widths: Default::default(),
            defs: BTreeMap::new(),
            sealed: BTreeSet::from([entry]),
            open_reads: BTreeMap::new(),
            preds: BTreeMap::new(),
            not_zero: BTreeSet::new(),
        }
    }

    /// Whether the place that is being lowered can be reached.
    pub(super) fn reachable(&self) -> bool {
        self.here.is_some()
    }

    /// A block that nothing goes to yet.
    pub(super) fn block(&mut self) -> Block {
        self.f.add_block()
    }

    /// Goes on in `block`, unless nothing goes to it; seals it.
    pub(super) fn enter(&mut self, block: Block) {
        if self.preds.contains_key(&block) {
            self.open(block);
            self.seal(block);
        } else {
            self.here = None;
        }
    }

    /// Goes on in `block`, to which more predecessors will come: a loop's head.
    pub(super) fn open(&mut self, block: Block) {
        self.f.layout.push(block);
        self.f.blocks[block].span = self.span;
        self.here = Some(block);
    }

    /// All predecessors of `block` are known.
    pub(super) fn seal(&mut self, block: Block) {
        self.sealed.insert(block);
        for (var, param) in self.open_reads.remove(&block).unwrap_or_default() {
            self.feed(block, var, param);
        }
    }

    fn end(&mut self, term: Term) {
        let Some(here) = self.here.take() else { return };
        for call in term.targets() {
            let preds = self.preds.entry(call.block).or_default();
            if !preds.contains(&here) {
                preds.push(here);
            }
        }
        self.f.blocks[here].term = term;
        self.f.blocks[here].span = self.f.blocks[here].span.or(self.span);
    }

    /// On to `block`, with words for the parameters it already has.
    pub(super) fn jump_with(&mut self, block: Block, args: Vec<Value>) {
        self.end(Term::Jump(BlockCall { block, args }));
    }

    /// On to `block`.
    pub(super) fn jump(&mut self, block: Block) {
        self.jump_with(block, Vec::new());
    }

    /// To `then` when `cond` is not zero, else to `otherwise`.
    pub(super) fn branch(&mut self, cond: Value, then: Block, otherwise: Block) {
        if then == otherwise {
            return self.jump(then);
        }
        let call = |block| BlockCall {
            block,
            args: Vec::new(),
        };
        self.end(Term::Branch {
            cond,
            then: call(then),
            otherwise: call(otherwise),
        });
    }

    /// The handler ends.
    pub(super) fn finish(&mut self, kind: Value, operand: Value) {
        self.end(Term::Finish { kind, operand });
    }

    /// A new variable of this width.
    pub(super) fn var(&mut self, width: u8) -> Var {
        self.widths.push(width)
    }

    pub(super) fn write(&mut self, var: Var, value: Value) {
        if let Some(here) = self.here {
            self.defs.insert((here, var), value);
        }
    }

    pub(super) fn read(&mut self, var: Var) -> Value {
        match self.here {
            Some(here) => self.read_in(here, var),
            None => self.constant(0),
        }
    }

    fn read_in(&mut self, block: Block, var: Var) -> Value {
        if let Some(&value) = self.defs.get(&(block, var)) {
            return value;
        }
        let preds = self.preds.get(&block).cloned().unwrap_or_default();
        let value = if !self.sealed.contains(&block) {
            let param = self.f.add_param(block, self.widths[var]);
            self.open_reads.entry(block).or_default().push((var, param));
            self.widen_calls(block, &preds);
            param
        } else if let [pred] = preds[..] {
            self.read_in(pred, var)
        } else if preds.is_empty() {
            // Only the entry: the checker has shown that the variable is written before it is used,
            // so this word reaches no use.
            self.constant_in(block, 0)
        } else {
            let param = self.f.add_param(block, self.widths[var]);
            self.widen_calls(block, &preds);
            self.defs.insert((block, var), param);
            self.feed(block, var, param);
            param
        };
        self.defs.insert((block, var), value);
        value
    }

    /// Gives every call of `block` one more argument; a placeholder that `feed` replaces.
    fn widen_calls(&mut self, block: Block, preds: &[Block]) {
        let index = self.f.blocks[block].params.len() - 1;
        let own = self.f.blocks[block].params[index];
        for &pred in preds {
            for call in self.f.blocks[pred]
                .term
                .targets_mut()
                .filter(|c| c.block == block)
            {
                call.args.push(own);
            }
        }
    }

    /// Passes the variable's word from every predecessor to the parameter that stands for it.
    fn feed(&mut self, block: Block, var: Var, param: Value) {
        let index = self.f.blocks[block]
            .params
            .iter()
            .position(|&p| p == param)
            .expect("the block has this parameter");
        for pred in self.preds.get(&block).cloned().unwrap_or_default() {
            let value = self.read_in(pred, var);
            for call in self.f.blocks[pred]
                .term
                .targets_mut()
                .filter(|c| c.block == block)
            {
                while call.args.len() <= index {
                    call.args.push(param);
                }
                call.args[index] = value;
            }
        }
    }

    fn constant_in(&mut self, block: Block, number: u32) -> Value {
        let width = (32 - number.leading_zeros()).max(1) as u8;
        let data = InstData {
            op: Op::Const,
            args: Vec::new(),
            imm: number,
            region: None,
            result: None,
            span: self.span,
        };
        let value = self
            .f
            .append(block, data, width)
            .expect("a constant has a result");
        // A word read at a place must be defined before everything that was appended there.
        let insts = &mut self.f.blocks[block].insts;
        insts.rotate_right(1);
        value
    }

    /// A constant word.
    pub(super) fn constant(&mut self, number: u32) -> Value {
        let width = (32 - number.leading_zeros()).max(1) as u8;
        self.inst(Op::Const, &[], number, None, width)
    }

    /// The number of a word, if it is a constant.
    pub(super) fn as_constant(&self, value: Value) -> Option<u32> {
        let Origin::Inst(inst) = self.f.values[value].origin else {
            return None;
        };
        let data = &self.f.insts[inst];
        (data.op == Op::Const).then_some(data.imm)
    }

    /// Any instruction with a result.
    pub(super) fn inst(
        &mut self,
        op: Op,
        args: &[Value],
        imm: u32,
        region: Option<Region>,
        width: u8,
    ) -> Value {
        let data = InstData {
            op,
            args: args.to_vec(),
            imm,
            region,
            result: None,
            span: self.span,
        };
        // Behind a jump there is no place for it: it goes to a block that is in no layout.
        let block = self.here.unwrap_or_else(|| self.f.add_block());
        self.f
            .append(block, data, width)
            .expect("the operation has a result")
    }

    /// An operation on two words.
    pub(super) fn op2(&mut self, op: Op, a: Value, b: Value, width: u8) -> Value {
        self.inst(op, &[a, b], 0, None, width)
    }

    /// An operation on a word and a constant.
    pub(super) fn op2c(&mut self, op: Op, a: Value, b: u32, width: u8) -> Value {
        let b = self.constant(b);
        self.op2(op, a, b, width)
    }

    /// A comparison.
    pub(super) fn compare(&mut self, op: Op, a: Value, b: Value) -> Value {
        self.op2(op, a, b, 1)
    }

    /// A load of 1, 2 or 4 bytes as they lie.
    pub(super) fn load(&mut self, region: Region, bytes: u32, at: Place) -> Value {
        let (op, width) = match bytes {
            1 => (Op::Load8, 8),
            2 => (Op::Load16, 16),
            _ => (Op::Load32, 32),
        };
        let args: Vec<Value> = at.index.into_iter().collect();
        self.inst(op, &args, at.offset, Some(region), width)
    }

    /// The same, at an address that a lookup answered where the region is made of such.
    pub(super) fn load_from(
        &mut self,
        region: Region,
        address: Option<Value>,
        bytes: u32,
        at: Place,
    ) -> Value {
        let (op, width) = match bytes {
            1 => (Op::Load8, 8),
            2 => (Op::Load16, 16),
            _ => (Op::Load32, 32),
        };
        let args: Vec<Value> = address.into_iter().chain(at.index).collect();
        self.inst(op, &args, at.offset, Some(region), width)
    }

    /// A place within another.
    pub(super) fn places(&mut self, outer: Place, inner: Place) -> Place {
        let index = match (outer.index, inner.index) {
            (Some(a), Some(b)) => Some(self.op2(Op::Add, a, b, 32)),
            (a, b) => a.or(b),
        };
        Place {
            index,
            offset: outer.offset + inner.offset,
        }
    }

    /// A number of elements as bytes.
    pub(super) fn scale(&mut self, index: Value, stride: u32) -> Value {
        if stride == 1 {
            index
        } else if stride.is_power_of_two() {
            self.op2c(Op::Shl, index, stride.trailing_zeros(), 32)
        } else {
            self.op2c(Op::Mul, index, stride, 32)
        }
    }

    /// A store of 1, 2 or 4 bytes as they shall lie.
    pub(super) fn store(&mut self, region: Region, bytes: u32, at: Place, value: Value) {
        let Some(here) = self.here else { return };
        let op = match bytes {
            1 => Op::Store8,
            2 => Op::Store16,
            _ => Op::Store32,
        };
        let args: Vec<Value> = std::iter::once(value).chain(at.index).collect();
        let data = InstData {
            op,
            args,
            imm: at.offset,
            region: Some(region),
            result: None,
            span: self.span,
        };
        self.f.append(here, data, 32);
    }

    /// Asks for the proof that a word is not 0.
    pub(super) fn assert(&mut self, word: Value) {
        self.check(Op::Assert, word);
    }

    /// Asks for the proof that an index is below the number of elements.
    pub(super) fn inside(&mut self, index: Value, count: Value) {
        let inside = self.compare(Op::Ltu, index, count);
        self.check(Op::Inside, inside);
    }

    /// Asks for the proof that a divisor is not 0.
    pub(super) fn divisor(&mut self, word: Value) {
        if self.as_constant(word).is_none_or(|n| n == 0) {
            self.check(Op::Divisor, word);
        }
    }

    /// Notes that a number of several words is not 0.
    pub(super) fn note_not_zero(&mut self, words: &[Value]) {
        self.not_zero.extend(words.first());
    }

    /// Whether that was noted.
    pub(super) fn is_not_zero(&self, words: &[Value]) -> bool {
        words
            .first()
            .is_some_and(|word| self.not_zero.contains(word))
    }

    fn check(&mut self, op: Op, word: Value) {
        let Some(here) = self.here else { return };
        let data = InstData {
            op,
            args: vec![word],
            imm: 0,
            region: None,
            result: None,
            span: self.span,
        };
        self.f.append(here, data, 32);
    }

    /// Reverses the order of the `bytes` low bytes.
    pub(super) fn swap(&mut self, value: Value, bytes: u32) -> Value {
        match bytes {
            1 => value,
            2 => self.inst(Op::Bswap16, &[value], 0, None, 16),
            _ => self.inst(Op::Bswap32, &[value], 0, None, 32),
        }
    }

    /// The finished function. Parameters that get one and the same word from everywhere are gone.
    pub(super) fn done(mut self) -> Function {
        while self.drop_one_trivial_param() {}
        self.f
    }

    fn drop_one_trivial_param(&mut self) -> bool {
        for at in 0..self.f.layout.len() {
            let block = self.f.layout[at];
            for index in 0..self.f.blocks[block].params.len() {
                if let Some(value) = self.only_argument(block, index) {
                    self.replace_param(block, index, value);
                    return true;
                }
            }
        }
        false
    }

    fn only_argument(&self, block: Block, index: usize) -> Option<Value> {
        let param = self.f.blocks[block].params[index];
        let mut found = None;
        for pred in self.preds.get(&block)? {
            for call in self.f.blocks[*pred]
                .term
                .targets()
                .filter(|c| c.block == block)
            {
                let arg = call.args[index];
                if arg != param && *found.get_or_insert(arg) != arg {
                    return None;
                }
            }
        }
        found
    }

    fn replace_param(&mut self, block: Block, index: usize, value: Value) {
        let param = self.f.blocks[block].params.remove(index);
        for (at, &p) in self.f.blocks[block]
            .params
            .clone()
            .iter()
            .enumerate()
            .skip(index)
        {
            self.f.values[p].origin = Origin::Param(block, at as u32);
        }
        let swap = |v: &mut Value| {
            if *v == param {
                *v = value;
            }
        };
        for (_, inst) in self.f.insts.iter_mut() {
            inst.args.iter_mut().for_each(swap);
        }
        for (_, data) in self.f.blocks.iter_mut() {
            for call in data.term.targets_mut() {
                if call.block == block && call.args.len() > index {
                    call.args.remove(index);
                }
                call.args.iter_mut().for_each(swap);
            }
            match &mut data.term {
                Term::Branch { cond, .. } => swap(cond),
                Term::Finish { kind, operand } => {
                    swap(kind);
                    swap(operand);
                }
                Term::Jump(_) => {}
            }
        }
    }
}

/// A place in a region: a constant offset and maybe a word that is added to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) index: Option<Value>,
    pub(super) offset: u32,
}

impl Place {
    pub(super) fn at(offset: u32) -> Place {
        Place {
            index: None,
            offset,
        }
    }

    /// So many bytes further.
    pub(super) fn plus(self, bytes: u32) -> Place {
        Place {
            offset: self.offset + bytes,
            ..self
        }
    }
}
