//! Whatever the bytes, the verifier answers; and a certificate cannot make it answer more.

mod support;

use nfl_abi::image::{LateSlot, TargetId};
use nfl_abi::{Image, Limits};
use nfl_verify::{Prover, certify, prove};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

/// Programs that are proved, with loops, arrays and all regions.
const SEEDS: &[&str] = &[
    ".constants 0102030405060708\n li a2, 0\nh:\n lbu a3, 0x400(a2)\n addi a2, a2, 1\n li a4, 8\n bltu a2, a4, h\n ebreak",
    ".entry originator 0 20\n lbu a2, 0(s0)\n andi a2, a2, 15\n slli a2, a2, 2\n addi a3, a2, 20\n bltu s1, a3, x\n add a2, a2, s0\n lw a4, 16(a2)\n sw a4, 0(s0)\nx:\n ebreak",
    ".carried 8\n sw s1, 0(sp)\n sw s0, 4(sp)\n addi a2, sp, 8\n addi a3, sp, 24\nh:\n sw zero, 0(a2)\n addi a2, a2, 4\n bltu a2, a3, h\n lw a1, 4(tp)\n sb a1, 7(tp)\n ebreak",
    ".constants 10000000\n.late 0 8 0 16\n.carried 20\n lw a2, 0x400(zero)\n add a2, a2, tp\n lw a1, 0(a2)\n c.li a0, 1\n c.ebreak",
    ".resource table 4 8 9\n.import table.get 0 0\n.import packet.push 8\n c.jal slot1\n sw zero, 4(s0)\n lw a0, 0(gp)\n c.jal slot0\n li a1, 0\n beqz a0, x\n lw a1, 4(a0)\nx:\n li a0, 0\n ebreak",
    "li a2, 3\no:\n li a3, 4\ni:\n addi a3, a3, -1\n bnez a3, i\n addi a2, a2, -1\n bnez a2, o\n ebreak",
];

fn seed() -> impl Strategy<Value = Image> {
    prop::sample::select(SEEDS).prop_map(|text| support::certified(text).expect("a proved program"))
}

/// One change to one part of an image.
#[derive(Clone, Debug)]
enum Change {
    Flip { part: u8, at: usize, bits: u8 },
    Insert { part: u8, at: usize, byte: u8 },
    Remove { part: u8, at: usize },
    Need(u16),
    Entry(u32),
    Window(u8),
    Carried(u8),
    Target(u8),
    Late(u16, u8, u32, u32),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0usize..96;
    prop_oneof![
        8 => (0u8..3, at.clone(), 0u8..8).prop_map(|(part, at, bit)| Change::Flip { part, at, bits: 1 << bit }),
        2 => (0u8..3, at.clone(), any::<u8>()).prop_map(|(part, at, bits)| Change::Flip { part, at, bits }),
        1 => (0u8..3, at.clone(), any::<u8>()).prop_map(|(part, at, byte)| Change::Insert { part, at, byte }),
        1 => (0u8..3, at).prop_map(|(part, at)| Change::Remove { part, at }),
        1 => any::<u16>().prop_map(Change::Need),
        1 => any::<u32>().prop_map(Change::Entry),
        1 => any::<u8>().prop_map(Change::Window),
        1 => any::<u8>().prop_map(Change::Carried),
        1 => any::<u8>().prop_map(Change::Target),
        1 => any::<(u16, u8, u32, u32)>().prop_map(|(at, width, lo, hi)| Change::Late(at, width, lo, hi)),
    ]
}

fn apply(image: &mut Image, change: &Change) {
    let mut parts = [
        &mut image.code,
        &mut image.certificate,
        &mut image.constants,
    ];
    match *change {
        Change::Flip { part, at, bits } => {
            let part = &mut parts[usize::from(part)];
            if !part.is_empty() {
                let at = at % part.len();
                part[at] ^= bits;
            }
        }
        Change::Insert { part, at, byte } => {
            let part = &mut parts[usize::from(part)];
            part.insert(at % (part.len() + 1), byte);
        }
        Change::Remove { part, at } => {
            let part = &mut parts[usize::from(part)];
            if !part.is_empty() {
                part.remove(at % part.len());
            }
        }
        Change::Need(need) => image.manifest.entries[0].need = need,
        Change::Entry(pc) => image.manifest.entries[0].pc = pc,
        Change::Window(window) => image.manifest.window = window,
        Change::Carried(bytes) => image.manifest.carried = vec![0; bytes.into()],
        Change::Target(target) => image.manifest.target = TargetId(target),
        Change::Late(offset, width, lo, hi) => {
            let name = String::from("late");
            image.manifest.late.push(LateSlot {
                name,
                offset,
                width,
                wire: lo & 1 == 0,
                lo,
                hi,
            });
        }
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn any_bytes_get_an_answer(
        code in prop::collection::vec(any::<u8>(), 0..64),
        certificate in prop::collection::vec(any::<u8>(), 0..32),
        constants in prop::collection::vec(any::<u8>(), 0..16),
    ) {
        let mut image = support::image("ebreak");
        (image.code, image.certificate, image.constants) = (code, certificate, constants);
        let _ = prove(&image, &Limits::EDGE).map_err(|refusal| refusal.to_string());
        let _ = certify(&image, &Limits::EDGE).map_err(|refusal| refusal.to_string());
    }

    #[test]
    fn changed_images_get_an_answer(seed in seed(), changes in prop::collection::vec(change(), 1..4)) {
        let mut image = seed;
        for change in &changes {
            apply(&mut image, change);
        }
        let _ = prove(&image, &Limits::EDGE).map_err(|refusal| refusal.to_string());
        let _ = certify(&image, &Limits::EDGE).map_err(|refusal| refusal.to_string());
    }

    /// What proofs before leave in the memory of a verifier changes no answer, whether they were refused or not.
    #[test]
    fn memory_changes_no_answer(images in prop::collection::vec((seed(), prop::collection::vec(change(), 0..3)), 2..6)) {
        let mut prover = Prover::new();
        for (mut image, changes) in images {
            for change in &changes {
                apply(&mut image, change);
            }
            prop_assert_eq!(prover.certify(&image, &Limits::EDGE), certify(&image, &Limits::EDGE));
            let alone = prove(&image, &Limits::EDGE);
            prop_assert_eq!(prover.prove(image, &Limits::EDGE), alone);
        }
    }

    /// A certificate has one form: what differs in a byte says something else, or is refused.
    /// Either way the code may not take longer than with the proposed one, unless the bound grows.
    #[test]
    fn another_certificate_never_lowers_the_bound_below_a_run(seed in seed(), at in 0usize..64, bits in 1u8..=255) {
        let honest = prove(&seed, &Limits::EDGE).expect("a proved program").steps(0);
        let mut image = seed;
        let at = at % image.certificate.len();
        image.certificate[at] ^= bits;
        if let Ok(proven) = prove(&image, &Limits::EDGE) {
            // All loops here run as often as their proposed certificates say.
            prop_assert!(proven.steps(0) >= honest);
        }
    }
}

#[test]
fn the_same_image_gets_the_same_answer() {
    for text in SEEDS {
        let one = support::certified(text).expect("a proved program");
        let other = support::certified(text).expect("a proved program");
        assert_eq!(one, other);
        assert_eq!(prove(&one, &Limits::EDGE), prove(&other, &Limits::EDGE));
    }
}

/// One more forward target than a capsule may have open at once.
#[test]
fn forward_targets_are_bounded() {
    let open = |targets: usize| {
        let branches: String = (0..targets).map(|n| format!(" beqz a0, t{n}\n")).collect();
        let ends: String = (0..targets).map(|n| format!("t{n}:\n nop\n")).collect();
        support::certified(&format!("{branches} nop\n{ends} ebreak"))
    };
    let limit = usize::from(Limits::EDGE.capsule.pending_joins);
    let most = open(limit).expect("no loops");
    assert!(prove(&most, &Limits::EDGE).is_ok());
    let more = open(limit + 1).expect("no loops");
    let more = prove(&more, &Limits::EDGE).expect_err("one more than allowed");
    assert_eq!(
        more.to_string(),
        format!(
            "at {}: more than {limit} forward targets are open at once",
            4 * limit
        )
    );
}

/// Symbols that nothing holds any longer are thrown out on the way.
#[test]
fn a_large_image_is_proved_in_one_pass() {
    let lines = |count: usize| " addi a2, s1, 1\n sw a2, 8(sp)\n beqz a2, 4\n".repeat(count);
    let image = support::certified(&format!(
        ".resident\n.entry ingress 0 0\n{} ebreak",
        lines(4_000)
    ));
    let proven = prove(&image.expect("no loops"), &Limits::EDGE).expect("a long straight line");
    assert_eq!(proven.steps(0), 12_001);
}
