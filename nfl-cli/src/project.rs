//! Projects: `nfl.toml`, the directories that sources lie in, and which files a command means.
//!
//! In: paths from the command line, or none. Out: source files, and the project around them.
//! Guaranteed: files come in the order of their paths.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use nfl::abi::codes;
use nfl::{Build, Diagnostic, DirFiles, Level, Roots, SourceMap, Span};
use serde::Deserialize;

use crate::failure::{Exit, Failure};
use crate::shell::Shell;
use crate::source;

/// The name of the file that makes a directory a project.
pub(crate) const FILE: &str = "nfl.toml";

/// What `nfl.toml` says.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) project: About,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    warnings: Warnings,
    /// What `nflc build` makes.
    #[serde(default)]
    pub(crate) build: Vec<Target>,
}

/// `[project]`
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    /// The directories in which packages lie.
    #[serde(default = "default_source")]
    source: Vec<PathBuf>,
}

fn default_source() -> Vec<PathBuf> {
    vec![PathBuf::from("src")]
}

/// `[limits]`
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// The instruction set, where the command line names none.
    target: Option<String>,
}

/// `[warnings]`
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
struct Warnings {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    warn: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
}

/// `[[build]]`
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// The function, with its package.
    pub(crate) function: String,
    /// Values for parameters.
    #[serde(default)]
    set: BTreeMap<String, Setting>,
}

/// A value, as TOML or as the source would spell it.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
enum Setting {
    Number(i64),
    Truth(bool),
    Source(String),
}

impl Target {
    /// The values as `--set` would name them.
    pub(crate) fn settings(&self) -> Vec<String> {
        let text = |value: &Setting| match value {
            Setting::Number(n) => n.to_string(),
            Setting::Truth(truth) => truth.to_string(),
            Setting::Source(text) => text.clone(),
        };
        let set = self.set.iter();
        set.map(|(name, value)| format!("{name}={}", text(value)))
            .collect()
    }
}

/// A directory with an `nfl.toml`.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) dir: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Project {
    /// The project around a directory, if there is one.
    pub(crate) fn around(dir: &Path) -> Result<Option<Project>, Failure> {
        let above = whole(dir).ancestors().position(|d| d.join(FILE).is_file());
        let Some(above) = above else {
            return Ok(None);
        };
        // As the user would write it: from where they are.
        let mut dir = plain(dir);
        for _ in 0..above {
            match dir.components().next_back() {
                Some(Component::Normal(_)) => drop(dir.pop()),
                _ => dir.push(".."),
            }
        }
        let file = dir.join(FILE);
        let text = std::fs::read_to_string(&file).map_err(|e| Failure::read(&file, &e))?;
        let manifest = toml::from_str(&text).map_err(|error| broken(&file, &text, &error))?;
        Ok(Some(Project { dir, manifest }))
    }

    /// The project that the user is in.
    pub(crate) fn here() -> Result<Project, Failure> {
        Project::around(Path::new(""))?.ok_or_else(|| {
            let message = format!("there is no `{FILE}` here or above");
            Failure::usage(&codes::E913, message)
                .help("name source files, or make a project with `nflc new`")
        })
    }

    /// The directories that sources lie in.
    pub(crate) fn roots(&self) -> impl Iterator<Item = PathBuf> {
        let sources = self.manifest.project.source.iter();
        sources.map(|source| plain(&self.dir.join(source)))
    }

    /// The file that declares a function, given with its package: it is among those of the package.
    pub(crate) fn file_of(&self, function: &str) -> Result<PathBuf, Failure> {
        let (package, name) = function.rsplit_once('.').unwrap_or(("", function));
        let tail = package.replace('.', "/");
        let mut files = Vec::new();
        for dir in self
            .roots()
            .map(|root| root.join(&tail))
            .filter(|d| d.is_dir())
        {
            walk(&dir, &mut files)?;
        }
        let declares = |file: &&PathBuf| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            declares(&text, name)
        };
        files.iter().find(declares).cloned().ok_or_else(|| {
            let message = format!("the project has no function `{function}`");
            Failure::usage(&codes::E904, message)
                .help("a build names its function with the package, as in `acme.edge.Router`")
        })
    }

    /// Names a file of the project by the directory it lies in, from which packages are found.
    fn relocate(&self, file: &mut PathBuf) {
        *file = plain(file);
        if self.roots().any(|root| file.starts_with(root)) {
            return;
        }
        let Ok(whole) = file.canonicalize() else {
            return;
        };
        let within = self.roots().find_map(|root| {
            let rest = whole.strip_prefix(root.canonicalize().ok()?).ok()?;
            Some(root.join(rest))
        });
        if let Some(path) = within {
            *file = path;
        }
    }

    /// What is wrong with the place of a file.
    pub(crate) fn misplaced(&self, file: &Path, build: &Build) -> Option<Diagnostic> {
        let (package, span) = build.package()?;
        let tail = package.replace('.', "/");
        let dir = place_of(file);
        if self.roots().any(|root| root.join(&tail) == dir) {
            return None;
        }
        let root = self.roots().next().unwrap_or_default().join(&tail);
        let finding = Diagnostic::new(&codes::E914, span)
            .label(format!("this package lies in `{}`", root.display()));
        Some(finding.help("move the file, or name its package after its directory"))
    }

    /// All source files.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for root in self.roots() {
            walk(&root, &mut files)?;
        }
        if files.is_empty() {
            let message = format!(
                "the project `{}` has no source files",
                self.manifest.project.name
            );
            let roots: Vec<String> = self.roots().map(|r| r.display().to_string()).collect();
            let help = format!("`source` in {FILE} names {}", roots.join(", "));
            return Err(Failure::usage(&codes::E913, message).help(help));
        }
        Ok(files)
    }
}

/// What the commands are to work on.
pub(crate) struct Work {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) project: Option<Project>,
}

/// The files that are named and those in directories that are; all of the project where none is.
pub(crate) fn work(named: &[PathBuf], shell: &mut Shell) -> Result<Work, Failure> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    let project = match named.first() {
        None => {
            let project = Project::here()?;
            files = project.files()?;
            Some(project)
        }
        Some(path) => Project::around(place_of(path))?,
    };
    if let Some(project) = &project {
        let About { name, version, .. } = &project.manifest.project;
        shell.detail(format!("project {name} {version}").trim_end());
        project.manifest.weigh(shell)?;
        for file in &mut files {
            project.relocate(file);
        }
    }
    Ok(Work { files, project })
}

/// A path as one would type it: without `.`.
fn plain(path: &Path) -> PathBuf {
    let components = path.components();
    components.filter(|c| *c != Component::CurDir).collect()
}

/// The path of a directory from the top, without `.` and `..`. The empty path is the present directory.
fn whole(dir: &Path) -> PathBuf {
    let given = std::path::absolute(Path::new(".").join(dir));
    let given = given.unwrap_or_else(|_| dir.to_path_buf());
    let mut whole = PathBuf::new();
    for component in given.components() {
        match component {
            Component::ParentDir => drop(whole.pop()),
            other => whole.push(other),
        }
    }
    whole
}

/// The directory of a file, or a directory itself.
fn place_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !path.is_dir() => parent,
        _ => path,
    }
}

impl Manifest {
    /// Takes the project's wishes about warnings, which those of the command line go before.
    fn weigh(&self, shell: &mut Shell) -> Result<(), Failure> {
        let Warnings { allow, warn, deny } = &self.warnings;
        let wishes = [
            (allow, Level::Allow),
            (warn, Level::Warn),
            (deny, Level::Deny),
        ];
        for (names, level) in wishes {
            for name in names {
                shell.set_default_level(name, level)?;
            }
        }
        Ok(())
    }
}

/// The instruction set: that of the command line, else the project's, else the usual one.
pub(crate) fn target<'t>(given: Option<&'t str>, project: Option<&'t Project>) -> &'t str {
    let of_project = project.and_then(|p| p.manifest.limits.target.as_deref());
    given.or(of_project).unwrap_or(source::TARGET)
}

/// Where the imports of a file are looked for.
pub(crate) fn files(file: &Path) -> Result<Roots<DirFiles>, Failure> {
    let project = Project::around(place_of(file))?;
    let roots = project.iter().flat_map(Project::roots);
    Ok(Roots::new(
        DirFiles::new(""),
        roots.map(|root| root.to_string_lossy().into_owned()),
    ))
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error| Failure::read(dir, &error);
    let place = match dir.as_os_str().is_empty() {
        true => Path::new("."),
        false => dir,
    };
    let entries = std::fs::read_dir(place).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| dir.join(entry.file_name())));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, _>>().map_err(failed)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "nfl") {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a text declares a function, chain or graph of this name.
fn declares(text: &str, name: &str) -> bool {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    words
        .windows(2)
        .any(|pair| matches!(pair[0], "function" | "chain" | "graph") && pair[1] == name)
}

/// What is wrong with `nfl.toml`, where it is wrong.
fn broken(file: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let mut sources = SourceMap::default();
    let id = sources.add(file.display().to_string(), text);
    let message = error.message().lines().next().unwrap_or_default();
    let mut finding = Diagnostic::bare(&codes::E912, message);
    if let Some(range) = error.span() {
        let end = text.len() as u32;
        let (from, to) = (range.start as u32, range.end as u32);
        // The text is no NFL, so the mistake alone is its token.
        sources.file_mut(id).starts = vec![0, from.min(end), to.min(end), end];
        let span = Span {
            file: id,
            start: 1,
            end: 2,
        };
        let labels = Diagnostic::new(&codes::E912, span).labels;
        finding.labels = labels;
    }
    Failure {
        exit: Exit::Usage,
        diagnostics: vec![finding],
        sources,
    }
}
