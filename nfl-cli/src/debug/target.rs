//! A run as a debugger sees it: registers, memory at fixed addresses, breakpoints.
//!
//! In: an instruction that is about to run. Out: what the debugger asks for, and what it wants to be changed. Guaranteed: nothing is
//! changed that code could not change; a register without a defined value is shown as unavailable.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;

use gdbstub::arch::{Arch, RegId, Registers};
use gdbstub::common::Signal;
use gdbstub::stub::GdbStubError;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadResume, SingleThreadResumeOps, SingleThreadSingleStep,
    SingleThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, SwBreakpoint, SwBreakpointOps,
};
use gdbstub::target::{Target, TargetError, TargetResult};
use nfl::abi::map::{CODE_BASE, CONSTANTS_BASE, reg};
use nfl::isa::Reg;
use nfl::{Image, MemoryRegion, Right, Step};

const CONTEXT_AT: u32 = 0x1000_0000;
const CARRIED_AT: u32 = 0x2000_0000;
const PACKET_AT: u32 = 0x3000_0000;
const VALUES_AT: u32 = 0x4000_0000;
/// From one value to the next; the largest has 65,535 bytes.
const VALUE_BYTES: u32 = 0x1_0000;
const SCRATCH_AT: u32 = 0x8000_0000;
/// Values that can be looked at; a run finds fewer.
const VALUES_MAX: u16 = 256;

/// What goes wrong between us and a debugger.
pub(super) type ProtocolError = GdbStubError<Infallible, io::Error>;

/// How a run goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resume {
    /// To the next breakpoint.
    Go,
    /// By one instruction.
    Step,
}

/// RV32 as gdb knows it: 32 registers and the place in the code.
pub(super) enum Rv32 {}

impl Arch for Rv32 {
    type Usize = u32;
    type Registers = Words;
    type BreakpointKind = usize;
    type RegId = Number;

    fn target_description_xml() -> Option<&'static str> {
        Some("<target version=\"1.0\"><architecture>riscv:rv32</architecture></target>")
    }
}

/// Number 32 is the place in the code.
const PC: usize = 32;

/// The number of a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(usize);

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Number, Option<NonZeroUsize>)> {
        (id <= PC).then_some((Number(id), NonZeroUsize::new(4)))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.0)
    }
}

/// All registers; nothing in those that have no defined value.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Words {
    x: [Option<u32>; 32],
    pc: u32,
}

impl Registers for Words {
    type ProgramCounter = u32;

    fn pc(&self) -> u32 {
        self.pc
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for word in self.x.iter().copied().chain([Some(self.pc)]) {
            match word {
                Some(word) => word.to_le_bytes().map(|byte| write_byte(Some(byte))),
                None => [(); 4].map(|()| write_byte(None)),
            };
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| word.try_into().map(u32::from_le_bytes));
        for x in &mut self.x {
            *x = Some(words.next().ok_or(())?.map_err(|_| ())?);
        }
        self.pc = words.next().ok_or(())?.map_err(|_| ())?;
        Ok(())
    }
}

/// A region as it was when the run stopped.
#[derive(Debug)]
struct Stretch {
    at: u32,
    bytes: Vec<u8>,
    /// Which region it is, if code may write it.
    writable: Option<MemoryRegion>,
}

/// A run that has stopped, and what is to become of it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) resume: Resume,
    /// Whether the debugger has changed anything.
    pub(super) has_changed: bool,
    code: Vec<u8>,
    may_rewrite: bool,
    words: Words,
    memory: Vec<Stretch>,
    breakpoints: BTreeSet<u32>,
    registers_written: Vec<(Reg, u32)>,
    bytes_written: Vec<(MemoryRegion, u32, Vec<u8>)>,
}

impl Machine {
    pub(super) fn new(image: &Image) -> Machine {
        Machine {
            resume: Resume::Go,
            has_changed: false,
            code: image.code.clone(),
            may_rewrite: image.manifest.rights.has(Right::Rewrite),
            words: Words::default(),
            memory: Vec::new(),
            breakpoints: BTreeSet::new(),
            registers_written: Vec::new(),
            bytes_written: Vec::new(),
        }
    }

    /// Whether a breakpoint is at this offset in the code.
    pub(super) fn breaks_at(&self, pc: u32) -> bool {
        self.breakpoints.contains(&(pc + CODE_BASE))
    }

    /// Keeps what the debugger may ask for.
    pub(super) fn look(&mut self, step: &Step<'_>) {
        for (n, word) in (0..32).zip(&mut self.words.x) {
            let number = step.registers.number(Reg(n));
            let address = || {
                let (region, offset) = step.registers.address(Reg(n))?;
                Some(start(region).wrapping_add_signed(offset))
            };
            *word = number.or_else(address);
        }
        self.words.pc = step.pc + CODE_BASE;
        let stretch = |region, writable: bool| Stretch {
            at: start(region),
            bytes: step.bytes(region).to_vec(),
            writable: writable.then_some(region),
        };
        self.memory = vec![
            stretch(MemoryRegion::Constants, false),
            Stretch {
                at: CODE_BASE,
                bytes: self.code.clone(),
                writable: None,
            },
            stretch(MemoryRegion::Context, false),
            stretch(MemoryRegion::Carried, true),
            stretch(MemoryRegion::Packet, self.may_rewrite),
            stretch(MemoryRegion::Scratch, true),
        ];
        let values = (0..VALUES_MAX).map(|n| stretch(MemoryRegion::Value(n), false));
        self.memory
            .extend(values.take_while(|value| !value.bytes.is_empty()));
    }

    /// Does what the debugger wanted to be done.
    pub(super) fn apply(&mut self, step: &mut Step<'_>) {
        self.has_changed |= !self.registers_written.is_empty() || !self.bytes_written.is_empty();
        for (reg, word) in self.registers_written.drain(..) {
            step.registers.set_number(reg, word);
        }
        for (region, offset, bytes) in self.bytes_written.drain(..) {
            // What does not fit was refused before.
            let _ = step.write(region, offset, &bytes);
        }
    }

    /// The region around an address.
    fn stretch(&mut self, address: u32) -> Option<(&mut Stretch, usize)> {
        let inside = |s: &&mut Stretch| {
            address
                .checked_sub(s.at)
                .is_some_and(|offset| (offset as usize) < s.bytes.len())
        };
        let stretch = self.memory.iter_mut().find(inside)?;
        let offset = (address - stretch.at) as usize;
        Some((stretch, offset))
    }
}

/// Where a debugger finds a region.
fn start(region: MemoryRegion) -> u32 {
    match region {
        MemoryRegion::Constants => CONSTANTS_BASE,
        MemoryRegion::Context => CONTEXT_AT,
        MemoryRegion::Carried => CARRIED_AT,
        MemoryRegion::Packet => PACKET_AT,
        MemoryRegion::Value(n) => VALUES_AT.wrapping_add(u32::from(n) * VALUE_BYTES),
        MemoryRegion::Scratch => SCRATCH_AT,
    }
}

/// `EFAULT`: there is nothing at this address.
const NOTHING_THERE: u8 = 14;
/// `EROFS`: this cannot be written.
const READ_ONLY: u8 = 30;

impl Target for Machine {
    type Arch = Rv32;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, Rv32, Infallible> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Machine>> {
        Some(self)
    }
}

impl SingleThreadBase for Machine {
    fn read_registers(&mut self, words: &mut Words) -> TargetResult<(), Machine> {
        words.clone_from(&self.words);
        Ok(())
    }

    fn write_registers(&mut self, words: &Words) -> TargetResult<(), Machine> {
        for n in 0..PC {
            if let Some(word) = words.x[n].filter(|_| words.x[n] != self.words.x[n]) {
                self.write_register((), Number(n), &word.to_le_bytes())?;
            }
        }
        match words.pc == self.words.pc {
            true => Ok(()),
            false => Err(TargetError::Errno(READ_ONLY)),
        }
    }

    fn support_single_register_access(
        &mut self,
    ) -> Option<SingleRegisterAccessOps<'_, (), Machine>> {
        Some(self)
    }

    fn read_addrs(&mut self, address: u32, data: &mut [u8]) -> TargetResult<usize, Machine> {
        let (stretch, offset) = self
            .stretch(address)
            .ok_or(TargetError::Errno(NOTHING_THERE))?;
        let there = &stretch.bytes[offset..];
        let len = there.len().min(data.len());
        data[..len].copy_from_slice(&there[..len]);
        Ok(len)
    }

    fn write_addrs(&mut self, address: u32, data: &[u8]) -> TargetResult<(), Machine> {
        let (stretch, offset) = self
            .stretch(address)
            .ok_or(TargetError::Errno(NOTHING_THERE))?;
        let region = stretch.writable.ok_or(TargetError::Errno(READ_ONLY))?;
        let place = stretch.bytes.get_mut(offset..offset + data.len());
        let place = place.ok_or(TargetError::Errno(NOTHING_THERE))?;
        place.copy_from_slice(data);
        self.bytes_written
            .push((region, offset as u32, data.to_vec()));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Machine>> {
        Some(self)
    }
}

impl SingleRegisterAccess<()> for Machine {
    fn read_register(
        &mut self,
        (): (),
        Number(n): Number,
        into: &mut [u8],
    ) -> TargetResult<usize, Machine> {
        let word = match n {
            PC => Some(self.words.pc),
            n => self.words.x.get(n).copied().flatten(),
        };
        let (Some(word), Some(place)) = (word, into.get_mut(..4)) else {
            return Ok(0);
        };
        place.copy_from_slice(&word.to_le_bytes());
        Ok(4)
    }

    fn write_register(
        &mut self,
        (): (),
        Number(n): Number,
        bytes: &[u8],
    ) -> TargetResult<(), Machine> {
        let owned = [0, reg::SP, reg::S0, reg::S1];
        let number = u8::try_from(n)
            .ok()
            .filter(|n| usize::from(*n) < PC && !owned.contains(n));
        let word = bytes.first_chunk().map(|&bytes| u32::from_le_bytes(bytes));
        let (Some(number), Some(word)) = (number, word) else {
            return Err(TargetError::Errno(READ_ONLY));
        };
        self.words.x[n] = Some(word);
        self.registers_written.push((Reg(number), word));
        Ok(())
    }
}

impl SingleThreadResume for Machine {
    fn resume(&mut self, _: Option<Signal>) -> Result<(), Infallible> {
        self.resume = Resume::Go;
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Machine>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Machine {
    fn step(&mut self, _: Option<Signal>) -> Result<(), Infallible> {
        self.resume = Resume::Step;
        Ok(())
    }
}

impl Breakpoints for Machine {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Machine>> {
        Some(self)
    }
}

impl SwBreakpoint for Machine {
    fn add_sw_breakpoint(&mut self, address: u32, _: usize) -> TargetResult<bool, Machine> {
        let offset = address.checked_sub(CODE_BASE);
        let inside = offset.is_some_and(|offset| (offset as usize) < self.code.len());
        if inside {
            self.breakpoints.insert(address);
        }
        Ok(inside)
    }

    fn remove_sw_breakpoint(&mut self, address: u32, _: usize) -> TargetResult<bool, Machine> {
        Ok(self.breakpoints.remove(&address))
    }
}
