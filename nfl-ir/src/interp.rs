//! The IR interpreter: what a function means, and the oracle that passes and engines are held to.
//!
//! In: a module, the number of a handler, and what a node gives it, its services among that. Out: the
//! verdict; packet and `carried` bytes are changed in place. Guaranteed: an access out of bounds, a
//! zero divisor, a false assertion, a word that was never written, a call that the node refuses and a run
//! without an end are traps, and verified modules have none. Modules that were not verified run as well: what
//! must hold before an instruction is tested before it, and a [`Trail`] says which one it was.

mod area;
mod node;
mod trail;

pub use node::EmptyNode;
pub use trail::{Rounds, Trail};

use std::ops::Range;

use nfl_abi::host::{Host, Return};
use nfl_abi::image::VerdictKind;
use nfl_syntax::arena::{Id, IdMap};

use crate::entity::{FieldId, Slot, Value};
use crate::func::{Function, InstData, Module, Region, Term};
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
    /// Numbers of the parameter words by their ids, for modules whose parameters are not all bound.
    pub params: &'a [u32],
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
    /// More instructions than the trail allows, or more rounds of a loop.
    Endless,
}

/// Runs a handler; answers the verdict's number and operand.
pub fn run(
    m: &Module,
    function: usize,
    packet: &mut Vec<u8>,
    inputs: &mut Inputs,
) -> Result<(u32, u32), Trap> {
    follow(m, function, packet, inputs, &mut Trail::new(STEPS_MAX))
}

/// Runs a handler and keeps what it did.
pub fn follow(
    m: &Module,
    function: usize,
    packet: &mut Vec<u8>,
    inputs: &mut Inputs,
    trail: &mut Trail,
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
        params: inputs.params,
        host: inputs.host,
        trail,
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
    params: &'a [u32],
    host: &'a mut dyn Host,
    trail: &'a mut Trail,
    /// What calls answered in `a1`.
    seconds: IdMap<Value, u32>,
}

impl Frame<'_> {
    fn run(&mut self) -> Result<(u32, u32), Stop> {
        let f = self.f;
        let mut here = f.entry;
        loop {
            for &id in &f.blocks[here].insts {
                let inst = &f.insts[id];
                self.trail.at = Some(id);
                let result = self.step(inst)?;
                if let Some(v) = inst.result {
                    self.trail.values.set(v, result);
                }
            }
            self.trail.at = None;
            self.trail.steps += f.blocks[here].insts.len() as u32 + 1;
            if self.trail.steps > self.trail.steps_max {
                return Err(Trap::Endless.into());
            }
            let (edge, call) = match &f.blocks[here].term {
                Term::Finish { kind, operand } => {
                    return Ok((self.trail.values[*kind], self.trail.values[*operand]));
                }
                Term::Jump(call) => (0, call),
                Term::Branch { cond, then, .. } if self.trail.values[*cond] != 0 => (0, then),
                Term::Branch { otherwise, .. } => (1, otherwise),
            };
            if !self.trail.go(f, here, edge, call) {
                return Err(Trap::Endless.into());
            }
            here = call.block;
        }
    }

    fn step(&mut self, inst: &InstData) -> Result<u32, Stop> {
        let arg = |at: usize| inst.args.get(at).map_or(0, |&v| self.trail.values[v]);
        let (a, b) = (arg(0), arg(1));
        Ok(match inst.op {
            Op::Const => inst.imm,
            Op::Late => self.late_word(inst.imm as usize)?,
            Op::Param => {
                let word = self.params.get(inst.imm as usize);
                word.copied().ok_or(Trap::Unbound)?
            }
            Op::Len => self.area.len(),
            Op::Context => {
                let word = self.area.context.get(inst.imm as usize / 4);
                word.copied().ok_or(Trap::Unbound)?
            }
            Op::Address => self.area.address(inst),
            Op::Call => self.call(inst)?,
            Op::Second => inst.args.first().map_or(0, |&v| self.seconds[v]),
            Op::Divisor if a == 0 => return Err(Trap::DivideByZero.into()),
            op if op.is_assertion() && a == 0 => return Err(Trap::Asserted.into()),
            op if op.is_assertion() => 0,
            op if op.spec().fmt == Fmt::Load => {
                let index = inst.index().map_or(0, |v| self.trail.values[v]);
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
            *word = self.trail.values[v];
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

    /// Bytes of a local array that are elements.
    fn elements(&self, id: Slot) -> usize {
        let slot = &self.f.slots[id];
        slot.bytes.saturating_sub(slot.padding.into()) as usize
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
                let elements = self.area.slots[id.index()].get(..self.elements(id));
                let bytes = elements.and_then(|slot| slot.get(at..at + len));
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
                let elements = self.elements(id);
                // A store to the last elements may be one of a whole word.
                let whole = inst.index().is_none() && at < elements;
                let slot = &mut self.area.slots[id.index()];
                let end = if whole { slot.len() } else { elements };
                self.trail.store(id, at as u32, inst.args[0]);
                let area = slot.get_mut(..end);
                let area = area.and_then(|slot| slot.get_mut(at..at + bytes.len()));
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
