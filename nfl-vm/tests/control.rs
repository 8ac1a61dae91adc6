//! A controller edits tables while workers run, and states outlive a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use nfl_abi::host::Host as _;
use nfl_abi::image::{Resource, ResourceKind};
use nfl_vm::{Bound, Control, Part, Rates, Services, State, StateError, TernaryRule};

use common::{PACKET_BYTES, bind, run};

#[path = "common/state.rs"]
#[expect(dead_code, reason = "tests of tables use the rest")]
mod common;

fn resource(name: &str, kind: ResourceKind, key_bytes: u16, value_bytes: u16) -> Resource {
    Resource {
        name: name.to_owned(),
        ..common::resource(kind, key_bytes, value_bytes, 64)
    }
}

fn node() -> Vec<Resource> {
    let aged = |name, kind, key, value| Resource {
        idle_ns: 1_000,
        ..resource(name, kind, key, value)
    };
    vec![
        resource("table", ResourceKind::Table, 4, 8),
        resource("routes", ResourceKind::Lpm, 4, 8),
        resource("rules", ResourceKind::Ternary, 4, 8),
        resource("ring", ResourceKind::Ring, 0, 8),
        aged("flows", ResourceKind::FlowTable, 4, 4),
        aged("slots", ResourceKind::Slots, 0, 2),
        resource("register", ResourceKind::Register, 0, 4),
        resource("count", ResourceKind::Counter, 0, 0),
        aged("counts", ResourceKind::Counters, 4, 0),
        resource("meter", ResourceKind::Meter, 4, 0),
    ]
}

/// The imports of all calls that the tests make, in this order.
const CALLS: [&str; 11] = [
    "table.get",
    "lpm.get",
    "ternary.match",
    "ring.pick",
    "flow.get",
    "flow.put",
    "slot.take",
    "register.add",
    "counter.count",
    "meter.charge",
    "slot.remove",
];

fn bound(state: &mut State) -> Bound {
    bind(state, &CALLS)
}

fn call(services: &mut Services<'_>, name: &str, args: &[u32]) -> (u32, Option<Vec<u8>>) {
    let at = CALLS.iter().position(|other| *other == name);
    let [word, _] = common::call(services, at.expect("an import"), args);
    (word, services.value(word).map(<[u8]>::to_vec))
}

fn rule(version: u64) -> TernaryRule {
    let all = Part {
        offset: 0,
        bytes: 4,
        big_endian: true,
        lo: 0,
        hi: u128::MAX,
    };
    TernaryRule {
        priority: version as u32,
        parts: vec![all],
        value: version.to_le_bytes().to_vec(),
    }
}

/// Makes all tables say `version`.
fn publish(control: &Control, version: u64) -> Result<(), StateError> {
    let value = version.to_le_bytes();
    let before = (version - 1).to_le_bytes();
    control.edit(|tables| {
        tables.insert("table", &[1, 2, 3, 4], &value)?;
        tables.insert_prefix("routes", &[1, 2, 3, 4], 16, &value)?;
        tables.remove_rule("rules", rule(version - 1))?;
        tables.insert_rule("rules", rule(version))?;
        tables.insert("ring", &value, &[])?;
        tables.remove("ring", &before).map(drop)
    })
}

/// One run: what the four tables say, each asked twice.
fn versions(bound: &Bound, state: &mut State) -> [u64; 8] {
    let key = [u32::from_le_bytes([1, 2, 3, 4])];
    let names = ["table.get", "lpm.get", "ternary.match", "ring.pick"];
    let mut names = names.into_iter().cycle();
    run(bound, state, |services| {
        call(services, "counter.count", &[0]);
        [(); 8].map(|()| {
            let name = names.next().expect("a cycle");
            let (_, value) = call(services, name, &key);
            let value = value.expect("there is always one");
            u64::from_le_bytes(value.try_into().expect("eight bytes"))
        })
    })
}

#[test]
fn a_thousand_edits_under_traffic_are_seen_whole_and_in_order() {
    let control = Control::new(&node()).expect("they agree");
    publish(&control, 1).expect("it fits");
    let over = AtomicBool::new(false);
    let runs = std::thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut state = control.worker();
            let bound = bound(&mut state);
            let (mut last, mut runs) = (0, 0u64);
            loop {
                let ends = over.load(Ordering::Acquire);
                let seen = versions(&bound, &mut state);
                assert_eq!(seen, [seen[0]; 8], "one run sees one version");
                assert!(seen[0] >= last, "and none that is older than before");
                last = seen[0];
                runs += 1;
                if ends {
                    assert_eq!(last, 1_001, "what was published is seen by the next run");
                    return runs;
                }
            }
        });
        for version in 2..=1_001 {
            publish(&control, version).expect("it fits");
            let counted = control.counter("count", 0).expect("a counter");
            assert_eq!(counted.bytes % PACKET_BYTES as u64, 0);
        }
        over.store(true, Ordering::Release);
        traffic.join().expect("the traffic goes on")
    });
    assert_eq!(control.version(), 1_001);
    let counted = control.counter("count", 0).expect("a counter");
    assert_eq!(
        (counted.packets, counted.bytes),
        (runs, runs * PACKET_BYTES as u64)
    );
}

/// Steps of a schedule.
const STEPS: u32 = 7;

/// Two workers and a controller, in every order of their steps: an edit is one step of the controller's, and a run three of a
/// worker's, in which it reads one table, another, and the first one again. A run sees what was published when it began,
/// whatever is published while it lasts and whichever copies other workers hold.
#[test]
fn in_every_order_of_steps_a_run_sees_the_version_that_it_began_with() {
    const READS: [usize; 3] = [0, 1, 0];
    const LAST: [u8; 4] = [0xff; 4];
    let names = ["table.get", "ternary.match"];
    let tables = [
        resource("table", ResourceKind::Table, 4, 8),
        resource("rules", ResourceKind::Ternary, 4, 8),
    ];
    let publish = |control: &Control, version: u64| {
        control.edit(|tables| {
            tables.insert("table", &LAST, &version.to_le_bytes())?;
            tables.insert("table", &(version as u32).to_le_bytes(), &LAST.repeat(2))?;
            tables.remove_rule("rules", rule(version - 1))?;
            tables.insert_rule("rules", rule(version))
        })
    };
    let find = |services: &mut Services<'_>, import: usize, key: u32| {
        let [word, _] = common::call(services, import, &[key]);
        let value = services.value(word)?;
        Some(u64::from_le_bytes(value.try_into().expect("eight bytes")))
    };
    let read = |services: &mut Services<'_>, import: usize| {
        let version = find(services, import, u32::from_le_bytes(LAST)).expect("there is one");
        // All edits up to this one are there.
        let has = |n: u64| find(services, 0, n as u32).is_some();
        let there: Vec<bool> = (1..=version + 1).map(has).collect();
        assert_eq!(
            there.iter().position(|there| !there),
            Some(version as usize)
        );
        version
    };
    for mut order in 0..3u64.pow(STEPS) {
        let control = Control::new(&tables).expect("they agree");
        let mut version = 1;
        publish(&control, version).expect("it fits");
        std::thread::scope(|scope| {
            let mut workers = [(); 2].map(|()| {
                let (go, steps) = sync_channel::<()>(0);
                let (tell, seen) = sync_channel(0);
                let mut state = control.worker();
                scope.spawn(move || {
                    let bound = bind(&mut state, &names);
                    while steps.recv().is_ok() {
                        run(&bound, &mut state, |services| {
                            for (n, import) in READS.into_iter().enumerate() {
                                if n == 0 || steps.recv().is_ok() {
                                    let _ = tell.send(read(services, import));
                                }
                            }
                        });
                    }
                });
                // How far its run is, and which version it began with.
                (go, seen, 0, 0)
            });
            for _ in 0..STEPS {
                let which = order % 3;
                order /= 3;
                let Some((go, seen, step, began)) = workers.get_mut(which as usize) else {
                    version += 1;
                    publish(&control, version).expect("it fits");
                    continue;
                };
                if *step == 0 {
                    *began = version;
                }
                go.send(()).expect("the worker waits");
                assert_eq!(seen.recv(), Ok(*began), "step {step} of a run");
                *step = (*step + 1) % READS.len();
            }
        });
        let last = control.with_tables(|tables| {
            let value = tables.get("table", &LAST);
            value.map(|value| value.map(<[u8]>::to_vec))
        });
        assert_eq!(last, Ok(Some(version.to_le_bytes().to_vec())));
    }
}

#[test]
fn a_worker_that_stands_still_keeps_its_tables_and_costs_one_copy_each() {
    let control = Control::new(&node()).expect("they agree");
    publish(&control, 1).expect("it fits");
    let mut state = control.worker();
    let bound = bound(&mut state);
    assert_eq!(versions(&bound, &mut state)[0], 1);
    for version in 2..100 {
        publish(&control, version).expect("it fits");
    }
    let copies = control.copies();
    assert!(copies <= 12, "four tables were copied {copies} times");
    assert_eq!(
        state.get("table", &[1, 2, 3, 4]),
        Ok(Some(&1u64.to_le_bytes()[..]))
    );
    assert_eq!(versions(&bound, &mut state), [99; 8]);
}

#[test]
fn edits_that_fail_change_nothing() {
    let control = Control::new(&node()).expect("they agree");
    publish(&control, 1).expect("it fits");
    let mut state = control.worker();
    let bound = bound(&mut state);
    let failed = control.edit(|tables| {
        tables.insert("table", &[1, 2, 3, 4], &[7; 8])?;
        tables.clear("routes")?;
        assert!(tables.tables().entries("routes")?.is_empty());
        tables.insert("table", &[1], &[7; 8])
    });
    assert!(failed.is_err());
    assert_eq!(versions(&bound, &mut state), [1; 8]);
    publish(&control, 2).expect("it fits");
    assert_eq!(versions(&bound, &mut state), [2; 8]);
    control.with_tables(|tables| assert_eq!(tables.entries("routes").expect("they").len(), 1));

    let refused = state
        .insert("table", &[0; 4], &[0; 8])
        .expect_err("not here");
    assert_eq!(
        refused.to_string(),
        "`table` is a controller's, and is edited through it"
    );
    let refused = control.edit(|tables| tables.insert("flows", &[0; 4], &[0; 4]));
    assert_eq!(
        refused.expect_err("packets write it").to_string(),
        "`flows` is a flow table, which cannot do this"
    );
}

/// A state in which every resource has something.
fn used() -> State {
    let mut state = State::new(&node()).expect("they agree");
    let rates = Rates {
        committed_bps: 8_000,
        committed_burst: 500,
        peak_bps: 16_000,
        peak_burst: 700,
    };
    state.set_meter("meter", Some(rates)).expect("a meter");
    state.insert("table", &[1; 4], &[2; 8]).expect("room");
    state
        .insert_prefix("routes", &[10, 0, 0, 0], 8, &[3; 8])
        .expect("room");
    state
        .insert_prefix("routes", &[0; 4], 0, &[4; 8])
        .expect("room");
    state.insert_rule("rules", rule(5)).expect("room");
    state.insert("ring", &[6; 8], &[]).expect("room");
    let bound = bound(&mut state);
    for n in 0..5u32 {
        state.set_clock(100 * u64::from(n));
        run(&bound, &mut state, |services| {
            call(services, "flow.put", &[n % 3, n]);
            call(services, "flow.get", &[0]);
            call(services, "slot.take", &[n]);
            call(services, "register.add", &[0, n]);
            call(services, "counter.count", &[n]);
            call(services, "meter.charge", &[n, 100]);
            call(services, "slot.remove", &[1]);
        });
    }
    state
}

#[test]
fn a_state_comes_back_as_it_was() {
    let state = used();
    let bytes = state.export();
    let mut back = State::new(&node()).expect("they agree");
    assert_eq!(back.import(&bytes), Ok(Vec::new()));
    assert_eq!(back, state);
    assert_eq!(back.export(), bytes);

    // What is not declared is left out, and what differs is refused.
    let mut fewer = State::new(&node()[..3]).expect("they agree");
    let left_out = fewer.import(&bytes).expect("the rest fits");
    assert_eq!(left_out[..2], ["ring", "flows"]);
    assert_eq!(fewer.get("table", &[1; 4]), Ok(Some(&[2; 8][..])));
    let mut resources = node();
    resources[4].layout = 1;
    let mut other = State::new(&resources).expect("they agree");
    let empty = other.clone();
    assert_eq!(
        other.import(&bytes),
        Err(StateError::Differs("flows".to_owned()))
    );
    assert_eq!(other, empty);
    let mut resources = node();
    resources[1].capacity = 1;
    let mut small = State::new(&resources).expect("they agree");
    let full = small.import(&bytes).expect_err("two prefixes");
    assert_eq!(
        full.to_string(),
        "`routes` holds 1 entries, and all are taken"
    );
}

/// Bytes with any one changed are refused; with the sum put right they are refused or taken, and what
/// is taken goes out again as it came, but for what one way of writing has no other for.
#[test]
fn bytes_that_are_wrong_change_nothing() {
    let bytes = used().export();
    let mut state = State::new(&node()).expect("they agree");
    let empty = state.clone();
    for len in 0..bytes.len() {
        assert!(state.import(&bytes[..len]).is_err());
    }
    let end = bytes.len() - 4;
    for at in 0..end {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x41;
        assert!(state.import(&wrong).is_err());
        assert_eq!(state, empty);
        let sum = nfl_abi::hash::crc32c(&wrong[..end]);
        wrong[end..].copy_from_slice(&sum.to_le_bytes());
        let mut other = empty.clone();
        match other.import(&wrong) {
            Ok(_) => {
                let mut again = empty.clone();
                assert!(again.import(&other.export()).is_ok());
                assert_eq!(again, other);
            }
            Err(_) => assert_eq!(other, empty),
        }
    }
}
