//! The tables of an image that are numbered by one byte, and values whose size is given by two.
//!
//! In: the module as it was lowered. Out: whether everything in it has a number, else a finding for each
//! table that is too long, at the name of the function or chain. Guaranteed: what does not fit goes no
//! further.

use super::ImageState;
use nfl_abi::codes::E701;
use nfl_abi::image::{OWN_REASONS_MAX, RESOURCES_MAX};
use nfl_syntax::ast::DeclKind;
use nfl_syntax::{Diagnostic, Diags};

/// Formats of `log` that a call can name.
const FORMATS_MAX: usize = 256;

impl ImageState<'_> {
    /// Whether the image has more resources than calls can name.
    pub(super) fn overfull(&self) -> bool {
        self.module.resources.len() > RESOURCES_MAX as usize
    }

    /// Reports what is numbered beyond its byte.
    pub(super) fn fits(&self, diags: &mut Diags) -> bool {
        let m = &self.module;
        let tables = [
            (
                "resources and types of reports",
                m.resources.len(),
                RESOURCES_MAX as usize,
            ),
            ("formats of `log`", m.formats.len(), FORMATS_MAX),
            (
                "reasons of its own",
                m.reasons.len(),
                OWN_REASONS_MAX as usize,
            ),
            (
                "bytes of a key or value",
                self.largest as usize,
                usize::from(u16::MAX),
            ),
        ];
        let decl = &self.sound.program().ast.decls[self.whole.decl];
        let span = match &decl.kind {
            DeclKind::Function { name, .. } | DeclKind::Chain { name, .. } => name.span,
            _ => decl.span,
        };
        let mut fits = true;
        for (what, needed, limit) in tables {
            if needed > limit {
                let text = format!("{}: {what}: {needed} needed, {limit} allowed", m.name);
                diags.push(Diagnostic::new(&E701, span).message(text));
                fits = false;
            }
        }
        fits
    }
}
