//! Names of instruction sets as GCC and Clang spell them in `-march`.
//!
//! In: text such as `rv32imc_zbb_zba_zbs_zca_zcb`. Out: the target that is exactly that, or what is wrong with the name and the
//! nearest target. Letters come in any case and order, versions such as `2p0` and underscores where the RISC-V ISA manual
//! (volume I, "ISA Extension Naming Conventions") lets them stand. `zca` is what `c` is without floating point, `b` is Zba, Zbb
//! and Zbs together.

use alloc::string::{String, ToString};
use core::fmt;

use crate::target::{Extensions, TARGETS};
use crate::{Extension, Target};

/// MarchFault a name is no target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarchError {
    /// What is wrong with it.
    pub why: MarchFault,
    /// The target with the most of what was asked for, and nothing else; or the smallest, where it lacks something.
    pub nearest: &'static Target,
}

/// What is wrong with the name of an instruction set.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MarchFault {
    /// It does not start as the name of an instruction set of 32 bits with 32 registers does.
    NoName,
    /// It asks for something that microcode never has.
    Extra(String),
    /// It has no compressed instructions, which every target has.
    Uncompressed,
    /// No target is exactly this.
    NoTarget,
}

impl fmt::Display for MarchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            MarchFault::NoName => write!(f, "it names no instruction set of 32 bits")?,
            MarchFault::Extra(part) => {
                write!(f, "it asks for `{part}`, which microcode never has")?
            }
            MarchFault::Uncompressed => write!(
                f,
                "it has no compressed instructions, which microcode needs"
            )?,
            MarchFault::NoTarget => write!(f, "no target is exactly this instruction set")?,
        }
        write!(f, "; the nearest target is `{}`", self.nearest.name)
    }
}

impl core::error::Error for MarchError {}

/// The target that a name in the spelling of `-march` means.
pub(crate) fn find(name: &str) -> Result<&'static Target, MarchError> {
    let name = name.to_ascii_lowercase();
    let Some(parts) = name
        .strip_prefix("rv32")
        .filter(|rest| rest.starts_with(['i', 'g']))
    else {
        return Err(MarchError {
            why: MarchFault::NoName,
            nearest: Target::DEFAULT,
        });
    };
    let mut asked = Asked {
        extensions: Extensions::of(&[Extension::I]),
        compressed: false,
        extra: None,
    };
    for part in parts.split('_') {
        asked.part(part);
    }
    let nearest = asked.nearest();
    let why = match asked.extra {
        Some(part) => MarchFault::Extra(part),
        None if !asked.compressed => MarchFault::Uncompressed,
        None if nearest.extensions != asked.extensions => MarchFault::NoTarget,
        None => return Ok(nearest),
    };
    Err(MarchError { why, nearest })
}

/// What a name asks for.
struct Asked {
    extensions: Extensions,
    compressed: bool,
    /// The first part that no target has.
    extra: Option<String>,
}

impl Asked {
    /// What stands between two underscores: letters, the last of which may start a longer name.
    fn part(&mut self, part: &str) {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            if matches!(first, 'z' | 's' | 'x') {
                self.long(without_version(rest));
                return;
            }
            let (letter, after) = rest.split_at(first.len_utf8());
            match first {
                'i' => {}
                'm' => self.extensions.add(&[Extension::M]),
                'c' => self.compressed = true,
                'b' => self
                    .extensions
                    .add(&[Extension::Zba, Extension::Zbb, Extension::Zbs]),
                'g' => {
                    self.extensions.add(&[Extension::M]);
                    self.refuse(letter);
                }
                _ => self.refuse(letter),
            }
            rest = behind_version(after);
        }
    }

    fn long(&mut self, name: &str) {
        match name {
            "zca" => self.compressed = true,
            "zba" => self.extensions.add(&[Extension::Zba]),
            "zbb" => self.extensions.add(&[Extension::Zbb]),
            "zbs" => self.extensions.add(&[Extension::Zbs]),
            "zcb" => {
                self.compressed = true;
                self.extensions.add(&[Extension::Zcb]);
            }
            _ => self.refuse(name),
        }
    }

    fn refuse(&mut self, part: &str) {
        self.extra.get_or_insert_with(|| part.to_string());
    }

    fn nearest(&self) -> &'static Target {
        // Later targets of equal reach are the same instruction set with limits, which a name like this does not mean.
        let within = TARGETS
            .iter()
            .filter(|target| target.extensions.within(self.extensions));
        within.fold(&TARGETS[1], |nearest, target| {
            if target.extensions.within(nearest.extensions) {
                nearest
            } else {
                target
            }
        })
    }
}

/// Behind a version such as `2` or `2p0`, if one stands here.
fn behind_version(text: &str) -> &str {
    let behind = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if behind.len() == text.len() {
        return text;
    }
    match behind.strip_prefix('p') {
        Some(minor) if minor.starts_with(|c: char| c.is_ascii_digit()) => {
            minor.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => behind,
    }
}

/// A long name without the version at its end.
fn without_version(name: &str) -> &str {
    let digits =
        |text: &str| -> usize { text.trim_end_matches(|c: char| c.is_ascii_digit()).len() };
    let at = digits(name);
    let major = name[..at].strip_suffix('p').map(digits);
    match major {
        Some(major) if at < name.len() && major + 1 < at => &name[..major],
        _ => &name[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn spellings_of_the_same_set_are_one_target() {
        for (name, target) in [
            ("rv32imc", "rv32imc"),
            ("RV32IMC", "rv32imc"),
            ("rv32icm", "rv32imc"),
            ("rv32i_m_c", "rv32imc"),
            ("rv32i2p1_m2p0_c2p0", "rv32imc"),
            ("rv32i2p1m2p0c2p0", "rv32imc"),
            ("rv32i2mc", "rv32imc"),
            ("rv32im_zca", "rv32imc"),
            ("rv32imc_zca1p0", "rv32imc"),
            ("rv32ic", "rv32ic"),
            ("rv32i_c", "rv32ic"),
            ("rv32i_zca", "rv32ic"),
            ("rv32izca", "rv32ic"),
            ("rv32imc_zcb_zbs_zbb_zba", "rv32imc_zba_zbb_zbs_zcb"),
            ("rv32imc_zba_zbb_zbs_zca_zcb", "rv32imc_zba_zbb_zbs_zcb"),
            (
                "rv32imc_zba1p0_zbb1p0_zbs1p0_zcb1p0",
                "rv32imc_zba_zbb_zbs_zcb",
            ),
            ("rv32im_zba_zbb_zbs_zcb", "rv32imc_zba_zbb_zbs_zcb"),
            ("rv32imcb_zcb", "rv32imc_zba_zbb_zbs_zcb"),
        ] {
            assert_eq!(
                Target::find(name).map(|found| found.name),
                Ok(target),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_that_is_no_target_has_a_nearest_one() {
        let says: Vec<String> = [
            "",
            "rv64imc",
            "rv32e",
            "rv32emc",
            "rv32",
            "thumb",
            "rv32gc",
            "rv32imac",
            "rv32imfc_zba",
            "rv32imc_zicsr2p0_zifencei",
            "rv32imc_zcmp",
            "rv32imcé",
            "rv32im",
            "rv32i",
            "rv32imc_zbb",
            "rv32ic_zba_zbb_zbs_zcb",
            "rv32imc_zba_zbb_zbs_zcb_zcmp",
            "rv32imc_zbb2p",
        ]
        .iter()
        .filter_map(|name| Some(alloc::format!("{name}: {}", Target::find(name).err()?)))
        .collect();
        assert_eq!(
            says,
            [
                ": it names no instruction set of 32 bits; the nearest target is `rv32imc`",
                "rv64imc: it names no instruction set of 32 bits; the nearest target is `rv32imc`",
                "rv32e: it names no instruction set of 32 bits; the nearest target is `rv32imc`",
                "rv32emc: it names no instruction set of 32 bits; the nearest target is `rv32imc`",
                "rv32: it names no instruction set of 32 bits; the nearest target is `rv32imc`",
                "thumb: it names no instruction set of 32 bits; the nearest target is `rv32imc`",
                "rv32gc: it asks for `g`, which microcode never has; the nearest target is `rv32imc`",
                "rv32imac: it asks for `a`, which microcode never has; the nearest target is `rv32imc`",
                "rv32imfc_zba: it asks for `f`, which microcode never has; the nearest target is `rv32imc`",
                "rv32imc_zicsr2p0_zifencei: it asks for `zicsr`, which microcode never has; the nearest target is `rv32imc`",
                "rv32imc_zcmp: it asks for `zcmp`, which microcode never has; the nearest target is `rv32imc`",
                "rv32imcé: it asks for `é`, which microcode never has; the nearest target is `rv32imc`",
                "rv32im: it has no compressed instructions, which microcode needs; the nearest target is `rv32imc`",
                "rv32i: it has no compressed instructions, which microcode needs; the nearest target is `rv32ic`",
                "rv32imc_zbb: no target is exactly this instruction set; the nearest target is `rv32imc`",
                "rv32ic_zba_zbb_zbs_zcb: no target is exactly this instruction set; the nearest target is `rv32ic`",
                "rv32imc_zba_zbb_zbs_zcb_zcmp: it asks for `zcmp`, which microcode never has; the nearest target is `rv32imc_zba_zbb_zbs_zcb`",
                "rv32imc_zbb2p: it asks for `zbb2p`, which microcode never has; the nearest target is `rv32imc`",
            ]
        );
    }
}
