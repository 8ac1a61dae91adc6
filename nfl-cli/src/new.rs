//! `nflc new`: a project that checks, builds and runs.

use std::path::{Path, PathBuf};

use nfl::abi::codes;

use crate::failure::Failure;
use crate::output::{self, Outputs};
use crate::shell::Shell;

/// Make a directory with a first network function
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  nflc new guard\n  nflc check guard/guard.nfl")]
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
    output::make_dir(directory)?;
    let mut outputs = Outputs::default();
    let file = format!("{package}.nfl");
    outputs.add(
        &directory.join(&file),
        SOURCE.replace("PACKAGE", &package).as_bytes(),
    )?;
    let readme = README.replace("PACKAGE", &package);
    outputs.add(&directory.join("README.md"), readme.as_bytes())?;
    outputs.commit()?;
    shell.note(format!(
        "made {}; next: nflc check {}",
        directory.display(),
        directory.join(file).display()
    ));
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
}
";

const README: &str = "\
# PACKAGE

A network function in NFL.

    nflc check PACKAGE.nfl
    nflc build PACKAGE.nfl --set port=443 --out-dir out
    nflc disasm PACKAGE.nfl
    nflc run PACKAGE.nfl --on originator --pcap in.pcap --write out.pcap
";
