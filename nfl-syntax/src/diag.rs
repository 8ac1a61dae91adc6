//! What a stage has to say to the user.
//!
//! In: findings, with a code from the table of `nfl-abi` and places. Out: a list in the order of
//! discovery. Rendering is `diag/render.rs`'s business alone.

pub mod fix;
pub mod level;
pub mod render;
pub mod sarif;

pub use level::Levels;
pub use render::{Style, render};

use crate::span::Span;
use nfl_abi::{Code, Severity};

/// One finding.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Its row in the table.
    pub code: &'static Code,
    /// How bad it is: as the table says, unless the user asked for something else.
    pub severity: Severity,
    /// One sentence in the reader's terms; the code's title unless something more exact is known.
    pub message: String,
    /// Where it is wrong, and what is wrong there; the first is the main one.
    pub labels: Vec<Label>,
    /// What to know.
    pub notes: Vec<String>,
    /// Corrections that a program can make; the first is the likeliest.
    pub fixes: Vec<Fix>,
    /// What to type.
    pub helps: Vec<String>,
}

/// A correction of the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fix {
    /// What people read: the new text, or what is done with it.
    pub title: String,
    /// What each place is replaced by. An empty place stands before the token it begins with.
    pub edits: Vec<(Span, String)>,
}

/// A place with a remark.
#[derive(Clone, Debug)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The remark, maybe empty.
    pub text: String,
}

impl Diagnostic {
    /// A finding at a place, with the code's title as its message.
    pub fn new(code: &'static Code, span: Span) -> Diagnostic {
        Diagnostic {
            code,
            severity: code.severity(),
            message: code.title.to_string(),
            labels: vec![Label {
                span,
                text: String::new(),
            }],
            notes: Vec::new(),
            fixes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// A finding without a place: settings, files, sizes.
    pub fn bare(code: &'static Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            fixes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// Says it in this sentence instead.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Diagnostic {
        self.message = text.into();
        self
    }

    /// Says what is wrong at the main place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Points at another place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds something to know.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds a correction under a title.
    #[must_use]
    pub fn fix(
        mut self,
        title: impl Into<String>,
        edits: impl IntoIterator<Item = (Span, String)>,
    ) -> Diagnostic {
        self.fixes.push(Fix {
            title: title.into(),
            edits: edits.into_iter().collect(),
        });
        self
    }

    /// Adds the correction that replaces a place by this text, which is also its title.
    #[must_use]
    pub fn instead(self, span: Span, text: impl Into<String>) -> Diagnostic {
        let text = text.into();
        self.fix(text.clone(), [(span, text)])
    }

    /// Adds something to type.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.helps.push(text.into());
        self
    }
}

/// Where stages put their findings.
#[derive(Clone, Default, Debug)]
pub struct Diags {
    list: Vec<Diagnostic>,
}

impl Diags {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// All findings in the order of discovery.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// All findings, to keep.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.list
    }
}
