//! `nflc new`: a project that checks, builds and runs.

use std::path::{Path, PathBuf};

use nfl::abi::codes;

use crate::failure::Failure;
use crate::output::{self, Outputs};
use crate::project;
use crate::shell::Shell;

/// Make a project with a first network function and its tests
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  nflc new guard\n  cd guard\n  nflc test")]
pub(crate) struct Args {
    /// The directory; its last part names the package
    #[arg(value_name = "NAME")]
    name: PathBuf,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let directory = &args.name;
    if directory.exists() {
        let message = format!("`{}` exists already", directory.display());
        return Err(Failure::usage(&codes::E909, message));
    }
    let package = package_of(directory)?;
    let sources = directory.join("src").join(&package);
    output::make_dir(&sources)?;
    let mut outputs = Outputs::default();
    let files = [
        (directory.join(project::FILE), PROJECT),
        (sources.join("Guard.nfl"), SOURCE),
        (directory.join("README.md"), README),
        (directory.join(".gitignore"), IGNORED),
    ];
    for (path, text) in files {
        outputs.add(&path, text.replace("PACKAGE", &package).as_bytes())?;
    }
    outputs.commit()?;
    let place = directory.display();
    shell.note(format!("made {place}; next: cd {place} && nflc test"));
    Ok(())
}

/// The directory's name as the name of a package: lower case letters and digits.
fn package_of(directory: &Path) -> Result<String, Failure> {
    let name = directory.file_name().and_then(|n| n.to_str());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let package: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    if !package.starts_with(|c: char| c.is_ascii_lowercase()) {
        let message = format!("`{}` gives no package name", directory.display());
        return Err(Failure::usage(&codes::E900, message).help("begin the name with a letter"));
    }
    Ok(package)
}

const PROJECT: &str = "\
[project]
name = \"PACKAGE\"
version = \"0.1.0\"
source = [\"src\"]

[[build]]
function = \"PACKAGE.Guard\"
set = { port = 443 }
";

const IGNORED: &str = "/out\n";

const SOURCE: &str = "\
package PACKAGE;

import nfl.net.*;

/// Lets clients reach one port of the servers, and the servers answer.
public function Guard(Prefix4 clients = 10.1.0.0/16, Prefix4 servers = 10.2.0.0/16, late u16 port = 443) {

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

    @Test void clientsReachTheServers() {
        var guard = Guard(port = 8443);
        var there = Ipv4(src = 10.1.7.9, dst = 10.2.0.4) / Tcp(sport = 40000, dport = 8443, syn = true);
        var back = Ipv4(src = 10.2.0.4, dst = 10.1.7.9) / Tcp(sport = 8443, dport = 40000, ack = true);

        assert guard.originator(there).verdict == Pass;
        assert guard.responder(back).verdict == Pass;
    }

    @Test void nobodyElseDoes() {
        var stranger = Ipv4(src = 192.0.2.1, dst = 10.2.0.4) / Tcp(dport = 443, syn = true);

        assert Guard().originator(stranger).verdict instanceof Drop;
    }
}
";

const README: &str = "\
# PACKAGE

A network function in NFL.

    nflc check      # all findings
    nflc test       # the tests, against proved microcode
    nflc build      # the images that nfl.toml names, into out/
    nflc fmt        # one style
    nflc doc        # pages about all of it
    nflc run src/PACKAGE/Guard.nfl --on originator --pcap in.pcap --write out.pcap
";
