//! The files of a program.
//!
//! In: the path of one file, a way to read others, and the library. Out: [`Program`], all files
//! that the imports reach, parsed into one tree. Guaranteed: each file is read once, in an order
//! that depends on the texts alone; packages may import each other in circles.

use nfl_abi::codes;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{Ast, DeclId, Import, Unit};
use nfl_syntax::{Diagnostic, Diags, Names, SourceMap};
use std::collections::BTreeSet;

/// Where source files come from.
pub trait Files {
    /// The text of the file at this path.
    fn read(&self, path: &str) -> Option<String>;
    /// The paths of the `.nfl` files in a directory, sorted.
    fn list(&self, dir: &str) -> Vec<String>;
}

/// The packages whose content is built into the compiler, or not in this release.
const BUILTIN_PACKAGES: &[&str] = &[
    "nfl.lang",
    "nfl.net",
    "nfl.table",
    "nfl.flow",
    "nfl.path",
    "nfl.time",
    "nfl.text",
    "nfl.test",
];

/// The package that every file sees without importing it.
pub(crate) const LANGUAGE: &str = "nfl.lang";

/// All files of a program, parsed.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The texts.
    pub sources: SourceMap,
    /// The identifiers.
    pub names: Names,
    /// The tree; the first unit is the root file.
    pub ast: Ast,
    /// Declarations of generic types, once more for each list of type arguments with which their
    /// methods are called, so that the nodes of each have types of their own.
    pub(crate) copies: Vec<Copy>,
}

/// A generic declaration, once more.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    /// The declaration.
    pub(crate) of: DeclId,
    /// Its type arguments as they are written.
    pub(crate) args: Vec<String>,
    /// The nodes for these arguments.
    pub(crate) decl: DeclId,
}

/// The files of a library, parsed. All programs that are loaded with it share its texts and nodes.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// What every program begins with; no unit is one of its own.
    start: Program,
    files: Vec<LibraryFile>,
}

#[derive(Clone, Debug)]
struct LibraryFile {
    path: String,
    unit: Unit,
    found: Vec<Diagnostic>,
}

impl Library {
    /// Parses files, each given by its path, which begins with its package, and its text.
    pub fn new(files: &[(&str, &str)]) -> Library {
        let mut library = Library::default();
        let p = &mut library.start;
        for (path, text) in files {
            let mut diags = Diags::default();
            let file = p.sources.add(*path, *text);
            nfl_syntax::parse(file, &mut p.sources, &mut p.ast, &mut p.names, &mut diags);
            library
                .files
                .extend(p.ast.units.pop().map(|unit| LibraryFile {
                    path: path.to_string(),
                    unit,
                    found: diags.into_vec(),
                }));
        }
        p.sources.files.share();
        p.names.share();
        p.ast.share();
        library
    }
}

/// What is still to be read.
struct Loader<'a> {
    program: Program,
    files: &'a dyn Files,
    library: &'a Library,
    /// The directory in which packages are looked for.
    base: String,
    /// Packages that were read, and files.
    packages: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Program {
    /// Reads the file at `root`, its package and everything they import.
    pub fn load(root: &str, files: &dyn Files, library: &Library, diags: &mut Diags) -> Program {
        let mut loader = Loader {
            program: library.start.clone(),
            files,
            library,
            base: String::new(),
            packages: BTreeSet::new(),
            paths: BTreeSet::new(),
        };
        let Some(text) = files.read(root) else {
            diags.push(Diagnostic::bare(
                &codes::E901,
                format!("cannot read `{root}`"),
            ));
            return loader.program;
        };
        loader.parse(root, &text, diags);
        loader.siblings(root, diags);
        loader.library(LANGUAGE, diags);
        let mut next = 0;
        while next < loader.program.ast.units.len() {
            loader.imports_of(next, diags);
            next += 1;
        }
        loader.program
    }

    /// Gives a generic declaration nodes of its own for these type arguments. The file is parsed once
    /// more, so the copy lies at the same places of the source.
    pub(crate) fn copy(&mut self, of: DeclId, args: Vec<String>) {
        let span = self.ast.decls[of].span;
        let before = self.ast.decls.len();
        let mut said = Diags::default();
        nfl_syntax::parse(
            span.file,
            &mut self.sources,
            &mut self.ast,
            &mut self.names,
            &mut said,
        );
        self.ast.units.pop();
        let mut copies = (before..self.ast.decls.len()).map(DeclId::new);
        if let Some(decl) = copies.find(|&d| self.ast.decls[d].span == span) {
            self.copies.push(Copy { of, args, decl });
        }
    }

    /// A qualified name as it is written.
    pub(crate) fn path(names: &Names, path: &[nfl_syntax::ast::Ident]) -> String {
        let words: Vec<&str> = path.iter().map(|p| names.text(p.name)).collect();
        words.join(".")
    }
}

impl Loader<'_> {
    fn parse(&mut self, path: &str, text: &str, diags: &mut Diags) {
        if !self.paths.insert(path.to_string()) {
            return;
        }
        let p = &mut self.program;
        let file = p.sources.add(path, text);
        nfl_syntax::parse(file, &mut p.sources, &mut p.ast, &mut p.names, diags);
    }

    /// When the root file lies in the directory of its package, so do the package's other files.
    fn siblings(&mut self, root: &str, diags: &mut Diags) {
        let dir = root.rfind('/').map_or("", |at| &root[..at]);
        self.base = dir.to_string();
        let Some(unit) = self.program.ast.units.first() else {
            return;
        };
        let package = Program::path(&self.program.names, &unit.package);
        if package.is_empty() {
            return;
        }
        let tail = package.replace('.', "/");
        let base = match dir.strip_suffix(tail.as_str()) {
            Some("") => "",
            Some("/") => "/",
            Some(base) if base.ends_with('/') => &base[..base.len() - 1],
            _ => return,
        };
        self.base = base.to_string();
        self.packages.insert(package);
        for path in self.files.list(dir) {
            self.read(&path, diags);
        }
    }

    fn imports_of(&mut self, unit: usize, diags: &mut Diags) {
        let imports = self.program.ast.units[unit].imports.clone();
        for import in &imports {
            let Some(package) = imported_package(import, &self.program.names) else {
                continue;
            };
            self.package(&package, import, diags);
        }
    }

    /// Reads a package of the library.
    fn library(&mut self, package: &str, diags: &mut Diags) {
        let dir = package.replace('.', "/");
        for LibraryFile { path, unit, found } in &self.library.files {
            let is_there = path.rfind('/').map(|at| &path[..at]) == Some(dir.as_str());
            if is_there && self.paths.insert(path.clone()) {
                self.program.ast.units.push(unit.clone());
                found.iter().for_each(|d| diags.push(d.clone()));
            }
        }
    }

    fn package(&mut self, package: &str, import: &Import, diags: &mut Diags) {
        if !self.packages.insert(package.to_string()) {
            return;
        }
        let dir = package.replace('.', "/");
        let before = self.program.ast.units.len();
        self.library(package, diags);
        if self.program.ast.units.len() > before || BUILTIN_PACKAGES.contains(&package) {
            return;
        }
        let dir = if self.base.is_empty() || self.base.ends_with('/') {
            format!("{}{dir}", self.base)
        } else {
            format!("{}/{dir}", self.base)
        };
        for path in self.files.list(&dir) {
            self.read(&path, diags);
        }
        let declared = self
            .program
            .ast
            .units
            .iter()
            .any(|u| Program::path(&self.program.names, &u.package) == package);
        if !declared {
            diags.push(
                Diagnostic::new(&codes::E206, import.span)
                    .message(format!("there is no package `{package}`"))
                    .label("imported here"),
            );
        }
    }

    fn read(&mut self, path: &str, diags: &mut Diags) {
        if self.paths.contains(path) {
            return;
        }
        match self.files.read(path) {
            Some(text) => self.parse(path, &text, diags),
            None => diags.push(Diagnostic::bare(
                &codes::E901,
                format!("cannot read `{path}`"),
            )),
        }
    }
}

/// The package that an import names: what stands before the type.
pub(crate) fn imported_package(import: &Import, names: &Names) -> Option<String> {
    let behind = match (import.is_static, import.star) {
        (false, true) => 0,
        (false, false) | (true, true) => 1,
        (true, false) => 2,
    };
    let depth = import.path.len().checked_sub(behind)?;
    (depth > 0).then(|| Program::path(names, &import.path[..depth]))
}

/// Whether the compiler itself, or a later release, provides this package.
pub(crate) fn is_builtin_package(package: &str) -> bool {
    BUILTIN_PACKAGES.contains(&package)
}
