//! Assembly text in, outcome out: every file in `cases/` holds cases of one topic.
//!
//! A case begins with `== name`. Lines that begin with a word set the scene, indented lines are
//! code, and lines with `=> ` say what must come out: the verdict or the fault, then the packet and
//! the `carried` area if they changed. With `BLESS=1` the test writes what came out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use nfl_abi::Profile;
use nfl_abi::host::NoHost;
use nfl_abi::image::{Image, Right, Rights, Verdict, VerdictKind};
use nfl_vm::{Context, Inputs, Outcome, Packet, run_unverified};

mod common;

struct Case {
    image: Image,
    code: String,
    packet: Vec<u8>,
    context: Context,
    budget: u32,
}

#[test]
fn cases() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the directory of cases")
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a file of cases");
        let came = replay(&text);
        if came != text {
            if std::env::var_os("BLESS").is_some() {
                fs::write(&file, &came).expect("writing a file of cases");
            } else {
                report(&mut wrong, &file, &text, &came);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn report(wrong: &mut String, file: &Path, text: &str, came: &str) {
    for (was, is) in text.split("\n== ").zip(came.split("\n== ")) {
        if was != is {
            let _ = writeln!(wrong, "{}: {is}", file.display());
        }
    }
}

/// The same text with the outcomes that came out.
fn replay(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split("\n== ").enumerate() {
        if n == 0 {
            out.push_str(part);
            continue;
        }
        let kept: Vec<&str> = part
            .lines()
            .filter(|l| !l.starts_with("=>") && !l.is_empty())
            .collect();
        let _ = writeln!(out, "\n== {}", kept.join("\n"));
        for line in run(&kept).lines() {
            let _ = writeln!(out, "=> {line}");
        }
    }
    out
}

fn run(lines: &[&str]) -> String {
    let mut case = parse(lines);
    case.image.code = match nfl_isa::assemble(&case.code) {
        Ok(code) => code,
        Err(error) => return format!("does not assemble: {error}"),
    };
    let entry = case.image.manifest.entries[0];
    let mut packet = Packet::from(&case.packet[..]);
    let mut carried = case.image.manifest.carried.clone();
    let result = run_unverified(
        &case.image,
        &entry,
        Inputs {
            packet: &mut packet,
            context: &case.context,
            carried: &mut carried,
            host: &mut NoHost,
        },
        case.budget,
        |_| {},
    );
    let mut out = match result {
        Ok(outcome) => show(&outcome),
        Err(fault) => format!("fault {fault}"),
    };
    if packet.bytes() != case.packet {
        let _ = write!(out, "\npacket {}", hex(packet.bytes()));
    }
    if carried != case.image.manifest.carried {
        let _ = write!(out, "\ncarried {}", hex(&carried));
    }
    out
}

fn show(outcome: &Outcome) -> String {
    let Outcome {
        verdict,
        steps,
        by_need,
        ..
    } = outcome;
    let by = if *by_need { " by need" } else { "" };
    format!(
        "{}({:#x}) in {steps}{by}",
        verdict.kind.text(),
        verdict.operand
    )
}

fn parse(lines: &[&str]) -> Case {
    let mut case = Case {
        image: common::image(Vec::new()),
        code: String::new(),
        packet: Vec::new(),
        context: Context::default(),
        budget: 1000,
    };
    for line in &lines[1..] {
        if line.starts_with(' ') || line.ends_with(':') {
            case.code.push_str(line);
            case.code.push('\n');
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        set(&mut case, word, rest);
    }
    case
}

fn set(case: &mut Case, word: &str, rest: &str) {
    let number = || rest.parse::<u32>().expect("a number");
    let manifest = &mut case.image.manifest;
    match word {
        "packet" => case.packet = bytes(rest),
        "carried" => manifest.carried = bytes(rest),
        "constants" => case.image.constants = bytes(rest),
        "window" => manifest.window = number() as u8,
        "need" => manifest.entries[0].need = number() as u16,
        "pc" => manifest.entries[0].pc = number(),
        "capsule" => manifest.profile = Profile::Capsule,
        "budget" => case.budget = number(),
        "clock" => case.context.clock_ns = rest.parse().expect("a number"),
        "network" => case.context.network_offset = Some(number() as u8),
        "next_hop" => case.context.next_hop = number(),
        "port" => case.context.ingress_port = number(),
        "rights" => {
            manifest.rights = rest
                .split_whitespace()
                .map(|r| Right::from_text(r).expect("a right"))
                .fold(Rights::NONE, Rights::with);
        }
        "verdicts" => {
            manifest.verdicts = rest
                .split_whitespace()
                .map(|v| VerdictKind::from_text(v).expect("a verdict"))
                .fold(0, |mask, v| mask | 1 << v.number());
        }
        "malformed" => {
            manifest.entries[0].malformed = Verdict {
                kind: VerdictKind::from_text(rest).expect("a verdict"),
                operand: 0,
            };
        }
        _ => panic!("`{word}` sets nothing"),
    }
}

/// Hex bytes, or `n * byte`.
fn bytes(text: &str) -> Vec<u8> {
    let byte = |b: &str| u8::from_str_radix(b, 16).expect("a byte in hex");
    match text.split_once('*') {
        Some((n, b)) => vec![byte(b.trim()); n.trim().parse().expect("a number")],
        None => text.split_whitespace().map(byte).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    shown.join(" ")
}
