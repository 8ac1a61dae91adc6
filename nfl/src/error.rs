//! What can go wrong at the edges, as closed enums with a code each.

use std::fmt;

use nfl_abi::codes::{self, Code};
use nfl_isa::{MarchError, TARGETS};

/// A target's name that is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UnknownTarget {
    /// The name.
    pub name: String,
    /// What is wrong with it, and the nearest target.
    pub why: MarchError,
}

impl UnknownTarget {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        &codes::E903
    }

    /// The names that would do.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TARGETS.iter().map(|target| target.name)
    }
}

impl fmt::Display for UnknownTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "there is no target `{}`: {}", self.name, self.why)
    }
}

impl std::error::Error for UnknownTarget {}

/// A function's name that the file does not have.
#[cfg(feature = "compiler")]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NoSuchFunction {
    /// The name.
    pub name: String,
    /// The names that the file has.
    pub have: Vec<String>,
}

#[cfg(feature = "compiler")]
impl NoSuchFunction {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        &codes::E904
    }
}

#[cfg(feature = "compiler")]
impl fmt::Display for NoSuchFunction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "there is no function `{}`", self.name)
    }
}

#[cfg(feature = "compiler")]
impl std::error::Error for NoSuchFunction {}

/// The source has errors.
#[cfg(feature = "compiler")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BuildFailed {
    /// All findings, warnings among them.
    pub diagnostics: Vec<nfl_syntax::Diagnostic>,
    /// One line for each finding, with its place.
    rendered: String,
}

/// Parameters are missing or have values that do not do, or the program does not fit with them.
#[cfg(feature = "compiler")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BindError {
    /// All findings.
    pub diagnostics: Vec<nfl_syntax::Diagnostic>,
    /// One line for each finding, with its place.
    rendered: String,
}

#[cfg(feature = "compiler")]
macro_rules! diagnosed {
    ($name:ident) => {
        impl $name {
            pub(crate) fn new(
                diagnostics: Vec<nfl_syntax::Diagnostic>,
                sources: &nfl_syntax::SourceMap,
            ) -> $name {
                let rendered = diagnostics
                    .iter()
                    .map(|d| crate::render(d, sources, crate::Style::Short));
                let rendered = rendered.collect::<Vec<_>>().join("");
                $name {
                    diagnostics,
                    rendered: rendered.trim_end().to_string(),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.rendered)
            }
        }

        impl std::error::Error for $name {}
    };
}

#[cfg(feature = "compiler")]
diagnosed!(BuildFailed);
#[cfg(feature = "compiler")]
diagnosed!(BindError);

/// Why an image does not run here.
#[cfg(feature = "vm")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EngineError {
    /// The byte verifier does not prove it.
    Refused(nfl_verify::Refusal),
    /// It asks for more than the policy grants.
    Policy(nfl_vm::LoadError),
}

#[cfg(feature = "vm")]
impl EngineError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        match self {
            EngineError::Refused(_) => &codes::E831,
            EngineError::Policy(_) => &codes::E832,
        }
    }
}

#[cfg(feature = "vm")]
impl fmt::Display for EngineError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Refused(refusal) => refusal.fmt(out),
            EngineError::Policy(error) => error.fmt(out),
        }
    }
}

#[cfg(feature = "vm")]
impl std::error::Error for EngineError {}
