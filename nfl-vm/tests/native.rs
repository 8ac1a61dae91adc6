//! Host code does what the interpreter does: every instruction on corner operands, bytes moved one by one, verdicts that are
//! none, and whatever else host code takes from the proof.
#![cfg(feature = "jit")]

use std::sync::LazyLock;

use nfl_abi::Limits;
use nfl_abi::image::{Image, TargetId};
use nfl_isa::{Fmt, Fx, Inst, Op, Reg, encode};
use nfl_verify::{certify, prove};
use nfl_vm::{
    Budget, Context, Fault, Jit, Loaded, Outcome, Packet, Policy, State, Unsupported, load,
};

mod common;
#[path = "../../nfl-verify/tests/support/mod.rs"]
mod support;

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

fn image(code: Vec<u8>) -> Image {
    let mut image: Image = common::image(code);
    let full = nfl_isa::Target::find("rv32-full").expect("the target of every instruction");
    image.manifest.target = TargetId(full.id);
    image.manifest.entries[0].need = 16;
    image.manifest.verdicts = 0b0000_1111;
    image
}

fn loaded(mut image: Image, what: &str) -> Loaded {
    if image.certificate.is_empty() {
        image.certificate = certify(&image, &Limits::EDGE)
            .unwrap_or_else(|refusal| panic!("{what} is proved: {refusal}"));
    }
    let proven = prove(&image, &Limits::EDGE);
    let proven = proven.unwrap_or_else(|refusal| panic!("{what} is proved: {refusal}"));
    load(proven, &Policy::ALL).expect("all is granted")
}

/// The outcome, the packet, the `carried` area and the state that a run leaves.
type After = (Result<Outcome, Fault>, Vec<u8>, Vec<u8>, State);

fn run(loaded: &Loaded, bytes: &[u8], fill: &dyn Fn(&mut State)) -> After {
    let mut packet = Packet::from(bytes);
    let context = Context::default();
    let manifest = &loaded.image().manifest;
    let mut carried = manifest.carried.clone();
    let mut instance = loaded.instance();
    fill(&mut instance.state_mut());
    let outcome = instance.run(
        manifest.entries[0].role,
        &mut packet,
        &context,
        &mut carried,
        Budget::Proven,
    );
    let uncounted = outcome.map(|outcome| Outcome {
        steps: None,
        ..outcome
    });
    let state = instance.state_mut().clone();
    (uncounted, packet.bytes().to_vec(), carried, state)
}

/// Runs code over packets that begin with each two corners, interpreted and as host code.
fn compare(code: Vec<u8>, what: &str) {
    compare_images(image(code), &|_| {}, what);
}

/// The same for what a text describes.
fn compare_text(text: &str, fill: &dyn Fn(&mut State)) {
    let image = support::certified(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    compare_images(image, fill, text);
}

fn compare_images(image: Image, fill: &dyn Fn(&mut State), what: &str) {
    static JIT: LazyLock<Result<Jit, Unsupported>> = LazyLock::new(Jit::new);
    let jit = match &*JIT {
        Ok(jit) => jit,
        // Other hosts interpret.
        Err(Unsupported::Host) => return,
        Err(error) => panic!("{error}"),
    };
    let interpreted = loaded(image.clone(), what);
    let native = loaded(image, what);
    jit.compile(&native)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    for a in CORNERS {
        for b in CORNERS {
            let words = [a, b, 0x0403_0201, 0xdead_beef].map(u32::to_le_bytes);
            let bytes = words.concat();
            assert_eq!(
                run(&native, &bytes, fill),
                run(&interpreted, &bytes, fill),
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

/// A table that has every second corner as a key.
fn half_filled(state: &mut State) {
    for key in CORNERS.iter().step_by(2) {
        let value = [key.to_le_bytes(), [1, 2, 3, 4]].concat();
        let done = state.insert("r0", &key.to_le_bytes(), &value);
        done.expect("the table has room");
    }
}

/// A lookup of the packet's first word, with the second one in the word of scratch that takes its answer.
const LOOKUP: &str = "\
.entry originator 0 16
.import table.get 0 0
.resource table 4 8 16
    lw a3, 4(s0)
    sw a3, 0(sp)
    mv a2, a3
    lw a0, 0(s0)
    jal ra, slot0
    sw a0, 0(sp)
";

#[test]
fn an_answer_that_is_known_to_be_nothing_is_zero_wherever_it_was_kept() {
    for rest in [
        // From scratch it joins an address, and is looked at again.
        "    bnez a0, there\n    lw a2, 0(sp)\n    j both\nthere:\n    mv a2, a0\nboth:\n    beqz a2, end\n    lw a3, 0(a2)\nend:\n    sw a3, 8(s0)\n",
        "    snez a4, a0\n    bnez a4, there\n    lw a2, 0(sp)\n    j both\nthere:\n    lw a2, 0(sp)\nboth:\n    beqz a2, end\n    lw a3, 4(a2)\nend:\n    sw a3, 8(s0)\n",
        // From scratch, or as it was answered, it joins another number.
        "    bnez a0, there\n    lw a2, 0(sp)\n    mv a2, a2\n    j both\nthere:\n    lw a2, 0(a0)\nboth:\n    sw a2, 8(s0)\n",
        "    bnez a0, there\n    mv a2, a0\n    j both\nthere:\n    lw a2, 0(a0)\nboth:\n    sw a2, 8(s0)\n",
        "    beqz a0, none\n    lw a2, 0(a0)\n    sw a2, 0(sp)\n    j both\nnone:\n    sw a0, 0(sp)\nboth:\n    lw a2, 0(sp)\n    sw a2, 8(s0)\n",
        // The same where the word lies in memory, too.
        "    bnez a0, there\n    lw a2, 0(sp)\n    j both\nthere:\n    mv a2, a0\nboth:\n    beqz a2, end\n    lw a3, 0(a2)\nend:\n    sw a3, 0(sp)\n    sb a3, 1(sp)\n    lw a3, 0(sp)\n    sw a3, 8(s0)\n",
    ] {
        let text = format!("{LOOKUP}{rest}    li a0, 1\n    li a1, 0\n    ebreak\n");
        compare_text(&text, &half_filled);
    }
}

#[test]
fn an_address_differs_from_zero_whatever_is_behind_it() {
    for reg in ["gp", "a5", "tp", "a4", "sp", "s0"] {
        for (op, order) in [("beqz", "first"), ("bnez", "first"), ("beqz", "copy")] {
            let from = if order == "copy" { "a3" } else { reg };
            let text = format!(
                ".entry originator 0 16\n    mv a3, {reg}\n    {op} {from}, far\n    li a0, 1\n    li a1, 0\n    ebreak\nfar:\n    li a0, 0\n    li a1, 3\n    ebreak\n"
            );
            compare_text(&text, &|_| {});
        }
    }
}

#[test]
fn an_index_that_stands_for_a_negative_one_moves_an_address_back() {
    // As constants, each scaled by 2, 4 and 8: what wraps, what just does not, and what comes out negative either way.
    for index in [
        0x7fff_ffffu32,
        0x8000_0001,
        0xffff_ffff,
        0xffff_fffe,
        0x3fff_ffff,
        0x1fff_ffff,
        0x2000_0000,
        0x4000_0000,
        0x6000_0000,
        1,
    ] {
        for (op, shift) in [("sh1add", 1), ("sh2add", 2), ("sh3add", 3)] {
            let moved = (index << shift).cast_signed();
            if !(-7..8).contains(&moved) {
                continue;
            }
            let text = format!(
                ".target rv32-full\n.entry originator 0 16\n    li a2, {}\n    lbu a5, 0(s0)\n    andi a5, a5, 1\n    addi a3, a5, 7\n    add a3, s0, a3\n    {op} a3, a2, a3\n    lbu a4, 0(a3)\n    sb a4, 15(s0)\n    li a0, 1\n    li a1, 0\n    ebreak\n",
                index.cast_signed()
            );
            compare_text(&text, &|_| {});
        }
    }
}
