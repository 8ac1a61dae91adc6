//! Which registers hold words that are still to be read.
//!
//! In: code. Out: the live registers at the end of each block, and step by step before it. Guaranteed: the verdict's two
//! registers are live wherever control ends.

use crate::mir::{A0, A1, Block, Code, Func, Target, VReg};

/// A set of registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Set {
    words: Vec<u64>,
}

impl Set {
    fn new(size: u32) -> Set {
        Set {
            words: vec![0; (size as usize).div_ceil(64)],
        }
    }

    pub(super) fn has(&self, v: VReg) -> bool {
        self.words[v.index() / 64] >> (v.index() % 64) & 1 != 0
    }

    pub(super) fn insert(&mut self, v: VReg) {
        if v.is_variable() {
            self.words[v.index() / 64] |= 1 << (v.index() % 64);
        }
    }

    fn remove(&mut self, v: VReg) {
        self.words[v.index() / 64] &= !(1 << (v.index() % 64));
    }

    /// From behind an instruction to before it.
    pub(super) fn step(&mut self, code: &Code<VReg>) {
        code.defs().for_each(|d| self.remove(d));
        code.uses().for_each(|v| self.insert(v));
    }

    /// Adds another set; true when that changed something.
    fn join(&mut self, other: &Set) -> bool {
        let mut changed = false;
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            changed |= *more & !*word != 0;
            *word |= more;
        }
        changed
    }

    /// Leaves what another set has.
    fn retain(&mut self, other: &Set) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(word, kept)| *word &= kept);
    }

    /// Its registers, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = VReg> + use<'_> {
        members(&self.words)
    }
}

/// The registers of a set, ascending.
pub(super) fn members(words: &[u64]) -> impl Iterator<Item = VReg> + use<'_> {
    words.iter().enumerate().flat_map(|(n, &word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(VReg(n as u32 * 64 + bit))
        })
    })
}

/// The live registers at the start of each block.
pub(super) struct Live {
    starts: Vec<Set>,
    size: u32,
}

impl Live {
    /// Iterates backward to a fixed point.
    pub(super) fn new(f: &Func<VReg>) -> Live {
        let through = f.blocks.iter().map(|block| Through::new(f, block));
        let through: Vec<Through> = through.collect();
        let mut live = Live {
            starts: through.iter().map(|block| block.read.clone()).collect(),
            size: f.vregs,
        };
        let mut now = Set::new(f.vregs);
        let mut changed = true;
        while changed {
            changed = false;
            for b in (0..f.blocks.len()).rev() {
                live.find_at_end(f, b, &mut now);
                now.retain(&through[b].unwritten);
                changed |= live.starts[b].join(&now);
            }
        }
        live
    }

    /// What is live before the end of a block.
    pub(super) fn at_end(&self, f: &Func<VReg>, b: usize) -> Set {
        let mut now = Set::new(self.size);
        self.find_at_end(f, b, &mut now);
        now
    }

    fn find_at_end(&self, f: &Func<VReg>, b: usize, now: &mut Set) {
        now.words.fill(0);
        let end = &f.blocks[b].end;
        for target in end.targets() {
            match target {
                Target::Block(to) => {
                    now.join(&self.starts[to]);
                }
                Target::Exit => {
                    now.insert(A0);
                    now.insert(A1);
                }
            }
        }
        end.uses().for_each(|v| now.insert(v));
    }

    /// What is live at entry.
    pub(super) fn at_entry(&self) -> &Set {
        &self.starts[0]
    }
}

/// What a block does to what is live behind it.
struct Through {
    /// What it does not write.
    unwritten: Set,
    /// What it reads before it writes it.
    read: Set,
}

impl Through {
    fn new(f: &Func<VReg>, block: &Block<VReg>) -> Through {
        let mut unwritten = Set::new(f.vregs);
        unwritten.words.fill(u64::MAX);
        let mut read = Set::new(f.vregs);
        for line in block.lines.iter().rev() {
            line.code.defs().for_each(|d| unwritten.remove(d));
            read.step(&line.code);
        }
        Through { unwritten, read }
    }
}
