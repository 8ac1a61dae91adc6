//! Code of a proved image as flat instructions: 8 bytes each, with targets as places.
//!
//! In: an image that was proved, and maybe its instructions as the verifier read them. Out: its instructions in order, without
//! those that do nothing, and with frequent pairs as one. Guaranteed: the same work as the code and the same steps; nothing is
//! flattened that a jump could tell from the code.
//!
//! Steps are counted where control leaves the straight line only. A jump from instruction `i` to
//! instruction `j`, by their numbers in the code, adds `i + 1 - j`; the finish at `i` adds `i + 1`; a
//! run begins with its first instruction's number taken off. So what lies in between needs no count,
//! however few flat instructions it became.

use nfl_abi::host;
use nfl_abi::map::{self, reg};
use nfl_abi::{Entry, Image};
use nfl_isa::{Inst, Op, Reg, Target};

/// A flat instruction. `a`, `b` and `c` are registers unless its kind says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flat {
    pub(crate) kind: Kind,
    pub(crate) a: u8,
    pub(crate) b: u8,
    pub(crate) c: u8,
    pub(crate) imm: i32,
}

/// Declares the kinds; those of the first list are named as the operations they stand for.
macro_rules! kinds {
    ([$($same:ident)*] [$($(#[$doc:meta])* $own:ident)*]) => {
        /// What a flat instruction does.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Kind {
            $($same,)*
            $($(#[$doc])* $own,)*
        }

        /// The kind that stands for an operation alone.
        fn alone(op: Op) -> Option<Kind> {
            match op {
                $(Op::$same => Some(Kind::$same),)*
                Op::Lui | Op::Jal | Op::Jalr | Op::Ebreak | Op::Auipc | Op::Ecall => None,
            }
        }
    };
}

kinds! {
    [
        Beq Bne Blt Bge Bltu Bgeu
        Lb Lh Lw Lbu Lhu Sb Sh Sw
        Addi Slti Sltiu Xori Ori Andi Slli Srli Srai
        Add Sub Sll Slt Sltu Xor Srl Sra Or And
        Mul Mulh Mulhsu Mulhu Div Divu Rem Remu
        Sh1add Sh2add Sh3add Andn Orn Xnor Min Minu Max Maxu Rol Ror Rori
        Clz Ctz Cpop Sextb Sexth Zexth Orcb Rev8
        Bclr Bclri Bext Bexti Binv Binvi Bset Bseti
    ]
    [
        /// `a` becomes `imm`.
        Li
        /// Loads and stores at `imm` from the packet's first byte: loads to `a`, stores from `c`.
        PacketLb
        PacketLh
        PacketLw
        PacketLbu
        PacketLhu
        PacketSb
        PacketSh
        PacketSw
        /// Words at `imm` of scratch, a multiple of 4.
        ScratchLw
        ScratchSw
        /// To the place in `imm`.
        Jump
        /// The same, and `a` tells the way back; `b` and `c` are the number of what follows.
        Link
        /// To where `a` tells, from the instruction before number `imm`.
        Back
        /// To the service in a slot; the high half of `imm` is the number of what follows.
        Call
        /// The run is over; `imm` is the number of the instruction, and one.
        Finish
        /// `b` becomes the signed byte `c`; on if `a` equals it.
        BeqLi
        BneLi
        /// The same for the unsigned order: on if `a` is below `b`, or not.
        BltuLi
        BgeuLi
        /// `a` becomes `b` and'ed with the signed byte `c`; on if that is zero, or not.
        AndiBeqz
        AndiBnez
        /// `a` becomes the sum of `b` and the signed byte `c`; on if that is zero, or not.
        AddiBeqz
        AddiBnez
        /// `a` becomes what stands at `b` in the packet plus the signed byte `c`; on if that is zero,
        /// or not.
        PacketLbuBeqz
        PacketLbuBnez
        PacketLhuBeqz
        PacketLhuBnez
        /// `a` becomes `b` shifted left by byte 0 of `imm`, then right by byte 1.
        SlliSrli
        /// `a` becomes `b` shifted right by `c`, and'ed with `imm`.
        SrliAndi
        /// `a` becomes `b` shifted by byte 0 of `imm`; then `c` the result for the registers in bytes 1
        /// and 2.
        SlliOr
        SrliOr
        SlliAdd
        SrliAdd
        SlliAnd
        SrliAnd
        SlliXor
        SrliXor
        /// `c` becomes `b` shifted right by byte 1 of `imm`; `a` that or'ed with `b` shifted left by
        /// byte 0.
        SlliSrliOr
        /// `c` becomes `b` shifted left by byte 0 of `imm`, right by byte 1, left by byte 2, and is
        /// or'ed to `a`.
        FieldOr
        /// Two bytes of the packet: at the low half of `imm` for `a`, at the high one for `b`.
        PacketTwoLbu
        /// `a` becomes the byte at `imm` from `b`, shifted left by `c`.
        LbuSlli
        /// `c` becomes the byte at `imm` from `b`, and is or'ed to `a`.
        LbuOr
    ]
}

/// The shape of a service's arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arguments {
    /// How many registers, from `a0` on.
    pub(crate) many: u8,
    /// Bit `n` is set when the `n`-th may hold the address of scratch memory.
    pub(crate) addresses: u8,
}

/// Where a handler begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Start {
    place: u16,
    number: u16,
}

/// The code of an image, flat.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    flat: Box<[Flat]>,
    starts: Box<[Start]>,
    /// By slot of the call vector.
    calls: Box<[(host::Call, Arguments)]>,
}

/// Numbers and places have 16 bits, the differences of numbers too.
const INSTRUCTIONS_MAX: usize = i16::MAX as usize;

/// That of no instruction.
const NO_NUMBER: u16 = u16::MAX;

/// Packs the place of a jump's target and what the jump adds to the steps.
fn jump(place: u16, steps: i16) -> i32 {
    i32::from(place) | i32::from(steps) << 16
}

/// The place of a jump's target.
#[inline(always)]
pub(crate) fn target(imm: i32) -> usize {
    usize::from(imm as u16)
}

/// What a jump adds to the steps.
#[inline(always)]
pub(crate) fn steps(imm: i32) -> i64 {
    i64::from(imm >> 16)
}

/// An instruction: where it stands, how many bytes it has, and what it is.
pub(crate) type Read = (u32, u32, Inst);

/// What flattening needs room for, used again for the next image.
#[derive(Default)]
pub(crate) struct Flattener {
    plain: Plain,
    flat: Vec<Flat>,
    /// The place of each instruction by its number.
    places: Vec<u16>,
    /// The number of the first instruction of each place.
    numbers: Vec<u16>,
}

impl Flattener {
    /// Flattens the code of an image that was proved; nothing for code that is too long for it. The instructions are those of
    /// the image, in their order.
    pub(crate) fn code(
        &mut self,
        image: &Image,
        instructions: impl Iterator<Item = Read>,
    ) -> Option<Code> {
        self.plain.read(image, instructions)?;
        self.flatten(image)?;
        let places = &self.places;
        for inst in &mut self.flat {
            if is_jump(inst.kind) {
                // Until now these are numbers: of the target, and of the instruction and one.
                let (to, from) = (inst.imm as u16, (inst.imm >> 16) as u16);
                let steps = i32::from(from) - i32::from(to);
                let place = *places.get(usize::from(to))?;
                inst.imm = jump(place, i16::try_from(steps).ok()?);
            }
        }
        let manifest = &image.manifest;
        let start = |entry: &Entry| {
            let number = self.plain.number(entry.pc)?;
            let place = *places.get(usize::from(number))?;
            Some(Start { place, number })
        };
        let starts = manifest.entries.iter().map(start);
        let calls = manifest.imports.iter().map(|import| {
            let call = host::call(import, &manifest.resources)?;
            let arguments = Arguments::of(&call);
            Some((call, arguments))
        });
        Some(Code {
            starts: starts.collect::<Option<_>>()?,
            calls: calls.collect::<Option<_>>()?,
            flat: self.flat.as_slice().into(),
        })
    }

    /// Makes flat instructions of plain ones. Jumps hold numbers still.
    fn flatten(&mut self, image: &Image) -> Option<()> {
        let plain = &self.plain;
        self.flat.clear();
        self.places.clear();
        self.numbers.clear();
        let mut n = 0;
        while let Some(&first) = plain.insts.get(n) {
            let place = u16::try_from(self.flat.len()).ok()?;
            let (one, many) = match fused(plain, n) {
                Some((fused, many)) => (Some(fused), many),
                None => (single(image, plain, n, first)?, 1),
            };
            self.places.extend((0..many).map(|_| place));
            if let Some(one) = one {
                self.flat.push(one);
                self.numbers.push(n as u16);
            }
            n += many;
        }
        Some(())
    }
}

/// The instructions of an image, up to the first that its target does not have.
fn read(image: &Image) -> impl Iterator<Item = Read> {
    let target = Target::by_id(image.manifest.target.0);
    let mut pc = 0;
    std::iter::from_fn(move || {
        let bytes = image.code.get(pc as usize..)?;
        let (inst, size) = target.as_ref()?.read(bytes)?;
        let at = pc;
        pc += size;
        Some((at, size, inst))
    })
}

impl Code {
    /// Flattens the code of an image that was proved; nothing for code that is too long for it.
    pub(crate) fn new(image: &Image) -> Option<Code> {
        Flattener::default().code(image, read(image))
    }

    /// The flat instructions.
    pub(crate) fn flat(&self) -> &[Flat] {
        &self.flat
    }

    /// The place and the number of an entry's first instruction.
    pub(crate) fn start(&self, entry: usize) -> Option<(usize, i64)> {
        let start = self.starts.get(entry)?;
        Some((start.place.into(), start.number.into()))
    }

    /// A service, by its slot.
    pub(crate) fn call(&self, slot: usize) -> Option<&(host::Call, Arguments)> {
        self.calls.get(slot)
    }

    /// The offset in the code of what became the flat instruction at a place.
    pub(crate) fn pc(image: &Image, place: usize) -> u32 {
        let mut work = Flattener::default();
        let pc = work.plain.read(image, read(image)).and_then(|()| {
            work.flatten(image)?;
            let number = *work.numbers.get(place)?;
            work.plain.pcs.get(usize::from(number)).copied()
        });
        pc.unwrap_or(image.code.len() as u32)
    }
}

fn is_jump(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Beq
            | Kind::Bne
            | Kind::Blt
            | Kind::Bge
            | Kind::Bltu
            | Kind::Bgeu
            | Kind::Jump
            | Kind::Link
            | Kind::BeqLi
            | Kind::BneLi
            | Kind::BltuLi
            | Kind::BgeuLi
            | Kind::AndiBeqz
            | Kind::AndiBnez
            | Kind::AddiBeqz
            | Kind::AddiBnez
            | Kind::PacketLbuBeqz
            | Kind::PacketLbuBnez
            | Kind::PacketLhuBeqz
            | Kind::PacketLhuBnez
    )
}

impl Arguments {
    fn of(call: &host::Call) -> Arguments {
        let (mut many, mut addresses) = (0, 0);
        for is_address in call.operands() {
            addresses |= u8::from(is_address) << many;
            many += 1;
        }
        Arguments { many, addresses }
    }
}

/// The code as it is, each instruction with its number.
#[derive(Default)]
struct Plain {
    insts: Vec<Inst>,
    pcs: Vec<u32>,
    /// For every half-word of the code the number of the instruction that begins there.
    numbers: Vec<u16>,
    /// Whether a jump, a return or an entry leads to it.
    is_target: Vec<bool>,
}

impl Plain {
    /// Takes the code of an image in place of what was there.
    fn read(&mut self, image: &Image, instructions: impl Iterator<Item = Read>) -> Option<()> {
        self.insts.clear();
        self.pcs.clear();
        self.numbers.clear();
        self.numbers.resize(image.code.len() / 2, NO_NUMBER);
        let mut end = 0;
        for (pc, size, inst) in instructions {
            if self.insts.len() >= INSTRUCTIONS_MAX || pc != end {
                return None;
            }
            *self.numbers.get_mut(pc as usize / 2)? = self.insts.len() as u16;
            self.insts.push(inst);
            self.pcs.push(pc);
            end = pc + size;
        }
        if end as usize != image.code.len() {
            return None;
        }
        self.is_target.clear();
        self.is_target.resize(self.insts.len(), false);
        for entry in &image.manifest.entries {
            self.lead(entry.pc)?;
        }
        for n in 0..self.insts.len() {
            let (inst, pc) = (self.insts[n], self.pcs[n]);
            if matches!(inst.op, Op::Jal) || inst.op.spec().fmt == nfl_isa::Fmt::B {
                let to = pc.wrapping_add_signed(inst.imm);
                if slot_at(to).is_none() {
                    self.lead(to)?;
                    if let Some(behind) = self.is_target.get_mut(n + 1) {
                        *behind |= inst.op == Op::Jal;
                    }
                }
            }
        }
        Some(())
    }

    fn lead(&mut self, pc: u32) -> Option<()> {
        let number = self.number(pc)?;
        self.is_target[usize::from(number)] = true;
        Some(())
    }

    /// The number of the instruction at an offset.
    fn number(&self, pc: u32) -> Option<u16> {
        let number = *self.numbers.get(pc as usize / 2)?;
        (number != NO_NUMBER && pc.is_multiple_of(2)).then_some(number)
    }
}

/// A jump that still holds numbers.
fn to(plain: &Plain, n: usize, inst: Inst) -> Option<i32> {
    let to = plain.number(plain.pcs[n].wrapping_add_signed(inst.imm))?;
    Some(i32::from(to) | (n as i32 + 1) << 16)
}

/// One instruction alone; an inner nothing for one without effect.
fn single(image: &Image, plain: &Plain, n: usize, inst: Inst) -> Option<Option<Flat>> {
    let Inst {
        op,
        rd,
        rs1,
        rs2,
        imm,
    } = inst;
    let (a, b, c) = (rd.0 & 31, rs1.0 & 31, rs2.0 & 31);
    let flat = |kind, a, b, c, imm| Flat { kind, a, b, c, imm };
    let fmt = op.spec().fmt;
    Some(match op {
        Op::Ebreak => Some(flat(Kind::Finish, 0, 0, 0, n as i32 + 1)),
        Op::Jalr => Some(flat(Kind::Back, b, 0, 0, n as i32 + 1)),
        Op::Jal => {
            let target = plain.pcs[n].wrapping_add_signed(imm);
            if let Some(slot) = slot_at(target) {
                let imm = jump(slot as u16, n as i16 + 1);
                return Some(Some(flat(Kind::Call, 0, 0, 0, imm)));
            }
            let [low, high] = (n as u16 + 1).to_le_bytes();
            let kind = if a == 0 { Kind::Jump } else { Kind::Link };
            Some(flat(kind, a, low, high, to(plain, n, inst)?))
        }
        _ if fmt == nfl_isa::Fmt::B => Some(flat(alone(op)?, b, c, 0, to(plain, n, inst)?)),
        Op::Sb | Op::Sh | Op::Sw => {
            let kind = match (op, rs1.0) {
                (Op::Sb, reg::S0) => Kind::PacketSb,
                (Op::Sh, reg::S0) => Kind::PacketSh,
                (Op::Sw, reg::S0) => Kind::PacketSw,
                (Op::Sw, reg::SP) if imm % 4 == 0 => Kind::ScratchSw,
                _ => alone(op)?,
            };
            Some(flat(kind, 0, b, c, imm))
        }
        // What is proved and writes nothing has no effect.
        _ if rd == Reg::ZERO => None,
        Op::Lui => Some(flat(Kind::Li, a, 0, 0, imm)),
        Op::Addi if rs1 == Reg::ZERO => Some(flat(Kind::Li, a, 0, 0, imm)),
        Op::Lb | Op::Lh | Op::Lw | Op::Lbu | Op::Lhu => {
            if rs1 == Reg::ZERO {
                let word = constant(image, imm as u32, op)?;
                return Some(Some(flat(Kind::Li, a, 0, 0, word as i32)));
            }
            let kind = match (op, rs1.0) {
                (Op::Lb, reg::S0) => Kind::PacketLb,
                (Op::Lh, reg::S0) => Kind::PacketLh,
                (Op::Lw, reg::S0) => Kind::PacketLw,
                (Op::Lbu, reg::S0) => Kind::PacketLbu,
                (Op::Lhu, reg::S0) => Kind::PacketLhu,
                (Op::Lw, reg::SP) if imm % 4 == 0 => Kind::ScratchLw,
                _ => alone(op)?,
            };
            Some(flat(kind, a, b, 0, imm))
        }
        _ => Some(flat(alone(op)?, a, b, c, imm)),
    })
}

/// What a load from a known address of the constants gives: late parameters are bound by now.
fn constant(image: &Image, address: u32, op: Op) -> Option<u32> {
    let at = address.checked_sub(map::CONSTANTS_BASE)? as usize;
    let bytes = image.constants.get(at..)?;
    Some(match op {
        Op::Lb => i32::from(*bytes.first()? as i8) as u32,
        Op::Lbu => (*bytes.first()?).into(),
        Op::Lh => i32::from(i16::from_le_bytes(*bytes.first_chunk()?)) as u32,
        Op::Lhu => u16::from_le_bytes(*bytes.first_chunk()?).into(),
        _ => u32::from_le_bytes(*bytes.first_chunk()?),
    })
}

/// Several instructions as one, and how many, where there is a kind for that. No jump leads to any but
/// the first.
fn fused(plain: &Plain, n: usize) -> Option<(Flat, usize)> {
    let (first, second) = (*plain.insts.get(n)?, plain.insts.get(n + 1)?);
    if !are_first(first.op, second.op) {
        return None;
    }
    let behind = plain.is_target.get(n + 1..)?.iter().take(FUSED_MAX - 1);
    let many = 1 + behind.take_while(|&&is_target| !is_target).count();
    let insts = plain.insts.get(n..n + many)?;
    // What is fused writes all that its parts would: the registers of the node and zero are no part.
    let own = |inst: &Inst| !matches!(inst.rd.0, 0 | reg::SP | reg::S0 | reg::S1);
    if !own(&first) {
        return None;
    }
    match *insts {
        [_, b, c, d, ..] if own(&b) && own(&c) && own(&d) => four([first, b, c, d]),
        _ => None,
    }
    .or_else(|| match *insts {
        [_, b, c, ..] if own(&b) && own(&c) => three(first, b, c),
        _ => None,
    })
    .or_else(|| match *insts {
        [_, b, c, ..] if own(&b) => load_and_branch(plain, n, [first, b, c]),
        _ => None,
    })
    .or_else(|| match *insts {
        [_, b, ..] if own(&b) => two(first, b),
        _ => None,
    })
    .or_else(|| match *insts {
        [_, b, ..] => and_branch(plain, n, first, b),
        _ => None,
    })
}

const FUSED_MAX: usize = 4;

/// Whether some kind stands for several instructions of which these are the first two.
fn are_first(first: Op, second: Op) -> bool {
    use Op::{Add, Addi, And, Andi, Beq, Bgeu, Bltu, Bne, Lbu, Lhu, Lui, Or, Slli, Srli, Xor};
    match first {
        Addi => matches!(second, Beq | Bne | Bltu | Bgeu),
        Andi => matches!(second, Beq | Bne),
        Lbu => matches!(second, Lbu | Addi | Slli | Or),
        Lhu | Lui => second == Addi,
        Slli => matches!(second, Srli | Or | Add | And | Xor),
        Srli => matches!(second, Andi | Or | Add | And | Xor),
        _ => false,
    }
}

fn number(reg: Reg) -> u8 {
    reg.0 & 31
}

/// Bytes of an immediate.
fn bytes<const N: usize>(parts: [i32; N]) -> i32 {
    let bytes = (0..).zip(parts).map(|(at, part)| (part & 0xff) << (8 * at));
    bytes.fold(0, |all, part| all | part)
}

/// The other operand of an operation on `d` whose result is in `d` again.
fn other(inst: Inst, d: Reg) -> Option<Reg> {
    match (inst.rd == d, inst.rs1 == d, inst.rs2 == d) {
        (true, true, false) => Some(inst.rs2),
        (true, false, true) => Some(inst.rs1),
        _ => None,
    }
}

/// A step of a byte swap: a byte is cut out of a word and or'ed into another.
fn four([first, b, c, d]: [Inst; 4]) -> Option<(Flat, usize)> {
    let y = first.rd;
    let on_y = |inst: Inst, op| inst.op == op && inst.rd == y && inst.rs1 == y;
    let shifts = first.op == Op::Slli && on_y(b, Op::Srli) && on_y(c, Op::Slli);
    if !shifts || d.op != Op::Or || d.rd == y || other(d, d.rd) != Some(y) {
        return None;
    }
    let flat = Flat {
        kind: Kind::FieldOr,
        a: number(d.rd),
        b: number(first.rs1),
        c: number(y),
        imm: bytes([first.imm & 31, b.imm & 31, c.imm & 31]),
    };
    Some((flat, 4))
}

/// The outer bytes of a byte swap, or a rotation.
fn three(first: Inst, b: Inst, c: Inst) -> Option<(Flat, usize)> {
    let (x, y) = (first.rd, b.rd);
    let ends = (first.op, b.op, c.op) == (Op::Slli, Op::Srli, Op::Or)
        && first.rs1 == b.rs1
        && x != b.rs1
        && x != y
        && c.rd == x
        && other(c, x) == Some(y);
    let flat = Flat {
        kind: Kind::SlliSrliOr,
        a: number(x),
        b: number(b.rs1),
        c: number(y),
        imm: bytes([first.imm & 31, b.imm & 31]),
    };
    ends.then_some((flat, 3))
}

/// A field of the packet that is compared with a small number.
fn load_and_branch(
    plain: &Plain,
    n: usize,
    [load, add, branch]: [Inst; 3],
) -> Option<(Flat, usize)> {
    let d = load.rd;
    let kind = match (load.op, branch.op) {
        (Op::Lbu, Op::Beq) => Kind::PacketLbuBeqz,
        (Op::Lbu, Op::Bne) => Kind::PacketLbuBnez,
        (Op::Lhu, Op::Beq) => Kind::PacketLhuBeqz,
        (Op::Lhu, Op::Bne) => Kind::PacketLhuBnez,
        _ => return None,
    };
    let compared = add.op == Op::Addi && add.rd == d && add.rs1 == d;
    if load.rs1.0 != reg::S0 || !compared || branch.rs1 != d || branch.rs2 != Reg::ZERO {
        return None;
    }
    let flat = Flat {
        kind,
        a: number(d),
        b: u8::try_from(load.imm).ok()?,
        c: i8::try_from(add.imm).ok()? as u8,
        imm: to(plain, n + 2, branch)?,
    };
    Some((flat, 3))
}

/// A small number, and a branch by what becomes of it.
fn and_branch(plain: &Plain, n: usize, first: Inst, branch: Inst) -> Option<(Flat, usize)> {
    let d = first.rd;
    let small = || i8::try_from(first.imm).ok().map(|small| small as u8);
    let is_zero = branch.rs1 == d && branch.rs2 == Reg::ZERO;
    let (kind, a, b) = match (first.op, branch.op) {
        (Op::Addi, _) if first.rs1 == Reg::ZERO => {
            if branch.rs2 != d || branch.rs1 == d {
                return None;
            }
            let kind = match branch.op {
                Op::Beq => Kind::BeqLi,
                Op::Bne => Kind::BneLi,
                Op::Bltu => Kind::BltuLi,
                Op::Bgeu => Kind::BgeuLi,
                _ => return None,
            };
            (kind, branch.rs1, d)
        }
        (Op::Addi, Op::Beq) if is_zero => (Kind::AddiBeqz, d, first.rs1),
        (Op::Addi, Op::Bne) if is_zero => (Kind::AddiBnez, d, first.rs1),
        (Op::Andi, Op::Beq) if is_zero => (Kind::AndiBeqz, d, first.rs1),
        (Op::Andi, Op::Bne) if is_zero => (Kind::AndiBnez, d, first.rs1),
        _ => return None,
    };
    let flat = Flat {
        kind,
        a: number(a),
        b: number(b),
        c: small()?,
        imm: to(plain, n + 1, branch)?,
    };
    Some((flat, 2))
}

/// Two instructions that compute.
fn two(first: Inst, second: Inst) -> Option<(Flat, usize)> {
    let d = first.rd;
    let on_d = second.rd == d && second.rs1 == d;
    let flat = |kind, a, b, c, imm| Some((Flat { kind, a, b, c, imm }, 2));
    let (from, to) = (number(first.rs1), number(d));
    match (first.op, second.op) {
        (Op::Lui, Op::Addi) if on_d => flat(Kind::Li, to, 0, 0, first.imm.wrapping_add(second.imm)),
        (Op::Slli, Op::Srli) if on_d => {
            let shifts = bytes([first.imm & 31, second.imm & 31]);
            flat(Kind::SlliSrli, to, from, 0, shifts)
        }
        (Op::Srli, Op::Andi) if on_d => {
            flat(Kind::SrliAndi, to, from, (first.imm & 31) as u8, second.imm)
        }
        (Op::Slli | Op::Srli, Op::Or | Op::Add | Op::And | Op::Xor) => {
            let kind = match (first.op, second.op) {
                (Op::Slli, Op::Or) => Kind::SlliOr,
                (Op::Slli, Op::Add) => Kind::SlliAdd,
                (Op::Slli, Op::And) => Kind::SlliAnd,
                (Op::Slli, _) => Kind::SlliXor,
                (_, Op::Or) => Kind::SrliOr,
                (_, Op::Add) => Kind::SrliAdd,
                (_, Op::And) => Kind::SrliAnd,
                (_, _) => Kind::SrliXor,
            };
            let operands = [number(second.rs1), number(second.rs2)].map(i32::from);
            let imm = bytes([first.imm & 31, operands[0], operands[1]]);
            flat(kind, to, from, number(second.rd), imm)
        }
        (Op::Lbu, Op::Lbu) if first.rs1.0 == reg::S0 && second.rs1.0 == reg::S0 => {
            let (low, high) = (
                u8::try_from(first.imm).ok()?,
                u8::try_from(second.imm).ok()?,
            );
            let offsets = i32::from(low) | i32::from(high) << 16;
            flat(Kind::PacketTwoLbu, to, number(second.rd), 0, offsets)
        }
        (Op::Lbu, Op::Slli) if on_d && first.rs1 != Reg::ZERO => {
            flat(Kind::LbuSlli, to, from, (second.imm & 31) as u8, first.imm)
        }
        (Op::Lbu, Op::Or) if first.rs1 != Reg::ZERO && second.rd != d => {
            let x = second.rd;
            (other(second, x)? == d).then_some(())?;
            flat(Kind::LbuOr, number(x), from, to, first.imm)
        }
        _ => None,
    }
}

/// The slot of the call vector at a place relative to the code's first byte.
pub(crate) fn slot_at(target: u32) -> Option<usize> {
    // The vector lies right below the code, so a slot's distance is what the place lacks to 0.
    let below = 0u32.wrapping_sub(target);
    let slot = (below / map::SLOT_BYTES).checked_sub(1)?;
    let is_slot = below.is_multiple_of(map::SLOT_BYTES) && slot < map::VECTOR_SLOTS;
    is_slot.then_some(slot as usize)
}
