//! `nflc doc`: pages about packages.
//!
//! In: source files, and the library if asked for. Out: a page for each package and one that lists
//! them. Guaranteed: the pages depend on the sources alone, and every link leads somewhere.

mod graph;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nfl::{Compiler, Documentation, FunctionUnit, Item, LIBRARY, Party, Unit, document};

use crate::failure::Failure;
use crate::output::{self, Outputs};
use crate::project;
use crate::shell::Shell;
use crate::source::{self, Findings};

/// Write pages about packages: declarations, parse graphs, capabilities and cost
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc doc\n  nflc doc --library --out-dir pages\n  nflc doc guard.nfl"
)]
pub(crate) struct Args {
    /// Source files, or directories with source files; the project's if left out
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Document the standard library as well
    #[arg(long)]
    library: bool,
    /// The directory for the pages, made when it does not exist
    #[arg(long, visible_alias = "out", value_name = "DIR", default_value = "doc")]
    out_dir: PathBuf,
}

/// A package, from all of its files.
#[derive(Default)]
struct Package {
    items: Vec<Item>,
    costs: BTreeMap<String, Cost>,
}

/// What a function costs, or why that is not known.
enum Cost {
    /// A row for each handler of each party.
    Rows(Vec<Row>),
    Unknown(String),
}

/// A handler of an image.
struct Row {
    party: &'static str,
    role: &'static str,
    steps: u32,
    code_bytes: usize,
    image_bytes: usize,
}

/// Packages by name.
type Packages = BTreeMap<String, Package>;

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let mut packages = Packages::new();
    let alone = args.library && args.files.is_empty();
    let no_project = project::Project::around(Path::new(""))?.is_none();
    if !(alone && no_project) {
        let work = project::work(&args.files, shell)?;
        let compiler = source::compiler(None, work.project.as_ref())?;
        let mut findings = Findings::default();
        for file in &work.files {
            let text = source::text(file)?;
            let name = file.to_string_lossy();
            let found = document(&name, &text);
            let costs = costs(file, &compiler, &mut findings, shell)?;
            let package = add(&mut packages, found);
            package.costs.extend(costs);
        }
    }
    if args.library {
        for (path, text) in LIBRARY {
            add(&mut packages, document(path, text));
        }
    }
    output::make_dir(&args.out_dir)?;
    let mut outputs = Outputs::default();
    for (name, text) in page::pages(&packages) {
        outputs.add(&args.out_dir.join(name), text.as_bytes())?;
    }
    outputs.commit()?;
    let place = args.out_dir.join(page::INDEX);
    shell.note(format!("wrote {}", place.display()));
    Ok(())
}

fn add(packages: &mut Packages, found: Documentation) -> &mut Package {
    let package = packages.entry(found.package).or_default();
    package.items.extend(found.items);
    package
}

/// What the functions of a file cost with the defaults of their parameters.
fn costs(
    file: &Path,
    compiler: &Compiler,
    findings: &mut Findings,
    shell: &mut Shell,
) -> Result<BTreeMap<String, Cost>, Failure> {
    let build = source::build(file, compiler, findings, shell)?;
    let Ok(unit) = build.finish() else {
        return Ok(BTreeMap::new());
    };
    Ok(costs_of(&unit))
}

fn costs_of(unit: &Unit) -> BTreeMap<String, Cost> {
    let functions = unit.functions().into_iter();
    functions
        .map(|f| (f.name().to_string(), cost(&f)))
        .collect()
}

fn cost(function: &FunctionUnit<'_>) -> Cost {
    let parameters = function.parameters();
    let open = parameters.iter().filter(|p| !p.has_default && !p.late);
    let open: Vec<String> = open.map(|p| p.name.clone()).collect();
    if !open.is_empty() {
        let names = open.join(", ");
        return Cost::Unknown(format!(
            "Cost depends on parameters without a default: {names}."
        ));
    }
    let unknown = || Cost::Unknown("It is not proved with the defaults of its parameters.".into());
    let Ok(bound) = function.bind(&[]) else {
        return unknown();
    };
    let Ok(images) = bound.images() else {
        return unknown();
    };
    let rows = images.iter().flat_map(|built| {
        let image_bytes = built.image.to_bytes().len();
        let entries = built.image.manifest.entries.iter();
        entries.map(move |entry| Row {
            party: Party::of(&built.image.manifest).text(),
            role: entry.role.text(),
            steps: entry.steps,
            code_bytes: built.image.code.len(),
            image_bytes,
        })
    });
    Cost::Rows(rows.collect())
}
