//! Calls of services.
//!
//! In: a state and the shape of a call. Out: the state behind it, the memory it touches and its price. Guaranteed: every
//! argument is a number, or the address of as many written bytes as the service reads; and where the service moves the
//! packet, nothing is left of what was known about its place and its length.

use alloc::vec::Vec;

use nfl_abi::host::{self, Answer, Arg, Call};
use nfl_abi::image::Manifest;
use nfl_abi::map;
use nfl_isa::Reg;

use crate::memory::Access;
use crate::refusal::{Checked, Range, Reason};
use crate::report::Touches;
use crate::state::{Kind, State, Value};
use crate::transfer::{Passed, World, operand};

/// What stands in a slot of the call vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import {
    pub(crate) shape: Call,
    pub(crate) param: u16,
}

/// The services that an image imports, in the order of their slots.
pub(crate) fn imports(manifest: &Manifest, imports: &mut Vec<Import>) -> Result<(), Reason> {
    imports.clear();
    for (index, import) in manifest.imports.iter().enumerate() {
        let shape = host::call(import, &manifest.resources).ok_or(Reason::Import(index))?;
        if let Some(right) = shape.service.right
            && !manifest.rights.has(right)
        {
            return Err(Reason::ImportRight(shape.service.name, right));
        }
        imports.push(Import {
            shape,
            param: import.param,
        });
    }
    Ok(())
}

impl Import {
    /// The registers that it reads, one bit each.
    pub(crate) fn reads(&self) -> u32 {
        let count = self.shape.registers().min(host::call::ARGS_MAX);
        (0..count as u8).fold(0, |mask, at| mask | 1 << (map::reg::A0 + at))
    }
}

/// The registers that a service writes, one bit each.
pub(crate) const WRITES: u32 = 1 << map::reg::A0 | 1 << map::reg::A1 | 1 << map::reg::RA;

/// Passes a call. When this refuses, the state is as it was.
pub(crate) fn pass(state: &mut State, import: &Import, world: &World) -> Checked<Passed> {
    let call = &import.shape;
    let by_address = call.by_address();
    let mut touches = Touches::SERVICES;
    let mut next = 0;
    for &arg in call.args() {
        match arg {
            Arg::Block(bytes) if !by_address => {
                for _ in 0..bytes.div_ceil(4) {
                    number(state, next)?;
                    next += 1;
                }
            }
            Arg::Word => {
                number(state, next)?;
                next += 1;
            }
            Arg::Block(bytes) | Arg::Address(bytes) => {
                touches = touches.union(readable(state, next, bytes, world)?);
                next += 1;
            }
        }
    }
    let most = match call.unit_register {
        Some(at) => state.range(number(state, at)?).1,
        None => 0,
    };
    let len = length(state, import);
    behind(state, import, len);
    Ok(Passed {
        touches,
        price: call.price(u32::try_from(most).unwrap_or(u32::MAX)),
    })
}

/// What holds behind a call of which nothing was proved.
pub(crate) fn assume(state: &mut State, import: &Import) {
    behind(state, import, ANY_LENGTH);
}

/// The lengths a packet can have.
pub(crate) const ANY_LENGTH: Range = (0, map::PACKET_MAX as i64);

fn register(at: u8) -> Reg {
    Reg(map::reg::A0 + at)
}

fn number(state: &State, at: u8) -> Checked<Value> {
    let reg = register(at);
    let value = operand(state, reg)?;
    match value.kind() {
        Kind::Number => Ok(value),
        _ => Reason::ArgumentAddress(reg).refuse(),
    }
}

/// The bytes behind an address that the service reads.
fn readable(state: &State, at: u8, bytes: u16, world: &World) -> Checked<Touches> {
    let reg = register(at);
    let base = operand(state, reg)?;
    let access = Access::of_block(state, base, bytes);
    match base.kind() {
        Kind::Scratch => {
            access.check_written(state)?;
            Ok(Touches::SCRATCH)
        }
        Kind::Number => {
            access.in_constants(world)?;
            Ok(Touches::CONSTANTS)
        }
        _ => Reason::ArgumentRegion(reg).refuse(),
    }
}

/// How long the packet can be when the service has moved it; a run whose packet has not the room ends. That it is no longer
/// than so much is of no use, and would only contradict tests that a run never comes to.
fn length(state: &State, import: &Import) -> Range {
    let (lo, hi) = state.length();
    let (least, most) = state.range(state.reg(Reg::A0));
    let moved = match import.shape.service.name {
        "packet.push" | "packet.append" => {
            let more = i64::from(import.param);
            (lo + more, hi + more)
        }
        "packet.pop" => (lo - most, hi),
        "packet.cut" => (lo.min(least), hi),
        _ => ANY_LENGTH,
    };
    let within = |n: i64| n.clamp(ANY_LENGTH.0, ANY_LENGTH.1);
    (within(moved.0), within(moved.1))
}

fn behind(state: &mut State, import: &Import, len: Range) {
    if import.shape.resizes {
        state.move_packet(len);
    }
    let (first, second) = match import.shape.answer {
        Answer::Nothing => (Value::UNINIT, Value::UNINIT),
        Answer::Word(most) => (state.some(Kind::Number, (0, most.into())), Value::UNINIT),
        Answer::Two(most, second) => (
            state.some(Kind::Number, (0, most.into())),
            state.some(Kind::Number, (0, second.into())),
        ),
        Answer::Value(bytes) => (state.some(Kind::Answer(bytes), (0, 1)), Value::UNINIT),
    };
    if import.shape.service.name == "bytes.find" {
        // A position lies in the packet.
        state.note_slack(first.sym(), 0);
    }
    state.set_reg(Reg::RA, Value::UNINIT);
    state.set_reg(Reg::A0, first);
    state.set_reg(Reg::A1, second);
}
