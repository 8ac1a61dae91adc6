//! Diagnostic codes that no source file of the suite leads to: they come from images, keys and time.

use nfl::{
    Budget, Claims, Compiler, Context, Engine, Image, KeyError, Limits, MemoryFiles, Packet,
    Policy, PrivateKey, PublicKey, Rights, Role, Signer, TrustPolicy, TrustStore,
};

/// A program that asks for the right `Rewrite`.
const MARKER: &str = "import nfl.net.*;
function Marker() uses Rewrite {
    on ingress(Packet pkt) {
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        ip.dscp = 46;
        return Pass;
    }
}
";

const DAY_S: u64 = 86_400;

fn codes_of(text: &str) -> Vec<&'static str> {
    let files = MemoryFiles::from([("case.nfl", text)]);
    let build = Compiler::new(Limits::EDGE).build(&files, "case.nfl");
    let unit = build.finish().unwrap_or_else(|e| panic!("{e}"));
    let function = unit.functions()[0];
    let bound = function.bind(&[]).unwrap_or_else(|e| panic!("{e}"));
    match bound.images() {
        Ok(_) => Vec::new(),
        Err(error) => error.diagnostics.iter().map(|d| d.code.text).collect(),
    }
}

fn image() -> Image {
    let files = MemoryFiles::from([("case.nfl", MARKER)]);
    let build = Compiler::new(Limits::EDGE).build(&files, "case.nfl");
    let unit = build.finish().unwrap_or_else(|e| panic!("{e}"));
    let bound = unit.functions()[0]
        .bind(&[])
        .unwrap_or_else(|e| panic!("{e}"));
    let mut images = bound.images().unwrap_or_else(|e| panic!("{e}"));
    images.remove(0).image
}

#[test]
fn e704_more_than_the_budget() {
    let with = |budget: &str| format!("import nfl.net.*;\n@Budget({budget})\n{}", &MARKER[18..]);
    assert_eq!(codes_of(&with("steps = 4")), ["E704"]);
    assert_eq!(codes_of(&with("bytes = 8")), ["E701"]);
    assert_eq!(codes_of(&with("bytes = 8, steps = 4")), ["E701", "E704"]);
    assert_eq!(codes_of(&with("bytes = 200, steps = 90")), [""; 0]);
}

#[test]
fn e701_too_large_for_the_platform() {
    let elements = vec!["70000"; 300].join(", ");
    let text = format!(
        "import nfl.net.*;
function Wide() {{
    static final u32[300] TABLE = {{{elements}}};
    on ingress(Packet pkt) {{
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        return TABLE[ip.ttl] == 70000 ? Pass : Drop;
    }}
}}
"
    );
    assert_eq!(codes_of(&text), ["E701"]);
    assert_eq!(codes_of(MARKER), [""; 0]);
}

/// A program whose handler, or whose chain of stages, says this many things.
fn repeated(count: usize, declared: &str, said: &str, uses: &str, stages: usize) -> String {
    let each = |text: &str, count: usize| -> String {
        let numbered = (0..count).map(|n| text.replace('#', &n.to_string()));
        numbered.collect()
    };
    let stage = |n: usize| {
        format!(
            "function Stage{n}x() {uses} {{\n{}    on ingress(Packet pkt) {{\n{}        return Pass;\n    }}\n}}\n",
            each(declared, count),
            each(said, count)
        )
    };
    let all: String = (0..stages).map(stage).collect();
    let names: Vec<String> = (0..stages).map(|n| format!("Stage{n}x()")).collect();
    let imports = "import nfl.table.*;\n";
    match stages {
        1 => format!("{imports}{all}"),
        _ => format!("{imports}{all}chain All {uses} = {};\n", names.join(" -> ")),
    }
}

/// Codes of a file whose last function or chain is built.
fn codes_of_last(text: &str) -> Vec<&'static str> {
    let files = MemoryFiles::from([("case.nfl", text)]);
    let build = Compiler::new(Limits::EDGE).build(&files, "case.nfl");
    let errors = build.diagnostics.iter();
    let errors = errors.filter(|d| d.severity == nfl_abi::Severity::Error);
    errors.map(|d| d.code.text).collect()
}

#[test]
fn e701_more_than_a_byte_can_number() {
    let log = |n| repeated(n, "", "        log(\"text #\");\n", "uses Report", 1);
    assert_eq!(codes_of_last(&log(256)), [""; 0]);
    assert_eq!(codes_of_last(&log(257)), ["E701"]);
    let counters = |n, stages| {
        let declared = "    Counter c#;\n";
        repeated(n, declared, "        c#.count(pkt);\n", "", stages)
    };
    assert_eq!(codes_of_last(&counters(51, 5)), [""; 0]);
    assert_eq!(codes_of_last(&counters(52, 5)), ["E701"]);
    let records: String = (0..256)
        .map(|n| format!("record R{n}x(u32 a{n}) {{}}\n"))
        .collect();
    let said = "        report(R#x(1));\n";
    let report = |n| repeated(n, "", said, "uses Report", 1) + &records;
    assert_eq!(codes_of_last(&report(255)), [""; 0]);
    assert_eq!(codes_of_last(&report(256)), ["E701"]);
    let declared = "    static final Reason R_# = Reason(\"reason #\");\n";
    let said = "        if (pkt.size == #B) return Drop(R_#);\n";
    let reasons = |n| repeated(n, declared, said, "", 1);
    assert_eq!(codes_of_last(&reasons(239)), [""; 0]);
    assert_eq!(codes_of_last(&reasons(240)), ["E701"]);
}

#[test]
fn e806_e807_keys_that_cannot_be() {
    // Two keys of one id would take 2^64 tries, and a system without random numbers is rare.
    let key = PrivateKey::generate().expect("the system gives random numbers");
    assert_eq!(KeyError::SameId(key.public().kid()).code().text, "E806");
    assert_eq!(KeyError::NoRandom.code().text, "E807");
}

/// Signs with another key than it shows.
struct Liar {
    shown: PrivateKey,
    used: PrivateKey,
}

impl Signer for Liar {
    fn public(&self) -> &PublicKey {
        self.shown.public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], nfl::SignError> {
        self.used.sign(message)
    }
}

#[test]
fn e808_e809_nothing_is_signed() {
    let key = || PrivateKey::generate().expect("the system gives random numbers");
    let liar = Liar {
        shown: key(),
        used: key(),
    };
    let error = nfl::sign(&image(), &Claims::default(), &liar).expect_err("the signature is wrong");
    assert_eq!(error.code().text, "E808");
    let claims = Claims {
        not_before: Some(DAY_S),
        expires: Some(DAY_S),
        ..Claims::default()
    };
    let error = nfl::sign(&image(), &claims, &key()).expect_err("there is no time to run");
    assert_eq!(error.code().text, "E809");
}

#[test]
fn e815_a_capsule_of_tomorrow() {
    let key = PrivateKey::generate().expect("the system gives random numbers");
    let claims = Claims {
        not_before: Some(2 * DAY_S),
        expires: Some(3 * DAY_S),
        ..Claims::default()
    };
    let capsule = nfl::sign(&image(), &claims, &key).unwrap_or_else(|e| panic!("{e}"));
    let mut trust = TrustStore::new(TrustPolicy::default());
    trust
        .add_key(key.public().clone())
        .unwrap_or_else(|e| panic!("{e}"));
    let error = trust.open(&capsule, DAY_S).expect_err("it is too early");
    assert_eq!(error.code().text, "E815");
    assert!(trust.open(&capsule, 2 * DAY_S).is_ok());
}

#[test]
fn e831_e832_an_image_that_does_not_run_here() {
    let mut broken = image();
    // Falls off the end: without `ebreak`.
    broken.code.truncate(broken.code.len() - 2);
    let error = Engine::interp().load_unsigned(broken, &Policy::ALL);
    assert_eq!(error.expect_err("the code has no end").code().text, "E831");
    let mut policy = Policy::ALL;
    policy.rights = Rights::NONE;
    let error = Engine::interp().load_unsigned(image(), &policy);
    assert_eq!(error.expect_err("it asks for Rewrite").code().text, "E832");
}

#[test]
fn e833_a_handler_that_is_not_there() {
    let program = Engine::interp().load_unsigned(image(), &Policy::ALL);
    let mut instance = program.unwrap_or_else(|e| panic!("{e}")).instance();
    let mut packet = Packet::from(&[0x45][..]);
    let fault = instance.run(
        Role::Egress,
        &mut packet,
        &Context::default(),
        &mut [],
        Budget::Proven,
    );
    assert_eq!(
        fault.expect_err("there is no such handler").code().text,
        "E833"
    );
}
