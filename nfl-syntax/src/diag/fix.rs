//! Corrections as new texts.
//!
//! In: findings and their sources. Out: the texts of the files that the first correction of each
//! finding changes. Guaranteed: corrections are made as a whole or not at all, and of two that touch
//! the same place only the earlier finding's is made.

use super::Diagnostic;
use crate::source::SourceMap;
use crate::span::FileId;
use std::collections::BTreeMap;
use std::ops::Range;

/// Changed texts.
#[derive(Clone, Default, Debug)]
pub struct Fixed {
    /// The new text of each file that changes.
    pub texts: BTreeMap<FileId, String>,
    /// How many corrections were made.
    pub count: usize,
}

/// What a file is changed by: bytes, and the text in their place.
type Edit<'d> = (Range<usize>, &'d str);

/// Makes the first correction of each finding.
pub fn apply<'d>(findings: impl IntoIterator<Item = &'d Diagnostic>, sources: &SourceMap) -> Fixed {
    let mut edits: BTreeMap<FileId, Vec<Edit<'d>>> = BTreeMap::new();
    let mut count = 0;
    for fix in findings.into_iter().filter_map(|d| d.fixes.first()) {
        let places = fix.edits.iter();
        let places: Vec<(FileId, Edit<'d>)> = places
            .map(|(span, text)| (span.file, (sources.bytes(*span), text.as_str())))
            .collect();
        let free = |(file, (range, _)): &(FileId, Edit<'d>)| {
            let taken = edits.get(file).into_iter().flatten();
            taken.into_iter().all(|(other, _)| apart(range, other))
        };
        if places.is_empty() || !places.iter().all(free) {
            continue;
        }
        count += 1;
        for (file, edit) in places {
            edits.entry(file).or_default().push(edit);
        }
    }
    let texts = edits
        .into_iter()
        .map(|(file, edits)| (file, edited(&sources.files[file].text, edits)))
        .collect();
    Fixed { texts, count }
}

/// Whether two changes leave each other alone. Two insertions at one place do not.
fn apart(a: &Range<usize>, b: &Range<usize>) -> bool {
    a != b && (a.end <= b.start || b.end <= a.start)
}

fn edited(text: &str, mut edits: Vec<Edit<'_>>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut new = String::with_capacity(text.len());
    let mut end = 0;
    for (range, replacement) in edits {
        new.push_str(&text[end..range.start]);
        new.push_str(replacement);
        end = range.end;
    }
    new.push_str(&text[end..]);
    new
}
