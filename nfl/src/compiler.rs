//! From source files to a unit whose functions can be bound and emitted.
//!
//! In: files, the name of the root file, limits and a target. Out: a [`Build`], always, with all
//! findings; and a [`Unit`] from a build without errors. Guaranteed: the result depends on the
//! files, the limits and the target alone, and not on what a compiler has compiled before.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, OnceLock};

use nfl_abi::{Limits, Severity};
use nfl_codegen_rv::OptLevel;
use nfl_ir::Verified;
use nfl_ir::verify::Scene;
use nfl_isa::Target;
use nfl_syntax::ast::DeclKind;
use nfl_syntax::{Diagnostic, Diags, SourceMap, Span};
use nfl_typeck::bind::Bindings;
use nfl_typeck::program::{Files, Kept, Library, Program};
use nfl_typeck::tables::{FunctionId, Template, TemplateId};
use nfl_typeck::{Checked, Konst, Tables, Ty, TyKind, Types, check};

use crate::advice;
use crate::error::{BuildFailed, UnknownTarget};
use crate::unit::{HandlerBounds, Unit};

/// The standard library, whose packages are parsed and checked when the first program needs them.
static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::new(nfl_stdlib::FILES));

/// What a program is compiled for. A compiler that compiles a file again need not parse the files beside it again, as long as
/// they are the same, nor check those that see nothing of it; copies of it know them too.
#[derive(Clone, Debug)]
pub struct Compiler {
    pub(crate) limits: Limits,
    pub(crate) target: &'static Target,
    pub(crate) level: OptLevel,
    kept: Arc<Kept>,
}

impl Compiler {
    /// A compiler for a platform, with its default target.
    pub fn new(limits: Limits) -> Compiler {
        Compiler {
            limits,
            target: Target::DEFAULT,
            level: OptLevel::default(),
            kept: Arc::default(),
        }
    }

    /// The same that looks so long for smaller code.
    #[must_use]
    pub fn level(self, level: OptLevel) -> Compiler {
        Compiler { level, ..self }
    }

    /// The same for the target of this name, as `--target` and `-march` spell it.
    ///
    /// # Errors
    ///
    /// [`UnknownTarget`] when there is none.
    pub fn target(self, name: &str) -> Result<Compiler, UnknownTarget> {
        match Target::find(name) {
            Ok(target) => Ok(Compiler { target, ..self }),
            Err(why) => Err(UnknownTarget {
                name: name.to_string(),
                why,
            }),
        }
    }

    /// Parses and checks a file and what it imports. For editors: the tables are there whatever
    /// the findings say.
    pub fn check(&self, files: &dyn Files, root: &str) -> (Checked, Vec<Diagnostic>) {
        let mut diags = Diags::default();
        let checked = self.load_and_check(files, root, &mut diags);
        (checked, diags.into_vec())
    }

    /// Parses, checks and proves a file and what it imports, with parameters that are not bound
    /// taken at their whole range.
    pub fn build(&self, files: &dyn Files, root: &str) -> Build {
        let mut diags = Diags::default();
        let checked = self.load_and_check(files, root, &mut diags);
        let mut proved = Vec::new();
        if checked.sound().is_some() {
            for function in root_functions(&checked) {
                proved.push(self.prove(&checked, function, true, &mut diags));
            }
        }
        let mut diagnostics = distinct(&checked, diags);
        advice::place(&mut diagnostics, &checked.program, files, |files| {
            let mut diags = Diags::default();
            let checked = self.load_and_check(files, root, &mut diags);
            for function in root_functions(&checked) {
                self.prove(&checked, function, false, &mut diags);
            }
            let mut left = distinct(&checked, diags);
            left.retain(|d| d.severity == Severity::Error);
            left
        });
        Build {
            diagnostics,
            compiler: self.clone(),
            checked,
            proved,
            bounds: OnceLock::new(),
        }
    }
}

impl Compiler {
    fn load_and_check(&self, files: &dyn Files, root: &str, diags: &mut Diags) -> Checked {
        let program = self.kept.load(root, files, &LIBRARY, diags);
        check(program, diags)
    }

    /// Proves a function with its open parameters at their whole range, and explains what fails. What fails there and holds
    /// for some values is left for when the parameters are bound.
    fn prove(
        &self,
        checked: &Checked,
        function: FunctionId,
        explains: bool,
        diags: &mut Diags,
    ) -> Proved {
        let mut found = Diags::default();
        let unbound = Bindings::unbound(checked, function);
        if is_open(checked, function, &unbound) && self.holds(checked, function, &unbound) {
            return Proved {
                function,
                bindings: unbound,
                modules: None,
                is_whole: true,
            };
        }
        let scene = Scene {
            sources: &checked.program.sources,
            arguments: Some(arguments(checked, function)),
        };
        let scene = Some(&scene).filter(|_| explains);
        let modules = self.prove_with(checked, function, &unbound, scene, &mut found);
        let holds = |bindings: &Bindings| {
            let mut found = Diags::default();
            self.prove_with(checked, function, bindings, None, &mut found);
            !found.has_errors()
        };
        let is_whole = !found.has_errors();
        if is_whole || !samples(checked, function, &unbound).iter().any(holds) {
            for finding in found.into_vec() {
                diags.push(advice::complete(finding, &checked.program));
            }
        }
        Proved {
            function,
            bindings: unbound,
            modules: Some(modules),
            is_whole,
        }
    }

    /// Whether a function can be proved with little work. No pass loses a proof, so it can be proved behind all of them
    /// too.
    fn holds(&self, checked: &Checked, function: FunctionId, bindings: &Bindings) -> bool {
        let Some(sound) = checked.sound() else {
            return false;
        };
        let mut found = Diags::default();
        let modules = nfl_ir::lower::lower(sound, function, bindings, &mut found);
        let mut modules = modules.into_iter();
        modules.all(|module| nfl_ir::verify::holds(module, &self.limits))
            && found.into_vec().is_empty()
    }

    /// The modules that could be proved with these values.
    fn prove_with(
        &self,
        checked: &Checked,
        function: FunctionId,
        bindings: &Bindings,
        scene: Option<&Scene>,
        diags: &mut Diags,
    ) -> Vec<Verified> {
        let Some(sound) = checked.sound() else {
            return Vec::new();
        };
        let mut proved = Vec::new();
        for module in nfl_ir::lower::lower(sound, function, bindings, diags) {
            let limits = &self.limits;
            proved.extend(nfl_ir::verify::improved(module, limits, scene, diags));
        }
        proved
    }
}

/// The findings of a file, each once: handlers that two images share are lowered twice, and so are their
/// mistakes. Warnings of other files are said when those are checked.
fn distinct(checked: &Checked, diags: Diags) -> Vec<Diagnostic> {
    let mut distinct: Vec<Diagnostic> = Vec::new();
    let root = checked.program.ast.units.first().map(|unit| unit.span.file);
    let elsewhere = |d: &Diagnostic| {
        let file = d.labels.first().map(|label| label.span.file);
        d.severity == Severity::Warning && file.is_some() && file != root
    };
    for found in diags.into_vec() {
        if !elsewhere(&found) && !distinct.iter().any(|d| same(d, &found)) {
            distinct.push(found);
        }
    }
    distinct
}

/// What `nflc check` takes to find a function: its file, and its name where there are several.
fn arguments(checked: &Checked, function: FunctionId) -> String {
    let Program { ast, sources, .. } = &checked.program;
    let file = ast.units.first().map(|unit| unit.span.file);
    let file = file.map_or("", |file| sources.files[file].name.as_str());
    match root_functions(checked).len() {
        0 | 1 => file.to_string(),
        _ => {
            let name = &checked.tables.functions[function].qualified;
            format!("--function {name} {file}")
        }
    }
}

/// Whether a parameter has no value yet that images are made for.
fn is_open(checked: &Checked, function: FunctionId, unbound: &Bindings) -> bool {
    let Tables {
        functions,
        templates,
        ..
    } = &checked.tables;
    let params = &functions[function].params;
    let is_open = |&id: &TemplateId| !templates[id].late && unbound.values[id].is_none();
    params.iter().any(is_open)
}

/// The function with its open parameters all at their smallest values, and all at their largest;
/// nothing when no parameter is open.
fn samples(checked: &Checked, function: FunctionId, unbound: &Bindings) -> Vec<Bindings> {
    let Tables {
        functions,
        templates,
        types,
        ..
    } = &checked.tables;
    let params = functions[function].params.iter().copied();
    let open = params.filter(|&id| !templates[id].late && unbound.values[id].is_none());
    let (mut smallest, mut largest) = (unbound.clone(), unbound.clone());
    let mut any = false;
    for id in open {
        let Template { ty, range, .. } = templates[id];
        let Some((lo, hi)) = extremes(types, ty, range) else {
            continue;
        };
        smallest.values.set(id, Some(lo));
        largest.values.set(id, Some(hi));
        any = true;
    }
    if any {
        vec![smallest, largest]
    } else {
        Vec::new()
    }
}

/// The smallest and the largest value of a type.
fn extremes(types: &Types, ty: Ty, range: Option<(i128, i128)>) -> Option<(Konst, Konst)> {
    if let Some((lo, hi)) = range {
        return Some((Konst::Int(lo), Konst::Int(hi)));
    }
    Some(match types.kind(ty) {
        TyKind::Bool => (Konst::Bool(false), Konst::Bool(true)),
        TyKind::Ip6 => (Konst::Ip6(0), Konst::Ip6(u128::MAX)),
        TyKind::Prefix4 => {
            let prefix = |addr, len| Konst::Prefix4 { addr, len };
            (prefix(0, 0), prefix(u32::MAX, 32))
        }
        TyKind::Prefix6 => {
            let prefix = |addr, len| Konst::Prefix6 { addr, len };
            (prefix(0, 0), prefix(u128::MAX, 128))
        }
        _ => {
            let bits = types.bits(ty)?;
            let (lo, hi) = match types.is_signed(ty) {
                true => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
                false => (0, (1 << bits) - 1),
            };
            (Konst::Int(lo), Konst::Int(hi))
        }
    })
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
        // A graph's own row only holds its parameters; its connections are functions.
        .filter(|(_, def)| {
            let graph = matches!(ast.decls[def.decl].kind, DeclKind::Graph { .. });
            !graph || !def.stages.is_empty()
        })
        .map(|(id, _)| id)
        .collect()
}

fn same(a: &Diagnostic, b: &Diagnostic) -> bool {
    let place = |d: &Diagnostic| d.labels.first().map(|label| label.span);
    a.code == b.code && a.message == b.message && place(a) == place(b)
}

/// A function as it was proved with these values for its parameters.
#[derive(Debug)]
pub(crate) struct Proved {
    pub(crate) function: FunctionId,
    pub(crate) bindings: Bindings,
    /// Nothing where the function holds as it is written and has open parameters: images are made of other modules.
    pub(crate) modules: Option<Vec<Verified>>,
    /// Whether all of its modules could be proved.
    pub(crate) is_whole: bool,
}

/// What a compiler found out about a program, right or wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Build {
    /// All findings, in the order of discovery.
    pub diagnostics: Vec<Diagnostic>,
    pub(crate) compiler: Compiler,
    pub(crate) checked: Checked,
    proved: Vec<Proved>,
    bounds: OnceLock<Vec<HandlerBounds>>,
}

impl Build {
    /// The source texts, to render findings with.
    pub fn sources(&self) -> &SourceMap {
        &self.checked.program.sources
    }

    /// The package of the root file and where it is named, if it is.
    pub fn package(&self) -> Option<(String, Span)> {
        let Program { ast, names, .. } = &self.checked.program;
        let path = &ast.units.first()?.package;
        let (first, last) = (path.first()?, path.last()?);
        let words: Vec<&str> = path.iter().map(|word| names.text(word.name)).collect();
        Some((words.join("."), first.span.to(last.span)))
    }

    /// What the compiler proved of each handler, with unbound parameters at their whole range.
    pub fn bounds(&self) -> &[HandlerBounds] {
        self.bounds
            .get_or_init(|| self.proved.iter().flat_map(|p| self.bounds_of(p)).collect())
    }

    fn bounds_of(&self, proved: &Proved) -> Vec<HandlerBounds> {
        let modules = match &proved.modules {
            Some(modules) => Cow::Borrowed(modules),
            None => Cow::Owned(self.compiler.prove_with(
                &self.checked,
                proved.function,
                &proved.bindings,
                None,
                &mut Diags::default(),
            )),
        };
        modules.iter().flat_map(HandlerBounds::of).collect()
    }

    /// The program, when nothing is wrong with it.
    ///
    /// # Errors
    ///
    /// [`BuildFailed`] with the findings when one is an error.
    pub fn finish(self) -> Result<Unit, BuildFailed> {
        let wrong = |d: &Diagnostic| d.severity == nfl_abi::Severity::Error;
        if self.diagnostics.iter().any(wrong) {
            return Err(BuildFailed::new(
                self.diagnostics,
                &self.checked.program.sources,
            ));
        }
        Ok(Unit::new(self.compiler, self.checked, self.proved))
    }
}
