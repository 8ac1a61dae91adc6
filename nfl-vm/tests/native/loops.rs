//! Numbers that count and are compared, and the ways that control goes, do in host code what they do interpreted.

use crate::{compare_program, compare_text};

/// A comparison may be one with what the number was made of.
#[test]
fn comparisons_see_what_a_number_was_made_of() {
    for made in [
        "addi a4, a2, -8",
        "addi a4, a2, 31",
        "addi a2, a2, -1\n    mv a4, a2",
        "addi a2, a2, 1\n    mv a4, a2",
        "srli a4, a2, 31",
        "srli a4, a2, 4",
        "li a4, 36\n    srl a4, a2, a4",
        "slli a4, a2, 16\n    srli a4, a4, 16",
        "slli a4, a2, 24\n    srli a4, a4, 24",
        "slli a4, a2, 8\n    srli a4, a4, 16",
        "li a5, 40\n    sll a4, a2, a5\n    srli a4, a4, 8",
        "andi a2, a2, 255\n    addi a2, a2, -8\n    mv a4, a2",
        "andi a2, a2, 255\n    addi a2, a2, 1\n    mv a4, a2",
        "ori a2, a2, 1\n    srli a2, a2, 24\n    addi a2, a2, 9\n    addi a2, a2, -9\n    mv a4, a2",
        "add a4, zero, a2",
    ] {
        for order in ["beq", "bne", "blt", "bge", "bltu", "bgeu"] {
            for other in ["zero", "a3"] {
                let body = format!(
                    "    {made}\n    li a5, 0\n    {order} a4, {other}, .+8\n    addi a5, a5, 5\n    {order} {other}, a4, .+12\n    addi a5, a5, 7\n    sb a5, 15(s0)\n"
                );
                compare_program("", &body, &|_| {});
            }
        }
    }
}

/// A counter moves addresses, is compared and computed with, and comes to nothing or to less.
#[test]
fn counters_are_numbers_of_32_bits() {
    for body in [
        "    andi a2, a2, 7\nagain:\n    add a3, s0, a2\n    lbu a3, 0(a3)\n    xor a4, a4, a3\n    slli a4, a4, 3\n    addi a2, a2, 1\n    li a3, 8\n    bltu a2, a3, again\n",
        "    andi a2, a2, 7\n    addi a2, a2, 1\nagain:\n    add a4, a4, a2\n    slli a4, a4, 5\n    addi a2, a2, -1\n    bnez a2, again\n    sub a5, a5, a2\n",
        "    li a2, 8\nagain:\n    add a3, a2, s0\n    lbu a3, -1(a3)\n    add a4, a4, a3\n    addi a2, a2, -1\n    bne a2, zero, again\n    mv a5, a2\n",
        "    li a5, 9\nagain:\n    addi a5, a5, -1\n    xor a4, a4, a5\n    slli a4, a4, 1\n    li a3, 3\n    bltu a3, a5, again\n",
    ] {
        compare_program("", body, &|_| {});
    }
}

/// Jumps back to the tests that begin a loop, and jumps to the rest of a round, become what they lead to.
#[test]
fn loops_that_begin_with_tests_agree() {
    const BEGIN: &str = "    andi a2, a2, 7\n    andi a3, a3, 15\n    li a6, 0\n";
    let loops = [
        // One test, and two of which the second counts rounds.
        "again:\n    bgeu a6, a2, out\n    add a4, a4, a6\n    slli a4, a4, 1\n    addi a6, a6, 1\n    j again\nout:\n",
        "    li a7, 5\nagain:\n    bgeu a6, a3, out\n    beqz a7, out\n    add t0, a6, s0\n    lbu t0, 0(t0)\n    add a4, a4, t0\n    addi a7, a7, -1\n    addi a6, a6, 1\n    j again\nout:\n    mv a5, a7\n",
        // Two tests that lead to different places.
        "    li a7, 5\nagain:\n    bgeu a6, a3, out\n    beqz a7, spent\n    xori a4, a4, 1\n    slli a4, a4, 2\n    addi a7, a7, -1\n    addi a6, a6, 1\n    j again\nspent:\n    li a5, 77\nout:\n",
        // What a test computes first, and what it stores.
        "again:\n    addi t0, a6, 1\n    sb t0, 8(s0)\n    bgeu a6, a2, out\n    add a4, a4, t0\n    addi a6, a6, 1\n    j again\nout:\n    lbu a5, 8(s0)\n",
        // A first branch that stays in the loop.
        "again:\n    beq a6, a2, odd\n    bgeu a6, a3, out\n    addi a4, a4, 3\nodd:\n    addi a6, a6, 1\n    li t0, 15\n    bgeu a6, t0, out\n    j again\nout:\n",
        // Two ways of a round with one end, and one that goes on early.
        "again:\n    bgeu a6, a3, out\n    andi t0, a6, 1\n    beqz t0, even\n    addi a4, a4, 5\n    slli a4, a4, 1\n    j both\neven:\n    beq a6, a2, out\n    xori a4, a4, 9\nboth:\n    addi a5, a5, 3\n    addi a6, a6, 1\n    j again\nout:\n",
        // One in another.
        "again:\n    bgeu a6, a2, out\n    li a7, 0\nwithin:\n    bgeu a7, a3, done\n    add a4, a4, a7\n    addi a7, a7, 1\n    j within\ndone:\n    slli a4, a4, 1\n    addi a6, a6, 1\n    j again\nout:\n",
    ];
    for body in loops {
        compare_program("", &format!("{BEGIN}{body}"), &|_| {});
    }
}

/// Jumps to the few instructions that finish a run, and ways that fall there, finish it themselves.
#[test]
fn ways_that_finish_alike_agree() {
    for body in [
        "    beq a2, a3, end\n    li a0, 1\nend:\n    ebreak\n",
        "    beq a2, a3, end\n    li a0, 1\n    bltu a2, a3, end\n    li a0, 3\n    lw a1, 8(s0)\nend:\n    ebreak\n",
        "    beq a2, a3, other\n    li a0, 1\n    j end\nother:\n    li a0, 2\n    lbu a1, 0(s0)\nend:\n    ebreak\n",
        "    beq a2, a3, other\n    li a0, 2\n    lbu a1, 1(s0)\n    j end\nother:\n    sw a2, 8(s0)\n    li a0, 1\nend:\n    sb a0, 12(s0)\n    sb a1, 13(s0)\n    ebreak\n",
        // The last instruction before it is one that may be chosen.
        "    beq a2, a3, end\n    addi a0, a0, 1\nend:\n    ebreak\n",
        "    andi a0, a2, 1\n    bgeu a2, a3, end\n    ori a0, a0, 2\nend:\n    li a1, 0\n    ebreak\n",
    ] {
        let text = format!(".entry originator 0 16\n    lw a2, 0(s0)\n    lw a3, 4(s0)\n{body}");
        compare_text(&text, &|_| {});
    }
}
