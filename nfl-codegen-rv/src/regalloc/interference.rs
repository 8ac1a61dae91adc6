//! Which registers must differ, and which become one node.
//!
//! In: code and what is live in it. Out: [`Interference`], a graph of nodes with the colours each may have. Guaranteed: two
//! virtual registers of one node never hold different words that are both still to be read.

use nfl_isa::{Inst, Op, Reg, Target as Isa};

use super::live::{Live, members};
use super::usable;
use crate::mir::{Code, FIRST_VIRTUAL, Func, VReg};
use crate::noise::Noise;

/// The interference graph.
pub(super) struct Interference {
    neighbours: Rows,
    /// The register that stands for the node that each register is in.
    leader: Vec<VReg>,
    /// The colours a node may have by its class, one bit for each register of the machine.
    class: Vec<u32>,
}

impl Interference {
    pub(super) fn new(f: &Func<VReg>, live: &Live) -> Interference {
        let mut graph = Interference {
            neighbours: Rows::new(f.vregs),
            leader: (0..f.vregs).map(VReg).collect(),
            class: vec![usable(); f.vregs as usize],
        };
        for n in 0..FIRST_VIRTUAL {
            graph.class[n as usize] = 1 << n;
        }
        for (v, given) in &f.given {
            graph.class[v.index()] = given.iter().fold(0, |set, reg| set | 1 << reg.0);
        }
        let entry: Vec<VReg> = live.at_entry().iter().collect();
        for (n, &a) in entry.iter().enumerate() {
            entry[n + 1..].iter().for_each(|&b| graph.connect(a, b));
        }
        for (b, block) in f.blocks.iter().enumerate() {
            let mut now = live.at_end(f, b);
            for line in block.lines.iter().rev() {
                for d in line.code.defs().filter(|d| d.is_variable()) {
                    // A copy leaves the same word in both, so they may share a register.
                    let source = line.code.as_move().map(|(_, source)| source);
                    for other in now.iter().filter(|&v| Some(v) != source) {
                        graph.connect(d, other);
                    }
                }
                now.step(&line.code);
            }
        }
        graph
    }

    fn connect(&mut self, a: VReg, b: VReg) {
        if a != b {
            self.neighbours.add(a, b);
            self.neighbours.add(b, a);
        }
    }

    /// The register that stands for a register's node.
    pub(super) fn leader(&self, v: VReg) -> VReg {
        let mut at = v;
        while self.leader[at.index()] != at {
            at = self.leader[at.index()];
        }
        at
    }

    /// The nodes that are no register of the machine.
    pub(super) fn nodes(&self) -> impl Iterator<Item = VReg> + use<'_> {
        let all = (FIRST_VIRTUAL..self.leader.len() as u32).map(VReg);
        all.filter(|&v| self.leader[v.index()] == v)
    }

    /// The nodes that must have other colours.
    pub(super) fn neighbours(&self, node: VReg) -> impl Iterator<Item = VReg> + use<'_> {
        members(self.neighbours.of(node))
    }

    /// The colours that a node may have, whatever the other virtual registers get.
    pub(super) fn allowed(&self, node: VReg) -> u32 {
        self.class[node.index()] & !self.neighbours.fixed_of(node)
    }

    /// Whether a node gets a colour however its neighbours are coloured.
    pub(super) fn is_easy(&self, node: VReg) -> bool {
        let all: u32 = self
            .neighbours
            .of(node)
            .iter()
            .map(|w| w.count_ones())
            .sum();
        let fixed = self.neighbours.fixed_of(node).count_ones();
        all - fixed < self.allowed(node).count_ones()
    }

    /// Joins nodes that copies or two-operand forms connect; noise leaves some of the latter apart.
    pub(super) fn coalesce(&mut self, f: &Func<VReg>, noise: &Noise) {
        let lines = || f.blocks.iter().flat_map(|b| &b.lines);
        for line in lines() {
            if let Some((rd, rs)) = line.code.as_move() {
                self.join(rd, rs);
            }
        }
        for line in lines() {
            let Code::Inst(inst) = line.code else {
                continue;
            };
            if let [Some(rs1), rs2] = inst.read()
                && gains_by_sharing(&inst, f.isa)
                && noise
                    .of(APART ^ u64::from(inst.rd.0))
                    .is_none_or(|n| n % 2 == 0)
            {
                let joined = self.join(inst.rd, rs1);
                if let Some(rs2) = rs2.filter(|_| !joined && commutes(inst.op)) {
                    self.join(inst.rd, rs2);
                }
            }
        }
    }

    /// Joins two nodes, unless that is wrong or could cost a colour (Briggs).
    fn join(&mut self, a: VReg, b: VReg) -> bool {
        let (a, b) = (self.leader(a), self.leader(b));
        // The lower number leads, so that a register of the machine does.
        let (into, from) = (a.min(b), a.max(b));
        let is_possible = a != b
            && into.is_variable()
            && from.as_fixed().is_none()
            && !self.neighbours.has(a, b)
            && self.class[a.index()] & self.class[b.index()] == self.class[into.index()]
            && self.class[from.index()] == usable();
        if !is_possible || !self.stays_colourable(into, from) {
            return false;
        }
        self.leader[from.index()] = into;
        for v in members(&self.neighbours.take(from)) {
            self.neighbours.remove(v, from);
            self.connect(into, v);
        }
        true
    }

    fn stays_colourable(&self, into: VReg, from: VReg) -> bool {
        let own = self.neighbours.of(into);
        let more = self.neighbours.of(from);
        let is_hard = |&v: &VReg| v.as_fixed().is_none() && !self.is_easy(v);
        let pairs = own.iter().zip(more);
        if into.as_fixed().is_some() {
            // Every new neighbour must live without this one register (George).
            let new: Vec<u64> = pairs.map(|(own, more)| more & !own).collect();
            return !members(&new).any(|v| is_hard(&v));
        }
        let all: Vec<u64> = pairs.map(|(own, more)| own | more).collect();
        let hard = members(&all).filter(is_hard).count() as u32;
        hard < self.allowed(into).count_ones()
    }
}

/// A set of registers for each register.
struct Rows {
    words: Vec<u64>,
    /// Words of a set.
    width: usize,
}

impl Rows {
    fn new(count: u32) -> Rows {
        let width = (count as usize).div_ceil(64);
        Rows {
            words: vec![0; width * count as usize],
            width,
        }
    }

    fn of(&self, v: VReg) -> &[u64] {
        let start = v.index() * self.width;
        &self.words[start..start + self.width]
    }

    fn word(&mut self, v: VReg, of: VReg) -> &mut u64 {
        &mut self.words[v.index() * self.width + of.index() / 64]
    }

    /// The registers of the machine in a set, one bit each.
    fn fixed_of(&self, v: VReg) -> u32 {
        self.words[v.index() * self.width] as u32
    }

    fn has(&self, v: VReg, other: VReg) -> bool {
        self.of(v)[other.index() / 64] >> (other.index() % 64) & 1 != 0
    }

    fn add(&mut self, v: VReg, other: VReg) {
        *self.word(v, other) |= 1 << (other.index() % 64);
    }

    fn remove(&mut self, v: VReg, other: VReg) {
        *self.word(v, other) &= !(1 << (other.index() % 64));
    }

    /// A set that is empty then.
    fn take(&mut self, v: VReg) -> Vec<u64> {
        let start = v.index() * self.width;
        let words = &mut self.words[start..start + self.width];
        let taken = words.to_vec();
        words.fill(0);
        taken
    }
}

/// Tells choices of this file from others.
const APART: u64 = 1 << 40;

/// Whether an instruction is shorter when it overwrites its first operand.
fn gains_by_sharing(inst: &Inst<VReg>, isa: &Isa) -> bool {
    if inst.written().is_none() || !inst.rd.is_variable() || !inst.rs1.is_variable() {
        return false;
    }
    let with = |rd, rs1| {
        isa.size(&Inst {
            op: inst.op,
            rd,
            rs1,
            rs2: Reg::A3,
            imm: inst.imm,
        })
    };
    with(Reg::A2, Reg::A2) < with(Reg::A2, Reg::A4)
}

pub(super) fn commutes(op: Op) -> bool {
    matches!(op, Op::Add | Op::And | Op::Or | Op::Xor | Op::Mul)
}
