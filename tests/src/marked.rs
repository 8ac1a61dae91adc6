//! What the verifier's cases say about their programs, tried on the machine.
//!
//! In: the cases of the byte verifier, each marked as safe, unsafe or wrong. Out: nothing. Guaranteed: a program that is
//! marked as unsafe breaks a rule of the machine, unverified, in one of a number of runs, on its own packets if it gives
//! some; and one that is marked as safe breaks none in as many runs. So no mark is an opinion.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{self, Arg, Call, Host, Memory, Return};
use nfl_abi::{Image, Limits, Role};
use nfl_ir::testing::Rng;
use nfl_isa::{Fmt, Op, Reg};
use nfl_tests::packet::hex;
use nfl_tests::root;
use nfl_vm::{Context, Fault, Inputs, Packet, Step, Trap, run_unverified};

use nfl_tests::campaign::corpus;
use nfl_tests::campaign::node::{Node, Tables};

/// Runs of each entry: enough for a branch on a byte to come out both ways.
const RUNS: u32 = 160;

/// A case: what it is called, what is said about it, and its text.
struct Case {
    title: String,
    mark: String,
    text: String,
}

fn cases() -> Vec<Case> {
    let dir = root().join("nfl-verify/tests/cases");
    let files = fs::read_dir(dir).expect("the verifier has cases");
    let paths: BTreeSet<PathBuf> = files
        .map(|file| file.expect("a directory can be read to its end").path())
        .collect();
    let mut all = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("cases can be read");
        for case in text.split("== ").filter(|case| !case.trim().is_empty()) {
            let source = case.split("\n--\n").next().unwrap_or(case);
            let (title, source) = source.split_once('\n').unwrap_or((source, ""));
            let marks = source.lines().map(str::trim);
            let mark = marks
                .filter(|line| [".safe", ".unsafe", ".wrong"].contains(line))
                .collect();
            all.push(Case {
                title: format!(
                    "{}: {title}",
                    path.file_name().unwrap_or_default().display()
                ),
                mark,
                text: source.to_string(),
            });
        }
    }
    all
}

/// The packets that a case gives.
fn packets(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(".packet"));
    lines.map(|line| hex(line).expect("hex digits")).collect()
}

/// A node that looks at what it is handed: blocks must be readable, and prices are counted.
struct Reader {
    node: Node,
    calls: Vec<Option<Call>>,
    price: u64,
}

impl Reader {
    fn new(image: &Image, seed: u64) -> Reader {
        let manifest = &image.manifest;
        let calls = manifest.imports.iter();
        Reader {
            node: Node::new(image, seed, Tables::Mixed),
            calls: calls
                .map(|import| host::call(import, &manifest.resources))
                .collect(),
            price: 0,
        }
    }
}

impl Host for Reader {
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        if let Some(call) = self.calls.get(import).copied().flatten() {
            let mut next = 0;
            for arg in call.args() {
                match *arg {
                    Arg::Block(bytes) if !call.by_address() => {
                        next += usize::from(bytes).div_ceil(4);
                        continue;
                    }
                    Arg::Block(bytes) | Arg::Address(bytes) => {
                        if !memory.read(args[next], &mut vec![0; bytes.into()]) {
                            return Return::Fault;
                        }
                    }
                    Arg::Word => {}
                }
                next += 1;
            }
            let units = call.unit_register.map_or(0, |at| args[usize::from(at)]);
            self.price += u64::from(call.price(units));
        }
        self.node.call(import, args, memory)
    }

    fn value(&self, address: u32) -> Option<&[u8]> {
        self.node.value(address)
    }
}

/// What an instruction does with addresses that the contract does not allow, though a run goes on: they are moved by numbers,
/// subtracted within a region, compared near it, and none is left in `a0` or `a1` at the end.
fn misuse(step: &Step<'_>) -> Option<&'static str> {
    let (inst, registers) = (step.inst, &*step.registers);
    let spec = inst.op.spec();
    let address = |reg: Reg| registers.address(reg);
    if inst.op == Op::Ebreak {
        let numbers = [Reg::A0, Reg::A1].map(|reg| registers.number(reg).is_some());
        return (numbers != [true, true]).then_some("the handler ends with an address");
    }
    let loads = [Op::Lb, Op::Lbu, Op::Lh, Op::Lhu, Op::Lw, Op::Jal, Op::Lui];
    let (a, b) = (
        address(inst.rs1),
        address(inst.rs2).filter(|_| spec.fmt.has_rs2()),
    );
    if spec.fmt == Fmt::B {
        let far = |one: Option<(_, i32)>| one.is_some_and(|(_, at)| !(0..=65_536).contains(&at));
        return (far(a) || far(b)).then_some("an address far from its region is compared");
    }
    if !spec.fmt.has_rd() || loads.contains(&inst.op) {
        return None;
    }
    let allowed = match (inst.op, a, b) {
        (_, None, None) | (Op::Addi | Op::Sub, Some(_), None) => true,
        (Op::Add, a, b) => a.is_none() || b.is_none(),
        (Op::Sh1add | Op::Sh2add | Op::Sh3add, None, Some(_)) => true,
        (Op::Sub, Some((one, _)), Some((other, _))) => one == other,
        (Op::Sltu | Op::Sltiu, ..) => true,
        _ => false,
    };
    (!allowed).then_some("addresses are computed with")
}

/// The first rule that a run of an image breaks.
fn broken(image: &Image, given: &[Vec<u8>]) -> Option<String> {
    let mut rng = Rng::new(1);
    (0..RUNS).find_map(|number| {
        let entries = image.manifest.entries.iter();
        entries
            .filter_map(|entry| run(&mut rng, image, entry, given, number))
            .next()
    })
}

/// One run; a node drops on a verdict that the manifest does not allow, which is no broken rule.
fn run(
    rng: &mut Rng,
    image: &Image,
    entry: &nfl_abi::Entry,
    given: &[Vec<u8>],
    number: u32,
) -> Option<String> {
    let mut image = image.clone();
    // Now and then as it is.
    let bound = !number.is_multiple_of(4);
    for slot in image.manifest.late.clone().iter().filter(|_| bound) {
        let value = match rng.below(3) {
            0 => slot.lo,
            1 => slot.hi,
            _ => slot.lo + rng.below(slot.hi.saturating_sub(slot.lo).saturating_add(1)),
        };
        // What is no slot cannot be bound, and is refused for that.
        let _ = image.bind_late(&slot.name, value);
    }
    let mut bytes = match given {
        [] => anything(rng, number),
        given => given[number as usize % given.len()].clone(),
    };
    if bytes.len() < entry.need.into() {
        bytes.resize(entry.need.into(), 0);
    }
    if entry.role == Role::Every {
        bytes.clear();
    }
    let mut packet = Packet::from(&bytes[..]);
    let mut carried = image.manifest.carried.clone();
    carried.fill_with(|| rng.number() as u8);
    let context = Context {
        ingress_port: if rng.below(4) == 0 {
            u32::MAX
        } else {
            rng.below(32)
        },
        node_id: rng.number() as u32,
        queue_depth: rng.below(9),
        network_offset: Some(14),
        clock_ns: rng.number(),
        next_hop: rng.below(3),
        flow: rng.below(2),
    };
    let budget = Limits::EDGE
        .of(image.manifest.profile)
        .steps
        .min(entry.steps);
    let mut node = Reader::new(&image, rng.number());
    let (mut steps, mut misused) = (0, None);
    let see = |step: &mut Step<'_>| {
        steps += 1;
        misused = misused.or_else(|| misuse(step));
    };
    let inputs = Inputs {
        packet: &mut packet,
        context: &context,
        carried: &mut carried,
        host: &mut node,
    };
    let result = run_unverified(&image, entry, inputs, budget, see);
    if let Some(misused) = misused {
        return Some(misused.to_string());
    }
    match result {
        Ok(_)
        | Err(Fault::Trap {
            trap: Trap::UnknownVerdict(_) | Trap::ForbiddenVerdict(_),
            ..
        }) => (steps + node.price > u64::from(budget)).then(|| "too many steps".to_string()),
        Err(fault) => Some(fault.to_string()),
    }
}

/// A packet of some length and style.
fn anything(rng: &mut Rng, number: u32) -> Vec<u8> {
    let len = match number % 8 {
        0 => 0,
        1..4 => rng.below(24),
        4..6 => 20 + rng.below(50),
        6 => 1500,
        _ => 65_535,
    };
    let style = rng.below(5);
    let byte = |_| match style {
        0 => rng.number() as u8,
        1 => 0,
        2 => 0xff,
        _ => rng.below(20) as u8,
    };
    // What lies behind the first bytes is seldom looked at.
    let mut bytes: Vec<u8> = (0..len.min(99)).map(byte).collect();
    bytes.resize(len as usize, 7);
    bytes
}

#[test]
fn the_machine_says_the_same_of_the_verifiers_cases() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for case in cases() {
        if case.mark == ".wrong" {
            continue;
        }
        tried += 1;
        let found = broken(&corpus::described_by(&case.text), &packets(&case.text));
        match (case.mark.as_str(), found) {
            (".safe", None) | (".unsafe", Some(_)) => {}
            (mark, found) => wrong.push(format!(
                "{} is marked {mark:?}, and runs say {}",
                case.title,
                found.unwrap_or("nothing".to_string())
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 500, "{tried} cases are marked");
}
