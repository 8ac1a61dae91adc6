//! `nflc debug` as a debugger sees it: packets of the GDB remote protocol, sent by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::place;
use crate::place::Place;

/// The debugger's end of the protocol.
struct Debugger<R, W> {
    from: R,
    to: W,
}

impl<R: Read, W: Write> Debugger<R, W> {
    /// Sends a packet and answers the reply; nothing when the other side has closed.
    fn ask(&mut self, packet: &str) -> Option<String> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.to, "${packet}#{sum:02x}").expect("it listens");
        self.to.flush().expect("it listens");
        let mut reply = Vec::new();
        let mut byte = || {
            let mut byte = [0];
            let read = self.from.read(&mut byte).expect("it answers");
            (read == 1).then_some(byte[0])
        };
        while byte()? != b'$' {}
        loop {
            match byte()? {
                b'#' => break,
                b => reply.push(b),
            }
        }
        let _ = (byte()?, byte()?);
        // After its last reply the other side may have closed.
        let _ = write!(self.to, "+").and_then(|()| self.to.flush());
        Some(unfolded(&reply))
    }
}

/// A reply with its runs written out: `0*"` is `0` and so many more of it.
fn unfolded(reply: &[u8]) -> String {
    let mut text: Vec<u8> = Vec::new();
    let mut bytes = reply.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, text.last().copied()) {
            (b'*', Some(last)) => {
                let more = bytes.next().expect("a count") - 29;
                text.extend(std::iter::repeat_n(last, usize::from(more)));
            }
            _ => text.push(byte),
        }
    }
    String::from_utf8(text).expect("text")
}

fn command(place: &Place, more: &[&str]) -> Command {
    let args = [
        &["debug", "busy.nfl", "--pcap", "in.pcap", "--packet", "1"][..],
        more,
    ]
    .concat();
    place.command(&args)
}

fn debug(place: &Place, more: &[&str]) -> Child {
    let mut command = command(place, more);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("nflc starts")
}

fn by_stdio(child: &mut Child) -> Debugger<ChildStdout, ChildStdin> {
    Debugger {
        from: child.stdout.take().expect("a pipe"),
        to: child.stdin.take().expect("a pipe"),
    }
}

/// A register as a number, by its place in the reply to `g`.
fn register(reply: &str, n: usize) -> Option<u32> {
    let digits = &reply[n * 8..n * 8 + 8];
    u32::from_str_radix(digits, 16).ok().map(u32::swap_bytes)
}

#[test]
fn a_packet_is_stepped_through() {
    let place = place();
    let mut child = debug(&place, &["--stdio"]);
    let mut debugger = by_stdio(&mut child);
    let mut ask = |packet: &str| debugger.ask(packet).expect("an answer");
    assert!(ask("?").starts_with("S05") || ask("?").starts_with("T05"));
    let entry = ask("g");
    // The packet, its length, scratch, the context, the place in the code.
    assert_eq!(register(&entry, 8), Some(0x3000_0000));
    assert_eq!(register(&entry, 9), Some(40));
    assert_eq!(register(&entry, 2), Some(0x8000_0000));
    assert_eq!(register(&entry, 3), Some(0x1000_0000));
    let pc = register(&entry, 32).expect("a place");
    // Nothing was written to a2 yet.
    assert_eq!(&entry[12 * 8..13 * 8], "xxxxxxxx");
    assert_eq!(ask("m30000000,4"), "45000028");
    assert_eq!(ask("m10000000,4"), "00000000");
    assert_eq!(ask("m1000,2").len(), 4);
    // Code, constants and context are not written, the packet is.
    assert!(ask("M1000,1:00").starts_with('E'));
    assert!(ask("M10000000,1:00").starts_with('E'));
    assert!(ask("M30000028,1:00").starts_with('E'));
    assert_eq!(ask("M30000008,1:01"), "OK");
    assert_eq!(ask("m30000008,1"), "01");
    assert!(ask("m50000000,1").starts_with('E'));
    // Registers of the node are not written, others are.
    assert!(ask("P8=00000000").starts_with('E'));
    assert_eq!(ask("P1c=78563412"), "OK");
    assert_eq!(register(&ask("g"), 28), Some(0x1234_5678));
    ask("vCont;s:p1.-1");
    let next = ask("g");
    assert!(register(&next, 32) > Some(pc));
    assert_eq!(register(&next, 28), Some(0x1234_5678));
    // With a hop limit of one the packet is dropped: verdict number 0.
    assert_eq!(ask("vCont;c:p1.-1"), "W00");
    drop(debugger);
    let output = child.wait_with_output().expect("nflc ends");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("packet 1: Drop(HOP_LIMIT), "), "{err}");
}

#[test]
fn the_verdict_is_told_before_the_debugger_hears_of_the_end() {
    let place = place();
    // Both outputs in one pipe show their order. A debugger may end the program it started once its run has ended.
    let (mut from, both) = std::io::pipe().expect("a pipe");
    let mut command = command(&place, &["--stdio"]);
    command
        .stdin(Stdio::piped())
        .stdout(both.try_clone().expect("a second handle"))
        .stderr(both);
    let mut child = command.spawn().expect("nflc starts");
    drop(command);
    let mut to = child.stdin.take().expect("a pipe");
    to.write_all(b"$vCont;c:p1.-1#0f").expect("it listens");
    let mut said = String::new();
    from.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("nflc ends").code(), Some(0), "{said}");
    let at = |text: &str| {
        said.find(text)
            .unwrap_or_else(|| panic!("{text} in {said}"))
    };
    assert!(at("packet 1: ") < at("$W01"), "{said}");
}

#[test]
fn a_breakpoint_stops_over_tcp() {
    let place = place();
    let mut child = debug(&place, &["--listen", "127.0.0.1:0"]);
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    err.read_line(&mut line).expect("a line");
    let address = line
        .trim()
        .rsplit(' ')
        .next()
        .expect("an address")
        .to_string();
    let stream = TcpStream::connect(&address).expect("it listens");
    let mut debugger = Debugger {
        from: stream.try_clone().expect("a second handle"),
        to: stream,
    };
    let mut ask = |packet: &str| debugger.ask(packet).expect("an answer");
    let entry = register(&ask("g"), 32).expect("a place");
    // Behind two instructions.
    ask("vCont;s:p1.-1");
    ask("vCont;s:p1.-1");
    let third = register(&ask("g"), 32).expect("a place");
    assert!(third > entry);
    ask("vCont;s:p1.-1");
    let fourth = register(&ask("g"), 32).expect("a place");
    assert_eq!(ask(&format!("Z0,{fourth:x},2")), "OK");
    assert!(ask("Z0,20000000,2").starts_with('E') || ask("Z0,20000000,2").is_empty());
    assert_eq!(ask(&format!("z0,{fourth:x},2")), "OK");
    assert_eq!(ask("vCont;c:p1.-1"), "W01");
    drop(debugger);
    let output = child.wait_with_output().expect("nflc ends");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.starts_with("packet 1: Pass, "), "{out}");
}

#[test]
fn a_debugger_may_leave_or_never_come() {
    let place = place();
    let mut child = debug(&place, &["--stdio"]);
    drop(by_stdio(&mut child));
    let output = child.wait_with_output().expect("nflc ends");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("packet 1: Pass, "), "{err}");
    let args = [
        "debug", "busy.nfl", "--pcap", "in.pcap", "--packet", "9", "--stdio",
    ];
    place.fails(&args, 2, "E900");
    let args = ["debug", "busy.nfl", "--pcap", "in.pcap"];
    place.fails(&args, 2, "E900");
}
