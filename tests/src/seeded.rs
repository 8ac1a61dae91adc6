//! The seeded edits of the byte verifier still find what they change.

use std::collections::BTreeSet;
use std::fs;

use nfl_tests::root;
use nfl_tests::unsound::edits;

/// Fewer would say little about the tests.
const EDITS_MIN: usize = 120;

#[test]
fn every_edit_applies_in_one_place() {
    let edits = edits();
    assert!(edits.len() >= EDITS_MIN, "{} edits", edits.len());
    let mut titles = BTreeSet::new();
    let mut wrong = Vec::new();
    for edit in &edits {
        let source = fs::read_to_string(root().join(&edit.path)).expect("the verifier has this");
        match edit.apply(&source) {
            Ok(changed) if changed != source => {}
            Ok(_) => wrong.push(format!("{}: `{}` changes nothing", edit.path, edit.title)),
            Err(places) => wrong.push(format!(
                "{}: `{}` applies in {places} places",
                edit.path, edit.title
            )),
        }
        if !titles.insert(&edit.title) {
            wrong.push(format!("two edits are called `{}`", edit.title));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
