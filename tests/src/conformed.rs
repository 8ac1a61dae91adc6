//! The examples as conformance vectors: our engines pass them.

use nfl::conform::{EngineKind, Reply, Request, Session, difference};
use nfl_tests::conform::programs;

#[test]
fn examples_conform_on_our_engines() {
    // One with headers alone, one with memory of its own, one with tables, one that resizes, one that keeps flows.
    let few = ["Segment", "PathTrace", "Router", "VxlanGateway", "Nat44"];
    let suite = programs(1, |function| few.contains(&function));
    let suite = suite.unwrap_or_else(|e| panic!("{e}"));
    assert!(suite.programs.len() >= few.len(), "each has an image");
    for &kind in EngineKind::ALL {
        let mut session = Session::new(kind);
        let mut ask = |request: &Request| -> Reply {
            let line = serde_json::to_string(request).expect("requests can be written");
            let reply = session.reply(&line).expect("the line is a request");
            serde_json::from_str(&reply).expect("the line is a reply")
        };
        for program in suite.programs.values() {
            let reply = ask(&Request::Program(Box::new(program.clone())));
            assert_eq!(reply, Reply::Ready {}, "{}", program.name);
        }
        let mut called = 0;
        for vector in &suite.vectors {
            let expect = vector.expect.as_ref().expect("vectors expect something");
            let Reply::Answered(answered) = ask(&Request::Vector(Box::new(vector.clone()))) else {
                panic!("{} is not answered by {}", vector.name, kind.text());
            };
            assert_eq!(difference(expect, &answered), None, "{}", vector.name);
            called += vector
                .runs
                .iter()
                .map(|run| run.answers.len())
                .sum::<usize>();
        }
        assert!(called > 500, "services are called: {called}");
    }
}
