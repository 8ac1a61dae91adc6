//! What a node promises a handler: lengths, memory, registers and verdicts.

use nfl_abi::image::{Right, Verdict, VerdictKind};
use nfl_abi::{Image, Role, map};
use nfl_isa::Target;

use super::code::Code;
use super::instructions::pattern;
use super::{blank, capsule, proved, run, single};
use crate::conform::suite::Suite;
use crate::conform::vector::{Group, Hex, Run};

/// Context words that are all different, with a network header.
const CONTEXT: [u32; 8] = [7, 0x1234_5678, 3, 14, 0x5566_7788, 0x1122_3344, 9, 0];

/// Bytes of the carried area: the manifest holds them too, and has 128.
const CARRIED: usize = 64;

pub(super) fn add(suite: &mut Suite) {
    verdicts(suite);
    lengths(suite);
    memory(suite);
    entries(suite);
}

fn assembled(text: &str) -> Vec<u8> {
    let mut code = Code::default();
    code.text(text);
    code.done()
}

fn put(suite: &mut Suite, name: &str, image: Image, runs: Vec<Run>) {
    single(suite, Group::Contract, proved(name, image), runs);
}

/// The verdict and its operand come from the packet: kinds that there are, and some that there are not.
fn verdicts(suite: &mut Suite) {
    let code = || assembled("lbu a0, 0(s0)\n lw a1, 1(s0)\n c.ebreak");
    let runs = || {
        let kinds = (0..=9).chain([255]);
        let runs = kinds.map(|kind| run([&[kind][..], &pattern(8, kind.into())].concat()));
        runs.collect::<Vec<Run>>()
    };
    let target = Target::DEFAULT;
    put(suite, "verdicts resident", blank(target, 5, code()), runs());
    let image = capsule(target, Role::Transit, 5, Vec::new(), code());
    put(suite, "verdicts capsule", image, runs());
    let mut image = blank(target, 5, code());
    image.manifest.verdicts = 1 << VerdictKind::Drop.number() | 1 << VerdictKind::Pass.number();
    put(suite, "verdicts drop and pass alone", image, runs());
    let at_once = assembled("c.ebreak");
    put(
        suite,
        "registers a0 and a1",
        blank(target, 0, at_once),
        vec![run(Vec::new())],
    );
}

/// Which packets code sees, and what it reads behind their ends.
fn lengths(suite: &mut Suite) {
    let target = Target::DEFAULT;
    let of_len = |len: usize| run(pattern(len, 11));
    for (name, malformed) in [
        ("need, malformed is dropped", (VerdictKind::Drop, 1)),
        ("need, malformed passes", (VerdictKind::Pass, 0)),
        ("need, malformed is punted", (VerdictKind::Punt, 16)),
    ] {
        let mut image = blank(
            target,
            20,
            assembled("lbu a1, 19(s0)\n addi a0, zero, 2\n c.ebreak"),
        );
        let (kind, operand) = malformed;
        for entry in &mut image.manifest.entries {
            entry.malformed = Verdict { kind, operand };
        }
        put(
            suite,
            name,
            image,
            [0, 1, 19, 20, 21, 1500].map(of_len).to_vec(),
        );
    }
    // All bytes of the window in one word, each at its own place.
    let mut code = Code::default();
    code.text("addi a1, zero, 0");
    for at in 0..map::WINDOW_MAX {
        code.text(&format!(
            "lbu a2, {at}(s0)\n slli a3, a1, 5\n srli a1, a1, 27\n or a1, a1, a3\n xor a1, a1, a2"
        ));
    }
    code.text("addi a0, zero, 2\n c.ebreak");
    let mut image = blank(target, 0, code.done());
    image.manifest.window = map::WINDOW_MAX as u8;
    let lens = [0, 1, 2, 63, 64, 126, 127, 128, 129, 1500];
    put(suite, "window", image, lens.map(of_len).to_vec());

    let last =
        assembled("add a2, s0, s1\n lbu a1, -1(a2)\n addi a0, zero, 2\n sb a0, -1(a2)\n c.ebreak");
    let lens = [1, 2, 1500, 9000, map::PACKET_MAX as usize];
    put(
        suite,
        "last byte",
        blank(target, 1, last),
        lens.map(of_len).to_vec(),
    );
    let len = assembled("addi a1, s1, 0\n addi a0, zero, 2\n c.ebreak");
    let lens = [0, 1, 60, 65_535];
    put(
        suite,
        "length",
        blank(target, 0, len),
        lens.map(of_len).to_vec(),
    );
}

fn memory(suite: &mut Suite) {
    let target = Target::DEFAULT;
    let with_context = |clock_ns| {
        let mut one = run(pattern(64, 1));
        one.context = CONTEXT;
        one.clock_ns = clock_ns;
        one
    };
    for (name, base, clock) in [
        ("context through gp", "gp", true),
        ("context through a5", "a5", true),
        ("context without the right to the clock", "gp", false),
    ] {
        let mut code = Code::default();
        for at in (0..map::CONTEXT_BYTES).step_by(4) {
            // Whoever lacks the right may not read the clock, so it is left out.
            if clock || !(16..24).contains(&at) {
                code.text(&format!("lw a2, {at}({base})\n sw a2, {at}(s0)"));
            }
        }
        let mut image = blank(target, 64, code.pass());
        if !clock {
            let all = image.manifest.rights;
            image.manifest.rights = all.without(nfl_abi::image::Rights::NONE.with(Right::Clock));
        }
        let mut none = with_context(0);
        none.context[3] = u32::MAX;
        let mut runs = vec![with_context(0x1122_3344_5566_7788), none];
        for one in &mut runs {
            (one.context[4], one.context[5]) = match clock {
                true => (one.clock_ns as u32, (one.clock_ns >> 32) as u32),
                false => (0, 0),
            };
        }
        put(suite, name, image, runs);
    }
    for base in ["tp", "a4"] {
        let mut code = Code::default();
        for at in (0..CARRIED).step_by(4) {
            code.text(&format!(
                "lw a2, {at}({base})\n addi a2, a2, 1\n sw a2, {at}({base})"
            ));
        }
        code.text(&format!("lbu a2, 63({base})\n sb a2, 62({base})"));
        let image = capsule(target, Role::Arrival, 0, pattern(CARRIED, 4), code.pass());
        let runs = [4, 5].map(|seed| {
            let mut one = run(pattern(20, 1));
            one.carried = Hex(pattern(CARRIED, seed));
            one
        });
        put(
            suite,
            &format!("carried through {base}"),
            image,
            runs.to_vec(),
        );
    }
    let mut code = Code::default();
    for at in (0..map::SCRATCH_BYTES).step_by(4) {
        code.text(&format!(
            "lw a2, 0(s0)\n addi a2, a2, {at}\n sw a2, {at}(sp)"
        ));
    }
    code.text("addi a3, zero, 0");
    for at in (0..map::SCRATCH_BYTES).step_by(4) {
        code.text(&format!(
            "lw a2, {at}(sp)\n xor a3, a3, a2\n add a3, a3, a3"
        ));
    }
    code.text("sw a3, 0(s0)\n sw s0, 8(sp)\n lw a2, 8(sp)\n sb a3, 5(a2)");
    put(
        suite,
        "scratch",
        blank(target, 20, code.pass()),
        vec![run(pattern(20, 9)), run(pattern(30, 2))],
    );
    let mut code = Code::default();
    code.text("lw a2, 0x400(zero)\n lw a3, 0x7fc(zero)\n xor a2, a2, a3\n lbu a3, 0x5ff(zero)\n add a1, a2, a3\n addi a0, zero, 2\n c.ebreak");
    let mut image = blank(target, 0, code.done());
    image.constants = pattern(map::CONSTANTS_BYTES as usize, 77);
    put(suite, "constants", image, vec![run(Vec::new())]);
}

/// Timers, several ways in, and handlers behind the first byte of the code.
fn entries(suite: &mut Suite) {
    let target = Target::DEFAULT;
    let code = assembled(
        "addi a0, zero, 2\n addi a1, s1, 5\n c.ebreak\n addi a0, zero, 6\n addi a1, zero, 17\n c.ebreak",
    );
    let mut image = blank(target, 0, code);
    let mut second = image.manifest.entries[0];
    second.role = Role::Egress;
    second.pc = 10;
    image.manifest.entries.push(second);
    let program = proved("two entries", image);
    let mut vectors = Vec::new();
    for entry in 0..2 {
        let mut vector = super::vector(&program, Group::Contract, entry, vec![run(pattern(3, 3))]);
        vector.name += &format!(" {entry}");
        vectors.push(vector);
    }
    suite.add(program, vectors);
    let mut image = blank(
        target,
        0,
        assembled("addi a1, s1, 5\n addi a0, zero, 2\n c.ebreak"),
    );
    for entry in &mut image.manifest.entries {
        entry.role = Role::Every;
        entry.period_ns = 1_000_000;
    }
    put(suite, "timer", image, vec![run(Vec::new())]);
}
