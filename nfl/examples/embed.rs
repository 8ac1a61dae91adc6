//! A controller compiles, binds and signs a contract; a node opens, proves, loads and runs it.
//!
//! The two share nothing but the controller's public key and the bytes of the capsule.

use std::error::Error;
use std::io::{self, Write};

use nfl::abi::image::Claims;
use nfl::{
    Budget, Compiler, Context, Engine, Limits, MemoryFiles, Packet, Policy, PrivateKey, PublicKey,
    Role, TrustPolicy, TrustStore,
};

const SOURCE: &str = "\
package demo;

import nfl.net.*;

public function Guard(Prefix4 servers, late u16 port = 443) {
    on originator(Packet pkt) {
        if (pkt instanceof Ipv4 ip / Tcp tcp && ip.dst in servers && tcp.dport == port) return Pass;
        return Drop;
    }
}
";

/// Any time will do, as long as both sides mean the same; in seconds since 1970.
const NOW_S: u64 = 1_800_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let key = PrivateKey::generate()?;
    let capsule = controller(&key)?;
    let verdicts = node(key.public().clone(), &capsule)?;
    let mut out = io::stdout().lock();
    writeln!(out, "a capsule of {} bytes", capsule.len())?;
    for (what, verdict, steps) in verdicts {
        writeln!(out, "{what}: {verdict} after {steps} steps")?;
    }
    Ok(())
}

/// Source text to a signed capsule.
fn controller(key: &PrivateKey) -> Result<Vec<u8>, Box<dyn Error>> {
    let files = MemoryFiles::from([("guard.nfl", SOURCE)]);
    let build = Compiler::new(Limits::EDGE).build(&files, "guard.nfl");
    let unit = build.finish()?;
    let guard = unit.function("Guard")?;
    let images = guard
        .bind(&[("servers", "10.2.0.0/16"), ("port", "5432")])?
        .images()?;
    let claims = Claims {
        issuer: Some("demo".to_string()),
        expires: Some(NOW_S + 3600),
        ..Claims::default()
    };
    Ok(nfl::sign(&images[0].image, &claims, key)?)
}

/// What became of a packet: what it was, the verdict, the steps.
type Seen = (&'static str, &'static str, u32);

/// A capsule from the network to verdicts.
fn node(controller: PublicKey, capsule: &[u8]) -> Result<Vec<Seen>, Box<dyn Error>> {
    let mut trust = TrustStore::new(TrustPolicy::default());
    trust.add_key(controller)?;
    let trusted = trust.open(capsule, NOW_S)?;
    let program = Engine::interp().load(&trusted, &Policy::ALL)?;

    // A program is shared; each worker has an instance of its own.
    let mut worker = program.instance();
    let mut seen = Vec::new();
    for (what, bytes) in [
        ("to the database", tcp([10, 2, 0, 4], 5432)),
        ("to another port", tcp([10, 2, 0, 4], 22)),
        ("to another network", tcp([10, 3, 0, 4], 5432)),
        ("cut short", tcp([10, 2, 0, 4], 5432)[..23].to_vec()),
    ] {
        let mut packet = Packet::from(bytes);
        let mut carried = program.image().manifest.carried.clone();
        let context = Context::default();
        let role = Role::Originator;
        let outcome = worker.run(role, &mut packet, &context, &mut carried, Budget::Proven)?;
        let steps = outcome.steps.ok_or("the interpreter counts steps")?;
        seen.push((what, outcome.verdict.kind.text(), steps));
    }
    Ok(seen)
}

/// An IPv4 packet with the head of a TCP segment.
fn tcp(to: [u8; 4], port: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 1, 7, 9];
    packet.extend(to);
    packet.extend([0xc0, 0]);
    packet.extend(port.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0]);
    packet
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_node_decides_as_the_contract_says() {
        let key = nfl::PrivateKey::generate().expect("the system gives random numbers");
        let capsule = super::controller(&key).expect("the contract compiles");
        let seen = super::node(key.public().clone(), &capsule).expect("the node accepts it");
        let verdicts: Vec<&str> = seen.iter().map(|(_, verdict, _)| *verdict).collect();
        assert_eq!(verdicts, ["Pass", "Drop", "Drop", "Drop"]);
    }
}
