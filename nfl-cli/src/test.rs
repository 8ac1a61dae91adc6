//! `nflc test`: the tests of source files, run against proved microcode.

use std::path::PathBuf;

use clap::ValueEnum;
use nfl::test::{Failure as Failed, Report};
use nfl::{SourceMap, Style, render};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::project;
use crate::shell::Shell;
use crate::source::{self, Findings};

/// Run the tests of source files
///
/// Each `@Test` method runs against the real microcode of the functions it makes. Each handler that a
/// test calls also runs over all truncations of the packet, and none of them may break a rule of the machine.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 when every test went well, 1 when one failed or does not compile.\n\nExamples:\n  nflc test guard.nfl\n  nflc test examples --filter answers\n  nflc test --format junit src > report.xml"
)]
pub(crate) struct Args {
    /// Source files, or directories with source files; the project's if left out
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only the tests whose qualified name holds this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// How results are written
    #[arg(long, value_enum, default_value_t = TestFormat::Human, value_name = "FORMAT")]
    format: TestFormat,
    /// How many tests run at the same time; as many as the machine has cores if left out
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The instruction set to make code for
    #[arg(long, visible_alias = "march", value_name = "TARGET")]
    target: Option<String>,
}

/// How results are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum TestFormat {
    /// A line for each test, for people
    Human,
    /// A JSON object for each test, for programs
    Json,
    /// A `JUnit` report, for continuous integration
    Junit,
}

/// The results of one file.
struct Suite {
    file: String,
    sources: SourceMap,
    reports: Vec<Report>,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let work = project::work(&args.files, shell)?;
    let compiler = source::compiler(args.target.as_deref(), work.project.as_ref())?;
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = args.threads.unwrap_or_else(cores);
    let mut suites = Vec::new();
    let mut broken = false;
    let mut findings = Findings::default();
    for file in work.files {
        let build = source::build(&file, &compiler, &mut findings, shell)?;
        let Ok(unit) = build.finish() else {
            broken = true;
            continue;
        };
        suites.push(Suite {
            file: file.to_string_lossy().into_owned(),
            reports: unit.run_tests(&args.filter, threads),
            sources: unit.sources().clone(),
        });
    }
    source::summarise(&findings.list, shell);
    match args.format {
        TestFormat::Human => human(&suites, shell)?,
        TestFormat::Json => machine(&suites, shell)?,
        TestFormat::Junit => junit(&suites, shell)?,
    }
    let reports = suites.iter().flat_map(|suite| &suite.reports);
    if broken || reports.filter(|r| r.failure.is_some()).count() > 0 {
        return Err(Failure::said(Exit::Wrong));
    }
    Ok(())
}

fn human(suites: &[Suite], shell: &mut Shell) -> Result<(), Failure> {
    let (mut good, mut bad) = (0, 0);
    for suite in suites {
        for report in &suite.reports {
            match &report.failure {
                None => {
                    good += 1;
                    shell.line(format!("ok      {}", report.name))?;
                }
                Some(failure) => {
                    bad += 1;
                    shell.line(format!("FAILED  {}", report.name))?;
                    shell.line(said(failure, suite))?;
                }
            }
        }
    }
    shell.line(format!("{good} passed, {bad} failed"))
}

/// What a failure says, with the source.
fn said(failure: &Failed, suite: &Suite) -> String {
    let style = Style::Human { color: false };
    render(&failure.diagnostic(), &suite.sources, style)
}

fn machine(suites: &[Suite], shell: &mut Shell) -> Result<(), Failure> {
    for suite in suites {
        for report in &suite.reports {
            let failure = report.failure.as_ref().map(|f| {
                let (line, column) = suite.sources.line_col(f.span);
                json!({
                    "code": f.code.text,
                    "message": f.message,
                    "why": f.why,
                    "line": line,
                    "column": column,
                    "parts": f.parts.iter().map(|p| json!({ "source": p.source, "value": p.value })).collect::<Vec<_>>(),
                    "packets": f.packets.iter().map(|(name, lines)| json!({ "source": name, "layers": lines })).collect::<Vec<_>>(),
                })
            });
            shell.json(&json!({
                "file": suite.file,
                "test": report.name,
                "passed": report.failure.is_none(),
                "failure": failure,
            }))?;
        }
    }
    Ok(())
}

fn junit(suites: &[Suite], shell: &mut Shell) -> Result<(), Failure> {
    let failed = |suite: &Suite| suite.reports.iter().filter(|r| r.failure.is_some()).count();
    shell.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    shell.line("<testsuites>")?;
    for suite in suites {
        shell.line(format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            xml(&suite.file),
            suite.reports.len(),
            failed(suite)
        ))?;
        for report in &suite.reports {
            let (class, name) = report.name.rsplit_once('.').unwrap_or(("", &report.name));
            let head = format!(
                "    <testcase classname=\"{}\" name=\"{}\"",
                xml(class),
                xml(name)
            );
            match &report.failure {
                None => shell.line(format!("{head}/>"))?,
                Some(failure) => {
                    shell.line(format!("{head}>"))?;
                    shell.line(format!(
                        "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                        failure.code.text,
                        xml(failure.why.as_ref().unwrap_or(&failure.message)),
                        xml(&said(failure, suite))
                    ))?;
                    shell.line("    </testcase>")?;
                }
            }
        }
        shell.line("  </testsuite>")?;
    }
    shell.line("</testsuites>")
}

/// A text within XML.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no control characters but these.
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
