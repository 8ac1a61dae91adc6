//! From IR to instructions over virtual registers.
//!
//! In: a handler of a verified module, and where its constants and local arrays lie. Out: its machine code before
//! register allocation. Guaranteed: it computes what the IR says, on any assignment of registers that keeps live ones
//! apart.
//!
//! The idea: go backward, and make code only for values that something asked for. An instruction that its users absorb
//! (a comparison in a branch, an addition in an address) is then never asked for. Constants and addresses are made
//! once per block, just before their first use there.

mod call;
mod cond;
mod divide;
mod memory;
mod value;

use std::collections::BTreeMap;

use nfl_abi::map;
use nfl_ir::func::{BlockCall, Function, Origin};
use nfl_ir::{Block as IrBlock, Inst as IrInst, InstData, Op as IrOp, Term, Value};
use nfl_isa::{Inst, Op, Reg, Target as Isa};
use nfl_syntax::Span;
use nfl_syntax::arena::{Id, IdMap};

use crate::calls::Calls;
use crate::graph::{Edges, Graph, reverse_postorder};
use crate::mir::{
    A0, A1, Block, Code, End, FIRST_VIRTUAL, Func, LEN, Line, Tag, Target, VReg, ZERO,
};
use crate::scratch::{Constants, Scratch};

/// An operation that the target has no instruction for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lacks {
    pub(crate) op: Op,
    pub(crate) span: Option<Span>,
}

/// What selection looks at besides the handler.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// The handler's number in its module.
    pub(crate) handler: usize,
    pub(crate) function: &'a Function,
    /// The shapes of the module's imports.
    pub(crate) calls: &'a Calls,
    pub(crate) constants: &'a Constants,
    pub(crate) scratch: &'a Scratch,
    pub(crate) isa: &'static Isa,
    pub(crate) care: Care,
    /// Whether a register may stand in the middle of a header that many fields of are used.
    pub(crate) windows: bool,
}

/// How much code does for the node's prover.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Care {
    /// Nothing: the shortest code.
    #[default]
    Short,
    /// Words are compared as they are, so that their ranges are learned, and accesses stay on their own paths.
    Ranges,
    /// Also, only such bits are taken for zero that the operation alone makes zero.
    Widths,
}

/// The machine code of a handler.
pub(crate) struct Selected {
    pub(crate) code: Func<VReg>,
    /// Whether a register stands in the middle of a header.
    pub(crate) has_window: bool,
}

/// Makes the machine code of a handler.
pub(crate) fn select(input: Input<'_>) -> Result<Selected, Lacks> {
    let mut s = Select::new(input);
    for at in (0..s.blocks.len()).rev() {
        s.block(at);
    }
    match s.lacks {
        Some(lacks) => Err(lacks),
        None => Ok(Selected {
            has_window: s.sums.contains_key(&(Base::Packet, None)),
            code: s.out,
        }),
    }
}

/// A base that a variable is added to: in the packet, in `carried`, or in scratch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Base {
    Packet,
    Carried,
    Scratch,
}

/// A base that does not hold for the whole run, so that sums with it stay between two calls of one block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Start {
    /// The packet, where services move it.
    Packet,
    /// The value that a lookup found; before the test that it found one, it is no address.
    Found(Value),
}

/// The sum of a base, maybe a variable, and a constant, made in the block that all its users have in common.
struct Sum {
    home: usize,
    /// The constant: it brings the accesses within the reach of 16-bit forms.
    bias: i32,
    reg: Option<VReg>,
}

/// Something that is put before its first use in the block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Early {
    Constant(u32),
    Sum(Base, Option<Value>),
    /// The sum of a start and a variable behind the resizing call of this number, counted from the end.
    Near(u32, Start, Value),
}

struct Select<'a> {
    input: Input<'a>,
    f: &'a Function,
    graph: Graph,
    /// The reachable blocks; their places are their numbers in `out`.
    blocks: Vec<IrBlock>,
    number: IdMap<IrBlock, usize>,
    /// The block that selection stands in.
    current: usize,
    /// In which block an instruction is, and where there.
    places: IdMap<IrInst, Option<(IrBlock, usize)>>,
    /// How many operands a value is.
    uses: IdMap<Value, u32>,
    regs: IdMap<Value, Option<VReg>>,
    sums: BTreeMap<(Base, Option<Value>), Sum>,
    /// Registers of the sums that stay between two calls.
    near: BTreeMap<(u32, Start, Value), VReg>,
    /// Resizing calls and ends of blocks that selection has passed.
    passed: u32,
    /// For each block whether a call may stand before its end.
    called: Vec<bool>,
    /// For each block whether the packet may have moved before its end.
    moved: Vec<bool>,
    /// By block, the subtraction it ends with.
    rests: BTreeMap<usize, cond::Rest>,
    carried: Option<VReg>,
    context: Option<VReg>,
    out: Func<VReg>,
    /// The current block from its end to where selection stands.
    reversed: Vec<(Code<VReg>, Option<Span>)>,
    /// The code of the current IR instruction, forward.
    pending: Vec<Code<VReg>>,
    span: Option<Span>,
    /// Registers of constants in this block, and before which place each early thing must stand.
    constants: BTreeMap<u32, VReg>,
    early: BTreeMap<Early, usize>,
    wanted: Vec<Early>,
    lacks: Option<Lacks>,
}

impl<'a> Select<'a> {
    fn new(input: Input<'a>) -> Select<'a> {
        let f = input.function;
        let blocks = f.blocks.iter();
        let all: Edges = blocks
            .map(|(_, b)| b.term.targets().map(|call| call.block.index()))
            .collect();
        let blocks = reverse_postorder(&all, f.entry.index());
        let blocks: Vec<IrBlock> = blocks.into_iter().map(IrBlock::new).collect();
        let mut number = IdMap::new();
        for (at, &b) in blocks.iter().enumerate() {
            number.set(b, at);
        }
        let targets = |&b: &IrBlock| {
            let targets = f.blocks[b].term.targets();
            targets.map(|call| number[call.block])
        };
        let successors: Edges = blocks.iter().map(targets).collect();
        let mut s = Select {
            graph: Graph::new(&successors, 0),
            current: 0,
            places: places(f, &blocks),
            uses: count_uses(f, &blocks),
            out: Func {
                isa: input.isa,
                blocks: Vec::new(),
                vregs: FIRST_VIRTUAL,
                given: BTreeMap::new(),
            },
            input,
            f,
            blocks,
            number,
            regs: IdMap::new(),
            sums: BTreeMap::new(),
            near: BTreeMap::new(),
            passed: 0,
            called: Vec::new(),
            moved: Vec::new(),
            rests: BTreeMap::new(),
            carried: None,
            context: None,
            reversed: Vec::new(),
            pending: Vec::new(),
            span: None,
            constants: BTreeMap::new(),
            early: BTreeMap::new(),
            wanted: Vec::new(),
            lacks: None,
        };
        let empty = |&source: &IrBlock| Block {
            lines: Vec::new(),
            end: End::Jump(Target::Exit),
            source: (input.handler, source),
            span: None,
        };
        s.out.blocks = s.blocks.iter().map(empty).collect();
        s.find_calls();
        s.find_sums();
        s.find_rests();
        s
    }

    /// Selects a block, from its end to its start.
    fn block(&mut self, at: usize) {
        let data = &self.f.blocks[self.blocks[at]];
        self.current = at;
        self.span = data.span;
        let end = self.term(at, &data.term);
        self.flush();
        self.place_sums(at);
        for &i in data.insts.iter().rev() {
            let inst = &self.f.insts[i];
            self.span = inst.span;
            match inst.result {
                _ if inst.op == IrOp::Call => self.call(at, inst),
                None => self.store(inst),
                Some(v) => {
                    if let Some(rd) = self.regs[v] {
                        self.define(v, rd, inst);
                    }
                }
            }
            self.flush();
        }
        let lines = self.finish_block();
        self.out.blocks[at] = Block {
            lines,
            end,
            source: (self.input.handler, self.blocks[at]),
            span: data.span,
        };
    }

    /// Moves the pending code to the block, and notes that what it wanted early must stand before it.
    fn flush(&mut self) {
        let span = self.span;
        let pending = std::mem::take(&mut self.pending);
        self.reversed
            .extend(pending.into_iter().rev().map(|code| (code, span)));
        for want in std::mem::take(&mut self.wanted) {
            self.early.insert(want, self.reversed.len());
        }
    }

    /// Puts the early things in their places and turns the block around.
    fn finish_block(&mut self) -> Vec<Line<VReg>> {
        let mut early: Vec<(usize, Early)> = std::mem::take(&mut self.early)
            .into_iter()
            .map(|(what, at)| (at, what))
            .collect();
        early.sort_by(|a, b| b.cmp(a));
        for (at, what) in early {
            let mut then = None;
            let code = match what {
                Early::Constant(value) => Code::Li {
                    rd: self.constants[&value],
                    value,
                },
                Early::Near(passed, start, v) => {
                    let rd = self.near[&(passed, start, v)];
                    let rs1 = self.reg(v);
                    let rs2 = self.start(start);
                    Code::Inst(Inst {
                        op: Op::Add,
                        rd,
                        rs1,
                        rs2,
                        imm: 0,
                    })
                }
                Early::Sum(base, v) => {
                    let Sum { bias, reg, .. } = self.sums[&(base, v)];
                    let rd = reg.expect("a wanted sum has a register");
                    let base = self.base(base);
                    let moved = |rs1| Inst {
                        op: Op::Addi,
                        rd,
                        rs1,
                        rs2: ZERO,
                        imm: bias,
                    };
                    match v {
                        None => Code::Inst(moved(base)),
                        Some(v) => {
                            then = (bias != 0).then(|| Code::Inst(moved(rd)));
                            let v = self.reg(v);
                            Code::Inst(Inst {
                                op: Op::Add,
                                rd,
                                rs1: v,
                                rs2: base,
                                imm: 0,
                            })
                        }
                    }
                }
            };
            let span = self
                .reversed
                .get(at.wrapping_sub(1))
                .and_then(|(_, span)| *span);
            for code in [Some(code), then].into_iter().flatten() {
                self.reversed.insert(at, (code, span));
            }
        }
        self.constants.clear();
        self.passed += 1;
        let reversed = std::mem::take(&mut self.reversed);
        let lines = reversed.into_iter().rev().enumerate();
        lines
            .map(|(n, (code, span))| Line {
                code,
                tag: Tag::Selected(n as u32),
                span,
            })
            .collect()
    }

    fn term(&mut self, at: usize, term: &Term) -> End<VReg> {
        match term {
            Term::Jump(call) => {
                self.copies(call);
                End::Jump(Target::Block(self.number[call.block]))
            }
            Term::Branch {
                cond,
                then,
                otherwise,
            } => {
                let test = self.condition(*cond);
                let then = self.edge(at, then);
                let otherwise = self.edge(at, otherwise);
                End::Branch {
                    test,
                    then,
                    otherwise,
                }
            }
            Term::Finish { kind, operand } => {
                self.verdict(A0, *kind);
                self.verdict(A1, *operand);
                End::Jump(Target::Exit)
            }
        }
    }

    /// A word of the verdict; both are zero from entry on, until a service answers.
    fn verdict(&mut self, rd: VReg, v: Value) {
        match self.constant_of(v) {
            Some(0) if !self.called[self.current] => {}
            Some(value) => self.pending.push(Code::Li { rd, value }),
            None => {
                let rs = self.reg(v);
                self.copy(rd, rs);
            }
        }
    }

    /// Where a branch goes for an edge: to a block of its own when words must be copied.
    fn edge(&mut self, from: usize, call: &BlockCall) -> Target {
        let to = Target::Block(self.number[call.block]);
        if call.args.is_empty() {
            return to;
        }
        let branch = std::mem::take(&mut self.pending);
        self.copies(call);
        let span = self.f.blocks[self.blocks[from]].span;
        let codes = std::mem::replace(&mut self.pending, branch);
        let lines = codes.into_iter().enumerate();
        let lines = lines
            .map(|(n, code)| Line {
                code,
                tag: Tag::Selected(n as u32),
                span,
            })
            .collect();
        let source = (self.input.handler, self.blocks[from]);
        self.out.blocks.push(Block {
            lines,
            end: End::Jump(to),
            source,
            span,
        });
        Target::Block(self.out.blocks.len() - 1)
    }

    /// Copies the words of a call into the parameters of its block, as if all at once.
    fn copies(&mut self, call: &BlockCall) {
        let params = &self.f.blocks[call.block].params;
        let mut moves = Vec::new();
        let mut constants = Vec::new();
        for (&param, &arg) in params.iter().zip(&call.args) {
            let rd = self.value_reg(param);
            match self.constant_of(arg) {
                Some(value) => constants.push(Code::Li { rd, value }),
                None => moves.push((rd, self.reg(arg))),
            }
        }
        moves.retain(|(rd, rs)| rd != rs);
        while !moves.is_empty() {
            let free = moves
                .iter()
                .position(|&(rd, _)| moves.iter().all(|&(_, rs)| rs != rd));
            match free {
                Some(at) => {
                    let (rd, rs) = moves.remove(at);
                    self.copy(rd, rs);
                }
                None => {
                    // Only cycles are left; one more register opens one of them.
                    let (_, rs) = moves[0];
                    let spare = self.out.fresh();
                    self.copy(spare, rs);
                    for (_, from) in moves.iter_mut().filter(|(_, from)| *from == rs) {
                        *from = spare;
                    }
                }
            }
        }
        self.pending.extend(constants);
    }

    fn copy(&mut self, rd: VReg, rs: VReg) {
        self.i(Op::Addi, rd, rs, 0);
    }

    fn i(&mut self, op: Op, rd: VReg, rs1: VReg, imm: i32) {
        self.pending.push(Code::Inst(Inst {
            op,
            rd,
            rs1,
            rs2: ZERO,
            imm,
        }));
    }

    fn r(&mut self, op: Op, rd: VReg, rs1: VReg, rs2: VReg) {
        if !self.input.isa.allows(op) && self.lacks.is_none() {
            self.lacks = Some(Lacks {
                op,
                span: self.span,
            });
        }
        self.pending.push(Code::Inst(Inst {
            op,
            rd,
            rs1,
            rs2,
            imm: 0,
        }));
    }

    /// The instruction that a value comes from.
    fn def(&self, v: Value) -> Option<&'a InstData> {
        match self.f.values[v].origin {
            Origin::Inst(i) => Some(&self.f.insts[i]),
            Origin::Param(..) => None,
        }
    }

    fn constant_of(&self, v: Value) -> Option<u32> {
        self.def(v)
            .filter(|inst| inst.op == IrOp::Const)
            .map(|inst| inst.imm)
    }

    /// The only user of a value may overwrite it.
    fn dies(&self, v: Value) -> bool {
        self.uses[v] == 1
    }

    /// A number of bits that a value fits in.
    fn width(&self, v: Value) -> u32 {
        let claimed = u32::from(self.f.values[v].width).clamp(1, 32);
        if self.input.care < Care::Widths {
            return claimed;
        }
        // The node does not know all that the claim rests on.
        let Some(def) = self.def(v) else { return 32 };
        match def.op {
            IrOp::Load8 | IrOp::Load16 => 8 * u32::from(def.op.spec().bytes),
            IrOp::Bswap16 | IrOp::Len => 16,
            op if cond::is_comparison(op) => 1,
            _ => 32,
        }
    }

    /// A register that holds a value where the pending code stands.
    fn reg(&mut self, v: Value) -> VReg {
        match self.def(v).map(|inst| (inst.op, inst.imm)) {
            Some((IrOp::Const, value)) => self.constant(value),
            Some((IrOp::Len, _)) if !self.moved[self.current] => LEN,
            _ => self.value_reg(v),
        }
    }

    fn value_reg(&mut self, v: Value) -> VReg {
        if let Some(reg) = self.regs[v] {
            return reg;
        }
        let reg = self.out.fresh();
        self.regs.set(v, Some(reg));
        reg
    }

    /// A register that holds a constant where the pending code stands.
    fn constant(&mut self, value: u32) -> VReg {
        if value == 0 {
            return ZERO;
        }
        self.wanted.push(Early::Constant(value));
        if let Some(&reg) = self.constants.get(&value) {
            return reg;
        }
        let reg = self.out.fresh();
        self.constants.insert(value, reg);
        reg
    }

    /// The register of the `carried` area's address, which the machine gives.
    fn carried(&mut self) -> VReg {
        let given = [Reg(map::reg::A4), Reg(map::reg::TP)];
        *self
            .carried
            .get_or_insert_with(|| give(&mut self.out, given))
    }

    /// The register of the context's address, which the machine gives.
    fn context(&mut self) -> VReg {
        let given = [Reg(map::reg::A5), Reg(map::reg::GP)];
        *self
            .context
            .get_or_insert_with(|| give(&mut self.out, given))
    }
}

fn give(out: &mut Func<VReg>, given: [Reg; 2]) -> VReg {
    let reg = out.fresh();
    out.given.insert(reg, given);
    reg
}

fn places(f: &Function, blocks: &[IrBlock]) -> IdMap<IrInst, Option<(IrBlock, usize)>> {
    let mut places = IdMap::new();
    for &b in blocks {
        for (at, &i) in f.blocks[b].insts.iter().enumerate() {
            places.set(i, Some((b, at)));
        }
    }
    places
}

fn count_uses(f: &Function, blocks: &[IrBlock]) -> IdMap<Value, u32> {
    let mut uses = IdMap::new();
    let mut count = |v: Value| uses[v] += 1;
    for &b in blocks {
        let data = &f.blocks[b];
        data.insts
            .iter()
            .flat_map(|&i| &f.insts[i].args)
            .copied()
            .for_each(&mut count);
        match &data.term {
            Term::Branch { cond, .. } => count(*cond),
            Term::Finish { kind, operand } => {
                count(*kind);
                count(*operand);
            }
            Term::Jump(_) => {}
        }
        data.term
            .targets()
            .flat_map(|call| &call.args)
            .copied()
            .for_each(&mut count);
    }
    uses
}
