//! Accepted images and their runs, for another machine to repeat.
//!
//! In: a campaign's setting and a number of images. Out: JSON lines as the program `vectors` writes them,
//! and what the other machine says about them. Guaranteed: the same seed gives the same lines.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nfl_abi::image::Right;
use nfl_abi::{Entry, Image, Role, map};
use nfl_ir::testing::Rng;
use nfl_isa::{Op, Reg, Target};
use nfl_vm::{Inputs, Packet, Unproved};
use serde_json::json;

use super::block::Setting;
use super::corpus::limits;
use super::input::Start;
use super::mutant::change;
use super::node::{Node, Tables};
use super::run::Contained;
use super::totals::Totals;
use crate::agree::context_words;
use crate::opinion::head;
use crate::packet::digits;

/// Packets for each image.
const PACKETS: u32 = 8;
/// Changes of one image, of which those that are accepted are repeated.
const CHANGES: u32 = 24;
/// The targets that the other machine knows; it is older than Zba, Zbb, Zbs and Zcb.
const KNOWN: [&str; 3] = ["rv32imc", "rv32ic", "nme-2017"];
/// Longer packets take long to write and are no different.
const LEN_MAX: usize = 1600;

/// Has so many images repeated by a checker, a program that reads the lines and says how many runs there
/// were and how many differed.
///
/// # Errors
///
/// What the system says.
pub fn compare(setting: &Setting, images: u64, checker: &Path) -> io::Result<Totals> {
    let mut child = Command::new(checker)
        .arg("--stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(stdin) = child.stdin.take() {
        let mut out = BufWriter::new(stdin);
        // A checker that skips everything closes its end.
        match write(setting, images, &mut out).and_then(|()| out.flush()) {
            Err(wrong) if wrong.kind() != io::ErrorKind::BrokenPipe => return Err(wrong),
            _ => {}
        }
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(judged(&said))
}

/// The last line of a checker: `N handlers, N runs on the emulator, N differences`.
fn judged(said: &str) -> Totals {
    let mut totals = Totals::default();
    let last = said.lines().last().unwrap_or("");
    let numbers = last.split(' ').filter_map(|word| word.parse::<u64>().ok());
    match numbers.collect::<Vec<u64>>()[..] {
        [images, runs, differences] => {
            totals.count("emulator.images", images);
            totals.count("o8.checks", runs);
            let told = said.lines().take(differences as usize);
            for line in told {
                totals.violation("o8", line.to_string());
            }
        }
        _ => {
            totals.machine.insert("emulator".into(), last.into());
        }
    }
    totals
}

/// Writes the lines.
///
/// # Errors
///
/// What the system says.
pub fn write(setting: &Setting, images: u64, out: &mut impl Write) -> io::Result<()> {
    let limits = limits();
    let mut rng = Rng::new(setting.seed ^ 0x0e8);
    let mut written = 0;
    while written < images {
        let mut base = setting.corpus.base(&mut rng, &limits);
        let other = setting.corpus.base(&mut rng, &limits);
        let mut image = base.image.clone();
        for _ in 0..CHANGES {
            let kind = change(&mut rng, &base, &other, &mut image, &limits);
            match Contained::new(&image, &limits) {
                Ok(contained) if written < images => {
                    written += image_runs(&mut rng, &contained, out)?;
                    base = super::mutant::Base::new(image.clone());
                }
                _ => base.restore(&mut image, kind),
            }
        }
    }
    Ok(())
}

/// Runs one image, if another machine can; answers how many images that was.
fn image_runs(rng: &mut Rng, contained: &Contained, out: &mut impl Write) -> io::Result<u64> {
    let image = contained.image();
    let entry = image.manifest.entries.first();
    // Other machines have no services, and no timers.
    let Some(entry) = entry.filter(|entry| entry.role != Role::Every) else {
        return Ok(0);
    };
    let known = Target::by_id(image.manifest.target.0);
    let known = known.is_some_and(|target| KNOWN.contains(&target.name));
    if !image.manifest.imports.is_empty() || !known {
        return Ok(0);
    }
    let first = contained.start(rng, 0);
    let mut program = Unproved::new(image.clone());
    first.bind(image, program.constants_mut());
    out.write_all(head("changed", program.image(), entry).as_bytes())?;
    let lengths = contained.lengths();
    for number in 0..PACKETS {
        let len = lengths[rng.below(lengths.len() as u32) as usize].min(LEN_MAX);
        let start = contained.start(rng, len.max(entry.need.into()));
        let Some((verdict, packet, carried, steps)) = run(contained, &program, entry, &start)
        else {
            continue;
        };
        let clock = image.manifest.rights.has(Right::Clock);
        let run = json!({
            "packet": digits(&start.packet),
            "of": format!("{number}: {}", digits(&image.certificate)),
            "context": context_words(&start.context, clock),
            "carried": digits(&start.carried),
            "verdict": verdict,
            "packet after": digits(&packet),
            "carried after": digits(&carried),
            "steps": steps,
        });
        writeln!(out, "{run}")?;
    }
    Ok(1)
}

/// What the machine does: the words in `a0` and `a1`, the bytes it leaves, and the steps.
type Ran = ([u32; 2], Vec<u8>, Vec<u8>, u32);

fn run(contained: &Contained, program: &Unproved, entry: &Entry, start: &Start) -> Option<Ran> {
    let image: &Image = program.image();
    let mut packet = Packet::from(&start.packet[..]);
    let mut carried = start.carried.clone();
    let mut node = Node::new(image, start.node_seed, Tables::Empty);
    let mut words = [0; 2];
    let inputs = Inputs {
        packet: &mut packet,
        context: &start.context,
        carried: &mut carried,
        host: &mut node,
    };
    let ran = program.run(entry, inputs, contained.proven.steps(0), |step| {
        if step.inst.op == Op::Ebreak {
            let word = |reg| step.registers.number(Reg(reg)).unwrap_or(0);
            words = [word(map::reg::A0), word(map::reg::A1)];
        }
    });
    // A verdict that the manifest does not allow is the node's affair.
    let outcome = ran.ok()?;
    Some((words, packet.bytes().to_vec(), carried, outcome.steps?))
}
