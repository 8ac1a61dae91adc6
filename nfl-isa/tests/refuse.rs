//! What the decoder refuses, and as what.

use nfl_isa::DecodeError::{self, Hint, Reserved, Unsupported};
use nfl_isa::{EncodeError, Inst, Op, Reg, decode_half, decode_word, encode};

#[test]
fn halves() {
    let cases: &[(u16, DecodeError, &str)] = &[
        (0x0000, Reserved, "all zero"),
        (0x0004, Reserved, "c.addi4spn a5, sp, 0"),
        (0x2000, Unsupported, "c.fld"),
        (0x6000, Unsupported, "c.flw"),
        (0x9000, Reserved, "the hole of quadrant 0"),
        (0x8c40, Reserved, "the hole behind c.sh"),
        (0xa000, Unsupported, "c.fsd"),
        (0xe000, Unsupported, "c.fsw"),
        (0x0005, Hint, "c.nop 1"),
        (0x0501, Hint, "c.addi a0, 0"),
        (0x4005, Hint, "c.li zero, 1"),
        (0x6101, Reserved, "c.addi16sp sp, 0"),
        (0x6005, Hint, "c.lui zero, 1"),
        (0x6001, Reserved, "c.lui zero, 0"),
        (0x6501, Reserved, "c.lui a0, 0"),
        (0x8101, Hint, "c.srli a0, 0"),
        (0x8501, Hint, "c.srai a0, 0"),
        (0x9105, Unsupported, "c.srli a0, 33"),
        (0x9505, Unsupported, "c.srai a0, 33"),
        (0x9c01, Reserved, "c.subw"),
        (0x9c21, Reserved, "c.addw"),
        (0x9c71, Reserved, "c.zext.w"),
        (0x9c79, Reserved, "the hole behind c.not"),
        (0x0502, Hint, "c.slli a0, 0"),
        (0x0006, Hint, "c.slli zero, 1"),
        (0x1506, Unsupported, "c.slli a0, 33"),
        (0x2002, Unsupported, "c.fldsp"),
        (0x4002, Reserved, "c.lwsp zero, 0(sp)"),
        (0x6002, Unsupported, "c.flwsp"),
        (0x8002, Reserved, "c.jr zero"),
        (0x802a, Hint, "c.mv zero, a0"),
        (0x902a, Hint, "c.add zero, a0"),
        (0xa002, Unsupported, "c.fsdsp"),
        (0xe002, Unsupported, "c.fswsp"),
    ];
    for (half, why, what) in cases {
        assert_eq!(decode_half(*half), Err(*why), "{half:04x} {what}");
    }
}

#[test]
fn words() {
    let cases: &[(u32, DecodeError, &str)] = &[
        (0x0ff0_000f, Unsupported, "fence"),
        (0x0000_100f, Unsupported, "fence.i"),
        (0xc000_2573, Unsupported, "rdcycle a0"),
        (0x3020_0073, Unsupported, "mret"),
        (0x1050_0073, Unsupported, "wfi"),
        (0x0000_00f3, Unsupported, "ecall with rd"),
        (0x1000_252f, Unsupported, "lr.w a0, (zero)"),
        (0x0005_2507, Unsupported, "flw fa0, 0(a0)"),
        (0x00a5_2027, Unsupported, "fsw fa0, 0(a0)"),
        (0x00b5_7553, Unsupported, "fadd.s"),
        (0x0000_000b, Unsupported, "custom-0"),
        (0x0000_007b, Unsupported, "custom-3"),
        (0x0000_0057, Unsupported, "vector"),
        (0x0000_001b, Reserved, "addiw"),
        (0x0000_003b, Reserved, "addw"),
        (0x0000_3503, Reserved, "ld"),
        (0x0000_6503, Reserved, "lwu"),
        (0x00a5_3023, Reserved, "sd"),
        (0x0205_1513, Reserved, "slli a0, a0, 32"),
        (0x48b5_2533, Reserved, "xperm4"),
        (0x0ab5_1533, Reserved, "clmul"),
        (0x08b5_4533, Reserved, "pack, of which zext.h is one case"),
        (0x6035_1513, Reserved, "the hole between cpop and sext.b"),
        (0x6875_5513, Reserved, "brev8"),
        (0x0000_1567, Reserved, "jalr with funct3 1"),
        (0x00b5_2063, Reserved, "branch with funct3 2"),
        (0x0000_001f, Reserved, "a 48-bit encoding"),
        (0x0000_1037, Hint, "lui zero, 1"),
        (0x0010_0013, Hint, "addi zero, zero, 1"),
        (0x0005_0013, Hint, "addi zero, a0, 0"),
        (0x0015_1013, Hint, "slli zero, a0, 1"),
        (0x00b5_0033, Hint, "add zero, a0, a1"),
        (0x4070_5013, Hint, "srai zero, zero, 7"),
    ];
    for (word, why, what) in cases {
        assert_eq!(decode_word(*word), Err(*why), "{word:08x} {what}");
    }
}

#[test]
fn register_zero_is_a_destination_where_something_else_happens() {
    for (word, text) in [
        (0x0000_0013, "addi zero, zero, 0"),
        (0x0005_2003, "lw zero, 0(a0)"),
        (0x02b5_0033, "mul zero, a0, a1"),
        (0x0000_006f, "jal zero, .+0"),
        (0x0000_8067, "jalr zero, 0(ra)"),
    ] {
        assert_eq!(
            decode_word(word).map(|inst| inst.to_string()),
            Ok(text.to_owned())
        );
    }
}

#[test]
fn operands_that_do_not_fit_have_no_word() {
    let (a0, a1) = (Reg::A0, Reg::A1);
    for inst in [
        Inst::i(Op::Addi, a0, a1, 2048),
        Inst::i(Op::Addi, a0, a1, -2049),
        Inst::i(Op::Lw, a0, a1, i32::MIN),
        Inst::i(Op::Slli, a0, a1, 32),
        Inst::i(Op::Srai, a0, a1, -1),
        Inst::s(Op::Sw, a0, a1, 2048),
        Inst::b(Op::Beq, a0, a1, 4096),
        Inst::b(Op::Beq, a0, a1, 3),
        Inst::u(Op::Lui, a0, 1),
        Inst::u(Op::Jal, a0, 1 << 20),
        Inst::u(Op::Jal, a0, -1),
    ] {
        let why = EncodeError::Immediate {
            op: inst.op,
            imm: inst.imm,
        };
        assert_eq!(encode(&inst), Err(why), "{inst}");
        assert_eq!(nfl_isa::compress(&inst), None, "{inst}");
    }
    let inst = Inst::r(Op::Add, a0, Reg(40), a1);
    assert_eq!(
        encode(&inst),
        Err(EncodeError::Register {
            op: Op::Add,
            reg: Reg(40)
        })
    );
    assert_eq!(nfl_isa::compress(&inst), None);
}
