//! `nflc build`: images and what else is known about them, as files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nfl::abi::codes;
use nfl::{Built, Entry, Party, SourceMap};

use crate::failure::Failure;
use crate::output::{self, Outputs};
use crate::project::{self, Project};
use crate::shell::Shell;
use crate::source::{self, Choice, Compiled, PartyName};
use crate::table::Table;
use crate::{artifact, disasm, elf};

/// Compile a function to images
///
/// A contract has an image for each party, a resident function has one. They are written as
/// FUNCTION.PARTY.nfi. Without a file, what the project's `[[build]]` tables name is built into `out`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc build guard.nfl --set port=443\n  nflc build guard.nfl --function Guard --out-dir out --emit image,asm\n  nflc build guard.nfl --party originator -o guard.nfi"
)]
pub(crate) struct Args {
    /// Source file; the project's builds if left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Only the image of this party
    #[arg(long, value_enum, value_name = "PARTY")]
    party: Option<PartyName>,
    /// The output file, where there is one
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    output: Option<PathBuf>,
    /// The directory for output files, made when it does not exist; here, or `out` of the project, if left out
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// What to write
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "KIND",
        default_value = "image"
    )]
    emit: Vec<Emit>,
}

/// A kind of output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Debug)]
enum Emit {
    /// The image (.nfi)
    Image,
    /// The intermediate form (.nir)
    Ir,
    /// The disassembly with its source (.s)
    Asm,
    /// The source place of each instruction (.map)
    Map,
    /// An ELF file with DWARF line tables, for disassemblers and debuggers (.elf)
    Elf,
}

impl Emit {
    fn extension(self) -> &'static str {
        match self {
            Emit::Image => "nfi",
            Emit::Ir => "nir",
            Emit::Asm => "s",
            Emit::Map => "map",
            Emit::Elf => "elf",
        }
    }

    fn bytes(self, built: &Built, sources: &SourceMap) -> Vec<u8> {
        match self {
            Emit::Image => built.image.to_bytes(),
            Emit::Ir => built.ir_text().into_bytes(),
            Emit::Asm => disasm::listing(&built.image, Some((built, sources))).into_bytes(),
            Emit::Map => map(built, sources).into_bytes(),
            Emit::Elf => elf::file(built, sources),
        }
    }
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let Some(file) = &args.file else {
        return project(args, shell);
    };
    let compiled = source::images(file, &args.choice, shell)?;
    let images = source::of_party(compiled.images, args.party)?;
    let kinds = args.kinds();
    let mut outputs = Outputs::made();
    match &args.output {
        Some(path) => {
            let ([built], [kind]) = (images.as_slice(), kinds.as_slice()) else {
                let message = format!(
                    "`-o` names one file, and there would be {}",
                    images.len() * kinds.len()
                );
                return Err(Failure::usage(&codes::E911, message)
                    .help("choose an image with --party, or a directory with --out-dir"));
            };
            outputs.add(path, &kind.bytes(built, compiled.unit.sources()))?;
        }
        None => {
            let dir = args.out_dir.as_deref().unwrap_or(Path::new("."));
            let texts = compiled.unit.sources();
            add(dir, &images, &kinds, texts, &mut outputs, shell)?;
        }
    }
    outputs.commit()?;
    if !shell.is_quiet() {
        shell.print(summary(&images))?;
    }
    Ok(())
}

/// Compiles what the project names.
pub(crate) fn targets(
    choice: &Choice,
    shell: &mut Shell,
) -> Result<(Project, Vec<Compiled>), Failure> {
    let project = Project::here()?;
    let targets = &project.manifest.build;
    if targets.is_empty() {
        let message = format!("{} names nothing to build", project::FILE);
        return Err(Failure::usage(&codes::E913, message)
            .help("add a table `[[build]]` with a `function`, or name a source file"));
    }
    let mut all = Vec::new();
    for target in targets {
        let file = project.file_of(&target.function)?;
        let mut set = target.settings();
        set.extend(choice.set.iter().cloned());
        let choice = Choice {
            function: Some(target.function.clone()),
            set,
            target: choice.target.clone(),
            level: choice.level,
        };
        all.push(source::images(&file, &choice, shell)?);
    }
    Ok((project, all))
}

/// Builds what the project names.
fn project(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let (project, compiled) = targets(&args.choice, shell)?;
    let dir = match &args.out_dir {
        Some(dir) => dir.clone(),
        None => project.dir.join("out"),
    };
    let (kinds, mut outputs, mut all) = (args.kinds(), Outputs::made(), Vec::new());
    for Compiled { unit, images, .. } in compiled {
        let images = source::of_party(images, args.party)?;
        add(&dir, &images, &kinds, unit.sources(), &mut outputs, shell)?;
        all.extend(images);
    }
    outputs.commit()?;
    if !shell.is_quiet() {
        shell.print(summary(&all))?;
    }
    Ok(())
}

/// Adds the files of images to a directory.
fn add(
    dir: &Path,
    images: &[Built],
    kinds: &[Emit],
    sources: &SourceMap,
    outputs: &mut Outputs,
    shell: &mut Shell,
) -> Result<(), Failure> {
    output::make_dir(dir)?;
    for built in images {
        for kind in kinds {
            let path = source::image_path(dir, built, kind.extension());
            outputs.add(&path, &kind.bytes(built, sources))?;
            shell.detail(format!("wrote {}", path.display()));
        }
    }
    Ok(())
}

impl Args {
    /// What to write, each kind once.
    fn kinds(&self) -> Vec<Emit> {
        let mut kinds = self.emit.clone();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// A line for each handler.
fn summary(images: &[Built]) -> Table {
    let mut table = Table::new(&["image", "handler", "image bytes", "code bytes", "steps"]);
    for Built { image, party, .. } in images {
        let name = format!("{}.{}", Party::function(&image.manifest), party.text());
        let total = image.to_bytes().len().to_string();
        for Entry { role, steps, .. } in &image.manifest.entries {
            table.row([
                name.clone(),
                role.text().to_string(),
                total.clone(),
                image.code.len().to_string(),
                format!("<= {steps}"),
            ]);
        }
    }
    table
}

/// A line for each instruction: offset, size, file, line and column.
fn map(built: &Built, sources: &SourceMap) -> String {
    let mut text = format!("# {}\n", artifact::title(&built.image));
    for place in &built.places {
        let at = place.span.map_or_else(
            || "-".to_string(),
            |span| {
                let (line, column) = sources.line_col(span);
                let file = Path::new(&sources.files[span.file].name);
                format!("{}:{line}:{column}", file.display())
            },
        );
        let _ = writeln!(text, "{:04x} {} {at}", place.pc, place.size);
    }
    text
}
