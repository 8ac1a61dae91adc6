//! wasmtime: Cranelift at `speed`, the pooling allocator, guard pages, no metering.

use wasmtime::{
    Config, Engine, Instance, InstanceAllocationStrategy, Memory, Module, OptLevel,
    PoolingAllocationConfig, Store, TypedFunc,
};

use crate::{End, Sandbox};

/// Where the context lies in the guest's memory; the packets lie behind it. The guest's stack and data lie below.
const CTX: usize = 0x2_0000;
const FRAMES: usize = CTX + 0x1000;
/// Bytes from one packet to the next.
const GAP: usize = 64;
const PAGE: usize = 0x1_0000;

/// The engine that all modules share.
pub(crate) fn engine() -> Result<Engine, String> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    let pool = PoolingAllocationConfig::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|e| e.to_string())
}

/// What the node tells, as the benches have it.
const NODE: u32 = 0x0102_0304;
const QUEUE: u32 = 77;
const NOW_NS: u64 = 0x1_2345_6789;

type Nf = TypedFunc<(u32, u32, u32), u32>;

/// A function on wasmtime.
pub(crate) struct Wasm {
    store: Store<()>,
    memory: Memory,
    nf: Nf,
    pristine: Vec<u8>,
    places: Vec<(u32, u32)>,
}

fn instance(engine: &Engine, module: &[u8]) -> Result<(Store<()>, Memory, Nf), String> {
    let module = Module::new(engine, module).map_err(|e| e.to_string())?;
    let mut store = Store::new(engine, ());
    let mut imports = Vec::new();
    for import in module.imports() {
        if import.name() != "nf_time_ns_lo" {
            return Err(format!("it calls the host: {}", import.name()));
        }
        imports.push(wasmtime::Func::wrap(&mut store, || NOW_NS as u32).into());
    }
    let instance = Instance::new(&mut store, &module, &imports).map_err(|e| e.to_string())?;
    let memory = instance
        .get_memory(&mut store, "memory")
        .ok_or("no memory")?;
    let nf = instance
        .get_typed_func(&mut store, "nf")
        .map_err(|e| e.to_string())?;
    Ok((store, memory, nf))
}

impl Wasm {
    pub(crate) fn new(engine: &Engine, module: &[u8], packets: &[Vec<u8>]) -> Result<Wasm, String> {
        let (mut store, memory, nf) = instance(engine, module)?;
        let mut pristine = Vec::new();
        let mut places = Vec::new();
        for packet in packets {
            pristine.resize(pristine.len().next_multiple_of(GAP) + GAP + 2, 0);
            places.push(((FRAMES + pristine.len()) as u32, packet.len() as u32));
            pristine.extend(packet);
        }
        let pages = (FRAMES + pristine.len()).div_ceil(PAGE) as u64;
        let now = memory.size(&store);
        memory
            .grow(&mut store, pages.saturating_sub(now))
            .map_err(|e| e.to_string())?;
        Ok(Wasm {
            store,
            memory,
            nf,
            pristine,
            places,
        })
    }

    fn set_context(&mut self) {
        let words = [0, 0, 0, NODE, QUEUE].map(u32::to_le_bytes).concat();
        self.memory.data_mut(&mut self.store)[CTX..CTX + 20].copy_from_slice(&words);
    }
}

impl Sandbox for Wasm {
    fn restore(&mut self) {
        self.set_context();
        let data = self.memory.data_mut(&mut self.store);
        data[FRAMES..FRAMES + self.pristine.len()].copy_from_slice(&self.pristine);
    }

    fn pass(&mut self) -> u32 {
        let mut sum = 0u32;
        for &(at, length) in &self.places {
            let verdict = self.nf.call(&mut self.store, (at, length, CTX as u32));
            sum = sum.wrapping_add(verdict.expect("it does not trap"));
        }
        sum
    }

    fn ends(&mut self) -> Vec<End> {
        self.restore();
        let mut ends = Vec::new();
        for &(at, length) in &self.places {
            let verdict = self.nf.call(&mut self.store, (at, length, CTX as u32));
            let verdict = verdict.expect("it does not trap");
            let at = at as usize;
            let bytes = &self.memory.data(&self.store)[at..at + length as usize];
            ends.push((verdict, 0, bytes.to_vec()));
        }
        ends
    }
}

/// From bytes to the first answer.
pub(crate) fn cold(engine: &Engine, module: &[u8], packet: &[u8]) -> u32 {
    let (mut store, memory, nf) = instance(engine, module).expect("wasmtime accepts it");
    let pages = memory.size(&store);
    if (pages as usize) * PAGE < FRAMES + packet.len() {
        memory.grow(&mut store, 2).expect("the pool has room");
    }
    memory.data_mut(&mut store)[FRAMES..FRAMES + packet.len()].copy_from_slice(packet);
    nf.call(&mut store, (FRAMES as u32, packet.len() as u32, CTX as u32))
        .expect("it does not trap")
}
