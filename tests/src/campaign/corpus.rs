//! Images to start from.
//!
//! In: the examples, the suite, the verifier's own cases, and generated modules and programs. Out: images,
//! with names. Guaranteed: the same files and seeds give the same images in the same order.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nfl_abi::{Image, Limits};
use nfl_codegen_rv::{EmitError, Options};
use nfl_ir::Module;
use nfl_syntax::Diags;
use nfl_typeck::bind::bind;

use super::support;
use crate::case::cases;
use crate::examples::EXAMPLES;
use crate::pipeline::{Checking, check_text};
use crate::root;

/// Longer runs than a platform allows, so that generated loops may be nested, and room for the manifests of many
/// imports.
pub fn limits() -> Limits {
    let mut limits = Limits::EDGE;
    limits.capsule.steps = 20_000;
    limits.capsule.manifest_bytes = 1024;
    limits
}

/// The images of the examples and of the suite.
pub fn compiled() -> Vec<(String, Image)> {
    let mut all = examples();
    for case in cases(&root().join("tests/suite/run")) {
        let checking = check_text("case.nfl", &case.text);
        let stages = checking
            .function(case.get("function"))
            .and_then(|function| checking.stages(function, &case.sets()));
        // A case that has no image is a finding of the suite, not of this.
        let stages = stages.into_iter().flatten();
        all.extend(stages.map(|stages| (case.name().to_string(), stages.image)));
    }
    all
}

/// The images of the examples.
///
/// # Panics
///
/// When one of them does not compile.
pub fn examples() -> Vec<(String, Image)> {
    let mut all = Vec::new();
    for example in EXAMPLES {
        let stages = example
            .stages()
            .unwrap_or_else(|e| panic!("{}: {e}", example.path));
        let named = |image| (format!("{} {}", example.path, example.function), image);
        all.extend(stages.into_iter().map(|stages| named(stages.image)));
    }
    all
}

/// Name and text of each of the verifier's own cases.
///
/// # Panics
///
/// When they cannot be read.
pub fn written() -> Vec<(String, String)> {
    let dir = root().join("nfl-verify/tests/cases");
    let files = std::fs::read_dir(dir).expect("the verifier has cases");
    let paths: BTreeSet<PathBuf> = files
        .map(|file| file.expect("a directory can be read to its end").path())
        .collect();
    let mut texts = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).expect("cases can be read");
        for case in text.split("== ").filter(|case| !case.trim().is_empty()) {
            let source = case.split("\n--\n").next().unwrap_or(case);
            let (name, source) = source.split_once('\n').unwrap_or((source, ""));
            texts.push((name.to_string(), source.to_string()));
        }
    }
    texts
}

/// The images of the verifier's own cases, where a certificate can be proposed.
pub fn described() -> Vec<(String, Image)> {
    let cases = written().into_iter();
    let images = cases.map(|(name, text)| Some((name, support::certified(&text).ok()?)));
    images.flatten().collect()
}

/// The image of a text in the form of the verifier's own cases, with the certificate that the text has.
pub fn described_by(text: &str) -> Image {
    support::image(text)
}

/// The image of a text in the form of the verifier's own cases, if a certificate can be proposed.
///
/// # Errors
///
/// What the verifier says.
pub fn from_text(text: &str) -> Result<Image, String> {
    support::certified(text)
}

/// The image of a module that the compiler's verifier accepts; some are too large for one.
pub fn emit(module: Module) -> Option<Image> {
    let mut module = module;
    nfl_ir::passes::run(&mut module);
    let verified = nfl_ir::verify::verify(module, &Limits::EDGE, &mut Diags::default());
    let emitted = nfl_codegen_rv::emit(&verified?, &Options::default()).ok();
    emitted.map(|emitted| emitted.image)
}

/// What the compiler makes of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compiled {
    /// Images, each proved by the node's verifier.
    Images(Vec<Image>),
    /// It takes more room or time than a platform has.
    TooMuch,
    /// It is refused, with what the compiler says.
    Refused(String),
    /// The compiler accepts it and the node's verifier does not.
    Unproved(String),
}

/// Words of refusals that are about size.
const TOO_MUCH: &[&str] = &[
    "too large",
    "steps of a run",
    "the image: ",
    "the manifest: ",
];

/// Compiles the one function of a text.
pub fn compile(text: &str) -> Compiled {
    let checking = check_text("generated.nfl", text);
    match lowered(&checking) {
        Ok(modules) => emitted(&checking, modules),
        Err(said) => refused(said),
    }
}

fn refused(said: String) -> Compiled {
    match TOO_MUCH.iter().any(|word| said.contains(word)) {
        true => Compiled::TooMuch,
        false => Compiled::Refused(said),
    }
}

fn lowered(checking: &Checking) -> Result<Vec<Module>, String> {
    let function = checking.function(None)?;
    let sound = checking.checked.sound();
    let sound = sound.ok_or_else(|| checking.render(&checking.diagnostics))?;
    let mut diags = Diags::default();
    let bindings = bind(&checking.checked, function, &[], &mut diags);
    let bindings = bindings.filter(|_| !diags.has_errors());
    let Some(bindings) = bindings else {
        return Err(checking.render(&diags.into_vec()));
    };
    let modules = nfl_ir::lower::lower(sound, function, &bindings, &mut diags);
    match diags.has_errors() {
        true => Err(checking.render(&diags.into_vec())),
        false => Ok(modules),
    }
}

fn emitted(checking: &Checking, modules: Vec<Module>) -> Compiled {
    let mut images = Vec::new();
    for mut module in modules {
        let mut diags = Diags::default();
        nfl_ir::passes::run(&mut module);
        let Some(verified) = nfl_ir::verify::verify(module, &Limits::EDGE, &mut diags) else {
            return refused(checking.render(&diags.into_vec()));
        };
        match nfl_codegen_rv::emit(&verified, &Options::default()) {
            Ok(emitted) => images.push(emitted.image),
            Err(EmitError::TooLarge { .. }) => return Compiled::TooMuch,
            Err(error @ EmitError::Unproved { .. }) => {
                return Compiled::Unproved(error.to_string());
            }
            Err(error) => return refused(error.to_string()),
        }
    }
    Compiled::Images(images)
}
