//! Arithmetic against a second definition of it, and any code without a panic.

use nfl_abi::host::NoHost;
use nfl_abi::image::Image;
use nfl_isa::{Fmt, Inst, Op, Reg, SPECS, encode};
use nfl_vm::{Context, Fault, Inputs, Outcome, Packet, Trap, run_unverified};
use proptest::prelude::*;

mod common;

const CASES: u32 = 400;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

/// One more than the largest word.
const WORDS: i128 = 1 << 32;

/// Mathematics first, then truncation to a word.
fn reference(op: Op, a: u32, b: u32) -> Option<u32> {
    let (ua, ub) = (i128::from(a), i128::from(b));
    let (sa, sb) = (i128::from(a as i32), i128::from(b as i32));
    let shift = 1i128 << (b % 32);
    let result = match op {
        Op::Add | Op::Addi => ua + ub,
        Op::Sub => ua - ub,
        Op::Slt | Op::Slti => i128::from(sa < sb),
        Op::Sltu | Op::Sltiu => i128::from(ua < ub),
        Op::Xor | Op::Xori => ua ^ ub,
        Op::Or | Op::Ori => ua | ub,
        Op::And | Op::Andi => ua & ub,
        Op::Sll | Op::Slli => ua * shift,
        Op::Srl | Op::Srli => ua.div_euclid(shift),
        Op::Sra | Op::Srai => sa.div_euclid(shift),
        Op::Mul => sa * sb,
        Op::Mulh => (sa * sb) >> 32,
        Op::Mulhsu => (sa * ub) >> 32,
        Op::Mulhu => (ua * ub) >> 32,
        Op::Div if b == 0 => -1,
        Op::Div => sa / sb,
        Op::Divu if b == 0 => -1,
        Op::Divu => ua / ub,
        Op::Rem if b == 0 => sa,
        Op::Rem => sa % sb,
        Op::Remu if b == 0 => ua,
        Op::Remu => ua % ub,
        Op::Sh1add => 2 * ua + ub,
        Op::Sh2add => 4 * ua + ub,
        Op::Sh3add => 8 * ua + ub,
        Op::Andn => ua & !ub,
        Op::Orn => ua | !ub,
        Op::Xnor => !(ua ^ ub),
        Op::Min => sa.min(sb),
        Op::Minu => ua.min(ub),
        Op::Max => sa.max(sb),
        Op::Maxu => ua.max(ub),
        Op::Rol => ua * shift + ua * shift / WORDS,
        Op::Ror | Op::Rori => ua.div_euclid(shift) + ua % shift * (WORDS / shift),
        Op::Clz => (1..=32).filter(|n| ua < WORDS >> n).count() as i128,
        Op::Ctz => (1..=32).filter(|n| ua % (1 << n) == 0).count() as i128,
        Op::Cpop => (0..32).map(|n| ua >> n & 1).sum(),
        Op::Sextb => (ua + 0x80) % 0x100 - 0x80,
        Op::Sexth => (ua + 0x8000) % 0x1_0000 - 0x8000,
        Op::Zexth => ua % 0x1_0000,
        Op::Orcb => bytes(ua)
            .map(|(n, byte)| (byte.signum() * 255) << (8 * n))
            .sum(),
        Op::Rev8 => bytes(ua).map(|(n, byte)| byte << (24 - 8 * n)).sum(),
        Op::Bclr | Op::Bclri => ua - ua.div_euclid(shift) % 2 * shift,
        Op::Bext | Op::Bexti => ua.div_euclid(shift) % 2,
        Op::Binv | Op::Binvi => ua + shift - ua.div_euclid(shift) % 2 * 2 * shift,
        Op::Bset | Op::Bseti => ua + shift - ua.div_euclid(shift) % 2 * shift,
        _ => return None,
    };
    Some(result as u32)
}

/// The bytes of a word with their numbers, the lowest first.
fn bytes(word: i128) -> impl Iterator<Item = (u32, i128)> {
    (0..4).map(move |n| (n, word >> (8 * n) & 255))
}

fn op_of(row: usize) -> Op {
    Op::parse(SPECS[row].text).expect("a row's own name")
}

fn takes_immediate(op: Op) -> bool {
    op.spec().fmt.has_imm()
}

/// `op` on two words: they come from the packet, and the result is the operand of the verdict.
fn compute(op: Op, a: u32, b: u32) -> u32 {
    let imm = if takes_immediate(op) { b as i32 } else { 0 };
    let rs2 = if takes_immediate(op) {
        Reg::ZERO
    } else {
        Reg::A3
    };
    let body = Inst {
        op,
        rd: Reg::A1,
        rs1: Reg::A2,
        rs2,
        imm,
    };
    let mut code = nfl_isa::assemble("lw a2, 0(s0)\nlw a3, 4(s0)\n").expect("two loads");
    code.extend(encode(&body).expect("a row with operands").to_le_bytes());
    code.extend(nfl_isa::assemble("li a0, 2\nebreak\n").expect("a finish"));
    let mut packet = Packet::from([a.to_le_bytes(), b.to_le_bytes()].concat());
    let outcome = run(&common::image(code), &mut packet, 10).expect("nothing can go wrong");
    outcome.verdict.operand
}

fn run(image: &Image, packet: &mut Packet, steps: u32) -> Result<Outcome, Fault> {
    let mut carried = image.manifest.carried.clone();
    let entry = image.manifest.entries[0];
    let context = Context::default();
    let inputs = Inputs {
        packet,
        context: &context,
        carried: &mut carried,
        host: &mut NoHost,
    };
    run_unverified(image, &entry, inputs, steps, |_| {})
}

fn operand_of(op: Op, b: u32) -> u32 {
    match op {
        _ if op.spec().fmt == Fmt::Shift => b % 32,
        _ if takes_immediate(op) => ((b as i32) << 20 >> 20) as u32,
        _ => b,
    }
}

#[test]
fn arithmetic_agrees_at_the_corners() {
    let corners = [
        0,
        1,
        2,
        31,
        32,
        33,
        0x7ff,
        0x800,
        0xffff,
        0x7fff_fffe,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        0xffff_f800,
        0xffff_fffe,
        0xffff_ffff,
    ];
    let mut rows = 0;
    for op in (0..SPECS.len()).map(op_of) {
        if reference(op, 1, 1).is_none() {
            continue;
        }
        rows += 1;
        for a in corners {
            for b in corners {
                let b = operand_of(op, b);
                assert_eq!(
                    Some(compute(op, a, b)),
                    reference(op, a, b),
                    "{op:?} {a} {b}"
                );
            }
        }
    }
    assert_eq!(rows, 56, "every row that computes");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arithmetic_agrees(row in 0..SPECS.len(), a in any::<u32>(), b in any::<u32>()) {
        let op = op_of(row);
        let b = operand_of(op, b);
        if let Some(expected) = reference(op, a, b) {
            prop_assert_eq!(compute(op, a, b), expected);
        }
    }

    #[test]
    fn any_bytes_run_without_a_panic(
        code in proptest::collection::vec(any::<u8>(), 0..64),
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        pc in 0u32..64,
    ) {
        let mut image = common::image(code);
        image.manifest.entries[0].pc = pc;
        let _ = run(&image, &mut Packet::from(bytes), 200);
    }

    #[test]
    fn any_instructions_run_without_a_panic(
        rows in proptest::collection::vec(
            (0..SPECS.len(), 0u8..32, 0u8..32, 0u8..32, -64i32..64), 1..40),
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        window in any::<u8>(),
    ) {
        let mut image = common::image(Vec::new());
        image.manifest.window = window;
        image.manifest.carried = vec![0; usize::from(window % 9)];
        image.constants = vec![7; usize::from(window)];
        for (row, rd, rs1, rs2, imm) in rows {
            image.code.extend(instruction(row, [rd, rs1, rs2], imm));
        }
        let len = bytes.len();
        let mut packet = Packet::from(bytes);
        let mut steps = 0;
        let mut carried = image.manifest.carried.clone();
        let result = run_unverified(
            &image,
            &image.manifest.entries[0],
        Inputs {
            packet: &mut packet,
            context: &Context::default(),
            carried: &mut carried,
            host: &mut NoHost,
        },
            300,
            |_| steps += 1,
        );
        prop_assert_eq!(packet.len(), len);
        match result {
            Ok(outcome) => prop_assert_eq!(outcome.steps, Some(steps)),
            Err(Fault::Trap { trap: Trap::StepLimit(limit), .. }) => prop_assert_eq!(steps, limit),
            Err(_) => prop_assert!(steps <= 300),
        }
    }
}

/// An instruction of a row; registers that hold an address are likely bases of its accesses.
fn instruction(row: usize, [rd, rs1, rs2]: [u8; 3], imm: i32) -> Vec<u8> {
    let op = op_of(row);
    let fmt = op.spec().fmt;
    let imm = match op {
        Op::Lui | Op::Auipc => imm << 12,
        _ if fmt == Fmt::Shift => imm & 31,
        Op::Jal | Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => imm * 2,
        _ if fmt.has_imm() => imm,
        _ => 0,
    };
    let inst = Inst {
        op,
        rd: if fmt.has_rd() { Reg(rd) } else { Reg::ZERO },
        rs1: if fmt.has_rs1() { Reg(rs1) } else { Reg::ZERO },
        rs2: if fmt.has_rs2() { Reg(rs2) } else { Reg::ZERO },
        imm,
    };
    match encode(&inst) {
        Ok(word) => word.to_le_bytes().to_vec(),
        Err(_) => Vec::new(),
    }
}
