//! Engines under test: ours pass, and each way to be broken is told.
//!
//! Broken engines are ours with something between them and the driver.
#![cfg(unix)]

use serde_json::Value;

use crate::place::{Place, Ran};

const NFLC: &str = env!("CARGO_BIN_EXE_nflc");
/// Enough of each group to be told apart, and little to wait for.
const FEW: &[&str] = &["--filter", "rv32ic/xor"];

/// An engine of ours behind a filter of lines.
fn behind(filter: &str) -> String {
    format!("'{NFLC}' engine checked | {filter}")
}

fn conform(place: &Place, engine: &str, more: &[&str]) -> Ran {
    place.nflc(&[&["conform", "--engine", engine], more].concat())
}

#[test]
fn our_engines_conform() {
    let place = Place::new();
    for engine in ["checked", "interp", "jit"] {
        let ran = conform(&place, &format!("'{NFLC}' engine {engine}"), FEW);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(
            ran.out
                .starts_with(&format!("engine   nflc {engine} 0.1.0\n")),
            "{ran:?}"
        );
        assert!(
            ran.out
                .contains("\ninstructions       2       0        0\n"),
            "{ran:?}"
        );
    }
    let ours = format!("'{NFLC}' engine");
    let faults = [
        "--group", "faults", "--group", "contract", "--format", "json",
    ];
    let report: Value =
        serde_json::from_str(&conform(&place, &ours, &faults).out).expect("a report");
    assert_eq!(report["failed"], 0, "{report}");
    assert_eq!(report["engine"], "nflc interp");
    assert_eq!(report["groups"][1]["name"], "faults");
    assert!(report["passed"].as_u64() > Some(60), "{report}");
}

#[test]
fn vectors_are_written_and_read() {
    let place = Place::new();
    place.ok(&["conform", "--write", "v.jsonl", "--group", "services"]);
    let text = String::from_utf8(place.read("v.jsonl")).expect("lines of text");
    assert!(
        text.starts_with("{\"nfl-conformance\":1,\"abi\":2}\n{\"program\":"),
        "the head"
    );
    let ours = format!("'{NFLC}' engine");
    let ran = place.ok(&["conform", "--vectors", "v.jsonl", "--engine", &ours]);
    assert!(
        ran.out.contains("\nservices      43       0        0\n"),
        "{ran:?}"
    );
    // Whoever expects something else sees the engine fail.
    let changed = text.replacen(
        "\"expect\":{\"runs\":[{\"verdict\":[1,0]",
        "\"expect\":{\"runs\":[{\"verdict\":[2,7]",
        1,
    );
    assert_ne!(text, changed);
    place.write("v.jsonl", changed);
    let ran = place.nflc(&["conform", "--vectors", "v.jsonl", "--engine", &ours]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.out
            .contains("FAILED services/table.get: run 0: the verdict is Pass, not Forward(7)\n"),
        "{ran:?}"
    );
    for text in [
        "",
        "{\"vectors\":[]}\n",
        "{\"nfl-conformance\":1,\"abi\":2}\nnonsense\n",
    ] {
        place.write("v.jsonl", text);
        place.fails(
            &["conform", "--vectors", "v.jsonl", "--engine", &ours],
            2,
            "E931",
        );
    }
    place.fails(
        &["conform", "--vectors", "none.jsonl", "--engine", &ours],
        2,
        "E901",
    );
    place.fails(&["conform"], 2, "E900");
}

#[test]
fn engines_that_answer_wrong_fail() {
    let place = Place::new();
    for (filter, more, said) in [
        (
            "sed -u 's/\"verdict\":\\[1,/\"verdict\":[2,/g'",
            FEW,
            "run 0: the verdict is Forward(0), not Pass",
        ),
        (
            "sed -u 's/\"packet\":\"../\"packet\":\"7f/g'",
            FEW,
            "run 0: byte 0 of the packet is 7f, not 00",
        ),
        (
            "sed -u 's/\"steps\":[0-9]*/\"steps\":3/g'",
            FEW,
            "run 0: it took 3 steps, not ",
        ),
        // One that sees the byte behind the packet instead of a zero.
        (
            "sed -u 's/\"verdict\":\\[2,0\\]/\"verdict\":[2,19]/g'",
            &["--filter", "contract/window"][..],
            "run 0: the verdict is Forward(19), not Forward(0)",
        ),
        // One that runs what breaks a rule.
        (
            "sed -u 's/\"fault\":{[^}]*}/\"verdict\":[1,0],\"packet\":\"\",\"carried\":\"\"/g'",
            &["--filter", "undefined register"][..],
            "run 0: the verdict is Pass, and the run breaks a rule (`undefined-register`)",
        ),
        (
            "sed -u 's/\"pcs\":\\[0,4,/\"pcs\":[0,8,/; s/\"verdict\":\\[1,/\"verdict\":[2,/g'",
            FEW,
            "in run 0 the engine is at 0x0008 after 1 instructions, and should be at 0x0004",
        ),
    ] {
        let ran = conform(&place, &behind(filter), more);
        assert_eq!(ran.status, 1, "{filter}: {ran:?}");
        assert!(ran.out.contains(said), "{filter}: {ran:?}");
    }
}

#[test]
fn engines_that_break_the_protocol_are_told() {
    let place = Place::new();
    let silent = "sleep 5";
    let no_end = "yes x | tr -d '\\n'";
    let other = "sed -u 's/\"conformance\":1/\"conformance\":2/'";
    for (engine, said) in [
        (
            "no-such-engine",
            "the engine ended at `the greeting` with exit status: 127",
        ),
        ("echo ready", "the reply to `the greeting` is none"),
        (
            "echo '{\"ready\":{}}'",
            "the engine does not say what it is",
        ),
        (
            silent,
            "the engine has no reply to `the greeting` within 1 s",
        ),
        (no_end, "is longer than 16777216 bytes"),
        (
            &behind(other),
            "the engine speaks version 2 of the protocol, and this is version 1",
        ),
        (&behind("sed -u 2q"), "the engine ended at `"),
        (&behind("sed -u '3s/.*/{}/'"), "is none"),
    ] {
        // The others answer, however busy the machine is.
        let limit = if engine == silent { "1" } else { "60" };
        let args = [&["conform", "--engine", engine, "--time-limit", limit], FEW].concat();
        let ran = place.fails(&args, 2, "E930");
        assert!(ran.err.contains(said), "{engine}: {ran:?}");
    }
    let ran = conform(
        &place,
        &behind("sed -u 's/{\"answered.*/{\"skipped\":\"no time\"}/'"),
        FEW,
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.out.contains("skipped: 2 vectors: no time\n"), "{ran:?}");
    let less = conform(&place, &behind("sed -u 's/\"rv32ic\"/\"rv64gc\"/'"), FEW);
    assert!(
        less.out
            .contains("skipped: 2 vectors: the engine does not run rv32ic\n"),
        "{less:?}"
    );
}

#[test]
fn our_engine_tells_what_is_no_request() {
    let place = Place::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("echo '{{\"hello\":1}} x' | '{NFLC}' engine")]);
    let ran = Ran::of(
        command
            .current_dir(place.path("."))
            .output()
            .expect("a shell"),
    );
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(
        ran.err.contains("[E930]: line 1: this is no request"),
        "{ran:?}"
    );
}
