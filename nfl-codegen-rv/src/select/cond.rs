//! Conditions: from a value to the branch instruction that tests it.
//!
//! In: the condition of a branch. Out: two registers and one of the six branch instructions, after as little other code
//! as possible. Guaranteed: the test holds exactly when the value is not zero.
//!
//! The idea: comparisons with zero are the shortest (two bytes for a register of the compact set), so a comparison
//! with another constant is a subtraction first, and a test of some bits is a shift or a mask first.

use std::collections::BTreeMap;

use nfl_ir::{Op as IrOp, Term, Value};
use nfl_isa::{Inst, Op, Reg, Target as Isa};

use super::value::{fits6, fits12, mask_immediate, width_mask};
use super::{Care, Select};
use crate::mir::{Test, VReg, ZERO};

/// What a value is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Other {
    Constant(u32),
    Value(Value),
}

/// A comparison of words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Comparison {
    pub(super) op: IrOp,
    pub(super) a: Value,
    pub(super) b: Other,
}

use Other::Constant;

impl Select<'_> {
    /// The test that holds when `v` is not zero.
    pub(super) fn condition(&mut self, v: Value) -> Test<VReg> {
        let comparison = self.simplified(Comparison {
            op: IrOp::Ne,
            a: v,
            b: Constant(0),
        });
        self.test(comparison)
    }

    /// The same comparison of simpler values.
    pub(super) fn simplified(&self, comparison: Comparison) -> Comparison {
        let mut now = comparison;
        while let Some(simpler) = self.simpler(now) {
            now = simpler;
        }
        now
    }

    fn simpler(&self, Comparison { op, a, b }: Comparison) -> Option<Comparison> {
        match (op, b) {
            (IrOp::Ltu | IrOp::Geu, Constant(1)) if self.input.care > Care::Short => return None,
            (IrOp::Ltu, Constant(1)) => {
                return Some(Comparison {
                    op: IrOp::Eq,
                    a,
                    b: Constant(0),
                });
            }
            (IrOp::Geu, Constant(1)) => {
                return Some(Comparison {
                    op: IrOp::Ne,
                    a,
                    b: Constant(0),
                });
            }
            (IrOp::Eq | IrOp::Ne, Constant(_)) => {}
            _ => return None,
        }
        let Constant(c) = b else { return None };
        let def = self.def(a)?;
        if is_comparison(def.op) {
            let inner = self.comparison(def.op, def.args[0], def.args[1]);
            return match (op, c) {
                (IrOp::Ne, 0) | (IrOp::Eq, 1) => Some(inner),
                (IrOp::Eq, 0) | (IrOp::Ne, 1) => Some(Comparison {
                    op: inverse(inner.op),
                    ..inner
                }),
                _ => None,
            };
        }
        if !self.dies(a) {
            return None;
        }
        let (x, y) = (*def.args.first()?, *def.args.get(1)?);
        match (def.op, self.constant_of(y)) {
            (IrOp::Add, Some(k)) => Some(Comparison {
                op,
                a: x,
                b: Constant(c.wrapping_sub(k)),
            }),
            (IrOp::Sub, Some(k)) => Some(Comparison {
                op,
                a: x,
                b: Constant(c.wrapping_add(k)),
            }),
            (IrOp::Xor, Some(k)) => Some(Comparison {
                op,
                a: x,
                b: Constant(c ^ k),
            }),
            (IrOp::Xor | IrOp::Sub, None) if c == 0 => Some(Comparison {
                op,
                a: x,
                b: Other::Value(y),
            }),
            _ => None,
        }
    }

    /// A comparison with its constant, if there is one, on the right.
    pub(super) fn comparison(&self, op: IrOp, a: Value, b: Value) -> Comparison {
        let as_is = Comparison {
            op,
            a,
            b: Other::Value(b),
        };
        match (self.constant_of(a), self.constant_of(b)) {
            (_, Some(c)) => Comparison {
                op,
                a,
                b: Constant(c),
            },
            (None, None) => as_is,
            (Some(c), None) => {
                // `c < b` is `b >= c + 1`, unless `c` is the largest number.
                let unsigned = c.checked_add(1).map(Constant);
                let signed = c
                    .cast_signed()
                    .checked_add(1)
                    .map(|c| Constant(c.cast_unsigned()));
                let turned = match op {
                    IrOp::Eq | IrOp::Ne => Some((op, Constant(c))),
                    IrOp::Ltu => unsigned.map(|c| (IrOp::Geu, c)),
                    IrOp::Geu => unsigned.map(|c| (IrOp::Ltu, c)),
                    IrOp::Lt => signed.map(|c| (IrOp::Ge, c)),
                    _ => signed.map(|c| (IrOp::Lt, c)),
                };
                turned.map_or(as_is, |(op, c)| Comparison { op, a: b, b: c })
            }
        }
    }

    fn test(&mut self, Comparison { op, a, b }: Comparison) -> Test<VReg> {
        let is_equality = matches!(op, IrOp::Eq | IrOp::Ne);
        match b {
            Constant(c) if is_equality => self
                .masked(op, a, c)
                .unwrap_or_else(|| self.equality(op, a, c)),
            Constant(c) if matches!(op, IrOp::Ltu | IrOp::Geu) => self.order(op, a, c),
            // `a < 1` is `0 >= a`, and 0 is at hand.
            Constant(1) => {
                let op = if op == IrOp::Lt { Op::Bge } else { Op::Blt };
                let rs2 = self.reg(a);
                Test { op, rs1: ZERO, rs2 }
            }
            Constant(c) => {
                let (rs1, rs2) = (self.reg(a), self.constant(c));
                Test {
                    op: branch(op),
                    rs1,
                    rs2,
                }
            }
            Other::Value(b) => {
                let (rs1, rs2) = (self.reg(a), self.reg(b));
                Test {
                    op: branch(op),
                    rs1,
                    rs2,
                }
            }
        }
    }

    fn equality(&mut self, op: IrOp, a: Value, c: u32) -> Test<VReg> {
        let Some(&Rest { after, .. }) = self.rests.get(&self.current) else {
            let rs1 = self.reg(a);
            return self.difference(op, rs1, c);
        };
        let (from, known) = match after {
            None => (self.reg(a), 0),
            Some(block) => (self.rest(block), self.rests[&block].constant),
        };
        let rs1 = self.rest(self.current);
        self.i(Op::Addi, rs1, from, known.wrapping_sub(c).cast_signed());
        Test {
            op: branch(op),
            rs1,
            rs2: ZERO,
        }
    }

    /// The register that holds what is left of a value after the subtraction that a block ends with.
    fn rest(&mut self, block: usize) -> VReg {
        let known = self.rests[&block].reg;
        let reg = known.unwrap_or_else(|| self.out.fresh());
        if let Some(rest) = self.rests.get_mut(&block) {
            rest.reg = Some(reg);
        }
        reg
    }

    /// Finds the blocks that end with a subtraction, so that the next test of the same value can go on from there.
    pub(super) fn find_rests(&mut self) {
        let mut of: BTreeMap<Value, Vec<usize>> = BTreeMap::new();
        for at in 0..self.blocks.len() {
            let Term::Branch { cond, .. } = self.f.blocks[self.blocks[at]].term else {
                continue;
            };
            let whole = Comparison {
                op: IrOp::Ne,
                a: cond,
                b: Constant(0),
            };
            let Comparison { op, a, b } = self.simplified(whole);
            let Constant(constant) = b else { continue };
            let is_equality = matches!(op, IrOp::Eq | IrOp::Ne);
            if !is_equality || constant == 0 || self.bits_of(a).is_some() {
                continue;
            }
            let before = of.entry(a).or_default();
            let after = before.iter().rev().copied().find(|&b| {
                let step = self.rests[&b].constant.wrapping_sub(constant).cast_signed();
                step != 0 && fits6(step) && self.graph.dominates(b, at)
            });
            if after.is_some() || fits12(constant.wrapping_neg().cast_signed()) {
                before.push(at);
                let rest = Rest {
                    constant,
                    after,
                    reg: None,
                };
                self.rests.insert(at, rest);
            }
        }
    }

    /// Tests `rs1 == c`, by subtraction where that fits.
    fn difference(&mut self, op: IrOp, rs1: VReg, c: u32) -> Test<VReg> {
        let op = branch(op);
        let negative = c.wrapping_neg().cast_signed();
        if c == 0 {
            return Test { op, rs1, rs2: ZERO };
        }
        if fits12(negative) {
            let rest = self.out.fresh();
            self.i(Op::Addi, rest, rs1, negative);
            return Test {
                op,
                rs1: rest,
                rs2: ZERO,
            };
        }
        let rs2 = self.constant(c);
        Test { op, rs1, rs2 }
    }

    fn order(&mut self, op: IrOp, a: Value, c: u32) -> Test<VReg> {
        let below = op == IrOp::Ltu;
        let may_change = self.input.care == Care::Short;
        if c.is_power_of_two() && self.dies(a) && may_change && !self.is_len(a) {
            let rs1 = self.reg(a);
            let high = self.out.fresh();
            self.i(Op::Srli, high, rs1, c.trailing_zeros().cast_signed());
            return Test {
                op: if below { Op::Beq } else { Op::Bne },
                rs1: high,
                rs2: ZERO,
            };
        }
        let rs1 = self.reg(a);
        let immediate = c.cast_signed();
        if fits6(immediate) || !fits12(immediate) || c == 0 || !may_change {
            let rs2 = self.constant(c);
            return Test {
                op: branch(op),
                rs1,
                rs2,
            };
        }
        let less = self.out.fresh();
        self.i(Op::Sltiu, less, rs1, immediate);
        Test {
            op: if below { Op::Bne } else { Op::Beq },
            rs1: less,
            rs2: ZERO,
        }
    }

    fn is_len(&self, v: Value) -> bool {
        self.def(v).is_some_and(|def| def.op == IrOp::Len)
    }

    /// The bits that `a` is, if the steps from them to `a` are needed for one test alone.
    fn bits_of(&self, a: Value) -> Option<Bits> {
        let mut bits = Bits {
            x: a,
            mask: u32::MAX,
            shift: 0,
        };
        while let Some(inner) = self.inner_bits(bits) {
            bits = inner;
        }
        (bits.x != a).then_some(bits)
    }

    fn inner_bits(&self, Bits { x, mask, shift }: Bits) -> Option<Bits> {
        let def = self.def(x).filter(|_| self.dies(x))?;
        let (&a, &b) = (def.args.first()?, def.args.get(1)?);
        match (def.op, self.constant_of(a), self.constant_of(b)) {
            (IrOp::And, _, Some(kept)) => Some(Bits {
                x: a,
                mask: mask & kept,
                shift,
            }),
            (IrOp::And, Some(kept), None) => Some(Bits {
                x: b,
                mask: mask & kept,
                shift,
            }),
            (IrOp::Shr, _, Some(by @ 1..32)) if shift + by < 32 => Some(Bits {
                x: a,
                mask: mask << by,
                shift: shift + by,
            }),
            _ => None,
        }
    }

    /// The lowest bit of a number that is shifted by a variable for this alone, where one instruction takes it out.
    fn bit_extracted(&mut self, x: Value) -> Option<VReg> {
        let def = self.def(x).filter(|_| self.dies(x))?;
        let (&a, &by) = (def.args.first()?, def.args.get(1)?);
        if def.op != IrOp::Shr || !self.input.isa.allows(Op::Bext) || self.constant_of(by).is_some()
        {
            return None;
        }
        let (rs1, rs2, rd) = (self.reg(a), self.reg(by), self.out.fresh());
        self.r(Op::Bext, rd, rs1, rs2);
        Some(rd)
    }

    /// Tests `a == c` where `a` is some bits of a value that is needed for nothing else.
    fn masked(&mut self, op: IrOp, a: Value, c: u32) -> Option<Test<VReg>> {
        let Bits { x, mask, shift } = self.bits_of(a)?;
        let all = width_mask(self.width(x));
        let mask = mask & all;
        let wanted = c << shift;
        if mask == 0 || wanted & !mask != 0 || wanted >> shift != c {
            return None;
        }
        let c = wanted;
        if mask == 1
            && let Some(rs1) = self.bit_extracted(x)
        {
            let op = if (op == IrOp::Eq) == (c == 1) {
                Op::Bne
            } else {
                Op::Beq
            };
            return Some(Test { op, rs1, rs2: ZERO });
        }
        let plans = [
            plan_mask(mask, all, c),
            plan_shift_left(mask, c),
            plan_shift_right(mask, all, c),
            plan_sign(mask, c),
            plan_field(mask, c),
            plan_bit(mask, c, self.input.isa),
            plan_low_half(mask, c, self.input.isa),
        ];
        let keeps = !self.dies(x);
        let isa = self.input.isa;
        let best = plans
            .into_iter()
            .flatten()
            .min_by_key(|plan| plan.bytes(keeps, isa))?;
        let mut rs1 = self.reg(x);
        for &(op, imm) in best.steps.iter().filter(|step| !is_identity(**step)) {
            let rd = self.out.fresh();
            self.i(op, rd, rs1, imm);
            rs1 = rd;
        }
        match best.then {
            Then::Equal(c) => Some(self.difference(op, rs1, c)),
            Then::Set(set) => {
                let op = if (op == IrOp::Eq) == set {
                    Op::Bne
                } else {
                    Op::Beq
                };
                Some(Test { op, rs1, rs2: ZERO })
            }
            Then::Negative(negative) => {
                let op = if (op == IrOp::Eq) == negative {
                    Op::Blt
                } else {
                    Op::Bge
                };
                Some(Test { op, rs1, rs2: ZERO })
            }
        }
    }
}

/// A value is `(x & mask) >> shift`.
#[derive(Clone, Copy)]
struct Bits {
    x: Value,
    mask: u32,
    shift: u32,
}

/// A subtraction that a block ends with.
pub(super) struct Rest {
    /// What is subtracted in all.
    constant: u32,
    /// The block whose rest it goes on from.
    after: Option<usize>,
    reg: Option<VReg>,
}

/// The size of an instruction with an immediate, in place or not, over compact registers.
pub(super) fn step_bytes(isa: &Isa, op: Op, imm: i32, in_place: bool) -> u32 {
    let from = if in_place { Reg::A2 } else { Reg::A3 };
    isa.size(&Inst::i(op, Reg::A2, from, imm))
}

/// A way to test some bits: at most two steps, then a comparison.
struct Plan {
    steps: [(Op, i32); 2],
    then: Then,
}

enum Then {
    /// Equal to the constant.
    Equal(u32),
    /// Negative, or not.
    Negative(bool),
    /// 1, or 0.
    Set(bool),
}

const NO_STEP: (Op, i32) = (Op::Addi, 0);

fn is_identity((op, imm): (Op, i32)) -> bool {
    imm == 0 && !matches!(op, Op::Andi | Op::Zexth | Op::Bexti)
}

impl Plan {
    /// Its size, when its operand has to be kept or not, and registers are compact ones.
    fn bytes(&self, keeps: bool, isa: &Isa) -> u32 {
        let mut bytes = 0;
        let mut in_place = !keeps;
        let mut step = |op: Op, imm: i32| {
            bytes += step_bytes(isa, op, imm, in_place);
            in_place = true;
        };
        for &(op, imm) in self.steps.iter().filter(|step| !is_identity(**step)) {
            step(op, imm);
        }
        match self.then {
            Then::Equal(0) | Then::Set(_) => bytes + 2,
            Then::Equal(c) if fits12(c.wrapping_neg().cast_signed()) => {
                step(Op::Addi, c.wrapping_neg().cast_signed());
                bytes + 2
            }
            Then::Equal(c) => bytes + crate::mir::constant_bytes(c, isa) + 4,
            Then::Negative(_) => bytes + 4,
        }
    }
}

/// `x & mask == c` by `andi`.
fn plan_mask(mask: u32, all: u32, c: u32) -> Option<Plan> {
    let imm = mask_immediate(mask, all)?;
    Some(Plan {
        steps: [(Op::Andi, imm), NO_STEP],
        then: Then::Equal(c),
    })
}

/// The low bits are all zero: shift the others out.
fn plan_shift_left(mask: u32, c: u32) -> Option<Plan> {
    let is_low = mask.wrapping_add(1) & mask == 0;
    (is_low && c == 0).then(|| Plan {
        steps: [(Op::Slli, mask.leading_zeros().cast_signed()), NO_STEP],
        then: Then::Equal(0),
    })
}

/// The high bits of the width: shift the others out.
fn plan_shift_right(mask: u32, all: u32, c: u32) -> Option<Plan> {
    let low = mask.trailing_zeros();
    (mask == all & (u32::MAX << low)).then(|| Plan {
        steps: [(Op::Srli, low.cast_signed()), NO_STEP],
        then: Then::Equal(c >> low),
    })
}

/// One bit: make it the sign.
fn plan_sign(mask: u32, c: u32) -> Option<Plan> {
    mask.is_power_of_two().then(|| Plan {
        steps: [(Op::Slli, mask.leading_zeros().cast_signed()), NO_STEP],
        then: Then::Negative(c != 0),
    })
}

/// Bits in a row: shift out what stands on both sides.
fn plan_field(mask: u32, c: u32) -> Option<Plan> {
    let (left, low) = (mask.leading_zeros(), mask.trailing_zeros());
    let is_run = mask == (u32::MAX >> left) & (u32::MAX << low);
    is_run.then(|| Plan {
        steps: [
            (Op::Slli, left.cast_signed()),
            (Op::Srli, (left + low).cast_signed()),
        ],
        then: Then::Equal(c >> low),
    })
}

/// One bit: take it out.
fn plan_bit(mask: u32, c: u32, isa: &Isa) -> Option<Plan> {
    (mask.is_power_of_two() && isa.allows(Op::Bexti)).then(|| Plan {
        steps: [(Op::Bexti, mask.trailing_zeros().cast_signed()), NO_STEP],
        then: Then::Set(c != 0),
    })
}

/// The low half: extend it.
fn plan_low_half(mask: u32, c: u32, isa: &Isa) -> Option<Plan> {
    (mask == 0xffff && isa.allows(Op::Zexth)).then_some(Plan {
        steps: [(Op::Zexth, 0), NO_STEP],
        then: Then::Equal(c),
    })
}

pub(super) fn is_comparison(op: IrOp) -> bool {
    matches!(
        op,
        IrOp::Eq | IrOp::Ne | IrOp::Ltu | IrOp::Geu | IrOp::Lt | IrOp::Ge
    )
}

fn inverse(op: IrOp) -> IrOp {
    match op {
        IrOp::Eq => IrOp::Ne,
        IrOp::Ne => IrOp::Eq,
        IrOp::Ltu => IrOp::Geu,
        IrOp::Geu => IrOp::Ltu,
        IrOp::Lt => IrOp::Ge,
        _ => IrOp::Lt,
    }
}

fn branch(op: IrOp) -> Op {
    match op {
        IrOp::Eq => Op::Beq,
        IrOp::Ne => Op::Bne,
        IrOp::Ltu => Op::Bltu,
        IrOp::Geu => Op::Bgeu,
        IrOp::Lt => Op::Blt,
        _ => Op::Bge,
    }
}
