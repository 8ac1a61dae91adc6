//! The interpreter for proved images: the machine's meaning without its checks.
//!
//! In: flat code, memory and the node's services. Out: what the checked interpreter says of the same
//! run: the words in `a0` and `a1` and the steps. Guaranteed: no panic and an end, whatever the code;
//! of code that is proved, the same outcome as the checked interpreter's.
//!
//! A register is 64 bits: the region of an address in the high half, and in the low half the offset
//! or the number. The region of a number is 0, which lies below all others, so that zero is no
//! address and equal words are equal things. Nothing asks what a word is, because the proof did; an
//! access stays inside its region because slices do.

pub(crate) mod flat;

use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Answer, Host, Return};
use nfl_abi::map::{self, reg};

use crate::interp::{div, high, or_bytes, rem, signed};
use crate::memory::{self, SCRATCH_BASE};
use crate::outcome::Trap;
use crate::packet::View;
use flat::{Arguments, Code, Flat, Kind, steps, target};

/// Regions of addresses; those of values lie above.
const PACKET: u32 = 1;
const SCRATCH: u32 = 2;
const CONTEXT: u32 = 3;
const CARRIED: u32 = 4;
const VALUES: u32 = 8;

/// The 32 registers, with room for whatever a byte numbers, so that no access to them is checked.
type Registers = [u64; 256];

/// The start of a region, as a register holds it.
const fn start(region: u32) -> u64 {
    (region as u64) << 32
}

const REGION: u64 = 0xffff_ffff << 32;

/// What one run leaves for the next, so that nothing needs to be cleared: proved code reads nothing
/// that it did not write.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// Runs so far; the count wraps.
    pub(crate) runs: u32,
    registers: Registers,
    scratch: Scratch,
}

impl Default for Work {
    fn default() -> Work {
        Work {
            runs: 0,
            registers: [0; 256],
            scratch: Scratch {
                bytes: [0; map::SCRATCH_BYTES as usize],
                regions: [0; map::SCRATCH_BYTES as usize / 4],
            },
        }
    }
}

/// Scratch memory, and for each of its words the region when it is an address.
#[derive(Clone, Debug)]
struct Scratch {
    bytes: [u8; map::SCRATCH_BYTES as usize],
    regions: [u32; map::SCRATCH_BYTES as usize / 4],
}

/// What a run is given.
pub(crate) struct Memory<'a> {
    pub(crate) constants: &'a [u8],
    pub(crate) context: [u8; map::CONTEXT_BYTES as usize],
    pub(crate) packet: View<'a>,
    pub(crate) carried: &'a mut [u8],
    pub(crate) host: &'a mut dyn Host,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The words in `a0` and `a1`; nothing when a resizing service found no room.
    pub(crate) words: Option<(u32, u32)>,
    pub(crate) steps: u32,
    /// The place of the instruction that ended it.
    pub(crate) place: usize,
}

/// Memory between two calls of services.
struct Open<'a> {
    /// The packet, and behind a short one its window.
    packet: &'a mut [u8],
    /// How much of that may be written.
    packet_len: usize,
    scratch: &'a mut Scratch,
    context: &'a [u8; map::CONTEXT_BYTES as usize],
    carried: &'a mut [u8],
    constants: &'a [u8],
    host: &'a dyn Host,
}

/// Why straight code stopped.
enum Stop {
    Finish,
    /// The slot, and the number of what follows.
    Call(usize, i64),
    /// What was proved does not hold.
    Broken,
    /// More steps than were proved.
    Steps,
}

/// Where a run stands.
struct At {
    place: usize,
    /// The steps, but for the number of the instruction at `place`.
    steps: i64,
}

/// Runs an entry, by its place in the manifest; `steps_max` is what was proved of it. A trap comes
/// with the place of the instruction, and only of code for which the proof is wrong.
pub(crate) fn run(
    code: &Code,
    entry: usize,
    memory: Memory<'_>,
    work: &mut Work,
    steps_max: u32,
) -> Result<Ended, (usize, Trap)> {
    let Memory {
        constants,
        mut context,
        mut packet,
        carried,
        host,
    } = memory;
    let (place, number) = code.start(entry).ok_or((0, Trap::OutsideCode))?;
    let mut at = At {
        place,
        steps: -number,
    };
    let Work {
        registers,
        scratch,
        runs,
    } = work;
    *runs = runs.wrapping_add(1);
    set_at_entry(registers, packet.len());
    loop {
        let packet_len = packet.len();
        let open = Open {
            packet: packet.readable_mut(),
            packet_len,
            scratch,
            context: &context,
            carried,
            constants,
            host,
        };
        let stop = straight(code.flat(), registers, open, &mut at, i64::from(steps_max));
        let place = at.place;
        match stop {
            Stop::Finish => {
                let words = (registers[10] as u32, registers[11] as u32);
                return Ok(Ended {
                    words: Some(words),
                    steps: at.steps as u32,
                    place,
                });
            }
            Stop::Call(slot, number) => {
                let (call, arguments) = code.call(slot).ok_or((place, Trap::Call))?;
                let args = words_of(registers, *arguments);
                let units = call.unit_register.map(usize::from);
                let units = units.and_then(|at| args.get(at)).copied();
                at.steps += i64::from(call.price(units.unwrap_or(0)));
                let mut services = ForServices {
                    constants,
                    context: &mut context,
                    packet: &mut packet,
                    scratch: &scratch.bytes,
                };
                let answer = host.call(slot, args, &mut services);
                let Return::Words(first, second) = answer else {
                    let no_room = answer == Return::NoRoom && call.resizes;
                    let steps = at.steps + number;
                    return match no_room {
                        true => Ok(Ended {
                            words: None,
                            steps: steps as u32,
                            place,
                        }),
                        false => Err((place, Trap::Service)),
                    };
                };
                answered(registers, call.answer, (first, second)).ok_or((place, Trap::Service))?;
                registers[usize::from(reg::S1)] = packet.len() as u64;
                at.place += 1;
            }
            Stop::Broken => return Err((place, Trap::Unproved)),
            Stop::Steps => return Err((place, Trap::StepLimit(steps_max))),
        }
    }
}

fn set_at_entry(registers: &mut Registers, packet_len: usize) {
    for (reg, word) in [
        (0, 0),
        (reg::SP, start(SCRATCH)),
        (reg::GP, start(CONTEXT)),
        (reg::TP, start(CARRIED)),
        (reg::S0, start(PACKET)),
        (reg::S1, packet_len as u64),
        (reg::A0, 0),
        (reg::A1, 0),
        (reg::A4, start(CARRIED)),
        (reg::A5, start(CONTEXT)),
    ] {
        registers[usize::from(reg)] = word;
    }
}

/// The words of a call's arguments, as the service sees them.
fn words_of(registers: &Registers, arguments: Arguments) -> [u32; ARGS_MAX] {
    let mut words = [0; ARGS_MAX];
    let from = usize::from(reg::A0);
    let given = registers[from..].iter().take(usize::from(arguments.many));
    for (n, (word, &register)) in words.iter_mut().zip(given).enumerate() {
        *word = register as u32;
        let may_point = arguments.addresses >> n & 1 != 0;
        if may_point && register & REGION == start(SCRATCH) {
            *word = word.wrapping_add(SCRATCH_BASE);
        }
    }
    words
}

/// Puts an answer where code finds it; nothing for one that the contract does not allow.
fn answered(registers: &mut Registers, answer: Answer, (first, second): (u32, u32)) -> Option<()> {
    let words = match answer {
        Answer::Nothing => (0, 0),
        Answer::Word(most) if first <= most => (first.into(), 0),
        Answer::Two(most, other) if first <= most && second <= other => {
            (first.into(), second.into())
        }
        Answer::Value(_) if first == 0 => (0, 0),
        Answer::Value(_) => (start(first.checked_add(VALUES)?), 0),
        Answer::Word(_) | Answer::Two(..) => return None,
    };
    registers[usize::from(reg::A0)] = words.0;
    registers[usize::from(reg::A1)] = words.1;
    Some(())
}

/// Runs flat code until it finishes, calls a service or proves to be wrong.
#[expect(
    clippy::too_many_lines,
    reason = "one exhaustive match, so that each arm works on registers in place"
)]
fn straight(
    code: &[Flat],
    registers: &mut Registers,
    mut open: Open<'_>,
    at: &mut At,
    most: i64,
) -> Stop {
    let At {
        mut place,
        steps: mut done,
    } = *at;
    let r = registers;
    let stop = loop {
        let Some(&i) = code.get(place) else {
            break Stop::Broken;
        };
        let (a, b, c) = (usize::from(i.a), usize::from(i.b), usize::from(i.c));
        // A number from two registers, or from a register and the immediate.
        macro_rules! number {
            ($f:expr) => {{
                let f: fn(u32, u32) -> u32 = $f;
                r[a] = f(r[b] as u32, r[c] as u32).into();
            }};
        }
        macro_rules! number_imm {
            ($f:expr) => {{
                let f: fn(u32, u32) -> u32 = $f;
                r[a] = f(r[b] as u32, i.imm as u32).into();
            }};
        }
        macro_rules! jump {
            ($taken:expr) => {
                if $taken {
                    done += steps(i.imm);
                    place = target(i.imm);
                    if done > most {
                        break Stop::Steps;
                    }
                    continue;
                }
            };
        }
        macro_rules! some {
            ($value:expr) => {
                match $value {
                    Some(value) => value,
                    None => break Stop::Broken,
                }
            };
        }
        macro_rules! load {
            ($bytes:ident, $value:expr) => {{
                let $bytes = some!(open.load(r[b], i.imm));
                r[a] = $value;
            }};
        }
        macro_rules! packet {
            ($bytes:ident, $value:expr) => {{
                let $bytes = some!(chunk(open.packet, i.imm as u32));
                r[a] = $value;
            }};
        }
        macro_rules! field_branch {
            ($ty:ty, $taken:expr) => {{
                let bytes = some!(chunk(open.packet, u32::from(i.b)));
                let word = u32::from(<$ty>::from_le_bytes(bytes));
                let word = word.wrapping_add_signed((i.c as i8).into());
                r[a] = word.into();
                let taken: fn(u32) -> bool = $taken;
                jump!(taken(word));
            }};
        }
        macro_rules! shift_then {
            ($shift:expr, $f:expr) => {{
                let (shift, f): (fn(u32, u32) -> u32, fn(u32, u32) -> u32) = ($shift, $f);
                let (x, y) = operands(i.imm);
                r[a] = shift(r[b] as u32, i.imm as u32 & 31).into();
                r[c] = f(r[x] as u32, r[y] as u32).into();
            }};
        }
        match i.kind {
            Kind::Li => r[a] = u64::from(i.imm as u32),
            Kind::Addi => r[a] = sum(r[b], u64::from(i.imm as u32)),
            Kind::Add => r[a] = sum(r[b], r[c]),
            Kind::Sub => {
                r[a] = (r[b] ^ r[c]) & REGION | u64::from((r[b] as u32).wrapping_sub(r[c] as u32));
            }
            Kind::Sltu => r[a] = u64::from(r[b] < r[c]),
            Kind::Sltiu => r[a] = u64::from(r[b] < u64::from(i.imm as u32)),
            Kind::Slt => number!(|a, b| u32::from((a as i32) < b as i32)),
            Kind::Slti => number_imm!(|a, b| u32::from((a as i32) < b as i32)),
            Kind::Xori => number_imm!(|a, b| a ^ b),
            Kind::Ori => number_imm!(|a, b| a | b),
            Kind::Andi => number_imm!(|a, b| a & b),
            Kind::Slli => number_imm!(|a, b| a << (b & 31)),
            Kind::Srli => number_imm!(|a, b| a >> (b & 31)),
            Kind::Srai => number_imm!(|a, b| (a as i32 >> (b & 31)) as u32),
            Kind::Sll => number!(|a, b| a << (b & 31)),
            Kind::Srl => number!(|a, b| a >> (b & 31)),
            Kind::Sra => number!(|a, b| (a as i32 >> (b & 31)) as u32),
            Kind::Xor => number!(|a, b| a ^ b),
            Kind::Or => number!(|a, b| a | b),
            Kind::And => number!(|a, b| a & b),
            Kind::Mul => number!(u32::wrapping_mul),
            Kind::Mulh => number!(|a, b| high(signed(a) * signed(b))),
            Kind::Mulhsu => number!(|a, b| high(signed(a) * i64::from(b))),
            Kind::Mulhu => number!(|a, b| high((u64::from(a) * u64::from(b)) as i64)),
            Kind::Div => number!(div),
            Kind::Divu => number!(|a, b| a.checked_div(b).unwrap_or(u32::MAX)),
            Kind::Rem => number!(rem),
            Kind::Remu => number!(|a, b| a.checked_rem(b).unwrap_or(a)),
            Kind::Sh1add => r[a] = scaled(r[b], 1, r[c]),
            Kind::Sh2add => r[a] = scaled(r[b], 2, r[c]),
            Kind::Sh3add => r[a] = scaled(r[b], 3, r[c]),
            Kind::Andn => number!(|a, b| a & !b),
            Kind::Orn => number!(|a, b| a | !b),
            Kind::Xnor => number!(|a, b| !(a ^ b)),
            Kind::Min => number!(|a, b| (a as i32).min(b as i32) as u32),
            Kind::Minu => number!(u32::min),
            Kind::Max => number!(|a, b| (a as i32).max(b as i32) as u32),
            Kind::Maxu => number!(u32::max),
            Kind::Rol => number!(|a, b| a.rotate_left(b & 31)),
            Kind::Ror => number!(|a, b| a.rotate_right(b & 31)),
            Kind::Rori => number_imm!(|a, b| a.rotate_right(b & 31)),
            Kind::Clz => number_imm!(|a, _| a.leading_zeros()),
            Kind::Ctz => number_imm!(|a, _| a.trailing_zeros()),
            Kind::Cpop => number_imm!(|a, _| a.count_ones()),
            Kind::Sextb => number_imm!(|a, _| a as u8 as i8 as u32),
            Kind::Sexth => number_imm!(|a, _| a as u16 as i16 as u32),
            Kind::Zexth => number_imm!(|a, _| a & 0xffff),
            Kind::Orcb => number_imm!(|a, _| or_bytes(a)),
            Kind::Rev8 => number_imm!(|a, _| a.swap_bytes()),
            Kind::Bclr => number!(|a, b| a & !(1 << (b & 31))),
            Kind::Bclri => number_imm!(|a, b| a & !(1 << (b & 31))),
            Kind::Bext => number!(|a, b| a >> (b & 31) & 1),
            Kind::Bexti => number_imm!(|a, b| a >> (b & 31) & 1),
            Kind::Binv => number!(|a, b| a ^ 1 << (b & 31)),
            Kind::Binvi => number_imm!(|a, b| a ^ 1 << (b & 31)),
            Kind::Bset => number!(|a, b| a | 1 << (b & 31)),
            Kind::Bseti => number_imm!(|a, b| a | 1 << (b & 31)),
            Kind::Beq => jump!(r[a] == r[b]),
            Kind::Bne => jump!(r[a] != r[b]),
            Kind::Bltu => jump!(r[a] < r[b]),
            Kind::Bgeu => jump!(r[a] >= r[b]),
            Kind::Blt => jump!((r[a] as i32) < r[b] as i32),
            Kind::Bge => jump!(r[a] as i32 >= r[b] as i32),
            Kind::PacketLb => packet!(x, u64::from(i8::from_le_bytes(x) as u32)),
            Kind::PacketLh => packet!(x, u64::from(i16::from_le_bytes(x) as u32)),
            Kind::PacketLw => packet!(x, u64::from(u32::from_le_bytes(x))),
            Kind::PacketLbu => packet!(x, u64::from(u8::from_le_bytes(x))),
            Kind::PacketLhu => packet!(x, u64::from(u16::from_le_bytes(x))),
            Kind::PacketSb => some!(open.packet_store(i.imm as u32, [r[c] as u8])),
            Kind::PacketSh => some!(open.packet_store(i.imm as u32, (r[c] as u16).to_le_bytes())),
            Kind::PacketSw => some!(open.packet_store(i.imm as u32, (r[c] as u32).to_le_bytes())),
            Kind::ScratchLw => r[a] = some!(open.scratch.load_word(i.imm as u32)),
            Kind::ScratchSw => some!(open.scratch.store_word(i.imm as u32, r[c])),
            Kind::Lb => load!(x, u64::from(i8::from_le_bytes(x) as u32)),
            Kind::Lh => load!(x, u64::from(i16::from_le_bytes(x) as u32)),
            Kind::Lw => r[a] = some!(open.load_word(r[b], i.imm)),
            Kind::Lbu => load!(x, u64::from(u8::from_le_bytes(x))),
            Kind::Lhu => load!(x, u64::from(u16::from_le_bytes(x))),
            Kind::Sb => some!(open.store(r[b], i.imm, [r[c] as u8])),
            Kind::Sh => some!(open.store(r[b], i.imm, (r[c] as u16).to_le_bytes())),
            Kind::Sw => some!(open.store_word(r[b], i.imm, r[c])),
            Kind::Jump => jump!(true),
            Kind::Link => {
                let number = u32::from(u16::from_le_bytes([i.b, i.c]));
                r[a] = u64::from((place as u32 + 1) | (number << 16));
                jump!(true);
            }
            Kind::Back => {
                let way = r[a] as u32;
                done += i64::from(i.imm) - i64::from(way >> 16);
                place = usize::from(way as u16);
                if done > most {
                    break Stop::Steps;
                }
                continue;
            }
            Kind::Call => break Stop::Call(target(i.imm), steps(i.imm)),
            Kind::Finish => {
                done += i64::from(i.imm);
                break Stop::Finish;
            }
            Kind::BeqLi => {
                r[b] = small(i.c);
                jump!(r[a] == r[b]);
            }
            Kind::BneLi => {
                r[b] = small(i.c);
                jump!(r[a] != r[b]);
            }
            Kind::BltuLi => {
                r[b] = small(i.c);
                jump!(r[a] < r[b]);
            }
            Kind::BgeuLi => {
                r[b] = small(i.c);
                jump!(r[a] >= r[b]);
            }
            Kind::AndiBeqz => {
                r[a] = u64::from(r[b] as u32) & small(i.c);
                jump!(r[a] == 0);
            }
            Kind::AndiBnez => {
                r[a] = u64::from(r[b] as u32) & small(i.c);
                jump!(r[a] != 0);
            }
            Kind::AddiBeqz => {
                r[a] = plus(r[b], i.c as i8);
                jump!(r[a] == 0);
            }
            Kind::AddiBnez => {
                r[a] = plus(r[b], i.c as i8);
                jump!(r[a] != 0);
            }
            Kind::PacketLbuBeqz => field_branch!(u8, |word| word == 0),
            Kind::PacketLbuBnez => field_branch!(u8, |word| word != 0),
            Kind::PacketLhuBeqz => field_branch!(u16, |word| word == 0),
            Kind::PacketLhuBnez => field_branch!(u16, |word| word != 0),
            Kind::SlliSrli => {
                number_imm!(|a, shifts| a << (shifts & 31) >> (shifts >> 8 & 31));
            }
            Kind::SrliAndi => {
                r[a] = u64::from(r[b] as u32 >> (i.c & 31) & i.imm as u32);
            }
            Kind::SlliOr => shift_then!(|a, k| a << k, |a, b| a | b),
            Kind::SrliOr => shift_then!(|a, k| a >> k, |a, b| a | b),
            Kind::SlliAnd => shift_then!(|a, k| a << k, |a, b| a & b),
            Kind::SrliAnd => shift_then!(|a, k| a >> k, |a, b| a & b),
            Kind::SlliXor => shift_then!(|a, k| a << k, |a, b| a ^ b),
            Kind::SrliXor => shift_then!(|a, k| a >> k, |a, b| a ^ b),
            Kind::SlliAdd => {
                let (x, y) = operands(i.imm);
                r[a] = u64::from((r[b] as u32) << (i.imm & 31));
                r[c] = sum(r[x], r[y]);
            }
            Kind::SrliAdd => {
                let (x, y) = operands(i.imm);
                r[a] = u64::from(r[b] as u32 >> (i.imm & 31));
                r[c] = sum(r[x], r[y]);
            }
            Kind::SlliSrliOr => {
                let word = r[b] as u32;
                let low = word >> (i.imm >> 8 & 31);
                r[c] = low.into();
                r[a] = u64::from(word << (i.imm & 31) | low);
            }
            Kind::FieldOr => {
                let field = (r[b] as u32) << (i.imm & 31) >> (i.imm >> 8 & 31);
                let field = field << (i.imm >> 16 & 31);
                r[c] = field.into();
                r[a] = u64::from(r[a] as u32 | field);
            }
            Kind::LbuSlli => {
                let [byte] = some!(open.load(r[b], i.imm));
                r[a] = u64::from(u32::from(byte) << (i.c & 31));
            }
            Kind::LbuOr => {
                let [byte] = some!(open.load(r[b], i.imm));
                r[c] = byte.into();
                r[a] = u64::from(r[a] as u32 | u32::from(byte));
            }
            Kind::PacketTwoLbu => {
                let [x] = some!(chunk(open.packet, i.imm as u32 & 0xffff));
                let [y] = some!(chunk(open.packet, i.imm as u32 >> 16));
                r[a] = x.into();
                r[b] = y.into();
            }
        }
        place += 1;
    };
    *at = At { place, steps: done };
    stop
}

/// The sum of two numbers, or of an address and a number.
#[inline(always)]
fn sum(a: u64, b: u64) -> u64 {
    (a | b) & REGION | u64::from((a as u32).wrapping_add(b as u32))
}

#[inline(always)]
fn plus(a: u64, b: i8) -> u64 {
    sum(a, small(b as u8))
}

/// The registers in bytes 1 and 2 of an immediate.
#[inline(always)]
fn operands(imm: i32) -> (usize, usize) {
    let [_, first, second, _] = imm.to_le_bytes();
    (first.into(), second.into())
}

/// A signed byte, as the number it is in a register.
#[inline(always)]
fn small(byte: u8) -> u64 {
    u64::from(byte as i8 as u32)
}

/// `sh1add` and its kin.
#[inline(always)]
fn scaled(index: u64, shift: u32, base: u64) -> u64 {
    base & REGION | u64::from((base as u32).wrapping_add((index as u32) << shift))
}

/// So many bytes at an offset.
#[inline(always)]
fn chunk<const N: usize>(bytes: &[u8], at: u32) -> Option<[u8; N]> {
    bytes.get(at as usize..)?.first_chunk().copied()
}

#[inline(always)]
fn place_chunk<const N: usize>(bytes: &mut [u8], at: u32, value: [u8; N]) -> Option<()> {
    *bytes.get_mut(at as usize..)?.first_chunk_mut()? = value;
    Some(())
}

impl Scratch {
    #[inline(always)]
    fn load_word(&self, at: u32) -> Option<u64> {
        let bytes = u32::from_le_bytes(chunk(&self.bytes, at)?);
        let region = match at % 4 {
            0 => *self.regions.get(at as usize / 4)?,
            _ => 0,
        };
        Some(u64::from(bytes) | start(region))
    }

    #[inline(always)]
    fn store_word(&mut self, at: u32, word: u64) -> Option<()> {
        place_chunk(&mut self.bytes, at, (word as u32).to_le_bytes())?;
        let region = (word >> 32) as u32;
        let at = at as usize;
        if at.is_multiple_of(4) {
            *self.regions.get_mut(at / 4)? = region;
        } else {
            *self.regions.get_mut(at / 4)? = 0;
            *self.regions.get_mut(at / 4 + 1)? = 0;
        }
        Some(())
    }

    /// A byte or a half of a number.
    fn store<const N: usize>(&mut self, at: u32, value: [u8; N]) -> Option<()> {
        place_chunk(&mut self.bytes, at, value)?;
        *self.regions.get_mut(at as usize / 4)? = 0;
        *self.regions.get_mut((at as usize + N - 1) / 4)? = 0;
        Some(())
    }
}

impl Open<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, base: u64, displacement: i32) -> Option<[u8; N]> {
        let at = (base as u32).wrapping_add_signed(displacement);
        if base & REGION == start(PACKET) {
            return chunk(self.packet, at);
        }
        self.load_elsewhere((base >> 32) as u32, at)
    }

    fn load_elsewhere<const N: usize>(&self, region: u32, at: u32) -> Option<[u8; N]> {
        match region {
            0 => chunk(self.constants, at.checked_sub(map::CONSTANTS_BASE)?),
            SCRATCH => chunk(&self.scratch.bytes, at),
            CONTEXT => chunk(self.context, at),
            CARRIED => chunk(self.carried, at),
            PACKET => chunk(self.packet, at),
            value => chunk(self.host.value(value.checked_sub(VALUES)?)?, at),
        }
    }

    #[inline(always)]
    fn load_word(&self, base: u64, displacement: i32) -> Option<u64> {
        if base & REGION == start(SCRATCH) {
            let at = (base as u32).wrapping_add_signed(displacement);
            return self.scratch.load_word(at);
        }
        let bytes = self.load(base, displacement)?;
        Some(u32::from_le_bytes(bytes).into())
    }

    #[inline(always)]
    fn packet_store<const N: usize>(&mut self, at: u32, value: [u8; N]) -> Option<()> {
        if at as usize + N > self.packet_len {
            return None;
        }
        place_chunk(self.packet, at, value)
    }

    #[inline(always)]
    fn store<const N: usize>(
        &mut self,
        base: u64,
        displacement: i32,
        value: [u8; N],
    ) -> Option<()> {
        let at = (base as u32).wrapping_add_signed(displacement);
        match (base >> 32) as u32 {
            PACKET => self.packet_store(at, value),
            SCRATCH => self.scratch.store(at, value),
            CARRIED => place_chunk(self.carried, at, value),
            _ => None,
        }
    }

    fn store_word(&mut self, base: u64, displacement: i32, word: u64) -> Option<()> {
        if base & REGION == start(SCRATCH) {
            let at = (base as u32).wrapping_add_signed(displacement);
            return self.scratch.store_word(at, word);
        }
        self.store(base, displacement, (word as u32).to_le_bytes())
    }
}

/// What services may touch.
struct ForServices<'r, 'a> {
    constants: &'a [u8],
    context: &'r mut [u8; map::CONTEXT_BYTES as usize],
    packet: &'r mut View<'a>,
    scratch: &'r [u8; map::SCRATCH_BYTES as usize],
}

impl nfl_abi::host::Memory for ForServices<'_, '_> {
    fn packet(&self) -> &[u8] {
        self.packet.bytes()
    }

    fn packet_mut(&mut self) -> &mut [u8] {
        self.packet.bytes_mut()
    }

    fn push(&mut self, bytes: u32) -> bool {
        memory::push(self.packet, self.context, bytes)
    }

    fn pop(&mut self, bytes: u32) -> bool {
        memory::pop(self.packet, self.context, bytes)
    }

    fn append(&mut self, bytes: u32) -> bool {
        self.packet.append(bytes)
    }

    fn cut(&mut self, bytes: u32) {
        self.packet.cut(bytes);
    }

    fn read(&self, address: u32, into: &mut [u8]) -> bool {
        let regions = (&self.scratch[..], self.constants);
        let bytes = memory::served(regions, address, into.len());
        if let Some(bytes) = bytes {
            into.copy_from_slice(bytes);
        }
        bytes.is_some()
    }
}
