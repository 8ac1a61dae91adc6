//! Targets: which rows of the tables code may use.
//!
//! In: a name as `--target` and `--march` take it. Out: the target and its number, which images carry, and what it has.

use crate::form::Form;
use crate::march::{self, MarchError};
use crate::{Extension, Inst, Op, compress, decode};

/// An instruction set that code can be made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The number in images. Never reused.
    pub id: u8,
    pub name: &'static str,
    /// A short name that means the same.
    pub alias: Option<&'static str>,
    /// What an engine of this kind has room for, where that is less than the machine's map.
    pub room: Option<Room>,
    pub(crate) extensions: Extensions,
}

/// What an engine has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    pub code_bytes: u32,
    /// Constants and the carried area together.
    pub data_bytes: u32,
}

/// A set of [`Extension`], one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extensions(u8);

impl Extensions {
    pub(crate) const fn of(extensions: &[Extension]) -> Extensions {
        let (mut set, mut at) = (0, 0);
        while at < extensions.len() {
            set |= 1 << extensions[at] as u8;
            at += 1;
        }
        Extensions(set)
    }

    pub(crate) const fn has(self, extension: Extension) -> bool {
        self.0 >> extension as u8 & 1 != 0
    }

    pub(crate) fn add(&mut self, extensions: &[Extension]) {
        self.0 |= Extensions::of(extensions).0;
    }

    /// Whether all of these are in `others` too.
    pub(crate) fn within(self, others: Extensions) -> bool {
        self.0 & !others.0 == 0
    }
}

const BASE: Extensions = Extensions::of(&[Extension::I]);

/// All targets, in the order of their numbers. The first is the default.
pub const TARGETS: &[Target] = &[
    Target {
        id: 0,
        name: "rv32imc",
        alias: None,
        room: None,
        extensions: Extensions::of(&[Extension::I, Extension::M]),
    },
    Target {
        id: 1,
        name: "rv32ic",
        alias: None,
        room: None,
        extensions: BASE,
    },
    Target {
        id: 2,
        name: "rv32imc_zba_zbb_zbs_zcb",
        alias: Some("rv32-full"),
        room: None,
        extensions: Extensions::of(&[
            Extension::I,
            Extension::M,
            Extension::Zba,
            Extension::Zbb,
            Extension::Zbs,
            Extension::Zcb,
        ]),
    },
    // The limits of the engine that Bayware published in 2017, not its binary interface.
    Target {
        id: 3,
        name: "nme-2017",
        alias: None,
        room: Some(Room {
            code_bytes: 2044,
            data_bytes: 124,
        }),
        extensions: BASE,
    },
];

impl Target {
    /// What code is made for when nobody says otherwise.
    pub const DEFAULT: &'static Target = &TARGETS[0];

    /// The target with a name or alias, or of the instruction set that a name in the spelling of `-march` means.
    ///
    /// # Errors
    ///
    /// When no target is exactly that; the error has the nearest name.
    pub fn find(name: &str) -> Result<&'static Target, MarchError> {
        let named = TARGETS
            .iter()
            .find(|target| target.name == name || target.alias == Some(name));
        named.map_or_else(|| march::find(name), Ok)
    }

    /// The target with a number.
    pub fn by_id(id: u8) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.id == id)
    }

    /// True when code for this target may use the instruction, in 32 bits at least.
    pub fn allows(&self, op: Op) -> bool {
        self.extensions.has(op.spec().extension)
    }

    /// True when code for this target may use a 16-bit form.
    pub fn allows_form(&self, form: &Form) -> bool {
        form.needs.within(self.extensions)
    }

    /// The instruction at the start of `bytes` and its size, when this target has it in that form. [`crate::decode()`] tells why
    /// there is none, if it is not the target alone.
    #[inline]
    pub fn read(&self, bytes: &[u8]) -> Option<(Inst, u32)> {
        decode::read(bytes, self.extensions)
    }

    /// True when the instruction that [`crate::decode()`] found at the start of `bytes` is one of this target, in the form it
    /// has there.
    pub fn has(&self, inst: &Inst, bytes: &[u8]) -> bool {
        self.allows(inst.op)
            && match *bytes {
                [a, b, ..] if a & 3 != 3 && !self.extensions.has(Extension::Zcb) => {
                    Form::find(u16::from_le_bytes([a, b]))
                        .is_some_and(|form| self.allows_form(form))
                }
                _ => true,
            }
    }

    /// The 16-bit form of an instruction, if this target has one.
    pub fn compress(&self, inst: &Inst) -> Option<u16> {
        compress::among(inst, |form| self.allows_form(form))
    }

    /// The size in bytes of the shortest form on this target: 2 or 4.
    pub fn size(&self, inst: &Inst) -> u32 {
        if self.compress(inst).is_some() { 2 } else { 4 }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::FORMS;

    #[test]
    fn names_and_numbers_find_the_same_row() {
        for (at, target) in TARGETS.iter().enumerate() {
            assert_eq!(usize::from(target.id), at);
            assert_eq!(Target::find(target.name), Ok(target));
            assert_eq!(Target::by_id(target.id), Some(target));
        }
        assert_eq!(Target::find("rv32-full").map(|target| target.id), Ok(2));
        assert!(Target::find("rv64gc").is_err());
        assert_eq!(Target::by_id(4), None);
    }

    #[test]
    fn what_an_extension_adds_belongs_to_it_alone() {
        let [imc, ic, full, nme] = TARGETS else {
            panic!("four targets");
        };
        assert!(imc.allows(Op::Mul) && !ic.allows(Op::Remu) && !nme.allows(Op::Mul));
        assert!(ic.allows(Op::Ebreak));
        for op in [Op::Sh1add, Op::Andn, Op::Rev8, Op::Bexti] {
            assert!(
                full.allows(op) && !imc.allows(op) && !ic.allows(op),
                "{op:?}"
            );
        }
        let forms = |target: &Target| FORMS.iter().filter(|f| target.allows_form(f)).count();
        assert_eq!([imc, ic, full, nme].map(forms), [27, 27, 38, 27]);
    }

    #[test]
    fn reading_is_decoding_and_asking() {
        let mut words: Vec<u32> = (0..=u32::from(u16::MAX)).collect();
        for spec in crate::SPECS {
            // Each row alone, with other registers and immediates, and with a bit that no row has.
            let free = !spec.mask();
            words
                .extend([0, free, 0x0123_4567 & free, 0x8b5a_d298 & free].map(|n| spec.bits() | n));
            words.extend((0..32).map(|bit| spec.bits() ^ 1 << bit));
        }
        for target in TARGETS {
            for &word in &words {
                let bytes = word.to_le_bytes();
                let decoded = decode::decode(&bytes).ok();
                let asked = decoded.filter(|(inst, _)| target.has(inst, &bytes));
                assert_eq!(target.read(&bytes), asked, "{word:08x} on {}", target.name);
            }
            assert_eq!(target.read(&[0x13, 0, 0]), None);
        }
    }
}
