//! Each instruction of each target, with operands at the borders.
//!
//! A packet holds one first operand and all second ones; code loads them, runs the instruction, and stores each result behind
//! them. Immediates, displacements and addresses are in the code. The 16-bit forms are next door.

use nfl_abi::image::VerdictKind;
use nfl_isa::{Fmt, Fx, Inst, Op, Reg, TARGETS, Target};

use super::code::Code;
use super::{blank, capsule, forms, proved, run, single};
use crate::conform::suite::Suite;
use crate::conform::vector::{Group, Hex, Run};

/// Operands at which something changes.
pub(super) const CORNERS: [u32; 16] = [
    0,
    1,
    2,
    31,
    32,
    0x7f,
    0x80,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x1234_5678,
];

/// Where the second operands stand in the packet, and the results.
pub(super) const SECOND: i32 = 4;
pub(super) const RESULTS: i32 = SECOND + 4 * CORNERS.len() as i32;
/// Bytes of a packet with room for 24 results.
pub(super) const LEN: u16 = RESULTS as u16 + 4 * 24;

const IMMEDIATES: [i32; 8] = [0, 1, -1, 2047, -2048, 31, 0x555, -0x556];
const AMOUNTS: [i32; 6] = [0, 1, 8, 15, 16, 31];
const UPPERS: [i32; 6] = [0, 0x1000, 0x7fff_f000, i32::MIN, -0x1000, 0x1234_5000];

pub(super) fn add(suite: &mut Suite) {
    for target in TARGETS {
        for &op in Op::ALL.iter().filter(|&&op| target.allows(op)) {
            of(suite, target, op);
        }
        forms::add(suite, target);
        loops(suite, target);
        subroutines(suite, target);
    }
}

/// The packets: each first operand with all second ones.
pub(super) fn packets() -> Vec<Run> {
    let packets = CORNERS.iter().map(|first| {
        let words = std::iter::once(first).chain(&CORNERS);
        let mut packet: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
        packet.resize(LEN.into(), 0xa5);
        run(packet)
    });
    packets.collect()
}

pub(super) fn named(suite: &mut Suite, target: &Target, what: &str, code: Code) {
    let name = format!("{}/{what}", target.name);
    let program = proved(&name, blank(target, LEN, code.pass()));
    single(suite, Group::Instructions, program, packets());
}

fn of(suite: &mut Suite, target: &Target, op: Op) {
    let spec = op.spec();
    let mut code = Code::default();
    match (spec.effects, spec.fmt) {
        (Fx::PURE, _) if op == Op::Auipc => return,
        (Fx::PURE, Fmt::R) => two_operands(&mut code, op),
        (Fx::PURE, Fmt::I) => one_operand(&mut code, op, &IMMEDIATES),
        (Fx::PURE, Fmt::Shift) => one_operand(&mut code, op, &AMOUNTS),
        (Fx::PURE, Fmt::Unary) => one_operand(&mut code, op, &[0]),
        (Fx::PURE, Fmt::U) => uppers(&mut code),
        (Fx::READ, _) => return memory(suite, target, op),
        (Fx::WRITE, _) => return memory(suite, target, op),
        (Fx::BRANCH, _) => branches(&mut code, op),
        (Fx::JUMP, _) if op == Op::Jal => jumps(&mut code),
        // `jalr` returns from subroutines; `ecall` has no meaning; `ebreak` ends each vector.
        _ => {
            if op == Op::Ebreak {
                let mut code = Code::default();
                code.number(Reg::A0, VerdictKind::Pass.number().into());
                code.text("ebreak");
                let program = proved(
                    &format!("{}/ebreak", target.name),
                    blank(target, 0, code.done()),
                );
                single(suite, Group::Instructions, program, vec![run(vec![0; 4])]);
            }
            return;
        }
    }
    named(suite, target, spec.text, code);
}

fn two_operands(code: &mut Code, op: Op) {
    let second = |at: usize| SECOND + 4 * at as i32;
    let mut result = RESULTS;
    for at in 0..CORNERS.len() {
        code.load(Reg::A2, 0);
        code.load(Reg::A3, second(at));
        code.put(Inst::r(op, Reg::A1, Reg::A2, Reg::A3));
        code.store(Reg::A1, result);
        result += 4;
    }
    // The result where an operand was, both operands in one register, and registers that only 32 bits name.
    for (rd, rs1, rs2) in [
        (Reg::A2, Reg::A2, Reg::A3),
        (Reg::A3, Reg::A2, Reg::A3),
        (Reg::A1, Reg::A2, Reg::A2),
        (Reg::A2, Reg::A2, Reg::A2),
        (Reg::T6, Reg::S11, Reg::T3),
        (Reg::A1, Reg::ZERO, Reg::A3),
        (Reg::A1, Reg::A2, Reg::ZERO),
    ] {
        for (reg, at) in [(rs1, 0), (rs2, second(10))] {
            if reg != Reg::ZERO {
                code.load(reg, at);
            }
        }
        code.put(Inst::r(op, rd, rs1, rs2));
        code.store(rd, result);
        result += 4;
    }
}

fn one_operand(code: &mut Code, op: Op, immediates: &[i32]) {
    let mut result = RESULTS;
    for &imm in immediates {
        for (rd, rs1) in [(Reg::A1, Reg::A2), (Reg::S5, Reg::S5)] {
            code.load(rs1, 0);
            code.put(Inst::i(op, rd, rs1, imm));
            code.store(rd, result);
            result += 4;
        }
    }
}

fn uppers(code: &mut Code) {
    for (at, imm) in (0..).zip(UPPERS) {
        let inst = Inst {
            op: Op::Lui,
            rd: Reg::T4,
            rs1: Reg::ZERO,
            rs2: Reg::ZERO,
            imm,
        };
        code.put(inst);
        code.store(Reg::T4, RESULTS + 4 * at);
    }
}

fn branches(code: &mut Code, op: Op) {
    let branch = |rs1, rs2, imm| Inst {
        op,
        rd: Reg::ZERO,
        rs1,
        rs2,
        imm,
    };
    let mut result = RESULTS;
    for at in 0..CORNERS.len() {
        code.load(Reg::A2, 0);
        code.load(Reg::A3, SECOND + 4 * at as i32);
        code.number(Reg::A1, 1);
        code.put(branch(Reg::A2, Reg::A3, 8));
        code.number(Reg::A1, 2);
        code.store(Reg::A1, result);
        result += 4;
    }
    for (rs1, rs2, bytes) in [
        (Reg::A2, Reg::A2, 4),
        (Reg::A2, Reg::ZERO, 4),
        (Reg::ZERO, Reg::A2, 4),
        (Reg::T5, Reg::S7, 2),
        (Reg::A2, Reg::A3, 700),
    ] {
        for (reg, at) in [(rs1, 0), (rs2, SECOND + 4 * 10)] {
            if reg != Reg::ZERO {
                code.load(reg, at);
            }
        }
        code.number(Reg::A1, 1);
        code.put(branch(rs1, rs2, 4 + bytes));
        code.filler(Reg::A1, bytes as usize);
        code.store(Reg::A1, result);
        result += 4;
    }
}

fn jumps(code: &mut Code) {
    let jal = |imm| Inst {
        op: Op::Jal,
        rd: Reg::ZERO,
        rs1: Reg::ZERO,
        rs2: Reg::ZERO,
        imm,
    };
    for (at, bytes) in (0..).zip([2, 4, 30, 900]) {
        code.load(Reg::A2, 0);
        code.number(Reg::A1, 1);
        // Around the jump, so that what it skips has a way to it.
        code.put(Inst {
            op: Op::Beq,
            rd: Reg::ZERO,
            rs1: Reg::A2,
            rs2: Reg::ZERO,
            imm: 8,
        });
        code.put(jal(4 + bytes));
        code.filler(Reg::A1, bytes as usize);
        code.store(Reg::A1, RESULTS + 4 * at);
    }
}

/// Bytes of each region that loads and stores are tried in.
const REGION: i32 = 16;

/// Loads and stores of a width at each place of each region, aligned or not.
fn memory(suite: &mut Suite, target: &Target, op: Op) {
    let width = match op {
        Op::Lb | Op::Lbu | Op::Sb => 1,
        Op::Lh | Op::Lhu | Op::Sh => 2,
        _ => 4,
    };
    let places =
        (0..=REGION - width).chain([REGION + 1 - width].into_iter().filter(|_| width == 1));
    let places: Vec<i32> = places.filter(|&at| at + width <= REGION).collect();
    let is_load = op.spec().effects == Fx::READ;
    let mut regions = vec!["packet", "scratch", "carried"];
    if is_load {
        regions.extend(["constants", "context", "window"]);
    }
    for region in regions {
        let mut code = Code::default();
        let base = match region {
            "packet" | "window" => Reg::S0,
            "scratch" => Reg::SP,
            "carried" => Reg::TP,
            "constants" => Reg::ZERO,
            _ => Reg::GP,
        };
        let from = match region {
            "constants" => nfl_abi::map::CONSTANTS_BASE as i32,
            "window" => 64,
            _ => 0,
        };
        if region == "scratch" {
            for at in (0..REGION).step_by(4) {
                code.load(Reg::A2, at);
                code.put(Inst::s(Op::Sw, Reg::A2, Reg::SP, at));
            }
        }
        // Results as far behind as the entry's `need` goes; the sum of all loads stands at the end.
        code.number(Reg::A3, 0);
        for &at in &places {
            if is_load {
                code.put(Inst::i(op, Reg::A2, base, from + at));
                code.text("slli a1, a3, 5\n srli a3, a3, 27\n or a3, a3, a1\n xor a3, a3, a2");
            } else {
                code.load(Reg::A2, 20 + at);
                code.put(Inst::s(op, Reg::A2, base, from + at));
            }
        }
        if is_load {
            code.store(Reg::A3, 40);
        } else if region == "scratch" {
            for at in (0..REGION).step_by(4) {
                code.put(Inst::i(Op::Lw, Reg::A2, Reg::SP, at));
                code.store(Reg::A2, 40 + at);
            }
        }
        let mut image = match region {
            "carried" => {
                let carried = vec![0; REGION as usize];
                capsule(target, nfl_abi::Role::Transit, 64, carried, code.pass())
            }
            _ => blank(target, 64, code.pass()),
        };
        if region == "constants" {
            image.constants = pattern(REGION as usize, 3);
        }
        if region == "window" {
            image.manifest.window = 64 + REGION as u8;
        }
        let name = format!("{}/{} {region}", target.name, op.spec().text);
        let runs = [64, 65, 71, 90].map(|len| {
            let mut run = run(pattern(len, len as u32));
            run.context = [0x8001_7fff, 0xffff_fffe, 3, 14, 0, 0, 0x80ff_7f01, 9];
            if region == "carried" {
                run.carried = Hex(pattern(REGION as usize, 5));
            }
            run
        });
        single(
            suite,
            Group::Instructions,
            proved(&name, image),
            runs.to_vec(),
        );
    }
}

/// Bytes in which no two neighbours are equal.
pub(super) fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let bytes =
        (0..len as u32).map(|at| (at.wrapping_mul(0x9d) ^ seed.wrapping_mul(0x3b) ^ 0x80) as u8);
    bytes.collect()
}

/// Branches backwards.
fn loops(suite: &mut Suite, target: &Target) {
    for (what, text) in [
        (
            "bne back",
            "again: addi a3, a3, 3\n addi a2, a2, -1\n bne a2, zero, again",
        ),
        (
            "blt back",
            "again: addi a3, a3, 3\n addi a2, a2, 2\n blt a2, a1, again",
        ),
        (
            "bltu back",
            "again: addi a3, a3, 3\n addi a2, a2, 2\n bltu a2, a1, again",
        ),
        (
            "c.bnez back",
            "again: c.addi a3, 3\n c.addi a2, -1\n c.bnez a2, again",
        ),
    ] {
        let mut code = Code::default();
        let (first, last) = if text.contains("-1") { (7, 0) } else { (0, 9) };
        code.number(Reg::A2, first);
        code.number(Reg::A1, last);
        code.load(Reg::A3, 0);
        code.text(text);
        code.store(Reg::A3, RESULTS);
        named(suite, target, what, code);
    }
}

/// Calls and returns, through either link register and in either form.
fn subroutines(suite: &mut Suite, target: &Target) {
    for (what, text) in [
        (
            "jal ra",
            "sub: add a2, a2, a2\n jalr zero, 0(ra)\n start: {load}\n jal ra, sub\n jal ra, sub\n {store}",
        ),
        (
            "jal t0",
            "sub: add a2, a2, a2\n jalr zero, 0(t0)\n start: {load}\n jal t0, sub\n {store}",
        ),
        (
            "c.jal",
            "sub: c.add a2, a2\n c.nop\n c.jr ra\n start: {load}\n c.jal sub\n c.jal sub\n {store}",
        ),
        (
            "c.jr t0",
            "sub: c.add a2, a2\n c.jr t0\n start: {load}\n jal t0, sub\n {store}",
        ),
    ] {
        let text = text
            .replace("{load}", "lw a2, 0(s0)")
            .replace("{store}", &format!("sw a2, {RESULTS}(s0)"));
        let mut code = Code::default();
        code.text(&text);
        let entry = text.find("start").map_or(0, |at| {
            let before = nfl_isa::assemble(&text[..at]).expect("the first lines stand alone");
            before.len()
        });
        let mut image = blank(target, LEN, code.pass());
        for one in &mut image.manifest.entries {
            one.pc = entry as u32;
        }
        let program = proved(&format!("{}/{what}", target.name), image);
        single(suite, Group::Instructions, program, packets());
    }
}
