//! Source texts and their tokens: from a token span to bytes, lines and columns.

use crate::arena::SharedVec;
use crate::span::{FileId, Span};
use std::ops::Range;
use std::sync::Arc;

/// One file's text, and where its tokens stand in it.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name under which it was given.
    pub name: String,
    /// The text.
    pub text: String,
    /// Byte offset at which each token starts, white space and comments included, and the text's length at the end.
    pub starts: Vec<u32>,
    /// Byte offset at which each line starts.
    pub lines: Vec<u32>,
}

/// All files of a program.
#[derive(Clone, Default, Debug)]
pub struct SourceMap {
    /// The files by id. Programs that have a file with the same text may share it.
    pub files: SharedVec<FileId, Arc<SourceFile>>,
}

impl SourceMap {
    /// Adds a text; the lexer fills in the tokens.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(i, _)| i as u32 + 1))
            .collect();
        let end = text.len() as u32;
        self.files.push(Arc::new(SourceFile {
            name: name.into(),
            text,
            starts: vec![end],
            lines,
        }))
    }

    /// A file, to be changed; other programs that have it keep what they have.
    pub fn file_mut(&mut self, file: FileId) -> &mut SourceFile {
        Arc::make_mut(&mut self.files[file])
    }

    /// The root file of a program: the first that is not of a shared library.
    pub fn root(&self) -> Option<&SourceFile> {
        self.files.first_own().map(Arc::as_ref)
    }

    /// Whether a file is one of a library that programs share.
    pub fn is_shared(&self, file: FileId) -> bool {
        self.files.is_shared(file)
    }

    /// The bytes of a span; an empty range for an empty span.
    pub fn bytes(&self, span: Span) -> Range<usize> {
        let starts = &self.files[span.file].starts;
        let at = |token: u32| starts[(token as usize).min(starts.len() - 1)] as usize;
        at(span.start)..at(span.end.max(span.start))
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        &self.files[span.file].text[self.bytes(span)]
    }

    /// Line and column of a span's start, both from 1; columns count characters.
    pub fn line_col(&self, span: Span) -> (u32, u32) {
        self.place(span.file, self.bytes(span).start)
    }

    /// Line and column behind a span's end, both from 1; columns count characters.
    pub fn end_line_col(&self, span: Span) -> (u32, u32) {
        self.place(span.file, self.bytes(span).end)
    }

    fn place(&self, file: FileId, byte: usize) -> (u32, u32) {
        let file = &self.files[file];
        let line = file
            .lines
            .partition_point(|&start| start as usize <= byte)
            .max(1);
        let start = file.lines[line - 1] as usize;
        let column = file.text.get(start..byte).map_or(0, |t| t.chars().count());
        (line as u32, column as u32 + 1)
    }
}
