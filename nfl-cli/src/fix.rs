//! `nflc fix`: source files with the corrections that findings offer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nfl::abi::codes;
use nfl::{Code, Compiler, Diagnostic, DirFiles, Files, Roots, apply_fixes};

use crate::difference;
use crate::failure::Failure;
use crate::output::Outputs;
use crate::project;
use crate::shell::Shell;
use crate::source;

/// Correct source files as their findings say
///
/// The first correction of each finding is made, and again until nothing more can be corrected.
/// What is left is for `nflc check`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc fix guard.nfl\n  nflc fix --diff guard.nfl\n  nflc fix --code E601 --code W601 *.nfl"
)]
pub(crate) struct Args {
    /// Source files, or directories with source files; the project's if left out
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only findings of this code; may be repeated
    #[arg(long, value_name = "CODE")]
    code: Vec<String>,
    /// Say what would be corrected, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the difference, and change nothing
    #[arg(long)]
    diff: bool,
}

/// How often files are corrected anew. Corrections that need others first are rare.
const ROUNDS_MAX: usize = 10;

/// Files as they are after the corrections so far.
struct Corrected {
    disk: Roots<DirFiles>,
    texts: BTreeMap<String, String>,
}

impl Files for Corrected {
    fn read(&self, path: &str) -> Option<String> {
        let text = self.texts.get(path).cloned();
        text.or_else(|| self.disk.read(path))
    }

    fn list(&self, dir: &str) -> Vec<String> {
        self.disk.list(dir)
    }
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let chosen = codes_of(&args.code)?;
    let work = project::work(&args.files, shell)?;
    let compiler = source::compiler(None, work.project.as_ref())?;
    let mut files = Corrected {
        disk: project::files(work.files.first().map_or(Path::new(""), |f| f))?,
        texts: BTreeMap::new(),
    };
    let paths: Vec<String> = work
        .files
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let mut old = BTreeMap::new();
    for path in &paths {
        old.insert(path.clone(), source::text(Path::new(path))?);
    }
    let wanted = |d: &Diagnostic| chosen.is_empty() || chosen.contains(&d.code);
    let mut count = 0;
    for _ in 0..ROUNDS_MAX {
        let made = round(&compiler, &paths, &mut files, shell, &wanted);
        if made == 0 {
            break;
        }
        count += made;
    }
    let changed = files
        .texts
        .iter()
        .filter(|(path, text)| old[*path] != **text);
    let mut outputs = Outputs::default();
    for (path, text) in changed {
        let path_of = Path::new(path);
        if args.diff {
            shell.print(difference::unified(path_of, &old[path], text))?;
        }
        if args.diff || args.dry_run {
            shell.detail(format!("would change {path}"));
        } else {
            outputs.add(path_of, text.as_bytes())?;
            shell.detail(format!("changed {path}"));
        }
    }
    outputs.commit()?;
    let plural = if count == 1 { "" } else { "s" };
    let would = if args.diff || args.dry_run {
        "would make"
    } else {
        "made"
    };
    shell.prose(format!("{would} {count} correction{plural}"));
    Ok(())
}

/// Corrects each file once; answers how many corrections that were.
fn round(
    compiler: &Compiler,
    paths: &[String],
    files: &mut Corrected,
    shell: &Shell,
    wanted: &dyn Fn(&Diagnostic) -> bool,
) -> usize {
    let mut count = 0;
    for path in paths {
        let build = compiler.build(files, path);
        let sources = build.sources();
        // Other files of the package may be corrected only when they were named.
        let ours = |d: &&Diagnostic| {
            let mut edits = d.fixes.first().into_iter().flat_map(|fix| &fix.edits);
            wanted(d) && edits.all(|(span, _)| paths.contains(&sources.files[span.file].name))
        };
        let findings = shell.judge(build.diagnostics.clone());
        let fixed = apply_fixes(findings.iter().filter(ours), sources);
        count += fixed.count;
        for (file, text) in fixed.texts {
            files.texts.insert(sources.files[file].name.clone(), text);
        }
    }
    count
}

fn codes_of(texts: &[String]) -> Result<Vec<&'static Code>, Failure> {
    let code = |text: &String| {
        Code::find(text).ok_or_else(|| {
            Failure::usage(&codes::E908, format!("there is no diagnostic `{text}`"))
                .help("`nflc explain --list` lists all codes")
        })
    };
    texts.iter().map(code).collect()
}
