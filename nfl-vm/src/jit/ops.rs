//! Instructions that compute.
//!
//! In: an instruction and what its operands hold. Out: host instructions with the same result. Guaranteed: numbers have 32
//! bits and wrap, shifts take the low five bits of their amount, and divisions by zero answer what the ISA manual
//! says, without a trap.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};
use nfl_isa::Op;
use nfl_verify::{Holds, Range};

use super::Unsupported;
use super::facts::{Line, moved, size};
use super::translate::{Translator, near};

/// The largest number.
const MOST: i64 = u32::MAX as i64;

/// The host's addresses have indices that are shifted so far at most.
const SCALE: i64 = 3;

impl Translator<'_, '_> {
    /// Translates an instruction behind which control goes on to the next one.
    pub(super) fn step(&mut self, line: &Line) -> Result<(), Unsupported> {
        let inst = &line.inst;
        if size(inst.op).is_some() {
            return self.access(line);
        }
        let b = match inst.op.spec().fmt.has_rs2() {
            true => line.b,
            false => {
                let n = i64::from(inst.imm.cast_unsigned());
                Holds::Number((n, n))
            }
        };
        match inst.op {
            Op::Lui => {
                let n = self
                    .b
                    .ins()
                    .iconst(I32, i64::from(inst.imm.cast_unsigned()));
                self.set_number(inst.rd, n);
            }
            Op::Slt | Op::Slti => self.set_if(line, IntCC::SignedLessThan, b)?,
            Op::Sltu | Op::Sltiu => self.set_if(line, IntCC::UnsignedLessThan, b)?,
            _ => match (line.a, b) {
                (Holds::Number(_), Holds::Number((0, 0)))
                    if matches!(inst.op, Op::Add | Op::Addi) =>
                {
                    let number = self.wide_number(line, inst.rs1, line.a)?;
                    self.set(inst.rd, number);
                }
                (Holds::Number((0, 0)), Holds::Number(_)) if inst.op == Op::Add => {
                    let number = self.wide_number(line, inst.rs2, b)?;
                    self.set(inst.rd, number);
                }
                (Holds::Number(ra), Holds::Number(rb))
                    if inst.op == Op::Addi && inst.rd == inst.rs1 && stays(ra, rb) =>
                {
                    let x = self.wide_number(line, inst.rs1, line.a)?;
                    let sum = self.b.ins().iadd_imm_s(x, signed(rb).0);
                    self.set(inst.rd, sum);
                }
                (Holds::Number(ra), Holds::Number(rb)) => {
                    let x = self.number(line, inst.rs1, line.a)?;
                    let y = self.number(line, inst.rs2, b)?;
                    let result = self.compute(inst.op, (x, ra), (y, rb));
                    let result = result.ok_or(Unsupported::Fact(line.pc))?;
                    let result = self.shortened(inst.op, x, (y, rb), result);
                    self.set_number(inst.rd, result);
                }
                _ => self.on_address(line, b)?,
            },
        }
        Ok(())
    }

    fn set_if(&mut self, line: &Line, order: IntCC, b: Holds) -> Result<(), Unsupported> {
        let is = self.compare(line, order, b)?;
        let bit = self.b.ins().uextend(I32, is);
        self.set_number(line.inst.rd, bit);
        Ok(())
    }

    /// An address is moved, copied or subtracted.
    fn on_address(&mut self, line: &Line, b: Holds) -> Result<(), Unsupported> {
        let inst = &line.inst;
        let missing = Unsupported::Fact(line.pc);
        let result = match (inst.op, line.a, b) {
            (Op::Add | Op::Addi, Holds::Answer, Holds::Number((0, 0))) => {
                self.address(line, inst.rs1, line.a)?
            }
            (Op::Add, Holds::Number((0, 0)), Holds::Answer) => self.address(line, inst.rs2, b)?,
            (Op::Add | Op::Addi, Holds::Address(_, at), Holds::Number(by)) => {
                let address = self.address(line, inst.rs1, line.a)?;
                let by = self.distance(line, (at, by), |t| t.number(line, inst.rs2, b))?;
                self.b.ins().iadd(address, by)
            }
            (Op::Add, Holds::Number(by), Holds::Address(_, at)) => {
                let address = self.address(line, inst.rs2, b)?;
                let by = self.distance(line, (at, by), |t| t.number(line, inst.rs1, line.a))?;
                self.b.ins().iadd(address, by)
            }
            (Op::Sub, Holds::Address(_, at), Holds::Number(by)) => {
                let address = self.address(line, inst.rs1, line.a)?;
                let (lo, hi) = signed(by);
                near(line, (at.0 - hi, at.1 - lo))?;
                let by = self.distance(line, ((0, 0), by), |t| t.number(line, inst.rs2, b))?;
                self.b.ins().isub(address, by)
            }
            (Op::Sub, Holds::Address(ra, _), Holds::Address(rb, _)) if ra == rb => {
                let x = self.address(line, inst.rs1, line.a)?;
                let y = self.address(line, inst.rs2, b)?;
                let apart = self.b.ins().isub(x, y);
                let apart = self.b.ins().ireduce(I32, apart);
                self.set_number(inst.rd, apart);
                return Ok(());
            }
            (Op::Sh1add | Op::Sh2add | Op::Sh3add, Holds::Number(index), Holds::Address(_, at)) => {
                let shift = scale(inst.op).ok_or(missing)?;
                let address = self.address(line, inst.rs2, b)?;
                let offset = self.scaled(line, (at, index), shift)?;
                self.b.ins().iadd(address, offset)
            }
            _ => return Err(missing),
        };
        self.set(inst.rd, result);
        Ok(())
    }

    /// How far an address moves, as a signed number of 64 bits.
    fn distance(
        &mut self,
        line: &Line,
        (at, by): (Range, Range),
        number: impl FnOnce(&mut Self) -> Result<Value, Unsupported>,
    ) -> Result<Value, Unsupported> {
        let (lo, hi) = signed(by);
        near(line, (at.0 + lo, at.1 + hi))?;
        near(line, (lo, hi))?;
        if lo == hi {
            return Ok(self.b.ins().iconst(I64, lo));
        }
        let number = number(self)?;
        Ok(match self.shifts.get(&number) {
            // A shift of the wide number is part of the host's address.
            Some(&(wide, by)) => self.b.ins().ishl_imm_u(wide, by),
            None => self.wide(number),
        })
    }

    /// A number is another one shifted by what is known; none of its bits went where that is noted.
    fn note_shift(&mut self, shifted: Value, (number, (lo, hi)): (Value, Range), by: Range) {
        if by.0 == by.1 && (1..=SCALE).contains(&by.0) && lo >= 0 && hi << by.0 <= MOST {
            let wide = self.wide(number);
            self.shifts.insert(shifted, (wide, by.0));
        }
    }

    /// How far an address moves by an index that is scaled. What is known wraps first, and then stands for a negative number
    /// as other constants do.
    fn scaled(
        &mut self,
        line: &Line,
        (at, index): (Range, Range),
        shift: i64,
    ) -> Result<Value, Unsupported> {
        if index.0 == index.1 {
            let by = i64::from((index.0 as u32) << shift);
            let by = signed((by, by));
            near(line, (at.0 + by.0, at.1 + by.1))?;
            return Ok(self.b.ins().iconst(I64, by.0));
        }
        near(line, at)?;
        Ok(if index.1 << shift <= MOST {
            let wide = self.wide_number(line, line.inst.rs1, line.a)?;
            self.b.ins().ishl_imm_u(wide, shift)
        } else {
            let number = self.number(line, line.inst.rs1, line.a)?;
            let wrapped = self.b.ins().ishl_imm_u(number, shift);
            self.b.ins().uextend(I64, wrapped)
        })
    }

    /// Whether a number is 0 or is not, if that is seen of what it was made of.
    pub(super) fn against_zero(&mut self, order: IntCC, number: Value) -> Option<Value> {
        let (made, of, known) = self.made(number)?;
        let (order, other) = match (made, order) {
            (Opcode::Iadd, IntCC::Equal | IntCC::NotEqual) => (order, known.wrapping_neg()),
            (Opcode::Ushr, IntCC::Equal) => (IntCC::UnsignedLessThan, 1 << (known & 31)),
            (Opcode::Ushr, IntCC::NotEqual) => {
                (IntCC::UnsignedGreaterThanOrEqual, 1 << (known & 31))
            }
            _ => return None,
        };
        Some(self.b.ins().icmp_imm_u(order, of, i64::from(other)))
    }

    /// By which operation a number was made, of which one and what known one.
    fn made(&self, number: Value) -> Option<(Opcode, Value, u32)> {
        let dfg = &self.b.func.dfg;
        let inst = |value| dfg.value_def(value).inst();
        let InstructionData::Binary { opcode, args } = dfg.insts[inst(number)?] else {
            return None;
        };
        let InstructionData::UnaryImm { imm, .. } = dfg.insts[inst(args[1])?] else {
            return None;
        };
        Some((opcode, args[0], imm.bits() as u32))
    }

    /// The result of an operation on numbers.
    fn compute(&mut self, op: Op, a: (Value, Range), b: (Value, Range)) -> Option<Value> {
        let ((x, ra), (y, rb)) = (a, b);
        Some(match op {
            Op::Add | Op::Addi => self.b.ins().iadd(x, y),
            Op::Sub => self.b.ins().isub(x, y),
            Op::Xor | Op::Xori => self.b.ins().bxor(x, y),
            Op::Or | Op::Ori => self.b.ins().bor(x, y),
            Op::And | Op::Andi => self.b.ins().band(x, y),
            Op::Andn => self.b.ins().band_not(x, y),
            Op::Orn => self.b.ins().bor_not(x, y),
            Op::Xnor => {
                let z = self.b.ins().bxor(x, y);
                self.b.ins().bnot(z)
            }
            Op::Sll | Op::Slli => {
                let shifted = self.b.ins().ishl(x, y);
                self.note_shift(shifted, a, rb);
                shifted
            }
            Op::Srl | Op::Srli => match self.made(x) {
                // What is shifted there and back is masked.
                Some((Opcode::Ishl, of, by)) if rb == (by.into(), by.into()) => self
                    .b
                    .ins()
                    .band_imm_u(of, i64::from(u32::MAX >> (by & 31))),
                _ => self.b.ins().ushr(x, y),
            },
            Op::Sra | Op::Srai => self.b.ins().sshr(x, y),
            Op::Rol => self.b.ins().rotl(x, y),
            Op::Ror | Op::Rori => self.b.ins().rotr(x, y),
            Op::Mul => self.b.ins().imul(x, y),
            Op::Mulh => self.high_product((x, true), (y, true)),
            Op::Mulhsu => self.high_product((x, true), (y, false)),
            Op::Mulhu => self.high_product((x, false), (y, false)),
            Op::Divu => self.quotient((x, y, rb), false),
            Op::Remu => self.remainder((x, y, rb), false),
            Op::Div => self.quotient((x, y, rb), !(is_positive(ra) && is_positive(rb))),
            Op::Rem => self.remainder((x, y, rb), !(is_positive(ra) && is_positive(rb))),
            Op::Min => self.b.ins().smin(x, y),
            Op::Minu => self.b.ins().umin(x, y),
            Op::Max => self.b.ins().smax(x, y),
            Op::Maxu => self.b.ins().umax(x, y),
            Op::Sh1add | Op::Sh2add | Op::Sh3add => {
                let scaled = self.b.ins().ishl_imm_u(x, scale(op)?);
                self.b.ins().iadd(scaled, y)
            }
            Op::Clz => self.b.ins().clz(x),
            Op::Ctz => self.b.ins().ctz(x),
            Op::Cpop => self.b.ins().popcnt(x),
            Op::Rev8 => self.b.ins().bswap(x),
            Op::Zexth => self.b.ins().band_imm_u(x, 0xffff),
            Op::Sextb => {
                let byte = self.b.ins().ireduce(I8, x);
                self.b.ins().sextend(I32, byte)
            }
            Op::Sexth => {
                let half = self.b.ins().ireduce(I16, x);
                self.b.ins().sextend(I32, half)
            }
            Op::Orcb => self.or_bytes(x),
            Op::Bclr | Op::Bclri => {
                let bit = self.bit(y);
                self.b.ins().band_not(x, bit)
            }
            Op::Bset | Op::Bseti => {
                let bit = self.bit(y);
                self.b.ins().bor(x, bit)
            }
            Op::Binv | Op::Binvi => {
                let bit = self.bit(y);
                self.b.ins().bxor(x, bit)
            }
            Op::Bext | Op::Bexti => {
                let low = self.b.ins().ushr(x, y);
                self.b.ins().band_imm_u(low, 1)
            }
            _ => return None,
        })
    }

    /// A word with one bit set.
    fn bit(&mut self, amount: Value) -> Value {
        let one = self.b.ins().iconst(I32, 1);
        self.b.ins().ishl(one, amount)
    }

    /// The high word of a product of words that are signed or not.
    fn high_product(&mut self, x: (Value, bool), y: (Value, bool)) -> Value {
        let [x, y] = [x, y].map(|(word, is_signed)| match is_signed {
            true => self.b.ins().sextend(I64, word),
            false => self.b.ins().uextend(I64, word),
        });
        let product = self.b.ins().imul(x, y);
        let high = self.b.ins().ushr_imm_u(product, 32);
        self.b.ins().ireduce(I32, high)
    }

    /// `orc.b`: a byte that is not zero carries into its highest bit when 127 is added to its others.
    fn or_bytes(&mut self, x: Value) -> Value {
        let low = self.b.ins().band_imm_u(x, 0x7f7f_7f7f);
        let carried = self.b.ins().iadd_imm_u(low, 0x7f7f_7f7f);
        let any = self.b.ins().bor(carried, x);
        let high = self.b.ins().band_imm_u(any, 0x8080_8080);
        let bits = self.b.ins().ushr_imm_u(high, 7);
        self.b.ins().imul_imm_u(bits, 0xff)
    }

    /// A quotient; all ones where the divisor is 0.
    fn quotient(&mut self, (x, y, divisor): (Value, Value, Range), is_signed: bool) -> Value {
        let (safe, is_zero) = self.safe_divisor(y, divisor);
        let quotient = if is_signed {
            // The one quotient that needs 33 bits has the dividend as its low ones, as the manual says.
            let (x, safe) = (
                self.b.ins().sextend(I64, x),
                self.b.ins().sextend(I64, safe),
            );
            let wide = self.b.ins().sdiv(x, safe);
            self.b.ins().ireduce(I32, wide)
        } else {
            self.b.ins().udiv(x, safe)
        };
        match is_zero {
            Some(is_zero) => {
                let ones = self.b.ins().iconst(I32, i64::from(u32::MAX));
                self.b.ins().select(is_zero, ones, quotient)
            }
            None => quotient,
        }
    }

    /// A remainder; the dividend where the divisor is 0.
    fn remainder(&mut self, (x, y, divisor): (Value, Value, Range), is_signed: bool) -> Value {
        let (safe, is_zero) = self.safe_divisor(y, divisor);
        let rest = if is_signed {
            let (x, safe) = (
                self.b.ins().sextend(I64, x),
                self.b.ins().sextend(I64, safe),
            );
            let wide = self.b.ins().srem(x, safe);
            self.b.ins().ireduce(I32, wide)
        } else {
            self.b.ins().urem(x, safe)
        };
        match is_zero {
            Some(is_zero) => self.b.ins().select(is_zero, x, rest),
            None => rest,
        }
    }

    /// A divisor with 1 in the place of 0, and whether that was so, if it can be.
    fn safe_divisor(&mut self, y: Value, (lo, _): Range) -> (Value, Option<Value>) {
        if lo > 0 {
            return (y, None);
        }
        let one = self.b.ins().iconst(I32, 1);
        let is_zero = self.b.ins().icmp_imm_u(IntCC::Equal, y, 0);
        (self.b.ins().select(is_zero, one, y), Some(is_zero))
    }
}

fn scale(op: Op) -> Option<i64> {
    match op {
        Op::Sh1add => Some(1),
        Op::Sh2add => Some(2),
        Op::Sh3add => Some(3),
        _ => None,
    }
}

fn is_positive((_, hi): Range) -> bool {
    hi <= i64::from(i32::MAX)
}

/// Whether a sum is that of the numbers with zeros above them, where what is added is taken as [`signed`].
fn stays((lo, hi): Range, by: Range) -> bool {
    let by = signed(by);
    lo >= 0 && lo + by.0 >= 0 && hi + by.1 <= MOST
}

/// A number that is known stands for a negative one where its highest bit is set.
fn signed(by: Range) -> Range {
    match by.0 == by.1 && by.0 > i64::from(i32::MAX) {
        true => moved(by, -(1 << 32)),
        false => by,
    }
}
