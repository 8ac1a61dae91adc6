//! Targets: which rows of the table code may use.
//!
//! In: a name as `--target` and `--march` take it. Out: the target and its number, which images carry.

use crate::{Extension, Op};

/// An instruction set that code can be made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The number in images. Never reused.
    pub id: u8,
    pub name: &'static str,
    /// A short name that means the same.
    pub alias: Option<&'static str>,
    /// False for a target whose name is known but which this release cannot make code for.
    pub available: bool,
    extensions: &'static [Extension],
}

/// All targets, in the order of their numbers. The first is the default.
pub const TARGETS: &[Target] = &[
    Target {
        id: 0,
        name: "rv32imc",
        alias: None,
        available: true,
        extensions: &[Extension::I, Extension::M],
    },
    Target {
        id: 1,
        name: "rv32ic",
        alias: None,
        available: true,
        extensions: &[Extension::I],
    },
    Target {
        id: 2,
        name: "rv32imc_zba_zbb_zbs_zcb",
        alias: Some("rv32-full"),
        available: false,
        extensions: &[Extension::I, Extension::M],
    },
    Target {
        id: 3,
        name: "nme-2017",
        alias: None,
        available: false,
        extensions: &[Extension::I],
    },
];

impl Target {
    /// What code is made for when nobody says otherwise.
    pub const DEFAULT: &'static Target = &TARGETS[0];

    /// The target with a name or alias.
    pub fn find(name: &str) -> Option<&'static Target> {
        TARGETS
            .iter()
            .find(|target| target.name == name || target.alias == Some(name))
    }

    /// The target with a number.
    pub fn by_id(id: u8) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.id == id)
    }

    /// True when code for this target may use the instruction.
    pub fn allows(&self, op: Op) -> bool {
        self.extensions.contains(&op.spec().extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_the_same_row() {
        for (at, target) in TARGETS.iter().enumerate() {
            assert_eq!(usize::from(target.id), at);
            assert_eq!(Target::find(target.name), Some(target));
            assert_eq!(Target::by_id(target.id), Some(target));
        }
        assert_eq!(Target::find("rv32-full").map(|target| target.id), Some(2));
        assert_eq!(Target::find("rv64gc"), None);
        assert_eq!(Target::by_id(4), None);
    }

    #[test]
    fn the_multiplier_belongs_to_m() {
        let rv32ic = Target::find("rv32ic").expect("a row of the table");
        assert!(Target::DEFAULT.allows(Op::Mul) && !rv32ic.allows(Op::Remu));
        assert!(rv32ic.allows(Op::Ebreak) && Target::DEFAULT.available);
    }
}
