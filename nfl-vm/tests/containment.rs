//! What the byte verifier accepts does not fault and stays within its bound.
//!
//! Random instructions are rarely accepted as they come. So a program is repaired: the instruction
//! that the verifier refuses is replaced by a harmless one, until the rest is accepted. What is
//! left lies close to the border of what can be proved, which is where a mistake would be.

use nfl_abi::host::NoHost;
use nfl_abi::image::{Image, LateSlot};
use nfl_abi::{Limits, Profile, Role};
use nfl_isa::{Inst, Op, Reg, encode};
use nfl_verify::{Proven, certify, prove};
use nfl_vm::{Budget, Context, Fault, Frame, Inputs, Packet, Policy, Trap, load, run_unverified};
#[cfg(feature = "jit")]
use nfl_vm::{Jit, Loaded, Outcome, Unsupported};
use proptest::prelude::*;
#[cfg(feature = "jit")]
use std::sync::LazyLock;

mod common;

const CASES: u32 = 300;
/// A program that needs more repairs than this is given up.
const REPAIRS_MAX: usize = 60;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(2),
        ..ProptestConfig::default()
    }
}

fn register() -> impl Strategy<Value = Reg> {
    let pool = vec![
        Reg::ZERO,
        Reg::SP,
        Reg::GP,
        Reg::TP,
        Reg::T1,
        Reg::T2,
        Reg::S0,
        Reg::S1,
        Reg::A0,
        Reg::A1,
        Reg::A2,
        Reg::A3,
        Reg::A4,
        Reg::A5,
    ];
    prop::sample::select(pool)
}

fn target() -> impl Strategy<Value = Reg> {
    prop::sample::select(vec![
        Reg::T1,
        Reg::A0,
        Reg::A1,
        Reg::A2,
        Reg::A3,
        Reg::A4,
        Reg::A5,
    ])
}

fn base() -> impl Strategy<Value = Reg> {
    prop_oneof![
        4 => Just(Reg::S0),
        2 => Just(Reg::SP),
        1 => Just(Reg::TP),
        1 => Just(Reg::GP),
        1 => Just(Reg::ZERO),
        4 => target(),
    ]
}

/// Mostly small, so that the borders of windows and areas are met.
fn offset() -> impl Strategy<Value = i32> {
    prop_oneof![6 => 0i32..24, 1 => 24i32..72]
}

fn instruction() -> impl Strategy<Value = Inst> {
    use Op::{
        Add, Addi, And, Andi, Andn, Bclri, Beq, Bext, Bexti, Bge, Bgeu, Blt, Bltu, Bne, Bseti, Clz,
        Div, Divu, Lb, Lbu, Lh, Lhu, Lui, Lw, Maxu, Minu, Mul, Mulh, Mulhu, Or, Rem, Remu, Rev8,
        Rori, Sb, Sextb, Sh, Sh1add, Sh2add, Sh3add, Sll, Slli, Slt, Sltiu, Sltu, Sra, Srai, Srl,
        Srli, Sub, Sw, Xor, Xori, Zexth,
    };
    let compute = || {
        prop::sample::select(vec![
            Add, Sub, And, Or, Xor, Sll, Srl, Sra, Slt, Sltu, Mul, Mulh, Mulhu, Div, Divu, Rem,
            Remu, Sh1add, Sh2add, Sh3add, Andn, Minu, Maxu, Bext,
        ])
    };
    let small = prop::sample::select(vec![
        -4, -1, 0, 1, 2, 3, 4, 7, 8, 14, 15, 20, 31, 60, 63, 127, 252,
    ]);
    let branches = vec![Beq, Bne, Blt, Bge, Bltu, Bgeu];
    prop_oneof![
        2 => (compute(), target(), register(), register()).prop_map(|(op, d, a, b)| Inst::r(op, d, a, b)),
        2 => (target(), base(), target()).prop_map(|(d, a, b)| Inst::r(Add, d, a, b)),
        2 => (target(), register(), small.clone()).prop_map(|(d, a, k)| Inst::i(Addi, d, a, k)),
        2 => (target(), target(), small.clone()).prop_map(|(d, a, k)| Inst::i(Andi, d, a, k)),
        1 => (prop::sample::select(vec![Zexth, Sextb, Rev8, Clz]), target(), register()).prop_map(|(op, d, a)| Inst::i(op, d, a, 0)),
        1 => (prop::sample::select(vec![Slli, Srli, Srai, Bexti, Bclri, Bseti, Rori]), target(), register(), 1i32..32)
            .prop_map(|(op, d, a, k)| Inst::i(op, d, a, k)),
        1 => (prop::sample::select(vec![Xori, Sltiu]), target(), register(), small.clone())
            .prop_map(|(op, d, a, k)| Inst::i(op, d, a, k)),
        1 => (target(), 0i32..3).prop_map(|(d, k)| Inst::u(Lui, d, k << 12)),
        4 => (prop::sample::select(vec![Lb, Lbu, Lh, Lhu, Lw]), target(), base(), offset())
            .prop_map(|(op, d, b, k)| Inst::i(op, d, b, if b == Reg::ZERO { 0x400 + k / 4 } else { k })),
        3 => (prop::sample::select(vec![Sb, Sh, Sw]), register(), base(), offset())
            .prop_map(|(op, v, b, k)| Inst::s(op, v, b, k)),
        3 => (prop::sample::select(branches), register(), register(), 2i32..9)
            .prop_map(|(op, a, b, over)| Inst::b(op, a, b, 4 * over)),
        2 => (prop::sample::select(vec![Bltu, Bgeu]), any::<bool>(), target(), 2i32..9)
            .prop_map(|(op, length_first, r, over)| {
                let (a, b) = if length_first { (Reg::S1, r) } else { (r, Reg::S1) };
                Inst::b(op, a, b, 4 * over)
            }),
    ]
}

/// `before`, then `body` as often as `t2` counts, then `behind`, then a finish.
fn program(before: &[Inst], body: &[Inst], behind: &[Inst], trips: i32) -> Vec<Inst> {
    let mut code = Vec::new();
    code.extend(before);
    if !body.is_empty() {
        code.push(Inst::i(Op::Addi, Reg::T2, Reg::ZERO, trips));
        let head = code.len();
        code.extend(body);
        code.push(Inst::i(Op::Addi, Reg::T2, Reg::T2, -1));
        let back = head as i32 - code.len() as i32;
        code.push(Inst::b(Op::Bne, Reg::T2, Reg::ZERO, 4 * back));
    }
    code.extend(behind);
    code.push(Inst::i(Op::Andi, Reg::A0, Reg::A0, 7));
    code.push(Inst::bare(Op::Ebreak));
    clamp(&mut code);
    code
}

/// Forward branches end at the finish at the latest.
fn clamp(code: &mut [Inst]) {
    let last = code.len() as i32 - 2;
    for (at, inst) in (0..).zip(code) {
        if inst.op.spec().fmt == nfl_isa::Fmt::B && inst.imm > 0 {
            inst.imm = inst.imm.min(4 * (last - at).max(1));
        }
    }
}

fn assemble(code: &[Inst]) -> Vec<u8> {
    code.iter()
        .flat_map(|i| encode(i).unwrap_or(NOTHING).to_le_bytes())
        .collect()
}

/// `lui t1, 1`, for what cannot be encoded.
const NOTHING: u32 = 0x0000_1337;

/// Replace what is refused until the rest is accepted.
fn repair(mut image: Image, mut code: Vec<Inst>) -> Option<Proven> {
    for _ in 0..REPAIRS_MAX {
        image.code = assemble(&code);
        image.certificate.clear();
        let refusal = match certify(&image, &Limits::EDGE) {
            Err(refusal) => refusal,
            Ok(certificate) => {
                image.certificate = certificate;
                match prove(&image, &Limits::EDGE) {
                    Ok(proven) => return Some(proven),
                    Err(refusal) => refusal,
                }
            }
        };
        let at = refusal.pc? as usize / 4;
        let harmless = Inst::u(Op::Lui, Reg::T1, 0x1000);
        let refused = code.get_mut(at)?;
        if refused.op == Op::Ebreak {
            // An address in `a0` or `a1`: it was not there at the start.
            code.insert(at, Inst::i(Op::Addi, Reg::A1, Reg::ZERO, 1));
        } else if *refused == harmless {
            return None;
        } else {
            *refused = harmless;
        }
    }
    None
}

/// A capsule with a window, a need, carried bytes and a late parameter.
fn image(window: u8, need: u16, carried: usize, late: u32) -> Image {
    let mut image = common::image(Vec::new());
    let manifest = &mut image.manifest;
    manifest.profile = Profile::Capsule;
    manifest.window = window;
    manifest.carried = vec![3; carried];
    manifest.entries[0].role = Role::Transit;
    manifest.entries[0].need = need;
    manifest.entries[0].steps = Limits::EDGE.capsule.steps;
    manifest.late = vec![LateSlot {
        name: "limit".to_owned(),
        offset: 0,
        width: 8,
        wire: false,
        lo: 4,
        hi: 40,
    }];
    image.constants = late.to_le_bytes().to_vec();
    image
        .constants
        .extend([0xff, 0x80, 0x01, 0x00, 0x14, 0x00, 0x00, 0x00]);
    image
}

/// One bit of the code or of the certificate is another.
fn damaged(mut image: Image, at: u16) -> Image {
    let (byte, bit) = (usize::from(at / 8), at % 8);
    let code = image.code.len();
    let byte = byte % (code + image.certificate.len());
    match image.code.get_mut(byte) {
        Some(byte) => *byte ^= 1 << bit,
        None => image.certificate[byte - code] ^= 1 << bit,
    }
    image
}

/// Packets of many lengths, some of them at a border of the program.
fn check(proven: &Proven, fill: [u8; 8]) -> Result<(), TestCaseError> {
    let manifest = &proven.image().manifest;
    let (window, need) = (
        usize::from(manifest.window),
        usize::from(manifest.entries[0].need),
    );
    let borders = [need, need + 1, window.saturating_sub(1), window, window + 1];
    for len in borders
        .into_iter()
        .chain([0, 1, 13, 20, 21, 40, 54, 63, 64, 65, 100, 200])
    {
        let scale = |n: usize| fill[n % 8].wrapping_mul(n as u8 | 1);
        let bytes: Vec<u8> = (0..len).map(scale).collect();
        check_one(proven, &bytes)?;
    }
    Ok(())
}

fn check_one(proven: &Proven, bytes: &[u8]) -> Result<(), TestCaseError> {
    let image = proven.image().clone();
    let mut carried = image.manifest.carried.clone();
    let (mut packet, mut again) = (Packet::from(bytes), Packet::from(bytes));
    let context = Context {
        ingress_port: 3,
        network_offset: Some(14),
        clock_ns: 1 << 40,
        ..Context::default()
    };
    let entry = image.manifest.entries[0];
    let result = run_unverified(
        &image,
        &entry,
        Inputs {
            packet: &mut packet,
            context: &context,
            carried: &mut carried,
            host: &mut NoHost,
        },
        proven.steps(0),
        |_| {},
    );
    match result {
        Ok(ref outcome) => {
            prop_assert!(outcome.steps.is_some_and(|steps| steps <= proven.steps(0)))
        }
        Err(Fault::Trap {
            trap: Trap::UnknownVerdict(_) | Trap::ForbiddenVerdict(_),
            ..
        }) => {}
        Err(fault) => {
            let text: Vec<String> = nfl_isa::disassemble(&image.code, 0)
                .iter()
                .map(|line| {
                    line.inst
                        .map_or("?".to_owned(), |inst| format!("{:#06x} {inst}", line.pc))
                })
                .collect();
            prop_assert!(
                false,
                "{} of {} bytes: {}",
                fault,
                bytes.len(),
                text.join("\n")
            );
        }
    }
    let loaded = load(
        prove(&image, &Limits::EDGE).expect("as before"),
        &Policy::ALL,
    );
    let mut instance = loaded.expect("all is granted").instance();
    let mut carried_again = image.manifest.carried.clone();
    let same = instance.run(
        Role::Transit,
        &mut again,
        &context,
        &mut carried_again,
        Budget::Proven,
    );
    prop_assert_eq!(&same, &result);
    prop_assert_eq!((&packet, &carried), (&again, &carried_again));
    // In place, in a buffer that ends with the packet.
    let mut buffer = bytes.to_vec();
    let mut frame = Frame::new(&mut buffer, 0, bytes.len()).expect("all of the buffer");
    let mut carried_in_place = image.manifest.carried.clone();
    let in_place = instance.run_frame(
        Role::Transit,
        &mut frame,
        &context,
        &mut carried_in_place,
        Budget::Proven,
    );
    prop_assert_eq!(&in_place, &result);
    prop_assert_eq!(
        (packet.bytes(), &carried),
        (frame.bytes(), &carried_in_place)
    );
    #[cfg(feature = "jit")]
    natively(
        instance.loaded(),
        bytes,
        &context,
        (&same, &packet, &carried),
    )?;
    Ok(())
}

/// Host code leaves what the interpreter leaves; it counts no steps.
#[cfg(feature = "jit")]
fn natively(
    loaded: &Loaded,
    bytes: &[u8],
    context: &Context,
    (result, packet, carried): (&Result<Outcome, Fault>, &Packet, &[u8]),
) -> Result<(), TestCaseError> {
    static JIT: LazyLock<Result<Jit, Unsupported>> = LazyLock::new(Jit::new);
    let compiled = JIT
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|jit| jit.compile(loaded));
    match compiled {
        // Other hosts interpret, and so are sums that may leave the regions far behind.
        Err(Unsupported::Host | Unsupported::Fact(_)) => return Ok(()),
        compiled => prop_assert_eq!(compiled, Ok(())),
    }
    let mut again = Packet::from(bytes);
    let mut carried_again = loaded.image().manifest.carried.clone();
    let budget = Budget::Proven;
    let role = Role::Transit;
    let native = loaded
        .instance()
        .run(role, &mut again, context, &mut carried_again, budget);
    let uncounted = result.clone().map(|outcome| Outcome {
        steps: outcome.steps.filter(|_| outcome.by_need),
        ..outcome
    });
    prop_assert_eq!(native, uncounted);
    prop_assert_eq!((packet, carried), (&again, &carried_again[..]));
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn accepted_programs_do_not_fault(
        before in prop::collection::vec(instruction(), 0..30),
        body in prop::collection::vec(instruction(), 0..12),
        behind in prop::collection::vec(instruction(), 0..12),
        trips in 1i32..9,
        (window, need) in (0u8..=24, 0u16..32),
        (carried, late) in (0usize..16, 4u32..=40),
        fill in any::<[u8; 8]>(),
        damage in any::<u16>(),
    ) {
        let image = image(window, need, carried, late);
        let Some(proven) = repair(image, program(&before, &body, &behind, trips)) else {
            return Ok(());
        };
        check(&proven, fill)?;
        if let Ok(damaged) = prove(&damaged(proven.into_image(), damage), &Limits::EDGE) {
            check(&damaged, fill)?;
        }
    }
}
