//! A directory in which `nflc` runs, with programs and a capture.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::rc::Rc;

use tempfile::TempDir;

pub(crate) const CONTRACT: &str = "\
package acme;

import nfl.net.*;

public function Segment(Prefix4 clients = 10.1.0.0/16, Prefix4 servers = 10.2.0.0/16, late u16 port = 443) {

    on originator(Packet pkt) {
        if (pkt instanceof Ipv4 ip / Tcp tcp
                && ip.src in clients && ip.dst in servers && tcp.dport == port) return Pass;
        return Drop;
    }

    on responder(Packet pkt) {
        if (pkt instanceof Ipv4 ip / Tcp tcp
                && ip.src in servers && ip.dst in clients && tcp.sport == port) return Pass;
        return Drop;
    }
}
";

const RESIDENT: &str = "\
package acme;

import nfl.net.*;

public function Mark() uses Rewrite {
    on ingress(Packet pkt) {
        if (pkt instanceof Ipv4 ip) {
            if (ip.ttl <= 1) return Drop(HOP_LIMIT);
            ip.ttl -= 1;
            return Pass;
        }
        return Pass;
    }
}
";

/// A directory, and `nflc` in it.
pub(crate) struct Place {
    dir: PathBuf,
    /// Removed with the last place in it.
    root: Rc<TempDir>,
}

impl Place {
    pub(crate) fn new() -> Place {
        let root = tempfile::tempdir().expect("a temporary directory");
        Place {
            dir: root.path().to_path_buf(),
            root: Rc::new(root),
        }
    }

    /// A directory within this one.
    pub(crate) fn within(&self, name: &str) -> Place {
        Place {
            dir: self.path(name),
            root: Rc::clone(&self.root),
        }
    }

    /// With the two programs and a capture.
    pub(crate) fn furnished() -> Place {
        let place = Place::new();
        place.write("contract.nfl", CONTRACT);
        place.write("mark.nfl", RESIDENT);
        place.write("in.pcap", capture());
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file in the test's directory");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file that nflc wrote")
    }

    /// Names of all files, hidden ones among them.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.dir)
            .expect("the test's directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    pub(crate) fn nflc(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("nflc starts"))
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nflc"));
        command.args(args).current_dir(&self.dir);
        command.env("NO_COLOR", "1");
        command
    }

    /// Runs what must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.nflc(args);
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
        ran
    }

    /// Runs what must fail with this status and code, and change nothing in the directory.
    pub(crate) fn fails(&self, args: &[&str], status: i32, code: &str) -> Ran {
        let before = self.files();
        let ran = self.nflc(args);
        assert_eq!(ran.status, status, "{args:?}: {ran:?}");
        let shown = [format!("[{code}"), format!(r#""code":"{code}"#)];
        assert!(
            shown.iter().any(|s| ran.err.contains(s)),
            "{args:?}: {ran:?}"
        );
        assert_eq!(self.files(), before, "{args:?} left something behind");
        ran
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// An Ethernet frame with a TCP segment.
pub(crate) fn frame(from: [u8; 4], to: [u8; 4], port: u16, ttl: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, ttl, 6, 0, 0]);
    frame.extend(from);
    frame.extend(to);
    frame.extend([0xc0, 0]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0]);
    frame
}

/// A pcap file: a packet to the database, one to elsewhere, one with its last hop, and ARP.
pub(crate) fn capture() -> Vec<u8> {
    let mut arp = vec![0xff; 12];
    arp.extend([8, 6]);
    arp.resize(42, 0);
    let frames = [
        frame([10, 1, 0, 1], [10, 2, 0, 1], 443, 64),
        frame([10, 1, 0, 1], [10, 2, 0, 1], 22, 64),
        frame([10, 1, 0, 1], [10, 2, 0, 1], 443, 1),
        arp,
    ];
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(u32::to_le_bytes(word));
    }
    for (second, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        for word in [second as u32, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}
