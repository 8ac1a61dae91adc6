//! The table of 16-bit forms: one row, both directions.
//!
//! In: nothing. Out: [`FORMS`]. A row says which pattern it is, which instruction it stands for, and where each operand
//! comes from; the decoder reads operands out through it and [`crate::compress()`] puts them in. The permuted immediates of
//! the C extension are therefore written down once. The first row that matches is the one meant.

use crate::DecodeError::{self, Hint, Reserved};
use crate::Extension::Zcb;
use crate::target::Extensions;
use crate::{Extension, Inst, Op, Reg, SPECS};

/// Where a register operand of a 16-bit form stands: its number is some bits of the pattern, from this bit up, and a part that is
/// not in the pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    at: u8,
    bits: u8,
    set: u8,
}

impl Place {
    /// Not in the pattern: always this register.
    const fn is(number: u8) -> Place {
        Place {
            at: 0,
            bits: 0,
            set: number,
        }
    }

    /// Five bits, from this bit up.
    const fn full(at: u8) -> Place {
        Place {
            at,
            bits: 31,
            set: 0,
        }
    }

    /// Three bits, from this bit up: `x8` to `x15`.
    const fn compact(at: u8) -> Place {
        Place {
            at,
            bits: 7,
            set: 8,
        }
    }
}

/// Where the bits of an immediate stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bits {
    /// Bits of the pattern, and by how much they turn left to their places in the value. All that turn as far stand together,
    /// and those that are not needed are empty.
    turns: [(u16, u32); TURNS_MAX],
    /// The bits of the value that stand in the pattern.
    mask: u32,
    /// The number of bits after which the value repeats its sign; 32 for an unsigned value.
    width: u32,
    /// Bits of the value that stand nowhere in the pattern and are always set.
    set: i32,
}

/// No form turns its bits by more distances than this.
const TURNS_MAX: usize = 6;

impl Bits {
    /// From pairs of a bit in the pattern and a bit of the value.
    const fn new(pairs: &[(u32, u32)], width: u32) -> Bits {
        let mut turns = [(0, 0); TURNS_MAX];
        let mut mask = 0;
        let mut at = 0;
        while at < pairs.len() {
            let (from, to) = pairs[at];
            mask |= 1 << to;
            let by = (to + 32 - from) % 32;
            let mut turn = 0;
            while turns[turn].0 != 0 && turns[turn].1 != by {
                turn += 1;
            }
            turns[turn] = (turns[turn].0 | 1 << from, by);
            at += 1;
        }
        Bits {
            turns,
            mask,
            width,
            set: 0,
        }
    }

    const fn set(self, set: i32) -> Bits {
        Bits { set, ..self }
    }
}

const NONE: Bits = Bits::new(&[], 32);
const CI: Bits = Bits::new(&[(12, 5), (6, 4), (5, 3), (4, 2), (3, 1), (2, 0)], 6);
/// Bit 12 of a shift amount must be zero in RV32 and is part of the row's pattern.
const SHIFT: Bits = Bits::new(&[(6, 4), (5, 3), (4, 2), (3, 1), (2, 0)], 32);
const LUI: Bits = Bits::new(&[(12, 17), (6, 16), (5, 15), (4, 14), (3, 13), (2, 12)], 18);
const ADDI16SP: Bits = Bits::new(&[(12, 9), (6, 4), (5, 6), (4, 8), (3, 7), (2, 5)], 10);
const CIW: Bits = Bits::new(
    &[
        (12, 5),
        (11, 4),
        (10, 9),
        (9, 8),
        (8, 7),
        (7, 6),
        (6, 2),
        (5, 3),
    ],
    32,
);
const WORD: Bits = Bits::new(&[(12, 5), (11, 4), (10, 3), (6, 2), (5, 6)], 32);
const LWSP: Bits = Bits::new(&[(12, 5), (6, 4), (5, 3), (4, 2), (3, 7), (2, 6)], 32);
const SWSP: Bits = Bits::new(&[(12, 5), (11, 4), (10, 3), (9, 2), (8, 7), (7, 6)], 32);
/// `c.lbu` and `c.sb`: the two bits stand in the other order than in any other form.
const BYTE: Bits = Bits::new(&[(6, 0), (5, 1)], 32);
const HALF: Bits = Bits::new(&[(5, 1)], 32);
const LOW_BYTE: Bits = Bits::new(&[], 32).set(0xff);
const ALL_ONES: Bits = Bits::new(&[], 32).set(-1);
const CB: Bits = Bits::new(
    &[
        (12, 8),
        (11, 4),
        (10, 3),
        (6, 7),
        (5, 6),
        (4, 2),
        (3, 1),
        (2, 5),
    ],
    9,
);
const CJ: Bits = Bits::new(
    &[
        (12, 11),
        (11, 4),
        (10, 9),
        (9, 8),
        (8, 10),
        (7, 6),
        (6, 7),
        (5, 3),
        (4, 2),
        (3, 1),
        (2, 5),
    ],
    12,
);

/// How the operands of a 16-bit form are written in assembly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syntax {
    /// `c.ebreak`
    Bare,
    /// `c.li rd, imm`
    RdImm,
    /// `c.not rd`
    Rd,
    /// `c.lui rd, imm >> 12`
    RdUpper,
    /// `c.addi4spn rd, sp, imm`
    RdSpImm,
    /// `c.add rd, rs2`
    RdRs2,
    /// `c.lw rd, imm(rs1)`
    Load,
    /// `c.sw rs2, imm(rs1)`
    Store,
    /// `c.beqz rs1, target`
    Rs1Target,
    /// `c.j target`
    Target,
    /// `c.jr rs1`
    Rs1,
}

/// One 16-bit form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    pub text: &'static str,
    /// The bits of the pattern that this row fixes, and what they are.
    pub mask: u16,
    pub bits: u16,
    /// The instruction it stands for.
    pub op: Op,
    /// The part of the instruction set the form belongs to, beside that of the instruction: `I` stands for C.
    pub extension: Extension,
    /// That part, and the instruction's.
    pub(crate) needs: Extensions,
    pub(crate) rd: Place,
    pub(crate) rs1: Place,
    pub(crate) rs2: Place,
    pub(crate) imm: Bits,
    pub(crate) syntax: Syntax,
    /// What the pattern is instead when the register in bits 11 to 7 is `x0`.
    if_x0: Option<DecodeError>,
    /// What the pattern is instead when the immediate is zero.
    if_zero: Option<DecodeError>,
}

/// Bits 11 to 7, the full register field most forms have.
const FULL: Place = Place::full(7);
/// Bits 9 to 7, the compact register that is source and destination, or base.
const MAIN: Place = Place::compact(7);
/// Bits 4 to 2, the other compact register.
const OTHER: Place = Place::compact(2);
const X0: Place = Place::is(0);
const RA: Place = Place::is(1);
const SP: Place = Place::is(2);

impl Form {
    const fn new(text: &'static str, mask: u16, bits: u16, op: Op, syntax: Syntax) -> Form {
        Form {
            text,
            mask,
            bits,
            op,
            extension: Extension::I,
            needs: Extensions::of(&[op.spec().extension]),
            rd: X0,
            rs1: X0,
            rs2: X0,
            imm: NONE,
            syntax,
            if_x0: None,
            if_zero: None,
        }
    }

    const fn rd(self, rd: Place) -> Form {
        Form { rd, ..self }
    }

    const fn rs1(self, rs1: Place) -> Form {
        Form { rs1, ..self }
    }

    const fn rs2(self, rs2: Place) -> Form {
        Form { rs2, ..self }
    }

    const fn imm(self, imm: Bits) -> Form {
        Form { imm, ..self }
    }

    const fn of(self, extension: Extension) -> Form {
        let needs = Extensions::of(&[extension, self.op.spec().extension]);
        Form {
            extension,
            needs,
            ..self
        }
    }

    const fn if_x0(self, why: DecodeError) -> Form {
        Form {
            if_x0: Some(why),
            ..self
        }
    }

    const fn if_zero(self, why: DecodeError) -> Form {
        Form {
            if_zero: Some(why),
            ..self
        }
    }

    /// The row of a pattern, if there is one.
    #[inline]
    pub(crate) fn find(half: u16) -> Option<&'static Form> {
        let (from, to) = *BUCKETS.get(key(half))?;
        let forms = FORMS.get(usize::from(from)..usize::from(to))?;
        forms.iter().find(|form| half & form.mask == form.bits)
    }

    /// The instruction a pattern of this row stands for.
    #[inline]
    pub(crate) fn unpack(&self, half: u16) -> Result<Inst, DecodeError> {
        let inst = self.inst(half);
        match self.instead(half, inst.imm) {
            Some(why) => Err(why),
            None => Ok(inst),
        }
    }

    /// The operands of a pattern of this row, be it an instruction or something else instead.
    #[inline]
    pub(crate) fn inst(&self, half: u16) -> Inst {
        Inst {
            op: self.op,
            rd: self.rd.gather(half),
            rs1: self.rs1.gather(half),
            rs2: self.rs2.gather(half),
            imm: self.imm.gather(half),
        }
    }

    /// What a pattern of this row with this immediate is instead of an instruction.
    #[inline]
    pub(crate) fn instead(&self, half: u16, imm: i32) -> Option<DecodeError> {
        let is_zero = imm == 0;
        let is_x0 = FULL.gather(half) == Reg::ZERO;
        let zero = self.if_zero.filter(|_| is_zero);
        zero.or_else(|| self.if_x0.filter(|_| is_x0))
    }

    /// The rows that stand for an operation, in their order.
    pub(crate) fn of_op(op: Op) -> impl Iterator<Item = &'static Form> {
        Form::rows_of(op).map(|row| &FORMS[row])
    }

    /// Their places in [`FORMS`].
    pub(crate) fn rows_of(op: Op) -> impl Iterator<Item = usize> {
        let rows = ROWS.get(op as usize).into_iter().flatten();
        let rows = rows.map(|&row| usize::from(row));
        rows.take_while(|&row| row < FORMS.len())
    }

    /// Whether some pattern of this row stands for an instruction with this immediate.
    pub(crate) fn takes(&self, imm: i32) -> bool {
        self.imm.holds(imm) && !(imm == 0 && self.if_zero.is_some())
    }

    /// Whether a register in a place of this row leaves the pattern to this row.
    pub(crate) const fn may_name(row: usize, place: Place, reg: Reg) -> bool {
        let form = &FORMS[row];
        if !place.names(reg) || (form.if_x0.is_some() && place.at == FULL.at && reg.0 == 0) {
            return false;
        }
        let mask = form.mask | place.mask();
        let bits = form.bits | place.scatter(reg);
        let mut earlier = 0;
        while earlier < row {
            let other = &FORMS[earlier];
            if other.mask & !mask == 0 && bits & other.mask == other.bits {
                return false;
            }
            earlier += 1;
        }
        true
    }

    /// The pattern of this row that stands for exactly this instruction.
    pub(crate) fn pack(&self, inst: &Inst) -> Option<u16> {
        // Most rows that are asked cannot name the registers, or have no room for the immediate.
        let names = self.rd.names(inst.rd) && self.rs1.names(inst.rs1) && self.rs2.names(inst.rs2);
        if !names || !self.imm.holds(inst.imm) {
            return None;
        }
        let half = self.bits
            | self.rd.scatter(inst.rd)
            | self.rs1.scatter(inst.rs1)
            | self.rs2.scatter(inst.rs2)
            | self.imm.scatter(inst.imm);
        // Operands that share a place come back different unless they are equal.
        let regs = [self.rd, self.rs1, self.rs2].map(|place| place.gather(half));
        if regs != [inst.rd, inst.rs1, inst.rs2] || self.instead(half, inst.imm).is_some() {
            return None;
        }
        // A pattern that belongs to an earlier row is not this one.
        let is_meant = |form: &Form| (form.mask, form.bits) == (self.mask, self.bits);
        Form::find(half).is_some_and(is_meant).then_some(half)
    }
}

impl Place {
    #[inline]
    fn gather(self, half: u16) -> Reg {
        Reg((half >> self.at) as u8 & self.bits | self.set)
    }

    /// The register that needs no naming; `x0` where the pattern names it.
    pub(crate) fn fixed(self) -> Reg {
        Reg(if self.bits == 0 { self.set } else { 0 })
    }

    const fn names(self, reg: Reg) -> bool {
        reg.0 & !self.bits == self.set
    }

    const fn scatter(self, reg: Reg) -> u16 {
        ((reg.0 & self.bits) as u16) << self.at
    }

    /// The bits of the pattern that say the register.
    const fn mask(self) -> u16 {
        (self.bits as u16) << self.at
    }

    /// Whether two operands are one in the pattern.
    pub(crate) const fn shares(self, other: Place) -> bool {
        self.mask() & other.mask() != 0
    }
}

impl Bits {
    #[inline]
    fn gather(self, half: u16) -> i32 {
        let gathered = self.turns.iter().fold(0, |value, &(bits, by)| {
            value | u32::from(half & bits).rotate_left(by)
        });
        self.extend(gathered)
    }

    /// The value whose bits in the pattern are these.
    fn extend(self, bits: u32) -> i32 {
        let unused = 32 - self.width;
        (bits << unused).cast_signed() >> unused | self.set
    }

    /// Whether the pattern can say this value.
    fn holds(self, imm: i32) -> bool {
        self.extend(imm.cast_unsigned() & self.mask) == imm
    }

    /// The value of a form that has no immediate in its pattern.
    pub(crate) fn fixed(self) -> i32 {
        self.set
    }

    fn scatter(self, imm: i32) -> u16 {
        self.turns.iter().fold(0, |half, &(bits, by)| {
            half | imm.cast_unsigned().rotate_right(by) as u16 & bits
        })
    }
}

/// The 16-bit forms of RV32C without floating point, and those of Zcb.
#[rustfmt::skip] // one row per line
pub const FORMS: &[Form] = &[
    //         text          mask    bits    op          syntax
    Form::new("c.addi4spn", 0xe003, 0x0000, Op::Addi,   Syntax::RdSpImm).rd(OTHER).rs1(SP).imm(CIW).if_zero(Reserved),
    Form::new("c.lw",       0xe003, 0x4000, Op::Lw,     Syntax::Load).rd(OTHER).rs1(MAIN).imm(WORD),
    Form::new("c.lbu",      0xfc03, 0x8000, Op::Lbu,    Syntax::Load).rd(OTHER).rs1(MAIN).imm(BYTE).of(Zcb),
    Form::new("c.lhu",      0xfc43, 0x8400, Op::Lhu,    Syntax::Load).rd(OTHER).rs1(MAIN).imm(HALF).of(Zcb),
    Form::new("c.lh",       0xfc43, 0x8440, Op::Lh,     Syntax::Load).rd(OTHER).rs1(MAIN).imm(HALF).of(Zcb),
    Form::new("c.sb",       0xfc03, 0x8800, Op::Sb,     Syntax::Store).rs2(OTHER).rs1(MAIN).imm(BYTE).of(Zcb),
    Form::new("c.sh",       0xfc43, 0x8c00, Op::Sh,     Syntax::Store).rs2(OTHER).rs1(MAIN).imm(HALF).of(Zcb),
    Form::new("c.sw",       0xe003, 0xc000, Op::Sw,     Syntax::Store).rs2(OTHER).rs1(MAIN).imm(WORD),
    Form::new("c.nop",      0xffff, 0x0001, Op::Addi,   Syntax::Bare),
    Form::new("c.addi",     0xe003, 0x0001, Op::Addi,   Syntax::RdImm).rd(FULL).rs1(FULL).imm(CI).if_x0(Hint).if_zero(Hint),
    Form::new("c.jal",      0xe003, 0x2001, Op::Jal,    Syntax::Target).rd(RA).imm(CJ),
    Form::new("c.li",       0xe003, 0x4001, Op::Addi,   Syntax::RdImm).rd(FULL).imm(CI).if_x0(Hint),
    Form::new("c.addi16sp", 0xef83, 0x6101, Op::Addi,   Syntax::RdImm).rd(SP).rs1(SP).imm(ADDI16SP).if_zero(Reserved),
    Form::new("c.lui",      0xe003, 0x6001, Op::Lui,    Syntax::RdUpper).rd(FULL).imm(LUI).if_x0(Hint).if_zero(Reserved),
    Form::new("c.srli",     0xfc03, 0x8001, Op::Srli,   Syntax::RdImm).rd(MAIN).rs1(MAIN).imm(SHIFT).if_zero(Hint),
    Form::new("c.srai",     0xfc03, 0x8401, Op::Srai,   Syntax::RdImm).rd(MAIN).rs1(MAIN).imm(SHIFT).if_zero(Hint),
    Form::new("c.andi",     0xec03, 0x8801, Op::Andi,   Syntax::RdImm).rd(MAIN).rs1(MAIN).imm(CI),
    Form::new("c.sub",      0xfc63, 0x8c01, Op::Sub,    Syntax::RdRs2).rd(MAIN).rs1(MAIN).rs2(OTHER),
    Form::new("c.xor",      0xfc63, 0x8c21, Op::Xor,    Syntax::RdRs2).rd(MAIN).rs1(MAIN).rs2(OTHER),
    Form::new("c.or",       0xfc63, 0x8c41, Op::Or,     Syntax::RdRs2).rd(MAIN).rs1(MAIN).rs2(OTHER),
    Form::new("c.and",      0xfc63, 0x8c61, Op::And,    Syntax::RdRs2).rd(MAIN).rs1(MAIN).rs2(OTHER),
    Form::new("c.mul",      0xfc63, 0x9c41, Op::Mul,    Syntax::RdRs2).rd(MAIN).rs1(MAIN).rs2(OTHER).of(Zcb),
    Form::new("c.zext.b",   0xfc7f, 0x9c61, Op::Andi,   Syntax::Rd).rd(MAIN).rs1(MAIN).imm(LOW_BYTE).of(Zcb),
    Form::new("c.sext.b",   0xfc7f, 0x9c65, Op::Sextb,  Syntax::Rd).rd(MAIN).rs1(MAIN).of(Zcb),
    Form::new("c.zext.h",   0xfc7f, 0x9c69, Op::Zexth,  Syntax::Rd).rd(MAIN).rs1(MAIN).of(Zcb),
    Form::new("c.sext.h",   0xfc7f, 0x9c6d, Op::Sexth,  Syntax::Rd).rd(MAIN).rs1(MAIN).of(Zcb),
    Form::new("c.not",      0xfc7f, 0x9c75, Op::Xori,   Syntax::Rd).rd(MAIN).rs1(MAIN).imm(ALL_ONES).of(Zcb),
    Form::new("c.j",        0xe003, 0xa001, Op::Jal,    Syntax::Target).imm(CJ),
    Form::new("c.beqz",     0xe003, 0xc001, Op::Beq,    Syntax::Rs1Target).rs1(MAIN).imm(CB),
    Form::new("c.bnez",     0xe003, 0xe001, Op::Bne,    Syntax::Rs1Target).rs1(MAIN).imm(CB),
    Form::new("c.slli",     0xf003, 0x0002, Op::Slli,   Syntax::RdImm).rd(FULL).rs1(FULL).imm(SHIFT).if_x0(Hint).if_zero(Hint),
    Form::new("c.lwsp",     0xe003, 0x4002, Op::Lw,     Syntax::Load).rd(FULL).rs1(SP).imm(LWSP).if_x0(Reserved),
    Form::new("c.jr",       0xf07f, 0x8002, Op::Jalr,   Syntax::Rs1).rs1(FULL).if_x0(Reserved),
    Form::new("c.mv",       0xf003, 0x8002, Op::Add,    Syntax::RdRs2).rd(FULL).rs2(Place::full(2)).if_x0(Hint),
    Form::new("c.ebreak",   0xffff, 0x9002, Op::Ebreak, Syntax::Bare),
    Form::new("c.jalr",     0xf07f, 0x9002, Op::Jalr,   Syntax::Rs1).rd(RA).rs1(FULL),
    Form::new("c.add",      0xf003, 0x9002, Op::Add,    Syntax::RdRs2).rd(FULL).rs1(FULL).rs2(Place::full(2)).if_x0(Hint),
    Form::new("c.swsp",     0xe003, 0xc002, Op::Sw,     Syntax::Store).rs2(Place::full(2)).rs1(SP).imm(SWSP),
];

/// Quadrant and funct3, which every row fixes.
const fn key(half: u16) -> usize {
    (half >> 13 << 2 | half & 3) as usize
}

/// For each quadrant and funct3 its rows, which stand together: the first of them and the first behind them.
static BUCKETS: [(u8, u8); 32] = buckets();

/// Rows of one operation, at most.
const ROWS_MAX: usize = 6;

/// For each operation its rows; behind them a number that no row has.
static ROWS: [[u8; ROWS_MAX]; SPECS.len()] = rows();

const fn rows() -> [[u8; ROWS_MAX]; SPECS.len()] {
    let mut rows = [[u8::MAX; ROWS_MAX]; SPECS.len()];
    let mut row = 0;
    while row < FORMS.len() {
        let of = &mut rows[FORMS[row].op as usize];
        let mut at = 0;
        while of[at] != u8::MAX {
            at += 1;
        }
        of[at] = row as u8;
        row += 1;
    }
    rows
}

const fn buckets() -> [(u8, u8); 32] {
    let mut buckets = [(0, 0); 32];
    let mut row = 0;
    while row < FORMS.len() {
        let form = &FORMS[row];
        assert!(form.mask & 0xe003 == 0xe003, "a row of more than one group");
        let bucket = &mut buckets[key(form.bits)];
        if bucket.1 == 0 {
            *bucket = (row as u8, row as u8);
        }
        assert!(bucket.1 as usize == row, "rows of one group stand apart");
        bucket.1 = row as u8 + 1;
        row += 1;
    }
    buckets
}
