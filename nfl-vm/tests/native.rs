//! Host code does what the interpreter does: every instruction on corner operands, bytes moved one by one, and verdicts that
//! are none.
#![cfg(feature = "jit")]

use std::sync::LazyLock;

use nfl_abi::Limits;
use nfl_abi::image::{Image, TargetId};
use nfl_isa::{Fmt, Fx, Inst, Op, Reg, encode};
use nfl_verify::{certify, prove};
use nfl_vm::{Budget, Context, Fault, Jit, Loaded, Outcome, Packet, Policy, Unsupported, load};

mod common;

/// What words of packets are: the ends of ranges, and what lies between.
const CORNERS: [u32; 10] = [
    0,
    1,
    7,
    31,
    0x80,
    0xff00,
    0x1234_5678,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Immediates, as far as the format of an instruction takes them.
const IMMEDIATES: [i32; 7] = [0, 1, 8, 24, 31, -1, -2048];

fn loaded(code: Vec<u8>) -> Option<Loaded> {
    let mut image: Image = common::image(code);
    let full = nfl_isa::Target::find("rv32-full").expect("the target of every instruction");
    image.manifest.target = TargetId(full.id);
    image.manifest.entries[0].need = 16;
    image.manifest.verdicts = 0b0000_1111;
    image.certificate = certify(&image, &Limits::EDGE).ok()?;
    let proven = prove(&image, &Limits::EDGE).ok()?;
    Some(load(proven, &Policy::ALL).expect("all is granted"))
}

type After = (Result<Outcome, Fault>, Vec<u8>);

fn run(loaded: &Loaded, bytes: &[u8]) -> After {
    let mut packet = Packet::from(bytes);
    let context = Context::default();
    let role = loaded.image().manifest.entries[0].role;
    let budget = Budget::Proven;
    let outcome = loaded
        .instance()
        .run(role, &mut packet, &context, &mut [], budget);
    let uncounted = outcome.map(|outcome| Outcome {
        steps: None,
        ..outcome
    });
    (uncounted, packet.bytes().to_vec())
}

/// Runs code over packets that begin with each two corners, interpreted and as host code.
fn compare(code: Vec<u8>, what: &str) {
    static JIT: LazyLock<Result<Jit, Unsupported>> = LazyLock::new(Jit::new);
    let jit = match &*JIT {
        Ok(jit) => jit,
        // Other hosts interpret.
        Err(Unsupported::Host) => return,
        Err(error) => panic!("{error}"),
    };
    let interpreted = loaded(code.clone()).unwrap_or_else(|| panic!("{what} is proved"));
    let native = loaded(code).expect("as before");
    jit.compile(&native)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    for a in CORNERS {
        for b in CORNERS {
            let words = [a, b, 0x0403_0201, 0xdead_beef].map(u32::to_le_bytes);
            let bytes = words.concat();
            assert_eq!(
                run(&native, &bytes),
                run(&interpreted, &bytes),
                "{what} of {a:#x} and {b:#x}"
            );
        }
    }
}

fn assembled(text: &str) -> Vec<u8> {
    nfl_isa::assemble(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// Loads two words, does something, and stores `a4`.
fn around(middle: &[u8]) -> Vec<u8> {
    let before = assembled("lw a2, 0(s0)\nlw a3, 4(s0)\n");
    let behind = assembled("sw a4, 8(s0)\nli a0, 1\nebreak\n");
    [&before, middle, &behind].concat()
}

#[test]
fn instructions_agree_on_corner_operands() {
    let [rd, rs1, rs2] = [14, 12, 13].map(Reg);
    let mut seen = 0;
    for &op in Op::ALL {
        let spec = op.spec();
        let takes_imm = matches!(spec.fmt, Fmt::I | Fmt::Shift);
        if spec.effects != Fx::PURE || !(takes_imm || matches!(spec.fmt, Fmt::R | Fmt::Unary)) {
            continue;
        }
        let imms = if takes_imm { &IMMEDIATES[..] } else { &[0] };
        for &imm in imms {
            let rs2 = if spec.fmt == Fmt::R { rs2 } else { Reg::ZERO };
            let inst = Inst {
                op,
                rd,
                rs1,
                rs2,
                imm,
            };
            // Amounts have five bits.
            let Ok(word) = encode(&inst) else { continue };
            compare(around(&word.to_le_bytes()), &inst.to_string());
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} instructions were compared");
}

#[test]
fn bytes_moved_one_by_one_agree() {
    for middle in [
        // A word with its bytes reversed, in two shapes.
        "slli a4, a2, 24\nsrli a5, a2, 24\nor a4, a4, a5\nslli a5, a2, 16\nsrli a5, a5, 24\nslli a5, a5, 16\nor a4, a4, a5\nslli a5, a2, 8\nsrli a5, a5, 24\nslli a5, a5, 8\nor a4, a4, a5\n",
        "andi a4, a2, 255\nslli a4, a4, 8\nsrli a5, a2, 8\nandi a5, a5, 255\nadd a4, a4, a5\n",
        // One byte is there twice.
        "slli a4, a2, 24\nsrli a5, a2, 24\nslli a6, a5, 8\nor a4, a4, a5\nor a4, a4, a6\n",
        // Sums that carry are no moves of bytes.
        "slli a4, a2, 8\nadd a4, a4, a2\n",
        "slli a4, a2, 8\nxor a4, a4, a2\n",
        // Numbers of the wire, and those of this host.
        "lbu a4, 1(s0)\nslli a4, a4, 8\nlbu a5, 2(s0)\nor a4, a4, a5\n",
        "lbu a4, 2(s0)\nslli a4, a4, 8\nlbu a5, 1(s0)\nor a4, a4, a5\n",
        "lbu a4, 3(s0)\nslli a4, a4, 8\nlbu a5, 1(s0)\nor a4, a4, a5\n",
        "lbu a4, 0(s0)\nslli a4, a4, 8\nlbu a5, 1(s0)\nor a4, a4, a5\nslli a4, a4, 8\nlbu a5, 2(s0)\nor a4, a4, a5\nslli a4, a4, 8\nlbu a5, 3(s0)\nor a4, a4, a5\n",
        "lhu a4, 2(s0)\nslli a4, a4, 16\nlhu a5, 0(s0)\nor a4, a4, a5\n",
        "lb a4, 1(s0)\nslli a4, a4, 8\nlbu a5, 2(s0)\nor a4, a4, a5\n",
        // Memory changes between two loads.
        "lbu a4, 1(s0)\nsw a3, 0(s0)\nslli a4, a4, 8\nlbu a5, 2(s0)\nor a4, a4, a5\n",
        "lbu a4, 1(s0)\nslli a4, a4, 8\nlbu a5, 2(s0)\nsb a3, 2(s0)\nor a4, a4, a5\n",
        // Control comes from two sides between them.
        "lbu a4, 1(s0)\nbeq a2, a3, .+8\nsw a3, 0(s0)\nslli a4, a4, 8\nlbu a5, 2(s0)\nor a4, a4, a5\n",
    ] {
        compare(around(&assembled(middle)), middle);
    }
}

#[test]
fn what_is_no_verdict_is_the_same_fault() {
    // Any number, as verdict and as operand; more than half of them are none, or not allowed.
    compare(
        assembled("lw a0, 0(s0)\nlw a1, 4(s0)\nebreak\n"),
        "any verdict",
    );
    compare(
        assembled("lbu a0, 0(s0)\nandi a0, a0, 7\nlw a1, 4(s0)\nebreak\n"),
        "some verdict",
    );
    compare(
        assembled("li a0, 5\nebreak\n"),
        "a verdict that is not allowed",
    );
}

#[test]
fn a_loop_may_begin_with_the_entry() {
    compare(
        assembled("addi a1, a1, 3\nli a2, 15\nbltu a1, a2, .-8\nli a0, 1\nebreak\n"),
        "a loop of the first instruction",
    );
}
