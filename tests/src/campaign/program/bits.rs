//! Instructions of Zba, Zbb and Zbs, and the 16-bit forms of Zcb, in generated code.
//!
//! In: the code so far, or an accepted image. Out: the same with one such instruction, or in its shortest form. Guaranteed: an
//! image is given back that is accepted.

use nfl_abi::{Image, Limits};
use nfl_isa::{Inst, Op, Reg, Target};
use nfl_verify::{certify, prove};

use super::{Writer, pick};
use crate::campaign::mutant::Base;

const OF_TWO: &[Op] = &[
    Op::Sh1add,
    Op::Sh2add,
    Op::Sh3add,
    Op::Andn,
    Op::Orn,
    Op::Xnor,
    Op::Max,
    Op::Maxu,
    Op::Min,
    Op::Minu,
    Op::Rol,
    Op::Ror,
    Op::Bclr,
    Op::Bext,
    Op::Binv,
    Op::Bset,
];
const OF_ONE: &[Op] = &[
    Op::Clz,
    Op::Ctz,
    Op::Cpop,
    Op::Sextb,
    Op::Sexth,
    Op::Zexth,
    Op::Orcb,
    Op::Rev8,
];
const BY_AMOUNT: &[Op] = &[Op::Rori, Op::Bclri, Op::Bexti, Op::Binvi, Op::Bseti];

/// The target that has them all.
pub(super) fn target() -> &'static Target {
    Target::find("rv32-full").unwrap_or(Target::DEFAULT)
}

impl Writer<'_> {
    pub(super) fn bits(&mut self) {
        let (rd, rs) = (self.register(), self.index());
        let inst = match self.rng.below(6) {
            0 => Inst::i(pick(self.rng, OF_ONE), rd, rs, 0),
            1 => {
                let amount = pick(self.rng, &[0, 1, 2, 4, 5, 8, 12, 16, 24, 30, 31]);
                Inst::i(pick(self.rng, BY_AMOUNT), rd, rs, amount)
            }
            // An element's address.
            2 => {
                let base = pick(self.rng, &[Reg::S0, Reg::SP, Reg::TP, Reg::GP]);
                Inst::r(pick(self.rng, &OF_TWO[..3]), rd, rs, base)
            }
            _ => Inst::r(pick(self.rng, OF_TWO), rd, rs, self.operand()),
        };
        self.put(inst);
    }
}

/// An accepted image with every instruction in its shortest form, where that is accepted too.
pub(super) fn shortened(image: Image, limits: &Limits) -> Image {
    let mut short = Base::new(image.clone()).compressed();
    short.certificate.clear();
    if let Ok(certificate) = certify(&short, limits) {
        short.certificate = certificate;
    }
    if prove(&short, limits).is_ok() {
        short
    } else {
        image
    }
}
