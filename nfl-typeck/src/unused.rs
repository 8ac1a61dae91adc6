//! What is declared and never used.
//!
//! In: a checked program without errors. Out: warnings about variables, bindings, parameters, private
//! members and imports of the root file that nothing uses; of other files it is said when those are checked. Names that begin with `_` are exempt, and a use in a test counts. Guaranteed: one warning
//! for each place, also where a declaration has several copies.

use crate::check::{Checker, OwnerId, OwnerKind};
use crate::tables::Res;
use nfl_abi::{Code, codes};
use nfl_syntax::ast::{DeclKind, ExprId, ExprKind, Ident, Import, Modifier, PatKind, StmtKind};
use nfl_syntax::hash::Seed;
use nfl_syntax::span::FileId;
use nfl_syntax::{Diagnostic, Span};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The words of a file with the numbers of the first and the last token that says them. Only asked, never gone through,
/// so its order does not matter.
type FileWords<'a> = HashMap<&'a str, (u32, u32), Seed>;

/// The words of each file, found when they are asked for.
type Words<'a> = BTreeMap<FileId, OnceCell<FileWords<'a>>>;

/// What becomes of the variables of a program, by the place of their names: whether they are read.
type Reads = BTreeMap<Span, bool>;

/// Whether a statement of a function may name this: fields that are its own.
fn is_own(modifiers: &[(Modifier, Span)]) -> bool {
    let says = |m| modifiers.iter().any(|(other, _)| *other == m);
    says(Modifier::Private) || !(says(Modifier::Public) || says(Modifier::Static))
}

impl<'a> Checker<'a> {
    /// Warns of everything that nothing uses.
    pub(crate) fn warn_unused(&mut self) {
        let reads = self.reads();
        self.unused_variables(&reads);
        self.unused_bindings(&reads);
        let files = self.ast.units.iter().map(|unit| unit.span.file);
        let words: Words<'a> = files.map(|file| (file, OnceCell::new())).collect();
        for owner in self.owner_ids() {
            if !self.is_of_root(owner) {
                continue;
            }
            self.unused_parameters(owner, &reads);
            self.unused_members(owner, &words);
        }
        self.unused_imports(&words);
    }

    /// A warning about a name, unless it begins with `_`.
    fn idle(&self, code: &'static Code, name: Ident, message: &str) -> Option<Diagnostic> {
        let text = self.text(name.name);
        (!text.starts_with('_')).then(|| {
            self.at(code, name.span)
                .message(format!("`{text}` {message}"))
        })
    }

    /// The variables, and which of them are read.
    fn reads(&self) -> Reads {
        let ast = self.ast;
        let mut written: BTreeSet<ExprId> = BTreeSet::new();
        for s in self.program.root_stmts() {
            if let StmtKind::Assign { place, .. } | StmtKind::Step { place, .. } = ast.stmts[s].kind
            {
                written.insert(self.bare(place));
            }
        }
        let root = self.program.root();
        let locals = self.t.locals.iter();
        let mut reads: Reads = locals
            .filter(|(_, local)| local.name.is_some() && Some(local.span.file) == root)
            .map(|(_, local)| (local.span, false))
            .collect();
        for e in self.program.root_exprs() {
            if let Res::Local(local) = self.t.expr_res[e]
                && !written.contains(&e)
            {
                reads.insert(self.t.locals[local].span, true);
            }
        }
        reads
    }

    fn unused_variables(&mut self, reads: &Reads) {
        let ast = self.ast;
        let mut names: BTreeMap<Span, Ident> = BTreeMap::new();
        for s in self.program.root_stmts() {
            match &ast.stmts[s].kind {
                StmtKind::Local { vars, .. } => {
                    names.extend(vars.iter().map(|v| (v.name.span, v.name)));
                }
                StmtKind::ForEach { name, .. } => {
                    names.insert(name.span, *name);
                }
                _ => {}
            }
        }
        names.retain(|span, _| reads.get(span) == Some(&false));
        for name in names.into_values() {
            if let Some(finding) = self.idle(&codes::W201, name, "is never read") {
                self.warnings.push(finding.label("this variable is unused"));
            }
        }
    }

    fn unused_bindings(&mut self, reads: &Reads) {
        let ast = self.ast;
        let mut names: BTreeMap<Span, (Ident, Option<Span>)> = BTreeMap::new();
        for p in self.program.root_pats() {
            let pat = &ast.pats[p];
            match &pat.kind {
                PatKind::Bind { name, .. } => {
                    names.insert(name.span, (*name, Some(pat.span)));
                }
                PatKind::Type {
                    name: Some(name), ..
                }
                | PatKind::Record {
                    name: Some(name), ..
                } => {
                    names.insert(name.span, (*name, None));
                }
                _ => {}
            }
        }
        names.retain(|span, _| reads.get(span) == Some(&false));
        for (name, whole) in names.into_values() {
            let Some(finding) = self.idle(&codes::W202, name, "is never used") else {
                continue;
            };
            let finding = finding.label("the pattern matches without this name");
            let finding = match whole {
                Some(whole) => finding.instead(whole, "_"),
                None => finding.fix(
                    "leave the name out",
                    [(self.with_space(name.span), String::new())],
                ),
            };
            self.warnings.push(finding);
        }
    }

    /// Parameters of methods that only this package can call, and that no interface asks for.
    fn unused_parameters(&mut self, owner: OwnerId, reads: &Reads) {
        let ast = self.ast;
        if self.is_obliged(owner) {
            return;
        }
        for &member in self.members_of(owner) {
            let decl = &ast.decls[member];
            let public = decl.modifiers.iter().any(|(m, _)| *m == Modifier::Public);
            let DeclKind::Method {
                params,
                body: Some(_),
                ..
            } = &decl.kind
            else {
                continue;
            };
            for &param in params.iter().filter(|_| !public) {
                let name = ast.params[param].name;
                if reads.get(&name.span) == Some(&false)
                    && let Some(finding) = self.idle(&codes::W203, name, "is never read")
                {
                    self.warnings
                        .push(finding.label("the method does without this parameter"));
                }
            }
        }
    }

    /// Whether interfaces say which methods a declaration has.
    fn is_obliged(&self, owner: OwnerId) -> bool {
        match &self.ast.decls[self.owners[owner].decl].kind {
            DeclKind::Function { implements, .. }
            | DeclKind::Header { implements, .. }
            | DeclKind::Record { implements, .. }
            | DeclKind::Enum { implements, .. } => !implements.is_empty(),
            DeclKind::Interface { .. } => true,
            _ => false,
        }
    }

    /// Private members, and fields of functions, which are always their own.
    fn unused_members(&mut self, owner: OwnerId, words: &Words<'a>) {
        let ast = self.ast;
        let function = matches!(self.owners[owner].kind, OwnerKind::Function(_));
        for &member in self.members_of(owner) {
            let decl = &ast.decls[member];
            let field = matches!(decl.kind, DeclKind::Field { .. });
            let private = decl.modifiers.iter().any(|(m, _)| *m == Modifier::Private);
            let test = decl
                .annotations
                .iter()
                .any(|a| self.text(a.name.name) == "Test");
            if test || !(private || function && field && is_own(&decl.modifiers)) {
                continue;
            }
            let names: Vec<Ident> = match &decl.kind {
                DeclKind::Field { vars, .. } => vars.iter().map(|v| v.name).collect(),
                DeclKind::Method { name, .. }
                | DeclKind::Function { name, .. }
                | DeclKind::Header { name, .. }
                | DeclKind::Record { name, .. }
                | DeclKind::Enum { name, .. }
                | DeclKind::Interface { name, .. }
                | DeclKind::Class { name, .. } => vec![*name],
                _ => Vec::new(),
            };
            for name in names {
                let text = self.text(name.name);
                let is_in = |file: FileId| {
                    let own = file == name.span.file;
                    let seen = self.words(words, file).get(text);
                    let it = (name.span.start, name.span.start);
                    seen.is_some_and(|&seen| !own || seen != it)
                };
                // Its own file first: others need not be looked through then.
                let used =
                    is_in(name.span.file) || !private && words.keys().any(|&file| is_in(file));
                if !used && let Some(finding) = self.idle(&codes::W204, name, "is never used") {
                    let of = self.text(self.owners[owner].name.name);
                    self.warnings
                        .push(finding.label(format!("nothing but `{of}` could name it")));
                }
            }
        }
    }

    /// The words of a file but for its imports.
    fn words<'w>(&self, words: &'w Words<'a>, file: FileId) -> &'w FileWords<'a> {
        words[&file].get_or_init(|| {
            let mut words = FileWords::default();
            let source = &self.program.sources.files[file];
            let units = self.ast.units.iter();
            let imports = units.filter(|unit| unit.span.file == file);
            let last = imports.filter_map(|unit| unit.imports.last()).next_back();
            let first = last.map_or(0, |last| last.span.end);
            for (token, ends) in (0..).zip(source.starts.windows(2)).skip(first as usize) {
                let (start, end) = (ends[0] as usize, ends[1] as usize);
                let first = source.text.as_bytes().get(start);
                if first.is_some_and(|&c| c.is_ascii_alphabetic() || c == b'_') {
                    let text = &source.text[start..end];
                    words.entry(text).or_insert((token, token)).1 = token;
                }
            }
            words
        })
    }

    fn unused_imports(&mut self, words: &Words<'a>) {
        let Some(unit) = self.ast.units.first() else {
            return;
        };
        for import in &unit.imports {
            let words = self.words(words, unit.span.file);
            let used = match (import.star, import.path.last()) {
                (false, Some(last)) => words.contains_key(self.text(last.name)),
                (true, _) => self.brings(import, words),
                (false, None) => true,
            };
            if used {
                continue;
            }
            let span = match import.span.start {
                0 => import.span,
                _ => self.with_space(import.span),
            };
            let finding = self
                .at(&codes::W205, import.span)
                .label("nothing in this file uses it")
                .fix("leave it out", [(span, String::new())]);
            self.warnings.push(finding);
        }
    }

    /// Whether a file uses something of what an import with a star brings.
    fn brings(&self, import: &Import, words: &FileWords<'_>) -> bool {
        let path: Vec<&str> = import.path.iter().map(|p| self.text(p.name)).collect();
        let used = |name: nfl_syntax::Name| words.contains_key(self.text(name));
        if !import.is_static {
            let path = path.join(".");
            let package = self.packages.iter().find(|p| p.path == path);
            return package.is_none_or(|p| p.types.keys().any(|&n| used(n)));
        }
        let Some((last, path)) = path.split_last() else {
            return true;
        };
        let path = path.join(".");
        let package = self.packages.iter().find(|p| p.path == path);
        let owner = package.and_then(|p| {
            let mut types = p.types.iter();
            types
                .find(|(n, _)| self.text(**n) == *last)
                .map(|(_, o)| *o)
        });
        owner.is_none_or(|owner| {
            let owner = &self.owners[owner];
            owner.consts.keys().any(|&n| used(n)) || owner.methods.keys().any(|&n| used(n))
        })
    }

    /// Whether an expression is a plain name.
    pub(crate) fn is_name(&self, e: ExprId) -> bool {
        matches!(self.ast.exprs[self.bare(e)].kind, ExprKind::Name(_))
    }
}
