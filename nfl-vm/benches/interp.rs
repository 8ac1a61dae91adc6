//! How long a run takes under the interpreters: the one that checks and the one for proved images.
//!
//! In: three handlers as text: one that finishes at once, one that reads the headers of a TCP segment
//! in 90 instructions, and a loop over the bytes of a packet. Out: for each and for both
//! interpreters the median, least and greatest of several samples in nanoseconds a run, taken in
//! turns in one process, for people to read: `cargo bench -p nfl-vm --bench interp`. Outcomes are
//! compared before any time counts; nothing is judged here.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use nfl_abi::{Limits, Role};
use nfl_verify::{certify, prove};
use nfl_vm::{Budget, Context, Frame, Instance, Packet, Policy, load};

#[path = "../tests/common/mod.rs"]
mod common;

const SAMPLES: usize = 501;
const RUNS: u32 = 200;

/// What the compiler makes of a handler that flips a bit of the TTL of TCP segments from 10/8 and
/// leaves a tag in their sequence numbers.
const PARSE: &str = "
  lhu a2, 12(s0)
  addi a2, a2, -8
  bne a2, zero, drop
  lbu a2, 14(s0)
  lbu a3, 23(s0)
  addi a3, a3, -6
  bne a3, zero, drop
  lhu a3, 20(s0)
  andi a3, a3, -225
  bne a3, zero, drop
  srli a3, a2, 4
  addi a3, a3, -4
  bne a3, zero, drop
  andi a2, a2, 15
  slli a3, a2, 2
  addi a4, a3, 34
  bltu s1, a4, drop
  addi a2, a2, -5
  bne a2, zero, drop
  lw a6, 26(s0)
  andi a2, a6, 255
  addi a2, a2, -10
  bne a2, zero, drop
  lbu a2, 22(s0)
  xori a5, a2, 1
  sb a5, 22(s0)
  sub a5, a5, a2
  lhu a4, 24(s0)
  lui a2, 0x10
  addi a2, a2, -1
  xor a4, a4, a2
  add a4, a4, a5
  add a4, a4, a2
  slli a2, a4, 16
  srli a2, a2, 16
  srli a4, a4, 16
  add a2, a2, a4
  srli a4, a2, 16
  add a2, a2, a4
  xori a2, a2, -1
  sh a2, 24(s0)
  lw a5, 30(s0)
  slli a2, a5, 24
  srli a4, a5, 24
  or a2, a2, a4
  slli a4, a5, 16
  srli a4, a4, 24
  slli a4, a4, 16
  or a2, a2, a4
  slli a4, a5, 8
  srli a4, a4, 24
  slli a4, a4, 8
  or a2, a2, a4
  slli a2, a2, 7
  andi a4, a5, 255
  srli a4, a4, 1
  or a2, a2, a4
  slli a4, a6, 24
  srli a5, a6, 24
  or a4, a4, a5
  slli a5, a6, 16
  srli a5, a5, 24
  slli a5, a5, 16
  or a4, a4, a5
  slli a5, a6, 8
  srli a5, a5, 24
  slli a5, a5, 8
  or a4, a4, a5
  xor a4, a4, a2
  add a3, a3, s0
  lbu a2, 14(a3)
  slli a2, a2, 8
  lbu a5, 15(a3)
  or a2, a2, a5
  slli a2, a2, 16
  lbu a5, 16(a3)
  slli a5, a5, 8
  lbu a0, 17(a3)
  or a5, a5, a0
  or a2, a2, a5
  xor a4, a4, a2
  slli a2, a4, 24
  srli a5, a4, 24
  or a2, a2, a5
  slli a5, a4, 16
  srli a5, a5, 24
  slli a5, a5, 16
  or a2, a2, a5
  slli a4, a4, 8
  srli a4, a4, 24
  slli a4, a4, 8
  or a2, a2, a4
  sw a2, 18(a3)
  addi a0, zero, 1
drop:
  ebreak
";

/// The sum of 64 bytes, one at a time.
const LOOP: &str = "
  li a2, 64
  bltu s1, a2, drop
  li a3, 0
  li a4, 0
again:
  add a5, s0, a3
  lbu a5, 0(a5)
  add a4, a4, a5
  addi a3, a3, 1
  bne a3, a2, again
  andi a0, a4, 1
  ebreak
drop:
  li a0, 0
  ebreak
";

fn instance(code: &str) -> Instance {
    let mut image = common::image(nfl_isa::assemble(code).expect("code"));
    image.manifest.window = 34;
    image.certificate = certify(&image, &Limits::EDGE).expect("what bounds it is known");
    let proven = prove(&image, &Limits::EDGE).expect("it is proved");
    load(proven, &Policy::ALL)
        .expect("all is granted")
        .instance()
}

fn packet() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[12] = 8;
    bytes[14] = 0x45;
    bytes[22..24].copy_from_slice(&[64, 6]);
    bytes[26..34].copy_from_slice(&[10, 1, 2, 3, 192, 0, 2, 1]);
    bytes
}

/// Nanoseconds a run.
fn time(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..RUNS {
        run();
    }
    start.elapsed().as_nanos() as f64 / f64::from(RUNS)
}

fn median(samples: &mut [f64]) -> (f64, f64, f64) {
    samples.sort_by(f64::total_cmp);
    let last = samples.len() - 1;
    (samples[last / 2], samples[0], samples[last])
}

fn main() {
    let context = Context::default();
    let mut out = std::io::stdout().lock();
    for (name, code) in [
        ("empty", "li a0, 1\nebreak\n"),
        ("parse", PARSE),
        ("loop", LOOP),
    ] {
        let mut instance = instance(code);
        let (mut buffer, mut packet) = (packet(), Packet::from(packet()));
        let mut frame = Frame::new(&mut buffer, 0, 64).expect("all of the buffer");
        let fast = instance.run_frame(Role::Ingress, &mut frame, &context, &mut [], Budget::Proven);
        let checked =
            instance.run_traced(0, (&mut packet, &context, &mut []), Budget::Proven, |_| {});
        assert_eq!(fast, checked);
        assert_eq!(frame.bytes(), packet.bytes());
        let steps = fast.expect("a verdict").steps.unwrap_or_default();
        let (mut proved, mut checks) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            proved.push(time(|| {
                let ran = instance.run_frame(
                    Role::Ingress,
                    &mut frame,
                    &context,
                    &mut [],
                    Budget::Proven,
                );
                let _ = black_box(ran);
            }));
            checks.push(time(|| {
                let inputs = (&mut packet, &context, &mut [][..]);
                let ran = instance.run_traced(0, inputs, Budget::Proven, |_| {});
                let _ = black_box(ran);
            }));
        }
        let ((fast, fast_least, fast_most), (slow, slow_least, slow_most)) =
            (median(&mut proved), median(&mut checks));
        let _ = writeln!(
            out,
            "{name:6} {steps:4} steps: proved {fast:7.1} ns ({fast_least:.1}..{fast_most:.1}), \
             checked {slow:7.1} ns ({slow_least:.1}..{slow_most:.1}), ratio {:.1}",
            slow / fast
        );
    }
}
