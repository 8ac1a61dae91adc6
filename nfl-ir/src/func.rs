//! Modules, functions, blocks and instructions.
//!
//! Plain data: everything is public, and `verify/structure.rs` says what well-formed means. An
//! instruction that was removed stays in the arena and in no block.

use crate::entity::{Block, DataId, FieldId, ImportId, Inst, LateId, ParamId, Slot, Value};
use crate::op::{Effect, Op};
use crate::verify::flow::Words;
use nfl_abi::image::{Import, Resource, Rights, Verdict};
use nfl_abi::{Layer, Profile, Role};
use nfl_syntax::Span;
use nfl_syntax::arena::IdVec;

/// What one image is made from: the handlers of one party of a contract, or all resident handlers.
#[derive(Clone, Debug)]
pub struct Module {
    /// Qualified name of the function; capsules append `.originator` or `.responder`.
    pub name: String,
    /// Where the image will live.
    pub profile: Profile,
    /// What the functions declare to do.
    pub rights: Rights,
    /// How often a packet may run through it.
    pub passes: u8,
    /// Arrays of constants.
    pub data: IdVec<DataId, Data>,
    /// Words that are filled in after compilation.
    pub late: IdVec<LateId, WordInfo>,
    /// Words of parameters that are not bound; an image has none.
    pub params: IdVec<ParamId, WordInfo>,
    /// The `carried` area's first bytes.
    pub carried: Vec<u8>,
    /// Arrays in the `carried` area.
    pub fields: IdVec<FieldId, CarriedField>,
    /// Names of the program's own reasons, from `OWN_REASONS` up.
    pub reasons: Vec<String>,
    /// Services it calls; each once.
    pub imports: IdVec<ImportId, Import>,
    /// State that the imports name, by its place.
    pub resources: Vec<Resource>,
    /// Texts of `log`, by number.
    pub formats: Vec<String>,
    /// The handlers in the order of their roles.
    pub functions: Vec<Function>,
}

impl Module {
    /// What its functions name by number.
    pub fn words(&self) -> Words<'_> {
        Words {
            late: &self.late,
            params: &self.params,
            imports: &self.imports,
            resources: &self.resources,
        }
    }
}

/// An array of constants, as its bytes lie in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data {
    /// Name of the constant.
    pub name: String,
    /// Little-endian elements.
    pub bytes: Vec<u8>,
    /// Alignment in bytes: 1, 2 or 4.
    pub align: u8,
}

/// An array in the `carried` area.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedField {
    /// Its name.
    pub name: String,
    /// Its first byte in the area.
    pub offset: u32,
    /// Its size in bytes.
    pub bytes: u32,
}

/// A word whose value is known later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WordInfo {
    /// The parameter's name.
    pub name: String,
    /// Its width in bits, 1..=32.
    pub width: u8,
    /// Whether it is stored in wire order; only late words of 16 or 32 bits. `late` then gives the swapped word.
    pub wire: bool,
    /// Smallest value.
    pub lo: u32,
    /// Largest value.
    pub hi: u32,
    /// The value when nobody sets one.
    pub default: Option<u32>,
}

/// One handler.
#[derive(Clone, Debug)]
pub struct Function {
    /// When it runs.
    pub role: Role,
    /// Where the packet begins for it.
    pub layer: Layer,
    /// For timers: nanoseconds from run to run; otherwise 0.
    pub period_ns: u64,
    /// The verdict of a malformed packet, where it is a constant.
    pub malformed: Option<Verdict>,
    /// It runs only on packets of at least this many bytes; shorter ones get `malformed`.
    pub need: u32,
    /// Where it starts; has no parameters and no predecessors.
    pub entry: Block,
    /// Blocks; those that `layout` leaves out are gone.
    pub blocks: IdVec<Block, BlockData>,
    /// The blocks in order, `entry` first.
    pub layout: Vec<Block>,
    /// Instructions.
    pub insts: IdVec<Inst, InstData>,
    /// Words.
    pub values: IdVec<Value, ValueData>,
    /// Local arrays.
    pub slots: IdVec<Slot, SlotData>,
}

/// A basic block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockData {
    /// Words it takes from its predecessors.
    pub params: Vec<Value>,
    /// Its instructions in order.
    pub insts: Vec<Inst>,
    /// How it ends.
    pub term: Term,
    /// Where in the source `term` comes from.
    pub span: Option<Span>,
}

/// Where a word comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// An instruction's result.
    Inst(Inst),
    /// A parameter of a block, by position.
    Param(Block, u32),
}

/// A word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ValueData {
    /// Where it comes from.
    pub origin: Origin,
    /// Its number is below `2^width`; 1..=32. A claim that the verifier checks for block parameters.
    pub width: u8,
}

/// A local array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SlotData {
    /// The variable's name; empty for memory that the compiler needs.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u32,
    /// Bytes at its end that are no elements, so that it is made of whole words: nobody reads them.
    pub padding: u8,
    /// Alignment in bytes: 1, 2 or 4.
    pub align: u8,
}

/// Which memory a load or store means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Region {
    /// The packet from the handler's layer on.
    Packet,
    /// Memory that travels with the packet: all of it, for places that do not vary.
    Carried,
    /// An array in that memory, from its first byte on.
    Field(FieldId),
    /// An array of constants; read-only.
    Data(DataId),
    /// A local array.
    Slot(Slot),
    /// The value that a lookup found: its address is the first operand, and must not be 0. Read-only.
    Value,
}

/// An instruction.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InstData {
    /// What it does.
    pub op: Op,
    /// Its operands: for a store the value first; in [`Region::Value`] then the address; then maybe
    /// the variable part of the place.
    pub args: Vec<Value>,
    /// The immediate: a constant, a number of a late or parameter word, a constant offset into a region.
    pub imm: u32,
    /// The region, for loads and stores.
    pub region: Option<Region>,
    /// Its result, for all but stores and assertions.
    pub result: Option<Value>,
    /// Where in the source it comes from.
    pub span: Option<Span>,
}

impl InstData {
    /// Where in its operands a load or store has the variable part of its place.
    pub fn index_at(&self) -> usize {
        let is_store = self.op.spec().effect == Effect::Write;
        usize::from(is_store || self.region == Some(Region::Value))
    }

    /// The variable part of the place of a load or store.
    pub fn index(&self) -> Option<Value> {
        self.region?;
        self.args.get(self.index_at()).copied()
    }
}

/// A block with words for its parameters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockCall {
    /// The block.
    pub block: Block,
    /// One word for each of its parameters.
    pub args: Vec<Value>,
}

/// How a block ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Term {
    /// On to a block.
    Jump(BlockCall),
    /// To `then` when `cond` is not zero, else to `otherwise`.
    Branch {
        /// The condition.
        cond: Value,
        /// Where to go when it is not zero.
        then: BlockCall,
        /// Where to go when it is zero.
        otherwise: BlockCall,
    },
    /// The handler ends with this verdict.
    Finish {
        /// Number of the verdict.
        kind: Value,
        /// Its operand.
        operand: Value,
    },
}

impl Term {
    /// The blocks it may go to, in order.
    pub fn targets(&self) -> impl Iterator<Item = &BlockCall> {
        let (a, b) = match self {
            Term::Jump(call) => (Some(call), None),
            Term::Branch {
                then, otherwise, ..
            } => (Some(then), Some(otherwise)),
            Term::Finish { .. } => (None, None),
        };
        a.into_iter().chain(b)
    }

    /// The same, to be changed.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut BlockCall> {
        let (a, b) = match self {
            Term::Jump(call) => (Some(call), None),
            Term::Branch {
                then, otherwise, ..
            } => (Some(then), Some(otherwise)),
            Term::Finish { .. } => (None, None),
        };
        a.into_iter().chain(b)
    }
}

impl Term {
    /// The words it reads, in order.
    pub fn uses(&self) -> impl Iterator<Item = Value> {
        let (a, b) = match *self {
            Term::Jump(_) => (None, None),
            Term::Branch { cond, .. } => (Some(cond), None),
            Term::Finish { kind, operand } => (Some(kind), Some(operand)),
        };
        let args = self.targets().flat_map(|call| call.args.iter().copied());
        a.into_iter().chain(b).chain(args)
    }

    /// The words it reads, to be changed, in order.
    pub fn uses_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let (words, calls) = match self {
            Term::Jump(call) => ([None, None], [Some(call), None]),
            Term::Branch {
                cond,
                then,
                otherwise,
            } => ([Some(cond), None], [Some(then), Some(otherwise)]),
            Term::Finish { kind, operand } => ([Some(kind), Some(operand)], [None, None]),
        };
        let args = calls.into_iter().flatten().flat_map(|call| &mut call.args);
        words.into_iter().flatten().chain(args)
    }
}

impl Function {
    /// A function with an empty entry block that drops.
    pub fn new(role: Role, layer: Layer) -> Function {
        let mut f = Function {
            role,
            layer,
            period_ns: 0,
            malformed: None,
            need: 0,
            entry: nfl_syntax::arena::Id::new(0),
            blocks: IdVec::new(),
            layout: Vec::new(),
            insts: IdVec::new(),
            values: IdVec::new(),
            slots: IdVec::new(),
        };
        f.entry = f.add_block();
        f.layout.push(f.entry);
        f
    }

    /// A block with no parameters that is in no layout yet; its end is to be set.
    pub fn add_block(&mut self) -> Block {
        let here = self.blocks.next_id();
        self.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            term: Term::Jump(BlockCall {
                block: here,
                args: Vec::new(),
            }),
            span: None,
        })
    }

    /// One more parameter of a block.
    pub fn add_param(&mut self, block: Block, width: u8) -> Value {
        let at = self.blocks[block].params.len() as u32;
        let v = self.values.push(ValueData {
            origin: Origin::Param(block, at),
            width,
        });
        self.blocks[block].params.push(v);
        v
    }

    /// Appends an instruction to a block and answers its result, if it has one.
    pub fn append(&mut self, block: Block, mut data: InstData, width: u8) -> Option<Value> {
        let inst = self.insts.next_id();
        data.result = data.op.has_result().then(|| {
            self.values.push(ValueData {
                origin: Origin::Inst(inst),
                width,
            })
        });
        let result = data.result;
        self.insts.push(data);
        self.blocks[block].insts.push(inst);
        result
    }

    /// Appends an operation that computes a number from numbers, or a constant; the number has the operation's width.
    pub fn compute(&mut self, block: Block, op: Op, args: &[Value], imm: u32) -> Value {
        let data = InstData {
            op,
            args: args.to_vec(),
            imm,
            region: None,
            result: None,
            span: None,
        };
        let v = self.append(block, data, op.natural_width());
        v.expect("an operation on numbers has a result")
    }

    /// The instruction that makes this word; parameters of blocks have none.
    pub fn def(&self, v: Value) -> Option<&InstData> {
        match self.values[v].origin {
            Origin::Inst(inst) => Some(&self.insts[inst]),
            Origin::Param(..) => None,
        }
    }

    /// The number that this word always is, where an instruction says so.
    pub fn constant(&self, v: Value) -> Option<u32> {
        self.def(v).filter(|d| d.op == Op::Const).map(|d| d.imm)
    }

    /// The verdict of a block that ends with constants.
    pub fn verdict(&self, b: Block) -> Option<(u32, u32)> {
        match self.blocks[b].term {
            Term::Finish { kind, operand } => Some((self.constant(kind)?, self.constant(operand)?)),
            _ => None,
        }
    }

    /// Renames every use of a word in the blocks of the layout.
    pub fn rename_uses(&mut self, mut name: impl FnMut(Value) -> Value) {
        for &b in &self.layout {
            for &inst in &self.blocks[b].insts {
                for arg in &mut self.insts[inst].args {
                    *arg = name(*arg);
                }
            }
            for arg in self.blocks[b].term.uses_mut() {
                *arg = name(*arg);
            }
        }
    }
}
