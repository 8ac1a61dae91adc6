//! Each 16-bit form of each target, with registers and immediates at the borders.
//!
//! The words of a form are found by decoding all there are, so no field is known here.

use nfl_isa::{FORMS, Fx, Inst, Op, Reg, Target, decode_half};

use super::code::Code;
use super::instructions::{CORNERS, RESULTS, SECOND, named};
use crate::conform::suite::Suite;

/// Words of each form, spread over all that can be tried.
const WORDS: usize = 12;
/// Fewer where what a jump skips takes room.
const JUMPS: usize = 5;

pub(super) fn add(suite: &mut Suite, target: &Target) {
    for form in FORMS.iter().filter(|form| target.allows_form(form)) {
        let words: Vec<(u16, Inst)> = (0..=u16::MAX)
            .filter(|half| half & 3 != 3)
            .filter(|&half| {
                let first = FORMS.iter().find(|other| half & other.mask == other.bits);
                first.is_some_and(|first| first.text == form.text)
            })
            .filter_map(|half| Some((half, decode_half(half).ok()?)))
            .filter(|(_, inst)| can_be_tried(inst))
            .collect();
        let Some(last) = words.len().checked_sub(1) else {
            continue;
        };
        let jumps = matches!(form.op.spec().effects, Fx::BRANCH | Fx::JUMP);
        let most = if jumps { JUMPS } else { WORDS };
        let mut code = Code::default();
        let mut before = None;
        for at in (0..most).map(|at| at * last / (most - 1)) {
            if before.replace(at) != Some(at) {
                let (half, inst) = words[at];
                let result = RESULTS + 4 * (at % CORNERS.len()) as i32;
                one(&mut code, half, &inst, result, (at % CORNERS.len()) as i32);
            }
        }
        named(suite, target, form.text, code);
    }
}

fn is_own(reg: Reg) -> bool {
    !matches!(reg, Reg::ZERO | Reg::S0 | Reg::S1 | Reg::SP)
}

/// Whether code can give the operands that the word takes and see what it does.
fn can_be_tried(inst: &Inst) -> bool {
    let &Inst {
        op,
        rd,
        rs1,
        rs2,
        imm,
    } = inst;
    let operand = |reg: Reg| is_own(reg) || reg == Reg::ZERO;
    match op.spec().effects {
        Fx::PURE if op == Op::Addi && rs1 == Reg::SP => is_own(rd) && imm <= 252,
        Fx::PURE => is_own(rd) && operand(rs1) && operand(rs2),
        Fx::READ => is_own(rd) && rs1 != Reg::S1,
        Fx::WRITE => rs1 != Reg::S1 && is_own(rs2) && rs1 != rs2,
        Fx::BRANCH => is_own(rs1) && imm > 2,
        // Calls and returns are tried as subroutines are, and `c.jalr` is no way to call.
        Fx::JUMP => op == Op::Jal && rd == Reg::ZERO && (4..600).contains(&imm),
        Fx::SYSTEM => false,
    }
}

fn one(code: &mut Code, half: u16, inst: &Inst, result: i32, corner: i32) {
    let &Inst {
        op,
        rd,
        rs1,
        rs2,
        imm,
    } = inst;
    match op.spec().effects {
        Fx::PURE if rs1 == Reg::SP => {
            let other = if rd == Reg::A2 { Reg::A3 } else { Reg::A2 };
            code.load(other, 0);
            code.put(Inst::s(Op::Sw, other, Reg::SP, imm));
            code.half(half);
            code.put(Inst::i(Op::Lw, other, rd, 0));
            code.store(other, result);
        }
        Fx::PURE => {
            let reads = inst.read();
            if let Some(rs1) = reads[0].filter(|&reg| reg != Reg::ZERO) {
                code.load(rs1, 0);
            }
            if let Some(rs2) = reads[1].filter(|&reg| reg != Reg::ZERO && Some(reg) != reads[0]) {
                code.load(rs2, SECOND + 4 * corner);
            }
            code.half(half);
            code.store(rd, result);
        }
        Fx::READ if rs1 == Reg::SP => {
            code.load(rd, 0);
            code.put(Inst::s(Op::Sw, rd, Reg::SP, imm));
            code.half(half);
            code.store(rd, result);
        }
        Fx::READ => {
            base(code, rs1);
            code.half(half);
            code.store(rd, result);
        }
        Fx::WRITE if rs1 == Reg::SP => {
            code.load(rs2, 0);
            code.half(half);
            code.put(Inst::i(Op::Lw, rs2, Reg::SP, imm));
            code.store(rs2, result);
        }
        Fx::WRITE => {
            base(code, rs1);
            code.load(rs2, SECOND + 4 * corner);
            code.half(half);
        }
        Fx::BRANCH | Fx::JUMP | Fx::SYSTEM => {
            let counter = if rs1 == Reg::A2 { Reg::A3 } else { Reg::A2 };
            code.number(counter, 1);
            if op == Op::Jal {
                // Around the jump, so that what it skips has a way to it.
                code.load(Reg::A1, 0);
                code.put(Inst {
                    op: Op::Beq,
                    rd: Reg::ZERO,
                    rs1: Reg::A1,
                    rs2: Reg::ZERO,
                    imm: 6,
                });
            } else {
                code.load(rs1, 0);
            }
            code.half(half);
            code.filler(counter, imm as usize - 2);
            code.store(counter, result);
        }
    }
}

/// The packet's address in the base register.
fn base(code: &mut Code, reg: Reg) {
    if reg != Reg::S0 {
        code.put(Inst::i(Op::Addi, reg, Reg::S0, 0));
    }
}
