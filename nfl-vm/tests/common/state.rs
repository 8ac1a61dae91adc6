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
    let resources = state.resources().to_vec();
    let import = |name: &&str| {
        let service = service(name).expect("a service");
        let at = resources.iter().position(|r| takes(service, r.kind));
        Import {
            service: service.number,
            param: 0,
            resource: at.map(|at| at as u8),
        }
    };
    let imports: Vec<Import> = names.iter().map(import).collect();
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

/// The words that the service of an import answers.
pub(crate) fn call(services: &mut Services<'_>, import: usize, args: &[u32]) -> [u32; 2] {
    let mut words = [0; ARGS_MAX];
    words[..args.len()].copy_from_slice(args);
    match services.call(import, words, &mut Nothing) {
        Return::Words(first, second) => [first, second],
        other => panic!("import {import} answers {other:?}"),
    }
}

/// Bytes of the packet of each run.
pub(crate) const PACKET_BYTES: usize = 60;

/// Memory of a packet of zeros, and nothing else.
struct Nothing;

impl Memory for Nothing {
    fn packet(&self) -> &[u8] {
        &[0; PACKET_BYTES]
    }
    fn packet_mut(&mut self) -> &mut [u8] {
        &mut []
    }
    fn push(&mut self, _: u32) -> bool {
        false
    }
    fn pop(&mut self, _: u32) -> bool {
        false
    }
    fn append(&mut self, _: u32) -> bool {
        false
    }
    fn cut(&mut self, _: u32) {}
    fn read(&self, _: u32, _: &mut [u8]) -> bool {
        false
    }
}
