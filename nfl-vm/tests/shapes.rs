//! Resources of every shape that a manifest can write down.
//!
//! The byte verifier asks of a resource no more than its kind, so a node meets keys where there should be none, values of any
//! size, and no capacity at all. Whatever the controller and packets do with them has an answer.

use nfl_abi::Layer;
use nfl_abi::host::call::{self, ARGS_MAX};
use nfl_abi::host::{Answer, Host, Return, SERVICES};
use nfl_abi::image::{Import, Resource, ResourceKind};
use nfl_vm::{Context, Part, Rates, Services, State, TernaryRule};

use common::{PACKET_BYTES, Plain, resource};

#[path = "common/state.rs"]
#[expect(dead_code, reason = "tests of tables use the rest")]
mod common;

const BYTES: [u16; 9] = [0, 1, 2, 3, 4, 5, 8, 17, 300];
const CAPACITIES: [u32; 3] = [0, 1, 3];

fn shapes() -> impl Iterator<Item = Resource> {
    let kinds = ResourceKind::ALL.iter();
    let sizes = kinds.flat_map(|&kind| {
        let keys = BYTES.into_iter();
        keys.flat_map(move |key| BYTES.map(|value| (kind, key, value)))
    });
    let all = sizes.flat_map(|shape| CAPACITIES.map(|capacity| (shape, capacity)));
    all.flat_map(|((kind, key_bytes, value_bytes), capacity)| {
        let of = move |flow_key| Resource {
            idle_ns: 10,
            flow_key,
            ..resource(kind, key_bytes, value_bytes, capacity)
        };
        let by_flow = (key_bytes == 4).then(|| of(true));
        [Some(of(false)), by_flow].into_iter().flatten()
    })
}

/// Does all that a controller can do, with keys and values of the sizes that the resource names, and those of flows and ports.
/// What makes no sense is refused.
fn control(state: &mut State, resource: &Resource) {
    let of = |bytes: u16| vec![0; bytes.into()];
    let keys = [resource.key_bytes, resource.value_bytes, 0, 2, 4, 13, 37];
    let values = [0, resource.value_bytes].map(of);
    for key in keys.map(of) {
        for value in &values {
            let _ = state.insert("it", &key, value);
            for bits in [0, 1, key.len() as u16 * 8] {
                let _ = state.insert_prefix("it", &key, bits, value);
                let _ = state.remove_prefix("it", &key, bits);
                let _ = state.insert_prefix("it", &key, bits, value);
            }
        }
        let _ = state.get("it", &key);
        let _ = state.counter_of("it", &key);
    }
    for value in values {
        let part = |offset, bytes| Part {
            offset,
            bytes,
            big_endian: true,
            lo: 0,
            hi: 1,
        };
        for parts in [vec![], vec![part(0, 1)], vec![part(1, 3)]] {
            let rule = TernaryRule {
                priority: 1,
                parts,
                value: value.clone(),
            };
            let _ = state.insert_rule("it", rule);
        }
        for index in [0, 1, u32::MAX] {
            let _ = state.set_register("it", index, &value);
            let _ = state.insert_slot("it", index, &value);
            let _ = state.register("it", index);
            let _ = state.counter("it", index);
        }
    }
    let rates = Rates {
        committed_bps: 8,
        committed_burst: 1,
        peak_bps: 16,
        peak_burst: 2,
    };
    let _ = state.set_meter("it", Some(rates));
    let _ = (state.entries("it"), state.counters("it"));
}

/// Asks all services that take the resource, twice each.
fn ask(state: &mut State, resource: &Resource) {
    let resources = [resource.clone()];
    let takes = |service: &&nfl_abi::host::Service| call::takes(service, resource.kind);
    for service in SERVICES.iter().filter(takes) {
        let import = Import {
            service: service.number,
            param: 0,
            resource: Some(0),
        };
        let shape = call::call(&import, &resources).expect("it takes the kind");
        let Ok(bound) = state.bind(&[import], &resources) else {
            continue;
        };
        let mut memory = Plain::new([0x45; PACKET_BYTES]);
        let context = Context::default();
        let mut services = Services::new(&bound, state, Layer::Network, &context);
        for word in [0, 1, u32::MAX] {
            let answer = services.call(0, [word; ARGS_MAX], &mut memory);
            let Return::Words(first, second) = answer else {
                panic!("{} of {resource:?} answers {answer:?}", service.name);
            };
            let is_right = match shape.answer {
                Answer::Nothing => true,
                Answer::Word(most) => first <= most,
                Answer::Two(most, other) => first <= most && second <= other,
                Answer::Value(bytes) => {
                    let value = services.value(first);
                    first == 0 || value.is_some_and(|value| value.len() >= bytes.into())
                }
            };
            assert!(
                is_right,
                "{} of {resource:?} answers {answer:?}",
                service.name
            );
        }
    }
}

#[test]
fn every_shape_of_a_resource_has_its_answers() {
    let mut seen = 0;
    for resource in shapes() {
        let done = std::panic::catch_unwind(|| {
            let resources = std::slice::from_ref(&resource);
            let mut state = State::new(resources).expect("it is one resource");
            ask(&mut state, &resource);
            control(&mut state, &resource);
            ask(&mut state, &resource);
            state.reserve();
            ask(&mut state, &resource);
        });
        assert!(done.is_ok(), "{resource:?}");
        seen += 1;
    }
    assert!(seen > 3_000, "{seen} shapes");
}
