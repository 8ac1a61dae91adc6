//! Assembly text in, disassembly out; and what the assembler says to text that is none.

use nfl_isa::{Op, assemble, disassemble};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The disassembly of a program at address 0x1000, or its error.
fn listing(text: &str) -> String {
    match assemble(text) {
        Ok(bytes) => disassemble(&bytes, 0x1000)
            .iter()
            .map(|line| format!("{line}\n"))
            .collect(),
        Err(why) => why.to_string(),
    }
}

#[test]
fn a_program_reads_back() {
    let text = "
    # Steer to the next hop of the context.
        c.lw    a1, 24(a5)
        c.li    a0, 4
        c.ebreak
    scan:   lbu t0, 0(s0)       // the first byte
        beqz    t0, scan
        bgeu    s1, a3, done
        c.bnez  s1, scan
        addi    a3, a3, -1
        c.addi  sp, -16
        c.addi16sp sp, 64
        c.addi4spn s0, sp, 8
        c.swsp  ra, 252(sp)
        c.lwsp  ra, 252(sp)
        jal     ra, sub; c.jal sub
        jal     sub
        j       done
        c.j     done
        jalr    t0
        jalr    t0, 4(a0)
        c.jr    t0
    sub: ret
    done: end: sw zero, -4(sp)
        .half   0x4505, 0
        .word   0xffffffff
        ecall
        ebreak
    ";
    let expected = "\
\x20 1000:  4f8c      lw a1, 24(a5)
  1002:  4511      addi a0, zero, 4
  1004:  9002      ebreak
  1006:  00044283  lbu t0, 0(s0)
  100a:  fe028ee3  beq t0, zero, .-4
  100e:  02d4f963  bgeu s1, a3, .+50
  1012:  f8f5      bne s1, zero, .-12
  1014:  fff68693  addi a3, a3, -1
  1018:  1141      addi sp, sp, -16
  101a:  6121      addi sp, sp, 64
  101c:  0020      addi s0, sp, 8
  101e:  df86      sw ra, 252(sp)
  1020:  50fe      lw ra, 252(sp)
  1022:  01a000ef  jal ra, .+26
  1026:  2819      jal ra, .+22
  1028:  014000ef  jal ra, .+20
  102c:  0140006f  jal zero, .+20
  1030:  a801      jal zero, .+16
  1032:  000280e7  jalr ra, 0(t0)
  1036:  004502e7  jalr t0, 4(a0)
  103a:  8282      jalr zero, 0(t0)
  103c:  00008067  jalr zero, 0(ra)
  1040:  fe012e23  sw zero, -4(sp)
  1044:  4505      addi a0, zero, 1
  1046:  0000      <reserved encoding>
  1048:  ffffffff  <reserved encoding>
  104c:  00000073  ecall
  1050:  00100073  ebreak
";
    assert_eq!(listing(text), expected);
}

#[test]
fn pseudo_instructions_stand_for_rows() {
    let text = "
        li a0, 0; li a0, -2048; li a0, 2048; li a0, 0x12345fff; li a0, 0xffffffff
        li a0, 0x7fffffff; li a0, -0x80000000; li a0, 0b101
        mv a0, a1; nop; not a0, a1; neg a0, a1; seqz a0, a1; snez a0, a1; sltz a0, a1; sgtz a0, a1
        beqz a0, 8; bnez a0, .+8; bltz a0, .-8; bgez a0, -8; bgtz a0, .; blez a0, 0x10
        j 4; jr a0; ret
    ";
    let expected = "\
\x20 1000:  00000513  addi a0, zero, 0
  1004:  80000513  addi a0, zero, -2048
  1008:  00001537  lui a0, 0x1
  100c:  80050513  addi a0, a0, -2048
  1010:  12346537  lui a0, 0x12346
  1014:  fff50513  addi a0, a0, -1
  1018:  fff00513  addi a0, zero, -1
  101c:  80000537  lui a0, 0x80000
  1020:  fff50513  addi a0, a0, -1
  1024:  80000537  lui a0, 0x80000
  1028:  00500513  addi a0, zero, 5
  102c:  00058513  addi a0, a1, 0
  1030:  00000013  addi zero, zero, 0
  1034:  fff5c513  xori a0, a1, -1
  1038:  40b00533  sub a0, zero, a1
  103c:  0015b513  sltiu a0, a1, 1
  1040:  00b03533  sltu a0, zero, a1
  1044:  0005a533  slt a0, a1, zero
  1048:  00b02533  slt a0, zero, a1
  104c:  00050463  beq a0, zero, .+8
  1050:  00051463  bne a0, zero, .+8
  1054:  fe054ce3  blt a0, zero, .-8
  1058:  fe055ce3  bge a0, zero, .-8
  105c:  00a04063  blt zero, a0, .+0
  1060:  00a05863  bge zero, a0, .+16
  1064:  0040006f  jal zero, .+4
  1068:  00050067  jalr zero, 0(a0)
  106c:  00008067  jalr zero, 0(ra)
";
    assert_eq!(listing(text), expected);
}

#[test]
fn wrong_text_is_told_by_line() {
    let cases = [
        ("nop\nfoo a0", "line 2: unknown instruction `foo`"),
        ("addi a0, a1", "line 1: expected a number"),
        ("addi a0, a1, b", "line 1: `b` is not a number of 32 bits"),
        ("addi a0, a1, 1, 2", "line 1: unexpected `2`"),
        ("addi a0, x32, 1", "line 1: `x32` is not a register"),
        (
            "addi a0, a1, 2048",
            "line 1: `addi` cannot hold the immediate 2048",
        ),
        (
            "addi zero, a1, 1",
            "line 1: `addi` into register zero is a hint, not an instruction",
        ),
        ("lw a0, 4", "line 1: `4` is not an address like `4(s0)`"),
        ("lw a0, 4(b)", "line 1: `b` is not a register"),
        (
            "slli a0, a0, 32",
            "line 1: `slli` cannot hold the immediate 32",
        ),
        (
            "lui a0, 0x100000",
            "line 1: `0x100000` does not fit in 20 bits",
        ),
        ("j there", "line 1: no label `there`"),
        ("x: nop\nx: nop", "line 2: label `x` is defined twice"),
        ("beq a0, a1, 3", "line 1: `beq` cannot hold the immediate 3"),
        (
            "beq a0, a1, 4096",
            "line 1: `beq` cannot hold the immediate 4096",
        ),
        ("j .x", "line 1: `.x` is not a target"),
        (
            "c.li a0, 32",
            "line 1: `c.li` has no form of `addi a0, zero, 32`",
        ),
        (
            "c.mv a0, zero",
            "line 1: `c.mv` has no form of `add a0, zero, zero`",
        ),
        (
            "c.add a0, a1, a2",
            "line 1: `c.add` has no form of `add a0, a1, a2`",
        ),
        (
            "c.addi16sp a0, 16",
            "line 1: `c.addi16sp` has no form of `addi a0, a0, 16`",
        ),
        (
            "c.lw t0, 0(a0)",
            "line 1: `c.lw` has no form of `lw t0, 0(a0)`",
        ),
        (
            "c.j .+2048",
            "line 1: `c.j` has no form of `jal zero, .+2048`",
        ),
        (".half 0x10000", "line 1: `0x10000` does not fit in 16 bits"),
        (".byte 1", "line 1: unknown directive `.byte`"),
        (".word", "line 1: expected a number"),
        (
            ".word 0x100000000",
            "line 1: `0x100000000` is not a number of 32 bits",
        ),
        ("li a0, --1", "line 1: `--1` is not a number of 32 bits"),
    ];
    for (text, message) in cases {
        assert_eq!(listing(text), message);
    }
}

#[test]
fn bytes_that_are_no_instructions_keep_their_place() {
    let bytes = [
        0x00, 0x00, 0x0f, 0x00, 0xf0, 0x0f, 0x02, 0x90, 0x05, 0x00, 0x13, 0x00, 0x00,
    ];
    let lines = disassemble(&bytes, 0xffff_fffc);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let expected = "\
fffffffc:  0000      <reserved encoding>
fffffffe:  0ff0000f  <unsupported instruction>
     2:  9002      ebreak
     4:  0005      <hint>
     6:  000013    <truncated instruction>
";
    assert_eq!(text, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_program_or_an_error(text in any::<String>(), op in 0..Op::ALL.len(), operands in "[-.+x0-9as(), ;:#]{0,20}") {
        let _ = assemble(&text);
        let _ = assemble(&format!("{} {operands}", Op::ALL[op].spec().text));
        let _ = assemble(&format!("c.{} {operands}", Op::ALL[op].spec().text));
    }

    #[test]
    fn any_bytes_have_a_disassembly_that_covers_them(bytes in any::<Vec<u8>>(), base in any::<u32>()) {
        let lines = disassemble(&bytes, base);
        let covered: u32 = lines.iter().map(|line| line.size).sum();
        prop_assert_eq!(covered as usize, bytes.len());
        for line in lines {
            prop_assert!(!line.to_string().is_empty());
        }
    }
}
