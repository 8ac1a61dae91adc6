//! Hashes of texts: the same text has one, and texts that begin alike have others.

use std::hash::BuildHasher;

use nfl_syntax::hash::Seed;

#[test]
fn a_text_has_one_hash_in_a_table_and_another_one_in_the_next() {
    let (one, other) = (Seed::default(), Seed::default());
    for text in ["", "a", "checksum", "checksums", "destinationPort"] {
        assert_eq!(one.hash_one(text), one.hash_one(text));
        assert_ne!(one.hash_one(text), other.hash_one(text), "{text}");
    }
}

#[test]
fn texts_that_begin_alike_have_other_hashes() {
    let seed = Seed::default();
    let all = "destinationPort\0\0\0";
    let mut hashes: Vec<u64> = (0..=all.len())
        .map(|end| seed.hash_one(&all[..end]))
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all.len() + 1);
}
