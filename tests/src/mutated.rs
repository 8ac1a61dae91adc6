//! The runner of mutants, over a program whose tests are known to be good, and one whose are not.

use nfl_tests::mutants::{Tally, fate, mutants};

const GOOD: &str = "package lab;

import nfl.net.*;

public function Limit() {
    on ingress(Packet pkt) {
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        return ip.ttl < 3 ? Drop(HOP_LIMIT) : Pass;
    }

    @Test void edges() {
        var limit = Limit();
        assert limit.ingress(Ipv4(ttl = 2)).verdict == Drop(HOP_LIMIT);
        assert limit.ingress(Ipv4(ttl = 3)).verdict == Pass;
        assert limit.ingress(Ipv6()).verdict == Pass;
    }
}
";

fn tally(text: &str) -> Tally {
    let place = tempfile::tempdir().expect("there is room for a directory");
    let path = place.path().join("Limit.nfl");
    std::fs::write(&path, text).expect("there is room for a file");
    let mut tally = Tally::default();
    for mutant in mutants(&path) {
        tally.count(fate(&mutant));
    }
    tally
}

#[test]
fn tests_that_look_at_each_edge_kill_every_mutant() {
    let tally = tally(GOOD);
    assert_eq!((tally.survived, tally.percent()), (0, 100), "{tally:?}");
    assert!(tally.killed >= 5, "{tally:?}");
}

#[test]
fn tests_that_look_at_little_let_mutants_live() {
    let (head, tail) = GOOD
        .split_once("        assert")
        .expect("there are assertions");
    let text = format!(
        "{head}{}",
        tail.split_once("}\n").map_or("", |_| "    }\n}\n")
    );
    let tally = tally(&text);
    assert_eq!((tally.killed, tally.percent()), (0, 0), "{tally:?}");
}
