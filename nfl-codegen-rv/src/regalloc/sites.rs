//! The bytes of code as the registers are that it names.
//!
//! In: code and its nodes. Out: [`Sites`], the places that name each node, and the bytes there with any colours. Guaranteed: the bytes
//! that the encoder makes of it.
//!
//! The idea: what a colour costs is asked many thousand times, so all that does not depend on colours is found out before.

use nfl_isa::{Inst, Reg, Shape};

use super::interference::Interference;
use crate::graph::Edges;
use crate::mir::{Code, End, Func, VReg, ZERO, load_constant};

/// The places of a handler: the lines and the end of each block, in order.
pub(super) struct Sites {
    sites: Vec<Site>,
    parts: Vec<Part>,
    /// For each node the places that name it.
    of: Edges,
}

/// A place.
struct Site {
    /// Where its parts end; they start where those of the place before end.
    end: usize,
    kind: Kind,
    least: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Line,
    /// It takes nothing when its registers are the same.
    Move,
    /// As long as the code is within reach of the vector.
    Call,
    End,
}

/// Bytes of a call.
const CALL_BYTES: u32 = 2;
/// A displacement that every branch form reaches.
const NEAR: i32 = 32;

/// An instruction over nodes.
struct Part {
    shape: Shape,
    rd: VReg,
    rs1: VReg,
    rs2: VReg,
}

impl Sites {
    pub(super) fn new(f: &Func<VReg>, graph: &Interference) -> Sites {
        let lines: usize = f.blocks.iter().map(|block| block.lines.len() + 1).sum();
        let mut sites = Sites {
            sites: Vec::with_capacity(lines),
            parts: Vec::with_capacity(lines),
            of: Edges::default(),
        };
        let part = |inst: Inst<VReg>| {
            let Inst { op, imm, .. } = inst;
            let [rd, rs1, rs2] = [inst.rd, inst.rs1, inst.rs2].map(|v| graph.leader(v));
            Part {
                shape: Shape::new(f.isa, op, imm),
                rd,
                rs1,
                rs2,
            }
        };
        for block in &f.blocks {
            for line in &block.lines {
                match line.code {
                    Code::Inst(inst) => sites.parts.push(part(inst)),
                    Code::Li { rd, value } => {
                        let insts = load_constant(rd, ZERO, value, f.isa);
                        sites.parts.extend(insts.into_iter().map(part));
                    }
                    Code::Call { .. } => {}
                }
                sites.push(match line.code {
                    Code::Call { .. } => Kind::Call,
                    code if code.as_move().is_some() => Kind::Move,
                    _ => Kind::Line,
                });
            }
            if let End::Branch { test, .. } = block.end {
                sites.parts.push(part(test.inst(NEAR, ZERO)));
            }
            sites.push(Kind::End);
        }
        let named = |site| sites.named(site).map(VReg::index);
        let named: Edges = (0..sites.len()).map(named).collect();
        sites.of = named.turned(0..sites.len(), f.vregs as usize);
        sites
    }

    fn push(&mut self, kind: Kind) {
        let start = self.sites.last().map_or(0, |before| before.end);
        let parts = &self.parts[start..];
        let least = match kind {
            Kind::Move => 0,
            Kind::Call => CALL_BYTES,
            Kind::Line | Kind::End => parts.iter().map(|part| part.shape.least()).sum(),
        };
        self.sites.push(Site {
            end: self.parts.len(),
            kind,
            least,
        });
    }

    pub(super) fn len(&self) -> usize {
        self.sites.len()
    }

    /// Where each node is named, in order.
    pub(super) fn of(&self, node: VReg) -> &[usize] {
        &self.of[node.index()]
    }

    fn parts(&self, site: usize) -> &[Part] {
        let before = site.checked_sub(1);
        let start = before.map_or(0, |before| self.sites[before].end);
        &self.parts[start..self.sites[site].end]
    }

    /// The nodes that a place names, each once.
    fn named(&self, site: usize) -> impl Iterator<Item = VReg> {
        // The second part of a constant names what the first does.
        let first = self.parts(site).first();
        let nodes = first.map(|&Part { rd, rs1, rs2, .. }| {
            let rs1 = Some(rs1).filter(|&rs1| rs1 != rd);
            let rs2 = Some(rs2).filter(|&rs2| rs2 != rd && Some(rs2) != rs1);
            [Some(rd), rs1, rs2]
        });
        nodes.into_iter().flatten().flatten()
    }

    /// The nodes that a place names together, if they may gain by being the same. Branches have no forms for equal registers.
    pub(super) fn named_together(&self, site: usize) -> impl Iterator<Item = VReg> {
        let is_line = self.sites[site].kind != Kind::End;
        self.named(site).filter(move |_| is_line)
    }

    /// The bytes that a place takes at least, whatever the colours are.
    pub(super) fn least(&self, site: usize) -> u32 {
        self.sites[site].least
    }

    /// The bytes that a place takes when the nodes have these colours.
    pub(super) fn bytes(&self, site: usize, color: impl Fn(VReg) -> u8) -> u32 {
        let reg = |v: VReg| Reg(color(v));
        let parts = self.parts(site);
        match (self.sites[site].kind, parts) {
            (Kind::Call, _) => CALL_BYTES,
            (Kind::Move, [part, ..]) if reg(part.rd) == reg(part.rs1) => 0,
            _ => parts.iter().map(|part| part.bytes(reg)).sum(),
        }
    }
}

impl Part {
    fn bytes(&self, reg: impl Fn(VReg) -> Reg) -> u32 {
        self.shape.size(reg(self.rd), reg(self.rs1), reg(self.rs2))
    }
}
