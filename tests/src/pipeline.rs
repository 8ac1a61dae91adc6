//! From source to image with every form in between kept.
//!
//! In: one text, or files of a directory. Out: findings, and for each image its module as lowered,
//! its module after the passes, and the proved image.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use nfl_abi::{Image, Limits};
use nfl_codegen_rv::{Emitted, Options};
use nfl_ir::Module;
use nfl_syntax::ast::DeclKind;
use nfl_syntax::diag::render::{Style, render};
use nfl_syntax::{Diagnostic, Diags, SourceMap};
use nfl_typeck::bind::{Bindings, bind};
use nfl_typeck::program::Library;
use nfl_typeck::tables::FunctionId;
use nfl_typeck::{Checked, Files, Program, check};

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct Texts(pub BTreeMap<String, String>);

impl Files for Texts {
    fn read(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let parent = |path: &str| {
            path.rsplit_once('/')
                .map_or(String::new(), |(dir, _)| dir.to_string())
        };
        let within = |path: &&String| parent(path) == dir.trim_end_matches('/');
        self.0.keys().filter(within).cloned().collect()
    }
}

/// A program with its findings.
#[derive(Debug)]
pub struct Checking {
    /// The program.
    pub checked: Checked,
    /// What the checker found.
    pub diagnostics: Vec<Diagnostic>,
}

/// An image with the modules it was made of.
#[derive(Debug)]
pub struct Stages {
    /// As lowering left it.
    pub lowered: Module,
    /// After the passes and the verifier.
    pub optimised: Module,
    /// The image.
    pub image: Image,
    /// Places of the instructions.
    pub lines: Vec<(u32, u32, Option<nfl_syntax::Span>)>,
}

/// Checks one text.
pub fn check_text(name: &str, text: &str) -> Checking {
    check_files(&Texts([(name.to_string(), text.to_string())].into()), name)
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::new(nfl_stdlib::FILES));

/// Checks a file and what it imports.
pub fn check_files(files: &dyn Files, root: &str) -> Checking {
    let mut diags = Diags::default();
    let program = Program::load(root, files, &LIBRARY, &mut diags);
    let checked = check(program, &mut diags);
    Checking {
        checked,
        diagnostics: diags.into_vec(),
    }
}

impl Checking {
    /// The functions of the root file.
    pub fn functions(&self) -> Vec<FunctionId> {
        let Program { ast, .. } = &self.checked.program;
        let Some(root) = ast.units.first().map(|unit| unit.span.file) else {
            return Vec::new();
        };
        let functions = self.checked.tables.functions.iter();
        functions
            .filter(|(_, def)| ast.decls[def.decl].span.file == root)
            // A graph's connections are tested where bundles are.
            .filter(|(_, def)| !matches!(ast.decls[def.decl].kind, DeclKind::Graph { .. }))
            .map(|(id, _)| id)
            .collect()
    }

    /// A function's simple name.
    pub fn name(&self, function: FunctionId) -> &str {
        self.checked
            .program
            .names
            .text(self.checked.tables.functions[function].name)
    }

    /// The function of this name, or the only one.
    pub fn function(&self, name: Option<&str>) -> Result<FunctionId, String> {
        let mut functions = self.functions();
        functions.retain(|&id| name.is_none_or(|name| self.name(id) == name));
        match functions[..] {
            [one] => Ok(one),
            _ => Err(format!("{} functions fit {name:?}", functions.len())),
        }
    }

    /// Verifies every function with the parameters that have no value at their whole range, as
    /// `nflc check` does, and answers all findings.
    pub fn verify_unbound(self) -> (Checked, Vec<Diagnostic>) {
        let mut diags = Diags::default();
        if let Some(sound) = self.checked.sound() {
            for function in self.functions() {
                let bindings = Bindings::unbound(&self.checked, function);
                for mut module in nfl_ir::lower::lower(sound, function, &bindings, &mut diags) {
                    nfl_ir::passes::run(&mut module);
                    nfl_ir::verify::verify(module, &Limits::EDGE, &mut diags);
                }
            }
        }
        let mut all = self.diagnostics;
        all.extend(diags.into_vec());
        (self.checked, all)
    }

    /// The images of a function with values for its parameters.
    ///
    /// # Errors
    ///
    /// Everything that was found, rendered.
    pub fn stages(
        &self,
        function: FunctionId,
        sets: &[(String, String)],
    ) -> Result<Vec<Stages>, String> {
        self.stages_for(function, sets, &Options::default())
    }

    /// The same for a target and a level of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`Checking::stages`].
    pub fn stages_for(
        &self,
        function: FunctionId,
        sets: &[(String, String)],
        options: &Options,
    ) -> Result<Vec<Stages>, String> {
        let mut diags = Diags::default();
        let sound = self
            .checked
            .sound()
            .ok_or_else(|| self.render(&self.diagnostics))?;
        let bindings = bind(&self.checked, function, sets, &mut diags);
        let Some(bindings) = bindings.filter(|_| !diags.has_errors()) else {
            return Err(self.render(&diags.into_vec()));
        };
        let lowered = nfl_ir::lower::lower(sound, function, &bindings, &mut diags);
        if diags.has_errors() {
            return Err(self.render(&diags.into_vec()));
        }
        lowered
            .into_iter()
            .map(|lowered| self.stage(lowered, options))
            .collect()
    }

    fn stage(&self, lowered: Module, options: &Options) -> Result<Stages, String> {
        let mut diags = Diags::default();
        let mut module = lowered.clone();
        nfl_ir::passes::run(&mut module);
        let verified = nfl_ir::verify::verify(module, &options.limits, &mut diags);
        let verified = verified.ok_or_else(|| self.render(&diags.into_vec()))?;
        let emitted = nfl_codegen_rv::emit(&verified, options);
        let Emitted { image, lines } = emitted.map_err(|error| error.to_string())?;
        Ok(Stages {
            lowered,
            optimised: verified.module().clone(),
            image,
            lines,
        })
    }

    /// Findings as people see them, without colours.
    pub fn render(&self, diagnostics: &[Diagnostic]) -> String {
        render_all(&self.checked, diagnostics)
    }
}

/// Findings as people see them, without colours.
pub fn render_all(checked: &Checked, diagnostics: &[Diagnostic]) -> String {
    render_list(&checked.program.sources, diagnostics)
}

/// The same with nothing but the texts.
pub fn render_list(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let style = Style::Human { color: false };
    diagnostics
        .iter()
        .map(|d| render(d, sources, style))
        .collect()
}
