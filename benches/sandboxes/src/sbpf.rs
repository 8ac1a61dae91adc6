//! solana-sbpf: eBPF with translated addresses and a meter of instructions, interpreted and compiled.

use std::ptr::NonNull;
use std::sync::Arc;

use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf::{HOST_ALIGN, MM_INPUT_START, MM_STACK_START};
use solana_sbpf::elf::Executable;
use solana_sbpf::error::ProgramResult;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};

use crate::frames::Frames;
use crate::{End, Sandbox};

/// More than any function here takes.
const METER: u64 = 1 << 40;
const VERSION: SBPFVersion = SBPFVersion::V0;

type Stack = AlignedMemory<HOST_ALIGN>;

/// What a run may still spend, and what it sees.
struct Host {
    left: u64,
    mapping: MemoryMapping,
}

impl ContextObject for Host {
    fn consume(&mut self, amount: u64) {
        self.left = self.left.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.left
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

/// A function on solana-sbpf.
pub(crate) struct Sbpf {
    executable: Executable<Host>,
    /// What it borrows is leaked; the harness makes few and keeps them all.
    vm: EbpfVm<'static, Host>,
    mode: ExecutionMode,
    calls: Vec<CallFrame>,
    frames: Frames,
}

fn executable(code: &[u8], jit: bool) -> Result<Executable<Host>, String> {
    let config = Config {
        enabled_sbpf_versions: VERSION..=VERSION,
        ..Config::default()
    };
    let loader = Arc::new(BuiltinProgram::new_loader(config));
    let names = FunctionRegistry::default();
    let executable = Executable::<Host>::from_text_bytes(code, loader, VERSION, names);
    let executable = executable.map_err(|e| e.to_string())?;
    executable
        .verify::<RequisiteVerifier>()
        .map_err(|e| e.to_string())?;
    if jit {
        executable.jit_compile().map_err(|e| e.to_string())?;
    }
    Ok(executable)
}

/// What a machine sees: its code, its stack, and this memory as its input.
fn host(
    executable: &Executable<Host>,
    stack: &mut Stack,
    memory: *mut [u8],
) -> Result<Host, String> {
    let regions = vec![
        executable.get_ro_region(),
        MemoryRegion::new(stack, MM_STACK_START),
        MemoryRegion::new(memory, MM_INPUT_START),
    ];
    // SAFETY: callers keep all three as long as the machine, and any bytes may be written to the last two.
    let mapping = unsafe { MemoryMapping::new(regions, executable.get_config(), VERSION) };
    let mapping = mapping.map_err(|e| e.to_string())?;
    Ok(Host {
        left: METER,
        mapping,
    })
}

fn stack(executable: &Executable<Host>) -> Stack {
    Stack::zero_filled(executable.get_config().stack_size())
}

impl Sbpf {
    pub(crate) fn new(code: &[u8], jit: bool, packets: &[Vec<u8>]) -> Result<Sbpf, String> {
        let executable = executable(code, jit)?;
        let mut frames = Frames::new(packets);
        let stack = Box::leak(Box::new(stack(&executable)));
        let length = stack.len();
        let host = Box::leak(Box::new(host(
            &executable,
            stack,
            &raw mut *frames.memory(),
        )?));
        let vm = EbpfVm::new(executable.get_loader().clone(), VERSION, host, length);
        Ok(Sbpf {
            calls: vec![CallFrame::default(); executable.get_config().max_call_depth],
            mode: if jit {
                ExecutionMode::Jit
            } else {
                ExecutionMode::Interpreted
            },
            executable,
            vm,
            frames,
        })
    }

    fn run(&mut self, at: usize, length: u32, registers: [u64; 12]) -> u32 {
        self.vm.registers = registers;
        self.vm.registers[1] = MM_INPUT_START + at as u64;
        self.vm.registers[2] = u64::from(length);
        self.vm.context().left = METER;
        let run = self
            .vm
            .execute_program(&self.executable, &mut self.mode, &mut self.calls);
        match run.1 {
            ProgramResult::Ok(answer) => answer as u32,
            ProgramResult::Err(error) => panic!("{error}"),
        }
    }
}

impl Sandbox for Sbpf {
    fn restore(&mut self) {
        self.frames.restore();
    }

    fn pass(&mut self) -> u32 {
        let registers = self.vm.registers;
        let mut sum = 0u32;
        for packet in 0..self.frames.len() {
            let (at, length) = self.frames.place(packet);
            sum = sum.wrapping_add(self.run(at, length, registers));
        }
        self.vm.registers = registers;
        sum
    }

    fn ends(&mut self) -> Vec<End> {
        self.restore();
        let registers = self.vm.registers;
        let mut ends = Vec::new();
        for packet in 0..self.frames.len() {
            let (at, length) = self.frames.place(packet);
            let verdict = self.run(at, length, registers);
            let bytes = &self.frames.memory()[at..at + length as usize];
            ends.push((verdict, 0, bytes.to_vec()));
        }
        self.vm.registers = registers;
        ends
    }
}

/// From bytes to the first answer.
pub(crate) fn cold(code: &[u8], jit: bool, packet: &mut [u8]) -> u32 {
    let executable = executable(code, jit).expect("solana-sbpf accepts it");
    let length = packet.len() as u64;
    let mut stack = stack(&executable);
    let mut host = host(&executable, &mut stack, &raw mut *packet).expect("there is room");
    let mut vm = EbpfVm::new(
        executable.get_loader().clone(),
        VERSION,
        &mut host,
        stack.len(),
    );
    let mut calls = vec![CallFrame::default(); executable.get_config().max_call_depth];
    vm.registers[1] = MM_INPUT_START;
    vm.registers[2] = length;
    let mut mode = if jit {
        ExecutionMode::Jit
    } else {
        ExecutionMode::Interpreted
    };
    match vm.execute_program(&executable, &mut mode, &mut calls).1 {
        ProgramResult::Ok(answer) => answer as u32,
        ProgramResult::Err(error) => panic!("{error}"),
    }
}
