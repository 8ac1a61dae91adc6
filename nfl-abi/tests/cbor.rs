//! Deterministic CBOR against the examples of RFC 8949, appendix A, and forms it forbids.

use nfl_abi::cbor::{Malformed, Map, Reader, Writer};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|p| std::str::from_utf8(p).unwrap());
    pairs.map(|p| u8::from_str_radix(p, 16).unwrap()).collect()
}

const NUMBERS: &[(i64, &str)] = &[
    (0, "00"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (100, "1864"),
    (255, "18ff"),
    (256, "190100"),
    (1000, "1903e8"),
    (65_535, "19ffff"),
    (65_536, "1a00010000"),
    (1_000_000, "1a000f4240"),
    (4_294_967_295, "1affffffff"),
    (4_294_967_296, "1b0000000100000000"),
    (1_000_000_000_000, "1b000000e8d4a51000"),
    (i64::MAX, "1b7fffffffffffffff"),
    (-1, "20"),
    (-8, "27"),
    (-24, "37"),
    (-25, "3818"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (i64::MIN, "3b7fffffffffffffff"),
];

#[test]
fn numbers_are_as_in_the_rfc() {
    for &(n, text) in NUMBERS {
        let mut w = Writer::new();
        w.int(n);
        let written = w.into_bytes();
        assert_eq!(hex(&written), text);
        let mut r = Reader::new(&written);
        assert_eq!(r.int(), Ok(n));
        assert_eq!(r.end(), Ok(()));
    }
}

#[test]
fn the_largest_number_reads_back() {
    let mut w = Writer::new();
    w.uint(u64::MAX);
    assert_eq!(hex(&w.clone().into_bytes()), "1bffffffffffffffff");
    assert_eq!(Reader::new(&w.into_bytes()).uint(), Ok(u64::MAX));
}

#[test]
fn strings_and_heads_are_as_in_the_rfc() {
    let mut w = Writer::new();
    w.tag(18);
    w.array(4);
    w.bytes(&[1, 2, 3, 4]);
    w.text("\u{6c34}");
    w.bool(false);
    w.bool(true);
    let written = w.into_bytes();
    assert_eq!(
        hex(&written),
        "d28444010203046 3e6b0b4f4f5".replace(' ', "")
    );

    let mut r = Reader::new(&written);
    assert_eq!(r.tag(), Ok(18));
    assert_eq!(r.array_of(4), Ok(()));
    assert_eq!(r.bytes(), Ok(&[1, 2, 3, 4][..]));
    assert_eq!(r.text(), Ok("\u{6c34}"));
    assert_eq!((r.bool(), r.bool()), (Ok(false), Ok(true)));
    assert_eq!(r.end(), Ok(()));
}

#[test]
fn keys_ascend_by_their_bytes() {
    let mut map = Map::new();
    map.field(1).uint(1u8);
    map.field(23).uint(2u8);
    map.field(-1).uint(3u8);
    map.field(-24).uint(4u8);
    let mut w = Writer::new();
    w.map(map);
    let written = w.into_bytes();
    assert_eq!(hex(&written), "a401011702200337 04".replace(' ', ""));

    let mut r = Reader::new(&written);
    let mut fields = r.map().unwrap();
    let mut seen = Vec::new();
    while let Some(key) = r.field(&mut fields).unwrap() {
        seen.push((key, r.uint().unwrap()));
    }
    assert_eq!(seen, [(1, 1), (23, 2), (-1, 3), (-24, 4)]);
}

#[test]
#[should_panic(expected = "ascending order")]
fn a_map_refuses_fields_out_of_order() {
    let mut map = Map::new();
    map.field(-1).uint(1u8);
    map.field(1).uint(1u8);
}

fn whole_map(r: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut fields = r.map()?;
    while r.field(&mut fields)?.is_some() {
        r.uint()?;
    }
    r.end()
}

#[test]
fn other_forms_are_refused_where_they_begin() {
    type Read = fn(&mut Reader<'_>) -> Result<(), Malformed>;
    let uint: Read = |r| r.uint().map(drop);
    let byte: Read = |r| r.number::<u8>().map(drop);
    let int: Read = |r| r.int().map(drop);
    let string: Read = |r| r.bytes().map(drop);
    let text: Read = |r| r.text().map(drop);
    let boolean: Read = |r| r.bool().map(drop);
    let array: Read = |r| r.array_of(2);
    let cases: &[(Read, &str, &str, usize)] = &[
        (uint, "", "the bytes end too early", 0),
        (uint, "19 01", "the bytes end too early", 2),
        (uint, "18 17", "a number is not in its shortest form", 0),
        (uint, "19 00ff", "a number is not in its shortest form", 0),
        (
            uint,
            "1a 0000ffff",
            "a number is not in its shortest form",
            0,
        ),
        (
            uint,
            "1b 00000000ffffffff",
            "a number is not in its shortest form",
            0,
        ),
        (uint, "1c", "a length is open or reserved", 0),
        (uint, "20", "an unsigned number is due here", 0),
        (uint, "f6", "an unsigned number is due here", 0),
        (byte, "19 0100", "a number is too large", 0),
        (int, "3b ffffffffffffffff", "a number is too large", 0),
        (int, "1b ffffffffffffffff", "a number is too large", 0),
        (
            string,
            "58 01 00",
            "a number is not in its shortest form",
            0,
        ),
        (string, "42 00", "the bytes end too early", 2),
        (string, "5b ffffffffffffffff", "the bytes end too early", 9),
        (string, "5f 41 00 ff", "a length is open or reserved", 0),
        (text, "62 c328", "a text is not UTF-8", 1),
        (text, "41 61", "a text string is due here", 0),
        (boolean, "f6", "`false` or `true` is due here", 0),
        (array, "9f 00 00 ff", "a length is open or reserved", 0),
        (
            array,
            "83 00 00 00",
            "an array has another number of elements",
            0,
        ),
        (whole_map, "a2 01 00 01 00", "keys do not ascend", 3),
        (whole_map, "a2 20 00 01 00", "keys do not ascend", 3),
        (whole_map, "a1 1818 00", "a key is unknown", 1),
        (whole_map, "a1 01", "the bytes end too early", 2),
        (whole_map, "a1 01 00 00", "bytes follow after the end", 3),
        (whole_map, "bf 01 00 ff", "a length is open or reserved", 0),
    ];
    for &(read, text, what, at) in cases {
        let input = bytes(text);
        let result = read(&mut Reader::new(&input));
        assert_eq!(result, Err(Malformed { what, at }), "{text}");
    }
}
