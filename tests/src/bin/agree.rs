//! Has generated programs agree in every form, and writes down how many did.
//!
//! In: `[--first SEED] [--programs N] [--threads N] [--unoptimised EACH] [--report FILE] [--emulator PROGRAM]`. Out: a report, on
//! standard output and in the file. Each program is run on 16 packets by the interpreter of the source, by
//! that of its module before and after the passes, and as code that was made with and without the passes
//! (without, one program of `EACH`), interpreted, as host code, and by the emulator if there is one. The status is 1 when something
//! differs, 2 when the arguments make no sense.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nfl_tests::opinion::{EACH, Wanted, tried};

/// Differences that are shown; all are counted.
const SHOWN: usize = 10;

/// What was asked for.
struct Asked {
    first: u64,
    programs: u64,
    /// Of so many programs one is made without passes, too.
    each: u64,
    threads: u64,
    report: Option<PathBuf>,
    emulator: Option<PathBuf>,
}

/// What came of it.
#[derive(Default)]
struct Sums {
    too_much: u64,
    packets: u64,
    unoptimised: u64,
    differences: Vec<String>,
    /// The last line of the emulator.
    emulator: Option<String>,
}

fn main() -> ExitCode {
    match asked(std::env::args().skip(1)).and_then(|asked| run(&asked)) {
        Ok((report, good)) => {
            let _ = write!(std::io::stdout().lock(), "{report}");
            ExitCode::from(u8::from(!good))
        }
        Err(wrong) => {
            eprintln!("agree: {wrong}");
            ExitCode::from(2)
        }
    }
}

fn asked(mut args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        first: 0,
        programs: 1_000,
        each: 1,
        threads: 2,
        report: None,
        emulator: None,
    };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(format!("{arg} takes a value"))?;
        let number = || value.parse::<u64>().map_err(|e| format!("{arg}: {e}"));
        match arg.as_str() {
            "--first" => asked.first = number()?,
            "--programs" => asked.programs = number()?,
            "--unoptimised" => asked.each = number()?.max(1),
            "--threads" => asked.threads = number()?.max(1),
            "--report" => asked.report = Some(value.into()),
            "--emulator" => asked.emulator = Some(value.into()),
            _ => return Err(format!("there is no option `{arg}`")),
        }
    }
    Ok(asked)
}

fn run(asked: &Asked) -> Result<(String, bool), String> {
    let start = Instant::now();
    let mut emulator = asked.emulator.as_ref().map(spawn).transpose()?;
    let pipe = emulator.as_mut().and_then(|child| child.stdin.take());
    let pipe = Mutex::new(pipe.map(BufWriter::new));
    let sums = Mutex::new(Sums::default());
    let next = AtomicU64::new(asked.first);
    // A panic is a difference, and is told where it is caught.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= asked.first + asked.programs {
                        break;
                    }
                    let wanted = Wanted {
                        lines: asked.emulator.is_some(),
                        unoptimised: seed.is_multiple_of(asked.each),
                    };
                    let tried = tried(seed, wanted);
                    let lines = add(&sums, seed, tried);
                    let mut pipe = pipe.lock().unwrap_or_else(|e| e.into_inner());
                    if let Some(out) = pipe.as_mut()
                        && out.write_all(lines.as_bytes()).is_err()
                    {
                        // An emulator that cannot be had closes its end.
                        *pipe = None;
                    }
                }
            });
        }
    });
    drop(pipe.into_inner().unwrap_or_else(|e| e.into_inner()));
    let mut sums = sums.into_inner().unwrap_or_else(|e| e.into_inner());
    if let Some(child) = emulator {
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        sums.emulator = said.lines().last().map(str::to_string);
        if !output.status.success() {
            sums.differences.extend(said.lines().map(str::to_string));
        }
    }
    let report = report(asked, &sums, start.elapsed().as_secs());
    if let Some(path) = &asked.report {
        std::fs::write(path, &report).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    for difference in sums.differences.iter().take(SHOWN) {
        eprintln!("{difference}");
    }
    Ok((report, sums.differences.is_empty() && sums.packets > 0))
}

fn spawn(program: &PathBuf) -> Result<Child, String> {
    let child = Command::new(program)
        .arg("--stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    child.map_err(|e| format!("{}: {e}", program.display()))
}

/// Counts a program; answers its lines for the emulator.
fn add(sums: &Mutex<Sums>, seed: u64, tried: Result<nfl_tests::opinion::Tried, String>) -> String {
    let mut sums = sums.lock().unwrap_or_else(|e| e.into_inner());
    match tried {
        Ok(tried) => {
            sums.too_much += u64::from(tried.too_much);
            sums.packets += tried.packets;
            sums.unoptimised += tried.unoptimised;
            tried.lines
        }
        Err(wrong) => {
            sums.differences.push(format!("seed {seed}: {wrong}"));
            String::new()
        }
    }
}

fn report(asked: &Asked, sums: &Sums, seconds: u64) -> String {
    let mut out = String::from(
        "# Generated programs in every form: source, module before and after the passes, code with and without\n\
         # them, interpreted and as host code, and code on an emulator that is not ours.\n",
    );
    let command: Vec<String> = std::env::args().skip(1).collect();
    let rows = [
        ("command", format!("\"agree {}\"", command.join(" "))),
        ("first_seed", asked.first.to_string()),
        ("programs", asked.programs.to_string()),
        ("packets_for_each_handler", EACH.to_string()),
        ("programs_too_large_to_run", sums.too_much.to_string()),
        ("packets_run", sums.packets.to_string()),
        (
            "packets_run_without_passes_too",
            sums.unoptimised.to_string(),
        ),
        (
            "emulator",
            format!("\"{}\"", sums.emulator.as_deref().unwrap_or("not asked")),
        ),
        ("differences", sums.differences.len().to_string()),
        ("seconds", seconds.to_string()),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "{name} = {value}");
    }
    out
}
