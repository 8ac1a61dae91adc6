//! From bytes to a first result: capsules against a bare signature, images against other sandboxes' programs, sources against clang.
//!
//! In: nothing. Out: what each takes, in microseconds. Guaranteed: lists are measured in turns, and each first result is compared with the
//! native one.

use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use nfl::abi::image::Claims;
use nfl::{
    Budget, Engine, Image, Packet, Policy, PrivateKey, Role, TrustPolicy, TrustStore, VerdictKind,
};

use crate::measure::{Action, Samples, actions};
use crate::peers;
use crate::traffic::traffic;
use crate::{SIX, ours};

/// What was found.
pub(crate) struct First {
    /// Capsule bytes to a verdict, beside the bare verification of a signature over as many bytes.
    pub(crate) capsules: Vec<(String, Samples)>,
    pub(crate) capsule_bytes: Vec<(String, usize)>,
    /// Bytes of a program to its first result.
    pub(crate) cold: Vec<(String, Samples)>,
    /// A source to its image, whole processes.
    pub(crate) compile: Vec<(String, Samples)>,
    pub(crate) skipped: Vec<String>,
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, samples) in self.capsules.iter().chain(&self.cold).chain(&self.compile) {
            let us = |ns: f64| ns / 1e3;
            writeln!(
                f,
                "{name:44} {:10.1} us ({:.1} to {:.1})",
                us(samples.median()),
                us(samples.least()),
                us(samples.most())
            )?;
        }
        for line in &self.skipped {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// Measures all of it.
pub(crate) fn measure(place: &Path) -> First {
    let (capsules, capsule_bytes) = capsules(place);
    let mut skipped = Vec::new();
    First {
        capsules,
        capsule_bytes,
        cold: cold(place),
        compile: compile(place, &mut skipped),
        skipped,
    }
}

/// Any time will do, as long as both sides mean the same; in seconds since 1970.
const NOW_S: u64 = 1_800_000_000;

/// The contract of the book's first chapter, and what a long one is like.
const GUARD: &str = "\
import nfl.net.*;

public function Guard() {
    on originator(Packet pkt) {
        if (pkt instanceof Ipv4 ip / Tcp tcp && ip.dst in 10.2.0.0/16 && tcp.dport == 443) return Pass;
        return Drop;
    }
}
";

/// What a capsule is measured beside.
pub(crate) const BARE: &str = "bare signature";

/// A capsule with its packet.
struct Sent {
    name: &'static str,
    bytes: Vec<u8>,
}

fn capsule(name: &'static str, source: &str, key: &PrivateKey, place: &Path) -> Sent {
    let image = image(source, "Guard", place);
    let bytes = nfl::sign(&image, &Claims::default(), key).expect("the key signs");
    Sent { name, bytes }
}

/// The image of a source in memory.
pub(crate) fn image(source: &str, function: &str, place: &Path) -> Image {
    let path = place.join(format!("{function}.nfl"));
    std::fs::write(&path, source).expect("there is room for a file");
    ours::build(&path)
}

/// A contract near the limit of size: a list of networks, each with ports of its own.
pub(crate) fn long_guard() -> String {
    let mut text = String::from(
        "import nfl.net.*;\n\npublic function Guard() {\n    on originator(Packet pkt) {\n        if (!(pkt instanceof Ipv4 ip / Tcp tcp)) return Drop;\n",
    );
    for n in 0..18 {
        let line = format!(
            "        if (ip.dst in 10.{}.0.0/16 && tcp.dport == {} && ip.ttl > {}) return Drop;\n",
            n * 3 + 2,
            1000 + n * 37,
            n + 3
        );
        text.push_str(&line);
    }
    text.push_str("        return Pass;\n    }\n}\n");
    text
}

fn capsules(place: &Path) -> (Vec<(String, Samples)>, Vec<(String, usize)>) {
    let key = PrivateKey::generate().expect("the system gives random numbers");
    let mut store = TrustStore::new(TrustPolicy::default());
    store.add_key(key.public().clone()).expect("a sound key");
    let sent = [
        capsule("a short contract", GUARD, &key, place),
        capsule("a long contract", &long_guard(), &key, place),
    ];
    let sizes = sent
        .iter()
        .map(|s| (s.name.to_string(), s.bytes.len()))
        .collect();
    let packet = &traffic("parse").packets[0][14..];
    // The bare check has the key at hand, as the node has, and a message as long as the capsule.
    let bare = SigningKey::from_bytes(&[7; 32]);
    let public = bare.verifying_key();
    let engine = Engine::interp();
    let mut list: Vec<Action<'_>> = Vec::new();
    for Sent { name, bytes } in &sent {
        let (store, engine, public) = (&store, &engine, &public);
        let signature = bare.sign(bytes);
        list.push((
            format!("{name}: {BARE}"),
            Box::new(move || {
                let valid = public.verify_strict(black_box(bytes), black_box(&signature));
                assert!(valid.is_ok());
            }),
        ));
        let open = move || store.open(black_box(bytes), NOW_S).expect("it is signed");
        list.push((
            format!("{name}: open"),
            Box::new(move || {
                black_box(open());
            }),
        ));
        let load = move || engine.load(&open(), &Policy::ALL).expect("it is proved");
        list.push((
            format!("{name}: open, prove, load"),
            Box::new(move || {
                black_box(load());
            }),
        ));
        list.push((
            format!("{name}: to the verdict"),
            Box::new(move || {
                let mut instance = load().instance();
                let mut packet = Packet::from(packet.to_vec());
                let context = ours::context();
                let run = instance.run(
                    Role::Originator,
                    &mut packet,
                    &context,
                    &mut [],
                    Budget::Proven,
                );
                black_box(run.expect("a proved image does not fault"));
            }),
        ));
    }
    (actions(&mut list, Duration::from_millis(8)), sizes)
}

/// Bytes of `parse` to its first result, with whatever engine objects made before.
fn cold(place: &Path) -> Vec<(String, Samples)> {
    let bytes = ours::image("parse").to_bytes();
    let packet = traffic("parse").packets[0].clone();
    let mut list: Vec<Action<'_>> = Vec::new();
    for (side, engine) in ours::engines() {
        let (bytes, packet) = (&bytes, &packet);
        list.push((
            side.to_string(),
            Box::new(move || {
                let image = Image::from_bytes(black_box(bytes)).expect("it is sound");
                let program = engine.load_unsigned(image, &Policy::ALL);
                let mut instance = program.expect("it is proved").instance();
                let mut packet = Packet::from(packet.clone());
                let context = ours::context();
                let run = instance.run(
                    Role::Ingress,
                    &mut packet,
                    &context,
                    &mut [],
                    Budget::Proven,
                );
                let verdict = run.expect("a proved image does not fault").verdict;
                assert_eq!(verdict.kind, VerdictKind::Pass);
            }),
        ));
    }
    list.extend(peers::cold(&packet, place));
    actions(&mut list, Duration::from_millis(8))
}

/// Sources to images: whole processes against clang.
fn compile(place: &Path, skipped: &mut Vec<String>) -> Vec<(String, Samples)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/baselines");
    let nflc = ours::nflc();
    if !nflc
        .parent()
        .is_some_and(|place| place.ends_with("release"))
    {
        skipped.push("whole processes of the compiler: `nflc` is no release build".to_string());
        return Vec::new();
    }
    if Command::new(peers::CLANG)
        .arg("--version")
        .output()
        .is_err()
    {
        skipped.push("whole processes: skipped, for there is no clang".to_string());
        return Vec::new();
    }
    let mut list: Vec<Action<'_>> = Vec::new();
    for name in SIX {
        let (root, place, nflc) = (&root, place, &nflc);
        list.push((
            format!("{name}: nflc build"),
            Box::new(move || {
                let mut command = Command::new(nflc);
                let file = format!("{}.nfl", ours::source(name).1);
                command.arg("build").arg(file).arg("--out-dir").arg(place);
                quiet(command.current_dir(root));
            }),
        ));
        list.push((
            format!("{name}: clang -Oz"),
            Box::new(move || {
                let mut command = Command::new(peers::CLANG);
                command
                    .args(["--target=riscv32", "-march=rv32imc", "-mabi=ilp32", "-Oz"])
                    .args(["-ffreestanding", "-DNF_ECALL", "-I.", "-c"])
                    .arg(format!("nf/{name}.c"))
                    .arg("-o")
                    .arg(place.join("clang.o"));
                quiet(command.current_dir(root));
            }),
        ));
    }
    actions(&mut list, Duration::from_millis(1))
}

fn quiet(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.is_ok_and(|s| s.success()), "{command:?}");
}
