//! Source files on the command line: reading, compiling, choosing a function and its parameters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use nfl::abi::codes;
use nfl::world::ResourceShape;
use nfl::{
    BindError, Build, Built, Compiler, Diagnostic, FunctionUnit, GraphConnection, GraphUnit,
    Limits, OptLevel, Party, Severity, SourceMap, Style, Unit, UnknownTarget, render,
};

use crate::failure::{Exit, Failure};
use crate::project::{self, Project};
use crate::shell::Shell;

/// Which function of a source file, with which parameters, for which target.
#[derive(Args, Clone, Debug)]
pub(crate) struct Choice {
    /// The function; may be left out where the file has one
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// A parameter's value, as the source would spell it; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// The instruction set to make code for: rv32imc if neither this nor the project says
    #[arg(long, visible_alias = "march", value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// How long to look for smaller code: `-Os` or `-Oz`
    #[arg(short = 'O', value_enum, default_value_t = Level::S, value_name = "LEVEL")]
    pub(crate) level: Level,
}

/// How long to look for smaller code.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// A few ways
    S,
    /// Many candidates besides, which takes up to some seconds
    Z,
}

impl Level {
    pub(crate) fn level(self) -> OptLevel {
        match self {
            Level::S => OptLevel::S,
            Level::Z => OptLevel::Z,
        }
    }
}

/// Images with the sources they came from.
pub(crate) struct Compiled {
    pub(crate) unit: Unit,
    pub(crate) images: Vec<Built>,
    /// The resources that the images may have.
    pub(crate) resources: Vec<ResourceShape>,
}

/// The instruction set that code is made for when nobody says.
pub(crate) const TARGET: &str = "rv32imc";

/// The compiler for a target, else for the project's, with the limits of an edge node.
pub(crate) fn compiler(
    target: Option<&str>,
    project: Option<&Project>,
) -> Result<Compiler, Failure> {
    let target = project::target(target, project);
    Compiler::new(Limits::EDGE).target(target).map_err(|error| {
        let names: Vec<&str> = UnknownTarget::names().collect();
        Failure::usage(error.code(), error.to_string())
            .help(format!("the targets are: {}", names.join(", ")))
    })
}

/// The text of a source file.
pub(crate) fn text(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::read(file, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let message = format!(
            "`{}` is not text: byte {} is not UTF-8",
            file.display(),
            error.utf8_error().valid_up_to()
        );
        Failure::wrong(&codes::E910, message)
    })
}

/// Compiles a file as far as it goes and shows all findings.
pub(crate) fn build(
    file: &Path,
    compiler: &Compiler,
    findings: &mut Findings,
    shell: &mut Shell,
) -> Result<Build, Failure> {
    text(file)?;
    let files = project::files(file)?;
    let mut build = compiler.build(&files, &file.to_string_lossy());
    build.diagnostics = shell.judge(std::mem::take(&mut build.diagnostics));
    let new = findings.add(build.diagnostics.clone(), build.sources());
    shell.diagnose(&new, build.sources());
    Ok(build)
}

/// The findings of several files, each once: files of one package have each other's.
#[derive(Default)]
pub(crate) struct Findings {
    seen: BTreeSet<String>,
    pub(crate) list: Vec<Diagnostic>,
}

impl Findings {
    /// Adds those that are new, and answers them.
    pub(crate) fn add(
        &mut self,
        found: impl IntoIterator<Item = Diagnostic>,
        sources: &SourceMap,
    ) -> Vec<Diagnostic> {
        let found = found.into_iter();
        let seen = &mut self.seen;
        let new: Vec<Diagnostic> = found
            .filter(|d| seen.insert(render(d, sources, Style::Short)))
            .collect();
        self.list.extend(new.iter().cloned());
        new
    }
}

/// Says how many errors and warnings there were, if there were any.
pub(crate) fn summarise(diagnostics: &[Diagnostic], shell: &mut Shell) {
    let errors = diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let warnings = diagnostics.len() - errors;
    let some = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => {}
        (0, w) => shell.prose(some(w, "warning")),
        (e, 0) => shell.prose(some(e, "error")),
        (e, w) => shell.prose(format!("{}, {}", some(e, "error"), some(w, "warning"))),
    }
}

/// Compiles a file, or shows why not.
pub(crate) fn unit(file: &Path, choice: &Choice, shell: &mut Shell) -> Result<Unit, Failure> {
    let work = project::work(&[file.to_path_buf()], shell)?;
    let compiler = compiler(choice.target.as_deref(), work.project.as_ref())?;
    let compiler = compiler.level(choice.level.level());
    let mut findings = Findings::default();
    let build = build(&work.files[0], &compiler, &mut findings, shell)?;
    summarise(&build.diagnostics, shell);
    build.finish().map_err(|_| Failure::said(Exit::Wrong))
}

/// Compiles the chosen function of a file.
pub(crate) fn images(file: &Path, choice: &Choice, shell: &mut Shell) -> Result<Compiled, Failure> {
    let settings = settings(&choice.set)?;
    let unit = unit(file, choice, shell)?;
    let mut resources = Vec::new();
    let images = match graph(&unit, choice.function.as_deref()) {
        Some(graph) => {
            let connections = graph_images(graph, &settings, &unit)?;
            for (connection, _) in &connections {
                resources.extend(connection.contract.resources());
            }
            connections
                .into_iter()
                .flat_map(|(_, built)| built)
                .collect()
        }
        None => {
            let function = choose(&unit, choice.function.as_deref())?;
            let (images, own) = bind(function, &settings, &unit)?;
            resources = own;
            images
        }
    };
    for Built { image, party, .. } in &images {
        shell.detail(format!(
            "compiled {} for the {}: {} bytes of code",
            Party::function(&image.manifest),
            party.text(),
            image.code.len()
        ));
    }
    Ok(Compiled {
        unit,
        images,
        resources,
    })
}

/// The graph of this name, or the only one.
pub(crate) fn graph<'u>(unit: &'u Unit, name: Option<&str>) -> Option<GraphUnit<'u>> {
    match (name, unit.graphs().as_slice()) {
        (Some(name), _) => unit.graph(name).ok(),
        (None, [one]) => Some(*one),
        _ => None,
    }
}

/// The images of all connections of a graph.
pub(crate) fn graph_images<'u>(
    graph: GraphUnit<'u>,
    settings: &[(&str, &str)],
    unit: &Unit,
) -> Result<Vec<(GraphConnection<'u>, Vec<Built>)>, Failure> {
    graph.images(settings).map_err(|error| Failure {
        exit: Exit::Wrong,
        diagnostics: error.diagnostics,
        sources: unit.sources().clone(),
    })
}

/// The values given with `--set`, in order.
pub(crate) fn settings(set: &[String]) -> Result<Vec<(&str, &str)>, Failure> {
    set.iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
                Ok((name.trim(), value.trim()))
            }
            _ => Err(Failure::usage(
                &codes::E906,
                format!("`--set {text}` has not the form name=value"),
            )
            .help("write the name of a parameter, `=` and a value, as in `--set port=443`")),
        })
        .collect()
}

/// The function of this name, or the only one.
pub(crate) fn choose<'u>(unit: &'u Unit, name: Option<&str>) -> Result<FunctionUnit<'u>, Failure> {
    let functions = unit.functions();
    let names = || {
        let names: Vec<String> = functions
            .iter()
            .map(|f| format!("`{}`", f.name()))
            .collect();
        names.join(", ")
    };
    match (name, functions.as_slice()) {
        (Some(name), _) => unit.function(name).map_err(|error| {
            let failure = Failure::usage(error.code(), error.to_string());
            match functions.is_empty() {
                true => failure.note("the file has no function"),
                false => failure.help(format!("the file has {}", names())),
            }
        }),
        (None, [one]) => Ok(*one),
        (None, []) => Err(Failure::usage(&codes::E904, "the file has no function")),
        (None, _) => Err(
            Failure::usage(&codes::E904, "the file has several functions")
                .help(format!("choose one with --function: {}", names())),
        ),
    }
}

/// The images of a function with these parameters, and the resources that they may have.
fn bind(
    function: FunctionUnit<'_>,
    settings: &[(&str, &str)],
    unit: &Unit,
) -> Result<(Vec<Built>, Vec<ResourceShape>), Failure> {
    let failed = |exit: Exit| {
        move |error: BindError| Failure {
            exit,
            diagnostics: error.diagnostics,
            sources: unit.sources().clone(),
        }
    };
    // A value that does not do is the command line's fault, a program that cannot be proved with
    // good values is the program's.
    let bound = function.bind(settings).map_err(failed(Exit::Usage))?;
    let images = bound.images().map_err(failed(Exit::Wrong))?;
    Ok((images, bound.resources()))
}

/// Each function of a file with each of its parties, for commands that show all.
pub(crate) fn all_images(
    file: &Path,
    choice: &Choice,
    shell: &mut Shell,
) -> Result<Compiled, Failure> {
    if choice.function.is_some() {
        return images(file, choice, shell);
    }
    let settings = settings(&choice.set)?;
    let unit = unit(file, choice, shell)?;
    let functions = unit.functions();
    if let [_] | [] = functions.as_slice() {
        let (images, resources) = bind(choose(&unit, None)?, &settings, &unit)?;
        return Ok(Compiled {
            unit,
            images,
            resources,
        });
    }
    let (mut images, mut resources) = (Vec::new(), Vec::new());
    for function in functions {
        let known = function.parameters();
        let own: Vec<(&str, &str)> = settings
            .iter()
            .copied()
            .filter(|(name, _)| known.iter().any(|p| p.name == *name))
            .collect();
        let (more, shapes) = bind(function, &own, &unit)?;
        images.extend(more);
        resources.extend(shapes);
    }
    Ok(Compiled {
        unit,
        images,
        resources,
    })
}

/// The images of one party, when one is asked for.
pub(crate) fn of_party(
    images: Vec<Built>,
    party: Option<PartyName>,
) -> Result<Vec<Built>, Failure> {
    let Some(party) = party else {
        return Ok(images);
    };
    let have: Vec<&str> = images.iter().map(|b| b.party.text()).collect();
    let message = format!("there is no image for the {}", party.party().text());
    let failure = Failure::usage(&codes::E905, message)
        .help(format!("the function has images for: {}", have.join(", ")));
    let images: Vec<Built> = images
        .into_iter()
        .filter(|built| built.party == party.party())
        .collect();
    if images.is_empty() {
        return Err(failure);
    }
    Ok(images)
}

/// A party on the command line.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum, Debug)]
pub(crate) enum PartyName {
    /// The party that opens the flow
    Originator,
    /// The party that answers
    Responder,
    /// Handlers for the way only
    Both,
    /// The node
    Resident,
}

impl PartyName {
    pub(crate) fn party(self) -> Party {
        match self {
            PartyName::Originator => Party::Originator,
            PartyName::Responder => Party::Responder,
            PartyName::Both => Party::Both,
            PartyName::Resident => Party::Resident,
        }
    }
}

/// `out/Segment.originator.nfi`
pub(crate) fn image_path(directory: &Path, built: &Built, extension: &str) -> PathBuf {
    let function = Party::function(&built.image.manifest);
    directory.join(format!("{function}.{}.{extension}", built.party.text()))
}

/// Whether a path names source text.
pub(crate) fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "nfl")
}
