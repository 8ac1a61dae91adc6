//! The command line from outside: what it prints, and the status it leaves with.
//!
//! Every test has a directory of its own, and looks at what is left in it.

use std::fs;
use std::path::Path;

use place::{CONTRACT, Place, Ran, capture, frame};

mod book;
mod elves;
mod engines;
mod pages;
mod place;
mod sizes;
mod steps;
mod worlds;

/// Arguments, then more of them.
fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn help_is_stable() {
    let place = Place::new();
    let mut text = String::new();
    for args in [
        &["--help"][..],
        &["new", "--help"],
        &["check", "--help"],
        &["build", "--help"],
        &["run", "--help"],
        &["profile", "--help"],
        &["debug", "--help"],
        &["world", "--help"],
        &["inspect", "--help"],
        &["disasm", "--help"],
        &["size", "--help"],
        &["sign", "--help"],
        &["verify", "--help"],
        &["key", "--help"],
        &["key", "new", "--help"],
        &["key", "public", "--help"],
        &["conform", "--help"],
        &["engine", "--help"],
        &["doc", "--help"],
        &["fmt", "--help"],
        &["fix", "--help"],
        &["explain", "--help"],
    ] {
        let mut command = place.command(args);
        // The width of the help follows the terminal, and there is none.
        command.env("COLUMNS", "100");
        let ran = Ran::of(command.output().expect("nflc starts"));
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
        assert_eq!(ran.err, "", "{args:?}");
        text += &format!("$ nflc {}\n{}\n", args.join(" "), ran.out);
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn the_command_line_itself_may_be_wrong() {
    let place = Place::furnished();
    place.fails(&["frobnicate"], 2, "E900");
    place.fails(&["check"], 2, "E913");
    place.fails(&["run", "contract.nfl"], 2, "E900");
    place.fails(&["check", "--bogus", "contract.nfl"], 2, "E900");
    place.fails(
        &[
            "sign",
            "x.nfi",
            "--key",
            "k",
            "-o",
            "o",
            "--expires",
            "soon",
        ],
        2,
        "E900",
    );
    let ran = place.fails(&["--error-format", "json", "frobnicate"], 2, "E900");
    assert!(ran.err.starts_with('{'), "{ran:?}");
    assert_eq!(place.nflc(&[]).status, 2);
    assert!(place.ok(&["--version"]).out.starts_with("nflc "));
}

#[test]
fn a_new_project_checks_builds_and_runs() {
    let place = Place::furnished();
    place.ok(&["new", "guard"]);
    let guard = place.within("guard");
    guard.ok(&["check"]);
    guard.ok(&["fmt", "--check"]);
    let tested = guard.ok(&["test"]);
    assert!(tested.out.contains("2 passed, 0 failed"), "{tested:?}");
    guard.ok(&["build"]);
    assert!(place.path("guard/out/Guard.originator.nfi").exists());
    assert!(place.path("guard/out/Guard.responder.nfi").exists());
    place.within("guard/src/guard").ok(&["check", "Guard.nfl"]);
    let ran = place.ok(&[
        "run",
        "guard/src/guard/Guard.nfl",
        "--on",
        "originator",
        "--pcap",
        "in.pcap",
    ]);
    assert!(ran.out.contains("Pass"), "{ran:?}");
    place.fails(&["new", "guard"], 2, "E909");
    place.fails(&["new", "42"], 2, "E900");
}

#[test]
fn a_project_has_several_roots() {
    let place = Place::new();
    for dir in ["src/acme/edge", "lib/acme/common"] {
        fs::create_dir_all(place.path(dir)).expect("a directory");
    }
    let manifest = "[project]\nname = \"acme\"\nsource = [\"src\", \"lib\"]\n\n\
        [warnings]\ndeny = [\"W601\"]\n\n[[build]]\nfunction = \"acme.edge.Filter\"\n";
    place.write("nfl.toml", manifest);
    let common = "package acme.common;\n\npublic class Ports {\n    public static final u16 ADMIN = 8443;\n}\n";
    place.write("lib/acme/common/Ports.nfl", common);
    let filter = "package acme.edge;\n\nimport nfl.net.*;\nimport static acme.common.Ports.*;\n\n\
        public function Filter() {\n    on ingress(Packet pkt) {\n        \
        if (pkt instanceof Ipv4 / Tcp tcp && tcp.dport == ADMIN) return Drop;\n        \
        return Pass;\n    }\n}\n";
    place.write("src/acme/edge/Filter.nfl", filter);
    place.ok(&["check"]);
    place.within("src/acme").ok(&["check", "edge/Filter.nfl"]);
    place.ok(&["build"]);
    assert!(place.path("out/Filter.resident.nfi").exists());
    place.ok(&["fmt", "--check"]);

    place.write(
        "src/acme/edge/Filter.nfl",
        filter.replace("Filter()", "Filter() uses Rewrite"),
    );
    place.fails(&["check"], 1, "W601");
    place.ok(&["check", "-A", "W601"]);
    place.ok(&["fix"]);
    place.ok(&["check"]);

    place.write("src/acme/Stray.nfl", "package acme.edge;\n");
    place.fails(&["check"], 1, "E914");
    place.write("nfl.toml", manifest.replace("name", "nam"));
    place.fails(&["check"], 2, "E912");
    place.write(
        "nfl.toml",
        "[project]\nname = \"acme\"\nsource = [\"out\"]\n",
    );
    place.fails(&["check"], 2, "E913");
}

#[test]
fn a_file_of_a_project_has_many_names() {
    let place = Place::new();
    let text = "package acme.edge;\n\npublic function Filter() {\n    on ingress(Packet pkt) {\n        \
        return Pass;\n    }\n}\n";
    for source in [".", "src"] {
        let manifest = format!("[project]\nname = \"acme\"\nsource = [\"{source}\"]\n");
        place.write("nfl.toml", manifest);
        let dir = format!("{source}/acme/edge");
        fs::create_dir_all(place.path(&dir)).expect("a directory");
        let file = format!("{dir}/Filter.nfl");
        place.write(&file, text);
        let whole = place.path(&file);
        for name in [&file, &format!("./{file}"), &*whole.to_string_lossy()] {
            place.ok(&["check", name]);
        }
        let edge = place.within(&dir);
        for name in [
            "./Filter.nfl",
            "../edge/Filter.nfl",
            "../edge/../edge",
            "..",
        ] {
            edge.ok(&["check", name]);
        }
    }
}

#[test]
fn broken_source_is_wrong_input() {
    let place = Place::furnished();
    place.write("broken.nfl", "package a;\npublic function F( {\n");
    for command in ["check", "build", "disasm", "size", "inspect"] {
        let ran = place.nflc(&[command, "broken.nfl"]);
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.err.contains("error[E1"), "{ran:?}");
        assert_eq!(ran.out, "");
    }
    let short = place.nflc(&["check", "--error-format", "short", "broken.nfl"]);
    assert!(short.err.starts_with("broken.nfl:"), "{short:?}");
    let json = place.nflc(&["check", "--error-format", "json", "broken.nfl"]);
    for line in json.err.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("one object per line");
        assert_eq!(value["severity"], "error");
    }
    place.write("latin1.nfl", b"package a; // \xe9\n");
    place.fails(&["check", "latin1.nfl"], 1, "E910");
    place.fails(&["check", "missing.nfl"], 2, "E901");
    let all = place.nflc(&["check", "--error-format", "short", "."]);
    assert!(all.err.contains("broken.nfl:"), "{all:?}");
}

#[test]
fn choices_name_what_there_is() {
    let place = Place::furnished();
    let plain = ["build", "contract.nfl", "--out-dir", "."];
    place.fails(&with(&plain, &["--target", "rv64gc"]), 2, "E903");
    place.fails(&with(&plain, &["--march", "rv32gc"]), 2, "E903");
    let ran = place.fails(&with(&plain, &["--function", "Segmnt"]), 2, "E904");
    assert!(ran.err.contains("`Segment`"), "{ran:?}");
    place.fails(&with(&plain, &["--set", "port"]), 2, "E906");
    place.fails(&with(&plain, &["--set", "port="]), 2, "E906");
    place.fails(&with(&plain, &["--party", "resident"]), 2, "E905");
    place.fails(&with(&plain, &["--set", "prt=1"]), 2, "E28");
    place.fails(&with(&plain, &["--set", "port=70000"]), 2, "E28");
    place.fails(&with(&plain, &["--set", "clients=2001:db8::/32"]), 2, "E28");
    let run = |on: &str| place.nflc(&["run", "contract.nfl", "--on", on, "--pcap", "in.pcap"]);
    let ran = run("ingress");
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("[E905]") && ran.err.contains("responder"),
        "{ran:?}"
    );
    assert_eq!(run("nowhere").status, 2);
    let two = format!(
        "{CONTRACT}{}",
        CONTRACT.split_once("*;").expect("an import").1
    );
    place.write(
        "two.nfl",
        two.replacen("function Segment", "function Other", 1),
    );
    let ran = place.fails(&["build", "two.nfl"], 2, "E904");
    assert!(ran.err.contains("`Other`, `Segment`"), "{ran:?}");
    place.write("none.nfl", "package a;\n");
    place.fails(&["build", "none.nfl"], 2, "E904");
}

#[test]
fn builds_write_what_is_asked_for() {
    let place = Place::furnished();
    let ran = place.ok(&[
        "build",
        "contract.nfl",
        "--set",
        "port=5432",
        "--out-dir",
        "out",
        "--emit",
        "image,ir,asm,map",
    ]);
    assert!(ran.out.contains("Segment.originator"), "{ran:?}");
    for kind in ["nfi", "nir", "s", "map"] {
        for party in ["originator", "responder"] {
            let name = format!("out/Segment.{party}.{kind}");
            assert!(!place.read(&name).is_empty(), "{name}");
        }
    }
    place.ok(&[
        "build",
        "contract.nfl",
        "--set=port=5432",
        "--party",
        "originator",
        "-o",
        "a.nfi",
    ]);
    assert_eq!(
        place.read("a.nfi"),
        place.read("out/Segment.originator.nfi")
    );
    place.fails(&["build", "contract.nfl", "-o", "b.nfi"], 2, "E911");
    place.ok(&["build", "mark.nfl"]);
    assert!(place.path("Mark.resident.nfi").exists());
    assert_eq!(place.ok(&["-q", "build", "mark.nfl"]).out, "");
}

/// Host code says what the interpreter says, but for the steps.
#[test]
fn host_code_runs_captures() {
    let place = Place::furnished();
    let json = ["run", "--pcap", "in.pcap", "--format", "json"];
    for source in [
        ["contract.nfl", "--on", "originator"],
        ["mark.nfl", "--on", "ingress"],
    ] {
        let with_steps = place.ok(&with(&json, &source)).out;
        let lines = with_steps.lines().map(|line| {
            let (head, rest) = line.split_once("\"steps\":").expect("a line has steps");
            let (_, tail) = rest.split_once(',').expect("more follows");
            format!("{head}\"steps\":null,{tail}\n")
        });
        let without: String = lines.collect();
        let args = with(&json, &["--engine", "jit"]);
        let native = place.ok(&with(&args, &source));
        // Packets that are too short for the handler run no code, and so take no steps.
        assert_eq!(
            native.out.replace("\"steps\":0,", "\"steps\":null,"),
            without
        );
        assert_ne!(without, with_steps);
    }
    let human = [
        "run",
        "contract.nfl",
        "--on",
        "originator",
        "--pcap",
        "in.pcap",
    ];
    let ran = place.ok(&with(&human, &["--engine", "jit"]));
    assert!(ran.out.contains("steps  "), "{ran:?}");
}

#[test]
fn runs_say_a_line_for_each_packet() {
    let place = Place::furnished();
    let json = ["run", "--pcap", "in.pcap", "--format", "json"];
    let ran = place.ok(&with(&json, &["contract.nfl", "--on", "originator"]));
    let lines: Vec<&str> = ran.out.lines().collect();
    let to_db = hex(&frame([10, 1, 0, 1], [10, 2, 0, 1], 443, 64));
    let rest = format!(r#","out":"{to_db}"}}"#);
    let start = r#"{"index":0,"verdict":"Pass","operand":null,"reason":null,"steps":"#;
    assert!(
        lines[0].starts_with(start) && lines[0].ends_with(&rest),
        "{ran:?}"
    );
    let start = r#"{"index":1,"verdict":"Drop","operand":null,"reason":null,"steps":"#;
    assert!(lines[1].starts_with(start), "{ran:?}");
    let start =
        r#"{"index":3,"verdict":"Skip","operand":null,"reason":null,"steps":null,"out":"ff"#;
    assert!(lines[3].starts_with(start), "{ran:?}");
    assert_eq!(lines.len(), 4);

    let ran = place.ok(&with(
        &json,
        &["mark.nfl", "--on", "ingress", "--write", "out.pcap"],
    ));
    assert!(
        ran.out
            .contains(r#""verdict":"Drop","operand":null,"reason":"HOP_LIMIT""#),
        "{ran:?}"
    );
    let lowered = hex(&frame([10, 1, 0, 1], [10, 2, 0, 1], 443, 63));
    let first = ran.out.lines().next().unwrap_or_default();
    // The sum of the header is the handler's to keep; all else is as before.
    assert!(
        first.contains(&lowered[..44]) && first.contains(&lowered[52..]),
        "{ran:?}"
    );
    // The dropped packet is gone, the skipped one is kept.
    assert_eq!(place.read("out.pcap").len(), 24 + 3 * 16 + 2 * 54 + 42);

    let ran = place.ok(&[
        "run",
        "contract.nfl",
        "--on",
        "originator",
        "--pcap",
        "in.pcap",
    ]);
    for words in ["Pass", "Drop", "Skip", "4 packets", "proved at most"] {
        assert!(ran.out.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(ran.err, "");
}

#[test]
fn captures_may_be_broken() {
    let place = Place::furnished();
    let run = [
        "run",
        "contract.nfl",
        "--on",
        "originator",
        "--write",
        "out.pcap",
    ];
    let fails = |pcap: &str, status: i32, code: &str| {
        place.fails(&with(&run, &["--pcap", pcap]), status, code)
    };
    let whole = capture();
    place.write("cut.pcap", &whole[..whole.len() - 5]);
    let ran = fails("cut.pcap", 1, "E821");
    assert!(ran.err.contains("record 4"), "{ran:?}");
    place.write("foreign.pcap", "this is not a capture at all");
    fails("foreign.pcap", 1, "E820");
    place.write("empty.pcap", "");
    fails("empty.pcap", 1, "E820");
    place.write("zipped.pcap", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    fails("zipped.pcap", 1, "E820");
    fails("missing.pcap", 2, "E901");
    // Packets before the break have been run and reported.
    let ran = place.nflc(&[
        "run",
        "contract.nfl",
        "--on",
        "originator",
        "--pcap",
        "cut.pcap",
        "--format",
        "json",
    ]);
    assert_eq!((ran.status, ran.out.lines().count()), (1, 3), "{ran:?}");
}

/// A signed capsule and the keys, made by the command line itself.
fn signed() -> Place {
    let place = Place::furnished();
    place.ok(&["key", "new", "-o", "a.pem"]);
    place.ok(&["key", "new", "-o", "b.pem"]);
    place.ok(&[
        "sign",
        "contract.nfl",
        "--party",
        "originator",
        "--key",
        "a.pem",
        "--issuer",
        "tests",
        "--now",
        "1000000",
        "--expires",
        "1h",
        "-o",
        "c.nfc",
    ]);
    place
}

#[test]
fn capsules_are_verified_and_run() {
    let place = signed();
    let verify = ["verify", "c.nfc", "--key", "a.pub.pem"];
    let ran = place.ok(&with(&verify, &["--now", "1000001"]));
    for words in ["signed and proved", "tests", "originator", "steps"] {
        assert!(ran.out.contains(words), "{words}: {ran:?}");
    }
    place.fails(
        &["verify", "c.nfc", "--key", "b.pub.pem", "--now", "1000001"],
        1,
        "E812",
    );
    place.fails(&with(&verify, &["--now", "1003700"]), 1, "E814");
    place.fails(
        &with(&verify, &["--audience", "edge", "--now", "1000001"]),
        1,
        "E816",
    );
    place.fails(&["verify", "c.nfc", "--key", "a.pem"], 1, "E804");
    place.fails(&["verify", "in.pcap", "--key", "a.pub.pem"], 1, "E811");
    place.fails(&["verify", "c.nfc"], 2, "E900");

    let run = ["run", "c.nfc", "--on", "originator", "--pcap", "in.pcap"];
    place.ok(&with(&run, &["--key", "a.pub.pem", "--now", "1000001"]));
    place.fails(
        &with(&run, &["--key", "b.pub.pem", "--now", "1000001"]),
        1,
        "E812",
    );
    place.fails(&run, 2, "E900");
    place.ok(&["inspect", "c.nfc"]);
    place.ok(&["disasm", "c.nfc"]);
    place.ok(&["size", "c.nfc"]);
}

#[test]
fn a_flipped_bit_is_found() {
    let place = signed();
    let capsule = place.read("c.nfc");
    for at in [0, 1, 9, capsule.len() / 2, capsule.len() - 1] {
        let mut flipped = capsule.clone();
        flipped[at] ^= 4;
        place.write("f.nfc", flipped);
        let ran = place.nflc(&["verify", "f.nfc", "--key", "a.pub.pem", "--now", "1000001"]);
        assert_eq!(ran.status, 1, "byte {at}: {ran:?}");
        assert!(ran.err.contains("error[E81"), "byte {at}: {ran:?}");
    }
}

#[test]
fn images_are_proved_again() {
    let place = Place::furnished();
    place.ok(&[
        "build",
        "contract.nfl",
        "--party",
        "originator",
        "-o",
        "c.nfi",
    ]);
    let ran = place.ok(&["verify", "--image", "c.nfi"]);
    assert!(ran.out.contains("signed by nobody"), "{ran:?}");
    let image = place.read("c.nfi");
    let mut refused = 0;
    for at in 0..image.len() {
        let mut changed = image.clone();
        changed[at] ^= 1;
        place.write("f.nfi", &changed);
        let ran = place.nflc(&["verify", "--image", "f.nfi"]);
        assert!(
            ran.status == 0 || ran.err.contains("error[E8"),
            "byte {at}: {ran:?}"
        );
        refused += i32::from(ran.status == 1);
    }
    assert!(
        refused > 10,
        "only {refused} of {} changes were refused",
        image.len()
    );
    place.write("f.nfi", &image[..image.len() - 1]);
    place.fails(&["verify", "--image", "f.nfi"], 1, "E801");
    place.fails(&["inspect", "in.pcap"], 1, "E910");
}

#[test]
fn keys_are_kept_from_others() {
    let place = signed();
    place.fails(&["key", "new", "-o", "a.pem"], 2, "E909");
    let public = place.ok(&["key", "public", "a.pem"]).out;
    assert_eq!(public.as_bytes(), place.read("a.pub.pem"));
    place.fails(&["key", "public", "a.pub.pem"], 2, "E907");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect("a key").permissions().mode() & 0o777;
        assert_eq!(mode(&place.path("a.pem")), 0o600);
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(place.path("b.pem"), open).expect("our own file");
        place.fails(&["key", "public", "b.pem"], 2, "E907");
        let sign = [
            "sign",
            "contract.nfl",
            "--party",
            "originator",
            "-o",
            "d.nfc",
            "--key",
        ];
        place.fails(&with(&sign, &["b.pem"]), 2, "E907");
    }
}

#[test]
fn a_signature_needs_exact_authority() {
    let place = Place::new();
    place.ok(&["key", "new", "-o", "a.pem"]);
    let excess =
        "public function Shut() uses Rewrite {\n    on ingress(Packet pkt) { return Drop; }\n}\n";
    place.write("shut.nfl", excess);
    let sign = ["sign", "shut.nfl", "--key", "a.pem", "-o", "shut.nfc"];
    place.fails(&sign, 1, "W601");
    place.fails(&with(&sign, &["-A", "W601"]), 1, "W601");
    assert!(!place.path("shut.nfc").exists());
    place.ok(&["build", "shut.nfl"]);
    place.ok(&["fix", "shut.nfl"]);
    place.ok(&sign);
    assert!(place.path("shut.nfc").exists());
}

#[test]
fn outputs_that_cannot_be_written_leave_nothing() {
    let place = Place::furnished();
    let build = ["build", "contract.nfl", "--party", "originator", "-o"];
    place.fails(&with(&build, &["missing/c.nfi"]), 2, "E902");
    place.fails(&with(&build, &["."]), 2, "E902");
    place.write("file", "");
    place.fails(&["build", "contract.nfl", "--out-dir", "file"], 2, "E902");
    place.fails(&["key", "new", "-o", "missing/k.pem"], 2, "E902");
    let run = [
        "run",
        "contract.nfl",
        "--on",
        "originator",
        "--pcap",
        "in.pcap",
        "--write",
    ];
    place.fails(&with(&run, &["missing/out.pcap"]), 2, "E902");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let place = Place::furnished();
    let full = Path::new("/dev/full");
    place.fails(
        &[
            "build",
            "contract.nfl",
            "--party",
            "originator",
            "-o",
            "/dev/full",
        ],
        2,
        "E902",
    );
    place.fails(
        &[
            "run",
            "contract.nfl",
            "--on",
            "originator",
            "--pcap",
            "in.pcap",
            "--write",
            "/dev/full",
        ],
        2,
        "E902",
    );
    for args in [&["explain", "E100"][..], &["disasm", "contract.nfl"]] {
        let mut command = place.command(args);
        let stdout = fs::OpenOptions::new()
            .write(true)
            .open(full)
            .expect("a device");
        let ran = Ran::of(command.stdout(stdout).output().expect("nflc starts"));
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.err.contains("[E902]"), "{ran:?}");
    }
    assert!(!full.metadata().expect("a device").is_file());
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::furnished();
    let mut command = place.command(&["explain", "--list"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ran = Ran::of(command.stdout(writer).output().expect("nflc starts"));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn sizes_and_contents_as_json() {
    let place = Place::furnished();
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&place.ok(args).out).expect("a JSON value")
    };
    let sizes = json(&[
        "size",
        "contract.nfl",
        "--set",
        "port=5432",
        "--format",
        "json",
    ]);
    let row = &sizes[0];
    assert_eq!(row["function"], "Segment");
    assert_eq!(row["on"], "originator");
    assert_eq!(row["target"], "rv32imc");
    for key in [
        "code",
        "constants",
        "certificate",
        "manifest",
        "steps",
        "imports",
        "total",
    ] {
        assert!(row[key].is_u64(), "{key}: {sizes}");
    }
    assert_eq!(sizes[1]["on"], "responder");
    let about = json(&[
        "inspect",
        "contract.nfl",
        "--set",
        "port=5432",
        "--format",
        "json",
    ]);
    assert_eq!(about[0]["late"][0]["value"], 5432);
    assert_eq!(about[0]["profile"], "capsule");
}

#[test]
fn disassembly_shows_the_source() {
    let place = Place::furnished();
    let ran = place.ok(&["disasm", "contract.nfl"]);
    for words in [
        "originator:",
        "contract.nfl:8 |",
        "ebreak",
        "constants:",
        "port",
    ] {
        assert!(ran.out.contains(words), "{words}: {ran:?}");
    }
}

#[test]
fn codes_are_explained() {
    let place = Place::new();
    let ran = place.ok(&["explain", "e902"]);
    assert!(
        ran.out.contains("Wrong:") && ran.out.contains("Right:"),
        "{ran:?}"
    );
    assert!(place.ok(&["explain", "--list"]).out.lines().count() > 30);
    place.fails(&["explain", "E000"], 2, "E908");
}
