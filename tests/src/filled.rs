//! Programs with state over the captures, with tables that hold something, on all engines.
//!
//! In: the examples and the `run` cases that call services. Guaranteed: the machine and the IR
//! interpreter, before and after the passes, come to the same verdicts, bytes and states, with time
//! that goes on and with packets that have hardly any room to grow.

use nfl::conform::{NodeError, store};
use nfl_abi::{Entry, Role};
use nfl_tests::agree::Engines;
use nfl_tests::capture::{Capture, captures};
use nfl_tests::case::cases;
use nfl_tests::conform::fills;
use nfl_tests::examples::EXAMPLES;
use nfl_tests::pipeline::{Stages, check_text};
use nfl_tests::root;
use nfl_vm::{Context, HEAD_ROOM, Packet, State, StateError, TAIL_ROOM};

/// Packets of one capture that each handler sees.
const PACKETS: usize = 12;
/// Nanoseconds from packet to packet: entries age within a capture.
const PACE_NS: u64 = 1_700_000_000;

/// The images that call services, with names for messages.
fn images() -> Vec<(String, Stages)> {
    let mut images = Vec::new();
    for example in EXAMPLES {
        let stages = example.stages();
        let stages = stages.unwrap_or_else(|e| panic!("{}:\n{e}", example.path));
        images.extend(stages.into_iter().map(|s| (example.path.to_string(), s)));
    }
    for case in cases(&root().join("tests/suite/run")) {
        let checking = check_text(&format!("{}.nfl", case.name()), &case.text);
        let function = checking.function(case.get("function"));
        let stages = function.and_then(|f| checking.stages(f, &case.sets()));
        let stages = stages.unwrap_or_else(|e| panic!("{}:\n{e}", case.name()));
        images.extend(stages.into_iter().map(|s| (case.name().to_string(), s)));
    }
    images.retain(|(_, stages)| !stages.lowered.imports.is_empty());
    images
}

#[test]
fn engines_agree_on_tables_that_hold_something() {
    let (images, captures) = (images(), captures());
    let mut runs = 0;
    for (name, stages) in &images {
        for (n, capture) in captures.iter().enumerate() {
            // Some captures meet empty tables.
            let filled = n % 4 != 0;
            let ran = over(stages, capture, filled);
            runs += ran.unwrap_or_else(|e| panic!("{name} over {}: {e}", capture.name));
        }
    }
    assert!(runs > 1_000, "most packets were run: {runs}");
}

fn over(stages: &Stages, capture: &Capture, filled: bool) -> Result<usize, String> {
    let mut engines = Engines::new(stages)?;
    let manifest = &stages.image.manifest;
    let mut runs = 0;
    for Entry { role, layer, .. } in &manifest.entries {
        let mut carried = manifest.carried.clone();
        for (index, start) in capture.packets(*layer).enumerate().take(PACKETS) {
            if filled {
                let mut done = Ok(());
                engines.each_state(|state| done = fill(state, &start.packet, index));
                done.map_err(|e| e.to_string())?;
            }
            let context = Context {
                clock_ns: (index as u64 + 1) * PACE_NS,
                ..start.context
            };
            let packet = match role {
                Role::Every => Packet::default(),
                _ => Packet::from(&start.packet[..]),
            };
            let room = match index % 3 {
                0 => (3, 3),
                _ => (HEAD_ROOM, TAIL_ROOM),
            };
            let after = engines.run_in(*role, packet, &context, &carried, room);
            let after = after.map_err(|e| format!("on {} packet {index}: {e}", role.text()))?;
            carried = after.carried;
            runs += 1;
        }
    }
    Ok(runs)
}

/// Fills tables with what this packet may ask for.
fn fill(state: &mut State, packet: &[u8], index: usize) -> Result<(), NodeError> {
    for put in fills(state.resources(), packet, index) {
        match store(state, &put) {
            Ok(()) | Err(NodeError::State(StateError::Full { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
