//! Sizes: which branch gets which form, and the bytes.
//!
//! In: blocks in their order in memory. Out: the code, the offset of each block, and where each instruction comes from.
//! Guaranteed: each instruction has its 16-bit form if there is one, and every branch reaches its target.
//!
//! The idea: every branch starts in its shortest form; those that do not reach grow, until all reach. Sizes only grow, so
//! that ends. A branch to the end of a run goes to the next `ebreak` further on, whichever block it belongs to.

use nfl_isa::{Inst, Op, Reg};
use nfl_syntax::Span;

use crate::mir::{End, Target, Test};

/// A step of a block in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// An instruction, and the 16-bit form that the target has of it.
    Inst(Inst, Option<u16>),
    /// A call of what stands at an offset from the first byte of the code, which lies before it.
    Call(i32),
}

impl Step {
    /// As an instruction at this offset, and in 16 bits.
    fn at(self, at: u32) -> (Inst, Option<u16>) {
        match self {
            Step::Inst(inst, half) => (inst, half),
            Step::Call(target) => {
                let inst = Inst::u(Op::Jal, Reg::RA, target - at.cast_signed());
                (inst, nfl_isa::compress(&inst))
            }
        }
    }
}

/// A block in its place.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) code: Vec<(Step, Option<Span>)>,
    pub(crate) end: End<Reg>,
    pub(crate) span: Option<Span>,
    /// Whether it lies in a loop; an `ebreak` there is no target for others.
    pub(crate) in_loop: bool,
}

/// Bytes with what they come from.
#[derive(Clone, Default, Debug)]
pub(crate) struct Relaxed {
    pub(crate) code: Vec<u8>,
    /// The offset of each piece.
    pub(crate) offsets: Vec<u32>,
    /// Offset, size and source of each instruction.
    pub(crate) lines: Vec<(u32, u32, Option<Span>)>,
}

/// How a piece ends in memory.
#[derive(Clone, Copy, Debug)]
struct Tail {
    branch: Option<(Test<Reg>, Target)>,
    last: Last,
    form: Form,
    jump_form: Form,
}

/// What stands behind the branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    /// Nothing: control falls into the next piece.
    FallThrough,
    Jump(Target),
    Finish,
}

/// How far a branch reaches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Form {
    Short,
    Full,
    /// The inverted branch over a jump.
    Far,
}

/// Encodes blocks; their targets are places in `pieces`.
pub(crate) fn relax(pieces: &[Piece]) -> Relaxed {
    let mut pieces = pieces.to_vec();
    let mut tails: Vec<Tail> = (0..pieces.len()).map(|at| tail(&pieces, at)).collect();
    let last_exit = (0..tails.len())
        .rev()
        .find(|&at| is_exit(&pieces, &tails, at));
    let is_open = |tail: &Tail| matches!(tail.branch, Some((_, Target::Exit)));
    if (last_exit.map_or(0, |at| at + 1)..tails.len()).any(|at| is_open(&tails[at])) {
        pieces.push(Piece {
            code: Vec::new(),
            end: End::Jump(Target::Exit),
            span: None,
            in_loop: false,
        });
        tails.push(tail(&pieces, pieces.len() - 1));
    }
    let exits = exits(&pieces, &tails);
    loop {
        let offsets = offsets(&pieces, &tails);
        let mut grown = false;
        for at in 0..pieces.len() {
            grown |= grow(&pieces, &mut tails, &offsets, &exits, at);
        }
        if !grown {
            return encode(&pieces, &tails, offsets, &exits);
        }
    }
}

fn tail(pieces: &[Piece], at: usize) -> Tail {
    let next = Target::Block(at + 1);
    let jump = |target| match target {
        Target::Exit => Last::Finish,
        _ if target == next => Last::FallThrough,
        _ => Last::Jump(target),
    };
    let (branch, last) = match pieces[at].end {
        End::Jump(target) => (None, jump(target)),
        End::Branch {
            test,
            then,
            otherwise,
        } => {
            // What is next must be fallen into, and an end of the run can stand right here.
            if then == next || (then == Target::Exit && otherwise != next) {
                (Some((test.inverted(), otherwise)), jump(then))
            } else {
                (Some((test, then)), jump(otherwise))
            }
        }
    };
    Tail {
        branch,
        last,
        form: Form::Short,
        jump_form: Form::Short,
    }
}

/// Whether a piece ends with an `ebreak` that others may go to.
fn is_exit(pieces: &[Piece], tails: &[Tail], at: usize) -> bool {
    tails[at].last == Last::Finish && !pieces[at].in_loop
}

/// For each piece the next one behind it that ends with an `ebreak`.
fn exits(pieces: &[Piece], tails: &[Tail]) -> Vec<usize> {
    let mut exits = vec![0; pieces.len()];
    let mut next = pieces.len();
    for at in (0..pieces.len()).rev() {
        exits[at] = next;
        if is_exit(pieces, tails, at) {
            next = at;
        }
    }
    exits
}

const HALF: u32 = 2;
const WORD: u32 = 4;

/// Bytes of a piece before its end; the further on it starts, the more its calls may take.
fn body_bytes(piece: &Piece, start: u32) -> u32 {
    let steps = piece.code.iter();
    let end = steps.fold(start, |at, (step, _)| {
        at + step.at(at).1.map_or(WORD, |_| HALF)
    });
    end - start
}

fn branch_bytes(tail: &Tail) -> u32 {
    match (tail.branch, tail.form) {
        (None, _) => 0,
        (_, Form::Short) => HALF,
        (_, Form::Full) => WORD,
        (Some((test, _)), Form::Far) => over(test).1 + WORD,
    }
}

/// The inverted branch over a jump of four bytes, and its size.
fn over(test: Test<Reg>) -> (Inst, u32) {
    let short = test.inverted().inst((HALF + WORD).cast_signed(), Reg::ZERO);
    match nfl_isa::size(&short) {
        HALF => (short, HALF),
        _ => (
            test.inverted().inst((WORD + WORD).cast_signed(), Reg::ZERO),
            WORD,
        ),
    }
}

fn last_bytes(tail: &Tail) -> u32 {
    match (tail.last, tail.jump_form) {
        (Last::FallThrough, _) => 0,
        (Last::Finish, _) | (Last::Jump(_), Form::Short) => HALF,
        (Last::Jump(_), _) => WORD,
    }
}

/// Where each piece starts, and at last where the code ends.
fn offsets(pieces: &[Piece], tails: &[Tail]) -> Vec<u32> {
    let mut offsets = vec![0];
    let mut at = 0;
    for (piece, tail) in pieces.iter().zip(tails) {
        at += body_bytes(piece, at) + branch_bytes(tail) + last_bytes(tail);
        offsets.push(at);
    }
    offsets
}

/// The places of a piece's branch, of what stands behind it, and of their targets.
struct Places {
    branch: i32,
    last: i32,
}

fn places(pieces: &[Piece], tails: &[Tail], offsets: &[u32], at: usize) -> Places {
    let branch = offsets[at] + body_bytes(&pieces[at], offsets[at]);
    let last = branch + branch_bytes(&tails[at]);
    Places {
        branch: branch.cast_signed(),
        last: last.cast_signed(),
    }
}

fn address(offsets: &[u32], exits: &[usize], from: usize, target: Target) -> i32 {
    let address = match target {
        Target::Block(to) => offsets[to],
        Target::Exit => offsets[exits[from] + 1] - HALF,
    };
    address.cast_signed()
}

/// Gives the branches of a piece the forms they need; true when one grew.
fn grow(pieces: &[Piece], tails: &mut [Tail], offsets: &[u32], exits: &[usize], at: usize) -> bool {
    let places = places(pieces, tails, offsets, at);
    let Tail {
        branch,
        last,
        form,
        jump_form,
    } = tails[at];
    let mut needed = form;
    if let Some((test, target)) = branch {
        let inst = test.inst(
            address(offsets, exits, at, target) - places.branch,
            Reg::ZERO,
        );
        if nfl_isa::encode(&inst).is_err() {
            needed = Form::Far;
        } else if nfl_isa::size(&inst) != HALF {
            needed = needed.max(Form::Full);
        }
    }
    let mut jump_needed = jump_form;
    if let Last::Jump(target) = last {
        let inst = jump(address(offsets, exits, at, target) - places.last);
        if nfl_isa::size(&inst) != HALF {
            jump_needed = Form::Full;
        }
    }
    let grown = needed > form || jump_needed > jump_form;
    tails[at].form = needed.max(form);
    tails[at].jump_form = jump_needed.max(jump_form);
    grown
}

fn jump(displacement: i32) -> Inst {
    Inst::u(Op::Jal, Reg::ZERO, displacement)
}

fn encode(pieces: &[Piece], tails: &[Tail], offsets: Vec<u32>, exits: &[usize]) -> Relaxed {
    let mut out = Relaxed::default();
    for (at, (piece, tail)) in pieces.iter().zip(tails).enumerate() {
        for (step, span) in &piece.code {
            let (inst, half) = step.at(out.code.len() as u32);
            out.put(&inst, half, *span);
        }
        let places = places(pieces, tails, &offsets, at);
        if let Some((test, target)) = tail.branch {
            let displacement = address(&offsets, exits, at, target) - places.branch;
            match tail.form {
                Form::Short => out.push(&test.inst(displacement, Reg::ZERO), HALF, piece.span),
                Form::Full => out.push(&test.inst(displacement, Reg::ZERO), WORD, piece.span),
                Form::Far => {
                    let (inst, size) = over(test);
                    out.push(&inst, size, piece.span);
                    out.push(&jump(displacement - size.cast_signed()), WORD, piece.span);
                }
            }
        }
        match tail.last {
            Last::FallThrough => {}
            Last::Finish => out.push(&Inst::bare(Op::Ebreak), HALF, piece.span),
            Last::Jump(target) => {
                let size = last_bytes(tail);
                let displacement = address(&offsets, exits, at, target) - places.last;
                out.push(&jump(displacement), size, piece.span);
            }
        }
    }
    out.offsets = offsets;
    out
}

impl Relaxed {
    fn push(&mut self, inst: &Inst, size: u32, span: Option<Span>) {
        self.put(inst, nfl_isa::compress(inst).filter(|_| size == HALF), span);
    }

    fn put(&mut self, inst: &Inst, half: Option<u16>, span: Option<Span>) {
        let size = half.map_or(WORD, |_| HALF);
        self.lines.push((self.code.len() as u32, size, span));
        match half {
            Some(half) => self.code.extend(half.to_le_bytes()),
            None => {
                let word =
                    nfl_isa::encode(inst).expect("selection and relaxation keep operands in range");
                self.code.extend(word.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A branch over `count` instructions of four bytes, to the end of the run or to the last piece.
    fn far(count: usize, target: Target) -> Vec<Piece> {
        let piece = |code: Vec<Inst>, end| Piece {
            code: code
                .into_iter()
                .map(|inst| (Step::Inst(inst, nfl_isa::compress(&inst)), None))
                .collect(),
            end,
            span: None,
            in_loop: false,
        };
        let test = Test {
            op: Op::Bne,
            rs1: Reg::A2,
            rs2: Reg::ZERO,
        };
        let branch = End::Branch {
            test,
            then: target,
            otherwise: Target::Block(1),
        };
        let filler = vec![Inst::i(Op::Addi, Reg::A2, Reg::A3, 1); count];
        vec![
            piece(Vec::new(), branch),
            piece(filler, End::Jump(Target::Block(2))),
            piece(
                vec![Inst::i(Op::Addi, Reg::A0, Reg::ZERO, 1)],
                End::Jump(Target::Exit),
            ),
        ]
    }

    #[test]
    fn branches_reach_however_far_their_targets_are() {
        for (count, forms) in [(10, 2), (62, 2), (64, 4), (1000, 4), (1023, 6), (5000, 6)] {
            for target in [Target::Block(2), Target::Exit] {
                let out = relax(&far(count, target));
                let to_exit = u32::from(target == Target::Exit) * 2;
                assert_eq!(out.offsets[1], forms, "{count} {target:?}");
                let goal = out.offsets[2] + to_exit;
                let inverted = forms == 6;
                let at = if inverted { 2 } else { 0 };
                let (inst, _) = nfl_isa::decode(&out.code[at..]).expect("code decodes");
                assert_eq!(
                    at as u32 + inst.imm.cast_unsigned(),
                    goal,
                    "{count} {target:?}"
                );
            }
        }
    }
}
