//! What each operation means, and what stops a run, as the interpreter shows it.

use nfl_abi::host::NoHost;
use nfl_ir::interp::{self, Inputs, Room, Trap};
use nfl_ir::{Fmt, Op, text};

fn run(body: &str, packet: &mut Vec<u8>, carried: &mut [u8]) -> Result<(u32, u32), Trap> {
    let source = format!(
        "module t capsule rights [] passes 1\n\
         late0 port: 16 wire in 0..65535\n\
         late1 count: 8 in 0..255\n\
         data0 TABLE align 1: 01 02 03 84\n\
         on originator NETWORK {{\n  slot0: 4 align 4\nb0:\n{body}\n}}\n"
    );
    let m = text::parse(&source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let mut inputs = Inputs {
        context: &[10, 11, 12],
        carried,
        late: &[0x1234, 7],
        params: &[],
        host: &mut NoHost,
        room: Room::default(),
    };
    interp::run(&m, 0, packet, &mut inputs)
}

/// The result of the last line of a body.
fn value(body: &str) -> Result<u32, Trap> {
    let last = body.lines().last().unwrap_or_default();
    let name = last.split([' ', ':']).find(|w| !w.is_empty());
    let name = name.expect("the last line has a result");
    let finish = format!("{body}\n  finish {name}, {name}");
    let (kind, _) = run(
        &finish,
        &mut vec![0xaa, 0xbb, 0xcc, 0xdd, 0xee],
        &mut [1, 2],
    )?;
    Ok(kind)
}

#[test]
fn every_operation_on_numbers() {
    let minus_seven = -7_i32 as u32;
    let table = [
        (Op::Add, 7, u32::MAX, 6),
        (Op::Sub, 3, 5, u32::MAX - 1),
        (Op::Mul, 0x1_0001, 0x1_0001, 0x2_0001),
        (Op::Mulhu, 0x1_0001, 0x1_0001, 1),
        (Op::Divu, minus_seven, 2, 0x7fff_fffc),
        (Op::Remu, minus_seven, 2, 1),
        (Op::Div, minus_seven, 2, -3_i32 as u32),
        (Op::Rem, minus_seven, 2, u32::MAX),
        (Op::Div, i32::MIN as u32, u32::MAX, i32::MIN as u32),
        (Op::Rem, i32::MIN as u32, u32::MAX, 0),
        (Op::And, 12, 10, 8),
        (Op::Or, 12, 10, 14),
        (Op::Xor, 12, 10, 6),
        (Op::Shl, 1, 33, 2),
        (Op::Shr, minus_seven, 28, 15),
        (Op::Sar, minus_seven, 1, -4_i32 as u32),
        (Op::Eq, 3, 3, 1),
        (Op::Ne, 3, 3, 0),
        (Op::Ltu, 1, minus_seven, 1),
        (Op::Geu, 1, minus_seven, 0),
        (Op::Lt, 1, minus_seven, 0),
        (Op::Ge, 1, minus_seven, 1),
    ];
    for (op, a, b, want) in table {
        let name = op.spec().text;
        let body = format!("  v0 = const {a}\n  v1 = const {b}\n  v2 = {name} v0, v1");
        assert_eq!(value(&body), Ok(want), "{name} {a}, {b}");
    }
    let rows = Op::ALL.iter().filter(|op| op.spec().fmt == Fmt::Binary);
    assert!(
        rows.into_iter()
            .all(|op| table.iter().any(|row| row.0 == *op))
    );
}

#[test]
fn words_from_elsewhere() {
    let table = [
        ("  v0 = len", 5),
        ("  v0 = context 8", 12),
        ("  v0 = late 0", 0x3412),
        ("  v0 = late 1", 7),
        ("  v0 = load8.packet 4", 0xee),
        ("  v0 = load16.packet 1", 0xccbb),
        ("  v0 = load32.packet 1", 0xeedd_ccbb),
        ("  v0 = load16.carried 0", 0x201),
        ("  v0 = const 2\n  v1 = load16.data0 v0 + 0", 0x8403),
        ("  v0 = const 3\n  v1 = load8.data0 v0 + 4294967295", 3),
        ("  v0 = const 66051\n  v1 = bswap16 v0", 0x302),
        ("  v0 = const 66051\n  v1 = bswap32 v0", 0x302_0100),
        (
            "  v0 = const 4294967295\n  store32.slot0 v0, 0\n  v1 = const 0\n  store8.slot0 v1, 1\n  v2 = load32.slot0 0",
            0xffff_00ff,
        ),
    ];
    for (body, want) in table {
        assert_eq!(value(body), Ok(want), "{body}");
    }
}

#[test]
fn what_stops_a_run() {
    let table = [
        ("  v0 = load16.packet 4", Trap::OutOfBounds),
        ("  v0 = load8.carried 2", Trap::OutOfBounds),
        ("  v0 = load8.slot0 0", Trap::Undefined),
        ("  v0 = context 12", Trap::Unbound),
        ("  v0 = const 0\n  v1 = divu v0, v0", Trap::DivideByZero),
        ("  v0 = const 0\n  assert v0\n  v1 = len", Trap::Asserted),
        (
            "  v0 = const 0\n  store8.data0 v0, 0\n  v1 = len",
            Trap::ReadOnly,
        ),
        (
            "  v0 = const 1\n  jump b1\nb1:\n  branch v0, b1, b2\nb2:\n  v1 = len",
            Trap::Endless,
        ),
    ];
    for (body, want) in table {
        assert_eq!(value(body), Err(want), "{body}");
    }
}

#[test]
fn stores_change_packet_and_carried_bytes() {
    let (mut packet, mut carried) = (vec![0; 4], [9; 2]);
    let body =
        "  v0 = const 305419896\n  store16.packet v0, 2\n  store8.carried v0, 1\n  finish v0, v0";
    let verdict = run(body, &mut packet, &mut carried);
    assert_eq!(verdict, Ok((0x1234_5678, 0x1234_5678)));
    assert_eq!((packet, carried), (vec![0, 0, 0x78, 0x56], [9, 0x78]));
}

#[test]
fn text_that_is_no_module() {
    let head = "module t capsule rights [] passes 1\n";
    let handler = |body: &str| format!("{head}on originator NETWORK {{\n{body}\n}}\n");
    let table = [
        (String::new(), "a module is due here"),
        (
            "module t here rights [] passes 1".into(),
            "`here` is unknown",
        ),
        (format!("{head}late0 a: 33 in 0..1"), "33 is no width"),
        (format!("{head}late0 a: 8 in 0-1"), "`0-1` is no range"),
        (
            format!("{head}on originator NETWORK {{"),
            "the handler has no end",
        ),
        (handler("  v0 = len"), "a block is due here"),
        (handler("b0:\nb0:"), "b0 stands twice"),
        (handler("b0:\n  v0 = gcd v0, v0"), "`gcd` is no operation"),
        (handler("b0:\n  finish v0, v0"), "v0 is nowhere defined"),
        (handler("b0:\n  jump b7"), "b7 is nowhere"),
        (handler("b0:\n  v0 = load8 4"), "`load8` with region ``"),
        (handler("b0:\n  v0 = len 4"), "`4` is too much"),
        (handler("b0:\n  jump b0\n  jump b0"), "the block has ended"),
    ];
    for (source, want) in table {
        let refused = text::parse(&source).expect_err(&source);
        assert_eq!(refused.what, want, "{source}");
    }
}
