//! Lookups of host code find what the tables hold now, whatever became of the tables since the run before.
#![cfg(feature = "jit")]

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nfl_abi::image::{Resource, ResourceKind};
use nfl_abi::{Limits, Role};
use nfl_verify::prove;
use nfl_vm::{
    Budget, Context, Control, Frame, Instance, Jit, Loaded, Policy, SharedState, State,
    Unsupported, load,
};

#[path = "../../nfl-verify/tests/support/mod.rs"]
mod support;

/// Puts what a table has under the first word of the packet into the third, and what prefixes have for the second into the
/// fourth; 0 where there is nothing.
const LOOKUPS: &str = "\
.entry originator 0 16
.import table.get 0 0
.import lpm.get 0 1
.resource table 4 4 8192
.resource lpm 4 4 4096
    lw a0, 0(s0)
    jal ra, slot0
    li a2, 0
    beqz a0, first
    lw a2, 0(a0)
first:
    sw a2, 8(s0)
    lw a0, 4(s0)
    jal ra, slot1
    li a2, 0
    beqz a0, second
    lw a2, 0(a0)
second:
    sw a2, 12(s0)
    li a0, 1
    li a1, 0
    ebreak
";

const KEY: [u8; 4] = [1, 2, 3, 4];

/// The program, to be interpreted.
fn interpreted() -> Loaded {
    interpreted_of(LOOKUPS)
}

/// Another one.
fn interpreted_of(program: &str) -> Loaded {
    let image = support::certified(program).expect("it is proved");
    let proven = prove(&image, &Limits::EDGE).expect("it is proved");
    load(proven, &Policy::ALL).expect("all is granted")
}

/// The program as host code; nothing on hosts that interpret.
fn compiled() -> Option<Loaded> {
    compiled_of(LOOKUPS)
}

/// Another one.
fn compiled_of(program: &str) -> Option<Loaded> {
    let loaded = interpreted_of(program);
    match Jit::new().map(|jit| jit.compile(&loaded)) {
        Ok(done) => done.expect("there is host code for it"),
        Err(Unsupported::Host) => return None,
        Err(error) => panic!("{error}"),
    }
    Some(loaded)
}

/// What a run finds in both tables.
fn found(instance: &mut Instance) -> (u32, u32) {
    found_at(instance, KEY)
}

/// The same for another key.
fn found_at(instance: &mut Instance, key: [u8; 4]) -> (u32, u32) {
    let mut buffer = [key, key, [0; 4], [0; 4], [0; 4]].concat();
    let mut frame = Frame::new(&mut buffer, 0, 16).expect("it lies inside");
    let context = Context::default();
    let outcome = instance.run_frame(
        Role::Originator,
        &mut frame,
        &context,
        &mut [],
        Budget::Proven,
    );
    outcome.expect("there is a verdict");
    let (words, _) = frame.bytes().as_chunks();
    let [_, _, first, second] = *words else {
        panic!("the packet keeps its length");
    };
    (u32::from_le_bytes(first), u32::from_le_bytes(second))
}

/// Both tables say this number.
fn fill(state: &mut State, number: u32) {
    let value = number.to_le_bytes();
    let done = state.insert("r0", &KEY, &value);
    done.expect("there is room");
    let done = state.insert_prefix("r1", &KEY, 16, &value);
    done.expect("there is room");
}

/// Numbers below others, the same in each test.
fn dice() -> impl FnMut(u32) -> u32 {
    let mut chance = 1u64;
    move |below| {
        chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (chance >> 33) as u32 % below
    }
}

/// Prefixes of all lengths, alone and by the hundred below two bytes, come and go: host code finds what the interpreter does.
#[test]
fn prefixes_are_found_as_the_interpreter_finds_them() {
    if let Some(program) = compiled() {
        prefixes_are_found([program, interpreted()], 0);
    }
}

/// The same where there are so many others that each three bytes have a place of their own.
#[test]
fn prefixes_among_very_many_are_found_as_the_interpreter_finds_them() {
    let program = LOOKUPS.replace(".resource lpm 4 4 4096", ".resource lpm 4 4 270000");
    if let Some(compiled) = compiled_of(&program) {
        prefixes_are_found([compiled, interpreted_of(&program)], 1 << 18);
    }
}

/// So many others of three bytes come while there are some, from 4.0.0 on.
fn prefixes_are_found(programs: [Loaded; 2], others: u32) {
    let mut instances = programs.map(|program| program.instance());
    let mut next = dice();
    let mut address = || {
        let [first, second] = [next(6), next(16)];
        let third = next(1 << (2 * first).min(8));
        first << 24 | second << 16 | third << 8 | next(256)
    };
    let (mut prefixes, mut misses) = (Vec::new(), 0);
    for number in 1..4_000_u32 {
        for instance in instances.iter_mut().filter(|_| number == 1_500) {
            let mut state = instance.state_mut();
            for other in 0..others {
                let prefix = (0x0400_0000 + other * 256).to_be_bytes();
                let done = state.insert_prefix("r1", &prefix, 24, &(other % 9 + 1).to_le_bytes());
                done.expect("there is room");
            }
        }
        let bits = match number {
            3_000 => 0,
            _ if number % 64 == 0 => 9 + number / 64 % 8,
            _ => 17 + number % 16,
        } as u16;
        let prefix = address().to_be_bytes();
        prefixes.push((prefix, bits));
        // Those that came first go when the table is large.
        let old = prefixes[(number / 4) as usize];
        for instance in &mut instances {
            let mut state = instance.state_mut();
            let value = (number % 700 + 1).to_le_bytes();
            let done = state.insert_prefix("r1", &prefix, bits, &value);
            done.expect("there is room");
            if number > 2_000 {
                state
                    .remove_prefix("r1", &old.0, old.1)
                    .expect("it is sound");
            }
        }
        for key in [prefix, address().to_be_bytes(), old.0] {
            let [host, all] = &mut instances;
            let seen = found_at(host, key);
            assert_eq!(seen, found_at(all, key), "{number}: {key:?}");
            misses += u32::from(seen.1 == 0);
        }
    }
    assert!((100..6_000).contains(&misses), "{misses}");
}

/// Keys come and go by the thousand, so that some stand in their second bucket: host code finds what the interpreter does.
#[test]
fn keys_are_found_as_the_interpreter_finds_them() {
    let Some(program) = compiled() else { return };
    let mut instances = [program.instance(), interpreted().instance()];
    let mut next = dice();
    let mut misses = 0;
    for number in 1..10_000_u32 {
        let key = next(12_000).to_le_bytes();
        for instance in &mut instances {
            let mut state = instance.state_mut();
            match number % 5 {
                0 => drop(state.remove("r0", &key).expect("it is sound")),
                _ => state
                    .insert("r0", &key, &number.to_le_bytes())
                    .expect("there is room"),
            }
        }
        for key in [key, next(12_000).to_le_bytes(), next(12_000).to_be_bytes()] {
            let [host, all] = &mut instances;
            let seen = found_at(host, key);
            assert_eq!(seen, found_at(all, key), "{number}: {key:?}");
            misses += u32::from(seen.0 == 0);
        }
    }
    assert!((5_000..25_000).contains(&misses), "{misses}");
}

#[test]
fn edits_between_runs_are_seen() {
    let Some(program) = compiled() else { return };
    let mut instance = program.instance();
    assert_eq!(found(&mut instance), (0, 0));
    for number in 1..100 {
        fill(&mut instance.state_mut(), number);
        assert_eq!(found(&mut instance), (number, number));
        if number % 5 == 0 {
            instance.state_mut().clear("r0").expect("it is there");
            assert_eq!(found(&mut instance), (0, number));
        }
        if number % 7 == 0 {
            let removed = instance.state_mut().remove_prefix("r1", &KEY, 16);
            assert_eq!(removed, Ok(true));
            assert_eq!(found(&mut instance).1, 0);
        }
    }
}

#[test]
fn a_state_in_the_place_of_another_is_seen() {
    let Some(program) = compiled() else { return };
    let (mut one, mut two) = (program.instance(), program.instance());
    fill(&mut one.state_mut(), 1);
    fill(&mut two.state_mut(), 2);
    for _ in 0..3 {
        assert_eq!((found(&mut one), found(&mut two)), ((1, 1), (2, 2)));
        mem::swap(&mut *one.state_mut(), &mut *two.state_mut());
        assert_eq!((found(&mut one), found(&mut two)), ((2, 2), (1, 1)));
        mem::swap(&mut *one.state_mut(), &mut *two.state_mut());
    }
    // What is in its place may not have the tables at all, or something else there.
    let before = mem::take(&mut *one.state_mut());
    assert_eq!(found(&mut one), (0, 0));
    *one.state_mut() = State::new(&other_resources()).expect("they have different names");
    assert_eq!(found(&mut one), (0, 0));
    *one.state_mut() = before;
    assert_eq!(found(&mut one), (1, 1));
}

/// Resources whose kinds are in another order.
fn other_resources() -> [Resource; 2] {
    [ResourceKind::Lpm, ResourceKind::Table].map(|kind| Resource {
        name: kind.text().to_owned(),
        kind,
        ..program_resources()[0].clone()
    })
}

fn program_resources() -> Vec<Resource> {
    let image = support::certified(LOOKUPS).expect("it is proved");
    image.manifest.resources
}

#[test]
fn a_copy_has_tables_of_its_own() {
    let Some(program) = compiled() else { return };
    let mut state = State::new(&other_resources()).expect("they have different names");
    state.reserve();
    // The tables of the program do not come first.
    let mut one = program.worker(state).expect("the names are free");
    fill(&mut one.state_mut(), 1);
    assert_eq!(found(&mut one), (1, 1));
    let mut two = one.clone();
    assert_eq!(found(&mut two), (1, 1));
    fill(&mut one.state_mut(), 2);
    assert_eq!((found(&mut one), found(&mut two)), ((2, 2), (1, 1)));
    fill(&mut two.state_mut(), 3);
    drop(one);
    assert_eq!(found(&mut two), (3, 3));
}

#[test]
fn a_shared_state_is_seen_as_others_leave_it() {
    let Some(program) = compiled() else { return };
    let shared = SharedState::new(State::default());
    let mut one = program.instance_on(&shared).expect("the names are free");
    for number in 1..50 {
        let mut other = program.instance_on(&shared).expect("they are the same");
        fill(&mut shared.lock(), number);
        assert_eq!(found(&mut one), (number, number));
        assert_eq!(found(&mut other), (number, number));
        let declared = shared.lock().declare(&[Resource {
            name: format!("other {number}"),
            ..program_resources()[0].clone()
        }]);
        declared.expect("the name is free");
        assert_eq!(found(&mut one), (number, number));
    }
}

const VERSIONS: u32 = 500;

/// While a controller publishes, each run finds one version in both tables, and none that is older than the one before.
#[test]
fn what_a_controller_publishes_is_seen_whole() {
    let Some(program) = compiled() else { return };
    let control = Control::new(&program_resources()).expect("they agree");
    let publish = |number: u32| {
        let value = number.to_le_bytes();
        control.edit(|tables| {
            tables.insert("r0", &KEY, &value)?;
            tables.insert_prefix("r1", &KEY, 16, &value)
        })
    };
    publish(1).expect("there is room");
    let met = AtomicU32::new(0);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..2 {
            let worker = program.worker(control.worker());
            let mut worker = worker.expect("they are the same");
            let met = &met;
            workers.push(scope.spawn(move || {
                let mut last = 0;
                while last < VERSIONS {
                    let (first, second) = found(&mut worker);
                    assert_eq!(first, second);
                    assert!(first >= last, "an older version came back");
                    last = first;
                    met.fetch_max(last, Ordering::Relaxed);
                }
            }));
        }
        for number in 2..=VERSIONS {
            publish(number).expect("there is room");
            // Some are met before there are more.
            let goes_on = || workers.iter().all(|worker| !worker.is_finished());
            while number % 64 == 0 && met.load(Ordering::Relaxed) + 64 < number && goes_on() {
                thread::yield_now();
            }
        }
    });
}
