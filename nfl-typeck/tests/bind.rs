//! Values for parameters: what is read, and what is refused.

use nfl_syntax::Diags;
use nfl_syntax::arena::Id;
use nfl_typeck::program::Library;
use nfl_typeck::tables::FunctionId;
use nfl_typeck::{Bindings, Checked, Files, Konst, Program, bind};

struct One(&'static str);

impl Files for One {
    fn read(&self, _: &str) -> Option<String> {
        Some(self.0.to_string())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

const SOURCE: &str = "
function F(Prefix4 clients, Ip6 host, u16 port in 1..1023 = 443, boolean on = false, Mac self,
        Duration pace = 10ms, Rate most = 1Mbps, Size burst = 64KiB, Port out = Port(1), int low = -5,
        Prefix6 wide = ::/0, late u8 depth in 1..8, u8 hops in 1..16) {
    carried u8[hops] trace;
    on transit(Packet pkt) { return Pass; }
}";

fn checked() -> Checked {
    let mut diags = Diags::default();
    let program = Program::load("f.nfl", &One(SOURCE), &Library::default(), &mut diags);
    let checked = nfl_typeck::check(program, &mut diags);
    assert!(checked.sound().is_some(), "{diags:?}");
    checked
}

/// The values, and the codes of what is refused.
fn bound(sets: &[(&str, &str)]) -> (Option<Bindings>, Vec<&'static str>) {
    let checked = checked();
    let sets: Vec<(String, String)> = sets
        .iter()
        .map(|(n, t)| ((*n).to_string(), (*t).to_string()))
        .collect();
    let mut diags = Diags::default();
    let bindings = bind::bind(&checked, FunctionId::new(0), &sets, &mut diags);
    (bindings, diags.iter().map(|d| d.code.text).collect())
}

const ALL: &[(&str, &str)] = &[
    ("clients", "10.1.0.0/16"),
    ("host", "2001:db8::1"),
    ("self", "02:00:5e:10:00:01"),
    ("depth", "0x3"),
    ("hops", "4"),
];

#[test]
fn what_is_not_set_has_its_default() {
    let (bindings, codes) = bound(ALL);
    assert_eq!(codes, Vec::<&str>::new());
    let bindings = bindings.expect("all parameters have values");
    let values: Vec<_> = checked().tables.functions[FunctionId::new(0)]
        .params
        .iter()
        .map(|&id| bindings.values[id].clone().expect("a value"))
        .collect();
    let expected = [
        Konst::Prefix4 {
            addr: 0x0a01_0000,
            len: 16,
        },
        Konst::Ip6(0x2001_0db8_0000_0000_0000_0000_0000_0001),
        Konst::Int(443),
        Konst::Bool(false),
        Konst::Int(0x0200_5e10_0001),
        Konst::Int(10_000_000),
        Konst::Int(1_000_000),
        Konst::Int(65_536),
        Konst::Int(1),
        Konst::Int(-5),
        Konst::Prefix6 { addr: 0, len: 0 },
        Konst::Int(3),
        Konst::Int(4),
    ];
    assert_eq!(values, expected);
}

#[test]
fn each_form_of_a_value_is_read() {
    for (name, text) in [
        ("clients", "10.1.2.3"),
        ("host", "::"),
        ("port", "80"),
        ("port", " 0b101 "),
        ("on", "true"),
        ("pace", "250us"),
        ("most", "10Mbps"),
        ("burst", "1500B"),
        ("out", "65535"),
        ("low", "-2147483648"),
        ("wide", "2001:db8::/32"),
    ] {
        let mut sets: Vec<_> = ALL.iter().copied().filter(|(n, _)| *n != name).collect();
        sets.push((name, text));
        assert_eq!(bound(&sets).1, Vec::<&str>::new(), "{name} = {text}");
    }
}

#[test]
fn each_mistake_is_said_once() {
    for (extra, code) in [
        (("prot", "80"), "E280"),
        (("port", "0"), "E281"),
        (("port", "1024"), "E281"),
        (("port", "65536"), "E283"),
        (("port", "-1"), "E283"),
        (("port", "eighty"), "E283"),
        (("port", ""), "E283"),
        (("port", "1 + 2"), "E283"),
        (("port", "1; } } class X { void f() { return 2"), "E283"),
        (("on", "1"), "E283"),
        (("out", "Port(2)"), "E283"),
        (("burst", "64"), "E283"),
        (("wide", "10.0.0.0/8"), "E283"),
        (("hops", "5"), "E284"),
    ] {
        let sets: Vec<_> = ALL.iter().copied().chain([extra]).collect();
        let (bindings, codes) = bound(&sets);
        assert!(bindings.is_none());
        assert_eq!(codes, [code], "{extra:?}");
    }
    assert_eq!(bound(&ALL[1..]).1, ["E282"]);
}

#[test]
fn unbound_leaves_open_what_is_no_length() {
    let checked = checked();
    let function = FunctionId::new(0);
    let bindings = Bindings::unbound(&checked, function);
    let of = |name: &str| {
        let tables = &checked.tables;
        let params = &tables.functions[function].params;
        let is_it = |id| checked.program.names.text(tables.templates[id].name) == name;
        let id = params.iter().copied().find(|&id| is_it(id)).expect(name);
        bindings.values[id].clone()
    };
    assert_eq!(of("clients"), None);
    assert_eq!(of("depth"), None);
    assert_eq!(of("port"), None);
    assert_eq!(of("hops"), Some(Konst::Int(16)));
}
