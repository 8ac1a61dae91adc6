//! Properties of generated modules: the text form, the verifier and the passes agree with the
//! interpreter.

use nfl_abi::Limits;
use nfl_abi::host::NoHost;
use nfl_ir::interp::{self, Inputs, Room, Trap};
use nfl_ir::testing::{self, Input};
use nfl_ir::{Module, passes, text, verify};
use nfl_syntax::Diags;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

type Outcome = (Result<(u32, u32), Trap>, Vec<u8>, Vec<u8>);

fn run(m: &Module, function: usize, input: &Input) -> Outcome {
    let Input {
        mut packet,
        context,
        mut carried,
        late,
    } = input.clone();
    let mut inputs = Inputs {
        context: &context,
        carried: &mut carried,
        late: &late,
        host: &mut NoHost,
        room: Room::default(),
    };
    let result = interp::run(m, function, &mut packet, &mut inputs);
    (result, packet, carried)
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

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn text_round_trip(seed in any::<u64>()) {
        let printed = text::module(&testing::module(seed));
        let parsed = text::parse(&printed).expect("what is printed can be read");
        prop_assert_eq!(text::module(&parsed), printed);
    }

    #[test]
    fn passes_keep_the_meaning(seed in any::<u64>()) {
        let before = testing::module(seed);
        proved(&before, "before the passes");
        let mut after = before.clone();
        passes::run(&mut after);
        proved(&after, "after the passes");
        for n in 0..24 {
            let input = testing::input(&before, seed.wrapping_add(n));
            for f in 0..before.functions.len() {
                let (want, got) = (run(&before, f, &input), run(&after, f, &input));
                prop_assert!(want.0.is_ok(), "{:?}\n{}", want.0, text::module(&before));
                prop_assert!(
                    want == got,
                    "seed {seed} input {n} handler {f}: {want:?}\n{got:?}\n{}\n{}",
                    text::module(&before),
                    text::module(&after)
                );
            }
        }
    }

    #[test]
    fn foreign_text_is_refused_without_a_panic(seed in any::<u64>(), at in any::<u32>(), byte in 32_u8..127) {
        let mut bytes = text::module(&testing::module(seed)).into_bytes();
        let at = at as usize % bytes.len();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).expect("ASCII stays ASCII");
        let _ = text::parse(&changed);
    }
}
