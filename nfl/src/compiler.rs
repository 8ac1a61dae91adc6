//! From source files to a unit whose functions can be bound and emitted.
//!
//! In: files, the name of the root file, limits and a target. Out: a [`Build`], always, with all
//! findings; and a [`Unit`] from a build without errors. Guaranteed: the result depends on the
//! files, the limits and the target alone.

use nfl_abi::Limits;
use nfl_ir::Module;
use nfl_isa::Target;
use nfl_syntax::{Diagnostic, Diags, SourceMap};
use nfl_typeck::bind::Bindings;
use nfl_typeck::program::{Files, Program};
use nfl_typeck::tables::FunctionId;
use nfl_typeck::{Checked, check};

use crate::error::{BuildFailed, UnknownTarget};
use crate::unit::{HandlerBounds, Unit};

/// What a program is compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Compiler {
    pub(crate) limits: Limits,
    pub(crate) target: &'static Target,
}

impl Compiler {
    /// A compiler for a platform, with its default target.
    pub fn new(limits: Limits) -> Compiler {
        Compiler {
            limits,
            target: Target::DEFAULT,
        }
    }

    /// The same for the target of this name, as `--target` and `-march` spell it.
    ///
    /// # Errors
    ///
    /// [`UnknownTarget`] when there is none, or none in this release.
    pub fn target(self, name: &str) -> Result<Compiler, UnknownTarget> {
        match Target::find(name) {
            Some(target) if target.available => Ok(Compiler { target, ..self }),
            _ => Err(UnknownTarget {
                name: name.to_string(),
            }),
        }
    }

    /// Parses and checks a file and what it imports. For editors: the tables are there whatever
    /// the findings say.
    pub fn check(&self, files: &dyn Files, root: &str) -> (Checked, Vec<Diagnostic>) {
        let mut diags = Diags::default();
        let checked = load_and_check(files, root, &mut diags);
        (checked, diags.into_vec())
    }

    /// Parses, checks and proves a file and what it imports, with parameters that are not bound
    /// taken at their whole range.
    pub fn build(&self, files: &dyn Files, root: &str) -> Build {
        let mut diags = Diags::default();
        let checked = load_and_check(files, root, &mut diags);
        let mut bounds = Vec::new();
        if let Some(sound) = checked.sound() {
            for function in root_functions(&checked) {
                let bindings = Bindings::unbound(&checked, function);
                for module in nfl_ir::lower::lower(sound, function, &bindings) {
                    bounds.extend(prove(module, &self.limits, &mut diags));
                }
            }
        }
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for found in diags.into_vec() {
            // Handlers that two images share are lowered twice, and so are their mistakes.
            if !diagnostics.iter().any(|d| same(d, &found)) {
                diagnostics.push(found);
            }
        }
        Build {
            diagnostics,
            compiler: *self,
            checked,
            bounds,
        }
    }
}

fn load_and_check(files: &dyn Files, root: &str, diags: &mut Diags) -> Checked {
    let program = Program::load(root, files, nfl_stdlib::FILES, diags);
    check(program, diags)
}

/// Optimises a module and proves it; the bounds of its handlers when that succeeds.
fn prove(mut module: Module, limits: &Limits, diags: &mut Diags) -> Vec<HandlerBounds> {
    nfl_ir::passes::run(&mut module);
    nfl_ir::verify::verify(module, limits, diags)
        .map(|verified| HandlerBounds::of(&verified))
        .unwrap_or_default()
}

/// The functions of the root file, in the order of their declarations.
pub(crate) fn root_functions(checked: &Checked) -> Vec<FunctionId> {
    let Program { ast, .. } = &checked.program;
    let Some(root) = ast.units.first().map(|unit| unit.span.file) else {
        return Vec::new();
    };
    let functions = checked.tables.functions.iter();
    functions
        .filter(|(_, def)| ast.decls[def.decl].span.file == root)
        .map(|(id, _)| id)
        .collect()
}

fn same(a: &Diagnostic, b: &Diagnostic) -> bool {
    let place = |d: &Diagnostic| d.labels.first().map(|label| label.span);
    a.code == b.code && a.message == b.message && place(a) == place(b)
}

/// What a compiler found out about a program, right or wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Build {
    /// All findings, in the order of discovery.
    pub diagnostics: Vec<Diagnostic>,
    compiler: Compiler,
    checked: Checked,
    bounds: Vec<HandlerBounds>,
}

impl Build {
    /// The source texts, to render findings with.
    pub fn sources(&self) -> &SourceMap {
        &self.checked.program.sources
    }

    /// What the compiler proved of each handler, with unbound parameters at their whole range.
    pub fn bounds(&self) -> &[HandlerBounds] {
        &self.bounds
    }

    /// The program, when nothing is wrong with it.
    ///
    /// # Errors
    ///
    /// [`BuildFailed`] with the findings when one is an error.
    pub fn finish(self) -> Result<Unit, BuildFailed> {
        let wrong = |d: &Diagnostic| d.code.severity() == nfl_abi::Severity::Error;
        if self.diagnostics.iter().any(wrong) {
            return Err(BuildFailed::new(
                self.diagnostics,
                &self.checked.program.sources,
            ));
        }
        Ok(Unit::new(self.compiler, self.checked))
    }
}
