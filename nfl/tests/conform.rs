//! Vectors: complete, the same each time, and passed by our engines; answers that differ are seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use nfl::abi::Limits;
use nfl::abi::host::SERVICES;
use nfl::conform::{
    Answered, EngineKind, Group, Hex, Reply, Request, Session, Suite, Vector, all, difference,
    trace,
};
use nfl::isa::{FORMS, Fx, Op, TARGETS, decode};

fn suite() -> &'static Suite {
    static SUITE: OnceLock<Suite> = OnceLock::new();
    SUITE.get_or_init(all)
}

/// Vectors of a group with their programs.
fn of(group: Group) -> impl Iterator<Item = (&'static nfl::conform::Program, &'static Vector)> {
    let suite = suite();
    let vectors = suite.vectors.iter().filter(move |v| v.group == group);
    vectors.map(|vector| (&suite.programs[&vector.program], vector))
}

#[test]
fn every_instruction_and_form_of_every_target_runs() {
    let mut ran: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (program, vector) in of(Group::Instructions) {
        let image = program.image().expect("images read what they wrote");
        let traced = trace(&image, vector).expect("vectors run");
        let seen = ran.entry(&program.target).or_default();
        for pc in traced.runs.iter().flat_map(|run| run.pcs.iter().flatten()) {
            let code = &image.code[*pc as usize..];
            let (inst, size) = decode(code).expect("what runs is an instruction");
            let half = u16::from_le_bytes([code[0], code[1]]);
            let form = FORMS.iter().find(|form| half & form.mask == form.bits);
            match form.filter(|_| size == 2) {
                Some(form) => seen.insert(form.text),
                None => seen.insert(inst.op.spec().text),
            };
        }
    }
    for target in TARGETS {
        // No handler may hold these: they are among the faults.
        let never = |text: &&str| !["auipc", "ecall", "c.addi16sp", "c.jalr"].contains(text);
        let ops = Op::ALL.iter().filter(|&&op| target.allows(op));
        let forms = FORMS.iter().filter(|form| target.allows_form(form));
        let texts = ops
            .map(|op| op.spec().text)
            .chain(forms.map(|form| form.text));
        let must: BTreeSet<&str> = texts.filter(never).collect();
        let missing: Vec<_> = must.difference(&ran[target.name]).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", target.name);
    }
}

#[test]
fn every_service_is_called() {
    let mut called = BTreeSet::new();
    for (program, vector) in of(Group::Services) {
        let answered = vector.expect.as_ref().expect("vectors expect something");
        for run in &answered.runs {
            assert_eq!(run.fault, None, "{}", vector.name);
            let calls = run.calls.iter().flatten();
            called.extend(calls.map(|call| program.imports[call.slot].service.as_str()));
        }
    }
    let must: BTreeSet<&str> = SERVICES.iter().map(|service| service.name).collect();
    assert_eq!(called, must);
}

#[test]
fn every_rule_is_broken_by_an_image_that_no_node_accepts() {
    let mut broken = BTreeSet::new();
    for (program, vector) in of(Group::Faults) {
        let image = program.image().expect("images read what they wrote");
        let proof = nfl::prove(&image, &Limits::EDGE);
        assert!(proof.is_err(), "`{}` is proved", program.name);
        for run in &vector.expect.as_ref().expect("it expects something").runs {
            let stop = run.fault.as_ref();
            let stop = stop.unwrap_or_else(|| panic!("`{}` ends well: {run:?}", vector.name));
            broken.insert(stop.kind.as_str());
        }
    }
    let must = [
        "address-compared",
        "address-stored",
        "argument",
        "call",
        "instruction",
        "no-right",
        "node-register",
        "not-a-number",
        "not-an-address",
        "out-of-bounds",
        "outside-code",
        "read-only",
        "return",
        "service",
        "step-limit",
        "undecodable",
        "undefined-register",
        "undefined-scratch",
    ];
    assert_eq!(broken, BTreeSet::from(must));
}

#[test]
fn programs_that_are_proved_end_with_the_verdicts_that_are_allowed() {
    let (mut faults, mut refused) = (BTreeSet::new(), Vec::new());
    for group in [Group::Instructions, Group::Contract, Group::Services] {
        for (program, vector) in of(group) {
            if !program.proved {
                let image = program.image().expect("images read what they wrote");
                let image = nfl::abi::Image {
                    certificate: Vec::new(),
                    ..image
                };
                let why = nfl::prove(&image, &Limits::EDGE).map(|_| ());
                refused.push(format!("{}: {}", program.name, why.unwrap_err()));
                continue;
            }
            let answered = vector.expect.as_ref().expect("vectors expect something");
            let stops = answered.runs.iter().filter_map(|run| run.fault.as_ref());
            faults.extend(stops.map(|stop| stop.kind.clone()));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(
        faults,
        ["forbidden-verdict", "unknown-verdict"]
            .map(String::from)
            .into()
    );
}

/// What an engine answers to a suite, by vector.
fn answers(kind: EngineKind, suite: &Suite) -> Vec<(&Vector, Reply)> {
    let mut session = Session::new(kind);
    let mut ask = |request: &Request| -> Reply {
        let line = serde_json::to_string(request).expect("requests can be written");
        let reply = session.reply(&line).expect("the line is a request");
        serde_json::from_str(&reply).expect("the line is a reply")
    };
    let taken: BTreeMap<&String, Reply> = suite
        .programs
        .iter()
        .map(|(name, program)| (name, ask(&Request::Program(Box::new(program.clone())))))
        .collect();
    let mut all = Vec::new();
    for vector in &suite.vectors {
        let reply = match &taken[&vector.program] {
            Reply::Ready {} => {
                let mut asked = vector.clone();
                asked.expect = None;
                ask(&Request::Vector(Box::new(asked)))
            }
            refused => refused.clone(),
        };
        all.push((vector, reply));
    }
    all
}

#[test]
fn our_engines_answer_what_is_expected() {
    for &kind in EngineKind::ALL {
        let mut ran = 0;
        for (vector, reply) in answers(kind, suite()) {
            let expect = vector.expect.as_ref().expect("vectors expect something");
            match reply {
                Reply::Answered(answered) => {
                    assert_eq!(difference(expect, &answered), None, "{}", vector.name);
                    ran += 1;
                }
                Reply::Refused(_) if vector.group == Group::Faults => {}
                other => panic!("{}: {other:?}", vector.name),
            }
        }
        assert!(ran > 300, "{} vectors ran on {}", ran, kind.text());
    }
}

#[test]
fn a_file_of_vectors_is_read_as_it_was_written() {
    let text = suite().to_text();
    assert_eq!(text, all().to_text(), "two times the same");
    assert_eq!(Suite::from_text(&text).as_ref(), Ok(suite()));
    let lines: Vec<&str> = text.lines().collect();
    for (text, wrong) in [
        (String::new(), "line 1: the file is empty"),
        ("{}\n".into(), "line 1: this is no file of vectors"),
        (
            lines[0].replace(":1,", ":9,"),
            "line 1: vectors of version 9",
        ),
        (
            format!("{}\n{}\n", lines[0], lines[2]),
            "line 2: there is no program",
        ),
        (
            format!("{}\n{{\"vector\":3}}\n", lines[0]),
            "line 2: invalid type",
        ),
        (
            format!(
                "{}\n{}",
                lines[0],
                lines[1].replacen("\"image\":\"", "\"image\":\"x", 1)
            ),
            "line 2: invalid value",
        ),
    ] {
        let error = Suite::from_text(&text).expect_err(wrong).to_string();
        assert!(error.starts_with(wrong), "{error}");
    }
}

#[test]
fn what_differs_is_said() {
    let (_, vector) = of(Group::Services)
        .find(|(program, _)| program.name == "packet.mirror and packet.priority")
        .expect("there is such a program");
    let expect = vector.expect.clone().expect("vectors expect something");
    let differs = |change: &dyn Fn(&mut Answered)| {
        let mut got = expect.clone();
        change(&mut got);
        difference(&expect, &got).map_or(String::new(), |difference| difference.to_string())
    };
    assert_eq!(differs(&|_| {}), "");
    assert_eq!(differs(&|got| got.runs[0].steps = None), "");
    for (change, said) in [
        (
            &(|got: &mut Answered| got.runs[0].verdict = Some([2, 9])) as &dyn Fn(&mut Answered),
            "run 0: the verdict is Forward(9), not Pass",
        ),
        (
            &|got| got.runs[0].packet.as_mut().expect("a packet").0[7] ^= 0x40,
            "run 0: byte 7 of the packet is 40, not 00",
        ),
        (
            &|got| got.runs[0].packet.as_mut().expect("a packet").0.truncate(9),
            "run 0: the packet has 9 bytes, not 444",
        ),
        (
            &|got| got.runs[0].packet = None,
            "run 0: the engine says nothing of the packet",
        ),
        (
            &|got| got.runs[0].carried = Some(Hex(vec![1])),
            "run 0: the `carried` area has 1 bytes, not 0",
        ),
        (
            &|got| got.runs[0].calls.as_mut().expect("calls")[1].words[0] = 6,
            "run 0: call 1 is {\"slot\":1,\"words\":[6],\"blocks\":[]}, not {\"slot\":1,\"words\":[5],\"blocks\":[]}",
        ),
        (
            &|got| got.runs[0].told.as_mut().expect("effects").priority = None,
            "run 0: it did ",
        ),
        (
            &|got| got.runs[0].steps = Some(1),
            "run 0: it took 1 steps, not ",
        ),
        (&|got| got.runs.clear(), "run 0: the engine has no answer"),
    ] {
        let text = differs(change);
        assert!(text.starts_with(said), "{text}");
    }
}

#[test]
fn a_run_that_breaks_a_rule_may_not_end_well() {
    let (_, vector) = of(Group::Faults).next().expect("there are faults");
    let expect = vector.expect.clone().expect("vectors expect something");
    let with = |verdict| {
        let mut got = expect.clone();
        for run in &mut got.runs {
            run.fault = None;
            run.verdict = verdict;
        }
        difference(&expect, &got).map(|difference| difference.what)
    };
    assert_eq!(with(Some([0, 255])), None);
    let passes = "the verdict is Pass, and the run breaks a rule (`undecodable`)";
    assert_eq!(with(Some([1, 0])).as_deref(), Some(passes));
    let mut late = expect.clone();
    for run in &mut late.runs {
        run.fault.as_mut().expect("a fault").pc = Some(4);
    }
    let said = difference(&expect, &late).map(|difference| difference.what);
    assert_eq!(
        said.as_deref(),
        Some("the engine stops at 0x0004, not 0x0000")
    );
}

#[test]
fn lines_that_are_no_requests_are_told() {
    let mut session = Session::new(EngineKind::Checked);
    assert!(session.reply("").is_err());
    assert!(session.reply("{\"vector\":{}}").is_err());
    assert!(session.reply("{\"hello\":1}").is_ok());
    let (_, vector) = of(Group::Contract).next().expect("there are vectors");
    let line = serde_json::to_string(&Request::Vector(Box::new(vector.clone())));
    let reply = session.reply(&line.expect("requests can be written"));
    assert!(reply.expect("it is a request").starts_with("{\"skipped\":"));
}

#[test]
fn stores_are_tried_in_each_region_that_code_may_write() {
    let names: BTreeSet<&str> = of(Group::Instructions)
        .map(|(program, _)| program.name.as_str())
        .collect();
    for op in Op::ALL.iter().filter(|op| op.spec().effects == Fx::WRITE) {
        for region in ["packet", "scratch", "carried"] {
            let name = format!("rv32imc/{} {region}", op.spec().text);
            assert!(names.contains(name.as_str()), "{name}");
        }
    }
}
