//! The report as Markdown.
//!
//! In: what was measured. Out: tables, the bars with whether they were met, and what was left out. Guaranteed: no date and no path, so that a
//! second run on one machine differs in its figures alone.

use std::fmt::Write as _;
use std::process::Command;

use crate::compare::{Cell, JIT_ROW, KERNEL, NATIVE, Row};
use crate::first::{BARE, First};
use crate::measure::Samples;
use crate::ours::{INTERPRETER, JIT};
use crate::scale::{PACKETS, Scale};
use crate::traffic::NEXT_HOPS;
use crate::{KERNELS, SIX, peers};

/// Functions that native code runs in less than this are allowed a nanosecond more instead of a ratio.
const SHORT_NS: f64 = 3.0;

/// All of it.
pub(crate) fn text(rows: &[Row], first: &First, scale: &Scale) -> String {
    let mut out = String::from(
        "# The machine beside native code and other sandboxes\n\nWritten by `benches/run`; `README.md` says how it is measured.\n\n",
    );
    out.push_str(&versions(rows));
    out.push_str("\n## Bars\n\n| bar | measured | |\n|---|---|---|\n");
    for (bar, measured, met) in bars(rows, first, scale) {
        let _ = writeln!(
            out,
            "| {bar} | {measured} | {} |",
            if met { "met" } else { "**missed**" }
        );
    }
    out.push_str("\n## Functions\n\nNanoseconds per packet without the call: what the empty function costs on the same side is subtracted round by round. Median (least to most).\n\n");
    out.push_str(&table(rows, &SIX, |cell| &cell.net));
    out.push_str("\n## Kernels\n\nNanoseconds per packet with the call.\n\n");
    out.push_str(&table(rows, &KERNELS, |cell| &cell.gross));
    out.push_str("\n![the same as a chart](report.svg)\n");
    out.push_str("\n## From bytes to a first result\n\nMicroseconds.\n\n");
    out.push_str("`parse`, from the bytes of its program, in a warm process:\n\n");
    list(&mut out, &first.cold);
    let sizes: Vec<String> = first
        .capsule_bytes
        .iter()
        .map(|(name, bytes)| format!("{name} has {bytes} bytes"))
        .collect();
    let _ = write!(
        out,
        "\nCapsules beside the bare verification of a signature over as many bytes ({}):\n\n",
        sizes.join(", ")
    );
    list(&mut out, &first.capsules);
    out.push_str("\nSources to images, whole processes:\n\n");
    list(&mut out, &first.compile);
    out.push_str(&scales(scale));
    out.push_str("\n## Left out\n\n");
    for row in rows {
        for (side, why) in &row.skipped {
            let _ = writeln!(
                out,
                "* {side} on `{}`: {}",
                row.name,
                why.trim().replace('\n', " ")
            );
        }
    }
    for line in &first.skipped {
        let _ = writeln!(out, "* {line}");
    }
    out.push_str(LEFT_OUT);
    out
}

const LEFT_OUT: &str = "\
* Sandboxes without tables of their own do not run `router`, `nat44`, `synguard` and `dnsguard`: lookups would be calls of the host with a copy
  of the answer, which measures the harness. rbpf and solana-sbpf give a program no context, so they do not run `telemetry` either; rbpf tells no
  length, so its programs are compiled for one.
* Kernel eBPF runs one packet a hundred thousand times in a row, another one in each round; two more lines do the same for native code and for ours. Its bytes after `telemetry` are not compared, since its
  clock is its own.
* libriscv is not a package.
";

fn line_of(command: &str, argument: &str) -> String {
    let output = Command::new(command).arg(argument).output();
    let text = output
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or("none").to_string()
}

/// The machine, the tools, and the packages of those sides that were measured.
fn versions(rows: &[Row]) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let all = cpu.lines().filter(|l| l.starts_with("processor")).count();
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let others =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/sandboxes/Cargo.lock"));
    let lock = lock.unwrap_or_default() + &others.unwrap_or_default();
    let version = |name: &str| {
        let entry = format!("name = \"{name}\"\nversion = \"");
        let rest = lock.split(&entry).nth(1).unwrap_or("none");
        format!("{name} {}", rest.split('"').next().unwrap_or("none"))
    };
    let cells = rows.iter().flat_map(|row| &row.cells);
    let is_measured = |package: &str| cells.clone().any(|cell| cell.side.starts_with(package));
    let packages = ["rbpf", "wasmtime", "solana-sbpf", "polkavm"];
    let packages = packages.into_iter().filter(|package| is_measured(package));
    let packages: Vec<String> = packages.chain(["cranelift-codegen"]).map(version).collect();
    format!(
        "* Machine: {}, {all} processors, this process on {cores}; Linux {}.\n* {}; {}; {}.\n* {}.\n* Functions of ours for `rv32imc`, at the default level.\n",
        model.unwrap_or("unknown"),
        line_of("uname", "-r"),
        line_of("rustc", "--version"),
        line_of("gcc", "--version"),
        line_of(peers::CLANG, "--version"),
        packages.join(", "),
    )
}

fn spread(samples: &Samples) -> String {
    format!(
        "{:.1} ({:.1} to {:.1})",
        samples.median(),
        samples.least(),
        samples.most()
    )
}

/// A row for each side and a column for each function.
fn table(rows: &[Row], names: &[&str], of: impl Fn(&Cell) -> &Samples) -> String {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| names.contains(&row.name))
        .collect();
    let mut sides: Vec<&str> = Vec::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !sides.contains(&cell.side) {
            sides.push(cell.side);
        }
    }
    let mut out = String::from("| |");
    for row in &rows {
        let _ = write!(out, " {} |", row.name);
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(rows.len()));
    for side in sides {
        let _ = write!(out, "| {side} |");
        for row in &rows {
            match row.cell(side) {
                Some(cell) => {
                    let _ = write!(out, " {} |", spread(of(cell)));
                }
                None => out.push_str(" – |"),
            }
        }
        out.push('\n');
    }
    out
}

fn list(out: &mut String, list: &[(String, Samples)]) {
    out.push_str("| | median | least | most |\n|---|---|---|---|\n");
    for (name, samples) in list {
        let us = |ns: f64| ns / 1e3;
        let _ = writeln!(
            out,
            "| {name} | {:.1} | {:.1} | {:.1} |",
            us(samples.median()),
            us(samples.least()),
            us(samples.most())
        );
    }
}

fn scales(scale: &Scale) -> String {
    let mut out = format!(
        "\n## Scale\n\nThe router, nanoseconds per packet without the call, over {PACKETS} packets; its routes have {NEXT_HOPS} next hops between them:\n\n| routes | traffic | native | ours |\n|---|---|---|---|\n",
    );
    for routes in &scale.routes {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            routes.entries,
            routes.traffic,
            spread(&routes.native),
            spread(&routes.ours)
        );
    }
    let c = &scale.capsules;
    let _ = writeln!(
        out,
        "\n{} capsules of {} bytes each, all different: {:.0} bytes of memory each; proved and loaded in {:.1} µs of processor time in the median and {:.1} µs at most.",
        c.count,
        c.image_bytes,
        c.bytes,
        c.median.as_secs_f64() * 1e6,
        c.longest.as_secs_f64() * 1e6
    );
    out
}

/// What is asked for, what was measured, and whether that is enough.
fn bars(rows: &[Row], first: &First, scale: &Scale) -> Vec<(String, String, bool)> {
    let mut bars = Vec::new();
    let row = |name: &str| rows.iter().find(|row| row.name == name);
    let net = |name: &str, side: &str| Some(row(name)?.cell(side)?.net.median());
    let gross = |name: &str, side: &str| Some(row(name)?.cell(side)?.gross.median());
    let mut missed = |bar: &str| bars.push((bar.to_string(), "not measured".to_string(), false));
    let ratios: Vec<f64> = SIX
        .iter()
        .filter_map(|name| Some(net(name, JIT)? / net(name, NATIVE)?))
        .collect();
    if ratios.len() < SIX.len() {
        missed("JIT: six functions beside native code");
    } else {
        let mean =
            (ratios.iter().map(|r| r.max(0.01).ln()).sum::<f64>() / ratios.len() as f64).exp();
        bars.push((
            "JIT at most 1.25 × native in the geometric mean of the six".to_string(),
            format!("{mean:.2}"),
            mean <= 1.25,
        ));
        for name in SIX {
            let (Some(jit), Some(native)) = (net(name, JIT), net(name, NATIVE)) else {
                continue;
            };
            if native < SHORT_NS {
                let more = jit - native;
                bars.push((
                    format!("`{name}`, short: at most 1 ns over native"),
                    format!("{more:+.1} ns"),
                    more <= 1.0,
                ));
            }
            if let (Some(jit), Some(kernel)) = (net(name, JIT_ROW), net(name, KERNEL)) {
                bars.push((
                    format!("`{name}`: JIT ahead of kernel eBPF, one packet in a row"),
                    format!("{jit:.1} and {kernel:.1} ns"),
                    jit < kernel,
                ));
            }
        }
    }
    if let (Some(jit), Some(native)) = (gross("empty", JIT), gross("empty", NATIVE)) {
        let more = jit - native;
        bars.push((
            "a call at most 2 ns over native".to_string(),
            format!("{more:+.1} ns"),
            more <= 2.0,
        ));
    }
    if let (Some(ours), Some(row)) = (gross("parse", INTERPRETER), row("parse")) {
        let others = row
            .cells
            .iter()
            .filter(|c| c.side.ends_with("interpreter") && c.side != INTERPRETER);
        let best = others
            .map(|c| c.gross.median())
            .fold(f64::INFINITY, f64::min);
        let other = match best.is_finite() {
            true => format!("the best other {best:.1} ns"),
            false => "no other was measured".to_string(),
        };
        bars.push((
            "`parse` interpreted in at most 60 ns, or ahead of every other interpreter".to_string(),
            format!("{ours:.1} ns, {other}"),
            ours <= 60.0 || best.is_finite() && ours < best,
        ));
    }
    bars.extend(first_bars(first));
    bars.extend(scale_bars(scale));
    bars
}

fn first_bars(first: &First) -> Vec<(String, String, bool)> {
    let mut bars = Vec::new();
    let capsule = |name: String| {
        let found = first.capsules.iter().find(|(n, _)| *n == name);
        found.map(|(_, s)| s.median())
    };
    for (name, _) in &first.capsule_bytes {
        let verdict = format!("{name}: to the verdict");
        let bare = capsule(format!("{name}: {BARE}"));
        if let (Some(bare), Some(whole)) = (bare, capsule(verdict.clone())) {
            let bar = format!("{verdict} in at most 1.5 × a bare signature");
            bars.push((bar, format!("{:.2}", whole / bare), whole <= 1.5 * bare));
        }
    }
    let median = |name: String| {
        first
            .compile
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, s)| s.median())
    };
    let whole = SIX.iter().filter_map(|name| {
        Some(median(format!("{name}: nflc build"))? / median(format!("{name}: clang -Oz"))?)
    });
    let whole: Vec<f64> = whole.collect();
    if !whole.is_empty() {
        let most = whole.iter().copied().fold(0.0, f64::max);
        bars.push((
            "`nflc build` in at most a fifth of `clang -Oz`, the slowest of six".to_string(),
            format!("{most:.2}"),
            most <= 0.2,
        ));
    }
    bars
}

fn scale_bars(scale: &Scale) -> Vec<(String, String, bool)> {
    let mut bars = Vec::new();
    for (traffic, most) in [("uniform", 4.0), ("Zipf", 2.0)] {
        let of: Vec<f64> = scale
            .routes
            .iter()
            .filter(|r| r.traffic == traffic)
            .map(|r| r.ours.median())
            .collect();
        let ratio = of[1] / of[0];
        bars.push((
            format!("a million routes at most {most} × ten thousand, {traffic}"),
            format!("{ratio:.2}"),
            ratio <= most,
        ));
    }
    let each = scale.capsules.bytes / 1024.0;
    bars.push((
        "a loaded capsule at most 6 KiB".to_string(),
        format!("{each:.1} KiB"),
        each <= 6.0,
    ));
    let longest = scale.capsules.longest.as_secs_f64() * 1e3;
    bars.push((
        "no load over 10 ms".to_string(),
        format!("{longest:.2} ms"),
        longest <= 10.0,
    ));
    bars
}
