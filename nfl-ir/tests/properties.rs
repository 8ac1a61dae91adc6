//! Properties of generated modules: the text form, the verifier and the passes agree with the
//! interpreter.

use nfl_abi::Limits;
use nfl_ir::interp::{self, Inputs, Room, Trail, Trap};
use nfl_ir::testing::host::Services;
use nfl_ir::testing::{self, Input};
use nfl_ir::verify::flow::Analysis;
use nfl_ir::{Module, passes, text, verify};
use nfl_syntax::Diags;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};

type Outcome = (
    Result<(u32, u32), Trap>,
    Vec<u8>,
    Vec<u8>,
    Vec<(u8, Option<u8>, Vec<u8>)>,
);

fn run(m: &Module, function: usize, input: &Input, seed: u64) -> Outcome {
    let Input {
        mut packet,
        context,
        mut carried,
        late,
    } = input.clone();
    let mut services = Services::new(m, seed);
    let mut inputs = Inputs {
        context: &context,
        carried: &mut carried,
        late: &late,
        params: &[],
        host: &mut services,
        room: Room {
            head: seed as u32 % 16,
            tail: 16,
        },
    };
    let result = interp::run(m, function, &mut packet, &mut inputs);
    (result, packet, carried, services.trace)
}

fn proved(m: &Module, what: &str) {
    let mut diags = Diags::default();
    let verified = verify(m.clone(), &Limits::EDGE, &mut diags);
    let findings: Vec<String> = diags
        .iter()
        .map(|d| format!("{} {:?}", d.message, d.notes))
        .collect();
    assert!(
        verified.is_some(),
        "{what}: {findings:?}\n{}",
        text::module(m)
    );
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x4e46_4c21),
        ..ProptestConfig::default()
    }
}

fn cases() -> u32 {
    if cfg!(debug_assertions) { 80 } else { 5_000 }
}

/// Passes keep a module provable, and what it does to packets, memory and services.
fn agree(seed: u64, before: &Module) -> Result<(), TestCaseError> {
    proved(before, "before the passes");
    let mut after = before.clone();
    passes::run(&mut after);
    proved(&after, "after the passes");
    for n in 0..24 {
        let input = testing::input(before, seed.wrapping_add(n));
        for f in 0..before.functions.len() {
            let (want, got) = (run(before, f, &input, n), run(&after, f, &input, n));
            prop_assert!(want.0.is_ok(), "{:?}\n{}", want.0, text::module(before));
            prop_assert!(
                want == got,
                "seed {seed} input {n} handler {f}: {want:?}\n{got:?}\n{}\n{}",
                text::module(before),
                text::module(&after)
            );
        }
    }
    Ok(())
}

/// Every word of a run lies in the interval that is known of it, and every block that a run comes to is one that
/// somebody is thought to come to.
fn facts_hold(seed: u64, m: &Module) -> Result<(), TestCaseError> {
    for (at, f) in m.functions.iter().enumerate() {
        let known = Analysis::new(f, m.words());
        for n in 0..8 {
            let seed = seed.wrapping_add(n);
            let mut input = testing::input(m, seed);
            let mut inputs = Inputs {
                context: &input.context,
                carried: &mut input.carried,
                late: &input.late,
                params: &[],
                host: &mut Services::new(m, seed),
                room: Room { head: 16, tail: 16 },
            };
            let mut trail = Trail::new(interp::STEPS_MAX).keeping();
            let end = interp::follow(m, at, &mut input.packet, &mut inputs, &mut trail);
            if end.is_err() || trail.edges.is_empty() {
                continue;
            }
            let came = trail.edges.iter();
            let came = came.filter_map(|&(b, edge)| f.blocks[b].term.targets().nth(edge));
            for b in came.map(|call| call.block).chain([f.entry]) {
                prop_assert!(known.at(b).is_some(), "{b} {seed}\n{}", text::module(m));
                let made = f.blocks[b].insts.iter();
                let made = made.filter_map(|&inst| f.insts[inst].result);
                for v in f.blocks[b].params.iter().copied().chain(made) {
                    let (range, word) = (known.base[v], trail.values[v]);
                    prop_assert!(
                        (range.lo..=range.hi).contains(&word),
                        "{v} is {word}, {range:?} {seed}\n{}",
                        text::module(m)
                    );
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn what_is_known_is_so(seed in any::<u64>()) {
        facts_hold(seed, &testing::module(seed))?;
        facts_hold(seed, &testing::calling_module(seed))?;
    }

    #[test]
    fn text_round_trip(seed in any::<u64>()) {
        for module in [testing::module(seed), testing::calling_module(seed)] {
            let printed = text::module(&module);
            let parsed = text::parse(&printed).expect("what is printed can be read");
            prop_assert_eq!(text::module(&parsed), printed);
            prop_assert_eq!(&parsed.imports, &module.imports);
            prop_assert_eq!(&parsed.resources, &module.resources);
        }
    }

    #[test]
    fn passes_keep_the_meaning(seed in any::<u64>()) {
        agree(seed, &testing::module(seed))?;
    }

    #[test]
    fn passes_keep_the_meaning_of_idioms(seed in any::<u64>()) {
        agree(seed, &testing::module_of_idioms(seed))?;
    }

    #[test]
    fn passes_keep_the_meaning_of_calls(seed in any::<u64>()) {
        agree(seed, &testing::calling_module(seed))?;
    }

    #[test]
    fn foreign_text_is_refused_without_a_panic(seed in any::<u64>(), at in any::<u32>(), byte in 32_u8..127) {
        let mut bytes = text::module(&testing::calling_module(seed)).into_bytes();
        let at = at as usize % bytes.len();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).expect("ASCII stays ASCII");
        let _ = text::parse(&changed);
    }
}
