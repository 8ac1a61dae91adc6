//! Worlds: what a node knows before a program runs.

mod schema;

use std::path::Path;

use serde_json::Value;

use crate::place::Place;

/// A resource of each kind, and values of each kind of number.
const ALL: &str = "\
package acme;

import nfl.flow.*;
import nfl.lang.*;
import nfl.net.*;
import nfl.path.*;
import nfl.table.*;

public enum Mood : u8 { CALM = 3, CROSS = 9 }
public record Key(u16 port, Ip6 host);
public record Entry(Mood mood, boolean on, u64 much, int less, Mac mac, Duration wait, Size room, Rate speed);
public record Match(Ip4 src, u16 dport, Mood mood);

public function All(u32 size in 1..100 = 8) uses State, Random, Replicate {

    Table<Key, Entry> exact = Table(size);
    LpmTable<Ip6, Port> routes = LpmTable(size);
    TernaryTable<Match, u32> rules = TernaryTable(size);
    Set<Mac> known = Set(size);
    RingSet<Ip4> ring = RingSet(size);
    FlowTable<FlowKey, u8> flows = FlowTable(size);
    FlowSet<Ip4> seen = FlowSet(size);
    FlowState<Ip4, u32[2]> counts = FlowState(size);
    SlotTable<Ip4> slots = SlotTable(10..20);
    Register<u32> last;
    Register<Mood>[4] moods;
    Counter all;
    Counter[4] some;
    Counters<Ip4> by = Counters(size);
    Meter<Ip4> pace = Meter(size);
    Tags tags = Tags(size);
    Topic news = Topic(size);

    on ingress(Packet pkt) {
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        all.count(pkt);
        some[1].count(pkt);
        by.count(ip.src, pkt);
        last.set(Random.next());
        moods[2].set(Mood.CROSS);
        u32[2] pair = {1, 2};
        counts.put(ip.src, pair);
        seen.add(ip.dst);
        flows.put(pkt.flow, ip.ttl);
        slots.take(ip.src);
        pace.charge(ip.src, pkt.size);
        news.join();
        if (exact.get(Key(1, 2001:db8::1)) instanceof Hit(Entry e) && e.mood == CROSS) return Drop;
        if (rules.match(Match(ip.src, 1, CALM)) instanceof Hit(u32 n) && n == 1) return Drop;
        if (routes.get(2001:db8::2) instanceof Miss) return Drop;
        if (!known.contains(02:00:00:00:00:01)) return Drop;
        if (ring.pick(ip.id) instanceof Miss) return Drop;
        if (tags.lookup(7) instanceof Miss) return Drop;
        return Multicast(news.members());
    }
}
";

const WORLD: &str = r#"
node = 3
port = 2
seed = 18446744073709551
clock = { start = "10s", step = "5ms" }
groups = { 40000 = [1, 2] }

[set]
size = 9

[resources]
exact = [
    { key = { port = 0x01, host = "2001:db8::1" }, value = { mood = "CALM", on = true, much = "18446744073709551615", less = -5, mac = "02:00:00:00:00:ff", wait = "3ms", room = "4KiB", speed = "10Mbps" } },
]
routes = [{ key = "2001:db8::/32", value = 77 }]
rules = [
    { key = { src = "10.0.0.0/8", dport = "5..70", mood = "CALM" }, value = 1, priority = 4 },
    { key = { src = "1.1.1.1" }, value = 2, priority = 9 },
    { value = 3 },
]
known = ["02:00:00:00:00:01"]
ring = ["10.0.0.9", "10.0.0.8"]
flows = [{ key = { source = "2001:db8::1", destination = "2001:db8::2", sourcePort = 4, destinationPort = 5, protocol = 17 }, value = 6 }]
seen = ["9.9.9.9"]
counts = [{ key = "8.8.8.8", value = [1, 2] }]
slots = [{ slot = 12, value = "7.7.7.7" }]
last = 5
moods = [{ index = 3, value = "CALM" }]
all = { packets = 10, bytes = 1000 }
some = [{ index = 0, packets = 1, bytes = 2 }]
by = [{ key = "6.6.6.6", packets = 3, bytes = 4 }]
pace = { committed = "8kbps", committed-burst = "1500B", peak = "1Gbps", peak-burst = "1MiB" }
tags = [{ key = 7, value = 8 }]
news = [5]
"#;

fn place() -> Place {
    let place = Place::furnished();
    place.write("all.nfl", ALL);
    place.write("world.toml", WORLD);
    // Nothing but the head of a capture.
    let capture = place.read("in.pcap");
    place.write("none.pcap", &capture[..24]);
    place
}

fn text(place: &Place, name: &str) -> String {
    String::from_utf8(place.read(name)).expect("a world is text")
}

#[test]
fn a_world_that_was_saved_is_the_same_world() {
    let place = place();
    let turn = |world: &str, out: &str, pcap: &str| {
        place.ok(&[
            "run",
            "all.nfl",
            "--world",
            world,
            "--save-world",
            out,
            "--pcap",
            pcap,
            "--quiet",
        ]);
    };
    turn("world.toml", "first.toml", "none.pcap");
    turn("first.toml", "second.json", "none.pcap");
    turn("second.json", "third.toml", "none.pcap");
    let first = text(&place, "first.toml");
    // The time of the next packet is a step further each time.
    let timeless = |name: &str| {
        let text = text(&place, name);
        let lines = text.lines().filter(|line| !line.starts_with("start"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(timeless("first.toml"), timeless("third.toml"));
    insta::assert_snapshot!("saved", first);

    turn("world.toml", "after.toml", "in.pcap");
    insta::assert_snapshot!("after", text(&place, "after.toml"));
    turn("after.toml", "again.toml", "none.pcap");
    assert_eq!(timeless("after.toml"), timeless("again.toml"));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let place = place();
    place.write(
        "wrong.toml",
        r#"
node = -1
nod = 4
clock = { start = "soon" }

[resources]
"#,
    );
    let run = |world: &str| {
        let args = ["run", "all.nfl", "--world", world, "--pcap", "in.pcap"];
        place.fails(&args, 1, "E916").err
    };
    let mut said = run("wrong.toml");
    place.write(
        "contents.toml",
        r#"
[resources]
none = []
exact = [
    { key = { port = 70000, host = "10.0.0.1" }, value = { mood = "HAPPY", on = 1, mac = "02:00", wait = 3, room = "1s", speed = "5pps", less = -2147483649, much = 0 } },
    { key = { port = 1 } },
]
routes = [{ key = "2001:db8::1/32", value = 1 }, { key = "10.0.0.0/8", value = 1 }, { key = "::/129", value = 65536 }]
rules = [{ key = { src = "1.2.3.4 & 255.0.255.0", dport = "9..1", mod = "CALM" }, value = 1, priority = -1 }]
known = "02:00:00:00:00:01"
flows = [{ key = { source = "10.0.0.1", destination = "::1" }, value = 1 }]
counts = [{ key = "1.1.1.1", value = [1] }]
slots = [{ slot = 21, value = "7.7.7.7" }]
moods = [{ index = 4, value = "CALM" }]
pace = { committed = "8kbps" }
"#,
    );
    said += &run("contents.toml");
    for set in ["size = 101", "size = \"big\"", "sizes = 1"] {
        place.write("set.toml", format!("set = {{ {set} }}\n"));
        let args = ["run", "all.nfl", "--world", "set.toml", "--pcap", "in.pcap"];
        let ran = place.nflc(&args);
        assert_eq!(ran.status, 1, "{ran:?}");
        said += ran.err.lines().next().unwrap_or_default();
        said += "\n";
    }
    place.write("broken.json", "{ \"node\": 1, \"node\": 2 }");
    said += &run("broken.json");
    place.write("half.json", "{ \"node\": 1.5 }");
    said += &run("half.json");
    place.write("broken.toml", "node = 1\nport = = 2\n");
    said += &run("broken.toml");
    insta::assert_snapshot!("wrong", said);
}

#[test]
fn a_table_that_is_full_stays_empty() {
    let place = place();
    let keys: Vec<String> = (0..10).map(|n| format!("\"9.9.9.{n}\"")).collect();
    let world = format!("[resources]\nseen = [{}]\n", keys.join(", "));
    place.write("full.toml", world);
    let args = [
        "run",
        "all.nfl",
        "--world",
        "full.toml",
        "--pcap",
        "in.pcap",
    ];
    let ran = place.fails(&args, 1, "E916");
    assert!(ran.err.contains("`resources.seen[8]`"), "{ran:?}");
    let args = [&args[..], &["--set", "size=10"]].concat();
    assert_eq!(place.nflc(&args).status, 0);
}

#[test]
fn the_command_line_goes_before_the_world() {
    let place = place();
    let run = |more: &[&str]| {
        let args = [
            "run",
            "all.nfl",
            "--world",
            "world.toml",
            "--pcap",
            "none.pcap",
            "--save-world",
            "out.json",
        ];
        place.ok(&[&args[..], more].concat());
        let saved: Value = serde_json::from_str(&text(&place, "out.json")).expect("JSON");
        saved
    };
    let of_world = run(&[]);
    assert_eq!(
        (&of_world["node"], &of_world["port"]),
        (&Value::from(3), &Value::from(2))
    );
    let given = run(&["--node", "9", "--port", "8"]);
    assert_eq!(
        (&given["node"], &given["port"]),
        (&Value::from(9), &Value::from(8))
    );
    // With room for one entry the world does not fit.
    let small = [
        "run",
        "all.nfl",
        "--world",
        "world.toml",
        "--pcap",
        "none.pcap",
        "--set",
        "size=1",
    ];
    place.fails(&small, 1, "E916");
}

#[test]
fn an_image_without_its_source_has_bytes() {
    let place = place();
    place.ok(&["build", "all.nfl"]);
    let image = "All.resident.nfi";
    let run = ["run", image, "--pcap", "none.pcap", "--quiet"];
    place.write("bytes.toml", "[resources]\nseen = [\"0x09090909\"]\nroutes = [{ key = \"0x20010db8000000000000000000000000/32\", value = \"0x4d00\" }]\n");
    let args = [
        &run[..],
        &["--world", "bytes.toml", "--save-world", "out.toml"],
    ]
    .concat();
    place.ok(&args);
    let saved = text(&place, "out.toml");
    for line in [
        "    \"0x09090909\",",
        "{ key = \"0x20010db8000000000000000000000000/32\", value = \"0x4d00\" }",
    ] {
        assert!(saved.contains(line), "{saved}");
    }
    let args = [&run[..], &["--world", "world.toml"]].concat();
    place.fails(&args, 1, "E916");
    let skeleton = place.ok(&["world", image]);
    assert!(
        skeleton
            .out
            .contains("seen = [    # flow set\n    # \"0x00000000\",\n]"),
        "{skeleton:?}"
    );

    place.ok(&[
        "build",
        "contract.nfl",
        "--party",
        "originator",
        "-o",
        "contract.nfi",
    ]);
    let run = [
        "run",
        "contract.nfi",
        "--on",
        "originator",
        "--pcap",
        "in.pcap",
        "--format",
        "json",
    ];
    let passed = |world: &str| {
        place.write("late.toml", world);
        let ran = place.ok(&[&run[..], &["--world", "late.toml"]].concat());
        ran.out.matches("\"Pass\"").count()
    };
    assert_eq!(passed("set = { port = 443 }"), 2);
    assert_eq!(passed("set = { port = 22 }"), 1);
    place.write("late.toml", "set = { clients = \"10.0.0.0/8\" }");
    place.fails(&[&run[..], &["--world", "late.toml"]].concat(), 1, "E916");
}

#[test]
fn multicast_names_its_ports() {
    let place = place();
    place.write(
        "cast.nfl",
        "function Cast() uses Replicate {\n    on ingress(Packet pkt) {\n        return Multicast(Group(4));\n    }\n}\n",
    );
    place.write("cast.toml", "groups = { 4 = [7, 8] }\n");
    let run = ["run", "cast.nfl", "--pcap", "in.pcap", "--format", "json"];
    let ran = place.ok(&[&run[..], &["--world", "cast.toml"]].concat());
    assert!(ran.out.contains(r#""operand":4,"ports":[7,8]"#), "{ran:?}");
    assert!(!place.ok(&run).out.contains("ports"));
    // The members of a topic, the port on which the packets came in among them.
    let ran = place.ok(&[
        "run",
        "all.nfl",
        "--world",
        "world.toml",
        "--pcap",
        "in.pcap",
        "--format",
        "json",
    ]);
    assert!(ran.out.contains(r#""ports":[2,5]"#), "{ran:?}");
}

#[test]
fn the_clock_is_the_worlds() {
    let place = Place::furnished();
    place.write(
        "clock.nfl",
        "import nfl.net.*;\nimport nfl.time.*;\n\nfunction Times() uses Clock, Report {\n    on ingress(Packet pkt) {\n        if (!(pkt instanceof Ipv4)) return Pass;\n        log(\"at {}\", Clock.now());\n        return Pass;\n    }\n}\n",
    );
    let run = ["run", "clock.nfl", "--pcap", "in.pcap"];
    let times = |clock: &str| {
        place.write("clock.toml", format!("clock = {{ {clock} }}\n"));
        let ran = place.ok(&[&run[..], &["--world", "clock.toml"]].concat());
        let lines = ran
            .out
            .lines()
            .filter_map(|line| Some(line.split_once(": at ")?.1));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(times(""), ["0", "1000000000", "2000000000"]);
    assert_eq!(
        times("start = \"5s\""),
        ["5000000000", "6000000000", "7000000000"]
    );
    assert_eq!(
        times("start = \"5s\", step = \"1ns\""),
        ["5000000000", "5000000001", "5000000002"]
    );
    assert_eq!(times("step = \"1ms\""), ["0", "1000000", "2000000"]);
}

#[test]
fn worlds_of_examples_fit_and_match_their_schemas() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let place = Place::new();
    let mut seen = 0;
    for (source, world) in [
        ("acme/core/Router.nfl", "Router.toml"),
        ("acme/edge/AclFirewall.nfl", "AclFirewall.toml"),
        ("acme/edge/LoadBalancer.nfl", "LoadBalancer.json"),
        ("acme/edge/Nat44.nfl", "Nat44.toml"),
    ] {
        let source = examples.join(source).display().to_string();
        let file = examples.join("worlds").join(world).display().to_string();
        let pcap = examples
            .join("../tests/captures/zeek__web.pcap")
            .display()
            .to_string();
        let on = if world == "Nat44.toml" {
            "egress"
        } else {
            "ingress"
        };
        place.ok(&[
            "run",
            &source,
            "--on",
            on,
            "--world",
            &file,
            "--pcap",
            &pcap,
            "--save-world",
            world,
        ]);
        for schema in [&["world", "--schema"][..], &["world", &source, "--schema"]] {
            let schema: Value = serde_json::from_str(&place.ok(schema).out).expect("JSON");
            for path in [Path::new(&file), &place.path(world)] {
                let text = std::fs::read_to_string(path).expect("a world");
                let value: Value = match world.ends_with("json") {
                    true => serde_json::from_str(&text).expect("JSON"),
                    false => toml::from_str(&text).expect("TOML"),
                };
                assert_eq!(
                    schema::check(&schema, &value),
                    [""; 0],
                    "{}",
                    path.display()
                );
            }
        }
        seen += 1;
    }
    let files = std::fs::read_dir(examples.join("worlds")).expect("a directory");
    assert_eq!(files.count(), seen, "each world is tried");
}

#[test]
fn schemas_refuse_what_programs_refuse() {
    let place = place();
    let schema = place.ok(&["world", "all.nfl", "--schema"]).out;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let check = |text: &str| {
        let value: Value = toml::from_str(text).expect("TOML");
        schema::check(&schema, &value)
    };
    assert_eq!(check(WORLD), [""; 0]);
    for wrong in [
        "nod = 1",
        "port = 65536",
        "clock = { start = 5 }",
        "resources = { none = [] }",
        "resources = { known = [\"02:00\"] }",
        "resources = { last = -1 }",
        "resources = { moods = [{ index = 1, value = \"HAPPY\" }] }",
        "resources = { routes = [{ key = \"::/0\" }] }",
        "resources = { rules = [{ key = { mod = 1 }, value = 1 }] }",
        "resources = { pace = { committed = \"8kbps\" } }",
    ] {
        assert!(!check(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn a_skeleton_is_a_world() {
    let place = place();
    let ran = place.ok(&["world", "all.nfl"]);
    insta::assert_snapshot!("skeleton", ran.out);
    place.write("skeleton.toml", &ran.out);
    let run = [
        "run",
        "all.nfl",
        "--pcap",
        "none.pcap",
        "--quiet",
        "--world",
        "skeleton.toml",
    ];
    place.ok(&run);
    // What the comments show can be said.
    let lines = ran.out.lines().map(|line| match line.strip_prefix("# ") {
        Some(_) if line.contains('…') || line.starts_with("# A world") => String::new(),
        Some(shown) => shown.to_string(),
        None => line.replace("    # ", "    "),
    });
    let said: Vec<String> = lines
        .map(|line| line.replace(" = [    lpm", " = [ # lpm"))
        .collect();
    let said = said.iter().map(|line| match line.split_once(" = [    ") {
        Some((name, _)) => format!("{name} = [\n"),
        None => match line.rsplit_once("    ") {
            Some((value, kind))
                if !value.is_empty() && !kind.contains('{') && !kind.contains('"') =>
            {
                format!("{value}\n")
            }
            _ => format!("{line}\n"),
        },
    });
    place.write("skeleton.toml", said.collect::<String>());
    let ran = place.nflc(&run);
    // Slots of `slots` begin with 10.
    assert!(ran.err.contains("`resources.slots[0]`"), "{ran:?}");
    assert_eq!(ran.err.matches("error[").count(), 1, "{ran:?}");
}
