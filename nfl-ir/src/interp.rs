//! The IR interpreter: what a function means, and the oracle that passes and engines are held to.
//!
//! In: a module, the number of a handler, and what a node gives it, its services among that. Out: the
//! verdict; packet and `carried` bytes are changed in place. Guaranteed: an access out of bounds, a
//! zero divisor, a word that was never written, a call that the node refuses and a run without an end
//! are traps, and verified modules have none.

mod area;

use std::ops::Range;

use nfl_abi::host::{Host, Return};
use nfl_abi::image::VerdictKind;
use nfl_syntax::arena::{Id, IdMap};

use crate::entity::{FieldId, Value};
use crate::func::{BlockCall, Function, InstData, Module, Region, Term};
use crate::interp::area::Area;
use crate::op::{Fmt, Op};

/// The instructions a run may take.
pub const STEPS_MAX: u32 = 10_000_000;

/// Operand of the verdict of a run in which the packet had no room to grow.
const NO_ROOM: u32 = 8;

/// How many bytes a packet may grow by, as its buffer allows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Room {
    /// In front of it.
    pub head: u32,
    /// Behind it.
    pub tail: u32,
}

/// What the node gives a handler beside the packet.
pub struct Inputs<'a> {
    /// Words of the context, in order.
    pub context: &'a [u32],
    /// Memory that travels with the packet.
    pub carried: &'a mut [u8],
    /// Numbers of the late words by their ids; swapping for the wire is the interpreter's business.
    pub late: &'a [u32],
    /// The services; `nfl_abi::host::NoHost` for modules that import none.
    pub host: &'a mut dyn Host,
    /// Where the packet may grow.
    pub room: Room,
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
    /// An assertion was false.
    Asserted,
    /// A service refused its call.
    Fault,
    /// More than `STEPS_MAX` instructions.
    Endless,
}

/// Runs a handler; answers the verdict's number and operand.
pub fn run(
    m: &Module,
    function: usize,
    packet: &mut Vec<u8>,
    inputs: &mut Inputs,
) -> Result<(u32, u32), Trap> {
    let f = m.functions.get(function).ok_or(Trap::Unbound)?;
    if packet.len() < f.need as usize {
        let verdict = f.malformed.ok_or(Trap::Unbound)?;
        return Ok((u32::from(verdict.kind.number()), verdict.operand));
    }
    let mut frame = Frame {
        m,
        f,
        area: Area::new(m, f, packet, inputs.context, inputs.room),
        carried: inputs.carried,
        late: inputs.late,
        host: inputs.host,
        values: IdMap::new(),
        seconds: IdMap::new(),
    };
    match frame.run() {
        Ok(verdict) | Err(Stop::Finish(verdict)) => Ok(verdict),
        Err(Stop::Trap(trap)) => Err(trap),
    }
}

/// Why a run ends within a block.
enum Stop {
    Finish((u32, u32)),
    Trap(Trap),
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Stop {
        Stop::Trap(trap)
    }
}

struct Frame<'a> {
    m: &'a Module,
    f: &'a Function,
    area: Area<'a>,
    carried: &'a mut [u8],
    late: &'a [u32],
    host: &'a mut dyn Host,
    values: IdMap<Value, u32>,
    /// What calls answered in `a1`.
    seconds: IdMap<Value, u32>,
}

impl Frame<'_> {
    fn run(&mut self) -> Result<(u32, u32), Stop> {
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
                return Err(Trap::Endless.into());
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

    fn step(&mut self, inst: &InstData) -> Result<u32, Stop> {
        let arg = |at: usize| inst.args.get(at).map_or(0, |&v| self.values[v]);
        let (a, b) = (arg(0), arg(1));
        Ok(match inst.op {
            Op::Const => inst.imm,
            Op::Late => self.late_word(inst.imm as usize)?,
            Op::Param => return Err(Trap::Unbound.into()),
            Op::Len => self.area.len(),
            Op::Context => {
                let word = self.area.context.get(inst.imm as usize / 4);
                word.copied().ok_or(Trap::Unbound)?
            }
            Op::Address => self.area.address(inst),
            Op::Call => self.call(inst)?,
            Op::Second => inst.args.first().map_or(0, |&v| self.seconds[v]),
            op if op.is_assertion() && a == 0 => return Err(Trap::Asserted.into()),
            op if op.is_assertion() => 0,
            op if op.spec().fmt == Fmt::Load => {
                let index = inst.index().map_or(0, |v| self.values[v]);
                self.load(inst, a, inst.imm.wrapping_add(index))?
            }
            op if op.spec().fmt == Fmt::Store => {
                self.store(inst, inst.imm.wrapping_add(b), a)?;
                0
            }
            op => op.eval(a, b).ok_or(Trap::DivideByZero)?,
        })
    }

    fn late_word(&self, at: usize) -> Result<u32, Trap> {
        let info = self.m.late.get(Id::new(at)).ok_or(Trap::Unbound)?;
        let number = *self.late.get(at).ok_or(Trap::Unbound)?;
        Ok(match (info.wire, info.width) {
            (false, _) => number,
            (true, 16) => u32::from((number as u16).swap_bytes()),
            (true, _) => number.swap_bytes(),
        })
    }

    fn call(&mut self, inst: &InstData) -> Result<u32, Stop> {
        let mut words = [0; nfl_abi::host::call::ARGS_MAX];
        for (word, &v) in words.iter_mut().zip(&inst.args) {
            *word = self.values[v];
        }
        match self.host.call(inst.imm as usize, words, &mut self.area) {
            Return::Words(first, second) => {
                if let Some(v) = inst.result {
                    self.seconds.set(v, second);
                }
                Ok(first)
            }
            Return::NoRoom => {
                let kind = u32::from(VerdictKind::Drop.number());
                Err(Stop::Finish((kind, NO_ROOM)))
            }
            Return::Fault => Err(Trap::Fault.into()),
        }
    }

    /// Where an array lies in the `carried` area.
    fn field(&self, id: FieldId) -> Range<usize> {
        let field = &self.m.fields[id];
        let start = field.offset as usize;
        start..start + field.bytes as usize
    }

    fn load(&self, inst: &InstData, address: u32, at: u32) -> Result<u32, Trap> {
        let len = usize::from(inst.op.spec().bytes);
        let at = at as usize;
        let area = match inst.region {
            Some(Region::Packet) => &*self.area.packet,
            Some(Region::Carried) => &*self.carried,
            Some(Region::Field(id)) => self.carried.get(self.field(id)).unwrap_or(&[]),
            Some(Region::Data(id)) => &self.m.data[id].bytes,
            Some(Region::Slot(id)) => {
                let bytes = self.area.slots[id.index()].get(at..at + len);
                return bytes
                    .ok_or(Trap::OutOfBounds)?
                    .iter()
                    .rev()
                    .try_fold(0, |word, byte| {
                        Ok(word << 8 | u32::from(byte.ok_or(Trap::Undefined)?))
                    });
            }
            Some(Region::Value) => self.host.value(address).ok_or(Trap::OutOfBounds)?,
            None => return Err(Trap::OutOfBounds),
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
            Some(Region::Packet) => &mut self.area.packet[..],
            Some(Region::Carried) => &mut *self.carried,
            Some(Region::Field(id)) => {
                let field = self.field(id);
                self.carried.get_mut(field).unwrap_or(&mut [])
            }
            Some(Region::Slot(id)) => {
                let area = self.area.slots[id.index()].get_mut(at..at + bytes.len());
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
