//! The six functions in C and in NFL on the same packets, with the same entries in their tables.
//!
//! In: `tests/baselines`, all captures, and made packets with their truncations and mutants. Out: a
//! report of what was compared. Guaranteed: verdicts, ports, bytes and what packets wrote into tables
//! are equal but for what the report counts as left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use nfl_abi::image::VerdictKind;
use nfl_abi::{Layer, Role};
use nfl_codegen_rv::Options;
use nfl_isa::Target;
use nfl_tests::agree::{After, Engines};
use nfl_tests::baseline::{Baseline, SIX, directory};
use nfl_tests::capture::captures;
use nfl_tests::generate::Dice;
use nfl_tests::packet;
use nfl_tests::root;
use nfl_vm::Context;

use crate::stage::snapshot;

/// Packets of one capture that are run; two captures have more.
const PACKETS: usize = 400;
/// Mutants of each made packet.
const MUTANTS: usize = 40;
/// Where in an Ethernet frame the IPv4 header begins.
const IP: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The numbers of the maps in `nf.h`.
#[derive(Clone, Copy)]
enum Map {
    Routes = 1,
    Nat = 2,
    Block = 4,
    Counts = 5,
    Names = 6,
}

/// An entry as both sides want it.
struct Entry {
    map: Map,
    resource: &'static str,
    /// Key and value for the C.
    c: (Vec<u8>, Vec<u8>),
    /// Key and value as the layout of the resource says.
    nfl: (Vec<u8>, Vec<u8>),
    /// Of a prefix.
    bits: Option<u16>,
}

/// A packet with what the node adds.
struct Start {
    bytes: Vec<u8>,
    context: Context,
    captured: bool,
}

/// What became of a packet in C.
struct Ended {
    verdict: u32,
    port: u32,
    bytes: Vec<u8>,
}

/// A TCP or UDP packet, as the C reads it: no later fragment, and eight bytes behind the IP header.
struct Ports {
    protocol: u8,
    /// Where the header behind IPv4 begins.
    at: usize,
}

fn ports(packet: &[u8]) -> Option<Ports> {
    let ip = packet.get(IP..IP + 20)?;
    let at = IP + usize::from(ip[0] & 15) * 4;
    let wanted = packet[12..14] == [8, 0]
        && (0x45..=0x4f).contains(&ip[0])
        && [TCP, UDP].contains(&ip[9])
        && ip[6] & 0x1f == 0
        && ip[7] == 0
        && packet.len() >= at + 8;
    wanted.then_some(Ports {
        protocol: ip[9],
        at,
    })
}

/// Made packets: for each function those that reach its end, and their neighbours.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "eth / ip4 src=10.1.2.7 dst=10.9.0.5 / tcp dport=443 / 0102",
        "eth / ip4 src=10.1.2.255 dst=10.9.0.5 options=01010101 / tcp dport=8443",
        "eth / ip4 src=10.1.3.7 dst=10.9.0.5 / tcp dport=443",
        "eth / ip4 src=10.1.2.7 dst=10.9.0.5 frag=3 / tcp dport=443",
        "eth / ip4 src=10.1.2.7 dst=10.9.0.5 / udp dport=443 sum=0",
        "eth / ip4 src=10.1.2.7 dst=10.9.0.5 ttl=0 / tcp dport=80",
        "eth / ip4 dst=10.9.1.1 ttl=1 / udp",
        "eth / ip4 dst=10.9.1.1 ttl=2 / udp",
        "eth / ip4 dst=10.9.1.1 ttl=64 sum=0xfeff / udp",
        "eth / ip4 dst=10.9.1.1 ttl=64 sum=0xffff / udp",
        "eth / ip4 dst=10.9.1.1 ttl=64 sum=0 / udp",
        "eth / ip4 dst=203.0.113.1 ttl=64 / icmp",
        "eth / ip4 src=192.0.2.1 / tcp sport=1 dport=2 sum=0xffff",
        "eth / ip4 src=192.0.2.1 / tcp sport=1 dport=2 sum=0",
        "eth / ip4 src=192.0.2.1 options=0101010101010101 / udp sport=5000 dport=53 / 00",
        "eth / ip6 / udp dport=53 / 00",
        "eth / vlan / ip4 / tcp",
    ]
    .map(str::to_string)
    .into();
    for flags in 0..64u32 {
        let letters = "FSRPAU".chars().enumerate();
        let letters: String = letters
            .filter(|(bit, _)| flags >> bit & 1 != 0)
            .map(|(_, letter)| letter)
            .collect();
        let flags = if letters.is_empty() {
            String::new()
        } else {
            format!(" flags={letters}")
        };
        texts.push(format!(
            "eth / ip4 src=198.51.100.{} / tcp{flags}",
            flags.len()
        ));
    }
    for hop in [0, 1, 3, 4, 5] {
        let room = "00".repeat(4 * 12);
        texts.push(format!(
            "eth / ip4 / udp dport=0x5450 / 01{hop:02x}040300000001{room}"
        ));
    }
    for (head, name) in questions() {
        texts.push(format!("eth / ip4 / udp dport=53 / {head}{name}00010001"));
        texts.push(format!(
            "eth / ip4 options=01010101 / udp dport=53 / {head}{name}00010001"
        ));
    }
    texts
}

/// The head of a DNS message and a name, in hex digits.
fn questions() -> Vec<(&'static str, String)> {
    let name = |labels: &[&str]| {
        let mut bytes: Vec<u8> = Vec::new();
        for label in labels {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let long = "x".repeat(63);
    let query = "123401000001000000000000";
    vec![
        (query, name(&["www", "Example", "com"])),
        (query, name(&["ads", "EXAMPLE", "org"])),
        (query, name(&["[@`{a", "Z9-_"])),
        (query, name(&[])),
        (query, name(&["a"; 32])),
        (query, name(&["a"; 33])),
        (query, name(&[&long, &long, &long, &long[..60]])),
        (query, name(&[&long, &long, &long, &long[..61]])),
        (query, name(&[&long, &long, &long, &long[..62]])),
        (query, "03777777c00c".to_string()),
        ("123481000001000000000000", name(&["answer"])),
        ("123401000000000000000000", name(&["nothing"])),
    ]
}

/// All packets: captured ones, made ones, truncations of these and mutants.
fn starts() -> Vec<Start> {
    let mut frames: Vec<(Vec<u8>, bool)> = Vec::new();
    for capture in captures() {
        let packets = capture.packets(Layer::Link).take(PACKETS);
        frames.extend(packets.map(|start| (start.packet, true)));
    }
    let mut dice = Dice::new(6);
    for text in texts() {
        let made = packet::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        for size in 0..made.len().min(120) {
            frames.push((made[..size].to_vec(), false));
        }
        for _ in 0..MUTANTS {
            frames.push((mutant(&made, &mut dice), false));
        }
        frames.push((made, false));
    }
    let start = |(index, (bytes, captured)): (usize, (Vec<u8>, bool))| Start {
        bytes,
        context: Context {
            node_id: 0x0102_0304,
            queue_depth: index as u32 % 1000,
            clock_ns: 0x1_0000_0000 + index as u64 * 0x0101_0107,
            network_offset: Some(IP as u8),
            ..Context::default()
        },
        captured,
    };
    frames.into_iter().enumerate().map(start).collect()
}

/// A packet with one to three bytes changed, most of them in its headers.
fn mutant(made: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = made.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len().min(72));
        bytes[at] = match dice.below(4) {
            0 => bytes[at] ^ 1 << dice.below(8),
            1 => bytes[at].wrapping_add(1),
            2 => [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            _ => dice.any() as u8,
        };
    }
    if dice.one_in(4) {
        bytes.truncate(dice.below(bytes.len()));
    }
    bytes
}

/// What the tables of a function hold: of what the packets ask for, a part.
fn entries(function: &Baseline, starts: &[Start]) -> Vec<Entry> {
    match function.function {
        "Router" => routes(),
        "Nat44" => flows(starts),
        "SynGuard" => sources(starts),
        "DnsGuard" => names(starts),
        _ => Vec::new(),
    }
}

fn routes() -> Vec<Entry> {
    let rows = [
        ([0, 0, 0, 0], 1),
        ([10, 0, 0, 0], 8),
        ([10, 9, 0, 0], 16),
        ([10, 9, 1, 1], 32),
        ([141, 142, 0, 0], 16),
        ([192, 168, 0, 0], 16),
        ([192, 168, 1, 0], 24),
        ([224, 0, 0, 0], 5),
    ];
    let route = |(index, (address, bits)): (usize, ([u8; 4], u16))| {
        let port = index as u16 * 0x0101 + 1;
        let macs: Vec<u8> = (0..12).map(|byte| byte * 16 + index as u8).collect();
        Entry {
            map: Map::Routes,
            resource: "routes",
            c: (
                address.to_vec(),
                [&u32::from(port).to_le_bytes()[..], &macs].concat(),
            ),
            nfl: (
                address.to_vec(),
                [&macs[..], &port.to_le_bytes(), &[0, 0]].concat(),
            ),
            bits: Some(bits),
        }
    };
    rows.into_iter().enumerate().map(route).collect()
}

/// Every flow of the made packets, and each third of the captured ones.
fn flows(starts: &[Start]) -> Vec<Entry> {
    let mut seen = BTreeMap::new();
    for start in starts {
        if let Some(Ports { protocol, at }) = ports(&start.bytes) {
            let addresses = start.bytes[IP + 12..IP + 20].to_vec();
            let ports = [0, 1, 2, 3].map(|i| start.bytes[at + i]);
            *seen.entry((addresses, ports, protocol)).or_insert(true) &= start.captured;
        }
    }
    let flow = |(index, (addresses, ports, protocol)): (usize, (Vec<u8>, [u8; 4], u8))| {
        let address = [198, 51, index as u8, (index >> 8) as u8];
        let port = [(index * 7) as u8, index as u8];
        // Ports come from packets and go there, so they lie in wire order, as addresses do.
        let key = [&addresses[..], &ports, &[protocol, 0, 0, 0]].concat();
        let value = [&address[..], &port, &[0, 0]].concat();
        Entry {
            map: Map::Nat,
            resource: "nat",
            c: (key.clone(), value.clone()),
            nfl: (key, value),
            bits: None,
        }
    };
    let kept = seen.into_iter().enumerate();
    kept.filter(|(index, (_, captured))| !captured || index % 3 == 0)
        .map(|(index, (key, _))| flow((index, key)))
        .take(4000)
        .collect()
}

/// Each fifth source address.
fn sources(starts: &[Start]) -> Vec<Entry> {
    let addresses = starts.iter().filter_map(|s| s.bytes.get(IP + 12..IP + 16));
    let addresses: BTreeSet<Vec<u8>> = addresses.map(<[u8]>::to_vec).collect();
    let block = |address: Vec<u8>| Entry {
        map: Map::Block,
        resource: "block",
        c: (address.clone(), vec![1, 0, 0, 0]),
        nfl: (address, Vec::new()),
        bits: None,
    };
    addresses
        .into_iter()
        .skip(3)
        .step_by(5)
        .map(block)
        .take(4000)
        .collect()
}

/// The hashes of each second name that is asked for.
fn names(starts: &[Start]) -> Vec<Entry> {
    let names = starts.iter().filter_map(|start| {
        let Ports { protocol, at } = ports(&start.bytes)?;
        let asks = protocol == UDP && start.bytes[at + 2..at + 4] == [0, 53];
        let name = start.bytes.get(at + 20..)?;
        let end = name.iter().position(|&byte| byte == 0)?;
        let hash = |hash: u32, byte: &u8| {
            (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        };
        asks.then(|| name[..end].iter().fold(0x811c_9dc5, hash))
    });
    let names: BTreeSet<u32> = names.collect();
    let name = |hash: u32| Entry {
        map: Map::Names,
        resource: "blocked",
        c: (hash.to_le_bytes().to_vec(), vec![1, 0, 0, 0]),
        nfl: (hash.to_le_bytes().to_vec(), Vec::new()),
        bits: None,
    };
    names.into_iter().step_by(2).map(name).collect()
}

/// The commands for `driver.c`.
fn commands(entries: &[Entry], starts: &[Start]) -> Vec<u8> {
    let mut out = Vec::new();
    let words = |out: &mut Vec<u8>, words: &[u32]| {
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    };
    for Entry { map, c, bits, .. } in entries {
        words(
            &mut out,
            &[1, *map as u32, c.0.len() as u32, c.1.len() as u32],
        );
        out.extend(&c.0);
        if let Some(bits) = bits {
            words(&mut out, &[u32::from(*bits)]);
        }
        out.extend(&c.1);
    }
    for Start { bytes, context, .. } in starts {
        let (node, queue, now) = (
            context.node_id,
            context.queue_depth,
            context.clock_ns as u32,
        );
        words(&mut out, &[2, node, queue, now, bytes.len() as u32]);
        out.extend(bytes);
    }
    words(&mut out, &[3, Map::Counts as u32]);
    out
}

/// Runs the C: what became of each packet, and the counts for networks.
fn run_c(
    function: &Baseline,
    place: &Path,
    input: &[u8],
    starts: &[Start],
) -> (Vec<Ended>, BTreeMap<Vec<u8>, u64>) {
    let program = place.join(function.c);
    let source = directory().join("nf").join(format!("{}.c", function.c));
    let status = Command::new("cc")
        .args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-parameter",
            "-I",
        ])
        .args([&directory(), &directory().join("driver.c"), &source])
        .arg("-o")
        .arg(&program)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the C compiles"
    );
    let commands = place.join("commands");
    fs::write(&commands, input).expect("there is room for a file");
    let output = Command::new(&program)
        .stdin(File::open(&commands).expect("the file was just written"))
        .stderr(Stdio::inherit())
        .output()
        .expect("what was just compiled can be run");
    assert!(output.status.success(), "the driver of {}", function.c);
    let mut rest = &output.stdout[..];
    let mut take = |count: usize| {
        let (head, tail) = rest.split_at(count);
        rest = tail;
        head
    };
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let ended = starts.iter().map(|start| Ended {
        verdict: word(take(4)),
        port: word(take(4)),
        bytes: take(start.bytes.len()).to_vec(),
    });
    let ended: Vec<Ended> = ended.collect();
    let count = word(take(4));
    let counts = (0..count).map(|_| (take(4).to_vec(), u64::from(word(take(4)))));
    (ended, counts.collect())
}

/// The verdict as the C numbers it.
fn number(kind: VerdictKind) -> Option<u32> {
    match kind {
        VerdictKind::Drop => Some(0),
        VerdictKind::Pass => Some(1),
        VerdictKind::Reply => Some(2),
        VerdictKind::Forward => Some(3),
        _ => None,
    }
}

/// The figures of one function.
#[derive(Default)]
struct Tally {
    captured: u32,
    made: u32,
    /// By the number of the verdict.
    verdicts: [u32; 4],
    changed: u32,
    left_out: u32,
    counts: usize,
}

fn compare(function: &Baseline, place: &Path, starts: &[Start]) -> Tally {
    let entries = entries(function, starts);
    let (ended, counts) = run_c(function, place, &commands(&entries, starts), starts);
    let checking = function.check();
    let errors = checking.render(&checking.diagnostics);
    assert!(errors.is_empty(), "{errors}");
    let id = checking.function(Some(function.function));
    let id = id.expect("the file has the function");
    let mut tally = Tally::default();
    for name in ["rv32imc", "rv32-full"] {
        let options = Options {
            target: Target::find(name).expect("this is a target"),
            ..Options::default()
        };
        let stages = checking.stages_for(id, &[], &options);
        let stages = stages.unwrap_or_else(|e| panic!("{e}"));
        let mut engines = Engines::new(&stages[0]).unwrap_or_else(|e| panic!("{e}"));
        fill(&mut engines, &entries);
        tally = over(function, &mut engines, starts, &ended, &counts);
    }
    tally
}

/// Puts the entries into the tables.
fn fill(engines: &mut Engines<'_>, entries: &[Entry]) {
    engines.each_state(|state| {
        for Entry {
            resource,
            nfl: (key, value),
            bits,
            ..
        } in entries
        {
            let done = match bits {
                Some(bits) => state.insert_prefix(resource, key, *bits, value),
                None => state.insert(resource, key, value),
            };
            done.expect("the entry fits the table");
        }
    });
}

/// Runs all packets, and compares.
fn over(
    function: &Baseline,
    engines: &mut Engines<'_>,
    starts: &[Start],
    ended: &[Ended],
    counts: &BTreeMap<Vec<u8>, u64>,
) -> Tally {
    let mut tally = Tally::default();
    for (index, (start, c)) in starts.iter().zip(ended).enumerate() {
        let after = engines.run(Role::Ingress, &start.bytes, &start.context, &[]);
        let after = after.unwrap_or_else(|e| panic!("{} on packet {index}: {e}", function.c));
        one(function, start, c, &after, &mut tally);
    }
    if function.function == "SynGuard" {
        let ours = engines
            .state()
            .counters("nets")
            .expect("there are counters");
        let ours = ours.into_iter().map(|(key, count)| (key, count.packets));
        tally.counts = counts.len();
        assert_eq!(&ours.collect::<BTreeMap<_, _>>(), counts);
    }
    tally
}

fn one(function: &Baseline, start: &Start, c: &Ended, after: &After, tally: &mut Tally) {
    let verdict = after.outcome.verdict;
    let ours = number(verdict.kind).expect("C has this verdict");
    // The C sees the ports of a segment that is cut short, and drops it when it knows the flow.
    let cut =
        ports(&start.bytes).is_some_and(|p| p.protocol == TCP && start.bytes.len() < p.at + 20);
    if function.function == "Nat44" && cut && c.verdict == 0 {
        assert!(ours == 1 && after.packet == start.bytes);
        tally.left_out += 1;
        return;
    }
    let port = if c.verdict == 3 {
        verdict.operand
    } else {
        c.port
    };
    assert!(
        (ours, port, &after.packet) == (c.verdict, c.port, &c.bytes),
        "{}: {:02x?}\nNFL {ours} {port} {:02x?}\nC   {} {} {:02x?}",
        function.c,
        start.bytes,
        after.packet,
        c.verdict,
        c.port,
        c.bytes,
    );
    if start.captured {
        tally.captured += 1;
    } else {
        tally.made += 1;
    }
    tally.verdicts[ours as usize] += 1;
    tally.changed += u32::from(after.packet != start.bytes);
}

#[test]
fn the_same_in_c_and_in_nfl() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: there is no C compiler (`cc`) here");
        return;
    }
    let place = tempfile::tempdir().expect("there is room for a directory");
    let starts = starts();
    let mut report = String::from(
        "Equal verdicts, ports and bytes in C and in NFL: code for rv32imc and rv32-full, and the IR before and after the passes.\n\
         `left out`: segments cut short that the C of nat44 drops; NFL passes them. `counts`: entries that\n\
         packets made, all equal.\n\n\
         function   captured   made    pass    drop   reply forward changed left out counts\n",
    );
    for function in SIX {
        let tally = compare(function, place.path(), &starts);
        let Tally {
            captured,
            made,
            verdicts: [drop, pass, reply, forward],
            changed,
            left_out,
            counts,
        } = tally;
        let _ = writeln!(
            report,
            "{:<10} {captured:>8} {made:>6} {pass:>7} {drop:>7} {reply:>7} {forward:>7} {changed:>7} {left_out:>8} {counts:>6}",
            function.c
        );
    }
    snapshot(&root().join("tests/reports"), "baselines", &report);
}
