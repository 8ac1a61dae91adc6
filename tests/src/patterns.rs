//! The five patterns that Bayware published for its engine, on the instruction set without a multiplier: never larger
//! than what a patient human writes, and source routing to the byte.

use nfl_codegen_rv::Options;
use nfl_isa::Target;
use nfl_tests::examples::EXAMPLES;

/// Function, bytes that were published, and bytes of the same by hand.
const PATTERNS: &[(&str, usize, usize)] = &[
    ("SourceRoute", 6, 6),
    ("Publish", 76, 34),
    ("Subscribe", 64, 30),
    ("PublishTagged", 104, 64),
    ("SubscribeTagged", 40, 18),
];
/// What those by hand add up to.
const BY_HAND: usize = 152;

/// `c.lw a1, 24(a5); c.li a0, 4; c.ebreak`: to the context's next hop.
const SOURCE_ROUTE: [u8; 6] = [0x8c, 0x4f, 0x11, 0x45, 0x02, 0x90];

/// The code and constants of a pattern, for `rv32ic`.
fn bytes(function: &str) -> (Vec<u8>, usize) {
    let example = EXAMPLES.iter().find(|e| e.function == function);
    let example = example.unwrap_or_else(|| panic!("{function} is an example"));
    let checking = example.check();
    let id = checking.function(Some(function));
    let id = id.unwrap_or_else(|e| panic!("{function}: {e}"));
    let sets = example.settings();
    let options = Options {
        target: Target::find("rv32ic").expect("a row of the table"),
        ..Options::default()
    };
    let stages = checking.stages_for(id, &sets, &options);
    let stages = stages.unwrap_or_else(|e| panic!("{function}: {e}"));
    let [one] = stages.as_slice() else {
        panic!("{function} is one image");
    };
    (one.image.code.clone(), one.image.constants.len())
}

#[test]
fn patterns_are_as_small_as_by_hand() {
    let mut sum = 0;
    let mut table = String::new();
    for &(function, published, by_hand) in PATTERNS {
        let (code, constants) = bytes(function);
        let size = code.len() + constants;
        sum += size;
        assert!(
            size <= published,
            "{function}: {size} bytes, {published} were published"
        );
        table += &format!("{function}: {size} bytes, {published} published, {by_hand} by hand\n");
    }
    let by_hand: usize = PATTERNS.iter().map(|(.., by_hand)| by_hand).sum();
    assert_eq!(by_hand, BY_HAND);
    assert!(sum <= BY_HAND, "{sum} bytes:\n{table}");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../suite/patterns", omit_expression => true }, {
        insta::assert_snapshot!("sizes", format!("{table}sum: {sum} bytes\n"));
    });
}

#[test]
fn a_source_route_is_three_instructions() {
    assert_eq!(bytes("SourceRoute"), (SOURCE_ROUTE.to_vec(), 0));
}
