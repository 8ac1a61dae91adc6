//! How long the verifier takes.
//!
//! In: nothing, the name of one group, or files of images. Out: for images of rising size the time of a proof for each instruction, for
//! capsules the median, the 99th percentile and the worst, and for directed worst cases each its own. Each image is proved
//! many times, and its time is the shortest of them, since whatever else the machine does only adds to it; every figure
//! comes from the same seeds.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use nfl_abi::{Image, Limits};
use nfl_verify::prove;

/// How often one image is proved for one figure.
const REPEATS: usize = 60;
/// Capsules of the group of that name.
const CAPSULES: u32 = 400;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let asked = |name: &str| words.first().is_none_or(|word| word == name);
    if asked("resident") {
        resident();
    }
    if asked("capsules") {
        let pieces = |seed: u32| 5 + seed as usize % 12;
        let images = (0..CAPSULES).map(|seed| program(seed, pieces(seed), false));
        distribution("capsules", images);
    }
    if asked("worst") {
        worst();
    }
    let files: Vec<&String> = words.iter().filter(|word| word.contains('.')).collect();
    if !files.is_empty() {
        let read = |file: &String| {
            let bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{file}: {e}"));
            Image::from_bytes(&bytes).unwrap_or_else(|e| panic!("{file}: {e}"))
        };
        distribution("files", files.into_iter().map(read));
    }
}

fn resident() {
    for pieces in [64, 128, 256, 512, 1024] {
        let image = program(1, pieces, true);
        let (count, time) = (instructions(&image), measure(&image));
        let each = time.as_secs_f64() * 1e9 / count as f64;
        say(&format!(
            "resident: {count} instructions, {time:.1?}, {each:.1} ns each"
        ));
    }
}

fn distribution(name: &str, images: impl Iterator<Item = Image>) {
    let (mut times, mut lines) = (Vec::new(), 0);
    for image in images {
        lines += instructions(&image);
        times.push(measure(&image));
    }
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (median, p99, worst) = (at(50), at(99), at(100));
    let each = times.iter().sum::<Duration>().as_secs_f64() * 1e9 / lines as f64;
    say(&format!(
        "{name}: {} images, {each:.1} ns for each of {lines} instructions, median {median:.1?}, p99 {p99:.1?}, worst {worst:.1?}",
        times.len()
    ));
}

fn worst() {
    for (name, text) in adversarial() {
        let image = support::certified(&text).unwrap_or_else(|_| support::image(&text));
        let time = measure(&image);
        let verdict = match prove(&image, &Limits::EDGE) {
            Ok(_) => String::from("proved"),
            Err(refusal) => refusal.to_string(),
        };
        say(&format!(
            "worst: {name}: {} bytes, {time:.1?}, {verdict}",
            image.content_len()
        ));
    }
}

/// The time of a proof, or of a refusal.
fn measure(image: &Image) -> Duration {
    let once = |_| {
        let start = Instant::now();
        let _ = black_box(prove(black_box(image), &Limits::EDGE));
        start.elapsed()
    };
    (0..REPEATS).map(once).min().unwrap_or_default()
}

fn instructions(image: &Image) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Ok((_, size)) = nfl_isa::decode(&image.code[at..]) {
        at += size as usize;
        count += 1;
    }
    count
}

/// A line on standard output; who closed it does not want to know.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A program of pieces as the compiler makes them, in an order that the seed gives.
fn program(seed: u32, pieces: usize, resident: bool) -> Image {
    let mut text = String::from(
        ".window 64\n.resource table 4 8 100\n.import table.get 0 0\n.import hash.crc32c 8\n",
    );
    if resident {
        text.push_str(".resident\n.entry ingress 0 34\n");
    } else {
        text.push_str(".entry originator 0 34\n");
    }
    text.push_str(" li a1, 0\n sw s1, 0(sp)\n sw s1, 4(sp)\n sw s1, 8(sp)\n");
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    for at in 0..pieces {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        piece(&mut text, state as usize % 8, at);
    }
    text.push_str(" li a0, 1\n ebreak");
    support::certified(&text).expect("a program that can be proved")
}

fn piece(text: &mut String, which: usize, at: usize) {
    let _ = match which {
        0 => writeln!(
            text,
            " lbu a2, 12(s0)\n lbu a3, 13(s0)\n slli a2, a2, 8\n or a2, a2, a3\n sw a2, 12(sp)"
        ),
        1 => writeln!(
            text,
            " lbu a2, 0(s0)\n andi a2, a2, 15\n slli a2, a2, 2\n addi a3, a2, 8\n bltu s1, a3, p{at}\n add a3, s0, a2\n \
             lhu a4, 4(a3)\n sw a4, 16(sp)\n sb a4, 0(a3)\np{at}:"
        ),
        2 => writeln!(
            text,
            " lw a2, 16(s0)\n lw a3, 20(s0)\n beq a2, a3, p{at}\n xor a2, a2, a3\n li a3, 6\n bne a2, a3, q{at}\n addi a2, a2, \
             1\nq{at}:\n sw a2, 20(sp)\np{at}:"
        ),
        3 => writeln!(
            text,
            " lw a0, 12(s0)\n jal slot0\n beqz a0, p{at}\n lw a4, 4(a0)\n sw a4, 24(sp)\np{at}:\n li a0, 0\n li a1, 0"
        ),
        4 => writeln!(
            text,
            " li a2, 0\n li a4, 0\np{at}:\n add a3, s0, a2\n lbu a3, 0(a3)\n add a4, a4, a3\n addi a2, a2, 1\n li a3, 20\n \
             bltu a2, a3, p{at}\n sw a4, 28(sp)"
        ),
        5 => writeln!(
            text,
            " lw a2, 0(sp)\n lw a3, 4(sp)\n add a4, a2, a3\n sltu a5, a4, a2\n lw a2, 8(sp)\n add a4, a4, a2\n sw a4, 32(sp)\n sw \
             a5, 36(sp)"
        ),
        6 => writeln!(
            text,
            " lw a0, 12(s0)\n lw a1, 16(s0)\n jal slot1\n andi a2, a0, 63\n li a3, 40\n bgeu a2, a3, p{at}\n add a2, a2, sp\n sb \
             a0, 40(a2)\np{at}:\n li a0, 0\n li a1, 0"
        ),
        _ => writeln!(
            text,
            " lhu a2, 12(s0)\n li a3, 8\n bne a2, a3, p{at}\n sb a3, 22(s0)\n j q{at}\np{at}:\n sb a2, 23(s0)\nq{at}:"
        ),
    };
}

/// Programs that make the verifier work as hard as their size allows.
fn adversarial() -> Vec<(&'static str, String)> {
    let store_all: String = (0..64)
        .map(|w| format!(" c.lw a2, 0(s0)\n c.swsp a2, {}(sp)\n", 4 * w))
        .collect();
    let begin = format!(".window 64\n.entry originator 0 4\n{store_all}");
    let times = |count: usize, line: &str| line.repeat(count);
    let many =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    vec![
        (
            "many branches to one place, where 64 words differ",
            meeting(64, 1, 120),
        ),
        (
            "more branches to one place, where 32 words differ",
            meeting(32, 1, 184),
        ),
        (
            "branches to one place, where 64 words differ by constants",
            apart(100),
        ),
        (
            "branches to 16 places in turn, where 48 words differ",
            meeting(48, 16, 100),
        ),
        (
            "branches to the next instruction",
            format!("{begin}{} c.ebreak", times(230, " c.beqz a2, 2\n")),
        ),
        (
            "a full state is copied, and one word of it changes",
            format!(
                "{begin}{} c.ebreak",
                many(76, &|n| format!(
                    " c.beqz a2, t{n}\n c.lw a3, 0(s0)\n c.swsp a3, {}(sp)\nt{n}:\n",
                    n % 64 * 4
                ))
            ),
        ),
        (
            "as many targets as may be open",
            format!(
                "{begin}{}{}{} c.ebreak",
                many(32, &|n| format!(" beqz a2, t{n}\n")),
                times(40, " c.lw a2, 0(s0)\n c.swsp a2, 0(sp)\n"),
                many(32, &|n| format!(
                    "t{n}:\n c.lw a2, 0(s0)\n c.swsp a2, {}(sp)\n",
                    n * 4
                )),
            ),
        ),
        (
            "states whose symbols have other names",
            format!(
                "{begin}{}{} c.ebreak",
                " c.beqz a2, far\n",
                times(64, " c.lw a3, 0(s0)\n")
                    + "far:\n"
                    + &many(50, &|n| format!(
                        " c.beqz a2, t{n}\n c.lw a3, 0(s0)\n c.lw a3, 0(s0)\nt{n}:\n"
                    )),
            ),
        ),
        (
            "symbols that are made and forgotten",
            format!("{begin}{} c.ebreak", times(250, " c.lw a3, 0(s0)\n")),
        ),
        (
            "loops that change every word",
            format!(
                ".entry originator 0 0\n{} c.ebreak",
                many(4, &|n| format!(" c.li a{}, 9\nh{n}:\n", 2 + n))
                    + &many(32, &|w| format!(" c.swsp a2, {}(sp)\n", 4 * w))
                    + &many(4, &|n| format!(
                        " c.addi a{0}, -1\n c.bnez a{0}, h{1}\n",
                        5 - n,
                        3 - n
                    )),
            ),
        ),
        (
            "loops behind one another",
            format!(
                ".entry originator 0 0\n{} c.ebreak",
                many(14, &|n| format!(
                    " c.li a2, 9\nh{n}:\n c.addi a2, -1\n c.bnez a2, h{n}\n"
                )),
            ),
        ),
        (
            "stores that can reach every word",
            format!(
                "{begin} c.lw a3, 0(s0)\n andi a3, a3, 252\n c.add a3, sp\n{} c.ebreak",
                times(220, " c.sw a2, 0(a3)\n")
            ),
        ),
    ]
}

/// Branches to a few places in turn, where every state that comes has other symbols in so many words than what waits there. The last
/// load goes to a register, whose symbol comes before those of the words where symbols are numbered anew, and behind them here.
fn meeting(words: usize, targets: usize, branches: usize) -> String {
    let store: String = (0..words)
        .map(|w| format!(" c.lw a2, 0(s0)\n c.swsp a2, {}(sp)\n", 4 * w))
        .collect();
    let first: String = (0..targets).map(|n| format!(" beqz a2, t{n}\n")).collect();
    let more: String = (0..branches)
        .map(|n| {
            // The reach of the short form is 256 bytes.
            let short = if branches - n + targets < 124 {
                "c."
            } else {
                ""
            };
            format!(" {short}beqz a2, t{}\n", n % targets)
        })
        .collect();
    let ends: String = (0..targets).map(|n| format!("t{n}:\n c.nop\n")).collect();
    format!(
        ".window 64\n.entry originator 0 4\n{store}{first}{store} c.lw a0, 0(s0)\n{more}{ends} c.ebreak"
    )
}

/// As `meeting`, with two symbols alone: the words are so far apart that no two can share what stands for both.
fn apart(branches: usize) -> String {
    let store = |by: usize| -> String {
        (0..64)
            .map(|w| format!(" c.addi a2, {by}\n c.swsp a2, {}(sp)\n", 4 * w))
            .collect()
    };
    let more = " c.beqz a3, t\n".repeat(branches);
    format!(
        ".window 64\n.entry originator 0 4\n lbu a2, 0(s0)\n c.mv a3, a2\n{} beqz a3, t\n lbu a2, 0(s0)\n c.mv a3, \
         a2\n{}{more}t:\n c.ebreak",
        store(1),
        store(2)
    )
}
