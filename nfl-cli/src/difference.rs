//! Two texts as a unified difference.

use std::path::Path;

use similar::TextDiff;

/// What changes from the old to the new text of a file, as `patch` reads it.
pub(crate) fn unified(path: &Path, old: &str, new: &str) -> String {
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(old, new);
    let mut unified = diff.unified_diff();
    unified.header(&format!("a/{name}"), &format!("b/{name}"));
    unified.to_string()
}
