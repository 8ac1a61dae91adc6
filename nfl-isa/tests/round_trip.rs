//! Whatever way an instruction is written, the others give it back.
//!
//! Generated operands for every row of the table go through encoder, decoder, printer, assembler and the 16-bit forms.

use nfl_isa::{
    DecodeError, EncodeError, FORMS, Fmt, Inst, Op, Reg, TARGETS, Target, assemble, compress,
    decode, decode_half, decode_word, encode, size,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Registers, the ones with a part in 16-bit forms more often.
fn reg() -> impl Strategy<Value = Reg> {
    prop_oneof![0_u8..32, 8_u8..16, 0_u8..3].prop_map(Reg)
}

/// Immediates that a format can hold, small ones and the ends of the range more often.
fn imm(fmt: Fmt) -> BoxedStrategy<i32> {
    let signed = |width: u32, unit: i32| {
        let limit = (1_i32 << (width - 1)) / unit;
        prop_oneof![-limit..limit, -40..40_i32, Just(-limit), Just(limit - 1)]
            .prop_map(move |value| value * unit)
            .boxed()
    };
    match fmt {
        Fmt::R | Fmt::Unary | Fmt::Bare => Just(0).boxed(),
        Fmt::I | Fmt::Load | Fmt::S => signed(12, 1),
        Fmt::Shift => (0..32_i32).boxed(),
        Fmt::B => signed(13, 2),
        Fmt::J => signed(21, 2),
        Fmt::U => prop_oneof![-0x8_0000..0x8_0000_i32, -40..40_i32]
            .prop_map(|value| value << 12)
            .boxed(),
    }
}

/// Instructions of one row as a decoder gives them: fields the format lacks are zero.
fn inst(op: Op) -> impl Strategy<Value = Inst> {
    let fmt = op.spec().fmt;
    (reg(), reg(), reg(), imm(fmt)).prop_map(move |(rd, rs1, rs2, imm)| {
        let keep = |has, reg| if has { reg } else { Reg::ZERO };
        let (rd, rs1) = (keep(fmt.has_rd(), rd), keep(fmt.has_rs1(), rs1));
        Inst {
            op,
            rd,
            rs1,
            rs2: keep(fmt.has_rs2(), rs2),
            imm,
        }
    })
}

/// What two instructions do, as far as equal forms go: a move is a move, and order does not matter where it does not.
fn meaning(inst: Inst) -> Inst {
    let Inst {
        op,
        rd,
        rs1,
        rs2,
        imm,
    } = inst;
    match op {
        Op::Lui if imm == 0 => Inst::i(Op::Addi, rd, Reg::ZERO, 0),
        Op::Add if rs1 == Reg::ZERO => Inst::i(Op::Addi, rd, rs2, 0),
        Op::Add if rs2 == Reg::ZERO => Inst::i(Op::Addi, rd, rs1, 0),
        Op::Add | Op::And | Op::Or | Op::Xor | Op::Mul | Op::Beq | Op::Bne if rs2 < rs1 => Inst {
            rs1: rs2,
            rs2: rs1,
            ..inst
        },
        _ => inst,
    }
}

/// The target with every row of both tables.
fn full() -> &'static Target {
    Target::find("rv32-full").expect("a known target")
}

#[test]
fn every_row_survives_every_way_of_writing_it() {
    for op in Op::ALL.iter().copied() {
        proptest!(config(), |(inst in inst(op))| {
            let word = match encode(&inst) {
                Ok(word) => word,
                Err(why) => {
                    prop_assert_eq!(why, EncodeError::Hint { op });
                    prop_assert!(inst.is_hint());
                    prop_assert_eq!(compress(&inst), None);
                    return Ok(());
                }
            };
            let bytes = word.to_le_bytes();
            prop_assert_eq!(decode(&bytes), Ok((inst, 4)));
            prop_assert_eq!(assemble(&inst.to_string()), Ok(bytes.to_vec()), "{}", inst);
            prop_assert_eq!(size(&inst), if compress(&inst).is_some() { 2 } else { 4 });
            for target in TARGETS {
                let half = target.compress(&inst);
                prop_assert!(half.is_none() || target.allows(op));
                prop_assert!(half.is_some() || compress(&inst).is_none());
                prop_assert_eq!(target.size(&inst), if half.is_some() { 2 } else { 4 });
            }
            if let Some(half) = full().compress(&inst) {
                let back = decode_half(half);
                prop_assert_eq!(back.map(meaning), Ok(meaning(inst)));
                prop_assert_eq!(decode(&half.to_le_bytes()).map(|(_, size)| size), Ok(2));
            }
        });
    }
}

#[test]
fn any_word_is_refused_or_encodes_back() {
    let config = ProptestConfig {
        cases: 4096,
        ..config()
    };
    proptest!(config, |(word in any::<u32>(), op in 0..Op::ALL.len())| {
        // Half of the words are bent to match a row, or few would.
        let spec = Op::ALL[op].spec();
        for word in [word | 3, (word & !spec.mask()) | spec.bits()] {
            match decode_word(word) {
                Ok(inst) => prop_assert_eq!(encode(&inst), Ok(word)),
                Err(why) => prop_assert_ne!(why, DecodeError::Truncated),
            }
        }
    });
}

#[test]
fn every_half_is_refused_or_compresses_back() {
    let mut accepted = vec![0; FORMS.len()];
    let mut aliases = Vec::new();
    for half in (0..=u16::MAX).filter(|half| half & 3 != 3) {
        let Ok(inst) = decode_half(half) else {
            continue;
        };
        let row = FORMS.iter().position(|form| half & form.mask == form.bits);
        accepted[row.expect("what decodes is in the table")] += 1;
        assert!(encode(&inst).is_ok(), "{half:04x} {inst}");
        let canonical = full().compress(&inst).expect("it came from 16 bits");
        for target in TARGETS {
            let has = target.has(&inst, &half.to_le_bytes());
            assert_eq!(
                has,
                target.compress(&inst).is_some(),
                "{half:04x} {}",
                target.name
            );
        }
        assert_eq!(decode_half(canonical), Ok(inst), "{half:04x}");
        if canonical != half {
            aliases.push((half, canonical));
        }
    }
    // Stack adjustments of -32, -16 and 16 have two patterns; `c.addi` is the canonical one.
    assert_eq!(
        aliases,
        [(0x6141, 0x0141), (0x713d, 0x1101), (0x717d, 0x1141)]
    );
    let counted: Vec<_> = FORMS.iter().map(|form| form.text).zip(accepted).collect();
    let expected = [
        ("c.addi4spn", 255 * 8),
        ("c.lw", 2048),
        ("c.lbu", 256),
        ("c.lhu", 128),
        ("c.lh", 128),
        ("c.sb", 256),
        ("c.sh", 128),
        ("c.sw", 2048),
        ("c.nop", 1),
        ("c.addi", 31 * 63),
        ("c.jal", 2048),
        ("c.li", 31 * 64),
        ("c.addi16sp", 63),
        ("c.lui", 30 * 63),
        ("c.srli", 8 * 31),
        ("c.srai", 8 * 31),
        ("c.andi", 8 * 64),
        ("c.sub", 64),
        ("c.xor", 64),
        ("c.or", 64),
        ("c.and", 64),
        ("c.mul", 64),
        ("c.zext.b", 8),
        ("c.sext.b", 8),
        ("c.zext.h", 8),
        ("c.sext.h", 8),
        ("c.not", 8),
        ("c.j", 2048),
        ("c.beqz", 2048),
        ("c.bnez", 2048),
        ("c.slli", 31 * 31),
        ("c.lwsp", 31 * 64),
        ("c.jr", 31),
        ("c.mv", 31 * 31),
        ("c.ebreak", 1),
        ("c.jalr", 31),
        ("c.add", 31 * 31),
        ("c.swsp", 2048),
    ];
    assert_eq!(counted, expected);
}

#[test]
fn short_and_odd_bytes_are_refused() {
    for (bytes, why) in [
        (&[][..], DecodeError::Truncated),
        (&[0x13], DecodeError::Truncated),
        (&[0x01], DecodeError::Truncated),
        (&[0x13, 0, 0], DecodeError::Truncated),
        (&[0, 0], DecodeError::Reserved),
        (&[0xff, 0xff, 0xff, 0xff], DecodeError::Reserved),
    ] {
        assert_eq!(decode(bytes), Err(why), "{bytes:?}");
    }
}
