//! Assembly text in, outcome out: every file in `cases/` holds cases of one topic.
//!
//! A case begins with `== name`. Lines that begin with a word set the scene, indented lines are
//! code, and lines with `=> ` say what must come out: the verdict or the fault, then the packet and
//! the `carried` area if they changed, and the entries of resources. `slot0` to `slot3` are labels. With `BLESS=1` the test writes what came out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use nfl_abi::image::{Image, Import, Resource, ResourceKind, Right, Rights, Verdict, VerdictKind};
use nfl_abi::{Profile, map};
use nfl_vm::{
    Context, HEAD_ROOM, Inputs, Outcome, Packet, Services, State, TAIL_ROOM, run_unverified,
};

mod common;

/// Slots of the call vector that cases name.
const SLOTS: usize = 4;

struct Case {
    image: Image,
    code: String,
    packet: Vec<u8>,
    context: Context,
    budget: u32,
    room: (u32, u32),
    entries: Vec<(String, Vec<u8>, Vec<u8>)>,
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
    // The call vector stands in front of the code, so its slots are labels there.
    let vector = (0..SLOTS).rev();
    let vector: String = vector
        .map(|slot| format!("slot{slot}:\n  .word 0\n  .word 0\n"))
        .collect();
    case.image.code = match nfl_isa::assemble(&(vector + &case.code)) {
        Ok(code) => code[SLOTS * map::SLOT_BYTES as usize..].to_vec(),
        Err(error) => return format!("does not assemble: {error}"),
    };
    let entry = case.image.manifest.entries[0];
    let (head, tail) = case.room;
    let mut packet = Packet::from(&case.packet[..]).with_room(head, tail);
    let mut carried = case.image.manifest.carried.clone();
    let manifest = &case.image.manifest;
    let mut state = State::new(&manifest.resources).expect("the resources agree");
    for (resource, key, value) in &case.entries {
        let filled = state.insert(resource, key, value);
        filled.expect("an entry of the resource");
    }
    let bound = state.bind(&manifest.imports, &manifest.resources);
    let bound = bound.expect("imports that make sense");
    let mut services = Services::new(&bound, &mut state, entry.layer, &case.context);
    let result = run_unverified(
        &case.image,
        &entry,
        Inputs {
            packet: &mut packet,
            context: &case.context,
            carried: &mut carried,
            host: &mut services,
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
    for resource in &case.image.manifest.resources {
        for (key, value) in state.entries(&resource.name).unwrap_or_default() {
            let _ = write!(out, "\n{} {}: {}", resource.name, hex(&key), hex(&value));
        }
    }
    out
}

fn show(outcome: &Outcome) -> String {
    let Outcome {
        verdict,
        steps,
        by_need,
        no_room,
        ..
    } = outcome;
    let by = match (by_need, no_room) {
        (true, _) => " by need",
        (_, true) => " without room",
        _ => "",
    };
    let steps = steps.expect("the interpreter counts");
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
        room: (HEAD_ROOM, TAIL_ROOM),
        entries: Vec::new(),
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
        "room" => {
            let room = rest.split_once(' ').expect("two numbers");
            case.room = (
                room.0.parse().expect("a number"),
                room.1.parse().expect("a number"),
            );
        }
        "resource" => manifest.resources.push(resource(rest)),
        "import" => manifest.imports.push(import(rest)),
        "entry" => {
            let (name, pair) = rest.split_once(' ').expect("a name and a pair");
            let (key, value) = pair.split_once('=').expect("a key and a value");
            case.entries
                .push((name.to_owned(), bytes(key), bytes(value)));
        }
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

/// A resource: name, kind, bytes of key and value, capacity.
fn resource(text: &str) -> Resource {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |at: usize| words[at].parse::<u32>().expect("a number");
    Resource {
        name: words[0].to_owned(),
        kind: ResourceKind::from_text(&words[1].replace('_', " ")).expect("a kind of resource"),
        key_bytes: number(2) as u16,
        value_bytes: number(3) as u16,
        capacity: number(4),
        idle_ns: 0,
        first: 0,
        flow_key: false,
        layout: 0,
    }
}

/// An import: service, parameter, and the place of its resource if it has one.
fn import(text: &str) -> Import {
    let words: Vec<&str> = text.split_whitespace().collect();
    Import {
        service: nfl_abi::host::call::service(words[0])
            .expect("a service")
            .number,
        param: words[1].parse().expect("a number"),
        resource: words.get(2).map(|at| at.parse().expect("a number")),
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
