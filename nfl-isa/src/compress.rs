//! From an instruction to its 16-bit form.
//!
//! In: an [`Inst`], and the forms to choose from. Out: a 16-bit pattern, when one does the same. Guaranteed: the pattern decodes to this instruction or
//! to one of equal effect: operands swapped where their order does not matter, or a move written in the other way. Where
//! two patterns mean the same, the choice is fixed: `addi sp, sp, 16` is `c.addi`, not `c.addi16sp`.

use crate::form::Form;
use crate::{Extension, Inst, Op, Reg};

/// The 16-bit form of an instruction that every target has, if there is one; [`crate::Target::compress`] knows more.
pub fn compress(inst: &Inst) -> Option<u16> {
    among(inst, |form| {
        form.extension == Extension::I && form.op.spec().extension == Extension::I
    })
}

/// The size in bytes of the shortest form that every target has: 2 or 4.
pub fn size(inst: &Inst) -> u32 {
    if compress(inst).is_some() { 2 } else { 4 }
}

/// The first of the allowed forms that stands for an instruction.
pub(crate) fn among(inst: &Inst, is_allowed: impl Fn(&Form) -> bool) -> Option<u16> {
    let exactly = |inst: &Inst| {
        let mut forms = Form::of_op(inst.op).filter(|form| is_allowed(form));
        forms.find_map(|form| form.pack(inst))
    };
    exactly(inst).or_else(|| exactly(&equal(inst)?))
}

/// Another instruction that does the same and may have a 16-bit form.
fn equal(inst: &Inst) -> Option<Inst> {
    let Inst {
        op,
        rd,
        rs1,
        rs2,
        imm,
    } = *inst;
    match op {
        Op::Lui if imm == 0 => Some(Inst::i(Op::Addi, rd, Reg::ZERO, 0)),
        Op::Addi if imm == 0 => Some(Inst::r(Op::Add, rd, Reg::ZERO, rs1)),
        Op::Add if rs1 == Reg::ZERO && rs2 == Reg::ZERO => {
            Some(Inst::i(Op::Addi, rd, Reg::ZERO, 0))
        }
        Op::Add | Op::And | Op::Or | Op::Xor | Op::Mul | Op::Beq | Op::Bne => Some(Inst {
            rs1: rs2,
            rs2: rs1,
            ..*inst
        }),
        _ => None,
    }
}
