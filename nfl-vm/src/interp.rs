//! The interpreter: one exhaustive match that says what each instruction does.
//!
//! In: decoded code, memory, the node's services and a budget. Out: the words in `a0` and `a1` when
//! the code finishes, and the steps it took, or the first rule that was broken. A step is one
//! instruction, the finishing `ebreak` included; a service costs its price on top of its call.

use std::fmt;

use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Answer, Call, Host, Return};
use nfl_abi::map::{self, reg};
use nfl_isa::{Inst, Op, Reg};

use crate::memory::{Kind, Memory, Region, Regions, Width, Word};
use crate::outcome::{Fault, Trap};
use crate::program::Program;
use crate::proved::flat::slot_at;

/// The registers of a run, for whoever traces it.
#[derive(Clone, Debug)]
pub struct Registers([Word; 32]);

impl Registers {
    /// The number in a register, if it holds one.
    pub fn number(&self, reg: Reg) -> Option<u32> {
        let word = self.0[usize::from(reg.0 & 31)];
        word.is_number().then_some(word.bits)
    }

    /// The address in a register, as region and offset, if it holds one.
    pub fn address(&self, reg: Reg) -> Option<(Region, i32)> {
        let word = self.0[usize::from(reg.0 & 31)];
        match word.kind {
            Kind::Address(region) => Some((region, word.bits as i32)),
            _ => None,
        }
    }

    /// Puts a number into a register; answers whether code may write it.
    pub fn set_number(&mut self, reg: Reg, number: u32) -> bool {
        let own = !matches!(reg.0, 0 | reg::S0 | reg::S1 | reg::SP);
        if own {
            self.0[usize::from(reg.0 & 31)] = Word::number(number);
        }
        own
    }
}

/// An instruction that is about to run.
pub struct Step<'a> {
    /// Its offset in the code.
    pub pc: u32,
    /// The instruction.
    pub inst: Inst,
    /// The steps before it: instructions that ran, and the prices of services.
    pub steps: u32,
    /// The registers before it runs.
    pub registers: &'a mut Registers,
    memory: &'a mut (dyn Regions + 'a),
    host: &'a dyn Host,
}

impl Step<'_> {
    /// The bytes of a region before the instruction runs; none of a value that no lookup found.
    /// Scratch that nothing wrote is zero here, and an address in it is its offset in its region.
    pub fn bytes(&self, region: Region) -> &[u8] {
        self.memory.bytes(region, self.host)
    }

    /// Replaces bytes of a region that code may write.
    ///
    /// # Errors
    ///
    /// As a store of these bytes: [`Trap::ReadOnly`], [`Trap::NoRight`], [`Trap::OutOfBounds`].
    pub fn write(&mut self, region: Region, offset: u32, bytes: &[u8]) -> Result<(), Trap> {
        self.memory.write(region, offset, bytes)
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("pc", &self.pc)
            .field("inst", &self.inst)
            .field("registers", &self.registers)
            .finish_non_exhaustive()
    }
}

/// What a handler left behind when it finished.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) pc: u32,
    /// The words in `a0` and `a1`; nothing when a resizing service found no room.
    pub(crate) words: Option<(Word, Word)>,
    pub(crate) steps: u32,
}

/// Where control goes after an instruction.
enum Next {
    Fall,
    To(u32),
    /// To a slot of the call vector.
    Call(usize),
    Finish,
}

/// A processor in the middle of a run.
struct Machine<'a> {
    registers: Registers,
    memory: Memory<'a>,
    host: &'a mut dyn Host,
    pc: u32,
    /// Size of the instruction at `pc`, in bytes.
    size: u32,
}

/// Run from `pc` until the code finishes, breaks a rule, or has used `budget` steps.
pub(crate) fn run<'a>(
    program: &Program,
    pc: u32,
    memory: Memory<'a>,
    host: &'a mut dyn Host,
    budget: u32,
    mut trace: impl FnMut(&mut Step<'_>),
) -> Result<Finish, Fault> {
    let mut machine = Machine {
        registers: at_entry(memory.packet_len()),
        memory,
        host,
        pc,
        size: 0,
    };
    let mut steps = 0;
    while steps < budget {
        steps += 1;
        let pc = machine.pc;
        let stop = |trap| Fault::Trap { pc, trap };
        let slot = program.at(pc).ok_or(stop(Trap::OutsideCode))?;
        let (inst, size) = (*slot).map_err(|error| stop(Trap::Undecodable(error)))?;
        machine.size = size;
        trace(&mut Step {
            pc,
            inst,
            steps: steps - 1,
            registers: &mut machine.registers,
            memory: &mut machine.memory,
            host: &*machine.host,
        });
        match machine.step(inst).map_err(stop)? {
            Next::Fall => machine.pc = pc.wrapping_add(size),
            Next::To(target) => machine.pc = target,
            Next::Finish => {
                let words = (machine.get(Reg(reg::A0)), machine.get(Reg(reg::A1)));
                let words = Some(words);
                return Ok(Finish { pc, words, steps });
            }
            Next::Call(slot) => {
                let call = program.call(slot).ok_or(stop(Trap::Call))?;
                let args = machine.arguments(call).map_err(stop)?;
                steps = steps.saturating_add(price(call, args));
                if steps > budget {
                    break;
                }
                if !machine.call(slot, call, args).map_err(stop)? {
                    let words = None;
                    return Ok(Finish { pc, words, steps });
                }
                machine.pc = pc.wrapping_add(size);
            }
        }
    }
    Err(Fault::Trap {
        pc: machine.pc,
        trap: Trap::StepLimit(budget),
    })
}

/// The price of a call with these words.
fn price(call: &Call, args: [u32; ARGS_MAX]) -> u32 {
    let unit = call.unit_register.map(usize::from);
    call.price(unit.and_then(|at| args.get(at)).copied().unwrap_or(0))
}

/// The register of an argument word.
fn argument(at: usize) -> Reg {
    Reg(reg::A0 + at as u8)
}

fn at_entry(packet_len: u32) -> Registers {
    let mut words = [Word::UNDEFINED; 32];
    for (reg, word) in [
        (0, Word::number(0)),
        (reg::SP, Region::Scratch.start()),
        (reg::GP, Region::Context.start()),
        (reg::TP, Region::Carried.start()),
        (reg::S0, Region::Packet.start()),
        (reg::S1, Word::number(packet_len)),
        (reg::A0, Word::number(0)),
        (reg::A1, Word::number(0)),
        (reg::A4, Region::Carried.start()),
        (reg::A5, Region::Context.start()),
    ] {
        words[usize::from(reg)] = word;
    }
    Registers(words)
}

impl Machine<'_> {
    // Into the loop of `run`: that takes a third of the time off each step.
    #[inline(always)]
    fn step(&mut self, i: Inst) -> Result<Next, Trap> {
        match i.op {
            Op::Lui => self.set(i.rd, Word::number(i.imm as u32)),
            Op::Jal => self.jump(i),
            Op::Jalr => self.back(i),
            Op::Beq => self.branch(i, |a, b| a == b),
            Op::Bne => self.branch(i, |a, b| a != b),
            Op::Blt => self.branch_signed(i, |a, b| a < b),
            Op::Bge => self.branch_signed(i, |a, b| a >= b),
            Op::Bltu => self.branch(i, |a, b| a < b),
            Op::Bgeu => self.branch(i, |a, b| a >= b),
            Op::Lb => self.load(i, Width::Byte, |bits| bits as u8 as i8 as u32),
            Op::Lh => self.load(i, Width::Half, |bits| bits as u16 as i16 as u32),
            Op::Lw => self.load(i, Width::Word, |bits| bits),
            Op::Lbu => self.load(i, Width::Byte, |bits| bits),
            Op::Lhu => self.load(i, Width::Half, |bits| bits),
            Op::Sb => self.store(i, Width::Byte),
            Op::Sh => self.store(i, Width::Half),
            Op::Sw => self.store(i, Width::Word),
            Op::Addi => {
                let sum = self.read(i.rs1)?.plus(Word::number(i.imm as u32));
                self.set(i.rd, sum)
            }
            Op::Add => {
                let sum = self.read(i.rs1)?.plus(self.read(i.rs2)?);
                self.set(i.rd, sum)
            }
            Op::Sub => {
                let difference = self.read(i.rs1)?.minus(self.read(i.rs2)?);
                self.set(i.rd, difference)
            }
            Op::Slti => self.number_imm(i, |a, b| u32::from((a as i32) < b as i32)),
            Op::Sltiu => {
                let (a, b) = (self.read(i.rs1)?, Word::number(i.imm as u32));
                self.set(i.rd, below(a, b))
            }
            Op::Sltu => {
                let (a, b) = (self.read(i.rs1)?, self.read(i.rs2)?);
                self.set(i.rd, below(a, b))
            }
            Op::Slt => self.number(i, |a, b| u32::from((a as i32) < b as i32)),
            Op::Xori => self.number_imm(i, |a, b| a ^ b),
            Op::Ori => self.number_imm(i, |a, b| a | b),
            Op::Andi => self.number_imm(i, |a, b| a & b),
            Op::Slli => self.number_imm(i, |a, b| a << (b & 31)),
            Op::Srli => self.number_imm(i, |a, b| a >> (b & 31)),
            Op::Srai => self.number_imm(i, |a, b| (a as i32 >> (b & 31)) as u32),
            Op::Sll => self.number(i, |a, b| a << (b & 31)),
            Op::Srl => self.number(i, |a, b| a >> (b & 31)),
            Op::Sra => self.number(i, |a, b| (a as i32 >> (b & 31)) as u32),
            Op::Xor => self.number(i, |a, b| a ^ b),
            Op::Or => self.number(i, |a, b| a | b),
            Op::And => self.number(i, |a, b| a & b),
            Op::Mul => self.number(i, u32::wrapping_mul),
            Op::Mulh => self.number(i, |a, b| high(signed(a) * signed(b))),
            Op::Mulhsu => self.number(i, |a, b| high(signed(a) * i64::from(b))),
            Op::Mulhu => self.number(i, |a, b| high((u64::from(a) * u64::from(b)) as i64)),
            Op::Div => self.number(i, div),
            Op::Divu => self.number(i, |a, b| a.checked_div(b).unwrap_or(u32::MAX)),
            Op::Rem => self.number(i, rem),
            Op::Remu => self.number(i, |a, b| a.checked_rem(b).unwrap_or(a)),
            Op::Sh1add => self.scaled(i, 1),
            Op::Sh2add => self.scaled(i, 2),
            Op::Sh3add => self.scaled(i, 3),
            Op::Andn => self.number(i, |a, b| a & !b),
            Op::Orn => self.number(i, |a, b| a | !b),
            Op::Xnor => self.number(i, |a, b| !(a ^ b)),
            Op::Min => self.number(i, |a, b| (a as i32).min(b as i32) as u32),
            Op::Minu => self.number(i, u32::min),
            Op::Max => self.number(i, |a, b| (a as i32).max(b as i32) as u32),
            Op::Maxu => self.number(i, u32::max),
            Op::Rol => self.number(i, |a, b| a.rotate_left(b & 31)),
            Op::Ror => self.number(i, |a, b| a.rotate_right(b & 31)),
            Op::Rori => self.number_imm(i, |a, b| a.rotate_right(b & 31)),
            Op::Clz => self.number_imm(i, |a, _| a.leading_zeros()),
            Op::Ctz => self.number_imm(i, |a, _| a.trailing_zeros()),
            Op::Cpop => self.number_imm(i, |a, _| a.count_ones()),
            Op::Sextb => self.number_imm(i, |a, _| a as u8 as i8 as u32),
            Op::Sexth => self.number_imm(i, |a, _| a as u16 as i16 as u32),
            Op::Zexth => self.number_imm(i, |a, _| a & 0xffff),
            Op::Orcb => self.number_imm(i, |a, _| or_bytes(a)),
            Op::Rev8 => self.number_imm(i, |a, _| a.swap_bytes()),
            Op::Bclr => self.number(i, |a, b| a & !(1 << (b & 31))),
            Op::Bclri => self.number_imm(i, |a, b| a & !(1 << (b & 31))),
            Op::Bext => self.number(i, |a, b| a >> (b & 31) & 1),
            Op::Bexti => self.number_imm(i, |a, b| a >> (b & 31) & 1),
            Op::Binv => self.number(i, |a, b| a ^ 1 << (b & 31)),
            Op::Binvi => self.number_imm(i, |a, b| a ^ 1 << (b & 31)),
            Op::Bset => self.number(i, |a, b| a | 1 << (b & 31)),
            Op::Bseti => self.number_imm(i, |a, b| a | 1 << (b & 31)),
            Op::Ebreak => Ok(Next::Finish),
            Op::Auipc | Op::Ecall => Err(Trap::Instruction),
        }
    }

    fn get(&self, reg: Reg) -> Word {
        self.registers.0[usize::from(reg.0 & 31)]
    }

    fn read(&self, reg: Reg) -> Result<Word, Trap> {
        let word = self.get(reg);
        if word.kind == Kind::Undefined {
            return Err(Trap::UndefinedRegister(reg));
        }
        Ok(word)
    }

    fn set(&mut self, reg: Reg, word: Word) -> Result<Next, Trap> {
        match reg.0 {
            0 => {}
            reg::S0 | reg::S1 | reg::SP => return Err(Trap::NodeRegister(reg)),
            number => self.registers.0[usize::from(number & 31)] = word,
        }
        Ok(Next::Fall)
    }

    /// An operation on numbers; of anything else the result is undefined.
    fn number(&mut self, i: Inst, f: impl Fn(u32, u32) -> u32) -> Result<Next, Trap> {
        let (a, b) = (self.read(i.rs1)?, self.read(i.rs2)?);
        self.set(i.rd, on_numbers(a, b, f))
    }

    fn number_imm(&mut self, i: Inst, f: impl Fn(u32, u32) -> u32) -> Result<Next, Trap> {
        let (a, b) = (self.read(i.rs1)?, Word::number(i.imm as u32));
        self.set(i.rd, on_numbers(a, b, f))
    }

    /// `sh1add` and its kin: a number that is shifted, added to a number or an address.
    fn scaled(&mut self, i: Inst, shift: u32) -> Result<Next, Trap> {
        let (a, b) = (self.read(i.rs1)?, self.read(i.rs2)?);
        let index = on_numbers(a, Word::number(shift), |a, shift| a << shift);
        self.set(i.rd, b.plus(index))
    }

    fn load(&mut self, i: Inst, width: Width, extend: fn(u32) -> u32) -> Result<Next, Trap> {
        let base = self.read(i.rs1)?;
        let word = self.memory.load((base, i.rs1), i.imm, width, self.host)?;
        let bits = extend(word.bits);
        self.set(i.rd, Word { bits, ..word })
    }

    fn store(&mut self, i: Inst, width: Width) -> Result<Next, Trap> {
        let (base, value) = (self.read(i.rs1)?, self.read(i.rs2)?);
        self.memory.store((base, i.rs1), i.imm, width, value)?;
        Ok(Next::Fall)
    }

    fn branch(&self, i: Inst, taken: fn(u32, u32) -> bool) -> Result<Next, Trap> {
        let (a, b) = (self.read(i.rs1)?, self.read(i.rs2)?);
        let (a, b) = a.order(b).ok_or(Trap::AddressCompared)?;
        Ok(self.either(i, taken(a, b)))
    }

    /// The sign of an address has no meaning, so signed orders are for numbers only.
    fn branch_signed(&self, i: Inst, taken: fn(i32, i32) -> bool) -> Result<Next, Trap> {
        let (a, b) = (self.read(i.rs1)?, self.read(i.rs2)?);
        if !a.is_number() || !b.is_number() {
            return Err(Trap::AddressCompared);
        }
        Ok(self.either(i, taken(a.bits as i32, b.bits as i32)))
    }

    fn either(&self, i: Inst, taken: bool) -> Next {
        if taken {
            Next::To(self.pc.wrapping_add_signed(i.imm))
        } else {
            Next::Fall
        }
    }

    fn jump(&mut self, i: Inst) -> Result<Next, Trap> {
        let target = self.pc.wrapping_add_signed(i.imm);
        if let Some(slot) = slot_at(target) {
            return match i.rd.0 {
                reg::RA => Ok(Next::Call(slot)),
                _ => Err(Trap::Call),
            };
        }
        match i.rd.0 {
            0 => {}
            reg::RA | reg::T0 if i.imm < 0 => {
                let behind = self.pc.wrapping_add(self.size).wrapping_add(map::CODE_BASE);
                self.set(
                    i.rd,
                    Word {
                        bits: behind,
                        kind: Kind::Return,
                    },
                )?;
            }
            _ => return Err(Trap::Call),
        }
        Ok(Next::To(target))
    }

    /// The words of a call's arguments, as the service sees them.
    fn arguments(&self, call: &Call) -> Result<[u32; ARGS_MAX], Trap> {
        let mut words = [0; ARGS_MAX];
        for (at, is_address) in call.operands().enumerate() {
            let word = self.read(argument(at))?;
            let seen = match word.kind {
                Kind::Number => Some(word.bits),
                _ if is_address => Memory::for_service(word),
                _ => None,
            };
            let seen = seen.ok_or(Trap::Argument(argument(at)))?;
            *words.get_mut(at).ok_or(Trap::Service)? = seen;
        }
        Ok(words)
    }

    /// Calls a service; answers whether the run goes on.
    fn call(&mut self, slot: usize, call: &Call, args: [u32; ARGS_MAX]) -> Result<bool, Trap> {
        let (first, second) = match self.host.call(slot, args, &mut self.memory) {
            Return::Words(first, second) => (first, second),
            Return::NoRoom if call.resizes => return Ok(false),
            Return::NoRoom | Return::Fault => return Err(Trap::Service),
        };
        let answers = match call.answer {
            Answer::Nothing => (Word::UNDEFINED, Word::UNDEFINED),
            Answer::Word(most) if first <= most => (Word::number(first), Word::UNDEFINED),
            Answer::Two(most, other) if first <= most && second <= other => {
                (Word::number(first), Word::number(second))
            }
            Answer::Value(_) => (self.memory.answered(first)?, Word::UNDEFINED),
            Answer::Word(_) | Answer::Two(..) => return Err(Trap::Service),
        };
        let words = &mut self.registers.0;
        if call.resizes {
            for word in words.iter_mut() {
                if word.kind == Kind::Address(Region::Packet) {
                    *word = Word::UNDEFINED;
                }
            }
            words[usize::from(reg::S0)] = Region::Packet.start();
            words[usize::from(reg::S1)] = Word::number(self.memory.packet_len());
        }
        words[usize::from(reg::A0)] = answers.0;
        words[usize::from(reg::A1)] = answers.1;
        words[usize::from(reg::RA)] = Word::UNDEFINED;
        Ok(true)
    }

    fn back(&self, i: Inst) -> Result<Next, Trap> {
        let target = self.read(i.rs1)?;
        let through_link = matches!(i.rs1.0, reg::RA | reg::T0);
        if i.rd.0 != 0 || i.imm != 0 || !through_link || target.kind != Kind::Return {
            return Err(Trap::Return);
        }
        Ok(Next::To(target.bits.wrapping_sub(map::CODE_BASE)))
    }
}

fn on_numbers(a: Word, b: Word, f: impl Fn(u32, u32) -> u32) -> Word {
    if a.is_number() && b.is_number() {
        Word::number(f(a.bits, b.bits))
    } else {
        Word::UNDEFINED
    }
}

/// `sltu` and `sltiu`. `sltiu rd, rs, 1` asks whether `rs` is zero, and no address is.
fn below(a: Word, b: Word) -> Word {
    if matches!(a.kind, Kind::Address(_)) && b == Word::number(1) {
        return Word::number(0);
    }
    match a.order(b) {
        Some((a, b)) => Word::number(u32::from(a < b)),
        None => Word::UNDEFINED,
    }
}

/// `orc.b`: each byte all ones if any of its bits is set.
pub(crate) fn or_bytes(bits: u32) -> u32 {
    let bytes = bits.to_le_bytes();
    u32::from_le_bytes(bytes.map(|byte| if byte == 0 { 0 } else { 0xff }))
}

pub(crate) fn signed(bits: u32) -> i64 {
    i64::from(bits as i32)
}

pub(crate) fn high(product: i64) -> u32 {
    (product >> 32) as u32
}

/// The ISA manual, chapter M: division by zero gives all ones, overflow the dividend.
pub(crate) fn div(a: u32, b: u32) -> u32 {
    if b == 0 {
        u32::MAX
    } else {
        (a as i32).wrapping_div(b as i32) as u32
    }
}

/// Of a division by zero the remainder is the dividend, of an overflow zero.
pub(crate) fn rem(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        (a as i32).wrapping_rem(b as i32) as u32
    }
}
