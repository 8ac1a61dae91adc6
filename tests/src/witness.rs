//! Counter-examples: every one that is printed fails when it is replayed, and where it is said to.
//!
//! In: wrong programs, made of places in the packet and elsewhere that numbers come from, tests before them, and
//! uses that need a proof. Out: nothing but agreement. What a finding prints is read back from its text, as
//! somebody would type it.

use std::fmt::Write as _;

use nfl::{Build, Compiler, Diagnostic, Limits, MemoryFiles, Replay, Replayed, Role, Severity};
use nfl_tests::packet::hex;

/// Where numbers come from: a name, and the pattern that makes it known.
const SOURCES: &[(&str, &str)] = &[
    ("ip.ttl", "Ipv4 ip"),
    ("ip.id", "Ipv4 ip"),
    ("ip.dscp", "Ipv4 ip"),
    ("l4.sport", "Ipv4 ip / Tcp l4"),
    ("l4.length", "Ipv6 ip / Udp l4"),
    ("late_one", "Ipv4 ip"),
    ("open", "Ipv4 ip"),
    ("used", "Ipv4 ip"),
];

/// What is tested before: none of it is enough for all uses.
const TESTS: &[&str] = &[
    "",
    "if (N < 3) return Pass;",
    "if (N == 77) seen = 1;",
    "if (N > 200) { seen = 2; } else { seen = 3; }",
    "if (ip.src == IP) return Drop;",
    "for (u8 i = 0; i < 3; i++) { seen += i; }",
];

/// What needs a proof of `N`.
const USES: &[&str] = &[
    "return TABLE[N] == 4 ? Pass : Drop;",
    "local[N] = 7; return local[1] == 7 ? Pass : Drop;",
    "return 1000 / N > 3 ? Pass : Drop;",
    "return 77 % (N - 5) == 1 ? Pass : Drop;",
    "assert N < 40; return Pass;",
    "if (N > 4) { nodes[N & 15] = 9; } return Pass;",
    "u16 n = N; while (n != 0) { n = n ^ 0x1234; } return Pass;",
    "u32 sum = 0; for (u32 i = 0; i < (u32) N * 100; i++) { sum += i; } return sum == 3 ? Pass : Drop;",
];

fn program((name, pattern): (&str, &str), test: &str, used: &str) -> String {
    let ip6 = pattern.starts_with("Ipv6");
    let test = test.replace("IP", if ip6 { "2001:db8::7" } else { "10.0.0.7" });
    let body = format!("{test}\n        {used}").replace('N', "number");
    let mut text = String::new();
    let _ = write!(
        text,
        "import nfl.net.*;
function Wrong(late u8 late_one, u16 open in 0..300) {{
    static final u16[8] TABLE = {{1, 2, 3, 4, 5, 6, 7, 8}};
    carried u16[8] nodes;
    carried u8 used;
    carried u32 seen;

    on transit(Packet pkt) {{
        if (!(pkt instanceof {pattern})) return Pass;
        u16 number = {name};
        u16[6] local;
        {body}
    }}
}}
"
    );
    text
}

/// The command line of a finding's counter-example.
fn command(finding: &Diagnostic) -> Option<&str> {
    let note = finding.notes.iter();
    let mut note = note.filter_map(|note| note.strip_prefix("counter-example: "));
    let (_, command) = note.next()?.split_once('\n')?;
    command.strip_prefix("nflc check ")
}

/// What a command line asks for.
fn wanted(command: &str) -> Replay {
    let mut words = command.split(' ');
    let mut wanted = Replay::default();
    let number = |text: &str| text.parse::<u32>().expect("a number is printed");
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a flag has a value");
        let bytes = |text: &str| hex(text).expect("bytes are printed");
        match word {
            "--replay=" => {}
            "--replay" => wanted.packet = bytes(value()),
            "--carried" => wanted.carried = Some(bytes(value())),
            "--on" => wanted.role = Role::from_text(value()),
            "--context" => {
                let (at, word) = value().split_once('=').expect("a word has an offset");
                wanted.context.push((number(at), number(word)));
            }
            "--set" => {
                let (name, word) = value().split_once('=').expect("a parameter has a name");
                wanted.set.push((name.to_string(), number(word)));
            }
            file => assert_eq!(file, "wrong.nfl", "{command}"),
        }
    }
    wanted
}

fn build(text: &str) -> Build {
    let files = MemoryFiles::from([("wrong.nfl", text)]);
    Compiler::new(Limits::EDGE).build(&files, "wrong.nfl")
}

#[test]
fn counter_examples_fail_when_they_are_replayed() {
    let (mut errors, mut without) = (0, Vec::new());
    for (at, &source) in SOURCES.iter().enumerate() {
        for (which, used) in USES.iter().enumerate() {
            // Every use with every source, and every test with several of both.
            let test = TESTS[(at + which * 5) % TESTS.len()];
            let text = program(source, test, used);
            let build = build(&text);
            for finding in &build.diagnostics {
                if finding.severity != Severity::Error {
                    continue;
                }
                assert!(finding.code.text.starts_with("E50"), "{finding:?}\n{text}");
                errors += 1;
                let Some(command) = command(finding) else {
                    without.push(text.clone());
                    continue;
                };
                let place = |d: &Diagnostic| d.labels.first().map(|label| label.span);
                match build.replay(&wanted(command)) {
                    Ok(Replayed::Fault(fault)) => {
                        assert_eq!(place(&fault), place(finding), "{command}\n{text}");
                    }
                    other => panic!("{other:?}\n{command}\n{text}"),
                }
            }
        }
    }
    // A search that finds nothing would keep every promise.
    assert!(errors >= 40, "{errors} of the programs are wrong");
    assert!(without.len() * 10 < errors, "{}", without.join("\n"));
}

#[test]
fn corrections_that_are_offered_do() {
    for used in USES {
        let text = program(SOURCES[0], "", used);
        let before = build(&text);
        let errors = |build: &Build| {
            let all = build.diagnostics.iter();
            all.filter(|d| d.severity == Severity::Error).count()
        };
        let fixes = before.diagnostics.iter().any(|d| !d.fixes.is_empty());
        let fixed = nfl::apply_fixes(&before.diagnostics, before.sources());
        for text in fixed.texts.values() {
            assert!(errors(&build(text)) < errors(&before), "{text}");
        }
        assert_eq!(fixes, !fixed.texts.is_empty());
    }
}
