//! Code that breaks a rule, one image for each way to do so.
//!
//! No node may run these to an end with a verdict of their own: it refuses the image, or it stops and drops the packet.

use nfl_abi::Image;
use nfl_abi::image::{ResourceKind, Right, Rights};
use nfl_isa::Target;

use super::code::Code;
use super::instructions::pattern;
use super::{blank, capsule, import, resource, run, single};
use crate::conform::suite::Suite;
use crate::conform::vector::{Group, Hex, Program, Put, Run};

/// Name, and code that would pass the packet if nobody stopped it.
const CODE: &[(&str, &str)] = &[
    ("undecodable word", ".word 0xffffffff\n {pass}"),
    ("undecodable half", ".half 0\n {pass}"),
    ("fence", ".word 0x0ff0000f\n {pass}"),
    ("csr", ".word 0xc0002573\n {pass}"),
    ("ecall", "ecall\n {pass}"),
    ("auipc", "auipc a2, 0\n {pass}"),
    ("end without verdict", "addi a0, zero, 1"),
    ("branch behind the code", "beq zero, zero, 400\n {pass}"),
    ("jump before the code", "jal zero, -3000\n {pass}"),
    (
        "load behind the packet",
        "add a2, s0, s1\n lbu a2, 0(a2)\n {pass}",
    ),
    (
        "load over the packet's end",
        "add a2, s0, s1\n lw a2, -3(a2)\n {pass}",
    ),
    ("load before the packet", "lbu a2, -1(s0)\n {pass}"),
    (
        "store behind the packet",
        "add a2, s0, s1\n sb zero, 0(a2)\n {pass}",
    ),
    (
        "store over the packet's end",
        "add a2, s0, s1\n sh zero, -1(a2)\n {pass}",
    ),
    (
        "load behind scratch",
        "sw zero, 252(sp)\n lw a2, 253(sp)\n {pass}",
    ),
    ("store before scratch", "sw zero, -4(sp)\n {pass}"),
    ("load behind the context", "lw a2, 32(gp)\n {pass}"),
    ("load behind the constants", "lw a2, 0x401(zero)\n {pass}"),
    ("load of code", "lui a2, 1\n lw a2, 0(a2)\n {pass}"),
    ("load through a number", "lw a2, 0(s1)\n {pass}"),
    (
        "load through a return address",
        "jal zero, main\n sub: lw a2, 0(ra)\n jalr zero, 0(ra)\n main: jal ra, sub\n {pass}",
    ),
    ("store to the context", "sw zero, 0(gp)\n {pass}"),
    ("store to the constants", "sw zero, 0x400(zero)\n {pass}"),
    ("undefined register", "add a2, a3, zero\n {pass}"),
    (
        "undefined after a product of addresses",
        "xor a2, s0, s1\n addi a3, a2, 0\n {pass}",
    ),
    ("undefined scratch", "lw a2, 8(sp)\n {pass}"),
    (
        "half of an address in scratch",
        "sw s0, 8(sp)\n lh a2, 8(sp)\n {pass}",
    ),
    ("verdict is an address", "addi a0, s0, 0\n c.ebreak"),
    ("s0 is written", "addi s0, s0, 4\n {pass}"),
    ("s1 is written", "addi s1, zero, 4\n {pass}"),
    ("sp is written", "addi sp, sp, -16\n {pass}"),
    ("c.addi16sp", "c.addi16sp sp, -16\n {pass}"),
    ("an address into the packet", "sw s0, 0(s0)\n {pass}"),
    (
        "addresses of two regions",
        "beq s0, gp, .+8\n addi a2, zero, 1\n {pass}",
    ),
    (
        "an address and a number",
        "bltu s0, s1, .+8\n addi a2, zero, 1\n {pass}",
    ),
    (
        "signed order of addresses",
        "add a2, s0, s1\n blt s0, a2, .+8\n addi a2, zero, 1\n {pass}",
    ),
    (
        "call upwards",
        "jal ra, sub\n {pass}\n sub: jalr zero, 0(ra)",
    ),
    (
        "call through a2",
        "jal zero, main\n sub: jalr zero, 0(ra)\n main: jal a2, sub\n {pass}",
    ),
    ("call of no slot", "jal ra, -4\n {pass}"),
    (
        "call of a slot that is not imported",
        "jal ra, -80\n {pass}",
    ),
    ("slot through t0", "addi a0, zero, 1\n jal t0, -12\n {pass}"),
    (
        "return to a number",
        "lui t0, 1\n jalr zero, 0(t0)\n {pass}",
    ),
    ("c.jalr", "lui t0, 1\n c.jalr t0\n {pass}"),
    (
        "return beside the call",
        "jal zero, main\n sub: jalr zero, 2(ra)\n main: jal ra, sub\n {pass}",
    ),
    (
        "argument is an address",
        "addi a0, s0, 0\n jal ra, -12\n {pass}",
    ),
    (
        "argument is undefined",
        "addi a0, a3, 0\n jal ra, -12\n {pass}",
    ),
    (
        "region of an argument is not written",
        "addi a0, zero, 0\n addi a1, zero, 4\n addi a2, sp, 0\n jal ra, -36\n {pass}",
    ),
    (
        "load behind a value",
        "addi a0, zero, 1\n jal ra, -12\n lw a2, 8(a0)\n {pass}",
    ),
    (
        "load through a lookup that missed",
        "addi a0, zero, 2\n jal ra, -12\n lw a2, 0(a0)\n {pass}",
    ),
    (
        "store to a value",
        "addi a0, zero, 1\n jal ra, -12\n sw zero, 0(a0)\n {pass}",
    ),
    (
        "answer of nothing",
        "addi a0, zero, 1\n jal ra, -20\n addi a2, a0, 0\n {pass}",
    ),
    ("a loop without end", "again: jal zero, again\n {pass}"),
    (
        "a loop that counts nothing",
        "again: addi a2, zero, 1\n bne a2, zero, again\n {pass}",
    ),
];

pub(super) fn add(suite: &mut Suite) {
    for &(name, text) in CODE {
        let code = assembled(text);
        put(
            suite,
            name,
            with_services(blank(Target::DEFAULT, 0, code)),
            packets(&[64, 65]),
        );
    }
    let mut image = with_services(blank(
        Target::DEFAULT,
        64,
        assembled("sb zero, 0(s0)\n {pass}"),
    ));
    let rewrite = Rights::NONE.with(Right::Rewrite);
    image.manifest.rights = image.manifest.rights.without(rewrite);
    put(suite, "store without the right", image, packets(&[64]));
    let carried = assembled("lw a2, 13(tp)\n {pass}");
    let image = capsule(
        Target::DEFAULT,
        nfl_abi::Role::Transit,
        0,
        vec![1; 16],
        carried,
    );
    let mut one = run(pattern(20, 2));
    one.carried = Hex(vec![1; 16]);
    put(suite, "load behind the carried area", image, vec![one]);
}

fn packets(lens: &[usize]) -> Vec<Run> {
    let runs = lens.iter().map(|&len| {
        let mut one = run(pattern(len, 6));
        one.world = vec![Put::Entry {
            resource: "table".to_string(),
            key: Hex(vec![1, 0, 0, 0]),
            value: Hex(pattern(8, 1)),
        }];
        one
    });
    runs.collect()
}

fn assembled(text: &str) -> Vec<u8> {
    let mut code = Code::default();
    code.text(&text.replace("{pass}", "addi a0, zero, 1\n c.ebreak"));
    code.done()
}

/// A table, a counter and a search through slots 0 to 2.
fn with_services(mut image: Image) -> Image {
    image.manifest.resources = vec![
        resource("table", ResourceKind::Table, 4, 8, 4),
        resource("hits", ResourceKind::Counter, 0, 0, 4),
    ];
    image.manifest.imports = vec![
        import("table.get", 0, Some(0)),
        import("counter.count", 0, Some(1)),
        import("bytes.find", 4, None),
    ];
    image
}

fn put(suite: &mut Suite, name: &str, image: Image, runs: Vec<Run>) {
    single(
        suite,
        Group::Faults,
        Program::new(name, &image, false),
        runs,
    );
}
