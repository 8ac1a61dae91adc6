//! The machine against the source: every engine does what the definition of the language says.
//!
//! In: the examples over the captures, the cases of the suite, and generated programs. Guaranteed:
//! verdict, packet and `carried` memory are those of the interpreter of the source.

use nfl_abi::{Layer, Role};
use nfl_tests::agree::Engines;
use nfl_tests::capture::captures;
use nfl_tests::case::{Case, cases};
use nfl_tests::examples::EXAMPLES;
use nfl_tests::generate;
use nfl_tests::opinion::{Wanted, tried, with_both};
use nfl_tests::packet;
use nfl_tests::pipeline::check_text;
use nfl_tests::root;
use nfl_vm::Context;

/// Packets of one capture that each handler sees, unless `NFL_PACKETS` says otherwise.
const PACKETS: usize = 60;

fn asked(name: &str, default: usize) -> usize {
    let asked = std::env::var(name).ok();
    asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
}

#[test]
fn examples_mean_what_their_source_says() {
    let (captures, most) = (captures(), asked("NFL_PACKETS", PACKETS));
    let mut runs = 0;
    for example in EXAMPLES {
        let checking = example.check();
        let function = checking.function(Some(example.function));
        let function = function.unwrap_or_else(|e| panic!("{}: {e}", example.path));
        let sets = example.settings();
        let done = with_both(&checking, function, &sets, |both| {
            let mut done = 0;
            for stages in both.stages {
                let mut engines = Engines::new(stages)?;
                let manifest = &stages.image.manifest;
                for entry in &manifest.entries {
                    for capture in &captures {
                        let mut carried = manifest.carried.clone();
                        for start in capture.packets(entry.layer).take(most) {
                            let bytes: &[u8] = match entry.role {
                                Role::Every => &[],
                                _ => &start.packet,
                            };
                            let ran = both.run(
                                &mut engines,
                                stages,
                                entry.role,
                                bytes,
                                &start.context,
                                &carried,
                            );
                            let place =
                                |e| format!("on {} over {}: {e}", entry.role.text(), capture.name);
                            carried = ran.map_err(place)?.carried;
                            done += 1;
                        }
                    }
                }
            }
            Ok(done)
        });
        runs += done.unwrap_or_else(|e| panic!("{}: {e}", example.path));
    }
    assert!(runs > 10_000, "most packets were run");
}

#[test]
fn cases_mean_what_their_source_says() {
    let all = cases(&root().join("tests/suite/run"));
    let failed: Vec<String> = all
        .iter()
        .filter_map(|case| {
            let said = judge(case).err()?;
            Some(format!("{}: {said}", case.path.display()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Runs the packets of a case as its head says.
fn judge(case: &Case) -> Result<(), String> {
    let checking = check_text(&format!("{}.nfl", case.name()), &case.text);
    let function = checking.function(case.get("function"))?;
    with_both(&checking, function, &case.sets(), |both| {
        let mut role = None;
        let mut context = Context::default();
        let mut carried = None;
        let number = |value: &str| value.parse::<u32>().map_err(|e| e.to_string());
        for (name, value) in case.fields() {
            match name {
                "on" => role = Role::from_text(value),
                "port" => context.ingress_port = number(value)?,
                "node" => context.node_id = number(value)?,
                "queue" => context.queue_depth = number(value)?,
                "clock" => {
                    let clock_ns = value.parse::<u64>();
                    context.clock_ns = clock_ns.map_err(|e| e.to_string())?;
                }
                "carried" => carried = Some(packet::hex(value)?),
                "packet" => {
                    let role = role.ok_or("`on` comes before `packet`")?;
                    let stages = both.image(role)?;
                    let manifest = &stages.image.manifest;
                    let link = |e: &nfl_abi::Entry| e.role == role && e.layer == Layer::Link;
                    context.network_offset = (!manifest.entries.iter().any(link)).then_some(0);
                    let bytes = packet::parse(value)?;
                    let before = carried.as_ref().unwrap_or(&manifest.carried);
                    let mut engines = Engines::new(stages)?;
                    both.run(&mut engines, stages, role, &bytes, &context, before)
                        .map_err(|e| format!("{value}: {e}"))?;
                }
                _ => {}
            }
        }
        Ok(())
    })
}

/// Generated programs in a debug build, unless `NFL_SEEDS` says otherwise; the first one.
const SEEDS: usize = 60;

#[test]
fn generated_programs_mean_what_their_source_says() {
    let first = asked("NFL_SEED_FIRST", 0);
    let many = asked("NFL_SEEDS", SEEDS);
    let workers = 2;
    let failed: Vec<String> = std::thread::scope(|scope| {
        let worker = |at: usize| {
            move || {
                let seeds = (first + at..first + many).step_by(workers);
                let wanted = Wanted {
                    lines: false,
                    unoptimised: true,
                };
                let tried = seeds.map(|seed| seed as u64).map(|s| (s, tried(s, wanted)));
                tried
                    .filter_map(|(seed, tried)| {
                        let text = generate::program(seed).text;
                        Some(format!("seed {seed}: {}\n{text}", tried.err()?))
                    })
                    .collect::<Vec<String>>()
            }
        };
        let all: Vec<_> = (0..workers).map(|at| scope.spawn(worker(at))).collect();
        let join = |w: std::thread::ScopedJoinHandle<'_, Vec<String>>| {
            w.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        all.into_iter().flat_map(join).collect()
    });
    assert!(
        failed.is_empty(),
        "{} of {many}:\n{}",
        failed.len(),
        failed.join("\n----\n")
    );
}

/// Without passes, of the code that its ways lead to what can be proved has no room, and the rest cannot be proved.
#[test]
fn generated_programs_without_room_are_no_mistake() {
    let wanted = Wanted {
        lines: false,
        unoptimised: true,
    };
    let tried = tried(3439, wanted).map(|tried| (tried.packets, tried.unoptimised));
    assert_eq!(tried, Ok((32, 0)));
}
