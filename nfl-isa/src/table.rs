//! The table of RV32 instructions: one row, every fact.
//!
//! In: nothing. Out: [`Op`], [`SPECS`] and the flat instruction [`Inst`]. Guaranteed, when it compiles: no two rows claim
//! the same word. Fences, atomics, CSR and floating-point instructions are no rows, so they cannot be decoded.

/// How operands lie in the 32-bit word, and how they are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fmt {
    /// `add rd, rs1, rs2`
    R,
    /// `addi rd, rs1, imm`
    I,
    /// `clz rd, rs1`: the row's `f5` stands in the place of `rs2`.
    Unary,
    /// `slli rd, rs1, amount`: I with a five-bit amount under a funct7.
    Shift,
    /// `lw rd, imm(rs1)`: loads and `jalr`, bits as I.
    Load,
    /// `sw rs2, imm(rs1)`
    S,
    /// `beq rs1, rs2, displacement`
    B,
    /// `lui rd, imm >> 12`
    U,
    /// `jal rd, displacement`
    J,
    /// `ecall`: no operands, the row's `f7` stands in the immediate's place.
    Bare,
}

impl Fmt {
    /// True when the instruction writes `rd`.
    pub const fn has_rd(self) -> bool {
        !matches!(self, Fmt::S | Fmt::B | Fmt::Bare)
    }

    /// True when the instruction reads `rs1`.
    pub const fn has_rs1(self) -> bool {
        !matches!(self, Fmt::U | Fmt::J | Fmt::Bare)
    }

    /// True when the instruction reads `rs2`.
    pub const fn has_rs2(self) -> bool {
        matches!(self, Fmt::R | Fmt::S | Fmt::B)
    }

    /// True when the instruction has an immediate.
    pub const fn has_imm(self) -> bool {
        !matches!(self, Fmt::R | Fmt::Unary | Fmt::Bare)
    }

    /// The bits of the word that tell one row from another.
    const fn mask(self) -> u32 {
        match self {
            Fmt::R | Fmt::Shift => 0xfe00_707f,
            Fmt::Unary => 0xfff0_707f,
            Fmt::I | Fmt::Load | Fmt::S | Fmt::B => 0x0000_707f,
            Fmt::U | Fmt::J => 0x0000_007f,
            Fmt::Bare => 0xffff_ffff,
        }
    }
}

/// What an instruction does besides writing `rd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fx {
    PURE,
    READ,
    WRITE,
    BRANCH,
    JUMP,
    SYSTEM,
}

/// The part of the instruction set a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    I,
    M,
    Zba,
    Zbb,
    Zbs,
    /// More 16-bit forms; it has no instruction of its own.
    Zcb,
}

/// One row: all that is known about an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    pub text: &'static str,
    pub fmt: Fmt,
    pub opcode: u8,
    pub f3: u8,
    pub f7: u8,
    /// What stands in the place of `rs2` in format Unary.
    pub f5: u8,
    pub effects: Fx,
    pub extension: Extension,
}

impl Spec {
    const fn new(text: &'static str, fmt: Fmt, opcode: u8, f3: u8, f7: u8, effects: Fx) -> Spec {
        let extension = Extension::I;
        Spec {
            text,
            fmt,
            opcode,
            f3,
            f7,
            f5: 0,
            effects,
            extension,
        }
    }

    const fn of(self, extension: Extension) -> Spec {
        Spec { extension, ..self }
    }

    const fn low(self, f5: u8) -> Spec {
        Spec { f5, ..self }
    }

    /// The bits of the word that this row fixes.
    pub const fn mask(&self) -> u32 {
        self.fmt.mask()
    }

    /// What those bits are; zero elsewhere.
    pub const fn bits(&self) -> u32 {
        let high = match self.fmt {
            Fmt::Bare => (self.f7 as u32) << 20,
            _ => (self.f7 as u32) << 25,
        };
        high | (self.f5 as u32) << 20 | (self.f3 as u32) << 12 | self.opcode as u32
    }
}

macro_rules! isa {
    ($($op:ident => $spec:expr;)*) => {
        /// An instruction's name: the index of its row in [`SPECS`].
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Op { $($op),* }

        /// The table, in the order of [`Op`].
        pub const SPECS: &[Spec] = &[$($spec),*];

        impl Op {
            /// All of them, in order.
            pub const ALL: &[Op] = &[$(Op::$op),*];
        }
    };
}

#[rustfmt::skip] // one row per line
mod rows {
use super::{Extension::{M, Zba, Zbb, Zbs}, Fmt, Fx, Spec};
isa! {                 // text     format      opcode f3 f7    effects
    Lui    => Spec::new("lui",    Fmt::U,     0x37,  0, 0x00, Fx::PURE);
    Auipc  => Spec::new("auipc",  Fmt::U,     0x17,  0, 0x00, Fx::PURE);
    Jal    => Spec::new("jal",    Fmt::J,     0x6f,  0, 0x00, Fx::JUMP);
    Jalr   => Spec::new("jalr",   Fmt::Load,  0x67,  0, 0x00, Fx::JUMP);
    Beq    => Spec::new("beq",    Fmt::B,     0x63,  0, 0x00, Fx::BRANCH);
    Bne    => Spec::new("bne",    Fmt::B,     0x63,  1, 0x00, Fx::BRANCH);
    Blt    => Spec::new("blt",    Fmt::B,     0x63,  4, 0x00, Fx::BRANCH);
    Bge    => Spec::new("bge",    Fmt::B,     0x63,  5, 0x00, Fx::BRANCH);
    Bltu   => Spec::new("bltu",   Fmt::B,     0x63,  6, 0x00, Fx::BRANCH);
    Bgeu   => Spec::new("bgeu",   Fmt::B,     0x63,  7, 0x00, Fx::BRANCH);
    Lb     => Spec::new("lb",     Fmt::Load,  0x03,  0, 0x00, Fx::READ);
    Lh     => Spec::new("lh",     Fmt::Load,  0x03,  1, 0x00, Fx::READ);
    Lw     => Spec::new("lw",     Fmt::Load,  0x03,  2, 0x00, Fx::READ);
    Lbu    => Spec::new("lbu",    Fmt::Load,  0x03,  4, 0x00, Fx::READ);
    Lhu    => Spec::new("lhu",    Fmt::Load,  0x03,  5, 0x00, Fx::READ);
    Sb     => Spec::new("sb",     Fmt::S,     0x23,  0, 0x00, Fx::WRITE);
    Sh     => Spec::new("sh",     Fmt::S,     0x23,  1, 0x00, Fx::WRITE);
    Sw     => Spec::new("sw",     Fmt::S,     0x23,  2, 0x00, Fx::WRITE);
    Addi   => Spec::new("addi",   Fmt::I,     0x13,  0, 0x00, Fx::PURE);
    Slti   => Spec::new("slti",   Fmt::I,     0x13,  2, 0x00, Fx::PURE);
    Sltiu  => Spec::new("sltiu",  Fmt::I,     0x13,  3, 0x00, Fx::PURE);
    Xori   => Spec::new("xori",   Fmt::I,     0x13,  4, 0x00, Fx::PURE);
    Ori    => Spec::new("ori",    Fmt::I,     0x13,  6, 0x00, Fx::PURE);
    Andi   => Spec::new("andi",   Fmt::I,     0x13,  7, 0x00, Fx::PURE);
    Slli   => Spec::new("slli",   Fmt::Shift, 0x13,  1, 0x00, Fx::PURE);
    Srli   => Spec::new("srli",   Fmt::Shift, 0x13,  5, 0x00, Fx::PURE);
    Srai   => Spec::new("srai",   Fmt::Shift, 0x13,  5, 0x20, Fx::PURE);
    Add    => Spec::new("add",    Fmt::R,     0x33,  0, 0x00, Fx::PURE);
    Sub    => Spec::new("sub",    Fmt::R,     0x33,  0, 0x20, Fx::PURE);
    Sll    => Spec::new("sll",    Fmt::R,     0x33,  1, 0x00, Fx::PURE);
    Slt    => Spec::new("slt",    Fmt::R,     0x33,  2, 0x00, Fx::PURE);
    Sltu   => Spec::new("sltu",   Fmt::R,     0x33,  3, 0x00, Fx::PURE);
    Xor    => Spec::new("xor",    Fmt::R,     0x33,  4, 0x00, Fx::PURE);
    Srl    => Spec::new("srl",    Fmt::R,     0x33,  5, 0x00, Fx::PURE);
    Sra    => Spec::new("sra",    Fmt::R,     0x33,  5, 0x20, Fx::PURE);
    Or     => Spec::new("or",     Fmt::R,     0x33,  6, 0x00, Fx::PURE);
    And    => Spec::new("and",    Fmt::R,     0x33,  7, 0x00, Fx::PURE);
    Mul    => Spec::new("mul",    Fmt::R,     0x33,  0, 0x01, Fx::PURE).of(M);
    Mulh   => Spec::new("mulh",   Fmt::R,     0x33,  1, 0x01, Fx::PURE).of(M);
    Mulhsu => Spec::new("mulhsu", Fmt::R,     0x33,  2, 0x01, Fx::PURE).of(M);
    Mulhu  => Spec::new("mulhu",  Fmt::R,     0x33,  3, 0x01, Fx::PURE).of(M);
    Div    => Spec::new("div",    Fmt::R,     0x33,  4, 0x01, Fx::PURE).of(M);
    Divu   => Spec::new("divu",   Fmt::R,     0x33,  5, 0x01, Fx::PURE).of(M);
    Rem    => Spec::new("rem",    Fmt::R,     0x33,  6, 0x01, Fx::PURE).of(M);
    Remu   => Spec::new("remu",   Fmt::R,     0x33,  7, 0x01, Fx::PURE).of(M);
    Sh1add => Spec::new("sh1add", Fmt::R,     0x33,  2, 0x10, Fx::PURE).of(Zba);
    Sh2add => Spec::new("sh2add", Fmt::R,     0x33,  4, 0x10, Fx::PURE).of(Zba);
    Sh3add => Spec::new("sh3add", Fmt::R,     0x33,  6, 0x10, Fx::PURE).of(Zba);
    Andn   => Spec::new("andn",   Fmt::R,     0x33,  7, 0x20, Fx::PURE).of(Zbb);
    Orn    => Spec::new("orn",    Fmt::R,     0x33,  6, 0x20, Fx::PURE).of(Zbb);
    Xnor   => Spec::new("xnor",   Fmt::R,     0x33,  4, 0x20, Fx::PURE).of(Zbb);
    Min    => Spec::new("min",    Fmt::R,     0x33,  4, 0x05, Fx::PURE).of(Zbb);
    Minu   => Spec::new("minu",   Fmt::R,     0x33,  5, 0x05, Fx::PURE).of(Zbb);
    Max    => Spec::new("max",    Fmt::R,     0x33,  6, 0x05, Fx::PURE).of(Zbb);
    Maxu   => Spec::new("maxu",   Fmt::R,     0x33,  7, 0x05, Fx::PURE).of(Zbb);
    Rol    => Spec::new("rol",    Fmt::R,     0x33,  1, 0x30, Fx::PURE).of(Zbb);
    Ror    => Spec::new("ror",    Fmt::R,     0x33,  5, 0x30, Fx::PURE).of(Zbb);
    Rori   => Spec::new("rori",   Fmt::Shift, 0x13,  5, 0x30, Fx::PURE).of(Zbb);
    Clz    => Spec::new("clz",    Fmt::Unary, 0x13,  1, 0x30, Fx::PURE).of(Zbb).low(0x00);
    Ctz    => Spec::new("ctz",    Fmt::Unary, 0x13,  1, 0x30, Fx::PURE).of(Zbb).low(0x01);
    Cpop   => Spec::new("cpop",   Fmt::Unary, 0x13,  1, 0x30, Fx::PURE).of(Zbb).low(0x02);
    Sextb  => Spec::new("sext.b", Fmt::Unary, 0x13,  1, 0x30, Fx::PURE).of(Zbb).low(0x04);
    Sexth  => Spec::new("sext.h", Fmt::Unary, 0x13,  1, 0x30, Fx::PURE).of(Zbb).low(0x05);
    Zexth  => Spec::new("zext.h", Fmt::Unary, 0x33,  4, 0x04, Fx::PURE).of(Zbb).low(0x00);
    Orcb   => Spec::new("orc.b",  Fmt::Unary, 0x13,  5, 0x14, Fx::PURE).of(Zbb).low(0x07);
    Rev8   => Spec::new("rev8",   Fmt::Unary, 0x13,  5, 0x34, Fx::PURE).of(Zbb).low(0x18);
    Bclr   => Spec::new("bclr",   Fmt::R,     0x33,  1, 0x24, Fx::PURE).of(Zbs);
    Bclri  => Spec::new("bclri",  Fmt::Shift, 0x13,  1, 0x24, Fx::PURE).of(Zbs);
    Bext   => Spec::new("bext",   Fmt::R,     0x33,  5, 0x24, Fx::PURE).of(Zbs);
    Bexti  => Spec::new("bexti",  Fmt::Shift, 0x13,  5, 0x24, Fx::PURE).of(Zbs);
    Binv   => Spec::new("binv",   Fmt::R,     0x33,  1, 0x34, Fx::PURE).of(Zbs);
    Binvi  => Spec::new("binvi",  Fmt::Shift, 0x13,  1, 0x34, Fx::PURE).of(Zbs);
    Bset   => Spec::new("bset",   Fmt::R,     0x33,  1, 0x14, Fx::PURE).of(Zbs);
    Bseti  => Spec::new("bseti",  Fmt::Shift, 0x13,  1, 0x14, Fx::PURE).of(Zbs);
    Ecall  => Spec::new("ecall",  Fmt::Bare,  0x73,  0, 0x00, Fx::SYSTEM);
    Ebreak => Spec::new("ebreak", Fmt::Bare,  0x73,  0, 0x01, Fx::SYSTEM);
}
}

pub use rows::{Op, SPECS};

impl Op {
    /// This instruction's row.
    pub const fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    /// The instruction an assembler calls `text`.
    pub fn parse(text: &str) -> Option<Op> {
        Op::ALL.iter().copied().find(|op| op.spec().text == text)
    }
}

/// One instruction, flat: a field its format has no place for is `Reg(0)` or 0. `R` is a register, or a virtual register
/// before allocation. The immediate of a branch or `jal` is the displacement in bytes, that of `lui` and `auipc` the full
/// value, its low twelve bits zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inst<R = crate::Reg> {
    pub op: Op,
    pub rd: R,
    pub rs1: R,
    pub rs2: R,
    pub imm: i32,
}

impl<R: Copy> Inst<R> {
    /// The same instruction over other registers.
    pub fn map<S>(&self, mut f: impl FnMut(R) -> S) -> Inst<S> {
        let Inst {
            op,
            rd,
            rs1,
            rs2,
            imm,
        } = *self;
        Inst {
            op,
            rd: f(rd),
            rs1: f(rs1),
            rs2: f(rs2),
            imm,
        }
    }

    /// The register written, if the format has one.
    pub fn written(&self) -> Option<R> {
        self.op.spec().fmt.has_rd().then_some(self.rd)
    }

    /// The registers read, where the format has them.
    pub fn read(&self) -> [Option<R>; 2] {
        let fmt = self.op.spec().fmt;
        [
            fmt.has_rs1().then_some(self.rs1),
            fmt.has_rs2().then_some(self.rs2),
        ]
    }
}

impl Inst {
    /// `addi x0, x0, 0`, the one instruction without effect that is no hint.
    pub const NOP: Inst = Inst::i(Op::Addi, crate::Reg::ZERO, crate::Reg::ZERO, 0);

    /// Format R.
    pub const fn r(op: Op, rd: crate::Reg, rs1: crate::Reg, rs2: crate::Reg) -> Inst {
        Inst {
            op,
            rd,
            rs1,
            rs2,
            imm: 0,
        }
    }

    /// Formats I, Shift and Load.
    pub const fn i(op: Op, rd: crate::Reg, rs1: crate::Reg, imm: i32) -> Inst {
        Inst {
            op,
            rd,
            rs1,
            rs2: crate::Reg::ZERO,
            imm,
        }
    }

    /// Format S: `rs2` to memory at `rs1 + imm`.
    pub const fn s(op: Op, rs2: crate::Reg, rs1: crate::Reg, imm: i32) -> Inst {
        Inst {
            op,
            rd: crate::Reg::ZERO,
            rs1,
            rs2,
            imm,
        }
    }

    /// Format B.
    pub const fn b(op: Op, rs1: crate::Reg, rs2: crate::Reg, displacement: i32) -> Inst {
        Inst {
            op,
            rd: crate::Reg::ZERO,
            rs1,
            rs2,
            imm: displacement,
        }
    }

    /// Formats U and J.
    pub const fn u(op: Op, rd: crate::Reg, imm: i32) -> Inst {
        Inst {
            op,
            rd,
            rs1: crate::Reg::ZERO,
            rs2: crate::Reg::ZERO,
            imm,
        }
    }

    /// `ecall` and `ebreak`.
    pub const fn bare(op: Op) -> Inst {
        Inst::u(op, crate::Reg::ZERO, 0)
    }

    /// True when the word lies in the space of hints: an RV32I computation into `x0`, other than `nop`.
    #[inline]
    pub const fn is_hint(&self) -> bool {
        let spec = self.op.spec();
        let writes_nothing = self.rd.0 == 0 && matches!(spec.effects, Fx::PURE);
        let is_nop = matches!(self.op, Op::Addi) && self.rs1.0 == 0 && self.imm == 0;
        writes_nothing && matches!(spec.extension, Extension::I) && !is_nop
    }
}

/// Two rows overlap when they agree in every bit that both fix.
const fn overlap(a: &Spec, b: &Spec) -> bool {
    (a.bits() ^ b.bits()) & a.mask() & b.mask() == 0
}

const _: () = {
    let mut a = 0;
    while a < SPECS.len() {
        let mut b = a + 1;
        while b < SPECS.len() {
            assert!(
                !overlap(&SPECS[a], &SPECS[b]),
                "two rows claim the same word"
            );
            b += 1;
        }
        assert!(
            SPECS[a].bits() & !SPECS[a].mask() == 0,
            "a row has bits its format does not fix"
        );
        assert!(SPECS[a].bits() & 3 == 3, "a row has no 32-bit opcode");
        a += 1;
    }
};
