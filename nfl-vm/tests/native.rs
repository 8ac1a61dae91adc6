//! Host code does what the interpreter does: every instruction on corner operands, bytes moved one by one, verdicts that are
//! none, and whatever else host code takes from the proof.
#![cfg(feature = "jit")]

use std::sync::LazyLock;

use nfl_abi::Limits;
use nfl_abi::image::{Image, TargetId};
use nfl_isa::{Fmt, Fx, Inst, Op, Reg, encode};
use nfl_verify::{certify, prove};
use nfl_vm::{
    Budget, Context, Fault, Frame, Jit, Job, Loaded, Outcome, Packet, Policy, State, Unsupported,
    load,
};

mod common;
#[path = "native/loops.rs"]
mod loops;
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

fn run(loaded: &Loaded, index: usize, bytes: &[u8], fill: &dyn Fn(&mut State)) -> After {
    let mut packet = Packet::from(bytes);
    let context = Context::default();
    let manifest = &loaded.image().manifest;
    let mut carried = manifest.carried.clone();
    let mut instance = loaded.instance();
    fill(&mut instance.state_mut());
    let outcome = instance.run_entry(index, &mut packet, &context, &mut carried, Budget::Proven);
    let state = instance.state_mut().clone();
    (uncounted(outcome), packet.bytes().to_vec(), carried, state)
}

/// Host code counts no steps.
fn uncounted(outcome: Result<Outcome, Fault>) -> Result<Outcome, Fault> {
    outcome.map(|outcome| Outcome {
        steps: None,
        ..outcome
    })
}

/// The same in a buffer of the caller's with so many bytes behind the packet, alone and in a batch.
fn run_in_buffer(
    loaded: &Loaded,
    bytes: &[u8],
    behind: usize,
    fill: &dyn Fn(&mut State),
) -> [After; 2] {
    [false, true].map(|in_batch| {
        let mut buffer = [&[0xaa; 8], bytes, &vec![0xbb; behind]].concat();
        let mut frame = Frame::new(&mut buffer, 8, bytes.len()).expect("it lies inside");
        let context = Context::default();
        let manifest = &loaded.image().manifest;
        let mut carried = manifest.carried.clone();
        let role = manifest.entries[0].role;
        let mut instance = loaded.instance();
        fill(&mut instance.state_mut());
        let (outcome, packet) = match in_batch {
            false => {
                let outcome =
                    instance.run_frame(role, &mut frame, &context, &mut carried, Budget::Proven);
                (outcome, frame.bytes().to_vec())
            }
            true => {
                let carried = &mut carried[..];
                let mut jobs = [Job {
                    frame,
                    context,
                    carried,
                }];
                let mut outcomes = Vec::new();
                instance.run_batch(role, &mut jobs, Budget::Proven, &mut outcomes);
                (outcomes.remove(0), jobs[0].frame.bytes().to_vec())
            }
        };
        let state = instance.state_mut().clone();
        (uncounted(outcome), packet, carried, state)
    })
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
            for index in 0..native.image().manifest.entries.len() {
                assert_eq!(
                    run(&native, index, &bytes, fill),
                    run(&interpreted, index, &bytes, fill),
                    "{what} of {a:#x} and {b:#x}, entry {index}"
                );
            }
            for behind in [0, 200] {
                assert_eq!(
                    run_in_buffer(&native, &bytes, behind, fill),
                    run_in_buffer(&interpreted, &bytes, behind, fill),
                    "{what} of {a:#x} and {b:#x}, {behind} bytes behind it"
                );
            }
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
fn bytes_stored_one_by_one_agree() {
    let parts = "srli a4, a2, 8\nsrli a5, a2, 16\nsrli a6, a2, 24\n";
    for middle in [
        // All four in either order, at places that rise and fall, or do neither.
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\n",
        "sb a2, 7(s0)\nsb a4, 6(s0)\nsb a5, 5(s0)\nsb a6, 4(s0)\n",
        "sb a6, 7(s0)\nsb a5, 6(s0)\nsb a4, 5(s0)\nsb a2, 4(s0)\n",
        "sb a5, 6(s0)\nsb a2, 4(s0)\nsb a6, 7(s0)\nsb a4, 5(s0)\n",
        "sb a5, 4(s0)\nsb a2, 5(s0)\nsb a6, 6(s0)\nsb a4, 7(s0)\n",
        // Two, and what joins two only in part.
        "sb a4, 5(s0)\nsb a5, 6(s0)\n",
        "sb a5, 5(s0)\nsb a4, 6(s0)\n",
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\n",
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 8(s0)\n",
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a2, 6(s0)\nsb a4, 7(s0)\n",
        "sb a4, 4(s0)\nsb a2, 5(s0)\nsb a4, 4(s0)\nsb a5, 5(s0)\nsb a6, 6(s0)\n",
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\nsb a2, 8(s0)\nsb a4, 9(s0)\nsb a5, 10(s0)\nsb a6, 11(s0)\n",
        // One place twice.
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a5, 5(s0)\nsb a6, 6(s0)\n",
        "sb a2, 4(s0)\nsb a4, 5(s0)\nsb a3, 4(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\n",
        // Bytes of another number between them.
        "sb a2, 4(s0)\nsb a3, 5(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\n",
        // Memory is seen, or written otherwise, between two.
        "sb a2, 4(s0)\nlbu a7, 4(s0)\nsb a4, 5(s0)\nsb a7, 12(s0)\n",
        "sb a2, 4(s0)\nsb a4, 5(s0)\nlw a7, 4(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\nsw a7, 12(s0)\n",
        "sb a2, 4(s0)\nsh a3, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\n",
        // A word that was loaded in bytes, and what is loaded behind stores.
        "lbu a4, 5(s0)\nsb a2, 4(s0)\nlbu a7, 4(s0)\nslli a7, a7, 8\nor a7, a7, a4\nsrli a5, a2, 8\nsb a5, 5(s0)\nsh a7, 12(s0)\n",
        // Control comes from two sides between them.
        "sb a2, 4(s0)\nbeq a2, a3, .+8\nsb a3, 5(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\n",
        // A half, and bytes that are masked or extended.
        "slli a7, a2, 16\nsrli a7, a7, 16\nsrli t1, a7, 8\nsb t1, 4(s0)\nsb a7, 5(s0)\n",
        "andi a7, a2, 15\nsb a7, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a6, 7(s0)\n",
        "srai a7, a2, 24\nsb a2, 4(s0)\nsb a4, 5(s0)\nsb a5, 6(s0)\nsb a7, 7(s0)\n",
    ] {
        let middle = format!("{parts}{middle}li a4, 0\n");
        let end = "li a0, 1\nebreak\n";
        let before = "lw a2, 0(s0)\nlw a3, 4(s0)\n";
        compare(assembled(&format!("{before}{middle}{end}")), &middle);
    }
}

#[test]
fn branches_around_one_instruction_agree() {
    let mut middles = Vec::new();
    for order in ["beq", "bne", "blt", "bge", "bltu", "bgeu"] {
        for over in [
            "ori a2, a2, 32",
            "andi a2, a2, 15",
            "xori a3, a3, -1",
            "addi a3, a3, 5",
            "addi a2, a3, 5",
            "srli a2, a2, 1",
            "mv a2, a3",
        ] {
            middles.push(format!("{order} a2, a3, .+8\n{over}\n"));
        }
        // What it computes is known on one way, and others lead to it or behind it.
        for over in ["ori a2, a2, 32", "addi a3, a3, 5"] {
            let twice = format!("{order} a2, zero, .+8\n{over}\n{order} a3, zero, .+8\n{over}\n");
            let behind = format!("beq a2, a3, .+12\n{order} a2, a3, .+8\n{over}\n");
            let there = format!("beq a2, a3, .+8\n{order} a2, a3, .+8\n{over}\n");
            let stored = "sb a2, 4(s0)\nsrli a3, a2, 8\nsb a3, 5(s0)\n";
            let bytes = format!("lbu a2, 0(s0)\n{order} a2, a3, .+8\n{over}\n{stored}");
            let jump = format!("{order} a2, a3, .+12\n{over}\nj .+8\nxori a3, a3, -1\n");
            middles.extend([twice, behind, there, bytes, jump]);
        }
    }
    for middle in middles {
        let before = "lw a2, 0(s0)\nlw a3, 4(s0)\n";
        let end = "sw a2, 8(s0)\nsw a3, 12(s0)\nli a0, 1\nli a1, 0\nebreak\n";
        compare(assembled(&format!("{before}{middle}{end}")), &middle);
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

/// The key that code takes from a packet of these corners: its four words, then the first two again.
fn key_of(a: u32, b: u32, bytes: usize) -> Vec<u8> {
    let words = [a, b, 0x0403_0201, 0xdead_beef, a, b].map(u32::to_le_bytes);
    words.concat()[..bytes].to_vec()
}

#[test]
fn keys_of_any_length_find_and_count_the_same() {
    for bytes in 1..=24 {
        for (service, kind, value) in [
            ("table.get", "table", 8),
            ("set.contains", "set", 0),
            ("flow.get", "flow_table", 8),
            ("flow.get", "flow_set", 0),
            ("counter.count", "counters", 0),
            ("lpm.get", "lpm", 8),
        ] {
            // Where a value is found its second word is kept, and else the answer.
            let keep = match value {
                0 if service == "counter.count" => "    li a2, 0\n",
                0 => "    mv a2, a0\n",
                _ => "    li a2, 0\n    beqz a0, end\n    lw a2, 4(a0)\nend:\n",
            };
            let text = format!(
                ".entry originator 0 16\n.import {service} 0 0\n.resource {kind} {bytes} {value} 64\n    lw a0, 0(s0)\n    lw a1, 4(s0)\n    lw a2, 8(s0)\n    lw a3, 12(s0)\n    mv a4, a0\n    mv a5, a1\n    jal ra, slot0\n{keep}    sw a2, 8(s0)\n    li a0, 1\n    li a1, 0\n    ebreak\n"
            );
            compare_text(&text, &|state| {
                for (n, &corner) in CORNERS.iter().step_by(2).enumerate() {
                    let key = key_of(corner, CORNERS[n], bytes);
                    let value = vec![n as u8 + 1; value];
                    let done = match service {
                        "counter.count" => Ok(()),
                        "lpm.get" => state.insert_prefix("r0", &key, bytes as u16 * 8 - 3, &value),
                        _ => state.insert("r0", &key, &value),
                    };
                    done.expect("there is room");
                }
            });
        }
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

#[test]
fn an_index_that_is_shifted_moves_an_address() {
    // What was shifted may change, and what came out, before it moves an address.
    for (shift, mask) in [(1, 7), (2, 3), (3, 1), (4, 0)] {
        for between in [
            "",
            "    addi a2, a2, 1\n",
            "    addi a3, a3, 1\n",
            "    andi a3, a3, 6\n",
        ] {
            for sum in ["add a3, a3, s0", "add a3, s0, a3"] {
                let text = format!(
                    ".entry originator 0 16\n    lbu a2, 0(s0)\n    andi a2, a2, {mask}\n    slli a3, a2, {shift}\n{between}    {sum}\n    lbu a4, 0(a3)\n    sb a4, 15(s0)\n    li a0, 1\n    li a1, 0\n    ebreak\n"
                );
                compare_text(&text, &|_| {});
            }
        }
    }
}

/// What a program does with the packet's first two words, which are in `a2` and `a3`; what is then in `a4` and `a5` is stored.
fn compare_program(head: &str, body: &str, fill: &dyn Fn(&mut State)) {
    compare_text(
        &format!(
            ".target rv32-full\n.entry originator 0 16\n{head}    lw a2, 0(s0)\n    lw a3, 4(s0)\n    li a4, 0\n    li a5, 0\n{body}    sw a4, 8(s0)\n    sw a5, 12(s0)\n    li a0, 1\n    li a1, 0\n    ebreak\n"
        ),
        fill,
    );
}

/// What is known of operands decides on how an operation is done.
#[test]
fn instructions_agree_on_operands_of_which_something_is_known() {
    const KNOWN: [&str; 7] = [
        "",
        "    andi REG, REG, 15\n",
        "    andi REG, REG, 15\n    addi REG, REG, 1\n",
        "    ori REG, REG, -16\n",
        "    srli REG, REG, 1\n    addi REG, REG, 1\n",
        "    li REG, 40\n",
        "    li REG, 0\n",
    ];
    let two = |op: &&Op| op.spec().effects == Fx::PURE && op.spec().fmt == Fmt::R;
    for op in Op::ALL.iter().filter(two) {
        for a in KNOWN {
            for b in KNOWN {
                let (a, b) = (a.replace("REG", "a2"), b.replace("REG", "a3"));
                let name = op.spec().text;
                compare_program("", &format!("{a}{b}    {name} a4, a2, a3\n"), &|_| {});
            }
        }
    }
}

#[test]
fn addresses_move_as_far_as_words_say() {
    for middle in [
        // Any number, both ways, and back.
        "    add a4, s0, a2\n    sub a4, a4, s0\n    sub a5, s0, a2\n    sub a5, a5, s0\n",
        "    sh1add a4, a2, s0\n    sub a4, a4, s0\n    sh3add a5, a3, s0\n    sub a5, s0, a5\n",
        "    sh2add a4, a2, a3\n    sh3add a5, a3, a2\n",
        // A number whose highest bit is set is a large one, unless there is no other.
        "    srli a4, a2, 1\n    add a4, s0, a4\n    sub a4, a4, s0\n    lui a5, 0x80000\n    add a5, s0, a5\n    sub a5, a5, s0\n",
        "    li a5, -4\n    addi a4, s0, 8\n    add a4, a4, a5\n    lw a4, 0(a4)\n    sub a5, s0, a5\n    lw a5, 0(a5)\n",
        "    andi a2, a2, 7\n    addi a4, s0, 8\n    sub a4, a4, a2\n    lb a5, 0(a4)\n    sub a4, s0, a4\n",
        // Beside its region, on either side.
        "    li a5, 0x7fffffff\n    add a4, s0, a5\n    sub a4, a4, a5\n    lw a4, 4(a4)\n    li a5, 0\n",
        "    lui a5, 0x80000\n    sub a4, s0, a5\n    add a4, a4, a5\n    lw a4, 4(a4)\n    li a5, 0\n",
        // An order of addresses is that of their offsets.
        "    andi a2, a2, 7\n    andi a3, a3, 7\n    add a2, s0, a2\n    add a3, s0, a3\n    bltu a2, a3, .+8\n    li a4, 1\n    bgeu a2, a3, .+8\n    li a5, 1\n    beq a2, a3, .+8\n    addi a5, a5, 2\n    bne a2, s0, .+8\n    addi a5, a5, 4\n",
    ] {
        compare_program("", middle, &|_| {});
    }
}

#[test]
fn loads_of_each_region_extend_as_they_say() {
    const REGIONS: [(&str, &str, i32); 6] = [
        ("packet", "    mv t0, s0\n", 0),
        ("packet, behind", "    addi t0, s0, 3\n", 0),
        ("constants", "    li t0, 0x400\n", 0),
        (
            "carried",
            "    sw a2, 0(a4)\n    sw a3, 4(a4)\n    mv t0, tp\n",
            0,
        ),
        (
            "scratch",
            "    sw a2, 8(sp)\n    sw a3, 12(sp)\n    sw a2, 16(sp)\n    mv t0, sp\n",
            8,
        ),
        ("context", "    mv t0, gp\n", 0),
    ];
    let head = ".carried 16\n.window 20\n.constants 80ff017ffe807f00ff00ff8001020304\n";
    for (region, base, from) in REGIONS {
        for op in ["lb", "lbu", "lh", "lhu", "lw"] {
            for at in [from, from + 1, from + 3] {
                for index in ["", "    andi a3, a2, 3\n    add t0, t0, a3\n"] {
                    let carried = if region == "carried" {
                        "    mv a4, tp\n"
                    } else {
                        ""
                    };
                    let body = format!("{carried}{base}{index}    {op} a4, {at}(t0)\n");
                    compare_program(head, &body, &|_| {});
                }
            }
        }
    }
}

#[test]
fn words_of_scratch_are_what_was_written_last() {
    for middle in [
        // Parts of words.
        "    sw a2, 0(sp)\n    sb a3, 1(sp)\n    lw a4, 0(sp)\n    lh a5, 1(sp)\n",
        "    sw a2, 0(sp)\n    sw a3, 4(sp)\n    sh a3, 3(sp)\n    lw a4, 0(sp)\n    lw a5, 4(sp)\n",
        "    sh a2, 0(sp)\n    sh a3, 2(sp)\n    lw a4, 0(sp)\n    lbu a5, 3(sp)\n",
        "    sw a2, 1(sp)\n    sb a3, 0(sp)\n    sh a3, 5(sp)\n    sb a3, 7(sp)\n    lw a4, 0(sp)\n    lw a5, 4(sp)\n",
        // One of several words.
        "    sw a2, 0(sp)\n    sw a3, 4(sp)\n    andi t0, a2, 4\n    add t0, t0, sp\n    sw a3, 0(t0)\n    lw a4, 0(sp)\n    lw a5, 4(sp)\n",
        "    sw a2, 0(sp)\n    sw a3, 4(sp)\n    andi t0, a2, 7\n    add t0, t0, sp\n    lbu a4, 0(t0)\n    sb a3, 0(t0)\n    lw a5, 4(sp)\n",
        // An address, and then a number, and the other way round.
        "    addi t0, s0, 4\n    sw t0, 0(sp)\n    lw t1, 0(sp)\n    lh a4, 1(t1)\n    sw a2, 0(sp)\n    sb a3, 2(sp)\n    lw a5, 0(sp)\n    sw sp, 0(sp)\n    lw t1, 0(sp)\n    sub t1, t1, sp\n    add a5, a5, t1\n",
        "    sw a2, 0(sp)\n    sb a3, 3(sp)\n    lw a5, 0(sp)\n    sw gp, 0(sp)\n    lw t1, 0(sp)\n    lw a4, 8(t1)\n    sw a3, 0(sp)\n    lhu t1, 2(sp)\n    add a5, a5, t1\n",
        // On one of two ways.
        "    sw a2, 0(sp)\n    beqz a3, .+8\n    sb a3, 1(sp)\n    lw a4, 0(sp)\n",
        "    sw s0, 0(sp)\n    addi t0, s0, 4\n    beqz a3, .+8\n    sw t0, 0(sp)\n    lw t1, 0(sp)\n    lw a4, 2(t1)\n    sub a5, t1, s0\n",
        // What is known of a word is known of its copy.
        "    andi t0, a2, 7\n    sw t0, 4(sp)\n    li t1, 3\n    bne t0, t1, .+12\n    lw t2, 4(sp)\n    addi a4, t2, 1\n    lw a5, 4(sp)\n",
    ] {
        compare_program("", middle, &|_| {});
    }
}

#[test]
fn subroutines_go_back_behind_each_of_their_calls() {
    let text = "\
.entry originator 20 16
.entry responder 76 16
.carried 4
half:
    srli a2, a2, 1
    addi a3, a3, 1
    jr ra
twice:
    slli a2, a2, 1
    jr t0
    lw a2, 0(s0)
    lw a3, 4(s0)
    jal ra, half
    sw a2, 8(s0)
    jal t0, twice
    jal ra, half
    beqz a2, skip
    jal t0, twice
    jal ra, half
skip:
    sw a2, 12(s0)
    sw a3, 0(tp)
    li a0, 1
    li a1, 0
    ebreak
    lw a2, 4(s0)
    lw a3, 0(s0)
    li a4, 5
again:
    jal ra, half
    jal t0, twice
    jal ra, half
    addi a4, a4, -1
    bnez a4, again
    sw a2, 12(s0)
    sw a3, 0(tp)
    li a0, 1
    li a1, 0
    ebreak
";
    compare_text(text, &|_| {});
}

#[test]
fn a_packet_that_moves_is_where_it_is() {
    let head = "\
.window 20
.import packet.push 4
.import packet.pop 0
.import packet.cut 0
.import packet.append 6
";
    for middle in [
        // In front: zeros, and then what was the first word.
        "    jal ra, slot0\n    lw a4, 4(s0)\n    lw a5, 0(s0)\n    lb t0, 4(s0)\n    add a5, a5, t0\n    sw t0, 0(s0)\n",
        "    andi a0, a2, 3\n    jal ra, slot1\n    lw a4, 1(s0)\n    jal ra, slot0\n    lw a5, 1(s0)\n",
        // At the end, and the window behind it.
        "    andi a0, a2, 7\n    addi a0, a0, 12\n    jal ra, slot2\n    lw a4, 14(s0)\n    lw a5, 9(s0)\n    jal ra, slot3\n    lhu t0, 15(s0)\n    add a5, a5, t0\n",
        "    jal ra, slot3\n    sh a2, 20(s0)\n    li a0, 17\n    jal ra, slot2\n    lw a4, 16(s0)\n    jal ra, slot3\n    lw a5, 16(s0)\n",
        // What the node tells of it.
        "    lw a4, 12(gp)\n    jal ra, slot0\n    lw a5, 12(gp)\n",
        // Its length, once from before and once as it is.
        "    mv a4, s1\n    jal ra, slot0\n    sub a4, s1, a4\n    add a5, s1, s1\n",
        // In a loop, a way through which moves it.
        "    li t1, 3\nround:\n    lw t0, 0(s0)\n    add a4, a4, t0\n    beqz a2, stays\n    jal ra, slot0\nstays:\n    addi t1, t1, -1\n    bnez t1, round\n    lbu a5, 5(s0)\n    li a0, 16\n    bltu s1, a0, .+8\n",
    ] {
        compare_moved(head, middle);
    }
}

/// The same as for other programs, but the packet may be shorter at the end.
fn compare_moved(head: &str, body: &str) {
    compare_text(
        &format!(
            ".entry originator 0 16\n.carried 8\n{head}    mv a7, tp\n    lw a2, 0(s0)\n    lw a3, 4(s0)\n    li a4, 0\n    li a5, 0\n{body}    sw a4, 0(a7)\n    sw a5, 4(a7)\n    li a0, 1\n    li a1, 0\n    ebreak\n"
        ),
        &|_| {},
    );
}

#[test]
fn what_was_found_stays_while_its_table_changes() {
    // The packet's flow has no value, another one, and the same; the handle is one for the run.
    let text = "\
.resident
.entry ingress 0 16
.import packet.flow 0
.import flow.get 0 0
.import flow.put 0 0
.import flow.remove 0 0
.resource flow_state 4 4 2 flow
    jal ra, slot0
    sw a0, 0(sp)
    lw a1, 0(s0)
    jal ra, slot2
    lw a0, 0(sp)
    jal ra, slot1
    sw a0, 4(sp)
    beqz a0, none
    lw a2, 0(a0)
    sw a2, 8(s0)
    lw a0, 0(sp)
    lw a1, 4(s0)
    jal ra, slot2
    lw a3, 4(sp)
    lw a2, 0(a3)
    sw a2, 0(s0)
    lw a0, 0(sp)
    jal ra, slot3
    lw a3, 4(sp)
    lw a2, 0(a3)
    sw a2, 4(s0)
    lw a0, 0(sp)
    jal ra, slot1
    snez a2, a0
    sw a2, 12(s0)
none:
    li a0, 1
    li a1, 0
    ebreak
";
    compare_text(text, &|_| {});
}

#[test]
fn blocks_are_read_where_they_lie() {
    for (bytes, middle) in [
        // In registers, with bytes to spare.
        (
            7,
            "    mv a0, a2\n    mv a1, a3\n    jal ra, slot0\n    mv a4, a0\n",
        ),
        // In scratch: words that were written whole, and in parts.
        (
            40,
            "    addi t0, sp, 8\n    andi t1, a2, 28\n    add t0, t0, t1\n    sw a2, 0(t0)\n    addi a0, sp, 8\n    jal ra, slot0\n    mv a4, a0\n",
        ),
        // Among the constants.
        (
            34,
            "    andi a0, a2, 1\n    addi a0, a0, 0x401\n    jal ra, slot0\n    mv a4, a0\n",
        ),
    ] {
        let constants = "00112233445566778899aabbccddeeff".repeat(3);
        let words: String = (2..12)
            .map(|at| format!("    sw a3, {}(sp)\n", at * 4))
            .collect();
        let head = format!(".import hash.crc32c {bytes}\n.constants {constants}\n");
        compare_program(
            &head,
            &format!("{words}    sb a2, 21(sp)\n    mv a6, a2\n{middle}    mv a2, a6\n"),
            &|_| {},
        );
    }
}

#[test]
fn counters_count_whatever_keys_their_manifest_has() {
    for (resource, arguments) in [
        ("counter 4 0 4", "    mv a0, a2\n"),
        ("counter 4 0 1", "    mv a0, a2\n"),
        ("counter 0 0 4", "    andi a0, a2, 3\n"),
        ("counters 4 0 4", "    mv a0, a2\n"),
        ("counters 0 0 4", "    mv a0, a2\n"),
        ("counters 0 0 1", ""),
    ] {
        let head = format!(".import counter.count 0 0\n.resource {resource}\n");
        compare_program(&head, &format!("{arguments}    jal ra, slot0\n"), &|_| {});
    }
}

#[test]
fn a_run_that_finds_no_room_has_mirrored_what_it_mirrored() {
    // There are eight bytes in front of a packet in a buffer.
    let text = ".resident\n.entry ingress 0 16\n.import packet.mirror 0\n.import packet.push 12\n    li a0, 9\n    jal ra, slot0\n    jal ra, slot1\n    li a0, 1\n    li a1, 0\n    ebreak\n";
    compare_text(text, &|_| {});
}
