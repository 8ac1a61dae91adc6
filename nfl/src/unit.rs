//! Sound programs: their functions, the values of their parameters, and the images made of them.

use std::ops::Range;

use nfl_abi::codes;
use nfl_abi::{Image, Layer, Role};
use nfl_codegen_rv::EmitError;
use nfl_ir::verify::Access;
use nfl_ir::{Module, Verified};
use nfl_syntax::ast::DeclKind;
use nfl_syntax::{Diagnostic, Diags, SourceMap, Span};
use nfl_typeck::Checked;
use nfl_typeck::bind::Bindings;
use nfl_typeck::tables::{FunctionDef, FunctionId};

use crate::budget;
use crate::compiler::{Compiler, Proved, root_functions};
use crate::error::{BindError, NoSuchFunction};
use crate::party::Party;

/// A program without errors.
#[derive(Debug)]
pub struct Unit {
    pub(crate) compiler: Compiler,
    pub(crate) checked: Checked,
    /// Its functions as they were proved when it was built.
    proved: Vec<Proved>,
}

impl Unit {
    pub(crate) fn new(compiler: Compiler, checked: Checked, proved: Vec<Proved>) -> Unit {
        Unit {
            compiler,
            checked,
            proved,
        }
    }

    pub(crate) fn checked(&self) -> &Checked {
        &self.checked
    }

    pub(crate) fn function_unit(&self, id: FunctionId) -> FunctionUnit<'_> {
        FunctionUnit { unit: self, id }
    }

    /// The source texts, to render findings and places with.
    pub fn sources(&self) -> &SourceMap {
        &self.checked.program.sources
    }

    /// The functions of the root file, in the order of their declarations.
    pub fn functions(&self) -> Vec<FunctionUnit<'_>> {
        let functions = root_functions(&self.checked).into_iter();
        functions
            .map(|id| FunctionUnit { unit: self, id })
            .collect()
    }

    /// The function of this name, simple or with its package.
    ///
    /// # Errors
    ///
    /// [`NoSuchFunction`] with the names there are.
    pub fn function(&self, name: &str) -> Result<FunctionUnit<'_>, NoSuchFunction> {
        let functions = self.functions();
        let found = functions
            .iter()
            .find(|f| f.name() == name || f.qualified() == name);
        found.copied().ok_or_else(|| NoSuchFunction {
            name: name.to_string(),
            have: functions.iter().map(|f| f.name().to_string()).collect(),
        })
    }
}

/// A function of a program.
#[derive(Clone, Copy, Debug)]
pub struct FunctionUnit<'u> {
    pub(crate) unit: &'u Unit,
    pub(crate) id: FunctionId,
}

/// A handler of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Handler {
    /// When it runs.
    pub role: Role,
    /// Where the packet begins for it.
    pub layer: Layer,
}

/// A parameter of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether it is filled in after compilation.
    pub late: bool,
    /// Whether it has a value when nobody gives one.
    pub has_default: bool,
    /// Where it is declared.
    pub span: Span,
}

impl<'u> FunctionUnit<'u> {
    fn def(&self) -> &'u FunctionDef {
        &self.unit.checked.tables.functions[self.id]
    }

    /// Its simple name: `Segment`; for a connection of a graph `Shop.Web-Cart`.
    pub fn name(&self) -> &'u str {
        let simple = self.unit.checked.program.names.text(self.def().name);
        let qualified = self.qualified();
        match qualified.rfind(simple) {
            Some(at) => &qualified[at..],
            None => simple,
        }
    }

    /// Its name with its package: `acme.contracts.Segment`.
    pub fn qualified(&self) -> &'u str {
        &self.def().qualified
    }

    /// Its handlers, in the order of their roles.
    pub fn handlers(&self) -> Vec<Handler> {
        let handlers = self.def().handlers.iter();
        handlers
            .map(|h| Handler {
                role: h.role,
                layer: h.layer,
            })
            .collect()
    }

    /// Its parameters, in order.
    pub fn parameters(&self) -> Vec<Parameter> {
        let Checked {
            program, tables, ..
        } = &self.unit.checked;
        let parameters = self.def().params.iter().map(|&id| &tables.templates[id]);
        parameters
            .map(|template| Parameter {
                name: template.text(&program.names),
                late: template.late,
                has_default: template.default.is_some(),
                span: template.span,
            })
            .collect()
    }

    /// The function with these values for its parameters, each as the source would spell it.
    /// Parameters that are not named have their defaults.
    ///
    /// # Errors
    ///
    /// [`BindError`] for unknown names, missing or wrong values.
    pub fn bind(&self, values: &[(&str, &str)]) -> Result<Bound<'u>, BindError> {
        let mut diags = Diags::default();
        let values: Vec<(String, String)> = values
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect();
        let bindings = nfl_typeck::bind::bind(&self.unit.checked, self.id, &values, &mut diags);
        match bindings {
            Some(bindings) if !diags.has_errors() => Ok(Bound {
                function: *self,
                bindings,
            }),
            _ => Err(self.unit.bind_error(diags)),
        }
    }
}

impl Unit {
    pub(crate) fn bind_error(&self, diags: Diags) -> BindError {
        BindError::new(diags.into_vec(), self.sources())
    }
}

/// A function with values for its parameters.
#[derive(Debug)]
pub struct Bound<'u> {
    function: FunctionUnit<'u>,
    bindings: Bindings,
}

#[cfg(feature = "world")]
impl Bound<'_> {
    pub(crate) fn checked(&self) -> &Checked {
        self.function.unit.checked()
    }

    pub(crate) fn function_id(&self) -> FunctionId {
        self.function.id
    }

    pub(crate) fn bindings(&self) -> &Bindings {
        &self.bindings
    }
}

impl Bound<'_> {
    /// The images: one for each party of a contract, one for resident handlers.
    ///
    /// # Errors
    ///
    /// [`BindError`] when the program cannot be proved with these values, or is larger than the
    /// limits with them.
    pub fn images(&self) -> Result<Vec<Built>, BindError> {
        let mut diags = Diags::default();
        let built = self.function.images_with(&self.bindings, &mut diags);
        if let Some(budget) = self.function.def().budget {
            for built in &built {
                budget::enforce(budget, built, self.function.unit.sources(), &mut diags);
            }
        }
        if diags.has_errors() {
            return Err(self.function.unit.bind_error(diags));
        }
        Ok(built)
    }
}

impl FunctionUnit<'_> {
    /// Its images with these parameters, as far as they can be made.
    pub(crate) fn images_with(&self, bindings: &Bindings, diags: &mut Diags) -> Vec<Built> {
        let has_proof = |proved: &&Proved| {
            let values = &proved.bindings.values;
            proved.function == self.id && proved.is_whole && *values == bindings.values
        };
        let proved = self.unit.proved.iter().find(has_proof);
        if let Some(modules) = proved.and_then(|proved| proved.modules.as_ref()) {
            let modules = modules.iter();
            return modules.filter_map(|m| self.emit(m, diags)).collect();
        }
        let sound = self.unit.checked.sound();
        let sound = sound.expect("a unit is made of a program without errors");
        let modules = nfl_ir::lower::lower(sound, self.id, bindings, diags).into_iter();
        modules
            .filter_map(|module| {
                let limits = &self.unit.compiler.limits;
                let verified = nfl_ir::verify::improved(module, limits, None, diags)?;
                self.emit(&verified, diags)
            })
            .collect()
    }
}

impl FunctionUnit<'_> {
    fn emit(&self, verified: &Verified, diags: &mut Diags) -> Option<Built> {
        let Compiler {
            limits,
            target,
            level,
            ..
        } = self.unit.compiler;
        let options = nfl_codegen_rv::Options {
            target,
            limits,
            level,
        };
        match nfl_codegen_rv::emit(verified, &options) {
            Ok(emitted) => Some(Built {
                party: Party::of(&emitted.image.manifest),
                image: emitted.image,
                places: emitted
                    .lines
                    .into_iter()
                    .map(|(pc, size, span)| Place { pc, size, span })
                    .collect(),
                module: verified.module().clone(),
            }),
            Err(error) => {
                diags.push(self.emit_diagnostic(&verified.module().name, &error));
                None
            }
        }
    }

    /// What the code generator says, at the place it knows or at the function's name.
    fn emit_diagnostic(&self, image: &str, error: &EmitError) -> Diagnostic {
        let (code, place) = match error {
            EmitError::TargetLacks { span, .. } => (&codes::E702, *span),
            EmitError::Unproved { span, .. } => (&codes::E703, *span),
            // Whatever else stops the code generator is a size.
            _ => (&codes::E701, None),
        };
        let decl = &self.unit.checked.program.ast.decls[self.def().decl];
        let name = match &decl.kind {
            DeclKind::Function { name, .. } => name.span,
            _ => decl.span,
        };
        let message = format!("{image}: {error}");
        Diagnostic::new(code, place.unwrap_or(name)).message(message)
    }
}

/// Where an instruction comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Place {
    /// Offset of the instruction in the code, in bytes.
    pub pc: u32,
    /// Its size in bytes.
    pub size: u32,
    /// The source it was made for, if one statement or expression can be named.
    pub span: Option<Span>,
}

/// An image with what the compiler knows about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Built {
    /// Whose it is.
    pub party: Party,
    /// The image.
    pub image: Image,
    /// Where each instruction comes from, in the order of the code.
    pub places: Vec<Place>,
    module: Module,
}

impl Built {
    /// The module the image was made of.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The module as `.nir` text.
    pub fn ir_text(&self) -> String {
        nfl_ir::text::module(&self.module)
    }
}

/// What the compiler proved of a handler.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HandlerBounds {
    /// Name of the function, with the party behind a dot in contracts.
    pub name: String,
    /// When it runs.
    pub role: Role,
    /// An estimate of the worst case, in steps; images carry the exact bound.
    pub steps: u64,
    /// Its loops, outer before inner: where each stands, and how often it goes back at most.
    pub loops: Vec<(Option<Span>, u32)>,
    /// The bytes of the packet that it may read, from the start of its layer as it stands then; behind the packet's end
    /// they read as zero.
    pub reads: Option<Range<u32>>,
    /// The bytes of the packet that it may write; all of them are there.
    pub writes: Option<Range<u32>>,
    /// Bytes of its local arrays, which lie in scratch; the code may need more.
    pub scratch: u32,
}

impl HandlerBounds {
    /// Those of a module's handlers.
    pub(crate) fn of(verified: &Verified) -> Vec<HandlerBounds> {
        let Module {
            name, functions, ..
        } = verified.module();
        let bounds = functions.iter().zip(&verified.bounds().functions);
        bounds
            .map(|(f, bounds)| HandlerBounds {
                name: name.clone(),
                role: f.role,
                steps: bounds.steps,
                loops: bounds.loops.iter().map(|l| (l.span, l.trips)).collect(),
                reads: extent(&bounds.packet, false),
                writes: extent(&bounds.packet, true),
                scratch: f.slots.iter().map(|(_, slot)| slot.bytes).sum(),
            })
            .collect()
    }
}

/// From the first byte that these accesses may touch to behind the last one.
fn extent(accesses: &[Access], write: bool) -> Option<Range<u32>> {
    let accesses = accesses.iter().filter(|access| access.write == write);
    let extents = accesses.map(|access| {
        let behind = access.offset.hi.saturating_add(u32::from(access.bytes));
        access.offset.lo..behind
    });
    extents.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))
}
