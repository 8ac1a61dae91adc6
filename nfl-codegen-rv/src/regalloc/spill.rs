//! Putting words aside.
//!
//! In: code and the registers that found no colour. Out: code in which each of them lives in a word of scratch, and in a
//! register only around the instructions that name it. A constant is not put aside but made again.

use std::collections::{BTreeMap, BTreeSet};

use nfl_isa::{Inst, Op};

use crate::mir::{Code, End, Func, Line, SP, Tag, Test, VReg, ZERO};
use crate::scratch::{Full, Scratch};

/// Where a register's word is when no register holds it.
#[derive(Clone, Copy)]
enum Home {
    Word(u32),
    Constant(u32),
}

/// Rewrites the code; the new short-lived registers are added to `pinned`.
pub(super) fn spill(
    f: &mut Func<VReg>,
    crowded: &BTreeSet<VReg>,
    scratch: &mut Scratch,
    pinned: &mut BTreeSet<VReg>,
) -> Result<(), Full> {
    let constants = constants(f);
    let mut homes = BTreeMap::new();
    for &v in crowded {
        let home = match constants.get(&v) {
            Some(Some(value)) => Home::Constant(*value),
            _ => Home::Word(scratch.word()?),
        };
        homes.insert(v, home);
    }
    for b in 0..f.blocks.len() {
        let mut lines = Vec::new();
        for line in std::mem::take(&mut f.blocks[b].lines) {
            rewrite(f, &homes, line, &mut lines, pinned);
        }
        if let End::Branch {
            test,
            then,
            otherwise,
        } = f.blocks[b].end
        {
            let span = f.blocks[b].span;
            let mut fetch = |v| fetch(f, &homes, v, span, &mut lines, pinned);
            let rs1 = fetch(test.rs1);
            let rs2 = if test.rs2 == test.rs1 {
                rs1
            } else {
                fetch(test.rs2)
            };
            f.blocks[b].end = End::Branch {
                test: Test {
                    op: test.op,
                    rs1,
                    rs2,
                },
                then,
                otherwise,
            };
        }
        f.blocks[b].lines = lines;
    }
    Ok(())
}

fn rewrite(
    f: &mut Func<VReg>,
    homes: &BTreeMap<VReg, Home>,
    line: Line<VReg>,
    lines: &mut Vec<Line<VReg>>,
    pinned: &mut BTreeSet<VReg>,
) {
    // What a call writes is no virtual register.
    let home = line.code.defs().next().and_then(|d| homes.get(&d));
    if let Some(Home::Constant(_)) = home {
        return;
    }
    let mut fetched = BTreeMap::new();
    let code = line.code.map_uses(|v| {
        *fetched
            .entry(v)
            .or_insert_with(|| fetch(f, homes, v, line.span, lines, pinned))
    });
    match home {
        Some(Home::Word(at)) => {
            let short = f.fresh();
            pinned.insert(short);
            lines.push(Line {
                code: code.with_def(short),
                ..line
            });
            let imm = at.cast_signed();
            let store = Inst {
                op: Op::Sw,
                rd: ZERO,
                rs1: SP,
                rs2: short,
                imm,
            };
            lines.push(Line {
                code: Code::Inst(store),
                tag: Tag::Spill,
                span: line.span,
            });
        }
        _ => lines.push(Line { code, ..line }),
    }
}

/// A register that holds the word of `v`, loaded from its home if it has one.
fn fetch(
    f: &mut Func<VReg>,
    homes: &BTreeMap<VReg, Home>,
    v: VReg,
    span: Option<nfl_syntax::Span>,
    lines: &mut Vec<Line<VReg>>,
    pinned: &mut BTreeSet<VReg>,
) -> VReg {
    let Some(home) = homes.get(&v) else {
        return v;
    };
    let rd = f.fresh();
    pinned.insert(rd);
    let (code, tag) = match *home {
        Home::Word(at) => {
            let load = Inst {
                op: Op::Lw,
                rd,
                rs1: SP,
                rs2: ZERO,
                imm: at.cast_signed(),
            };
            (Code::Inst(load), Tag::Reload)
        }
        Home::Constant(value) => (Code::Li { rd, value }, Tag::Again),
    };
    lines.push(Line { code, tag, span });
    rd
}

/// The registers that one constant load defines, with the constant; those with other definitions have none.
pub(super) fn constants(f: &Func<VReg>) -> BTreeMap<VReg, Option<u32>> {
    let mut constants = BTreeMap::new();
    for line in f.blocks.iter().flat_map(|b| &b.lines) {
        let value = match line.code {
            Code::Li { value, .. } => Some(value),
            Code::Inst(_) | Code::Call { .. } => None,
        };
        for d in line.code.defs() {
            constants
                .entry(d)
                .and_modify(|known| *known = None)
                .or_insert(value);
        }
    }
    constants
}
