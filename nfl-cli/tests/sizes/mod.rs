//! Sizes of handlers and lines, and what has changed since they were saved.

use serde_json::Value;

use crate::place::{Place, Ran};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).expect("a JSON value")
}

/// The function with another statement, which needs more code.
fn grow(place: &Place) {
    let text = String::from_utf8(place.read("mark.nfl")).expect("text");
    let changed = text.replace("ip.ttl -= 1;", "ip.ttl -= 1;\n            ip.dscp = 46;");
    assert_ne!(text, changed);
    place.write("mark.nfl", changed);
}

#[test]
fn lines_add_up_to_the_code() {
    let place = Place::furnished();
    let lines = json(&place.ok(&["size", "contract.nfl", "--lines", "--format", "json"]));
    let lines = lines.as_array().expect("an array");
    for (party, other) in [("originator", "responder"), ("responder", "originator")] {
        let whole = place.ok(&["size", "contract.nfl", "--format", "json"]);
        let rows = json(&whole);
        let row = rows
            .as_array()
            .expect("an array")
            .iter()
            .find(|row| row["party"] == party);
        let code = row.expect("the party's image")["code"].as_u64();
        let own: Vec<&Value> = lines.iter().filter(|line| line["party"] == party).collect();
        let bytes: Vec<u64> = own
            .iter()
            .filter_map(|line| line["bytes"].as_u64())
            .collect();
        assert_eq!(Some(bytes.iter().sum()), code, "{other} counts apart");
        assert!(bytes.is_sorted_by(|a, b| a >= b), "{bytes:?}");
        assert!(
            own.iter().any(|line| line["file"] == "contract.nfl"),
            "{own:?}"
        );
    }
    let ran = place.ok(&["size", "contract.nfl", "--lines"]);
    assert!(ran.out.contains("Segment.originator: "), "{ran:?}");
    assert!(
        ran.out.contains("contract.nfl:8 | if (pkt instanceof"),
        "{ran:?}"
    );
    place.ok(&["build", "mark.nfl"]);
    place.fails(&["size", "Mark.resident.nfi", "--lines"], 1, "E910");
}

#[test]
fn growth_is_seen_against_a_baseline() {
    let place = Place::furnished();
    place.ok(&["size", "mark.nfl", "--save", "sizes.json"]);
    let saved = place.read("sizes.json");
    let diff = ["size", "mark.nfl", "--diff", "sizes.json"];
    let same = place.ok(&diff);
    assert!(
        same.out
            .lines()
            .nth(1)
            .is_some_and(|line| line.ends_with('=')),
        "{same:?}"
    );

    grow(&place);
    let ran = place.fails(&diff, 1, "E915");
    assert!(ran.err.contains("`Mark` on ingress takes"), "{ran:?}");
    let changes = json(&place.nflc(&[&diff[..], &["--format", "json"]].concat()));
    let bytes = |key: &str| changes[0][key].as_u64().expect("a number");
    let growth = bytes("now") - bytes("before");
    assert!(
        growth > 0 && ran.out.contains(&format!("+{growth}")),
        "{ran:?} {changes}"
    );
    let allow = |by: u64| {
        [&diff[..], &["--allow-growth", &by.to_string()]]
            .concat()
            .join(" ")
    };
    let allow = |by: u64| place.nflc(&allow(by).split(' ').collect::<Vec<_>>());
    assert_eq!((allow(growth).status, allow(growth - 1).status), (0, 1));

    // The new line is what grew; the lines below it have moved, and have not changed.
    let lines = place.nflc(&[&diff[..], &["--lines", "--format", "json"]].concat());
    let lines = json(&lines);
    let lines = lines.as_array().expect("an array");
    assert!(
        lines
            .iter()
            .any(|line| line["text"] == "ip.dscp = 46;" && line["before"] == 0),
        "{lines:?}"
    );
    let below = |line: &&Value| line["text"] == "if (ip.ttl <= 1) return Drop(HOP_LIMIT);";
    assert!(!lines.iter().any(|line| below(&line)), "{lines:?}");

    // What has grown too much does not become the baseline by itself.
    let both = [&diff[..], &["--save", "sizes.json"]].concat();
    place.fails(&both, 1, "E915");
    assert_eq!(place.read("sizes.json"), saved);
    place.ok(&["size", "mark.nfl", "--save", "sizes.json"]);
    assert_ne!(place.read("sizes.json"), saved);
    place.ok(&both);
}

#[test]
fn new_and_lost_handlers_are_no_growth() {
    let place = Place::furnished();
    place.ok(&["size", "mark.nfl", "--save", "sizes.json"]);
    let ran = place.ok(&["size", "contract.nfl", "--diff", "sizes.json"]);
    for word in ["new", "gone", "Mark", "Segment"] {
        assert!(ran.out.contains(word), "{word}: {ran:?}");
    }
    place.write("broken.json", "{\"handlers\": 3}");
    place.fails(&["size", "mark.nfl", "--diff", "broken.json"], 1, "E910");
    place.fails(&["size", "mark.nfl", "--diff", "none.json"], 2, "E901");
    place.fails(
        &["size", "mark.nfl", "--save", "none/sizes.json"],
        2,
        "E902",
    );
    place.fails(&["size", "mark.nfl", "--allow-growth", "4"], 2, "E900");
    place.fails(&["size"], 2, "E913");
}

#[test]
fn a_project_is_measured_as_it_is_built() {
    let place = Place::new();
    place.ok(&["new", "guard"]);
    let guard = place.within("guard");
    let rows = json(&guard.ok(&["size", "--format", "json"]));
    let on = |at: usize| rows[at]["on"].as_str().map(str::to_string);
    assert_eq!(
        (on(0).as_deref(), on(1).as_deref()),
        (Some("originator"), Some("responder"))
    );
}
