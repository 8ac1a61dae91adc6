//! The files of a program.
//!
//! In: the path of one file, a way to read others, and the library. Out: [`Program`], all files
//! that the imports reach, parsed into one tree. Guaranteed: each file is read once, in an order
//! that depends on the texts alone; packages may import each other in circles. Nodes are numbered
//! in an order that depends on the texts alone too: those of the library's packages that are imported, then those of other files,
//! then those of the root file. So programs that differ in the root file have the others in common, which [`Kept`] keeps.

use crate::group;
use nfl_abi::codes;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{Ast, DeclId, ExprId, Import, Nodes, PatId, StmtId, Unit};
use nfl_syntax::source::SourceFile;
use nfl_syntax::{Diagnostic, Diags, FileId, Names, SourceMap, Span};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The nodes of these copies, and of all else that was parsed with them.
    pub(crate) copied: Vec<Nodes>,
    /// How many identifiers other files than the root have.
    pub(crate) names_before_root: usize,
    /// Those packages of the library that it imports.
    pub(crate) library: Option<Arc<Parsed>>,
    /// The files beside the root file, where they are kept.
    pub(crate) others: Option<Arc<Others>>,
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

/// The files of a library. All programs that are loaded with it share its texts, and those that import the same packages of it
/// share the nodes of these: no other package is parsed.
#[derive(Debug, Default)]
pub struct Library {
    /// The files of all packages, not parsed.
    sources: SourceMap,
    packages: BTreeSet<String>,
    parsed: Mutex<Vec<Arc<Parsed>>>,
}

/// Sets of packages that are kept parsed: the last ones that programs were the first to import.
const SETS_MAX: usize = 16;

/// Some packages of a library, parsed.
#[derive(Debug)]
pub(crate) struct Parsed {
    packages: BTreeSet<String>,
    /// What every program begins with; no unit is one of its own.
    start: Program,
    files: Vec<LibraryFile>,
    /// What is known when they are checked.
    pub(crate) known: group::Kept,
}

#[derive(Debug)]
struct LibraryFile {
    path: String,
    package: String,
    unit: Arc<Unit>,
    found: Vec<Diagnostic>,
}

impl Library {
    /// A library of these files, each given by its path, which begins with its package, and its text.
    pub fn new(files: &[(&str, &str)]) -> Library {
        let mut library = Library::default();
        for (path, text) in files {
            library.sources.add(*path, *text);
            library.packages.insert(package_of(path));
        }
        library.sources.files.share();
        library
    }

    /// Whether files of this package are among its own.
    fn has(&self, package: &str) -> bool {
        self.packages.contains(package)
    }

    /// These packages of it.
    fn parsed(&self, packages: &BTreeSet<String>) -> Arc<Parsed> {
        let mut all = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = all.iter().find(|parsed| parsed.packages == *packages) {
            return parsed.clone();
        }
        let parsed = Arc::new(self.parse(packages));
        if all.len() == SETS_MAX {
            all.remove(0);
        }
        all.push(parsed.clone());
        parsed
    }

    fn parse(&self, packages: &BTreeSet<String>) -> Parsed {
        let mut p = Program {
            sources: self.sources.clone(),
            ..Program::default()
        };
        let mut files = Vec::new();
        for (file, source) in self.sources.files.iter() {
            let package = package_of(&source.name);
            if !packages.contains(&package) {
                continue;
            }
            let mut diags = Diags::default();
            nfl_syntax::parse(file, &mut p.sources, &mut p.ast, &mut p.names, &mut diags);
            files.extend(p.ast.units.pop().map(|unit| LibraryFile {
                path: source.name.clone(),
                package,
                unit,
                found: diags.into_vec(),
            }));
        }
        p.names.share();
        p.ast.share();
        Parsed {
            packages: packages.clone(),
            start: p,
            files,
            known: group::Kept::default(),
        }
    }
}

/// The package whose directory a file lies in.
fn package_of(path: &str) -> String {
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    dir.replace('/', ".")
}

/// The files beside the root file of the last program. When a program has the same ones as the one before, they are parsed
/// for the last time, and those that see nothing of the root file are checked for the last time. All programs are loaded with one library.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    sources: Vec<Arc<SourceFile>>,
    /// The packages of the library that the program imported.
    packages: BTreeSet<String>,
    others: Option<Arc<Others>>,
}

/// What programs with the same files beside their root files have in common.
#[derive(Debug)]
pub(crate) struct Others {
    packages: BTreeSet<String>,
    /// The nodes of these packages of the library and of these files; no unit.
    ast: Ast,
    names: Names,
    files: Vec<Other>,
    /// What is known when those of them are checked that see nothing of the root file.
    pub(crate) known: group::Kept,
}

/// A file beside the root file.
#[derive(Clone, Debug)]
struct Other {
    source: Arc<SourceFile>,
    unit: Arc<Unit>,
    found: Vec<Diagnostic>,
}

impl Kept {
    /// Reads the file at `root`, its package and everything they import, and parses what is not kept.
    pub fn load(
        &self,
        root: &str,
        files: &dyn Files,
        library: &Library,
        diags: &mut Diags,
    ) -> Program {
        let Some(text) = files.read(root) else {
            diags.push(Diagnostic::bare(
                &codes::E901,
                format!("cannot read `{root}`"),
            ));
            return library.parsed(&BTreeSet::new()).start.clone();
        };
        let mut head = Head::before(&text, library.sources.files.next_id());
        let mut kept = self.last().others.clone();
        let mut packages = match &kept {
            Some(kept) => kept.packages.clone(),
            None => head.packages_of(library),
        };
        loop {
            let loader = Loader {
                root,
                text: &text,
                files,
                library,
                parsed: library.parsed(&packages),
                kept: kept.clone(),
            };
            match loader.load(&head, self) {
                Ok((program, found)) => {
                    found.into_iter().for_each(|d| diags.push(d));
                    return program;
                }
                Err(Miss::Others) => kept = None,
                Err(Miss::Packages(imported)) => (packages, kept) = (imported, None),
                Err(Miss::Head(parsed)) => head = parsed,
            }
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the files beside the root file, of which `program` has the nodes, with those of these packages of the library and
    /// nothing else. The second time they are shared.
    fn note(&self, program: &mut Program, packages: &BTreeSet<String>, files: &[Other]) {
        let mut last = self.last();
        let is_same = |(a, b): (&Arc<SourceFile>, &Other)| {
            (&a.name, &a.text) == (&b.source.name, &b.source.text)
        };
        let again = last.packages == *packages
            && last.sources.len() == files.len()
            && last.sources.iter().zip(files).all(is_same);
        if !again {
            *last = Last {
                sources: files.iter().map(|file| file.source.clone()).collect(),
                packages: packages.clone(),
                others: None,
            };
        } else if !files.is_empty() {
            program.ast.share();
            program.names.share();
            let others = Arc::new(Others {
                packages: packages.clone(),
                ast: Ast {
                    units: Vec::new(),
                    ..program.ast.clone()
                },
                names: program.names.clone(),
                files: files.to_vec(),
                known: group::Kept::default(),
            });
            program.others = Some(others.clone());
            last.others = Some(others);
        }
    }
}

/// What a file says before its first declaration.
#[derive(PartialEq, Eq, Debug)]
struct Head {
    package: String,
    /// The packages that it imports, each with the place of the import.
    imports: Vec<(String, Span)>,
}

impl Head {
    fn of(unit: &Unit, names: &Names, file: FileId) -> Head {
        let imports = unit.imports.iter();
        let package = |import: &Import| {
            Some((
                imported_package(import, names)?,
                Span {
                    file,
                    ..import.span
                },
            ))
        };
        Head {
            package: Program::path(names, &unit.package),
            imports: imports.filter_map(package).collect(),
        }
    }

    /// The packages of the library that it is seen to need.
    fn packages_of(&self, library: &Library) -> BTreeSet<String> {
        let imported = self.imports.iter().map(|(package, _)| package.as_str());
        let packages = imported
            .chain([LANGUAGE])
            .filter(|&package| library.has(package));
        packages.map(str::to_string).collect()
    }

    /// That of a text whose first lines have no mistake; of others it is a guess.
    fn before(text: &str, file: FileId) -> Head {
        let mut p = Program::default();
        let alone = p.sources.add("", nfl_syntax::head(text));
        let mut said = Diags::default();
        let at = nfl_syntax::parse(alone, &mut p.sources, &mut p.ast, &mut p.names, &mut said);
        Head::of(&p.ast.units[at], &p.names, file)
    }
}

/// Why a program must be loaded once more.
enum Miss {
    /// The files beside the root file are not those that are kept.
    Others,
    /// The packages of the library that it imports are these, and not those that were parsed.
    Packages(BTreeSet<String>),
    /// The root file does not begin as was guessed.
    Head(Head),
}

/// Where a program comes from.
struct Loader<'a> {
    root: &'a str,
    text: &'a str,
    files: &'a dyn Files,
    library: &'a Library,
    parsed: Arc<Parsed>,
    kept: Option<Arc<Others>>,
}

impl Loader<'_> {
    /// The program, if the root file begins like this, with what is wrong with its syntax.
    fn load(&self, head: &Head, kept: &Kept) -> Result<(Program, Vec<Diagnostic>), Miss> {
        let mut program = self.parsed.start.clone();
        if let Some(kept) = &self.kept {
            (program.ast, program.names) = (kept.ast.clone(), kept.names.clone());
            program.others = Some(kept.clone());
        }
        program.library = Some(self.parsed.clone());
        let root = program.sources.add(self.root, self.text);
        let mut reading = Reading {
            program,
            loader: self,
            head,
            base: String::new(),
            packages: BTreeSet::new(),
            imported: BTreeSet::new(),
            paths: BTreeSet::from([self.root.to_string()]),
            others: Vec::new(),
            is_stale: false,
            found: Diags::default(),
        };
        reading.siblings();
        reading.library(LANGUAGE);
        for (package, place) in &head.imports {
            reading.package(package, *place);
        }
        let mut next = 0;
        while next < reading.program.ast.units.len() {
            reading.imports_of(next);
            next += 1;
        }
        let Reading {
            program: mut p,
            others,
            imported,
            is_stale,
            found,
            ..
        } = reading;
        let has_all = |kept: &Arc<Others>| !is_stale && kept.files.len() == others.len();
        match &self.kept {
            Some(kept) if !has_all(kept) => return Err(Miss::Others),
            _ if imported != self.parsed.packages => return Err(Miss::Packages(imported)),
            Some(_) => {}
            None => kept.note(&mut p, &imported, &others),
        }
        p.names_before_root = p.names.len();
        let mut diags = Diags::default();
        nfl_syntax::parse(root, &mut p.sources, &mut p.ast, &mut p.names, &mut diags);
        let unit = p.ast.units.pop().expect("a parse makes a unit");
        let parsed = Head::of(&unit, &p.names, root);
        if parsed != *head {
            return Err(Miss::Head(parsed));
        }
        p.ast.units.insert(0, unit);
        let mut diags = diags.into_vec();
        diags.extend(found.into_vec());
        Ok((p, diags))
    }
}

/// The files beside the root file while they are read.
struct Reading<'a> {
    /// Without the nodes of the root file.
    program: Program,
    loader: &'a Loader<'a>,
    head: &'a Head,
    /// The directory in which packages are looked for.
    base: String,
    /// Packages that were read, and files.
    packages: BTreeSet<String>,
    paths: BTreeSet<String>,
    /// Those of the packages that are the library's.
    imported: BTreeSet<String>,
    /// The files that are not of the library.
    others: Vec<Other>,
    /// One of them is not the one that is kept.
    is_stale: bool,
    found: Diags,
}

impl Program {
    /// Reads the file at `root`, its package and everything they import.
    pub fn load(root: &str, files: &dyn Files, library: &Library, diags: &mut Diags) -> Program {
        Kept::default().load(root, files, library, diags)
    }

    /// The root file.
    pub(crate) fn root(&self) -> Option<FileId> {
        self.ast.units.first().map(|unit| unit.span.file)
    }

    /// The nodes of the root file, and all copies.
    fn root_nodes(&self) -> impl Iterator<Item = &Nodes> {
        let root = self.ast.units.iter().take(1);
        root.map(|unit| &unit.nodes).chain(&self.copied)
    }

    /// The expressions of the root file, and all copies.
    pub(crate) fn root_exprs(&self) -> impl Iterator<Item = ExprId> {
        let nodes = self.root_nodes();
        nodes.flat_map(|nodes| nodes.exprs.clone().map(ExprId::new))
    }

    /// The statements of the root file, and all copies.
    pub(crate) fn root_stmts(&self) -> impl Iterator<Item = StmtId> {
        let nodes = self.root_nodes();
        nodes.flat_map(|nodes| nodes.stmts.clone().map(StmtId::new))
    }

    /// The patterns of the root file, and all copies.
    pub(crate) fn root_pats(&self) -> impl Iterator<Item = PatId> {
        let nodes = self.root_nodes();
        nodes.flat_map(|nodes| nodes.pats.clone().map(PatId::new))
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
        self.copied
            .extend(self.ast.units.pop().map(|unit| unit.nodes.clone()));
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

impl Reading<'_> {
    fn parse(&mut self, path: &str, text: &str) {
        if self.is_stale || !self.paths.insert(path.to_string()) {
            return;
        }
        let p = &mut self.program;
        let other = match &self.loader.kept {
            None => {
                let mut diags = Diags::default();
                let file = p.sources.add(path, text);
                nfl_syntax::parse(file, &mut p.sources, &mut p.ast, &mut p.names, &mut diags);
                Other {
                    source: p.sources.files[file].clone(),
                    unit: p.ast.units.pop().expect("a parse makes a unit"),
                    found: diags.into_vec(),
                }
            }
            Some(kept) => {
                let file = kept.files.get(self.others.len());
                let is_same =
                    |file: &&Other| (&*file.source.name, &*file.source.text) == (path, text);
                let Some(file) = file.filter(is_same) else {
                    self.is_stale = true;
                    return;
                };
                p.sources.files.push(file.source.clone());
                file.clone()
            }
        };
        p.ast.units.push(other.unit.clone());
        other.found.iter().for_each(|d| self.found.push(d.clone()));
        self.others.push(other);
    }

    /// When the root file lies in the directory of its package, so do the package's other files.
    fn siblings(&mut self) {
        let root = self.loader.root;
        let dir = root.rfind('/').map_or("", |at| &root[..at]);
        self.base = dir.to_string();
        let package = &self.head.package;
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
        self.packages.insert(package.clone());
        for path in self.loader.files.list(dir) {
            self.read(&path);
        }
    }

    fn imports_of(&mut self, unit: usize) {
        let unit = self.program.ast.units[unit].clone();
        for import in &unit.imports {
            if let Some(package) = imported_package(import, &self.program.names) {
                self.package(&package, import.span);
            }
        }
    }

    /// Reads a package of the library, as far as it is parsed; false where the library has none of this name.
    fn library(&mut self, package: &str) -> bool {
        if !self.loader.library.has(package) {
            return false;
        }
        self.imported.insert(package.to_string());
        for file in &self.loader.parsed.files {
            if file.package == package && self.paths.insert(file.path.clone()) {
                self.program.ast.units.push(file.unit.clone());
                file.found.iter().for_each(|d| self.found.push(d.clone()));
            }
        }
        true
    }

    /// Reads a package that is imported at a place.
    fn package(&mut self, package: &str, place: Span) {
        if !self.packages.insert(package.to_string()) {
            return;
        }
        if self.library(package) || BUILTIN_PACKAGES.contains(&package) {
            return;
        }
        let dir = package.replace('.', "/");
        let dir = if self.base.is_empty() || self.base.ends_with('/') {
            format!("{}{dir}", self.base)
        } else {
            format!("{}/{dir}", self.base)
        };
        for path in self.loader.files.list(&dir) {
            self.read(&path);
        }
        let Program { ast, names, .. } = &self.program;
        let mut units = ast.units.iter();
        let declared = self.head.package == package
            || units.any(|u| Program::path(names, &u.package) == package);
        if !declared {
            self.found.push(
                Diagnostic::new(&codes::E206, place)
                    .message(format!("there is no package `{package}`"))
                    .label("imported here"),
            );
        }
    }

    fn read(&mut self, path: &str) {
        if self.is_stale || self.paths.contains(path) {
            return;
        }
        match self.loader.files.read(path) {
            Some(text) => self.parse(path, &text),
            None => self.found.push(Diagnostic::bare(
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
