//! Values: from an IR instruction to the instructions that put its result into a register.
//!
//! In: an instruction with a result that something asked for. Out: its code. Guaranteed: the register holds the IR's
//! number, with all bits above the value's width zero, because the IR says that they are.

use nfl_abi::map;
use nfl_ir::{InstData, LateId, Op as IrOp, Value};
use nfl_isa::Op;
use nfl_syntax::arena::Id;

use super::Select;
use super::cond::{Comparison, Other, step_bytes};
use crate::mir::{Code, VReg, ZERO, constant_bytes};
use crate::scratch::Constants;

/// Whether an immediate fits the compressed forms.
pub(super) fn fits6(imm: i32) -> bool {
    (-32..=31).contains(&imm)
}

/// Whether an immediate fits the full forms.
pub(super) fn fits12(imm: i32) -> bool {
    (-2048..=2047).contains(&imm)
}

/// The bits that numbers of a width can have.
pub(super) fn width_mask(width: u32) -> u32 {
    u32::MAX >> (32 - width)
}

/// The immediate of an `andi` that keeps the bits `mask` of a number with no bits outside `all`.
pub(super) fn mask_immediate(mask: u32, all: u32) -> Option<i32> {
    let choices = [mask.cast_signed(), (mask | !all).cast_signed()];
    let fitting = choices.into_iter().filter(|&imm| fits12(imm));
    fitting.min_by_key(|&imm| !fits6(imm))
}

impl Select<'_> {
    /// Makes the code of an instruction with a result.
    pub(super) fn define(&mut self, v: Value, rd: VReg, inst: &InstData) {
        match inst.op {
            IrOp::Const => self.pending.push(Code::Li {
                rd,
                value: inst.imm,
            }),
            IrOp::Len => self.copy(rd, crate::mir::LEN),
            IrOp::Context => {
                let base = self.context();
                self.i(Op::Lw, rd, base, inst.imm.cast_signed());
            }
            IrOp::Late => {
                let at = map::CONSTANTS_BASE + Constants::late(LateId::new(inst.imm as usize));
                self.i(Op::Lw, rd, ZERO, at.cast_signed());
            }
            IrOp::Load8 | IrOp::Load16 | IrOp::Load32 => self.load(rd, inst),
            IrOp::Bswap16 => self.swap16(v, rd, inst),
            IrOp::Bswap32 => self.swap32(v, rd, inst),
            IrOp::Eq | IrOp::Ne | IrOp::Ltu | IrOp::Geu | IrOp::Lt | IrOp::Ge => {
                self.truth(rd, inst);
            }
            IrOp::Address => self.address_of(rd, inst),
            // An image is made of bound modules, so this is never reached with a word of a parameter. What a service
            // answers is defined with its call.
            IrOp::Param
            | IrOp::Call
            | IrOp::Second
            | IrOp::Store8
            | IrOp::Store16
            | IrOp::Store32 => {}
            _ => self.binary(rd, inst),
        }
    }

    fn binary(&mut self, rd: VReg, inst: &InstData) {
        let (mut a, mut b) = (inst.args[0], inst.args[1]);
        let commutes = matches!(
            inst.op,
            IrOp::Add | IrOp::And | IrOp::Or | IrOp::Xor | IrOp::Mul | IrOp::Mulhu
        );
        if commutes && self.constant_of(a).is_some() {
            std::mem::swap(&mut a, &mut b);
        }
        if let Some(c) = self.constant_of(b)
            && self.with_constant(rd, inst, a, c)
        {
            return;
        }
        if inst.op == IrOp::Add && (self.scaled(rd, a, b) || self.scaled(rd, b, a)) {
            return;
        }
        let op = match inst.op {
            IrOp::Add => Op::Add,
            IrOp::Sub => Op::Sub,
            IrOp::Mul => Op::Mul,
            IrOp::Mulhu => Op::Mulhu,
            IrOp::Divu => Op::Divu,
            IrOp::Remu => Op::Remu,
            IrOp::Div => Op::Div,
            IrOp::Rem => Op::Rem,
            IrOp::And => Op::And,
            IrOp::Or => Op::Or,
            IrOp::Xor => Op::Xor,
            IrOp::Shl => Op::Sll,
            IrOp::Shr => Op::Srl,
            _ => Op::Sra,
        };
        let (rs1, rs2) = (self.reg(a), self.reg(b));
        self.r(op, rd, rs1, rs2);
    }

    /// Adds a number that is shifted by 1 to 3 for this alone, where one instruction does both.
    fn scaled(&mut self, rd: VReg, index: Value, other: Value) -> bool {
        let Some(def) = self.def(index).filter(|def| def.op == IrOp::Shl) else {
            return false;
        };
        let op = match self.constant_of(def.args[1]) {
            Some(1) => Op::Sh1add,
            Some(2) => Op::Sh2add,
            Some(3) => Op::Sh3add,
            _ => return false,
        };
        if !self.dies(index) || !self.input.isa.allows(op) {
            return false;
        }
        let (rs1, rs2) = (self.reg(def.args[0]), self.reg(other));
        self.r(op, rd, rs1, rs2);
        true
    }

    /// Makes code with a constant on the right, if there is some that is better than a register for it.
    fn with_constant(&mut self, rd: VReg, inst: &InstData, a: Value, c: u32) -> bool {
        let immediate = c.cast_signed();
        let log = c
            .is_power_of_two()
            .then(|| c.trailing_zeros().cast_signed());
        let negative = c.wrapping_neg().cast_signed();
        let amount = (c & 31).cast_signed();
        let isa = self.input.isa;
        let (op, immediate) = match (inst.op, log) {
            (IrOp::Add, _) if fits12(immediate) => (Op::Addi, immediate),
            (IrOp::Sub, _) if fits12(negative) => (Op::Addi, negative),
            (IrOp::Or, _) if fits12(immediate) => (Op::Ori, immediate),
            (IrOp::Xor, _) if fits12(immediate) => (Op::Xori, immediate),
            (IrOp::Or, Some(log)) if isa.allows(Op::Bseti) => (Op::Bseti, log),
            (IrOp::Xor, Some(log)) if isa.allows(Op::Binvi) => (Op::Binvi, log),
            (IrOp::Shl, _) => (Op::Slli, amount),
            (IrOp::Shr, _) => (Op::Srli, amount),
            (IrOp::Sar, _) => (Op::Srai, amount),
            (IrOp::Mul, Some(log)) => (Op::Slli, log),
            (IrOp::Divu, Some(log)) => (Op::Srli, log),
            (IrOp::Remu, Some(_)) => return self.and(rd, a, c - 1),
            (IrOp::And, _) => return self.and(rd, a, c),
            (IrOp::Mul, None) => return self.multiply(rd, a, c),
            (IrOp::Divu | IrOp::Remu, None) => return self.divide(rd, inst, c),
            _ => return false,
        };
        let rs1 = self.reg(a);
        let op = if immediate == 0 { Op::Addi } else { op };
        self.i(op, rd, rs1, immediate);
        true
    }

    /// Keeps the bits `mask` of a value.
    fn and(&mut self, rd: VReg, a: Value, mask: u32) -> bool {
        let all = width_mask(self.width(a));
        let mask = mask & all;
        if mask == 0 {
            self.pending.push(Code::Li { rd, value: 0 });
            return true;
        }
        let rs1 = self.reg(a);
        if mask == all {
            self.copy(rd, rs1);
            return true;
        }
        let isa = self.input.isa;
        let in_place = self.dies(a);
        let first = if in_place { 2 } else { 4 };
        let (left, low) = (mask.leading_zeros(), mask.trailing_zeros());
        let is_low = low == 0 && mask == u32::MAX >> left;
        let is_high = mask == all & (u32::MAX << low);
        let single = [
            mask_immediate(mask, all).map(|imm| (Op::Andi, imm)),
            (mask == 0xffff).then_some((Op::Zexth, 0)),
            // All bits but one.
            (all & !mask)
                .is_power_of_two()
                .then(|| (Op::Bclri, (all & !mask).trailing_zeros().cast_signed())),
        ];
        let single = single.into_iter().flatten();
        let single = single.filter(|&(op, _)| isa.allows(op));
        let size = |&(op, imm): &(Op, i32)| step_bytes(isa, op, imm, in_place);
        if let Some((op, imm)) = single.min_by_key(size).filter(|it| size(it) <= first + 2) {
            self.i(op, rd, rs1, imm);
        } else if is_low || is_high {
            let (there, back, by) = match is_low {
                true => (Op::Slli, Op::Srli, left),
                false => (Op::Srli, Op::Slli, low),
            };
            let part = self.out.fresh();
            self.i(there, part, rs1, by.cast_signed());
            self.i(back, rd, part, by.cast_signed());
        } else {
            // Above the width any bit will do, so the shorter constant does.
            let choices = [mask, mask | !all];
            let mask = choices
                .into_iter()
                .min_by_key(|&c| constant_bytes(c, self.input.isa))
                .unwrap_or(mask);
            let rs2 = self.constant(mask);
            self.r(Op::And, rd, rs1, rs2);
        }
        true
    }

    fn swap16(&mut self, v: Value, rd: VReg, inst: &InstData) {
        let x = inst.args[0];
        if self.input.isa.allows(Op::Rev8) {
            let (rs1, turned) = (self.reg(x), self.out.fresh());
            self.i(Op::Rev8, turned, rs1, 0);
            self.i(Op::Srli, rd, turned, 16);
            return;
        }
        if let Some(load) = self
            .absorbed_load(x, v)
            .filter(|load| load.op == IrOp::Load16)
        {
            self.load_swapped(rd, load);
            return;
        }
        let rs1 = self.reg(x);
        let (high, low, top) = (self.out.fresh(), self.out.fresh(), self.out.fresh());
        if self.width(x) > 16 {
            self.i(Op::Slli, low, rs1, 16);
            self.i(Op::Srli, low, low, 24);
        } else {
            self.i(Op::Srli, low, rs1, 8);
        }
        self.i(Op::Slli, top, rs1, 24);
        self.i(Op::Srli, high, top, 16);
        self.r(Op::Or, rd, high, low);
    }

    fn swap32(&mut self, v: Value, rd: VReg, inst: &InstData) {
        let x = inst.args[0];
        if self.input.isa.allows(Op::Rev8) {
            let rs1 = self.reg(x);
            self.i(Op::Rev8, rd, rs1, 0);
            return;
        }
        if let Some(load) = self
            .absorbed_load(x, v)
            .filter(|load| load.op == IrOp::Load32)
        {
            self.load_swapped(rd, load);
            return;
        }
        let rs1 = self.reg(x);
        let sum = self.out.fresh();
        let part = self.out.fresh();
        self.i(Op::Slli, sum, rs1, 24);
        self.i(Op::Srli, part, rs1, 24);
        self.r(Op::Or, sum, sum, part);
        // The byte at bit 8 goes to bit 16, and the one at bit 16 to bit 8.
        let middle = self.out.fresh();
        self.i(Op::Slli, middle, rs1, 16);
        self.i(Op::Srli, middle, middle, 24);
        self.i(Op::Slli, middle, middle, 16);
        self.r(Op::Or, sum, sum, middle);
        let other = self.out.fresh();
        self.i(Op::Slli, other, rs1, 8);
        self.i(Op::Srli, other, other, 24);
        self.i(Op::Slli, other, other, 8);
        self.r(Op::Or, rd, sum, other);
    }

    /// A comparison as 0 or 1.
    fn truth(&mut self, rd: VReg, inst: &InstData) {
        let comparison = self.comparison(inst.op, inst.args[0], inst.args[1]);
        let Comparison { op, a, b } = self.simplified(comparison);
        match op {
            IrOp::Eq | IrOp::Ne => self.equality_truth(rd, op, a, b),
            _ => {
                let (set, set_immediate) = match op {
                    IrOp::Ltu | IrOp::Geu => (Op::Sltu, Op::Sltiu),
                    _ => (Op::Slt, Op::Slti),
                };
                let inverted = matches!(op, IrOp::Geu | IrOp::Ge);
                let less = if inverted { self.out.fresh() } else { rd };
                let rs1 = self.reg(a);
                match b {
                    Other::Constant(c) if fits12(c.cast_signed()) => {
                        self.i(set_immediate, less, rs1, c.cast_signed());
                    }
                    Other::Constant(c) => {
                        let rs2 = self.constant(c);
                        self.r(set, less, rs1, rs2);
                    }
                    Other::Value(b) => {
                        let rs2 = self.reg(b);
                        self.r(set, less, rs1, rs2);
                    }
                }
                if inverted {
                    self.i(Op::Xori, rd, less, 1);
                }
            }
        }
    }

    fn equality_truth(&mut self, rd: VReg, op: IrOp, a: Value, b: Other) {
        let rs1 = self.reg(a);
        let rest = match b {
            Other::Constant(0) => rs1,
            Other::Constant(c) => {
                let negative = c.wrapping_neg().cast_signed();
                let rest = self.out.fresh();
                if fits12(negative) {
                    self.i(Op::Addi, rest, rs1, negative);
                } else {
                    let rs2 = self.constant(c);
                    self.r(Op::Xor, rest, rs1, rs2);
                }
                rest
            }
            Other::Value(b) => {
                let rs2 = self.reg(b);
                let rest = self.out.fresh();
                self.r(Op::Xor, rest, rs1, rs2);
                rest
            }
        };
        if op == IrOp::Eq {
            self.i(Op::Sltiu, rd, rest, 1);
        } else {
            self.r(Op::Sltu, rd, ZERO, rest);
        }
    }
}
