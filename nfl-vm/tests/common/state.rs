//! What tests of state have in common: chance, resources, and runs that only call services.

use nfl_abi::Layer;
use nfl_abi::host::call::{ARGS_MAX, service, takes};
use nfl_abi::host::{Host, Memory, Return};
use nfl_abi::image::{Import, Resource, ResourceKind};
use nfl_vm::{Bound, Context, Services, State};

/// SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// `NFL_TABLE_OPS`: the operations on each store; without it there are a few thousand.
pub(crate) fn operations() -> u64 {
    let wanted = std::env::var("NFL_TABLE_OPS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

/// A resource without ages; its name is `it`.
pub(crate) fn resource(
    kind: ResourceKind,
    key_bytes: u16,
    value_bytes: u16,
    capacity: u32,
) -> Resource {
    Resource {
        name: "it".to_owned(),
        kind,
        key_bytes,
        value_bytes,
        capacity,
        idle_ns: 0,
        first: 0,
        flow_key: false,
        layout: 0,
    }
}

/// Binds services by their names, each to the first resource that takes it.
pub(crate) fn bind(state: &mut State, names: &[&str]) -> Bound {
    let calls: Vec<(&str, u16)> = names.iter().map(|&name| (name, 0)).collect();
    bind_with(state, &calls)
}

/// The same with the constants of the calls.
pub(crate) fn bind_with(state: &mut State, calls: &[(&str, u16)]) -> Bound {
    let resources = state.resources().to_vec();
    let import = |&(name, param): &(&str, u16)| {
        let service = service(name).expect("a service");
        let at = resources.iter().position(|r| takes(service, r.kind));
        Import {
            service: service.number,
            param,
            resource: at.map(|at| at as u8),
        }
    };
    let imports: Vec<Import> = calls.iter().map(import).collect();
    state.bind(&imports, &resources).expect("they make sense")
}

/// A run at the state's time.
pub(crate) fn run<T>(
    bound: &Bound,
    state: &mut State,
    calls: impl FnOnce(&mut Services<'_>) -> T,
) -> T {
    let context = Context {
        clock_ns: state.clock_ns(),
        ..Context::default()
    };
    calls(&mut Services::new(bound, state, Layer::Network, &context))
}

/// A state with one resource, and services that are bound to it.
pub(crate) struct Node {
    pub(crate) state: State,
    bound: Bound,
}

impl Node {
    pub(crate) fn new(resource: Resource, services: &[&str]) -> Node {
        let mut state = State::new(&[resource]).expect("one resource");
        let bound = bind(&mut state, services);
        Node { state, bound }
    }

    pub(crate) fn run<T>(&mut self, calls: impl FnOnce(&mut Services<'_>) -> T) -> T {
        run(&self.bound, &mut self.state, calls)
    }
}

/// The words that the service of an import answers.
pub(crate) fn call(services: &mut Services<'_>, import: usize, args: &[u32]) -> [u32; 2] {
    let mut words = [0; ARGS_MAX];
    words[..args.len()].copy_from_slice(args);
    match services.call(import, words, &mut Plain::new([0; PACKET_BYTES])) {
        Return::Words(first, second) => [first, second],
        other => panic!("import {import} answers {other:?}"),
    }
}

/// Bytes of the packet of each run.
pub(crate) const PACKET_BYTES: usize = 60;

/// Memory of a packet, which grows and shrinks in front, and of a block at address 1 with zeros around it.
pub(crate) struct Plain {
    pub(crate) packet: Vec<u8>,
    pub(crate) block: &'static [u8],
}

impl Plain {
    pub(crate) fn new(packet: impl Into<Vec<u8>>) -> Plain {
        Plain {
            packet: packet.into(),
            block: &[],
        }
    }
}

impl Memory for Plain {
    fn packet(&self) -> &[u8] {
        &self.packet
    }
    fn packet_mut(&mut self) -> &mut [u8] {
        &mut self.packet
    }
    fn push(&mut self, bytes: u32) -> bool {
        self.packet.splice(0..0, vec![0; bytes as usize]);
        true
    }
    fn pop(&mut self, bytes: u32) -> bool {
        let there = bytes as usize <= self.packet.len();
        self.packet.drain(..if there { bytes as usize } else { 0 });
        there
    }
    fn append(&mut self, _: u32) -> bool {
        false
    }
    fn cut(&mut self, bytes: u32) {
        self.packet.truncate(bytes as usize);
    }
    fn read(&self, address: u32, into: &mut [u8]) -> bool {
        for (at, byte) in (address as usize..).zip(into) {
            let of_block = at.checked_sub(1).and_then(|at| self.block.get(at));
            *byte = of_block.copied().unwrap_or(0);
        }
        true
    }
}
