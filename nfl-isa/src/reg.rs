//! The 32 integer registers and their names.
//!
//! In: a number, or a name as assemblers write it (`a0`, `x10`, `fp`). Out: the register, printed by its ABI name.

use core::fmt;

/// An integer register, 0 to 31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Reg(pub u8);

const NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];

impl Reg {
    pub const ZERO: Reg = Reg(0);
    pub const RA: Reg = Reg(1);
    pub const SP: Reg = Reg(2);
    pub const GP: Reg = Reg(3);
    pub const TP: Reg = Reg(4);
    pub const T0: Reg = Reg(5);
    pub const T1: Reg = Reg(6);
    pub const T2: Reg = Reg(7);
    pub const S0: Reg = Reg(8);
    pub const S1: Reg = Reg(9);
    pub const A0: Reg = Reg(10);
    pub const A1: Reg = Reg(11);
    pub const A2: Reg = Reg(12);
    pub const A3: Reg = Reg(13);
    pub const A4: Reg = Reg(14);
    pub const A5: Reg = Reg(15);
    pub const A6: Reg = Reg(16);
    pub const A7: Reg = Reg(17);
    pub const S2: Reg = Reg(18);
    pub const S3: Reg = Reg(19);
    pub const S4: Reg = Reg(20);
    pub const S5: Reg = Reg(21);
    pub const S6: Reg = Reg(22);
    pub const S7: Reg = Reg(23);
    pub const S8: Reg = Reg(24);
    pub const S9: Reg = Reg(25);
    pub const S10: Reg = Reg(26);
    pub const S11: Reg = Reg(27);
    pub const T3: Reg = Reg(28);
    pub const T4: Reg = Reg(29);
    pub const T5: Reg = Reg(30);
    pub const T6: Reg = Reg(31);

    /// The number as an index into 32 of something.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// True for the eight registers that three-bit fields of 16-bit forms can name.
    pub const fn is_compact(self) -> bool {
        matches!(self.0, 8..=15)
    }

    /// The register with an ABI name, with `x0` to `x31`, or `fp`.
    pub fn parse(name: &str) -> Option<Reg> {
        if name == "fp" {
            return Some(Reg::S0);
        }
        if let Some(at) = NAMES.iter().position(|known| *known == name) {
            return u8::try_from(at).ok().map(Reg);
        }
        let digits = name.strip_prefix('x')?;
        let canonical = !digits.starts_with('+') && (digits == "0" || !digits.starts_with('0'));
        let number: u8 = digits.parse().ok()?;
        (canonical && number < 32).then_some(Reg(number))
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.index()) {
            Some(name) => f.pad(name),
            None => write!(f, "x{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_and_numbers_agree() {
        for number in 0..32 {
            let reg = Reg(number);
            assert_eq!(Reg::parse(&format!("{reg}")), Some(reg));
            assert_eq!(Reg::parse(&format!("x{number}")), Some(reg));
        }
        for wrong in ["x32", "x", "x-1", "x+1", "x01", "a8", "", "A0"] {
            assert_eq!(Reg::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Reg::T6.0, 31);
        assert_eq!(Reg::parse("s11"), Some(Reg::S11));
    }
}
