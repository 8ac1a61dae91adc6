//! Programs after mistakes that verifiers of other machines have made.
//!
//! In: a seed. Out: the text of a small program in the form of the verifier's own cases. Each pattern is
//! the shape of one mistake, with numbers and registers that vary around its border; whether a variation
//! is safe is for the runs to say.

use nfl_ir::testing::Rng;

use super::program::pick;

/// A name, and a text in which `#` is a number near a border, `@` a small one, `%` a size of an access,
/// and `?` a branch on an order.
const PATTERNS: &[(&str, &str)] = &[
    // CVE-2021-3490 and its kin: bounds of `and`, `or` and `xor`.
    (
        "bits",
        ".carried 64\n lbu a2, 0(s0)\n ori a2, a2, #\n andi a2, a2, #\n xori a2, a2, #\n andi a2, a2, 63\n add a2, a2, tp\n l%u a3, @(a2)\n",
    ),
    // The wrong side of a comparison is refined.
    (
        "side",
        ".carried 64\n lbu a2, 0(s0)\n li a3, #\n ? a2, a3, 8\n ebreak\n add a2, a2, tp\n l%u a3, @(a2)\n",
    ),
    (
        "both sides",
        ".carried 64\n lw a2, 0(s0)\n li a3, #\n ? a2, a3, x\n add a4, a2, tp\n l%u a4, @(a4)\nx:\n li a3, #\n ? a3, a2, y\n add a4, a2, tp\n l%u a4, @(a4)\ny:\n",
    ),
    // Shifts by the width and more.
    (
        "shift",
        ".carried 64\n lbu a2, 0(s0)\n lw a3, 0(s0)\n sll a4, a3, a2\n srl a4, a4, a2\n andi a4, a4, #\n srli a4, a4, @\n add a4, a4, tp\n l%u a5, @(a4)\n",
    ),
    (
        "arithmetic shift",
        ".carried 64\n lw a2, 0(s0)\n srai a2, a2, 28\n addi a2, a2, #\n add a2, a2, tp\n l%u a3, @(a2)\n",
    ),
    // CVE-2020-8835: bounds of a part taken for those of the whole.
    (
        "part",
        ".carried 64\n lw a2, 0(s0)\n slli a3, a2, 24\n srli a3, a3, 24\n li a4, #\n ? a3, a4, x\n add a2, a2, tp\n l%u a3, @(a2)\nx:\n",
    ),
    // CVE-2022-23222: arithmetic on the answer of a lookup that may have found nothing.
    (
        "nothing found",
        ".resource table 4 16 9\n.import table.get 0 0\n lw a0, 0(gp)\n c.jal slot0\n addi a2, a0, @\n beqz a0, x\n l%u a3, @(a2)\nx:\n li a0, 0\n li a1, 0\n",
    ),
    (
        "nothing found, late",
        ".resource table 4 16 9\n.import table.get 0 0\n lw a0, 0(gp)\n c.jal slot0\n mv a2, a0\n sltiu a3, a2, @\n bnez a3, x\n l%u a3, @(a0)\nx:\n li a0, 0\n li a1, 0\n",
    ),
    // CVE-2023-2163: a state is thrown out that another one does not cover.
    (
        "pruned",
        ".carried 64\n lbu a2, 0(s0)\n li a3, @\n lbu a4, 1(s0)\n beqz a4, y\n li a3, #\ny:\n lbu a4, 2(s0)\n beqz a4, z\n mv a3, a2\nz:\n li a5, #\n ? a3, a5, x\n add a3, a3, tp\n l%u a4, @(a3)\nx:\n",
    ),
    // Division by zero, and of the smallest number.
    (
        "division",
        ".carried 64\n lw a2, 0(s0)\n lbu a3, 4(s0)\n divu a4, a2, a3\n remu a5, a2, a3\n li a2, #\n ? a5, a2, x\n add a5, a5, tp\n l%u a3, @(a5)\nx:\n",
    ),
    (
        "signed division",
        ".carried 64\n lw a2, 0(s0)\n li a3, -@\n rem a4, a2, a3\n addi a4, a4, #\n li a5, #\n ? a4, a5, x\n add a4, a4, tp\n l%u a3, @(a4)\nx:\n",
    ),
    // A part of a word of scratch is written over.
    (
        "spill",
        ".carried 64\n lbu a2, 0(s0)\n andi a2, a2, 31\n sw a2, 8(sp)\n lbu a3, 1(s0)\n sb a3, @(sp)\n lw a2, 8(sp)\n add a2, a2, tp\n l%u a4, @(a2)\n",
    ),
    (
        "spill of an address",
        ".carried 64\n sw tp, 8(sp)\n lbu a3, 0(s0)\n sh a3, @(sp)\n sw a3, #(sp)\n lw a2, 8(sp)\n l%u a4, @(a2)\n",
    ),
    (
        "identity on a spill",
        ".carried 64\n lbu a2, 0(s0)\n sw a2, 4(sp)\n lw a3, 4(sp)\n li a4, #\n ? a3, a4, x\n add a2, a2, tp\n l%u a4, @(a2)\nx:\n",
    ),
    // An address in the packet from before it moved.
    (
        "stale",
        ".import packet.push 8\n mv a2, s0\n mv a3, s1\n sw s0, 0(sp)\n c.jal slot0\n li a4, #\n ? a3, a4, x\n l%u a4, @(s0)\n l%u a4, @(a2)\nx:\n li a0, 0\n li a1, 0\n",
    ),
    (
        "stale length",
        ".import packet.pop 0\n li a0, @\n mv a3, s1\n li a4, #\n bltu s1, a4, x\n c.jal slot0\n li a0, 0\n li a1, 0\n l%u a4, #(s0)\nx:\n",
    ),
    // PREVAIL 744 and 1196: loops without an exit, or with one that is never taken.
    (
        "no exit",
        " li a2, @\nh:\n addi a2, a2, #\n bne a2, zero, h\n",
    ),
    (
        "exit not taken",
        " lbu a2, 0(s0)\n li a3, #\nh:\n addi a2, a2, @\n ? a2, a3, h\n",
    ),
    // PREVAIL 889: a loop that reads behind the end.
    (
        "to the end",
        " li a2, 0\nh:\n add a3, a2, s0\n l%u a4, @(a3)\n addi a2, a2, @\n bltu a2, s1, h\n",
    ),
    (
        "to the end, checked",
        " li a2, 0\nh:\n addi a3, a2, #\n bltu s1, a3, x\n add a3, a2, s0\n l%u a4, @(a3)\n addi a2, a2, @\n li a5, 64\n bltu a2, a5, h\nx:\n",
    ),
    // PREVAIL 468 and 783: counters that wrap, and that a narrower operation moves.
    (
        "counter that wraps",
        ".carried 64\n li a2, 0\nh:\n addi a2, a2, @\n andi a2, a2, #\n li a3, #\n ? a2, a3, h\n add a2, a2, tp\n l%u a4, @(a2)\n",
    ),
    (
        "narrow counter",
        " lbu a2, 0(s0)\nh:\n addi a2, a2, -@\n slli a2, a2, 24\n srli a2, a2, 24\n bnez a2, h\n",
    ),
    (
        "counter in scratch",
        " li a2, @\n sw a2, 0(sp)\nh:\n lw a2, 0(sp)\n addi a2, a2, -1\n sb a2, 0(sp)\n bnez a2, h\n",
    ),
    // Sums that wrap, compared on the wrong side.
    (
        "sum",
        " lw a2, 0(s0)\n addi a3, a2, @\n bltu s1, a3, x\n add a2, a2, s0\n l%u a4, 0(a2)\nx:\n",
    ),
    (
        "difference",
        " lw a2, 0(s0)\n sub a3, s1, a2\n li a4, @\n ? a3, a4, x\n add a2, a2, s0\n l%u a4, 0(a2)\nx:\n",
    ),
    (
        "product",
        ".carried 64\n lhu a2, 0(s0)\n lhu a3, 2(s0)\n mul a2, a2, a3\n mulhu a3, a2, a3\n li a4, #\n ? a2, a4, x\n add a2, a2, tp\n l%u a4, @(a2)\nx:\n",
    ),
    // Addresses that are compared, subtracted, and far away.
    (
        "addresses",
        " lbu a2, 0(s0)\n add a2, a2, s0\n add a3, s0, s1\n addi a4, a2, @\n ? a4, a3, x\n l%u a5, 0(a2)\nx:\n",
    ),
    (
        "far address",
        " lw a2, 0(s0)\n add a2, a2, s0\n add a3, s0, s1\n bgeu a2, a3, x\n l%u a5, 0(a2)\nx:\n",
    ),
    // A word of scratch that only the run knows.
    (
        "index in scratch",
        " sw zero, 0(sp)\n sw s1, 4(sp)\n sw s0, 8(sp)\n lbu a2, 0(s0)\n andi a2, a2, @\n add a2, a2, sp\n s% s1, @(a2)\n lw a3, 8(sp)\n l%u a4, 0(a3)\n",
    ),
    // Into a loop from its side, and into an instruction.
    (
        "side entry",
        " lbu a2, 0(s0)\n li a3, @\n beqz a2, i\nh:\n li a4, 1\ni:\n addi a3, a3, -1\n bnez a3, h\n",
    ),
    (
        "late word",
        ".carried 64\n.constants 05000000\n.late 0 8 0 @\n lw a2, 0x400(zero)\n add a2, a2, tp\n l%u a3, #(a2)\n",
    ),
    (
        "window",
        ".window 40\n l%u a2, #(s0)\n li a3, @\n bltu s1, a3, x\n s% a2, @(s0)\nx:\n",
    ),
    (
        "strides",
        ".carried 64\n li a2, 0\nh:\n add a3, a2, tp\n l%u a4, @(a3)\n addi a2, a2, 4\n li a5, #\n bne a2, a5, h\n",
    ),
];

/// The name and text of one program.
pub fn text(rng: &mut Rng) -> (&'static str, String) {
    let (name, pattern) = pick(rng, PATTERNS);
    let need = pick(rng, &[0, 1, 4, 5, 8, 20]);
    let window = pick(rng, &[8, 16, 64]);
    let mut out = format!(".entry originator 0 {need}\n");
    if !pattern.contains(".window") {
        out.push_str(&format!(".window {window}\n"));
    }
    for c in pattern.chars() {
        match c {
            '#' => out.push_str(&border(rng).to_string()),
            '@' => out.push_str(&pick(rng, &[0, 1, 1, 2, 3, 4, 7, 8, 9, 16]).to_string()),
            '%' => out.push(pick(rng, &['b', 'b', 'h'])),
            '?' => out.push_str(pick(rng, &["bltu", "bgeu", "blt", "bge", "beq", "bne"])),
            c => out.push(c),
        }
    }
    out.push_str(" li a0, 1\n ebreak\n");
    (name, out)
}

/// A number at the borders of what patterns look at.
fn border(rng: &mut Rng) -> i32 {
    let number = pick(
        rng,
        &[
            0, 4, 8, 16, 31, 32, 40, 60, 63, 64, 127, 128, 255, 256, 1023, 2040,
        ],
    );
    number + pick(rng, &[-1, 0, 0, 1])
}
