//! The suite: one case file for each behaviour, one function for each stage.
//!
//! In: `tests/suite/<stage>/*.nfl`. Out: what the stage makes of each, compared with the snapshot
//! beside the file and with the marks in it. `tests/suite/readme.nfl` explains the form.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use nfl::{Compiler, Limits, MemoryFiles};
use nfl_abi::image::{OWN_REASONS, REASONS, VerdictKind};
use nfl_abi::{Code, Entry, Image, Layer, Profile, Role, Severity};
use nfl_syntax::ast::Ast;
use nfl_syntax::{Diagnostic, Diags, Names, SourceMap, Span};
use nfl_tests::agree::{After, Engines};
use nfl_tests::case::{Case, cases};
use nfl_tests::packet::{self, digits};
use nfl_tests::pipeline::{Checking, Stages, check_text, render_all, render_list};
use nfl_tests::root;
use nfl_vm::{Context, HEAD_ROOM, Packet, TAIL_ROOM};

use crate::world;

/// How far a case goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Text to tokens.
    Lex,
    /// Text to tree.
    Parse,
    /// Findings of the checker.
    Types,
    /// Findings of the IR verifier, with unbound parameters.
    Verify,
    /// The module after the passes.
    Ir,
    /// Code, with its size.
    Rv,
    /// Packets through all engines.
    Run,
    /// The manifest.
    Image,
}

impl Stage {
    fn directory(self) -> &'static str {
        match self {
            Stage::Lex => "lex",
            Stage::Parse => "parse",
            Stage::Types => "types",
            Stage::Verify => "verify",
            Stage::Ir => "ir",
            Stage::Rv => "rv",
            Stage::Run => "run",
            Stage::Image => "image",
        }
    }

    /// What the stage makes of a case; a mark that is not met is an error.
    fn render(self, case: &Case) -> Result<String, String> {
        match self {
            Stage::Lex => lex(case),
            Stage::Parse => parse(case),
            Stage::Types => {
                let Checking {
                    checked,
                    diagnostics,
                } = check_text(&file_name(case), &case.text);
                marked(case, &checked.program.sources, &diagnostics)?;
                Ok(render_all(&checked, &diagnostics))
            }
            Stage::Verify => {
                let name = file_name(case);
                let files = MemoryFiles::from([(name.as_str(), case.text.as_str())]);
                let build = Compiler::new(Limits::EDGE).build(&files, &name);
                marked(case, build.sources(), &build.diagnostics)?;
                Ok(render_list(build.sources(), &build.diagnostics))
            }
            Stage::Ir => {
                let texts = stages(case)?
                    .into_iter()
                    .map(|s| nfl_ir::text::module(&s.optimised));
                Ok(texts.collect())
            }
            Stage::Rv => stages(case)?.iter().map(code).collect(),
            Stage::Image => Ok(stages(case)?.iter().map(|s| manifest(&s.image)).collect()),
            Stage::Run => run(case),
        }
    }
}

fn file_name(case: &Case) -> String {
    format!("{}.nfl", case.name())
}

/// Runs all cases of a stage and reports all that fail.
fn suite(stage: Stage) {
    let dir = root().join("tests/suite").join(stage.directory());
    let cases = cases(&dir);
    assert!(!cases.is_empty(), "there are cases in {}", dir.display());
    let mut failed = Vec::new();
    for case in &cases {
        let shown = catch_unwind(AssertUnwindSafe(|| {
            let head = case.get("stage").unwrap_or("none");
            assert_eq!(head, stage.directory(), "the head names the stage");
            let text = stage.render(case).unwrap_or_else(|e| panic!("{e}"));
            snapshot(&dir, case.name(), &text);
        }));
        if shown.is_err() {
            failed.push(case.path.display().to_string());
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases fail:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

pub(crate) fn snapshot(dir: &std::path::Path, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(PathBuf::from(dir));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn lexing() {
    suite(Stage::Lex);
}

#[test]
fn parsing() {
    suite(Stage::Parse);
}

#[test]
fn types() {
    suite(Stage::Types);
}

#[test]
fn verifying() {
    suite(Stage::Verify);
}

#[test]
fn ir() {
    suite(Stage::Ir);
}

#[test]
fn rv() {
    suite(Stage::Rv);
}

#[test]
fn running() {
    suite(Stage::Run);
}

#[test]
fn the_case_that_explains_cases() {
    let dir = root().join("tests/suite");
    for case in cases(&dir) {
        snapshot(
            &dir,
            case.name(),
            &run(&case).unwrap_or_else(|e| panic!("{e}")),
        );
    }
}

#[test]
fn image() {
    suite(Stage::Image);
}

/// A line for each token that is not white space: where it stands, what it is, its text.
fn lex(case: &Case) -> Result<String, String> {
    let mut sources = SourceMap::default();
    let file = sources.add(file_name(case), case.text.clone());
    let (tokens, diagnostics) = nfl_syntax::lex(file, &mut sources);
    marked(case, &sources, &diagnostics)?;
    let mut out = String::new();
    for (at, token) in (0u32..).zip(tokens) {
        let span = Span {
            file,
            start: at,
            end: at + 1,
        };
        let text = sources.text(span).trim();
        if !text.is_empty() && !text.starts_with("//") {
            let (line, column) = sources.line_col(span);
            let _ = writeln!(out, "{line}:{column} {token:?} {text}");
        }
    }
    let style = nfl_syntax::diag::Style::Human { color: false };
    for diagnostic in &diagnostics {
        out.push_str(&nfl_syntax::diag::render(diagnostic, &sources, style));
    }
    Ok(out)
}

fn parse(case: &Case) -> Result<String, String> {
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add(file_name(case), case.text.clone());
    nfl_syntax::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    let diagnostics = diags.into_vec();
    marked(case, &sources, &diagnostics)?;
    let mut out = nfl_syntax::ast::print::print(&ast, &ast.units[0], &names);
    for diagnostic in &diagnostics {
        let style = nfl_syntax::diag::Style::Human { color: false };
        out.push_str(&nfl_syntax::diag::render(diagnostic, &sources, style));
    }
    Ok(out)
}

/// Compares what was found with the marks of the case.
fn marked(case: &Case, sources: &SourceMap, diagnostics: &[Diagnostic]) -> Result<(), String> {
    let line = |d: &Diagnostic| {
        d.labels
            .first()
            .map_or(0, |label| sources.line_col(label.span).0)
    };
    let found: BTreeSet<(u32, String)> = diagnostics
        .iter()
        .map(|d| (line(d), d.code.text.to_string()))
        .collect();
    let marks = case.marks();
    if found == marks {
        return Ok(());
    }
    let mut out = String::from("marks and findings differ\n");
    for (line, code) in marks.difference(&found) {
        let _ = writeln!(out, "  line {line}: {code} is marked and not found");
    }
    for (line, code) in found.difference(&marks) {
        let _ = writeln!(out, "  line {line}: {code} is found and not marked");
    }
    let style = nfl_syntax::diag::Style::Human { color: false };
    for diagnostic in diagnostics {
        out.push_str(&nfl_syntax::diag::render(diagnostic, sources, style));
    }
    Err(out)
}

/// The images of the function that the head names, or of the only one.
pub(crate) fn stages(case: &Case) -> Result<Vec<Stages>, String> {
    let checking = check_text(&file_name(case), &case.text);
    let wrong = |d: &Diagnostic| Code::severity(d.code) == Severity::Error;
    if checking.diagnostics.iter().any(wrong) {
        return Err(checking.render(&checking.diagnostics));
    }
    let function = checking.function(case.get("function"))?;
    checking.stages(function, &case.sets())
}

fn code(stages: &Stages) -> Result<String, String> {
    let Image {
        manifest,
        code,
        constants,
        certificate,
    } = &stages.image;
    let mut out = format!("{}\n", manifest.name);
    for line in nfl_isa::disassemble(code, 0) {
        for entry in manifest.entries.iter().filter(|entry| entry.pc == line.pc) {
            let _ = writeln!(out, "on {}", entry.role.text());
        }
        let _ = writeln!(out, "{line}");
    }
    let (code, constants, certificate) = (code.len(), constants.len(), certificate.len());
    let _ = writeln!(
        out,
        "{code} bytes of code, {constants} of constants, {certificate} of certificate\n"
    );
    Ok(out)
}

fn manifest(image: &Image) -> String {
    let m = &image.manifest;
    let mut out = format!("{} {} passes {}\n", m.profile.text(), m.name, m.passes);
    for Entry {
        role,
        layer,
        need,
        malformed,
        steps,
        period_ns,
        ..
    } in &m.entries
    {
        let (role, layer) = (role.text(), layer.text());
        let (kind, operand) = (malformed.kind.text(), malformed.operand);
        let _ = write!(
            out,
            "on {role} {layer} need {need} malformed {kind} {operand} steps {steps}"
        );
        let timer = if *period_ns > 0 {
            format!(" every {period_ns} ns")
        } else {
            String::new()
        };
        let _ = writeln!(out, "{timer}");
    }
    let verdicts = VerdictKind::ALL
        .iter()
        .filter(|kind| m.verdicts >> kind.number() & 1 != 0);
    let verdicts: Vec<&str> = verdicts.map(|kind| kind.text()).collect();
    let rights: Vec<&str> = m.rights.iter().map(|right| right.text()).collect();
    let _ = writeln!(
        out,
        "verdicts {}\nrights {}",
        verdicts.join(" "),
        rights.join(" ")
    );
    let _ = writeln!(
        out,
        "window {} carried {:02x?} reasons {:?}",
        m.window, m.carried, m.reasons
    );
    for slot in &m.late {
        let order = if slot.wire { " in wire order" } else { "" };
        let (name, offset, width) = (&slot.name, slot.offset, slot.width);
        let _ = writeln!(
            out,
            "late {name} at {offset} {width} bits{order} {}..{}",
            slot.lo, slot.hi
        );
    }
    out
}

fn run(case: &Case) -> Result<String, String> {
    let stages = stages(case)?;
    let engines = stages.iter().map(Engines::new);
    let mut script = Script {
        engines: engines.collect::<Result<_, _>>()?,
        stages: &stages,
        role: None,
        context: Context::default(),
        carried: None,
        room: (HEAD_ROOM, TAIL_ROOM),
    };
    let mut out = String::new();
    for (name, value) in case.fields() {
        out.push_str(&script.line(name, value)?);
    }
    Ok(out)
}

/// A `run` case in the middle of its script.
struct Script<'s> {
    stages: &'s [Stages],
    /// One for each image; their states are kept from packet to packet.
    engines: Vec<Engines<'s>>,
    role: Option<Role>,
    context: Context,
    carried: Option<Vec<u8>>,
    room: (u32, u32),
}

impl Script<'_> {
    fn line(&mut self, name: &str, value: &str) -> Result<String, String> {
        let number = |value: &str| {
            let number = value.parse::<u64>();
            number.map_err(|_| format!("`{name}` takes a number"))
        };
        match name {
            "on" => {
                let role = Role::from_text(value).ok_or(format!("`{value}` is no role"))?;
                self.role = Some(role);
                return Ok(format!("on {value}\n"));
            }
            "port" => self.context.ingress_port = number(value)? as u32,
            "node" => self.context.node_id = number(value)? as u32,
            "queue" => self.context.queue_depth = number(value)? as u32,
            "next" => self.context.next_hop = number(value)? as u32,
            "clock" => self.context.clock_ns = number(value)?,
            "carried" => self.carried = Some(packet::hex(value)?),
            "room" => {
                let (head, tail) = value.split_once(' ').ok_or("`room` takes two numbers")?;
                self.room = (number(head)? as u32, number(tail)? as u32);
            }
            "packet" => {
                let role = self.role.ok_or("`on` comes before `packet`")?;
                let shown = self.one_run(role, value);
                let shown = shown.map_err(|e| format!("{value}: {e}"))?;
                return Ok(format!("  {value}\n    {shown}\n"));
            }
            "tick" => {
                let shown = self.one_run(Role::Every, value);
                return Ok(format!("  every\n    {}\n", shown?));
            }
            "show" => {
                let has = |engines: &&Engines<'_>| {
                    let mut resources = engines.state().resources().iter();
                    resources.any(|resource| resource.name == value)
                };
                let engines = self.engines.iter().find(has);
                let engines = engines.ok_or(format!("there is no resource `{value}`"))?;
                return world::show(engines.state(), value);
            }
            _ => self.change(name, value)?,
        }
        Ok(String::new())
    }

    /// Changes the states that have the resource, of which there must be one.
    fn change(&mut self, name: &str, value: &str) -> Result<(), String> {
        let mut done = Vec::new();
        for engines in &mut self.engines {
            let clock_ns = self.context.clock_ns;
            engines.each_state(|state| {
                state.set_clock(clock_ns);
                done.push(world::change(state, name, value));
            });
        }
        match done.iter().find(|done| done.is_ok()) {
            Some(_) => Ok(()),
            None => done.into_iter().find_map(Result::err).map_or(Ok(()), Err),
        }
    }

    /// Runs one packet through the image that has the role.
    fn one_run(&mut self, role: Role, text: &str) -> Result<String, String> {
        let has = |s: &Stages| s.image.manifest.entries.iter().any(|e| e.role == role);
        let index = self.stages.iter().position(has);
        let index = index.ok_or(format!("no image has `{}`", role.text()))?;
        let stages = &self.stages[index];
        let manifest = &stages.image.manifest;
        let entry = manifest.entries.iter().find(|entry| entry.role == role);
        let link = entry.is_some_and(|entry| entry.layer == Layer::Link);
        let context = Context {
            network_offset: (!link).then_some(0),
            ..self.context
        };
        let bytes = packet::parse(text)?;
        let before = self.carried.as_ref().unwrap_or(&manifest.carried);
        let engines = &mut self.engines[index];
        let given = Packet::from(&bytes[..]);
        let after = engines.run_in(role, given, &context, before, self.room)?;
        let mut shown = verdict(&stages.image, &after);
        let steps = after.outcome.steps.ok_or("no steps were counted")?;
        let _ = write!(shown, ", {steps} steps");
        if after.outcome.by_need {
            shown.push_str(", too short to start");
        }
        if after.packet.len() == bytes.len() {
            for change in changes(&bytes, &after.packet) {
                let _ = write!(shown, ", {change}");
            }
        } else {
            let _ = write!(shown, ", is {}", digits(&after.packet));
        }
        if *before != after.carried {
            let _ = write!(shown, ", carried {}", digits(&after.carried));
        }
        let mut told = String::new();
        engines.each_state(|state| told = world::effects(&after.outcome.effects, state));
        shown.push_str(&told);
        // Sums that were right stay right, and those that were wrong stay wrong: both are kept by
        // deltas. What was taken away or put in front is another packet.
        let (was, is) = (
            packet::sums(&bytes, link),
            packet::sums(&after.packet, link),
        );
        if was != is && after.packet.len() == bytes.len() {
            return Err(format!("checksums were {was:?} and are {is:?}; {shown}"));
        }
        Ok(shown)
    }
}

fn verdict(image: &Image, after: &After) -> String {
    let verdict = after.outcome.verdict;
    match verdict.kind {
        VerdictKind::Drop if image.manifest.profile == Profile::Capsule => "Drop".to_string(),
        VerdictKind::Drop | VerdictKind::Punt => {
            let number = verdict.operand as usize;
            let own = number.checked_sub(usize::from(OWN_REASONS));
            let own = own
                .and_then(|at| image.manifest.reasons.get(at))
                .map(String::as_str);
            let name = own.or(REASONS.get(number).copied()).unwrap_or("?");
            format!("{}({name})", verdict.kind.text())
        }
        VerdictKind::Forward | VerdictKind::Multicast | VerdictKind::Steer => {
            format!("{}({})", verdict.kind.text(), verdict.operand)
        }
        kind => kind.text().to_string(),
    }
}

/// Runs of bytes that differ, as `10: 1234 -> 1235`.
fn changes(before: &[u8], after: &[u8]) -> Vec<String> {
    let mut changes = Vec::new();
    let mut at = 0;
    while at < before.len() {
        let run = (at..before.len())
            .take_while(|&i| before[i] != after[i])
            .count();
        if run > 0 {
            changes.push(format!(
                "{at}: {} -> {}",
                digits(&before[at..at + run]),
                digits(&after[at..at + run])
            ));
        }
        at += run + 1;
    }
    changes
}
