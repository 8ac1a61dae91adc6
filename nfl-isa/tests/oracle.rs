//! An independent disassembler reads what we read.
//!
//! Its text goes through our assembler, so that pseudo-instructions and spelling need no table: both must mean the same
//! bytes. It knows more than we accept on purpose, so what it reads and we refuse is counted by kind.

use disc_v::{Decoder, Instruction};
use nfl_isa::{DecodeError, Inst, Op, Reg, assemble, decode_half, decode_word};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeMap;

fn oracle() -> Decoder {
    Decoder::from_march("rv32imc_zba_zbb_zbs_zcb").expect("a name it knows")
}

/// Its text as our assembler reads it. At `pc` 0 its absolute targets are displacements.
fn reading(instruction: Instruction) -> Result<Vec<u8>, String> {
    // It spells out the registers these forms imply; nobody else does.
    let implied = match instruction.mnemonic() {
        "c.jal" => "ra,",
        "c.j" | "c.beqz" | "c.bnez" => "zero,",
        _ => "",
    };
    let text = instruction.to_string().replacen(implied, "", 1);
    assemble(&text).map_err(|why| format!("{text}: {why}"))
}

/// The 32-bit word of what we read.
fn ours(inst: Inst) -> Vec<u8> {
    // The manual expands `c.mv` to `add`; assemblers take `mv` for `addi`.
    let text = match inst {
        Inst {
            op: Op::Add,
            rd,
            rs1: Reg::ZERO,
            rs2,
            ..
        } => format!("mv {rd}, {rs2}"),
        _ => inst.to_string(),
    };
    assemble(&text).expect("our own text")
}

#[test]
fn all_halves_read_the_same() {
    let oracle = oracle();
    let mut refused = BTreeMap::new();
    for half in (0..=u16::MAX).filter(|half| half & 3 != 3) {
        let theirs = oracle.decode(0, u64::from(half));
        match decode_half(half) {
            Ok(inst) => {
                assert!(!theirs.is_illegal(), "{half:04x}: only we read {inst}");
                assert_eq!(
                    reading(theirs),
                    Ok(ours(inst)),
                    "{half:04x}: {theirs} is {inst}"
                );
                let bytes = half.to_le_bytes().to_vec();
                assert_eq!(reading(theirs.without_aliases()), Ok(bytes), "{half:04x}");
            }
            Err(why) if !theirs.is_illegal() => {
                let name = theirs.without_aliases().mnemonic();
                *refused.entry((format!("{why:?}"), name)).or_insert(0) += 1;
            }
            Err(_) => {}
        }
    }
    let refused: Vec<_> = refused
        .iter()
        .map(|((why, name), n)| format!("{why} {name} {n}"))
        .collect();
    // Hints are instructions to it, and nothing else is.
    let hints = [
        "Hint c.add 31",
        "Hint c.addi 31",
        "Hint c.li 64",
        "Hint c.lui 63",
        "Hint c.mv 31",
        "Hint c.nop 63",
        "Hint c.slli 63",
        "Hint c.srai 8",
        "Hint c.srli 8",
    ];
    assert_eq!(refused, hints);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_of_every_row_read_the_same(word in any::<u32>()) {
        for spec in nfl_isa::SPECS {
            let word = (word & !spec.mask()) | spec.bits();
            let theirs = oracle().decode(0, u64::from(word));
            prop_assert!(!theirs.is_illegal());
            match decode_word(word) {
                Ok(inst) => {
                    // Pseudo-instructions hide a displacement in `jr 4(a0)`; the plain names have one spelling.
                    let theirs = theirs.without_aliases();
                    let text = theirs.to_string();
                    prop_assert_eq!(reading(theirs), Ok(word.to_le_bytes().to_vec()), "{} is {}", text, inst);
                }
                Err(why) => prop_assert_eq!(why, DecodeError::Hint),
            }
        }
    }

    #[test]
    fn any_word_is_read_by_both_or_none(word in any::<u32>(), opcode in 0_u32..32) {
        let word = (word & !0x7f) | opcode << 2 | 3;
        let theirs = oracle().decode(0, u64::from(word));
        let ours = decode_word(word);
        if ours.is_err_and(|why| why == DecodeError::Reserved) {
            prop_assert!(theirs.is_illegal(), "{} is reserved", theirs);
        }
        if theirs.is_illegal() {
            prop_assert!(ours.is_err(), "only we read {:?}", ours);
        }
    }
}
