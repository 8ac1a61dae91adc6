//! `nflc world`, and world files: what a node knows before a program runs.
//!
//! In: a program, or a world in TOML or JSON, told apart by the extension. Out: a skeleton or a schema of worlds
//! for the program; a world, or everything that is wrong with it.

mod parse;

use std::path::{Path, PathBuf};

use nfl::abi::codes;
use nfl::world::{Datum, ResourceShape, World, WorldError, schema, skeleton};
use nfl::{Diagnostic, SourceMap};

use crate::artifact::{self, Kind};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::shell::Shell;
use crate::source::{self, Choice};

/// Findings that are shown at most; more do not help.
const SHOWN_MAX: usize = 20;

/// Print a world of a program to begin with, or the schema of worlds
///
/// A world is what a node knows before a program runs: the contents of its tables, its clock, its
/// number, values of parameters. `nflc run --world` takes one, in TOML or JSON.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc world router.nfl > router.toml\n  nflc world router.nfl --schema > router.schema.json\n  nflc world --schema\n  nflc run router.nfl --world router.toml --pcap in.pcap"
)]
pub(crate) struct Args {
    /// Source file or image; with --schema it may be left out, for the schema of all worlds
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Print a JSON schema instead
    #[arg(long)]
    schema: bool,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let Some(file) = &args.file else {
        return shell.print(schema(None).to_json());
    };
    let (name, parameters, shapes) = resources(file, &args.choice, shell)?;
    match args.schema {
        true => shell.print(schema(Some(&shapes)).to_json()),
        false => shell.print(skeleton(&name, &parameters, &shapes)),
    }
}

/// The name of a program, its parameters and its resources.
fn resources(
    file: &Path,
    choice: &Choice,
    shell: &mut Shell,
) -> Result<(String, Vec<String>, Vec<ResourceShape>), Failure> {
    if source::is_source(file) {
        let unit = source::unit(file, choice, shell)?;
        let function = source::choose(&unit, choice.function.as_deref())?;
        let parameters = function.parameters().into_iter().map(|p| p.name).collect();
        let name = function.qualified().to_string();
        return Ok((name, parameters, function.resources()));
    }
    let bytes = artifact::read_bytes(file)?;
    match artifact::kind(file, &bytes) {
        Some(Kind::Image) => {
            let manifest = artifact::read_image(file, &bytes)?.manifest;
            let shapes = manifest.resources.iter().map(ResourceShape::of_image);
            let late = manifest.late.into_iter().map(|slot| slot.name).collect();
            Ok((manifest.name, late, shapes.collect()))
        }
        _ => Err(artifact::unknown(file)),
    }
}

/// Reads a world, all but the contents of its resources.
pub(crate) fn read(path: &Path) -> Result<World, Failure> {
    let text = source::text(path)?;
    let datum = if is_json(path) {
        parse::json(&text)
    } else {
        parse::toml(&text)
    };
    let datum = datum.map_err(|why| {
        let message = format!("`{}`: {why}", path.display());
        Failure::wrong(&codes::E916, message)
    })?;
    World::read(&datum).map_err(|errors| broken(path, &errors))
}

/// What is wrong with a world.
pub(crate) fn broken(path: &Path, errors: &[WorldError]) -> Failure {
    let finding = |error: &WorldError| {
        let message = format!("{}: {error}", path.display());
        Diagnostic::bare(error.code(), message)
    };
    let mut diagnostics: Vec<Diagnostic> = errors.iter().take(SHOWN_MAX).map(finding).collect();
    if let Some(more) = errors.len().checked_sub(SHOWN_MAX).filter(|&n| n > 0)
        && let Some(last) = diagnostics.pop()
    {
        diagnostics.push(last.note(format!("{more} more are not shown")));
    }
    Failure {
        exit: Exit::Wrong,
        diagnostics,
        sources: SourceMap::default(),
    }
}

/// Writes a world.
pub(crate) fn write(path: &Path, datum: &Datum) -> Result<(), Failure> {
    let text = match is_json(path) {
        true => datum.to_json(),
        false => datum.to_toml_file(),
    };
    output::write(path, text.as_bytes())
}

/// Which function with which parameters: those of the command line go before those of the world.
pub(crate) fn with_settings(choice: &Choice, world: &World) -> Choice {
    let of_world = world.set.iter().filter(|(name, _)| !is_given(choice, name));
    let of_world = of_world.map(|(name, value)| format!("{name}={value}"));
    Choice {
        set: of_world.chain(choice.set.iter().cloned()).collect(),
        ..choice.clone()
    }
}

/// A failure whose findings name the world where one of its settings is at fault.
pub(crate) fn blamed(mut failure: Failure, path: &Path, choice: &Choice, world: &World) -> Failure {
    let settings = [&codes::E280, &codes::E281, &codes::E283];
    for finding in &mut failure.diagnostics {
        let names = |name: &str| finding.message.contains(&format!("`{name}`"));
        let mut of_world = world.set.iter().map(|(name, _)| name.as_str());
        let name = of_world.find(|name| names(name) && !is_given(choice, name));
        if let Some(name) =
            name.filter(|_| settings.iter().any(|code| code.text == finding.code.text))
        {
            finding.message = format!("{}: `set.{name}`: {}", path.display(), finding.message);
            failure.exit = Exit::Wrong;
        }
    }
    failure
}

/// Whether the command line has a value for a parameter.
fn is_given(choice: &Choice, name: &str) -> bool {
    let mut names = choice.set.iter().filter_map(|set| set.split_once('='));
    names.any(|(known, _)| known.trim() == name)
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("json"))
}
