//! Which files are checked together.
//!
//! In: a parsed program. Out: its files in up to three groups: the library's; those that know nothing of the root file; the root
//! file with those that may. Guaranteed: no file sees anything of a later group. So what is known when a group is checked follows
//! from the texts of that group and those before it, and may be kept for another program that begins with them
//! ([`Kept`]); the others are checked in the same way, each time. How a program falls into groups follows from its texts alone.
//!
//! A file is taken to see another when one of its words is the name of a declaration there. Headers are
//! seen by all files that are not the library's, since they make ways from one header to another. The library sees only itself,
//! unless a file adds to one of its packages; then there is but one group.

use crate::check::Known;
use crate::program::Program;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{Ast, DeclKind, Nodes, Unit};
use nfl_syntax::{FileId, Name};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Files that are checked together.
#[derive(Default)]
pub(crate) struct Group<'p> {
    /// Their numbers among the units of the tree.
    pub(crate) units: Vec<usize>,
    /// Their nodes, and copies of them.
    pub(crate) nodes: Vec<Nodes>,
    /// Where it is kept what is known when they are checked.
    pub(crate) kept: Option<&'p Kept>,
}

/// What was known when some files were checked, those of earlier groups included.
#[derive(Default, Debug)]
pub(crate) struct Kept(Mutex<Option<(Vec<FileId>, Arc<Known>)>>);

impl Kept {
    /// What is known of these files. Whoever asks has the same texts in them as whoever kept it.
    pub(crate) fn get(&self, files: &[FileId]) -> Option<Arc<Known>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref().filter(|(known, _)| known == files)?;
        Some(kept.1.clone())
    }

    /// Keeps what is known of these files.
    pub(crate) fn set(&self, files: Vec<FileId>, known: Arc<Known>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((files, known));
    }
}

/// The groups of a program: the root file's, which is the last, and those before it in the order in which they are checked.
pub(crate) fn groups(program: &Program) -> (Group<'_>, Vec<Group<'_>>) {
    let Program { ast, sources, .. } = program;
    let mut all: Vec<usize> = (0..ast.units.len()).collect();
    let package = |&unit: &usize| ast.units[unit].package.iter().map(|word| word.name);
    let is_library = |&unit: &usize| sources.is_shared(ast.units[unit].span.file);
    let (mut library, mut own): (Vec<usize>, Vec<usize>) = all.iter().partition(|u| is_library(u));
    let adds = |unit: &usize| library.iter().any(|of| package(of).eq(package(unit)));
    let mut groups = Vec::new();
    if !own.iter().any(adds) {
        library.sort_by_key(|&unit| ast.units[unit].span.file);
        groups.push(Group {
            units: library,
            kept: program.library.as_ref().map(|library| &library.known),
            ..Group::default()
        });
        own.sort_by_key(|&unit| ast.units[unit].span.file);
        let seeing = see_root(program, &own);
        let (rest, apart) = own.iter().partition(|unit| seeing.contains(unit));
        groups.push(Group {
            units: apart,
            kept: program.others.as_ref().map(|others| &others.known),
            ..Group::default()
        });
        all = rest;
    }
    let mut last = Group {
        units: all,
        nodes: program.copied.clone(),
        kept: None,
    };
    for group in groups.iter_mut().chain([&mut last]) {
        let nodes = group
            .units
            .iter()
            .map(|&unit| ast.units[unit].nodes.clone());
        group.nodes.extend(nodes);
    }
    (last, groups)
}

/// The root file and those of these files that may see something of it.
fn see_root(program: &Program, own: &[usize]) -> BTreeSet<usize> {
    let ast = &program.ast;
    let mut seeing = BTreeSet::from([0]);
    let mut next = vec![0];
    while let Some(unit) = next.pop() {
        let Some(unit) = ast.units.get(unit) else {
            continue;
        };
        let names = declared(ast, unit).filter(|name| name.index() < program.names_before_root);
        let words: Vec<&str> = names.map(|name| program.names.text(name)).collect();
        let has_header = has_header(ast, unit);
        if words.is_empty() && !has_header {
            continue;
        }
        for &other in own {
            let file = ast.units[other].span.file;
            if !seeing.contains(&other) && (has_header || says(program, file, &words)) {
                seeing.insert(other);
                next.push(other);
            }
        }
    }
    seeing
}

/// The names of the declarations of a file.
fn declared(ast: &Ast, unit: &Unit) -> impl Iterator<Item = Name> {
    let decls = unit.decls.iter();
    decls.filter_map(|&decl| ast.decls[decl].kind.name().map(|name| name.name))
}

fn has_header(ast: &Ast, unit: &Unit) -> bool {
    let mut decls = unit.decls.iter();
    decls.any(|&decl| matches!(ast.decls[decl].kind, DeclKind::Header { .. }))
}

/// Whether one of these is among the words of a file.
fn says(program: &Program, file: FileId, words: &[&str]) -> bool {
    let source = &program.sources.files[file];
    // Most tokens are told apart by their lengths alone.
    let bit = |len: usize| 1_u64 << (len % 64);
    let lens = words.iter().fold(0, |all, word| all | bit(word.len()));
    let mut tokens = source.starts.windows(2);
    tokens.any(|ends| {
        let (start, end) = (ends[0] as usize, ends[1] as usize);
        lens & bit(end - start) != 0 && words.contains(&&source.text[start..end])
    })
}
