//! Every example over every capture, on all engines.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use nfl_abi::{Entry, Image, Layer, Role};
use nfl_syntax::Diagnostic;
use nfl_tests::agree::Engines;
use nfl_tests::capture::{Capture, captures};
use nfl_tests::examples::{EXAMPLES, texts};
use nfl_tests::packet;
use nfl_tests::pipeline::{Stages, check_files};
use nfl_tests::root;

/// Packets of one capture that each handler sees, unless `NFL_PACKETS` says otherwise. Two captures
/// have more, and CI runs all of them in a release build.
const PACKETS: usize = 250;
/// Workers that share the captures.
const WORKERS: usize = 2;

fn packets_each() -> usize {
    let asked = std::env::var("NFL_PACKETS").ok();
    asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(PACKETS)
}

fn images() -> Vec<(String, Stages)> {
    let mut images = Vec::new();
    for example in EXAMPLES {
        let stages = example.stages();
        for stages in stages.unwrap_or_else(|e| panic!("{}:\n{e}", example.path)) {
            images.push((stages.image.manifest.name.clone(), stages));
        }
    }
    images
}

/// Findings other than that another packet may come between a read and the write that follows: a table
/// with keys of one's own has that gap, and the example lives with it.
fn but_races(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.retain(|finding| finding.code.text != "W602");
    findings
}

#[test]
fn every_function_of_the_examples_is_run() {
    let listed: BTreeSet<(&str, &str)> = EXAMPLES.iter().map(|e| (e.path, e.function)).collect();
    let files = texts();
    for path in files.0.keys() {
        let checking = check_files(&files, path);
        let findings = but_races(checking.diagnostics.clone());
        assert!(findings.is_empty(), "{}", checking.render(&findings));
        for function in checking.functions() {
            let name = checking.name(function);
            assert!(
                listed.contains(&(path, name)),
                "{path}: `{name}` is not in the list"
            );
        }
    }
}

#[test]
fn examples_verify_with_parameters_that_are_not_bound() {
    let files = texts();
    for path in files.0.keys() {
        let (checked, diagnostics) = check_files(&files, path).verify_unbound();
        let diagnostics = but_races(diagnostics);
        let text = nfl_tests::pipeline::render_all(&checked, &diagnostics);
        assert!(diagnostics.is_empty(), "{text}");
    }
}

#[test]
fn the_manifest_of_the_captures_names_each_with_its_packets() {
    let text = std::fs::read_to_string(root().join("tests/captures/MANIFEST.tsv"));
    let text = text.expect("the captures have a manifest");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|row| row.split('\t').collect())
        .collect();
    let named: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    let captures = captures();
    let there: BTreeSet<&str> = captures.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(named, there);
    let packets: usize = captures.iter().map(Capture::len).sum();
    let promised: usize = rows
        .iter()
        .map(|row| row[3].parse::<usize>().expect("a number"))
        .sum();
    assert_eq!(packets, promised);
}

#[test]
fn engines_agree_on_every_capture() {
    let (images, captures, most) = (images(), captures(), packets_each());
    let runs = AtomicU64::new(0);
    thread::scope(|scope| {
        let worker = |first: usize| {
            let (images, captures, runs) = (&images, &captures, &runs);
            move || {
                for capture in captures.iter().skip(first).step_by(WORKERS) {
                    for (name, stages) in images {
                        runs.fetch_add(over(capture, name, stages, most), Ordering::Relaxed);
                    }
                }
            }
        };
        let workers: Vec<_> = (0..WORKERS)
            .map(|first| scope.spawn(worker(first)))
            .collect();
        for worker in workers {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    assert!(
        runs.into_inner() > 10_000,
        "most packets of the captures were run"
    );
}

/// Runs every handler of an image over a capture; answers how many packets were run.
fn over(capture: &Capture, name: &str, stages: &Stages, most: usize) -> u64 {
    let Image { manifest, .. } = &stages.image;
    let mut engines = Engines::new(stages).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut runs = 0;
    for Entry {
        role, layer, steps, ..
    } in &manifest.entries
    {
        let mut carried = manifest.carried.clone();
        for (index, start) in capture.packets(*layer).enumerate().take(most) {
            let place = || {
                format!(
                    "{name} on {} over packet {index} of {}",
                    role.text(),
                    capture.name
                )
            };
            // What one packet leaves in `carried` is what the next one brings: any bytes may come.
            let packet: &[u8] = match role {
                Role::Every => &[],
                _ => &start.packet,
            };
            let after = engines.run(*role, packet, &start.context, &carried);
            let after = after.unwrap_or_else(|e| panic!("{}: {e}", place()));
            assert!(
                after.outcome.steps.is_some_and(|took| took <= *steps),
                "{}: above the proved bound",
                place()
            );
            let sums = |bytes: &[u8]| packet::sums(bytes, *layer == Layer::Link);
            let (was, is) = (sums(packet), sums(&after.packet));
            // A resized packet begins with other headers: none of theirs may be wrong where all were right.
            let resized = packet.len() != after.packet.len();
            let right = was == is
                || resized && (is.values().all(|&good| good) || was.values().any(|&good| !good));
            assert!(right, "{}: the checksums {was:?} became {is:?}", place());
            carried = after.carried;
            runs += 1;
        }
    }
    runs
}
