//! From proven microcode to functions of Cranelift's intermediate form.
//!
//! In: an image, what is known before each of its instructions, and one entry. Out: a function that does
//! what the entry does. Guaranteed: every load and store is one that the proof covers, and nothing is
//! checked again; where a fact is missing that host code needs, there is no function.
//!
//! A register is one variable of 64 bits: a host address, or a number with zeros above it. The proof says at each use which of
//! them it is; that a number is wide already is what its use in an address takes. A word of scratch that is always read and
//! written whole is a variable too; the others lie in the frame.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{AliasRegionData, Block, InstBuilder, MemFlagsData, Opcode, Value};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, Switch, Variable};
use nfl_abi::Image;
use nfl_abi::host::Call;
use nfl_abi::map;
use nfl_isa::{Op, Reg};
use nfl_verify::{Holds, Region};

use super::Unsupported;
use super::bytes::Bytes;
use super::call::Frame;
use super::choose::Choice;
use super::facts::{Facts, Flow, Line};
use super::finish::{UNDECIDED, Verdicts};
use super::stores::Stores;

/// Addresses stay this near to their region. The sums of the proof are exact integers, and so are those of 64 bits
/// while no address comes near the end of the host's.
const NEAR: i64 = 1 << 34;

/// Registers, then words of scratch.
const PLACES: usize = 32 + WORDS;
const WORDS: usize = map::SCRATCH_BYTES as usize / 4;

/// Other forms of values, and in which block each was made if not where its value was.
type Forms = BTreeMap<Value, (Value, Option<Block>)>;

/// A function that is being built.
pub(super) struct Translator<'a, 'f> {
    pub(super) b: FunctionBuilder<'f>,
    pub(super) image: &'a Image,
    pub(super) facts: &'a Facts,
    pub(super) calls: &'a [Call],
    pub(super) frame: Value,
    /// Where lookups begin, by the slots of imports.
    pub(super) roots: Value,
    context: Value,
    variables: [Option<Variable>; PLACES],
    /// The 32 bits of numbers that variables hold.
    narrow: Forms,
    /// The same the other way round.
    wide: Forms,
    blocks: BTreeMap<u32, Block>,
    /// Blocks that control reaches from further down.
    open: BTreeSet<u32>,
    pub(super) bytes: Bytes,
    /// Of numbers that were shifted what was shifted, with zeros above it, and how far.
    pub(super) shifts: BTreeMap<Value, (Value, i64)>,
    pub(super) stores: Stores,
    /// How many branches, jumps and calls lead to an instruction.
    pub(super) edges: BTreeMap<u32, u32>,
    pub(super) choice: Option<Choice>,
    /// For each subroutine where its calls go on.
    behind: BTreeMap<u32, Vec<u32>>,
    regions: [MemFlagsData; 6],
    pub(super) verdicts: Verdicts,
    /// Where a run ends that a service has ended.
    stopped: Option<Block>,
}

/// Builds the function of an entry. Its arguments are the frame, the packet, the packet's length, where lookups begin, and
/// the context.
pub(super) fn entry(
    mut builder: FunctionBuilder<'_>,
    image: &Image,
    facts: &Facts,
    calls: &[Call],
    pc: u32,
    config: TargetFrontendConfig,
) -> Result<(), Unsupported> {
    let start = builder.create_block();
    builder.append_block_params_for_function_params(start);
    builder.switch_to_block(start);
    builder.seal_block(start);
    let &[frame, packet, len, roots, context] = builder.block_params(start) else {
        return Err(Unsupported::Compiler(
            "the function has other arguments".into(),
        ));
    };
    let regions = core::array::from_fn(|n| {
        let data = AliasRegionData {
            user_id: n as u32,
            description: "".into(),
        };
        let region = builder.func.dfg.alias_regions.insert(data);
        MemFlagsData::new()
            .with_notrap()
            .with_alias_region(Some(region))
    });
    let mut t = Translator {
        b: builder,
        image,
        facts,
        calls,
        frame,
        roots,
        context,
        variables: [None; PLACES],
        narrow: BTreeMap::new(),
        wide: BTreeMap::new(),
        blocks: BTreeMap::new(),
        open: BTreeSet::new(),
        bytes: Bytes::default(),
        shifts: BTreeMap::new(),
        stores: Stores::default(),
        edges: BTreeMap::new(),
        choice: None,
        behind: BTreeMap::new(),
        regions,
        verdicts: Verdicts::of(image),
        stopped: None,
    };
    let reached = t.reach(pc);
    t.at_entry(packet, len);
    let first = t.block(pc);
    t.b.ins().jump(first, &[]);
    t.body(&reached)?;
    if let Some(stopped) = t.stopped {
        t.b.switch_to_block(stopped);
        t.stop();
    }
    t.b.seal_all_blocks();
    t.b.finalize(config);
    Ok(())
}

impl Translator<'_, '_> {
    /// Makes a block for every place that control jumps to from `entry` on; answers which instructions it reaches.
    fn reach(&mut self, entry: u32) -> Vec<bool> {
        let facts = self.facts;
        let mut reached = vec![false; facts.lines.len()];
        let mut next = vec![(None, entry)];
        while let Some((from, pc)) = next.pop() {
            *self.edges.entry(pc).or_default() += 1;
            if from.is_some_and(|from| from >= pc) {
                self.open.insert(pc);
            }
            let Some(mut at) = facts.index(pc) else {
                continue;
            };
            if !self.blocks.contains_key(&pc) {
                let block = self.b.create_block();
                self.blocks.insert(pc, block);
            }
            while !std::mem::replace(&mut reached[at], true) {
                let line = &facts.lines[at];
                let from = Some(line.pc);
                match line.flow {
                    Flow::Next | Flow::Call(_) => {
                        at += 1;
                        continue;
                    }
                    Flow::Enter(target) => {
                        self.behind.entry(target).or_default().push(line.end());
                    }
                    _ => {}
                }
                let mut ways = Vec::new();
                facts.ways(line, &mut ways);
                next.extend(ways.into_iter().map(|to| (from, to)));
                break;
            }
        }
        reached
    }

    fn block(&self, pc: u32) -> Block {
        self.blocks[&pc]
    }

    fn at_entry(&mut self, packet: Value, len: Value) {
        for reg in [Reg::A0, Reg::A1] {
            let zero = self.b.ins().iconst(I64, 0);
            self.set(reg, zero);
        }
        self.packet_is(packet, len);
        for (reg, region) in [
            (Reg::GP, Region::Context),
            (Reg::A5, Region::Context),
            (Reg::TP, Region::Carried),
            (Reg::A4, Region::Carried),
            (Reg::SP, Region::Scratch),
        ] {
            let start = self.start(region);
            self.set(reg, start);
        }
    }

    /// The packet begins here and is so long, with zeros above.
    pub(super) fn packet_is(&mut self, packet: Value, len: Value) {
        self.set(Reg::S0, packet);
        self.set(Reg::S1, len);
    }

    fn body(&mut self, reached: &[bool]) -> Result<(), Unsupported> {
        let facts = self.facts;
        let mut falls = true;
        for (line, _) in facts
            .lines
            .iter()
            .zip(reached)
            .filter(|(_, reached)| **reached)
        {
            if let Some(&block) = self.blocks.get(&line.pc) {
                // The function's start jumps to its entry by itself.
                if falls && self.b.current_block() != Some(block) && !self.is_ended() {
                    match facts.tail(line.pc) {
                        Some(lines) => self.copy(lines)?,
                        None => {
                            self.b.ins().jump(block, &[]);
                        }
                    }
                }
                self.b.switch_to_block(block);
                self.bytes.forget_loads();
                self.stores.forget();
                if !self.open.contains(&line.pc) {
                    self.b.seal_block(block);
                }
            }
            falls = self.line(line)?;
        }
        Ok(())
    }

    /// Whether the block has its last instruction.
    fn is_ended(&self) -> bool {
        let block = self.b.current_block();
        let last = block.and_then(|block| self.b.func.layout.last_inst(block));
        last.is_some_and(|last| self.b.func.dfg.insts[last].opcode().is_terminator())
    }

    /// Translates one instruction; answers whether control falls to the next one.
    fn line(&mut self, line: &Line) -> Result<bool, Unsupported> {
        match line.flow {
            Flow::Next => {
                self.step(line)?;
                self.chosen();
            }
            Flow::Call(slot) => self.call(line, slot)?,
            Flow::Branch(target) => {
                if self.is_choice(line, target) {
                    let taken = self.is_taken(line)?;
                    self.choose(line, taken);
                    return Ok(true);
                }
                let (to, next) = (self.block(target), self.block(line.end()));
                self.branch(line, to, next)?;
                return Ok(false);
            }
            Flow::Jump(target) => {
                match self.facts.copied(line, target) {
                    Some(lines) => self.copy(lines)?,
                    None => {
                        let to = self.block(target);
                        self.b.ins().jump(to, &[]);
                    }
                }
                return Ok(false);
            }
            Flow::Enter(target) => {
                let calls = &self.behind[&target];
                let at = calls.iter().position(|&behind| behind == line.end());
                let at = self.b.ins().iconst(I32, at.map_or(0, |at| at as i64));
                self.set_number(line.inst.rd, at);
                let to = self.block(target);
                self.b.ins().jump(to, &[]);
                return Ok(false);
            }
            Flow::Return(entry) => {
                self.go_back(line, entry);
                return Ok(false);
            }
            Flow::Finish => {
                self.finish(line)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Translates lines once more, of which the last one leads elsewhere.
    fn copy(&mut self, lines: Range<usize>) -> Result<(), Unsupported> {
        let facts = self.facts;
        let end = lines.end;
        for (at, line) in lines.clone().zip(&facts.lines[lines]) {
            match line.flow {
                Flow::Branch(target) => {
                    let to = self.block(target);
                    let next = match at + 1 == end {
                        true => self.block(line.end()),
                        false => self.b.create_block(),
                    };
                    self.branch(line, to, next)?;
                    if at + 1 < end {
                        self.open_block(next);
                    }
                }
                _ => {
                    self.line(line)?;
                }
            }
        }
        Ok(())
    }

    /// The link holds the number of the call among those of its subroutine.
    fn go_back(&mut self, line: &Line, entry: u32) {
        let calls = self.behind.get(&entry).cloned().unwrap_or_default();
        let Some((&last, others)) = calls.split_last() else {
            // No call leads here, so nothing does.
            self.stop();
            return;
        };
        let last = self.block(last);
        if others.is_empty() {
            self.b.ins().jump(last, &[]);
            return;
        }
        let mut switch = Switch::new();
        for (n, &behind) in others.iter().enumerate() {
            switch.set_entry(n as u128, self.block(behind));
        }
        let link = self.held(place(line.inst.rs1));
        let link = self.narrow(link);
        switch.emit(&mut self.b, link, last);
    }

    /// Where the run ends once a service has ended it.
    pub(super) fn stopped(&mut self) -> Block {
        if let Some(block) = self.stopped {
            return block;
        }
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        *self.stopped.insert(block)
    }

    /// Ends the run; the frame says how.
    pub(super) fn stop(&mut self) {
        let undecided = self.b.ins().iconst(I64, UNDECIDED);
        self.b.ins().return_(&[undecided]);
    }

    /// Goes to one block if a branch is taken, and else to the other.
    fn branch(&mut self, line: &Line, taken: Block, next: Block) -> Result<(), Unsupported> {
        let is_zero = line.b == Holds::Number((0, 0));
        if let (Holds::Number(_), true, Op::Beq | Op::Bne) = (line.a, is_zero, line.inst.op) {
            let number = self.wide_number(line, line.inst.rs1, line.a)?;
            if self.is_sum(number) {
                // A comparison would be one with what it was before.
                let (some, none) = match line.inst.op {
                    Op::Bne => (taken, next),
                    _ => (next, taken),
                };
                self.b.ins().brif(number, some, &[], none, &[]);
                return Ok(());
            }
        }
        let is_taken = self.is_taken(line)?;
        self.b.ins().brif(is_taken, taken, &[], next, &[]);
        Ok(())
    }

    fn is_taken(&mut self, line: &Line) -> Result<Value, Unsupported> {
        let order = match line.inst.op {
            Op::Beq => IntCC::Equal,
            Op::Bne => IntCC::NotEqual,
            Op::Blt => IntCC::SignedLessThan,
            Op::Bge => IntCC::SignedGreaterThanOrEqual,
            Op::Bltu => IntCC::UnsignedLessThan,
            _ => IntCC::UnsignedGreaterThanOrEqual,
        };
        self.compare(line, order, line.b)
    }

    /// Compares the operands of an instruction, of which the second holds `b`: in `rs2`, or else as its immediate.
    pub(super) fn compare(
        &mut self,
        line: &Line,
        order: IntCC,
        b: Holds,
    ) -> Result<Value, Unsupported> {
        let (rs1, rs2) = (line.inst.rs1, line.inst.rs2);
        let is_number = |holds| matches!(holds, Holds::Number(_));
        Ok(if is_number(line.a) && is_number(b) {
            let wide = (
                self.wide_number(line, rs1, line.a)?,
                self.wide_number(line, rs2, b)?,
            );
            let is_signed = order.unsigned() != order;
            if !is_signed && (self.is_sum(wide.0) || self.is_sum(wide.1)) {
                // What was counted up is wide already.
                return Ok(self.b.ins().icmp(order, wide.0, wide.1));
            }
            let x = self.number(line, rs1, line.a)?;
            if b == Holds::Number((0, 0))
                && let Some(is) = self.against_zero(order, x)
            {
                return Ok(is);
            }
            let y = self.number(line, rs2, b)?;
            self.b.ins().icmp(order, x, y)
        } else {
            let x = self.address(line, rs1, line.a)?;
            let y = self.address(line, rs2, b)?;
            self.b.ins().icmp(order, x, y)
        })
    }
}

/// Registers and words of scratch.
impl Translator<'_, '_> {
    /// The number in a register that holds one.
    pub(super) fn number(
        &mut self,
        line: &Line,
        reg: Reg,
        holds: Holds,
    ) -> Result<Value, Unsupported> {
        match holds {
            Holds::Number((lo, hi)) if lo == hi => {
                Ok(self.b.ins().iconst(I32, i64::from(lo as u32)))
            }
            Holds::Number(_) => {
                let held = self.held(place(reg));
                Ok(self.narrow(held))
            }
            _ => Err(Unsupported::Fact(line.pc)),
        }
    }

    /// The same with zeros above.
    pub(super) fn wide_number(
        &mut self,
        line: &Line,
        reg: Reg,
        holds: Holds,
    ) -> Result<Value, Unsupported> {
        match holds {
            Holds::Number((lo, hi)) if lo == hi => {
                Ok(self.b.ins().iconst(I64, i64::from(lo as u32)))
            }
            Holds::Number(_) => Ok(self.held(place(reg))),
            _ => Err(Unsupported::Fact(line.pc)),
        }
    }

    /// The host address in a register that holds an address, or nothing.
    pub(super) fn address(
        &mut self,
        line: &Line,
        reg: Reg,
        holds: Holds,
    ) -> Result<Value, Unsupported> {
        match holds {
            Holds::Number((lo @ (0 | 1), hi)) if lo == hi => Ok(self.b.ins().iconst(I64, lo)),
            Holds::Address(Region::Scratch | Region::Context | Region::Carried, (lo, hi))
                if lo == hi =>
            {
                let Holds::Address(region, _) = holds else {
                    return Err(Unsupported::Fact(line.pc));
                };
                let start = self.start(region);
                Ok(self.b.ins().iadd_imm_s(start, lo))
            }
            Holds::Address(..) | Holds::Answer => Ok(self.held(place(reg))),
            _ => Err(Unsupported::Fact(line.pc)),
        }
    }

    pub(super) fn set_number(&mut self, reg: Reg, value: Value) {
        let wide = self.wide(value);
        self.set(reg, wide);
    }

    /// Puts an address into a register, or a number with zeros above it.
    pub(super) fn set(&mut self, reg: Reg, value: Value) {
        if reg != Reg::ZERO {
            self.hold(place(reg), value);
        }
    }

    pub(super) fn hold(&mut self, place: usize, value: Value) {
        let variable = self.variable(place);
        self.b.def_var(variable, value);
    }

    pub(super) fn held(&mut self, place: usize) -> Value {
        let variable = self.variable(place);
        self.b.use_var(variable)
    }

    fn variable(&mut self, place: usize) -> Variable {
        *self.variables[place].get_or_insert_with(|| self.b.declare_var(I64))
    }

    /// A number with zeros above it.
    pub(super) fn wide(&mut self, number: Value) -> Value {
        if let Some(wide) = self.form(&self.wide, number) {
            return wide;
        }
        let wide = self.b.ins().uextend(I64, number);
        self.wide.insert(number, (wide, self.b.current_block()));
        self.narrow.insert(wide, (number, None));
        wide
    }

    /// Whether a number was counted up or down, with zeros above it. Its 32 bits alone would be counted once more.
    fn is_sum(&self, wide: Value) -> bool {
        let inst = self.b.func.dfg.value_def(wide).inst();
        inst.is_some_and(|inst| self.b.func.dfg.insts[inst].opcode() == Opcode::Iadd)
    }

    /// The number that has zeros above it.
    pub(super) fn narrow(&mut self, wide: Value) -> Value {
        if let Some(number) = self.form(&self.narrow, wide) {
            return number;
        }
        let number = self.b.ins().ireduce(I32, wide);
        self.narrow.insert(wide, (number, self.b.current_block()));
        self.wide.insert(number, (wide, None));
        number
    }

    /// The other form of a value, where it is known in this block.
    fn form(&self, forms: &Forms, value: Value) -> Option<Value> {
        let &(form, at) = forms.get(&value)?;
        (at.is_none() || at == self.b.current_block()).then_some(form)
    }

    /// Whether a word of scratch lies in the frame.
    pub(super) fn is_in_memory(&self, word: u8) -> bool {
        self.facts.in_memory >> (word & 63) & 1 != 0
    }

    /// The host address of the first byte of a region that does not move.
    pub(super) fn start(&mut self, region: Region) -> Value {
        let field = match region {
            Region::Scratch => {
                return self
                    .b
                    .ins()
                    .iadd_imm_s(self.frame, i64::from(Frame::SCRATCH));
            }
            Region::Carried => Frame::CARRIED,
            Region::Constants => {
                let constants = self.image.constants.as_ptr().expose_provenance();
                return self.b.ins().iconst(I64, constants as i64);
            }
            Region::Context | Region::Packet | Region::Value => return self.context,
        };
        let flags = FRAME.with_readonly().with_can_move();
        self.b.ins().load(I64, flags, self.frame, field)
    }

    /// How to access memory of a region.
    pub(super) fn flags(&self, region: Region) -> MemFlagsData {
        let n = match region {
            Region::Packet => 0,
            Region::Scratch => 1,
            Region::Context => 2,
            Region::Carried => 3,
            Region::Constants => return self.regions[4].with_readonly(),
            Region::Value => return self.regions[5].with_readonly(),
        };
        self.regions[n]
    }
}

/// How to access the frame beside its scratch.
pub(super) const FRAME: MemFlagsData = MemFlagsData::new().with_notrap().with_aligned();

/// The place of a register among the variables.
pub(super) fn place(reg: Reg) -> usize {
    usize::from(reg.0 & 31)
}

/// The place of a word of scratch among the variables.
pub(super) fn word_place(word: u8) -> usize {
    32 + usize::from(word) % WORDS
}

/// Refuses addresses that lie too far from their region.
pub(super) fn near(line: &Line, (lo, hi): nfl_verify::Range) -> Result<(), Unsupported> {
    if lo > -NEAR && hi < NEAR {
        Ok(())
    } else {
        Err(Unsupported::Fact(line.pc))
    }
}
