//! polkavm: RV32E relinked to its own bytecode, interpreted, or compiled into a sandbox within this process, without metering.

use polkavm::{
    BackendKind, Config, Engine, InterruptKind, Module, ModuleConfig, ProgramBlob, ProgramCounter,
    RawInstance, Reg, SandboxKind,
};
use polkavm_linker::{TargetInstructionSet, program_from_elf};

use crate::{End, Sandbox};

/// Bytes from one packet to the next.
const GAP: usize = 64;

/// The engine: the interpreter or the compiler.
pub(crate) fn engine(jit: bool) -> Result<Engine, String> {
    let mut config = Config::new();
    if jit {
        config.set_backend(Some(BackendKind::Compiler));
        config.set_sandbox(Some(SandboxKind::Generic));
        // The sandbox within the process is behind this; the other one costs 300 ns a call.
        config.set_allow_experimental(true);
    } else {
        config.set_backend(Some(BackendKind::Interpreter));
    }
    Engine::new(&config).map_err(|e| e.to_string())
}

/// Links an object file to a program.
pub(crate) fn link(object: &[u8]) -> Result<Vec<u8>, String> {
    let config = polkavm_linker::Config::default();
    program_from_elf(config, TargetInstructionSet::Latest, object).map_err(|e| e.to_string())
}

/// A function on polkavm.
pub(crate) struct Polka {
    instance: RawInstance,
    nf: ProgramCounter,
    memory: u32,
    pristine: Vec<u8>,
    places: Vec<(u32, u32)>,
}

/// A program with its exports.
struct Ready {
    instance: RawInstance,
    nf: ProgramCounter,
    memory: u32,
}

fn ready(engine: &Engine, program: &[u8]) -> Result<Ready, String> {
    let blob = ProgramBlob::parse(program.into()).map_err(|e| e.to_string())?;
    let module = Module::from_blob(engine, &ModuleConfig::new(), blob);
    let module = module.map_err(|e| e.to_string())?;
    let export = |name: &str| {
        let found = module
            .exports()
            .find(|export| export.symbol().as_bytes() == name.as_bytes());
        found.map(|export| export.program_counter())
    };
    let (nf, at) = export("nf").zip(export("where")).ok_or("no exports")?;
    let mut instance = module.instantiate().map_err(|e| e.to_string())?;
    let memory = call(&mut instance, at, &[])?;
    Ok(Ready {
        instance,
        nf,
        memory,
    })
}

fn call(instance: &mut RawInstance, at: ProgramCounter, arguments: &[u64]) -> Result<u32, String> {
    instance.prepare_call_untyped(at, arguments);
    match instance.run().map_err(|e| e.to_string())? {
        InterruptKind::Finished => Ok(instance.reg(Reg::A0) as u32),
        other => Err(format!("{other:?}")),
    }
}

impl Polka {
    pub(crate) fn new(
        engine: &Engine,
        program: &[u8],
        packets: &[Vec<u8>],
    ) -> Result<Polka, String> {
        let Ready {
            instance,
            nf,
            memory,
        } = ready(engine, program)?;
        let mut pristine = Vec::new();
        let mut places = Vec::new();
        for packet in packets {
            pristine.resize(pristine.len().next_multiple_of(GAP) + GAP + 2, 0);
            places.push((memory + pristine.len() as u32, packet.len() as u32));
            pristine.extend(packet);
        }
        Ok(Polka {
            instance,
            nf,
            memory,
            pristine,
            places,
        })
    }
}

impl Sandbox for Polka {
    fn restore(&mut self) {
        let written = self.instance.write_memory(self.memory, &self.pristine);
        written.expect("the packets fit");
    }

    fn pass(&mut self) -> u32 {
        let mut sum = 0u32;
        for &(at, length) in &self.places {
            let verdict = call(&mut self.instance, self.nf, &[at.into(), length.into(), 0]);
            sum = sum.wrapping_add(verdict.expect("it does not trap"));
        }
        sum
    }

    fn ends(&mut self) -> Vec<End> {
        self.restore();
        let mut ends = Vec::new();
        for &(at, length) in &self.places {
            let verdict = call(&mut self.instance, self.nf, &[at.into(), length.into(), 0]);
            let bytes = self.instance.read_memory(at, length).expect("it is there");
            ends.push((verdict.expect("it does not trap"), 0, bytes));
        }
        ends
    }
}

/// From bytes to the first answer.
pub(crate) fn cold(engine: &Engine, program: &[u8], packet: &[u8]) -> u32 {
    let Ready {
        mut instance,
        nf,
        memory,
    } = ready(engine, program).expect("polkavm accepts it");
    instance
        .write_memory(memory, packet)
        .expect("the packet fits");
    call(&mut instance, nf, &[memory.into(), packet.len() as u64, 0]).expect("it does not trap")
}
