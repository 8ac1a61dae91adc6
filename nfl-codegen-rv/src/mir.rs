//! Machine code before and after registers are chosen.
//!
//! In: nothing. Out: [`Code`], [`Block`] and [`Func`], over virtual registers ([`VReg`]) or real ones
//! (`nfl_isa::Reg`). A virtual register below 32 is the machine's register of that number, so that code can name the
//! registers the machine gives a meaning to.

use std::collections::BTreeMap;

use nfl_abi::host::call::ARGS_MAX;
use nfl_ir::ImportId;
use nfl_isa::{Inst, Op, Reg, Target as Isa};
use nfl_syntax::Span;

use crate::graph::{Edges, Graph};

/// A register before allocation; numbers below 32 are the machine's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct VReg(pub(crate) u32);

/// The first number that is not one of the machine's registers.
pub(crate) const FIRST_VIRTUAL: u32 = 32;

impl VReg {
    /// One of the machine's registers.
    pub(crate) const fn fixed(reg: Reg) -> VReg {
        VReg(reg.0 as u32)
    }

    /// The machine's register that this is, if it is one.
    pub(crate) fn as_fixed(self) -> Option<Reg> {
        (self.0 < FIRST_VIRTUAL).then_some(Reg(self.0 as u8))
    }

    /// Whether code may change what it holds: not for zero, the scratch base, and the packet's base and length.
    pub(crate) fn is_variable(self) -> bool {
        self.as_fixed().is_none_or(|reg| !reg_is_constant(reg))
    }

    /// As an index.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whether a register holds the same word from entry to finish.
pub(crate) fn reg_is_constant(reg: Reg) -> bool {
    matches!(reg, Reg::ZERO | Reg::SP | Reg::S0 | Reg::S1)
}

pub(crate) const ZERO: VReg = VReg::fixed(Reg::ZERO);
pub(crate) const SP: VReg = VReg::fixed(Reg::SP);
pub(crate) const PACKET: VReg = VReg::fixed(Reg::S0);
pub(crate) const LEN: VReg = VReg::fixed(Reg::S1);
pub(crate) const A0: VReg = VReg::fixed(Reg::A0);
pub(crate) const A1: VReg = VReg::fixed(Reg::A1);

/// The registers that take the arguments of a service.
pub(crate) const ARGUMENTS: [Reg; ARGS_MAX] =
    [Reg::A0, Reg::A1, Reg::A2, Reg::A3, Reg::A4, Reg::A5];
/// The registers that a service writes: its answers, and the way back.
const ANSWERS: [Reg; 3] = [Reg::A0, Reg::A1, Reg::RA];

/// Registers before or after allocation.
pub(crate) trait Register: Copy + PartialEq {
    /// One of the machine's registers.
    fn of(reg: Reg) -> Self;
}

impl Register for VReg {
    fn of(reg: Reg) -> VReg {
        VReg::fixed(reg)
    }
}

impl Register for Reg {
    fn of(reg: Reg) -> Reg {
        reg
    }
}

/// One step of straight code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code<R> {
    /// An instruction that is no branch.
    Inst(Inst<R>),
    /// A constant into a register, in as many instructions as it takes.
    Li { rd: R, value: u32 },
    /// A service is called: so many arguments from `a0` up, answers in `a0` and `a1`.
    Call { import: ImportId, args: u8 },
}

impl<R: Register> Code<R> {
    /// The registers written.
    pub(crate) fn defs(&self) -> impl Iterator<Item = R> + use<R> {
        let defs = match self {
            Code::Inst(inst) => [inst.written(), None, None],
            Code::Li { rd, .. } => [Some(*rd), None, None],
            Code::Call { .. } => ANSWERS.map(|reg| Some(R::of(reg))),
        };
        defs.into_iter().flatten()
    }

    /// The registers read.
    pub(crate) fn uses(&self) -> impl Iterator<Item = R> + use<R> {
        let (uses, args) = match self {
            Code::Inst(inst) => (inst.read(), 0),
            Code::Li { .. } => ([None, None], 0),
            Code::Call { args, .. } => ([None, None], usize::from(*args)),
        };
        let args = ARGUMENTS.into_iter().take(args).map(R::of);
        uses.into_iter().flatten().chain(args)
    }

    /// Whether it calls a service.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self, Code::Call { .. })
    }

    /// Destination and source, when it only copies.
    pub(crate) fn as_move(&self) -> Option<(R, R)> {
        match self {
            Code::Inst(inst) if inst.op == Op::Addi && inst.imm == 0 => Some((inst.rd, inst.rs1)),
            _ => None,
        }
    }

    /// Over other registers.
    pub(crate) fn map<S: Copy>(&self, mut map: impl FnMut(R) -> S) -> Code<S> {
        match *self {
            Code::Inst(inst) => Code::Inst(inst.map(map)),
            Code::Li { rd, value } => Code::Li { rd: map(rd), value },
            Code::Call { import, args } => Code::Call { import, args },
        }
    }

    /// With the registers it reads replaced.
    pub(crate) fn map_uses(&self, mut map: impl FnMut(R) -> R) -> Code<R> {
        let Code::Inst(mut inst) = *self else {
            return *self;
        };
        let fmt = inst.op.spec().fmt;
        if fmt.has_rs1() {
            inst.rs1 = map(inst.rs1);
        }
        if fmt.has_rs2() {
            inst.rs2 = map(inst.rs2);
        }
        Code::Inst(inst)
    }

    /// With the register it writes replaced; a call writes registers of the machine, which stay.
    pub(crate) fn with_def(&self, rd: R) -> Code<R> {
        match *self {
            Code::Inst(inst) => Code::Inst(Inst { rd, ..inst }),
            Code::Li { value, .. } => Code::Li { rd, value },
            Code::Call { .. } => *self,
        }
    }
}

/// What a line of code is there for; the checker of the allocation wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tag {
    /// It was selected: the line of this number in its block.
    Selected(u32),
    /// It puts a register aside.
    Spill,
    /// It fetches a word that was put aside.
    Reload,
    /// It computes a constant once more.
    Again,
}

/// A step with where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line<R> {
    pub(crate) code: Code<R>,
    pub(crate) tag: Tag,
    pub(crate) span: Option<Span>,
}

/// Where control may go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Target {
    /// A block by its number.
    Block(usize),
    /// The end of the run, with the verdict in `a0` and `a1`.
    Exit,
}

/// A condition on two registers: one of the six branch instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Test<R> {
    pub(crate) op: Op,
    pub(crate) rs1: R,
    pub(crate) rs2: R,
}

impl<R: Copy> Test<R> {
    /// The test that holds when this one does not.
    pub(crate) fn inverted(self) -> Test<R> {
        let op = match self.op {
            Op::Beq => Op::Bne,
            Op::Bne => Op::Beq,
            Op::Blt => Op::Bge,
            Op::Bge => Op::Blt,
            Op::Bltu => Op::Bgeu,
            _ => Op::Bltu,
        };
        Test { op, ..self }
    }

    /// As an instruction with this displacement.
    pub(crate) fn inst(self, displacement: i32, zero: R) -> Inst<R> {
        Inst {
            op: self.op,
            rd: zero,
            rs1: self.rs1,
            rs2: self.rs2,
            imm: displacement,
        }
    }
}

/// How a block ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End<R> {
    /// On to one place.
    Jump(Target),
    /// To one of two places.
    Branch {
        test: Test<R>,
        then: Target,
        otherwise: Target,
    },
}

impl<R: Copy> End<R> {
    /// Where it may go.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> + use<R> {
        let (a, b) = match *self {
            End::Jump(target) => (target, None),
            End::Branch {
                then, otherwise, ..
            } => (then, Some(otherwise)),
        };
        std::iter::once(a).chain(b)
    }

    /// To other places.
    pub(crate) fn retarget(&mut self, map: impl Fn(Target) -> Target) {
        match self {
            End::Jump(target) => *target = map(*target),
            End::Branch {
                then, otherwise, ..
            } => {
                *then = map(*then);
                *otherwise = map(*otherwise);
            }
        }
    }

    /// The registers read.
    pub(crate) fn uses(&self) -> impl Iterator<Item = R> + use<R> {
        let uses = match self {
            End::Jump(_) => [None, None],
            End::Branch { test, .. } => [Some(test.rs1), Some(test.rs2)],
        };
        uses.into_iter().flatten()
    }

    /// Over other registers.
    pub(crate) fn map<S: Copy>(&self, mut map: impl FnMut(R) -> S) -> End<S> {
        match *self {
            End::Jump(target) => End::Jump(target),
            End::Branch {
                test: Test { op, rs1, rs2 },
                then,
                otherwise,
            } => {
                let test = Test {
                    op,
                    rs1: map(rs1),
                    rs2: map(rs2),
                };
                End::Branch {
                    test,
                    then,
                    otherwise,
                }
            }
        }
    }
}

/// A basic block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Block<R> {
    pub(crate) lines: Vec<Line<R>>,
    pub(crate) end: End<R>,
    /// The handler and the block of the IR that it comes from.
    pub(crate) source: (usize, nfl_ir::Block),
    pub(crate) span: Option<Span>,
}

/// A handler's code; block 0 is its entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Func<R> {
    /// What its instructions and their sizes are of.
    pub(crate) isa: &'static Isa,
    pub(crate) blocks: Vec<Block<R>>,
    /// One more than the highest number of a virtual register.
    pub(crate) vregs: u32,
    /// Virtual registers that are live at entry, with the registers of the machine that hold them there.
    pub(crate) given: BTreeMap<VReg, [Reg; 2]>,
}

/// For each block the blocks it may go to.
pub(crate) fn successors<R: Copy>(blocks: &[Block<R>]) -> Edges {
    let block = |target: Target| match target {
        Target::Block(to) => Some(to),
        Target::Exit => None,
    };
    let blocks = blocks.iter();
    blocks.map(|b| b.end.targets().filter_map(block)).collect()
}

impl<R: Copy> Func<R> {
    /// A register that nothing uses yet.
    pub(crate) fn fresh(&mut self) -> VReg {
        self.vregs += 1;
        VReg(self.vregs - 1)
    }
}

/// The code of all handlers of an image.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) blocks: Vec<Block<Reg>>,
    /// The block that each handler starts with.
    pub(crate) entries: Vec<usize>,
    pub(crate) isa: &'static Isa,
}

impl Program {
    /// Puts the code of handlers together.
    pub(crate) fn new(handlers: Vec<Func<Reg>>, isa: &'static Isa) -> Program {
        let mut program = Program {
            blocks: Vec::new(),
            entries: Vec::new(),
            isa,
        };
        for handler in handlers {
            let from = program.blocks.len();
            program.entries.push(from);
            for mut block in handler.blocks {
                block.end.retarget(|target| match target {
                    Target::Block(b) => Target::Block(b + from),
                    Target::Exit => Target::Exit,
                });
                program.blocks.push(block);
            }
        }
        program
    }

    /// For each block the blocks it may go to, and last, as if it were one more block, the entries.
    pub(crate) fn successors(&self) -> Edges {
        let mut successors = successors(&self.blocks);
        successors.push(self.entries.iter().copied());
        successors
    }

    /// Its control flow, which starts at the block behind the last.
    pub(crate) fn graph(&self) -> Graph {
        Graph::new(&self.successors(), self.blocks.len())
    }
}

/// The instructions that put a constant into a register; one or two, never none.
pub(crate) fn load_constant<R: Copy>(rd: R, zero: R, value: u32, isa: &Isa) -> Vec<Inst<R>> {
    let bit = value.trailing_zeros().cast_signed();
    let value = value.cast_signed();
    let low = (value << 20) >> 20;
    let high = value.wrapping_sub(low);
    let upper = Inst {
        op: Op::Lui,
        rd,
        rs1: zero,
        rs2: zero,
        imm: high,
    };
    let lower = |rs1| Inst {
        op: Op::Addi,
        rd,
        rs1,
        rs2: zero,
        imm: low,
    };
    match (high, low) {
        (0, _) => vec![lower(zero)],
        (_, 0) => vec![upper],
        _ if value.count_ones() == 1 && isa.allows(Op::Bseti) => vec![Inst {
            op: Op::Bseti,
            imm: bit,
            ..lower(zero)
        }],
        _ => vec![upper, lower(rd)],
    }
}

/// Bytes that a constant takes to load.
pub(crate) fn constant_bytes(value: u32, isa: &Isa) -> u32 {
    let insts = load_constant(Reg::A2, Reg::ZERO, value, isa);
    insts.iter().map(|inst| isa.size(inst)).sum()
}

/// Bytes of a step; a copy of a register to itself takes none.
pub(crate) fn bytes_of(code: &Code<Reg>, isa: &Isa) -> u32 {
    match code {
        _ if code.as_move().is_some_and(|(rd, rs)| rd == rs) => 0,
        Code::Inst(inst) => isa.size(inst),
        Code::Li { rd, value } => {
            let insts = load_constant(*rd, Reg::ZERO, *value, isa);
            insts.iter().map(|inst| isa.size(inst)).sum()
        }
        // As long as the code is within reach of the vector.
        Code::Call { .. } => 2,
    }
}
