//! What becomes of a test.

use nfl_abi::Code;
use nfl_syntax::{Diagnostic, Span};

/// The result of a test.
#[derive(Clone, Debug)]
pub struct Report {
    /// The test, with package and owner.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// Its first failure; `None` when it went well.
    pub failure: Option<Box<Failure>>,
}

/// Why a test fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its row in the table of diagnostic codes.
    pub code: &'static Code,
    /// One sentence.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What the assertion itself says.
    pub why: Option<String>,
    /// The parts of the condition with their values, from the outside in.
    pub parts: Vec<Part>,
    /// Packets in the condition: what they are called, and the lines of their trees.
    pub packets: Vec<(String, Vec<String>)>,
}

/// A part of a condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// As it is written.
    pub source: String,
    /// Its value.
    pub value: String,
}

impl Failure {
    /// A failure with nothing but a sentence and a place.
    pub(crate) fn new(code: &'static Code, message: impl Into<String>, span: Span) -> Failure {
        Failure {
            code,
            message: message.into(),
            span,
            why: None,
            parts: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// The failure as a finding.
    pub fn diagnostic(&self) -> Diagnostic {
        let mut finding = Diagnostic::new(self.code, self.span).message(self.message.clone());
        if let Some(why) = &self.why {
            finding = finding.label(why.clone());
        }
        let width = self.parts.iter().map(|p| p.source.chars().count()).max();
        let width = width.unwrap_or(0).min(48);
        for part in &self.parts {
            finding = finding.note(format!("{:width$} = {}", part.source, part.value));
        }
        for (name, lines) in &self.packets {
            finding = finding.note(format!("{name}:\n      {}", lines.join("\n      ")));
        }
        finding
    }
}
