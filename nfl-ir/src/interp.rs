//! The IR interpreter: what a function means, and the oracle that passes and engines are held to.
//!
//! In: a module, the number of a handler, and what a node gives it. Out: the verdict; packet and
//! `carried` bytes are changed in place. Guaranteed: an access out of bounds, a zero divisor, a
//! word that was never written and a run without an end are traps, and verified modules have none.

use std::ops::Range;

use nfl_syntax::arena::{Id, IdMap};

use crate::entity::{FieldId, Value};
use crate::func::{BlockCall, Function, InstData, Module, Region, Term};
use crate::op::{Fmt, Op};

/// The instructions a run may take.
pub const STEPS_MAX: u32 = 10_000_000;

/// What the node gives a handler beside the packet.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Words of the context, in order.
    pub context: &'a [u32],
    /// Memory that travels with the packet.
    pub carried: &'a mut [u8],
    /// Numbers of the late words by their ids; swapping for the wire is the interpreter's business.
    pub late: &'a [u32],
}

/// A run that no verified function has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// A load or store outside its region.
    OutOfBounds,
    /// A store to constants.
    ReadOnly,
    /// A divisor was zero.
    DivideByZero,
    /// A byte of a local array was read before it was written.
    Undefined,
    /// A parameter, late word or context word that nobody gave.
    Unbound,
    /// More than `STEPS_MAX` instructions.
    Endless,
}

/// Runs a handler; answers the verdict's number and operand.
pub fn run(
    m: &Module,
    function: usize,
    packet: &mut [u8],
    inputs: &mut Inputs,
) -> Result<(u32, u32), Trap> {
    let f = m.functions.get(function).ok_or(Trap::Unbound)?;
    if packet.len() < f.need as usize {
        let verdict = f.malformed.ok_or(Trap::Unbound)?;
        return Ok((u32::from(verdict.kind.number()), verdict.operand));
    }
    let slots = f.slots.iter().map(|(_, s)| vec![None; s.bytes as usize]);
    let mut frame = Frame {
        m,
        f,
        packet,
        context: inputs.context,
        carried: inputs.carried,
        late: inputs.late,
        slots: slots.collect(),
        values: IdMap::new(),
    };
    frame.run()
}

struct Frame<'a> {
    m: &'a Module,
    f: &'a Function,
    packet: &'a mut [u8],
    context: &'a [u32],
    carried: &'a mut [u8],
    late: &'a [u32],
    slots: Vec<Vec<Option<u8>>>,
    values: IdMap<Value, u32>,
}

impl Frame<'_> {
    fn run(&mut self) -> Result<(u32, u32), Trap> {
        let f = self.f;
        let mut here = f.entry;
        let mut steps = 0;
        loop {
            for &inst in &f.blocks[here].insts {
                let inst = &f.insts[inst];
                let result = self.step(inst)?;
                if let Some(v) = inst.result {
                    self.values.set(v, result);
                }
                steps += 1;
            }
            steps += 1;
            if steps > STEPS_MAX {
                return Err(Trap::Endless);
            }
            here = match &f.blocks[here].term {
                Term::Finish { kind, operand } => {
                    return Ok((self.values[*kind], self.values[*operand]));
                }
                Term::Jump(call) => self.go(call),
                Term::Branch { cond, then, .. } if self.values[*cond] != 0 => self.go(then),
                Term::Branch { otherwise, .. } => self.go(otherwise),
            };
        }
    }

    fn go(&mut self, call: &BlockCall) -> crate::Block {
        // All words move at once: an argument may be a parameter of the same block.
        let words: Vec<u32> = call.args.iter().map(|&v| self.values[v]).collect();
        for (&param, word) in self.f.blocks[call.block].params.iter().zip(words) {
            self.values.set(param, word);
        }
        call.block
    }

    fn step(&mut self, inst: &InstData) -> Result<u32, Trap> {
        let arg = |at: usize| inst.args.get(at).map_or(0, |&v| self.values[v]);
        let (a, b) = (arg(0), arg(1));
        match inst.op {
            Op::Const => Ok(inst.imm),
            Op::Late => {
                let id = Id::new(inst.imm as usize);
                let info = self.m.late.get(id).ok_or(Trap::Unbound)?;
                let number = *self.late.get(inst.imm as usize).ok_or(Trap::Unbound)?;
                Ok(match (info.wire, info.width) {
                    (false, _) => number,
                    (true, 16) => u32::from((number as u16).swap_bytes()),
                    (true, _) => number.swap_bytes(),
                })
            }
            Op::Param => Err(Trap::Unbound),
            Op::Len => Ok(self.packet.len() as u32),
            Op::Context => {
                let word = self.context.get(inst.imm as usize / 4);
                word.copied().ok_or(Trap::Unbound)
            }
            op if op.spec().fmt == Fmt::Load => self.load(inst, inst.imm.wrapping_add(a)),
            op if op.spec().fmt == Fmt::Store => {
                self.store(inst, inst.imm.wrapping_add(b), a)?;
                Ok(0)
            }
            op => op.eval(a, b).ok_or(Trap::DivideByZero),
        }
    }

    /// Where an array lies in the `carried` area.
    fn field(&self, id: FieldId) -> Range<usize> {
        let field = &self.m.fields[id];
        let start = field.offset as usize;
        start..start + field.bytes as usize
    }

    fn load(&self, inst: &InstData, at: u32) -> Result<u32, Trap> {
        let len = usize::from(inst.op.spec().bytes);
        let at = at as usize;
        let area = match inst.region {
            Some(Region::Packet) => &*self.packet,
            Some(Region::Carried) => &*self.carried,
            Some(Region::Field(id)) => self.carried.get(self.field(id)).unwrap_or(&[]),
            Some(Region::Data(id)) => &self.m.data[id].bytes,
            Some(Region::Slot(id)) => {
                let bytes = self.slots[id.index()].get(at..at + len);
                return bytes
                    .ok_or(Trap::OutOfBounds)?
                    .iter()
                    .rev()
                    .try_fold(0, |word, byte| {
                        Ok(word << 8 | u32::from(byte.ok_or(Trap::Undefined)?))
                    });
            }
            Some(Region::Value) | None => return Err(Trap::OutOfBounds),
        };
        let bytes = area.get(at..at + len).ok_or(Trap::OutOfBounds)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u32::from(byte)))
    }

    fn store(&mut self, inst: &InstData, at: u32, word: u32) -> Result<(), Trap> {
        let at = at as usize;
        let bytes = word.to_le_bytes();
        let bytes = &bytes[..usize::from(inst.op.spec().bytes)];
        let area = match inst.region {
            Some(Region::Packet) => &mut *self.packet,
            Some(Region::Carried) => &mut *self.carried,
            Some(Region::Field(id)) => {
                let field = self.field(id);
                self.carried.get_mut(field).unwrap_or(&mut [])
            }
            Some(Region::Slot(id)) => {
                let area = self.slots[id.index()].get_mut(at..at + bytes.len());
                for (cell, &byte) in area.ok_or(Trap::OutOfBounds)?.iter_mut().zip(bytes) {
                    *cell = Some(byte);
                }
                return Ok(());
            }
            Some(Region::Data(_) | Region::Value) => return Err(Trap::ReadOnly),
            None => return Err(Trap::OutOfBounds),
        };
        let area = area.get_mut(at..at + bytes.len());
        area.ok_or(Trap::OutOfBounds)?.copy_from_slice(bytes);
        Ok(())
    }
}
