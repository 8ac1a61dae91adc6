//! Short ways of code, once more in the place of the jumps to them.
//!
//! In: a jump, and the lines from its target on. Out: those that are translated again in its place: the tests that begin a loop
//! and the rest of a round before it, so that a round takes one branch and not two or three; or the few instructions that
//! finish a run, so that the verdict is known there. Guaranteed: they are the lines that the jump leads to, in order, up to and
//! with the first behind which control goes elsewhere for good; so what is known before each of them holds in the copy too.

use std::ops::Range;

use super::facts::{Facts, Flow, Line};

/// Lines that are copied at most.
const TESTS: usize = 8;
const REST: usize = 8;
const TAIL: usize = 3;

/// Jumps that lead to lines that are copied, at most.
const TIMES: u32 = 4;

impl Facts {
    /// The lines that stand in the place of a jump.
    pub(super) fn copied(&self, jump: &Line, target: u32) -> Option<Range<usize>> {
        if self.jumps.get(&target).is_some_and(|&jumps| jumps > TIMES) {
            return None;
        }
        match target <= jump.pc {
            true => self.tests(jump, target),
            false => self.tail(target).or_else(|| self.rest(jump, target)),
        }
    }

    /// The lines from here on that finish a run, if they are few.
    pub(super) fn tail(&self, pc: u32) -> Option<Range<usize>> {
        let (lines, last) = self.straight(pc, TAIL)?;
        (last.flow == Flow::Finish).then_some(lines)
    }

    /// The rest of the round of a loop that is begun before the jump.
    fn rest(&self, jump: &Line, target: u32) -> Option<Range<usize>> {
        let (lines, last) = self.straight(target, REST)?;
        matches!(last.flow, Flow::Jump(head) if head <= jump.pc).then_some(lines)
    }

    /// The lines that begin a loop, to the last one that tests whether to leave it, before anything else branches.
    fn tests(&self, back: &Line, head: u32) -> Option<Range<usize>> {
        let start = self.index(head)?;
        let mut end = None;
        for (n, line) in self.lines[start..].iter().take(TESTS).enumerate() {
            match line.flow {
                Flow::Next => {}
                Flow::Branch(to) if !(head..=back.pc).contains(&to) && line.pc < back.pc => {
                    end = Some(start + n + 1);
                }
                _ => break,
            }
        }
        Some(start..end?)
    }

    /// At most so many lines from here on that are done one after the other, and the last of them.
    fn straight(&self, pc: u32, most: usize) -> Option<(Range<usize>, &Line)> {
        let start = self.index(pc)?;
        let mut lines = self.lines[start..].iter().take(most);
        let count = lines.position(|line| line.flow != Flow::Next)?;
        Some((start..start + count + 1, &self.lines[start + count]))
    }

    /// Where control goes from a line other than on to the next one, with its copies.
    pub(super) fn ways(&self, line: &Line, to: &mut Vec<u32>) {
        match line.flow {
            Flow::Branch(target) => to.extend([line.end(), target]),
            Flow::Enter(target) => to.extend([line.end(), target]),
            Flow::Jump(target) => match self.copied(line, target) {
                Some(lines) => self.ways_of(&self.lines[lines], to),
                None => to.push(target),
            },
            Flow::Next | Flow::Call(_) | Flow::Return(_) | Flow::Finish => {}
        }
    }

    fn ways_of(&self, lines: &[Line], to: &mut Vec<u32>) {
        let Some((last, before)) = lines.split_last() else {
            return;
        };
        to.extend(before.iter().filter_map(|line| match line.flow {
            Flow::Branch(target) => Some(target),
            _ => None,
        }));
        self.ways(last, to);
    }
}
