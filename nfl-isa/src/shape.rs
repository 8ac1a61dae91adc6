//! Sizes of instructions whose registers are not chosen yet.
//!
//! In: an operation, an immediate, and a target. Out: [`Shape`], the registers with which that has a 16-bit form. Guaranteed:
//! it says of every choice of registers what [`Target::size`] says.
//!
//! The idea: a row of [`FORMS`] takes a set of registers for each operand, and maybe two operands have to be equal. Once the immediate is
//! known few rows are left, and to ask them is to look at some bits.

use crate::form::{FORMS, Form, Place};
use crate::{Op, Reg, Target};

/// The size of an instruction as a function of its registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    choices: [Choice; CHOICES_MAX],
    count: u8,
}

/// An addition has five.
const CHOICES_MAX: usize = 6;

/// Registers with which one row stands for the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Choice {
    /// A set for each operand, one bit for each register.
    rd: u32,
    rs1: u32,
    rs2: u32,
    tied: Tied,
}

/// Operands that have to be equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tied {
    None,
    Rs1,
    Rs2,
}

const ANY: u32 = u32::MAX;
const ZERO: u32 = 1;

impl Shape {
    /// The shape of all instructions with this operation and immediate.
    pub fn new(target: &Target, op: Op, imm: i32) -> Shape {
        let mut shape = Shape {
            choices: [Choice::NONE; CHOICES_MAX],
            count: 0,
        };
        let of = |op, imm| choices(target, op, imm);
        let with_rs1_zero = |op| of(op, 0).filter_map(Choice::with_rs1_zero);
        of(op, imm).for_each(|choice| shape.add(choice));
        // As `compress` has them: other instructions that do the same.
        match op {
            Op::Lui if imm == 0 => {
                let loads = with_rs1_zero(Op::Addi);
                loads.for_each(|choice| {
                    shape.add(Choice {
                        rs1: ANY,
                        rs2: ANY,
                        ..choice
                    })
                });
            }
            Op::Addi if imm == 0 => {
                let copies = with_rs1_zero(Op::Add);
                copies.for_each(|choice| {
                    shape.add(Choice {
                        rs1: choice.rs2,
                        rs2: ANY,
                        ..choice
                    })
                });
            }
            Op::Add | Op::And | Op::Or | Op::Xor | Op::Mul | Op::Beq | Op::Bne => {
                of(op, imm).for_each(|choice| shape.add(choice.swapped()));
                if op == Op::Add {
                    let loads = with_rs1_zero(Op::Addi);
                    loads.for_each(|choice| {
                        shape.add(Choice {
                            rs2: ZERO,
                            ..choice
                        })
                    });
                }
            }
            _ => {}
        }
        shape
    }

    fn add(&mut self, choice: Choice) {
        let Choice { rd, rs1, rs2, .. } = choice;
        if rd != 0 && rs1 != 0 && rs2 != 0 && !self.choices().contains(&choice) {
            self.choices[usize::from(self.count)] = choice;
            self.count += 1;
        }
    }

    fn choices(&self) -> &[Choice] {
        &self.choices[..usize::from(self.count)]
    }

    /// The size in bytes with these registers: 2 or 4.
    #[inline]
    pub fn size(&self, rd: Reg, rs1: Reg, rs2: Reg) -> u32 {
        let mut choices = self.choices().iter();
        if choices.any(|choice| choice.has(rd, rs1, rs2)) {
            2
        } else {
            4
        }
    }

    /// The size with the registers that make it smallest.
    pub fn least(&self) -> u32 {
        if self.count > 0 { 2 } else { 4 }
    }
}

impl Choice {
    const NONE: Choice = Choice {
        rd: 0,
        rs1: 0,
        rs2: 0,
        tied: Tied::None,
    };

    #[inline]
    fn has(&self, rd: Reg, rs1: Reg, rs2: Reg) -> bool {
        let is_tied = match self.tied {
            Tied::None => true,
            Tied::Rs1 => rd == rs1,
            Tied::Rs2 => rd == rs2,
        };
        let in_all = (self.rd >> rd.0) & (self.rs1 >> rs1.0) & (self.rs2 >> rs2.0);
        is_tied && in_all & 1 != 0
    }

    /// What is left when `rs1` is `x0`, if it may be.
    fn with_rs1_zero(self) -> Option<Choice> {
        let rd = match self.tied {
            Tied::Rs1 => self.rd & ZERO,
            Tied::None | Tied::Rs2 => self.rd,
        };
        let zero = Choice {
            rd,
            rs1: ZERO,
            tied: Tied::None,
            ..self
        };
        (self.rs1 & ZERO != 0).then_some(zero)
    }

    fn swapped(self) -> Choice {
        let tied = match self.tied {
            Tied::None => Tied::None,
            Tied::Rs1 => Tied::Rs2,
            Tied::Rs2 => Tied::Rs1,
        };
        Choice {
            rs1: self.rs2,
            rs2: self.rs1,
            tied,
            ..self
        }
    }
}

/// The choices of the rows that stand for an operation with an immediate.
fn choices(target: &Target, op: Op, imm: i32) -> impl Iterator<Item = Choice> {
    let rows = Form::rows_of(op).filter(move |&row| {
        let form = &FORMS[row];
        target.allows_form(form) && form.takes(imm)
    });
    rows.map(|row| CHOICES[row])
}

/// For each row its choice.
static CHOICES: [Choice; FORMS.len()] = all();

const fn all() -> [Choice; FORMS.len()] {
    let mut all = [Choice::NONE; FORMS.len()];
    let mut row = 0;
    while row < FORMS.len() {
        let Form { rd, rs1, rs2, .. } = FORMS[row];
        let tied = match rd.shares(rs1) {
            true => Tied::Rs1,
            false => Tied::None,
        };
        all[row] = Choice {
            rd: registers(row, rd),
            rs1: registers(row, rs1),
            rs2: registers(row, rs2),
            tied,
        };
        row += 1;
    }
    all
}

/// The registers that may stand in a place of a row.
const fn registers(row: usize, place: Place) -> u32 {
    let mut set = 0;
    let mut number = 0;
    while number < 32 {
        if Form::may_name(row, place, Reg(number)) {
            set |= 1 << number;
        }
        number += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inst, TARGETS};

    #[test]
    fn shapes_say_what_is_compressed() {
        let small = (0..12).flat_map(|bit| [1 << bit, -(1 << bit), (1 << bit) - 1]);
        let imms = small.chain([12, 20, 0x1000, 0x1f000, 0x20000, -0x1000, 0x5000]);
        // Each register that some form treats as no other, and others of each kind.
        let regs = [0, 1, 2, 8, 15, 16, 31].map(Reg);
        let all = regs.iter().flat_map(|&rd| regs.map(|rs1| (rd, rs1)));
        let all = all.flat_map(|(rd, rs1)| regs.map(|rs2| (rd, rs1, rs2)));
        for target in TARGETS {
            for &op in Op::ALL {
                for imm in imms.clone() {
                    let shape = Shape::new(target, op, imm);
                    let mut least = 4;
                    for (rd, rs1, rs2) in all.clone() {
                        let size = target.size(&Inst {
                            op,
                            rd,
                            rs1,
                            rs2,
                            imm,
                        });
                        let name = target.name;
                        assert_eq!(
                            shape.size(rd, rs1, rs2),
                            size,
                            "{op:?} {rd:?} {rs1:?} {rs2:?} {imm} on {name}"
                        );
                        least = least.min(size);
                    }
                    assert_eq!(shape.least(), least, "{op:?} {imm} on {}", target.name);
                }
            }
        }
    }
}
