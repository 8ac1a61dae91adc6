//! The pages that `nflc doc` writes.

use std::collections::BTreeMap;
use std::fs;

use crate::place::Place;

/// All pages by name.
fn pages(place: &Place) -> BTreeMap<String, String> {
    let entries = fs::read_dir(place.path("doc")).expect("a directory of pages");
    let page = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).expect("a page is text");
        (name, text)
    };
    entries
        .map(|entry| page(entry.expect("an entry")))
        .collect()
}

/// The values of an attribute, without their escapes.
fn values(text: &str, attribute: &str) -> Vec<String> {
    let start = format!(" {attribute}=\"");
    let pieces = text.split(start.as_str()).skip(1);
    pieces
        .map(|piece| piece.split('"').next().unwrap_or_default())
        .map(|value| value.replace("&amp;", "&"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let place = Place::new();
    place.ok(&["new", "guard"]);
    let guard = place.within("guard");
    guard.ok(&["doc", "--library"]);
    let pages = pages(&guard);
    assert!(pages.contains_key("index.html") && pages.contains_key("guard.html"));
    let mut links = 0;
    for (name, text) in &pages {
        for link in values(text, "href") {
            links += 1;
            if link.starts_with("http") {
                continue;
            }
            let (page, anchor) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let target = pages.get(page);
            let target = target.unwrap_or_else(|| panic!("{name}: {link}"));
            let known = anchor.is_empty() || values(target, "id").iter().any(|id| id == anchor);
            assert!(known, "{name}: {link}");
        }
        let mut ids = values(text, "id");
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: an anchor is there twice");
    }
    assert!(links > 100, "only {links} links");
    let net = &pages["nfl.net.html"];
    assert!(net.contains("<svg") && net.contains("Tcp follows Ipv4"));
    assert!(pages["guard.html"].contains("<td>originator</td>"));
}

#[test]
fn pages_are_the_same_each_time() {
    let place = Place::new();
    place.ok(&["new", "guard"]);
    let guard = place.within("guard");
    guard.ok(&["doc", "--library"]);
    let first = pages(&guard);
    guard.ok(&["doc", "--library"]);
    assert_eq!(first, pages(&guard));
}
