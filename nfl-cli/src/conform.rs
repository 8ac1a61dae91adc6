//! `nflc conform`: does an engine do what the machine does?

mod child;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use nfl::abi::{codes, hash};
use nfl::conform::{
    Answered, Hello, Program, Reply, Request, Suite, VERSION, Vector, all, difference, trace,
};

use crate::args::Format;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::shell::Shell;
use child::Child;
use report::{Different, Judged, Report};

/// Check an engine against conformance vectors
///
/// The engine is a program that reads requests from its standard input and writes replies to its standard output, one JSON
/// object on a line each, as the book's page on conformance says. It is given programs and packets; its verdicts, bytes,
/// steps, calls of services and state are compared with those of the reference machine. The report names the engine, its
/// version and the vectors, so that it can go with a product.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 when every vector passes that the engine runs, 1 when one fails, 2 when the engine cannot be run or\nbreaks the protocol.\n\nExamples:\n  nflc conform --engine 'nflc engine'\n  nflc conform --engine './my-engine --fast' --group instructions\n  nflc conform --write vectors.jsonl\n  nflc conform --vectors vectors.jsonl --engine ./my-engine --format json > report.json"
)]
pub(crate) struct Args {
    /// The engine under test: a command line for the shell
    #[arg(long, value_name = "COMMAND", required_unless_present = "write")]
    engine: Option<String>,
    /// Take the vectors of this file instead of those that `nflc` makes
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Write the vectors to a file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Only the vectors of this group; may be repeated
    #[arg(long, value_enum, value_name = "GROUP")]
    group: Vec<Group>,
    /// Only the vectors whose name holds this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// How long the engine may take for one reply, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    time_limit: u64,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What vectors are about.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Group {
    /// Each instruction of each target
    Instructions,
    /// Lengths, memory, registers, verdicts
    Contract,
    /// Each service
    Services,
    /// Code that breaks a rule
    Faults,
    /// Whole functions
    Programs,
}

impl Group {
    fn is(self, group: nfl::conform::Group) -> bool {
        use nfl::conform::Group as G;
        group
            == match self {
                Group::Instructions => G::Instructions,
                Group::Contract => G::Contract,
                Group::Services => G::Services,
                Group::Faults => G::Faults,
                Group::Programs => G::Programs,
            }
    }
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let mut suite = match &args.vectors {
        Some(path) => read(path)?,
        None => all(),
    };
    suite.vectors.retain(|vector| {
        let in_group = args.group.is_empty() || args.group.iter().any(|g| g.is(vector.group));
        in_group && vector.name.contains(&args.filter)
    });
    let text = suite.to_text();
    if let Some(path) = &args.write {
        output::write(path, text.as_bytes())?;
        shell.note(format!(
            "{} vectors in `{}`",
            suite.vectors.len(),
            path.display()
        ));
    }
    let Some(command) = &args.engine else {
        return Ok(());
    };
    let mut child = Child::start(command, Duration::from_secs(args.time_limit))?;
    let hello = hello(&mut child)?;
    let report = Report::new(&hello, command, &suite, hash::crc32c(text.as_bytes()));
    let report = over(&suite, &hello, &mut child, report)?;
    match args.format {
        Format::Json => shell.json(&report)?,
        Format::Human => shell.print(&report)?,
    }
    match report.failed {
        0 => Ok(()),
        _ => Err(Failure::said(Exit::Wrong)),
    }
}

fn read(path: &Path) -> Result<Suite, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::read(path, &error))?;
    Suite::from_text(&text).map_err(|error| {
        let message = format!("`{}`: {error}", path.display());
        Failure::usage(&codes::E931, message)
    })
}

fn hello(child: &mut Child) -> Result<Hello, Failure> {
    let reply = child.ask(&Request::Hello(VERSION), "the greeting")?;
    match reply {
        Reply::Hello(hello) if hello.conformance == VERSION => Ok(hello),
        Reply::Hello(hello) => Err(child.broken(&format!(
            "the engine speaks version {} of the protocol, and this is version {VERSION}",
            hello.conformance
        ))),
        _ => Err(child.broken("the engine does not say what it is")),
    }
}

/// All vectors, one after the other.
fn over(
    suite: &Suite,
    hello: &Hello,
    child: &mut Child,
    mut report: Report,
) -> Result<Report, Failure> {
    let mut taken: BTreeMap<&str, Reply> = BTreeMap::new();
    for vector in &suite.vectors {
        let Some(program) = suite.programs.get(&vector.program) else {
            continue;
        };
        let judged = match unasked(hello, program) {
            Some(reason) => Judged::Skipped(reason),
            None => {
                if !taken.contains_key(program.name.as_str()) {
                    let request = Request::Program(Box::new(program.clone()));
                    let reply = child.ask(&request, &program.name)?;
                    taken.insert(&program.name, reply);
                }
                match taken.get(program.name.as_str()) {
                    Some(Reply::Ready {}) => one(program, vector, hello, child)?,
                    Some(Reply::Refused(_)) if !program.proved => Judged::Passed,
                    Some(Reply::Refused(why)) => Judged::Failed(Different {
                        vector: vector.name.clone(),
                        what: format!("the engine refuses the program: {why}"),
                        control: None,
                    }),
                    Some(Reply::Skipped(why)) => Judged::Skipped(why.clone()),
                    _ => return Err(child.broken("the reply is none to a program")),
                }
            }
        };
        report.add(vector.group, judged);
    }
    Ok(report)
}

/// Why an engine is not even asked.
fn unasked(hello: &Hello, program: &Program) -> Option<String> {
    if !hello.targets.contains(&program.target) {
        return Some(format!("the engine does not run {}", program.target));
    }
    let refuses = program.proved || hello.faults;
    (!refuses).then(|| "the engine runs what is proved alone".to_string())
}

fn one(
    program: &Program,
    vector: &Vector,
    hello: &Hello,
    child: &mut Child,
) -> Result<Judged, Failure> {
    let mut asked = vector.clone();
    let expect = asked.expect.take().unwrap_or_default();
    let answered = match child.ask(&Request::Vector(Box::new(asked.clone())), &vector.name)? {
        Reply::Answered(answered) => answered,
        Reply::Skipped(why) => return Ok(Judged::Skipped(why)),
        _ => return Err(child.broken("the reply is none to a vector")),
    };
    let Some(difference) = difference(&expect, &answered) else {
        return Ok(Judged::Passed);
    };
    let control = match hello.trace {
        true => match child.ask(&Request::Trace(Box::new(asked)), &vector.name)? {
            Reply::Answered(traced) => parting(program, vector, &traced),
            _ => None,
        },
        false => None,
    };
    Ok(Judged::Failed(Different {
        vector: vector.name.clone(),
        what: difference.to_string(),
        control,
    }))
}

/// Where the engine goes another way.
fn parting(program: &Program, vector: &Vector, traced: &Answered) -> Option<String> {
    let image = program.image().ok()?;
    let must = trace(&image, vector).ok()?;
    for (run, (must, is)) in must.runs.iter().zip(&traced.runs).enumerate() {
        let (must, is) = (must.pcs.as_deref()?, is.pcs.as_deref()?);
        let step = (0..must.len().max(is.len())).find(|&at| must.get(at) != is.get(at));
        if let Some(step) = step {
            let place = |pcs: &[u32]| {
                let pc = pcs.get(step);
                pc.map_or("at its end".to_string(), |pc| format!("at {pc:#06x}"))
            };
            return Some(format!(
                "in run {run} the engine is {} after {step} instructions, and should be {}",
                place(is),
                place(must)
            ));
        }
    }
    Some("it goes the same way".to_string())
}
