//! The size ledger: what every example and each of the six baselines costs.
//!
//! In: `examples`, `tests/baselines`. Out: `tests/reports/sizes.toml`. Guaranteed: the file says what
//! the compiler does now, to the byte and the step, so growth and shrinking show in review.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use nfl_codegen_rv::Options;
use nfl_isa::{TARGETS, Target};
use nfl_tests::baseline::SIX;
use nfl_tests::examples::EXAMPLES;
use nfl_tests::pipeline::Checking;
use nfl_tests::root;

const UPDATE: &str = "BLESS=1 cargo test -p nfl-tests --test all -- ledger";

/// What the ledger has a column for: each instruction set.
fn builds() -> Vec<(&'static str, Options)> {
    let sets = TARGETS.iter().filter(|target| target.room.is_none());
    let build = |target: &'static Target| {
        let options = Options {
            target,
            ..Options::default()
        };
        (target.alias.unwrap_or(target.name), options)
    };
    sets.map(build).collect()
}

/// What one image costs.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Cost {
    /// Code and constants.
    bytes: u32,
    /// `W` of each handler.
    steps: Vec<u32>,
}

impl Cost {
    fn text(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(u32::to_string).collect();
        format!("[{}, {}]", self.bytes, steps.join(", "))
    }
}

/// For each image its roles and its costs, in the order of the builds.
fn costs(
    checking: &Checking,
    function: &str,
    sets: &[(String, String)],
) -> BTreeMap<String, Vec<(&'static str, Cost)>> {
    let mut rows: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let id = checking
        .function(Some(function))
        .unwrap_or_else(|e| panic!("{function}: {e}"));
    for (build, options) in builds() {
        let stages = match checking.stages_for(id, sets, &options) {
            // A program that divides has no column for a target without the instruction.
            Err(e) if e.contains("has no instruction `") => continue,
            stages => stages.unwrap_or_else(|e| panic!("{function} for {build}: {e}")),
        };
        for stages in stages {
            let image = &stages.image;
            let roles = image.manifest.entries.iter().map(|entry| entry.role.text());
            let cost = Cost {
                bytes: (image.code.len() + image.constants.len()) as u32,
                steps: image.manifest.entries.iter().map(|e| e.steps).collect(),
            };
            let roles: Vec<&str> = roles.collect();
            rows.entry(roles.join(" ")).or_default().push((build, cost));
        }
    }
    rows
}

fn columns(costs: &[(&'static str, Cost)]) -> String {
    let columns = costs
        .iter()
        .map(|(build, cost)| format!("{build} = {}", cost.text()));
    columns.collect::<Vec<_>>().join(", ")
}

/// The six functions, each beside the smallest C.
fn six(out: &mut String) {
    let mut sums: BTreeMap<&'static str, u32> = BTreeMap::new();
    let _ = writeln!(out, "[six]");
    for function in SIX {
        let (c, any) = (function.smallest, function.smallest_of_any);
        for costs in costs(&function.check(), function.function, &[]).values() {
            let columns = columns(costs);
            let _ = writeln!(
                out,
                "{} = {{ c = {c}, c_of_any_isa = {any}, {columns} }}",
                function.function
            );
            for (build, cost) in costs {
                *sums.entry(build).or_default() += cost.bytes;
            }
        }
    }
    let c: u32 = SIX.iter().map(|f| f.smallest).sum();
    let any: u32 = SIX.iter().map(|f| f.smallest_of_any).sum();
    let sums: Vec<String> = sums
        .iter()
        .map(|(build, sum)| format!("{build} = {sum}"))
        .collect();
    let _ = writeln!(
        out,
        "sum = {{ c = {c}, c_of_any_isa = {any}, {} }}",
        sums.join(", ")
    );
}

fn examples(out: &mut String) {
    let _ = writeln!(out, "\n[examples]");
    for example in EXAMPLES {
        let sets = example.settings();
        let given: String = example
            .sets
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        let file = example.path.trim_end_matches(".nfl");
        for (roles, costs) in costs(&example.check(), example.function, &sets) {
            let function = example.function;
            let columns = columns(&costs);
            let _ = writeln!(
                out,
                "\"{file} {function}{given}: {roles}\" = {{ {columns} }}"
            );
        }
    }
}

#[test]
fn the_ledger_is_kept() {
    let mut now = format!(
        "# What each image costs: [bytes of code and constants, steps of the longest run of each handler], for each target.\n\
         # `c` is the smallest C of the same meaning for RV32IMC, `c_of_any_isa` with Zb, Zcb and Zcmp.\n\
         # Written by: {UPDATE}\n\n"
    );
    six(&mut now);
    examples(&mut now);
    let path = root().join("tests/reports/sizes.toml");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, now).expect("the ledger can be written");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| -> BTreeMap<String, String> {
        let pairs = text.lines().filter_map(|line| line.split_once(" = {"));
        pairs
            .map(|(name, row)| (name.to_string(), row.to_string()))
            .collect()
    };
    let (kept_rows, now_rows) = (lines(&kept), lines(&now));
    let mut changes = String::new();
    for name in now_rows.keys().chain(kept_rows.keys()) {
        let (was, is) = (kept_rows.get(name), now_rows.get(name));
        if was != is {
            let show = |row: Option<&String>| row.map_or_else(|| "none".to_string(), String::clone);
            let change = format!("  {name}\n    was {}\n    is  {}\n", show(was), show(is));
            if !changes.contains(&change) {
                changes.push_str(&change);
            }
        }
    }
    assert!(
        kept == now,
        "the ledger of sizes does not say what the compiler does:\n{changes}write it anew with\n  {UPDATE}"
    );
}
