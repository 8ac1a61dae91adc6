//! The programs of `nflc explain`: the wrong one has that finding, the right one has none.
//!
//! An explanation shows what matters. A whole file stands as it is; members stand in a function, and
//! statements in a handler behind a pattern that names the usual headers.

use nfl::abi::codes::CODES;
use nfl::{Code, Compiler, Limits, MemoryFiles};

/// Codes whose examples are not programs, and why.
const SHOWN_ONLY: &[(&str, &str)] = &[
    ("E116", "several hundred operators are too long to show"),
    ("E119", "a file of 17 MiB is too long to show"),
    ("E225", "a hundred methods are too long to show"),
    ("E280", "its examples are command lines"),
    ("E282", "its examples are command lines"),
    ("E283", "its examples are command lines"),
    ("E284", "its examples are command lines"),
    ("E504", "the pattern is too long to show"),
];

/// The example under a heading of an explanation.
fn example(code: &Code, heading: &str) -> Option<String> {
    let (_, rest) = code.explanation.split_once(&format!("{heading}:\n\n"))?;
    let lines = rest.lines();
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let lines: Vec<&str> = lines.map(|line| line.get(4..).unwrap_or("")).collect();
    Some(lines.join("\n").trim().to_string())
}

/// What examples name without declaring it.
const PRELUDE: &str = "import nfl.net.*;
import nfl.table.*;
import nfl.flow.*;
import nfl.time.*;

record Endpoint(Ip4 ip, u16 port);
record NextHop(Mac mac, Port port);
";

const FIELDS: &str = "    LpmTable<Ip4, NextHop> fib;
";

const MATCHED: &str = "        if (!(pkt instanceof Ipv4 ip / Tcp tcp)) return Pass;
";

const USES: &str = "uses Rewrite, Route, Control, State, Clock, Random, Report";

/// The example in each of its frames, with what examples name or without it.
fn framed(example: &str) -> Vec<String> {
    // A body that is left out is the smallest there is.
    let example = example.replace("{ … }", "{ on ingress(Packet pkt) { return Pass; } }");
    let mut frames = vec![example.to_string(), format!("{PRELUDE}\n{example}\n")];
    for fields in ["", FIELDS] {
        let function = format!("{PRELUDE}\nfunction F {USES} {{\n{fields}");
        frames.push(format!("{function}{example}\n}}\n"));
        frames.push(format!(
            "{function}{example}\n    on ingress(Packet pkt) {{\n{MATCHED}        return Pass;\n    }}\n}}\n"
        ));
        for matched in ["", MATCHED] {
            let handler = format!("{function}    on ingress(Packet pkt) {{\n{matched}{example}\n");
            frames.push(format!("{handler}    }}\n}}\n"));
            frames.push(format!("{handler}        return Pass;\n    }}\n}}\n"));
        }
    }
    frames
}

/// The codes of errors and warnings of a program.
fn codes_of(text: &str) -> Vec<&'static str> {
    let files = MemoryFiles::from([("case.nfl", text)]);
    let build = Compiler::new(Limits::EDGE).build(&files, "case.nfl");
    build.diagnostics.iter().map(|d| d.code.text).collect()
}

/// What is wrong with an explanation.
fn flaw(code: &Code) -> Option<String> {
    let (Some(wrong), Some(right)) = (example(code, "Wrong"), example(code, "Right")) else {
        return Some("it has no wrong and right program".to_string());
    };
    // Unused things are no matter here.
    let matter = |text: &str| -> Vec<&'static str> {
        let mut codes = codes_of(text);
        codes.retain(|c| c == &code.text || !c.starts_with('W'));
        codes
    };
    let mut best = None;
    for (wrong, right) in framed(&wrong).iter().zip(framed(&right)) {
        let wrong = matter(wrong);
        if !wrong.contains(&code.text) {
            continue;
        }
        let right = matter(&right);
        if wrong == [code.text] && right.is_empty() {
            return None;
        }
        if best.is_none() {
            best = Some(format!(
                "the wrong one has {wrong:?}, the right one {right:?}"
            ));
        }
    }
    Some(best.unwrap_or_else(|| "the wrong one has not that finding in any frame".to_string()))
}

#[test]
fn examples_of_explanations_are_what_they_say() {
    let of_source =
        |code: &&&Code| matches!(code.text.as_bytes()[..2], [b'E', b'1'..=b'6'] | [b'W', _]);
    let mut flawed = Vec::new();
    for code in CODES.iter().filter(of_source) {
        let flaw = flaw(code);
        let shown_only = SHOWN_ONLY.iter().any(|(text, _)| *text == code.text);
        match (flaw, shown_only) {
            (Some(flaw), false) => flawed.push(format!("{}: {flaw}", code.text)),
            (None, true) => flawed.push(format!("{}: its programs are what they say", code.text)),
            _ => {}
        }
    }
    for (text, why) in SHOWN_ONLY {
        if Code::find(text).is_none() {
            flawed.push(format!("{text}: there is no such code ({why})"));
        }
    }
    assert!(flawed.is_empty(), "{}", flawed.join("\n"));
}
