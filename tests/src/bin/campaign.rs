//! Tries to break the byte verifier, and writes down what was tried.
//!
//! In: `[--seed N] [--for SECONDS | --mutants N] [--threads N] [--report FILE] [--resume FILE] [--emulator PROGRAM]
//! [PART ...]`,
//! where a part is a generator `g1` to `g4`, `tight` or `slow`. Out: a table, and the report when there is
//! a file for it. The status is 1 when something was found, 2 when the arguments make no sense.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nfl_tests::agree::jit;
use nfl_tests::campaign::block::{Corpus, Generator, Setting, Size};
use nfl_tests::campaign::native::Host;
use nfl_tests::campaign::totals::Totals;
use nfl_tests::campaign::{Until, blocks, corpus, tight, times, tried, vectors};
use nfl_tests::second;

/// The second checker is slow: it is asked about one image in so many.
const SECOND_ONE_IN: u64 = 100;

/// Host code is made in half the time of a run beside the proof; it is asked about one image in so many.
const HOST_ONE_IN: u64 = 4;

/// What was asked for.
struct Asked {
    seed: Option<u64>,
    until: Until,
    threads: usize,
    report: Option<PathBuf>,
    resume: Option<PathBuf>,
    emulator: Option<PathBuf>,
    generators: Vec<Generator>,
    tight: bool,
    slow: bool,
}

fn main() -> ExitCode {
    match asked(std::env::args().skip(1)).and_then(|asked| run(&asked)) {
        Ok(totals) => {
            say(&totals.table());
            for line in &totals.violations {
                say(line);
            }
            ExitCode::from(u8::from(totals.violated() > 0))
        }
        Err(wrong) => {
            say(&wrong);
            ExitCode::from(2)
        }
    }
}

/// Text on standard output; who closed it does not want to know.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn asked(args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut args = args;
    let mut asked = Asked {
        seed: None,
        until: Until::Tried(1_000_000),
        threads: 2,
        report: None,
        resume: None,
        emulator: None,
        generators: Vec::new(),
        tight: false,
        slow: false,
    };
    let mut any = false;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} takes a value"));
        let number = |text: String| text.parse::<u64>().map_err(|e| format!("{arg}: {e}"));
        match arg.as_str() {
            "--seed" => asked.seed = Some(number(value()?)?),
            "--for" => asked.until = Until::Time(Duration::from_secs(number(value()?)?)),
            "--mutants" => asked.until = Until::Tried(number(value()?)?),
            "--threads" => asked.threads = number(value()?)? as usize,
            "--report" => asked.report = Some(value()?.into()),
            "--resume" => asked.resume = Some(value()?.into()),
            "--emulator" => asked.emulator = Some(value()?.into()),
            "tight" => (asked.tight, any) = (true, true),
            "slow" => (asked.slow, any) = (true, true),
            part => {
                let one = Generator::ALL.iter().find(|g| g.name() == part);
                asked
                    .generators
                    .push(*one.ok_or(format!("there is no part `{part}`"))?);
                any = true;
            }
        }
    }
    if !any {
        asked.generators = Generator::ALL.to_vec();
        (asked.tight, asked.slow) = (true, true);
    }
    Ok(asked)
}

fn run(asked: &Asked) -> Result<Totals, String> {
    let mut totals = match &asked.resume {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Totals::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
        None => Totals::default(),
    };
    let parts = asked.generators.iter().map(|g| g.name());
    let parts: Vec<&str> = parts.collect();
    let parts = parts.join(" ");
    let before = totals.asked.get("seed").and_then(|seed| seed.parse().ok());
    let seed = match (before, asked.seed) {
        (Some(before), Some(now)) if before != now => {
            return Err(format!("the report to resume is of seed {before}"));
        }
        (before, now) => before.or(now).unwrap_or(1),
    };
    if totals
        .asked
        .get("generators")
        .is_some_and(|before| *before != parts)
    {
        return Err("the report to resume is of other generators".into());
    }
    totals.asked.insert("seed".into(), seed.to_string());
    totals.asked.insert("generators".into(), parts);
    let spent = totals
        .machine
        .get("seconds")
        .and_then(|s| s.parse::<u64>().ok());
    let (spent, start) = (spent.unwrap_or(0), Instant::now());
    let about = |totals: &mut Totals| {
        let seconds = spent + start.elapsed().as_secs();
        let command: Vec<String> = std::env::args().skip(1).collect();
        for (name, value) in [
            ("seconds", seconds.to_string()),
            ("threads", asked.threads.to_string()),
            ("command", format!("campaign {}", command.join(" "))),
            ("processor", processor()),
            ("host code", host_code().into()),
        ] {
            totals.machine.insert(name.into(), value);
        }
    };
    let save = |totals: &Totals| {
        if let Some(path) = &asked.report {
            let mut totals = totals.clone();
            about(&mut totals);
            if let Err(wrong) = totals.save(path) {
                say(&format!("{}: {wrong}", path.display()));
            }
        }
    };
    if !asked.generators.is_empty() {
        let setting = Setting {
            seed,
            size: Size::WHOLE,
            corpus: Corpus::whole(),
            second: Some((second::prove, SECOND_ONE_IN)),
            host: host(asked)?,
        };
        // A panic is counted where it is caught.
        std::panic::set_hook(Box::new(|_| {}));
        totals = blocks(
            &setting,
            totals,
            asked.until,
            &asked.generators,
            asked.threads,
            &save,
        );
        save(&totals);
        if let Some(checker) = &asked.emulator
            && totals.get("o8.checks") == 0
        {
            let images = (tried(&totals) / 1_000).clamp(100, 5_000);
            let found = vectors::compare(&setting, images, checker);
            totals.merge(found.map_err(|e| format!("{}: {e}", checker.display()))?);
            save(&totals);
        }
    }
    // The searches take about a hundredth of the mutants each.
    let share = (tried(&totals).max(1_000_000) / 100).min(1_000_000);
    if asked.tight && totals.counts.keys().all(|name| !name.starts_with("tight.")) {
        totals.merge(tight::tightness(seed, share.clamp(2_000, 100_000)));
        save(&totals);
    }
    if asked.slow && totals.get("slow.proofs") == 0 {
        totals.merge(times::worst(seed, share));
        totals.merge(times::growth(seed));
        totals.merge(times::residents(&corpus::examples()));
    }
    about(&mut totals);
    save(&totals);
    Ok(totals)
}

/// Host code, with a directory for the images that run as such.
fn host(asked: &Asked) -> Result<Option<Host>, String> {
    if jit()?.is_none() {
        return Ok(None);
    }
    let notes = match &asked.report {
        Some(report) => report.with_extension("running"),
        None => std::env::temp_dir().join(format!("campaign-{}", std::process::id())),
    };
    std::fs::create_dir_all(&notes).map_err(|e| format!("{}: {e}", notes.display()))?;
    Ok(Some(Host::new(HOST_ONE_IN, Some(notes))))
}

fn host_code() -> &'static str {
    match jit() {
        Ok(Some(_)) => "compared",
        _ => "skipped: there is none for this host",
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = line.map(|line| line.trim_start_matches([' ', '\t', ':']));
    name.unwrap_or("unknown").to_string()
}
