//! Each service: hits, misses, borders, full and aged resources.
//!
//! A packet is a frame with TCP in IPv4, then the words of the arguments, then room for answers. Code loads the arguments of
//! each call from the packet and stores what is answered: words, or whether a value was found and its bytes.

mod cases;

use nfl_abi::host::{self, Answer, Arg};
use nfl_abi::image::{Import, Resource};
use nfl_isa::{Inst, Op, Reg, Target};

use super::code::Code;
use super::{blank, import, proved, single};
use crate::conform::suite::Suite;
use crate::conform::vector::{Group, Run};
use cases::{flows, packets, places, tables, words};

/// Bytes of the frame in front of the arguments.
const FRAME: usize = 60;
/// Offset of the IP header in it.
const NETWORK: u32 = 14;
/// Bytes of all arguments.
const ARGUMENTS: usize = 192;
/// Bytes of all answers.
const ANSWERS: usize = 192;
const LEN: usize = FRAME + ARGUMENTS + ANSWERS;
/// The largest number in a first argument that moves the packet, or a bound of one.
const BYTE_MAX: usize = 255;

/// A call: service, its constant, its resource, and whether the first argument is the answer before.
type Asked = (&'static str, u16, Option<u8>, bool);

/// What a program is made of, with the runs it is tried in.
struct Case {
    name: &'static str,
    resources: Vec<Resource>,
    calls: Vec<Asked>,
    runs: Vec<Run>,
}

pub(super) fn add(suite: &mut Suite) {
    for case in tables()
        .into_iter()
        .chain(flows())
        .chain(places())
        .chain(packets())
        .chain(words())
    {
        let program = proved(case.name, image(&case));
        single(suite, Group::Services, program, case.runs);
    }
}

fn image(case: &Case) -> nfl_abi::Image {
    let imports: Vec<Import> = case
        .calls
        .iter()
        .map(|&(name, param, resource, _)| import(name, param, resource))
        .collect();
    let mut code = Code::default();
    let (mut argument, mut answer) = (FRAME as i32, (FRAME + ARGUMENTS) as i32);
    let mut lost = false;
    for (slot, import) in imports.iter().enumerate() {
        let call = host::call(import, &case.resources);
        let call = call.unwrap_or_else(|| panic!("`{}` has no call {slot}", case.name));
        arguments(&mut code, &call, case.calls[slot].3, &mut argument);
        code.call(slot);
        // How long the packet is behind these nobody proves, and answers are none.
        lost |= matches!(call.service.name, "packet.cut" | "packet.pop");
        if !lost {
            answered(&mut code, &call, &mut answer);
        }
    }
    let name = case.name;
    assert!(
        argument as usize <= FRAME + ARGUMENTS,
        "`{name}` has too many arguments"
    );
    assert!(answer as usize <= LEN, "`{name}` has too many answers");
    let mut image = blank(Target::DEFAULT, LEN as u16, code.pass());
    image.manifest.resources = case.resources.clone();
    image.manifest.imports = imports;
    image
}

/// The arguments of a call, from the packet; blocks that do not fit into registers go through scratch.
fn arguments(code: &mut Code, call: &host::Call, last: bool, from: &mut i32) {
    let bounded = matches!(
        call.service.name,
        "packet.pop" | "packet.cut" | "bytes.find" | "bytes.sum"
    );
    let (mut register, mut scratch) = (Reg::A0.0, 0);
    for (n, &arg) in call.args().iter().enumerate() {
        let reg = Reg(register);
        match arg {
            _ if n == 0 && last => {
                code.put(Inst::i(Op::Addi, reg, Reg::S5, 0));
                register += 1;
            }
            Arg::Word => {
                let op = if bounded { Op::Lbu } else { Op::Lw };
                code.put(Inst::i(op, reg, Reg::S0, *from));
                *from += 4;
                register += 1;
            }
            Arg::Block(bytes) if !call.by_address() => {
                for _ in 0..bytes.div_ceil(4) {
                    code.load(Reg(register), *from);
                    *from += 4;
                    register += 1;
                }
            }
            Arg::Block(bytes) | Arg::Address(bytes) => {
                let start = scratch;
                for _ in 0..bytes.div_ceil(4) {
                    code.load(Reg::T3, *from);
                    code.put(Inst::s(Op::Sw, Reg::T3, Reg::SP, scratch));
                    *from += 4;
                    scratch += 4;
                }
                code.put(Inst::i(Op::Addi, reg, Reg::SP, start));
                register += 1;
            }
        }
    }
}

/// What a call answers, into the packet.
fn answered(code: &mut Code, call: &host::Call, to: &mut i32) {
    let mut store = |code: &mut Code, reg| {
        code.store(reg, *to);
        *to += 4;
    };
    match call.answer {
        Answer::Nothing => {}
        Answer::Word(_) => {
            code.put(Inst::i(Op::Addi, Reg::S5, Reg::A0, 0));
            store(code, Reg::A0);
        }
        Answer::Two(..) => {
            code.put(Inst::i(Op::Addi, Reg::S5, Reg::A1, 0));
            store(code, Reg::A0);
            store(code, Reg::A1);
        }
        Answer::Value(bytes) => {
            code.put(Inst::i(Op::Sltiu, Reg::A2, Reg::A0, 1));
            store(code, Reg::A2);
            let mut found = Code::default();
            for at in (0..i32::from(bytes)).step_by(4) {
                let op = match i32::from(bytes) - at {
                    1 => Op::Lbu,
                    2 | 3 => Op::Lhu,
                    _ => Op::Lw,
                };
                found.put(Inst::i(op, Reg::A2, Reg::A0, at));
                store(&mut found, Reg::A2);
            }
            code.put(Inst {
                op: Op::Beq,
                rd: Reg::ZERO,
                rs1: Reg::A0,
                rs2: Reg::ZERO,
                imm: found.len() as i32 + 4,
            });
            code.append(found);
        }
    }
}
