//! Numbers that count and are compared, and the ways that control goes, do in host code what they do interpreted.

use crate::compare_program;

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
