//! How often loops run, and what their variables may be.
//!
//! In: a loop's head with what is known before the loop. Out: guesses for the head's parameters,
//! checked against every back edge, and a bound of the rounds. A loop is bounded when a parameter
//! moves by constants of one sign within an interval, or is shifted by a constant and never 0.

use crate::entity::{Block, Value};
use crate::func::{Function, Origin, Term};
use crate::op::Op;
use crate::passes::width;
use crate::verify::facts::Facts;
use crate::verify::flow::Analysis;
use crate::verify::range::{self, Range};

/// By how much a round changes a parameter: between the two.
type Step = (i64, i64);

const WORD_MAX: i64 = u32::MAX as i64;

impl Analysis<'_> {
    /// Sets the intervals of a head's parameters, which hold what comes from before the loop.
    pub(super) fn guess(&mut self, head: Block, before: &Facts) {
        let params = self.f.blocks[head].params.clone();
        let steps: Vec<Option<Step>> = (0..params.len()).map(|at| self.step(head, at)).collect();
        let first: Vec<Range> = params.iter().map(|&p| self.base[p]).collect();
        let lists: Vec<Vec<Range>> = (0..params.len())
            .map(|at| self.guesses_for(head, at, first[at], steps[at], before))
            .collect();
        // The parameter that allows the fewest rounds counts for the others.
        let mut clock: Option<(u32, Clock)> = None;
        for (at, &param) in params.iter().enumerate() {
            let range = lists[at].get(self.guesses[param].level);
            if let (Some(range), Some(step)) = (range, steps[at])
                && let Some(pace) = pace(step)
            {
                let rounds = (range.hi - range.lo) / pace;
                if clock.is_none_or(|(fewest, _)| rounds < fewest) {
                    let start = if step.0 > 0 {
                        first[at].lo
                    } else {
                        first[at].hi
                    };
                    clock = Some((rounds, Clock { param, start, step }));
                }
            }
        }
        for (at, &param) in params.iter().enumerate() {
            let list = &lists[at];
            let mut guess = self.guesses[param];
            guess.clock = None;
            self.links.set(param, None);
            let seen = guess.seen.map_or(first[at], |seen| seen.hull(first[at]));
            let width = Range::of_width(self.f.values[param].width);
            let behind = guess.level.checked_sub(list.len());
            guess.by_claim |= behind >= Some(4);
            let range = match behind {
                None => list[guess.level],
                Some(0) => match (clock, steps[at]) {
                    (Some((rounds, clock)), Some(step)) if clock.param != param => {
                        guess.clock = Some(clock.param);
                        let link = Link {
                            clock,
                            first: first[at],
                            step,
                        };
                        self.links.set(param, Some(link));
                        link.after(rounds)
                    }
                    _ => first[at],
                },
                Some(1 | 3) => seen,
                Some(2) => Range::new(0, first[at].hi),
                Some(4) if width.holds(first[at]) => width,
                Some(_) => Range::FULL,
            };
            self.guesses.set(param, guess);
            self.base.set(param, range);
        }
    }

    /// Raises the guesses that were wrong. Answers the place in the order of the first head for which another guess is next,
    /// nothing when all were right.
    pub(super) fn check_guesses(&mut self) -> Option<usize> {
        let mut all_right = true;
        let mut first = self.cfg.order.len();
        // A loop is judged when those within it are as they will be: what one of them hands on while its
        // own guesses are wrong says nothing against the guesses around it.
        let mut unsettled = vec![false; self.cfg.loops.len()];
        let mut inner_first: Vec<usize> = (0..self.cfg.loops.len()).collect();
        inner_first.sort_by_key(|&l| std::cmp::Reverse(self.cfg.loops[l].depth));
        for l in inner_first {
            let head = self.cfg.loops[l].head;
            if self.kept[head] {
                continue;
            }
            let params = self.f.blocks[head].params.clone();
            let back = self.back_edges(l);
            let mut wrong = vec![false; params.len()];
            for (at, &param) in params.iter().enumerate() {
                for (facts, args) in &back {
                    let range = self.known().range(facts, args[at]);
                    if !self.base[param].holds(range) && self.guesses[param].clock.is_none() {
                        wrong[at] = true;
                        let seen = self.guesses[param].seen;
                        self.guesses[param].seen =
                            Some(seen.map_or(range, |seen| seen.hull(range)));
                        first = first.min(self.cfg.rank(head));
                    }
                }
            }
            self.trips[l] = self.count_rounds(l, &wrong);
            for (at, &param) in params.iter().enumerate() {
                // An interval that follows from a clock is right when both move as was thought.
                if let Some(link) = self.links[param] {
                    let clock = params.iter().position(|&p| p == link.clock.param);
                    // While the clock itself is wrong there is nothing to be said.
                    wrong[at] = clock.is_none_or(|clock| {
                        let sure = within(self.proved_step(l, clock), link.clock.step)
                            && within(self.proved_step(l, at), link.step);
                        !wrong[clock] && !sure
                    });
                }
            }
            let right = !wrong.contains(&true);
            if !unsettled[l] && !right {
                for (at, &param) in params.iter().enumerate() {
                    self.guesses[param].level += usize::from(wrong[at]);
                }
                first = first.min(self.cfg.rank(head));
            }
            all_right &= right;
            if let Some(outer) = self.cfg.loops[l].parent {
                unsettled[outer] |= !right || unsettled[l];
            }
        }
        (!all_right).then_some(first)
    }

    /// Whether a parameter of a loop's head moves by the same constant in every round.
    pub(crate) fn has_counter(&self, l: usize) -> bool {
        let params = self.f.blocks[self.cfg.loops[l].head].params.len();
        (0..params).any(|at| {
            let step = self.proved_step(l, at);
            step.is_some_and(|(down, up)| down == up && down != 0)
        })
    }

    /// What is known on the edges that go back to a loop's head, with the words they hand over.
    fn back_edges(&self, l: usize) -> Vec<(Facts, Vec<Value>)> {
        let head = self.cfg.loops[l].head;
        let mut back = Vec::new();
        for &(pred, edge) in self.cfg.preds(head) {
            if self.cfg.is_back_edge(pred, head)
                && let Some(facts) = self.edge(pred, edge)
            {
                back.push((facts, self.args(pred, edge).to_vec()));
            }
        }
        back
    }

    /// The most rounds that a parameter with a right guess allows.
    fn count_rounds(&self, l: usize, wrong: &[bool]) -> Option<u32> {
        let back = self.back_edges(l);
        if back.is_empty() {
            return Some(0);
        }
        let head = self.cfg.loops[l].head;
        let params = self.f.blocks[head].params.iter().enumerate();
        let right = params.filter(|&(at, &p)| !wrong[at] && self.guesses[p].clock.is_none());
        right
            .filter_map(|(at, &p)| {
                let moved = self.rounds_by_moving(l, at, &back);
                moved.or_else(|| self.rounds_by_shifting(p, at, &back))
            })
            .min()
    }

    /// The way a parameter has from end to end, over what it goes each round.
    fn rounds_by_moving(&self, l: usize, at: usize, back: &[(Facts, Vec<Value>)]) -> Option<u32> {
        let head = self.cfg.loops[l].head;
        let param = self.f.blocks[head].params[at];
        let step = self.proved_step(l, at)?;
        let pace = pace(step)?;
        let Range { lo, hi } = self.base[param];
        let here = back
            .iter()
            .map(|(facts, _)| self.known().range(facts, param));
        let here = here.reduce(Range::hull)?;
        // The last round that goes back starts where its edge says.
        let way = if step.0 > 0 {
            here.hi - lo
        } else {
            hi - here.lo
        };
        Some(((hi - lo) / pace).min(way / pace + 1))
    }

    /// By how much each round changes a parameter, where no sum wraps and no mask cuts.
    fn proved_step(&self, l: usize, at: usize) -> Option<Step> {
        let head = self.cfg.loops[l].head;
        let param = self.f.blocks[head].params[at];
        let mut all: Option<Step> = None;
        for &(pred, edge) in self.cfg.preds(head) {
            if !self.cfg.is_back_edge(pred, head) {
                continue;
            }
            let Some(facts) = self.edge(pred, edge) else {
                continue;
            };
            let arg = *self.args(pred, edge).get(at)?;
            let step = self.step_to(arg, param, Some(&facts), 8)?;
            let Range { lo, hi } = self.known().range(&facts, param);
            if i64::from(lo) + step.0 < 0 || i64::from(hi) + step.1 > WORD_MAX {
                return None;
            }
            all = Some(all.map_or(step, |other| either(step, other)));
        }
        all
    }

    /// A word that loses a bit in each round it is not 0, or moves one up.
    fn rounds_by_shifting(
        &self,
        param: Value,
        at: usize,
        back: &[(Facts, Vec<Value>)],
    ) -> Option<u32> {
        let bits = u32::from(self.base[param].width());
        let mut most = 0;
        for (facts, args) in back {
            let def = self.f.def(args[at])?;
            let by = self.f.constant(*def.args.get(1)?)?;
            let Range { lo, hi } = self.known().range(facts, param);
            if def.args[0] != param || lo == 0 || !(1..32).contains(&by) {
                return None;
            }
            let rounds = match def.op {
                Op::Shr => bits.div_ceil(by),
                Op::Shl if hi <= u32::MAX >> by => 32_u32.div_ceil(by),
                _ => return None,
            };
            most = rounds.max(most);
        }
        // Both directions in one loop could go on for ever.
        let ops = back.iter().filter_map(|(_, args)| self.f.def(args[at]));
        let mut ops: Vec<Op> = ops.map(|def| def.op).collect();
        ops.dedup();
        (ops.len() == 1).then_some(most)
    }

    /// By how much the rounds seem to change a parameter.
    fn step(&self, head: Block, at: usize) -> Option<Step> {
        let param = self.f.blocks[head].params[at];
        let mut all: Option<Step> = None;
        for &(pred, edge) in self.cfg.preds(head) {
            if self.cfg.is_back_edge(pred, head) {
                let arg = *self.args(pred, edge).get(at)?;
                let step = self.step_to(arg, param, None, 8)?;
                all = Some(all.map_or(step, |other| either(step, other)));
            }
        }
        all
    }

    /// `c` with `v == param + c`; with facts only where that is sure, otherwise hopefully.
    fn step_to(&self, v: Value, param: Value, facts: Option<&Facts>, depth: u8) -> Option<Step> {
        if v == param {
            return Some((0, 0));
        }
        let depth = depth.checked_sub(1)?;
        let inst = match self.f.values[v].origin {
            Origin::Inst(inst) => &self.f.insts[inst],
            Origin::Param(b, at) => return self.step_through(b, at as usize, param, facts, depth),
        };
        let &[a, b] = inst.args.as_slice() else {
            return None;
        };
        let first = self.step_to(a, param, facts, depth);
        let Some((lo, hi)) = first else {
            let (lo, hi) = self.step_to(b, param, facts, depth)?;
            let more = self.summand(a, facts).filter(|_| inst.op == Op::Add)?;
            return Some((lo + i64::from(more.lo), hi + i64::from(more.hi)));
        };
        let Some(constant) = self.f.constant(b) else {
            let more = self.summand(b, facts).filter(|_| inst.op == Op::Add)?;
            return Some((lo + i64::from(more.lo), hi + i64::from(more.hi)));
        };
        let signed = i64::from(constant as i32);
        match inst.op {
            Op::Add => Some((lo + signed, hi + signed)),
            Op::Sub => Some((lo - signed, hi - signed)),
            Op::And if constant & constant.wrapping_add(1) == 0 => facts
                .is_none_or(|facts| self.known().is_void_mask(facts, inst))
                .then_some((lo, hi)),
            _ => None,
        }
    }

    /// What a round may add that is no constant: a length from the packet, which is small.
    fn summand(&self, v: Value, facts: Option<&Facts>) -> Option<Range> {
        let range = match facts {
            Some(facts) => self.known().range(facts, v),
            None => most(self.f, v, 4)?,
        };
        (range.hi <= u32::from(u16::MAX)).then_some(range)
    }

    /// Through a parameter of a block where ways of one round meet.
    fn step_through(
        &self,
        b: Block,
        at: usize,
        param: Value,
        facts: Option<&Facts>,
        depth: u8,
    ) -> Option<Step> {
        let mut all: Option<Step> = None;
        for &(pred, edge) in self.cfg.preds(b) {
            let arg = *self.args(pred, edge).get(at)?;
            if self.cfg.is_back_edge(pred, b) {
                // An inner loop may carry it along, but not change it.
                if arg != self.f.blocks[b].params[at] {
                    return None;
                }
                continue;
            }
            let here = match facts {
                None => None,
                Some(_) => match self.edge(pred, edge) {
                    None => continue,
                    here => here,
                },
            };
            let step = self.step_to(arg, param, here.as_ref(), depth)?;
            all = Some(all.map_or(step, |other| either(step, other)));
        }
        all
    }

    /// Intervals that tests in the loop suggest, the narrowest first.
    fn guesses_for(
        &self,
        head: Block,
        at: usize,
        first: Range,
        step: Option<Step>,
        before: &Facts,
    ) -> Vec<Range> {
        let param = self.f.blocks[head].params[at];
        let Some((down, up)) = step else {
            return self.shift_guesses(head, at, first, before);
        };
        if (down, up) == (0, 0) || (down < 0 && up > 0) {
            return vec![first];
        }
        let mut ends: Vec<i64> = Vec::new();
        for (x, Range { lo, hi }) in self.tests(head, before) {
            let Some((k, same)) = self.step_to(x, param, None, 8) else {
                continue;
            };
            if k != same {
                continue;
            }
            if up > 0 {
                ends.extend([i64::from(hi) - 1 - k + up, i64::from(hi) - k + up]);
            } else {
                ends.extend([i64::from(lo) + 1 - k + down, i64::from(lo) - k + down]);
            }
        }
        let clamped = |end: i64| end.clamp(0, WORD_MAX) as u32;
        let mut list: Vec<Range> = if up > 0 {
            ends.sort_unstable();
            let ends = ends.into_iter().map(clamped);
            ends.map(|end| Range::new(first.lo, end.max(first.hi)))
                .collect()
        } else {
            ends.sort_unstable_by(|a, b| b.cmp(a));
            let ends = ends.into_iter().map(clamped).chain([0]);
            ends.map(|end| Range::new(end.min(first.lo), first.hi))
                .collect()
        };
        list.dedup();
        list
    }

    /// A word that moves up by shifts ends below the double of a bound.
    fn shift_guesses(&self, head: Block, at: usize, first: Range, before: &Facts) -> Vec<Range> {
        let param = self.f.blocks[head].params[at];
        let mut list = vec![first];
        let back = self.cfg.preds(head).iter();
        let Some(&(pred, edge)) = back.rev().find(|&&(p, _)| self.cfg.is_back_edge(p, head)) else {
            return list;
        };
        let arg = self.args(pred, edge).get(at).and_then(|&v| self.f.def(v));
        let Some(def) = arg.filter(|d| d.op == Op::Shl && d.args[0] == param) else {
            return list;
        };
        let by = self.f.constant(def.args[1]).unwrap_or(32);
        for (x, y) in self.tests(head, before) {
            let end = u64::from(y.hi);
            for end in [end.saturating_sub(1), end] {
                if let Some(Ok(hi)) = end.checked_shl(by).map(u32::try_from)
                    && x == param
                {
                    list.push(first.hull(Range::new(first.lo, hi.max(first.lo))));
                }
            }
        }
        list
    }

    /// What branches of a loop compare with what numbers.
    fn tests(&self, head: Block, before: &Facts) -> Vec<(Value, Range)> {
        let Some(l) = self.cfg.loop_at(head) else {
            return Vec::new();
        };
        let mut work = Vec::new();
        for &b in &self.cfg.loops[l].blocks {
            if let Term::Branch { cond, .. } = self.f.blocks[b].term {
                work.push((cond, 4));
            }
        }
        let mut tests = Vec::new();
        while let Some((cond, depth)) = work.pop() {
            tests.push((cond, Range::exactly(0)));
            let Some(def) = self.f.def(cond).filter(|_| depth > 0) else {
                continue;
            };
            let &[a, b] = def.args.as_slice() else {
                continue;
            };
            let known = self.known();
            match def.op {
                Op::And | Op::Or | Op::Xor => work.extend([(a, depth - 1), (b, depth - 1)]),
                op if op.inverse().is_some() => {
                    tests.push((a, known.range(before, b)));
                    tests.push((b, known.range(before, a)));
                    work.push((a, depth - 1));
                }
                _ => {}
            }
        }
        tests
    }
}

/// The parameter that counts a loop's rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The parameter; it moves in one direction.
    pub param: Value,
    /// Where it starts, at the end it moves away from.
    start: u32,
    step: Step,
}

/// A parameter whose moves are bounded by those of a clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The clock.
    pub clock: Clock,
    first: Range,
    step: Step,
}

impl Link {
    /// What the parameter may be while the clock shows this.
    pub(crate) fn at(&self, clock: Range) -> Range {
        let Clock { start, step, .. } = self.clock;
        let way = if step.0 > 0 {
            clock.hi.saturating_sub(start)
        } else {
            start.saturating_sub(clock.lo)
        };
        self.after(pace(step).map_or(u32::MAX, |pace| way / pace))
    }

    /// What the parameter may be after so many rounds or fewer.
    fn after(&self, rounds: u32) -> Range {
        let rounds = i64::from(rounds);
        let lo = rounds.checked_mul(self.step.0.min(0));
        let hi = rounds.checked_mul(self.step.1.max(0));
        let lo = lo.and_then(|lo| u32::try_from(lo + i64::from(self.first.lo)).ok());
        let hi = hi.and_then(|hi| u32::try_from(hi + i64::from(self.first.hi)).ok());
        match (lo, hi) {
            (Some(lo), Some(hi)) => Range::new(lo, hi),
            _ => Range::FULL,
        }
    }
}

/// What a word may be by the operations that made it, before anything is known.
fn most(f: &Function, v: Value, depth: u8) -> Option<Range> {
    let def = f.def(v).filter(|d| depth > 0 && d.args.len() == 2);
    let Some(def) = def.filter(|d| matches!(d.op, Op::Add | Op::Shl)) else {
        return Some(Range::of_width(width(f, v, 4))).filter(|r| *r != Range::FULL);
    };
    let (a, b) = (
        most(f, def.args[0], depth - 1)?,
        most(f, def.args[1], depth - 1)?,
    );
    Some(range::eval(def.op, a, b)).filter(|r| *r != Range::FULL)
}

/// Whether a step that was proved is one that was thought of.
fn within(proved: Option<Step>, thought: Step) -> bool {
    proved.is_some_and(|p| thought.0 <= p.0 && p.1 <= thought.1)
}

fn either(a: Step, b: Step) -> Step {
    (a.0.min(b.0), a.1.max(b.1))
}

/// How much a parameter surely moves in one direction each round.
fn pace((down, up): Step) -> Option<u32> {
    if down > 0 {
        u32::try_from(down).ok()
    } else if up < 0 {
        u32::try_from(-up).ok()
    } else {
        None
    }
}
