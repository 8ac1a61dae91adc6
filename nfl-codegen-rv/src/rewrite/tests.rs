//! Each row of the table does what it says, on code as text.

use nfl_isa::Target;

use super::table::REWRITES;
use crate::listing::Listing;

/// What a piece of code becomes, or that it stays.
fn rewritten(text: &str) -> String {
    let program = format!("{}\nebreak", text.replace("; ", "\n"));
    let code = nfl_isa::assemble(&program).expect("the piece is code");
    let mut lines = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let (_, size) = nfl_isa::decode(&code[at..]).expect("what was assembled");
        lines.push((at as u32, size, None));
        at += size as usize;
    }
    let entries = std::iter::once(0);
    let mut listing =
        Listing::new(&code, &lines, entries, Target::DEFAULT).expect("a whole program");
    if !listing.rewrite(Target::DEFAULT, &mut |_| true) {
        return "stays".to_string();
    }
    let insts = listing.order.iter().map(|&id| listing.items[id].inst);
    let insts: Vec<String> = insts.map(|inst| inst.to_string()).collect();
    insts[..insts.len() - 1].join("; ")
}

/// For each row a piece that it fits, in the order of the table, and what that becomes.
const PIECES: &[(&str, &str)] = &[
    (
        "srli a2, a0, 16; slli a2, a2, 16; sub a0, a0, a2",
        "slli a0, a0, 16; srli a0, a0, 16",
    ),
    (
        "srli a1, a0, 16; slli a2, a1, 16; sub a0, a0, a2",
        "srli a1, a0, 16; slli a0, a0, 16; srli a0, a0, 16",
    ),
    (
        "srli a0, a3, 16; srli a1, a3, 16",
        "srli a0, a3, 16; addi a1, a0, 0",
    ),
    (
        "andi a0, a3, 15; andi a1, a3, 15",
        "andi a0, a3, 15; addi a1, a0, 0",
    ),
    (
        "srli a0, a3, 10; andi a0, a0, 2047",
        "slli a0, a3, 11; srli a0, a0, 21",
    ),
    (
        "addi a0, a3, -20; add a0, a0, a1; addi a0, a0, 20",
        "add a0, a3, a1",
    ),
    (
        "addi a0, a3, -200; add a0, a0, a1; addi a0, a0, 208",
        "add a0, a3, a1; addi a0, a0, 8",
    ),
    (
        "sub a2, a2, a3; add a0, a0, a2; sub a3, a3, a4; add a0, a0, a3",
        "add a0, a0, a2; sub a0, a0, a4",
    ),
    ("andi a0, a3, -17; ori a0, a0, 16", "ori a0, a3, 16"),
    (
        "sltu a0, a2, a3; xori a0, a0, 1; sub a0, zero, a0",
        "sltu a0, a2, a3; addi a0, a0, -1",
    ),
    (
        "sltiu a0, a2, 9; xori a0, a0, 1; sub a0, zero, a0",
        "sltiu a0, a2, 9; addi a0, a0, -1",
    ),
    (
        "slt a0, a2, a3; xori a0, a0, 1; sub a0, zero, a0",
        "slt a0, a2, a3; addi a0, a0, -1",
    ),
    (
        "slti a0, a2, 9; xori a0, a0, 1; sub a0, zero, a0",
        "slti a0, a2, 9; addi a0, a0, -1",
    ),
    (
        "sltu a0, zero, a2; sub a0, zero, a0",
        "sltiu a0, a2, 1; addi a0, a0, -1",
    ),
];

#[test]
fn each_row_rewrites_its_piece() {
    assert_eq!(PIECES.len(), REWRITES.len(), "each row has a piece");
    for ((piece, expected), row) in PIECES.iter().zip(REWRITES) {
        assert_eq!(rewritten(piece), *expected, "{}", row.name);
    }
}

#[test]
fn what_is_read_later_or_entered_from_elsewhere_stays() {
    for piece in [
        // The shifted word is the operand of the verdict.
        "srli a1, a0, 16; slli a1, a1, 16; sub a0, a0, a1",
        // A bit that is cleared and not set again.
        "andi a0, a3, -25; ori a0, a0, 16",
        // Bits that are no mask.
        "srli a0, a3, 10; andi a0, a0, 2046",
        // The registers must be apart: the first shift changes what the second reads.
        "srli a3, a3, 16; srli a1, a3, 16",
        // Control comes to the second instruction from elsewhere.
        "beq a3, zero, 8; srli a0, a3, 10; andi a0, a0, 2047",
        // No fewer bytes.
        "srli a5, a5, 3; andi a0, a5, 15",
    ] {
        assert_eq!(rewritten(piece), "stays", "{piece}");
    }
}
