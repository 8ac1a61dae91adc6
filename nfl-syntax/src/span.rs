//! Where a node stands: a range of tokens of a file.
//!
//! Tokens are numbered per file with white space and comments included, so a node knows its exact
//! text, and everything between two nodes can be found again. `SourceMap` turns tokens into bytes.

crate::entity! {
    /// A source file.
    pub struct FileId = "file";
}

/// Tokens `start..end` of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First token.
    pub start: u32,
    /// The token behind the last one.
    pub end: u32,
}

impl Span {
    /// From the first token of `self` to the last of `other`.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span {
            file: self.file,
            start: self.start,
            end: other.end,
        }
    }
}
