//! The messages of the language's design: each wrong program of it has a case, which says this.
//!
//! In: the snapshots of the suite. Guaranteed: the first line of each message, its code with it, is
//! as the design has it, up to the names in the program.

use nfl_tests::root;

/// A snapshot of the suite, and the first line of the message in it, in the order of the design.
const MESSAGES: [(&str, &str); 17] = [
    ("types/java-new", "error[E101]: there is no `new` in NFL"),
    (
        "types/constant-type",
        "error[E104]: `ACL` reads as a constant here; a type is written `Acl`",
    ),
    (
        "types/host-bits",
        "error[E112]: this prefix has bits set after its length",
    ),
    (
        "types/narrowing",
        "error[E203]: a u32 does not always fit into a u8",
    ),
    (
        "types/units",
        "error[E208]: a Rate and a Size cannot be added",
    ),
    ("types/lookup-may-miss", "error[E211]: this lookup may miss"),
    (
        "types/switch-forgets",
        "error[E301]: this switch does not say what happens on `Miss`",
    ),
    (
        "types/layers-never-meet",
        "error[E305]: Tcp never comes right after Eth",
    ),
    (
        "types/view-over",
        "error[E402]: `tcp` ended when the packet was resized",
    ),
    (
        "types/derived",
        "error[E405]: `checksum` is derived; the compiler keeps it",
    ),
    (
        "cli/proofs",
        "error[E501]: cannot see how often this loop runs",
    ),
    (
        "cli/proofs",
        "error[E503]: `trace[used]` may be out of bounds",
    ),
    ("cli/proofs", "error[E505]: `flows` may be zero"),
    (
        "types/authority",
        "error[E601]: `Marker` does not say that it uses Rewrite",
    ),
    ("types/state-home", "error[E604]: where does `count` live?"),
    ("cli/budget", "error[E701]: Guard: "),
    (
        "types/fragments-pass",
        "warning[W312]: after this pattern fails, later fragments of Tcp also arrive here, and line 10",
    ),
];

#[test]
fn each_message_of_the_design_has_a_case() {
    let mut missing = Vec::new();
    for (case, line) in MESSAGES {
        let path = root().join("tests/suite").join(format!("{case}.snap"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // What a command writes to standard error stands behind a sign.
        let found = text
            .lines()
            .any(|found| found.trim_start_matches("! ").starts_with(line));
        if !found {
            missing.push(format!("{case}: {line}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
