//! What a handler does, step by step: traces, profiles, debuggers.

mod debugger;

use serde_json::Value;

use crate::place::{Place, Ran};

fn rows(ran: &Ran) -> Vec<Value> {
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a JSON value"))
        .collect()
}

/// The number of steps in a packet's trace.
fn traced(row: &Value) -> u64 {
    let steps = row["trace"].as_array().into_iter().flatten();
    steps.filter_map(|step| step["steps"].as_u64()).sum()
}

/// A function that looks up, calls services and jumps.
const BUSY: &str = "\
import nfl.net.*;
import nfl.table.*;

function Busy() uses Rewrite, Resize {

    Table<Ip4, u32> seen = Table(16);
    Counter all;

    on ingress(Packet pkt) {
        all.count(pkt);
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        if (seen.get(ip.dst) instanceof Hit(u32 n) && n > 3) return Drop;
        if (ip.ttl <= 1) return Drop(HOP_LIMIT);
        ip.ttl -= 1;
        pkt.push(Ipv4(src = 10.0.0.1, dst = 10.0.0.2));
        return Pass;
    }
}
";

fn place() -> Place {
    let place = Place::furnished();
    place.write("busy.nfl", BUSY);
    place.write(
        "busy.toml",
        "resources = { seen = [{ key = \"10.2.0.1\", value = 2 }] }\n",
    );
    place
}

#[test]
fn traces_are_stable() {
    let place = place();
    let mut text = String::new();
    for args in [
        &["run", "mark.nfl", "--pcap", "in.pcap", "--trace"][..],
        &[
            "run",
            "mark.nfl",
            "--pcap",
            "in.pcap",
            "--trace=instructions",
            "--packet",
            "2",
        ],
        &[
            "run", "busy.nfl", "--pcap", "in.pcap", "--trace", "--packet", "2..7", "--format",
            "json",
        ],
        &[
            "run",
            "mark.nfl",
            "--pcap",
            "in.pcap",
            "--trace=instructions",
            "--packet",
            "2",
            "--format",
            "json",
        ],
    ] {
        let ran = place.ok(args);
        text += &format!("$ nflc {}\n{}\n", args.join(" "), ran.out);
    }
    insta::assert_snapshot!("traces", text);
}

#[test]
fn services_and_addresses_are_named() {
    let place = place();
    let run = [
        "run",
        "busy.nfl",
        "--world",
        "busy.toml",
        "--pcap",
        "in.pcap",
    ];
    let trace = ["--trace=instructions", "--packet", "0"];
    let ran = place.ok(&[&run[..], &trace].concat());
    for said in [
        // What a service does not answer is undefined, and what a lookup answers is an address.
        "# counter.count all  a0=? a1=?\n",
        "# table.get seen  a0=value0+0\n",
        // The packet is 20 bytes longer.
        "# packet.push 20  a0=? a1=? s1=0x3c\n",
    ] {
        assert!(ran.out.contains(said), "{said}{}", ran.out);
    }
}

#[test]
fn steps_of_traces_add_up() {
    let place = place();
    let run = [
        "run",
        "busy.nfl",
        "--world",
        "busy.toml",
        "--pcap",
        "in.pcap",
        "--format",
        "json",
    ];
    let plain = rows(&place.ok(&run));
    for by in ["--trace=lines", "--trace=instructions"] {
        let traces = rows(&place.ok(&[&run[..], &[by]].concat()));
        assert_eq!(traces.len(), plain.len());
        let mut some = 0;
        for (trace, plain) in traces.iter().zip(&plain) {
            assert_eq!(trace["steps"], plain["steps"], "{trace}");
            assert_eq!(trace["out"], plain["out"], "{trace}");
            assert_eq!(
                traced(trace),
                plain["steps"].as_u64().unwrap_or(0),
                "{trace}"
            );
            some += traced(trace);
        }
        assert!(some > 0);
        let one = rows(&place.ok(&[&run[..], &[by, "--packet", "1..2"]].concat()));
        let has: Vec<bool> = one.iter().map(|row| row.get("trace").is_some()).collect();
        assert_eq!(has, [false, true, true, false]);
    }
}

#[test]
fn an_image_is_traced_by_instruction() {
    let place = place();
    place.ok(&["build", "mark.nfl"]);
    let run = ["run", "Mark.resident.nfi", "--pcap", "in.pcap"];
    place.fails(&[&run[..], &["--trace"]].concat(), 1, "E910");
    let by = ["--trace=instructions", "--packet", "0", "--format", "json"];
    let image = rows(&place.ok(&[&run[..], &by].concat()));
    let source = rows(&place.ok(&[&["run", "mark.nfl", "--pcap", "in.pcap"][..], &by].concat()));
    assert_eq!(traced(&image[0]), traced(&source[0]));
    assert_eq!(image[0]["trace"][0]["pc"], source[0]["trace"][0]["pc"]);
    assert_eq!(image[0]["trace"][0]["file"], Value::Null);
    place.fails(&[&run[..], &["--packet", "1"]].concat(), 2, "E900");
    place.fails(
        &[&run[..], &["--trace=instructions", "--packet", "2..1"]].concat(),
        2,
        "E900",
    );
}

#[test]
fn profiles_add_up_to_runs() {
    let place = place();
    let program = ["busy.nfl", "--world", "busy.toml", "--pcap", "in.pcap"];
    let runs = rows(&place.ok(&[&["run"], &program[..], &["--format", "json"]].concat()));
    let all: u64 = runs.iter().filter_map(|run| run["steps"].as_u64()).sum();
    let profile =
        |format: &str| place.ok(&[&["profile"], &program[..], &["--format", format]].concat());
    let report = &rows(&profile("json"))[0];
    assert_eq!(report["steps"].as_u64(), Some(all));
    let lines = report["lines"].as_array().expect("lines");
    let steps: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["steps"].as_u64())
        .collect();
    assert_eq!(steps.iter().sum::<u64>(), all);
    assert!(steps.is_sorted_by(|a, b| a >= b), "{steps:?}");
    let folded: u64 = profile("folded")
        .out
        .lines()
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum();
    assert_eq!(folded, all);
    place.ok(&["build", "busy.nfl"]);
    let image = [
        "profile",
        "Busy.resident.nfi",
        "--pcap",
        "in.pcap",
        "--format",
        "json",
    ];
    let source = [
        "profile", "busy.nfl", "--pcap", "in.pcap", "--format", "json",
    ];
    assert_eq!(
        rows(&place.ok(&image))[0]["steps"],
        rows(&place.ok(&source))[0]["steps"]
    );

    let mut text = String::new();
    for format in ["human", "listing", "folded"] {
        text += &format!("{format}:\n{}\n", profile(format).out);
    }
    let lines = place.ok(&image[..4]).out;
    assert!(
        lines.contains("  0x1000 | jal ra, .-8  # counter.count all\n"),
        "{lines}"
    );
    insta::assert_snapshot!("profiles", text);
}
