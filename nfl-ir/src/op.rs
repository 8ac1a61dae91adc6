//! The table of IR operations: name, shape, effect.
//!
//! Read by the builder, the text form, the verifier, folding, the interpreter and the selector.
//! Arithmetic is modulo 2^32; comparisons give 0 or 1; `u` is unsigned.

/// The operands an operation takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fmt {
    /// None.
    Nullary,
    /// An immediate word.
    Imm,
    /// A late word by number, in the immediate.
    Late,
    /// A parameter word by number, in the immediate.
    Param,
    /// One value.
    Unary,
    /// Two values.
    Binary,
    /// A region, a constant offset, and maybe a value that is added to it.
    Load,
    /// A value to store, then as `Load`.
    Store,
    /// A region and a constant offset: a place that services read.
    Place,
    /// An import by number in the immediate, and one value for each register of its arguments.
    Call,
}

/// What an operation does beyond its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing; equal operands, equal result.
    Pure,
    /// Reads memory.
    Read,
    /// Writes memory.
    Write,
    /// Asks the node: state may change, local arrays may be read, the packet may move.
    Call,
    /// Nothing at run time: something must be proved here.
    Check,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// The spelling in `.nir` text.
    pub text: &'static str,
    /// Its operands.
    pub fmt: Fmt,
    /// Its effect.
    pub effect: Effect,
    /// Bytes of memory it touches; 0 for others.
    pub bytes: u8,
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $fmt:ident, $effect:ident, $bytes:literal;)*) => {
        /// An operation.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Op { $($(#[$doc])* $name),* }

        impl Op {
    /// Whether its operand is proved not to be 0.
    pub fn is_assertion(self) -> bool {
        matches!(self, Op::Assert | Op::Inside | Op::Divisor)
    }

            /// Every operation in the order of the table.
            pub const ALL: &'static [Op] = &[$(Op::$name),*];

            /// Its row.
            pub fn spec(self) -> &'static Spec {
                const SPECS: &[Spec] = &[$(Spec { text: $text, fmt: Fmt::$fmt, effect: Effect::$effect, bytes: $bytes }),*];
                &SPECS[self as usize]
            }
        }
    };
}

ops! {
    /// The immediate.
    Const => "const", Imm, Pure, 0;
    /// A late word: a number of its range, the same in one run.
    Late => "late", Late, Pure, 0;
    /// A word of an unbound template parameter.
    Param => "param", Param, Pure, 0;
    /// The packet's length in bytes, at most 65,535.
    Len => "len", Nullary, Pure, 0;
    /// A word of the context, by its byte offset.
    Context => "context", Imm, Pure, 0;
    /// Sum.
    Add => "add", Binary, Pure, 0;
    /// Difference.
    Sub => "sub", Binary, Pure, 0;
    /// Low word of the product.
    Mul => "mul", Binary, Pure, 0;
    /// High word of the unsigned product.
    Mulhu => "mulhu", Binary, Pure, 0;
    /// Unsigned quotient; the divisor must be proved non-zero.
    Divu => "divu", Binary, Pure, 0;
    /// Unsigned remainder; the divisor must be proved non-zero.
    Remu => "remu", Binary, Pure, 0;
    /// Signed quotient towards zero; the divisor must be proved non-zero.
    Div => "div", Binary, Pure, 0;
    /// Signed remainder; the divisor must be proved non-zero.
    Rem => "rem", Binary, Pure, 0;
    /// Bitwise and.
    And => "and", Binary, Pure, 0;
    /// Bitwise or.
    Or => "or", Binary, Pure, 0;
    /// Bitwise exclusive or.
    Xor => "xor", Binary, Pure, 0;
    /// Left shift by the right operand modulo 32.
    Shl => "shl", Binary, Pure, 0;
    /// Logical right shift by the right operand modulo 32.
    Shr => "shr", Binary, Pure, 0;
    /// Arithmetic right shift by the right operand modulo 32.
    Sar => "sar", Binary, Pure, 0;
    /// 1 when equal.
    Eq => "eq", Binary, Pure, 0;
    /// 1 when different.
    Ne => "ne", Binary, Pure, 0;
    /// 1 when unsigned less.
    Ltu => "ltu", Binary, Pure, 0;
    /// 1 when unsigned greater or equal.
    Geu => "geu", Binary, Pure, 0;
    /// 1 when signed less.
    Lt => "lt", Binary, Pure, 0;
    /// 1 when signed greater or equal.
    Ge => "ge", Binary, Pure, 0;
    /// The two low bytes exchanged, the others zero.
    Bswap16 => "bswap16", Unary, Pure, 0;
    /// The four bytes in reverse order.
    Bswap32 => "bswap32", Unary, Pure, 0;
    /// A byte, zero-extended.
    Load8 => "load8", Load, Read, 1;
    /// Two bytes, little-endian, zero-extended; any alignment.
    Load16 => "load16", Load, Read, 2;
    /// Four bytes, little-endian; any alignment.
    Load32 => "load32", Load, Read, 4;
    /// The low byte.
    Store8 => "store8", Store, Write, 1;
    /// The two low bytes, little-endian.
    Store16 => "store16", Store, Write, 2;
    /// Four bytes, little-endian.
    Store32 => "store32", Store, Write, 4;
    /// The address of a byte of a local array or of constants, for services.
    Address => "address", Place, Pure, 0;
    /// What a service answers in `a0`; see `nfl_abi::host::call`.
    Call => "call", Call, Call, 0;
    /// What the call that is its operand answered in `a1`; stands in the same block.
    Second => "second", Unary, Pure, 0;
    /// The word is not 0: proved by the verifier, which knows it from here on, and gone after it. Best said of
    /// one comparison; `a && b` is two of these, so that each half is proved and known by itself.
    Assert => "assert", Unary, Check, 0;
    /// As `assert`, of a comparison of an index with the number of elements of state.
    Inside => "inside", Unary, Check, 0;
    /// As `assert`, of a divisor: it is asked about even where nobody uses the quotient.
    Divisor => "divisor", Unary, Check, 0;
}

impl Op {
    /// The operation with this spelling.
    pub fn from_text(text: &str) -> Option<Op> {
        Op::ALL.iter().copied().find(|op| op.spec().text == text)
    }

    /// Whether it has a result.
    pub fn has_result(self) -> bool {
        !matches!(self.spec().effect, Effect::Write | Effect::Check)
    }

    /// The width of a result of which nothing else is known.
    pub fn natural_width(self) -> u8 {
        match self {
            Op::Eq | Op::Ne | Op::Ltu | Op::Geu | Op::Lt | Op::Ge => 1,
            Op::Load8 => 8,
            Op::Load16 | Op::Bswap16 => 16,
            _ => 32,
        }
    }

    /// Whether the operands may be exchanged.
    pub fn commutes(self) -> bool {
        matches!(
            self,
            Op::Add | Op::Mul | Op::Mulhu | Op::And | Op::Or | Op::Xor | Op::Eq | Op::Ne
        )
    }

    /// The comparison that is true when this one is false.
    pub fn inverse(self) -> Option<Op> {
        match self {
            Op::Eq => Some(Op::Ne),
            Op::Ne => Some(Op::Eq),
            Op::Ltu => Some(Op::Geu),
            Op::Geu => Some(Op::Ltu),
            Op::Lt => Some(Op::Ge),
            Op::Ge => Some(Op::Lt),
            _ => None,
        }
    }

    /// What an operation on numbers gives; nothing for a zero divisor and for operations that ask
    /// anything but their operands. Unary ones ignore `b`.
    pub fn eval(self, a: u32, b: u32) -> Option<u32> {
        let (sa, sb) = (a as i32, b as i32);
        Some(match self {
            Op::Add => a.wrapping_add(b),
            Op::Sub => a.wrapping_sub(b),
            Op::Mul => a.wrapping_mul(b),
            Op::Mulhu => ((u64::from(a) * u64::from(b)) >> 32) as u32,
            Op::Divu => a.checked_div(b)?,
            Op::Remu => a.checked_rem(b)?,
            Op::Div if b != 0 => sa.wrapping_div(sb) as u32,
            Op::Rem if b != 0 => sa.wrapping_rem(sb) as u32,
            Op::And => a & b,
            Op::Or => a | b,
            Op::Xor => a ^ b,
            Op::Shl => a.wrapping_shl(b),
            Op::Shr => a.wrapping_shr(b),
            Op::Sar => sa.wrapping_shr(b) as u32,
            Op::Eq => u32::from(a == b),
            Op::Ne => u32::from(a != b),
            Op::Ltu => u32::from(a < b),
            Op::Geu => u32::from(a >= b),
            Op::Lt => u32::from(sa < sb),
            Op::Ge => u32::from(sa >= sb),
            Op::Bswap16 => u32::from((a as u16).swap_bytes()),
            Op::Bswap32 => a.swap_bytes(),
            _ => return None,
        })
    }
}
