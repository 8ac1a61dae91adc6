//! The byte form of images: what it is, that it is the only one, and what binding does.

use nfl_abi::image::{
    CARRIED_MAX, Claims, Import, Resource, ResourceKind, Right, Rights, TargetId, Verdict,
    VerdictKind,
};
use nfl_abi::{Entry, Image, ImageError, LateSlot, Layer, Limits, Manifest, Profile, Role};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|p| std::str::from_utf8(p).unwrap());
    pairs.map(|p| u8::from_str_radix(p, 16).unwrap()).collect()
}

/// A micro-segmentation guard of the size that capsules have.
fn guard() -> Image {
    let entry = |role, pc, steps| Entry {
        role,
        layer: Layer::Network,
        pc,
        need: 20,
        malformed: Verdict {
            kind: VerdictKind::Drop,
            operand: 1,
        },
        steps,
        period_ns: 0,
    };
    Image {
        manifest: Manifest {
            name: "lab::Segment.originator".into(),
            version: 1,
            profile: Profile::Capsule,
            target: TargetId(1),
            entries: vec![
                entry(Role::Originator, 0, 31),
                entry(Role::Transit, 88, 260),
            ],
            imports: Vec::new(),
            resources: Vec::new(),
            verdicts: 0b11,
            rights: Rights::NONE.with(Right::Rewrite),
            passes: 1,
            window: 64,
            carried: vec![0, 7, 0, 0],
            late: vec![LateSlot {
                name: "port".into(),
                offset: 4,
                width: 16,
                wire: true,
                lo: 0,
                hi: 0xffff,
            }],
            reasons: Vec::new(),
            claims: Claims::default(),
        },
        code: vec![0x02, 0x90],
        constants: vec![0; 8],
        certificate: Vec::new(),
    }
}

#[test]
fn the_byte_form_is_this() {
    let expected = concat!(
        "84",   // four byte strings
        "584e", // the manifest
        "a8",   // eight fields
        "07",
        "82",
        "776c61623a3a5365676d656e742e6f726967696e61746f72",
        "01", // name, version
        "21",
        "03", // verdicts Drop and Pass
        "22",
        "01", // right Rewrite
        "24",
        "82",
        "8700010014 0001181f",
        "87020118581400 0119 0104", // entries
        "25",
        "82",
        "00",
        "01", // capsule, target 1
        "26",
        "1840", // window 64
        "27",
        "82",
        "04",
        "420007", // carried
        "28",
        "81",
        "84",
        "64706f7274",
        "04",
        "10",
        "f5", // late port
        "42",
        "0290", // code
        "48",
        "0000000000000000", // constants
        "40",               // certificate
    );
    assert_eq!(hex(&guard().to_bytes()), expected.replace(' ', ""));
    assert_eq!(Image::from_bytes(&bytes(expected)), Ok(guard()));
}

#[test]
fn a_small_manifest_is_well_below_its_limit() {
    let mut image = guard();
    let bare = image.manifest.len_without_claims();
    assert!(bare < 96 && bare < Limits::EDGE.capsule.manifest_bytes as usize);
    image.manifest.claims = Claims {
        issuer: Some("controller".into()),
        audience: Some("edge".into()),
        expires: Some(1_800_000_000),
        not_before: Some(1_799_900_000),
    };
    assert_eq!(image.manifest.len_without_claims(), bare);
    assert!(image.manifest.to_bytes().len() > bare);
    assert_eq!(image.content_len(), 2 + 8 + 4);
}

/// Changes one byte pattern of the guard's manifest and gives the refusal.
fn refusal(from: &str, to: &str) -> String {
    let whole = hex(&guard().manifest.to_bytes());
    assert_eq!(whole.matches(from).count(), 1, "{from} stands once");
    match Manifest::from_bytes(&bytes(&whole.replace(from, to))) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

/// What stands once in the guard's manifest, what replaces it, and the refusal.
const OTHER_FORMS: &str = "\
a807 -> a707                      bytes follow after the end (byte 67)
a807 -> a907                      the bytes end too early (byte 78)
a807 -> a80c                      a key is unknown (byte 1)
2103 -> 2100                      a default is written out (byte 29)
2201 -> 2200                      a default is written out (byte 31)
2201 -> 2301                      a default is written out (byte 31)
2201 -> 1601                      keys do not ascend (byte 30)
2201 -> 2a01                      a key is unknown (byte 30)
2201 -> 221801                    a number is not in its shortest form (byte 31)
8700010014 -> 8707010014          a number stands for nothing (byte 35)
8700010014 -> 8700020014          a number stands for nothing (byte 36)
8700010014 -> 8600010014          an array has another number of elements (byte 34)
8700010014 -> 8800010014          an unsigned number is due here (byte 43)
140001190104 -> 140801190104      a number stands for nothing (byte 49)
25820001 -> 25820201              a number stands for nothing (byte 56)
25820001 -> 2582001900ff          a number is not in its shortest form (byte 57)
25820001 -> 258200190100          a number is too large (byte 57)
261840 -> 2600                    a default is written out (byte 59)
278204420007 -> 278200420007      a default is written out (byte 63)
278204420007 -> 278201420007      `carried` is shorter than its initial bytes (byte 64)
278204420007 -> 278204420700      a default is written out (byte 64)
278204420007 -> 2782190400420007  `carried` is longer than packets can carry (byte 63)
288184 -> 2880                    a default is written out (byte 68)
0410f5 -> 0400f5                  a late parameter has 1 to 32 bits (byte 76)
0410f5 -> 041821f5                a late parameter has 1 to 32 bits (byte 76)
0410f5 -> 0410f6                  `false` or `true` is due here (byte 77)
";

#[test]
fn every_other_form_is_refused() {
    for case in OTHER_FORMS.lines() {
        let (edit, expected) = case.split_once("  ").unwrap();
        let (from, to) = edit.split_once(" -> ").unwrap();
        let expected = format!("these bytes are not an image: {}", expected.trim());
        assert_eq!(refusal(from, to), expected, "{edit}");
    }
    let lacking = Manifest::from_bytes(&bytes("a1 25 82 00 01")).unwrap_err();
    assert!(
        lacking.to_string().contains("lacks its program"),
        "{lacking}"
    );
}

/// The range of the guard's late parameter, and the refusal.
const OTHER_RANGES: &str = "\
0019ffff      a default is written out (byte 78)
0201          the range of a late parameter is empty or too wide (byte 78)
001a00010000  the range of a late parameter is empty or too wide (byte 78)
";

#[test]
fn every_other_range_is_refused() {
    let whole = hex(&guard().manifest.to_bytes());
    for case in OTHER_RANGES.lines() {
        let (range, expected) = case.split_once("  ").unwrap();
        let text = whole.replace("8464706f7274", "8664706f7274") + range;
        let error = Manifest::from_bytes(&bytes(&text)).unwrap_err();
        let expected = format!("these bytes are not an image: {}", expected.trim());
        assert_eq!(error.to_string(), expected, "{range}");
    }
}

#[test]
fn a_late_parameter_is_bound_in_the_order_its_code_loads() {
    let mut image = guard();
    image.bind_late("port", 5432).unwrap();
    assert_eq!(image.constants, [0, 0, 0, 0, 0x15, 0x38, 0, 0]);
    image.manifest.late[0].wire = false;
    image.bind_late("port", 5432).unwrap();
    assert_eq!(image.constants, [0, 0, 0, 0, 0x38, 0x15, 0, 0]);
}

#[test]
fn a_binding_that_does_not_fit_is_refused() {
    let mut image = guard();
    let refused = image.bind_late("prot", 1).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the image has no late parameter `prot`"
    );
    assert_eq!(refused.code().text, "E802");
    let refused = image.bind_late("port", 0x1_0000).unwrap_err();
    assert_eq!(refused.to_string(), "`port` takes a value from 0 to 65535");
    assert_eq!(refused.code().text, "E803");
    image.manifest.late[0].offset = 6;
    let refused = image.bind_late("port", 1).unwrap_err();
    assert!(matches!(refused, ImageError::Malformed { at: 6, .. }));
    assert_eq!(refused.code().text, "E801");
    assert_eq!(image.constants, [0; 8]);
}

fn role() -> impl Strategy<Value = Role> {
    proptest::sample::select(Role::ALL)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let kind = proptest::sample::select(VerdictKind::ALL);
    (kind, any::<u32>()).prop_map(|(kind, operand)| Verdict { kind, operand })
}

fn entry() -> impl Strategy<Value = Entry> {
    let layer = proptest::sample::select(Layer::ALL);
    let period = prop_oneof![Just(0), any::<u64>()];
    let numbers = (any::<u32>(), any::<u16>(), any::<u32>(), period);
    (role(), layer, verdict(), numbers).prop_map(|(role, layer, malformed, numbers)| Entry {
        role,
        layer,
        pc: numbers.0,
        need: numbers.1,
        malformed,
        steps: numbers.2,
        period_ns: numbers.3,
    })
}

fn late() -> impl Strategy<Value = LateSlot> {
    let range = prop_oneof![Just((0, u32::MAX)), any::<(u32, u32)>()];
    let parts = (".{0,6}", any::<u16>(), 1..=32u8, any::<bool>(), range);
    parts.prop_map(|(name, offset, width, wire, (a, b))| {
        let largest = u32::MAX >> (32 - width);
        let (a, b) = (a & largest, b & largest);
        LateSlot {
            name,
            offset,
            width,
            wire,
            lo: a.min(b),
            hi: a.max(b),
        }
    })
}

fn claims() -> impl Strategy<Value = Claims> {
    let text = || proptest::option::of(".{0,12}");
    let time = || proptest::option::of(any::<u64>());
    (text(), text(), time(), time()).prop_map(|(issuer, audience, expires, not_before)| Claims {
        issuer,
        audience,
        expires,
        not_before,
    })
}

fn carried() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0), any::<u8>()];
    prop_oneof![vec(byte, 0..40), Just(vec![0; CARRIED_MAX])]
}

fn resource() -> impl Strategy<Value = Resource> {
    let kind = proptest::sample::select(ResourceKind::ALL);
    let small = || prop_oneof![0..2u32, any::<u32>()];
    let sizes = (any::<u16>(), any::<u16>(), any::<u32>(), any::<u32>());
    let rest = (small(), small(), any::<bool>());
    (".{0,8}", kind, sizes, rest).prop_map(|(name, kind, sizes, rest)| Resource {
        name,
        kind,
        key_bytes: sizes.0,
        value_bytes: sizes.1,
        capacity: sizes.2,
        layout: sizes.3,
        idle_ns: rest.0.into(),
        first: rest.1,
        flow_key: rest.2,
    })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let small = || prop_oneof![0..2u8, any::<u8>()];
    let import = (any::<u8>(), small(), proptest::option::of(any::<u8>()));
    let import = import.prop_map(|(service, param, resource)| Import {
        service,
        param: param.into(),
        resource,
    });
    let place = (proptest::sample::select(Profile::ALL), any::<u8>());
    let names = (".{0,30}", any::<u32>(), vec(".{0,9}", 0..3), claims());
    let lists = (
        vec(entry(), 0..4),
        vec(import, 0..4),
        vec(late(), 0..4),
        vec(resource(), 0..4),
    );
    let numbers = (small(), any::<u16>(), small(), small());
    let all = (place, names, lists, numbers, carried());
    all.prop_map(|(place, names, lists, numbers, carried)| Manifest {
        name: names.0,
        version: names.1,
        profile: place.0,
        target: TargetId(place.1),
        entries: lists.0,
        imports: lists.1,
        resources: lists.3,
        verdicts: numbers.0,
        rights: Rights(numbers.1),
        passes: numbers.2,
        window: numbers.3,
        carried,
        late: lists.2,
        reasons: names.2,
        claims: names.3,
    })
}

fn image() -> impl Strategy<Value = Image> {
    let part = || vec(any::<u8>(), 0..300);
    (manifest(), part(), part(), part()).prop_map(|(manifest, code, constants, certificate)| {
        Image {
            manifest,
            code,
            constants,
            certificate,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(u64::from_le_bytes(*b"NFL-NFL1")),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_reads_back(image in image()) {
        let written = image.to_bytes();
        prop_assert_eq!(Image::from_bytes(&written), Ok(image));
    }

    #[test]
    fn what_is_read_writes_back(image in image(), edits in vec(any::<(u16, u8)>(), 1..4)) {
        let mut foreign = image.to_bytes();
        for (at, byte) in edits {
            let at = usize::from(at) % foreign.len();
            foreign[at] = byte;
        }
        if let Ok(read) = Image::from_bytes(&foreign) {
            prop_assert_eq!(read.to_bytes(), foreign);
        }
    }

    #[test]
    fn manifests_of_edited_bytes_write_back(
        manifest in manifest(), at in any::<prop::sample::Index>(), byte in any::<u8>(), grow in 0..3
    ) {
        let mut foreign = manifest.to_bytes();
        let at = at.index(foreign.len());
        match grow {
            0 => foreign[at] = byte,
            1 => foreign.insert(at, byte),
            _ => drop(foreign.remove(at)),
        }
        if let Ok(read) = Manifest::from_bytes(&foreign) {
            prop_assert_eq!(read.to_bytes(), foreign);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(noise in vec(any::<u8>(), 0..200)) {
        let _ = Image::from_bytes(&noise);
        let _ = Manifest::from_bytes(&noise);
    }
}

#[test]
fn every_cut_and_every_added_byte_is_refused() {
    let whole = guard().to_bytes();
    for len in 0..whole.len() {
        assert!(Image::from_bytes(&whole[..len]).is_err(), "{len}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert!(Image::from_bytes(&longer).is_err());
}

#[test]
fn a_huge_claim_allocates_nothing() {
    // Four thousand million entries are claimed in nine bytes.
    let text = "a1 24 9b 0000000100000000";
    assert!(Manifest::from_bytes(&bytes(text)).is_err());
}
