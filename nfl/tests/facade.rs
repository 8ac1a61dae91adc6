//! The facade from outside: what an embedding program can rely on.

use nfl::{
    Budget, Compiler, Context, Engine, EngineError, Image, Limits, MemoryFiles, Packet, Party,
    Policy, PrivateKey, Program, Rights, Role, Severity, TrustPolicy, TrustStore, Unit,
    VerdictKind,
};

const SOURCE: &str = "\
package acme;

import nfl.net.*;

public function Both(Prefix4 clients, late u16 port = 443) {
    on originator(Packet pkt) {
        if (pkt instanceof Ipv4 ip / Tcp tcp && ip.src in clients && tcp.dport == port) return Pass;
        return Drop;
    }
    on responder(Packet pkt) {
        if (pkt instanceof Ipv4 ip / Tcp tcp && ip.dst in clients && tcp.sport == port) return Pass;
        return Drop;
    }
}

public function Out() uses Route {
    on ingress(Packet pkt) {
        if (pkt instanceof Ipv4 ip) return Forward(Port(3));
        return Drop(NO_ROUTE);
    }
}
";

fn unit(text: &str) -> Unit {
    let files = MemoryFiles::from([("a.nfl", text)]);
    let build = Compiler::new(Limits::EDGE).build(&files, "a.nfl");
    build.finish().expect("a program without errors")
}

fn image(function: &str, values: &[(&str, &str)]) -> Image {
    let unit = unit(SOURCE);
    let function = unit.function(function).expect("it is in the file");
    let bound = function.bind(values).expect("values that do");
    let mut images = bound.images().expect("it fits");
    images.remove(0).image
}

#[test]
fn a_build_always_returns_and_shows_where() {
    let files = MemoryFiles::from([("a.nfl", "package a;\nfunction F( {\n")]);
    let build = Compiler::new(Limits::EDGE).build(&files, "a.nfl");
    assert!(
        build
            .diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    );
    let text = nfl::render(&build.diagnostics[0], build.sources(), nfl::Style::Short);
    assert!(text.starts_with("a.nfl:"), "{text}");
    let failed = build.finish().expect_err("there are errors");
    assert!(failed.to_string().contains("error[E"), "{failed}");

    let missing = Compiler::new(Limits::EDGE).build(&MemoryFiles::new(), "a.nfl");
    assert!(missing.finish().is_err());
}

#[test]
fn functions_have_names_handlers_and_parameters() {
    let unit = unit(SOURCE);
    let names: Vec<&str> = unit.functions().iter().map(|f| f.name()).collect();
    assert_eq!(names, ["Both", "Out"]);
    let both = unit.function("acme.Both").expect("with its package");
    assert_eq!(both.qualified(), "acme.Both");
    let roles: Vec<Role> = both.handlers().iter().map(|h| h.role).collect();
    assert_eq!(roles, [Role::Originator, Role::Responder]);
    let parameters = both.parameters();
    assert_eq!(parameters[0].name, "clients");
    assert!(!parameters[0].has_default && parameters[1].late && parameters[1].has_default);
    let missing = unit.function("Booth").expect_err("there is none");
    assert_eq!(missing.have, ["Both", "Out"]);
}

#[test]
fn values_are_judged() {
    let unit = unit(SOURCE);
    let both = unit.function("Both").expect("it is in the file");
    let clients = ("clients", "10.0.0.0/8");
    for values in [
        &[][..],
        &[("clients", "2001:db8::/32")],
        &[clients, ("port", "65536")],
        &[clients, ("prot", "1")],
    ] {
        let error = both.bind(values).map(drop).expect_err("these do not do");
        assert!(error.to_string().contains("error[E"), "{error}");
    }
    let images = both.bind(&[clients]).expect("these do").images();
    let parties: Vec<Party> = images.expect("it fits").iter().map(|b| b.party).collect();
    assert_eq!(parties, [Party::Originator, Party::Responder]);
}

#[test]
fn what_fails_for_some_values_only_is_left_for_binding() {
    let unit = unit(
        "\
package a;
import nfl.net.*;
public function Share(u8 parts) {
    on ingress(Packet pkt) {
        if (pkt instanceof Ipv4 ip && ip.ttl / parts == 1) return Pass;
        return Drop;
    }
}
",
    );
    let share = unit.function("Share").expect("it is in the file");
    assert!(
        share
            .bind(&[("parts", "3")])
            .expect("a u8")
            .images()
            .is_ok()
    );
    let error = share.bind(&[("parts", "0")]).expect("a u8").images();
    let error = error.map(drop).expect_err("nothing is divided by zero");
    assert!(error.to_string().contains("E505"), "{error}");
}

#[test]
fn targets_have_names() {
    assert!(Compiler::new(Limits::EDGE).target("rv32ic").is_ok());
    assert!(Compiler::new(Limits::EDGE).target("rv64gc").is_err());
    assert!(Compiler::new(Limits::EDGE).target("nme-2017").is_ok());
    assert!(Compiler::new(Limits::EDGE).target("rv32gc").is_err());
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let values = [("clients", "10.0.0.0/8"), ("port", "80")];
    let first = image("Both", &values).to_bytes();
    assert_eq!(first, image("Both", &values).to_bytes());
    assert_ne!(
        first,
        image("Both", &[("clients", "11.0.0.0/8")]).to_bytes()
    );
}

#[test]
fn programs_are_shared_and_policies_asked() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();

    let out = image("Out", &[]);
    let strict = Policy {
        rights: Rights::NONE,
        ..Policy::ALL
    };
    let refused = Engine::interp().load_unsigned(out.clone(), &strict);
    assert!(matches!(refused, Err(EngineError::Policy(_))));
    let program = Engine::interp().load_unsigned(out.clone(), &Policy::ALL);
    let program = program.expect("what was compiled is proved");
    let mut packet = Packet::from(vec![0x45; 40]);
    let context = Context::default();
    let run = program.instance().run(
        Role::Ingress,
        &mut packet,
        &context,
        &mut [],
        Budget::Proven,
    );
    let verdict = run.expect("proved code does not fault").verdict;
    assert_eq!((verdict.kind, verdict.operand), (VerdictKind::Forward, 3));

    let mut broken = out;
    broken.code.push(0);
    let refused = Engine::interp().load_unsigned(broken, &Policy::ALL);
    assert!(matches!(refused, Err(EngineError::Refused(_))));
}

#[test]
fn capsules_open_under_their_key_only() {
    let key = PrivateKey::generate().expect("the system gives random numbers");
    let other = PrivateKey::generate().expect("the system gives random numbers");
    let capsule = nfl::sign(&image("Out", &[]), &nfl::Claims::default(), &key);
    let capsule = capsule.expect("a sound image is signed");
    let open = |key: &PrivateKey| {
        let mut store = TrustStore::new(TrustPolicy::default());
        store.add_key(key.public().clone()).expect("the first key");
        store.open(&capsule, 0)
    };
    assert!(open(&other).is_err());
    let trusted = open(&key).expect("its own key");
    assert!(Engine::interp().load(&trusted, &Policy::ALL).is_ok());
    assert_eq!(
        nfl::peek(&capsule).expect("a capsule").0,
        key.public().kid()
    );
}
